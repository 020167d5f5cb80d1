/* nic_dpdk_in.h: what nic_eal.c, nic_setup.c, nic_dpdk.c, nic_lend.c and nic_reap.c share.  Not for
 * others. */
#ifndef SLUICE_DPDK_NIC_DPDK_IN_H
#define SLUICE_DPDK_NIC_DPDK_IN_H

#include "core/base/list.h"
#include "drivers/dpdk/nic_dpdk.h"
#include "drivers/dpdk/nic_regions.h"

#include <pthread.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <string.h>

/* How a driver is brought to give back what it has sent when no frame follows. */
enum nic_reap {
    NIC_REAP_NEVER,   /* in no way that we know */
    NIC_REAP_NEEDED,  /* not at all: virtual devices send in the call, or copy */
    NIC_REAP_CLEANUP, /* by rte_eth_tx_done_cleanup */
    NIC_REAP_STATUS,  /* it does not, but tells that it has sent all */
    NIC_REAP_EMPTY,   /* by a burst of no frames */
    NIC_REAP_LARGE,   /* by a frame that no ring has room for, which it refuses */
};
enum {
    NIC_REAP_RING_MAX = 4096,
    NIC_PAGE_BYTES = 4096,
    NIC_PART_BYTES = 12 << 10, /* of one mbuf by reference; some cards take 16 KiB less one */
    NIC_BURST_PARTS_MAX =
        24, /* mbufs of a burst, also where the card takes more: VMware's device */
    NIC_BURST_BYTES_MAX = 65535 - 18 - 40, /* with its headers a length of 16 bits */
};

/* In the private area of a span's mbuf. */
struct nic_span {
    struct rte_mbuf_ext_shared_info info;
    struct packet_ref *ref; /* NULL: the hold has ended */
    struct nic_queue *queue;
    struct list held;
};

/* One pair of queues; the instance behind a struct nic. */
struct nic_queue {
    struct nic_dpdk *device;
    uint16_t port, number;
    bool chains;                     /* the device takes chained mbufs, and spans go by reference */
    const struct nic_regions *reach; /* spans in here; NULL: wherever they are */
    uint32_t reach_last;             /* for nic_regions_have */
    uint16_t segs_max;       /* mbufs of a chain; of a burst, those that one segment touches */
    uint16_t burst_segs_max; /* mbufs of a burst */
    uint16_t copy_bytes;     /* that one mbuf of the copy pool has room for */
    bool drops;              /* drops a frame that its ring has too little room for */
    bool by_page;            /* no mbuf by reference lies in two pages */
    uint16_t ring;           /* places for sending */
    enum nic_reap reap;
    struct rte_mbuf *large;          /* NIC_REAP_LARGE: never sent */
    struct list held;                /* struct nic_span */
    struct rte_mempool *rx_pool;     /* received frames */
    struct rte_mempool *copy_pool;   /* frames sent whole; net_af_xdp loses those of its rx pool */
    struct rte_mempool *header_pool; /* headers of chains */
    struct rte_mempool *span_pool;   /* no data of their own; private area: struct nic_span */
    struct rte_mbuf *pending[NIC_BURST_MAX]; /* accepted, and the device's ring was full */
    uint32_t pending_first, pending_count;
    struct nic_stat stat; /* what we count */
    uint32_t stat_calls;
    /* What the device did, when it was last asked. */
    uint64_t device_missed, device_rx_errors, device_tx_errors;
};

struct nic_dpdk {
    struct nic_facts facts;
    uint16_t port;
    bool found; /* port is ours, and ends with us */
    uint32_t queue_count;
    bool ip_sum;        /* makes the sums of IPv4 headers, as it must for the segments of bursts */
    const char *copies; /* why nothing goes by reference; NULL: it does */
    struct nic_queue queues[];
};

extern const struct nic_ops nic_dpdk_ops;

extern struct nic_regions nic_lend_regions; /* what all cards can read */

/* Starts DPDK with these devices; the thread keeps its processors.  Once a process: ERR_BUSY. */
must_check int nic_eal_start(const struct nic_dpdk_config *configs, uint32_t count,
                             const struct nic_host *hosts, char error[NIC_DPDK_ERROR_BYTES]);

/* What a device says of a checksum.  Both bits at once are DPDK's "none": the bytes have no
 * checksum yet, and the device vouches for them (a virtual machine's host that sent them itself).
 */
static inline enum packet_sum
nic_dpdk_sum(uint64_t flags, uint64_t good, uint64_t bad)
{
    return flags & good ? PACKET_SUM_GOOD : flags & bad ? PACKET_SUM_BAD : PACKET_SUM_UNKNOWN;
}

/* net_memif without a copy, and net_virtio_user: frames lie in memory of DPDK that the process at
 * the other end maps. */
static inline bool
nic_dpdk_lends(const char *device)
{
    return strncmp(device, "net_virtio_user", 15) == 0 ||
           (strncmp(device, "net_memif", 9) == 0 && strstr(device, "zero-copy=yes"));
}

/* cleanup: what rte_eth_tx_done_cleanup said when it was tried. */
enum nic_reap nic_reap_of(const char *driver, int cleanup);
bool nic_reap_by_page(const char *driver);
bool nic_reap_drops(const char *driver);
/* When q->reap is known, before anything is sent; false: no memory.  nic_reap_end before the pools
 * go. */
must_check bool nic_reap_ready(struct nic_queue *q);
void nic_reap_end(struct nic_queue *q);
/* Takes a hold for a span's mbuf, whose external buffer is &its nic_span.info; it ends when the
 * driver frees the mbuf, or tells that it has sent it. */
void nic_reap_hold(struct nic_queue *q, struct rte_mbuf *m, struct packet_ref *ref);
/* Asks the driver for what it has sent. */
void nic_reap_ask(struct nic_queue *q);

/* Ends the holds of what the device has not taken. */
void nic_dpdk_pending_drop(struct nic_queue *q);

#endif
