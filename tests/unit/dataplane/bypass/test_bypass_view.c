#include "tests/unit/dataplane/bypass/bypass_rig.h"

#include "dataplane/bypass/bypass_view.h"

#include <stdio.h>

/* All rows of a list, at most `max`, as turns of the loop answer it. */
static uint32_t
list(struct rig *r, enum netview_list which, struct netview_row *out, uint32_t max)
{
    struct netview_page page = {.next = 0};
    uint32_t count = 0;
    while (page.next != NETVIEW_END) {
        uint32_t number = netview_ask(&r->view, which, page.next);
        int turns = 0;
        while (netview_take(&r->view, number, &page)) {
            assert_true(++turns < 100);
            r->clock.ops->wait(r->clock.self, CLOCK_NEVER);
            r->now_ns += 1000;
        }
        for (uint32_t i = 0; i < page.count && count < max; i++)
            out[count++] = page.rows[i];
    }
    return count;
}

static void
ip_is(const uint8_t ip[16], const char *text)
{
    char shown[IPTEXT_BYTES];
    iptext_print(ip, shown);
    assert_string_equal(shown, text);
}

static void
counters_follow_what_the_layers_count(void **state)
{
    struct rig *r = rig_new(false);
    (void)connect_from(r, "10.77.0.1", "10.77.0.2");
    r->now_ns += 2 * CLOCK_NS_PER_S;
    rig_turn(r);
    assert_true(netview_count(&r->view, NETVIEW_N_RX_FRAMES) >= 3);
    assert_true(netview_count(&r->view, NETVIEW_N_TCP_SEGS_IN) >= 2);
    assert_int_equal(netview_count(&r->view, NETVIEW_N_TCP_ACCEPTED), 1);
    assert_int_equal(netview_count(&r->view, NETVIEW_N_TCP_CONNECTIONS), 1);
    assert_true(netview_count(&r->view, NETVIEW_N_NEIGHBOURS) >= 1);
    assert_true(netview_count(&r->view, NETVIEW_N_POLLS) >
                netview_count(&r->view, NETVIEW_N_POLLS_EMPTY));
    assert_true(netview_count(&r->view, NETVIEW_N_NAPS) > 0);
    rig_free(r);
}

static void
a_drop_is_counted_under_its_reason(void **state)
{
    struct rig *r = rig_new(false);
    struct nic nic = nic_pair_port(r->wire, 1);
    struct nic_tx strange = {.header = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xcc},
                             .header_bytes = 60,
                             .l2_bytes = 14};
    const struct nic_tx *frames[] = {&strange, &strange};
    assert_int_equal(nic.ops->tx(nic.self, frames, 2), 2);
    rig_turn(r);
    r->now_ns += CLOCK_NS_PER_S;
    rig_turn(r);
    assert_int_equal(netview_count(&r->view, NETVIEW_N_IP_ETHERTYPE), 2);
    rig_free(r);
}

static void
a_port_tells_what_it_is(void **state)
{
    struct rig *r = rig_new(false);
    struct netview_row rows[4];
    assert_int_equal(list(r, NETVIEW_PORTS, rows, 4), 1);
    const struct netview_port *p = &rows[0].u.port;
    assert_int_equal(p->mtu, 1500);
    assert_int_equal(p->mac[0], 2);
    assert_int_equal(p->mac[5], 1);
    assert_int_equal(p->queue, 0);
    rig_free(r);
}

static void
addresses_and_neighbours_are_listed(void **state)
{
    struct rig *r = rig_new(false);
    struct netview_row rows[16];
    (void)connect_from(r, "10.77.0.1", "10.77.0.2");
    uint32_t count = list(r, NETVIEW_ADDRESSES, rows, 16);
    assert_int_equal(count, 3); /* with the link-local one */
    ip_is(rows[0].u.address.ip, "10.77.0.2");
    assert_int_equal(rows[0].u.address.prefix_bits, 120);
    assert_int_equal(rows[0].u.address.state, NETVIEW_OURS);
    assert_int_equal(list(r, NETVIEW_ROUTES, rows, 16), 0);
    count = list(r, NETVIEW_NEIGHBOURS, rows, 16);
    assert_true(count >= 1);
    bool found = false;
    for (uint32_t i = 0; i < count; i++) {
        char text[IPTEXT_BYTES];
        iptext_print(rows[i].u.neighbour.ip, text);
        if (strcmp(text, "10.77.0.1") != 0)
            continue;
        found = true;
        assert_int_equal(rows[i].u.neighbour.mac[5], 2);
        assert_int_equal(rows[i].u.neighbour.state, NETVIEW_KNOWN);
        assert_true(rows[i].u.neighbour.age_ns < 60 * CLOCK_NS_PER_S);
    }
    assert_true(found);
    rig_free(r);
}

static void
each_device_has_its_rows_and_its_counters(void **state)
{
    struct rig *r = rig_new_of(false, true);
    struct netview_row rows[16];
    (void)connect_by(r, r->other, "10.77.0.1", "10.77.0.3");
    assert_int_equal(list(r, NETVIEW_PORTS, rows, 16), 2);
    assert_int_equal(rows[1].u.port.device, 1);
    assert_int_equal(list(r, NETVIEW_ADDRESSES, rows, 16), 6);
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(rows[i].u.address.device, i / 3);
    ip_is(rows[0].u.address.ip, "10.77.0.2");
    ip_is(rows[3].u.address.ip, "10.77.0.3");
    uint32_t count = list(r, NETVIEW_NEIGHBOURS, rows, 16);
    assert_true(count >= 1);
    for (uint32_t i = 0; i < count; i++) {
        char text[IPTEXT_BYTES];
        iptext_print(rows[i].u.neighbour.ip, text);
        if (strcmp(text, "10.77.0.1") == 0)
            assert_int_equal(rows[i].u.neighbour.device, 1);
    }
    r->now_ns += 2 * CLOCK_NS_PER_S;
    rig_turn(r);
    assert_true(netview_device_count(&r->view, 1, NETVIEW_N_PACKETS_IN) >= 2);
    assert_int_equal(netview_device_count(&r->view, 0, NETVIEW_N_PACKETS_IN), 0);
    assert_int_equal(netview_count(&r->view, NETVIEW_N_PACKETS_IN),
                     netview_device_count(&r->view, 1, NETVIEW_N_PACKETS_IN));
    assert_int_equal(netview_count(&r->view, NETVIEW_N_RX_FRAMES),
                     netview_device_count(&r->view, 0, NETVIEW_N_RX_FRAMES) +
                         netview_device_count(&r->view, 1, NETVIEW_N_RX_FRAMES));
    rig_free(r);
}

static void
a_connection_is_listed_with_what_waits_in_it(void **state)
{
    struct rig *r = rig_new(false);
    struct netview_row rows[CONNS];
    (void)connect_from(r, "10.77.0.1", "10.77.0.2");
    struct view v = view_of("question", 8);
    assert_int_equal(tcp_send(r->tcp, r->id, &v, 1), 8);
    rig_turn(r);
    rig_turn(r);
    assert_int_equal(list(r, NETVIEW_CONNECTIONS, rows, CONNS), 1);
    const struct netview_connection *c = &rows[0].u.connection;
    assert_string_equal(c->state, "ESTABLISHED");
    ip_is(c->local_ip, "10.77.0.2");
    ip_is(c->remote_ip, "10.77.0.1");
    assert_int_equal(c->local_port, PORT);
    assert_int_equal(c->unread, 8);
    assert_int_equal(c->unsent, 0);
    assert_true(c->cwnd > 0);
    assert_true(c->rcv_wnd > 0);
    rig_free(r);
}

static void
a_list_that_is_none_is_empty(void **state)
{
    struct rig *r = rig_new(false);
    struct netview_row rows[1];
    assert_int_equal(list(r, NETVIEW_LISTS, rows, 1), 0);
    rig_free(r);
}

static void
an_open_question_keeps_the_loop_awake_until_it_is_answered(void **state)
{
    struct rig *r = rig_new(false);
    struct netview_page page;
    for (int i = 0; i < 3000; i++) {
        r->clock.ops->wait(r->clock.self, CLOCK_NEVER);
        r->now_ns += 1000;
    }
    assert_true(r->slept_ns > 0);
    uint32_t number = netview_ask(&r->view, NETVIEW_NEIGHBOURS, 0), turns = 0;
    while (netview_take(&r->view, number, &page)) {
        uint32_t sleeps = r->sleeps;
        r->clock.ops->wait(r->clock.self, CLOCK_NEVER);
        assert_true(r->sleeps == sleeps || netview_take(&r->view, number, &page) == ERR_OK);
        turns++;
    }
    assert_true(turns >= IPNET_NEIGHBOURS_MAX / BYPASS_VIEW_PLACES);
    rig_free(r);
}

static void
nobody_looks_and_nothing_is_written(void **state)
{
    struct bypass_parts parts = {0};
    struct bypass_view v;
    bypass_view_init(&v, NULL, &parts);
    assert_false(bypass_view_turn(&v, CLOCK_NS_PER_S));
    bypass_view_count(&v);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_follow_what_the_layers_count),
        cmocka_unit_test(a_drop_is_counted_under_its_reason),
        cmocka_unit_test(a_port_tells_what_it_is),
        cmocka_unit_test(addresses_and_neighbours_are_listed),
        cmocka_unit_test(each_device_has_its_rows_and_its_counters),
        cmocka_unit_test(a_connection_is_listed_with_what_waits_in_it),
        cmocka_unit_test(a_list_that_is_none_is_empty),
        cmocka_unit_test(an_open_question_keeps_the_loop_awake_until_it_is_answered),
        cmocka_unit_test(nobody_looks_and_nothing_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
