#include "tests/unit/control/group/group_fixture.h"

static void
a_first_join_hands_out_an_id_and_the_second_waits_for_the_initial_delay(void **state)
{
    struct fixture *f = fx_new();
    uint64_t first = fx_join(f, "g", NULL);
    assert_int_equal(fx_join_error(f, first), KERR_MEMBER_ID_REQUIRED);
    char *id = fx_join_id(f, first);
    assert_string_equal(id, "c-01010101-0101-4101-8101-010101010101");
    uint64_t second = fx_join(f, "g", id);
    fx_advance(f, 2999);
    assert_null(fx_answer(f, second));
    fx_advance(f, 1);
    const struct wire_join_group_response *a = fx_answer(f, second);
    assert_int_equal(a->error_code, 0);
    assert_int_equal(a->generation_id, 1);
    assert_true(view_equal(a->leader, view_of_text(id)));
    assert_int_equal(a->members.count, 1);
    assert_true(view_equal(a->protocol_name, view_of_text("range")));
    free(id);
    fx_free(f);
}

static void
a_client_before_version_4_joins_at_once(void **state)
{
    struct fixture *f = fx_new();
    uint64_t join = fx_join_as(f, "g", &(struct joining){.version = 3});
    assert_null(fx_answer(f, join));
    fx_advance(f, 3000);
    assert_int_equal(fx_join_error(f, join), 0);
    fx_free(f);
}

static void
new_members_prolong_the_initial_delay_up_to_the_rebalance_timeout(void **state)
{
    struct fixture *f = fx_new();
    struct joining j = {.version = 3, .rebalance_ms = 7000};
    uint64_t first = fx_join_as(f, "g", &j);
    for (int i = 0; i < 2; i++) { /* at 2 s and 5 s */
        fx_advance(f, i ? 3000 : 2000);
        fx_join_as(f, "g", &j);
    }
    fx_advance(f, 1999);
    assert_null(fx_answer(f, first));
    fx_join_as(f, "g", &j);
    fx_advance(f, 1); /* 7 s: no longer, although a member is new */
    const struct wire_join_group_response *a = fx_answer(f, first);
    assert_int_equal(a->members.count, 4);
    fx_free(f);
}

static void
the_last_id_that_never_joins_does_not_hang_a_rebalance(void **state)
{
    struct fixture *f = fx_new();
    char *id = fx_stable(f, "g");
    fx_join(f, "g", NULL); /* gets an id and is never seen again */
    uint64_t again = fx_join(f, "g", id);
    assert_null(fx_answer(f, again)); /* the id may still come */
    fx_advance(f, 10000);             /* its session */
    assert_int_equal(fx_join_error(f, again), 0);
    free(id);
    fx_free(f);
}

static void
a_group_of_ids_that_never_join_becomes_empty_and_goes_with_the_check(void **state)
{
    struct fixture *f = fx_new();
    fx_join(f, "g", NULL);
    fx_advance(f, 10000);
    assert_int_equal(fx_group(f, "g")->state, GROUP_EMPTY);
    fx_advance(f, f->config.offsets_retention_check_ms);
    assert_null(fx_group(f, "g"));
    fx_reload(f);
    assert_null(fx_group(f, "g"));
    fx_free(f);
}

static void
a_failed_member_ends_the_phase_that_waits_for_it(void **state)
{
    struct fixture *f = fx_new();
    struct joining j = {.version = 3, .session_ms = 6000};
    uint64_t one = fx_join_as(f, "g", &j), two = fx_join_as(f, "g", &j);
    fx_advance(f, 6000);
    char *a = fx_join_id(f, one), *b = fx_join_id(f, two);
    fx_sync(f, "g", b, 1, NULL);
    fx_sync(f, "g", a, 1, "x");
    struct joining again = {.member = a, .session_ms = 6000};
    uint64_t wait = fx_join_as(f, "g", &again);
    assert_null(fx_answer(f, wait));
    fx_advance(f, 6000); /* the session of b; a waits, so it is alive */
    const struct wire_join_group_response *r = fx_answer(f, wait);
    assert_int_equal(r->error_code, 0);
    assert_int_equal(r->members.count, 1);
    free(a);
    free(b);
    fx_free(f);
}

static void
a_new_member_may_wait_five_minutes_whatever_its_session(void **state)
{
    struct fixture *f = fx_new();
    char *id = fx_join_id(f, fx_join_as(f, "g", &(struct joining){.rebalance_ms = 600000}));
    f->config.initial_rebalance_delay_ms = 400000;
    uint64_t join = fx_join_as(f, "g", &(struct joining){.member = id, .rebalance_ms = 600000});
    fx_advance(f, 299999);
    assert_null(fx_answer(f, join));
    fx_advance(f, 1);
    assert_int_equal(fx_join_error(f, join), KERR_UNKNOWN_MEMBER_ID);
    assert_int_equal(fx_group(f, "g")->state, GROUP_EMPTY);
    free(id);
    fx_free(f);
}

static void
a_rejoin_with_the_same_protocols_gets_the_generation_again(void **state)
{
    struct fixture *f = fx_new();
    char *id = fx_join_id(f, fx_join(f, "g", NULL));
    fx_join(f, "g", id);
    fx_advance(f, 3000);
    const struct wire_join_group_response *a = fx_answer(f, fx_join(f, "g", id));
    assert_non_null(a);
    assert_int_equal(a->generation_id, 1);
    assert_int_equal(a->members.count, 1);
    /* Changed ones begin a rebalance. */
    a = fx_answer(f, fx_join_as(f, "g", &(struct joining){.member = id, .metadata = "other"}));
    assert_int_equal(a->generation_id, 2);
    free(id);
    fx_free(f);
}

static void
a_stable_leader_that_rejoins_begins_a_rebalance_and_a_follower_does_not(void **state)
{
    struct fixture *f = fx_new();
    struct joining j = {.version = 3};
    uint64_t one = fx_join_as(f, "g", &j), two = fx_join_as(f, "g", &j);
    fx_advance(f, 6000);
    char *leader = fx_join_id(f, one), *follower = fx_join_id(f, two);
    fx_sync(f, "g", follower, 1, NULL);
    fx_sync(f, "g", leader, 1, "x");
    const struct wire_join_group_response *a = fx_answer(f, fx_join(f, "g", follower));
    assert_int_equal(a->generation_id, 1);
    assert_int_equal(a->members.count, 0);
    assert_int_equal(fx_group(f, "g")->state, GROUP_STABLE);
    uint64_t wait = fx_join(f, "g", leader);
    assert_null(fx_answer(f, wait));
    assert_int_equal(fx_heartbeat(f, "g", follower, 1), KERR_REBALANCE_IN_PROGRESS);
    uint64_t last = fx_join(f, "g", follower);
    assert_int_equal(fx_join_error(f, wait), 0);
    assert_int_equal(fx_join_error(f, last), 0);
    free(leader);
    free(follower);
    fx_free(f);
}

static void
dynamic_members_that_do_not_rejoin_go_and_static_ones_stay(void **state)
{
    struct fixture *f = fx_new();
    struct joining j = {.version = 3, .session_ms = 100000};
    struct joining st = {.instance = "i", .session_ms = 100000};
    uint64_t one = fx_join_as(f, "g", &j), two = fx_join_as(f, "g", &j);
    uint64_t three = fx_join_as(f, "g", &st);
    fx_advance(f, 6000);
    char *a = fx_join_id(f, one), *b = fx_join_id(f, two), *c = fx_join_id(f, three);
    fx_sync(f, "g", b, 1, NULL);
    fx_sync(f, "g", c, 1, NULL);
    fx_sync(f, "g", a, 1, "x");
    struct joining again = {.member = a, .session_ms = 100000, .metadata = "new"};
    uint64_t wait = fx_join_as(f, "g", &again);
    fx_advance(f, 60000);
    const struct wire_join_group_response *r = fx_answer(f, wait);
    assert_int_equal(r->members.count, 2);
    assert_null(group_member_find(fx_group(f, "g"), view_of_text(b)));
    assert_non_null(group_member_find(fx_group(f, "g"), view_of_text(c)));
    free(a);
    free(b);
    free(c);
    fx_free(f);
}

static void
the_protocol_is_what_most_members_want_of_what_all_know(void **state)
{
    struct fixture *f = fx_new();
    struct wire_join_group_request q;
    wire_init(&wire_join_group_request_message, &q);
    static const char *const wishes[3][2] = {{"a", "b"}, {"b", "a"}, {"b", "a"}};
    uint64_t tokens[3];
    for (int i = 0; i < 3; i++) {
        struct wire_join_group_request_protocol p[2] = {
            {view_of_text(wishes[i][0]), view_of_text("")},
            {view_of_text(wishes[i][1]), view_of_text("")}};
        q.group_id = view_of_text("g");
        q.protocol_type = view_of_text("connect");
        q.session_timeout_ms = 10000;
        q.rebalance_timeout_ms = 10000;
        q.protocols.items = p;
        q.protocols.count = 2;
        tokens[i] = fx_send(f, WIRE_API_JOIN_GROUP, 3, &q);
    }
    fx_advance(f, 10000);
    const struct wire_join_group_response *a = fx_answer(f, tokens[2]);
    assert_true(view_equal(a->protocol_name, view_of_text("b")));
    uint64_t odd = fx_join_as(f, "g", &(struct joining){.protocol = "z", .type = "connect"});
    assert_int_equal(fx_join_error(f, odd), KERR_INCONSISTENT_GROUP_PROTOCOL);
    fx_free(f);
}

static void
a_full_group_takes_no_more_members(void **state)
{
    struct fixture *f = fx_new();
    f->config.max_size = 1;
    char *id = fx_stable(f, "g");
    assert_int_equal(fx_join_error(f, fx_join(f, "g", NULL)), KERR_GROUP_MAX_SIZE_REACHED);
    uint64_t wait = fx_join(f, "g", id);
    assert_int_equal(fx_join_error(f, wait), 0); /* who is in may rejoin */
    free(id);
    fx_free(f);
}

static void
a_session_timeout_out_of_range_is_refused(void **state)
{
    struct fixture *f = fx_new();
    static const int32_t wrong[] = {5999, 1800001};
    for (int i = 0; i < 2; i++)
        assert_int_equal(
            fx_join_error(f, fx_join_as(f, "g", &(struct joining){.session_ms = wrong[i]})),
            KERR_INVALID_SESSION_TIMEOUT);
    assert_int_equal(fx_join_error(f, fx_join(f, "", NULL)), KERR_INVALID_GROUP_ID);
    assert_int_equal(fx_join_error(f, fx_join(f, "g", "ghost")), KERR_UNKNOWN_MEMBER_ID);
    fx_free(f);
}

/* A stable group of static members "i" (leader) and "k", ids in a and b. */
static void
statics(struct fixture *f, char **a, char **b)
{
    uint64_t one = fx_join_as(f, "g", &(struct joining){.instance = "i"});
    uint64_t two = fx_join_as(f, "g", &(struct joining){.instance = "k"});
    fx_advance(f, 6000);
    *a = fx_join_id(f, one);
    *b = fx_join_id(f, two);
    fx_sync(f, "g", *b, 1, NULL);
    fx_sync(f, "g", *a, 1, "x");
}

static void
a_static_member_that_comes_back_keeps_its_place_without_a_rebalance(void **state)
{
    struct fixture *f = fx_new();
    char *a, *b;
    statics(f, &a, &b);
    uint32_t logged = f->log_count;
    uint64_t back = fx_join_as(f, "g", &(struct joining){.instance = "i", .session_ms = 7777});
    const struct wire_join_group_response *r = fx_answer(f, back);
    assert_int_equal(r->generation_id, 1);
    assert_true(r->skip_assignment);
    assert_int_equal(r->members.count, 2);
    assert_int_equal(f->log_count, logged + 1); /* the new id is in the log first */
    assert_int_equal(fx_group(f, "g")->state, GROUP_STABLE);
    char *id = fx_join_id(f, back);
    const struct wire_sync_group_response *s = fx_answer(f, fx_sync(f, "g", id, 1, NULL));
    assert_true(view_equal(s->assignment, view_of_text("x")));
    fx_reload(f);
    struct group_member *m = group_member_find(fx_group(f, "g"), view_of_text(id));
    assert_int_equal(m->session_timeout_ms, 7777);
    free(a);
    free(b);
    free(id);
    fx_free(f);
}

static void
an_old_client_that_led_is_not_told_that_it_leads(void **state)
{
    struct fixture *f = fx_new();
    char *a, *b;
    statics(f, &a, &b);
    uint64_t back = fx_join_as(f, "g", &(struct joining){.instance = "i", .version = 8});
    const struct wire_join_group_response *r = fx_answer(f, back);
    assert_true(view_equal(r->leader, view_of_text(a)));
    assert_int_equal(r->members.count, 0);
    free(a);
    free(b);
    fx_free(f);
}

static void
the_former_holder_of_an_instance_id_is_fenced(void **state)
{
    struct fixture *f = fx_new();
    char *a, *b;
    statics(f, &a, &b);
    uint64_t waits = fx_join_as(f, "g", &(struct joining){.member = a, .instance = "i"});
    assert_null(fx_answer(f, waits)); /* the leader rejoins: a rebalance */
    uint64_t back = fx_join_as(f, "g", &(struct joining){.instance = "i"});
    assert_int_equal(fx_join_error(f, waits), KERR_FENCED_INSTANCE_ID);
    assert_null(fx_answer(f, back));
    uint64_t late = fx_join_as(f, "g", &(struct joining){.member = a, .instance = "i"});
    assert_int_equal(fx_join_error(f, late), KERR_FENCED_INSTANCE_ID);
    assert_int_equal(fx_leave(f, "g", a, "i"), KERR_FENCED_INSTANCE_ID);
    free(a);
    free(b);
    fx_free(f);
}

static void
a_static_member_that_comes_back_while_others_sync_begins_a_rebalance(void **state)
{
    struct fixture *f = fx_new();
    uint64_t one = fx_join_as(f, "g", &(struct joining){.instance = "i"});
    fx_join_as(f, "g", &(struct joining){.instance = "k"});
    fx_advance(f, 6000);
    assert_int_equal(fx_join_error(f, one), 0);
    fx_join_as(f, "g", &(struct joining){.instance = "k"});
    assert_int_equal(fx_group(f, "g")->state, GROUP_PREPARING);
    fx_free(f);
}

static void
when_nobody_rejoins_but_static_members_are_there_the_wait_begins_again(void **state)
{
    struct fixture *f = fx_new();
    struct joining i = {.instance = "i", .session_ms = 1000000, .rebalance_ms = 5000};
    struct joining d = {.version = 3, .session_ms = 6000, .rebalance_ms = 5000};
    uint64_t one = fx_join_as(f, "g", &i), two = fx_join_as(f, "g", &d);
    fx_advance(f, 5000);
    char *a = fx_join_id(f, one), *b = fx_join_id(f, two);
    fx_sync(f, "g", b, 1, NULL);
    fx_sync(f, "g", a, 1, "x");
    assert_int_equal(fx_leave(f, "g", b, NULL), 0);
    fx_advance(f, 50000);
    assert_int_equal(fx_group(f, "g")->state, GROUP_PREPARING);
    assert_int_equal(fx_group(f, "g")->generation, 1);
    i.member = a;
    assert_int_equal(fx_join_error(f, fx_join_as(f, "g", &i)), 0);
    assert_int_equal(fx_group(f, "g")->generation, 2);
    free(a);
    free(b);
    fx_free(f);
}

static void
a_rebalance_timeout_of_nothing_does_not_stop_the_clock(void **state)
{
    struct fixture *f = fx_new();
    struct joining i = {.instance = "i", .session_ms = 1000000, .rebalance_ms = -1};
    struct joining d = {.version = 3, .session_ms = 6000, .rebalance_ms = 1};
    uint64_t one = fx_join_as(f, "g", &i), two = fx_join_as(f, "g", &d);
    fx_advance(f, 3000);
    char *a = fx_join_id(f, one), *b = fx_join_id(f, two);
    fx_sync(f, "g", b, 1, NULL);
    fx_sync(f, "g", a, 1, "x");
    assert_int_equal(fx_leave(f, "g", b, NULL), 0);
    group_tick(f->s, &f->step);
    assert_int_equal(fx_group(f, "g")->state, GROUP_PREPARING);
    assert_true(group_deadline_ms(f->s) > f->step.now_ms);
    free(a);
    free(b);
    fx_free(f);
}

static void
a_member_that_asks_twice_gets_two_answers(void **state)
{
    struct fixture *f = fx_new();
    char *id = fx_join_id(f, fx_join(f, "g", NULL));
    uint64_t one = fx_join(f, "g", id), two = fx_join(f, "g", id);
    assert_int_equal(fx_join_error(f, one), KERR_REBALANCE_IN_PROGRESS);
    fx_advance(f, 3000);
    assert_int_equal(fx_join_error(f, two), 0);
    free(id);
    fx_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_first_join_hands_out_an_id_and_the_second_waits_for_the_initial_delay),
        cmocka_unit_test(a_client_before_version_4_joins_at_once),
        cmocka_unit_test(new_members_prolong_the_initial_delay_up_to_the_rebalance_timeout),
        cmocka_unit_test(the_last_id_that_never_joins_does_not_hang_a_rebalance),
        cmocka_unit_test(a_group_of_ids_that_never_join_becomes_empty_and_goes_with_the_check),
        cmocka_unit_test(a_failed_member_ends_the_phase_that_waits_for_it),
        cmocka_unit_test(a_new_member_may_wait_five_minutes_whatever_its_session),
        cmocka_unit_test(a_rejoin_with_the_same_protocols_gets_the_generation_again),
        cmocka_unit_test(a_stable_leader_that_rejoins_begins_a_rebalance_and_a_follower_does_not),
        cmocka_unit_test(dynamic_members_that_do_not_rejoin_go_and_static_ones_stay),
        cmocka_unit_test(the_protocol_is_what_most_members_want_of_what_all_know),
        cmocka_unit_test(a_full_group_takes_no_more_members),
        cmocka_unit_test(a_session_timeout_out_of_range_is_refused),
        cmocka_unit_test(a_static_member_that_comes_back_keeps_its_place_without_a_rebalance),
        cmocka_unit_test(an_old_client_that_led_is_not_told_that_it_leads),
        cmocka_unit_test(the_former_holder_of_an_instance_id_is_fenced),
        cmocka_unit_test(a_static_member_that_comes_back_while_others_sync_begins_a_rebalance),
        cmocka_unit_test(when_nobody_rejoins_but_static_members_are_there_the_wait_begins_again),
        cmocka_unit_test(a_rebalance_timeout_of_nothing_does_not_stop_the_clock),
        cmocka_unit_test(a_member_that_asks_twice_gets_two_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
