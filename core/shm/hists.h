/* hists.h: log-linear histograms of a loop, in its block of counters: one writer, relaxed words, no
 * system call; a dozen instructions a value.  hists.def lists them.
 *
 * Bucket 0 holds values up to 2^HISTS_LOW; above, each power of two has HISTS_SUBS buckets of the
 * same width, so a value is known to a fifth; the last holds what is over 2^HISTS_HIGH.  The
 * word behind the buckets is the sum.  Merging is adding; what came meanwhile is in the buckets and
 * not yet in the sum, or the other way round. */
#ifndef SLUICE_SHM_HISTS_H
#define SLUICE_SHM_HISTS_H

#include "core/shm/counters.h"

enum {
    HISTS_LOW = 10,
    HISTS_HIGH = 34,
    HISTS_SUBS = 4,
    HISTS_BUCKETS = 1 + (HISTS_HIGH - HISTS_LOW) * HISTS_SUBS + 1,
    HISTS_WORDS = HISTS_BUCKETS + 1,
    HISTS_BYTES_SHIFT = 4, /* of histograms of bytes: they begin at 64 */
};

enum hist {
#define HIST(name, request, stage, shift, help) HIST_##name,
#include "core/shm/hists.def"
#undef HIST
    HISTS
};

/* Kinds of requests, and what happens to each, in the order of hists.def. */
enum hists_kind {
    HISTS_PRODUCE,
    HISTS_FETCH,
    HISTS_FORWARD,
    HISTS_GROUP,
    HISTS_OTHER,
    HISTS_KINDS
};
enum hists_stage { HISTS_QUEUE, HISTS_HANDLE, HISTS_WAIT, HISTS_SEND, HISTS_TOTAL, HISTS_STAGES };

/* Words of a whole block: counters, apis, errors, histograms. */
enum { HISTS_BLOCK_WORDS = COUNTERS_WORDS + HISTS * HISTS_WORDS };

struct hists_row {
    const char *name, *request, *stage, *help;
    uint32_t shift;
};
const struct hists_row *hists_row(enum hist h);

/* The largest value of a bucket; UINT64_MAX: the last one. */
uint64_t hists_bound(uint32_t bucket);

static inline uint32_t
hists_bucket(uint64_t v)
{
    v -= v > 0; /* bounds are inclusive; 0 is in bucket 0 */
    if (v >> HISTS_LOW == 0)
        return 0;
    if (v >> HISTS_HIGH)
        return HISTS_BUCKETS - 1;
    uint32_t e = 63 - (uint32_t)__builtin_clzll(v);
    return 1 + (e - HISTS_LOW) * HISTS_SUBS + ((uint32_t)(v >> (e - 2)) & (HISTS_SUBS - 1));
}

static inline _Atomic uint64_t *
hists_words(_Atomic uint64_t *block, enum hist h)
{
    return block + COUNTERS_WORDS + (uint32_t)h * HISTS_WORDS;
}

static inline void
hists_add(struct counters *c, enum hist h, uint64_t v)
{
    _Atomic uint64_t *words = hists_words(c->words, h);
    if (v == 0) { /* most stages of most requests, within one turn */
        atomic_store_explicit(words, atomic_load_explicit(words, memory_order_relaxed) + 1,
                              memory_order_relaxed);
        return;
    }
    _Atomic uint64_t *bucket = &words[hists_bucket(v)], *sum = &words[HISTS_BUCKETS];
    atomic_store_explicit(bucket, atomic_load_explicit(bucket, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    atomic_store_explicit(sum, atomic_load_explicit(sum, memory_order_relaxed) + v,
                          memory_order_relaxed);
}

/* The values of a histogram, or of several of the same kind. */
struct hists_values {
    uint64_t buckets[HISTS_BUCKETS], sum;
};
/* Adds those of a block to *out. */
void hists_sum(_Atomic uint64_t *block, enum hist h, struct hists_values *out);

static inline enum hist
hists_of(enum hists_kind kind, enum hists_stage stage)
{
    return (enum hist)((uint32_t)kind * HISTS_STAGES + (uint32_t)stage);
}

#endif
