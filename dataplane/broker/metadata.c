/* metadata.c: Metadata from the shard's index of topics.
 *
 * The answer is built as structs in the scratch memory, or in a block of the shard's memory when it
 * is larger; what needs more than a block (beyond 100 000 partitions) is left to control.
 * Source: Kafka KafkaApis.handleTopicMetadataRequest, KRaftMetadataCache, MetadataRequest. */
#include "dataplane/broker/metadata.h"

#include "core/base/err.h"
#include "core/wire/kerr.h"
#include "core/wire/wire_gen.h"
#include "dataplane/broker/forward.h"
#include "dataplane/broker/shard.h"

#include <stdlib.h>
#include <unistd.h>

enum {
    HOST_BYTES = 256,
    TOPIC_IDS_SINCE = 12,    /* 10 and 11 have the field, but refuse it */
    TOPIC_OPERATIONS = 3576, /* all that a topic has: no authorizer denies any */
    CLUSTER_OPERATIONS = 8096,
};

struct endpoint {
    char host[HOST_BYTES];
    uint16_t port;
};

/* ---- the address of this broker ---- */

/* Entry `index` of a comma-separated list; len 0 when there are not so many. */
static struct view
list_entry(const char *list, uint32_t index)
{
    for (;; index--) {
        while (*list == ' ')
            list++;
        size_t len = strcspn(list, ",");
        if (index == 0)
            return view_of(list, (uint32_t)len);
        if (list[len] == '\0')
            return view_of(list, 0);
        list += len + 1;
    }
}

static struct view
entry_name(struct view entry)
{
    for (uint32_t i = 0; i + 3 <= entry.len; i++) {
        if (memcmp(entry.at + i, "://", 3) == 0)
            return view_of(entry.at, i);
    }
    return view_of(entry.at, 0);
}

/* "NAME://host:port", host may be in brackets or empty. */
static bool
entry_parse(struct view entry, struct endpoint *out)
{
    struct view name = entry_name(entry);
    if (name.len == 0)
        return false;
    const uint8_t *at = name.at + name.len + 3, *end = entry.at + entry.len, *colon = end;
    while (colon > at && colon[-1] != ':')
        colon--;
    if (colon == at)
        return false;
    unsigned port = 0;
    for (const uint8_t *p = colon; p < end && *p >= '0' && *p <= '9' && port < 65536; p++)
        port = port * 10 + (unsigned)(*p - '0');
    uint32_t len = (uint32_t)(colon - 1 - at);
    if (len >= 2 && at[0] == '[' && at[len - 1] == ']') {
        at++;
        len -= 2;
    }
    if (port > 65535 || len >= sizeof out->host)
        return false;
    memcpy(out->host, at, len);
    out->host[len] = '\0';
    out->port = (uint16_t)port;
    return true;
}

static void
endpoint_find(const struct conf *conf, uint32_t listener, struct endpoint *out)
{
    const char *advertised = conf_text(conf, CONF_ADVERTISED);
    struct view own = list_entry(conf_text(conf, CONF_LISTENERS), listener), entry;
    bool found = false;
    for (uint32_t i = 0; !found && (entry = list_entry(advertised, i)).len > 0; i++)
        found = view_equal(entry_name(entry), entry_name(own)) && entry_parse(entry, out);
    if (!found && !entry_parse(own, out))
        *out = (struct endpoint){.host = "127.0.0.1", .port = 9092};
    /* An address that means "all of mine" leads nobody here. */
    if (out->host[0] == '\0' || strcmp(out->host, "0.0.0.0") == 0 || strcmp(out->host, "::") == 0) {
        if (gethostname(out->host, sizeof out->host - 1))
            memcpy(out->host, "localhost", sizeof "localhost");
        out->host[sizeof out->host - 1] = '\0';
    }
}

/* ---- topics ---- */

static bool
name_valid(struct view name)
{
    if (name.len == 0 || name.len > TABLE_NAME_BYTES_MAX)
        return false;
    if (view_equal(name, view_of_text(".")) || view_equal(name, view_of_text("..")))
        return false;
    for (uint32_t i = 0; i < name.len; i++) {
        uint8_t c = name.at[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '.' && c != '_' && c != '-')
            return false;
    }
    return true;
}

static bool
name_internal(struct view name)
{
    return view_equal(name, view_of_text("__consumer_offsets")) ||
           view_equal(name, view_of_text("__transaction_state")) ||
           view_equal(name, view_of_text("__share_group_state"));
}

static bool
id_given(const uint8_t id[16])
{
    static const uint8_t zero[16];
    return memcmp(id, zero, sizeof zero) != 0;
}

struct build {
    struct shard *s;
    struct wire_arena *arena;
    const struct wire_metadata_request *q;
    int16_t version;
    struct wire_metadata_response *a;
    struct wire_i32_array here; /* the one replica of everything */
};

/* Its shard cannot serve it: the log, or its whole data directory, failed. */
static bool
is_offline(const struct build *b, const struct route_part *p)
{
    struct table_have_fact have;
    return p->slot != UINT32_MAX &&
           table_have_read(&region_have(b->s->region)[p->slot], &have) == ERR_OK &&
           have.state == TABLE_FAILED &&
           memcmp(have.topic_id, p->topic_id, sizeof p->topic_id) == 0;
}

/* False: the arena is full. */
static bool
add_live(struct build *b, const struct route_topic *t)
{
    struct wire_metadata_response_topic *out = &b->a->topics.items[b->a->topics.count];
    uint32_t count = t->fact.partition_count;
    out->name = view_of(t->fact.name, t->fact.name_bytes);
    memcpy(out->topic_id, t->fact.id, sizeof out->topic_id);
    out->is_internal = t->fact.internal;
    if (b->version >= 8 && b->q->include_topic_authorized_operations)
        out->topic_authorized_operations = TOPIC_OPERATIONS;
    out->partitions.items = wire_items(b->arena, &wire_metadata_response_partition_struct, count);
    if (!out->partitions.items)
        return false;
    out->partitions.count = (int32_t)count;
    for (uint32_t i = 0; i < count; i++) {
        const struct route_part *p = route_part(t, (int32_t)i);
        struct wire_metadata_response_partition *to = &out->partitions.items[i];
        bool offline = p && is_offline(b, p), led = p && p->leader_id >= 0 && !offline;
        to->error_code = led ? KERR_NONE : KERR_LEADER_NOT_AVAILABLE;
        to->partition_index = (int32_t)i;
        to->leader_id = led ? p->leader_id : -1;
        to->leader_epoch = p ? p->leader_epoch : -1;
        to->replica_nodes = b->here;
        to->isr_nodes = b->here;
        if (offline)
            to->offline_replicas = b->here;
    }
    b->a->topics.count++;
    return true;
}

static void
add_error(struct build *b, int16_t error, struct view name, const uint8_t *id)
{
    struct wire_metadata_response_topic *out = &b->a->topics.items[b->a->topics.count++];
    out->error_code = error;
    out->name = name;
    out->is_internal = name_internal(name);
    if (id)
        memcpy(out->topic_id, id, sizeof out->topic_id);
    else if (b->version >= 8 && b->q->include_topic_authorized_operations)
        out->topic_authorized_operations = TOPIC_OPERATIONS;
}

static bool
topics_take(struct build *b, uint32_t count)
{
    b->a->topics.items = wire_items(b->arena, &wire_metadata_response_topic_struct, count);
    b->a->topics.count = 0;
    return b->a->topics.items != NULL;
}

static bool
add_all(struct build *b)
{
    uint32_t live = 0, rows = route_rows(b->s->route);
    for (uint32_t i = 0; i < rows; i++)
        live += route_by_row(b->s->route, i) != NULL;
    if (!topics_take(b, live))
        return false;
    for (uint32_t i = 0; i < rows; i++) {
        const struct route_topic *t = route_by_row(b->s->route, i);
        if (t && !add_live(b, t))
            return false;
    }
    return true;
}

/* True when the topic of this place was asked for before.  seen: zeroed, mask + 1 places. */
static bool
seen_before(const struct build *b, bool by_id, int32_t place, uint32_t *seen, uint32_t mask)
{
    const struct wire_metadata_request_topic *all = b->q->topics.items, *t = &all[place];
    struct view key = by_id ? view_of(t->topic_id, sizeof t->topic_id) : t->name;
    uint64_t h = b->s->now_ns | 1;
    for (uint32_t k = 0; k < key.len; k++) {
        h = (h ^ key.at[k]) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 29;
    }
    uint32_t at = (uint32_t)(h >> 20) & mask;
    for (; seen[at]; at = (at + 1) & mask) {
        const struct wire_metadata_request_topic *o = &all[seen[at] - 1];
        struct view other = by_id ? view_of(o->topic_id, sizeof o->topic_id) : o->name;
        if (view_equal(other, key))
            return true;
    }
    seen[at] = (uint32_t)place + 1;
    return false;
}

/* The topics that are named, each once; ids count, and names only when there is no id at all. */
static bool
add_named(struct build *b, bool by_id)
{
    uint32_t count = (uint32_t)b->q->topics.count, mask = 3;
    while (mask < 2 * count)
        mask = 2 * mask + 1;
    uint32_t *seen = wire_arena_take(b->arena, ((size_t)mask + 1) * sizeof *seen);
    if (!seen || !topics_take(b, count))
        return false;
    for (int32_t i = 0; i < b->q->topics.count; i++) {
        const struct wire_metadata_request_topic *t = &b->q->topics.items[i];
        if ((by_id && !id_given(t->topic_id)) || seen_before(b, by_id, i, seen, mask))
            continue;
        const struct route_topic *live =
            by_id ? route_by_id(b->s->route, t->topic_id) : route_by_name(b->s->route, t->name);
        if (live && !add_live(b, live))
            return false;
        if (live)
            continue;
        if (by_id)
            add_error(b, KERR_UNKNOWN_TOPIC_ID, view_of(NULL, 0), t->topic_id);
        else
            add_error(b,
                      name_valid(t->name) ? KERR_UNKNOWN_TOPIC_OR_PARTITION
                                          : KERR_INVALID_TOPIC_EXCEPTION,
                      t->name, NULL);
    }
    return true;
}

/* ---- the request ---- */

static bool
ids_given(const struct wire_metadata_request *q)
{
    for (int32_t i = 0; i < q->topics.count; i++) {
        if (id_given(q->topics.items[i].topic_id))
            return true;
    }
    return false;
}

/* Versions 10 and 11 know neither null names nor ids; no version knows a topic with neither. */
static bool
invalid(const struct wire_metadata_request *q, int16_t version)
{
    for (int32_t i = 0; i < q->topics.count; i++) {
        const struct wire_metadata_request_topic *t = &q->topics.items[i];
        bool id = id_given(t->topic_id);
        if (version < TOPIC_IDS_SINCE ? !t->name.at || id : !t->name.at && !id)
            return true;
    }
    return false;
}

/* A topic is missing that may be created: control does that, and answers. */
static bool
creates(struct shard *s, const struct wire_metadata_request *q)
{
    if (!q->allow_auto_topic_creation || !conf_bool(s->config.conf, CONF_AUTO_CREATE))
        return false;
    for (int32_t i = 0; i < q->topics.count; i++) {
        if (!route_by_name(s->route, q->topics.items[i].name))
            return true;
    }
    return false;
}

/* Kafka's answer to a request that is invalid as a whole. */
static bool
refuse(struct build *b)
{
    uint32_t count = b->q->topics.count > 0 ? (uint32_t)b->q->topics.count : 0;
    b->a->error_code = KERR_INVALID_REQUEST;
    if (!topics_take(b, count))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct view name = b->q->topics.items[i].name;
        struct wire_metadata_response_topic *out = &b->a->topics.items[b->a->topics.count++];
        out->error_code = KERR_INVALID_REQUEST;
        out->name = name.at ? name : view_of_text("");
    }
    return true;
}

static void
fill_head(struct build *b, struct wire_metadata_response_broker *self,
          const struct endpoint *endpoint)
{
    struct shard *s = b->s;
    self->node_id = s->node_id;
    self->host = view_of_text(endpoint->host);
    self->port = endpoint->port;
    self->rack = conf_nullable(s->config.conf, CONF_RACK);
    b->a->brokers.items = self;
    b->a->brokers.count = 1;
    b->a->cluster_id = view_of_text((const char *)s->region->header->cluster_id);
    b->a->controller_id = s->node_id;
    if (b->version >= 8 && b->version <= 10 && b->q->include_cluster_authorized_operations)
        b->a->cluster_authorized_operations = CLUSTER_OPERATIONS;
}

/* REQ_DONE, REQ_AGAIN, REQ_FAILED; REQ_PENDING: the arena is too small. */
static enum req_verdict
answer_from(struct shard *s, struct req *r, const struct wire_metadata_request *q,
            struct wire_arena *arena)
{
    struct wire_metadata_response a;
    wire_init(r->api->response, &a);
    struct build b = {s, arena, q, r->version, &a, {&s->node_id, 1}};
    struct endpoint endpoint;
    bool room;
    if (invalid(q, r->version)) {
        room = refuse(&b);
    } else {
        struct wire_metadata_response_broker *self =
            wire_items(arena, &wire_metadata_response_broker_struct, 1);
        if (!self)
            return REQ_PENDING;
        endpoint_find(s->config.conf, r->conn->listener, &endpoint);
        fill_head(&b, self, &endpoint);
        bool all = q->topics.count < 0 || (r->version == 0 && q->topics.count == 0);
        room = all ? add_all(&b) : add_named(&b, ids_given(q));
    }
    return room ? req_answer_struct(s, r, &a) : REQ_PENDING;
}

enum req_verdict
metadata_start(struct shard *s, struct req *r, struct view body)
{
    struct wire_metadata_request q;
    if (wire_decode(r->api->request, r->version, body, &q, &s->scratch))
        return REQ_BAD;
    if (!invalid(&q, r->version) && !ids_given(&q) && creates(s, &q))
        return forward_start(s, r, body);
    struct wire_arena rest;
    wire_arena_init(&rest, s->scratch.at + s->scratch.used, s->scratch.room - s->scratch.used);
    enum req_verdict verdict = answer_from(s, r, &q, &rest);
    if (verdict != REQ_PENDING)
        return verdict;
    size_t room;
    void *block = buddy_take(s->memory, SHARD_ANSWER_BLOCK_MAX, &room);
    if (!block)
        return REQ_AGAIN;
    wire_arena_init(&rest, block, room);
    verdict = answer_from(s, r, &q, &rest);
    buddy_give(s->memory, block);
    return verdict == REQ_PENDING ? forward_start(s, r, body) : verdict;
}
