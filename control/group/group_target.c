/* group_target.c: the target assignment of a group of the consumer protocol: what the assignors are
 * asked, and what of their answer becomes records.
 *
 * I1 The epoch of the target is the last of its records.  Of a log that ends among them the next
 *    heartbeat makes the target anew, and until then no partition gets a second holder, since what
 *    others hold is not given (group_reconcile.c).
 *
 * The hash of the subscribed topics tells whether they changed since the group's epoch began.  It
 * is not Kafka's (XXH3): a group that moves between the two is assigned once more than needed. */
#include "control/group/group_assign.h"
#include "control/group/group_consumer.h"

#include <stdlib.h>

/* ---- the hash -------------------------------------------------------------------------------- */

static uint64_t
mix(uint64_t h)
{
    h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
    return h ^ h >> 31;
}

static uint64_t
hash_bytes(uint64_t h, const uint8_t *at, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++)
        h = (h ^ at[i]) * UINT64_C(1099511628211);
    return mix(h ^ len);
}

static bool
topic_find(const struct group_consumer *c, struct view name, struct group_topic *out)
{
    const struct group_port *p = &c->group->shard->config->port;
    return p->by_name && p->by_name(p->user, name, out);
}

/* A sum, so that the order of topics does not matter. */
uint64_t
group_target_hash(const struct group_consumer *c)
{
    uint64_t sum = 0;
    const struct group_map *topics = &c->topics;
    for (struct group_node *n = group_map_next(topics, NULL); n; n = group_map_next(topics, n)) {
        struct group_topic t;
        if (!topic_find(c, n->key, &t))
            continue;
        uint8_t count[4];
        set_u32(count, (uint32_t)t.partition_count);
        uint64_t h = hash_bytes(UINT64_C(14695981039346656037), t.id, sizeof t.id);
        h = hash_bytes(h, n->key.at, n->key.len);
        sum += hash_bytes(h, count, sizeof count);
    }
    return sum;
}

/* ---- what the assignors are asked ------------------------------------------------------------ */

struct known_topic {
    struct view name;
    uint32_t index; /* by id */
    struct group_assign_topic topic;
};

struct target {
    struct group_consumer *c;
    struct group_assign in;
    struct known_topic *known; /* by name */
    struct group_assign_topic *topics;
    struct group_assign_member *members;
    struct group_consumer_member **of; /* in the order of members */
    uint32_t **lists;                  /* of topics; members may share one */
    uint32_t list_count;
};

static int
view_order(struct view a, struct view b)
{
    uint32_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.at, b.at, len) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int
known_by_name(const void *a, const void *b)
{
    return view_order(((const struct known_topic *)a)->name, ((const struct known_topic *)b)->name);
}

static int
known_by_id(const void *a, const void *b)
{
    return memcmp(((const struct known_topic *)a)->topic.id,
                  ((const struct known_topic *)b)->topic.id, 16);
}

static int
member_order(const void *a, const void *b)
{
    return view_order((*(struct group_consumer_member *const *)a)->by_id.key,
                      (*(struct group_consumer_member *const *)b)->by_id.key);
}

static int
index_order(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* False: too many partitions. */
static bool
topics_learn(struct target *t)
{
    const struct group_map *topics = &t->c->topics;
    t->known = group_alloc(topics->count, sizeof *t->known);
    uint32_t count = 0;
    uint64_t partitions = 0;
    for (struct group_node *n = group_map_next(topics, NULL); n; n = group_map_next(topics, n)) {
        struct group_topic found;
        if (!topic_find(t->c, n->key, &found))
            continue;
        struct known_topic *k = &t->known[count++];
        k->name = n->key;
        k->topic.partition_count = found.partition_count;
        memcpy(k->topic.id, found.id, sizeof k->topic.id);
        partitions += (uint32_t)found.partition_count;
    }
    if (partitions > GROUP_ASSIGN_PARTITIONS_MAX)
        return false;
    if (count)
        qsort(t->known, count, sizeof *t->known, known_by_id);
    t->topics = group_alloc(count, sizeof *t->topics);
    for (uint32_t i = 0; i < count; i++) {
        t->known[i].index = i;
        t->known[i].topic.first = t->in.partition_count;
        t->topics[i] = t->known[i].topic;
        t->in.partition_count += (uint32_t)t->topics[i].partition_count;
    }
    if (count)
        qsort(t->known, count, sizeof *t->known, known_by_name);
    t->in.topics = t->topics;
    t->in.topic_count = count;
    return true;
}

static void
names_index(const struct target *t, const struct group_names *names, uint32_t *list,
            uint32_t *count)
{
    for (uint32_t i = 0; i < names->count && t->in.topic_count; i++) {
        struct known_topic key = {.name = names->items[i]};
        const struct known_topic *k =
            bsearch(&key, t->known, t->in.topic_count, sizeof key, known_by_name);
        if (k)
            list[(*count)++] = k->index;
    }
}

/* Member i's topics; those of the member before if it is subscribed to the same. */
static void
subscription_learn(struct target *t, uint32_t i)
{
    const struct group_profile *p = &t->of[i]->profile;
    const struct group_profile *before = i ? &t->of[i - 1]->profile : NULL;
    struct group_assign_member *m = &t->members[i];
    if (before && group_names_same(&p->names, &before->names) &&
        view_equal(p->regex, before->regex)) {
        m->topics = t->members[i - 1].topics;
        m->topic_count = t->members[i - 1].topic_count;
        return;
    }
    const struct group_regex *r = group_consumer_regex(t->c, p->regex);
    uint32_t count = 0, kept = 0;
    uint32_t *list = group_alloc(p->names.count + (r ? r->topics.count : 0), sizeof *list);
    names_index(t, &p->names, list, &count);
    if (r)
        names_index(t, &r->topics, list, &count);
    if (count)
        qsort(list, count, sizeof *list, index_order);
    for (uint32_t j = 0; j < count; j++)
        if (kept == 0 || list[kept - 1] != list[j])
            list[kept++] = list[j];
    t->lists[t->list_count++] = list;
    m->topics = list;
    m->topic_count = kept;
}

/* Who has what by the target before. */
static void
owners_learn(struct target *t, uint32_t i)
{
    const struct group_parts *had = &t->of[i]->target;
    for (uint32_t first = 0, end; first < had->count; first = end) {
        end = group_parts_end(had, first);
        uint32_t low = 0, high = t->in.topic_count;
        while (low < high) {
            uint32_t middle = low + (high - low) / 2;
            if (memcmp(t->topics[middle].id, had->items[first].topic, 16) < 0)
                low = middle + 1;
            else
                high = middle;
        }
        const struct group_assign_topic *topic = &t->topics[low];
        if (low == t->in.topic_count || memcmp(topic->id, had->items[first].topic, 16) != 0)
            continue;
        for (uint32_t j = first; j < end; j++) {
            int32_t partition = had->items[j].partition;
            if (partition < topic->partition_count &&
                t->in.owners[topic->first + (uint32_t)partition] < 0)
                t->in.owners[topic->first + (uint32_t)partition] = (int32_t)i;
        }
    }
}

static void
members_learn(struct target *t)
{
    uint32_t count = 0;
    t->of = group_alloc(t->c->member_count, sizeof(struct group_consumer_member *));
    t->members = group_alloc(t->c->member_count, sizeof *t->members);
    t->lists = group_alloc(t->c->member_count, sizeof(uint32_t *));
    t->in.owners = group_alloc(t->in.partition_count, sizeof *t->in.owners);
    for (uint32_t i = 0; i < t->in.partition_count; i++)
        t->in.owners[i] = -1;
    for (struct group_consumer_member *m = NULL; (m = group_consumer_next(t->c, m));)
        t->of[count++] = m;
    must(count == t->c->member_count);
    qsort(t->of, count, sizeof(struct group_consumer_member *), member_order);
    for (uint32_t i = 0; i < count; i++) {
        t->members[i].id = t->of[i]->by_id.key;
        t->members[i].instance = t->of[i]->profile.instance;
        subscription_learn(t, i);
        owners_learn(t, i);
    }
    t->in.members = t->members;
    t->in.member_count = count;
}

/* ---- what becomes records -------------------------------------------------------------------- */

static void
targets_keep(struct target *t)
{
    uint32_t *ends = group_alloc(t->in.member_count, sizeof *ends), at = 0;
    struct group_part *parts = group_alloc(t->in.partition_count, sizeof *parts);
    for (uint32_t i = 0; i < t->in.partition_count; i++)
        if (t->in.owners[i] >= 0)
            ends[t->in.owners[i]]++;
    for (uint32_t i = 0; i < t->in.member_count; i++) {
        uint32_t count = ends[i];
        ends[i] = at;
        at += count;
    }
    for (uint32_t k = 0; k < t->in.topic_count; k++)
        for (int32_t p = 0; p < t->topics[k].partition_count; p++) {
            int32_t owner = t->in.owners[t->topics[k].first + (uint32_t)p];
            if (owner < 0)
                continue;
            struct group_part *part = &parts[ends[owner]++];
            memcpy(part->topic, t->topics[k].id, sizeof part->topic);
            part->partition = p;
        }
    for (uint32_t i = 0; i < t->in.member_count; i++) {
        uint32_t first = i ? ends[i - 1] : 0;
        struct group_parts now = {parts + first, ends[i] - first};
        if (t->of[i]->has_target && group_parts_same(&now, &t->of[i]->target))
            continue;
        group_boundary(t->c->group->shard); /* they may be many; I1 */
        group_keep_target(t->c, t->of[i]->by_id.key, &now);
    }
    free(ends);
    free(parts);
}

static void
target_free(struct target *t)
{
    for (uint32_t i = 0; i < t->list_count; i++)
        free(t->lists[i]);
    free(t->lists);
    free(t->of);
    free(t->members);
    free(t->topics);
    free(t->known);
    free(t->in.owners);
}

static const struct {
    const char *name;
    void (*assign)(const struct group_assign *a);
} assignors[] = {{"uniform", group_assign_uniform}, {"range", group_assign_range}};

enum { ASSIGNORS = sizeof assignors / sizeof *assignors };

bool
group_target_knows(struct view assignor)
{
    for (uint32_t i = 0; i < ASSIGNORS; i++)
        if (view_equal(assignor, view_of_text(assignors[i].name)))
            return true;
    return false;
}

static uint32_t
assignor_of(const struct group_consumer *c)
{
    uint32_t votes[ASSIGNORS] = {0}, best = 0;
    for (struct group_consumer_member *m = NULL; (m = group_consumer_next(c, m));)
        for (uint32_t i = 0; i < ASSIGNORS; i++)
            votes[i] += view_equal(m->profile.assignor, view_of_text(assignors[i].name));
    for (uint32_t i = 1; i < ASSIGNORS; i++)
        best = votes[i] > votes[best] ? i : best;
    return best;
}

const char *
group_target_assignor(const struct group_consumer *c)
{
    return assignors[assignor_of(c)].name;
}

bool
group_target_update(struct group_consumer *c)
{
    int64_t now_ms = c->group->shard->step->now_ms;
    int32_t interval_ms = group_consumer_settings(c).assignment_interval_ms;
    if (c->target_epoch >= c->epoch || c->member_count == 0)
        return true;
    if (c->target_ms != 0 && interval_ms != 0 && now_ms < c->target_ms + interval_ms)
        return true;
    struct target t = {.c = c};
    bool fits = topics_learn(&t);
    if (fits) {
        members_learn(&t);
        assignors[assignor_of(c)].assign(&t.in);
        targets_keep(&t);
        group_keep_target_epoch(c, true, c->epoch, now_ms);
    }
    target_free(&t);
    return fits;
}
