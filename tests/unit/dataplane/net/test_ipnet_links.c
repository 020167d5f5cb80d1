/* Two devices of one loop, each on a wire in memory with a peer at its other end. */
#include "dataplane/net/ipnet_links.h"

#include "tests/sim/nic_pair.h"
#include "tests/unit/dataplane/net/host.h"

enum { LINKS = 2 };

struct side {
    struct ipnet_input in;
    uint32_t arrived;
    uint8_t dst[16];
};

static struct world {
    struct nic_pair *wires[LINKS];
    struct ipnet_links links; /* ours */
    struct packet_port port;
    struct ipnet_port peers[LINKS];
    struct side ours[LINKS], theirs[LINKS];
    struct nic real; /* of link 0 */
    bool stuck;      /* it takes nothing */
    uint64_t now_ns;
} w;

static uint32_t
stuck_tx(void *self, const struct nic_tx *const *frames, uint32_t count)
{
    return w.stuck ? 0 : w.real.ops->tx(self, frames, count);
}

static struct ipnet *
machine(struct nic nic, uint16_t mtu, const char *addresses, const char *routes)
{
    struct ipnet_config c = {.mtu = mtu, .secret = {7}};
    struct nic_facts facts;
    char error[IPNET_ERROR_BYTES];
    nic.ops->facts(nic.self, &facts);
    memcpy(c.mac, facts.mac, 6);
    assert_int_equal(ipnet_text_addresses(&c, addresses, error), ERR_OK);
    assert_int_equal(ipnet_text_routes(&c, routes, error), ERR_OK);
    return ipnet_init(aligned_alloc(64, (ipnet_footprint(&c) + 63) & ~(size_t)63), &c, w.now_ns);
}

static void
start(const char *const ours[LINKS], const char *const theirs[LINKS])
{
    static struct nic_ops ops;
    memset(&w, 0, sizeof w);
    w.now_ns = CLOCK_NS_PER_S;
    ipnet_links_init(&w.links, LINKS);
    for (uint32_t i = 0; i < LINKS; i++) {
        uint16_t mtu = i ? 3400 : 1500;
        w.wires[i] = nic_pair_create(mtu, i);
        struct nic nic = nic_pair_port(w.wires[i], 0), peer = nic_pair_port(w.wires[i], 1);
        bool routed = strcmp(ours[i], "10.78.0.2/24") == 0;
        struct ipnet *n = machine(nic, mtu, ours[i], routed ? "default via 10.78.0.9" : "");
        if (i == 0) {
            w.real = nic;
            ops = *nic.ops;
            ops.tx = stuck_tx;
            nic.ops = &ops;
        }
        ipnet_port_init(&w.links.ports[i], nic, n, w.now_ns);
        ipnet_port_init(&w.peers[i], peer, machine(peer, mtu, theirs[i], ""), w.now_ns);
    }
    w.port = ipnet_links_packets(&w.links);
}

static void
start_apart(void)
{
    start((const char *const[]){"10.77.0.2/24", "10.78.0.2/24"},
          (const char *const[]){"10.77.0.9/24", "10.78.0.9/24"});
}

static void
stop(void)
{
    (void)ipnet_links_turn(&w.links, w.now_ns); /* gives the last frames back */
    for (uint32_t i = 0; i < LINKS; i++) {
        (void)ipnet_port_turn(&w.peers[i], w.now_ns);
        ipnet_end(w.links.ports[i].net);
        ipnet_end(w.peers[i].net);
        free(w.links.ports[i].net);
        free(w.peers[i].net);
        nic_pair_settle(w.wires[i]);
        nic_pair_free(w.wires[i]); /* fails unless every frame is back */
    }
}

static void
took(struct side *s, struct packet_port port)
{
    for (uint32_t k = 0; k < s->in.packet_count; k++) {
        memcpy(s->dst, s->in.packets[k].dst, 16);
        s->arrived++;
        port.ops->release(port.self, &s->in.packets[k].frame, 1);
    }
}

static void
turn(void)
{
    w.now_ns += CLOCK_NS_PER_MS;
    (void)ipnet_links_turn(&w.links, w.now_ns);
    for (uint32_t i = 0; i < LINKS; i++) {
        while (ipnet_links_receive(&w.links, i, &w.ours[i].in) > 0)
            took(&w.ours[i], w.port);
        (void)ipnet_port_turn(&w.peers[i], w.now_ns);
        while (ipnet_port_receive(&w.peers[i], &w.theirs[i].in) > 0)
            took(&w.theirs[i], ipnet_port_packets(&w.peers[i]));
        (void)ipnet_port_flush(&w.peers[i]);
    }
    (void)ipnet_links_flush(&w.links);
}

static void
turns(uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        turn();
}

static struct packet_out
packet(const char *src, const char *dst)
{
    struct packet_out p = packet_to(dst, NULL, NULL, 0);
    memcpy(p.src, ip_of(src), 16);
    return p;
}

static uint32_t
room_of(const char *src)
{
    return w.port.ops->room(w.port.self, w.port.ops->link(w.port.self, ip_of(src)));
}

static void
send(const char *src, const char *dst)
{
    struct packet_out p = packet(src, dst);
    assert_true(room_of(src) > 0);
    w.port.ops->send(w.port.self, &p, 1);
    (void)ipnet_links_flush(&w.links);
    turns(10);
}

static void
peer_send(uint32_t peer, const char *src, const char *dst)
{
    struct packet_out p = packet(src, dst);
    struct packet_port port = ipnet_port_packets(&w.peers[peer]);
    port.ops->send(port.self, &p, 1);
    turns(10);
}

static void
a_packet_leaves_over_the_link_of_its_source_address(void **state)
{
    start_apart();
    send("10.77.0.2", "10.77.0.9");
    assert_int_equal(w.theirs[0].arrived, 1);
    send("10.78.0.2", "10.78.0.9");
    assert_int_equal(w.theirs[1].arrived, 1);
    /* Link 0 could reach it, but the address is not its own: the route of link 1 is taken, to a
     * host that is no router. */
    send("10.78.0.2", "10.77.0.9");
    assert_int_equal(w.theirs[0].arrived, 1);
    assert_int_equal(ipnet_dropped(w.peers[1].net, IPNET_DROP_IP_DESTINATION), 1);
    stop();
}

static void
each_address_is_of_the_link_that_has_it(void **state)
{
    start_apart();
    assert_int_equal(w.port.ops->link(w.port.self, ip_of("10.77.0.2")), 0);
    assert_int_equal(w.port.ops->link(w.port.self, ip_of("10.78.0.2")), 1);
    assert_int_equal(w.port.ops->link(w.port.self, ip_of("10.79.0.2")), 0); /* it drops them */
    stop();
}

static void
a_link_takes_only_packets_for_its_own_addresses(void **state)
{
    struct packet_out p;
    start((const char *const[]){"10.77.0.2/16", "10.77.1.2/16"},
          (const char *const[]){"10.77.0.9/16", "10.77.1.9/16"});
    peer_send(0, "10.77.0.9", "10.77.0.2");
    assert_int_equal(w.ours[0].arrived, 1);
    /* Nobody answers for the address of link 1 here, so it takes the link address of another. */
    peer_send(0, "10.77.0.9", "10.77.1.2");
    assert_int_equal(w.ours[0].arrived, 1);
    struct nic_tx tx = {.header_bytes = 54, .l2_bytes = 14, .l3_bytes = 20};
    p = packet("10.77.0.9", "10.77.1.2");
    static const uint8_t ip[12] = {0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6};
    memcpy(tx.header, host_mac, 6);
    memcpy(tx.header + 6, peer_mac, 6);
    tx.header[12] = 8;
    memcpy(tx.header + 14, ip, sizeof ip);
    memcpy(tx.header + 26, p.src + 12, 4);
    memcpy(tx.header + 30, p.dst + 12, 4);
    set_u16(tx.header + 24, checksum_of(tx.header + 14, 20));
    const struct nic_tx *list[] = {&tx};
    struct nic peer = w.peers[0].nic;
    assert_int_equal(peer.ops->tx(peer.self, list, 1), 1);
    turns(2);
    assert_int_equal(w.ours[0].arrived, 1);
    assert_int_equal(ipnet_dropped(w.links.ports[0].net, IPNET_DROP_IP_DESTINATION), 1);
    stop();
}

static void
two_links_of_one_network_answer_each_for_itself(void **state)
{
    start((const char *const[]){"10.77.0.2/24", "10.77.0.3/24"},
          (const char *const[]){"10.77.0.9/24", "10.77.0.8/24"});
    send("10.77.0.3", "10.77.0.8");
    send("10.77.0.2", "10.77.0.9");
    assert_int_equal(w.theirs[0].arrived, 1);
    assert_int_equal(w.theirs[1].arrived, 1);
    peer_send(1, "10.77.0.8", "10.77.0.3");
    assert_int_equal(w.ours[0].arrived, 0);
    assert_int_equal(w.ours[1].arrived, 1);
    stop();
}

static void
frames_go_back_to_the_device_that_they_came_from(void **state)
{
    struct packet_frame *held[4];
    struct nic_stat st;
    uint32_t count = 0;
    start_apart();
    peer_send(0, "10.77.0.9", "10.77.0.2");
    peer_send(1, "10.78.0.9", "10.78.0.2");
    for (uint32_t n = 0; n < 4; n++) {
        struct packet_out p =
            n % 2 ? packet("10.78.0.9", "10.78.0.2") : packet("10.77.0.9", "10.77.0.2");
        struct packet_port port = ipnet_port_packets(&w.peers[n % 2]);
        port.ops->send(port.self, &p, 1);
        (void)ipnet_port_flush(&w.peers[n % 2]);
        (void)ipnet_links_turn(&w.links, w.now_ns);
        assert_int_equal(ipnet_links_receive(&w.links, n % 2, &w.ours[0].in), 1);
        held[count++] = w.ours[0].in.packets[0].frame;
    }
    for (uint32_t i = 0; i < LINKS; i++) {
        w.links.ports[i].nic.ops->stat(w.links.ports[i].nic.self, &st);
        assert_int_equal(st.frames_out, 2);
    }
    w.port.ops->release(w.port.self, held, count); /* both in turn */
    for (uint32_t i = 0; i < LINKS; i++) {
        w.links.ports[i].nic.ops->stat(w.links.ports[i].nic.self, &st);
        assert_int_equal(st.frames_out, 0);
    }
    stop();
}

static void
each_link_has_an_mtu_of_its_own(void **state)
{
    start_apart();
    assert_int_equal(w.port.ops->mtu(w.port.self, ip_of("10.77.0.2")), 1500);
    assert_int_equal(w.port.ops->mtu(w.port.self, ip_of("10.78.0.2")), 3400);
    stop();
}

/* Offers packets for both links as a sender does, as many as there is room for; how many the second
 * link has taken. */
static uint32_t
press(uint32_t packets)
{
    static const char *const roads[LINKS][2] = {{"10.77.0.2", "10.77.0.9"},
                                                {"10.78.0.2", "10.78.0.9"}};
    uint32_t taken[LINKS] = {0};
    for (uint32_t i = 0; i < packets; i++)
        for (uint32_t link = 0; link < LINKS; link++) {
            struct packet_out p = packet(roads[link][0], roads[link][1]);
            if (room_of(roads[link][0]) == 0)
                continue;
            w.port.ops->send(w.port.self, &p, 1);
            (void)ipnet_links_flush(&w.links);
            taken[link]++;
        }
    return taken[1];
}

static void
a_device_that_is_busy_holds_up_nothing_of_the_others(void **state)
{
    start_apart();
    send("10.77.0.2", "10.77.0.9");
    send("10.78.0.2", "10.78.0.9");
    w.stuck = true;
    (void)press(2 * IPNET_SLOTS);
    assert_int_equal(room_of("10.77.0.2"), 0); /* TCP keeps what is for it */
    assert_int_equal(ipnet_dropped(w.links.ports[0].net, IPNET_DROP_STALLED), 0);
    turns(2);
    uint32_t before = w.theirs[1].arrived;
    assert_int_equal(press(10), 10);
    turns(2);
    assert_int_equal(w.theirs[1].arrived, before + 10);
    w.stuck = false;
    stop();
}

static void
what_is_for_a_device_that_takes_nothing_for_a_moment_is_dropped(void **state)
{
    start_apart();
    send("10.77.0.2", "10.77.0.9");
    w.stuck = true;
    (void)press(2 * IPNET_SLOTS);
    turns(IPNET_STALL_NS / CLOCK_NS_PER_MS + 1);
    assert_true(room_of("10.77.0.2") > 0);
    (void)press(10);
    assert_int_equal(ipnet_dropped(w.links.ports[0].net, IPNET_DROP_STALLED), 10);
    assert_int_equal(ipnet_dropped(w.links.ports[1].net, IPNET_DROP_STALLED), 0);
    w.stuck = false;
    turns(5);
    uint32_t before = w.theirs[0].arrived;
    (void)press(3);
    turns(2);
    assert_int_equal(w.theirs[0].arrived, before + 3);
    assert_int_equal(ipnet_dropped(w.links.ports[0].net, IPNET_DROP_STALLED), 10);
    stop();
}

static void
a_packet_from_nobodys_address_is_dropped_and_counted(void **state)
{
    start_apart();
    send("10.79.0.2", "10.77.0.9");
    assert_int_equal(w.theirs[0].arrived + w.theirs[1].arrived, 0);
    assert_int_equal(ipnet_dropped(w.links.ports[0].net, IPNET_DROP_NO_ROUTE), 1);
    stop();
}

static void
one_link_local_address_is_another_host_on_each_link(void **state)
{
    start((const char *const[]){"fe80::77/64", "fe80::78/64"},
          (const char *const[]){"fe80::9/64", "fe80::9/64"});
    turns(3000); /* duplicates of our own are looked for */
    send("fe80::77", "fe80::9");
    assert_int_equal(w.theirs[0].arrived, 1);
    assert_int_equal(w.theirs[1].arrived, 0);
    send("fe80::78", "fe80::9");
    assert_int_equal(w.theirs[0].arrived, 1);
    assert_int_equal(w.theirs[1].arrived, 1);
    for (uint32_t link = 0; link < LINKS; link++) {
        struct ipnet_neigh_fact f;
        uint32_t known = 0;
        for (uint32_t i = 0; i < IPNET_NEIGHBOURS_MAX; i++)
            known += ipnet_neighbour(w.links.ports[link].net, i, &f) &&
                     memcmp(f.ip, ip_of("fe80::9"), 16) == 0;
        assert_int_equal(known, 1);
    }
    stop();
}

static void
one_link_is_the_port_itself(void **state)
{
    static struct ipnet_links one;
    ipnet_links_init(&one, 1);
    struct packet_port port = ipnet_links_packets(&one), plain = ipnet_port_packets(&one.ports[0]);
    assert_ptr_equal(port.self, plain.self);
    assert_ptr_equal(port.ops, plain.ops);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packet_leaves_over_the_link_of_its_source_address),
        cmocka_unit_test(each_address_is_of_the_link_that_has_it),
        cmocka_unit_test(a_link_takes_only_packets_for_its_own_addresses),
        cmocka_unit_test(two_links_of_one_network_answer_each_for_itself),
        cmocka_unit_test(frames_go_back_to_the_device_that_they_came_from),
        cmocka_unit_test(each_link_has_an_mtu_of_its_own),
        cmocka_unit_test(a_device_that_is_busy_holds_up_nothing_of_the_others),
        cmocka_unit_test(what_is_for_a_device_that_takes_nothing_for_a_moment_is_dropped),
        cmocka_unit_test(a_packet_from_nobodys_address_is_dropped_and_counted),
        cmocka_unit_test(one_link_local_address_is_another_host_on_each_link),
        cmocka_unit_test(one_link_is_the_port_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
