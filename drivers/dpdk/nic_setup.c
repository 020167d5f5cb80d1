/* nic_setup.c: brings devices up: pools, offloads, queues, link.
 *
 * Each queue has pools of its own, so that no two loops share one.  Sizes are one less than a power
 * of two, which is what DPDK's rings hold.  The span pool's mbufs have no data: each has room for
 * a struct nic_span in its private area (nic_reap.c).
 *
 * net_af_xdp maps for the kernel as many bytes as the frames would take side by side.  But frames
 * never lie across a page, so the pages' ends are left unused, and the last frames of the pool are
 * outside of what was mapped: what is sent from them is lost, and so are they.  For this device
 * frames therefore fill pages without a rest. */
#include "core/base/err.h"
#include "drivers/dpdk/nic_dpdk_in.h"
#include "drivers/dpdk/nic_signals.h"

#include <rte_errno.h>
#include <rte_ether.h>
#include <rte_mbuf_pool_ops.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SETUP_DESCRIPTORS = 1024,
    SETUP_CACHE = 128,
    SETUP_HEADERS = 2047,
    SETUP_COPIES = 2047,
    SETUP_SPANS = 8191,
    SETUP_LINK_BYTES = 14 + 4 + 4, /* Ethernet, tag, frame check sequence */
    SETUP_KERNEL_BYTES = 256,      /* of each receive buffer, to the kernel (net_af_xdp) */
    SETUP_ROOM_LEAST = 2048,       /* what some devices want of a receive buffer */
    SETUP_PAGE = 4096,             /* the largest frame that the kernel takes (net_af_xdp) */
    SETUP_SEGS = 8,                /* what the least of the cards takes */
    SETUP_SPAN_BYTES =
        (sizeof(struct nic_span) + RTE_MBUF_PRIV_ALIGN - 1) & ~(size_t)(RTE_MBUF_PRIV_ALIGN - 1),
};

struct setup {
    struct nic_dpdk *d;
    const struct nic_dpdk_config *config;
    const struct nic_host *host;
    struct rte_eth_dev_info info;
    char *error;
};

static int
fail(const struct setup *s, int err, const char *what, int code)
{
    (void)snprintf(s->error, NIC_DPDK_ERROR_BYTES, "%s: %s: %s", s->config->device, what,
                   rte_strerror(code < 0 ? -code : code));
    return err;
}

/* ---- one queue ---- */

static void
pool_name(const struct nic_queue *q, const char *kind, char name[RTE_MEMPOOL_NAMESIZE])
{
    (void)snprintf(name, RTE_MEMPOOL_NAMESIZE, "%s%u.%u", kind, q->port, q->number);
}

static struct rte_mempool *
pool(struct nic_queue *q, const char *kind, uint32_t count, uint16_t private, uint32_t room)
{
    char name[RTE_MEMPOOL_NAMESIZE];
    pool_name(q, kind, name);
    return rte_pktmbuf_pool_create(name, count, SETUP_CACHE, private, (uint16_t)room,
                                   rte_eth_dev_socket_id(q->port));
}

static void
pool_memory_free(struct rte_mempool_memhdr *chunk, void *opaque)
{
    must(chunk);
    (void)rte_memzone_free(opaque);
}

/* Frames of whole pages, one chunk that begins with a page. */
static struct rte_mempool *
pool_of_pages(struct nic_queue *q, const char *kind, uint32_t count, uint32_t least)
{
    char name[RTE_MEMPOOL_NAMESIZE];
    pool_name(q, kind, name);
    struct rte_mempool_objsz size;
    int socket = rte_eth_dev_socket_id(q->port);
    uint32_t flags = RTE_MEMPOOL_F_NO_SPREAD;
    uint32_t rest = rte_mempool_calc_obj_size(sizeof(struct rte_mbuf), flags, &size);
    uint32_t room = SETUP_PAGE - rest;
    if (room < least) {
        rte_errno = EMSGSIZE;
        return NULL;
    }
    struct rte_pktmbuf_pool_private private = {.mbuf_data_room_size = (uint16_t)room};
    struct rte_mempool *p =
        rte_mempool_create_empty(name, count, (uint32_t)sizeof(struct rte_mbuf) + room, SETUP_CACHE,
                                 sizeof private, socket, flags);
    if (!p)
        return NULL;
    const struct rte_memzone *zone = rte_memzone_reserve_aligned(
        name, (size_t)count * SETUP_PAGE, socket, RTE_MEMZONE_IOVA_CONTIG, SETUP_PAGE);
    int filled = -ENOMEM;
    if (zone && rte_mempool_set_ops_byname(p, rte_mbuf_best_mempool_ops(), NULL) == 0) {
        rte_pktmbuf_pool_init(p, &private);
        filled = rte_mempool_populate_iova(p, zone->addr, zone->iova, zone->len, pool_memory_free,
                                           (void *)(uintptr_t)zone);
    }
    if (filled != (int)count) {
        if (zone && filled < 0)
            (void)rte_memzone_free(zone);
        rte_mempool_free(p);
        return NULL;
    }
    (void)rte_mempool_obj_iter(p, rte_pktmbuf_init, NULL);
    return p;
}

/* Before anything is known of how sent frames come back. */
static const char *
copies_why(const struct setup *s)
{
    if (!(s->info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS))
        return "its driver takes no chains";
    if (nic_dpdk_lends(s->config->device))
        return "the other process maps memory of DPDK only";
    if (s->host->pci && strcmp(s->host->driver, "vfio-pci") != 0)
        return "nothing is mapped for it without vfio-pci and an IOMMU";
    if (s->host->pci && rte_eal_iova_mode() != RTE_IOVA_VA)
        return "its IOMMU does not take our addresses";
    return NULL;
}

/* A card that sends from our memory writes each frame back by itself: those after the last multiple
 * of more would stay held.  One that cannot gets copies. */
static int
tx_setup(struct setup *s, uint16_t number, uint16_t count, unsigned socket)
{
    struct rte_eth_txconf tx = s->info.default_txconf;
    tx.tx_rs_thresh = 1;
    if (s->host->pci && !s->d->copies) {
        if (rte_eth_tx_queue_setup(s->d->port, number, count, socket, &tx) == 0)
            return 0;
        s->d->copies = "its driver does not write back each frame by itself";
    }
    return rte_eth_tx_queue_setup(s->d->port, number, count, socket, NULL);
}

/* Bytes of a frame, in one mbuf. */
static uint32_t
frame_room(const struct setup *s)
{
    uint32_t room = (uint32_t)s->config->mtu + SETUP_LINK_BYTES + SETUP_KERNEL_BYTES;
    return room < SETUP_ROOM_LEAST ? SETUP_ROOM_LEAST : room;
}

static uint16_t
burst_parts(const struct setup *s)
{
    uint16_t most = s->info.tx_desc_lim.nb_seg_max;
    if (most == 0) /* the driver does not say */
        most = SETUP_SEGS;
    return most < NIC_BURST_PARTS_MAX ? most : NIC_BURST_PARTS_MAX;
}

/* A burst must fit its mbufs also when all of it is copied. */
static uint32_t
burst_bytes(const struct setup *s)
{
    uint32_t copied = (burst_parts(s) - 1u) * frame_room(s);
    return copied < NIC_BURST_BYTES_MAX ? copied : NIC_BURST_BYTES_MAX;
}

static int
queue_setup(struct setup *s, uint16_t number, uint16_t rx_count, uint16_t tx_count)
{
    struct nic_queue *q = &s->d->queues[number];
    uint32_t room = RTE_PKTMBUF_HEADROOM + frame_room(s);
    *q = (struct nic_queue){.device = s->d, .port = s->d->port, .number = number};
    q->chains = !s->d->copies;
    q->reach = s->host->pci ? &nic_lend_regions : NULL;
    q->segs_max = s->info.tx_desc_lim.nb_mtu_seg_max;
    if (q->segs_max == 0) /* the driver does not say */
        q->segs_max = SETUP_SEGS;
    q->ring = tx_count;
    q->burst_segs_max = burst_parts(s);
    q->copy_bytes = (uint16_t)(room - RTE_PKTMBUF_HEADROOM);
    q->by_page = nic_reap_by_page(s->info.driver_name);
    q->drops = nic_reap_drops(s->info.driver_name);
    q->rx_pool = strcmp(s->info.driver_name, "net_af_xdp") == 0
                     ? pool_of_pages(q, "rx", NIC_DPDK_FRAMES - 1, room)
                     : pool(q, "rx", NIC_DPDK_FRAMES - 1, 0, room);
    q->copy_pool = pool(q, "copy", SETUP_COPIES, 0, room);
    q->header_pool = pool(q, "header", SETUP_HEADERS, 0, RTE_PKTMBUF_HEADROOM + NIC_HEADER_MAX);
    q->span_pool = pool(q, "span", SETUP_SPANS, SETUP_SPAN_BYTES, 0);
    if (!q->rx_pool || !q->copy_pool || !q->header_pool || !q->span_pool)
        return fail(s, ERR_LIMIT, "memory for frames", rte_errno);
    int socket = rte_eth_dev_socket_id(s->d->port);
    int rc =
        rte_eth_rx_queue_setup(s->d->port, number, rx_count, (unsigned)socket, NULL, q->rx_pool);
    if (rc == 0)
        rc = tx_setup(s, number, tx_count, (unsigned)socket);
    return rc ? fail(s, ERR_IO, "queues", rc) : ERR_OK;
}

/* ---- the device ---- */

/* Some devices tell the longest frame, some the longest packet. */
static uint32_t
mtu_most(const struct rte_eth_dev_info *info)
{
    uint32_t by_frame = info->max_rx_pktlen > SETUP_LINK_BYTES - 4
                            ? info->max_rx_pktlen - (SETUP_LINK_BYTES - 4)
                            : UINT16_MAX;
    return info->max_mtu < by_frame ? info->max_mtu : by_frame;
}

/* The port of our device: the first one, should it have several.  With s->info. */
static int
port_named(struct setup *s)
{
    for (uint16_t port = 0; port < RTE_MAX_ETHPORTS; port++) {
        if (!rte_eth_dev_is_valid_port(port))
            continue;
        int rc = rte_eth_dev_info_get(port, &s->info);
        if (rc)
            return fail(s, ERR_IO, "capabilities", rc);
        if (strcmp(rte_dev_name(s->info.device), s->host->name) != 0)
            continue;
        s->d->port = port;
        s->d->found = true;
        return ERR_OK;
    }
    (void)snprintf(s->error, NIC_DPDK_ERROR_BYTES, "DPDK has no driver for %s", s->config->device);
    return ERR_NOT_FOUND;
}

static int
port_find(struct setup *s)
{
    int err = port_named(s);
    if (err)
        return err;
    uint32_t most = s->info.max_rx_queues < s->info.max_tx_queues ? s->info.max_rx_queues
                                                                  : s->info.max_tx_queues;
    if (s->config->queues > most) {
        (void)snprintf(s->error, NIC_DPDK_ERROR_BYTES, "%s has %u queues, %u cores want one each",
                       s->config->device, most, s->config->queues);
        return ERR_UNSUPPORTED;
    }
    if (s->config->mtu <= mtu_most(&s->info))
        return ERR_OK;
    (void)snprintf(s->error, NIC_DPDK_ERROR_BYTES, "%s takes packets of %u bytes at most, not %u",
                   s->config->device, mtu_most(&s->info), s->config->mtu);
    return ERR_UNSUPPORTED;
}

/* What cutting bursts takes, 0: the device or its driver cannot, or must not.  net_tap cuts in
 * software, and IPv6 not at all.  Other drivers of DPDK that have it have it for both families. */
static uint64_t
burst_offloads(const struct setup *s)
{
    uint64_t all =
        RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
    if (!s->config->tso || s->host->tap || (s->info.tx_offload_capa & all) != all)
        return 0;
    return RTE_ETH_TX_OFFLOAD_TCP_TSO | (RTE_ETH_TX_OFFLOAD_IPV4_CKSUM & s->info.tx_offload_capa);
}

static int
port_configure(struct setup *s)
{
    uint64_t sums = RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM;
    uint64_t sends = RTE_ETH_TX_OFFLOAD_MULTI_SEGS | RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
    if (s->host->tap) /* sums chains wrong when a part has an odd number of bytes */
        sends &= ~RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
    struct rte_eth_conf conf = {
        .rxmode = {.mtu = s->config->mtu, .offloads = sums & s->info.rx_offload_capa},
        .txmode = {.offloads = (sends & s->info.tx_offload_capa) | burst_offloads(s)},
    };
    uint64_t spread = (RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP) &
                      s->info.flow_type_rss_offloads;
    uint16_t count = (uint16_t)s->config->queues;
    if (count > 1 && spread) {
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_hf = spread;
    }
    int rc = rte_eth_dev_configure(s->d->port, count, count, &conf);
    if (rc)
        return fail(s, ERR_IO, "configuration", rc);
    s->d->facts.tx_l4_sum = conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_TCP_CKSUM;
    s->d->facts.tx_burst_bytes = burst_offloads(s) ? burst_bytes(s) : 0;
    s->d->ip_sum = conf.txmode.offloads & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
    s->d->facts.rx_l4_sum = (conf.rxmode.offloads & sums) == sums;
    return ERR_OK;
}

/* The kernel's interface of net_tap has the device's own link address: ours must be another. */
static void
mac_choose(struct setup *s)
{
    struct rte_ether_addr mac;
    must(rte_eth_macaddr_get(s->d->port, &mac) == 0);
    if (s->host->tap) {
        mac.addr_bytes[0] = (uint8_t)((mac.addr_bytes[0] | 2) & ~1);
        mac.addr_bytes[5] ^= 0x80;
    }
    memcpy(s->d->facts.mac, mac.addr_bytes, sizeof s->d->facts.mac);
}

/* How sent frames come back, which a driver says of a queue that is there. */
static int
reap_setup(struct setup *s)
{
    enum nic_reap how = NIC_REAP_NEEDED;
    if (s->host->pci && !s->d->copies)
        how = nic_reap_of(s->info.driver_name, rte_eth_tx_done_cleanup(s->d->port, 0, 0));
    if (how == NIC_REAP_NEVER)
        s->d->copies = "its driver gives nothing back before its ring is full";
    for (uint32_t i = 0; i < s->d->queue_count; i++) {
        struct nic_queue *q = &s->d->queues[i];
        q->chains = !s->d->copies;
        q->reap = how;
        if (!nic_reap_ready(q))
            return fail(s, ERR_LIMIT, "memory for frames", ENOMEM);
    }
    return ERR_OK;
}

static int
port_start(struct setup *s)
{
    int rc = rte_eth_dev_start(s->d->port);
    if (rc)
        return fail(s, ERR_IO, "start", rc);
    int err = reap_setup(s);
    if (err)
        return err;
    /* For neighbour discovery; what cannot filter gives us everything anyhow. */
    (void)rte_eth_allmulticast_enable(s->d->port);
    mac_choose(s);
    (void)snprintf(s->d->facts.name, sizeof s->d->facts.name, "%.40s %.20s", s->info.driver_name,
                   rte_dev_name(s->info.device));
    return ERR_OK;
}

static int
setup(struct setup *s)
{
    uint16_t rx_count = SETUP_DESCRIPTORS, tx_count = SETUP_DESCRIPTORS;
    int err = port_find(s);
    err = err ? err : port_configure(s);
    if (err)
        return err;
    s->d->copies = copies_why(s);
    int rc = rte_eth_dev_adjust_nb_rx_tx_desc(s->d->port, &rx_count, &tx_count);
    if (rc)
        return fail(s, ERR_IO, "descriptors", rc);
    for (uint32_t i = 0; i < s->config->queues && !err; i++)
        err = queue_setup(s, (uint16_t)i, rx_count, tx_count);
    return err ? err : port_start(s);
}

static int
device_create(const struct nic_dpdk_config *config, const struct nic_host *host,
              struct nic_dpdk **out, char error[NIC_DPDK_ERROR_BYTES])
{
    struct nic_dpdk *d = calloc(1, sizeof *d + config->queues * sizeof d->queues[0]);
    must(d);
    d->queue_count = config->queues;
    d->facts.mtu = config->mtu;
    d->facts.queues = config->queues;
    struct setup s = {.d = d, .config = config, .host = host, .error = error};
    int err = setup(&s);
    if (err) {
        nic_dpdk_destroy(d);
        return err;
    }
    *out = d;
    return ERR_OK;
}

int
nic_dpdk_create(const struct nic_dpdk_config *configs, uint32_t count, struct nic_dpdk **out,
                char error[NIC_DPDK_ERROR_BYTES])
{
    struct nic_host hosts[NIC_DPDK_DEVICES_MAX];
    struct nic_signals signals;
    for (uint32_t i = 0; i < count; i++)
        out[i] = NULL;
    nic_signals_hold(&signals);
    int err = nic_host_check(configs, count, hosts, error);
    err = err ? err : nic_eal_start(configs, count, hosts, error);
    for (uint32_t i = 0; i < count && !err; i++)
        err = device_create(&configs[i], &hosts[i], &out[i], error);
    for (uint32_t i = 0; i < count && err; i++) {
        nic_dpdk_destroy(out[i]);
        out[i] = NULL;
    }
    nic_signals_drop(&signals);
    return err;
}

void
nic_dpdk_destroy(struct nic_dpdk *d)
{
    if (!d)
        return;
    for (uint32_t i = 0; i < d->queue_count; i++)
        nic_dpdk_pending_drop(&d->queues[i]);
    if (d->found) {
        (void)rte_eth_dev_stop(d->port);
        (void)rte_eth_dev_close(d->port);
    }
    for (uint32_t i = 0; i < d->queue_count; i++) {
        nic_reap_end(&d->queues[i]);
        rte_mempool_free(d->queues[i].rx_pool);
        rte_mempool_free(d->queues[i].copy_pool);
        rte_mempool_free(d->queues[i].header_pool);
        rte_mempool_free(d->queues[i].span_pool);
    }
    free(d);
}
