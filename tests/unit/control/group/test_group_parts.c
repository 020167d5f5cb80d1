#include "tests/unit/control/group/consumer_fixture.h"

static struct group_parts
parts(const char *text)
{
    static struct group_part items[CF_PARTS];
    struct group_parts p = {0};
    group_parts_set(&p, items, cf_parts(text, items));
    return p;
}

static void
a_set_is_sorted_and_has_each_partition_once(void **state)
{
    struct group_parts p = parts("2:1 1:3 2:1 1:0");
    assert_string_equal(cf_text(&p), "1:0 1:3 2:1");
    assert_int_equal(group_parts_topics(&p), 2);
    assert_int_equal(group_parts_end(&p, 0), 2);
    assert_int_equal(group_parts_end(&p, 2), 3);
    group_parts_free(&p);
    assert_int_equal(p.count, 0);
}

static void
a_partition_is_found_by_topic_and_number(void **state)
{
    struct group_parts p = parts("1:0 1:3 2:1");
    uint8_t one[16], two[16];
    memset(one, 1, 16);
    memset(two, 2, 16);
    assert_ptr_equal(group_parts_find(&p, one, 3), &p.items[1]);
    assert_null(group_parts_find(&p, two, 3));
    assert_null(group_parts_find(&p, one, 4));
    group_parts_free(&p);
    assert_null(group_parts_find(&p, one, 3));
}

static void
sets_differ_also_by_epoch(void **state)
{
    struct group_parts a = parts("1:0 1:1"), b = parts("1:1 1:0");
    assert_true(group_parts_same(&a, &b));
    b.items[1].epoch = 5;
    assert_false(group_parts_same(&a, &b));
    group_parts_free(&b);
    assert_false(group_parts_same(&a, &b));
    group_parts_free(&a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_set_is_sorted_and_has_each_partition_once),
        cmocka_unit_test(a_partition_is_found_by_topic_and_number),
        cmocka_unit_test(sets_differ_also_by_epoch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
