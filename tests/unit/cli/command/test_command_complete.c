#include "cli/command/command.h"
#include "tests/unit/unit.h"

#include <string.h>

static char text[32 << 10];
static const char *prefix;

#define COMPLETE(...)                                                                              \
    complete((const char *[]){__VA_ARGS__},                                                        \
             (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)))

static enum command_names
complete(const char *const *words, int count)
{
    memset(text, 0, sizeof text);
    FILE *out = fmemopen(text, sizeof text, "w");
    enum command_names n = command_complete(words, count, out, &prefix);
    fclose(out);
    return n;
}

static void
the_first_word_is_a_command_or_a_group(void **state)
{
    assert_int_equal(COMPLETE("lo"), COMMAND_NAMES_NONE);
    assert_string_equal(text, "log\tthe data directory of a stopped broker\n");
    COMPLETE("");
    assert_non_null(strstr(text, "run\t"));
    assert_null(strstr(text, "__"));
}

static void
a_group_is_followed_by_its_commands(void **state)
{
    COMPLETE("log", "");
    assert_int_equal(strncmp(text, "verify\t", 7), 0);
    assert_non_null(strstr(text, "\nrepair\t"));
    assert_non_null(strstr(text, "\ndump\t"));
}

static void
dashes_give_the_options_of_the_command(void **state)
{
    COMPLETE("log", "dump", "--de");
    assert_string_equal(text, "--deep\tshows the records of each batch too\n");
}

static void
an_option_is_followed_by_its_choices_or_by_what_it_names(void **state)
{
    COMPLETE("stat", "--format", "");
    assert_non_null(strstr(text, "text\t"));
    assert_non_null(strstr(text, "json\t"));
    assert_int_equal(COMPLETE("run", "--data", "/va"), COMMAND_NAMES_FOLDERS);
    assert_string_equal(prefix, "/va");
    assert_int_equal(COMPLETE("run", ""), COMMAND_NAMES_FILES);
}

static void
help_is_followed_by_commands(void **state)
{
    COMPLETE("help", "log", "ver");
    assert_int_equal(strncmp(text, "verify\t", 7), 0);
}

static void
an_argument_of_fixed_words_gives_them(void **state)
{
    COMPLETE("completion", "z");
    assert_int_equal(strncmp(text, "zsh\t", 4), 0);
}

static void
each_shell_has_a_script_that_asks_us(void **state)
{
    static const char *const shells[] = {"bash", "zsh", "fish"};
    for (size_t i = 0; i < 3; i++) {
        memset(text, 0, sizeof text);
        FILE *out = fmemopen(text, sizeof text, "w");
        command_complete_script(shells[i], out);
        fclose(out);
        assert_non_null(strstr(text, "__complete"));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_word_is_a_command_or_a_group),
        cmocka_unit_test(a_group_is_followed_by_its_commands),
        cmocka_unit_test(dashes_give_the_options_of_the_command),
        cmocka_unit_test(an_option_is_followed_by_its_choices_or_by_what_it_names),
        cmocka_unit_test(help_is_followed_by_commands),
        cmocka_unit_test(an_argument_of_fixed_words_gives_them),
        cmocka_unit_test(each_shell_has_a_script_that_asks_us),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
