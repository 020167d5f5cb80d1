#include "cli/cli.h"
#include "core/base/err.h"
#include "tests/unit/cli/fake.h"

static struct cli_plan plan;
static char error[CLI_ERROR_BYTES];

static void
end(void)
{
    for (int i = 0; i < plan.dir_count; i++)
        close(plan.lock_fds[i]);
    memset(&plan, 0, sizeof plan);
}

static int
teardown(void **state)
{
    static const char *const made[] = {"a/lock", "a/sluice.format", "a",
                                       "b/lock", "b/sluice.format", "b"};
    end();
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        remove(fake_path(made[i]));
    return fake_teardown(state);
}

/* A start with these directories of the test's home. */
static int
start(const char *a, const char *b, const char *first)
{
    char list[CONF_TEXT_BYTES_MAX], why[CONF_ERROR_BYTES];
    end();
    error[0] = '\0';
    conf_defaults(&plan.conf);
    snprintf(list, sizeof list, "%s/%s%s%s%s%s", fake_home, a, b ? ", " : "", b ? fake_home : "",
             b ? "/" : "", b ? b : "");
    assert_int_equal(conf_set(&plan.conf, "log.dirs", list, CONF_OPTION, why), ERR_OK);
    snprintf(list, sizeof list, "%s/%s", fake_home, first ? first : "");
    if (first)
        assert_int_equal(conf_set(&plan.conf, "metadata.log.dir", list, CONF_OPTION, why), ERR_OK);
    return cli_dirs_prepare(&plan, error);
}

static void
expect_list(const char *a, const char *b)
{
    char list[CONF_TEXT_BYTES_MAX];
    snprintf(list, sizeof list, "%s/%s,%s/%s", fake_home, a, fake_home, b);
    assert_string_equal(conf_text(&plan.conf, CONF_LOG_DIRS), list);
}

static void
every_directory_is_locked_and_gets_an_id_of_its_own(void **state)
{
    struct os_format a, b;
    assert_int_equal(start("a", "b", NULL), ERR_OK);
    assert_int_equal(plan.dir_count, 2);
    expect_list("a", "b");
    assert_int_equal(os_format_peek(fake_path("a"), 1, &a, error), ERR_OK);
    assert_int_equal(os_format_peek(fake_path("b"), 1, &b, error), ERR_OK);
    assert_string_equal(a.cluster_id, b.cluster_id);
    assert_string_equal(a.journal_id, a.directory_id);
    assert_string_equal(b.journal_id, a.directory_id);
    assert_memory_not_equal(a.directory, b.directory, sizeof a.directory);
}

static void
the_directory_with_the_journals_stays_the_first_in_any_order(void **state)
{
    assert_int_equal(start("a", "b", NULL), ERR_OK);
    assert_int_equal(start("b", "a", NULL), ERR_OK);
    expect_list("a", "b");
    assert_int_equal(start("a", "b", "b"), ERR_INVALID);
    assert_non_null(strstr(error, "the journals are in"));
}

static void
metadata_log_dir_chooses_the_first_of_new_ones(void **state)
{
    assert_int_equal(os_dir_create(fake_path("b")), ERR_OK);
    assert_int_equal(start("a", "b", "b"), ERR_OK);
    expect_list("b", "a");
    assert_int_equal(start("a", NULL, NULL), ERR_INVALID);
    assert_non_null(strstr(error, "belongs to a journal in another directory"));
}

static void
a_directory_that_cannot_be_used_does_not_stop_the_others(void **state)
{
    assert_int_equal(os_file_write(fake_home, "b", "no directory\n"), ERR_OK);
    assert_int_equal(start("a", "b", NULL), ERR_OK);
    assert_int_equal(plan.dir_count, 1);
    expect_list("a", "b");
    assert_true(start("b", "a", "b") < 0);
    assert_int_equal(remove(fake_path("b")), 0);
    assert_int_equal(start("a", "b", NULL), ERR_OK);
    assert_int_equal(plan.dir_count, 2);
}

static void
the_same_directory_twice_is_refused(void **state)
{
    assert_int_equal(start("a", "a", NULL), ERR_INVALID);
    assert_non_null(strstr(error, "twice"));
    assert_int_equal(start("a", "./a", NULL), ERR_BUSY);
}

static void
a_directory_of_before_there_were_several_becomes_the_first(void **state)
{
    assert_int_equal(os_dir_create(fake_path("a")), ERR_OK);
    assert_int_equal(os_file_write(fake_path("a"), "sluice.format",
                                   "version=1\ncluster.id=Xk3uEIhJQ2mvTqf1nVd0Sw\nnode.id=1\n"),
                     ERR_OK);
    assert_int_equal(start("b", "a", NULL), ERR_OK);
    expect_list("a", "b");
    assert_string_equal(plan.format.cluster_id, "Xk3uEIhJQ2mvTqf1nVd0Sw");
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fake_setup, teardown)
    const struct CMUnitTest tests[] = {
        T(every_directory_is_locked_and_gets_an_id_of_its_own),
        T(the_directory_with_the_journals_stays_the_first_in_any_order),
        T(metadata_log_dir_chooses_the_first_of_new_ones),
        T(a_directory_that_cannot_be_used_does_not_stop_the_others),
        T(the_same_directory_twice_is_refused),
        T(a_directory_of_before_there_were_several_becomes_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
