#include "tests/unit/cli/client/client_fake.h"

static void
a_broker_without_the_request_has_no_such_groups(void **state)
{
    static struct command_line line;
    static struct client c;
    struct client_group_found found = {0};
    char error[COMMAND_ERROR_BYTES];
    char *const argv[] = {"sluice", "group", "list", "-X", "test.mock.num.brokers=1"};
    assert_int_equal(command_read(&line, 5, argv, error), ERR_OK);
    client_init(&c, &line, stdout);
    assert_int_equal(client_open(&c, RD_KAFKA_PRODUCER, NULL, 0), COMMAND_EXIT_OK);
    assert_false(client_group_modern(&c, "g", &found));
    assert_null(found.members);
    client_close(&c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broker_without_the_request_has_no_such_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
