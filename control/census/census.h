/* census.h: what topics, partitions, groups and transactions there are at one moment, for those who
 * look from outside (metrics, /v1).  Plain memory of one owner; text is copied into a pool.
 *
 * Two halves: census_tables reads topics and partitions from the region, in any thread; groups and
 * transactions are added by control's loop, in pieces (census_desk.h).  Both are bounded by
 * CENSUS_BYTES_MAX; what does not fit is left out, and `short_of` counts it. */
#ifndef SLUICE_CENSUS_CENSUS_H
#define SLUICE_CENSUS_CENSUS_H

#include "core/base/bytes.h"
#include "core/shm/region.h"

enum { CENSUS_BYTES_MAX = 64 << 20 };
#define CENSUS_NONE UINT32_MAX

/* A text of the pool. */
struct census_text {
    uint32_t at, bytes;
};

struct census_topic {
    struct census_text name;
    uint8_t id[16];
    bool internal;
    uint32_t first, count; /* its partitions, ascending by number */
    uint32_t row;
};

struct census_partition {
    uint32_t topic; /* in topics */
    int32_t partition;
    int32_t leader_id, leader_epoch;
    bool open;      /* a shard serves it; else the offsets are the last known, or -1 */
    bool failed;    /* a shard has it, and cannot serve it */
    uint32_t shard; /* CENSUS_NONE: none has it */
    int64_t log_start, high_watermark, log_end;
    uint64_t bytes;
};

struct census_group {
    struct census_text id, protocol_type, protocol;
    const char *state, *type; /* static text */
    uint32_t members;
    int32_t coordinator;   /* partition of __consumer_offsets */
    uint32_t first, count; /* in offsets */
};

struct census_offset {
    struct census_text topic;
    int32_t partition;
    int64_t offset, commit_ms;
    uint32_t at; /* in partitions, CENSUS_NONE: there is no such partition; census_join */
};

struct census_txn {
    struct census_text id;
    const char *state; /* static text */
    int64_t producer_id;
    int16_t epoch;
    int32_t timeout_ms, coordinator;
    int64_t start_ms; /* -1: none is open */
    uint32_t partitions;
};

/* A client that pushes what it measures (KIP-714), and one of its values. */
struct census_client {
    struct census_text client_id, software_name, software_version, address;
    uint8_t instance[16];
    int64_t pushed_ms;
    uint32_t first, count; /* in values */
};

struct census_value {
    struct census_text name;
    struct census_text labels; /* "key NUL value NUL" pairs */
    bool counter;
    double value; /* finite */
};

struct census {
    char *pool;
    uint32_t pool_bytes, pool_room;
    struct census_topic *topics; /* ascending by name */
    struct census_partition *partitions;
    struct census_group *groups;
    struct census_offset *offsets;
    struct census_txn *txns;
    struct census_client *clients;
    struct census_value *values;
    uint32_t topic_count, partition_count, group_count, offset_count, txn_count, client_count,
        value_count;
    uint32_t topic_room, partition_room, group_room, offset_room, txn_room, client_room, value_room;
    uint64_t bytes;    /* of all arrays and the pool */
    uint64_t short_of; /* rows that were left out */
    uint64_t torn;     /* rows of the region that could not be read whole */
};

void census_init(struct census *c);
void census_free(struct census *c);

/* The text, lent until something is added. */
static inline struct view
census_view(const struct census *c, struct census_text t)
{
    return view_of(c->pool + t.at, t.bytes);
}

/* Adders: false, and short_of grows, when it does not fit.  Offsets belong to the group that was
 * added last. */
bool census_add_group(struct census *c, const struct census_group *g, struct view id,
                      struct view protocol_type, struct view protocol);
bool census_add_offset(struct census *c, struct view topic, int32_t partition, int64_t offset,
                       int64_t commit_ms);
bool census_add_txn(struct census *c, const struct census_txn *t, struct view id);
/* Values belong to the client that was added last. */
struct census_client_texts {
    struct view client_id, software_name, software_version, address;
};
bool census_add_client(struct census *c, const uint8_t instance[16], int64_t pushed_ms,
                       const struct census_client_texts *texts);
bool census_add_value(struct census *c, struct view name, struct view labels, bool counter,
                      double value);

/* A place to come back to: everything that was added behind it is forgotten. */
struct census_mark {
    uint32_t pool_bytes, group_count, offset_count, txn_count;
    uint64_t short_of;
};
struct census_mark census_mark_of(const struct census *c);
void census_rewind(struct census *c, const struct census_mark *mark);

/* census_tables.c: fills topics and partitions (which were empty) from the region. */
void census_tables(struct census *c, const struct region *r);
/* Finds a topic by name; CENSUS_NONE. */
uint32_t census_topic_find(const struct census *c, struct view name);
/* The partition of a topic; CENSUS_NONE. */
uint32_t census_partition_find(const struct census *c, uint32_t topic, int32_t partition);
/* Sets `at` of every offset in `of`, which may be another census than the one with the tables. */
void census_join(const struct census *tables, struct census *of);
/* How far an offset is behind the high watermark, never negative; -1: nothing is known. */
int64_t census_lag(const struct census *tables, const struct census_offset *o);

#endif
