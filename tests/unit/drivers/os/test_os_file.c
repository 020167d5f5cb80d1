#include "core/base/err.h"
#include "drivers/os/os.h"
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char home[] = P_tmpdir "/sluice-test-XXXXXX";
static char path[256];

static int
setup(void **state)
{
    memcpy(home + strlen(home) - 6, "XXXXXX", 6);
    return mkdtemp(home) ? 0 : -1;
}

static int
teardown(void **state)
{
    static const char *const made[] = {"a/b/c", "a/b", "a", "file", "file.tmp"};
    for (size_t i = 0; i < sizeof made / sizeof made[0]; i++) {
        snprintf(path, sizeof path, "%s/%s", home, made[i]);
        remove(path);
    }
    return rmdir(home);
}

static const char *
in_home(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", home, name);
    return path;
}

static void
a_folder_is_made_with_those_above_it(void **state)
{
    struct stat st;
    assert_int_equal(os_dir_create(in_home("a/b/c")), ERR_OK);
    assert_int_equal(stat(path, &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(os_dir_create(in_home("a/b/c/")), ERR_OK);
}

static void
a_file_in_the_way_is_told(void **state)
{
    assert_int_equal(os_file_write(home, "file", "x"), ERR_OK);
    assert_int_equal(os_dir_create(in_home("file")), ERR_EXISTS);
    assert_int_equal(os_dir_create(in_home("file/a")), ERR_EXISTS);
    assert_int_equal(os_dir_create(""), ERR_INVALID);
    assert_int_equal(os_dir_create("/proc/nothing"), ERR_NOT_FOUND);
}

static void
what_is_written_is_read_and_replaced_whole(void **state)
{
    char text[64];
    assert_int_equal(os_file_write(home, "file", "a longer text"), ERR_OK);
    assert_int_equal(os_file_write(home, "file", "short"), ERR_OK);
    assert_int_equal(os_file_read(in_home("file"), text, sizeof text), 5);
    assert_string_equal(text, "short");
    assert_int_equal(access(in_home("file.tmp"), F_OK), -1);
}

static void
a_leftover_of_a_crash_is_overwritten(void **state)
{
    char text[64];
    assert_int_equal(os_file_write(home, "file.tmp", "half of somethi"), ERR_OK);
    assert_int_equal(os_file_write(home, "file", "new"), ERR_OK);
    assert_int_equal(os_file_read(in_home("file"), text, sizeof text), 3);
    assert_string_equal(text, "new");
}

static void
a_file_that_fills_the_room_is_refused(void **state)
{
    char text[8];
    assert_int_equal(os_file_write(home, "file", "1234567"), ERR_OK);
    assert_int_equal(os_file_read(in_home("file"), text, 8), 7);
    assert_int_equal(os_file_read(in_home("file"), text, 7), ERR_LIMIT);
    assert_int_equal(os_file_read(in_home("none"), text, 8), ERR_NOT_FOUND);
    assert_int_equal(os_file_read(home, text, 8), ERR_INVALID);
}

static void
a_folder_that_takes_no_file_is_an_error(void **state)
{
    assert_true(os_file_write("/proc", "file", "x") < 0);
    assert_int_equal(os_file_write(in_home("none"), "file", "x"), ERR_NOT_FOUND);
}

static void
the_program_knows_its_folder(void **state)
{
    char dir[OS_PATH_BYTES], tiny[4];
    assert_int_equal(os_program_dir(dir, sizeof dir), ERR_OK);
    strncat(dir, "/test_os_file", sizeof dir - strlen(dir) - 1);
    assert_int_equal(access(dir, X_OK), 0);
    assert_int_equal(os_program_dir(tiny, sizeof tiny), ERR_LIMIT);
}

static void
the_limit_of_open_files_is_raised_to_the_hard_one(void **state)
{
    struct rlimit l;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &l), 0);
    l.rlim_cur = 64;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &l), 0);
    os_limits_raise();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &l), 0);
    assert_int_equal(l.rlim_cur, l.rlim_max);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_folder_is_made_with_those_above_it, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_in_the_way_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_written_is_read_and_replaced_whole, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_leftover_of_a_crash_is_overwritten, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_fills_the_room_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_folder_that_takes_no_file_is_an_error, setup, teardown),
        cmocka_unit_test_setup_teardown(the_program_knows_its_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(the_limit_of_open_files_is_raised_to_the_hard_one, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
