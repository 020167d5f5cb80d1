/* kernel_tcp.c: sockets that do not block, both ends in one epoll set. */
#include "bench/net/kernel_tcp.h"

#include "core/base/must.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, BULK_BYTES = 64 << 10, SEGMENT_BYTES = 1448, CONNECTS_EACH = 20000 };

static uint8_t buffer[BULK_BYTES];

static uint64_t
cpu_ns(void)
{
    struct timespec ts;
    must(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) == 0);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int
listener_make(uint16_t *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t bytes = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    must(fd >= 0);
    must(bind(fd, (struct sockaddr *)&at, sizeof at) == 0);
    must(listen(fd, 1024) == 0);
    must(getsockname(fd, (struct sockaddr *)&at, &bytes) == 0);
    *port = at.sin_port;
    return fd;
}

/* Both ends of connection n: loopback has many addresses, so ports do not run out. */
static void
pair_open(int listener, uint16_t port, uint64_t n, int fds[2])
{
    static const int one = 1;
    uint32_t host = 0x7f000001u + (uint32_t)(n / CONNECTS_EACH);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = port, .sin_addr = {htonl(host)}};
    fds[0] = socket(AF_INET, SOCK_STREAM, 0);
    must(fds[0] >= 0);
    must(connect(fds[0], (struct sockaddr *)&to, sizeof to) == 0);
    fds[1] = accept4(listener, NULL, NULL, 0);
    must(fds[1] >= 0);
    for (uint32_t k = 0; k < 2; k++)
        must(setsockopt(fds[k], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
}

static bool
descriptors_for(uint64_t count)
{
    struct rlimit limit;
    must(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    must(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    return count + 100 < limit.rlim_max;
}

/* Messages are small and in order, so each read brings one whole. */
static double
pairs_run(const struct kernel_row *r, int listener, uint16_t port, uint64_t count)
{
    struct epoll_event events[EVENTS];
    int(*fds)[2] = calloc(r->conns, sizeof *fds), set = epoll_create1(0);
    must(fds);
    must(set >= 0);
    for (uint32_t i = 0; i < r->conns; i++) {
        pair_open(listener, port, i, fds[i]);
        for (uint32_t k = 0; k < 2; k++) {
            struct epoll_event e = {.events = EPOLLIN, .data.u64 = (uint64_t)i << 1 | k};
            must(epoll_ctl(set, EPOLL_CTL_ADD, fds[i][k], &e) == 0);
        }
    }
    for (uint32_t i = 0; i < r->conns; i++)
        must(write(fds[i][0], buffer, r->bytes) == (ssize_t)r->bytes);
    uint64_t done = 0, from_ns = cpu_ns();
    while (done < count) {
        int n = epoll_wait(set, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            int fd = fds[events[i].data.u64 >> 1][events[i].data.u64 & 1];
            must(read(fd, buffer, r->bytes) == (ssize_t)r->bytes);
            must(write(fd, buffer, r->bytes) == (ssize_t)r->bytes);
            done += !(events[i].data.u64 & 1);
        }
    }
    double each_ns = (double)(cpu_ns() - from_ns) / (double)done;
    for (uint32_t i = 0; i < r->conns; i++) {
        (void)close(fds[i][0]);
        (void)close(fds[i][1]);
    }
    (void)close(set);
    free(fds);
    return each_ns;
}

static double
connects_run(int listener, uint16_t port, uint64_t count)
{
    static uint64_t opened;
    uint64_t from_ns = cpu_ns();
    for (uint64_t i = 0; i < count; i++) {
        int fds[2];
        pair_open(listener, port, opened++ % (CONNECTS_EACH * 64), fds);
        must(close(fds[0]) == 0);
        must(read(fds[1], buffer, 1) == 0);
        must(close(fds[1]) == 0);
    }
    return (double)(cpu_ns() - from_ns) / (double)count;
}

static double
bulk_run(int listener, uint16_t port, uint64_t count, int from)
{
    int fds[2];
    uint64_t got = 0, wanted = count * SEGMENT_BYTES;
    pair_open(listener, port, 0, fds);
    uint64_t from_ns = cpu_ns();
    while (got < wanted) {
        ssize_t n = send(fds[from], buffer, sizeof buffer, MSG_DONTWAIT);
        must(n > 0 || got > 0);
        while ((n = recv(fds[!from], buffer, sizeof buffer, MSG_DONTWAIT)) > 0)
            got += (uint64_t)n;
    }
    double took_ns = (double)(cpu_ns() - from_ns);
    (void)close(fds[0]);
    (void)close(fds[1]);
    return took_ns / ((double)got / SEGMENT_BYTES);
}

double
kernel_run(const struct kernel_row *r, uint64_t count)
{
    uint16_t port;
    double each_ns = 0;
    if (!descriptors_for(2 * (uint64_t)r->conns))
        return 0;
    int listener = listener_make(&port);
    if (r->kind == KERNEL_PAIRS)
        each_ns = pairs_run(r, listener, port, count);
    else if (r->kind == KERNEL_CONNECTS)
        each_ns = connects_run(listener, port, count);
    else
        each_ns = bulk_run(listener, port, count, r->kind == KERNEL_BULK_BACK);
    (void)close(listener);
    return each_ns;
}
