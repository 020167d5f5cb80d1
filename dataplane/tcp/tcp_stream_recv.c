/* tcp_stream_recv.c: received bytes of tcp_stream.h, from frames to whoever reads.
 *
 * What arrived is looked at once in the turn it arrives: if nothing is held in a block and the
 * first frame's bytes are what is wanted, they are lent from the frame.  Otherwise, and for all
 * that is left of frames at the end of the turn, bytes are copied into the connection's block;
 * unless they are of a request that may come in pieces, which waits for its rest as it lies.
 *
 * What is kept (keep) is read elsewhere: frames are never written to, and a block is only filled
 * further then.
 *
 * I1 a block that holds nothing is given back.  I2 STREAM_READABLE is raised only when more can be
 * peeked than was lent last. */
#include "dataplane/tcp/tcp_stream_in.h"

#include <string.h>

enum { GATHER_VIEWS = 32, WAITER_PATIENCE = 4 };

/* What is kept: the address of a block, or with KEPT_FRAMES the first node and their number. */
#define KEPT_FRAMES      (UINT64_C(1) << 63)
#define KEPT_COUNT_SHIFT 32

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

/* The same, for who reads pieces. */
static uint32_t
lendable(const struct tcp_slot *c)
{
    if (!c->scatter || c->deaf || tcp_slot_held(c))
        return front(c).len;
    return tcp_unread(c->stream->tcp, c->id);
}

bool
tcp_slot_readable(const struct tcp_slot *c)
{
    return lendable(c) >= wanted(c);
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
    if (rxbuf_kept(c->stream->rxbuf, c->block)) { /* or, without memory, it stays as it is */
        (void)block_replace(c, c->block_bytes);
        return;
    }
    memmove(c->block, c->block + c->start, held);
    c->start = 0;
    c->end = held;
}

/* Copies from frames into the room of the block, `most` bytes at most; returns the bytes. */
static uint32_t
block_fill(struct tcp_slot *c, uint32_t most)
{
    struct tcp_stream *s = c->stream;
    struct view views[GATHER_VIEWS];
    uint32_t all = 0, count;
    uint32_t limit = most < c->block_bytes - c->end ? c->end + most : c->block_bytes;
    while (c->end < limit && (count = tcp_peek(s->tcp, c->id, views, GATHER_VIEWS)) > 0) {
        uint32_t bytes = 0;
        for (uint32_t i = 0; i < count && c->end < limit; i++) {
            uint32_t room = limit - c->end;
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

/* Bytes stay in frames, for TCP_STREAM_SCATTER_US at most. */
static void
stay(struct tcp_slot *c)
{
    struct tcp_stream *s = c->stream;
    if (!list_empty(&c->framed))
        return;
    c->framed_us = s->now_us;
    list_push_back(&s->framed, &c->framed);
}

/* What of the unread bytes goes into the block now: not those behind a large request that it makes
 * whole, or each request behind would begin in a block, and be copied too. */
static uint32_t
gather_most(const struct tcp_slot *c)
{
    uint32_t unread = tcp_unread(c->stream->tcp, c->id), held = tcp_slot_held(c);
    uint32_t rest = c->want > held ? c->want - held : 0;
    bool part = c->want >= TCP_STREAM_LARGE && rest && rest < unread;
    return part && !tcp_frames_short(c->stream->tcp) ? rest : unread;
}

/* What is unread into the block.  False: there is no memory for the rest. */
static bool
gather(struct tcp_slot *c)
{
    struct tcp_stream *s = c->stream;
    uint32_t left = gather_most(c), got = 0;
    bool all = left == tcp_unread(s->tcp, c->id);
    list_remove(&c->framed);
    while (left > 0) {
        if (left > c->block_bytes - c->end && c->block)
            block_compact(c);
        if (left > c->block_bytes - c->end && !block_grow(c, left) && c->end == c->block_bytes)
            break;
        uint32_t n = block_fill(c, left);
        c->filled = c->end == c->block_bytes;
        got += n;
        left -= n;
        if (n == 0)
            break;
    }
    hold_tell(c);
    uint32_t held = tcp_slot_held(c);
    if (got && held < wanted(c))
        place_in(c, &s->middle);
    else if (held >= wanted(c))
        list_remove(&c->place);
    if (!all && left == 0)
        stay(c);
    /* Full of whole requests: the consumer is slow, and its window closes. */
    return left == 0 || (held >= wanted(c) && c->block_bytes == rxbuf_block_bytes_max(s->rxbuf));
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

/* Whether what is wanted may stay in its frames, for which it is enlisted then: it may come in
 * pieces; or its user, who reads pieces, did not come to it in this turn. */
static bool
framed(struct tcp_slot *c)
{
    struct tcp_stream *s = c->stream;
    uint64_t most = (uint64_t)TCP_STREAM_FRAME_SHARE * tcp_unread(s->tcp, c->id);
    bool there = c->pieces && !c->eof && front(c).len >= wanted(c);
    if (c->late || tcp_slot_held(c) || !(c->scatter || there) ||
        c->want > s->config.scatter_bytes || tcp_frames_short(s->tcp) ||
        tcp_pinned(s->tcp, c->id) > TCP_STREAM_FRAME_SLACK + most)
        return false;
    stay(c);
    return true;
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
        uint32_t there = tcp_slot_held(c) ? tcp_slot_held(c) : front(c).len;
        if (fresh && there >= wanted(c) && (tcp_slot_held(c) == 0 || c->want >= TCP_STREAM_LARGE))
            look_later(c); /* at what is left of it */
        else if (!framed(c))
            waits = !gather(c);
    }
    if (waits)
        place_in(c, &s->waiting);
    uint32_t here = lendable(c);
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

uint32_t
tcp_slot_pieces(void *self, stream_id id, struct view *out, uint32_t max)
{
    struct tcp_stream *s = self;
    struct tcp_slot *c = tcp_slot_find(s, id);
    if (!c || c->deaf || max == 0)
        return 0;
    uint32_t count = 1, lent = 0;
    if (tcp_slot_held(c))
        out[0] = front(c);
    else
        count = tcp_peek(s->tcp, id, out, max);
    for (uint32_t i = 0; i < count; i++)
        lent += out[i].len;
    c->lent = lent;
    return count;
}

stream_kept
tcp_slot_keep(void *self, stream_id id, uint32_t bytes)
{
    struct tcp_stream *s = self;
    struct tcp_slot *c = tcp_slot_find(s, id);
    if (!c || c->deaf)
        return 0;
    must(bytes <= c->lent);
    struct tcp_kept kept;
    bool held = tcp_slot_held(c);
    if (held ? !rxbuf_keep(s->rxbuf, c->block) : !tcp_keep(s->tcp, id, bytes, &kept))
        return 0;
    s->stat.kept++;
    if (held)
        return (stream_kept)(uintptr_t)c->block;
    return KEPT_FRAMES | (stream_kept)kept.count << KEPT_COUNT_SHIFT | kept.first;
}

void
tcp_slot_release(void *self, stream_kept kept)
{
    struct tcp_stream *s = self;
    must(s->stat.kept > 0);
    s->stat.kept--;
    if (kept & KEPT_FRAMES) {
        struct tcp_kept frames = {.first = (uint32_t)kept,
                                  .count = (uint32_t)((kept & ~KEPT_FRAMES) >> KEPT_COUNT_SHIFT)};
        tcp_release(s->tcp, &frames);
        return;
    }
    rxbuf_give(s->rxbuf, (uint8_t *)(uintptr_t)kept);
    s->given_us = s->now_us;
}

void
tcp_slot_scatter(void *self, stream_id id)
{
    struct tcp_slot *c = tcp_slot_find(self, id);
    if (c && !c->deaf)
        c->scatter = c->pieces = true;
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
    s->stat.requests_scattered += c->scatter && bytes && tcp_slot_held(c) == 0;
    c->scatter = false;
    if (bytes) {
        list_remove(&c->framed);
        c->late = false;
    }
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

/* Requests that did not come in time get a block; returns when the next one has waited enough. */
static uint64_t
framed_end(struct tcp_stream *s)
{
    struct list *node;
    while ((node = list_first(&s->framed)) != NULL) {
        struct tcp_slot *c = list_item(node, struct tcp_slot, framed);
        if (s->now_us - c->framed_us < TCP_STREAM_SCATTER_US)
            return c->framed_us + TCP_STREAM_SCATTER_US;
        list_remove(node);
        c->scatter = false;
        c->late = true;
        look_later(c);
    }
    return UINT64_MAX;
}

uint64_t
tcp_stream_gather(struct tcp_stream *s)
{
    struct list *node;
    uint64_t framed_us = framed_end(s);
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
        return framed_us;
    evict_one(s);
    uint64_t retry_us = s->now_us + s->config.stall_us / 4 + 1;
    return retry_us < framed_us ? retry_us : framed_us;
}
