#include "tests/unit/cli/client/client_fake.h"

#include <stdio_ext.h>

static void
from_file(const char *text)
{
    FILE *in = tmpfile();
    fputs(text, in);
    fflush(in);
    rewind(in);
    __fpurge(stdin); /* what the last test left */
    dup2(fileno(in), STDIN_FILENO);
    clearerr(stdin);
    fclose(in);
}

static void
every_line_is_a_record_that_was_acknowledged(void **state)
{
    from_file("a:1\nb:2\nc:3\n");
    assert_int_equal(MOCK("produce", "t", "-K", ":", "--format", "json"), COMMAND_EXIT_OK);
    assert_string_equal(fake_out, "{\"sent\": 3, \"acknowledged\": 3}\n");
}

static void
a_record_for_a_partition_that_is_not_there_is_not_acknowledged(void **state)
{
    from_file("a\nb\n");
    assert_int_equal(MOCK("produce", "t", "-p", "99"), COMMAND_EXIT_FAILED);
    assert_non_null(strstr(fake_error, "record"));
    assert_non_null(strstr(fake_error, "'sluice topic describe'"));
}

static void
a_line_that_is_no_json_names_the_record(void **state)
{
    from_file("{\"value\":\"a\"}\nnothing\n");
    assert_int_equal(MOCK("produce", "t", "--from", "json"), COMMAND_EXIT_FAILED);
    assert_non_null(strstr(fake_error, "record 2 is not one"));
}

static void
a_file_that_is_not_there_is_told(void **state)
{
    assert_int_equal(MOCK("produce", "t", "no/such/file"), COMMAND_EXIT_FAILED);
    assert_non_null(strstr(fake_error, "no/such/file: No such file"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_is_a_record_that_was_acknowledged),
        cmocka_unit_test(a_record_for_a_partition_that_is_not_there_is_not_acknowledged),
        cmocka_unit_test(a_line_that_is_no_json_names_the_record),
        cmocka_unit_test(a_file_that_is_not_there_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
