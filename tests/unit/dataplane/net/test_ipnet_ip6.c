#include "tests/unit/dataplane/net/host.h"

static uint8_t tcp[20] = {0x23, 0x84};

/* A packet whose protocol is the first byte of `extensions`, or TCP without any. */
static void
feed(struct host *h, uint8_t next, const void *extensions, uint32_t bytes)
{
    uint8_t l4[600] = {0};
    memcpy(l4, extensions, bytes);
    memcpy(l4 + bytes, tcp, sizeof tcp);
    struct put w = ip_frame("fd00:77::9", "fd00:77::2", next, l4, bytes + (uint32_t)sizeof tcp, 64);
    host_feed(h, &w);
}

static void
a_tcp_packet_is_delivered_without_its_padding(void **state)
{
    static struct host h;
    host_ready(&h);
    struct put w = ip_frame("fd00:77::9", "fd00:77::2", 6, tcp, sizeof tcp, 64);
    w.start[14] = 0x62;
    w.start[15] = 0x30;
    put_bytes(&w, tcp, 9);
    host_feed(&h, &w);
    assert_int_equal(h.in.packet_count, 1);
    assert_memory_equal(h.in.packets[0].src, ip_of("fd00:77::9"), 16);
    assert_int_equal(h.in.packets[0].l4.len, 20);
    assert_memory_equal(h.in.packets[0].l4.at, tcp, 20);
    assert_int_equal(h.in.packets[0].traffic_class, 0x23);
    host_stop(&h);
}

static void
every_cut_of_a_packet_is_dropped(void **state)
{
    static struct host h;
    host_ready(&h);
    struct put w = ip_frame("fd00:77::9", "fd00:77::2", 6, tcp, sizeof tcp, 64);
    for (uint32_t n = 14; n < put_len(&w); n++)
        host_feed_sums(&h, w.start, n, PACKET_SUM_UNKNOWN, PACKET_SUM_UNKNOWN);
    assert_int_equal(host_dropped(&h, IPNET_DROP_IP_FORMAT), put_len(&w) - 14);
    w.start[14] = 0x45;
    host_feed(&h, &w);
    assert_int_equal(host_dropped(&h, IPNET_DROP_IP_FORMAT), put_len(&w) - 13);
    host_stop(&h);
}

static void
addresses_that_no_host_has_are_dropped(void **state)
{
    static const char *const sources[] = {"::",         "::1",        "ff02::1",
                                          "fd00:77::2", "::10.0.0.1", "10.77.0.9"};
    static struct host h;
    host_ready(&h);
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        struct put w = ip_frame("fd00:77::9", "fd00:77::2", 6, tcp, sizeof tcp, 64);
        memcpy(w.start + 22, ip_of(sources[i]), 16);
        host_feed(&h, &w);
        assert_int_equal(host_dropped(&h, IPNET_DROP_IP_SOURCE), i + 1);
    }
    struct put w = ip_frame("fd00:77::9", "fd00:77::3", 6, tcp, sizeof tcp, 64);
    host_feed(&h, &w);
    assert_int_equal(host_dropped(&h, IPNET_DROP_IP_DESTINATION), 1);
    host_stop(&h);
}

static void
our_ipv4_address_in_a_header_of_ipv6_is_not_ours(void **state)
{
    static struct host h;
    host_ready(&h);
    struct put w = ip_frame("fd00:77::9", "fd00:77::2", 6, tcp, sizeof tcp, 64);
    memcpy(w.start + 38, ip_of("10.77.0.2"), 16);
    host_feed(&h, &w);
    assert_int_equal(host_dropped(&h, IPNET_DROP_IP_DESTINATION), 1);
    host_stop(&h);
}

static void
groups_that_are_not_ours_and_tcp_to_groups_are_dropped(void **state)
{
    static struct host h;
    host_ready(&h);
    struct put w = ip_frame("fd00:77::9", "ff02::2", 6, tcp, sizeof tcp, 64);
    host_feed(&h, &w);
    assert_int_equal(host_dropped(&h, IPNET_DROP_IP_CAST), 1);
    w = ip_frame("fd00:77::9", "ff02::1", 6, tcp, sizeof tcp, 64);
    host_feed(&h, &w);
    assert_int_equal(h.in.packet_count, 0);
    assert_int_equal(host_dropped(&h, IPNET_DROP_IP_PROTOCOL), 1);
    assert_int_equal(h.out_count, 0); /* and no error goes back */
    assert_true(ipnet_ip6_is_group(h.n, ip_of("ff02::1:ff00:2")));
    assert_false(ipnet_ip6_is_group(h.n, ip_of("ff02::1:ff00:3")));
    host_stop(&h);
}

static void
extension_headers_are_walked(void **state)
{
    /* hop-by-hop with padding, destination options, routing with nothing left */
    static const uint8_t chain[] = {60, 0, 1, 4, 0, 0, 0, 0, 43, 1, 0, 1, 1, 0, 1, 0,
                                    0,  0, 0, 0, 0, 0, 0, 0, 6,  0, 0, 0, 0, 0, 0, 0};
    static struct host h;
    host_ready(&h);
    feed(&h, 0, chain, sizeof chain);
    assert_int_equal(h.in.packet_count, 1);
    assert_memory_equal(h.in.packets[0].l4.at, tcp, sizeof tcp);
    host_stop(&h);
}

static void
bad_extension_headers_are_dropped(void **state)
{
    static const struct {
        uint8_t next, bytes[16];
    } rows[] = {
        {60, {0, 0, 1, 4}},                  /* hop-by-hop that is not the first */
        {43, {6, 0, 0, 1}},                  /* a route that is not finished */
        {60, {6, 200}},                      /* longer than the packet */
        {60, {6, 0, 0xc1, 0}},               /* an option that must be known */
        {60, {6, 0, 1, 5}},                  /* an option that is longer than its header */
        {0, {0, 0, 1, 4, 0, 0, 0, 0, 6, 0}}, /* hop-by-hop twice */
    };
    static struct host h;
    host_ready(&h);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        feed(&h, rows[i].next, rows[i].bytes, 16);
        assert_int_equal(host_dropped(&h, IPNET_DROP_IP_EXTENSIONS), i + 1);
    }
    host_stop(&h);
}

static void
headers_and_their_bytes_are_bounded(void **state)
{
    static struct host h;
    host_ready(&h);
    uint8_t chain[9 * 8] = {0};
    for (int i = 0; i < 9; i++)
        chain[i * 8] = i == 8 ? 6 : 60;
    for (int i = 0; i < 9; i++) {
        chain[i * 8 + 2] = 1;
        chain[i * 8 + 3] = 4;
    }
    feed(&h, 60, chain + 8, 8 * 8);
    assert_int_equal(h.in.packet_count, 1);
    feed(&h, 60, chain, 9 * 8);
    assert_int_equal(host_dropped(&h, IPNET_DROP_IP_EXTENSIONS), 1);
    uint8_t wide[IPNET_EXTENSION_BYTES_MAX + 8] = {6, IPNET_EXTENSION_BYTES_MAX / 8 - 1};
    feed(&h, 60, wide, IPNET_EXTENSION_BYTES_MAX);
    assert_int_equal(h.in.packet_count, 1);
    wide[1]++;
    feed(&h, 60, wide, sizeof wide);
    assert_int_equal(host_dropped(&h, IPNET_DROP_IP_EXTENSIONS), 2);
    host_stop(&h);
}

static void
fragments_are_dropped_even_when_there_is_only_one(void **state)
{
    static const uint8_t atomic[8] = {6};
    static struct host h;
    host_ready(&h);
    feed(&h, 44, atomic, sizeof atomic);
    assert_int_equal(host_dropped(&h, IPNET_DROP_IP_FRAGMENT), 1);
    host_stop(&h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tcp_packet_is_delivered_without_its_padding),
        cmocka_unit_test(every_cut_of_a_packet_is_dropped),
        cmocka_unit_test(addresses_that_no_host_has_are_dropped),
        cmocka_unit_test(our_ipv4_address_in_a_header_of_ipv6_is_not_ours),
        cmocka_unit_test(groups_that_are_not_ours_and_tcp_to_groups_are_dropped),
        cmocka_unit_test(extension_headers_are_walked),
        cmocka_unit_test(bad_extension_headers_are_dropped),
        cmocka_unit_test(headers_and_their_bytes_are_bounded),
        cmocka_unit_test(fragments_are_dropped_even_when_there_is_only_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
