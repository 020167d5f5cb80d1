#include "tests/unit/cli/client/client_fake.h"

static void
wrong_options_are_told_before_anybody_is_asked(void **state)
{
    assert_int_equal(NOBODY("consume", "t", "-o", "middle"), COMMAND_EXIT_USAGE);
    assert_non_null(strstr(fake_error, "--offset middle"));
    assert_int_equal(NOBODY("consume", "t", "-f", "%x"), COMMAND_EXIT_USAGE);
    assert_non_null(strstr(fake_error, "after '%'"));
    assert_int_equal(NOBODY("consume", "t", "-g", "g", "-o", "5"), COMMAND_EXIT_USAGE);
    assert_non_null(strstr(fake_error, "group seek"));
    assert_int_equal(NOBODY("consume", "t", "-n", "0"), COMMAND_EXIT_USAGE);
}

static void
an_empty_topic_ends_at_once_with_exit(void **state)
{
    assert_int_equal(MOCK("consume", "t", "-e"), COMMAND_EXIT_OK);
    assert_string_equal(fake_out, "");
}

static void
a_partition_that_is_not_there_is_told(void **state)
{
    assert_int_equal(MOCK("consume", "t", "-p", "99"), COMMAND_EXIT_FAILED);
    assert_non_null(strstr(fake_error, "topic t: "));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_options_are_told_before_anybody_is_asked),
        cmocka_unit_test(an_empty_topic_ends_at_once_with_exit),
        cmocka_unit_test(a_partition_that_is_not_there_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
