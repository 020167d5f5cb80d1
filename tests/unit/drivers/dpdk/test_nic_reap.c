/* Over net_ring, whose calls are replaced by those of cards as DPDK's drivers treat them: what was
 * sent stays in the ring until the driver has a reason to look. */
#include "tests/unit/drivers/dpdk/child.h"

#include "drivers/dpdk/nic_dpdk_in.h"

enum { CARD_RING = 16 };

static struct nic_dpdk *d;
static struct nic nic;
static struct packet_ref ref;
static uint32_t ended, asked;

/* A card: frames of its ring, of which the first `gone` have left. */
static struct rte_mbuf *ring[CARD_RING];
static uint32_t count, gone;

static void
ref_ended(struct packet_ref *r)
{
    ended++;
}

static void
free_gone(void)
{
    for (uint32_t i = 0; i < gone; i++)
        rte_pktmbuf_free(ring[i]);
    memmove(ring, ring + gone, (count - gone) * sizeof *ring);
    count -= gone;
    gone = 0;
}

/* Only looks when a frame has no room: net_virtio, net_e1000_em. */
static uint16_t
burst_when_full(void *queue, struct rte_mbuf **list, uint16_t n)
{
    uint16_t sent = 0;
    for (; sent < n; sent++) {
        if (list[sent]->nb_segs > CARD_RING - count)
            free_gone();
        if (list[sent]->nb_segs > CARD_RING - count)
            break;
        ring[count++] = list[sent];
    }
    asked += n > 0 && sent == 0;
    return sent;
}

/* Looks first: net_vmxnet3. */
static uint16_t
burst_always(void *queue, struct rte_mbuf **list, uint16_t n)
{
    asked += n == 0;
    free_gone();
    for (uint16_t i = 0; i < n; i++)
        ring[count++] = list[i];
    return n;
}

/* Of the newest frame: the last place before the next one. */
static int
status(void *queue, uint16_t offset)
{
    asked++;
    must(offset == d->queues[0].ring - 1);
    return gone == count ? RTE_ETH_TX_DESC_DONE : RTE_ETH_TX_DESC_FULL;
}

int
rte_eth_tx_done_cleanup(uint16_t port, uint16_t queue, uint32_t most)
{
    must(port == d->port && queue == 0 && most == 0);
    asked++;
    free_gone();
    return 0;
}

static void
up(enum nic_reap how)
{
    struct nic_dpdk_config c = child_config("net_ring0");
    char error[NIC_DPDK_ERROR_BYTES];
    must(nic_dpdk_create(&c, 1, &d, error) == ERR_OK);
    nic = nic_dpdk_enter(d, 0);
    rte_eth_fp_ops[d->port].tx_pkt_burst = how == NIC_REAP_EMPTY ? burst_always : burst_when_full;
    rte_eth_fp_ops[d->port].tx_descriptor_status = status;
    d->queues[0].reap = how;
    must(nic_reap_ready(&d->queues[0]));
    ref = (struct packet_ref){.holds = 1, .ended = ref_ended};
}

static void
down(void)
{
    struct nic_queue *q = &d->queues[0];
    gone = count;
    free_gone();
    nic_reap_end(q);
    must(rte_mempool_full(q->header_pool) && rte_mempool_full(q->span_pool));
    must(q->stat.spans_held == 0 && ref.holds == 1 && ended == 0);
    nic_dpdk_leave(d);
    nic_dpdk_destroy(d);
}

static bool
offer(void)
{
    static const char payload[] = "payload";
    static struct nic_tx tx;
    const struct nic_tx *list[] = {&tx};
    tx = (struct nic_tx){.header_bytes = 54, .l2_bytes = 14, .l3_bytes = 20, .span_count = 1};
    tx.spans[0] = (struct packet_span){view_of(payload, 7), &ref};
    tx.payload_bytes = 7;
    return nic.ops->tx(nic.self, list, 1) == 1;
}

/* A turn in which nothing arrives. */
static void
turn(void)
{
    struct nic_rx rx;
    must(nic.ops->rx(nic.self, &rx, 1) == 0);
}

static uint64_t
held(void)
{
    struct nic_stat st;
    nic.ops->stat(nic.self, &st);
    return st.spans_held;
}

/* Two frames; the holds last while the card has them, and no further frame is needed. */
static void
idle(enum nic_reap how)
{
    up(how);
    turn();
    must(asked == 0); /* nothing is held: nobody asks */
    must(offer() && offer());
    must(ref.holds == 3 && held() == 2);
    turn();
    must(ref.holds == 3 && held() == 2 && asked > 0);
    gone = count;
    turn();
    must(ref.holds == 1 && held() == 0);
    uint32_t before = asked;
    turn();
    must(asked == before);
    /* And again, with what the driver still has of before. */
    must(offer());
    turn();
    must(ref.holds == 2);
    gone = count;
    turn();
    must(ref.holds == 1);
    down();
}

#define IDLE(name, how)                                                                            \
    static void name##_child(void)                                                                 \
    {                                                                                              \
        idle(how);                                                                                 \
    }                                                                                              \
    static void name(void **state)                                                                 \
    {                                                                                              \
        in_child(name##_child);                                                                    \
    }
IDLE(a_driver_with_a_cleanup_gives_back_in_silence, NIC_REAP_CLEANUP)
IDLE(one_that_only_tells_what_it_sent_ends_holds_in_silence, NIC_REAP_STATUS)
IDLE(one_that_looks_in_every_burst_gives_back_in_silence, NIC_REAP_EMPTY)
IDLE(one_that_looks_when_it_has_no_room_gives_back_in_silence, NIC_REAP_LARGE)

/* Frames that the driver has not been given are not sent, whatever it says of the newest it has. */
static void
status_with_frames_pending(void)
{
    up(NIC_REAP_STATUS);
    while (count < CARD_RING - 1)
        must(offer());
    must(offer()); /* it stays with us: a frame has two parts */
    must(d->queues[0].pending_count == 1);
    uint64_t all = held();
    turn();
    must(held() == all);
    nic_reap_ask(&d->queues[0]);
    must(held() == all);
    gone = count;
    turn(); /* makes room for it, too */
    must(count == 1 && held() == 1 && ref.holds == 2);
    down();
}

static void
holds_of_frames_that_wait_for_the_ring_do_not_end(void **state)
{
    in_child(status_with_frames_pending);
}

static void
how_a_driver_is_asked_is_known_or_it_gets_copies(void **state)
{
    assert_int_equal(nic_reap_of("net_ixgbe", 0), NIC_REAP_CLEANUP);
    assert_int_equal(nic_reap_of("net_virtio", 3), NIC_REAP_CLEANUP);
    assert_int_equal(nic_reap_of("net_virtio", -ENOTSUP), NIC_REAP_LARGE);
    assert_int_equal(nic_reap_of("net_vmxnet3", -ENOTSUP), NIC_REAP_EMPTY);
    assert_int_equal(nic_reap_of("net_e1000_em", -ENOTSUP), NIC_REAP_STATUS);
    assert_int_equal(nic_reap_of("net_e1000", -ENOTSUP), NIC_REAP_NEVER);
    assert_int_equal(nic_reap_of("mlx5_pci", -ENOTSUP), NIC_REAP_NEVER);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_driver_with_a_cleanup_gives_back_in_silence),
        cmocka_unit_test(one_that_only_tells_what_it_sent_ends_holds_in_silence),
        cmocka_unit_test(one_that_looks_in_every_burst_gives_back_in_silence),
        cmocka_unit_test(one_that_looks_when_it_has_no_room_gives_back_in_silence),
        cmocka_unit_test(holds_of_frames_that_wait_for_the_ring_do_not_end),
        cmocka_unit_test(how_a_driver_is_asked_is_known_or_it_gets_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
