#include "dataplane/broker/seats.h"
#include "tests/unit/unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECTIONS = 256, THREADS = 4, ROUNDS = 20000 };

static struct seats *seats;

static int
open_seats(void **state)
{
    uint8_t secret[SEATS_SECRET_BYTES];
    for (uint32_t i = 0; i < SEATS_SECRET_BYTES; i++)
        secret[i] = (uint8_t)(i * 151 + 43);
    (void)state;
    seats = seats_init(calloc(1, seats_footprint(CONNECTIONS)), CONNECTIONS, secret);
    return 0;
}

static int
close_seats(void **state)
{
    (void)state;
    free(seats);
    return 0;
}

static uint64_t
hash_of(uint32_t n)
{
    uint8_t ip[16] = {0};
    memcpy(ip + 12, &n, sizeof n);
    return seats_hash(seats, ip);
}

static void
an_address_gets_so_many_and_others_are_not_counted(void **state)
{
    uint32_t mine[3];
    (void)state;
    for (uint32_t i = 0; i < 3; i++)
        mine[i] = seats_take(seats, hash_of(1), 3);
    assert_int_equal(seats_take(seats, hash_of(1), 3), SEATS_NONE);
    uint32_t other = seats_take(seats, hash_of(2), 1);
    assert_int_not_equal(other, SEATS_NONE);
    assert_int_equal(seats_take(seats, hash_of(2), 1), SEATS_NONE);
    seats_give(seats, mine[1]);
    assert_int_not_equal(seats_take(seats, hash_of(1), 3), SEATS_NONE);
    assert_int_equal(seats_take(seats, hash_of(3), 0), SEATS_NONE);
}

static void
a_connection_of_each_address_finds_a_seat_of_its_own(void **state)
{
    static uint32_t taken[CONNECTIONS];
    (void)state;
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < CONNECTIONS; i++) {
            taken[i] = seats_take(seats, hash_of(round * CONNECTIONS + i), 1);
            assert_int_not_equal(taken[i], SEATS_NONE);
            assert_int_not_equal(taken[i], 0); /* the one that is shared */
        }
        for (uint32_t i = 0; i < CONNECTIONS; i++)
            seats_give(seats, taken[i]);
    }
}

static void
the_total_is_bounded_and_the_bound_may_fall(void **state)
{
    (void)state;
    assert_true(seats_enter(seats, 2));
    assert_true(seats_enter(seats, 2));
    assert_false(seats_enter(seats, 2));
    assert_false(seats_evict(seats, 2));
    assert_true(seats_evict(seats, 1));
    assert_false(seats_evict(seats, 1));
    assert_false(seats_enter(seats, 1));
    seats_leave(seats);
    assert_int_equal(seats_count(seats), 0);
    assert_true(seats_enter(seats, 1));
}

static _Atomic uint32_t held, most;

/* Takes and gives seats of few addresses, so that threads meet in them. */
static void *
come_and_go(void *arg)
{
    uint64_t hash = hash_of(77);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint32_t noise = seats_take(seats, hash_of((uint32_t)(uintptr_t)arg * ROUNDS + i), 1);
        uint32_t seat = seats_take(seats, hash, THREADS - 1);
        if (seat != SEATS_NONE) {
            uint32_t now = atomic_fetch_add(&held, 1) + 1, was = atomic_load(&most);
            while (now > was && !atomic_compare_exchange_weak(&most, &was, now))
                continue;
            atomic_fetch_sub(&held, 1);
            seats_give(seats, seat);
        }
        if (noise != SEATS_NONE)
            seats_give(seats, noise);
    }
    return NULL;
}

static void
cores_together_never_give_one_address_more(void **state)
{
    pthread_t threads[THREADS];
    (void)state;
    atomic_store(&most, 0);
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, (void *)i), 0);
    for (uint32_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_true(atomic_load(&most) >= 1 && atomic_load(&most) < THREADS);
    for (uint32_t i = 0; i < THREADS - 1; i++) /* nothing is left taken */
        assert_int_not_equal(seats_take(seats, hash_of(77), THREADS - 1), SEATS_NONE);
    assert_int_equal(seats_take(seats, hash_of(77), THREADS - 1), SEATS_NONE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_address_gets_so_many_and_others_are_not_counted,
                                        open_seats, close_seats),
        cmocka_unit_test_setup_teardown(a_connection_of_each_address_finds_a_seat_of_its_own,
                                        open_seats, close_seats),
        cmocka_unit_test_setup_teardown(the_total_is_bounded_and_the_bound_may_fall, open_seats,
                                        close_seats),
        cmocka_unit_test_setup_teardown(cores_together_never_give_one_address_more, open_seats,
                                        close_seats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
