#include "tests/unit/cli/client/client_fake.h"

static void
a_broker_without_the_requests_is_told_as_too_old(void **state)
{
    assert_int_equal(MOCK("group", "list"), COMMAND_EXIT_FAILED);
    assert_non_null(strstr(fake_error, "too old"));
}

static void
no_broker_is_an_error(void **state)
{
    assert_int_equal(NOBODY("group", "describe", "g", "--watch", "1"), COMMAND_EXIT_FAILED);
    assert_non_null(strstr(fake_error, "no broker answers"));
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
