#include "dataplane/tcp/tcp_rtt.h"
#include "tests/unit/unit.h"

static struct tcp_rtt
rtt_of(void)
{
    struct tcp_rtt r;
    tcp_rtt_init(&r, 1000000, 200000, 60000000);
    return r;
}

static void
the_first_sample_sets_time_and_half_as_spread(void **state)
{
    struct tcp_rtt r = rtt_of();
    assert_int_equal(r.rto_us, 1000000);
    tcp_rtt_sample(&r, 100000);
    assert_int_equal(r.srtt_us, 100000);
    assert_int_equal(r.var_us, 50000);
    assert_int_equal(r.rto_us, 300000);
    tcp_rtt_sample(&r, 180000);
    assert_int_equal(r.srtt_us, 110000);
    assert_int_equal(r.var_us, 57500);
}

static void
a_round_trip_below_the_clock_is_one_microsecond(void **state)
{
    struct tcp_rtt r = rtt_of();
    for (int i = 0; i < 100; i++)
        tcp_rtt_sample(&r, 0);
    assert_int_equal(r.srtt_us, 1);
    assert_int_equal(r.min_us, 1);
    assert_int_equal(r.rto_us, 200001);
}

static void
a_steady_long_path_leaves_time_for_a_delayed_ack(void **state)
{
    struct tcp_rtt r = rtt_of();
    for (int i = 0; i < 100; i++)
        tcp_rtt_sample(&r, 190000);
    assert_true(r.rto_us >= 190000 + 200000);
}

static void
backoff_doubles_up_to_the_limit_and_progress_takes_it_back(void **state)
{
    struct tcp_rtt r = rtt_of();
    tcp_rtt_sample(&r, 100000);
    tcp_rtt_backoff(&r);
    assert_int_equal(r.rto_us, 600000);
    for (int i = 0; i < 20; i++)
        tcp_rtt_backoff(&r);
    assert_int_equal(r.rto_us, 60000000);
    tcp_rtt_progress(&r);
    assert_int_equal(r.rto_us, 300000);
}

static void
a_timeout_without_a_measurement_begins_with_three_seconds(void **state)
{
    struct tcp_rtt r = rtt_of();
    tcp_rtt_backoff(&r);
    tcp_rtt_unknown(&r);
    assert_int_equal(r.rto_us, 3000000);
    assert_int_equal(r.srtt_us, 0);
    tcp_rtt_init(&r, 1000000, 200000, 2000000);
    tcp_rtt_unknown(&r);
    assert_int_equal(r.rto_us, 2000000); /* no more than the limit */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_sample_sets_time_and_half_as_spread),
        cmocka_unit_test(a_round_trip_below_the_clock_is_one_microsecond),
        cmocka_unit_test(a_steady_long_path_leaves_time_for_a_delayed_ack),
        cmocka_unit_test(backoff_doubles_up_to_the_limit_and_progress_takes_it_back),
        cmocka_unit_test(a_timeout_without_a_measurement_begins_with_three_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
