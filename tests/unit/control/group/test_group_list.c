#include "tests/unit/control/group/consumer_fixture.h"

static int32_t
listed(struct fixture *f, const char *group_state, const char *type)
{
    struct wire_list_groups_request q;
    wire_init(&wire_list_groups_request_message, &q);
    struct view s = view_of_text(group_state ? group_state : ""),
                t = view_of_text(type ? type : "");
    q.states_filter = (struct wire_string_array){&s, group_state != NULL};
    q.types_filter = (struct wire_string_array){&t, type != NULL};
    const struct wire_list_groups_response *a =
        fx_answer(f, fx_send(f, WIRE_API_LIST_GROUPS, 5, &q));
    assert_int_equal(a->error_code, 0);
    return a->groups.count;
}

static void
groups_are_listed_by_state_and_type_whatever_the_case(void **state)
{
    struct fixture *f = fx_new();
    char *id = fx_stable(f, "g");
    fx_commit(f, "h", 0, 1);
    assert_int_equal(listed(f, NULL, NULL), 2);
    assert_int_equal(listed(f, "stable", NULL), 1);
    assert_int_equal(listed(f, "Empty", "CLASSIC"), 1);
    assert_int_equal(listed(f, "Dead", NULL), 0);
    assert_int_equal(listed(f, NULL, "consumer"), 0);
    free(id);
    fx_free(f);
}

static const struct wire_describe_groups_response_described_group *
describe(struct fixture *f, const char *group, int16_t version)
{
    struct wire_describe_groups_request q;
    wire_init(&wire_describe_groups_request_message, &q);
    struct view name = view_of_text(group);
    q.groups = (struct wire_string_array){&name, 1};
    q.include_authorized_operations = true;
    const struct wire_describe_groups_response *a =
        fx_answer(f, fx_send(f, WIRE_API_DESCRIBE_GROUPS, version, &q));
    return &a->groups.items[0];
}

static void
a_stable_group_is_described_with_metadata_and_assignment(void **state)
{
    struct fixture *f = fx_new();
    char *id = fx_stable(f, "g");
    const struct wire_describe_groups_response_described_group *g = describe(f, "g", 6);
    assert_true(view_equal(g->group_state, view_of_text("Stable")));
    assert_true(view_equal(g->protocol_data, view_of_text("range")));
    assert_int_equal(g->authorized_operations, 3400); /* as Kafka without an authorizer */
    assert_true(view_equal(g->members.items[0].member_metadata, view_of_text("m")));
    assert_true(view_equal(g->members.items[0].member_assignment, view_of_text("a")));
    assert_true(view_equal(g->members.items[0].client_host, view_of_text("/127.0.0.1")));
    fx_join(f, "g", id);
    g = describe(f, "g", 6); /* rebalancing: neither */
    assert_true(view_equal(g->group_state, view_of_text("CompletingRebalance")));
    assert_int_equal(g->members.items[0].member_metadata.len, 0);
    free(id);
    fx_free(f);
}

static void
a_group_that_is_not_there_is_dead_and_from_version_6_an_error(void **state)
{
    struct fixture *f = fx_new();
    const struct wire_describe_groups_response_described_group *g = describe(f, "g", 5);
    assert_int_equal(g->error_code, 0);
    assert_true(view_equal(g->group_state, view_of_text("Dead")));
    g = describe(f, "g", 6);
    assert_int_equal(g->error_code, KERR_GROUP_ID_NOT_FOUND);
    assert_true(view_equal(g->error_message, view_of_text("Group g not found.")));
    assert_int_equal(describe(f, "", 6)->error_code, KERR_INVALID_GROUP_ID);
    fx_free(f);
}

static void
only_a_group_without_members_is_deleted_with_all_its_offsets(void **state)
{
    struct fixture *f = fx_new();
    char *id = fx_stable(f, "g");
    assert_int_equal(fx_delete(f, "g"), KERR_NON_EMPTY_GROUP);
    struct committing c = {.member = id, .generation = 1, .offset = 4};
    fx_commit_as(f, "g", &c);
    fx_leave(f, "g", id, NULL);
    assert_int_equal(fx_delete(f, "g"), 0);
    assert_null(fx_group(f, "g"));
    assert_int_equal(fx_delete(f, "g"), KERR_GROUP_ID_NOT_FOUND);
    assert_int_equal(fx_delete(f, ""), KERR_INVALID_GROUP_ID);
    fx_reload(f);
    assert_null(fx_group(f, "g"));
    free(id);
    fx_free(f);
}

static void
groups_of_the_consumer_protocol_are_listed_as_such(void **state)
{
    struct fixture *f = fx_new();
    fx_commit(f, "h", 0, 1);
    cf_join(f, "m1");
    assert_int_equal(listed(f, NULL, "consumer"), 1);
    assert_int_equal(listed(f, NULL, "classic"), 1);
    assert_int_equal(listed(f, "stable", "Consumer"), 1);
    cf_join(f, "m2");
    assert_int_equal(listed(f, "assigning", NULL), 1);
    cf_stay(f, "m1", -1, NULL);
    cf_stay(f, "m2", -1, NULL);
    assert_int_equal(listed(f, "empty", "consumer"), 1);
    fx_free(f);
}

/* As Kafka: clients then ask with ConsumerGroupDescribe. */
static void
a_group_of_the_consumer_protocol_is_dead_to_describe_groups(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    const struct wire_describe_groups_response_described_group *g = describe(f, "g", 6);
    assert_int_equal(g->error_code, KERR_GROUP_ID_NOT_FOUND);
    assert_true(view_equal(g->error_message, view_of_text("Group g is not a classic group.")));
    g = describe(f, "g", 5);
    assert_int_equal(g->error_code, 0);
    assert_true(view_equal(g->group_state, view_of_text("Dead")));
    fx_free(f);
}

static void
a_group_of_the_consumer_protocol_is_deleted_with_offsets_once_empty(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    fx_commit_as(f, "g", &(struct committing){.member = "m1", .generation = 2, .offset = 5});
    assert_int_equal(fx_delete(f, "g"), KERR_NON_EMPTY_GROUP);
    cf_stay(f, "m1", -1, NULL);
    assert_int_equal(fx_delete(f, "g"), 0);
    assert_null(fx_group(f, "g"));
    fx_reload(f);
    assert_null(fx_group(f, "g"));
    fx_free(f);
}

struct told {
    uint32_t groups, offsets, members;
    int64_t sum;
    bool stable, consumer;
};

static void
group_told(void *user, const struct group_fact *fact)
{
    struct told *t = user;
    t->groups++;
    t->members += fact->members;
    if (view_equal(fact->id, view_of_text("g"))) {
        assert_string_equal(fact->type, "Classic");
        assert_true(view_equal(fact->protocol, view_of_text("range")));
        t->stable = strcmp(fact->state, "Stable") == 0;
    }
}

static void
offset_told(void *user, struct view topic, int32_t partition, int64_t offset, int64_t commit_ms)
{
    struct told *t = user;
    assert_true(topic.len > 0 && partition >= 0 && commit_ms > 0);
    t->offsets++;
    t->sum += offset;
}

static void
every_bucket_tells_its_groups_with_their_offsets(void **state)
{
    struct fixture *f = fx_new();
    struct told t = {0};
    struct group_sink sink = {group_told, offset_told, &t};
    uint32_t buckets = group_list_bucket(f->s, 0, &sink);
    assert_int_equal(t.groups, 0);
    char *id = fx_stable(f, "g");
    fx_commit(f, "h", 0, 40);
    fx_commit(f, "h", 1, 2);
    buckets = group_list_bucket(f->s, UINT32_MAX, &sink);
    assert_int_equal(t.groups, 0);
    for (uint32_t i = 0; i < buckets; i++)
        assert_int_equal(group_list_bucket(f->s, i, &sink), buckets);
    assert_int_equal(t.groups, 2);
    assert_int_equal(t.members, 1);
    assert_int_equal(t.offsets, 2);
    assert_int_equal(t.sum, 42);
    assert_true(t.stable);
    free(id);
    fx_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bucket_tells_its_groups_with_their_offsets),
        cmocka_unit_test(groups_are_listed_by_state_and_type_whatever_the_case),
        cmocka_unit_test(a_stable_group_is_described_with_metadata_and_assignment),
        cmocka_unit_test(a_group_that_is_not_there_is_dead_and_from_version_6_an_error),
        cmocka_unit_test(only_a_group_without_members_is_deleted_with_all_its_offsets),
        cmocka_unit_test(groups_of_the_consumer_protocol_are_listed_as_such),
        cmocka_unit_test(a_group_of_the_consumer_protocol_is_dead_to_describe_groups),
        cmocka_unit_test(a_group_of_the_consumer_protocol_is_deleted_with_offsets_once_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
