/* nic_regions.h: which of our memory a device may read by itself.
 *
 * Grows only.  Regions are added at start by any thread, one at a time (the caller sees to that);
 * all loops look them up meanwhile, without a lock. */
#ifndef SLUICE_DPDK_NIC_REGIONS_H
#define SLUICE_DPDK_NIC_REGIONS_H

#include "core/net/nic.h"

#include <stdatomic.h>

enum { NIC_REGIONS_MAX = 256 };

struct nic_region {
    uintptr_t first, limit; /* addresses */
};

struct nic_regions {
    /* Its release store publishes the rows under it. */
    atomic_uint count;
    struct nic_region rows[NIC_REGIONS_MAX];
};

/* ERR_LIMIT: there is no row left; ERR_INVALID: it is empty, or ends beyond all addresses. */
must_check int nic_regions_add(struct nic_regions *r, const void *at, uint64_t bytes);
/* All of these bytes lie in one region.  *last: where the caller's last ones were, from 0; asked
 * first, since answers come in runs. */
bool nic_regions_have(const struct nic_regions *r, const struct view *bytes, uint32_t *last);

#endif
