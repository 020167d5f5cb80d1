#include "core/base/err.h"
#include "drivers/os/os.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[] = P_tmpdir "/sluice-test-XXXXXX";

static int
setup(void **state)
{
    memcpy(path + strlen(path) - 6, "XXXXXX", 6);
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int
teardown(void **state)
{
    return unlink(path);
}

static void
a_lock_that_another_has_is_busy_after_a_while(void **state)
{
    int fd = os_lock(path);
    assert_true(fd >= 0);
    uint64_t from = os_now_ns();
    assert_int_equal(os_lock(path), ERR_BUSY);
    assert_true(os_now_ns() - from >= (OS_LOCK_WAIT_MS - 50) * UINT64_C(1000000));
    close(fd);
    fd = os_lock(path);
    assert_true(fd >= 0);
    close(fd);
}

static void
a_child_that_inherits_the_lock_keeps_it(void **state)
{
    int pipe_fds[2];
    char byte;
    assert_int_equal(pipe(pipe_fds), 0);
    int fd = os_lock(path);
    assert_int_equal(fcntl(fd, F_GETFD), 0); /* no FD_CLOEXEC: an exec keeps it too */
    pid_t pid = fork();
    if (pid == 0) {
        close(pipe_fds[1]);
        if (read(pipe_fds[0], &byte, 1) != 0) /* until the parent closes its end */
            _exit(1);
        _exit(0);
    }
    close(pipe_fds[0]);
    close(fd);
    assert_int_equal(os_lock(path), ERR_BUSY);
    close(pipe_fds[1]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    fd = os_lock(path);
    assert_true(fd >= 0);
    close(fd);
}

static void
a_lock_that_comes_free_while_we_wait_is_ours(void **state)
{
    int pipe_fds[2];
    char byte;
    assert_int_equal(pipe(pipe_fds), 0);
    int fd = os_lock(path);
    pid_t pid = fork();
    if (pid == 0) {
        if (read(pipe_fds[0], &byte, 1) < 0)
            _exit(1);
        _exit(0); /* and with it the lock */
    }
    close(fd);
    assert_int_equal(write(pipe_fds[1], "x", 1), 1);
    fd = os_lock(path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void
a_folder_without_room_for_a_lock_is_an_error(void **state)
{
    assert_int_equal(os_lock("/proc/nothing/lock"), ERR_NOT_FOUND);
    assert_int_equal(os_lock("/tmp"), ERR_INVALID);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_lock_that_another_has_is_busy_after_a_while, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_child_that_inherits_the_lock_keeps_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lock_that_comes_free_while_we_wait_is_ours, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_folder_without_room_for_a_lock_is_an_error, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
