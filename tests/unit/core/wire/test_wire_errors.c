#include "core/wire/wire_gen.h"
#include "tests/unit/unit.h"

struct told {
    int16_t key;
    int16_t errors[8];
    uint32_t count;
};

static void
tell(void *user, int16_t key, int16_t error)
{
    struct told *t = user;
    t->key = key;
    assert_true(t->count < 8);
    t->errors[t->count++] = error;
}

static void
errors_are_found_in_arrays_of_arrays_and_no_error_is_none(void **state)
{
    (void)state;
    struct wire_offset_commit_response_partition parts[3] = {
        {.partition_index = 0, .error_code = 3},
        {.partition_index = 1},
        {.partition_index = 25, .error_code = -1}};
    struct wire_offset_commit_response_topic topics[2] = {{.partitions = {parts, 2}},
                                                          {.partitions = {parts + 2, 1}}};
    const struct wire_offset_commit_response r = {.topics = {topics, 2}};
    struct told t = {.count = 0};
    wire_errors(wire_api_find(WIRE_API_OFFSET_COMMIT), 8, &r, tell, &t);
    assert_int_equal(t.count, 2);
    assert_int_equal(t.errors[0], 3);
    assert_int_equal(t.errors[1], -1);
    assert_int_equal(t.key, WIRE_API_OFFSET_COMMIT);
}

static void
what_a_version_does_not_carry_is_not_told(void **state)
{
    (void)state;
    const struct wire_metadata_response r = {.error_code = 31};
    struct told t = {.count = 0};
    wire_errors(wire_api_find(WIRE_API_METADATA), 12, &r, tell, &t);
    assert_int_equal(t.count, 0);
    wire_errors(wire_api_find(WIRE_API_METADATA), 13, &r, tell, &t);
    assert_int_equal(t.count, 1);
}

static void
a_null_array_has_no_errors(void **state)
{
    (void)state;
    struct wire_metadata_response r;
    wire_init(&wire_metadata_response_message, &r);
    r.topics.count = -1;
    struct told t = {.count = 0};
    wire_errors(wire_api_find(WIRE_API_METADATA), 13, &r, tell, &t);
    assert_int_equal(t.count, 0);
}

static void
errors_of_other_names_are_told_too(void **state)
{
    (void)state;
    struct wire_add_partitions_to_txn_response_add_partitions_to_txn_partition_result part = {
        .partition_error_code = 55};
    struct wire_add_partitions_to_txn_response_add_partitions_to_txn_topic_result topic = {
        .results_by_partition = {&part, 1}};
    const struct wire_add_partitions_to_txn_response r = {
        .results_by_topic_v3_and_below = {&topic, 1}};
    struct told t = {.count = 0};
    wire_errors(wire_api_find(WIRE_API_ADD_PARTITIONS_TO_TXN), 3, &r, tell, &t);
    assert_int_equal(t.count, 1);
    assert_int_equal(t.errors[0], 55);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_found_in_arrays_of_arrays_and_no_error_is_none),
        cmocka_unit_test(what_a_version_does_not_carry_is_not_told),
        cmocka_unit_test(a_null_array_has_no_errors),
        cmocka_unit_test(errors_of_other_names_are_told_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
