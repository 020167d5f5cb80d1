/* journal_arena.c: the memory that frames are built in, which is also a cache: who may overwrite
 * what, and when. */
#include "core/store/journal_in.h"

static uint32_t
slab_of(const struct journal *j, uint64_t place)
{
    return (uint32_t)(place % j->config.arena_bytes * JOURNAL_SLABS / j->config.arena_bytes);
}

static bool
frame_may_go(const struct journal *j, const struct frame *f)
{
    uint64_t limit = f->place + journal_round(f->used, JOURNAL_BLOCK);
    if (limit > j->keep)
        return false;
    for (uint32_t s = slab_of(j, f->place), last = slab_of(j, limit - 1); s <= last; s++)
        if (j->pins[s])
            return false;
    return true;
}

bool
journal_arena_reach(struct journal *j, uint64_t limit)
{
    while (j->tail < j->durable &&
           journal_frame_of(j, j->tail)->place + j->config.arena_bytes < limit) {
        if (!frame_may_go(j, journal_frame_of(j, j->tail)))
            return false;
        j->tail++;
    }
    return j->tail == j->open + j->open_any ||
           journal_frame_of(j, j->tail)->place + j->config.arena_bytes >= limit;
}

uint64_t
journal_arena_kept(const struct journal *j)
{
    /* Twice: a record does not cross the end of the arena. */
    return j->extent_bytes && !j->rescuing ? 2 * j->extent_bytes + 16 * JOURNAL_BLOCK : 0;
}

/* ---- the arena as a cache ----------------------------------------------------------------------
 */

const uint8_t *
journal_at(const struct journal *j, uint64_t place)
{
    return j->arena + place % j->config.arena_bytes;
}

uint64_t
journal_place_first(const struct journal *j)
{
    return j->tail < j->open + j->open_any ? journal_frame_of(j, j->tail)->place : j->place_next;
}

uint64_t
journal_place_durable(const struct journal *j)
{
    return j->durable < j->open + j->open_any ? journal_frame_of(j, j->durable)->place
                                              : j->place_next;
}

uint64_t
journal_place_written(const struct journal *j)
{
    return j->written < j->open + j->open_any ? journal_frame_of(j, j->written)->place
                                              : j->place_next;
}

uint64_t
journal_place_limit(const struct journal *j)
{
    if (!j->open_any)
        return j->place_next;
    return journal_frame_of(j, j->open)->place + journal_frame_of(j, j->open)->used;
}

void
journal_keep(struct journal *j, uint64_t place)
{
    j->keep = place;
}

static void
pins_add(struct journal *j, uint64_t place, uint64_t limit, uint32_t delta)
{
    must(place < limit && limit - place <= j->config.arena_bytes);
    uint32_t s = slab_of(j, place);
    uint32_t count = (slab_of(j, limit - 1) + JOURNAL_SLABS - s) % JOURNAL_SLABS + 1;
    if (count == 1 && limit - place > j->config.arena_bytes / 2)
        count = JOURNAL_SLABS; /* all the way round */
    for (uint32_t i = 0; i < count; i++)
        j->pins[(s + i) % JOURNAL_SLABS] += delta;
}

void
journal_pin(struct journal *j, uint64_t place, uint64_t limit)
{
    pins_add(j, place, limit, 1);
}

void
journal_unpin(struct journal *j, uint64_t place, uint64_t limit)
{
    pins_add(j, place, limit, UINT32_MAX);
}
