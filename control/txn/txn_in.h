/* txn_in.h: what the files of the coordinator share. */
#ifndef SLUICE_TXN_TXN_IN_H
#define SLUICE_TXN_TXN_IN_H

#include "control/txn/txn.h"
#include "core/wire/kerr.h"

/* Kafka's numbers, as they stand in records. */
enum txn_status {
    TXN_EMPTY = 0,           /* an id, no transaction    -> ONGOING, PREPARE_ABORT (version 2) */
    TXN_ONGOING = 1,         /* has partitions           -> PREPARE_*                          */
    TXN_PREPARE_COMMIT = 2,  /* decided, markers due     -> COMPLETE_COMMIT                    */
    TXN_PREPARE_ABORT = 3,   /* decided, markers due     -> COMPLETE_ABORT                     */
    TXN_COMPLETE_COMMIT = 4, /* all markers are written  -> as EMPTY                           */
    TXN_COMPLETE_ABORT = 5,  /* all markers are written  -> as EMPTY                           */
    TXN_DEAD = 6,            /* never in records: names that ListTransactions knows            */
    TXN_PREPARE_FENCE = 7,
};

enum {
    TXN_VERSION_BUMPS = 2,  /* transaction version from which each end bumps the epoch */
    TXN_EPOCH_LAST = 32766, /* the highest that a client gets: one more is kept for fencing */
    TXN_NO_EPOCH = -1,
};

/* What a record says, but for the partitions. */
struct txn_values {
    int64_t producer_id, previous_id, next_id; /* -1: none */
    int16_t epoch;                             /* -1: no client has it yet */
    int16_t last_epoch; /* the one before, -1 none; not in records, lost with the process */
    int16_t version;    /* of the client's transactions */
    int32_t timeout_ms;
    int8_t status;
    int64_t start_ms, update_ms; /* start: -1 without a transaction */
};

/* What a request leads to. */
struct txn_change {
    int16_t error;   /* what the client is told */
    bool write;      /* `to` is to be written */
    bool fresh_used; /* the fresh producer id is in it */
    bool needs_id;   /* ask again with a fresh producer id */
    struct txn_values to;
};

struct txn_init_ask {
    int32_t timeout_ms;
    int64_t producer_id; /* that the client has, -1: none */
    int16_t epoch;
};

struct txn_end_ask {
    int64_t producer_id;
    int16_t epoch;
    int16_t version; /* of the client: 0 or TXN_VERSION_BUMPS */
    bool commit;
};

/* txn_state.c: pure functions of what is known.  fresh_id: a producer id that may be used, -1 none.
 */
void txn_state_init(const struct txn_values *now, const struct txn_init_ask *ask, int64_t fresh_id,
                    int64_t now_ms, struct txn_change *out);
/* `subset`: the transaction has all these partitions already. */
void txn_state_add(const struct txn_values *now, int64_t producer_id, int16_t epoch, bool subset,
                   int16_t version, int64_t now_ms, struct txn_change *out);
void txn_state_end(const struct txn_values *now, const struct txn_end_ask *ask, int64_t fresh_id,
                   int64_t now_ms, struct txn_change *out);
/* Aborts an ongoing transaction whoever has it, and fences him. */
void txn_state_fence(const struct txn_values *now, int64_t fresh_id, int64_t now_ms,
                     struct txn_change *out);
/* All markers of a decided transaction are written. */
void txn_state_complete(const struct txn_values *now, int64_t now_ms, struct txn_values *to);
bool txn_state_exhausted(const struct txn_values *now);

/* txn_record.c: keys and values of __transaction_state. */
uint32_t txn_record_key_bytes(struct view transactional_id);
void txn_record_key(struct put *w, struct view transactional_id);
/* Sorted parts; none are written for TXN_EMPTY. */
uint32_t txn_record_value_bytes(const struct txn_part *parts, uint32_t count);
void txn_record_value(struct put *w, const struct txn_values *v, const struct txn_part *parts,
                      uint32_t count);
/* ERR_NOT_FOUND: a key of another kind. */
must_check int txn_record_read_key(struct view key, struct view *transactional_id);
/* Calls add(user, topic, partition) for each partition. */
must_check int txn_record_read_value(struct view value, struct txn_values *v,
                                     void (*add)(void *user, struct view topic, int32_t partition),
                                     void *user);

/* ---- txn.c ---- */

struct txn_meta {
    struct txn_meta *next; /* of the same bucket */
    struct view id;
    struct txn_values v;
    struct txn_part *parts; /* sorted by topic and partition */
    uint32_t part_count, part_room;
    uint32_t unmarked; /* markers that are due */
    int64_t retry_ms;  /* when to order those again that failed; INT64_MAX: not */
};

struct txn {
    struct txn_config config;
    struct txn_meta **buckets;
    uint32_t bucket_count, count;
    int64_t deadline_ms;
};

/* txn_list.c */
void txn_list_describe(const struct txn *t, struct coord_step *step, const struct coord_request *r);
void txn_list_describe_refuse(struct coord_step *step, const struct coord_request *r,
                              int16_t error);
void txn_list_all(const struct txn *t, struct coord_step *step, const struct coord_request *r);
void txn_list_all_refuse(struct coord_step *step, const struct coord_request *r, int16_t error);

/* Answers a request with an error wherever its response has one (txn_answer.c). */
void txn_refuse(struct coord_step *step, const struct coord_request *r, int16_t error);
struct txn_meta *txn_find(const struct txn *t, struct view transactional_id);
struct txn_meta *txn_find_or_make(struct txn *t, struct view transactional_id);
bool txn_has_part(const struct txn_meta *m, struct view topic, int32_t partition);
void txn_add_part(struct txn_meta *m, struct view topic, int32_t partition);
/* Puts the record out and replays it: m is `to` with its parts then. */
void txn_write(struct txn *t, struct coord_step *step, struct txn_meta *m,
               const struct txn_values *to);
/* Behind a write that decided: orders the markers, or completes at once when there are none. */
void txn_decided(struct txn *t, struct coord_step *step, struct txn_meta *m);

#endif
