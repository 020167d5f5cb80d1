/* group_fence.h: who may commit to and fetch from a group of the consumer protocol; private to
 * control/group.  Source: Kafka ConsumerGroup.validateOffsetCommit, validateOffsetFetch. */
#ifndef SLUICE_GROUP_GROUP_FENCE_H
#define SLUICE_GROUP_GROUP_FENCE_H

#include "control/group/group_consumer.h"

/* A commit, as its request tells. */
struct group_fence {
    struct view member_id, instance; /* instance.at NULL: not told */
    int32_t epoch;
    int16_t version; /* of OffsetCommit */
    bool txn;
    /* NULL, or a member whose epoch is newer: each partition is then asked about. */
    const struct group_consumer_member *late;
};

/* KERR_NONE, or why nothing can be committed. */
int16_t group_fence_commit(const struct group_consumer *c, struct group_fence *f);
/* The same for one partition, after group_fence_commit: a member may commit what it was given no
 * later than in the epoch that it knows. */
int16_t group_fence_partition(const struct group_fence *f, const uint8_t topic[16],
                              int32_t partition);
/* member_id.at NULL with an epoch below 0: not a member's. */
int16_t group_fence_fetch(const struct group_consumer *c, struct view member_id, int32_t epoch);

#endif
