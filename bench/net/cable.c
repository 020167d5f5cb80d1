/* cable.c: the card and the wire of a broker on net=dpdk: frames of a memif device come out of an
 * interface of the kernel, and back.
 *
 *   cable SOCKET INTERFACE
 *
 * The broker takes net.devices=net_memif0,role=client,zero-copy=yes,socket=SOCKET,...: it hands
 * over descriptors in memory that both share, and this program, on another processor, does what a
 * card would do by itself: copies the frames, and gives them to the kernel in which the client
 * runs.  So the kernel's part of a frame's way is in nobody's account who is measured.
 *
 * Prints "ready"; ends with its standard input and prints what each direction did.  Never sleeps:
 * what is runnable on its processor goes first whenever nothing has come.  For frames of an MTU of
 * 1500: the interface's senders must not leave segmentation or checksums to devices. */
#include "core/base/must.h"
#include "drivers/dpdk/nic_dpdk.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CABLE_MTU = 1500,
    CABLE_FRAME_BYTES = 2048,
    CABLE_BUFFER_BYTES = 64 << 20,
    CABLE_LOOKS = 4096, /* turns between two looks at the standard input */
};

static struct nic nic;
static int kernel;
static struct {
    uint64_t to_broker, from_broker, refused, too_long; /* refused: by the interface */
} counts;

/* ---- from the interface to the broker ---- */

static uint8_t bytes[NIC_BURST_MAX][CABLE_FRAME_BYTES];
static struct nic_tx frames[NIC_BURST_MAX];
static const struct nic_tx *waiting[NIC_BURST_MAX];
static uint32_t waiting_first, waiting_count;

static void
frame_make(struct nic_tx *f, const uint8_t *at, uint32_t len)
{
    memcpy(f->header, at, ETH_HLEN);
    f->header_bytes = f->l2_bytes = ETH_HLEN;
    f->span_count = 1;
    f->payload_bytes = len - ETH_HLEN;
    f->spans[0] = (struct packet_span){.bytes = view_of(at + ETH_HLEN, len - ETH_HLEN)};
}

/* What the broker's ring does not take stays here, and what comes behind it in the kernel. */
static uint32_t
take(void)
{
    struct mmsghdr heads[NIC_BURST_MAX];
    struct iovec parts[NIC_BURST_MAX];
    if (waiting_count > 0)
        return 0;
    for (uint32_t i = 0; i < NIC_BURST_MAX; i++) {
        parts[i] = (struct iovec){bytes[i], CABLE_FRAME_BYTES};
        heads[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[i], .msg_iovlen = 1}};
    }
    int n = recvmmsg(kernel, heads, NIC_BURST_MAX, MSG_DONTWAIT | MSG_TRUNC, NULL);
    waiting_first = 0;
    for (int i = 0; i < n; i++) {
        uint32_t len = heads[i].msg_len;
        if (len <= ETH_HLEN || len > ETH_HLEN + CABLE_MTU) {
            counts.too_long++;
            continue;
        }
        frame_make(&frames[waiting_count], bytes[i], len);
        waiting[waiting_count] = &frames[waiting_count];
        waiting_count++;
    }
    return waiting_count;
}

static void
hand_over(void)
{
    uint32_t taken =
        waiting_count ? nic.ops->tx(nic.self, waiting + waiting_first, waiting_count) : 0;
    waiting_first += taken;
    waiting_count -= taken;
    counts.to_broker += taken;
}

/* ---- from the broker to the interface ---- */

static uint32_t
deliver(void)
{
    struct nic_rx rx[NIC_BURST_MAX];
    struct packet_frame *done[NIC_BURST_MAX];
    struct mmsghdr heads[NIC_BURST_MAX];
    struct iovec parts[NIC_BURST_MAX];
    uint32_t count = nic.ops->rx(nic.self, rx, NIC_BURST_MAX);
    for (uint32_t i = 0; i < count; i++) {
        done[i] = rx[i].frame;
        parts[i] = (struct iovec){(void *)(uintptr_t)rx[i].bytes.at, rx[i].bytes.len};
        heads[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[i], .msg_iovlen = 1}};
    }
    for (uint32_t at = 0; at < count;) {
        int n = sendmmsg(kernel, heads + at, count - at, 0);
        counts.from_broker += n > 0 ? (uint32_t)n : 0;
        counts.refused += n <= 0;
        at += n > 0 ? (uint32_t)n : 1;
    }
    if (count)
        nic.ops->release(nic.self, done, count);
    return count;
}

/* ---- both ends ---- */

static int
interface_open(const char *name)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET,
                             .sll_protocol = htons(ETH_P_ALL),
                             .sll_ifindex = (int)if_nametoindex(name)};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL));
    int room = CABLE_BUFFER_BYTES, on = 1;
    if (fd < 0 || at.sll_ifindex == 0 || bind(fd, (const struct sockaddr *)&at, sizeof at) ||
        setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) ||
        setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on) ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) ||
        setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room)) {
        perror(name);
        exit(1);
    }
    return fd;
}

static struct nic_dpdk *
memif_open(const char *socket_path)
{
    char device[NIC_DPDK_DEVICE_BYTES_MAX], error[NIC_DPDK_ERROR_BYTES];
    struct nic_dpdk *dpdk;
    (void)snprintf(device, sizeof device, "net_memif0,role=server,socket-abstract=no,socket=%s",
                   socket_path);
    struct nic_dpdk_config config = {
        .device = device, .queues = 1, .mtu = CABLE_MTU, .default_route = "", .root = "/"};
    if (nic_dpdk_create(&config, 1, &dpdk, error)) {
        fprintf(stderr, "%s\n", error);
        exit(1);
    }
    return dpdk;
}

static bool
input_ended(void)
{
    struct pollfd in = {.fd = 0, .events = POLLIN};
    char byte;
    return poll(&in, 1, 0) > 0 && read(0, &byte, 1) <= 0;
}

int
main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "cable SOCKET INTERFACE\n");
        return 2;
    }
    struct nic_dpdk *dpdk = memif_open(argv[1]);
    kernel = interface_open(argv[2]);
    nic = nic_dpdk_enter(dpdk, 0);
    printf("ready\n");
    (void)fflush(stdout);
    for (uint32_t turn = 1; turn % CABLE_LOOKS != 0 || !input_ended(); turn++) {
        uint32_t work = deliver() + take();
        hand_over();
        if (work == 0)
            (void)sched_yield();
    }
    printf("to_broker %llu from_broker %llu refused %llu too_long %llu\n",
           (unsigned long long)counts.to_broker, (unsigned long long)counts.from_broker,
           (unsigned long long)counts.refused, (unsigned long long)counts.too_long);
    nic_dpdk_leave(dpdk);
    nic_dpdk_destroy(dpdk);
    return 0;
}
