/* server_configs.c: DescribeConfigs.  Source: Kafka 4.3 ConfigHelper; values and texts of topics
 * are meta_config.c, where defaults come from server_defaults.c. */
#include "control/server/server_defaults.h"
#include "control/server/server_dynamic.h"
#include "control/server/server_resource.h"
#include "core/base/err.h"
#include "core/wire/wire_gen.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct wire_describe_configs_request_describe_configs_resource describe_in;
typedef struct wire_describe_configs_response_describe_configs_result describe_out;
typedef struct wire_describe_configs_response_describe_configs_resource_result entry_out;
typedef struct wire_describe_configs_response_describe_configs_synonym synonym_out;

enum { SYNONYMS_MAX = SERVER_SOURCES_MAX + 1 };

static bool
key_wanted(const describe_in *in, struct view name)
{
    if (in->configuration_keys.count <= 0)
        return true;
    for (int32_t i = 0; i < in->configuration_keys.count; i++)
        if (view_equal(in->configuration_keys.items[i], name))
            return true;
    return false;
}

static void
synonym_add(entry_out *out, struct view name, struct view value, int8_t source)
{
    must(out->synonyms.count < SYNONYMS_MAX);
    out->synonyms.items[out->synonyms.count++] = (synonym_out){name, value, source};
}

static void
synonyms_add(entry_out *out, const struct server_source *sources, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        synonym_add(out, sources[i].name, view_of_text(sources[i].value), sources[i].source);
}

static void
entry_finish(const struct wire_describe_configs_request *request, entry_out *out, const char *help)
{
    out->config_source =
        out->synonyms.count > 0 ? out->synonyms.items[0].source : (int8_t)SERVER_SOURCE_DEFAULT;
    if (!request->include_synonyms)
        out->synonyms.count = 0;
    if (request->include_documentation)
        out->documentation = view_of_text(help);
}

/* Kafka ConfigHelper: of what is sensitive nobody is told the value. */
static void
entry_hide(entry_out *out)
{
    out->is_sensitive = true;
    out->value = (struct view){0};
    for (int32_t i = 0; i < out->synonyms.count; i++)
        out->synonyms.items[i].value = (struct view){0};
}

/* A key that nobody knows may be a secret, and has no documentation. */
static void
entry_hide_unknown(entry_out *out)
{
    entry_hide(out);
    out->documentation = (struct view){0};
}

static bool
entry_of_topic(struct server_core *core, struct server_call *call, const struct meta_topic *t,
               enum meta_config c, entry_out *out)
{
    const struct meta_config_row *row = meta_config_row(c);
    struct view value = server_text(call, meta_config_value(t, &core->rules, c));
    *out = (entry_out){
        .name = view_of_text(row->name), .value = value, .config_type = (int8_t)row->type};
    out->synonyms.items = server_take(call, SYNONYMS_MAX, sizeof *out->synonyms.items);
    if (!value.at || !out->synonyms.items)
        return false;
    if (t->overrides[c])
        synonym_add(out, out->name, value, SERVER_SOURCE_TOPIC);
    struct server_source sources[SERVER_SOURCES_MAX];
    struct view key = server_broker_key(c);
    if (key.len)
        synonyms_add(out, sources, server_sources(core, key, sources));
    entry_finish(call->request, out, row->help);
    return true;
}

/* Lists are text to us; DescribeConfigs calls them what Kafka does. */
static bool
broker_key_is_list(enum conf_key k)
{
    return k == CONF_LISTENERS || k == CONF_ADVERTISED || k == CONF_LOG_DIRS;
}

static int8_t
type_of_broker_key(enum conf_key k)
{
    const struct conf_row *row = conf_row(k);
    enum meta_config c = server_topic_key(view_of_text(row->name));
    if (c != META_CONFIGS)
        return (int8_t)meta_config_row(c)->type;
    if (broker_key_is_list(k))
        return META_TYPE_LIST;
    if (k == CONF_RETENTION_MINUTES)
        return META_TYPE_INT;
    if (k == CONF_CLEANER_RATE)
        return META_TYPE_DOUBLE; /* to Kafka */
    switch (row->type) {
    case CONF_INT:
        return row->max > INT32_MAX ? META_TYPE_LONG : META_TYPE_INT;
    case CONF_BOOL:
        return META_TYPE_BOOLEAN;
    case CONF_PASSWORD:
        return META_TYPE_PASSWORD;
    case CONF_TEXT:
    case CONF_ENUM:
        break;
    }
    return META_TYPE_STRING;
}

/* A key of the broker `text` with what it is without a source: null for Kafka. */
static bool
entry_of_broker(struct server_core *core, struct server_call *call, struct view name, int8_t type,
                const char *help, entry_out *out)
{
    struct server_source sources[SERVER_SOURCES_MAX];
    uint32_t count = server_sources(core, name, sources);
    *out = (entry_out){.name = name,
                       .value = count ? view_of_text(sources[0].value) : (struct view){0},
                       .read_only = !server_key_dynamic(core, name),
                       .config_type = type};
    out->synonyms.items = server_take(call, SYNONYMS_MAX, sizeof *out->synonyms.items);
    if (!out->synonyms.items)
        return false;
    synonyms_add(out, sources, count);
    entry_finish(call->request, out, help);
    if (type == META_TYPE_PASSWORD)
        entry_hide(out);
    return true;
}

/* False: the arena is full. */
static bool
describe_topic(struct server_core *core, struct server_call *call, const describe_in *in,
               describe_out *out, struct meta_error *e)
{
    if (meta_name_check(in->resource_name, e) != KERR_NONE)
        return true;
    const struct meta_topic *t = meta_topic_by_name(&core->image, in->resource_name);
    if (!t) {
        (void)meta_error_set(e, KERR_UNKNOWN_TOPIC_OR_PARTITION, "%s", "");
        return true;
    }
    out->configs.items = server_take(call, META_CONFIGS, sizeof *out->configs.items);
    if (!out->configs.items)
        return false;
    for (uint32_t c = 0; c < META_CONFIGS; c++)
        if (key_wanted(in, view_of_text(meta_config_row((enum meta_config)c)->name)) &&
            !entry_of_topic(core, call, t, (enum meta_config)c,
                            &out->configs.items[out->configs.count++]))
            return false;
    return true;
}

static const struct meta_config_row *
row_of_broker(const struct server_core *core, struct view name)
{
    enum meta_config c = server_topic_key(name);
    return c == META_CONFIGS ? server_dynamic_row(core, name) : meta_config_row(c);
}

static bool
entry_unknown(struct server_core *core, struct server_call *call, struct view name, entry_out *out)
{
    if (!entry_of_broker(core, call, name, 0, "", out))
        return false;
    entry_hide_unknown(out);
    return true;
}

/* The keys that were set for all brokers. */
static bool
describe_brokers(struct server_core *core, struct server_call *call, const describe_in *in,
                 describe_out *out)
{
    const struct meta_resource *r =
        meta_resource_find(&core->image, META_RESOURCE_BROKER, view_of("", 0));
    out->configs.items = server_take(call, r ? r->count : 0, sizeof *out->configs.items);
    if (!out->configs.items)
        return false;
    for (uint32_t i = 0; r && i < r->count; i++) {
        struct view name = view_of_text(r->settings[i].key);
        const struct meta_config_row *row = row_of_broker(core, name);
        if (!key_wanted(in, name))
            continue;
        entry_out *e = &out->configs.items[out->configs.count++];
        *e = (entry_out){.name = name,
                         .value = view_of_text(r->settings[i].value),
                         .read_only = !row,
                         .config_type = row ? (int8_t)row->type : 0};
        e->synonyms.items = server_take(call, SYNONYMS_MAX, sizeof *e->synonyms.items);
        if (!e->synonyms.items)
            return false;
        synonym_add(e, name, e->value, SERVER_SOURCE_BROKERS);
        entry_finish(call->request, e, row ? row->help : "");
        if (!row)
            entry_hide_unknown(e);
    }
    return true;
}

/* Keys that were set for this broker or for all and that nobody knows; behind the others. */
static bool
describe_unknown(struct server_core *core, struct server_call *call, const describe_in *in,
                 describe_out *out)
{
    char self[16];
    struct view names[] = {server_broker_name(core, self), view_of("", 0)};
    for (uint32_t k = 0; k < 2; k++) {
        const struct meta_resource *r =
            meta_resource_find(&core->image, META_RESOURCE_BROKER, names[k]);
        for (uint32_t i = 0; r && i < r->count; i++) {
            struct view key = view_of_text(r->settings[i].key);
            bool twice = k == 1 && meta_resource_value(&core->image, META_RESOURCE_BROKER, names[0],
                                                       r->settings[i].key);
            if (twice || row_of_broker(core, key) || !key_wanted(in, key))
                continue;
            if (!entry_unknown(core, call, key, &out->configs.items[out->configs.count++]))
                return false;
        }
    }
    return true;
}

/* Keys of the configuration, then the defaults of topics that it does not have. */
static bool
describe_this_broker(struct server_core *core, struct server_call *call, const describe_in *in,
                     describe_out *out)
{
    out->configs.items =
        server_take(call, CONF_KEYS + META_CONFIGS + 2 * META_RESOURCE_SETTINGS_MAX,
                    sizeof *out->configs.items);
    if (!out->configs.items)
        return false;
    for (uint32_t k = 0; k < CONF_KEYS; k++) {
        const struct conf_row *row = conf_row((enum conf_key)k);
        if (key_wanted(in, view_of_text(row->name)) &&
            !entry_of_broker(core, call, view_of_text(row->name),
                             type_of_broker_key((enum conf_key)k), row->help,
                             &out->configs.items[out->configs.count++]))
            return false;
    }
    for (uint32_t c = 0; c < META_CONFIGS; c++) {
        struct view key = server_broker_key((enum meta_config)c);
        const struct meta_config_row *row = meta_config_row((enum meta_config)c);
        if (key.len && !server_key_static(key) && key_wanted(in, key) &&
            !entry_of_broker(core, call, key, (int8_t)row->type, row->help,
                             &out->configs.items[out->configs.count++]))
            return false;
    }
    return describe_unknown(core, call, in, out);
}

static bool
describe_broker(struct server_core *core, struct server_call *call, const describe_in *in,
                describe_out *out, struct meta_error *e)
{
    char self[16], text[24];
    int shown = (int)(in->resource_name.len < 64 ? in->resource_name.len : 64);
    if (in->resource_name.len == 0)
        return describe_brokers(core, call, in, out);
    if (view_equal(in->resource_name, server_broker_name(core, self)))
        return describe_this_broker(core, call, in, out);
    (void)snprintf(text, sizeof text, "%.*s", shown, (const char *)in->resource_name.at);
    char *end;
    (void)strtol(text, &end, 10);
    if (*end || end == text)
        (void)meta_error_set(e, KERR_INVALID_REQUEST,
                             "Broker id must be an integer, but it is: %.*s", shown,
                             (const char *)in->resource_name.at);
    else
        (void)meta_error_set(e, KERR_INVALID_REQUEST,
                             "Unexpected broker id, expected %d or empty string, but received %.*s",
                             core->rules.node_id, shown, (const char *)in->resource_name.at);
    return true;
}

/* ---- Groups and client-metrics subscriptions ---- */

static bool
entry_of_resource(struct server_core *core, struct server_call *call, const describe_in *in,
                  const struct server_resource_key *key, entry_out *out)
{
    const struct meta_config_row *row = &key->row;
    struct server_source sources[SERVER_SOURCES_MAX];
    bool group = in->resource_type == SERVER_RESOURCE_GROUP;
    uint32_t count = group ? server_sources(core, view_of_text(row->synonyms), sources) : 0;
    const char *kept = meta_resource_value(&core->image, (enum meta_resource_type)in->resource_type,
                                           in->resource_name, row->name);
    const char *otherwise = count ? sources[0].value : row->fallback;
    *out = (entry_out){.name = view_of_text(row->name),
                       .value = view_of_text(kept ? kept : otherwise),
                       .config_type = (int8_t)row->type};
    out->synonyms.items = server_take(call, SYNONYMS_MAX, sizeof *out->synonyms.items);
    if (!out->synonyms.items)
        return false;
    if (kept)
        synonym_add(out, out->name, out->value,
                    group ? SERVER_SOURCE_GROUP : SERVER_SOURCE_METRICS);
    synonyms_add(out, sources, count);
    entry_finish(call->request, out, row->help);
    return true;
}

static bool
describe_resource(struct server_core *core, struct server_call *call, const describe_in *in,
                  describe_out *out, struct meta_error *e)
{
    uint32_t count;
    const struct server_resource_key *keys = server_resource_keys(&count);
    if (in->resource_name.len == 0) {
        (void)meta_error_set(
            e, KERR_INVALID_REQUEST, "%s name must not be empty",
            in->resource_type == SERVER_RESOURCE_GROUP ? "Group" : "Client metrics subscription");
        return true;
    }
    out->configs.items = server_take(call, count, sizeof *out->configs.items);
    if (!out->configs.items)
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (keys[i].resource == in->resource_type &&
            key_wanted(in, view_of_text(keys[i].row.name)) &&
            !entry_of_resource(core, call, in, &keys[i], &out->configs.items[out->configs.count++]))
            return false;
    return true;
}

int
server_describe_configs(struct server_core *core, struct server_call *call)
{
    const struct wire_describe_configs_request *request = call->request;
    uint32_t count = (uint32_t)request->resources.count;
    struct wire_describe_configs_response *response = server_take(call, 1, sizeof *response);
    describe_out *rows = server_take(call, count, sizeof *rows);
    if (!response || !rows)
        return ERR_LIMIT;
    for (uint32_t i = 0; i < count; i++) {
        const describe_in *in = &request->resources.items[i];
        struct meta_error e = {0};
        bool room = true;
        rows[i] =
            (describe_out){.resource_type = in->resource_type, .resource_name = in->resource_name};
        if (in->resource_type == SERVER_RESOURCE_TOPIC)
            room = describe_topic(core, call, in, &rows[i], &e);
        else if (in->resource_type == SERVER_RESOURCE_BROKER)
            room = describe_broker(core, call, in, &rows[i], &e);
        else if (in->resource_type == SERVER_RESOURCE_GROUP ||
                 in->resource_type == SERVER_RESOURCE_METRICS)
            room = describe_resource(core, call, in, &rows[i], &e);
        else
            (void)meta_error_set(&e, KERR_INVALID_REQUEST, "%s",
                                 kerr_message(KERR_INVALID_REQUEST));
        if (!room)
            return ERR_LIMIT;
        rows[i].error_code = e.code;
        rows[i].error_message = e.text[0] ? server_error_text(call, &e) : view_of("", 0);
    }
    response->results.items = rows;
    response->results.count = (int32_t)count;
    call->response = response;
    return ERR_OK;
}
