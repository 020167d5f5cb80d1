/* group_keep.c: records of the consumer protocol, written.  Versions are Kafka 4.3's: all 0. */
#include "control/group/group_consumer.h"

#include <stdlib.h>

static struct view
key_of_group(const struct group_consumer *c, int16_t kind, const struct wire_message *m)
{
    struct wire_consumer_group_metadata_key k = {.group_id = c->group->node.key};
    return group_record_encode(kind, m, 0, &k);
}

/* The kinds that have a group id alone have the same struct, those with a member id likewise. */
static struct view
key_of_member(const struct group_consumer *c, struct view id, int16_t kind,
              const struct wire_message *m)
{
    struct wire_consumer_group_member_metadata_key k = {c->group->node.key, id};
    return group_record_encode(kind, m, 0, &k);
}

static void
put(struct group_consumer *c, struct view key, const struct wire_message *m, const void *value)
{
    struct view bytes = value ? group_record_encode(0, m, 0, value) : (struct view){0};
    group_record_put(c->group->shard, key, bytes);
}

void
group_keep_epoch(struct group_consumer *c, bool there, int32_t epoch, uint64_t hash)
{
    struct wire_consumer_group_metadata_value v = {epoch, (int64_t)hash};
    struct view key = key_of_group(c, WIRE_RECORD_CONSUMER_GROUP_METADATA,
                                   &wire_consumer_group_metadata_key_message);
    put(c, key, &wire_consumer_group_metadata_value_message, there ? &v : NULL);
}

void
group_keep_partition_metadata_gone(struct group_consumer *c)
{
    struct view key = key_of_group(c, WIRE_RECORD_CONSUMER_GROUP_PARTITION_METADATA,
                                   &wire_consumer_group_partition_metadata_key_message);
    put(c, key, NULL, NULL);
}

void
group_keep_target_epoch(struct group_consumer *c, bool there, int32_t epoch, int64_t at_ms)
{
    struct wire_consumer_group_target_assignment_metadata_value v = {epoch, at_ms};
    struct view key = key_of_group(c, WIRE_RECORD_CONSUMER_GROUP_TARGET_ASSIGNMENT_METADATA,
                                   &wire_consumer_group_target_assignment_metadata_key_message);
    put(c, key, &wire_consumer_group_target_assignment_metadata_value_message, there ? &v : NULL);
}

void
group_keep_profile(struct group_consumer *c, struct view id, const struct group_profile *p)
{
    struct view key = key_of_member(c, id, WIRE_RECORD_CONSUMER_GROUP_MEMBER_METADATA,
                                    &wire_consumer_group_member_metadata_key_message);
    if (!p) {
        put(c, key, NULL, NULL);
        return;
    }
    struct wire_consumer_group_member_metadata_value v;
    struct wire_consumer_group_member_metadata_value_classic_member_metadata classic = {0};
    wire_init(&wire_consumer_group_member_metadata_value_message, &v);
    v.instance_id = p->instance;
    v.rack_id = p->rack;
    v.client_id = p->client_id;
    v.client_host = p->client_host;
    v.subscribed_topic_names.items = p->names.items;
    v.subscribed_topic_names.count = (int32_t)p->names.count;
    v.subscribed_topic_regex = p->regex;
    v.rebalance_timeout_ms = p->rebalance_ms;
    v.server_assignor = p->assignor;
    if (p->classic) {
        classic.session_timeout_ms = p->session_ms;
        classic.supported_protocols.count = p->protocol_count;
        classic.supported_protocols.items =
            group_alloc((size_t)p->protocol_count, sizeof *classic.supported_protocols.items);
        for (int32_t i = 0; i < p->protocol_count; i++) {
            classic.supported_protocols.items[i].name = p->protocols[i].name;
            classic.supported_protocols.items[i].metadata = p->protocols[i].metadata;
        }
        v.classic_member_metadata = &classic;
    }
    put(c, key, &wire_consumer_group_member_metadata_value_message, &v);
    free(classic.supported_protocols.items);
}

/* The partition numbers of a set, in memory of their own; `epochs` as well if not NULL. */
static int32_t *
numbers(const struct group_parts *p, int32_t **epochs)
{
    int32_t *n = group_alloc(p->count, sizeof *n);
    if (epochs)
        *epochs = group_alloc(p->count, sizeof **epochs);
    for (uint32_t i = 0; i < p->count; i++) {
        n[i] = p->items[i].partition;
        if (epochs)
            (*epochs)[i] = p->items[i].epoch;
    }
    return n;
}

void
group_keep_target(struct group_consumer *c, struct view id, const struct group_parts *target)
{
    struct view key = key_of_member(c, id, WIRE_RECORD_CONSUMER_GROUP_TARGET_ASSIGNMENT_MEMBER,
                                    &wire_consumer_group_target_assignment_member_key_message);
    if (!target) {
        put(c, key, NULL, NULL);
        return;
    }
    struct wire_consumer_group_target_assignment_member_value v = {0};
    int32_t *partitions = numbers(target, NULL);
    v.topic_partitions.items =
        group_alloc(group_parts_topics(target), sizeof *v.topic_partitions.items);
    for (uint32_t i = 0, end; i < target->count; i = end) {
        struct wire_consumer_group_target_assignment_member_value_topic_partition *t =
            &v.topic_partitions.items[v.topic_partitions.count++];
        end = group_parts_end(target, i);
        memcpy(t->topic_id, target->items[i].topic, sizeof t->topic_id);
        t->partitions = (struct wire_i32_array){partitions + i, (int32_t)(end - i)};
    }
    put(c, key, &wire_consumer_group_target_assignment_member_value_message, &v);
    free(v.topic_partitions.items);
    free(partitions);
}

struct current_out {
    struct wire_consumer_group_current_member_assignment_value_topic_partitions *topics;
    int32_t *partitions, *epochs;
    int32_t count;
};

static struct current_out
current_out(const struct group_parts *p)
{
    struct current_out o = {0};
    o.partitions = numbers(p, &o.epochs);
    o.topics = group_alloc(group_parts_topics(p), sizeof *o.topics);
    for (uint32_t i = 0, end; i < p->count; i = end) {
        end = group_parts_end(p, i);
        memcpy(o.topics[o.count].topic_id, p->items[i].topic, 16);
        o.topics[o.count].partitions =
            (struct wire_i32_array){o.partitions + i, (int32_t)(end - i)};
        o.topics[o.count++].assignment_epochs =
            (struct wire_i32_array){o.epochs + i, (int32_t)(end - i)};
    }
    return o;
}

static void
current_out_free(struct current_out *o)
{
    free(o->topics);
    free(o->partitions);
    free(o->epochs);
}

void
group_keep_current(struct group_consumer *c, struct view id, const struct group_current *now)
{
    struct view key = key_of_member(c, id, WIRE_RECORD_CONSUMER_GROUP_CURRENT_MEMBER_ASSIGNMENT,
                                    &wire_consumer_group_current_member_assignment_key_message);
    if (!now) {
        put(c, key, NULL, NULL);
        return;
    }
    struct current_out assigned = current_out(&now->assigned);
    struct current_out revoking = current_out(&now->revoking);
    struct wire_consumer_group_current_member_assignment_value v = {
        .member_epoch = now->epoch,
        .previous_member_epoch = now->previous_epoch,
        .state = (int8_t)now->state,
        .assigned_partitions = {assigned.topics, assigned.count},
        .partitions_pending_revocation = {revoking.topics, revoking.count}};
    put(c, key, &wire_consumer_group_current_member_assignment_value_message, &v);
    current_out_free(&assigned);
    current_out_free(&revoking);
}

void
group_keep_regex(struct group_consumer *c, struct view regex, const struct group_names *topics,
                 int64_t version)
{
    struct wire_consumer_group_regular_expression_key k = {c->group->node.key, regex};
    struct view key =
        group_record_encode(WIRE_RECORD_CONSUMER_GROUP_REGULAR_EXPRESSION,
                            &wire_consumer_group_regular_expression_key_message, 0, &k);
    struct wire_consumer_group_regular_expression_value v = {
        .version = version, .timestamp = c->group->shard->step->now_ms};
    if (topics) {
        v.topics.items = topics->items;
        v.topics.count = (int32_t)topics->count;
    }
    put(c, key, &wire_consumer_group_regular_expression_value_message, topics ? &v : NULL);
}

void
group_keep_member_gone(struct group_consumer *c, struct view id)
{
    struct view copy = group_copy(id); /* it goes with the member */
    group_keep_current(c, copy, NULL);
    group_keep_target(c, copy, NULL);
    group_keep_profile(c, copy, NULL);
    group_drop(&copy);
}

void
group_keep_gone(struct group_consumer *c)
{
    for (struct group_node *n; (n = group_map_next(&c->members, NULL));)
        group_keep_member_gone(c, n->key);
    group_keep_target_epoch(c, false, 0, 0);
    struct group_node *next, *n = group_map_next(&c->regexes, NULL);
    for (; n; n = next) {
        next = group_map_next(&c->regexes, n);
        struct view regex = group_copy(n->key);
        group_keep_regex(c, regex, NULL, 0);
        group_drop(&regex);
    }
    if (c->has_partition_metadata)
        group_keep_partition_metadata_gone(c);
    group_keep_epoch(c, false, 0, 0);
}
