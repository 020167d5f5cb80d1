#include "core/base/err.h"
#include "core/conf/conf.h"
#include "tests/unit/unit.h"

static char out[CONF_TEXT_BYTES_MAX];

static void
directories_of_a_list_come_one_by_one_without_blanks(void **state)
{
    (void)state;
    static const char list[] = "/a, /b c ,/d";
    static const char *const want[] = {"/a", "/b c", "/d"};
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(conf_dir(list, i, out), ERR_OK);
        assert_string_equal(out, want[i]);
    }
    assert_int_equal(conf_dir(list, 3, out), ERR_NOT_FOUND);
}

static void
an_empty_name_in_the_middle_is_invalid_and_an_empty_list_has_none(void **state)
{
    (void)state;
    assert_int_equal(conf_dir("/a,,/b", 1, out), ERR_INVALID);
    assert_int_equal(conf_dir("", 0, out), ERR_NOT_FOUND);
    assert_int_equal(conf_dir("/a,", 1, out), ERR_NOT_FOUND);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(directories_of_a_list_come_one_by_one_without_blanks),
        cmocka_unit_test(an_empty_name_in_the_middle_is_invalid_and_an_empty_list_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
