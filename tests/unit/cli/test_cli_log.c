#include "cli/cli.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[] = "sluice-log-XXXXXX", lock[64];

static int
made(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(lock, sizeof lock, "%s/lock", dir);
    return 0;
}

static int
removed(void **state)
{
    (void)state;
    unlink(lock);
    return rmdir(dir);
}

/* The exit code; *text gets what was printed. */
static int
work(enum cli_log_work what, const char *data, char **text)
{
    static char *const no_environment[] = {NULL};
    struct cli_args args = {.command = CLI_LOG, .work = what, .data = data};
    size_t n;
    FILE *out = open_memstream(text, &n);
    assert_non_null(out);
    int code = cli_log(&args, no_environment, out);
    fclose(out);
    return code;
}

static void
a_directory_that_is_not_there_is_refused(void **state)
{
    (void)state;
    char *text;
    assert_int_equal(work(CLI_LOG_VERIFY, "/nonexistent/data", &text), CLI_EXIT_FAILED);
    assert_string_equal(text, "");
    free(text);
}

static void
a_directory_that_is_no_broker_s_is_refused(void **state)
{
    (void)state;
    char *text;
    assert_int_equal(work(CLI_LOG_VERIFY, dir, &text), CLI_EXIT_FAILED);
    assert_string_equal(text, "");
    free(text);
}

static void
a_directory_that_is_in_use_is_refused(void **state)
{
    (void)state;
    char *text;
    int fd = os_lock(lock);
    assert_true(fd >= 0);
    assert_int_equal(work(CLI_LOG_REPAIR, dir, &text), CLI_EXIT_FAILED);
    assert_string_equal(text, "");
    free(text);
    close(fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_directory_that_is_not_there_is_refused),
        cmocka_unit_test(a_directory_that_is_no_broker_s_is_refused),
        cmocka_unit_test(a_directory_that_is_in_use_is_refused),
    };
    return cmocka_run_group_tests(tests, made, removed);
}
