#include "core/conf/conf.h"

#include "core/base/err.h"
#include "tests/unit/unit.h"

#include <string.h>

static struct conf c;
static char error[CONF_ERROR_BYTES];

static int
defaults(void **state)
{
    conf_defaults(&c);
    error[0] = 0;
    return 0;
}

static void
expect_refused(const char *key, const char *value, const char *line)
{
    static struct conf before;
    before = c;
    assert_int_equal(conf_set(&c, key, value, CONF_OPTION, error), ERR_INVALID);
    assert_string_equal(error, line);
    assert_memory_equal(&before, &c, sizeof c);
}

static void
every_default_is_valid_and_every_key_has_a_meaning(void **state)
{
    for (unsigned i = 0; i < CONF_KEYS; i++) {
        const struct conf_row *row = conf_row((enum conf_key)i);
        assert_true(strlen(row->name) > 0);
        assert_true(strlen(row->help) > 0);
        assert_int_equal(c.values[i].origin, CONF_DEFAULT);
        assert_string_equal(c.values[i].text, row->fallback);
    }
    assert_int_equal(conf_number(&c, CONF_SEGMENT_BYTES), 1073741824);
    assert_true(conf_bool(&c, CONF_AUTO_CREATE));
    assert_string_equal(conf_text(&c, CONF_LISTENERS), "PLAINTEXT://127.0.0.1:9092");
}

static void
each_type_is_set(void **state)
{
    assert_int_equal(conf_set(&c, "num.partitions", " 12 ", CONF_FILE, error), ERR_OK);
    assert_int_equal(conf_set(&c, "auto.create.topics.enable", "False", CONF_FILE, error), ERR_OK);
    assert_int_equal(conf_set(&c, "idle", "spin", CONF_FILE, error), ERR_OK);
    assert_int_equal(conf_set(&c, "cores", "2-5", CONF_FILE, error), ERR_OK);
    assert_int_equal(conf_number(&c, CONF_NUM_PARTITIONS), 12);
    assert_false(conf_bool(&c, CONF_AUTO_CREATE));
    assert_int_equal(conf_number(&c, CONF_IDLE), 1);
    assert_string_equal(conf_text(&c, CONF_CORES), "2-5");
    assert_int_equal(c.values[CONF_CORES].origin, CONF_FILE);
    assert_string_equal(conf_origin_name(CONF_FILE), "file");
}

static void
an_unknown_key_is_told_the_nearest_one(void **state)
{
    expect_refused("num.partition", "3",
                   "unknown key 'num.partition': did you mean 'num.partitions'?");
    expect_refused("", "3", "unknown key '': did you mean 'net'?");
}

static void
a_value_out_of_its_domain_is_told_the_domain(void **state)
{
    expect_refused("num.partitions", "0",
                   "num.partitions=0 is out of range: give 1 to 10000 partitions");
    expect_refused("num.partitions", "99999999999999999999",
                   "num.partitions=99999999999999999999 is out of range: give 1 to 10000 "
                   "partitions");
    expect_refused("num.partitions", "1k",
                   "num.partitions=1k is not a whole number: give 1 to 10000 partitions");
    expect_refused("node.id", "", "node.id= is not a whole number: give 0 to 2147483647");
    expect_refused("node.id", "+1", "node.id=+1 is not a whole number: give 0 to 2147483647");
    expect_refused("idle", "spni", "idle=spni is not possible: give one of sleep|spin");
    expect_refused("idle", "s", "idle=s is not possible: give one of sleep|spin");
    expect_refused("net", "netmap", "net=netmap is not possible: give one of kernel|dpdk");
    expect_refused("delete.topic.enable", "yes",
                   "delete.topic.enable=yes is not a truth value: give true or false");
}

static void
a_text_that_is_too_long_is_refused(void **state)
{
    char text[CONF_TEXT_BYTES_MAX + 1];
    memset(text, 'x', sizeof text);
    text[CONF_TEXT_BYTES_MAX] = 0;
    expect_refused("log.dirs", text, "log.dirs is too long: at most 511 bytes");
    text[CONF_TEXT_BYTES_MAX - 1] = 0;
    assert_int_equal(conf_set(&c, "log.dirs", text, CONF_OPTION, error), ERR_OK);
}

static void
kafkas_other_names_of_a_key_are_the_same_key(void **state)
{
    assert_int_equal(conf_set(&c, "broker.id", "8", CONF_FILE, error), ERR_OK);
    assert_int_equal(conf_set(&c, "log.dir", "/x", CONF_FILE, error), ERR_OK);
    assert_int_equal(conf_number(&c, CONF_NODE_ID), 8);
    assert_string_equal(conf_text(&c, CONF_LOG_DIRS), "/x");
}

static void
the_stronger_origin_stands_whatever_comes_first(void **state)
{
    assert_int_equal(conf_set(&c, "node.id", "3", CONF_OPTION, error), ERR_OK);
    assert_int_equal(conf_set(&c, "node.id", "2", CONF_ENVIRONMENT, error), ERR_OK);
    assert_int_equal(conf_set(&c, "node.id", "1", CONF_FILE, error), ERR_OK);
    assert_int_equal(conf_number(&c, CONF_NODE_ID), 3);
    assert_int_equal(c.values[CONF_NODE_ID].origin, CONF_OPTION);
    assert_int_equal(conf_set(&c, "node.id", "x", CONF_FILE, error), ERR_INVALID);
}

static void
variables_of_the_environment_set_their_keys(void **state)
{
    char *environ_[] = {"HOME=/root", "SLUICE_LOG_SEGMENT_BYTES=2000000", "SLUICE_LOG_DIR=/y",
                        "SLUICE_IDLE=spin", NULL};
    assert_int_equal(conf_environment(&c, environ_, error), ERR_OK);
    assert_int_equal(conf_number(&c, CONF_SEGMENT_BYTES), 2000000);
    assert_string_equal(conf_text(&c, CONF_LOG_DIRS), "/y");
    assert_int_equal(conf_number(&c, CONF_IDLE), 1);
    assert_int_equal(c.values[CONF_IDLE].origin, CONF_ENVIRONMENT);
}

static void
every_key_has_one_variable(void **state)
{
    for (unsigned i = 0; i < CONF_KEYS; i++) {
        char line[700] = "SLUICE_";
        size_t n = strlen(line);
        for (const char *p = conf_row((enum conf_key)i)->name; *p; p++)
            line[n++] = *p == '.' ? '_' : (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
        line[n++] = '=';
        memcpy(line + n, conf_row((enum conf_key)i)->fallback,
               strlen(conf_row((enum conf_key)i)->fallback) + 1);
        char *environ_[] = {line, NULL};
        assert_int_equal(conf_environment(&c, environ_, error), ERR_OK);
        assert_int_equal(c.values[i].origin, CONF_ENVIRONMENT);
    }
}

static void
the_variable_of_clients_is_no_setting(void **state)
{
    char *environ_[] = {"SLUICE_BOOTSTRAP=host:9092", "SLUICE_IDLE=spin", NULL};
    assert_int_equal(conf_environment(&c, environ_, error), ERR_OK);
    assert_int_equal(conf_number(&c, CONF_IDLE), 1);
    char *longer[] = {"SLUICE_BOOTSTRAPS=host:9092", NULL};
    assert_int_equal(conf_environment(&c, longer, error), ERR_INVALID);
}

static void
an_unknown_variable_is_told_the_nearest_one(void **state)
{
    char *environ_[] = {"SLUICE_NUM_PARTITION=3", NULL};
    assert_int_equal(conf_environment(&c, environ_, error), ERR_INVALID);
    assert_string_equal(
        error, "unknown variable 'SLUICE_NUM_PARTITION': did you mean 'SLUICE_NUM_PARTITIONS'?");
}

static void
values_that_bound_each_other_have_to_fit(void **state)
{
    (void)state;
    assert_int_equal(conf_check(&c, error), ERR_OK);
    assert_int_equal(
        conf_set(&c, "group.consumer.heartbeat.interval.ms", "500", CONF_OPTION, error), ERR_OK);
    assert_int_equal(conf_check(&c, error), ERR_INVALID);
    assert_string_equal(error, "group.consumer.heartbeat.interval.ms=500 must not be below "
                               "group.consumer.min.heartbeat.interval.ms=5000 nor above "
                               "group.consumer.max.heartbeat.interval.ms=15000");
    assert_int_equal(
        conf_set(&c, "group.consumer.min.heartbeat.interval.ms", "500", CONF_OPTION, error),
        ERR_OK);
    assert_int_equal(conf_check(&c, error), ERR_OK);
    assert_int_equal(conf_set(&c, "group.consumer.session.timeout.ms", "60001", CONF_OPTION, error),
                     ERR_OK);
    assert_int_equal(conf_check(&c, error), ERR_INVALID);
}

static void
of_a_password_only_is_shown_that_there_is_one(void **state)
{
    const struct conf_row password = {.name = "p", .type = CONF_PASSWORD};
    const struct conf_row text = {.name = "t", .type = CONF_TEXT};
    assert_string_equal(conf_masked(&password, "open sesame"), "[hidden]");
    assert_string_equal(conf_masked(&password, ""), "");
    assert_string_equal(conf_masked(&text, "open sesame"), "open sesame");
    for (unsigned i = 0; i < CONF_KEYS; i++) {
        const struct conf_row *row = conf_row((enum conf_key)i);
        assert_true((strstr(row->name, "password") != NULL) == (row->type == CONF_PASSWORD));
        assert_string_equal(conf_shown(&c, (enum conf_key)i),
                            conf_masked(row, conf_text(&c, (enum conf_key)i)));
    }
}

static void
only_net_dpdk_is_a_network_of_our_own(void **state)
{
    assert_false(conf_own_net(&c));
    assert_int_equal(conf_set(&c, "net", "dpdk", CONF_FILE, error), ERR_OK);
    assert_true(conf_own_net(&c));
}

static void
print_refuses_a_room_that_is_too_small(void **state)
{
    static char text[64 << 10];
    int n = conf_print(&c, text, sizeof text);
    assert_true(n > 0);
    assert_int_equal(conf_print(&c, text, (size_t)n + 1), n);
    assert_int_equal(conf_print(&c, text, (size_t)n), ERR_FULL);
    assert_int_equal(conf_print(&c, text, 0), ERR_FULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_default_is_valid_and_every_key_has_a_meaning, defaults),
        cmocka_unit_test_setup(each_type_is_set, defaults),
        cmocka_unit_test_setup(an_unknown_key_is_told_the_nearest_one, defaults),
        cmocka_unit_test_setup(a_value_out_of_its_domain_is_told_the_domain, defaults),
        cmocka_unit_test_setup(a_text_that_is_too_long_is_refused, defaults),
        cmocka_unit_test_setup(kafkas_other_names_of_a_key_are_the_same_key, defaults),
        cmocka_unit_test_setup(the_stronger_origin_stands_whatever_comes_first, defaults),
        cmocka_unit_test_setup(variables_of_the_environment_set_their_keys, defaults),
        cmocka_unit_test_setup(every_key_has_one_variable, defaults),
        cmocka_unit_test_setup(the_variable_of_clients_is_no_setting, defaults),
        cmocka_unit_test_setup(an_unknown_variable_is_told_the_nearest_one, defaults),
        cmocka_unit_test_setup(values_that_bound_each_other_have_to_fit, defaults),
        cmocka_unit_test_setup(of_a_password_only_is_shown_that_there_is_one, defaults),
        cmocka_unit_test_setup(only_net_dpdk_is_a_network_of_our_own, defaults),
        cmocka_unit_test_setup(print_refuses_a_room_that_is_too_small, defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
