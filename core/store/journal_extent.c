/* journal_extent.c: stretches of the arena that the owner writes to its own files.
 *
 * An extent lies in front of the frame that has its record.  While an open frame holds nothing but
 * such records nobody knows a place in it, so the next extent takes its place and the frame moves
 * behind: many extents share a frame.
 *
 * Until an extent has ended, appends leave so much of the arena and one file of the ring free that
 * its bytes could be journaled after all (journal_ring_kept, journal_arena_kept). */
#include "core/base/err.h"
#include "core/store/journal_in.h"

enum { EXTENT_FRAME_FILL = 64 << 10 }; /* a frame that grew beyond is not moved any more */

static uint64_t
share(const struct journal *j)
{
    uint64_t arena = j->config.arena_bytes / JOURNAL_EXTENT_SHARE, file = j->config.file_bytes / 2;
    return arena < file ? arena : file;
}

/* Places for an extent and, behind it, for the frame that has its record. */
static bool
places_find(struct journal *j, uint64_t from, uint64_t bytes, uint64_t frame_bytes, uint64_t *place,
            uint64_t *behind)
{
    *place = from;
    if (!journal_arena_find(j, place, bytes))
        return false;
    *behind = *place + bytes;
    if (journal_arena_find(j, behind, frame_bytes))
        return true;
    j->clear = 0; /* the first one may have gone round what is pinned */
    return false;
}

/* The open frame, if it can go behind an extent and take a record of `need` bytes. */
static bool
frame_movable(const struct journal *j, const struct frame *f, uint32_t need)
{
    return !f->fixed && f->used + need <= EXTENT_FRAME_FILL &&
           f->ring % j->config.file_bytes + journal_round(f->used + need, JOURNAL_BLOCK) <=
               j->config.file_bytes;
}

int
journal_extent_append(struct journal *j, uint32_t kind, uint32_t body_bytes,
                      struct journal_extent *x)
{
    must(x->phase < JOURNAL_BLOCK && x->bytes > 0);
    if (j->error != ERR_OK)
        return j->error;
    uint32_t need = record_bytes(body_bytes);
    uint64_t bytes = journal_round((uint64_t)x->phase + x->bytes, JOURNAL_BLOCK);
    if (bytes > share(j) || j->extent_bytes > share(j) - bytes ||
        need > EXTENT_FRAME_FILL - FRAME_HEADER_BYTES)
        return ERR_LIMIT;
    if (j->open_any && !frame_movable(j, journal_frame_of(j, j->open), need))
        journal_frame_seal(j);
    struct frame old = j->open_any ? *journal_frame_of(j, j->open) : (struct frame){0};
    uint64_t used = j->open_any ? old.used : FRAME_HEADER_BYTES, ring = old.ring;
    uint64_t frame_bytes = journal_round(used + need, JOURNAL_BLOCK);
    uint64_t place, behind;
    j->extent_bytes += bytes;
    if (!(j->open_any ? journal_ring_kept(j, ring / j->config.file_bytes)
                      : journal_frame_ring(j, frame_bytes, &ring)) ||
        !places_find(j, j->open_any ? old.place : j->place_next, bytes, frame_bytes, &place,
                     &behind)) {
        j->extent_bytes -= bytes;
        return ERR_AGAIN;
    }
    uint64_t size = j->config.arena_bytes;
    if (j->open_any)
        memmove(j->arena + behind % size, j->arena + old.place % size, old.used);
    x->number = j->open++;
    *journal_frame_of(j, x->number) =
        (struct frame){.place = place, .used = (uint32_t)bytes, .extent = true};
    if (j->open_any) {
        old.place = behind;
        *journal_frame_of(j, j->open) = old;
    } else {
        journal_frame_begin(j, behind, ring);
    }
    journal_record_add(j, kind, body_bytes, &x->slot);
    journal_frame_of(j, j->open)->cut_records = 0; /* it stays (journal_carry.c, I3) */
    journal_frame_of(j, j->open)->tells = true;
    x->place = place + x->phase;
    x->at = j->arena + x->place % size;
    return ERR_OK;
}

void
journal_extent_end(struct journal *j, uint64_t number)
{
    struct frame *x = journal_frame_of(j, number);
    must(number >= j->durable && x->extent && !x->done);
    x->done = true;
    j->extent_bytes -= x->used;
    struct journal_extent_times *t = &j->extent_times;
    if (x->submit_ns && t->ended < JOURNAL_EXTENTS_TIMED)
        t->ended_ns[t->ended++] = x->submit_ns;
    if (j->error == ERR_OK)
        journal_prefix_move(j);
}

int
journal_extent_rescue(struct journal *j, uint64_t number, uint32_t kind, uint32_t body_bytes,
                      struct journal_slot *out)
{
    struct frame *x = journal_frame_of(j, number);
    must(number >= j->durable && x->extent && !x->done && x->lsn_first == 0);
    j->rescuing = true;
    int rc = journal_append(j, kind, body_bytes, out);
    j->rescuing = false;
    if (rc != ERR_OK)
        return rc;
    x->lsn_first = out->lsn;
    j->extent_bytes -= x->used;
    return ERR_OK;
}

/* Neither an append nor a completion has a time of its own: the step behind it has. */
void
journal_extents_note(struct journal *j, uint64_t now_ns)
{
    struct journal_extent_times *t = &j->extent_times;
    for (uint32_t i = 0; i < t->ended; i++)
        t->ns[i] = now_ns - t->ended_ns[i];
    t->count = t->ended;
    t->ended = 0;
    if (t->seen < j->durable || t->seen > j->open) /* others took their places (journal_undo.c) */
        t->seen = j->durable;
    for (; t->seen < j->open; t->seen++) {
        struct frame *x = journal_frame_of(j, t->seen);
        if (x->extent && !x->submit_ns)
            x->submit_ns = now_ns;
    }
}

uint32_t
journal_extent_writes(const struct journal *j, const uint64_t **ns)
{
    *ns = j->extent_times.ns;
    return j->extent_times.count;
}
