/* nic_reap.c: spans come back when the device has sent them, also when nothing follows.
 *
 * Drivers of cards keep the mbufs of frames that have left until their ring is nearly full.  What
 * a span refers to is held as long: the tail cache could not be overwritten, and the next answer of
 * the connection waits for the one before it.  So while anything is held the driver is asked in
 * every turn.  Nothing in DPDK's interface says how one that has no rte_eth_tx_done_cleanup can be
 * asked, hence the table: what is in it was read in the drivers of DPDK 22.11 and proven by
 * tests/vm.
 *
 * QEMU's cards of two of these drivers map each part of a frame in one piece, and drop the frame
 * when its pages are not side by side behind the IOMMU: they get parts within pages.
 *
 * net_vmxnet3 drops a frame when its ring has places left, but too few for it: a whole burst would
 * be lost.  So no more is offered than surely fits.
 *
 * net_e1000_em ends a span only when its place in the ring is used again, but it tells whether the
 * newest frame has been written back, and all before it have then.  The holds end here; the mbufs
 * stay with the driver, which never looks at their bytes again. */
#include "drivers/dpdk/nic_dpdk_in.h"

static const struct row {
    const char *driver;
    enum nic_reap how;
    bool by_page, drops;
} table[] = {
    {"net_virtio", NIC_REAP_LARGE, false, false},
    {"net_vmxnet3", NIC_REAP_EMPTY, true, true},
    {"net_e1000_em", NIC_REAP_STATUS, true, false},
};

static const struct row *
row_of(const char *driver)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        if (strcmp(driver, table[i].driver) == 0)
            return &table[i];
    return NULL;
}

enum nic_reap
nic_reap_of(const char *driver, int cleanup)
{
    const struct row *row = row_of(driver);
    if (cleanup >= 0)
        return NIC_REAP_CLEANUP;
    return row ? row->how : NIC_REAP_NEVER;
}

bool
nic_reap_by_page(const char *driver)
{
    const struct row *row = row_of(driver);
    return row && row->by_page;
}

bool
nic_reap_drops(const char *driver)
{
    const struct row *row = row_of(driver);
    return row && row->drops;
}

/* ---- holds ---- */

static void
hold_end(struct nic_span *s)
{
    struct packet_ref *ref = s->ref;
    s->ref = NULL;
    list_remove(&s->held);
    must(s->queue->stat.spans_held > 0);
    s->queue->stat.spans_held--;
    packet_drop(ref);
}

static void
mbuf_freed(void *address, void *opaque)
{
    struct nic_span *s = opaque;
    if (s->ref)
        hold_end(s);
}

void
nic_reap_hold(struct nic_queue *q, struct rte_mbuf *m, struct packet_ref *ref)
{
    struct nic_span *s = rte_mbuf_to_priv(m);
    s->info.free_cb = mbuf_freed;
    s->info.fcb_opaque = s;
    rte_mbuf_ext_refcnt_set(&s->info, 1);
    s->queue = q;
    s->ref = ref;
    packet_hold(ref);
    list_push_back(&q->held, &s->held);
    q->stat.spans_held++;
}

/* ---- asking ---- */

static void
ask_cleanup(struct nic_queue *q)
{
    (void)rte_eth_tx_done_cleanup(q->port, q->number, 0);
}

static void
ask_empty(struct nic_queue *q)
{
    (void)rte_eth_tx_burst(q->port, q->number, NULL, 0);
}

/* The driver makes room for a frame that it could never take. */
static void
ask_large(struct nic_queue *q)
{
    must(rte_eth_tx_burst(q->port, q->number, &q->large, 1) == 0);
}

static void
ask_status(struct nic_queue *q)
{
    uint16_t newest = q->ring - 1;
    struct list *node;
    if (q->pending_count > 0) /* their spans the driver has not even seen */
        return;
    if (rte_eth_tx_descriptor_status(q->port, q->number, newest) != RTE_ETH_TX_DESC_DONE)
        return;
    while ((node = list_first(&q->held)) != NULL)
        hold_end(list_item(node, struct nic_span, held));
}

void
nic_reap_ask(struct nic_queue *q)
{
    static void (*const ask[])(struct nic_queue * q) = {
        [NIC_REAP_CLEANUP] = ask_cleanup,
        [NIC_REAP_STATUS] = ask_status,
        [NIC_REAP_EMPTY] = ask_empty,
        [NIC_REAP_LARGE] = ask_large,
    };
    if (ask[q->reap])
        ask[q->reap](q);
}

/* Not in the header pool's count while the queue is there.  Drivers count places of the ring in 16
 * bits, so that the frame is longer than any ring of ours but not by much. */
bool
nic_reap_ready(struct nic_queue *q)
{
    list_init(&q->held);
    if (q->reap != NIC_REAP_LARGE)
        return true;
    must(q->ring <= NIC_REAP_RING_MAX);
    q->large = rte_pktmbuf_alloc(q->header_pool);
    if (q->large)
        q->large->nb_segs = NIC_REAP_RING_MAX * 2;
    return q->large != NULL;
}

void
nic_reap_end(struct nic_queue *q)
{
    if (!q->large)
        return;
    q->large->nb_segs = 1;
    rte_pktmbuf_free(q->large);
    q->large = NULL;
}
