#include "tests/unit/control/group/consumer_fixture.h"

static void
who_leaves_frees_its_partitions(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    cf_join(f, "m2");
    struct beaten a = cf_stay(f, "m1", -1, NULL);
    assert_int_equal(a.error, 0);
    assert_int_equal(a.epoch, -1);
    assert_null(cf_member(f, "m1"));
    fx_advance(f, 1000);
    assert_string_equal(cf_stay(f, "m2", 2, "").has, "1:0 1:1 1:2 1:3");
    fx_free(f);
}

static void
who_is_not_there_cannot_leave(void **state)
{
    struct fixture *f = fx_new();
    assert_int_equal(cf_stay(f, "m1", -1, NULL).error, KERR_GROUP_ID_NOT_FOUND);
    fx_commit(f, "g", 0, 1);
    assert_string_equal(cf_stay(f, "m1", -1, NULL).message, "Group g is not a consumer group.");
    cf_join(f, "m1");
    assert_int_equal(cf_stay(f, "m2", -1, NULL).error, KERR_UNKNOWN_MEMBER_ID);
    struct beating b = {.member = "m1", .instance = "i", .epoch = -2};
    assert_int_equal(cf_beat(f, "g", &b).error, KERR_UNKNOWN_MEMBER_ID);
    fx_free(f);
}

static void
a_static_member_that_left_for_a_while_keeps_its_partitions(void **state)
{
    struct fixture *f = fx_new();
    cf_beat(f, "g", &(struct beating){.member = "m1", .instance = "i", .topics = "t1"});
    cf_beat(f, "g", &(struct beating){.member = "m1", .instance = "i", .epoch = -2});
    assert_int_equal(cf_member(f, "m1")->epoch, -2);
    assert_string_equal(cf_text(&cf_member(f, "m1")->assigned), "1:0 1:1 1:2 1:3");
    assert_int_equal(cf_member(f, "m1")->assigned.items[0].epoch, 0);
    fx_advance(f, 45000); /* its session is over all the same */
    assert_null(cf_member(f, "m1"));
    fx_free(f);
}

static void
a_session_ends_without_heartbeats_only(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    fx_advance(f, 44999);
    cf_stay(f, "m1", 2, NULL);
    fx_advance(f, 44999);
    assert_non_null(cf_member(f, "m1"));
    fx_advance(f, 1);
    assert_null(cf_member(f, "m1"));
    assert_int_equal(cf_stay(f, "m1", 2, NULL).error, KERR_UNKNOWN_MEMBER_ID);
    fx_free(f);
}

/* m1 is to give up two partitions and only sends heartbeats. */
static void
who_does_not_give_up_partitions_in_time_is_fenced(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    cf_join(f, "m2");
    fx_advance(f, 1000);
    cf_stay(f, "m1", 2, "1:0 1:1 1:2 1:3");
    for (int i = 0; i < 5; i++) {
        fx_advance(f, 10000);
        assert_int_equal(cf_stay(f, "m1", 2, NULL).error, 0);
        cf_stay(f, "m2", cf_member(f, "m2")->epoch, NULL);
    }
    fx_advance(f, 10000); /* a minute, its rebalance timeout */
    assert_int_equal(cf_stay(f, "m1", 2, NULL).error, KERR_UNKNOWN_MEMBER_ID);
    assert_non_null(cf_member(f, "m2"));
    fx_free(f);
}

static void
who_gives_up_partitions_in_time_is_not_fenced(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    cf_join(f, "m2");
    fx_advance(f, 1000);
    cf_stay(f, "m1", 2, "1:0 1:1 1:2 1:3");
    fx_advance(f, 40000);
    assert_int_equal(cf_stay(f, "m1", 2, "1:0 1:1").epoch, 3);
    fx_advance(f, 40000);
    assert_int_equal(cf_stay(f, "m1", 3, NULL).error, 0);
    fx_free(f);
}

static void
a_group_without_members_and_offsets_is_gone_after_the_next_check(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    cf_stay(f, "m1", -1, NULL);
    assert_non_null(cf_group(f));
    fx_advance(f, f->config.offsets_retention_check_ms);
    assert_null(fx_group(f, "g"));
    fx_reload(f);
    assert_null(fx_group(f, "g"));
    fx_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_leaves_frees_its_partitions),
        cmocka_unit_test(who_is_not_there_cannot_leave),
        cmocka_unit_test(a_static_member_that_left_for_a_while_keeps_its_partitions),
        cmocka_unit_test(a_session_ends_without_heartbeats_only),
        cmocka_unit_test(who_does_not_give_up_partitions_in_time_is_fenced),
        cmocka_unit_test(who_gives_up_partitions_in_time_is_not_fenced),
        cmocka_unit_test(a_group_without_members_and_offsets_is_gone_after_the_next_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
