/* journal_arena.c: the memory that frames are built in, which is also a cache: who may overwrite
 * what, and when.
 *
 * Readers hold what they lend on for as long as a peer takes, or a device, so appends go round it:
 *
 *   slabs      |  a  |  b  |  c  |  d  |        the arena in at most 64 parts, each with a count
 *   appends     ====>                           in a; all of it is theirs
 *   b pinned    =====|     |====>               the next frame begins in c; b stays as it is
 *
 * P1 Before the first byte of a slab is written, all stretches that have bytes there are dropped:
 *    no reader finds them any more, so pins of that slab only go away until then.
 * P2 A slab is begun only when it has no pins.
 * P3 So pins of a slab that is begun are of what was written there since; they are in nobody's way.
 * P4 Places between two slabs that are used are never written, and nobody knows one of them. */
#include "core/base/mutant.h"
#include "core/store/journal_in.h"

static uint32_t
slab_of(const struct journal *j, uint64_t place)
{
    return (uint32_t)(place % j->config.arena_bytes / j->slab_bytes);
}

/* Where the slab that `place` lies in ends; the last one may be shorter. */
static uint64_t
slab_limit(const struct journal *j, uint64_t place)
{
    uint64_t size = j->config.arena_bytes, at = place % size;
    uint64_t limit = (at / j->slab_bytes + 1) * j->slab_bytes;
    return place - at + (limit < size ? limit : size);
}

/* Drops the oldest stretches until none has bytes where those below `limit` will be. */
static bool
drop_below(struct journal *j, uint64_t limit)
{
    uint64_t size = j->config.arena_bytes;
    for (; j->tail < j->durable && journal_frame_of(j, j->tail)->place + size < limit; j->tail++) {
        const struct frame *f = journal_frame_of(j, j->tail);
        if (f->place + journal_round(f->used, JOURNAL_BLOCK) > j->keep)
            return false;
    }
    return j->tail == j->open + j->open_any || journal_frame_of(j, j->tail)->place + size >= limit;
}

/* The end of the last slab below `limit` that is pinned, of those that begin at or behind `place`
 * (P3); `place`: none is. */
static uint64_t
pinned_upto(const struct journal *j, uint64_t place, uint64_t limit)
{
    uint64_t at = place % j->config.arena_bytes % j->slab_bytes ? slab_limit(j, place) : place;
    for (; at < limit; at = slab_limit(j, at))
        if (!mutant(MUTANT_PINNED_OVERWRITTEN) && j->pins[slab_of(j, at)])
            place = slab_limit(j, at);
    return place;
}

/* Where the slab ends that has the last of `kept` bytes behind `limit`, pinned slabs left out; 0:
 * there is not so much between there and `place`, one round later. */
static uint64_t
free_upto(const struct journal *j, uint64_t place, uint64_t limit, uint64_t kept)
{
    uint64_t end = slab_limit(j, limit - 1), room = end - limit;
    for (uint64_t next; room < kept; end = next) {
        next = slab_limit(j, end);
        if (next > place + j->config.arena_bytes)
            return 0;
        if (!j->pins[slab_of(j, end)])
            room += next - end;
    }
    return end;
}

bool
journal_arena_reach(struct journal *j, uint64_t place, uint64_t bytes)
{
    uint64_t limit = place + bytes, kept = journal_arena_kept(j);
    if (limit <= j->clear && kept == 0)
        return true;
    uint64_t end = free_upto(j, place, limit, kept);
    if (end == 0 || pinned_upto(j, place, limit) != place || !drop_below(j, end))
        return false;
    j->clear = slab_limit(j, limit - 1);
    return true;
}

bool
journal_arena_find(struct journal *j, uint64_t *place, uint64_t bytes)
{
    uint64_t size = j->config.arena_bytes, at = *place, next = at;
    do {
        at = next;
        if (at % size + bytes > size)
            at = journal_round(at, size);
        if (at - *place >= size)
            return false;
        next = pinned_upto(j, at, at + bytes);
    } while (next != at);
    if (!journal_arena_reach(j, at, bytes))
        return false;
    *place = at;
    return true;
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

uint64_t
journal_slabs(const struct journal *j, uint64_t place, uint64_t bytes)
{
    uint32_t first = slab_of(j, place), last = slab_of(j, place + bytes - 1);
    must(bytes > 0 && first <= last);
    return UINT64_MAX >> (63 - (last - first)) << first;
}

static void
pins_add(struct journal *j, uint64_t slabs, uint32_t delta)
{
    for (; slabs; slabs &= slabs - 1) {
        uint32_t *pins = &j->pins[__builtin_ctzll(slabs)];
        j->slabs_pinned -= *pins != 0;
        *pins += delta;
        j->slabs_pinned += *pins != 0;
    }
}

void
journal_pin(struct journal *j, uint64_t slabs)
{
    pins_add(j, slabs, 1);
}

void
journal_unpin(struct journal *j, uint64_t slabs)
{
    pins_add(j, slabs, UINT32_MAX);
}

bool
journal_pins_short(const struct journal *j)
{
    uint64_t slabs = (j->config.arena_bytes + j->slab_bytes - 1) / j->slab_bytes;
    return j->slabs_pinned > slabs / 4 * 3;
}
