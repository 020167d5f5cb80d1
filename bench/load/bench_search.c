/* bench_search.c: held < the answer <= failed, once both are known. */
#include "bench/load/bench.h"

void
bench_search_told(struct bench_search *s, bool held)
{
    s->steps++;
    if (held)
        s->held = s->rate;
    else
        s->failed = s->rate;
    s->done = s->steps >= BENCH_SEARCH_STEPS_MAX ||
              (s->failed > 0 &&
               (s->failed <= s->least || s->failed - s->held < BENCH_SEARCH_GAP * s->failed));
    if (s->done)
        return;
    if (s->failed <= 0)
        s->rate = 2 * s->held;
    else if (s->held <= 0)
        s->rate = s->failed / 4 > s->least ? s->failed / 4 : s->least;
    else
        s->rate = (s->held + s->failed) / 2;
}
