/* server_resource.h: the kinds of resources that have configuration, besides topics: brokers,
 * groups and client-metrics subscriptions.  Their keys, and plans of changes for
 * meta_plan_resource. */
#ifndef SLUICE_SERVER_SERVER_RESOURCE_H
#define SLUICE_SERVER_SERVER_RESOURCE_H

#include "control/meta/meta_resource.h"
#include "control/server/server_core.h"

enum { /* Kafka ConfigResource.Type */
       SERVER_RESOURCE_TOPIC = 2,
       SERVER_RESOURCE_BROKER = 4,
       SERVER_RESOURCE_LOGGER = 8,
       SERVER_RESOURCE_METRICS = 16,
       SERVER_RESOURCE_GROUP = 32,
};

struct server_resource_key {
    uint8_t resource;
    struct meta_config_row row;
    int64_t min, max; /* in force; row.min is the type's */
};
/* Keys of metrics subscriptions and groups, by name within a resource. */
const struct server_resource_key *server_resource_keys(uint32_t *count);

/* Fills plan->key, check and texts for one resource of that type, after judging its name; the
 * settings are the caller's. e->code: KERR_NONE, or why it cannot be altered. */
int16_t server_resource_plan(const struct server_core *core, int8_t type, struct view name,
                             struct meta_resource_plan *plan, struct meta_error *e);

#endif
