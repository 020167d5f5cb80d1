/* metrics.h: what Sluice tells Prometheus.  metrics.def is the one table: name, kind, set, labels,
 * help, and who writes the samples; the text, docs, dashboards and alert rules are made from it.
 *
 * Pure: everything comes from struct metrics_source; no clock, file or socket.  Text formats:
 * Prometheus 0.0.4 and OpenMetrics 1.0.0.  Base units; counters end in _total; label values are
 * escaped, and bytes that are no UTF-8 are written so that different values stay different. */
#ifndef SLUICE_METRICS_METRICS_H
#define SLUICE_METRICS_METRICS_H

#include "control/census/census.h"
#include "core/conf/conf.h"

#include <stddef.h>

enum { METRICS_BYTES_MAX = 64 << 20 }; /* of one answer */

enum metrics_kind { METRICS_COUNTER, METRICS_GAUGE, METRICS_INFO, METRICS_HISTOGRAM };

/* When a family is told. */
enum metrics_set {
    METRICS_SMALL,            /* always: a fixed number of series */
    METRICS_GROUP,            /* always: a few series a topic or a group */
    METRICS_PARTITION,        /* metrics.partitions */
    METRICS_CLIENT,           /* metrics.clients */
    METRICS_COMPAT,           /* metrics.compat=kafka_exporter */
    METRICS_COMPAT_PARTITION, /* both */
    METRICS_INTERNAL,         /* /metrics/internal only */
};

enum metrics_format { METRICS_PROMETHEUS, METRICS_OPENMETRICS };

/* One process, as the system sees it. */
struct metrics_process {
    bool asked, known; /* asked, but not known: there is no such process */
    uint64_t resident_bytes, cpu_ns;
};

/* A file system that has data directories. */
struct metrics_disk {
    bool known;
    uint64_t free_bytes, total_bytes;
};

struct metrics_source {
    const struct region *region;
    const struct conf *conf;
    const struct census *tables; /* topics and partitions */
    const struct census *groups; /* joined with tables; NULL: control has not told any */
    bool groups_fresh;           /* they were asked for now */
    bool up[REGION_PROCESSES];
    struct metrics_process processes[REGION_PROCESSES];
    struct metrics_disk disks[CONF_DIRS_MAX]; /* by number in log.dirs */
    uint64_t now_ns;                          /* CLOCK_MONOTONIC */
    int64_t now_ms;                           /* wall clock */
};

/* Text under construction: grows up to max bytes; then `full` is set and nothing is added. */
struct metrics_out {
    char *at;
    size_t len, room, max;
    bool full;
    enum metrics_format format;
};

struct metrics_row {
    const char *name; /* without _total, _info */
    enum metrics_kind kind;
    enum metrics_set set;
    const char *labels, *help;
    void (*emit)(struct metrics_out *o, const struct metrics_row *row,
                 const struct metrics_source *s);
    uint32_t arg; /* of emit */
};
/* NULL behind the last one. */
const struct metrics_row *metrics_row(uint32_t i);
/* The name that samples have: with its suffix. */
const char *metrics_suffix(const struct metrics_row *row);

void metrics_open(struct metrics_out *o, enum metrics_format format, size_t max);
void metrics_close(struct metrics_out *o);

/* Text of a client as UTF-8: bytes that are none are replaced as in labels. */
void metrics_text_utf8(struct metrics_out *o, struct view v);

/* Everything of /metrics, or of /metrics/internal.  o->full: more than max bytes. */
void metrics_render(struct metrics_out *o, const struct metrics_source *s, bool internal);

/* True when the client would rather have OpenMetrics (Accept of RFC 9110, as Prometheus sends it).
 */
bool metrics_wants_open(const char *accept);
const char *metrics_content_type(enum metrics_format format);

#endif
