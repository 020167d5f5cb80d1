#include "control/server/server_defaults.h"
#include "tests/unit/control/server/core_fixture.h"

static void
hours_and_minutes_become_the_ms_of_a_topic(void **state)
{
    static const struct {
        const char *lines, *value;
    } rows[] = {
        {"log.retention.hours=2\n", "7200000"},
        {"log.retention.hours=-1\n", "-1"},
        {"log.retention.hours=2\nlog.retention.minutes=3\n", "180000"},
        {"log.retention.minutes=3\nlog.retention.ms=4\n", "4"},
        {"", NULL},
    };
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct core_fixture *f = core_fixture_conf(rows[i].lines);
        const char *v = server_default_of(&f->core, META_CONFIG_RETENTION_MS);
        if (rows[i].value)
            assert_string_equal(v, rows[i].value);
        else
            assert_null(v);
        core_fixture_free(f);
    }
}

static void
a_default_that_no_topic_can_have_refuses_the_start(void **state)
{
    static const char *const lines[] = {
        "log.cleanup.policy=shred\n", "log.retention.minutes=x\n",
        "log.retention.ms=-2\n",      "log.cleaner.min.cleanable.ratio=2\n",
        "log.roll.jitter.ms=1h\n",    "log.retention.minutes=9223372036854775807\n",
    };
    for (uint32_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct conf *conf = malloc(sizeof *conf);
        struct server_core core;
        char error[CONF_ERROR_BYTES];
        assert_non_null(conf);
        conf_defaults(conf);
        assert_int_equal(conf_parse(conf, lines[i], CONF_OPTION, error), ERR_OK);
        assert_int_equal(server_core_init(&core, conf, "abcdefghijklmnopqrstuv"), ERR_INVALID);
        server_core_free(&core);
        free(conf);
    }
}

static void
other_names_of_a_key_count_behind_its_own(void **state)
{
    struct core_fixture *f = core_fixture_conf("log.retention.minutes=3\n");
    struct server_source s[SERVER_SOURCES_MAX];
    /* As Kafka lists them: nothing before the key itself is set. */
    assert_int_equal(server_sources(&f->core, view_of_text("log.retention.ms"), s), 0);
    assert_int_equal(server_sources(&f->core, view_of_text("log.retention.minutes"), s), 2);
    assert_view(s[0].name, "log.retention.minutes");
    assert_int_equal(s[0].source, SERVER_SOURCE_STATIC);
    assert_view(s[1].name, "log.retention.hours");
    assert_int_equal(s[1].source, SERVER_SOURCE_DEFAULT);
    assert_int_equal(server_sources(&f->core, view_of_text("num.partitions"), s), 2);
    assert_int_equal(server_sources(&f->core, view_of_text("no.such"), s), 0);
    core_fixture_free(f);
}

static void
every_default_has_one_name_that_can_be_set(void **state)
{
    struct core_fixture *f = core_fixture_new();
    for (uint32_t c = 0; c < META_CONFIGS; c++) {
        struct view key = server_broker_key((enum meta_config)c);
        if (key.len)
            assert_int_equal(server_topic_key(key), c);
    }
    assert_int_equal(server_topic_key(view_of_text("log.retention.hours")), META_CONFIGS);
    assert_int_equal(server_topic_key(view_of_text("")), META_CONFIGS);
    assert_true(server_key_dynamic(&f->core, view_of_text("log.retention.ms")));
    assert_false(server_key_dynamic(&f->core, view_of_text("unclean.leader.election.enable")));
    assert_true(server_key_dynamic(&f->core, view_of_text("max.connections")));
    core_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hours_and_minutes_become_the_ms_of_a_topic),
        cmocka_unit_test(a_default_that_no_topic_can_have_refuses_the_start),
        cmocka_unit_test(other_names_of_a_key_count_behind_its_own),
        cmocka_unit_test(every_default_has_one_name_that_can_be_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
