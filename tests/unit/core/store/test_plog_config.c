/* The configuration of a log, as bytes. */
#include "core/store/plog_in.h"
#include "tests/unit/unit.h"

static struct plog_config
distinct(void)
{
    return (struct plog_config){
        .segment_bytes = 1,
        .index_interval_bytes = 2,
        .segment_index_bytes = 3,
        .min_dirty_millionths = 4,
        .segment_ms = 5,
        .segment_jitter_ms = 6,
        .retention_ms = -1,
        .retention_bytes = INT64_C(1) << 40,
        .file_delete_delay_ms = 9,
        .min_compaction_lag_ms = 10,
        .max_compaction_lag_ms = INT64_MAX,
        .delete_retention_ms = 12,
        .cleanup_compact = true,
        .preallocate = true,
    };
}

static void
every_field_comes_back(void **state)
{
    struct plog_config in = distinct(), out = {.log_append_time = true, .segment_ms = 77};
    uint8_t bytes[PLOG_CONFIG_BYTES];
    struct put w = put_of(bytes, sizeof bytes);
    plog_config_write(&in, &w);
    assert_false(w.bad);
    assert_int_equal(put_len(&w), PLOG_CONFIG_BYTES);
    struct cur c = cur_of(view_of(bytes, sizeof bytes));
    plog_config_read(&out, &c);
    assert_false(c.bad);
    assert_true(plog_config_same(&in, &out));
    assert_int_equal(out.retention_ms, -1);
    assert_int_equal(out.max_compaction_lag_ms, INT64_MAX);
    assert_false(out.log_append_time);
    assert_true(out.preallocate);
}

static void
any_field_makes_a_difference(void **state)
{
    struct plog_config a = distinct(), b = distinct();
    b.preallocate = false;
    assert_false(plog_config_same(&a, &b));
    b = a;
    b.segment_bytes++;
    assert_false(plog_config_same(&a, &b));
    b = a;
    b.delete_retention_ms--;
    assert_false(plog_config_same(&a, &b));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_comes_back),
        cmocka_unit_test(any_field_makes_a_difference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
