#include "core/base/err.h"
#include "drivers/os/os.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int listener;
static uint16_t port;

static int
setup(void **state)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int one = 1;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) ||
        bind(listener, (struct sockaddr *)&a, sizeof a) || listen(listener, 1) ||
        getsockname(listener, (struct sockaddr *)&a, &n))
        return -1;
    port = ntohs(a.sin_port);
    return 0;
}

static int
teardown(void **state)
{
    if (listener >= 0)
        close(listener);
    return 0;
}

static void
a_port_that_somebody_listens_on_is_in_use(void **state)
{
    assert_int_equal(os_listen_check("127.0.0.1", port), ERR_EXISTS);
    assert_int_equal(os_listen_check("localhost", port), ERR_EXISTS);
    assert_int_equal(os_listen_check("", port), ERR_EXISTS);
    assert_int_equal(os_listen_check("127.0.0.2", port), ERR_OK);
}

static void *
close_soon(void *arg)
{
    static const struct timespec soon = {.tv_nsec = 50000000};
    nanosleep(&soon, NULL);
    close(*(int *)arg);
    return NULL;
}

static void
a_port_that_is_just_being_given_up_is_waited_for(void **state)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, close_soon, &listener), 0);
    assert_int_equal(os_listen_check("127.0.0.1", port), ERR_OK);
    assert_int_equal(pthread_join(thread, NULL), 0);
    listener = -1;
}

static void
a_free_port_is_free_and_stays_so(void **state)
{
    close(listener);
    listener = -1;
    assert_int_equal(os_listen_check("127.0.0.1", port), ERR_OK);
    assert_int_equal(os_listen_check("127.0.0.1", port), ERR_OK);
}

static void
a_foreign_address_and_an_unknown_name_are_told_apart(void **state)
{
    assert_int_equal(os_listen_check("192.0.2.1", port), ERR_INVALID); /* RFC 5737: of nobody */
    assert_int_equal(os_listen_check("no host name", port), ERR_NOT_FOUND);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_port_that_somebody_listens_on_is_in_use, setup, teardown),
        cmocka_unit_test_setup_teardown(a_port_that_is_just_being_given_up_is_waited_for, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_free_port_is_free_and_stays_so, setup, teardown),
        cmocka_unit_test_setup_teardown(a_foreign_address_and_an_unknown_name_are_told_apart, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
