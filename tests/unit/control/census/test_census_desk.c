#include "control/census/census_desk.h"

#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

static atomic_uint wakes;

static void
wake(void *user)
{
    (void)user;
    atomic_fetch_add(&wakes, 1);
}

static struct census *
made(int64_t mark)
{
    struct census *c = calloc(1, sizeof *c);
    census_init(c);
    c->torn = (uint64_t)mark;
    return c;
}

static void
who_asks_in_vain_goes_on_without_and_gets_it_next_time(void **state)
{
    (void)state;
    uint64_t ticket;
    bool fresh = true;
    atomic_store(&wakes, 0);
    struct census_desk *d = census_desk_new(wake, NULL);
    assert_false(census_desk_asked(d, &ticket));
    assert_null(census_desk_ask(d, 1, &fresh));
    assert_false(fresh);
    assert_int_equal(atomic_load(&wakes), 1);
    assert_true(census_desk_asked(d, &ticket));
    assert_false(census_desk_asked(d, &ticket)); /* begun once */
    census_desk_give(d, made(1), ticket);
    struct census *c = census_desk_ask(d, 1, &fresh);
    assert_int_equal(c->torn, 1);
    assert_false(fresh); /* it answers the question before */
    c = census_desk_ask(d, 1, &fresh);
    assert_int_equal(c->torn, 1); /* and stays the newest */
    census_desk_free(d);
}

static void *
loop_once(void *user)
{
    struct census_desk *d = user;
    uint64_t ticket;
    while (!census_desk_asked(d, &ticket))
        (void)sched_yield();
    census_desk_give(d, made(2), ticket);
    return NULL;
}

static void
who_asks_gets_what_the_loop_makes_then(void **state)
{
    (void)state;
    bool fresh = false;
    pthread_t loop;
    struct census_desk *d = census_desk_new(wake, NULL);
    assert_int_equal(pthread_create(&loop, NULL, loop_once, d), 0);
    struct census *c = census_desk_ask(d, 60000, &fresh);
    assert_int_equal(pthread_join(loop, NULL), 0);
    assert_true(fresh);
    assert_int_equal(c->torn, 2);
    census_desk_free(d);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_asks_in_vain_goes_on_without_and_gets_it_next_time),
        cmocka_unit_test(who_asks_gets_what_the_loop_makes_then),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
