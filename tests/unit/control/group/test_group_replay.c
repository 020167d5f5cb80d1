#include "tests/unit/control/group/consumer_fixture.h"

static int
replay(struct fixture *f, const struct logged *l, struct view value)
{
    struct coord_place place = {.producer_id = -1};
    return group_replay(f->s, l->key, value, &place);
}

static void
a_reload_brings_members_assignments_and_timers_back(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    fx_advance(f, 20000);
    fx_reload(f);
    struct beaten a = cf_stay(f, "m1", 2, "1:0 1:1 1:2 1:3");
    assert_int_equal(a.error, 0);
    assert_int_equal(a.epoch, 2);
    fx_reload(f);
    fx_advance(f, 44999);
    assert_non_null(cf_member(f, "m1"));
    fx_advance(f, 1);
    assert_null(cf_member(f, "m1"));
    fx_free(f);
}

static void
records_may_come_in_any_order_and_alone(void **state)
{
    struct fixture *f = fx_new(), *other = fx_new();
    cf_join(f, "m1");
    for (uint32_t i = f->log_count; i > 0; i--)
        assert_int_equal(replay(other, &f->log[i - 1], f->log[i - 1].value), ERR_OK);
    assert_string_equal(cf_text(&cf_member(other, "m1")->assigned), "1:0 1:1 1:2 1:3");
    assert_string_equal(group_consumer_state(cf_group(other)), "Stable");
    for (uint32_t i = 0; i < f->log_count; i++)
        assert_int_equal(replay(other, &f->log[i], (struct view){0}), ERR_OK);
    assert_null(fx_group(other, "g")); /* with the last record of it */
    fx_free(f);
    fx_free(other);
}

static void
a_tombstone_of_what_is_not_there_makes_nothing(void **state)
{
    struct fixture *f = fx_new(), *other = fx_new();
    cf_join(f, "m1");
    for (uint32_t i = 0; i < f->log_count; i++)
        assert_int_equal(replay(other, &f->log[i], (struct view){0}), ERR_OK);
    assert_int_equal(other->s->groups.count, 0);
    fx_free(f);
    fx_free(other);
}

static void
a_record_cut_short_is_corrupt(void **state)
{
    struct fixture *f = fx_new(), *other = fx_new();
    cf_join(f, "m1");
    for (uint32_t i = 0; i < f->log_count; i++)
        for (uint32_t len = 0; len < f->log[i].value.len; len++)
            assert_int_equal(replay(other, &f->log[i], view_of(f->log[i].value.at, len)),
                             ERR_CORRUPT);
    fx_free(f);
    fx_free(other);
}

static void
a_member_in_a_state_of_a_later_version_must_come_without_partitions(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    uint8_t *value = (uint8_t *)(uintptr_t)f->log[4].value.at;
    value[10] = 9; /* the state */
    fx_reload(f);
    assert_int_equal(cf_member(f, "m1")->state, GROUP_MEMBER_UNKNOWN);
    assert_int_equal(cf_stay(f, "m1", 2, "1:0").error, KERR_FENCED_MEMBER_EPOCH);
    struct beaten a = cf_join(f, "m1");
    assert_int_equal(a.error, 0);
    assert_string_equal(a.has, "1:0 1:1 1:2 1:3");
    fx_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reload_brings_members_assignments_and_timers_back),
        cmocka_unit_test(records_may_come_in_any_order_and_alone),
        cmocka_unit_test(a_tombstone_of_what_is_not_there_makes_nothing),
        cmocka_unit_test(a_record_cut_short_is_corrupt),
        cmocka_unit_test(a_member_in_a_state_of_a_later_version_must_come_without_partitions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
