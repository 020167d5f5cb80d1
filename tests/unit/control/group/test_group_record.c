#include "tests/unit/control/group/group_fixture.h"

#include <stdio.h>

static void
offset_records_are_kafkas_bytes(void **state)
{
    struct fixture *f = fx_new();
    fx_commit_as(f, "g", &(struct committing){.offset = 5, .metadata = "m", .partition = 2});
    struct view key = f->log[0].key, value = f->log[0].value;
    static const char expected_key[] = "\0\1\0\1g\0\2t1\0\0\0\2";
    assert_int_equal(key.len, sizeof expected_key - 1);
    assert_memory_equal(key.at, expected_key, key.len);
    /* version 4, offset, leader epoch, metadata, commit timestamp 1000000, no tags */
    static const char expected[] = "\0\4\0\0\0\0\0\0\0\5\0\0\0\7\2m\0\0\0\0\0\x0f\x42\x40\0";
    assert_int_equal(value.len, sizeof expected - 1);
    assert_memory_equal(value.at, expected, value.len);
    assert_int_equal(f->log[0].place.producer_id, -1);
    fx_free(f);
}

static void
an_offset_of_a_transaction_is_appended_as_its_producer(void **state)
{
    struct fixture *f = fx_new();
    fx_txn_commit(f, "g", 5, 0, 2);
    assert_int_equal(f->log[0].place.producer_id, 5);
    assert_int_equal(f->log[0].place.producer_epoch, 0);
    fx_free(f);
}

static void
a_new_group_is_recorded_empty_at_its_first_join(void **state)
{
    struct fixture *f = fx_new();
    fx_join(f, "g", NULL);
    assert_int_equal(f->log_count, 1);
    struct view key = f->log[0].key, value = f->log[0].value;
    assert_memory_equal(key.at, "\0\2\0\1g", key.len);
    /* version 3, no protocol type, generation 0, no protocol, no leader, since 1000000, no members
     */
    static const char expected[] = "\0\3\0\0\0\0\0\0\xff\xff\xff\xff\0\0\0\0\0\x0f\x42\x40\0\0\0\0";
    assert_int_equal(value.len, sizeof expected - 1);
    assert_memory_equal(value.at, expected, value.len);
    fx_free(f);
}

static void
a_record_larger_than_the_scratch_memory_is_read(void **state)
{
    struct fixture *f = fx_new();
    enum { MEMBERS = 2000 };
    struct group *g = group_need(f->s, view_of_text("g"));
    f->s->step = &f->step;
    for (int i = 0; i < MEMBERS; i++) {
        char name[16];
        snprintf(name, sizeof name, "m%d", i);
        struct group_member *m = group_member_new(g, view_of_text(name), (struct view){0});
        m->client_id = group_copy(view_of_text("c"));
        m->client_host = group_copy(view_of_text("/h"));
    }
    group_record_group(g);
    f->s->step = NULL;
    fx_reload(f);
    assert_int_equal(fx_group(f, "g")->by_id.count, MEMBERS);
    fx_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offset_records_are_kafkas_bytes),
        cmocka_unit_test(an_offset_of_a_transaction_is_appended_as_its_producer),
        cmocka_unit_test(a_new_group_is_recorded_empty_at_its_first_join),
        cmocka_unit_test(a_record_larger_than_the_scratch_memory_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
