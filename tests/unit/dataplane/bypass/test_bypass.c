/* test_bypass.c: a loop's way around the kernel on a pair of devices in memory, in virtual time; at
 * the other end a client: IP and TCP without streams. */
#include "dataplane/bypass/bypass.h"

#include "core/base/err.h"
#include "tests/sim/nic_pair.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

enum { PORT = 9092, STEP_NS = 100000, CONNS = 8 };

struct rig {
    struct nic_pair *wire;
    struct bypass *b;
    struct clock clock;   /* of the bypass */
    struct stream stream; /* of the bypass */
    uint64_t now_ns;
    uint32_t waits, sleeps;
    uint64_t slept_ns;      /* by the last wait of the ring */
    struct ipnet_port port; /* the client's */
    struct ipnet_input in;
    struct tcp *tcp;
    void *net_memory, *tcp_memory;
    bool connected, ended, closed;
    uint64_t id;
};

static uint64_t
ring_now(void *self)
{
    return ((struct rig *)self)->now_ns;
}

static int64_t
ring_wall(void *self)
{
    return 1;
}

static void
ring_wait(void *self, uint64_t deadline_ns)
{
    struct rig *r = self;
    r->waits++;
    r->slept_ns = deadline_ns > r->now_ns ? deadline_ns - r->now_ns : 0;
    r->sleeps += r->slept_ns > 0;
    assert_true(r->slept_ns < CLOCK_NS_PER_S);
    r->now_ns += r->slept_ns;
}

static void
ring_wake(void *self)
{
}

static const struct clock_ops ring_ops = {
    .now_ns = ring_now, .wall_ms = ring_wall, .wait = ring_wait, .wake = ring_wake};

static struct ipnet_config
net_config(struct nic nic, const char *address)
{
    struct ipnet_config c = {.mtu = 1500, .secret = {3}};
    char error[IPNET_ERROR_BYTES];
    struct nic_facts facts;
    nic.ops->facts(nic.self, &facts);
    memcpy(c.mac, facts.mac, 6);
    c.tx_l4_sum = facts.tx_l4_sum;
    assert_int_equal(ipnet_text_addresses(&c, address, error), ERR_OK);
    return c;
}

static struct tcp_config
tcp_config_small(void)
{
    struct tcp_config c;
    tcp_config_init(&c);
    c.conns = c.half_open = c.waiting = CONNS;
    c.nodes = c.segs = c.extents = 256;
    c.rcv_bytes = 65536;
    c.snd_bytes = 65536;
    return c;
}

static struct bypass_config
bypass_config_of(struct rig *r, bool spin)
{
    return (struct bypass_config){
        .net = net_config(nic_pair_port(r->wire, 0), "10.77.0.2/24,fd00:77::2/64"),
        .tcp = tcp_config_small(),
        .stream = {.conns = CONNS,
                   .request_bytes_max = 1 << 20,
                   .copies = 16,
                   .tail_bytes = 3000,
                   .stall_us = 5000000,
                   .linger_us = 1000000},
        .clock = {&ring_ops, r},
        .spin = spin,
    };
}

static void
client_make(struct rig *r)
{
    struct nic nic = nic_pair_port(r->wire, 1);
    struct ipnet_config net = net_config(nic, "10.77.0.1/24,fd00:77::1/64");
    struct tcp_config tcp = tcp_config_small();
    r->net_memory = aligned_alloc(64, (ipnet_footprint(&net) + 63) & ~(size_t)63);
    r->tcp_memory = aligned_alloc(64, (tcp_footprint(&tcp) + 63) & ~(size_t)63);
    ipnet_port_init(&r->port, nic, ipnet_init(r->net_memory, &net, r->now_ns), r->now_ns);
    struct packet_port packets = ipnet_port_packets(&r->port);
    r->tcp = tcp_init(r->tcp_memory, &tcp, &packets, r->now_ns / 1000);
}

static void
client_turn(struct rig *r)
{
    struct tcp_event events[16];
    (void)ipnet_port_turn(&r->port, r->now_ns);
    while (ipnet_port_receive(&r->port, &r->in) > 0)
        tcp_input(r->tcp, r->in.packets, r->in.packet_count, r->now_ns / 1000);
    tcp_tick(r->tcp, r->now_ns / 1000);
    uint32_t n = tcp_poll(r->tcp, events, 16);
    for (uint32_t i = 0; i < n; i++) {
        r->connected |= events[i].kind == TCP_CONNECTED;
        r->ended |= events[i].kind == TCP_EOF;
        r->closed |= events[i].kind == TCP_CLOSED;
    }
    tcp_flush(r->tcp, r->now_ns / 1000);
    (void)ipnet_port_flush(&r->port);
}

static void
rig_turn(struct rig *r)
{
    client_turn(r);
    r->clock.ops->wait(r->clock.self, CLOCK_NEVER);
    r->now_ns += STEP_NS;
}

static struct rig *
rig_new(bool spin)
{
    struct rig *r = calloc(1, sizeof *r);
    r->now_ns = CLOCK_NS_PER_S;
    r->wire = nic_pair_create(1500, 1);
    struct bypass_config c = bypass_config_of(r, spin);
    assert_int_equal(bypass_create(&c, &r->b), ERR_OK);
    bypass_enter(r->b, nic_pair_port(r->wire, 0));
    r->clock = bypass_clock(r->b);
    r->stream = bypass_stream(r->b);
    struct stream_addr at = {.port = PORT};
    assert_true(ipnet_text_ip("0.0.0.0", at.ip));
    assert_int_equal(r->stream.ops->listen(r->stream.self, &at), ERR_OK);
    client_make(r);
    return r;
}

static void
rig_free(struct rig *r)
{
    tcp_abort(r->tcp, r->id);
    client_turn(r);
    bypass_leave(r->b);
    client_turn(r);
    ipnet_end(r->port.net);
    (void)ipnet_port_turn(&r->port, r->now_ns);
    nic_pair_settle(r->wire);
    nic_pair_free(r->wire); /* fails unless every frame is back */
    bypass_destroy(r->b);
    free(r->net_memory);
    free(r->tcp_memory);
    free(r);
}

static stream_id
connect_from(struct rig *r, const char *from, const char *to)
{
    struct tcp_addr local = {0}, remote = {.port = PORT};
    struct stream_event e[4];
    assert_true(ipnet_text_ip(from, local.ip));
    assert_true(ipnet_text_ip(to, remote.ip));
    for (int i = 0; i < 30000 && !ipnet_is_ours(r->port.net, local.ip); i++)
        rig_turn(r);
    assert_int_equal(tcp_connect(r->tcp, &local, &remote, &r->id), ERR_OK);
    for (int i = 0; i < 50000; i++) {
        rig_turn(r);
        uint32_t n = r->stream.ops->poll(r->stream.self, e, 4);
        if (n == 0)
            continue;
        assert_int_equal(n, 1);
        assert_int_equal(e[0].kind, STREAM_OPENED);
        return e[0].id;
    }
    fail_msg("no connection");
    return 0;
}

static void
request_and_answer(const char *from, const char *to)
{
    struct rig *r = rig_new(false);
    stream_id id = connect_from(r, from, to);
    static const uint8_t question[] = "question", answer[] = "answer";
    struct view v = view_of(question, sizeof question), got = {0};
    assert_int_equal(tcp_send(r->tcp, r->id, &v, 1), sizeof question);
    for (int i = 0; i < 100 && got.len < sizeof question; i++) {
        rig_turn(r);
        got = r->stream.ops->peek(r->stream.self, id);
    }
    assert_memory_equal(got.at, question, sizeof question);
    r->stream.ops->consume(r->stream.self, id, got.len, 4);
    v = view_of(answer, sizeof answer);
    assert_int_equal(r->stream.ops->send(r->stream.self, id, &v, 1), sizeof answer);
    for (int i = 0; i < 100 && tcp_unread(r->tcp, r->id) < sizeof answer; i++)
        rig_turn(r);
    assert_int_equal(tcp_peek(r->tcp, r->id, &got, 1), 1);
    assert_memory_equal(got.at, answer, sizeof answer);
    rig_free(r);
}

static void
a_request_comes_through_all_layers_and_its_answer_goes_back(void **state)
{
    request_and_answer("10.77.0.1", "10.77.0.2");
}

static void
so_it_does_over_ipv6(void **state)
{
    request_and_answer("fd00:77::1", "fd00:77::2");
}

static void
silence_makes_naps_longer_up_to_a_bound_and_a_frame_ends_them(void **state)
{
    struct rig *r = rig_new(false);
    (void)connect_from(r, "10.77.0.1", "10.77.0.2");
    uint64_t before_ns = 0;
    for (int i = 0; i < 3000; i++) {
        r->clock.ops->wait(r->clock.self, CLOCK_NEVER);
        assert_true(r->slept_ns <= BYPASS_NAP_NS_MAX);
        if (r->slept_ns == 0)
            r->now_ns += 1000;
        before_ns = r->slept_ns > before_ns ? r->slept_ns : before_ns;
    }
    assert_int_equal(before_ns, BYPASS_NAP_NS_MAX);
    struct view v = view_of("x", 1);
    assert_int_equal(tcp_send(r->tcp, r->id, &v, 1), 1);
    client_turn(r);
    r->clock.ops->wait(r->clock.self, CLOCK_NEVER); /* takes it in */
    r->clock.ops->wait(r->clock.self, CLOCK_NEVER);
    assert_int_equal(r->slept_ns, 0);
    rig_free(r);
}

static void
a_nap_ends_at_the_deadline_of_the_loop(void **state)
{
    struct rig *r = rig_new(false);
    r->now_ns += 100 * CLOCK_NS_PER_MS;
    for (int i = 0; i < 100; i++)
        r->clock.ops->wait(r->clock.self, 0); /* what was due */
    r->clock.ops->wait(r->clock.self, r->now_ns + 5000);
    assert_int_equal(r->slept_ns, 5000);
    r->clock.ops->wait(r->clock.self, 0);
    assert_int_equal(r->slept_ns, 0);
    rig_free(r);
}

static void
spinning_never_sleeps(void **state)
{
    struct rig *r = rig_new(true);
    for (int i = 0; i < 2000; i++)
        rig_turn(r);
    assert_int_equal(r->sleeps, 0);
    struct bypass_stat st;
    bypass_stat(r->b, &st);
    assert_int_equal(st.naps, 0);
    assert_true(st.polls >= 2000);
    rig_free(r);
}

static void
leaving_ends_connections_in_order_and_resets_those_that_stay(void **state)
{
    struct rig *r = rig_new(false);
    stream_id id = connect_from(r, "10.77.0.1", "10.77.0.2");
    struct view v = view_of("bye", 3);
    assert_int_equal(r->stream.ops->send(r->stream.self, id, &v, 1), 3);
    bypass_leave(r->b);
    client_turn(r);
    assert_true(r->ended || r->closed);
    client_turn(r);
    assert_true(r->closed); /* it had not closed its side */
    bypass_enter(r->b, nic_pair_port(r->wire, 0));
    rig_free(r);
}

static void
a_configuration_that_does_not_fit_together_is_refused(void **state)
{
    struct rig r = {.now_ns = 1, .wire = nic_pair_create(1500, 1)};
    struct bypass_config c = bypass_config_of(&r, false);
    struct bypass *b;
    c.stream.conns++;
    assert_int_equal(bypass_create(&c, &b), ERR_INVALID);
    nic_pair_free(r.wire);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_comes_through_all_layers_and_its_answer_goes_back),
        cmocka_unit_test(so_it_does_over_ipv6),
        cmocka_unit_test(silence_makes_naps_longer_up_to_a_bound_and_a_frame_ends_them),
        cmocka_unit_test(a_nap_ends_at_the_deadline_of_the_loop),
        cmocka_unit_test(spinning_never_sleeps),
        cmocka_unit_test(leaving_ends_connections_in_order_and_resets_those_that_stay),
        cmocka_unit_test(a_configuration_that_does_not_fit_together_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
