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
expect_log_dirs(const char *text, const char *value)
{
    conf_defaults(&c);
    assert_int_equal(conf_parse(&c, text, CONF_FILE, error), ERR_OK);
    assert_string_equal(conf_text(&c, CONF_LOG_DIRS), value);
}

static void
expect_error(const char *text, const char *line)
{
    conf_defaults(&c);
    assert_int_equal(conf_parse(&c, text, CONF_FILE, error), ERR_INVALID);
    assert_string_equal(error, line);
}

static void
comments_and_blank_lines_are_skipped(void **state)
{
    expect_log_dirs("# one\n  ! two\n\n \t\f\nlog.dirs=/a\n#log.dirs=/b", "/a");
}

static void
every_separator_of_java_is_read(void **state)
{
    expect_log_dirs("log.dirs=/a", "/a");
    expect_log_dirs("log.dirs:/a", "/a");
    expect_log_dirs("log.dirs /a", "/a");
    expect_log_dirs("  log.dirs \t = /a \t", "/a");
    expect_log_dirs("log.dirs==/a", "=/a");
    expect_log_dirs("log.dirs = : /a", ": /a");
    expect_log_dirs("log.dirs", "");
}

static void
every_end_of_line_is_read(void **state)
{
    expect_log_dirs("node.id=2\rlog.dirs=/a\r\nnet=kernel\n", "/a");
    assert_int_equal(conf_number(&c, CONF_NODE_ID), 2);
}

static void
a_backslash_at_the_end_continues_the_line(void **state)
{
    expect_log_dirs("log.dirs=/a\\\n   /b\\\r\n\t/c\nnode.id=4", "/a/b/c");
    assert_int_equal(conf_number(&c, CONF_NODE_ID), 4);
    expect_log_dirs("log.\\\n  dirs=/a", "/a");
    expect_log_dirs("log.dirs=/a\\\n#b", "/a#b"); /* no comment inside a continued line */
    expect_log_dirs("log.dirs=/a\\\\\nnode.id=4", "/a\\");
    expect_log_dirs("log.dirs=/a\\", "/a");
    expect_log_dirs("log.dirs=/a\\\n", "/a");
}

static void
escapes_are_resolved(void **state)
{
    expect_log_dirs("log.dirs=/a\\tb\\nc\\\\d\\=\\x", "/a\tb\nc\\d=x");
    expect_log_dirs("log.dirs=/\\u00e9\\u20ac\\u0041", "/\xc3\xa9\xe2\x82\xac"
                                                       "A");
    expect_log_dirs("log\\.dirs=/a", "/a");
}

static void
errors_name_the_first_line_of_what_is_wrong(void **state)
{
    expect_error("# c\nnode.id=1\nnum.partition=3\n",
                 "line 3: unknown key 'num.partition': did you mean 'num.partitions'?");
    expect_error("\n\nnode.\\\nid=x",
                 "line 3: node.id=x is not a whole number: give 0 to 2147483647");
    expect_error("log.dirs=\\u00g1",
                 "line 1: \\u is not followed by four hexadecimal digits of a character");
    expect_error("log.dirs=\\u0000",
                 "line 1: \\u is not followed by four hexadecimal digits of a character");
}

static void
a_line_without_end_is_refused(void **state)
{
    static char text[8192];
    memset(text, 'x', sizeof text - 1);
    expect_error(text, "line 1: too long");
}

static void
a_key_that_only_other_brokers_have_is_an_error(void **state)
{
    assert_int_equal(conf_parse(&c, "zookeeper.connect=a:2181", CONF_FILE, error), ERR_INVALID);
    assert_non_null(strstr(error, "unknown key 'zookeeper.connect'"));
    assert_int_equal(conf_parse(&c, "num.network.threads=3", CONF_FILE, error), ERR_INVALID);
}

static void
the_last_of_two_lines_stands(void **state)
{
    expect_log_dirs("log.dirs=/a\nlog.dir=/b", "/b");
}

static void
what_print_writes_parse_reads(void **state)
{
    static char text[64 << 10];
    static struct conf back;
    assert_int_equal(conf_set(&c, "log.dirs", "/a\\b\tc\nd=e#f", CONF_OPTION, error), ERR_OK);
    assert_int_equal(conf_set(&c, "num.partitions", "17", CONF_OPTION, error), ERR_OK);
    int n = conf_print(&c, text, sizeof text);
    assert_int_equal(n, strlen(text));
    conf_defaults(&back);
    assert_int_equal(conf_parse(&back, text, CONF_FILE, error), ERR_OK);
    for (unsigned i = 0; i < CONF_KEYS; i++) {
        assert_string_equal(back.values[i].text, c.values[i].text);
        assert_int_equal(back.values[i].number, c.values[i].number);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(comments_and_blank_lines_are_skipped, defaults),
        cmocka_unit_test_setup(every_separator_of_java_is_read, defaults),
        cmocka_unit_test_setup(every_end_of_line_is_read, defaults),
        cmocka_unit_test_setup(a_backslash_at_the_end_continues_the_line, defaults),
        cmocka_unit_test_setup(escapes_are_resolved, defaults),
        cmocka_unit_test_setup(errors_name_the_first_line_of_what_is_wrong, defaults),
        cmocka_unit_test_setup(a_line_without_end_is_refused, defaults),
        cmocka_unit_test_setup(a_key_that_only_other_brokers_have_is_an_error, defaults),
        cmocka_unit_test_setup(the_last_of_two_lines_stands, defaults),
        cmocka_unit_test_setup(what_print_writes_parse_reads, defaults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
