#include "core/base/err.h"
#include "drivers/os/os.h"
#include "tests/unit/unit.h"

#include <signal.h>
#include <unistd.h>

static void
a_blocked_signal_is_read_once(void **state)
{
    static const int signals[] = {SIGUSR1, SIGUSR2, 0};
    int fd = os_signal_open(signals);
    assert_true(fd >= 0);
    assert_int_equal(os_signal_read(fd), 0);
    assert_int_equal(kill(getpid(), SIGUSR1), 0);
    os_wait(&fd, 1, -1);
    assert_int_equal(os_signal_read(fd), SIGUSR1);
    assert_int_equal(os_signal_read(fd), 0);
    assert_int_equal(kill(getpid(), SIGUSR2), 0);
    assert_int_equal(os_signal_read(fd), SIGUSR2);
    close(fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_blocked_signal_is_read_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
