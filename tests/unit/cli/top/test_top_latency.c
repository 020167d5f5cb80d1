#include "cli/top/top.h"
#include "tests/unit/unit.h"

#include <string.h>

/* One read of the endpoint: so many values in three buckets of produce's whole time. */
static json_t *
read_at(int64_t now_ms, int low, int middle, int last)
{
    json_t *all = json_pack(
        "[{s:s, s:s, s:I, s:i, s:i, s:{s:i, s:i, s:i}}, {s:s, s:s, s:I, s:i, s:i, s:{s:i}}]",
        "request", "produce", "stage", "total", "now_ms", (json_int_t)now_ms, "count",
        low + middle + last, "sum", 1000 * low + 50000 * middle, "buckets", "50000", middle, "1000",
        low, "inf", last, "request", "produce", "stage", "send", "now_ms", (json_int_t)now_ms,
        "count", low, "sum", low, "buckets", "1000", low);
    assert_non_null(all);
    return all;
}

static json_t *
latency(json_t *before, json_t *after)
{
    json_t *l = top_latency(before, after);
    json_decref(before);
    json_decref(after);
    return l;
}

static double
of(const json_t *l, const char *key)
{
    return json_number_value(json_object_get(json_array_get(l, 0), key));
}

static void
quantiles_are_of_what_came_between(void **state)
{
    json_t *l = latency(read_at(1000, 1000, 0, 0), read_at(3000, 1098, 2, 0));
    assert_int_equal(json_array_size(l), 1); /* the stage is no kind of request */
    assert_true(of(l, "rate") == 50);
    assert_true(of(l, "p50_us") == 1);
    assert_true(of(l, "p99_us") == 50);
    assert_true(of(l, "mean_us") > 1.9 && of(l, "mean_us") < 2);
    json_decref(l);
}

static void
what_has_no_bound_counts_as_the_largest_that_has(void **state)
{
    json_t *l = latency(read_at(0, 0, 0, 0), read_at(1000, 1, 1, 98));
    assert_true(of(l, "p99_us") == 50);
    json_decref(l);
}

static void
a_dataplane_that_was_started_anew_counts_from_nothing(void **state)
{
    json_t *l = latency(read_at(0, 500, 500, 0), read_at(1000, 10, 0, 0));
    assert_true(of(l, "rate") == 10);
    assert_true(of(l, "p99_us") == 1);
    json_decref(l);
}

static void
requests_that_did_not_come_are_left_out(void **state)
{
    json_t *l = latency(read_at(0, 5, 5, 0), read_at(1000, 5, 5, 0));
    assert_int_equal(json_array_size(l), 0);
    json_decref(l);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_of_what_came_between),
        cmocka_unit_test(what_has_no_bound_counts_as_the_largest_that_has),
        cmocka_unit_test(a_dataplane_that_was_started_anew_counts_from_nothing),
        cmocka_unit_test(requests_that_did_not_come_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
