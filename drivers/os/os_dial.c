#include "core/base/err.h"
#include "drivers/os/os.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* Connects with the timeouts in force: SO_SNDTIMEO bounds connect(2) too (socket(7)). */
static int
address_dial(const struct addrinfo *a, const struct timeval *t)
{
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return os_error_of(errno);
    if (!setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, t, sizeof *t) &&
        !setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, t, sizeof *t) &&
        !connect(fd, a->ai_addr, a->ai_addrlen))
        return fd;
    int err = os_error_of(errno);
    close(fd);
    return err;
}

int
os_dial(const char *host, uint16_t port, int timeout_ms)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct timeval t = {.tv_sec = timeout_ms / 1000, .tv_usec = timeout_ms % 1000 * 1000};
    struct addrinfo *list;
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    if (getaddrinfo(host, service, &hints, &list))
        return ERR_NOT_FOUND;
    int fd = ERR_NOT_FOUND;
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next)
        fd = address_dial(a, &t);
    freeaddrinfo(list);
    return fd;
}

int
os_dial_send(int fd, const void *bytes, size_t n)
{
    for (const char *at = bytes; n;) {
        ssize_t sent = send(fd, at, n, MSG_NOSIGNAL);
        if (sent < 0 && errno != EINTR)
            return os_error_of(errno);
        at += sent > 0 ? sent : 0;
        n -= sent > 0 ? (size_t)sent : 0;
    }
    return ERR_OK;
}

int
os_dial_receive(int fd, void *bytes, size_t n)
{
    for (char *at = bytes; n;) {
        ssize_t got = recv(fd, at, n, 0);
        if (got == 0)
            return ERR_CLOSED;
        if (got < 0 && errno != EINTR)
            return os_error_of(errno);
        at += got > 0 ? got : 0;
        n -= got > 0 ? (size_t)got : 0;
    }
    return ERR_OK;
}
