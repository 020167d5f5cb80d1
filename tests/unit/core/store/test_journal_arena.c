#include "tests/unit/core/store/journal_rig.h"

static void
pinned_memory_is_not_overwritten(void **state)
{
    (void)state;
    struct rig r;
    struct journal_slot first, slot;
    rig_start(&r, 8);
    assert_int_equal(put_record(&r, 500, &first), ERR_OK);
    settle(&r);
    journal_pin(r.j, first.place, first.place + 500);
    uint32_t refused = 0;
    for (int i = 0; i < 200; i++) {
        refused += put_record(&r, 3000, &slot) != ERR_OK;
        turn(&r, 1000000);
        journal_release(r.j, journal_durable_lsn(r.j));
    }
    assert_true(refused > 0);
    for (uint32_t i = 0; i < 500; i++)
        assert_int_equal(journal_at(r.j, first.place)[i], first.lsn & 0xff);
    journal_unpin(r.j, first.place, first.place + 500);
    assert_int_equal(put_record(&r, 3000, &slot), ERR_OK);
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
        cmocka_unit_test(pinned_memory_is_not_overwritten),
        cmocka_unit_test(what_the_owner_keeps_is_not_overwritten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
