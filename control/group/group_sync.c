/* group_sync.c: SyncGroup, Heartbeat and LeaveGroup of a classic group.
 *
 * COMPLETING -> STABLE with the leader's SyncGroup: its record is put out first, so that no member
 * hears of an assignment that is not durable.  Whoever has not sent SyncGroup within the longest
 * rebalance timeout is removed and a rebalance begins. */
#include "control/group/group_mixed.h"

void
group_sync_fail(struct group_member *m, int16_t error)
{
    if (!m->sync.waits)
        return;
    struct wire_sync_group_response a;
    wire_init(&wire_sync_group_response_message, &a);
    a.error_code = error;
    m->sync.waits = false;
    group_answer(m->group->shard, m->sync.token, &a);
}

static void
sync_tell(struct group_member *m, uint64_t token)
{
    struct wire_sync_group_response a;
    wire_init(&wire_sync_group_response_message, &a);
    a.protocol_type = m->group->protocol_type;
    a.protocol_name = m->group->protocol;
    a.assignment = m->assignment;
    group_answer(m->group->shard, token, &a);
}

void
group_sync_tick(struct group *g)
{
    if ((g->state != GROUP_COMPLETING && g->state != GROUP_STABLE) || g->syncing == 0)
        return;
    struct list *next, *l = g->members.next;
    for (; l != &g->members; l = next) {
        next = l->next;
        struct group_member *m = list_item(l, struct group_member, link);
        if (m->pending_sync)
            group_member_expel(m);
    }
    group_join_prepare(g);
}

static void
assignment_set(struct group_member *m, struct view assignment)
{
    group_drop(&m->assignment);
    m->assignment = group_copy(assignment.at ? assignment : view_of("", 0));
}

/* Members that the leader gave nothing get an empty assignment. */
static void
assign(struct group *g, const struct wire_sync_group_request *q)
{
    for (struct list *l = g->members.next; l != &g->members; l = l->next)
        assignment_set(list_item(l, struct group_member, link), view_of("", 0));
    for (int32_t i = 0; i < q->assignments.count; i++) {
        struct group_member *m = group_member_find(g, q->assignments.items[i].member_id);
        if (m)
            assignment_set(m, q->assignments.items[i].assignment);
    }
    group_state_set(g, GROUP_STABLE);
    group_record_group(g);
    for (struct list *l = g->members.next; l != &g->members; l = l->next) {
        struct group_member *m = list_item(l, struct group_member, link);
        if (!m->sync.waits)
            continue;
        m->sync.waits = false;
        sync_tell(m, m->sync.token);
        group_member_session(m);
    }
}

static bool
differs(struct view asked, struct view has)
{
    return asked.at && has.at && !view_equal(asked, has);
}

static int16_t
sync_check(const struct group *g, const struct wire_sync_group_request *q)
{
    if (q->group_id.len == 0)
        return KERR_INVALID_GROUP_ID;
    if (!g || g->state == GROUP_EMPTY)
        return KERR_UNKNOWN_MEMBER_ID;
    int16_t error = group_member_check(g, q->member_id, q->group_instance_id);
    if (error != KERR_NONE)
        return error;
    if (q->generation_id != g->generation)
        return KERR_ILLEGAL_GENERATION;
    if (differs(q->protocol_type, g->protocol_type) || differs(q->protocol_name, g->protocol))
        return KERR_INCONSISTENT_GROUP_PROTOCOL;
    return g->state == GROUP_PREPARING ? KERR_REBALANCE_IN_PROGRESS : KERR_NONE;
}

void
group_api_sync(struct group_shard *s, const struct coord_request *r)
{
    const struct wire_sync_group_request *q = r->body;
    struct group *g = group_find(s, q->group_id);
    if (g && g->consumer) {
        group_mixed_sync(g, r);
        return;
    }
    int16_t error = sync_check(g, q);
    if (error != KERR_NONE) {
        struct wire_sync_group_response a;
        wire_init(&wire_sync_group_response_message, &a);
        a.error_code = error;
        group_answer(s, r->token, &a);
        return;
    }
    struct group_member *m = group_member_find(g, q->member_id);
    g->syncing -= m->pending_sync;
    m->pending_sync = false;
    if (g->syncing == 0)
        group_timer_clear(s, &g->sync_timer);
    if (g->state == GROUP_STABLE) {
        sync_tell(m, r->token);
        return;
    }
    group_sync_fail(m, KERR_REBALANCE_IN_PROGRESS); /* asked again: one answer for each */
    m->sync = (struct group_waiter){r->token, r->version, true};
    if (m == g->leader)
        assign(g, q);
}

/* ---- Heartbeat ------------------------------------------------------------------------------- */

static int16_t
heartbeat(struct group_shard *s, const struct wire_heartbeat_request *q)
{
    if (q->group_id.len == 0)
        return KERR_INVALID_GROUP_ID;
    struct group *g = group_find(s, q->group_id);
    if (g && g->consumer)
        return group_mixed_heartbeat(g, q);
    int16_t error =
        g ? group_member_check(g, q->member_id, q->group_instance_id) : KERR_UNKNOWN_MEMBER_ID;
    if (error != KERR_NONE)
        return error;
    if (q->generation_id != g->generation)
        return KERR_ILLEGAL_GENERATION;
    group_member_session(group_member_find(g, q->member_id));
    return g->state == GROUP_PREPARING ? KERR_REBALANCE_IN_PROGRESS : KERR_NONE;
}

void
group_api_heartbeat(struct group_shard *s, const struct coord_request *r)
{
    struct wire_heartbeat_response a;
    wire_init(&wire_heartbeat_response_message, &a);
    a.error_code = heartbeat(s, r->body);
    group_answer(s, r->token, &a);
}

/* ---- LeaveGroup ------------------------------------------------------------------------------ */

static int16_t
leave(struct group *g, struct view id, struct view instance)
{
    if (!g)
        return KERR_UNKNOWN_MEMBER_ID;
    if (g->consumer)
        return group_mixed_leave(g, id, instance);
    struct group_member *m;
    if (id.len == 0) {
        m = instance.at ? group_member_static(g, instance) : NULL;
        if (!m)
            return KERR_UNKNOWN_MEMBER_ID;
    } else {
        struct group_node *n = group_map_find(&g->expected, id);
        if (n) {
            group_expected_remove(group_item(n, struct group_expected, node));
            return KERR_NONE;
        }
        int16_t error = group_member_check(g, id, instance);
        if (error != KERR_NONE)
            return error;
        m = group_member_find(g, id);
    }
    group_member_expel(m);
    return KERR_NONE;
}

/* True: some member left. */
static bool
leave_all(struct group_shard *s, struct group *g, const struct wire_leave_group_request *q,
          struct wire_leave_group_response *a)
{
    a->members.items =
        group_items(s, &wire_leave_group_response_member_response_struct, q->members.count);
    if (q->members.count > 0 && !a->members.items) {
        a->error_code = KERR_UNKNOWN_SERVER_ERROR;
        return false;
    }
    bool left = false;
    for (int32_t i = 0; i < q->members.count; i++) {
        const struct wire_leave_group_request_member_identity *m = &q->members.items[i];
        int16_t error = leave(g, m->member_id, m->group_instance_id);
        a->members.items[i].member_id = m->member_id;
        a->members.items[i].group_instance_id = m->group_instance_id;
        a->members.items[i].error_code = error;
        left |= error == KERR_NONE;
    }
    a->members.count = q->members.count;
    return left;
}

void
group_api_leave(struct group_shard *s, const struct coord_request *r)
{
    const struct wire_leave_group_request *q = r->body;
    struct wire_leave_group_response a;
    wire_init(&wire_leave_group_response_message, &a);
    struct group *g = group_find(s, q->group_id);
    bool left = false;
    if (q->group_id.len == 0) {
        a.error_code = KERR_INVALID_GROUP_ID;
    } else if (r->version < 3) {
        a.error_code = leave(g, q->member_id, (struct view){0});
        left = a.error_code == KERR_NONE;
    } else {
        left = leave_all(s, g, q, &a);
    }
    if (left)
        group_mixed_left(g);
    if (left && g->state != GROUP_EMPTY)
        group_join_rebalance(g);
    group_answer(s, r->token, &a);
    if (left)
        group_settle(g);
}
