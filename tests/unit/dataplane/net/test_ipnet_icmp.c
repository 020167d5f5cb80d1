#include "tests/unit/dataplane/net/host.h"

static void
ping(struct host *h, const char *src, const char *dst, uint32_t bytes)
{
    uint8_t icmp[1500];
    for (uint32_t i = 0; i < bytes; i++)
        icmp[i] = (uint8_t)(i * 3);
    icmp[0] = iptext_is_v4(ip_of(dst)) ? 8 : 128;
    icmp[1] = 0;
    struct put w = icmp_frame(src, dst, icmp, bytes, 64);
    host_feed(h, &w);
}

static void
an_echo_comes_back_with_the_same_bytes(void **state)
{
    static const struct {
        const char *peer, *us;
        uint32_t ip;
        uint8_t reply;
    } rows[] = {{"10.77.0.9", "10.77.0.2", 34, 0}, {"fd00:77::9", "fd00:77::2", 54, 129}};
    static const uint32_t sizes[] = {8, 9, 64, 1400};
    for (int r = 0; r < 2; r++) {
        static struct host h;
        host_ready(&h);
        host_meets(&h, rows[r].peer);
        for (size_t i = 0; i < 4; i++) {
            ping(&h, rows[r].peer, rows[r].us, sizes[i]);
            assert_int_equal(h.out_count, 1);
            assert_memory_equal(h.out[0], peer_mac, 6);
            assert_int_equal(h.out_bytes[0], rows[r].ip + sizes[i]);
            assert_int_equal(h.out[0][rows[r].ip], rows[r].reply);
            assert_memory_equal(h.out[0] + rows[r].ip + 4, h.fed + rows[r].ip + 4, sizes[i] - 4);
            struct ipnet_packet p = {.l4 = view_of(h.out[0] + rows[r].ip, sizes[i])};
            memcpy(p.src, ip_of(rows[r].us), 16);
            memcpy(p.dst, ip_of(rows[r].peer), 16);
            assert_true(ipnet_icmp_sum_good(&p));
            host_clear(&h);
        }
        host_stop(&h);
    }
}

static void
echoes_are_limited_apart_from_other_answers(void **state)
{
    static struct host h;
    host_ready(&h);
    host_meets(&h, "10.77.0.9");
    for (int i = 0; i < 300; i++)
        ping(&h, "10.77.0.9", "10.77.0.2", 16);
    assert_in_range(h.out_count, 95, 110);
    host_clear(&h);
    struct put w = arp_frame(all_mac, 1, peer_mac, "10.77.0.9", "10.77.0.2");
    host_feed(&h, &w);
    assert_int_equal(h.out_count, 1);
    host_stop(&h);
}

static void
udp_and_unknown_protocols_get_the_error_that_quotes_them(void **state)
{
    static const struct {
        const char *peer, *us;
        uint8_t protocol, type, code;
    } rows[] = {
        {"10.77.0.9", "10.77.0.2", 17, 3, 3},
        {"10.77.0.9", "10.77.0.2", 132, 3, 2},
        {"fd00:77::9", "fd00:77::2", 17, 1, 4},
        {"fd00:77::9", "fd00:77::2", 132, 4, 1},
    };
    static struct host h;
    host_ready(&h);
    host_meets(&h, "10.77.0.9");
    host_meets(&h, "fd00:77::9");
    for (size_t i = 0; i < 4; i++) {
        uint8_t l4[12] = {1, 2, 3};
        uint32_t at = 14 + (i < 2 ? 20 : 40);
        struct put w = ip_frame(rows[i].peer, rows[i].us, rows[i].protocol, l4, sizeof l4, 64);
        host_feed(&h, &w);
        assert_int_equal(h.out_count, 1);
        assert_int_equal(h.out[0][at], rows[i].type);
        assert_int_equal(h.out[0][at + 1], rows[i].code);
        assert_memory_equal(h.out[0] + at + 8, h.fed + 14, put_len(&w) - 14);
        if (rows[i].type == 4)
            assert_int_equal(get_u32(h.out[0] + at + 4), 6); /* where the number stands */
        host_clear(&h);
    }
    host_stop(&h);
}

static void
a_quote_never_makes_the_error_longer_than_every_link_takes(void **state)
{
    static struct host h;
    static uint8_t l4[1400];
    host_ready(&h);
    host_meets(&h, "10.77.0.9");
    host_meets(&h, "fd00:77::9");
    struct put w = ip_frame("10.77.0.9", "10.77.0.2", 17, l4, sizeof l4, 64);
    host_feed(&h, &w);
    w = ip_frame("fd00:77::9", "fd00:77::2", 17, l4, sizeof l4, 64);
    host_feed(&h, &w);
    assert_int_equal(h.out_bytes[0], 14 + 576);
    assert_int_equal(h.out_bytes[1], 14 + 1280);
    host_stop(&h);
}

static void
errors_are_limited(void **state)
{
    static struct host h;
    uint8_t l4[12] = {0};
    host_ready(&h);
    host_meets(&h, "10.77.0.9");
    for (int i = 0; i < 100; i++) {
        struct put w = ip_frame("10.77.0.9", "10.77.0.2", 17, l4, sizeof l4, 64);
        host_feed(&h, &w);
    }
    assert_in_range(h.out_count, 8, 12);
    assert_int_equal(host_dropped(&h, IPNET_DROP_RATE), 100 - h.out_count);
    host_stop(&h);
}

static void
one_version_of_icmp_in_the_other_version_of_ip_gets_no_answer(void **state)
{
    static struct host h;
    uint8_t icmp[8] = {8};
    host_ready(&h);
    host_meets(&h, "fd00:77::9");
    struct put w = ip_frame("fd00:77::9", "fd00:77::2", 1, icmp, 8, 64);
    host_feed(&h, &w);
    w = ip_frame("10.77.0.9", "10.77.0.2", 58, icmp, 8, 64);
    host_feed(&h, &w);
    assert_int_equal(h.out_count, 0);
    assert_int_equal(host_dropped(&h, IPNET_DROP_IP_PROTOCOL), 2);
    host_stop(&h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_echo_comes_back_with_the_same_bytes),
        cmocka_unit_test(echoes_are_limited_apart_from_other_answers),
        cmocka_unit_test(udp_and_unknown_protocols_get_the_error_that_quotes_them),
        cmocka_unit_test(a_quote_never_makes_the_error_longer_than_every_link_takes),
        cmocka_unit_test(errors_are_limited),
        cmocka_unit_test(one_version_of_icmp_in_the_other_version_of_ip_gets_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
