/* store_room.c: room on the disk.  Produce is turned away while there is less of it than it takes
 * to bring everything from the journal to the segments, so nothing that was acknowledged is ever
 * without a place.
 *
 * A look asks the disk what is free and takes off what is promised: dirty batches, journal files
 * still to be made, two steps of allocation, and a reserve (checkpoints, directories, recovery).
 * What is left, shared by the cores, is the credit that appends use up until the next look.
 * I1 low: no append, no new log.  I2 credit is only given by a look.
 *
 * Work that meets a full disk all the same (others fill it too) is no failure: a write, an
 * allocation or a checkpoint that ended with ERR_NO_SPACE was not counted as done; it is done anew,
 * whole, after a pause.  The bytes stay in the arena and in the journal.  A sync that ends so is
 * another thing: what it should have saved may be gone, so it is an error like any other. */
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/store/store_in.h"

enum { ROOM_RESERVE = 16 << 20, ROOM_ENOUGH = 8 << 20 };
#define ROOM_LOOK_NS (200 * CLOCK_NS_PER_MS)

static uint64_t
promised(const struct store *s)
{
    return store_tail_dirty_bytes(s) + journal_missing(s->journal) + 2 * (uint64_t)STORE_STEP_MAX +
           ROOM_RESERVE;
}

static void
room_set(struct store *s, bool low, uint64_t free_bytes)
{
    struct room *r = &s->room;
    if (low == r->low)
        return;
    r->low = low;
    if (low)
        log_error("store",
                  "disk is nearly full: produce requests are refused until there is room core=%u "
                  "free=%llu wanted=%llu",
                  s->config.core, (unsigned long long)free_bytes,
                  (unsigned long long)(promised(s) + ROOM_ENOUGH));
    else
        log_info("store", "there is room on the disk again core=%u free=%llu", s->config.core,
                 (unsigned long long)free_bytes);
}

void
store_room_look(struct store *s)
{
    struct room *r = &s->room;
    struct disk_facts facts;
    s->disk->ops->facts(s->disk->self, 0, &facts);
    uint64_t need = promised(s);
    uint64_t spare = facts.free_bytes > need ? facts.free_bytes - need : 0;
    spare /= s->config.core_count;
    /* Back only with some distance, so that it does not go to and fro. */
    room_set(s, spare <= (r->low ? ROOM_ENOUGH : r->wanted), facts.free_bytes);
    r->credit = spare;
    r->wanted = 0;
    r->look_ns = s->now_ns + ROOM_LOOK_NS;
}

int
store_room_take(struct store *s, uint64_t bytes)
{
    struct room *r = &s->room;
    if (r->low)
        return ERR_NO_SPACE;
    if (r->credit < bytes) {
        r->wanted = bytes;
        r->look_ns = 0; /* the next turn looks */
        return ERR_AGAIN;
    }
    r->credit -= bytes;
    return ERR_OK;
}

void
store_room_hit(struct store *s)
{
    struct room *r = &s->room;
    r->hits++;
    r->credit = 0;
    r->retry_ns = s->now_ns + ROOM_LOOK_NS;
    struct disk_facts facts;
    s->disk->ops->facts(s->disk->self, 0, &facts);
    room_set(s, true, facts.free_bytes);
}

bool
store_room_waits(const struct store *s)
{
    return s->now_ns < s->room.retry_ns;
}

uint64_t
store_room_step(struct store *s)
{
    if (s->now_ns >= s->room.look_ns)
        store_room_look(s);
    return s->room.low ? s->room.look_ns : CLOCK_NEVER;
}

uint64_t
store_room_ahead(const struct store *s)
{
    uint64_t most = s->room.credit / 8;
    return s->room.low ? 0 : most < STORE_STEP_MAX ? most : STORE_STEP_MAX;
}
