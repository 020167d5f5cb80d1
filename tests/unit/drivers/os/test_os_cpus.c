#include "core/base/err.h"
#include "drivers/os/os.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static int cpus[OS_CPUS_MAX];
static char error[OS_ERROR_BYTES];
static cpu_set_t before;

static int
setup(void **state)
{
    error[0] = 0;
    return sched_getaffinity(0, sizeof before, &before);
}

static int
teardown(void **state)
{
    return sched_setaffinity(0, sizeof before, &before);
}

static int
first_allowed(void)
{
    int i = 0;
    while (!CPU_ISSET(i, &before))
        i++;
    return i;
}

static void
auto_is_every_processor_that_we_may_use(void **state)
{
    int n = os_cpus("auto", cpus, error);
    assert_int_equal(n, CPU_COUNT(&before) < OS_CPUS_MAX ? CPU_COUNT(&before) : OS_CPUS_MAX);
    for (int i = 0; i < n; i++)
        assert_true(CPU_ISSET(cpus[i], &before));
}

static void
a_count_takes_the_first(void **state)
{
    assert_int_equal(os_cpus("1", cpus, error), 1);
    assert_int_equal(cpus[0], first_allowed());
}

static void
a_list_names_processors(void **state)
{
    char text[32];
    int cpu = first_allowed();
    snprintf(text, sizeof text, "%d-%d", cpu, cpu);
    assert_int_equal(os_cpus(text, cpus, error), 1);
    assert_int_equal(cpus[0], cpu);
}

static void
what_is_printed_reads_back(void **state)
{
    char text[512];
    int again[OS_CPUS_MAX], n = os_cpus("auto", cpus, error);
    os_cpus_print(cpus, n, text, sizeof text);
    assert_int_equal(os_cpus(text, again, error), n);
    assert_memory_equal(cpus, again, (size_t)n * sizeof cpus[0]);
    os_cpus_print(cpus, 1, text, sizeof text);
    assert_int_equal(os_cpus(text, again, error), 1);
    assert_int_equal(again[0], cpus[0]);
}

static void
what_is_no_list_is_refused_with_its_text(void **state)
{
    static const char *const bad[] = {"",      "0",      "x",    "1,",        ",1",
                                      "-1",    "3-2",    "1-",   "1;2",       "9999",
                                      "0x1,2", "auto,1", "1 ,2", "1023-1024", "99999999999999,1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        error[0] = 0;
        assert_int_equal(os_cpus(bad[i], cpus, error), ERR_INVALID);
        assert_memory_equal(error, "cores=", 6);
    }
}

static void
a_processor_named_twice_or_not_ours_is_refused(void **state)
{
    char text[32];
    int cpu = first_allowed();
    snprintf(text, sizeof text, "%d,%d", cpu, cpu);
    assert_int_equal(os_cpus(text, cpus, error), ERR_INVALID);
    assert_non_null(strstr(error, "twice"));
    assert_int_equal(os_cpus("1000,1001", cpus, error), ERR_INVALID);
    assert_non_null(strstr(error, "processor 1000 is not ours to use"));
}

static void
the_others_are_all_that_are_left(void **state)
{
    int all = os_cpus("auto", cpus, error), avoid = cpus[0], others[OS_CPUS_MAX];
    int n = os_cpus_others(&avoid, 1, others);
    assert_int_equal(n, all - 1);
    for (int i = 0; i < n; i++)
        assert_int_equal(others[i], cpus[i + 1]);
    assert_int_equal(os_cpus_others(cpus, all, others), 0);
}

static void
pinning_leaves_one_processor(void **state)
{
    cpu_set_t now;
    assert_int_equal(os_pin(first_allowed()), ERR_OK);
    assert_int_equal(sched_getaffinity(0, sizeof now, &now), 0);
    assert_int_equal(CPU_COUNT(&now), 1);
    assert_int_equal(os_cpus("auto", cpus, error), 1);
    assert_int_equal(os_pin(CPU_SETSIZE - 1), ERR_INVALID);
    assert_int_equal(os_pin(-1), ERR_INVALID);
}

/* In a child: there is no way back from it. */
static void
the_background_gives_way_to_all_others(void **state)
{
    int status = 0, avoid = first_allowed();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        cpu_set_t old, now;
        bool ok = sched_getaffinity(0, sizeof old, &old) == 0;
        os_background(&avoid, 1);
        ok = ok && sched_getscheduler(0) == SCHED_BATCH && getpriority(PRIO_PROCESS, 0) == 19;
        ok = ok && sched_getaffinity(0, sizeof now, &now) == 0;
        ok = ok && (CPU_COUNT(&old) == 1 || !CPU_ISSET(avoid, &now));
        _exit(ok ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* What the child does after os_foreground; 0: as it should be. */
static int
foreground_of_child(void)
{
    int nice = geteuid() == 0 ? -15 : 0, status = 0;
    os_foreground();
    errno = 0;
    if ((sched_getscheduler(0) & ~SCHED_RESET_ON_FORK) != SCHED_OTHER)
        return 1;
    int got = getpriority(PRIO_PROCESS, 0);
    if (errno || (got != nice && got != 0)) /* a container may have taken the right */
        return 2;
    pid_t grandchild = fork();
    if (grandchild == 0)
        _exit(getpriority(PRIO_PROCESS, 0) == 0 ? 0 : 3);
    return waitpid(grandchild, &status, 0) == grandchild ? WEXITSTATUS(status) : 4;
}

static void
the_foreground_is_ahead_of_others_and_its_children_are_not(void **state)
{
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(foreground_of_child());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void
a_thread_has_the_front_of_the_name_it_was_given(void **state)
{
    char was[16], name[16];
    assert_int_equal(prctl(PR_GET_NAME, was), 0);
    os_thread_name("core-12");
    assert_int_equal(prctl(PR_GET_NAME, name), 0);
    assert_string_equal(name, "core-12");
    os_thread_name("a name that is too long");
    assert_int_equal(prctl(PR_GET_NAME, name), 0);
    assert_string_equal(name, "a name that is ");
    os_thread_name(was);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thread_has_the_front_of_the_name_it_was_given),
        cmocka_unit_test_setup_teardown(auto_is_every_processor_that_we_may_use, setup, teardown),
        cmocka_unit_test_setup_teardown(a_count_takes_the_first, setup, teardown),
        cmocka_unit_test_setup_teardown(a_list_names_processors, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_printed_reads_back, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_list_is_refused_with_its_text, setup, teardown),
        cmocka_unit_test_setup_teardown(a_processor_named_twice_or_not_ours_is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_background_gives_way_to_all_others, setup, teardown),
        cmocka_unit_test_setup_teardown(the_foreground_is_ahead_of_others_and_its_children_are_not,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(the_others_are_all_that_are_left, setup, teardown),
        cmocka_unit_test_setup_teardown(pinning_leaves_one_processor, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
