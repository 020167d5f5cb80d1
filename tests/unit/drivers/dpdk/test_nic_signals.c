#include "drivers/dpdk/nic_signals.h"
#include "tests/unit/unit.h"

#include <unistd.h>

static volatile sig_atomic_t heard;

static void
hear(int number)
{
    heard = number;
}

static void
handle(int number)
{
    const struct sigaction a = {.sa_handler = hear};
    assert_int_equal(sigaction(number, &a, NULL), 0);
}

static void
tell(int number)
{
    assert_int_equal(kill(getpid(), number), 0);
}

static void
a_signal_that_got_its_handler_meanwhile_is_never_heard(void **state)
{
    struct nic_signals s;
    heard = 0;
    nic_signals_hold(&s);
    handle(SIGRTMIN + 1);
    tell(SIGRTMIN + 1); /* it waits, and is then forgotten */
    nic_signals_drop(&s);
    tell(SIGRTMIN + 1);
    assert_int_equal(heard, 0);
}

static void
a_handler_of_before_stays(void **state)
{
    struct nic_signals s;
    heard = 0;
    handle(SIGRTMIN + 2);
    nic_signals_hold(&s);
    tell(SIGRTMIN + 2);
    assert_int_equal(heard, 0);
    nic_signals_drop(&s);
    assert_int_equal(heard, SIGRTMIN + 2);
}

static void
what_was_blocked_before_stays_blocked(void **state)
{
    struct nic_signals s;
    sigset_t mine, after;
    sigemptyset(&mine);
    sigaddset(&mine, SIGRTMAX);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &mine, NULL), 0);
    nic_signals_hold(&s);
    nic_signals_drop(&s);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &after), 0);
    assert_true(sigismember(&after, SIGRTMAX) && !sigismember(&after, SIGRTMIN + 1));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_signal_that_got_its_handler_meanwhile_is_never_heard),
        cmocka_unit_test(a_handler_of_before_stays),
        cmocka_unit_test(what_was_blocked_before_stays_blocked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
