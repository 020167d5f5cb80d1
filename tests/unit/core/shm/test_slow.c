#include "core/shm/slow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static _Atomic uint64_t words[SLOW_WORDS];

static void
keep(struct slow *l, uint64_t now_ns, uint64_t total_ns)
{
    struct slow_row row = {.field = {[SLOW_TOTAL] = total_ns, [SLOW_AT] = now_ns}};
    if (slow_wanted(l, now_ns, total_ns))
        slow_keep(l, now_ns, &row);
}

/* Whether a request that took so long is among the rows; *count: of all of them. */
static bool
kept(uint64_t total_ns, uint32_t *count)
{
    struct slow_row row;
    bool found = false;
    *count = 0;
    for (uint32_t i = 0; i < SLOW_ROWS; i++) {
        if (!slow_read(words, i, &row))
            continue;
        ++*count;
        found |= row.field[SLOW_TOTAL] == total_ns;
    }
    return found;
}

static void
the_slowest_of_many_are_kept_whatever_their_order(void **state)
{
    (void)state;
    struct slow l;
    uint32_t count;
    slow_begin(&l, words);
    for (uint64_t i = 0; i < 1000; i++)
        keep(&l, i, i * 389 % 1000 + 1); /* each of 1 to 1000 once */
    for (uint64_t total = 1; total <= 1000; total++)
        assert_int_equal(kept(total, &count), total > 1000 - SLOW_KEPT);
    assert_int_equal(count, SLOW_KEPT);
}

static void
a_request_that_is_not_slow_costs_a_comparison(void **state)
{
    (void)state;
    struct slow l;
    slow_begin(&l, words);
    for (uint64_t i = 0; i < SLOW_KEPT; i++)
        keep(&l, 1, 100);
    assert_false(slow_wanted(&l, 2, 100));
    assert_true(slow_wanted(&l, 2, 101));
}

static void
the_span_before_is_kept_and_the_one_before_that_is_not(void **state)
{
    (void)state;
    struct slow l;
    uint32_t count;
    slow_begin(&l, words);
    keep(&l, 5, 900);
    keep(&l, 5 + SLOW_SPAN_NS, 7); /* less than what there was: it is another span */
    assert_true(kept(900, &count));
    assert_true(kept(7, &count));
    assert_int_equal(count, 2);
    keep(&l, 5 + 2 * SLOW_SPAN_NS, 8);
    assert_false(kept(900, &count));
    assert_true(kept(7, &count));
    assert_int_equal(count, 2);
}

static void
a_span_without_requests_leaves_nothing_of_those_before(void **state)
{
    (void)state;
    struct slow l;
    uint32_t count;
    slow_begin(&l, words);
    keep(&l, 5, 900);
    keep(&l, 5 + 3 * SLOW_SPAN_NS, 7);
    assert_true(kept(7, &count));
    assert_int_equal(count, 1);
}

static void
a_row_that_its_writer_left_half_written_is_no_row(void **state)
{
    (void)state;
    struct slow l;
    uint32_t count;
    slow_begin(&l, words);
    keep(&l, 5, 900);
    for (uint32_t i = 0; i < SLOW_ROWS; i++)
        atomic_fetch_add(&words[i * SLOW_ROW_WORDS], 1);
    assert_false(kept(900, &count));
    slow_begin(&l, words); /* the next writer mends it */
    keep(&l, 5, 901);
    assert_true(kept(901, &count));
    assert_int_equal(count, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_slowest_of_many_are_kept_whatever_their_order),
        cmocka_unit_test(a_request_that_is_not_slow_costs_a_comparison),
        cmocka_unit_test(the_span_before_is_kept_and_the_one_before_that_is_not),
        cmocka_unit_test(a_span_without_requests_leaves_nothing_of_those_before),
        cmocka_unit_test(a_row_that_its_writer_left_half_written_is_no_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
