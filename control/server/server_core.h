/* server_core.h: what answers requests: decoded request in, response out, records appended.  No
 * rings, no clock, no disk: the loop (server.c) brings requests, and holds every answer back until
 * the entries that it was computed from are committed.  Private to control/server and its tests. */
#ifndef SLUICE_SERVER_SERVER_CORE_H
#define SLUICE_SERVER_SERVER_CORE_H

#include "control/meta/meta.h"
#include "control/server/server_errors.h"
#include "control/server/server_mutations.h"
#include "core/base/regex.h"
#include "core/conf/conf.h"
#include "core/wire/wire.h"

enum {
    SERVER_ENDPOINTS_MAX = CONF_LISTENERS_MAX,
    SERVER_HOST_BYTES = CONF_HOST_BYTES_MAX,
    SERVER_DESCRIBE_PARTITIONS_MAX = 2000, /* Kafka max.request.partition.size.limit */
    SERVER_AUTO_CREATE_MAX = 1000,         /* topics that one Metadata request may create */
    SERVER_KEY_BYTES = 64,                 /* of a broker's key, with its NUL */
    SERVER_DYNAMIC_KEYS = 11,              /* server_dynamic.h */
    SERVER_OPEN_WAIT_MS = 1000,            /* longest wait of a creation for the shards */
};

/* What Kafka answers without an authorizer: every operation of AclEntry.supportedOperations. */
enum {
    SERVER_TOPIC_OPERATIONS = 3576,
    SERVER_CLUSTER_OPERATIONS = 8096,
    SERVER_OPERATIONS_NOT_ASKED = INT32_MIN,
};

struct server_endpoint {
    char host[SERVER_HOST_BYTES];
    int32_t port;
};

struct server_telemetry; /* server_telemetry.c */

/* Whom a request is from.  Names at NULL or empty: it did not say. */
struct server_origin {
    struct view software_name, software_version;
    uint8_t ip[16]; /* IPv4: mapped */
    uint16_t port;
};

struct server_core {
    struct meta_image image; /* may be ahead of what is committed */
    uint64_t committed;      /* index of the log up to which it is */
    struct meta_rules rules;
    const struct conf *conf;
    char cluster_id[META_CLUSTER_BYTES_MAX + 1];
    struct server_endpoint endpoints[SERVER_ENDPOINTS_MAX]; /* advertised, by listener */
    uint32_t endpoint_count;
    int64_t producer_id_next, producer_id_limit; /* the block in hand */
    char
        *defaults[META_CONFIGS]; /* of topics, as the configuration gives them; NULL: it does not */
    /* The same keys under the names that brokers have for them. */
    struct meta_config_row broker_rows[META_CONFIGS];
    struct meta_config_row dynamic_rows[SERVER_DYNAMIC_KEYS];
    char broker_names[META_CONFIGS][SERVER_KEY_BYTES];
    struct server_mutations mutations;
    int64_t now_ms; /* wall clock; the loop sets it and the next before each request */
    struct server_origin from;
    struct server_telemetry *telemetry; /* NULL: nobody has asked yet */
    uint8_t *entry;                     /* META_ENTRY_BYTES_MAX bytes for records being planned */
    /* Appends an entry to the log and applies it to the image.  An error is final: the process must
     * stop, and nothing that it computed since may leave. */
    int (*append)(void *user, struct view records);
    void (*random)(void *user, void *at, size_t bytes);
    struct counters *counters;      /* of control; NULL: errors are not counted */
    const struct regex_port *regex; /* NULL: clients cannot send regular expressions */
    /* True when a shard serves this partition; NULL: each is served. */
    bool (*open)(void *user, const struct meta_topic *t, int32_t partition);
    void *user;
};

/* ERR_INVALID, with a log line: listeners that cannot be read.  `conf` is borrowed for ever. */
must_check int server_core_init(struct server_core *core, const struct conf *conf,
                                const char *cluster_id);
void server_core_free(struct server_core *core);

/* One request being answered. */
struct server_call {
    const struct wire_api *api;
    int16_t version;
    uint16_t listener;
    const void *request;      /* the generated struct */
    struct wire_arena *arena; /* for the response and all that it points to */
    void *response;           /* set by the handler */
    uint32_t *wait_rows;      /* topics whose partitions should be open first; in the arena */
    uint32_t wait_count;
    int32_t wait_ms;
    struct view client_id; /* of the request's header; at NULL: null */
    int32_t throttle_ms;   /* the client is over a quota: it is left alone for so long */
};

/* ERR_OK; ERR_LIMIT: the arena is full, the connection is to be closed; else what append returned.
 */
typedef int server_handle_fn(struct server_core *core, struct server_call *call);

/* Takes a block of producer ids [*first, *limit): nobody has them once the image's present index is
 * committed.  Errors are those of append. */
must_check int server_ids_block(struct server_core *core, int64_t *first, int64_t *limit);

server_handle_fn server_metadata, server_describe_cluster, server_describe_partitions;
server_handle_fn server_create_topics, server_delete_topics, server_create_partitions;
server_handle_fn server_describe_configs, server_alter_configs, server_replace_configs;
server_handle_fn server_list_resources, server_describe_quotas, server_alter_quotas;
server_handle_fn server_init_producer_id, server_find_coordinator;
server_handle_fn server_elect_leaders, server_alter_reassignments, server_list_reassignments;
server_handle_fn server_unregister_broker, server_describe_quorum, server_update_features;
server_handle_fn server_get_telemetry, server_push_telemetry;

struct server_result {
    struct view bytes; /* from the correlation id on; in the arena */
    const uint32_t *wait_rows;
    uint32_t wait_count;
    int32_t wait_ms, throttle_ms;
};

/* The whole way: request bytes (from the api key on) to response bytes.  ERR_CORRUPT,
 * ERR_UNSUPPORTED, ERR_LIMIT: close the connection.  Other errors are those of append. */
must_check int server_dispatch(struct server_core *core, struct view request, uint16_t listener,
                               struct wire_arena *arena, struct server_result *out);

/* ---- Shared by the handlers ---- */

/* count zeroed items of `size` bytes; NULL when the arena is full.  count 0 gives memory too. */
void *server_take(struct server_call *call, size_t count, size_t size);
/* A copy in the arena; at NULL and len 0 when it is full. */
struct view server_text(struct server_call *call, const char *text);
/* An error's message, null when it has none. */
struct view server_error_text(struct server_call *call, const struct meta_error *e);
/* Plans a topic, with a fresh id, and appends it; e->code says how it went. */
must_check int server_topic_create(struct server_core *core, struct meta_new_topic *t,
                                   bool validate_only, uint32_t *partitions, struct meta_error *e);
/* True when the key has another value than its default; false for CONF_KEYS.  (The region hands
 * down values without their origin.) */
bool server_key_given(const struct server_core *core, enum conf_key k);
/* An address as Java prints it: "127.0.0.1", "0:0:0:0:0:0:0:1"; at most 40 bytes with the NUL. */
void server_host_text(const uint8_t ip[16], char *text, size_t room);
const struct server_endpoint *server_endpoint_of(const struct server_core *core, uint16_t listener);

#endif
