#include "tests/unit/dataplane/tcp/tcp_rig.h"

static void
too_big(struct rig *r, uint32_t seq, uint32_t mtu)
{
    uint8_t quote[PACKET_QUOTE_MIN];
    set_u16(quote, OWN_PORT);
    set_u16(quote + 2, PEER_PORT);
    set_u32(quote + 4, r->isn + seq);
    struct packet_error e = {
        .kind = PACKET_TOO_BIG, .mtu = mtu, .quote = view_of(quote, sizeof quote)};
    memcpy(e.src, r->own, 16);
    memcpy(e.dst, r->peer, 16);
    tcp_error(r->t, &e, r->now_us);
    rig_turn(r);
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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_narrow_path_sends_what_is_out_again_in_smaller_segments),
        cmocka_unit_test(an_error_that_quotes_nothing_in_flight_is_ignored),
        cmocka_unit_test(no_error_goes_below_the_floor_or_up),
        cmocka_unit_test(large_segments_that_vanish_become_small_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
