#include "tests/unit/cli/client/client_fake.h"

static void
what_is_missing_is_told_before_anybody_is_asked(void **state)
{
    assert_int_equal(NOBODY("group", "seek", "g"), COMMAND_EXIT_USAGE);
    assert_non_null(strstr(fake_error, "--to"));
    assert_int_equal(NOBODY("group", "seek", "g", "--to", "there"), COMMAND_EXIT_USAGE);
    assert_int_equal(NOBODY("group", "delete-offsets", "g"), COMMAND_EXIT_USAGE);
    assert_non_null(strstr(fake_error, "--topic"));
}

static void
a_partition_that_is_no_number_is_a_wrong_line(void **state)
{
    assert_int_equal(MOCK("group", "seek", "g", "--to", "start", "-t", "orders:x"),
                     COMMAND_EXIT_USAGE);
    assert_non_null(strstr(fake_error, "TOPIC:PARTITION"));
}

static void
a_dry_run_tells_where_it_would_go(void **state)
{
    assert_int_equal(MOCK("group", "seek", "g", "--to", "17", "-t", "orders:1", "--dry-run"),
                     COMMAND_EXIT_OK);
    assert_string_equal(fake_out, "topic orders partition 1: would be set to 17\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_missing_is_told_before_anybody_is_asked),
        cmocka_unit_test(a_partition_that_is_no_number_is_a_wrong_line),
        cmocka_unit_test(a_dry_run_tells_where_it_would_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
