#include "cli/command/command.h"
#include "core/base/err.h"
#include "tests/unit/unit.h"

#include <string.h>

static char text[32 << 10];

static int
help(const char *first, const char *second)
{
    const char *words[] = {first, second};
    memset(text, 0, sizeof text);
    FILE *out = fmemopen(text, sizeof text, "w");
    int err = command_help(words, !first ? 0 : second ? 2 : 1, out);
    fclose(out);
    return err;
}

static void
the_overview_has_each_group_once_and_nothing_hidden(void **state)
{
    assert_int_equal(help(NULL, NULL), ERR_OK);
    const char *log = strstr(text, "sluice log ...");
    assert_non_null(log);
    assert_null(strstr(log + 1, "sluice log"));
    assert_null(strstr(text, "__"));
}

static void
a_group_lists_its_commands(void **state)
{
    assert_int_equal(help("log", NULL), ERR_OK);
    assert_non_null(strstr(text, "sluice log verify"));
    assert_non_null(strstr(text, "sluice log repair"));
    assert_null(strstr(text, "sluice run"));
}

static void
a_command_shows_options_defaults_and_examples(void **state)
{
    assert_int_equal(help("log", "dump"), ERR_OK);
    assert_non_null(strstr(text, "sluice log dump [OPTION...] FILE"));
    assert_non_null(strstr(text, "--format text|json"));
    assert_non_null(strstr(text, "default text"));
    assert_non_null(strstr(text, "sluice log dump --deep"));
    assert_non_null(strstr(text, "Exit codes"));
}

static void
no_line_is_wider_than_a_page(void **state)
{
    const struct command *c;
    for (uint32_t i = 0; (c = command_row(i)); i++) {
        memset(text, 0, sizeof text);
        FILE *out = fmemopen(text, sizeof text, "w");
        command_help_one(c, out);
        fclose(out);
        for (const char *at = text; *at; at += strcspn(at, "\n") + 1)
            if (strcspn(at, "\n") > 100)
                fail_msg("'%s': %.*s", c->words, (int)strcspn(at, "\n"), at);
    }
}

static void
a_space_stands_between_each_command_and_its_summary(void **state)
{
    const struct command *c;
    int n;
    for (uint32_t at = 0; (c = command_group_next(&at, &n));) {
        char group[64];
        snprintf(group, sizeof group, "%.*s", n, c->words);
        if (!command_group_summary(group, n))
            continue;
        assert_int_equal(help(group, NULL), ERR_OK);
        for (uint32_t i = 0; (c = command_row(i)); i++) {
            char head[128];
            snprintf(head, sizeof head, "    sluice %s", c->words);
            const char *line =
                c->hidden || strncmp(c->words, group, (size_t)n) != 0 || c->words[n] != ' '
                    ? NULL
                    : strstr(text, head);
            if (line && !strchr(" \n", line[strlen(head)]))
                fail_msg("%.*s", (int)strcspn(line, "\n"), line);
        }
    }
}

static void
an_unknown_word_has_no_help(void **state)
{
    assert_int_equal(help("nothing", NULL), ERR_NOT_FOUND);
    assert_int_equal(help("log", "nothing"), ERR_NOT_FOUND);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_overview_has_each_group_once_and_nothing_hidden),
        cmocka_unit_test(a_group_lists_its_commands),
        cmocka_unit_test(a_command_shows_options_defaults_and_examples),
        cmocka_unit_test(no_line_is_wider_than_a_page),
        cmocka_unit_test(a_space_stands_between_each_command_and_its_summary),
        cmocka_unit_test(an_unknown_word_has_no_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
