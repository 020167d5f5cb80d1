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
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { EXIT_REFUSED = 3, EXIT_USAGE = 2 };

static void
count(const char *name, uint64_t value)
{
    if (value)
        printf("%s %llu\n", name, (unsigned long long)value);
}

static void
report(const struct ipnet_port *p)
{
    struct ipnet_stat s;
    struct nic_stat n;
    ipnet_stat(p->net, &s);
    p->nic.ops->stat(p->nic.self, &n);
    count("rx_frames", n.rx_frames);
    count("tx_frames", n.tx_frames);
    count("rx_missed", n.rx_missed);
    count("rx_errors", n.rx_errors);
    count("tx_errors", n.tx_errors);
    count("frames_out", n.frames_out);
    count("arp_replies", s.arp_replies);
    count("advertisements", s.advertisements);
    count("echoes", s.echoes);
    count("packets_in", s.packets_in);
    for (uint32_t i = 0; i < IPNET_DROPS; i++)
        count(ipnet_drop_row((enum ipnet_drop)i)->name, ipnet_dropped(p->net, (enum ipnet_drop)i));
}

static bool
input_ended(void)
{
    struct pollfd in = {.fd = 0, .events = POLLIN};
    char byte;
    return poll(&in, 1, 0) > 0 && read(0, &byte, 1) <= 0;
}

static void
run(struct ipnet_port *p)
{
    static struct ipnet_input in;
    struct packet_port packets = ipnet_port_packets(p);
    while (!input_ended()) {
        uint32_t work = 0, n;
        (void)ipnet_port_turn(p, os_now_ns());
        while ((n = ipnet_port_receive(p, &in)) > 0) {
            for (uint32_t i = 0; i < in.packet_count; i++)
                packets.ops->release(packets.self, &in.packets[i].frame, 1);
            work += n;
        }
        work += ipnet_port_flush(p);
        if (work == 0)
            (void)poll(NULL, 0, 1);
    }
    (void)ipnet_port_turn(p, os_now_ns());
}

int
main(int argc, char **argv)
{
    char error[NIC_DPDK_ERROR_BYTES];
    if (argc != 4)
        return EXIT_USAGE;
    struct ipnet_config net = {.mtu = (uint16_t)strtoul(argv[3], NULL, 10)};
    if (ipnet_text_addresses(&net, argv[2], error))
        return EXIT_USAGE;
    struct nic_dpdk_config config = {
        .device = argv[1], .queues = 1, .mtu = net.mtu, .default_route = "", .root = "/"};
    struct nic_dpdk *dpdk;
    if (nic_dpdk_create(&config, &dpdk, error)) {
        printf("refused %s\n", error);
        return EXIT_REFUSED;
    }
    struct nic nic = nic_dpdk_enter(dpdk, 0);
    struct nic_facts facts;
    nic.ops->facts(nic.self, &facts);
    for (int i = 0; i < 6; i++)
        net.mac[i] = facts.mac[i];
    net.tx_l4_sum = facts.tx_l4_sum;
    os_random(net.secret, sizeof net.secret);
    void *memory = aligned_alloc(64, (ipnet_footprint(&net) + 63) & ~(size_t)63);
    must(memory);
    static struct ipnet_port port;
    uint64_t now_ns = os_now_ns();
    ipnet_port_init(&port, nic, ipnet_init(memory, &net, now_ns), now_ns);
    printf("ready %s\n", facts.name);
    (void)fflush(stdout);
    run(&port);
    report(&port);
    ipnet_end(port.net);
    free(memory);
    nic_dpdk_leave(dpdk);
    nic_dpdk_destroy(dpdk);
    return 0;
}
