/* group_list.c: ListGroups, DescribeGroups and DeleteGroups. */
#include "control/group/group_in.h"

#include <stdio.h>
#include <strings.h>

/* As Kafka: without regard to case. */
static bool
named(const struct wire_string_array *filter, const char *name)
{
    size_t len = strlen(name);
    for (int32_t i = 0; i < filter->count; i++)
        if (filter->items[i].len == len &&
            strncasecmp((const char *)filter->items[i].at, name, len) == 0)
            return true;
    return filter->count <= 0;
}

void
group_api_list(struct group_shard *s, const struct coord_request *r)
{
    const struct wire_list_groups_request *q = r->body;
    struct wire_list_groups_response a;
    wire_init(&wire_list_groups_response_message, &a);
    a.groups.items =
        group_items(s, &wire_list_groups_response_listed_group_struct, (int32_t)s->groups.count);
    if (s->groups.count > 0 && !a.groups.items)
        a.error_code = KERR_UNKNOWN_SERVER_ERROR;
    struct group_node *n = a.groups.items ? group_map_next(&s->groups, NULL) : NULL;
    for (; n; n = group_map_next(&s->groups, n)) {
        const struct group *g = group_item(n, struct group, node);
        const char *state =
            g->consumer ? group_consumer_state(g->consumer) : group_state_name(g->state);
        const char *type = g->consumer ? "Consumer" : "Classic";
        if (!named(&q->states_filter, state) || !named(&q->types_filter, type))
            continue;
        struct wire_list_groups_response_listed_group *to = &a.groups.items[a.groups.count++];
        to->group_id = n->key;
        to->protocol_type = g->protocol_type.at ? g->protocol_type : view_of("", 0);
        if (g->consumer)
            to->protocol_type = view_of_text("consumer");
        to->group_state = view_of_text(state);
        to->group_type = view_of_text(type);
    }
    group_answer(s, r->token, &a);
}

/* ---- DescribeGroups -------------------------------------------------------------------------- */

static bool
members_out(const struct group *g, struct wire_describe_groups_response_described_group *to)
{
    int32_t count = (int32_t)g->by_id.count;
    to->members.items =
        group_items(g->shard, &wire_describe_groups_response_described_group_member_struct, count);
    if (count > 0 && !to->members.items)
        return false;
    for (struct list *l = g->members.next; l != &g->members; l = l->next) {
        const struct group_member *m = list_item(l, struct group_member, link);
        struct wire_describe_groups_response_described_group_member *out =
            &to->members.items[to->members.count++];
        out->member_id = m->by_id.key;
        out->group_instance_id = m->by_instance.key;
        out->client_id = m->client_id;
        out->client_host = m->client_host;
        if (g->state == GROUP_STABLE) {
            out->member_metadata = group_member_metadata(m);
            out->member_assignment = m->assignment;
        }
    }
    return true;
}

/* "Group x not found.", in the step's memory. */
static struct view
not_found(struct group_shard *s, struct view id, bool other)
{
    enum { WORDS = 32 };
    size_t room = (size_t)id.len + WORDS;
    char *at = wire_arena_take(s->step->arena, room);
    if (!at)
        return view_of_text("Group not found.");
    int len =
        snprintf(at, room, other ? "Group %.*s is not a classic group." : "Group %.*s not found.",
                 (int)id.len, (const char *)id.at);
    return view_of(at, (uint32_t)len);
}

static void
describe(struct group_shard *s, const struct coord_request *r, struct view id,
         struct wire_describe_groups_response_described_group *to)
{
    const struct group *g = group_find(s, id);
    to->group_id = id;
    if (id.len == 0) {
        to->error_code = KERR_INVALID_GROUP_ID;
        return;
    }
    if (!g || g->consumer) {
        to->group_state = view_of_text("Dead");
        if (r->version >= 6) {
            to->error_code = KERR_GROUP_ID_NOT_FOUND;
            to->error_message = not_found(s, id, g != NULL);
        }
        return;
    }
    if (((const struct wire_describe_groups_request *)r->body)->include_authorized_operations)
        to->authorized_operations = GROUP_OPERATIONS;
    to->group_state = view_of_text(group_state_name(g->state));
    to->protocol_type = g->protocol_type.at ? g->protocol_type : view_of("", 0);
    if (g->state == GROUP_STABLE)
        to->protocol_data = g->protocol;
    if (!members_out(g, to))
        to->error_code = KERR_UNKNOWN_SERVER_ERROR;
}

void
group_api_describe(struct group_shard *s, const struct coord_request *r)
{
    const struct wire_describe_groups_request *q = r->body;
    struct wire_describe_groups_response a;
    wire_init(&wire_describe_groups_response_message, &a);
    a.groups.items =
        group_items(s, &wire_describe_groups_response_described_group_struct, q->groups.count);
    for (int32_t i = 0; a.groups.items && i < q->groups.count; i++)
        describe(s, r, q->groups.items[i], &a.groups.items[a.groups.count++]);
    group_answer(s, r->token, &a);
}

/* ---- DeleteGroups ---------------------------------------------------------------------------- */

static int16_t
delete_group(struct group_shard *s, struct view id)
{
    struct group *g = group_find(s, id);
    if (id.len == 0)
        return KERR_INVALID_GROUP_ID;
    if (!g)
        return KERR_GROUP_ID_NOT_FOUND;
    if (!group_is_empty(g))
        return KERR_NON_EMPTY_GROUP;
    group_offset_delete_all(g, (struct view){0});
    group_gone(g);
    group_settle(g);
    return KERR_NONE;
}

void
group_api_delete(struct group_shard *s, const struct coord_request *r)
{
    const struct wire_delete_groups_request *q = r->body;
    struct wire_delete_groups_response a;
    wire_init(&wire_delete_groups_response_message, &a);
    a.results.items = group_items(s, &wire_delete_groups_response_deletable_group_result_struct,
                                  q->groups_names.count);
    for (int32_t i = 0; a.results.items && i < q->groups_names.count; i++) {
        a.results.items[i].group_id = q->groups_names.items[i];
        a.results.items[i].error_code = delete_group(s, q->groups_names.items[i]);
        a.results.count++;
    }
    group_answer(s, r->token, &a);
}

/* ---- from outside ---------------------------------------------------------------------------- */

static void
offsets_tell(const struct group *g, const struct group_sink *sink)
{
    const struct group_map *m = &g->offsets.topics;
    for (struct group_node *n = group_map_next(m, NULL); n; n = group_map_next(m, n)) {
        const struct group_topic_offsets *t = group_item(n, struct group_topic_offsets, node);
        for (uint32_t i = 0; i < t->count; i++)
            sink->offset(sink->user, n->key, t->items[i].partition, t->items[i].offset,
                         t->items[i].commit_ms);
    }
}

uint32_t
group_list_bucket(const struct group_shard *s, uint32_t bucket, const struct group_sink *sink)
{
    const struct group_map *m = &s->groups;
    struct group_node *n = bucket < m->bucket_count ? m->buckets[bucket] : NULL;
    for (; n; n = n->next) {
        const struct group *g = group_item(n, struct group, node);
        struct group_fact f = {
            .id = n->key,
            .protocol_type = g->consumer ? view_of_text("consumer") : g->protocol_type,
            .protocol = g->protocol,
            .state = g->consumer ? group_consumer_state(g->consumer) : group_state_name(g->state),
            .type = g->consumer ? "Consumer" : "Classic",
            .members = g->consumer ? group_consumer_members(g->consumer) : g->by_id.count,
        };
        sink->group(sink->user, &f);
        offsets_tell(g, sink);
    }
    return m->bucket_count;
}
