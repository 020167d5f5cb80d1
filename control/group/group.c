/* group.c: the groups of one partition: finding and forgetting them, timers, and the way in for
 * requests and records.
 *
 * I1 Between steps every group has a reason to be (group_in.h).  A step handles one event, and
 *    settles the groups it touched at its end, so that nothing inside holds a dead pointer. */
#include "control/group/group.h"
#include "control/group/group_in.h"

#include <stdlib.h>

enum { TIMERS_MIN = 64 };

static const char *const state_names[] = {
#define X(name, text) [GROUP_##name] = text,
    GROUP_STATES(X)
#undef X
};

const char *
group_state_name(enum group_state state)
{
    return state_names[state];
}

void
group_config_default(struct group_config *c)
{
    *c = (struct group_config){.session_timeout_min_ms = 6000,
                               .session_timeout_max_ms = 1800000,
                               .initial_rebalance_delay_ms = 3000,
                               .max_size = INT32_MAX,
                               .new_member_join_timeout_ms = 300000,
                               .offsets_retention_ms = INT64_C(10080) * 60000,
                               .offsets_retention_check_ms = 600000,
                               .offset_metadata_max_bytes = 4096,
                               .consumer = {.session_timeout_ms = 45000,
                                            .heartbeat_interval_ms = 5000,
                                            .assignment_interval_ms = 1000},
                               .consumer_max_size = INT32_MAX,
                               .consumer_migration = GROUP_MIGRATION_BIDIRECTIONAL,
                               .consumer_regex_refresh_ms = 600000};
}

/* ---- timers ---------------------------------------------------------------------------------- */

void
group_timer_clear(struct group_shard *s, struct group_timer *t)
{
    heap_remove(&s->timers, &t->node);
}

void
group_timer_set(struct group_shard *s, struct group_timer *t, int64_t at_ms)
{
    heap_remove(&s->timers, &t->node);
    if (s->timers.count == s->timers.room) {
        uint32_t room = s->timers.room ? s->timers.room * 2 : TIMERS_MIN;
        struct heap_node **nodes = realloc(s->timers.nodes, room * sizeof(struct heap_node *));
        must(nodes);
        s->timers.nodes = nodes;
        s->timers.room = room;
    }
    must(heap_add(&s->timers, &t->node, at_ms < 0 ? 0 : (uint64_t)at_ms));
}

/* ---- groups ---------------------------------------------------------------------------------- */

struct group *
group_find(const struct group_shard *s, struct view id)
{
    struct group_node *n = group_map_find(&s->groups, id);
    return n ? group_item(n, struct group, node) : NULL;
}

struct group *
group_need(struct group_shard *s, struct view id)
{
    struct group *g = group_find(s, id);
    if (g)
        return g;
    g = group_alloc(1, sizeof *g);
    g->shard = s;
    g->node.key = group_copy(id);
    g->state_ms = -1;
    g->join_timer.kind = GROUP_TIMER_JOIN;
    g->sync_timer.kind = GROUP_TIMER_SYNC;
    list_init(&g->members);
    list_init(&g->pendings);
    group_map_add(&s->groups, &g->node);
    return g;
}

void
group_forget(struct group *g)
{
    must(g->by_id.count == 0);
    group_timer_clear(g->shard, &g->join_timer);
    group_timer_clear(g->shard, &g->sync_timer);
    group_drop(&g->protocol_type);
    group_drop(&g->protocol);
    group_subscribed_forget(g);
    g->leader = NULL;
    g->generation = 0;
    g->state = g->state_before = GROUP_EMPTY;
    g->state_ms = -1;
    g->recorded = false;
}

static void
group_free(struct group *g)
{
    while (!list_empty(&g->members))
        group_member_remove(list_item(list_first(&g->members), struct group_member, link));
    for (struct group_node *n; (n = group_map_next(&g->expected, NULL));)
        group_expected_remove(group_item(n, struct group_expected, node));
    must(list_empty(&g->pendings));
    group_consumer_free(g);
    group_forget(g);
    group_offsets_free(&g->offsets);
    group_map_free(&g->by_id);
    group_map_free(&g->by_instance);
    group_map_free(&g->expected);
    group_map_remove(&g->shard->groups, &g->node);
    group_drop(&g->node.key);
    free(g);
}

void
group_settle(struct group *g)
{
    if (g->consumer && group_consumer_bare(g->consumer))
        group_consumer_free(g);
    if (!g->recorded && !g->consumer && g->by_id.count == 0 && g->expected.count == 0 &&
        g->offsets.count == 0 && list_empty(&g->pendings))
        group_free(g);
}

bool
group_is_empty(const struct group *g)
{
    return g->state == GROUP_EMPTY && (!g->consumer || group_consumer_members(g->consumer) == 0);
}

void
group_gone(struct group *g)
{
    must(group_is_empty(g));
    if (g->consumer)
        group_keep_gone(g->consumer);
    else
        group_record_gone(g);
}

struct group_shard *
group_shard_new(const struct group_config *config, int32_t partition)
{
    must(config->offsets_retention_check_ms > 0 && config->initial_rebalance_delay_ms >= 0);
    struct group_shard *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->config = config;
    s->partition = partition;
    s->expiry.kind = GROUP_TIMER_EXPIRY;
    return s;
}

void
group_shard_free(struct group_shard *s)
{
    if (!s)
        return;
    for (struct group_node *n; (n = group_map_next(&s->txns, NULL));)
        group_offset_txn_free(s, group_item(n, struct group_txn, node));
    for (struct group_node *n; (n = group_map_next(&s->groups, NULL));)
        group_free(group_item(n, struct group, node));
    group_map_free(&s->txns);
    group_map_free(&s->groups);
    free(s->timers.nodes);
    free(s->scratch);
    free(s);
}

/* ---- records --------------------------------------------------------------------------------- */

int
group_replay(struct group_shard *s, struct view key, struct view value,
             const struct coord_place *place)
{
    struct cur c = cur_of(key);
    int16_t kind = cur_i16(&c);
    struct view rest = view_of(c.at, c.bad ? 0 : cur_left(&c));
    if (c.bad)
        return ERR_CORRUPT;
    if (kind == WIRE_RECORD_OFFSET_COMMIT || kind == WIRE_RECORD_LEGACY_OFFSET_COMMIT)
        return group_offset_replay(s, rest, value, place);
    if (kind == WIRE_RECORD_GROUP_METADATA)
        return group_classic_replay(s, rest, value);
    int e = group_replay_consumer(s, kind, rest, value);
    /* Unsupported: of a later version, or of a kind of groups that is not kept here. */
    return e == ERR_UNSUPPORTED ? ERR_OK : e;
}

void
group_loaded(struct group_shard *s, struct coord_step *step)
{
    s->step = step;
    for (struct group_node *n = group_map_next(&s->groups, NULL); n;
         n = group_map_next(&s->groups, n)) {
        struct group *g = group_item(n, struct group, node);
        group_classic_loaded(g);
        if (g->consumer)
            group_consumer_loaded(g->consumer);
    }
    const struct group_port *port = &s->config->port;
    s->topics_version = port->version ? port->version(port->user) : 0;
    group_timer_set(s, &s->expiry, step->now_ms + s->config->offsets_retention_check_ms);
    s->step = NULL;
}

/* Groups without members whose offsets are gone end, as do offsets over their retention. */
static void
expire(struct group_shard *s)
{
    struct group_node *next, *n = group_map_next(&s->groups, NULL);
    for (; n; n = next) {
        next = group_map_next(&s->groups, n);
        struct group *g = group_item(n, struct group, node);
        bool bare = group_offset_expire(g);
        if (bare && (g->recorded || g->consumer) && group_is_empty(g) && g->expected.count == 0)
            group_gone(g);
        group_settle(g);
    }
    group_timer_set(s, &s->expiry, s->step->now_ms + s->config->offsets_retention_check_ms);
}

static void
fire(struct group_shard *s, struct group_timer *t)
{
    struct group *g = NULL;
    switch ((enum group_timer_kind)t->kind) {
    case GROUP_TIMER_EXPIRY:
        expire(s);
        return;
    case GROUP_TIMER_JOIN:
        group_join_tick(g = group_item(t, struct group, join_timer));
        break;
    case GROUP_TIMER_SYNC:
        group_sync_tick(g = group_item(t, struct group, sync_timer));
        break;
    case GROUP_TIMER_SESSION: {
        struct group_member *m = group_item(t, struct group_member, session);
        g = m->group;
        group_session_tick(m);
        break;
    }
    case GROUP_TIMER_PENDING: {
        struct group_expected *e = group_item(t, struct group_expected, timer);
        g = e->group;
        group_expected_tick(e);
        break;
    }
    case GROUP_TIMER_CONSUMER_SESSION:
    case GROUP_TIMER_CONSUMER_REBALANCE:
    case GROUP_TIMER_CONSUMER_REJOIN:
    case GROUP_TIMER_CONSUMER_BARRIER:
    case GROUP_TIMER_RESOLVE:
        group_consumer_fire(t);
        return;
    }
    group_settle(g);
}

void
group_tick(struct group_shard *s, struct coord_step *step)
{
    s->step = step;
    for (struct heap_node *n; (n = heap_first(&s->timers)) && (int64_t)n->key <= step->now_ms;) {
        struct group_timer *t = heap_item(n, struct group_timer, node);
        group_timer_clear(s, t);
        group_boundary(s);
        fire(s, t);
    }
    s->step = NULL;
}

int64_t
group_deadline_ms(const struct group_shard *s)
{
    struct heap_node *n = heap_first(&s->timers);
    return n ? (int64_t)n->key : INT64_MAX;
}

void
group_metadata_changed(struct group_shard *s, struct view name, bool created)
{
    const struct group_port *port = &s->config->port;
    if (created && port->version)
        s->topics_version = port->version(port->user);
    for (struct group_node *n = group_map_next(&s->groups, NULL); n;
         n = group_map_next(&s->groups, n)) {
        struct group *g = group_item(n, struct group, node);
        if (g->consumer)
            group_consumer_refresh(g->consumer, name);
    }
}

void
group_topic_deleted(struct group_shard *s, struct coord_step *step, struct view name)
{
    group_metadata_changed(s, name, false);
    s->step = step;
    struct group_node *next, *n = group_map_next(&s->groups, NULL);
    for (; n; n = next) {
        next = group_map_next(&s->groups, n);
        struct group *g = group_item(n, struct group, node);
        group_offset_delete_all(g, name);
        group_settle(g);
    }
    s->step = NULL;
}

/* ---- requests -------------------------------------------------------------------------------- */

static const struct {
    int16_t key;
    void (*handle)(struct group_shard *s, const struct coord_request *r);
} apis[] = {
    {WIRE_API_JOIN_GROUP, group_api_join},
    {WIRE_API_SYNC_GROUP, group_api_sync},
    {WIRE_API_HEARTBEAT, group_api_heartbeat},
    {WIRE_API_LEAVE_GROUP, group_api_leave},
    {WIRE_API_OFFSET_COMMIT, group_api_commit},
    {WIRE_API_TXN_OFFSET_COMMIT, group_api_txn_commit},
    {WIRE_API_OFFSET_FETCH, group_api_fetch},
    {WIRE_API_OFFSET_DELETE, group_api_offset_delete},
    {WIRE_API_DELETE_GROUPS, group_api_delete},
    {WIRE_API_DESCRIBE_GROUPS, group_api_describe},
    {WIRE_API_LIST_GROUPS, group_api_list},
    {WIRE_API_CONSUMER_GROUP_HEARTBEAT, group_api_consumer_heartbeat},
    {WIRE_API_CONSUMER_GROUP_DESCRIBE, group_api_consumer_describe},
};

void
group_request(struct group_shard *s, struct coord_step *step, const struct coord_request *r)
{
    s->step = step;
    uint32_t i = 0;
    while (i < sizeof apis / sizeof *apis && apis[i].key != r->api->key)
        i++;
    if (i < sizeof apis / sizeof *apis)
        apis[i].handle(s, r);
    else
        group_refuse(step, r, KERR_UNSUPPORTED_VERSION);
    s->step = NULL;
}

void
group_boundary(struct group_shard *s)
{
    if (s->step->ops->boundary)
        s->step->ops->boundary(s->step->user);
}

void
group_answer(struct group_shard *s, uint64_t token, const void *response)
{
    s->step->ops->reply(s->step->user, token, response);
}

void *
group_items(struct group_shard *s, const struct wire_struct *what, int32_t n)
{
    return n > 0 ? wire_items(s->step->arena, what, (uint32_t)n) : NULL;
}

/* ---- as the runtime sees it --------------------------------------------------------------------
 */

static void *
machine_create(void *config, int32_t partition)
{
    return group_shard_new(config, partition);
}

static void
machine_free(void *m)
{
    group_shard_free(m);
}

static int
machine_replay(void *m, struct view key, struct view value, const struct coord_place *place)
{
    return group_replay(m, key, value, place);
}

static void
machine_marker(void *m, const struct coord_place *place, bool commit)
{
    group_replay_marker(m, place, commit);
}

static void
machine_loaded(void *m, struct coord_step *step)
{
    group_loaded(m, step);
}

static void
machine_request(void *m, struct coord_step *step, const struct coord_request *r)
{
    group_request(m, step, r);
}

static void
machine_tick(void *m, struct coord_step *step)
{
    group_tick(m, step);
}

static int64_t
machine_deadline_ms(const void *m)
{
    return group_deadline_ms(m);
}

const struct coord_machine group_machine = {.create = machine_create,
                                            .free = machine_free,
                                            .replay = machine_replay,
                                            .replay_marker = machine_marker,
                                            .loaded = machine_loaded,
                                            .request = machine_request,
                                            .tick = machine_tick,
                                            .deadline_ms = machine_deadline_ms,
                                            .refuse = group_refuse};
