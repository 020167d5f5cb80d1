/* slow.h: the slowest Produce requests of a loop, in its block of counters: one writer, no system
 * call, no allocation; a comparison a request that is not among them.
 *
 * Kept are the SLOW_KEPT slowest of a span of SLOW_SPAN_NS, and those of the span before it.
 * slow.def lists what of each.  Readers see a row whole or not at all (a seqlock a row, as in
 * table.h). */
#ifndef SLUICE_SHM_SLOW_H
#define SLUICE_SHM_SLOW_H

#include "core/base/clock.h"
#include "core/base/must.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum slow_field {
#define SLOW(field, name, help) SLOW_##field,
#include "core/shm/slow.def"
#undef SLOW
    SLOW_FIELDS
};

enum {
    SLOW_KEPT = 16,
    SLOW_ROWS = 2 * SLOW_KEPT, /* two spans */
    SLOW_ROW_WORDS = 1 + SLOW_FIELDS,
    SLOW_WORDS = SLOW_ROWS * SLOW_ROW_WORDS,
};
#define SLOW_SPAN_NS (60 * CLOCK_NS_PER_S)

const char *slow_name(enum slow_field field);

struct slow_row {
    uint64_t field[SLOW_FIELDS];
};

/* The writer's side. */
struct slow {
    _Atomic uint64_t *words; /* SLOW_WORDS of the region */
    uint64_t until_ns;       /* end of this span, 0: none has begun */
    uint64_t floor_ns;       /* a request has to be slower, to be kept */
    uint32_t first, count;   /* rows of this span */
    uint64_t total_ns[SLOW_KEPT];
};

/* Begins with no rows; those of an earlier writer go. */
void slow_begin(struct slow *l, _Atomic uint64_t *words);

static inline bool
slow_wanted(const struct slow *l, uint64_t now_ns, uint64_t total_ns)
{
    return total_ns > l->floor_ns || now_ns >= l->until_ns;
}

/* Keeps a request for which slow_wanted says so. */
void slow_keep(struct slow *l, uint64_t now_ns, const struct slow_row *row);

/* Row `index` of a loop's words.  False: there is none, or it changes all the time. */
must_check bool slow_read(const _Atomic uint64_t *words, uint32_t index, struct slow_row *out);

#endif
