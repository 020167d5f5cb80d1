#include "tests/unit/dataplane/broker/fixture_produce.h"

/* A topic whose records need keys; partitions 1, 3 and 5 are of shard 1. */
static struct harness *
keyed(bool lends)
{
    struct table_topic_config config = harness_topic_config;
    config.cleanup_compact = true;
    struct harness *h = harness_new(2, NULL);
    harness_topic_write(h, 0, "0rders", 6, &config);
    harness_ring_row(h, MSG_TOPIC, 0);
    for (uint32_t i = 0; i < 6; i++)
        harness_ring_row(h, MSG_WANT, i);
    h->streams[0].keeps_none = !lends;
    fake_stream_open(&h->streams[0], 0);
    harness_turn(h);
    return h;
}

static void
a_connection_that_goes_away_leaves_its_jobs_to_come_home(void **state)
{
    (void)state;
    struct harness *h = produce_two_shards();
    h->stores[1]->disk_late = true;
    harness_produce(h, 0, V, 77, 1, "0rders", 1, harness_batch(1));
    harness_turns(h, 3);
    assert_int_equal(mesh_jobs_out(h->shards[0].mesh), 1);
    fake_stream_end(&h->streams[0], 0, ERR_CLOSED);
    harness_turns(h, 2);
    assert_int_equal(mesh_jobs_out(h->shards[0].mesh), 1);
    h->stores[1]->disk_late = false;
    harness_turns(h, 3);
    assert_int_equal(mesh_jobs_out(h->shards[0].mesh), 0);
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    harness_free(h);
}

static void
acks_0_with_an_error_at_the_other_shard_closes_the_connection(void **state)
{
    (void)state;
    struct harness *h = produce_two_shards();
    h->stores[1]->append_error = KERR_KAFKA_STORAGE_ERROR;
    harness_produce(h, 0, V, 77, 0, "0rders", 1, harness_batch(1));
    harness_turns(h, 6);
    assert_int_equal(h->shards[0].conn_count, 0);
    assert_int_equal(mesh_jobs_out(h->shards[0].mesh), 0);
    harness_free(h);
}

static void
reasons_of_owners_stand_in_the_answer_as_if_home_had_found_them(void **state)
{
    (void)state;
    for (int16_t version = 3; version <= 13; version++) {
        struct harness *both[] = {keyed(false), keyed(true)};
        struct view answers[2];
        for (int i = 0; i < 2; i++) {
            static uint8_t copies[3][2 * PRODUCE_LARGE];
            struct view batches[3];
            for (uint32_t k = 0; k < 3; k++) {
                struct view b = produce_batch(PRODUCE_LARGE, MAKE_NONE, k == 2 ? 0 : 5 - k);
                memcpy(copies[k], b.at, b.len);
                batches[k] = view_of(copies[k], b.len);
            }
            produce_spoil(batches[2]);
            struct wire_produce_request_partition_produce_data parts[] = {
                {1, batches[0]}, {0, batches[1]}, {9, batches[1]},
                {3, batches[2]}, {5, batches[1]}, {1, harness_batch(3)}};
            produce_parts(both[i], version, parts, 6);
            harness_turns(both[i], 8);
            size_t at = 0;
            answers[i] = harness_response(both[i], 0, 0, &at);
            assert_int_equal(both[i]->streams[0].keeps, i);
            assert_int_equal(both[i]->stores[1]->lsn, 1);
            assert_int_equal(harness_counter(both[i], 0, COUNTER_PRODUCE_ERRORS), 5);
            produce_all_back(both[i]);
        }
        assert_true(answers[0].len > 0);
        assert_int_equal(answers[0].len, answers[1].len);
        assert_memory_equal(answers[0].at, answers[1].at, answers[0].len);
        harness_free(both[0]);
        harness_free(both[1]);
    }
}

static void
without_memory_for_reasons_the_answer_has_the_error_alone(void **state)
{
    (void)state;
    struct harness *h = keyed(true);
    harness_produce(h, 0, V, 77, -1, "0rders", 1, produce_batch(PRODUCE_LARGE, MAKE_NONE, 2));
    harness_turn(h);
    static void *taken[1 << 18];
    uint32_t count = 0;
    size_t room;
    while ((taken[count] = buddy_take(h->shards[0].memory, 256, &room)))
        count++;
    struct wire_produce_response_partition_produce_response p = produce_answer(h, V);
    assert_int_equal(p.error_code, KERR_INVALID_RECORD);
    assert_int_equal(p.record_errors.count, 0);
    while (count > 0)
        buddy_give(h->shards[0].memory, taken[--count]);
    produce_all_back(h);
    harness_free(h);
}

static void
a_connection_that_ends_takes_the_reasons_that_wait_with_it(void **state)
{
    (void)state;
    struct harness *h = keyed(true);
    struct view bad = produce_batch(PRODUCE_LARGE, MAKE_NONE, 2);
    struct wire_produce_request_partition_produce_data parts[] = {{1, bad}, {3, harness_batch(1)}};
    h->stores[1]->disk_late = true;
    produce_parts(h, V, parts, 2);
    harness_turns(h, 3);
    assert_int_equal(mesh_jobs_out(h->shards[0].mesh),
                     2); /* one refused and kept, one at its disk */
    assert_int_equal(h->streams[0].kept_out, 1);
    fake_stream_end(&h->streams[0], 0, ERR_CLOSED);
    harness_turns(h, 2);
    assert_int_equal(mesh_jobs_out(h->shards[0].mesh), 1);
    h->stores[1]->disk_late = false;
    harness_turns(h, 3);
    produce_all_back(h);
    harness_free(h);
}

static void
acks_0_keeps_no_reasons_and_closes_the_connection(void **state)
{
    (void)state;
    struct harness *h = keyed(true);
    harness_produce(h, 0, V, 77, 0, "0rders", 1, produce_batch(PRODUCE_LARGE, MAKE_NONE, 2));
    harness_turns(h, 5);
    assert_int_equal(h->shards[0].conn_count, 0);
    produce_all_back(h);
    harness_free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_that_goes_away_leaves_its_jobs_to_come_home),
        cmocka_unit_test(acks_0_with_an_error_at_the_other_shard_closes_the_connection),
        cmocka_unit_test(reasons_of_owners_stand_in_the_answer_as_if_home_had_found_them),
        cmocka_unit_test(without_memory_for_reasons_the_answer_has_the_error_alone),
        cmocka_unit_test(a_connection_that_ends_takes_the_reasons_that_wait_with_it),
        cmocka_unit_test(acks_0_keeps_no_reasons_and_closes_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
