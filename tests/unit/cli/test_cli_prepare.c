#include "cli/cli.h"
#include "core/base/err.h"
#include "tests/unit/cli/fake.h"

static struct cli_plan plan;
static char error[CLI_ERROR_BYTES];

static void
set(const char *key, const char *value)
{
    char why[CONF_ERROR_BYTES];
    assert_int_equal(conf_set(&plan.conf, key, value, CONF_OPTION, why), ERR_OK);
}

static int
setup(void **state)
{
    if (fake_setup(state))
        return -1;
    memset(&plan, 0, sizeof plan);
    conf_defaults(&plan.conf);
    snprintf(plan.programs, sizeof plan.programs, "%s", fake_home);
    set("log.dirs", fake_path("data"));
    set("listeners", "PLAINTEXT://127.0.0.2:1");
    return 0;
}

static int
teardown(void **state)
{
    for (int i = 0; i < plan.dir_count; i++)
        close(plan.lock_fds[i]);
    return fake_teardown(state);
}

static void
expect_refused(const char *what)
{
    assert_true(cli_prepare(&plan, error) < 0);
    if (!strstr(error, what))
        fail_msg("'%s' does not say '%s'", error, what);
}

static void
journals_take_a_quarter_of_a_small_file_system(void **state)
{
    const uint64_t mib = 1 << 20, wanted = 512 * mib;
    assert_int_equal(cli_prepare_journal(wanted, 0, 4), wanted);
    assert_int_equal(cli_prepare_journal(wanted, 4096 * mib, 2), wanted);
    assert_int_equal(cli_prepare_journal(wanted, 4095 * mib, 2), wanted / 2);
    assert_int_equal(cli_prepare_journal(wanted, 470 * mib, 1), 64 * mib);
    assert_int_equal(cli_prepare_journal(wanted, 10 * mib, 8), 64 * mib);
}

static void
a_plan_has_an_absolute_directory_a_lock_and_a_format(void **state)
{
    char cwd[256];
    assert_non_null(getcwd(cwd, sizeof cwd));
    assert_int_equal(chdir(fake_home), 0);
    set("log.dirs", "data/../data");
    set("listeners", "PLAINTEXT://127.0.0.2:19871");
    int err = cli_prepare(&plan, error);
    assert_int_equal(chdir(cwd), 0);
    assert_string_equal(err ? error : "", "");
    assert_string_equal(plan.data, fake_path("data"));
    assert_string_equal(conf_text(&plan.conf, CONF_LOG_DIRS), plan.data);
    assert_true(plan.dir_count == 1 && plan.lock_fds[0] >= 0);
    assert_int_equal(strlen(plan.format.cluster_id), 22);
    assert_true(strlen(plan.facts.file_system) > 0);
}

static void
cores_become_a_list_that_both_children_read_alike(void **state)
{
    int cpus[OS_CPUS_MAX];
    set("cores", "1");
    set("listeners", "PLAINTEXT://127.0.0.2:19872");
    assert_int_equal(cli_prepare(&plan, error), ERR_OK);
    assert_int_equal(plan.cpu_count, 1);
    assert_int_equal(os_cpus(conf_text(&plan.conf, CONF_CORES), cpus, error), 1);
    assert_int_equal(cpus[0], plan.cpus[0]);
}

static void
listeners_that_make_no_sense_are_refused(void **state)
{
    set("listeners", "");
    expect_refused("listeners is empty");
    set("listeners", "SSL://:9093");
    expect_refused("only PLAINTEXT:// is served");
    set("listeners", "PLAINTEXT://192.0.2.1:9092");
    expect_refused("192.0.2.1 is not an address of this machine");
    set("listeners", "PLAINTEXT://127.0.0.1:9092");
    set("advertised.listeners", "PLAINTEXT://a:1,PLAINTEXT://b:1");
    expect_refused("advertised.listeners names 2 addresses and listeners 1");
    set("advertised.listeners", "a:1");
    expect_refused("has no scheme");
}

static void
an_address_that_the_kernel_does_not_have_is_no_matter_with_dpdk(void **state)
{
    set("listeners", "PLAINTEXT://192.0.2.1:9092");
    set("net", "dpdk");
    assert_int_equal(cli_prepare(&plan, error), ERR_OK);
}

static void
a_message_limit_that_no_frame_can_hold_is_refused(void **state)
{
    set("message.max.bytes", "33554432");
    expect_refused("raise cache.bytes");
    set("cache.bytes", "268435456");
    assert_int_equal(cli_prepare(&plan, error), ERR_OK);
}

static void
directories_that_make_no_sense_are_refused(void **state)
{
    set("log.dirs", "");
    expect_refused("give directories, by commas");
    set("log.dirs", "/a,,/b");
    expect_refused("give directories, by commas");
    set("log.dirs", "/proc/sluice");
    expect_refused("cannot be used");
}

static void
cores_that_are_not_there_are_refused_before_anything_is_created(void **state)
{
    set("cores", "1000-1001");
    expect_refused("processor 1000 is not ours to use");
    assert_int_equal(access(fake_path("data"), F_OK), -1);
}

static void
a_directory_of_another_node_is_refused(void **state)
{
    assert_int_equal(os_dir_create(fake_path("data")), ERR_OK);
    assert_int_equal(os_file_write(fake_path("data"), "sluice.format",
                                   "version=1\ncluster.id=abcdefghijklmnopqrstuv\nnode.id=9\n"),
                     ERR_OK);
    expect_refused("belongs to node.id=9, not to 1: set node.id=9");
}

int
main(int argc, char **argv)
{
#define PREPARE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    fake_child(argc, argv);
    const struct CMUnitTest tests[] = {
        PREPARE_TEST(journals_take_a_quarter_of_a_small_file_system),
        PREPARE_TEST(a_plan_has_an_absolute_directory_a_lock_and_a_format),
        PREPARE_TEST(cores_become_a_list_that_both_children_read_alike),
        PREPARE_TEST(listeners_that_make_no_sense_are_refused),
        PREPARE_TEST(an_address_that_the_kernel_does_not_have_is_no_matter_with_dpdk),
        PREPARE_TEST(a_message_limit_that_no_frame_can_hold_is_refused),
        PREPARE_TEST(directories_that_make_no_sense_are_refused),
        PREPARE_TEST(cores_that_are_not_there_are_refused_before_anything_is_created),
        PREPARE_TEST(a_directory_of_another_node_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
