/* bench_print.c: results as JSON lines, one "interval" each interval and one "result" a run. */
#include "bench/load/bench.h"

#include <inttypes.h>
#include <stdio.h>

static const struct {
    const char *prefix; /* of the keys; produce has none */
    const char *name;
} kinds[BENCH_KINDS] = {[BENCH_PRODUCE] = {"", "produce"},
                        [BENCH_E2E] = {"e2e_", "e2e"},
                        [BENCH_FETCH] = {"fetch_", "fetch"},
                        [BENCH_COMMIT] = {"commit_", "commit"},
                        [BENCH_LATE] = {"late_", "late"}};

static const struct {
    const char *name;
    double fraction;
} points[] = {{"p50", 0.5}, {"p99", 0.99}, {"p999", 0.999}};

static void
print_latency(const struct bench_tally *t)
{
    for (int k = 0; k < BENCH_KINDS; k++) {
        const struct hist *h = &t->latency[k];
        if (h->total == 0)
            continue;
        for (size_t i = 0; i < sizeof points / sizeof points[0]; i++)
            printf(", \"%s%s_us\": %.1f", kinds[k].prefix, points[i].name,
                   (double)hist_at(h, points[i].fraction) / 1e3);
        printf(", \"%smax_us\": %.1f", kinds[k].prefix, (double)h->most_ns / 1e3);
    }
}

void
bench_print_interval(const struct bench_clock *c, uint64_t now_ns)
{
    const struct bench_tally *t = &c->interval;
    double s = (double)(now_ns - c->next_ns + c->interval_ns) / 1e9;
    printf("{\"type\": \"interval\", \"mode\": \"%s\", \"at_s\": %.3f, \"seconds\": %.3f, "
           "\"records_per_s\": %.0f, \"mb_per_s\": %.2f, \"consumed_per_s\": %.0f, "
           "\"errors\": %" PRIu64,
           c->o->mode_name, (double)(now_ns - c->measure_ns) / 1e9, s, (double)t->records / s,
           (double)t->bytes / 1e6 / s, (double)t->consumed / s, t->errors);
    print_latency(t);
    printf("}\n");
    fflush(stdout);
}

bool
bench_client_bound(const struct bench_options *o, const struct bench_result *r)
{
    /* The raw client is one thread; librdkafka has several, on the CPUs that taskset left. */
    static const double BUSY = 0.9, LATE_NS = 2e6;
    (void)o;
    return r->client_cpu_s > BUSY * r->seconds ||
           (double)hist_at(&r->tally.latency[BENCH_LATE], 0.99) > LATE_NS;
}

static void
print_rates(const struct bench_options *o, const struct bench_result *r)
{
    const struct bench_tally *t = &r->tally;
    double s = r->seconds > 0 ? r->seconds : 1;
    printf(", \"requests\": %" PRIu64 ", \"records\": %" PRIu64 ", \"errors\": %" PRIu64
           ", \"mb_per_s\": %.2f, \"requests_per_s\": %.0f, \"records_per_s\": %.0f",
           t->requests, t->records, t->errors, (double)t->bytes / 1e6 / s, (double)t->requests / s,
           (double)t->records / s);
    if (o->rate > 0)
        printf(", \"rate_asked\": %.0f, \"rate_sent\": %.0f", o->rate, (double)t->due / s);
    if (o->consumers > 0)
        printf(", \"consumed\": %" PRIu64 ", \"consumed_per_s\": %.0f, "
               "\"consumed_mb_per_s\": %.2f, \"fetches\": %" PRIu64,
               t->consumed, (double)t->consumed / s, (double)t->consumed_bytes / 1e6 / s,
               t->fetches);
}

static void
print_cost(const struct bench_options *o, const struct bench_result *r)
{
    const struct bench_tally *t = &r->tally;
    double gb = (double)(t->bytes + t->consumed_bytes) / 1e9;
    uint64_t requests = t->requests + t->fetches;
    printf(", \"client_cpu_s\": %.3f, \"client_bound\": %s", r->client_cpu_s,
           bench_client_bound(o, r) ? "true" : "false");
    if (o->pid_count > 0)
        printf(", \"server_cpu_s\": %.3f, \"server_cpu_s_per_gb\": %.3f, "
               "\"server_cpu_us_per_request\": %.2f, \"server_resident_mb\": %.0f",
               r->server_cpu_s, gb > 0 ? r->server_cpu_s / gb : 0,
               requests > 0 ? r->server_cpu_s * 1e6 / (double)requests : 0, r->server_resident_mb);
}

void
bench_print_result(const struct bench_options *o, const struct bench_result *r)
{
    printf("{\"type\": \"result\", \"mode\": \"%s\", \"client\": \"%s\", \"topic\": \"%s\", "
           "\"producers\": %u, \"consumers\": %u, \"idle\": %u, \"depth\": %u, "
           "\"partitions\": %u, \"record_bytes\": %u, \"records_per_request\": %u, \"keys\": %u, "
           "\"acks\": %d, \"seconds\": %.3f",
           o->mode_name, o->client == BENCH_RAW ? "raw" : "librdkafka", o->topic, o->producers,
           o->consumers, o->idle, o->depth, o->partitions, o->record_bytes, o->records, o->keys,
           o->acks, r->seconds);
    if (o->settle_seconds > 0)
        printf(", \"settle_s\": %.3f, \"settled\": %s", r->settle_s, r->settled ? "true" : "false");
    print_rates(o, r);
    print_latency(&r->tally);
    print_cost(o, r);
    if (o->buckets)
        for (int k = 0; k < BENCH_KINDS; k++)
            if (r->tally.latency[k].total > 0) {
                printf(", \"%s_buckets\": \"", kinds[k].name);
                hist_print(&r->tally.latency[k], stdout);
                printf("\"");
            }
    printf("}\n");
    fflush(stdout);
}
