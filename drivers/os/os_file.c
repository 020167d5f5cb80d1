#include "core/base/err.h"
#include "drivers/os/os.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static int
dir_make(const char *path)
{
    struct stat st;
    if (mkdir(path, 0755) == 0)
        return ERR_OK;
    int why = errno;
    if (stat(path, &st) == 0)
        return S_ISDIR(st.st_mode) ? ERR_OK : ERR_EXISTS;
    return os_error_of(why);
}

int
os_dir_create(const char *path)
{
    char part[OS_PATH_BYTES];
    size_t n = strlen(path);
    if (n == 0)
        return ERR_INVALID;
    if (n >= sizeof part)
        return ERR_LIMIT;
    memcpy(part, path, n + 1);
    for (char *p = part + 1; *p; p++) {
        if (*p != '/')
            continue;
        *p = 0;
        int err = dir_make(part);
        if (err)
            return err;
        *p = '/';
    }
    return dir_make(part);
}

int
os_file_read(const char *path, char *out, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return os_error_of(errno);
    size_t n = 0;
    while (n < room) {
        ssize_t got = read(fd, out + n, room - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            int err = os_error_of(errno);
            close(fd);
            return err;
        }
        if (got == 0)
            break;
        n += (size_t)got;
    }
    close(fd);
    if (n >= room || n > INT32_MAX)
        return ERR_LIMIT;
    out[n] = 0;
    return (int)n;
}

/* Writes and syncs a new file in the folder dir_fd. */
static int
file_fill(int dir_fd, const char *name, const char *text)
{
    int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return os_error_of(errno);
    int err = ERR_OK;
    for (size_t n = strlen(text); n > 0 && !err;) {
        ssize_t put = write(fd, text, n);
        if (put < 0 && errno != EINTR)
            err = os_error_of(errno);
        text += put > 0 ? put : 0;
        n -= put > 0 ? (size_t)put : 0;
    }
    if (!err && fsync(fd))
        err = os_error_of(errno);
    close(fd);
    return err;
}

int
os_file_write(const char *dir, const char *name, const char *text)
{
    char temporary[256];
    int n = snprintf(temporary, sizeof temporary, "%s.tmp", name);
    if (n < 0 || (size_t)n >= sizeof temporary)
        return ERR_LIMIT;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return os_error_of(errno);
    int err = file_fill(fd, temporary, text);
    if (!err && renameat(fd, temporary, fd, name))
        err = os_error_of(errno);
    if (!err && fsync(fd))
        err = os_error_of(errno);
    close(fd);
    return err;
}

int
os_program_dir(char *out, size_t room)
{
    ssize_t n = readlink("/proc/self/exe", out, room);
    if (n < 0)
        return os_error_of(errno);
    if ((size_t)n >= room)
        return ERR_LIMIT;
    out[n] = 0;
    char *slash = strrchr(out, '/');
    if (!slash)
        return ERR_NOT_FOUND;
    *slash = 0;
    return ERR_OK;
}

void
os_limits_raise(void)
{
    static const int which[] = {RLIMIT_NOFILE, RLIMIT_MEMLOCK};
    for (size_t i = 0; i < sizeof which / sizeof which[0]; i++) {
        struct rlimit limit;
        /* A kernel that refuses leaves what there was: the programs say what they lack. */
        if (getrlimit((__rlimit_resource_t)which[i], &limit) == 0) {
            limit.rlim_cur = limit.rlim_max;
            if (setrlimit((__rlimit_resource_t)which[i], &limit))
                continue;
        }
    }
}
