#include "cli/top/top.h"

#include <stdlib.h>
#include <string.h>

static int64_t
number(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static const char *
text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

/* How much a counter grew, a second. */
static double
rate(int64_t before, int64_t after, double seconds)
{
    int64_t grown = after >= before ? after - before : after;
    return seconds > 0 ? (double)grown / seconds : 0;
}

/* ---- cores ------------------------------------------------------------------------------------
 */

static const json_t *
core_find(const json_t *cores, int64_t core)
{
    for (size_t i = 0; i < json_array_size(cores); i++)
        if (number(json_array_get(cores, i), "core") == core)
            return json_array_get(cores, i);
    return NULL;
}

static const char *const rated[] = {"requests",       "produce_requests", "produce_records",
                                    "produce_bytes",  "fetch_requests",   "fetch_bytes",
                                    "journal_frames", "journal_bytes",    "throttled"};

static json_t *
core_view(const json_t *before, const json_t *after, double seconds)
{
    const json_t *b = json_object_get(before, "counters"), *a = json_object_get(after, "counters");
    json_t *o = json_pack("{s:I}", "core", (json_int_t)number(after, "core"));
    for (size_t i = 0; i < sizeof rated / sizeof rated[0]; i++)
        json_object_set_new(o, rated[i],
                            json_real(rate(number(b, rated[i]), number(a, rated[i]), seconds)));
    /* "turns" are those that did something: a turn counts as one or as the other. */
    double turns = rate(number(b, "turns"), number(a, "turns"), seconds);
    double idle = rate(number(b, "turns_idle"), number(a, "turns_idle"), seconds);
    json_object_set_new(o, "busy_turns", json_real(turns > 0 ? turns / (turns + idle) : 0));
    json_object_set_new(
        o, "connections",
        json_integer(number(a, "connections_opened") - number(a, "connections_closed")));
    return o;
}

static json_t *
cores_view(const json_t *before, const json_t *after, json_t *rates)
{
    json_t *all = json_array();
    double sums[sizeof rated / sizeof rated[0]] = {0};
    int64_t connections = 0;
    for (size_t i = 0; i < json_array_size(after); i++) {
        const json_t *a = json_array_get(after, i);
        const json_t *b = core_find(before, number(a, "core"));
        json_t *o = core_view(b, a, (double)(number(a, "now_ms") - number(b, "now_ms")) / 1000);
        for (size_t k = 0; k < sizeof rated / sizeof rated[0]; k++)
            sums[k] += json_real_value(json_object_get(o, rated[k]));
        connections += number(o, "connections");
        json_array_append_new(all, o);
    }
    for (size_t k = 0; k < sizeof rated / sizeof rated[0]; k++)
        json_object_set_new(rates, rated[k], json_real(sums[k]));
    json_object_set_new(rates, "connections", json_integer(connections));
    return all;
}

/* ---- partitions, groups, drops: the most of each ----------------------------------------------
 */

/* Rows that are kept, the greatest first. */
struct most {
    json_t *rows[TOP_ROWS_MAX];
    double values[TOP_ROWS_MAX];
    uint32_t count;
};

static void
most_take(struct most *m, double value, json_t *row)
{
    uint32_t at = m->count;
    while (at > 0 && m->values[at - 1] < value)
        at--;
    if (value <= 0 || at == TOP_ROWS_MAX) {
        json_decref(row);
        return;
    }
    if (m->count == TOP_ROWS_MAX)
        json_decref(m->rows[--m->count]);
    memmove(&m->rows[at + 1], &m->rows[at], (m->count - at) * sizeof m->rows[0]);
    memmove(&m->values[at + 1], &m->values[at], (m->count - at) * sizeof m->values[0]);
    m->rows[at] = row;
    m->values[at] = value;
    m->count++;
}

static json_t *
most_give(struct most *m)
{
    json_t *all = json_array();
    for (uint32_t i = 0; i < m->count; i++)
        json_array_append_new(all, m->rows[i]);
    return all;
}

/* Position of a partition in the first sample: the two have nearly the same order. */
static const json_t *
partition_find(const json_t *all, const json_t *like, size_t guess)
{
    size_t n = json_array_size(all);
    for (size_t i = 0; i < n; i++) {
        const json_t *p = json_array_get(all, (guess + i) % n);
        if (number(p, "partition") == number(like, "partition") &&
            strcmp(text(p, "topic"), text(like, "topic")) == 0)
            return p;
    }
    return NULL;
}

static json_t *
partitions_view(const json_t *before, const json_t *after, double seconds)
{
    struct most m = {.count = 0};
    for (size_t i = 0; i < json_array_size(after); i++) {
        const json_t *a = json_array_get(after, i);
        const json_t *b = partition_find(before, a, i);
        int64_t end = number(a, "log_end_offset");
        double records = b ? rate(number(b, "log_end_offset"), end, seconds) : 0;
        if (records > 0)
            most_take(&m, records,
                      json_pack("{s:s, s:I, s:I, s:f, s:I}", "topic", text(a, "topic"), "partition",
                                (json_int_t)number(a, "partition"), "core",
                                (json_int_t)number(a, "core"), "records", records, "bytes",
                                (json_int_t)number(a, "bytes")));
    }
    return most_give(&m);
}

static json_t *
groups_view(const json_t *groups)
{
    struct most m = {.count = 0};
    for (size_t i = 0; i < json_array_size(groups); i++) {
        const json_t *g = json_array_get(groups, i);
        if (number(g, "lag") > 0)
            most_take(&m, (double)number(g, "lag"),
                      json_pack("{s:s, s:s, s:I, s:I}", "group", text(g, "group"), "state",
                                text(g, "state"), "members", (json_int_t)number(g, "members"),
                                "lag", (json_int_t)number(g, "lag")));
    }
    return most_give(&m);
}

/* Rows that are told apart by two texts, and what each counts: those that happened, by how often.
 */
static json_t *
counts_view(const json_t *before, const json_t *after, double seconds, const char *const keys[2])
{
    struct most m = {.count = 0};
    for (size_t i = 0; i < json_array_size(after); i++) {
        const json_t *a = json_array_get(after, i), *b = NULL;
        for (size_t k = 0; k < json_array_size(before) && !b; k++) {
            const json_t *o = json_array_get(before, k);
            bool same = strcmp(text(a, keys[0]), text(o, keys[0])) == 0 &&
                        strcmp(text(a, keys[1]), text(o, keys[1])) == 0;
            b = same ? o : NULL;
        }
        int64_t count = number(a, "count");
        if (count > 0)
            most_take(&m, (double)count,
                      json_pack("{s:s, s:s, s:I, s:f}", keys[0], text(a, keys[0]), keys[1],
                                text(a, keys[1]), "count", (json_int_t)count, "rate",
                                rate(number(b, "count"), count, seconds)));
    }
    return most_give(&m);
}

json_t *
top_view(const json_t *before, const json_t *after)
{
    static const char *const of_drops[] = {"reason", "help"}, *const of_errors[] = {"api", "error"};
    const json_t *cluster = json_object_get(after, "cluster");
    int64_t ms = number(cluster, "now_ms") - number(json_object_get(before, "cluster"), "now_ms");
    double seconds = (double)ms / 1000;
    json_t *rates = json_object();
    json_t *cores =
        cores_view(json_object_get(before, "cores"), json_object_get(after, "cores"), rates);
#define BOTH(name) json_object_get(before, name), json_object_get(after, name)
    json_t *view =
        json_pack("{s:O, s:I, s:o, s:o, s:o}", "cluster", cluster, "interval_ms", (json_int_t)ms,
                  "rates", rates, "latency", top_latency(BOTH("histograms")), "cores", cores);
    must(view != NULL);
    json_object_set_new(view, "partitions", partitions_view(BOTH("partitions"), seconds));
    json_object_set_new(view, "groups", groups_view(json_object_get(after, "groups")));
    json_object_set_new(view, "drops", counts_view(BOTH("drops"), seconds, of_drops));
    json_object_set_new(view, "errors", counts_view(BOTH("errors"), seconds, of_errors));
    json_object_set(view, "processes", json_object_get(after, "processes"));
#undef BOTH
    return view;
}
