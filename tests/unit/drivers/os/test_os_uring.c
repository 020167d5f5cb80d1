#include "core/base/err.h"
#include "drivers/os/os.h"
#include "tests/unit/unit.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs os_uring_check in a child whose io_uring_setup gives that errno, as a container's seccomp
 * profile does; returns its result, error in *error. */
static int
check_with_errno(int errno_, char error[OS_ERROR_BYTES])
{
    int fds[2], err = 1;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct sock_filter code[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)errno_),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = {4, code};
        memset(error, 0, OS_ERROR_BYTES);
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
            _exit(1);
        err = os_uring_check(error);
        if (write(fds[1], &err, sizeof err) < 0 || write(fds[1], error, OS_ERROR_BYTES) < 0)
            _exit(1);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(read(fds[0], &err, sizeof err), sizeof err);
    assert_int_equal(read(fds[0], error, OS_ERROR_BYTES), OS_ERROR_BYTES);
    close(fds[0]);
    close(fds[1]);
    return err;
}

static void
a_kernel_that_offers_io_uring_passes(void **state)
{
    char error[OS_ERROR_BYTES] = "", text[16];
    int n = os_file_read("/proc/sys/kernel/io_uring_disabled", text, sizeof text);
    int err = os_uring_check(error);
    if (n > 0 && text[0] == '2')
        assert_non_null(strstr(error, "kernel.io_uring_disabled"));
    else if (err)
        assert_true(strlen(error) > 0); /* a container forbids it here */
    else
        assert_string_equal(error, "");
}

static void
a_profile_that_forbids_io_uring_is_named(void **state)
{
    char error[OS_ERROR_BYTES];
    assert_int_equal(check_with_errno(EPERM, error), ERR_DENIED);
    assert_true(strstr(error, "seccomp") || strstr(error, "kernel.io_uring_disabled"));
}

static void
a_kernel_without_io_uring_is_named(void **state)
{
    char error[OS_ERROR_BYTES];
    assert_int_equal(check_with_errno(ENOSYS, error), ERR_UNSUPPORTED);
    assert_non_null(strstr(error, "no io_uring"));
}

static void
any_other_cause_shows_its_text(void **state)
{
    char error[OS_ERROR_BYTES];
    assert_int_equal(check_with_errno(ENOMEM, error), ERR_FULL);
    assert_non_null(strstr(error, strerror(ENOMEM)));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kernel_that_offers_io_uring_passes),
        cmocka_unit_test(a_profile_that_forbids_io_uring_is_named),
        cmocka_unit_test(a_kernel_without_io_uring_is_named),
        cmocka_unit_test(any_other_cause_shows_its_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
