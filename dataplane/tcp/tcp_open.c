/* tcp_open.c: what both ways of opening share: listeners, active opens, secrets of a connection,
 * and its start once both SYNs are known. */
#include "dataplane/tcp/tcp_core.h"

static uint32_t
ip_bytes(const struct tcp_flow *f)
{
    return iptext_is_v4(f->local) ? 20 : 40;
}

uint32_t
tcp_seg_max(const struct tcp *t, const struct tcp_flow *f, uint32_t peer_mss)
{
    const struct packet_port *p = &t->port;
    uint32_t mtu = p->ops->mtu ? p->ops->mtu(p->self, f->local) : t->config.mtu;
    uint32_t own = mtu - ip_bytes(f) - TCP_HEADER_MIN;
    if (peer_mss == 0)
        peer_mss = iptext_is_v4(f->local) ? TCP_MSS_DEFAULT_4 : TCP_MSS_DEFAULT_6;
    if (peer_mss < TCP_MSS_MIN)
        peer_mss = TCP_MSS_MIN;
    return peer_mss < own ? peer_mss : own;
}

/* RFC 9293 3.4.1: a clock of 4 us and a secret of the four numbers. */
uint32_t
tcp_isn(const struct tcp *t, const struct tcp_flow *f)
{
    return (uint32_t)(t->now_us >> 2) + (uint32_t)tcp_key_flow(&t->key, f, TCP_FOR_ISN, 0);
}

uint32_t
tcp_ts_offset(const struct tcp *t, const struct tcp_flow *f)
{
    return (uint32_t)tcp_key_flow(&t->key, f, TCP_FOR_TS_OFFSET, 0);
}

uint8_t
tcp_scale_for(const struct tcp *t)
{
    uint8_t scale = 0;
    while (scale < TCP_SCALE_MAX && t->config.rcv_bytes >> scale > UINT16_MAX)
        scale++;
    return scale;
}

void
tcp_conn_start(struct tcp *t, struct tcp_conn *c, const struct tcp_options *o, uint32_t window)
{
    const struct tcp_flow *f = tcp_table_flow(t->table, tcp_index(t, c));
    uint32_t first = t->config.rcv_bytes < UINT16_MAX ? t->config.rcv_bytes : UINT16_MAX;
    c->ts = o->has_ts;
    c->sack = o->sack_permitted;
    c->snd_scale = o->has_scale ? o->scale : 0;
    c->rcv_scale = o->has_scale ? tcp_scale_for(t) : 0;
    c->peer_mss = o->mss;
    c->seg_max = tcp_seg_max(t, f, o->mss);
    c->mss = c->seg_max - tcp_options_bytes(c->ts);
    c->burst_bytes = t->port.ops->burst ? t->port.ops->burst(t->port.self, f->local) : 0;
    c->ts_recent = o->ts_value;
    c->ts_recent_us = t->now_us;
    c->una = c->nxt = c->end = c->iss + 1;
    c->recover_to = c->ecn_to = c->iss;
    c->snd_wnd = c->wnd_max = window;
    c->wl1 = c->irs;
    c->wl2 = c->iss;
    tcp_rcv_init(&c->rcv, c->irs + 1);
    tcp_segs_init(&c->segs, c->iss + 1);
    tcp_cc_init(&c->cc, c->mss, t->config.reno);
    c->edge = c->wire_edge = c->rcv.next + first;
    c->acked_to = c->rcv.next;
    if (t->config.keep_us)
        c->keep_due = t->now_us + t->config.keep_us;
}

int
tcp_listen(struct tcp *t, const struct tcp_addr *at)
{
    for (uint32_t i = 0; i < t->listener_count; i++)
        if (memcmp(t->listeners[i].ip, at->ip, sizeof at->ip) == 0 &&
            t->listeners[i].port == at->port)
            return ERR_EXISTS;
    if (t->listener_count == TCP_LISTENERS_MAX || at->port == 0)
        return at->port ? ERR_LIMIT : ERR_INVALID;
    t->listeners[t->listener_count++] = *at;
    return ERR_OK;
}

void
tcp_unlisten(struct tcp *t)
{
    t->listener_count = 0;
    tcp_half_drop_all(t);
}

/* RFC 6056 3.3.3: each peer sees its own order of ports. */
static bool
port_choose(struct tcp *t, struct tcp_flow *f)
{
    uint64_t offset = tcp_key_flow(&t->key, f, TCP_FOR_PORT, 0);
    for (uint32_t i = 0; i < TCP_PORT_TRIES; i++) {
        f->local_port = (uint16_t)(TCP_PORT_FIRST + (offset + t->port_next++) % TCP_PORT_COUNT);
        if (tcp_table_find(t->table, f) == TCP_NONE)
            return true;
    }
    return false;
}

static bool
unicast(const uint8_t ip[16])
{
    if (!iptext_is_v4(ip))
        return ip[0] != 0xff && (ip[0] | ip[15]) != 0;
    return ip[12] != 0 && ip[12] < 224;
}

int
tcp_connect(struct tcp *t, const struct tcp_addr *local, const struct tcp_addr *remote,
            uint64_t *id)
{
    struct tcp_flow f = {.local_port = local->port, .remote_port = remote->port};
    memcpy(f.local, local->ip, sizeof f.local);
    memcpy(f.remote, remote->ip, sizeof f.remote);
    if (!unicast(f.local) || !unicast(f.remote) || f.remote_port == 0 ||
        iptext_is_v4(f.local) != iptext_is_v4(f.remote))
        return ERR_INVALID;
    if (f.local_port == 0 && !port_choose(t, &f))
        return ERR_LIMIT;
    if (tcp_table_find(t->table, &f) != TCP_NONE)
        return ERR_EXISTS;
    struct tcp_conn *c = tcp_conn_new(t, &f);
    if (!c)
        return ERR_LIMIT;
    c->state = TCP_SYN_SENT;
    c->iss = tcp_isn(t, &f);
    c->ts_offset = tcp_ts_offset(t, &f);
    c->una = c->iss;
    c->nxt = c->end = c->iss + 1;
    c->seg_max = tcp_seg_max(t, &f, t->config.mtu);
    c->mss = c->seg_max;
    c->syn_due = true;
    tcp_conn_output(t, c);
    *id = tcp_conn_id(t, c);
    return ERR_OK;
}
