/* tcp_path.c: what routers say of the path (RFC 1191, 8201, 5927), and what silence does.  An ICMP
 * error counts only if it quotes a number that is in flight, lowers the segment size to the floor
 * at most, and never ends a connection that is open.
 *
 * A path changes, and silence is more often an outage than a router that drops long packets without
 * a word: so long segments are tried again after PATH_AGE_US, and after a guess as soon as all that
 * was out is acknowledged, but that no more often. */
#include "dataplane/tcp/tcp_core.h"

enum { FLOOR_4 = 552, FLOOR_6 = 1280, PLATEAU_4 = 576 };
#define PATH_AGE_US (UINT64_C(600) * 1000000) /* RFC 1191 6.3, RFC 8201 4 */

static void
size_set(struct tcp *t, struct tcp_conn *c, uint32_t seg_max)
{
    c->seg_max = seg_max;
    c->mss = seg_max - tcp_options_bytes(c->ts);
    tcp_cc_mss(&c->cc, c->mss);
    tcp_conn_output(t, c);
}

static void
limit(struct tcp *t, struct tcp_conn *c, uint32_t seg_max)
{
    if (seg_max >= c->seg_max)
        return;
    size_set(t, c, seg_max);
    tcp_segs_lose_larger(&c->segs, &t->segs, c->mss);
    c->path_due_us = t->now_us + PATH_AGE_US;
    if (t->config.keep_us == 0) /* else its timer comes by anyhow */
        c->keep_due = c->path_due_us;
}

static void
try_again(struct tcp *t, struct tcp_conn *c)
{
    const struct tcp_flow *f = tcp_table_flow(t->table, tcp_index(t, c));
    c->path_due_us = TCP_NEVER;
    size_set(t, c, tcp_seg_max(t, f, c->peer_mss));
}

void
tcp_path_guess(struct tcp *t, struct tcp_conn *c, uint32_t seg_max)
{
    c->path_guess = true;
    limit(t, c, seg_max);
}

void
tcp_path_answered(struct tcp *t, struct tcp_conn *c)
{
    bool lately = c->path_tried_us && t->now_us - c->path_tried_us < PATH_AGE_US;
    if (c->path_guess && !lately) {
        c->path_tried_us = t->now_us;
        try_again(t, c);
    }
    c->path_guess = false;
}

void
tcp_path_age(struct tcp *t, struct tcp_conn *c)
{
    if (c->path_due_us <= t->now_us)
        try_again(t, c);
}

static void
too_big(struct tcp *t, struct tcp_conn *c, const struct packet_error *e)
{
    bool v4 = iptext_is_v4(e->src);
    uint32_t ip = v4 ? 20 : 40, floor = v4 ? FLOOR_4 : FLOOR_6;
    uint32_t mtu = e->mtu ? e->mtu : v4 ? PLATEAU_4 : FLOOR_6;
    if (mtu < floor)
        mtu = floor;
    limit(t, c, mtu - ip - TCP_HEADER_MIN);
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
