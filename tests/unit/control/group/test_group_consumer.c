#include "tests/unit/control/group/consumer_fixture.h"

static void
the_state_follows_from_epochs_and_members(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    struct group_consumer *c = cf_group(f);
    assert_string_equal(group_consumer_state(c), "Stable");
    cf_join(f, "m2");
    assert_string_equal(group_consumer_state(c), "Assigning");
    fx_advance(f, 1000);
    cf_stay(f, "m2", 2, "");
    assert_string_equal(group_consumer_state(c), "Reconciling");
    cf_stay(f, "m1", -1, NULL);
    cf_stay(f, "m2", -1, NULL);
    assert_string_equal(group_consumer_state(c), "Empty");
    fx_free(f);
}

static void
topics_are_subscribed_to_while_a_member_names_them(void **state)
{
    struct fixture *f = fx_new();
    cf_beat(f, "g", &(struct beating){.member = "m1", .topics = "t1,t2"});
    cf_beat(f, "g", &(struct beating){.member = "m2", .topics = "t2"});
    assert_true(group_consumer_subscribed(cf_group(f), view_of_text("t1")));
    cf_stay(f, "m1", -1, NULL);
    assert_false(group_consumer_subscribed(cf_group(f), view_of_text("t1")));
    assert_true(group_consumer_subscribed(cf_group(f), view_of_text("t2")));
    fx_free(f);
}

static void
a_partition_is_held_until_it_is_revoked(void **state)
{
    struct fixture *f = fx_new();
    uint8_t one[16];
    memset(one, 1, sizeof one);
    cf_join(f, "m1");
    cf_join(f, "m2");
    fx_advance(f, 1000);
    cf_stay(f, "m1", 2, NULL);
    assert_string_equal(cf_text(&cf_member(f, "m1")->revoking), "1:2 1:3");
    assert_true(group_consumer_held(cf_group(f), one, 2));
    cf_stay(f, "m1", 2, "1:0 1:1");
    assert_false(group_consumer_held(cf_group(f), one, 2));
    assert_true(group_consumer_held(cf_group(f), one, 1));
    fx_free(f);
}

static void
an_instance_id_leads_to_its_last_member(void **state)
{
    struct fixture *f = fx_new();
    cf_beat(f, "g", &(struct beating){.member = "m1", .instance = "i", .topics = "t1"});
    struct view i = view_of_text("i");
    assert_ptr_equal(group_consumer_static(cf_group(f), i), cf_member(f, "m1"));
    cf_beat(f, "g", &(struct beating){.member = "m1", .instance = "i", .epoch = -2});
    cf_beat(f, "g", &(struct beating){.member = "m2", .instance = "i", .topics = "t1"});
    assert_ptr_equal(group_consumer_static(cf_group(f), i), cf_member(f, "m2"));
    cf_beat(f, "g", &(struct beating){.member = "m2", .instance = "i", .epoch = -1});
    assert_null(group_consumer_static(cf_group(f), i));
    fx_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_state_follows_from_epochs_and_members),
        cmocka_unit_test(topics_are_subscribed_to_while_a_member_names_them),
        cmocka_unit_test(a_partition_is_held_until_it_is_revoked),
        cmocka_unit_test(an_instance_id_leads_to_its_last_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
