/* telemetry_match.h: subscriptions, and which of them a client has.  Private to control/telemetry
 * and its tests. */
#ifndef SLUICE_TELEMETRY_TELEMETRY_MATCH_H
#define SLUICE_TELEMETRY_TELEMETRY_MATCH_H

#include "control/telemetry/telemetry.h"

/* What patterns look at, in the order of the keys' table. */
enum telemetry_attribute {
    TELEMETRY_CLIENT_INSTANCE_ID,
    TELEMETRY_CLIENT_ID,
    TELEMETRY_SOFTWARE_NAME,
    TELEMETRY_SOFTWARE_VERSION,
    TELEMETRY_SOURCE_ADDRESS,
    TELEMETRY_SOURCE_PORT,
    TELEMETRY_ATTRIBUTES,
};

struct telemetry_subscribed;

/* Zeroed but for regex: none. */
struct telemetry_list {
    const struct regex_port *regex;
    struct telemetry_subscribed *items;
    uint32_t count, room;
    struct view *metrics; /* of the last telemetry_match_all */
    uint32_t metric_count, metric_room;
};

void telemetry_match_add(struct telemetry_list *l, const struct telemetry_subscription *s);
void telemetry_match_clear(struct telemetry_list *l);

/* The union of what the matching subscriptions ask for: l->metrics, sorted, "*" alone where one
 * asks for all; returns the shortest interval.  Attributes at NULL match nothing. */
int32_t telemetry_match_all(struct telemetry_list *l,
                            const struct view attributes[TELEMETRY_ATTRIBUTES]);

#endif
