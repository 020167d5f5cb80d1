/* group_assign.c: the range assignor, and the uniform one for equal subscriptions. */
#include "control/group/group_assign.h"

#include "control/group/group_map.h"

#include <stdlib.h>

static bool
subscribed_alike(const struct group_assign *a)
{
    const struct group_assign_member *first = &a->members[0];
    for (uint32_t i = 1; i < a->member_count; i++) {
        const struct group_assign_member *m = &a->members[i];
        if (m->topic_count != first->topic_count)
            return false;
        if (m->topics != first->topics && m->topic_count &&
            memcmp(m->topics, first->topics, m->topic_count * sizeof *m->topics) != 0)
            return false;
    }
    return true;
}

/* What each member keeps of what it has, and how much more it gets.  `extra` members get one above
 * the even share; whoever has one above it keeps that one first, the last members take what is
 * left. */
struct quota {
    uint32_t keeps, wants;
};

static void
quotas(const struct group_assign *a, struct quota *q)
{
    uint32_t share = a->partition_count / a->member_count;
    uint32_t extra = a->partition_count % a->member_count;
    for (uint32_t i = 0; i < a->partition_count; i++)
        if (a->owners[i] >= 0)
            q[a->owners[i]].keeps++;
    for (uint32_t m = 0; m < a->member_count; m++) {
        bool has_extra = extra > 0;
        uint32_t most = share + has_extra;
        q[m].keeps = q[m].keeps < most ? q[m].keeps : most;
        q[m].wants = most - q[m].keeps;
        if (q[m].wants > 0 && has_extra && a->member_count - m > extra) {
            q[m].wants--;
            has_extra = false;
        }
        extra -= has_extra;
    }
}

static void
assign_alike(const struct group_assign *a)
{
    struct quota *q = group_alloc(a->member_count, sizeof *q);
    quotas(a, q);
    for (uint32_t i = 0; i < a->partition_count; i++) {
        int32_t m = a->owners[i];
        if (m >= 0 && q[m].keeps > 0)
            q[m].keeps--;
        else
            a->owners[i] = -1;
    }
    uint32_t m = 0;
    for (uint32_t i = 0; i < a->partition_count; i++) {
        if (a->owners[i] >= 0)
            continue;
        while (q[m].wants == 0)
            m++; /* the quotas add up to all partitions */
        q[m].wants--;
        a->owners[i] = (int32_t)m;
    }
    free(q);
}

void
group_assign_uniform(const struct group_assign *a)
{
    if (subscribed_alike(a))
        assign_alike(a);
    else
        group_assign_mixed(a);
}

/* ---- range ----------------------------------------------------------------------------------- */

static int
text_order(struct view a, struct view b)
{
    uint32_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.at, b.at, len) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

struct place {
    const struct group_assign_member *member;
    int32_t index;
};

static int
place_order(const void *x, const void *y)
{
    const struct group_assign_member *a = ((const struct place *)x)->member;
    const struct group_assign_member *b = ((const struct place *)y)->member;
    if (a->instance.at && b->instance.at)
        return text_order(a->instance, b->instance);
    if (a->instance.at || b->instance.at)
        return a->instance.at ? -1 : 1;
    return text_order(a->id, b->id);
}

void
group_assign_range(const struct group_assign *a)
{
    struct place *order = group_alloc(a->member_count, sizeof *order);
    uint32_t *subscribers = group_alloc(a->topic_count, sizeof *subscribers);
    uint32_t *served = group_alloc(a->topic_count, sizeof *served);
    uint32_t *next = group_alloc(a->topic_count, sizeof *next);
    for (uint32_t m = 0; m < a->member_count; m++) {
        order[m] = (struct place){&a->members[m], (int32_t)m};
        for (uint32_t i = 0; i < a->members[m].topic_count; i++)
            subscribers[a->members[m].topics[i]]++;
    }
    qsort(order, a->member_count, sizeof *order, place_order);
    for (uint32_t i = 0; i < a->partition_count; i++)
        a->owners[i] = -1;
    for (uint32_t m = 0; m < a->member_count; m++)
        for (uint32_t i = 0; i < order[m].member->topic_count; i++) {
            uint32_t t = order[m].member->topics[i];
            uint32_t partitions = (uint32_t)a->topics[t].partition_count;
            uint32_t width = partitions / subscribers[t];
            width += served[t]++ < partitions % subscribers[t];
            for (uint32_t limit = next[t] + width; next[t] < limit; next[t]++)
                a->owners[a->topics[t].first + next[t]] = order[m].index;
        }
    free(order);
    free(subscribers);
    free(served);
    free(next);
}
