#include "tests/unit/core/store/journal_rig.h"

/* Appends records of 3000 bytes, each durable before the next; returns how many were refused. */
static uint32_t
put_many(struct rig *r, uint32_t count)
{
    struct journal_slot slot;
    uint32_t refused = 0;
    for (uint32_t i = 0; i < count; i++) {
        refused += put_record(r, 3000, &slot) != ERR_OK;
        settle(r);
        journal_release(r->j, journal_durable_lsn(r->j));
    }
    return refused;
}

static void
assert_kept(const struct rig *r, const struct journal_slot *slot, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++)
        assert_int_equal(journal_at(r->j, slot->place)[i], slot->lsn & 0xff);
}

static void
appends_go_round_pinned_memory(void **state)
{
    (void)state;
    struct rig r;
    struct journal_slot first;
    rig_start(&r, 8);
    assert_int_equal(put_record(&r, 500, &first), ERR_OK);
    settle(&r);
    journal_pin(r.j, journal_slabs(r.j, first.place, 500));
    assert_int_equal(put_many(&r, 200), 0);
    assert_kept(&r, &first, 500);
    assert_true(journal_place_first(r.j) > first.place + 500); /* nobody finds it any more */
    journal_unpin(r.j, journal_slabs(r.j, first.place, 500));
    assert_int_equal(put_many(&r, 200), 0);
    rig_end(&r);
}

static void
a_pin_of_the_newest_record_is_in_nobodys_way(void **state)
{
    (void)state;
    struct rig r;
    struct journal_slot last, slot;
    struct journal_config config = small;
    config.arena_bytes = 1 << 20; /* far more blocks than what pins are counted for */
    r = (struct rig){.disk = disk_mem_new(10), .now_ns = CLOCK_NS_PER_S};
    assert_int_equal(journal_init(disk_mem_port(r.disk, 0), &config, 1, &r.j), ERR_OK);
    assert_int_equal(put_many(&r, 300), 0); /* the arena has come round */
    for (int i = 0; i < 100; i++) {
        assert_int_equal(put_record(&r, 500, &last), ERR_OK);
        settle(&r);
        journal_pin(r.j, journal_slabs(r.j, last.place, 500));
        assert_int_equal(put_record(&r, 100, &slot), ERR_OK);
        settle(&r);
        journal_release(r.j, journal_durable_lsn(r.j));
        assert_true(slot.place - last.place < 8192);
        assert_kept(&r, &last, 500);
        journal_unpin(r.j, journal_slabs(r.j, last.place, 500));
    }
    rig_end(&r);
}

static void
appends_are_refused_when_all_memory_is_pinned(void **state)
{
    (void)state;
    struct rig r;
    struct journal_slot slots[40];
    uint32_t count = 0;
    rig_start(&r, 11);
    for (; count < 40 && put_record(&r, 3000, &slots[count]) == ERR_OK; count++) {
        settle(&r);
        journal_pin(r.j, journal_slabs(r.j, slots[count].place, 3000));
        journal_release(r.j, journal_durable_lsn(r.j));
    }
    assert_in_range(count, 20, 39);
    for (uint32_t i = 0; i < count; i++)
        assert_kept(&r, &slots[i], 3000);
    journal_unpin(r.j, journal_slabs(r.j, slots[7].place, 3000));
    assert_int_equal(put_many(&r, 10), 0); /* where that one was, again and again */
    for (uint32_t i = 0; i < count; i++)
        if (i != 7) {
            assert_kept(&r, &slots[i], 3000);
            journal_unpin(r.j, journal_slabs(r.j, slots[i].place, 3000));
        }
    assert_int_equal(put_many(&r, 100), 0);
    rig_end(&r);
}

static void
what_the_owner_keeps_is_not_overwritten(void **state)
{
    (void)state;
    struct rig r;
    struct journal_slot first, slot;
    rig_start(&r, 9);
    assert_int_equal(put_record(&r, 500, &first), ERR_OK);
    settle(&r);
    journal_keep(r.j, first.place);
    for (int i = 0; i < 200; i++) {
        (void)put_record(&r, 3000, &slot);
        turn(&r, 1000000);
        journal_release(r.j, journal_durable_lsn(r.j));
        assert_true(journal_place_first(r.j) <= first.place);
    }
    journal_keep(r.j, UINT64_MAX);
    assert_int_equal(put_record(&r, 3000, &slot), ERR_OK);
    rig_end(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_go_round_pinned_memory),
        cmocka_unit_test(a_pin_of_the_newest_record_is_in_nobodys_way),
        cmocka_unit_test(appends_are_refused_when_all_memory_is_pinned),
        cmocka_unit_test(what_the_owner_keeps_is_not_overwritten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
