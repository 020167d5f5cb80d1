#include "cli/top/top.h"
#include "tests/unit/unit.h"

#include <string.h>

static json_t *
sample(int64_t ms, int64_t requests, int64_t idle, int64_t end)
{
    json_t *cores =
        json_pack("[{s:i, s:I, s:{s:I, s:I, s:I, s:i, s:i}}]", "core", 0, "now_ms", (json_int_t)ms,
                  "counters", "requests", (json_int_t)requests, "turns", (json_int_t)(2 * requests),
                  "turns_idle", (json_int_t)idle, "connections_opened", 5, "connections_closed", 2);
    json_t *partitions =
        json_pack("[{s:s, s:i, s:i, s:I, s:i}, {s:s, s:i, s:i, s:i, s:i}]", "topic", "a",
                  "partition", 0, "core", 0, "log_end_offset", (json_int_t)end, "bytes", 10,
                  "topic", "b", "partition", 0, "core", 0, "log_end_offset", 7, "bytes", 10);
    json_t *s = json_pack(
        "{s:{s:I, s:i, s:s, s:b}, s:o, s:o, s:[{s:s, s:s, s:i, s:i}, {s:s, s:s, s:i, s:i}], "
        "s:[{s:s, s:i}, {s:s, s:i}], s:[]}",
        "cluster", "now_ms", (json_int_t)ms, "node_id", 3, "cluster_id", "id", "dataplane_up", 1,
        "cores", cores, "partitions", partitions, "groups", "group", "g1", "state", "Stable",
        "members", 1, "lag", 5, "group", "g2", "state", "Empty", "members", 0, "lag", 50, "drops",
        "reason", "frame", "count", 4, "reason", "none", "count", 0, "processes");
    assert_non_null(s);
    return s;
}

static json_t *
view_of(json_t *before, json_t *after)
{
    json_t *v = top_view(before, after);
    json_decref(before);
    json_decref(after);
    return v;
}

static double
real(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static void
rates_are_a_seconds(void **state)
{
    json_t *v = view_of(sample(1000, 100, 0, 50), sample(3000, 300, 400, 150));
    assert_int_equal(json_integer_value(json_object_get(v, "interval_ms")), 2000);
    assert_true(real(json_object_get(v, "rates"), "requests") == 100);
    const json_t *core = json_array_get(json_object_get(v, "cores"), 0);
    assert_true(real(core, "busy_turns") == 0.5);
    assert_int_equal(json_integer_value(json_object_get(core, "connections")), 3);
    json_decref(v);
}

static void
a_counter_that_went_back_began_anew(void **state)
{
    json_t *v = view_of(sample(1000, 500, 0, 50), sample(2000, 30, 0, 20));
    assert_true(real(json_object_get(v, "rates"), "requests") == 30);
    json_decref(v);
}

static void
the_hottest_partitions_and_the_groups_that_lag_come_first(void **state)
{
    json_t *v = view_of(sample(1000, 1, 0, 50), sample(2000, 2, 0, 150));
    const json_t *hot = json_object_get(v, "partitions"), *groups = json_object_get(v, "groups");
    assert_int_equal(json_array_size(hot), 1); /* b did not grow */
    assert_string_equal(json_string_value(json_object_get(json_array_get(hot, 0), "topic")), "a");
    assert_true(real(json_array_get(hot, 0), "records") == 100);
    assert_int_equal(json_array_size(groups), 2);
    assert_string_equal(json_string_value(json_object_get(json_array_get(groups, 0), "group")),
                        "g2");
    json_decref(v);
}

static void
only_so_many_rows_are_kept_and_they_are_the_greatest(void **state)
{
    json_t *before = sample(1000, 1, 0, 0), *after = sample(2000, 2, 0, 0);
    json_t *groups = json_object_get(after, "groups");
    json_array_clear(groups);
    for (int i = 1; i <= 3 * TOP_ROWS_MAX; i++)
        json_array_append_new(groups, json_pack("{s:s, s:i}", "group", "g", "lag", i * 7 % 31));
    json_t *v = view_of(before, after);
    groups = json_object_get(v, "groups");
    assert_int_equal(json_array_size(groups), TOP_ROWS_MAX);
    for (size_t i = 0; i < TOP_ROWS_MAX; i++)
        assert_int_equal(real(json_array_get(groups, i), "lag"), 30 - (int)i);
    json_decref(v);
}

static void
drops_that_never_happened_are_left_out(void **state)
{
    json_t *v = view_of(sample(1000, 1, 0, 0), sample(2000, 2, 0, 0));
    assert_int_equal(json_array_size(json_object_get(v, "drops")), 1);
    json_decref(v);
}

static void
two_reads_at_one_time_have_no_rate(void **state)
{
    json_t *v = view_of(sample(1000, 1, 0, 0), sample(1000, 9, 0, 9));
    assert_true(real(json_object_get(v, "rates"), "requests") == 0);
    json_decref(v);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_are_a_seconds),
        cmocka_unit_test(a_counter_that_went_back_began_anew),
        cmocka_unit_test(the_hottest_partitions_and_the_groups_that_lag_come_first),
        cmocka_unit_test(only_so_many_rows_are_kept_and_they_are_the_greatest),
        cmocka_unit_test(drops_that_never_happened_are_left_out),
        cmocka_unit_test(two_reads_at_one_time_have_no_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
