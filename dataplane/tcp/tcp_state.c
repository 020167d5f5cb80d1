/* tcp_state.c: a segment of a connection, in the order of RFC 9293 3.10.7: timestamp (RFC 7323),
 * sequence, RST and SYN (RFC 5961), ACK, bytes, FIN. */
#include "dataplane/tcp/tcp_core.h"

#define PAWS_IDLE_US (UINT64_C(24) * 86400 * 1000000)

static void
connected(struct tcp *t, struct tcp_conn *c)
{
    c->state = TCP_ESTABLISHED;
    if (c->rto_count == 0)
        tcp_rtt_sample(&c->rtt, t->now_us - c->sent_us);
    else
        tcp_rtt_unknown(&c->rtt);
    c->rto_count = 0;
    c->ack_now = true;
    tcp_bump(t, TCP_N_CONNECTED);
    tcp_conn_event(t, c, TCP_CONNECTED);
    tcp_conn_output(t, c);
}

static void
syn_sent_input(struct tcp *t, struct tcp_conn *c, struct tcp_seen *s)
{
    const struct tcp_header *h = &s->h;
    bool acked = (h->flags & TCP_ACK) && h->ack == c->iss + 1;
    if ((h->flags & TCP_ACK) && !acked) {
        struct tcp_header reset = {
            .src_port = h->dst_port, .dst_port = h->src_port, .seq = h->ack, .flags = TCP_RST};
        if (h->flags & TCP_RST)
            tcp_bump(t, TCP_N_DROP_RST);
        else if (tcp_output_bare(t, &s->flow, &reset, true))
            tcp_bump(t, TCP_N_RESETS_OUT);
        return;
    }
    if (h->flags & TCP_RST) {
        if (acked)
            tcp_conn_gone(t, c, TCP_REFUSED);
        else
            tcp_bump(t, TCP_N_DROP_RST);
        return;
    }
    if (!(h->flags & TCP_SYN))
        return;
    c->irs = h->seq;
    tcp_ecn_answered(c, h);
    tcp_conn_start(t, c, &h->options, h->window);
    if (acked) {
        connected(t, c);
        return;
    }
    c->state = TCP_SYN_RECEIVED;
    c->syn_due = true;
    tcp_conn_output(t, c);
}

static void
answer_outside(struct tcp *t, struct tcp_conn *c, bool pure)
{
    if (pure && t->now_us < c->outside_us)
        return;
    if (pure)
        c->outside_us = t->now_us + t->config.challenge_us;
    c->ack_now = true;
    tcp_conn_output(t, c);
}

static bool
paws_old(const struct tcp_conn *c, const struct tcp_header *h)
{
    return c->ts && h->options.has_ts && seq_before(h->options.ts_value, c->ts_recent);
}

/* RFC 7323 5.5: the peer's clock may have gone half around, what came last says nothing more. */
static bool
ts_recent_stale(const struct tcp *t, const struct tcp_conn *c)
{
    return t->now_us - c->ts_recent_us > PAWS_IDLE_US;
}

/* An old timestamp: a duplicate from before the numbers wrapped. */
static bool
paws_drop(struct tcp *t, struct tcp_conn *c, const struct tcp_header *h)
{
    if (!paws_old(c, h) || h->flags & TCP_RST || ts_recent_stale(t, c))
        return false;
    tcp_bump(t, TCP_N_DROP_PAWS);
    answer_outside(t, c, h->payload.len == 0 && !(h->flags & TCP_FIN));
    return true;
}

static bool
in_window(const struct tcp_conn *c, const struct tcp_header *h, uint32_t len)
{
    uint32_t next = tcp_rcv_next(c);
    uint32_t edge = seq_max(c->edge, next);
    if (len == 0 || edge == next)
        return seq_upto(next, h->seq) && seq_upto(h->seq, edge);
    return seq_before(h->seq, edge) && seq_before(next, h->seq + len);
}

static void
outside(struct tcp *t, struct tcp_conn *c, const struct tcp_header *h, uint32_t len)
{
    tcp_bump(t, TCP_N_DROP_SEQ);
    if (h->flags & TCP_RST)
        return;
    /* Bytes of the past: say so (RFC 2883). */
    if (h->payload.len && seq_upto(h->seq + h->payload.len, c->rcv.next) &&
        c->rcv.next - h->seq < c->wire_edge - c->irs)
        c->rcv.dup = (struct tcp_range){h->seq, h->seq + h->payload.len};
    answer_outside(t, c, len == 0);
}

/* RFC 5961 3 and 4.  True: the segment is done with. */
static bool
rst_or_syn(struct tcp *t, struct tcp_conn *c, const struct tcp_header *h)
{
    if (h->flags & TCP_RST) {
        if (h->seq == tcp_rcv_next(c) || mutant(MUTANT_TCP_BLIND_RST)) {
            tcp_conn_gone(t, c, c->state == TCP_SYN_RECEIVED ? TCP_REFUSED : TCP_RESET);
        } else {
            tcp_bump(t, TCP_N_DROP_RST);
            tcp_ack_challenge(t, c);
        }
        return true;
    }
    if (h->flags & TCP_SYN) {
        tcp_bump(t, TCP_N_DROP_SYN);
        tcp_ack_challenge(t, c);
        return true;
    }
    return false;
}

static void
bytes_result(struct tcp *t, struct tcp_conn *c, enum tcp_rcv_result r, uint32_t bytes)
{
    switch (r) {
    case TCP_RCV_IN_ORDER:
        c->unacked_in += bytes;
        if (c->unacked_in >= 2 * c->mss || c->ack_now)
            c->ack_now = true;
        else if (c->ack_due == TCP_NEVER)
            c->ack_due = t->now_us + t->config.delack_us;
        tcp_conn_event(t, c, TCP_READABLE);
        break;
    case TCP_RCV_FILLED:
        c->ack_now = true;
        tcp_conn_event(t, c, TCP_READABLE);
        break;
    case TCP_RCV_DROPPED:
        tcp_bump(t, TCP_N_DROP_MEMORY);
        c->ack_now = true;
        break;
    default:
        c->ack_now = true;
        if (!c->sack && c->owed_acks < TCP_OWED_ACKS)
            c->owed_acks++;
    }
    tcp_conn_output(t, c);
}

/* False: nobody reads any more and the connection is gone. */
static bool
bytes_input(struct tcp *t, struct tcp_conn *c, struct tcp_seen *s)
{
    struct tcp_arrival a = {.seq = s->h.seq,
                            .bytes = s->h.payload,
                            .frame = s->packet->frame,
                            .pinned_bytes = s->packet->pinned_bytes,
                            .pinned_max = t->config.pinned_bytes};
    uint32_t limit = c->fin_in_seen ? c->fin_in_seq : c->edge, before = c->rcv.next;
    if (c->fin_in || a.bytes.len == 0)
        return true;
    if (!seq_before(a.seq, limit)) { /* a closed window, or after the FIN */
        c->ack_now = true;
        tcp_conn_output(t, c);
        return true;
    }
    if (seq_before(limit, a.seq + a.bytes.len))
        a.bytes.len = limit - a.seq;
    if (c->user_closed && seq_before(c->rcv.next, a.seq + a.bytes.len)) {
        tcp_output_reset(t, c);
        tcp_conn_gone(t, c, TCP_ABORTED);
        return false;
    }
    s->frame_kept = true;
    enum tcp_rcv_result r = tcp_rcv_add(&c->rcv, &t->nodes, &t->frames, &a);
    bytes_result(t, c, r, c->rcv.next - before);
    return true;
}

static void
fin_arrived(struct tcp *t, struct tcp_conn *c)
{
    c->fin_in = true;
    c->ack_now = true;
    tcp_conn_event(t, c, TCP_EOF);
    tcp_conn_output(t, c);
    if (c->state == TCP_ESTABLISHED)
        c->state = TCP_CLOSE_WAIT;
    else if (c->state == TCP_FIN_WAIT_1)
        c->state = TCP_CLOSING;
    else
        tcp_wait_start(t, c);
}

static void
fin_input(struct tcp *t, struct tcp_conn *c, const struct tcp_header *h)
{
    uint32_t at = h->seq + h->payload.len;
    if (h->flags & TCP_FIN && !c->fin_in_seen && !seq_before(at, c->rcv.next) &&
        seq_before(at, c->edge) && seq_upto(tcp_rcv_limit(&c->rcv, &t->nodes), at)) {
        c->fin_in_seen = true;
        c->fin_in_seq = at;
    }
    if (h->flags & TCP_FIN) {
        c->ack_now = true;
        tcp_conn_output(t, c);
    }
    if (c->fin_in_seen && !c->fin_in && c->rcv.next == c->fin_in_seq)
        fin_arrived(t, c);
}

static bool
handshake_done(struct tcp *t, struct tcp_conn *c, struct tcp_seen *s)
{
    if (s->h.ack != c->iss + 1) {
        struct tcp_header reset = {.src_port = s->h.dst_port,
                                   .dst_port = s->h.src_port,
                                   .seq = s->h.ack,
                                   .flags = TCP_RST};
        if (tcp_output_bare(t, &s->flow, &reset, true))
            tcp_bump(t, TCP_N_RESETS_OUT);
        return false;
    }
    connected(t, c);
    c->ack_now = false;
    return true;
}

static void
heard(const struct tcp *t, struct tcp_conn *c)
{
    c->heard_us = t->now_us;
    c->keep_count = c->probe_count = 0;
}

/* RFC 7323 4.3. */
static void
timestamp_note(const struct tcp *t, struct tcp_conn *c, const struct tcp_header *h)
{
    if (c->ts && h->options.has_ts && seq_upto(h->seq, c->acked_to) &&
        (!seq_before(h->options.ts_value, c->ts_recent) || ts_recent_stale(t, c))) {
        c->ts_recent = h->options.ts_value;
        c->ts_recent_us = t->now_us;
    }
}

void
tcp_state_accept(struct tcp *t, struct tcp_conn *c, struct tcp_seen *s)
{
    const struct tcp_header *h = &s->h;
    if (c->state == TCP_SYN_RECEIVED && !handshake_done(t, c, s))
        return;
    heard(t, c);
    if (!tcp_ack_input(t, c, h) || c->state == TCP_GONE)
        return;
    timestamp_note(t, c, h);
    tcp_ecn_bytes(t, c, s);
    if (bytes_input(t, c, s))
        fin_input(t, c, h);
}

/* Header prediction: the next bytes in order of a connection that has nothing out and hears nothing
 * else, which is each segment of a large request but the first.  True: they are taken, with all
 * that tcp_state_accept() would have done. */
static bool
predicted(struct tcp *t, struct tcp_conn *c, struct tcp_seen *s)
{
    const struct tcp_header *h = &s->h;
    bool plain = c->state == TCP_ESTABLISHED && c->congestion == TCP_OPEN &&
                 c->segs.out_bytes == 0 &&
                 !(c->fin_queued | c->fin_in_seen | c->user_closed | c->ecn);
    bool next = h->seq == c->rcv.next && h->payload.len > 0 &&
                seq_upto(h->seq + h->payload.len, c->edge) && h->ack == c->una &&
                (h->flags & ~TCP_PSH) == TCP_ACK && h->options.sack_count == 0 &&
                (uint32_t)h->window << c->snd_scale == c->snd_wnd && seq_before(c->wl1, h->seq);
    if (!plain || !next || paws_old(c, h))
        return false;
    heard(t, c);
    c->wl1 = h->seq;
    c->wl2 = h->ack;
    timestamp_note(t, c, h);
    (void)bytes_input(t, c, s);
    return true;
}

void
tcp_state_input(struct tcp *t, struct tcp_conn *c, struct tcp_seen *s)
{
    const struct tcp_header *h = &s->h;
    if (c->state == TCP_SYN_SENT) {
        syn_sent_input(t, c, s);
        return;
    }
    if (predicted(t, c, s))
        return;
    uint32_t len = h->payload.len + !!(h->flags & TCP_FIN) + !!(h->flags & TCP_SYN);
    if (paws_drop(t, c, h))
        return;
    if (!in_window(c, h, len)) {
        outside(t, c, h, len);
        return;
    }
    if (rst_or_syn(t, c, h) || !(h->flags & TCP_ACK))
        return;
    tcp_state_accept(t, c, s);
}

void
tcp_state_acked_fin(struct tcp *t, struct tcp_conn *c)
{
    if (c->state == TCP_FIN_WAIT_1)
        c->state = TCP_FIN_WAIT_2;
    else if (c->state == TCP_CLOSING)
        tcp_wait_start(t, c);
    else if (c->state == TCP_LAST_ACK)
        tcp_conn_gone(t, c, TCP_DONE);
}
