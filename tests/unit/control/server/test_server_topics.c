#include "tests/unit/control/server/core_fixture.h"

typedef struct wire_create_topics_request_creatable_topic topic_in;

static struct wire_create_topics_response
create(struct core_fixture *f, int16_t version, topic_in *topics, int32_t count, bool validate_only)
{
    struct wire_create_topics_request request = {
        .topics = {topics, count}, .timeout_ms = 60000, .validate_only = validate_only};
    struct wire_create_topics_response response;
    core_fixture_ask(f, WIRE_API_CREATE_TOPICS, version, &request, &response);
    return response;
}

static topic_in
topic(const char *name, int32_t partitions)
{
    return (topic_in){
        .name = view_of_text(name), .num_partitions = partitions, .replication_factor = 1};
}

static void
a_created_topic_is_reported_with_id_counts_and_configuration(void **state)
{
    struct core_fixture *f = core_fixture_new();
    struct wire_create_topics_request_creatable_topic_config config = {view_of_text("retention.ms"),
                                                                       view_of_text("99")};
    topic_in t = topic("t", 4);
    t.configs.items = &config;
    t.configs.count = 1;
    struct wire_create_topics_response r = create(f, 7, &t, 1, false);
    assert_int_equal(r.topics.count, 1);
    const struct meta_topic *made = meta_topic_by_name(&f->core.image, view_of_text("t"));
    assert_int_equal(r.topics.items[0].error_code, KERR_NONE);
    assert_null(r.topics.items[0].error_message.at);
    assert_memory_equal(r.topics.items[0].topic_id, made->id, META_ID_BYTES);
    assert_int_equal(r.topics.items[0].num_partitions, 4);
    assert_int_equal(r.topics.items[0].replication_factor, 1);
    assert_int_equal(r.topics.items[0].configs.count, META_CONFIGS);
    assert_view(r.topics.items[0].configs.items[META_CONFIG_RETENTION_MS].value, "99");
    assert_int_equal(r.topics.items[0].configs.items[META_CONFIG_RETENTION_MS].config_source, 1);
    assert_int_equal(r.topics.items[0].configs.items[META_CONFIG_SEGMENT_MS].config_source, 5);
    assert_int_equal(f->result.wait_count, 1);
    assert_int_equal(f->result.wait_rows[0], made->row);
    assert_int_equal(f->result.wait_ms, SERVER_OPEN_WAIT_MS);
    core_fixture_free(f);
}

static void
every_version_creates_a_topic(void **state)
{
    struct core_fixture *f = core_fixture_new();
    for (int16_t version = 2; version <= 7; version++) {
        char name[8];
        (void)snprintf(name, sizeof name, "t%d", version);
        topic_in t = topic(name, 1);
        struct wire_create_topics_response r = create(f, version, &t, 1, false);
        assert_int_equal(r.topics.items[0].error_code, KERR_NONE);
        assert_non_null(meta_topic_by_name(&f->core.image, view_of_text(name)));
    }
    core_fixture_free(f);
}

static void
validate_only_creates_nothing(void **state)
{
    struct core_fixture *f = core_fixture_new();
    topic_in t = topic("t", 4);
    struct wire_create_topics_response r = create(f, 7, &t, 1, true);
    assert_int_equal(r.topics.items[0].error_code, KERR_NONE);
    assert_int_equal(r.topics.items[0].num_partitions, 4);
    assert_int_equal(f->appends, 0);
    assert_int_equal(f->core.image.topic_count, 0);
    core_fixture_free(f);
}

static void
each_topic_of_a_request_succeeds_or_fails_alone(void **state)
{
    struct core_fixture *f = core_fixture_new();
    topic_in t[] = {topic("good", 1), topic("bad name", 1), topic("dup", 1),
                    topic("zero", 0), topic("dup", 1),      topic("__cluster_metadata", 1)};
    struct wire_create_topics_response r = create(f, 7, t, 6, false);
    static const int16_t codes[] = {KERR_NONE, KERR_INVALID_TOPIC_EXCEPTION, KERR_INVALID_REQUEST,
                                    KERR_INVALID_PARTITIONS, KERR_INVALID_REQUEST};
    assert_int_equal(r.topics.count, 5); /* the duplicate once */
    for (int32_t i = 0; i < 5; i++)
        assert_int_equal(r.topics.items[i].error_code, codes[i]);
    assert_view(r.topics.items[2].error_message, "Duplicate topic name.");
    assert_view(r.topics.items[4].error_message,
                "Creation of internal topic __cluster_metadata is prohibited.");
    assert_int_equal(f->core.image.topic_count, 1);
    core_fixture_free(f);
}

static void
too_many_partitions_refuse_the_whole_request(void **state)
{
    struct core_fixture *f = core_fixture_new();
    topic_in t[] = {topic("a", 1), topic("b", META_REQUEST_PARTITIONS_MAX)};
    struct wire_create_topics_response r = create(f, 7, t, 2, false);
    assert_int_equal(r.topics.items[0].error_code, KERR_POLICY_VIOLATION);
    assert_int_equal(r.topics.items[1].error_code, KERR_POLICY_VIOLATION);
    assert_int_equal(f->appends, 0);
    core_fixture_free(f);
}

static void
a_topic_that_exists_is_not_created_again(void **state)
{
    struct core_fixture *f = core_fixture_new();
    assert_int_equal(core_fixture_create(f, "t", 1), KERR_NONE);
    assert_int_equal(core_fixture_create(f, "t", 1), KERR_TOPIC_ALREADY_EXISTS);
    assert_int_equal(f->appends, 1);
    core_fixture_free(f);
}

typedef struct wire_delete_topics_request_delete_topic_state delete_in;

static struct wire_delete_topics_response
delete_by_name(struct core_fixture *f, int16_t version, const char *name)
{
    struct view names[] = {view_of_text(name)};
    delete_in state = {.name = names[0]};
    struct wire_delete_topics_request request = {.timeout_ms = 100};
    if (version < 6)
        request.topic_names = (struct wire_string_array){names, 1};
    else
        request.topics = (struct wire_delete_topics_request_delete_topic_state_array){&state, 1};
    struct wire_delete_topics_response response;
    core_fixture_ask(f, WIRE_API_DELETE_TOPICS, version, &request, &response);
    assert_int_equal(response.responses.count, 1);
    return response;
}

static void
a_topic_is_deleted_by_name_in_every_version(void **state)
{
    struct core_fixture *f = core_fixture_new();
    for (int16_t version = 1; version <= 6; version++) {
        assert_int_equal(core_fixture_create(f, "t", 1), KERR_NONE);
        struct wire_delete_topics_response r = delete_by_name(f, version, "t");
        assert_int_equal(r.responses.items[0].error_code, KERR_NONE);
        assert_null(meta_topic_by_name(&f->core.image, view_of_text("t")));
    }
    struct wire_delete_topics_response r = delete_by_name(f, 6, "t");
    assert_int_equal(r.responses.items[0].error_code, KERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_view(r.responses.items[0].error_message,
                "This server does not host this topic-partition.");
    core_fixture_free(f);
}

static void
a_topic_is_deleted_by_id_and_named_in_the_answer(void **state)
{
    struct core_fixture *f = core_fixture_new();
    core_fixture_create(f, "t", 1);
    delete_in in[3] = {{.topic_id = {0}}, {.topic_id = {1, 2}}, {.topic_id = {0}}};
    memcpy(in[0].topic_id, meta_topic_by_name(&f->core.image, view_of_text("t"))->id,
           META_ID_BYTES);
    struct wire_delete_topics_request request = {.topics = {in, 3}, .timeout_ms = 100};
    struct wire_delete_topics_response r;
    core_fixture_ask(f, WIRE_API_DELETE_TOPICS, 6, &request, &r);
    assert_int_equal(r.responses.items[0].error_code, KERR_NONE);
    assert_view(r.responses.items[0].name, "t");
    assert_int_equal(r.responses.items[1].error_code, KERR_UNKNOWN_TOPIC_ID);
    assert_int_equal(r.responses.items[2].error_code, KERR_INVALID_REQUEST);
    assert_view(r.responses.items[2].error_message, "Neither topic name nor id were specified.");
    core_fixture_free(f);
}

static void
deleting_can_be_switched_off(void **state)
{
    struct core_fixture *f = core_fixture_new();
    char error[CONF_ERROR_BYTES];
    core_fixture_create(f, "t", 1);
    assert_int_equal(conf_set(&f->conf, "delete.topic.enable", "false", CONF_OPTION, error),
                     ERR_OK);
    struct wire_delete_topics_response r = delete_by_name(f, 6, "t");
    assert_int_equal(r.responses.items[0].error_code, KERR_TOPIC_DELETION_DISABLED);
    assert_non_null(meta_topic_by_name(&f->core.image, view_of_text("t")));
    core_fixture_free(f);
}

static void
partitions_are_added_and_waited_for(void **state)
{
    struct core_fixture *f = core_fixture_new();
    core_fixture_create(f, "t", 1);
    struct wire_create_partitions_request_create_partitions_topic in[] = {
        {.name = view_of_text("t"), .count = 3, .assignments = {NULL, -1}},
        {.name = view_of_text("u"), .count = 3, .assignments = {NULL, -1}}};
    struct wire_create_partitions_request request = {.topics = {in, 2}, .timeout_ms = 10};
    struct wire_create_partitions_response r;
    for (int16_t version = 0; version <= 3; version++) {
        in[0].count = 3 + version;
        core_fixture_ask(f, WIRE_API_CREATE_PARTITIONS, version, &request, &r);
        assert_int_equal(r.results.items[0].error_code, KERR_NONE);
        assert_int_equal(r.results.items[1].error_code, KERR_UNKNOWN_TOPIC_OR_PARTITION);
    }
    assert_int_equal(meta_topic_by_name(&f->core.image, view_of_text("t"))->partition_count, 6);
    assert_int_equal(f->result.wait_count, 1);
    assert_int_equal(f->result.wait_ms, 10);
    core_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_created_topic_is_reported_with_id_counts_and_configuration),
        cmocka_unit_test(every_version_creates_a_topic),
        cmocka_unit_test(validate_only_creates_nothing),
        cmocka_unit_test(each_topic_of_a_request_succeeds_or_fails_alone),
        cmocka_unit_test(too_many_partitions_refuse_the_whole_request),
        cmocka_unit_test(a_topic_that_exists_is_not_created_again),
        cmocka_unit_test(a_topic_is_deleted_by_name_in_every_version),
        cmocka_unit_test(a_topic_is_deleted_by_id_and_named_in_the_answer),
        cmocka_unit_test(deleting_can_be_switched_off),
        cmocka_unit_test(partitions_are_added_and_waited_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
