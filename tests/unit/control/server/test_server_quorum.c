#include "tests/unit/control/server/core_fixture.h"

enum { NODE = 7, NOW_MS = 1234 };

static struct wire_describe_quorum_response
quorum(struct core_fixture *f, int16_t version, const char *topic, int32_t partition)
{
    struct wire_describe_quorum_request_partition_data part = {partition};
    struct wire_describe_quorum_request_topic_data t = {view_of_text(topic), {&part, 1}};
    struct wire_describe_quorum_request q = {.topics = {&t, 1}};
    struct wire_describe_quorum_response r;
    core_fixture_ask(f, WIRE_API_DESCRIBE_QUORUM, version, &q, &r);
    assert_int_equal(r.error_code, KERR_NONE);
    assert_int_equal(r.topics.count, 1);
    return r;
}

static void
this_node_is_the_quorum(void **state)
{
    struct core_fixture *f = core_fixture_new();
    f->core.now_ms = NOW_MS;
    core_fixture_create(f, "t", 1);
    for (int16_t version = 0; version <= 2; version++) {
        struct wire_describe_quorum_response r = quorum(f, version, "__cluster_metadata", 0);
        struct wire_describe_quorum_response_partition_data *p = r.topics.items[0].partitions.items;
        assert_int_equal(p->error_code, KERR_NONE);
        assert_int_equal(p->leader_id, NODE);
        assert_int_equal(p->leader_epoch, f->core.image.term);
        assert_int_equal(p->high_watermark, f->core.image.index + 1);
        assert_int_equal(p->current_voters.count, 1);
        assert_int_equal(p->current_voters.items->replica_id, NODE);
        assert_int_equal(p->current_voters.items->log_end_offset, p->high_watermark);
        assert_int_equal(p->current_voters.items->last_fetch_timestamp, version ? NOW_MS : -1);
        assert_int_equal(r.nodes.count, version < 2 ? 0 : 1);
    }
    core_fixture_free(f);
}

static void
any_other_partition_has_no_quorum(void **state)
{
    struct core_fixture *f = core_fixture_new();
    core_fixture_create(f, "t", 1);
    struct wire_describe_quorum_response r = quorum(f, 2, "t", 0);
    assert_int_equal(r.topics.items[0].partitions.items->error_code,
                     KERR_UNKNOWN_TOPIC_OR_PARTITION);
    r = quorum(f, 2, "__cluster_metadata", 1);
    assert_int_equal(r.topics.items[0].partitions.items->error_code,
                     KERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(r.nodes.count, 0);
    core_fixture_free(f);
}

static struct wire_update_features_response
update(struct core_fixture *f, int16_t version, const char *feature, int16_t level, int8_t type)
{
    struct wire_update_features_request_feature_update_key key = {
        .feature = view_of_text(feature), .max_version_level = level, .upgrade_type = type};
    struct wire_update_features_request q = {.feature_updates = {&key, 1}};
    struct wire_update_features_response r;
    core_fixture_ask(f, WIRE_API_UPDATE_FEATURES, version, &q, &r);
    return r;
}

static void
the_level_that_is_in_force_may_be_asked_for_again(void **state)
{
    struct core_fixture *f = core_fixture_new();
    for (int16_t version = 0; version <= 2; version++) {
        struct wire_update_features_response r = update(f, version, "metadata.version", 30, 1);
        assert_int_equal(r.error_code, KERR_NONE);
        assert_null(r.error_message.at);
        assert_int_equal(r.results.count, version < 2 ? 1 : 0);
    }
    assert_int_equal(f->appends, 0);
    core_fixture_free(f);
}

static void
other_levels_are_refused_with_the_words_of_kafka(void **state)
{
    static const struct {
        const char *feature;
        int16_t level;
        int8_t type;
        const char *why;
    } rows[] = {
        {"nope", 1, 1,
         "Invalid update version 1 for feature nope. Local controller 7 does not "
         "support this feature."},
        {"metadata.version", 99, 1,
         "Invalid update version 99 for feature metadata.version. Local "
         "controller 7 only supports versions 7-30"},
        {"metadata.version", -1, 2,
         "Invalid update version -1 for feature metadata.version. A "
         "feature version cannot be less than 0."},
        {"metadata.version", 30, 9,
         "Invalid update version 30 for feature metadata.version. The "
         "controller does not support the given upgrade type."},
        {"metadata.version", 29, 1,
         "Invalid update version 29 for feature metadata.version. Can't downgrade the version of "
         "this feature without setting the upgrade type to either safe or unsafe downgrade."},
        {"metadata.version", 29, 2,
         "Unsupported metadata.version downgrade from 30 to 29. Refusing to perform the requested "
         "downgrade because it might delete metadata information."},
        {"metadata.version", 29, 3,
         "Unsupported metadata.version downgrade from 30 to 29. Unsafe metadata downgrade is not "
         "supported in this version."},
    };
    struct core_fixture *f = core_fixture_new();
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[512];
        (void)snprintf(text, sizeof text,
                       "The update failed for all features since the following feature had an "
                       "error: %s",
                       rows[i].why);
        struct wire_update_features_response r =
            update(f, 1, rows[i].feature, rows[i].level, rows[i].type);
        assert_int_equal(r.error_code, KERR_INVALID_UPDATE_VERSION);
        assert_view(r.error_message, text);
        assert_int_equal(r.results.count, 0);
    }
    core_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(this_node_is_the_quorum),
        cmocka_unit_test(any_other_partition_has_no_quorum),
        cmocka_unit_test(the_level_that_is_in_force_may_be_asked_for_again),
        cmocka_unit_test(other_levels_are_refused_with_the_words_of_kafka),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
