#include "drivers/os/os_sockets.h"

#include "core/base/err.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct os_socket got;
static int count;

static void
keep(void *user, const struct os_socket *s)
{
    assert_ptr_equal(user, &got);
    got = *s;
    count++;
}

/* A connection over loopback: the port that listened, and the peer's. */
static void
connect_pair(int fds[3], uint16_t *port, uint16_t *peer)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof at;
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    fds[1] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fds[0], (struct sockaddr *)&at, n), 0);
    assert_int_equal(listen(fds[0], 1), 0);
    assert_int_equal(getsockname(fds[0], (struct sockaddr *)&at, &n), 0);
    assert_int_equal(connect(fds[1], (struct sockaddr *)&at, n), 0);
    fds[2] = accept(fds[0], NULL, NULL);
    assert_true(fds[2] >= 0);
    *port = ntohs(at.sin_port);
    assert_int_equal(getsockname(fds[1], (struct sockaddr *)&at, &n), 0);
    *peer = ntohs(at.sin_port);
}

static void
a_connection_of_a_port_is_told_and_its_listener_is_not(void **state)
{
    static const uint8_t loopback[16] = {[10] = 0xff, 0xff, 127, 0, 0, 1};
    uint16_t port, peer;
    int fds[3];
    connect_pair(fds, &port, &peer);
    assert_int_equal(send(fds[1], "hello", 5, 0), 5);
    int err = os_sockets_each(&port, 1, keep, &got);
    if (err == ERR_DENIED || err == ERR_NOT_FOUND)
        skip(); /* a kernel without sock_diag */
    assert_int_equal(err, ERR_OK);
    assert_int_equal(count, 1);
    assert_string_equal(got.state, "ESTABLISHED");
    assert_memory_equal(got.local_ip, loopback, 16);
    assert_memory_equal(got.remote_ip, loopback, 16);
    assert_int_equal(got.local_port, port);
    assert_int_equal(got.remote_port, peer);
    assert_int_equal(got.unread, 5);
    assert_true(got.cwnd >= got.mss && got.mss > 0);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}

static void
ports_that_nobody_named_are_not_told(void **state)
{
    uint16_t port, peer, none = 0;
    int fds[3];
    connect_pair(fds, &port, &peer);
    count = 0;
    assert_int_equal(os_sockets_each(&none, 1, keep, &got), ERR_OK);
    assert_int_equal(count, 0);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_of_a_port_is_told_and_its_listener_is_not),
        cmocka_unit_test(ports_that_nobody_named_are_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
