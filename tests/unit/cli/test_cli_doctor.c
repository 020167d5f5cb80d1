#include "cli/cli.h"
#include "cli/host/doctor.h"
#include "tests/unit/unit.h"

#include <string.h>

static char *const no_environment[] = {NULL};

static void
a_data_directory_that_is_not_there_yet_is_looked_for_above(void **state)
{
    struct cli_args args = {.data = P_tmpdir "/no/such/folder"};
    struct doctor d;
    assert_int_equal(cli_doctor_host(&args, no_environment, &d), CLI_EXIT_OK);
    assert_string_equal(d.data, P_tmpdir);
    assert_string_equal(d.root, "");
    assert_false(d.dpdk);
}

static void
the_first_of_several_directories_counts(void **state)
{
    struct cli_args args = {.data = "/proc," P_tmpdir};
    struct doctor d;
    assert_int_equal(cli_doctor_host(&args, no_environment, &d), CLI_EXIT_OK);
    assert_string_equal(d.data, "/proc");
}

static void
a_wrong_configuration_is_told(void **state)
{
    struct cli_args args = {.options = {"no.such.key=1"}, .option_count = 1};
    struct doctor d;
    assert_int_equal(cli_doctor_host(&args, no_environment, &d), CLI_EXIT_FAILED);
}

static void
this_host_can_be_looked_over(void **state)
{
    static struct command_line line;
    static char text[64 << 10];
    char error[COMMAND_ERROR_BYTES];
    char *const argv[] = {"sluice", "doctor", "--format", "json"};
    struct cli_args args;
    assert_int_equal(command_read(&line, 4, argv, error), 0);
    cli_args_take(&args, &line);
    FILE *out = fmemopen(text, sizeof text, "w");
    int code = cli_doctor(&line, &args, no_environment, out);
    fclose(out);
    assert_true(code == CLI_EXIT_OK || code == COMMAND_EXIT_FOUND);
    json_t *all = json_loads(text, 0, NULL);
    assert_non_null(doctor_row((uint32_t)json_array_size(all) - 1));
    assert_null(doctor_row((uint32_t)json_array_size(all)));
    json_decref(all);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_data_directory_that_is_not_there_yet_is_looked_for_above),
        cmocka_unit_test(the_first_of_several_directories_counts),
        cmocka_unit_test(a_wrong_configuration_is_told),
        cmocka_unit_test(this_host_can_be_looked_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
