#include "tests/unit/dataplane/broker/fixture_fetch.h"
#include "tests/unit/dataplane/broker/harness.h"

/* Publishes a bound for every client id. */
static void
bound(struct harness *h, enum quotas_kind kind, double per_second)
{
    static struct quotas_fact fact;
    memset(&fact, 0, sizeof fact);
    fact.defaults[QUOTAS_ANY_CLIENT][kind] = per_second;
    quotas_write(region_quotas(&h->region), &fact);
    harness_turn(h);
}

static int32_t
throttle_of(struct view response, int16_t version)
{
    static uint8_t memory[65536];
    struct wire_arena arena;
    struct wire_produce_response body;
    wire_arena_init(&arena, memory, sizeof memory);
    assert_true(response.len > 5);
    assert_int_equal(wire_decode(&wire_produce_response_message, version,
                                 view_of(response.at + (version >= 9 ? 5 : 4),
                                         response.len - (version >= 9 ? 5 : 4)),
                                 &body, &arena),
                     ERR_OK);
    return body.throttle_time_ms;
}

static void
pass(struct harness *h, uint32_t ms)
{
    h->now_ns += ms * CLOCK_NS_PER_MS;
    harness_turns(h, 6);
}

static void
a_producer_over_its_quota_is_told_at_once_and_then_not_read(void **state)
{
    struct harness *h = harness_new(1, NULL);
    size_t at = 0;
    harness_topic(h, 0, "0rders", 1);
    fake_stream_open(&h->streams[0], 0);
    bound(h, QUOTAS_PRODUCE, 10);
    for (int32_t i = 1; i <= 2; i++)
        harness_produce(h, 0, 12, i, -1, "0rders", 0, harness_batch(3));
    harness_turns(h, 6);
    struct view v = harness_response(h, 0, 0, &at);
    int32_t ms = throttle_of(v, 12);
    assert_true(ms > 0);
    assert_int_equal(harness_counter(h, 0, COUNTER_THROTTLED), 1);
    assert_int_equal(harness_response(h, 0, 0, &at).len, 0);
    pass(h, (uint32_t)ms - 1);
    assert_int_equal(harness_response(h, 0, 0, &at).len, 0);
    pass(h, 1);
    assert_true(throttle_of(harness_response(h, 0, 0, &at), 12) >= 0);
    harness_free(h);
}

static void
without_a_quota_nobody_waits(void **state)
{
    struct harness *h = harness_new(1, NULL);
    size_t at = 0;
    harness_topic(h, 0, "0rders", 1);
    fake_stream_open(&h->streams[0], 0);
    for (int32_t i = 1; i <= 5; i++)
        harness_produce(h, 0, 12, i, -1, "0rders", 0, harness_batch(3));
    harness_turns(h, 6);
    for (int32_t i = 1; i <= 5; i++)
        assert_int_equal(throttle_of(harness_response(h, 0, 0, &at), 12), 0);
    assert_int_equal(harness_counter(h, 0, COUNTER_THROTTLED), 0);
    harness_free(h);
}

static void
a_consumer_over_its_quota_gets_nothing_and_loses_nothing(void **state)
{
    struct harness *h = harness_new(1, NULL);
    struct ask part[] = {{.row = 0, .partition = 0}};
    struct fetch_ask ask = {.parts = part, .count = 1, .min_bytes = 1};
    harness_topic(h, 0, "0", 1);
    struct client c = client_new(h, 0, 0);
    fixture_append(h, 0, 0, 8000);
    harness_turn(h);
    bound(h, QUOTAS_FETCH, 1000);
    struct fetched got = client_fetch(&c, &ask);
    assert_true(got.answered && got.parts[0].bytes == 8000);
    got = client_fetch(&c, &ask);
    assert_true(got.answered);
    assert_int_equal(got.error, KERR_NONE);
    assert_int_equal(got.count, 0);
    assert_int_equal(harness_counter(h, 0, COUNTER_THROTTLED), 1);
    assert_false(client_fetch(&c, &ask).answered); /* it is not read */
    h->now_ns += 20 * CLOCK_NS_PER_S;
    got = client_poll(&c, 0);
    assert_true(got.answered && got.parts[0].bytes == 8000);
    harness_free(h);
}

static void
a_muted_connection_that_closes_is_forgotten(void **state)
{
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0rders", 1);
    fake_stream_open(&h->streams[0], 0);
    bound(h, QUOTAS_PRODUCE, 10);
    harness_produce(h, 0, 12, 1, -1, "0rders", 0, harness_batch(3));
    harness_turns(h, 6);
    assert_false(list_empty(&h->shards[0].conns_muted));
    conn_close(&h->shards[0], &h->shards[0].conns[0], COUNTERS);
    harness_turns(h, 2);
    assert_true(list_empty(&h->shards[0].conns_muted));
    assert_int_equal(h->shards[0].conn_count, 0);
    pass(h, 1000000);
    harness_free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_producer_over_its_quota_is_told_at_once_and_then_not_read),
        cmocka_unit_test(without_a_quota_nobody_waits),
        cmocka_unit_test(a_consumer_over_its_quota_gets_nothing_and_loses_nothing),
        cmocka_unit_test(a_muted_connection_that_closes_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
