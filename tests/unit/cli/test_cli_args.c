#include "cli/cli.h"
#include "core/base/err.h"
#include "tests/unit/unit.h"

#include <string.h>

static struct cli_args a;
static char error[CLI_ERROR_BYTES];

#define READ(...)                                                                                  \
    read_words((char *[]){"sluice", __VA_ARGS__},                                                  \
               (int)(sizeof((char *[]){"sluice", __VA_ARGS__}) / sizeof(char *)))

static int
read_words(char *const *argv, int argc)
{
    error[0] = 0;
    return cli_args_read(&a, argc, argv, error);
}

static void
run_takes_options_in_every_form_and_a_file(void **state)
{
    assert_int_equal(READ("run", "--data", "/x", "-o", "a=1", "file.properties", "-ob=2"), ERR_OK);
    assert_int_equal(a.command, CLI_RUN);
    assert_string_equal(a.data, "/x");
    assert_string_equal(a.file, "file.properties");
    assert_int_equal(a.option_count, 2);
    assert_string_equal(a.options[0], "a=1");
    assert_string_equal(a.options[1], "b=2");
    assert_int_equal(READ("run", "--data=/y"), ERR_OK);
    assert_string_equal(a.data, "/y");
}

static void
the_other_commands_are_known(void **state)
{
    assert_int_equal(READ("config", "--markdown"), ERR_OK);
    assert_true(a.command == CLI_CONFIG && a.markdown);
    assert_int_equal(READ("stat", "--format", "json"), ERR_OK);
    assert_true(a.command == CLI_STAT && a.json);
    assert_int_equal(READ("stat", "--format=text"), ERR_OK);
    assert_false(a.json);
    assert_int_equal(READ("version"), ERR_OK);
    assert_int_equal(a.command, CLI_VERSION);
    assert_int_equal(READ("--help"), ERR_OK);
    assert_int_equal(a.command, CLI_HELP);
}

static void
an_unknown_word_is_told_the_nearest(void **state)
{
    assert_int_equal(READ("rnu"), ERR_INVALID);
    assert_string_equal(error, "unknown command 'rnu': did you mean 'sluice run'?");
    assert_int_equal(READ("run", "--date", "/x"), ERR_INVALID);
    assert_string_equal(error, "unknown option '--date': did you mean '--data'?");
    assert_int_equal(READ("config", "--markdwon"), ERR_INVALID);
    assert_string_equal(error, "unknown option '--markdwon': did you mean '--markdown'?");
    assert_int_equal(READ("version", "-x"), ERR_INVALID);
    assert_string_equal(error, "unknown option '-x': this command has none");
}

static void
an_option_of_another_command_is_unknown(void **state)
{
    assert_int_equal(READ("run", "--markdown"), ERR_INVALID);
    assert_int_equal(READ("run", "--format", "json"), ERR_INVALID);
    assert_int_equal(READ("config", "--markdown=1"), ERR_INVALID);
}

static void
what_is_missing_or_too_much_is_told(void **state)
{
    assert_int_equal(read_words((char *[]){"sluice"}, 1), ERR_INVALID);
    assert_non_null(strstr(error, "sluice run"));
    assert_int_equal(READ("run", "--data"), ERR_INVALID);
    assert_string_equal(error, "--data needs a value: see 'sluice help run'");
    assert_int_equal(READ("run", "--data="), ERR_INVALID);
    assert_int_equal(READ("run", "-o", "nothing"), ERR_INVALID);
    assert_string_equal(error, "-o nothing: give -o key=value");
    assert_int_equal(READ("run", "a", "b"), ERR_INVALID);
    assert_int_equal(READ("stat", "a"), ERR_INVALID);
    assert_int_equal(READ("stat", "--format", "xml"), ERR_INVALID);
    assert_string_equal(error, "--format xml: give text or json");
}

static void
options_beyond_the_limit_are_refused(void **state)
{
    char *argv[2 + 2 * (CLI_OPTIONS_MAX + 1)] = {"sluice", "run"};
    int n = 2;
    for (int i = 0; i <= CLI_OPTIONS_MAX; i++) {
        argv[n++] = "-o";
        argv[n++] = "a=1";
    }
    assert_int_equal(read_words(argv, n - 2), ERR_OK);
    assert_int_equal(read_words(argv, n), ERR_INVALID);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_takes_options_in_every_form_and_a_file),
        cmocka_unit_test(the_other_commands_are_known),
        cmocka_unit_test(an_unknown_word_is_told_the_nearest),
        cmocka_unit_test(an_option_of_another_command_is_unknown),
        cmocka_unit_test(what_is_missing_or_too_much_is_told),
        cmocka_unit_test(options_beyond_the_limit_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
