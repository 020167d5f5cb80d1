#include "tests/unit/control/meta/meta_fixture.h"

static void
a_topic_is_found_by_name_and_by_id(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    assert_int_equal(fixture_create(f, "orders", 2), KERR_NONE);
    const struct meta_topic *t = fixture_find(f, "orders");
    assert_non_null(t);
    assert_ptr_equal(meta_topic_by_id(&f->m, t->id), t);
    assert_null(fixture_find(f, "order"));
    fixture_free(f);
}

static void
names_that_differ_only_in_dot_and_underscore_collide(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    assert_int_equal(fixture_create(f, "a.b", 1), KERR_NONE);
    assert_non_null(meta_topic_colliding(&f->m, view_of_text("a_b")));
    assert_null(meta_topic_colliding(&f->m, view_of_text("a.b")));
    assert_null(fixture_find(f, "a_b"));
    fixture_free(f);
}

static void
live_topics_are_walked_in_order_of_row(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    fixture_create(f, "a", 1);
    fixture_create(f, "b", 1);
    fixture_create(f, "c", 1);
    meta_put_deleting(&f->out, 1);
    assert_int_equal(fixture_apply(f), ERR_OK);
    assert_int_equal(meta_topic_next(&f->m, META_NONE), 0);
    assert_int_equal(meta_topic_next(&f->m, 0), 2);
    assert_int_equal(meta_topic_next(&f->m, 2), META_NONE);
    fixture_free(f);
}

static void
bit_sets_are_walked_over_word_borders(void **state)
{
    uint64_t set[3] = {0};
    meta_dirty_set(set, 3);
    meta_dirty_set(set, 64);
    meta_dirty_set(set, 130);
    assert_int_equal(meta_dirty_next(set, 0, 131), 3);
    assert_int_equal(meta_dirty_next(set, 4, 131), 64);
    assert_int_equal(meta_dirty_next(set, 65, 131), 130);
    assert_int_equal(meta_dirty_next(set, 65, 130), META_NONE);
    assert_true(meta_dirty_has(set, 64));
    meta_dirty_clear(set, 64);
    assert_false(meta_dirty_has(set, 64));
    assert_int_equal(meta_dirty_next(set, 4, 131), 130);
}

static void
images_with_other_facts_are_not_equal(void **state)
{
    struct fixture *f = fixture_new(4, 16), *g = fixture_new(4, 16);
    fixture_create(f, "a", 1);
    fixture_create(g, "a", 1);
    assert_true(meta_image_equal(&f->m, &g->m));
    meta_put_config(&f->out, 0, META_CONFIG_RETENTION_MS, "5");
    meta_put_config(&g->out, 0, META_CONFIG_RETENTION_MS, "6");
    assert_int_equal(fixture_apply(f), ERR_OK);
    assert_int_equal(fixture_apply(g), ERR_OK);
    assert_false(meta_image_equal(&f->m, &g->m));
    fixture_free(f);
    fixture_free(g);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_topic_is_found_by_name_and_by_id),
        cmocka_unit_test(names_that_differ_only_in_dot_and_underscore_collide),
        cmocka_unit_test(live_topics_are_walked_in_order_of_row),
        cmocka_unit_test(bit_sets_are_walked_over_word_borders),
        cmocka_unit_test(images_with_other_facts_are_not_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
