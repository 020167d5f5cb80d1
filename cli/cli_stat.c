#include "cli/cli.h"

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/shm/counters.h"

#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const process_names[REGION_PROCESSES] = {"data", "control"};

struct process {
    int32_t pid;
    uint32_t generation;
    bool ready;
    int64_t heartbeat_ms; /* age; -1: none yet */
};

static struct process
process_read(const struct region *r, int who)
{
    const struct region_peer *p = &r->header->peers[who];
    struct process out = {.heartbeat_ms = -1};
    out.generation = atomic_load_explicit(&p->generation, memory_order_acquire);
    out.pid = atomic_load_explicit(&p->pid, memory_order_relaxed);
    out.ready = out.generation != 0 &&
                atomic_load_explicit(&p->ready, memory_order_relaxed) == out.generation;
    uint64_t beat = atomic_load_explicit(&p->heartbeat_ns, memory_order_relaxed);
    uint64_t now = os_now_ns();
    if (beat)
        out.heartbeat_ms = now > beat ? (int64_t)((now - beat) / CLOCK_NS_PER_MS) : 0;
    return out;
}

static uint64_t
counter_read(const struct region *r, uint32_t block, unsigned counter)
{
    return atomic_load_explicit(&region_counters(r, block)[counter], memory_order_relaxed);
}

static uint64_t
counter_sum(const struct region *r, unsigned counter)
{
    uint64_t sum = 0;
    for (uint32_t b = 0; b <= r->header->shard_count; b++)
        sum += counter_read(r, b, counter);
    return sum;
}

static void
text_print(const struct region *r, int pid, FILE *out)
{
    uint32_t shards = r->header->shard_count;
    fprintf(out, "supervisor  pid %d, cluster %s, node %d\n", pid,
            (const char *)r->header->cluster_id,
            atomic_load_explicit(&r->header->node_id, memory_order_relaxed));
    for (int i = 0; i < REGION_PROCESSES; i++) {
        struct process p = process_read(r, i);
        fprintf(out, "%-11s pid %d, generation %u, %s", process_names[i], p.pid, p.generation,
                p.ready ? "serves" : "not ready");
        if (p.heartbeat_ms >= 0)
            fprintf(out, ", last seen %lld ms ago", (long long)p.heartbeat_ms);
        fputc('\n', out);
    }
    fprintf(out, "\n%-24s %-12s %14s", "counter", "unit", "sum");
    for (uint32_t b = 0; b < shards; b++)
        fprintf(out, " %8s %-5u", "shard", b);
    fprintf(out, " %14s\n", "control");
    for (unsigned c = 0; c < COUNTERS; c++) {
        const struct counter_row *row = counters_row((enum counter)c);
        fprintf(out, "%-24s %-12s %14llu", row->name, row->unit,
                (unsigned long long)counter_sum(r, c));
        for (uint32_t b = 0; b <= shards; b++)
            fprintf(out, " %14llu", (unsigned long long)counter_read(r, b, c));
        fputc('\n', out);
    }
}

static json_t *
processes_json(const struct region *r)
{
    json_t *all = json_object();
    for (int i = 0; i < REGION_PROCESSES; i++) {
        struct process p = process_read(r, i);
        json_object_set_new(all, process_names[i],
                            json_pack("{s:i, s:I, s:b, s:I}", "pid", p.pid, "generation",
                                      (json_int_t)p.generation, "ready", (int)p.ready,
                                      "heartbeat_age_ms", (json_int_t)p.heartbeat_ms));
    }
    return all;
}

/* Counters, or drop reasons, by name. */
static json_t *
counters_json(const struct region *r, bool drops)
{
    json_t *all = json_object();
    for (unsigned c = 0; c < COUNTERS; c++) {
        const struct counter_row *row = counters_row((enum counter)c);
        if ((strcmp(row->unit, "drops") == 0) != drops)
            continue;
        json_t *shards = json_array();
        for (uint32_t b = 0; b < r->header->shard_count; b++)
            json_array_append_new(shards, json_integer((json_int_t)counter_read(r, b, c)));
        json_t *one = json_pack("{s:s, s:I, s:o, s:I}", "unit", row->unit, "sum",
                                (json_int_t)counter_sum(r, c), "shards", shards, "control",
                                (json_int_t)counter_read(r, r->header->shard_count, c));
        json_object_set_new(all, row->name, one);
    }
    return all;
}

static void
json_print(const struct region *r, int pid, FILE *out)
{
    json_t *root = json_pack("{s:i, s:s, s:i, s:o, s:o, s:o}", "pid", pid, "cluster_id",
                             (const char *)r->header->cluster_id, "node_id",
                             atomic_load_explicit(&r->header->node_id, memory_order_relaxed),
                             "processes", processes_json(r), "counters", counters_json(r, false),
                             "drops", counters_json(r, true));
    must(root != NULL);
    if (json_dumpf(root, out, JSON_INDENT(2) | JSON_PRESERVE_ORDER) == 0)
        fputc('\n', out);
    json_decref(root);
}

void
cli_stat_print(const struct region *r, int pid, bool json, FILE *out)
{
    if (json)
        json_print(r, pid, out);
    else
        text_print(r, pid, out);
}

int
cli_stat(const struct cli_args *args, char *const *environ_, FILE *out)
{
    struct region r;
    int pid = 0;
    if (cli_region_open(args, environ_, false, &r, &pid))
        return CLI_EXIT_FAILED;
    cli_stat_print(&r, pid, args->json, out);
    region_detach(&r);
    return fflush(out) ? CLI_EXIT_FAILED : CLI_EXIT_OK;
}
