#include "tests/unit/dataplane/broker/harness.h"

/* A client of shard 0 of `shards`, with topic "0rders" of two partitions. */
static struct harness *
client(uint32_t shards, const char *const *settings)
{
    struct harness *h = harness_new(shards, settings);
    harness_topic(h, 0, "0rders", 2);
    fake_stream_open(&h->streams[0], 0);
    harness_turn(h);
    return h;
}

static void
versions_ask(struct harness *h, int32_t correlation)
{
    struct wire_api_versions_request body = {0};
    harness_request(h, 0, 0, WIRE_API_API_VERSIONS, 0, correlation, &body);
}

static void
expect_correlations(struct harness *h, size_t *at, const int32_t *ids, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct view v = harness_response(h, 0, 0, at);
        assert_true(v.len >= 4);
        assert_int_equal(get_i32(v.at), ids[i]);
    }
    assert_int_equal(harness_response(h, 0, 0, at).len, 0);
}

static void
pipelined_requests_are_answered_in_order_by_one_send(void **state)
{
    (void)state;
    struct harness *h = client(1, NULL);
    size_t at = 0;
    int32_t ids[20];
    for (int32_t i = 0; i < 20; i++) {
        ids[i] = 100 + i;
        versions_ask(h, ids[i]);
    }
    harness_turns(h, 3);
    expect_correlations(h, &at, ids, 20);
    assert_int_equal(h->streams[0].conns[0].sends, 1);
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    harness_free(h);
}

static void
a_fast_answer_waits_for_the_slow_one_before_it(void **state)
{
    (void)state;
    struct harness *h = client(1, NULL);
    size_t at = 0;
    int32_t ids[] = {1, 2};
    h->stores[0]->disk_late = true;
    harness_produce(h, 0, 12, 1, 1, "0rders", 0, harness_batch(1));
    versions_ask(h, 2);
    harness_turns(h, 4);
    assert_int_equal(h->streams[0].conns[0].sends, 0);
    h->stores[0]->disk_late = false;
    harness_turns(h, 3);
    expect_correlations(h, &at, ids, 2);
    harness_free(h);
}

static void
requests_cut_anywhere_are_put_together(void **state)
{
    (void)state;
    struct harness *h = client(1, NULL);
    struct fake_conn *c = &h->streams[0].conns[0];
    versions_ask(h, 7);
    versions_ask(h, 8);
    h->streams[0].head = h->streams[0].tail; /* what was fed comes byte by byte instead */
    size_t total = c->in_len, at = 0;
    c->in_len = 0;
    for (size_t i = 0; i < total; i++) {
        uint8_t byte = c->in[i];
        fake_stream_feed(&h->streams[0], 0, &byte, 1);
        harness_turn(h);
    }
    harness_turns(h, 2);
    expect_correlations(h, &at, (const int32_t[]){7, 8}, 2);
    harness_free(h);
}

static void
a_length_out_of_range_closes_the_connection(void **state)
{
    (void)state;
    uint32_t lengths[] = {0, 7, 0xffffffff, 0x80000000, 4097};
    const char *settings[] = {"socket.request.max.bytes", "4096", NULL};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct harness *h = client(1, settings);
        uint8_t bytes[4];
        set_u32(bytes, lengths[i]);
        fake_stream_feed(&h->streams[0], 0, bytes, 4);
        harness_turns(h, 3);
        assert_int_equal(h->shards[0].conn_count, 0);
        assert_int_equal(harness_counter(h, 0, DROP_REQUEST_SIZE), 1);
        harness_free(h);
    }
}

static void
no_more_than_in_flight_max_requests_are_parsed(void **state)
{
    (void)state;
    const char *settings[] = {"max.requests.in.flight", "3", NULL};
    struct harness *h = client(1, settings);
    size_t at = 0;
    int32_t ids[8];
    h->stores[0]->disk_late = true;
    for (int32_t i = 0; i < 8; i++) {
        ids[i] = i;
        harness_produce(h, 0, 12, i, 1, "0rders", 0, harness_batch(1));
    }
    harness_turns(h, 5);
    assert_int_equal(h->shards[0].conns[0].request_count, 3);
    assert_int_equal(h->stores[0]->lsn, 3);
    assert_true(h->streams[0].conns[0].in_at < h->streams[0].conns[0].in_len);
    h->stores[0]->disk_late = false;
    harness_turns(h, 10);
    expect_correlations(h, &at, ids, 8);
    harness_free(h);
}

/* Moves time on in steps, as timers would. */
static void
time_passes(struct harness *h, uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i += 1000) {
        h->now_ns += 1000 * CLOCK_NS_PER_MS;
        harness_turn(h);
    }
}

static void
an_idle_connection_is_closed_after_its_time(void **state)
{
    (void)state;
    const char *settings[] = {"connections.max.idle.ms", "30000", NULL};
    struct harness *h = client(1, settings);
    time_passes(h, 25000);
    versions_ask(h, 1);
    time_passes(h, 28000);
    assert_int_equal(h->shards[0].conn_count, 1);
    time_passes(h, 8000);
    assert_int_equal(h->shards[0].conn_count, 0);
    assert_int_equal(harness_counter(h, 0, DROP_IDLE), 1);
    harness_free(h);
}

static void
half_a_request_has_its_time(void **state)
{
    (void)state;
    const char *settings[] = {"socket.request.timeout.ms", "10000", NULL};
    struct harness *h = client(1, settings);
    fake_stream_feed(&h->streams[0], 0, "\0\0\0\x20half", 8);
    time_passes(h, 8000);
    assert_int_equal(h->shards[0].conn_count, 1);
    time_passes(h, 5000);
    assert_int_equal(h->shards[0].conn_count, 0);
    assert_int_equal(harness_counter(h, 0, DROP_REQUEST_SLOW), 1);
    harness_free(h);
}

static void
a_request_that_receive_memory_is_too_short_for_is_counted(void **state)
{
    (void)state;
    static const int errors[] = {ERR_IO, ERR_LIMIT}; /* the peer ends it; the stream does */
    for (uint32_t i = 0; i < 2; i++) {
        struct harness *h = client(1, NULL);
        fake_stream_feed(&h->streams[0], 0, "\0\0\0\x20half", 8);
        harness_turn(h);
        fake_stream_end(&h->streams[0], 0, errors[i]);
        harness_turn(h);
        assert_int_equal(h->shards[0].conn_count, 0);
        assert_int_equal(harness_counter(h, 0, DROP_REQUEST_MEMORY), i);
        harness_free(h);
    }
}

static void
a_peer_that_takes_nothing_has_its_time(void **state)
{
    (void)state;
    const char *settings[] = {"socket.request.timeout.ms", "10000", NULL};
    struct harness *h = client(1, settings);
    h->streams[0].conns[0].deaf = true;
    versions_ask(h, 1);
    time_passes(h, 8000);
    assert_int_equal(h->shards[0].conn_count, 1);
    time_passes(h, 5000);
    assert_int_equal(h->shards[0].conn_count, 0);
    assert_int_equal(harness_counter(h, 0, DROP_SEND_STALLED), 1);
    harness_free(h);
}

/* Takes memory for answers away until `bytes` are in use; returns how many blocks. */
static uint32_t
memory_take(struct harness *h, void **blocks, size_t bytes)
{
    uint32_t count = 0;
    size_t room;
    struct buddy *b = h->shards[0].memory;
    while (buddy_used(b) < bytes)
        assert_non_null(blocks[count++] = buddy_take(b, 1 << 20, &room));
    return count;
}

static void
memory_give(struct harness *h, void **blocks, uint32_t count)
{
    while (count > 0)
        buddy_give(h->shards[0].memory, blocks[--count]);
}

static void
large_answers_leave_the_last_quarter_of_memory_to_small_ones(void **state)
{
    (void)state;
    struct harness *h = client(1, NULL);
    struct shard *s = &h->shards[0];
    void *blocks[SHARD_ANSWER_BYTES >> 20];
    uint32_t count = memory_take(h, blocks, SHARD_ANSWER_BULK_BYTES);
    struct req *r = req_take(s);
    assert_non_null(r);
    r->api = wire_api_find(WIRE_API_METADATA);
    r->version = 12;
    assert_false(req_answer_begin(s, r, SHARD_ANSWER_BULK + 1));
    assert_true(req_answer_begin(s, r, SHARD_ANSWER_BULK));
    req_give(s, r);
    memory_give(h, blocks, count);
    harness_free(h);
}

static void
a_peer_that_takes_nothing_goes_soon_when_memory_is_short(void **state)
{
    (void)state;
    const char *settings[] = {"socket.request.timeout.ms", "10000", NULL};
    struct harness *h = client(1, settings);
    h->streams[0].conns[0].deaf = true;
    versions_ask(h, 1);
    time_passes(h, 2000);
    assert_int_equal(h->shards[0].conn_count, 1);
    void *blocks[SHARD_ANSWER_BYTES >> 20];
    uint32_t count = memory_take(h, blocks, SHARD_ANSWER_BULK_BYTES);
    time_passes(h, 3000); /* seen, swept, closed */
    assert_int_equal(h->shards[0].conn_count, 0);
    assert_int_equal(harness_counter(h, 0, DROP_SEND_STALLED), 1);
    memory_give(h, blocks, count);
    harness_free(h);
}

static void
a_peer_that_takes_nothing_goes_soon_when_any_core_lends_too_much(void **state)
{
    (void)state;
    struct harness *h = client(2, (const char *[]){"socket.request.timeout.ms", "10000", NULL});
    h->streams[0].conns[0].deaf = true;
    versions_ask(h, 1);
    time_passes(h, 2000);
    assert_int_equal(h->shards[0].conn_count, 1);
    h->stores[1]->lent_short = true;
    time_passes(h, 3000);
    assert_int_equal(h->shards[0].conn_count, 0);
    assert_int_equal(harness_counter(h, 0, DROP_SEND_STALLED), 1);
    harness_free(h);
}

static void
an_answer_that_finds_no_memory_holds_up_no_append(void **state)
{
    (void)state;
    struct harness *h = client(1, NULL);
    fake_stream_open(&h->streams[0], 1);
    harness_turn(h);
    void *blocks[SHARD_ANSWER_BYTES >> 20];
    uint32_t count = memory_take(h, blocks, SHARD_ANSWER_BYTES);
    versions_ask(h, 1);
    harness_turn(h);
    h->stores[0]->append_again = true;
    harness_produce(h, 1, 12, 2, 0, "0rders", 0, harness_batch(1)); /* acks=0: no answer */
    harness_turns(h, 2);
    h->stores[0]->append_again = false;
    harness_turns(h, 2);
    assert_int_equal(h->stores[0]->lsn, 1);
    size_t at = 0;
    assert_int_equal(harness_response(h, 0, 0, &at).len, 0); /* that one still waits */
    memory_give(h, blocks, count);
    harness_turns(h, 2);
    int32_t id = 1;
    expect_correlations(h, &at, &id, 1);
    harness_free(h);
}

static void
with_much_unsent_no_other_request_is_begun(void **state)
{
    (void)state;
    struct harness *h = client(1, NULL);
    struct conn *c = &h->shards[0].conns[0];
    struct req r = {.done = true, .answer = {.len = CONN_UNSENT_MAX}};
    list_push_back(&c->requests, &r.link);
    assert_true(conn_may_parse(&h->shards[0], c));
    r.answer.len++;
    assert_false(conn_may_parse(&h->shards[0], c));
    r.done = false; /* being made: not there to be sent */
    assert_true(conn_may_parse(&h->shards[0], c));
    list_remove(&r.link);
    harness_free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pipelined_requests_are_answered_in_order_by_one_send),
        cmocka_unit_test(a_fast_answer_waits_for_the_slow_one_before_it),
        cmocka_unit_test(requests_cut_anywhere_are_put_together),
        cmocka_unit_test(a_length_out_of_range_closes_the_connection),
        cmocka_unit_test(no_more_than_in_flight_max_requests_are_parsed),
        cmocka_unit_test(an_idle_connection_is_closed_after_its_time),
        cmocka_unit_test(half_a_request_has_its_time),
        cmocka_unit_test(a_request_that_receive_memory_is_too_short_for_is_counted),
        cmocka_unit_test(a_peer_that_takes_nothing_has_its_time),
        cmocka_unit_test(large_answers_leave_the_last_quarter_of_memory_to_small_ones),
        cmocka_unit_test(a_peer_that_takes_nothing_goes_soon_when_memory_is_short),
        cmocka_unit_test(a_peer_that_takes_nothing_goes_soon_when_any_core_lends_too_much),
        cmocka_unit_test(an_answer_that_finds_no_memory_holds_up_no_append),
        cmocka_unit_test(with_much_unsent_no_other_request_is_begun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
