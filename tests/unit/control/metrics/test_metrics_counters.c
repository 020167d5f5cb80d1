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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_counter_is_the_sum_of_all_cores_and_control),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
