#include "core/wire/feature.h"
#include "tests/unit/control/metrics/metrics_fixture.h"

#include <stdio.h>

static void
the_broker_tells_who_it_is_and_what_it_holds(void **state)
{
    (void)state;
    struct metrics_fixture *f = metrics_fixture_new();
    const char *text = metrics_fixture_render(f, METRICS_PROMETHEUS, false);
    assert_true(metrics_fixture_line(text, "sluice_build_info{version=\"" SLUICE_VERSION "\"} 1"));
    assert_true(metrics_fixture_line(
        text, "sluice_node_info{cluster_id=\"abcdefghijklmnopqrstuv\",node_id=\"7\",net=\"kernel\","
              "idle=\"sleep\",rack=\"\"} 1"));
    for (uint32_t i = 0; i < FEATURES; i++) {
        char line[128];
        (void)snprintf(line, sizeof line, "sluice_feature_info{feature=\"%s\",level=\"%d\"} 1",
                       feature_row((enum feature)i)->name, feature_row((enum feature)i)->max);
        assert_true(metrics_fixture_line(text, line));
    }
    assert_true(metrics_fixture_line(text, "sluice_topics 2"));
    assert_true(metrics_fixture_line(text, "sluice_topics_limit 4"));
    assert_true(metrics_fixture_line(text, "sluice_partitions 3"));
    assert_true(metrics_fixture_line(text, "sluice_partitions_limit 8"));
    assert_true(metrics_fixture_line(text, "sluice_partitions_offline 0"));
    assert_true(metrics_fixture_line(text, "sluice_log_bytes 300"));
    assert_true(metrics_fixture_line(text, "sluice_cores 2"));
    assert_true(metrics_fixture_line(text, "kafka_brokers 1"));
    assert_true(
        metrics_fixture_line(text, "kafka_broker_info{id=\"7\",address=\"127.0.0.1:9092\"} 1"));
    metrics_fixture_free(f);
}

static void
processes_tell_what_is_known_of_them(void **state)
{
    (void)state;
    struct metrics_fixture *f = metrics_fixture_new();
    f->source.up[REGION_DATA] = false;
    f->source.processes[REGION_CONTROL] =
        (struct metrics_process){true, true, 4096, UINT64_C(1250000000)};
    const char *text = metrics_fixture_render(f, METRICS_PROMETHEUS, false);
    assert_true(metrics_fixture_line(text, "sluice_dataplane_up 0"));
    assert_true(metrics_fixture_line(text, "sluice_process_up{process=\"data\"} 0"));
    assert_true(metrics_fixture_line(text, "sluice_process_up{process=\"control\"} 1"));
    assert_true(metrics_fixture_line(text, "sluice_process_starts_total{process=\"data\"} 1"));
    assert_true(metrics_fixture_line(text, "sluice_process_silence_seconds{process=\"data\"} 1.5"));
    assert_true(metrics_fixture_line(
        text, "sluice_process_resident_memory_bytes{process=\"control\"} 4096"));
    assert_true(
        metrics_fixture_line(text, "sluice_process_cpu_seconds_total{process=\"control\"} 1.25"));
    assert_null(strstr(text, "sluice_process_cpu_seconds_total{process=\"data\"}"));
    metrics_fixture_free(f);
}

static void
each_data_directory_tells_its_file_system(void **state)
{
    (void)state;
    struct metrics_fixture *f = metrics_fixture_new();
    metrics_fixture_set(f, "log.dirs", "/d1, /d2");
    f->source.disks[1] = (struct metrics_disk){true, 10, 20};
    const char *text = metrics_fixture_render(f, METRICS_PROMETHEUS, false);
    assert_true(metrics_fixture_line(text, "sluice_disk_free_bytes{dir=\"/d2\"} 10"));
    assert_true(metrics_fixture_line(text, "sluice_disk_bytes{dir=\"/d2\"} 20"));
    assert_null(strstr(text, "/d1\"}"));
    metrics_fixture_free(f);
}

static void
the_internal_text_has_the_configuration(void **state)
{
    (void)state;
    struct metrics_fixture *f = metrics_fixture_new();
    const char *text = metrics_fixture_render(f, METRICS_PROMETHEUS, true);
    assert_true(metrics_fixture_line(text, "sluice_config_info{key=\"node.id\",value=\"1\"} 1"));
    metrics_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_broker_tells_who_it_is_and_what_it_holds),
        cmocka_unit_test(processes_tell_what_is_known_of_them),
        cmocka_unit_test(each_data_directory_tells_its_file_system),
        cmocka_unit_test(the_internal_text_has_the_configuration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
