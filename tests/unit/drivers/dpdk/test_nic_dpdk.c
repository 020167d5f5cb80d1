/* Over net_ring, a device that gives back what it is given: each frame that is sent arrives. */
#include "tests/unit/drivers/dpdk/child.h"

#include "drivers/dpdk/nic_dpdk_in.h"

static struct nic_dpdk *d;
static struct nic nic;
static uint32_t ended;

static void
ref_ended(struct packet_ref *ref)
{
    ended++;
}

static void
up(void)
{
    struct nic_dpdk_config c = child_config("net_ring0");
    char error[NIC_DPDK_ERROR_BYTES];
    must(nic_dpdk_create(&c, 1, &d, error) == ERR_OK);
    nic = nic_dpdk_enter(d, 0);
    ended = 0;
}

/* Every mbuf must be back in its pool. */
static void
down(void)
{
    struct nic_queue *q = &d->queues[0];
    must(rte_mempool_full(q->rx_pool) && rte_mempool_full(q->copy_pool));
    must(rte_mempool_full(q->header_pool) && rte_mempool_full(q->span_pool));
    nic_dpdk_leave(d);
    nic_dpdk_destroy(d);
}

static struct nic_tx
frame(const void *payload, uint32_t bytes, struct packet_ref *ref)
{
    struct nic_tx tx = {.header_bytes = 54, .l2_bytes = 14, .l3_bytes = 20};
    for (uint8_t i = 0; i < 54; i++)
        tx.header[i] = i;
    tx.payload_bytes = bytes;
    tx.span_count = bytes > 0;
    tx.spans[0] = (struct packet_span){view_of(payload, bytes), ref};
    return tx;
}

static bool
offer(const struct nic_tx *tx)
{
    return nic.ops->tx(nic.self, &tx, 1) == 1;
}

static void
expect(const struct nic_tx *tx)
{
    struct nic_rx rx;
    struct nic_facts facts;
    nic.ops->facts(nic.self, &facts);
    must(facts.mtu == 1500 && strcmp(facts.name, "net_ring net_ring0") == 0);
    must(nic.ops->rx(nic.self, &rx, 1) == 1);
    must(rx.bytes.len == tx->header_bytes + tx->payload_bytes);
    must(memcmp(rx.bytes.at, tx->header, tx->header_bytes) == 0);
    const uint8_t *at = rx.bytes.at + tx->header_bytes;
    for (uint32_t i = 0; i < tx->span_count; at += tx->spans[i++].bytes.len)
        must(memcmp(at, tx->spans[i].bytes.at, tx->spans[i].bytes.len) == 0);
    must(rx.pinned_bytes > rx.bytes.len);
    must(rx.ip_sum == PACKET_SUM_UNKNOWN && rx.l4_sum == PACKET_SUM_UNKNOWN);
    nic.ops->release(nic.self, &rx.frame, 1);
}

static void
send_whole(void)
{
    up();
    struct nic_tx bare = frame(NULL, 0, NULL), copied = frame("some payload", 12, NULL);
    must(offer(&bare) && offer(&copied));
    expect(&bare);
    expect(&copied);
    must(nic.ops->rx(nic.self, &(struct nic_rx){0}, 1) == 0);
    down();
}

static void
frames_without_refs_arrive_whole(void **state)
{
    in_child(send_whole);
}

static void
send_chain(void)
{
    static uint8_t payload[1446];
    struct packet_ref ref = {.holds = 1, .ended = ref_ended};
    up();
    must(d->queues[0].chains);
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(i * 7);
    struct nic_tx tx = frame(payload, 1000, &ref);
    tx.spans[1] = (struct packet_span){view_of(payload, 0), &ref};
    tx.spans[2] = (struct packet_span){view_of(payload + 1000, 446), &ref};
    tx.span_count = 3;
    tx.payload_bytes = 1446;
    must(offer(&tx));
    must(ref.holds == 3); /* one for each span with bytes, until the frame has left */
    expect(&tx);
    must(ref.holds == 1 && ended == 0);
    packet_drop(&ref);
    must(ended == 1);
    down();
}

static void
spans_go_by_reference_and_are_held_until_the_frame_has_left(void **state)
{
    in_child(send_chain);
}

static void
send_to_a_device_without_chains(void)
{
    struct packet_ref ref = {.holds = 1, .ended = ref_ended};
    up();
    d->queues[0].chains = false;
    struct nic_tx tx = frame("some payload", 12, &ref);
    must(offer(&tx));
    must(ref.holds == 1);
    expect(&tx);
    down();
}

static void
a_device_without_chains_gets_copies_and_holds_nothing(void **state)
{
    in_child(send_to_a_device_without_chains);
}

static uint8_t arena[4096], elsewhere[4096];

static void
payload_fill(void)
{
    for (size_t i = 0; i < sizeof arena; i++) {
        arena[i] = (uint8_t)(i * 7);
        elsewhere[i] = (uint8_t)(i * 11);
    }
}

/* As on PCI: one part is where the device cannot read, between two where it can. */
static void
send_from_within_and_without_reach(void)
{
    struct packet_ref ref = {.holds = 1, .ended = ref_ended};
    struct nic_stat stat;
    payload_fill();
    up();
    must(nic_regions_add(&nic_lend_regions, arena, sizeof arena) == ERR_OK);
    d->queues[0].reach = &nic_lend_regions;
    struct nic_tx tx = frame(arena, 500, &ref);
    tx.spans[1] = (struct packet_span){view_of(elsewhere, 100), &ref};
    tx.spans[2] = (struct packet_span){view_of(arena + 4000, 96), &ref};
    tx.span_count = 3;
    tx.payload_bytes = 696;
    must(offer(&tx));
    must(ref.holds == 3);
    nic.ops->stat(nic.self, &stat);
    must(stat.tx_by_reference == 596 && stat.tx_copied == 100 && stat.spans_held == 2);
    expect(&tx);
    must(ref.holds == 1);
    struct nic_tx out = frame(elsewhere, 1000, &ref);
    must(offer(&out));
    must(ref.holds == 1);
    nic.ops->stat(nic.self, &stat);
    must(stat.tx_by_reference == 596 && stat.tx_copied == 1100 && stat.spans_held == 0);
    expect(&out);
    down();
}

static void
what_the_device_cannot_reach_is_copied_and_the_rest_is_not(void **state)
{
    in_child(send_from_within_and_without_reach);
}

static void
send_more_parts_than_the_device_takes(void)
{
    struct packet_ref ref = {.holds = 1, .ended = ref_ended};
    struct nic_stat stat;
    payload_fill();
    up();
    d->queues[0].segs_max = 4;
    struct nic_tx tx = frame(arena, 10, &ref);
    for (uint8_t i = 1; i < 4; i++)
        tx.spans[i] = (struct packet_span){view_of(arena + 100u * i, 10), &ref};
    tx.span_count = 3;
    tx.payload_bytes = 30;
    must(offer(&tx));
    must(ref.holds == 4);
    expect(&tx);
    tx.span_count = 4;
    tx.payload_bytes = 40;
    must(offer(&tx));
    must(ref.holds == 1);
    expect(&tx);
    nic.ops->stat(nic.self, &stat);
    must(stat.tx_by_reference == 30 && stat.tx_copied == 40);
    down();
}

static void
a_frame_of_more_parts_than_the_device_takes_is_copied_whole(void **state)
{
    in_child(send_more_parts_than_the_device_takes);
}

static void
send_by_page(void)
{
    static _Alignas(NIC_PAGE_BYTES) uint8_t pages[3 * NIC_PAGE_BYTES];
    struct packet_ref ref = {.holds = 1, .ended = ref_ended};
    for (size_t i = 0; i < sizeof pages; i++)
        pages[i] = (uint8_t)(i * 13);
    up();
    d->queues[0].by_page = true;
    struct nic_tx tx = frame(pages + NIC_PAGE_BYTES - 1, 1000, &ref);
    must(offer(&tx));
    must(ref.holds == 3);
    expect(&tx);
    tx = frame(pages + NIC_PAGE_BYTES, 1000, &ref);
    must(offer(&tx));
    must(ref.holds == 2);
    expect(&tx);
    tx = frame(pages + 2 * NIC_PAGE_BYTES - 1000, 1000, &ref);
    must(offer(&tx));
    must(ref.holds == 2);
    expect(&tx);
    d->queues[0].segs_max = 2;
    tx = frame(pages + NIC_PAGE_BYTES - 1, 1000, &ref);
    must(offer(&tx));
    must(ref.holds == 1);
    expect(&tx);
    down();
}

static void
some_devices_get_no_part_that_lies_in_two_pages(void **state)
{
    in_child(send_by_page);
}

static void
fill_the_ring(void)
{
    static struct nic_tx frames[NIC_BURST_MAX];
    const struct nic_tx *list[NIC_BURST_MAX];
    struct packet_ref ref = {.holds = 1, .ended = ref_ended};
    struct nic_stat stat;
    uint32_t sent = 0, taken, seen = 0;
    up();
    do {
        for (uint32_t i = 0; i < NIC_BURST_MAX; i++) {
            frames[i] = frame("payload", 7, &ref);
            set_u32(frames[i].header, sent + i);
            list[i] = &frames[i];
        }
        taken = nic.ops->tx(nic.self, list, NIC_BURST_MAX);
        sent += taken;
        must(sent < 100000);
    } while (taken == NIC_BURST_MAX);
    must(ref.holds == 1 + sent);
    nic.ops->stat(nic.self, &stat);
    must(stat.tx_full >= 1 && stat.tx_frames == sent && stat.tx_bytes == sent * 61);
    for (struct nic_rx rx; nic.ops->rx(nic.self, &rx, 1) == 1; seen++) {
        must(get_u32(rx.bytes.at) == seen);
        nic.ops->release(nic.self, &rx.frame, 1);
    }
    must(seen == sent);
    must(ref.holds == 1);
    nic.ops->stat(nic.self, &stat);
    must(stat.rx_frames == sent && stat.frames_out == 0);
    down();
}

static void
a_full_ring_takes_no_more_and_loses_nothing_that_it_took(void **state)
{
    in_child(fill_the_ring);
}

static void
run_out_of_frames(void)
{
    static struct rte_mbuf *all[8192];
    struct packet_ref ref = {.holds = 1, .ended = ref_ended};
    up();
    struct nic_queue *q = &d->queues[0];
    struct nic_tx tx = frame("payload", 7, &ref);
    struct rte_mempool *pools[] = {q->header_pool, q->span_pool};
    for (int i = 0; i < 2; i++) {
        uint32_t n = 0;
        while ((all[n] = rte_pktmbuf_alloc(pools[i])))
            n++;
        must(!offer(&tx));
        must(ref.holds == 1);
        while (n > 0)
            rte_pktmbuf_free(all[--n]);
    }
    must(offer(&tx));
    expect(&tx);
    down();
}

static void
without_mbufs_nothing_is_taken_and_nothing_stays_held(void **state)
{
    in_child(run_out_of_frames);
}

static void
stop_with_frames_pending(void)
{
    struct packet_ref ref = {.holds = 1, .ended = ref_ended};
    up();
    struct nic_queue *q = &d->queues[0];
    struct nic_tx tx = frame("payload", 7, &ref);
    must(offer(&tx));
    struct nic_rx rx;
    must(nic.ops->rx(nic.self, &rx, 1) == 1);
    q->pending[0] = (struct rte_mbuf *)rx.frame;
    q->pending_count = 1;
    q->stat.frames_out--;
    nic_dpdk_pending_drop(q);
    down();
}

static void
frames_that_the_device_never_took_are_dropped_at_the_end(void **state)
{
    in_child(stop_with_frames_pending);
}

/* net_ring hands on the mbuf itself, so that what a device would say of it arrives too. */
static void
say(uint64_t ip, uint64_t l4, enum packet_sum ip_wanted, enum packet_sum l4_wanted)
{
    struct nic_queue *q = &d->queues[0];
    struct rte_mbuf *m = rte_pktmbuf_alloc(q->copy_pool);
    struct nic_rx rx;
    must(m && rte_pktmbuf_append(m, 60));
    m->ol_flags = ip | l4;
    must(rte_eth_tx_burst(q->port, 0, &m, 1) == 1 && nic.ops->rx(nic.self, &rx, 1) == 1);
    must(rx.ip_sum == ip_wanted && rx.l4_sum == l4_wanted);
    nic.ops->release(nic.self, &rx.frame, 1);
}

static void
say_everything(void)
{
    up();
    say(RTE_MBUF_F_RX_IP_CKSUM_UNKNOWN, RTE_MBUF_F_RX_L4_CKSUM_UNKNOWN, PACKET_SUM_UNKNOWN,
        PACKET_SUM_UNKNOWN);
    say(RTE_MBUF_F_RX_IP_CKSUM_GOOD, RTE_MBUF_F_RX_L4_CKSUM_BAD, PACKET_SUM_GOOD, PACKET_SUM_BAD);
    say(RTE_MBUF_F_RX_IP_CKSUM_BAD, RTE_MBUF_F_RX_L4_CKSUM_GOOD, PACKET_SUM_BAD, PACKET_SUM_GOOD);
    say(RTE_MBUF_F_RX_IP_CKSUM_NONE, RTE_MBUF_F_RX_L4_CKSUM_NONE, PACKET_SUM_GOOD, PACKET_SUM_GOOD);
    down();
}

static void
a_checksum_that_the_device_vouches_for_is_good_although_it_was_not_filled_in(void **state)
{
    in_child(say_everything);
}

enum { BURST_PAYLOAD = 40000, BURST_SEGMENT = 1448, BURST_HEADER = 66 };

/* As over a card that cuts; net_ring hands on the mbufs as they are. */
static void
up_cutting(void)
{
    up();
    d->facts.tx_burst_bytes = 47000;
    d->facts.tx_l4_sum = true;
    d->queues[0].burst_segs_max = NIC_BURST_PARTS_MAX;
    d->queues[0].segs_max = 8;
}

static struct nic_tx
burst_of(const uint8_t *payload, uint32_t bytes, struct packet_ref *ref, bool v4)
{
    struct nic_tx tx = frame(payload, bytes, ref);
    tx.l2_bytes = v4 ? 14 : 18; /* with a tag */
    tx.l3_bytes = v4 ? 20 : 40;
    tx.header_bytes = v4 ? BURST_HEADER : BURST_HEADER + 20 + 4;
    tx.header[tx.l2_bytes] = v4 ? 0x45 : 0x60;
    tx.l4_sum = true;
    tx.segment_bytes = BURST_SEGMENT;
    return tx;
}

/* Takes a frame off the device as DPDK has it. */
static struct rte_mbuf *
raw_take(const struct nic_tx *tx)
{
    static uint8_t all[65536];
    struct rte_mbuf *m = NULL;
    struct nic_queue *q = &d->queues[0];
    must(rte_eth_rx_burst(q->port, 0, &m, 1) == 1);
    must(m->pkt_len == tx->header_bytes + tx->payload_bytes);
    must(m->data_len >= tx->header_bytes);
    const uint8_t *at = rte_pktmbuf_read(m, 0, m->pkt_len, all);
    at += tx->header_bytes;
    for (uint32_t i = 0; i < tx->span_count; at += tx->spans[i++].bytes.len)
        must(memcmp(at, tx->spans[i].bytes.at, tx->spans[i].bytes.len) == 0);
    return m;
}

static uint8_t *
burst_payload(void)
{
    static _Alignas(NIC_PAGE_BYTES) uint8_t bytes[BURST_PAYLOAD + NIC_PAGE_BYTES];
    for (uint32_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7 + i / 251);
    return bytes;
}

static void
send_bursts(void)
{
    struct packet_ref ref = {.holds = 1, .ended = ref_ended};
    struct nic_stat stat;
    uint8_t *payload = burst_payload();
    up_cutting();
    for (int i = 0; i < 3; i++) {
        bool v4 = i < 2;
        d->ip_sum = i == 0;
        struct nic_tx tx = burst_of(payload, BURST_PAYLOAD, &ref, v4);
        must(offer(&tx));
        struct rte_mbuf *m = raw_take(&tx);
        uint64_t family = v4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
        uint64_t ip_sum = i == 0 ? RTE_MBUF_F_TX_IP_CKSUM : 0;
        must((m->ol_flags & RTE_MBUF_F_TX_OFFLOAD_MASK) ==
             (RTE_MBUF_F_TX_TCP_SEG | family | ip_sum));
        must(m->tso_segsz == BURST_SEGMENT);
        must(m->l2_len == tx.l2_bytes && m->l3_len == tx.l3_bytes && m->l4_len == 32);
        const uint8_t *sum = rte_pktmbuf_mtod_offset(m, const uint8_t *, 14 + 10);
        must(get_u16(sum) == (i == 0 ? 0 : get_u16(tx.header + 14 + 10)));
        must(m->nb_segs == 1 + 4 && ref.holds == 1 + 4); /* parts of 12 KiB at most */
        rte_pktmbuf_free(m);
        must(ref.holds == 1);
    }
    nic.ops->stat(nic.self, &stat);
    must(stat.tx_bursts == 3 && stat.tx_frames == 3 && stat.tx_by_reference == 3 * BURST_PAYLOAD);
    struct nic_tx one = frame(payload, 1000, &ref);
    one.l4_sum = true;
    one.header[14] = 0x45;
    must(offer(&one));
    struct rte_mbuf *m = raw_take(&one);
    must(!(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) && m->tso_segsz == 0);
    rte_pktmbuf_free(m);
    down();
}

static void
a_burst_goes_by_reference_and_tells_the_device_how_to_cut_it(void **state)
{
    in_child(send_bursts);
}

static void
send_bursts_of_copies(void)
{
    struct packet_ref ref = {.holds = 1, .ended = ref_ended};
    struct nic_stat stat;
    up_cutting();
    d->queues[0].chains = false;
    struct nic_tx tx = burst_of(burst_payload(), BURST_PAYLOAD, &ref, true);
    must(offer(&tx));
    must(ref.holds == 1);
    struct rte_mbuf *m = raw_take(&tx);
    must(m->nb_segs == (BURST_PAYLOAD + BURST_HEADER) / d->queues[0].copy_bytes + 1);
    rte_pktmbuf_free(m);
    nic.ops->stat(nic.self, &stat);
    must(stat.tx_bursts == 1 && stat.tx_copied == BURST_PAYLOAD);
    /* Out of memory half way. */
    static struct rte_mbuf *taken[4096];
    uint32_t n = 0;
    while ((taken[n] = rte_pktmbuf_alloc(d->queues[0].copy_pool)))
        n++;
    for (uint32_t i = 0; i < 5; i++)
        rte_pktmbuf_free(taken[--n]);
    must(!offer(&tx));
    while (n > 0)
        rte_pktmbuf_free(taken[--n]);
    down();
}

static void
a_burst_that_is_copied_lies_in_several_pieces(void **state)
{
    in_child(send_bursts_of_copies);
}

/* How many mbufs a burst became, whose payload lies in pieces of so many bytes, the rest in one. */
static uint32_t
mbufs_of(const uint32_t *pieces, uint32_t count, struct packet_ref *ref)
{
    uint8_t *payload = burst_payload();
    struct nic_tx tx = burst_of(payload, BURST_PAYLOAD, ref, true);
    uint32_t at = 0;
    for (uint32_t i = 0; i < count; at += pieces[i++])
        tx.spans[i] = (struct packet_span){view_of(payload + at, pieces[i]), ref};
    tx.spans[count] = (struct packet_span){view_of(payload + at, BURST_PAYLOAD - at), ref};
    tx.span_count = (uint8_t)(count + 1);
    must(offer(&tx));
    struct rte_mbuf *m = raw_take(&tx);
    uint32_t segs = m->nb_segs;
    rte_pktmbuf_free(m);
    return segs;
}

static void
send_bursts_in_pieces(void)
{
    static const uint32_t small[] = {100, 100, 100, 100, 100, 100}, large[] = {2000, 2000, 2000};
    struct packet_ref ref = {.holds = 1, .ended = ref_ended};
    up_cutting();
    uint32_t copied =
        (BURST_PAYLOAD + BURST_HEADER + d->queues[0].copy_bytes - 1u) / d->queues[0].copy_bytes;
    must(mbufs_of(small, 6, &ref) == copied);
    d->queues[0].segs_max = 16;
    must(mbufs_of(small, 6, &ref) == 1 + 6 + 4);
    d->queues[0].segs_max = 4;
    must(mbufs_of(large, 3, &ref) == 1 + 3 + 3);
    d->queues[0].burst_segs_max = 6;
    must(mbufs_of(large, 3, &ref) == copied);
    d->queues[0].burst_segs_max = NIC_BURST_PARTS_MAX;
    d->queues[0].by_page = true;
    must(mbufs_of(NULL, 0, &ref) == 1 + 10);
    must(ref.holds == 1);
    down();
}

static void
a_burst_whose_segments_touch_too_many_parts_is_copied(void **state)
{
    in_child(send_bursts_in_pieces);
}

static void
fill_a_ring_that_drops(void)
{
    struct packet_ref ref = {.holds = 1, .ended = ref_ended};
    struct nic_stat stat;
    up_cutting();
    d->queues[0].drops = true;
    uint32_t taken = 0;
    struct nic_tx tx = burst_of(burst_payload(), BURST_PAYLOAD, &ref, true);
    while (offer(&tx))
        taken++;
    nic.ops->stat(nic.self, &stat);
    must(stat.tx_full == 1 && stat.spans_held == 4 * taken);
    must(5 * taken + NIC_BURST_PARTS_MAX <= d->queues[0].ring);
    must(taken > d->queues[0].ring / 10);
    for (; taken > 0; taken--)
        rte_pktmbuf_free(raw_take(&tx));
    must(offer(&tx));
    rte_pktmbuf_free(raw_take(&tx));
    down();
}

static void
a_device_that_drops_what_does_not_fit_is_offered_only_what_does(void **state)
{
    in_child(fill_a_ring_that_drops);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_without_refs_arrive_whole),
        cmocka_unit_test(spans_go_by_reference_and_are_held_until_the_frame_has_left),
        cmocka_unit_test(a_device_without_chains_gets_copies_and_holds_nothing),
        cmocka_unit_test(what_the_device_cannot_reach_is_copied_and_the_rest_is_not),
        cmocka_unit_test(a_frame_of_more_parts_than_the_device_takes_is_copied_whole),
        cmocka_unit_test(some_devices_get_no_part_that_lies_in_two_pages),
        cmocka_unit_test(a_full_ring_takes_no_more_and_loses_nothing_that_it_took),
        cmocka_unit_test(without_mbufs_nothing_is_taken_and_nothing_stays_held),
        cmocka_unit_test(frames_that_the_device_never_took_are_dropped_at_the_end),
        cmocka_unit_test(a_burst_goes_by_reference_and_tells_the_device_how_to_cut_it),
        cmocka_unit_test(a_burst_that_is_copied_lies_in_several_pieces),
        cmocka_unit_test(a_burst_whose_segments_touch_too_many_parts_is_copied),
        cmocka_unit_test(a_device_that_drops_what_does_not_fit_is_offered_only_what_does),
        cmocka_unit_test(
            a_checksum_that_the_device_vouches_for_is_good_although_it_was_not_filled_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
