/* session.h: incremental fetch sessions (KIP-227) of one shard, as a pure machine.
 *
 * A session keeps the partitions that one consumer fetches, so that a request names only what
 * changed and an answer only what has news.  Session id 0 is "no session"; epoch 0 asks for a new
 * session, -1 (final) for none, both close the one that the request names; every other epoch must
 * be the session's next one, which counts 1 .. INT32_MAX and goes on with 1.
 *
 * Bounds: `slots` sessions, SESSION_PARTS_MAX partitions each, and the memory of the buddy arena
 * that the caller gives; blocks are taken only while a session is made or grows.  A session that
 * cannot grow is removed and its client told FETCH_SESSION_ID_NOT_FOUND: it then sends a full
 * request. Owned by one loop.  Source: Kafka FetchSession (FetchManager, FetchSessionCache,
 * FetchContext). */
#ifndef SLUICE_BROKER_SESSION_H
#define SLUICE_BROKER_SESSION_H

#include "core/base/buddy.h"
#include "core/base/bytes.h"
#include "core/base/heap.h"
#include "core/base/list.h"
#include "core/base/must.h"

enum {
    SESSION_SLOTS_MAX = 100000,
    SESSION_PARTS_MAX = 32768,
    SESSION_BLOCK_MAX = 16 << 20, /* largest block that is asked from the arena */
    SESSION_EVICT_MS = 120000,    /* min.incremental.fetch.session.eviction.ms */
    SESSION_NO_PART = -1,
};

#define SESSION_EPOCH_INITIAL 0
#define SESSION_EPOCH_FINAL   (-1)

enum session_kind {
    SESSION_ERROR,       /* answer the error, no partitions, session id 0 */
    SESSION_LESS,        /* every partition stands in the request; the answer has session id 0 */
    SESSION_FULL,        /* the same, and a session may be made for the answer */
    SESSION_INCREMENTAL, /* the request changes the session; the answer has only news */
};

/* What a consumer says of a partition. */
struct session_params {
    int64_t fetch_offset;
    int32_t leader_epoch, fetched_epoch, max_bytes; /* epochs: -1 not told */
};

struct session_part {
    struct session_params params;
    int64_t high_watermark, log_start_offset; /* as last answered, -1 never */
    int32_t partition;
    uint32_t topic;     /* index in the session's topics */
    int32_t prev, next; /* in order of answers; SESSION_NO_PART ends */
    int32_t chain;      /* next of the same hash, or of the free list */
};

/* What was found for one partition. */
struct session_result {
    int16_t error;
    uint32_t records_bytes;
    int64_t high_watermark, log_start_offset;
    bool diverging; /* the log of who asks parts from ours */
};

struct session_cache;

struct session {
    int32_t id;    /* 0: slot is free */
    int32_t epoch; /* that the next request must have */
    bool uses_ids; /* topics are ids (Fetch 13 and later), else names */
    uint64_t created_ms, used_ms;
    struct list used; /* in the cache's list, oldest use first; or in its list of free slots */
    struct heap_node evictable; /* key: size at the last use << 32 | id */
    struct session_part *parts;
    int32_t *part_heads;
    uint32_t part_room, part_count;
    int32_t part_first, part_last, part_free;
    uint8_t *topics;
    int32_t *topic_heads;
    uint32_t topic_room, topic_count, topic_stride;
    int32_t topic_free;
};

/* Bytes of zeroed memory for a cache of that many sessions; 0 slots: no session is ever made. */
size_t session_footprint(uint32_t slots);
/* blocks: arena for the sessions' partitions, blocks up to SESSION_BLOCK_MAX or less. */
struct session_cache *session_init(void *memory, uint32_t slots, struct buddy *blocks,
                                   uint64_t seed);
uint32_t session_count(const struct session_cache *c);

/* Decides what a request with this session id and epoch is, and closes the session that a full
 * request names.  *error: KERR_FETCH_SESSION_ID_NOT_FOUND, KERR_INVALID_FETCH_SESSION_EPOCH or
 * KERR_FETCH_SESSION_TOPIC_ID_ERROR with SESSION_ERROR.  *out: the session, lent until it is
 * removed, with SESSION_INCREMENTAL; change it by session_put and session_forget, then
 * session_commit. */
enum session_kind session_open(struct session_cache *c, bool uses_ids, int32_t id, int32_t epoch,
                               int16_t *error, struct session **out);
/* The session of an id, NULL when there is none; changes nothing. */
struct session *session_find(const struct session_cache *c, int32_t id);

/* Adds a partition at the end, or changes its parameters in place.  topic: name, or 16 bytes of id.
 * *part: its index, good until it is forgotten.  ERR_LIMIT: no room for more; remove the session.
 */
must_check int session_put(struct session_cache *c, struct session *s, struct view topic,
                           int32_t partition, const struct session_params *params, int32_t *part);
void session_forget(struct session_cache *c, struct session *s, struct view topic,
                    int32_t partition);
/* Ends the changes of an incremental request: the epoch goes on.  False: no partition is left, the
 * session has been removed and the request is SESSION_LESS. */
must_check bool session_commit(struct session_cache *c, struct session *s, uint64_t now_ms);

/* A new session for an answer of part_count partitions, its epoch 1; the caller puts them in.
 * Evicts the longest unused session when that was SESSION_EVICT_MS ago, else a smaller one that is
 * older than that.  NULL: no slot can be had. */
struct session *session_create(struct session_cache *c, bool uses_ids, uint32_t part_count,
                               uint64_t now_ms);
void session_remove(struct session_cache *c, struct session *s);

/* True while the session is as its request left it: nobody removed, replaced or advanced it. */
bool session_current(const struct session_cache *c, int32_t id, int32_t epoch);

/* Name or id of a partition's topic; lent until the session changes. */
struct view session_topic(const struct session *s, const struct session_part *p);

/* True when an incremental answer has to name the partition: records, an error, a
 * diverging epoch, another high watermark or log start than answered last. */
bool session_news(const struct session_part *p, const struct session_result *r);
/* Notes the result as answered; a partition that had records goes to the end of the order. */
void session_answered(struct session *s, int32_t part, const struct session_result *r);

#endif
