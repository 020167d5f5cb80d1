#include "tests/unit/core/store/move_rig.h"

/* A log of some segments, copied up to somewhere: rounds of 8 KiB, and then a power cut. */
static void
begin_copied(uint64_t seed, uint32_t rounds)
{
    begin(seed, 0);
    f.move_bytes = f.store[0]->config.move_bytes = 8192;
    fill(60);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    assert_int_equal(move(log_now, other()), ERR_OK);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    for (uint32_t n = 0; n < rounds;) {
        struct store_worker w = {.disk = disk_mem_port(f.disk, WORKER_PORT)};
        struct store_task *t = store_task_take(f.store[0]);
        if (t) {
            store_task_run(&w, t);
            store_task_done(f.store[0], t);
            n++;
        }
        assert_int_equal(fixture_settle(&f), ERR_OK);
    }
}

static void
restart(bool clean)
{
    if (clean)
        assert_int_equal(fixture_stop(&f), ERR_OK);
    else
        power_cut();
    start();
}

static void
a_move_goes_on_where_it_was_and_says_so(void **state)
{
    (void)state;
    for (uint32_t clean = 0; clean < 2; clean++) {
        begin_copied(1 + clean, 6);
        uint8_t to = other();
        struct store_move_facts before, after;
        store_move_facts(f.store[0], log_now, &before);
        assert_true(before.bytes >= 5 * 8192 && before.offset > 10);
        restart(clean);
        store_move_facts(f.store[0], log_now, &after);
        assert_int_equal(after.dir, to);
        assert_int_equal(after.offset, before.offset);
        assert_true(after.bytes <= before.bytes && after.bytes + value_bytes + 100 > before.bytes);
        uint64_t copied = 0, all = log_now->bytes;
        while (moving()) {
            if (f.store[0]->move.run)
                copied = f.store[0]->move.run->bytes;
            f.now_ns += CLOCK_NS_PER_S;
            assert_true(work());
        }
        assert_int_equal(log_now->dir, to);
        assert_true(copied + after.bytes <= all);
        assert_int_equal(files_in(other()), 0);
        check();
        fixture_end(&f);
    }
}

static void
copies_that_are_not_all_there_are_made_anew(void **state)
{
    (void)state;
    for (uint32_t shorter = 0; shorter < 2; shorter++) {
        begin_copied(3, 6);
        uint8_t to = other();
        restart(false);
        assert_true(log_now->copied.to > 0);
        struct disk *disk = disk_mem_port(f.disk, WORKER_PORT);
        char path[PLOG_PATH_BYTES];
        plog_path_segment(log_now, log_now->segments[0]->base, ".log", path);
        struct disk_op op = {.kind = DISK_UNLINK, .dir = to, .path = path};
        if (shorter) {
            op.kind = DISK_OPEN;
            op.flags = DISK_WRITABLE;
            op.file = (int32_t)store_run(disk, op);
            op.kind = DISK_TRUNCATE;
            assert_int_equal(store_run(disk, op), ERR_OK);
            op.kind = DISK_CLOSE;
        }
        assert_int_equal(store_run(disk, op), ERR_OK);
        assert_true(finish(0));
        assert_int_equal(log_now->dir, to);
        check();
        fixture_end(&f);
    }
}

static void
a_move_that_is_not_wanted_any_more_leaves_no_copies(void **state)
{
    (void)state;
    for (uint32_t how = 0; how < 4; how++) {
        begin_copied(4, 6);
        uint8_t to = other();
        restart(how & 1);
        assert_true(files_in(to) > 0);
        assert_int_equal(move(log_now, log_now->dir), ERR_OK);
        assert_int_equal(log_now->copied.to, 0);
        if (how & 2) { /* a clean stop before anybody carried out a task */
            restart(true);
        } else {
            for (uint32_t i = 0; i < 20; i++)
                assert_true(work());
        }
        assert_int_equal(files_in(to), 0);
        check();
        fixture_end(&f);
    }
}

static void
a_log_deleted_before_its_move_goes_on_leaves_no_copies(void **state)
{
    (void)state;
    for (uint32_t stop = 0; stop < 2; stop++) {
        begin_copied(5, 6);
        uint8_t to = other();
        restart(false);
        struct plog was = *log_now;
        store_delete(f.store[0], log_now);
        log_now = &was;
        assert_true(files_in(to) > 0);
        for (uint32_t i = 0; i < 60 && !stop; i++) {
            f.now_ns += CLOCK_NS_PER_S;
            assert_true(work());
        }
        if (stop)
            assert_int_equal(fixture_stop(&f), ERR_OK);
        assert_int_equal(files_in(to), 0);
        assert_int_equal(files_in(was.dir), 0);
        fixture_end(&f);
    }
}

static void
copies_of_segments_that_left_the_log_do_not_count(void **state)
{
    (void)state;
    begin_copied(6, 3);
    uint8_t to = other();
    restart(false);
    int64_t base = log_now->copied.base;
    assert_true(store_copied_fits(log_now));
    struct plog p = *log_now;
    p.copied.to = p.segments[plog_segment_index(&p, base)]->written + 1;
    assert_false(store_copied_fits(&p));
    p = *log_now;
    p.copied.base++;
    assert_false(store_copied_fits(&p));
    /* A record says so before anything is written. */
    log_now->copied.base++;
    while (log_now->copied.to) {
        assert_true(!f.store[0]->move.run);
        assert_int_equal(fixture_turns(&f, 1), ERR_OK);
    }
    uint64_t lsn = log_now->wish_lsn;
    assert_true(lsn > 0);
    while (!f.store[0]->move.run)
        assert_int_equal(fixture_turns(&f, 1), ERR_OK);
    assert_true(store_durable_lsn(f.store[0]) >= lsn);
    assert_true(finish(0));
    assert_int_equal(log_now->dir, to);
    check();
    fixture_end(&f);
}

static void
a_replay_forgets_them_with_what_they_were_of(void **state)
{
    (void)state;
    struct plog p = {.dir_id = {0}};
    uint8_t body[20];
    set_u64(body, 7);
    set_u32(body + 8, 8);
    set_u64(body + 12, 9);
    struct cur c = cur_of(view_of(body, sizeof body));
    store_copied_replay(&p, &c);
    assert_true(p.copied.base == 7 && p.copied.to == 8 && p.copied.next == 9 && !c.bad);
    static const uint8_t second[16] = {1};
    store_wish_replay(&p, second);
    assert_int_equal(p.copied.to, 0);
    c = cur_of(view_of(body, sizeof body - 1));
    store_copied_replay(&p, &c);
    assert_true(c.bad);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_move_goes_on_where_it_was_and_says_so),
        cmocka_unit_test(copies_that_are_not_all_there_are_made_anew),
        cmocka_unit_test(a_move_that_is_not_wanted_any_more_leaves_no_copies),
        cmocka_unit_test(a_log_deleted_before_its_move_goes_on_leaves_no_copies),
        cmocka_unit_test(copies_of_segments_that_left_the_log_do_not_count),
        cmocka_unit_test(a_replay_forgets_them_with_what_they_were_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
