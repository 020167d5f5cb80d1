/* tcp_path.c: what routers say of the path (RFC 1191, 8201, 5927).  An ICMP error counts only if it
 * quotes a number that is in flight, lowers the segment size to the floor at most, and never ends a
 * connection that is open. */
#include "dataplane/tcp/tcp_core.h"

enum { FLOOR_4 = 552, FLOOR_6 = 1280, PLATEAU_4 = 576 };

void
tcp_path_limit(struct tcp *t, struct tcp_conn *c, uint32_t seg_max)
{
    if (seg_max >= c->seg_max)
        return;
    c->seg_max = seg_max;
    c->mss = seg_max - tcp_options_bytes(c->ts);
    tcp_cc_mss(&c->cc, c->mss);
    tcp_segs_lose_larger(&c->segs, &t->segs, c->mss);
    tcp_conn_output(t, c);
}

static void
too_big(struct tcp *t, struct tcp_conn *c, const struct packet_error *e)
{
    bool v4 = iptext_is_v4(e->src);
    uint32_t ip = v4 ? 20 : 40, floor = v4 ? FLOOR_4 : FLOOR_6;
    uint32_t mtu = e->mtu ? e->mtu : v4 ? PLATEAU_4 : FLOOR_6;
    if (mtu < floor)
        mtu = floor;
    tcp_path_limit(t, c, mtu - ip - TCP_HEADER_MIN);
}

void
tcp_error(struct tcp *t, const struct packet_error *e, uint64_t now_us)
{
    t->now_us = now_us;
    struct tcp_flow f;
    uint32_t i = TCP_NONE;
    if (e->quote.len >= PACKET_QUOTE_MIN) {
        memcpy(f.local, e->src, sizeof f.local);
        memcpy(f.remote, e->dst, sizeof f.remote);
        f.local_port = get_u16(e->quote.at);
        f.remote_port = get_u16(e->quote.at + 2);
        i = tcp_table_find(t->table, &f);
    }
    struct tcp_conn *c = i < t->config.conns ? &t->conns[i] : NULL;
    if (!c || !seq_in(get_u32(e->quote.at + 4), c->una, c->nxt)) {
        tcp_bump(t, TCP_N_DROP_ICMP);
        return;
    }
    if (e->kind == PACKET_TOO_BIG && c->state > TCP_SYN_RECEIVED)
        too_big(t, c, e);
    else if (e->kind == PACKET_REFUSED && c->state == TCP_SYN_SENT)
        tcp_conn_gone(t, c, TCP_REFUSED);
    tcp_timer_arm(t, c);
}
