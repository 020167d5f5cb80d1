#include "tests/unit/control/server/core_fixture.h"

enum { TOPIC = 2, BROKER = 4 };

typedef struct wire_describe_configs_response_describe_configs_result result_out;
typedef struct wire_describe_configs_response_describe_configs_resource_result entry_out;

static struct view keys[1];

static result_out
describe(struct core_fixture *f, int16_t version, int8_t type, const char *name, const char *key)
{
    struct wire_describe_configs_request_describe_configs_resource in = {
        .resource_type = type,
        .resource_name = view_of_text(name),
        .configuration_keys = {keys, -1}};
    struct wire_describe_configs_request request = {
        .resources = {&in, 1}, .include_synonyms = true, .include_documentation = version >= 3};
    struct wire_describe_configs_response response;
    if (key) {
        keys[0] = view_of_text(key);
        in.configuration_keys.count = 1;
    }
    core_fixture_ask(f, WIRE_API_DESCRIBE_CONFIGS, version, &request, &response);
    assert_int_equal(response.results.count, 1);
    return response.results.items[0];
}

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
    return response.responses.items[0].error_code;
}

static void
all_keys_of_a_topic_are_described_in_every_version(void **state)
{
    struct core_fixture *f = core_fixture_new();
    core_fixture_create(f, "t", 1);
    for (int16_t version = 1; version <= 4; version++) {
        result_out r = describe(f, version, TOPIC, "t", NULL);
        assert_int_equal(r.error_code, KERR_NONE);
        assert_int_equal(r.configs.count, META_CONFIGS);
    }
    core_fixture_free(f);
}

static void
an_override_comes_before_the_default_it_hides(void **state)
{
    struct core_fixture *f = core_fixture_new();
    core_fixture_create(f, "t", 1);
    entry_out e = describe(f, 4, TOPIC, "t", "max.message.bytes").configs.items[0];
    assert_view(e.value, "1048588");
    assert_int_equal(e.config_source, 5);
    assert_int_equal(e.config_type, META_TYPE_INT);
    assert_int_equal(e.synonyms.count, 1);
    assert_view(e.synonyms.items[0].name, "message.max.bytes");
    assert_int_equal(alter(f, TOPIC, "t", 0, "max.message.bytes", "5000"), KERR_NONE);
    e = describe(f, 4, TOPIC, "t", "max.message.bytes").configs.items[0];
    assert_view(e.value, "5000");
    assert_int_equal(e.config_source, 1);
    assert_int_equal(e.synonyms.count, 2);
    assert_view(e.synonyms.items[0].name, "max.message.bytes");
    assert_true(e.documentation.len > 0);
    core_fixture_free(f);
}

static void
a_broker_key_that_is_set_shows_as_a_static_source(void **state)
{
    struct core_fixture *f = core_fixture_conf("message.max.bytes=2000\n");
    core_fixture_create(f, "t", 1);
    entry_out e = describe(f, 4, TOPIC, "t", "max.message.bytes").configs.items[0];
    assert_view(e.value, "2000");
    assert_int_equal(e.config_source, 4);
    assert_int_equal(e.synonyms.count, 2);
    assert_view(e.synonyms.items[1].value, "1048588");
    core_fixture_free(f);
}

static void
broker_keys_of_the_start_are_described_read_only(void **state)
{
    struct core_fixture *f = core_fixture_new();
    result_out r = describe(f, 4, BROKER, "7", NULL);
    assert_true(r.configs.count >= CONF_KEYS);
    entry_out e = describe(f, 4, BROKER, "7", "num.partitions").configs.items[0];
    assert_view(e.value, "3");
    assert_true(e.read_only);
    assert_int_equal(e.config_source, 4);
    r = describe(f, 4, BROKER, "8", NULL);
    assert_int_equal(r.error_code, KERR_INVALID_REQUEST);
    assert_view(r.error_message,
                "Unexpected broker id, expected 7 or empty string, but received 8");
    core_fixture_free(f);
}

static void
what_is_not_there_is_said_to_be_so(void **state)
{
    struct core_fixture *f = core_fixture_new();
    assert_int_equal(describe(f, 4, TOPIC, "none", NULL).error_code,
                     KERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(describe(f, 4, TOPIC, "x y", NULL).error_code, KERR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(describe(f, 4, 99, "x", NULL).error_code, KERR_INVALID_REQUEST);
    core_fixture_free(f);
}

static void
a_default_that_may_change_is_not_read_only(void **state)
{
    struct core_fixture *f = core_fixture_new();
    entry_out e = describe(f, 4, BROKER, "7", "log.retention.ms").configs.items[0];
    assert_false(e.read_only);
    assert_null(e.value.at);
    assert_int_equal(e.config_type, META_TYPE_LONG);
    assert_int_equal(e.synonyms.count, 0);
    e = describe(f, 4, BROKER, "7", "log.retention.hours").configs.items[0];
    assert_true(e.read_only);
    assert_view(e.value, "168");
    core_fixture_free(f);
}

static void
a_default_for_all_brokers_stands_behind_that_of_one(void **state)
{
    struct core_fixture *f = core_fixture_new();
    core_fixture_create(f, "t", 1);
    assert_int_equal(alter(f, BROKER, "", 0, "log.retention.ms", "5000"), KERR_NONE);
    entry_out e = describe(f, 4, TOPIC, "t", "retention.ms").configs.items[0];
    assert_view(e.value, "5000");
    assert_int_equal(e.config_source, 3);
    assert_int_equal(alter(f, BROKER, "7", 0, "log.retention.ms", "6000"), KERR_NONE);
    e = describe(f, 4, TOPIC, "t", "retention.ms").configs.items[0];
    assert_view(e.value, "6000");
    assert_int_equal(e.config_source, 2);
    assert_int_equal(e.synonyms.count, 3);
    assert_view(e.synonyms.items[1].value, "5000");
    assert_view(e.synonyms.items[2].name, "log.retention.hours");
    result_out r = describe(f, 4, BROKER, "", NULL);
    assert_int_equal(r.configs.count, 1);
    assert_view(r.configs.items[0].name, "log.retention.ms");
    assert_int_equal(r.configs.items[0].config_source, 3);
    core_fixture_free(f);
}

static void
a_key_that_nobody_knows_is_shown_without_its_value(void **state)
{
    struct core_fixture *f = core_fixture_new();
    assert_int_equal(alter(f, BROKER, "", 0, "no.such", "5"), KERR_NONE);
    assert_int_equal(alter(f, BROKER, "7", 0, "no.such", "6"), KERR_NONE);
    result_out r = describe(f, 4, BROKER, "7", "no.such");
    assert_int_equal(r.configs.count, 1);
    entry_out e = r.configs.items[0];
    assert_null(e.value.at);
    assert_true(e.read_only && e.is_sensitive);
    assert_int_equal(e.config_source, 2);
    assert_int_equal(e.config_type, 0);
    assert_int_equal(e.synonyms.count, 2);
    assert_null(e.synonyms.items[1].value.at);
    r = describe(f, 4, BROKER, "", NULL);
    assert_int_equal(r.configs.count, 1);
    assert_null(r.configs.items[0].value.at);
    assert_true(r.configs.items[0].is_sensitive && r.configs.items[0].read_only);
    assert_int_equal(r.configs.items[0].synonyms.count, 1);
    assert_null(r.configs.items[0].synonyms.items[0].value.at);
    core_fixture_free(f);
}

static void
a_key_that_changes_while_the_broker_runs_shows_where_it_was_set(void **state)
{
    struct core_fixture *f = core_fixture_new();
    const char *key = "producer.id.expiration.ms";
    assert_false(describe(f, 4, BROKER, "7", key).configs.items[0].read_only);
    assert_int_equal(alter(f, BROKER, "", 0, key, "500"), KERR_NONE);
    entry_out e = describe(f, 4, BROKER, "7", key).configs.items[0];
    assert_view(e.value, "500");
    assert_int_equal(e.config_source, 3);
    assert_view(e.synonyms.items[1].value, "86400000");
    e = describe(f, 4, BROKER, "", key).configs.items[0];
    assert_int_equal(e.config_type, META_TYPE_INT);
    assert_false(e.read_only);
    core_fixture_free(f);
}

static void
the_default_of_groups_is_that_of_the_broker(void **state)
{
    struct core_fixture *f = core_fixture_conf("group.consumer.session.timeout.ms=50000\n");
    entry_out e = describe(f, 4, 32, "g", "consumer.session.timeout.ms").configs.items[0];
    assert_view(e.value, "50000");
    assert_int_equal(e.config_source, 4);
    assert_int_equal(e.synonyms.count, 2);
    assert_view(e.synonyms.items[1].value, "45000");
    core_fixture_free(f);
}

static void
groups_and_subscriptions_show_what_was_set_and_the_default(void **state)
{
    struct core_fixture *f = core_fixture_new();
    assert_int_equal(alter(f, 32, "g", 0, "consumer.session.timeout.ms", "50000"), KERR_NONE);
    entry_out e = describe(f, 4, 32, "g", "consumer.session.timeout.ms").configs.items[0];
    assert_view(e.value, "50000");
    assert_int_equal(e.config_source, 8);
    assert_int_equal(e.synonyms.count, 2);
    e = describe(f, 4, 32, "h", "consumer.session.timeout.ms").configs.items[0];
    assert_view(e.value, "45000");
    assert_int_equal(e.config_source, 5);
    assert_int_equal(alter(f, 16, "m", 0, "metrics", "a.,b."), KERR_NONE);
    e = describe(f, 4, 16, "m", "metrics").configs.items[0];
    assert_view(e.value, "a.,b.");
    assert_int_equal(e.config_source, 7);
    assert_int_equal(describe(f, 4, 16, "", NULL).error_code, KERR_INVALID_REQUEST);
    core_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_keys_of_a_topic_are_described_in_every_version),
        cmocka_unit_test(an_override_comes_before_the_default_it_hides),
        cmocka_unit_test(a_broker_key_that_is_set_shows_as_a_static_source),
        cmocka_unit_test(broker_keys_of_the_start_are_described_read_only),
        cmocka_unit_test(what_is_not_there_is_said_to_be_so),
        cmocka_unit_test(a_default_that_may_change_is_not_read_only),
        cmocka_unit_test(a_default_for_all_brokers_stands_behind_that_of_one),
        cmocka_unit_test(a_key_that_nobody_knows_is_shown_without_its_value),
        cmocka_unit_test(a_key_that_changes_while_the_broker_runs_shows_where_it_was_set),
        cmocka_unit_test(the_default_of_groups_is_that_of_the_broker),
        cmocka_unit_test(groups_and_subscriptions_show_what_was_set_and_the_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
