/* tcp_timer.c: the deadlines of a connection.  The wheel has the first of them, as it was when
 * tcp_timer_arm() was last called; one that was put off since comes out early and is armed again.
 */
#include "dataplane/tcp/tcp_core.h"

/* What a peer may wait with its acknowledgement of one segment; of more. */
enum { TAIL_DELACK_US = 200000, TAIL_SLACK_US = 2000, BLACK_HOLE_TIMEOUTS = 2 };

static bool
tail_probe_wanted(const struct tcp_conn *c)
{
    return c->sack && c->congestion == TCP_OPEN && !c->tlp_out && c->rtt.srtt_us &&
           c->rto_count == 0 && c->segs.sacked_bytes == 0;
}

static void
persist_start(struct tcp *t, struct tcp_conn *c)
{
    if (c->rtx_kind != TCP_RTX_PERSIST) {
        c->rtx_kind = TCP_RTX_PERSIST;
        c->rto_base_us = t->now_us;
        c->backoff = 0;
    }
    uint64_t wait = (uint64_t)c->rtt.rto_us << (c->backoff < 16 ? c->backoff : 16);
    if (wait > t->config.persist_max_us)
        wait = t->config.persist_max_us;
    c->rtx_due = c->rto_base_us + wait;
}

void
tcp_timer_rtx(struct tcp *t, struct tcp_conn *c)
{
    if (c->state > TCP_SYN_RECEIVED && c->segs.out_bytes == 0) {
        if (c->nxt != tcp_send_limit(c) && !mutant(MUTANT_TCP_NO_PERSIST)) {
            persist_start(t, c);
        } else {
            c->rtx_kind = TCP_RTX_OFF;
            c->rtx_due = TCP_NEVER;
        }
        return;
    }
    c->rtx_kind = TCP_RTX_RTO;
    c->rtx_due = c->rto_base_us + c->rtt.rto_us;
    if (c->state <= TCP_SYN_RECEIVED)
        return;
    if (c->reorder_due < c->rtx_due) {
        c->rtx_kind = TCP_RTX_REORDER;
        c->rtx_due = c->reorder_due;
    } else if (tail_probe_wanted(c)) {
        uint64_t wait =
            2 * (uint64_t)c->rtt.srtt_us + (c->segs.count == 1 ? TAIL_DELACK_US : TAIL_SLACK_US);
        if (c->tlp_base_us + wait < c->rtx_due) {
            c->rtx_kind = TCP_RTX_TLP;
            c->rtx_due = c->tlp_base_us + wait;
        }
    }
}

void
tcp_timer_arm(struct tcp *t, struct tcp_conn *c)
{
    if (c->state == TCP_GONE || c->state == TCP_FREE)
        return;
    uint64_t due = c->rtx_due;
    due = c->ack_due < due ? c->ack_due : due;
    due = c->keep_due < due ? c->keep_due : due;
    due = c->linger_due < due ? c->linger_due : due;
    tcp_wheel_arm(t->wheel, tcp_index(t, c), due);
}

static void
give_up(struct tcp *t, struct tcp_conn *c)
{
    if (c->state != TCP_SYN_SENT)
        tcp_output_reset(t, c);
    tcp_conn_gone(t, c, TCP_TIMEOUT);
}

static void
syn_timeout(struct tcp *t, struct tcp_conn *c)
{
    if (++c->rto_count > t->config.open_tries) {
        give_up(t, c);
        return;
    }
    tcp_rtt_backoff(&c->rtt);
    c->rto_base_us = t->now_us;
    c->syn_due = true;
    tcp_conn_output(t, c);
}

static void
timeout(struct tcp *t, struct tcp_conn *c)
{
    tcp_bump(t, TCP_N_TIMEOUTS);
    c->timeouts++;
    if (++c->rto_count > t->config.data_tries) {
        give_up(t, c);
        return;
    }
    tcp_ack_enter_loss(t, c);
    tcp_rtt_backoff(&c->rtt);
    c->rto_base_us = t->now_us;
    const struct tcp_flow *f = tcp_table_flow(t->table, tcp_index(t, c));
    uint32_t small = iptext_is_v4(f->local) ? TCP_MSS_DEFAULT_4 : TCP_MSS_DEFAULT_6;
    if (c->rto_count == BLACK_HOLE_TIMEOUTS && c->seg_max > small &&
        t->segs.at[c->segs.first].len > small)
        tcp_path_guess(t, c, small); /* perhaps large packets vanish without a word */
    tcp_conn_output(t, c);
}

static void
tail_probe(struct tcp *t, struct tcp_conn *c)
{
    c->tlp_out = true;
    c->tlp_resent = !tcp_output_forced(t, c);
    if (c->tlp_resent)
        tcp_output_tail(t, c);
    c->tlp_end = c->nxt;
    c->rto_base_us = t->now_us;
    tcp_bump(t, TCP_N_PROBES);
}

static void
persist(struct tcp *t, struct tcp_conn *c)
{
    if (c->probe_count == t->config.data_tries) {
        give_up(t, c);
        return;
    }
    c->probe_count++;
    c->backoff++;
    c->rto_base_us = t->now_us;
    if (!tcp_output_forced(t, c))
        tcp_output_probe(t, c);
}

static void
keepalive(struct tcp *t, struct tcp_conn *c)
{
    uint64_t idle_us = t->now_us - c->heard_us;
    if (t->config.keep_us == 0) { /* it was for tcp_path_age() */
        c->keep_due = c->path_due_us;
        return;
    }
    if (idle_us < t->config.keep_us || c->segs.out_bytes || c->rtx_kind == TCP_RTX_PERSIST ||
        c->state <= TCP_SYN_RECEIVED) {
        uint64_t left = idle_us < t->config.keep_us ? t->config.keep_us - idle_us : 0;
        c->keep_count = 0;
        c->keep_due = t->now_us + (left ? left : t->config.keep_us);
        return;
    }
    if (c->keep_count == t->config.keep_probes) {
        give_up(t, c);
        return;
    }
    c->keep_count++;
    c->keep_due = t->now_us + t->config.keep_every_us;
    tcp_output_probe(t, c);
}

static void
rtx_run(struct tcp *t, struct tcp_conn *c)
{
    switch (c->rtx_kind) {
    case TCP_RTX_RTO:
        if (c->state <= TCP_SYN_RECEIVED)
            syn_timeout(t, c);
        else
            timeout(t, c);
        break;
    case TCP_RTX_TLP:
        tail_probe(t, c);
        break;
    case TCP_RTX_REORDER:
        c->reorder_due = TCP_NEVER;
        tcp_ack_reorder_due(t, c);
        break;
    case TCP_RTX_PERSIST:
        persist(t, c);
        break;
    }
}

void
tcp_timer_run(struct tcp *t, struct tcp_conn *c)
{
    if (c->state == TCP_FREE || c->state == TCP_GONE)
        return;
    if (c->linger_due <= t->now_us) {
        give_up(t, c);
        return;
    }
    if (c->ack_due <= t->now_us) {
        c->ack_due = TCP_NEVER;
        c->ack_now = true;
        tcp_conn_output(t, c);
    }
    if (c->keep_due <= t->now_us) {
        tcp_path_age(t, c);
        keepalive(t, c);
    }
    if (c->state != TCP_GONE && c->rtx_due <= t->now_us) {
        rtx_run(t, c);
        if (c->state != TCP_GONE)
            tcp_timer_rtx(t, c);
    }
    tcp_timer_arm(t, c);
}
