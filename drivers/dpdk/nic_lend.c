/* nic_lend.c: our memory for the cards' own access.
 *
 * A card reads through the IOMMU what was mapped for it, at our own addresses.  vfio-pci has one
 * such space for all cards of a process, so that memory is mapped once for all of them; one call of
 * the kernel maps and pins its pages, whatever their size.  Nothing is unmapped: a frame may leave
 * after the memory was given back, and what it then reads are the pages as they were. */
#include "core/base/err.h"
#include "drivers/dpdk/nic_dpdk_in.h"

#include <rte_errno.h>
#include <rte_vfio.h>
#include <stdio.h>

struct nic_regions nic_lend_regions;

static pthread_mutex_t lending = PTHREAD_MUTEX_INITIALIZER; /* for writing them */

/* Of a memory that was lent as a whole, both ends are there. */
static bool
is_mapped(const struct nic_memory *m)
{
    uint32_t last = 0;
    struct view first = view_of(m->at, 1);
    struct view end = view_of((const uint8_t *)m->at + m->bytes - 1, 1);
    return nic_regions_have(&nic_lend_regions, &first, &last) &&
           nic_regions_have(&nic_lend_regions, &end, &last);
}

static int
map(const struct nic_memory *m)
{
    uint64_t at = (uint64_t)(uintptr_t)m->at;
    if (is_mapped(m))
        return ERR_OK;
    if (rte_vfio_container_dma_map(RTE_VFIO_DEFAULT_CONTAINER_FD, at, at, m->bytes))
        return ERR_LIMIT; /* DPDK has said the kernel's reason on stderr */
    return nic_regions_add(&nic_lend_regions, m->at, m->bytes);
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
    must(memory->bytes > 0);
    must(pthread_mutex_lock(&lending) == 0);
    int err = map(memory);
    must(pthread_mutex_unlock(&lending) == 0);
    if (err)
        (void)snprintf(error, NIC_DPDK_ERROR_BYTES,
                       "%llu bytes cannot be mapped for the device: raise the limit of locked "
                       "memory (ulimit -l), or lower cache.bytes",
                       (unsigned long long)memory->bytes);
    return err;
}
