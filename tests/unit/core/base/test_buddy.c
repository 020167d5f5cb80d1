#include "core/base/buddy.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

enum { ARENA = 1 << 20, BLOCK = 1 << 16, HELD = 256 };

static struct buddy *
fixture(void **arena)
{
    *arena = aligned_alloc(4096, ARENA);
    return buddy_init(malloc(buddy_footprint(ARENA)), *arena, ARENA, BLOCK);
}

static void
blocks_never_overlap_and_everything_comes_back(void **state)
{
    void *arena;
    struct buddy *b = fixture(&arena);
    uint8_t *held[HELD] = {0};
    size_t rooms[HELD];
    uint64_t seed = 20261122;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int step = 0; step < 20000; step++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint32_t i = (uint32_t)(seed >> 33) % HELD;
        if (held[i]) {
            for (size_t k = 0; k < rooms[i]; k += 255)
                assert_int_equal(held[i][k], (uint8_t)i);
            buddy_give(b, held[i]);
            held[i] = NULL;
        } else {
            size_t bytes = 1 + (size_t)(seed >> 20) % 20000;
            held[i] = buddy_take(b, bytes, &rooms[i]);
            if (held[i]) {
                assert_true(rooms[i] >= bytes);
                memset(held[i], (int)i, rooms[i]);
            }
        }
    }
    for (int i = 0; i < HELD; i++)
        if (held[i])
            buddy_give(b, held[i]);
    assert_int_equal(buddy_used(b), 0);
    size_t room;
    for (size_t i = 0; i < ARENA / BLOCK; i++) /* all merged again */
        assert_non_null(buddy_take(b, BLOCK, &room));
    assert_null(buddy_take(b, 1, &room));
    free(arena);
    free(b);
}

static void
a_block_over_the_largest_class_is_refused(void **state)
{
    void *arena;
    struct buddy *b = fixture(&arena);
    size_t room;
    assert_null(buddy_take(b, BLOCK + 1, &room));
    assert_int_equal(buddy_used(b), 0);
    free(arena);
    free(b);
}

static void
a_block_widens_into_its_free_neighbour_only(void **state)
{
    void *arena;
    struct buddy *b = fixture(&arena);
    size_t room;
    uint8_t *low = buddy_take(b, 4096, &room), *high = buddy_take(b, 4096, &room);
    assert_ptr_equal(high, low + 4096);
    assert_null(buddy_widen(b, low));
    buddy_give(b, low);
    assert_ptr_equal(buddy_widen(b, high), low);
    assert_int_equal(buddy_used(b), 8192);
    buddy_give(b, low);
    assert_int_equal(buddy_used(b), 0);
    free(arena);
    free(b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_never_overlap_and_everything_comes_back),
        cmocka_unit_test(a_block_over_the_largest_class_is_refused),
        cmocka_unit_test(a_block_widens_into_its_free_neighbour_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
