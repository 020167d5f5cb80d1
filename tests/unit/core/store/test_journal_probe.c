#include "core/store/journal_in.h"
#include "tests/unit/core/store/journal_rig.h"

/* Time passes only with operations of the disk. */
struct slow {
    struct disk_mem *disk;
    uint64_t write_ns, sync_ns, dsync_ns; /* dsync: more for a write that is durable */
    uint64_t first_ns; /* more for the first of two writes, whichever way it is */
    uint64_t calls, more_total;
    int64_t wall_ms;
};

static uint64_t
slow_now(void *self)
{
    struct slow *s = self;
    /* It is asked before and after each write; the durable one is the first of two, then the
     * second.
     */
    uint64_t call = s->calls++ % 8;
    if (call == 1 || call == 7)
        s->more_total += s->dsync_ns;
    if (call % 4 == 1)
        s->more_total += s->first_ns;
    return s->more_total + disk_mem_count(s->disk, DISK_WRITE) * s->write_ns +
           disk_mem_count(s->disk, DISK_SYNC) * s->sync_ns;
}

static int64_t
slow_wall(void *self)
{
    return ((struct slow *)self)->wall_ms;
}

static const struct clock_ops slow_clock = {.now_ns = slow_now, .wall_ms = slow_wall};

static uint64_t
syncs_of_ten_frames(enum journal_sync sync, const struct slow *proto)
{
    struct slow slow = *proto;
    struct clock clock = {&slow_clock, &slow};
    struct journal_config config = small;
    config.sync = sync;
    config.clock = proto->sync_ns ? &clock : NULL;
    struct rig r = {.disk = disk_mem_new(1), .now_ns = CLOCK_NS_PER_S};
    slow.disk = r.disk;
    assert_int_equal(journal_init(disk_mem_port(r.disk, 0), &config, 1, &r.j), ERR_OK);
    for (int i = 0; journal_missing(r.j) || i < 50; i++)
        turn(&r, 100000);
    uint64_t before = disk_mem_count(r.disk, DISK_SYNC);
    for (int i = 0; i < 10; i++) {
        struct journal_slot slot;
        assert_int_equal(put_record(&r, 100, &slot), ERR_OK);
        settle(&r);
    }
    uint64_t syncs = disk_mem_count(r.disk, DISK_SYNC) - before;
    disk_mem_cut_after(r.disk, 0);
    journal_free(r.j);
    r.j = NULL;
    disk_mem_restart(r.disk);
    uint64_t next = 0;
    struct journal_end end;
    assert_int_equal(
        journal_recover(disk_mem_port(r.disk, 0), &small, 1, 0, check_each, &next, &end), ERR_OK);
    assert_int_equal(end.lsn_last, 10); /* durable either way */
    rig_end(&r);
    return syncs;
}

static void
the_faster_way_is_chosen(void **state)
{
    (void)state;
    struct slow dear_sync = {.write_ns = 100, .sync_ns = 100};
    struct slow dear_dsync = {.write_ns = 100, .sync_ns = 100, .dsync_ns = 1000};
    struct slow alike = {.write_ns = 100, .sync_ns = 100, .dsync_ns = 120};
    assert_int_equal(syncs_of_ten_frames(JOURNAL_SYNC_AUTO, &dear_sync), 0);
    assert_int_equal(syncs_of_ten_frames(JOURNAL_SYNC_AUTO, &alike), 0);
    assert_int_equal(syncs_of_ten_frames(JOURNAL_SYNC_AUTO, &dear_dsync), 10);
}

static void
what_others_leave_to_the_next_sync_does_not_decide(void **state)
{
    (void)state;
    struct slow left = {.write_ns = 100, .sync_ns = 100, .first_ns = 3000};
    assert_int_equal(syncs_of_ten_frames(JOURNAL_SYNC_AUTO, &left), 0);
}

static void
without_a_clock_the_write_is_durable_by_itself(void **state)
{
    (void)state;
    assert_int_equal(syncs_of_ten_frames(JOURNAL_SYNC_AUTO, &(struct slow){0}), 0);
}

/* One start after another on one disk; each says how many durable pairs it asked for, and which way
 * it took. */
struct start {
    struct slow slow;
    uint64_t pairs;
    enum journal_sync taken;
};

static void
start(struct disk_mem *disk, struct start *t)
{
    t->slow.disk = disk;
    struct clock clock = {&slow_clock, &t->slow};
    struct journal_config config = small;
    config.clock = &clock;
    struct journal *j;
    assert_int_equal(journal_init(disk_mem_port(disk, 0), &config, 1, &j), ERR_OK);
    t->pairs = t->slow.calls / 4;
    t->taken = j->config.sync;
    journal_free(j);
}

enum { DAY_MS = 24 * 3600 * 1000 };
static const struct slow dear_dsync = {.write_ns = 100, .sync_ns = 100, .dsync_ns = 1000};

static void
what_was_found_holds_for_the_next_start(void **state)
{
    (void)state;
    struct disk_mem *disk = disk_mem_new(1);
    struct start first = {.slow = dear_dsync}, next = {.slow = {.write_ns = 100, .sync_ns = 900}};
    start(disk, &first);
    next.slow.wall_ms = 6 * (int64_t)DAY_MS;
    start(disk, &next);
    assert_int_equal(first.pairs, 64);
    assert_int_equal(next.pairs, 0);
    assert_int_equal(next.taken, JOURNAL_SYNC_FDATASYNC); /* what it would not find itself */
    disk_mem_free(disk);
}

static void
what_was_found_long_ago_or_in_the_future_is_found_anew(void **state)
{
    (void)state;
    static const int64_t walls[] = {0, 8 * (int64_t)DAY_MS, 7 * (int64_t)DAY_MS};
    struct disk_mem *disk = disk_mem_new(1);
    for (int i = 0; i < 3; i++) {
        struct start t = {.slow = dear_dsync};
        t.slow.wall_ms = walls[i];
        start(disk, &t);
        assert_int_equal(t.pairs, 64);
    }
    disk_mem_free(disk);
}

static void
what_was_found_on_a_disk_of_another_size_is_found_anew(void **state)
{
    (void)state;
    struct disk_mem *disk = disk_mem_new(1);
    struct start first = {.slow = dear_dsync}, next = {.slow = dear_dsync};
    start(disk, &first);
    disk_mem_capacity(disk, UINT64_C(1) << 30);
    start(disk, &next);
    assert_int_equal(next.pairs, 64);
    disk_mem_free(disk);
}

static void
a_slow_disk_is_asked_less_often(void **state)
{
    (void)state;
    struct disk_mem *disk = disk_mem_new(1);
    struct start t = {.slow = {.write_ns = 5 * CLOCK_NS_PER_MS, .dsync_ns = 10 * CLOCK_NS_PER_MS}};
    start(disk, &t);
    assert_in_range(t.pairs, 8, 16);
    assert_int_equal(t.taken, JOURNAL_SYNC_FDATASYNC);
    disk_mem_free(disk);
}

static void
a_disk_that_is_busy_now_is_asked_once_and_again_at_the_next_start(void **state)
{
    (void)state;
    struct disk_mem *disk = disk_mem_new(1);
    struct start busy = {.slow = {.write_ns = 150 * CLOCK_NS_PER_MS, .dsync_ns = CLOCK_NS_PER_S}};
    struct start next = {.slow = dear_dsync};
    start(disk, &busy);
    assert_int_equal(busy.pairs, 1);
    assert_int_equal(busy.taken, JOURNAL_SYNC_DSYNC); /* one pair says nothing */
    start(disk, &next);
    assert_int_equal(next.pairs, 64);
    disk_mem_free(disk);
}

static void
a_forced_way_is_kept(void **state)
{
    (void)state;
    assert_int_equal(
        syncs_of_ten_frames(JOURNAL_SYNC_DSYNC, &(struct slow){.write_ns = 1, .sync_ns = 1}), 0);
    assert_int_equal(
        syncs_of_ten_frames(JOURNAL_SYNC_FDATASYNC, &(struct slow){.write_ns = 1, .sync_ns = 1}),
        10);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_faster_way_is_chosen),
        cmocka_unit_test(what_others_leave_to_the_next_sync_does_not_decide),
        cmocka_unit_test(without_a_clock_the_write_is_durable_by_itself),
        cmocka_unit_test(what_was_found_holds_for_the_next_start),
        cmocka_unit_test(what_was_found_long_ago_or_in_the_future_is_found_anew),
        cmocka_unit_test(what_was_found_on_a_disk_of_another_size_is_found_anew),
        cmocka_unit_test(a_slow_disk_is_asked_less_often),
        cmocka_unit_test(a_disk_that_is_busy_now_is_asked_once_and_again_at_the_next_start),
        cmocka_unit_test(a_forced_way_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
