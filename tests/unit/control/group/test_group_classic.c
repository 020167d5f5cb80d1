#include "tests/unit/control/group/group_fixture.h"

static void
a_loaded_group_has_its_generation_members_and_assignments(void **state)
{
    struct fixture *f = fx_new();
    char *id = fx_stable(f, "g");
    fx_reload(f);
    struct group *g = fx_group(f, "g");
    assert_int_equal(g->state, GROUP_STABLE);
    assert_int_equal(g->generation, 1);
    assert_true(view_equal(g->leader->by_id.key, view_of_text(id)));
    const struct wire_sync_group_response *a = fx_answer(f, fx_sync(f, "g", id, 1, NULL));
    assert_true(view_equal(a->assignment, view_of_text("a")));
    assert_int_equal(fx_heartbeat(f, "g", id, 1), 0);
    free(id);
    fx_free(f);
}

static void
sessions_of_a_loaded_group_begin_anew_and_end(void **state)
{
    struct fixture *f = fx_new();
    char *id = fx_stable(f, "g");
    fx_advance(f, 9000);
    fx_reload(f);
    fx_advance(f, 9999);
    assert_int_equal(fx_heartbeat(f, "g", id, 1), 0);
    fx_advance(f, 10000);
    assert_int_equal(fx_heartbeat(f, "g", id, 1), KERR_UNKNOWN_MEMBER_ID);
    free(id);
    fx_free(f);
}

static void
a_loaded_group_over_its_size_rebalances(void **state)
{
    struct fixture *f = fx_new();
    char *id = fx_stable(f, "g");
    f->config.max_size = 0;
    fx_reload(f);
    assert_int_equal(fx_group(f, "g")->state, GROUP_PREPARING);
    free(id);
    fx_free(f);
}

static void
a_tombstone_ends_a_group_and_keeps_its_offsets(void **state)
{
    struct fixture *f = fx_new();
    fx_join(f, "g", NULL);
    fx_commit(f, "g", 0, 3);
    struct coord_place place = {.offset = 9, .producer_id = -1};
    assert_int_equal(group_replay(f->s, f->log[0].key, (struct view){0}, &place), ERR_OK);
    assert_false(fx_group(f, "g")->recorded);
    assert_int_equal(fx_fetch(f, "g", 0, false), 3);
    assert_int_equal(group_replay(f->s, f->log[0].key, view_of("\0\x63", 2), &place), ERR_CORRUPT);
    fx_free(f);
}

static void
a_consumer_group_is_subscribed_to_what_its_members_say(void **state)
{
    struct fixture *f = fx_new();
    static const char subscription[] = "\0\3\0\0\0\1\0\2t1\xff\xff\xff\xff";
    struct group *g = group_need(f->s, view_of_text("g"));
    f->s->step = &f->step;
    g->protocol_type = group_copy(view_of_text("consumer"));
    g->protocol = group_copy(view_of_text("range"));
    struct group_member *m = group_member_new(g, view_of_text("m"), (struct view){0});
    struct group_protocol p = {view_of_text("range"),
                               view_of(subscription, sizeof subscription - 1)};
    group_member_protocols(m, &p, 1);
    group_subscribed_learn(g);
    assert_true(group_subscribed(g, view_of_text("t1")));
    assert_false(group_subscribed(g, view_of_text("t2")));
    p.metadata = view_of("\0\3\0\0\0\7\0", 7); /* cut off: then to everything */
    group_member_protocols(m, &p, 1);
    group_subscribed_learn(g);
    assert_true(group_subscribed(g, view_of_text("t2")));
    f->s->step = NULL;
    fx_free(f);
}

static void
the_rebalance_timeout_of_a_group_is_its_members_longest(void **state)
{
    struct fixture *f = fx_new();
    fx_join_as(f, "g", &(struct joining){.version = 3, .rebalance_ms = 70000});
    fx_join_as(f, "g", &(struct joining){.version = 3, .rebalance_ms = 10000});
    assert_int_equal(group_rebalance_timeout_ms(fx_group(f, "g")), 70000);
    assert_true(group_all_joined(fx_group(f, "g")));
    fx_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loaded_group_has_its_generation_members_and_assignments),
        cmocka_unit_test(sessions_of_a_loaded_group_begin_anew_and_end),
        cmocka_unit_test(a_loaded_group_over_its_size_rebalances),
        cmocka_unit_test(a_tombstone_ends_a_group_and_keeps_its_offsets),
        cmocka_unit_test(a_consumer_group_is_subscribed_to_what_its_members_say),
        cmocka_unit_test(the_rebalance_timeout_of_a_group_is_its_members_longest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
