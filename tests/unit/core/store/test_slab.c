#include "core/store/slab.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

enum { ARENA = 8192, BLOCK = 4096 };

struct arena {
    void *books, *at;
    struct buddy *buddy;
};

static struct arena
arena_new(void)
{
    struct arena a = {calloc(1, buddy_footprint(ARENA)), aligned_alloc(4096, ARENA), NULL};
    assert_true(a.books && a.at);
    memset(a.at, 0xaa, ARENA);
    a.buddy = buddy_init(a.books, a.at, ARENA, BLOCK);
    return a;
}

static void
arena_free(struct arena *a)
{
    assert_int_equal(buddy_used(a->buddy), 0);
    free(a->books);
    free(a->at);
}

static void
blocks_are_zeroed_and_come_from_the_arena_alone(void **state)
{
    (void)state;
    struct arena a = arena_new();
    uint8_t *first = slab_take(a.buddy, BLOCK), *second = slab_take(a.buddy, 100);
    assert_true(first && second && buddy_has(a.buddy, first) && buddy_has(a.buddy, second));
    for (int i = 0; i < BLOCK; i++)
        assert_int_equal(first[i], 0);
    assert_null(slab_take(a.buddy, BLOCK)); /* and not from the heap */
    slab_give(a.buddy, first);
    slab_give(a.buddy, second);
    slab_give(a.buddy, NULL);
    arena_free(&a);
}

static void
without_an_arena_the_heap_serves_and_its_blocks_find_back_when_there_is_one(void **state)
{
    (void)state;
    struct arena a = arena_new();
    uint8_t *at = slab_take(NULL, 300);
    assert_non_null(at);
    at[299] = 7;
    at = slab_grow(a.buddy, at, 300, 1000); /* into the arena; the leak checker sees the rest */
    assert_true(at && buddy_has(a.buddy, at));
    assert_int_equal(at[299], 7);
    assert_int_equal(at[300], 0);
    assert_int_equal(at[999], 0);
    slab_give(a.buddy, at);
    slab_give(a.buddy, slab_take(NULL, 10));
    arena_free(&a);
}

static void
a_block_that_cannot_grow_stays(void **state)
{
    (void)state;
    struct arena a = arena_new();
    uint8_t *at = slab_take(a.buddy, BLOCK);
    memset(at, 5, BLOCK);
    assert_null(slab_grow(a.buddy, at, BLOCK, 2 * BLOCK));
    assert_int_equal(at[BLOCK - 1], 5);
    slab_give(a.buddy, at);
    arena_free(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_zeroed_and_come_from_the_arena_alone),
        cmocka_unit_test(
            without_an_arena_the_heap_serves_and_its_blocks_find_back_when_there_is_one),
        cmocka_unit_test(a_block_that_cannot_grow_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
