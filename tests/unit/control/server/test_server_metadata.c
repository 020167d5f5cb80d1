#include "tests/unit/control/server/core_fixture.h"

typedef struct wire_metadata_request_topic topic_in;

static struct wire_metadata_response
metadata(struct core_fixture *f, int16_t version, topic_in *topics, int32_t count, bool create)
{
    struct wire_metadata_request request = {.topics = {topics, count},
                                            .allow_auto_topic_creation = create || version < 4};
    struct wire_metadata_response response;
    core_fixture_ask(f, WIRE_API_METADATA, version, &request, &response);
    return response;
}

static void
every_version_names_the_broker_and_all_topics(void **state)
{
    struct core_fixture *f = core_fixture_new();
    core_fixture_create(f, "a", 2);
    core_fixture_create(f, "b", 1);
    for (int16_t version = 0; version <= 13; version++) {
        struct wire_metadata_response r = metadata(f, version, NULL, version ? -1 : 0, false);
        assert_int_equal(r.brokers.count, 1);
        assert_int_equal(r.brokers.items[0].node_id, 7);
        assert_view(r.brokers.items[0].host, "kafka.example");
        assert_int_equal(r.brokers.items[0].port, 9999);
        assert_null(r.brokers.items[0].rack.at);
        assert_int_equal(r.topics.count, 2);
        assert_view(r.topics.items[0].name, "a");
        assert_int_equal(r.topics.items[0].partitions.count, 2);
        assert_int_equal(r.topics.items[0].partitions.items[1].partition_index, 1);
        assert_int_equal(r.topics.items[0].partitions.items[1].leader_id, 7);
        assert_int_equal(r.topics.items[0].partitions.items[1].isr_nodes.items[0], 7);
        if (version >= 2)
            assert_view(r.cluster_id, "abcdefghijklmnopqrstuv");
        if (version >= 1)
            assert_int_equal(r.controller_id, 7);
        assert_int_equal(r.topics.items[0].topic_authorized_operations, INT32_MIN);
    }
    core_fixture_free(f);
}

static void
no_topics_from_version_1_on_means_none(void **state)
{
    struct core_fixture *f = core_fixture_new();
    core_fixture_create(f, "a", 1);
    assert_int_equal(metadata(f, 1, NULL, 0, false).topics.count, 0);
    assert_int_equal(metadata(f, 12, NULL, 0, false).topics.count, 0);
    core_fixture_free(f);
}

static void
an_unknown_topic_is_created_and_answered(void **state)
{
    struct core_fixture *f = core_fixture_new();
    topic_in in[] = {{.name = view_of_text("new")}, {.name = view_of_text("new")}};
    struct wire_metadata_response r = metadata(f, 12, in, 2, true);
    assert_int_equal(r.topics.count, 1);
    assert_int_equal(r.topics.items[0].error_code, KERR_NONE);
    assert_int_equal(r.topics.items[0].partitions.count, 3);
    assert_int_equal(f->result.wait_count, 1);
    assert_int_equal(f->appends, 1);
    core_fixture_free(f);
}

static void
an_unknown_topic_is_not_created_when_nobody_wants_it(void **state)
{
    struct core_fixture *f = core_fixture_new();
    char error[CONF_ERROR_BYTES];
    topic_in in[] = {{.name = view_of_text("new")}, {.name = view_of_text("x y")}};
    struct wire_metadata_response r = metadata(f, 12, in, 2, false);
    assert_int_equal(r.topics.items[0].error_code, KERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(r.topics.items[1].error_code, KERR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(conf_set(&f->conf, "auto.create.topics.enable", "false", CONF_OPTION, error),
                     ERR_OK);
    r = metadata(f, 12, in, 2, true);
    assert_int_equal(r.topics.items[0].error_code, KERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(f->appends, 0);
    core_fixture_free(f);
}

static void
a_topic_is_found_by_id_from_version_12_on(void **state)
{
    struct core_fixture *f = core_fixture_new();
    core_fixture_create(f, "a", 1);
    topic_in in[2] = {{.name = {0}}, {.topic_id = {0xff, 2}}};
    memcpy(in[0].topic_id, meta_topic_by_name(&f->core.image, view_of_text("a"))->id,
           META_ID_BYTES);
    struct wire_metadata_response r = metadata(f, 12, in, 2, true);
    uint32_t known = r.topics.items[0].error_code == KERR_NONE ? 0 : 1;
    assert_int_equal(r.topics.count, 2);
    assert_view(r.topics.items[known].name, "a");
    assert_int_equal(r.topics.items[1 - known].error_code, KERR_UNKNOWN_TOPIC_ID);
    assert_null(r.topics.items[1 - known].name.at);
    r = metadata(f, 10, in, 1, true);
    assert_int_equal(r.topics.items[0].error_code, KERR_INVALID_REQUEST);
    core_fixture_free(f);
}

static void
authorized_operations_are_told_when_asked(void **state)
{
    struct core_fixture *f = core_fixture_new();
    core_fixture_create(f, "a", 1);
    struct wire_metadata_request request = {.topics = {NULL, -1},
                                            .include_cluster_authorized_operations = true,
                                            .include_topic_authorized_operations = true};
    struct wire_metadata_response r;
    core_fixture_ask(f, WIRE_API_METADATA, 10, &request, &r);
    assert_int_equal(r.cluster_authorized_operations, 8096);
    assert_int_equal(r.topics.items[0].topic_authorized_operations, 3576);
    core_fixture_free(f);
}

static void
describe_cluster_names_this_node_and_its_rack(void **state)
{
    struct core_fixture *f = core_fixture_new();
    char error[CONF_ERROR_BYTES];
    assert_int_equal(conf_set(&f->conf, "broker.rack", "r1", CONF_OPTION, error), ERR_OK);
    for (int16_t version = 0; version <= 2; version++) {
        struct wire_describe_cluster_request request = {.endpoint_type = 1};
        struct wire_describe_cluster_response r;
        core_fixture_ask(f, WIRE_API_DESCRIBE_CLUSTER, version, &request, &r);
        assert_int_equal(r.error_code, KERR_NONE);
        assert_int_equal(r.controller_id, 7);
        assert_view(r.cluster_id, "abcdefghijklmnopqrstuv");
        assert_int_equal(r.brokers.items[0].port, 9999);
        assert_view(r.brokers.items[0].rack, "r1");
        assert_int_equal(r.cluster_authorized_operations, INT32_MIN);
    }
    struct wire_describe_cluster_request request = {.endpoint_type = 2};
    struct wire_describe_cluster_response r;
    core_fixture_ask(f, WIRE_API_DESCRIBE_CLUSTER, 1, &request, &r);
    assert_int_equal(r.error_code, KERR_MISMATCHED_ENDPOINT_TYPE);
    core_fixture_free(f);
}

static struct wire_describe_topic_partitions_response
describe(struct core_fixture *f, int32_t limit, const char *topic, int32_t partition)
{
    struct wire_describe_topic_partitions_request_cursor cursor = {view_of_text(topic ? topic : ""),
                                                                   partition};
    struct wire_describe_topic_partitions_request request = {.response_partition_limit = limit,
                                                             .cursor = topic ? &cursor : NULL};
    struct wire_describe_topic_partitions_response response;
    core_fixture_ask(f, WIRE_API_DESCRIBE_TOPIC_PARTITIONS, 0, &request, &response);
    return response;
}

static void
partitions_are_described_page_by_page(void **state)
{
    struct core_fixture *f = core_fixture_new();
    core_fixture_create(f, "b", 2);
    core_fixture_create(f, "a", 3);
    struct wire_describe_topic_partitions_response r = describe(f, 2, NULL, 0);
    assert_int_equal(r.topics.count, 1);
    assert_view(r.topics.items[0].name, "a");
    assert_int_equal(r.topics.items[0].partitions.count, 2);
    assert_int_equal(r.topics.items[0].topic_authorized_operations, 3576);
    assert_view(r.next_cursor->topic_name, "a");
    assert_int_equal(r.next_cursor->partition_index, 2);
    r = describe(f, 1, "a", 2);
    assert_int_equal(r.topics.items[0].partitions.items[0].partition_index, 2);
    assert_view(r.next_cursor->topic_name, "b");
    assert_int_equal(r.next_cursor->partition_index, 0);
    r = describe(f, 100, "b", 0);
    assert_int_equal(r.topics.count, 1);
    assert_int_equal(r.topics.items[0].partitions.count, 2);
    assert_int_equal(r.topics.items[0].partitions.items[0].eligible_leader_replicas.count, 0);
    assert_null(r.next_cursor);
    core_fixture_free(f);
}

static void
an_unknown_topic_is_described_as_such(void **state)
{
    struct core_fixture *f = core_fixture_new();
    struct wire_describe_topic_partitions_request_topic_request in[] = {{view_of_text("none")}};
    struct wire_describe_topic_partitions_request request = {.topics = {in, 1},
                                                             .response_partition_limit = 10};
    struct wire_describe_topic_partitions_response r;
    core_fixture_ask(f, WIRE_API_DESCRIBE_TOPIC_PARTITIONS, 0, &request, &r);
    assert_int_equal(r.topics.items[0].error_code, KERR_UNKNOWN_TOPIC_OR_PARTITION);
    core_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_version_names_the_broker_and_all_topics),
        cmocka_unit_test(no_topics_from_version_1_on_means_none),
        cmocka_unit_test(an_unknown_topic_is_created_and_answered),
        cmocka_unit_test(an_unknown_topic_is_not_created_when_nobody_wants_it),
        cmocka_unit_test(a_topic_is_found_by_id_from_version_12_on),
        cmocka_unit_test(authorized_operations_are_told_when_asked),
        cmocka_unit_test(describe_cluster_names_this_node_and_its_rack),
        cmocka_unit_test(partitions_are_described_page_by_page),
        cmocka_unit_test(an_unknown_topic_is_described_as_such),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
