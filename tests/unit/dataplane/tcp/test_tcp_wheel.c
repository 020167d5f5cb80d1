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

static void
a_deadline_comes_out_once_and_never_early(void **state)
{
    struct tcp_wheel *w = wheel_of(2, 1000);
    assert_int_equal(tcp_wheel_next(w), TCP_NEVER);
    tcp_wheel_arm(w, 1, 5000);
    assert_true(tcp_wheel_next(w) >= 1000 && tcp_wheel_next(w) < 5000 + TCP_TICK_US);
    assert_int_equal(tcp_wheel_take(w, 4999), TCP_NONE);
    assert_int_equal(tcp_wheel_take(w, 5000 + TCP_TICK_US), 1);
    assert_false(tcp_wheel_armed(w, 1));
    assert_int_equal(tcp_wheel_take(w, 9000000), TCP_NONE);
    free(w);
}

static void
a_deadline_in_the_past_comes_out_at_the_next_tick(void **state)
{
    struct tcp_wheel *w = wheel_of(1, 1000000);
    assert_int_equal(tcp_wheel_take(w, 1000000), TCP_NONE);
    tcp_wheel_arm(w, 0, 5);
    assert_int_equal(tcp_wheel_take(w, 1000000 + TCP_TICK_US), 0);
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
    assert_int_equal(tcp_wheel_take(w, 99999), TCP_NONE);
    assert_int_equal(tcp_wheel_take(w, 100200), 1);
    free(w);
}

static void
a_deadline_beyond_the_last_level_is_kept(void **state)
{
    struct tcp_wheel *w = wheel_of(1, 0);
    uint64_t day_us = UINT64_C(86400) * 1000000;
    tcp_wheel_arm(w, 0, day_us);
    for (uint64_t at = 0; at < day_us; at += 700 * UINT64_C(1000000))
        assert_int_equal(tcp_wheel_take(w, at), TCP_NONE);
    assert_int_equal(tcp_wheel_take(w, day_us + TCP_TICK_US), 0);
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
        for (uint32_t out; (out = tcp_wheel_take(w, now)) != TCP_NONE;) {
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
        cmocka_unit_test(it_agrees_with_an_array_of_deadlines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
