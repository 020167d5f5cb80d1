#include "tests/unit/control/metrics/metrics_fixture.h"

#include "core/shm/netview.h"

static void
with_kernel_sockets_there_is_nothing_of_a_network(void **state)
{
    struct metrics_fixture *f = metrics_fixture_new();
    netview_set(region_netview(&f->region, 0), NETVIEW_N_RX_FRAMES, 4);
    assert_null(strstr(metrics_fixture_render(f, METRICS_PROMETHEUS, false), "sluice_net_"));
    assert_null(strstr(metrics_fixture_render(f, METRICS_PROMETHEUS, true), "sluice_core_net"));
    metrics_fixture_free(f);
}

static void
the_small_set_has_sums_over_the_cores(void **state)
{
    struct metrics_fixture *f = metrics_fixture_new();
    metrics_fixture_set(f, "net", "dpdk");
    for (uint32_t i = 0; i < CENSUS_SHARDS; i++) {
        struct netview *v = region_netview(&f->region, i);
        netview_device_set(v, 0, NETVIEW_N_RX_FRAMES, 4 + i);
        netview_set(v, NETVIEW_N_TCP_CONNECTIONS, 10);
        netview_set(v, NETVIEW_N_TCP_DROP_SEQ, i);
        netview_set(v, NETVIEW_N_POLLS, 100);
        netview_set(v, NETVIEW_N_POLLS_EMPTY, 90);
        netview_set(v, NETVIEW_N_SEND_NS, 250000000);
        netview_set(v, NETVIEW_N_FILES_NS, 2000000000);
    }
    const char *text = metrics_fixture_render(f, METRICS_PROMETHEUS, false);
    assert_true(
        metrics_fixture_line(text, "sluice_net_frames_total{port=\"0\",direction=\"in\"} 9"));
    assert_true(
        metrics_fixture_line(text, "sluice_net_frames_total{port=\"0\",direction=\"out\"} 0"));
    assert_true(metrics_fixture_line(text, "sluice_net_connections{state=\"open\"} 20"));
    assert_true(metrics_fixture_line(text, "sluice_net_connections{state=\"time_wait\"} 0"));
    assert_true(metrics_fixture_line(
        text, "sluice_net_drops_total{part=\"tcp\",reason=\"tcp_sequence\"} 1"));
    assert_true(metrics_fixture_line(
        text, "sluice_net_drops_total{port=\"0\",part=\"ip\",reason=\"ip_fragment\"} 0"));
    assert_true(metrics_fixture_line(text, "sluice_net_polls_total{result=\"empty\"} 180"));
    assert_true(metrics_fixture_line(text, "sluice_net_polls_total{result=\"burst\"} 20"));
    assert_true(metrics_fixture_line(text, "sluice_net_stage_seconds_total{stage=\"send\"} 0.5"));
    assert_true(metrics_fixture_line(text, "sluice_net_stage_seconds_total{stage=\"files\"} 4"));
    metrics_fixture_free(f);
}

static void
the_internal_set_has_each_core(void **state)
{
    struct metrics_fixture *f = metrics_fixture_new();
    metrics_fixture_set(f, "net", "dpdk");
    netview_device_set(region_netview(&f->region, 1), 0, NETVIEW_N_ECHOES, 7);
    netview_device_set(region_netview(&f->region, 1), 0, NETVIEW_N_NEIGHBOURS, 3);
    netview_set(region_netview(&f->region, 1), NETVIEW_N_NAPS, 5);
    const char *text = metrics_fixture_render(f, METRICS_PROMETHEUS, true);
    assert_true(metrics_fixture_line(text, "sluice_core_net_total{core=\"1\",port=\"0\",part="
                                           "\"ip\",counter=\"echoes\",unit=\"packets\"} 7"));
    assert_true(
        metrics_fixture_line(text, "sluice_core_net_now{core=\"1\",port=\"0\",part=\"ip\",counter="
                                   "\"neighbours\",unit=\"neighbours\"} 3"));
    assert_true(metrics_fixture_line(
        text, "sluice_core_net_total{core=\"1\",part=\"loop\",counter=\"naps\",unit=\"naps\"} 5"));
    metrics_fixture_free(f);
}

static void
each_device_has_series_of_its_own(void **state)
{
    struct metrics_fixture *f = metrics_fixture_new();
    metrics_fixture_set(f, "net", "dpdk");
    metrics_fixture_set(f, "net.devices", "net_tap0,iface=a;net_tap1,iface=b");
    for (uint32_t i = 0; i < CENSUS_SHARDS; i++)
        for (uint32_t d = 0; d < 2; d++) {
            struct netview *v = region_netview(&f->region, i);
            netview_device_set(v, d, NETVIEW_N_TX_BYTES, 100 * (d + 1));
            netview_device_set(v, d, NETVIEW_N_TX_BY_REFERENCE, 70 * (d + 1));
            netview_device_set(v, d, NETVIEW_N_TX_COPIED, 20 * (d + 1));
            netview_device_set(v, d, NETVIEW_N_SPANS_HELD, d);
            netview_device_set(v, d, NETVIEW_N_NEIGHBOURS, d);
            netview_device_set(v, d, NETVIEW_N_RX_MISSED, 3 * d);
        }
    const char *text = metrics_fixture_render(f, METRICS_PROMETHEUS, false);
    assert_true(
        metrics_fixture_line(text, "sluice_net_bytes_total{port=\"0\",direction=\"out\"} 200"));
    assert_true(
        metrics_fixture_line(text, "sluice_net_bytes_total{port=\"1\",direction=\"out\"} 400"));
    assert_true(metrics_fixture_line(
        text, "sluice_net_payload_bytes_total{port=\"1\",sent=\"by_reference\"} 280"));
    assert_true(metrics_fixture_line(
        text, "sluice_net_payload_bytes_total{port=\"0\",sent=\"copied\"} 40"));
    assert_true(metrics_fixture_line(text, "sluice_net_spans_held{port=\"1\"} 2"));
    assert_true(metrics_fixture_line(text, "sluice_net_neighbours{port=\"1\"} 2"));
    assert_true(metrics_fixture_line(
        text, "sluice_net_drops_total{port=\"1\",part=\"nic\",reason=\"rx_missed\"} 6"));
    text = metrics_fixture_render(f, METRICS_PROMETHEUS, true);
    assert_true(metrics_fixture_line(text,
                                     "sluice_core_net_total{core=\"1\",port=\"1\",part=\"nic\","
                                     "counter=\"tx_bytes\",unit=\"bytes\"} 200"));
    metrics_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_kernel_sockets_there_is_nothing_of_a_network),
        cmocka_unit_test(the_small_set_has_sums_over_the_cores),
        cmocka_unit_test(the_internal_set_has_each_core),
        cmocka_unit_test(each_device_has_series_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
