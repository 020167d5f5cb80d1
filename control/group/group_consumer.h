/* group_consumer.h: groups of the consumer protocol (KIP-848); private to control/group.
 *
 * Such a group is what its records tell and nothing else: each kind of record sets or clears its
 * own part of the state, whatever the order in which a compacted log brings them.  What follows
 * from it (who owns a partition, which topics are subscribed to, the state) is counted along or
 * derived, never stored in the log.  Timers and `refresh` are begun anew when the partition is
 * loaded.
 *
 * Source: Kafka 4.3 GroupMetadataManager, ConsumerGroup, ConsumerGroupMember. */
#ifndef SLUICE_GROUP_GROUP_CONSUMER_H
#define SLUICE_GROUP_GROUP_CONSUMER_H

#include "control/group/group_in.h"

/* ---- sets of partitions (group_parts.c) ------------------------------------------------------ */

struct group_part {
    uint8_t topic[16];
    int32_t partition;
    int32_t epoch; /* of the assignment; no part of the order */
};

struct group_parts {
    struct group_part *items; /* ascending by topic and partition, each once */
    uint32_t count;
};

int group_part_order(const struct group_part *a, const struct group_part *b);
/* Copies, sorts, and drops repetitions. */
void group_parts_set(struct group_parts *p, const struct group_part *items, uint32_t count);
void group_parts_free(struct group_parts *p);
const struct group_part *group_parts_find(const struct group_parts *p, const uint8_t topic[16],
                                          int32_t partition);
/* Also by epoch. */
bool group_parts_same(const struct group_parts *a, const struct group_parts *b);
/* How many topics; and the end of the run of one topic that begins at `first`. */
uint32_t group_parts_topics(const struct group_parts *p);
uint32_t group_parts_end(const struct group_parts *p, uint32_t first);

/* ---- members --------------------------------------------------------------------------------- */

enum {
    GROUP_EPOCH_LEAVE = -1,        /* of a heartbeat: the member goes */
    GROUP_EPOCH_LEAVE_STATIC = -2, /* it will come back, under another member id */
};

/* As the records have them. */
#define GROUP_MEMBER_STATES(X)                                                                     \
    X(STABLE, 0)     /* has all of its target */                                                   \
    X(UNREVOKED, 1)  /* stays at its epoch until it has given up `revoking` */                     \
    X(UNRELEASED, 2) /* at the target epoch; waits for others to give partitions up */             \
    X(UNKNOWN, 127)  /* of a later version: must join again without partitions */

enum group_member_state {
#define X(name, value) GROUP_MEMBER_##name = value,
    GROUP_MEMBER_STATES(X)
#undef X
};

struct group_names {
    struct view *items; /* ascending, each once; one allocation with all bytes */
    uint32_t count;
    uint32_t bytes;
};

/* What a ConsumerGroupMemberMetadata record tells. */
struct group_profile {
    struct view instance, rack, client_id, client_host, regex, assignor;
    struct group_names names;
    int32_t rebalance_ms;
    bool classic; /* speaks the classic protocol; then: */
    int32_t session_ms;
    struct group_protocol *protocols; /* owned with their bytes, in order of preference */
    int32_t protocol_count;
    uint32_t bytes; /* of names, regex and protocols: counted in the group */
};

/* One for each member id that any record tells of.  A member of the group is one with a profile. */
struct group_consumer_member {
    struct group_consumer *of;
    struct group_node by_id;       /* its key is owned */
    struct group_node by_instance; /* key.at NULL: not in the table */
    bool has_profile, has_current, has_target;
    struct group_profile profile;
    /* ConsumerGroupCurrentMemberAssignment */
    int32_t epoch, previous_epoch;
    uint8_t state;
    struct group_parts assigned, revoking;
    struct group_parts target; /* ConsumerGroupTargetAssignmentMember; its epochs are 0 */
    struct group_timer session, rebalance, rejoin, barrier; /* the last two: group_mixed.c */
    int32_t rebalance_epoch; /* the epoch that the rebalance timer is about */
};

/* A topic that members name, or that a regular expression stands for. */
struct group_topic_use {
    struct group_node node; /* by name, owned */
    uint32_t by_name, by_regex;
};

/* How many members hold each partition of a topic (assigned or not yet revoked): 0 or 1 but within
 * a replay. */
struct group_holders {
    struct group_node node; /* by topic id, in `key` */
    uint8_t key[16];
    uint32_t *counts, room, used; /* used: partitions that are held */
};

struct group_regex {
    struct group_node node; /* by the expression, owned */
    uint32_t members;       /* subscribed to it */
    bool resolved;          /* there is a record; it tells: */
    struct group_names topics;
    int64_t version, resolved_ms;
};

struct group_consumer {
    struct group *group;
    bool has_epoch, has_target_epoch, has_partition_metadata; /* these records are there */
    int32_t epoch, target_epoch;
    int64_t target_ms; /* when the target was made; 0: not known */
    uint64_t hash;     /* of the subscribed topics, when `epoch` began */
    struct group_map members, instances, topics, holders, regexes;
    uint32_t member_count, classic_count; /* those with a profile */
    uint32_t regex_count, resolved_count; /* that members are subscribed to; that have records */
    uint64_t bytes;
    bool refresh; /* the topics may have changed since `hash` */
    bool left;    /* within a LeaveGroup: members are gone, and the epoch is still to grow */
    struct group_timer resolve;
};

/* ---- the state (group_consumer.c) ------------------------------------------------------------ */

/* Finds or makes the consumer part of a group. */
struct group_consumer *group_consumer_need(struct group *g);
struct group_consumer_member *group_consumer_member(const struct group_consumer *c, struct view id);
/* The same, with a profile: a member of the group. */
struct group_consumer_member *group_consumer_profiled(const struct group_consumer *c,
                                                      struct view id);
struct group_consumer_member *group_consumer_member_need(struct group_consumer *c, struct view id);
/* By instance id; NULL: none. */
struct group_consumer_member *group_consumer_static(const struct group_consumer *c,
                                                    struct view instance);
/* Drops a member that no record tells of. */
void group_consumer_member_settle(struct group_consumer_member *m);
/* Members with a profile: NULL begins, NULL ends. */
struct group_consumer_member *group_consumer_next(const struct group_consumer *c,
                                                  const struct group_consumer_member *after);
/* Whether any member holds the partition. */
bool group_consumer_held(const struct group_consumer *c, const uint8_t topic[16],
                         int32_t partition);
/* Sets or clears (NULL) the parts of a member, with what is counted along.  The profile's memory
 * is taken over. */
void group_consumer_profile(struct group_consumer_member *m, struct group_profile *p);
void group_consumer_current(struct group_consumer_member *m, const struct group_parts *assigned,
                            const struct group_parts *revoking);
struct group_regex *group_consumer_regex(const struct group_consumer *c, struct view regex);
/* names NULL: no longer resolved. */
void group_consumer_resolved(struct group_consumer *c, struct view regex, struct group_names *names,
                             int64_t version, int64_t resolved_ms);

void group_names_make(struct group_names *n, const struct wire_string_array *from);
void group_names_copy(struct group_names *n, const struct group_names *from);
void group_names_free(struct group_names *n);
bool group_names_same(const struct group_names *a, const struct group_names *b);
bool group_names_has(const struct group_names *n, struct view name);
struct group_protocol *group_profile_protocols(const struct group_protocol *from, int32_t count,
                                               uint32_t *bytes_out);
void group_profile_free(struct group_profile *p);
struct group_profile group_profile_copy(const struct group_profile *p);
bool group_profile_same(const struct group_profile *a, const struct group_profile *b);

/* ---- records (group_keep.c out, group_replay.c in) --------------------------------------------
 *
 * Each puts a record out and replays it; NULL, or false, for a tombstone. */

struct group_current {
    int32_t epoch, previous_epoch;
    uint8_t state;
    struct group_parts assigned, revoking;
};

void group_keep_epoch(struct group_consumer *c, bool there, int32_t epoch, uint64_t hash);
void group_keep_partition_metadata_gone(struct group_consumer *c);
void group_keep_profile(struct group_consumer *c, struct view id, const struct group_profile *p);
void group_keep_target_epoch(struct group_consumer *c, bool there, int32_t epoch, int64_t at_ms);
void group_keep_target(struct group_consumer *c, struct view id, const struct group_parts *target);
void group_keep_current(struct group_consumer *c, struct view id, const struct group_current *now);
void group_keep_regex(struct group_consumer *c, struct view regex, const struct group_names *topics,
                      int64_t version);
/* Tombstones of all records of a member; the id may be its own. */
void group_keep_member_gone(struct group_consumer *c, struct view id);

/* ---- targets (group_target.c) ---------------------------------------------------------------- */

/* Of the subscribed topics that exist; 0: none do. */
uint64_t group_target_hash(const struct group_consumer *c);
/* The assignor that most members ask for. */
const char *group_target_assignor(const struct group_consumer *c);
/* Makes the target for the group's epoch if it is time for it.  False: too many partitions. */
bool group_target_update(struct group_consumer *c);
/* Whether there is an assignor of that name. */
bool group_target_knows(struct view assignor);

/* ---- reconciling (group_reconcile.c) --------------------------------------------------------- */

struct group_owned {
    bool told; /* else: nothing is known of what the member has */
    struct group_parts parts;
};

/* Moves a member towards its target.  `changed`: its subscription changed.  Fills in `now`, to be
 * freed, with what its record must tell.  A member in state UNKNOWN owns nothing. */
void group_reconcile(const struct group_consumer_member *m, bool changed,
                     const struct group_owned *owned, struct group_current *now);
void group_current_free(struct group_current *now);
bool group_current_same(const struct group_consumer_member *m, const struct group_current *now);

/* ---- heartbeats (group_beat.c, group_leave.c) ------------------------------------------------ */

/* The broker's settings, or those of the group. */
struct group_settings group_consumer_settings(const struct group_consumer *c);
void group_beat_session(struct group_consumer_member *m);
/* Takes a member out for good.  True: the group is to have a new epoch (group_beat_epoch), once for
 * all members that go; false: it became a classic one. */
must_check bool group_beat_gone(struct group_consumer_member *m);
/* The same with that epoch. */
void group_beat_fence(struct group_consumer_member *m);

#endif
