#include "tests/unit/control/admin/admin_fixture.h"

#include <stdio.h>

static void
dpdk(struct admin_fixture *f)
{
    char error[CONF_ERROR_BYTES];
    assert_int_equal(conf_set(&f->conf, "net", "dpdk", CONF_OPTION, error), ERR_OK);
    assert_int_equal(conf_set(&f->conf, "net.devices", "net_tap0,iface=sl0", CONF_OPTION, error),
                     ERR_OK);
}

static void
list_set(enum netview_list list, const struct netview_row *rows, uint32_t count)
{
    admin_fixture_cores.rows[list] = rows;
    admin_fixture_cores.counts[list] = count;
}

static void
v4(uint8_t ip[16], uint8_t last)
{
    const uint8_t at[16] = {[10] = 0xff, 0xff, 10, 77, 0, last};
    memcpy(ip, at, 16);
}

static void
with_kernel_sockets_the_kernels_connections_are_told(void **state)
{
    struct admin_fixture *f = admin_fixture_new();
    json_t *o = admin_fixture_get(f, "/v1/net", 200);
    assert_string_equal(admin_fixture_text(o, "net"), "kernel");
    assert_string_equal(admin_fixture_text(o, "device"), "");
    json_t *l = admin_fixture_get(f, "/v1/net/connections", 200);
    assert_int_equal(admin_fixture_number(l, "total"), 1);
    json_t *c = admin_fixture_item(l, 0);
    assert_string_equal(admin_fixture_text(c, "local"), "10.0.0.0:9092");
    assert_int_equal(admin_fixture_number(c, "core"), -1);
    assert_int_equal(admin_fixture_number(c, "rtt_us"), 25);
    l = admin_fixture_get(f, "/v1/net/ports", 200);
    assert_int_equal(admin_fixture_number(l, "total"), 0);
    l = admin_fixture_get(f, "/v1/net/drops", 200);
    assert_int_equal(admin_fixture_number(l, "total"), 0);
    admin_fixture_free(f);
}

static void
ports_addresses_routes_and_neighbours_are_told_as_text(void **state)
{
    struct admin_fixture *f = admin_fixture_new();
    struct netview_row port = {.u.port = {.name = "net_tap",
                                          .mac = {2, 1},
                                          .mtu = 1500,
                                          .device = 3,
                                          .by_reference = UINT64_C(5000000000),
                                          .copied = 7}};
    struct netview_row address = {
        .u.address = {.prefix_bits = 120, .state = NETVIEW_OURS, .device = 1}};
    struct netview_row route = {.u.route = {.prefix_bits = 96, .device = 2}};
    struct netview_row known = {
        .u.neighbour = {.mac = {2, [5] = 9}, .state = NETVIEW_STALE, .device = 1}};
    dpdk(f);
    v4(address.u.address.ip, 2);
    v4(route.u.route.via, 1);
    memset(route.u.route.to + 10, 0xff, 2);
    v4(known.u.neighbour.ip, 1);
    known.u.neighbour.age_ns = 31 * CLOCK_NS_PER_S;
    list_set(NETVIEW_PORTS, &port, 1);
    list_set(NETVIEW_ADDRESSES, &address, 1);
    list_set(NETVIEW_ROUTES, &route, 1);
    list_set(NETVIEW_NEIGHBOURS, &known, 1);
    json_t *l = admin_fixture_get(f, "/v1/net/ports", 200);
    assert_int_equal(admin_fixture_number(l, "total"), CENSUS_SHARDS);
    assert_string_equal(admin_fixture_text(admin_fixture_item(l, 1), "mac"), "02:01:00:00:00:00");
    assert_int_equal(admin_fixture_number(admin_fixture_item(l, 1), "core"), 1);
    assert_int_equal(admin_fixture_number(admin_fixture_item(l, 1), "port"), 3);
    assert_int_equal(admin_fixture_number(admin_fixture_item(l, 1), "sent_by_reference"),
                     INT64_C(5000000000));
    assert_int_equal(admin_fixture_number(admin_fixture_item(l, 1), "sent_copied"), 7);
    l = admin_fixture_get(f, "/v1/net/addresses", 200);
    assert_int_equal(admin_fixture_number(l, "total"), 1);
    assert_string_equal(admin_fixture_text(admin_fixture_item(l, 0), "address"), "10.77.0.2/24");
    assert_string_equal(admin_fixture_text(admin_fixture_item(l, 0), "state"), "ours");
    assert_int_equal(admin_fixture_number(admin_fixture_item(l, 0), "port"), 1);
    l = admin_fixture_get(f, "/v1/net/routes", 200);
    assert_string_equal(admin_fixture_text(admin_fixture_item(l, 0), "to"), "0.0.0.0/0");
    assert_string_equal(admin_fixture_text(admin_fixture_item(l, 0), "via"), "10.77.0.1");
    assert_int_equal(admin_fixture_number(admin_fixture_item(l, 0), "port"), 2);
    l = admin_fixture_get(f, "/v1/net/neighbours", 200);
    json_t *n = admin_fixture_item(l, 0);
    assert_int_equal(admin_fixture_number(n, "port"), 1);
    assert_string_equal(admin_fixture_text(n, "state"), "stale");
    assert_string_equal(admin_fixture_text(n, "mac"), "02:00:00:00:00:09");
    assert_int_equal(admin_fixture_number(n, "age_ms"), 31000);
    admin_fixture_free(f);
}

static void
connections_of_all_cores_are_paged(void **state)
{
    static struct netview_row rows[NETVIEW_ROWS_MAX + 4];
    struct admin_fixture *f = admin_fixture_new();
    const uint32_t each = NETVIEW_ROWS_MAX + 4;
    dpdk(f);
    for (uint32_t i = 0; i < each; i++) {
        struct netview_connection *k = &rows[i].u.connection;
        memcpy(k->state, "ESTABLISHED", 12);
        k->local_ip[0] = 0xfd;
        k->local_port = 9092;
        k->remote_port = (uint16_t)i;
        k->resent = i;
    }
    list_set(NETVIEW_CONNECTIONS, rows, each);
    (void)snprintf(f->query, sizeof f->query, "skip=258");
    json_t *l = admin_fixture_get(f, "/v1/net/connections", 200);
    assert_int_equal(admin_fixture_number(l, "total"), CENSUS_SHARDS * each);
    json_t *c = admin_fixture_item(l, 0);
    assert_string_equal(admin_fixture_text(c, "local"), "[fd00::]:9092");
    assert_string_equal(admin_fixture_text(c, "remote"), "[::]:258");
    assert_int_equal(admin_fixture_number(c, "resent"), 258);
    assert_int_equal(admin_fixture_number(admin_fixture_item(l, each - 258), "core"), 1);
    assert_int_equal(json_array_size(json_object_get(l, "items")), CENSUS_SHARDS * each - 258);
    admin_fixture_free(f);
}

static void
a_core_that_does_not_tell_is_an_error_in_bounded_time(void **state)
{
    struct admin_fixture *f = admin_fixture_new();
    dpdk(f);
    admin_fixture_cores.silent = true;
    uint64_t before_ns = admin_fixture_ns;
    json_t *e = admin_fixture_get(f, "/v1/net/ports", 503);
    assert_string_equal(admin_fixture_text(e, "code"), "unavailable");
    assert_true(admin_fixture_ns - before_ns <= (ADMIN_NET_WAIT_MS + 1) * CLOCK_NS_PER_MS);
    admin_fixture_free(f);
}

static void
states_that_are_none_are_said_to_be_unknown(void **state)
{
    struct admin_fixture *f = admin_fixture_new();
    struct netview_row bad = {.u.neighbour = {.state = 200}};
    dpdk(f);
    list_set(NETVIEW_NEIGHBOURS, &bad, 1);
    json_t *l = admin_fixture_get(f, "/v1/net/neighbours", 200);
    assert_string_equal(admin_fixture_text(admin_fixture_item(l, 0), "state"), "unknown");
    admin_fixture_free(f);
}

static void
drops_are_summed_by_reason_and_in_all(void **state)
{
    struct admin_fixture *f = admin_fixture_new();
    dpdk(f);
    for (uint32_t i = 0; i < CENSUS_SHARDS; i++)
        netview_set(region_netview(&f->region, i), NETVIEW_N_TCP_DROP_SEQ, 3);
    assert_int_equal(admin_fixture_number(admin_fixture_get(f, "/v1/net", 200), "drops"),
                     3 * CENSUS_SHARDS);
    json_t *l = admin_fixture_get(f, "/v1/net/drops", 200);
    json_int_t found = -1;
    for (size_t i = 0; i < (size_t)admin_fixture_number(l, "total"); i++)
        if (strcmp(admin_fixture_text(admin_fixture_item(l, i), "reason"), "tcp_sequence") == 0)
            found = admin_fixture_number(admin_fixture_item(l, i), "count");
    assert_int_equal(found, 3 * CENSUS_SHARDS);
    admin_fixture_free(f);
}

static void
drops_of_devices_are_told_of_each(void **state)
{
    struct admin_fixture *f = admin_fixture_new();
    char error[CONF_ERROR_BYTES];
    dpdk(f);
    assert_int_equal(conf_set(&f->conf, "net.devices", "net_tap0;net_tap1", CONF_OPTION, error),
                     ERR_OK);
    netview_device_set(region_netview(&f->region, 0), 1, NETVIEW_N_RX_MISSED, 5);
    netview_set(region_netview(&f->region, 0), NETVIEW_N_RX_MISSED, 5);
    json_t *l = admin_fixture_get(f, "/v1/net/drops", 200);
    int64_t next = 0;
    for (size_t i = 0; i < (size_t)admin_fixture_number(l, "total"); i++) {
        json_t *o = admin_fixture_item(l, i);
        const char *part = admin_fixture_text(o, "part");
        int64_t port = admin_fixture_number(o, "port");
        if (strcmp(part, "tcp") == 0 || strcmp(part, "loop") == 0)
            assert_int_equal(port, -1);
        if (strcmp(admin_fixture_text(o, "reason"), "rx_missed") != 0)
            continue;
        assert_int_equal(port, next++);
        assert_int_equal(admin_fixture_number(o, "count"), port ? 5 : 0);
    }
    assert_int_equal(next, 2);
    admin_fixture_free(f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_kernel_sockets_the_kernels_connections_are_told),
        cmocka_unit_test(ports_addresses_routes_and_neighbours_are_told_as_text),
        cmocka_unit_test(connections_of_all_cores_are_paged),
        cmocka_unit_test(a_core_that_does_not_tell_is_an_error_in_bounded_time),
        cmocka_unit_test(states_that_are_none_are_said_to_be_unknown),
        cmocka_unit_test(drops_are_summed_by_reason_and_in_all),
        cmocka_unit_test(drops_of_devices_are_told_of_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
