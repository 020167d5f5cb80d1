#include "control/server/server_resource.h"
#include "tests/unit/control/server/core_fixture.h"

static void
a_pattern_matches_the_whole_value(void **state)
{
    struct view ab = view_of_text("ab"), abc = view_of_text("abc"), none = view_of_text("");
    assert_true(server_match_value(view_of_text("a."), &ab));
    assert_false(server_match_value(view_of_text("a."), &abc));
    assert_true(server_match_value(view_of_text("x|abc"), &abc));
    assert_true(server_match_value(view_of_text(".*"), &none));
    assert_true(server_match_value(view_of_text("a"), NULL));
    assert_false(server_match_value(view_of_text("(a"), NULL));
}

static void
patterns_and_values_are_bounded(void **state)
{
    static char longer[1024];
    memset(longer, 'a', sizeof longer);
    struct view v = view_of(longer, sizeof longer);
    assert_false(server_match_value(v, NULL));
    assert_false(server_match_value(view_of_text("a*"), &v));
}

static bool
count_pair(void *user, struct view key, struct view pattern)
{
    (void)pattern;
    ++*(uint32_t *)user;
    return key.len > 0;
}

static void
pairs_are_split_at_commas_and_need_an_equals_sign(void **state)
{
    uint32_t n = 0;
    assert_true(server_match_pairs("a=b, c=d", count_pair, &n));
    assert_int_equal(n, 2);
    assert_true(server_match_pairs("", count_pair, &n));
    assert_false(server_match_pairs("a", count_pair, &n));
    assert_false(server_match_pairs("=b", count_pair, &n));
}

static void
no_plan_for_what_has_no_configuration(void **state)
{
    struct core_fixture *f = core_fixture_new();
    struct meta_resource_plan plan;
    struct meta_error e = {0};
    assert_int_equal(server_resource_plan(&f->core, 8, view_of_text("7"), &plan, &e),
                     KERR_INVALID_REQUEST);
    assert_string_equal(e.text, "Unknown resource type 8");
    assert_int_equal(server_resource_plan(&f->core, 32, view_of_text("g"), &plan, &e), KERR_NONE);
    assert_null(plan.key(plan.user, view_of_text("metrics")));
    assert_non_null(plan.key(plan.user, view_of_text("consumer.session.timeout.ms")));
    core_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pattern_matches_the_whole_value),
        cmocka_unit_test(patterns_and_values_are_bounded),
        cmocka_unit_test(pairs_are_split_at_commas_and_need_an_equals_sign),
        cmocka_unit_test(no_plan_for_what_has_no_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
