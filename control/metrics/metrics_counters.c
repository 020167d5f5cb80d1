#include "control/metrics/metrics_in.h"

#include "core/shm/region_sum.h"
#include "core/wire/kerr.h"
#include "core/wire/wire.h"

#include <stdio.h>

void
metrics_counters_sum(struct metrics_out *o, const struct metrics_row *row,
                     const struct metrics_source *s)
{
    struct metrics_sample p;
    metrics_sample(&p, o, row);
    metrics_sample_end(&p, region_sum_counter(s->region, row->arg));
}

void
metrics_counters_drops(struct metrics_out *o, const struct metrics_row *row,
                       const struct metrics_source *s)
{
    for (uint32_t c = 0; c < COUNTERS; c++) {
        struct metrics_sample p;
        if (!counters_is_drop((enum counter)c))
            continue;
        metrics_sample(&p, o, row);
        metrics_sample_label(&p, "reason", view_of_text(counters_row((enum counter)c)->name));
        metrics_sample_end(&p, region_sum_counter(s->region, c));
    }
}

void
metrics_counters_each(struct metrics_out *o, const struct metrics_row *row,
                      const struct metrics_source *s)
{
    uint32_t shards = s->region->header->shard_count;
    for (uint32_t c = 0; c < COUNTERS; c++) {
        const struct counter_row *r = counters_row((enum counter)c);
        for (uint32_t b = 0; b <= shards; b++) {
            struct metrics_sample p;
            char core[16] = "control";
            if (b < shards)
                (void)snprintf(core, sizeof core, "%u", b);
            metrics_sample(&p, o, row);
            metrics_sample_label(&p, "core", view_of_text(core));
            metrics_sample_label(&p, "counter", view_of_text(r->name));
            metrics_sample_label(&p, "unit", view_of_text(r->unit));
            metrics_sample_end(&p, counters_read(region_counters(s->region, b), c));
        }
    }
}

void
metrics_counters_apis(struct metrics_out *o, const struct metrics_row *row,
                      const struct metrics_source *s)
{
    for (int16_t key = 0; key < COUNTERS_APIS; key++) {
        const struct wire_api *api = wire_api_find(key);
        uint64_t count = region_sum_counter(s->region, COUNTERS + (uint32_t)key);
        struct metrics_sample p;
        if (!api || !count)
            continue;
        metrics_sample(&p, o, row);
        metrics_sample_label(&p, "api", view_of_text(api->name));
        metrics_sample_end(&p, count);
    }
}

void
metrics_counters_errors(struct metrics_out *o, const struct metrics_row *row,
                        const struct metrics_source *s)
{
    struct counters_error all[COUNTERS_ERRORS];
    uint32_t count = region_sum_errors(s->region, all);
    for (uint32_t i = 0; i < count; i++) {
        const struct wire_api *api = wire_api_find(all[i].api);
        struct metrics_sample p;
        if (!api)
            continue;
        metrics_sample(&p, o, row);
        metrics_sample_label(&p, "api", view_of_text(api->name));
        metrics_sample_label(&p, "error", view_of_text(kerr_name(all[i].error)));
        metrics_sample_end(&p, all[i].count);
    }
}

/* Of loops of the dataplane, in nanoseconds. */
void
metrics_counters_seconds(struct metrics_out *o, const struct metrics_row *row,
                         const struct metrics_source *s)
{
    for (uint32_t b = 0; b < s->region->header->shard_count; b++) {
        struct metrics_sample p;
        metrics_sample(&p, o, row);
        metrics_sample_number(&p, "core", b);
        metrics_sample_end_nano(&p, counters_read(region_counters(s->region, b), row->arg));
    }
}

void
metrics_counters_stalls(struct metrics_out *o, const struct metrics_row *row,
                        const struct metrics_source *s)
{
    static const struct {
        uint32_t counter;
        const char *place;
    } places[] = {{COUNTER_STALLS_REQUESTS, "requests"},
                  {COUNTER_STALLS_DISK, "disk"},
                  {COUNTER_STALLS_TIMERS, "timers"},
                  {COUNTER_STALLS_SEND, "send"}};
    for (uint32_t i = 0; i < sizeof places / sizeof *places; i++) {
        struct metrics_sample p;
        metrics_sample(&p, o, row);
        metrics_sample_label(&p, "place", view_of_text(places[i].place));
        metrics_sample_end(&p, region_sum_counter(s->region, places[i].counter));
    }
}
