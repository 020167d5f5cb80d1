/* stream_uring_listen.c: listening and accepting.
 *
 * One multishot accept a listener.  The kernel ends it on an error; when descriptors or memory are
 * short it is armed again after ACCEPT_RETRY_MS, for the peers stay in the backlog meanwhile.
 * Accepted sockets inherit the options of their listener (TCP_NODELAY, SO_KEEPALIVE).
 *
 * The end: the accept in the kernel holds its socket until the ring is gone, which may be a while
 * after the process is.  So the sockets are shut down: their ports are free at once, the accepts
 * come back with an error and are not armed again. */
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/net/iptext.h"
#include "drivers/uring/stream_conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

enum { BACKLOG = 4096, ACCEPT_RETRY_MS = 100 };

/* False once stream_listen_on(NULL) has shut the socket down. */
static bool
listens(int fd)
{
    int on = 0;
    socklen_t len = sizeof on;
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 && on;
}

void
stream_listen_arm(struct stream_uring *s, uint32_t listener)
{
    if (!listens(s->listeners[listener].fd))
        return;
    struct io_uring_sqe *sqe = uring_sqe(s->ring);
    io_uring_prep_multishot_accept(sqe, s->listeners[listener].fd, NULL, NULL, SOCK_CLOEXEC);
    uring_sqe_tag(sqe, URING_ACCEPT, listener);
}

static void
accept_retry_later(struct stream_uring *s, uint32_t listener)
{
    static struct __kernel_timespec pause = {.tv_nsec = (long long)ACCEPT_RETRY_MS * 1000000};
    struct io_uring_sqe *sqe = uring_sqe(s->ring);
    io_uring_prep_timeout(sqe, &pause, 0, 0);
    uring_sqe_tag(sqe, URING_ACCEPT_RETRY, listener);
}

static bool
peer_of(int fd, struct stream_addr *out)
{
    union {
        struct sockaddr_storage any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } a;
    socklen_t len = sizeof a;
    if (getpeername(fd, (struct sockaddr *)&a, &len) < 0)
        return false;
    if (a.any.ss_family == AF_INET) {
        uint8_t v4[4];
        memcpy(v4, &a.in.sin_addr, sizeof v4);
        iptext_of_v4(v4, out->ip);
        out->port = ntohs(a.in.sin_port);
    } else {
        memcpy(out->ip, &a.in6.sin6_addr, 16);
        out->port = ntohs(a.in6.sin6_port);
    }
    return true;
}

static void
accepted(struct stream_uring *s, int fd, uint32_t listener)
{
    struct stream_addr peer;
    if (peer_of(fd, &peer))
        stream_conn_open(s, fd, listener, &peer);
    else
        close(fd); /* gone already */
}

void
stream_listen_done(struct stream_uring *s, const struct uring_done *done)
{
    uint32_t listener = (uint32_t)done->value;
    must(listener < s->listener_count);
    if (done->res >= 0)
        accepted(s, done->res, listener);
    if (done->flags & IORING_CQE_F_MORE)
        return;
    if (done->res >= 0 || done->res == -ECONNABORTED || done->res == -EINTR ||
        done->res == -EAGAIN || done->res == -EPROTO) {
        stream_listen_arm(s, listener);
        return;
    }
    if (!listens(s->listeners[listener].fd))
        return;
    log_warn("stream", "cannot accept connections now errno=%d (%s)", -done->res,
             strerror(-done->res));
    accept_retry_later(s, listener);
}

/* Fills `out` for bind(); returns its length. */
static socklen_t
sockaddr_of(const struct stream_addr *at, bool ip6, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (ip6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(at->port);
        memcpy(&in6->sin6_addr, at->ip, 16);
        return sizeof *in6;
    }
    struct sockaddr_in *in = (struct sockaddr_in *)out;
    in->sin_family = AF_INET;
    in->sin_port = htons(at->port);
    memcpy(&in->sin_addr, at->ip + 12, 4);
    return sizeof *in;
}

/* One option of SOL_SOCKET and the like; accepted sockets inherit all that we set. */
static bool
option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

static int
listener_open(const struct stream_addr *at, struct listener *out)
{
    static const uint8_t any[16];
    bool ip6 = !iptext_is_v4(at->ip);
    int fd = socket(ip6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 && errno == EAFNOSUPPORT && ip6 && memcmp(at->ip, any, 16) == 0) {
        ip6 = false; /* a kernel without IPv6: "any" means all of IPv4 */
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    }
    if (fd < 0)
        return uring_err(errno);
    struct sockaddr_storage a;
    socklen_t len = sockaddr_of(at, ip6, &a);
    bool ok = option(fd, SOL_SOCKET, SO_REUSEADDR, 1) && option(fd, SOL_SOCKET, SO_REUSEPORT, 1) &&
              option(fd, IPPROTO_TCP, TCP_NODELAY, 1) && option(fd, SOL_SOCKET, SO_KEEPALIVE, 1) &&
              (!ip6 || option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0)) &&
              bind(fd, (struct sockaddr *)&a, len) == 0 && listen(fd, BACKLOG) == 0;
    if (!ok) {
        int err = uring_err(errno);
        close(fd);
        return err;
    }
    out->fd = fd;
    return ERR_OK;
}

int
stream_listen_on(void *self, const struct stream_addr *at)
{
    struct stream_uring *s = self;
    if (!at) {
        for (uint32_t i = 0; i < s->listener_count; i++)
            (void)shutdown(s->listeners[i].fd, SHUT_RDWR); /* fails only when it is done already */
        return ERR_OK;
    }
    if (s->listener_count == URING_LISTENERS_MAX)
        return ERR_LIMIT;
    int err = listener_open(at, &s->listeners[s->listener_count]);
    if (err)
        return err;
    stream_listen_arm(s, s->listener_count++);
    return ERR_OK;
}

uint16_t
stream_uring_listener_port(const struct stream_uring *s, uint32_t listener)
{
    must(listener < s->listener_count);
    struct sockaddr_in6 a; /* the port stands at the same place for IPv4 */
    socklen_t len = sizeof a;
    must(getsockname(s->listeners[listener].fd, (struct sockaddr *)&a, &len) == 0);
    return ntohs(a.sin6_port);
}
