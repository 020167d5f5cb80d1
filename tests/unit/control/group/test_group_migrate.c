#include "tests/unit/control/group/mixed_fixture.h"

static void
a_consumer_that_joins_a_classic_group_takes_it_along(void **state)
{
    struct fixture *f = fx_new();
    char id[80];
    int32_t generation = mf_classic_group(f, id);
    struct beaten a = cf_join(f, "m1");
    assert_int_equal(a.error, 0);
    assert_int_equal(a.epoch, generation + 1);
    assert_string_equal(a.has, ""); /* the classic member has them all */
    assert_non_null(cf_group(f));
    assert_int_equal(cf_member(f, id)->epoch, generation);
    assert_string_equal(cf_text(&cf_member(f, id)->assigned), "1:0 1:1 1:2 1:3");
    assert_int_equal(fx_heartbeat(f, "g", id, generation), KERR_REBALANCE_IN_PROGRESS);
    fx_reload(f);
    assert_int_equal(cf_group(f)->classic_count, 1);
    assert_int_equal(cf_group(f)->member_count, 2);
    fx_free(f);
}

static void
the_classic_member_gives_up_what_the_other_gets(void **state)
{
    struct fixture *f = fx_new();
    char id[80];
    int32_t generation = mf_classic_group(f, id);
    cf_join(f, "m1");
    struct classic has = {.member = id, .owned = "1:0 1:1 1:2 1:3"};
    struct joined j = mf_joined(f, mf_join(f, &has));
    assert_int_equal(j.error, 0);
    assert_int_equal(j.generation, generation); /* it must give up two first */
    assert_string_equal(mf_sync(f, id, generation), "1:0 1:1");
    assert_int_equal(fx_heartbeat(f, "g", id, generation), KERR_REBALANCE_IN_PROGRESS);
    has.owned = "1:0 1:1";
    j = mf_joined(f, mf_join(f, &has));
    assert_int_equal(j.generation, generation + 1);
    assert_string_equal(mf_sync(f, id, generation + 1), "1:0 1:1");
    assert_int_equal(fx_heartbeat(f, "g", id, generation + 1), 0);
    assert_string_equal(cf_stay(f, "m1", generation + 1, "").has, "1:2 1:3");
    fx_free(f);
}

static void
the_last_consumer_that_leaves_makes_it_a_classic_group_again(void **state)
{
    struct fixture *f = fx_new();
    char id[80];
    int32_t generation = mf_classic_group(f, id);
    cf_join(f, "m1");
    assert_int_equal(cf_stay(f, "m1", -1, NULL).error, 0);
    assert_null(cf_group(f));
    assert_int_equal(fx_group(f, "g")->generation, generation + 1);
    assert_int_equal(fx_group(f, "g")->state, GROUP_PREPARING);
    assert_int_equal(fx_heartbeat(f, "g", id, generation + 1), KERR_REBALANCE_IN_PROGRESS);
    struct joined j = mf_joined(f, mf_join(f, &(struct classic){.member = id}));
    assert_int_equal(j.error, 0);
    assert_int_equal(j.generation, generation + 2);
    fx_free(f);
}

static void
a_group_turned_classic_is_so_after_a_reload(void **state)
{
    struct fixture *f = fx_new();
    char id[80];
    int32_t generation = mf_classic_group(f, id);
    cf_join(f, "m1");
    fx_advance(f, 1000);
    cf_stay(f, "m1", -1, NULL);
    fx_reload(f);
    const struct group *g = fx_group(f, "g");
    assert_null(g->consumer);
    assert_int_equal(g->state, GROUP_STABLE);
    assert_int_equal(g->generation, generation + 1);
    const struct group_member *m = group_member_find(g, view_of_text(id));
    assert_string_equal(mf_assignment(f, m->assignment), "1:0 1:1"); /* its target */
    fx_free(f);
}

static void
members_that_wait_are_told_to_join_again(void **state)
{
    struct fixture *f = fx_new();
    char id[80];
    mf_classic_group(f, id);
    struct joined other = mf_joined(f, mf_join(f, &(struct classic){.member = NULL}));
    uint64_t waits = mf_join(f, &(struct classic){.member = other.member});
    assert_int_equal(mf_joined(f, waits).error, -100);
    assert_int_equal(cf_join(f, "m1").error, 0);
    assert_int_equal(mf_joined(f, waits).error, KERR_REBALANCE_IN_PROGRESS);
    assert_int_equal(cf_group(f)->member_count, 3);
    fx_free(f);
}

static const char *
refused(struct fixture *f)
{
    static struct beaten a;
    uint32_t before = f->log_count;
    a = cf_join(f, "m1");
    assert_int_equal(a.error, KERR_GROUP_ID_NOT_FOUND);
    assert_int_equal(f->log_count, before);
    return a.message;
}

static void
a_group_that_cannot_change_says_why(void **state)
{
    struct fixture *f = fx_new();
    char id[80];
    mf_classic_group(f, id);
    f->config.consumer_migration = GROUP_MIGRATION_DOWNGRADE;
    assert_string_equal(refused(f), "Cannot upgrade classic group g to consumer group because "
                                    "online upgrade is disabled.");
    f->config.consumer_migration = GROUP_MIGRATION_BIDIRECTIONAL;
    f->config.consumer_max_size = 0;
    assert_non_null(strstr(refused(f), "exceeds the consumer group maximum size"));
    f->config.consumer_max_size = INT32_MAX;
    struct group_member *m = group_member_find(fx_group(f, "g"), view_of_text(id));
    group_drop(&m->assignment);
    m->assignment = group_copy(view_of("\0\0\0\0\0\0\0\0\0\1x", 11));
    assert_non_null(strstr(refused(f), "an unsupported custom assignor is in use"));
    group_drop(&m->assignment);
    m->assignment = group_copy(view_of("?", 1));
    assert_non_null(strstr(refused(f), "malformed"));
    fx_free(f);
}

static void
a_group_of_another_kind_of_client_is_left_alone(void **state)
{
    struct fixture *f = fx_new();
    struct joining j = {.type = "connect", .version = 3};
    uint64_t waits = fx_join_as(f, "g", &j);
    assert_non_null(strstr(refused(f), "does not use the consumer embedded protocol"));
    fx_advance(f, 3000);
    assert_int_equal(fx_join_error(f, waits), 0);
    fx_free(f);
}

static void
no_group_becomes_classic_against_the_policy(void **state)
{
    struct fixture *f = fx_new();
    char id[80];
    mf_classic_group(f, id);
    f->config.consumer_migration = GROUP_MIGRATION_UPGRADE;
    cf_join(f, "m1");
    cf_stay(f, "m1", -1, NULL);
    assert_non_null(cf_group(f));
    fx_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_consumer_that_joins_a_classic_group_takes_it_along),
        cmocka_unit_test(the_classic_member_gives_up_what_the_other_gets),
        cmocka_unit_test(the_last_consumer_that_leaves_makes_it_a_classic_group_again),
        cmocka_unit_test(a_group_turned_classic_is_so_after_a_reload),
        cmocka_unit_test(members_that_wait_are_told_to_join_again),
        cmocka_unit_test(a_group_that_cannot_change_says_why),
        cmocka_unit_test(a_group_of_another_kind_of_client_is_left_alone),
        cmocka_unit_test(no_group_becomes_classic_against_the_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
