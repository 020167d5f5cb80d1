#include "tests/unit/dataplane/broker/fixture_produce.h"

static void
a_corrupt_batch_is_refused_with_a_message_and_counted(void **state)
{
    (void)state;
    struct harness *h = produce_one_shard();
    struct view batch = harness_batch(1);
    ((uint8_t *)(uintptr_t)batch.at)[batch.len - 1] ^= 1;
    harness_produce(h, 0, V, 77, 1, "0rders", 0, batch);
    struct wire_produce_response_partition_produce_response p = produce_answer(h, V);
    assert_int_equal(p.error_code, KERR_CORRUPT_MESSAGE);
    assert_int_equal(harness_counter(h, 0, DROP_BATCH_CORRUPT), 1);
    harness_free(h);
}

static void
a_batch_of_an_old_format_is_counted_as_such(void **state)
{
    (void)state;
    for (uint8_t magic = 0; magic < 2; magic++) {
        struct harness *h = produce_one_shard();
        struct view batch = harness_batch(1);
        ((uint8_t *)(uintptr_t)batch.at)[BATCH_AT_MAGIC] = magic;
        harness_produce(h, 0, V, 77, 1, "0rders", 0, batch);
        assert_int_equal(produce_answer(h, V).error_code, KERR_INVALID_RECORD);
        assert_int_equal(harness_counter(h, 0, DROP_BATCH_MAGIC), 1);
        assert_int_equal(harness_counter(h, 0, DROP_BATCH_RECORD), 0);
        harness_free(h);
    }
}

static void
a_duplicate_is_a_success_with_the_first_offset(void **state)
{
    (void)state;
    struct harness *h = produce_one_shard();
    h->stores[0]->append_error = KERR_DUPLICATE_SEQUENCE_NUMBER;
    h->stores[0]->lsn = h->stores[0]->written = h->stores[0]->durable = 1;
    harness_produce(h, 0, V, 77, -1, "0rders", 0, harness_batch(1));
    struct wire_produce_response_partition_produce_response p = produce_answer(h, V);
    assert_int_equal(p.error_code, KERR_NONE);
    assert_int_equal(p.base_offset, 7);
    assert_int_equal(harness_counter(h, 0, COUNTER_PRODUCE_DUPLICATES), 1);
    harness_free(h);
}

/* Kafka ProduceRequest.validateRecords: clients of that time cannot read it back. */
static void
zstd_is_refused_before_version_7(void **state)
{
    (void)state;
    static struct make_batch m;
    for (int16_t version = 6; version <= 7; version++) {
        struct harness *h = produce_one_shard();
        make_begin(&m);
        make_add(&m, (struct make_record){.key = view_of_text("k")});
        harness_produce(h, 0, version, 77, -1, "0rders", 0, make_end(&m, MAKE_ZSTD));
        assert_int_equal(produce_answer(h, version).error_code,
                         version < 7 ? KERR_UNSUPPORTED_COMPRESSION_TYPE : KERR_NONE);
        harness_free(h);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_corrupt_batch_is_refused_with_a_message_and_counted),
        cmocka_unit_test(a_batch_of_an_old_format_is_counted_as_such),
        cmocka_unit_test(a_duplicate_is_a_success_with_the_first_offset),
        cmocka_unit_test(zstd_is_refused_before_version_7),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
