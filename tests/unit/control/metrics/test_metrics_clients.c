#include "tests/unit/control/metrics/metrics_fixture.h"

static struct metrics_fixture *
pushed(const char *labels, uint32_t bytes)
{
    struct metrics_fixture *f = metrics_fixture_new();
    const struct census_client_texts texts = {view_of_text("app"), view_of_text("java"),
                                              view_of_text("4.3"), view_of_text("127.0.0.1")};
    const uint8_t id[16] = {3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3};
    assert_true(census_add_client(&f->groups, id, 5, &texts));
    assert_true(census_add_value(&f->groups, view_of_text("latency.avg"), view_of(labels, bytes),
                                 false, 1.5));
    assert_true(census_add_value(&f->groups, view_of_text("sent"), view_of("", 0), true, 7));
    return f;
}

#define WHO "client_instance_id=\"AwMDAwMDAwMDAwMDAwMDAw\",client_id=\"app\""

static void
values_are_told_by_client_and_name_counters_apart(void **state)
{
    (void)state;
    struct metrics_fixture *f = pushed("node-id\0"
                                       "1\0",
                                       10);
    const char *text = metrics_fixture_render(f, METRICS_PROMETHEUS, false);
    assert_true(metrics_fixture_line(text, "sluice_clients 2"));
    assert_true(metrics_fixture_line(text, "sluice_client_metric{" WHO
                                           ",metric=\"latency.avg\",node_id=\"1\"} 1.5"));
    assert_true(metrics_fixture_line(text, "# TYPE sluice_client_counter_total counter"));
    assert_true(
        metrics_fixture_line(text, "sluice_client_counter_total{" WHO ",metric=\"sent\"} 7"));
    metrics_fixture_set(f, "metrics.clients", "false");
    assert_null(strstr(metrics_fixture_render(f, METRICS_PROMETHEUS, false), "sluice_client"));
    metrics_fixture_free(f);
}

static void
keys_that_would_be_the_same_get_numbers(void **state)
{
    (void)state;
    static const char labels[] = "a.b\0"
                                 "1\0"
                                 "a-b\0"
                                 "2\0"
                                 "metric\0"
                                 "3\0"
                                 "9\0"
                                 "4\0\0"
                                 "5";
    struct metrics_fixture *f = pushed(labels, sizeof labels);
    const char *text = metrics_fixture_render(f, METRICS_PROMETHEUS, false);
    assert_non_null(strstr(text, ",a_b=\"1\",a_b_2=\"2\",metric_2=\"3\",_9=\"4\",_=\"5\"} 1.5\n"));
    metrics_fixture_free(f);
}

static void
more_keys_than_the_limit_are_left_out(void **state)
{
    (void)state;
    char labels[60 * 4];
    for (uint32_t i = 0; i < 60; i++)
        memcpy(labels + i * 4, "k\0v", 4);
    struct metrics_fixture *f = pushed(labels, sizeof labels);
    const char *text = metrics_fixture_render(f, METRICS_PROMETHEUS, false);
    assert_non_null(strstr(text, ",k_45=\"v\"} 1.5\n"));
    assert_null(strstr(text, ",k_46="));
    metrics_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_told_by_client_and_name_counters_apart),
        cmocka_unit_test(keys_that_would_be_the_same_get_numbers),
        cmocka_unit_test(more_keys_than_the_limit_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
