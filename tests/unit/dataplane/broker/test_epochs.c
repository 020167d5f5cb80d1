/* OffsetForLeaderEpoch through encoded bytes. */
#include "tests/unit/dataplane/broker/fixture_fetch.h"

typedef struct wire_offset_for_leader_epoch_response_epoch_end_offset epochs_result;

static epochs_result
ask(struct client *c, int16_t version, uint32_t row, int32_t partition, int32_t current,
    int32_t epoch)
{
    static uint8_t memory[65536];
    struct wire_arena arena;
    struct wire_offset_for_leader_epoch_response a;
    struct wire_offset_for_leader_epoch_request q;
    struct wire_offset_for_leader_epoch_request_offset_for_leader_partition part = {partition,
                                                                                    current, epoch};
    struct wire_offset_for_leader_epoch_request_offset_for_leader_topic topic = {fixture_name(row),
                                                                                 {&part, 1}};
    wire_init(&wire_offset_for_leader_epoch_request_message, &q);
    q.topics.items = &topic;
    q.topics.count = 1;
    harness_request(c->h, c->shard, c->conn, WIRE_API_OFFSET_FOR_LEADER_EPOCH, version, 1, &q);
    harness_turns(c->h, 6);
    struct view v = harness_response(c->h, c->shard, c->conn, &c->at);
    uint32_t header = version >= 4 ? 5 : 4;
    assert_true(v.len > header);
    wire_arena_init(&arena, memory, sizeof memory);
    assert_int_equal(wire_decode(&wire_offset_for_leader_epoch_response_message, version,
                                 view_of(v.at + header, v.len - header), &a, &arena),
                     ERR_OK);
    assert_int_equal(a.topics.count, 1);
    assert_int_equal(a.topics.items[0].partitions.count, 1);
    return a.topics.items[0].partitions.items[0];
}

static void
each_epoch_gives_what_kafka_gives(void **state)
{
    (void)state;
    static const struct {
        uint32_t row;
        int32_t partition, current, asked;
        int16_t error;
        int32_t epoch;
        int64_t end;
    } cases[] = {
        {0, 0, -1, 5, KERR_NONE, 5, 3},
        {0, 1, 5, 5, KERR_NONE, 5, 3},
        {0, 1, 5, 6, KERR_NONE, -1, -1},
        {0, 0, -1, -1, KERR_NONE, -1, -1},
        {0, 0, 4, 5, KERR_FENCED_LEADER_EPOCH, -1, -1},
        {0, 0, 6, 5, KERR_UNKNOWN_LEADER_EPOCH, -1, -1},
        {0, 9, -1, 5, KERR_UNKNOWN_TOPIC_OR_PARTITION, -1, -1},
        {7, 0, -1, 5, KERR_UNKNOWN_TOPIC_OR_PARTITION, -1, -1},
    };
    struct harness *h = harness_new(2, NULL);
    harness_topic(h, 0, "0", 4);
    for (int32_t i = 0; i < 2; i++)
        for (int k = 0; k < 3; k++)
            fixture_append(h, 0, i, 100);
    harness_turn(h);
    struct client c = client_new(h, 0, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int16_t version = 2; version <= 4; version++) {
            epochs_result f = ask(&c, version, cases[i].row, cases[i].partition, cases[i].current,
                                  cases[i].asked);
            if (f.error_code != cases[i].error || f.leader_epoch != cases[i].epoch ||
                f.end_offset != cases[i].end)
                fail_msg("case %zu version %d: error %d epoch %d end %lld", i, version,
                         f.error_code, f.leader_epoch, (long long)f.end_offset);
        }
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    harness_free(h);
}

static void
an_offline_log_is_a_storage_error(void **state)
{
    (void)state;
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0", 1);
    struct client c = client_new(h, 0, 0);
    uint8_t id[16];
    harness_topic_id(id, 0);
    store_find(h->stores[0], id, 0)->state = PLOG_OFFLINE;
    assert_int_equal(ask(&c, 4, 0, 0, -1, 5).error_code, KERR_KAFKA_STORAGE_ERROR);
    harness_free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_epoch_gives_what_kafka_gives),
        cmocka_unit_test(an_offline_log_is_a_storage_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
