#include "tests/unit/control/metrics/metrics_fixture.h"

#include <ctype.h>
#include <stdio.h>

static void
every_family_has_a_name_of_its_own_in_prometheus_form_and_help(void **state)
{
    (void)state;
    for (uint32_t i = 0; metrics_row(i); i++) {
        const struct metrics_row *row = metrics_row(i);
        assert_true(strncmp(row->name, "sluice_", 7) == 0 || strncmp(row->name, "kafka_", 6) == 0);
        for (const char *p = row->name; *p; p++)
            assert_true(islower((unsigned char)*p) || *p == '_' || isdigit((unsigned char)*p));
        assert_true(strlen(row->help) > 10);
        assert_null(strchr(row->help, '\\')); /* nothing in it needs to be escaped */
        assert_null(strstr(row->name, "_total"));
        assert_null(strstr(row->name, "_ms"));
        for (uint32_t k = 0; k < i; k++)
            assert_string_not_equal(metrics_row(k)->name, row->name);
    }
}

static void
help_and_type_stand_once_before_all_samples_of_a_family(void **state)
{
    (void)state;
    struct metrics_fixture *f = metrics_fixture_new();
    const char *text = metrics_fixture_render(f, METRICS_PROMETHEUS, false);
    const char *at = strstr(text, "# HELP sluice_partition_bytes bytes of a partition\n"
                                  "# TYPE sluice_partition_bytes gauge\n"
                                  "sluice_partition_bytes{topic=\"alpha\",partition=\"0\"} 100\n"
                                  "sluice_partition_bytes{topic=\"alpha\",partition=\"1\"} 100\n"
                                  "sluice_partition_bytes{topic=\"beta\",partition=\"0\"} 100\n#");
    assert_non_null(at);
    assert_null(strstr(at + 60, "# TYPE sluice_partition_bytes "));
    assert_null(strstr(text, "# EOF"));
    metrics_fixture_free(f);
}

static void
counters_and_infos_are_named_as_each_format_wants_it(void **state)
{
    (void)state;
    struct metrics_fixture *f = metrics_fixture_new();
    const char *text = metrics_fixture_render(f, METRICS_PROMETHEUS, false);
    assert_true(metrics_fixture_line(text, "# TYPE sluice_requests_total counter"));
    assert_true(metrics_fixture_line(text, "# TYPE sluice_build_info gauge"));
    text = metrics_fixture_render(f, METRICS_OPENMETRICS, false);
    assert_true(metrics_fixture_line(text, "# TYPE sluice_requests counter"));
    assert_true(metrics_fixture_line(text, "sluice_requests_total 0"));
    assert_true(metrics_fixture_line(text, "# TYPE sluice_build info"));
    assert_non_null(strstr(text, "\nsluice_build_info{version="));
    assert_string_equal(text + strlen(text) - 6, "# EOF\n");
    metrics_fixture_free(f);
}

static void
families_of_partitions_and_other_names_can_be_switched_off(void **state)
{
    (void)state;
    struct metrics_fixture *f = metrics_fixture_new();
    metrics_fixture_set(f, "metrics.partitions", "false");
    const char *text = metrics_fixture_render(f, METRICS_PROMETHEUS, false);
    assert_null(strstr(text, "partition=\""));
    assert_non_null(strstr(text, "kafka_topic_partitions{"));
    assert_non_null(strstr(text, "sluice_group_lag_records{"));
    metrics_fixture_set(f, "metrics.partitions", "true");
    metrics_fixture_set(f, "metrics.compat", "none");
    text = metrics_fixture_render(f, METRICS_PROMETHEUS, false);
    assert_null(strstr(text, "kafka_"));
    assert_non_null(strstr(text, "sluice_partition_bytes{"));
    metrics_fixture_free(f);
}

static void
the_internal_text_has_every_counter_of_every_core_and_nothing_else(void **state)
{
    (void)state;
    struct metrics_fixture *f = metrics_fixture_new();
    const char *text = metrics_fixture_render(f, METRICS_PROMETHEUS, true);
    assert_null(strstr(text, "sluice_partition"));
    for (uint32_t c = 0; c < COUNTERS; c++) {
        char part[128];
        (void)snprintf(part, sizeof part, "core=\"1\",counter=\"%s\"",
                       counters_row((enum counter)c)->name);
        assert_non_null(strstr(text, part));
    }
    metrics_fixture_free(f);
}

static void
a_text_over_its_limit_says_that_it_is_full(void **state)
{
    (void)state;
    struct metrics_fixture *f = metrics_fixture_new();
    struct metrics_out o;
    metrics_open(&o, METRICS_PROMETHEUS, 1000);
    metrics_render(&o, &f->source, false);
    assert_true(o.full);
    assert_true(o.len <= 1000);
    metrics_close(&o);
    metrics_fixture_free(f);
}

static void
accept_decides_the_format(void **state)
{
    (void)state;
    assert_true(metrics_wants_open("application/openmetrics-text;version=1.0.0,text/plain;q=0.5"));
    assert_false(metrics_wants_open("text/plain;version=0.0.4;q=1,*/*;q=0.1"));
    assert_false(metrics_wants_open(""));
    assert_string_equal(metrics_content_type(METRICS_OPENMETRICS),
                        "application/openmetrics-text; version=1.0.0; charset=utf-8");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_family_has_a_name_of_its_own_in_prometheus_form_and_help),
        cmocka_unit_test(help_and_type_stand_once_before_all_samples_of_a_family),
        cmocka_unit_test(counters_and_infos_are_named_as_each_format_wants_it),
        cmocka_unit_test(families_of_partitions_and_other_names_can_be_switched_off),
        cmocka_unit_test(the_internal_text_has_every_counter_of_every_core_and_nothing_else),
        cmocka_unit_test(a_text_over_its_limit_says_that_it_is_full),
        cmocka_unit_test(accept_decides_the_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
