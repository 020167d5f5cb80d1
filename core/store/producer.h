/* producer.h: sequence state of idempotent producers on one partition: a pure machine.
 *
 * Keeps for each producer id its epoch and its last PRODUCER_BATCHES batches, which is what five
 * requests in flight need.  Source: Kafka ProducerStateEntry, ProducerAppendInfo; KIP-98, KIP-360.
 */
#ifndef SLUICE_STORE_PRODUCER_H
#define SLUICE_STORE_PRODUCER_H

#include "core/base/bytes.h"
#include "core/base/must.h"

#include <stdint.h>

enum { PRODUCER_BATCHES = 5 };

struct producer_batch {
    int32_t sequence_first, sequence_last; /* wrap from INT32_MAX to 0 */
    int64_t offset_first, offset_last;
    int64_t timestamp_ms;
    uint64_t lsn; /* 0 for what recovery found: durable */
};

struct producer {
    int64_t id; /* -1: empty place */
    int16_t epoch;
    uint8_t count; /* of batches, newest last */
    int64_t used_ms;
    struct producer_batch batches[PRODUCER_BATCHES];
};

/* Table of one partition: open addressing, grows by doubling up to PRODUCER_MAX; when full the
 * producer unused longest makes room.  Memory by mmap-free plain allocation outside the hot path:
 * only when a producer id is seen first. */
struct producer_table {
    struct producer *places;
    uint32_t capacity, count;
};

enum { PRODUCER_MAX = 1 << 16 };

void producer_table_init(struct producer_table *t);
void producer_table_free(struct producer_table *t);

/* May this batch be appended?  Returns a Kafka error code:
 *   KERR_NONE                          yes; call producer_add after the append
 *   KERR_DUPLICATE_SEQUENCE_NUMBER     it is there already: *duplicate says where
 *   KERR_OUT_OF_ORDER_SEQUENCE_NUMBER  a gap, or an old batch no longer remembered
 *   KERR_INVALID_PRODUCER_EPOCH        an epoch below the one known
 * A producer that is not known may begin anywhere (Kafka: after expiry or DeleteRecords). */
must_check int producer_check(const struct producer_table *t, int64_t id, int16_t epoch,
                              int32_t sequence_first, int32_t record_count,
                              struct producer_batch *duplicate);

/* Records an appended batch.  ERR_LIMIT when there is no memory (the append stands; the state of
 * this producer is then not kept). */
int producer_add(struct producer_table *t, int64_t id, int16_t epoch,
                 const struct producer_batch *batch);

/* Forgets producers not used since before_ms. */
void producer_expire(struct producer_table *t, int64_t before_ms);

/* Snapshot, for checkpoints: bytes needed, writing, and reading back (lsn becomes 0).
 * producer_load: ERR_CORRUPT leaves the table empty. */
uint32_t producer_save_bytes(const struct producer_table *t);
void producer_save(const struct producer_table *t, struct put *w);
must_check int producer_load(struct producer_table *t, struct cur *c);

/* The sequence that follows `count` records after `sequence`: wraps to 0 past INT32_MAX. */
int32_t producer_sequence_after(int32_t sequence, int32_t count);

#endif
