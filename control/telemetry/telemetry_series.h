/* telemetry_series.h: the newest values that one client pushed, by name and labels.  Private to
 * control/telemetry and its tests. */
#ifndef SLUICE_TELEMETRY_TELEMETRY_SERIES_H
#define SLUICE_TELEMETRY_TELEMETRY_SERIES_H

#include "control/telemetry/telemetry_otlp.h"

struct telemetry_one {
    uint32_t hash, next; /* next: in its bucket, place + 1 */
    uint32_t push;       /* the last one that had it */
    bool sum, monotonic;
    double value;
    uint32_t name_bytes, label_bytes;
    uint8_t text[]; /* name, labels */
};

/* Zeroed: empty. */
struct telemetry_series {
    struct telemetry_one **items;
    uint32_t *buckets; /* bucket_count, a power of two; place + 1 of the first, 0: none */
    uint32_t bucket_count, count, room;
    uint64_t bytes; /* that it occupies */
};

/* Takes a point of push number `push`.  A delta is added to what is there, everything else replaces
 * it.  Where TELEMETRY_SERIES_MAX are there, one that the push before did not have makes room.
 * ERR_LIMIT: no room, or over TELEMETRY_SERIES_BYTES_MAX; ERR_CORRUPT: attributes. */
must_check int telemetry_series_take(struct telemetry_series *s, const struct telemetry_point *p,
                                     uint32_t push);
void telemetry_series_free(struct telemetry_series *s);

#endif
