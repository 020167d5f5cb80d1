#include "core/shm/chan.h"

#include "core/base/err.h"
#include "core/shm/msg.h"
#include "tests/unit/unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

enum { RING_BYTES = 2048, GENERATION = 7, STRESS_MESSAGES = 200000 };

static _Alignas(CHAN_LINE) uint8_t memory[RING_BYTES];
static struct chan producer, consumer;

static int
fresh_ring(void **state)
{
    memset(memory, 0xaa, sizeof memory);
    chan_format(memory, sizeof memory);
    chan_join(&producer, memory, sizeof memory);
    chan_join(&consumer, memory, sizeof memory);
    return 0;
}

static bool
send(uint32_t value, uint32_t bytes)
{
    uint8_t *p = chan_reserve(&producer, bytes);
    if (!p)
        return false;
    memset(p, (int)(uint8_t)value, bytes);
    memcpy(p, &value, sizeof value);
    chan_publish(&producer, MSG_WANT, GENERATION, bytes);
    return true;
}

static void
expect(uint32_t value, uint32_t bytes)
{
    struct chan_message m;
    uint32_t got;
    assert_int_equal(chan_peek(&consumer, &m), ERR_OK);
    assert_int_equal(m.kind, MSG_WANT);
    assert_int_equal(m.generation, GENERATION);
    assert_int_equal(m.body.len, bytes);
    memcpy(&got, m.body.at, sizeof got);
    assert_int_equal(got, value);
    for (uint32_t i = sizeof got; i < bytes; i++)
        assert_int_equal(m.body.at[i], (uint8_t)value);
    chan_done(&consumer);
}

static void
expect_nothing(void)
{
    struct chan_message m;
    assert_int_equal(chan_peek(&consumer, &m), ERR_AGAIN);
}

/* Moves both sides to `position` bytes with messages of 32 bytes. */
static void
advance_to(uint64_t position)
{
    while (producer.head < position) {
        assert_true(send(1, 16));
        expect(1, 16);
    }
    assert_int_equal(producer.head, position);
}

static void
messages_arrive_whole_and_in_order(void **state)
{
    for (uint32_t i = 0; i < 10; i++)
        assert_true(send(i, 8 + i));
    for (uint32_t i = 0; i < 10; i++)
        expect(i, 8 + i);
    expect_nothing();
}

static void
peek_lends_the_same_message_until_done(void **state)
{
    struct chan_message a, b;
    assert_true(send(1, 8));
    assert_true(send(2, 8));
    assert_int_equal(chan_peek(&consumer, &a), ERR_OK);
    assert_int_equal(chan_peek(&consumer, &b), ERR_OK);
    assert_ptr_equal(a.body.at, b.body.at);
    chan_done(&consumer);
    expect(2, 8);
}

static void
a_message_may_be_published_shorter_than_reserved(void **state)
{
    uint8_t *p = chan_reserve(&producer, 600);
    assert_non_null(p);
    memset(p, 5, 9);
    memcpy(p, &(uint32_t){5}, 4);
    chan_publish(&producer, MSG_WANT, GENERATION, 9);
    assert_true(send(6, 8));
    expect(5, 9);
    expect(6, 8);
}

static void
a_full_ring_refuses_and_takes_again_after_done(void **state)
{
    uint32_t n = 0;
    while (send(n, 48))
        n++;
    assert_int_equal(n, producer.bytes / 64);
    assert_null(chan_reserve(&producer, 0));
    expect(0, 48);
    assert_true(send(n, 48));
    assert_false(send(n, 48));
    for (uint32_t i = 1; i <= n; i++)
        expect(i, 48);
    expect_nothing();
}

static void
a_body_above_the_maximum_never_fits(void **state)
{
    uint32_t max = chan_body_max(&producer);
    assert_null(chan_reserve(&producer, max + 1));
    assert_null(chan_reserve(&producer, UINT32_MAX));
    assert_non_null(chan_reserve(&producer, max));
}

static void
the_largest_body_fits_an_empty_ring_at_every_position(void **state)
{
    uint32_t max = chan_body_max(&producer);
    for (int i = 0; i < 300; i++) {
        assert_true(send(3, max));
        expect(3, max);
        assert_true(send(1, 16));
        expect(1, 16);
    }
}

static void
a_filler_covers_the_end_that_is_too_small(void **state)
{
    advance_to(producer.bytes - 32);
    assert_true(send(9, 100));
    assert_ptr_equal(chan_reserve(&producer, 8) - CHAN_HEADER_BYTES,
                     producer.memory->data + 16 + 112);
    expect(9, 100);
    assert_int_equal(consumer.tail, producer.head);
}

static void
a_message_ends_exactly_at_the_end_or_a_header_before_it(void **state)
{
    advance_to(producer.bytes - 32);
    uint8_t *p = chan_reserve(&producer, 8);
    assert_non_null(p);
    memcpy(p, &(uint32_t){4}, 4);
    memset(p + 4, 4, 4);
    chan_publish(&producer, MSG_WANT, GENERATION, 8); /* 32 bytes: ends at the end */
    expect(4, 8);
    assert_int_equal(producer.head % producer.bytes, 0);
    fresh_ring(NULL);
    advance_to(producer.bytes - 64);
    assert_true(send(5, 32)); /* 48 bytes: 16 are left */
    assert_true(send(6, 8));
    expect(5, 32);
    expect(6, 8);
    assert_int_equal(consumer.tail, consumer.bytes + 32);
}

static void
a_producer_that_dies_before_publish_left_nothing(void **state)
{
    assert_true(send(1, 8));
    uint8_t *p = chan_reserve(&producer, 500);
    memset(p, 0xee, 500);
    chan_join(&producer, memory, sizeof memory); /* the next life of the producer */
    assert_true(send(2, 8));
    expect(1, 8);
    expect(2, 8);
    expect_nothing();
}

static void
a_producer_that_dies_after_a_filler_header_left_nothing(void **state)
{
    advance_to(producer.bytes - 32);
    uint8_t *p = chan_reserve(&producer, 100);
    memset(p, 0xee, 100);
    memset(producer.memory->data + producer.bytes - 32, 0xee, CHAN_HEADER_BYTES);
    expect_nothing();
    chan_join(&producer, memory, sizeof memory);
    assert_true(send(2, 100));
    expect(2, 100);
}

static void
a_consumer_that_dies_before_done_sees_the_message_again(void **state)
{
    struct chan_message m;
    assert_true(send(1, 8));
    assert_true(send(2, 8));
    expect(1, 8);
    assert_int_equal(chan_peek(&consumer, &m), ERR_OK);
    chan_join(&consumer, memory, sizeof memory);
    expect(2, 8);
    expect_nothing();
}

static void
both_sides_attach_in_the_middle(void **state)
{
    uint32_t sent = 0, seen = 0;
    for (int round = 0; round < 50; round++) {
        while (send(sent, 8 + sent % 90))
            sent++;
        for (int i = 0; i < 7; i++, seen++)
            expect(seen, 8 + seen % 90);
        chan_join(round % 2 ? &producer : &consumer, memory, sizeof memory);
    }
    for (; seen < sent; seen++)
        expect(seen, 8 + seen % 90);
    expect_nothing();
}

static void
clear_drops_what_a_dead_consumer_did_not_take(void **state)
{
    for (uint32_t i = 0; i < 5; i++)
        assert_true(send(i, 8));
    expect(0, 8);
    chan_clear(&producer);
    chan_join(&consumer, memory, sizeof memory);
    expect_nothing();
    assert_true(send(9, 8));
    expect(9, 8);
}

/* Publishes one message, changes byte `at` of the ring, and expects the consumer to refuse it. */
static void
expect_corrupt_byte(size_t at)
{
    struct chan_message m;
    fresh_ring(NULL);
    assert_true(send(1, 8));
    producer.memory->data[at] ^= 0x10;
    assert_int_equal(chan_peek(&consumer, &m), ERR_CORRUPT);
    producer.memory->data[at] ^= 0x10;
    assert_int_equal(chan_peek(&consumer, &m), ERR_CORRUPT); /* stopped for good */
    chan_join(&consumer, memory, sizeof memory);
    expect(1, 8);
}

static void
any_changed_byte_of_a_header_stops_the_channel(void **state)
{
    for (size_t i = 0; i < CHAN_HEADER_BYTES; i++)
        expect_corrupt_byte(i);
}

static void
expect_corrupt(void)
{
    struct chan_message m;
    assert_int_equal(chan_peek(&consumer, &m), ERR_CORRUPT);
    assert_int_equal(chan_peek(&consumer, &m), ERR_CORRUPT);
}

static void
a_head_outside_the_ring_stops_the_channel(void **state)
{
    atomic_store(&producer.memory->head, producer.bytes + 16);
    expect_corrupt();
    fresh_ring(NULL);
    atomic_store(&producer.memory->head, 8);
    expect_corrupt();
    fresh_ring(NULL);
    advance_to(64);
    atomic_store(&producer.memory->head, 32); /* behind tail */
    expect_corrupt();
}

static void
a_tail_outside_the_ring_refuses_room(void **state)
{
    while (send(1, 48))
        ;
    atomic_store(&producer.memory->tail, producer.head + 16);
    assert_null(chan_reserve(&producer, 8));
    assert_null(chan_reserve(&producer, 8));
}

static void
a_message_that_ends_beyond_head_stops_the_channel(void **state)
{
    assert_true(send(1, 100));
    atomic_store(&producer.memory->head, 64);
    expect_corrupt();
}

static void
an_unknown_kind_or_a_short_body_stops_the_channel(void **state)
{
    assert_non_null(chan_reserve(&producer, 8));
    chan_publish(&producer, MSG_KINDS, GENERATION, 8);
    expect_corrupt();
    fresh_ring(NULL);
    assert_non_null(chan_reserve(&producer, 8));
    chan_publish(&producer, MSG_REQUEST, GENERATION, 8);
    expect_corrupt();
}

static void
an_old_message_of_an_earlier_lap_is_not_taken_for_a_new_one(void **state)
{
    advance_to(producer.bytes); /* its whole length: the next position holds a message of lap 0 */
    atomic_store(&producer.memory->head, producer.bytes + 32);
    expect_corrupt();
}

static void
the_producer_rings_once_for_a_sleep(void **state)
{
    assert_false(chan_must_wake(&producer));
    assert_false(chan_sleep(&consumer));
    assert_true(send(1, 8));
    assert_true(chan_must_wake(&producer));
    assert_false(chan_must_wake(&producer));
    chan_awake(&consumer);
    chan_awake(&consumer);
    assert_false(chan_must_wake(&producer));
    expect(1, 8);
    assert_false(chan_sleep(&consumer));
    assert_true(chan_must_wake(&producer));
}

static void
a_message_that_comes_before_the_flag_keeps_the_consumer_awake(void **state)
{
    assert_true(send(1, 8));
    assert_false(chan_must_wake(&producer)); /* looked before the consumer went to sleep */
    assert_true(chan_sleep(&consumer));
    assert_false(chan_must_wake(&producer));
}

static void
a_new_producer_rings_for_a_sleep_that_the_old_one_may_not_have_ended(void **state)
{
    assert_false(chan_sleep(&consumer));
    assert_true(send(1, 8));
    assert_true(chan_must_wake(&producer));
    chan_join(&producer, memory, sizeof memory);
    assert_true(chan_must_wake(&producer));
}

/* Two threads: the consumer sleeps on a semaphore of one word, so a lost wake-up would hang. */
static _Atomic uint32_t rings;

static void *
stress_produce(void *arg)
{
    for (uint32_t i = 0; i < STRESS_MESSAGES; i++) {
        while (!send(i, 8 + i % 200))
            sched_yield();
        if (chan_must_wake(&producer))
            atomic_fetch_add(&rings, 1);
    }
    return arg;
}

static void
two_threads_agree_and_no_wake_up_is_lost(void **state)
{
    pthread_t thread;
    uint32_t seen = 0, slept = 0, rings_seen = 0;
    assert_int_equal(pthread_create(&thread, NULL, stress_produce, NULL), 0);
    while (seen < STRESS_MESSAGES) {
        struct chan_message m;
        uint32_t got;
        int err = chan_peek(&consumer, &m);
        if (err == ERR_AGAIN) {
            if (chan_sleep(&consumer))
                continue;
            while (atomic_load(&rings) == rings_seen)
                sched_yield();
            /* A ring may also be for a sleep that chan_sleep called off: more than slept. */
            rings_seen = atomic_load(&rings);
            slept++;
            chan_awake(&consumer);
            continue;
        }
        assert_int_equal(err, ERR_OK);
        memcpy(&got, m.body.at, sizeof got);
        assert_int_equal(got, seen);
        assert_int_equal(m.body.len, 8 + seen % 200);
        assert_int_equal(m.body.at[m.body.len - 1], (uint8_t)seen);
        chan_done(&consumer);
        seen++;
    }
    pthread_join(thread, NULL);
    assert_true(atomic_load(&rings) >= slept);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(messages_arrive_whole_and_in_order, fresh_ring),
        cmocka_unit_test_setup(peek_lends_the_same_message_until_done, fresh_ring),
        cmocka_unit_test_setup(a_message_may_be_published_shorter_than_reserved, fresh_ring),
        cmocka_unit_test_setup(a_full_ring_refuses_and_takes_again_after_done, fresh_ring),
        cmocka_unit_test_setup(a_body_above_the_maximum_never_fits, fresh_ring),
        cmocka_unit_test_setup(the_largest_body_fits_an_empty_ring_at_every_position, fresh_ring),
        cmocka_unit_test_setup(a_filler_covers_the_end_that_is_too_small, fresh_ring),
        cmocka_unit_test_setup(a_message_ends_exactly_at_the_end_or_a_header_before_it, fresh_ring),
        cmocka_unit_test_setup(a_producer_that_dies_before_publish_left_nothing, fresh_ring),
        cmocka_unit_test_setup(a_producer_that_dies_after_a_filler_header_left_nothing, fresh_ring),
        cmocka_unit_test_setup(a_consumer_that_dies_before_done_sees_the_message_again, fresh_ring),
        cmocka_unit_test_setup(both_sides_attach_in_the_middle, fresh_ring),
        cmocka_unit_test_setup(clear_drops_what_a_dead_consumer_did_not_take, fresh_ring),
        cmocka_unit_test_setup(any_changed_byte_of_a_header_stops_the_channel, fresh_ring),
        cmocka_unit_test_setup(a_head_outside_the_ring_stops_the_channel, fresh_ring),
        cmocka_unit_test_setup(a_tail_outside_the_ring_refuses_room, fresh_ring),
        cmocka_unit_test_setup(a_message_that_ends_beyond_head_stops_the_channel, fresh_ring),
        cmocka_unit_test_setup(an_unknown_kind_or_a_short_body_stops_the_channel, fresh_ring),
        cmocka_unit_test_setup(an_old_message_of_an_earlier_lap_is_not_taken_for_a_new_one,
                               fresh_ring),
        cmocka_unit_test_setup(the_producer_rings_once_for_a_sleep, fresh_ring),
        cmocka_unit_test_setup(a_message_that_comes_before_the_flag_keeps_the_consumer_awake,
                               fresh_ring),
        cmocka_unit_test_setup(a_new_producer_rings_for_a_sleep_that_the_old_one_may_not_have_ended,
                               fresh_ring),
        cmocka_unit_test_setup(two_threads_agree_and_no_wake_up_is_lost, fresh_ring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
