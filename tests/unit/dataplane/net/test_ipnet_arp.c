#include "tests/unit/dataplane/net/host.h"

static void
a_request_for_us_is_answered_and_its_sender_known(void **state)
{
    static struct host h;
    host_ready(&h);
    struct put w = arp_frame(all_mac, 1, peer_mac, "10.77.0.9", "10.77.0.2");
    host_feed(&h, &w);
    assert_int_equal(h.out_count, 1);
    const uint8_t *f = h.out[0];
    assert_memory_equal(f, peer_mac, 6);
    assert_memory_equal(f + 6, host_mac, 6);
    assert_int_equal(get_u16(f + 20), 2);
    assert_memory_equal(f + 22, host_mac, 6);
    assert_memory_equal(f + 28, ip_of("10.77.0.2") + 12, 4);
    assert_memory_equal(f + 32, peer_mac, 6);
    assert_memory_equal(f + 38, ip_of("10.77.0.9") + 12, 4);
    assert_memory_equal(ipnet_neigh_find(h.n, ip_of("10.77.0.9"))->mac, peer_mac, 6);
    host_stop(&h);
}

static void
a_request_for_another_teaches_nothing_about_a_stranger(void **state)
{
    static struct host h;
    host_ready(&h);
    struct put w = arp_frame(all_mac, 1, peer_mac, "10.77.0.9", "10.77.0.3");
    host_feed(&h, &w);
    assert_int_equal(h.out_count, 0);
    assert_null(ipnet_neigh_find(h.n, ip_of("10.77.0.9")));
    host_stop(&h);
}

static void
a_reply_that_nobody_asked_for_is_counted_and_forgotten(void **state)
{
    static struct host h;
    host_ready(&h);
    struct put w = arp_frame(host_mac, 2, peer_mac, "10.77.0.9", "10.77.0.2");
    host_feed(&h, &w);
    assert_int_equal(host_dropped(&h, IPNET_DROP_ARP_UNASKED), 1);
    assert_null(ipnet_neigh_find(h.n, ip_of("10.77.0.9")));
    host_stop(&h);
}

static void
a_probe_for_our_address_is_answered_and_not_learned(void **state)
{
    static struct host h;
    host_ready(&h);
    struct put w = arp_frame(all_mac, 1, peer_mac, "0.0.0.0", "10.77.0.2");
    host_feed(&h, &w);
    assert_int_equal(h.out_count, 1);
    assert_null(ipnet_neigh_find(h.n, ip_of("0.0.0.0")));
    host_stop(&h);
}

static void
our_address_claimed_by_another_is_defended_at_most_every_ten_seconds(void **state)
{
    static struct host h;
    struct ipnet_stat s;
    host_ready(&h);
    for (int i = 0; i < 5; i++) {
        struct put w = arp_frame(all_mac, 1, other_mac, "10.77.0.2", "10.77.0.2");
        host_feed(&h, &w);
    }
    assert_int_equal(h.out_count, 1);
    assert_memory_equal(h.out[0] + 28, ip_of("10.77.0.2") + 12, 4);
    host_wait(&h, 10000);
    struct put w = arp_frame(all_mac, 1, other_mac, "10.77.0.2", "10.77.0.2");
    host_feed(&h, &w);
    assert_int_equal(h.out_count, 2);
    ipnet_stat(h.n, &s);
    assert_int_equal(s.duplicates, 6);
    host_stop(&h);
}

static void
senders_that_cannot_be_are_dropped(void **state)
{
    static struct host h;
    host_ready(&h);
    static const char *const senders[] = {"10.78.0.9", "127.0.0.1", "224.0.0.1"};
    for (size_t i = 0; i < 3; i++) {
        struct put w = arp_frame(all_mac, 1, peer_mac, senders[i], "10.77.0.2");
        host_feed(&h, &w);
        assert_int_equal(host_dropped(&h, IPNET_DROP_ARP_SENDER), i + 1);
    }
    struct put w = arp_frame(all_mac, 1, peer_mac, "10.77.0.9", "10.77.0.2");
    w.start[22] |= 1; /* the sender's link address is a group */
    host_feed(&h, &w);
    assert_int_equal(host_dropped(&h, IPNET_DROP_ARP_SENDER), 4);
    assert_int_equal(h.out_count, 0);
    host_stop(&h);
}

static void
every_cut_and_every_wrong_header_byte_is_dropped(void **state)
{
    static struct host h;
    host_ready(&h);
    struct put w = arp_frame(all_mac, 1, peer_mac, "10.77.0.9", "10.77.0.2");
    for (uint32_t n = 14; n < put_len(&w); n++)
        host_feed_sums(&h, w.start, n, PACKET_SUM_UNKNOWN, PACKET_SUM_UNKNOWN);
    assert_int_equal(host_dropped(&h, IPNET_DROP_ARP_FORMAT), 28);
    for (uint32_t i = 14; i < 22; i++) {
        w = arp_frame(all_mac, 1, peer_mac, "10.77.0.9", "10.77.0.2");
        w.start[i] ^= 0x40;
        host_feed(&h, &w);
    }
    assert_int_equal(host_dropped(&h, IPNET_DROP_ARP_FORMAT), 36);
    assert_int_equal(h.out_count, 0);
    host_stop(&h);
}

static void
a_flood_of_requests_gets_answers_at_a_limited_rate(void **state)
{
    static struct host h;
    host_ready(&h);
    for (int i = 0; i < 400; i++) {
        struct put w = arp_frame(all_mac, 1, peer_mac, "10.77.0.9", "10.77.0.2");
        host_feed(&h, &w);
    }
    assert_in_range(h.out_count, 90, 110);
    assert_int_equal(host_dropped(&h, IPNET_DROP_RATE), 400 - h.out_count);
    host_stop(&h);
}

static void
who_asks_without_end_leaves_the_answers_to_others(void **state)
{
    static struct host h;
    host_ready(&h);
    for (int i = 0; i < 400; i++) {
        struct put w = arp_frame(all_mac, 1, peer_mac, "10.77.0.9", "10.77.0.2");
        host_feed(&h, &w);
    }
    uint32_t before = h.out_count;
    /* Of eight others at least seven are of another group. */
    for (uint8_t i = 0; i < 8; i++) {
        const uint8_t mac[6] = {2, 0, 0, 0, 9, i};
        struct put w = arp_frame(all_mac, 1, mac, "10.77.0.10", "10.77.0.2");
        host_feed(&h, &w);
    }
    assert_in_range(h.out_count, before + 7, before + 8);
    host_stop(&h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_for_us_is_answered_and_its_sender_known),
        cmocka_unit_test(a_request_for_another_teaches_nothing_about_a_stranger),
        cmocka_unit_test(a_reply_that_nobody_asked_for_is_counted_and_forgotten),
        cmocka_unit_test(a_probe_for_our_address_is_answered_and_not_learned),
        cmocka_unit_test(our_address_claimed_by_another_is_defended_at_most_every_ten_seconds),
        cmocka_unit_test(senders_that_cannot_be_are_dropped),
        cmocka_unit_test(every_cut_and_every_wrong_header_byte_is_dropped),
        cmocka_unit_test(a_flood_of_requests_gets_answers_at_a_limited_rate),
        cmocka_unit_test(who_asks_without_end_leaves_the_answers_to_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
