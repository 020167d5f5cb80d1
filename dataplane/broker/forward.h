/* forward.h: requests that control answers.  The dataplane keeps a copy until the answer comes:
 * when control was restarted meanwhile, it is sent again (marked `again`), so that no client sees
 * it. */
#ifndef SLUICE_BROKER_FORWARD_H
#define SLUICE_BROKER_FORWARD_H

#include "core/shm/chan.h"
#include "dataplane/broker/req.h"

req_start_fn forward_start;
/* The same for what may wait for other clients: as long as its connection lives. */
req_start_fn forward_wait_start;
void forward_abandon(struct shard *s, struct req *r);
/* Takes all messages from control: answers, closes, doorbells; notices that control was restarted
 * and reads its tables when they are complete.  Returns how many. */
uint32_t forward_take(struct shard *s);
/* Sends what waits for room or for control; ends what waits too long. Returns the next deadline. */
uint64_t forward_run(struct shard *s, uint64_t now_ns);
/* Tells control that row `slot` of have changed.  False: no room in the ring now. */
must_check bool forward_have(struct shard *s, uint32_t slot, uint32_t version);
/* Once a turn: wakes control when it sleeps and something was sent. */
void forward_flush(struct shard *s);
/* Before a sleep, after it: true when control sent something meanwhile. */
bool forward_sleep(struct shard *s);
void forward_awake(struct shard *s);

#endif
