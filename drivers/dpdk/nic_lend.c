/* nic_lend.c: our memory for the devices' own access.
 *
 * A device on PCI reads through the IOMMU what was mapped for it, at our own addresses.
 * rte_dev_dma_map takes memory that DPDK has in its lists (it may be there before: of another
 * device), and for VFIO one call of the kernel then maps and pins its pages, whatever their size;
 * the pages of the list have the largest one that fits, so that it is short.  Devices that share
 * an IOMMU's space may be told of the same memory twice.  Nothing is unmapped: a frame may leave
 * after the memory was given back, and what it then reads are the pages as they were. */
#define ALLOW_EXPERIMENTAL_API 1 /* rte_dev_dma_map, as DPDK 22.11 calls it; stable since */
#include "core/base/err.h"
#include "drivers/dpdk/nic_dpdk_in.h"

#include <rte_errno.h>
#include <stdio.h>

/* A power of two that divides both. */
static size_t
page_bytes(const struct nic_memory *m)
{
    uint64_t bits = (uintptr_t)m->at | m->bytes;
    return bits & -bits;
}

static int
map(const struct nic_dpdk *d, const struct nic_memory *m)
{
    struct rte_eth_dev_info info;
    int rc = rte_eth_dev_info_get(d->port, &info);
    if (rc)
        return -rc;
    void *at = (void *)(uintptr_t)m->at;
    if (page_bytes(m) < NIC_PAGE_BYTES)
        return EINVAL;
    if (rte_extmem_register(at, m->bytes, NULL, 0, page_bytes(m)) && rte_errno != EEXIST)
        return rte_errno;
    rte_errno = 0;
    if (rte_dev_dma_map(info.device, at, (uint64_t)(uintptr_t)at, m->bytes) == 0)
        return 0;
    return rte_errno ? rte_errno : ENOMEM; /* VFIO has said it on stderr, and not to us */
}

int
nic_dpdk_lend(struct nic_dpdk *d, const struct nic_memory *memory, char error[NIC_DPDK_ERROR_BYTES])
{
    if (d->copies) {
        (void)snprintf(error, NIC_DPDK_ERROR_BYTES, "%s", d->copies);
        return ERR_UNSUPPORTED;
    }
    if (!d->queues[0].reach)
        return ERR_OK;
    must(pthread_mutex_lock(&d->lending) == 0);
    int code = map(d, memory);
    int err = code ? ERR_LIMIT : nic_regions_add(&d->regions, memory->at, memory->bytes);
    must(pthread_mutex_unlock(&d->lending) == 0);
    if (err)
        (void)snprintf(
            error, NIC_DPDK_ERROR_BYTES, "%llu bytes cannot be mapped for the device: %s",
            (unsigned long long)memory->bytes, code ? rte_strerror(code) : err_text(err));
    return err;
}
