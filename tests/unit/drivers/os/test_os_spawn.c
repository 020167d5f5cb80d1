#include "core/base/err.h"
#include "drivers/os/os.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct os_child child;
static struct os_exit end;

static int
run(const char *script)
{
    char *argv[] = {"/bin/sh", "-c", (char *)(uintptr_t)script, NULL};
    return os_spawn(&child, "/bin/sh", argv);
}

static void
wait_end(void)
{
    os_wait(&child.fd, 1, -1);
    assert_int_equal(os_child_reap(&child, &end), ERR_OK);
    assert_int_equal(child.fd, -1);
}

static void
an_exit_code_comes_back(void **state)
{
    assert_int_equal(run("exit 78"), ERR_OK);
    wait_end();
    assert_false(end.killed);
    assert_int_equal(end.code, OS_EXIT_REFUSED);
}

static void
a_child_that_runs_is_not_reaped_and_a_signal_ends_it(void **state)
{
    assert_int_equal(run("exec cat /dev/zero > /dev/null"), ERR_OK);
    assert_int_equal(os_child_reap(&child, &end), ERR_AGAIN);
    assert_int_equal(os_child_signal(&child, SIGKILL), ERR_OK);
    wait_end();
    assert_true(end.killed);
    assert_int_equal(end.code, SIGKILL);
}

static void
a_program_that_is_not_there_is_told_at_once(void **state)
{
    char *argv[] = {"none", NULL};
    assert_int_equal(os_spawn(&child, "/nowhere/none", argv), ERR_NOT_FOUND);
    assert_int_equal(os_spawn(&child, "/etc/passwd", argv), ERR_DENIED);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left to reap */
}

/* The mask behind a name in /proc/PID/status; all ones when it is not there.  Signals 32 and 33 are
 * left out: they are the C library's own, and its posix_spawn (make uses it) has them ignored. */
static uint64_t
mask_of(const char *status, const char *name)
{
    const char *at = strstr(status, name);
    return at ? strtoull(at + strlen(name), NULL, 16) & ~(UINT64_C(3) << 31) : UINT64_MAX;
}

/* True when the child has become `tail`, and neither blocks nor ignores a signal. */
static bool
is_tail_with_all_signals(void)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/status", child.pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    assert_true(n > 0);
    text[n] = '\0';
    return strncmp(text, "Name:\ttail\n", 11) == 0 && mask_of(text, "SigBlk:") == 0 &&
           mask_of(text, "SigIgn:") == 0;
}

static void
blocked_and_ignored_signals_do_not_reach_the_child(void **state)
{
    static const int signals[] = {SIGTERM, SIGUSR1, 0};
    int fd = os_signal_open(signals);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(run("exec tail -f /dev/null"), ERR_OK);
    /* A program may block signals for a moment while it starts: look until it has settled. */
    bool settled = is_tail_with_all_signals();
    for (int tries = 0; tries < 1000 && !settled; tries++) {
        os_wait(NULL, 0, 5);
        settled = is_tail_with_all_signals();
    }
    assert_true(settled);
    assert_int_equal(os_child_signal(&child, SIGKILL), ERR_OK);
    wait_end();
    close(fd);
}

static void
a_child_has_a_process_group_of_its_own(void **state)
{
    assert_int_equal(run("exec cat /dev/zero > /dev/null"), ERR_OK);
    assert_int_equal(getpgid(child.pid), child.pid);
    assert_int_equal(os_child_signal(&child, SIGKILL), ERR_OK);
    wait_end();
}

static void
fds_without_cloexec_are_inherited(void **state)
{
    char script[64];
    int with[2];
    assert_int_equal(pipe(with), 0);
    int without = fcntl(with[1], F_DUPFD_CLOEXEC, 0);
    snprintf(script, sizeof script, "test -e /proc/$$/fd/%d && ! test -e /proc/$$/fd/%d", with[1],
             without);
    assert_int_equal(run(script), ERR_OK);
    wait_end();
    assert_int_equal(end.code, 0);
    close(with[0]);
    close(with[1]);
    close(without);
}

static void
a_child_gets_sigterm_when_its_parent_is_killed(void **state)
{
    int fds[2];
    char text[8] = "";
    assert_int_equal(pipe(fds), 0);
    pid_t parent = fork();
    if (parent == 0) {
        char script[128];
        snprintf(script, sizeof script,
                 "trap 'echo term >&%d; exit 0' TERM; echo up >&%d; while :; do sleep 0.01; done",
                 fds[1], fds[1]);
        if (run(script))
            _exit(1);
        for (;;)
            pause();
    }
    assert_int_equal(read(fds[0], text, 3), 3);
    assert_memory_equal(text, "up\n", 3);
    assert_int_equal(kill(parent, SIGKILL), 0);
    assert_int_equal(waitpid(parent, NULL, 0), parent);
    close(fds[1]);
    assert_int_equal(read(fds[0], text, 5), 5);
    assert_memory_equal(text, "term\n", 5);
    assert_int_equal(read(fds[0], text, 1), 0); /* it has ended */
    close(fds[0]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_exit_code_comes_back),
        cmocka_unit_test(a_child_that_runs_is_not_reaped_and_a_signal_ends_it),
        cmocka_unit_test(a_program_that_is_not_there_is_told_at_once),
        cmocka_unit_test(blocked_and_ignored_signals_do_not_reach_the_child),
        cmocka_unit_test(a_child_has_a_process_group_of_its_own),
        cmocka_unit_test(fds_without_cloexec_are_inherited),
        cmocka_unit_test(a_child_gets_sigterm_when_its_parent_is_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
