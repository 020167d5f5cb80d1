/* Unit tests of the search in bench/load/bench.h. */
#include "bench/load/bench.h"
#include "tests/unit/unit.h"

/* A broker that holds every rate up to `limit`. */
static struct bench_search
searched(double from, double limit)
{
    struct bench_search s = {.rate = from, .least = 20};
    while (!s.done) {
        assert_true(s.rate >= s.least);
        bench_search_told(&s, s.rate <= limit);
    }
    return s;
}

static void
the_search_ends_close_below_the_highest_rate(void **state)
{
    (void)state;
    for (double limit = 150; limit < 1e7; limit *= 3.7) {
        struct bench_search s = searched(1000, limit);
        assert_true(s.held <= limit);
        assert_true(s.held >= limit * (1 - BENCH_SEARCH_GAP));
        assert_true(s.failed > limit);
    }
}

static void
a_broker_that_holds_nothing_ends_the_search(void **state)
{
    (void)state;
    struct bench_search s = searched(1000, 0);
    assert_int_equal(s.steps, 4); /* 1000, 250, 62.5, 20 */
    assert_true(s.held <= 0);
}

static void
a_broker_that_holds_everything_ends_the_search(void **state)
{
    (void)state;
    struct bench_search s = searched(1000, 1e300);
    assert_int_equal(s.steps, BENCH_SEARCH_STEPS_MAX);
    assert_true(s.failed <= 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_search_ends_close_below_the_highest_rate),
        cmocka_unit_test(a_broker_that_holds_nothing_ends_the_search),
        cmocka_unit_test(a_broker_that_holds_everything_ends_the_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
