#include "tests/unit/control/server/core_fixture.h"

typedef struct wire_alter_client_quotas_request_entity_data entity_in;
typedef struct wire_alter_client_quotas_request_op_data op_in;
typedef struct wire_alter_client_quotas_request_entry_data entry_in;
typedef struct wire_describe_client_quotas_request_component_data component_in;

static struct wire_alter_client_quotas_response altered;
static struct wire_describe_client_quotas_response described;

/* Sets one quota of a user and a client id; NULL: not part of the entity, "": the default. */
static int16_t
set(struct core_fixture *f, const char *user, const char *client, const char *key, double value)
{
    entity_in parts[2];
    int32_t n = 0;
    if (user)
        parts[n++] =
            (entity_in){view_of_text("user"), user[0] ? view_of_text(user) : (struct view){0}};
    if (client)
        parts[n++] = (entity_in){view_of_text("client-id"),
                                 client[0] ? view_of_text(client) : (struct view){0}};
    op_in op = {view_of_text(key), value, value == 0};
    entry_in entry = {{parts, n}, {&op, 1}};
    struct wire_alter_client_quotas_request q = {.entries = {&entry, 1}};
    core_fixture_ask(f, WIRE_API_ALTER_CLIENT_QUOTAS, 1, &q, &altered);
    assert_int_equal(altered.entries.count, 1);
    return altered.entries.items[0].error_code;
}

static int32_t
find(struct core_fixture *f, bool strict, const component_in *components, int32_t count)
{
    struct wire_describe_client_quotas_request q = {
        .components = {(component_in *)(uintptr_t)components, count}, .strict = strict};
    core_fixture_ask(f, WIRE_API_DESCRIBE_CLIENT_QUOTAS, 1, &q, &described);
    return described.entries.count;
}

static void
what_was_set_is_described(void **state)
{
    struct core_fixture *f = core_fixture_new();
    assert_int_equal(set(f, "u", "c", "producer_byte_rate", 1000), KERR_NONE);
    assert_int_equal(find(f, false, NULL, 0), 1);
    assert_int_equal(described.entries.items[0].entity.count, 2);
    assert_view(described.entries.items[0].values.items[0].key, "producer_byte_rate");
    assert_true(described.entries.items[0].values.items[0].value == 1000);
    assert_int_equal(set(f, "u", "c", "producer_byte_rate", 0), KERR_NONE);
    assert_int_equal(find(f, false, NULL, 0), 0);
    core_fixture_free(f);
}

static void
filters_take_what_kafka_takes(void **state)
{
    static const uint8_t u[] = "u";
    const component_in exact = {view_of_text("user"), 0, {u, 1}},
                       unnamed = {view_of_text("user"), 1, {0}},
                       any = {view_of_text("user"), 2, {0}},
                       client = {view_of_text("client-id"), 2, {0}};
    const component_in both[] = {any, client};
    struct core_fixture *f = core_fixture_new();
    assert_int_equal(set(f, "u", NULL, "request_percentage", 1), KERR_NONE);
    assert_int_equal(set(f, "", NULL, "request_percentage", 1), KERR_NONE);
    assert_int_equal(set(f, "u", "c", "request_percentage", 1), KERR_NONE);
    assert_int_equal(set(f, NULL, "c", "request_percentage", 1), KERR_NONE);
    assert_int_equal(find(f, false, NULL, 0), 4);
    assert_int_equal(find(f, true, NULL, 0), 0);
    assert_int_equal(find(f, false, &exact, 1), 2);
    assert_int_equal(find(f, true, &exact, 1), 1);
    assert_int_equal(find(f, false, &unnamed, 1), 1);
    assert_int_equal(find(f, false, &any, 1), 3);
    assert_int_equal(find(f, true, &any, 1), 2);
    assert_int_equal(find(f, true, both, 2), 1);
    core_fixture_free(f);
}

static void
filters_that_make_no_sense_are_refused(void **state)
{
    static const struct {
        const char *type;
        int8_t match;
        const char *name;
        int16_t code;
        const char *text;
    } rows[] = {
        {"user", 0, NULL, KERR_INVALID_REQUEST,
         "Request specified MATCH_TYPE_EXACT, but set match string to null."},
        {"user", 1, "x", KERR_INVALID_REQUEST,
         "Request specified MATCH_TYPE_DEFAULT, but also specified a match string."},
        {"user", 7, "x", KERR_INVALID_REQUEST, "Unknown match type 7"},
        {"foo", 0, "x", KERR_UNSUPPORTED_VERSION, "Unsupported entity type foo"},
        {"", 0, "x", KERR_INVALID_REQUEST, "Invalid empty entity type."},
    };
    const component_in twice[] = {{view_of_text("user"), 2, {0}}, {view_of_text("user"), 2, {0}}};
    const component_in mixed[] = {{view_of_text("user"), 2, {0}}, {view_of_text("ip"), 2, {0}}};
    struct core_fixture *f = core_fixture_new();
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        component_in c = {view_of_text(rows[i].type), rows[i].match,
                          rows[i].name ? view_of_text(rows[i].name) : (struct view){0}};
        assert_int_equal(find(f, false, &c, 1), -1);
        assert_int_equal(described.error_code, rows[i].code);
        assert_view(described.error_message, rows[i].text);
    }
    assert_int_equal(find(f, false, twice, 2), -1);
    assert_view(described.error_message,
                "Entity type user cannot appear more than once in the filter.");
    assert_int_equal(find(f, false, mixed, 2), -1);
    core_fixture_free(f);
}

static void
an_entity_named_twice_is_answered_once_and_unchanged(void **state)
{
    struct core_fixture *f = core_fixture_new();
    entity_in part = {view_of_text("user"), view_of_text("A")};
    op_in one = {view_of_text("producer_byte_rate"), 7, false},
          two = {view_of_text("producer_byte_rate"), 9, false};
    entry_in entries[] = {{{&part, 1}, {&one, 1}}, {{&part, 1}, {&two, 1}}};
    struct wire_alter_client_quotas_request q = {.entries = {entries, 2}};
    core_fixture_ask(f, WIRE_API_ALTER_CLIENT_QUOTAS, 0, &q, &altered);
    assert_int_equal(altered.entries.count, 1);
    assert_int_equal(altered.entries.items[0].error_code, KERR_INVALID_REQUEST);
    assert_view(altered.entries.items[0].error_message,
                "Ignoring duplicate entity ClientQuotaEntity(entries={user=A})");
    assert_int_equal(f->core.image.resource_count, 0);
    core_fixture_free(f);
}

static void
a_request_that_only_asks_changes_nothing(void **state)
{
    struct core_fixture *f = core_fixture_new();
    entity_in part = {view_of_text("user"), view_of_text("A")};
    op_in op = {view_of_text("producer_byte_rate"), 7, false};
    entry_in entry = {{&part, 1}, {&op, 1}};
    struct wire_alter_client_quotas_request q = {.entries = {&entry, 1}, .validate_only = true};
    core_fixture_ask(f, WIRE_API_ALTER_CLIENT_QUOTAS, 1, &q, &altered);
    assert_int_equal(altered.entries.items[0].error_code, KERR_NONE);
    assert_int_equal(f->appends, 0);
    core_fixture_free(f);
}

static void
what_cannot_be_kept_is_refused(void **state)
{
    struct core_fixture *f = core_fixture_new();
    assert_int_equal(set(f, "u", NULL, "nope", 1), KERR_INVALID_REQUEST);
    assert_view(altered.entries.items[0].error_message, "Invalid configuration key nope");
    entity_in part = {view_of_text("ip"), view_of_text("1.2.3.4")};
    op_in op = {view_of_text("connection_creation_rate"), 7, false};
    entry_in entry = {{&part, 1}, {&op, 1}};
    struct wire_alter_client_quotas_request q = {.entries = {&entry, 1}};
    core_fixture_ask(f, WIRE_API_ALTER_CLIENT_QUOTAS, 1, &q, &altered);
    assert_int_equal(altered.entries.items[0].error_code, KERR_NONE);
    assert_int_equal(f->appends, 1);
    part.entity_name = view_of_text("1.2.3.4.example");
    core_fixture_ask(f, WIRE_API_ALTER_CLIENT_QUOTAS, 1, &q, &altered);
    assert_int_equal(altered.entries.items[0].error_code, KERR_INVALID_REQUEST);
    assert_view(altered.entries.items[0].error_message,
                "1.2.3.4.example is not a valid IP or resolvable host.");
    part.entity_type = view_of_text("foo");
    core_fixture_ask(f, WIRE_API_ALTER_CLIENT_QUOTAS, 1, &q, &altered);
    assert_view(altered.entries.items[0].error_message, "Unhandled client quota entity type: foo");
    assert_int_equal(f->appends, 1);
    core_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_set_is_described),
        cmocka_unit_test(filters_take_what_kafka_takes),
        cmocka_unit_test(filters_that_make_no_sense_are_refused),
        cmocka_unit_test(an_entity_named_twice_is_answered_once_and_unchanged),
        cmocka_unit_test(a_request_that_only_asks_changes_nothing),
        cmocka_unit_test(what_cannot_be_kept_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
