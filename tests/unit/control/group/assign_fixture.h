/* assign_fixture.h: groups at random for the assignors, and what holds of every assignment. */
#ifndef SLUICE_TESTS_ASSIGN_FIXTURE_H
#define SLUICE_TESTS_ASSIGN_FIXTURE_H

#include "control/group/group_assign.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

enum { AF_TOPICS = 8, AF_MEMBERS = 9, AF_PARTITIONS = 160 };

struct af {
    struct group_assign a;
    struct group_assign_topic topics[AF_TOPICS];
    struct group_assign_member members[AF_MEMBERS];
    uint32_t lists[AF_MEMBERS][AF_TOPICS];
    char ids[AF_MEMBERS][8];
    int32_t owners[AF_PARTITIONS], before[AF_PARTITIONS];
    uint64_t seed;
};

static inline uint32_t
af_draw(struct af *f, uint32_t limit)
{
    f->seed = f->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(f->seed >> 33) % limit;
}

static inline void
af_topics(struct af *f, uint32_t count, uint32_t partitions_max)
{
    f->a.topics = f->topics;
    f->a.topic_count = count;
    f->a.partition_count = 0;
    for (uint32_t t = 0; t < count; t++) {
        memset(f->topics[t].id, (int)t + 1, 16);
        f->topics[t].partition_count = (int32_t)af_draw(f, partitions_max + 1);
        f->topics[t].first = f->a.partition_count;
        f->a.partition_count += (uint32_t)f->topics[t].partition_count;
    }
    f->a.owners = f->owners;
    for (uint32_t i = 0; i < AF_PARTITIONS; i++)
        f->owners[i] = -1;
}

/* Each member is subscribed to each topic with a chance of 1 in `rare`; 1: to all. */
static inline void
af_members(struct af *f, uint32_t count, uint32_t rare)
{
    f->a.members = f->members;
    f->a.member_count = count;
    for (uint32_t m = 0; m < count; m++) {
        snprintf(f->ids[m], sizeof f->ids[m], "m%u", m);
        f->members[m] =
            (struct group_assign_member){.id = view_of_text(f->ids[m]), .topics = f->lists[m]};
        for (uint32_t t = 0; t < f->a.topic_count; t++)
            if (af_draw(f, rare) == 0)
                f->lists[m][f->members[m].topic_count++] = t;
    }
}

static inline bool
af_subscribed(const struct af *f, uint32_t member, uint32_t topic)
{
    for (uint32_t i = 0; i < f->members[member].topic_count; i++)
        if (f->lists[member][i] == topic)
            return true;
    return false;
}

static inline uint32_t
af_topic_of(const struct af *f, uint32_t partition)
{
    uint32_t t = 0;
    while (partition >= f->topics[t].first + (uint32_t)f->topics[t].partition_count)
        t++;
    return t;
}

static inline uint32_t
af_load(const struct af *f, uint32_t member)
{
    uint32_t load = 0;
    for (uint32_t i = 0; i < f->a.partition_count; i++)
        load += f->owners[i] == (int32_t)member;
    return load;
}

/* Each partition has one owner, who is subscribed to it; nobody only when nobody is. */
static inline bool
af_valid(const struct af *f)
{
    for (uint32_t i = 0; i < f->a.partition_count; i++) {
        uint32_t t = af_topic_of(f, i);
        bool wanted = false;
        for (uint32_t m = 0; m < f->a.member_count; m++)
            wanted |= af_subscribed(f, m, t);
        if (f->owners[i] < 0 ? wanted : !af_subscribed(f, (uint32_t)f->owners[i], t))
            return false;
    }
    return true;
}

static inline uint32_t
af_moves(const struct af *f)
{
    uint32_t moves = 0;
    for (uint32_t i = 0; i < f->a.partition_count; i++)
        moves += f->before[i] >= 0 && f->before[i] != f->owners[i];
    return moves;
}

#endif
