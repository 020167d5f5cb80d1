/* group_fixture.h: a shard of the group coordinator with a log and a clock; the test is the
 * runtime. Answers are encoded and decoded, so every one must be valid for its version. */
#ifndef SLUICE_TESTS_GROUP_FIXTURE_H
#define SLUICE_TESTS_GROUP_FIXTURE_H

#include "control/group/group_in.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

enum { SENT = 8192, LOGGED = 65536, PARTITIONS = 4, T0 = 1000000 };

struct logged {
    struct view key, value;
    struct coord_place place;
    int8_t marker; /* 0: a record; 1: commit, 2: abort */
};

struct sent {
    const struct wire_api *api;
    int16_t version;
    struct view answer; /* encoded; at NULL: none yet */
};

struct fixture {
    struct group_config config;
    struct group_shard *s;
    struct coord_step step;
    struct wire_arena arena, decoded;
    struct sent sent[SENT];
    uint32_t sent_count;
    struct logged log[LOGGED];
    uint32_t log_count;
    uint8_t seed;
    uint32_t boundaries;   /* that steps put between records */
    bool topic_gone;       /* of "t1" */
    int32_t partitions[3]; /* of "t1" and "t2", by digit; 0: PARTITIONS */
    int64_t metadata_version;
};

static inline void
fx_record(void *user, struct view key, struct view value, struct coord_place *place)
{
    struct fixture *f = user;
    assert_true(f->log_count < LOGGED);
    place->offset = f->log_count;
    place->timestamp_ms = f->step.now_ms;
    f->log[f->log_count++] = (struct logged){group_copy(key), group_copy(value), *place, 0};
}

static inline void
fx_reply(void *user, uint64_t token, const void *response)
{
    struct fixture *f = user;
    assert_true(token < f->sent_count);
    struct sent *q = &f->sent[token];
    assert_null(q->answer.at); /* once */
    int64_t size = wire_size(q->api->response, q->version, response);
    assert_true(size >= 0);
    uint8_t *at = malloc((size_t)size + 1);
    struct put w = put_of(at, (uint32_t)size);
    assert_int_equal(wire_encode(q->api->response, q->version, response, &w), ERR_OK);
    q->answer = view_of(at, (uint32_t)size);
}

static inline void
fx_random(void *user, void *at, size_t bytes)
{
    struct fixture *f = user;
    memset(at, ++f->seed, bytes);
}

static inline void
fx_boundary(void *user)
{
    ((struct fixture *)user)->boundaries++;
}

static const struct coord_ops fx_ops = {fx_record, fx_reply, fx_random, fx_boundary};

/* Topics "t1" and "t2", ids of bytes 1 and 2. */
static inline bool
fx_by_id(void *user, const uint8_t id[16], struct group_topic *out)
{
    const struct fixture *f = user;
    if (id[0] < 1 || id[0] > 2 || (id[0] == 1 && f->topic_gone))
        return false;
    *out = (struct group_topic){.name = view_of(id[0] == 1 ? "t1" : "t2", 2),
                                .partition_count =
                                    f->partitions[id[0]] ? f->partitions[id[0]] : PARTITIONS};
    memset(out->id, id[0], 16);
    return true;
}

static inline bool
fx_by_name(void *user, struct view name, struct group_topic *out)
{
    uint8_t id[16] = {0};
    if (name.len == 2 && name.at[0] == 't')
        id[0] = (uint8_t)(name.at[1] - '0');
    return fx_by_id(user, id, out);
}

static inline bool
fx_next(void *user, uint32_t *cursor, struct group_topic *out)
{
    const struct fixture *f = user;
    uint8_t id[16] = {(uint8_t)(*cursor + (f->topic_gone ? 2 : 1))};
    (*cursor)++;
    return fx_by_id(user, id, out);
}

static inline int64_t
fx_version(void *user)
{
    const struct fixture *f = user;
    return f->metadata_version;
}

/* Expressions of the tests: "t*" stands for all that begins with "t"; "[" is not valid. */
static inline void *
fx_compile(const void *pattern, uint32_t len, char why[REGEX_ERROR_BYTES])
{
    if (len && memcmp(pattern, "[", 1) == 0) {
        snprintf(why, REGEX_ERROR_BYTES, "missing closing ]");
        return NULL;
    }
    return strndup(pattern, len);
}

static inline bool
fx_matches(void *regex, const void *text, uint32_t len)
{
    const char *pattern = regex;
    size_t fixed = strcspn(pattern, "*");
    return fixed <= len && memcmp(pattern, text, fixed) == 0 &&
           (pattern[fixed] == '*' || len == fixed);
}

static const struct regex_port fx_regex = {fx_compile, fx_matches, free};

static inline struct fixture *
fx_new(void)
{
    struct fixture *f = calloc(1, sizeof *f);
    static uint8_t step_room[1 << 20], decoded_room[1 << 20];
    wire_arena_init(&f->arena, step_room, sizeof step_room);
    wire_arena_init(&f->decoded, decoded_room, sizeof decoded_room);
    group_config_default(&f->config);
    f->config.port = (struct group_port){.by_name = fx_by_name,
                                         .by_id = fx_by_id,
                                         .next = fx_next,
                                         .version = fx_version,
                                         .regex = &fx_regex,
                                         .user = f};
    f->step = (struct coord_step){T0, &f->arena, &fx_ops, f};
    f->s = group_shard_new(&f->config, 0);
    group_loaded(f->s, &f->step);
    return f;
}

static inline void
fx_free(struct fixture *f)
{
    group_shard_free(f->s);
    for (uint32_t i = 0; i < f->sent_count; i++)
        group_drop(&f->sent[i].answer);
    for (uint32_t i = 0; i < f->log_count; i++) {
        group_drop(&f->log[i].key);
        group_drop(&f->log[i].value);
    }
    free(f);
}

static inline uint64_t
fx_send_as(struct fixture *f, const char *client, int16_t api, int16_t version, const void *body)
{
    assert_true(f->sent_count < SENT);
    uint64_t token = f->sent_count++;
    f->sent[token] = (struct sent){wire_api_find(api), version, {0}};
    struct coord_request r = {.token = token,
                              .api = f->sent[token].api,
                              .version = version,
                              .body = body,
                              .client_id = view_of_text(client),
                              .client_host = "/127.0.0.1"};
    wire_arena_reset(&f->arena);
    group_request(f->s, &f->step, &r);
    return token;
}

static inline uint64_t
fx_send(struct fixture *f, int16_t api, int16_t version, const void *body)
{
    return fx_send_as(f, "c", api, version, body);
}

/* The decoded answer, valid until the next one; NULL: it waits. */
static inline void *
fx_answer(struct fixture *f, uint64_t token)
{
    struct sent *q = &f->sent[token];
    if (!q->answer.at)
        return NULL;
    static uint64_t out[512];
    wire_arena_reset(&f->decoded);
    assert_int_equal(wire_decode(q->api->response, q->version, q->answer, out, &f->decoded),
                     ERR_OK);
    return out;
}

static inline void
fx_advance(struct fixture *f, int64_t ms)
{
    int64_t end = f->step.now_ms + ms;
    while (group_deadline_ms(f->s) <= end) {
        if (group_deadline_ms(f->s) > f->step.now_ms)
            f->step.now_ms = group_deadline_ms(f->s);
        wire_arena_reset(&f->arena);
        group_tick(f->s, &f->step);
    }
    f->step.now_ms = end;
}

static inline void
fx_replay(struct group_shard *s, const struct logged *l)
{
    if (l->marker)
        group_replay_marker(s, &l->place, l->marker == 1);
    else
        assert_int_equal(group_replay(s, l->key, l->value, &l->place), ERR_OK);
}

/* A coordinator that lost everything but the log. */
static inline void
fx_reload(struct fixture *f)
{
    group_shard_free(f->s);
    f->s = group_shard_new(&f->config, 0);
    for (uint32_t i = 0; i < f->log_count; i++)
        fx_replay(f->s, &f->log[i]);
    group_loaded(f->s, &f->step);
}

static inline void
fx_marker(struct fixture *f, int64_t producer_id, bool commit)
{
    struct coord_place place = {f->log_count, f->step.now_ms, producer_id, 0};
    f->log[f->log_count++] = (struct logged){.place = place, .marker = commit ? 1 : 2};
    group_replay_marker(f->s, &place, commit);
}

static inline struct group *
fx_group(struct fixture *f, const char *id)
{
    return group_find(f->s, view_of_text(id));
}

/* ---- requests ----------------------------------------------------------------------------------
 */

struct joining {
    const char *member, *instance, *protocol, *metadata, *type;
    int16_t version; /* 0: the newest */
    int32_t session_ms, rebalance_ms;
    struct view subscription; /* at NULL: `metadata` */
};

static inline uint64_t
fx_join_as(struct fixture *f, const char *group, const struct joining *j)
{
    struct wire_join_group_request q;
    wire_init(&wire_join_group_request_message, &q);
    struct wire_join_group_request_protocol p = {view_of_text(j->protocol ? j->protocol : "range"),
                                                 view_of_text(j->metadata ? j->metadata : "m")};
    if (j->subscription.at)
        p.metadata = j->subscription;
    q.group_id = view_of_text(group);
    q.member_id = view_of_text(j->member ? j->member : "");
    if (j->instance)
        q.group_instance_id = view_of_text(j->instance);
    q.protocol_type = view_of_text(j->type ? j->type : "consumer");
    q.session_timeout_ms = j->session_ms ? j->session_ms : 10000;
    q.rebalance_timeout_ms = j->rebalance_ms ? j->rebalance_ms : 60000;
    q.protocols.items = &p;
    q.protocols.count = 1;
    return fx_send(f, WIRE_API_JOIN_GROUP, j->version ? j->version : 9, &q);
}

static inline uint64_t
fx_join(struct fixture *f, const char *group, const char *member)
{
    return fx_join_as(f, group, &(struct joining){.member = member});
}

/* "" or an id that the first JoinGroup made, copied. */
static inline char *
fx_join_id(struct fixture *f, uint64_t token)
{
    const struct wire_join_group_response *a = fx_answer(f, token);
    assert_non_null(a);
    char *id = calloc(1, a->member_id.len + 1);
    memcpy(id, a->member_id.at, a->member_id.len);
    return id;
}

static inline uint64_t
fx_sync(struct fixture *f, const char *group, const char *member, int32_t generation,
        const char *assigned)
{
    struct wire_sync_group_request q;
    wire_init(&wire_sync_group_request_message, &q);
    struct wire_sync_group_request_assignment a = {view_of_text(member),
                                                   view_of_text(assigned ? assigned : "")};
    q.group_id = view_of_text(group);
    q.member_id = view_of_text(member);
    q.generation_id = generation;
    q.assignments.items = &a;
    q.assignments.count = assigned ? 1 : 0;
    return fx_send(f, WIRE_API_SYNC_GROUP, 5, &q);
}

static inline int16_t
fx_heartbeat(struct fixture *f, const char *group, const char *member, int32_t generation)
{
    struct wire_heartbeat_request q;
    wire_init(&wire_heartbeat_request_message, &q);
    q.group_id = view_of_text(group);
    q.member_id = view_of_text(member);
    q.generation_id = generation;
    const struct wire_heartbeat_response *a = fx_answer(f, fx_send(f, WIRE_API_HEARTBEAT, 4, &q));
    return a->error_code;
}

static inline int16_t
fx_leave(struct fixture *f, const char *group, const char *member, const char *instance)
{
    struct wire_leave_group_request q;
    wire_init(&wire_leave_group_request_message, &q);
    struct wire_leave_group_request_member_identity m = {.member_id = view_of_text(member)};
    if (instance)
        m.group_instance_id = view_of_text(instance);
    q.group_id = view_of_text(group);
    q.members.items = &m;
    q.members.count = 1;
    const struct wire_leave_group_response *a =
        fx_answer(f, fx_send(f, WIRE_API_LEAVE_GROUP, 5, &q));
    return a->error_code ? a->error_code : a->members.items[0].error_code;
}

struct committing {
    const char *member, *metadata, *topic;
    int32_t generation, partition;
    int64_t offset, producer_id, retention_ms;
    int16_t version;
};

static inline int16_t
fx_commit_as(struct fixture *f, const char *group, const struct committing *c)
{
    struct wire_offset_commit_request q;
    wire_init(&wire_offset_commit_request_message, &q);
    struct wire_offset_commit_request_partition p = {
        .partition_index = c->partition,
        .committed_offset = c->offset,
        .committed_leader_epoch = 7,
        .committed_metadata = view_of_text(c->metadata ? c->metadata : "")};
    struct wire_offset_commit_request_topic t = {.name = view_of_text(c->topic ? c->topic : "t1"),
                                                 .partitions = {&p, 1}};
    q.group_id = view_of_text(group);
    q.member_id = view_of_text(c->member ? c->member : "");
    q.generation_id_or_member_epoch = c->member ? c->generation : -1;
    q.retention_time_ms = c->retention_ms ? c->retention_ms : -1;
    q.topics.items = &t;
    q.topics.count = 1;
    const struct wire_offset_commit_response *a =
        fx_answer(f, fx_send(f, WIRE_API_OFFSET_COMMIT, c->version ? c->version : 9, &q));
    return a->topics.items[0].partitions.items[0].error_code;
}

static inline int16_t
fx_commit(struct fixture *f, const char *group, int32_t partition, int64_t offset)
{
    return fx_commit_as(f, group, &(struct committing){.partition = partition, .offset = offset});
}

static inline int16_t
fx_txn_commit(struct fixture *f, const char *group, int64_t producer_id, int32_t partition,
              int64_t offset)
{
    struct wire_txn_offset_commit_request q;
    wire_init(&wire_txn_offset_commit_request_message, &q);
    struct wire_txn_offset_commit_request_partition p = {
        .partition_index = partition, .committed_offset = offset, .committed_leader_epoch = -1};
    struct wire_txn_offset_commit_request_topic t = {.name = view_of_text("t1"),
                                                     .partitions = {&p, 1}};
    q.transactional_id = view_of_text("x");
    q.group_id = view_of_text(group);
    q.producer_id = producer_id;
    q.generation_id = -1;
    q.topics.items = &t;
    q.topics.count = 1;
    const struct wire_txn_offset_commit_response *a =
        fx_answer(f, fx_send(f, WIRE_API_TXN_OFFSET_COMMIT, 5, &q));
    return a->topics.items[0].partitions.items[0].error_code;
}

/* The committed offset; -1: none; -1000 - error. */
static inline int64_t
fx_fetch(struct fixture *f, const char *group, int32_t partition, bool stable)
{
    struct wire_offset_fetch_request q;
    wire_init(&wire_offset_fetch_request_message, &q);
    struct wire_offset_fetch_request_topics t = {.name = view_of_text("t1"),
                                                 .partition_indexes = {&partition, 1}};
    struct wire_offset_fetch_request_group g = {
        .group_id = view_of_text(group), .member_epoch = -1, .topics = {&t, 1}};
    q.groups.items = &g;
    q.groups.count = 1;
    q.require_stable = stable;
    const struct wire_offset_fetch_response *a =
        fx_answer(f, fx_send(f, WIRE_API_OFFSET_FETCH, 9, &q));
    assert_int_equal(a->groups.items[0].error_code, 0);
    const struct wire_offset_fetch_response_partitions *p =
        &a->groups.items[0].topics.items[0].partitions.items[0];
    return p->error_code ? -1000 - p->error_code : p->committed_offset;
}

static inline int16_t
fx_delete(struct fixture *f, const char *group)
{
    struct wire_delete_groups_request q;
    wire_init(&wire_delete_groups_request_message, &q);
    struct view name = view_of_text(group);
    q.groups_names.items = &name;
    q.groups_names.count = 1;
    const struct wire_delete_groups_response *a =
        fx_answer(f, fx_send(f, WIRE_API_DELETE_GROUPS, 2, &q));
    return a->results.items[0].error_code;
}

/* The error of the answer to a JoinGroup or SyncGroup; -100: it waits. */
static inline int16_t
fx_join_error(struct fixture *f, uint64_t token)
{
    const struct wire_join_group_response *a = fx_answer(f, token);
    return a ? a->error_code : -100;
}

static inline int16_t
fx_sync_error(struct fixture *f, uint64_t token)
{
    const struct wire_sync_group_response *a = fx_answer(f, token);
    return a ? a->error_code : -100;
}

enum { WAITS = -100 };

/* A group with one member in its first generation, stable; returns the member's id. */
static inline char *
fx_stable(struct fixture *f, const char *group)
{
    char *id = fx_join_id(f, fx_join(f, group, NULL));
    uint64_t join = fx_join(f, group, id);
    fx_advance(f, f->config.initial_rebalance_delay_ms);
    assert_int_equal(fx_join_error(f, join), 0);
    assert_int_equal(fx_sync_error(f, fx_sync(f, group, id, 1, "a")), 0);
    assert_int_equal(fx_group(f, group)->state, GROUP_STABLE);
    return id;
}

#endif
