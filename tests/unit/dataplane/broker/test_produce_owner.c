#include "tests/unit/dataplane/broker/fixture_produce.h"

static void
an_error_of_the_other_shard_reaches_the_client(void **state)
{
    (void)state;
    struct harness *h = produce_two_shards();
    h->stores[1]->append_error = KERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    harness_produce(h, 0, V, 77, -1, "0rders", 1, harness_batch(1));
    struct wire_produce_response_partition_produce_response p = produce_answer(h, V);
    assert_int_equal(p.error_code, KERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(p.base_offset, -1);
    assert_int_equal(harness_counter(h, 0, DROP_BATCH_SEQUENCE), 1);
    harness_free(h);
}

static void
the_answer_waits_for_the_disk_of_the_other_shard(void **state)
{
    (void)state;
    struct harness *h = produce_two_shards();
    h->stores[1]->disk_late = true;
    harness_produce(h, 0, V, 77, 1, "0rders", 1, harness_batch(1));
    harness_turns(h, 5);
    assert_int_equal(h->streams[0].conns[0].sends, 0);
    h->stores[1]->disk_late = false;
    assert_int_equal(produce_answer(h, V).error_code, KERR_NONE);
    harness_free(h);
}

static void
batches_wait_in_order_while_the_other_shard_has_no_room(void **state)
{
    (void)state;
    struct harness *h = produce_two_shards();
    h->stores[1]->append_again = true;
    for (int32_t i = 0; i < 3; i++)
        harness_produce(h, 0, V, i, 1, "0rders", 1, harness_batch((uint32_t)i + 1));
    harness_turns(h, 4);
    assert_int_equal(h->stores[1]->lsn, 0);
    h->stores[1]->append_again = false;
    harness_turns(h, 6);
    size_t at = 0;
    int64_t offsets[] = {0, 1, 3};
    for (int32_t i = 0; i < 3; i++) {
        struct wire_produce_response_partition_produce_response p;
        struct view v = harness_response(h, 0, 0, &at);
        assert_int_equal(get_i32(v.at), i);
        harness_produced(v, V, &p);
        assert_int_equal(p.base_offset, offsets[i]);
    }
    harness_free(h);
}

static void
an_owner_whose_log_begins_a_segment_reads_the_lent_bytes_where_they_lie(void **state)
{
    (void)state;
    for (int staged = 0; staged < 2; staged++) {
        struct harness *h = produce_two_shards();
        struct view batch = produce_batch(PRODUCE_LARGE, MAKE_NONE, 0);
        h->stores[1]->stage_limit = !staged;
        h->stores[1]->staged_limit = staged;
        harness_produce(h, 0, V, 77, -1, "0rders", 1, batch);
        assert_int_equal(produce_answer(h, V).error_code, KERR_NONE);
        const struct plog *log = route_part(route_by_row(h->shards[1].route, 0), 1)->log;
        assert_int_equal(log->len, batch.len);
        assert_memory_equal(log->bytes + BATCH_AT_MAGIC, batch.at + BATCH_AT_MAGIC,
                            batch.len - BATCH_AT_MAGIC);
        produce_all_back(h);
        harness_free(h);
    }
}

static void
an_owner_refuses_a_bad_batch_and_its_log_is_as_before(void **state)
{
    (void)state;
    struct harness *h = produce_two_shards();
    struct view bad = produce_batch(PRODUCE_LARGE, MAKE_NONE, 0);
    produce_spoil(bad);
    harness_produce(h, 0, V, 77, -1, "0rders", 1, bad);
    assert_int_equal(produce_answer(h, V).error_code, KERR_CORRUPT_MESSAGE);
    assert_int_equal(h->stores[1]->unstages, 1);
    assert_int_equal(h->stores[1]->lsn, 0);
    assert_int_equal(harness_counter(h, 0, DROP_BATCH_CORRUPT), 1);
    produce_all_back(h);
    harness_free(h);
}

static void
lent_and_copied_batches_stay_in_order_while_the_owner_has_no_room(void **state)
{
    (void)state;
    struct harness *h = produce_two_shards();
    h->stores[1]->append_again = true;
    int64_t count[] = {PRODUCE_LARGE / PRODUCE_VALUE, 2, PRODUCE_LARGE / PRODUCE_VALUE};
    for (int32_t i = 0; i < 3; i++)
        harness_produce(h, 0, V, i, 1, "0rders", 1,
                        i == 1 ? harness_batch(2) : produce_batch(PRODUCE_LARGE, MAKE_NONE, 0));
    harness_turns(h, 4);
    assert_int_equal(h->stores[1]->lsn, 0);
    assert_int_equal(h->streams[0].kept_out, 2);
    h->stores[1]->append_again = false;
    harness_turns(h, 6);
    size_t at = 0;
    int64_t offset = 0;
    for (int32_t i = 0; i < 3; i++) {
        struct wire_produce_response_partition_produce_response p;
        struct view v = harness_response(h, 0, 0, &at);
        assert_int_equal(get_i32(v.at), i);
        harness_produced(v, V, &p);
        assert_int_equal(p.base_offset, offset);
        offset += count[i];
    }
    produce_all_back(h);
    harness_free(h);
}

static void
what_the_owners_store_says_of_a_lent_batch_is_answered(void **state)
{
    (void)state;
    struct harness *h = produce_two_shards();
    h->stores[1]->append_error = KERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    harness_produce(h, 0, V, 77, -1, "0rders", 1, produce_batch(PRODUCE_LARGE, MAKE_NONE, 0));
    assert_int_equal(produce_answer(h, V).error_code, KERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    produce_all_back(h);
    harness_free(h);
    h = produce_two_shards();
    h->stores[1]->append_error = KERR_DUPLICATE_SEQUENCE_NUMBER;
    h->stores[1]->lsn = h->stores[1]->written = h->stores[1]->durable = 1;
    harness_produce(h, 0, V, 77, -1, "0rders", 1, produce_batch(PRODUCE_LARGE, MAKE_NONE, 0));
    struct wire_produce_response_partition_produce_response p = produce_answer(h, V);
    assert_int_equal(p.error_code, KERR_NONE);
    assert_int_equal(p.base_offset, 7);
    assert_int_equal(harness_counter(h, 1, COUNTER_PRODUCE_DUPLICATES), 1);
    produce_all_back(h);
    harness_free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_of_the_other_shard_reaches_the_client),
        cmocka_unit_test(the_answer_waits_for_the_disk_of_the_other_shard),
        cmocka_unit_test(batches_wait_in_order_while_the_other_shard_has_no_room),
        cmocka_unit_test(an_owner_whose_log_begins_a_segment_reads_the_lent_bytes_where_they_lie),
        cmocka_unit_test(an_owner_refuses_a_bad_batch_and_its_log_is_as_before),
        cmocka_unit_test(lent_and_copied_batches_stay_in_order_while_the_owner_has_no_room),
        cmocka_unit_test(what_the_owners_store_says_of_a_lent_batch_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
