/* bypass_rig.h: a loop's way around the kernel on a pair of devices in memory, in virtual time; at
 * the other end a client: IP and TCP without streams.  With two devices each has its client, whose
 * addresses are the same. */
#ifndef SLUICE_TESTS_BYPASS_RIG_H
#define SLUICE_TESTS_BYPASS_RIG_H

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
    uint64_t enters;        /* calls of the kernel by it */
    uint64_t call_ns;       /* over 0: each wait is one, and takes so long beside its sleep */
    struct ipnet_port port; /* the client's */
    struct ipnet_input in;
    struct tcp *tcp;
    void *net_memory, *tcp_memory;
    bool connected, ended, closed;
    uint64_t id;
    struct netview view;
    struct rig *other; /* only its wire and client: of the second device */
};

static inline uint64_t
ring_now(void *self)
{
    return ((struct rig *)self)->now_ns;
}

static inline int64_t
ring_wall(void *self)
{
    return 1;
}

static inline void
ring_wait(void *self, uint64_t deadline_ns)
{
    struct rig *r = self;
    r->waits++;
    r->slept_ns = deadline_ns > r->now_ns ? deadline_ns - r->now_ns : 0;
    r->sleeps += r->slept_ns > 0;
    assert_true(r->slept_ns < CLOCK_NS_PER_S);
    r->now_ns += r->slept_ns + r->call_ns;
    r->enters += r->call_ns > 0;
}

static inline void
ring_calls(void *self, struct clock_calls *out)
{
    out->enters = ((struct rig *)self)->enters;
}

static inline void
ring_wake(void *self)
{
}

static const struct clock_ops ring_ops = {.now_ns = ring_now,
                                          .wall_ms = ring_wall,
                                          .wait = ring_wait,
                                          .wake = ring_wake,
                                          .calls = ring_calls};

static inline struct ipnet_config
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

static inline struct tcp_config
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

static inline struct bypass_config
bypass_config_of(struct rig *r, bool spin)
{
    struct bypass_config c = {
        .links = {{.net = net_config(nic_pair_port(r->wire, 0), "10.77.0.2/24,fd00:77::2/64")}},
        .link_count = 1,
        .tcp = tcp_config_small(),
        .stream = {.conns = CONNS,
                   .request_bytes_max = 1 << 20,
                   .copies = 16,
                   .tail_bytes = 3000,
                   .stall_us = 5000000,
                   .linger_us = 1000000},
        .clock = {&ring_ops, r},
        .view = &r->view,
        .spin = spin,
    };
    if (r->other)
        c.links[c.link_count++].net =
            net_config(nic_pair_port(r->other->wire, 0), "10.77.0.3/24,fd00:77::3/64");
    return c;
}

static inline void
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

static inline void
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

static inline void
clients_turn(struct rig *r)
{
    client_turn(r);
    if (r->other) {
        r->other->now_ns = r->now_ns;
        client_turn(r->other);
    }
}

static inline void
rig_turn(struct rig *r)
{
    clients_turn(r);
    r->clock.ops->wait(r->clock.self, CLOCK_NEVER);
    r->now_ns += STEP_NS;
}

static inline struct rig *
wire_new(uint64_t seed)
{
    struct rig *r = calloc(1, sizeof *r);
    r->now_ns = CLOCK_NS_PER_S;
    r->wire = nic_pair_create(1500, seed);
    return r;
}

static inline void
rig_enter(struct rig *r)
{
    struct nic nics[2] = {nic_pair_port(r->wire, 0)};
    if (r->other)
        nics[1] = nic_pair_port(r->other->wire, 0);
    bypass_enter(r->b, nics);
}

static inline struct rig *
rig_new_of(bool spin, bool two)
{
    struct rig *r = wire_new(1);
    r->other = two ? wire_new(2) : NULL;
    struct bypass_config c = bypass_config_of(r, spin);
    assert_int_equal(bypass_create(&c, &r->b), ERR_OK);
    rig_enter(r);
    r->clock = bypass_clock(r->b);
    r->stream = bypass_stream(r->b);
    struct stream_addr at = {.port = PORT};
    assert_true(iptext_read("0.0.0.0", at.ip));
    assert_int_equal(r->stream.ops->listen(r->stream.self, &at), ERR_OK);
    client_make(r);
    if (r->other)
        client_make(r->other);
    return r;
}

static inline struct rig *
rig_new(bool spin)
{
    return rig_new_of(spin, false);
}

/* After bypass_leave. */
static inline void
wire_free(struct rig *r)
{
    ipnet_end(r->port.net);
    (void)ipnet_port_turn(&r->port, r->now_ns);
    nic_pair_settle(r->wire);
    nic_pair_free(r->wire); /* fails unless every frame is back */
    free(r->net_memory);
    free(r->tcp_memory);
}

static inline void
rig_free(struct rig *r)
{
    tcp_abort(r->tcp, r->id);
    if (r->other)
        tcp_abort(r->other->tcp, r->other->id);
    clients_turn(r);
    bypass_leave(r->b);
    clients_turn(r);
    wire_free(r);
    if (r->other)
        wire_free(r->other);
    bypass_destroy(r->b);
    free(r->other);
    free(r);
}

/* By the client `c`: that of the first device is r itself. */
static inline stream_id
connect_by(struct rig *r, struct rig *c, const char *from, const char *to)
{
    struct tcp_addr local = {0}, remote = {.port = PORT};
    struct stream_event e[4];
    assert_true(iptext_read(from, local.ip));
    assert_true(iptext_read(to, remote.ip));
    for (int i = 0; i < 30000 && !ipnet_is_ours(c->port.net, local.ip); i++)
        rig_turn(r);
    assert_int_equal(tcp_connect(c->tcp, &local, &remote, &c->id), ERR_OK);
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

static inline stream_id
connect_from(struct rig *r, const char *from, const char *to)
{
    return connect_by(r, r, from, to);
}

#endif
