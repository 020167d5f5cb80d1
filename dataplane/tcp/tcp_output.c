/* tcp_output.c: what leaves, and when it may.
 *
 * tcp_output_conn() sends, as far as windows and room go: lost segments first, then new bytes, then
 * an acknowledgement if one is still owed.  Packets gather in t->out and go down in bursts; while
 * one waits there its bytes are held, so that an acknowledgement in between frees nothing. */
#include "dataplane/tcp/tcp_core.h"

enum step { STEP_SENT, STEP_NOTHING, STEP_NO_ROOM };

void
tcp_output_push(struct tcp *t)
{
    if (t->out_count)
        t->port.ops->send(t->port.self, t->out, t->out_count);
    for (uint32_t i = 0; i < t->out_count; i++)
        for (uint32_t k = 0; k < t->out[i].span_count; k++)
            if (t->out[i].spans[k].ref)
                packet_drop(t->out[i].spans[k].ref);
    t->out_count = t->out_room = 0;
    t->burst.conn = NULL;
}

static struct packet_out *
packet_start(struct tcp *t, const struct tcp_flow *f)
{
    uint32_t link = tcp_link(t, f);
    if (t->out_count == t->out_room || link != t->out_link) {
        if (t->out_full & 1u << link)
            return NULL;
        tcp_output_push(t);
        t->out_link = link;
        t->out_room = t->port.ops->room(t->port.self, link);
        if (t->out_room > PACKET_BURST)
            t->out_room = PACKET_BURST;
        if (t->out_room == 0) {
            t->out_full |= 1u << link;
            return NULL;
        }
    }
    struct packet_out *p = &t->out[t->out_count];
    memcpy(p->src, f->local, sizeof p->src);
    memcpy(p->dst, f->remote, sizeof p->dst);
    p->traffic_class = (uint8_t)(t->config.dscp << 2);
    p->span_count = 0;
    p->segment_bytes = 0;
    p->payload_bytes = 0;
    return p;
}

static void
packet_end(struct tcp *t, struct packet_out *p, const struct tcp_header *h)
{
    p->header_bytes = (uint8_t)tcp_header_write(p->header, h);
    for (uint32_t k = 0; k < p->span_count; k++)
        if (p->spans[k].ref)
            packet_hold(p->spans[k].ref);
    t->out_count++;
    t->burst.conn = NULL;
    tcp_bump(t, TCP_N_SEGS_OUT);
}

/* The smallest step by which the window opens. */
static uint32_t
window_step(const struct tcp *t, const struct tcp_conn *c)
{
    uint32_t half = t->config.rcv_bytes / 2;
    return c->mss < half ? c->mss : half;
}

/* What the frames that may still be pinned hold when they are full: promised more, the peer would
 * send what must be dropped. */
static uint32_t
frames_room(const struct tcp *t, const struct tcp_conn *c)
{
    uint32_t pinned = c->rcv.pinned_bytes, most = t->config.pinned_bytes;
    if (t->frame_bytes == 0)
        return UINT32_MAX;
    uint64_t frames = most > pinned ? (most - pinned) / t->frame_bytes : 0;
    uint64_t room = frames * c->mss + tcp_rcv_early(&c->rcv, &t->nodes);
    return room < UINT32_MAX ? (uint32_t)room : UINT32_MAX;
}

bool
tcp_output_window(struct tcp *t, struct tcp_conn *c)
{
    uint32_t unread = c->rcv.ready_bytes + c->rcv_held, room = frames_room(t, c);
    uint32_t free = t->config.rcv_bytes > unread ? t->config.rcv_bytes - unread : 0;
    free = free < room ? free : room;
    uint32_t target = c->rcv.next + free, step = window_step(t, c);
    if (c->fin_in || c->fin_in_seen)
        return false;
    if (seq_before(c->edge, target) && target - c->edge >= step)
        c->edge = target;
    uint32_t told = seq_before(c->rcv.next, c->wire_edge) ? c->wire_edge - c->rcv.next : 0;
    uint32_t now = tcp_rcv_window(c) >> c->rcv_scale;
    now = (now < UINT16_MAX ? now : UINT16_MAX) << c->rcv_scale;
    if (now <= told)
        return false;
    uint32_t enough = t->config.rcv_bytes / 4;
    if (enough < 2 * step)
        enough = 2 * step;
    if (enough > t->config.rcv_bytes / 2)
        enough = t->config.rcv_bytes / 2;
    return now - told >= enough || (told < step && now >= step);
}

/* Header of a segment of an open connection; tells the window, as tcp_output_window() has left it,
 * and settles acknowledgements. */
static struct tcp_header
header_of(struct tcp *t, struct tcp_conn *c, uint8_t flags, uint32_t seq, uint32_t option_room)
{
    const struct tcp_flow *f = tcp_table_flow(t->table, tcp_index(t, c));
    struct tcp_header h = {.src_port = f->local_port,
                           .dst_port = f->remote_port,
                           .seq = seq,
                           .ack = tcp_rcv_next(c),
                           .flags = flags};
    uint32_t window = tcp_rcv_window(c) >> c->rcv_scale;
    h.window = window < UINT16_MAX ? (uint16_t)window : UINT16_MAX;
    c->wire_edge = c->rcv.next + ((uint32_t)h.window << c->rcv_scale);
    h.options.has_ts = c->ts;
    h.options.ts_value = tcp_clock(t, c->ts_offset);
    h.options.ts_echo = c->ts_recent;
    bool owed = c->sack && (c->rcv.run_count || c->rcv.dup.first != c->rcv.dup.limit);
    uint32_t most = c->ts ? 3 : 4;
    if (option_room < 4 + 8 * most)
        most = option_room < 12 ? 0 : (option_room - 4) / 8;
    if (owed)
        h.options.sack_count = (uint8_t)tcp_rcv_sacks(&c->rcv, &t->nodes, h.options.sacks, most);
    if (!owed || h.options.sack_count) {
        c->ack_now = false;
        if (c->sack)
            c->owed_acks = 0;
    }
    c->ack_due = TCP_NEVER;
    c->unacked_in = 0;
    c->acked_to = c->rcv.next;
    return h;
}

static enum step
send_ack(struct tcp *t, struct tcp_conn *c)
{
    struct packet_out *p = packet_start(t, tcp_table_flow(t->table, tcp_index(t, c)));
    if (!p)
        return STEP_NO_ROOM;
    struct tcp_header h = header_of(t, c, TCP_ACK, c->nxt, TCP_OPTIONS_MAX);
    tcp_ecn_mark(c, p, &h, false);
    packet_end(t, p, &h);
    return STEP_SENT;
}

static enum step
send_syn(struct tcp *t, struct tcp_conn *c)
{
    const struct tcp_flow *f = tcp_table_flow(t->table, tcp_index(t, c));
    struct packet_out *p = packet_start(t, f);
    if (!p)
        return STEP_NO_ROOM;
    uint32_t window = t->config.rcv_bytes;
    bool answer = c->state == TCP_SYN_RECEIVED;
    uint8_t asks = tcp_ecn_syn(t, c);
    struct tcp_header h = {
        .src_port = f->local_port,
        .dst_port = f->remote_port,
        .seq = c->iss,
        .ack = answer ? c->irs + 1 : 0,
        .flags = answer ? TCP_SYN | TCP_ACK : TCP_SYN | asks,
        .window = window < UINT16_MAX ? (uint16_t)window : UINT16_MAX,
        .options = {.mss = (uint16_t)tcp_seg_max(t, f, UINT16_MAX),
                    .scale = tcp_scale_for(t),
                    .has_scale = !answer || c->rcv_scale || c->snd_scale,
                    .has_ts = !answer || c->ts,
                    .sack_permitted = !answer || c->sack,
                    .ts_value = tcp_clock(t, c->ts_offset),
                    .ts_echo = answer ? c->ts_recent : 0},
    };
    packet_end(t, p, &h);
    c->syn_due = c->ack_now = false;
    c->sent_us = c->rto_base_us = t->now_us;
    return STEP_SENT;
}

static uint8_t
flags_of(const struct tcp_conn *c, uint32_t end, bool fin)
{
    return (uint8_t)(TCP_ACK | (end == c->end ? TCP_PSH : 0) | (fin ? TCP_FIN : 0));
}

/* One segment of [seq, seq + len), with or without our FIN behind it; its length in the sequence
 * space, 0: no room below. */
static uint32_t
send_segment(struct tcp *t, struct tcp_conn *c, uint32_t seq, uint32_t len, bool fin)
{
    struct tcp_leaving s = {.seq = seq,
                            .len = len,
                            .flags = flags_of(c, seq + len, fin),
                            .fresh = len && seq == c->nxt};
    if (tcp_burst_join(t, c, &s))
        return len + fin;
    struct packet_out *p = packet_start(t, tcp_table_flow(t->table, tcp_index(t, c)));
    if (!p)
        return 0;
    uint32_t covered = len ? tcp_ext_spans(t, c, seq, len, p) : 0;
    fin = fin && covered == len;
    must(covered || fin);
    s.len = covered;
    s.flags = flags_of(c, seq + covered, fin);
    struct tcp_header h = header_of(t, c, s.flags, seq, c->mss - covered);
    tcp_ecn_mark(c, p, &h, s.fresh);
    packet_end(t, p, &h);
    s.flags = h.flags;
    tcp_burst_open(t, c, &s);
    return covered + fin;
}

static void
resent(struct tcp *t, struct tcp_conn *c, uint32_t i, uint32_t bytes)
{
    tcp_segs_resent(&c->segs, &t->segs, i, t->now_us);
    tcp_bump(t, TCP_N_SEGS_RESENT);
    c->resent_segs++;
    if (c->congestion == TCP_RECOVERY)
        tcp_cc_sent(&c->cc, bytes);
    if (c->congestion != TCP_OPEN)
        c->resent_bytes += bytes;
    if (c->undo && !c->undo_stamped) {
        c->undo_stamped = true;
        c->undo_ts = tcp_clock(t, c->ts_offset);
    }
}

static enum step
resend_segment(struct tcp *t, struct tcp_conn *c, uint32_t i)
{
    struct tcp_seg *g = &t->segs.at[i];
    uint32_t len = g->len - ((g->flags & SEG_FIN) != 0);
    if (len > c->mss) { /* the path has become smaller */
        if (!tcp_segs_split(&c->segs, &t->segs, i, c->mss)) {
            tcp_bump(t, TCP_N_SEGS_FULL);
            return STEP_NOTHING;
        }
        len = c->mss;
    }
    uint32_t sent = send_segment(t, c, g->seq, len, g->flags & SEG_FIN);
    if (sent == 0)
        return STEP_NO_ROOM;
    if (sent < g->len && !tcp_segs_split(&c->segs, &t->segs, i, sent))
        return STEP_NOTHING; /* it stays lost as a whole and is sent again */
    resent(t, c, i, sent);
    return STEP_SENT;
}

static enum step
send_lost(struct tcp *t, struct tcp_conn *c)
{
    uint32_t i = tcp_segs_lost(&c->segs, &t->segs);
    if (i == TCP_NONE)
        return STEP_NOTHING;
    const struct tcp_seg *g = &t->segs.at[i];
    uint32_t flight = tcp_flight(c), len = g->len < c->mss ? g->len : c->mss;
    if (flight && flight + len > c->cc.cwnd)
        return STEP_NOTHING;
    /* A window that has shrunk: only the first segment, as a probe. */
    if (g->seq != c->una && seq_before(c->una + c->snd_wnd, g->seq + len))
        return STEP_NOTHING;
    return resend_segment(t, c, i);
}

bool
tcp_output_tail(struct tcp *t, struct tcp_conn *c)
{
    uint32_t i = c->segs.last;
    (void)tcp_output_window(t, c);
    return i != TCP_NONE && !(t->segs.at[i].flags & SEG_SACKED) &&
           resend_segment(t, c, i) == STEP_SENT;
}

/* How much of the unsent may leave now by the peer's window; SWS avoidance and Nagle included.
 * over: the persist timer or a probe of the tail lets a small one go. */
static uint32_t
sendable(const struct tcp *t, const struct tcp_conn *c, bool over, bool *fin)
{
    *fin = false;
    if (c->nxt == tcp_send_limit(c))
        return 0;
    uint32_t unsent = c->end - c->nxt, limit = c->una + c->snd_wnd;
    uint32_t window = seq_before(c->nxt, limit) ? limit - c->nxt : 0;
    uint32_t len = unsent < window ? unsent : window;
    if (len > c->mss)
        len = c->mss;
    *fin = c->fin_queued && len == unsent && window > len;
    if (len == c->mss || *fin || over)
        return len;
    if (len < unsent)
        return len >= c->wnd_max / 2 ? len : 0;
    return t->config.nagle && c->segs.out_bytes ? 0 : len;
}

static void
note_sent(struct tcp *t, struct tcp_conn *c, uint32_t sent, bool fin)
{
    struct tcp_seg g = {
        .seq = c->nxt, .len = sent, .sent_us = t->now_us, .flags = fin ? SEG_FIN : 0};
    if (c->segs.out_bytes == 0)
        c->rto_base_us = t->now_us;
    tcp_segs_sent(&c->segs, &t->segs, &g);
    c->nxt += sent;
    c->sent_us = c->tlp_base_us = t->now_us;
    if (c->congestion == TCP_RECOVERY)
        tcp_cc_sent(&c->cc, sent);
}

static enum step
send_new(struct tcp *t, struct tcp_conn *c, bool over)
{
    bool fin;
    uint32_t len = sendable(t, c, over, &fin), flight = tcp_flight(c);
    if (len == 0 && !fin)
        return STEP_NOTHING;
    if (c->segs.out_bytes == 0 && c->sent_us && c->congestion == TCP_OPEN) {
        uint64_t idle_us = t->now_us - c->rto_base_us;
        if (idle_us > c->rtt.rto_us)
            tcp_cc_idle(&c->cc);
        else
            tcp_cc_paused(&c->cc, idle_us);
    }
    if (!over && flight && flight + len > c->cc.cwnd)
        return STEP_NOTHING;
    if (!tcp_segs_room(&c->segs, &t->segs)) {
        tcp_bump(t, TCP_N_SEGS_FULL);
        if (c->segs.out_bytes == 0) /* no acknowledgement will bring us back here */
            tcp_conn_starve(t, c);
        return STEP_NOTHING;
    }
    uint32_t sent = send_segment(t, c, c->nxt, len, fin);
    if (sent == 0)
        return STEP_NO_ROOM;
    note_sent(t, c, sent, fin && sent == len + 1);
    return STEP_SENT;
}

bool
tcp_output_forced(struct tcp *t, struct tcp_conn *c)
{
    (void)tcp_output_window(t, c);
    return send_new(t, c, true) == STEP_SENT;
}

static enum step
send_acks(struct tcp *t, struct tcp_conn *c)
{
    if (!c->ack_now && c->owed_acks == 0)
        return STEP_NOTHING;
    enum step step = send_ack(t, c);
    while (step == STEP_SENT && c->owed_acks) {
        c->owed_acks--;
        if (c->owed_acks)
            step = send_ack(t, c);
    }
    return step;
}

void
tcp_output_conn(struct tcp *t, struct tcp_conn *c)
{
    enum step step = STEP_SENT;
    if (c->state <= TCP_SYN_RECEIVED) {
        if (c->syn_due) {
            step = send_syn(t, c);
        } else if (c->ack_now) {
            (void)tcp_output_window(t, c);
            step = send_ack(t, c);
        }
    } else {
        if (tcp_output_window(t, c))
            c->ack_now = true;
        uint32_t left = TCP_CONN_BURST;
        for (; left && step == STEP_SENT; left--) {
            step = send_lost(t, c);
            if (step == STEP_NOTHING)
                step = send_new(t, c, false);
        }
        if (left == 0 && step == STEP_SENT)
            tcp_conn_output(t, c);
        if (step != STEP_NO_ROOM)
            step = send_acks(t, c);
    }
    if (step == STEP_NO_ROOM)
        tcp_conn_block(t, c);
    tcp_timer_rtx(t, c);
}

void
tcp_output_probe(struct tcp *t, struct tcp_conn *c)
{
    static const uint8_t junk[1];
    struct packet_out *p = packet_start(t, tcp_table_flow(t->table, tcp_index(t, c)));
    if (!p)
        return;
    (void)tcp_output_window(t, c);
    /* A number that the peer has long acknowledged, with a byte: some answer only to bytes. */
    struct tcp_header h = header_of(t, c, TCP_ACK, c->una - 1, TCP_OPTIONS_MAX);
    p->spans[p->span_count++] = (struct packet_span){view_of(junk, 1), NULL};
    p->payload_bytes = 1;
    packet_end(t, p, &h);
}

void
tcp_output_reset(struct tcp *t, struct tcp_conn *c)
{
    const struct tcp_flow *f = tcp_table_flow(t->table, tcp_index(t, c));
    struct tcp_header h = {.src_port = f->local_port,
                           .dst_port = f->remote_port,
                           .seq = c->nxt,
                           .ack = tcp_rcv_next(c),
                           .flags = TCP_RST | TCP_ACK};
    if (tcp_output_bare(t, f, &h, false))
        tcp_bump(t, TCP_N_RESETS_OUT);
}

bool
tcp_output_bare(struct tcp *t, const struct tcp_flow *f, const struct tcp_header *h, bool limited)
{
    if (limited) { /* a bucket of one second, full at the start */
        uint64_t cost = 1000000 / t->config.replies_per_s;
        uint64_t at = t->reply_tokens_us > t->now_us ? t->reply_tokens_us : t->now_us;
        if (at + cost > t->now_us + 1000000) {
            tcp_bump(t, TCP_N_DROP_REPLY_LIMIT);
            return false;
        }
        t->reply_tokens_us = at + cost;
    }
    struct packet_out *p = packet_start(t, f);
    if (!p)
        return false;
    packet_end(t, p, h);
    return true;
}
