/* metrics_hists.c: histograms of the loops.  /metrics gets their sum over all cores, in powers of
 * two; /metrics/internal each core's, in every bucket.  A copy is taken first, so that buckets,
 * count and +Inf agree whatever is counted meanwhile. */
#include "control/metrics/metrics_in.h"

#include "core/shm/region_sum.h"

#include <stdio.h>

/* The labels that all samples of one histogram have. */
struct labels {
    const char *names[2], *values[2]; /* NULL: none */
};

static void
begin(struct metrics_sample *p, struct metrics_out *o, const struct metrics_row *row,
      const char *suffix, const struct labels *l)
{
    metrics_sample_named(p, o, row, suffix);
    for (uint32_t i = 0; i < 2 && l->names[i]; i++)
        metrics_sample_label(p, l->names[i], view_of_text(l->values[i]));
}

/* In seconds, or in what the shift of its values gives. */
static void
bound_tell(struct metrics_sample *p, uint64_t bound, uint32_t shift)
{
    metrics_text(p->o, p->labelled ? ",le=\"" : "{le=\"");
    p->labelled = true;
    if (shift)
        metrics_text_u64(p->o, bound >> shift);
    else
        metrics_text_nano(p->o, bound);
    metrics_text(p->o, "\"");
}

static void
tell(struct metrics_out *o, const struct metrics_row *row, const struct labels *l,
     const struct hists_values *c, uint32_t shift)
{
    struct metrics_sample p;
    uint64_t below = 0;
    uint32_t step = row->set == METRICS_INTERNAL ? 1 : HISTS_SUBS;
    for (uint32_t i = 0; i + 1 < HISTS_BUCKETS; i++) {
        below += c->buckets[i];
        if (i % step != 0)
            continue;
        begin(&p, o, row, "_bucket", l);
        bound_tell(&p, hists_bound(i), shift);
        metrics_sample_end(&p, below);
    }
    below += c->buckets[HISTS_BUCKETS - 1];
    begin(&p, o, row, "_bucket", l);
    metrics_sample_label(&p, "le", view_of_text("+Inf"));
    metrics_sample_end(&p, below);
    begin(&p, o, row, "_sum", l);
    if (shift)
        metrics_sample_end(&p, c->sum >> shift);
    else
        metrics_sample_end_nano(&p, c->sum);
    begin(&p, o, row, "_count", l);
    metrics_sample_end(&p, below);
}

void
metrics_hists_one(struct metrics_out *o, const struct metrics_row *row,
                  const struct metrics_source *s)
{
    struct hists_values c;
    const struct labels none = {0};
    region_sum_hist(s->region, (enum hist)row->arg, &c);
    tell(o, row, &none, &c, hists_row((enum hist)row->arg)->shift);
}

static void
of_request(struct metrics_out *o, const struct metrics_row *row, const struct metrics_source *s,
           uint32_t hist)
{
    struct hists_values c;
    const struct hists_row *h = hists_row((enum hist)hist);
    bool stage = row->arg != HISTS_TOTAL;
    const struct labels l = {{"request", stage ? "stage" : NULL}, {h->request, h->stage}};
    region_sum_hist(s->region, (enum hist)hist, &c);
    tell(o, row, &l, &c, h->shift);
}

void
metrics_hists_total(struct metrics_out *o, const struct metrics_row *row,
                    const struct metrics_source *s)
{
    for (uint32_t k = 0; k < HISTS_KINDS; k++)
        of_request(o, row, s, hists_of((enum hists_kind)k, HISTS_TOTAL));
}

void
metrics_hists_stages(struct metrics_out *o, const struct metrics_row *row,
                     const struct metrics_source *s)
{
    for (uint32_t k = 0; k < HISTS_KINDS; k++)
        for (uint32_t i = 0; i < HISTS_TOTAL; i++)
            of_request(o, row, s, hists_of((enum hists_kind)k, (enum hists_stage)i));
}

/* arg: those of sizes, not those of times. */
void
metrics_hists_each(struct metrics_out *o, const struct metrics_row *row,
                   const struct metrics_source *s)
{
    for (uint32_t h = 0; h < HISTS; h++) {
        const struct hists_row *r = hists_row((enum hist)h);
        char name[64];
        if ((r->shift != 0) != (row->arg != 0))
            continue;
        (void)snprintf(name, sizeof name, "%s%s%s", r->request, *r->request ? "_" : "", r->stage);
        for (uint32_t b = 0; b < s->region->header->shard_count; b++) {
            struct hists_values c = {0};
            char core[16];
            (void)snprintf(core, sizeof core, "%u", b);
            const struct labels l = {{"core", "histogram"}, {core, name}};
            hists_sum(region_counters(s->region, b), (enum hist)h, &c);
            tell(o, row, &l, &c, r->shift);
        }
    }
}
