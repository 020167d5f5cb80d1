/* bench_plan.c: what is run: once, at the rates of a ramp, or at the rates of a search. */
#include "bench/load/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static struct bench_result *
run(const struct bench_options *o)
{
    struct bench_result *r = calloc(1, sizeof *r);
    if (!r)
        bench_die("memory for the result");
    if (o->client == BENCH_RAW)
        raw_run(o, r);
    else
        rdk_run(o, r);
    bench_print_result(o, r);
    return r;
}

/* A rate is held when what was due went out and came back in time. */
static const double ENOUGH = 0.98;
enum { RAMP_P99_NS = 10000000, SEARCH_RECORDS_MIN = 100 };

/* Rates in equal ratios; ends at the first that is not reached, since what the broker still owes
 * then would be the next one's burden. */
static int
ramp(struct bench_options *o)
{
    double from = o->rate, held = 0;
    bool client_bound = false, reached = true;
    uint64_t errors = 0;
    for (uint32_t i = 0; i < o->ramp_steps && reached; i++) {
        o->rate = from * pow(o->ramp_to / from, (double)i / (o->ramp_steps - 1));
        struct bench_result *r = run(o);
        errors += r->tally.errors;
        reached = (double)r->tally.records >= ENOUGH * o->rate * r->seconds;
        if (reached && hist_at(&r->tally.latency[BENCH_PRODUCE], 0.99) <= RAMP_P99_NS)
            held = o->rate;
        if (!reached)
            client_bound = bench_client_bound(o, r);
        free(r);
    }
    printf("{\"type\": \"ramp\", \"mode\": \"%s\", \"held_10ms\": %.0f, \"reached_end\": %s, "
           "\"client_bound\": %s}\n",
           o->mode_name, held, reached ? "true" : "false", client_bound ? "true" : "false");
    return errors > 0;
}

static int
search(struct bench_options *o)
{
    struct bench_search s = {.rate = o->rate, .least = SEARCH_RECORDS_MIN / o->seconds};
    bool client_bound = false;
    double p99_ms = 0;
    while (!s.done) {
        o->rate = s.rate;
        struct bench_result *r = run(o);
        double p99 = (double)hist_at(&r->tally.latency[BENCH_PRODUCE], 0.99) / 1e6;
        bool held = r->tally.errors == 0 && p99 <= o->search_p99_ms &&
                    (double)r->tally.records >= ENOUGH * s.rate * r->seconds;
        if (held)
            p99_ms = p99;
        else
            client_bound = bench_client_bound(o, r);
        free(r);
        bench_search_told(&s, held);
    }
    printf("{\"type\": \"search\", \"mode\": \"%s\", \"p99_limit_ms\": %.3f, \"held_per_s\": %.0f, "
           "\"held_mb_per_s\": %.2f, \"p99_ms\": %.3f, \"failed_per_s\": %.0f, "
           "\"steps\": %u, \"client_bound\": %s}\n",
           o->mode_name, o->search_p99_ms, s.held, s.held * o->record_bytes / 1e6, p99_ms, s.failed,
           s.steps, client_bound ? "true" : "false");
    return s.held > 0 ? 0 : 1;
}

int
bench_plan(struct bench_options *o)
{
    if (o->search_p99_ms > 0)
        return search(o);
    if (o->ramp_steps > 0)
        return ramp(o);
    struct bench_result *r = run(o);
    int failed = r->tally.errors > 0;
    free(r);
    return failed;
}
