#include "control/meta/meta_inside.h"
#include "tests/unit/control/meta/meta_fixture.h"

static char normal[META_VALUE_BYTES_MAX];
static struct meta_error error;

static int16_t
check(const char *key, const char *value)
{
    enum meta_config c = meta_config_find(view_of_text(key));
    assert_int_not_equal(c, META_CONFIGS);
    return meta_config_check(meta_config_row(c), view_of_text(value), normal, &error);
}

/* Observed on Kafka 4.3.1. */
static void
bad_values_are_refused_with_kafkas_words(void **state)
{
    static const struct {
        const char *key, *value, *why;
    } rows[] = {
        {"retention.ms", "abc", "Not a number of type LONG"},
        {"segment.bytes", "13", "Value must be at least 1048576"},
        {"segment.bytes", "99999999999", "Not a number of type INT"},
        {"max.message.bytes", "-1", "Value must be at least 0"},
        {"min.insync.replicas", "0", "Value must be at least 1"},
        {"message.timestamp.type", "Foo", "String must be one of: CreateTime, LogAppendTime"},
        {"preallocate", "x", "Expected value to be either true or false"},
        {"segment.ms", "0", "Value must be at least 1"},
        {"flush.messages", "0", "Value must be at least 1"},
        {"cleanup.policy", "foo", "String must be one of: compact, delete"},
        {"compression.type", "xx",
         "String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer"},
        {"compression.gzip.level", "0", "Value must be between 1 and 9 or equal to -1"},
        {"compression.gzip.level", "10", "Value must be between 1 and 9 or equal to -1"},
        {"compression.lz4.level", "18", "Value must be no more than 17"},
        {"compression.zstd.level", "23", "Value must be no more than 22"},
    };
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[256];
        (void)snprintf(text, sizeof text, "Invalid value %s for configuration %s: %s",
                       rows[i].value, rows[i].key, rows[i].why);
        assert_int_equal(check(rows[i].key, rows[i].value), KERR_INVALID_CONFIG);
        assert_string_equal(error.text, text);
    }
}

static void
values_are_stored_in_normal_form(void **state)
{
    assert_int_equal(check("retention.ms", " +12 "), KERR_NONE);
    assert_string_equal(normal, "12");
    assert_int_equal(check("unclean.leader.election.enable", "FALSE"), KERR_NONE);
    assert_string_equal(normal, "false");
    assert_int_equal(check("cleanup.policy", " delete , delete "), KERR_NONE);
    assert_string_equal(normal, "delete");
    assert_int_equal(check("cleanup.policy", ""), KERR_NONE);
    assert_string_equal(normal, "");
}

static void
what_does_not_work_yet_takes_only_its_default(void **state)
{
    assert_int_equal(check("local.retention.ms", "5"), KERR_INVALID_CONFIG);
    assert_non_null(strstr(error.text, "tiered storage is not available yet"));
    assert_int_equal(check("remote.storage.enable", "true"), KERR_INVALID_CONFIG);
    assert_int_equal(check("remote.storage.enable", "false"), KERR_NONE);
}

static void
compaction_takes_its_keys(void **state)
{
    assert_int_equal(check("cleanup.policy", "compact"), KERR_NONE);
    assert_int_equal(check("cleanup.policy", "compact,delete"), KERR_NONE);
    assert_int_equal(check("cleanup.policy", "shrink"), KERR_INVALID_CONFIG);
    assert_int_equal(check("min.cleanable.dirty.ratio", "0.01"), KERR_NONE);
    assert_int_equal(check("min.cleanable.dirty.ratio", "1.01"), KERR_INVALID_CONFIG);
    assert_int_equal(check("min.compaction.lag.ms", "1000"), KERR_NONE);
    assert_int_equal(check("max.compaction.lag.ms", "1000"), KERR_NONE);
    assert_int_equal(check("max.compaction.lag.ms", "0"), KERR_INVALID_CONFIG);
    assert_int_equal(check("delete.retention.ms", "0"), KERR_NONE);
}

static void
every_default_is_a_valid_value_of_its_key(void **state)
{
    for (uint32_t c = 0; c < META_CONFIGS; c++) {
        const struct meta_config_row *row = meta_config_row((enum meta_config)c);
        assert_int_equal(check(row->name, row->fallback), KERR_NONE);
        assert_string_equal(normal, row->fallback);
    }
}

static void
a_value_that_is_too_long_is_refused(void **state)
{
    static char text[META_VALUE_BYTES_MAX + 2];
    memset(text, 'x', sizeof text - 1);
    assert_int_equal(check("leader.replication.throttled.replicas", text), KERR_INVALID_CONFIG);
}

static int16_t
alter(struct fixture *f, int8_t operation, const char *key, const char *value)
{
    struct meta_setting s = {.name = view_of_text(key), .operation = operation};
    if (value)
        s.value = view_of_text(value);
    int16_t code = meta_plan_config(&f->m, &f->rules, view_of_text("t"), &s, 1, &f->out, &f->e);
    assert_int_equal(fixture_apply(f), ERR_OK);
    return code;
}

static const char *
value_of(struct fixture *f, enum meta_config c)
{
    return meta_config_value(fixture_find(f, "t"), &f->rules, c);
}

static void
set_and_delete_change_one_key(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    fixture_create(f, "t", 1);
    assert_int_equal(alter(f, 0, "retention.ms", "5000"), KERR_NONE);
    assert_string_equal(value_of(f, META_CONFIG_RETENTION_MS), "5000");
    assert_int_equal(alter(f, 1, "retention.ms", NULL), KERR_NONE);
    assert_string_equal(value_of(f, META_CONFIG_RETENTION_MS), "604800000");
    assert_int_equal(alter(f, 1, "no.such.key", NULL), KERR_NONE);
    fixture_free(f);
}

static void
append_and_subtract_work_on_lists_only(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    fixture_create(f, "t", 1);
    assert_int_equal(alter(f, 2, "retention.ms", "1"), KERR_INVALID_CONFIG);
    assert_string_equal(f->e.text,
                        "Can't APPEND to key retention.ms because its type is not LIST.");
    assert_int_equal(alter(f, 3, "cleanup.policy", "delete"), KERR_NONE);
    assert_string_equal(value_of(f, META_CONFIG_CLEANUP_POLICY), "");
    assert_int_equal(alter(f, 2, "cleanup.policy", "delete"), KERR_NONE);
    assert_int_equal(alter(f, 2, "cleanup.policy", "delete"), KERR_NONE);
    assert_string_equal(value_of(f, META_CONFIG_CLEANUP_POLICY), "delete");
    assert_int_equal(alter(f, 2, "cleanup.policy", "compact"), KERR_NONE);
    assert_string_equal(value_of(f, META_CONFIG_CLEANUP_POLICY), "delete,compact");
    assert_int_equal(alter(f, 2, "cleanup.policy", "shrink"), KERR_INVALID_CONFIG);
    fixture_free(f);
}

static void
changes_that_cannot_be_are_refused(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    fixture_create(f, "t", 1);
    assert_int_equal(alter(f, 0, "foo", "1"), KERR_INVALID_CONFIG);
    assert_string_equal(f->e.text, "Unknown topic config name: foo");
    assert_int_equal(alter(f, 0, "retention.ms", NULL), KERR_INVALID_REQUEST);
    assert_string_equal(f->e.text, "Null value not supported for : retention.ms");
    assert_int_equal(alter(f, 9, "retention.ms", "1"), KERR_INVALID_REQUEST);
    struct meta_setting twice[2] = {
        {.name = view_of_text("retention.ms"), .value = view_of_text("1")},
        {.name = view_of_text("retention.ms"), .value = view_of_text("2")}};
    assert_int_equal(
        meta_plan_config(&f->m, &f->rules, view_of_text("t"), twice, 2, &f->out, &f->e),
        KERR_INVALID_REQUEST);
    assert_int_equal(put_len(&f->out), 0);
    assert_int_equal(
        meta_plan_config(&f->m, &f->rules, view_of_text("u"), twice, 1, &f->out, &f->e),
        KERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_string_equal(f->e.text, "The topic 'u' does not exist.");
    fixture_free(f);
}

/* Kafka LogConfig.validateValues; the words are its own. */
static void
a_lag_of_compaction_above_its_maximum_is_refused(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    struct meta_lags lags = meta_lags_of(NULL, &f->rules);
    assert_int_equal(meta_lags_check(&lags, &f->e), KERR_NONE);
    meta_lags_note(&lags, &f->rules, META_CONFIG_MAX_COMPACTION_LAG_MS, "5");
    meta_lags_note(&lags, &f->rules, META_CONFIG_MIN_COMPACTION_LAG_MS, "5");
    meta_lags_note(&lags, &f->rules, META_CONFIG_RETENTION_MS, "1");
    assert_int_equal(meta_lags_check(&lags, &f->e), KERR_NONE);
    meta_lags_note(&lags, &f->rules, META_CONFIG_MIN_COMPACTION_LAG_MS, "10");
    assert_int_equal(meta_lags_check(&lags, &f->e), KERR_INVALID_CONFIG);
    assert_string_equal(f->e.text, "conflict topic config setting min.compaction.lag.ms (10) > "
                                   "max.compaction.lag.ms (5)");
    meta_lags_note(&lags, &f->rules, META_CONFIG_MAX_COMPACTION_LAG_MS, NULL);
    assert_int_equal(meta_lags_check(&lags, &f->e), KERR_NONE);
    fixture_free(f);
}

static const char *
broker_default(const void *user, enum meta_config c)
{
    return c == META_CONFIG_SEGMENT_BYTES ? user : NULL;
}

static void
the_brokers_default_stands_between_override_and_kafkas(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    fixture_create(f, "t", 1);
    f->rules.config_default = broker_default;
    f->rules.user = "2097152";
    const struct meta_topic *t = fixture_find(f, "t");
    assert_int_equal(meta_config_number(t, &f->rules, META_CONFIG_SEGMENT_BYTES), 2097152);
    assert_int_equal(meta_config_number(t, &f->rules, META_CONFIG_SEGMENT_MS), 604800000);
    assert_int_equal(alter(f, 0, "segment.bytes", "1048576"), KERR_NONE);
    assert_int_equal(meta_config_number(t, &f->rules, META_CONFIG_SEGMENT_BYTES), 1048576);
    fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_values_are_refused_with_kafkas_words),
        cmocka_unit_test(values_are_stored_in_normal_form),
        cmocka_unit_test(what_does_not_work_yet_takes_only_its_default),
        cmocka_unit_test(compaction_takes_its_keys),
        cmocka_unit_test(every_default_is_a_valid_value_of_its_key),
        cmocka_unit_test(a_value_that_is_too_long_is_refused),
        cmocka_unit_test(set_and_delete_change_one_key),
        cmocka_unit_test(append_and_subtract_work_on_lists_only),
        cmocka_unit_test(changes_that_cannot_be_are_refused),
        cmocka_unit_test(a_lag_of_compaction_above_its_maximum_is_refused),
        cmocka_unit_test(the_brokers_default_stands_between_override_and_kafkas),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
