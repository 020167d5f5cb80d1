/* tcp_input.c: from IP to the connection, the handshake or the TIME_WAIT entry that a segment
 * belongs to.  Nothing changes state before checksum, header and flags are known to be sound. */
#include "core/net/checksum.h"
#include "dataplane/tcp/tcp_core.h"

enum { PROTOCOL_TCP = 6, INPUT_BURST = 16, INPUT_AHEAD = 1, OUT_AHEAD = 2 };

static bool
sum_good(const struct packet_in *p)
{
    if (p->sum != PACKET_SUM_UNKNOWN)
        return p->sum == PACKET_SUM_GOOD;
    struct checksum sum = checksum_start();
    checksum_pseudo(&sum, p->src, p->dst, PROTOCOL_TCP, p->l4.len);
    checksum_add(&sum, p->l4.at, p->l4.len);
    return checksum_end(&sum) == 0;
}

static bool
flags_sound(uint8_t flags)
{
    if (flags & TCP_SYN)
        return !(flags & (TCP_FIN | TCP_RST));
    return flags & (TCP_ACK | TCP_RST);
}

static struct tcp_flow
flow_of(const struct packet_in *p, const struct tcp_header *h)
{
    struct tcp_flow f = {.local_port = h->dst_port, .remote_port = h->src_port};
    memcpy(f.local, p->dst, sizeof f.local);
    memcpy(f.remote, p->src, sizeof f.remote);
    return f;
}

/* The listener for an address of ours; -1: none. */
static int
listener_for(const struct tcp *t, const struct tcp_flow *f)
{
    static const uint8_t any[16];
    for (uint32_t i = 0; i < t->listener_count; i++) {
        const struct tcp_addr *l = &t->listeners[i];
        if (l->port == f->local_port &&
            (memcmp(l->ip, any, sizeof any) == 0 || memcmp(l->ip, f->local, sizeof any) == 0))
            return (int)i;
    }
    return -1;
}

static void
reset_stranger(struct tcp *t, const struct tcp_seen *s)
{
    const struct tcp_header *h = &s->h;
    struct tcp_header r = {.src_port = h->dst_port, .dst_port = h->src_port, .flags = TCP_RST};
    if (h->flags & TCP_ACK) {
        r.seq = h->ack;
    } else {
        r.ack = h->seq + h->payload.len + !!(h->flags & TCP_SYN) + !!(h->flags & TCP_FIN);
        r.flags |= TCP_ACK;
    }
    if (tcp_output_bare(t, &s->flow, &r, true))
        tcp_bump(t, TCP_N_RESETS_OUT);
}

static void
stranger(struct tcp *t, struct tcp_seen *s)
{
    const struct tcp_header *h = &s->h;
    int listener = listener_for(t, &s->flow);
    if (h->flags & TCP_RST) {
        tcp_bump(t, TCP_N_DROP_STRANGER);
        return;
    }
    if (listener >= 0 && (h->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN)
        tcp_half_syn(t, s, (uint16_t)listener);
    else if (listener < 0 || h->flags & TCP_SYN || !tcp_half_cookie(t, s, (uint16_t)listener))
        reset_stranger(t, s);
}

static void
segment(struct tcp *t, struct tcp_seen *s)
{
    uint32_t i = tcp_table_at(t->table, &s->flow, s->hash);
    if (i >= t->config.conns + t->config.half_open && i != TCP_NONE &&
        tcp_wait_input(t, i, s, listener_for(t, &s->flow) >= 0))
        i = TCP_NONE;
    if (i == TCP_NONE) {
        stranger(t, s);
    } else if (i < t->config.conns) {
        struct tcp_conn *c = &t->conns[i];
        tcp_state_input(t, c, s);
        if (!c->queued) /* else it is when its turn to send has come */
            tcp_timer_arm(t, c);
    } else if (i < t->config.conns + t->config.half_open) {
        tcp_half_input(t, i, s);
    }
}

/* Nothing of a connection is touched yet. */
static void
look(struct tcp *t, struct tcp_seen *s, const struct packet_in *p)
{
    s->packet = p;
    s->sound = s->frame_kept = false;
    tcp_bump(t, TCP_N_SEGS_IN);
    if (p->pinned_bytes > t->frame_bytes)
        t->frame_bytes = p->pinned_bytes;
    if (!sum_good(p)) {
        tcp_bump(t, TCP_N_DROP_SUM);
    } else if (tcp_header_read(p->l4, &s->h) != ERR_OK || s->h.src_port == 0 ||
               s->h.dst_port == 0) {
        tcp_bump(t, TCP_N_DROP_HEADER);
    } else if (!flags_sound(s->h.flags)) {
        tcp_bump(t, TCP_N_DROP_FLAGS);
    } else {
        s->flow = flow_of(p, &s->h);
        if (!tcp_flow_equal(&s->flow, &t->last)) {
            t->last = s->flow;
            t->last_hash = tcp_table_hash(t->table, &s->flow);
        }
        s->hash = t->last_hash;
        s->sound = true;
    }
}

/* Asks for the memory of the connection, if it is likely to be one. */
static void
fetch(const struct tcp *t, struct tcp_seen *s)
{
    s->near = s->sound ? tcp_table_near(t->table, s->hash) : TCP_NONE;
    if (s->near >= t->config.conns)
        s->near = TCP_NONE;
    else
        tcp_fetch_conn(t, s->near);
}

/* A sum reads what a card, or another core, has just written: that of the next packets comes from
 * memory while this one is looked at. */
static void
fetch_bytes(const struct packet_in *p)
{
    if (p->sum != PACKET_SUM_UNKNOWN)
        return;
    for (uint32_t k = 0; k < p->l4.len; k += TCP_LINE)
        __builtin_prefetch(p->l4.at + k);
}

/* With many connections a packet's state is in no cache: all of a burst is asked for at once. */
static void
burst_input(struct tcp *t, const struct packet_in *packets, uint32_t count)
{
    struct tcp_seen seen[INPUT_BURST];
    for (uint32_t i = 0; i < count; i++) {
        if (i + INPUT_AHEAD < count)
            fetch_bytes(&packets[i + INPUT_AHEAD]);
        look(t, &seen[i], &packets[i]);
    }
    for (uint32_t i = 0; i < count; i++)
        fetch(t, &seen[i]);
    for (uint32_t i = 0; i < count; i++) {
        if (i + OUT_AHEAD < count && seen[i + OUT_AHEAD].near != TCP_NONE)
            tcp_fetch_out(t, seen[i + OUT_AHEAD].near);
        if (seen[i].sound)
            segment(t, &seen[i]);
        if (!seen[i].frame_kept)
            tcp_frames_put(&t->frames, packets[i].frame);
    }
}

void
tcp_input(struct tcp *t, const struct packet_in *packets, uint32_t count, uint64_t now_us)
{
    t->now_us = now_us;
    for (uint32_t i = 0; i < count; i += INPUT_BURST)
        burst_input(t, packets + i, count - i < INPUT_BURST ? count - i : INPUT_BURST);
    tcp_frames_flush(&t->frames);
}
