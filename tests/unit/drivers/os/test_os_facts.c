#include "core/base/err.h"
#include "drivers/os/os.h"
#include "tests/unit/unit.h"

#include <string.h>
#include <unistd.h>

static void
facts_name_kernel_memory_and_file_system(void **state)
{
    struct os_facts f;
    assert_int_equal(os_facts("/dev/shm", &f), ERR_OK);
    assert_string_equal(f.file_system, "tmpfs");
    assert_true(f.free_bytes > 0);
    assert_true(f.memory_bytes >= (uint64_t)sysconf(_SC_PHYS_PAGES) * 4096 / 2);
    assert_true(f.kernel[0] >= '1' && f.kernel[0] <= '9');
}

static void
a_file_system_without_a_row_shows_its_number(void **state)
{
    struct os_facts f;
    assert_int_equal(os_facts("/proc", &f), ERR_OK);
    assert_string_equal(f.file_system, "type 0x9fa0");
    assert_false(f.direct);
}

static void
a_path_that_is_not_there_is_an_error(void **state)
{
    struct os_facts f;
    assert_int_equal(os_facts("/proc/nothing/here", &f), ERR_NOT_FOUND);
}

static void
the_clock_does_not_go_back(void **state)
{
    uint64_t a = os_now_ns();
    assert_true(a > 0);
    assert_true(os_now_ns() >= a);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_name_kernel_memory_and_file_system),
        cmocka_unit_test(a_file_system_without_a_row_shows_its_number),
        cmocka_unit_test(a_path_that_is_not_there_is_an_error),
        cmocka_unit_test(the_clock_does_not_go_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
