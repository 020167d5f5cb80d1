#include "tests/unit/control/group/group_fixture.h"

static void
the_first_member_leads_and_the_next_when_it_goes(void **state)
{
    struct fixture *f = fx_new();
    struct group *g = group_need(f->s, view_of_text("g"));
    struct group_member *a = group_member_new(g, view_of_text("a"), (struct view){0});
    struct group_member *b = group_member_new(g, view_of_text("b"), view_of_text("i"));
    assert_ptr_equal(g->leader, a);
    group_member_remove(a);
    assert_ptr_equal(g->leader, b);
    assert_ptr_equal(group_member_static(g, view_of_text("i")), b);
    group_member_remove(b);
    assert_null(g->leader);
    assert_null(group_member_static(g, view_of_text("i")));
    fx_free(f);
}

static void
an_instance_id_belongs_to_one_member_id(void **state)
{
    struct fixture *f = fx_new();
    struct group *g = group_need(f->s, view_of_text("g"));
    struct group_member *m = group_member_new(g, view_of_text("a"), view_of_text("i"));
    struct view none = {0}, i = view_of_text("i");
    assert_int_equal(group_member_check(g, view_of_text("a"), i), KERR_NONE);
    assert_int_equal(group_member_check(g, view_of_text("a"), none), KERR_NONE);
    assert_int_equal(group_member_check(g, view_of_text("b"), i), KERR_FENCED_INSTANCE_ID);
    assert_int_equal(group_member_check(g, view_of_text("b"), none), KERR_UNKNOWN_MEMBER_ID);
    assert_int_equal(group_member_check(g, view_of_text("a"), view_of_text("k")),
                     KERR_UNKNOWN_MEMBER_ID);
    group_member_rename(m, view_of_text("b"));
    assert_int_equal(group_member_check(g, view_of_text("a"), i), KERR_FENCED_INSTANCE_ID);
    assert_int_equal(group_member_check(g, view_of_text("b"), i), KERR_NONE);
    fx_free(f);
}

static void
the_bytes_of_a_group_are_those_of_its_members_protocols(void **state)
{
    struct fixture *f = fx_new();
    struct group *g = group_need(f->s, view_of_text("g"));
    struct group_member *m = group_member_new(g, view_of_text("a"), (struct view){0});
    struct group_protocol p[2] = {{view_of_text("range"), view_of_text("1234")},
                                  {view_of_text("rr"), view_of("", 0)}};
    group_member_protocols(m, p, 2);
    assert_int_equal(g->bytes, 11);
    g->protocol = group_copy(view_of_text("range"));
    assert_true(view_equal(group_member_metadata(m), view_of_text("1234")));
    group_member_protocols(m, p + 1, 1);
    assert_int_equal(g->bytes, 2);
    assert_int_equal(group_member_metadata(m).len, 0);
    group_member_remove(m);
    assert_int_equal(g->bytes, 0);
    fx_free(f);
}

static void
an_expected_id_has_a_timer_of_its_own(void **state)
{
    struct fixture *f = fx_new();
    struct group *g = group_need(f->s, view_of_text("g"));
    f->s->step = &f->step;
    group_expected_add(g, view_of_text("a"), 500);
    assert_int_equal(group_deadline_ms(f->s), T0 + 500);
    struct group_node *n = group_map_find(&g->expected, view_of_text("a"));
    group_expected_remove(group_item(n, struct group_expected, node));
    assert_true(group_deadline_ms(f->s) > T0 + 500);
    f->s->step = NULL;
    fx_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_member_leads_and_the_next_when_it_goes),
        cmocka_unit_test(an_instance_id_belongs_to_one_member_id),
        cmocka_unit_test(the_bytes_of_a_group_are_those_of_its_members_protocols),
        cmocka_unit_test(an_expected_id_has_a_timer_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
