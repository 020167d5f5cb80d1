/* server_configs.c: DescribeConfigs and IncrementalAlterConfigs.  Source: Kafka 4.3 ConfigHelper,
 * ConfigAdminManager, ConfigurationControlManager; values and texts of topics are meta_config.c. */
#include "control/server/server_core.h"
#include "core/base/err.h"
#include "core/wire/wire_gen.h"

#include <stdio.h>
#include <stdlib.h>

typedef struct wire_describe_configs_request_describe_configs_resource describe_in;
typedef struct wire_describe_configs_response_describe_configs_result describe_out;
typedef struct wire_describe_configs_response_describe_configs_resource_result entry_out;
typedef struct wire_describe_configs_response_describe_configs_synonym synonym_out;
typedef struct wire_incremental_alter_configs_request_alter_configs_resource alter_in;
typedef struct wire_incremental_alter_configs_response_alter_configs_resource_response alter_out;

enum { RESOURCE_TOPIC = 2, RESOURCE_BROKER = 4, SYNONYMS_MAX = 3 };
enum { SOURCE_TOPIC = 1, SOURCE_BROKER = 4, SOURCE_DEFAULT = 5 };

/* ---- DescribeConfigs ---- */

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
synonym_add(entry_out *out, const char *name, struct view value, int8_t source)
{
    must(out->synonyms.count < SYNONYMS_MAX);
    out->synonyms.items[out->synonyms.count++] = (synonym_out){view_of_text(name), value, source};
}

/* The broker's key and its built-in default, as far as they are set. */
static void
synonyms_of_broker(const struct server_core *core, enum conf_key k, const char *name,
                   entry_out *out)
{
    if (server_key_given(core, k))
        synonym_add(out, name, view_of_text(core->conf->values[k].text), SOURCE_BROKER);
    synonym_add(out, name, view_of_text(conf_row(k)->fallback), SOURCE_DEFAULT);
}

static void
entry_finish(const struct wire_describe_configs_request *request, entry_out *out, const char *help)
{
    out->config_source =
        out->synonyms.count > 0 ? out->synonyms.items[0].source : (int8_t)SOURCE_DEFAULT;
    if (!request->include_synonyms)
        out->synonyms.count = 0;
    if (request->include_documentation)
        out->documentation = view_of_text(help);
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
        synonym_add(out, row->name, value, SOURCE_TOPIC);
    enum conf_key k = server_key_find(row->broker_key);
    if (k != CONF_KEYS && !row->synonyms[0]) {
        /* Kafka's own default of this key has no broker key: only a given one is listed. */
        if (server_key_given(core, k))
            synonym_add(out, row->broker_key, view_of_text(core->conf->values[k].text),
                        SOURCE_BROKER);
    } else if (k != CONF_KEYS)
        synonyms_of_broker(core, k, row->broker_key, out);
    else if (row->synonyms[0])
        synonym_add(out, row->synonyms, view_of_text(row->fallback), SOURCE_DEFAULT);
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
    if (broker_key_is_list(k))
        return META_TYPE_LIST;
    switch (row->type) {
    case CONF_INT:
        return row->max > INT32_MAX ? META_TYPE_LONG : META_TYPE_INT;
    case CONF_BOOL:
        return META_TYPE_BOOLEAN;
    case CONF_TEXT:
    case CONF_ENUM:
        break;
    }
    return META_TYPE_STRING;
}

static bool
entry_of_broker(struct server_core *core, struct server_call *call, enum conf_key k, entry_out *out)
{
    const struct conf_row *row = conf_row(k);
    *out = (entry_out){.name = view_of_text(row->name),
                       .value = view_of_text(core->conf->values[k].text),
                       .read_only = true,
                       .config_type = type_of_broker_key(k)};
    out->synonyms.items = server_take(call, SYNONYMS_MAX, sizeof *out->synonyms.items);
    if (!out->synonyms.items)
        return false;
    synonyms_of_broker(core, k, row->name, out);
    entry_finish(call->request, out, row->help);
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

static bool
broker_named(const struct server_core *core, struct view name)
{
    char text[16];
    (void)snprintf(text, sizeof text, "%d", core->rules.node_id);
    return view_equal(name, view_of_text(text));
}

static bool
describe_broker(struct server_core *core, struct server_call *call, const describe_in *in,
                describe_out *out, struct meta_error *e)
{
    /* The empty name is the default of all brokers, which nothing can be set of here. */
    if (in->resource_name.len == 0)
        return true;
    if (!broker_named(core, in->resource_name)) {
        int shown = (int)(in->resource_name.len < 64 ? in->resource_name.len : 64);
        (void)meta_error_set(e, KERR_INVALID_REQUEST,
                             "Unexpected broker id, expected %d or empty string, but received %.*s",
                             core->rules.node_id, shown, (const char *)in->resource_name.at);
        return true;
    }
    out->configs.items = server_take(call, CONF_KEYS, sizeof *out->configs.items);
    if (!out->configs.items)
        return false;
    for (uint32_t k = 0; k < CONF_KEYS; k++)
        if (key_wanted(in, view_of_text(conf_row((enum conf_key)k)->name)) &&
            !entry_of_broker(core, call, (enum conf_key)k,
                             &out->configs.items[out->configs.count++]))
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
        if (in->resource_type == RESOURCE_TOPIC)
            room = describe_topic(core, call, in, &rows[i], &e);
        else if (in->resource_type == RESOURCE_BROKER)
            room = describe_broker(core, call, in, &rows[i], &e);
        else
            (void)meta_error_set(&e, KERR_INVALID_REQUEST, "Unsupported resource type: %d",
                                 in->resource_type);
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

/* ---- IncrementalAlterConfigs ---- */

static int
alter_topic(struct server_core *core, struct server_call *call, const alter_in *in,
            struct meta_error *e)
{
    const struct wire_incremental_alter_configs_request *request = call->request;
    uint32_t count = (uint32_t)in->configs.count;
    struct meta_setting *settings = server_take(call, count, sizeof *settings);
    if (!settings)
        return ERR_LIMIT;
    for (uint32_t i = 0; i < count; i++)
        settings[i] = (struct meta_setting){.name = in->configs.items[i].name,
                                            .value = in->configs.items[i].value,
                                            .operation = in->configs.items[i].config_operation};
    struct put w = put_of(core->entry, META_ENTRY_BYTES_MAX);
    if (meta_plan_config(&core->image, &core->rules, in->resource_name, settings, count, &w, e) !=
            KERR_NONE ||
        request->validate_only || put_len(&w) == 0)
        return ERR_OK;
    must(!w.bad);
    return core->append(core->user, view_of(core->entry, put_len(&w)));
}

/* Every key of the broker comes from its configuration file and takes a restart. */
static void
alter_broker(const struct server_core *core, const alter_in *in, struct meta_error *e)
{
    char keys[256] = "";
    struct put w = put_of(keys, sizeof keys - 1);
    for (int32_t i = 0; i < in->configs.count && !w.bad; i++) {
        put_bytes(&w, ", ", i > 0 ? 2 : 0);
        put_bytes(&w, in->configs.items[i].name.at, in->configs.items[i].name.len);
    }
    (void)core;
    (void)meta_error_set(e, KERR_INVALID_REQUEST, "Cannot update these configs dynamically: [%s]",
                         keys);
}

static int
resource_in_order(const void *a, const void *b)
{
    const alter_in *const *x = a, *const *y = b;
    if ((*x)->resource_type != (*y)->resource_type)
        return (*x)->resource_type - (*y)->resource_type;
    uint32_t n = (*x)->resource_name.len < (*y)->resource_name.len ? (*x)->resource_name.len
                                                                   : (*y)->resource_name.len;
    int d = n ? memcmp((*x)->resource_name.at, (*y)->resource_name.at, n) : 0;
    return d ? d
             : ((*x)->resource_name.len > (*y)->resource_name.len) -
                   ((*x)->resource_name.len < (*y)->resource_name.len);
}

/* Marks the resources that the request names more than once. */
static bool *
resources_twice(struct server_call *call)
{
    const struct wire_incremental_alter_configs_request *request = call->request;
    uint32_t count = (uint32_t)request->resources.count;
    const alter_in **sorted = server_take(call, count, sizeof *sorted);
    bool *twice = server_take(call, count, sizeof *twice);
    if (!sorted || !twice)
        return NULL;
    for (uint32_t i = 0; i < count; i++)
        sorted[i] = &request->resources.items[i];
    qsort(sorted, count, sizeof *sorted, resource_in_order);
    for (uint32_t i = 1; i < count; i++)
        if (resource_in_order(&sorted[i - 1], &sorted[i]) == 0)
            twice[sorted[i] - request->resources.items] =
                twice[sorted[i - 1] - request->resources.items] = true;
    return twice;
}

int
server_alter_configs(struct server_core *core, struct server_call *call)
{
    const struct wire_incremental_alter_configs_request *request = call->request;
    uint32_t count = (uint32_t)request->resources.count;
    struct wire_incremental_alter_configs_response *response =
        server_take(call, 1, sizeof *response);
    alter_out *rows = server_take(call, count, sizeof *rows);
    bool *twice = resources_twice(call);
    if (!response || !rows || !twice)
        return ERR_LIMIT;
    for (uint32_t i = 0; i < count; i++) {
        const alter_in *in = &request->resources.items[i];
        struct meta_error e = {0};
        int rc = ERR_OK;
        if (twice[i])
            (void)meta_error_set(&e, KERR_INVALID_REQUEST,
                                 "Each resource must appear at most once.");
        else if (in->resource_type == RESOURCE_TOPIC)
            rc = alter_topic(core, call, in, &e);
        else if (in->resource_type == RESOURCE_BROKER)
            alter_broker(core, in, &e);
        else
            (void)meta_error_set(&e, KERR_INVALID_REQUEST, "Unsupported resource type: %d",
                                 in->resource_type);
        if (rc != ERR_OK)
            return rc;
        rows[i] = (alter_out){.error_code = e.code,
                              .error_message = server_error_text(call, &e),
                              .resource_type = in->resource_type,
                              .resource_name = in->resource_name};
    }
    response->responses.items = rows;
    response->responses.count = (int32_t)count;
    call->response = response;
    return ERR_OK;
}
