#include "core/shm/hists.h"

#include "core/base/must.h"

_Static_assert(HIST_PRODUCE_QUEUE == 0 && (int)HIST_FETCH_QUEUE == (int)HISTS_STAGES &&
                   (int)HIST_OTHER_TOTAL == (int)HISTS_KINDS * HISTS_STAGES - 1,
               "hists_of");
_Static_assert(HISTS_SUBS == 4, "hists_bucket takes two bits");

static const struct hists_row rows[HISTS] = {
#define HIST(name, request, stage, shift, help) {#name, request, stage, help, shift},
#include "core/shm/hists.def"
#undef HIST
};

const struct hists_row *
hists_row(enum hist h)
{
    must((unsigned)h < HISTS);
    return &rows[h];
}

uint64_t
hists_bound(uint32_t bucket)
{
    must(bucket < HISTS_BUCKETS);
    if (bucket == 0)
        return UINT64_C(1) << HISTS_LOW;
    if (bucket == HISTS_BUCKETS - 1)
        return UINT64_MAX;
    uint32_t e = HISTS_LOW + (bucket - 1) / HISTS_SUBS, sub = (bucket - 1) % HISTS_SUBS;
    return (uint64_t)(HISTS_SUBS + sub + 1) << (e - 2);
}

void
hists_sum(_Atomic uint64_t *block, enum hist h, struct hists_values *out)
{
    const _Atomic uint64_t *words = hists_words(block, h);
    for (uint32_t i = 0; i < HISTS_BUCKETS; i++)
        out->buckets[i] += counters_read(words, i);
    out->sum += counters_read(words, HISTS_BUCKETS);
}
