#include "core/base/err.h"
#include "drivers/os/os.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Why io_uring_setup gave this errno, and what to do about it. */
static int
cause_tell(int why, int disabled, char error[OS_ERROR_BYTES])
{
    if (why == ENOSYS) {
        snprintf(error, OS_ERROR_BYTES,
                 "this kernel has no io_uring, or a container hides it: run Linux 6.1 or newer "
                 "and allow io_uring_setup in the seccomp profile");
        return ERR_UNSUPPORTED;
    }
    if (why == EPERM && disabled > 0) {
        snprintf(error, OS_ERROR_BYTES,
                 "io_uring is switched off here: kernel.io_uring_disabled is %d; run 'sysctl "
                 "kernel.io_uring_disabled=0' as root",
                 disabled);
        return ERR_DENIED;
    }
    if (why == EPERM || why == EACCES) {
        snprintf(error, OS_ERROR_BYTES,
                 "the seccomp profile of this container forbids io_uring: start it with a profile "
                 "that allows io_uring_setup, io_uring_enter and io_uring_register (docker: "
                 "--security-opt seccomp=unconfined)");
        return ERR_DENIED;
    }
    snprintf(error, OS_ERROR_BYTES,
             "io_uring does not start: %s; raise the limits of memory and "
             "open files of this process",
             strerror(why));
    return os_error_of(why);
}

int
os_uring_check(char error[OS_ERROR_BYTES])
{
    struct io_uring_params params = {0};
    int fd = (int)syscall(__NR_io_uring_setup, 1, &params);
    if (fd >= 0) {
        close(fd);
        return ERR_OK;
    }
    int why = errno;
    char text[16];
    int n = os_file_read("/proc/sys/kernel/io_uring_disabled", text, sizeof text);
    return cause_tell(why, n > 0 && text[0] >= '0' && text[0] <= '9' ? text[0] - '0' : -1, error);
}
