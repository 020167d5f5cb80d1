/* nic_echo.c: our TCP over IP over a device of DPDK: the whole stack without a broker.
 *
 *   nic_echo DEVICE ADDRESSES
 *
 * Port 7 echoes; port 19 sends ECHO_SOURCE_BYTES bytes, byte i being i * 7 + i / 256 modulo 256,
 * and closes.  Both by reference.  Ends with its standard input, when every connection must have
 * ended: prints "left N" for the objects that are still in use, then the counters.  "ready" and
 * "refused" as nic_answer. */
#include "core/base/clock.h"
#include "core/base/err.h"
#include "dataplane/net/ipnet_port.h"
#include "dataplane/tcp/tcp.h"
#include "drivers/dpdk/nic_dpdk.h"
#include "drivers/os/os.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    ECHO_PORT = 7,
    SOURCE_PORT = 19,
    SOURCE_BYTES = 16 << 20,
    BUFFER_BYTES = 64 << 10,
    CONNS = 64,
    MTU = 1500,
    EXIT_REFUSED = 3,
    EXIT_USAGE = 2,
};

struct conn {
    uint64_t id; /* 0: free */
    bool source, eof;
    uint32_t filled, given, ended; /* of the buffer, or of the source: to send, lent, given back */
    uint8_t buffer[BUFFER_BYTES];
};

static struct conn conns[CONNS];
static uint8_t source[SOURCE_BYTES];
static struct ipnet_port port;
static struct tcp *tcp;

static struct conn *
conn_of(uint64_t id)
{
    for (uint32_t i = 0; i < CONNS; i++)
        if (conns[i].id == id)
            return &conns[i];
    return NULL;
}

/* Bytes of the buffer are used again only when all of them have come back. */
static void
echo_fill(struct conn *c)
{
    struct view views[16];
    if (c->source || c->ended < c->filled)
        return;
    c->filled = c->given = c->ended = 0;
    uint32_t count = tcp_peek(tcp, c->id, views, 16);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t room = BUFFER_BYTES - c->filled;
        uint32_t bytes = views[i].len < room ? views[i].len : room;
        memcpy(c->buffer + c->filled, views[i].at, bytes);
        c->filled += bytes;
    }
    tcp_consume(tcp, c->id, c->filled);
}

static void
conn_go(struct conn *c)
{
    echo_fill(c);
    const uint8_t *from = c->source ? source : c->buffer;
    struct view rest = view_of(from + c->given, c->filled - c->given);
    int sent = rest.len ? tcp_send(tcp, c->id, &rest, 1) : 0;
    if (sent > 0)
        c->given += (uint32_t)sent;
    if (c->ended == c->filled && (c->eof || c->source))
        tcp_close(tcp, c->id);
}

static void
event_take(const struct tcp_event *e)
{
    struct conn *c = conn_of(e->kind == TCP_ACCEPTED ? 0 : e->id);
    if (!c)
        return;
    switch (e->kind) {
    case TCP_ACCEPTED:
        c->id = e->id;
        c->eof = false;
        c->source = e->listener % 2 == 1;
        c->filled = c->source ? SOURCE_BYTES : 0;
        c->given = c->ended = 0;
        break;
    case TCP_EOF:
        c->eof = true;
        break;
    case TCP_SENT:
        c->ended += e->bytes;
        break;
    case TCP_CLOSED:
        c->id = 0;
        return;
    default:
        break;
    }
}

static uint64_t
now_us(void)
{
    return os_now_ns() / 1000;
}

/* One turn; returns how much there was to do. */
static uint32_t
turn(void)
{
    static struct ipnet_input in;
    struct tcp_event events[64];
    uint32_t work = 0, n;
    (void)ipnet_port_turn(&port, os_now_ns());
    while ((n = ipnet_port_receive(&port, &in)) > 0) {
        tcp_input(tcp, in.packets, in.packet_count, port.now_ns / 1000);
        for (uint32_t i = 0; i < in.error_count; i++)
            tcp_error(tcp, &in.errors[i], port.now_ns / 1000);
        work += n;
    }
    tcp_tick(tcp, now_us());
    while ((n = tcp_poll(tcp, events, 64)) > 0) {
        for (uint32_t i = 0; i < n; i++)
            event_take(&events[i]);
        work += n;
    }
    for (uint32_t i = 0; i < CONNS; i++)
        if (conns[i].id)
            conn_go(&conns[i]);
    tcp_flush(tcp, now_us());
    return work + ipnet_port_flush(&port);
}

static bool
input_ended(void)
{
    struct pollfd in = {.fd = 0, .events = POLLIN};
    char byte;
    return poll(&in, 1, 0) > 0 && read(0, &byte, 1) <= 0;
}

static void
report(void)
{
    static const char *const names[] = {
#define NAME(name) #name,
        TCP_COUNTERS(NAME)
#undef NAME
    };
    struct tcp_usage u;
    struct nic_stat n;
    tcp_check(tcp);
    tcp_usage(tcp, &u);
    port.nic.ops->stat(port.nic.self, &n);
    printf("left %llu\n", (unsigned long long)(u.conns + u.half_open + u.nodes + u.segs +
                                               u.extents + n.frames_out));
    for (uint32_t i = 0; i < TCP_COUNTER_KINDS; i++)
        printf("%s %llu\n", names[i], (unsigned long long)tcp_count(tcp, (enum tcp_counter)i));
    for (uint32_t i = 0; i < IPNET_DROPS; i++)
        printf("NET_%s %llu\n", ipnet_drop_row((enum ipnet_drop)i)->name,
               (unsigned long long)ipnet_dropped(port.net, (enum ipnet_drop)i));
    printf("RX_FRAMES %llu\nTX_FRAMES %llu\nRX_MISSED %llu\nRX_ERRORS %llu\nTX_ERRORS %llu\n"
           "TX_FULL %llu\n",
           (unsigned long long)n.rx_frames, (unsigned long long)n.tx_frames,
           (unsigned long long)n.rx_missed, (unsigned long long)n.rx_errors,
           (unsigned long long)n.tx_errors, (unsigned long long)n.tx_full);
}

static void *
memory_for(size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
    must(memory);
    return memory;
}

/* Both ports on both families: listeners 0 and 2 echo, 1 and 3 send. */
static void
stack_make(const struct ipnet_config *net)
{
    struct tcp_config c;
    tcp_config_init(&c);
    c.mtu = MTU;
    os_random(c.key, sizeof c.key);
    struct packet_port packets = ipnet_port_packets(&port);
    tcp = tcp_init(memory_for(tcp_footprint(&c)), &c, &packets, now_us());
    for (uint32_t i = 0; i < net->address_count; i++) {
        struct tcp_addr at = {.port = ECHO_PORT};
        memcpy(at.ip, net->addresses[i].ip, sizeof at.ip);
        must(tcp_listen(tcp, &at) == ERR_OK);
        at.port = SOURCE_PORT;
        must(tcp_listen(tcp, &at) == ERR_OK);
    }
}

int
main(int argc, char **argv)
{
    char error[NIC_DPDK_ERROR_BYTES];
    struct ipnet_config net = {.mtu = MTU};
    struct nic_dpdk *dpdk;
    struct nic_facts facts;
    if (argc != 3 || ipnet_text_addresses(&net, argv[2], error))
        return EXIT_USAGE;
    struct nic_dpdk_config config = {
        .device = argv[1], .queues = 1, .mtu = MTU, .default_route = "", .root = "/"};
    if (nic_dpdk_create(&config, &dpdk, error)) {
        printf("refused %s\n", error);
        return EXIT_REFUSED;
    }
    for (uint32_t i = 0; i < SOURCE_BYTES; i++)
        source[i] = (uint8_t)(i * 7 + i / 256);
    nic_dpdk_facts(dpdk, &facts);
    memcpy(net.mac, facts.mac, sizeof net.mac);
    net.tx_l4_sum = facts.tx_l4_sum;
    os_random(net.secret, sizeof net.secret);
    void *memory = memory_for(ipnet_footprint(&net));
    ipnet_port_init(&port, nic_dpdk_enter(dpdk, 0), ipnet_init(memory, &net, os_now_ns()),
                    os_now_ns());
    stack_make(&net);
    printf("ready %s\n", facts.name);
    (void)fflush(stdout);
    while (!input_ended())
        if (turn() == 0)
            (void)poll(NULL, 0, 1);
    (void)ipnet_port_turn(&port, os_now_ns());
    report();
    ipnet_end(port.net);
    nic_dpdk_leave(dpdk);
    nic_dpdk_destroy(dpdk);
    return 0;
}
