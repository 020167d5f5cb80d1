#include "control/server/server_internal.h"
#include "tests/unit/control/server/core_fixture.h"

static const char *
setting(const struct meta_new_topic *t, const char *name)
{
    static char text[64];
    for (uint32_t i = 0; i < t->setting_count; i++)
        if (view_equal(t->settings[i].name, view_of_text(name))) {
            (void)snprintf(text, sizeof text, "%.*s", (int)t->settings[i].value.len,
                           (const char *)t->settings[i].value.at);
            return text;
        }
    return "";
}

static void
the_offsets_topic_is_made_as_configured(void **state)
{
    (void)state;
    struct core_fixture *f = core_fixture_new();
    struct server_internal memory;
    struct meta_new_topic t = {.name = view_of_text("__consumer_offsets"), .partition_count = -1};
    server_internal_fill(&f->core, &t, &memory);
    assert_int_equal(t.partition_count, 50);
    assert_int_equal(t.replication_factor, 1);
    assert_string_equal(setting(&t, "cleanup.policy"), "compact");
    assert_string_equal(setting(&t, "segment.bytes"), "104857600");
    assert_string_equal(setting(&t, "compression.type"), "producer");
    assert_string_equal(setting(&t, "min.insync.replicas"), "");
    core_fixture_free(f);
}

static void
the_transaction_topic_is_not_recompressed(void **state)
{
    (void)state;
    struct core_fixture *f = core_fixture_new();
    struct server_internal memory;
    struct meta_new_topic t = {.name = view_of_text("__transaction_state"), .partition_count = -1};
    server_internal_fill(&f->core, &t, &memory);
    assert_int_equal(t.partition_count, 50);
    assert_string_equal(setting(&t, "cleanup.policy"), "compact");
    assert_string_equal(setting(&t, "compression.type"), "uncompressed");
    assert_string_equal(setting(&t, "min.insync.replicas"), "1");
    core_fixture_free(f);
}

static void
other_topics_are_left_as_they_are(void **state)
{
    (void)state;
    struct core_fixture *f = core_fixture_new();
    struct server_internal memory;
    struct meta_new_topic t = {.name = view_of_text("__consumer_offset"), .partition_count = -1};
    server_internal_fill(&f->core, &t, &memory);
    assert_int_equal(t.partition_count, -1);
    assert_int_equal(t.setting_count, 0);
    core_fixture_free(f);
}

static void
metadata_makes_an_internal_topic_in_the_same_way(void **state)
{
    (void)state;
    struct core_fixture *f = core_fixture_new();
    struct wire_metadata_request_topic asked = {.name = view_of_text("__consumer_offsets")};
    struct wire_metadata_request request = {.topics = {&asked, 1},
                                            .allow_auto_topic_creation = true};
    struct wire_metadata_response response;
    core_fixture_ask(f, WIRE_API_METADATA, 9, &request, &response);
    assert_int_equal(response.topics.items[0].error_code, KERR_NONE);
    assert_int_equal(response.topics.items[0].partitions.count, 50);
    assert_true(response.topics.items[0].is_internal);
    core_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_offsets_topic_is_made_as_configured),
        cmocka_unit_test(the_transaction_topic_is_not_recompressed),
        cmocka_unit_test(other_topics_are_left_as_they_are),
        cmocka_unit_test(metadata_makes_an_internal_topic_in_the_same_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
