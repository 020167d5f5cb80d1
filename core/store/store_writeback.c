/* store_writeback.c: durable batches from the cache into segment files, off the ack path.
 *
 * One write of a log is in flight at a time; it gathers contiguous batches into a bounce buffer.
 * Direct writes are whole 4 KiB blocks: the partial block at the end is padded with zeros,
 * remembered, and written again, with the same bytes in front, by the next write.  That assumes
 * that a torn write leaves each 512-byte sector old or new: the old bytes may no longer be in the
 * journal.  The STORE_BLOCKS_MAX logs written last have their block in memory; another one reads
 * it from its file first.
 *
 * A log is written when it has STORE_WRITE_GOOD_BYTES dirty, when its oldest dirty batch is
 * WRITE_AGE_NS old, when the arena is half dirty, or when a checkpoint waits for it.  A write of
 * several blocks leaves the partial one at its end to the next, which comes WRITE_AGE_NS later at
 * the latest: so a log that grows writes each block once.  The batch whose end is left is dirty
 * like any other: in the journal, in the cache, and below no checkpoint (plog_in.h, I3).  Nothing
 * is left for a checkpoint, a stop, the end of a move, and of a segment that grows no more.
 *
 * Space is allocated ahead in growing steps (1 MiB doubling to 16 MiB, less when the disk gets
 * full), so that ten thousand small logs do not eat the disk; with `preallocate` at
 * once, where half of the free room is enough for it.  A full segment is cut to its length,
 * synced, and its index thinned.  A full disk takes no log offline (store_room.c): the batches stay
 * dirty. */
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/store/store_in.h"

enum {
    WRITE_STEP_FIRST = 1 << 20,
    WRITE_STEP_LEAST = 64 << 10,
};
#define WRITE_AGE_NS (CLOCK_NS_PER_S)

enum { WRITE_BLOCK = JOB_OPENED + 1, WRITE_ALLOCATE, WRITE_DATA };
enum { SEAL_CUT = JOB_OPENED + 1, SEAL_SYNC };

static uint8_t *
block_of(const struct store *s, const struct plog *p)
{
    return s->blocks + (uint64_t)p->block * STORE_BLOCK;
}

/* Gives a log that is being written a block of its own, if it has none: the next one that is not
 * in use.  There are more of them than writes. */
static void
block_take(struct store *s, struct plog *p)
{
    if (p->block != PLOG_BLOCK_NONE)
        return;
    struct plog *old;
    do {
        s->block_hand = (s->block_hand + 1) % STORE_BLOCKS_MAX;
        old = s->block_owners[s->block_hand];
    } while (old && old->writing);
    if (old)
        store_block_drop(s, old);
    s->block_owners[s->block_hand] = p;
    p->block = (uint16_t)s->block_hand;
}

void
store_block_drop(struct store *s, struct plog *p)
{
    if (p->block == PLOG_BLOCK_NONE)
        return;
    s->block_owners[p->block] = NULL;
    p->block = PLOG_BLOCK_NONE;
    p->block_known = false;
}

static struct tail_entry *
durable_entry(const struct store *s, uint64_t seq)
{
    return seq && seq < s->tail.durable ? store_entry(s, seq) : NULL;
}

/* Its extent has put the bytes at a position into the file. */
static bool
in_file(const struct tail_entry *e, uint32_t pos)
{
    return e->extent && pos >= store_extent_from(e) && pos < store_extent_limit(e->pos, e->len);
}

/* Where the part of it ends that is not in a block which the extent behind it writes. */
static uint32_t
own_limit(const struct store *s, const struct tail_entry *e)
{
    const struct tail_entry *next = e->next ? store_entry(s, e->next) : NULL;
    uint32_t limit = e->pos + e->len;
    return next && next->shared && !mutant(MUTANT_SHARED_BLOCK_PADDED)
               ? limit / STORE_BLOCK * STORE_BLOCK
               : limit;
}

/* Bytes from a position on that write-back has to write: never what extents do. */
static uint32_t
part_of(const struct store *s, const struct tail_entry *e, uint32_t pos)
{
    uint32_t from = store_extent_from(e), limit = own_limit(s, e);
    if (in_file(e, pos) || pos >= limit)
        return 0;
    return e->extent && pos < from ? from - pos : limit - pos;
}

static void
passed(struct store *s, struct segment *seg, const struct tail_entry *e, uint32_t to)
{
    struct fill_batch b = {journal_at(s->journal, e->place), e->pos, e->len, e->pieces};
    if (seg->sums.bytes == seg->written)
        fill_sum(&s->fills, &b, seg->written, to, &seg->sums);
    seg->written = to;
    if (list_empty(&seg->sync_node))
        list_push_back(&s->unsynced, &seg->sync_node);
}

/* Moves written over what extents put into the file, and takes leave of what is all there.  True
 * when bytes of the segment are still to be written. */
static bool
advance(struct store *s, struct plog *p, struct segment *seg)
{
    int64_t limit = plog_segment_limit(p, seg);
    for (struct tail_entry *e; (e = durable_entry(s, p->dirty_first)) && e->base < limit;) {
        if (in_file(e, seg->written))
            passed(s, seg, e, store_extent_limit(e->pos, e->len));
        if (seg->written < e->pos + e->len && seg->written == own_limit(s, e) &&
            durable_entry(s, e->next))
            passed(s, seg, e, e->pos + e->len);
        if (e->pos + e->len > seg->written) {
            e->written = mutant(MUTANT_LEFT_NOT_KEPT) && seg->written > e->pos;
            return true;
        }
        e->written = true;
        p->dirty_bytes -= store_entry_dirty(e);
        p->dirty_first = e->next;
    }
    return false;
}

/* After written moved: the cache may let go, and a full segment is sealed. */
static void
settle(struct store *s, struct plog *p, struct segment *seg)
{
    list_remove(&p->dirty_node);
    if (p->dirty_first) {
        p->dirty_since_ns = s->now_ns;
        list_push_back(&s->dirty, &p->dirty_node);
    }
    store_tail_clean(s);
    if (p->dead)
        return;
    if (seg == plog_last(p))
        store_sidecar_begin(s, p, seg);
    else if (seg->written == seg->bytes)
        store_seal_begin(s, p, seg);
}

/* Copies what follows `written` into the bounce buffer behind the first `front` bytes. */
static uint32_t
gather(const struct store *s, const struct plog *p, const struct segment *seg, uint8_t *bounce,
       uint32_t front)
{
    uint32_t fill = front, pos = seg->written;
    uint64_t seq = p->dirty_first;
    for (const struct tail_entry *e; fill < STORE_BOUNCE_BYTES && (e = durable_entry(s, seq));
         seq = e->next) {
        if (e->base >= plog_segment_limit(p, seg))
            break;
        must(e->pos <= pos && pos < e->pos + e->len);
        uint32_t skip = pos - e->pos, n = part_of(s, e, pos);
        if (n > STORE_BOUNCE_BYTES - fill)
            n = STORE_BOUNCE_BYTES - fill;
        memcpy(bounce + fill, journal_at(s->journal, e->place) + skip, n);
        fill += n;
        pos += n;
        if (pos < e->pos + e->len)
            break;
    }
    return fill - front;
}

/* Of a write that ends at `end`, counted from the front of its first block: what it leaves. */
static uint32_t
left(const struct store *s, const struct plog *p, const struct segment *seg, uint32_t end)
{
    bool wanted = s->flushing || s->ckpt.phase == CKPT_FLUSH || p->draining;
    bool grows = p->segment_count && seg == plog_last(p);
    return grows && !wanted && end > STORE_BLOCK ? end % STORE_BLOCK : 0;
}

static void
write_failed(struct store *s, struct job *j, const char *what)
{
    struct plog *p = j->log;
    s->bounce_busy[j->bounce] = false;
    s->writes--;
    p->writing = false;
    if (j->result == ERR_NO_SPACE)
        store_room_hit(s, p->dir);
    else if (!p->dead)
        store_offline(s, p, (int)j->result, what);
    store_job_end(s, j);
}

/* The bytes are in the file: moves written, remembers the partial block, lets the cache go. */
static void
write_done(struct store *s, struct job *j)
{
    struct plog *p = j->log;
    struct segment *seg = j->seg;
    uint32_t front = j->from % STORE_BLOCK;
    seg->written = j->from + j->len;
    uint32_t rest = seg->written % STORE_BLOCK;
    if (rest)
        memcpy(block_of(s, p), j->mem + (mutant(MUTANT_WRONG_BLOCK) ? 0 : front + j->len - rest),
               rest);
    p->block_known = true;
    s->stats.writeback_bytes += j->len;
    s->stats.writeback_again_bytes += j->op.len - j->len;
    if (seg->sums.bytes == j->from)
        sums_add(&seg->sums, j->mem + front, j->len);
    if (list_empty(&seg->sync_node))
        list_push_back(&s->unsynced, &seg->sync_node);
    advance(s, p, seg);
    s->bounce_busy[j->bounce] = false;
    s->writes--;
    p->writing = false;
    store_job_end(s, j);
    settle(s, p, seg);
}

static uint64_t
allocation(struct store *s, const struct job *j, uint64_t need)
{
    const struct segment *seg = j->seg;
    uint64_t most = plog_round_block(j->log->config.segment_bytes);
    if (j->log->config.preallocate && most > need &&
        store_room_whole(s, j->log->dir, most - seg->allocated))
        return most;
    uint64_t step = seg->allocated < WRITE_STEP_FIRST ? WRITE_STEP_FIRST : seg->allocated;
    uint64_t ahead = store_room_ahead(s, j->log->dir);
    if (step > ahead)
        step = ahead < WRITE_STEP_LEAST ? 0 : ahead / STORE_BLOCK * STORE_BLOCK;
    uint64_t want = seg->allocated + step;
    if (want > most)
        want = most;
    return want > need ? want : need;
}

void
store_write_next(struct store *s, struct job *j)
{
    struct plog *p = j->log;
    struct segment *seg = j->seg;
    if (j->result < 0 || p->dead || p->state == PLOG_OFFLINE) {
        write_failed(s, j,
                     j->step == JOB_OPENED   ? "open"
                     : j->step == WRITE_DATA ? "write"
                                             : "allocate");
        return;
    }
    uint32_t front = j->from % STORE_BLOCK, total = 0;
    switch (j->step) {
    case JOB_OPENED:
        block_take(s, p);
        if (front && !p->block_known) {
            j->step = WRITE_BLOCK;
            store_job_run(s, j,
                          &(struct disk_op){.kind = DISK_READ,
                                            .file = seg->file,
                                            .at = block_of(s, p),
                                            .len = STORE_BLOCK,
                                            .offset = j->from - front});
            return;
        }
        break;
    case WRITE_BLOCK:
        if (j->result < front) {
            j->result = ERR_CORRUPT; /* shorter than the checkpoint said */
            write_failed(s, j, "read");
            return;
        }
        p->block_known = true;
        break;
    case WRITE_ALLOCATE:
        if (j->op.length > seg->allocated)
            seg->allocated = j->op.length;
        break;
    default:
        write_done(s, j);
        return;
    }
    if (j->len == 0) {
        memcpy(j->mem, block_of(s, p), front);
        j->len = gather(s, p, seg, j->mem, front);
        must(j->len > 0);
        j->len -= left(s, p, seg, front + j->len);
        p->write_limit = j->from + j->len;
    }
    total = (front + j->len + STORE_BLOCK - 1) / STORE_BLOCK * STORE_BLOCK;
    memset(j->mem + front + j->len, 0, total - front - j->len);
    uint64_t need = (uint64_t)(j->from - front) + total;
    if (seg->allocated < need) {
        j->step = WRITE_ALLOCATE;
        store_job_run(s, j,
                      &(struct disk_op){.kind = DISK_ALLOCATE,
                                        .file = seg->file,
                                        .length = allocation(s, j, need)});
        return;
    }
    j->step = WRITE_DATA;
    store_job_run(s, j,
                  &(struct disk_op){.kind = DISK_WRITE,
                                    .file = seg->file,
                                    .at = j->mem,
                                    .len = total,
                                    .offset = j->from - front});
}

/* Starts a write of a log, or waits for an extent; false when it cannot be now. */
static bool
write_begin(struct store *s, struct plog *p)
{
    if (p->writing || p->held || s->writes == STORE_WRITES_MAX)
        return false;
    struct segment *seg = NULL;
    bool more = false;
    for (const struct tail_entry *e; !more && (e = durable_entry(s, p->dirty_first));) {
        seg = plog_segment_of(p, e->base);
        more = advance(s, p, seg);
        if (!more)
            settle(s, p, seg);
    }
    if (!more)
        return false;
    if (seg->written == own_limit(s, store_entry(s, p->dirty_first))) {
        if (p->dirty_since_ns != s->now_ns) /* it is behind the others; once a turn */
            settle(s, p, seg);
        return true;
    }
    struct job *j = store_job(s, JOB_WRITE, p, seg);
    if (!j)
        return false;
    while (s->bounce_busy[j->bounce])
        j->bounce++;
    s->bounce_busy[j->bounce] = true;
    j->mem = s->bounce + (uint64_t)j->bounce * (STORE_BOUNCE_BYTES + STORE_BLOCK);
    j->from = seg->written;
    s->writes++;
    p->write_limit = j->from + 1; /* more is known when it is gathered */
    p->writing = true;
    store_job_open(s, j);
    return true;
}

static bool
write_wanted(const struct store *s, const struct plog *p, bool all)
{
    return all || p->dirty_bytes >= STORE_WRITE_GOOD_BYTES ||
           s->now_ns - p->dirty_since_ns >= WRITE_AGE_NS;
}

/* The list is in the order of age, but logs with much to write are at its front. */
void
store_writeback_step(struct store *s)
{
    if (s->ending)
        return;
    bool all = s->flushing || s->ckpt.phase == CKPT_FLUSH ||
               store_tail_dirty_bytes(s) > s->journal_config.arena_bytes / 2;
    struct list *n = s->dirty.next;
    while (n != &s->dirty && s->writes < STORE_WRITES_MAX) {
        struct plog *p = list_item(n, struct plog, dirty_node);
        n = n->next;
        if (!write_wanted(s, p, all))
            return;
        if (store_room_waits(s, p->dir) || p->held)
            continue;
        if (!p->writing && !write_begin(s, p) && !all)
            return;
    }
}

uint64_t
store_writeback_deadline(const struct store *s)
{
    if (list_empty(&s->dirty))
        return CLOCK_NEVER;
    const struct plog *p = list_item(s->dirty.next, struct plog, dirty_node);
    if (store_room_waits(s, p->dir))
        return s->rooms[p->dir].retry_ns;
    return p->writing || p->held ? CLOCK_NEVER : p->dirty_since_ns + WRITE_AGE_NS;
}

/* ---- sealing -----------------------------------------------------------------------------------
 */

void
store_seal_begin(struct store *s, struct plog *p, struct segment *seg)
{
    struct job *j = seg->sealed || seg->readying || seg->bytes == 0 || p->held
                        ? NULL
                        : store_job(s, JOB_SEAL, p, seg);
    if (j)
        store_job_open(s, j);
}

void
store_seal_next(struct store *s, struct job *j)
{
    struct segment *seg = j->seg;
    if (j->result < 0 || j->log->state == PLOG_OFFLINE) {
        if (j->result == ERR_NO_SPACE && j->step != SEAL_SYNC)
            store_room_hit(s, j->log->dir); /* it stays longer than its log, which does no harm */
        else if (!j->log->dead && j->result < 0)
            store_offline(s, j->log, (int)j->result, "seal");
        store_job_end(s, j);
        return;
    }
    switch (j->step) {
    case JOB_OPENED:
        j->step = SEAL_CUT;
        store_job_run(
            s, j,
            &(struct disk_op){.kind = DISK_TRUNCATE, .file = seg->file, .offset = seg->bytes});
        return;
    case SEAL_CUT:
        j->step = SEAL_SYNC;
        s->stats.syncs++;
        store_job_run(s, j, &(struct disk_op){.kind = DISK_SYNC, .file = seg->file});
        return;
    default:
        seg->sealed = true;
        seg->synced = seg->bytes;
        seg->allocated = seg->bytes;
        s->clean.unnamed |= seg->log->config.cleanup_compact && !seg->named;
        index_thin(&seg->idx, PLOG_INDEX_SEALED);
        store_job_end(s, j);
        store_sidecar_begin(s, seg->log, seg);
    }
}
