/* bench_clock.c: warm-up, intervals, end.  Whatever a client counts goes into the interval; when
 * the interval ends it is printed and becomes part of the result, once the warm-up is over.  With
 * --settle the warm-up goes on, second by second, until the rate is steady or the time is used. */
#include "bench/load/bench.h"

#include <string.h>

void
bench_tally_merge(struct bench_tally *to, const struct bench_tally *from)
{
    to->requests += from->requests;
    to->errors += from->errors;
    to->records += from->records;
    to->bytes += from->bytes;
    to->consumed += from->consumed;
    to->consumed_bytes += from->consumed_bytes;
    to->fetches += from->fetches;
    to->due += from->due;
    for (int k = 0; k < BENCH_KINDS; k++)
        hist_merge(&to->latency[k], &from->latency[k]);
}

void
bench_clock_start(struct bench_clock *c, const struct bench_options *o, struct bench_result *result)
{
    memset(c, 0, sizeof *c);
    c->o = o;
    c->result = result;
    c->start_ns = bench_now_ns();
    c->measure_ns = c->start_ns + (uint64_t)(o->warmup_seconds * 1e9);
    c->stop_ns = c->measure_ns + (uint64_t)(o->seconds * 1e9);
    c->interval_ns = (uint64_t)(o->interval_seconds * 1e9);
    if (o->settle_seconds > 0) {
        c->settle_ns = c->measure_ns;
        c->measure_ns += (uint64_t)(o->settle_seconds * 1e9);
        c->stop_ns += (uint64_t)(o->settle_seconds * 1e9);
    }
}

/* A second of the warm-up is over: the rate is what was acknowledged and read in it. */
static void
settle(struct bench_clock *c, uint64_t now_ns)
{
    static const uint64_t SECOND_NS = 1000000000;
    uint64_t count = c->interval.records + c->interval.consumed;
    double seconds = (double)(now_ns - c->settle_ns + SECOND_NS) / 1e9;
    bool first = c->settle_ns == c->start_ns + (uint64_t)(c->o->warmup_seconds * 1e9);
    if (!first && bench_settle_told(&c->settle, (double)(count - c->settle_count) / seconds)) {
        c->result->settled = true;
        c->measure_ns = now_ns;
    }
    c->settle_count = count;
    c->settle_ns = now_ns + SECOND_NS;
}

bool
bench_clock_tick(struct bench_clock *c, uint64_t now_ns)
{
    if (!c->measuring && c->settle_ns > 0 && now_ns >= c->settle_ns)
        settle(c, now_ns);
    if (!c->measuring && now_ns >= c->measure_ns) {
        uint64_t errors = c->interval.errors;
        memset(&c->interval, 0, sizeof c->interval);
        c->interval.errors = errors; /* those of the warm-up are errors too */
        c->measuring = true;
        c->measure_ns = now_ns;
        c->stop_ns = now_ns + (uint64_t)(c->o->seconds * 1e9);
        c->result->settle_s = (double)(now_ns - c->start_ns) / 1e9;
        c->next_ns = now_ns + c->interval_ns;
        c->result->client_cpu_s = -bench_own_cpu_s();
        c->result->server_cpu_s = -bench_server_cpu_s(c->o);
    }
    if (c->measuring && c->interval_ns > 0 && now_ns >= c->next_ns) {
        bench_print_interval(c, now_ns);
        bench_tally_merge(&c->result->tally, &c->interval);
        memset(&c->interval, 0, sizeof c->interval);
        c->next_ns += c->interval_ns;
    }
    return now_ns < c->stop_ns;
}

uint64_t
bench_clock_next(const struct bench_clock *c)
{
    if (!c->measuring)
        return c->settle_ns > 0 && c->settle_ns < c->measure_ns ? c->settle_ns : c->measure_ns;
    return c->interval_ns > 0 && c->next_ns < c->stop_ns ? c->next_ns : c->stop_ns;
}

void
bench_clock_end(struct bench_clock *c)
{
    uint64_t now_ns = bench_now_ns();
    bench_clock_tick(c, now_ns);
    if (!c->measuring)
        return;
    bench_tally_merge(&c->result->tally, &c->interval);
    c->result->seconds = (double)(now_ns - c->measure_ns) / 1e9;
    c->result->client_cpu_s += bench_own_cpu_s();
    c->result->server_cpu_s += bench_server_cpu_s(c->o);
    c->result->server_resident_mb = bench_server_resident_mb(c->o);
}
