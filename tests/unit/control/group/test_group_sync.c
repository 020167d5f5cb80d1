#include "tests/unit/control/group/group_fixture.h"

/* Two members of which the first leads, whose JoinGroup was answered. */
static void
two(struct fixture *f, char **leader, char **follower)
{
    struct joining j = {.version = 3, .session_ms = 30000, .rebalance_ms = 20000};
    uint64_t one = fx_join_as(f, "g", &j), other = fx_join_as(f, "g", &j);
    fx_advance(f, 6000);
    *leader = fx_join_id(f, one);
    *follower = fx_join_id(f, other);
}

static void
a_follower_waits_for_the_leader_whose_assignment_is_in_the_log_first(void **state)
{
    struct fixture *f = fx_new();
    char *a, *b;
    two(f, &a, &b);
    uint64_t wait = fx_sync(f, "g", b, 1, NULL);
    assert_null(fx_answer(f, wait));
    uint32_t logged = f->log_count;
    const struct wire_sync_group_response *r = fx_answer(f, fx_sync(f, "g", a, 1, "x"));
    assert_true(view_equal(r->assignment, view_of_text("x")));
    assert_true(view_equal(r->protocol_name, view_of_text("range")));
    assert_int_equal(f->log_count, logged + 1);
    r = fx_answer(f, wait); /* the leader gave it nothing */
    assert_int_equal(r->error_code, 0);
    assert_int_equal(r->assignment.len, 0);
    free(a);
    free(b);
    fx_free(f);
}

static void
who_never_syncs_is_removed_after_the_rebalance_timeout(void **state)
{
    struct fixture *f = fx_new();
    char *a, *b;
    two(f, &a, &b);
    uint64_t wait = fx_sync(f, "g", b, 1, NULL);
    fx_advance(f, 20000);
    assert_int_equal(fx_sync_error(f, wait), KERR_REBALANCE_IN_PROGRESS);
    assert_int_equal(fx_heartbeat(f, "g", a, 1), KERR_UNKNOWN_MEMBER_ID);
    assert_int_equal(fx_heartbeat(f, "g", b, 1), KERR_REBALANCE_IN_PROGRESS);
    free(a);
    free(b);
    fx_free(f);
}

static void
sync_checks_member_generation_and_protocol(void **state)
{
    struct fixture *f = fx_new();
    char *a, *b;
    two(f, &a, &b);
    assert_int_equal(fx_sync_error(f, fx_sync(f, "", a, 1, NULL)), KERR_INVALID_GROUP_ID);
    assert_int_equal(fx_sync_error(f, fx_sync(f, "h", a, 1, NULL)), KERR_UNKNOWN_MEMBER_ID);
    assert_int_equal(fx_sync_error(f, fx_sync(f, "g", "x", 1, NULL)), KERR_UNKNOWN_MEMBER_ID);
    assert_int_equal(fx_sync_error(f, fx_sync(f, "g", a, 2, NULL)), KERR_ILLEGAL_GENERATION);
    struct wire_sync_group_request q;
    wire_init(&wire_sync_group_request_message, &q);
    q.group_id = view_of_text("g");
    q.member_id = view_of_text(a);
    q.generation_id = 1;
    q.protocol_name = view_of_text("other");
    assert_int_equal(fx_sync_error(f, fx_send(f, WIRE_API_SYNC_GROUP, 5, &q)),
                     KERR_INCONSISTENT_GROUP_PROTOCOL);
    free(a);
    free(b);
    fx_free(f);
}

static void
a_lost_sync_answer_is_given_again(void **state)
{
    struct fixture *f = fx_new();
    char *id = fx_stable(f, "g");
    const struct wire_sync_group_response *r = fx_answer(f, fx_sync(f, "g", id, 1, NULL));
    assert_true(view_equal(r->assignment, view_of_text("a")));
    free(id);
    fx_free(f);
}

static void
a_new_member_during_sync_sends_the_waiting_back_to_join(void **state)
{
    struct fixture *f = fx_new();
    char *a, *b;
    two(f, &a, &b);
    uint64_t wait = fx_sync(f, "g", b, 1, NULL);
    fx_join_as(f, "g", &(struct joining){.version = 3});
    assert_int_equal(fx_sync_error(f, wait), KERR_REBALANCE_IN_PROGRESS);
    assert_int_equal(fx_sync_error(f, fx_sync(f, "g", a, 1, "x")), KERR_REBALANCE_IN_PROGRESS);
    free(a);
    free(b);
    fx_free(f);
}

static void
a_second_sync_of_a_member_answers_the_first(void **state)
{
    struct fixture *f = fx_new();
    char *a, *b;
    two(f, &a, &b);
    uint64_t one = fx_sync(f, "g", b, 1, NULL), other = fx_sync(f, "g", b, 1, NULL);
    assert_int_equal(fx_sync_error(f, one), KERR_REBALANCE_IN_PROGRESS);
    fx_sync(f, "g", a, 1, "x");
    assert_int_equal(fx_sync_error(f, other), 0);
    free(a);
    free(b);
    fx_free(f);
}

static void
heartbeats_keep_a_session_and_its_end_removes_the_member(void **state)
{
    struct fixture *f = fx_new();
    char *id = fx_stable(f, "g");
    for (int i = 0; i < 5; i++) {
        fx_advance(f, 9999);
        assert_int_equal(fx_heartbeat(f, "g", id, 1), 0);
    }
    assert_int_equal(fx_heartbeat(f, "g", id, 2), KERR_ILLEGAL_GENERATION);
    assert_int_equal(fx_heartbeat(f, "g", "x", 1), KERR_UNKNOWN_MEMBER_ID);
    assert_int_equal(fx_heartbeat(f, "h", id, 1), KERR_UNKNOWN_MEMBER_ID);
    assert_int_equal(fx_heartbeat(f, "", id, 1), KERR_INVALID_GROUP_ID);
    fx_advance(f, 10000);
    assert_int_equal(fx_heartbeat(f, "g", id, 1), KERR_UNKNOWN_MEMBER_ID);
    assert_int_equal(fx_group(f, "g")->state, GROUP_EMPTY);
    assert_int_equal(fx_group(f, "g")->generation, 2);
    free(id);
    fx_free(f);
}

static void
the_last_member_that_leaves_empties_the_group_in_the_log(void **state)
{
    struct fixture *f = fx_new();
    char *id = fx_stable(f, "g");
    assert_int_equal(fx_leave(f, "g", id, NULL), 0);
    assert_int_equal(fx_leave(f, "g", id, NULL), KERR_UNKNOWN_MEMBER_ID);
    fx_reload(f);
    assert_int_equal(fx_group(f, "g")->state, GROUP_EMPTY);
    assert_int_equal(fx_group(f, "g")->generation, 2);
    free(id);
    fx_free(f);
}

static void
a_static_member_leaves_by_its_instance_id(void **state)
{
    struct fixture *f = fx_new();
    uint64_t join = fx_join_as(f, "g", &(struct joining){.instance = "i"});
    fx_advance(f, 3000);
    assert_int_equal(fx_join_error(f, join), 0);
    assert_int_equal(fx_leave(f, "g", "", "other"), KERR_UNKNOWN_MEMBER_ID);
    assert_int_equal(fx_leave(f, "g", "", "i"), 0);
    assert_int_equal(fx_group(f, "g")->by_id.count, 0);
    fx_free(f);
}

static void
an_id_that_was_only_handed_out_may_leave(void **state)
{
    struct fixture *f = fx_new();
    char *id = fx_join_id(f, fx_join(f, "g", NULL));
    assert_int_equal(fx_leave(f, "g", id, NULL), 0);
    assert_int_equal(fx_leave(f, "g", id, NULL), KERR_UNKNOWN_MEMBER_ID);
    free(id);
    fx_free(f);
}

static void
before_version_3_the_error_of_leaving_is_on_top(void **state)
{
    struct fixture *f = fx_new();
    struct wire_leave_group_request q;
    wire_init(&wire_leave_group_request_message, &q);
    q.group_id = view_of_text("g");
    q.member_id = view_of_text("x");
    const struct wire_leave_group_response *a =
        fx_answer(f, fx_send(f, WIRE_API_LEAVE_GROUP, 2, &q));
    assert_int_equal(a->error_code, KERR_UNKNOWN_MEMBER_ID);
    fx_free(f);
}

static void
a_member_that_leaves_while_it_waits_is_answered(void **state)
{
    struct fixture *f = fx_new();
    char *a, *b;
    two(f, &a, &b);
    uint64_t sync = fx_sync(f, "g", b, 1, NULL);
    assert_int_equal(fx_leave(f, "g", b, NULL), 0);
    assert_int_equal(fx_sync_error(f, sync), KERR_UNKNOWN_MEMBER_ID);
    assert_int_equal(fx_group(f, "g")->state, GROUP_PREPARING);
    free(a);
    free(b);
    fx_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_follower_waits_for_the_leader_whose_assignment_is_in_the_log_first),
        cmocka_unit_test(who_never_syncs_is_removed_after_the_rebalance_timeout),
        cmocka_unit_test(sync_checks_member_generation_and_protocol),
        cmocka_unit_test(a_lost_sync_answer_is_given_again),
        cmocka_unit_test(a_new_member_during_sync_sends_the_waiting_back_to_join),
        cmocka_unit_test(a_second_sync_of_a_member_answers_the_first),
        cmocka_unit_test(heartbeats_keep_a_session_and_its_end_removes_the_member),
        cmocka_unit_test(the_last_member_that_leaves_empties_the_group_in_the_log),
        cmocka_unit_test(a_static_member_leaves_by_its_instance_id),
        cmocka_unit_test(an_id_that_was_only_handed_out_may_leave),
        cmocka_unit_test(before_version_3_the_error_of_leaving_is_on_top),
        cmocka_unit_test(a_member_that_leaves_while_it_waits_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
