#include "cli/command/command.h"
#include "core/base/err.h"
#include "tests/unit/unit.h"

#include <string.h>

static struct command_line line;
static char error[COMMAND_ERROR_BYTES];

#define READ(...)                                                                                  \
    read_words((char *[]){"sluice", __VA_ARGS__},                                                  \
               (int)(sizeof((char *[]){"sluice", __VA_ARGS__}) / sizeof(char *)))

static int
read_words(char *const *argv, int argc)
{
    error[0] = 0;
    return command_read(&line, argc, argv, error);
}

static void
a_command_of_two_words_is_found_with_its_arguments(void **state)
{
    assert_int_equal(READ("log", "dump", "--deep", "some/file", "--format=json"), ERR_OK);
    assert_int_equal(line.command->id, COMMAND_LOG_DUMP);
    assert_int_equal(line.word_count, 1);
    assert_string_equal(line.words[0], "some/file");
    assert_true(command_has(&line, "--deep"));
    assert_string_equal(command_text(&line, "--format"), "json");
}

static void
what_is_not_given_has_its_default(void **state)
{
    assert_int_equal(READ("stat"), ERR_OK);
    assert_string_equal(command_text(&line, "--format"), "text");
    assert_null(command_text(&line, "--data"));
    assert_false(command_has(&line, "--data"));
}

static void
of_two_the_last_counts_and_each_can_be_had(void **state)
{
    assert_int_equal(READ("run", "-o", "a=1", "-ob=2"), ERR_OK);
    assert_string_equal(command_text(&line, "-o"), "b=2");
    assert_string_equal(command_each(&line, "-o", 0), "a=1");
    assert_string_equal(command_each(&line, "-o", 1), "b=2");
    assert_null(command_each(&line, "-o", 2));
}

static void
a_group_alone_says_where_its_commands_are(void **state)
{
    assert_int_equal(READ("log"), ERR_INVALID);
    assert_non_null(strstr(error, "see 'sluice help log'"));
    assert_int_equal(READ("log", "verfy"), ERR_INVALID);
    assert_string_equal(error, "unknown command 'log verfy': did you mean 'sluice log verify'?");
    assert_int_equal(READ("log", "--help"), ERR_OK);
    assert_int_equal(line.command->id, COMMAND_HELP);
    assert_string_equal(line.words[0], "log");
}

static void
help_anywhere_asks_for_nothing_else(void **state)
{
    assert_int_equal(READ("completion", "--help"), ERR_OK);
    assert_true(line.help);
    assert_int_equal(READ("completion"), ERR_INVALID);
    assert_non_null(strstr(error, "bash|zsh|fish"));
    assert_int_equal(READ("--version"), ERR_OK);
    assert_int_equal(line.command->id, COMMAND_VERSION);
}

static void
two_dashes_end_the_options(void **state)
{
    assert_int_equal(READ("run", "--", "--data"), ERR_OK);
    assert_string_equal(line.words[0], "--data");
    assert_null(command_text(&line, "--data"));
}

static void
words_of_a_shell_are_taken_as_they_are(void **state)
{
    assert_int_equal(READ("__complete", "run", "--da"), ERR_OK);
    assert_int_equal(line.word_count, 2);
    assert_string_equal(line.words[1], "--da");
}

static void
hidden_commands_are_never_suggested(void **state)
{
    assert_int_equal(READ("__man"), ERR_INVALID);
    assert_int_equal(READ("__mam"), ERR_INVALID);
    assert_null(strstr(error, "sluice __"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_of_two_words_is_found_with_its_arguments),
        cmocka_unit_test(what_is_not_given_has_its_default),
        cmocka_unit_test(of_two_the_last_counts_and_each_can_be_had),
        cmocka_unit_test(a_group_alone_says_where_its_commands_are),
        cmocka_unit_test(help_anywhere_asks_for_nothing_else),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(words_of_a_shell_are_taken_as_they_are),
        cmocka_unit_test(hidden_commands_are_never_suggested),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
