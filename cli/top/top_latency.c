#include "cli/top/top.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKETS_MAX = 512 };

struct bucket {
    double bound; /* the largest value in it */
    double count;
};

struct growth {
    struct bucket buckets[BUCKETS_MAX];
    uint32_t bucket_count;
    double count, sum, seconds;
};

static double
number(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static bool
same(const json_t *a, const json_t *b, const char *key)
{
    const char *s = json_string_value(json_object_get(a, key));
    const char *t = json_string_value(json_object_get(b, key));
    return s && t && strcmp(s, t) == 0;
}

static const json_t *
hist_find(const json_t *all, const json_t *like)
{
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *o = json_array_get(all, i);
        if (same(o, like, "request") && same(o, like, "stage"))
            return o;
    }
    return NULL;
}

static int
bound_compare(const void *a, const void *b)
{
    double x = ((const struct bucket *)a)->bound, y = ((const struct bucket *)b)->bound;
    return (x > y) - (x < y);
}

/* A dataplane that was started anew counts from 0: then everything that is there is new. */
static void
growth_read(const json_t *before, const json_t *after, struct growth *g)
{
    bool anew = !before || number(before, "count") > number(after, "count");
    const json_t *old = anew ? NULL : json_object_get(before, "buckets");
    const char *bound;
    json_t *n;
    memset(g, 0, sizeof *g);
    g->sum = number(after, "sum") - (anew ? 0 : number(before, "sum"));
    g->seconds = (number(after, "now_ms") - number(before, "now_ms")) / 1000;
    json_object_foreach(json_object_get(after, "buckets"), bound, n)
    {
        double grown = json_number_value(n) - number(old, bound);
        if (grown <= 0 || g->bucket_count == BUCKETS_MAX)
            continue;
        /* "inf" too */
        g->buckets[g->bucket_count++] = (struct bucket){strtod(bound, NULL), grown};
        g->count += grown;
    }
    qsort(g->buckets, g->bucket_count, sizeof g->buckets[0], bound_compare);
}

/* In us.  Of the last bucket, which has no bound: the one before it. */
static double
quantile(const struct growth *g, double q)
{
    double below = 0, bound = 0;
    for (uint32_t i = 0; i < g->bucket_count && below < q * g->count; i++) {
        below += g->buckets[i].count;
        bound = g->buckets[i].bound < 1e18 ? g->buckets[i].bound : bound;
    }
    return bound / 1000;
}

json_t *
top_latency(const json_t *before, const json_t *after)
{
    json_t *all = json_array();
    for (size_t i = 0; i < json_array_size(after); i++) {
        const json_t *a = json_array_get(after, i);
        const char *stage = json_string_value(json_object_get(a, "stage"));
        struct growth g;
        growth_read(hist_find(before, a), a, &g);
        if (!stage || strcmp(stage, "total") != 0 || g.count <= 0)
            continue;
        json_array_append_new(all, json_pack("{s:O, s:f, s:f, s:f, s:f, s:f}", "request",
                                             json_object_get(a, "request"), "rate",
                                             g.seconds > 0 ? g.count / g.seconds : 0.0, "mean_us",
                                             g.sum / g.count / 1000, "p50_us", quantile(&g, 0.5),
                                             "p99_us", quantile(&g, 0.99), "p999_us",
                                             quantile(&g, 0.999)));
    }
    return all;
}
