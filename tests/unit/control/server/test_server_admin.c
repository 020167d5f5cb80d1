#include "tests/unit/control/server/core_fixture.h"

enum { NODE = 7 };

typedef struct wire_elect_leaders_request_topic_partitions elect_in;
typedef struct wire_alter_partition_reassignments_request_reassignable_partition move_in;

static void
a_partition_that_has_its_leader_needs_no_election(void **state)
{
    struct core_fixture *f = core_fixture_new();
    int32_t parts[] = {0, 5}, first[] = {0};
    elect_in topics[] = {{view_of_text("t"), {parts, 2}}, {view_of_text("none"), {first, 1}}};
    core_fixture_create(f, "t", 1);
    for (int16_t version = 0; version <= 2; version++) {
        struct wire_elect_leaders_request q = {.topic_partitions = {topics, 2}};
        struct wire_elect_leaders_response r;
        core_fixture_ask(f, WIRE_API_ELECT_LEADERS, version, &q, &r);
        assert_int_equal(r.error_code, KERR_NONE);
        assert_int_equal(r.replica_election_results.count, 2);
        struct wire_elect_leaders_response_partition_result *p =
            r.replica_election_results.items[0].partition_result.items;
        assert_int_equal(p[0].error_code, KERR_ELECTION_NOT_NEEDED);
        assert_view(p[0].error_message, "Leader election not needed for topic partition.");
        assert_int_equal(p[1].error_code, KERR_UNKNOWN_TOPIC_OR_PARTITION);
        assert_view(p[1].error_message, "No such partition as t-5");
        p = r.replica_election_results.items[1].partition_result.items;
        assert_view(p[0].error_message, "No such topic as none");
    }
    core_fixture_free(f);
}

static void
an_election_of_everything_names_topics_without_partitions(void **state)
{
    struct core_fixture *f = core_fixture_new();
    struct wire_elect_leaders_request q = {.election_type = 1, .topic_partitions = {NULL, -1}};
    struct wire_elect_leaders_response r;
    core_fixture_create(f, "a", 2);
    core_fixture_create(f, "b", 2);
    core_fixture_ask(f, WIRE_API_ELECT_LEADERS, 2, &q, &r);
    assert_int_equal(r.replica_election_results.count, 2);
    assert_int_equal(r.replica_election_results.items[1].partition_result.count, 0);
    q.election_type = 5;
    core_fixture_ask(f, WIRE_API_ELECT_LEADERS, 2, &q, &r);
    assert_int_equal(r.error_code, KERR_INVALID_REQUEST);
    assert_int_equal(r.replica_election_results.count, 0);
    core_fixture_free(f);
}

/* Moves partition `p` of a topic, replicas NULL: ends its reassignment. */
static int16_t
move(struct core_fixture *f, const char *topic, int32_t p, int32_t *replicas, int32_t count,
     struct view *text)
{
    move_in part = {.partition_index = p, .replicas = {replicas, replicas ? count : -1}};
    struct wire_alter_partition_reassignments_request_reassignable_topic t = {view_of_text(topic),
                                                                              {&part, 1}};
    struct wire_alter_partition_reassignments_request q = {.allow_replication_factor_change = true,
                                                           .topics = {&t, 1}};
    struct wire_alter_partition_reassignments_response r;
    core_fixture_ask(f, WIRE_API_ALTER_PARTITION_REASSIGNMENTS, 1, &q, &r);
    assert_int_equal(r.error_code, KERR_NONE);
    *text = r.responses.items[0].partitions.items[0].error_message;
    return r.responses.items[0].partitions.items[0].error_code;
}

static void
only_a_reassignment_to_the_broker_that_there_is_succeeds(void **state)
{
    struct core_fixture *f = core_fixture_new();
    int32_t self[] = {NODE, NODE}, other[] = {NODE, 9};
    struct view text;
    core_fixture_create(f, "t", 1);
    assert_int_equal(move(f, "t", 0, self, 1, &text), KERR_NONE);
    assert_null(text.at);
    assert_int_equal(move(f, "t", 0, self, 2, &text), KERR_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(move(f, "t", 0, other, 2, &text), KERR_INVALID_REPLICA_ASSIGNMENT);
    assert_view(text, "The manual partition assignment includes broker 9, but no such broker is "
                      "registered.");
    assert_int_equal(move(f, "t", 0, self, 0, &text), KERR_INVALID_REPLICA_ASSIGNMENT);
    assert_int_equal(move(f, "t", 0, NULL, 0, &text), KERR_NO_REASSIGNMENT_IN_PROGRESS);
    assert_null(text.at);
    assert_int_equal(move(f, "t", 1, self, 1, &text), KERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_view(text, "Unable to find partition t:1.");
    assert_int_equal(move(f, "x", 0, self, 1, &text), KERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_view(text, "Unable to find a topic named x.");
    core_fixture_free(f);
}

static void
no_reassignment_is_ever_under_way(void **state)
{
    struct core_fixture *f = core_fixture_new();
    struct wire_list_partition_reassignments_request q = {.topics = {NULL, -1}};
    struct wire_list_partition_reassignments_response r;
    core_fixture_create(f, "t", 1);
    core_fixture_ask(f, WIRE_API_LIST_PARTITION_REASSIGNMENTS, 0, &q, &r);
    assert_int_equal(r.error_code, KERR_NONE);
    assert_null(r.error_message.at);
    assert_int_equal(r.topics.count, 0);
    core_fixture_free(f);
}

static void
a_broker_that_runs_is_not_unregistered(void **state)
{
    struct core_fixture *f = core_fixture_new();
    struct wire_unregister_broker_request q = {.broker_id = NODE};
    struct wire_unregister_broker_response r;
    core_fixture_ask(f, WIRE_API_UNREGISTER_BROKER, 0, &q, &r);
    assert_int_equal(r.error_code, KERR_INVALID_REQUEST);
    q.broker_id = 9;
    core_fixture_ask(f, WIRE_API_UNREGISTER_BROKER, 0, &q, &r);
    assert_int_equal(r.error_code, KERR_BROKER_ID_NOT_REGISTERED);
    assert_view(r.error_message, "Broker ID 9 is not currently registered");
    core_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_partition_that_has_its_leader_needs_no_election),
        cmocka_unit_test(an_election_of_everything_names_topics_without_partitions),
        cmocka_unit_test(only_a_reassignment_to_the_broker_that_there_is_succeeds),
        cmocka_unit_test(no_reassignment_is_ever_under_way),
        cmocka_unit_test(a_broker_that_runs_is_not_unregistered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
