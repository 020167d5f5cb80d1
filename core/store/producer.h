/* producer.h: state of idempotent and transactional producers on one partition: a pure machine.
 *
 * Keeps for each producer id its epoch, its last PRODUCER_BATCHES batches, which is what five
 * requests in flight need, the epoch of the coordinator that ended its last transaction here, where
 * its present one began, and whether the coordinator has been asked about one that is to begin.
 * Source: Kafka ProducerStateEntry, ProducerAppendInfo, VerificationStateEntry; KIP-98, KIP-360,
 * KIP-890. */
#ifndef SLUICE_STORE_PRODUCER_H
#define SLUICE_STORE_PRODUCER_H

#include "core/base/bytes.h"
#include "core/base/must.h"

#include <stdint.h>

enum { PRODUCER_BATCHES = 5 };

struct producer_batch {
    int32_t sequence_first, sequence_last; /* wrap from INT32_MAX to 0; -1: none */
    int64_t offset_first, offset_last;
    int64_t timestamp_ms; /* the largest of the batch as it is stored */
    uint64_t lsn;         /* 0 for what recovery found: durable */
};

/* A question to the coordinator: is this partition part of the producer's transaction? */
struct producer_guard {
    uint64_t id; /* 0: none is asked */
    int64_t since_ms;
    int32_t sequence; /* lowest that was seen meanwhile: it has to come first */
    int16_t epoch;
    bool bumps;    /* the client bumps its epoch with each transaction: it begins at sequence 0 */
    bool verified; /* the coordinator said yes */
};

struct producer {
    int64_t id;                /* -1: empty place */
    int16_t epoch;             /* -1: nothing appended yet, there is only a guard */
    uint8_t count;             /* of batches, newest last */
    int32_t coordinator_epoch; /* of the last marker, -1 none */
    int64_t txn_first;         /* first offset of the open transaction, -1 none */
    int64_t last_ms;           /* timestamp of its last batch or marker */
    int64_t used_ms;           /* our clock then; INT64_MIN: read from a log, not known */
    struct producer_guard guard;
    struct producer_batch batches[PRODUCER_BATCHES];
};

/* Table of one partition: open addressing, grows by doubling up to PRODUCER_MAX; when full the
 * producer unused longest makes room, but none with an open transaction.  Memory by mmap-free plain
 * allocation outside the hot path: only when a producer id is seen first. */
struct producer_table {
    struct producer *places;
    uint32_t capacity, count;
    uint64_t guards; /* given so far */
};

enum { PRODUCER_MAX = 1 << 16 };

void producer_table_init(struct producer_table *t);
void producer_table_free(struct producer_table *t);

/* NULL when nothing is known of it.  Lent until the table changes. */
const struct producer *producer_find(const struct producer_table *t, int64_t id);
/* The next one from place *at on, which moves behind it; NULL at the end.  Begin with *at 0. */
const struct producer *producer_next(const struct producer_table *t, uint32_t *at);
/* Of the last batch; -1 none. */
int32_t producer_last_sequence(const struct producer *p);

struct producer_ask {
    int64_t id;
    int16_t epoch;
    bool transactional;
    int32_t sequence_first; /* -1: a coordinator's own batch, which has none */
    int32_t record_count;
};

/* May this batch be appended?  Returns a Kafka error code:
 *   KERR_NONE                          yes; producer_reserve, append, producer_add
 *   KERR_DUPLICATE_SEQUENCE_NUMBER     it is there already: *duplicate says where
 *   KERR_OUT_OF_ORDER_SEQUENCE_NUMBER  a gap, or an old batch no longer remembered
 *   KERR_INVALID_PRODUCER_EPOCH        an epoch below the one known
 *   KERR_INVALID_TXN_STATE             transactional, but its transaction is neither open here nor
 *                                      verified; or not transactional within a transaction
 * A producer that is not known may begin anywhere (Kafka: after expiry or DeleteRecords). */
must_check int producer_check(const struct producer_table *t, const struct producer_ask *ask,
                              struct producer_batch *duplicate);

/* Makes a place for a producer, so that producer_add and producer_end find one.  ERR_LIMIT: no
 * memory, or every place has an open transaction. */
must_check int producer_reserve(struct producer_table *t, int64_t id);

/* Records an appended batch (used_ms: our clock, or INT64_MIN).  True when a transaction began with
 * it. */
bool producer_add(struct producer_table *t, const struct producer_ask *ask,
                  const struct producer_batch *batch, int64_t used_ms);

/* The end of a transaction. */
struct producer_marker {
    int64_t id;
    int16_t epoch;
    int32_t coordinator_epoch;
    int8_t version; /* transaction version: from 2 on a marker has a higher epoch than its data */
};

/* May this marker be appended?  KERR_NONE, KERR_INVALID_PRODUCER_EPOCH,
 * KERR_TRANSACTION_COORDINATOR_FENCED.  One that was written before may be again. */
must_check int producer_check_marker(const struct producer_table *t,
                                     const struct producer_marker *m);
/* Records an appended marker.  Returns the first offset of the transaction that it ended, -1: none
 * was open. */
int64_t producer_end(struct producer_table *t, const struct producer_marker *m,
                     int64_t timestamp_ms, int64_t used_ms);

/* Begins to verify that a transaction may begin with this batch: *guard is the question, 0 when the
 * transaction is open here already.  The same until the transaction begins or a marker comes.
 * ERR_LIMIT as producer_reserve. */
must_check int producer_verify(struct producer_table *t, const struct producer_ask *ask, bool bumps,
                               int64_t now_ms, uint64_t *guard);
/* The coordinator said yes.  False: the question is not open any more, ask again. */
must_check bool producer_verified(struct producer_table *t, int64_t id, uint64_t guard);

/* Forgets producers not used for keep_ms, but none with an open transaction, and questions that
 * old. Those of which it is not known when they were used count from this call on. */
void producer_expire(struct producer_table *t, int64_t now_ms, int64_t keep_ms);

/* Snapshot, for checkpoints: bytes needed, writing, and reading back (lsn becomes 0; questions are
 * not saved).  producer_load: ERR_CORRUPT leaves the table empty. */
uint32_t producer_save_bytes(const struct producer_table *t);
void producer_save(const struct producer_table *t, struct put *w);
must_check int producer_load(struct producer_table *t, struct cur *c);

/* The same form, of the producers that wrote nothing at or behind `limit` only; how many. */
uint32_t producer_count_before(const struct producer_table *t, int64_t limit, uint32_t *bytes);
void producer_save_before(const struct producer_table *t, int64_t limit, struct put *w);
/* Takes over from another table the producers that this one does not know; transactions of theirs
 * are over.  ERR_LIMIT. */
must_check int producer_adopt(struct producer_table *t, const struct producer_table *from);

/* The sequence that follows `count` records after `sequence`: wraps to 0 past INT32_MAX. */
int32_t producer_sequence_after(int32_t sequence, int32_t count);
/* Of the last record of a batch. */
int32_t producer_sequence_last(const struct producer_ask *ask);

#endif
