#include "control/metrics/metrics_in.h"

/* False: the partition has no such value now. */
static bool
value_of(const struct census_partition *p, uint32_t which, int64_t *value)
{
    switch ((enum metrics_of_partition)which) {
    case METRICS_PARTITION_START:
        *value = p->log_start;
        return p->log_start >= 0;
    case METRICS_PARTITION_HIGH:
        *value = p->high_watermark;
        return p->high_watermark >= 0;
    case METRICS_PARTITION_END:
        *value = p->log_end;
        return p->log_end >= 0;
    case METRICS_PARTITION_BYTES:
        *value = (int64_t)p->bytes;
        return p->log_end >= 0;
    case METRICS_PARTITION_ONLINE:
        *value = p->open;
        return true;
    case METRICS_PARTITION_LEADER:
        *value = p->open ? p->leader_id : -1;
        return true;
    case METRICS_PARTITION_REPLICAS:
        *value = 1;
        return true;
    case METRICS_PARTITION_UNDER:
        *value = !p->open;
        return true;
    case METRICS_PARTITION_PREFERRED:
        *value = p->open;
        return true;
    }
    return false;
}

void
metrics_partitions_each(struct metrics_out *o, const struct metrics_row *row,
                        const struct metrics_source *s)
{
    const struct census *c = s->tables;
    for (uint32_t i = 0; i < c->partition_count && !o->full; i++) {
        const struct census_partition *p = &c->partitions[i];
        struct metrics_sample sample;
        int64_t value;
        if (!value_of(p, row->arg, &value))
            continue;
        metrics_sample(&sample, o, row);
        metrics_sample_label(&sample, "topic", census_view(c, c->topics[p->topic].name));
        metrics_sample_number(&sample, "partition", p->partition);
        metrics_sample_end_signed(&sample, value);
    }
}

void
metrics_partitions_of_topic(struct metrics_out *o, const struct metrics_row *row,
                            const struct metrics_source *s)
{
    const struct census *c = s->tables;
    for (uint32_t i = 0; i < c->topic_count && !o->full; i++) {
        struct metrics_sample sample;
        metrics_sample(&sample, o, row);
        metrics_sample_label(&sample, "topic", census_view(c, c->topics[i].name));
        metrics_sample_end(&sample, c->topics[i].count);
    }
}

void
metrics_partitions_bytes(struct metrics_out *o, const struct metrics_row *row,
                         const struct metrics_source *s)
{
    const struct census *c = s->tables;
    for (uint32_t i = 0; i < c->topic_count && !o->full; i++) {
        const struct census_topic *t = &c->topics[i];
        struct metrics_sample sample;
        uint64_t bytes = 0;
        for (uint32_t k = t->first; k < t->first + t->count; k++)
            bytes += c->partitions[k].bytes;
        metrics_sample(&sample, o, row);
        metrics_sample_label(&sample, "topic", census_view(c, t->name));
        metrics_sample_end(&sample, bytes);
    }
}
