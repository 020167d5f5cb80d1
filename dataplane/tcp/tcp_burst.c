/* tcp_burst.c: segments that leave one behind the other as one packet, which the device cuts
 * (packet.h).
 *
 * Every segment is decided on, counted and noted on the scoreboard by itself, whether the device
 * cuts or not: window, congestion, pacing by acknowledgements and losses know nothing of bursts.
 * Only the packet is shared: when the one before in t->out ends where the segment begins, and its
 * header would say the same, the segment's bytes go behind it.  So a burst never waits for more
 * bytes, and is no longer than what would have left in a row.
 *
 * I1: all segments of a burst but the last have the connection's segment size, since the device
 * cuts by it; what is shorter, pushed or the last before the FIN ends it. */
#include "dataplane/tcp/tcp_core.h"

enum { FLAGS_AT = 13 };

static bool
goes_on(const struct tcp *t, const struct tcp_conn *c, const struct tcp_leaving *s)
{
    const struct tcp_burst *b = &t->burst;
    if (b->conn != c || b->now_us != t->now_us || s->len == 0)
        return false;
    if ((b->next != s->seq && !mutant(MUTANT_TCP_BURST_GAP)) || b->mss != c->mss)
        return false;
    return b->ack == tcp_rcv_next(c) && b->edge == c->edge && b->ts_recent == c->ts_recent;
}

/* The ECN field and flags of all segments are those of the first; of CWR a burst has none. */
static bool
marked_alike(const struct tcp_burst *b, const struct tcp_conn *c, const struct tcp_leaving *s)
{
    return !c->ecn || (b->fresh == s->fresh && b->ece == c->ece_due && !(s->fresh && c->cwr_due));
}

/* False: they lie in too many pieces. */
static bool
bytes_add(struct tcp *t, struct tcp_conn *c, const struct tcp_leaving *s, struct packet_out *p)
{
    uint8_t count = p->span_count;
    struct packet_span *last = &p->spans[count - 1];
    uint32_t last_bytes = last->bytes.len, bytes = p->payload_bytes;
    if (tcp_ext_spans(t, c, s->seq, s->len, p) < s->len) {
        last->bytes.len = last_bytes;
        p->payload_bytes = bytes;
        p->span_count = count;
        return false;
    }
    for (uint32_t k = count; k < p->span_count; k++)
        packet_hold(p->spans[k].ref);
    return true;
}

bool
tcp_burst_join(struct tcp *t, struct tcp_conn *c, const struct tcp_leaving *s)
{
    if (!goes_on(t, c, s) || !marked_alike(&t->burst, c, s))
        return false;
    struct packet_out *p = &t->out[t->out_count - 1];
    if (p->header_bytes + p->payload_bytes + s->len > c->burst_bytes || !bytes_add(t, c, s, p))
        return false;
    p->segment_bytes = (uint16_t)(mutant(MUTANT_TCP_BURST_SIZE) ? c->seg_max : c->mss);
    p->header[FLAGS_AT] |= s->flags;
    tcp_bump(t, TCP_N_SEGS_OUT);
    tcp_burst_open(t, c, s);
    return true;
}

void
tcp_burst_open(struct tcp *t, struct tcp_conn *c, const struct tcp_leaving *s)
{
    t->burst.conn = NULL;
    uint8_t last = TCP_PSH | TCP_FIN | (mutant(MUTANT_TCP_BURST_CWR) ? 0 : TCP_CWR);
    if (s->len != c->mss || s->flags & last)
        return;
    if (c->burst_bytes == 0 || c->mss < PACKET_SEGMENT_LEAST)
        return;
    t->burst = (struct tcp_burst){.conn = c,
                                  .now_us = t->now_us,
                                  .next = s->seq + s->len,
                                  .mss = c->mss,
                                  .ack = tcp_rcv_next(c),
                                  .edge = c->edge,
                                  .ts_recent = c->ts_recent,
                                  .fresh = s->fresh,
                                  .ece = c->ece_due};
}
