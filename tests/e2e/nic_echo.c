/* nic_echo.c: our TCP over IP over a device of DPDK: the whole stack without a broker.
 *
 *   nic_echo [-m MTU] DEVICE ADDRESSES [FILE BYTES [PEER]]
 *
 * Port 7 echoes.  Port 19 sends BYTES bytes, FILE again and again, and closes; without a file they
 * are SOURCE_BYTES bytes, byte i being i * 7 + i / 256 modulo 256.  Both by reference.  Port 9
 * compares what it gets with the same bytes and answers the end with how many came, or "wrong at"
 * and where the first other byte was.  With PEER, the address of another nic_echo, it is a client
 * of that: fetches from port 19, sends to port 9, prints "fetched" and "pushed" with how many bytes
 * were right, and ends.  Else it ends after its standard input, when every connection has ended, or
 * END_MS later: prints "left N" for the objects that are still in use, then the counters.  "ready"
 * and "refused" as nic_answer. */
#include "core/base/clock.h"
#include "core/base/err.h"
#include "dataplane/net/ipnet_port.h"
#include "dataplane/tcp/tcp.h"
#include "drivers/dpdk/nic_dpdk.h"
#include "drivers/os/os.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    ECHO_PORT = 7,
    SINK_PORT = 9,
    SOURCE_PORT = 19,
    SOURCE_BYTES = 16 << 20,
    BUFFER_BYTES = 64 << 10,
    CONNS = 64,
    VIEWS = 64,
    MTU_USUAL = 1500,
    LAST_MS = 300,    /* of a client that is done: its last ACK is on its way */
    END_MS = 20000,   /* for what both sides have closed */
    REST_NS = 100000, /* when nothing comes: longer is seen in round trips (bench/net/goodput.py) */
    EXIT_REFUSED = 3,
    EXIT_USAGE = 2,
};

/* Of connections that peers open, then of ours. */
enum service { ECHO, SOURCE, SINK, SERVICES, FETCH = SERVICES, PUSH, NOTHING };

struct conn {
    uint64_t id; /* 0: free */
    enum service service;
    bool eof, wrong, answered;
    uint64_t filled, given, ended; /* of the buffer, or of the source: to send, lent, given back */
    uint64_t taken;                /* by the sink: as many as were right */
    uint8_t buffer[BUFFER_BYTES];
};

static struct conn conns[CONNS];
static uint8_t *source;
static uint64_t block_bytes = SOURCE_BYTES, source_bytes = SOURCE_BYTES;
static struct ipnet_port port;
static struct tcp *tcp;
static enum service client = NOTHING; /* what is under way */
static struct tcp_addr own, peer;
static uint16_t mtu = MTU_USUAL;

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
    struct view views[VIEWS];
    if (c->ended < c->filled)
        return;
    c->filled = c->given = c->ended = 0;
    uint32_t count = tcp_peek(tcp, c->id, views, VIEWS);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t room = BUFFER_BYTES - (uint32_t)c->filled;
        uint32_t bytes = views[i].len < room ? views[i].len : room;
        memcpy(c->buffer + c->filled, views[i].at, bytes);
        c->filled += bytes;
    }
    tcp_consume(tcp, c->id, (uint32_t)c->filled);
}

static void
sink_compare(struct conn *c, struct view v)
{
    for (uint32_t at = 0; at < v.len && !c->wrong;) {
        uint64_t from = c->taken % block_bytes, rest = v.len - at;
        uint64_t part = rest < block_bytes - from ? rest : block_bytes - from;
        uint64_t same = part;
        if (memcmp(v.at + at, source + from, part) != 0)
            for (same = 0; v.at[at + same] == source[from + same];)
                same++;
        c->wrong = same < part;
        c->taken += same;
        at += (uint32_t)part;
    }
}

static void
sink_take(struct conn *c)
{
    struct view views[VIEWS];
    for (uint32_t count; (count = tcp_peek(tcp, c->id, views, VIEWS)) > 0;) {
        uint32_t bytes = 0;
        for (uint32_t i = 0; i < count; i++) {
            sink_compare(c, views[i]);
            bytes += views[i].len;
        }
        tcp_consume(tcp, c->id, bytes);
    }
    if (c->service == FETCH || !c->eof || c->answered)
        return;
    c->answered = true;
    c->filled = (uint64_t)snprintf((char *)c->buffer, BUFFER_BYTES, "%s%llu",
                                   c->wrong ? "wrong at " : "", (unsigned long long)c->taken);
}

/* What the other end says that it got. */
static void
answer_take(struct conn *c)
{
    struct view v;
    while (tcp_peek(tcp, c->id, &v, 1) > 0) {
        uint32_t room = BUFFER_BYTES - 1 - (uint32_t)c->taken;
        memcpy(c->buffer + c->taken, v.at, v.len < room ? v.len : room);
        c->taken += v.len < room ? v.len : room;
        tcp_consume(tcp, c->id, v.len);
    }
    c->buffer[c->taken] = 0;
    if (c->given == c->filled && !c->answered) {
        c->answered = true;
        tcp_shutdown(tcp, c->id);
    }
}

static bool
sends_source(const struct conn *c)
{
    return c->service == SOURCE || c->service == PUSH;
}

/* Whether nothing more will come to be sent. */
static bool
at_end(const struct conn *c)
{
    switch (c->service) {
    case SOURCE:
        return true;
    case SINK:
        return c->answered;
    default:
        return c->eof;
    }
}

/* What is to be sent next, without a gap in memory. */
static struct view
rest_of(const struct conn *c)
{
    uint64_t from = c->given, bytes = c->filled - c->given;
    if (sends_source(c)) {
        from %= block_bytes;
        bytes = bytes < block_bytes - from ? bytes : block_bytes - from;
    }
    return view_of((sends_source(c) ? source : c->buffer) + from, (uint32_t)bytes);
}

static void
conn_go(struct conn *c)
{
    if (c->service == ECHO)
        echo_fill(c);
    else if (c->service == SINK || c->service == FETCH)
        sink_take(c);
    else if (c->service == PUSH)
        answer_take(c);
    int sent;
    do {
        struct view rest = rest_of(c);
        sent = rest.len ? tcp_send(tcp, c->id, &rest, 1) : 0;
        if (sent > 0)
            c->given += (uint64_t)sent;
    } while (sent > 0);
    if (c->ended == c->filled && at_end(c))
        tcp_close(tcp, c->id);
}

static void
client_begin(enum service service)
{
    struct conn *c = conn_of(0);
    client = service;
    if (service == NOTHING)
        return;
    peer.port = service == FETCH ? SOURCE_PORT : SINK_PORT;
    *c = (struct conn){.service = service, .filled = service == PUSH ? source_bytes : 0};
    must(tcp_connect(tcp, &own, &peer, &c->id) == ERR_OK);
}

static void
client_ended(const struct conn *c)
{
    if (c->service == FETCH) {
        printf("fetched %llu\n", c->wrong ? 0 : (unsigned long long)c->taken);
        client_begin(PUSH);
    } else if (c->service == PUSH) {
        printf("pushed %llu\n", strtoull((const char *)c->buffer, NULL, 10));
        client_begin(NOTHING);
    }
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
        c->eof = c->wrong = c->answered = false;
        c->service = (enum service)(e->listener % SERVICES);
        c->filled = c->service == SOURCE ? source_bytes : 0;
        c->given = c->ended = c->taken = 0;
        break;
    case TCP_EOF:
        c->eof = true;
        break;
    case TCP_SENT:
        c->ended += e->bytes;
        break;
    case TCP_CLOSED:
        c->id = 0;
        client_ended(c);
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

static uint64_t
in_use(void)
{
    struct tcp_usage u;
    struct nic_stat n;
    tcp_usage(tcp, &u);
    port.nic.ops->stat(port.nic.self, &n);
    return u.conns + u.half_open + u.nodes + u.segs + u.extents + n.frames_out;
}

static void
rest(void)
{
    const struct timespec some = {.tv_nsec = REST_NS};
    (void)nanosleep(&some, NULL);
}

/* The last packets of connections that both sides have closed are still on their way. */
static void
connections_end(void)
{
    uint64_t end_ns = os_now_ns() + END_MS * CLOCK_NS_PER_MS;
    while (in_use() > 0 && os_now_ns() < end_ns)
        if (turn() == 0)
            rest();
}

static void
report(void)
{
    static const char *const names[] = {
#define NAME(name) #name,
        TCP_COUNTERS(NAME)
#undef NAME
    };
    struct nic_stat n;
    tcp_check(tcp);
    port.nic.ops->stat(port.nic.self, &n);
    printf("left %llu\n", (unsigned long long)in_use());
    for (uint32_t i = 0; i < TCP_COUNTER_KINDS; i++)
        printf("%s %llu\n", names[i], (unsigned long long)tcp_count(tcp, (enum tcp_counter)i));
    for (uint32_t i = 0; i < IPNET_DROPS; i++)
        printf("NET_%s %llu\n", ipnet_drop_name((enum ipnet_drop)i),
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

/* What is sent and expected. */
static bool
source_make(const char *path, const char *bytes)
{
    if (!path) {
        source = memory_for(SOURCE_BYTES);
        for (uint32_t i = 0; i < SOURCE_BYTES; i++)
            source[i] = (uint8_t)(i * 7 + i / 256);
        return true;
    }
    FILE *f = fopen(path, "rb");
    source = memory_for(SOURCE_BYTES);
    block_bytes = f ? fread(source, 1, SOURCE_BYTES, f) : 0;
    source_bytes = strtoull(bytes, NULL, 10);
    if (f)
        (void)fclose(f);
    return block_bytes > 0;
}

/* Listener i of each address is of service i. */
static void
stack_make(const struct ipnet_config *net)
{
    struct tcp_config c;
    tcp_config_init(&c);
    c.mtu = mtu;
    c.conns = CONNS;
    c.nodes = NIC_DPDK_FRAMES / 2; /* the device must not run out of frames to receive with */
    os_random(c.key, sizeof c.key);
    struct packet_port packets = ipnet_port_packets(&port);
    tcp = tcp_init(memory_for(tcp_footprint(&c)), &c, &packets, now_us());
    static const uint16_t ports[SERVICES] = {ECHO_PORT, SOURCE_PORT, SINK_PORT};
    for (uint32_t i = 0; i < net->address_count; i++)
        for (uint32_t k = 0; k < SERVICES; k++) {
            struct tcp_addr at = {.port = ports[k]};
            memcpy(at.ip, net->addresses[i].ip, sizeof at.ip);
            must(tcp_listen(tcp, &at) == ERR_OK);
        }
}

int
main(int argc, char **argv)
{
    char error[NIC_DPDK_ERROR_BYTES];
    if (argc > 2 && strcmp(argv[1], "-m") == 0) {
        mtu = (uint16_t)strtoul(argv[2], NULL, 10);
        argv += 2;
        argc -= 2;
    }
    struct ipnet_config net = {.mtu = mtu};
    struct nic_dpdk *dpdk;
    struct nic_facts facts;
    if ((argc != 3 && argc != 5 && argc != 6) || ipnet_text_addresses(&net, argv[2], error) ||
        !source_make(argc > 3 ? argv[3] : NULL, argc > 3 ? argv[4] : NULL) ||
        (argc == 6 && !iptext_read(argv[5], peer.ip)))
        return EXIT_USAGE;
    struct nic_dpdk_config config = {
        .device = argv[1], .queues = 1, .mtu = mtu, .default_route = "", .root = "/"};
    if (nic_dpdk_create(&config, 1, &dpdk, error)) {
        printf("refused %s\n", error);
        return EXIT_REFUSED;
    }
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
    memcpy(own.ip, net.addresses[0].ip, sizeof own.ip);
    bool begun = argc < 6;
    uint32_t left = LAST_MS * (1000000 / REST_NS);
    while (!input_ended() && (!begun || argc < 6 || client != NOTHING || left-- > 0)) {
        if (turn() == 0)
            rest();
        nic_dpdk_facts(dpdk, &facts);
        if (!begun && facts.link_up)
            client_begin(FETCH);
        begun |= facts.link_up;
    }
    connections_end();
    (void)ipnet_port_turn(&port, os_now_ns());
    report();
    ipnet_end(port.net);
    nic_dpdk_leave(dpdk);
    nic_dpdk_destroy(dpdk);
    return 0;
}
