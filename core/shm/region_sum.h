/* region_sum.h: what the blocks of a region counted, added up for who shows a broker as a whole.
 * The loops go on counting meanwhile: each word is one that stood there, their sum may never have
 * been. */
#ifndef SLUICE_SHM_REGION_SUM_H
#define SLUICE_SHM_REGION_SUM_H

#include "core/shm/hists.h"
#include "core/shm/netview.h"
#include "core/shm/region.h"

/* Of shards and control: an enum counter, or COUNTERS and an api key. */
uint64_t region_sum_counter(const struct region *r, uint32_t word);

/* Of shards and control: pairs of api and error code; returns how many. */
uint32_t region_sum_errors(const struct region *r, struct counters_error sums[COUNTERS_ERRORS]);

/* Of shards. */
uint64_t region_sum_netview(const struct region *r, enum netview_counter c);
/* Of one device, of those that netview_of_device names. */
uint64_t region_sum_netview_device(const struct region *r, uint32_t device, enum netview_counter c);
void region_sum_hist(const struct region *r, enum hist h, struct hists_values *out);

#endif
