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

static void
check_bytes(struct view is, const void *wanted, uint32_t len)
{
    assert_int_equal(is.len, len);
    assert_memory_equal(is.at, wanted, len);
}

/* Bytes as Kafka 4.3's schemas have them; kafka-dump-log reads them. */
static void
records_are_in_kafkas_schema(void **state)
{
    struct fixture *f = fx_new();
    f->partitions[1] = 2;
    cf_join(f, "m1");
    static const char member_key[] = "\0\5\0\1g\0\2m1";
    static const char member[] = "\0\0" /* version */
                                 "\0\0" /* neither instance nor rack */
                                 "\2c"
                                 "\x0b/127.0.0.1"
                                 "\2\3t1" /* one topic */
                                 "\1"     /* an empty expression */
                                 "\0\0\xea\x60"
                                 "\0"        /* no assignor */
                                 "\1\0\1\0"; /* a tag: no classic member */
    static const char target[] = "\0\0"
                                 "\2\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"
                                 "\3\0\0\0\0\0\0\0\1\0\0";
    static const char current[] = "\0\0"
                                  "\0\0\0\2\0\0\0\0\0"
                                  "\2\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"
                                  "\3\0\0\0\0\0\0\0\1"
                                  "\1\0\x09\3\0\0\0\2\0\0\0\2" /* epochs, a tag */
                                  "\1\0";
    check_bytes(f->log[0].key, member_key, sizeof member_key - 1);
    check_bytes(f->log[0].value, member, sizeof member - 1);
    check_bytes(f->log[2].value, target, sizeof target - 1);
    check_bytes(f->log[4].value, current, sizeof current - 1);
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
