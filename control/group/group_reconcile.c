/* group_reconcile.c: from what a member has to what it shall have (KIP-848).
 *
 * A member keeps its epoch until it has given up what it must (UNREVOKED); then it moves to the
 * epoch of the target with what is free, and waits for what others still hold (UNRELEASED).
 * Source: Kafka CurrentAssignmentBuilder. */
#include "control/group/group_consumer.h"

#include <stdlib.h>

/* ---- sets under construction ----------------------------------------------------------------- */

struct sets {
    const struct group_consumer_member *m;
    struct group_part *assigned, *revoking; /* room for all that can come */
    uint32_t assigned_count, revoking_count;
    bool unreleased;
};

static void
sets_begin(struct sets *s, const struct group_consumer_member *m)
{
    *s = (struct sets){.m = m};
    s->assigned = group_alloc((size_t)m->assigned.count + m->target.count, sizeof *s->assigned);
    s->revoking = group_alloc((size_t)m->assigned.count + m->revoking.count, sizeof *s->revoking);
}

static void
sets_end(struct sets *s)
{
    free(s->assigned);
    free(s->revoking);
}

static bool
subscribed(const struct group_consumer_member *m, const uint8_t topic[16])
{
    const struct group_port *port = &m->of->group->shard->config->port;
    const struct group_regex *r = group_consumer_regex(m->of, m->profile.regex);
    struct group_topic t;
    if (!port->by_id || !port->by_id(port->user, topic, &t))
        return false;
    return group_names_has(&m->profile.names, t.name) || (r && group_names_has(&r->topics, t.name));
}

static bool
owns_any(const struct group_owned *owned, const struct group_part *items, uint32_t count)
{
    if (!owned->told)
        return true;
    for (uint32_t i = 0; i < count; i++)
        if (group_parts_find(&owned->parts, items[i].topic, items[i].partition))
            return true;
    return false;
}

static void
fill(struct group_current *now, const struct sets *s, bool revoke)
{
    group_parts_set(&now->assigned, s->assigned, s->assigned_count);
    group_parts_set(&now->revoking, s->revoking, revoke ? s->revoking_count : 0);
}

/* ---- towards the target ---------------------------------------------------------------------- */

/* What is in the target and not assigned: free, or held by another member. */
static void
want(struct sets *s, const struct group_part *p)
{
    const struct group_consumer_member *m = s->m;
    if (group_consumer_held(m->of, p->topic, p->partition) &&
        !group_parts_find(&m->revoking, p->topic, p->partition)) {
        s->unreleased = true;
        return;
    }
    struct group_part *to = &s->assigned[s->assigned_count++];
    *to = *p;
    to->epoch = m->of->target_epoch;
}

/* First what stays and what goes; partitions to come only when nothing has to go first. */
static void
split(struct sets *s)
{
    const struct group_parts *assigned = &s->m->assigned, *target = &s->m->target;
    for (uint32_t i = 0, end; i < assigned->count; i = end) {
        end = group_parts_end(assigned, i);
        bool wanted = subscribed(s->m, assigned->items[i].topic);
        for (uint32_t j = i; j < end; j++) {
            const struct group_part *p = &assigned->items[j];
            if (wanted && group_parts_find(target, p->topic, p->partition))
                s->assigned[s->assigned_count++] = *p;
            else
                s->revoking[s->revoking_count++] = *p;
        }
    }
}

static void
gain(struct sets *s)
{
    const struct group_parts *target = &s->m->target;
    for (uint32_t i = 0, end; i < target->count; i = end) {
        end = group_parts_end(target, i);
        if (!subscribed(s->m, target->items[i].topic))
            continue;
        for (uint32_t j = i; j < end; j++) {
            const struct group_part *p = &target->items[j];
            if (!group_parts_find(&s->m->assigned, p->topic, p->partition))
                want(s, p);
        }
    }
}

static void
advance(const struct group_consumer_member *m, int32_t epoch, const struct group_owned *owned,
        struct group_current *now)
{
    struct sets s;
    sets_begin(&s, m);
    split(&s);
    bool revoke = s.revoking_count && owns_any(owned, s.revoking, s.revoking_count);
    if (!revoke)
        gain(&s);
    now->previous_epoch = m->epoch;
    now->epoch = revoke ? epoch : m->of->target_epoch;
    now->state = revoke         ? GROUP_MEMBER_UNREVOKED
                 : s.unreleased ? GROUP_MEMBER_UNRELEASED
                                : GROUP_MEMBER_STABLE;
    fill(now, &s, revoke);
    sets_end(&s);
}

/* ---- away from what it is no longer subscribed to -------------------------------------------- */

static void
shrink(const struct group_consumer_member *m, const struct group_owned *owned,
       struct group_current *now)
{
    struct sets s;
    sets_begin(&s, m);
    for (uint32_t i = 0; i < m->revoking.count; i++)
        s.revoking[s.revoking_count++] = m->revoking.items[i];
    for (uint32_t i = 0, end; i < m->assigned.count; i = end) {
        end = group_parts_end(&m->assigned, i);
        bool stays = subscribed(m, m->assigned.items[i].topic);
        for (uint32_t j = i; j < end; j++)
            if (stays)
                s.assigned[s.assigned_count++] = m->assigned.items[j];
            else
                s.revoking[s.revoking_count++] = m->assigned.items[j];
    }
    if (s.assigned_count < m->assigned.count) {
        bool revoke = owns_any(owned, s.revoking, s.revoking_count);
        now->previous_epoch = m->epoch;
        now->state = revoke ? GROUP_MEMBER_UNREVOKED : m->state;
        fill(now, &s, revoke);
        if (!revoke) /* what went was not there any more */
            group_parts_set(&now->revoking, m->revoking.items, m->revoking.count);
    }
    sets_end(&s);
}

void
group_reconcile(const struct group_consumer_member *m, bool changed,
                const struct group_owned *owned, struct group_current *now)
{
    *now = (struct group_current){
        .epoch = m->epoch, .previous_epoch = m->previous_epoch, .state = m->state};
    group_parts_set(&now->assigned, m->assigned.items, m->assigned.count);
    group_parts_set(&now->revoking, m->revoking.items, m->revoking.count);
    int32_t target = m->of->target_epoch;
    switch ((enum group_member_state)m->state) {
    case GROUP_MEMBER_STABLE:
        if (m->epoch != target)
            advance(m, m->epoch, owned, now);
        else if (changed)
            shrink(m, owned, now);
        return;
    case GROUP_MEMBER_UNREVOKED:
        if (!owns_any(owned, m->revoking.items, m->revoking.count))
            advance(m, m->epoch, owned, now);
        else if (changed)
            shrink(m, owned, now);
        return;
    case GROUP_MEMBER_UNRELEASED:
        advance(m, m->epoch, owned, now);
        return;
    case GROUP_MEMBER_UNKNOWN: /* it came without partitions */
        advance(m, target, owned, now);
        return;
    }
}

void
group_current_free(struct group_current *now)
{
    group_parts_free(&now->assigned);
    group_parts_free(&now->revoking);
}

bool
group_current_same(const struct group_consumer_member *m, const struct group_current *now)
{
    return m->epoch == now->epoch && m->previous_epoch == now->previous_epoch &&
           m->state == now->state && group_parts_same(&m->assigned, &now->assigned) &&
           group_parts_same(&m->revoking, &now->revoking);
}
