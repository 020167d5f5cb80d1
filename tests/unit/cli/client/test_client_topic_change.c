#include "tests/unit/cli/client/client_fake.h"

static void
what_is_missing_is_told_before_anybody_is_asked(void **state)
{
    assert_int_equal(NOBODY("topic", "add-partitions", "orders"), COMMAND_EXIT_USAGE);
    assert_non_null(strstr(fake_error, "--total"));
    assert_int_equal(NOBODY("topic", "trim", "orders"), COMMAND_EXIT_USAGE);
    assert_non_null(strstr(fake_error, "--before"));
    assert_int_equal(NOBODY("topic", "trim", "orders", "--before", "now"), COMMAND_EXIT_USAGE);
}

static void
a_broker_that_cannot_delete_records_fails_the_command(void **state)
{
    assert_int_equal(MOCK("topic", "trim", "orders", "--before", "end"), COMMAND_EXIT_FAILED);
    assert_true(*fake_error != 0);
    assert_string_equal(fake_out, "");
}

static void
one_partition_can_be_trimmed_alone(void **state)
{
    assert_int_equal(MOCK("topic", "trim", "orders", "--before", "end", "-p", "99"),
                     COMMAND_EXIT_FAILED);
    assert_non_null(strstr(fake_error, "topic orders partition 99: "));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_missing_is_told_before_anybody_is_asked),
        cmocka_unit_test(a_broker_that_cannot_delete_records_fails_the_command),
        cmocka_unit_test(one_partition_can_be_trimmed_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
