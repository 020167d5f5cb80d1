#include "tests/unit/dataplane/net/host.h"

/* An error about a TCP packet from 10.77.0.2 to 10.9.9.9 that comes from a router. */
static uint32_t
error_bytes(uint8_t out[64], uint8_t type, uint8_t code, uint16_t mtu)
{
    memset(out, 0, 64);
    out[0] = type;
    out[1] = code;
    set_u16(out + 6, mtu);
    uint8_t *ip = out + 8;
    ip[0] = 0x45;
    set_u16(ip + 2, 1500);
    set_u16(ip + 6, 0x4000);
    ip[9] = 6;
    memcpy(ip + 12, ip_of("10.77.0.2") + 12, 4);
    memcpy(ip + 16, ip_of("10.9.9.9") + 12, 4);
    set_u16(ip + 20, 9092);
    set_u16(ip + 22, 40000);
    set_u32(ip + 24, 0x01020304);
    return 8 + 20 + 8;
}

static void
feed(struct host *h, uint8_t *icmp, uint32_t bytes)
{
    struct put w = icmp_frame("10.77.0.1", "10.77.0.2", icmp, bytes, 64);
    host_feed(h, &w);
}

static void
errors_go_up_with_their_kind_and_quote(void **state)
{
    static const struct {
        uint8_t type, code;
        enum packet_error_kind kind;
    } rows[] = {
        {3, 0, PACKET_UNREACHABLE},  {3, 1, PACKET_UNREACHABLE},  {3, 2, PACKET_REFUSED},
        {3, 3, PACKET_REFUSED},      {3, 4, PACKET_TOO_BIG},      {3, 13, PACKET_REFUSED},
        {11, 0, PACKET_UNREACHABLE}, {12, 0, PACKET_UNREACHABLE},
    };
    static struct host h;
    host_ready(&h);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t icmp[64];
        uint32_t bytes = error_bytes(icmp, rows[i].type, rows[i].code, 1400);
        feed(&h, icmp, bytes);
        assert_int_equal(h.in.error_count, 1);
        const struct packet_error *e = &h.in.errors[0];
        assert_int_equal(e->kind, rows[i].kind);
        assert_int_equal(e->mtu, rows[i].kind == PACKET_TOO_BIG ? 1400 : 0);
        assert_memory_equal(e->src, ip_of("10.77.0.2"), 16);
        assert_memory_equal(e->dst, ip_of("10.9.9.9"), 16);
        assert_int_equal(e->quote.len, PACKET_QUOTE_MIN);
        assert_int_equal(get_u32(e->quote.at + 4), 0x01020304);
    }
    host_stop(&h);
}

static void
quotes_of_packets_that_we_cannot_have_sent_are_dropped(void **state)
{
    static const struct {
        uint32_t at;
        uint8_t value;
    } rows[] = {
        {8, 0x65}, /* version */
        {8, 0x46}, /* options */
        {8, 0x44}, /* a header that is too short */
        {15, 1},   /* a fragment */
        {17, 17},  /* UDP */
        {23, 3},   /* from another source */
    };
    static struct host h;
    uint8_t icmp[64];
    host_ready(&h);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint32_t bytes = error_bytes(icmp, 3, 4, 1400);
        icmp[rows[i].at] = rows[i].value;
        feed(&h, icmp, bytes);
        assert_int_equal(h.in.error_count, 0);
        assert_int_equal(host_dropped(&h, IPNET_DROP_ICMP_QUOTE), i + 1);
    }
    for (uint32_t n = 8; n < 36; n++) {
        (void)error_bytes(icmp, 3, 4, 1400);
        feed(&h, icmp, n);
        assert_int_equal(h.in.error_count, 0);
    }
    host_stop(&h);
}

static void
short_and_damaged_messages_are_dropped(void **state)
{
    static struct host h;
    uint8_t icmp[16] = {8};
    host_ready(&h);
    struct put w = icmp_frame("10.77.0.9", "10.77.0.2", icmp, 7, 64);
    host_feed(&h, &w);
    assert_int_equal(host_dropped(&h, IPNET_DROP_ICMP_FORMAT), 1);
    w = icmp_frame("10.77.0.9", "10.77.0.2", icmp, 16, 64);
    w.at[-1] ^= 1;
    host_feed(&h, &w);
    assert_int_equal(host_dropped(&h, IPNET_DROP_ICMP_SUM), 1);
    assert_int_equal(h.out_count, 0);
    host_stop(&h);
}

static void
redirects_quenches_and_the_like_are_ignored(void **state)
{
    static const uint8_t types[] = {0, 4, 5, 9, 10, 13, 15, 17, 42};
    static struct host h;
    host_ready(&h);
    for (size_t i = 0; i < sizeof types; i++) {
        uint8_t icmp[64];
        uint32_t bytes = error_bytes(icmp, types[i], 0, 0);
        feed(&h, icmp, bytes);
        assert_int_equal(host_dropped(&h, IPNET_DROP_ICMP_TYPE), i + 1);
    }
    assert_int_equal(h.out_count, 0);
    host_stop(&h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_go_up_with_their_kind_and_quote),
        cmocka_unit_test(quotes_of_packets_that_we_cannot_have_sent_are_dropped),
        cmocka_unit_test(short_and_damaged_messages_are_dropped),
        cmocka_unit_test(redirects_quenches_and_the_like_are_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
