/* uring_fixture.h: a ring with a listener on the loopback, and plain clients, for the tests of this
 * folder. */
#ifndef SLUICE_TESTS_URING_FIXTURE_H
#define SLUICE_TESTS_URING_FIXTURE_H

#include "core/base/err.h"
#include "drivers/uring/uring.h"
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define FIXTURE_PATIENCE_NS (90 * CLOCK_NS_PER_S) /* a test that waits longer has failed */

enum { FIXTURE_EVENTS_MAX = 2048 };

struct fixture {
    struct uring *uring;
    struct clock clock;
    struct stream stream;
    uint16_t port;
    struct stream_event kept[FIXTURE_EVENTS_MAX]; /* events polled and not yet asked for */
    uint32_t kept_count;
};

static inline struct fixture
fixture_of(struct uring_config config)
{
    struct fixture f = {0};
    config.wake_fd = -1;
    assert_int_equal(uring_create(&config, &f.uring), ERR_OK);
    f.clock = uring_clock(f.uring);
    f.stream = uring_stream(f.uring);
    struct stream_addr loopback = {.ip = {[10] = 0xff, 0xff, 127, 0, 0, 1}};
    assert_int_equal(f.stream.ops->listen(f.stream.self, &loopback), ERR_OK);
    f.port = uring_stream_port(f.uring, 0);
    f.clock.ops->wait(f.clock.self, 0);
    return f;
}

static inline void
fixture_turn(struct fixture *f)
{
    uint64_t now = f->clock.ops->now_ns(f->clock.self);
    f->clock.ops->wait(f->clock.self, now + 10 * CLOCK_NS_PER_MS);
    uint32_t room = FIXTURE_EVENTS_MAX - f->kept_count;
    f->kept_count += f->stream.ops->poll(f->stream.self, f->kept + f->kept_count, room);
}

static inline bool
fixture_take(struct fixture *f, stream_id id, enum stream_event_kind kind, struct stream_event *out)
{
    for (uint32_t i = 0; i < f->kept_count; i++) {
        if (f->kept[i].kind != kind || (id != 0 && f->kept[i].id != id))
            continue;
        *out = f->kept[i];
        f->kept_count--;
        memmove(f->kept + i, f->kept + i + 1, (f->kept_count - i) * sizeof *f->kept);
        return true;
    }
    return false;
}

/* Turns until an event of that kind comes (id 0: of any connection); fails the test when it does
 * not. */
static inline struct stream_event
fixture_await(struct fixture *f, stream_id id, enum stream_event_kind kind)
{
    uint64_t limit = f->clock.ops->now_ns(NULL) + FIXTURE_PATIENCE_NS;
    struct stream_event event;
    while (!fixture_take(f, id, kind, &event)) {
        assert_true(f->clock.ops->now_ns(NULL) < limit);
        fixture_turn(f);
    }
    return event;
}

static inline int
client_connect(const struct fixture *f)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons(f->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

static inline void
client_send(int fd, const void *at, size_t len)
{
    assert_int_equal(send(fd, at, len, MSG_NOSIGNAL), len);
}

/* close() that makes the kernel send a reset. */
static inline void
client_reset(int fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    close(fd);
}

static inline struct view
fixture_peek(struct fixture *f, stream_id id)
{
    return f->stream.ops->peek(f->stream.self, id);
}

static inline void
fixture_consume(struct fixture *f, stream_id id, uint32_t bytes, uint32_t want)
{
    f->stream.ops->consume(f->stream.self, id, bytes, want);
}

static inline int
fixture_send(struct fixture *f, stream_id id, const void *at, uint32_t len)
{
    struct view span = view_of(at, len);
    return f->stream.ops->send(f->stream.self, id, &span, 1);
}

static inline void
fixture_close(struct fixture *f, stream_id id)
{
    f->stream.ops->close(f->stream.self, id);
}

#endif
