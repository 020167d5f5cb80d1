#include "tests/unit/core/store/store_fixture.h"

static int
append(struct fixture *f, struct plog *p, struct batch_info *info, struct store_appended *out)
{
    return store_append(f->store[0], p, info, view_of(f->batch, info->bytes), 3, 1000, out);
}

static void
offsets_follow_each_other(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 1);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    int64_t want = 0;
    for (int32_t i = 1; i < 20; i++) {
        assert_int_equal(fixture_append(&f, p, i, 50, (uint64_t)i, i), want);
        want += i;
    }
    fixture_end(&f);
}

static void
log_append_time_is_stamped_and_told(void **state)
{
    (void)state;
    struct fixture f;
    struct batch_info info;
    struct store_appended out;
    struct store_range range;
    static uint8_t bytes[4096];
    fixture_init(&f, 2);
    f.config.log_append_time = true;
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    fixture_batch(f.batch, 2, 100, 7, 5, &info);
    assert_int_equal(append(&f, p, &info, &out), KERR_NONE);
    assert_int_equal(out.log_append_time_ms, 1000);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    int64_t got = fixture_read(&f, p, 0, 4096, bytes, &range);
    assert_int_equal(got, info.bytes);
    assert_int_equal(batch_header(view_of(bytes, (uint32_t)got), &info), ERR_OK);
    assert_int_equal(info.max_timestamp_ms, 1000);
    assert_true(info.attributes & BATCH_LOG_APPEND_TIME);
    assert_int_equal(info.leader_epoch, 3);
    assert_true(batch_crc_ok(view_of(bytes, (uint32_t)got), &info));
    fixture_end(&f);
}

static void
a_wrong_largest_time_of_a_producer_is_corrected(void **state)
{
    (void)state;
    struct fixture f;
    struct batch_info info;
    struct store_appended out;
    struct store_range range;
    static uint8_t bytes[4096];
    fixture_init(&f, 7);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    fixture_batch(f.batch, 2, 100, 7, 5, &info);
    info.found_timestamp_ms = info.max_timestamp_ms + 11; /* as batch_check tells it */
    int64_t found_ms = info.found_timestamp_ms;
    assert_int_equal(append(&f, p, &info, &out), KERR_NONE);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    int64_t got = fixture_read(&f, p, 0, 4096, bytes, &range);
    assert_int_equal(batch_header(view_of(bytes, (uint32_t)got), &info), ERR_OK);
    assert_int_equal(info.max_timestamp_ms, found_ms);
    assert_true(batch_crc_ok(view_of(bytes, (uint32_t)got), &info));
    fixture_end(&f);
}

static void
a_duplicate_tells_the_offset_and_lsn_of_the_first(void **state)
{
    (void)state;
    struct fixture f;
    struct batch_info info;
    struct store_appended first, again;
    fixture_init(&f, 3);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    fixture_append(&f, p, 5, 50, 1, 1);
    fixture_batch(f.batch, 2, 100, 7, 5, &info);
    fixture_producer(f.batch, 9, 0, 0, &info);
    assert_int_equal(append(&f, p, &info, &first), KERR_NONE);
    assert_int_equal(append(&f, p, &info, &again), KERR_DUPLICATE_SEQUENCE_NUMBER);
    assert_int_equal(again.base_offset, 5);
    assert_int_equal(again.lsn, first.lsn);
    assert_true(store_durable_lsn(f.store[0]) < again.lsn);
    fixture_producer(f.batch, 9, 0, 7, &info);
    assert_int_equal(append(&f, p, &info, &again), KERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    fixture_end(&f);
}

static void
sequences_are_remembered_over_a_crash(void **state)
{
    (void)state;
    for (int checkpoint = 0; checkpoint < 2; checkpoint++) {
        struct fixture f;
        struct batch_info info;
        struct store_appended out;
        fixture_init(&f, 4);
        assert_int_equal(fixture_start(&f), ERR_OK);
        struct plog *p = fixture_log(&f, 1, 0);
        for (int32_t i = 0; i < 3; i++) {
            fixture_batch(f.batch, 2, 100, 7, 5, &info);
            fixture_producer(f.batch, 9, 0, i * 2, &info);
            assert_int_equal(append(&f, p, &info, &out), KERR_NONE);
        }
        assert_int_equal(checkpoint ? fixture_checkpoint(&f) : fixture_settle(&f), ERR_OK);
        disk_mem_cut_after(f.disk, 0);
        fixture_kill(&f);
        disk_mem_restart(f.disk);
        assert_int_equal(fixture_start(&f), ERR_OK);
        p = fixture_log(&f, 1, 0);
        assert_int_equal(append(&f, p, &info, &out), KERR_DUPLICATE_SEQUENCE_NUMBER);
        assert_int_equal(out.base_offset, 4);
        assert_int_equal(out.lsn, 0);
        fixture_end(&f);
    }
}

static void
a_silent_producer_is_forgotten(void **state)
{
    (void)state;
    struct fixture f;
    struct batch_info info;
    struct store_appended out;
    fixture_init(&f, 7);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    fixture_batch(f.batch, 1, 100, 7, 5, &info);
    fixture_producer(f.batch, 9, 0, 0, &info);
    assert_int_equal(append(&f, p, &info, &out), KERR_NONE);
    store_expire_producers(f.store[0], 1100, 101);
    assert_int_equal(append(&f, p, &info, &out), KERR_DUPLICATE_SEQUENCE_NUMBER);
    store_expire_producers(f.store[0], 1100, 100);
    assert_int_equal(append(&f, p, &info, &out), KERR_NONE);
    fixture_end(&f);
}

static void
a_batch_over_a_quarter_of_the_cache_is_too_large(void **state)
{
    (void)state;
    struct fixture f;
    struct batch_info info;
    struct store_appended out;
    fixture_init(&f, 5);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    fixture_batch(f.batch, 1, 70000, 7, 5, &info);
    assert_int_equal(append(&f, p, &info, &out), KERR_MESSAGE_TOO_LARGE);
    fixture_end(&f);
}

static void
without_room_an_append_changes_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct batch_info info;
    struct store_appended out;
    fixture_init(&f, 6);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    fixture_batch(f.batch, 1, 5000, 7, 5, &info);
    uint32_t count = 0;
    while (append(&f, p, &info, &out) == KERR_NONE)
        count++;
    assert_true(count > 10);
    assert_int_equal(p->end, count);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    assert_int_equal(p->hw, count);
    assert_int_equal(fixture_append(&f, p, 1, 100, 1, 1), count);
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_follow_each_other),
        cmocka_unit_test(log_append_time_is_stamped_and_told),
        cmocka_unit_test(a_wrong_largest_time_of_a_producer_is_corrected),
        cmocka_unit_test(a_duplicate_tells_the_offset_and_lsn_of_the_first),
        cmocka_unit_test(sequences_are_remembered_over_a_crash),
        cmocka_unit_test(a_silent_producer_is_forgotten),
        cmocka_unit_test(a_batch_over_a_quarter_of_the_cache_is_too_large),
        cmocka_unit_test(without_room_an_append_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
