#include "tests/unit/cli/host/host_fake.h"

static void
numbers_stand_behind_their_keys(void **state)
{
    assert_int_equal(doctor_read_number("A: 1\nAB:  22 kB\nC 3", "AB"), 22);
    assert_int_equal(doctor_read_number("A: 1\nAB:  22 kB\nC 3", "C"), 3);
    assert_int_equal(doctor_read_number("A: x", "A"), -1);
    assert_int_equal(doctor_read_number("", "A"), -1);
}

static void
lists_of_processors_are_sets(void **state)
{
    static bool cpus[DOCTOR_CPUS_MAX];
    assert_int_equal(doctor_read_cpus("2-4,8,3", cpus), 4);
    assert_true(cpus[2] && cpus[3] && cpus[4] && cpus[8] && !cpus[5]);
    assert_int_equal(doctor_read_cpus("", cpus), 0);
    assert_int_equal(doctor_read_cpus("0-99999999", cpus), DOCTOR_CPUS_MAX);
}

static void
the_choice_is_in_brackets(void **state)
{
    char out[DOCTOR_TEXT_BYTES];
    doctor_read_choice("a [b] c", out);
    assert_string_equal(out, "b");
    doctor_read_choice("a b", out);
    assert_string_equal(out, "");
    doctor_read_choice("a [b", out);
    assert_string_equal(out, "");
}

static void
a_file_comes_without_its_last_newline(void **state)
{
    static char text[DOCTOR_FILE_BYTES];
    host_file("sys/a", "one\ntwo");
    assert_true(doctor_read(&host, text, "sys/%s", "a"));
    assert_string_equal(text, "one\ntwo");
    assert_false(doctor_read(&host, text, "sys/%s", "b"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(numbers_stand_behind_their_keys, host_setup, host_teardown),
        cmocka_unit_test_setup_teardown(lists_of_processors_are_sets, host_setup, host_teardown),
        cmocka_unit_test_setup_teardown(the_choice_is_in_brackets, host_setup, host_teardown),
        cmocka_unit_test_setup_teardown(a_file_comes_without_its_last_newline, host_setup,
                                        host_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
