#include "tests/unit/dataplane/net/host.h"

static uint32_t
error_bytes(uint8_t out[80], uint8_t type, uint8_t code, uint32_t value)
{
    memset(out, 0, 80);
    out[0] = type;
    out[1] = code;
    set_u32(out + 4, value);
    uint8_t *ip = out + 8;
    ip[0] = 0x60;
    set_u16(ip + 4, 1440);
    ip[6] = 6;
    memcpy(ip + 8, ip_of("fd00:77::2"), 16);
    memcpy(ip + 24, ip_of("fd01::9"), 16);
    set_u32(ip + 44, 0x01020304);
    return 8 + 40 + 8;
}

static void
feed(struct host *h, uint8_t *icmp, uint32_t bytes, uint8_t hops)
{
    struct put w = icmp_frame("fd00:77::1", "fd00:77::2", icmp, bytes, hops);
    host_feed(h, &w);
}

static void
errors_go_up_with_their_kind_and_quote(void **state)
{
    static const struct {
        uint8_t type, code;
        enum packet_error_kind kind;
    } rows[] = {
        {1, 0, PACKET_UNREACHABLE}, {1, 1, PACKET_REFUSED},     {1, 4, PACKET_REFUSED},
        {2, 0, PACKET_TOO_BIG},     {3, 0, PACKET_UNREACHABLE}, {4, 0, PACKET_UNREACHABLE},
    };
    static struct host h;
    host_ready(&h);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t icmp[80];
        uint32_t bytes = error_bytes(icmp, rows[i].type, rows[i].code, 1300);
        feed(&h, icmp, bytes, 64);
        assert_int_equal(h.in.error_count, 1);
        const struct packet_error *e = &h.in.errors[0];
        assert_int_equal(e->kind, rows[i].kind);
        assert_int_equal(e->mtu, rows[i].kind == PACKET_TOO_BIG ? 1300 : 0);
        assert_memory_equal(e->src, ip_of("fd00:77::2"), 16);
        assert_memory_equal(e->dst, ip_of("fd01::9"), 16);
        assert_int_equal(get_u32(e->quote.at + 4), 0x01020304);
    }
    host_stop(&h);
}

static void
quotes_of_packets_that_we_cannot_have_sent_are_dropped(void **state)
{
    static struct host h;
    uint8_t icmp[80];
    host_ready(&h);
    uint32_t bytes = error_bytes(icmp, 2, 0, 1300), dropped = 0;
    icmp[8] = 0x45;
    feed(&h, icmp, bytes, 64);
    bytes = error_bytes(icmp, 2, 0, 1300);
    icmp[14] = 17;
    feed(&h, icmp, bytes, 64);
    bytes = error_bytes(icmp, 2, 0, 1300);
    icmp[31] = 3;
    feed(&h, icmp, bytes, 64);
    bytes = error_bytes(icmp, 2, 0, 1300);
    memcpy(icmp + 16, ip_of("10.77.0.2"), 16); /* ours, but not an address of IPv6 */
    feed(&h, icmp, bytes, 64);
    dropped = 4;
    for (uint32_t n = 8; n < 56; n++, dropped++) {
        (void)error_bytes(icmp, 2, 0, 1300);
        feed(&h, icmp, n, 64);
        assert_int_equal(h.in.error_count, 0);
    }
    assert_int_equal(host_dropped(&h, IPNET_DROP_ICMP_QUOTE), dropped);
    host_stop(&h);
}

static void
a_ping_to_a_group_gets_no_answer(void **state)
{
    static struct host h;
    uint8_t icmp[16] = {128};
    host_ready(&h);
    host_meets(&h, "fd00:77::9");
    struct put w = icmp_frame("fd00:77::9", "ff02::1", icmp, sizeof icmp, 64);
    host_feed(&h, &w);
    assert_int_equal(h.out_count, 0);
    assert_int_equal(host_dropped(&h, IPNET_DROP_IP_CAST), 1);
    host_stop(&h);
}

static void
damaged_messages_and_router_advertisements_are_dropped(void **state)
{
    static const uint8_t types[] = {129, 131, 132, 133, 134, 137, 143, 200};
    static struct host h;
    uint8_t icmp[80] = {128};
    host_ready(&h);
    struct put w = icmp_frame("fd00:77::9", "fd00:77::2", icmp, 16, 64);
    w.at[-1] ^= 1;
    host_feed(&h, &w);
    assert_int_equal(host_dropped(&h, IPNET_DROP_ICMP_SUM), 1);
    for (size_t i = 0; i < sizeof types; i++) {
        uint32_t bytes = error_bytes(icmp, types[i], 0, 0);
        feed(&h, icmp, bytes, 255);
        assert_int_equal(host_dropped(&h, IPNET_DROP_ICMP_TYPE), i + 1);
    }
    assert_int_equal(h.out_count, 0);
    host_stop(&h);
}

static void
a_query_for_groups_is_answered_with_the_report_once_a_second(void **state)
{
    static struct host h;
    host_ready(&h);
    uint8_t query[28] = {130};
    for (int i = 0; i < 5; i++) {
        struct put w = icmp_frame("fe80::9", "ff02::1", query, sizeof query, 1);
        host_feed(&h, &w);
    }
    host_wait(&h, 5000);
    assert_int_equal(h.out_count, 1);
    assert_int_equal(h.out[0][62], 143);
    struct put w = icmp_frame("fd00:77::9", "ff02::1", query, sizeof query, 1);
    host_feed(&h, &w);
    assert_int_equal(host_dropped(&h, IPNET_DROP_NDP_FORMAT), 1);
    host_stop(&h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_go_up_with_their_kind_and_quote),
        cmocka_unit_test(quotes_of_packets_that_we_cannot_have_sent_are_dropped),
        cmocka_unit_test(a_ping_to_a_group_gets_no_answer),
        cmocka_unit_test(damaged_messages_and_router_advertisements_are_dropped),
        cmocka_unit_test(a_query_for_groups_is_answered_with_the_report_once_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
