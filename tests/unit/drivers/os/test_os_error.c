#include "core/base/err.h"
#include "drivers/os/os.h"
#include "tests/unit/unit.h"

#include <errno.h>

static void
errno_becomes_the_code_that_callers_act_on(void **state)
{
    assert_int_equal(os_error_of(0), ERR_OK);
    assert_int_equal(os_error_of(ENOENT), ERR_NOT_FOUND);
    assert_int_equal(os_error_of(EADDRINUSE), ERR_EXISTS);
    assert_int_equal(os_error_of(EROFS), ERR_DENIED);
    assert_int_equal(os_error_of(ENOSPC), ERR_NO_SPACE);
    assert_int_equal(os_error_of(ECONNREFUSED), ERR_CLOSED);
    assert_int_equal(os_error_of(ECONNRESET), ERR_CLOSED);
    assert_int_equal(os_error_of(EINPROGRESS), ERR_AGAIN);
    assert_int_equal(os_error_of(EHOSTUNREACH), ERR_NOT_FOUND);
}

static void
an_errno_without_a_row_is_a_failure_of_the_device(void **state)
{
    assert_int_equal(os_error_of(EIO), ERR_IO);
    assert_int_equal(os_error_of(-5), ERR_IO);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errno_becomes_the_code_that_callers_act_on),
        cmocka_unit_test(an_errno_without_a_row_is_a_failure_of_the_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
