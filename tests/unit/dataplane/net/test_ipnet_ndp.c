#include "tests/unit/dataplane/net/host.h"

enum { AT_IP = 14, AT_ICMP = 54 };

static void
feed(struct host *h, const char *src, const char *dst, uint8_t *icmp, uint32_t bytes)
{
    struct put w = icmp_frame(src, dst, icmp, bytes, 255);
    host_feed(h, &w);
}

/* A solicitation or advertisement with the link address as its option. */
static uint32_t
message(uint8_t out[32], uint8_t type, uint8_t flags, const char *target, const uint8_t *mac)
{
    memset(out, 0, 32);
    out[0] = type;
    out[4] = flags;
    memcpy(out + 8, ip_of(target), 16);
    if (!mac)
        return 24;
    out[24] = type == 135 ? 1 : 2;
    out[25] = 1;
    memcpy(out + 26, mac, 6);
    return 32;
}

static void
a_solicitation_is_answered_and_its_sender_known(void **state)
{
    static struct host h;
    uint8_t icmp[32];
    host_ready(&h);
    uint32_t bytes = message(icmp, 135, 0, "fd00:77::2", peer_mac);
    feed(&h, "fe80::9", "ff02::1:ff00:2", icmp, bytes);
    assert_int_equal(h.out_count, 1);
    const uint8_t *f = h.out[0];
    assert_memory_equal(f, peer_mac, 6);
    assert_int_equal(f[AT_IP + 7], 255);
    assert_memory_equal(f + AT_IP + 8, ip_of("fd00:77::2"), 16);
    assert_memory_equal(f + AT_IP + 24, ip_of("fe80::9"), 16);
    assert_int_equal(f[AT_ICMP], 136);
    assert_int_equal(f[AT_ICMP + 4], 0x60); /* solicited, override */
    assert_memory_equal(f + AT_ICMP + 8, ip_of("fd00:77::2"), 16);
    assert_int_equal(f[AT_ICMP + 24], 2);
    assert_memory_equal(f + AT_ICMP + 26, host_mac, 6);
    assert_memory_equal(ipnet_neigh_find(h.n, ip_of("fe80::9"))->mac, peer_mac, 6);
    host_stop(&h);
}

static void
a_solicitation_from_nobody_is_answered_to_everybody(void **state)
{
    static struct host h;
    uint8_t icmp[32];
    host_ready(&h);
    uint32_t bytes = message(icmp, 135, 0, "fd00:77::2", NULL);
    feed(&h, "::", "ff02::1:ff00:2", icmp, bytes);
    assert_int_equal(h.out_count, 1);
    assert_memory_equal(h.out[0] + AT_IP + 24, ip_of("ff02::1"), 16);
    assert_int_equal(h.out[0][AT_ICMP + 4], 0x20);
    host_stop(&h);
}

static void
a_solicitation_for_another_host_of_our_group_gets_no_answer(void **state)
{
    static struct host h;
    uint8_t icmp[32];
    host_ready(&h);
    uint32_t bytes = message(icmp, 135, 0, "fd00:88::2", peer_mac);
    feed(&h, "fe80::9", "ff02::1:ff00:2", icmp, bytes);
    assert_int_equal(h.out_count, 0);
    assert_null(ipnet_neigh_find(h.n, ip_of("fe80::9")));
    host_stop(&h);
}

static void
a_packet_waits_for_the_advertisement(void **state)
{
    static struct host h;
    uint8_t icmp[32];
    host_ready(&h);
    struct packet_out p = packet_to("fd00:77::9", NULL, "data", 4);
    host_send(&h, &p);
    host_collect(&h);
    assert_int_equal(h.out_count, 1);
    const uint8_t *f = h.out[0];
    static const uint8_t group[] = {0x33, 0x33, 0xff, 0, 0, 9};
    assert_memory_equal(f, group, 6);
    assert_memory_equal(f + AT_IP + 24, ip_of("ff02::1:ff00:9"), 16);
    assert_int_equal(f[AT_ICMP], 135);
    uint32_t bytes = message(icmp, 136, 0x60, "fd00:77::9", peer_mac);
    feed(&h, "fd00:77::9", "fd00:77::2", icmp, bytes);
    assert_int_equal(h.out_count, 2);
    assert_memory_equal(h.out[1], peer_mac, 6);
    assert_memory_equal(h.out[1] + h.out_bytes[1] - 4, "data", 4);
    host_stop(&h);
}

static void
without_the_override_flag_a_link_address_stays(void **state)
{
    static struct host h;
    uint8_t icmp[32];
    host_ready(&h);
    host_meets(&h, "fd00:77::9");
    host_wait(&h, 2000);
    uint32_t bytes = message(icmp, 136, 0x40, "fd00:77::9", other_mac);
    feed(&h, "fd00:77::9", "fd00:77::2", icmp, bytes);
    assert_memory_equal(ipnet_neigh_find(h.n, ip_of("fd00:77::9"))->mac, peer_mac, 6);
    bytes = message(icmp, 136, 0x60, "fd00:77::9", other_mac);
    feed(&h, "fd00:77::9", "fd00:77::2", icmp, bytes);
    assert_memory_equal(ipnet_neigh_find(h.n, ip_of("fd00:77::9"))->mac, other_mac, 6);
    host_stop(&h);
}

static void
an_advertisement_that_nobody_asked_for_is_counted_and_forgotten(void **state)
{
    static struct host h;
    uint8_t icmp[32];
    host_ready(&h);
    uint32_t bytes = message(icmp, 136, 0x60, "fd00:77::9", peer_mac);
    feed(&h, "fd00:77::9", "fd00:77::2", icmp, bytes);
    assert_int_equal(host_dropped(&h, IPNET_DROP_NDP_UNASKED), 1);
    assert_null(ipnet_neigh_find(h.n, ip_of("fd00:77::9")));
    host_stop(&h);
}

static void
whoever_claims_a_tentative_address_keeps_it(void **state)
{
    static struct host h;
    struct ipnet_config c = host_config();
    struct ipnet_stat s;
    uint8_t icmp[32];
    for (int way = 0; way < 2; way++) {
        host_start(&h, &c);
        uint32_t bytes = way == 0 ? message(icmp, 136, 0x20, "fd00:77::2", peer_mac)
                                  : message(icmp, 135, 0, "fd00:77::2", NULL);
        feed(&h, way == 0 ? "fd00:77::2" : "::", way == 0 ? "ff02::1" : "ff02::1:ff00:2", icmp,
             bytes);
        host_wait(&h, 5000);
        assert_false(ipnet_is_ours(h.n, ip_of("fd00:77::2")));
        assert_true(ipnet_is_ours(h.n, ip_of("fe80::ff:fe00:1")));
        ipnet_stat(h.n, &s);
        assert_int_equal(s.duplicates, 1);
        host_stop(&h);
    }
}

static void
a_tentative_address_answers_nobody(void **state)
{
    static struct host h;
    struct ipnet_config c = host_config();
    uint8_t icmp[32];
    host_start(&h, &c);
    host_clear(&h);
    uint32_t bytes = message(icmp, 135, 0, "fd00:77::2", peer_mac);
    feed(&h, "fe80::9", "ff02::1:ff00:2", icmp, bytes);
    assert_int_equal(h.out_count, 0);
    host_stop(&h);
}

static void
malformed_messages_are_dropped(void **state)
{
    static struct host h;
    uint8_t icmp[40];
    uint64_t dropped = 0;
    host_ready(&h);
    host_meets(&h, "fd00:77::9");
    for (uint8_t type = 135; type <= 136; type++) {
        for (uint32_t n = 8; n < 32; n++) {
            if (n == 24)
                continue; /* no option: well-formed */
            (void)message(icmp, type, 0x60, type == 135 ? "fd00:77::2" : "fd00:77::9", peer_mac);
            feed(&h, "fd00:77::9", "fd00:77::2", icmp, n);
            assert_int_equal(host_dropped(&h, IPNET_DROP_NDP_FORMAT), ++dropped);
        }
        static const struct {
            uint32_t at;
            uint8_t value;
        } rows[] = {{1, 1}, {8, 0xff}, {25, 0}, {25, 2}, {26, 1}};
        for (size_t i = 0; i < 5; i++) {
            (void)message(icmp, type, 0x60, type == 135 ? "fd00:77::2" : "fd00:77::9", peer_mac);
            icmp[rows[i].at] = rows[i].value;
            feed(&h, "fd00:77::9", "fd00:77::2", icmp, 32);
            assert_int_equal(host_dropped(&h, IPNET_DROP_NDP_FORMAT), ++dropped);
        }
    }
    assert_int_equal(h.out_count, 0);
    host_stop(&h);
}

static void
what_a_router_may_have_forwarded_is_not_believed(void **state)
{
    static struct host h;
    uint8_t icmp[32];
    host_ready(&h);
    for (uint8_t type = 135; type <= 136; type++) {
        (void)message(icmp, type, 0x60, "fd00:77::2", peer_mac);
        struct put w = icmp_frame("fd00:77::9", "fd00:77::2", icmp, 32, 254);
        host_feed(&h, &w);
    }
    assert_int_equal(host_dropped(&h, IPNET_DROP_NDP_FORMAT), 2);
    assert_int_equal(h.out_count, 0);
    host_stop(&h);
}

static void
nobody_gives_no_link_address_and_asks_only_groups(void **state)
{
    static struct host h;
    uint8_t icmp[32];
    host_ready(&h);
    uint32_t bytes = message(icmp, 135, 0, "fd00:77::2", peer_mac);
    feed(&h, "::", "ff02::1:ff00:2", icmp, bytes);
    assert_int_equal(host_dropped(&h, IPNET_DROP_NDP_FORMAT), 1);
    bytes = message(icmp, 136, 0x60, "fd00:77::9", peer_mac);
    feed(&h, "fd00:77::9", "ff02::1", icmp, bytes); /* solicited, and yet to everybody */
    assert_int_equal(host_dropped(&h, IPNET_DROP_NDP_FORMAT), 2);
    host_stop(&h);
}

static void
our_groups_are_reported_with_a_router_alert(void **state)
{
    static struct host h;
    struct ipnet_config c = host_config();
    host_start(&h, &c);
    host_wait(&h, 5000);
    uint32_t reports = 0;
    for (uint32_t i = 0; i < h.out_count; i++) {
        const uint8_t *f = h.out[i];
        if (get_u16(f + 12) != IPNET_TYPE_IP6 || f[AT_IP + 6] != 0)
            continue;
        reports++;
        assert_memory_equal(f + AT_IP + 24, ip_of("ff02::16"), 16);
        assert_int_equal(f[AT_IP + 7], 1);
        assert_int_equal(f[AT_ICMP], 58);
        assert_int_equal(get_u16(f + AT_ICMP + 2), 0x0502);
        assert_int_equal(f[AT_ICMP + 8], 143);
        assert_int_equal(get_u16(f + AT_ICMP + 14), 2);
        assert_memory_equal(f + AT_ICMP + 20, ip_of("ff02::1:ff00:2"), 16);
        struct checksum sum = checksum_start();
        uint32_t bytes = h.out_bytes[i] - AT_ICMP - 8;
        checksum_pseudo(&sum, f + AT_IP + 8, f + AT_IP + 24, 58, bytes);
        checksum_add(&sum, f + AT_ICMP + 8, bytes);
        assert_int_equal(checksum_end(&sum), 0);
    }
    assert_int_equal(reports, IPNET_ANNOUNCE_N);
    host_stop(&h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_solicitation_is_answered_and_its_sender_known),
        cmocka_unit_test(a_solicitation_from_nobody_is_answered_to_everybody),
        cmocka_unit_test(a_solicitation_for_another_host_of_our_group_gets_no_answer),
        cmocka_unit_test(a_packet_waits_for_the_advertisement),
        cmocka_unit_test(without_the_override_flag_a_link_address_stays),
        cmocka_unit_test(an_advertisement_that_nobody_asked_for_is_counted_and_forgotten),
        cmocka_unit_test(whoever_claims_a_tentative_address_keeps_it),
        cmocka_unit_test(a_tentative_address_answers_nobody),
        cmocka_unit_test(malformed_messages_are_dropped),
        cmocka_unit_test(what_a_router_may_have_forwarded_is_not_believed),
        cmocka_unit_test(nobody_gives_no_link_address_and_asks_only_groups),
        cmocka_unit_test(our_groups_are_reported_with_a_router_alert),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
