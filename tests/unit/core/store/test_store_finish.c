#include "core/store/store_replay_in.h"
#include "tests/unit/core/store/store_fixture.h"

/* A log with some batches that a kill left, one of them only in the journal. */
static void
killed(struct fixture *f, uint64_t seed, char path[PLOG_PATH_BYTES])
{
    fixture_init(f, seed);
    assert_int_equal(fixture_start(f), ERR_OK);
    struct plog *p = fixture_log(f, 1, 0);
    for (int i = 0; i < 10; i++)
        fixture_append(f, p, 1, 500, (uint64_t)i, i);
    assert_int_equal(fixture_checkpoint(f), ERR_OK);
    fixture_append(f, p, 1, 500, 10, 10);
    assert_int_equal(fixture_settle(f), ERR_OK);
    plog_path_segment(p, 0, ".log", path);
    fixture_kill(f);
    disk_mem_restart(f->disk);
}

static void
what_lies_behind_a_log_is_cut_and_all_of_it_is_durable(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct fixture f;
        char path[PLOG_PATH_BYTES];
        uint64_t size;
        killed(&f, seed, path);
        assert_int_equal(fixture_start(&f), ERR_OK);
        const struct plog *p = fixture_log(&f, 1, 0);
        assert_int_equal(p->end, 11);
        assert_int_equal(p->segments[0]->synced, p->segments[0]->bytes);
        assert_non_null(disk_mem_bytes(f.disk, path, &size));
        assert_int_equal(size, p->segments[0]->bytes);
        fixture_kill(&f);
        disk_mem_restart(f.disk); /* nothing of it can be lost again */
        assert_non_null(disk_mem_bytes(f.disk, path, &size));
        assert_int_equal(fixture_start(&f), ERR_OK);
        assert_int_equal(fixture_log(&f, 1, 0)->end, 11);
        fixture_end(&f);
    }
}

static void
a_sync_that_fails_fails_the_start_and_the_next_one_repeats_it(void **state)
{
    (void)state;
    struct fixture f;
    char path[PLOG_PATH_BYTES];
    killed(&f, 20, path);
    disk_mem_fail(f.disk, "log/", DISK_SYNC, ERR_IO);
    assert_int_equal(fixture_start(&f), ERR_IO);
    disk_mem_fail(f.disk, NULL, DISK_OPEN, ERR_OK);
    disk_mem_restart(f.disk);
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_int_equal(fixture_log(&f, 1, 0)->end, 11);
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lies_behind_a_log_is_cut_and_all_of_it_is_durable),
        cmocka_unit_test(a_sync_that_fails_fails_the_start_and_the_next_one_repeats_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
