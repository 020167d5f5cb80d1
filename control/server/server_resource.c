#include "control/server/server_resource.h"
#include "control/server/server_defaults.h"
#include "control/server/server_dynamic.h"
#include "control/telemetry/telemetry.h"

#include <stdio.h>
#include <stdlib.h>

enum { SHOWN_MAX = 200 };

static const struct server_resource_key resource_keys[] = {
#define KEY(resource, name, type, fallback, least, min, max, synonym, help)                        \
    {SERVER_RESOURCE_##resource,                                                                   \
     {name, META_TYPE_##type, fallback, least, INT32_MAX, "", synonym, "", help},                  \
     min,                                                                                          \
     max},
#include "control/server/resource_config.def"
#undef KEY
};

const struct server_resource_key *
server_resource_keys(uint32_t *count)
{
    *count = sizeof resource_keys / sizeof resource_keys[0];
    return resource_keys;
}

static const struct server_resource_key *
key_find(uint8_t resource, struct view name)
{
    for (uint32_t i = 0; i < sizeof resource_keys / sizeof resource_keys[0]; i++)
        if (resource_keys[i].resource == resource &&
            view_equal(name, view_of_text(resource_keys[i].row.name)))
            return &resource_keys[i];
    return NULL;
}

static const struct meta_config_row *
metrics_key(const void *user, struct view name)
{
    (void)user;
    const struct server_resource_key *k = key_find(SERVER_RESOURCE_METRICS, name);
    return k ? &k->row : NULL;
}

static const struct meta_config_row *
group_key(const void *user, struct view name)
{
    (void)user;
    const struct server_resource_key *k = key_find(SERVER_RESOURCE_GROUP, name);
    return k ? &k->row : NULL;
}

/* ---- Subscriptions and groups ---- */

static int16_t
metrics_check(const void *user, const struct meta_config_row *row, const char *value,
              struct meta_error *e)
{
    const struct server_resource_key *k =
        key_find(SERVER_RESOURCE_METRICS, view_of_text(row->name));
    const struct server_core *core = user;
    struct view wrong;
    if (row->type == META_TYPE_INT) {
        int64_t v = strtoll(value, NULL, 10);
        if (v < k->min || v > k->max)
            return meta_error_set(e, KERR_INVALID_REQUEST,
                                  "Invalid value %s for %s, interval must be between 100 and "
                                  "3600000 (1 hour)",
                                  value, row->name);
    }
    if (strcmp(row->name, "match") == 0 &&
        !telemetry_match_valid(core->regex, view_of_text(value), &wrong))
        return meta_error_set(e, KERR_INVALID_CONFIG, "Illegal client matching pattern: %.*s",
                              (int)(wrong.len < SHOWN_MAX ? wrong.len : SHOWN_MAX),
                              (const char *)wrong.at);
    return KERR_NONE;
}

/* "consumer.x" is bounded by group.consumer.min.x and .max.x. */
static int16_t
group_check(const void *user, const struct meta_config_row *row, const char *value,
            struct meta_error *e)
{
    static const struct {
        const char *name;
        enum conf_key least, most;
    } spans[] = {
        {"consumer.assignment.interval.ms", CONF_CONSUMER_ASSIGNMENT_MIN_MS,
         CONF_CONSUMER_ASSIGNMENT_MAX_MS},
        {"consumer.heartbeat.interval.ms", CONF_CONSUMER_HEARTBEAT_MIN_MS,
         CONF_CONSUMER_HEARTBEAT_MAX_MS},
        {"consumer.session.timeout.ms", CONF_CONSUMER_SESSION_MIN_MS, CONF_CONSUMER_SESSION_MAX_MS},
    };
    const struct server_core *core = user;
    int64_t v = strtoll(value, NULL, 10);
    for (uint32_t i = 0; i < sizeof spans / sizeof spans[0]; i++) {
        if (strcmp(row->name, spans[i].name) != 0)
            continue;
        bool low = v < conf_number(core->conf, spans[i].least);
        if (!low && v <= conf_number(core->conf, spans[i].most))
            return KERR_NONE;
        return meta_error_set(e, KERR_INVALID_CONFIG, "%s must be %s than or equal to %s",
                              row->name, low ? "greater" : "less",
                              conf_row(low ? spans[i].least : spans[i].most)->name);
    }
    return KERR_NONE;
}

/* ---- Brokers ---- */

static const struct meta_config_row *
broker_key(const void *user, struct view name)
{
    const struct server_core *core = user;
    enum meta_config c = server_topic_key(name);
    return c == META_CONFIGS ? server_dynamic_row(core, name) : &core->broker_rows[c];
}

static const char *
broker_in_force(const void *user, const struct meta_config_row *row)
{
    enum meta_config c = server_topic_key(view_of_text(row->name));
    const char *v = c == META_CONFIGS ? NULL : server_default_of(user, c);
    return v ? v : row->fallback;
}

static int16_t
broker_check(const void *user, const struct meta_config_row *row, const char *value,
             struct meta_error *e)
{
    return server_dynamic_check(user, row, value, e);
}

static int16_t
broker_name_check(const struct server_core *core, struct view name, struct meta_error *e)
{
    char self[16], text[24];
    int n = (int)(name.len < SHOWN_MAX ? name.len : SHOWN_MAX);
    char *end = text;
    if (name.len == 0 || view_equal(name, server_broker_name(core, self)))
        return KERR_NONE;
    (void)snprintf(text, sizeof text, "%.*s", n, (const char *)name.at);
    (void)strtol(text, &end, 10);
    if (*end || end == text)
        return meta_error_set(e, KERR_INVALID_REQUEST,
                              "Node id must be an integer, but it is: %.*s", n,
                              (const char *)name.at);
    return meta_error_set(e, KERR_INVALID_REQUEST,
                          "Unexpected broker id, expected %d, but received %.*s",
                          core->rules.node_id, n, (const char *)name.at);
}

/* ---- All of them ---- */

int16_t
server_resource_plan(const struct server_core *core, int8_t type, struct view name,
                     struct meta_resource_plan *plan, struct meta_error *e)
{
    *plan = (struct meta_resource_plan){.type = (enum meta_resource_type)type,
                                        .name = name,
                                        .user = core,
                                        .unknown_code = KERR_INVALID_CONFIG};
    switch (type) {
    case SERVER_RESOURCE_BROKER:
        plan->key = broker_key;
        plan->in_force = broker_in_force;
        plan->check = broker_check;
        plan->lists = true;
        plan->open = true;
        plan->value_code = KERR_INVALID_REQUEST; /* Kafka: whatever is wrong with a value */
        return broker_name_check(core, name, e);
    case SERVER_RESOURCE_METRICS:
        plan->key = metrics_key;
        plan->check = metrics_check;
        plan->unknown = "Unknown client metrics configuration: ";
        plan->unknown_code = KERR_INVALID_REQUEST;
        return name.len
                   ? KERR_NONE
                   : meta_error_set(e, KERR_INVALID_REQUEST, "Subscription name can't be empty");
    case SERVER_RESOURCE_GROUP:
        plan->key = group_key;
        plan->check = group_check;
        plan->unknown = "Unknown group config name: ";
        return name.len ? KERR_NONE
                        : meta_error_set(e, KERR_INVALID_REQUEST,
                                         "Default group resources are not allowed.");
    default:
        return meta_error_set(e, KERR_INVALID_REQUEST, "Unknown resource type %d", type);
    }
}
