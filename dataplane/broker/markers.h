/* markers.h: WriteTxnMarkers: the coordinator ends a transaction in the logs that it wrote to.  The
 * answer for a partition leaves when its marker is durable.  A client that names an internal topic
 * is answered by control, which writes such markers itself. */
#ifndef SLUICE_BROKER_MARKERS_H
#define SLUICE_BROKER_MARKERS_H

#include "dataplane/broker/req.h"

req_start_fn markers_start;
void markers_abandon(struct shard *s, struct req *r);
/* Owner's side of JOB_MARKER: false: the store cannot take it now, and nothing happened. */
must_check bool markers_append(struct shard *s, struct job *j);

#endif
