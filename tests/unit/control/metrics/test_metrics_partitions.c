#include "tests/unit/control/metrics/metrics_fixture.h"

static void
a_partition_tells_its_offsets_also_under_the_names_of_kafka_exporter(void **state)
{
    (void)state;
    struct metrics_fixture *f = metrics_fixture_new();
    const char *text = metrics_fixture_render(f, METRICS_PROMETHEUS, false);
#define P "{topic=\"alpha\",partition=\"1\"} "
    assert_true(metrics_fixture_line(text, "sluice_partition_high_watermark" P "30"));
    assert_true(metrics_fixture_line(text, "sluice_partition_log_start_offset" P "10"));
    assert_true(metrics_fixture_line(text, "sluice_partition_log_end_offset" P "30"));
    assert_true(metrics_fixture_line(text, "sluice_partition_online" P "1"));
    assert_true(metrics_fixture_line(text, "kafka_topic_partition_current_offset" P "30"));
    assert_true(metrics_fixture_line(text, "kafka_topic_partition_oldest_offset" P "10"));
    assert_true(metrics_fixture_line(text, "kafka_topic_partition_leader" P "1"));
    assert_true(metrics_fixture_line(text, "kafka_topic_partition_replicas" P "1"));
    assert_true(metrics_fixture_line(text, "kafka_topic_partition_in_sync_replica" P "1"));
    assert_true(metrics_fixture_line(text, "kafka_topic_partition_leader_is_preferred" P "1"));
    assert_true(
        metrics_fixture_line(text, "kafka_topic_partition_under_replicated_partition" P "0"));
    assert_true(metrics_fixture_line(text, "sluice_topic_partitions{topic=\"alpha\"} 2"));
    assert_true(metrics_fixture_line(text, "sluice_topic_bytes{topic=\"alpha\"} 200"));
    metrics_fixture_free(f);
}

static void
a_partition_that_nobody_serves_is_offline_and_has_no_offsets(void **state)
{
    (void)state;
    struct metrics_fixture *f = metrics_fixture_new();
    struct census_partition *p = &f->tables.partitions[1];
    p->open = false;
    p->log_start = p->high_watermark = p->log_end = -1;
    const char *text = metrics_fixture_render(f, METRICS_PROMETHEUS, false);
    assert_true(metrics_fixture_line(text, "sluice_partition_online" P "0"));
    assert_true(metrics_fixture_line(text, "kafka_topic_partition_leader" P "-1"));
    assert_true(
        metrics_fixture_line(text, "kafka_topic_partition_under_replicated_partition" P "1"));
    assert_null(strstr(text, "sluice_partition_high_watermark" P));
    assert_null(strstr(text, "sluice_partition_bytes" P));
    metrics_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_partition_tells_its_offsets_also_under_the_names_of_kafka_exporter),
        cmocka_unit_test(a_partition_that_nobody_serves_is_offline_and_has_no_offsets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
