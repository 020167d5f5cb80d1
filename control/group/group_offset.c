/* group_offset.c: what offset records and transaction markers do to groups, and how offsets end.
 *
 * I1 What a transaction commits lies beside the group's offsets until its marker; then the newer
 *    record of the two wins, by place in the log.  So a compacted log gives the same.
 * I2 A tombstone takes the offset, also out of open transactions.
 * I3 Retention leaves an offset alone that an open transaction is about to change. */
#include "control/group/group_in.h"

#include <stdlib.h>

static void
pending_free(struct group_pending *p)
{
    list_remove(&p->of_txn);
    list_remove(&p->of_group);
    group_offsets_free(&p->offsets);
    free(p);
}

static struct view
txn_key(const uint8_t bytes[8])
{
    return view_of(bytes, 8);
}

static struct group_txn *
txn_find(const struct group_shard *s, int64_t producer_id)
{
    uint8_t key[8];
    set_u64(key, (uint64_t)producer_id);
    struct group_node *n = group_map_find(&s->txns, txn_key(key));
    return n ? group_item(n, struct group_txn, node) : NULL;
}

static struct group_txn *
txn_need(struct group_shard *s, int64_t producer_id)
{
    struct group_txn *t = txn_find(s, producer_id);
    if (t)
        return t;
    t = group_alloc(1, sizeof *t);
    set_u64(t->key, (uint64_t)producer_id);
    t->node.key = txn_key(t->key);
    list_init(&t->pendings);
    group_map_add(&s->txns, &t->node);
    return t;
}

void
group_offset_txn_free(struct group_shard *s, struct group_txn *t)
{
    while (!list_empty(&t->pendings))
        pending_free(list_item(list_first(&t->pendings), struct group_pending, of_txn));
    group_map_remove(&s->txns, &t->node);
    free(t);
}

static struct group_pending *
pending_need(struct group_txn *t, struct group *g)
{
    for (struct list *l = g->pendings.next; l != &g->pendings; l = l->next)
        if (list_item(l, struct group_pending, of_group)->txn == t)
            return list_item(l, struct group_pending, of_group);
    struct group_pending *p = group_alloc(1, sizeof *p);
    p->group = g;
    p->txn = t;
    list_push_back(&t->pendings, &p->of_txn);
    list_push_back(&g->pendings, &p->of_group);
    return p;
}

/* I2.  Transactions that have nothing left in a group stay noted there until their markers. */
static void
tombstone(struct group *g, struct view topic, int32_t partition)
{
    group_offsets_remove(&g->offsets, topic, partition);
    for (struct list *l = g->pendings.next; l != &g->pendings; l = l->next)
        group_offsets_remove(&list_item(l, struct group_pending, of_group)->offsets, topic,
                             partition);
}

int
group_offset_replay(struct group_shard *s, struct view key, struct view value,
                    const struct coord_place *place)
{
    struct wire_offset_commit_key k;
    struct wire_offset_commit_value v;
    int e = group_record_read(s, &wire_offset_commit_key_message, 0, key, &k);
    if (e != ERR_OK)
        return e;
    if (!value.at) {
        struct group *g = group_find(s, k.group);
        if (g) {
            tombstone(g, k.topic, k.partition);
            if (!s->step) /* within a step its end settles */
                group_settle(g);
        }
        return ERR_OK;
    }
    struct cur c = cur_of(value);
    int16_t version = cur_i16(&c);
    e = c.bad ? ERR_CORRUPT
              : group_record_read(s, &wire_offset_commit_value_message, version,
                                  view_of(c.at, cur_left(&c)), &v);
    if (e != ERR_OK)
        return e;
    struct group *g = group_need(s, k.group);
    struct group_offset o = {.partition = k.partition,
                             .leader_epoch = v.leader_epoch,
                             .offset = v.offset,
                             .commit_ms = v.commit_timestamp,
                             .expire_ms = v.expire_timestamp,
                             .log_offset = place->offset,
                             .metadata = v.metadata};
    memcpy(o.topic_id, v.topic_id, sizeof o.topic_id);
    struct group_offsets *to = &g->offsets;
    if (place->producer_id >= 0)
        to = &pending_need(txn_need(s, place->producer_id), g)->offsets;
    group_offsets_put(to, k.topic, &o);
    return ERR_OK;
}

/* I1. */
static void
pending_commit(struct group_pending *p)
{
    struct group_map *topics = &p->offsets.topics;
    for (struct group_node *n = group_map_next(topics, NULL); n; n = group_map_next(topics, n)) {
        const struct group_topic_offsets *t = group_item(n, struct group_topic_offsets, node);
        for (uint32_t i = 0; i < t->count; i++) {
            const struct group_offset *old =
                group_offsets_get(&p->group->offsets, n->key, t->items[i].partition);
            if (!old || t->items[i].log_offset > old->log_offset)
                group_offsets_put(&p->group->offsets, n->key, &t->items[i]);
        }
    }
}

void
group_replay_marker(struct group_shard *s, const struct coord_place *place, bool commit)
{
    struct group_txn *t = txn_find(s, place->producer_id);
    if (!t)
        return;
    while (!list_empty(&t->pendings)) {
        struct group_pending *p = list_item(list_first(&t->pendings), struct group_pending, of_txn);
        struct group *g = p->group;
        if (commit)
            pending_commit(p);
        pending_free(p);
        group_settle(g);
    }
    group_offset_txn_free(s, t);
}

bool
group_offset_pending(const struct group *g, struct view topic, int32_t partition)
{
    for (struct list *l = g->pendings.next; l != &g->pendings; l = l->next)
        if (group_offsets_get(&list_item(l, struct group_pending, of_group)->offsets, topic,
                              partition))
            return true;
    return false;
}

/* Puts out tombstones for what `o` holds: of one topic, or of all (topic.at NULL). */
static void
delete_from(struct group *g, struct group_offsets *o, struct view topic)
{
    struct group_node *next, *n = group_map_next(&o->topics, NULL);
    for (; n; n = next) {
        next = group_map_next(&o->topics, n);
        if (topic.at && !view_equal(n->key, topic))
            continue;
        struct view name = group_copy(n->key); /* the topic goes with its last partition */
        struct group_commit c = {.group_id = g->node.key, .topic = name, .producer_id = -1};
        struct group_topic_offsets *t = group_item(n, struct group_topic_offsets, node);
        for (uint32_t left = t->count; left > 0; left--) {
            c.partition = t->items[left - 1].partition;
            group_record_offset(g->shard, &c);
        }
        group_drop(&name);
    }
}

void
group_offset_delete_all(struct group *g, struct view topic)
{
    delete_from(g, &g->offsets, topic);
    for (struct list *l = g->pendings.next; l != &g->pendings; l = l->next)
        delete_from(g, &list_item(l, struct group_pending, of_group)->offsets, topic);
}

/* Whether offsets of a group may expire now, and counted from when: false: none may. */
static bool
expiry_base(const struct group *g, const struct group_offset *o, int64_t *from_ms)
{
    *from_ms = o->commit_ms;
    if (g->consumer || !g->protocol_type.at)
        return true;
    if (g->state == GROUP_EMPTY) {
        if (g->state_ms >= 0)
            *from_ms = g->state_ms;
        return true;
    }
    return g->state == GROUP_STABLE && group_is_consumer(g) && g->subscribed_known;
}

static bool
expired(const struct group *g, struct view topic, const struct group_offset *o)
{
    int64_t from_ms, now_ms = g->shard->step->now_ms;
    if (!expiry_base(g, o, &from_ms) || group_subscribed(g, topic) ||
        group_offset_pending(g, topic, o->partition))
        return false;
    if (o->expire_ms >= 0)
        return now_ms >= o->expire_ms;
    return now_ms - from_ms >= g->shard->config->offsets_retention_ms;
}

bool
group_offset_expire(struct group *g)
{
    struct group_map *topics = &g->offsets.topics;
    struct group_node *next, *n = group_map_next(topics, NULL);
    for (; n; n = next) {
        next = group_map_next(topics, n);
        struct view name = group_copy(n->key);
        struct group_commit c = {.group_id = g->node.key, .topic = name, .producer_id = -1};
        struct group_topic_offsets *t = group_item(n, struct group_topic_offsets, node);
        for (uint32_t i = t->count; i > 0; i--)
            if (expired(g, name, &t->items[i - 1])) {
                c.partition = t->items[i - 1].partition;
                group_record_offset(g->shard, &c);
            }
        group_drop(&name);
    }
    return g->offsets.count == 0 && list_empty(&g->pendings);
}
