/* pace.h: how fast background work may use the disk: so many bytes per second, spread evenly.
 *
 * Owned by the one thread that works.  pace_next is pure; pace_wait sleeps through the clock it was
 * given.  Nothing is saved up while the work rests, so it never comes in a burst. */
#ifndef SLUICE_STORE_PACE_H
#define SLUICE_STORE_PACE_H

#include "core/base/clock.h"
#include "core/base/must.h"

#include <stdatomic.h>
#include <stdbool.h>

struct pace {
    struct clock clock;        /* ops NULL: nothing waits (tests, tools) */
    uint64_t bytes_per_second; /* 0: no limit */
    /* What somebody else sets while the work goes on; NULL or below 0: bytes_per_second holds. */
    const _Atomic int64_t *live;
    const atomic_bool *stop; /* NULL: never */
    uint64_t free_ns;        /* the next piece of work may begin then */
};

/* Takes `bytes`; returns when they may be used: now_ns, or later. */
uint64_t pace_next(struct pace *p, uint64_t now_ns, uint64_t bytes);

/* Takes `bytes` and sleeps until they may be used.  ERR_CLOSED: *stop; give up. */
must_check int pace_wait(struct pace *p, uint64_t bytes);

#endif
