/* store_sidecar.c: sidecars of sealed segments: written when a segment is sealed, or when its index
 * had to be rebuilt; read when the first batch of it is looked for in the file.
 *
 * An active segment has one of what was in its file some time ago: it is written again whenever
 * the segment has grown by STORE_SIDECAR_EVERY times config.sidecar_bytes, and at a clean stop.  It
 * counts for the next life: after a crash no more than what came behind it has to be walked.
 * Nothing waits for it to be durable.  Only bytes that are durable in the journal are in it, and
 * those of a segment never change, so it cannot be ahead of what a start finds.
 *
 * A segment with damage gets none, so that each life of the process finds and reports it anew.
 *
 * A sidecar is never needed: what fails here costs a walk through the segment, and is said once.  A
 * crash may leave a torn one; its checksums tell. */
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/store/sidecar.h"
#include "core/store/store_in.h"

#include <stdlib.h>

enum { SIDE_OPEN, SIDE_CUT, SIDE_WRITE, SIDE_SYNC, SIDE_CLOSE };
enum { LOAD_OPEN, LOAD_SIZE, LOAD_READ, LOAD_CLOSE };

static uint32_t
large(const struct store *s)
{
    return s->config.sidecar_bytes ? s->config.sidecar_bytes : STORE_SIDECAR_BYTES;
}

/* Keeps the segment where it is while a job works on a file of its own beside it. */
static void
segment_hold(struct job *j)
{
    j->holds_file = true;
    j->seg->busy++;
}

/* ---- writing -----------------------------------------------------------------------------------
 */

static bool
may_have(const struct store *s, const struct plog *p, const struct segment *seg)
{
    /* A segment that is, or will be, replaced has none: the name is the same for both. */
    bool replaced = plog_segment_at(p, seg->base) != seg || (s->swap.under_way && s->swap.log == p);
    return !replaced && !p->dead && !p->held && p->state == PLOG_ONLINE && seg->indexed_from == 0 &&
           seg->index_error == ERR_OK && seg->idx.count > 0 && seg->written > 0 &&
           sums_covered(&seg->sums) == seg->written && seg->sums.bad_count == 0 &&
           !seg->sidecar_busy && !store_room_waits(s, p->dir);
}

static void
write_begin(struct store *s, struct plog *p, struct segment *seg)
{
    uint32_t bytes = sidecar_bytes(p, seg, seg->written);
    uint8_t *mem = bytes ? aligned_alloc(STORE_BLOCK, bytes) : NULL;
    struct job *j = mem ? store_job(s, JOB_SIDECAR, p, seg) : NULL;
    if (!j) {
        free(mem);
        return;
    }
    sidecar_write(p, seg, seg->written, mem, bytes);
    seg->sidecar = seg->sealed;
    seg->bare = false;
    seg->sidecar_busy = true;
    seg->sidecar_to = seg->written;
    segment_hold(j);
    j->mem = mem;
    j->len = bytes;
    j->from = seg->sealed ? 0 : seg->written;
    j->step = SIDE_OPEN;
    plog_path_segment(p, seg->base, ".idx", j->path);
    store_job_run(s, j,
                  &(struct disk_op){.kind = DISK_OPEN,
                                    .path = j->path,
                                    .flags = DISK_CREATE | DISK_WRITABLE | DISK_DIRECT});
}

bool
store_sidecar_expected(const struct store *s, const struct segment *seg, uint32_t bytes)
{
    return seg->sealed ? !seg->bare : bytes >= large(s);
}

/* Its index may have to be found first, in the background as everything here. */
static void
active_begin(struct store *s, struct plog *p, struct segment *seg)
{
    uint64_t every = (uint64_t)large(s) * STORE_SIDECAR_EVERY;
    if (s->flushing || s->ending || seg->written - seg->sidecar_to < every || !store_job_room(s))
        return;
    if (seg->indexed_from && seg->index_error == ERR_OK)
        store_index_begin(s, p, seg);
    else if (may_have(s, p, seg))
        write_begin(s, p, seg);
}

void
store_sidecar_begin(struct store *s, struct plog *p, struct segment *seg)
{
    if (!seg->sealed) {
        if (p->segment_count && seg == plog_last(p))
            active_begin(s, p, seg);
    } else if (!seg->sidecar && seg->written == seg->bytes && may_have(s, p, seg) &&
               store_job_room(s)) {
        write_begin(s, p, seg);
    }
}

bool
store_sidecar_rest(struct store *s)
{
    for (; s->sidecar_slot < s->log_limit; s->sidecar_slot++) {
        struct plog *p = &s->logs[s->sidecar_slot];
        struct segment *seg = p->used && p->segment_count ? plog_last(p) : NULL;
        if (!seg || seg->sealed || !store_sidecar_expected(s, seg, seg->bytes) ||
            !may_have(s, p, seg))
            continue;
        if (!store_job_room(s))
            return false;
        index_thin(&seg->idx, PLOG_INDEX_SEALED);
        write_begin(s, p, seg);
    }
    return s->jobs_used == 0;
}

static void
write_failed(struct store *s, struct job *j)
{
    log_warn("store", "a sidecar was not written path=%s error=%s", j->path,
             err_name((int)j->result));
    if (j->result == ERR_NO_SPACE)
        store_room_hit(s, j->log->dir);
    j->seg->sidecar = false;
}

void
store_sidecar_next(struct store *s, struct job *j)
{
    bool failed = j->result < 0;
    if (failed)
        write_failed(s, j);
    if (j->step == SIDE_CLOSE || (failed && j->step == SIDE_OPEN)) {
        if (j->file >= 0 && !j->log->dead)
            store_dirs_note(s, j->log);
        s->stats.sidecars += j->seg->sidecar;
        store_index_used(s, j->seg);
        j->seg->sidecar_busy = false;
        free(j->mem);
        store_job_end(s, j);
        if (j->from) /* it may have been sealed meanwhile */
            store_sidecar_begin(s, j->log, j->seg);
        return;
    }
    if (j->step == SIDE_OPEN)
        j->file = (int32_t)j->result;
    struct disk_op op = {.file = j->file};
    j->step = failed ? SIDE_CLOSE : j->step + 1;
    if (j->step == SIDE_SYNC && !j->seg->sealed)
        j->step = SIDE_CLOSE;
    switch (j->step) {
    case SIDE_CUT: /* an older one may be longer, and a sidecar is found from its end */
        op.kind = DISK_TRUNCATE;
        break;
    case SIDE_WRITE:
        op.kind = DISK_WRITE;
        op.at = j->mem;
        op.len = j->len;
        s->stats.sidecar_bytes += op.len;
        break;
    case SIDE_SYNC:
        op.kind = DISK_SYNC;
        s->stats.syncs++;
        break;
    default:
        op.kind = DISK_CLOSE;
    }
    store_job_run(s, j, &op);
}

/* ---- reading -----------------------------------------------------------------------------------
 */

void
store_sidecar_load(struct store *s, struct job *j)
{
    segment_hold(j);
    j->step = LOAD_OPEN;
    plog_path_segment(j->log, j->seg->base, ".idx", j->path);
    store_job_run(s, j,
                  &(struct disk_op){
                      .kind = DISK_OPEN, .path = j->path, .flags = DISK_WRITABLE | DISK_DIRECT});
}

static void
load_done_with(struct job *j)
{
    free(j->mem);
    j->mem = NULL;
    j->holds_file = false;
    j->seg->busy--;
}

/* The segment is walked instead. */
static void
load_failed(struct store *s, struct job *j, int error)
{
    if (error != ERR_NOT_FOUND && j->seg->sealed) {
        log_warn("store", "a sidecar is not used and will be written again path=%s error=%s",
                 j->path, err_name(error));
        s->stats.sidecars_bad++;
    }
    j->max_ts = INT64_MIN;
    j->seg->bare = j->seg->sealed;
    j->seg->sidecar_to = 0;
    load_done_with(j);
    store_index_walk(s, j, NULL);
}

/* Reads what a sidecar says of the front of the segment, all that was there at the start or less
 * (never of one that compaction made: its name stood for another one). */
static int
front_read(struct store *s, struct job *j, struct sums *sums)
{
    const struct segment *seg = j->seg;
    uint32_t covers;
    int rc = sidecar_covers(j->mem, j->len, seg->base, &covers, &j->max_ts);
    if (rc != ERR_OK)
        return rc;
    if (covers > seg->indexed_from || (seg->gaps && covers < seg->indexed_from))
        return ERR_CORRUPT;
    return sidecar_read(j->mem, j->len, seg->base, covers, s->slab, &j->idx, sums);
}

static void
load_end(struct store *s, struct job *j)
{
    struct segment *seg = j->seg;
    struct sums sums;
    int rc = j->error;
    if (rc == ERR_OK && seg->written < seg->indexed_from)
        rc = ERR_CORRUPT;
    if (rc == ERR_OK)
        rc = front_read(s, j, &sums);
    if (rc != ERR_OK) {
        load_failed(s, j, rc);
        return;
    }
    seg->sidecar_to = sums.bytes;
    if (sums.bytes < seg->written) { /* it has grown since */
        load_done_with(j);
        store_index_walk(s, j, &sums);
        return;
    }
    sums_free(&seg->sums);
    seg->sums = sums;
    seg->sidecar = seg->sealed && sums.bytes == seg->bytes;
    store_index_end(s, j, ERR_OK);
}

void
store_sidecar_loaded(struct store *s, struct job *j)
{
    if (j->result < 0 && j->step == LOAD_OPEN) {
        load_failed(s, j, (int)j->result);
        return;
    }
    if (j->result < 0 && j->step != LOAD_CLOSE)
        j->error = (int)j->result; /* told when the file is closed */
    struct disk_op op = {.kind = DISK_CLOSE, .file = j->file};
    switch (j->step) {
    case LOAD_OPEN:
        op.file = j->file = (int32_t)j->result;
        op.kind = DISK_SIZE;
        j->step = LOAD_SIZE;
        break;
    case LOAD_SIZE:
        j->step = LOAD_CLOSE;
        if (j->error != ERR_OK)
            break;
        j->len = (uint32_t)(j->result > SIDECAR_BYTES_MAX ? 0 : j->result);
        j->mem = j->len ? aligned_alloc(STORE_BLOCK, plog_round_block(j->len)) : NULL;
        if (!j->mem) {
            j->error = ERR_CORRUPT;
            break;
        }
        j->step = LOAD_READ;
        op.kind = DISK_READ;
        op.at = j->mem;
        op.len = (uint32_t)plog_round_block(j->len);
        break;
    case LOAD_READ:
        if (j->result >= 0 && j->result < j->len)
            j->error = ERR_CORRUPT;
        j->step = LOAD_CLOSE;
        break;
    default:
        load_end(s, j);
        return;
    }
    store_job_run(s, j, &op);
}
