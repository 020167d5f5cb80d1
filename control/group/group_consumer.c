/* group_consumer.c: the state of a group of the consumer protocol, and what is counted along.
 *
 * I1 by_name of a topic: members whose profiles name it; by_regex: resolved expressions that stand
 *    for it; the topic is in the table while one of them is not 0.
 * I2 A partition's holders are the members that have it in `assigned` or `revoking`.
 * I3 An expression is in the table while members subscribe to it or a record resolves it.
 * I4 Each instance id leads to the member with that profile that came last. */
#include "control/group/group_consumer.h"

#include <stdlib.h>

struct group_consumer *
group_consumer_need(struct group *g)
{
    if (g->consumer)
        return g->consumer;
    struct group_consumer *c = group_alloc(1, sizeof *c);
    c->group = g;
    c->epoch = c->target_epoch = 1; /* as Kafka: before the first record */
    c->refresh = true;
    c->resolve.kind = GROUP_TIMER_RESOLVE;
    g->consumer = c;
    return c;
}

bool
group_consumer_bare(const struct group_consumer *c)
{
    return !c->has_epoch && !c->has_target_epoch && !c->has_partition_metadata &&
           c->members.count == 0 && c->resolved_count == 0;
}

struct group_consumer_member *
group_consumer_member(const struct group_consumer *c, struct view id)
{
    struct group_node *n = group_map_find(&c->members, id);
    return n ? group_item(n, struct group_consumer_member, by_id) : NULL;
}

struct group_consumer_member *
group_consumer_profiled(const struct group_consumer *c, struct view id)
{
    struct group_consumer_member *m = group_consumer_member(c, id);
    return m && m->has_profile ? m : NULL;
}

struct group_consumer_member *
group_consumer_member_need(struct group_consumer *c, struct view id)
{
    struct group_consumer_member *m = group_consumer_member(c, id);
    if (m)
        return m;
    m = group_alloc(1, sizeof *m);
    m->of = c;
    m->by_id.key = group_copy(id);
    m->previous_epoch = -1;
    m->session.kind = GROUP_TIMER_CONSUMER_SESSION;
    m->rebalance.kind = GROUP_TIMER_CONSUMER_REBALANCE;
    m->rejoin.kind = GROUP_TIMER_CONSUMER_REJOIN;
    m->barrier.kind = GROUP_TIMER_CONSUMER_BARRIER;
    group_map_add(&c->members, &m->by_id);
    return m;
}

struct group_consumer_member *
group_consumer_static(const struct group_consumer *c, struct view instance)
{
    struct group_node *n = instance.at ? group_map_find(&c->instances, instance) : NULL;
    return n ? group_item(n, struct group_consumer_member, by_instance) : NULL;
}

struct group_consumer_member *
group_consumer_next(const struct group_consumer *c, const struct group_consumer_member *after)
{
    struct group_node *n = group_map_next(&c->members, after ? &after->by_id : NULL);
    while (n && !group_item(n, struct group_consumer_member, by_id)->has_profile)
        n = group_map_next(&c->members, n);
    return n ? group_item(n, struct group_consumer_member, by_id) : NULL;
}

uint32_t
group_consumer_members(const struct group_consumer *c)
{
    return c->member_count;
}

void
group_consumer_refresh(struct group_consumer *c, struct view topic)
{
    c->refresh |= group_consumer_subscribed(c, topic);
}

struct group_settings
group_consumer_settings(const struct group_consumer *c)
{
    const struct group_config *config = c->group->shard->config;
    struct group_settings s = config->consumer;
    if (config->port.of_group)
        config->port.of_group(config->port.user, c->group->node.key, &s);
    return s;
}

const char *
group_consumer_state(const struct group_consumer *c)
{
    if (c->member_count == 0)
        return "Empty";
    if (c->epoch > c->target_epoch)
        return "Assigning";
    for (struct group_consumer_member *m = NULL; (m = group_consumer_next(c, m));)
        if (m->state != GROUP_MEMBER_STABLE || m->epoch != c->target_epoch)
            return "Reconciling";
    return "Stable";
}

/* ---- subscribed topics (I1) ------------------------------------------------------------------ */

static void
use_topic(struct group_consumer *c, struct view name, int32_t by_name, int32_t by_regex)
{
    struct group_node *n = group_map_find(&c->topics, name);
    struct group_topic_use *t = n ? group_item(n, struct group_topic_use, node) : NULL;
    if (!t) {
        t = group_alloc(1, sizeof *t);
        t->node.key = group_copy(name);
        group_map_add(&c->topics, &t->node);
    }
    t->by_name += (uint32_t)by_name;
    t->by_regex += (uint32_t)by_regex;
    if (t->by_name == 0 && t->by_regex == 0) {
        group_map_remove(&c->topics, &t->node);
        group_drop(&t->node.key);
        free(t);
    }
}

bool
group_consumer_subscribed(const struct group_consumer *c, struct view topic)
{
    return group_map_find(&c->topics, topic) != NULL;
}

struct group_regex *
group_consumer_regex(const struct group_consumer *c, struct view regex)
{
    struct group_node *n = regex.len ? group_map_find(&c->regexes, regex) : NULL;
    return n ? group_item(n, struct group_regex, node) : NULL;
}

static struct group_regex *
regex_need(struct group_consumer *c, struct view regex)
{
    struct group_regex *r = group_consumer_regex(c, regex);
    if (r)
        return r;
    r = group_alloc(1, sizeof *r);
    r->node.key = group_copy(regex);
    group_map_add(&c->regexes, &r->node);
    return r;
}

/* I3. */
static void
regex_settle(struct group_consumer *c, struct group_regex *r)
{
    if (r->members || r->resolved)
        return;
    group_map_remove(&c->regexes, &r->node);
    group_drop(&r->node.key);
    group_names_free(&r->topics);
    free(r);
}

void
group_consumer_resolved(struct group_consumer *c, struct view regex, struct group_names *names,
                        int64_t version, int64_t resolved_ms)
{
    if (!names && !group_consumer_regex(c, regex))
        return;
    struct group_regex *r = regex_need(c, regex);
    for (uint32_t i = 0; i < r->topics.count; i++)
        use_topic(c, r->topics.items[i], 0, -1);
    group_names_free(&r->topics);
    c->resolved_count -= r->resolved;
    r->resolved = names != NULL;
    c->resolved_count += r->resolved;
    if (names) {
        r->topics = *names;
        r->version = version;
        r->resolved_ms = resolved_ms;
        for (uint32_t i = 0; i < r->topics.count; i++)
            use_topic(c, r->topics.items[i], 0, 1);
    }
    regex_settle(c, r);
}

static void
use_regex(struct group_consumer *c, struct view regex, int32_t change)
{
    if (regex.len == 0)
        return;
    struct group_regex *r = regex_need(c, regex);
    c->regex_count -= r->members > 0;
    r->members += (uint32_t)change;
    c->regex_count += r->members > 0;
    regex_settle(c, r);
}

/* ---- profiles -------------------------------------------------------------------------------- */

static void
profile_count(struct group_consumer_member *m, int32_t change)
{
    struct group_consumer *c = m->of;
    const struct group_profile *p = &m->profile;
    for (uint32_t i = 0; i < p->names.count; i++)
        use_topic(c, p->names.items[i], change, 0);
    use_regex(c, p->regex, change);
    c->member_count += (uint32_t)change;
    c->classic_count += (uint32_t)(p->classic ? change : 0);
    c->bytes += change > 0 ? p->bytes : -(uint64_t)p->bytes;
}

/* I4. */
static void
instance_set(struct group_consumer_member *m, struct view instance)
{
    struct group_consumer *c = m->of;
    if (m->by_instance.key.at) {
        group_map_remove(&c->instances, &m->by_instance);
        group_drop(&m->by_instance.key);
    }
    if (!instance.at)
        return;
    struct group_consumer_member *other = group_consumer_static(c, instance);
    if (other)
        instance_set(other, (struct view){0});
    m->by_instance.key = group_copy(instance);
    group_map_add(&c->instances, &m->by_instance);
}

void
group_consumer_profile(struct group_consumer_member *m, struct group_profile *p)
{
    if (m->has_profile) {
        profile_count(m, -1);
        group_profile_free(&m->profile);
    }
    m->has_profile = p != NULL;
    if (p)
        m->profile = *p;
    instance_set(m, p ? p->instance : (struct view){0});
    if (p)
        profile_count(m, 1);
}

/* ---- what members hold (I2) ------------------------------------------------------------------ */

static struct group_holders *
holders_of(const struct group_consumer *c, const uint8_t topic[16])
{
    struct group_node *n = group_map_find(&c->holders, view_of(topic, 16));
    return n ? group_item(n, struct group_holders, node) : NULL;
}

static void
hold(struct group_consumer *c, const struct group_part *p)
{
    struct group_holders *h = holders_of(c, p->topic);
    if (!h) {
        h = group_alloc(1, sizeof *h);
        memcpy(h->key, p->topic, sizeof h->key);
        h->node.key = view_of(h->key, sizeof h->key);
        group_map_add(&c->holders, &h->node);
    }
    uint32_t i = (uint32_t)p->partition;
    if (i >= h->room) {
        uint32_t room = i < 8 ? 8 : (i + 1) + i / 2;
        uint32_t *counts = group_alloc(room, sizeof *counts);
        if (h->room)
            memcpy(counts, h->counts, h->room * sizeof *counts);
        free(h->counts);
        h->counts = counts;
        h->room = room;
    }
    h->used += h->counts[i]++ == 0;
}

static void
let_go(struct group_consumer *c, const struct group_part *p)
{
    struct group_holders *h = holders_of(c, p->topic);
    must(h && h->counts[p->partition] > 0);
    h->used -= --h->counts[p->partition] == 0;
    if (h->used)
        return;
    group_map_remove(&c->holders, &h->node);
    free(h->counts);
    free(h);
}

bool
group_consumer_held(const struct group_consumer *c, const uint8_t topic[16], int32_t partition)
{
    const struct group_holders *h = holders_of(c, topic);
    return h && (uint32_t)partition < h->room && h->counts[partition] > 0;
}

void
group_consumer_current(struct group_consumer_member *m, const struct group_parts *assigned,
                       const struct group_parts *revoking)
{
    struct group_parts *sets[] = {&m->assigned, &m->revoking};
    const struct group_parts *from[] = {assigned, revoking};
    for (uint32_t s = 0; s < 2; s++) {
        for (uint32_t i = 0; i < sets[s]->count; i++)
            let_go(m->of, &sets[s]->items[i]);
        group_parts_set(sets[s], from[s] ? from[s]->items : NULL, from[s] ? from[s]->count : 0);
        for (uint32_t i = 0; i < sets[s]->count; i++)
            hold(m->of, &sets[s]->items[i]);
    }
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void
member_free(struct group_consumer_member *m)
{
    struct group_consumer *c = m->of;
    struct group_timer *timers[] = {&m->session, &m->rebalance, &m->rejoin, &m->barrier};
    for (uint32_t i = 0; i < sizeof timers / sizeof *timers; i++)
        group_timer_clear(c->group->shard, timers[i]);
    group_consumer_profile(m, NULL);
    group_consumer_current(m, NULL, NULL);
    group_parts_free(&m->target);
    group_map_remove(&c->members, &m->by_id);
    group_drop(&m->by_id.key);
    free(m);
}

void
group_consumer_member_settle(struct group_consumer_member *m)
{
    if (!m->has_profile && !m->has_current && !m->has_target)
        member_free(m);
}

void
group_consumer_free(struct group *g)
{
    struct group_consumer *c = g->consumer;
    if (!c)
        return;
    for (struct group_node *n; (n = group_map_next(&c->members, NULL));)
        member_free(group_item(n, struct group_consumer_member, by_id));
    for (struct group_node *n; (n = group_map_next(&c->regexes, NULL));)
        group_consumer_resolved(c, n->key, NULL, 0, 0);
    must(c->topics.count == 0 && c->holders.count == 0 && c->instances.count == 0);
    group_timer_clear(g->shard, &c->resolve);
    group_map_free(&c->members);
    group_map_free(&c->instances);
    group_map_free(&c->topics);
    group_map_free(&c->holders);
    group_map_free(&c->regexes);
    free(c);
    g->consumer = NULL;
}
