/* ipnet_bench.c: what IP costs a packet: the machine of dataplane/net alone, bursts of 32, no
 * device.
 *
 *   ipnet_bench [ROUNDS]
 *
 * Each row is the median of ROUNDS (default 15) timings of 32768 packets, by the thread's
 * processor time, so that a busy machine disturbs it less. */
#include "core/base/err.h"
#include "core/net/checksum.h"
#include "dataplane/net/ipnet_in.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BURST = 32, BURSTS = 1024, ROUNDS_MAX = 101, PEERS = 64 };

struct row {
    const char *name;
    bool v6, send, device_sums;
    uint32_t payload_bytes;
};

static const struct row rows[] = {
    {"receive IPv4, 64 bytes of payload", false, false, false, 64},
    {"receive IPv4, 1448 bytes", false, false, false, 1448},
    {"receive IPv6, 64 bytes", true, false, false, 64},
    {"send IPv4, 64 bytes", false, true, false, 64},
    {"send IPv4, 1448 bytes", false, true, false, 1448},
    {"send IPv4, 1448 bytes, the device sums", false, true, true, 1448},
    {"send IPv6, 1428 bytes, the device sums", true, true, true, 1428},
};

static uint8_t payload[1500];
static struct packet_ref ref = {.holds = 1};

static struct ipnet *
host_make(bool device_sums)
{
    struct ipnet_config c = {.mac = {2, 0, 0, 0, 0, 1}, .mtu = 1500, .tx_l4_sum = device_sums};
    char error[IPNET_ERROR_BYTES];
    must(ipnet_text_addresses(&c, "10.77.0.1/16,fd00:77::1/64", error) == ERR_OK);
    void *memory = aligned_alloc(64, (ipnet_footprint(&c) + 63) & ~(size_t)63);
    must(memory);
    struct ipnet *n = ipnet_init(memory, &c, 0);
    (void)ipnet_step(n, 2 * CLOCK_NS_PER_S);
    ipnet_sent(n, ipnet_ready(n, (const struct nic_tx *[NIC_BURST_MAX]){0}));
    return n;
}

static void
address(uint8_t ip[16], bool v6, uint32_t host)
{
    must(iptext_read(v6 ? "fd00:77::" : "10.77.0.0", ip));
    set_u16(ip + 14, (uint16_t)host);
}

/* Peers 256 to 256 + PEERS - 1 are neighbours whose link addresses are known. */
static void
peers_known(struct ipnet *n)
{
    uint8_t ip[16];
    for (uint32_t i = 0; i < PEERS; i++) {
        const uint8_t mac[6] = {2, 0, 0, 1, 0, (uint8_t)i};
        for (int v6 = 0; v6 < 2; v6++) {
            address(ip, v6, 256 + i);
            ipnet_neigh_learn(n, ip, mac, IPNET_LEARN_ASKED);
        }
    }
}

static struct packet_out
packet_make(const struct row *r, uint32_t peer)
{
    struct packet_out p = {.header_bytes = 32, .header = {[12] = 0x80}};
    address(p.src, r->v6, 1);
    address(p.dst, r->v6, 256 + peer);
    p.payload_bytes = r->payload_bytes;
    p.spans[0] = (struct packet_span){view_of(payload, r->payload_bytes), &ref};
    p.span_count = 1;
    return p;
}

/* A burst as the other side's stack would send it. */
static void
frames_make(struct ipnet *n, const struct row *r, uint8_t bytes[BURST][2048],
            struct nic_rx out[BURST])
{
    for (uint32_t i = 0; i < BURST; i++) {
        struct packet_out p = packet_make(r, i % PEERS);
        uint8_t *to = bytes[i], swap[16];
        memcpy(swap, p.src, 16);
        memcpy(p.src, p.dst, 16);
        memcpy(p.dst, swap, 16);
        struct put w = put_of(to, 2048);
        put_bytes(&w, (const uint8_t[]){2, 0, 0, 0, 0, 1, 2, 0, 0, 1, 0, (uint8_t)i}, 12);
        put_u16(&w, r->v6 ? IPNET_TYPE_IP6 : IPNET_TYPE_IP4);
        struct ipnet_ip_fields f = {.src = p.src,
                                    .dst = p.dst,
                                    .protocol = IPNET_PROTO_TCP,
                                    .hops = IPNET_HOPS,
                                    .l4_bytes = p.header_bytes + p.payload_bytes};
        ipnet_ip_header(n, &w, &f);
        put_bytes(&w, p.header, p.header_bytes);
        put_bytes(&w, payload, p.payload_bytes);
        out[i] = (struct nic_rx){.bytes = view_of(to, put_len(&w)),
                                 .frame = (struct packet_frame *)(void *)to};
    }
}

static uint64_t
cpu_ns(void)
{
    struct timespec ts;
    must(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) == 0);
    return (uint64_t)ts.tv_sec * CLOCK_NS_PER_S + (uint64_t)ts.tv_nsec;
}

static uint64_t
time_receive(struct ipnet *n, const struct nic_rx *frames)
{
    static struct ipnet_input in;
    uint64_t start_ns = cpu_ns();
    for (uint32_t b = 0; b < BURSTS; b++) {
        ipnet_input(n, 3 * CLOCK_NS_PER_S, frames, BURST, &in);
        must(in.packet_count == BURST);
    }
    return cpu_ns() - start_ns;
}

static uint64_t
time_send(struct ipnet *n, const struct packet_out *packets)
{
    const struct nic_tx *frames[NIC_BURST_MAX];
    uint64_t start_ns = cpu_ns();
    for (uint32_t b = 0; b < BURSTS; b++) {
        ipnet_send(n, 3 * CLOCK_NS_PER_S, packets, BURST);
        must(ipnet_ready(n, frames) == BURST);
        ipnet_sent(n, BURST);
    }
    return cpu_ns() - start_ns;
}

static int
compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void
row_run(const struct row *r, uint32_t rounds)
{
    static uint8_t bytes[BURST][2048];
    struct nic_rx frames[BURST];
    struct packet_out packets[BURST];
    uint64_t took_ns[ROUNDS_MAX];
    struct ipnet *n = host_make(r->device_sums);
    peers_known(n);
    frames_make(n, r, bytes, frames);
    for (uint32_t i = 0; i < BURST; i++)
        packets[i] = packet_make(r, i % PEERS);
    for (uint32_t i = 0; i < rounds; i++)
        took_ns[i] = r->send ? time_send(n, packets) : time_receive(n, frames);
    qsort(took_ns, rounds, sizeof took_ns[0], compare);
    double each_ns = (double)took_ns[rounds / 2] / (BURST * BURSTS);
    printf("| %-40s | %7.1f | %7.1f |\n", r->name, each_ns, 1e3 / each_ns);
    ipnet_end(n);
    free(n);
}

int
main(int argc, char **argv)
{
    uint32_t rounds = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 15;
    if (rounds == 0 || rounds > ROUNDS_MAX) {
        (void)fprintf(stderr, "usage: ipnet_bench [ROUNDS], at most %d\n", ROUNDS_MAX);
        return 2;
    }
    printf("| one packet                               | ns      | M/s     |\n|---|---|---|\n");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        row_run(&rows[i], rounds);
    return 0;
}
