#include "dataplane/tcp/tcp_hystart.h"
#include "tests/unit/unit.h"

enum { MSS = 1000, RTT_US = 10000, LIKELY = TCP_HYSTART_SAMPLES, WINDOW = 100 * MSS };

struct peer {
    struct tcp_hystart h;
    uint32_t una, nxt;
};

static struct peer
peer_of(uint32_t first)
{
    struct peer p = {.una = first, .nxt = first};
    tcp_hystart_init(&p.h);
    return p;
}

/* A round is acknowledged in so many steps, each with this time; then the next one leaves.  True:
 * slow start is over. */
static bool
round_of(struct peer *p, uint32_t acks, uint32_t rtt_us)
{
    bool over = false;
    uint32_t end = p->nxt == p->una ? p->una + WINDOW : p->nxt;
    for (uint32_t i = 1; i <= acks; i++) {
        assert_false(over);
        p->una = i == acks ? end : p->una + 1;
        p->nxt = i == acks ? end + WINDOW : end;
        over = tcp_hystart_acked(&p->h, p->una, p->nxt, rtt_us);
    }
    return over;
}

static uint32_t
growth(const struct peer *p)
{
    return tcp_hystart_growth(&p->h, MSS, MSS);
}

static void
rounds_of_the_same_time_change_nothing(void **state)
{
    struct peer p = peer_of(UINT32_MAX - WINDOW / 2); /* numbers wrap on the way */
    for (int i = 0; i < 20; i++)
        assert_false(round_of(&p, LIKELY * 2, RTT_US));
    assert_int_equal(growth(&p), MSS);
}

static void
a_longer_round_begins_the_conservative_phase_and_five_rounds_end_slow_start(void **state)
{
    struct peer p = peer_of(UINT32_MAX - WINDOW / 2);
    (void)round_of(&p, LIKELY, RTT_US);
    assert_false(round_of(&p, LIKELY, RTT_US + TCP_HYSTART_LONGER_MIN_US));
    assert_int_equal(growth(&p), MSS / TCP_HYSTART_SLOWER);
    for (int i = 2; i < TCP_HYSTART_ROUNDS; i++)
        assert_false(round_of(&p, LIKELY, RTT_US + TCP_HYSTART_LONGER_MIN_US));
    assert_true(round_of(&p, LIKELY, RTT_US + TCP_HYSTART_LONGER_MIN_US));
}

static void
a_round_that_is_only_a_little_longer_changes_nothing(void **state)
{
    struct peer p = peer_of(1);
    uint32_t us = RTT_US;
    for (int i = 0; i < 20; i++, us += TCP_HYSTART_LONGER_MIN_US - 1)
        assert_false(round_of(&p, LIKELY, us > 30000 ? RTT_US : us));
    assert_int_equal(growth(&p), MSS);
}

static void
what_is_longer_follows_the_round_trip_within_bounds(void **state)
{
    static const struct {
        uint32_t before_us, longer_us;
    } rows[] = {{100, 4000}, {32000, 4000}, {80000, 10000}, {128000, 16000}, {900000, 16000}};
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct peer below = peer_of(1), at = peer_of(1);
        (void)round_of(&below, LIKELY, rows[i].before_us);
        (void)round_of(&below, LIKELY, rows[i].before_us + rows[i].longer_us - 1);
        assert_int_equal(growth(&below), MSS);
        (void)round_of(&at, LIKELY, rows[i].before_us);
        (void)round_of(&at, LIKELY, rows[i].before_us + rows[i].longer_us);
        assert_int_equal(growth(&at), MSS / TCP_HYSTART_SLOWER);
    }
}

static void
one_short_time_of_a_round_is_enough_to_see_no_queue(void **state)
{
    struct peer p = peer_of(1);
    (void)round_of(&p, LIKELY, RTT_US);
    for (uint32_t i = 1; i < 2 * LIKELY; i++)
        (void)tcp_hystart_acked(&p.h, ++p.una, p.nxt, i == 3 ? RTT_US : 5 * RTT_US);
    assert_int_equal(growth(&p), MSS);
}

static void
a_round_of_few_samples_says_nothing(void **state)
{
    struct peer p = peer_of(1);
    (void)round_of(&p, LIKELY, RTT_US);
    assert_false(round_of(&p, LIKELY - 1, 5 * RTT_US));
    assert_int_equal(growth(&p), MSS);
}

static void
acknowledgements_that_measure_nothing_are_no_samples(void **state)
{
    struct peer p = peer_of(1);
    (void)round_of(&p, LIKELY, RTT_US);
    (void)round_of(&p, LIKELY, 0);
    (void)round_of(&p, LIKELY, 5 * RTT_US); /* there is no round before it to compare with */
    assert_int_equal(growth(&p), MSS);
}

static void
a_shorter_round_of_the_conservative_phase_leads_back(void **state)
{
    struct peer p = peer_of(1);
    (void)round_of(&p, LIKELY, RTT_US);
    (void)round_of(&p, LIKELY, 2 * RTT_US);
    assert_int_equal(growth(&p), MSS / TCP_HYSTART_SLOWER);
    (void)round_of(&p, LIKELY, 2 * RTT_US); /* not shorter */
    assert_int_equal(growth(&p), MSS / TCP_HYSTART_SLOWER);
    (void)round_of(&p, LIKELY - 1, RTT_US); /* too few samples */
    assert_int_equal(growth(&p), MSS / TCP_HYSTART_SLOWER);
    assert_false(round_of(&p, LIKELY, 2 * RTT_US - 1));
    assert_int_equal(growth(&p), MSS);
    for (int i = 0; i < 2 * TCP_HYSTART_ROUNDS; i++)
        assert_false(round_of(&p, LIKELY, 2 * RTT_US - 1));
    /* It can begin again, with all of its rounds. */
    (void)round_of(&p, LIKELY, 3 * RTT_US);
    for (int i = 2; i < TCP_HYSTART_ROUNDS; i++)
        assert_false(round_of(&p, LIKELY, 3 * RTT_US));
    assert_true(round_of(&p, LIKELY, 3 * RTT_US));
}

static void
one_acknowledgement_of_much_grows_the_window_by_eight_segments(void **state)
{
    struct peer p = peer_of(1);
    assert_int_equal(tcp_hystart_growth(&p.h, 100 * MSS, MSS), TCP_HYSTART_SEGS * MSS);
    (void)round_of(&p, LIKELY, RTT_US);
    (void)round_of(&p, LIKELY, 2 * RTT_US);
    assert_int_equal(tcp_hystart_growth(&p.h, 100 * MSS, MSS),
                     TCP_HYSTART_SEGS * MSS / TCP_HYSTART_SLOWER);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounds_of_the_same_time_change_nothing),
        cmocka_unit_test(
            a_longer_round_begins_the_conservative_phase_and_five_rounds_end_slow_start),
        cmocka_unit_test(a_round_that_is_only_a_little_longer_changes_nothing),
        cmocka_unit_test(what_is_longer_follows_the_round_trip_within_bounds),
        cmocka_unit_test(one_short_time_of_a_round_is_enough_to_see_no_queue),
        cmocka_unit_test(a_round_of_few_samples_says_nothing),
        cmocka_unit_test(acknowledgements_that_measure_nothing_are_no_samples),
        cmocka_unit_test(a_shorter_round_of_the_conservative_phase_leads_back),
        cmocka_unit_test(one_acknowledgement_of_much_grows_the_window_by_eight_segments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
