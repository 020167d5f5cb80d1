/* forward.h: requests that control answers.  The dataplane keeps a copy until the answer comes: when
 * control was restarted meanwhile, it is sent again (marked `again`), so that no client sees it. */
#ifndef SLUICE_BROKER_FORWARD_H
#define SLUICE_BROKER_FORWARD_H

#include "core/shm/chan.h"
#include "dataplane/broker/req.h"

req_start_fn forward_start;
void forward_abandon(struct shard *s, struct req *r);
/* Takes all messages from control: answers, closes, doorbells.  Returns how many. */
uint32_t forward_take(struct shard *s);
/* Sends what waits for room or for control; ends what waits too long. Returns the next deadline. */
uint64_t forward_run(struct shard *s, uint64_t now_ns);

#endif
