#include "tests/unit/control/census/census_fixture.h"

static void
offsets_belong_to_the_group_before_them_and_share_their_topics_text(void **state)
{
    (void)state;
    struct census c;
    census_fixture_groups(&c);
    assert_int_equal(c.group_count, 2);
    assert_int_equal(c.groups[0].first, 0);
    assert_int_equal(c.groups[0].count, 3);
    assert_int_equal(c.groups[1].first, 3);
    assert_int_equal(c.groups[1].count, 1);
    assert_int_equal(c.offsets[0].topic.at, c.offsets[1].topic.at);
    assert_true(view_equal(census_view(&c, c.offsets[3].topic), view_of_text("beta")));
    assert_true(view_equal(census_view(&c, c.groups[0].protocol), view_of_text("range")));
    assert_true(view_equal(census_view(&c, c.txns[0].id), view_of_text("tx")));
    assert_int_equal(c.clients[0].count, 1);
    assert_true(view_equal(census_view(&c, c.clients[0].software_version), view_of_text("4.3")));
    assert_true(
        view_equal(census_view(&c, c.values[c.clients[0].first].name), view_of_text("open")));
    census_free(&c);
}

static void
what_does_not_fit_is_left_out_and_counted(void **state)
{
    (void)state;
    struct census c;
    struct census_group g = {.state = "Empty", .type = "Classic"};
    static uint8_t name[1 << 20];
    census_init(&c);
    uint32_t told = 0;
    for (uint32_t i = 0; i < 80; i++)
        told +=
            census_add_group(&c, &g, view_of(name, sizeof name), view_of("", 0), view_of("", 0));
    assert_true(told > 0 && told < 80);
    assert_int_equal(c.group_count, told);
    assert_int_equal(c.short_of, 80 - told);
    assert_true(c.bytes <= CENSUS_BYTES_MAX);
    census_free(&c);
}

static void
a_rewind_forgets_what_was_added_since(void **state)
{
    (void)state;
    struct census c;
    census_fixture_groups(&c);
    struct census_mark mark = census_mark_of(&c);
    struct census_group g = {.state = "Empty", .type = "Classic"};
    assert_true(census_add_group(&c, &g, view_of_text("x"), view_of("", 0), view_of("", 0)));
    assert_true(census_add_offset(&c, view_of_text("alpha"), 0, 1, 1));
    census_rewind(&c, &mark);
    assert_int_equal(c.group_count, 2);
    assert_int_equal(c.offset_count, 4);
    assert_true(census_add_group(&c, &g, view_of_text("y"), view_of("", 0), view_of("", 0)));
    assert_true(view_equal(census_view(&c, c.groups[2].id), view_of_text("y")));
    assert_true(view_equal(census_view(&c, c.txns[0].id), view_of_text("tx")));
    census_free(&c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_belong_to_the_group_before_them_and_share_their_topics_text),
        cmocka_unit_test(what_does_not_fit_is_left_out_and_counted),
        cmocka_unit_test(a_rewind_forgets_what_was_added_since),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
