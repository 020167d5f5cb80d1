/* group_describe.c: ConsumerGroupDescribe.  Topics that are no more are left out.  What does not
 * fit into the step's memory makes the group's answer an error. */
#include "control/group/group_beat.h"

#include <stdio.h>

enum { WORDS = 64, MEMBER_CLASSIC = 0, MEMBER_CONSUMER = 1 };

/* Appends the partitions of a set; false: no room. */
static bool
parts_out(struct group_shard *s, const struct group_parts *p,
          struct wire_consumer_group_describe_response_assignment *to)
{
    const struct group_port *port = &s->config->port;
    int32_t *numbers = wire_arena_take(s->step->arena, (size_t)p->count * sizeof *numbers + 1);
    if (!numbers)
        return false;
    for (uint32_t i = 0, end; i < p->count; i = end) {
        struct group_topic t;
        end = group_parts_end(p, i);
        if (!port->by_id || !port->by_id(port->user, p->items[i].topic, &t))
            continue;
        struct wire_consumer_group_describe_response_topic_partitions *out =
            &to->topic_partitions.items[to->topic_partitions.count++];
        memcpy(out->topic_id, p->items[i].topic, sizeof out->topic_id);
        out->topic_name = t.name;
        out->partitions = (struct wire_i32_array){numbers + i, (int32_t)(end - i)};
        for (uint32_t j = i; j < end; j++)
            numbers[j] = p->items[j].partition;
    }
    return true;
}

static bool
topics_take(struct group_shard *s, uint32_t count,
            struct wire_consumer_group_describe_response_assignment *to)
{
    if (count)
        to->topic_partitions.items = group_items(
            s, &wire_consumer_group_describe_response_topic_partitions_struct, (int32_t)count);
    return count == 0 || to->topic_partitions.items;
}

/* What it has includes what it has yet to give up. */
static bool
member_out(const struct group_consumer_member *m,
           struct wire_consumer_group_describe_response_member *to)
{
    struct group_shard *s = m->of->group->shard;
    const struct group_profile *p = &m->profile;
    struct group_parts has = {0};
    uint32_t count = m->assigned.count + m->revoking.count;
    struct group_part *all = wire_arena_take(s->step->arena, count * sizeof *all + 1);
    if (!all)
        return false;
    if (m->assigned.count)
        memcpy(all, m->assigned.items, m->assigned.count * sizeof *all);
    if (m->revoking.count)
        memcpy(all + m->assigned.count, m->revoking.items, m->revoking.count * sizeof *all);
    group_parts_set(&has, all, count);
    to->member_id = m->by_id.key;
    to->instance_id = p->instance;
    to->rack_id = p->rack;
    to->member_epoch = m->epoch;
    to->client_id = p->client_id;
    to->client_host = p->client_host;
    to->subscribed_topic_names.items = p->names.items;
    to->subscribed_topic_names.count = (int32_t)p->names.count;
    to->subscribed_topic_regex = p->regex;
    to->member_type = p->classic ? MEMBER_CLASSIC : MEMBER_CONSUMER;
    bool fits = topics_take(s, group_parts_topics(&has), &to->assignment) &&
                topics_take(s, group_parts_topics(&m->target), &to->target_assignment) &&
                parts_out(s, &has, &to->assignment) &&
                parts_out(s, &m->target, &to->target_assignment);
    group_parts_free(&has);
    return fits;
}

static bool
members_out(const struct group_consumer *c,
            struct wire_consumer_group_describe_response_described_group *to)
{
    to->members.items =
        group_items(c->group->shard, &wire_consumer_group_describe_response_member_struct,
                    (int32_t)c->member_count);
    if (c->member_count && !to->members.items)
        return false;
    for (struct group_consumer_member *m = NULL; (m = group_consumer_next(c, m));)
        if (!member_out(m, &to->members.items[to->members.count++]))
            return false;
    return true;
}

static struct view
missing(struct group_shard *s, struct view id, bool other)
{
    size_t room = (size_t)id.len + WORDS;
    char *at = wire_arena_take(s->step->arena, room);
    if (!at)
        return view_of_text("Group not found.");
    int len =
        snprintf(at, room, other ? "Group %.*s is not a consumer group." : "Group %.*s not found.",
                 GROUP_TEXT(id));
    return view_of(at, (uint32_t)len);
}

static void
describe(struct group_shard *s, struct view id,
         struct wire_consumer_group_describe_response_described_group *to)
{
    const struct group *g = group_find(s, id);
    to->group_id = id;
    if (id.len == 0) {
        to->error_code = KERR_INVALID_GROUP_ID;
        return;
    }
    if (!g || !g->consumer) {
        to->error_code = KERR_GROUP_ID_NOT_FOUND;
        to->error_message = missing(s, id, g != NULL);
        return;
    }
    const struct group_consumer *c = g->consumer;
    to->group_state = view_of_text(group_consumer_state(c));
    to->group_epoch = c->epoch;
    to->assignment_epoch = c->target_epoch;
    to->assignor_name = view_of_text(group_target_assignor(c));
    if (!members_out(c, to)) {
        to->members.count = 0;
        to->error_code = KERR_UNKNOWN_SERVER_ERROR;
    }
}

void
group_api_consumer_describe(struct group_shard *s, const struct coord_request *r)
{
    const struct wire_consumer_group_describe_request *q = r->body;
    struct wire_consumer_group_describe_response a;
    wire_init(&wire_consumer_group_describe_response_message, &a);
    a.groups.items = group_items(s, &wire_consumer_group_describe_response_described_group_struct,
                                 q->group_ids.count);
    for (int32_t i = 0; a.groups.items && i < q->group_ids.count; i++)
        describe(s, q->group_ids.items[i], &a.groups.items[a.groups.count++]);
    for (int32_t i = 0; q->include_authorized_operations && i < a.groups.count; i++)
        if (a.groups.items[i].error_code == KERR_NONE)
            a.groups.items[i].authorized_operations = GROUP_OPERATIONS;
    group_answer(s, r->token, &a);
}
