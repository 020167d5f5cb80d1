#include "tests/unit/control/group/consumer_fixture.h"

static struct group_names
names(const char *a, const char *b, const char *c)
{
    struct view items[] = {view_of_text(a), view_of_text(b), view_of_text(c)};
    struct wire_string_array array = {items, 3};
    struct group_names n;
    group_names_make(&n, &array);
    return n;
}

static void
names_are_sorted_and_unique(void **state)
{
    struct group_names n = names("b", "ab", "b"), same = names("ab", "b", "ab");
    assert_int_equal(n.count, 2);
    assert_true(view_equal(n.items[0], view_of_text("ab")));
    assert_true(group_names_has(&n, view_of_text("b")));
    assert_false(group_names_has(&n, view_of_text("a")));
    assert_true(group_names_same(&n, &same));
    group_names_free(&same);
    assert_false(group_names_same(&n, &same));
    assert_false(group_names_has(&same, view_of_text("b")));
    group_names_free(&n);
}

static void
a_copy_is_the_same_and_of_its_own(void **state)
{
    struct group_protocol range = {view_of_text("range"), view_of_text("\1\2")};
    struct group_profile p = {.instance = view_of_text("i"),
                              .client_id = view_of_text("c"),
                              .client_host = view_of_text("/h"),
                              .regex = view_of_text(""),
                              .names = names("x", "y", "z"),
                              .rebalance_ms = 5,
                              .classic = true,
                              .session_ms = 7,
                              .protocols = &range,
                              .protocol_count = 1};
    struct group_profile q = group_profile_copy(&p);
    assert_true(group_profile_same(&p, &q));
    assert_ptr_not_equal(q.instance.at, p.instance.at);
    assert_ptr_not_equal(q.protocols, p.protocols);
    range.metadata = view_of_text("\1\3");
    assert_false(group_profile_same(&p, &q));
    range.metadata = view_of_text("\1\2");
    p.instance = (struct view){0};
    assert_false(group_profile_same(&p, &q));
    group_names_free(&p.names);
    group_profile_free(&q);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_sorted_and_unique),
        cmocka_unit_test(a_copy_is_the_same_and_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
