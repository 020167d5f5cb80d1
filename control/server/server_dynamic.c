#include "control/server/server_dynamic.h"
#include "control/meta/meta_resource.h"
#include "control/server/server_defaults.h"
#include "core/net/ipcounts.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
    enum conf_key key;
    uint8_t type;
} dynamic_keys[SERVER_DYNAMIC_KEYS] = {
    {CONF_CONSUMER_ASSIGNMENT_MS, META_TYPE_INT}, {CONF_PRODUCER_EXPIRY_MS, META_TYPE_INT},
    {CONF_TXN_VERIFY, META_TYPE_BOOLEAN},         {CONF_MAX_CONNECTIONS, META_TYPE_INT},
    {CONF_CLEANER_BACKOFF, META_TYPE_LONG},       {CONF_CLEANER_RATE, META_TYPE_LONG},
    {CONF_CONNECTIONS_PER_IP, META_TYPE_INT},     {CONF_CONNECTIONS_OVERRIDES, META_TYPE_STRING},
    {CONF_CONNECTION_RATE, META_TYPE_INT},        {CONF_LISTENER_CONNECTIONS, META_TYPE_INT},
    {CONF_LISTENER_RATE, META_TYPE_INT},
};

static const char *const fixed_names[] = {
#define FIXED(name) name,
#include "control/server/broker_fixed.def"
#undef FIXED
};

void
server_dynamic_init(struct server_core *core)
{
    for (uint32_t i = 0; i < SERVER_DYNAMIC_KEYS; i++) {
        const struct conf_row *row = conf_row(dynamic_keys[i].key);
        core->dynamic_rows[i] = (struct meta_config_row){.name = row->name,
                                                         .type = dynamic_keys[i].type,
                                                         .fallback = row->fallback,
                                                         .min = row->min,
                                                         .max = row->max,
                                                         .choices = "",
                                                         .synonyms = "",
                                                         .why_fixed = "",
                                                         .help = row->help};
        /* Memory is taken at the start. */
        if (dynamic_keys[i].key == CONF_MAX_CONNECTIONS)
            core->dynamic_rows[i].max = conf_number(core->conf, CONF_MAX_CONNECTIONS);
    }
}

const struct meta_config_row *
server_dynamic_row(const struct server_core *core, struct view name)
{
    for (uint32_t i = 0; i < SERVER_DYNAMIC_KEYS; i++)
        if (view_equal(name, view_of_text(core->dynamic_rows[i].name)))
            return &core->dynamic_rows[i];
    return NULL;
}

static bool
fixed_in_kafka(struct view name)
{
    for (uint32_t i = 0; i < sizeof fixed_names / sizeof fixed_names[0]; i++)
        if (view_equal(name, view_of_text(fixed_names[i])))
            return true;
    return false;
}

bool
server_dynamic_fixed(const struct server_core *core, struct view name)
{
    if (server_topic_key(name) != META_CONFIGS || server_dynamic_row(core, name))
        return false;
    return server_key_static(name) || fixed_in_kafka(name);
}

static bool
starts_with_one(struct view name, const char *const *starts, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct view start = view_of_text(starts[i]);
        if (name.len >= start.len && view_equal(view_of(name.at, start.len), start))
            return true;
    }
    return false;
}

bool
server_dynamic_single(const struct server_core *core, struct view name)
{
    static const char *const starts[] = {"listener.", "principal.builder.class", "sasl.", "ssl."};
    (void)core;
    return starts_with_one(name, starts, sizeof starts / sizeof starts[0]);
}

bool
server_dynamic_store(const struct server_core *core, struct view name)
{
    static const char *const starts[] = {"ssl.key.", "ssl.keystore.", "ssl.truststore."};
    (void)core;
    return starts_with_one(name, starts, sizeof starts / sizeof starts[0]);
}

/* Kafka KafkaConfig.validateValues. */
static int16_t
connections_check(const struct server_core *core, const struct meta_config_row *row,
                  const char *value, struct meta_error *e)
{
    const char *per_ip = conf_row(CONF_CONNECTIONS_PER_IP)->name,
               *overrides = conf_row(CONF_CONNECTIONS_OVERRIDES)->name;
    if (strcmp(row->name, overrides) == 0 && !ipcounts_valid(value))
        return meta_error_set(e, KERR_INVALID_CONFIG, "%s must be a list of address:count: %.200s",
                              overrides, value);
    if (strcmp(row->name, per_ip) != 0 || strtoll(value, NULL, 10) != 0)
        return KERR_NONE;
    const char *set = server_dynamic_value(&core->image, core->rules.node_id, overrides);
    if ((set ? set : conf_text(core->conf, CONF_CONNECTIONS_OVERRIDES))[0] != '\0')
        return KERR_NONE;
    return meta_error_set(e, KERR_INVALID_CONFIG,
                          "%s can be set to zero only if %s property is set.", per_ip, overrides);
}

int16_t
server_dynamic_check(const struct server_core *core, const struct meta_config_row *row,
                     const char *value, struct meta_error *e)
{
    if (strcmp(row->name, conf_row(CONF_CONSUMER_ASSIGNMENT_MS)->name) != 0)
        return connections_check(core, row, value, e);
    int64_t v = strtoll(value, NULL, 10);
    bool low = v < conf_number(core->conf, CONF_CONSUMER_ASSIGNMENT_MIN_MS);
    if (!low && v <= conf_number(core->conf, CONF_CONSUMER_ASSIGNMENT_MAX_MS))
        return KERR_NONE;
    return meta_error_set(
        e, KERR_INVALID_CONFIG, "%s must be %s than or equal to %s", row->name,
        low ? "greater" : "less",
        conf_row(low ? CONF_CONSUMER_ASSIGNMENT_MIN_MS : CONF_CONSUMER_ASSIGNMENT_MAX_MS)->name);
}

const char *
server_dynamic_value(const struct meta_image *m, int32_t node_id, const char *name)
{
    char self[16];
    (void)snprintf(self, sizeof self, "%d", node_id);
    const char *v = meta_resource_value(m, META_RESOURCE_BROKER, view_of_text(self), name);
    return v ? v : meta_resource_value(m, META_RESOURCE_BROKER, view_of("", 0), name);
}
