#include "tests/unit/control/group/group_fixture.h"

static void
a_commit_without_a_group_makes_a_simple_one(void **state)
{
    struct fixture *f = fx_new();
    assert_int_equal(fx_commit(f, "g", 0, 42), 0);
    assert_int_equal(fx_fetch(f, "g", 0, false), 42);
    fx_reload(f);
    assert_int_equal(fx_fetch(f, "g", 0, false), 42);
    assert_null(fx_group(f, "g")->protocol_type.at);
    fx_free(f);
}

/* The runtime may part their records: one batch cannot take as many as a group may have. */
static void
offsets_stand_on_their_own_when_they_come_and_when_they_go(void **state)
{
    struct fixture *f = fx_new();
    for (int32_t i = 0; i < PARTITIONS; i++)
        assert_int_equal(fx_commit(f, "g", i, 42), 0);
    assert_int_equal(f->boundaries, PARTITIONS);
    f->boundaries = 0;
    f->topic_gone = true;
    group_topic_deleted(f->s, &f->step, view_of_text("t1"));
    assert_int_equal(f->boundaries, PARTITIONS);
    fx_free(f);
}

static void
a_commit_with_a_generation_needs_its_group(void **state)
{
    struct fixture *f = fx_new();
    struct committing c = {.member = "m", .generation = 1, .version = 9};
    assert_int_equal(fx_commit_as(f, "g", &c), KERR_GROUP_ID_NOT_FOUND);
    c.version = 8;
    assert_int_equal(fx_commit_as(f, "g", &c), KERR_ILLEGAL_GENERATION);
    assert_null(fx_group(f, "g"));
    fx_free(f);
}

static void
a_commit_needs_member_and_generation_of_a_group_that_has_members(void **state)
{
    struct fixture *f = fx_new();
    char *id = fx_stable(f, "g");
    assert_int_equal(fx_commit(f, "g", 0, 1), KERR_UNKNOWN_MEMBER_ID);
    struct committing c = {.member = "x", .generation = 1, .offset = 5};
    assert_int_equal(fx_commit_as(f, "g", &c), KERR_UNKNOWN_MEMBER_ID);
    c.member = id;
    c.generation = 2;
    assert_int_equal(fx_commit_as(f, "g", &c), KERR_ILLEGAL_GENERATION);
    c.generation = 1;
    assert_int_equal(fx_commit_as(f, "g", &c), 0);
    assert_int_equal(fx_fetch(f, "g", 0, false), 5);
    free(id);
    fx_free(f);
}

static void
no_commit_while_members_wait_for_their_assignment_but_of_transactions(void **state)
{
    struct fixture *f = fx_new();
    char *id = fx_join_id(f, fx_join(f, "g", NULL));
    fx_join(f, "g", id);
    fx_advance(f, 3000);
    assert_int_equal(fx_group(f, "g")->state, GROUP_COMPLETING);
    struct committing c = {.member = id, .generation = 1};
    assert_int_equal(fx_commit_as(f, "g", &c), KERR_REBALANCE_IN_PROGRESS);
    assert_int_equal(fx_txn_commit(f, "g", 5, 0, 1), 0);
    free(id);
    fx_free(f);
}

static void
a_commit_keeps_the_session_of_its_member(void **state)
{
    struct fixture *f = fx_new();
    char *id = fx_stable(f, "g");
    struct committing c = {.member = id, .generation = 1};
    for (int i = 0; i < 4; i++) {
        fx_advance(f, 9000);
        assert_int_equal(fx_commit_as(f, "g", &c), 0);
    }
    free(id);
    fx_free(f);
}

static void
metadata_over_the_limit_and_unknown_partitions_are_refused_one_by_one(void **state)
{
    struct fixture *f = fx_new();
    f->config.offset_metadata_max_bytes = 3;
    struct committing c = {.metadata = "four"};
    assert_int_equal(fx_commit_as(f, "g", &c), KERR_OFFSET_METADATA_TOO_LARGE);
    c.metadata = "abc";
    c.partition = PARTITIONS;
    assert_int_equal(fx_commit_as(f, "g", &c), KERR_UNKNOWN_TOPIC_OR_PARTITION);
    c.topic = "t9";
    c.partition = 0;
    assert_int_equal(fx_commit_as(f, "g", &c), KERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(f->log_count, 0);
    assert_null(fx_group(f, "g"));
    fx_free(f);
}

static void
version_10_names_topics_by_id(void **state)
{
    struct fixture *f = fx_new();
    struct wire_offset_commit_request q;
    wire_init(&wire_offset_commit_request_message, &q);
    struct wire_offset_commit_request_partition p = {
        .committed_offset = 9, .committed_leader_epoch = -1, .committed_metadata = {0}};
    struct wire_offset_commit_request_topic t[2] = {
        {.name = view_of_text(""), .partitions = {&p, 1}},
        {.name = view_of_text(""), .partitions = {&p, 1}}};
    memset(t[0].topic_id, 1, 16);
    memset(t[1].topic_id, 9, 16);
    q.group_id = view_of_text("g");
    q.topics.items = t;
    q.topics.count = 2;
    const struct wire_offset_commit_response *a =
        fx_answer(f, fx_send(f, WIRE_API_OFFSET_COMMIT, 10, &q));
    assert_int_equal(a->topics.items[0].partitions.items[0].error_code, 0);
    assert_int_equal(a->topics.items[1].partitions.items[0].error_code, KERR_UNKNOWN_TOPIC_ID);
    assert_int_equal(fx_fetch(f, "g", 0, false), 9);
    fx_reload(f);
    const struct group_offset *o =
        group_offsets_get(&fx_group(f, "g")->offsets, view_of_text("t1"), 0);
    assert_int_equal(o->topic_id[15], 1);
    fx_free(f);
}

static void
an_offset_of_a_transaction_counts_with_its_commit_marker(void **state)
{
    struct fixture *f = fx_new();
    fx_commit(f, "g", 0, 1);
    assert_int_equal(fx_txn_commit(f, "g", 5, 0, 2), 0);
    assert_int_equal(fx_fetch(f, "g", 0, false), 1);
    assert_int_equal(fx_fetch(f, "g", 0, true), -1000 - KERR_UNSTABLE_OFFSET_COMMIT);
    fx_marker(f, 5, true);
    assert_int_equal(fx_fetch(f, "g", 0, true), 2);
    fx_txn_commit(f, "g", 5, 0, 3);
    fx_marker(f, 5, false);
    assert_int_equal(fx_fetch(f, "g", 0, true), 2);
    fx_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_commit_without_a_group_makes_a_simple_one),
        cmocka_unit_test(offsets_stand_on_their_own_when_they_come_and_when_they_go),
        cmocka_unit_test(a_commit_with_a_generation_needs_its_group),
        cmocka_unit_test(a_commit_needs_member_and_generation_of_a_group_that_has_members),
        cmocka_unit_test(no_commit_while_members_wait_for_their_assignment_but_of_transactions),
        cmocka_unit_test(a_commit_keeps_the_session_of_its_member),
        cmocka_unit_test(metadata_over_the_limit_and_unknown_partitions_are_refused_one_by_one),
        cmocka_unit_test(version_10_names_topics_by_id),
        cmocka_unit_test(an_offset_of_a_transaction_counts_with_its_commit_marker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
