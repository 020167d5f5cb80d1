#include "tests/unit/dataplane/net/host.h"

static uint32_t ended;

static void
ref_ended(struct packet_ref *ref)
{
    ended++;
}

/* Feeds what the host sent to a second one with its addresses the other way round: the packet must
 * pass every check of the receiving side, and its TCP checksum must be right. */
static void
passes_the_checks_of_a_receiver(const struct host *h, const char *dst, uint32_t frame)
{
    static struct host peer;
    struct ipnet_config c = host_config();
    char error[IPNET_ERROR_BYTES];
    memcpy(c.mac, peer_mac, 6);
    assert_int_equal(ipnet_text_addresses(&c, "10.77.0.9/24,fd00:77::9/64", error), ERR_OK);
    host_start(&peer, &c);
    host_wait(&peer, 2000);
    host_feed_sums(&peer, h->out[frame], h->out_bytes[frame], PACKET_SUM_UNKNOWN,
                   PACKET_SUM_UNKNOWN);
    assert_int_equal(peer.in.packet_count, 1);
    const struct packet_in *p = &peer.in.packets[0];
    assert_memory_equal(p->dst, ip_of(dst), 16);
    struct checksum sum = checksum_start();
    checksum_pseudo(&sum, p->src, p->dst, 6, p->l4.len);
    checksum_add(&sum, p->l4.at, p->l4.len);
    assert_int_equal(checksum_end(&sum), 0);
    host_stop(&peer);
}

static void
a_packet_has_headers_that_its_receiver_takes(void **state)
{
    static const char *const peers[] = {"10.77.0.9", "fd00:77::9"};
    for (int i = 0; i < 2; i++) {
        static struct host h;
        struct packet_ref ref = {.holds = 1, .ended = ref_ended};
        host_ready(&h);
        host_meets(&h, peers[i]);
        struct packet_out p = packet_to(peers[i], &ref, "a payload of odd length", 23);
        p.traffic_class = 0x28;
        host_send(&h, &p);
        host_collect(&h);
        assert_int_equal(h.out_count, 1);
        assert_memory_equal(h.out[0], peer_mac, 6);
        assert_memory_equal(h.out[0] + h.out_bytes[0] - 23, "a payload of odd length", 23);
        if (i == 0) {
            assert_int_equal(h.out[0][15], 0x28);
            assert_int_equal(get_u16(h.out[0] + 20), 0x4000); /* never a fragment */
        } else {
            assert_int_equal(get_u16(h.out[0] + 14) >> 4 & 0xff, 0x28);
        }
        passes_the_checks_of_a_receiver(&h, peers[i], 0);
        assert_int_equal(ref.holds, 1);
        host_stop(&h);
    }
}

static void
spans_without_a_ref_are_copied_in_the_call(void **state)
{
    static struct host h;
    char text[] = "0123456789";
    host_ready(&h);
    host_meets(&h, "10.77.0.9");
    struct packet_ref ref = {.holds = 1, .ended = ref_ended};
    struct packet_out p = packet_to("10.77.0.9", NULL, text, 5);
    p.spans[1] = (struct packet_span){view_of("held", 4), &ref};
    p.spans[2] = (struct packet_span){view_of(text + 5, 5), NULL};
    p.span_count = 3;
    p.payload_bytes = 14;
    host_send(&h, &p);
    memset(text, 'x', sizeof text);
    assert_int_equal(ref.holds, 2);
    host_collect(&h);
    assert_memory_equal(h.out[0] + h.out_bytes[0] - 14, "01234held56789", 14);
    passes_the_checks_of_a_receiver(&h, "10.77.0.9", 0);
    host_stop(&h);
}

static void
packets_that_cannot_leave_are_dropped_with_their_reason(void **state)
{
    static struct host h;
    static uint8_t big[1500];
    struct packet_ref ref = {.holds = 1, .ended = ref_ended};
    host_ready(&h);
    host_meets(&h, "10.77.0.9");
    struct packet_out p = packet_to("10.77.0.9", &ref, big, 1460);
    host_send(&h, &p);
    p = packet_to("10.77.0.9", &ref, big, 1461);
    host_send(&h, &p);
    assert_int_equal(host_dropped(&h, IPNET_DROP_TOO_LONG), 1);
    p = packet_to("10.77.0.9", &ref, big, 1);
    memcpy(p.src, ip_of("10.77.0.3"), 16); /* not our address */
    host_send(&h, &p);
    p = packet_to("10.77.0.9", &ref, big, 1);
    memcpy(p.src, ip_of("fd00:77::2"), 16); /* another family */
    host_send(&h, &p);
    p = packet_to("224.0.0.1", &ref, big, 1);
    host_send(&h, &p);
    assert_int_equal(host_dropped(&h, IPNET_DROP_NO_ROUTE), 3);
    host_collect(&h);
    assert_int_equal(h.out_count, 1);
    assert_int_equal(ref.holds, 1);
    host_stop(&h);
}

static void
nothing_leaves_from_an_address_that_is_not_ours_yet(void **state)
{
    static struct host h;
    struct ipnet_config c = host_config();
    host_start(&h, &c);
    struct packet_out p = packet_to("fd00:77::9", NULL, NULL, 0);
    host_send(&h, &p);
    assert_int_equal(host_dropped(&h, IPNET_DROP_NO_ROUTE), 1);
    host_stop(&h);
}

static void
a_device_that_sums_gets_the_sum_of_the_pseudo_header(void **state)
{
    static struct host h;
    struct ipnet_config c = host_config();
    c.tx_l4_sum = true;
    host_start(&h, &c);
    host_wait(&h, 5000);
    host_meets(&h, "10.77.0.9");
    struct packet_out p = packet_to("10.77.0.9", NULL, "data", 4);
    host_send(&h, &p);
    const struct nic_tx *frames[NIC_BURST_MAX];
    assert_int_equal(ipnet_ready(h.n, frames), 1);
    assert_true(frames[0]->l4_sum);
    assert_int_equal(frames[0]->l2_bytes, 14);
    assert_int_equal(frames[0]->l3_bytes, 20);
    struct checksum sum = checksum_start();
    checksum_pseudo(&sum, p.src, p.dst, 6, 24);
    assert_int_equal(get_u16(frames[0]->header + 50), (uint16_t)~checksum_end(&sum));
    host_stop(&h);
}

static void
a_burst_leaves_whole_and_its_sum_is_one_without_a_length(void **state)
{
    static const char *const peers[] = {"10.77.0.9", "fd00:77::9"};
    static uint8_t bytes[9000];
    for (int i = 0; i < 2; i++) {
        static struct host h;
        struct packet_ref ref = {.holds = 1, .ended = ref_ended};
        struct ipnet_config c = host_config();
        c.tx_l4_sum = true;
        c.tx_burst_bytes = 20 + sizeof bytes;
        host_start(&h, &c);
        host_wait(&h, 5000);
        host_meets(&h, peers[i]);
        struct packet_out p = packet_to(peers[i], &ref, bytes, sizeof bytes);
        p.segment_bytes = 1000;
        host_send(&h, &p);
        const struct nic_tx *frames[NIC_BURST_MAX];
        assert_int_equal(ipnet_ready(h.n, frames), 1);
        const struct nic_tx *tx = frames[0];
        assert_true(tx->l4_sum);
        assert_int_equal(tx->segment_bytes, 1000);
        assert_int_equal(tx->payload_bytes, sizeof bytes);
        assert_int_equal(tx->l3_bytes, i ? 40 : 20);
        uint32_t length = get_u16(tx->header + 14 + (i ? 4 : 2));
        assert_int_equal(length, sizeof bytes + 20 + (i ? 0 : 20));
        struct checksum sum = checksum_start();
        checksum_pseudo(&sum, p.src, p.dst, 6, 0);
        assert_int_equal(get_u16(tx->header + 14 + tx->l3_bytes + 16),
                         (uint16_t)~checksum_end(&sum));
        host_stop(&h);
        assert_int_equal(ref.holds, 1);
    }
}

static void
a_burst_that_the_device_or_the_link_does_not_take_is_dropped(void **state)
{
    static struct host h;
    static uint8_t bytes[9000];
    struct packet_ref ref = {.holds = 1, .ended = ref_ended};
    struct ipnet_config c = host_config();
    c.tx_l4_sum = true;
    c.tx_burst_bytes = 20 + sizeof bytes - 1;
    host_start(&h, &c);
    host_wait(&h, 5000);
    host_meets(&h, "10.77.0.9");
    assert_int_equal(ipnet_burst_bytes(h.n), c.tx_burst_bytes);
    struct packet_out p = packet_to("10.77.0.9", &ref, bytes, sizeof bytes);
    p.segment_bytes = 1000;
    host_send(&h, &p);
    p = packet_to("10.77.0.9", &ref, bytes, sizeof bytes - 1);
    p.segment_bytes = 1461;
    host_send(&h, &p);
    assert_int_equal(host_dropped(&h, IPNET_DROP_TOO_LONG), 2);
    p.segment_bytes = 1460;
    host_send(&h, &p);
    assert_int_equal(host_dropped(&h, IPNET_DROP_TOO_LONG), 2);
    host_stop(&h);
    c.tx_l4_sum = false;
    assert_int_equal(ipnet_check(&c), ERR_INVALID);
}

static void
frames_carry_the_tag_of_the_vlan(void **state)
{
    static struct host h;
    struct ipnet_config c = host_config();
    c.vlan = 100;
    host_start(&h, &c);
    for (uint32_t i = 0; i < h.out_count; i++) {
        assert_int_equal(get_u16(h.out[i] + 12), 0x8100);
        assert_int_equal(get_u16(h.out[i] + 14), 100);
    }
    assert_true(h.out_count > 0);
    host_stop(&h);
}

static void
the_room_leaves_slots_for_our_own_answers(void **state)
{
    static struct host h;
    host_ready(&h);
    host_meets(&h, "10.77.0.9");
    uint32_t sent = 0;
    struct packet_out p = packet_to("10.77.0.9", NULL, NULL, 0);
    while (ipnet_room(h.n) > 0) {
        ipnet_send(h.n, h.now_ns, &p, 1);
        sent++;
    }
    assert_int_equal(sent, IPNET_SLOTS - IPNET_SLOTS_OWN);
    const struct nic_tx *frames[NIC_BURST_MAX];
    assert_int_equal(ipnet_ready(h.n, frames), NIC_BURST_MAX);
    ipnet_sent(h.n, 10);
    assert_int_equal(ipnet_room(h.n), 10);
    host_stop(&h);
}

static void
answers_beyond_the_last_slot_are_dropped(void **state)
{
    static struct host h;
    host_ready(&h);
    while (h.n->slot_free_count > 0)
        ipnet_arp_announce(h.n, ip_of("10.77.0.2"));
    ipnet_arp_announce(h.n, ip_of("10.77.0.2"));
    assert_int_equal(host_dropped(&h, IPNET_DROP_SLOTS), 1);
    host_stop(&h);
}

static void
a_flow_keeps_its_label(void **state)
{
    static struct host h;
    host_ready(&h);
    host_meets(&h, "fd00:77::9");
    for (int i = 0; i < 2; i++) {
        struct packet_out p = packet_to("fd00:77::9", NULL, NULL, 0);
        host_send(&h, &p);
    }
    host_collect(&h);
    assert_memory_equal(h.out[0] + 14, h.out[1] + 14, 4);
    assert_int_not_equal(get_u32(h.out[0] + 14) & 0xfffff, 0);
    host_stop(&h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packet_has_headers_that_its_receiver_takes),
        cmocka_unit_test(spans_without_a_ref_are_copied_in_the_call),
        cmocka_unit_test(packets_that_cannot_leave_are_dropped_with_their_reason),
        cmocka_unit_test(nothing_leaves_from_an_address_that_is_not_ours_yet),
        cmocka_unit_test(a_device_that_sums_gets_the_sum_of_the_pseudo_header),
        cmocka_unit_test(a_burst_leaves_whole_and_its_sum_is_one_without_a_length),
        cmocka_unit_test(a_burst_that_the_device_or_the_link_does_not_take_is_dropped),
        cmocka_unit_test(frames_carry_the_tag_of_the_vlan),
        cmocka_unit_test(the_room_leaves_slots_for_our_own_answers),
        cmocka_unit_test(answers_beyond_the_last_slot_are_dropped),
        cmocka_unit_test(a_flow_keeps_its_label),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
