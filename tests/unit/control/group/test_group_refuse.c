#include "tests/unit/control/group/group_fixture.h"

static void *
refused(struct fixture *f, int16_t api, int16_t version, const void *body, int16_t error)
{
    uint64_t token = f->sent_count++;
    f->sent[token] = (struct sent){wire_api_find(api), version, {0}};
    struct coord_request r = {
        .token = token, .api = f->sent[token].api, .version = version, .body = body};
    wire_arena_reset(&f->arena);
    group_refuse(&f->step, &r, error);
    return fx_answer(f, token);
}

static void
every_api_has_an_answer_in_every_version(void **state)
{
    static const int16_t apis[] = {WIRE_API_JOIN_GROUP,
                                   WIRE_API_SYNC_GROUP,
                                   WIRE_API_HEARTBEAT,
                                   WIRE_API_LEAVE_GROUP,
                                   WIRE_API_OFFSET_COMMIT,
                                   WIRE_API_TXN_OFFSET_COMMIT,
                                   WIRE_API_OFFSET_FETCH,
                                   WIRE_API_OFFSET_DELETE,
                                   WIRE_API_DELETE_GROUPS,
                                   WIRE_API_DESCRIBE_GROUPS,
                                   WIRE_API_LIST_GROUPS,
                                   WIRE_API_CONSUMER_GROUP_HEARTBEAT,
                                   WIRE_API_CONSUMER_GROUP_DESCRIBE};
    struct fixture *f = fx_new();
    static uint64_t body[512];
    for (size_t i = 0; i < sizeof apis / sizeof *apis; i++) {
        const struct wire_api *api = wire_api_find(apis[i]);
        for (int16_t v = api->version_min; v <= api->version_max; v++) {
            wire_init(api->request, body);
            assert_non_null(refused(f, apis[i], v, body, KERR_NOT_COORDINATOR));
        }
    }
    fx_free(f);
}

static void
an_error_stands_at_each_partition_that_has_no_other_place_for_it(void **state)
{
    struct fixture *f = fx_new();
    struct wire_offset_commit_request c;
    wire_init(&wire_offset_commit_request_message, &c);
    struct wire_offset_commit_request_partition cp[2] = {{.partition_index = 1},
                                                         {.partition_index = 2}};
    struct wire_offset_commit_request_topic ct = {.name = view_of_text("t"), .partitions = {cp, 2}};
    c.topics.items = &ct;
    c.topics.count = 1;
    const struct wire_offset_commit_response *a =
        refused(f, WIRE_API_OFFSET_COMMIT, 9, &c, KERR_NOT_COORDINATOR);
    assert_int_equal(a->topics.items[0].partitions.count, 2);
    assert_int_equal(a->topics.items[0].partitions.items[1].partition_index, 2);
    assert_int_equal(a->topics.items[0].partitions.items[1].error_code, KERR_NOT_COORDINATOR);
    struct wire_txn_offset_commit_request t;
    wire_init(&wire_txn_offset_commit_request_message, &t);
    struct wire_txn_offset_commit_request_partition tp = {.partition_index = 3};
    struct wire_txn_offset_commit_request_topic tt = {view_of_text("t"), {&tp, 1}};
    t.topics.items = &tt;
    t.topics.count = 1;
    const struct wire_txn_offset_commit_response *b =
        refused(f, WIRE_API_TXN_OFFSET_COMMIT, 3, &t, KERR_NOT_COORDINATOR);
    assert_int_equal(b->topics.items[0].partitions.items[0].error_code, KERR_NOT_COORDINATOR);
    struct wire_offset_fetch_request q;
    wire_init(&wire_offset_fetch_request_message, &q);
    int32_t partition = 4;
    struct wire_offset_fetch_request_topic qt = {view_of_text("t"), {&partition, 1}};
    q.topics.items = &qt;
    q.topics.count = 1;
    const struct wire_offset_fetch_response *d =
        refused(f, WIRE_API_OFFSET_FETCH, 1, &q, KERR_NOT_COORDINATOR);
    assert_int_equal(d->topics.items[0].partitions.items[0].error_code, KERR_NOT_COORDINATOR);
    d = refused(f, WIRE_API_OFFSET_FETCH, 7, &q, KERR_NOT_COORDINATOR);
    assert_int_equal(d->error_code, KERR_NOT_COORDINATOR);
    fx_free(f);
}

static void
an_error_stands_at_each_group_that_was_named(void **state)
{
    struct fixture *f = fx_new();
    struct view names[2] = {view_of_text("g"), view_of_text("h")};
    struct wire_delete_groups_request q;
    wire_init(&wire_delete_groups_request_message, &q);
    q.groups_names = (struct wire_string_array){names, 2};
    const struct wire_delete_groups_response *a =
        refused(f, WIRE_API_DELETE_GROUPS, 2, &q, KERR_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(a->results.count, 2);
    assert_true(view_equal(a->results.items[1].group_id, names[1]));
    assert_int_equal(a->results.items[1].error_code, KERR_COORDINATOR_NOT_AVAILABLE);
    fx_free(f);
}

static void
a_heartbeat_to_a_group_that_is_being_loaded_is_no_error(void **state)
{
    struct fixture *f = fx_new();
    struct wire_heartbeat_request q;
    wire_init(&wire_heartbeat_request_message, &q);
    const struct wire_heartbeat_response *a =
        refused(f, WIRE_API_HEARTBEAT, 4, &q, KERR_COORDINATOR_LOAD_IN_PROGRESS);
    assert_int_equal(a->error_code, 0);
    a = refused(f, WIRE_API_HEARTBEAT, 4, &q, KERR_NOT_COORDINATOR);
    assert_int_equal(a->error_code, KERR_NOT_COORDINATOR);
    fx_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_api_has_an_answer_in_every_version),
        cmocka_unit_test(an_error_stands_at_each_partition_that_has_no_other_place_for_it),
        cmocka_unit_test(an_error_stands_at_each_group_that_was_named),
        cmocka_unit_test(a_heartbeat_to_a_group_that_is_being_loaded_is_no_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
