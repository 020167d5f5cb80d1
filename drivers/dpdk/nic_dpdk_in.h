/* nic_dpdk_in.h: what nic_eal.c, nic_setup.c and nic_dpdk.c share.  Not for others. */
#ifndef SLUICE_DPDK_NIC_DPDK_IN_H
#define SLUICE_DPDK_NIC_DPDK_IN_H

#include "drivers/dpdk/nic_dpdk.h"

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <string.h>

/* One pair of queues; the instance behind a struct nic. */
struct nic_queue {
    struct nic_dpdk *device;
    uint16_t port, number;
    bool chains;                     /* the device takes chained mbufs, and spans go by reference */
    struct rte_mempool *rx_pool;     /* received frames */
    struct rte_mempool *copy_pool;   /* frames sent whole; net_af_xdp loses those of its rx pool */
    struct rte_mempool *header_pool; /* headers of chains */
    struct rte_mempool *span_pool;   /* no data of their own; private area: shared info of a span */
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
    uint32_t queue_count;
    struct nic_queue queues[];
};

extern const struct nic_ops nic_dpdk_ops;

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

/* net_memif without a copy: frames lie in memory of DPDK that the process at the other end maps. */
static inline bool
nic_dpdk_lends(const char *device)
{
    return strncmp(device, "net_memif", 9) == 0 && strstr(device, "zero-copy=yes");
}

/* Ends the holds of what the device has not taken. */
void nic_dpdk_pending_drop(struct nic_queue *q);

#endif
