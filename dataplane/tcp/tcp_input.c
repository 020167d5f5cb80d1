/* tcp_input.c: from IP to the connection, the handshake or the TIME_WAIT entry that a segment
 * belongs to.  Nothing changes state before checksum, header and flags are known to be sound. */
#include "core/net/checksum.h"
#include "dataplane/tcp/tcp_core.h"

enum { PROTOCOL_TCP = 6 };

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
    uint32_t i = tcp_table_find(t->table, &s->flow);
    if (i >= t->config.conns + t->config.half_open && i != TCP_NONE &&
        tcp_wait_input(t, i, s, listener_for(t, &s->flow) >= 0))
        i = TCP_NONE;
    if (i == TCP_NONE) {
        stranger(t, s);
    } else if (i < t->config.conns) {
        tcp_state_input(t, &t->conns[i], s);
        tcp_timer_arm(t, &t->conns[i]);
    } else if (i < t->config.conns + t->config.half_open) {
        tcp_half_input(t, i, s);
    }
}

void
tcp_input(struct tcp *t, const struct packet_in *packets, uint32_t count, uint64_t now_us)
{
    t->now_us = now_us;
    for (uint32_t i = 0; i < count; i++) {
        struct tcp_seen s = {.packet = &packets[i]};
        tcp_bump(t, TCP_N_SEGS_IN);
        if (packets[i].pinned_bytes > t->frame_bytes)
            t->frame_bytes = packets[i].pinned_bytes;
        if (!sum_good(&packets[i])) {
            tcp_bump(t, TCP_N_DROP_SUM);
        } else if (tcp_header_read(packets[i].l4, &s.h) != ERR_OK || s.h.src_port == 0 ||
                   s.h.dst_port == 0) {
            tcp_bump(t, TCP_N_DROP_HEADER);
        } else if (!flags_sound(s.h.flags)) {
            tcp_bump(t, TCP_N_DROP_FLAGS);
        } else {
            s.flow = flow_of(&packets[i], &s.h);
            segment(t, &s);
        }
        if (!s.frame_kept)
            tcp_frames_put(&t->frames, packets[i].frame);
    }
    tcp_frames_flush(&t->frames);
}
