/* group_fetch.c: OffsetFetch and OffsetDelete.  An offset that is not there is -1, no error.  With
 * require_stable an offset that an open transaction is about to change is UNSTABLE_OFFSET_COMMIT.
 */
#include "control/group/group_fence.h"

struct found {
    int64_t offset;
    int32_t leader_epoch;
    struct view metadata;
    int16_t error;
};

static bool
same_topic(const uint8_t a[16], const uint8_t b[16])
{
    static const uint8_t none[16];
    return memcmp(a, none, 16) == 0 || memcmp(b, none, 16) == 0 || memcmp(a, b, 16) == 0;
}

/* g NULL: no such group.  A topic's id may be zero: of any topic of that name; else an offset of a
 * former topic of the name is none. */
static struct found
find(const struct group *g, const struct group_topic *topic, int32_t partition, bool stable)
{
    struct found f = {.offset = -1, .leader_epoch = -1, .metadata = view_of("", 0)};
    const struct group_offset *o =
        g ? group_offsets_get(&g->offsets, topic->name, partition) : NULL;
    if (g && stable && group_offset_pending(g, topic->name, partition)) {
        f.error = KERR_UNSTABLE_OFFSET_COMMIT;
    } else if (o && same_topic(o->topic_id, topic->id)) {
        f.offset = o->offset;
        f.leader_epoch = o->leader_epoch;
        f.metadata = o->metadata;
    }
    return f;
}

/* ---- versions 8 and later: several groups ------------------------------------------------------
 */

static void
partition_out(struct wire_offset_fetch_response_partitions *to, int32_t partition, struct found f)
{
    to->partition_index = partition;
    to->committed_offset = f.offset;
    to->committed_leader_epoch = f.leader_epoch;
    to->metadata = f.metadata;
    to->error_code = f.error;
}

static bool
partitions_take(struct group_shard *s, struct wire_offset_fetch_response_topics *to, int32_t n)
{
    to->partitions.items = group_items(s, &wire_offset_fetch_response_partitions_struct, n);
    to->partitions.count = to->partitions.items ? n : 0;
    return n <= 0 || to->partitions.items;
}

static bool
topic_out(struct group_shard *s, const struct coord_request *r, const struct group *g,
          const struct wire_offset_fetch_request_topics *from,
          struct wire_offset_fetch_response_topics *to)
{
    const struct wire_offset_fetch_request *q = r->body;
    const struct group_port *port = &s->config->port;
    struct group_topic t = {.name = from->name};
    bool known = r->version < 10 || (port->by_id && port->by_id(port->user, from->topic_id, &t));
    to->name = from->name;
    memcpy(to->topic_id, from->topic_id, sizeof to->topic_id);
    if (!partitions_take(s, to, from->partition_indexes.count))
        return false;
    for (int32_t i = 0; i < to->partitions.count; i++) {
        int32_t partition = from->partition_indexes.items[i];
        struct found f = find(known ? g : NULL, &t, partition, q->require_stable);
        f.error = known ? f.error : KERR_UNKNOWN_TOPIC_ID;
        partition_out(&to->partitions.items[i], partition, f);
    }
    return true;
}

static bool
asked_out(struct group_shard *s, const struct coord_request *r, const struct group *g,
          const struct wire_offset_fetch_request_group *from,
          struct wire_offset_fetch_response_group *to)
{
    int32_t n = from->topics.count;
    to->topics.items = group_items(s, &wire_offset_fetch_response_topics_struct, n);
    if (n > 0 && !to->topics.items)
        return false;
    for (int32_t i = 0; i < n; i++) {
        if (!topic_out(s, r, g, &from->topics.items[i], &to->topics.items[i]))
            return false;
        to->topics.count++;
    }
    return true;
}

/* With ids (version 10) a topic that is gone is left out, as its offsets soon will be. */
static bool
all_out(struct group_shard *s, const struct coord_request *r, const struct group *g,
        struct wire_offset_fetch_response_group *to)
{
    const struct wire_offset_fetch_request *q = r->body;
    const struct group_port *port = &s->config->port;
    if (!g || g->offsets.count == 0)
        return true;
    const struct group_map *topics = &g->offsets.topics;
    to->topics.items =
        group_items(s, &wire_offset_fetch_response_topics_struct, (int32_t)topics->count);
    if (!to->topics.items)
        return false;
    for (struct group_node *n = group_map_next(topics, NULL); n; n = group_map_next(topics, n)) {
        const struct group_topic_offsets *t = group_item(n, struct group_topic_offsets, node);
        struct wire_offset_fetch_response_topics *topic = &to->topics.items[to->topics.count];
        struct group_topic known = {.name = n->key};
        if (r->version >= 10 && !(port->by_name && port->by_name(port->user, n->key, &known)))
            continue;
        topic->name = n->key;
        memcpy(topic->topic_id, known.id, sizeof topic->topic_id);
        if (!partitions_take(s, topic, (int32_t)t->count))
            return false;
        for (uint32_t i = 0; i < t->count; i++)
            partition_out(&topic->partitions.items[i], t->items[i].partition,
                          find(g, &known, t->items[i].partition, q->require_stable));
        to->topics.count++;
    }
    return true;
}

static void
group_out(struct group_shard *s, const struct coord_request *r,
          const struct wire_offset_fetch_request_group *from,
          struct wire_offset_fetch_response_group *to)
{
    const struct group *g = group_find(s, from->group_id);
    to->group_id = from->group_id;
    if (g && g->consumer)
        to->error_code = group_fence_fetch(g->consumer, from->member_id, from->member_epoch);
    if (to->error_code != KERR_NONE)
        return;
    bool whole = from->topics.count < 0 ? all_out(s, r, g, to) : asked_out(s, r, g, from, to);
    if (!whole) {
        to->topics.count = 0;
        to->error_code = KERR_UNKNOWN_SERVER_ERROR;
    }
}

static void
fetch_groups(struct group_shard *s, const struct coord_request *r)
{
    const struct wire_offset_fetch_request *q = r->body;
    struct wire_offset_fetch_response a;
    wire_init(&wire_offset_fetch_response_message, &a);
    int32_t n = q->groups.count;
    a.groups.items = group_items(s, &wire_offset_fetch_response_group_struct, n);
    for (int32_t i = 0; a.groups.items && i < n; i++)
        group_out(s, r, &q->groups.items[i], &a.groups.items[a.groups.count++]);
    group_answer(s, r->token, &a);
}

/* ---- versions 1 to 7: one group ---------------------------------------------------------------
 */

static void
old_partition_out(struct wire_offset_fetch_response_topic *to, int32_t partition, struct found f)
{
    struct wire_offset_fetch_response_partition *p = &to->partitions.items[to->partitions.count++];
    p->partition_index = partition;
    p->committed_offset = f.offset;
    p->committed_leader_epoch = f.leader_epoch;
    p->metadata = f.metadata;
    p->error_code = f.error;
}

static bool
old_asked_out(struct group_shard *s, const struct wire_offset_fetch_request *q,
              const struct group *g, struct wire_offset_fetch_response *a)
{
    for (int32_t i = 0; i < q->topics.count; i++) {
        const struct wire_offset_fetch_request_topic *from = &q->topics.items[i];
        struct wire_offset_fetch_response_topic *to = &a->topics.items[a->topics.count++];
        int32_t n = from->partition_indexes.count;
        to->name = from->name;
        to->partitions.items = group_items(s, &wire_offset_fetch_response_partition_struct, n);
        if (n > 0 && !to->partitions.items)
            return false;
        for (int32_t j = 0; j < n; j++)
            old_partition_out(to, from->partition_indexes.items[j],
                              find(g, &(struct group_topic){.name = from->name},
                                   from->partition_indexes.items[j], q->require_stable));
    }
    return true;
}

static bool
old_all_out(struct group_shard *s, const struct wire_offset_fetch_request *q, const struct group *g,
            struct wire_offset_fetch_response *a)
{
    const struct group_map *topics = &g->offsets.topics;
    for (struct group_node *n = group_map_next(topics, NULL); n; n = group_map_next(topics, n)) {
        const struct group_topic_offsets *t = group_item(n, struct group_topic_offsets, node);
        struct wire_offset_fetch_response_topic *to = &a->topics.items[a->topics.count++];
        to->name = n->key;
        to->partitions.items =
            group_items(s, &wire_offset_fetch_response_partition_struct, (int32_t)t->count);
        if (!to->partitions.items)
            return false;
        for (uint32_t i = 0; i < t->count; i++)
            old_partition_out(to, t->items[i].partition,
                              find(g, &(struct group_topic){.name = n->key}, t->items[i].partition,
                                   q->require_stable));
    }
    return true;
}

static void
fetch_one(struct group_shard *s, const struct coord_request *r)
{
    const struct wire_offset_fetch_request *q = r->body;
    const struct group *g = group_find(s, q->group_id);
    struct wire_offset_fetch_response a;
    wire_init(&wire_offset_fetch_response_message, &a);
    bool all = q->topics.count < 0;
    int32_t n = all ? (g ? (int32_t)g->offsets.topics.count : 0) : q->topics.count;
    a.topics.items = group_items(s, &wire_offset_fetch_response_topic_struct, n);
    bool whole = n == 0 || a.topics.items;
    if (whole && n > 0)
        whole = all ? old_all_out(s, q, g, &a) : old_asked_out(s, q, g, &a);
    if (!whole) {
        a.topics.count = 0;
        a.error_code = KERR_UNKNOWN_SERVER_ERROR;
    }
    group_answer(s, r->token, &a);
}

void
group_api_fetch(struct group_shard *s, const struct coord_request *r)
{
    if (r->version >= 8)
        fetch_groups(s, r);
    else
        fetch_one(s, r);
}

/* ---- OffsetDelete ---------------------------------------------------------------------------- */

static int16_t
delete_one(struct group *g, struct view topic, int32_t partition)
{
    const struct group_port *port = &g->shard->config->port;
    struct group_topic t;
    if (!port->by_name || !port->by_name(port->user, topic, &t) || partition < 0 ||
        partition >= t.partition_count)
        return KERR_UNKNOWN_TOPIC_OR_PARTITION;
    if (group_subscribed(g, topic))
        return KERR_GROUP_SUBSCRIBED_TO_TOPIC;
    struct group_commit c = {g->node.key, topic, partition, -1, -1, NULL};
    if (group_offsets_get(&g->offsets, topic, partition) ||
        group_offset_pending(g, topic, partition))
        group_record_offset(g->shard, &c);
    return KERR_NONE;
}

static bool
delete_topics(struct group *g, const struct wire_offset_delete_request *q,
              struct wire_offset_delete_response *a)
{
    struct group_shard *s = g->shard;
    int32_t n = q->topics.count;
    a->topics.items = group_items(s, &wire_offset_delete_response_topic_struct, n);
    if (n > 0 && !a->topics.items)
        return false;
    for (int32_t i = 0; i < n; i++) {
        const struct wire_offset_delete_request_topic *from = &q->topics.items[i];
        struct wire_offset_delete_response_topic *to = &a->topics.items[a->topics.count++];
        int32_t count = from->partitions.count;
        to->name = from->name;
        to->partitions.items = group_items(s, &wire_offset_delete_response_partition_struct, count);
        if (count > 0 && !to->partitions.items)
            return false;
        for (int32_t j = 0; j < count; j++) {
            int32_t partition = from->partitions.items[j].partition_index;
            to->partitions.items[j].partition_index = partition;
            to->partitions.items[j].error_code = delete_one(g, from->name, partition);
        }
        to->partitions.count = count > 0 ? count : 0;
    }
    return true;
}

void
group_api_offset_delete(struct group_shard *s, const struct coord_request *r)
{
    const struct wire_offset_delete_request *q = r->body;
    struct wire_offset_delete_response a;
    wire_init(&wire_offset_delete_response_message, &a);
    struct group *g = group_find(s, q->group_id);
    if (q->group_id.len == 0)
        a.error_code = KERR_INVALID_GROUP_ID;
    else if (!g)
        a.error_code = KERR_GROUP_ID_NOT_FOUND;
    else if (g->state != GROUP_EMPTY && !group_is_consumer(g))
        a.error_code = KERR_NON_EMPTY_GROUP;
    else if (!delete_topics(g, q, &a))
        a.error_code = KERR_UNKNOWN_SERVER_ERROR;
    group_answer(s, r->token, &a);
    if (g)
        group_settle(g);
}
