#include "dataplane/net/ipnet_port.h"

#include "tests/sim/nic_pair.h"
#include "tests/unit/dataplane/net/host.h"

/* Two machines on one wire. */
struct pair {
    struct nic_pair *wire;
    struct ipnet_port ports[2];
    struct ipnet_input in[2];
    uint64_t now_ns;
    uint32_t arrived[2];
    uint8_t last[2][2048];
    uint32_t last_bytes[2];
};

static struct pair pair;

static void
start(void)
{
    static const char *const addresses[] = {"10.77.0.2/24,fd00:77::2/64",
                                            "10.77.0.9/24,fd00:77::9/64"};
    memset(&pair, 0, sizeof pair);
    pair.now_ns = CLOCK_NS_PER_S;
    pair.wire = nic_pair_create(1500, 1);
    for (uint32_t i = 0; i < 2; i++) {
        struct nic nic = nic_pair_port(pair.wire, i);
        struct nic_facts facts;
        struct ipnet_config c = host_config();
        char error[IPNET_ERROR_BYTES];
        nic.ops->facts(nic.self, &facts);
        memcpy(c.mac, facts.mac, 6);
        assert_int_equal(ipnet_text_addresses(&c, addresses[i], error), ERR_OK);
        void *memory = aligned_alloc(64, (ipnet_footprint(&c) + 63) & ~(size_t)63);
        ipnet_port_init(&pair.ports[i], nic, ipnet_init(memory, &c, pair.now_ns), pair.now_ns);
    }
}

static void
stop(void)
{
    for (uint32_t i = 0; i < 2; i++) {
        (void)ipnet_port_turn(&pair.ports[i], pair.now_ns); /* gives the last frames back */
        ipnet_end(pair.ports[i].net);
        free(pair.ports[i].net);
    }
    nic_pair_settle(pair.wire);
    nic_pair_free(pair.wire);
}

static void
turn(uint32_t i)
{
    struct ipnet_port *p = &pair.ports[i];
    struct packet_port port = ipnet_port_packets(p);
    (void)ipnet_port_turn(p, pair.now_ns);
    while (ipnet_port_receive(p, &pair.in[i]) > 0) {
        for (uint32_t k = 0; k < pair.in[i].packet_count; k++) {
            struct packet_in *in = &pair.in[i].packets[k];
            memcpy(pair.last[i], in->l4.at, in->l4.len);
            pair.last_bytes[i] = in->l4.len;
            pair.arrived[i]++;
            port.ops->release(port.self, &in->frame, 1);
        }
    }
    (void)ipnet_port_flush(p);
}

static void
run(uint64_t ms)
{
    for (uint64_t at = 0; at < ms; at += 10) {
        pair.now_ns += 10 * CLOCK_NS_PER_MS;
        turn(0);
        turn(1);
    }
}

static uint32_t ended;

static void
ref_ended(struct packet_ref *ref)
{
    ended++;
}

static void
send_both(const char *const dst[2], struct packet_ref *ref)
{
    struct packet_port port = ipnet_port_packets(&pair.ports[0]);
    for (int i = 0; i < 2; i++) {
        struct packet_out p = packet_to(dst[i], ref, "some payload", 12);
        assert_true(port.ops->room(port.self, 0) > 0);
        port.ops->send(port.self, &p, 1);
    }
    (void)ipnet_port_flush(&pair.ports[0]);
}

static void
two_hosts_find_each_other_and_exchange_packets(void **state)
{
    struct packet_ref ref = {.holds = 1, .ended = ref_ended};
    start();
    run(2000);
    send_both((const char *const[]){"10.77.0.9", "fd00:77::9"}, &ref);
    run(100);
    assert_int_equal(pair.arrived[1], 2);
    assert_int_equal(pair.last_bytes[1], 32);
    assert_memory_equal(pair.last[1] + 20, "some payload", 12);
    ended = 0;
    packet_drop(&ref);
    assert_int_equal(ended, 1); /* nobody else holds it any more */
    stop();
}

static void
frames_that_a_full_device_refuses_leave_later_in_order(void **state)
{
    struct nic_pair_faults slow = {.tx_most = 1};
    struct packet_port port;
    start();
    run(2000);
    send_both((const char *const[]){"10.77.0.9", "fd00:77::9"}, NULL);
    run(100);
    nic_pair_faults(pair.wire, &slow);
    port = ipnet_port_packets(&pair.ports[0]);
    for (uint32_t i = 0; i < 20; i++) {
        struct packet_out p = packet_to("10.77.0.9", NULL, NULL, 0);
        set_u32(p.header + 4, i);
        port.ops->send(port.self, &p, 1);
    }
    for (uint32_t i = 0; i < 20; i++) {
        assert_int_equal(ipnet_port_flush(&pair.ports[0]), 1);
        turn(1);
        assert_int_equal(get_u32(pair.last[1] + 4), i);
    }
    assert_int_equal(pair.arrived[1], 22);
    stop();
}

static void
resolution_gets_over_losses(void **state)
{
    struct nic_pair_faults loss = {.lose = 2, .repeat = 5, .swap = 5};
    struct packet_ref ref = {.holds = 1, .ended = ref_ended};
    start();
    run(5000);
    nic_pair_faults(pair.wire, &loss);
    for (int i = 0; i < 50; i++) {
        send_both((const char *const[]){"10.77.0.9", "fd00:77::9"}, &ref);
        run(1000);
    }
    assert_in_range(pair.arrived[1], 20, 100);
    run(10000);
    assert_int_equal(ref.holds, 1);
    stop();
}

static void
corruption_harms_nobody_and_no_header_passes_with_it(void **state)
{
    struct nic_pair_faults rot = {.corrupt = 1};
    struct packet_ref ref = {.holds = 1, .ended = ref_ended};
    start();
    run(2000);
    send_both((const char *const[]){"10.77.0.9", "fd00:77::9"}, &ref);
    run(100);
    nic_pair_faults(pair.wire, &rot);
    for (int i = 0; i < 500; i++) {
        send_both((const char *const[]){"10.77.0.9", "fd00:77::9"}, &ref);
        run(100);
    }
    nic_pair_faults(pair.wire, &(struct nic_pair_faults){0});
    /* ARP has no checksum: a wrong link address is found out when it is asked again. */
    run(40000);
    send_both((const char *const[]){"10.77.0.9", "fd00:77::9"}, &ref);
    run(5000);
    uint32_t before = pair.arrived[1];
    send_both((const char *const[]){"10.77.0.9", "fd00:77::9"}, &ref);
    run(100);
    assert_int_equal(pair.arrived[1], before + 2);
    assert_int_equal(ref.holds, 1);
    stop();
}

static void
polls_are_counted(void **state)
{
    start();
    run(1000);
    assert_true(pair.ports[0].polls > pair.ports[0].polls_empty);
    assert_true(pair.ports[0].polls_empty >= 100);
    stop();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_hosts_find_each_other_and_exchange_packets),
        cmocka_unit_test(frames_that_a_full_device_refuses_leave_later_in_order),
        cmocka_unit_test(resolution_gets_over_losses),
        cmocka_unit_test(corruption_harms_nobody_and_no_header_passes_with_it),
        cmocka_unit_test(polls_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
