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
    assert_true(counters_is_drop(DROP_BATCH_CORRUPT));
    assert_false(counters_is_drop(COUNTER_TURNS));
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

/* What all places together count of a pair. */
static uint64_t
told(const _Atomic uint64_t *words, int16_t api, int16_t error)
{
    struct counters_error e;
    uint64_t count = 0;
    for (uint32_t i = 0; i < COUNTERS_ERRORS; i++)
        if (counters_error_at(words, i, &e) && e.api == api && e.error == error)
            count += e.count;
    return count;
}

static void
errors_are_told_apart_by_api_and_code(void **state)
{
    static _Atomic uint64_t words[COUNTERS_WORDS];
    struct counters c = {words};
    for (int16_t api = 0; api < 8; api++)
        for (int16_t error = -1; error < 40; error++)
            for (int16_t n = 0; n <= api; n++)
                counters_error(&c, api, error);
    for (int16_t api = 0; api < 8; api++)
        for (int16_t error = -1; error < 40; error++)
            assert_int_equal(told(words, api, error), api + 1);
    assert_int_equal(told(words, 8, 0), 0);
}

static void
errors_without_a_place_are_counted_and_those_with_one_go_on(void **state)
{
    static _Atomic uint64_t words[COUNTERS_WORDS];
    struct counters c = {words};
    for (int16_t error = 0; error < COUNTERS_ERRORS + 5; error++)
        counters_error(&c, 3, error);
    counters_error(&c, 3, 7);
    assert_int_equal(words[COUNTER_ERRORS_UNTOLD], 5);
    assert_int_equal(told(words, 3, 7), 2);
    assert_int_equal(told(words, 3, COUNTERS_ERRORS), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_counter_has_a_name_of_its_own_a_unit_and_help),
        cmocka_unit_test(drops_are_counters_too),
        cmocka_unit_test(adding_and_setting_touch_one_word),
        cmocka_unit_test(errors_are_told_apart_by_api_and_code),
        cmocka_unit_test(errors_without_a_place_are_counted_and_those_with_one_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
