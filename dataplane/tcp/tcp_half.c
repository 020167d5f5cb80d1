/* tcp_half.c: passive opens until the handshake is done: the SYN cache and, when it is full,
 * cookies (RFC 4987).  A SYN never makes a connection.
 *
 * An entry answers with SYN-ACK, again after 1, 2, 4 ... s, and becomes a connection with the first
 * acceptable ACK, whose bytes and FIN count.  While all connections are in use such an ACK is
 * dropped without a word and the entry stays.
 *
 * Cookie, our initial number:  5 bits period of 67 s | 3 bits index of MSS | 24 bits SipHash of
 * flow, period, their initial number and the options.  Window scale, ECN and SACK travel in the
 * low 6 bits of our timestamp; without timestamps there is none of them. */
#include "dataplane/tcp/tcp_core.h"

enum { TS_BITS = 6, TS_SACK = 1 << 5, TS_ECN = 1 << 4, NO_SCALE = 15 };

static const uint16_t cookie_mss[8] = {TCP_MSS_MIN, 536, 1220, 1300, 1440, 1460, 4312, 8940};

static struct tcp_syn
syn_of(const struct tcp *t, const struct tcp_seen *s, uint16_t listener)
{
    const struct tcp_options *o = &s->h.options;
    return (struct tcp_syn){
        .irs = s->h.seq,
        .iss = tcp_isn(t, &s->flow),
        .ts_recent = o->ts_value,
        .ts_offset = tcp_ts_offset(t, &s->flow),
        .window = s->h.window,
        .mss = o->mss,
        .scale = o->scale,
        .has_scale = o->has_scale,
        .ts = o->has_ts,
        .sack = o->sack_permitted,
        .ecn = tcp_ecn_asked(t, &s->h),
        .listener = listener,
        .sent_us = t->now_us,
        .next = TCP_NONE,
    };
}

static void
answer(struct tcp *t, const struct tcp_flow *f, const struct tcp_syn *y, uint32_t ts_value)
{
    uint32_t window = t->config.rcv_bytes;
    struct tcp_header h = {
        .src_port = f->local_port,
        .dst_port = f->remote_port,
        .seq = y->iss,
        .ack = y->irs + 1,
        .flags = (uint8_t)(TCP_SYN | TCP_ACK | (y->ecn ? TCP_ECE : 0)),
        .window = window < UINT16_MAX ? (uint16_t)window : UINT16_MAX,
        .options = {.mss = (uint16_t)tcp_seg_max(t, f, UINT16_MAX),
                    .scale = tcp_scale_for(t),
                    .has_scale = y->has_scale,
                    .has_ts = y->ts,
                    .sack_permitted = y->sack,
                    .ts_value = ts_value,
                    .ts_echo = y->ts_recent},
    };
    tcp_output_bare(t, f, &h, false);
}

static uint32_t
cookie_of(const struct tcp *t, const struct tcp_flow *f, uint32_t period, uint32_t irs,
          uint32_t bits)
{
    uint64_t more = (uint64_t)irs << 32 | (uint64_t)(bits & 0xff) << 24 | (period & 0xffffff);
    return (uint32_t)tcp_key_flow(&t->key, f, TCP_FOR_COOKIE, more) & 0xffffff;
}

static void
cookie_answer(struct tcp *t, const struct tcp_seen *s, uint16_t listener)
{
    struct tcp_syn y = syn_of(t, s, listener);
    uint32_t mss = tcp_seg_max(t, &s->flow, y.mss), index = 7;
    while (index && cookie_mss[index] > mss)
        index--;
    uint32_t bits =
        (y.has_scale ? y.scale : NO_SCALE) | (y.sack ? TS_SACK : 0) | (y.ecn ? TS_ECN : 0);
    y.has_scale = y.has_scale && y.ts;
    y.sack = y.sack && y.ts;
    y.ecn = y.ecn && y.ts;
    uint32_t clock = tcp_clock(t, y.ts_offset), ts = (clock >> TS_BITS << TS_BITS) | bits;
    if (seq_before(clock, ts))
        ts -= 1u << TS_BITS;
    uint32_t period = (uint32_t)(t->now_us >> TCP_COOKIE_PERIOD_SHIFT);
    uint32_t mac = cookie_of(t, &s->flow, period, y.irs, index << 5 | (y.ts ? 1 : 0));
    y.iss = (period & 31) << 27 | index << 24 | mac;
    t->cookie_us = t->now_us;
    tcp_bump(t, TCP_N_COOKIES_OUT);
    answer(t, &s->flow, &y, ts);
}

static void
entry_free(struct tcp *t, uint32_t i)
{
    tcp_wheel_arm(t->wheel, i, TCP_NEVER);
    tcp_table_remove(t->table, i);
    t->syns[i - t->config.conns].next = t->syn_free;
    t->syn_free = i - t->config.conns;
    t->syns_used--;
}

void
tcp_half_syn(struct tcp *t, struct tcp_seen *s, uint16_t listener)
{
    uint32_t k = t->syn_free;
    if (k == TCP_NONE) {
        cookie_answer(t, s, listener);
        return;
    }
    uint32_t i = t->config.conns + k, next = t->syns[k].next;
    if (!tcp_table_put(t->table, &s->flow, i))
        return;
    t->syn_free = next;
    t->syns_used++;
    t->syns[k] = syn_of(t, s, listener);
    answer(t, &s->flow, &t->syns[k], tcp_clock(t, t->syns[k].ts_offset));
    tcp_wheel_arm(t->wheel, i, t->now_us + t->config.rto_us);
}

void
tcp_half_timer(struct tcp *t, uint32_t i)
{
    struct tcp_syn *y = &t->syns[i - t->config.conns];
    if (++y->tries > t->config.syn_tries) {
        tcp_bump(t, TCP_N_DROP_HALF_OPEN);
        entry_free(t, i);
        return;
    }
    answer(t, tcp_table_flow(t->table, i), y, tcp_clock(t, y->ts_offset));
    tcp_wheel_arm(t->wheel, i, t->now_us + ((uint64_t)t->config.rto_us << y->tries));
}

void
tcp_half_drop_all(struct tcp *t)
{
    for (uint32_t i = t->config.conns; i < t->config.conns + t->config.half_open; i++)
        if (tcp_wheel_armed(t->wheel, i))
            entry_free(t, i);
}

static void
open_with(struct tcp *t, struct tcp_conn *c, const struct tcp_syn *y)
{
    struct tcp_options o = {.mss = y->mss,
                            .scale = y->scale,
                            .has_scale = y->has_scale,
                            .has_ts = y->ts,
                            .ts_value = y->ts_recent,
                            .sack_permitted = y->sack};
    c->iss = y->iss;
    c->irs = y->irs;
    c->ts_offset = y->ts_offset;
    c->listener = y->listener;
    c->ecn = y->ecn;
    tcp_conn_start(t, c, &o, y->window);
    c->state = TCP_ESTABLISHED;
    tcp_bump(t, TCP_N_ACCEPTED);
    tcp_conn_event(t, c, TCP_ACCEPTED);
}

enum cookie_kind { COOKIE_UNUSED, COOKIE_BAD, COOKIE_GOOD };

/* Whether an ACK answers a cookie of ours.  Only while cookies were given out lately: otherwise any
 * ACK could be a guess. */
static enum cookie_kind
cookie_read(const struct tcp *t, const struct tcp_seen *s, uint16_t listener, struct tcp_syn *y)
{
    const struct tcp_header *h = &s->h;
    uint32_t now = (uint32_t)(t->now_us >> TCP_COOKIE_PERIOD_SHIFT);
    if (t->cookie_us == 0 || t->now_us - t->cookie_us > UINT64_C(2) << TCP_COOKIE_PERIOD_SHIFT)
        return COOKIE_UNUSED;
    *y = syn_of(t, s, listener);
    y->irs = h->seq - 1;
    y->iss = h->ack - 1;
    y->sack = y->has_scale = y->ecn = false;
    uint32_t index = y->iss >> 24 & 7, age = (now - (y->iss >> 27)) & 31;
    uint32_t mac = cookie_of(t, &s->flow, now - age, y->irs, index << 5 | (y->ts ? 1 : 0));
    if (age > 1 || mac != (y->iss & 0xffffff))
        return COOKIE_BAD;
    if (y->ts) {
        uint32_t bits = h->options.ts_echo & ((1u << TS_BITS) - 1);
        y->has_scale = (bits & 15) != NO_SCALE;
        y->scale = bits & 15;
        y->sack = bits & TS_SACK;
        y->ecn = bits & TS_ECN;
    }
    y->mss = cookie_mss[index];
    y->window = (uint32_t)h->window << (y->has_scale ? y->scale : 0);
    return COOKIE_GOOD;
}

static void
cookie_open(struct tcp *t, struct tcp_seen *s, const struct tcp_syn *y)
{
    struct tcp_conn *c = tcp_conn_new(t, &s->flow);
    if (!c) {
        tcp_bump(t, TCP_N_DROP_CONN_LIMIT);
        return;
    }
    open_with(t, c, y);
    tcp_bump(t, TCP_N_COOKIES_IN);
    tcp_state_input(t, c, s);
    tcp_timer_arm(t, c);
}

static void
reset_for(struct tcp *t, const struct tcp_seen *s)
{
    struct tcp_header h = {
        .src_port = s->h.dst_port, .dst_port = s->h.src_port, .seq = s->h.ack, .flags = TCP_RST};
    if (tcp_output_bare(t, &s->flow, &h, true))
        tcp_bump(t, TCP_N_RESETS_OUT);
}

/* A segment that does not complete the handshake.  True: it was one. */
static bool
incomplete(struct tcp *t, uint32_t i, struct tcp_syn *y, struct tcp_seen *s)
{
    const struct tcp_header *h = &s->h;
    if (h->flags & TCP_RST) {
        if (h->seq == y->irs + 1)
            entry_free(t, i);
        else
            tcp_bump(t, TCP_N_DROP_RST);
        return true;
    }
    if (h->flags & TCP_SYN) {
        /* One of the two SYNs is a stranger's, and which is not known: each gets an answer, the
         * second without being kept. */
        if (h->flags & TCP_ACK) {
            tcp_bump(t, TCP_N_DROP_SYN);
        } else if (h->seq == y->irs) {
            /* Sent again without asking for ECN: its answer may have been lost for that. */
            y->ecn = t->syns[i - t->config.conns].ecn = y->ecn && tcp_ecn_asked(t, h);
            answer(t, &s->flow, y, tcp_clock(t, y->ts_offset));
        } else {
            cookie_answer(t, s, y->listener);
        }
        return true;
    }
    if (!(h->flags & TCP_ACK))
        return true;
    if (h->ack != y->iss + 1) { /* of a cookie, and this entry of a stranger's SYN? */
        struct tcp_syn cookie;
        enum cookie_kind kind = cookie_read(t, s, y->listener, &cookie);
        if (kind == COOKIE_GOOD) {
            entry_free(t, i);
            cookie_open(t, s, &cookie);
        } else if (kind == COOKIE_UNUSED) {
            reset_for(t, s);
        }
        return true;
    }
    bool old = y->ts && h->options.has_ts && seq_before(h->options.ts_value, y->ts_recent);
    if (old || !seq_in(h->seq, y->irs + 1, y->irs + 1 + UINT16_MAX)) {
        tcp_bump(t, TCP_N_DROP_SEQ);
        return true;
    }
    return false;
}

void
tcp_half_input(struct tcp *t, uint32_t i, struct tcp_seen *s)
{
    struct tcp_syn y = t->syns[i - t->config.conns];
    if (incomplete(t, i, &y, s))
        return;
    if (t->conn_free == TCP_NONE) {
        tcp_bump(t, TCP_N_DROP_CONN_LIMIT);
        return;
    }
    entry_free(t, i);
    struct tcp_conn *c = tcp_conn_new(t, &s->flow);
    if (!c)
        return;
    open_with(t, c, &y);
    if (y.tries == 0)
        tcp_rtt_sample(&c->rtt, t->now_us - y.sent_us);
    else
        tcp_rtt_unknown(&c->rtt);
    tcp_state_input(t, c, s);
    tcp_timer_arm(t, c);
}

bool
tcp_half_cookie(struct tcp *t, struct tcp_seen *s, uint16_t listener)
{
    struct tcp_syn y;
    enum cookie_kind kind = cookie_read(t, s, listener, &y);
    if (kind == COOKIE_GOOD)
        cookie_open(t, s, &y);
    else if (kind == COOKIE_BAD) /* perhaps the second segment has overtaken the first: no reset */
        tcp_bump(t, TCP_N_DROP_COOKIE);
    return kind != COOKIE_UNUSED;
}
