/* group.h: the group coordinator as a pure machine (control/coord/coord.h): one for each partition
 * of __consumer_offsets.
 *
 * Classic groups (JoinGroup 0-9, SyncGroup 0-5, Heartbeat 0-4, LeaveGroup 0-5), their offsets
 * (OffsetCommit 2-10, TxnOffsetCommit 0-5, OffsetFetch 1-10, OffsetDelete), and what looks at
 * groups (ListGroups, DescribeGroups, DeleteGroups).  A request that names several groups answers
 * for the groups it names as if all belonged to this partition: the runtime splits it by partition
 * (core/base/javahash.h) and merges the answers.  Any other request is answered UNSUPPORTED_VERSION
 * where its response has a place for it.
 *
 * The consumer protocol (KIP-848): ConsumerGroupHeartbeat 0-1, ConsumerGroupDescribe 0-1, with the
 * assignors uniform and range; groups with members of both protocols, and groups that change theirs
 * without stopping.
 *
 * One thread; nothing blocks.  Memory is malloc'd, bounded by the limits below and by the size of
 * requests; running out of it ends the process, which its supervisor restarts.
 * Source: Kafka 4.3 GroupMetadataManager, ClassicGroup, OffsetMetadataManager,
 * GroupCoordinatorService. */
#ifndef SLUICE_GROUP_GROUP_H
#define SLUICE_GROUP_GROUP_H

#include "control/coord/coord.h"
#include "core/base/regex.h"

enum {
    GROUP_GROUPS_MAX =
        1 << 20, /* of a partition; JoinGroup of one more: COORDINATOR_NOT_AVAILABLE */
    GROUP_MEMBERS_MAX = 16384, /* of a group, whatever group.max.size says; pending ones likewise */
    GROUP_PROTOCOLS_MAX = 128, /* that a member may offer; more: INCONSISTENT_GROUP_PROTOCOL */
    GROUP_BYTES_MAX = 64 << 20, /* of protocols in a group; more: GROUP_MAX_SIZE_REACHED */
    GROUP_RECORD_BYTES_MAX =
        256 << 20, /* needed to decode one record; more: the record is corrupt */
    /* Static members that do not rejoin are waited for at least so long at a time, whatever their
     * rebalance timeouts: those come from clients. */
    GROUP_REJOIN_MS_MIN = 1000,
    GROUP_PARTITIONS_MAX = 1 << 20, /* of a topic that a record tells of; more: corrupt */
    GROUP_RESOLVE_MS_MIN = 10000,   /* between two times that regular expressions are resolved */
};

struct group_topic {
    uint8_t id[16];
    struct view name; /* lent until the step ends */
    int32_t partition_count;
};

/* What a group of the consumer protocol is run with. */
struct group_settings {
    int32_t session_timeout_ms;     /* group.consumer.session.timeout.ms */
    int32_t heartbeat_interval_ms;  /* group.consumer.heartbeat.interval.ms */
    int32_t assignment_interval_ms; /* group.consumer.assignment.interval.ms */
};

/* What the machine asks of the cluster's metadata.  Members but by_name and by_id may be NULL. */
struct group_port {
    bool (*by_name)(void *user, struct view name, struct group_topic *out);
    bool (*by_id)(void *user, const uint8_t id[16], struct group_topic *out);
    void *user;
    /* Each topic once, within one step: *cursor is 0 at first and belongs to the callee then; false
     * ends.  NULL, as `regex` NULL: members cannot subscribe by regular expression. */
    bool (*next)(void *user, uint32_t *cursor, struct group_topic *out);
    const struct regex_port *regex;
    /* Of the metadata, such as an offset of its log; grows with every change. */
    int64_t (*version)(void *user);
    /* Overwrites what the group has settings of its own for (its GROUP config). */
    void (*of_group)(void *user, struct view group_id, struct group_settings *settings);
};

/* group.consumer.migration.policy */
enum group_migration {
    GROUP_MIGRATION_DISABLED = 0,
    GROUP_MIGRATION_UPGRADE = 1,
    GROUP_MIGRATION_DOWNGRADE = 2,
    GROUP_MIGRATION_BIDIRECTIONAL = 3
};

/* Kafka's broker configuration; group_config_default gives Kafka's defaults and no port. */
struct group_config {
    int32_t session_timeout_min_ms;     /* group.min.session.timeout.ms */
    int32_t session_timeout_max_ms;     /* group.max.session.timeout.ms */
    int32_t initial_rebalance_delay_ms; /* group.initial.rebalance.delay.ms */
    int32_t max_size;                   /* group.max.size */
    int32_t new_member_join_timeout_ms; /* fixed in Kafka: five minutes */
    int64_t offsets_retention_ms;       /* offsets.retention.minutes */
    int64_t offsets_retention_check_ms; /* offsets.retention.check.interval.ms */
    int32_t offset_metadata_max_bytes;  /* offset.metadata.max.bytes */
    struct group_settings consumer;
    int32_t consumer_max_size; /* group.consumer.max.size */
    enum group_migration consumer_migration;
    int32_t consumer_regex_refresh_ms; /* group.consumer.regex.refresh.interval.ms */
    struct group_port port;
};

void group_config_default(struct group_config *c);

struct group_shard;

/* config is borrowed for ever. */
struct group_shard *group_shard_new(const struct group_config *config, int32_t partition);
void group_shard_free(struct group_shard *s);

/* As struct coord_machine has them. */
must_check int group_replay(struct group_shard *s, struct view key, struct view value,
                            const struct coord_place *place);
void group_replay_marker(struct group_shard *s, const struct coord_place *place, bool commit);
void group_loaded(struct group_shard *s, struct coord_step *step);
void group_request(struct group_shard *s, struct coord_step *step, const struct coord_request *r);
void group_tick(struct group_shard *s, struct coord_step *step);
int64_t group_deadline_ms(const struct group_shard *s);
void group_refuse(struct coord_step *step, const struct coord_request *r, int16_t error);

/* A topic was created (`created`: or may have been), grown or deleted: groups that are subscribed
 * to it, or look for it with a regular expression, assign it with the next heartbeat of a member.
 * After the metadata has the change.  No records. */
void group_metadata_changed(struct group_shard *s, struct view name, bool created);

/* A topic was deleted: its offsets go from all groups.  Does what group_metadata_changed does. */
void group_topic_deleted(struct group_shard *s, struct coord_step *step, struct view name);

/* For those who look from outside; changes nothing.  The groups of one bucket of the table are
 * told, each followed by its offsets, topic by topic.  Returns how many buckets there are: when
 * that number changes, groups have moved between buckets, and a walk must begin anew. */
struct group_fact {
    struct view id, protocol_type, protocol; /* lent for the call */
    const char *state, *type;                /* static text */
    uint32_t members;
};
struct group_sink {
    void (*group)(void *user, const struct group_fact *fact);
    void (*offset)(void *user, struct view topic, int32_t partition, int64_t offset,
                   int64_t commit_ms);
    void *user;
};
uint32_t group_list_bucket(const struct group_shard *s, uint32_t bucket,
                           const struct group_sink *sink);

/* config: struct group_config. */
extern const struct coord_machine group_machine;

#endif
