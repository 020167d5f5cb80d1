#include "tests/unit/cli/client/client_fake.h"

static void
what_is_missing_or_wrong_is_told_before_anybody_is_asked(void **state)
{
    assert_int_equal(NOBODY("txn", "abort", "orders:0"), COMMAND_EXIT_USAGE);
    assert_non_null(strstr(fake_error, "--producer ID"));
    static const char *const places[] = {"orders", "orders:", "orders:x", "orders:-1", "orders:1x"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        assert_int_equal(NOBODY("txn", "producers", places[i]), COMMAND_EXIT_USAGE);
        assert_non_null(strstr(fake_error, "give TOPIC:PARTITION"));
    }
}

static void
a_partition_that_is_not_there_is_told(void **state)
{
    assert_int_equal(MOCK("txn", "producers", "orders:99"), COMMAND_EXIT_FAILED);
    assert_non_null(strstr(fake_error, "topic orders partition 99"));
}

static void
a_broker_without_the_request_is_told_as_too_old(void **state)
{
    assert_int_equal(MOCK("txn", "producers", "orders:0"), COMMAND_EXIT_FAILED);
    assert_non_null(strstr(fake_error, "does not know DescribeProducers"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_missing_or_wrong_is_told_before_anybody_is_asked),
        cmocka_unit_test(a_partition_that_is_not_there_is_told),
        cmocka_unit_test(a_broker_without_the_request_is_told_as_too_old),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
