#include "tests/unit/cli/client/client_fake.h"

/* The mock broker has no controller, so that administration waits for one. */
static void
an_answer_that_does_not_come_ends_with_the_timeout(void **state)
{
    assert_int_equal(MOCK("topic", "create", "orders", "--timeout", "1"), COMMAND_EXIT_FAILED);
    assert_non_null(strstr(fake_error, "topic create: "));
    assert_non_null(strstr(fake_error, "--timeout"));
    assert_int_equal(MOCK("cluster", "config", "get"), COMMAND_EXIT_FAILED);
    assert_non_null(strstr(fake_error, "settings: "));
    assert_string_equal(fake_out, "");
}

static void
results_of_topics_become_rows(void **state)
{
    json_t *rows = json_array();
    client_manage_topics(rows, NULL, 0);
    assert_int_equal(json_array_size(rows), 0);
    json_decref(rows);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_that_does_not_come_ends_with_the_timeout),
        cmocka_unit_test(results_of_topics_become_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
