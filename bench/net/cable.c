/* cable.c: the card and the wire of a broker on net=dpdk: frames of a virtio device come out of an
 * interface of the kernel, and back.
 *
 *   cable SOCKET INTERFACE offloads|plain
 *
 * The broker takes net.devices=net_virtio_user0,path=SOCKET,...: it hands over descriptors in
 * memory that both share, and this program, on another processor, does what a card would do by
 * itself (vhost-user): copies the frames, and gives them to the kernel in which the client runs.
 * So the kernel's part of a frame's way is in nobody's account who is measured.
 *
 * With offloads the broker's card cuts bursts, and sums; plain, it takes and brings frames as they
 * are on a wire, which the broker sums.  The client's kernel has a card that cuts, joins and sums
 * in both cases (card.h).
 *
 * Prints "ready"; ends with its standard input and prints what each direction did.  Never sleeps:
 * what is runnable on its processor goes first whenever nothing has come. */
#include "bench/net/card.h"

#include "core/base/must.h"
#include "drivers/os/os.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <rte_eal.h>
#include <rte_mbuf.h>
#include <rte_vhost.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    CABLE_MTU = 1500,
    CABLE_BURST = 64,
    CABLE_WHOLES = 16,
    CABLE_WHOLE_ROOM = 65535, /* of a frame that is to be cut: all that an mbuf can have */
    CABLE_PART_ROOM = 8192,   /* what comes from the broker is in parts of this size */
    CABLE_MBUFS = 1023,
    CABLE_BUFFER_BYTES = 64 << 20,
    CABLE_LOOKS = 4096, /* turns between two looks at the standard input */
    IP_BYTES = 20,
    TCP_SUM_AT = 16,
    BROKER_RX = 0, /* rings, as virtio numbers them */
    BROKER_TX = 1,
};

static int kernel;
static bool offloads;
static _Atomic int device = -1; /* the broker, while it is there */
static _Atomic uint64_t turns;
static struct rte_mempool *whole_pool, *part_pool, *head_pool, *link_pool;
static struct {
    uint64_t to_broker, wholes, from_broker, joined, refused, unknown;
    uint64_t busy_ns; /* of turns in which something went */
} counts;

/* ---- from the interface to the broker ---- */

static struct rte_mbuf *wholes[CABLE_WHOLES];
static struct virtio_net_hdr asks[CABLE_WHOLES];
static uint32_t lengths[CABLE_WHOLES], whole_first, whole_count;
static struct rte_mbuf *cut_of; /* what is being cut; NULL: nothing */
static struct card_cut cut;
static struct rte_mbuf *waiting[CABLE_BURST];
static uint32_t waiting_first, waiting_count;

static void
take(void)
{
    struct mmsghdr heads[CABLE_WHOLES];
    struct iovec parts[CABLE_WHOLES][2];
    for (uint32_t i = 0; i < CABLE_WHOLES; i++) {
        if (!wholes[i])
            wholes[i] = rte_pktmbuf_alloc(whole_pool);
        must(wholes[i]);
        parts[i][0] = (struct iovec){&asks[i], sizeof asks[i]};
        parts[i][1] = (struct iovec){wholes[i]->buf_addr, CABLE_WHOLE_ROOM};
        heads[i] = (struct mmsghdr){.msg_hdr = {.msg_iov = parts[i], .msg_iovlen = 2}};
    }
    int n = recvmmsg(kernel, heads, CABLE_WHOLES, MSG_DONTWAIT | MSG_TRUNC, NULL);
    whole_first = 0;
    whole_count = n > 0 ? (uint32_t)n : 0;
    for (uint32_t i = 0; i < whole_count; i++)
        lengths[i] = heads[i].msg_len;
    counts.wholes += whole_count;
}

/* Begins with the next of the wholes that can be cut; false: there is none. */
static bool
next_begin(void)
{
    while (whole_first < whole_count) {
        uint32_t i = whole_first++, head = (uint32_t)sizeof asks[i];
        struct view frame = view_of(wholes[i]->buf_addr, lengths[i] - head);
        if (lengths[i] > head + ETH_HLEN && frame.len <= CABLE_WHOLE_ROOM &&
            card_cut_begin(&cut, &asks[i], frame, !offloads)) {
            cut_of = wholes[i];
            wholes[i] = NULL; /* goes back when its last segment has */
            return true;
        }
        counts.unknown++;
    }
    return false;
}

/* Header, and the payload where it lies. */
static struct rte_mbuf *
frame_of(const struct nic_tx *tx)
{
    struct rte_mbuf *head = rte_pktmbuf_alloc(head_pool), *rest = rte_pktmbuf_alloc(link_pool);
    must(head);
    must(rest);
    memcpy(rte_pktmbuf_append(head, tx->header_bytes), tx->header, tx->header_bytes);
    rte_pktmbuf_attach(rest, cut_of);
    rest->data_off = (uint16_t)(tx->spans[0].bytes.at - (const uint8_t *)cut_of->buf_addr);
    rest->data_len = (uint16_t)tx->spans[0].bytes.len;
    rest->pkt_len = rest->data_len;
    must(rte_pktmbuf_chain(head, rest) == 0);
    if (offloads && tx->l3_bytes > 0) {
        head->l2_len = ETH_HLEN;
        head->l3_len = IP_BYTES;
        head->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_IPV4;
    }
    return head;
}

static void
cut_more(void)
{
    while (waiting_count < CABLE_BURST) {
        struct nic_tx tx;
        if (!cut_of && !next_begin())
            return;
        if (!card_cut_next(&cut, &tx)) {
            rte_pktmbuf_free(cut_of);
            cut_of = NULL;
        } else if (tx.payload_bytes + tx.header_bytes > ETH_HLEN + CABLE_MTU) {
            counts.unknown++;
        } else {
            waiting[waiting_count++] = frame_of(&tx);
        }
    }
}

/* What the broker's ring does not take stays here, and what comes behind it in the kernel. */
static uint32_t
hand_over(int vid)
{
    if (waiting_first == waiting_count) {
        waiting_first = waiting_count = 0;
        if (!cut_of && whole_first == whole_count)
            take();
        cut_more();
    }
    if (waiting_first == waiting_count)
        return 0;
    struct rte_mbuf **first = waiting + waiting_first;
    uint16_t left = (uint16_t)(waiting_count - waiting_first);
    uint16_t taken = rte_vhost_enqueue_burst(vid, BROKER_RX, first, left);
    rte_pktmbuf_free_bulk(first, taken);
    waiting_first += taken;
    counts.to_broker += taken;
    return taken;
}

/* ---- from the broker to the interface ---- */

static void
joins_send(struct card_join *joins, uint32_t count)
{
    struct mmsghdr heads[CABLE_BURST];
    for (uint32_t i = 0; i < count; i++) {
        card_join_end(&joins[i]);
        heads[i] = (struct mmsghdr){
            .msg_hdr = {.msg_iov = joins[i].parts, .msg_iovlen = joins[i].part_count}};
    }
    for (uint32_t at = 0; at < count;) {
        int n = sendmmsg(kernel, heads + at, count - at, 0);
        counts.joined += n > 0 ? (uint32_t)n : 0;
        counts.refused += n <= 0;
        at += n > 0 ? (uint32_t)n : 1;
    }
}

/* A frame on which the broker's card has work to do: the kernel does it, or its own card. */
static void
pass_on(struct card_join *j, struct rte_mbuf *m)
{
    *j = (struct card_join){.part_count = 1};
    j->parts[0] = (struct iovec){&j->head, sizeof j->head};
    j->head.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    j->head.csum_start = (uint16_t)(m->l2_len + m->l3_len);
    j->head.csum_offset = TCP_SUM_AT;
    if (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) {
        j->head.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
        j->head.gso_size = m->tso_segsz;
        j->head.hdr_len = (uint16_t)(m->l2_len + m->l3_len + m->l4_len);
    }
    for (; m && j->part_count < 2 + CARD_JOIN_PARTS; m = m->next)
        j->parts[j->part_count++] = (struct iovec){rte_pktmbuf_mtod(m, void *), m->data_len};
}

static uint32_t
deliver(int vid)
{
    static struct card_join joins[CABLE_BURST];
    struct rte_mbuf *list[CABLE_BURST];
    uint16_t count = rte_vhost_dequeue_burst(vid, BROKER_TX, part_pool, list, CABLE_BURST);
    uint32_t join_count = 0;
    for (uint16_t i = 0; i < count; i++) {
        struct view frame = view_of(rte_pktmbuf_mtod(list[i], uint8_t *), list[i]->data_len);
        if (list[i]->ol_flags & RTE_MBUF_F_TX_L4_MASK)
            pass_on(&joins[join_count++], list[i]);
        else if (join_count == 0 || !card_join_add(&joins[join_count - 1], &frame))
            card_join_begin(&joins[join_count++], &frame);
    }
    joins_send(joins, join_count);
    counts.from_broker += count;
    if (count)
        rte_pktmbuf_free_bulk(list, count);
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
        setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) ||
        setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room)) {
        perror(name);
        exit(1);
    }
    return fd;
}

static struct rte_mempool *
pool(const char *name, uint16_t room)
{
    struct rte_mempool *p = rte_pktmbuf_pool_create(name, CABLE_MBUFS, 32, 0, room, SOCKET_ID_ANY);
    must(p);
    return p;
}

/* In threads of rte_vhost. */
static int
device_came(int vid)
{
    for (uint16_t ring = BROKER_RX; ring <= BROKER_TX; ring++)
        must(rte_vhost_enable_guest_notification(vid, ring, 0) == 0);
    atomic_store(&device, vid);
    return 0;
}

/* Its memory goes when this returns: not before the loop has left it. */
static void
device_goes(int vid)
{
    must(vid == atomic_exchange(&device, -1));
    for (uint64_t before = atomic_load(&turns); atomic_load(&turns) < before + 2;)
        (void)sched_yield();
}

static void
socket_open(const char *path)
{
    static const struct rte_vhost_device_ops ops = {.new_device = device_came,
                                                    .destroy_device = device_goes};
    uint64_t none = 1ull << VIRTIO_NET_F_CSUM | 1ull << VIRTIO_NET_F_GUEST_CSUM |
                    1ull << VIRTIO_NET_F_HOST_TSO4 | 1ull << VIRTIO_NET_F_HOST_TSO6 |
                    1ull << VIRTIO_NET_F_HOST_UFO | 1ull << VIRTIO_NET_F_GUEST_TSO4 |
                    1ull << VIRTIO_NET_F_GUEST_TSO6 | 1ull << VIRTIO_NET_F_GUEST_UFO;
    must(rte_vhost_driver_register(path, 0) == 0);
    must(offloads || rte_vhost_driver_disable_features(path, none) == 0);
    must(rte_vhost_driver_callback_register(path, &ops) == 0);
    must(rte_vhost_driver_start(path) == 0);
}

static void
dpdk_start(void)
{
    char *words[] = {"cable", "--no-huge", "--no-shconf",    "--no-telemetry",   "--no-pci",
                     "-m",    "256",       "--iova-mode=va", "--log-level=error"};
    must(rte_eal_init(sizeof words / sizeof words[0], words) >= 0);
    whole_pool = pool("whole", CABLE_WHOLE_ROOM);
    part_pool = pool("part", CABLE_PART_ROOM);
    head_pool = pool("head", RTE_PKTMBUF_HEADROOM + NIC_HEADER_MAX);
    link_pool = pool("link", 0);
}

static bool
input_ended(void)
{
    struct pollfd in = {.fd = 0, .events = POLLIN};
    char byte;
    return poll(&in, 1, 0) > 0 && read(0, &byte, 1) <= 0;
}

static void
counts_print(void)
{
    const struct {
        const char *name;
        uint64_t value;
    } all[] = {
        {"to_broker", counts.to_broker},       {"cut_from", counts.wholes},
        {"from_broker", counts.from_broker},   {"joined_to", counts.joined},
        {"refused", counts.refused},           {"unknown", counts.unknown},
        {"busy_ms", counts.busy_ns / 1000000},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        printf("%s %llu ", all[i].name, (unsigned long long)all[i].value);
}

int
main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "cable SOCKET INTERFACE offloads|plain\n");
        return 2;
    }
    offloads = strcmp(argv[3], "offloads") == 0;
    kernel = interface_open(argv[2]);
    dpdk_start();
    socket_open(argv[1]);
    printf("ready\n");
    (void)fflush(stdout);
    for (uint32_t turn = 1; turn % CABLE_LOOKS != 0 || !input_ended(); turn++) {
        uint64_t from_ns = os_now_ns();
        int vid = atomic_load(&device);
        atomic_fetch_add(&turns, 1);
        if (vid >= 0 && deliver(vid) + hand_over(vid) > 0)
            counts.busy_ns += os_now_ns() - from_ns;
        else
            (void)sched_yield();
    }
    counts_print();
    return 0;
}
