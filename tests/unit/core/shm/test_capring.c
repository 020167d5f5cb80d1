#include "core/shm/capring.h"

#include "core/base/err.h"
#include "tests/unit/unit.h"

#include <string.h>

static struct capring_core core;
static struct capring_order order;
static struct capring_task task;

static int
zero(void **state)
{
    memset(&core, 0, sizeof core);
    memset(&order, 0, sizeof order);
    memset(&task, 0, sizeof task);
    return 0;
}

static void
a_core_hears_once_what_it_is_to_capture(void **state)
{
    struct capring_filter f = {.ip = {1, [15] = 9}, .port = 9092, .some = 1};
    assert_false(capring_look(&core, &task));
    capring_begin(&core, 1, 128, &f);
    assert_true(capring_look(&core, &task));
    assert_int_equal(task.snap, 128);
    assert_memory_equal(&task.filter, &f, sizeof f);
    assert_int_equal(core.seen, 1);
    assert_false(capring_look(&core, &task));
    capring_end(&core);
    assert_true(capring_look(&core, &task));
    assert_int_equal(task.snap, 0);
    assert_int_equal(core.seen, 2);
    capring_end(&core); /* it has ended already */
    assert_false(capring_look(&core, &task));
}

static void
a_core_that_begins_in_the_middle_captures_too(void **state)
{
    struct capring_filter f = {0};
    struct capring_task fresh = {0};
    capring_begin(&core, 7, 64, &f);
    assert_true(capring_look(&core, &task));
    assert_true(capring_look(&core, &fresh));
    assert_int_equal(fresh.snap, 64);
}

static void
what_control_wrote_is_bounded(void **state)
{
    struct capring_filter f = {0};
    capring_begin(&core, 1, 64, &f);
    core.snap = UINT32_MAX;
    assert_true(capring_look(&core, &task));
    assert_int_equal(task.snap, CAPRING_SNAP_MAX);
}

static void
a_new_capture_forgets_what_the_last_one_lost(void **state)
{
    struct capring_filter f = {0};
    core.lost = 5;
    capring_begin(&core, 1, 64, &f);
    assert_true(capring_look(&core, &task));
    assert_int_equal(core.lost, 0);
}

static void
numbers_of_captures_are_new_and_odd(void **state)
{
    static struct capring_core other;
    const struct capring_core *cores[] = {&core, &other};
    assert_int_equal(capring_next(cores, 2), 1);
    core.number = 4;
    other.number = 7;
    assert_int_equal(capring_next(cores, 2), 9);
    other.number = 8;
    assert_int_equal(capring_next(cores, 2), 9);
}

static void
an_order_is_open_until_it_is_answered(void **state)
{
    static struct capring_want want = {.start = 1, .snap = 100, .path = "/x/y"}, got;
    uint32_t number, second;
    assert_false(capring_order_open(&order, &got));
    assert_int_equal(capring_order_give(&order, &want, &number), ERR_OK);
    assert_false(capring_order_answered(&order, number));
    assert_int_equal(capring_order_give(&order, &want, &second), ERR_AGAIN);
    assert_true(capring_order_open(&order, &got));
    assert_string_equal(got.path, "/x/y");
    assert_int_equal(got.snap, 100);
    capring_order_answer(&order, ERR_EXISTS);
    assert_true(capring_order_answered(&order, number));
    assert_int_equal(order.err, ERR_EXISTS);
    assert_false(capring_order_open(&order, &got));
    assert_int_equal(capring_order_give(&order, &want, &second), ERR_OK);
    assert_int_not_equal(number, second);
}

static void
a_path_without_an_end_gets_one(void **state)
{
    static struct capring_want got;
    memset(order.want.path, 'x', sizeof order.want.path);
    order.number = 1;
    assert_true(capring_order_open(&order, &got));
    assert_int_equal(strlen(got.path), CAPRING_PATH_BYTES - 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_core_hears_once_what_it_is_to_capture, zero),
        cmocka_unit_test_setup(a_core_that_begins_in_the_middle_captures_too, zero),
        cmocka_unit_test_setup(what_control_wrote_is_bounded, zero),
        cmocka_unit_test_setup(a_new_capture_forgets_what_the_last_one_lost, zero),
        cmocka_unit_test_setup(numbers_of_captures_are_new_and_odd, zero),
        cmocka_unit_test_setup(an_order_is_open_until_it_is_answered, zero),
        cmocka_unit_test_setup(a_path_without_an_end_gets_one, zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
