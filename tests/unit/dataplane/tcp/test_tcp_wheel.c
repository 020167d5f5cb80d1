#include "dataplane/tcp/tcp_table.h"
#include "dataplane/tcp/tcp_wheel.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

static struct tcp_wheel *
wheel_of(uint32_t items, uint64_t now_us)
{
    return tcp_wheel_init(malloc(tcp_wheel_footprint(items)), items, now_us);
}

static uint32_t
take(struct tcp_wheel *w, uint64_t now_us)
{
    uint32_t looks = UINT32_MAX;
    return tcp_wheel_take(w, now_us, &looks);
}

static void
a_deadline_comes_out_once_and_never_early(void **state)
{
    struct tcp_wheel *w = wheel_of(2, 1000);
    assert_int_equal(tcp_wheel_next(w), TCP_NEVER);
    tcp_wheel_arm(w, 1, 5000);
    assert_true(tcp_wheel_next(w) >= 1000 && tcp_wheel_next(w) < 5000 + TCP_TICK_US);
    assert_int_equal(take(w, 4999), TCP_NONE);
    assert_int_equal(take(w, 5000 + TCP_TICK_US), 1);
    assert_false(tcp_wheel_armed(w, 1));
    assert_int_equal(take(w, 9000000), TCP_NONE);
    free(w);
}

static void
a_deadline_in_the_past_comes_out_at_the_next_tick(void **state)
{
    struct tcp_wheel *w = wheel_of(1, 1000000);
    assert_int_equal(take(w, 1000000), TCP_NONE);
    tcp_wheel_arm(w, 0, 5);
    assert_int_equal(take(w, 1000000 + TCP_TICK_US), 0);
    free(w);
}

static void
disarmed_and_moved_deadlines_do_not_come_out(void **state)
{
    struct tcp_wheel *w = wheel_of(2, 0);
    tcp_wheel_arm(w, 0, 1000);
    tcp_wheel_arm(w, 1, 1000);
    tcp_wheel_arm(w, 0, TCP_NEVER);
    tcp_wheel_arm(w, 1, 100000);
    assert_int_equal(take(w, 99999), TCP_NONE);
    assert_int_equal(take(w, 100200), 1);
    free(w);
}

static void
a_deadline_beyond_the_last_level_is_kept(void **state)
{
    struct tcp_wheel *w = wheel_of(1, 0);
    uint64_t day_us = UINT64_C(86400) * 1000000;
    tcp_wheel_arm(w, 0, day_us);
    for (uint64_t at = 0; at < day_us; at += 700 * UINT64_C(1000000))
        assert_int_equal(take(w, at), TCP_NONE);
    assert_int_equal(take(w, day_us + TCP_TICK_US), 0);
    free(w);
}

/* Of a thousand items put off, and of those a higher level holds. */
static void
one_call_moves_no_more_items_than_it_may(void **state)
{
    enum { ITEMS = 1000, LOOKS = 16, FIRST_US = 100 * TCP_TICK_US, LATE_US = 300 * TCP_TICK_US };
    struct tcp_wheel *w = wheel_of(ITEMS, 0);
    for (uint32_t i = 0; i < ITEMS; i++) {
        tcp_wheel_arm(w, i, i % 2 ? FIRST_US : LATE_US);
        tcp_wheel_arm(w, i, i % 4 == 3 ? TCP_NEVER : 2 * LATE_US);
    }
    uint32_t calls = 0, taken = 0;
    for (uint64_t now = 0; now <= 2 * LATE_US; calls++) {
        uint32_t looks = LOOKS;
        uint32_t item = tcp_wheel_take(w, now, &looks);
        if (item != TCP_NONE) {
            assert_true(now >= 2 * LATE_US);
            assert_int_not_equal(item % 4, 3);
            taken++;
        } else if (looks) {
            now += LATE_US;
        } else {
            assert_true(tcp_wheel_next(w) <= now); /* there is more to do: do not sleep */
        }
    }
    assert_int_equal(taken, ITEMS - ITEMS / 4);
    assert_true(calls > (ITEMS + taken) / LOOKS);
    free(w);
}

static void
what_is_put_off_again_and_again_is_looked_at_once_a_deadline(void **state)
{
    enum { AHEAD_US = 200000, STEP_US = 1000, STEPS = 10000 };
    struct tcp_wheel *w = wheel_of(1, 0);
    uint32_t looks = UINT32_MAX;
    for (uint64_t now = 0; now < STEPS * STEP_US; now += STEP_US) {
        tcp_wheel_arm(w, 0, now + AHEAD_US);
        assert_int_equal(tcp_wheel_take(w, now, &looks), TCP_NONE);
    }
    /* Once more on the way down from the second level to the first. */
    assert_true(UINT32_MAX - looks <= 2 * STEPS * STEP_US / AHEAD_US + 2);
    free(w);
}

/* Random arming, disarming and steps of time; the model is an array of deadlines. */
static void
it_agrees_with_an_array_of_deadlines(void **state)
{
    uint32_t seed = 815;
    printf("seed %u\n", seed);
    enum { ITEMS = 64 };
    uint64_t now = 12345678, due[ITEMS];
    struct tcp_wheel *w = wheel_of(ITEMS, now);
    for (int i = 0; i < ITEMS; i++)
        due[i] = TCP_NEVER;
    for (int step = 0; step < 200000; step++) {
        seed = seed * 1664525u + 1013904223u;
        uint32_t item = (seed >> 8) % ITEMS, scale = (seed >> 16) % 33;
        uint64_t ahead = (seed * UINT64_C(0x9e3779b97f4a7c15)) >> (63 - scale);
        if (seed >> 30 == 0) {
            due[item] = now + ahead;
            tcp_wheel_arm(w, item, due[item]);
        } else if (seed >> 30 == 1 && step % 4 == 0) {
            due[item] = TCP_NEVER;
            tcp_wheel_arm(w, item, TCP_NEVER);
        } else if (seed >> 30 == 2) {
            now += ahead >> 4;
        }
        uint64_t next = tcp_wheel_next(w);
        for (uint32_t out; (out = take(w, now)) != TCP_NONE;) {
            assert_true(due[out] <= now);
            assert_true(next <= now);
            due[out] = TCP_NEVER;
        }
        for (int i = 0; i < ITEMS; i++) {
            assert_true(due[i] == TCP_NEVER || due[i] + TCP_TICK_US > now);
            assert_int_equal(tcp_wheel_armed(w, (uint32_t)i), due[i] != TCP_NEVER);
        }
    }
    free(w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deadline_comes_out_once_and_never_early),
        cmocka_unit_test(a_deadline_in_the_past_comes_out_at_the_next_tick),
        cmocka_unit_test(disarmed_and_moved_deadlines_do_not_come_out),
        cmocka_unit_test(a_deadline_beyond_the_last_level_is_kept),
        cmocka_unit_test(one_call_moves_no_more_items_than_it_may),
        cmocka_unit_test(what_is_put_off_again_and_again_is_looked_at_once_a_deadline),
        cmocka_unit_test(it_agrees_with_an_array_of_deadlines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
