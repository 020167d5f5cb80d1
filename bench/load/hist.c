/* hist.c: bucket i holds values of i when i < 64; beyond, octave i / 64 counted from 1 has 64 equal
 * steps from 64 << (octave - 1) on. */
#include "bench/load/hist.h"

#include <inttypes.h>

void
hist_add(struct hist *h, uint64_t ns, uint64_t times)
{
    uint32_t octave = ns < HIST_STEPS ? 0 : 63 - (uint32_t)__builtin_clzll(ns) - 5;
    uint32_t step = (uint32_t)(octave ? (ns >> (octave - 1)) - HIST_STEPS : ns);
    h->counts[octave * HIST_STEPS + step] += times;
    h->total += times;
    if (ns > h->most_ns && times > 0)
        h->most_ns = ns;
}

void
hist_merge(struct hist *to, const struct hist *from)
{
    for (uint32_t i = 0; i < HIST_BUCKETS; i++)
        to->counts[i] += from->counts[i];
    to->total += from->total;
    if (from->most_ns > to->most_ns)
        to->most_ns = from->most_ns;
}

uint64_t
hist_at(const struct hist *h, double fraction)
{
    uint64_t goal = (uint64_t)((double)h->total * fraction), seen = 0;
    for (uint32_t i = 0; i < HIST_BUCKETS; i++) {
        seen += h->counts[i];
        if (seen > goal || (seen == h->total && seen > 0)) {
            uint32_t octave = i / HIST_STEPS, step = i % HIST_STEPS;
            uint64_t ns = octave ? ((uint64_t)step + HIST_STEPS + 1) << (octave - 1) : step + 1;
            return ns < h->most_ns ? ns : h->most_ns;
        }
    }
    return 0;
}

void
hist_print(const struct hist *h, FILE *out)
{
    const char *comma = "";
    for (uint32_t i = 0; i < HIST_BUCKETS; i++)
        if (h->counts[i] > 0) {
            fprintf(out, "%s%u:%" PRIu64, comma, i, h->counts[i]);
            comma = ",";
        }
}
