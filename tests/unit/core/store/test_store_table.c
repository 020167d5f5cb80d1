#include "tests/unit/core/store/store_fixture.h"

static void
a_log_is_found_until_it_is_deleted(void **state)
{
    (void)state;
    struct fixture f;
    uint8_t id[16];
    fixture_init(&f, 1);
    assert_int_equal(fixture_start(&f), ERR_OK);
    fixture_topic(1, id);
    assert_null(store_find(f.store[0], id, 0));
    struct plog *p = fixture_log(&f, 1, 0);
    assert_ptr_equal(store_find(f.store[0], id, 0), p);
    assert_null(store_find(f.store[0], id, 1));
    store_delete(f.store[0], p);
    assert_null(store_find(f.store[0], id, 0));
    fixture_end(&f);
}

static void
creating_again_reconfigures_and_survives_a_restart(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 2);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    f.config.segment_bytes = 5000;
    assert_ptr_equal(fixture_log(&f, 1, 0), p);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    disk_mem_cut_after(f.disk, 0);
    fixture_kill(&f);
    disk_mem_restart(f.disk);
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_int_equal(fixture_log(&f, 1, 0)->config.segment_bytes, 5000);
    fixture_end(&f);
}

static void
more_logs_than_the_limit_are_refused(void **state)
{
    (void)state;
    struct fixture f;
    uint8_t id[16];
    struct plog *p;
    fixture_init(&f, 3);
    assert_int_equal(fixture_start(&f), ERR_OK);
    for (int32_t i = 0; i < 64; i++)
        assert_non_null(fixture_log(&f, 1, i));
    fixture_topic(1, id);
    assert_int_equal(store_create(f.store[0], id, 64, &f.config, &p), ERR_LIMIT);
    fixture_end(&f);
}

static void
partitions_spread_over_the_cores(void **state)
{
    (void)state;
    uint32_t count[4] = {0};
    uint8_t id[16];
    for (uint32_t t = 0; t < 100; t++) {
        fixture_topic(t, id);
        for (int32_t i = 0; i < 40; i++)
            count[store_core_of(id, i, 4)]++;
    }
    for (int c = 0; c < 4; c++)
        assert_in_range(count[c], 800, 1200);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_is_found_until_it_is_deleted),
        cmocka_unit_test(creating_again_reconfigures_and_survives_a_restart),
        cmocka_unit_test(more_logs_than_the_limit_are_refused),
        cmocka_unit_test(partitions_spread_over_the_cores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
