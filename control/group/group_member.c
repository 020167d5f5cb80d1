/* group_member.c: members of a classic group, static ones also by their instance id, and ids that
 * were handed out and have not joined (KIP-394).
 *
 * I1 joining and syncing of the group count the members whose JoinGroup waits, and those with
 *    pending_sync.   I2 The leader is a member of the group, or NULL. */
#include "control/group/group_in.h"

#include <stdlib.h>

struct group_member *
group_member_find(const struct group *g, struct view id)
{
    struct group_node *n = group_map_find(&g->by_id, id);
    return n ? group_item(n, struct group_member, by_id) : NULL;
}

struct group_member *
group_member_static(const struct group *g, struct view instance)
{
    struct group_node *n = group_map_find(&g->by_instance, instance);
    return n ? group_item(n, struct group_member, by_instance) : NULL;
}

int16_t
group_member_check(const struct group *g, struct view id, struct view instance)
{
    if (instance.at) {
        const struct group_member *m = group_member_static(g, instance);
        if (!m)
            return KERR_UNKNOWN_MEMBER_ID;
        return view_equal(m->by_id.key, id) ? KERR_NONE : KERR_FENCED_INSTANCE_ID;
    }
    return group_member_find(g, id) ? KERR_NONE : KERR_UNKNOWN_MEMBER_ID;
}

struct group_member *
group_member_new(struct group *g, struct view id, struct view instance)
{
    struct group_member *m = group_alloc(1, sizeof *m);
    m->group = g;
    m->by_id.key = group_copy(id);
    m->by_instance.key = group_copy(instance);
    m->assignment = group_copy(view_of("", 0));
    m->session.kind = GROUP_TIMER_SESSION;
    group_map_add(&g->by_id, &m->by_id);
    if (instance.at)
        group_map_add(&g->by_instance, &m->by_instance);
    list_push_back(&g->members, &m->link);
    if (!g->leader)
        g->leader = m;
    return m;
}

void
group_member_rename(struct group_member *m, struct view id)
{
    group_map_remove(&m->group->by_id, &m->by_id);
    group_drop(&m->by_id.key);
    m->by_id.key = group_copy(id);
    group_map_add(&m->group->by_id, &m->by_id);
}

void
group_member_remove(struct group_member *m)
{
    struct group *g = m->group;
    group_timer_clear(g->shard, &m->session);
    group_map_remove(&g->by_id, &m->by_id);
    if (m->by_instance.key.at)
        group_map_remove(&g->by_instance, &m->by_instance);
    list_remove(&m->link);
    g->joining -= m->join.waits;
    g->syncing -= m->pending_sync;
    g->bytes -= m->bytes;
    if (g->leader == m) {
        struct list *first = list_first(&g->members);
        g->leader = first ? list_item(first, struct group_member, link) : NULL;
    }
    group_drop(&m->by_id.key);
    group_drop(&m->by_instance.key);
    group_drop(&m->client_id);
    group_drop(&m->client_host);
    group_drop(&m->assignment);
    free(m->protocols);
    free(m);
}

/* One piece of memory: the array, then all the bytes. */
void
group_member_protocols(struct group_member *m, const struct group_protocol *from, int32_t count)
{
    size_t bytes = 0;
    for (int32_t i = 0; i < count; i++)
        bytes += (size_t)from[i].name.len + from[i].metadata.len;
    must(bytes <= UINT32_MAX);
    struct group_protocol *to = group_alloc(1, (size_t)count * sizeof *to + bytes + 1);
    uint8_t *at = (uint8_t *)&to[count];
    for (int32_t i = 0; i < count; i++) {
        to[i].name = view_of(memcpy(at, from[i].name.at, from[i].name.len), from[i].name.len);
        at += from[i].name.len;
        to[i].metadata = view_of(at, from[i].metadata.len);
        if (from[i].metadata.len)
            memcpy(at, from[i].metadata.at, from[i].metadata.len);
        at += from[i].metadata.len;
    }
    free(m->protocols);
    m->protocols = to;
    m->protocol_count = count;
    m->group->bytes += bytes - m->bytes;
    m->bytes = (uint32_t)bytes;
}

struct view
group_member_metadata(const struct group_member *m)
{
    for (int32_t i = 0; i < m->protocol_count; i++)
        if (view_equal(m->protocols[i].name, m->group->protocol))
            return m->protocols[i].metadata;
    return view_of("", 0);
}

void
group_member_session(struct group_member *m)
{
    struct group_shard *s = m->group->shard;
    group_timer_set(s, &m->session, s->step->now_ms + m->session_timeout_ms);
}

void
group_expected_add(struct group *g, struct view id, int32_t timeout_ms)
{
    struct group_expected *e = group_alloc(1, sizeof *e);
    e->group = g;
    e->node.key = group_copy(id);
    e->timer.kind = GROUP_TIMER_PENDING;
    group_map_add(&g->expected, &e->node);
    group_timer_set(g->shard, &e->timer, g->shard->step->now_ms + timeout_ms);
}

void
group_expected_remove(struct group_expected *e)
{
    group_timer_clear(e->group->shard, &e->timer);
    group_map_remove(&e->group->expected, &e->node);
    group_drop(&e->node.key);
    free(e);
}
