/* hist.h: latencies in ns, log-linear: 64 steps an octave (error below 1.6 %).
 *
 * Two histograms of any two processes add up bucket by bucket, and so does their text:
 * "first:count,..." of the buckets that are not empty (sluice-bench --buckets). */
#ifndef SLUICE_BENCH_HIST_H
#define SLUICE_BENCH_HIST_H

#include <stdint.h>
#include <stdio.h>

enum { HIST_STEPS = 64, HIST_BUCKETS = 64 * HIST_STEPS };

struct hist {
    uint64_t counts[HIST_BUCKETS];
    uint64_t total, most_ns;
};

void hist_add(struct hist *h, uint64_t ns, uint64_t times);
void hist_merge(struct hist *to, const struct hist *from);
/* Upper bound of the bucket that holds this fraction (0..1) of the values, in ns; 0 when empty. */
uint64_t hist_at(const struct hist *h, double fraction);
/* The buckets as "index:count,...", in rising order. */
void hist_print(const struct hist *h, FILE *out);

#endif
