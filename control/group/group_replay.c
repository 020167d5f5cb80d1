/* group_replay.c: records of the consumer protocol, read.
 *
 * Each record has its own part of the state, so that any legally compacted log gives the same: a
 * record whose companions are gone or still to come is kept for itself, and a tombstone clears its
 * own part only.  A member or a group is dropped with its last record. */
#include "control/group/group_consumer.h"

#include <stdlib.h>

/* Reads the value behind its version; *there false: a tombstone. */
static int
value_read(struct group_shard *s, const struct wire_message *m, struct view value, void *out,
           bool *there)
{
    *there = value.at != NULL;
    if (!*there)
        return ERR_OK;
    struct cur c = cur_of(value);
    int16_t version = cur_i16(&c);
    return c.bad ? ERR_CORRUPT : group_record_read(s, m, version, view_of(c.at, cur_left(&c)), out);
}

/* The consumer part that a record is about: made for a value, found for a tombstone. */
static struct group_consumer *
part_of(struct group_shard *s, struct view group_id, bool there)
{
    struct group *g = there ? group_need(s, group_id) : group_find(s, group_id);
    if (!g)
        return NULL;
    return there ? group_consumer_need(g) : g->consumer;
}

/* Within a step its end settles. */
static void
settle(struct group_consumer *c)
{
    if (!c->group->shard->step)
        group_settle(c->group);
}

static int
epoch_replay(struct group_shard *s, struct view group_id, struct view value)
{
    struct wire_consumer_group_metadata_value v;
    bool there;
    int e = value_read(s, &wire_consumer_group_metadata_value_message, value, &v, &there);
    struct group_consumer *c = e == ERR_OK ? part_of(s, group_id, there) : NULL;
    if (!c)
        return e;
    c->has_epoch = there;
    c->epoch = there ? v.epoch : 1;
    c->hash = there ? (uint64_t)v.metadata_hash : 0;
    settle(c);
    return ERR_OK;
}

/* Of Kafka before 4.1: only that it is there is of interest. */
static int
partition_metadata_replay(struct group_shard *s, struct view group_id, struct view value)
{
    struct group_consumer *c = part_of(s, group_id, value.at != NULL);
    if (!c)
        return ERR_OK;
    c->has_partition_metadata = value.at != NULL;
    settle(c);
    return ERR_OK;
}

static int
target_epoch_replay(struct group_shard *s, struct view group_id, struct view value)
{
    struct wire_consumer_group_target_assignment_metadata_value v;
    bool there;
    int e = value_read(s, &wire_consumer_group_target_assignment_metadata_value_message, value, &v,
                       &there);
    struct group_consumer *c = e == ERR_OK ? part_of(s, group_id, there) : NULL;
    if (!c)
        return e;
    c->has_target_epoch = there;
    c->target_epoch = there ? v.assignment_epoch : 1;
    c->target_ms = there ? v.assignment_timestamp : 0;
    settle(c);
    return ERR_OK;
}

/* ---- of members ------------------------------------------------------------------------------ */

static void
classic_read(struct group_profile *p,
             const struct wire_consumer_group_member_metadata_value_classic_member_metadata *from)
{
    if (!from)
        return;
    p->classic = true;
    p->session_ms = from->session_timeout_ms;
    int32_t count = from->supported_protocols.count > 0 ? from->supported_protocols.count : 0;
    struct group_protocol *lent = group_alloc((size_t)count, sizeof *lent);
    for (int32_t i = 0; i < count; i++)
        lent[i] = (struct group_protocol){from->supported_protocols.items[i].name,
                                          from->supported_protocols.items[i].metadata};
    uint32_t bytes;
    p->protocols = group_profile_protocols(lent, count, &bytes);
    p->protocol_count = count;
    p->bytes += bytes;
    free(lent);
}

static int
profile_replay(struct group_shard *s, struct group_consumer_member *m, struct view value)
{
    struct wire_consumer_group_member_metadata_value v;
    bool there;
    int e = value_read(s, &wire_consumer_group_member_metadata_value_message, value, &v, &there);
    if (e != ERR_OK || !there) {
        group_consumer_profile(m, NULL);
        return e;
    }
    struct group_profile p = {.instance = group_copy(v.instance_id),
                              .rack = group_copy(v.rack_id),
                              .client_id = group_copy(v.client_id),
                              .client_host = group_copy(v.client_host),
                              .regex = group_copy(v.subscribed_topic_regex),
                              .assignor = group_copy(v.server_assignor),
                              .rebalance_ms = v.rebalance_timeout_ms};
    group_names_make(&p.names, &v.subscribed_topic_names);
    p.bytes = p.names.bytes + p.regex.len;
    classic_read(&p, v.classic_member_metadata);
    group_consumer_profile(m, &p);
    return ERR_OK;
}

struct parts_in {
    struct group_part *items;
    uint32_t count, room;
    bool bad;
};

static void
part_add(struct parts_in *in, const uint8_t topic[16], int32_t partition, int32_t epoch)
{
    in->bad |= partition < 0 || partition >= GROUP_PARTITIONS_MAX;
    if (in->bad)
        return;
    if (in->count == in->room) {
        in->room = in->room ? in->room * 2 : 16;
        in->items = realloc(in->items, in->room * sizeof *in->items);
        must(in->items);
    }
    struct group_part *p = &in->items[in->count++];
    memcpy(p->topic, topic, sizeof p->topic);
    p->partition = partition;
    p->epoch = epoch;
}

static int
target_replay(struct group_shard *s, struct group_consumer_member *m, struct view value)
{
    struct wire_consumer_group_target_assignment_member_value v;
    bool there;
    int e = value_read(s, &wire_consumer_group_target_assignment_member_value_message, value, &v,
                       &there);
    struct parts_in in = {0};
    for (int32_t i = 0; e == ERR_OK && there && i < v.topic_partitions.count; i++)
        for (int32_t j = 0; j < v.topic_partitions.items[i].partitions.count; j++)
            part_add(&in, v.topic_partitions.items[i].topic_id,
                     v.topic_partitions.items[i].partitions.items[j], 0);
    if (in.bad)
        e = ERR_CORRUPT;
    if (e == ERR_OK) {
        m->has_target = there;
        group_parts_set(&m->target, in.items, in.count);
    }
    free(in.items);
    return e;
}

/* Partitions without epochs of their own, as Kafka wrote them before, have the member's. */
static struct parts_in
current_parts(
    const struct wire_consumer_group_current_member_assignment_value_topic_partitions_array *from,
    int32_t epoch)
{
    struct parts_in in = {0};
    for (int32_t i = 0; i < from->count; i++) {
        const struct wire_consumer_group_current_member_assignment_value_topic_partitions *t =
            &from->items[i];
        bool epochs = t->assignment_epochs.count == t->partitions.count;
        for (int32_t j = 0; j < t->partitions.count; j++)
            part_add(&in, t->topic_id, t->partitions.items[j],
                     epochs ? t->assignment_epochs.items[j] : epoch);
    }
    return in;
}

static uint8_t
state_of(int8_t state)
{
    bool known = state == GROUP_MEMBER_STABLE || state == GROUP_MEMBER_UNREVOKED ||
                 state == GROUP_MEMBER_UNRELEASED;
    return known ? (uint8_t)state : GROUP_MEMBER_UNKNOWN;
}

static int
current_replay(struct group_shard *s, struct group_consumer_member *m, struct view value)
{
    struct wire_consumer_group_current_member_assignment_value v;
    bool there;
    int e = value_read(s, &wire_consumer_group_current_member_assignment_value_message, value, &v,
                       &there);
    if (e != ERR_OK)
        return e;
    m->has_current = there;
    if (!there) {
        m->epoch = 0;
        m->previous_epoch = -1;
        m->state = GROUP_MEMBER_STABLE;
        group_consumer_current(m, NULL, NULL);
        return ERR_OK;
    }
    int32_t epoch = v.member_epoch > 0 ? v.member_epoch : 0;
    struct parts_in assigned = current_parts(&v.assigned_partitions, epoch);
    struct parts_in revoking = current_parts(&v.partitions_pending_revocation, epoch);
    if (assigned.bad || revoking.bad) {
        e = ERR_CORRUPT;
    } else {
        m->epoch = v.member_epoch;
        m->previous_epoch = v.previous_member_epoch;
        m->state = state_of(v.state);
        group_consumer_current(m, &(struct group_parts){assigned.items, assigned.count},
                               &(struct group_parts){revoking.items, revoking.count});
    }
    free(assigned.items);
    free(revoking.items);
    return e;
}

static int
member_replay(struct group_shard *s, struct view key, struct view value,
              int (*replay)(struct group_shard *, struct group_consumer_member *, struct view))
{
    struct wire_consumer_group_member_metadata_key k; /* the three kinds have the same */
    int e = group_record_read(s, &wire_consumer_group_member_metadata_key_message, 0, key, &k);
    struct group_consumer *c = e == ERR_OK ? part_of(s, k.group_id, value.at != NULL) : NULL;
    if (!c)
        return e;
    struct group_consumer_member *m = value.at ? group_consumer_member_need(c, k.member_id)
                                               : group_consumer_member(c, k.member_id);
    if (m) {
        e = replay(s, m, value);
        group_consumer_member_settle(m);
    }
    settle(c);
    return e;
}

static int
regex_replay(struct group_shard *s, struct view key, struct view value)
{
    struct wire_consumer_group_regular_expression_key k;
    int e = group_record_read(s, &wire_consumer_group_regular_expression_key_message, 0, key, &k);
    if (e != ERR_OK)
        return e;
    struct view regex = k.regular_expression;
    struct wire_consumer_group_regular_expression_value v;
    bool there;
    e = value_read(s, &wire_consumer_group_regular_expression_value_message, value, &v, &there);
    struct group_consumer *c = e == ERR_OK && regex.len ? part_of(s, k.group_id, there) : NULL;
    if (c) {
        struct group_names names;
        if (there)
            group_names_make(&names, &v.topics);
        group_consumer_resolved(c, regex, there ? &names : NULL, there ? v.version : 0,
                                there ? v.timestamp : 0);
        settle(c);
    }
    return e;
}

/* `key` without its kind; ERR_UNSUPPORTED: not one of these kinds. */
int
group_replay_consumer(struct group_shard *s, int16_t kind, struct view key, struct view value)
{
    struct wire_consumer_group_metadata_key k;
    switch (kind) {
    case WIRE_RECORD_CONSUMER_GROUP_MEMBER_METADATA:
        return member_replay(s, key, value, profile_replay);
    case WIRE_RECORD_CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER:
        return member_replay(s, key, value, target_replay);
    case WIRE_RECORD_CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT:
        return member_replay(s, key, value, current_replay);
    case WIRE_RECORD_CONSUMER_GROUP_REGULAR_EXPRESSION:
        return regex_replay(s, key, value);
    case WIRE_RECORD_CONSUMER_GROUP_METADATA:
    case WIRE_RECORD_CONSUMER_GROUP_PARTITION_METADATA:
    case WIRE_RECORD_CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA:
        break;
    default:
        return ERR_UNSUPPORTED;
    }
    int e = group_record_read(s, &wire_consumer_group_metadata_key_message, 0, key, &k);
    if (e != ERR_OK)
        return e;
    if (kind == WIRE_RECORD_CONSUMER_GROUP_METADATA)
        return epoch_replay(s, k.group_id, value);
    if (kind == WIRE_RECORD_CONSUMER_GROUP_PARTITION_METADATA)
        return partition_metadata_replay(s, k.group_id, value);
    return target_epoch_replay(s, k.group_id, value);
}
