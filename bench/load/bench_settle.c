/* bench_settle.c: steady is two seconds, one after the other, of nearly the same rate. */
#include "bench/load/bench.h"

bool
bench_settle_told(struct bench_settle *s, double rate)
{
    double before = s->rate, most = rate > before ? rate : before;
    double apart = rate > before ? rate - before : before - rate;
    s->rate = rate;
    return most > 0 && apart < BENCH_SETTLE_GAP * most;
}
