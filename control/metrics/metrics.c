#include "control/metrics/metrics_in.h"

#include "core/shm/hists.h"
#include "core/shm/netview.h"

#include <string.h>

static const struct metrics_row rows[] = {
#define METRIC(name, kind, set, labels, emit, arg, help)                                           \
    {name, METRICS_##kind, METRICS_##set, labels, help, metrics_##emit, (uint32_t)(arg)},
#include "control/metrics/metrics.def"
#undef METRIC
};

const struct metrics_row *
metrics_row(uint32_t i)
{
    return i < sizeof rows / sizeof *rows ? &rows[i] : NULL;
}

const char *
metrics_suffix(const struct metrics_row *row)
{
    /* Samples of histograms have suffixes of their own. */
    return row->kind == METRICS_COUNTER ? "_total" : row->kind == METRICS_INFO ? "_info" : "";
}

/* The family's two lines.  Prometheus' format has no infos, and names counters by their samples. */
static void
head(struct metrics_out *o, const struct metrics_row *row)
{
    static const char *const kinds[] = {"counter", "gauge", "info", "histogram"};
    bool open = o->format == METRICS_OPENMETRICS;
    const char *kind = row->kind == METRICS_INFO && !open ? "gauge" : kinds[row->kind];
    const char *lines[] = {"# HELP ", "# TYPE "};
    for (uint32_t i = 0; i < 2; i++) {
        metrics_text(o, lines[i]);
        metrics_text(o, row->name);
        metrics_text(o, open ? "" : metrics_suffix(row));
        metrics_text(o, " ");
        metrics_text(o, i == 0 ? row->help : kind);
        metrics_text(o, "\n");
    }
}

static bool
told(const struct metrics_row *row, const struct conf *conf, bool internal)
{
    bool partitions = conf_bool(conf, CONF_METRICS_PARTITIONS);
    bool compat = conf_number(conf, CONF_METRICS_COMPAT) != 0;
    switch (row->set) {
    case METRICS_SMALL:
    case METRICS_GROUP:
        return !internal;
    case METRICS_PARTITION:
        return !internal && partitions;
    case METRICS_CLIENT:
        return !internal && conf_bool(conf, CONF_METRICS_CLIENTS);
    case METRICS_COMPAT:
        return !internal && compat;
    case METRICS_COMPAT_PARTITION:
        return !internal && compat && partitions;
    case METRICS_INTERNAL:
        return internal;
    }
    return false;
}

void
metrics_render(struct metrics_out *o, const struct metrics_source *s, bool internal)
{
    for (uint32_t i = 0; i < sizeof rows / sizeof *rows && !o->full; i++) {
        const struct metrics_row *row = &rows[i];
        if (!told(row, s->conf, internal))
            continue;
        size_t before = o->len;
        head(o, row);
        size_t empty = o->len;
        row->emit(o, row, s);
        if (o->len == empty)
            o->len = before; /* no series: no family */
    }
    if (o->format == METRICS_OPENMETRICS)
        metrics_text(o, "# EOF\n");
}

bool
metrics_wants_open(const char *accept)
{
    return strstr(accept, "application/openmetrics-text") != NULL;
}

const char *
metrics_content_type(enum metrics_format format)
{
    return format == METRICS_OPENMETRICS
               ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
               : "text/plain; version=0.0.4; charset=utf-8";
}
