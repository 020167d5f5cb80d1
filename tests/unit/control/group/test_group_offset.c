#include "tests/unit/control/group/consumer_fixture.h"

static void
a_plain_commit_after_that_of_a_transaction_wins_over_it(void **state)
{
    struct fixture *f = fx_new();
    fx_txn_commit(f, "g", 5, 0, 2);
    fx_commit(f, "g", 0, 3);
    fx_marker(f, 5, true);
    assert_int_equal(fx_fetch(f, "g", 0, true), 3);
    fx_reload(f);
    assert_int_equal(fx_fetch(f, "g", 0, true), 3);
    fx_free(f);
}

static void
a_marker_counts_in_every_state_of_the_group(void **state)
{
    struct fixture *f = fx_new();
    char *id = fx_stable(f, "g");
    fx_txn_commit(f, "g", 5, 0, 2);
    fx_join(f, "g", NULL);
    fx_join(f, "g", id); /* waits for the other */
    assert_int_equal(fx_group(f, "g")->state, GROUP_PREPARING);
    fx_marker(f, 5, true);
    assert_int_equal(fx_fetch(f, "g", 0, true), 2);
    free(id);
    fx_free(f);
}

static void
retention_leaves_what_an_open_transaction_changes(void **state)
{
    struct fixture *f = fx_new();
    fx_commit(f, "g", 0, 1);
    fx_commit(f, "g", 1, 1);
    fx_txn_commit(f, "g", 5, 0, 2);
    fx_advance(f, f->config.offsets_retention_ms + f->config.offsets_retention_check_ms);
    assert_int_equal(fx_fetch(f, "g", 0, false), 1);
    assert_int_equal(fx_fetch(f, "g", 1, false), -1);
    fx_marker(f, 5, false);
    fx_advance(f, f->config.offsets_retention_check_ms);
    assert_null(fx_group(f, "g"));
    fx_free(f);
}

static void
offsets_of_an_empty_group_age_from_when_it_became_empty(void **state)
{
    struct fixture *f = fx_new();
    char *id = fx_stable(f, "g");
    struct committing c = {.member = id, .generation = 1};
    fx_commit_as(f, "g", &c);
    int64_t half = f->config.offsets_retention_ms / 2;
    f->step.now_ms += half; /* no tick: the member is alive all the time */
    fx_leave(f, "g", id, NULL);
    fx_advance(f, half + f->config.offsets_retention_check_ms);
    assert_int_equal(fx_fetch(f, "g", 0, false), 0); /* committed before, but empty since half */
    fx_advance(f, half + f->config.offsets_retention_check_ms);
    assert_null(fx_group(f, "g"));
    free(id);
    fx_free(f);
}

static void
a_commit_may_carry_its_own_retention(void **state)
{
    struct fixture *f = fx_new();
    struct committing c = {.offset = 8, .retention_ms = 1000, .version = 4};
    assert_int_equal(fx_commit_as(f, "g", &c), 0);
    fx_commit(f, "g", 1, 9);
    fx_reload(f);
    fx_advance(f, f->config.offsets_retention_check_ms);
    assert_int_equal(fx_fetch(f, "g", 0, false), -1);
    assert_int_equal(fx_fetch(f, "g", 1, false), 9);
    fx_free(f);
}

static void
nothing_expires_while_a_group_rebalances(void **state)
{
    struct fixture *f = fx_new();
    fx_commit(f, "g", 0, 1);
    f->config.offsets_retention_ms = 0;
    f->config.initial_rebalance_delay_ms = 700000;
    f->config.new_member_join_timeout_ms = 800000;
    fx_join_as(f, "g", &(struct joining){.version = 3});
    fx_advance(f, f->config.offsets_retention_check_ms);
    assert_int_equal(fx_group(f, "g")->state, GROUP_PREPARING);
    assert_int_equal(fx_fetch(f, "g", 0, false), 1);
    fx_free(f);
}

static void
a_stable_consumer_group_loses_only_topics_it_is_not_subscribed_to(void **state)
{
    struct fixture *f = fx_new();
    f->config.session_timeout_max_ms = 10000000;
    struct wire_join_group_request q;
    wire_init(&wire_join_group_request_message, &q);
    struct wire_join_group_request_protocol p = {view_of_text("range"),
                                                 view_of("\0\0\0\0\0\1\0\2t1\xff\xff\xff\xff", 14)};
    q.group_id = view_of_text("g");
    q.protocol_type = view_of_text("consumer");
    q.session_timeout_ms = q.rebalance_timeout_ms = 10000000;
    q.protocols.items = &p;
    q.protocols.count = 1;
    uint64_t join = fx_send(f, WIRE_API_JOIN_GROUP, 3, &q);
    fx_advance(f, 3000);
    char *id = fx_join_id(f, join);
    fx_sync(f, "g", id, 1, "x");
    struct committing c = {.member = id, .generation = 1, .offset = 1};
    fx_commit_as(f, "g", &c);
    c.topic = "t2";
    fx_commit_as(f, "g", &c);
    f->config.offsets_retention_ms = 1000;
    fx_advance(f, f->config.offsets_retention_check_ms);
    assert_int_equal(fx_fetch(f, "g", 0, false), 1);
    assert_int_equal(fx_group(f, "g")->offsets.count, 1);
    free(id);
    fx_free(f);
}

static void
a_consumer_group_loses_offsets_of_topics_it_is_not_subscribed_to(void **state)
{
    struct fixture *f = fx_new();
    f->config.consumer.session_timeout_ms = 10000000;
    cf_join(f, "m1"); /* for t1 */
    struct committing c = {.member = "m1", .generation = 2, .offset = 1};
    fx_commit_as(f, "g", &c);
    c.topic = "t2";
    fx_commit_as(f, "g", &c);
    f->config.offsets_retention_ms = f->config.offsets_retention_check_ms;
    fx_advance(f, f->config.offsets_retention_check_ms);
    assert_int_equal(fx_fetch(f, "g", 0, false), 1);
    assert_int_equal(fx_group(f, "g")->offsets.count, 1);
    cf_stay(f, "m1", -1, NULL); /* from now on of no topic; age counts from the commit */
    fx_advance(f, f->config.offsets_retention_check_ms);
    assert_null(fx_group(f, "g"));
    fx_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_commit_after_that_of_a_transaction_wins_over_it),
        cmocka_unit_test(a_marker_counts_in_every_state_of_the_group),
        cmocka_unit_test(retention_leaves_what_an_open_transaction_changes),
        cmocka_unit_test(offsets_of_an_empty_group_age_from_when_it_became_empty),
        cmocka_unit_test(a_commit_may_carry_its_own_retention),
        cmocka_unit_test(nothing_expires_while_a_group_rebalances),
        cmocka_unit_test(a_consumer_group_loses_offsets_of_topics_it_is_not_subscribed_to),
        cmocka_unit_test(a_stable_consumer_group_loses_only_topics_it_is_not_subscribed_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
