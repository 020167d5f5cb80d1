/* cleaner.c: tasks of the shards' stores, carried out beside their loops.
 *
 * I1 `out` of an end is written by its shard only: tasks in its places or with the thread.
 * I2 out <= STORE_TASKS_MAX, so that a place is free whenever one is needed. */
#include "dataplane/broker/cleaner.h"

#include "core/base/err.h"

#include <stdlib.h>
#include <string.h>

enum { CLEANER_LINE = 128 };

struct place {
    _Atomic(struct store_task *) task; /* NULL: free */
};

struct end {
    _Alignas(CLEANER_LINE) struct place todo[STORE_TASKS_MAX]; /* shard fills, thread empties */
    _Alignas(CLEANER_LINE) struct place done[STORE_TASKS_MAX]; /* thread fills, shard empties */
    uint32_t out;                                              /* the shard's */
};

struct cleaner {
    struct end *ends;
    uint32_t shard_count;
    const struct clock *shards;
    struct clock own;
    atomic_bool ended;
};

int
cleaner_create(uint32_t shard_count, const struct clock *shards, struct clock own,
               struct cleaner **out)
{
    struct cleaner *c = calloc(1, sizeof *c);
    if (!c)
        return ERR_FULL;
    c->ends = aligned_alloc(CLEANER_LINE, shard_count * sizeof *c->ends);
    if (!c->ends) {
        free(c);
        return ERR_FULL;
    }
    memset(c->ends, 0, shard_count * sizeof *c->ends);
    c->shard_count = shard_count;
    c->shards = shards;
    c->own = own;
    *out = c;
    return ERR_OK;
}

void
cleaner_free(struct cleaner *c)
{
    if (!c)
        return;
    free(c->ends);
    free(c);
}

static void
put(struct place *places, struct store_task *t)
{
    for (uint32_t i = 0; i < STORE_TASKS_MAX; i++) {
        if (atomic_load_explicit(&places[i].task, memory_order_relaxed))
            continue;
        /* Pairs with the acquire in take(): publishes the task. */
        atomic_store_explicit(&places[i].task, t, memory_order_release);
        return;
    }
    must(false); /* I2 */
}

static struct store_task *
take(struct place *place)
{
    struct store_task *t = atomic_load_explicit(&place->task, memory_order_acquire);
    if (t)
        atomic_store_explicit(&place->task, NULL, memory_order_relaxed);
    return t;
}

uint32_t
cleaner_look(struct cleaner *c, uint32_t shard, struct store *s)
{
    struct end *e = &c->ends[shard];
    uint32_t work = 0;
    for (uint32_t i = 0; e->out && i < STORE_TASKS_MAX; i++) {
        struct store_task *t = take(&e->done[i]);
        if (!t)
            continue;
        e->out--;
        work++;
        store_task_done(s, t);
    }
    struct store_task *t;
    while (e->out < STORE_TASKS_MAX && (t = store_task_take(s))) {
        put(e->todo, t);
        e->out++;
        work++;
        c->own.ops->wake(c->own.self);
    }
    return work;
}

bool
cleaner_busy(const struct cleaner *c, uint32_t shard)
{
    return c->ends[shard].out > 0;
}

bool
cleaner_turn(struct cleaner *c, struct store_worker *w)
{
    bool worked = false;
    for (uint32_t shard = 0; shard < c->shard_count; shard++) {
        for (uint32_t i = 0; i < STORE_TASKS_MAX; i++) {
            struct store_task *t = take(&c->ends[shard].todo[i]);
            if (!t)
                continue;
            store_task_run(w, t);
            put(c->ends[shard].done, t);
            c->shards[shard].ops->wake(c->shards[shard].self);
            worked = true;
        }
    }
    return worked;
}

void
cleaner_run(struct cleaner *c, struct store_worker *w)
{
    while (!atomic_load_explicit(&c->ended, memory_order_relaxed))
        if (!cleaner_turn(c, w))
            c->own.ops->wait(c->own.self, CLOCK_NEVER);
}

void
cleaner_end(struct cleaner *c)
{
    atomic_store_explicit(&c->ended, true, memory_order_relaxed);
    c->own.ops->wake(c->own.self);
}
