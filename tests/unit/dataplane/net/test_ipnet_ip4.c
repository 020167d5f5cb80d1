#include "tests/unit/dataplane/net/host.h"

static uint8_t tcp[40];

static struct put
tcp_frame(void)
{
    return ip_frame("10.77.0.9", "10.77.0.2", 6, tcp, sizeof tcp, 64);
}

static void
sum_again(struct put *w)
{
    uint8_t *ip = w->start + 14;
    set_u16(ip + 10, 0);
    set_u16(ip + 10, checksum_of(ip, (ip[0] & 15u) * 4));
}

static void
a_tcp_packet_is_delivered_without_its_padding(void **state)
{
    static struct host h;
    host_ready(&h);
    tcp[0] = 0x11;
    struct put w = ip_frame("10.77.0.9", "10.77.0.2", 6, tcp, 20, 64);
    w.start[15] = 0x22;
    sum_again(&w);
    put_bytes(&w, tcp, 6); /* Ethernet's least length */
    host_feed(&h, &w);
    assert_int_equal(h.in.packet_count, 1);
    const struct packet_in *p = &h.in.packets[0];
    assert_memory_equal(p->src, ip_of("10.77.0.9"), 16);
    assert_memory_equal(p->dst, ip_of("10.77.0.2"), 16);
    assert_int_equal(p->l4.len, 20);
    assert_int_equal(p->l4.at[0], 0x11);
    assert_int_equal(p->traffic_class, 0x22);
    assert_ptr_equal(p->frame, h.fed);
    assert_int_equal(p->pinned_bytes, 2048);
    host_stop(&h);
}

static void
every_cut_of_a_packet_is_dropped(void **state)
{
    static struct host h;
    host_ready(&h);
    struct put w = tcp_frame();
    for (uint32_t n = 14; n < put_len(&w); n++) {
        host_feed_sums(&h, w.start, n, PACKET_SUM_UNKNOWN, PACKET_SUM_UNKNOWN);
        assert_int_equal(h.in.packet_count, 0);
    }
    assert_int_equal(host_dropped(&h, IPNET_DROP_IP_FORMAT), put_len(&w) - 14);
    host_stop(&h);
}

static void
lengths_that_contradict_each_other_are_dropped(void **state)
{
    static const struct {
        uint32_t at;
        uint8_t value;
    } rows[] = {{14, 0x35}, {14, 0x44}, {14, 0x40}, {17, 19}, {17, 61}, {16, 0xff}};
    static struct host h;
    host_ready(&h);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct put w = tcp_frame();
        w.start[rows[i].at] = rows[i].value;
        sum_again(&w);
        host_feed(&h, &w);
        assert_int_equal(host_dropped(&h, IPNET_DROP_IP_FORMAT), i + 1);
    }
    host_stop(&h);
}

static void
the_header_checksum_is_believed_from_the_device_and_else_computed(void **state)
{
    static struct host h;
    host_ready(&h);
    struct put w = tcp_frame();
    w.start[22] ^= 1;
    host_feed(&h, &w);
    assert_int_equal(host_dropped(&h, IPNET_DROP_IP_SUM), 1);
    host_feed_sums(&h, w.start, put_len(&w), PACKET_SUM_GOOD, PACKET_SUM_GOOD);
    assert_int_equal(h.in.packet_count, 1);
    assert_int_equal(h.in.packets[0].sum, PACKET_SUM_GOOD);
    w = tcp_frame();
    host_feed_sums(&h, w.start, put_len(&w), PACKET_SUM_BAD, PACKET_SUM_UNKNOWN);
    assert_int_equal(host_dropped(&h, IPNET_DROP_IP_SUM), 2);
    host_stop(&h);
}

static void
every_bit_flipped_in_the_header_is_noticed(void **state)
{
    static struct host h;
    host_ready(&h);
    for (uint32_t bit = 0; bit < 160; bit++) {
        struct put w = tcp_frame();
        w.start[14 + bit / 8] ^= (uint8_t)(1u << bit % 8);
        host_feed(&h, &w);
        assert_int_equal(h.in.packet_count, 0);
    }
    assert_int_equal(host_dropped_all(&h), 160);
    host_stop(&h);
}

static void
fragments_are_dropped_whichever_they_are(void **state)
{
    static const uint16_t fields[] = {0x2000, 0x0001, 0x2001, 0x1fff, 0x3fff};
    static struct host h;
    host_ready(&h);
    for (size_t i = 0; i < 5; i++) {
        struct put w = tcp_frame();
        set_u16(w.start + 20, fields[i]);
        sum_again(&w);
        host_feed(&h, &w);
        assert_int_equal(host_dropped(&h, IPNET_DROP_IP_FRAGMENT), i + 1);
    }
    host_stop(&h);
}

static void
addresses_that_no_host_has_are_dropped(void **state)
{
    static const char *const sources[] = {"0.0.0.0",   "0.1.2.3",         "127.0.0.1",
                                          "224.0.0.5", "255.255.255.255", "10.77.0.255",
                                          "10.77.0.0", "10.77.0.2",       "240.0.0.1"};
    static const char *const casts[] = {"255.255.255.255", "10.77.0.255", "10.77.0.0", "224.0.0.1",
                                        "239.1.2.3"};
    static struct host h;
    host_ready(&h);
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        struct put w = ip_frame(sources[i], "10.77.0.2", 6, tcp, sizeof tcp, 64);
        host_feed(&h, &w);
        assert_int_equal(host_dropped(&h, IPNET_DROP_IP_SOURCE), i + 1);
    }
    for (size_t i = 0; i < sizeof casts / sizeof casts[0]; i++) {
        struct put w = ip_frame("10.77.0.9", casts[i], 6, tcp, sizeof tcp, 64);
        host_feed(&h, &w);
        assert_int_equal(host_dropped(&h, IPNET_DROP_IP_CAST), i + 1);
    }
    struct put w = ip_frame("10.77.0.9", "10.77.0.3", 6, tcp, sizeof tcp, 64);
    host_feed(&h, &w);
    assert_int_equal(host_dropped(&h, IPNET_DROP_IP_DESTINATION), 1);
    host_stop(&h);
}

/* RFC 3021: a network of two hosts has no broadcast address. */
static void
broadcasts_are_those_of_each_network_by_its_prefix(void **state)
{
    static const struct {
        const char *ours, *dst;
        bool cast;
    } rows[] = {
        {"10.77.0.2/8", "10.255.255.255", true},
        {"10.77.0.2/8", "10.0.0.0", true},
        {"10.77.0.2/8", "11.255.255.255", false},
        {"10.77.0.2/23", "10.77.1.255", true},
        {"10.77.0.2/23", "10.77.0.255", false},
        {"10.77.0.2/30", "10.77.0.3", true},
        {"10.77.0.2/30", "10.77.0.0", true},
        {"10.77.0.2/30", "10.77.0.1", false},
        {"10.77.0.2/31", "10.77.0.3", false},
        {"10.77.0.2/32", "10.77.0.3", false},
        {"10.77.0.2/32,10.9.0.1/24", "10.9.0.255", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        static struct host h;
        struct ipnet_config c = host_config();
        char error[IPNET_ERROR_BYTES];
        c.address_count = c.route_count = 0;
        assert_int_equal(ipnet_text_addresses(&c, rows[i].ours, error), ERR_OK);
        host_start(&h, &c);
        struct put w = ip_frame("10.77.0.1", rows[i].dst, 6, tcp, sizeof tcp, 64);
        host_feed(&h, &w);
        assert_int_equal(host_dropped(&h, IPNET_DROP_IP_CAST), rows[i].cast);
        assert_int_equal(host_dropped(&h, IPNET_DROP_IP_DESTINATION), !rows[i].cast);
        host_stop(&h);
    }
}

static void
a_packet_for_us_in_a_frame_for_everybody_is_dropped(void **state)
{
    static struct host h;
    host_ready(&h);
    struct put w = tcp_frame();
    memcpy(w.start, all_mac, 6);
    host_feed(&h, &w);
    assert_int_equal(host_dropped(&h, IPNET_DROP_IP_CAST), 1);
    host_stop(&h);
}

/* A packet with four or eight bytes of options. */
static void
feed_options(struct host *h, const uint8_t *options, uint32_t bytes)
{
    uint8_t l4[60] = {0};
    memcpy(l4, options, bytes);
    struct put w = ip_frame("10.77.0.9", "10.77.0.2", 6, l4, bytes + 20, 64);
    w.start[14] = (uint8_t)(0x45 + bytes / 4);
    sum_again(&w);
    host_feed(h, &w);
}

static void
harmless_options_are_skipped(void **state)
{
    static const uint8_t good[][8] = {
        {1, 1, 1, 1, 1, 1, 1, 1},   /* no operation */
        {0, 9, 9, 9, 9, 9, 9, 9},   /* the end: what follows is nothing */
        {148, 4, 0, 0, 7, 4, 4, 0}, /* router alert, record route */
        {1, 200, 2, 1, 1, 1, 1, 0}, /* unknown, without a value */
    };
    static struct host h;
    host_ready(&h);
    for (size_t i = 0; i < 4; i++) {
        feed_options(&h, good[i], 8);
        assert_int_equal(h.in.packet_count, 1);
        assert_int_equal(h.in.packets[0].l4.len, 20);
    }
    host_stop(&h);
}

static void
source_routes_and_malformed_options_are_dropped(void **state)
{
    static const uint8_t bad[][4] = {
        {131, 3, 4, 0}, {137, 3, 4, 0}, {7, 0, 0, 0},   {7, 1, 0, 0},
        {7, 5, 0, 0},   {1, 1, 1, 7},   {7, 255, 0, 0}, {1, 131, 3, 4},
    };
    static struct host h;
    host_ready(&h);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        feed_options(&h, bad[i], 4);
        assert_int_equal(host_dropped(&h, IPNET_DROP_IP_OPTIONS), i + 1);
    }
    host_stop(&h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tcp_packet_is_delivered_without_its_padding),
        cmocka_unit_test(every_cut_of_a_packet_is_dropped),
        cmocka_unit_test(lengths_that_contradict_each_other_are_dropped),
        cmocka_unit_test(the_header_checksum_is_believed_from_the_device_and_else_computed),
        cmocka_unit_test(every_bit_flipped_in_the_header_is_noticed),
        cmocka_unit_test(fragments_are_dropped_whichever_they_are),
        cmocka_unit_test(addresses_that_no_host_has_are_dropped),
        cmocka_unit_test(broadcasts_are_those_of_each_network_by_its_prefix),
        cmocka_unit_test(a_packet_for_us_in_a_frame_for_everybody_is_dropped),
        cmocka_unit_test(harmless_options_are_skipped),
        cmocka_unit_test(source_routes_and_malformed_options_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
