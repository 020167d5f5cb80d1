/* group_fence.c: epochs of members in commits and fetches. */
#include "control/group/group_fence.h"

static int16_t
stale(const struct group_consumer_member *m, bool txn)
{
    return m->profile.classic || txn ? KERR_ILLEGAL_GENERATION : KERR_STALE_MEMBER_EPOCH;
}

int16_t
group_fence_commit(const struct group_consumer *c, struct group_fence *f)
{
    f->late = NULL;
    if (f->epoch < 0 && c->member_count == 0)
        return KERR_NONE;
    if (f->txn && f->epoch == -1 && f->member_id.len == 0 && !f->instance.at)
        return KERR_NONE;
    const struct group_consumer_member *m = group_consumer_profiled(c, f->member_id);
    if (!m)
        return KERR_UNKNOWN_MEMBER_ID;
    if (!f->txn && !m->profile.classic && f->version < 9)
        return KERR_UNSUPPORTED_VERSION;
    if (f->epoch > m->epoch)
        return stale(m, f->txn);
    if (f->epoch < m->epoch)
        f->late = m;
    return KERR_NONE;
}

int16_t
group_fence_partition(const struct group_fence *f, const uint8_t topic[16], int32_t partition)
{
    if (!f->late)
        return KERR_NONE;
    const struct group_part *p = group_parts_find(&f->late->assigned, topic, partition);
    if (!p)
        p = group_parts_find(&f->late->revoking, topic, partition);
    return p && f->epoch >= p->epoch ? KERR_NONE : stale(f->late, f->txn);
}

int16_t
group_fence_fetch(const struct group_consumer *c, struct view member_id, int32_t epoch)
{
    if (!member_id.at && epoch < 0)
        return KERR_NONE;
    const struct group_consumer_member *m = group_consumer_profiled(c, member_id);
    if (!m)
        return KERR_UNKNOWN_MEMBER_ID;
    return epoch == m->epoch ? KERR_NONE : stale(m, false);
}
