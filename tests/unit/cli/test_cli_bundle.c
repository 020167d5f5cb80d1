#include "cli/cli.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *const no_environment[] = {NULL};
static char home[64], path[128];

static int
setup(void **state)
{
    snprintf(home, sizeof home, "%s/sluice-bundle-XXXXXX", P_tmpdir);
    if (!mkdtemp(home))
        return -1;
    snprintf(path, sizeof path, "%s/b.tar.gz", home);
    return 0;
}

static int
teardown(void **state)
{
    unlink(path);
    return rmdir(home);
}

static int
bundle(void)
{
    static struct command_line line;
    static struct cli_args args;
    char error[COMMAND_ERROR_BYTES];
    const char *argv[] = {"sluice",   "bundle", "-q",        "--data",     home,
                          "--output", path,     "--metrics", "127.0.0.1:1"};
    assert_int_equal(command_read(&line, 9, (char *const *)argv, error), 0);
    cli_args_take(&args, &line);
    return cli_bundle(&line, &args, no_environment);
}

static void
without_a_broker_there_is_a_bundle_all_the_same(void **state)
{
    char command[512];
    assert_int_equal(bundle(), CLI_EXIT_OK);
    snprintf(command, sizeof command,
             "tar -tzf %s | grep -q config.txt && tar -xzOf %s | grep -q log.retention.ms", path,
             path);
    assert_int_equal(system(command), 0);
}

static void
a_file_that_is_there_is_not_written_over(void **state)
{
    assert_int_equal(bundle(), CLI_EXIT_OK);
    assert_int_equal(bundle(), CLI_EXIT_FAILED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_a_broker_there_is_a_bundle_all_the_same, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_file_that_is_there_is_not_written_over, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
