/* group_migrate.c: groups that change their protocol without stopping (KIP-848).
 *
 * Up, when a member of the consumer protocol joins a classic group: the classic members stay, with
 * the assignment they have as assigned and target, at the classic generation as epoch.
 * Down, when the last member of the consumer protocol goes: the target assignments become those of
 * a stable classic group, whose generation is the epoch; then it rebalances.
 * Source: Kafka GroupMetadataManager.convertToConsumerGroup, convertToClassicGroup. */
#include "control/group/group_beat.h"
#include "control/group/group_mixed.h"

#include <stdlib.h>

/* ---- up -------------------------------------------------------------------------------------- */

/* What a classic member becomes. */
struct moved {
    struct view id;
    struct group_profile profile;
    struct group_parts assigned;
};

static const struct group_config *
config_of(const struct group *g)
{
    return g->shard->config;
}

static void
moved_free(struct moved *m)
{
    group_drop(&m->id);
    group_profile_free(&m->profile);
    group_parts_free(&m->assigned);
}

/* NULL, or why not. */
static const char *
moved_make(const struct group_member *from, struct moved *to)
{
    const struct group_port *port = &config_of(from->group)->port;
    struct group_subscription s;
    bool custom;
    *to = (struct moved){0};
    /* before its first generation a group has not chosen a protocol */
    struct view metadata = from->group->protocol.at ? group_member_metadata(from)
                           : from->protocol_count   ? from->protocols[0].metadata
                                                    : (struct view){0};
    if (!group_embedded_subscription(port, metadata, &s))
        return "the embedded consumer protocol is malformed.";
    if (!group_embedded_assignment(port, from->assignment, &to->assigned, &custom) || custom) {
        group_embedded_free(&s);
        group_parts_free(&to->assigned);
        return custom ? "an unsupported custom assignor is in use. Please refer to the "
                        "documentation or switch to a default assignor before re-attempting the "
                        "upgrade."
                      : "the embedded consumer protocol is malformed.";
    }
    to->id = group_copy(from->by_id.key);
    to->profile = (struct group_profile){.instance = group_copy(from->by_instance.key),
                                         .rack = group_copy(s.rack),
                                         .client_id = group_copy(from->client_id),
                                         .client_host = group_copy(from->client_host),
                                         .regex = group_copy(view_of("", 0)),
                                         .names = s.names,
                                         .rebalance_ms = from->rebalance_timeout_ms,
                                         .classic = true,
                                         .session_ms = from->session_timeout_ms,
                                         .protocol_count = from->protocol_count};
    uint32_t bytes;
    to->profile.protocols = group_profile_protocols(from->protocols, from->protocol_count, &bytes);
    for (uint32_t i = 0; i < to->assigned.count; i++)
        to->assigned.items[i].epoch = from->group->generation;
    group_parts_free(&s.owned);
    return NULL;
}

const char *
group_migrate_blocked(const struct group *g)
{
    const struct group_config *config = config_of(g);
    if (!(config->consumer_migration & GROUP_MIGRATION_UPGRADE))
        return "online upgrade is disabled.";
    if (!group_is_consumer(g))
        return "the group does not use the consumer embedded protocol.";
    if (g->by_id.count > (uint32_t)config->consumer_max_size)
        return "the group size exceeds the consumer group maximum size.";
    const char *why = NULL;
    for (struct list *l = g->members.next; l != &g->members && !why; l = l->next) {
        struct moved m;
        why = moved_make(list_item(l, struct group_member, link), &m);
        if (!why)
            moved_free(&m);
    }
    return why;
}

static void
classic_end(struct group *g)
{
    while (!list_empty(&g->members)) {
        struct group_member *m = list_item(list_first(&g->members), struct group_member, link);
        group_join_fail(m, m->by_id.key, KERR_REBALANCE_IN_PROGRESS);
        group_sync_fail(m, KERR_REBALANCE_IN_PROGRESS);
        group_member_remove(m);
    }
    for (struct group_node *n; (n = group_map_next(&g->expected, NULL));)
        group_expected_remove(group_item(n, struct group_expected, node));
    if (g->recorded)
        group_record_gone(g);
    else
        group_forget(g);
}

void
group_migrate_up(struct group *g)
{
    uint32_t count = g->by_id.count, i = 0;
    int32_t generation = g->generation;
    struct moved *all = group_alloc(count, sizeof *all);
    for (struct list *l = g->members.next; l != &g->members; l = l->next)
        must(!moved_make(list_item(l, struct group_member, link), &all[i++]));
    classic_end(g);
    struct group_consumer *c = group_consumer_need(g);
    for (i = 0; i < count; i++)
        group_keep_profile(c, all[i].id, &all[i].profile);
    group_keep_epoch(c, true, generation, group_target_hash(c));
    for (i = 0; i < count; i++) {
        struct group_parts target = {0};
        group_parts_set(&target, all[i].assigned.items, all[i].assigned.count);
        group_keep_target(c, all[i].id, &target);
        group_parts_free(&target);
    }
    group_keep_target_epoch(c, true, generation, 0);
    for (i = 0; i < count; i++) {
        struct group_current now = {
            generation, generation, GROUP_MEMBER_STABLE, all[i].assigned, {0}};
        group_keep_current(c, all[i].id, &now);
        struct group_consumer_member *m = group_consumer_member(c, all[i].id);
        group_beat_session(m);
        moved_free(&all[i]);
    }
    free(all);
}

/* ---- down ------------------------------------------------------------------------------------ */

bool
group_migrate_due(const struct group_consumer *c, const struct group_consumer_member *leaving,
                  bool replaced)
{
    const struct group_config *config = config_of(c->group);
    uint32_t stay = c->member_count - 1;
    uint32_t classic = c->classic_count - leaving->profile.classic;
    return (stay > 0 || replaced) && classic == stay &&
           (config->consumer_migration & GROUP_MIGRATION_DOWNGRADE) &&
           stay + replaced <= (uint32_t)config->max_size && stay + replaced <= GROUP_MEMBERS_MAX;
}

struct stays {
    struct view id;
    struct group_profile profile;
    struct group_parts target;
};

static int
stays_order(const void *a, const void *b)
{
    struct view x = ((const struct stays *)a)->id, y = ((const struct stays *)b)->id;
    uint32_t len = x.len < y.len ? x.len : y.len;
    int order = len ? memcmp(x.at, y.at, len) : 0;
    return order ? order : (x.len > y.len) - (x.len < y.len);
}

static struct stays *
stays_make(const struct group_consumer *c, const struct group_consumer_member *leaving,
           uint32_t *count)
{
    struct stays *all = group_alloc(c->member_count, sizeof *all);
    *count = 0;
    for (struct group_consumer_member *m = NULL; (m = group_consumer_next(c, m));) {
        if (m == leaving)
            continue;
        struct stays *s = &all[(*count)++];
        s->id = group_copy(m->by_id.key);
        s->profile = group_profile_copy(&m->profile);
        group_parts_set(&s->target, m->target.items, m->target.count);
    }
    qsort(all, *count, sizeof *all, stays_order);
    return all;
}

static void
classic_member(struct group *g, const struct stays *s)
{
    const struct group_profile *p = &s->profile;
    struct group_member *m = group_member_new(g, s->id, p->instance);
    m->client_id = group_copy(p->client_id);
    m->client_host = group_copy(p->client_host);
    m->rebalance_timeout_ms = p->rebalance_ms;
    m->session_timeout_ms = p->session_ms;
    group_member_protocols(m, p->protocols, p->protocol_count);
}

/* In the version of the subscription. */
static void
classic_assign(struct group *g, const struct stays *s)
{
    struct group_member *m = group_member_find(g, s->id);
    struct view metadata = group_member_metadata(m);
    int16_t version = metadata.len >= 2 ? (int16_t)get_u16(metadata.at) : 0;
    group_drop(&m->assignment);
    m->assignment = group_embedded_encode(&config_of(g)->port, &s->target, version);
    group_member_session(m);
}

void
group_migrate_down(struct group_consumer *c, const struct group_consumer_member *leaving,
                   bool rebalance)
{
    struct group *g = c->group;
    uint32_t count;
    struct stays *all = stays_make(c, leaving, &count);
    int32_t generation = c->epoch;
    group_keep_gone(c);
    group_consumer_free(g);
    g->protocol_type = group_copy(view_of_text("consumer"));
    g->generation = generation;
    for (uint32_t i = 0; i < count; i++)
        classic_member(g, &all[i]);
    g->protocol = group_copy(group_join_protocol(g));
    group_state_set(g, GROUP_STABLE);
    for (uint32_t i = 0; i < count; i++)
        classic_assign(g, &all[i]);
    group_subscribed_learn(g);
    group_record_group(g);
    if (rebalance)
        group_join_prepare(g);
    for (uint32_t i = 0; i < count; i++) {
        group_drop(&all[i].id);
        group_profile_free(&all[i].profile);
        group_parts_free(&all[i].target);
    }
    free(all);
}
