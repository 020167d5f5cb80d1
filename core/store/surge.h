/* surge.h: do large batches come so fast that writing them twice would cost?  Pure.
 *
 * Below the rate they go through the journal like all others: durable with one write, which waits
 * for nothing of the file system, and so is what is appended behind them.  They are then written
 * again, to their segment.  Above it they go straight there (store_extent.c). */
#ifndef SLUICE_STORE_SURGE_H
#define SLUICE_STORE_SURGE_H

#include "core/base/clock.h"

#include <stdbool.h>
#include <stdint.h>

#define SURGE_WINDOW_NS (100 * CLOCK_NS_PER_MS)

struct surge {
    uint64_t bytes_per_second; /* 0: always */
    uint64_t end_ns, bytes;    /* of this window */
    bool high;                 /* the window before was over the rate */
};

/* Whether a batch of so many bytes would come with one. */
bool surge_high(struct surge *s, uint64_t now_ns, uint64_t bytes);
/* It has come. */
void surge_add(struct surge *s, uint64_t now_ns, uint64_t bytes);

#endif
