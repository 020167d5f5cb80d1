#include "core/base/err.h"
#include "drivers/os/os.h"

#include <errno.h>

int
os_error_of(int errno_)
{
    static const struct {
        int errno_, err;
    } rows[] = {
        {0, ERR_OK},
        {EAGAIN, ERR_AGAIN},
        {EINTR, ERR_AGAIN},
        {ENOMEM, ERR_FULL},
        {EMFILE, ERR_LIMIT},
        {ENFILE, ERR_LIMIT},
        {E2BIG, ERR_LIMIT},
        {ENAMETOOLONG, ERR_LIMIT},
        {EINVAL, ERR_INVALID},
        {EADDRNOTAVAIL, ERR_INVALID},
        {EISDIR, ERR_INVALID},
        {ENOENT, ERR_NOT_FOUND},
        {ESRCH, ERR_NOT_FOUND},
        {EEXIST, ERR_EXISTS},
        {ENOTDIR, ERR_EXISTS},
        {EADDRINUSE, ERR_EXISTS},
        {ENOSPC, ERR_NO_SPACE},
        {EDQUOT, ERR_NO_SPACE},
        {EACCES, ERR_DENIED},
        {EPERM, ERR_DENIED},
        {EROFS, ERR_DENIED},
        {ENOSYS, ERR_UNSUPPORTED},
        {EOPNOTSUPP, ERR_UNSUPPORTED},
        {ENOEXEC, ERR_UNSUPPORTED},
        {EAFNOSUPPORT, ERR_UNSUPPORTED},
        {ENOTCONN, ERR_CLOSED},
        {ECONNREFUSED, ERR_CLOSED},
        {ECONNRESET, ERR_CLOSED},
        {ECONNABORTED, ERR_CLOSED},
        {ETIMEDOUT, ERR_AGAIN},
        {EINPROGRESS, ERR_AGAIN}, /* connect within SO_SNDTIMEO (socket(7)) */
        {EHOSTUNREACH, ERR_NOT_FOUND},
        {ENETUNREACH, ERR_NOT_FOUND},
        {EPIPE, ERR_CLOSED},
        {EBUSY, ERR_BUSY},
        {ETXTBSY, ERR_BUSY},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].errno_ == errno_)
            return rows[i].err;
    return ERR_IO;
}
