/* producers.h: DescribeProducers: what the logs know of their producers (KIP-664). */
#ifndef SLUICE_BROKER_PRODUCERS_H
#define SLUICE_BROKER_PRODUCERS_H

#include "dataplane/broker/req.h"

req_start_fn producers_start;
/* Owner's side of JOB_PRODUCERS. */
void producers_list(struct shard *s, struct job *j);

#endif
