#include "tests/unit/control/group/group_fixture.h"

static void
offset_epoch_and_metadata_come_back_as_committed(void **state)
{
    struct fixture *f = fx_new();
    fx_commit_as(f, "g", &(struct committing){.offset = 5, .metadata = "meta", .partition = 2});
    struct wire_offset_fetch_request q;
    wire_init(&wire_offset_fetch_request_message, &q);
    int32_t partitions[] = {2, 3};
    struct wire_offset_fetch_request_topic t = {.name = view_of_text("t1"),
                                                .partition_indexes = {partitions, 2}};
    q.group_id = view_of_text("g");
    q.topics.items = &t;
    q.topics.count = 1;
    const struct wire_offset_fetch_response *a =
        fx_answer(f, fx_send(f, WIRE_API_OFFSET_FETCH, 7, &q));
    const struct wire_offset_fetch_response_partition *p = a->topics.items[0].partitions.items;
    assert_int_equal(p[0].committed_offset, 5);
    assert_int_equal(p[0].committed_leader_epoch, 7);
    assert_true(view_equal(p[0].metadata, view_of_text("meta")));
    assert_int_equal(p[1].committed_offset, -1);
    assert_int_equal(p[1].error_code, 0);
    fx_free(f);
}

static void
without_topics_all_offsets_of_the_group_come(void **state)
{
    struct fixture *f = fx_new();
    fx_commit(f, "g", 0, 1);
    fx_commit(f, "g", 3, 2);
    fx_commit_as(f, "g", &(struct committing){.topic = "t2", .offset = 3});
    struct wire_offset_fetch_request q;
    wire_init(&wire_offset_fetch_request_message, &q);
    q.group_id = view_of_text("g");
    q.topics.count = -1;
    const struct wire_offset_fetch_response *a =
        fx_answer(f, fx_send(f, WIRE_API_OFFSET_FETCH, 5, &q));
    assert_int_equal(a->topics.count, 2);
    assert_int_equal(a->topics.items[0].partitions.count + a->topics.items[1].partitions.count, 3);
    struct wire_offset_fetch_request_group g[2] = {
        {.group_id = view_of_text("g"), .member_epoch = -1, .topics = {.count = -1}},
        {.group_id = view_of_text("none"), .member_epoch = -1, .topics = {.count = -1}}};
    wire_init(&wire_offset_fetch_request_message, &q);
    q.groups.items = g;
    q.groups.count = 2;
    f->topic_gone = true; /* version 10 leaves out what has no id any more */
    a = fx_answer(f, fx_send(f, WIRE_API_OFFSET_FETCH, 10, &q));
    assert_int_equal(a->groups.items[0].topics.count, 1);
    assert_int_equal(a->groups.items[0].topics.items[0].topic_id[0], 2);
    assert_int_equal(a->groups.items[1].topics.count, 0);
    assert_int_equal(a->groups.items[1].error_code, 0);
    fx_free(f);
}

static void
an_unknown_topic_id_is_an_error_of_its_partitions(void **state)
{
    struct fixture *f = fx_new();
    struct wire_offset_fetch_request q;
    wire_init(&wire_offset_fetch_request_message, &q);
    int32_t partition = 0;
    struct wire_offset_fetch_request_topics t = {.name = view_of_text(""),
                                                 .partition_indexes = {&partition, 1}};
    struct wire_offset_fetch_request_group g = {
        .group_id = view_of_text("g"), .member_epoch = -1, .topics = {&t, 1}};
    q.groups.items = &g;
    q.groups.count = 1;
    const struct wire_offset_fetch_response *a =
        fx_answer(f, fx_send(f, WIRE_API_OFFSET_FETCH, 10, &q));
    assert_int_equal(a->groups.items[0].topics.items[0].partitions.items[0].error_code,
                     KERR_UNKNOWN_TOPIC_ID);
    fx_free(f);
}

static void
an_offset_of_a_former_topic_of_that_name_is_none(void **state)
{
    struct fixture *f = fx_new();
    struct group *g = group_need(f->s, view_of_text("g"));
    struct group_offset o = {.offset = 5};
    memset(o.topic_id, 7, sizeof o.topic_id); /* "t1" has the id of ones now */
    group_offsets_put(&g->offsets, view_of_text("t1"), &o);
    struct wire_offset_fetch_request q;
    wire_init(&wire_offset_fetch_request_message, &q);
    int32_t partition = 0;
    struct wire_offset_fetch_request_topics t = {.name = view_of_text(""),
                                                 .partition_indexes = {&partition, 1}};
    memset(t.topic_id, 1, sizeof t.topic_id);
    struct wire_offset_fetch_request_group asked = {
        .group_id = view_of_text("g"), .member_epoch = -1, .topics = {&t, 1}};
    q.groups.items = &asked;
    q.groups.count = 1;
    const struct wire_offset_fetch_response *a =
        fx_answer(f, fx_send(f, WIRE_API_OFFSET_FETCH, 10, &q));
    const struct wire_offset_fetch_response_partitions *p =
        a->groups.items[0].topics.items[0].partitions.items;
    assert_int_equal(p->committed_offset, -1);
    assert_int_equal(p->error_code, 0);
    assert_int_equal(fx_fetch(f, "g", 0, false), 5); /* asked by name */
    fx_free(f);
}

static int16_t
offset_delete(struct fixture *f, const char *group, const char *topic)
{
    struct wire_offset_delete_request q;
    wire_init(&wire_offset_delete_request_message, &q);
    struct wire_offset_delete_request_partition p = {0};
    struct wire_offset_delete_request_topic t = {view_of_text(topic), {&p, 1}};
    q.group_id = view_of_text(group);
    q.topics.items = &t;
    q.topics.count = 1;
    const struct wire_offset_delete_response *a =
        fx_answer(f, fx_send(f, WIRE_API_OFFSET_DELETE, 0, &q));
    return a->error_code ? a->error_code : a->topics.items[0].partitions.items[0].error_code;
}

static void
an_offset_is_deleted_also_out_of_a_transaction(void **state)
{
    struct fixture *f = fx_new();
    fx_commit(f, "g", 0, 1);
    fx_commit(f, "g", 1, 1);
    fx_txn_commit(f, "g", 5, 0, 2);
    assert_int_equal(offset_delete(f, "g", "t1"), 0);
    fx_marker(f, 5, true);
    assert_int_equal(fx_fetch(f, "g", 0, true), -1);
    assert_int_equal(fx_fetch(f, "g", 1, true), 1);
    assert_int_equal(offset_delete(f, "none", "t1"), KERR_GROUP_ID_NOT_FOUND);
    assert_int_equal(offset_delete(f, "", "t1"), KERR_INVALID_GROUP_ID);
    assert_int_equal(offset_delete(f, "g", "t9"), KERR_UNKNOWN_TOPIC_OR_PARTITION);
    fx_free(f);
}

static void
offsets_of_subscribed_topics_and_of_strange_groups_stay(void **state)
{
    struct fixture *f = fx_new();
    char *id = fx_stable(f, "g"); /* its subscription cannot be read: to everything */
    assert_int_equal(offset_delete(f, "g", "t1"), KERR_GROUP_SUBSCRIBED_TO_TOPIC);
    fx_join_as(f, "h", &(struct joining){.version = 3, .type = "connect"});
    assert_int_equal(offset_delete(f, "h", "t1"), KERR_NON_EMPTY_GROUP);
    free(id);
    fx_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offset_epoch_and_metadata_come_back_as_committed),
        cmocka_unit_test(without_topics_all_offsets_of_the_group_come),
        cmocka_unit_test(an_unknown_topic_id_is_an_error_of_its_partitions),
        cmocka_unit_test(an_offset_of_a_former_topic_of_that_name_is_none),
        cmocka_unit_test(an_offset_is_deleted_also_out_of_a_transaction),
        cmocka_unit_test(offsets_of_subscribed_topics_and_of_strange_groups_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
