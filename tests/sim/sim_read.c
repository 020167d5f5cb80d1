/* sim_read.c: readers.  Whatever they get must be batches of the model, byte for byte; what they
 * got counts as seen, and must be there for ever.
 *
 * A reader that is told to come back does so when the store hands its waiter back (store_hold,
 * store_find_time), or its log (store_locate), and not before: as the broker does.  One that waits
 * while the store has nothing under way would wait for ever.
 *
 * sim_read is one that nothing else is done for.  Some lives have readers that go on beside all
 * work, a step a turn, each from a place of its own:
 *
 *   idle -> locating -> holding (a turn or two) -> ... the range has come -> locating or idle
 *
 * In some of those lives a reader may hold what it got for hundreds of turns, as for a peer that
 * vanished: others go on.
 */
#include "core/base/crc32c.h"
#include "core/base/err.h"
#include "tests/sim/sim.h"

#include <string.h>

enum {
    READ_TURNS_MAX = 20000,
    READ_IDLE_TURNS = 20,
    READ_PAUSE_TURNS = 64,
    READ_BESIDE = 4,
    READ_BESIDE_BYTES = 16 << 10,
    READER_PIECE_BYTES = 96 << 10,
    READER_BYTES = READER_PIECE_BYTES + SIM_BATCH_BYTES_MAX,
    READER_WAITER = SIM_WAITER + 2, /* and on: each time that one asks has a number of its own */
    READER_KEEPS_TURNS = 3,
    READER_KEEPS_LONG = 400, /* a peer that vanished */
};

/* ---- waiting -----------------------------------------------------------------------------------
 */

/* Nothing is under way whose end could be a reason to come back. */
static bool
store_rests(const struct store *store)
{
    bool reads = !store_job_room(store) || store->ready_count ||
                 (store->move.run && store->move.phase == MOVE_SHUT);
    for (uint32_t i = 0; i < STORE_JOBS_MAX && !reads; i++) {
        const struct job *j = &store->jobs[i];
        reads = j->used && (j->kind == JOB_READ || j->kind == JOB_INDEX || j->kind == JOB_LARGE);
    }
    return !reads;
}

/* Counts turns in which nothing happened; fails when they are too many. */
static void
wait_check(struct sim *s, const struct store *store, struct sim_wait *w, const char *what)
{
    w->turns++;
    w->idle = store_rests(store) && s->holds == 0 ? w->idle + 1 : 0;
    if (w->idle > READ_IDLE_TURNS)
        sim_fail(s, "%s waits, and nobody will tell it to go on", what);
    if (w->turns > READ_TURNS_MAX)
        sim_fail(s, "%s never ends", what);
}

void
sim_readers_told(struct sim *s, struct store *store)
{
    uint64_t waiter;
    const struct plog *p;
    while ((p = store_take_changed(store)))
        for (uint32_t i = 0; i < s->log_count; i++)
            if (s->logs[i].state == SIM_THERE && sim_plog(s, &s->logs[i]) == p)
                s->logs[i].changes++;
    while (store_take_read(store, &waiter)) {
        s->told = s->told || waiter == SIM_WAITER;
        for (uint32_t i = 0; i < SIM_READERS_MAX; i++)
            if (s->readers[i].waiter == waiter)
                s->readers[i].told = true;
    }
}

/* False: it is over. */
static bool
wait_turn(struct sim *s, const struct store *store, struct sim_wait *w, const char *what)
{
    sim_turns(s, 1);
    if (sim_over(s))
        return false;
    wait_check(s, store, w, what);
    return true;
}

bool
sim_wait_read(struct sim *s, struct store *store, const char *what)
{
    struct sim_wait w = {0};
    for (s->told = false; !s->told;)
        if (!wait_turn(s, store, &w, what))
            return false;
    return true;
}

bool
sim_wait_log(struct sim *s, struct store *store, const struct sim_log *l, const char *what)
{
    struct sim_wait w = {0};
    for (uint32_t before = l->changes; l->changes == before;)
        if (!wait_turn(s, store, &w, what))
            return false;
    return true;
}

/* ---- one reader --------------------------------------------------------------------------------
 */

bool
sim_read_excused(struct sim *s, const struct sim_log *l, int rc, int64_t offset)
{
    struct disk_hit hit;
    disk_mem_hit(s->disk, &hit);
    if (sim_over(s) || sim_storage_excused(s, l) || l->damaged ||
        (s->faults == SIM_FAULT_REST && hit.count))
        return true;
    sim_fail(s, "log %d: read at %lld: %s", l->partition, (long long)offset, err_name(rc));
}

bool
sim_nothing_excused(struct sim *s, const struct sim_log *l, const struct plog *p, int64_t offset)
{
    if (p->state == PLOG_OFFLINE) /* the rest is in the journal only, and nobody asks for it */
        return sim_read_excused(s, l, ERR_IO, offset);
    sim_fail(s, "log %d: nothing at %lld", l->partition, (long long)offset);
}

/* Another reader comes while memory is held, and may begin reads; what it gets is not looked at. */
static void
read_beside(struct sim *s)
{
    const struct sim_log *l = &s->logs[sim_below(s, s->log_count)];
    struct plog *p = l->state == SIM_THERE ? sim_plog(s, l) : NULL;
    struct store_range range;
    struct store_hold hold;
    if (!p || l->count == 0)
        return;
    int64_t from = l->batches[sim_below(s, l->count)].base;
    if (store_locate(sim_store(s, l), p, from, INT64_MAX, READ_BESIDE_BYTES, true, &range) ==
            ERR_OK &&
        store_hold(sim_store(s, l), &range, SIM_WAITER_BESIDE, &hold) == ERR_OK)
        store_release(sim_store(s, l), &hold);
}

static uint32_t
hold_copy(const struct store_hold *hold, uint8_t *to)
{
    uint32_t fill = 0;
    for (uint32_t i = 0; i < hold->span_count; fill += hold->spans[i++].len)
        memcpy(to + fill, hold->spans[i].at, hold->spans[i].len);
    return fill;
}

static void
hold_compare(const struct sim *s, const struct store_hold *hold, const uint8_t *at)
{
    for (uint32_t i = 0; i < hold->span_count; at += hold->spans[i++].len)
        if (memcmp(at, hold->spans[i].at, hold->spans[i].len) != 0)
            sim_fail(s, "held memory changed");
}

int
sim_range_bytes(struct sim *s, struct store *store, const struct store_range *range)
{
    struct store_range left = *range;
    uint8_t *to = s->bytes;
    while (left.len) {
        struct store_hold hold;
        int rc = store_hold(store, &left, SIM_WAITER, &hold);
        if (rc == ERR_AGAIN && !sim_wait_read(s, store, "a read"))
            return ERR_IO;
        if (rc == ERR_AGAIN)
            continue;
        if (rc != ERR_OK)
            return rc;
        s->holds++;
        hold_copy(&hold, to);
        left.at += hold.bytes;
        left.len -= hold.bytes;
        for (uint32_t k = 0; s->crowded && !sim_over(s) && k < READ_BESIDE; k++, sim_turns(s, 1))
            read_beside(s);
        if (sim_chance(s, 4)) /* memory that is held must not change */
            sim_turns(s, 1);
        hold_compare(s, &hold, to);
        to += hold.bytes;
        store_release(store, &hold);
        s->holds--;
    }
    return ERR_OK;
}

static void
range_compare(struct sim *s, struct sim_log *l, const struct store_range *range, int64_t offset,
              const uint8_t *bytes)
{
    const struct sim_batch *b = sim_at(l, offset);
    if (!b || range->offset_first != b->base)
        sim_fail(s, "log %d: offset %lld is found at %lld", l->partition, (long long)offset,
                 (long long)range->offset_first);
    uint32_t at = 0;
    const struct sim_batch *limit = l->batches + l->count;
    for (; at < range->len; b++) {
        if (b == limit || b->len > range->len - at)
            sim_fail(s, "log %d: more bytes than were produced, at %lld", l->partition,
                     (long long)offset);
        if (crc32c(0, bytes + at, b->len) != b->crc)
            sim_fail(s, "log %d: wrong bytes at offset %lld (%u bytes)", l->partition,
                     (long long)b->base, b->len);
        at += b->len;
        offset = b->base + b->records;
    }
    if (offset != range->offset_limit)
        sim_fail(s, "log %d: a range ends at %lld, its bytes at %lld", l->partition,
                 (long long)range->offset_limit, (long long)offset);
    if (l->seen < offset)
        l->seen = offset;
    s->reads++;
}

bool
sim_read(struct sim *s, struct sim_log *l, int64_t from, int64_t limit, uint32_t piece)
{
    if (l->config.cleanup_compact)
        return sim_clean_read(s, l, from, limit, piece);
    struct store *store = sim_store(s, l);
    struct plog *p = sim_plog(s, l);
    for (int64_t offset = from; offset < limit;) {
        struct store_range range;
        int rc = store_locate(store, p, offset, INT64_MAX, piece, true, &range);
        if (rc == ERR_AGAIN && !sim_wait_log(s, store, l, "a search for an offset"))
            return false;
        if (rc == ERR_AGAIN)
            continue;
        if (rc == ERR_OK && range.len == 0)
            return !sim_nothing_excused(s, l, p, offset);
        if (rc == ERR_OK)
            rc = sim_range_bytes(s, store, &range);
        if (rc == ERR_NOT_FOUND && p->start > offset) {
            offset = p->start; /* moved up meanwhile */
            continue;
        }
        if (rc != ERR_OK)
            return !sim_read_excused(s, l, rc, offset);
        range_compare(s, l, &range, offset, s->bytes);
        offset = range.offset_limit;
    }
    return true;
}

/* ---- readers beside all work -------------------------------------------------------------------
 */

static uint8_t reader_bytes[SIM_READERS_MAX][READER_BYTES];

/* Draws of its own: what else is done in a life does not depend on its readers. */
static uint32_t
reader_below(struct sim *s, uint32_t limit)
{
    s->reader_rng ^= s->reader_rng << 13;
    s->reader_rng ^= s->reader_rng >> 7;
    s->reader_rng ^= s->reader_rng << 17;
    return (uint32_t)((s->reader_rng * UINT64_C(0x2545f4914f6cdd1d) >> 32) * limit >> 32);
}

static void
reader_release(struct sim *s, struct sim_reader *r)
{
    if (r->state != SIM_READER_HOLDING)
        return;
    store_release(r->store, &r->hold);
    s->holds--;
}

static void
reader_drop(struct sim *s, struct sim_reader *r)
{
    reader_release(s, r);
    *r = (struct sim_reader){.state = SIM_READER_IDLE};
}

static void
reader_begin(struct sim *s, struct sim_reader *r)
{
    struct sim_log *l = &s->logs[reader_below(s, s->log_count)];
    struct plog *p = l->state == SIM_THERE && !l->config.cleanup_compact ? sim_plog(s, l) : NULL;
    struct plog_facts facts;
    if (!p)
        return;
    plog_facts(p, &facts);
    if (facts.state != PLOG_ONLINE || facts.high_watermark <= facts.log_start_offset)
        return;
    uint32_t room = (uint32_t)(facts.high_watermark - facts.log_start_offset);
    *r = (struct sim_reader){.state = SIM_READER_LOCATING,
                             .log = l,
                             .serial = p->serial,
                             .store = sim_store(s, l),
                             .offset = facts.log_start_offset + reader_below(s, room),
                             .changes = l->changes - 1};
}

static void
reader_locate(struct sim *s, struct sim_reader *r, struct plog *p, bool pause)
{
    if (pause && r->wait.turns == 0 && r->changes != r->log->changes) {
        reader_drop(s, r);
        return;
    }
    if (r->changes == r->log->changes) {
        wait_check(s, r->store, &r->wait, "a reader's search for an offset");
        return;
    }
    uint32_t piece = 1 + reader_below(s, READER_PIECE_BYTES);
    r->changes = r->log->changes;
    r->wait = (struct sim_wait){0};
    int rc = store_locate(r->store, p, r->offset, INT64_MAX, piece, true, &r->range);
    if (rc == ERR_AGAIN)
        return;
    if (rc != ERR_OK) {
        if (rc != ERR_NOT_FOUND || r->offset >= p->start)
            sim_read_excused(s, r->log, rc, r->offset);
        reader_drop(s, r);
        return;
    }
    if (r->range.len == 0) { /* it has come to the end */
        reader_drop(s, r);
        return;
    }
    must(r->range.len <= READER_BYTES);
    r->left = r->range;
    r->told = true;
    r->state = SIM_READER_TAKING;
}

static void
reader_take(struct sim *s, struct sim_reader *r, struct plog *p)
{
    if (!r->told) {
        wait_check(s, r->store, &r->wait, "a reader");
        return;
    }
    r->told = false;
    r->wait = (struct sim_wait){0};
    r->waiter = READER_WAITER + ++s->waits;
    /* As for a fetch of another core: what is there at once, and what must be waited for then. */
    int rc = ERR_AGAIN;
    if (r->left.len == r->range.len)
        rc = store_hold_ready(r->store, &r->left, true, &r->hold);
    if (rc == ERR_AGAIN)
        rc = store_hold(r->store, &r->left, r->waiter, &r->hold);
    if (rc == ERR_AGAIN)
        return;
    if (rc != ERR_OK) {
        if (rc != ERR_NOT_FOUND || r->offset >= p->start)
            sim_read_excused(s, r->log, rc, r->offset);
        reader_drop(s, r);
        return;
    }
    hold_copy(&r->hold, reader_bytes[r - s->readers] + (r->range.len - r->left.len));
    s->holds++;
    bool vanished = s->vanishing && reader_below(s, 4) == 0;
    r->keeps = reader_below(s, vanished ? READER_KEEPS_LONG : READER_KEEPS_TURNS);
    r->state = SIM_READER_HOLDING;
}

static void
reader_advance(struct sim *s, struct sim_reader *r)
{
    uint8_t *bytes = reader_bytes[r - s->readers];
    hold_compare(s, &r->hold, bytes + (r->range.len - r->left.len));
    if (r->keeps-- > 0)
        return;
    uint32_t n = r->hold.bytes;
    reader_release(s, r);
    r->state = SIM_READER_TAKING;
    r->told = true;
    r->left.at += n;
    r->left.len -= n;
    if (r->left.len)
        return;
    range_compare(s, r->log, &r->range, r->offset, bytes);
    r->offset = r->range.offset_limit;
    r->state = reader_below(s, 4) ? SIM_READER_LOCATING : SIM_READER_IDLE;
    r->changes = r->log->changes - 1;
}

void
sim_readers_step(struct sim *s)
{
    /* Who waits must be told though nobody else reads. */
    bool pause = s->turn++ / READ_PAUSE_TURNS % 2;
    for (uint32_t i = 0; i < s->reader_count && !sim_over(s); i++) {
        struct sim_reader *r = &s->readers[i];
        struct plog *p = NULL;
        if (r->state != SIM_READER_IDLE && r->log->state == SIM_THERE)
            p = sim_plog(s, r->log);
        if (r->state != SIM_READER_IDLE && (!p || p->serial != r->serial))
            reader_drop(s, r); /* deleted */
        switch (r->state) {
        case SIM_READER_LOCATING:
            reader_locate(s, r, p, pause);
            break;
        case SIM_READER_TAKING:
            reader_take(s, r, p);
            break;
        case SIM_READER_HOLDING:
            reader_advance(s, r);
            break;
        default:
            if (!pause && reader_below(s, 4) == 0)
                reader_begin(s, r);
        }
    }
}

void
sim_readers_end(struct sim *s)
{
    for (uint32_t i = 0; i < s->reader_count; i++)
        reader_drop(s, &s->readers[i]);
    s->holds = 0;
}
