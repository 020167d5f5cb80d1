/* Which requests reach which coordinator, and what happens around them. */
#include "core/base/javahash.h"
#include "tests/unit/control/server/coords_fixture.h"

static void
there_is_no_coordinator_before_its_topic(void **state)
{
    (void)state;
    struct coords_fixture *c = coords_new();
    int16_t error;
    coords_turns(c, 3);
    (void)coords_offset(c, 0, 1, "g", "t", &error);
    assert_int_equal(error, KERR_NOT_COORDINATOR);
    coords_free(c);
}

static void
partitions_that_are_not_loaded_in_time_say_so(void **state)
{
    (void)state;
    struct coords_fixture *c = coords_new();
    struct wire_offset_fetch_request request = {.group_id = view_of_text("g")};
    struct wire_offset_fetch_response response;
    int16_t error;
    coords_topic(c);
    coords_open(c);
    coords_turns(c, 3); /* no shard has opened a connection yet */
    assert_int_equal(coords_send(c, 1, WIRE_API_OFFSET_FETCH, 7, &request), ERR_OK);
    coords_turns(c, SERVER_COORD_EARLY_MS);
    coords_expect(c, 0, 1, WIRE_API_OFFSET_FETCH, 7, &response);
    assert_int_equal(response.error_code, KERR_COORDINATOR_LOAD_IN_PROGRESS);
    coords_connect(c);
    coords_turns(c, 120);
    (void)coords_offset(c, 1, 2, "g", "t", &error);
    assert_int_equal(error, KERR_NONE);
    coords_free(c);
}

static void
a_commit_is_answered_once_its_record_is_durable(void **state)
{
    (void)state;
    struct coords_fixture *c = coords_active();
    int16_t error;
    struct wire_offset_commit_response response;
    c->hold = true;
    coords_commit(c, 1, "g", "t", 42);
    coords_turns(c, 3);
    assert_int_equal(c->appends, 1);
    assert_int_equal(c->answer_count, 0);
    c->hold = false;
    coords_turns(c, 1);
    coords_expect(c, 0, 1, WIRE_API_OFFSET_COMMIT, 8, &response);
    assert_int_equal(response.topics.items[0].partitions.items[0].error_code, KERR_NONE);
    assert_int_equal(coords_offset(c, 1, 2, "g", "t", &error), 42);
    coords_free(c);
}

/* Names of groups that are in different partitions of four. */
static const char *const groups[] = {"a", "b", "c"};

static void
several_groups_are_described_in_the_order_of_the_request(void **state)
{
    (void)state;
    struct coords_fixture *c = coords_active();
    struct view names[] = {view_of_text("c"), view_of_text("a"), view_of_text("nobody"),
                           view_of_text("b")};
    struct wire_describe_groups_request request = {.groups = {names, 4}};
    struct wire_describe_groups_response response;
    assert_true(javahash_partition(names[0], 4) != javahash_partition(names[1], 4));
    for (uint32_t i = 0; i < 3; i++)
        coords_commit(c, i, groups[i], "t", 7);
    coords_turns(c, 3);
    assert_int_equal(c->answer_count, 3);
    assert_int_equal(coords_send(c, 9, WIRE_API_DESCRIBE_GROUPS, 6, &request), ERR_OK);
    assert_int_equal(c->answer_count, 4);
    coords_expect(c, 3, 9, WIRE_API_DESCRIBE_GROUPS, 6, &response);
    assert_int_equal(response.groups.count, 4);
    for (int32_t i = 0; i < 4; i++) {
        assert_true(view_equal(response.groups.items[i].group_id, names[i]));
        assert_int_equal(response.groups.items[i].error_code,
                         i == 2 ? KERR_GROUP_ID_NOT_FOUND : KERR_NONE);
    }
    coords_free(c);
}

static void
groups_of_all_partitions_are_listed(void **state)
{
    (void)state;
    struct coords_fixture *c = coords_active();
    struct wire_list_groups_request request = {0};
    struct wire_list_groups_response response;
    for (uint32_t i = 0; i < 3; i++)
        coords_commit(c, i, groups[i], "t", 7);
    coords_turns(c, 3);
    assert_int_equal(coords_send(c, 9, WIRE_API_LIST_GROUPS, 5, &request), ERR_OK);
    coords_expect(c, 3, 9, WIRE_API_LIST_GROUPS, 5, &response);
    assert_int_equal(response.error_code, KERR_NONE);
    assert_int_equal(response.groups.count, 3);
    coords_free(c);
}

static void
a_broker_without_groups_lists_none(void **state)
{
    (void)state;
    struct coords_fixture *c = coords_new();
    struct wire_list_groups_request request = {0};
    struct wire_list_groups_response response;
    coords_turns(c, 1);
    assert_int_equal(coords_send(c, 9, WIRE_API_LIST_GROUPS, 5, &request), ERR_OK);
    coords_expect(c, 0, 9, WIRE_API_LIST_GROUPS, 5, &response);
    assert_int_equal(response.error_code, KERR_NONE);
    assert_int_equal(response.groups.count, 0);
    coords_free(c);
}

static void
requests_for_others_are_left_to_them(void **state)
{
    (void)state;
    struct coords_fixture *c = coords_new();
    struct wire_describe_cluster_request request = {.endpoint_type = 1};
    assert_int_equal(coords_send(c, 1, WIRE_API_DESCRIBE_CLUSTER, 1, &request), ERR_NOT_FOUND);
    coords_free(c);
}

/* One member that waits for the first rebalance to end. */
static void
join(struct coords_fixture *c, uint64_t token)
{
    struct wire_join_group_request_protocol protocol = {view_of_text("range"), view_of_text("m")};
    struct wire_join_group_request request = {.group_id = view_of_text("g"),
                                              .session_timeout_ms = 10000,
                                              .rebalance_timeout_ms = 10000,
                                              .member_id = view_of_text(""),
                                              .protocol_type = view_of_text("consumer"),
                                              .protocols = {&protocol, 1}};
    assert_int_equal(coords_send(c, token, WIRE_API_JOIN_GROUP, 2, &request), ERR_OK);
}

static void
a_member_is_shown_with_its_address_as_java_prints_it(void **state)
{
    (void)state;
    struct coords_fixture *c = coords_active();
    struct view name = view_of_text("g");
    struct wire_describe_groups_request request = {.groups = {&name, 1}};
    struct wire_describe_groups_response response;
    join(c, 1);
    coords_turns(c, 5);
    assert_int_equal(coords_send(c, 2, WIRE_API_DESCRIBE_GROUPS, 3, &request), ERR_OK);
    coords_expect(c, c->answer_count - 1, 2, WIRE_API_DESCRIBE_GROUPS, 3, &response);
    assert_int_equal(response.groups.items[0].members.count, 1);
    assert_true(view_equal(response.groups.items[0].members.items[0].client_host,
                           view_of_text("/127.0.0.1")));
    coords_free(c);
}

static void
a_restarted_dataplane_ends_what_waits(void **state)
{
    (void)state;
    struct coords_fixture *c = coords_active();
    struct wire_join_group_response response;
    c->hold = true;
    join(c, 1);
    coords_turns(c, 5);
    assert_int_equal(c->answer_count, 0);
    server_coords_restarted(c->coords);
    coords_expect(c, 0, 1, WIRE_API_JOIN_GROUP, 2, &response);
    assert_int_equal(response.error_code, KERR_NOT_COORDINATOR);
    coords_free(c);
}

static void
offsets_of_a_deleted_topic_go(void **state)
{
    (void)state;
    struct coords_fixture *c = coords_active();
    int16_t error;
    coords_commit(c, 1, "g", "gone", 5);
    coords_commit(c, 2, "g", "t", 6);
    coords_turns(c, 3);
    server_coords_deleted(c->coords, view_of_text("gone"), c->now_ms);
    coords_turns(c, 3);
    assert_int_equal(c->appends, 2); /* both commits in one, and the tombstone */
    assert_int_equal(coords_offset(c, 2, 3, "g", "gone", &error), -1);
    assert_int_equal(coords_offset(c, 3, 4, "g", "t", &error), 6);
    coords_free(c);
}

static void
a_topic_that_was_made_anew_has_none_of_the_old_state(void **state)
{
    (void)state;
    struct coords_fixture *c = coords_active();
    int16_t error;
    coords_commit(c, 1, "g", "t", 5);
    coords_turns(c, 3);
    struct view name = view_of_text("__consumer_offsets");
    struct wire_delete_topics_request request = {.topic_names = {&name, 1}, .timeout_ms = 1000};
    struct wire_delete_topics_response response;
    core_fixture_ask(c->f, WIRE_API_DELETE_TOPICS, 5, &request, &response);
    coords_topic(c); /* before the coordinators look again */
    coords_open(c);
    coords_turns(c, 200);
    assert_int_equal(coords_offset(c, 1, 2, "g", "t", &error), -1);
    assert_int_equal(error, KERR_NONE);
    coords_free(c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_is_no_coordinator_before_its_topic),
        cmocka_unit_test(partitions_that_are_not_loaded_in_time_say_so),
        cmocka_unit_test(a_commit_is_answered_once_its_record_is_durable),
        cmocka_unit_test(several_groups_are_described_in_the_order_of_the_request),
        cmocka_unit_test(groups_of_all_partitions_are_listed),
        cmocka_unit_test(a_broker_without_groups_lists_none),
        cmocka_unit_test(requests_for_others_are_left_to_them),
        cmocka_unit_test(a_member_is_shown_with_its_address_as_java_prints_it),
        cmocka_unit_test(a_restarted_dataplane_ends_what_waits),
        cmocka_unit_test(offsets_of_a_deleted_topic_go),
        cmocka_unit_test(a_topic_that_was_made_anew_has_none_of_the_old_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
