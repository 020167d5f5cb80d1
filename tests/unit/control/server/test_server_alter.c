#include "control/meta/meta_resource.h"
#include "tests/unit/control/server/core_fixture.h"

enum { TOPIC = 2, BROKER = 4, METRICS = 16, GROUP = 32 };

static char said[512]; /* message of the last alteration */

static int16_t
alter(struct core_fixture *f, int8_t type, const char *name, int8_t operation, const char *key,
      const char *value)
{
    struct wire_incremental_alter_configs_request_alterable_config config = {
        .name = view_of_text(key), .config_operation = operation};
    if (value)
        config.value = view_of_text(value);
    struct wire_incremental_alter_configs_request_alter_configs_resource in = {
        .resource_type = type, .resource_name = view_of_text(name), .configs = {&config, 1}};
    struct wire_incremental_alter_configs_request request = {.resources = {&in, 1}};
    struct wire_incremental_alter_configs_response response;
    core_fixture_ask(f, WIRE_API_INCREMENTAL_ALTER_CONFIGS, 1, &request, &response);
    struct view text = response.responses.items[0].error_message;
    (void)snprintf(said, sizeof said, "%.*s", (int)text.len, text.len ? (char *)text.at : "");
    return response.responses.items[0].error_code;
}

static void
alterations_have_the_codes_of_kafka(void **state)
{
    struct core_fixture *f = core_fixture_new();
    core_fixture_create(f, "t", 1);
    assert_int_equal(alter(f, TOPIC, "t", 0, "foo", "1"), KERR_INVALID_CONFIG);
    assert_int_equal(alter(f, TOPIC, "none", 0, "retention.ms", "1"),
                     KERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(alter(f, TOPIC, "t", 0, "retention.ms", NULL), KERR_INVALID_REQUEST);
    assert_int_equal(alter(f, TOPIC, "t", 3, "cleanup.policy", "delete"), KERR_NONE);
    assert_int_equal(alter(f, BROKER, "7", 0, "log.dirs", "/x"), KERR_INVALID_REQUEST);
    assert_int_equal(alter(f, 99, "7", 0, "a", "b"), KERR_INVALID_REQUEST);
    core_fixture_free(f);
}

static void
a_change_that_changes_nothing_appends_nothing(void **state)
{
    struct core_fixture *f = core_fixture_new();
    core_fixture_create(f, "t", 1);
    assert_int_equal(alter(f, TOPIC, "t", 0, "retention.ms", "9"), KERR_NONE);
    uint32_t appends = f->appends;
    assert_int_equal(alter(f, TOPIC, "t", 0, "retention.ms", "9"), KERR_NONE);
    assert_int_equal(alter(f, TOPIC, "t", 1, "retention.bytes", NULL), KERR_NONE);
    assert_int_equal(f->appends, appends);
    core_fixture_free(f);
}

static void
a_resource_named_twice_is_refused_both_times(void **state)
{
    struct core_fixture *f = core_fixture_new();
    core_fixture_create(f, "t", 1);
    struct wire_incremental_alter_configs_request_alter_configs_resource in[] = {
        {.resource_type = TOPIC, .resource_name = view_of_text("t")},
        {.resource_type = BROKER, .resource_name = view_of_text("t")},
        {.resource_type = TOPIC, .resource_name = view_of_text("t")}};
    struct wire_incremental_alter_configs_request request = {.resources = {in, 3}};
    struct wire_incremental_alter_configs_response r;
    core_fixture_ask(f, WIRE_API_INCREMENTAL_ALTER_CONFIGS, 0, &request, &r);
    assert_view(r.responses.items[0].error_message, "Each resource must appear at most once.");
    assert_view(r.responses.items[2].error_message, "Each resource must appear at most once.");
    core_fixture_free(f);
}

/* AlterConfigs with one setting, none with key NULL. */
static int16_t
replace(struct core_fixture *f, int8_t type, const char *name, const char *key, const char *value)
{
    struct wire_alter_configs_request_alterable_config config = {0};
    struct wire_alter_configs_request_alter_configs_resource in = {
        .resource_type = type,
        .resource_name = view_of_text(name),
        .configs = {&config, key ? 1 : 0}};
    struct wire_alter_configs_request request = {.resources = {&in, 1}};
    struct wire_alter_configs_response response;
    if (key)
        config.name = view_of_text(key);
    if (value)
        config.value = view_of_text(value);
    core_fixture_ask(f, WIRE_API_ALTER_CONFIGS, 2, &request, &response);
    return response.responses.items[0].error_code;
}

static const char *
override(struct core_fixture *f, const char *topic, enum meta_config c)
{
    return meta_topic_by_name(&f->core.image, view_of_text(topic))->overrides[c];
}

static void
a_replacement_takes_back_what_it_does_not_name(void **state)
{
    struct core_fixture *f = core_fixture_new();
    core_fixture_create(f, "t", 1);
    assert_int_equal(replace(f, TOPIC, "t", "retention.ms", "5"), KERR_NONE);
    assert_int_equal(replace(f, TOPIC, "t", "segment.ms", "6"), KERR_NONE);
    assert_null(override(f, "t", META_CONFIG_RETENTION_MS));
    assert_string_equal(override(f, "t", META_CONFIG_SEGMENT_MS), "6");
    assert_int_equal(replace(f, TOPIC, "t", "segment.ms", NULL), KERR_INVALID_REQUEST);
    assert_int_equal(replace(f, TOPIC, "t", NULL, NULL), KERR_NONE);
    assert_null(override(f, "t", META_CONFIG_SEGMENT_MS));
    assert_int_equal(replace(f, GROUP, "g", "consumer.session.timeout.ms", "46000"), KERR_NONE);
    assert_int_equal(replace(f, GROUP, "g", NULL, NULL), KERR_NONE);
    assert_int_equal(f->core.image.resource_count, 0);
    core_fixture_free(f);
}

static void
brokers_take_defaults_of_topics(void **state)
{
    struct core_fixture *f = core_fixture_new();
    core_fixture_create(f, "t", 1);
    assert_int_equal(alter(f, BROKER, "", 2, "log.cleanup.policy", "compact"), KERR_NONE);
    const struct meta_topic *t = meta_topic_by_name(&f->core.image, view_of_text("t"));
    assert_string_equal(meta_config_value(t, &f->core.rules, META_CONFIG_CLEANUP_POLICY),
                        "delete,compact");
    assert_int_equal(f->core.image.topic_index[t->row], f->core.image.index);
    assert_int_equal(alter(f, BROKER, "7", 0, "node.id", "5"), KERR_INVALID_REQUEST);
    assert_string_equal(said, "Cannot update these configs dynamically: [node.id]");
    assert_int_equal(alter(f, BROKER, "", 0, "log.segment.bytes", "5"), KERR_INVALID_REQUEST);
    assert_string_equal(said, "Invalid value 5 for configuration log.segment.bytes: Value must be "
                              "at least 1048576");
    assert_int_equal(alter(f, BROKER, "8", 0, "log.retention.ms", "5"), KERR_INVALID_REQUEST);
    assert_string_equal(said, "Unexpected broker id, expected 7, but received 8");
    assert_int_equal(alter(f, BROKER, "a", 0, "log.retention.ms", "5"), KERR_INVALID_REQUEST);
    assert_string_equal(said, "Node id must be an integer, but it is: a");
    assert_int_equal(alter(f, BROKER, "", 0, "log.cleaner.max.compaction.lag.ms", "5"), KERR_NONE);
    assert_int_equal(alter(f, BROKER, "", 0, "log.cleaner.min.compaction.lag.ms", "9"),
                     KERR_INVALID_REQUEST);
    core_fixture_free(f);
}

static void
a_broker_keeps_what_it_does_not_know(void **state)
{
    struct core_fixture *f = core_fixture_new();
    struct view all = view_of("", 0);
    assert_int_equal(alter(f, BROKER, "", 0, "no.such", "5"), KERR_NONE);
    assert_string_equal(meta_resource_value(&f->core.image, META_RESOURCE_BROKER, all, "no.such"),
                        "5");
    uint32_t appends = f->appends;
    assert_int_equal(alter(f, BROKER, "", 0, "no.such", "5"), KERR_NONE);
    assert_int_equal(f->appends, appends);
    assert_int_equal(alter(f, BROKER, "", 2, "no.such", "5"), KERR_INVALID_CONFIG);
    assert_string_equal(said, "Unknown config name: no.such");
    assert_int_equal(alter(f, BROKER, "", 0, "no.such", NULL), KERR_INVALID_REQUEST);
    assert_int_equal(alter(f, BROKER, "", 1, "no.such", NULL), KERR_NONE);
    assert_null(meta_resource_value(&f->core.image, META_RESOURCE_BROKER, all, "no.such"));
    /* What Kafka has and cannot change is not unknown. */
    assert_int_equal(alter(f, BROKER, "7", 0, "security.inter.broker.protocol", "SSL"),
                     KERR_INVALID_REQUEST);
    assert_string_equal(
        said, "Cannot update these configs dynamically: [security.inter.broker.protocol]");
    assert_int_equal(alter(f, BROKER, "7", 0, "ssl.protocol", "TLS"), KERR_NONE);
    assert_int_equal(alter(f, BROKER, "", 0, "ssl.protocol", "TLS"), KERR_INVALID_REQUEST);
    assert_string_equal(said, "Cannot update these configs at default cluster level, broker id "
                              "must be specified: [ssl.protocol]");
    assert_int_equal(alter(f, BROKER, "7", 0, "ssl.keystore.type", "JKS"), KERR_INVALID_REQUEST);
    assert_string_equal(said, "These security configs can be dynamically updated only per-listener "
                              "using the listener prefix: [ssl.keystore.type]");
    core_fixture_free(f);
}

static void
groups_and_subscriptions_are_judged_as_kafka_does(void **state)
{
    static const struct {
        int8_t type;
        const char *name, *key, *value, *text;
        int16_t code;
    } rows[] = {
        {METRICS, "", "metrics", "a", "Subscription name can't be empty", KERR_INVALID_REQUEST},
        {METRICS, "m", "nope", "a", "Unknown client metrics configuration: nope",
         KERR_INVALID_REQUEST},
        {METRICS, "m", "interval.ms", "5",
         "Invalid value 5 for interval.ms, interval must be between 100 and 3600000 (1 hour)",
         KERR_INVALID_REQUEST},
        {METRICS, "m", "interval.ms", "x",
         "Invalid value x for configuration interval.ms: Not a number of type INT",
         KERR_INVALID_CONFIG},
        {METRICS, "m", "match", "x", "Illegal client matching pattern: x", KERR_INVALID_CONFIG},
        {METRICS, "m", "match", "foo=a", "Illegal client matching pattern: foo=a",
         KERR_INVALID_CONFIG},
        {METRICS, "m", "match", "client_id=[a", "Illegal client matching pattern: client_id=[a",
         KERR_INVALID_CONFIG},
        {METRICS, "m", "match", "client_id=a=b", "Illegal client matching pattern: client_id=a=b",
         KERR_INVALID_CONFIG},
        {METRICS, "m", "match", "client_id=a.*,client_software_name=x", "", KERR_NONE},
        {GROUP, "", "consumer.session.timeout.ms", "46000",
         "Default group resources are not allowed.", KERR_INVALID_REQUEST},
        {GROUP, "g", "nope", "1", "Unknown group config name: nope", KERR_INVALID_CONFIG},
        {GROUP, "g", "consumer.session.timeout.ms", "5",
         "consumer.session.timeout.ms must be greater than or equal to "
         "group.consumer.min.session.timeout.ms",
         KERR_INVALID_CONFIG},
        {GROUP, "g", "consumer.heartbeat.interval.ms", "15001",
         "consumer.heartbeat.interval.ms must be less than or equal to "
         "group.consumer.max.heartbeat.interval.ms",
         KERR_INVALID_CONFIG},
        {GROUP, "g", "consumer.assignment.interval.ms", "-1",
         "Invalid value -1 for configuration consumer.assignment.interval.ms: Value must be at "
         "least 0",
         KERR_INVALID_CONFIG},
    };
    struct core_fixture *f = core_fixture_new();
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(alter(f, rows[i].type, rows[i].name, 0, rows[i].key, rows[i].value),
                         rows[i].code);
        assert_string_equal(said, rows[i].text);
    }
    assert_int_equal(alter(f, METRICS, "m", 2, "metrics", "a"), KERR_INVALID_CONFIG);
    assert_string_equal(said, "Can't APPEND to key metrics because its type is not LIST.");
    assert_int_equal(alter(f, METRICS, "m", 1, "nope", NULL), KERR_NONE);
    core_fixture_free(f);
}

static struct wire_list_config_resources_response
list(struct core_fixture *f, int16_t version, int8_t *types, int32_t count)
{
    struct wire_list_config_resources_request request = {.resource_types = {types, count}};
    struct wire_list_config_resources_response response;
    core_fixture_ask(f, WIRE_API_LIST_CONFIG_RESOURCES, version, &request, &response);
    return response;
}

static void
resources_are_listed_by_type(void **state)
{
    struct core_fixture *f = core_fixture_new();
    int8_t groups[] = {GROUP}, unknown[] = {TOPIC, 9};
    core_fixture_create(f, "t", 1);
    assert_int_equal(alter(f, GROUP, "g", 0, "consumer.session.timeout.ms", "46000"), KERR_NONE);
    assert_int_equal(alter(f, METRICS, "m", 0, "interval.ms", "1000"), KERR_NONE);
    struct wire_list_config_resources_response r = list(f, 1, NULL, 0);
    assert_int_equal(r.config_resources.count, 4);
    r = list(f, 1, groups, 1);
    assert_int_equal(r.config_resources.count, 1);
    assert_view(r.config_resources.items[0].resource_name, "g");
    r = list(f, 0, NULL, 0);
    assert_int_equal(r.config_resources.count, 1);
    assert_view(r.config_resources.items[0].resource_name, "m");
    r = list(f, 1, unknown, 2);
    assert_int_equal(r.error_code, KERR_UNSUPPORTED_VERSION);
    assert_int_equal(r.config_resources.count, 0);
    core_fixture_free(f);
}

static void
the_settings_of_a_group_are_bounded_by_those_of_the_broker(void **state)
{
    (void)state;
    struct core_fixture *f = core_fixture_conf("group.consumer.min.heartbeat.interval.ms=500\n"
                                               "group.consumer.max.session.timeout.ms=99000\n");
    assert_int_equal(replace(f, GROUP, "g", "consumer.heartbeat.interval.ms", "500"), KERR_NONE);
    assert_int_equal(replace(f, GROUP, "g", "consumer.heartbeat.interval.ms", "499"),
                     KERR_INVALID_CONFIG);
    assert_int_equal(replace(f, GROUP, "g", "consumer.session.timeout.ms", "99000"), KERR_NONE);
    assert_int_equal(replace(f, GROUP, "g", "consumer.session.timeout.ms", "99001"),
                     KERR_INVALID_CONFIG);
    core_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alterations_have_the_codes_of_kafka),
        cmocka_unit_test(a_change_that_changes_nothing_appends_nothing),
        cmocka_unit_test(a_resource_named_twice_is_refused_both_times),
        cmocka_unit_test(a_replacement_takes_back_what_it_does_not_name),
        cmocka_unit_test(brokers_take_defaults_of_topics),
        cmocka_unit_test(a_broker_keeps_what_it_does_not_know),
        cmocka_unit_test(groups_and_subscriptions_are_judged_as_kafka_does),
        cmocka_unit_test(resources_are_listed_by_type),
        cmocka_unit_test(the_settings_of_a_group_are_bounded_by_those_of_the_broker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
