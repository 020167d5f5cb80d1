/* telemetry_otlp.h: reads OTLP metrics as clients push them.  Pure: bytes in, points out; nothing
 * is allocated, and time is linear in the bytes.  Private to control/telemetry and its tests. */
#ifndef SLUICE_TELEMETRY_TELEMETRY_OTLP_H
#define SLUICE_TELEMETRY_TELEMETRY_OTLP_H

#include "core/base/bytes.h"
#include "core/base/must.h"

enum { TELEMETRY_LABELS_MAX = 32 }; /* attributes of one message; more are left out */

/* One NumberDataPoint of a gauge or a sum. */
struct telemetry_point {
    struct view resource; /* the Resource message that it belongs to */
    struct view name;
    struct view point; /* the NumberDataPoint message */
    bool sum, delta, monotonic;
    double value;
};

struct telemetry_walk {
    /* False ends the walk. */
    bool (*each)(void *user, const struct telemetry_point *point);
    void *user;
    uint32_t unkept; /* metrics of other kinds, which are left out */
};

/* Walks a MetricsData message.  ERR_CORRUPT: it is not one; points before that were given. */
must_check int telemetry_otlp_walk(struct view data, struct telemetry_walk *w);

/* Writes the attributes (field 1 of a Resource, 7 of a NumberDataPoint) of a message as labels of
 * telemetry.h.  Arrays, maps and bytes are left out, as are attributes without a key.
 * ERR_CORRUPT: malformed, not UTF-8, or with a NUL; ERR_FULL: no room. */
must_check int telemetry_otlp_labels(struct view message, uint32_t field, struct put *out);
enum { TELEMETRY_OTLP_RESOURCE = 1, TELEMETRY_OTLP_POINT = 7 };

/* True for well-formed UTF-8 (RFC 3629) without NUL. */
bool telemetry_otlp_text(struct view v);

#endif
