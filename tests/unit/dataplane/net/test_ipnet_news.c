#include "tests/unit/dataplane/net/host.h"

/* Two loops with queues of one device. */
static struct host first, second;

static void
start(uint64_t wait_ms)
{
    struct ipnet_config c = host_config();
    c.shared = true;
    host_start(&first, &c);
    c.secondary = true;
    host_start(&second, &c);
    host_wait(&first, wait_ms);
    host_wait(&second, wait_ms);
}

static void
stop(void)
{
    host_stop(&first);
    host_stop(&second);
}

/* What `from` learned with its last frame reaches `to`; returns how many errors came with it. */
static uint32_t
tell(struct host *from, struct host *to, struct packet_error *error)
{
    uint32_t errors = 0;
    for (uint32_t i = 0; i < from->in.news_count; i++)
        errors += ipnet_hear(to->n, to->now_ns, &from->in.news[i], error);
    host_collect(to);
    return errors;
}

static void
a_second_loop_neither_announces_nor_reports(void **state)
{
    start(5000);
    assert_true(first.out_count > 0);
    assert_int_equal(second.out_count, 0);
    assert_true(ipnet_is_ours(second.n, ip_of("10.77.0.2")));
    assert_true(ipnet_is_ours(second.n, ip_of("fd00:77::2")));
    stop();
}

static void
an_answer_to_one_loop_reaches_the_one_that_asked(void **state)
{
    struct packet_error error;
    start(2000);
    for (int v6 = 0; v6 < 2; v6++) {
        struct packet_out p = packet_to(v6 ? "fd00:77::9" : "10.77.0.9", NULL, "data", 4);
        host_clear(&second);
        host_send(&second, &p);
        host_collect(&second);
        assert_int_equal(second.out_count, 1); /* it asks */
        uint8_t na[32] = {136, [4] = 0x60, [24] = 2, 1};
        memcpy(na + 8, ip_of("fd00:77::9"), 16);
        memcpy(na + 26, peer_mac, 6);
        struct put w = v6 ? icmp_frame("fd00:77::9", "fd00:77::2", na, sizeof na, 255)
                          : arp_frame(host_mac, 2, peer_mac, "10.77.0.9", "10.77.0.2");
        host_feed(&first, &w);
        assert_int_equal(first.in.news_count, 1);
        (void)tell(&first, &second, &error);
        assert_int_equal(second.out_count, 2);
        assert_memory_equal(second.out[1], peer_mac, 6);
    }
    assert_int_equal(host_dropped_all(&first), 0);
    stop();
}

static void
who_asks_one_loop_is_known_to_all(void **state)
{
    struct packet_error error;
    start(2000);
    struct put w = arp_frame(all_mac, 1, peer_mac, "10.77.0.9", "10.77.0.2");
    host_feed(&first, &w);
    host_clear(&second);
    (void)tell(&first, &second, &error);
    assert_int_equal(second.out_count, 0); /* hearing it makes no answer */
    assert_memory_equal(ipnet_neigh_find(second.n, ip_of("10.77.0.9"))->mac, peer_mac, 6);
    stop();
}

static void
a_duplicate_is_used_by_no_loop(void **state)
{
    struct packet_error error;
    uint8_t na[32] = {136, [4] = 0x20, [24] = 2, 1};
    start(0);
    memcpy(na + 8, ip_of("fd00:77::2"), 16);
    memcpy(na + 26, peer_mac, 6);
    struct put w = icmp_frame("fd00:77::2", "ff02::1", na, sizeof na, 255);
    host_feed(&first, &w);
    (void)tell(&first, &second, &error);
    host_wait(&first, 5000);
    host_wait(&second, 5000);
    assert_false(ipnet_is_ours(first.n, ip_of("fd00:77::2")));
    assert_false(ipnet_is_ours(second.n, ip_of("fd00:77::2")));
    assert_true(ipnet_is_ours(second.n, ip_of("10.77.0.2")));
    stop();
}

static void
an_error_reaches_every_loop_with_the_start_of_its_quote(void **state)
{
    struct packet_error error;
    uint8_t icmp[128] = {3, 4, [6] = 5, 0};
    start(2000);
    icmp[8] = 0x45;
    icmp[17] = 6;
    memcpy(icmp + 20, ip_of("10.77.0.2") + 12, 4);
    memcpy(icmp + 24, ip_of("10.9.9.9") + 12, 4);
    for (uint8_t i = 0; i < 100; i++)
        icmp[28 + i] = i;
    struct put w = icmp_frame("10.77.0.1", "10.77.0.2", icmp, sizeof icmp, 64);
    host_feed(&first, &w);
    assert_int_equal(first.in.error_count, 1);
    struct view whole = first.in.errors[0].quote;
    assert_int_equal(whole.len, 100);
    assert_int_equal(tell(&first, &second, &error), 1);
    assert_int_equal(error.kind, PACKET_TOO_BIG);
    assert_int_equal(error.mtu, 1280);
    assert_memory_equal(error.dst, ip_of("10.9.9.9"), 16);
    assert_int_equal(error.quote.len, IPNET_NEWS_QUOTE_BYTES);
    assert_memory_equal(error.quote.at, whole.at, IPNET_NEWS_QUOTE_BYTES);
    stop();
}

static void
a_flood_makes_news_at_a_limited_rate(void **state)
{
    uint32_t news = 0;
    start(2000);
    for (int i = 0; i < 1000; i++) {
        struct put w = arp_frame(all_mac, 1, peer_mac, "10.77.0.9", "10.77.0.3");
        host_feed(&first, &w);
        news += first.in.news_count;
    }
    assert_in_range(news, 190, 210);
    stop();
}

static void
a_loop_alone_makes_no_news(void **state)
{
    host_ready(&first);
    struct put w = arp_frame(all_mac, 1, peer_mac, "10.77.0.9", "10.77.0.2");
    host_feed(&first, &w);
    assert_int_equal(first.in.news_count, 0);
    host_stop(&first);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_second_loop_neither_announces_nor_reports),
        cmocka_unit_test(an_answer_to_one_loop_reaches_the_one_that_asked),
        cmocka_unit_test(who_asks_one_loop_is_known_to_all),
        cmocka_unit_test(a_duplicate_is_used_by_no_loop),
        cmocka_unit_test(an_error_reaches_every_loop_with_the_start_of_its_quote),
        cmocka_unit_test(a_flood_makes_news_at_a_limited_rate),
        cmocka_unit_test(a_loop_alone_makes_no_news),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
