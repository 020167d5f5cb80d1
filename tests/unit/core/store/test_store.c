#include "tests/unit/core/store/store_fixture.h"

static void
after_a_clean_stop_nothing_is_replayed(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 4);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    for (int i = 0; i < 100; i++)
        fixture_append(&f, p, 3, 500, (uint64_t)i, i);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_int_equal(disk_mem_open_files(f.disk), 0);
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_true(f.boot.clean);
    assert_int_equal(f.boot.frames_replayed, 0);
    assert_int_equal(f.boot.logs, 1);
    assert_int_equal(fixture_log(&f, 1, 0)->end, 300);
    fixture_end(&f);
}

static void
a_log_is_reported_changed_once_when_its_batch_is_durable(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 5);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    struct plog_facts facts;
    fixture_append(&f, p, 1, 100, 1, 1);
    fixture_append(&f, p, 1, 100, 2, 2);
    plog_facts(p, &facts);
    assert_int_equal(facts.high_watermark, 0);
    assert_null(store_take_changed(f.store[0]));
    assert_int_equal(fixture_settle(&f), ERR_OK);
    plog_facts(p, &facts);
    assert_int_equal(facts.high_watermark, 2);
    assert_ptr_equal(store_take_changed(f.store[0]), p);
    assert_null(store_take_changed(f.store[0]));
    fixture_end(&f);
}

static void
an_idle_store_asks_for_no_turn(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 6);
    assert_int_equal(fixture_start(&f), ERR_OK);
    fixture_append(&f, fixture_log(&f, 1, 0), 1, 100, 1, 1);
    assert_int_equal(fixture_turns(&f, 5000), ERR_OK);
    uint64_t deadline;
    assert_int_equal(store_step(f.store[0], f.now_ns, &deadline), ERR_OK);
    assert_true(deadline == CLOCK_NEVER);
    fixture_end(&f);
}

/* Only names that changed are synced while it waits, however long the disk takes. */
static void
a_stop_on_a_slow_disk_syncs_no_more_than_one_on_a_fast_disk(void **state)
{
    (void)state;
    uint64_t syncs[2];
    for (uint32_t slow = 0; slow < 2; slow++) {
        struct fixture f;
        fixture_init(&f, 7);
        assert_int_equal(fixture_start(&f), ERR_OK);
        for (int32_t i = 0; i < 8; i++)
            fixture_append(&f, fixture_log(&f, 1, i), 10, 1000, (uint64_t)i, 1);
        disk_mem_slow(f.disk, 1000 * slow, 100);
        syncs[slow] = disk_mem_count(f.disk, DISK_SYNC_DIR);
        assert_int_equal(fixture_stop(&f), ERR_OK);
        syncs[slow] = disk_mem_count(f.disk, DISK_SYNC_DIR) - syncs[slow];
        fixture_end(&f);
    }
    assert_in_range(syncs[0], 1, 3 * 8 + 2); /* names of eight logs, and of the checkpoint */
    assert_int_equal(syncs[0], syncs[1]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_a_clean_stop_nothing_is_replayed),
        cmocka_unit_test(a_log_is_reported_changed_once_when_its_batch_is_durable),
        cmocka_unit_test(an_idle_store_asks_for_no_turn),
        cmocka_unit_test(a_stop_on_a_slow_disk_syncs_no_more_than_one_on_a_fast_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
