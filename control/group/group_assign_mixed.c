/* group_assign_mixed.c: the uniform assignor when subscriptions differ.
 *
 * First, partitions that nobody has go to the least loaded subscribers, topics with the most
 * partitions for a subscriber first.  Then, topic by topic, partitions move from the most loaded
 * subscribers that have one to the least loaded ones until they differ by at most one, in rounds
 * over all topics until a round changes nothing, or GROUP_ASSIGN_ROUNDS_MAX.
 *
 * Subscribers of a topic stand sorted by load.  `low` hands out the least loaded one: it walks
 * over those of the lowest level, then lifts the level and takes in who stands at it.  `high` does
 * the same from above, and leaves out who has nothing of this topic to give. */
#include "control/group/group_assign.h"

#include "control/group/group_map.h"
#include "core/base/must.h"

#include <stdlib.h>

struct loaded {
    uint32_t member, load; /* load: when sorted */
};

struct mixed {
    const struct group_assign *a;
    uint32_t *loads;       /* partitions of a member */
    uint32_t *subscribers; /* members of all topics, topic by topic, ascending */
    uint32_t *ends;        /* where those of a topic end */
    uint32_t *order;       /* topics */
    /* of the topic that is being balanced: */
    struct loaded *sorted;
    uint32_t count;
    uint32_t low_end, low_next, low_level;
    uint32_t high_start, high_end, high_left; /* high_left: of the range, not yet handed out */
    int64_t high_level;
    uint32_t *starts, *lasts; /* of a member: its partitions in `grouped` */
    uint32_t *grouped;
};

static uint32_t
subscribers_start(const struct mixed *x, uint32_t topic)
{
    return topic ? x->ends[topic - 1] : 0;
}

static uint32_t
subscriber_count(const struct mixed *x, uint32_t topic)
{
    return x->ends[topic] - subscribers_start(x, topic);
}

/* ---- the least and the most loaded ----------------------------------------------------------- */

static int
load_order(const void *p, const void *q)
{
    const struct loaded *a = p, *b = q;
    if (a->load != b->load)
        return a->load < b->load ? -1 : 1;
    return (a->member > b->member) - (a->member < b->member);
}

/* Returns how far the subscribers are apart. */
static uint32_t
loads_sort(struct mixed *x, uint32_t topic)
{
    x->count = subscriber_count(x, topic);
    must(x->count > 0);
    for (uint32_t i = 0; i < x->count; i++) {
        uint32_t m = x->subscribers[subscribers_start(x, topic) + i];
        x->sorted[i] = (struct loaded){m, x->loads[m]};
    }
    qsort(x->sorted, x->count, sizeof *x->sorted, load_order);
    x->low_end = x->low_next = 0;
    x->low_level = x->sorted[0].load;
    x->high_start = x->high_end = x->count;
    x->high_left = 0;
    x->high_level = (int64_t)x->sorted[x->count - 1].load + 1;
    return x->sorted[x->count - 1].load - x->sorted[0].load;
}

static uint32_t
low(struct mixed *x)
{
    if (x->low_next == x->low_end) {
        x->low_level += x->low_end > 0; /* all of the range have had one */
        while (x->low_end < x->count && x->sorted[x->low_end].load == x->low_level)
            x->low_end++;
        x->low_next = 0;
    }
    return x->sorted[x->low_next++].member;
}

/* The place in `sorted` of one of the most loaded; -1: nobody is left. */
static int64_t
high(struct mixed *x)
{
    if (x->high_left == 0) {
        if (x->high_end == x->high_start && x->high_start > 0)
            x->high_level = x->sorted[x->high_start - 1].load;
        else
            x->high_level--;
        while (x->high_start > 0 && x->sorted[x->high_start - 1].load == x->high_level)
            x->high_start--;
        x->high_left = x->high_end - x->high_start;
    }
    if (x->high_left == 0)
        return -1;
    return x->high_start + --x->high_left;
}

/* Whoever `high` told last has nothing to give. */
static void
high_leave_out(struct mixed *x, uint32_t place)
{
    struct loaded out = x->sorted[place];
    x->high_end--;
    x->sorted[place] = x->sorted[x->high_end];
    x->sorted[x->high_end] = out;
}

/* ---- topics ---------------------------------------------------------------------------------- */

static void
give(struct mixed *x, uint32_t entry, uint32_t member)
{
    int32_t before = x->a->owners[entry];
    if (before >= 0)
        x->loads[before]--;
    x->a->owners[entry] = (int32_t)member;
    x->loads[member]++;
}

static void
fill(struct mixed *x, uint32_t topic)
{
    const struct group_assign_topic *t = &x->a->topics[topic];
    bool sorted = false;
    for (uint32_t p = 0; p < (uint32_t)t->partition_count; p++) {
        if (x->a->owners[t->first + p] >= 0)
            continue;
        if (!sorted)
            loads_sort(x, topic);
        sorted = true;
        give(x, t->first + p, low(x));
    }
}

/* The partitions of a topic, those of one member together, ascending. */
static void
group_by_owner(struct mixed *x, uint32_t topic)
{
    const struct group_assign_topic *t = &x->a->topics[topic];
    const int32_t *owners = &x->a->owners[t->first];
    uint32_t first = subscribers_start(x, topic), at = 0;
    for (uint32_t i = 0; i < x->count; i++)
        x->lasts[x->subscribers[first + i]] = 0;
    for (uint32_t p = 0; p < (uint32_t)t->partition_count; p++)
        x->lasts[owners[p]]++;
    for (uint32_t i = 0; i < x->count; i++) {
        uint32_t m = x->subscribers[first + i], has = x->lasts[m];
        x->starts[m] = x->lasts[m] = at;
        at += has;
    }
    for (uint32_t p = 0; p < (uint32_t)t->partition_count; p++)
        x->grouped[x->lasts[owners[p]]++] = p;
}

/* True: something moved. */
static bool
balance(struct mixed *x, uint32_t topic)
{
    if (loads_sort(x, topic) <= 1)
        return false;
    group_by_owner(x, topic);
    bool moved = false;
    for (int64_t place; (place = high(x)) >= 0;) {
        uint32_t from = x->sorted[place].member;
        if (x->lasts[from] == x->starts[from]) {
            high_leave_out(x, (uint32_t)place);
            continue;
        }
        uint32_t to = low(x);
        if (x->high_level - (int64_t)x->low_level <= 1)
            break;
        give(x, x->a->topics[topic].first + x->grouped[--x->lasts[from]], to);
        moved = true;
    }
    return moved;
}

struct weight {
    const struct mixed *x;
    uint32_t topic;
};

/* Most partitions for a subscriber first, then fewest subscribers, then by id. */
static int
weight_order(const void *p, const void *q)
{
    const struct weight *a = p, *b = q;
    uint64_t ap = (uint64_t)a->x->a->topics[a->topic].partition_count;
    uint64_t bp = (uint64_t)b->x->a->topics[b->topic].partition_count;
    uint64_t as = subscriber_count(a->x, a->topic), bs = subscriber_count(b->x, b->topic);
    if (ap * bs != bp * as)
        return ap * bs > bp * as ? -1 : 1;
    if (as != bs)
        return as < bs ? -1 : 1;
    return (a->topic > b->topic) - (a->topic < b->topic);
}

static void
order_topics(struct mixed *x)
{
    struct weight *w = group_alloc(x->a->topic_count, sizeof *w);
    for (uint32_t t = 0; t < x->a->topic_count; t++)
        w[t] = (struct weight){x, t};
    qsort(w, x->a->topic_count, sizeof *w, weight_order);
    for (uint32_t t = 0; t < x->a->topic_count; t++)
        x->order[t] = w[t].topic;
    free(w);
}

static void
subscribers_learn(struct mixed *x)
{
    const struct group_assign *a = x->a;
    size_t all = 0;
    for (uint32_t m = 0; m < a->member_count; m++) {
        all += a->members[m].topic_count;
        for (uint32_t i = 0; i < a->members[m].topic_count; i++)
            x->ends[a->members[m].topics[i]]++;
    }
    x->subscribers = group_alloc(all, sizeof *x->subscribers);
    uint32_t at = 0;
    for (uint32_t t = 0; t < a->topic_count; t++) {
        uint32_t count = x->ends[t];
        x->ends[t] = at;
        at += count;
    }
    for (uint32_t m = 0; m < a->member_count; m++)
        for (uint32_t i = 0; i < a->members[m].topic_count; i++)
            x->subscribers[x->ends[a->members[m].topics[i]]++] = m;
}

static bool
subscribed(const struct group_assign_member *m, uint32_t topic)
{
    uint32_t low_index = 0, high_index = m->topic_count;
    while (low_index < high_index) {
        uint32_t middle = low_index + (high_index - low_index) / 2;
        if (m->topics[middle] < topic)
            low_index = middle + 1;
        else
            high_index = middle;
    }
    return low_index < m->topic_count && m->topics[low_index] == topic;
}

/* Members lose what they are no longer subscribed to. */
static void
revoke(struct mixed *x)
{
    for (uint32_t t = 0; t < x->a->topic_count; t++)
        for (uint32_t p = 0; p < (uint32_t)x->a->topics[t].partition_count; p++) {
            int32_t *owner = &x->a->owners[x->a->topics[t].first + p];
            if (*owner >= 0 && subscribed(&x->a->members[*owner], t))
                x->loads[*owner]++;
            else
                *owner = -1;
        }
}

static void
rounds(struct mixed *x)
{
    uint32_t since_moved = 0; /* topics */
    for (uint32_t round = 0; round < GROUP_ASSIGN_ROUNDS_MAX; round++)
        for (uint32_t i = 0; i < x->a->topic_count; i++) {
            if (subscriber_count(x, x->order[i]) >= 2 && balance(x, x->order[i]))
                since_moved = 0;
            else if (++since_moved == x->a->topic_count)
                return;
        }
}

void
group_assign_mixed(const struct group_assign *a)
{
    struct mixed x = {.a = a,
                      .loads = group_alloc(a->member_count, sizeof(uint32_t)),
                      .ends = group_alloc(a->topic_count, sizeof(uint32_t)),
                      .order = group_alloc(a->topic_count, sizeof(uint32_t)),
                      .sorted = group_alloc(a->member_count, sizeof(struct loaded)),
                      .starts = group_alloc(a->member_count, sizeof(uint32_t)),
                      .lasts = group_alloc(a->member_count, sizeof(uint32_t)),
                      .grouped = group_alloc(a->partition_count, sizeof(uint32_t))};
    subscribers_learn(&x);
    revoke(&x);
    order_topics(&x);
    for (uint32_t i = 0; i < a->topic_count; i++)
        if (subscriber_count(&x, x.order[i]) > 0)
            fill(&x, x.order[i]);
    rounds(&x);
    uint32_t *arrays[] = {x.loads, x.ends, x.order, x.subscribers, x.starts, x.lasts, x.grouped};
    for (uint32_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        free(arrays[i]);
    free(x.sorted);
}
