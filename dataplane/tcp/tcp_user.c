/* tcp_user.c: the user's calls on an open connection.  See tcp.h. */
#include "dataplane/tcp/tcp_core.h"

uint32_t
tcp_peek(const struct tcp *t, uint64_t id, struct view *out, uint32_t max)
{
    const struct tcp_conn *c = tcp_conn_of(t, id);
    return c ? tcp_rcv_peek(&c->rcv, &t->nodes, out, max) : 0;
}

void
tcp_consume(struct tcp *t, uint64_t id, uint32_t bytes)
{
    struct tcp_conn *c = tcp_conn_of(t, id);
    if (!c || bytes == 0)
        return;
    tcp_rcv_consume(&c->rcv, &t->nodes, &t->frames, bytes);
    if (c->state >= TCP_ESTABLISHED && c->state < TCP_GONE && !c->fin_in)
        tcp_conn_output(t, c); /* which tells the peer if it is worth it */
}

bool
tcp_keep(struct tcp *t, uint64_t id, uint32_t bytes, struct tcp_kept *out)
{
    const struct tcp_conn *c = tcp_conn_of(t, id);
    return c && tcp_rcv_keep(&c->rcv, &t->nodes, bytes, out);
}

void
tcp_release(struct tcp *t, const struct tcp_kept *kept)
{
    tcp_nodes_release(&t->nodes, &t->frames, kept);
}

uint32_t
tcp_unread(const struct tcp *t, uint64_t id)
{
    const struct tcp_conn *c = tcp_conn_of(t, id);
    return c ? c->rcv.ready_bytes : 0;
}

uint32_t
tcp_pinned(const struct tcp *t, uint64_t id)
{
    const struct tcp_conn *c = tcp_conn_of(t, id);
    return c ? c->rcv.pinned_bytes : 0;
}

bool
tcp_frames_short(const struct tcp *t)
{
    return t->nodes.used > t->nodes.count / 2;
}

void
tcp_hold(struct tcp *t, uint64_t id, uint32_t bytes)
{
    struct tcp_conn *c = tcp_conn_of(t, id);
    if (!c)
        return;
    bool fewer = bytes < c->rcv_held;
    c->rcv_held = bytes;
    if (fewer && c->state >= TCP_ESTABLISHED && c->state < TCP_GONE && !c->fin_in)
        tcp_conn_output(t, c);
}

uint32_t
tcp_room(const struct tcp *t, uint64_t id)
{
    const struct tcp_conn *c = tcp_conn_of(t, id);
    if (!c || (c->state != TCP_ESTABLISHED && c->state != TCP_CLOSE_WAIT) || c->user_closed)
        return 0;
    uint32_t held = c->end - c->una, most = 2 * c->cc.cwnd, least = 2 * (uint32_t)c->mss;
    if (most > c->snd_wnd)
        most = c->snd_wnd;
    if (most < least) /* there must be something to probe a closed window with */
        most = least;
    if (most > t->config.snd_bytes)
        most = t->config.snd_bytes;
    return most > held ? most - held : 0;
}

int
tcp_send(struct tcp *t, uint64_t id, const struct view *views, uint32_t count)
{
    return tcp_lend(t, id, views, count, NULL);
}

int
tcp_lend(struct tcp *t, uint64_t id, const struct view *views, uint32_t count,
         struct packet_ref *owner)
{
    struct tcp_conn *c = tcp_conn_of(t, id);
    if (!c)
        return ERR_NOT_FOUND;
    if (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECEIVED)
        return 0;
    if ((c->state != TCP_ESTABLISHED && c->state != TCP_CLOSE_WAIT) || c->user_closed)
        return ERR_CLOSED;
    uint32_t taken = 0, held = c->end - c->una;
    uint32_t room = held < t->config.snd_bytes ? t->config.snd_bytes - held : 0;
    if (count > TCP_SEND_VIEWS_MAX)
        count = TCP_SEND_VIEWS_MAX;
    for (uint32_t i = 0; i < count && room; i++) {
        struct view v = views[i];
        if (v.len == 0)
            continue;
        if (v.len > room)
            v.len = room;
        if (tcp_ext_append(t, c, v, owner) == 0)
            break;
        taken += v.len;
        room -= v.len;
    }
    if (taken)
        tcp_conn_output(t, c);
    return (int)taken;
}

static void
fin_queue(struct tcp *t, struct tcp_conn *c)
{
    if (c->state == TCP_ESTABLISHED)
        c->state = TCP_FIN_WAIT_1;
    else if (c->state == TCP_CLOSE_WAIT)
        c->state = TCP_LAST_ACK;
    else
        return;
    c->fin_queued = true;
    tcp_conn_output(t, c);
}

void
tcp_shutdown(struct tcp *t, uint64_t id)
{
    struct tcp_conn *c = tcp_conn_of(t, id);
    if (!c)
        return;
    if (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECEIVED)
        tcp_abort(t, id);
    else
        fin_queue(t, c);
}

void
tcp_close(struct tcp *t, uint64_t id)
{
    struct tcp_conn *c = tcp_conn_of(t, id);
    if (!c || c->user_closed)
        return;
    tcp_conn_user_closed(t, c);
    if (c->state == TCP_GONE)
        return;
    if (c->rcv.ready_bytes || c->state <= TCP_SYN_RECEIVED) { /* RFC 9293 SHLD-3 */
        tcp_abort(t, id);
        return;
    }
    fin_queue(t, c);
    c->linger_due = t->now_us + t->config.linger_us;
    tcp_timer_arm(t, c);
}

void
tcp_abort(struct tcp *t, uint64_t id)
{
    struct tcp_conn *c = tcp_conn_of(t, id);
    if (!c)
        return;
    if (!c->user_closed)
        tcp_conn_user_closed(t, c);
    if (c->state == TCP_GONE)
        return;
    if (c->state != TCP_SYN_SENT)
        tcp_output_reset(t, c);
    tcp_conn_gone(t, c, TCP_ABORTED);
}

bool
tcp_inspect(const struct tcp *t, uint64_t id, struct tcp_info *out)
{
    static const char *const names[] = {
#define TCP_STATE_NAME(name) #name,
        TCP_STATES(TCP_STATE_NAME)
#undef TCP_STATE_NAME
    };
    const struct tcp_conn *c = tcp_conn_of(t, id);
    if (!c)
        return false;
    *out = (struct tcp_info){
        .state = names[c->state],
        .srtt_us = c->rtt.srtt_us,
        .rto_us = c->rtt.rto_us,
        .cwnd = c->cc.cwnd,
        .ssthresh = c->cc.ssthresh,
        .flight = tcp_flight(c),
        .snd_wnd = c->snd_wnd,
        .rcv_wnd = tcp_rcv_window(c),
        .mss = c->mss,
        .unread = c->rcv.ready_bytes,
        .unsent = c->end - c->nxt,
        .resent_segs = c->resent_segs,
        .timeouts = c->timeouts,
        .undone = c->undone,
    };
    return true;
}
