#include "tests/unit/cli/client/client_fake.h"

static void
a_quota_without_an_owner_or_a_number_is_a_wrong_line(void **state)
{
    assert_int_equal(NOBODY("quota", "set", "producer_byte_rate=1"), COMMAND_EXIT_USAGE);
    assert_non_null(strstr(fake_error, "--user NAME"));
    static const char *const words[] = {"producer_byte_rate",
                                        "producer_byte_rate=", "producer_byte_rate=x",
                                        "producer_byte_rate=1x", "producer_byte_rate=inf"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        assert_int_equal(NOBODY("quota", "set", words[i], "--user", "a"), COMMAND_EXIT_USAGE);
        assert_non_null(strstr(fake_error, "give a quota and a number"));
    }
}

static void
a_broker_without_the_requests_is_told_as_too_old(void **state)
{
    assert_int_equal(MOCK("quota", "list"), COMMAND_EXIT_FAILED);
    assert_non_null(strstr(fake_error, "does not know DescribeClientQuotas"));
    assert_int_equal(MOCK("quota", "remove", "producer_byte_rate", "--user-default"),
                     COMMAND_EXIT_FAILED);
    assert_non_null(strstr(fake_error, "does not know AlterClientQuotas"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quota_without_an_owner_or_a_number_is_a_wrong_line),
        cmocka_unit_test(a_broker_without_the_requests_is_told_as_too_old),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
