#include "tests/unit/cli/client/client_fake.h"

static void
a_broker_without_the_requests_is_told_as_too_old(void **state)
{
    assert_int_equal(MOCK("txn", "list"), COMMAND_EXIT_FAILED);
    assert_non_null(strstr(fake_error, "does not know ListTransactions"));
}

static void
no_broker_is_an_error(void **state)
{
    assert_int_equal(NOBODY("txn", "list"), COMMAND_EXIT_FAILED);
    assert_non_null(strstr(fake_error, "no broker answers"));
    assert_int_equal(NOBODY("txn", "describe", "t"), COMMAND_EXIT_FAILED);
    assert_string_equal(fake_out, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broker_without_the_requests_is_told_as_too_old),
        cmocka_unit_test(no_broker_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
