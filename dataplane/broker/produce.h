/* produce.h: Produce on its home shard, and the owner's side of JOB_APPEND.
 *
 * A transaction begins in a log only when its coordinator says that the partition is part of it
 * (vouch.h); the batch waits for that as a job, also at its home shard.  Control's own connection
 * (inner.h) may write to internal topics, and begin transactions there: it is the coordinator. */
#ifndef SLUICE_BROKER_PRODUCE_H
#define SLUICE_BROKER_PRODUCE_H

#include "dataplane/broker/req.h"

req_start_fn produce_start;
/* Owner's side of JOB_APPEND and JOB_MARKER: appends; the job goes home when that is durable
 * (shard_wait_durable).  When the store cannot take it now, the job waits in the shard's `appends`,
 * in order. */
void produce_append(struct shard *s, struct job *j);
/* Appends what waits for the store. */
void produce_retry(struct shard *s);
/* Home's side: the job is back; what it lent is (mesh.h), though it is still out. */
void produce_back(struct shard *s, struct job *j);
void produce_lent_back(struct shard *s, const struct job *j);
void produce_abandon(struct shard *s, struct req *r);

#endif
