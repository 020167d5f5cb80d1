/* fake_stream.h: stream.h for tests: bytes that the test feeds, and bytes that the broker sent.
 *
 * A send is a loan until fake_stream_settle: only then are the bytes read, so a loan that changes
 * meanwhile shows up in `out`.  With fake_stream_piece_ops what was fed lies in pieces.  What is
 * consumed becomes rubbish at once, unless it is kept: then with its release. */
#ifndef SLUICE_TESTS_FAKE_STREAM_H
#define SLUICE_TESTS_FAKE_STREAM_H

#include "core/base/err.h"
#include "core/base/must.h"
#include "core/net/stream.h"

#include <stdlib.h>

enum { FAKE_STREAM_CONNS = 80, FAKE_STREAM_EVENTS = 1024, FAKE_STREAM_KEPT = 64 };

struct fake_kept {
    uint8_t *in; /* NULL: free */
    size_t from, limit;
    bool ended; /* its connection has ended: the memory is of those who keep it */
};

struct fake_conn {
    stream_id id; /* 0: closed */
    uint32_t generation;
    uint8_t *in, *out;
    size_t in_len, in_at, out_len;
    uint32_t want;
    bool scatter, gathered;   /* in pieces: the request at hand was asked for so, or in one */
    uint32_t scattered;       /* requests that were consumed in pieces */
    bool loan, closing, deaf; /* deaf: the peer takes nothing; settle gives all bytes back */
    bool refuse;              /* send() returns 0 */
    bool keep_loan;           /* settle leaves the loan out */
    size_t take;              /* bytes the peer takes of one send; 0: all */
    uint32_t sends, send_spans;
    uint32_t send_number; /* of its last send, among all */
    struct view spans[STREAM_SPANS_MAX];
    uint32_t span_count, bytes;
};

struct fake_stream {
    struct fake_conn conns[FAKE_STREAM_CONNS];
    struct stream_event events[FAKE_STREAM_EVENTS];
    uint32_t head, tail, listens, sends;
    uint32_t piece_bytes;
    bool keeps_none;
    struct fake_kept kept[FAKE_STREAM_KEPT];
    uint32_t kept_out, keeps; /* now; ever */
};

static inline void
fake_stream_event(struct fake_stream *f, struct stream_event e)
{
    must(f->tail - f->head < FAKE_STREAM_EVENTS);
    f->events[f->tail++ % FAKE_STREAM_EVENTS] = e;
}

static inline struct fake_conn *
fake_stream_conn(struct fake_stream *f, stream_id id)
{
    struct fake_conn *c = &f->conns[(uint32_t)id];
    must(c->id == id);
    return c;
}

static inline int
fake_stream_listen(void *self, const struct stream_addr *at)
{
    struct fake_stream *f = self;
    if (at)
        f->listens++;
    else
        f->listens = 0;
    return ERR_OK;
}

static inline uint32_t
fake_stream_poll(void *self, struct stream_event *out, uint32_t max)
{
    struct fake_stream *f = self;
    uint32_t n = 0;
    while (n < max && f->head != f->tail)
        out[n++] = f->events[f->head++ % FAKE_STREAM_EVENTS];
    return n;
}

static inline struct view
fake_stream_peek(void *self, stream_id id)
{
    struct fake_conn *c = fake_stream_conn(self, id);
    return view_of(c->in + c->in_at, (uint32_t)(c->in_len - c->in_at));
}

static inline bool
fake_stream_is_kept(const struct fake_stream *f, const uint8_t *in, size_t at)
{
    for (uint32_t i = 0; i < FAKE_STREAM_KEPT; i++)
        if (f->kept[i].in == in && at >= f->kept[i].from && at < f->kept[i].limit)
            return true;
    return false;
}

/* Lent bytes are gone once consumed: whoever has a pointer to them reads rubbish. */
static inline void
fake_stream_spoil(const struct fake_stream *f, uint8_t *in, size_t from, size_t limit)
{
    if (f->kept_out == 0)
        memset(in + from, 0xee, limit - from);
    for (size_t at = from; f->kept_out && at < limit; at++)
        if (!fake_stream_is_kept(f, in, at))
            in[at] = 0xee;
}

static inline void
fake_stream_consume(void *self, stream_id id, uint32_t bytes, uint32_t want)
{
    struct fake_conn *c = fake_stream_conn(self, id);
    must(bytes <= c->in_len - c->in_at);
    fake_stream_spoil(self, c->in, c->in_at, c->in_at + bytes);
    c->in_at += bytes;
    c->want = want;
}

static inline stream_kept
fake_stream_keep(void *self, stream_id id, uint32_t bytes)
{
    struct fake_stream *f = self;
    struct fake_conn *c = fake_stream_conn(f, id);
    must(bytes > 0 && bytes <= c->in_len - c->in_at);
    for (uint32_t i = 0; i < FAKE_STREAM_KEPT && !f->keeps_none; i++) {
        if (f->kept[i].in)
            continue;
        f->kept[i] = (struct fake_kept){.in = c->in, .from = c->in_at, .limit = c->in_at + bytes};
        f->kept_out++;
        f->keeps++;
        return i + 1;
    }
    return 0;
}

static inline bool
fake_stream_has_kept(const struct fake_stream *f, const uint8_t *in)
{
    for (uint32_t i = 0; i < FAKE_STREAM_KEPT; i++)
        if (in && f->kept[i].in == in)
            return true;
    return false;
}

static inline void
fake_stream_release(void *self, stream_kept kept)
{
    struct fake_stream *f = self;
    must(kept > 0 && kept <= FAKE_STREAM_KEPT && f->kept[kept - 1].in);
    struct fake_kept k = f->kept[kept - 1];
    f->kept[kept - 1].in = NULL;
    f->kept_out--;
    size_t consumed = k.limit;
    for (uint32_t i = 0; i < FAKE_STREAM_CONNS; i++)
        if (f->conns[i].in == k.in)
            consumed = f->conns[i].in_at;
    if (k.from < consumed)
        fake_stream_spoil(f, k.in, k.from, k.limit < consumed ? k.limit : consumed);
    if (k.ended && !fake_stream_has_kept(f, k.in))
        free(k.in);
}

static inline int
fake_stream_send(void *self, stream_id id, const struct view *spans, uint32_t count)
{
    struct fake_conn *c = fake_stream_conn(self, id);
    must(count > 0 && count <= STREAM_SPANS_MAX);
    must(!c->closing);
    if (c->loan || c->refuse)
        return 0;
    c->bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        must(spans[i].len > 0);
        c->spans[i] = spans[i];
        c->bytes += spans[i].len;
    }
    must(c->bytes <= STREAM_SEND_BYTES_MAX);
    c->span_count = c->send_spans = count;
    c->loan = true;
    c->sends++;
    c->send_number = ++((struct fake_stream *)self)->sends;
    return (int)c->bytes;
}

static inline void
fake_stream_close(void *self, stream_id id)
{
    struct fake_conn *c = fake_stream_conn(self, id);
    c->closing = true;
}

static const struct stream_ops fake_stream_ops = {
    .listen = fake_stream_listen,
    .poll = fake_stream_poll,
    .peek = fake_stream_peek,
    .consume = fake_stream_consume,
    .keep = fake_stream_keep,
    .release = fake_stream_release,
    .send = fake_stream_send,
    .close = fake_stream_close,
};

/* ---- in pieces ---- */

static inline uint32_t
fake_stream_pieces(void *self, stream_id id, struct view *out, uint32_t max)
{
    struct fake_stream *f = self;
    struct fake_conn *c = fake_stream_conn(f, id);
    uint32_t n = 0;
    for (size_t at = c->in_at; at < c->in_len && n < max; n++) {
        /* Frames are cut where they were sent, and not where a request begins. */
        size_t piece = f->piece_bytes - at % f->piece_bytes, left = c->in_len - at;
        if (c->gathered)
            piece = left;
        out[n] = view_of(c->in + at, (uint32_t)(piece < left ? piece : left));
        at += out[n].len;
    }
    return n;
}

static inline struct view
fake_stream_peek_piece(void *self, stream_id id)
{
    struct view v;
    return fake_stream_pieces(self, id, &v, 1) ? v : (struct view){0};
}

static inline void
fake_stream_consume_piece(void *self, stream_id id, uint32_t bytes, uint32_t want)
{
    struct fake_stream *f = self;
    struct fake_conn *c = fake_stream_conn(f, id);
    c->scattered += bytes && c->scatter && !c->gathered;
    c->scatter = false;
    if (bytes)
        c->gathered = false;
    fake_stream_consume(self, id, bytes, want);
}

static inline void
fake_stream_scatter(void *self, stream_id id)
{
    fake_stream_conn(self, id)->scatter = true;
}

/* The end of a turn: what is not asked for in pieces is gathered. */
static inline void
fake_stream_gather(struct fake_stream *f)
{
    for (uint32_t i = 0; f->piece_bytes && i < FAKE_STREAM_CONNS; i++) {
        struct fake_conn *c = &f->conns[i];
        if (!c->id || c->scatter || c->gathered || c->in_at == c->in_len)
            continue;
        c->gathered = true;
        if (c->in_len - c->in_at >= c->want)
            fake_stream_event(f, (struct stream_event){.id = c->id, .kind = STREAM_READABLE});
    }
}

static const struct stream_ops fake_stream_piece_ops = {
    .listen = fake_stream_listen,
    .poll = fake_stream_poll,
    .peek = fake_stream_peek_piece,
    .consume = fake_stream_consume_piece,
    .scatter = fake_stream_scatter,
    .pieces = fake_stream_pieces,
    .keep = fake_stream_keep,
    .release = fake_stream_release,
    .send = fake_stream_send,
    .close = fake_stream_close,
};

/* ---- what the test does ---- */

static inline stream_id
fake_stream_open_from(struct fake_stream *f, uint32_t index, uint8_t address)
{
    struct fake_conn *c = &f->conns[index];
    must(c->id == 0);
    uint32_t generation = c->generation + 1;
    *c = (struct fake_conn){.generation = generation};
    c->id = (uint64_t)generation << 32 | index;
    c->in = malloc(32 << 20);
    c->out = malloc(32 << 20);
    must(c->in && c->out);
    struct stream_event e = {.id = c->id, .kind = STREAM_OPENED, .peer = {.port = 4711}};
    e.peer.ip[15] = address;
    fake_stream_event(f, e);
    return c->id;
}

static inline stream_id
fake_stream_open(struct fake_stream *f, uint32_t index)
{
    return fake_stream_open_from(f, index, 1);
}

static inline void
fake_stream_feed(struct fake_stream *f, uint32_t index, const void *at, size_t len)
{
    struct fake_conn *c = &f->conns[index];
    must(c->id && c->in_len + len <= 32 << 20);
    memcpy(c->in + c->in_len, at, len);
    c->in_len += len;
    if (c->in_len - c->in_at >= c->want)
        fake_stream_event(f, (struct stream_event){.id = c->id, .kind = STREAM_READABLE});
}

/* The peer is gone, or the broker's close is carried out. */
static inline void
fake_stream_end(struct fake_stream *f, uint32_t index, int err)
{
    struct fake_conn *c = &f->conns[index];
    fake_stream_event(f, (struct stream_event){.id = c->id, .kind = STREAM_CLOSED, .err = err});
    if (!fake_stream_has_kept(f, c->in))
        free(c->in);
    for (uint32_t i = 0; i < FAKE_STREAM_KEPT; i++)
        f->kept[i].ended |= f->kept[i].in == c->in;
    free(c->out);
    c->in = c->out = NULL;
    c->id = 0;
    c->loan = c->closing = false;
}

/* Ends the loan of one connection: the peer takes what it takes. */
static inline void
fake_stream_settle_one(struct fake_stream *f, struct fake_conn *c)
{
    size_t take = c->deaf ? 0 : c->take && c->take < c->bytes ? c->take : c->bytes, left = take;
    for (uint32_t i = 0; i < c->span_count && left; i++) {
        size_t n = c->spans[i].len < left ? c->spans[i].len : left;
        memcpy(c->out + c->out_len, c->spans[i].at, n);
        c->out_len += n;
        left -= n;
    }
    c->loan = false;
    fake_stream_event(f, (struct stream_event){.id = c->id,
                                               .kind = STREAM_SENT,
                                               .bytes_sent = (uint32_t)take,
                                               .bytes_back = (uint32_t)(c->bytes - take)});
    if (take < c->bytes && !c->deaf)
        fake_stream_event(f, (struct stream_event){.id = c->id, .kind = STREAM_WRITABLE});
}

static inline void
fake_stream_settle(struct fake_stream *f)
{
    for (uint32_t i = 0; i < FAKE_STREAM_CONNS; i++) {
        struct fake_conn *c = &f->conns[i];
        if (c->id && c->loan && !c->keep_loan)
            fake_stream_settle_one(f, c);
        if (c->id && c->closing && !c->loan)
            fake_stream_end(f, i, ERR_OK);
    }
}

static inline void
fake_stream_free(struct fake_stream *f)
{
    must(f->kept_out == 0);
    for (uint32_t i = 0; i < FAKE_STREAM_CONNS; i++) {
        free(f->conns[i].in);
        free(f->conns[i].out);
    }
}

#endif
