/* tcp_ack.c: what an acknowledgement means for the sender: progress, losses, congestion.
 *
 * With SACK losses are found by RACK (tcp_segs.c), without by three duplicates (RFC 6582).
 *   OPEN      -> RECOVERY  a loss is seen: one reduction, PRR until recover_to is acknowledged
 *   any       -> LOSS      a timeout: one segment, slow start until recover_to
 *   both back -> OPEN      or at once, with the reduction taken back, when the echoed timestamp
 *                          shows that the original had arrived (Eifel, RFC 3522).
 * It is also taken back when the peer says of all that was sent again that it came twice (RFC
 * 3708), up to a round trip after the recovery. */
#include "dataplane/tcp/tcp_core.h"

enum { DUPLICATES = SEGS_DUPLICATES, REO_MULT_LARGEST = 64, REO_KEEP = 16 };

struct step {
    const struct tcp_header *h;
    struct tcp_ack_in in;
    struct tcp_ack_out out;
    uint32_t progress, prior_flight;
    bool duplicate;
};

void
tcp_ack_challenge(struct tcp *t, struct tcp_conn *c)
{
    if (t->now_us < c->challenge_us)
        return;
    c->challenge_us = t->now_us + t->config.challenge_us;
    c->ack_now = true;
    tcp_bump(t, TCP_N_CHALLENGES);
    tcp_conn_output(t, c);
}

/* RFC 5961 5.2, and never bytes that this connection has not sent. */
static bool
acceptable(const struct tcp_conn *c, uint32_t ack)
{
    uint32_t sent = c->una - (c->iss + 1);
    uint32_t back = sent < c->wnd_max ? sent : c->wnd_max;
    if (mutant(MUTANT_TCP_FUTURE_ACK))
        return true;
    return seq_upto(ack, c->nxt) && seq_upto(c->una - back, ack);
}

/* True: the window has changed.  Beside RFC 9293's rule an acknowledgement of more bytes counts
 * whatever its number: the window is told from it on, and would reach too far with the old size. */
static bool
window_update(struct tcp_conn *c, const struct tcp_header *h)
{
    bool more = seq_before(c->una, h->ack) && !mutant(MUTANT_TCP_WINDOW_BY_SEQ);
    if (!more && !seq_before(c->wl1, h->seq) && !(c->wl1 == h->seq && seq_upto(c->wl2, h->ack)))
        return false;
    uint32_t window = (uint32_t)h->window << c->snd_scale;
    bool changed = window != c->snd_wnd;
    c->snd_wnd = window;
    c->wl1 = h->seq;
    c->wl2 = h->ack;
    if (window > c->wnd_max)
        c->wnd_max = window;
    return changed;
}

static void
measure(struct tcp *t, struct tcp_conn *c, const struct step *s)
{
    if (s->out.rtt_us) {
        tcp_rtt_sample(&c->rtt, s->out.rtt_us);
        return;
    }
    if (s->progress && s->out.resent && s->in.has_ts && s->in.ts_echo) {
        uint32_t ms = tcp_clock(t, c->ts_offset) - s->in.ts_echo;
        if (ms < c->rtt.rto_max_us / 1000)
            tcp_rtt_sample(&c->rtt, (uint64_t)ms * 1000);
    }
}

static void
detect(struct tcp *t, struct tcp_conn *c, const struct tcp_ack_in *in)
{
    bool eager = c->congestion != TCP_OPEN || c->segs.sacked_bytes >= (uint32_t)DUPLICATES * c->mss;
    uint64_t wait = tcp_segs_detect(&c->segs, &t->segs, in, c->rtt.srtt_us, eager);
    c->reorder_due = wait ? t->now_us + wait : TCP_NEVER;
}

static void
enter_recovery(struct tcp *t, struct tcp_conn *c, uint32_t flight)
{
    c->congestion = TCP_RECOVERY;
    c->recover_to = c->nxt;
    c->undo = c->ts;
    c->undo_stamped = false;
    c->resent_bytes = 0;
    c->tlp_out = false;
    tcp_cc_recover(&c->cc, flight);
    tcp_cc_recovering(&c->cc, 0, tcp_flight(c), false);
    tcp_bump(t, TCP_N_RECOVERIES);
}

void
tcp_ack_enter_loss(struct tcp *t, struct tcp_conn *c)
{
    bool first = c->congestion != TCP_LOSS;
    if (first) {
        c->undo = c->ts;
        c->undo_stamped = false;
        c->resent_bytes = 0;
    }
    tcp_cc_timeout(&c->cc, tcp_flight(c), first);
    tcp_segs_lose_all(&c->segs, &t->segs);
    c->congestion = TCP_LOSS;
    c->recover_to = c->nxt;
    c->tlp_out = false;
    c->reorder_due = TCP_NEVER;
    c->reno_sacked = c->dupacks = 0;
}

/* The first progress after the first retransmission decides: an echo from before it was caused by
 * the original. */
static bool
by_echo(struct tcp_conn *c, const struct step *s)
{
    if (!c->undo || !c->undo_stamped || !s->progress)
        return false;
    c->undo = false;
    return s->in.has_ts && seq_before(s->in.ts_echo, c->undo_ts);
}

static bool
by_duplicates(struct tcp_conn *c, const struct step *s)
{
    if (c->congestion == TCP_OPEN && seq_before(c->resent_until, c->una))
        c->resent_bytes = 0; /* too late to belong to it */
    if (c->resent_bytes == 0 || s->out.dup_bytes == 0)
        return false;
    c->resent_bytes -= s->out.dup_bytes < c->resent_bytes ? s->out.dup_bytes : c->resent_bytes;
    return c->resent_bytes == 0;
}

static bool
undone(struct tcp *t, struct tcp_conn *c, const struct step *s)
{
    if (!by_echo(c, s) && !by_duplicates(c, s))
        return false;
    if (c->congestion != TCP_LOSS)
        c->segs.reordered = true;
    tcp_cc_undo(&c->cc);
    if (c->congestion != TCP_OPEN)
        tcp_segs_unlose(&c->segs, &t->segs);
    c->congestion = TCP_OPEN;
    c->reno_sacked = c->dupacks = 0;
    c->resent_bytes = 0;
    c->undo = false;
    c->undone++;
    tcp_bump(t, TCP_N_UNDONE);
    tcp_path_answered(t, c);
    return true;
}

/* RFC 8985 7.4.2. */
static void
tail_probe_answered(struct tcp_conn *c, const struct step *s)
{
    if (!c->tlp_out || seq_before(s->h->ack, c->tlp_end))
        return;
    bool later = seq_before(c->tlp_end, s->h->ack);
    if (c->tlp_resent && !s->out.dup_bytes && !later &&
        !(s->duplicate && s->h->options.sack_count == 0))
        return;
    c->tlp_out = false;
    if (c->tlp_resent && !s->out.dup_bytes && later && c->congestion == TCP_OPEN) {
        tcp_cc_recover(&c->cc, s->prior_flight);
        tcp_cc_recovered(&c->cc);
    }
}

/* RFC 8985 6.2 step 4: reports of duplicates widen the window for reordering. */
static void
reordering_adapt(struct tcp_conn *c, const struct step *s)
{
    struct tcp_segs *g = &c->segs;
    if (s->out.dup_bytes && seq_upto(g->reo_round, c->una)) {
        g->reo_round = c->nxt;
        g->reo_keep = REO_KEEP;
        if (g->reo_mult < REO_MULT_LARGEST)
            g->reo_mult++;
    }
}

static void
recovery_over(struct tcp_conn *c)
{
    if (c->congestion == TCP_RECOVERY)
        tcp_cc_recovered(&c->cc);
    c->congestion = TCP_OPEN;
    c->reno_sacked = c->dupacks = 0;
    c->undo = false;
    c->resent_until = c->nxt;
    if (c->segs.reo_keep && --c->segs.reo_keep == 0)
        c->segs.reo_mult = 1;
}

static void
step_open(struct tcp *t, struct tcp_conn *c, const struct step *s)
{
    uint32_t lost = c->segs.lost_bytes; /* what a narrow path dropped is no congestion */
    if (c->sack) {
        detect(t, c, &s->in);
    } else if (s->duplicate) {
        c->dupacks++;
        c->reno_sacked += c->mss;
        if (c->dupacks >= DUPLICATES && seq_before(c->recover_to, c->una))
            tcp_segs_lose_first(&c->segs, &t->segs);
    } else if (s->progress) {
        c->dupacks = c->reno_sacked = 0;
    }
    if (c->segs.lost_bytes > lost) {
        enter_recovery(t, c, s->prior_flight);
        return;
    }
    if (s->progress)
        tcp_cc_round(&c->cc, c->una, c->nxt, s->out.rtt_us);
    uint32_t window = c->cc.cwnd;
    bool full = s->prior_flight + 2 * c->mss >= window ||
                (window < c->cc.ssthresh && s->prior_flight >= window / 2);
    if (s->progress)
        tcp_cc_acked(&c->cc, s->progress, t->now_us, c->rtt.srtt_us, full);
}

static void
step_recovery(struct tcp *t, struct tcp_conn *c, const struct step *s)
{
    uint32_t delivered = s->out.acked + s->out.sacked, lost = c->segs.lost_bytes;
    if (c->sack) {
        detect(t, c, &s->in);
    } else if (s->duplicate) {
        c->reno_sacked += c->mss;
        delivered = c->mss;
    } else if (s->progress) {
        uint32_t gone = s->progress > c->mss ? s->progress - c->mss : 0;
        c->reno_sacked -= gone < c->reno_sacked ? gone : c->reno_sacked;
        tcp_segs_lose_first(&c->segs, &t->segs);
    }
    bool safe = s->progress && c->segs.lost_bytes <= lost;
    tcp_cc_recovering(&c->cc, delivered, tcp_flight(c), safe);
}

static void
step_loss(struct tcp *t, struct tcp_conn *c, const struct step *s)
{
    if (c->sack)
        detect(t, c, &s->in);
    if (s->progress)
        tcp_cc_acked(&c->cc, s->progress, t->now_us, c->rtt.srtt_us, true);
}

static void
congestion_step(struct tcp *t, struct tcp_conn *c, struct step *s)
{
    reordering_adapt(c, s);
    tail_probe_answered(c, s);
    if (undone(t, c, s) || s->prior_flight + s->out.acked + s->out.sacked == 0)
        return;
    if (c->congestion != TCP_OPEN && seq_upto(c->recover_to, c->una)) {
        recovery_over(c);
        tcp_path_answered(t, c);
    }
    switch (c->congestion) {
    case TCP_OPEN:
        step_open(t, c, s);
        break;
    case TCP_RECOVERY:
        step_recovery(t, c, s);
        break;
    default:
        step_loss(t, c, s);
    }
}

static void
progress_made(struct tcp *t, struct tcp_conn *c, uint32_t ack)
{
    c->una = ack;
    tcp_ext_acked(t, c, ack);
    c->rto_base_us = c->tlp_base_us = t->now_us;
    c->rto_count = 0;
    if (c->linger_due != TCP_NEVER)
        c->linger_due = t->now_us + t->config.linger_us;
}

bool
tcp_ack_input(struct tcp *t, struct tcp_conn *c, const struct tcp_header *h)
{
    if (!acceptable(c, h->ack)) {
        tcp_bump(t, TCP_N_DROP_ACK);
        tcp_ack_challenge(t, c);
        return false;
    }
    if (seq_before(h->ack, c->una))
        return true; /* old: only its bytes may be news */
    struct step s = {.h = h,
                     .in = {.now_us = t->now_us,
                            .min_rtt_us = c->rtt.min_us,
                            .has_ts = c->ts && h->options.has_ts,
                            .ts_echo = h->options.ts_echo,
                            .ts_offset = c->ts_offset},
                     .progress = h->ack - c->una,
                     .prior_flight = tcp_flight(c)};
    bool changed = window_update(c, h);
    s.duplicate = !s.progress && !changed && c->segs.out_bytes && h->payload.len == 0 &&
                  !(h->flags & (TCP_SYN | TCP_FIN));
    if (mutant(MUTANT_TCP_WINDOW_DUPACK))
        s.duplicate = !s.progress && c->segs.out_bytes;
    tcp_segs_acked(&c->segs, &t->segs, h->ack, &s.in, &s.out);
    if (s.progress)
        progress_made(t, c, h->ack);
    if (c->sack)
        tcp_segs_sacked(&c->segs, &t->segs, h, &s.in, &s.out);
    measure(t, c, &s);
    congestion_step(t, c, &s);
    tcp_ecn_acked(t, c, h, s.prior_flight);
    tcp_timer_rtx(t, c); /* it may be due already, for what has just been acknowledged */
    tcp_conn_output(t, c);
    if (c->fin_queued && c->una == tcp_send_limit(c))
        tcp_state_acked_fin(t, c);
    return true;
}

void
tcp_ack_reorder_due(struct tcp *t, struct tcp_conn *c)
{
    struct tcp_ack_in in = {.now_us = t->now_us, .min_rtt_us = c->rtt.min_us};
    uint32_t flight = tcp_flight(c), lost = c->segs.lost_bytes;
    detect(t, c, &in);
    if (c->segs.lost_bytes > lost && c->congestion == TCP_OPEN)
        enter_recovery(t, c, flight);
    else if (c->segs.lost_bytes && c->congestion == TCP_RECOVERY)
        tcp_cc_recovering(&c->cc, 0, tcp_flight(c), false);
    tcp_conn_output(t, c);
}
