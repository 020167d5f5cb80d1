/* tcpsim_wire.c: IP, devices and the network between the two sides: checks what leaves, then
 * loses, delays, doubles, reorders and spoils it. */
#include "core/base/bytes.h"
#include "core/net/checksum.h"
#include "dataplane/tcp/tcp_seq.h"
#include "tests/sim/tcp/tcpsim.h"

#include <stdio.h>

enum { ECN_MASK = 3, PROTOCOL_TCP = 6, KIND_PAD = 1, KIND_SCALE = 3, KIND_SACK = 4, KIND_TS = 8 };
enum { SEQ_AT = 4, FLAGS_AT = 13 }; /* of TCP's header */

static uint64_t
key_at(struct sim *s, uint64_t at_us)
{
    return at_us << 24 | (s->order++ & 0xffffff);
}

static uint32_t
sum_of(const uint8_t *at, uint32_t len)
{
    uint32_t sum = len;
    for (uint32_t i = 0; i < len; i += 1 + len / 16)
        sum = sum * 31 + at[i];
    return sum;
}

/* A middle box that does not know newer options: pads them over in SYNs. */
static void
strip(const struct sim *s, uint8_t *l4, uint32_t header)
{
    for (uint32_t at = TCP_HEADER_MIN; at < header && l4[at] != 0;) {
        uint8_t kind = l4[at];
        if (kind == KIND_PAD) {
            at++;
            continue;
        }
        uint32_t len = l4[at + 1];
        if ((kind == KIND_SACK && s->strip_sack) || (kind == KIND_TS && s->strip_ts) ||
            (kind == KIND_SCALE && s->strip_scale))
            memset(l4 + at, KIND_PAD, len);
        at += len;
    }
}

static void
sum_fill(struct packet *p)
{
    struct checksum sum = checksum_start();
    set_u16(p->bytes + 16, 0);
    checksum_pseudo(&sum, p->src, p->dst, PROTOCOL_TCP, p->len);
    checksum_add(&sum, p->bytes, p->len);
    set_u16(p->bytes + 16, checksum_end(&sum));
}

/* What no segment of ours may do, whatever the network did before. */
static void
judge(struct sim *s, uint32_t side, const struct packet *p, uint32_t ip_bytes)
{
    struct tcp_header h;
    if (tcp_header_read(view_of(p->bytes, p->len), &h) != 0)
        sim_fail(s, "side %u sends a header that it would not read", side);
    if (p->len + ip_bytes > s->config[side].mtu)
        sim_fail(s, "side %u sends %u bytes over an mtu of %u", side, p->len + ip_bytes,
                 s->config[side].mtu);
    int k = app_pair_of(s, side == 0 ? h.src_port : h.dst_port);
    if (k < 0)
        sim_fail(s, "side %u sends from or to port %u", side, h.src_port);
    struct seen *own = &s->pairs[k].seen[side], *peer = &s->pairs[k].seen[!side];
    sim_say(s, "pair %d side %u: flags %02x seq %u ack %u len %u window %u sacks %u scale %d", k,
            side, h.flags, h.seq - (h.flags & TCP_SYN ? 0 : own->isn), h.ack - peer->isn,
            h.payload.len, h.window, h.options.sack_count,
            h.options.has_scale ? h.options.scale : -1);
    const struct end *ends = s->pairs[k].end;
    bool half_open = side == 1 && !ends[1].open && !(h.flags & TCP_SYN);
    if (h.flags & TCP_RST || ends[0].closed || ends[1].closed || half_open)
        return; /* or it is of a later connection that a stranger asks for */
    if (h.flags & TCP_SYN) {
        if (own->syn && (own->isn == h.seq || s->pairs[k].end[0].open || s->pairs[k].end[0].closed))
            return;
        *own = (struct seen){.syn = true, .isn = h.seq, .sent = h.seq + 1};
        own->offered = h.options.has_scale && !s->strip_scale ? h.options.scale : 0;
        own->scale = own->offered;
        if (h.flags & TCP_ACK) {
            own->edge = h.ack + h.window;
            own->acked = h.ack;
            own->window = true;
            peer->scale = h.options.has_scale ? peer->offered : 0;
        }
        return;
    }
    uint32_t end = h.seq + h.payload.len + !!(h.flags & TCP_FIN);
    bool probe = end == h.seq || seq_upto(end, peer->acked);
    if (own->syn && peer->window && !probe && seq_before(peer->edge, end))
        sim_fail(s, "pair %d side %u sends [%u, %u) with a window up to %u", k, side,
                 h.seq - own->isn, end - own->isn, peer->edge - own->isn);
    own->sent = seq_max(own->sent, end);
    uint32_t edge = h.ack + ((uint32_t)h.window << own->scale), slack = (1u << own->scale) - 1;
    if (own->window && peer->syn && seq_before(edge + slack, own->edge) && h.window)
        sim_fail(s, "pair %d side %u takes back %u bytes of window", k, side, own->edge - edge);
    own->edge = own->window ? seq_max(own->edge, edge) : edge;
    own->acked = own->window ? seq_max(own->acked, h.ack) : h.ack;
    own->window = true;
}

static struct packet *
packet_take(struct sim *s)
{
    struct packet *p = s->packets_free;
    if (p)
        s->packets_free = p->next;
    return p;
}

static void
packet_give(struct sim *s, struct packet *p)
{
    p->next = s->packets_free;
    s->packets_free = p;
}

static bool
lost(struct sim *s, struct link *l)
{
    if (l->in_burst ? sim_chance(s, l->burst_leave) : sim_chance(s, l->burst_enter))
        l->in_burst = !l->in_burst;
    return l->in_burst || sim_chance(s, l->lose);
}

static void
schedule(struct sim *s, uint32_t from, struct packet *p, uint64_t at_us)
{
    p->event.kind = EVENT_ARRIVES;
    p->event.side = !from;
    p->event.node.place = 0;
    if (!heap_add(&s->heap, &p->event.node, key_at(s, at_us)))
        sim_fail(s, "the heap is full");
}

static void
narrow(struct sim *s, uint32_t side, const struct packet *p)
{
    if (s->error_count == ERRORS || sim_chance(s, 2000))
        return; /* some routers never tell */
    struct error *e = &s->errors[s->error_count++];
    *e = (struct error){.side = side, .mtu = s->link[side].mtu};
    memcpy(e->src, p->src, 16);
    memcpy(e->dst, p->dst, 16);
    memcpy(e->quote, p->bytes, PACKET_QUOTE_MIN);
}

static void
errors_arrive(struct sim *s)
{
    for (uint32_t i = 0; i < s->error_count; i++) {
        const struct error *from = &s->errors[i];
        struct packet_error e = {.kind = PACKET_TOO_BIG,
                                 .mtu = from->mtu,
                                 .quote = view_of(from->quote, PACKET_QUOTE_MIN)};
        memcpy(e.src, from->src, 16);
        memcpy(e.dst, from->dst, 16);
        tcp_error(s->tcp[from->side], &e, s->now_us);
    }
    s->error_count = 0;
}

/* Without the life's random numbers, so that lives stay what they were. */
static void
mark(struct sim *s, struct packet *p)
{
    uint64_t mix = (s->seed + s->packets) * UINT64_C(0x9e3779b97f4a7c15);
    if (p->traffic_class & ECN_MASK && (mix >> 32) % 10000 < s->mark)
        p->traffic_class |= ECN_MASK;
}

static void
travel(struct sim *s, uint32_t side, struct packet *p, uint32_t ip_bytes)
{
    struct link *l = &s->link[side];
    uint64_t leaves = l->free_us > s->now_us ? l->free_us : s->now_us;
    uint64_t takes = l->bytes_per_ms ? (p->len + 40) * UINT64_C(1000) / l->bytes_per_ms : 0;
    s->packets++;
    mark(s, p);
    bool narrower = p->len + ip_bytes > l->mtu;
    if (narrower || leaves - s->now_us > l->queue_us || lost(s, l)) {
        s->lost++;
        packet_give(s, p);
        return;
    }
    l->free_us = leaves + takes;
    uint64_t at = leaves + takes + l->delay_us;
    if (l->jitter_us)
        at += sim_below(s, (uint32_t)l->jitter_us);
    if (sim_chance(s, l->late))
        at += l->delay_us / 2 + sim_below(s, (uint32_t)l->delay_us + 1000);
    struct packet *again = sim_chance(s, l->twice) ? packet_take(s) : NULL;
    if (again) {
        memcpy(again->src, p->src, 32);
        again->traffic_class = p->traffic_class;
        again->len = p->len;
        memcpy(again->bytes, p->bytes, p->len);
        schedule(s, side, again, at + sim_below(s, 20000));
    }
    if (sim_chance(s, l->spoil))
        p->bytes[sim_below(s, p->len)] ^= (uint8_t)(1u << sim_below(s, 8));
    schedule(s, side, p, at);
}

static void
hold_take(struct sim *s, uint32_t side, const struct packet_span *span)
{
    struct hold *d = s->holds_free;
    if (!span->ref || !s->nic_delay_us || !d)
        return;
    s->holds_free = d->next;
    *d = (struct hold){.ref = span->ref,
                       .at = span->bytes.at,
                       .len = span->bytes.len,
                       .sum = sum_of(span->bytes.at, span->bytes.len)};
    d->event.kind = EVENT_HOLD_ENDS;
    d->event.side = (uint8_t)side;
    packet_hold(span->ref);
    s->holds_out++;
    if (!heap_add(&s->heap, &d->event.node,
                  key_at(s, s->now_us + 1 + sim_below(s, s->nic_delay_us))))
        sim_fail(s, "the heap is full");
}

/* One segment of a packet: its payload is that of `all` from `at` on. */
static void
segment_leaves(struct sim *s, uint32_t side, const struct packet_out *o, struct view all,
               uint32_t at)
{
    struct packet *p = packet_take(s);
    if (!p)
        return; /* the network is full */
    uint32_t ip_bytes = s->v6 ? 40 : 20, len = all.len - at;
    if (o->segment_bytes && len > o->segment_bytes)
        len = o->segment_bytes;
    must(o->header_bytes + len <= PACKET_BYTES);
    memcpy(p->src, o->src, 16);
    memcpy(p->dst, o->dst, 16);
    memcpy(p->bytes, o->header, o->header_bytes);
    set_u32(p->bytes + SEQ_AT, get_u32(p->bytes + SEQ_AT) + at);
    if (at + len < all.len)
        p->bytes[FLAGS_AT] &= (uint8_t) ~(TCP_PSH | TCP_FIN);
    if (len)
        memcpy(p->bytes + o->header_bytes, all.at + at, len);
    p->len = o->header_bytes + len;
    p->traffic_class = o->traffic_class;
    judge(s, side, p, ip_bytes);
    if (p->bytes[13] & TCP_SYN)
        strip(s, p->bytes, o->header_bytes);
    sum_fill(p);
    if (p->len + ip_bytes > s->link[side].mtu)
        narrow(s, side, p);
    travel(s, side, p, ip_bytes);
}

/* What a device asks of a burst that it cuts (packet.h). */
static void
judge_burst(const struct sim *s, uint32_t side, const struct packet_out *o)
{
    uint8_t whole = TCP_SYN | TCP_RST | TCP_CWR;
    if (o->segment_bytes < PACKET_SEGMENT_LEAST || o->segment_bytes >= o->payload_bytes)
        sim_fail(s, "side %u sends %u bytes as a burst of segments of %u", side, o->payload_bytes,
                 o->segment_bytes);
    if (o->header_bytes + o->payload_bytes > s->burst_bytes)
        sim_fail(s, "side %u sends a burst of %u bytes: at most %u", side,
                 o->header_bytes + o->payload_bytes, s->burst_bytes);
    if (o->header[FLAGS_AT] & whole)
        sim_fail(s, "side %u sends a burst with flags %02x", side, o->header[FLAGS_AT]);
}

static void
leave(struct sim *s, uint32_t side, const struct packet_out *o)
{
    static uint8_t payload[UINT16_MAX];
    uint32_t len = 0;
    for (uint32_t i = 0; i < o->span_count; i++) {
        must(len + o->spans[i].bytes.len <= sizeof payload);
        memcpy(payload + len, o->spans[i].bytes.at, o->spans[i].bytes.len);
        len += o->spans[i].bytes.len;
        hold_take(s, side, &o->spans[i]);
    }
    if (len != o->payload_bytes)
        sim_fail(s, "the spans hold %u bytes, not %u", len, o->payload_bytes);
    if (o->segment_bytes)
        judge_burst(s, side, o);
    s->bursts += o->segment_bytes > 0;
    uint32_t at = 0, step = o->segment_bytes ? o->segment_bytes : len;
    do {
        segment_leaves(s, side, o, view_of(payload, len), at);
        at += step;
    } while (at < len);
}

static uint32_t
burst(void *self, const uint8_t src[16])
{
    const struct sim *s = self;
    return s->burst_bytes;
}

static uint32_t
room(struct sim *s, uint32_t side)
{
    return s->room_left[side];
}

static void
send_all(struct sim *s, uint32_t side, const struct packet_out *packets, uint32_t count)
{
    if (count > s->room_left[side])
        sim_fail(s, "side %u sends %u packets into room for %u", side, count, s->room_left[side]);
    s->room_left[side] -= count;
    for (uint32_t i = 0; i < count; i++)
        leave(s, side, &packets[i]);
}

static uint32_t
room_0(void *self, uint32_t link)
{
    return room(self, 0);
}

static uint32_t
room_1(void *self, uint32_t link)
{
    return room(self, 1);
}

static void
send_0(void *self, const struct packet_out *packets, uint32_t count)
{
    send_all(self, 0, packets, count);
}

static void
send_1(void *self, const struct packet_out *packets, uint32_t count)
{
    send_all(self, 1, packets, count);
}

static void
release(void *self, struct packet_frame **frames, uint32_t count)
{
    struct sim *s = self;
    for (uint32_t i = 0; i < count; i++) {
        struct packet *p = (struct packet *)(void *)frames[i];
        if (!p->out)
            sim_fail(s, "a frame is released twice");
        p->out = false;
        memset(p->bytes, 0xdd, p->len); /* who still reads it will be wrong */
        packet_give(s, p);
        s->frames_out--;
    }
}

const struct packet_ops sim_port[SIDES] = {
    {.room = room_0, .send = send_0, .release = release, .burst = burst},
    {.room = room_1, .send = send_1, .release = release, .burst = burst},
};

static void
arrive(struct sim *s, struct packet **burst, uint32_t count, uint32_t side)
{
    struct packet_in in[PACKET_BURST];
    for (uint32_t i = 0; i < count; i++) {
        struct packet *p = burst[i];
        p->out = true;
        s->frames_out++;
        in[i] = (struct packet_in){.l4 = view_of(p->bytes, p->len),
                                   .frame = (struct packet_frame *)(void *)p,
                                   .pinned_bytes = 2048,
                                   .traffic_class = p->traffic_class,
                                   .sum = PACKET_SUM_UNKNOWN};
        memcpy(in[i].src, p->src, 16);
        memcpy(in[i].dst, p->dst, 16);
    }
    s->delivered += count;
    tcp_input(s->tcp[side], in, count, s->now_us);
}

static void
hold_end(struct sim *s, struct hold *d)
{
    if (sum_of(d->at, d->len) != d->sum)
        sim_fail(s, "bytes changed while a device read them");
    s->holds_out--;
    packet_drop(d->ref);
    d->next = s->holds_free;
    s->holds_free = d;
}

void
wire_deliver(struct sim *s)
{
    struct packet *burst[SIDES][PACKET_BURST];
    uint32_t count[SIDES] = {0};
    for (struct heap_node *n; (n = heap_first(&s->heap)) && n->key >> 24 <= s->now_us;) {
        struct event *e = heap_item(n, struct event, node);
        if (e->kind == EVENT_ARRIVES && count[e->side] == PACKET_BURST)
            break;
        heap_remove(&s->heap, n);
        if (e->kind == EVENT_ARRIVES)
            burst[e->side][count[e->side]++] = (struct packet *)(void *)e;
        else
            hold_end(s, (struct hold *)(void *)e);
    }
    errors_arrive(s);
    for (uint32_t side = 0; side < SIDES; side++)
        if (count[side])
            arrive(s, burst[side], count[side], side);
}

uint64_t
wire_next(const struct sim *s)
{
    const struct heap_node *n = heap_first(&s->heap);
    return n ? n->key >> 24 : NEVER;
}

/* A stranger who sees the connection's numbers but not quite: nothing of this may do harm. */
void
wire_inject(struct sim *s)
{
    uint32_t k = sim_below(s, s->pair_count), side = sim_below(s, 2);
    const struct seen *from = &s->pairs[k].seen[!side], *to = &s->pairs[k].seen[side];
    s->inject_us = s->now_us + 1000 + sim_below(s, 50000);
    struct packet *p = from->syn && to->syn && from->window && to->window ? packet_take(s) : NULL;
    if (!p)
        return;
    uint16_t client = (uint16_t)(CLIENT_PORT + k);
    struct tcp_header h = {.src_port = side == 0 ? SERVER_PORT : client,
                           .dst_port = side == 0 ? client : SERVER_PORT,
                           .seq = from->sent + 1 + sim_below(s, 1000),
                           .ack = to->sent,
                           .window = (uint16_t)sim_below(s, 65536)};
    switch (sim_below(s, 4)) {
    case 0:
        h.flags = TCP_RST;
        break;
    case 1: /* without timestamps it may take a TIME_WAIT entry's place, RFC 6191 */
        h.flags = s->strip_ts ? TCP_RST : TCP_SYN;
        break;
    case 2: /* acknowledges what was not sent yet */
        h.flags = TCP_ACK;
        h.seq = from->sent;
        h.ack = to->sent + 2 + sim_below(s, 100000);
        break;
    default: /* or what was never sent */
        h.flags = TCP_ACK;
        h.ack = to->isn - 1 - sim_below(s, 100000);
    }
    memcpy(p->src, s->address[!side], 16);
    memcpy(p->dst, s->address[side], 16);
    p->len = tcp_header_write(p->bytes, &h);
    p->traffic_class = 0;
    sum_fill(p);
    arrive(s, &p, 1, side);
}
