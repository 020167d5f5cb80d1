#include "tests/unit/control/server/core_fixture.h"

static void
a_group_is_coordinated_by_this_node_at_its_advertised_address(void **state)
{
    struct core_fixture *f = core_fixture_new();
    struct wire_find_coordinator_request request = {.key = view_of_text("g")};
    struct wire_find_coordinator_response response;
    for (int16_t version = 0; version < 4; version++) {
        core_fixture_ask(f, WIRE_API_FIND_COORDINATOR, version, &request, &response);
        assert_int_equal(response.error_code, KERR_NONE);
        assert_int_equal(response.node_id, 7);
        assert_int_equal(response.port, 9999);
        assert_true(view_equal(response.host, view_of_text("kafka.example")));
    }
    core_fixture_free(f);
}

static void
several_keys_of_one_request_are_answered_in_order(void **state)
{
    struct core_fixture *f = core_fixture_new();
    struct view keys[] = {view_of_text("a"), view_of_text("b")};
    struct wire_find_coordinator_request request = {.key_type = 1, .coordinator_keys = {keys, 2}};
    struct wire_find_coordinator_response response;
    core_fixture_ask(f, WIRE_API_FIND_COORDINATOR, 6, &request, &response);
    assert_int_equal(response.coordinators.count, 2);
    for (int i = 0; i < 2; i++) {
        assert_true(view_equal(response.coordinators.items[i].key, keys[i]));
        assert_int_equal(response.coordinators.items[i].error_code, KERR_NONE);
        assert_int_equal(response.coordinators.items[i].node_id, 7);
    }
    core_fixture_free(f);
}

static void
a_kind_of_coordinator_that_is_not_there_is_an_invalid_request(void **state)
{
    struct core_fixture *f = core_fixture_new();
    struct view key = view_of_text("g:t:0");
    struct wire_find_coordinator_request request = {.key_type = 2, .coordinator_keys = {&key, 1}};
    struct wire_find_coordinator_response response;
    core_fixture_ask(f, WIRE_API_FIND_COORDINATOR, 6, &request, &response);
    assert_int_equal(response.coordinators.items[0].error_code, KERR_INVALID_REQUEST);
    assert_int_equal(response.coordinators.items[0].node_id, -1);
    core_fixture_free(f);
}

static bool
closed(void *user, const struct meta_topic *t, int32_t partition)
{
    (void)user, (void)partition;
    return strcmp(t->name, "__consumer_offsets") != 0;
}

static void
the_first_who_asks_creates_the_topic_and_waits_for_it(void **state)
{
    struct core_fixture *f = core_fixture_new();
    struct wire_find_coordinator_request request = {.key = view_of_text("g")};
    struct wire_find_coordinator_response response;
    f->core.open = closed;
    core_fixture_ask(f, WIRE_API_FIND_COORDINATOR, 3, &request, &response);
    const struct meta_topic *t =
        meta_topic_by_name(&f->core.image, view_of_text("__consumer_offsets"));
    assert_non_null(t);
    assert_int_equal(t->partition_count, 50);
    assert_int_equal(f->result.wait_count, 1);
    assert_int_equal(f->result.wait_rows[0], t->row);
    assert_int_equal(f->result.wait_ms, SERVER_OPEN_WAIT_MS);
    assert_int_equal(response.error_code, KERR_NONE);
    core_fixture_ask(f, WIRE_API_FIND_COORDINATOR, 3, &request, &response);
    assert_int_equal(f->appends, 1); /* it is there */
    core_fixture_free(f);
}

static void
a_partition_that_no_shard_serves_has_no_coordinator(void **state)
{
    struct core_fixture *f = core_fixture_new();
    struct view key = view_of_text("g");
    struct wire_find_coordinator_request request = {.coordinator_keys = {&key, 1}};
    struct wire_find_coordinator_response response;
    core_fixture_ask(f, WIRE_API_FIND_COORDINATOR, 6, &request, &response);
    f->core.open = closed;
    core_fixture_ask(f, WIRE_API_FIND_COORDINATOR, 6, &request, &response);
    assert_int_equal(response.coordinators.items[0].error_code, KERR_COORDINATOR_NOT_AVAILABLE);
    assert_int_equal(response.coordinators.items[0].node_id, -1);
    core_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_group_is_coordinated_by_this_node_at_its_advertised_address),
        cmocka_unit_test(several_keys_of_one_request_are_answered_in_order),
        cmocka_unit_test(the_first_who_asks_creates_the_topic_and_waits_for_it),
        cmocka_unit_test(a_partition_that_no_shard_serves_has_no_coordinator),
        cmocka_unit_test(a_kind_of_coordinator_that_is_not_there_is_an_invalid_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
