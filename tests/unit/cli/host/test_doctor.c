#include "tests/unit/cli/host/host_fake.h"

static void
a_host_that_tells_nothing_is_unknown_and_not_well(void **state)
{
    bool bad = true;
    json_t *all = doctor_look(&host, &bad);
    assert_false(bad);
    assert_true(json_array_size(all) > 10);
    for (size_t i = 0; i < json_array_size(all); i++)
        assert_string_equal(json_string_value(json_object_get(json_array_get(all, i), "verdict")),
                            "unknown");
    json_decref(all);
}

static void
one_warning_is_exit_code_3_with_why_and_what_to_do(void **state)
{
    static struct command_line line;
    static char text[16 << 10];
    char error[COMMAND_ERROR_BYTES];
    char *const argv[] = {"sluice", "doctor"};
    assert_int_equal(command_read(&line, 2, argv, error), 0);
    host_file("proc/sys/kernel/osrelease", "6.8.0");
    host_file("proc/sys/kernel/io_uring_disabled", "2");
    FILE *out = fmemopen(text, sizeof text, "w");
    assert_int_equal(doctor_run(&line, &host, out), COMMAND_EXIT_FOUND);
    fclose(out);
    assert_non_null(strstr(text, "warn     io_uring: switched off"));
    assert_non_null(strstr(text, "why: "));
    assert_non_null(strstr(text, "do:  sysctl -w kernel.io_uring_disabled=0"));
}

static void
every_check_has_a_name_and_a_reason(void **state)
{
    const struct doctor_check *c;
    for (uint32_t i = 0; (c = doctor_row(i)); i++)
        assert_true(*c->name && *c->why && c->look);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_host_that_tells_nothing_is_unknown_and_not_well,
                                        host_setup, host_teardown),
        cmocka_unit_test_setup_teardown(one_warning_is_exit_code_3_with_why_and_what_to_do,
                                        host_setup, host_teardown),
        cmocka_unit_test_setup_teardown(every_check_has_a_name_and_a_reason, host_setup,
                                        host_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
