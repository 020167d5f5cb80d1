/* holds.h: memory of other shards' logs, lent to this one for an answer.
 *
 * A job has room for one (JOB_HOLD, JOB_LOCATE, JOB_WATCH); the owner fills it and pins what it
 * refers to.  Whoever has got one uses it in the turn in which it came home, or a little later when
 * it waits for others (fetch.c) or for its share of a turn (conn_send.c), never for as long as a
 * peer likes: pins keep the owner's cache from moving on. */
#ifndef SLUICE_BROKER_HOLDS_H
#define SLUICE_BROKER_HOLDS_H

#include "core/base/must.h"

#include <stdbool.h>
#include <stdint.h>

struct shard;
struct req;
struct store_hold;

/* Room for one; counts as out until holds_give with `mapped` false, or holds_release.  NULL: memory
 * is short, or JOB_MAX are out. */
struct store_hold *holds_take(struct shard *s);
/* The room, when its job is home: `mapped`: what it referred to is somebody else's now. */
void holds_give(struct shard *s, struct store_hold *room, bool mapped);
/* Gives memory back to its owner; the room stays. */
void holds_release(struct shard *s, uint32_t owner, struct store_hold *hold);
/* Both: it is not used. */
void holds_drop(struct shard *s, uint32_t owner, struct store_hold *hold);

enum { HOLDS_WAIT_MS = 1 }; /* so long at most a hold waits for its turn, never for a peer */

/* An answer that has just been made has holds of its ranges (answer_range.hold): they go with what
 * this turn sends, or back at its end. */
void holds_keep(struct shard *s, struct req *r);
/* That turn has sent its share, and the answer goes on in the next one: they stay for it, unless it
 * was made HOLDS_WAIT_MS ago. */
void holds_stay(struct shard *s, struct req *r);
/* Gives back what an answer has left: that of one request, and at the end of a turn of all that do
 * not stay. */
void holds_end(struct shard *s, struct req *r);
void holds_end_all(struct shard *s);

#endif
