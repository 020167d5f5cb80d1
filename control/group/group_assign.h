/* group_assign.h: the assignors of the broker (KIP-848): who gets which partition.
 *
 * Pure functions over arrays.  `owners` has one entry for each partition of each subscribed topic;
 * it tells who has it now (-1: nobody) and then who shall have it.  The same input gives the same
 * output.  Both balance first and keep second:
 *
 *   uniform  sizes differ by at most one where subscriptions allow it, and what need not move stays
 *   range    each topic is cut into ranges, one for each subscriber in order (static members first,
 *            by instance id, then the others by member id); takes no notice of who has what
 *
 * Neither looks at racks, as in Kafka 4.3.  Source: Kafka UniformHomogeneousAssignmentBuilder,
 * UniformHeterogeneousAssignmentBuilder, RangeAssignor. */
#ifndef SLUICE_GROUP_GROUP_ASSIGN_H
#define SLUICE_GROUP_GROUP_ASSIGN_H

#include "core/base/bytes.h"

enum {
    GROUP_ASSIGN_PARTITIONS_MAX = 1 << 22, /* of all topics of a group together */
    /* Rounds over all topics while subscriptions differ: each about halves what is uneven. */
    GROUP_ASSIGN_ROUNDS_MAX = 16,
};

struct group_assign_topic {
    uint8_t id[16];
    int32_t partition_count;
    uint32_t first; /* partition p has the entry first + p */
};

struct group_assign_member {
    struct view id, instance; /* instance.at NULL: a dynamic member */
    const uint32_t *topics;   /* indexes of those it is subscribed to, ascending */
    uint32_t topic_count;
};

struct group_assign {
    const struct group_assign_topic *topics;   /* ascending by id */
    const struct group_assign_member *members; /* ascending by id, at least one */
    uint32_t topic_count, member_count, partition_count;
    int32_t *owners; /* indexes of members; [partition_count] */
};

/* O(members + partitions) while all subscriptions are equal. */
void group_assign_uniform(const struct group_assign *a);
void group_assign_range(const struct group_assign *a);

/* Of uniform, when subscriptions differ (group_assign_mixed.c). */
void group_assign_mixed(const struct group_assign *a);

#endif
