#include "tests/unit/cli/client/client_fake.h"

static void
without_a_broker_it_says_where_it_looked_and_what_to_do(void **state)
{
    assert_int_equal(NOBODY("topic", "list"), COMMAND_EXIT_FAILED);
    assert_non_null(strstr(fake_error, "no broker answers at 127.0.0.1:1"));
    assert_non_null(strstr(fake_error, "name another with -b HOST:PORT"));
    assert_string_equal(fake_out, "");
}

static void
a_property_that_librdkafka_does_not_know_is_a_wrong_line(void **state)
{
    assert_int_equal(NOBODY("topic", "list", "-X", "no.such.property=1"), COMMAND_EXIT_USAGE);
    assert_non_null(strstr(fake_error, "no.such.property"));
}

static void
the_bootstrap_comes_from_the_line_then_the_environment(void **state)
{
    static struct command_line line;
    static struct client c;
    char error[COMMAND_ERROR_BYTES];
    char *const given[] = {"sluice", "topic", "list", "-b", "a:1"}, *const none[] = {
                                                                        "sluice", "topic", "list"};
    setenv("SLUICE_BOOTSTRAP", "b:2", 1);
    assert_int_equal(command_read(&line, 5, given, error), ERR_OK);
    client_init(&c, &line, stdout);
    assert_string_equal(c.bootstrap, "a:1");
    assert_int_equal(command_read(&line, 3, none, error), ERR_OK);
    client_init(&c, &line, stdout);
    assert_string_equal(c.bootstrap, "b:2");
    unsetenv("SLUICE_BOOTSTRAP");
    client_init(&c, &line, stdout);
    assert_string_equal(c.bootstrap, "127.0.0.1:9092");
}

static void
every_row_of_the_table_has_its_work(void **state)
{
    for (uint32_t i = 0; i < command_client_count; i++)
        if (!client_has(command_client[i].id))
            fail_msg("nobody does '%s'", command_client[i].words);
    for (uint32_t i = 0; i < command_admin_count; i++)
        if (!client_has(command_admin[i].id))
            fail_msg("nobody does '%s'", command_admin[i].words);
    assert_false(client_has(COMMAND_RUN));
}

static void
a_shell_hears_nothing_of_a_broker_that_is_not_there(void **state)
{
    FILE *out = fmemopen(fake_out, sizeof fake_out, "w");
    memset(fake_out, 0, sizeof fake_out);
    client_names(COMMAND_NAMES_TOPICS, "127.0.0.1:1", "", out);
    fclose(out);
    assert_string_equal(fake_out, "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_broker_it_says_where_it_looked_and_what_to_do),
        cmocka_unit_test(a_property_that_librdkafka_does_not_know_is_a_wrong_line),
        cmocka_unit_test(the_bootstrap_comes_from_the_line_then_the_environment),
        cmocka_unit_test(every_row_of_the_table_has_its_work),
        cmocka_unit_test(a_shell_hears_nothing_of_a_broker_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
