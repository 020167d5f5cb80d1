/* Unit tests of what tells when a warm-up is over, in bench/load/bench.h. */
#include "bench/load/bench.h"
#include "tests/unit/unit.h"

static void
two_seconds_of_nearly_one_rate_are_steady(void **state)
{
    (void)state;
    struct bench_settle s = {0};
    assert_false(bench_settle_told(&s, 1000));
    assert_false(bench_settle_told(&s, 2000));
    assert_true(bench_settle_told(&s, 1810));
    assert_true(bench_settle_told(&s, 1990));
}

static void
a_tenth_more_or_less_is_not_steady(void **state)
{
    (void)state;
    struct bench_settle s = {0};
    assert_false(bench_settle_told(&s, 1000));
    assert_false(bench_settle_told(&s, 900));
    assert_false(bench_settle_told(&s, 1000));
}

static void
a_broker_that_answers_nothing_is_not_steady(void **state)
{
    (void)state;
    struct bench_settle s = {0};
    for (int i = 0; i < 4; i++)
        assert_false(bench_settle_told(&s, 0));
    assert_false(bench_settle_told(&s, 10));
    assert_true(bench_settle_told(&s, 10));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_seconds_of_nearly_one_rate_are_steady),
        cmocka_unit_test(a_tenth_more_or_less_is_not_steady),
        cmocka_unit_test(a_broker_that_answers_nothing_is_not_steady),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
