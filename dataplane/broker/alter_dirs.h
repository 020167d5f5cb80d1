/* alter_dirs.h: AlterReplicaLogDirs: partitions move to other data directories of this node. */
#ifndef SLUICE_BROKER_ALTER_DIRS_H
#define SLUICE_BROKER_ALTER_DIRS_H

#include "dataplane/broker/req.h"

enum req_verdict alter_dirs_start(struct shard *s, struct req *r, struct view body);
/* Carries out a JOB_MOVE_LOG at its owner; it goes home when the wish is durable.  False: there is
 * no journal space now; try again. */
must_check bool alter_dirs_try(struct shard *s, struct job *j);
/* The same; tries again by trim_retry. */
void alter_dirs_move(struct shard *s, struct job *j);

#endif
