#include "tests/unit/core/store/move_rig.h"

static void
a_log_that_moved_is_whole_and_leaves_nothing_behind(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        begin(seed, 0);
        fill(60);
        if (seed % 2)
            assert_int_equal(fixture_checkpoint(&f), ERR_OK);
        fill(20);
        for (int round = 0; round < 2; round++) {
            uint8_t from = log_now->dir, to = other();
            assert_int_equal(move(log_now, to), ERR_OK);
            assert_true(finish(40));
            assert_int_equal(log_now->dir, to);
            assert_int_equal(files_in(from), 0);
            assert_true(files_in(to) > 0);
            check();
            fill(10);
            assert_int_equal(fixture_settle(&f), ERR_OK);
            check();
        }
        int64_t end = log_now->end;
        uint8_t dir = other();
        assert_int_equal(move(log_now, dir), ERR_OK);
        assert_true(finish(0));
        if (seed % 3 == 0) {
            assert_int_equal(fixture_stop(&f), ERR_OK);
        } else {
            power_cut();
        }
        start();
        assert_int_equal(log_now->dir, dir);
        assert_int_equal(log_now->end, end);
        check();
        fixture_end(&f);
    }
}

/* Wherever the power goes, one copy counts, and it is whole. */
static void
cut_everywhere(uint64_t seed, uint32_t extent_bytes, uint32_t move_bytes)
{
    uint32_t cuts = 0, moved = 0, went_on = 0;
    bool ended = false;
    for (uint64_t k = 0; !ended; k++) {
        begin(seed, extent_bytes);
        f.move_bytes = f.store[0]->config.move_bytes = move_bytes;
        srandom((unsigned)seed);
        fill(extent_bytes ? 16 : 30);
        if (seed % 3)
            assert_int_equal(fixture_checkpoint(&f), ERR_OK);
        fill(4);
        assert_int_equal(fixture_settle(&f), ERR_OK);
        uint8_t from = log_now->dir, to = other();
        int64_t acked = log_now->hw;
        disk_mem_cut_after(f.disk, k);
        assert_int_equal(move(log_now, to), ERR_OK);
        ended = finish(12);
        if (log_now->hw > acked)
            acked = log_now->hw;
        cuts += !ended;
        bool wished = store_durable_lsn(f.store[0]) >= wish_lsn;
        power_cut();
        start();
        assert_true(log_now->end >= acked);
        assert_true(!ended || log_now->dir == to);
        moved += log_now->dir == to;
        assert_int_equal(files_known(log_now->dir == to ? from : to), 0);
        went_on += log_now->copied.to > 0;
        check();
        fill(5);
        assert_true(finish(3));
        assert_true(!wished || log_now->dir == to);
        assert_int_equal(files_in(other()), 0);
        check();
        assert_int_equal(move(log_now, other()), ERR_OK);
        assert_true(finish(3));
        assert_int_equal(fixture_stop(&f), ERR_OK);
        start();
        check();
        fixture_end(&f);
    }
    print_message("seed %llu: %u cuts, %u behind the record, %u went on\n",
                  (unsigned long long)seed, cuts, moved, went_on);
    assert_true(cuts > 40 && moved > 1 && moved < cuts && (!move_bytes || went_on > 1));
}

static void
the_power_may_go_at_every_operation(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 2; seed++)
        cut_everywhere(seed, 0, 0);
}

static void
the_power_may_go_at_every_operation_with_large_batches(void **state)
{
    (void)state;
    for (uint64_t seed = 11; seed <= 12; seed++)
        cut_everywhere(seed, 64 << 10, 0);
}

static void
the_power_may_go_at_every_operation_of_a_move_in_small_rounds(void **state)
{
    (void)state;
    cut_everywhere(22, 0, 30000);
    cut_everywhere(23, 64 << 10, 200000);
}

static void
large_batches_go_on_while_their_log_moves(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        begin(seed, 64 << 10);
        fill(20);
        assert_int_equal(fixture_settle(&f), ERR_OK);
        assert_int_equal(move(log_now, other()), ERR_OK);
        assert_true(finish(60));
        fill(20);
        struct store_stats st;
        store_stats(f.store[0], &st);
        assert_true(st.extents > 10);
        assert_int_equal(fixture_settle(&f), ERR_OK);
        check();
        int64_t end = log_now->end;
        power_cut();
        start();
        assert_int_equal(log_now->end, end);
        check();
        fixture_end(&f);
    }
}

static void
the_directory_where_it_is_ends_a_move(void **state)
{
    (void)state;
    for (uint32_t steps = 0; steps < 6; steps++) {
        begin(3 + steps, 0);
        fill(60);
        assert_int_equal(fixture_settle(&f), ERR_OK);
        uint8_t from = log_now->dir;
        struct store_move_facts facts;
        assert_int_equal(move(log_now, from), ERR_OK);
        assert_false(moving());
        assert_int_equal(move(log_now, other()), ERR_OK);
        store_move_facts(f.store[0], log_now, &facts);
        assert_int_equal(facts.dir, other());
        for (uint32_t i = 0; i < steps; i++)
            work();
        assert_int_equal(move(log_now, from), ERR_OK);
        assert_true(finish(0));
        store_move_facts(f.store[0], log_now, &facts);
        assert_int_equal(facts.dir, PLOG_DIR_NONE);
        assert_int_equal(log_now->dir, from);
        assert_int_equal(files_in(1 - from), 0);
        fill(5);
        assert_int_equal(fixture_settle(&f), ERR_OK);
        check();
        fixture_end(&f);
    }
}

static void
a_directory_that_is_not_there_is_refused(void **state)
{
    (void)state;
    begin(4, 0);
    assert_int_equal(move(log_now, 2), ERR_NOT_FOUND);
    f.store[0]->dirs.dirs[other()].online = false;
    assert_int_equal(move(log_now, other()), ERR_IO);
    assert_false(moving());
    fixture_end(&f);
}

static void
a_log_deleted_while_it_moves_leaves_no_file(void **state)
{
    (void)state;
    for (uint32_t steps = 0; steps < 40; steps++) {
        begin(5 + steps, 0);
        fill(60);
        assert_int_equal(fixture_settle(&f), ERR_OK);
        assert_int_equal(move(log_now, other()), ERR_OK);
        for (uint32_t i = 0; i < steps; i++) {
            f.now_ns += CLOCK_NS_PER_S / 4;
            work();
        }
        store_delete(f.store[0], log_now);
        for (int n = 0; f.store[0]->log_count; n++) {
            work();
            assert_true(n < 10000);
        }
        struct names n = {.part = "log/"};
        disk_mem_each(f.disk, name_look, &n);
        assert_int_equal(n.count[0] + n.count[1], 0);
        fixture_end(&f);
    }
}

static void
a_damaged_batch_ends_the_move_and_the_log_stays(void **state)
{
    (void)state;
    begin(6, 0);
    fill(60);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    uint8_t from = log_now->dir;
    char path[PLOG_PATH_BYTES], name[2 * PLOG_PATH_BYTES];
    plog_path_segment(log_now, log_now->segments[1]->base, ".log", path);
    snprintf(name, sizeof name, "%s%s", from ? "@1/" : "", path);
    assert_true(disk_mem_rot(f.disk, name, 5000, 1));
    assert_int_equal(move(log_now, other()), ERR_OK);
    assert_true(finish(0));
    assert_int_equal(log_now->dir, from);
    assert_int_equal(log_now->state, PLOG_ONLINE);
    assert_int_equal(files_in(1 - from), 0);
    fixture_end(&f);
}

static void
an_error_in_the_new_directory_ends_the_move(void **state)
{
    (void)state;
    static const enum disk_kind kinds[] = {DISK_OPEN, DISK_WRITE, DISK_TRUNCATE, DISK_SYNC};
    for (uint32_t i = 0; i < 4; i++) {
        begin(7, 0);
        for (uint32_t t = 0; log_now->dir != 0; t++)
            log_now = fixture_log(&f, 10 + t, 0);
        fill(60);
        assert_int_equal(fixture_settle(&f), ERR_OK);
        disk_mem_fail(f.disk, "@1", kinds[i], ERR_IO);
        assert_int_equal(move(log_now, 1), ERR_OK);
        assert_true(finish(0));
        disk_mem_fail(f.disk, NULL, DISK_OPEN, ERR_OK);
        assert_int_equal(log_now->dir, 0);
        assert_int_equal(log_now->state, PLOG_ONLINE);
        fill(5);
        assert_int_equal(fixture_settle(&f), ERR_OK);
        check();
        fixture_end(&f);
    }
}

static void
a_move_that_a_clean_stop_meets_ends_after_the_next_start(void **state)
{
    (void)state;
    for (uint32_t steps = 0; steps < 30; steps++) {
        begin(8, 0);
        fill(60);
        assert_int_equal(fixture_settle(&f), ERR_OK);
        uint8_t from = log_now->dir, to = other();
        assert_int_equal(move(log_now, to), ERR_OK);
        for (uint32_t i = 0; i < steps; i++) {
            f.now_ns += CLOCK_NS_PER_S / 4;
            work();
        }
        assert_int_equal(fixture_stop(&f), ERR_OK);
        start();
        assert_true(f.boot.clean);
        assert_int_equal(log_now->end, 60);
        assert_int_equal(files_known(1 - log_now->dir), 0);
        assert_true(steps > 0 || log_now->dir == from);
        check();
        assert_true(finish(10));
        assert_int_equal(log_now->dir, to);
        assert_int_equal(files_in(from), 0);
        check();
        fixture_end(&f);
    }
}

static void
several_logs_move_one_after_the_other(void **state)
{
    (void)state;
    begin(9, 0);
    struct plog *logs[6];
    uint8_t to[6];
    for (uint32_t i = 0; i < 6; i++) {
        logs[i] = fixture_log(&f, 20 + i, 0);
        for (uint32_t k = 0; k < 10; k++)
            fixture_append(&f, logs[i], 1, 3000, k, 1000);
        to[i] = logs[i]->dir ? 0 : 1;
        assert_int_equal(move(logs[i], to[i]), ERR_OK);
    }
    assert_true(finish(0));
    for (uint32_t i = 0; i < 6; i++) {
        struct store_range range;
        assert_int_equal(logs[i]->dir, to[i]);
        assert_true(fixture_read(&f, logs[i], 9, 64 << 10, f.batch, &range) > 0);
    }
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_that_moved_is_whole_and_leaves_nothing_behind),
        cmocka_unit_test(the_power_may_go_at_every_operation),
        cmocka_unit_test(the_power_may_go_at_every_operation_with_large_batches),
        cmocka_unit_test(the_power_may_go_at_every_operation_of_a_move_in_small_rounds),
        cmocka_unit_test(large_batches_go_on_while_their_log_moves),
        cmocka_unit_test(the_directory_where_it_is_ends_a_move),
        cmocka_unit_test(a_directory_that_is_not_there_is_refused),
        cmocka_unit_test(a_log_deleted_while_it_moves_leaves_no_file),
        cmocka_unit_test(a_damaged_batch_ends_the_move_and_the_log_stays),
        cmocka_unit_test(an_error_in_the_new_directory_ends_the_move),
        cmocka_unit_test(a_move_that_a_clean_stop_meets_ends_after_the_next_start),
        cmocka_unit_test(several_logs_move_one_after_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
