#include "tests/unit/drivers/uring/uring_fixture.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>

static const struct uring_config small = {.connections_max = 16, .request_bytes_max = 1 << 20};

static void
bytes_go_in_and_out(void **state)
{
    struct fixture f = fixture_of(small);
    int fd = client_connect(&f);
    stream_id id = fixture_await(&f, 0, STREAM_OPENED).id;
    client_send(fd, "hello", 5);
    fixture_await(&f, id, STREAM_READABLE);
    struct view v = fixture_peek(&f, id);
    assert_true(view_equal(v, view_of_text("hello")));
    assert_int_equal(fixture_send(&f, id, "world", 5), 5);
    struct stream_event sent = fixture_await(&f, id, STREAM_SENT);
    assert_int_equal(sent.bytes_sent, 5);
    assert_int_equal(sent.bytes_back, 0);
    char got[5];
    assert_int_equal(recv(fd, got, 5, MSG_WAITALL), 5);
    assert_memory_equal(got, "world", 5);
    close(fd);
    uring_destroy(f.uring);
}

static void
spans_leave_in_order_up_to_the_limits(void **state)
{
    struct fixture f = fixture_of(small);
    int fd = client_connect(&f);
    stream_id id = fixture_await(&f, 0, STREAM_OPENED).id;
    struct view spans[STREAM_SPANS_MAX + 6];
    uint8_t bytes[STREAM_SPANS_MAX + 6];
    for (uint32_t i = 0; i < STREAM_SPANS_MAX + 6; i++) {
        bytes[i] = (uint8_t)i;
        spans[i] = view_of(bytes + i, 1);
    }
    int taken = f.stream.ops->send(f.stream.self, id, spans, STREAM_SPANS_MAX + 6);
    assert_int_equal(taken, STREAM_SPANS_MAX);
    fixture_await(&f, id, STREAM_SENT);
    uint8_t got[STREAM_SPANS_MAX];
    assert_int_equal(recv(fd, got, sizeof got, MSG_WAITALL), sizeof got);
    assert_memory_equal(got, bytes, sizeof got);
    close(fd);
    uring_destroy(f.uring);
}

static void
a_second_send_waits_for_the_first_loan(void **state)
{
    struct fixture f = fixture_of(small);
    int fd = client_connect(&f);
    stream_id id = fixture_await(&f, 0, STREAM_OPENED).id;
    assert_int_equal(fixture_send(&f, id, "a", 1), 1);
    assert_int_equal(fixture_send(&f, id, "b", 1), 0);
    fixture_await(&f, id, STREAM_SENT);
    fixture_await(&f, id, STREAM_WRITABLE);
    assert_int_equal(fixture_send(&f, id, "b", 1), 1);
    char got[2];
    fixture_await(&f, id, STREAM_SENT);
    assert_int_equal(recv(fd, got, 2, MSG_WAITALL), 2);
    assert_memory_equal(got, "ab", 2);
    close(fd);
    uring_destroy(f.uring);
}

struct slow_reader {
    int fd;
    size_t bytes;
    size_t wrong;
    sem_t go;
};

static void *
slow_reader_run(void *arg)
{
    struct slow_reader *r = arg;
    while (sem_wait(&r->go) != 0)
        continue;
    uint8_t got[4096];
    size_t at = 0;
    while (at < r->bytes) {
        ssize_t n = recv(r->fd, got, sizeof got, 0);
        if (n <= 0)
            break;
        for (ssize_t i = 0; i < n; i++, at++)
            r->wrong += got[i] != (uint8_t)(at * 7);
    }
    r->wrong += r->bytes - at;
    return NULL;
}

static void
a_slow_reader_gives_bytes_back_and_has_them_all_later(void **state)
{
    struct fixture f = fixture_of(small);
    enum { BYTES = 12 << 20 };
    struct slow_reader reader = {.fd = client_connect(&f), .bytes = BYTES};
    stream_id id = fixture_await(&f, 0, STREAM_OPENED).id;
    uint8_t *bytes = malloc(BYTES);
    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = (uint8_t)(i * 7);
    pthread_t thread;
    assert_int_equal(sem_init(&reader.go, 0, 0), 0);
    assert_int_equal(pthread_create(&thread, NULL, slow_reader_run, &reader), 0);
    uint32_t at = 0, backs = 0;
    while (at < BYTES) {
        int n = fixture_send(&f, id, bytes + at, BYTES - at);
        assert_true(n > 0);
        assert_true(n <= STREAM_SEND_BYTES_MAX);
        struct stream_event e = fixture_await(&f, id, STREAM_SENT);
        assert_int_equal(e.bytes_sent + e.bytes_back, n);
        at += e.bytes_sent;
        if (e.bytes_back == 0)
            continue;
        backs++;
        assert_int_equal(fixture_send(&f, id, bytes + at, BYTES - at), 0);
        sem_post(&reader.go);
        fixture_await(&f, id, STREAM_WRITABLE);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(backs > 0);
    assert_int_equal(reader.wrong, 0);
    free(bytes);
    close(reader.fd);
    uring_destroy(f.uring);
}

static void
close_ends_the_loan_then_the_stream_and_the_peer_has_the_bytes(void **state)
{
    struct fixture f = fixture_of(small);
    int fd = client_connect(&f);
    stream_id id = fixture_await(&f, 0, STREAM_OPENED).id;
    assert_int_equal(fixture_send(&f, id, "bye", 3), 3);
    fixture_close(&f, id);
    assert_int_equal(fixture_await(&f, id, STREAM_SENT).bytes_sent, 3);
    fixture_await(&f, id, STREAM_CLOSED);
    char got[8];
    assert_int_equal(recv(fd, got, sizeof got, MSG_WAITALL), 3);
    assert_memory_equal(got, "bye", 3);
    close(fd);
    uring_destroy(f.uring);
}

static void
an_id_is_dead_after_its_close_and_never_comes_again(void **state)
{
    struct fixture f = fixture_of((struct uring_config){.connections_max = 1});
    stream_id ids[5];
    for (int i = 0; i < 5; i++) {
        int fd = client_connect(&f);
        ids[i] = fixture_await(&f, 0, STREAM_OPENED).id;
        for (int k = 0; k < i; k++) {
            assert_int_not_equal(ids[k], ids[i]);
            assert_int_equal(fixture_send(&f, ids[k], "x", 1), ERR_CLOSED);
            assert_int_equal(fixture_peek(&f, ids[k]).len, 0);
            fixture_close(&f, ids[k]); /* harmless to the connection in the same slot */
        }
        client_send(fd, "y", 1);
        fixture_await(&f, ids[i], STREAM_READABLE);
        fixture_close(&f, ids[i]);
        fixture_close(&f, ids[i]);
        fixture_await(&f, ids[i], STREAM_CLOSED);
        close(fd);
    }
    fixture_turn(&f);
    assert_int_equal(f.kept_count, 0);
    uring_destroy(f.uring);
}

static void
a_reset_is_one_closed_event_with_an_error(void **state)
{
    struct fixture f = fixture_of(small);
    int fd = client_connect(&f);
    stream_id id = fixture_await(&f, 0, STREAM_OPENED).id;
    client_reset(fd);
    assert_int_equal(fixture_await(&f, id, STREAM_CLOSED).err, ERR_IO);
    fixture_turn(&f);
    assert_int_equal(f.kept_count, 0);
    uring_destroy(f.uring);
}

static void
a_reset_while_sending_ends_the_loan_first(void **state)
{
    struct fixture f = fixture_of(small);
    int fd = client_connect(&f);
    stream_id id = fixture_await(&f, 0, STREAM_OPENED).id;
    uint8_t *bytes = calloc(1, STREAM_SEND_BYTES_MAX);
    struct stream_event e = {0};
    do { /* until the peer's window is full */
        assert_true(fixture_send(&f, id, bytes, STREAM_SEND_BYTES_MAX) > 0);
        e = fixture_await(&f, id, STREAM_SENT);
    } while (e.bytes_back == 0);
    client_reset(fd);
    int err = fixture_await(&f, id, STREAM_CLOSED).err;
    assert_true(err == ERR_IO || err == ERR_CLOSED);
    assert_int_equal(fixture_send(&f, id, bytes, 1), ERR_CLOSED);
    free(bytes);
    uring_destroy(f.uring);
}

static void
a_peer_that_closes_with_nothing_owed_is_gone_at_once(void **state)
{
    struct uring_config config = small;
    config.linger_ns = FIXTURE_PATIENCE_NS * 2;
    struct fixture f = fixture_of(config);
    int fd = client_connect(&f);
    stream_id id = fixture_await(&f, 0, STREAM_OPENED).id;
    client_send(fd, "ask", 3);
    fixture_await(&f, id, STREAM_READABLE);
    fixture_consume(&f, id, 3, 0);
    assert_int_equal(fixture_send(&f, id, "answer", 6), 6);
    fixture_await(&f, id, STREAM_SENT);
    char got[6];
    assert_int_equal(recv(fd, got, 6, MSG_WAITALL), 6);
    close(fd);
    assert_int_equal(fixture_await(&f, id, STREAM_CLOSED).err, ERR_CLOSED);
    uring_destroy(f.uring);
}

/* Whole seconds, and more than a busy machine lets a test wait for its next turn. */
enum { LINGER_MS = 1000 };

static void
a_peer_that_only_stopped_sending_still_gets_its_answer(void **state)
{
    struct uring_config config = small;
    config.linger_ns = LINGER_MS * CLOCK_NS_PER_MS;
    struct fixture f = fixture_of(config);
    int fd = client_connect(&f);
    stream_id id = fixture_await(&f, 0, STREAM_OPENED).id;
    client_send(fd, "ask", 3);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    fixture_await(&f, id, STREAM_READABLE);
    for (int i = 0; i < 3; i++)
        fixture_turn(&f); /* the end of file is seen; the request is not yet consumed */
    assert_true(view_equal(fixture_peek(&f, id), view_of_text("ask")));
    fixture_consume(&f, id, 3, 0);
    fixture_turn(&f);
    assert_int_equal(fixture_send(&f, id, "answer", 6), 6);
    fixture_await(&f, id, STREAM_SENT);
    char got[7];
    assert_int_equal(recv(fd, got, 6, MSG_WAITALL), 6);
    assert_memory_equal(got, "answer", 6);
    assert_int_equal(fixture_await(&f, id, STREAM_CLOSED).err, ERR_CLOSED);
    assert_int_equal(recv(fd, got, 1, 0), 0);
    close(fd);
    uring_destroy(f.uring);
}

static void *
stop_sending_late(void *arg)
{
    const int *fd = arg;
    struct timespec longer = {.tv_sec = LINGER_MS / 1000, .tv_nsec = 100000000};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &longer, NULL);
    shutdown(*fd, SHUT_WR);
    return NULL;
}

static void
the_linger_counts_from_the_end_of_file_not_from_the_sleep_before(void **state)
{
    struct uring_config config = small;
    config.linger_ns = LINGER_MS * CLOCK_NS_PER_MS;
    struct fixture f = fixture_of(config);
    int fd = client_connect(&f);
    stream_id id = fixture_await(&f, 0, STREAM_OPENED).id;
    client_send(fd, "ask", 3);
    fixture_await(&f, id, STREAM_READABLE);
    fixture_consume(&f, id, 3, 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_sending_late, &fd), 0);
    f.clock.ops->wait(f.clock.self, CLOCK_NEVER); /* longer than the linger; ends with the file */
    assert_int_equal(pthread_join(thread, NULL), 0);
    f.clock.ops->wait(f.clock.self, 0);
    assert_int_equal(fixture_send(&f, id, "answer", 6), 6);
    assert_int_equal(fixture_await(&f, id, STREAM_SENT).bytes_sent, 6);
    close(fd);
    uring_destroy(f.uring);
}

/* Peers that reset, close and stop sending in every order, while answers are under way. */
static void
random_ends_give_exactly_one_closed_each(void **state)
{
    uint32_t seed = 20261122;
    print_message("seed %u\n", seed);
    enum { ROUNDS = 300, OPEN_MAX = 16 };
    struct uring_config config = small;
    config.linger_ns = CLOCK_NS_PER_MS;
    struct fixture f = fixture_of(config);
    uint32_t closed = 0, opened = 0;
    static uint8_t bytes[100000];
    for (int round = 0; round < ROUNDS; round++) {
        int fd = client_connect(&f);
        stream_id id = fixture_await(&f, 0, STREAM_OPENED).id;
        opened++;
        seed = seed * 1664525u + 1013904223u;
        if (seed >> 8 & 1)
            client_send(fd, bytes, 1 + (seed >> 16) % 5000);
        if (seed >> 9 & 1)
            assert_true(fixture_send(&f, id, bytes, sizeof bytes) > 0);
        if (seed >> 10 & 1)
            fixture_turn(&f);
        if (seed >> 11 & 1)
            fixture_close(&f, id);
        if (seed >> 12 & 1)
            shutdown(fd, SHUT_WR);
        if (seed >> 13 & 1)
            fixture_turn(&f);
        if (seed >> 14 & 1)
            client_reset(fd);
        else
            close(fd);
        struct stream_event e;
        uint64_t limit = f.clock.ops->now_ns(NULL) + FIXTURE_PATIENCE_NS;
        while (!fixture_take(&f, id, STREAM_CLOSED, &e)) {
            assert_true(f.clock.ops->now_ns(NULL) < limit);
            uint32_t len = fixture_peek(&f, id).len;
            if (len > 0)
                fixture_consume(&f, id, len, 0);
            fixture_turn(&f);
        }
        closed++;
        for (int kind = STREAM_READABLE; kind <= STREAM_CLOSED; kind++)
            while (fixture_take(&f, id, (enum stream_event_kind)kind, &e))
                assert_int_not_equal(e.kind, STREAM_CLOSED);
    }
    fixture_turn(&f);
    assert_int_equal(f.kept_count, 0);
    assert_int_equal(opened, closed);
    assert_int_equal(uring_stream_memory(f.uring), 0);
    uring_destroy(f.uring);
}

static void
hundreds_of_connections_are_served(void **state)
{
    enum { COUNT = 400 };
    struct fixture f =
        fixture_of((struct uring_config){.connections_max = COUNT, .sq_entries = 64});
    int fds[COUNT];
    stream_id ids[COUNT];
    for (int i = 0; i < COUNT; i++) {
        fds[i] = client_connect(&f);
        ids[i] = fixture_await(&f, 0, STREAM_OPENED).id;
    }
    for (int i = 0; i < COUNT; i++)
        client_send(fds[i], &i, sizeof i);
    for (int i = 0; i < COUNT; i++) {
        fixture_await(&f, ids[i], STREAM_READABLE);
        struct view v = fixture_peek(&f, ids[i]);
        assert_int_equal(v.len, sizeof i);
        assert_int_equal(fixture_send(&f, ids[i], v.at, v.len), sizeof i);
        fixture_await(&f, ids[i], STREAM_SENT);
        fixture_consume(&f, ids[i], v.len, 0);
        int got;
        assert_int_equal(recv(fds[i], &got, sizeof got, MSG_WAITALL), sizeof got);
        assert_int_equal(got, i);
    }
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
    for (int i = 0; i < COUNT; i++)
        fixture_await(&f, 0, STREAM_CLOSED);
    assert_int_equal(uring_stream_memory(f.uring), 0);
    uring_destroy(f.uring);
}

/* Its failed send is the last thing of it in the kernel: the slot is free at once. */
static void
a_send_that_fails_after_the_end_of_file_leaves_nothing_for_the_next_in_its_slot(void **state)
{
    struct uring_config config = {.connections_max = 1};
    struct fixture f = fixture_of(config);
    for (int round = 0; round < 3; round++) {
        int fd = client_connect(&f);
        stream_id id = fixture_await(&f, 0, STREAM_OPENED).id;
        client_send(fd, "x", 1);
        fixture_await(&f, id, STREAM_READABLE);
        fixture_consume(&f, id, 1, 1);
        shutdown(fd, SHUT_WR);
        fixture_turn(&f);
        client_reset(fd);
        assert_int_equal(fixture_send(&f, id, "answer", 6), 6);
        struct stream_event sent = fixture_await(&f, id, STREAM_SENT);
        assert_int_equal(sent.bytes_sent + sent.bytes_back, 6);
        fixture_await(&f, id, STREAM_CLOSED);
        fixture_turn(&f);
        assert_int_equal(f.kept_count, 0);
    }
    uring_destroy(f.uring);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_in_and_out),
        cmocka_unit_test(spans_leave_in_order_up_to_the_limits),
        cmocka_unit_test(a_second_send_waits_for_the_first_loan),
        cmocka_unit_test(a_slow_reader_gives_bytes_back_and_has_them_all_later),
        cmocka_unit_test(close_ends_the_loan_then_the_stream_and_the_peer_has_the_bytes),
        cmocka_unit_test(an_id_is_dead_after_its_close_and_never_comes_again),
        cmocka_unit_test(a_reset_is_one_closed_event_with_an_error),
        cmocka_unit_test(a_reset_while_sending_ends_the_loan_first),
        cmocka_unit_test(
            a_send_that_fails_after_the_end_of_file_leaves_nothing_for_the_next_in_its_slot),
        cmocka_unit_test(a_peer_that_closes_with_nothing_owed_is_gone_at_once),
        cmocka_unit_test(a_peer_that_only_stopped_sending_still_gets_its_answer),
        cmocka_unit_test(the_linger_counts_from_the_end_of_file_not_from_the_sleep_before),
        cmocka_unit_test(random_ends_give_exactly_one_closed_each),
        cmocka_unit_test(hundreds_of_connections_are_served),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
