/* offsets.h: ListOffsets on its home shard, and the owner's side of JOB_TIME. */
#ifndef SLUICE_BROKER_OFFSETS_H
#define SLUICE_BROKER_OFFSETS_H

#include "dataplane/broker/req.h"

req_start_fn offsets_start;
void offsets_abandon(struct shard *s, struct req *r);
/* Owner's side; the job goes home now or, after a disk read, from offsets_read_done. */
void offsets_find(struct shard *s, struct job *j);
void offsets_read_done(struct shard *s, struct job *j);
void offsets_back(struct shard *s, struct job *j);

#endif
