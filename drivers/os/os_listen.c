#include "core/base/err.h"
#include "drivers/os/os.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* A broker that was killed frees its port only when the kernel has ended its io_uring. */
enum { LISTEN_TRIES = 26, LISTEN_PAUSE_MS = 20 };

static int
address_check(const struct addrinfo *a)
{
    int one = 1;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return os_error_of(errno);
    /* Connections of an earlier run in TIME_WAIT do not count; a listener still does. */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    int err = bind(fd, a->ai_addr, a->ai_addrlen) ? os_error_of(errno) : ERR_OK;
    close(fd);
    return err;
}

static int
all_check(struct addrinfo *list)
{
    int err = address_check(list);
    /* A kernel without IPv6 has nothing to say about ::. */
    for (struct addrinfo *a = list->ai_next; a && (!err || err == ERR_UNSUPPORTED); a = a->ai_next)
        err = address_check(a);
    return err;
}

int
os_listen_check(const char *host, uint16_t port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list;
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    if (getaddrinfo(*host ? host : NULL, service, &hints, &list))
        return ERR_NOT_FOUND;
    static const struct timespec pause = {.tv_nsec = LISTEN_PAUSE_MS * 1000000L};
    int err = all_check(list);
    for (int tries = 1; err == ERR_EXISTS && tries < LISTEN_TRIES; tries++) {
        nanosleep(&pause, NULL);
        err = all_check(list);
    }
    freeaddrinfo(list);
    return err;
}
