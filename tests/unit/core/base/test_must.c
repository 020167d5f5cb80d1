#include "core/base/must.h"
#include "tests/unit/unit.h"

#include <sys/wait.h>
#include <unistd.h>

static void
a_broken_promise_aborts_the_process(void **state)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (close(2) == 0)
            must(1 + 1 == 3);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), 6);
}

static void
a_kept_promise_costs_nothing(void **state)
{
    int evaluated = 0;
    must(++evaluated == 1);
    assert_int_equal(evaluated, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_broken_promise_aborts_the_process),
        cmocka_unit_test(a_kept_promise_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
