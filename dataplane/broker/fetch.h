/* fetch.h: Fetch on its home shard, and the owner's side of its jobs.
 *
 * Locate all partitions (own ones at once, others by JOB_LOCATE, which also holds what is in
 * memory); enough bytes, an error or no time left: answer.  Otherwise wait in the purgatory: a
 * watch on every partition (own ones in route_part.watchers, others by JOB_WATCH) and a deadline;
 * what fires first locates anew, and one of another shard brings what it has found. Sessions:
 * KIP-227, session.h.  Source: Kafka FetchRequest handling in KafkaApis, ReplicaManager,
 * DelayedFetch. */
#ifndef SLUICE_BROKER_FETCH_H
#define SLUICE_BROKER_FETCH_H

#include "dataplane/broker/req.h"
#include "dataplane/broker/route.h"

struct fetch_state; /* of one shard: purgatory and sessions */

must_check int fetch_init(struct shard *s, uint32_t sessions_max, struct fetch_state **out);
void fetch_free(struct fetch_state *f);

req_start_fn fetch_start;
void fetch_abandon(struct shard *s, struct req *r);

/* Owner's side: carries a JOB_LOCATE out (it is then on its way home, or parked, if it may be and
 * there is nothing), or parks a JOB_WATCH; takes a parked one back, for a wish that came from home.
 */
void fetch_locate(struct shard *s, struct job *j);
void fetch_watch(struct shard *s, struct job *j);
void fetch_unwatch(struct shard *s, struct job *j);
/* Home's side: a JOB_LOCATE or JOB_WATCH came back. */
void fetch_back(struct shard *s, struct job *j);
/* The high watermark or the state of an own partition changed (also: deleted). */
void fetch_changed(struct shard *s, struct route_part *p);
/* Ends waits whose time has come; returns the next deadline (CLOCK_NEVER: none). */
uint64_t fetch_expire(struct shard *s, uint64_t now_ns);

#endif
