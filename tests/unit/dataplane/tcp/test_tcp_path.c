#include "tests/unit/dataplane/tcp/tcp_rig.h"

static void
router_says(struct rig *r, enum packet_error_kind kind, uint32_t seq, uint32_t mtu)
{
    uint8_t quote[PACKET_QUOTE_MIN];
    set_u16(quote, OWN_PORT);
    set_u16(quote + 2, PEER_PORT);
    set_u32(quote + 4, r->isn + seq);
    struct packet_error e = {.kind = kind, .mtu = mtu, .quote = view_of(quote, sizeof quote)};
    memcpy(e.src, r->own, 16);
    memcpy(e.dst, r->peer, 16);
    tcp_error(r->t, &e, r->now_us);
    rig_turn(r);
}

static void
too_big(struct rig *r, uint32_t seq, uint32_t mtu)
{
    router_says(r, PACKET_TOO_BIG, seq, mtu);
}

static uint64_t
large(struct rig *r)
{
    uint64_t id = rig_accept(r, (struct tcp_options){.mss = 1460, .sack_permitted = true});
    rig_write(r, id, 2920);
    rig_forget(r);
    return id;
}

static void
a_narrow_path_sends_what_is_out_again_in_smaller_segments(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = large(r);
    struct tcp_info before, after;
    assert_true(tcp_inspect(r->t, id, &before));
    too_big(r, 1, 1040);
    rig_expect(r, TCP_ACK, 1, 1, 1000);
    rig_expect(r, TCP_ACK, 1001, 1, 460);
    rig_expect(r, TCP_ACK, 1461, 1, 1000);
    rig_expect(r, TCP_ACK, 2461, 1, 460);
    assert_true(tcp_inspect(r->t, id, &after));
    assert_int_equal(after.ssthresh, before.ssthresh); /* it is no congestion */
    assert_int_equal(tcp_count(r->t, TCP_N_RECOVERIES), 0);
    rig_free(r);
}

static void
an_error_that_quotes_nothing_in_flight_is_ignored(void **state)
{
    struct rig *r = rig_new();
    large(r);
    too_big(r, 0, 1040);
    too_big(r, 2921, 1040);
    assert_true(rig_quiet(r));
    assert_int_equal(tcp_count(r->t, TCP_N_DROP_ICMP), 2);
    rig_free(r);
}

static void
no_error_goes_below_the_floor_or_up(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = large(r);
    struct tcp_info i;
    too_big(r, 1, 68);
    assert_true(tcp_inspect(r->t, id, &i));
    assert_int_equal(i.mss, 552 - 40);
    too_big(r, 1, 1500);
    assert_true(tcp_inspect(r->t, id, &i));
    assert_int_equal(i.mss, 552 - 40);
    rig_free(r);
}

static void
large_segments_that_vanish_become_small_ones(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = large(r);
    struct tcp_info i;
    rig_wait(r, 10000000);
    assert_true(tcp_inspect(r->t, id, &i));
    assert_int_equal(i.mss, TCP_MSS_DEFAULT_4);
    rig_free(r);
}

/* What is out gets no answer until segments are small; then all is acknowledged. */
static void
outage(struct rig *r, uint64_t id, uint32_t end)
{
    struct tcp_info i = {.mss = 1460};
    for (int second = 0; second < 60 && i.mss == 1460; second++) {
        rig_wait(r, 1000000);
        assert_true(tcp_inspect(r->t, id, &i));
    }
    assert_int_equal(i.mss, TCP_MSS_DEFAULT_4);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = end});
}

static void
expect_mss(struct rig *r, uint64_t id, uint32_t mss)
{
    struct tcp_info i;
    assert_true(tcp_inspect(r->t, id, &i));
    assert_int_equal(i.mss, mss);
}

static void
after_an_outage_segments_are_as_long_as_before(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = large(r);
    outage(r, id, 2921);
    expect_mss(r, id, 1460);
    rig_forget(r);
    rig_write(r, id, 1460);
    rig_expect(r, TCP_ACK, 2921, 1, 1460);
    rig_free(r);
}

static void
where_large_segments_vanish_they_are_tried_again_after_ten_minutes(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = large(r);
    outage(r, id, 2921);
    rig_write(r, id, 2920);
    outage(r, id, 5841);
    expect_mss(r, id, TCP_MSS_DEFAULT_4); /* twice is no chance */
    rig_wait(r, UINT64_C(480) * 1000000);
    expect_mss(r, id, TCP_MSS_DEFAULT_4);
    rig_wait(r, UINT64_C(120) * 1000000);
    expect_mss(r, id, 1460);
    rig_free(r);
}

static void
what_a_router_said_is_put_to_the_test_after_ten_minutes(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = large(r);
    too_big(r, 1, 1040);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 2921});
    rig_wait(r, UINT64_C(599) * 1000000);
    expect_mss(r, id, 1000);
    rig_wait(r, UINT64_C(2) * 1000000);
    expect_mss(r, id, 1460);
    rig_free(r);
}

static void
so_it_is_where_idle_connections_are_probed(void **state)
{
    struct tcp_config c = rig_config();
    c.keep_us = 120 * 1000000;
    struct rig *r = rig_of(&c);
    uint64_t id = large(r);
    too_big(r, 1, 1040);
    for (int minute = 0; minute < 10; minute++) {
        expect_mss(r, id, 1000);
        rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 2921});
        rig_wait(r, UINT64_C(60) * 1000000);
    }
    rig_wait(r, UINT64_C(120) * 1000000);
    expect_mss(r, id, 1460);
    rig_free(r);
}

static void
no_error_ends_a_connection_that_is_open(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = large(r);
    router_says(r, PACKET_UNREACHABLE, 1, 0);
    router_says(r, PACKET_REFUSED, 1, 0);
    assert_string_equal(rig_state(r, id), "ESTABLISHED");
    assert_null(rig_event(r, TCP_CLOSED));
    assert_true(rig_quiet(r));
    assert_int_equal(tcp_count(r->t, TCP_N_DROP_ICMP), 0);
    rig_free(r);
}

static void
an_open_is_refused_by_a_port_but_not_by_a_route(void **state)
{
    struct rig *r = rig_new();
    struct tcp_addr from = {.port = OWN_PORT}, to = {.port = PEER_PORT};
    uint64_t id = 0;
    memcpy(from.ip, r->own, sizeof from.ip);
    memcpy(to.ip, r->peer, sizeof to.ip);
    assert_int_equal(tcp_connect(r->t, &from, &to, &id), ERR_OK);
    rig_turn(r);
    rig_out(r);
    router_says(r, PACKET_UNREACHABLE, 0, 0);
    assert_string_equal(rig_state(r, id), "SYN_SENT");
    router_says(r, PACKET_REFUSED, 0, 0);
    const struct tcp_event *e = rig_event(r, TCP_CLOSED);
    assert_non_null(e);
    assert_int_equal(e->reason, TCP_REFUSED);
    rig_free(r);
}

static void
what_a_narrow_path_dropped_is_no_congestion_for_the_next_ack_either(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = large(r);
    struct tcp_info before, after;
    assert_true(tcp_inspect(r->t, id, &before));
    r->room = 0; /* what is lost cannot be sent again before the ACK comes */
    too_big(r, 1461, 1040);
    assert_true(rig_quiet(r));
    r->room = PACKET_BURST;
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1461});
    rig_expect(r, TCP_ACK, 1461, 1, 1000);
    rig_expect(r, TCP_ACK, 2461, 1, 460);
    assert_true(tcp_inspect(r->t, id, &after));
    assert_int_equal(after.ssthresh, before.ssthresh);
    assert_int_equal(tcp_count(r->t, TCP_N_RECOVERIES), 0);
    rig_free(r);
}

static void
no_error_goes_below_the_smallest_packet_of_ipv6(void **state)
{
    static const uint32_t mtus[] = {0, 68, 600, 1279};
    for (uint32_t k = 0; k < 4; k++) {
        struct rig *r = rig_family(true);
        uint64_t id = large(r);
        struct tcp_info i;
        too_big(r, 1, mtus[k]);
        assert_true(tcp_inspect(r->t, id, &i));
        assert_int_equal(i.mss, 1280 - 60);
        rig_free(r);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_narrow_path_sends_what_is_out_again_in_smaller_segments),
        cmocka_unit_test(an_error_that_quotes_nothing_in_flight_is_ignored),
        cmocka_unit_test(no_error_goes_below_the_floor_or_up),
        cmocka_unit_test(large_segments_that_vanish_become_small_ones),
        cmocka_unit_test(after_an_outage_segments_are_as_long_as_before),
        cmocka_unit_test(where_large_segments_vanish_they_are_tried_again_after_ten_minutes),
        cmocka_unit_test(what_a_router_said_is_put_to_the_test_after_ten_minutes),
        cmocka_unit_test(so_it_is_where_idle_connections_are_probed),
        cmocka_unit_test(no_error_ends_a_connection_that_is_open),
        cmocka_unit_test(an_open_is_refused_by_a_port_but_not_by_a_route),
        cmocka_unit_test(what_a_narrow_path_dropped_is_no_congestion_for_the_next_ack_either),
        cmocka_unit_test(no_error_goes_below_the_smallest_packet_of_ipv6),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
