#include "core/net/rxbuf.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PAGE = RXBUF_BLOCK_MIN };

struct arena {
    struct rxbuf *rxbuf;
    uint8_t *memory;
    void *book;
};

static struct arena
arena_of(uint32_t pages, uint32_t block_pages_max)
{
    struct rxbuf_config config = {.bytes = (size_t)pages * PAGE,
                                  .block_bytes_max = block_pages_max * PAGE};
    struct arena a = {.memory = malloc(config.bytes)};
    config.memory = a.memory;
    a.book = malloc(rxbuf_footprint(&config));
    a.rxbuf = rxbuf_init(a.book, &config);
    return a;
}

static void
arena_free(struct arena *a)
{
    free(a->memory);
    free(a->book);
}

static void
a_size_rounds_up_to_a_power_of_two_of_pages(void **state)
{
    assert_int_equal(rxbuf_class(0), PAGE);
    assert_int_equal(rxbuf_class(1), PAGE);
    assert_int_equal(rxbuf_class(PAGE), PAGE);
    assert_int_equal(rxbuf_class(PAGE + 1), 2 * PAGE);
    assert_int_equal(rxbuf_class(2 * PAGE), 2 * PAGE);
    assert_int_equal(rxbuf_class(2 * PAGE + 1), 4 * PAGE);
    assert_int_equal(rxbuf_class(100 << 20), 128 << 20);
    assert_int_equal(rxbuf_class(RXBUF_BLOCK_MAX), RXBUF_BLOCK_MAX);
}

static void
the_whole_arena_can_be_taken_in_smallest_blocks_and_no_more(void **state)
{
    struct arena a = arena_of(13, 4); /* no power of two: 4 + 4 + 4 + 1 pages */
    uint8_t *blocks[13];
    for (int i = 0; i < 13; i++) {
        blocks[i] = rxbuf_take(a.rxbuf, 1);
        assert_non_null(blocks[i]);
        memset(blocks[i], i, PAGE);
    }
    assert_null(rxbuf_take(a.rxbuf, 1));
    assert_int_equal(rxbuf_bytes_used(a.rxbuf), 13 * PAGE);
    for (int i = 0; i < 13; i++) {
        assert_int_equal(blocks[i][0], i);
        assert_int_equal(blocks[i][PAGE - 1], i);
        rxbuf_give(a.rxbuf, blocks[i]);
    }
    assert_int_equal(rxbuf_bytes_used(a.rxbuf), 0);
    arena_free(&a);
}

static void
blocks_given_back_join_to_the_largest_again(void **state)
{
    struct arena a = arena_of(16, 8);
    uint8_t *small[16];
    for (int i = 0; i < 16; i++)
        small[i] = rxbuf_take(a.rxbuf, PAGE);
    for (int i = 0; i < 16; i++) /* an order that is neither up nor down */
        rxbuf_give(a.rxbuf, small[i * 7 % 16]);
    uint8_t *first = rxbuf_take(a.rxbuf, 8 * PAGE);
    uint8_t *second = rxbuf_take(a.rxbuf, 8 * PAGE);
    assert_non_null(first);
    assert_non_null(second);
    assert_null(rxbuf_take(a.rxbuf, 1));
    arena_free(&a);
}

static void
a_block_widens_into_its_free_neighbour_on_either_side(void **state)
{
    struct arena a = arena_of(8, 8);
    uint8_t *low = rxbuf_take(a.rxbuf, PAGE);
    uint8_t *high = rxbuf_take(a.rxbuf, PAGE);
    assert_ptr_equal(high, low + PAGE);
    assert_null(rxbuf_widen(a.rxbuf, low));
    rxbuf_give(a.rxbuf, low);
    assert_ptr_equal(rxbuf_widen(a.rxbuf, high), low);
    assert_int_equal(rxbuf_bytes_used(a.rxbuf), 2 * PAGE);
    assert_ptr_equal(rxbuf_widen(a.rxbuf, low), low);
    assert_ptr_equal(rxbuf_widen(a.rxbuf, low), low);
    assert_null(rxbuf_widen(a.rxbuf, low)); /* the largest block */
    assert_null(rxbuf_take(a.rxbuf, 1));
    rxbuf_give(a.rxbuf, low);
    assert_int_equal(rxbuf_bytes_used(a.rxbuf), 0);
    assert_non_null(rxbuf_take(a.rxbuf, 8 * PAGE));
    arena_free(&a);
}

static void
a_block_over_the_largest_class_is_refused(void **state)
{
    struct arena a = arena_of(16, 4);
    assert_null(rxbuf_take(a.rxbuf, 4 * PAGE + 1));
    assert_non_null(rxbuf_take(a.rxbuf, 4 * PAGE));
    arena_free(&a);
}

static void
random_takes_and_gives_never_overlap(void **state)
{
    uint32_t seed = 20261122;
    printf("seed %u\n", seed);
    enum { PAGES = 256, SLOTS = 64 };
    struct arena a = arena_of(PAGES, 64);
    uint8_t owner[PAGES] = {0};
    struct {
        uint8_t *at;
        uint32_t bytes;
    } slots[SLOTS] = {0};
    uint64_t used = 0;
    for (int step = 0; step < 20000; step++) {
        seed = seed * 1664525u + 1013904223u;
        uint32_t s = (seed >> 8) % SLOTS;
        if (slots[s].at) {
            uint32_t first = (uint32_t)(slots[s].at - a.memory) / PAGE;
            uint32_t count = rxbuf_class(slots[s].bytes) / PAGE;
            memset(owner + first, 0, count);
            rxbuf_give(a.rxbuf, slots[s].at);
            used -= (uint64_t)count * PAGE;
            slots[s].at = NULL;
        } else {
            slots[s].bytes = (seed >> 14) % (1u << (seed >> 28)) * 8 % (64 * PAGE) + 1;
            slots[s].at = rxbuf_take(a.rxbuf, slots[s].bytes);
            if (slots[s].at) {
                uint32_t first = (uint32_t)(slots[s].at - a.memory) / PAGE;
                uint32_t count = rxbuf_class(slots[s].bytes) / PAGE;
                assert_int_equal(first % count, 0);
                for (uint32_t i = first; i < first + count; i++) {
                    assert_int_equal(owner[i], 0);
                    owner[i] = 1;
                }
                used += (uint64_t)count * PAGE;
            }
        }
        assert_int_equal(rxbuf_bytes_used(a.rxbuf), used);
    }
    arena_free(&a);
}

static uint32_t
plan(const struct arena *a, uint32_t block, uint32_t held, uint32_t want, bool filled)
{
    struct rxbuf_need need = {block, held, want, filled};
    return rxbuf_plan(a->rxbuf, &need);
}

static void
with_memory_to_spare_a_large_request_gets_its_size_at_once(void **state)
{
    struct arena a = arena_of(64, 32);
    assert_int_equal(plan(&a, 0, 0, 0, false), PAGE);
    assert_int_equal(plan(&a, PAGE, 100, 20 * PAGE, false), 32 * PAGE);
    /* and keeps it when it is consumed */
    assert_int_equal(plan(&a, 32 * PAGE, 0, 4, false), 32 * PAGE);
    arena_free(&a);
}

static void
a_busy_connection_reads_further_ahead(void **state)
{
    struct arena a = arena_of(64, 32);
    assert_int_equal(plan(&a, PAGE, 0, 4, true), 4 * PAGE);
    assert_int_equal(plan(&a, 4 * PAGE, 50, 100, true), RXBUF_AHEAD);
    assert_int_equal(plan(&a, RXBUF_AHEAD, 50, 100, true), RXBUF_AHEAD);
    assert_int_equal(plan(&a, PAGE, 0, 4, false), PAGE);
    arena_free(&a);
}

static void
when_half_is_used_growth_follows_the_bytes_received(void **state)
{
    struct arena a = arena_of(64, 32);
    assert_non_null(rxbuf_take(a.rxbuf, 32 * PAGE));
    assert_int_equal(plan(&a, 0, 0, 20 * PAGE, false), PAGE);
    assert_int_equal(plan(&a, PAGE, 100, 20 * PAGE, false), PAGE);
    assert_int_equal(plan(&a, PAGE, PAGE, 20 * PAGE, true), 2 * PAGE);
    assert_int_equal(plan(&a, 16 * PAGE, 16 * PAGE, 20 * PAGE, true), 32 * PAGE);
    assert_int_equal(plan(&a, PAGE, PAGE, 4, true), PAGE);
    arena_free(&a);
}

static void
when_half_is_used_an_empty_block_shrinks(void **state)
{
    struct arena a = arena_of(64, 32);
    assert_non_null(rxbuf_take(a.rxbuf, 32 * PAGE));
    assert_int_equal(plan(&a, 16 * PAGE, 0, 4, false), PAGE);
    assert_int_equal(plan(&a, 16 * PAGE, 1, 4, false), 16 * PAGE);
    arena_free(&a);
}

static void
a_block_is_free_when_everybody_who_has_it_gave_it_back(void **state)
{
    (void)state;
    struct arena a = arena_of(8, 4);
    uint8_t *block = rxbuf_take(a.rxbuf, PAGE);
    assert_false(rxbuf_kept(a.rxbuf, block));
    assert_true(rxbuf_keep(a.rxbuf, block));
    assert_true(rxbuf_keep(a.rxbuf, block));
    for (int i = 0; i < 2; i++) {
        assert_true(rxbuf_kept(a.rxbuf, block));
        rxbuf_give(a.rxbuf, block);
        assert_int_equal(rxbuf_bytes_used(a.rxbuf), PAGE);
    }
    assert_false(rxbuf_kept(a.rxbuf, block));
    rxbuf_give(a.rxbuf, block);
    assert_int_equal(rxbuf_bytes_used(a.rxbuf), 0);
    arena_free(&a);
}

static void
a_block_that_is_kept_does_not_widen(void **state)
{
    (void)state;
    struct arena a = arena_of(8, 8);
    uint8_t *block = rxbuf_take(a.rxbuf, PAGE);
    assert_true(rxbuf_keep(a.rxbuf, block));
    assert_null(rxbuf_widen(a.rxbuf, block));
    rxbuf_give(a.rxbuf, block);
    assert_non_null(rxbuf_widen(a.rxbuf, block));
    arena_free(&a);
}

static void
no_block_is_kept_while_half_of_the_arena_is_used(void **state)
{
    (void)state;
    struct arena a = arena_of(8, 8);
    uint8_t *blocks[4];
    for (int i = 0; i < 4; i++)
        blocks[i] = rxbuf_take(a.rxbuf, PAGE);
    assert_false(rxbuf_keep(a.rxbuf, blocks[0]));
    rxbuf_give(a.rxbuf, blocks[3]);
    assert_true(rxbuf_keep(a.rxbuf, blocks[0]));
    arena_free(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_size_rounds_up_to_a_power_of_two_of_pages),
        cmocka_unit_test(the_whole_arena_can_be_taken_in_smallest_blocks_and_no_more),
        cmocka_unit_test(blocks_given_back_join_to_the_largest_again),
        cmocka_unit_test(a_block_widens_into_its_free_neighbour_on_either_side),
        cmocka_unit_test(a_block_over_the_largest_class_is_refused),
        cmocka_unit_test(random_takes_and_gives_never_overlap),
        cmocka_unit_test(with_memory_to_spare_a_large_request_gets_its_size_at_once),
        cmocka_unit_test(a_busy_connection_reads_further_ahead),
        cmocka_unit_test(when_half_is_used_growth_follows_the_bytes_received),
        cmocka_unit_test(when_half_is_used_an_empty_block_shrinks),
        cmocka_unit_test(a_block_is_free_when_everybody_who_has_it_gave_it_back),
        cmocka_unit_test(a_block_that_is_kept_does_not_widen),
        cmocka_unit_test(no_block_is_kept_while_half_of_the_arena_is_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
