/* cleaner.h: the one thread that carries out tasks (core/store/task.h) for all shards, and the way
 * there and back.
 *
 * Each shard has STORE_TASKS_MAX places for tasks to do and as many for tasks that are done, so
 * nothing is ever full; a place is one word that one side fills and the other empties.  Which task
 * comes first does not matter. */
#ifndef SLUICE_BROKER_CLEANER_H
#define SLUICE_BROKER_CLEANER_H

#include "core/base/clock.h"
#include "core/base/must.h"
#include "core/store/task.h"

struct cleaner;

/* Before the loops start.  shards[i] wakes shard i; `own` wakes the thread.  ERR_FULL. */
must_check int cleaner_create(uint32_t shard_count, const struct clock *shards, struct clock own,
                              struct cleaner **out);
void cleaner_free(struct cleaner *c);

/* A shard, each turn: hands out what its store wants done and takes back what is done; returns how
 * many.  Two loads while nothing is under way. */
uint32_t cleaner_look(struct cleaner *c, uint32_t shard, struct store *s);
/* A shard: are tasks of it under way? */
bool cleaner_busy(const struct cleaner *c, uint32_t shard);

/* The thread: one round over all shards; true when it did something. */
bool cleaner_turn(struct cleaner *c, struct store_worker *w);
/* The thread: rounds until cleaner_end was called. */
void cleaner_run(struct cleaner *c, struct store_worker *w);
/* Any thread: no new round. */
void cleaner_end(struct cleaner *c);

#endif
