/* DescribeLogDirs through encoded bytes. */
#include "tests/unit/dataplane/broker/fixture_fetch.h"

typedef struct wire_describe_log_dirs_response answer;

static void
ask_dirs(struct client *c, int16_t version, bool all, answer *out)
{
    static uint8_t memory[65536];
    static int32_t parts[] = {0, 1, 9};
    struct wire_arena arena;
    struct wire_describe_log_dirs_request q;
    struct wire_describe_log_dirs_request_describable_log_dir_topic topics[] = {
        {fixture_name(0), {parts, 3}}, {fixture_name(7), {parts, 1}}};
    wire_init(&wire_describe_log_dirs_request_message, &q);
    q.topics.items = topics;
    q.topics.count = all ? -1 : 2;
    harness_request(c->h, c->shard, c->conn, WIRE_API_DESCRIBE_LOG_DIRS, version, 1, &q);
    harness_turns(c->h, 6);
    struct view v = harness_response(c->h, c->shard, c->conn, &c->at);
    assert_true(v.len > 0);
    uint32_t header = version >= 2 ? 5 : 4;
    wire_arena_init(&arena, memory, sizeof memory);
    assert_int_equal(wire_decode(&wire_describe_log_dirs_response_message, version,
                                 view_of(v.at + header, v.len - header), out, &arena),
                     ERR_OK);
}

static struct plog *
log_of(struct harness *h, int32_t partition)
{
    uint8_t id[16];
    harness_topic_id(id, 0);
    return store_find(h->stores[store_core_of(id, partition, h->shard_count)], id, partition);
}

/* Topic 0, partitions 0 and 1, in two directories; the odd ones are in the second. */
static struct harness *
two_directories(void)
{
    struct harness *h = harness_new(2, NULL);
    harness_set(h, "log.dirs", "/first,/second");
    harness_topic_write(h, 0, "0", 4, &harness_topic_config);
    h->shards[0].route_retry_ns = h->shards[1].route_retry_ns = 0;
    harness_turns(h, 2);
    for (uint32_t i = 0; i < 2; i++)
        h->stores[i]->dirs = 2;
    for (int32_t i = 0; i < 4; i++) {
        fixture_append(h, 0, i, 100);
        log_of(h, i)->dir = (uint8_t)(i % 2);
    }
    harness_turn(h);
    return h;
}

static void
partitions_are_told_by_directory_with_their_sizes(void **state)
{
    (void)state;
    struct harness *h = two_directories();
    struct client c = client_new(h, 0, 0);
    for (int16_t version = 1; version <= 5; version++) {
        answer a;
        ask_dirs(&c, version, true, &a);
        assert_int_equal(a.results.count, 2);
        for (int32_t dir = 0; dir < 2; dir++) {
            const struct wire_describe_log_dirs_response_describe_log_dirs_result *r =
                &a.results.items[dir];
            assert_int_equal(r->error_code, KERR_NONE);
            assert_true(view_equal(r->log_dir, view_of_text(dir ? "/second" : "/first")));
            assert_int_equal(r->topics.count, 1);
            assert_int_equal(r->topics.items[0].partitions.count, 2);
            for (int32_t k = 0; k < 2; k++) {
                assert_int_equal(r->topics.items[0].partitions.items[k].partition_index,
                                 2 * k + dir);
                assert_int_equal(r->topics.items[0].partitions.items[k].partition_size,
                                 log_of(h, dir)->len);
                assert_false(r->topics.items[0].partitions.items[k].is_future_key);
            }
            if (version >= 4) {
                assert_int_equal(r->total_bytes, 1000);
                assert_int_equal(r->usable_bytes, 900);
            }
        }
    }
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    harness_free(h);
}

static void
a_partition_that_moves_is_a_future_replica_where_it_moves_to(void **state)
{
    (void)state;
    struct harness *h = two_directories();
    struct client c = client_new(h, 0, 0);
    answer a;
    log_of(h, 2)->move_to = 1;
    ask_dirs(&c, 4, true, &a);
    assert_int_equal(a.results.items[0].topics.items[0].partitions.count, 2);
    assert_false(a.results.items[0].topics.items[0].partitions.items[1].is_future_key);
    assert_int_equal(a.results.items[1].topics.items[0].partitions.count, 3);
    for (int32_t i = 0; i < 3; i++) {
        const struct wire_describe_log_dirs_response_describe_log_dirs_partition *p =
            &a.results.items[1].topics.items[0].partitions.items[i];
        assert_int_equal(p->is_future_key, p->partition_index == 2);
        assert_int_equal(p->offset_lag, p->partition_index == 2);
        if (p->is_future_key)
            assert_int_equal(p->partition_size, log_of(h, 2)->len / 2);
    }
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    harness_free(h);
}

static void
only_partitions_that_are_named_and_known_are_told(void **state)
{
    (void)state;
    struct harness *h = two_directories();
    struct client c = client_new(h, 0, 0);
    answer a;
    ask_dirs(&c, 4, false, &a);
    for (int32_t dir = 0; dir < 2; dir++) {
        assert_int_equal(a.results.items[dir].topics.count, 1);
        assert_int_equal(a.results.items[dir].topics.items[0].partitions.count, 1);
    }
    harness_free(h);
}

static void
a_directory_that_is_offline_has_an_error_and_no_partitions(void **state)
{
    (void)state;
    struct harness *h = two_directories();
    struct client c = client_new(h, 0, 0);
    h->stores[0]->dirs_offline = 2;
    answer a;
    ask_dirs(&c, 4, true, &a);
    assert_int_equal(a.results.items[0].error_code, KERR_NONE);
    assert_int_equal(a.results.items[1].error_code, KERR_KAFKA_STORAGE_ERROR);
    assert_int_equal(a.results.items[1].topics.count, 0);
    assert_int_equal(a.results.items[1].total_bytes, -1);
    harness_free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partitions_are_told_by_directory_with_their_sizes),
        cmocka_unit_test(a_partition_that_moves_is_a_future_replica_where_it_moves_to),
        cmocka_unit_test(only_partitions_that_are_named_and_known_are_told),
        cmocka_unit_test(a_directory_that_is_offline_has_an_error_and_no_partitions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
