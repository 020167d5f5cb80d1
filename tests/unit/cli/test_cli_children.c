#include "cli/cli.h"
#include "tests/unit/cli/fake.h"

/* Forks a supervisor of the fakes; its stderr becomes the file "err". */
static pid_t
supervise(void)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    struct region r;
    struct region_shape shape = {1, 1, 1, 64 << 10};
    int fd = open(fake_path("err"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0 || dup2(fd, STDERR_FILENO) < 0 || region_create(&r, &shape, ""))
        _exit(97);
    _exit(cli_children(&r, fake_home));
}

static void
sigterm_stops_data_before_control_and_the_exit_code_is_0(void **state)
{
    pid_t pid = supervise();
    fake_await("log", "serves", 2);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(fake_wait(pid), 0);
    const char *log = fake_read("log");
    const char *data = strstr(log, "data stops"), *control = strstr(log, "control stops");
    assert_non_null(data);
    assert_non_null(control);
    assert_true(data < control);
}

static void
sigint_stops_like_sigterm(void **state)
{
    pid_t pid = supervise();
    fake_await("log", "serves", 2);
    assert_int_equal(kill(pid, SIGINT), 0);
    assert_int_equal(fake_wait(pid), 0);
    assert_int_equal(fake_count("log", "stops"), 2);
}

static void
both_are_reported_once_they_serve(void **state)
{
    pid_t pid = supervise();
    fake_await("err", " serves pid=", 2);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(fake_wait(pid), 0);
    assert_int_equal(fake_count("err", "data serves pid="), 1);
    assert_int_equal(fake_count("err", "control serves pid="), 1);
}

static void
a_child_that_dies_starts_again_and_the_other_does_not_notice(void **state)
{
    setenv("FAKE_DATA", "die-once", 1);
    pid_t pid = supervise();
    fake_await("log", "serves", 2);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(fake_wait(pid), 0);
    assert_int_equal(fake_count("log", "data starts"), 2);
    assert_int_equal(fake_count("log", "control starts"), 1);
    assert_int_equal(fake_count("err", "data ended pid="), 2);
    assert_int_equal(fake_count("err", "signal=9"), 1);
    assert_int_equal(fake_count("err", "data starts again in_ms=0"), 1);
}

static void
a_child_that_keeps_dying_is_started_ever_later(void **state)
{
    setenv("FAKE_CONTROL", "die", 1);
    pid_t pid = supervise();
    fake_await("log", "control starts", 4);
    fake_await("log", "data serves", 1);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(fake_wait(pid), 1); /* control was not there to stop well */
    assert_int_equal(fake_count("err", "in_ms=0"), 1);
    assert_int_equal(fake_count("err", "in_ms=100"), 1);
    assert_int_equal(fake_count("err", "in_ms=200"), 1);
    assert_int_equal(fake_count("log", "data stops"), 1);
}

static void
a_child_that_refuses_ends_the_broker_with_1(void **state)
{
    setenv("FAKE_DATA", "refuse", 1);
    pid_t pid = supervise();
    assert_int_equal(fake_wait(pid), 1);
    assert_int_equal(fake_count("log", "data starts"), 1);
    assert_int_equal(fake_count("log", "control stops"), 1);
    assert_int_equal(fake_count("err", "refuses to serve"), 1);
}

static void
a_child_that_fails_while_stopping_makes_the_exit_code_1(void **state)
{
    setenv("FAKE_DATA", "fail-stop", 1);
    pid_t pid = supervise();
    fake_await("log", "serves", 2);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(fake_wait(pid), 1);
    assert_int_equal(fake_count("log", "control stops"), 1);
}

static void
children_of_a_killed_supervisor_stop_by_themselves(void **state)
{
    pid_t pid = supervise();
    fake_await("log", "serves", 2);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(fake_wait(pid), 1000 + SIGKILL);
    fake_await("log", "data stops", 1);
    fake_await("log", "control stops", 1);
}

static void
a_program_that_went_away_is_tried_again(void **state)
{
    assert_int_equal(unlink(fake_path("sluice-data")), 0);
    pid_t pid = supervise();
    fake_await("err", "data does not start: no such thing", 3);
    fake_install("sluice-data");
    fake_await("log", "data serves", 1);
    fake_await("log", "control serves", 1);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_int_equal(fake_wait(pid), 0);
}

int
main(int argc, char **argv)
{
#define FAKE_TEST(f) cmocka_unit_test_setup_teardown(f, fake_setup, fake_teardown)
    fake_child(argc, argv);
    const struct CMUnitTest tests[] = {
        FAKE_TEST(sigterm_stops_data_before_control_and_the_exit_code_is_0),
        FAKE_TEST(sigint_stops_like_sigterm),
        FAKE_TEST(both_are_reported_once_they_serve),
        FAKE_TEST(a_child_that_dies_starts_again_and_the_other_does_not_notice),
        FAKE_TEST(a_child_that_keeps_dying_is_started_ever_later),
        FAKE_TEST(a_child_that_refuses_ends_the_broker_with_1),
        FAKE_TEST(a_child_that_fails_while_stopping_makes_the_exit_code_1),
        FAKE_TEST(children_of_a_killed_supervisor_stop_by_themselves),
        FAKE_TEST(a_program_that_went_away_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
