/* counters.h: single-writer counters in the region.  counters.def lists the words of a block,
 * drop.def the reasons why something of a peer was refused; both give enum, name, unit and help
 * from one line. A counter is written by one loop (relaxed, no read-modify-write) and read by
 * anybody. */
#ifndef SLUICE_SHM_COUNTERS_H
#define SLUICE_SHM_COUNTERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum counter {
#define COUNTER(name, text_name, unit, help) COUNTER_##name,
#include "core/shm/counters.def"
#undef COUNTER
#define DROP(name, text_name, help) DROP_##name,
#include "core/shm/drop.def"
#undef DROP
    COUNTERS
};

enum {
    COUNTERS_APIS = 128,   /* requests by api key, behind the counters of a block */
    COUNTERS_ERRORS = 512, /* pairs of api and error code that one loop can tell apart */
    COUNTERS_ERROR_WORDS = 2 * COUNTERS_ERRORS,
    COUNTERS_WORDS = COUNTERS + COUNTERS_APIS + COUNTERS_ERROR_WORDS,
};
_Static_assert((COUNTERS_ERRORS & (COUNTERS_ERRORS - 1)) == 0, "a mask");

struct counter_row {
    const char *name, *unit, *help; /* unit "drops" for drop reasons */
};
const struct counter_row *counters_row(enum counter c);
/* A reason why something of a peer was refused. */
bool counters_is_drop(enum counter c);

/* The block of this loop: COUNTERS words, then one for each api key, then pairs of words for
 * errors, then histograms (hists.h). */
struct counters {
    _Atomic uint64_t *words;
};

static inline void
counters_add(struct counters *c, enum counter which, uint64_t n)
{
    _Atomic uint64_t *w = &c->words[which];
    atomic_store_explicit(w, atomic_load_explicit(w, memory_order_relaxed) + n,
                          memory_order_relaxed);
}

static inline void
counters_set(struct counters *c, enum counter which, uint64_t v)
{
    atomic_store_explicit(&c->words[which], v, memory_order_relaxed);
}

/* Word `word` of a block that another loop may be writing. */
static inline uint64_t
counters_read(const _Atomic uint64_t *block, uint32_t word)
{
    return atomic_load_explicit(&block[word], memory_order_relaxed);
}

/* A request of that api; keys that are none are not counted. */
static inline void
counters_api(struct counters *c, int16_t key)
{
    if (key < 0 || key >= COUNTERS_APIS)
        return;
    _Atomic uint64_t *w = &c->words[COUNTERS + key];
    atomic_store_explicit(w, atomic_load_explicit(w, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* An answer of that api held that error code, which is not 0.  When COUNTERS_ERRORS others came
 * before it, it is counted as COUNTER_ERRORS_UNTOLD. */
void counters_error(struct counters *c, int16_t api, int16_t error);

struct counters_error {
    int16_t api, error;
    uint64_t count;
};
/* Place i < COUNTERS_ERRORS of a block; false: nothing is there. */
bool counters_error_at(const _Atomic uint64_t *block, uint32_t i, struct counters_error *out);
/* Adds what a block has to *count sums, which are at most COUNTERS_ERRORS: one for each pair. */
void counters_error_sum(const _Atomic uint64_t *block, struct counters_error *sums,
                        uint32_t *count);

#endif
