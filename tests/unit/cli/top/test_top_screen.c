#include "tests/unit/cli/top/endpoint_fake.h"

/* The screen itself is drawn by the end-to-end test, which has a terminal. */
static void
without_an_endpoint_no_screen_is_opened(void **state)
{
    assert_int_equal(top_screen("127.0.0.1:1", 1, FAKE_MS), COMMAND_EXIT_FAILED);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(without_an_endpoint_no_screen_is_opened, fake_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
