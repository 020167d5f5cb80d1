/* tcp_stream.c: memory, the life of a stream, events; see tcp_stream.h and tcp_stream_in.h.
 *
 * Events are bits of the connection, not a queue: no number of them can overflow. */
#include "core/net/iptext.h"
#include "dataplane/tcp/tcp_stream_in.h"

#include <string.h>

enum { PAGE_BYTES = 4096, EVENTS_MAX = 64, COPIES_MAX = 1 << 16 };

struct layout {
    size_t slots, copies, book, copy_bytes, receive, bytes;
    struct rxbuf_config rxbuf;
};

static size_t
place(size_t *at, size_t bytes)
{
    size_t here = *at;
    *at = (here + bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    return here;
}

static struct layout
layout_of(const struct tcp_stream_config *c)
{
    struct layout l = {.rxbuf = {.block_bytes_max = rxbuf_class(c->request_bytes_max)}};
    if (l.rxbuf.block_bytes_max < RXBUF_AHEAD)
        l.rxbuf.block_bytes_max = RXBUF_AHEAD;
    size_t least = l.rxbuf.block_bytes_max + (size_t)c->conns * RXBUF_BLOCK_MIN;
    l.rxbuf.bytes = c->receive_bytes_max / PAGE_BYTES * PAGE_BYTES;
    if (l.rxbuf.bytes < least)
        l.rxbuf.bytes = least;
    size_t at = 0;
    place(&at, sizeof(struct tcp_stream));
    l.slots = place(&at, c->conns * sizeof(struct tcp_slot));
    l.copies = place(&at, c->copies * sizeof(struct tcp_copy));
    l.book = place(&at, rxbuf_footprint(&l.rxbuf));
    l.copy_bytes = place(&at, (size_t)c->copies * TCP_STREAM_COPY_BYTES);
    l.receive = place(&at, l.rxbuf.bytes);
    l.bytes = at;
    return l;
}

int
tcp_stream_check(const struct tcp_stream_config *c)
{
    bool good = c->conns && c->request_bytes_max && c->request_bytes_max <= RXBUF_BLOCK_MAX &&
                c->copies <= COPIES_MAX && c->tail_bytes && c->stall_us && c->linger_us;
    return good ? ERR_OK : ERR_INVALID;
}

size_t
tcp_stream_footprint(const struct tcp_stream_config *c)
{
    return layout_of(c).bytes;
}

struct tcp_stream *
tcp_stream_init(void *at, const struct tcp_stream_config *c, struct tcp *tcp)
{
    must(tcp_stream_check(c) == ERR_OK);
    must((uintptr_t)at % PAGE_BYTES == 0);
    struct layout l = layout_of(c);
    uint8_t *base = at;
    struct tcp_stream *s = at;
    *s = (struct tcp_stream){.tcp = tcp, .config = *c};
    list_init(&s->ready);
    list_init(&s->fresh);
    list_init(&s->later);
    list_init(&s->middle);
    list_init(&s->waiting);
    list_init(&s->framed);
    list_init(&s->linger);
    list_init(&s->starved);
    l.rxbuf.memory = base + l.receive;
    s->rxbuf = rxbuf_init(base + l.book, &l.rxbuf);
    s->slots = (void *)(base + l.slots);
    tcp_copies_init(s, (void *)(base + l.copies), base + l.copy_bytes);
    return s;
}

struct tcp_slot *
tcp_slot_find(struct tcp_stream *s, stream_id id)
{
    uint32_t index = (uint32_t)id;
    if (index >= s->config.conns)
        return NULL;
    struct tcp_slot *c = &s->slots[index];
    return c->state != SLOT_FREE && c->id == id ? c : NULL;
}

void
tcp_slot_raise(struct tcp_slot *c, enum tcp_slot_event event)
{
    must(c->state != SLOT_FREE);
    if (c->events == 0)
        list_push_back(&c->stream->ready, &c->ready);
    c->events |= (uint8_t)event;
}

/* ---- the end of a stream ---- */

void
tcp_slot_close(struct tcp_slot *c, int err)
{
    if (!tcp_slot_serves(c))
        return;
    c->state = SLOT_CLOSING;
    c->err = err;
    c->deaf |= err == ERR_LIMIT; /* a request cut off is of no use */
    list_remove(&c->arm);
    list_remove(&c->place);
    list_remove(&c->linger);
    list_remove(&c->starved);
    if (!list_empty(&c->framed)) /* as if it lay in a block: the peer gets a FIN, not a reset */
        tcp_consume(c->stream->tcp, c->id, tcp_unread(c->stream->tcp, c->id));
    list_remove(&c->framed);
    tcp_close(c->stream->tcp, c->id);
}

/* Whether an answer may still be expected by a peer that sends nothing more. */
static bool
answers(const struct tcp_slot *c)
{
    return c->loan_out || c->refused || c->events & SLOT_SENT || tcp_slot_whole(c);
}

void
tcp_slot_touch(struct tcp_slot *c)
{
    if (c->state != SLOT_HALF)
        return;
    c->linger_us = c->stream->now_us;
    list_remove(&c->linger);
    list_push_back(&c->stream->linger, &c->linger);
}

void
tcp_slot_end_of_file(struct tcp_slot *c)
{
    if (c->owed == 0 && !answers(c)) {
        tcp_slot_close(c, ERR_CLOSED);
        return;
    }
    c->state = SLOT_HALF;
    tcp_slot_touch(c);
}

static uint64_t
linger_close(struct tcp_stream *s)
{
    struct list *node;
    while ((node = list_first(&s->linger)) != NULL) {
        struct tcp_slot *c = list_item(node, struct tcp_slot, linger);
        if (s->now_us - c->linger_us < s->config.linger_us)
            return c->linger_us + s->config.linger_us;
        if (answers(c))
            tcp_slot_touch(c);
        else
            tcp_slot_close(c, ERR_CLOSED);
    }
    return UINT64_MAX;
}

/* ---- events of the stack ---- */

static void
opened(struct tcp_stream *s, const struct tcp_event *e)
{
    struct tcp_slot *c = &s->slots[(uint32_t)e->id];
    must(c->state == SLOT_FREE); /* I1 */
    *c = (struct tcp_slot){.stream = s, .id = e->id, .state = SLOT_OPEN, .listener = e->listener};
    memcpy(c->peer.ip, e->peer.ip, sizeof c->peer.ip);
    c->peer.port = e->peer.port;
    list_init(&c->ready);
    list_init(&c->arm);
    list_init(&c->place);
    list_init(&c->framed);
    list_init(&c->linger);
    list_init(&c->starved);
    tcp_slot_raise(c, SLOT_OPENED);
}

static void
ended(struct tcp_slot *c, enum tcp_reason reason)
{
    if (c->state != SLOT_CLOSING)
        c->err = reason == TCP_DONE ? ERR_CLOSED : ERR_IO;
    c->state = SLOT_CLOSED;
    c->stream->closed++;
    list_remove(&c->arm);
    list_remove(&c->place);
    list_remove(&c->framed);
    list_remove(&c->linger);
    list_remove(&c->starved);
    tcp_slot_copy_drop(c);
    tcp_slot_raise(c, SLOT_ENDED);
}

static void
take(struct tcp_stream *s, const struct tcp_event *e)
{
    if (e->kind == TCP_ACCEPTED) {
        opened(s, e);
        return;
    }
    struct tcp_slot *c = tcp_slot_find(s, e->id);
    if (!c)
        return;
    switch (e->kind) {
    case TCP_EOF:
        c->eof = true;
        tcp_slot_fresh(c);
        break;
    case TCP_READABLE:
        tcp_slot_fresh(c);
        break;
    case TCP_SENT:
        tcp_slot_acked(c);
        break;
    case TCP_CLOSED:
        ended(c, e->reason);
        break;
    case TCP_ACCEPTED:
    case TCP_CONNECTED:
        break;
    }
}

void
tcp_stream_turn(struct tcp_stream *s, uint64_t now_us)
{
    struct tcp_event events[EVENTS_MAX];
    uint32_t n;
    s->now_us = now_us;
    while (s->closed == 0 && (n = tcp_poll(s->tcp, events, EVENTS_MAX)) > 0)
        for (uint32_t i = 0; i < n; i++)
            take(s, &events[i]);
    s->untaken = s->closed > 0;
    tcp_stream_receive(s);
    tcp_stream_starved(s);
}

uint64_t
tcp_stream_prepare(struct tcp_stream *s, uint64_t now_us)
{
    s->now_us = now_us;
    uint64_t next_us = tcp_stream_gather(s), linger_us = linger_close(s);
    if (linger_us < next_us)
        next_us = linger_us;
    if (!list_empty(&s->starved) || s->untaken)
        next_us = now_us;
    return next_us;
}

bool
tcp_stream_ready(const struct tcp_stream *s)
{
    return !list_empty(&s->ready);
}

void
tcp_stream_end_all(struct tcp_stream *s, bool now)
{
    for (uint32_t i = 0; i < s->config.conns; i++) {
        struct tcp_slot *c = &s->slots[i];
        if (c->state == SLOT_FREE || c->state == SLOT_CLOSED)
            continue;
        tcp_slot_close(c, ERR_CLOSED);
        if (now)
            tcp_abort(s->tcp, c->id);
    }
}

void
tcp_stream_stat(const struct tcp_stream *s, struct tcp_stream_stat *out)
{
    *out = s->stat;
    out->memory_bytes = rxbuf_bytes_used(s->rxbuf);
}

uint64_t
tcp_stream_copied(const struct tcp_stream *s)
{
    return s->stat.bytes_in_copied;
}

uint64_t
tcp_stream_moved(const struct tcp_stream *s)
{
    return s->stat.bytes_in + s->stat.bytes_out;
}

/* ---- the port ---- */

static int
port_listen(void *self, const struct stream_addr *at)
{
    struct tcp_stream *s = self;
    if (!at) {
        tcp_unlisten(s->tcp);
        return ERR_OK;
    }
    struct tcp_addr a = {.port = at->port};
    if (!iptext_is_any(at->ip))
        memcpy(a.ip, at->ip, sizeof a.ip);
    return tcp_listen(s->tcp, &a);
}

static void
port_close(void *self, stream_id id)
{
    struct tcp_slot *c = tcp_slot_find(self, id);
    if (!c)
        return;
    c->deaf = true;
    c->events &= (uint8_t) ~(SLOT_READABLE | SLOT_WRITABLE);
    if (c->events == 0)
        list_remove(&c->ready);
    tcp_slot_close(c, ERR_CLOSED);
}

/* The next event of a connection that somebody should hear of; false: none is left. */
static bool
event_next(struct tcp_slot *c, struct stream_event *out)
{
    static const enum stream_event_kind kinds[] = {STREAM_OPENED, STREAM_SENT, STREAM_WRITABLE,
                                                   STREAM_READABLE, STREAM_CLOSED};
    while (c->events) {
        uint32_t bit = (uint32_t)__builtin_ctz(c->events);
        c->events &= (uint8_t)(c->events - 1);
        if (1u << bit == SLOT_READABLE && !tcp_slot_readable(c))
            continue; /* consumed since */
        *out = (struct stream_event){.id = c->id, .kind = kinds[bit]};
        if (out->kind == STREAM_OPENED) {
            out->peer = c->peer;
            out->listener = c->listener;
        } else if (out->kind == STREAM_SENT) {
            bool lost = c->state == SLOT_CLOSED && c->err == ERR_IO;
            out->bytes_sent = lost ? 0 : c->loan;
            out->bytes_back = lost ? c->loan : 0;
        } else if (out->kind == STREAM_CLOSED) {
            out->err = c->err;
        }
        return true;
    }
    return false;
}

static void
slot_free(struct tcp_slot *c)
{
    tcp_slot_block_drop(c);
    c->stream->closed--;
    c->state = SLOT_FREE;
}

static uint32_t
port_poll(void *self, struct stream_event *out, uint32_t max)
{
    struct tcp_stream *s = self;
    struct list *node;
    uint32_t n = 0;
    while (n < max && (node = list_first(&s->ready)) != NULL) {
        struct tcp_slot *c = list_item(node, struct tcp_slot, ready);
        bool closed = false;
        while (n < max && event_next(c, &out[n]))
            closed = out[n++].kind == STREAM_CLOSED;
        if (c->events == 0)
            list_remove(node);
        if (closed)
            slot_free(c);
    }
    return n;
}

struct stream
tcp_stream_port(struct tcp_stream *s)
{
    static const struct stream_ops ops = {
        .listen = port_listen,
        .poll = port_poll,
        .peek = tcp_slot_peek,
        .consume = tcp_slot_consume,
        .scatter = tcp_slot_scatter,
        .pieces = tcp_slot_pieces,
        .keep = tcp_slot_keep,
        .release = tcp_slot_release,
        .send = tcp_slot_send,
        .close = port_close,
    };
    return (struct stream){&ops, s};
}
