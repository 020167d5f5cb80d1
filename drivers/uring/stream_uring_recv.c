/* stream_uring_recv.c: receiving: one contiguous block a connection, one recv in flight.
 *
 * Nothing is armed when bytes arrive: the connection is put on s->arm and looked at once, right
 * before the next turn, when the consumer has consumed what it wants.  There the block is resized
 * by rxbuf_plan, the rest moved to the front if that is cheap or needed, and a recv queued into the
 * room.
 *
 * How far it reads: with `want` over RXBUF_AHEAD exactly to its end, otherwise at most RXBUF_AHEAD.
 * So the bytes after a large request, which would have to be moved to the front, stay in the
 * socket.
 *
 * A block that is kept (rxbuf_keep) is filled to its end and then left to who keeps it.
 *
 * A connection is in at most one of three lists, each ordered by since_ns:
 *   idle     recv in flight into an empty block larger than the smallest: can be cancelled, shrunk
 *   middle   recv in flight, part of a request is held: closed when stalled while others wait
 *   waiting  no recv in flight: no memory for it
 * I2 Every OPEN connection has a recv in flight, is on s->arm, waits for memory, or has no room
 * because its consumer does not consume. */
#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "drivers/uring/stream_conn.h"

#include <errno.h>
#include <string.h>

enum { WAITERS_TRIED_MAX = 16, CANCELS_MAX = 64, WAITER_PATIENCE = 4 };

void
stream_recv_release(struct stream_uring *s, struct conn *c)
{
    if (c->block) {
        rxbuf_give(s->rxbuf, c->block);
        s->given_ns = uring_now_ns(s->ring);
    }
    if (c->evicted)
        s->evicting--;
    c->evicted = false;
    c->block = NULL;
    c->block_bytes = c->start = c->end = 0;
}

/* Moves what is held into a block of `bytes`.  False when there is none: what is held stays where
 * it is, an empty block is gone. */
static bool
block_replace(struct stream_uring *s, struct conn *c, uint32_t bytes)
{
    uint32_t held = conn_held(c);
    must(held <= bytes);
    if (held == 0)
        stream_recv_release(s, c); /* nothing to copy: its room may serve */
    uint8_t *block = rxbuf_take(s->rxbuf, bytes);
    if (block == NULL)
        return false;
    if (held)
        memcpy(block, c->block + c->start, held);
    stream_recv_release(s, c);
    c->block = block;
    c->block_bytes = bytes;
    c->end = held;
    return true;
}

/* Somebody reads what was received into its block (keep): nothing there may be written over. */
static bool
block_kept(const struct stream_uring *s, const struct conn *c)
{
    return c->block && rxbuf_kept(s->rxbuf, c->block);
}

/* Moves what is held to the front if the request does not fit behind `start`, or if at least as
 * many bytes were consumed as have to be moved; out of a block that is kept only for the former,
 * and into another one. */
static void
block_compact(struct stream_uring *s, struct conn *c)
{
    uint32_t held = conn_held(c);
    bool fits = c->want <= c->block_bytes - c->start, kept = block_kept(s, c);
    if (c->start == 0 || (fits && (kept || held > c->start)))
        return;
    if (kept) { /* without memory it stays as it is: arm() sees that there is no room */
        (void)block_replace(s, c, c->block_bytes);
        return;
    }
    if (held)
        memmove(c->block, c->block + c->start, held);
    c->start = 0;
    c->end = held;
}

static uint32_t
recv_len(const struct conn *c)
{
    uint32_t room = c->block_bytes - c->end;
    uint32_t held = conn_held(c);
    uint32_t most = RXBUF_AHEAD;
    if (c->want > RXBUF_AHEAD && c->want > held)
        most = c->want - held;
    return room < most ? room : most;
}

static void
wait_for_memory(struct stream_uring *s, struct conn *c, uint64_t now_ns)
{
    if (list_empty(&c->place)) {
        c->since_ns = now_ns;
        list_push_back(&s->waiting, &c->place);
    }
}

static void
recv_queue(struct stream_uring *s, struct conn *c, uint64_t now_ns)
{
    c->asked = recv_len(c);
    struct io_uring_sqe *sqe = uring_sqe(s->ring);
    io_uring_prep_recv(sqe, c->fd, c->block + c->end, c->asked, 0);
    if (!c->more)
        sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    uring_sqe_tag(sqe, URING_RECV, c->index);
    c->receiving = true;
    c->filled = c->more = false;
    c->since_ns = now_ns;
    list_remove(&c->place);
    if (conn_held(c) > 0 && !conn_whole(c))
        list_push_back(&s->middle, &c->place);
    else if (conn_held(c) == 0 && c->block_bytes > RXBUF_BLOCK_MIN)
        list_push_back(&s->idle, &c->place);
}

/* Doubles the block in place, if its neighbour in the arena is free. */
static bool
block_widen(struct stream_uring *s, struct conn *c)
{
    uint8_t *block = rxbuf_widen(s->rxbuf, c->block);
    if (block == NULL)
        return false;
    uint32_t held = conn_held(c);
    if (block != c->block) {
        memmove(block, c->block + c->start, held);
        c->start = 0;
        c->end = held;
    }
    c->block = block;
    c->block_bytes *= 2;
    return true;
}

/* Brings the block to `bytes`, or as near to it as the arena allows: it may be fragmented.  False
 * when there is not even a smaller step. */
static bool
block_resize(struct stream_uring *s, struct conn *c, uint32_t bytes)
{
    for (; bytes >= RXBUF_BLOCK_MIN && bytes != c->block_bytes; bytes /= 2)
        if ((bytes == 2 * c->block_bytes && block_widen(s, c)) || block_replace(s, c, bytes))
            return true;
    return c->block != NULL;
}

/* Returns false when the connection has to wait for memory. */
static bool
arm(struct stream_uring *s, struct conn *c, uint64_t now_ns)
{
    if (c->state != CONN_OPEN || c->receiving)
        return true;
    if (c->want > rxbuf_block_bytes_max(s->rxbuf)) {
        stream_conn_close(s, c, ERR_LIMIT);
        return true;
    }
    struct rxbuf_need need = {c->block_bytes, conn_held(c), c->want, c->filled};
    uint32_t bytes = rxbuf_plan(s->rxbuf, &need);
    if (conn_held(c) == 0 && block_kept(s, c))
        stream_recv_release(s, c); /* whoever keeps it gives it back */
    else if (conn_held(c) == 0)
        c->start = c->end = 0;
    if (!block_resize(s, c, bytes))
        return false;
    block_compact(s, c);
    if (c->end < c->block_bytes) {
        recv_queue(s, c, now_ns);
        return true;
    }
    /* Full.  With a whole request in it the consumer is slow: consume() arms it again.  Else the
     * block is too small for the request. */
    return conn_whole(c);
}

void
stream_recv_arm_all(struct stream_uring *s, uint64_t now_ns)
{
    struct list *node;
    for (int i = 0; i < WAITERS_TRIED_MAX && (node = list_first(&s->waiting)) != NULL; i++) {
        struct conn *c = list_item(node, struct conn, place);
        list_remove(node);
        if (!arm(s, c, now_ns)) { /* first come, first served: back to the front */
            list_push_back(s->waiting.next, node);
            break;
        }
    }
    while ((node = list_first(&s->arm)) != NULL) {
        struct conn *c = list_item(node, struct conn, arm);
        list_remove(node);
        if (!arm(s, c, now_ns))
            wait_for_memory(s, c, now_ns);
    }
}

void
stream_recv_done(struct stream_uring *s, struct conn *c, const struct uring_done *done)
{
    must(c->receiving);
    c->receiving = false;
    list_remove(&c->place);
    if (c->state != CONN_OPEN) {
        stream_conn_settle(s, c);
        return;
    }
    if (done->res > 0) {
        must((uint32_t)done->res <= c->asked);
        c->end += (uint32_t)done->res;
        c->filled = (uint32_t)done->res == c->asked;
        c->more = done->flags & IORING_CQE_F_SOCK_NONEMPTY;
        if (conn_whole(c))
            stream_conn_raise(s, c, EVENT_READABLE);
        conn_arm_later(s, c);
        return;
    }
    switch (-done->res) {
    case 0:
        stream_conn_end_of_file(s, c);
        return;
    case ECANCELED:
        if (conn_held(c) == 0)
            stream_recv_release(s, c);
        conn_arm_later(s, c);
        return;
    case EINTR:
    case EAGAIN:
        conn_arm_later(s, c);
        return;
    default:
        stream_conn_close(s, c, ERR_IO);
    }
}

static void
idle_cancel(struct stream_uring *s, struct conn *c)
{
    struct io_uring_sqe *sqe = uring_sqe(s->ring);
    io_uring_prep_cancel64(sqe, uring_tag(URING_RECV, c->index), 0);
    uring_sqe_tag(sqe, URING_IGNORE, 0);
    list_remove(&c->place);
}

static void
evict(struct stream_uring *s, struct conn *c, uint64_t now_ns)
{
    log_warn("stream",
             "memory for requests is used up: closing a stalled connection held=%u want=%u "
             "stalled_ms=%llu used=%llu",
             conn_held(c), c->want, (unsigned long long)((now_ns - c->since_ns) / CLOCK_NS_PER_MS),
             (unsigned long long)rxbuf_bytes_used(s->rxbuf));
    c->evicted = true;
    s->evicting++;
    stream_conn_close(s, c, ERR_LIMIT);
}

/* The first of `list` that has a block, or NULL. */
static struct conn *
holder_first(const struct list *list)
{
    for (struct list *n = list->next; n != list; n = n->next) {
        struct conn *c = list_item(n, struct conn, place);
        if (c->block)
            return c;
    }
    return NULL;
}

/* Closes at most one connection, and no second before the memory of the first is back. */
static void
evict_one(struct stream_uring *s, uint64_t now_ns)
{
    if (s->evicting > 0)
        return;
    struct conn *c = holder_first(&s->middle);
    if (c && now_ns - c->since_ns >= s->stall_ns) {
        evict(s, c, now_ns);
        return;
    }
    /* Those who wait may hold what the others wait for.  If nothing came back for long, one of them
     * has to go; later when somebody else still receives, and will give memory back in time. */
    uint64_t patience_ns = c ? WAITER_PATIENCE * s->stall_ns : s->stall_ns;
    c = holder_first(&s->waiting);
    if (c && now_ns - s->given_ns >= patience_ns && now_ns - c->since_ns >= patience_ns)
        evict(s, c, now_ns);
}

uint64_t
stream_recv_reclaim(struct stream_uring *s, uint64_t now_ns)
{
    bool short_of_memory = !list_empty(&s->waiting);
    struct list *node;
    for (int i = 0; i < CANCELS_MAX && (node = list_first(&s->idle)) != NULL; i++) {
        struct conn *c = list_item(node, struct conn, place);
        if (!short_of_memory && now_ns - c->since_ns < s->idle_ns)
            break;
        idle_cancel(s, c);
    }
    if (!short_of_memory)
        return CLOCK_NEVER;
    evict_one(s, now_ns);
    return now_ns + s->stall_ns / 4 + 1;
}
