/* tcp_ecn.c: explicit congestion notification (RFC 3168).
 *
 *   SYN ECE CWR  ->           asks; a SYN that is sent again does not, in case that is why
 *           <-  SYN-ACK ECE   accepts
 *
 * Bytes that leave for the first time are marked ECT(0); what is sent again, ACKs and probes are
 * not.  Receiver: after bytes marked CE every segment of ours has ECE, until CWR comes.  Sender:
 * ECE reduces the window as a loss would, once for each window of bytes (up to ecn_to), and the
 * next new bytes have CWR. */
#include "dataplane/tcp/tcp_core.h"

enum { ECN_MASK = 3, ECN_ECT0 = 2, ECN_CE = 3 };

bool
tcp_ecn_asked(const struct tcp *t, const struct tcp_header *h)
{
    return t->config.ecn != TCP_ECN_OFF && (h->flags & TCP_ECE) && (h->flags & TCP_CWR);
}

uint8_t
tcp_ecn_syn(const struct tcp *t, struct tcp_conn *c)
{
    c->ecn = t->config.ecn == TCP_ECN_ASK && c->rto_count == 0 && c->state == TCP_SYN_SENT;
    return c->ecn ? TCP_ECE | TCP_CWR : 0;
}

void
tcp_ecn_answered(struct tcp_conn *c, const struct tcp_header *h)
{
    c->ecn = c->ecn && (h->flags & (TCP_ACK | TCP_ECE | TCP_CWR)) == (TCP_ACK | TCP_ECE);
}

void
tcp_ecn_bytes(struct tcp *t, struct tcp_conn *c, const struct tcp_seen *s)
{
    if (!c->ecn || s->h.payload.len == 0)
        return;
    if (s->h.flags & TCP_CWR)
        c->ece_due = false;
    if ((s->packet->traffic_class & ECN_MASK) != ECN_CE)
        return;
    tcp_bump(t, TCP_N_CE_IN);
    c->ece_due = true;
    c->ack_now = true;
}

void
tcp_ecn_acked(struct tcp *t, struct tcp_conn *c, const struct tcp_header *h, uint32_t flight)
{
    if (!c->ecn || !(h->flags & TCP_ECE) || !seq_before(c->ecn_to, h->ack))
        return;
    c->ecn_to = c->nxt;
    c->cwr_due = true;
    if (c->congestion != TCP_OPEN)
        return; /* reduced already */
    tcp_cc_recover(&c->cc, flight);
    tcp_cc_recovered(&c->cc);
    tcp_bump(t, TCP_N_ECN_REDUCED);
}

void
tcp_ecn_mark(struct tcp_conn *c, struct packet_out *p, struct tcp_header *h, bool fresh)
{
    if (!c->ecn)
        return;
    if (c->ece_due)
        h->flags |= TCP_ECE;
    if (!fresh)
        return;
    p->traffic_class |= ECN_ECT0;
    if (c->cwr_due)
        h->flags |= TCP_CWR;
    c->cwr_due = false;
}
