#include "drivers/dpdk/nic_regions.h"

#include "core/base/err.h"

int
nic_regions_add(struct nic_regions *r, const void *at, uint64_t bytes)
{
    uint32_t count = atomic_load_explicit(&r->count, memory_order_relaxed);
    if (bytes == 0 || bytes > UINTPTR_MAX - (uintptr_t)at)
        return ERR_INVALID;
    if (count == NIC_REGIONS_MAX)
        return ERR_LIMIT;
    r->rows[count] = (struct nic_region){(uintptr_t)at, (uintptr_t)at + bytes};
    /* Pairs with the acquire in nic_regions_have(). */
    atomic_store_explicit(&r->count, count + 1, memory_order_release);
    return ERR_OK;
}

static bool
holds(const struct nic_region *r, const struct view *bytes)
{
    uintptr_t at = (uintptr_t)bytes->at;
    return at >= r->first && at < r->limit && bytes->len <= r->limit - at;
}

bool
nic_regions_have(const struct nic_regions *r, const struct view *bytes, uint32_t *last)
{
    uint32_t count = atomic_load_explicit(&r->count, memory_order_acquire);
    if (*last < count && holds(&r->rows[*last], bytes))
        return true;
    for (uint32_t i = 0; i < count; i++) {
        if (holds(&r->rows[i], bytes)) {
            *last = i;
            return true;
        }
    }
    return false;
}
