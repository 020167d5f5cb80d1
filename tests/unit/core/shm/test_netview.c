#include "core/shm/netview.h"

#include "core/base/err.h"
#include "tests/unit/unit.h"

#include <string.h>

static struct netview view;
static struct netview_answer core;

static int
zero(void **state)
{
    memset(&view, 0, sizeof view);
    netview_answer_init(&view, &core);
    return 0;
}

/* Fills rows that say their place, up to `last`. */
static void
fill(uint32_t last)
{
    struct netview_row *row;
    while (core.at <= last && (row = netview_free(&view, &core))) {
        row->u.port.queue = core.at++;
        netview_keep(&core);
    }
    netview_answer_end(&view, &core, core.at > last);
}

static void
every_counter_has_a_name_of_its_own_a_unit_and_help(void **state)
{
    for (unsigned i = 0; i < NETVIEW_COUNTERS; i++) {
        const struct netview_counter_row *row = netview_counter_row((enum netview_counter)i);
        assert_true(strlen(row->name) > 0);
        assert_true(strlen(row->unit) > 0);
        assert_true(strlen(row->help) > 0);
        assert_true(strlen(netview_part_name(row->part)) > 0);
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(netview_counter_row((enum netview_counter)k)->name, row->name);
    }
}

static void
drops_are_told_from_other_counters(void **state)
{
    assert_true(netview_is_drop(NETVIEW_N_TCP_DROP_SEQ));
    assert_true(netview_is_drop(NETVIEW_N_RX_MISSED));
    assert_false(netview_is_drop(NETVIEW_N_POLLS));
    assert_true(netview_counter_row(NETVIEW_N_NEIGHBOURS)->gauge);
    assert_false(netview_counter_row(NETVIEW_N_RX_FRAMES)->gauge);
}

static void
a_counter_reads_as_it_was_set(void **state)
{
    netview_set(&view, NETVIEW_N_NAPS, 7);
    assert_int_equal(netview_count(&view, NETVIEW_N_NAPS), 7);
    assert_int_equal(netview_count(&view, NETVIEW_N_POLLS), 0);
}

static void
a_device_has_counters_of_its_own_for_what_it_and_ip_count(void **state)
{
    netview_device_set(&view, 3, NETVIEW_N_RX_FRAMES, 9);
    assert_int_equal(netview_device_count(&view, 3, NETVIEW_N_RX_FRAMES), 9);
    assert_int_equal(netview_device_count(&view, 2, NETVIEW_N_RX_FRAMES), 0);
    assert_int_equal(netview_device_count(&view, NETVIEW_DEVICES_MAX, NETVIEW_N_RX_FRAMES), 0);
    assert_int_equal(netview_count(&view, NETVIEW_N_RX_FRAMES), 0);
    assert_true(netview_of_device(NETVIEW_N_RX_FRAMES));
    assert_true(netview_of_device(NETVIEW_N_IP_STALLED));
    assert_false(netview_of_device(NETVIEW_N_TCP_DROP_SEQ));
    assert_false(netview_of_device(NETVIEW_N_POLLS));
}

static void
nobody_asks_and_nothing_is_open(void **state)
{
    assert_false(netview_asked(&view, &core));
}

static void
a_question_is_open_until_it_is_answered(void **state)
{
    struct netview_page page;
    uint32_t number = netview_ask(&view, NETVIEW_NEIGHBOURS, 5);
    assert_int_equal(netview_take(&view, number, &page), ERR_AGAIN);
    assert_true(netview_asked(&view, &core));
    assert_int_equal(core.list, NETVIEW_NEIGHBOURS);
    assert_int_equal(core.at, 5);
    assert_non_null(netview_free(&view, &core));
    netview_keep(&core);
    assert_true(netview_asked(&view, &core)); /* the next turn */
    assert_int_equal(netview_take(&view, number, &page), ERR_AGAIN);
    fill(7);
    assert_false(netview_asked(&view, &core));
    assert_int_equal(netview_take(&view, number, &page), ERR_OK);
    assert_int_equal(page.count, 4);
    assert_int_equal(page.rows[1].u.port.queue, 5);
    assert_int_equal(page.next, NETVIEW_END);
}

static void
a_list_longer_than_a_page_goes_on_where_the_page_says(void **state)
{
    struct netview_page page = {.next = 0};
    uint32_t seen = 0, pages = 0, last = 2 * NETVIEW_ROWS_MAX + 2;
    for (; page.next != NETVIEW_END; pages++) {
        uint32_t number = netview_ask(&view, NETVIEW_CONNECTIONS, page.next);
        assert_true(netview_asked(&view, &core));
        fill(last);
        assert_int_equal(netview_take(&view, number, &page), ERR_OK);
        for (uint32_t i = 0; i < page.count; i++)
            assert_int_equal(page.rows[i].u.port.queue, seen++);
    }
    assert_int_equal(seen, last + 1);
    assert_int_equal(pages, 3);
}

static void
a_newer_question_takes_the_place_of_an_open_one(void **state)
{
    struct netview_page page;
    uint32_t old = netview_ask(&view, NETVIEW_PORTS, 0);
    assert_true(netview_asked(&view, &core));
    netview_keep(&core);
    uint32_t number = netview_ask(&view, NETVIEW_ROUTES, 0);
    assert_true(netview_asked(&view, &core));
    assert_int_equal(core.list, NETVIEW_ROUTES);
    fill(0);
    assert_int_equal(netview_take(&view, old, &page), ERR_AGAIN);
    assert_int_equal(netview_take(&view, number, &page), ERR_OK);
    assert_int_equal(page.count, 1);
}

static void
a_core_that_begins_answers_what_is_open_and_leaves_the_last_page_alone(void **state)
{
    struct netview_page page;
    uint32_t number = netview_ask(&view, NETVIEW_PORTS, 0);
    netview_answer_init(&view, &core); /* one died over it */
    assert_true(netview_asked(&view, &core));
    fill(0);
    netview_answer_init(&view, &core);
    assert_false(netview_asked(&view, &core));
    assert_int_equal(netview_take(&view, number, &page), ERR_OK);
}

static void
the_number_of_a_question_is_never_none(void **state)
{
    view.question = UINT32_MAX;
    assert_int_equal(netview_ask(&view, NETVIEW_PORTS, 0), 1);
}

static void
a_count_beyond_the_page_is_cut(void **state)
{
    struct netview_page page;
    uint32_t number = netview_ask(&view, NETVIEW_PORTS, 0);
    view.count = UINT32_MAX;
    view.answered = number;
    assert_int_equal(netview_take(&view, number, &page), ERR_OK);
    assert_int_equal(page.count, NETVIEW_ROWS_MAX);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_counter_has_a_name_of_its_own_a_unit_and_help, zero),
        cmocka_unit_test_setup(drops_are_told_from_other_counters, zero),
        cmocka_unit_test_setup(a_counter_reads_as_it_was_set, zero),
        cmocka_unit_test_setup(a_device_has_counters_of_its_own_for_what_it_and_ip_count, zero),
        cmocka_unit_test_setup(nobody_asks_and_nothing_is_open, zero),
        cmocka_unit_test_setup(a_question_is_open_until_it_is_answered, zero),
        cmocka_unit_test_setup(a_list_longer_than_a_page_goes_on_where_the_page_says, zero),
        cmocka_unit_test_setup(a_newer_question_takes_the_place_of_an_open_one, zero),
        cmocka_unit_test_setup(
            a_core_that_begins_answers_what_is_open_and_leaves_the_last_page_alone, zero),
        cmocka_unit_test_setup(the_number_of_a_question_is_never_none, zero),
        cmocka_unit_test_setup(a_count_beyond_the_page_is_cut, zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
