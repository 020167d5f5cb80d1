/* group.h: the group coordinator as a pure machine (control/coord/coord.h): one for each partition
 * of __consumer_offsets.
 *
 * Classic groups (JoinGroup 0-9, SyncGroup 0-5, Heartbeat 0-4, LeaveGroup 0-5), their offsets
 * (OffsetCommit 2-10, TxnOffsetCommit 0-5, OffsetFetch 1-10, OffsetDelete), and what looks at
 * groups (ListGroups, DescribeGroups, DeleteGroups).  A request that names several groups answers
 * for the groups it names as if all belonged to this partition: the runtime splits it by partition
 * (group_partition) and merges the answers.  Any other request is answered UNSUPPORTED_VERSION
 * where its response has a place for it.
 *
 * One thread; nothing blocks.  Memory is malloc'd, bounded by the limits below and by the size of
 * requests; running out of it ends the process, which its supervisor restarts.
 * Source: Kafka 4.3 GroupMetadataManager, ClassicGroup, OffsetMetadataManager,
 * GroupCoordinatorService. */
#ifndef SLUICE_GROUP_GROUP_H
#define SLUICE_GROUP_GROUP_H

#include "control/coord/coord.h"

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
};

struct group_topic {
    uint8_t id[16];
    struct view name; /* lent until the step ends */
    int32_t partition_count;
};

/* What the machine asks of the cluster's metadata. */
struct group_port {
    bool (*by_name)(void *user, struct view name, struct group_topic *out);
    bool (*by_id)(void *user, const uint8_t id[16], struct group_topic *out);
    void *user;
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
    struct group_port port;
};

void group_config_default(struct group_config *c);

/* The partition of __consumer_offsets that keeps a group: Java's hash of its UTF-16 name, as
 * Kafka's partitionFor.  Bytes that are not UTF-8 count as U+FFFD each. */
int32_t group_partition(struct view group_id, int32_t partition_count);

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

/* A topic was deleted: its offsets go from all groups. */
void group_topic_deleted(struct group_shard *s, struct coord_step *step, struct view name);

/* config: struct group_config. */
extern const struct coord_machine group_machine;

#endif
