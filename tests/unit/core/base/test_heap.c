#include "core/base/heap.h"
#include "tests/unit/unit.h"

enum { ROOM = 97 };

static void
the_least_key_is_first_after_any_adds_and_removes(void **state)
{
    struct heap_node *array[ROOM], nodes[ROOM] = {0};
    struct heap h;
    heap_init(&h, array, ROOM);
    uint64_t seed = 20261122;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int step = 0; step < 50000; step++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        struct heap_node *n = &nodes[(seed >> 33) % ROOM];
        if (n->place)
            heap_remove(&h, n);
        else
            assert_true(heap_add(&h, n, (seed >> 20) % 50));
        uint64_t least = UINT64_MAX;
        uint32_t count = 0;
        for (int i = 0; i < ROOM; i++) {
            if (!nodes[i].place)
                continue;
            count++;
            if (nodes[i].key < least)
                least = nodes[i].key;
        }
        assert_int_equal(h.count, count);
        if (count)
            assert_int_equal(heap_first(&h)->key, least);
        else
            assert_null(heap_first(&h));
    }
}

static void
a_full_heap_refuses_and_changes_nothing(void **state)
{
    struct heap_node *array[2], a = {0}, b = {0}, c = {0};
    struct heap h;
    heap_init(&h, array, 2);
    assert_true(heap_add(&h, &a, 2));
    assert_true(heap_add(&h, &b, 1));
    assert_false(heap_add(&h, &c, 0));
    assert_int_equal(c.place, 0);
    assert_ptr_equal(heap_first(&h), &b);
}

static void
removing_a_node_that_is_not_in_is_harmless(void **state)
{
    struct heap_node *array[2], a = {0}, b = {0};
    struct heap h;
    heap_init(&h, array, 2);
    assert_true(heap_add(&h, &a, 2));
    heap_remove(&h, &b);
    heap_remove(&h, &a);
    heap_remove(&h, &a);
    assert_null(heap_first(&h));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_key_is_first_after_any_adds_and_removes),
        cmocka_unit_test(a_full_heap_refuses_and_changes_nothing),
        cmocka_unit_test(removing_a_node_that_is_not_in_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
