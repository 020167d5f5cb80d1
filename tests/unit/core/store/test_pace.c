#include "core/base/err.h"
#include "core/store/pace.h"
#include "tests/unit/unit.h"

/* A clock that goes on only by sleeping. */
struct sleeper {
    uint64_t now_ns, sleeps;
    atomic_bool *stop_at_sleep;
};

static uint64_t
sleeper_now(void *self)
{
    return ((struct sleeper *)self)->now_ns;
}

static void
sleeper_wait(void *self, uint64_t deadline_ns)
{
    struct sleeper *c = self;
    assert_true(deadline_ns > c->now_ns);
    c->now_ns = deadline_ns;
    c->sleeps++;
    if (c->stop_at_sleep)
        atomic_store(c->stop_at_sleep, true);
}

static const struct clock_ops sleeper_ops = {.now_ns = sleeper_now, .wait = sleeper_wait};

static void
work_takes_as_long_as_its_bytes(void **state)
{
    (void)state;
    struct sleeper c = {.now_ns = 5};
    struct pace p = {.clock = {&sleeper_ops, &c}, .bytes_per_second = 1000};
    for (int i = 0; i < 10; i++)
        assert_int_equal(pace_wait(&p, 500), ERR_OK);
    assert_int_equal(c.now_ns, 5 + 9 * CLOCK_NS_PER_S / 2);
}

static void
a_rate_that_is_set_meanwhile_holds_from_the_next_piece_on(void **state)
{
    (void)state;
    _Atomic int64_t live = -1;
    struct pace p = {.bytes_per_second = 1000, .live = &live};
    assert_int_equal(pace_next(&p, 0, 1000), 0);
    assert_int_equal(p.free_ns, CLOCK_NS_PER_S);
    atomic_store(&live, 500);
    assert_int_equal(pace_next(&p, 0, 1000), CLOCK_NS_PER_S);
    assert_int_equal(p.free_ns, 3 * CLOCK_NS_PER_S);
    atomic_store(&live, 0);
    assert_int_equal(pace_next(&p, 0, 1000), 0);
}

static void
nothing_is_saved_up_while_the_work_rests(void **state)
{
    (void)state;
    struct pace p = {.bytes_per_second = 1000};
    assert_int_equal(pace_next(&p, 0, 1000), 0);
    uint64_t late = 100 * CLOCK_NS_PER_S;
    assert_int_equal(pace_next(&p, late, 1000), late);
    assert_int_equal(pace_next(&p, late, 1000), late + CLOCK_NS_PER_S);
}

static void
large_pieces_and_rates_do_not_overflow(void **state)
{
    (void)state;
    struct pace p = {.bytes_per_second = UINT64_C(3) << 30};
    assert_int_equal(pace_next(&p, 0, UINT64_C(6) << 40), 0);
    assert_int_equal(pace_next(&p, 0, 1), 2048 * CLOCK_NS_PER_S);
    p = (struct pace){.bytes_per_second = INT64_MAX};
    assert_int_equal(pace_next(&p, 7, UINT64_C(1) << 40), 7);
    assert_in_range(p.free_ns, 7, 7 + CLOCK_NS_PER_S);
}

static void
without_a_limit_nothing_waits(void **state)
{
    (void)state;
    struct sleeper c = {0};
    struct pace p = {.clock = {&sleeper_ops, &c}};
    for (int i = 0; i < 10; i++)
        assert_int_equal(pace_wait(&p, UINT64_MAX), ERR_OK);
    assert_int_equal(c.sleeps, 0);
}

static void
a_stop_ends_the_wait(void **state)
{
    (void)state;
    atomic_bool stop = false;
    struct sleeper c = {.stop_at_sleep = &stop};
    struct pace p = {.clock = {&sleeper_ops, &c}, .bytes_per_second = 1, .stop = &stop};
    assert_int_equal(pace_wait(&p, 1000), ERR_OK);
    assert_int_equal(pace_wait(&p, 1), ERR_CLOSED);
    assert_int_equal(c.sleeps, 1);
    assert_int_equal(pace_wait(&p, 1), ERR_CLOSED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_takes_as_long_as_its_bytes),
        cmocka_unit_test(a_rate_that_is_set_meanwhile_holds_from_the_next_piece_on),
        cmocka_unit_test(nothing_is_saved_up_while_the_work_rests),
        cmocka_unit_test(large_pieces_and_rates_do_not_overflow),
        cmocka_unit_test(without_a_limit_nothing_waits),
        cmocka_unit_test(a_stop_ends_the_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
