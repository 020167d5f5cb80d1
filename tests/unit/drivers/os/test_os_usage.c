#include "core/base/err.h"
#include "drivers/os/os.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void
a_process_tells_its_memory_and_time(void **state)
{
    (void)state;
    struct os_usage before, after;
    enum { BYTES = 32 << 20 };
    assert_int_equal(os_usage(getpid(), &before), ERR_OK);
    assert_true(before.resident_bytes > 0);
    char *at = malloc(BYTES);
    assert_non_null(at);
    do { /* until the clock of ticks has moved */
        memset(at, 1, BYTES);
        assert_int_equal(os_usage(getpid(), &after), ERR_OK);
    } while (after.cpu_ns == before.cpu_ns);
    assert_true(after.cpu_ns > before.cpu_ns);
    assert_true(after.resident_bytes >= before.resident_bytes + BYTES / 2);
    free(at);
}

static void
a_process_that_ended_is_not_there(void **state)
{
    (void)state;
    struct os_usage u;
    int pid = fork();
    if (pid == 0)
        _exit(0);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(os_usage(pid, &u), ERR_NOT_FOUND); /* only its parent has not looked yet */
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(os_usage(pid, &u), ERR_NOT_FOUND);
    assert_int_not_equal(os_usage(0, &u), ERR_OK);
}

static void
a_path_tells_the_space_of_its_file_system(void **state)
{
    (void)state;
    uint64_t left = 0, total = 0;
    assert_int_equal(os_space("/dev/shm", &left, &total), ERR_OK);
    assert_true(total > 0 && left <= total);
    assert_int_equal(os_space("/proc/nothing/here", &left, &total), ERR_NOT_FOUND);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_process_tells_its_memory_and_time),
        cmocka_unit_test(a_process_that_ended_is_not_there),
        cmocka_unit_test(a_path_tells_the_space_of_its_file_system),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
