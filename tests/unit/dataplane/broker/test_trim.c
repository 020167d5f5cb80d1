/* DeleteRecords through encoded bytes. */
#include "tests/unit/dataplane/broker/fixture_fetch.h"

struct trim_ask {
    uint32_t row;
    int32_t partition;
    int64_t offset;
};

static void
send_trims(struct client *c, int16_t version, const struct trim_ask *asks, uint32_t count)
{
    struct wire_delete_records_request q;
    struct wire_delete_records_request_delete_records_topic topics[16];
    struct wire_delete_records_request_delete_records_partition parts[16];
    wire_init(&wire_delete_records_request_message, &q);
    for (uint32_t i = 0; i < count; i++) {
        parts[i] = (struct wire_delete_records_request_delete_records_partition){asks[i].partition,
                                                                                 asks[i].offset};
        topics[i] = (struct wire_delete_records_request_delete_records_topic){
            fixture_name(asks[i].row), {&parts[i], 1}};
    }
    q.topics.items = topics;
    q.topics.count = (int32_t)count;
    q.timeout_ms = 1000;
    harness_request(c->h, c->shard, c->conn, WIRE_API_DELETE_RECORDS, version, 1, &q);
}

static bool
take_trims(struct client *c, int16_t version,
           struct wire_delete_records_response_delete_records_partition_result *out, uint32_t count)
{
    static uint8_t memory[65536];
    struct wire_arena arena;
    struct wire_delete_records_response a;
    harness_turns(c->h, 6);
    struct view v = harness_response(c->h, c->shard, c->conn, &c->at);
    if (v.len == 0)
        return false;
    uint32_t header = version >= 2 ? 5 : 4;
    wire_arena_init(&arena, memory, sizeof memory);
    assert_int_equal(wire_decode(&wire_delete_records_response_message, version,
                                 view_of(v.at + header, v.len - header), &a, &arena),
                     ERR_OK);
    assert_int_equal(a.topics.count, count);
    for (uint32_t i = 0; i < count; i++)
        out[i] = a.topics.items[i].partitions.items[0];
    return true;
}

/* Topic 0 is cleaned by deleting, topic 1 is internal, topic 2 is only compacted. */
static struct harness *
three_records(void)
{
    struct harness *h = harness_new(2, NULL);
    struct table_topic_config config = harness_topic_config;
    config.cleanup_delete = 1;
    harness_topic_write(h, 0, "0", 4, &config);
    config.cleanup_delete = 0;
    harness_topic_write(h, 2, "2", 1, &config);
    h->shards[0].route_retry_ns = h->shards[1].route_retry_ns = 0;
    harness_turns(h, 2);
    for (int32_t i = 0; i < 2; i++)
        for (int k = 0; k < 3; k++)
            fixture_append(h, 0, i, 100);
    harness_turn(h);
    return h;
}

static void
each_offset_gives_what_kafka_gives(void **state)
{
    (void)state;
    static const struct {
        struct trim_ask ask;
        int16_t error;
        int64_t low;
    } cases[] = {
        {{0, 0, 0}, KERR_NONE, 0},
        {{0, 0, 2}, KERR_NONE, 2},
        {{0, 0, 1}, KERR_NONE, 2}, /* never back */
        {{0, 1, -1}, KERR_NONE, 3},
        {{0, 0, 4}, KERR_OFFSET_OUT_OF_RANGE, -1},
        {{0, 0, -2}, KERR_OFFSET_OUT_OF_RANGE, -1},
        {{0, 4, 0}, KERR_UNKNOWN_TOPIC_OR_PARTITION, -1},
        {{7, 0, 0}, KERR_UNKNOWN_TOPIC_OR_PARTITION, -1},
        {{2, 0, 0}, KERR_POLICY_VIOLATION, -1},
    };
    struct harness *h = three_records();
    struct client c = client_new(h, 0, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int16_t version = 0; version <= 2; version++) {
            struct wire_delete_records_response_delete_records_partition_result f;
            send_trims(&c, version, &cases[i].ask, 1);
            assert_true(take_trims(&c, version, &f, 1));
            if (f.error_code != cases[i].error || f.low_watermark != cases[i].low)
                fail_msg("case %zu version %d: error %d low %lld", i, version, f.error_code,
                         (long long)f.low_watermark);
        }
    }
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    assert_int_equal(mesh_jobs_out(h->shards[0].mesh), 0);
    harness_free(h);
}

static void
an_internal_topic_is_refused(void **state)
{
    (void)state;
    struct harness *h = three_records();
    struct client c = client_new(h, 0, 0);
    struct trim_ask ask = {0, 0, 1};
    struct wire_delete_records_response_delete_records_partition_result f;
    for (uint32_t i = 0; i < 2; i++)
        route_by_name(h->shards[i].route, fixture_name(0))->fact.internal = 1;
    send_trims(&c, 2, &ask, 1);
    assert_true(take_trims(&c, 2, &f, 1));
    assert_int_equal(f.error_code, KERR_INVALID_TOPIC_EXCEPTION);
    harness_free(h);
}

static void
the_answer_waits_until_the_start_is_durable(void **state)
{
    (void)state;
    struct harness *h = three_records();
    struct client c = client_new(h, 0, 0);
    struct trim_ask asks[] = {{0, 0, 1}, {0, 1, 2}};
    struct wire_delete_records_response_delete_records_partition_result f[2];
    h->stores[1]->disk_late = true;
    send_trims(&c, 2, asks, 2);
    assert_false(take_trims(&c, 2, f, 2));
    h->stores[1]->disk_late = false;
    assert_true(take_trims(&c, 2, f, 2));
    assert_int_equal(f[0].low_watermark, 1);
    assert_int_equal(f[1].low_watermark, 2);
    harness_free(h);
}

static void
a_trim_without_journal_space_goes_on_later(void **state)
{
    (void)state;
    struct harness *h = three_records();
    struct client c = client_new(h, 0, 0);
    struct trim_ask asks[] = {{0, 0, 1}, {0, 1, 2}, {0, 2, 0}};
    struct wire_delete_records_response_delete_records_partition_result f[3];
    h->stores[0]->trim_again = h->stores[1]->trim_again = true;
    send_trims(&c, 2, asks, 3);
    assert_false(take_trims(&c, 2, f, 3));
    uint64_t deadline_ns;
    assert_int_equal(shard_turn(&h->shards[1], &deadline_ns), ERR_OK);
    assert_true(deadline_ns <= h->now_ns + SHARD_RETRY_MS * CLOCK_NS_PER_MS);
    h->stores[0]->trim_again = h->stores[1]->trim_again = false;
    assert_true(take_trims(&c, 2, f, 3));
    for (int i = 0; i < 3; i++)
        assert_int_equal(f[i].error_code, KERR_NONE);
    harness_free(h);
}

static void
a_connection_that_goes_away_leaves_nothing_behind(void **state)
{
    (void)state;
    struct harness *h = three_records();
    struct client c = client_new(h, 0, 0);
    struct trim_ask asks[] = {{0, 0, 1}, {0, 1, 2}};
    h->stores[0]->disk_late = h->stores[1]->disk_late = true;
    send_trims(&c, 2, asks, 2);
    harness_turns(h, 6);
    fake_stream_end(&h->streams[0], 0, ERR_CLOSED);
    harness_turns(h, 2);
    h->stores[0]->disk_late = h->stores[1]->disk_late = false;
    harness_turns(h, 6);
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    assert_int_equal(mesh_jobs_out(h->shards[0].mesh), 0);
    harness_free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_offset_gives_what_kafka_gives),
        cmocka_unit_test(an_internal_topic_is_refused),
        cmocka_unit_test(the_answer_waits_until_the_start_is_durable),
        cmocka_unit_test(a_trim_without_journal_space_goes_on_later),
        cmocka_unit_test(a_connection_that_goes_away_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
