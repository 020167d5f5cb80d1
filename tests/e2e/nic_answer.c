/* nic_answer.c: a host of our own on a device of DPDK: nic.h, ipnet, nothing above.
 *
 *   nic_answer DEVICE ADDRESSES MTU
 *
 * Answers ARP, neighbour discovery and pings until its standard input ends.  Prints "ready MAC",
 * and at the end one line for each counter that is not zero; "refused REASON" and exit code 3 when
 * the device cannot be had. */
#include "core/base/clock.h"
#include "core/base/err.h"
#include "dataplane/net/ipnet_port.h"
#include "drivers/dpdk/nic_dpdk.h"
#include "drivers/os/os.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { EXIT_REFUSED = 3, EXIT_USAGE = 2 };

struct loop {
    uint32_t number;
    struct ipnet_config config;
    struct ipnet_port port;
    struct ipnet_input in;
    struct ipnet_stat stat;
    struct nic_stat nic_stat;
    uint64_t drops[IPNET_DROPS];
    pthread_t thread;
};

static struct loop loops[NIC_DPDK_QUEUES_MAX];
static struct nic_dpdk *dpdk;
static struct ipnet_mesh *mesh;
static atomic_bool stop;

static void
count(const char *name, uint64_t value)
{
    if (value)
        printf("%s %llu\n", name, (unsigned long long)value);
}

static void *
memory_for(size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
    must(memory);
    return memory;
}

static void
total(const char *name, uint32_t queues, size_t at)
{
    uint64_t all = 0, value;
    for (uint32_t q = 0; q < queues; q++) {
        memcpy(&value, (const uint8_t *)&loops[q] + at, sizeof value);
        all += value;
    }
    count(name, all);
}

static void
report(uint32_t queues)
{
    static const struct {
        const char *name;
        size_t at;
    } rows[] = {
        {"rx_frames", offsetof(struct loop, nic_stat.rx_frames)},
        {"tx_frames", offsetof(struct loop, nic_stat.tx_frames)},
        {"rx_missed", offsetof(struct loop, nic_stat.rx_missed)},
        {"rx_errors", offsetof(struct loop, nic_stat.rx_errors)},
        {"tx_errors", offsetof(struct loop, nic_stat.tx_errors)},
        {"frames_out", offsetof(struct loop, nic_stat.frames_out)},
        {"arp_replies", offsetof(struct loop, stat.arp_replies)},
        {"advertisements", offsetof(struct loop, stat.advertisements)},
        {"echoes", offsetof(struct loop, stat.echoes)},
        {"resolves", offsetof(struct loop, stat.resolves)},
    };
    uint64_t used = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        total(rows[i].name, queues, rows[i].at);
    for (uint32_t i = 0; i < IPNET_DROPS; i++)
        total(ipnet_drop_name((enum ipnet_drop)i), queues,
              offsetof(struct loop, drops) + i * sizeof loops[0].drops[0]);
    for (uint32_t q = 0; q < queues; q++)
        used += loops[q].nic_stat.rx_frames > 0;
    count("queues_used", used);
}

/* One turn; returns how much there was to do. */
static uint32_t
turn(struct loop *l)
{
    struct packet_port packets = ipnet_port_packets(&l->port);
    struct packet_error error;
    uint32_t work = 0, n;
    (void)ipnet_port_turn(&l->port, os_now_ns());
    while (ipnet_port_hear(&l->port, &error))
        work++;
    while ((n = ipnet_port_receive(&l->port, &l->in)) > 0) {
        for (uint32_t i = 0; i < l->in.packet_count; i++)
            packets.ops->release(packets.self, &l->in.packets[i].frame, 1);
        work += n;
    }
    return work + ipnet_port_flush(&l->port);
}

static void *
loop_main(void *arg)
{
    struct loop *l = arg;
    struct nic nic = nic_dpdk_enter(dpdk, l->number);
    void *memory = memory_for(ipnet_footprint(&l->config));
    uint64_t now_ns = os_now_ns();
    ipnet_port_init(&l->port, nic, ipnet_init(memory, &l->config, now_ns), now_ns);
    if (mesh)
        ipnet_port_join(&l->port, mesh, l->number);
    while (!atomic_load(&stop))
        if (turn(l) == 0)
            (void)poll(NULL, 0, 1);
    (void)ipnet_port_turn(&l->port, os_now_ns());
    ipnet_stat(l->port.net, &l->stat);
    nic.ops->stat(nic.self, &l->nic_stat);
    for (uint32_t i = 0; i < IPNET_DROPS; i++)
        l->drops[i] = ipnet_dropped(l->port.net, (enum ipnet_drop)i);
    ipnet_end(l->port.net);
    free(memory);
    nic_dpdk_leave(dpdk);
    return NULL;
}

static void
run(const struct ipnet_config *net, uint32_t queues)
{
    char byte;
    void *memory = queues > 1 ? memory_for(ipnet_mesh_footprint(queues)) : NULL;
    mesh = memory ? ipnet_mesh_init(memory, queues) : NULL;
    for (uint32_t q = 0; q < queues; q++) {
        loops[q].number = q;
        loops[q].config = *net;
        loops[q].config.shared = queues > 1;
        loops[q].config.secondary = q > 0;
        must(pthread_create(&loops[q].thread, NULL, loop_main, &loops[q]) == 0);
    }
    while (read(0, &byte, 1) > 0)
        continue;
    atomic_store(&stop, true);
    for (uint32_t q = 0; q < queues; q++)
        must(pthread_join(loops[q].thread, NULL) == 0);
    free(memory);
}

int
main(int argc, char **argv)
{
    char error[NIC_DPDK_ERROR_BYTES];
    struct nic_facts facts;
    if (argc != 5)
        return EXIT_USAGE;
    struct ipnet_config net = {.mtu = (uint16_t)strtoul(argv[3], NULL, 10)};
    if (ipnet_text_addresses(&net, argv[2], error))
        return EXIT_USAGE;
    struct nic_dpdk_config config = {.device = argv[1],
                                     .queues = (uint32_t)strtoul(argv[4], NULL, 10),
                                     .mtu = net.mtu,
                                     .default_route = "",
                                     .root = "/"};
    if (nic_dpdk_create(&config, 1, &dpdk, error)) {
        printf("refused %s\n", error);
        return EXIT_REFUSED;
    }
    nic_dpdk_facts(dpdk, &facts);
    memcpy(net.mac, facts.mac, sizeof net.mac);
    net.tx_l4_sum = facts.tx_l4_sum;
    os_random(net.secret, sizeof net.secret);
    printf("ready %s\n", facts.name);
    (void)fflush(stdout);
    run(&net, config.queues);
    report(config.queues);
    nic_dpdk_destroy(dpdk);
    return 0;
}
