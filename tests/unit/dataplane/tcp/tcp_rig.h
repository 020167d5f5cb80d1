/* tcp_rig.h: one stack on a bench: the test plays the peer, segment by segment, in virtual time.
 * Numbers of the peer start at PEER_ISN; those of the stack are told relative to its SYN. */
#ifndef SLUICE_TESTS_TCP_RIG_H
#define SLUICE_TESTS_TCP_RIG_H

#include "core/base/err.h"
#include "dataplane/tcp/tcp.h"
#include "dataplane/tcp/tcp_core.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

enum {
    RIG_SENT = 512,
    RIG_BYTES = 2048,
    RIG_RTT_US = 10000,
    PEER_ISN = 5000,
    PEER_PORT = 40000,
    OWN_PORT = 9092
};

struct rig_sent {
    struct tcp_header h;
    uint8_t src[16], dst[16];
    uint8_t payload[9000];
    uint32_t spans;
    uint8_t traffic_class;
};

struct rig {
    struct tcp *t;
    struct tcp_config config;
    void *memory;
    uint64_t now_us;
    struct rig_sent sent[RIG_SENT];
    uint32_t sent_first, sent_limit, room, frames_out, hold_count;
    uint32_t asked; /* times that the stack asked for room */
    struct packet_ref *holds[RIG_SENT];
    uint32_t burst_bytes;     /* what the device cuts, as packet_ops.burst */
    uint32_t packets, bursts; /* that left, and of them those that it has cut */
    bool hold;                /* keep the bytes of what leaves, as a slow device */
    uint8_t own[16], peer[16];
    uint16_t peer_port;
    uint8_t traffic_class;  /* of what the peer sends */
    uint32_t isn, peer_isn; /* the stack's, and the peer's */
    struct tcp_event events[64];
    uint32_t event_count;
};

#define RIG __attribute__((unused)) static

RIG uint32_t
rig_room(void *self, uint32_t link)
{
    struct rig *r = self;
    r->asked++;
    return r->room;
}

RIG uint32_t
rig_burst(void *self, const uint8_t src[16])
{
    const struct rig *r = self;
    return r->burst_bytes;
}

/* One segment of a packet, as a device cuts it: from byte `at` of its payload on. */
RIG void
rig_cut(struct rig *r, const struct packet_out *p, const uint8_t *payload, uint32_t at)
{
    assert_true(r->sent_limit < RIG_SENT);
    struct rig_sent *s = &r->sent[r->sent_limit++];
    uint32_t len = p->payload_bytes - at;
    assert_int_equal(tcp_header_read(view_of(p->header, p->header_bytes), &s->h), ERR_OK);
    if (p->segment_bytes && len > p->segment_bytes)
        len = p->segment_bytes;
    if (at + len < p->payload_bytes)
        s->h.flags &= (uint8_t) ~(TCP_PSH | TCP_FIN);
    s->h.seq += at;
    memcpy(s->src, p->src, 16);
    memcpy(s->dst, p->dst, 16);
    assert_true(len <= sizeof s->payload);
    memcpy(s->payload, payload + at, len);
    s->h.payload = view_of(s->payload, len);
    s->spans = p->span_count;
    s->traffic_class = p->traffic_class;
}

RIG void
rig_send(void *self, const struct packet_out *packets, uint32_t count)
{
    static uint8_t payload[UINT16_MAX];
    struct rig *r = self;
    assert_true(count <= r->room);
    for (uint32_t i = 0; i < count; i++) {
        const struct packet_out *p = &packets[i];
        uint32_t bytes = 0, at = 0;
        for (uint32_t k = 0; k < p->span_count; k++) {
            memcpy(payload + bytes, p->spans[k].bytes.at, p->spans[k].bytes.len);
            bytes += p->spans[k].bytes.len;
            if (r->hold && p->spans[k].ref) {
                packet_hold(p->spans[k].ref);
                r->holds[r->hold_count++] = p->spans[k].ref;
            }
        }
        assert_int_equal(bytes, p->payload_bytes);
        if (p->segment_bytes) {
            assert_in_range(p->segment_bytes, PACKET_SEGMENT_LEAST, bytes - 1);
            assert_true(p->header_bytes + bytes <= r->burst_bytes);
            r->bursts++;
        }
        r->packets++;
        do {
            rig_cut(r, p, payload, at);
            at += p->segment_bytes ? p->segment_bytes : bytes;
        } while (at < bytes);
    }
}

RIG void
rig_release(void *self, struct packet_frame **frames, uint32_t count)
{
    struct rig *r = self;
    for (uint32_t i = 0; i < count; i++)
        free(frames[i]);
    assert_true(r->frames_out >= count);
    r->frames_out -= count;
}

static const struct packet_ops rig_ops = {
    .room = rig_room, .send = rig_send, .release = rig_release, .burst = rig_burst};

RIG struct tcp_config
rig_config(void)
{
    struct tcp_config c;
    tcp_config_init(&c);
    c.conns = c.half_open = c.waiting = 4;
    c.nodes = c.segs = c.extents = 64;
    c.rcv_bytes = c.snd_bytes = 65536;
    c.pinned_bytes = 1 << 20;
    c.rto_min_us = 200000;
    c.key[0] = 7;
    return c;
}

RIG void
rig_address(uint8_t ip[16], uint8_t last)
{
    memset(ip, 0, 16);
    ip[10] = ip[11] = 0xff;
    ip[12] = 10;
    ip[15] = last;
}

RIG struct rig *
rig_of(const struct tcp_config *c)
{
    struct rig *r = calloc(1, sizeof *r);
    r->config = *c;
    r->now_us = 1000000;
    r->room = PACKET_BURST;
    r->peer_isn = PEER_ISN;
    r->peer_port = PEER_PORT;
    rig_address(r->own, 1);
    rig_address(r->peer, 2);
    size_t bytes = (tcp_footprint(c) + 63) & ~(size_t)63;
    r->memory = aligned_alloc(64, bytes);
    memset(r->memory, 0xa5, bytes);
    struct packet_port port = {&rig_ops, r};
    r->t = tcp_init(r->memory, c, &port, r->now_us);
    struct tcp_addr any = {.port = OWN_PORT};
    assert_int_equal(tcp_listen(r->t, &any), ERR_OK);
    return r;
}

RIG struct rig *
rig_new(void)
{
    struct tcp_config c = rig_config();
    return rig_of(&c);
}

RIG struct rig *
rig_family(bool v6)
{
    struct rig *r = rig_new();
    if (v6) {
        memset(r->own, 0xfd, 12);
        memset(r->peer, 0xfd, 12);
    }
    return r;
}

RIG void
rig_free(struct rig *r)
{
    tcp_check(r->t);
    free(r->memory);
    free(r);
}

/* Events and output settle; nothing else happens at this time. */
RIG void
rig_turn(struct rig *r)
{
    tcp_tick(r->t, r->now_us);
    tcp_flush(r->t, r->now_us);
    r->event_count += tcp_poll(r->t, r->events + r->event_count, 64 - r->event_count);
    tcp_check(r->t);
}

/* Time passes, and every timer on the way runs. */
RIG void
rig_wait(struct rig *r, uint64_t us)
{
    uint64_t until = r->now_us + us;
    for (;;) {
        uint64_t next = tcp_next(r->t);
        if (next <= r->now_us)
            next = r->now_us + TCP_TICK_US;
        if (next > until)
            break;
        r->now_us = next;
        rig_turn(r);
    }
    r->now_us = until;
    rig_turn(r);
}

/* The raw segment from the peer, taken in but not yet answered. */
RIG void
rig_put(struct rig *r, const struct tcp_header *h, enum packet_sum sum)
{
    uint8_t *frame = calloc(1, RIG_BYTES + h->payload.len);
    uint32_t len = tcp_header_write(frame, h);
    if (h->payload.len)
        memcpy(frame + len, h->payload.at, h->payload.len);
    struct packet_in in = {.l4 = view_of(frame, len + h->payload.len),
                           .frame = (struct packet_frame *)(void *)frame,
                           .pinned_bytes = RIG_BYTES,
                           .traffic_class = r->traffic_class,
                           .sum = sum};
    memcpy(in.src, r->peer, 16);
    memcpy(in.dst, r->own, 16);
    r->frames_out++;
    tcp_input(r->t, &in, 1, r->now_us);
}

/* A segment with numbers relative to both SYNs: seq 1 is the peer's first byte. */
struct rig_seg {
    uint8_t flags;
    uint32_t seq, ack;
    const char *bytes;
    uint32_t len; /* with bytes NULL: so many zeroes */
    uint16_t window;
    struct tcp_options options;
};

RIG void
rig_in(struct rig *r, struct rig_seg s)
{
    static const uint8_t zeroes[16384];
    struct tcp_header h = {.src_port = r->peer_port,
                           .dst_port = OWN_PORT,
                           .seq = r->peer_isn + s.seq,
                           .ack = s.flags & TCP_ACK ? r->isn + s.ack : s.ack,
                           .flags = s.flags,
                           .window = s.window ? s.window : 60000,
                           .options = s.options};
    if (s.window == UINT16_MAX)
        h.window = 0; /* a closed window is written as 65535 */
    if (s.bytes)
        h.payload = view_of_text(s.bytes);
    else
        h.payload = view_of(zeroes, s.len);
    rig_put(r, &h, PACKET_SUM_GOOD);
    rig_turn(r);
}

/* The next segment that left; its numbers relative like those of rig_seg. */
RIG struct rig_sent *
rig_out(struct rig *r)
{
    assert_true(r->sent_first < r->sent_limit);
    struct rig_sent *s = &r->sent[r->sent_first++];
    s->h.payload.at = s->payload;
    if (s->h.flags & TCP_SYN)
        r->isn = s->h.seq;
    s->h.seq -= r->isn;
    s->h.ack -= r->peer_isn;
    return s;
}

RIG bool
rig_quiet(const struct rig *r)
{
    return r->sent_first == r->sent_limit;
}

RIG void
rig_forget(struct rig *r)
{
    r->sent_first = r->sent_limit = 0;
}

RIG void
rig_expect(struct rig *r, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t len)
{
    const struct rig_sent *s = rig_out(r);
    assert_int_equal(s->h.flags & ~TCP_PSH, flags);
    assert_int_equal(s->h.seq, seq);
    assert_int_equal(s->h.ack, ack);
    assert_int_equal(s->h.payload.len, len);
}

/* The event of a kind, taken out; NULL: there was none. */
RIG const struct tcp_event *
rig_event(struct rig *r, enum tcp_event_kind kind)
{
    static struct tcp_event e;
    for (uint32_t i = 0; i < r->event_count; i++) {
        if (r->events[i].kind != kind)
            continue;
        e = r->events[i];
        memmove(&r->events[i], &r->events[i + 1], (--r->event_count - i) * sizeof e);
        return &e;
    }
    return NULL;
}

/* A whole passive open; the id.  Nothing is left in the queues. */
RIG uint64_t
rig_accept(struct rig *r, struct tcp_options o)
{
    rig_in(r, (struct rig_seg){.flags = TCP_SYN, .options = o});
    rig_out(r);
    if (o.has_ts)
        o.ts_echo = r->sent[r->sent_first - 1].h.options.ts_value;
    o.mss = 0;
    r->now_us += RIG_RTT_US;
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .options = o});
    const struct tcp_event *e = rig_event(r, TCP_ACCEPTED);
    assert_non_null(e);
    assert_true(rig_quiet(r));
    return e->id;
}

RIG uint64_t
rig_plain(struct rig *r)
{
    return rig_accept(r, (struct tcp_options){.mss = 1000});
}

RIG uint64_t
rig_sack(struct rig *r)
{
    return rig_accept(r, (struct tcp_options){.mss = 1000, .sack_permitted = true});
}

RIG int
rig_write(struct rig *r, uint64_t id, uint32_t bytes)
{
    static uint8_t data[65536];
    for (uint32_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 13 + i / 256);
    struct view v = view_of(data, bytes);
    int taken = tcp_send(r->t, id, &v, 1);
    rig_turn(r);
    return taken;
}

RIG const char *
rig_state(const struct rig *r, uint64_t id)
{
    struct tcp_info i;
    return tcp_inspect(r->t, id, &i) ? i.state : "none";
}

#endif
