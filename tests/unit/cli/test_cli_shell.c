#include "cli/cli.h"
#include "core/base/err.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char text[64 << 10];
static int code;

#define RUN(...)                                                                                   \
    run_words((char *[]){"sluice", __VA_ARGS__},                                                   \
              (int)(sizeof((char *[]){"sluice", __VA_ARGS__}) / sizeof(char *)))

static const char *
run_words(char *const *argv, int argc)
{
    static struct command_line line;
    char error[COMMAND_ERROR_BYTES] = "";
    memset(text, 0, sizeof text);
    int err = command_read(&line, argc, argv, error);
    if (err)
        fail_msg("%s", error);
    FILE *out = fmemopen(text, sizeof text, "w");
    code = cli_shell(&line, out);
    fclose(out);
    return text;
}

static void
help_names_every_command(void **state)
{
    static const char *const words[] = {"sluice run", "sluice config",  "sluice stat",
                                        "sluice log", "sluice version", "sluice help"};
    RUN("help");
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        assert_non_null(strstr(text, words[i]));
    assert_int_equal(code, CLI_EXIT_OK);
}

static void
help_of_a_command_is_the_same_both_ways(void **state)
{
    static char first[sizeof text];
    memcpy(first, RUN("help", "log", "dump"), sizeof text);
    assert_string_equal(RUN("log", "dump", "--help"), first);
    assert_non_null(strstr(first, "--deep"));
}

static void
help_of_what_is_not_there_is_a_wrong_line(void **state)
{
    RUN("help", "nothing");
    assert_int_equal(code, CLI_EXIT_USAGE);
}

static void
completion_asks_for_files_where_files_stand(void **state)
{
    assert_string_equal(RUN("__complete", "run", ""), ":files\n");
    assert_string_equal(RUN("__complete", "run", "--data", ""), ":folders\n");
}

static void
a_shell_without_completion_is_a_wrong_line(void **state)
{
    RUN("completion", "tcsh");
    assert_int_equal(code, CLI_EXIT_USAGE);
    assert_non_null(strstr(RUN("completion", "bash"), "complete -o"));
    assert_int_equal(code, CLI_EXIT_OK);
}

static void
man_writes_a_page_for_each_group(void **state)
{
    char dir[] = P_tmpdir "/sluice-man-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    RUN("__man", dir);
    assert_int_equal(code, CLI_EXIT_OK);
    static const char *const pages[] = {"sluice.1", "sluice-run.1", "sluice-log.1"};
    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, pages[i]);
        assert_int_equal(access(path, R_OK), 0);
    }
    snprintf(path, sizeof path, "rm -r %s", dir);
    assert_int_equal(system(path), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(help_names_every_command),
        cmocka_unit_test(help_of_a_command_is_the_same_both_ways),
        cmocka_unit_test(help_of_what_is_not_there_is_a_wrong_line),
        cmocka_unit_test(completion_asks_for_files_where_files_stand),
        cmocka_unit_test(a_shell_without_completion_is_a_wrong_line),
        cmocka_unit_test(man_writes_a_page_for_each_group),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
