/* store_replay.c: journal records of a process that is gone, applied to the logs of its checkpoint.
 *
 * Idempotent: a record says segment and position, so bytes that a file has are skipped, and offsets
 * that a log has are not counted again.  A crash in here changes nothing that the next recovery
 * would not write once more.  Bytes of one log gather in memory and go to its file in large writes.
 */
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/store/journal_in.h"
#include "core/store/store_replay_in.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    REPLAY_PENDING_BYTES = 256 << 10, /* of one log */
    REPLAY_TOTAL_BYTES = 128 << 20,   /* of all */
};

int64_t
store_run(struct disk *disk, struct disk_op op)
{
    return disk_do(disk, op);
}

/* ---- logs by id --------------------------------------------------------------------------------
 */

static uint32_t *
id_place(const struct replay *r, uint64_t id)
{
    uint32_t i = (uint32_t)(id * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (r->ids_room - 1);
    while (r->ids[i] != UINT32_MAX && r->logs[r->ids[i]]->log.id != id)
        i = (i + 1) & (r->ids_room - 1);
    return &r->ids[i];
}

struct replay_log *
store_replay_log(const struct replay *r, uint64_t id)
{
    uint32_t i = r->ids_room ? *id_place(r, id) : UINT32_MAX;
    return i == UINT32_MAX ? NULL : r->logs[i];
}

static int
ids_rebuild(struct replay *r)
{
    uint32_t want = 64;
    while (want < (r->count - r->core_first + 1) * 4)
        want *= 2;
    free(r->ids);
    r->ids_room = 0;
    r->ids = malloc(want * sizeof *r->ids);
    if (!r->ids)
        return ERR_LIMIT;
    r->ids_room = want;
    memset(r->ids, 0xff, want * sizeof *r->ids);
    for (uint32_t i = r->core_first; i < r->count; i++)
        *id_place(r, r->logs[i]->log.id) = i;
    return ERR_OK;
}

static int
log_add(struct replay *r, struct replay_log *l)
{
    if (r->count == r->room) {
        uint32_t room = r->room ? r->room * 2 : 64;
        struct replay_log **more = realloc(r->logs, room * sizeof *more);
        if (!more)
            return ERR_LIMIT;
        r->logs = more;
        r->room = room;
    }
    r->logs[r->count++] = l;
    if ((r->count - r->core_first) * 2 >= r->ids_room)
        return ids_rebuild(r);
    *id_place(r, l->log.id) = r->count - 1;
    return ERR_OK;
}

int
store_replay_take(struct replay *r, struct replay_log *l)
{
    int rc = log_add(r, l);
    if (rc != ERR_OK) {
        plog_free(&l->log);
        free(l);
    }
    return rc;
}

void
store_replay_core(struct replay *r, uint32_t core)
{
    r->core = core;
    r->core_first = r->count;
    free(r->ids);
    r->ids = NULL;
    r->ids_room = 0;
}

void
store_replay_free(struct replay *r)
{
    for (uint32_t i = 0; i < r->count; i++) {
        plog_free(&r->logs[i]->log);
        free(r->logs[i]->pending);
        free(r->logs[i]);
    }
    free(r->logs);
    free(r->ids);
    free(r->extents);
    free(r->swaps);
    free(r->moves);
    free(r->rescue.mem);
    free(r->rescued.files);
    free(r->suspects);
    free(r->bad);
    *r = (struct replay){.disk = r->disk, .dirs = r->dirs};
}

/* ---- files -------------------------------------------------------------------------------------
 */

static int
dirs_make(struct replay *r, const struct plog *p)
{
    char path[PLOG_PATH_BYTES];
    plog_path_topic(p, path);
    struct disk_op op = {.kind = DISK_MKDIR, .dir = p->dir, .path = path};
    int64_t got = store_run(r->disk, op);
    if (got < 0 && got != ERR_EXISTS)
        return (int)got;
    plog_path_dir(p, path);
    got = store_run(r->disk, op);
    return got < 0 && got != ERR_EXISTS ? (int)got : ERR_OK;
}

/* A log that is deleted farther on may have no file and no directory any more. */
static int
file_write(struct replay *r, struct replay_log *l, const struct segment *seg, uint32_t at,
           struct view bytes)
{
    char path[PLOG_PATH_BYTES];
    int rc = l->dirs_made ? ERR_OK : dirs_make(r, &l->log);
    if (rc != ERR_OK)
        return rc;
    l->dirs_made = l->touched = true;
    plog_path_segment(&l->log, seg->base, ".log", path);
    int64_t got = store_run(r->disk, (struct disk_op){.kind = DISK_OPEN,
                                                      .dir = l->log.dir,
                                                      .path = path,
                                                      .flags = DISK_CREATE | DISK_WRITABLE});
    if (got < 0)
        return (int)got;
    int32_t file = (int32_t)got;
    struct disk_op op = {.kind = DISK_WRITE, .file = file, .len = bytes.len, .offset = at};
    memcpy(&op.at, &bytes.at, sizeof op.at); /* it is only read */
    got = store_run(r->disk, op);
    store_run(r->disk, (struct disk_op){.kind = DISK_CLOSE, .file = file});
    if (got < 0)
        return (int)got;
    r->bytes += bytes.len;
    return ERR_OK;
}

/* Bytes that take the place of others. */
int
store_replay_write(struct replay *r, struct replay_log *l, struct segment *seg, uint32_t at,
                   struct view bytes)
{
    int rc = store_replay_flush(r, l);
    return rc == ERR_OK && !l->ghost ? file_write(r, l, seg, at, bytes) : rc;
}

/* A log that was created anew has files under the same names.  With extents in them, compacted, or
 * with bytes that a checkpoint counts, they are not made again from the journal: no file of the log
 * before is touched then.  Those cannot have come back, for the names of the new ones are durable.
 */
static bool
is_ghost(const struct replay *r, const struct replay_log *l)
{
    const struct replay_log *was = r->seen ? store_replay_log(r->seen, l->log.id) : NULL;
    if (!was || !was->log.dead)
        return false;
    for (uint32_t i = 0; i < r->seen->count; i++) {
        const struct replay_log *x = r->seen->logs[i];
        if (x != was && x->keeps_files && !x->log.dead && x->log.dir == l->log.dir &&
            store_same_log(&x->log, l->log.topic, l->log.partition))
            return true;
    }
    return false;
}

/* Writes the gathered bytes of a log behind what its file has. */
int
store_replay_flush(struct replay *r, struct replay_log *l)
{
    if (l->pending_len == 0)
        return ERR_OK;
    struct segment *seg = l->pending_seg;
    int rc =
        file_write(r, l, seg, seg->written - l->pending_len, view_of(l->pending, l->pending_len));
    if (rc != ERR_OK)
        return rc;
    r->pending_total -= l->pending_len;
    l->pending_len = 0;
    return ERR_OK;
}

int
store_replay_flush_all(struct replay *r)
{
    int rc = ERR_OK;
    for (uint32_t i = 0; i < r->count && rc == ERR_OK; i++) {
        if (!r->logs[i]->log.dead)
            rc = store_replay_flush(r, r->logs[i]);
        free(r->logs[i]->pending);
        r->logs[i]->pending = NULL;
        r->logs[i]->pending_room = 0;
    }
    return rc;
}

/* Gathers bytes; seg->written counts them already. */
int
store_replay_add(struct replay *r, struct replay_log *l, struct segment *seg, struct view bytes)
{
    int rc = ERR_OK;
    if (r->dry || l->ghost) {
        seg->written += bytes.len;
        return ERR_OK;
    }
    if (l->pending_len &&
        (l->pending_seg != seg || l->pending_len + bytes.len > REPLAY_PENDING_BYTES))
        rc = store_replay_flush(r, l);
    if (rc == ERR_OK && r->pending_total + bytes.len > REPLAY_TOTAL_BYTES)
        rc = store_replay_flush_all(r);
    if (rc != ERR_OK)
        return rc;
    if (l->pending_len + bytes.len > l->pending_room) {
        uint32_t room = l->pending_room ? l->pending_room : 4096;
        while (room < l->pending_len + bytes.len)
            room *= 2;
        uint8_t *more = realloc(l->pending, room);
        if (!more)
            return ERR_LIMIT;
        l->pending = more;
        l->pending_room = room;
    }
    memcpy(l->pending + l->pending_len, bytes.at, bytes.len);
    l->pending_len += bytes.len;
    l->pending_seg = seg;
    r->pending_total += bytes.len;
    seg->written += bytes.len;
    return ERR_OK;
}

/* Removes what a deleted log has on disk; what is not there is no error. */
static int
log_remove(struct replay *r, struct replay_log *l)
{
    struct plog *p = &l->log;
    r->pending_total -= l->pending_len;
    l->pending_len = 0;
    p->dead = true;
    if (l->ghost)
        return ERR_OK;
    if (p->dir == PLOG_DIR_NONE)
        return ERR_OK; /* a stray when it comes back */
    char path[PLOG_PATH_BYTES];
    struct disk_op op = {.kind = DISK_UNLINK, .dir = p->dir, .path = path};
    for (uint32_t i = 0; i < p->segment_count; i++) {
        plog_path_segment(p, p->segments[i]->base, ".log", path);
        int64_t got = store_run(r->disk, op);
        if (got < 0 && got != ERR_NOT_FOUND)
            return (int)got;
        plog_path_segment(p, p->segments[i]->base, ".idx", path);
        store_run(r->disk, op);
    }
    int rc = store_leftover_all(r->disk, p, NULL);
    if (rc != ERR_OK)
        return rc;
    op.flags = DISK_DIRECTORY;
    plog_path_dir(p, path);
    store_run(r->disk, op);
    plog_path_topic(p, path);
    store_run(r->disk, op);
    return ERR_OK;
}

/* ---- records -----------------------------------------------------------------------------------
 */

int
store_replay_load(struct replay *r, struct cur *c)
{
    struct replay_log *l = calloc(1, sizeof *l);
    if (!l)
        return ERR_LIMIT;
    int rc = plog_load(&l->log, c);
    if (rc == ERR_OK)
        rc = log_add(r, l);
    if (rc == ERR_OK) {
        store_replay_move_place(r, &l->log);
        plog_damage_again(&l->log);
    }
    if (rc != ERR_OK) {
        plog_free(&l->log);
        free(l);
        return rc;
    }
    /* Segments before the first that was not whole on disk were cut when they were sealed. */
    uint32_t count = l->log.segment_count;
    l->finish_from = count ? count - 1 : 0;
    for (uint32_t i = count; i-- > 0;)
        if (l->log.segments[i]->synced < l->log.segments[i]->bytes)
            l->finish_from = i;
    for (uint32_t i = 0; i < count; i++)
        l->keeps_files = l->keeps_files || l->log.segments[i]->synced > 0;
    l->ghost = is_ghost(r, l);
    return l->log.dead ? log_remove(r, l) : store_replay_unfinished(r, l);
}

static int
replay_create(struct replay *r, struct view body)
{
    struct plog read = {0};
    if (body.len != STORE_CREATE_BYTES)
        return ERR_CORRUPT;
    store_create_read(body, &read);
    struct replay_log *l = store_replay_log(r, read.id);
    if (l) {
        l->log.config = read.config;
        return ERR_OK;
    }
    if (read.id < r->new_from)
        return ERR_OK; /* a new configuration; the log was deleted before the checkpoint */
    l = calloc(1, sizeof *l);
    if (!l)
        return ERR_LIMIT;
    plog_init(&l->log);
    store_create_read(body, &l->log);
    l->log.seen_generation = r->rescue.generation;
    l->log.seen_id = l->log.id;
    l->doubt = r->keep; /* its first record may be among those that are missing */
    store_replay_move_place(r, &l->log);
    l->ghost = is_ghost(r, l);
    int rc = log_add(r, l);
    if (rc != ERR_OK)
        free(l);
    return rc;
}

/* Records before this one are missing: it and what follows of the log are kept with the journal. */
int
store_replay_misplaced(struct replay *r, struct replay_log *l, int64_t base, uint32_t pos,
                       uint64_t lsn)
{
    char path[PLOG_PATH_BYTES];
    const struct segment *seg = plog_segment_at(&l->log, base);
    plog_path_segment(&l->log, base, ".log", path);
    if (!r->dry)
        log_error("store",
                  "damaged: a journal record does not continue its segment path=%s position=%u "
                  "lsn=%llu",
                  path, pos, (unsigned long long)lsn);
    plog_damage_mark(&l->log, PLOG_DAMAGE_JOURNAL,
                     seg && pos < seg->bytes ? seg->base : l->log.end);
    l->doubt = false;
    r->keep = true;
    return ERR_OK;
}

/* Counts a batch that the checkpoint did not know. */
static int
replay_facts(struct plog *p, struct segment *seg, uint32_t pos, struct view batch,
             const struct batch_info *info)
{
    if (info->base_offset < p->end)
        return ERR_OK;
    if (info->base_offset > p->end || pos != seg->bytes || seg != plog_last(p))
        return ERR_CORRUPT;
    struct plog_when when = {info->base_offset, info->max_timestamp_ms, INT64_MIN, 0};
    int rc = plog_note_producer(p, info, batch, &when);
    if (rc != ERR_OK)
        return rc;
    rc = plog_note(p, seg, info->base_offset, info, info->leader_epoch, info->max_timestamp_ms);
    seg->appended_ms = INT64_MIN; /* what the checkpoint says is of an earlier batch */
    plog_durable(p, p->end);
    return rc;
}

int
store_replay_place(struct replay *r, const struct replay_place *at, struct view batch,
                   const struct batch_info *info, struct replay_log **log, struct segment **out)
{
    *out = NULL;
    struct replay_log *l = *log = store_replay_log(r, at->id);
    if (!l || l->log.dead)
        return ERR_OK;                          /* deleted before the checkpoint, or behind it */
    bool offline = l->log.dir == PLOG_DIR_NONE; /* its file is not looked at */
    if (l->log.damage == PLOG_DAMAGE_JOURNAL)
        return ERR_OK; /* the journal is kept */
    bool doomed = store_replay_doomed(r, at->id, at->base, at->lsn);
    if (info->base_offset < l->log.end) {
        const struct segment *now = plog_segment_of(&l->log, info->base_offset);
        if (doomed || (now && now->gaps)) /* compaction has replaced its segment */
            return ERR_OK;
    }
    struct segment *seg = plog_segment_at(&l->log, at->base);
    if (!seg && at->base == l->log.end && at->pos == 0)
        seg = plog_roll(&l->log, at->base);
    if (!seg && at->base < l->log.start && info->base_offset < l->log.start)
        return ERR_OK; /* its segment has left the log */
    if (!seg || (at->pos > seg->written && !doomed && !offline))
        return store_replay_misplaced(r, l, at->base, at->pos, at->lsn);
    int rc = replay_facts(&l->log, seg, at->pos, batch, info);
    if (rc == ERR_CORRUPT)
        return store_replay_misplaced(r, l, at->base, at->pos, at->lsn);
    l->doubt = false;
    r->records++;
    if (doomed)
        seg->written = seg->bytes;
    else if (!offline)
        *out = seg;
    return rc;
}

static int
replay_batch(struct replay *r, uint64_t lsn, uint32_t kind, struct view body)
{
    struct batch_place x;
    struct batch_info info;
    if (store_record_read(kind, body, &x) != ERR_OK || batch_header(x.rest, &info) != ERR_OK ||
        info.bytes != x.len)
        return ERR_CORRUPT;
    struct replay_log *l;
    struct segment *seg;
    int rc = store_replay_place(r, &(struct replay_place){x.log, x.base, x.pos, lsn}, x.rest, &info,
                                &l, &seg);
    if (rc != ERR_OK || !seg)
        return rc;
    uint32_t skip = seg->written - x.pos;
    return skip >= x.len ? ERR_OK
                         : store_replay_add(r, l, seg, view_of(x.rest.at + skip, x.len - skip));
}

/* Segments that now lie below the start leave in segments_drop: batches for them may follow. */
static int
replay_start(struct replay *r, uint64_t lsn, struct view body)
{
    struct cur c = cur_of(body);
    struct replay_log *l = store_replay_log(r, cur_u64(&c));
    int64_t start = cur_i64(&c);
    if (c.bad || (l && !l->log.dead && start > l->log.end)) {
        log_error("store", "damaged: a journal record of a log start lsn=%llu start=%lld",
                  (unsigned long long)lsn, (long long)start);
        return ERR_CORRUPT;
    }
    if (l && !l->log.dead)
        plog_start_set(&l->log, start);
    return ERR_OK;
}

int
store_replay_record(void *replay, uint64_t lsn, uint32_t kind, struct view body)
{
    struct replay *r = replay;
    int kept = store_rescue_keep(r, kind, body);
    if (kept != ERR_OK)
        return kept;
    switch (kind) {
    case STORE_REC_FULL: /* that has waited */
    case STORE_REC_BATCH:
        return replay_batch(r, lsn, kind, body);
    case STORE_REC_EXTENT:
        return store_replay_extent(r, lsn, body);
    case STORE_REC_AGAIN:
        return store_replay_again(r, lsn, body);
    case STORE_REC_CREATE:
        return replay_create(r, body);
    case STORE_REC_DELETE: {
        struct replay_log *l = body.len == 8 ? store_replay_log(r, get_u64(body.at)) : NULL;
        return l && !l->log.dead ? log_remove(r, l) : ERR_OK;
    }
    case STORE_REC_START:
        return replay_start(r, lsn, body);
    case STORE_REC_SWAP:
        return store_replay_swap(r, lsn, body);
    case STORE_REC_MOVE:
        return store_replay_move(r, lsn, body);
    case STORE_REC_WISH:
        return store_replay_wish(r, body);
    case STORE_REC_COPY:
        return store_replay_copy(r, body);
    default:
        log_error("store", "journal record of an unknown kind=%u lsn=%llu", kind,
                  (unsigned long long)lsn);
        return ERR_CORRUPT;
    }
}
