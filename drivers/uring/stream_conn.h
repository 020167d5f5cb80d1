/* stream_conn.h: the state shared by stream_uring.c (life of a connection, events, sending),
 * stream_uring_listen.c and stream_uring_recv.c (receiving and memory).  Private to the three.
 *
 *   FREE -> OPEN (accept) -> HALF (end of file while answers are owed) -> CLOSING -> CLOSED -> FREE
 *
 * CLOSING: shut down as soon as no send is in flight; waits for the operations in the kernel.
 * CLOSED: the descriptor is closed; STREAM_CLOSED waits to be polled.  I1 A slot becomes FREE only
 * when no operation with its index is in the kernel, so completions need no generation. */
#ifndef SLUICE_URING_STREAM_CONN_H
#define SLUICE_URING_STREAM_CONN_H

#include "core/base/list.h"
#include "core/net/rxbuf.h"
#include "drivers/uring/stream_uring.h"

#include <sys/socket.h>
#include <sys/uio.h>

enum conn_state { CONN_FREE, CONN_OPEN, CONN_HALF, CONN_CLOSING, CONN_CLOSED };

enum conn_event {
    EVENT_OPENED = 1,
    EVENT_SENT = 2,
    EVENT_WRITABLE = 4,
    EVENT_READABLE = 8,
    EVENT_CLOSED = 16,
};

struct conn {
    struct list ready; /* in s->ready while events != 0 */
    struct list arm;   /* in s->arm: look at it before the next turn */
    struct list place; /* in s->idle, s->middle or s->waiting, see stream_uring_recv.c */
    struct list linger;
    uint32_t index, generation;
    int fd;
    int err;
    uint8_t state;
    uint8_t events;
    bool receiving;    /* a recv is in the kernel */
    bool sending;      /* a send is in the kernel */
    bool blocked;      /* a POLLOUT is in the kernel */
    bool send_refused; /* send() returned 0 for a loan: owes STREAM_WRITABLE */
    bool shut;         /* CLOSING: shutdown() was called */
    bool filled;       /* the last recv used all its room */
    bool more;         /* the kernel said there is more in the socket */
    bool evicted;      /* counted in s->evicting until its block is back */
    bool deaf;         /* peek() gives nothing any more */
    uint16_t listener;
    uint8_t *block;
    uint32_t block_bytes, start, end; /* unconsumed: [start, end) of block */
    uint32_t want, asked;
    uint32_t owed; /* consume() calls beyond send() calls */
    uint32_t loan, sent, back;
    uint64_t since_ns; /* of its place; of its linger */
    uint64_t linger_ns;
    struct stream_addr peer;
    struct msghdr msg;
    struct iovec iov[STREAM_SPANS_MAX];
};

struct listener {
    int fd;
};

struct stream_uring {
    struct uring *ring;
    struct conn *conns;
    uint32_t connections_max;
    uint32_t listener_count;
    struct listener listeners[URING_LISTENERS_MAX];
    struct list ready, arm, linger, free;
    struct list idle, middle, waiting;
    struct rxbuf *rxbuf;
    uint64_t refused;
    uint64_t stall_ns, idle_ns, linger_ns;
    uint64_t given_ns; /* when memory was last given back */
    uint32_t evicting; /* closed for memory, block not yet back */
    void *memory;
    size_t memory_bytes;
};

static inline uint32_t
conn_held(const struct conn *c)
{
    return c->end - c->start;
}

/* Whether a whole request (as far as the consumer told) lies unconsumed. */
static inline bool
conn_whole(const struct conn *c)
{
    return conn_held(c) >= (c->want ? c->want : 1);
}

static inline void
conn_arm_later(struct stream_uring *s, struct conn *c)
{
    if (list_empty(&c->arm))
        list_push_back(&s->arm, &c->arm);
}

/* stream_uring_listen.c */
int stream_listen_on(void *self, const struct stream_addr *at);
void stream_listen_arm(struct stream_uring *s, uint32_t listener);
void stream_listen_done(struct stream_uring *s, const struct uring_done *done);

/* stream_uring.c.  stream_conn_open takes the descriptor; it closes it when there is no free slot.
 */
void stream_conn_open(struct stream_uring *s, int fd, uint32_t listener,
                      const struct stream_addr *peer);
void stream_conn_raise(struct stream_uring *s, struct conn *c, enum conn_event event);
void stream_conn_close(struct stream_uring *s, struct conn *c, int err);
void stream_conn_settle(struct stream_uring *s, struct conn *c);
void stream_conn_end_of_file(struct stream_uring *s, struct conn *c);

/* stream_uring_recv.c */
void stream_recv_done(struct stream_uring *s, struct conn *c, const struct uring_done *done);
void stream_recv_arm_all(struct stream_uring *s, uint64_t now_ns);
void stream_recv_release(struct stream_uring *s, struct conn *c);
/* Takes memory back from idle and stalled connections; returns when to look again. */
uint64_t stream_recv_reclaim(struct stream_uring *s, uint64_t now_ns);

#endif
