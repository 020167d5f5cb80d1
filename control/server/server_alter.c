/* server_alter.c: IncrementalAlterConfigs, AlterConfigs and ListConfigResources.  Source: Kafka 4.3
 * ConfigAdminManager, ConfigurationControlManager, KafkaApis. */
#include "control/server/server_defaults.h"
#include "control/server/server_dynamic.h"
#include "control/server/server_resource.h"
#include "core/base/err.h"
#include "core/wire/wire_gen.h"

#include <stdlib.h>

typedef struct wire_incremental_alter_configs_request_alter_configs_resource alter_in;
typedef struct wire_incremental_alter_configs_response_alter_configs_resource_response alter_out;
typedef struct wire_alter_configs_request_alter_configs_resource replace_in;
typedef struct wire_alter_configs_response_alter_configs_resource_response replace_out;
typedef struct wire_list_config_resources_response_config_resource listed;

/* One resource of either request. */
struct change {
    int8_t type;
    struct view name;
    struct meta_setting *settings;
    uint32_t count;
    bool replace, validate_only, twice;
};

enum { OPERATION_SET, OPERATION_DELETE };

/* ---- Topics ---- */

static bool
named(const struct change *c, const char *key)
{
    for (uint32_t i = 0; i < c->count; i++)
        if (view_equal(c->settings[i].name, view_of_text(key)))
            return true;
    return false;
}

/* A replacement of all overrides, as a list of changes; NULL: the arena is full. */
static struct meta_setting *
topic_replacement(const struct server_core *core, struct server_call *call, const struct change *c,
                  uint32_t *count)
{
    const struct meta_topic *t = meta_topic_by_name(&core->image, c->name);
    struct meta_setting *all = server_take(call, c->count + META_CONFIGS, sizeof *all);
    if (!all)
        return NULL;
    if (c->count)
        memcpy(all, c->settings, c->count * sizeof *all);
    *count = c->count;
    for (uint32_t k = 0; t && k < META_CONFIGS; k++) {
        const char *name = meta_config_row((enum meta_config)k)->name;
        if (t->overrides[k] && !named(c, name))
            all[(*count)++] =
                (struct meta_setting){.name = view_of_text(name), .operation = OPERATION_DELETE};
    }
    return all;
}

static bool
settings_twice(const struct change *c)
{
    for (uint32_t i = 0; i < c->count; i++)
        for (uint32_t k = 0; k < i; k++)
            if (view_equal(c->settings[i].name, c->settings[k].name))
                return true;
    return false;
}

static int
alter_topic(struct server_core *core, struct server_call *call, const struct change *c,
            struct put *w, struct meta_error *e)
{
    struct meta_setting *settings = c->settings;
    uint32_t count = c->count;
    if (c->count > META_CONFIGS) {
        (void)meta_error_set(e, KERR_INVALID_REQUEST, "Error due to duplicate config keys");
        return ERR_OK;
    }
    if (settings_twice(c)) {
        (void)meta_error_set(e, KERR_INVALID_REQUEST, "Error due to duplicate config keys");
        return ERR_OK;
    }
    if (c->replace) {
        settings = topic_replacement(core, call, c, &count);
        if (!settings)
            return ERR_LIMIT;
    }
    (void)meta_plan_config(&core->image, &core->rules, c->name, settings, count, w, e);
    return ERR_OK;
}

/* ---- Brokers ---- */

/* True when `refused` is of some key of the change: then e says `why` and names them. */
static bool
keys_refused(const struct server_core *core, const struct change *c,
             bool (*refused)(const struct server_core *core, struct view name), const char *why,
             struct meta_error *e)
{
    char keys[256] = "";
    struct put w = put_of(keys, sizeof keys - 1);
    for (uint32_t i = 0; i < c->count && !w.bad; i++) {
        struct view v = c->settings[i].name;
        if (!refused(core, v))
            continue;
        put_bytes(&w, ", ", put_len(&w) ? 2 : 0);
        put_bytes(&w, v.at, v.len);
    }
    if (put_len(&w) == 0)
        return false;
    (void)meta_error_set(e, KERR_INVALID_REQUEST, "%s: [%s]", why, keys);
    return true;
}

static bool
broker_refused(const struct server_core *core, const struct change *c, struct meta_error *e)
{
    return keys_refused(core, c, server_dynamic_fixed, "Cannot update these configs dynamically",
                        e) ||
           keys_refused(core, c, server_dynamic_store,
                        "These security configs can be dynamically updated only per-listener using "
                        "the listener prefix",
                        e) ||
           (c->name.len == 0 &&
            keys_refused(core, c, server_dynamic_single,
                         "Cannot update these configs at default cluster level, broker id must be "
                         "specified",
                         e));
}

/* Two keys of topics must agree, so they must as defaults. */
static int16_t
lags_check(const struct server_core *core, const struct change *c, struct meta_error *e)
{
    struct meta_lags lags = meta_lags_of(NULL, &core->rules);
    for (uint32_t i = 0; i < c->count; i++) {
        enum meta_config key = server_topic_key(c->settings[i].name);
        char text[32] = "";
        struct view v = c->settings[i].value;
        if (key == META_CONFIGS || v.len >= sizeof text ||
            c->settings[i].operation > OPERATION_DELETE)
            continue;
        if (v.len)
            memcpy(text, v.at, v.len);
        meta_lags_note(&lags, &core->rules, key,
                       c->settings[i].operation == OPERATION_SET ? text : NULL);
    }
    return meta_lags_check(&lags, e);
}

/* ---- Every kind ---- */

static void
alter_resource(struct server_core *core, const struct change *c, struct put *w,
               struct meta_error *e)
{
    struct meta_resource_plan plan;
    if (server_resource_plan(core, c->type, c->name, &plan, e) != KERR_NONE)
        return;
    if (c->type == SERVER_RESOURCE_BROKER && broker_refused(core, c, e))
        return;
    plan.settings = c->settings;
    plan.count = c->count;
    plan.replace = c->replace;
    uint8_t *start = w->at;
    if (meta_plan_resource(&core->image, &plan, w, e) == KERR_NONE &&
        c->type == SERVER_RESOURCE_BROKER && lags_check(core, c, e) != KERR_NONE)
        e->code = plan.value_code;
    if (e->code != KERR_NONE)
        w->at = start;
}

static int
change_do(struct server_core *core, struct server_call *call, const struct change *c,
          struct meta_error *e)
{
    struct put w = put_of(core->entry, META_ENTRY_BYTES_MAX);
    int rc = ERR_OK;
    if (c->twice)
        (void)meta_error_set(e, KERR_INVALID_REQUEST, "Each resource must appear at most once.");
    else if (c->type == SERVER_RESOURCE_TOPIC)
        rc = alter_topic(core, call, c, &w, e);
    else
        alter_resource(core, c, &w, e);
    if (rc != ERR_OK || e->code != KERR_NONE || c->validate_only || put_len(&w) == 0)
        return rc;
    must(!w.bad);
    return core->append(core->user, view_of(core->entry, put_len(&w)));
}

static int
change_order(const void *a, const void *b)
{
    const struct change *const *x = a, *const *y = b;
    if ((*x)->type != (*y)->type)
        return (*x)->type - (*y)->type;
    uint32_t n = (*x)->name.len < (*y)->name.len ? (*x)->name.len : (*y)->name.len;
    int d = n ? memcmp((*x)->name.at, (*y)->name.at, n) : 0;
    return d ? d : ((*x)->name.len > (*y)->name.len) - ((*x)->name.len < (*y)->name.len);
}

/* Marks the resources that the request names more than once. */
static bool
changes_twice(struct server_call *call, struct change *changes, uint32_t count)
{
    struct change **sorted = server_take(call, count, sizeof *sorted);
    if (!sorted)
        return false;
    for (uint32_t i = 0; i < count; i++)
        sorted[i] = &changes[i];
    qsort(sorted, count, sizeof *sorted, change_order);
    for (uint32_t i = 1; i < count; i++)
        if (change_order(&sorted[i - 1], &sorted[i]) == 0)
            sorted[i - 1]->twice = sorted[i]->twice = true;
    return true;
}

int
server_alter_configs(struct server_core *core, struct server_call *call)
{
    const struct wire_incremental_alter_configs_request *request = call->request;
    uint32_t count = (uint32_t)request->resources.count;
    struct wire_incremental_alter_configs_response *response =
        server_take(call, 1, sizeof *response);
    alter_out *rows = server_take(call, count, sizeof *rows);
    struct change *changes = server_take(call, count, sizeof *changes);
    if (!response || !rows || !changes)
        return ERR_LIMIT;
    for (uint32_t i = 0; i < count; i++) {
        const alter_in *in = &request->resources.items[i];
        struct change *c = &changes[i];
        *c = (struct change){.type = in->resource_type,
                             .name = in->resource_name,
                             .count = (uint32_t)in->configs.count,
                             .validate_only = request->validate_only};
        c->settings = server_take(call, c->count, sizeof *c->settings);
        if (!c->settings)
            return ERR_LIMIT;
        for (uint32_t k = 0; k < c->count; k++)
            c->settings[k] =
                (struct meta_setting){.name = in->configs.items[k].name,
                                      .value = in->configs.items[k].value,
                                      .operation = in->configs.items[k].config_operation};
    }
    if (!changes_twice(call, changes, count))
        return ERR_LIMIT;
    for (uint32_t i = 0; i < count; i++) {
        struct meta_error e = {0};
        int rc = change_do(core, call, &changes[i], &e);
        if (rc != ERR_OK)
            return rc;
        rows[i] =
            (alter_out){e.code, server_error_text(call, &e), changes[i].type, changes[i].name};
    }
    response->responses.items = rows;
    response->responses.count = (int32_t)count;
    call->response = response;
    return ERR_OK;
}

int
server_replace_configs(struct server_core *core, struct server_call *call)
{
    const struct wire_alter_configs_request *request = call->request;
    uint32_t count = (uint32_t)request->resources.count;
    struct wire_alter_configs_response *response = server_take(call, 1, sizeof *response);
    replace_out *rows = server_take(call, count, sizeof *rows);
    struct change *changes = server_take(call, count, sizeof *changes);
    if (!response || !rows || !changes)
        return ERR_LIMIT;
    for (uint32_t i = 0; i < count; i++) {
        const replace_in *in = &request->resources.items[i];
        struct change *c = &changes[i];
        *c = (struct change){.type = in->resource_type,
                             .name = in->resource_name,
                             .count = (uint32_t)in->configs.count,
                             .replace = true,
                             .validate_only = request->validate_only};
        c->settings = server_take(call, c->count, sizeof *c->settings);
        if (!c->settings)
            return ERR_LIMIT;
        for (uint32_t k = 0; k < c->count; k++)
            c->settings[k] = (struct meta_setting){.name = in->configs.items[k].name,
                                                   .value = in->configs.items[k].value};
    }
    if (!changes_twice(call, changes, count))
        return ERR_LIMIT;
    for (uint32_t i = 0; i < count; i++) {
        struct meta_error e = {0};
        int rc = change_do(core, call, &changes[i], &e);
        if (rc != ERR_OK)
            return rc;
        rows[i] =
            (replace_out){e.code, server_error_text(call, &e), changes[i].type, changes[i].name};
    }
    response->responses.items = rows;
    response->responses.count = (int32_t)count;
    call->response = response;
    return ERR_OK;
}

/* ---- ListConfigResources ---- */

static const int8_t listed_types[] = {SERVER_RESOURCE_GROUP, SERVER_RESOURCE_METRICS,
                                      SERVER_RESOURCE_BROKER, SERVER_RESOURCE_TOPIC};

static bool
type_asked(const struct server_call *call, int8_t type)
{
    const struct wire_list_config_resources_request *request = call->request;
    if (call->version == 0)
        return type == SERVER_RESOURCE_METRICS;
    for (int32_t i = 0; i < request->resource_types.count; i++)
        if (request->resource_types.items[i] == type)
            return true;
    return request->resource_types.count <= 0;
}

/* Kafka knows loggers too; there are none here, so nothing is listed of them. */
static bool
types_known(const struct wire_list_config_resources_request *request)
{
    for (int32_t i = 0; i < request->resource_types.count; i++) {
        int8_t t = request->resource_types.items[i];
        if (t != SERVER_RESOURCE_TOPIC && t != SERVER_RESOURCE_BROKER &&
            t != SERVER_RESOURCE_LOGGER && t != SERVER_RESOURCE_METRICS &&
            t != SERVER_RESOURCE_GROUP)
            return false;
    }
    return true;
}

static uint32_t
list_type(const struct server_core *core, struct server_call *call, int8_t type, listed *out)
{
    uint32_t n = 0, count;
    if (type == SERVER_RESOURCE_TOPIC) {
        for (uint32_t row = meta_topic_next(&core->image, META_NONE); row != META_NONE;
             row = meta_topic_next(&core->image, row)) {
            const struct meta_topic *t = core->image.topics[row];
            out[n++] = (listed){view_of(t->name, t->name_bytes), type};
        }
        return n;
    }
    if (type == SERVER_RESOURCE_BROKER) {
        char text[16];
        struct view self = server_broker_name(core, text);
        text[self.len] = '\0';
        out[n++] = (listed){server_text(call, text), type};
        return n;
    }
    uint32_t first = meta_resource_range(&core->image, (enum meta_resource_type)type, &count);
    for (; n < count; n++) {
        const struct meta_resource *r = core->image.resources[first + n];
        out[n] = (listed){view_of(r->name, r->name_bytes), type};
    }
    return n;
}

int
server_list_resources(struct server_core *core, struct server_call *call)
{
    struct wire_list_config_resources_response *response = server_take(call, 1, sizeof *response);
    uint32_t room = core->image.topic_count + core->image.resource_count + 1, n = 0;
    listed *rows = server_take(call, room, sizeof *rows);
    if (!response || !rows)
        return ERR_LIMIT;
    call->response = response;
    if (!types_known(call->request)) {
        response->error_code = KERR_UNSUPPORTED_VERSION;
        return ERR_OK;
    }
    for (uint32_t i = 0; i < sizeof listed_types; i++)
        if (type_asked(call, listed_types[i]))
            n += list_type(core, call, listed_types[i], rows + n);
    response->config_resources.items = rows;
    response->config_resources.count = (int32_t)n;
    return ERR_OK;
}
