#include "core/shm/hists.h"
#include "tests/unit/control/metrics/metrics_fixture.h"

static void
add(struct metrics_fixture *f, uint32_t shard, enum hist h, uint64_t v)
{
    struct counters c = {region_counters(&f->region, shard)};
    hists_add(&c, h, v);
}

static void
a_histogram_is_cumulative_over_all_cores_in_seconds(void **state)
{
    (void)state;
    struct metrics_fixture *f = metrics_fixture_new();
    add(f, 0, HIST_PRODUCE_TOTAL, 1024);
    add(f, 1, HIST_PRODUCE_TOTAL, 1500);
    add(f, 1, HIST_PRODUCE_TOTAL, UINT64_C(100000000000));
    const char *text = metrics_fixture_render(f, METRICS_PROMETHEUS, false);
#define S(suffix) "sluice_request_seconds_" suffix
    assert_true(metrics_fixture_line(text, "# TYPE sluice_request_seconds histogram"));
    assert_true(
        metrics_fixture_line(text, S("bucket") "{request=\"produce\",le=\"0.000001024\"} 1"));
    assert_true(
        metrics_fixture_line(text, S("bucket") "{request=\"produce\",le=\"0.000002048\"} 2"));
    assert_true(
        metrics_fixture_line(text, S("bucket") "{request=\"produce\",le=\"17.179869184\"} 2"));
    assert_true(metrics_fixture_line(text, S("bucket") "{request=\"produce\",le=\"+Inf\"} 3"));
    assert_true(metrics_fixture_line(text, S("sum") "{request=\"produce\"} 100.000002524"));
    assert_true(metrics_fixture_line(text, S("count") "{request=\"produce\"} 3"));
    assert_true(metrics_fixture_line(text, S("count") "{request=\"group\"} 0"));
    metrics_fixture_free(f);
}

static void
stages_are_told_by_request_and_stage(void **state)
{
    (void)state;
    struct metrics_fixture *f = metrics_fixture_new();
    add(f, 0, HIST_PRODUCE_WAIT, 5);
    add(f, 0, HIST_FETCH_WAIT, 5);
    add(f, 0, HIST_FETCH_WAIT, 5);
    const char *text = metrics_fixture_render(f, METRICS_PROMETHEUS, false);
#define C "sluice_request_stage_seconds_count{request="
    assert_true(metrics_fixture_line(text, C "\"produce\",stage=\"durable\"} 1"));
    assert_true(metrics_fixture_line(text, C "\"fetch\",stage=\"purgatory\"} 2"));
    assert_true(metrics_fixture_line(text, C "\"produce\",stage=\"append\"} 0"));
    assert_null(strstr(text, "stage=\"total\""));
    metrics_fixture_free(f);
}

static void
sizes_are_told_in_bytes(void **state)
{
    (void)state;
    struct metrics_fixture *f = metrics_fixture_new();
    add(f, 0, HIST_BATCH_BYTES, UINT64_C(100) << HISTS_BYTES_SHIFT);
    const char *text = metrics_fixture_render(f, METRICS_PROMETHEUS, false);
    assert_true(metrics_fixture_line(text, "sluice_produce_batch_bytes_bucket{le=\"64\"} 0"));
    assert_true(metrics_fixture_line(text, "sluice_produce_batch_bytes_bucket{le=\"128\"} 1"));
    assert_true(metrics_fixture_line(text, "sluice_produce_batch_bytes_sum 100"));
    metrics_fixture_free(f);
}

static void
the_internal_text_has_every_bucket_of_every_core(void **state)
{
    (void)state;
    struct metrics_fixture *f = metrics_fixture_new();
    add(f, 1, HIST_TURN, 1200);
    const char *text = metrics_fixture_render(f, METRICS_PROMETHEUS, true);
    assert_true(metrics_fixture_line(
        text, "sluice_core_seconds_bucket{core=\"1\",histogram=\"turn\",le=\"0.00000128\"} 1"));
    assert_true(
        metrics_fixture_line(text, "sluice_core_seconds_count{core=\"0\",histogram=\"turn\"} 0"));
    assert_non_null(strstr(text, "sluice_core_bytes_sum{core=\"0\",histogram=\"batch_bytes\"}"));
    metrics_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_histogram_is_cumulative_over_all_cores_in_seconds),
        cmocka_unit_test(stages_are_told_by_request_and_stage),
        cmocka_unit_test(sizes_are_told_in_bytes),
        cmocka_unit_test(the_internal_text_has_every_bucket_of_every_core),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
