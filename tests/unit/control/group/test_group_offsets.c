#include "tests/unit/control/group/group_fixture.h"

static void
an_offset_is_replaced_found_and_removed(void **state)
{
    struct group_offsets o = {0};
    struct view t = view_of_text("t");
    for (int32_t p = 99; p >= 0; p--)
        group_offsets_put(&o, t, &(struct group_offset){.partition = p, .offset = p});
    char metadata[] = "old";
    group_offsets_put(
        &o, t,
        &(struct group_offset){.partition = 50, .offset = 7, .metadata = view_of_text(metadata)});
    metadata[0] = 'x'; /* a copy was kept */
    assert_int_equal(o.count, 100);
    assert_int_equal(group_offsets_get(&o, t, 50)->offset, 7);
    assert_true(view_equal(group_offsets_get(&o, t, 50)->metadata, view_of_text("old")));
    assert_int_equal(group_offsets_get(&o, t, 99)->offset, 99);
    assert_null(group_offsets_get(&o, t, 100));
    assert_null(group_offsets_get(&o, view_of_text("u"), 0));
    for (int32_t p = 0; p < 100; p += 2)
        group_offsets_remove(&o, t, p);
    group_offsets_remove(&o, t, 2); /* again: nothing */
    assert_int_equal(o.count, 50);
    assert_null(group_offsets_get(&o, t, 50));
    assert_int_equal(group_offsets_get(&o, t, 51)->offset, 51);
    group_offsets_free(&o);
}

static void
a_topic_goes_with_its_last_offset(void **state)
{
    struct group_offsets o = {0};
    group_offsets_put(&o, view_of_text("t"), &(struct group_offset){.partition = 3});
    assert_int_equal(o.topics.count, 1);
    group_offsets_remove(&o, view_of_text("t"), 3);
    assert_int_equal(o.topics.count, 0);
    assert_int_equal(o.count, 0);
    group_offsets_free(&o);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_offset_is_replaced_found_and_removed),
        cmocka_unit_test(a_topic_goes_with_its_last_offset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
