#include "tests/unit/cli/client/client_fake.h"

static void
an_empty_cluster_has_only_the_head(void **state)
{
    assert_int_equal(MOCK("topic", "list"), COMMAND_EXIT_OK);
    assert_string_equal(fake_out, "TOPIC  PARTITIONS  REPLICAS\n");
    assert_int_equal(MOCK("topic", "list", "--format", "json"), COMMAND_EXIT_OK);
    assert_string_equal(fake_out, "[]\n");
}

static void
settings_that_cannot_be_had_fail_the_description(void **state)
{
    assert_int_equal(MOCK("topic", "describe", "orders", "--timeout", "1"), COMMAND_EXIT_FAILED);
    assert_non_null(strstr(fake_error, "settings: "));
    assert_string_equal(fake_out, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_cluster_has_only_the_head),
        cmocka_unit_test(settings_that_cannot_be_had_fail_the_description),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
