/* txn.h: the transaction coordinator of one partition of __transaction_state, as a pure machine: no
 * clock, no file, no random source.  How a step gives its results: control/coord/coord.h.
 *
 * Carries out InitProducerId with a transactional id, AddPartitionsToTxn (adding and verifying),
 * AddOffsetsToTxn and EndTxn as Kafka 4.3 does, with transaction version 2 (KIP-890) for clients
 * that have it: the epoch of the producer grows with each transaction, so that a late request never
 * touches a later one.  Memory comes from the C heap; running out of it is a must().
 * Source: Kafka TransactionCoordinator, TransactionMetadata, TransactionStateManager. */
#ifndef SLUICE_TXN_TXN_H
#define SLUICE_TXN_TXN_H

#include "control/coord/coord.h"
#include "core/base/must.h"
#include "core/base/regex.h"

enum {
    TXN_PARTS_MAX = 65536,     /* partitions of one transaction */
    TXN_MARKER_RETRY_MS = 100, /* between two attempts to write a marker */
};

struct txn; /* the coordinator of one partition */

/* A partition of a transaction. */
struct txn_part {
    struct view topic;
    int32_t partition;
    bool marked; /* its marker is written */
};

/* Markers to be written, one for each part that is not marked.  To be sent once the records of the
 * step are durable; lent for the call. */
struct txn_order {
    struct view transactional_id;
    int64_t producer_id;
    int16_t producer_epoch, version;
    bool commit;
    const struct txn_part *parts;
    uint32_t count;
};

struct txn_ops {
    /* A producer id that nobody has; -1: none at hand just now. */
    int64_t (*producer_id)(void *user);
    void (*markers)(void *user, const struct txn_order *order);
};

struct txn_config {
    int32_t timeout_max_ms;           /* transaction.max.timeout.ms */
    int64_t expiration_ms;            /* transactional.id.expiration.ms */
    int64_t tick_ms;                  /* between two looks for what has run out */
    int32_t offsets_partitions_count; /* of __consumer_offsets, for AddOffsetsToTxn */
    const struct regex_port *regex;   /* of ListTransactions; NULL: patterns are refused */
    const struct txn_ops *ops;
    void *user; /* of ops */
};

/* The machine for the runtime; its config is a struct txn_config. */
extern const struct coord_machine txn_machine;

struct txn *txn_new(const struct txn_config *config);
void txn_free(struct txn *t);

/* Loading: every record of the partition in order.  ERR_CORRUPT: not of Kafka's form.  An unknown
 * version of a key is skipped. */
must_check int txn_replay(struct txn *t, struct view key, struct view value);
/* The partition is loaded: orders the markers of transactions that were decided before. */
void txn_loaded(struct txn *t, struct coord_step *step);

/* Carries out a request of InitProducerId, AddPartitionsToTxn, AddOffsetsToTxn, EndTxn,
 * DescribeTransactions or ListTransactions (of this partition). */
void txn_request(struct txn *t, struct coord_step *step, const struct coord_request *request);

/* For those who look from outside; changes nothing.  The transactional ids of one bucket of the
 * table are told.  Returns how many buckets there are: when that number changes, ids have moved
 * between buckets, and a walk must begin anew. */
struct txn_fact {
    struct view id;                /* lent for the call */
    const char *state;             /* static text */
    int64_t producer_id, start_ms; /* start: -1 when no transaction is open */
    int32_t timeout_ms;
    int16_t epoch;
    uint32_t partitions;
};
uint32_t txn_list_bucket(const struct txn *t, uint32_t bucket,
                         void (*tell)(void *user, const struct txn_fact *fact), void *user);

/* The result of a marker: a Kafka error code (KERR_NONE also where the topic is gone).  What
 * belongs to no present order is ignored. */
struct txn_mark {
    struct view transactional_id;
    int64_t producer_id;
    int16_t producer_epoch;
    struct view topic;
    int32_t partition;
    int16_t error;
};
void txn_marked(struct txn *t, struct coord_step *step, const struct txn_mark *mark);

/* Time goes on: aborts transactions past their timeout, forgets ids past their expiration, orders
 * markers again.  To be called at txn_deadline_ms; INT64_MAX: never. */
void txn_tick(struct txn *t, struct coord_step *step);

int64_t txn_deadline_ms(const struct txn *t);

/* What is known of one transactional id; false: nothing.  status: Kafka's number. */
struct txn_facts {
    int64_t producer_id;
    int16_t producer_epoch;
    int8_t status;
    int32_t timeout_ms;
    int64_t start_ms;
    const struct txn_part *parts; /* lent */
    uint32_t part_count;
};
bool txn_facts(const struct txn *t, struct view transactional_id, struct txn_facts *out);
uint32_t txn_count(const struct txn *t);

#endif
