/* nic_dpdk.c: bursts over one pair of queues.
 *
 * A received frame is an mbuf of one segment; a chain is copied together, or dropped.  The handle
 * of a frame is the mbuf itself.
 *
 * A frame that is sent is a chain, header and one mbuf for each span, when the device takes chains:
 *
 *   header mbuf (bytes copied) -> span mbuf (external buffer) -> span mbuf ...
 *
 * One mbuf a span, or for some devices one for each page of it (`by_page`).
 * A span without a ref, or where the device cannot reach it, is copied into an mbuf of the chain.
 * When nothing would go by reference, or the chain would be too long for the device, the frame is
 * one mbuf with everything copied; a burst (packet.h) as many as that takes.
 *
 * I1: each span mbuf is one hold of its packet_ref.  The reference block of the external buffer
 * lies in the mbuf's private area with a count of 1, so that when the driver frees the mbuf, at
 * whatever time, exactly that hold ends, in the loop's own thread (or earlier: nic_reap.c).
 * Nothing of DPDK's counts is shared by two frames. I2: no mbuf that was handed to a device is
 * touched again.
 *
 * What the device's ring does not take stays in `pending`, in order, and goes first with the next
 * call. */
#include "drivers/dpdk/nic_dpdk_in.h"

#include <rte_lcore.h>

/* ---- receiving ---- */

/* One segment, or NULL: the frame was dropped. */
static struct rte_mbuf *
one_segment(struct nic_queue *q, struct rte_mbuf *m)
{
    if (m->nb_segs == 1)
        return m;
    struct rte_mbuf *whole = rte_pktmbuf_copy(m, q->rx_pool, 0, UINT32_MAX);
    rte_pktmbuf_free(m);
    if (whole && whole->nb_segs == 1)
        return whole;
    rte_pktmbuf_free(whole);
    q->stat.rx_errors++;
    return NULL;
}

static void
pending_send(struct nic_queue *q)
{
    while (q->pending_count > 0) {
        uint16_t sent = rte_eth_tx_burst(q->port, q->number, q->pending + q->pending_first,
                                         (uint16_t)q->pending_count);
        q->pending_first += sent;
        q->pending_count -= sent;
        if (sent == 0)
            return;
    }
    q->pending_first = 0;
}

static uint32_t
queue_rx(void *self, struct nic_rx *out, uint32_t max)
{
    struct nic_queue *q = self;
    struct rte_mbuf *burst[NIC_BURST_MAX];
    uint32_t count = 0;
    pending_send(q);
    if (q->stat.spans_held > 0)
        nic_reap_ask(q);
    uint16_t n = rte_eth_rx_burst(q->port, q->number, burst,
                                  (uint16_t)(max < NIC_BURST_MAX ? max : NIC_BURST_MAX));
    for (uint16_t i = 0; i < n; i++) {
        struct rte_mbuf *m = one_segment(q, burst[i]);
        if (!m)
            continue;
        q->stat.rx_bytes += m->data_len;
        out[count++] = (struct nic_rx){
            .bytes = view_of(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len),
            .frame = (struct packet_frame *)m,
            .pinned_bytes = (uint32_t)sizeof *m + m->buf_len,
            .ip_sum =
                nic_dpdk_sum(m->ol_flags, RTE_MBUF_F_RX_IP_CKSUM_GOOD, RTE_MBUF_F_RX_IP_CKSUM_BAD),
            .l4_sum =
                nic_dpdk_sum(m->ol_flags, RTE_MBUF_F_RX_L4_CKSUM_GOOD, RTE_MBUF_F_RX_L4_CKSUM_BAD),
        };
    }
    q->stat.rx_frames += count;
    q->stat.frames_out += count;
    return count;
}

static void
queue_release(void *self, struct packet_frame *const *frames, uint32_t count)
{
    struct nic_queue *q = self;
    for (uint32_t i = 0; i < count; i++)
        rte_pktmbuf_free((struct rte_mbuf *)frames[i]);
    must(q->stat.frames_out >= count);
    q->stat.frames_out -= count;
}

/* ---- sending ---- */

/* The front of some bytes that goes into one mbuf by reference. */
static uint32_t
part_bytes(const struct nic_queue *q, const struct view *v)
{
    uint32_t left = NIC_PAGE_BYTES - (uint32_t)((uintptr_t)v->at % NIC_PAGE_BYTES);
    uint32_t most = q->by_page ? left : NIC_PART_BYTES;
    return most < v->len ? most : v->len;
}

static uint32_t
copy_bytes(const struct nic_queue *q, const struct view *v)
{
    return v->len < q->copy_bytes ? v->len : q->copy_bytes;
}

static struct rte_mbuf *
part_mbuf(struct nic_queue *q, const struct view *part, struct packet_ref *ref)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(q->span_pool);
    if (!m)
        return NULL;
    struct nic_span *span = rte_mbuf_to_priv(m);
    void *at = (void *)(uintptr_t)part->at;
    nic_reap_hold(q, m, ref);
    rte_pktmbuf_attach_extbuf(m, at, (rte_iova_t)(uintptr_t)at, (uint16_t)part->len, &span->info);
    m->data_len = (uint16_t)part->len;
    return m;
}

static struct rte_mbuf *
part_copy(struct nic_queue *q, const struct view *part)
{
    struct rte_mbuf *m = rte_pktmbuf_alloc(q->copy_pool);
    if (!m)
        return NULL;
    void *to = rte_pktmbuf_append(m, (uint16_t)part->len);
    must(to);
    memcpy(to, part->at, part->len);
    return m;
}

/* Returns how many mbufs it put behind *last, which is then the last of them; 0: no memory for all
 * of them. */
static uint16_t
span_add(struct nic_queue *q, const struct packet_span *s, bool by_reference,
         struct rte_mbuf **last)
{
    uint16_t count = 0;
    struct view left = s->bytes;
    while (left.len > 0) {
        uint32_t bytes = by_reference ? part_bytes(q, &left) : copy_bytes(q, &left);
        struct view part = view_of(left.at, bytes);
        struct rte_mbuf *m = by_reference ? part_mbuf(q, &part, s->ref) : part_copy(q, &part);
        if (!m)
            return 0;
        (*last)->next = m;
        *last = m;
        left = view_of(left.at + part.len, left.len - part.len);
        count++;
    }
    return count;
}

/* by_reference: a bit for each span. */
static struct rte_mbuf *
chain_build(struct nic_queue *q, const struct nic_tx *tx, uint32_t by_reference)
{
    struct rte_mbuf *head = rte_pktmbuf_alloc(q->header_pool);
    if (!head)
        return NULL;
    memcpy(rte_pktmbuf_mtod(head, void *), tx->header, tx->header_bytes);
    head->data_len = tx->header_bytes;
    head->pkt_len = tx->header_bytes + tx->payload_bytes;
    struct rte_mbuf *last = head;
    for (uint32_t i = 0; i < tx->span_count; i++) {
        if (tx->spans[i].bytes.len == 0)
            continue;
        uint16_t added = span_add(q, &tx->spans[i], by_reference & 1u << i, &last);
        if (added == 0) {
            rte_pktmbuf_free(head);
            return NULL;
        }
        head->nb_segs += added;
    }
    return head;
}

/* Puts bytes behind those of a frame of copies, whose last mbuf is *last.  False: no memory. */
static bool
copy_add(struct nic_queue *q, struct rte_mbuf *head, struct rte_mbuf **last, struct view v)
{
    while (v.len > 0) {
        uint32_t room = rte_pktmbuf_tailroom(*last), bytes = v.len < room ? v.len : room;
        if (room == 0) {
            struct rte_mbuf *m = rte_pktmbuf_alloc(q->copy_pool);
            if (!m)
                return false;
            (*last)->next = m;
            *last = m;
            head->nb_segs++;
            continue;
        }
        memcpy(rte_pktmbuf_mtod_offset(*last, void *, (*last)->data_len), v.at, bytes);
        (*last)->data_len += (uint16_t)bytes;
        head->pkt_len += bytes;
        v = view_of(v.at + bytes, v.len - bytes);
    }
    return true;
}

/* One mbuf, but for a burst: a frame is no longer than the MTU that the pool was made for. */
static struct rte_mbuf *
copy_build(struct nic_queue *q, const struct nic_tx *tx)
{
    struct rte_mbuf *head = rte_pktmbuf_alloc(q->copy_pool), *last = head;
    if (!head)
        return NULL;
    bool all = copy_add(q, head, &last, view_of(tx->header, tx->header_bytes));
    for (uint32_t i = 0; i < tx->span_count && all; i++)
        all = copy_add(q, head, &last, tx->spans[i].bytes);
    must(head->nb_segs == 1 || tx->segment_bytes);
    if (all)
        return head;
    rte_pktmbuf_free(head);
    return NULL;
}

static bool
can_reach(struct nic_queue *q, const struct packet_span *s)
{
    return s->ref && s->bytes.len > 0 && s->bytes.len <= UINT16_MAX &&
           (!q->reach || nic_regions_have(q->reach, &s->bytes, &q->reach_last));
}

static uint32_t
part_count(const struct nic_queue *q, const struct view *v)
{
    uint32_t skip = (uint32_t)((uintptr_t)v->at % NIC_PAGE_BYTES);
    return q->by_page ? (skip + v->len + NIC_PAGE_BYTES - 1) / NIC_PAGE_BYTES
                      : (v->len + NIC_PART_BYTES - 1) / NIC_PART_BYTES;
}

static uint32_t
copy_count(const struct nic_queue *q, const struct view *v)
{
    return (v->len + q->copy_bytes - 1u) / q->copy_bytes;
}

/* Whether the chain of a burst is one that the device takes: so many mbufs in all, and so many that
 * one segment touches, with the header.  A segment in n parts covers all of them but the first and
 * the last whole. */
static bool
burst_fits(const struct nic_queue *q, const struct nic_tx *tx, uint32_t bits, uint32_t segs)
{
    uint32_t sizes[NIC_BURST_PARTS_MAX], count = 0, whole = 0;
    if (segs <= q->segs_max || segs > q->burst_segs_max)
        return segs <= q->burst_segs_max;
    uint32_t inner = q->segs_max > 3 ? q->segs_max - 2u : 1;
    for (uint32_t i = 0; i < tx->span_count; i++) {
        struct view left = tx->spans[i].bytes;
        while (left.len > 0) {
            uint32_t bytes = bits & 1u << i ? part_bytes(q, &left) : copy_bytes(q, &left);
            whole += sizes[count] = bytes;
            left = view_of(left.at + bytes, left.len - bytes);
            if (count >= inner)
                whole -= sizes[count - inner];
            if (++count >= inner && whole < tx->segment_bytes)
                return false;
        }
    }
    return true;
}

_Static_assert(PACKET_SPANS_MAX < 32, "a bit for each");

/* Which spans go by reference: a bit for each, *bytes of them all. */
static uint32_t
by_reference(struct nic_queue *q, const struct nic_tx *tx, uint32_t *bytes)
{
    uint32_t bits = 0, segs = 1;
    *bytes = 0;
    for (uint32_t i = 0; i < tx->span_count && q->chains; i++) {
        const struct view *v = &tx->spans[i].bytes;
        bool here = can_reach(q, &tx->spans[i]);
        segs += here ? part_count(q, v) : copy_count(q, v);
        bits |= (uint32_t)here << i;
        *bytes += here ? v->len : 0;
    }
    if (tx->segment_bytes ? burst_fits(q, tx, bits, segs) : segs <= q->segs_max)
        return bits;
    *bytes = 0;
    return 0;
}

static bool
copies(const struct nic_queue *q)
{
    return !q->chains ||
           (q->reach && atomic_load_explicit(&q->reach->count, memory_order_relaxed) == 0);
}

/* What is copied next comes from memory while this frame is. */
static void
fetch_bytes(const struct nic_tx *tx)
{
    for (uint32_t i = 0; i < tx->span_count; i++)
        for (uint32_t k = 0; k < tx->spans[i].bytes.len; k += RTE_CACHE_LINE_SIZE)
            rte_prefetch0(tx->spans[i].bytes.at + k);
}

/* What the device does to the frame.  It makes the sums of IP headers only where it makes new ones,
 * and there not all devices do it unasked. */
static void
work_ask(const struct nic_queue *q, const struct nic_tx *tx, struct rte_mbuf *m)
{
    enum { IP4_SUM_AT = 10 };
    bool v4 = tx->header[tx->l2_bytes] >> 4 == 4;
    uint32_t l4_bytes = 0;
    if (tx->segment_bytes)
        l4_bytes = (uint32_t)tx->header_bytes - tx->l2_bytes - tx->l3_bytes;
    m->tx_offload =
        rte_mbuf_tx_offload(tx->l2_bytes, tx->l3_bytes, l4_bytes, tx->segment_bytes, 0, 0, 0);
    m->ol_flags |= tx->segment_bytes ? RTE_MBUF_F_TX_TCP_SEG : RTE_MBUF_F_TX_TCP_CKSUM;
    m->ol_flags |= v4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
    if (!v4 || !tx->segment_bytes || !q->device->ip_sum)
        return;
    m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
    set_u16(rte_pktmbuf_mtod_offset(m, uint8_t *, tx->l2_bytes + IP4_SUM_AT), 0);
}

static struct rte_mbuf *
build(struct nic_queue *q, const struct nic_tx *tx)
{
    const struct nic_facts *facts = &q->device->facts;
    uint32_t frame_bytes = tx->header_bytes + tx->payload_bytes;
    must(tx->header_bytes <= NIC_HEADER_MAX);
    must(frame_bytes <=
         tx->l2_bytes + (tx->segment_bytes ? tx->l3_bytes + facts->tx_burst_bytes : facts->mtu));
    uint32_t bytes, bits = by_reference(q, tx, &bytes);
    struct rte_mbuf *m = bits ? chain_build(q, tx, bits) : copy_build(q, tx);
    if (!m)
        return NULL;
    q->stat.tx_by_reference += bytes;
    q->stat.tx_copied += tx->payload_bytes - bytes;
    q->stat.tx_bursts += tx->segment_bytes > 0;
    if (tx->l4_sum)
        work_ask(q, tx, m);
    return m;
}

/* Frames that the device cannot take as they are would stop those behind them. */
static uint32_t
prepare(struct nic_queue *q, struct rte_mbuf **list, uint32_t count)
{
    uint32_t good = 0;
    while (good < count) {
        good += rte_eth_tx_prepare(q->port, q->number, list + good, (uint16_t)(count - good));
        if (good == count)
            break;
        rte_pktmbuf_free(list[good]);
        q->stat.tx_errors++;
        count--;
        memmove(list + good, list + good + 1, (count - good) * sizeof *list);
    }
    return count;
}

/* Each span that is held has at most one header of its own. */
static bool
may_drop(const struct nic_queue *q)
{
    uint32_t most = q->burst_segs_max > q->segs_max ? q->burst_segs_max : q->segs_max;
    return q->drops && 2 * q->stat.spans_held + most > q->ring;
}

static uint32_t
queue_tx(void *self, const struct nic_tx *const *frames, uint32_t count)
{
    struct nic_queue *q = self;
    uint32_t taken = 0, bytes = 0;
    pending_send(q);
    if (q->pending_count > 0) {
        q->stat.tx_full++;
        return 0;
    }
    while (taken < count && taken < NIC_BURST_MAX && !may_drop(q)) {
        if (copies(q) && taken + 1 < count)
            fetch_bytes(frames[taken + 1]);
        struct rte_mbuf *m = build(q, frames[taken]);
        if (!m)
            break;
        bytes += m->pkt_len;
        q->pending[taken++] = m;
    }
    q->stat.tx_frames += taken;
    q->stat.tx_bytes += bytes;
    q->stat.tx_full += taken < count;
    q->pending_count = q->device->facts.tx_l4_sum ? prepare(q, q->pending, taken) : taken;
    pending_send(q);
    return taken;
}

void
nic_dpdk_pending_drop(struct nic_queue *q)
{
    for (uint32_t i = 0; i < q->pending_count; i++)
        rte_pktmbuf_free(q->pending[q->pending_first + i]);
    q->pending_first = q->pending_count = 0;
}

/* ---- facts ---- */

void
nic_dpdk_facts(const struct nic_dpdk *d, struct nic_facts *out)
{
    struct rte_eth_link link;
    *out = d->facts;
    out->chains = !copies(&d->queues[0]);
    if (rte_eth_link_get_nowait(d->port, &link) == 0) {
        out->link_up = link.link_status == RTE_ETH_LINK_UP;
        out->link_mbps = link.link_speed == RTE_ETH_SPEED_NUM_UNKNOWN ? 0 : link.link_speed;
    }
}

static void
queue_facts(void *self, struct nic_facts *out)
{
    const struct nic_queue *q = self;
    nic_dpdk_facts(q->device, out);
}

/* What the device counts, it counts for all its queues: the first one tells it.  For a card these
 * are dozens of registers, each a read over the bus, in the time of a core that serves clients. */
static void
queue_stat(void *self, struct nic_stat *out)
{
    struct nic_queue *q = self;
    struct rte_eth_stats all;
    bool due = q->number == 0 && q->stat_calls++ % NIC_DPDK_STAT_EVERY == 0;
    if (due && rte_eth_stats_get(q->port, &all) == 0) {
        q->device_missed = all.imissed + all.rx_nombuf;
        q->device_rx_errors = all.ierrors;
        q->device_tx_errors = all.oerrors;
    }
    *out = q->stat;
    out->rx_missed += q->device_missed;
    out->rx_errors += q->device_rx_errors;
    out->tx_errors += q->device_tx_errors;
}

const struct nic_ops nic_dpdk_ops = {
    .rx = queue_rx,
    .release = queue_release,
    .tx = queue_tx,
    .facts = queue_facts,
    .stat = queue_stat,
};

/* ---- threads ---- */

struct nic
nic_dpdk_enter(struct nic_dpdk *d, uint32_t queue)
{
    must(queue < d->queue_count);
    /* Gives the thread a cache of its own in every pool; without one it is slower, and right. */
    if (rte_lcore_id() == LCORE_ID_ANY)
        (void)rte_thread_register();
    return (struct nic){&nic_dpdk_ops, &d->queues[queue]};
}

void
nic_dpdk_leave(struct nic_dpdk *d)
{
    must(d);
    rte_thread_unregister();
}
