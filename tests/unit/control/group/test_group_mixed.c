#include "tests/unit/control/group/mixed_fixture.h"

/* Group g with consumer m1, which has all of t1. */
static struct fixture *
consumer_group(void)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    fx_advance(f, 1000);
    return f;
}

/* A classic member in it; its id. */
static const char *
classic_joins(struct fixture *f, struct joined *j)
{
    static char id[80];
    struct joined first = mf_joined(f, mf_join(f, &(struct classic){.member = NULL}));
    assert_int_equal(first.error, KERR_MEMBER_ID_REQUIRED);
    snprintf(id, sizeof id, "%s", first.member);
    *j = mf_joined(f, mf_join(f, &(struct classic){.member = id}));
    assert_int_equal(j->error, 0);
    return id;
}

static void
a_classic_member_joins_at_once_with_its_epoch_as_generation(void **state)
{
    struct fixture *f = consumer_group();
    struct joined j;
    const char *id = classic_joins(f, &j);
    assert_int_equal(j.generation, 3);
    assert_string_equal(j.protocol, "range");
    assert_string_equal(mf_sync(f, id, 3), ""); /* m1 has not given up yet */
    assert_int_equal(cf_group(f)->classic_count, 1);
    fx_free(f);
}

static void
heartbeats_tell_when_partitions_have_become_free(void **state)
{
    struct fixture *f = consumer_group();
    struct joined j;
    const char *id = classic_joins(f, &j);
    mf_sync(f, id, 3);
    assert_int_equal(fx_heartbeat(f, "g", id, 3), 0);
    cf_stay(f, "m1", 2, NULL);
    const char *keeps = cf_text(&cf_member(f, "m1")->assigned);
    cf_stay(f, "m1", 2, keeps);
    assert_int_equal(fx_heartbeat(f, "g", id, 3), KERR_REBALANCE_IN_PROGRESS);
    j = mf_joined(f, mf_join(f, &(struct classic){.member = id}));
    assert_int_equal(j.generation, 3);
    assert_string_equal(mf_sync(f, id, 3), cf_text(&cf_member(f, id)->target));
    assert_int_equal(cf_member(f, id)->assigned.count, 2);
    fx_free(f);
}

static void
wrong_generations_members_and_protocols_are_refused(void **state)
{
    struct fixture *f = consumer_group();
    struct joined j;
    const char *id = classic_joins(f, &j);
    assert_string_equal(mf_sync(f, id, 2), "error 22");
    assert_string_equal(mf_sync(f, "x", 3), "error 25");
    assert_string_equal(mf_sync(f, "m1", 2), "error 25"); /* speaks the other protocol */
    assert_int_equal(fx_heartbeat(f, "g", id, 2), KERR_ILLEGAL_GENERATION);
    assert_int_equal(fx_heartbeat(f, "g", "m1", 2), KERR_UNKNOWN_MEMBER_ID);
    struct classic other = {.member = "y", .protocol = "sticky"};
    assert_int_equal(mf_joined(f, mf_join(f, &other)).error, KERR_INCONSISTENT_GROUP_PROTOCOL);
    f->config.consumer_migration = GROUP_MIGRATION_DISABLED;
    assert_int_equal(mf_joined(f, mf_join(f, &(struct classic){.member = "y"})).error,
                     KERR_INCONSISTENT_GROUP_PROTOCOL);
    fx_free(f);
}

static void
a_full_group_takes_no_classic_member(void **state)
{
    struct fixture *f = consumer_group();
    f->config.consumer_max_size = 1;
    assert_int_equal(mf_joined(f, mf_join(f, &(struct classic){.member = NULL})).error,
                     KERR_GROUP_MAX_SIZE_REACHED);
    fx_free(f);
}

static void
a_member_that_does_not_sync_is_fenced(void **state)
{
    struct fixture *f = consumer_group();
    struct joined j;
    const char *id = classic_joins(f, &j);
    for (int i = 0; i < 6; i++) {
        fx_advance(f, 9000);
        assert_int_equal(fx_heartbeat(f, "g", id, 3), 0);
        cf_stay(f, "m1", cf_member(f, "m1")->epoch, NULL);
    }
    fx_advance(f, 6000);
    assert_int_equal(fx_heartbeat(f, "g", id, 3), KERR_UNKNOWN_MEMBER_ID);
    fx_free(f);
}

static void
a_member_that_does_not_join_again_is_fenced(void **state)
{
    struct fixture *f = consumer_group();
    struct joined j;
    const char *id = classic_joins(f, &j);
    mf_sync(f, id, 3);
    cf_join(f, "m2");
    fx_advance(f, 1000);
    cf_stay(f, "m1", 2, NULL); /* makes the new target */
    for (int i = 0; i < 6; i++) {
        assert_int_equal(fx_heartbeat(f, "g", id, 3), KERR_REBALANCE_IN_PROGRESS);
        fx_advance(f, 9000);
        cf_stay(f, "m1", cf_member(f, "m1")->epoch, cf_text(&cf_member(f, "m1")->assigned));
    }
    assert_int_equal(fx_heartbeat(f, "g", id, 3), KERR_REBALANCE_IN_PROGRESS);
    fx_advance(f, 6000);
    assert_int_equal(fx_heartbeat(f, "g", id, 3), KERR_UNKNOWN_MEMBER_ID);
    fx_free(f);
}

static void
its_session_is_its_own(void **state)
{
    struct fixture *f = consumer_group();
    struct joined j;
    const char *id = classic_joins(f, &j);
    mf_sync(f, id, 3);
    fx_advance(f, 9999);
    assert_non_null(cf_member(f, id));
    fx_advance(f, 1);
    assert_null(cf_member(f, id));
    assert_non_null(cf_member(f, "m1"));
    fx_free(f);
}

static void
leave_group_takes_members_of_both_protocols(void **state)
{
    struct fixture *f = consumer_group();
    struct joined j;
    const char *id = classic_joins(f, &j);
    assert_int_equal(fx_leave(f, "g", "x", NULL), KERR_UNKNOWN_MEMBER_ID);
    assert_int_equal(fx_leave(f, "g", id, NULL), 0);
    assert_null(cf_member(f, id));
    assert_int_equal(fx_leave(f, "g", "m1", NULL), 0);
    assert_int_equal(cf_group(f)->member_count, 0);
    fx_free(f);
}

static void
commits_of_a_classic_member_need_its_generation(void **state)
{
    struct fixture *f = consumer_group();
    struct joined j;
    const char *id = classic_joins(f, &j);
    struct committing c = {.member = id, .generation = 3, .offset = 1, .version = 8};
    assert_int_equal(fx_commit_as(f, "g", &c), 0);
    c.generation = 4;
    assert_int_equal(fx_commit_as(f, "g", &c), KERR_ILLEGAL_GENERATION);
    fx_free(f);
}

static void
a_static_consumer_replaced_by_a_classic_one_makes_the_group_classic(void **state)
{
    struct fixture *f = fx_new();
    cf_beat(f, "g", &(struct beating){.member = "m1", .instance = "i", .topics = "t1"});
    struct joined j = mf_joined(f, mf_join(f, &(struct classic){.instance = "i"}));
    assert_int_equal(j.error, 0);
    assert_null(cf_group(f));
    const struct group *g = fx_group(f, "g");
    assert_int_equal(g->state, GROUP_STABLE);
    assert_int_equal(g->generation, 2);
    assert_int_equal(j.generation, 2);
    assert_string_equal(mf_sync(f, j.member, 2), "1:0 1:1 1:2 1:3");
    fx_free(f);
}

static void
a_static_classic_member_is_replaced_by_a_consumer_without_leaving(void **state)
{
    struct fixture *f = consumer_group();
    struct joined j = mf_joined(f, mf_join(f, &(struct classic){.instance = "i"}));
    assert_int_equal(j.error, 0);
    struct beating b = {.member = "m2", .instance = "i", .topics = "t1"};
    assert_int_equal(cf_beat(f, "g", &b).error, 0);
    assert_null(cf_member(f, j.member));
    assert_int_equal(cf_group(f)->classic_count, 0);
    struct classic old = {.member = j.member, .instance = "i"};
    assert_int_equal(mf_joined(f, mf_join(f, &old)).error, KERR_FENCED_INSTANCE_ID);
    fx_free(f);
}

static void
a_malformed_subscription_is_refused(void **state)
{
    struct fixture *f = consumer_group();
    struct joining j = {.metadata = "m", .version = 3};
    assert_int_equal(fx_join_error(f, fx_join_as(f, "g", &j)), KERR_UNKNOWN_SERVER_ERROR);
    assert_int_equal(cf_group(f)->member_count, 1);
    fx_free(f);
}

static void
members_that_leave_together_make_one_new_epoch(void **state)
{
    (void)state;
    struct fixture *f = consumer_group();
    struct joined j;
    char first[80];
    snprintf(first, sizeof first, "%s", classic_joins(f, &j));
    const char *second = classic_joins(f, &j);
    struct wire_leave_group_request q;
    wire_init(&wire_leave_group_request_message, &q);
    struct wire_leave_group_request_member_identity m[] = {{.member_id = view_of_text(first)},
                                                           {.member_id = view_of_text("nobody")},
                                                           {.member_id = view_of_text(second)}};
    q.group_id = view_of_text("g");
    q.members.items = m;
    q.members.count = 3;
    int32_t before = cf_group(f)->epoch;
    const struct wire_leave_group_response *a =
        fx_answer(f, fx_send(f, WIRE_API_LEAVE_GROUP, 5, &q));
    assert_int_equal(a->error_code, 0);
    assert_int_equal(a->members.items[0].error_code, 0);
    assert_int_equal(a->members.items[1].error_code, KERR_UNKNOWN_MEMBER_ID);
    assert_int_equal(a->members.items[2].error_code, 0);
    assert_int_equal(cf_group(f)->classic_count, 0);
    assert_int_equal(cf_group(f)->epoch, before + 1);
    fx_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_classic_member_joins_at_once_with_its_epoch_as_generation),
        cmocka_unit_test(heartbeats_tell_when_partitions_have_become_free),
        cmocka_unit_test(wrong_generations_members_and_protocols_are_refused),
        cmocka_unit_test(a_full_group_takes_no_classic_member),
        cmocka_unit_test(a_member_that_does_not_sync_is_fenced),
        cmocka_unit_test(a_member_that_does_not_join_again_is_fenced),
        cmocka_unit_test(its_session_is_its_own),
        cmocka_unit_test(leave_group_takes_members_of_both_protocols),
        cmocka_unit_test(commits_of_a_classic_member_need_its_generation),
        cmocka_unit_test(a_static_consumer_replaced_by_a_classic_one_makes_the_group_classic),
        cmocka_unit_test(a_static_classic_member_is_replaced_by_a_consumer_without_leaving),
        cmocka_unit_test(a_malformed_subscription_is_refused),
        cmocka_unit_test(members_that_leave_together_make_one_new_epoch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
