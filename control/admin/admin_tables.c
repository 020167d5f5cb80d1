#include "control/admin/admin_in.h"
#include "control/meta/meta.h"

#include "core/base/err.h"

#include <stddef.h>
#include <stdio.h>

/* ---- /v1/cluster, /v1/brokers ---- */

struct cluster_row {
    const char *cluster_id, *version;
    int32_t node_id;
    bool dataplane_up;
    uint32_t topics, partitions, cores;
    uint64_t offline, bytes;
    int64_t now_ms;
};
#define FIELD(name, type, help)                                                                    \
    {                                                                                              \
#name, ADMIN_##type, offsetof(struct cluster_row, name), help, NULL                        \
    }
const struct admin_schema admin_tables_cluster_schema = {
    "Cluster",
    (const struct admin_field[]){FIELD(cluster_id, STATIC, "id of the cluster"),
                                 FIELD(version, STATIC, "version of Sluice"),
                                 FIELD(node_id, I32, "number of the broker that answers"),
                                 FIELD(dataplane_up, BOOL, "whether the dataplane serves"),
                                 FIELD(topics, U32, "topics, internal ones included"),
                                 FIELD(partitions, U32, "partitions of them"),
                                 FIELD(cores, U32, "loops of the dataplane"),
                                 FIELD(offline, U64, "partitions that nobody serves"),
                                 FIELD(bytes, U64, "bytes of all partitions"),
                                 FIELD(now_ms, I64, "when this was written, ms since 1970"),
                                 {0}}};
#undef FIELD

json_t *
admin_tables_cluster(struct admin_call *c)
{
    const struct region_header *h = c->source.region->header;
    struct cluster_row row = {
        .cluster_id = (const char *)h->cluster_id,
        .version = SLUICE_VERSION,
        .node_id = atomic_load_explicit(&h->node_id, memory_order_relaxed),
        .dataplane_up = c->source.up[REGION_DATA],
        .topics = c->tables.topic_count,
        .partitions = c->tables.partition_count,
        .cores = h->shard_count,
        .now_ms = c->source.now_ms,
    };
    for (uint32_t i = 0; i < c->tables.partition_count; i++) {
        row.offline += !c->tables.partitions[i].open;
        row.bytes += c->tables.partitions[i].bytes;
    }
    return admin_json_object(&admin_tables_cluster_schema, &row);
}

struct broker_row {
    int32_t id;
    const char *listener, *host, *rack;
    uint32_t port;
};
#define FIELD(name, type, help)                                                                    \
    {                                                                                              \
#name, ADMIN_##type, offsetof(struct broker_row, name), help, NULL                         \
    }
const struct admin_schema admin_tables_broker_schema = {
    "Broker", (const struct admin_field[]){FIELD(id, I32, "number of the broker"),
                                           FIELD(listener, STATIC, "name of the listener"),
                                           FIELD(host, STATIC, "host that clients are told"),
                                           FIELD(port, U32, "port that clients are told"),
                                           FIELD(rack, STATIC, "rack, \"\" when there is none"),
                                           {0}}};
#undef FIELD

json_t *
admin_tables_brokers(struct admin_call *c)
{
    const struct conf *conf = c->source.conf;
    struct conf_listener at[CONF_LISTENERS_MAX];
    char error[CONF_ERROR_BYTES];
    const char *text = conf_text(conf, CONF_ADVERTISED);
    int count = conf_listeners(*text ? text : conf_text(conf, CONF_LISTENERS), at, error);
    json_t *items, *list = admin_json_list(c, count > 0 ? (uint64_t)count : 0, &items);
    for (int i = 0; i < count; i++) {
        struct broker_row row = {
            .id = atomic_load_explicit(&c->source.region->header->node_id, memory_order_relaxed),
            .listener = at[i].name,
            .host = at[i].host,
            .port = at[i].port,
            .rack = conf_text(conf, CONF_RACK)};
        if (admin_json_wanted(c, (uint64_t)i))
            json_array_append_new(items, admin_json_object(&admin_tables_broker_schema, &row));
    }
    return list;
}

/* ---- /v1/partitions ---- */

struct partition_row {
    struct view topic;
    int32_t partition, leader_id, leader_epoch;
    bool online, failed;
    int32_t core;
    int64_t log_start_offset, high_watermark, log_end_offset;
    uint64_t bytes;
};
#define FIELD(name, type, help)                                                                    \
    {                                                                                              \
#name, ADMIN_##type, offsetof(struct partition_row, name), help, NULL                      \
    }
const struct admin_schema admin_tables_partition_schema = {
    "Partition", (const struct admin_field[]){
                     FIELD(topic, TEXT, "name of its topic"),
                     FIELD(partition, I32, "number in its topic"),
                     FIELD(leader_id, I32, "broker that leads it"),
                     FIELD(leader_epoch, I32, "of that leadership"),
                     FIELD(online, BOOL, "whether it is served"),
                     FIELD(failed, BOOL, "whether its log cannot be served"),
                     FIELD(core, I32, "loop that has it, -1: none"),
                     FIELD(log_start_offset, I64, "first offset, -1: not known"),
                     FIELD(high_watermark, I64, "offset below which consumers read, -1: not known"),
                     FIELD(log_end_offset, I64, "next offset to be given, -1: not known"),
                     FIELD(bytes, U64, "bytes of its segments"),
                     {0}}};
#undef FIELD

static json_t *
partition_json(const struct census *c, const struct census_partition *p)
{
    struct partition_row row = {
        .topic = census_view(c, c->topics[p->topic].name),
        .partition = p->partition,
        .leader_id = p->leader_id,
        .leader_epoch = p->leader_epoch,
        .online = p->open,
        .failed = p->failed,
        .core = p->shard == CENSUS_NONE ? -1 : (int32_t)p->shard,
        .log_start_offset = p->log_start,
        .high_watermark = p->high_watermark,
        .log_end_offset = p->log_end,
        .bytes = p->bytes,
    };
    return admin_json_object(&admin_tables_partition_schema, &row);
}

json_t *
admin_tables_partitions(struct admin_call *c)
{
    const struct census *t = &c->tables;
    json_t *items, *list = admin_json_list(c, t->partition_count, &items);
    for (uint32_t i = 0; i < t->partition_count; i++)
        if (admin_json_wanted(c, i))
            json_array_append_new(items, partition_json(t, &t->partitions[i]));
    return list;
}

/* ---- /v1/topics ---- */

struct topic_row {
    struct view name;
    const char *id;
    bool internal;
    uint32_t partition_count;
    uint64_t bytes;
};
#define FIELD(name, type, help)                                                                    \
    {                                                                                              \
#name, ADMIN_##type, offsetof(struct topic_row, name), help, NULL                          \
    }
#define TOPIC_FIELDS                                                                               \
    FIELD(name, TEXT, "name"), FIELD(id, STATIC, "id, as Kafka prints it"),                        \
        FIELD(internal, BOOL, "whether it is the broker's own"),                                   \
        FIELD(partition_count, U32, "partitions"), FIELD(bytes, U64, "bytes of its partitions")
const struct admin_schema admin_tables_topic_schema = {
    "Topic", (const struct admin_field[]){TOPIC_FIELDS, {0}}};
const struct admin_schema admin_tables_whole_schema = {
    "TopicWhole", (const struct admin_field[]){TOPIC_FIELDS,
                                               {"partitions", ADMIN_OBJECTS, 0, "its partitions",
                                                &admin_tables_partition_schema},
                                               {0}}};
#undef FIELD
#undef TOPIC_FIELDS

static json_t *
topic_json(const struct census *c, const struct census_topic *t, const struct admin_schema *schema)
{
    char id[META_ID_TEXT_BYTES + 1];
    struct topic_row row = {.name = census_view(c, t->name),
                            .id = id,
                            .internal = t->internal,
                            .partition_count = t->count};
    meta_id_text(t->id, id);
    for (uint32_t i = t->first; i < t->first + t->count; i++)
        row.bytes += c->partitions[i].bytes;
    return admin_json_object(schema, &row);
}

json_t *
admin_tables_topics(struct admin_call *c)
{
    const struct census *t = &c->tables;
    json_t *items, *list = admin_json_list(c, t->topic_count, &items);
    for (uint32_t i = 0; i < t->topic_count; i++)
        if (admin_json_wanted(c, i))
            json_array_append_new(items, topic_json(t, &t->topics[i], &admin_tables_topic_schema));
    return list;
}

json_t *
admin_tables_topic(struct admin_call *c)
{
    const struct census *t = &c->tables;
    uint32_t at = census_topic_find(t, view_of_text(c->name));
    if (at == CENSUS_NONE)
        return admin_refuse(c, 404, "not_found", "there is no topic '%.249s'", c->name);
    const struct census_topic *topic = &t->topics[at];
    json_t *o = topic_json(t, topic, &admin_tables_whole_schema);
    json_t *partitions = json_object_get(o, "partitions");
    for (uint32_t i = topic->first; i < topic->first + topic->count; i++)
        json_array_append_new(partitions, partition_json(t, &t->partitions[i]));
    return o;
}
