/* tcp_stream_send.c: sends of tcp_stream.h: copies, loans, and room.
 *
 * A block of copies is filled by one connection, send by send.  Each piece that TCP has borrowed is
 * a hold of the block, the connection that fills it has one more; the block is free when all are
 * gone, and used from its start again when only the last is left.
 *
 * I1 the holds of loan_ref are the pieces of the present send that TCP has borrowed from the
 * caller; when the last ends, the loan does. */
#include "dataplane/tcp/tcp_stream_in.h"

#include <string.h>

/* Where in the caller's spans the next byte is. */
struct cut {
    const struct view *spans;
    uint32_t count, index, at;
};

static struct view
cut_next(struct cut *k, uint32_t most)
{
    while (k->index < k->count && k->at == k->spans[k->index].len) {
        k->index++;
        k->at = 0;
    }
    if (k->index == k->count)
        return (struct view){0};
    const struct view *v = &k->spans[k->index];
    uint32_t len = v->len - k->at;
    return view_of(v->at + k->at, len < most ? len : most);
}

static uint32_t
cut_bytes(const struct view *spans, uint32_t count)
{
    uint32_t bytes = 0;
    for (uint32_t i = 0; i < count; i++)
        bytes += spans[i].len < STREAM_SEND_BYTES_MAX - bytes ? spans[i].len
                                                              : STREAM_SEND_BYTES_MAX - bytes;
    return bytes;
}

/* ---- copies ---- */

static void
copy_ended(struct packet_ref *ref)
{
    struct tcp_copy *b = (struct tcp_copy *)(void *)((char *)ref - offsetof(struct tcp_copy, ref));
    struct tcp_stream *s = b->stream;
    b->next = s->copy_free;
    s->copy_free = b;
    s->stat.copies_in_use--;
}

void
tcp_copies_init(struct tcp_stream *s, struct tcp_copy *copies, uint8_t *memory)
{
    s->copy_free = NULL;
    for (uint32_t i = s->config.copies; i-- > 0;) {
        copies[i] = (struct tcp_copy){
            .stream = s, .next = s->copy_free, .at = memory + (size_t)i * TCP_STREAM_COPY_BYTES};
        copies[i].ref.ended = copy_ended;
        s->copy_free = &copies[i];
    }
}

void
tcp_slot_copy_drop(struct tcp_slot *c)
{
    struct tcp_copy *b = c->copy;
    c->copy = NULL;
    if (b)
        packet_drop(&b->ref);
}

/* The block to fill next; NULL: none is free. */
static struct tcp_copy *
copy_block(struct tcp_slot *c)
{
    struct tcp_stream *s = c->stream;
    if (c->copy && c->copy->ref.holds == 1)
        c->copy->used = 0;
    if (c->copy && c->copy->used == TCP_STREAM_COPY_BYTES)
        tcp_slot_copy_drop(c);
    if (!c->copy && s->copy_free) {
        c->copy = s->copy_free;
        s->copy_free = c->copy->next;
        c->copy->used = 0;
        c->copy->ref.holds = 1;
        s->stat.copies_in_use++;
    }
    return c->copy;
}

/* Returns how many bytes were copied and lent from the copies. */
static uint32_t
copy_some(struct tcp_slot *c, struct cut *k, uint32_t bytes)
{
    uint32_t done = 0;
    while (done < bytes) {
        struct tcp_copy *b = copy_block(c);
        if (!b)
            break;
        uint32_t first = b->used, room = TCP_STREAM_COPY_BYTES - first, filled = 0;
        while (filled < room && done + filled < bytes) {
            uint32_t left = bytes - done - filled;
            struct view v = cut_next(k, left < room - filled ? left : room - filled);
            memcpy(b->at + first + filled, v.at, v.len);
            k->at += v.len;
            filled += v.len;
        }
        struct view lent = view_of(b->at + first, filled);
        int n = tcp_lend(c->stream->tcp, c->id, &lent, 1, &b->ref);
        if (n <= 0)
            break;
        b->used += (uint32_t)n;
        done += (uint32_t)n;
        if ((uint32_t)n < filled)
            break;
    }
    c->stream->stat.bytes_out_copied += done;
    return done;
}

/* ---- loans ---- */

static void
loan_ended(struct packet_ref *ref)
{
    struct tcp_slot *c =
        (struct tcp_slot *)(void *)((char *)ref - offsetof(struct tcp_slot, loan_ref));
    c->loan_out = false;
    tcp_slot_raise(c, SLOT_SENT);
}

/* Returns how many bytes TCP borrowed, or its error. */
static int
loan_some(struct tcp_slot *c, struct cut *k, uint32_t bytes)
{
    struct view views[STREAM_SPANS_MAX];
    uint32_t count = 0, all = 0;
    struct cut ahead = *k;
    while (all < bytes && count < STREAM_SPANS_MAX) {
        struct view v = cut_next(&ahead, bytes - all);
        ahead.at += v.len;
        all += v.len;
        views[count++] = v;
    }
    c->loan_ref = (struct packet_ref){.holds = 1, .ended = loan_ended};
    int n = tcp_lend(c->stream->tcp, c->id, views, count, &c->loan_ref);
    if (n <= 0)
        return n;
    for (uint32_t left = (uint32_t)n; left > 0;) {
        struct view v = cut_next(k, left);
        k->at += v.len;
        left -= v.len;
    }
    c->loan_out = true;
    return n;
}

/* ---- send ---- */

static int
refuse(struct tcp_slot *c)
{
    c->refused = true;
    return 0;
}

/* TCP has no memory for it: whoever frees some does not know of us. */
static int
starve(struct tcp_slot *c)
{
    if (list_empty(&c->starved))
        list_push_back(&c->stream->starved, &c->starved);
    return refuse(c);
}

int
tcp_slot_send(void *self, stream_id id, const struct view *spans, uint32_t count)
{
    struct tcp_stream *s = self;
    struct tcp_slot *c = tcp_slot_find(s, id);
    if (!c || !tcp_slot_serves(c))
        return ERR_CLOSED;
    if (c->loan_out || c->events & SLOT_SENT)
        return refuse(c);
    struct cut k = {.spans = spans, .count = count < STREAM_SPANS_MAX ? count : STREAM_SPANS_MAX};
    uint32_t offered = cut_bytes(spans, k.count), room = tcp_room(s->tcp, id);
    uint32_t bytes = offered < room ? offered : room;
    bool cut = bytes < offered || offered == STREAM_SEND_BYTES_MAX || count > STREAM_SPANS_MAX;
    if (bytes == 0)
        return refuse(c);
    uint32_t copied = bytes <= TCP_STREAM_COPY_BYTES ? bytes : 0;
    if (copied == 0 && cut)
        copied = bytes < s->config.tail_bytes ? bytes : s->config.tail_bytes;
    uint32_t done = copied == bytes ? copy_some(c, &k, bytes) : 0;
    if (done == 0) {
        /* Without copies all of it is lent: then it takes as long as the peer's next word. */
        uint32_t lent = copied == bytes ? bytes : bytes - copied;
        int n = loan_some(c, &k, lent);
        if (n < 0)
            return ERR_CLOSED;
        if (n == 0)
            return starve(c);
        done = (uint32_t)n;
        if (done == lent && lent < bytes)
            done += copy_some(c, &k, bytes - lent);
    }
    c->loan = done;
    c->owed -= c->owed > 0;
    s->stat.bytes_out += done;
    tcp_slot_touch(c);
    if (c->loan_out)
        packet_drop(&c->loan_ref); /* our own: now it can end */
    else
        tcp_slot_raise(c, SLOT_SENT);
    return (int)done;
}

void
tcp_slot_acked(struct tcp_slot *c)
{
    if (c->copy && c->copy->ref.holds == 1)
        tcp_slot_copy_drop(c);
    if (!c->refused || c->loan_out || !tcp_slot_serves(c) || tcp_room(c->stream->tcp, c->id) == 0)
        return;
    c->refused = false;
    tcp_slot_raise(c, SLOT_WRITABLE);
}

void
tcp_stream_starved(struct tcp_stream *s)
{
    struct list *node;
    for (int i = 0; i < TCP_STREAM_RETRIES && (node = list_first(&s->starved)) != NULL; i++) {
        struct tcp_slot *c = list_item(node, struct tcp_slot, starved);
        list_remove(node);
        tcp_slot_acked(c);
    }
}
