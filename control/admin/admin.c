/* admin.c: from a path to an answer.  Each request reads what it needs of the region anew; groups
 * and transactions are asked for only where they are wanted. */
#include "control/admin/admin_in.h"

#include "core/base/err.h"
#include "core/base/must.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char type_json[] = "application/json; charset=utf-8";

#define TABLES(name) admin_tables_##name, false
const struct admin_route admin_routes[] = {
    {"/v1/cluster", TABLES(cluster), "the cluster, and the broker that answers",
     &admin_tables_cluster_schema, false},
    {"/v1/brokers", TABLES(brokers), "brokers, once for each listener", &admin_tables_broker_schema,
     true},
    {"/v1/topics", TABLES(topics), "topics by name", &admin_tables_topic_schema, true},
    {"/v1/topics/{topic}", TABLES(topic), "one topic with its partitions",
     &admin_tables_whole_schema, false},
    {"/v1/partitions", TABLES(partitions), "partitions by topic and number",
     &admin_tables_partition_schema, true},
    {"/v1/groups", admin_groups_list, true, "groups, in no order", &admin_groups_schema, true},
    {"/v1/groups/{group}", admin_groups_one, true, "one group with what it has committed",
     &admin_groups_whole_schema, false},
    {"/v1/transactions", admin_groups_txns, true, "transactional ids, in no order",
     &admin_groups_txn_schema, true},
    {"/v1/clients", admin_groups_clients, true, "clients that push what they measure",
     &admin_groups_client_schema, true},
    {"/v1/cores", admin_cores_list, false, "counters of each core and of control",
     &admin_cores_schema, true},
    {"/v1/processes", admin_cores_processes, false, "the processes of the broker",
     &admin_cores_process_schema, true},
    {"/v1/drops", admin_cores_drops, false, "what was refused of peers, by reason",
     &admin_cores_drop_schema, true},
    {"/v1/errors", admin_cores_errors, false, "error codes in answers, by api",
     &admin_cores_error_schema, true},
    {"/v1/histograms", admin_hists_list, false, "latencies and sizes, over all cores",
     &admin_hists_schema, true},
    {"/v1/slowest", admin_slow_list, false,
     "the slowest Produce requests of this minute and the last", &admin_slow_schema, true},
    {"/v1/disks", admin_cores_disks, false, "data directories", &admin_cores_disk_schema, true},
    {"/v1/net", admin_net_whole, false, "the network of the broker", &admin_net_schema, false},
    {"/v1/net/ports", admin_net_ports, false, "queues of the device, with net=dpdk",
     &admin_net_port_schema, true},
    {"/v1/net/addresses", admin_net_addresses, false, "addresses, with net=dpdk",
     &admin_net_address_schema, true},
    {"/v1/net/routes", admin_net_routes, false, "routes, with net=dpdk", &admin_net_route_schema,
     true},
    {"/v1/net/neighbours", admin_net_neighbours, false,
     "hosts on the link, as each core knows them, with net=dpdk", &admin_net_neighbour_schema,
     true},
    {"/v1/net/connections", admin_net_connections, false,
     "TCP connections of clients: of our own stack, or of the kernel", &admin_net_connection_schema,
     true},
    {"/v1/net/drops", admin_net_drops, false,
     "frames and segments that went no further, by reason, with net=dpdk", &admin_net_drop_schema,
     true},
    {"/v1/config", admin_cores_config, false, "the configuration in force",
     &admin_cores_config_schema, true},
    {0}};

struct admin *
admin_new(const struct admin_config *config)
{
    struct admin *a = calloc(1, sizeof *a);
    must(a != NULL);
    a->config = *config;
    return a;
}

void
admin_free(struct admin *a)
{
    free(a);
}

json_t *
admin_refuse(struct admin_call *c, uint32_t status, const char *code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    c->status = status;
    c->code = code;
    (void)vsnprintf(c->message, sizeof c->message, fmt, ap);
    va_end(ap);
    return NULL;
}

/* ---- what answers are made from ---- */

static void
source_begin(struct admin_call *c)
{
    const struct admin_config *config = &c->admin->config;
    struct metrics_source *s = &c->source;
    char dir[CONF_TEXT_BYTES_MAX];
    const char *dirs = conf_text(config->conf, CONF_LOG_DIRS);
    s->region = config->region;
    s->conf = config->conf;
    s->tables = &c->tables;
    s->now_ns = config->now_ns();
    s->now_ms = config->wall_ms();
    for (uint32_t i = 0; config->process && i < REGION_PROCESSES; i++) {
        const struct region_peer *p = &s->region->header->peers[i];
        config->process(atomic_load_explicit(&p->pid, memory_order_relaxed), &s->processes[i]);
        s->processes[i].asked = true;
    }
    for (uint32_t i = 0; config->disk && i < CONF_DIRS_MAX && conf_dir(dirs, i, dir) == ERR_OK; i++)
        config->disk(dir, &s->disks[i]);
    admin_health_look(s);
    census_init(&c->tables);
}

/* Groups first: what they have committed by then is below the high watermarks read later. */
static void
source_read(struct admin_call *c, bool groups)
{
    struct census *told = NULL;
    if (groups)
        told = census_desk_ask(c->admin->config.desk, ADMIN_WAIT_MS, &c->source.groups_fresh);
    census_tables(&c->tables, c->source.region);
    for (uint32_t i = 0; !c->source.up[REGION_DATA] && i < c->tables.partition_count; i++)
        c->tables.partitions[i].open = false;
    if (told)
        census_join(&c->tables, told);
    c->source.groups = told;
}

/* ---- answers ---- */

static void
reply_json(struct http_reply *reply, uint32_t status, json_t *body)
{
    reply->status = status;
    reply->type = type_json;
    reply->body = json_dumps(body, JSON_COMPACT | JSON_PRESERVE_ORDER);
    must(reply->body != NULL);
    reply->bytes = strlen(reply->body);
    json_decref(body);
}

static void
reply_error(struct http_reply *reply, struct admin_call *c)
{
    json_t *message = admin_json_text(view_of_text(c->message));
    json_t *e = json_pack("{s:s, s:o, s:{s:o}}", "code", c->code, "message", message, "details",
                          "path", admin_json_text(view_of_text(c->http->path)));
    must(e != NULL);
    reply_json(reply, c->status, e);
}

static void
reply_metrics(struct http_reply *reply, struct admin_call *c, bool internal)
{
    struct metrics_out o;
    bool open = metrics_wants_open(c->http->accept);
    enum metrics_format format = open ? METRICS_OPENMETRICS : METRICS_PROMETHEUS;
    source_read(c, !internal);
    metrics_open(&o, format, METRICS_BYTES_MAX);
    metrics_render(&o, &c->source, internal);
    if (o.full) {
        metrics_close(&o);
        (void)admin_refuse(c, 503, "too_large",
                           "more than %d bytes of metrics: set metrics.partitions=false",
                           METRICS_BYTES_MAX);
        reply_error(reply, c);
        return;
    }
    *reply = (struct http_reply){200, metrics_content_type(format), o.at, o.len};
}

static void
reply_health(struct http_reply *reply, struct admin_call *c, bool ready)
{
    uint32_t status;
    source_read(c, false);
    json_t *body = admin_health(&c->source, ready, &status);
    reply_json(reply, status, body);
}

/* A number of the query; false: it is none, or out of bounds. */
static bool
number_of(struct admin_call *c, const char *name, uint64_t least, uint64_t most, uint64_t *out)
{
    const char *text = c->http->query(c->http, name);
    char *end;
    if (!text)
        return true;
    errno = 0;
    unsigned long long v = strtoull(text, &end, 10);
    bool digits = *text >= '0' && *text <= '9';
    if (digits && *end == '\0' && errno == 0 && v >= least && v <= most) {
        *out = v;
        return true;
    }
    (void)admin_refuse(c, 400, "invalid", "%s must be a number from %llu to %llu", name,
                       (unsigned long long)least, (unsigned long long)most);
    return false;
}

/* The route, and in *name what its {name} stands for. */
static const struct admin_route *
route_find(const char *path, const char **name)
{
    for (const struct admin_route *r = admin_routes; r->path; r++) {
        const char *open = strchr(r->path, '{');
        size_t n = open ? (size_t)(open - r->path) : strlen(r->path);
        if (strncmp(path, r->path, n) != 0 || (open ? path[n] == '\0' : path[n] != '\0'))
            continue;
        *name = path + n;
        return r;
    }
    return NULL;
}

static void
reply_v1(struct http_reply *reply, struct admin_call *c)
{
    const struct admin_route *r = route_find(c->http->path, &c->name);
    json_t *body = NULL;
    c->limit = ADMIN_LIMIT_DEFAULT;
    if (!r) {
        (void)admin_refuse(c, 404, "not_found", "there is nothing here: see /v1/openapi.json");
    } else if (!r->list || (number_of(c, "limit", 1, ADMIN_LIMIT_MAX, &c->limit) &&
                            number_of(c, "skip", 0, INT32_MAX, &c->skip))) {
        source_read(c, r->groups);
        body = r->answer(c);
    }
    if (body)
        reply_json(reply, 200, body);
    else
        reply_error(reply, c);
}

void
admin_handle(void *user, const struct http_request *q, struct http_reply *reply)
{
    struct admin_call *c = calloc(1, sizeof *c);
    must(c != NULL);
    c->admin = user;
    c->http = q;
    c->name = "";
    source_begin(c);
    if (strcmp(q->method, "GET") != 0 && strcmp(q->method, "HEAD") != 0) {
        (void)admin_refuse(c, 405, "method_not_allowed", "only GET and HEAD are answered");
        reply_error(reply, c);
    } else if (strcmp(q->path, "/metrics") == 0) {
        reply_metrics(reply, c, false);
    } else if (strcmp(q->path, "/metrics/internal") == 0) {
        reply_metrics(reply, c, true);
    } else if (strcmp(q->path, "/livez") == 0 || strcmp(q->path, "/readyz") == 0) {
        reply_health(reply, c, q->path[1] == 'r');
    } else if (strcmp(q->path, "/v1/openapi.json") == 0) {
        reply_json(reply, 200, admin_openapi_json());
    } else {
        reply_v1(reply, c);
    }
    census_free(&c->tables);
    free(c);
}
