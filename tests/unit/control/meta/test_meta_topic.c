#include "tests/unit/control/meta/meta_fixture.h"

static int16_t
plan(struct fixture *f, struct meta_new_topic *t)
{
    uint32_t count;
    int16_t code = meta_plan_create(&f->m, &f->rules, t, &f->out, &count, &f->e);
    if (code != KERR_NONE)
        assert_int_equal(put_len(&f->out), 0);
    f->out = put_of(f->entry, sizeof f->entry);
    return code;
}

#define expect(f, t, code, wanted)                                                                 \
    do {                                                                                           \
        assert_int_equal(plan(f, t), code);                                                        \
        assert_string_equal((f)->e.text, wanted);                                                  \
    } while (0)

static void
bad_names_are_refused_with_kafkas_words(void **state)
{
    static const struct {
        const char *name, *text;
    } rows[] = {
        {"", "Topic name is invalid: the empty string is not allowed"},
        {".", "Topic name is invalid: '.' is not allowed"},
        {"..", "Topic name is invalid: '..' is not allowed"},
        {"x y", "Topic name is invalid: 'x y' contains one or more characters other than ASCII "
                "alphanumerics, '.', '_' and '-'"},
    };
    struct fixture *f = fixture_new(4, 16);
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct meta_new_topic t = fixture_topic(f, rows[i].name, 1);
        expect(f, &t, KERR_INVALID_TOPIC_EXCEPTION, rows[i].text);
    }
    char name[META_NAME_BYTES_MAX + 2];
    memset(name, 'n', sizeof name);
    struct meta_new_topic t = fixture_topic(f, "n", 1);
    t.name = view_of(name, META_NAME_BYTES_MAX + 1);
    assert_int_equal(plan(f, &t), KERR_INVALID_TOPIC_EXCEPTION);
    assert_non_null(strstr(f->e.text, "is longer than the max allowed length 249"));
    t.name.len--;
    assert_int_equal(plan(f, &t), KERR_NONE);
    fixture_free(f);
}

static void
a_name_in_use_or_colliding_is_refused(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    fixture_create(f, "a.b", 1);
    struct meta_new_topic t = fixture_topic(f, "a.b", 1);
    expect(f, &t, KERR_TOPIC_ALREADY_EXISTS, "Topic 'a.b' already exists.");
    t = fixture_topic(f, "a_b", 1);
    expect(f, &t, KERR_INVALID_TOPIC_EXCEPTION, "Topic 'a_b' collides with existing topic: a.b");
    fixture_free(f);
}

static void
counts_are_checked_as_kafka_does(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    struct meta_new_topic t = fixture_topic(f, "t", 0);
    expect(f, &t, KERR_INVALID_PARTITIONS,
           "Number of partitions was set to an invalid non-positive value.");
    t.partition_count = -2;
    assert_int_equal(plan(f, &t), KERR_INVALID_PARTITIONS);
    t.partition_count = 1;
    t.replication_factor = 0;
    expect(f, &t, KERR_INVALID_REPLICATION_FACTOR,
           "Replication factor must be larger than 0, or -1 to use the default value.");
    t.replication_factor = 3;
    expect(
        f, &t, KERR_INVALID_REPLICATION_FACTOR,
        "Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot be "
        "reached because only 1 broker(s) are registered or some brokers have all their log "
        "directories cordoned.");
    t.replication_factor = 1;
    assert_int_equal(plan(f, &t), KERR_NONE);
    fixture_free(f);
}

static void
minus_one_partitions_means_the_default(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    assert_int_equal(fixture_create(f, "t", -1), KERR_NONE);
    assert_int_equal(fixture_find(f, "t")->partition_count, 3);
    fixture_free(f);
}

static void
limits_of_the_broker_are_a_policy_violation_that_names_them(void **state)
{
    struct fixture *f = fixture_new(1, 4);
    struct meta_new_topic t = fixture_topic(f, "t", 5);
    expect(f, &t, KERR_POLICY_VIOLATION,
           "5 more partition(s) would exceed the 4 this broker can hold (partitions.max).");
    t.partition_count = 20000;
    expect(f, &t, KERR_POLICY_VIOLATION, "Excessively large number of partitions per request.");
    fixture_create(f, "a", 1);
    t = fixture_topic(f, "t", 1);
    expect(f, &t, KERR_POLICY_VIOLATION, "This broker holds at most 1 topics (topics.max).");
    fixture_free(f);
}

static void
assignments_by_hand_name_this_node_once_for_each_partition(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    const int32_t one[] = {1}, other[] = {5}, twice[] = {1, 1};
    struct meta_assignment a[2] = {{0, other, 1}, {1, one, 1}};
    struct meta_new_topic t = fixture_topic(f, "t", -1);
    t.assignments = a;
    t.assignment_count = 1;
    expect(f, &t, KERR_INVALID_REPLICA_ASSIGNMENT,
           "The manual partition assignment includes broker 5, but no such broker is registered.");
    a[0] = (struct meta_assignment){0, twice, 2};
    expect(f, &t, KERR_INVALID_REPLICA_ASSIGNMENT,
           "The manual partition assignment includes the broker 1 more than once.");
    a[0] = (struct meta_assignment){0, NULL, 0};
    expect(f, &t, KERR_INVALID_REPLICA_ASSIGNMENT,
           "The manual partition assignment includes an empty replica list.");
    a[0] = (struct meta_assignment){1, one, 1};
    expect(f, &t, KERR_INVALID_REPLICA_ASSIGNMENT,
           "partitions should be a consecutive 0-based integer sequence");
    t.assignment_count = 2;
    expect(f, &t, KERR_INVALID_REPLICA_ASSIGNMENT,
           "Found multiple manual partition assignments for partition 1");
    a[0].partition = 0;
    assert_int_equal(plan(f, &t), KERR_NONE);
    t.partition_count = 2;
    expect(f, &t, KERR_INVALID_REQUEST,
           "A manual partition assignment was specified, but numPartitions was not set to -1.");
    t.replication_factor = 1;
    expect(
        f, &t, KERR_INVALID_REQUEST,
        "A manual partition assignment was specified, but replication factor was not set to -1.");
    fixture_free(f);
}

static void
bad_settings_refuse_the_topic(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    struct meta_setting s = {.name = view_of_text("foo"), .value = view_of_text("bar")};
    struct meta_new_topic t = fixture_topic(f, "t", 1);
    t.settings = &s;
    t.setting_count = 1;
    expect(f, &t, KERR_INVALID_CONFIG, "Unknown topic config name: foo");
    s = (struct meta_setting){.name = view_of_text("retention.ms")};
    expect(f, &t, KERR_INVALID_CONFIG, "Null value not supported for topic configs: retention.ms");
    s.value = view_of_text("-2");
    expect(f, &t, KERR_INVALID_CONFIG,
           "Invalid value -2 for configuration retention.ms: Value must be at least -1");
    fixture_free(f);
}

static void
a_setting_given_twice_counts_the_last_time(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    struct meta_setting s[2] = {
        {.name = view_of_text("retention.ms"), .value = view_of_text("bad")},
        {.name = view_of_text("retention.ms"), .value = view_of_text(" 12 ")},
    };
    struct meta_new_topic t = fixture_topic(f, "t", 1);
    t.settings = s;
    t.setting_count = 2;
    uint32_t count;
    assert_int_equal(meta_plan_create(&f->m, &f->rules, &t, &f->out, &count, &f->e), KERR_NONE);
    assert_int_equal(fixture_apply(f), ERR_OK);
    assert_string_equal(fixture_find(f, "t")->overrides[META_CONFIG_RETENTION_MS], "12");
    fixture_free(f);
}

static int16_t
grow(struct fixture *f, const char *name, int32_t count, const struct meta_assignment *a,
     uint32_t n)
{
    int16_t code =
        meta_plan_partitions(&f->m, &f->rules, view_of_text(name), count, a, n, &f->out, &f->e);
    if (code == KERR_NONE)
        assert_int_equal(fixture_apply(f), ERR_OK);
    return code;
}

static void
partitions_can_only_grow(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    fixture_create(f, "t", 3);
    assert_int_equal(grow(f, "t", 3, NULL, 0), KERR_INVALID_PARTITIONS);
    assert_string_equal(f->e.text, "Topic already has 3 partition(s).");
    assert_int_equal(grow(f, "t", 2, NULL, 0), KERR_INVALID_PARTITIONS);
    assert_string_equal(f->e.text,
                        "The topic t currently has 3 partition(s); 2 would not be an increase.");
    assert_int_equal(grow(f, "u", 2, NULL, 0), KERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_string_equal(f->e.text, "");
    assert_int_equal(grow(f, "t", 17, NULL, 0), KERR_POLICY_VIOLATION);
    const int32_t one[] = {1};
    struct meta_assignment a = {0, one, 1};
    assert_int_equal(grow(f, "t", 5, &a, 1), KERR_INVALID_REPLICA_ASSIGNMENT);
    assert_string_equal(f->e.text, "Attempted to add 2 additional partition(s), but only 1 "
                                   "assignment(s) were specified.");
    assert_int_equal(grow(f, "t", 4, &a, 1), KERR_NONE);
    const struct meta_topic *t = fixture_find(f, "t");
    assert_int_equal(t->partition_count, 4);
    assert_int_equal(t->partitions[3].slot, 3);
    fixture_free(f);
}

static void
a_partition_keeps_its_slot_and_new_ones_take_the_lowest_free(void **state)
{
    struct fixture *f = fixture_new(4, 16);
    fixture_create(f, "a", 2);
    fixture_create(f, "b", 1);
    meta_put_deleting(&f->out, 0);
    meta_put_gone(&f->out, 0);
    assert_int_equal(fixture_apply(f), ERR_OK);
    assert_int_equal(grow(f, "b", 4, NULL, 0), KERR_NONE);
    const struct meta_topic *b = fixture_find(f, "b");
    const uint32_t wanted[] = {2, 0, 1, 3};
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(b->partitions[i].slot, wanted[i]);
    fixture_free(f);
}

static void
only_kafkas_own_topics_are_internal(void **state)
{
    assert_true(meta_name_internal(view_of_text("__consumer_offsets")));
    assert_false(meta_name_internal(view_of_text("__mine")));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_names_are_refused_with_kafkas_words),
        cmocka_unit_test(a_name_in_use_or_colliding_is_refused),
        cmocka_unit_test(counts_are_checked_as_kafka_does),
        cmocka_unit_test(minus_one_partitions_means_the_default),
        cmocka_unit_test(limits_of_the_broker_are_a_policy_violation_that_names_them),
        cmocka_unit_test(assignments_by_hand_name_this_node_once_for_each_partition),
        cmocka_unit_test(bad_settings_refuse_the_topic),
        cmocka_unit_test(a_setting_given_twice_counts_the_last_time),
        cmocka_unit_test(partitions_can_only_grow),
        cmocka_unit_test(a_partition_keeps_its_slot_and_new_ones_take_the_lowest_free),
        cmocka_unit_test(only_kafkas_own_topics_are_internal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
