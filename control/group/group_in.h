/* group_in.h: what the files of the group coordinator share; private to control/group.
 *
 * A group is there while there is a reason: a GroupMetadata record in the log, members, members
 * that will join, offsets, or offsets of open transactions.  group_settle drops it with the last
 * one, so that whether it is there follows from the log. */
#ifndef SLUICE_GROUP_GROUP_IN_H
#define SLUICE_GROUP_GROUP_IN_H

#include "control/group/group.h"
#include "control/group/group_map.h"
#include "core/base/err.h"
#include "core/base/heap.h"
#include "core/base/list.h"
#include "core/wire/kerr.h"
#include "core/wire/wire_gen.h"

/* ---- offsets --------------------------------------------------------------------------------- */

struct group_offset {
    int32_t partition, leader_epoch; /* -1: not known */
    int64_t offset, commit_ms;
    int64_t expire_ms;    /* -1: by the retention of the broker */
    int64_t log_offset;   /* of its record: the newer of two wins */
    uint8_t topic_id[16]; /* zero: not told */
    struct view metadata;
};

struct group_topic_offsets {
    struct group_node node;     /* by the topic's name */
    struct group_offset *items; /* by partition, ascending */
    uint32_t count, room;
};

struct group_offsets {
    struct group_map topics;
    uint32_t count;
};

const struct group_offset *group_offsets_get(const struct group_offsets *o, struct view topic,
                                             int32_t partition);
/* Copies *item and its metadata, over one of the same partition. */
void group_offsets_put(struct group_offsets *o, struct view topic, const struct group_offset *item);
void group_offsets_remove(struct group_offsets *o, struct view topic, int32_t partition);
void group_offsets_free(struct group_offsets *o);

/* An open transaction, and what it commits in one group. */
struct group_txn {
    struct group_node node; /* by producer id, 8 bytes */
    uint8_t key[8];
    struct list pendings;
};

struct group_pending {
    struct list of_txn, of_group;
    struct group_txn *txn;
    struct group *group;
    struct group_offsets offsets;
};

/* What a client may do with a group when nothing is forbidden, a bit for each of Kafka's
 * AclOperation codes: READ, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS. */
enum { GROUP_OPERATIONS = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11 };

/* ---- groups ---------------------------------------------------------------------------------- */

#define GROUP_STATES(X)                                                                            \
    X(EMPTY, "Empty")                    /* no members; offsets may be there */                    \
    X(PREPARING, "PreparingRebalance")   /* members rejoin; join timer -> COMPLETING or EMPTY */   \
    X(COMPLETING, "CompletingRebalance") /* waits for the leader's SyncGroup -> STABLE */          \
    X(STABLE, "Stable")

enum group_state {
#define X(name, text) GROUP_##name,
    GROUP_STATES(X)
#undef X
};

enum group_timer_kind {
    GROUP_TIMER_EXPIRY,
    GROUP_TIMER_JOIN,
    GROUP_TIMER_SYNC,
    GROUP_TIMER_SESSION,
    GROUP_TIMER_PENDING,
    /* of the consumer protocol: */
    GROUP_TIMER_CONSUMER_SESSION,
    GROUP_TIMER_CONSUMER_REBALANCE,
    GROUP_TIMER_CONSUMER_REJOIN,
    GROUP_TIMER_CONSUMER_BARRIER,
    GROUP_TIMER_RESOLVE
};

struct group_timer {
    struct heap_node node; /* key: when, wall clock in ms */
    uint8_t kind;
};

struct group_protocol {
    struct view name, metadata;
};

/* A request that waits. */
struct group_waiter {
    uint64_t token;
    int16_t version;
    bool waits;
};

struct group_member {
    struct group *group;
    struct list link;              /* in the order of joining */
    struct group_node by_id;       /* its key is owned */
    struct group_node by_instance; /* key.at NULL: a dynamic member */
    struct view client_id, client_host;
    int32_t rebalance_timeout_ms, session_timeout_ms;
    struct group_protocol *protocols; /* owned with all their bytes */
    int32_t protocol_count;
    uint32_t bytes; /* of protocols, counted in the group */
    struct view assignment;
    struct group_waiter join, sync;
    bool is_new;       /* since it joined a first time until that join is answered */
    bool pending_sync; /* has not sent SyncGroup in this generation */
    struct group_timer session;
};

/* A member id that was handed out and has not joined. */
struct group_expected {
    struct group *group;
    struct group_node node;
    struct group_timer timer;
};

struct group {
    struct group_shard *shard;
    struct group_node node; /* by id, owned */
    struct group_offsets offsets;
    struct list pendings;            /* struct group_pending.of_group */
    bool recorded;                   /* there is a GroupMetadata record */
    struct group_consumer *consumer; /* of the consumer protocol (group_consumer.h); else NULL */

    enum group_state state, state_before;
    int64_t state_ms; /* since when; -1: not known */
    int32_t generation;
    struct view protocol_type, protocol; /* at NULL: none */
    struct group_member *leader;
    struct list members;
    struct group_map by_id, by_instance, expected;
    uint32_t joining, syncing; /* members whose JoinGroup waits; members with pending_sync */
    uint64_t bytes;
    bool in_delay;                   /* PREPARING, in the initial delay */
    bool new_member_added;           /* since that began, or was prolonged */
    int64_t delay_ms, delay_left_ms; /* the running initial delay, and what may follow it */
    struct group_timer join_timer, sync_timer;
    struct group_map subscribed; /* struct group_node of its own each */
    bool subscribed_known;
};

struct group_shard {
    const struct group_config *config;
    int32_t partition;
    struct group_map groups, txns;
    struct heap timers;
    struct group_timer expiry;
    struct coord_step *step; /* the running one */
    int64_t topics_version;  /* of the metadata that brought the last new topics */
    uint8_t *scratch;        /* where records are decoded */
    size_t scratch_bytes;
};

struct group *group_find(const struct group_shard *s, struct view id);
/* Forgets what a GroupMetadata record told; members are gone by then. */
void group_forget(struct group *g);
/* Finds or makes one. */
struct group *group_need(struct group_shard *s, struct view id);
/* Drops a group without a reason to be; the pointer is then gone. */
void group_settle(struct group *g);
const char *group_state_name(enum group_state state);

void group_timer_set(struct group_shard *s, struct group_timer *t, int64_t at_ms);
void group_timer_clear(struct group_shard *s, struct group_timer *t);

/* The records that the running step put out so far stand on their own. */
void group_boundary(struct group_shard *s);
/* Results of the running step. */
void group_answer(struct group_shard *s, uint64_t token, const void *response);
/* n structs of the step's arena with their defaults; NULL when there is no room (or n is 0). */
void *group_items(struct group_shard *s, const struct wire_struct *what, int32_t n);

/* ---- records (group_record.c) -----------------------------------------------------------------
 */

struct group_commit {
    struct view group_id, topic;
    int32_t partition;
    int64_t producer_id; /* -1: not part of a transaction */
    int16_t producer_epoch;
    const struct group_offset *offset; /* NULL: a tombstone */
};

/* Puts out the record and replays it. */
void group_record_offset(struct group_shard *s, const struct group_commit *c);
/* A key behind its kind, or a value behind its version, in memory of its own. */
struct view group_record_encode(int16_t prefix, const struct wire_message *m, int16_t version,
                                const void *in);
/* Puts the record out, replays it and drops both. */
void group_record_put(struct group_shard *s, struct view key, struct view value);
/* The group as it is, which must then equal what a replay gives. */
void group_record_group(struct group *g);
/* Puts out a tombstone for the group and forgets what its record told. */
void group_record_gone(struct group *g);
/* Decodes into the scratch memory, gone with the next record.  ERR_CORRUPT. */
must_check int group_record_read(struct group_shard *s, const struct wire_message *m,
                                 int16_t version, struct view bytes, void *out);

/* ---- offsets of groups (group_offset.c) --------------------------------------------------------
 */

must_check int group_offset_replay(struct group_shard *s, struct view key, struct view value,
                                   const struct coord_place *place);
void group_offset_txn_free(struct group_shard *s, struct group_txn *t);
bool group_offset_pending(const struct group *g, struct view topic, int32_t partition);
/* Tombstones for all offsets of a group, also those of open transactions; topic at NULL: of all
 * topics. */
void group_offset_delete_all(struct group *g, struct view topic);
/* Tombstones for what is over its retention.  True: nothing is left that keeps the group. */
bool group_offset_expire(struct group *g);

/* ---- classic groups (group_classic.c, group_join.c, group_sync.c) -------------------------------
 */

must_check int group_classic_replay(struct group_shard *s, struct view key, struct view value);
/* Timers of a group that was loaded. */
void group_classic_loaded(struct group *g);
struct group_member *group_member_find(const struct group *g, struct view id);
struct group_member *group_member_static(const struct group *g, struct view instance);
/* KERR_NONE, UNKNOWN_MEMBER_ID or FENCED_INSTANCE_ID; instance.at NULL: none was given. */
int16_t group_member_check(const struct group *g, struct view id, struct view instance);
struct group_member *group_member_new(struct group *g, struct view id, struct view instance);
void group_member_rename(struct group_member *m, struct view id);
void group_member_remove(struct group_member *m);
void group_member_protocols(struct group_member *m, const struct group_protocol *from,
                            int32_t count);
/* The metadata of the group's protocol; empty when the member does not know it. */
struct view group_member_metadata(const struct group_member *m);
void group_member_session(struct group_member *m);
void group_expected_remove(struct group_expected *e);
void group_expected_add(struct group *g, struct view id, int32_t timeout_ms);
void group_state_set(struct group *g, enum group_state state);
int32_t group_rebalance_timeout_ms(const struct group *g);
bool group_all_joined(const struct group *g);
/* Reads the members' subscriptions, of a group whose protocol type is "consumer". */
void group_subscribed_learn(struct group *g);
void group_subscribed_forget(struct group *g);
bool group_subscribed(const struct group *g, struct view topic);
bool group_is_consumer(const struct group *g);

/* Answers what waits of a member, and removes it. */
void group_member_expel(struct group_member *m);
/* Begins a rebalance from any state but PREPARING. */
void group_join_prepare(struct group *g);
/* Begins a rebalance, or ends the join phase if everybody is there. */
void group_join_rebalance(struct group *g);
/* When a member left while members join. */
void group_join_recheck(struct group *g);
void group_join_end(struct group *g);
/* The protocol that most members prefer of those that all know, lent by a member. */
struct view group_join_protocol(const struct group *g);
void group_join_tick(struct group *g);
/* Answers a waiting JoinGroup with an error, if there is one. */
void group_join_fail(struct group_member *m, struct view member_id, int16_t error);
void group_sync_fail(struct group_member *m, int16_t error);
void group_sync_tick(struct group *g);
/* The session of a member is over. */
void group_session_tick(struct group_member *m);
void group_expected_tick(struct group_expected *e);

/* ---- the consumer protocol (group_consumer.h) ------------------------------------------------
 */

/* Records of its kinds, `key` behind the kind; ERR_UNSUPPORTED: of another kind. */
int group_replay_consumer(struct group_shard *s, int16_t kind, struct view key, struct view value);
bool group_consumer_bare(const struct group_consumer *c);
void group_consumer_free(struct group *g);
void group_consumer_loaded(struct group_consumer *c);
void group_consumer_fire(struct group_timer *t);
bool group_consumer_subscribed(const struct group_consumer *c, struct view topic);
const char *group_consumer_state(const struct group_consumer *c);
uint32_t group_consumer_members(const struct group_consumer *c);
/* The topic is another than it was. */
void group_consumer_refresh(struct group_consumer *c, struct view topic);
/* Puts out tombstones for all that there is of the group. */
void group_keep_gone(struct group_consumer *c);
/* Whether a group, of either protocol, has no members. */
bool group_is_empty(const struct group *g);
/* Puts out that the group is gone, of either protocol. */
void group_gone(struct group *g);

/* ---- requests ----------------------------------------------------------------------------------
 */

void group_api_join(struct group_shard *s, const struct coord_request *r);
void group_api_sync(struct group_shard *s, const struct coord_request *r);
void group_api_heartbeat(struct group_shard *s, const struct coord_request *r);
void group_api_leave(struct group_shard *s, const struct coord_request *r);
void group_api_commit(struct group_shard *s, const struct coord_request *r);
void group_api_txn_commit(struct group_shard *s, const struct coord_request *r);
void group_api_fetch(struct group_shard *s, const struct coord_request *r);
void group_api_offset_delete(struct group_shard *s, const struct coord_request *r);
void group_api_delete(struct group_shard *s, const struct coord_request *r);
void group_api_describe(struct group_shard *s, const struct coord_request *r);
void group_api_list(struct group_shard *s, const struct coord_request *r);
void group_api_consumer_heartbeat(struct group_shard *s, const struct coord_request *r);
void group_api_consumer_describe(struct group_shard *s, const struct coord_request *r);

#endif
