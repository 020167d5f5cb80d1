/* logdirs.h: DescribeLogDirs: which partitions are in which data directory, and how large. */
#ifndef SLUICE_BROKER_LOGDIRS_H
#define SLUICE_BROKER_LOGDIRS_H

#include "dataplane/broker/req.h"

enum req_verdict logdirs_start(struct shard *s, struct req *r, struct view body);
/* Carries out a JOB_LOGDIR at its owner. */
void logdirs_find(struct shard *s, struct job *j);

#endif
