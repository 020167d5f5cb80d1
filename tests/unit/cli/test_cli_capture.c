#include "cli/cli.h"
#include "core/base/err.h"
#include "core/shm/capring.h"
#include "tests/unit/unit.h"

#include <string.h>
#include <unistd.h>

static struct capring_want want;

/* What `sluice net capture start WORDS...` orders. */
static int
order(const char *const *words)
{
    static struct command_line line;
    char *argv[16] = {"sluice", "net", "capture", "start"}, error[COMMAND_ERROR_BYTES];
    int argc = 4;
    for (; *words; words++)
        argv[argc++] = (char *)(uintptr_t)*words;
    assert_int_equal(command_read(&line, argc, argv, error), ERR_OK);
    assert_true(cli_capture_has(line.command->id));
    return cli_capture_want(&line, &want);
}

#define ORDER(...) order((const char *const[]){__VA_ARGS__, NULL})

static void
by_default_headers_of_all_frames_are_wanted(void **state)
{
    assert_int_equal(ORDER("/x/x.pcapng"), ERR_OK);
    assert_string_equal(want.path, "/x/x.pcapng");
    assert_int_equal(want.start, 1);
    assert_int_equal(want.snap, 128);
    assert_int_equal(want.filter.some, 0);
    assert_true(want.frames_max > 0 && want.bytes_max > 0);
}

static void
a_file_is_where_the_command_stands(void **state)
{
    char here[OS_PATH_BYTES], path[OS_PATH_BYTES + 16];
    assert_non_null(getcwd(here, sizeof here));
    snprintf(path, sizeof path, "%s/x.pcapng", here);
    assert_int_equal(ORDER("x.pcapng"), ERR_OK);
    assert_string_equal(want.path, path);
}

static void
a_connection_is_named_by_its_remote_end(void **state)
{
    static const uint8_t v4[16] = {[10] = 0xff, 0xff, 10, 77, 0, 1}, v6[16] = {0xfd, [15] = 1};
    assert_int_equal(ORDER("x", "--connection", "10.77.0.1:40312"), ERR_OK);
    assert_memory_equal(want.filter.ip, v4, 16);
    assert_int_equal(want.filter.port, 40312);
    assert_int_equal(want.filter.some, 1);
    assert_int_equal(ORDER("x", "--connection", "[fd00::1]:1"), ERR_OK);
    assert_memory_equal(want.filter.ip, v6, 16);
    assert_int_equal(ORDER("x", "--host", "fd00::1"), ERR_OK);
    assert_memory_equal(want.filter.ip, v6, 16);
    assert_int_equal(want.filter.port, 0);
}

static void
a_device_is_named_by_its_port_number(void **state)
{
    assert_int_equal(ORDER("x"), ERR_OK);
    assert_int_equal(want.filter.device, 0);
    assert_int_equal(ORDER("x", "--port", "0"), ERR_OK);
    assert_int_equal(want.filter.device, 1);
    assert_int_equal(ORDER("x", "--port", "3", "--host", "10.77.0.1"), ERR_OK);
    assert_int_equal(want.filter.device, 4);
    assert_int_equal(want.filter.some, 1);
}

static void
what_is_no_end_is_refused(void **state)
{
    static const char *const bad[] = {"10.77.0.1", "10.77.0.1:", "10.77.0.1:0", "10.77.0.1:70000",
                                      ":9092",     "here:9092",  "10.77.0.1:9x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(ORDER("x", "--connection", bad[i]), ERR_INVALID);
    assert_int_equal(ORDER("x", "--host", "10.77.0.1:9092"), ERR_INVALID);
    assert_int_equal(ORDER("x", "--host", "10.77.0.1", "--connection", "10.77.0.1:1"), ERR_INVALID);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_default_headers_of_all_frames_are_wanted),
        cmocka_unit_test(a_file_is_where_the_command_stands),
        cmocka_unit_test(a_connection_is_named_by_its_remote_end),
        cmocka_unit_test(a_device_is_named_by_its_port_number),
        cmocka_unit_test(what_is_no_end_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
