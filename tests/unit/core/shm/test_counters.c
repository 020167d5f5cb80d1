#include "core/shm/counters.h"

#include "tests/unit/unit.h"

#include <string.h>

static void
every_counter_has_a_name_of_its_own_a_unit_and_help(void **state)
{
    for (unsigned i = 0; i < COUNTERS; i++) {
        const struct counter_row *row = counters_row((enum counter)i);
        assert_true(strlen(row->name) > 0);
        assert_true(strlen(row->unit) > 0);
        assert_true(strlen(row->help) > 0);
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(counters_row((enum counter)k)->name, row->name);
    }
}

static void
drops_are_counters_too(void **state)
{
    assert_string_equal(counters_row(DROP_BATCH_CORRUPT)->name, "batch_corrupt");
    assert_string_equal(counters_row(DROP_BATCH_CORRUPT)->unit, "drops");
    assert_string_equal(counters_row(COUNTER_TURNS)->name, "turns");
}

static void
adding_and_setting_touch_one_word(void **state)
{
    _Atomic uint64_t words[COUNTERS] = {0};
    struct counters c = {words};
    counters_add(&c, COUNTER_REQUESTS, 2);
    counters_add(&c, COUNTER_REQUESTS, 3);
    counters_set(&c, DROP_IDLE, 9);
    for (unsigned i = 0; i < COUNTERS; i++)
        assert_int_equal(words[i], i == COUNTER_REQUESTS ? 5 : i == DROP_IDLE ? 9 : 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_counter_has_a_name_of_its_own_a_unit_and_help),
        cmocka_unit_test(drops_are_counters_too),
        cmocka_unit_test(adding_and_setting_touch_one_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
