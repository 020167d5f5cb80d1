#include "tests/unit/control/group/consumer_fixture.h"

/* The kinds of the records since `first`, in order; a tombstone's with a minus. */
static const char *
kinds(const struct fixture *f, uint32_t first)
{
    static char out[CF_TEXT];
    out[0] = '\0';
    for (uint32_t i = first; i < f->log_count; i++) {
        size_t len = strlen(out);
        snprintf(out + len, sizeof out - len, "%s%s%d", len ? " " : "",
                 f->log[i].value.at ? "" : "-", get_u16(f->log[i].key.at));
    }
    return out;
}

static void
a_join_writes_member_epoch_targets_and_assignment(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    assert_string_equal(kinds(f, 0), "5 3 7 6 8");
    fx_free(f);
}

static void
a_heartbeat_that_changes_nothing_writes_nothing(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    uint32_t before = f->log_count;
    cf_stay(f, "m1", 2, "1:0 1:1 1:2 1:3");
    assert_int_equal(f->log_count, before);
    fx_free(f);
}

static void
who_leaves_leaves_tombstones_and_a_new_epoch(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    uint32_t before = f->log_count;
    cf_stay(f, "m1", -1, NULL);
    assert_string_equal(kinds(f, before), "-8 -7 -5 3");
    fx_free(f);
}

static void
a_deleted_group_leaves_tombstones_of_every_kind(void **state)
{
    struct fixture *f = fx_new();
    cf_beat(f, "g", &(struct beating){.member = "m1", .topics = "t1"});
    cf_stay(f, "m1", -1, NULL);
    uint32_t before = f->log_count;
    assert_int_equal(fx_delete(f, "g"), 0);
    assert_string_equal(kinds(f, before), "-6 -3");
    assert_null(fx_group(f, "g"));
    fx_free(f);
}

/* Bytes that Kafka 4.3 writes: key and value of a current assignment. */
static void
records_are_in_kafkas_schema(void **state)
{
    struct fixture *f = fx_new();
    cf_join(f, "m1");
    static const uint8_t key[] = {0, 8, 0, 1, 'g', 0, 2, 'm', '1'};
    const struct logged *l = &f->log[4];
    assert_int_equal(l->key.len, sizeof key);
    assert_memory_equal(l->key.at, key, sizeof key);
    static const uint8_t head[] = {0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 2};
    assert_memory_equal(l->value.at, head, sizeof head); /* version, epoch 2 after 0, one topic */
    fx_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_join_writes_member_epoch_targets_and_assignment),
        cmocka_unit_test(a_heartbeat_that_changes_nothing_writes_nothing),
        cmocka_unit_test(who_leaves_leaves_tombstones_and_a_new_epoch),
        cmocka_unit_test(a_deleted_group_leaves_tombstones_of_every_kind),
        cmocka_unit_test(records_are_in_kafkas_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
