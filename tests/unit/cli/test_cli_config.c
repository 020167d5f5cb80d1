#include "cli/cli.h"
#include "core/base/err.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct conf c;
static char error[CLI_ERROR_BYTES];
static char file[] = P_tmpdir "/sluice-test-XXXXXX";
static char *no_environment[] = {NULL};

static int
setup(void **state)
{
    static const char text[] = "node.id=2\nnum.partitions=2\nlog.dirs=/from/file\ncores=1\n";
    memcpy(file + strlen(file) - 6, "XXXXXX", 6);
    int fd = mkstemp(file);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        return -1;
    return close(fd);
}

static int
teardown(void **state)
{
    return unlink(file);
}

static void
options_beat_the_environment_which_beats_the_file(void **state)
{
    struct cli_args a = {.file = file, .options = {"node.id=4"}, .option_count = 1};
    char *environment[] = {"SLUICE_NODE_ID=3", "SLUICE_NUM_PARTITIONS=3", NULL};
    assert_int_equal(cli_config_load(&a, environment, &c, error), ERR_OK);
    assert_int_equal(conf_number(&c, CONF_NODE_ID), 4);
    assert_int_equal(conf_number(&c, CONF_NUM_PARTITIONS), 3);
    assert_string_equal(conf_text(&c, CONF_CORES), "1");
    assert_string_equal(conf_text(&c, CONF_IDLE), "sleep");
    assert_string_equal(conf_text(&c, CONF_LOG_DIRS), "/from/file");
}

static void
data_is_the_strongest_word_on_log_dirs(void **state)
{
    struct cli_args a = {
        .file = file, .data = "/from/data", .options = {"log.dirs=/o"}, .option_count = 1};
    assert_int_equal(cli_config_load(&a, no_environment, &c, error), ERR_OK);
    assert_string_equal(conf_text(&c, CONF_LOG_DIRS), "/from/data");
}

static void
a_value_may_hold_an_equals_sign(void **state)
{
    struct cli_args a = {.options = {"log.dirs=/a=b"}, .option_count = 1};
    assert_int_equal(cli_config_load(&a, no_environment, &c, error), ERR_OK);
    assert_string_equal(conf_text(&c, CONF_LOG_DIRS), "/a=b");
}

static void
an_error_in_a_file_names_file_and_line(void **state)
{
    char want[256];
    struct cli_args a = {.file = file};
    FILE *f = fopen(file, "w");
    fputs("# one\nnum.partition=3\n", f);
    fclose(f);
    snprintf(want, sizeof want,
             "%s, line 2: unknown key 'num.partition': did you mean 'num.partitions'?", file);
    assert_int_equal(cli_config_load(&a, no_environment, &c, error), ERR_INVALID);
    assert_string_equal(error, want);
}

static void
a_file_that_is_missing_or_not_text_is_told(void **state)
{
    struct cli_args a = {.file = "/nowhere/server.properties"};
    assert_int_equal(cli_config_load(&a, no_environment, &c, error), ERR_NOT_FOUND);
    assert_string_equal(
        error, "configuration file /nowhere/server.properties cannot be read: no such thing");
    FILE *f = fopen(file, "w");
    fwrite("node.id=1\0\n", 1, 11, f);
    fclose(f);
    a.file = file;
    assert_int_equal(cli_config_load(&a, no_environment, &c, error), ERR_CORRUPT);
    assert_non_null(strstr(error, "is not text"));
}

/* What the command prints, until the next call. */
static const char *
printed(const struct cli_args *a)
{
    static char text[256 << 10];
    FILE *out = fmemopen(text, sizeof text, "w");
    assert_non_null(out);
    assert_int_equal(cli_config(a, no_environment, out), CLI_EXIT_OK);
    fclose(out);
    return text;
}

static void
the_table_shows_every_key_its_value_and_origin(void **state)
{
    struct cli_args a = {.file = file};
    const char *text = printed(&a);
    for (unsigned i = 0; i < CONF_KEYS; i++) {
        assert_non_null(strstr(text, conf_row((enum conf_key)i)->name));
        assert_non_null(strstr(text, conf_row((enum conf_key)i)->help));
    }
    const char *line = strstr(text, "\nnum.partitions ");
    assert_non_null(line);
    assert_memory_equal(line + 45, "2                            file        partitions", 51);
}

/* docs/configuration.md of the source tree that this file was compiled from. */
static void
the_committed_page_is_what_the_command_prints(void **state)
{
    static char page[256 << 10];
    char path[1024] = __FILE__;
    char *end = strstr(path, "tests/unit/cli/");
    assert_non_null(end);
    snprintf(end, sizeof path - (size_t)(end - path), "docs/configuration.md");
    if (os_file_read(path, page, sizeof page) < 0)
        fail_msg("%s cannot be read", path);
    const char *text = printed(&(struct cli_args){.markdown = true});
    if (strcmp(page, text) != 0)
        fail_msg("docs/configuration.md is old: sluice config --markdown > docs/configuration.md");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(options_beat_the_environment_which_beats_the_file, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(data_is_the_strongest_word_on_log_dirs, setup, teardown),
        cmocka_unit_test_setup_teardown(a_value_may_hold_an_equals_sign, setup, teardown),
        cmocka_unit_test_setup_teardown(an_error_in_a_file_names_file_and_line, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_is_missing_or_not_text_is_told, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_table_shows_every_key_its_value_and_origin, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_committed_page_is_what_the_command_prints, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
