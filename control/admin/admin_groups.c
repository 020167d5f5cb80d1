#include "control/admin/admin_in.h"
#include "control/meta/meta.h"

#include <stddef.h>

/* ---- /v1/groups ---- */

struct group_row {
    struct view group, protocol_type, protocol;
    const char *state, *type;
    uint32_t members, offset_count;
    int32_t coordinator;
    uint64_t lag, lag_highest;
};
#define FIELD(name, type, help)                                                                    \
    {                                                                                              \
#name, ADMIN_##type, offsetof(struct group_row, name), help, NULL                          \
    }
#define GROUP_FIELDS                                                                               \
    FIELD(group, TEXT, "id of the group"), FIELD(state, STATIC, "state, as Kafka names it"),       \
        FIELD(type, STATIC, "Classic or Consumer"),                                                \
        FIELD(protocol_type, TEXT, "type of its protocol, \"\" without one"),                      \
        FIELD(protocol, TEXT, "its protocol (assignor), \"\" without one"),                        \
        FIELD(members, U32, "members"),                                                            \
        FIELD(coordinator, I32, "partition of __consumer_offsets that keeps it"),                  \
        FIELD(offset_count, U32, "partitions that it has committed"),                              \
        FIELD(lag, U64, "records behind, over its partitions"),                                    \
        FIELD(lag_highest, U64, "records behind, of its worst partition")
const struct admin_schema admin_groups_schema = {"Group",
                                                 (const struct admin_field[]){GROUP_FIELDS, {0}}};

struct offset_row {
    struct view topic;
    int32_t partition;
    int64_t offset, commit_ms, high_watermark, lag;
};
#define OFFSET(name, type, help)                                                                   \
    {                                                                                              \
#name, ADMIN_##type, offsetof(struct offset_row, name), help, NULL                         \
    }
static const struct admin_schema offset_schema = {
    "GroupOffset",
    (const struct admin_field[]){OFFSET(topic, TEXT, "name of the topic"),
                                 OFFSET(partition, I32, "number in it"),
                                 OFFSET(offset, I64, "what the group has committed"),
                                 OFFSET(commit_ms, I64, "when, ms since 1970"),
                                 OFFSET(high_watermark, I64, "of the partition, -1: not known"),
                                 OFFSET(lag, I64, "records between the two, -1: not known"),
                                 {0}}};
#undef OFFSET
const struct admin_schema admin_groups_whole_schema = {
    "GroupWhole",
    (const struct admin_field[]){
        GROUP_FIELDS, {"offsets", ADMIN_OBJECTS, 0, "what it has committed", &offset_schema}, {0}}};
#undef FIELD
#undef GROUP_FIELDS

static json_t *
group_json(const struct admin_call *c, const struct census_group *g,
           const struct admin_schema *schema)
{
    const struct census *all = c->source.groups;
    struct group_row row = {
        .group = census_view(all, g->id),
        .protocol_type = census_view(all, g->protocol_type),
        .protocol = census_view(all, g->protocol),
        .state = g->state,
        .type = g->type,
        .members = g->members,
        .coordinator = g->coordinator,
        .offset_count = g->count,
    };
    for (uint32_t i = g->first; i < g->first + g->count; i++) {
        int64_t lag = census_lag(&c->tables, &all->offsets[i]);
        if (lag <= 0)
            continue;
        row.lag += (uint64_t)lag;
        row.lag_highest = (uint64_t)lag > row.lag_highest ? (uint64_t)lag : row.lag_highest;
    }
    return admin_json_object(schema, &row);
}

static json_t *
not_told(struct admin_call *c)
{
    return admin_refuse(c, 503, "unavailable", "control is busy and has not told its groups yet");
}

json_t *
admin_groups_list(struct admin_call *c)
{
    const struct census *all = c->source.groups;
    if (!all)
        return not_told(c);
    json_t *items, *list = admin_json_list(c, all->group_count, &items);
    for (uint32_t i = 0; i < all->group_count; i++)
        if (admin_json_wanted(c, i))
            json_array_append_new(items, group_json(c, &all->groups[i], &admin_groups_schema));
    return list;
}

static json_t *
offset_json(const struct admin_call *c, const struct census_offset *o)
{
    const struct census *t = &c->tables;
    struct offset_row row = {
        .topic = census_view(c->source.groups, o->topic),
        .partition = o->partition,
        .offset = o->offset,
        .commit_ms = o->commit_ms,
        .high_watermark = o->at == CENSUS_NONE ? -1 : t->partitions[o->at].high_watermark,
        .lag = census_lag(t, o),
    };
    return admin_json_object(&offset_schema, &row);
}

json_t *
admin_groups_one(struct admin_call *c)
{
    const struct census *all = c->source.groups;
    if (!all)
        return not_told(c);
    for (uint32_t i = 0; i < all->group_count; i++) {
        const struct census_group *g = &all->groups[i];
        if (!view_equal(census_view(all, g->id), view_of_text(c->name)))
            continue;
        json_t *o = group_json(c, g, &admin_groups_whole_schema);
        json_t *offsets = json_object_get(o, "offsets");
        for (uint32_t k = g->first; k < g->first + g->count; k++)
            json_array_append_new(offsets, offset_json(c, &all->offsets[k]));
        return o;
    }
    return admin_refuse(c, 404, "not_found", "there is no group '%.300s'", c->name);
}

/* ---- /v1/transactions ---- */

struct txn_row {
    struct view transactional_id;
    const char *state;
    int64_t producer_id, start_ms;
    int32_t producer_epoch, timeout_ms, coordinator;
    uint32_t partition_count;
};
#define FIELD(name, type, help)                                                                    \
    {                                                                                              \
#name, ADMIN_##type, offsetof(struct txn_row, name), help, NULL                            \
    }
const struct admin_schema admin_groups_txn_schema = {
    "Transaction", (const struct admin_field[]){
                       FIELD(transactional_id, TEXT, "id that the producer gave itself"),
                       FIELD(state, STATIC, "state, as Kafka names it"),
                       FIELD(producer_id, I64, "producer id"),
                       FIELD(producer_epoch, I32, "epoch of the producer"),
                       FIELD(timeout_ms, I32, "after which the transaction is aborted"),
                       FIELD(start_ms, I64, "when it began, ms since 1970; -1: none is open"),
                       FIELD(partition_count, U32, "partitions of it"),
                       FIELD(coordinator, I32, "partition of __transaction_state that keeps it"),
                       {0}}};
#undef FIELD

json_t *
admin_groups_txns(struct admin_call *c)
{
    const struct census *all = c->source.groups;
    if (!all)
        return not_told(c);
    json_t *items, *list = admin_json_list(c, all->txn_count, &items);
    for (uint32_t i = 0; i < all->txn_count; i++) {
        const struct census_txn *t = &all->txns[i];
        struct txn_row row = {
            .transactional_id = census_view(all, t->id),
            .state = t->state,
            .producer_id = t->producer_id,
            .producer_epoch = t->epoch,
            .timeout_ms = t->timeout_ms,
            .start_ms = t->start_ms,
            .partition_count = t->partitions,
            .coordinator = t->coordinator,
        };
        if (admin_json_wanted(c, i))
            json_array_append_new(items, admin_json_object(&admin_groups_txn_schema, &row));
    }
    return list;
}

/* ---- /v1/clients ---- */

struct client_row {
    const char *client_instance_id;
    struct view client_id, software_name, software_version, address;
    int64_t pushed_ms;
    uint32_t metric_count;
};
#define FIELD(name, type, help)                                                                    \
    {                                                                                              \
#name, ADMIN_##type, offsetof(struct client_row, name), help, NULL                         \
    }
const struct admin_schema admin_groups_client_schema = {
    "Client", (const struct admin_field[]){
                  FIELD(client_instance_id, STATIC, "id that the broker gave it"),
                  FIELD(client_id, TEXT, "name that it gave itself"),
                  FIELD(software_name, TEXT, "client library, \"\" where it is not known"),
                  FIELD(software_version, TEXT, "its version"),
                  FIELD(address, TEXT, "where it pushed from"),
                  FIELD(pushed_ms, I64, "last push, ms since 1970"),
                  FIELD(metric_count, U32, "values that are kept of it"),
                  {0}}};
#undef FIELD

json_t *
admin_groups_clients(struct admin_call *c)
{
    const struct census *all = c->source.groups;
    if (!all)
        return not_told(c);
    json_t *items, *list = admin_json_list(c, all->client_count, &items);
    for (uint32_t i = 0; i < all->client_count; i++) {
        const struct census_client *from = &all->clients[i];
        char id[META_ID_TEXT_BYTES + 1];
        struct client_row row = {
            .client_instance_id = id,
            .client_id = census_view(all, from->client_id),
            .software_name = census_view(all, from->software_name),
            .software_version = census_view(all, from->software_version),
            .address = census_view(all, from->address),
            .pushed_ms = from->pushed_ms,
            .metric_count = from->count,
        };
        meta_id_text(from->instance, id);
        if (admin_json_wanted(c, i))
            json_array_append_new(items, admin_json_object(&admin_groups_client_schema, &row));
    }
    return list;
}
