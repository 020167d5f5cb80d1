/* trim.h: DeleteRecords.  The start of a log moves up; the answer waits until that is durable. */
#ifndef SLUICE_BROKER_TRIM_H
#define SLUICE_BROKER_TRIM_H

#include "dataplane/broker/req.h"

enum req_verdict trim_start(struct shard *s, struct req *r, struct view body);
/* Carries out a JOB_TRIM at its owner. */
void trim_carry_out(struct shard *s, struct job *j);
/* Goes on with those that had no journal space, of AlterReplicaLogDirs too. */
void trim_retry(struct shard *s);

#endif
