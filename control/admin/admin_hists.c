/* admin_hists.c: /v1/histograms: the loops' histograms as their sum over all cores, by the bucket.
 * Who reads twice gets the quantiles of what came between. */
#include "control/admin/admin_in.h"

#include "core/shm/region_sum.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

struct hist_row {
    const char *request, *stage, *unit, *help;
    int64_t now_ms;
    uint64_t count, sum;
};
#define FIELD(name, type, help)                                                                    \
    {                                                                                              \
#name, ADMIN_##type, offsetof(struct hist_row, name), help, NULL                           \
    }
const struct admin_schema admin_hists_schema = {
    "Histogram",
    (const struct admin_field[]){
        FIELD(request, STATIC, "kind of request, \"\": of none"),
        FIELD(stage, STATIC, "part of it, total: all of it"),
        FIELD(unit, STATIC, "of sum and bounds: ns or bytes"),
        FIELD(help, STATIC, "what is measured"),
        FIELD(now_ms, I64, "when it was read, ms since 1970"),
        FIELD(count, U64, "values since the dataplane was started"),
        FIELD(sum, U64, "of these values"),
        {"buckets", ADMIN_NUMBERS, 0,
         "values by the largest that a bucket takes; inf: the last one. Empty ones are left out",
         NULL},
        {0}}};
#undef FIELD

static json_t *
row_tell(const struct admin_call *c, enum hist h)
{
    const struct hists_row *r = hists_row(h);
    struct hists_values all;
    region_sum_hist(c->source.region, h, &all);
    struct hist_row row = {.request = r->request,
                           .stage = r->stage,
                           .unit = r->shift ? "bytes" : "ns",
                           .help = r->help,
                           .now_ms = c->source.now_ms,
                           .sum = all.sum >> r->shift};
    for (uint32_t i = 0; i < HISTS_BUCKETS; i++)
        row.count += all.buckets[i];
    json_t *o = admin_json_object(&admin_hists_schema, &row);
    json_t *told = json_object_get(o, "buckets");
    for (uint32_t i = 0; i < HISTS_BUCKETS; i++) {
        char bound[24] = "inf";
        if (i + 1 < HISTS_BUCKETS)
            (void)snprintf(bound, sizeof bound, "%" PRIu64, hists_bound(i) >> r->shift);
        if (all.buckets[i])
            json_object_set_new(told, bound, json_integer((json_int_t)all.buckets[i]));
    }
    return o;
}

json_t *
admin_hists_list(struct admin_call *c)
{
    json_t *items, *list = admin_json_list(c, HISTS, &items);
    for (uint32_t h = 0; h < HISTS; h++)
        if (admin_json_wanted(c, h))
            json_array_append_new(items, row_tell(c, (enum hist)h));
    return list;
}
