#include "tests/unit/control/group/consumer_fixture.h"

static void
the_hash_changes_with_what_topics_are_and_with_nothing_else(void **state)
{
    struct fixture *f = fx_new();
    cf_beat(f, "g", &(struct beating){.member = "m1", .topics = "t1,t2"});
    cf_beat(f, "h", &(struct beating){.member = "m2", .topics = "t2,t1"});
    uint64_t hash = group_target_hash(cf_group(f));
    assert_true(hash == group_target_hash(fx_group(f, "h")->consumer));
    f->partitions[2] = 5;
    uint64_t grown = group_target_hash(cf_group(f));
    assert_true(hash != grown);
    f->topic_gone = true;
    assert_true(grown != group_target_hash(cf_group(f)));
    fx_free(f);
}

static void
a_group_without_topics_has_hash_0(void **state)
{
    struct fixture *f = fx_new();
    cf_beat(f, "g", &(struct beating){.member = "m1", .topics = ""});
    assert_int_equal(group_target_hash(cf_group(f)), 0);
    assert_int_equal(cf_group(f)->epoch, 1);
    assert_int_equal(cf_member(f, "m1")->epoch, 1);
    fx_free(f);
}

static void
most_members_choose_the_assignor(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    assert_string_equal(group_target_assignor(cf_group(f)), "uniform");
    cf_beat(f, "g", &(struct beating){.member = "m2", .topics = "t1", .assignor = "range"});
    assert_string_equal(group_target_assignor(cf_group(f)), "range");
    cf_beat(f, "g", &(struct beating){.member = "m3", .topics = "t1", .assignor = "uniform"});
    assert_string_equal(group_target_assignor(cf_group(f)), "uniform");
    assert_true(group_target_knows(view_of_text("range")));
    assert_false(group_target_knows(view_of_text("sticky")));
    fx_free(f);
}

static void
targets_follow_subscriptions_that_differ(void **state)
{
    struct fixture *f = fx_new();
    f->config.consumer.assignment_interval_ms = 0;
    cf_beat(f, "g", &(struct beating){.member = "m1", .topics = "t1"});
    cf_beat(f, "g", &(struct beating){.member = "m2", .topics = "t1,t2"});
    assert_string_equal(cf_text(&cf_member(f, "m1")->target), "1:0 1:1 1:2 1:3");
    assert_string_equal(cf_text(&cf_member(f, "m2")->target), "2:0 2:1 2:2 2:3");
    fx_free(f);
}

static void
a_new_target_waits_for_the_interval(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    cf_join(f, "m2");
    fx_advance(f, 999);
    cf_stay(f, "m2", 2, NULL);
    assert_int_equal(cf_group(f)->target_epoch, 2);
    fx_advance(f, 1);
    cf_stay(f, "m2", 2, NULL);
    assert_int_equal(cf_group(f)->target_epoch, 3);
    fx_free(f);
}

static void
a_log_that_ends_among_the_targets_is_mended_by_the_next_heartbeat(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    cf_join(f, "m2");
    fx_advance(f, 1000);
    uint32_t before = f->log_count;
    cf_stay(f, "m2", 2, "");
    assert_int_equal(get_u16(f->log[before].key.at),
                     WIRE_RECORD_CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER);
    while (f->log_count > before + 1) {
        f->log_count--;
        group_drop(&f->log[f->log_count].key);
        group_drop(&f->log[f->log_count].value);
    }
    fx_reload(f);
    assert_int_equal(cf_group(f)->target_epoch, 2);
    cf_stay(f, "m2", 2, "");
    assert_int_equal(cf_group(f)->target_epoch, 3);
    assert_int_equal(cf_member(f, "m1")->target.count, 2);
    assert_int_equal(cf_member(f, "m2")->target.count, 2);
    assert_int_equal(cf_member(f, "m2")->assigned.count, 0); /* m1 still has them */
    fx_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_changes_with_what_topics_are_and_with_nothing_else),
        cmocka_unit_test(a_group_without_topics_has_hash_0),
        cmocka_unit_test(most_members_choose_the_assignor),
        cmocka_unit_test(targets_follow_subscriptions_that_differ),
        cmocka_unit_test(a_new_target_waits_for_the_interval),
        cmocka_unit_test(a_log_that_ends_among_the_targets_is_mended_by_the_next_heartbeat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
