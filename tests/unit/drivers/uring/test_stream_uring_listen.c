#include "tests/unit/drivers/uring/uring_fixture.h"

#include <sys/resource.h>

static const struct uring_config small = {.connections_max = 16};

static void
a_peer_is_announced_with_its_address(void **state)
{
    struct fixture f = fixture_of(small);
    int fd = client_connect(&f);
    struct sockaddr_in me;
    socklen_t len = sizeof me;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&me, &len), 0);
    struct stream_event e = fixture_await(&f, 0, STREAM_OPENED);
    static const uint8_t loopback[16] = {[10] = 0xff, 0xff, 127, 0, 0, 1};
    assert_memory_equal(e.peer.ip, loopback, 16);
    assert_int_equal(e.peer.port, ntohs(me.sin_port));
    assert_int_equal(e.listener, 0);
    assert_int_not_equal(e.id, 0);
    close(fd);
    uring_destroy(f.uring);
}

static void
no_descriptors_left_only_delays_an_accept(void **state)
{
    enum { FILES_MAX = 64 };
    struct rlimit before, few;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = FILES_MAX;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    struct fixture f = fixture_of(small);
    int fd = client_connect(&f); /* in the backlog */
    int fill[FILES_MAX];
    int count = 0;
    while (count < FILES_MAX && (fill[count] = dup(fd)) >= 0)
        count++;
    for (int i = 0; i < 3; i++)
        fixture_turn(&f);
    uint32_t early = f.kept_count;
    while (count > 0)
        close(fill[--count]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(early, 0);
    fixture_await(&f, 0, STREAM_OPENED);
    close(fd);
    uring_destroy(f.uring);
}

static void
a_port_in_use_exists(void **state)
{
    struct fixture f = fixture_of(small);
    int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    assert_int_equal(bind(other, (struct sockaddr *)&in, len), 0);
    assert_int_equal(listen(other, 1), 0);
    assert_int_equal(getsockname(other, (struct sockaddr *)&in, &len), 0);
    struct stream_addr at = {.ip = {[10] = 0xff, 0xff, 127, 0, 0, 1}, .port = ntohs(in.sin_port)};
    assert_int_equal(f.stream.ops->listen(f.stream.self, &at), ERR_EXISTS);
    close(other);
    uring_destroy(f.uring);
}

static void
connections_over_the_limit_are_closed_and_counted(void **state)
{
    struct fixture f = fixture_of((struct uring_config){.connections_max = 2});
    int fds[4];
    for (int i = 0; i < 4; i++)
        fds[i] = client_connect(&f);
    fixture_await(&f, 0, STREAM_OPENED);
    stream_id second = fixture_await(&f, 0, STREAM_OPENED).id;
    char byte;
    assert_true(recv(fds[2], &byte, 1, 0) <= 0);
    assert_true(recv(fds[3], &byte, 1, 0) <= 0);
    assert_int_equal(uring_stream_refused(f.uring), 2);
    fixture_close(&f, second); /* makes room for another */
    fixture_await(&f, second, STREAM_CLOSED);
    int again = client_connect(&f);
    fixture_await(&f, 0, STREAM_OPENED);
    close(again);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
    uring_destroy(f.uring);
}

static void
both_families_are_heard_on_the_any_address(void **state)
{
    struct fixture f = fixture_of(small);
    struct stream_addr any = {.port = 0};
    assert_int_equal(f.stream.ops->listen(f.stream.self, &any), ERR_OK);
    f.port = uring_stream_port(f.uring, 1);
    int fd = client_connect(&f);
    struct stream_event e = fixture_await(&f, 0, STREAM_OPENED);
    assert_int_equal(e.listener, 1);
    assert_int_equal(e.peer.ip[10], 0xff);
    assert_int_equal(e.peer.ip[12], 127);
    close(fd);
    uring_destroy(f.uring);
}

static void
an_address_of_another_machine_is_invalid(void **state)
{
    struct fixture f = fixture_of(small);
    struct stream_addr other = {.ip = {[10] = 0xff, 0xff, 192, 0, 2, 1}, .port = 9092};
    assert_int_equal(f.stream.ops->listen(f.stream.self, &other), ERR_INVALID);
    uring_destroy(f.uring);
}

static void
an_end_of_listening_frees_the_port_and_keeps_the_connections(void **state)
{
    struct fixture f = fixture_of(small);
    int fd = client_connect(&f);
    struct stream_event e = fixture_await(&f, 0, STREAM_OPENED);
    assert_int_equal(f.stream.ops->listen(f.stream.self, NULL), ERR_OK);
    /* At once, whatever the kernel still does with the accept. */
    int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    assert_int_equal(setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons(f.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(late, (struct sockaddr *)&in, sizeof in), -1);
    assert_int_equal(bind(other, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(other, 1), 0);
    for (int i = 0; i < 3; i++)
        fixture_turn(&f);
    client_send(fd, "x", 1);
    fixture_await(&f, e.id, STREAM_READABLE);
    close(late);
    close(other);
    close(fd);
    uring_destroy(f.uring);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_is_announced_with_its_address),
        cmocka_unit_test(no_descriptors_left_only_delays_an_accept),
        cmocka_unit_test(a_port_in_use_exists),
        cmocka_unit_test(an_end_of_listening_frees_the_port_and_keeps_the_connections),
        cmocka_unit_test(connections_over_the_limit_are_closed_and_counted),
        cmocka_unit_test(both_families_are_heard_on_the_any_address),
        cmocka_unit_test(an_address_of_another_machine_is_invalid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
