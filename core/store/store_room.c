/* store_room.c: room on the disks.  Produce is turned away while there is less of it than it takes
 * to bring everything from the journal to the segments, so nothing that was acknowledged is ever
 * without a place.
 *
 * A look asks the disk what is free in each data directory and takes off what is promised: dirty
 * batches (as if all were of that directory), two steps of allocation, and a reserve (checkpoints,
 * directories, recovery); in the first directory also journal files still to be made.  What is
 * left, shared by the cores, is the credit that appends use up until the next look.
 * I1 low: no append to a log of that directory, no new log in it; while the first directory is low,
 * none anywhere.  I2 credit is only given by a look.
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
promised(const struct store *s, uint8_t dir)
{
    return store_tail_dirty_bytes(s) + (dir == 0 ? journal_missing(s->journal) : 0) +
           2 * (uint64_t)STORE_STEP_MAX + ROOM_RESERVE;
}

static void
room_set(struct store *s, uint8_t dir, bool low)
{
    struct room *r = &s->rooms[dir];
    if (low == r->low)
        return;
    r->low = low;
    if (low)
        log_error("store",
                  "disk is nearly full: produce requests are refused until there is room core=%u "
                  "directory=%u free=%llu wanted=%llu",
                  s->config.core, dir, (unsigned long long)r->free,
                  (unsigned long long)(promised(s, dir) + ROOM_ENOUGH));
    else
        log_info("store", "there is room on the disk again core=%u directory=%u free=%llu",
                 s->config.core, dir, (unsigned long long)r->free);
}

static void
room_ask(struct store *s, uint8_t dir)
{
    struct disk_facts facts;
    s->disk->ops->facts(s->disk->self, dir, &facts);
    s->rooms[dir].free = facts.free_bytes;
}

static void
look_at(struct store *s, uint8_t dir)
{
    struct room *r = &s->rooms[dir];
    r->look_ns = s->now_ns + ROOM_LOOK_NS;
    if (!s->dirs.dirs[dir].online)
        return;
    room_ask(s, dir);
    uint64_t need = promised(s, dir);
    uint64_t spare = (r->free > need ? r->free - need : 0) / s->config.core_count;
    /* Back only with some distance, so that it does not go to and fro. */
    room_set(s, dir, spare <= (r->low ? ROOM_ENOUGH : r->wanted));
    r->credit = spare;
    r->wanted = 0;
}

void
store_room_look(struct store *s)
{
    for (uint32_t i = 0; i < s->dirs.count; i++)
        look_at(s, (uint8_t)i);
}

int
store_room_take(struct store *s, uint8_t dir, uint64_t bytes)
{
    struct room *r = &s->rooms[dir];
    if (r->low || s->rooms[0].low)
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
store_room_give(struct store *s, uint8_t dir, uint64_t bytes)
{
    s->rooms[dir].credit += bytes;
}

void
store_room_hit(struct store *s, uint8_t dir)
{
    struct room *r = &s->rooms[dir];
    s->room_hits++;
    r->credit = 0;
    r->retry_ns = s->now_ns + ROOM_LOOK_NS;
    room_ask(s, dir);
    room_set(s, dir, true);
}

bool
store_room_waits(const struct store *s, uint8_t dir)
{
    return s->now_ns < s->rooms[dir].retry_ns;
}

uint64_t
store_room_step(struct store *s)
{
    uint64_t next = CLOCK_NEVER;
    for (uint32_t i = 0; i < s->dirs.count; i++) {
        const struct room *r = &s->rooms[i];
        if (s->now_ns >= r->look_ns)
            look_at(s, (uint8_t)i);
        if (r->low && r->look_ns < next)
            next = r->look_ns;
    }
    return next;
}

uint64_t
store_room_ahead(const struct store *s, uint8_t dir)
{
    const struct room *r = &s->rooms[dir];
    uint64_t most = r->credit / 8;
    return r->low ? 0 : most < STORE_STEP_MAX ? most : STORE_STEP_MAX;
}

bool
store_room_whole(struct store *s, uint8_t dir, uint64_t bytes)
{
    struct room *r = &s->rooms[dir];
    if (r->low || bytes > r->credit / 2)
        return false;
    r->credit -= bytes;
    return true;
}
