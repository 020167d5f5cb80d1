#include "tests/unit/core/store/store_fixture.h"

static void
a_segment_is_opened_once_however_many_use_it(void **state)
{
    (void)state;
    static uint8_t bytes[64 << 10];
    struct fixture f;
    fixture_init(&f, 1);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    for (int i = 0; i < 20; i++)
        fixture_append(&f, p, 1, 900, (uint64_t)i, i);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_int_equal(fixture_start(&f), ERR_OK);
    p = fixture_log(&f, 1, 0);
    fixture_turns(&f, 50); /* the journal's own files */
    uint32_t before = disk_mem_open_files(f.disk);
    struct store_range range;
    assert_true(fixture_read(&f, p, 0, 4000, bytes, &range) > 0);
    for (int i = 0; i < 20; i++)
        fixture_append(&f, p, 1, 300, (uint64_t)i, i);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    assert_int_equal(disk_mem_open_files(f.disk), before + 1);
    assert_int_equal(f.store[0]->files_open, 1);
    assert_int_equal(f.store[0]->jobs_used, 0);
    fixture_end(&f);
}

static void
a_failing_open_takes_only_that_partition_offline(void **state)
{
    (void)state;
    struct fixture f;
    struct plog_facts facts;
    fixture_init(&f, 2);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *bad = fixture_log(&f, 1, 7), *good = fixture_log(&f, 1, 0);
    disk_mem_fail(f.disk, "/7/", DISK_OPEN, ERR_IO);
    fixture_append(&f, bad, 1, 900, 1, 1);
    fixture_append(&f, good, 1, 900, 1, 1);
    f.store[0]->flushing = true;
    assert_int_equal(fixture_turns(&f, 200), ERR_OK);
    plog_facts(bad, &facts);
    assert_int_equal(facts.state, PLOG_OFFLINE);
    plog_facts(good, &facts);
    assert_int_equal(facts.state, PLOG_ONLINE);
    assert_int_equal(f.store[0]->jobs_used, 0);
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_segment_is_opened_once_however_many_use_it),
        cmocka_unit_test(a_failing_open_takes_only_that_partition_offline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
