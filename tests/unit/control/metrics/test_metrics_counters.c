#include "tests/unit/control/metrics/metrics_fixture.h"

static void
a_counter_is_the_sum_of_all_cores_and_control(void **state)
{
    (void)state;
    struct metrics_fixture *f = metrics_fixture_new();
    for (uint32_t b = 0; b <= CENSUS_SHARDS; b++) {
        struct counters c = {region_counters(&f->region, b)};
        counters_set(&c, COUNTER_REQUESTS, 10 + b);
        counters_set(&c, DROP_IDLE, b);
    }
    const char *text = metrics_fixture_render(f, METRICS_PROMETHEUS, false);
    assert_true(metrics_fixture_line(text, "sluice_requests_total 33"));
    assert_true(metrics_fixture_line(text, "sluice_drops_total{reason=\"idle\"} 3"));
    assert_true(metrics_fixture_line(text, "sluice_drops_total{reason=\"batch_corrupt\"} 0"));
    text = metrics_fixture_render(f, METRICS_PROMETHEUS, true);
    assert_true(metrics_fixture_line(
        text, "sluice_core_total{core=\"1\",counter=\"requests\",unit=\"requests\"} 11"));
    assert_true(metrics_fixture_line(
        text, "sluice_core_total{core=\"control\",counter=\"idle\",unit=\"drops\"} 2"));
    metrics_fixture_free(f);
}

static void
apis_that_were_asked_are_told_by_name(void **state)
{
    (void)state;
    struct metrics_fixture *f = metrics_fixture_new();
    struct counters c = {region_counters(&f->region, 1)};
    counters_api(&c, 0);
    counters_api(&c, 0);
    counters_api(&c, 18);
    const char *text = metrics_fixture_render(f, METRICS_PROMETHEUS, false);
    assert_true(metrics_fixture_line(text, "sluice_api_requests_total{api=\"Produce\"} 2"));
    assert_true(metrics_fixture_line(text, "sluice_api_requests_total{api=\"ApiVersions\"} 1"));
    assert_null(strstr(text, "api=\"Fetch\""));
    metrics_fixture_free(f);
}

static void
errors_are_told_by_api_and_name_over_all_cores(void **state)
{
    (void)state;
    struct metrics_fixture *f = metrics_fixture_new();
    for (uint32_t b = 0; b <= CENSUS_SHARDS; b++) {
        struct counters c = {region_counters(&f->region, b)};
        counters_error(&c, (int16_t)(8 + b), 25); /* the same pair never has the same place */
        counters_error(&c, 0, 3);
    }
    const char *text = metrics_fixture_render(f, METRICS_PROMETHEUS, false);
    assert_true(metrics_fixture_line(
        text, "sluice_api_errors_total{api=\"Produce\",error=\"UNKNOWN_TOPIC_OR_PARTITION\"} 3"));
    assert_true(metrics_fixture_line(
        text, "sluice_api_errors_total{api=\"OffsetCommit\",error=\"UNKNOWN_MEMBER_ID\"} 1"));
    assert_null(strstr(text, "error=\"NONE\""));
    metrics_fixture_free(f);
}

static void
loops_tell_how_busy_they_are_and_where_they_stalled(void **state)
{
    (void)state;
    struct metrics_fixture *f = metrics_fixture_new();
    struct counters c = {region_counters(&f->region, 1)};
    counters_set(&c, COUNTER_BUSY_NS, UINT64_C(2500000000));
    counters_set(&c, COUNTER_TURN_LONGEST_NS, 3000000);
    counters_add(&c, COUNTER_STALLS_DISK, 2);
    const char *text = metrics_fixture_render(f, METRICS_PROMETHEUS, false);
    assert_true(metrics_fixture_line(text, "sluice_core_busy_seconds_total{core=\"1\"} 2.5"));
    assert_true(metrics_fixture_line(text, "sluice_turn_longest_seconds{core=\"1\"} 0.003"));
    assert_true(metrics_fixture_line(text, "sluice_stalls_total{place=\"disk\"} 2"));
    assert_true(metrics_fixture_line(text, "sluice_stalls_total{place=\"timers\"} 0"));
    metrics_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(apis_that_were_asked_are_told_by_name),
        cmocka_unit_test(errors_are_told_by_api_and_name_over_all_cores),
        cmocka_unit_test(loops_tell_how_busy_they_are_and_where_they_stalled),
        cmocka_unit_test(a_counter_is_the_sum_of_all_cores_and_control),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
