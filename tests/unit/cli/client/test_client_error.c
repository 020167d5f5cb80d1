#include "tests/unit/cli/client/client_fake.h"

static struct client c;

static const char *
results(bool json, int *code)
{
    json_t *rows = json_array();
    client_result(rows, "a", -1, RD_KAFKA_RESP_ERR_NO_ERROR, NULL);
    client_result(rows, "b", 3, RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS, "It is there.");
    memset(fake_out, 0, sizeof fake_out);
    c.json = json;
    c.out = fmemopen(fake_out, sizeof fake_out, "w");
    *code = client_results(&c, "topic", "made", rows);
    fclose(c.out);
    return fake_out;
}

static void
what_was_done_is_told_and_what_failed_fails(void **state)
{
    int code;
    assert_string_equal(results(false, &code), "topic a: made\n");
    assert_int_equal(code, COMMAND_EXIT_FAILED);
}

static void
json_has_both_with_the_name_of_the_error(void **state)
{
    int code;
    json_t *rows = json_loads(results(true, &code), 0, NULL);
    assert_true(json_is_null(json_object_get(json_array_get(rows, 0), "error")));
    const json_t *b = json_array_get(rows, 1);
    assert_string_equal(json_string_value(json_object_get(b, "error")), "TOPIC_ALREADY_EXISTS");
    assert_string_equal(json_string_value(json_object_get(b, "message")), "It is there");
    assert_int_equal(json_integer_value(json_object_get(b, "partition")), 3);
    json_decref(rows);
}

static void
errors_that_users_meet_have_advice(void **state)
{
    assert_non_null(
        strstr(client_advice(RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART), "sluice topic list"));
    assert_string_equal(client_advice(RD_KAFKA_RESP_ERR_UNKNOWN), "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_done_is_told_and_what_failed_fails),
        cmocka_unit_test(json_has_both_with_the_name_of_the_error),
        cmocka_unit_test(errors_that_users_meet_have_advice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
