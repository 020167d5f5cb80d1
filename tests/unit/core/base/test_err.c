#include "core/base/err.h"
#include "tests/unit/unit.h"

static void
every_code_has_its_own_name(void **state)
{
    assert_int_equal(ERR_OK, 0);
    assert_string_equal(err_name(ERR_NOT_FOUND), "NOT_FOUND");
    for (int code = 0; code > -(int)ERR_INDEX_COUNT; code--)
        assert_string_not_equal(err_name(code), "UNKNOWN");
}

static void
a_value_outside_the_table_is_an_unknown_error(void **state)
{
    assert_string_equal(err_text(1), "unknown error");
    assert_string_equal(err_text(-(int)ERR_INDEX_COUNT), "unknown error");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_its_own_name),
        cmocka_unit_test(a_value_outside_the_table_is_an_unknown_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
