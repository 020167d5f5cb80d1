#include "tests/unit/core/store/journal_rig.h"

static void
records_come_back_in_order_after_a_restart(void **state)
{
    (void)state;
    struct rig r;
    struct journal_slot slot;
    rig_start(&r, 1);
    for (uint32_t i = 0; i < 30; i++) {
        assert_int_equal(put_record(&r, i * 37, &slot), ERR_OK);
        assert_int_equal(slot.lsn, i + 1);
        turn(&r, 1000);
    }
    settle(&r);
    disk_mem_cut_after(r.disk, 0);
    journal_free(r.j);
    r.j = NULL;
    disk_mem_restart(r.disk);
    uint64_t next = 0;
    struct journal_end last;
    assert_int_equal(
        journal_recover(disk_mem_port(r.disk, 0), &small, 1, 0, check_each, &next, &last), ERR_OK);
    assert_int_equal(last.lsn_last, 30);
    assert_int_equal(next, 30);
    rig_end(&r);
}

static void
appends_of_one_turn_share_a_frame(void **state)
{
    (void)state;
    struct rig r;
    struct journal_slot slot;
    struct journal_stats stats;
    rig_start(&r, 2);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(put_record(&r, 100, &slot), ERR_OK);
    turn(&r, 1000);
    settle(&r);
    journal_stats(r.j, &stats);
    assert_int_equal(stats.frames, 1);
    rig_end(&r);
}

static void
the_time_of_each_write_is_told_once(void **state)
{
    (void)state;
    struct rig r;
    struct journal_slot slot;
    const uint64_t *ns;
    rig_start(&r, 2);
    assert_int_equal(journal_writes(r.j, &ns), 0);
    assert_int_equal(put_record(&r, 100, &slot), ERR_OK);
    journal_step(r.j, r.now_ns);
    uint64_t begin_ns = r.now_ns;
    uint32_t told = 0;
    for (int i = 0; i < 100; i++) {
        turn(&r, 1000);
        uint32_t count = journal_writes(r.j, &ns);
        if (count)
            assert_int_equal(ns[0], r.now_ns - begin_ns);
        told += count;
        assert_int_equal(told, journal_durable_lsn(r.j)); /* one record, one frame, in that turn */
    }
    assert_int_equal(told, 1);
    rig_end(&r);
}

static void
an_open_frame_waits_while_another_is_in_flight(void **state)
{
    (void)state;
    struct rig r;
    struct journal_slot slot;
    struct journal_stats stats;
    rig_start(&r, 3);
    assert_int_equal(put_record(&r, 100, &slot), ERR_OK);
    journal_step(r.j, r.now_ns);
    assert_int_equal(put_record(&r, 100, &slot), ERR_OK);
    journal_step(r.j, r.now_ns + 1000);
    journal_stats(r.j, &stats);
    assert_int_equal(stats.frames, 1);
    assert_true(journal_deadline(r.j) > r.now_ns + 1000);
    journal_step(r.j, journal_deadline(r.j));
    journal_stats(r.j, &stats);
    assert_int_equal(stats.frames, 2);
    rig_end(&r);
}

static void
a_full_ring_takes_records_again_after_a_release(void **state)
{
    (void)state;
    struct rig r;
    struct journal_slot slot;
    rig_start(&r, 4);
    uint32_t refused = 0;
    for (uint32_t i = 0; i < 400; i++) {
        while (put_record(&r, 3000, &slot) != ERR_OK) {
            turn(&r, 1000000);
            if (++refused % 50 == 0)
                journal_release(r.j, journal_durable_lsn(r.j));
            assert_true(refused < 10000);
        }
        turn(&r, 1000000);
    }
    assert_true(refused > 50);
    uint64_t used, total;
    journal_room(r.j, &used, &total);
    assert_true(used <= total);
    rig_end(&r);
}

static void
what_was_not_released_survives_the_ring_going_round(void **state)
{
    (void)state;
    struct rig r;
    struct journal_slot slot;
    rig_start(&r, 5);
    uint64_t released = 0;
    for (uint32_t i = 0; i < 300; i++) {
        while (put_record(&r, 2000, &slot) != ERR_OK) {
            if (journal_durable_lsn(r.j) > released + 5)
                released = journal_durable_lsn(r.j) - 5;
            journal_release(r.j, released);
            turn(&r, 1000000);
        }
        turn(&r, 1000000);
    }
    settle(&r);
    assert_true(released > 0);
    disk_mem_cut_after(r.disk, 0);
    journal_free(r.j);
    r.j = NULL;
    disk_mem_restart(r.disk);
    uint64_t next = released;
    struct journal_end last;
    assert_int_equal(
        journal_recover(disk_mem_port(r.disk, 0), &small, 1, released, check_each, &next, &last),
        ERR_OK);
    assert_int_equal(last.lsn_last, 300);
    rig_end(&r);
}

static void
a_record_over_the_limit_is_refused(void **state)
{
    (void)state;
    struct rig r;
    struct journal_slot slot;
    rig_start(&r, 6);
    assert_int_equal(journal_append(r.j, 7, small.record_bytes_max, &slot), ERR_LIMIT);
    assert_int_equal(journal_append(r.j, 7, small.record_bytes_max - 128, &slot), ERR_OK);
    rig_end(&r);
}

static void
silence_after_an_ack_is_noted_by_one_mark(void **state)
{
    (void)state;
    struct rig r;
    struct journal_slot slot;
    struct journal_stats stats;
    rig_start(&r, 7);
    assert_int_equal(put_record(&r, 10, &slot), ERR_OK);
    turn(&r, 1000);
    settle(&r);
    for (int i = 0; i < 50; i++)
        turn(&r, 2000000);
    journal_stats(r.j, &stats);
    assert_int_equal(stats.marks, 1);
    assert_true(journal_deadline(r.j) == CLOCK_NEVER);
    rig_end(&r);
}

static void
a_failed_write_stops_the_journal(void **state)
{
    (void)state;
    struct rig r;
    struct journal_slot slot;
    rig_start(&r, 10);
    for (int i = 0; i < 100; i++)
        turn(&r, 1000); /* the other files are made */
    disk_mem_fail(r.disk, "journal", DISK_WRITE, ERR_IO);
    assert_int_equal(put_record(&r, 10, &slot), ERR_OK);
    for (int i = 0; i < 10; i++)
        turn(&r, 1000);
    assert_int_equal(journal_error(r.j), ERR_IO);
    assert_int_equal(journal_durable_lsn(r.j), 0);
    assert_int_equal(put_record(&r, 10, &slot), ERR_IO);
    rig_end(&r);
}

static void
a_geometry_that_cannot_work_is_refused(void **state)
{
    (void)state;
    struct disk_mem *d = disk_mem_new(1);
    struct journal_config c = small;
    struct journal *j;
    c.file_count = 1;
    assert_int_equal(journal_init(disk_mem_port(d, 0), &c, 1, &j), ERR_INVALID);
    c = small;
    c.record_bytes_max = (uint32_t)c.arena_bytes;
    assert_int_equal(journal_init(disk_mem_port(d, 0), &c, 1, &j), ERR_INVALID);
    disk_mem_free(d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_back_in_order_after_a_restart),
        cmocka_unit_test(appends_of_one_turn_share_a_frame),
        cmocka_unit_test(the_time_of_each_write_is_told_once),
        cmocka_unit_test(an_open_frame_waits_while_another_is_in_flight),
        cmocka_unit_test(a_full_ring_takes_records_again_after_a_release),
        cmocka_unit_test(what_was_not_released_survives_the_ring_going_round),
        cmocka_unit_test(a_record_over_the_limit_is_refused),
        cmocka_unit_test(silence_after_an_ack_is_noted_by_one_mark),
        cmocka_unit_test(a_failed_write_stops_the_journal),
        cmocka_unit_test(a_geometry_that_cannot_work_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
