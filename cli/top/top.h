/* top.h: what a broker does now, from two reads of its HTTP endpoint (docs/http.md).  One value of
 * JSON is what programs get and what the screen is drawn from. */
#ifndef SLUICE_CLI_TOP_TOP_H
#define SLUICE_CLI_TOP_TOP_H

#include "cli/command/command.h"
#include "core/base/must.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { TOP_ERROR_BYTES = 256, TOP_HEADER_BYTES = 16 << 10, TOP_BODY_BYTES_MAX = 64 << 20 };
enum { TOP_ROWS_MAX = 10, TOP_LIMIT = 10000 };

/* top.c: sluice top. */
int top_run(const struct command_line *line, FILE *out);

/* top_http.c: GET of a path at "host:port".  NULL with `error` when there is no answer of status
 * 200; else the body with a NUL behind it, freed by the caller. */
char *top_http(const char *address, const char *path, int timeout_ms, size_t *bytes,
               char error[TOP_ERROR_BYTES]);

/* top_sample.c: everything that a view is made of, by name; NULL with `error`. */
json_t *top_sample(const char *address, int timeout_ms, char error[TOP_ERROR_BYTES]);

/* top_latency.c: of each kind of request that was answered between two reads of /v1/histograms:
 * {request, rate, mean_us, p50_us, p99_us, p999_us}; a quantile is the bound of its bucket, at
 * most a fifth above the value.  Pure. */
json_t *top_latency(const json_t *before, const json_t *after);

/* top_view.c: what happened between two samples: {cluster, interval_ms, rates, latency, cores,
 * partitions, groups, drops, errors, processes}.  Rates are a second's; a counter that went back
 * began anew and counts from 0.  Pure. */
json_t *top_view(const json_t *before, const json_t *after);

/* top_text.c: the view as lines of at most `width` columns; at most `height` of them.  Pure. */
void top_text(const json_t *view, int width, int height, FILE *out);

/* top_screen.c: draws the text on the terminal again and again until q or ^C. */
int top_screen(const char *address, int interval_s, int timeout_ms);

#endif
