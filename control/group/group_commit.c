/* group_commit.c: OffsetCommit and TxnOffsetCommit.  Partitions that do not exist are refused one
 * by one, as Kafka's broker does before it asks the coordinator; then the member is checked; then
 * each partition becomes a record. */
#include "control/group/group_fence.h"

/* KERR_NONE, or why the group takes no offsets from this member now. */
static int16_t
commit_check(const struct group *g, struct view member_id, struct view instance, int32_t generation,
             bool txn)
{
    if (generation < 0 && g->state == GROUP_EMPTY)
        return KERR_NONE;
    if (generation >= 0 || member_id.len > 0 || instance.at) {
        int16_t error = group_member_check(g, member_id, instance);
        if (error != KERR_NONE)
            return error;
        if (generation != g->generation)
            return KERR_ILLEGAL_GENERATION;
    } else if (!txn) {
        return KERR_UNKNOWN_MEMBER_ID;
    }
    return !txn && g->state == GROUP_COMPLETING ? KERR_REBALANCE_IN_PROGRESS : KERR_NONE;
}

/* A group that is not there is made by who commits without a generation: a "simple" group. */
static int16_t
missing(int32_t generation, bool late)
{
    if (generation < 0)
        return KERR_NONE;
    return late ? KERR_GROUP_ID_NOT_FOUND : KERR_ILLEGAL_GENERATION;
}

static bool
partition_exists(const struct group_topic *t, int32_t partition)
{
    return partition >= 0 && partition < t->partition_count;
}

static bool
topic_find(const struct group_shard *s, struct view name, struct group_topic *out)
{
    const struct group_port *p = &s->config->port;
    return p->by_name && p->by_name(p->user, name, out);
}

static int16_t
commit_one(struct group_shard *s, const struct group_commit *c)
{
    if (c->offset->metadata.len > (uint32_t)s->config->offset_metadata_max_bytes)
        return KERR_OFFSET_METADATA_TOO_LARGE;
    group_record_offset(s, c);
    return KERR_NONE;
}

/* ---- OffsetCommit ---------------------------------------------------------------------------- */

static int16_t
commit_member(struct group_shard *s, const struct coord_request *r, struct group_fence *f)
{
    const struct wire_offset_commit_request *q = r->body;
    struct group *g = group_find(s, q->group_id);
    *f = (struct group_fence){.member_id = q->member_id,
                              .instance = q->group_instance_id,
                              .epoch = q->generation_id_or_member_epoch,
                              .version = r->version};
    if (!g)
        return missing(q->generation_id_or_member_epoch, r->version >= 9);
    if (g->consumer)
        return group_fence_commit(g->consumer, f);
    int16_t error = commit_check(g, q->member_id, q->group_instance_id,
                                 q->generation_id_or_member_epoch, false);
    struct group_member *m = group_member_find(g, q->member_id);
    if (error == KERR_NONE && m && (g->state == GROUP_STABLE || g->state == GROUP_PREPARING))
        group_member_session(m);
    return error;
}

static void
commit_topic(struct group_shard *s, const struct coord_request *r, int16_t member_error,
             const struct group_fence *fence, const struct wire_offset_commit_request_topic *from,
             struct wire_offset_commit_response_topic *to)
{
    const struct wire_offset_commit_request *q = r->body;
    const struct group_port *port = &s->config->port;
    struct group_topic t = {.partition_count = 0};
    bool by_id = r->version >= 10;
    bool found = by_id ? port->by_id && port->by_id(port->user, from->topic_id, &t)
                       : topic_find(s, from->name, &t);
    to->name = from->name;
    memcpy(to->topic_id, from->topic_id, sizeof to->topic_id);
    for (int32_t i = 0; i < from->partitions.count; i++) {
        const struct wire_offset_commit_request_partition *p = &from->partitions.items[i];
        struct group_offset o = {.partition = p->partition_index,
                                 .leader_epoch = p->committed_leader_epoch,
                                 .offset = p->committed_offset,
                                 .commit_ms = s->step->now_ms,
                                 .expire_ms = -1,
                                 .metadata = p->committed_metadata};
        memcpy(o.topic_id, from->topic_id, sizeof o.topic_id);
        if (q->retention_time_ms >= 0)
            o.expire_ms = s->step->now_ms + q->retention_time_ms;
        struct group_commit c = {q->group_id, t.name, o.partition, -1, -1, &o};
        int16_t error = member_error;
        if (!found)
            error = by_id ? KERR_UNKNOWN_TOPIC_ID : KERR_UNKNOWN_TOPIC_OR_PARTITION;
        else if (!partition_exists(&t, o.partition))
            error = KERR_UNKNOWN_TOPIC_OR_PARTITION;
        if (error == KERR_NONE)
            error = group_fence_partition(fence, t.id, o.partition);
        if (error == KERR_NONE)
            error = commit_one(s, &c);
        to->partitions.items[i].partition_index = p->partition_index;
        to->partitions.items[i].error_code = error;
    }
    to->partitions.count = from->partitions.count;
}

void
group_api_commit(struct group_shard *s, const struct coord_request *r)
{
    const struct wire_offset_commit_request *q = r->body;
    struct wire_offset_commit_response a;
    wire_init(&wire_offset_commit_response_message, &a);
    a.topics.items = group_items(s, &wire_offset_commit_response_topic_struct, q->topics.count);
    struct group_fence fence;
    int16_t error = commit_member(s, r, &fence);
    for (int32_t i = 0; a.topics.items && i < q->topics.count; i++) {
        struct wire_offset_commit_response_topic *to = &a.topics.items[i];
        int32_t n = q->topics.items[i].partitions.count;
        to->partitions.items = group_items(s, &wire_offset_commit_response_partition_struct, n);
        if (n > 0 && !to->partitions.items)
            break;
        commit_topic(s, r, error, &fence, &q->topics.items[i], to);
        a.topics.count++;
    }
    group_answer(s, r->token, &a);
    struct group *g = group_find(s, q->group_id);
    if (g)
        group_settle(g);
}

/* ---- TxnOffsetCommit ------------------------------------------------------------------------- */

static int16_t
txn_member(struct group_shard *s, const struct wire_txn_offset_commit_request *q,
           struct group_fence *f)
{
    *f = (struct group_fence){.member_id = q->member_id,
                              .instance = q->group_instance_id,
                              .epoch = q->generation_id,
                              .txn = true};
    if (q->group_id.len == 0)
        return KERR_INVALID_GROUP_ID;
    struct group *g = group_find(s, q->group_id);
    if (!g)
        return missing(q->generation_id, false);
    if (g->consumer)
        return group_fence_commit(g->consumer, f);
    return commit_check(g, q->member_id, q->group_instance_id, q->generation_id, true);
}

static void
txn_topic(struct group_shard *s, const struct wire_txn_offset_commit_request *q,
          int16_t member_error, const struct group_fence *fence,
          const struct wire_txn_offset_commit_request_topic *from,
          struct wire_txn_offset_commit_response_topic *to)
{
    struct group_topic t = {.partition_count = 0};
    bool found = topic_find(s, from->name, &t);
    to->name = from->name;
    for (int32_t i = 0; i < from->partitions.count; i++) {
        const struct wire_txn_offset_commit_request_partition *p = &from->partitions.items[i];
        struct group_offset o = {.partition = p->partition_index,
                                 .leader_epoch = p->committed_leader_epoch,
                                 .offset = p->committed_offset,
                                 .commit_ms = s->step->now_ms,
                                 .expire_ms = -1,
                                 .metadata = p->committed_metadata};
        struct group_commit c = {q->group_id,    from->name,        o.partition,
                                 q->producer_id, q->producer_epoch, &o};
        int16_t error = member_error;
        if (!found || !partition_exists(&t, o.partition))
            error = KERR_UNKNOWN_TOPIC_OR_PARTITION;
        if (error == KERR_NONE)
            error = group_fence_partition(fence, t.id, o.partition);
        if (error == KERR_NONE)
            error = commit_one(s, &c);
        to->partitions.items[i].partition_index = p->partition_index;
        to->partitions.items[i].error_code = error;
    }
    to->partitions.count = from->partitions.count;
}

void
group_api_txn_commit(struct group_shard *s, const struct coord_request *r)
{
    const struct wire_txn_offset_commit_request *q = r->body;
    struct wire_txn_offset_commit_response a;
    wire_init(&wire_txn_offset_commit_response_message, &a);
    a.topics.items = group_items(s, &wire_txn_offset_commit_response_topic_struct, q->topics.count);
    struct group_fence fence = {.epoch = -1};
    int16_t error =
        q->producer_id < 0 ? KERR_INVALID_PRODUCER_ID_MAPPING : txn_member(s, q, &fence);
    for (int32_t i = 0; a.topics.items && i < q->topics.count; i++) {
        struct wire_txn_offset_commit_response_topic *to = &a.topics.items[i];
        int32_t n = q->topics.items[i].partitions.count;
        to->partitions.items = group_items(s, &wire_txn_offset_commit_response_partition_struct, n);
        if (n > 0 && !to->partitions.items)
            break;
        txn_topic(s, q, error, &fence, &q->topics.items[i], to);
        a.topics.count++;
    }
    group_answer(s, r->token, &a);
}
