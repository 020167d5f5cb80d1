#include "cli/top/top.h"

#include "cli/command/sheet.h"

#include <stdlib.h>
#include <string.h>

static double
real(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static const char *
text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "-";
}

/* "12.3k": three digits and a unit. */
static const char *
short_number(double v, char out[16])
{
    static const char units[] = " kMGT";
    size_t u = 0;
    for (; v >= 1000 && u + 2 < sizeof units; u++)
        v /= 1000;
    snprintf(out, 16, u ? "%.1f%c" : v < 10 && v > 0 ? "%.1f" : "%.0f", v, units[u]);
    return out;
}

static void
head_print(const json_t *view, FILE *out)
{
    const json_t *c = json_object_get(view, "cluster"), *r = json_object_get(view, "rates");
    char a[16], b[16], d[16], e[16], bytes[SHEET_CELL_BYTES];
    sheet_bytes(json_integer_value(json_object_get(c, "bytes")), bytes);
    fprintf(out, "sluice top  node %lld  %s  dataplane %s\n",
            (long long)json_integer_value(json_object_get(c, "node_id")), text(c, "cluster_id"),
            json_is_true(json_object_get(c, "dataplane_up")) ? "up" : "DOWN");
    fprintf(out, "%lld topics  %lld partitions (%lld offline)  %s  %lld connections\n",
            (long long)json_integer_value(json_object_get(c, "topics")),
            (long long)json_integer_value(json_object_get(c, "partitions")),
            (long long)json_integer_value(json_object_get(c, "offline")), bytes,
            (long long)json_integer_value(json_object_get(r, "connections")));
    fprintf(out, "in %sB/s %s records/s   out %sB/s   %s requests/s\n",
            short_number(real(r, "produce_bytes"), a), short_number(real(r, "produce_records"), b),
            short_number(real(r, "fetch_bytes"), d), short_number(real(r, "requests"), e));
}

/* "0.32" below ten, "12.3", "1234". */
static const char *
ms_text(double us, char out[16])
{
    double ms = us / 1000;
    snprintf(out, 16, ms < 10 ? "%.2f" : ms < 1000 ? "%.1f" : "%.0f", ms);
    return out;
}

static void
latency_print(const json_t *view, FILE *out)
{
    const json_t *all = json_object_get(view, "latency");
    char a[16], b[16], d[16], e[16];
    if (json_array_size(all))
        fprintf(out, "\n%-15s %12s %10s %10s %10s\n", "LATENCY, MS", "REQUESTS/S", "P50", "P99",
                "P99.9");
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *o = json_array_get(all, i);
        fprintf(out, "%-15.15s %12s %10s %10s %10s\n", text(o, "request"),
                short_number(real(o, "rate"), a), ms_text(real(o, "p50_us"), b),
                ms_text(real(o, "p99_us"), d), ms_text(real(o, "p999_us"), e));
    }
}

static void
cores_print(const json_t *view, FILE *out)
{
    const json_t *all = json_object_get(view, "cores");
    fprintf(out, "\n%-8s %6s %12s %10s %10s %10s %6s\n", "CORE", "BUSY", "REQUESTS/S", "IN B/S",
            "OUT B/S", "FRAMES/S", "CONN");
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *o = json_array_get(all, i);
        char core[24] = "control", a[16], b[16], d[16], e[16];
        int64_t n = json_integer_value(json_object_get(o, "core"));
        if (n >= 0)
            snprintf(core, sizeof core, "%lld", (long long)n);
        fprintf(out, "%-8s %5.0f%% %12s %10s %10s %10s %6lld\n", core, real(o, "busy_turns") * 100,
                short_number(real(o, "requests"), a), short_number(real(o, "produce_bytes"), b),
                short_number(real(o, "fetch_bytes"), d), short_number(real(o, "journal_frames"), e),
                (long long)json_integer_value(json_object_get(o, "connections")));
    }
}

static void
lists_print(const json_t *view, FILE *out)
{
    const json_t *all = json_object_get(view, "partitions");
    char a[16];
    if (json_array_size(all))
        fprintf(out, "\n%-40s %10s %6s %12s\n", "HOTTEST PARTITIONS", "RECORDS/S", "CORE", "BYTES");
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *o = json_array_get(all, i);
        fprintf(out, "%-34.34s %5lld %10s %6lld %12lld\n", text(o, "topic"),
                (long long)json_integer_value(json_object_get(o, "partition")),
                short_number(real(o, "records"), a),
                (long long)json_integer_value(json_object_get(o, "core")),
                (long long)json_integer_value(json_object_get(o, "bytes")));
    }
    all = json_object_get(view, "groups");
    if (json_array_size(all))
        fprintf(out, "\n%-40s %-18s %8s %12s\n", "GROUPS THAT LAG", "STATE", "MEMBERS", "LAG");
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *o = json_array_get(all, i);
        fprintf(out, "%-40.40s %-18.18s %8lld %12lld\n", text(o, "group"), text(o, "state"),
                (long long)json_integer_value(json_object_get(o, "members")),
                (long long)json_integer_value(json_object_get(o, "lag")));
    }
}

static void
counts_print(const json_t *view, FILE *out)
{
    const json_t *all = json_object_get(view, "drops");
    char a[16];
    if (json_array_size(all))
        fprintf(out, "\n%-40s %10s %12s\n", "DROPS", "PER S", "SINCE START");
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *o = json_array_get(all, i);
        fprintf(out, "%-40.40s %10s %12lld\n", text(o, "reason"), short_number(real(o, "rate"), a),
                (long long)json_integer_value(json_object_get(o, "count")));
    }
    all = json_object_get(view, "errors");
    if (json_array_size(all))
        fprintf(out, "\n%-22s %-36s %10s %12s\n", "ERRORS IN ANSWERS", "ERROR", "PER S",
                "SINCE START");
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *o = json_array_get(all, i);
        fprintf(out, "%-22.22s %-36.36s %10s %12lld\n", text(o, "api"), text(o, "error"),
                short_number(real(o, "rate"), a),
                (long long)json_integer_value(json_object_get(o, "count")));
    }
}

void
top_text(const json_t *view, int width, int height, FILE *out)
{
    char *whole = NULL;
    size_t bytes;
    FILE *memory = open_memstream(&whole, &bytes);
    must(memory != NULL);
    head_print(view, memory);
    latency_print(view, memory);
    cores_print(view, memory);
    lists_print(view, memory);
    counts_print(view, memory);
    fclose(memory);
    for (char *line = whole; *line && height-- > 0;) {
        int n = (int)strcspn(line, "\n");
        for (int i = 0; i < n; i++) /* names of peers: nothing of them drives a terminal */
            if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
                line[i] = '?';
        fprintf(out, "%.*s\n", n < width ? n : width, line);
        line += n + (line[n] == '\n');
    }
    free(whole);
}
