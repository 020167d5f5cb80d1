#include "tests/unit/cli/client/client_fake.h"

static void
a_change_of_nothing_is_a_wrong_line(void **state)
{
    assert_int_equal(NOBODY("topic", "alter", "orders"), COMMAND_EXIT_USAGE);
    assert_non_null(strstr(fake_error, "--config key=value"));
    assert_int_equal(NOBODY("cluster", "config", "set"), COMMAND_EXIT_USAGE);
    assert_int_equal(NOBODY("cluster", "config", "set", "key"), COMMAND_EXIT_USAGE);
    assert_non_null(strstr(fake_error, "'key': give key=value"));
}

static void
a_broker_that_has_no_such_request_is_told_as_too_old(void **state)
{
    assert_int_equal(MOCK("topic", "alter", "orders", "-c", "a=b"), COMMAND_EXIT_FAILED);
    assert_non_null(strstr(fake_error, "does not know IncrementalAlterConfigs"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_of_nothing_is_a_wrong_line),
        cmocka_unit_test(a_broker_that_has_no_such_request_is_told_as_too_old),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
