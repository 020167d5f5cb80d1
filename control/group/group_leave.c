/* group_leave.c: how members of the consumer protocol go: by themselves, for a while (static ones),
 * or because a timer says so; and those timers.
 *
 * A session runs from each heartbeat, also of a static member that left for a while.  The rebalance
 * timer runs while a member has partitions to give up, and is about the epoch it had then.  Timers
 * of classic members: group_mixed.c. */
#include "control/group/group_beat.h"
#include "control/group/group_mixed.h"

bool
group_beat_gone(struct group_consumer_member *m)
{
    struct group_consumer *c = m->of;
    if (group_migrate_due(c, m, false)) {
        group_migrate_down(c, m, true);
        return false;
    }
    struct view regex = group_copy(m->profile.regex);
    group_keep_member_gone(c, m->by_id.key);
    group_pattern_drop(c, regex);
    group_drop(&regex);
    return true;
}

void
group_beat_fence(struct group_consumer_member *m)
{
    struct group_consumer *c = m->of;
    if (group_beat_gone(m))
        group_beat_epoch(c, true);
}

/* It will be back under another id; what it has stays its own. */
static void
leave_for_a_while(struct group_consumer_member *m)
{
    struct group_current now = {
        .epoch = GROUP_EPOCH_LEAVE_STATIC, .previous_epoch = m->previous_epoch, .state = m->state};
    group_parts_set(&now.assigned, m->assigned.items, m->assigned.count);
    for (uint32_t i = 0; i < now.assigned.count; i++)
        now.assigned.items[i].epoch = 0;
    group_keep_current(m->of, m->by_id.key, &now);
    group_current_free(&now);
}

void
group_beat_leave(struct group_beat *b)
{
    struct group *g = group_find(b->shard, b->q->group_id);
    struct group_consumer *c = g ? g->consumer : NULL;
    if (!c) {
        group_beat_complain(b, KERR_GROUP_ID_NOT_FOUND,
                            g ? "Group %.*s is not a consumer group." : "Group %.*s not found.",
                            GROUP_TEXT(b->q->group_id));
        return;
    }
    struct group_consumer_member *m = group_consumer_profiled(c, b->member_id);
    if (b->q->instance_id.at) {
        m = group_consumer_static(c, b->q->instance_id);
        if (group_beat_check_instance(b, m) != KERR_NONE)
            return;
    } else if (!m) {
        group_beat_complain(b, KERR_UNKNOWN_MEMBER_ID, "Member %.*s is not a member of group %.*s.",
                            GROUP_TEXT(b->member_id), GROUP_TEXT(b->q->group_id));
        return;
    }
    b->answer.member_id = b->member_id;
    b->answer.member_epoch = b->q->member_epoch;
    if (b->q->instance_id.at && b->q->member_epoch == GROUP_EPOCH_LEAVE_STATIC)
        leave_for_a_while(m);
    else
        group_beat_fence(m);
}

/* ---- timers ---------------------------------------------------------------------------------- */

void
group_beat_session(struct group_consumer_member *m)
{
    struct group_shard *s = m->of->group->shard;
    int32_t session_ms = m->profile.classic ? m->profile.session_ms
                                            : group_consumer_settings(m->of).session_timeout_ms;
    group_timer_set(s, &m->session, s->step->now_ms + session_ms);
}

void
group_beat_rebalance(struct group_consumer_member *m)
{
    struct group_shard *s = m->of->group->shard;
    if (m->profile.classic)
        return; /* those have join and sync timers */
    if (m->state != GROUP_MEMBER_UNREVOKED) {
        group_timer_clear(s, &m->rebalance);
        return;
    }
    m->rebalance_epoch = m->epoch;
    group_timer_set(s, &m->rebalance, s->step->now_ms + m->profile.rebalance_ms);
}

void
group_consumer_loaded(struct group_consumer *c)
{
    for (struct group_consumer_member *m = NULL; (m = group_consumer_next(c, m));) {
        group_beat_session(m);
        if (m->state == GROUP_MEMBER_UNREVOKED)
            group_beat_rebalance(m);
    }
}

/* Ends with the settling of the group. */
void
group_consumer_fire(struct group_timer *t)
{
    struct group *g;
    if (t->kind == GROUP_TIMER_RESOLVE) {
        struct group_consumer *c = group_item(t, struct group_consumer, resolve);
        g = c->group;
        group_pattern_resolve(c);
    } else if (t->kind == GROUP_TIMER_CONSUMER_REBALANCE) {
        struct group_consumer_member *m = group_item(t, struct group_consumer_member, rebalance);
        g = m->of->group;
        if (m->epoch == m->rebalance_epoch)
            group_beat_fence(m);
    } else {
        struct group_consumer_member *m =
            t->kind == GROUP_TIMER_CONSUMER_SESSION
                ? group_item(t, struct group_consumer_member, session)
            : t->kind == GROUP_TIMER_CONSUMER_REJOIN
                ? group_item(t, struct group_consumer_member, rejoin)
                : group_item(t, struct group_consumer_member, barrier);
        g = m->of->group;
        group_beat_fence(m);
    }
    group_settle(g);
}
