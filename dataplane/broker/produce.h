/* produce.h: Produce on its home shard, and the owner's side of JOB_APPEND. */
#ifndef SLUICE_BROKER_PRODUCE_H
#define SLUICE_BROKER_PRODUCE_H

#include "dataplane/broker/req.h"

req_start_fn produce_start;
/* Owner's side: appends; the job goes home when its batch is durable (shard_wait_durable). */
void produce_append(struct shard *s, struct job *j);
void produce_back(struct shard *s, struct job *j);
void produce_abandon(struct shard *s, struct req *r);

#endif
