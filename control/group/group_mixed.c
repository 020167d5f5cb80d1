/* group_mixed.c: members that speak the classic protocol in a group of the consumer protocol.
 *
 * Their JoinGroup is a heartbeat that tells subscription and owned partitions: it is answered at
 * once, with the member's epoch as generation and no leader.  SyncGroup tells what is assigned.
 * Heartbeats tell to join again when there is more to do.  Two timers hold such a member to it:
 * `rejoin` from the first time it is told to join again until it does, `barrier` from its JoinGroup
 * to its SyncGroup.  Source: Kafka GroupMetadataManager.classicGroup...ToConsumerGroup. */
#include "control/group/group_mixed.h"

#include "control/group/group_beat.h"

#include <stdlib.h>

struct mixed {
    struct group *group;
    const struct coord_request *r;
    const struct wire_join_group_request *q;
    struct wire_join_group_response answer;
    struct view id;
    char made_id[GROUP_MEMBER_ID_BYTES];
    int32_t rebalance_ms;
    struct group_subscription subscription;
    struct group_consumer_member *member, *replaces;
};

static int64_t
now_of(const struct group_consumer_member *m)
{
    return m->of->group->shard->step->now_ms;
}

/* KERR_NONE: the member is there, speaks the classic protocol and is who it says. */
static int16_t
find(const struct group_consumer *c, struct view id, struct view instance,
     struct group_consumer_member **out)
{
    struct group_consumer_member *m =
        instance.at ? group_consumer_static(c, instance) : group_consumer_profiled(c, id);
    if (!m)
        return KERR_UNKNOWN_MEMBER_ID;
    if (instance.at && !view_equal(m->by_id.key, id))
        return KERR_FENCED_INSTANCE_ID;
    *out = m;
    return m->profile.classic ? KERR_NONE : KERR_UNKNOWN_MEMBER_ID;
}

/* ---- JoinGroup: what is refused -------------------------------------------------------------- */

/* One of the request's protocols is known to all classic members. */
static bool
protocols_fit(const struct group_consumer *c, const struct wire_join_group_request *q)
{
    if (!view_equal(q->protocol_type, view_of_text("consumer")) || q->protocols.count <= 0 ||
        q->protocols.count > GROUP_PROTOCOLS_MAX)
        return false;
    bool fits[GROUP_PROTOCOLS_MAX];
    for (int32_t i = 0; i < q->protocols.count; i++)
        fits[i] = true;
    for (struct group_consumer_member *m = NULL; (m = group_consumer_next(c, m));)
        for (int32_t i = 0; m->profile.classic && i < q->protocols.count; i++) {
            bool known = false;
            for (int32_t j = 0; j < m->profile.protocol_count && !known; j++)
                known = view_equal(m->profile.protocols[j].name, q->protocols.items[i].name);
            fits[i] &= known;
        }
    for (int32_t i = 0; i < q->protocols.count; i++)
        if (fits[i])
            return true;
    return false;
}

static int16_t
check(struct mixed *x)
{
    const struct group_config *config = x->group->shard->config;
    const struct group_consumer *c = x->group->consumer;
    int32_t most = config->consumer_max_size;
    most = most < GROUP_MEMBERS_MAX ? most : GROUP_MEMBERS_MAX;
    bool unknown = x->q->member_id.len == 0;
    struct view instance = x->q->group_instance_id;
    x->member = group_consumer_profiled(c, x->id);
    if (config->consumer_migration == GROUP_MIGRATION_DISABLED)
        return KERR_INCONSISTENT_GROUP_PROTOCOL;
    if (!x->member && (c->member_count >= (uint32_t)most || c->bytes >= GROUP_BYTES_MAX))
        return KERR_GROUP_MAX_SIZE_REACHED;
    if (!protocols_fit(c, x->q))
        return KERR_INCONSISTENT_GROUP_PROTOCOL;
    if (unknown && !instance.at && x->r->version >= 4)
        return KERR_MEMBER_ID_REQUIRED;
    if (instance.at) {
        struct group_consumer_member *m = group_consumer_static(c, instance);
        if (!unknown && !m)
            return KERR_UNKNOWN_MEMBER_ID;
        if (!unknown && !view_equal(m->by_id.key, x->id))
            return KERR_FENCED_INSTANCE_ID;
        if (m && unknown)
            x->replaces = m;
        else
            x->member = m;
    }
    if (!group_embedded_subscription(&config->port, x->q->protocols.items[0].metadata,
                                     &x->subscription))
        return KERR_UNKNOWN_SERVER_ERROR;
    return KERR_NONE;
}

/* ---- JoinGroup: what is carried out ---------------------------------------------------------- */

static struct group_profile
profile_after(const struct mixed *x, const struct group_profile *before)
{
    const struct wire_join_group_request *q = x->q;
    static const struct group_profile none = {.rebalance_ms = -1};
    struct group_profile p = group_profile_copy(before ? before : &none);
    const struct view told[] = {q->group_instance_id, x->subscription.rack};
    struct view *to[] = {&p.instance, &p.rack};
    for (uint32_t i = 0; i < sizeof to / sizeof *to; i++)
        if (told[i].at) {
            group_drop(to[i]);
            *to[i] = group_copy(told[i]);
        }
    group_drop(&p.regex);
    group_drop(&p.client_id);
    group_drop(&p.client_host);
    p.regex = group_copy(view_of("", 0));
    p.client_id = group_copy(x->r->client_id.at ? x->r->client_id : view_of("", 0));
    p.client_host = group_copy(view_of_text(x->r->client_host));
    p.rebalance_ms = x->rebalance_ms;
    group_names_free(&p.names);
    group_names_copy(&p.names, &x->subscription.names);
    free(p.protocols);
    struct group_protocol *lent = group_alloc((size_t)q->protocols.count, sizeof *lent);
    for (int32_t i = 0; i < q->protocols.count; i++)
        lent[i] =
            (struct group_protocol){q->protocols.items[i].name, q->protocols.items[i].metadata};
    uint32_t bytes;
    p.protocols = group_profile_protocols(lent, q->protocols.count, &bytes);
    p.protocol_count = q->protocols.count;
    p.classic = true;
    p.session_ms = q->session_timeout_ms;
    free(lent);
    return p;
}

static void
reconcile(struct mixed *x, bool changed)
{
    struct group_owned owned = {true, x->subscription.owned};
    struct group_current now;
    group_reconcile(x->member, changed, &owned, &now);
    if (!group_current_same(x->member, &now))
        group_keep_current(x->group->consumer, x->id, &now);
    group_current_free(&now);
}

static void
told(struct mixed *x)
{
    const struct group_consumer_member *m = x->member;
    x->answer.member_id = x->id;
    x->answer.generation_id = m->epoch;
    x->answer.protocol_type = view_of_text("consumer");
    x->answer.protocol_name = x->q->protocols.items[0].name;
}

static void
carry_out(struct mixed *x)
{
    struct group_consumer *c = x->group->consumer;
    struct group_shard *s = x->group->shard;
    /* the last one of the consumer protocol is replaced: then the group follows */
    struct group_consumer_member *known = x->replaces ? x->replaces : x->member;
    bool downgrade = x->q->group_instance_id.at && known && !known->profile.classic &&
                     group_migrate_due(c, known, true);
    if (x->replaces)
        x->member = group_beat_replace(c, x->replaces, x->id);
    struct group_profile after = profile_after(x, x->member ? &x->member->profile : NULL);
    bool changed = group_beat_profile(c, x->id, &after, true);
    group_profile_free(&after);
    x->member = group_consumer_member(c, x->id);
    if (!downgrade && !group_target_update(c)) {
        x->answer.error_code = KERR_UNKNOWN_SERVER_ERROR;
        return;
    }
    bool rebalance = downgrade && c->target_epoch < c->epoch;
    if (!rebalance)
        reconcile(x, changed);
    told(x);
    if (downgrade) {
        group_migrate_down(c, NULL, rebalance);
        return;
    }
    struct group_consumer_member *m = x->member;
    group_timer_clear(s, &m->rejoin);
    group_timer_clear(s, &m->rebalance);
    group_timer_set(s, &m->barrier, now_of(m) + m->profile.rebalance_ms);
    group_beat_session(m);
}

void
group_mixed_join(struct group *g, const struct coord_request *r)
{
    struct group_shard *s = g->shard;
    struct mixed x = {.group = g, .r = r, .q = r->body};
    wire_init(&wire_join_group_response_message, &x.answer);
    x.rebalance_ms = r->version == 0 ? x.q->session_timeout_ms : x.q->rebalance_timeout_ms;
    x.id = x.q->member_id;
    if (x.id.len == 0)
        x.id = group_beat_id(s, x.made_id);
    int16_t error = check(&x);
    if (error == KERR_NONE)
        carry_out(&x);
    else
        x.answer.error_code = error;
    if (error == KERR_MEMBER_ID_REQUIRED)
        x.answer.member_id = x.id;
    group_embedded_free(&x.subscription);
    group_answer(s, r->token, &x.answer);
}

/* ---- SyncGroup and Heartbeat ----------------------------------------------------------------- */

static void
rejoin_expect(struct group_consumer_member *m)
{
    if (m->rejoin.node.place == 0)
        group_timer_set(m->of->group->shard, &m->rejoin, now_of(m) + m->profile.rebalance_ms);
}

static int16_t
sync_check(struct group *g, const struct wire_sync_group_request *q,
           struct group_consumer_member **m)
{
    const struct group_consumer *c = g->consumer;
    int16_t error = find(c, q->member_id, q->group_instance_id, m);
    if (error != KERR_NONE)
        return error;
    if ((*m)->epoch != q->generation_id)
        return KERR_ILLEGAL_GENERATION;
    if ((q->protocol_type.at && !view_equal(q->protocol_type, view_of_text("consumer"))) ||
        (q->protocol_name.at && !view_equal(q->protocol_name, (*m)->profile.protocols[0].name)))
        return KERR_INCONSISTENT_GROUP_PROTOCOL;
    if (c->target_epoch > (*m)->epoch && (*m)->state != GROUP_MEMBER_UNREVOKED) {
        rejoin_expect(*m);
        return KERR_REBALANCE_IN_PROGRESS;
    }
    return KERR_NONE;
}

void
group_mixed_sync(struct group *g, const struct coord_request *r)
{
    const struct wire_sync_group_request *q = r->body;
    struct group_consumer_member *m = NULL;
    struct wire_sync_group_response a;
    wire_init(&wire_sync_group_response_message, &a);
    a.error_code = sync_check(g, q, &m);
    struct view assignment = {0};
    if (a.error_code == KERR_NONE) {
        struct view metadata = m->profile.protocols[0].metadata;
        int16_t version = metadata.len >= 2 ? (int16_t)get_u16(metadata.at) : 0;
        assignment = group_embedded_encode(&g->shard->config->port, &m->assigned, version);
        a.assignment = assignment;
        a.protocol_type = q->protocol_type;
        a.protocol_name = q->protocol_name;
        group_timer_clear(g->shard, &m->barrier);
        group_beat_session(m);
    }
    group_answer(g->shard, r->token, &a);
    group_drop(&assignment);
}

/* Some of its target is still held by others. */
static bool
waits_for_others(const struct group_consumer_member *m)
{
    for (uint32_t i = 0; i < m->target.count; i++) {
        const struct group_part *p = &m->target.items[i];
        if (!group_parts_find(&m->assigned, p->topic, p->partition) &&
            group_consumer_held(m->of, p->topic, p->partition))
            return true;
    }
    return false;
}

int16_t
group_mixed_heartbeat(struct group *g, const struct wire_heartbeat_request *q)
{
    struct group_consumer_member *m;
    int16_t error = find(g->consumer, q->member_id, q->group_instance_id, &m);
    if (error != KERR_NONE)
        return error;
    if (m->epoch != q->generation_id)
        return KERR_ILLEGAL_GENERATION;
    group_beat_session(m);
    if (m->epoch < g->consumer->target_epoch || m->state == GROUP_MEMBER_UNREVOKED ||
        (m->state == GROUP_MEMBER_UNRELEASED && !waits_for_others(m))) {
        rejoin_expect(m);
        return KERR_REBALANCE_IN_PROGRESS;
    }
    return KERR_NONE;
}

/* ---- LeaveGroup ------------------------------------------------------------------------------ */

int16_t
group_mixed_leave(struct group *g, struct view id, struct view instance)
{
    struct group_consumer_member *m = instance.at ? group_consumer_static(g->consumer, instance)
                                                  : group_consumer_profiled(g->consumer, id);
    if (!m)
        return KERR_UNKNOWN_MEMBER_ID;
    if (instance.at && id.len && !view_equal(m->by_id.key, id))
        return KERR_FENCED_INSTANCE_ID;
    if (group_beat_gone(m))
        g->consumer->left = true;
    return KERR_NONE;
}

void
group_mixed_left(struct group *g)
{
    struct group_consumer *c = g->consumer;
    if (!c || !c->left)
        return;
    c->left = false;
    group_beat_epoch(c, true);
}
