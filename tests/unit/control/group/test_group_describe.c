#include "tests/unit/control/group/consumer_fixture.h"

static const struct wire_consumer_group_describe_response_described_group *
describe(struct fixture *f, const char *group)
{
    struct wire_consumer_group_describe_request q;
    wire_init(&wire_consumer_group_describe_request_message, &q);
    struct view id = view_of_text(group);
    q.group_ids.items = &id;
    q.group_ids.count = 1;
    q.include_authorized_operations = true;
    const struct wire_consumer_group_describe_response *a =
        fx_answer(f, fx_send(f, WIRE_API_CONSUMER_GROUP_DESCRIBE, 1, &q));
    assert_int_equal(a->groups.count, 1);
    return &a->groups.items[0];
}

static void
a_group_is_told_with_members_and_assignments(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    cf_join(f, "m2");
    fx_advance(f, 1000);
    cf_stay(f, "m1", 2, NULL); /* must give up two */
    const struct wire_consumer_group_describe_response_described_group *g = describe(f, "g");
    assert_int_equal(g->error_code, 0);
    assert_true(view_equal(g->group_state, view_of_text("Reconciling")));
    assert_true(view_equal(g->assignor_name, view_of_text("uniform")));
    assert_int_equal(g->group_epoch, 3);
    assert_int_equal(g->authorized_operations, 3400); /* as Kafka without an authorizer */
    assert_int_equal(g->assignment_epoch, 3);
    assert_int_equal(g->members.count, 2);
    for (int32_t i = 0; i < 2; i++) {
        const struct wire_consumer_group_describe_response_member *m = &g->members.items[i];
        bool first = view_equal(m->member_id, view_of_text("m1"));
        assert_int_equal(m->assignment.topic_partitions.count, first);
        if (first) /* what it has yet to give up is still its own */
            assert_int_equal(m->assignment.topic_partitions.items[0].partitions.count, 4);
        assert_int_equal(m->target_assignment.topic_partitions.items[0].partitions.count, 2);
        assert_true(view_equal(m->target_assignment.topic_partitions.items[0].topic_name,
                               view_of_text("t1")));
        assert_int_equal(m->member_epoch, 2);
        assert_int_equal(m->member_type, 1);
        assert_true(view_equal(m->client_host, view_of_text("/127.0.0.1")));
        assert_int_equal(m->subscribed_topic_names.count, 1);
    }
    fx_free(f);
}

static void
topics_that_are_no_more_are_left_out(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    f->topic_gone = true;
    const struct wire_consumer_group_describe_response_described_group *g = describe(f, "g");
    assert_int_equal(g->members.items[0].assignment.topic_partitions.count, 0);
    fx_free(f);
}

static void
other_groups_are_not_found(void **state)
{
    struct fixture *f = fx_new();
    assert_int_equal(describe(f, "g")->error_code, KERR_GROUP_ID_NOT_FOUND);
    assert_int_equal(describe(f, "")->error_code, KERR_INVALID_GROUP_ID);
    assert_int_equal(describe(f, "")->authorized_operations, INT32_MIN);
    fx_commit(f, "h", 0, 1);
    const struct wire_consumer_group_describe_response_described_group *g = describe(f, "h");
    assert_int_equal(g->error_code, KERR_GROUP_ID_NOT_FOUND);
    assert_true(view_equal(g->error_message, view_of_text("Group h is not a consumer group.")));
    fx_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_is_told_with_members_and_assignments),
        cmocka_unit_test(topics_that_are_no_more_are_left_out),
        cmocka_unit_test(other_groups_are_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
