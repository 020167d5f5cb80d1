/* server_verify.h: TxnOffsetCommit.  Before a group's coordinator takes offsets as part of a
 * transaction, the transaction's coordinator is asked whether __consumer_offsets is part of it: it
 * adds the partition for clients of transaction version 2, and verifies it for older ones.
 * Source: Kafka GroupCoordinatorService.commitTransactionalOffsets, KIP-890. */
#ifndef SLUICE_SERVER_SERVER_VERIFY_H
#define SLUICE_SERVER_SERVER_VERIFY_H

#include "control/server/server_coord.h"

enum {
    SERVER_VERIFY_MAX = 65536,          /* open at a time; more: COORDINATOR_NOT_AVAILABLE */
    SERVER_VERIFY_BYTES_MAX = 64 << 20, /* of them, likewise */
    SERVER_VERIFY_PAUSE_MS = 2,         /* before asking again: a transaction is being ended */
    SERVER_VERIFY_CONCURRENT_MS = 100,  /* so long; then the client is told */
};

/* Origin of our questions: server_verify_answered. */
static const uint32_t SERVER_VERIFY_SHARD = UINT32_MAX - 1;

struct server_verify_config {
    struct server_coord *groups, *transactions;
    /* The answer of a request, from the correlation id on; at NULL: close its connection. */
    void (*answer)(void *user, uint32_t shard, uint64_t token, struct view bytes);
    struct counters *counters; /* of control; NULL: errors are not counted */
    void *user;
};

struct server_verify;

/* NULL without memory. */
struct server_verify *server_verify_new(const struct server_verify_config *config);
void server_verify_free(struct server_verify *v);

/* A TxnOffsetCommit for a partition of __consumer_offsets; as server_coord_request.
 * txn_partition: the partition of __transaction_state that its transactional id belongs to. */
void server_verify_request(struct server_verify *v, int32_t partition, int32_t txn_partition,
                           const struct server_coord_origin *from, const struct coord_request *r,
                           int64_t now_ms);
/* The answer to a question: bytes from the correlation id on. */
void server_verify_answered(struct server_verify *v, uint64_t token, struct view bytes);
/* Once a turn.  Returns when it wants to be called again (wall clock). */
int64_t server_verify_step(struct server_verify *v, int64_t now_ms);

#endif
