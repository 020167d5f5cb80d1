/* tcp_segs.c: see tcp_segs.h.
 * I1 segments touch by sequence number, from the first to the last.   I2 a segment stands in the
 * list by time exactly while it is in flight (neither SACKED nor LOST), sorted by sent_us and, of
 * those that left at once, by number: what may be lost stands in front.   I3 the sums are those of
 * the flags.   I4 SACKED and LOST exclude each other.
 *
 * A retransmission makes a lost segment in flight again, so its bytes count once: the first copy
 * is taken for gone. */
#include "dataplane/tcp/tcp_segs.h"

#include "dataplane/tcp/tcp_seq.h"
#include "dataplane/tcp/tcp_table.h"

void
tcp_seg_pool_init(struct tcp_seg_pool *p, struct tcp_seg *at, uint32_t count)
{
    *p = (struct tcp_seg_pool){.at = at, .count = count, .free = count ? 0 : TCP_NONE};
    for (uint32_t i = 0; i < count; i++)
        at[i].next = i + 1 < count ? i + 1 : TCP_NONE;
}

void
tcp_segs_init(struct tcp_segs *s, uint32_t next)
{
    *s = (struct tcp_segs){.first = TCP_NONE,
                           .last = TCP_NONE,
                           .oldest = TCP_NONE,
                           .newest = TCP_NONE,
                           .lost_hint = TCP_NONE,
                           .highest = next,
                           .reo_mult = 1,
                           .reo_round = next};
}

/* For splits: without them connections that hold all the others could not go on.  And a quarter for
 * connections that have nothing out, so that one whose peer is gone does not stop them. */
static uint32_t
reserve_of(const struct tcp_segs *s, const struct tcp_seg_pool *p)
{
    return p->count / 16 + 1 + (s->count ? p->count / 4 : 0);
}

bool
tcp_segs_room(const struct tcp_segs *s, const struct tcp_seg_pool *p)
{
    return s->count < SEGS_EACH && p->used + reserve_of(s, p) < p->count;
}

/* It was sent now, so at most others of this moment stand behind it. */
static void
time_in(struct tcp_segs *s, struct tcp_seg *at, uint32_t i)
{
    uint32_t older = s->newest, newer = TCP_NONE;
    while (older != TCP_NONE && at[older].sent_us == at[i].sent_us &&
           seq_before(at[i].seq, at[older].seq)) {
        newer = older;
        older = at[older].older;
    }
    at[i].older = older;
    at[i].newer = newer;
    if (older == TCP_NONE)
        s->oldest = i;
    else
        at[older].newer = i;
    if (newer == TCP_NONE)
        s->newest = i;
    else
        at[newer].older = i;
}

static void
time_out(struct tcp_segs *s, struct tcp_seg *at, uint32_t i)
{
    if (at[i].older == TCP_NONE)
        s->oldest = at[i].newer;
    else
        at[at[i].older].newer = at[i].newer;
    if (at[i].newer == TCP_NONE)
        s->newest = at[i].older;
    else
        at[at[i].newer].older = at[i].older;
}

static uint32_t
seg_take(struct tcp_segs *s, struct tcp_seg_pool *p)
{
    uint32_t i = p->free;
    must(i != TCP_NONE);
    p->free = p->at[i].next;
    p->used++;
    s->count++;
    return i;
}

/* The first segment leaves: acknowledged, or the connection ends. */
static void
first_give(struct tcp_segs *s, struct tcp_seg_pool *p)
{
    uint32_t i = s->first;
    struct tcp_seg *g = &p->at[i];
    if (g->flags & SEG_SACKED)
        s->sacked_bytes -= g->len;
    else if (g->flags & SEG_LOST)
        s->lost_bytes -= g->len;
    else
        time_out(s, p->at, i);
    s->out_bytes -= g->len;
    s->first = g->next;
    if (s->first == TCP_NONE)
        s->last = TCP_NONE;
    else
        p->at[s->first].prev = TCP_NONE;
    if (s->lost_hint == i)
        s->lost_hint = s->first;
    g->next = p->free;
    p->free = i;
    p->used--;
    s->count--;
}

void
tcp_segs_drop(struct tcp_segs *s, struct tcp_seg_pool *p)
{
    while (s->first != TCP_NONE)
        first_give(s, p);
}

void
tcp_segs_sent(struct tcp_segs *s, struct tcp_seg_pool *p, const struct tcp_seg *seg)
{
    must(seg->len > 0);
    uint32_t i = seg_take(s, p);
    struct tcp_seg *g = &p->at[i];
    *g = *seg;
    g->sends = 1;
    g->prev = s->last;
    g->next = TCP_NONE;
    if (s->last == TCP_NONE)
        s->first = i;
    else
        p->at[s->last].next = i;
    s->last = i;
    s->out_bytes += g->len;
    time_in(s, p->at, i);
}

void
tcp_segs_resent(struct tcp_segs *s, struct tcp_seg_pool *p, uint32_t i, uint64_t now_us)
{
    struct tcp_seg *g = &p->at[i];
    must(!(g->flags & SEG_SACKED));
    if (g->flags & SEG_LOST)
        s->lost_bytes -= g->len;
    else
        time_out(s, p->at, i);
    g->flags = (uint8_t)((g->flags & ~SEG_LOST) | SEG_RESENT);
    g->sent_us = now_us;
    if (g->sends < UINT16_MAX)
        g->sends++;
    time_in(s, p->at, i);
}

bool
tcp_segs_split(struct tcp_segs *s, struct tcp_seg_pool *p, uint32_t i, uint32_t len)
{
    must(len > 0 && len < p->at[i].len);
    if (p->free == TCP_NONE)
        return false;
    uint32_t k = seg_take(s, p);
    struct tcp_seg *g = &p->at[i], *rest = &p->at[k];
    *rest = *g;
    rest->seq += len;
    rest->len -= len;
    g->len = len;
    g->flags &= (uint8_t)~SEG_FIN;
    rest->prev = i;
    g->next = k;
    if (rest->next == TCP_NONE)
        s->last = k;
    else
        p->at[rest->next].prev = k;
    if (!(g->flags & (SEG_SACKED | SEG_LOST))) {
        rest->older = i;
        if (rest->newer == TCP_NONE)
            s->newest = k;
        else
            p->at[rest->newer].older = k;
        g->newer = k;
    }
    return true;
}

/* RFC 8985 6.2 steps 2 and 3: what an arrival says of the path. */
static void
arrived(struct tcp_segs *s, const struct tcp_seg *g, const struct tcp_ack_in *in,
        struct tcp_ack_out *out)
{
    uint32_t end = g->seq + g->len;
    uint64_t rtt = in->now_us - g->sent_us;
    if (g->flags & SEG_RESENT) {
        out->resent = true;
        uint32_t sent_ts = (uint32_t)(g->sent_us / 1000) + in->ts_offset;
        if ((in->has_ts && seq_before(in->ts_echo, sent_ts)) || rtt < in->min_rtt_us)
            return; /* it is the first copy that arrived */
    } else {
        out->rtt_us = rtt ? rtt : 1;
        if (seq_before(end, s->highest))
            s->reordered = true;
    }
    if (!s->rack_any || g->sent_us > s->rack_sent_us ||
        (g->sent_us == s->rack_sent_us && seq_before(s->rack_end, end))) {
        s->rack_any = true;
        s->rack_sent_us = g->sent_us;
        s->rack_end = end;
        s->rack_rtt_us = rtt > UINT32_MAX ? UINT32_MAX : (uint32_t)rtt;
    }
}

void
tcp_segs_acked(struct tcp_segs *s, struct tcp_seg_pool *p, uint32_t una,
               const struct tcp_ack_in *in, struct tcp_ack_out *out)
{
    while (s->first != TCP_NONE) {
        struct tcp_seg *g = &p->at[s->first];
        if (seq_before(una, g->seq + g->len))
            break;
        if (!(g->flags & SEG_SACKED)) {
            out->acked += g->len;
            arrived(s, g, in, out);
        }
        first_give(s, p);
    }
    if (s->first != TCP_NONE && seq_before(p->at[s->first].seq, una)) {
        struct tcp_seg *g = &p->at[s->first];
        uint32_t part = una - g->seq;
        g->seq += part;
        g->len -= part;
        s->out_bytes -= part;
        if (g->flags & SEG_SACKED)
            s->sacked_bytes -= part;
        else
            out->acked += part;
        if (g->flags & SEG_LOST)
            s->lost_bytes -= part;
    }
    s->highest = seq_max(s->highest, una);
}

static bool
covered(const struct tcp_seg *g, const struct tcp_range *ranges, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if (seq_upto(ranges[i].first, g->seq) && seq_upto(g->seq + g->len, ranges[i].limit))
            return true;
    return false;
}

/* A block below una, or inside the second block: bytes that arrived twice (RFC 2883). */
static uint32_t
duplicates(const struct tcp_header *h)
{
    const struct tcp_range *r = h->options.sacks;
    if (h->options.sack_count == 0 || !seq_before(r->first, r->limit))
        return 0;
    if (seq_upto(r->limit, h->ack))
        return r->limit - r->first;
    if (h->options.sack_count > 1 && seq_upto(r[1].first, r->first) &&
        seq_upto(r->limit, r[1].limit))
        return r->limit - r->first;
    return 0;
}

void
tcp_segs_sacked(struct tcp_segs *s, struct tcp_seg_pool *p, const struct tcp_header *h,
                const struct tcp_ack_in *in, struct tcp_ack_out *out)
{
    struct tcp_range ranges[TCP_SACKS_MAX];
    uint32_t count = 0;
    out->dup_bytes = duplicates(h);
    if (s->first == TCP_NONE)
        return;
    uint32_t next = p->at[s->last].seq + p->at[s->last].len, top = p->at[s->first].seq;
    for (uint32_t i = 0; i < h->options.sack_count; i++) {
        struct tcp_range r = h->options.sacks[i];
        if (!seq_before(r.first, r.limit) || !seq_before(h->ack, r.limit) ||
            seq_before(next, r.limit) || seq_before(r.first, h->ack))
            continue;
        ranges[count++] = r;
        top = seq_max(top, r.limit);
    }
    for (uint32_t i = s->first; count && i != TCP_NONE; i = p->at[i].next) {
        struct tcp_seg *g = &p->at[i];
        if (!seq_before(g->seq, top))
            break;
        if (g->flags & SEG_SACKED || !covered(g, ranges, count))
            continue;
        if (g->flags & SEG_LOST)
            s->lost_bytes -= g->len;
        else
            time_out(s, p->at, i);
        g->flags = (uint8_t)((g->flags & ~SEG_LOST) | SEG_SACKED);
        s->sacked_bytes += g->len;
        out->sacked += g->len;
        arrived(s, g, in, out);
        s->highest = seq_max(s->highest, g->seq + g->len);
    }
}

static void
lose(struct tcp_segs *s, struct tcp_seg_pool *p, uint32_t i)
{
    struct tcp_seg *g = &p->at[i];
    time_out(s, p->at, i);
    g->flags |= SEG_LOST;
    s->lost_bytes += g->len;
    if (s->lost_hint == TCP_NONE || seq_before(g->seq, p->at[s->lost_hint].seq))
        s->lost_hint = i;
}

static uint64_t
reordering_window(const struct tcp_segs *s, const struct tcp_ack_in *in, uint32_t srtt_us,
                  bool eager)
{
    if (!s->reordered && (eager || s->sacked_bytes > 0))
        return 0;
    uint64_t us = (uint64_t)in->min_rtt_us * s->reo_mult / 4;
    return us < srtt_us ? us : srtt_us;
}

uint64_t
tcp_segs_detect(struct tcp_segs *s, struct tcp_seg_pool *p, const struct tcp_ack_in *in,
                uint32_t srtt_us, bool eager)
{
    uint64_t wait = 0;
    if (!s->rack_any)
        return 0;
    uint64_t window = reordering_window(s, in, srtt_us, eager);
    for (uint32_t i = s->oldest, next; i != TCP_NONE; i = next) {
        const struct tcp_seg *g = &p->at[i];
        next = g->newer;
        bool earlier = g->sent_us < s->rack_sent_us ||
                       (g->sent_us == s->rack_sent_us && seq_before(g->seq + g->len, s->rack_end));
        if (!earlier)
            break;
        uint64_t due = g->sent_us + s->rack_rtt_us + window;
        if (due <= in->now_us)
            lose(s, p, i);
        else if (due - in->now_us > wait)
            wait = due - in->now_us;
    }
    return wait;
}

void
tcp_segs_lose_first(struct tcp_segs *s, struct tcp_seg_pool *p)
{
    if (s->first != TCP_NONE && !(p->at[s->first].flags & (SEG_LOST | SEG_SACKED)))
        lose(s, p, s->first);
}

void
tcp_segs_lose_larger(struct tcp_segs *s, struct tcp_seg_pool *p, uint32_t most)
{
    for (uint32_t i = s->first; i != TCP_NONE; i = p->at[i].next)
        if (p->at[i].len - !!(p->at[i].flags & SEG_FIN) > most &&
            !(p->at[i].flags & (SEG_LOST | SEG_SACKED)))
            lose(s, p, i);
}

void
tcp_segs_lose_all(struct tcp_segs *s, struct tcp_seg_pool *p)
{
    for (uint32_t i = s->first; i != TCP_NONE; i = p->at[i].next) {
        struct tcp_seg *g = &p->at[i];
        if (g->flags & SEG_SACKED) {
            g->flags ^= SEG_SACKED | SEG_LOST;
            s->sacked_bytes -= g->len;
            s->lost_bytes += g->len;
        } else if (!(g->flags & SEG_LOST)) {
            lose(s, p, i);
        }
    }
    s->lost_hint = s->first;
    s->rack_any = false;
}

/* What comes back in flight stands before what was sent since.  The list must stay sorted (I2), so
 * a time that does not fit is moved, and then no longer tells a round trip. */
static void
fit_time(struct tcp_seg *g, uint64_t since_us, uint64_t until_us)
{
    uint64_t us = g->sent_us;
    if (us > until_us)
        us = until_us;
    if (us < since_us)
        us = since_us;
    if (us != g->sent_us)
        g->flags |= SEG_RESENT;
    g->sent_us = us;
}

void
tcp_segs_unlose(struct tcp_segs *s, struct tcp_seg_pool *p)
{
    uint32_t flying = s->oldest, last = s->newest;
    uint64_t since = 0, until = flying == TCP_NONE ? UINT64_MAX : p->at[flying].sent_us - 1;
    s->oldest = s->newest = TCP_NONE;
    for (uint32_t i = s->first; i != TCP_NONE; i = p->at[i].next) {
        struct tcp_seg *g = &p->at[i];
        if (!(g->flags & SEG_LOST))
            continue;
        g->flags &= (uint8_t)~SEG_LOST;
        s->lost_bytes -= g->len;
        fit_time(g, since, until);
        since = g->sent_us;
        time_in(s, p->at, i);
    }
    if (flying != TCP_NONE) {
        p->at[flying].older = s->newest;
        if (s->newest == TCP_NONE)
            s->oldest = flying;
        else
            p->at[s->newest].newer = flying;
        s->newest = last;
    }
    s->lost_hint = TCP_NONE;
}

uint32_t
tcp_segs_lost(struct tcp_segs *s, const struct tcp_seg_pool *p)
{
    if (s->lost_bytes == 0)
        return TCP_NONE;
    uint32_t i = s->lost_hint == TCP_NONE ? s->first : s->lost_hint;
    while (i != TCP_NONE && !(p->at[i].flags & SEG_LOST))
        i = p->at[i].next;
    s->lost_hint = i;
    must(i != TCP_NONE);
    return i;
}

void
tcp_segs_check(const struct tcp_segs *s, const struct tcp_seg_pool *p)
{
    uint32_t count = 0, out = 0, sacked = 0, lost = 0, flying = 0, prev = TCP_NONE;
    for (uint32_t i = s->first; i != TCP_NONE; prev = i, i = p->at[i].next) {
        const struct tcp_seg *g = &p->at[i];
        must(g->prev == prev);
        must(prev == TCP_NONE || p->at[prev].seq + p->at[prev].len == g->seq);
        must(g->len > 0);
        must((g->flags & (SEG_SACKED | SEG_LOST)) != (SEG_SACKED | SEG_LOST));
        count++;
        out += g->len;
        sacked += g->flags & SEG_SACKED ? g->len : 0;
        lost += g->flags & SEG_LOST ? g->len : 0;
        flying += !(g->flags & (SEG_SACKED | SEG_LOST));
    }
    must(prev == s->last);
    must(count == s->count);
    must(out == s->out_bytes && sacked == s->sacked_bytes && lost == s->lost_bytes);
    prev = TCP_NONE;
    for (uint32_t i = s->oldest; i != TCP_NONE; prev = i, i = p->at[i].newer, flying--) {
        const struct tcp_seg *g = &p->at[i], *older = prev == TCP_NONE ? NULL : &p->at[prev];
        must(!(g->flags & (SEG_SACKED | SEG_LOST)));
        must(g->older == prev);
        must(!older || older->sent_us < g->sent_us ||
             (older->sent_us == g->sent_us && seq_before(older->seq, g->seq)));
    }
    must(prev == s->newest);
    must(flying == 0);
}
