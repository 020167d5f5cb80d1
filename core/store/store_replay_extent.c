/* store_replay_extent.c: extents of a process that is gone.
 *
 * Before anything is changed the journal is replayed into memory only (replay.dry), and the
 * interior of every extent that is still of use is read and compared with its record.  The earliest
 * one of a log that is not what its record says ends that log there, when nothing proves that it
 * was durable; else it is damage.  An extent whose write failed is in the journal too
 * (STORE_REC_AGAIN), and its interior is not looked at.
 *
 * X1 Of a log that is cut no record counts from the torn extent on, of whatever kind: none of them
 *    was acknowledged, or acted on, before all extents before it had ended.  But an AGAIN record
 *    counts by the place of its batch: that may lie before the cut.  Records of other logs count.
 * X2 A log that a later record deletes is not cut: nothing of it is left to be judged.
 * X3 A recovery that is cut off itself comes to the same verdict again: what it judges by is made
 *    durable first, and what it writes of a cut log ends before the torn extent.
 * X4 The end of a recovery is the boot checkpoint of the next generation.  Until it is there
 * nothing new is accepted; from then on this journal is not read again.  So a torn extent is never
 *    compared with bytes that a producer sent anew to the same place. */
#include "core/base/crc32c.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/store/store_replay_in.h"

#include <stdlib.h>

enum { EXTENT_READ_BYTES = 1 << 20 };

struct replay_extent {
    struct replay_log *log;
    int64_t base;
    uint64_t lsn, kept;              /* kept: see store_replay_in.h */
    uint32_t pos, first, bytes, crc; /* of the batch; of its interior */
};

static int
extent_note(struct replay *r, const struct replay_extent *x)
{
    if (r->extent_count == r->extent_room) {
        uint32_t room = r->extent_room ? r->extent_room * 2 : 64;
        struct replay_extent *more = realloc(r->extents, room * sizeof *more);
        if (!more)
            return ERR_LIMIT;
        r->extents = more;
        r->extent_room = room;
    }
    r->extents[r->extent_count++] = *x;
    return ERR_OK;
}

/* What a record says; the views are of its body. */
struct extent_record {
    uint64_t id;
    int64_t base;
    uint32_t pos, len, first, limit, crc;
    struct view header, head, tail;
};

static int
record_read(struct view body, struct extent_record *x, struct batch_info *info)
{
    struct cur c = cur_of(body);
    x->id = cur_u64(&c);
    x->base = cur_i64(&c);
    x->pos = cur_u32(&c);
    x->len = cur_u32(&c);
    x->crc = cur_u32(&c);
    x->header = cur_view(&c, BATCH_HEADER_BYTES);
    cur_take(&c, STORE_EXTENT_PREFIX - 28 - BATCH_HEADER_BYTES);
    if (c.bad || x->len > UINT32_MAX - x->pos - 2 * STORE_BLOCK)
        return ERR_CORRUPT;
    x->first = store_extent_first(x->pos);
    x->limit = store_extent_limit(x->pos, x->len);
    if (x->limit <= x->first)
        return ERR_CORRUPT;
    x->head = cur_view(&c, x->first - x->pos);
    x->tail = cur_view(&c, x->pos + x->len - x->limit);
    if (c.bad || batch_header(x->header, info) != ERR_OK || info->bytes != x->len)
        return ERR_CORRUPT;
    return ERR_OK;
}

/* What of `part`, which lies at `at`, is not written yet. */
static int
part_add(struct replay *r, struct replay_log *l, struct segment *seg, uint32_t at, struct view part)
{
    if (seg->written < at || seg->written - at >= part.len)
        return ERR_OK;
    uint32_t skip = seg->written - at;
    return store_replay_add(r, l, seg, view_of(part.at + skip, part.len - skip));
}

/* What its record holds; the interior is in the file. */
static int
parts_add(struct replay *r, struct replay_log *l, struct segment *seg,
          const struct extent_record *x)
{
    int rc = part_add(r, l, seg, x->pos, x->head);
    if (rc == ERR_OK && seg->written >= x->first && seg->written < x->limit) {
        rc = store_replay_flush(r, l);
        seg->written = x->limit;
    }
    return rc == ERR_OK ? part_add(r, l, seg, x->limit, x->tail) : rc;
}

int
store_replay_extent(struct replay *r, uint64_t lsn, struct view body)
{
    struct extent_record x;
    struct batch_info info;
    struct replay_log *l;
    struct segment *seg;
    if (record_read(body, &x, &info) != ERR_OK)
        return ERR_CORRUPT;
    struct replay_extent note = {.base = x.base,
                                 .lsn = lsn,
                                 .kept = r->kept,
                                 .pos = x.pos,
                                 .first = x.first,
                                 .bytes = x.limit - x.first,
                                 .crc = x.crc};
    struct replay_place place = {x.id, x.base, x.pos, lsn};
    l = store_replay_log(r, x.id);
    bool counted = l && info.base_offset < l->log.end; /* by a checkpoint: it was durable */
    int rc = store_replay_place(r, &place, x.header, &info, &l, &seg);
    note.log = l;
    if (rc == ERR_OK && !seg && r->dry && l && !counted && l->log.dir == PLOG_DIR_NONE)
        return extent_note(r, &note);
    if (rc != ERR_OK || !seg)
        return rc;
    l->keeps_files = true;
    if (r->dry && seg->synced < x.limit)
        rc = extent_note(r, &note);
    return rc == ERR_OK ? parts_add(r, l, seg, &x) : rc;
}

int
store_replay_extent_parts(struct replay *r, struct replay_log *l, struct segment *seg,
                          struct view body)
{
    struct extent_record x;
    struct batch_info info;
    int rc = record_read(body, &x, &info);
    return rc == ERR_OK ? parts_add(r, l, seg, &x) : rc;
}

/* The interior of that extent is in the journal: its file is not looked at. */
static void
again_noted(struct replay *r, const struct replay_log *l, const struct batch_place *at)
{
    for (uint32_t i = r->extent_count; i-- > 0;) {
        const struct replay_extent *x = &r->extents[i];
        if (x->log != l || x->base != at->base || x->pos != at->pos)
            continue;
        r->extents[i] = r->extents[--r->extent_count];
        return;
    }
}

int
store_replay_again(struct replay *r, uint64_t lsn, struct view body)
{
    struct batch_place x;
    if (store_record_read(STORE_REC_AGAIN, body, &x) != ERR_OK)
        return ERR_CORRUPT;
    struct replay_log *l = store_replay_log(r, x.log);
    struct segment *seg = l && !l->log.dead ? plog_segment_at(&l->log, x.base) : NULL;
    if (seg && r->dry && l->log.dir == PLOG_DIR_NONE)
        again_noted(r, l, &x);
    if (!seg || seg->gaps || l->log.dir == PLOG_DIR_NONE ||
        store_replay_doomed(r, x.log, x.base, lsn))
        return ERR_OK; /* deleted, gone from the log, offline, or replaced by compaction */
    if (x.pos > seg->written || x.len > seg->written - x.pos)
        return store_replay_misplaced(r, l, x.base, x.pos, lsn);
    again_noted(r, l, &x);
    return r->dry ? ERR_OK : store_replay_write(r, l, seg, x.pos, x.rest);
}

void
store_replay_extents_forget(struct replay *r, const struct replay_log *l, int64_t first,
                            int64_t limit)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < r->extent_count; i++)
        if (r->extents[i].log != l || r->extents[i].base < first || r->extents[i].base >= limit)
            r->extents[kept++] = r->extents[i];
    r->extent_count = kept;
}

/* ---- looking at the interiors ------------------------------------------------------------------
 */

/* True when it is in its file; *rc: an error of the disk.  settle: the verdict counts, so it must
 * not be on bytes that the next power cut takes back. */
static bool
interior_good(struct disk *disk, const struct replay_extent *x, bool settle, uint8_t *mem, int *rc)
{
    char path[PLOG_PATH_BYTES];
    plog_path_segment(&x->log->log, x->base, ".log", path);
    struct disk_op op = {.kind = DISK_OPEN,
                         .path = path,
                         .dir = x->log->log.dir,
                         .flags = settle ? DISK_WRITABLE : 0};
    int64_t got = store_run(disk, op);
    *rc = got < 0 && got != ERR_NOT_FOUND ? (int)got : ERR_OK;
    if (got < 0)
        return false;
    int32_t file = (int32_t)got;
    uint32_t at = 0, crc = 0;
    got = 1;
    if (settle && store_run(disk, (struct disk_op){.kind = DISK_SYNC, .file = file}) < 0)
        got = ERR_IO;
    for (; at < x->bytes && got > 0; at += (uint32_t)got) {
        uint32_t n = x->bytes - at < EXTENT_READ_BYTES ? x->bytes - at : EXTENT_READ_BYTES;
        op = (struct disk_op){.kind = DISK_READ,
                              .file = file,
                              .at = mem,
                              .len = n,
                              .offset = (uint64_t)x->first + at};
        got = store_run(disk, op);
        if (got > 0)
            crc = crc32c(crc, mem, (size_t)got);
        if (got < 0)
            break;
    }
    if (got < 0)
        *rc = (int)got;
    store_run(disk, (struct disk_op){.kind = DISK_CLOSE, .file = file});
    return at == x->bytes && crc == x->crc;
}

/* Its segment may have left the log meanwhile, or have been written anew. */
static bool
of_use(const struct replay_extent *x)
{
    const struct plog *p = &x->log->log;
    const struct segment *seg = p->dead ? NULL : plog_segment_at(p, x->base);
    return seg && plog_segment_limit(p, seg) > p->start && x->first + x->bytes > seg->synced;
}

static void
log_cut(struct replay *r, const struct replay_extent *x)
{
    char path[PLOG_PATH_BYTES];
    plog_path_segment(&x->log->log, x->base, ".log", path);
    log_warn(
        "store",
        "a log is cut before a large batch that was being written path=%s position=%u lsn=%llu",
        path, x->pos, (unsigned long long)x->lsn);
    uint64_t *cut = x->kept ? &x->log->kept_cut : &x->log->cut_lsn;
    uint64_t at = x->kept ? x->kept : x->lsn;
    r->cut_count += *cut == 0;
    if (*cut && *cut < at)
        return;
    *cut = at;
    x->log->cut_base = x->base;
    x->log->cut_pos = x->pos;
}

/* Nobody can look at it: what follows in its log waits with it. */
static void
log_hold(struct replay *r, const struct replay_extent *x)
{
    struct replay_log *l = x->log;
    r->held_count += l->held_lsn == 0;
    if (l->held_lsn && l->held_lsn < x->lsn)
        return;
    l->held_lsn = x->lsn;
    l->held_base = x->base;
    l->held_pos = x->pos;
}

bool
store_replay_log_is_cut(const struct replay *seen, uint64_t log, uint64_t lsn)
{
    const struct replay_log *l = store_replay_log(seen, log);
    return l && l->cut_lsn && lsn >= l->cut_lsn &&
           (lsn == l->cut_lsn || !mutant(MUTANT_CUT_IGNORED));
}

/* The extent that it is about came before it, and maybe before the cut. */
static bool
again_counts(const struct replay_log *l, struct view body)
{
    struct batch_place x;
    return store_record_read(STORE_REC_AGAIN, body, &x) == ERR_OK &&
           (x.base < l->cut_base || (x.base == l->cut_base && x.pos < l->cut_pos));
}

bool
store_replay_is_cut(const struct replay *seen, uint64_t lsn, uint32_t kind, struct view body)
{
    uint64_t log;
    if (!seen || !seen->cut_count || !store_record_log(kind, body, &log) ||
        !store_replay_log_is_cut(seen, log, lsn))
        return false;
    return kind != STORE_REC_AGAIN || !again_counts(store_replay_log(seen, log), body);
}

int
store_replay_extents_check(struct replay *r, struct disk *disk, uint64_t lsn_acked)
{
    uint8_t *mem = r->extent_count ? aligned_alloc(STORE_BLOCK, EXTENT_READ_BYTES) : NULL;
    if (r->extent_count && !mem)
        return ERR_LIMIT;
    int rc = ERR_OK;
    for (uint32_t i = 0; i < r->extent_count && rc == ERR_OK; i++) {
        const struct replay_extent *x = &r->extents[i];
        bool open = x->kept || x->lsn > lsn_acked;
        if (x->log->log.dir == PLOG_DIR_NONE) {
            if (open && of_use(x))
                log_hold(r, x);
            continue;
        }
        if (!of_use(x) || interior_good(disk, x, open, mem, &rc) || rc != ERR_OK)
            continue;
        if (open) {
            log_cut(r, x);
            continue;
        }
        char path[PLOG_PATH_BYTES];
        plog_path_segment(&x->log->log, x->base, ".log", path);
        log_error("store",
                  "damaged: an acknowledged batch is not in its segment path=%s position=%u "
                  "blocks_at=%u bytes=%u lsn=%llu",
                  path, x->pos, x->first, x->bytes, (unsigned long long)x->lsn);
        rc = store_damage_extent(r, x->log->log.id, x->base);
    }
    free(mem);
    return rc;
}
