#include "tests/unit/core/store/journal_rig.h"

enum { EXTENT_KIND = 9, RESCUE_KIND = 10 };

static int
put_extent(struct rig *r, uint32_t bytes, uint32_t phase, struct journal_extent *x)
{
    *x = (struct journal_extent){.bytes = bytes, .phase = phase};
    int rc = journal_extent_append(r->j, EXTENT_KIND, 16, x);
    if (rc == ERR_OK) {
        memset(x->slot.body, (int)(x->slot.lsn & 0xff), 16);
        memset(x->at, (int)(x->slot.lsn & 0xff), bytes);
    }
    return rc;
}

static void
turns(struct rig *r, int count)
{
    for (int i = 0; i < count; i++)
        turn(r, 100000);
}

/* With all its files, which are made beside the loop. */
static void
rig_whole(struct rig *r, uint64_t seed)
{
    rig_start(r, seed);
    for (int i = 0; journal_missing(r->j); i++) {
        turn(r, 100000);
        assert_true(i < 1000);
    }
    turns(r, 50); /* the last one's header */
}

static void
no_record_is_durable_before_the_extents_up_to_it_have_ended(void **state)
{
    (void)state;
    struct rig r;
    struct journal_slot slot;
    struct journal_extent x;
    rig_whole(&r, 1);
    assert_int_equal(put_record(&r, 10, &slot), ERR_OK);
    assert_int_equal(put_extent(&r, 9000, 100, &x), ERR_OK);
    assert_int_equal(put_record(&r, 10, &slot), ERR_OK);
    turns(&r, 30);
    assert_int_equal(journal_durable_lsn(r.j), 1);
    assert_true(journal_place_durable(r.j) <= x.place);
    assert_int_equal(journal_written_lsn(r.j), 3);
    assert_true(journal_place_written(r.j) > slot.place);
    journal_extent_end(r.j, x.number);
    assert_int_equal(journal_durable_lsn(r.j), 3);
    rig_end(&r);
}

static void
frames_behind_a_slow_extent_go_on_being_written(void **state)
{
    (void)state;
    struct rig r;
    struct journal_slot slot;
    struct journal_extent x;
    struct journal_stats stats;
    rig_whole(&r, 2);
    assert_int_equal(put_extent(&r, 9000, 0, &x), ERR_OK);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(put_record(&r, 10, &slot), ERR_OK);
        turns(&r, 10);
    }
    journal_stats(r.j, &stats);
    assert_true(stats.frames >= 6); /* more than may be in flight */
    assert_int_equal(journal_durable_lsn(r.j), 0);
    journal_extent_end(r.j, x.number);
    settle(&r);
    rig_end(&r);
}

static void
an_extent_lies_where_the_file_wants_it_and_others_leave_it_alone(void **state)
{
    (void)state;
    struct rig r;
    struct journal_slot slot;
    struct journal_extent x[3];
    rig_whole(&r, 3);
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(put_extent(&r, 4000, 7 + i, &x[i]), ERR_OK);
        assert_int_equal((uintptr_t)x[i].at % 4096, 7 + i);
    }
    assert_int_equal(put_record(&r, 5000, &slot), ERR_OK);
    for (uint32_t i = 0; i < 3; i++)
        for (uint32_t k = 0; k < 4000; k++)
            assert_int_equal(journal_at(r.j, x[i].place)[k], x[i].slot.lsn);
    for (uint32_t i = 0; i < 3; i++)
        journal_extent_end(r.j, x[i].number);
    settle(&r);
    rig_end(&r);
}

static void
the_time_of_each_extent_is_told_once(void **state)
{
    (void)state;
    struct rig r;
    struct journal_extent x;
    const uint64_t *ns;
    rig_whole(&r, 6);
    assert_int_equal(put_extent(&r, 9000, 0, &x), ERR_OK);
    journal_step(r.j, r.now_ns);
    uint64_t begin_ns = r.now_ns;
    turns(&r, 5);
    assert_int_equal(journal_extent_writes(r.j, &ns), 0);
    journal_extent_end(r.j, x.number);
    r.now_ns += 1000;
    journal_step(r.j, r.now_ns);
    assert_int_equal(journal_extent_writes(r.j, &ns), 1);
    assert_int_equal(ns[0], r.now_ns - begin_ns);
    journal_step(r.j, r.now_ns + 1000);
    assert_int_equal(journal_extent_writes(r.j, &ns), 0);
    settle(&r);
    rig_end(&r);
}

static void
records_of_many_extents_share_a_frame(void **state)
{
    (void)state;
    struct rig r;
    struct journal_extent x[3];
    struct journal_stats stats;
    rig_whole(&r, 4);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(put_extent(&r, 4096, 0, &x[i]), ERR_OK);
    for (uint32_t i = 0; i < 3; i++)
        journal_extent_end(r.j, x[i].number);
    settle(&r);
    journal_stats(r.j, &stats);
    assert_int_equal(stats.frames, 1);
    rig_end(&r);
}

static void
too_much_that_has_not_ended_is_refused(void **state)
{
    (void)state;
    struct rig r;
    struct journal_extent x, more;
    rig_whole(&r, 5);
    assert_int_equal(put_extent(&r, 16 << 10, 1, &x), ERR_LIMIT);
    assert_int_equal(put_extent(&r, 12 << 10, 0, &x), ERR_OK);
    assert_int_equal(put_extent(&r, 8 << 10, 0, &more), ERR_LIMIT);
    journal_extent_end(r.j, x.number);
    assert_int_equal(put_extent(&r, 8 << 10, 0, &more), ERR_OK);
    journal_extent_end(r.j, more.number);
    settle(&r);
    rig_end(&r);
}

/* Fills arena and ring with small records until nothing goes in any more. */
static void
fill(struct rig *r)
{
    struct journal_slot slot;
    int full = 0;
    for (int i = 0; full < 50; i++) {
        full = put_record(r, 3000, &slot) == ERR_AGAIN ? full + 1 : 0;
        turn(r, 100000);
        assert_true(i < 10000);
    }
}

static void
a_failed_extent_always_finds_room_in_the_journal(void **state)
{
    (void)state;
    for (uint32_t before = 0; before < 44; before++) {
        struct rig r;
        struct journal_slot slot;
        struct journal_extent x;
        rig_whole(&r, 6 + before);
        for (uint32_t i = 0; i < before; i++) {
            assert_int_equal(put_record(&r, 2900, &slot), ERR_OK);
            turns(&r, 4);
        }
        int rc = put_extent(&r, 12000, 100, &x);
        turn(&r, 100000);
        if (rc == ERR_AGAIN) { /* the ring ends before the next file but one */
            rig_end(&r);
            continue;
        }
        assert_int_equal(rc, ERR_OK);
        fill(&r);
        assert_int_equal(journal_extent_rescue(r.j, x.number, RESCUE_KIND, 12024, &slot), ERR_OK);
        memset(slot.body, 1, 12024);
        uint64_t last = slot.lsn;
        assert_true(journal_durable_lsn(r.j) < x.slot.lsn);
        turns(&r, 200);
        assert_true(journal_durable_lsn(r.j) >= last);
        rig_end(&r);
    }
}

static int
last_each(void *user, uint64_t lsn, uint32_t kind, struct view body)
{
    (void)kind;
    (void)body;
    *(uint64_t *)user = lsn;
    return ERR_OK;
}

static void
records_behind_an_extent_in_flight_are_not_called_acknowledged(void **state)
{
    (void)state;
    struct rig r;
    struct journal_slot slot;
    struct journal_extent x;
    rig_whole(&r, 90);
    assert_int_equal(put_record(&r, 10, &slot), ERR_OK);
    settle(&r);
    assert_int_equal(put_extent(&r, 9000, 0, &x), ERR_OK);
    turns(&r, 10);
    assert_int_equal(put_record(&r, 10, &slot), ERR_OK);
    turns(&r, 50);
    disk_mem_cut_after(r.disk, 0);
    journal_free(r.j);
    r.j = NULL;
    disk_mem_restart(r.disk);
    uint64_t last = 0;
    struct journal_end end;
    assert_int_equal(
        journal_recover(disk_mem_port(r.disk, 0), &small, 1, 0, last_each, &last, &end), ERR_OK);
    assert_int_equal(last, 3);
    assert_int_equal(end.lsn_last, 3);
    assert_int_equal(end.lsn_acked, 1);
    rig_end(&r);
}

/* The first bytes of the n-th frame of the ring, each of one block. */
static uint8_t *
frame_at(struct rig *r, uint32_t n)
{
    uint64_t size;
    uint8_t *at = disk_mem_bytes(r->disk, "j/journal-0000", &size);
    assert_non_null(at);
    return at + (1 + n) * 4096;
}

/* Nothing follows, and the extent never ends: a mark says so all the same. */
static void
a_frame_that_was_written_behind_an_extent_in_flight_is_told_from_a_torn_one(void **state)
{
    (void)state;
    for (int damaged = 0; damaged < 2; damaged++) {
        struct rig r;
        struct journal_slot slot;
        struct journal_extent x;
        rig_whole(&r, 91);
        assert_int_equal(put_extent(&r, 9000, 0, &x), ERR_OK);
        turns(&r, 10);
        assert_int_equal(put_record(&r, 10, &slot), ERR_OK);
        turns(&r, 100);
        assert_int_equal(journal_durable_lsn(r.j), 0);
        assert_int_equal(journal_deadline(r.j), CLOCK_NEVER); /* there is one mark, not many */
        disk_mem_cut_after(r.disk, 0);
        journal_free(r.j);
        r.j = NULL;
        disk_mem_restart(r.disk);
        uint64_t last = 0;
        struct journal_end end;
        if (damaged)
            frame_at(&r, 1)[70] ^= 1; /* that of the record */
        int rc = journal_recover(disk_mem_port(r.disk, 0), &small, 1, 0, last_each, &last, &end);
        assert_int_equal(rc, damaged ? ERR_CORRUPT : ERR_OK);
        assert_int_equal(last, damaged ? 1 : 2);
        if (!damaged)
            assert_int_equal(end.lsn_acked, 0); /* of the extent nothing is known */
        rig_end(&r);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_record_is_durable_before_the_extents_up_to_it_have_ended),
        cmocka_unit_test(frames_behind_a_slow_extent_go_on_being_written),
        cmocka_unit_test(an_extent_lies_where_the_file_wants_it_and_others_leave_it_alone),
        cmocka_unit_test(the_time_of_each_extent_is_told_once),
        cmocka_unit_test(records_of_many_extents_share_a_frame),
        cmocka_unit_test(too_much_that_has_not_ended_is_refused),
        cmocka_unit_test(a_failed_extent_always_finds_room_in_the_journal),
        cmocka_unit_test(records_behind_an_extent_in_flight_are_not_called_acknowledged),
        cmocka_unit_test(
            a_frame_that_was_written_behind_an_extent_in_flight_is_told_from_a_torn_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
