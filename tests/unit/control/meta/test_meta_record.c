#include "tests/unit/control/meta/meta_fixture.h"

static void
a_record_is_kind_version_length_and_body(void **state)
{
    uint8_t at[64];
    struct put out = put_of(at, sizeof at);
    meta_put_producer_ids(&out, 0x0102);
    const uint8_t wanted[] = {META_PRODUCER_IDS, 1, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 1, 2};
    assert_int_equal(put_len(&out), sizeof wanted);
    assert_memory_equal(at, wanted, sizeof wanted);
}

static void
a_configuration_travels_by_the_name_of_its_key(void **state)
{
    uint8_t at[64];
    struct put out = put_of(at, sizeof at);
    meta_put_config(&out, 2, META_CONFIG_FLUSH_MS, "7");
    const uint8_t wanted[] = {META_CONFIG, 1,   0,   0,   0,   17,  0,   0, 0, 2, 8,  'f',
                              'l',         'u', 's', 'h', '.', 'm', 's', 1, 0, 1, '7'};
    assert_int_equal(put_len(&out), sizeof wanted);
    assert_memory_equal(at, wanted, sizeof wanted);
}

static void
no_room_makes_the_writer_bad(void **state)
{
    uint8_t at[8];
    struct put out = put_of(at, sizeof at);
    meta_put_deleting(&out, 1);
    assert_true(out.bad);
}

static void
every_kind_is_read_back_by_apply(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    meta_put_cluster(&f->out, "cluster-of-mine", 4);
    meta_put_topic(&f->out, 1, (const uint8_t[META_ID_BYTES]){1, 2, 3}, true, view_of_text("t"));
    meta_put_partitions(&f->out, 1, 0, 4, (uint32_t[]){9, 2}, 2);
    meta_put_config(&f->out, 1, META_CONFIG_SEGMENT_BYTES, "1048576");
    meta_put_producer_ids(&f->out, 5);
    assert_int_equal(fixture_apply(f), ERR_OK);
    const struct meta_topic *t = fixture_find(f, "t");
    assert_string_equal(f->m.cluster_id, "cluster-of-mine");
    assert_int_equal(f->m.node_id, 4);
    assert_int_equal(f->m.producer_id_next, 5);
    assert_true(t->internal);
    assert_int_equal(t->partitions[0].slot, 9);
    assert_int_equal(t->partitions[1].leader, 4);
    assert_string_equal(t->overrides[META_CONFIG_SEGMENT_BYTES], "1048576");
    meta_put_config(&f->out, 1, META_CONFIG_SEGMENT_BYTES, NULL);
    assert_int_equal(fixture_apply(f), ERR_OK);
    assert_null(t->overrides[META_CONFIG_SEGMENT_BYTES]);
    fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_kind_version_length_and_body),
        cmocka_unit_test(a_configuration_travels_by_the_name_of_its_key),
        cmocka_unit_test(no_room_makes_the_writer_bad),
        cmocka_unit_test(every_kind_is_read_back_by_apply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
