/* group_join.c: the join phase of a classic group.
 *
 * EMPTY -> PREPARING at the first JoinGroup; it lasts group.initial.rebalance.delay.ms, and longer
 * while new members come, up to the longest rebalance timeout.  From any later state PREPARING
 * lasts until all members, and all that hold a handed-out id, have joined, or the longest rebalance
 * timeout is over: dynamic members that did not join are then removed, static ones stay until their
 * sessions end.
 *
 * I1 A JoinGroup that waits is answered exactly once, also when its member goes or asks again.
 * I2 PREPARING has its join timer set.   I3 Sync waiters and pending_sync exist only after
 * PREPARING. */
#include "control/group/group_mixed.h"

#include <stdio.h>
#include <stdlib.h>

void
group_join_fail(struct group_member *m, struct view member_id, int16_t error)
{
    if (!m->join.waits)
        return;
    struct wire_join_group_response a;
    wire_init(&wire_join_group_response_message, &a);
    a.error_code = error;
    a.member_id = member_id;
    m->join.waits = false;
    m->group->joining--;
    group_answer(m->group->shard, m->join.token, &a);
}

void
group_member_expel(struct group_member *m)
{
    group_join_fail(m, view_of("", 0), KERR_UNKNOWN_MEMBER_ID);
    group_sync_fail(m, KERR_UNKNOWN_MEMBER_ID);
    group_member_remove(m);
}

static void
members_out(struct group *g, struct wire_join_group_response *a)
{
    int32_t count = (int32_t)g->by_id.count;
    a->members.items = group_items(g->shard, &wire_join_group_response_member_struct, count);
    if (!a->members.items) {
        a->error_code = KERR_UNKNOWN_SERVER_ERROR;
        return;
    }
    for (struct list *l = g->members.next; l != &g->members; l = l->next) {
        const struct group_member *m = list_item(l, struct group_member, link);
        a->members.items[a->members.count].member_id = m->by_id.key;
        a->members.items[a->members.count].group_instance_id = m->by_instance.key;
        a->members.items[a->members.count++].metadata = group_member_metadata(m);
    }
}

/* Tells a member the present generation. */
static void
tell(const struct group_member *m, const struct group_waiter *to, bool members, bool skip)
{
    struct group *g = m->group;
    struct wire_join_group_response a;
    wire_init(&wire_join_group_response_message, &a);
    a.generation_id = g->generation;
    a.protocol_type = g->protocol_type;
    a.protocol_name = !g->protocol.at && to->version < 7 ? view_of("", 0) : g->protocol;
    a.leader = g->leader ? g->leader->by_id.key : view_of("", 0);
    a.member_id = m->by_id.key;
    a.skip_assignment = skip;
    if (members)
        members_out(g, &a);
    group_answer(g->shard, to->token, &a);
}

static void
tell_waiting(struct group_member *m, bool members, bool skip)
{
    if (!m->join.waits)
        return;
    m->join.waits = false;
    m->group->joining--;
    tell(m, &m->join, members, skip);
}

/* ---- the phase ------------------------------------------------------------------------------- */

static void
sync_end(struct group *g)
{
    for (struct list *l = g->members.next; l != &g->members; l = l->next)
        list_item(l, struct group_member, link)->pending_sync = false;
    g->syncing = 0;
    group_timer_clear(g->shard, &g->sync_timer);
}

static void
sync_fail_all(struct group *g, int16_t error)
{
    for (struct list *l = g->members.next; l != &g->members; l = l->next) {
        struct group_member *m = list_item(l, struct group_member, link);
        group_drop(&m->assignment);
        m->assignment = group_copy(view_of("", 0));
        if (m->sync.waits) {
            group_sync_fail(m, error);
            group_member_session(m);
        }
    }
}

void
group_join_prepare(struct group *g)
{
    struct group_shard *s = g->shard;
    if (g->state == GROUP_COMPLETING)
        sync_fail_all(g, KERR_REBALANCE_IN_PROGRESS);
    sync_end(g);
    bool first = g->state == GROUP_EMPTY;
    group_state_set(g, GROUP_PREPARING);
    g->in_delay = first;
    if (first) {
        g->new_member_added = false;
        g->delay_ms = s->config->initial_rebalance_delay_ms;
        g->delay_left_ms = group_rebalance_timeout_ms(g) - g->delay_ms;
        g->delay_left_ms = g->delay_left_ms > 0 ? g->delay_left_ms : 0;
        group_timer_set(s, &g->join_timer, s->step->now_ms + g->delay_ms);
    } else if (group_all_joined(g)) {
        group_join_end(g);
    } else {
        group_timer_set(s, &g->join_timer, s->step->now_ms + group_rebalance_timeout_ms(g));
    }
}

void
group_join_recheck(struct group *g)
{
    if (g->state == GROUP_PREPARING && !g->in_delay && group_all_joined(g))
        group_join_end(g);
}

void
group_join_rebalance(struct group *g)
{
    if (g->state == GROUP_PREPARING)
        group_join_recheck(g);
    else
        group_join_prepare(g);
}

void
group_join_tick(struct group *g)
{
    struct group_shard *s = g->shard;
    if (g->in_delay && g->new_member_added && g->delay_left_ms != 0) {
        int64_t delay_ms = s->config->initial_rebalance_delay_ms;
        int64_t left_ms = g->delay_left_ms;
        g->new_member_added = false;
        g->delay_left_ms = left_ms > g->delay_ms ? left_ms - g->delay_ms : 0;
        g->delay_ms = delay_ms < left_ms ? delay_ms : left_ms;
        group_timer_set(s, &g->join_timer, s->step->now_ms + g->delay_ms);
        return;
    }
    group_join_end(g);
}

/* A leader that joined; false: nobody did. */
static bool
elect(struct group *g)
{
    if (!g->leader || g->leader->join.waits)
        return g->leader != NULL;
    for (struct list *l = g->members.next; l != &g->members; l = l->next) {
        struct group_member *m = list_item(l, struct group_member, link);
        if (m->join.waits) {
            g->leader = m;
            return true;
        }
    }
    return false;
}

static bool
knows(const struct group_member *m, struct view name)
{
    for (int32_t i = 0; i < m->protocol_count; i++)
        if (view_equal(m->protocols[i].name, name))
            return true;
    return false;
}

static bool
known_by_all(const struct group *g, struct view name)
{
    for (struct list *l = g->members.next; l != &g->members; l = l->next)
        if (!knows(list_item(l, struct group_member, link), name))
            return false;
    return true;
}

/* The vote: each member for the first of its protocols that all know; of equals the one that the
 * first member prefers. */
struct view
group_join_protocol(const struct group *g)
{
    const struct group_member *first =
        list_item(list_first(&g->members), struct group_member, link);
    uint32_t votes[GROUP_PROTOCOLS_MAX] = {0};
    bool candidate[GROUP_PROTOCOLS_MAX] = {false};
    for (int32_t i = 0; i < first->protocol_count; i++)
        candidate[i] = known_by_all(g, first->protocols[i].name);
    for (struct list *l = g->members.next; l != &g->members; l = l->next) {
        const struct group_member *m = list_item(l, struct group_member, link);
        int32_t choice = -1;
        for (int32_t i = 0; i < m->protocol_count && choice < 0; i++)
            for (int32_t j = 0; j < first->protocol_count && choice < 0; j++)
                if (candidate[j] && view_equal(m->protocols[i].name, first->protocols[j].name))
                    choice = j;
        if (choice >= 0)
            votes[choice]++;
    }
    int32_t best = 0;
    for (int32_t i = 1; i < first->protocol_count; i++)
        best = votes[i] > votes[best] ? i : best;
    return first->protocols[best].name;
}

static void
next_generation(struct group *g)
{
    g->generation = g->generation == INT32_MAX ? 1 : g->generation + 1;
    group_drop(&g->protocol);
    if (!list_empty(&g->members))
        g->protocol = group_copy(group_join_protocol(g));
    group_subscribed_learn(g);
    group_state_set(g, list_empty(&g->members) ? GROUP_EMPTY : GROUP_COMPLETING);
}

static void
expel_absent(struct group *g)
{
    struct list *next, *l = g->members.next;
    for (; l != &g->members; l = next) {
        next = l->next;
        struct group_member *m = list_item(l, struct group_member, link);
        if (!m->join.waits && !m->by_instance.key.at)
            group_member_expel(m);
    }
}

void
group_join_end(struct group *g)
{
    struct group_shard *s = g->shard;
    group_timer_clear(s, &g->join_timer);
    g->in_delay = false;
    expel_absent(g);
    if (!elect(g) && !list_empty(&g->members)) {
        int32_t wait_ms = group_rebalance_timeout_ms(g);
        wait_ms = wait_ms > GROUP_REJOIN_MS_MIN ? wait_ms : GROUP_REJOIN_MS_MIN;
        group_timer_set(s, &g->join_timer, s->step->now_ms + wait_ms);
        return;
    }
    next_generation(g);
    if (g->state == GROUP_EMPTY) {
        group_record_group(g);
        return;
    }
    for (struct list *l = g->members.next; l != &g->members; l = l->next) {
        struct group_member *m = list_item(l, struct group_member, link);
        tell_waiting(m, m == g->leader, false);
        group_member_session(m);
        m->is_new = false;
        m->pending_sync = true;
        g->syncing++;
    }
    group_timer_set(s, &g->sync_timer, s->step->now_ms + group_rebalance_timeout_ms(g));
}

void
group_session_tick(struct group_member *m)
{
    struct group *g = m->group;
    if (!m->is_new && (m->join.waits || m->sync.waits))
        return; /* begins anew when that is answered */
    group_member_expel(m);
    if (g->state == GROUP_STABLE || g->state == GROUP_COMPLETING)
        group_join_prepare(g);
    else if (g->state == GROUP_PREPARING && group_all_joined(g))
        group_join_end(g);
}

void
group_expected_tick(struct group_expected *e)
{
    struct group *g = e->group;
    group_expected_remove(e);
    if (g->state == GROUP_PREPARING && group_all_joined(g))
        group_join_end(g);
}

/* ---- JoinGroup ------------------------------------------------------------------------------- */

struct join {
    const struct coord_request *r;
    const struct wire_join_group_request *q;
    struct group_protocol *protocols; /* lent by the request */
    int32_t protocol_count, rebalance_timeout_ms;
};

static void
refuse(struct group_shard *s, const struct join *j, struct view member_id, int16_t error)
{
    struct wire_join_group_response a;
    wire_init(&wire_join_group_response_message, &a);
    a.error_code = error;
    a.member_id = member_id;
    bool fenced = error == KERR_FENCED_INSTANCE_ID || error == KERR_UNKNOWN_MEMBER_ID;
    if (fenced && j->r->version >= 7)
        a.protocol_name = (struct view){0};
    group_answer(s, j->r->token, &a);
}

static bool
supports(const struct group *g, const struct join *j)
{
    if (j->protocol_count > GROUP_PROTOCOLS_MAX)
        return false;
    if (g->state == GROUP_EMPTY)
        return j->q->protocol_type.len > 0 && j->protocol_count > 0;
    if (!view_equal(g->protocol_type, j->q->protocol_type))
        return false;
    for (int32_t i = 0; i < j->protocol_count; i++)
        if (known_by_all(g, j->protocols[i].name))
            return true;
    return false;
}

static bool
accepts(const struct group *g, const struct group_member *m)
{
    int32_t most = g->shard->config->max_size;
    uint32_t room = (uint32_t)(most < GROUP_MEMBERS_MAX ? most : GROUP_MEMBERS_MAX);
    if (g->bytes > GROUP_BYTES_MAX && !m)
        return false;
    if (g->state == GROUP_PREPARING)
        return (m && m->join.waits) || g->joining < room;
    return g->state == GROUP_EMPTY || m || g->by_id.count < room;
}

static bool
same_protocols(const struct group_member *m, const struct join *j)
{
    if (m->protocol_count != j->protocol_count)
        return false;
    for (int32_t i = 0; i < j->protocol_count; i++)
        if (!view_equal(m->protocols[i].name, j->protocols[i].name) ||
            !view_equal(m->protocols[i].metadata, j->protocols[i].metadata))
            return false;
    return true;
}

/* What a JoinGroup tells of its member, who then waits. */
static void
member_update(struct group_member *m, const struct join *j)
{
    group_join_fail(m, m->by_id.key, KERR_REBALANCE_IN_PROGRESS); /* asked again: I1 */
    group_member_protocols(m, j->protocols, j->protocol_count);
    group_drop(&m->client_id);
    group_drop(&m->client_host);
    m->client_id = group_copy(j->r->client_id.at ? j->r->client_id : view_of("", 0));
    m->client_host = group_copy(view_of_text(j->r->client_host));
    m->rebalance_timeout_ms = j->rebalance_timeout_ms;
    m->session_timeout_ms = j->q->session_timeout_ms;
    m->join = (struct group_waiter){j->r->token, j->r->version, true};
    m->group->joining++;
}

static void
member_add(struct group *g, const struct join *j, struct view id)
{
    struct group_shard *s = g->shard;
    struct group_node *n = group_map_find(&g->expected, id);
    if (list_empty(&g->members)) {
        group_drop(&g->protocol_type);
        g->protocol_type = group_copy(j->q->protocol_type);
    }
    struct group_member *m = group_member_new(g, id, j->q->group_instance_id);
    if (n)
        group_expected_remove(group_item(n, struct group_expected, node));
    member_update(m, j);
    m->is_new = true;
    if (g->in_delay)
        g->new_member_added = true;
    group_timer_set(s, &m->session, s->step->now_ms + s->config->new_member_join_timeout_ms);
    group_join_rebalance(g);
}

/* "client-" and a random UUID, in `at`. */
static struct view
member_id_make(struct group_shard *s, struct view prefix, char at[COORD_CLIENT_BYTES + 40])
{
    uint8_t u[16];
    s->step->ops->random(s->step->user, u, sizeof u);
    u[6] = (uint8_t)((u[6] & 0x0f) | 0x40);
    u[8] = (uint8_t)((u[8] & 0x3f) | 0x80);
    uint32_t len = prefix.len < COORD_CLIENT_BYTES ? prefix.len : COORD_CLIENT_BYTES;
    if (len)
        memcpy(at, prefix.at, len);
    snprintf(at + len, 40, "-%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
             u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13],
             u[14], u[15]);
    return view_of(at, len + 37);
}

/* A static member came back under a new id, which is in the log before it is told. */
static void
static_replace(struct group *g, const struct join *j, struct group_member *m, struct view id)
{
    struct view old_leader = group_copy(g->leader->by_id.key);
    group_join_fail(m, m->by_id.key, KERR_FENCED_INSTANCE_ID);
    group_sync_fail(m, KERR_FENCED_INSTANCE_ID);
    group_member_rename(m, id);
    m->is_new = false;
    member_update(m, j);
    group_member_session(m);
    if (g->state == GROUP_STABLE && view_equal(g->protocol, group_join_protocol(g))) {
        group_record_group(g);
        bool leads = m == g->leader;
        if (j->r->version >= 9) {
            tell_waiting(m, leads, leads);
        } else {
            /* Before KIP-814 a leader must not learn that it leads, or it would assign anew. */
            struct wire_join_group_response a;
            wire_init(&wire_join_group_response_message, &a);
            a.generation_id = g->generation;
            a.protocol_type = g->protocol_type;
            a.protocol_name = g->protocol;
            a.leader = old_leader;
            a.member_id = m->by_id.key;
            m->join.waits = false;
            g->joining--;
            group_answer(g->shard, m->join.token, &a);
        }
    } else if (g->state == GROUP_PREPARING) {
        group_join_recheck(g);
    } else {
        group_join_prepare(g);
    }
    group_drop(&old_leader);
}

static void
join_new(struct group *g, const struct join *j)
{
    struct group_shard *s = g->shard;
    if (!supports(g, j)) {
        refuse(s, j, view_of("", 0), KERR_INCONSISTENT_GROUP_PROTOCOL);
        return;
    }
    char at[COORD_CLIENT_BYTES + 40];
    struct view instance = j->q->group_instance_id;
    struct view id = member_id_make(s, instance.at ? instance : j->r->client_id, at);
    struct group_member *m = instance.at ? group_member_static(g, instance) : NULL;
    if (m) {
        static_replace(g, j, m, id);
    } else if (instance.at || j->r->version < 4) {
        member_add(g, j, id);
    } else if (g->expected.count >= GROUP_MEMBERS_MAX) {
        refuse(s, j, view_of("", 0), KERR_GROUP_MAX_SIZE_REACHED);
    } else {
        group_expected_add(g, id, j->q->session_timeout_ms);
        refuse(s, j, id, KERR_MEMBER_ID_REQUIRED);
    }
}

static void
join_again(struct group *g, const struct join *j)
{
    struct group_shard *s = g->shard;
    struct view id = j->q->member_id;
    if (!supports(g, j)) {
        refuse(s, j, id, KERR_INCONSISTENT_GROUP_PROTOCOL);
        return;
    }
    if (group_map_find(&g->expected, id)) {
        if (j->q->group_instance_id.at)
            refuse(s, j, id, KERR_UNKNOWN_SERVER_ERROR); /* the id was given to a dynamic member */
        else
            member_add(g, j, id);
        return;
    }
    int16_t error = group_member_check(g, id, j->q->group_instance_id);
    if (error != KERR_NONE) {
        refuse(s, j, id, error);
        return;
    }
    struct group_member *m = group_member_find(g, id);
    bool leads = m == g->leader, same = same_protocols(m, j);
    bool current = same && (g->state == GROUP_COMPLETING || (g->state == GROUP_STABLE && !leads));
    if (current) { /* the response got lost */
        struct group_waiter to = {j->r->token, j->r->version, true};
        tell(m, &to, leads, false);
    } else {
        member_update(m, j);
        group_join_rebalance(g);
    }
}

static void
join_group(struct group_shard *s, const struct join *j)
{
    struct group *g = group_find(s, j->q->group_id);
    bool unknown = j->q->member_id.len == 0;
    if (g && g->consumer && !group_is_empty(g)) {
        group_mixed_join(g, j->r);
        group_settle(g);
        return;
    }
    if (g && g->consumer && unknown) {
        group_gone(g); /* an empty group may change its protocol */
        group_consumer_free(g);
        group_state_set(g, GROUP_EMPTY);
        group_record_group(g);
    }
    if (!g && (!unknown || s->groups.count >= GROUP_GROUPS_MAX)) {
        refuse(s, j, j->q->member_id,
               unknown ? KERR_COORDINATOR_NOT_AVAILABLE : KERR_UNKNOWN_MEMBER_ID);
        return;
    }
    if (!g) {
        g = group_need(s, j->q->group_id);
        group_state_set(g, GROUP_EMPTY);
        group_record_group(g);
    }
    struct group_member *m = unknown ? NULL : group_member_find(g, j->q->member_id);
    if (!accepts(g, m)) {
        struct group_node *n = group_map_find(&g->expected, j->q->member_id);
        if (m)
            group_member_expel(m);
        if (n)
            group_expected_remove(group_item(n, struct group_expected, node));
        refuse(s, j, view_of("", 0), KERR_GROUP_MAX_SIZE_REACHED);
        group_join_recheck(g);
    } else if (unknown) {
        join_new(g, j);
    } else {
        join_again(g, j);
    }
    group_settle(g);
}

void
group_api_join(struct group_shard *s, const struct coord_request *r)
{
    const struct wire_join_group_request *q = r->body;
    struct join j = {.r = r, .q = q, .rebalance_timeout_ms = q->rebalance_timeout_ms};
    if (r->version == 0)
        j.rebalance_timeout_ms = q->session_timeout_ms;
    if (q->group_id.len == 0) {
        refuse(s, &j, q->member_id, KERR_INVALID_GROUP_ID);
        return;
    }
    if (q->session_timeout_ms < s->config->session_timeout_min_ms ||
        q->session_timeout_ms > s->config->session_timeout_max_ms) {
        refuse(s, &j, q->member_id, KERR_INVALID_SESSION_TIMEOUT);
        return;
    }
    j.protocol_count = q->protocols.count > 0 ? q->protocols.count : 0;
    j.protocols = group_alloc((size_t)j.protocol_count, sizeof *j.protocols);
    for (int32_t i = 0; i < j.protocol_count; i++)
        j.protocols[i] =
            (struct group_protocol){q->protocols.items[i].name, q->protocols.items[i].metadata};
    join_group(s, &j);
    free(j.protocols);
}
