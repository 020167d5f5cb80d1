#include "core/base/mutant.h"
#include "tests/unit/unit.h"

#include <string.h>

static void
a_mutant_is_on_only_where_it_is_built_and_set(void **state)
{
    (void)state;
    for (int k = MUTANT_NONE + 1; k < MUTANT_KINDS; k++) {
        bool built = mutant_set((enum mutant_kind)k);
        for (int i = MUTANT_NONE + 1; i < MUTANT_KINDS; i++)
            assert_int_equal(mutant((enum mutant_kind)i), built && i == k);
    }
    assert_true(mutant_set(MUTANT_NONE));
    for (int i = MUTANT_NONE + 1; i < MUTANT_KINDS; i++)
        assert_false(mutant((enum mutant_kind)i));
}

static void
every_mutant_says_what_it_does(void **state)
{
    (void)state;
    assert_string_equal(mutant_name(MUTANT_ACK_BEFORE_DURABLE), "ACK_BEFORE_DURABLE");
    for (int k = MUTANT_NONE; k < MUTANT_KINDS; k++)
        assert_true(strlen(mutant_text((enum mutant_kind)k)) > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mutant_is_on_only_where_it_is_built_and_set),
        cmocka_unit_test(every_mutant_says_what_it_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
