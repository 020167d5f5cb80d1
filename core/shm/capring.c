#include "core/shm/capring.h"

#include "core/base/err.h"

#include <stddef.h>
#include <string.h>

_Static_assert(sizeof(struct capring_filter) % sizeof(uint32_t) == 0, "whole words");
_Static_assert(offsetof(struct capring_core, ring) % 128 == 0, "chan.h wants a line");

/* ---- what a core captures ---- */

static void
number_set(struct capring_core *c, uint32_t number)
{
    /* Pairs with the acquire in capring_look: snap and filter are those of the number, or of a
     * later one, which the core sees with its next turn. */
    atomic_store_explicit(&c->number, number, memory_order_release);
}

void
capring_begin(struct capring_core *c, uint32_t number, uint32_t snap,
              const struct capring_filter *filter)
{
    uint32_t words[CAPRING_FILTER_WORDS];
    must(number % 2 == 1);
    must(snap >= CAPRING_SNAP_LEAST && snap <= CAPRING_SNAP_MAX);
    memcpy(words, filter, sizeof words);
    for (uint32_t i = 0; i < CAPRING_FILTER_WORDS; i++)
        atomic_store_explicit(&c->filter[i], words[i], memory_order_relaxed);
    atomic_store_explicit(&c->snap, snap, memory_order_relaxed);
    number_set(c, number);
}

void
capring_end(struct capring_core *c)
{
    uint32_t number = atomic_load_explicit(&c->number, memory_order_relaxed);
    if (number % 2 == 1)
        number_set(c, number + 1);
}

uint32_t
capring_next(const struct capring_core *const *cores, uint32_t count)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t number = atomic_load_explicit(&cores[i]->number, memory_order_relaxed);
        most = number > most ? number : most;
    }
    return (most + 1) | 1;
}

bool
capring_look(struct capring_core *c, struct capring_task *task)
{
    uint32_t number = atomic_load_explicit(&c->number, memory_order_acquire);
    if (number == task->number)
        return false;
    uint32_t words[CAPRING_FILTER_WORDS], snap = 0;
    for (uint32_t i = 0; i < CAPRING_FILTER_WORDS; i++)
        words[i] = atomic_load_explicit(&c->filter[i], memory_order_relaxed);
    if (number % 2 == 1)
        snap = atomic_load_explicit(&c->snap, memory_order_relaxed);
    task->number = number;
    task->snap = snap > CAPRING_SNAP_MAX ? CAPRING_SNAP_MAX : snap;
    memcpy(&task->filter, words, sizeof words);
    if (snap)
        atomic_store_explicit(&c->lost, 0, memory_order_relaxed);
    /* Pairs with the acquire of who waits for the end: what we put into the ring before is there.
     */
    atomic_store_explicit(&c->seen, number, memory_order_release);
    return true;
}

/* ---- orders ---- */

int
capring_order_give(struct capring_order *o, const struct capring_want *want, uint32_t *number)
{
    uint32_t last = atomic_load_explicit(&o->number, memory_order_relaxed);
    if (!capring_order_answered(o, last))
        return ERR_AGAIN;
    o->want = *want;
    *number = last + 1;
    /* Pairs with the acquire in capring_order_open. */
    atomic_store_explicit(&o->number, *number, memory_order_release);
    return ERR_OK;
}

bool
capring_order_answered(const struct capring_order *o, uint32_t number)
{
    /* Pairs with the release in capring_order_answer. */
    return atomic_load_explicit(&o->answered, memory_order_acquire) == number;
}

bool
capring_order_open(const struct capring_order *o, struct capring_want *want)
{
    uint32_t number = atomic_load_explicit(&o->number, memory_order_acquire);
    if (number == atomic_load_explicit(&o->answered, memory_order_relaxed))
        return false;
    *want = o->want;
    want->path[sizeof want->path - 1] = '\0';
    return true;
}

void
capring_order_answer(struct capring_order *o, int err)
{
    atomic_store_explicit(&o->err, err, memory_order_relaxed);
    /* Pairs with the acquire in capring_order_answered: state, path and err are of this order. */
    atomic_store_explicit(&o->answered, atomic_load_explicit(&o->number, memory_order_relaxed),
                          memory_order_release);
}
