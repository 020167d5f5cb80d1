#include "tests/unit/control/meta/meta_fixture.h"

static void
an_entry_out_of_order_is_refused(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    assert_int_equal(meta_apply(&f->m, 1, 2, (struct view){0}), ERR_CORRUPT);
    assert_int_equal(meta_apply(&f->m, 5, 1, (struct view){0}), ERR_OK);
    assert_int_equal(meta_apply(&f->m, 4, 2, (struct view){0}), ERR_CORRUPT);
    assert_int_equal(f->m.index, 1);
    fixture_free(f);
}

static void
a_topic_gone_gives_back_its_row_and_slots(void **state)
{
    struct fixture *f = fixture_new(2, 4);
    fixture_create(f, "a", 2);
    fixture_create(f, "b", 2);
    assert_int_equal(fixture_create(f, "c", 1), KERR_POLICY_VIOLATION);
    meta_put_deleting(&f->out, 0);
    assert_int_equal(fixture_apply(f), ERR_OK);
    assert_null(fixture_find(f, "a"));
    assert_int_equal(f->m.partition_count, 4);
    meta_put_gone(&f->out, 0);
    assert_int_equal(fixture_apply(f), ERR_OK);
    assert_int_equal(f->m.partition_count, 2);
    assert_int_equal(fixture_create(f, "c", 2), KERR_NONE);
    const struct meta_topic *c = fixture_find(f, "c");
    assert_int_equal(c->row, 0);
    assert_int_equal(c->partitions[0].slot, 0);
    assert_int_equal(c->partitions[1].slot, 1);
    fixture_free(f);
}

static void
the_name_of_a_topic_being_deleted_is_free_at_once(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    fixture_create(f, "a", 1);
    meta_put_deleting(&f->out, 0);
    assert_int_equal(fixture_apply(f), ERR_OK);
    assert_int_equal(fixture_create(f, "a", 1), KERR_NONE);
    assert_int_equal(fixture_find(f, "a")->row, 1);
    fixture_free(f);
}

static void
every_change_marks_its_rows_dirty_with_its_index(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    fixture_create(f, "a", 2);
    assert_true(meta_dirty_has(f->m.topic_dirty, 0));
    assert_true(meta_dirty_has(f->m.slot_dirty, 1));
    assert_int_equal(f->m.topic_index[0], 1);
    meta_dirty_clear(f->m.topic_dirty, 0);
    meta_put_config(&f->out, 0, META_CONFIG_SEGMENT_MS, "9");
    assert_int_equal(fixture_apply(f), ERR_OK);
    assert_true(meta_dirty_has(f->m.topic_dirty, 0));
    assert_int_equal(f->m.topic_index[0], 2);
    assert_int_equal(f->m.slot_index[1], 1);
    fixture_free(f);
}

static void
a_record_that_only_a_newer_version_knows_is_unsupported(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    const uint8_t kind[] = {99, 1, 0, 0, 0, 0}, version[] = {META_TOPIC_GONE, 2, 0, 0, 0, 0};
    assert_int_equal(meta_apply(&f->m, 1, 1, view_of(kind, sizeof kind)), ERR_UNSUPPORTED);
    assert_int_equal(meta_apply(&f->m, 1, 1, view_of(version, sizeof version)), ERR_UNSUPPORTED);
    fixture_free(f);
}

static void
records_that_contradict_the_image_are_corrupt(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    fixture_create(f, "a", 1);
    meta_put_gone(&f->out, 0); /* not deleting */
    assert_int_equal(fixture_apply(f), ERR_CORRUPT);
    meta_put_deleting(&f->out, 3); /* no such topic */
    assert_int_equal(fixture_apply(f), ERR_CORRUPT);
    meta_put_partitions(&f->out, 0, 5, 1, (uint32_t[]){3}, 1); /* a gap */
    assert_int_equal(fixture_apply(f), ERR_CORRUPT);
    meta_put_partitions(&f->out, 0, 1, 1, (uint32_t[]){0}, 1); /* slot in use */
    assert_int_equal(fixture_apply(f), ERR_CORRUPT);
    meta_put_topic(&f->out, 1, (const uint8_t[META_ID_BYTES]){9}, false, view_of_text("a"));
    assert_int_equal(fixture_apply(f), ERR_CORRUPT);
    fixture_free(f);
}

static void
a_topic_beyond_the_limits_of_this_image_is_over_the_limit(void **state)
{
    struct fixture *f = fixture_new(2, 2);
    meta_put_topic(&f->out, 2, (const uint8_t[META_ID_BYTES]){9}, false, view_of_text("a"));
    assert_int_equal(fixture_apply(f), ERR_LIMIT);
    meta_put_topic(&f->out, 0, (const uint8_t[META_ID_BYTES]){9}, false, view_of_text("a"));
    meta_put_partitions(&f->out, 0, 0, 1, (uint32_t[]){0, 1, 2}, 3);
    assert_int_equal(fixture_apply(f), ERR_LIMIT);
    fixture_free(f);
}

static void
every_cut_of_an_entry_is_corrupt(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    meta_put_topic(&f->out, 0, (const uint8_t[META_ID_BYTES]){9}, false, view_of_text("name"));
    uint32_t whole = put_len(&f->out);
    for (uint32_t len = 1; len < whole; len++)
        assert_int_equal(meta_apply(&f->m, 1, 1, view_of(f->entry, len)), ERR_CORRUPT);
    assert_int_equal(meta_apply(&f->m, 1, 1, view_of(f->entry, whole)), ERR_OK);
    fixture_free(f);
}

static void
producer_ids_never_go_back(void **state)
{
    struct fixture *f = fixture_new(1, 1);
    meta_put_producer_ids(&f->out, 1000);
    assert_int_equal(fixture_apply(f), ERR_OK);
    meta_put_producer_ids(&f->out, 999);
    assert_int_equal(fixture_apply(f), ERR_CORRUPT);
    assert_int_equal(f->m.producer_id_next, 1000);
    fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_out_of_order_is_refused),
        cmocka_unit_test(a_topic_gone_gives_back_its_row_and_slots),
        cmocka_unit_test(the_name_of_a_topic_being_deleted_is_free_at_once),
        cmocka_unit_test(every_change_marks_its_rows_dirty_with_its_index),
        cmocka_unit_test(a_record_that_only_a_newer_version_knows_is_unsupported),
        cmocka_unit_test(records_that_contradict_the_image_are_corrupt),
        cmocka_unit_test(a_topic_beyond_the_limits_of_this_image_is_over_the_limit),
        cmocka_unit_test(every_cut_of_an_entry_is_corrupt),
        cmocka_unit_test(producer_ids_never_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
