/* group_classic.c: the state of a classic group: what its record tells, who may join, what it is
 * subscribed to.
 *
 * A GroupMetadata record is the one kind that a step does not replay itself (as in Kafka): the
 * group in memory, with members that wait and timers, already is what the record tells.  A loaded
 * group is EMPTY or STABLE; its members' sessions begin anew. */
#include "control/group/group_in.h"

#include <stdlib.h>

bool
group_is_consumer(const struct group *g)
{
    return view_equal(g->protocol_type, view_of_text("consumer"));
}

void
group_state_set(struct group *g, enum group_state state)
{
    g->state_before = g->state;
    g->state = state;
    g->state_ms = g->shard->step->now_ms;
}

int32_t
group_rebalance_timeout_ms(const struct group *g)
{
    int32_t most = 0;
    for (struct list *l = g->members.next; l != &g->members; l = l->next) {
        const struct group_member *m = list_item(l, struct group_member, link);
        most = m->rebalance_timeout_ms > most ? m->rebalance_timeout_ms : most;
    }
    return most;
}

bool
group_all_joined(const struct group *g)
{
    return g->by_id.count == g->joining && g->expected.count == 0;
}

/* ---- topics that a consumer group is subscribed to ------------------------------------------- */

void
group_subscribed_forget(struct group *g)
{
    for (struct group_node *n; (n = group_map_next(&g->subscribed, NULL));) {
        group_map_remove(&g->subscribed, n);
        group_drop(&n->key);
        free(n);
    }
    group_map_free(&g->subscribed);
    g->subscribed_known = false;
}

/* The part of ConsumerProtocolSubscription that every version has: version, then topic names. */
static bool
subscription_learn(struct group *g, struct view metadata)
{
    struct cur c = cur_of(metadata);
    cur_i16(&c);
    int32_t count = cur_i32(&c);
    for (int32_t i = 0; i < count && !c.bad; i++) {
        struct view topic = cur_view(&c, cur_u16(&c));
        if (c.bad || group_map_find(&g->subscribed, topic))
            continue;
        struct group_node *n = group_alloc(1, sizeof *n);
        n->key = group_copy(topic);
        group_map_add(&g->subscribed, n);
    }
    return !c.bad && count >= 0;
}

void
group_subscribed_learn(struct group *g)
{
    group_subscribed_forget(g);
    if (!group_is_consumer(g))
        return;
    bool known = list_empty(&g->members) || g->protocol.at;
    for (struct list *l = g->members.next; known && l != &g->members; l = l->next)
        known =
            subscription_learn(g, group_member_metadata(list_item(l, struct group_member, link)));
    if (!known)
        group_subscribed_forget(g);
    g->subscribed_known = known;
}

bool
group_subscribed(const struct group *g, struct view topic)
{
    if (g->consumer)
        return group_consumer_subscribed(g->consumer, topic);
    if (!g->subscribed_known)
        return group_is_consumer(g);
    return group_map_find(&g->subscribed, topic) != NULL;
}

/* ---- loading --------------------------------------------------------------------------------- */

static void
member_load(struct group *g, const struct wire_group_metadata_value *v,
            const struct wire_group_metadata_value_member_metadata *from)
{
    if (group_member_find(g, from->member_id))
        return;
    struct group_member *m = group_member_new(g, from->member_id, from->group_instance_id);
    m->client_id = group_copy(from->client_id);
    m->client_host = group_copy(from->client_host);
    m->session_timeout_ms = from->session_timeout;
    m->rebalance_timeout_ms =
        from->rebalance_timeout == -1 ? from->session_timeout : from->rebalance_timeout;
    struct group_protocol p = {v->protocol.at ? v->protocol : view_of("", 0), from->subscription};
    group_member_protocols(m, &p, 1);
    group_drop(&m->assignment);
    m->assignment = group_copy(from->assignment);
}

int
group_classic_replay(struct group_shard *s, struct view key, struct view value)
{
    struct wire_group_metadata_key k;
    int e = group_record_read(s, &wire_group_metadata_key_message, 0, key, &k);
    if (e != ERR_OK)
        return e;
    struct group *g = value.at ? group_need(s, k.group) : group_find(s, k.group);
    if (!g)
        return ERR_OK;
    while (!list_empty(&g->members))
        group_member_remove(list_item(list_first(&g->members), struct group_member, link));
    group_forget(g);
    if (!value.at) {
        group_settle(g);
        return ERR_OK;
    }
    struct cur c = cur_of(value);
    int16_t version = cur_i16(&c);
    struct wire_group_metadata_value v;
    e = c.bad ? ERR_CORRUPT
              : group_record_read(s, &wire_group_metadata_value_message, version,
                                  view_of(c.at, cur_left(&c)), &v);
    if (e != ERR_OK) {
        group_settle(g);
        return e;
    }
    g->recorded = true;
    g->generation = v.generation;
    g->protocol_type = v.protocol_type.len ? group_copy(v.protocol_type) : (struct view){0};
    g->protocol = group_copy(v.protocol);
    g->state_ms = v.current_state_timestamp;
    for (int32_t i = 0; i < v.members.count; i++)
        member_load(g, &v, &v.members.items[i]);
    struct group_member *leader = v.leader.at ? group_member_find(g, v.leader) : NULL;
    g->leader = leader ? leader : g->leader;
    g->state = g->state_before = list_empty(&g->members) ? GROUP_EMPTY : GROUP_STABLE;
    group_subscribed_learn(g);
    return ERR_OK;
}

void
group_classic_loaded(struct group *g)
{
    for (struct list *l = g->members.next; l != &g->members; l = l->next)
        group_member_session(list_item(l, struct group_member, link));
    int32_t most = g->shard->config->max_size;
    if (g->by_id.count > (uint32_t)(most < GROUP_MEMBERS_MAX ? most : GROUP_MEMBERS_MAX))
        group_join_rebalance(g);
}
