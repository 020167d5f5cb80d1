/* tcp_rcv.c: see tcp_rcv.h.
 * I1 nodes in order touch: each starts where the one before ends, the last ends at `next`.
 * I2 runs are sorted, begin after `next`, and neither touch nor overlap.   I3 within a run the
 * nodes touch.   I4 a node holds at least one byte and exactly one frame.   I5 a node is free once
 * it has left its connection and has no keeper; so the links of nodes that are kept together hold.
 */
#include "dataplane/tcp/tcp_rcv.h"

#include "dataplane/tcp/tcp.h"
#include "dataplane/tcp/tcp_seq.h"
#include "dataplane/tcp/tcp_table.h"

void
tcp_nodes_init(struct tcp_nodes *n, struct tcp_node *at, uint32_t count)
{
    *n = (struct tcp_nodes){.at = at, .count = count, .free = count ? 0 : TCP_NONE};
    for (uint32_t i = 0; i < count; i++)
        at[i].next = i + 1 < count ? i + 1 : TCP_NONE;
}

void
tcp_frames_flush(struct tcp_frames *f)
{
    if (f->count)
        f->port.ops->release(f->port.self, f->at, f->count);
    f->count = 0;
}

void
tcp_frames_put(struct tcp_frames *f, struct packet_frame *frame)
{
    if (!frame)
        return;
    f->at[f->count++] = frame;
    if (f->count == PACKET_BURST)
        tcp_frames_flush(f);
}

void
tcp_rcv_init(struct tcp_rcv *r, uint32_t next)
{
    *r = (struct tcp_rcv){.next = next, .head = TCP_NONE, .tail = TCP_NONE, .runs = TCP_NONE};
}

static uint32_t
node_take(struct tcp_nodes *n)
{
    uint32_t i = n->free;
    if (i != TCP_NONE) {
        n->free = n->at[i].next;
        n->used++;
    }
    return i;
}

static void
node_free(struct tcp_nodes *n, struct tcp_frames *f, uint32_t i)
{
    tcp_frames_put(f, n->at[i].frame);
    n->at[i].frame = NULL;
    n->at[i].next = n->free;
    n->free = i;
    n->used--;
}

static void
node_give(struct tcp_rcv *r, struct tcp_nodes *n, struct tcp_frames *f, uint32_t i)
{
    struct tcp_node *node = &n->at[i];
    r->pinned_bytes -= node->pinned;
    node->left = true;
    if (node->keepers == 0)
        node_free(n, f, i);
}

static void
chain_give(struct tcp_rcv *r, struct tcp_nodes *n, struct tcp_frames *f, uint32_t i)
{
    while (i != TCP_NONE) {
        uint32_t next = n->at[i].next;
        node_give(r, n, f, i);
        i = next;
    }
}

/* The early run that is furthest away gives way. */
static void
last_run_drop(struct tcp_rcv *r, struct tcp_nodes *n, struct tcp_frames *f)
{
    uint32_t *link = &r->runs;
    while (n->at[*link].run_next != TCP_NONE)
        link = &n->at[*link].run_next;
    uint32_t run = *link;
    *link = TCP_NONE;
    r->run_count--;
    chain_give(r, n, f, run);
}

/* A node for the bytes [a->seq, a->seq + a->bytes.len), or TCP_NONE with the frame given back. */
static uint32_t
node_for(struct tcp_rcv *r, struct tcp_nodes *n, struct tcp_frames *f, const struct tcp_arrival *a)
{
    bool early = a->seq != r->next;
    uint32_t i = TCP_NONE;
    if (!early)
        while (r->runs != TCP_NONE &&
               (n->free == TCP_NONE || r->pinned_bytes + a->pinned_bytes > a->pinned_max))
            last_run_drop(r, n, f);
    if (r->pinned_bytes + a->pinned_bytes <= a->pinned_max &&
        (!early || n->used < n->count - n->count / 4))
        i = node_take(n);
    if (i == TCP_NONE) {
        tcp_frames_put(f, a->frame);
        return i;
    }
    n->at[i] = (struct tcp_node){.at = a->bytes.at,
                                 .frame = a->frame,
                                 .seq = a->seq,
                                 .len = a->bytes.len,
                                 .pinned = a->pinned_bytes,
                                 .next = TCP_NONE};
    r->pinned_bytes += a->pinned_bytes;
    return i;
}

static void
cut_left(struct tcp_arrival *a, uint32_t first)
{
    if (!seq_before(a->seq, first))
        return;
    uint32_t cut = first - a->seq;
    if (cut > a->bytes.len)
        cut = a->bytes.len;
    a->seq += cut;
    a->bytes.at += cut;
    a->bytes.len -= cut;
}

static void
cut_right(struct tcp_arrival *a, uint32_t limit)
{
    if (seq_before(limit, a->seq + a->bytes.len))
        a->bytes.len = seq_before(a->seq, limit) ? limit - a->seq : 0;
}

static void
recent_note(struct tcp_rcv *r, uint32_t seq)
{
    for (uint32_t i = RCV_RECENT - 1; i > 0; i--)
        r->recent[i] = r->recent[i - 1];
    r->recent[0] = seq;
    if (r->recent_count < RCV_RECENT)
        r->recent_count++;
}

static enum tcp_rcv_result
add_in_order(struct tcp_rcv *r, struct tcp_nodes *n, struct tcp_frames *f, struct tcp_arrival *a)
{
    uint32_t i = node_for(r, n, f, a);
    if (i == TCP_NONE)
        return TCP_RCV_DROPPED;
    /* Only now: making room may have dropped the runs. */
    if (r->runs != TCP_NONE) {
        cut_right(a, n->at[r->runs].seq);
        n->at[i].len = a->bytes.len;
    }
    uint32_t last = i;
    bool filled = r->runs != TCP_NONE;
    r->next += a->bytes.len;
    r->ready_bytes += a->bytes.len;
    if (filled && n->at[r->runs].seq == r->next) {
        struct tcp_node *run = &n->at[r->runs];
        n->at[i].next = r->runs;
        last = run->run_last;
        r->ready_bytes += run->run_limit - r->next;
        r->next = run->run_limit;
        r->runs = run->run_next;
        r->run_count--;
    }
    if (r->tail == TCP_NONE)
        r->head = i;
    else
        n->at[r->tail].next = i;
    r->tail = last;
    return filled ? TCP_RCV_FILLED : TCP_RCV_IN_ORDER;
}

/* Joins the run after `at` to it when they touch. */
static void
run_join(struct tcp_rcv *r, struct tcp_nodes *n, uint32_t at)
{
    struct tcp_node *run = &n->at[at];
    if (run->run_next == TCP_NONE || n->at[run->run_next].seq != run->run_limit)
        return;
    const struct tcp_node *after = &n->at[run->run_next];
    n->at[run->run_last].next = run->run_next;
    run->run_limit = after->run_limit;
    run->run_last = after->run_last;
    run->run_nodes += after->run_nodes;
    run->run_next = after->run_next;
    r->run_count--;
}

static enum tcp_rcv_result
run_extend(struct tcp_rcv *r, struct tcp_nodes *n, struct tcp_frames *f, struct tcp_arrival *a,
           uint32_t at)
{
    uint32_t i = node_for(r, n, f, a);
    if (i == TCP_NONE)
        return TCP_RCV_DROPPED;
    struct tcp_node *run = &n->at[at];
    n->at[run->run_last].next = i;
    run->run_last = i;
    run->run_limit += a->bytes.len;
    run->run_nodes++;
    run_join(r, n, at);
    return TCP_RCV_EARLY;
}

static enum tcp_rcv_result
run_insert(struct tcp_rcv *r, struct tcp_nodes *n, struct tcp_frames *f, struct tcp_arrival *a,
           uint32_t before)
{
    uint32_t after = before == TCP_NONE ? r->runs : n->at[before].run_next;
    bool joins = after != TCP_NONE && n->at[after].seq == a->seq + a->bytes.len;
    if (!joins && r->run_count == RCV_RUNS) {
        tcp_frames_put(f, a->frame);
        return TCP_RCV_DROPPED;
    }
    uint32_t i = node_for(r, n, f, a);
    if (i == TCP_NONE)
        return TCP_RCV_DROPPED;
    struct tcp_node *run = &n->at[i];
    run->run_limit = a->seq + a->bytes.len;
    run->run_last = i;
    run->run_next = after;
    run->run_nodes = 1;
    r->run_count++;
    if (before == TCP_NONE)
        r->runs = i;
    else
        n->at[before].run_next = i;
    run_join(r, n, i);
    return TCP_RCV_EARLY;
}

static enum tcp_rcv_result
add_early(struct tcp_rcv *r, struct tcp_nodes *n, struct tcp_frames *f, struct tcp_arrival *a)
{
    uint32_t before = TCP_NONE, at = r->runs;
    while (at != TCP_NONE && seq_before(n->at[at].run_limit, a->seq)) {
        before = at;
        at = n->at[at].run_next;
    }
    bool extends = at != TCP_NONE && seq_upto(n->at[at].seq, a->seq);
    if (extends)
        cut_left(a, n->at[at].run_limit);
    uint32_t after = extends ? n->at[at].run_next : at;
    if (after != TCP_NONE)
        cut_right(a, n->at[after].seq);
    if (a->bytes.len == 0) {
        tcp_frames_put(f, a->frame);
        return TCP_RCV_DUPLICATE;
    }
    recent_note(r, a->seq);
    return extends ? run_extend(r, n, f, a, at) : run_insert(r, n, f, a, before);
}

enum tcp_rcv_result
tcp_rcv_add(struct tcp_rcv *r, struct tcp_nodes *n, struct tcp_frames *f,
            const struct tcp_arrival *arrival)
{
    struct tcp_arrival a = *arrival;
    cut_left(&a, r->next);
    enum tcp_rcv_result result = TCP_RCV_DUPLICATE;
    if (a.bytes.len == 0)
        tcp_frames_put(f, a.frame);
    else if (a.seq == r->next)
        result = add_in_order(r, n, f, &a);
    else
        result = add_early(r, n, f, &a);
    if (result == TCP_RCV_DUPLICATE)
        r->dup = (struct tcp_range){arrival->seq, arrival->seq + arrival->bytes.len};
    else if (a.seq != arrival->seq)
        r->dup = (struct tcp_range){arrival->seq, a.seq};
    return result;
}

uint32_t
tcp_rcv_peek(const struct tcp_rcv *r, const struct tcp_nodes *n, struct view *out, uint32_t max)
{
    uint32_t count = 0, left = r->ready_bytes;
    for (uint32_t i = r->head; left && count < max; i = n->at[i].next) {
        out[count++] = view_of(n->at[i].at, n->at[i].len);
        left -= n->at[i].len;
    }
    return count;
}

void
tcp_rcv_consume(struct tcp_rcv *r, struct tcp_nodes *n, struct tcp_frames *f, uint32_t bytes)
{
    must(bytes <= r->ready_bytes);
    r->ready_bytes -= bytes;
    while (bytes) {
        uint32_t i = r->head;
        struct tcp_node *node = &n->at[i];
        if (bytes < node->len) {
            node->at += bytes;
            node->seq += bytes;
            node->len -= bytes;
            return;
        }
        bytes -= node->len;
        r->head = i == r->tail ? TCP_NONE : node->next;
        if (r->head == TCP_NONE)
            r->tail = TCP_NONE;
        node_give(r, n, f, i);
    }
}

bool
tcp_rcv_keep(const struct tcp_rcv *r, struct tcp_nodes *n, uint32_t bytes, struct tcp_kept *out)
{
    must(bytes > 0 && bytes <= r->ready_bytes);
    uint32_t count = 0, fresh = 0, i = r->head;
    for (uint32_t left = bytes; left > 0; i = n->at[i].next) {
        const struct tcp_node *node = &n->at[i];
        if (node->keepers == UINT16_MAX)
            return false;
        fresh += node->keepers == 0;
        count++;
        left -= node->len < left ? node->len : left;
    }
    if (n->kept + fresh > n->count / TCP_KEEP_SHARE)
        return false;
    n->kept += fresh;
    i = r->head;
    for (uint32_t k = 0; k < count; k++, i = n->at[i].next)
        n->at[i].keepers++;
    *out = (struct tcp_kept){r->head, count};
    return true;
}

void
tcp_nodes_release(struct tcp_nodes *n, struct tcp_frames *f, const struct tcp_kept *kept)
{
    uint32_t i = kept->first;
    for (uint32_t k = 0; k < kept->count; k++) {
        struct tcp_node *node = &n->at[i];
        uint32_t next = node->next;
        must(node->keepers > 0);
        if (--node->keepers == 0) {
            n->kept--;
            if (node->left)
                node_free(n, f, i);
        }
        i = next;
    }
}

static uint32_t
run_of(const struct tcp_rcv *r, const struct tcp_nodes *n, uint32_t seq)
{
    for (uint32_t at = r->runs; at != TCP_NONE; at = n->at[at].run_next)
        if (seq_in(seq, n->at[at].seq, n->at[at].run_limit))
            return at;
    return TCP_NONE;
}

uint32_t
tcp_rcv_sacks(struct tcp_rcv *r, const struct tcp_nodes *n, struct tcp_range *out, uint32_t max)
{
    uint32_t count = 0, first = 0;
    if (r->dup.first != r->dup.limit && max) {
        out[count++] = r->dup;
        r->dup = (struct tcp_range){0};
        first = 1;
    }
    for (uint32_t i = 0; i < r->recent_count && count < max; i++) {
        uint32_t run = run_of(r, n, r->recent[i]);
        if (run == TCP_NONE)
            continue;
        struct tcp_range range = {n->at[run].seq, n->at[run].run_limit};
        bool seen = false;
        for (uint32_t k = first; k < count; k++)
            seen |= out[k].first == range.first;
        if (!seen)
            out[count++] = range;
    }
    return count;
}

uint32_t
tcp_rcv_limit(const struct tcp_rcv *r, const struct tcp_nodes *n)
{
    uint32_t limit = r->next;
    for (uint32_t at = r->runs; at != TCP_NONE; at = n->at[at].run_next)
        limit = n->at[at].run_limit;
    return limit;
}

uint32_t
tcp_rcv_early(const struct tcp_rcv *r, const struct tcp_nodes *n)
{
    uint32_t bytes = 0;
    for (uint32_t at = r->runs; at != TCP_NONE; at = n->at[at].run_next)
        bytes += n->at[at].run_limit - n->at[at].seq;
    return bytes;
}

void
tcp_rcv_drop(struct tcp_rcv *r, struct tcp_nodes *n, struct tcp_frames *f)
{
    if (r->tail != TCP_NONE)
        n->at[r->tail].next = TCP_NONE;
    chain_give(r, n, f, r->head);
    while (r->runs != TCP_NONE)
        last_run_drop(r, n, f);
    must(r->pinned_bytes == 0);
    r->head = r->tail = TCP_NONE;
    r->ready_bytes = 0;
}

static uint32_t
chain_check(const struct tcp_nodes *n, uint32_t first, uint32_t last, uint32_t seq, uint32_t limit)
{
    uint32_t pinned = 0;
    for (uint32_t i = first;; i = n->at[i].next) {
        must(n->at[i].seq == seq);
        must(n->at[i].len > 0);
        seq += n->at[i].len;
        pinned += n->at[i].pinned;
        if (i == last)
            break;
    }
    must(seq == limit);
    return pinned;
}

void
tcp_rcv_check(const struct tcp_rcv *r, const struct tcp_nodes *n)
{
    uint32_t pinned = 0, runs = 0, after = r->next;
    must((r->head == TCP_NONE) == (r->ready_bytes == 0));
    if (r->head != TCP_NONE)
        pinned += chain_check(n, r->head, r->tail, r->next - r->ready_bytes, r->next);
    for (uint32_t at = r->runs; at != TCP_NONE; at = n->at[at].run_next) {
        const struct tcp_node *run = &n->at[at];
        must(seq_before(after, run->seq));
        pinned += chain_check(n, at, run->run_last, run->seq, run->run_limit);
        after = run->run_limit;
        runs++;
    }
    must(runs == r->run_count);
    must(runs <= RCV_RUNS);
    must(pinned == r->pinned_bytes);
}
