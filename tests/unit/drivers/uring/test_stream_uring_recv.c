#include "core/net/rxbuf.h"
#include "tests/unit/drivers/uring/uring_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static uint8_t
pattern(size_t at)
{
    return (uint8_t)(at * 131 >> 5);
}

struct sender {
    int fd;
    size_t bytes;
    uint32_t seed;
    uint32_t piece_max;
};

/* Sends `bytes` in pieces of 1 to piece_max, then stops sending. */
static void *
sender_run(void *arg)
{
    struct sender *s = arg;
    uint8_t *piece = malloc(s->piece_max);
    for (size_t at = 0; at < s->bytes;) {
        s->seed = s->seed * 1664525u + 1013904223u;
        size_t n = 1 + (s->seed >> 8) % s->piece_max;
        n = n < s->bytes - at ? n : s->bytes - at;
        for (size_t i = 0; i < n; i++)
            piece[i] = pattern(at + i);
        if (send(s->fd, piece, n, MSG_NOSIGNAL) != (ssize_t)n)
            break;
        at += n;
    }
    shutdown(s->fd, SHUT_WR);
    free(piece);
    return NULL;
}

/* Receives `bytes` as requests of request_bytes each and checks every byte. */
static void
receive_requests(uint32_t request_bytes, uint32_t bytes, uint32_t piece_max)
{
    struct fixture f = fixture_of((struct uring_config){
        .connections_max = 4, .request_bytes_max = request_bytes, .receive_bytes_max = 32 << 20});
    struct sender sender = {
        .fd = client_connect(&f), .bytes = bytes, .seed = 20261122, .piece_max = piece_max};
    print_message("seed %u\n", sender.seed);
    stream_id id = fixture_await(&f, 0, STREAM_OPENED).id;
    fixture_consume(&f, id, 0, request_bytes);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, sender_run, &sender), 0);
    size_t at = 0;
    while (at < bytes) {
        fixture_await(&f, id, STREAM_READABLE);
        struct view v = fixture_peek(&f, id);
        assert_true(v.len >= request_bytes);
        while (v.len >= request_bytes) {
            size_t wrong = 0;
            for (uint32_t i = 0; i < request_bytes; i++, at++)
                wrong += v.at[i] != pattern(at);
            assert_int_equal(wrong, 0);
            fixture_consume(&f, id, request_bytes, request_bytes);
            v = fixture_peek(&f, id);
        }
    }
    assert_int_equal(at, bytes);
    fixture_await(&f, id, STREAM_CLOSED);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(uring_stream_memory(f.uring), 0);
    close(sender.fd);
    uring_destroy(f.uring);
}

static void
large_requests_in_odd_pieces_arrive_whole_and_contiguous(void **state)
{
    receive_requests(1 << 20, 5 << 20, 70001);
    receive_requests(1234567, 1234567 * 4, 1 << 20);
    receive_requests(5 << 20, 5 << 20, 9973);
}

static void
small_requests_in_odd_pieces_arrive_in_order(void **state)
{
    receive_requests(100, 100 * 20000, 7919);
    receive_requests(4097, 4097 * 300, 333);
}

static void
a_request_byte_by_byte_is_readable_once(void **state)
{
    struct fixture f = fixture_of((struct uring_config){.connections_max = 1});
    int fd = client_connect(&f);
    stream_id id = fixture_await(&f, 0, STREAM_OPENED).id;
    fixture_consume(&f, id, 0, 50);
    struct stream_event e;
    for (int i = 0; i < 50; i++) {
        assert_false(fixture_take(&f, id, STREAM_READABLE, &e));
        client_send(fd, "z", 1);
        fixture_turn(&f);
    }
    fixture_await(&f, id, STREAM_READABLE);
    assert_int_equal(fixture_peek(&f, id).len, 50);
    close(fd);
    uring_destroy(f.uring);
}

static void
bytes_not_consumed_close_the_window_and_cost_no_turns(void **state)
{
    struct fixture f = fixture_of((struct uring_config){
        .connections_max = 2, .request_bytes_max = 4096, .receive_bytes_max = 1 << 20});
    int fd = client_connect(&f);
    stream_id id = fixture_await(&f, 0, STREAM_OPENED).id;
    uint8_t block[4096] = {0};
    size_t sent = 0;
    for (int quiet = 0; quiet < 3;) { /* until neither the socket nor the driver takes more */
        ssize_t n = send(fd, block, sizeof block, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        quiet = n > 0 ? 0 : quiet + 1;
        if (n < 0)
            fixture_turn(&f);
        struct stream_event e;
        while (fixture_take(&f, id, STREAM_READABLE, &e))
            continue;
    }
    assert_true(uring_stream_memory(f.uring) <= RXBUF_AHEAD);
    uint64_t before = uring_enters(f.uring);
    for (int i = 0; i < 5; i++)
        fixture_turn(&f); /* each sleeps its 10 ms: one call each */
    assert_true(uring_enters(f.uring) - before <= 5);
    size_t got = 0;
    while (got < sent) { /* all is still there, in order */
        uint32_t len = fixture_peek(&f, id).len;
        got += len;
        fixture_consume(&f, id, len, 0);
        if (len == 0)
            fixture_await(&f, id, STREAM_READABLE);
    }
    close(fd);
    uring_destroy(f.uring);
}

static void
bytes_before_the_end_of_file_stay_readable_until_closed_is_polled(void **state)
{
    struct fixture f = fixture_of((struct uring_config){.connections_max = 1});
    int fd = client_connect(&f);
    stream_id id = fixture_await(&f, 0, STREAM_OPENED).id;
    fixture_consume(&f, id, 0, 100);
    client_send(fd, "incomplete", 10);
    close(fd);
    uint64_t limit = f.clock.ops->now_ns(NULL) + FIXTURE_PATIENCE_NS;
    struct stream_event e;
    do {
        assert_true(f.clock.ops->now_ns(NULL) < limit);
        uint32_t len = fixture_peek(&f, id).len;
        assert_true(len == 0 || len == 10);
        f.clock.ops->wait(f.clock.self, f.clock.ops->now_ns(NULL) + CLOCK_NS_PER_MS);
        if (fixture_peek(&f, id).len == 0)
            continue;
        assert_int_equal(fixture_peek(&f, id).len, 10);
    } while (f.stream.ops->poll(f.stream.self, &e, 1) == 0);
    assert_int_equal(e.kind, STREAM_CLOSED);
    assert_int_equal(fixture_peek(&f, id).len, 0);
    uring_destroy(f.uring);
}

static void
a_request_over_the_largest_block_closes_its_connection(void **state)
{
    struct fixture f =
        fixture_of((struct uring_config){.connections_max = 1, .request_bytes_max = 100000});
    int fd = client_connect(&f);
    stream_id id = fixture_await(&f, 0, STREAM_OPENED).id;
    client_send(fd, "size", 4);
    fixture_await(&f, id, STREAM_READABLE);
    fixture_consume(&f, id, 0, 1 << 30);
    assert_int_equal(fixture_await(&f, id, STREAM_CLOSED).err, ERR_LIMIT);
    close(fd);
    uring_destroy(f.uring);
}

static void
an_idle_connection_gives_its_block_back(void **state)
{
    struct fixture f = fixture_of((struct uring_config){.connections_max = 1,
                                                        .request_bytes_max = 1 << 20,
                                                        .receive_bytes_max = 8 << 20,
                                                        .idle_ns = 20 * CLOCK_NS_PER_MS});
    enum { BYTES = 200000 };
    int fd = client_connect(&f);
    stream_id id = fixture_await(&f, 0, STREAM_OPENED).id;
    fixture_consume(&f, id, 0, BYTES);
    uint8_t *bytes = calloc(1, BYTES);
    client_send(fd, bytes, BYTES);
    fixture_await(&f, id, STREAM_READABLE);
    assert_true(uring_stream_memory(f.uring) >= BYTES);
    fixture_consume(&f, id, BYTES, 4);
    uint64_t limit = f.clock.ops->now_ns(NULL) + FIXTURE_PATIENCE_NS;
    while (uring_stream_memory(f.uring) > RXBUF_BLOCK_MIN) {
        assert_true(f.clock.ops->now_ns(NULL) < limit);
        fixture_turn(&f);
    }
    client_send(fd, "more", 4); /* and works on */
    fixture_await(&f, id, STREAM_READABLE);
    assert_true(view_equal(fixture_peek(&f, id), view_of_text("more")));
    free(bytes);
    close(fd);
    uring_destroy(f.uring);
}

/* Memory for one largest request: the first connection claims it and stalls; the second must get
 * its own request through, and an idle third must live on. */
static void
when_memory_is_short_only_the_stalled_connection_is_closed(void **state)
{
    enum { BYTES = 200000 };
    struct fixture f = fixture_of((struct uring_config){
        .connections_max = 3, .request_bytes_max = BYTES, .stall_ns = 30 * CLOCK_NS_PER_MS});
    int fds[3];
    stream_id ids[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = client_connect(&f);
        ids[i] = fixture_await(&f, 0, STREAM_OPENED).id;
    }
    uint8_t *bytes = calloc(1, BYTES);
    client_send(fds[0], bytes, 5000);
    fixture_await(&f, ids[0], STREAM_READABLE);
    fixture_consume(&f, ids[0], 0, BYTES); /* claims, and sends no more */
    fixture_turn(&f);
    assert_true(uring_stream_memory(f.uring) >= BYTES);
    struct sender sender = {.fd = fds[1], .bytes = BYTES, .seed = 1, .piece_max = 3000};
    fixture_consume(&f, ids[1], 0, BYTES);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, sender_run, &sender), 0);
    assert_int_equal(fixture_await(&f, ids[0], STREAM_CLOSED).err, ERR_LIMIT);
    fixture_await(&f, ids[1], STREAM_READABLE);
    struct view v = fixture_peek(&f, ids[1]);
    assert_int_equal(v.len, BYTES);
    size_t wrong = 0;
    for (uint32_t i = 0; i < BYTES; i++)
        wrong += v.at[i] != pattern(i);
    assert_int_equal(wrong, 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    client_send(fds[2], "alive", 5);
    fixture_await(&f, ids[2], STREAM_READABLE);
    assert_true(view_equal(fixture_peek(&f, ids[2]), view_of_text("alive")));
    free(bytes);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    uring_destroy(f.uring);
}

/* Half of the memory holds a request that its consumer leaves lying; the rest is too little for all
 * who claim and send.  Every one is served or closed with ERR_LIMIT, none hangs, and the first is
 * whole. */
static void
when_all_wait_for_each_other_the_loop_goes_on(void **state)
{
    enum { COUNT = 6, BYTES = 120000 };
    struct fixture f = fixture_of((struct uring_config){.connections_max = COUNT + 1,
                                                        .request_bytes_max = BYTES,
                                                        .receive_bytes_max = 256 << 10,
                                                        .stall_ns = 20 * CLOCK_NS_PER_MS});
    struct sender senders[COUNT + 1];
    pthread_t threads[COUNT + 1];
    stream_id ids[COUNT + 1];
    for (uint32_t i = 0; i <= COUNT; i++) {
        senders[i] =
            (struct sender){.fd = client_connect(&f), .bytes = BYTES, .seed = i, .piece_max = 5000};
        ids[i] = fixture_await(&f, 0, STREAM_OPENED).id;
        fixture_consume(&f, ids[i], 0, BYTES);
        assert_int_equal(pthread_create(&threads[i], NULL, sender_run, &senders[i]), 0);
        if (i == 0)
            fixture_await(&f, ids[0], STREAM_READABLE);
    }
    uint32_t served = 0, limited = 0, ended = 0;
    uint64_t limit = f.clock.ops->now_ns(NULL) + FIXTURE_PATIENCE_NS;
    while (ended < COUNT) {
        assert_true(f.clock.ops->now_ns(NULL) < limit);
        fixture_turn(&f);
        struct stream_event e;
        while (fixture_take(&f, 0, STREAM_READABLE, &e)) {
            assert_int_equal(fixture_peek(&f, e.id).len, BYTES);
            fixture_close(&f, e.id);
            served++;
        }
        while (fixture_take(&f, 0, STREAM_CLOSED, &e)) {
            assert_int_not_equal(e.id, ids[0]);
            limited += e.err == ERR_LIMIT;
            ended++;
        }
    }
    print_message("%u served, %u closed\n", served, limited);
    assert_int_equal(served + limited, COUNT);
    assert_true(served >= 1);
    struct view first = fixture_peek(&f, ids[0]);
    assert_int_equal(first.len, BYTES);
    size_t wrong = 0;
    for (uint32_t i = 0; i < BYTES; i++)
        wrong += first.at[i] != pattern(i);
    assert_int_equal(wrong, 0);
    fixture_close(&f, ids[0]);
    fixture_await(&f, ids[0], STREAM_CLOSED);
    for (int i = 0; i <= COUNT; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        close(senders[i].fd);
    }
    assert_int_equal(uring_stream_memory(f.uring), 0);
    uring_destroy(f.uring);
}

static void
what_is_kept_is_not_written_over_by_what_comes_behind_it(void **state)
{
    (void)state;
    enum { KEPT = 6 };
    uint32_t sizes[] = {100000, 30000, 3000};
    for (uint32_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        uint32_t each = sizes[s], bytes = each * 40;
        struct fixture f = fixture_of((struct uring_config){
            .connections_max = 4, .request_bytes_max = each, .receive_bytes_max = 32 << 20});
        struct sender sender = {
            .fd = client_connect(&f), .bytes = bytes, .seed = 20261123, .piece_max = 70001};
        print_message("seed %u\n", sender.seed);
        stream_id id = fixture_await(&f, 0, STREAM_OPENED).id;
        fixture_consume(&f, id, 0, each);
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, sender_run, &sender), 0);
        struct {
            stream_kept kept;
            const uint8_t *at;
            size_t first;
        } held[KEPT] = {0};
        size_t at = 0;
        for (uint32_t n = 0; at < bytes; n++) {
            while (fixture_peek(&f, id).len < each)
                fixture_await(&f, id, STREAM_READABLE);
            struct view v = fixture_peek(&f, id);
            if (held[n % KEPT].kept) {
                size_t wrong = 0;
                for (uint32_t i = 0; i < each; i++)
                    wrong += held[n % KEPT].at[i] != pattern(held[n % KEPT].first + i);
                assert_int_equal(wrong, 0);
                f.stream.ops->release(f.stream.self, held[n % KEPT].kept);
            }
            held[n % KEPT].kept = f.stream.ops->keep(f.stream.self, id, each);
            assert_true(held[n % KEPT].kept != 0);
            held[n % KEPT].at = v.at;
            held[n % KEPT].first = at;
            fixture_consume(&f, id, each, each);
            at += each;
        }
        fixture_await(&f, id, STREAM_CLOSED);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_true(uring_stream_memory(f.uring) >= each); /* though the connection is gone */
        for (uint32_t i = 0; i < KEPT; i++)
            f.stream.ops->release(f.stream.self, held[i].kept);
        assert_int_equal(uring_stream_memory(f.uring), 0);
        close(sender.fd);
        uring_destroy(f.uring);
    }
}

static void
nothing_is_kept_while_half_of_the_memory_is_used(void **state)
{
    (void)state;
    struct fixture f = fixture_of((struct uring_config){
        .connections_max = 1, .request_bytes_max = 65536, .receive_bytes_max = 65536});
    int fd = client_connect(&f);
    uint8_t *bytes = calloc(1, 65536);
    stream_id id = fixture_await(&f, 0, STREAM_OPENED).id;
    fixture_consume(&f, id, 0, 65536);
    client_send(fd, bytes, 65536);
    fixture_await(&f, id, STREAM_READABLE);
    assert_int_equal(f.stream.ops->keep(f.stream.self, id, 65536), 0);
    fixture_consume(&f, id, 65536, 4);
    client_send(fd, bytes, 4);
    fixture_await(&f, id, STREAM_READABLE);
    close(fd);
    free(bytes);
    uring_destroy(f.uring);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(large_requests_in_odd_pieces_arrive_whole_and_contiguous),
        cmocka_unit_test(small_requests_in_odd_pieces_arrive_in_order),
        cmocka_unit_test(a_request_byte_by_byte_is_readable_once),
        cmocka_unit_test(bytes_not_consumed_close_the_window_and_cost_no_turns),
        cmocka_unit_test(bytes_before_the_end_of_file_stay_readable_until_closed_is_polled),
        cmocka_unit_test(a_request_over_the_largest_block_closes_its_connection),
        cmocka_unit_test(an_idle_connection_gives_its_block_back),
        cmocka_unit_test(when_memory_is_short_only_the_stalled_connection_is_closed),
        cmocka_unit_test(when_all_wait_for_each_other_the_loop_goes_on),
        cmocka_unit_test(what_is_kept_is_not_written_over_by_what_comes_behind_it),
        cmocka_unit_test(nothing_is_kept_while_half_of_the_memory_is_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
