#include "tests/unit/core/store/journal_rig.h"

/* Time passes only with operations of the disk. */
struct slow {
    struct disk_mem *disk;
    uint64_t write_ns, sync_ns, dsync_ns; /* dsync: more for a write that is durable */
    uint64_t calls, dsync_total;
};

static uint64_t
slow_now(void *self)
{
    struct slow *s = self;
    /* It is asked before and after each write; the first of each two is the durable one. */
    if (s->calls++ % 4 == 1)
        s->dsync_total += s->dsync_ns;
    return s->dsync_total + disk_mem_count(s->disk, DISK_WRITE) * s->write_ns +
           disk_mem_count(s->disk, DISK_SYNC) * s->sync_ns;
}

static uint64_t
syncs_of_ten_frames(enum journal_sync sync, const struct slow *proto)
{
    struct slow slow = *proto;
    static const struct clock_ops ops = {.now_ns = slow_now};
    struct clock clock = {&ops, &slow};
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
without_a_clock_the_write_is_durable_by_itself(void **state)
{
    (void)state;
    assert_int_equal(syncs_of_ten_frames(JOURNAL_SYNC_AUTO, &(struct slow){0}), 0);
}

static void
a_slow_disk_is_asked_less_often(void **state)
{
    (void)state;
    static const struct clock_ops ops = {.now_ns = slow_now};
    struct slow slow = {.write_ns = 20 * CLOCK_NS_PER_MS, .sync_ns = 20 * CLOCK_NS_PER_MS};
    struct clock clock = {&ops, &slow};
    struct journal_config config = small;
    config.clock = &clock;
    struct rig r = {.disk = disk_mem_new(1), .now_ns = CLOCK_NS_PER_S};
    slow.disk = r.disk;
    uint64_t before = disk_mem_count(r.disk, DISK_SYNC);
    assert_int_equal(journal_init(disk_mem_port(r.disk, 0), &config, 1, &r.j), ERR_OK);
    assert_true(disk_mem_count(r.disk, DISK_SYNC) - before < 16);
    rig_end(&r);
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
        cmocka_unit_test(without_a_clock_the_write_is_durable_by_itself),
        cmocka_unit_test(a_slow_disk_is_asked_less_often),
        cmocka_unit_test(a_forced_way_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
