/* server_core.c: set-up, dispatch and what all handlers share. */
#include "control/server/server_core.h"
#include "control/server/server_defaults.h"
#include "control/server/server_telemetry.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/net/iptext.h"
#include "core/wire/wire_gen.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
    int16_t key;
    server_handle_fn *handle;
} core_handlers[] = {
    {WIRE_API_METADATA, server_metadata},
    {WIRE_API_FIND_COORDINATOR, server_find_coordinator},
    {WIRE_API_CREATE_TOPICS, server_create_topics},
    {WIRE_API_DELETE_TOPICS, server_delete_topics},
    {WIRE_API_INIT_PRODUCER_ID, server_init_producer_id},
    {WIRE_API_DESCRIBE_CONFIGS, server_describe_configs},
    {WIRE_API_ALTER_CONFIGS, server_replace_configs},
    {WIRE_API_CREATE_PARTITIONS, server_create_partitions},
    {WIRE_API_ELECT_LEADERS, server_elect_leaders},
    {WIRE_API_INCREMENTAL_ALTER_CONFIGS, server_alter_configs},
    {WIRE_API_ALTER_PARTITION_REASSIGNMENTS, server_alter_reassignments},
    {WIRE_API_LIST_PARTITION_REASSIGNMENTS, server_list_reassignments},
    {WIRE_API_DESCRIBE_CLIENT_QUOTAS, server_describe_quotas},
    {WIRE_API_ALTER_CLIENT_QUOTAS, server_alter_quotas},
    {WIRE_API_DESCRIBE_QUORUM, server_describe_quorum},
    {WIRE_API_UPDATE_FEATURES, server_update_features},
    {WIRE_API_DESCRIBE_CLUSTER, server_describe_cluster},
    {WIRE_API_UNREGISTER_BROKER, server_unregister_broker},
    {WIRE_API_GET_TELEMETRY_SUBSCRIPTIONS, server_get_telemetry},
    {WIRE_API_PUSH_TELEMETRY, server_push_telemetry},
    {WIRE_API_LIST_CONFIG_RESOURCES, server_list_resources},
    {WIRE_API_DESCRIBE_TOPIC_PARTITIONS, server_describe_partitions},
};

static int
endpoints_parse(struct server_core *core)
{
    struct conf_listener listeners[CONF_LISTENERS_MAX];
    char error[CONF_ERROR_BYTES];
    const char *text = conf_text(core->conf, CONF_ADVERTISED);
    if (text[0] == '\0')
        text = conf_text(core->conf, CONF_LISTENERS);
    int n = conf_listeners(text, listeners, error);
    if (n <= 0) {
        log_error("control", "cannot read the listeners: %s", n < 0 ? error : "there is none");
        return ERR_INVALID;
    }
    for (int i = 0; i < n; i++) {
        const char *host = listeners[i].host;
        bool any = host[0] == '\0' || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
        host = any ? "localhost" : host; /* a client must be able to connect to what we say */
        memcpy(core->endpoints[i].host, host, strlen(host) + 1);
        core->endpoints[i].port = listeners[i].port;
    }
    core->endpoint_count = (uint32_t)n;
    return ERR_OK;
}

bool
server_key_given(const struct server_core *core, enum conf_key k)
{
    return k != CONF_KEYS && strcmp(core->conf->values[k].text, conf_row(k)->fallback) != 0;
}

int
server_core_init(struct server_core *core, const struct conf *conf, const char *cluster_id)
{
    *core = (struct server_core){.conf = conf};
    must(strlen(cluster_id) <= META_CLUSTER_BYTES_MAX);
    memcpy(core->cluster_id, cluster_id, strlen(cluster_id));
    core->rules = (struct meta_rules){
        .node_id = (int32_t)conf_number(conf, CONF_NODE_ID),
        .partitions_default = (int32_t)conf_number(conf, CONF_NUM_PARTITIONS),
        .config_default = server_default_of,
        .user = core,
    };
    core->entry = malloc(META_ENTRY_BYTES_MAX);
    must(core->entry != NULL);
    meta_image_init(&core->image, (uint32_t)conf_number(conf, CONF_TOPICS_MAX),
                    (uint32_t)conf_number(conf, CONF_PARTITIONS_MAX));
    int rc = server_defaults_init(core);
    return rc == ERR_OK ? endpoints_parse(core) : rc;
}

void
server_core_free(struct server_core *core)
{
    server_telemetry_free(core);
    meta_image_free(&core->image);
    free(core->entry);
    server_defaults_free(core);
    *core = (struct server_core){0};
}

void *
server_take(struct server_call *call, size_t count, size_t size)
{
    if (size && count > call->arena->room / size)
        return NULL;
    return wire_arena_take(call->arena, count && size ? count * size : 1);
}

struct view
server_text(struct server_call *call, const char *text)
{
    size_t n = strlen(text);
    uint8_t *copy = server_take(call, n + 1, 1);
    if (!copy)
        return (struct view){0};
    memcpy(copy, text, n);
    return view_of(copy, (uint32_t)n);
}

struct view
server_error_text(struct server_call *call, const struct meta_error *e)
{
    return e->text[0] ? server_text(call, e->text) : (struct view){0};
}

const struct server_endpoint *
server_endpoint_of(const struct server_core *core, uint16_t listener)
{
    return &core->endpoints[listener < core->endpoint_count ? listener : 0];
}

void
server_host_text(const uint8_t ip[16], char *text, size_t room)
{
    if (iptext_is_v4(ip)) {
        (void)snprintf(text, room, "%u.%u.%u.%u", ip[12], ip[13], ip[14], ip[15]);
        return;
    }
    (void)snprintf(text, room, "%x:%x:%x:%x:%x:%x:%x:%x", get_u16(ip), get_u16(ip + 2),
                   get_u16(ip + 4), get_u16(ip + 6), get_u16(ip + 8), get_u16(ip + 10),
                   get_u16(ip + 12), get_u16(ip + 14));
}

static server_handle_fn *
handler_of(int16_t key)
{
    for (uint32_t i = 0; i < sizeof core_handlers / sizeof core_handlers[0]; i++)
        if (core_handlers[i].key == key)
            return core_handlers[i].handle;
    return NULL;
}

static int
response_write(const struct server_core *core, struct server_call *call, int32_t correlation_id,
               struct view *out)
{
    enum { HEADER_ROOM = 8 };
    const struct wire_message *m = call->api->response;
    int64_t size = wire_size(m, call->version, call->response);
    if (size < 0) {
        log_error("control", "a response cannot be encoded api=%s version=%d error=%s",
                  call->api->name, call->version, err_name((int)size));
        return ERR_LIMIT;
    }
    uint8_t *at =
        (uint64_t)size > INT32_MAX ? NULL : server_take(call, (size_t)size + HEADER_ROOM, 1);
    if (!at)
        return ERR_LIMIT;
    struct put w = put_of(at, (uint32_t)size + HEADER_ROOM);
    wire_header_answer(&w, call->api, call->version, correlation_id);
    int rc = wire_encode(m, call->version, call->response, &w);
    must(rc == ERR_OK && !w.bad);
    server_errors_count(core->counters, call->api, call->version, call->response);
    *out = view_of(at, put_len(&w));
    return ERR_OK;
}

/* Which C struct a request decodes into differs by API; the largest of them bounds the memory. */
union any_request {
    struct wire_metadata_request metadata;
    struct wire_find_coordinator_request find_coordinator;
    struct wire_create_topics_request create_topics;
    struct wire_delete_topics_request delete_topics;
    struct wire_init_producer_id_request init_producer_id;
    struct wire_describe_configs_request describe_configs;
    struct wire_create_partitions_request create_partitions;
    struct wire_incremental_alter_configs_request alter_configs;
    struct wire_describe_cluster_request describe_cluster;
    struct wire_describe_topic_partitions_request describe_partitions;
    struct wire_elect_leaders_request elect_leaders;
    struct wire_alter_partition_reassignments_request alter_reassignments;
    struct wire_list_partition_reassignments_request list_reassignments;
    struct wire_describe_quorum_request describe_quorum;
    struct wire_update_features_request update_features;
    struct wire_unregister_broker_request unregister_broker;
    struct wire_alter_configs_request replace_configs;
    struct wire_list_config_resources_request list_resources;
    struct wire_describe_client_quotas_request describe_quotas;
    struct wire_alter_client_quotas_request alter_quotas;
    struct wire_get_telemetry_subscriptions_request get_telemetry;
    struct wire_push_telemetry_request push_telemetry;
};

int
server_dispatch(struct server_core *core, struct view request, uint16_t listener,
                struct wire_arena *arena, struct server_result *out)
{
    struct wire_header header;
    union any_request decoded;
    int rc = wire_header_read(request, &header);
    if (rc != ERR_OK)
        return rc;
    const struct wire_api *api = wire_api_find(header.api_key);
    server_handle_fn *handle = handler_of(header.api_key);
    if (!api || !handle || header.api_version < api->version_min ||
        header.api_version > api->version_max)
        return ERR_UNSUPPORTED;
    struct view body = view_of(request.at + header.bytes, request.len - header.bytes);
    rc = wire_decode(api->request, header.api_version, body, &decoded, arena);
    if (rc != ERR_OK)
        return rc;
    struct server_call call = {.api = api,
                               .version = header.api_version,
                               .listener = listener,
                               .client_id = header.client_id,
                               .request = &decoded,
                               .arena = arena};
    rc = handle(core, &call);
    if (rc != ERR_OK)
        return rc;
    *out = (struct server_result){.wait_rows = call.wait_rows,
                                  .wait_count = call.wait_count,
                                  .wait_ms = call.wait_ms,
                                  .throttle_ms = call.throttle_ms};
    return response_write(core, &call, header.correlation_id, &out->bytes);
}
