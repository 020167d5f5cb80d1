/* vouch.h: may a transaction begin in a log with this batch?  Its coordinator is asked, so that a
 * batch that comes behind its transaction's end never opens one that nobody will close (KIP-890).
 *
 * The question is an AddPartitionsToTxn request to control, which adds the partition for clients
 * that bump their epoch with each transaction (Produce from version 12 on), and only verifies it
 * for older ones.  The batch waits at the partition's owner meanwhile, with those of its producer
 * that come behind it, at most VOUCH_WAIT_MS.  At most VOUCH_MAX questions of a shard are open;
 * memory is taken at start.
 * Source: Kafka AddPartitionsToTxnManager, ReplicaManager.handleProduceAppend. */
#ifndef SLUICE_BROKER_VOUCH_H
#define SLUICE_BROKER_VOUCH_H

#include "dataplane/broker/mesh.h"
#include "dataplane/broker/route.h"

enum {
    VOUCH_MAX = 4096,
    VOUCH_WAIT_MS = 10000,     /* for control, also while it is restarted */
    VOUCH_PAUSE_US = 250,      /* before asking again: the transaction before is being ended */
    VOUCH_CONCURRENT_MS = 100, /* so long, then the client is told; Kafka's
                                  add.partitions.to.txn.retry.backoff.max.ms */
    VOUCH_BUMPS_SINCE = 12,    /* version of Produce: clients of transaction version 2 */
};

struct shard;
struct vouch; /* of a shard */

/* NULL without memory. */
struct vouch *vouch_new(void);
void vouch_free(struct vouch *v);

/* A transactional batch that is to be appended to an own log. */
struct vouch_batch {
    const struct batch_info *info;
    int16_t version; /* of Produce */
    bool trusted;    /* a coordinator wrote it: it knows */
    uint64_t guard;  /* the question that was answered for it; 0: none yet */
};

/* KERR_NONE and *ask 0: append it at once.  KERR_NONE and *ask not 0: vouch_ask.  Else a Kafka
 * error code to refuse it with. */
must_check int vouch_begins(struct shard *s, struct route_part *p, const struct vouch_batch *b,
                            uint64_t *ask);
/* Takes a JOB_APPEND until its question `guard` is answered.  Yes: it goes to produce_append with
 * the guard; no: it goes home with a Kafka error code. */
void vouch_ask(struct shard *s, struct route_part *p, struct job *j, uint64_t guard);

/* An answer of control's, from the correlation id on; closed: it took the request for malformed.
 * False: the token is not of a question. */
bool vouch_answered(struct shard *s, uint64_t token, struct view bytes, bool closed);
/* Sends what waits for room or for control, ends what waits too long.  Returns the next deadline.
 */
uint64_t vouch_run(struct shard *s, uint64_t now_ns);

#endif
