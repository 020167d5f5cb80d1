/* store_extent.c: large batches go straight to their segment, and only a record of them to the
 * journal.
 *
 *        segment  ....|head|    interior: whole blocks    |tail|....
 *   EXTENT record: u64 log, i64 segment base, u32 position, u32 bytes, u32 crc-32c of the interior,
 *   the batch header (61 bytes), zeros up to byte 96, head, tail
 *
 * The batch is copied once (fill.c), into the arena, at an address that equals its position modulo
 * 4096, so that its interior is written from there with O_DIRECT and RWF_DSYNC while the frame with
 * the record is written too; it is durable when both are (journal_extent.c), and so are the
 * batches behind it in its log; those of other logs do not wait for it.  Write-back later
 * writes the blocks at its ends, whose other bytes are of the neighbours, and never the interior.
 *
 * One large batch behind the other: while nobody has written the end of the batch before it, an
 * extent takes these bytes along and writes its first block too (`shared`).  In a stream of large
 * batches each block is so written once, by one write a batch, and write-back has nothing to do.
 *
 * E1 the segment's file is allocated up to the end of an extent, and its name durable, before the
 *    extent is taken: the write changes no size.  A job sees to that ahead; until then batches take
 *    the way through the journal.
 * E2 an extent that cannot be written is journaled after all (STORE_REC_AGAIN): then it is a batch
 *    like any other, and write-back finds out whether the partition goes on.
 * E3 a shared block has one writer at a time: an extent takes it only from behind all that a
 *    write-back under way takes (plog.write_limit), and write-back leaves it alone until that
 * extent is durable or has failed.  The record has the head, and that of the batch before it the
 * end, as without sharing: recovery knows nothing of it, and no checkpoint counts on these bytes
 * before.
 *
 * Recovery takes a bad interior for damage when the record is known to have been acknowledged, and
 * for the torn end of the log otherwise (store_replay_extent.c). */
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/store/store_replay_in.h"

#include <stdio.h>

enum {
    EXTENT_AHEAD_MIN = 4 << 20, /* allocated ahead of a segment, doubling */
    EXTENT_AHEAD_MAX = 64 << 20,
};
enum { EXTENT_WRITE, EXTENT_AGAIN, EXTENT_JOURNALED };
enum { READY_ALLOCATE = JOB_OPENED + 1, READY_OWN, READY_TOPIC, READY_LOG };

/* ---- the file is made ready --------------------------------------------------------------------
 */

static uint64_t
ahead(const struct segment *seg)
{
    uint64_t n = seg->allocated;
    return n < EXTENT_AHEAD_MIN ? EXTENT_AHEAD_MIN : n > EXTENT_AHEAD_MAX ? EXTENT_AHEAD_MAX : n;
}

static void
ready_begin(struct store *s, struct plog *p, struct segment *seg)
{
    if (seg->readying || s->ending || p->draining || store_room_waits(s, p->dir) ||
        !store_job_room(s))
        return;
    struct job *j = store_job(s, JOB_READY, p, seg);
    if (!j)
        return;
    seg->readying = true;
    store_job_open(s, j);
}

static void
ready_end(struct store *s, struct job *j)
{
    struct segment *seg = j->seg;
    struct plog *p = j->log;
    seg->readying = false;
    if (j->result == ERR_NO_SPACE)
        store_room_hit(s, p->dir);
    else if (j->result < 0 && !p->dead)
        store_offline(s, p, (int)j->result, "making a file ready");
    store_job_end(s, j);
    if (seg != plog_last(p) && seg->written == seg->bytes && !p->dead)
        store_seal_begin(s, p, seg); /* it waited for us */
}

static void
ready_sync_dir(struct store *s, struct job *j, uint32_t step)
{
    j->step = step;
    store_job_run(s, j, &(struct disk_op){.kind = DISK_SYNC_DIR, .path = j->path});
}

void
store_ready_next(struct store *s, struct job *j)
{
    struct segment *seg = j->seg;
    struct plog *p = j->log;
    if (j->result < 0 || p->dead || p->state == PLOG_OFFLINE) {
        ready_end(s, j);
        return;
    }
    switch (j->step) {
    case JOB_OPENED: {
        uint64_t most = store_room_ahead(s, p->dir), more = ahead(seg);
        uint64_t want = seg->allocated + (more < most ? more : most) / STORE_BLOCK * STORE_BLOCK;
        uint64_t limit = plog_round_block(p->config.segment_bytes);
        if (want > limit)
            want = limit;
        if (want > seg->allocated && seg == plog_last(p)) {
            j->step = READY_ALLOCATE;
            store_job_run(
                s, j, &(struct disk_op){.kind = DISK_ALLOCATE, .file = seg->file, .length = want});
            return;
        }
        break;
    }
    case READY_ALLOCATE:
        if (j->op.length > seg->allocated)
            seg->allocated = j->op.length;
        break;
    case READY_OWN:
        plog_path_topic(p, j->path);
        ready_sync_dir(s, j, READY_TOPIC);
        return;
    case READY_TOPIC:
        snprintf(j->path, sizeof j->path, "log");
        ready_sync_dir(s, j, READY_LOG);
        return;
    default:
        seg->named = true;
    }
    if (seg->named) {
        ready_end(s, j);
        return;
    }
    plog_path_dir(p, j->path);
    ready_sync_dir(s, j, READY_OWN);
}

bool
store_extent_wanted(struct store *s, struct plog *p, struct segment *seg, uint32_t bytes)
{
    if (bytes < s->config.extent_bytes_min || s->config.extent_bytes_min == 0 ||
        s->jobs_used == STORE_JOBS_MAX || p->draining)
        return false;
    uint64_t end = plog_round_block((uint64_t)seg->bytes + bytes);
    bool ready = seg->file >= 0 && seg->named && seg->allocated >= end;
    if (!ready || (seg->allocated < end + ahead(seg) / 2 &&
                   seg->allocated < plog_round_block(p->config.segment_bytes)))
        ready_begin(s, p, seg);
    return ready;
}

/* ---- an extent ---------------------------------------------------------------------------------
 */

uint32_t
store_extent_first(uint32_t pos)
{
    return (uint32_t)plog_round_block(pos);
}

uint32_t
store_extent_limit(uint32_t pos, uint32_t len)
{
    return (pos + len) / STORE_BLOCK * STORE_BLOCK;
}

int
store_extent_take(struct store *s, uint32_t pos, uint32_t len, struct journal_extent *x)
{
    if (s->extents == STORE_EXTENTS_MAX)
        return ERR_AGAIN;
    uint32_t head = store_extent_first(pos) - pos;
    uint32_t tail = pos + len - store_extent_limit(pos, len);
    *x = (struct journal_extent){.bytes = len, .phase = pos % STORE_BLOCK};
    int rc =
        journal_extent_append(s->journal, STORE_REC_EXTENT, STORE_EXTENT_PREFIX + head + tail, x);
    if (rc != ERR_LIMIT && rc != ERR_AGAIN)
        return rc;
    return s->extents ? ERR_AGAIN : ERR_LIMIT; /* nothing to wait for: through the journal */
}

uint32_t
store_extent_from(const struct tail_entry *e)
{
    return e->shared ? e->pos : store_extent_first(e->pos);
}

/* Takes the end of the batch before it along, when all that its first block has is in that batch
 * and nothing of it was written (E3); bytes in front of the interior. */
static uint32_t
share_first(struct store *s, struct plog *p, const struct segment *seg, struct tail_entry *e,
            uint64_t before, uint8_t *at)
{
    const struct tail_entry *b = before ? store_entry(s, before) : NULL;
    uint32_t front = e->pos % STORE_BLOCK;
    uint32_t block = e->pos - front;
    if (!front || !b || b->written || b->base < seg->base || b->len < front ||
        seg->written > block || (p->writing && p->write_limit > block))
        return 0;
    must(b->pos + b->len == e->pos);
    memcpy(at - front, journal_at(s->journal, b->place) + b->len - front, front);
    p->dirty_bytes -= STORE_BLOCK - front;
    e->shared = true;
    return STORE_BLOCK;
}

/* Does what follows it in its log wait for it? */
static bool
holds(void)
{
    return !mutant(MUTANT_EXTENT_NOT_AWAITED) && !mutant(MUTANT_OWN_EXTENT_NOT_AWAITED);
}

static uint32_t
flight_begin(struct store *s, struct plog *p, int64_t base)
{
    uint32_t i = 0;
    while (s->flights[i].log)
        i++;
    must(i < STORE_EXTENTS_MAX);
    s->flights[i] = (struct extent_flight){p, base};
    s->extents++;
    if (p->extents == 0)
        p->hold = base;
    p->extents += holds();
    return i;
}

static void
flight_end(struct store *s, uint32_t flight)
{
    struct plog *p = s->flights[flight].log;
    s->flights[flight].log = NULL;
    s->extents--;
    p->extents -= holds();
    p->hold = INT64_MAX;
    for (uint32_t i = 0; p->extents && i < STORE_EXTENTS_MAX; i++)
        if (s->flights[i].log == p && s->flights[i].base < p->hold)
            p->hold = s->flights[i].base;
    if (!p->dead)
        store_log_durable(s, p);
}

void
store_extent_go(struct store *s, struct plog *p, struct segment *seg, uint64_t entry,
                uint64_t before, struct store_landing *land)
{
    const struct journal_extent *x = &land->x;
    struct tail_entry *e = store_entry(s, entry);
    uint32_t first = store_extent_first(e->pos), limit = store_extent_limit(e->pos, e->len);
    uint32_t head = first - e->pos, tail = e->pos + e->len - limit;
    uint8_t *body = x->slot.body;
    store_record_place(
        body, &(struct batch_place){.log = p->id, .base = seg->base, .pos = e->pos, .len = e->len});
    set_u32(body + 24, fill_blocks_crc(&land->fill, first, limit));
    e->pieces = fill_keep(&land->fill);
    memcpy(body + 28, x->at, BATCH_HEADER_BYTES);
    memset(body + 28 + BATCH_HEADER_BYTES, 0, STORE_EXTENT_PREFIX - 28 - BATCH_HEADER_BYTES);
    memcpy(body + STORE_EXTENT_PREFIX, x->at, head);
    memcpy(body + STORE_EXTENT_PREFIX + head, x->at + e->len - tail, tail);
    uint32_t more = share_first(s, p, seg, e, before, x->at);
    struct job *j = store_job(s, JOB_EXTENT, p, seg);
    must(j); /* store_extent_wanted saw one */
    j->holds_file = true;
    seg->busy++;
    j->extent = x->number;
    j->entry = entry;
    j->place = x->place;
    j->from = e->pos;
    j->len = e->len;
    j->step = EXTENT_WRITE;
    j->flight = flight_begin(s, p, e->base);
    s->stats.extents++;
    s->stats.extent_bytes += limit - first + more;
    store_job_run(s, j,
                  &(struct disk_op){.kind = DISK_WRITE,
                                    .flags = DISK_DURABLE,
                                    .file = seg->file,
                                    .at = x->at + head - more,
                                    .len = limit - first + more,
                                    .offset = first - more});
    if (mutant(MUTANT_EXTENT_NOT_AWAITED))
        journal_extent_end(s->journal, x->number);
}

static void
extent_end(struct store *s, struct job *j)
{
    flight_end(s, j->flight);
    store_job_end(s, j);
}

/* E2: puts the batch into the journal; later when there is no room.  It has ended when that is
 * written. */
static void
extent_again(struct store *s, struct job *j)
{
    struct journal_slot slot;
    int rc = journal_extent_rescue(s->journal, j->extent, STORE_REC_AGAIN,
                                   STORE_PLACE_BYTES + j->len, &slot);
    store_tail_evict(s);
    if (rc != ERR_OK)
        return;
    store_record_place(slot.body,
                       &(struct batch_place){
                           .log = j->log->id, .base = j->seg->base, .pos = j->from, .len = j->len});
    memcpy(slot.body + STORE_PLACE_BYTES, journal_at(s->journal, j->place), j->len);
    j->step = EXTENT_JOURNALED;
    j->lsn = slot.lsn;
}

static void
extent_failed(struct store *s, struct job *j)
{
    char path[PLOG_PATH_BYTES];
    plog_path_segment(j->log, j->seg->base, ".log", path);
    log_warn("store", "a batch goes through the journal: write failed path=%s position=%u error=%s",
             path, j->from, err_name((int)j->result));
    if (j->result == ERR_NO_SPACE)
        store_room_hit(s, j->log->dir);
    struct tail_entry *e = store_entry(s, j->entry);
    must(e && e->extent);
    if (!e->written)
        j->log->dirty_bytes += store_extent_limit(e->pos, e->len) - store_extent_from(e);
    e->extent = e->shared = false;
    s->extents_failed++;
    j->step = EXTENT_AGAIN;
    extent_again(s, j);
}

void
store_extent_next(struct store *s, struct job *j)
{
    if (mutant(MUTANT_EXTENT_NOT_AWAITED)) {
        extent_end(s, j);
        return;
    }
    if (j->result < 0) {
        extent_failed(s, j);
        return;
    }
    journal_extent_end(s->journal, j->extent);
    extent_end(s, j);
}

uint32_t
store_extent_writes(const struct store *s, const uint64_t **ns)
{
    return journal_extent_writes(s->journal, ns);
}

void
store_extent_step(struct store *s)
{
    uint64_t written = journal_written_lsn(s->journal);
    for (uint32_t i = 0; s->extents_failed && i < STORE_JOBS_MAX; i++) {
        struct job *j = &s->jobs[i];
        if (!j->used || j->kind != JOB_EXTENT)
            continue;
        if (j->step == EXTENT_AGAIN)
            extent_again(s, j);
        if (j->step != EXTENT_JOURNALED || j->lsn > written)
            continue;
        s->extents_failed--;
        extent_end(s, j);
    }
}
