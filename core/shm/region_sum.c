#include "core/shm/region_sum.h"

uint64_t
region_sum_counter(const struct region *r, uint32_t word)
{
    uint64_t total = 0;
    for (uint32_t b = 0; b <= r->header->shard_count; b++)
        total += counters_read(region_counters(r, b), word);
    return total;
}

uint32_t
region_sum_errors(const struct region *r, struct counters_error sums[COUNTERS_ERRORS])
{
    uint32_t count = 0;
    for (uint32_t b = 0; b <= r->header->shard_count; b++)
        counters_error_sum(region_counters(r, b), sums, &count);
    return count;
}

uint64_t
region_sum_netview(const struct region *r, enum netview_counter c)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < r->header->shard_count; i++)
        total += netview_count(region_netview(r, i), c);
    return total;
}

uint64_t
region_sum_netview_device(const struct region *r, uint32_t device, enum netview_counter c)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < r->header->shard_count; i++)
        total += netview_device_count(region_netview(r, i), device, c);
    return total;
}

void
region_sum_hist(const struct region *r, enum hist h, struct hists_values *out)
{
    *out = (struct hists_values){0};
    for (uint32_t b = 0; b < r->header->shard_count; b++)
        hists_sum(region_counters(r, b), h, out);
}
