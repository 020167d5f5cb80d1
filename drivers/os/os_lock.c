#include "core/base/err.h"
#include "drivers/os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

enum { RETRY_MS = 10 };

int
os_lock(const char *path)
{
    /* No O_CLOEXEC: the lock belongs to the open file, so children that inherit it keep it. */
    int fd = open(path, O_RDWR | O_CREAT, 0644);
    if (fd < 0)
        return os_error_of(errno);
    for (int waited_ms = 0; flock(fd, LOCK_EX | LOCK_NB); waited_ms += RETRY_MS) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || waited_ms >= OS_LOCK_WAIT_MS) {
            int err = errno == EWOULDBLOCK ? ERR_BUSY : os_error_of(errno);
            close(fd);
            return err;
        }
        nanosleep(&(struct timespec){0, RETRY_MS * 1000000L}, NULL);
    }
    return fd;
}
