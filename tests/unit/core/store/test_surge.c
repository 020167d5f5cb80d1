#include "core/store/surge.h"
#include "tests/unit/unit.h"

enum { BATCH = 1000 };

/* Batches at an even rate for so long; how many of them came with a surge. */
static uint32_t
come(struct surge *s, uint64_t *now_ns, uint64_t per_second, uint64_t seconds)
{
    uint32_t high = 0;
    for (uint64_t i = 0; i < per_second * seconds; i++) {
        *now_ns += CLOCK_NS_PER_S / per_second;
        high += surge_high(s, *now_ns, BATCH);
        surge_add(s, *now_ns, BATCH);
    }
    return high;
}

static void
a_rate_below_the_limit_is_no_surge(void **state)
{
    (void)state;
    struct surge s = {.bytes_per_second = 1000 * BATCH};
    uint64_t now_ns = 7;
    assert_int_equal(come(&s, &now_ns, 900, 10), 0);
}

static void
above_the_limit_only_the_share_of_the_first_window_is_none(void **state)
{
    (void)state;
    struct surge s = {.bytes_per_second = 1000 * BATCH};
    uint64_t now_ns = 7;
    assert_int_equal(come(&s, &now_ns, 5000, 2), 2 * 5000 - 100);
}

static void
a_surge_ends_behind_a_window_with_less_than_half(void **state)
{
    (void)state;
    struct surge s = {.bytes_per_second = 1000 * BATCH};
    uint64_t now_ns = 7;
    (void)come(&s, &now_ns, 5000, 1);
    assert_int_equal(come(&s, &now_ns, 600, 2), 2 * 600); /* it goes on */
    assert_in_range(come(&s, &now_ns, 400, 2), 1, 2 * 60);
}

static void
a_pause_ends_a_surge(void **state)
{
    (void)state;
    struct surge s = {.bytes_per_second = 1000 * BATCH};
    uint64_t now_ns = 7;
    (void)come(&s, &now_ns, 5000, 1);
    now_ns += 3 * SURGE_WINDOW_NS;
    assert_false(surge_high(&s, now_ns, BATCH));
}

static void
a_batch_larger_than_the_share_is_a_surge(void **state)
{
    (void)state;
    struct surge s = {.bytes_per_second = 1000 * BATCH};
    assert_true(surge_high(&s, 7, 100 * BATCH + 1));
    assert_false(surge_high(&s, 7, 100 * BATCH));
}

static void
without_a_limit_it_is_always_one(void **state)
{
    (void)state;
    struct surge s = {0};
    surge_add(&s, 7, BATCH);
    assert_true(surge_high(&s, 7, 1));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rate_below_the_limit_is_no_surge),
        cmocka_unit_test(above_the_limit_only_the_share_of_the_first_window_is_none),
        cmocka_unit_test(a_surge_ends_behind_a_window_with_less_than_half),
        cmocka_unit_test(a_pause_ends_a_surge),
        cmocka_unit_test(a_batch_larger_than_the_share_is_a_surge),
        cmocka_unit_test(without_a_limit_it_is_always_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
