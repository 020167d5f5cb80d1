/* group_beat.c: ConsumerGroupHeartbeat of a member that joins or stays (KIP-848).
 *
 * Everything that can be refused is refused before the first record.  Then, in this order: the
 * member's profile; the group's epoch, when subscriptions or topics changed; the target, when it is
 * behind that epoch; the member's own assignment, towards the target.
 * Source: Kafka GroupMetadataManager.consumerGroupHeartbeat. */
#include "control/group/group_beat.h"

#include "control/group/group_mixed.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { COMPLAINT_BYTES = 512 };

int16_t
group_beat_complain(struct group_beat *b, int16_t error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *at = wire_arena_take(b->shard->step->arena, COMPLAINT_BYTES);
    if (at) {
        int len = vsnprintf(at, COMPLAINT_BYTES, format, args);
        uint32_t kept = len < 0 ? 0 : (uint32_t)len;
        b->answer.error_message = view_of(at, kept < COMPLAINT_BYTES ? kept : COMPLAINT_BYTES - 1);
    }
    va_end(args);
    return b->answer.error_code = error;
}

static int16_t
unknown_member(struct group_beat *b)
{
    return group_beat_complain(b, KERR_UNKNOWN_MEMBER_ID,
                               "Member %.*s is not a member of group %.*s.",
                               GROUP_TEXT(b->member_id), GROUP_TEXT(b->q->group_id));
}

/* ---- what is refused ------------------------------------------------------------------------- */

static bool
blank(struct view v)
{
    for (uint32_t i = 0; i < v.len; i++)
        if (v.at[i] > ' ')
            return false;
    return v.at != NULL;
}

static int16_t
check_request(struct group_beat *b)
{
    const struct wire_consumer_group_heartbeat_request *q = b->q;
    const char *wrong = NULL;
    if ((b->r->version >= 1 || q->member_epoch > 0 || q->member_epoch == GROUP_EPOCH_LEAVE) &&
        blank(q->member_id))
        wrong = "MemberId can't be empty.";
    else if (blank(q->group_id))
        wrong = "GroupId can't be empty.";
    else if (blank(q->instance_id))
        wrong = "InstanceId can't be empty.";
    else if (blank(q->rack_id))
        wrong = "RackId can't be empty.";
    else if (q->member_epoch == 0 && q->rebalance_timeout_ms == -1)
        wrong = "RebalanceTimeoutMs must be provided in first request.";
    else if (q->member_epoch == 0 && q->topic_partitions.count != 0)
        wrong = "TopicPartitions must be empty when (re-)joining.";
    else if (q->member_epoch == 0 && q->subscribed_topic_names.count < 0 &&
             !q->subscribed_topic_regex.at)
        wrong = "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when "
                "(re-)joining.";
    else if (q->member_epoch == GROUP_EPOCH_LEAVE_STATIC && !q->instance_id.at)
        wrong = "InstanceId can't be null.";
    else if (q->member_epoch < GROUP_EPOCH_LEAVE_STATIC)
        wrong = "MemberEpoch is invalid.";
    if (wrong)
        return group_beat_complain(b, KERR_INVALID_REQUEST, "%s", wrong);
    if (q->server_assignor.at && !group_target_knows(q->server_assignor))
        return group_beat_complain(
            b, KERR_UNSUPPORTED_ASSIGNOR,
            "ServerAssignor %.*s is not supported. Supported assignors: uniform, range.",
            GROUP_TEXT(q->server_assignor));
    return KERR_NONE;
}

/* Whether the request's partitions are among those that the member was given. */
static bool
owns_only_assigned(const struct group_beat *b, const struct group_consumer_member *m)
{
    for (uint32_t i = 0; i < b->owned.parts.count; i++)
        if (!group_parts_find(&m->assigned, b->owned.parts.items[i].topic,
                              b->owned.parts.items[i].partition))
            return false;
    return b->owned.told;
}

/* A member that comes with its epoch before the last one did not get the last answer. */
static int16_t
check_epoch(struct group_beat *b, const struct group_consumer_member *m)
{
    int32_t epoch = b->q->member_epoch;
    bool fresh = epoch == 0;
    bool lost_answer = epoch < m->epoch && epoch == m->previous_epoch && owns_only_assigned(b, m);
    if (!fresh && epoch != m->epoch && !lost_answer)
        return group_beat_complain(
            b, KERR_FENCED_MEMBER_EPOCH,
            "The consumer group member has a %s member epoch (%d) than the one known by the group "
            "coordinator (%d). The member must abandon all its partitions and rejoin.",
            epoch > m->epoch ? "greater" : "smaller", epoch, m->epoch);
    if (m->state == GROUP_MEMBER_UNKNOWN && (!b->owned.told || b->owned.parts.count))
        return group_beat_complain(b, KERR_FENCED_MEMBER_EPOCH,
                                   "The consumer group member is in a unknown state. The member "
                                   "must abandon all its partitions and rejoin.");
    return KERR_NONE;
}

int16_t
group_beat_check_instance(struct group_beat *b, const struct group_consumer_member *m)
{
    if (!m)
        return group_beat_complain(b, KERR_UNKNOWN_MEMBER_ID, "Instance id %.*s is unknown.",
                                   GROUP_TEXT(b->q->instance_id));
    if (!view_equal(m->by_id.key, b->member_id))
        return group_beat_complain(
            b, KERR_FENCED_INSTANCE_ID,
            "Static member %.*s with instance id %.*s was fenced by member %.*s.",
            GROUP_TEXT(b->member_id), GROUP_TEXT(b->q->instance_id), GROUP_TEXT(m->by_id.key));
    return KERR_NONE;
}

/* Finds the member, or who it takes over from. */
static int16_t
find_member(struct group_beat *b)
{
    const struct group_consumer *c = b->group->consumer;
    bool joins = b->q->member_epoch == 0;
    b->member = c ? group_consumer_profiled(c, b->member_id) : NULL;
    if (b->q->instance_id.at) {
        struct group_consumer_member *m = c ? group_consumer_static(c, b->q->instance_id) : NULL;
        if (!joins) {
            int16_t error = group_beat_check_instance(b, m);
            return error ? error : check_epoch(b, m);
        }
        if (m && !m->profile.classic && m->epoch != GROUP_EPOCH_LEAVE_STATIC)
            return group_beat_complain(
                b, KERR_UNRELEASED_INSTANCE_ID,
                "Static member %.*s with instance id %.*s cannot join the group because the "
                "instance id is owned by %.*s member.",
                GROUP_TEXT(b->member_id), GROUP_TEXT(b->q->instance_id), GROUP_TEXT(m->by_id.key));
        b->replaces = m;
        return KERR_NONE;
    }
    if (!b->member)
        return joins ? KERR_NONE : unknown_member(b);
    return check_epoch(b, b->member);
}

static int16_t
check_room(struct group_beat *b)
{
    const struct group_consumer *c = b->group->consumer;
    int32_t most = b->shard->config->consumer_max_size;
    most = most < GROUP_MEMBERS_MAX ? most : GROUP_MEMBERS_MAX;
    bool member = c && group_consumer_profiled(c, b->member_id);
    uint32_t count = c ? c->member_count : b->group->by_id.count;
    if (member || (count < (uint32_t)most && (!c || c->bytes < GROUP_BYTES_MAX)))
        return KERR_NONE;
    return group_beat_complain(b, KERR_GROUP_MAX_SIZE_REACHED,
                               "The consumer group has reached its maximum capacity of %d members.",
                               most);
}

/* ---- the group and the member id ------------------------------------------------------------- */

/* As Kafka's Uuid prints itself: base64 of 16 bytes, for URLs, without padding. */
struct view
group_beat_id(struct group_shard *s, char at[GROUP_MEMBER_ID_BYTES])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t u[18] = {0};
    s->step->ops->random(s->step->user, u, 16);
    u[6] = (uint8_t)((u[6] & 0x0f) | 0x40);
    u[8] = (uint8_t)((u[8] & 0x3f) | 0x80);
    for (uint32_t i = 0; i < GROUP_MEMBER_ID_BYTES; i++) {
        uint32_t bit = i * 6, pair = (uint32_t)u[bit / 8] << 8 | u[bit / 8 + 1];
        at[i] = digits[pair >> (10 - bit % 8) & 63];
    }
    return view_of(at, GROUP_MEMBER_ID_BYTES);
}

/* The group that the request is about, made or turned into one of this protocol if it may be. */
static int16_t
find_group(struct group_beat *b)
{
    struct group_shard *s = b->shard;
    struct group *g = group_find(s, b->q->group_id);
    bool joins = b->q->member_epoch == 0;
    if (!g && !joins)
        return group_beat_complain(b, KERR_GROUP_ID_NOT_FOUND, "Consumer group %.*s not found.",
                                   GROUP_TEXT(b->q->group_id));
    if (!g && s->groups.count >= GROUP_GROUPS_MAX)
        return group_beat_complain(b, KERR_COORDINATOR_NOT_AVAILABLE, "Too many groups.");
    if (g && !g->consumer && !joins)
        return group_beat_complain(b, KERR_GROUP_ID_NOT_FOUND,
                                   "Group %.*s is not a consumer group.",
                                   GROUP_TEXT(b->q->group_id));
    const char *why =
        g && !g->consumer && g->state != GROUP_EMPTY ? group_migrate_blocked(g) : NULL;
    if (why)
        return group_beat_complain(b, KERR_GROUP_ID_NOT_FOUND,
                                   "Cannot upgrade classic group %.*s to consumer group because "
                                   "%s",
                                   GROUP_TEXT(b->q->group_id), why);
    b->group = g ? g : group_need(s, b->q->group_id);
    return KERR_NONE;
}

/* ---- what is carried out --------------------------------------------------------------------- */

static struct group_profile
profile_after(const struct group_beat *b, const struct group_profile *before)
{
    const struct wire_consumer_group_heartbeat_request *q = b->q;
    static const struct group_profile none = {.rebalance_ms = -1};
    struct group_profile p = group_profile_copy(before ? before : &none);
    const struct view told[] = {q->instance_id, q->rack_id, q->server_assignor,
                                q->subscribed_topic_regex};
    struct view *to[] = {&p.instance, &p.rack, &p.assignor, &p.regex};
    for (uint32_t i = 0; i < sizeof to / sizeof *to; i++)
        if (told[i].at) {
            group_drop(to[i]);
            *to[i] = group_copy(told[i]);
        }
    if (!p.regex.at)
        p.regex = group_copy(view_of("", 0));
    if (q->rebalance_timeout_ms != -1)
        p.rebalance_ms = q->rebalance_timeout_ms;
    if (q->subscribed_topic_names.count >= 0) {
        group_names_free(&p.names);
        group_names_make(&p.names, &q->subscribed_topic_names);
    }
    group_drop(&p.client_id);
    group_drop(&p.client_host);
    p.client_id = group_copy(b->r->client_id.at ? b->r->client_id : view_of("", 0));
    p.client_host = group_copy(view_of_text(b->r->client_host));
    free(p.protocols);
    p.protocols = NULL;
    p.classic = false;
    p.session_ms = p.protocol_count = 0;
    return p;
}

struct group_consumer_member *
group_beat_replace(struct group_consumer *c, struct group_consumer_member *old, struct view id)
{
    struct group_profile p = group_profile_copy(&old->profile);
    struct group_parts target = {0};
    struct group_current now = {.state = old->state};
    group_parts_set(&target, old->target.items, old->target.count);
    group_parts_set(&now.assigned, old->assigned.items, old->assigned.count);
    group_parts_set(&now.revoking, old->revoking.items, old->revoking.count);
    group_keep_member_gone(c, old->by_id.key);
    group_keep_profile(c, id, &p);
    group_keep_target(c, id, &target);
    group_keep_current(c, id, &now);
    group_profile_free(&p);
    group_parts_free(&target);
    group_current_free(&now);
    return group_consumer_member(c, id);
}

void
group_beat_epoch(struct group_consumer *c, bool bump)
{
    uint64_t hash = group_target_hash(c);
    if (bump || hash != c->hash)
        group_keep_epoch(c, true, c->epoch + 1, hash);
    if (c->has_partition_metadata)
        group_keep_partition_metadata_gone(c);
    c->refresh = false;
}

bool
group_beat_profile(struct group_consumer *c, struct view id, const struct group_profile *after,
                   bool unresolved)
{
    const struct group_consumer_member *m = group_consumer_profiled(c, id);
    struct view old_regex = group_copy(m ? m->profile.regex : (struct view){0});
    bool names = m ? !group_names_same(&m->profile.names, &after->names) : after->names.count > 0;
    if (!m || !group_profile_same(&m->profile, after))
        group_keep_profile(c, id, after);
    enum group_pattern_change regex = group_pattern_update(c, old_regex, after->regex);
    group_drop(&old_regex);
    bool changed = names || regex != GROUP_PATTERN_SAME;
    bool bump = names || regex == GROUP_PATTERN_RESOLVED || (unresolved && changed);
    if (bump || c->refresh)
        group_beat_epoch(c, bump);
    return changed;
}

/* True: the member's partitions are others than before. */
static bool
reconcile(struct group_beat *b, bool changed)
{
    struct group_consumer_member *m = b->member;
    struct group_current now;
    group_reconcile(m, changed, &b->owned, &now);
    bool moved = !group_parts_same(&now.assigned, &m->assigned);
    if (!group_current_same(m, &now)) {
        group_keep_current(m->of, b->member_id, &now);
        group_beat_rebalance(m);
    }
    group_current_free(&now);
    return moved;
}

/* NULL, with an error in the answer: no room. */
static struct wire_consumer_group_heartbeat_response_assignment *
assignment_out(struct group_beat *b)
{
    struct group_shard *s = b->shard;
    const struct group_parts *p = &b->member->assigned;
    struct wire_consumer_group_heartbeat_response_assignment *a =
        group_items(s, &wire_consumer_group_heartbeat_response_assignment_struct, 1);
    int32_t *numbers = wire_arena_take(s->step->arena, (size_t)p->count * sizeof *numbers + 1);
    uint32_t topics = group_parts_topics(p);
    if (a && topics)
        a->topic_partitions.items = group_items(
            s, &wire_consumer_group_heartbeat_response_topic_partitions_struct, (int32_t)topics);
    if (!a || !numbers || (topics && !a->topic_partitions.items)) {
        group_beat_complain(b, KERR_UNKNOWN_SERVER_ERROR, "The assignment is too large.");
        return NULL;
    }
    for (uint32_t i = 0, end; i < p->count; i = end) {
        end = group_parts_end(p, i);
        struct wire_consumer_group_heartbeat_response_topic_partitions *t =
            &a->topic_partitions.items[a->topic_partitions.count++];
        memcpy(t->topic_id, p->items[i].topic, sizeof t->topic_id);
        t->partitions = (struct wire_i32_array){numbers + i, (int32_t)(end - i)};
        for (uint32_t j = i; j < end; j++)
            numbers[j] = p->items[j].partition;
    }
    return a;
}

/* A classic group becomes one of this protocol. */
static void
take_over(struct group_beat *b)
{
    if (b->group->state != GROUP_EMPTY) {
        group_migrate_up(b->group);
        b->member = group_consumer_profiled(b->group->consumer, b->member_id);
        b->replaces = group_consumer_static(b->group->consumer, b->q->instance_id);
    } else if (b->group->recorded) {
        group_record_gone(b->group);
    }
}

static void
carry_out(struct group_beat *b)
{
    const struct wire_consumer_group_heartbeat_request *q = b->q;
    if (!b->group->consumer)
        take_over(b);
    struct group_consumer *c = group_consumer_need(b->group);
    if (b->replaces)
        b->member = group_beat_replace(c, b->replaces, b->member_id);
    struct group_profile after = profile_after(b, b->member ? &b->member->profile : NULL);
    bool changed = group_beat_profile(c, b->member_id, &after, false);
    group_profile_free(&after);
    b->member = group_consumer_member(c, b->member_id);
    group_timer_clear(b->shard, &b->member->rejoin); /* it may have been a classic one */
    group_timer_clear(b->shard, &b->member->barrier);
    if (!group_target_update(c)) {
        group_beat_complain(b, KERR_UNKNOWN_SERVER_ERROR,
                            "Failed to compute a new target assignment for epoch %d: too many "
                            "partitions",
                            c->epoch);
        return;
    }
    bool moved = reconcile(b, changed);
    group_beat_session(b->member);
    b->answer.member_id = b->member_id;
    b->answer.member_epoch = b->member->epoch;
    b->answer.heartbeat_interval_ms = group_consumer_settings(c).heartbeat_interval_ms;
    bool full = q->rebalance_timeout_ms != -1 && b->owned.told &&
                (q->subscribed_topic_names.count >= 0 || q->subscribed_topic_regex.at);
    if (q->member_epoch == 0 || full || moved)
        b->answer.assignment = assignment_out(b);
}

/* ---- the request ----------------------------------------------------------------------------- */

static void
owned_read(struct group_beat *b)
{
    const struct wire_consumer_group_heartbeat_request *q = b->q;
    uint32_t count = 0, at = 0;
    b->owned.told = q->topic_partitions.count >= 0;
    for (int32_t i = 0; i < q->topic_partitions.count; i++)
        count += (uint32_t)(q->topic_partitions.items[i].partitions.count > 0
                                ? q->topic_partitions.items[i].partitions.count
                                : 0);
    struct group_part *items = group_alloc(count, sizeof *items);
    for (int32_t i = 0; i < q->topic_partitions.count; i++)
        for (int32_t j = 0; j < q->topic_partitions.items[i].partitions.count; j++) {
            memcpy(items[at].topic, q->topic_partitions.items[i].topic_id, 16);
            items[at++].partition = q->topic_partitions.items[i].partitions.items[j];
        }
    group_parts_set(&b->owned.parts, items, count);
    free(items);
}

static void
beat(struct group_beat *b)
{
    int16_t error = find_group(b);
    if (error == KERR_NONE)
        error = check_room(b);
    if (error == KERR_NONE && b->member_id.len == 0)
        b->member_id = group_beat_id(b->shard, b->made_id);
    if (error == KERR_NONE)
        error = find_member(b);
    if (error == KERR_NONE)
        error = group_pattern_check(b);
    if (error == KERR_NONE)
        carry_out(b);
}

void
group_api_consumer_heartbeat(struct group_shard *s, const struct coord_request *r)
{
    struct group_beat b = {.shard = s, .r = r, .q = r->body};
    wire_init(&wire_consumer_group_heartbeat_response_message, &b.answer);
    b.member_id = b.q->member_id;
    if (check_request(&b) == KERR_NONE) {
        owned_read(&b);
        if (b.q->member_epoch < 0)
            group_beat_leave(&b);
        else
            beat(&b);
        group_parts_free(&b.owned.parts);
    }
    if (b.answer.error_code != KERR_NONE) {
        struct view message = b.answer.error_message;
        int16_t error = b.answer.error_code;
        wire_init(&wire_consumer_group_heartbeat_response_message, &b.answer);
        b.answer.error_code = error;
        b.answer.error_message = message;
    }
    group_answer(s, r->token, &b.answer);
    struct group *g = group_find(s, b.q->group_id);
    if (g)
        group_settle(g);
}
