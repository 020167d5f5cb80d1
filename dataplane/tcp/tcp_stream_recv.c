/* tcp_stream_recv.c: received bytes of tcp_stream.h, from frames to whoever reads.
 *
 * What arrived is looked at once in the turn it arrives: if nothing is held in a block and the
 * first frame's bytes are what is wanted, they are lent from the frame.  Otherwise, and for all
 * that is left of frames at the end of the turn, bytes are copied into the connection's block.
 *
 * I1 a block that holds nothing is given back.  I2 STREAM_READABLE is raised only when more can be
 * peeked than was lent last. */
#include "dataplane/tcp/tcp_stream_in.h"

#include <string.h>

enum { GATHER_VIEWS = 32, WAITER_PATIENCE = 4 };

void
tcp_slot_block_drop(struct tcp_slot *c)
{
    struct tcp_stream *s = c->stream;
    list_remove(&c->place);
    if (c->block) {
        rxbuf_give(s->rxbuf, c->block);
        s->given_us = s->now_us;
    }
    c->block = NULL;
    c->block_bytes = c->start = c->end = 0;
    c->filled = false;
}

/* What can be lent now. */
static struct view
front(const struct tcp_slot *c)
{
    struct view v = {0};
    if (c->deaf)
        return v;
    if (tcp_slot_held(c))
        return view_of(c->block + c->start, tcp_slot_held(c));
    (void)tcp_peek(c->stream->tcp, c->id, &v, 1);
    return v;
}

static uint32_t
wanted(const struct tcp_slot *c)
{
    return c->want ? c->want : 1;
}

bool
tcp_slot_whole(const struct tcp_slot *c)
{
    return tcp_slot_held(c) + tcp_unread(c->stream->tcp, c->id) >= wanted(c);
}

bool
tcp_slot_readable(const struct tcp_slot *c)
{
    return front(c).len >= wanted(c);
}

/* ---- blocks ---- */

/* Moves what is held into a block of `bytes`.  False: there is none. */
static bool
block_replace(struct tcp_slot *c, uint32_t bytes)
{
    uint32_t held = tcp_slot_held(c);
    uint8_t *block = rxbuf_take(c->stream->rxbuf, bytes);
    if (!block)
        return false;
    if (held)
        memcpy(block, c->block + c->start, held);
    if (c->block)
        rxbuf_give(c->stream->rxbuf, c->block);
    c->block = block;
    c->block_bytes = bytes;
    c->start = 0;
    c->end = held;
    return true;
}

/* Doubles the block in place, if its neighbour in the arena is free. */
static bool
block_widen(struct tcp_slot *c)
{
    uint8_t *block = rxbuf_widen(c->stream->rxbuf, c->block);
    if (!block)
        return false;
    uint32_t held = tcp_slot_held(c);
    if (block != c->block) {
        memmove(block, c->block + c->start, held);
        c->start = 0;
        c->end = held;
    }
    c->block = block;
    c->block_bytes *= 2;
    return true;
}

/* Brings the block nearer to what is there and wanted.  False: it is as it was. */
static bool
block_grow(struct tcp_slot *c, uint32_t there)
{
    const struct tcp_stream *s = c->stream;
    uint32_t most = rxbuf_block_bytes_max(s->rxbuf), held = tcp_slot_held(c);
    uint32_t need = c->want > held + there ? c->want : held + there;
    struct rxbuf_need n = {c->block_bytes, held, need < most ? need : most, c->filled};
    uint32_t bytes = rxbuf_plan(s->rxbuf, &n);
    for (; bytes >= RXBUF_BLOCK_MIN && bytes > c->block_bytes; bytes /= 2)
        if ((c->block && bytes == 2 * c->block_bytes && block_widen(c)) || block_replace(c, bytes))
            return true;
    return false;
}

static void
block_compact(struct tcp_slot *c)
{
    uint32_t held = tcp_slot_held(c);
    if (c->start == 0)
        return;
    memmove(c->block, c->block + c->start, held);
    c->start = 0;
    c->end = held;
}

/* Copies from frames into the room of the block; returns the bytes. */
static uint32_t
block_fill(struct tcp_slot *c)
{
    struct tcp_stream *s = c->stream;
    struct view views[GATHER_VIEWS];
    uint32_t all = 0, count;
    while (c->end < c->block_bytes && (count = tcp_peek(s->tcp, c->id, views, GATHER_VIEWS)) > 0) {
        uint32_t bytes = 0;
        for (uint32_t i = 0; i < count && c->end < c->block_bytes; i++) {
            uint32_t room = c->block_bytes - c->end;
            uint32_t len = views[i].len < room ? views[i].len : room;
            memcpy(c->block + c->end, views[i].at, len);
            c->end += len;
            bytes += len;
        }
        tcp_consume(s->tcp, c->id, bytes);
        all += bytes;
    }
    s->stat.bytes_in_copied += all;
    return all;
}

/* Bytes that nobody waits for close the window as if they were still unread. */
static void
hold_tell(struct tcp_slot *c)
{
    uint32_t held = tcp_slot_held(c);
    tcp_hold(c->stream->tcp, c->id, held >= wanted(c) ? held : 0);
}

static void
place_in(struct tcp_slot *c, struct list *list)
{
    list_remove(&c->place);
    c->since_us = c->stream->now_us;
    list_push_back(list, &c->place);
}

/* All of what is unread into the block.  False: there is no memory for the rest. */
static bool
gather(struct tcp_slot *c)
{
    struct tcp_stream *s = c->stream;
    uint32_t unread, got = 0;
    while ((unread = tcp_unread(s->tcp, c->id)) > 0) {
        if (unread > c->block_bytes - c->end && c->block)
            block_compact(c);
        if (unread > c->block_bytes - c->end && !block_grow(c, unread) && c->end == c->block_bytes)
            break;
        uint32_t n = block_fill(c);
        c->filled = c->end == c->block_bytes;
        got += n;
        if (n == 0)
            break;
    }
    hold_tell(c);
    uint32_t held = tcp_slot_held(c);
    if (got && held < wanted(c))
        place_in(c, &s->middle);
    else if (held >= wanted(c))
        list_remove(&c->place);
    /* Full of whole requests: the consumer is slow, and its window closes. */
    return unread == 0 || (held >= wanted(c) && c->block_bytes == rxbuf_block_bytes_max(s->rxbuf));
}

/* ---- looking at what was received ---- */

void
tcp_slot_fresh(struct tcp_slot *c)
{
    list_remove(&c->arm);
    list_push_back(&c->stream->fresh, &c->arm);
}

static void
look_later(struct tcp_slot *c)
{
    if (list_empty(&c->arm))
        list_push_back(&c->stream->later, &c->arm);
}

/* False: it waits for memory now. */
static bool
look(struct tcp_slot *c, bool fresh)
{
    struct tcp_stream *s = c->stream;
    bool waits = false;
    if (!tcp_slot_serves(c) || c->deaf)
        return true;
    if (c->want > rxbuf_block_bytes_max(s->rxbuf)) {
        tcp_slot_close(c, ERR_LIMIT);
        return true;
    }
    if (tcp_unread(s->tcp, c->id)) {
        if (fresh && tcp_slot_held(c) == 0 && front(c).len >= wanted(c))
            look_later(c); /* at what is left of it */
        else
            waits = !gather(c);
    }
    if (waits)
        place_in(c, &s->waiting);
    uint32_t here = front(c).len;
    if (here > c->lent && here >= wanted(c))
        tcp_slot_raise(c, SLOT_READABLE);
    if (c->eof && c->state == SLOT_OPEN && tcp_unread(s->tcp, c->id) == 0)
        tcp_slot_end_of_file(c);
    return !waits;
}

void
tcp_stream_receive(struct tcp_stream *s)
{
    struct list *node;
    while ((node = list_first(&s->fresh)) != NULL) {
        list_remove(node);
        (void)look(list_item(node, struct tcp_slot, arm), true);
    }
}

struct view
tcp_slot_peek(void *self, stream_id id)
{
    struct tcp_slot *c = tcp_slot_find(self, id);
    if (!c)
        return (struct view){0};
    struct view v = front(c);
    c->lent = v.len;
    return v;
}

void
tcp_slot_consume(void *self, stream_id id, uint32_t bytes, uint32_t want)
{
    struct tcp_stream *s = self;
    struct tcp_slot *c = tcp_slot_find(s, id);
    if (!c || c->deaf)
        return;
    must(bytes <= c->lent);
    c->lent -= bytes;
    c->owed += bytes > 0;
    c->want = want;
    s->stat.bytes_in += bytes;
    tcp_slot_touch(c);
    if (tcp_slot_held(c) == 0) {
        tcp_consume(s->tcp, id, bytes);
    } else {
        c->start += bytes;
        if (tcp_slot_held(c) == 0)
            tcp_slot_block_drop(c);
        else if (tcp_slot_held(c) < wanted(c) && list_empty(&c->place))
            place_in(c, &s->middle);
        hold_tell(c);
    }
    if (tcp_unread(s->tcp, id) || c->eof)
        look_later(c);
}

/* ---- memory is short ---- */

static void
evict(struct tcp_slot *c)
{
    c->stream->stat.evicted++;
    tcp_slot_close(c, ERR_LIMIT);
    tcp_slot_block_drop(c);
}

/* The first of `list` that has a block, or NULL. */
static struct tcp_slot *
holder_first(const struct list *list)
{
    for (struct list *n = list->next; n != list; n = n->next) {
        struct tcp_slot *c = list_item(n, struct tcp_slot, place);
        if (c->block)
            return c;
    }
    return NULL;
}

/* As drivers/uring/stream_uring_recv.c: who stalled in mid-request; else, when nothing came back
 * for long, one of those that wait and hold what the others wait for. */
static void
evict_one(struct tcp_stream *s)
{
    struct tcp_slot *c = holder_first(&s->middle);
    if (c && s->now_us - c->since_us >= s->config.stall_us) {
        evict(c);
        return;
    }
    uint64_t patience_us = (uint64_t)s->config.stall_us * (c ? WAITER_PATIENCE : 1);
    c = holder_first(&s->waiting);
    if (c && s->now_us - s->given_us >= patience_us && s->now_us - c->since_us >= patience_us)
        evict(c);
}

uint64_t
tcp_stream_gather(struct tcp_stream *s)
{
    struct list *node;
    while ((node = list_first(&s->later)) != NULL) {
        list_remove(node);
        (void)look(list_item(node, struct tcp_slot, arm), false);
    }
    for (int i = 0; i < TCP_STREAM_RETRIES && (node = list_first(&s->waiting)) != NULL; i++) {
        struct tcp_slot *c = list_item(node, struct tcp_slot, place);
        uint64_t since_us = c->since_us;
        list_remove(node);
        if (look(c, false))
            continue;
        c->since_us = since_us; /* first come, first served: back to the front */
        list_remove(node);
        list_push_back(s->waiting.next, node);
        break;
    }
    if (list_empty(&s->waiting))
        return UINT64_MAX;
    evict_one(s);
    return s->now_us + s->config.stall_us / 4 + 1;
}
