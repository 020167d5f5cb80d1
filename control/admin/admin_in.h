/* admin_in.h: what the files of control/admin share. */
#ifndef SLUICE_ADMIN_ADMIN_IN_H
#define SLUICE_ADMIN_ADMIN_IN_H

#include "control/admin/admin.h"

#include <jansson.h>

struct admin {
    struct admin_config config;
};

/* One request under way. */
struct admin_call {
    const struct admin *admin;
    const struct http_request *http;
    const char *name; /* what stands for {name} in the path; "" */
    struct metrics_source source;
    struct census tables;
    uint64_t skip, limit;
    uint32_t status; /* 200, or the error: */
    const char *code;
    char message[ADMIN_MESSAGE_BYTES];
};

/* ---- JSON from rows (admin_json.c) ---- */

enum admin_type {
    ADMIN_TEXT,   /* struct view: UTF-8, or made so */
    ADMIN_STATIC, /* const char * */
    ADMIN_I64,
    ADMIN_U64,
    ADMIN_I32,
    ADMIN_U32,
    ADMIN_BOOL,
    ADMIN_OBJECTS, /* an array, put in by who fills the row; `of` says of what */
    ADMIN_NUMBERS, /* an object of integers by name, the same */
};

struct admin_field {
    const char *name;
    enum admin_type type;
    size_t at; /* in the row */
    const char *help;
    const struct admin_schema *of;
};

struct admin_schema {
    const char *name;
    const struct admin_field *fields; /* until one without a name */
};

/* The row as an object, without what ADMIN_OBJECTS and ADMIN_NUMBERS say. */
json_t *admin_json_object(const struct admin_schema *schema, const void *row);
json_t *admin_json_text(struct view v);
/* {"items": [], "total": total, "skip": .., "limit": ..}; items are added to *items. */
json_t *admin_json_list(const struct admin_call *c, uint64_t total, json_t **items);
/* Whether item i of a list is in the part that was asked for. */
bool admin_json_wanted(const struct admin_call *c, uint64_t i);

/* ---- routes ---- */

typedef json_t *admin_fn(struct admin_call *c);

struct admin_route {
    const char *path; /* "/v1/topics" or "/v1/topics/{topic}" */
    admin_fn *answer; /* NULL: c->status and what goes with it say why */
    bool groups;      /* it wants groups and transactions */
    const char *summary;
    const struct admin_schema *of;
    bool list; /* of such objects, with limit and skip */
};
/* Until one without a path. */
extern const struct admin_route admin_routes[];

/* Sets the error; returns NULL. */
json_t *admin_refuse(struct admin_call *c, uint32_t status, const char *code, const char *fmt, ...)
    must_printf(4, 5);

/* admin_tables.c, admin_groups.c, admin_cores.c */
admin_fn admin_tables_cluster, admin_tables_brokers, admin_tables_topics, admin_tables_topic;
admin_fn admin_tables_partitions;
admin_fn admin_groups_list, admin_groups_one, admin_groups_txns, admin_groups_clients;
admin_fn admin_cores_list, admin_cores_processes, admin_cores_drops, admin_cores_config;
admin_fn admin_cores_disks, admin_cores_errors, admin_hists_list, admin_slow_list;
extern const struct admin_schema admin_tables_cluster_schema, admin_tables_broker_schema,
    admin_tables_topic_schema, admin_tables_whole_schema, admin_tables_partition_schema;
/* admin_net.c */
admin_fn admin_net_whole, admin_net_ports, admin_net_addresses, admin_net_routes;
admin_fn admin_net_neighbours, admin_net_connections, admin_net_drops;
extern const struct admin_schema admin_net_schema, admin_net_port_schema, admin_net_address_schema,
    admin_net_route_schema, admin_net_neighbour_schema, admin_net_connection_schema,
    admin_net_drop_schema;
extern const struct admin_schema admin_groups_schema, admin_groups_whole_schema,
    admin_groups_txn_schema, admin_groups_client_schema;
extern const struct admin_schema admin_cores_schema, admin_cores_process_schema,
    admin_cores_drop_schema, admin_cores_config_schema, admin_cores_disk_schema, admin_hists_schema,
    admin_slow_schema, admin_cores_error_schema;

/* admin_health.c: 200 or 503, with every check and its reason. */
json_t *admin_health(const struct metrics_source *s, bool ready, uint32_t *status);
/* Which processes serve; sets s->up. */
void admin_health_look(struct metrics_source *s);

/* admin_openapi.c */
json_t *admin_openapi_json(void);

#endif
