/* fuzz_tcp.c: segments, times and calls of the user in any order.  The stack must keep its
 * invariants (tcp_check), send only segments that it would read itself, within the MTU, never
 * answer a reset, give each frame back once, and be empty when all have ended.
 *
 * input: over IPv6 when its size is odd; steps, u8 what (modulo 16; above that, from which of PEERS
 * ports: more than there are entries for handshakes), then what it needs:
 *   0..8  a segment: u8 flags, i8 number and i8 ack relative to what is expected, u8 window, u8
 *         length, u8 options (so many of them follow as they are); checksum and ports are right
 *   9     a segment of raw bytes: u8 length      10  time: u8, quadratic
 *   11    send: u8 length   12  consume: u8      13  close, shut down, abort or open
 *   14    room: u8          15  an ICMP error: u8 mtu */
#include "core/base/err.h"
#include "dataplane/tcp/tcp.h"
#include "dataplane/tcp/tcp_opt.h"

#include <stdlib.h>

enum {
    FRAME_BYTES = 512,
    MTU = 1500,
    OWN_PORT = 9092,
    PEER_PORT = 40000,
    STEPS_MAX = 400,
    CONNS = 2,
    PEERS = 4
};

struct world {
    struct tcp *t;
    uint64_t now_us, id; /* the newest of: */
    uint64_t ids[CONNS];
    uint32_t room, frames_out, answers;
    uint16_t peer_port;
    uint32_t seq, ack; /* what the stack expects, as far as its segments tell */
    uint8_t own[16], peer[16];
};

static _Alignas(64) uint8_t memory[1 << 20];
static uint8_t bytes_to_send[4096];

int LLVMFuzzerTestOneInput(const uint8_t *at, size_t n);

static uint32_t
room(void *self, uint32_t link)
{
    return ((struct world *)self)->room;
}

static void
send_all(void *self, const struct packet_out *packets, uint32_t count)
{
    struct world *w = self;
    must(count <= w->room);
    for (uint32_t i = 0; i < count; i++) {
        struct tcp_header h;
        must(tcp_header_read(view_of(packets[i].header, packets[i].header_bytes), &h) == ERR_OK);
        must(h.payload.len == 0);
        must(packets[i].header_bytes + packets[i].payload_bytes <= MTU - (w->own[0] ? 40 : 20));
        uint32_t sum = 0;
        for (uint32_t k = 0; k < packets[i].span_count; k++)
            sum += packets[i].spans[k].bytes.len;
        must(sum == packets[i].payload_bytes);
        w->answers++;
        if (h.flags & TCP_RST)
            continue;
        w->seq = h.ack;
        w->ack = h.seq + sum + !!(h.flags & (TCP_SYN | TCP_FIN));
    }
}

static void
release(void *self, struct packet_frame **frames, uint32_t count)
{
    struct world *w = self;
    for (uint32_t i = 0; i < count; i++)
        free(frames[i]);
    must(w->frames_out >= count);
    w->frames_out -= count;
}

static const struct packet_ops ops = {.room = room, .send = send_all, .release = release};

static void
arrive(struct world *w, const uint8_t *at, uint32_t len)
{
    /* Of its exact size, so that a read too far is seen. */
    uint8_t *frame = malloc(len ? len : 1);
    memcpy(frame, at, len);
    struct packet_in in = {.l4 = view_of(frame, len),
                           .frame = (struct packet_frame *)(void *)frame,
                           .pinned_bytes = 2048,
                           .sum = PACKET_SUM_GOOD};
    memcpy(in.src, w->peer, 16);
    memcpy(in.dst, w->own, 16);
    w->frames_out++;
    tcp_input(w->t, &in, 1, w->now_us);
}

static void
segment(struct world *w, struct cur *c)
{
    uint8_t frame[FRAME_BYTES] = {0};
    uint8_t flags = cur_u8(c);
    int8_t seq = (int8_t)cur_u8(c), ack = (int8_t)cur_u8(c);
    uint8_t window = cur_u8(c), len = cur_u8(c), options = cur_u8(c) % 11 * 4;
    struct view v = cur_view(c, options);
    struct put p = put_of(frame, sizeof frame);
    put_u16(&p, w->peer_port);
    put_u16(&p, OWN_PORT);
    put_u32(&p, w->seq + (uint32_t)(seq * (seq % 2 ? 1 : 97)));
    put_u32(&p, w->ack + (uint32_t)(ack * (ack % 2 ? 1 : 97)));
    put_u8(&p, (uint8_t)((TCP_HEADER_MIN + v.len) / 4 << 4));
    put_u8(&p, flags);
    put_u16(&p, (uint16_t)(window * 257));
    put_u32(&p, 0);
    put_bytes(&p, v.at, v.len);
    put_take(&p, len);
    must(!p.bad);
    tcp_flush(w->t, w->now_us);
    uint32_t before = w->answers;
    arrive(w, frame, put_len(&p));
    if (flags & TCP_RST && w->room) {
        tcp_flush(w->t, w->now_us);
        bool challenged = w->answers == before + 1; /* RFC 5961: at most one */
        must(w->answers == before || challenged);
    }
}

/* The number of a connection is in its id. */
static void
opened(struct world *w, uint64_t id)
{
    must((uint32_t)id < CONNS);
    w->id = w->ids[(uint32_t)id] = id;
}

static void
events(struct world *w)
{
    struct tcp_event e;
    while (tcp_poll(w->t, &e, 1)) {
        if (e.kind == TCP_ACCEPTED) {
            opened(w, e.id);
        } else if (e.kind == TCP_CLOSED) {
            must(w->ids[(uint32_t)e.id] == e.id); /* once */
            w->ids[(uint32_t)e.id] = 0;
            w->id = e.id == w->id ? 0 : w->id;
        }
    }
}

static void
active_open(struct world *w)
{
    struct tcp_addr from = {.port = OWN_PORT}, to = {.port = w->peer_port};
    uint64_t id;
    memcpy(from.ip, w->own, sizeof from.ip);
    memcpy(to.ip, w->peer, sizeof to.ip);
    if (tcp_connect(w->t, &from, &to, &id) == ERR_OK)
        opened(w, id);
}

static void
icmp(struct world *w, uint32_t mtu)
{
    uint8_t quote[PACKET_QUOTE_MIN];
    set_u16(quote, OWN_PORT);
    set_u16(quote + 2, w->peer_port);
    set_u32(quote + 4, w->ack - 1);
    struct packet_error e = {
        .kind = mtu % 3, .mtu = mtu * 8, .quote = view_of(quote, sizeof quote)};
    memcpy(e.src, w->own, 16);
    memcpy(e.dst, w->peer, 16);
    tcp_error(w->t, &e, w->now_us);
}

static void
user(struct world *w, uint32_t what, uint32_t n)
{
    struct view v[4] = {view_of(bytes_to_send, n * 16), view_of(bytes_to_send, n)};
    if (what == 11) {
        (void)!tcp_send(w->t, w->id, v, 2);
    } else if (what == 12) {
        uint32_t count = tcp_peek(w->t, w->id, v, 4), have = 0;
        for (uint32_t i = 0; i < count; i++)
            have += v[i].len;
        tcp_consume(w->t, w->id, n < have ? n : have);
    } else if (n % 4 == 0) {
        tcp_close(w->t, w->id);
    } else if (n % 4 == 1) {
        tcp_shutdown(w->t, w->id);
    } else if (n % 4 == 2) {
        tcp_abort(w->t, w->id);
    } else {
        active_open(w);
    }
}

static void
step(struct world *w, struct cur *c)
{
    uint32_t first = cur_u8(c), what = first % 16;
    w->peer_port = (uint16_t)(PEER_PORT + first / 16 % PEERS);
    if (what <= 8) {
        segment(w, c);
    } else if (what == 9) {
        struct view v = cur_view(c, cur_u8(c));
        arrive(w, v.at ? v.at : memory, v.at ? v.len : 0);
    } else {
        uint32_t n = cur_u8(c);
        if (what == 10)
            w->now_us += (uint64_t)n * n * 1000;
        else if (what == 14)
            w->room = n % (PACKET_BURST + 1);
        else if (what == 15)
            icmp(w, n);
        else
            user(w, what, n);
    }
    tcp_tick(w->t, w->now_us);
    events(w);
    tcp_flush(w->t, w->now_us);
    tcp_check(w->t);
}

static void
finish(struct world *w)
{
    struct tcp_usage u;
    w->room = PACKET_BURST;
    tcp_unlisten(w->t);
    for (int i = 0; i < 4; i++) {
        events(w);
        for (uint32_t k = 0; k < CONNS; k++)
            tcp_abort(w->t, w->ids[k]);
        w->now_us += UINT64_C(40) * 1000000;
        tcp_tick(w->t, w->now_us);
        tcp_flush(w->t, w->now_us);
    }
    events(w);
    tcp_usage(w->t, &u);
    must((u.conns | u.half_open | u.waiting) == 0);
    must((u.nodes | u.segs | u.extents | w->frames_out) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *at, size_t n)
{
    struct world w = {.now_us = 1000000, .room = PACKET_BURST};
    struct tcp_config c;
    tcp_config_init(&c);
    c.conns = c.half_open = c.waiting = CONNS;
    c.nodes = c.segs = c.extents = 16;
    c.rcv_bytes = c.snd_bytes = 8192;
    c.pinned_bytes = 65536;
    c.mtu = MTU;
    c.keep_us = 30000000;
    must(tcp_footprint(&c) <= sizeof memory);
    struct packet_port port = {&ops, &w};
    w.t = tcp_init(memory, &c, &port, w.now_us);
    if (n % 2 == 0)
        w.own[10] = w.own[11] = w.peer[10] = w.peer[11] = 0xff;
    else
        w.own[0] = w.peer[0] = 0xfd;
    w.own[15] = 1;
    w.peer[15] = 2;
    struct tcp_addr any = {.port = OWN_PORT};
    must(tcp_listen(w.t, &any) == ERR_OK);
    struct cur cur = cur_of(view_of(at, (uint32_t)n));
    for (int i = 0; i < STEPS_MAX && cur_left(&cur); i++)
        step(&w, &cur);
    finish(&w);
    return 0;
}
