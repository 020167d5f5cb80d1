#include "control/metrics/metrics_in.h"

#include "core/base/clock.h"
#include "core/wire/feature.h"

#include <stdio.h>

static const char *const process_names[REGION_PROCESSES] = {"data", "control"};

void
metrics_cluster_build(struct metrics_out *o, const struct metrics_row *row,
                      const struct metrics_source *s)
{
    struct metrics_sample p;
    (void)s;
    metrics_sample(&p, o, row);
    metrics_sample_label(&p, "version", view_of_text(SLUICE_VERSION));
    metrics_sample_end(&p, 1);
}

static int32_t
node_of(const struct metrics_source *s)
{
    return atomic_load_explicit(&s->region->header->node_id, memory_order_relaxed);
}

void
metrics_cluster_node(struct metrics_out *o, const struct metrics_row *row,
                     const struct metrics_source *s)
{
    struct metrics_sample p;
    metrics_sample(&p, o, row);
    metrics_sample_label(&p, "cluster_id",
                         view_of_text((const char *)s->region->header->cluster_id));
    metrics_sample_number(&p, "node_id", node_of(s));
    metrics_sample_label(&p, "net", view_of_text(conf_text(s->conf, CONF_NET)));
    metrics_sample_label(&p, "idle", view_of_text(conf_text(s->conf, CONF_IDLE)));
    metrics_sample_label(&p, "rack", view_of_text(conf_text(s->conf, CONF_RACK)));
    metrics_sample_end(&p, 1);
}

void
metrics_cluster_config(struct metrics_out *o, const struct metrics_row *row,
                       const struct metrics_source *s)
{
    for (uint32_t k = 0; k < CONF_KEYS; k++) {
        struct metrics_sample p;
        metrics_sample(&p, o, row);
        metrics_sample_label(&p, "key", view_of_text(conf_row((enum conf_key)k)->name));
        metrics_sample_label(&p, "value", view_of_text(conf_shown(s->conf, (enum conf_key)k)));
        metrics_sample_end(&p, 1);
    }
}

void
metrics_cluster_features(struct metrics_out *o, const struct metrics_row *row,
                         const struct metrics_source *s)
{
    for (uint32_t i = 0; i < FEATURES; i++) {
        const struct feature_row *f = feature_row((enum feature)i);
        struct metrics_sample p;
        metrics_sample(&p, o, row);
        metrics_sample_label(&p, "feature", view_of_text(f->name));
        metrics_sample_number(&p, "level", f->max);
        metrics_sample_end(&p, 1);
    }
}

/* "host:port" of the first advertised listener. */
void
metrics_cluster_broker(struct metrics_out *o, const struct metrics_row *row,
                       const struct metrics_source *s)
{
    struct metrics_sample p;
    struct conf_listener at[CONF_LISTENERS_MAX];
    char error[CONF_ERROR_BYTES], address[CONF_HOST_BYTES_MAX + 16];
    const char *text = conf_text(s->conf, CONF_ADVERTISED);
    if (!*text)
        text = conf_text(s->conf, CONF_LISTENERS);
    if (conf_listeners(text, at, error) < 1)
        return;
    (void)snprintf(address, sizeof address, "%s:%u", at[0].host, at[0].port);
    metrics_sample(&p, o, row);
    metrics_sample_number(&p, "id", node_of(s));
    metrics_sample_label(&p, "address", view_of_text(address));
    metrics_sample_end(&p, 1);
}

static uint64_t
partitions_sum(const struct census *c, bool bytes)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < c->partition_count; i++)
        n += bytes ? c->partitions[i].bytes : !c->partitions[i].open;
    return n;
}

static uint64_t
fact_of(const struct metrics_source *s, enum metrics_fact which)
{
    const struct region_header *h = s->region->header;
    switch (which) {
    case METRICS_FACT_TOPICS:
        return s->tables->topic_count;
    case METRICS_FACT_TOPICS_MAX:
        return h->topics_max;
    case METRICS_FACT_PARTITIONS:
        return s->tables->partition_count;
    case METRICS_FACT_PARTITIONS_MAX:
        return h->partitions_max;
    case METRICS_FACT_OFFLINE:
        return partitions_sum(s->tables, false);
    case METRICS_FACT_BYTES:
        return partitions_sum(s->tables, true);
    case METRICS_FACT_CORES:
        return h->shard_count;
    case METRICS_FACT_BROKERS:
        return 1;
    case METRICS_FACT_LEFT_OUT:
        return s->groups ? s->groups->short_of : 0;
    case METRICS_FACT_TORN:
        return s->tables->torn;
    case METRICS_FACT_FRESH:
        return s->groups_fresh;
    case METRICS_FACT_DATA_UP:
        return s->up[REGION_DATA];
    }
    return 0;
}

void
metrics_cluster_fact(struct metrics_out *o, const struct metrics_row *row,
                     const struct metrics_source *s)
{
    struct metrics_sample p;
    metrics_sample(&p, o, row);
    metrics_sample_end(&p, fact_of(s, (enum metrics_fact)row->arg));
}

static void
process_tell(struct metrics_out *o, const struct metrics_row *row, const struct metrics_source *s,
             uint32_t i)
{
    struct metrics_sample p;
    const struct region_peer *peer = &s->region->header->peers[i];
    uint64_t beat = atomic_load_explicit(&peer->heartbeat_ns, memory_order_relaxed);
    uint32_t which = row->arg;
    bool usage = which == METRICS_PROCESS_MEMORY || which == METRICS_PROCESS_CPU;
    if ((usage && !s->processes[i].known) || (which == METRICS_PROCESS_SILENCE && !beat))
        return;
    metrics_sample(&p, o, row);
    metrics_sample_label(&p, "process", view_of_text(process_names[i]));
    if (which == METRICS_PROCESS_STARTS)
        metrics_sample_end(&p, atomic_load_explicit(&peer->generation, memory_order_relaxed));
    else if (which == METRICS_PROCESS_SILENCE)
        metrics_sample_end_nano(&p, s->now_ns > beat ? s->now_ns - beat : 0);
    else if (which == METRICS_PROCESS_MEMORY)
        metrics_sample_end(&p, s->processes[i].resident_bytes);
    else if (which == METRICS_PROCESS_CPU)
        metrics_sample_end_nano(&p, s->processes[i].cpu_ns);
    else
        metrics_sample_end(&p, s->up[i]);
}

void
metrics_cluster_process(struct metrics_out *o, const struct metrics_row *row,
                        const struct metrics_source *s)
{
    for (uint32_t i = 0; i < REGION_PROCESSES; i++)
        process_tell(o, row, s, i);
}

void
metrics_cluster_disk(struct metrics_out *o, const struct metrics_row *row,
                     const struct metrics_source *s)
{
    char dir[CONF_TEXT_BYTES_MAX];
    const char *dirs = conf_text(s->conf, CONF_LOG_DIRS);
    for (uint32_t i = 0; i < CONF_DIRS_MAX && conf_dir(dirs, i, dir) == 0; i++) {
        const struct metrics_disk *d = &s->disks[i];
        struct metrics_sample p;
        if (!d->known)
            continue;
        metrics_sample(&p, o, row);
        metrics_sample_label(&p, "dir", view_of_text(dir));
        metrics_sample_end(&p, row->arg == METRICS_DISK_FREE ? d->free_bytes : d->total_bytes);
    }
}
