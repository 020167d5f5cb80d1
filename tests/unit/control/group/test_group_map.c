#include "control/group/group_map.h"
#include "tests/unit/unit.h"

#include <stdlib.h>

enum { NODES = 1000 };

struct thing {
    struct group_node node;
    uint32_t number;
};

static void
every_node_is_found_until_it_is_removed(void **state)
{
    struct group_map m = {0};
    static struct thing things[NODES];
    for (uint32_t i = 0; i < NODES; i++) {
        things[i].number = i;
        things[i].node.key = view_of(&things[i].number, sizeof things[i].number);
        assert_null(group_map_find(&m, things[i].node.key));
        group_map_add(&m, &things[i].node);
    }
    for (uint32_t i = 0; i < NODES; i += 2)
        group_map_remove(&m, &things[i].node);
    assert_int_equal(m.count, NODES / 2);
    for (uint32_t i = 0; i < NODES; i++)
        assert_ptr_equal(group_map_find(&m, things[i].node.key), i % 2 ? &things[i].node : NULL);
    group_map_free(&m);
}

static void
a_walk_meets_every_node_once_and_survives_removal_of_what_it_left(void **state)
{
    struct group_map m = {0};
    static struct thing things[NODES];
    for (uint32_t i = 0; i < NODES; i++) {
        things[i].number = i;
        things[i].node.key = view_of(&things[i].number, sizeof things[i].number);
        group_map_add(&m, &things[i].node);
    }
    uint64_t sum = 0;
    struct group_node *next, *n = group_map_next(&m, NULL);
    for (; n; n = next) {
        next = group_map_next(&m, n);
        sum += group_item(n, struct thing, node)->number;
        group_map_remove(&m, n);
    }
    assert_int_equal(sum, NODES * (NODES - 1) / 2);
    assert_int_equal(m.count, 0);
    assert_null(group_map_next(&m, NULL));
    group_map_free(&m);
}

static void
a_copy_keeps_null_and_empty_apart(void **state)
{
    struct view null = group_copy((struct view){0}), empty = group_copy(view_of("", 0));
    assert_null(null.at);
    assert_non_null(empty.at);
    struct view text = group_copy(view_of("abc", 3));
    assert_true(view_equal(text, view_of("abc", 3)));
    group_drop(&null);
    group_drop(&empty);
    group_drop(&text);
    assert_null(text.at);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_node_is_found_until_it_is_removed),
        cmocka_unit_test(a_walk_meets_every_node_once_and_survives_removal_of_what_it_left),
        cmocka_unit_test(a_copy_keeps_null_and_empty_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
