#include "dataplane/tcp/tcp_cc.h"
#include "tests/unit/unit.h"

enum { MSS = 1000, RTT_US = 50000 };

static struct tcp_cc
cc_of(bool reno)
{
    struct tcp_cc c;
    tcp_cc_init(&c, MSS, reno);
    return c;
}

/* One round trip in which the whole window is acknowledged, two segments at a time. */
static void
round_trip(struct tcp_cc *c, uint64_t *now_us)
{
    uint32_t window = c->cwnd;
    for (uint32_t acked = 0; acked + 2 * MSS <= window; acked += 2 * MSS)
        tcp_cc_acked(c, 2 * MSS, *now_us + (uint64_t)RTT_US * acked / window, RTT_US, true);
    *now_us += RTT_US;
}

static void
it_starts_with_ten_segments_and_doubles(void **state)
{
    struct tcp_cc c = cc_of(false);
    assert_int_equal(c.cwnd, 10 * MSS);
    uint64_t now = 1;
    round_trip(&c, &now);
    assert_int_equal(c.cwnd, 20 * MSS);
}

static void
a_window_that_was_not_the_limit_does_not_grow(void **state)
{
    struct tcp_cc c = cc_of(false);
    tcp_cc_acked(&c, 10 * MSS, 1, RTT_US, false);
    assert_int_equal(c.cwnd, 10 * MSS);
}

static void
newreno_grows_a_segment_a_round_trip(void **state)
{
    struct tcp_cc c = cc_of(true);
    c.ssthresh = c.cwnd;
    uint64_t now = 1;
    round_trip(&c, &now);
    assert_in_range(c.cwnd, 11 * MSS - 100, 11 * MSS);
}

static void
cubic_is_back_at_its_maximum_after_k(void **state)
{
    struct tcp_cc c = cc_of(false);
    c.cwnd = 1000 * MSS;
    tcp_cc_recover(&c, 1000 * MSS);
    tcp_cc_recovered(&c);
    assert_int_equal(c.cwnd, 700 * MSS);
    /* K = cbrt(300 / 0.4) = 9.086 s */
    uint64_t now = 1000000, start = now;
    while (now < start + 9086000) {
        uint32_t before = c.cwnd;
        round_trip(&c, &now);
        assert_true(c.cwnd >= before);
    }
    assert_in_range(c.cubic.k_ms, 9080, 9090);
    assert_in_range(c.cwnd, 985 * MSS, 1005 * MSS);
}

static void
cubic_is_never_slower_than_newreno_for_small_windows(void **state)
{
    struct tcp_cc c = cc_of(false);
    c.cwnd = 20 * MSS;
    tcp_cc_recover(&c, 20 * MSS);
    tcp_cc_recovered(&c);
    uint64_t now = 1000000;
    for (int i = 0; i < 40; i++)
        round_trip(&c, &now);
    assert_true(c.cwnd >= 14 * MSS + 40 * MSS * 9 / 17 - 3 * MSS);
}

static void
an_acknowledgement_never_lowers_the_window(void **state)
{
    struct tcp_cc c = cc_of(false);
    c.cwnd = 1000 * MSS;
    tcp_cc_recover(&c, 1000 * MSS);
    tcp_cc_recovered(&c);
    uint32_t x = 99;
    uint64_t now = 1;
    for (int i = 0; i < 100000; i++) {
        x = x * 1664525u + 1013904223u;
        uint32_t before = c.cwnd;
        now += x >> 12;
        tcp_cc_acked(&c, 1 + (x >> 16), now, x >> 8, true);
        assert_true(c.cwnd >= before);
        if (c.cwnd > 1 << 24)
            c.cwnd = 1 << 20;
    }
}

static void
recovery_brings_the_flight_down_in_proportion(void **state)
{
    struct tcp_cc c = cc_of(false);
    c.cwnd = 100 * MSS;
    uint32_t flight = 99 * MSS, sent = 0;
    tcp_cc_recover(&c, 100 * MSS);
    assert_int_equal(c.ssthresh, 70 * MSS);
    for (int ack = 0; ack < 99; ack++) {
        flight -= MSS;
        tcp_cc_recovering(&c, MSS, flight, true);
        while (flight + MSS <= c.cwnd) {
            flight += MSS;
            sent += MSS;
            tcp_cc_sent(&c, MSS);
        }
        assert_true(flight <= 99 * MSS);
    }
    assert_in_range(flight, 68 * MSS, 71 * MSS);
    assert_in_range(sent, 66 * MSS, 75 * MSS);
    tcp_cc_recovered(&c);
    assert_int_equal(c.cwnd, 70 * MSS);
}

static void
repeated_timeouts_reduce_the_threshold_once(void **state)
{
    struct tcp_cc c = cc_of(true);
    c.cwnd = 40 * MSS;
    tcp_cc_timeout(&c, 40 * MSS, true);
    assert_int_equal(c.cwnd, MSS);
    assert_int_equal(c.ssthresh, 20 * MSS);
    tcp_cc_timeout(&c, 40 * MSS, false);
    assert_int_equal(c.ssthresh, 20 * MSS);
}

static void
undo_restores_window_and_threshold(void **state)
{
    struct tcp_cc c = cc_of(false);
    c.cwnd = 40 * MSS;
    uint32_t threshold = c.ssthresh;
    tcp_cc_timeout(&c, 40 * MSS, true);
    tcp_cc_undo(&c);
    assert_int_equal(c.cwnd, 40 * MSS);
    assert_int_equal(c.ssthresh, threshold);
}

static void
the_window_keeps_one_segment_whatever_happens(void **state)
{
    struct tcp_cc c = cc_of(false);
    for (int i = 0; i < 20; i++) {
        tcp_cc_recover(&c, i % 2 ? 0 : MSS);
        tcp_cc_recovering(&c, 0, 0, false);
        assert_true(c.cwnd >= MSS);
        tcp_cc_timeout(&c, MSS, true);
        assert_true(c.cwnd >= MSS);
    }
    tcp_cc_mss(&c, 9 * MSS);
    assert_true(c.cwnd >= 9 * MSS);
}

struct flow {
    struct tcp_cc c;
    uint32_t una, end; /* of the round */
};

/* A round is acknowledged, segment by segment, each after this time; returns how many. */
static uint32_t
round_acked(struct flow *f, uint32_t rtt_us)
{
    uint32_t acks = 0;
    for (bool last = false; !last; acks++) {
        f->una += MSS;
        last = f->una == f->end;
        if (last)
            f->end += f->c.cwnd / MSS * MSS;
        tcp_cc_round(&f->c, f->una, f->end, rtt_us);
        tcp_cc_acked(&f->c, MSS, 1, rtt_us, true);
    }
    return acks;
}

static void
the_first_slow_start_slows_down_and_ends_when_round_trips_grow(void **state)
{
    struct flow f = {.c = cc_of(false), .una = 1, .end = 1 + 10 * MSS};
    uint32_t rounds = 1;
    for (int i = 0; i < 3; i++) {
        uint32_t before = f.c.cwnd, acks = round_acked(&f, RTT_US);
        assert_int_equal(f.c.cwnd, before + acks * MSS);
    }
    uint32_t before = f.c.cwnd, acks = round_acked(&f, 2 * RTT_US);
    assert_int_equal(f.c.cwnd, before + 7 * MSS + (acks - 7) * (MSS / 4)); /* the eighth tells */
    for (; f.c.cwnd < f.c.ssthresh && rounds < 10; rounds++)
        (void)round_acked(&f, 2 * RTT_US);
    assert_int_equal(rounds, TCP_HYSTART_ROUNDS);
    uint32_t over = f.c.cwnd;
    (void)round_acked(&f, 2 * RTT_US);
    assert_in_range(f.c.cwnd, over, over + 2 * MSS); /* congestion avoidance */
}

static void
a_slow_start_after_a_loss_heeds_the_threshold_only(void **state)
{
    struct flow f = {.c = cc_of(false), .una = 1, .end = 1 + MSS};
    f.c.cwnd = 200 * MSS;
    tcp_cc_timeout(&f.c, 200 * MSS, true);
    uint32_t threshold = f.c.ssthresh;
    for (uint32_t us = RTT_US; f.c.cwnd < 64 * MSS; us *= 2) {
        uint32_t before = f.c.cwnd, acks = round_acked(&f, us);
        assert_int_equal(f.c.cwnd, before + acks * MSS);
        assert_int_equal(f.c.ssthresh, threshold);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_starts_with_ten_segments_and_doubles),
        cmocka_unit_test(a_window_that_was_not_the_limit_does_not_grow),
        cmocka_unit_test(newreno_grows_a_segment_a_round_trip),
        cmocka_unit_test(cubic_is_back_at_its_maximum_after_k),
        cmocka_unit_test(cubic_is_never_slower_than_newreno_for_small_windows),
        cmocka_unit_test(an_acknowledgement_never_lowers_the_window),
        cmocka_unit_test(recovery_brings_the_flight_down_in_proportion),
        cmocka_unit_test(repeated_timeouts_reduce_the_threshold_once),
        cmocka_unit_test(undo_restores_window_and_threshold),
        cmocka_unit_test(the_window_keeps_one_segment_whatever_happens),
        cmocka_unit_test(the_first_slow_start_slows_down_and_ends_when_round_trips_grow),
        cmocka_unit_test(a_slow_start_after_a_loss_heeds_the_threshold_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
