#include "control/server/server_resource.h"
#include "tests/unit/control/server/core_fixture.h"

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
        cmocka_unit_test(no_plan_for_what_has_no_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
