/* tcp_pair.h: a client's stack and a server's, joined by a wire in memory, in virtual time; the
 * server behind tcp_stream.h.  Each crossing takes PAIR_DELAY_US.  Frames are copies of their exact
 * size; the holds of what was sent end one step later, as those of a device. */
#ifndef SLUICE_TESTS_TCP_PAIR_H
#define SLUICE_TESTS_TCP_PAIR_H

#include "core/base/err.h"
#include "dataplane/tcp/tcp_stream_in.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

enum {
    PAIR_WIRE = 4096,
    PAIR_DELAY_US = 50,
    PAIR_PORT = 9092,
    PAIR_EVENTS = 256,
    PAIR_FRAME_BYTES = 2048,
    PAIR_SCATTER_BYTES = 49152, /* three quarters of the window */
};

struct pair_packet {
    struct packet_in in;
    uint64_t at_us;
    uint8_t *frame;
};

struct pair;

struct pair_side {
    struct pair *pair;
    struct tcp *tcp;
    void *memory;
    uint8_t ip[16];
    struct pair_packet wire[PAIR_WIRE]; /* on their way to this side */
    uint32_t first, limit;
    struct packet_ref *holds[PAIR_WIRE];
    uint32_t hold_count;
    uint32_t frames_out;
};

struct pair {
    struct pair_side sides[2]; /* client, server */
    uint64_t now_us;
    struct tcp_stream *s;
    struct stream port;
    void *stream_memory;
    size_t stream_bytes;
    uint64_t id;        /* of the client */
    stream_id accepted; /* of the server; 0: none yet */
    struct stream_event events[PAIR_EVENTS];
    uint32_t event_count;
    uint64_t client_sent; /* bytes of the client whose loans have ended */
    bool client_eof, client_closed;
    enum tcp_reason client_reason;
    bool cut; /* what is sent to the client is lost */
};

#define PAIR __attribute__((unused)) static

PAIR uint32_t
pair_room(void *self, uint32_t link)
{
    return PACKET_BURST;
}

PAIR void
pair_send(void *self, const struct packet_out *packets, uint32_t count)
{
    struct pair_side *from = self;
    struct pair *p = from->pair;
    struct pair_side *to = &p->sides[from == &p->sides[0]];
    for (uint32_t i = 0; i < count; i++) {
        const struct packet_out *o = &packets[i];
        uint32_t len = o->header_bytes + o->payload_bytes, at = o->header_bytes;
        uint8_t *frame = malloc(len);
        memcpy(frame, o->header, o->header_bytes);
        for (uint32_t k = 0; k < o->span_count; k++) {
            memcpy(frame + at, o->spans[k].bytes.at, o->spans[k].bytes.len);
            at += o->spans[k].bytes.len;
            if (!o->spans[k].ref)
                continue;
            packet_hold(o->spans[k].ref);
            assert_true(from->hold_count < PAIR_WIRE);
            from->holds[from->hold_count++] = o->spans[k].ref;
        }
        assert_int_equal(at, len);
        if (p->cut && to == &p->sides[0]) {
            free(frame);
            continue;
        }
        assert_true(to->limit - to->first < PAIR_WIRE);
        struct pair_packet *w = &to->wire[to->limit++ % PAIR_WIRE];
        *w = (struct pair_packet){.at_us = p->now_us + PAIR_DELAY_US, .frame = frame};
        memcpy(w->in.src, o->src, 16);
        memcpy(w->in.dst, o->dst, 16);
        w->in.l4 = view_of(frame, len);
        w->in.frame = (struct packet_frame *)(void *)frame;
        w->in.pinned_bytes = PAIR_FRAME_BYTES;
        w->in.sum = PACKET_SUM_GOOD;
    }
}

PAIR void
pair_release(void *self, struct packet_frame **frames, uint32_t count)
{
    struct pair_side *side = self;
    for (uint32_t i = 0; i < count; i++)
        free(frames[i]);
    assert_true(side->frames_out >= count);
    side->frames_out -= count;
}

PAIR void
pair_client_events(struct pair *p)
{
    struct tcp_event e[16];
    uint32_t n = tcp_poll(p->sides[0].tcp, e, 16);
    for (uint32_t i = 0; i < n; i++) {
        if (e[i].kind == TCP_SENT)
            p->client_sent += e[i].bytes;
        p->client_eof |= e[i].kind == TCP_EOF;
        if (e[i].kind == TCP_CLOSED) {
            p->client_closed = true;
            p->client_reason = e[i].reason;
        }
    }
}

/* What has arrived goes in, timers run, what is to leave leaves.  The server's events are left with
 * its port. */
PAIR void
pair_step(struct pair *p)
{
    for (int k = 0; k < 2; k++) {
        struct pair_side *side = &p->sides[k];
        while (side->first != side->limit &&
               side->wire[side->first % PAIR_WIRE].at_us <= p->now_us) {
            side->frames_out++;
            tcp_input(side->tcp, &side->wire[side->first++ % PAIR_WIRE].in, 1, p->now_us);
        }
        tcp_tick(side->tcp, p->now_us);
    }
    tcp_stream_turn(p->s, p->now_us);
    pair_client_events(p);
    for (int k = 0; k < 2; k++) {
        struct pair_side *side = &p->sides[k];
        uint32_t count = side->hold_count;
        tcp_flush(side->tcp, p->now_us);
        for (uint32_t i = 0; i < count; i++)
            packet_drop(side->holds[i]);
        memmove(side->holds, side->holds + count, (side->hold_count - count) * sizeof(void *));
        side->hold_count -= count;
        tcp_check(side->tcp);
    }
}

/* The server's user looks, and then its loop would sleep. */
PAIR void
pair_poll(struct pair *p)
{
    struct stream_event *at = &p->events[p->event_count];
    uint32_t n = p->port.ops->poll(p->port.self, at, PAIR_EVENTS - p->event_count);
    for (uint32_t i = 0; i < n; i++)
        if (at[i].kind == STREAM_OPENED)
            p->accepted = at[i].id;
    p->event_count += n;
}

PAIR void
pair_turn(struct pair *p)
{
    pair_step(p);
    pair_poll(p);
    (void)tcp_stream_prepare(p->s, p->now_us);
    pair_poll(p);
    p->now_us += PAIR_DELAY_US;
}

PAIR void
pair_run(struct pair *p, uint64_t us)
{
    for (uint64_t until = p->now_us + us; p->now_us < until;)
        pair_turn(p);
}

/* The oldest event of a kind, taken out; NULL: there was none. */
PAIR const struct stream_event *
pair_event(struct pair *p, enum stream_event_kind kind)
{
    static struct stream_event e;
    for (uint32_t i = 0; i < p->event_count; i++) {
        if (p->events[i].kind != kind)
            continue;
        e = p->events[i];
        memmove(&p->events[i], &p->events[i + 1], (--p->event_count - i) * sizeof e);
        return &e;
    }
    return NULL;
}

PAIR struct tcp_stream_config
pair_stream_config(void)
{
    return (struct tcp_stream_config){.conns = 4,
                                      .request_bytes_max = 1 << 20,
                                      .scatter_bytes = PAIR_SCATTER_BYTES,
                                      .copies = 16,
                                      .tail_bytes = 3000,
                                      .stall_us = 5000000,
                                      .linger_us = 1000000};
}

PAIR void
pair_connect(struct pair *p, uint16_t from_port, uint64_t *id)
{
    struct tcp_addr local = {.port = from_port}, remote = {.port = PAIR_PORT};
    memcpy(local.ip, p->sides[0].ip, 16);
    memcpy(remote.ip, p->sides[1].ip, 16);
    p->accepted = 0;
    assert_int_equal(tcp_connect(p->sides[0].tcp, &local, &remote, id), ERR_OK);
    pair_run(p, 10 * PAIR_DELAY_US);
    assert_true(p->accepted != 0);
}

PAIR uint32_t pair_nodes = 2048; /* frames that a stack may hold */

PAIR struct pair *
pair_of(const struct tcp_stream_config *c)
{
    static const struct packet_ops ops = {
        .room = pair_room, .send = pair_send, .release = pair_release};
    struct pair *p = calloc(1, sizeof *p);
    struct tcp_config t;
    tcp_config_init(&t);
    t.conns = t.half_open = t.waiting = c->conns;
    t.nodes = pair_nodes;
    t.segs = t.extents = 2048;
    t.rcv_bytes = 65536;
    t.snd_bytes = 1 << 20;
    t.linger_us = 5000000;
    p->now_us = 1000000;
    for (uint8_t k = 0; k < 2; k++) {
        struct pair_side *side = &p->sides[k];
        side->pair = p;
        memcpy(side->ip, (uint8_t[16]){[10] = 0xff, [11] = 0xff, [12] = 10, [15] = k}, 16);
        t.key[0] = k;
        size_t bytes = (tcp_footprint(&t) + 63) & ~(size_t)63;
        side->memory = aligned_alloc(64, bytes);
        struct packet_port port = {&ops, side};
        side->tcp = tcp_init(side->memory, &t, &port, p->now_us);
    }
    p->stream_bytes = tcp_stream_footprint(c);
    p->stream_memory = aligned_alloc(4096, p->stream_bytes);
    memset(p->stream_memory, 0, p->stream_bytes);
    p->s = tcp_stream_init(p->stream_memory, c, p->sides[1].tcp);
    p->port = tcp_stream_port(p->s);
    struct stream_addr any = {.ip = {[10] = 0xff, [11] = 0xff}, .port = PAIR_PORT};
    assert_int_equal(p->port.ops->listen(p->port.self, &any), ERR_OK);
    return p;
}

/* One connection from the client, its STREAM_OPENED taken out. */
PAIR struct pair *
pair_new(void)
{
    struct tcp_stream_config c = pair_stream_config();
    struct pair *p = pair_of(&c);
    pair_connect(p, 40000, &p->id);
    assert_non_null(pair_event(p, STREAM_OPENED));
    return p;
}

/* Everything ends with resets; nothing may be left anywhere. */
PAIR void
pair_free(struct pair *p)
{
    p->cut = false;
    tcp_stream_end_all(p->s, false);
    tcp_abort(p->sides[0].tcp, p->id);
    pair_run(p, 7000000);
    pair_run(p, PAIR_DELAY_US);
    struct tcp_usage u;
    struct tcp_stream_stat st;
    tcp_usage(p->sides[1].tcp, &u);
    tcp_stream_stat(p->s, &st);
    assert_int_equal(u.conns + u.nodes + u.extents, 0);
    assert_int_equal(st.copies_in_use, 0);
    assert_int_equal(st.memory_bytes, 0);
    for (int k = 0; k < 2; k++) {
        struct pair_side *side = &p->sides[k];
        for (; side->first != side->limit; side->first++)
            free(side->wire[side->first % PAIR_WIRE].frame);
        assert_int_equal(side->frames_out, 0);
        free(side->memory);
    }
    free(p->stream_memory);
    free(p);
}

/* ---- bytes that know their place ---- */

PAIR uint8_t
pair_byte(uint64_t at)
{
    return (uint8_t)(at * 13 + at / 251);
}

PAIR uint8_t *
pair_bytes(uint32_t len)
{
    uint8_t *b = malloc(len);
    for (uint32_t i = 0; i < len; i++)
        b[i] = pair_byte(i);
    return b;
}

PAIR void
pair_expect(struct view v, uint64_t first)
{
    for (uint32_t i = 0; i < v.len; i++)
        if (v.at[i] != pair_byte(first + i))
            fail_msg("byte %u of %u from %llu is wrong", i, v.len, (unsigned long long)first);
}

/* The client lends bytes; they must live until the end of the test. */
PAIR void
pair_client_send(struct pair *p, const uint8_t *bytes, uint32_t len)
{
    struct view v = view_of(bytes, len);
    assert_int_equal(tcp_send(p->sides[0].tcp, p->id, &v, 1), (int)len);
}

/* Takes what has arrived at the client, and compares it; returns how much. */
PAIR uint32_t
pair_client_take(struct pair *p, uint64_t first)
{
    struct view views[64];
    uint32_t n, all = 0;
    while ((n = tcp_peek(p->sides[0].tcp, p->id, views, 64)) > 0) {
        uint32_t bytes = 0;
        for (uint32_t i = 0; i < n; i++) {
            pair_expect(views[i], first + all + bytes);
            bytes += views[i].len;
        }
        tcp_consume(p->sides[0].tcp, p->id, bytes);
        all += bytes;
    }
    return all;
}

PAIR struct view
pair_peek(struct pair *p)
{
    return p->port.ops->peek(p->port.self, p->accepted);
}

PAIR void
pair_consume(struct pair *p, uint32_t bytes, uint32_t want)
{
    p->port.ops->consume(p->port.self, p->accepted, bytes, want);
}

PAIR int
pair_write(struct pair *p, const uint8_t *bytes, uint32_t len)
{
    struct view v = view_of(bytes, len);
    return p->port.ops->send(p->port.self, p->accepted, &v, 1);
}

#endif
