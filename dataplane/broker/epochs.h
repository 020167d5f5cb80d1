/* epochs.h: OffsetForLeaderEpoch: where a leader epoch ends in a log. */
#ifndef SLUICE_BROKER_EPOCHS_H
#define SLUICE_BROKER_EPOCHS_H

#include "dataplane/broker/req.h"

enum req_verdict epochs_start(struct shard *s, struct req *r, struct view body);
/* Carries out a JOB_EPOCH at its owner. */
void epochs_find(struct shard *s, struct job *j);

#endif
