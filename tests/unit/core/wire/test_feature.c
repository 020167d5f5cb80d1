#include "core/wire/feature.h"
#include "tests/unit/unit.h"

static void
every_feature_is_found_by_its_name(void **state)
{
    for (uint32_t f = 0; f < FEATURES; f++)
        assert_int_equal(feature_find(view_of_text(feature_row((enum feature)f)->name)), f);
    assert_int_equal(feature_find(view_of_text("no.version")), FEATURES);
    assert_int_equal(feature_find(view_of_text("")), FEATURES);
}

static void
levels_are_ranges_that_are_in_force_somewhere(void **state)
{
    for (uint32_t f = 0; f < FEATURES; f++) {
        const struct feature_row *row = feature_row((enum feature)f);
        assert_true(row->min >= 0 && row->min <= row->max && row->max > 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_feature_is_found_by_its_name),
        cmocka_unit_test(levels_are_ranges_that_are_in_force_somewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
