#include "core/base/err.h"
#include "drivers/os/os.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SHORT_MS = 50, LONG_MS = 10000 };

static int listener;
static uint16_t port;

static int
setup(void **state)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&a, sizeof a) || listen(listener, 4) ||
        getsockname(listener, (struct sockaddr *)&a, &n))
        return -1;
    port = ntohs(a.sin_port);
    return 0;
}

static int
teardown(void **state)
{
    return close(listener);
}

static void
bytes_go_both_ways(void **state)
{
    char got[6] = "";
    int fd = os_dial("127.0.0.1", port, LONG_MS);
    assert_true(fd >= 0);
    int peer = accept(listener, NULL, NULL);
    assert_int_equal(os_dial_send(fd, "hello", 5), ERR_OK);
    assert_int_equal(os_dial_receive(peer, got, 5), ERR_OK);
    assert_string_equal(got, "hello");
    assert_int_equal(os_dial_send(peer, "back!", 5), ERR_OK);
    assert_int_equal(os_dial_receive(fd, got, 5), ERR_OK);
    assert_string_equal(got, "back!");
    close(fd);
    close(peer);
}

static void
the_end_of_the_peer_is_told(void **state)
{
    char got[5];
    int fd = os_dial("localhost", port, LONG_MS);
    assert_true(fd >= 0);
    int peer = accept(listener, NULL, NULL);
    assert_int_equal(os_dial_send(peer, "he", 2), ERR_OK);
    close(peer);
    assert_int_equal(os_dial_receive(fd, got, 5), ERR_CLOSED);
    close(fd);
}

static void
a_silent_peer_ends_the_wait(void **state)
{
    char got[5];
    int fd = os_dial("127.0.0.1", port, SHORT_MS);
    assert_true(fd >= 0);
    assert_int_equal(os_dial_receive(fd, got, 5), ERR_AGAIN);
    close(fd);
}

static void
nobody_there_is_an_error(void **state)
{
    int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    assert_int_equal(bind(taken, (struct sockaddr *)&a, sizeof a), 0); /* bound, not listening */
    assert_int_equal(getsockname(taken, (struct sockaddr *)&a, &n), 0);
    assert_true(os_dial("127.0.0.1", ntohs(a.sin_port), LONG_MS) < 0);
    assert_int_equal(os_dial("no-such-host.invalid", 1, LONG_MS), ERR_NOT_FOUND);
    close(taken);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_both_ways),
        cmocka_unit_test(the_end_of_the_peer_is_told),
        cmocka_unit_test(a_silent_peer_ends_the_wait),
        cmocka_unit_test(nobody_there_is_an_error),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
