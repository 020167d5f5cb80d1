#include "tests/unit/core/store/move_rig.h"

/* Until write-back of the log stands still. */
static void
until_last(uint64_t seed)
{
    begin(seed, 0);
    for (uint32_t t = 0; log_now->dir != 0; t++)
        log_now = fixture_log(&f, 10 + t, 0);
    fill(60);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    assert_int_equal(move(log_now, 1), ERR_OK);
    for (int n = 0; f.store[0]->move.phase != MOVE_LAST; n++) {
        assert_true(moving() && n < 2000);
        if (n < 30)
            fill(1);
        f.now_ns += CLOCK_NS_PER_S / 4;
        assert_true(work());
    }
}

static void
what_the_rounds_have_left_is_copied_in_the_loop(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        until_last(seed);
        fill(3); /* they wait in the cache, and are written in the new place */
        assert_int_equal(log_now->dir, 0);
        assert_true(finish(0));
        assert_int_equal(log_now->dir, 1);
        assert_int_equal(files_in(0), 0);
        assert_int_equal(fixture_checkpoint(&f), ERR_OK);
        check();
        power_cut();
        start();
        check();
        fixture_end(&f);
    }
}

static void
an_error_in_the_last_copy_ends_the_move(void **state)
{
    (void)state;
    static const enum disk_kind kinds[] = {DISK_OPEN, DISK_WRITE, DISK_TRUNCATE, DISK_SYNC,
                                           DISK_SYNC_DIR};
    for (uint32_t i = 0; i < 5; i++) {
        until_last(20 + i);
        disk_mem_fail(f.disk, "@1", kinds[i], ERR_IO);
        assert_true(finish(0));
        assert_int_equal(log_now->dir, 0);
        disk_mem_fail(f.disk, NULL, DISK_OPEN, ERR_OK);
        assert_int_equal(log_now->state, PLOG_ONLINE);
        fill(5);
        assert_int_equal(fixture_settle(&f), ERR_OK);
        check();
        fixture_end(&f);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_rounds_have_left_is_copied_in_the_loop),
        cmocka_unit_test(an_error_in_the_last_copy_ends_the_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
