/* store_move_last.c: the last of a move: write-back of the log stands still, and what the copies
 * miss is copied by a job of the loop: STORE_MOVE_REST bytes at most.
 *
 *   each part:  original read -> copy opened -> written -> cut to its length -> synced -> closed
 *   then        the names in the log's new directory are synced
 *
 * An error closes what is open and gives the move up (I4 of store_move.c: the old files count). */
#include "core/base/err.h"
#include "core/store/store_in.h"

enum {
    LAST_READ = JOB_OPENED + 1,
    LAST_OPEN,
    LAST_WRITE,
    LAST_CUT,
    LAST_SYNC,
    LAST_CLOSE,
    LAST_DIR,
    LAST_FAILED,
};

static bool
writes_under_way(const struct store *s, const struct plog *p)
{
    for (uint32_t i = 0; p->jobs && i < STORE_JOBS_MAX; i++) {
        const struct job *j = &s->jobs[i];
        if (j->used && j->log == p && j->kind != JOB_READ && j->kind != JOB_INDEX &&
            j->kind != JOB_LARGE && j->kind != JOB_DROP)
            return true;
    }
    return false;
}

static void
job_run(struct store *s, struct job *j, uint32_t step, const struct disk_op *op)
{
    j->step = step;
    store_job_run(s, j, op);
}

/* Opens the original of the next part, or syncs the names. */
static void
part_next(struct store *s, struct job *j)
{
    const struct move_run *r = s->move.run;
    while (j->at < r->part_count && r->parts[j->at].from == r->parts[j->at].to)
        j->at++;
    if (j->at < r->part_count) {
        j->dir = r->from;
        j->seg = plog_segment_at(j->log, r->parts[j->at].base);
        must(j->seg);
        store_job_open(s, j);
        return;
    }
    j->dir = r->to;
    plog_path_dir(j->log, j->path);
    job_run(s, j, LAST_DIR, &(struct disk_op){.kind = DISK_SYNC_DIR, .path = j->path});
}

static void
last_end(struct store *s, struct job *j, int error)
{
    struct move *m = &s->move;
    m->job = false;
    store_job_end(s, j);
    if (error != ERR_OK) {
        store_move_give_up(s, error);
        return;
    }
    store_move_note(m);
    m->phase = MOVE_READY;
}

static void
last_failed(struct store *s, struct job *j)
{
    if (j->file < 0) {
        last_end(s, j, (int)j->result);
        return;
    }
    j->len = (uint32_t)-j->result;
    job_run(s, j, LAST_FAILED, &(struct disk_op){.kind = DISK_CLOSE, .file = j->file});
}

/* The bytes of a part are in memory: writes them to the copy. */
static void
part_write(struct store *s, struct job *j, const struct move_part *part)
{
    j->seg->busy--;
    j->holds_file = false;
    j->dir = s->move.run->to;
    plog_path_segment(j->log, part->base, ".log", j->path);
    job_run(s, j, LAST_OPEN,
            &(struct disk_op){.kind = DISK_OPEN,
                              .path = j->path,
                              .flags = DISK_CREATE | DISK_WRITABLE | DISK_DIRECT});
}

void
store_move_next(struct store *s, struct job *j)
{
    struct move_run *r = s->move.run;
    const struct move_part *part = &r->parts[j->at];
    uint32_t at = move_run_start(part);
    if (j->step == LAST_FAILED) {
        last_end(s, j, -(int)j->len);
        return;
    }
    if (j->step == LAST_READ)
        j->result = move_run_take(r, part, at, j->result);
    if (j->result < 0) {
        last_failed(s, j);
        return;
    }
    struct disk_op op = {
        .at = r->mem, .len = (uint32_t)plog_round_block(part->to - at), .offset = at};
    switch (j->step) {
    case JOB_OPENED:
        op.kind = DISK_READ;
        op.file = j->seg->file;
        job_run(s, j, LAST_READ, &op);
        return;
    case LAST_READ:
        part_write(s, j, part);
        return;
    case LAST_OPEN:
        j->file = (int32_t)j->result;
        op.kind = DISK_WRITE;
        op.file = j->file;
        job_run(s, j, LAST_WRITE, &op);
        return;
    case LAST_WRITE:
        job_run(s, j, LAST_CUT,
                &(struct disk_op){.kind = DISK_TRUNCATE, .file = j->file, .offset = part->to});
        return;
    case LAST_CUT:
        s->stats.syncs++;
        job_run(s, j, LAST_SYNC, &(struct disk_op){.kind = DISK_SYNC, .file = j->file});
        return;
    case LAST_SYNC:
        job_run(s, j, LAST_CLOSE, &(struct disk_op){.kind = DISK_CLOSE, .file = j->file});
        j->file = -1;
        return;
    case LAST_CLOSE:
        j->at++;
        part_next(s, j);
        return;
    default:
        last_end(s, j, ERR_OK);
    }
}

void
store_move_last(struct store *s)
{
    struct move *m = &s->move;
    uint64_t rest;
    if (writes_under_way(s, m->log))
        return;
    struct job *j = store_job_room(s) ? store_job(s, JOB_MOVE, m->log, NULL) : NULL;
    if (!j)
        return;
    m->job = true;
    if (!store_move_list(m->run, m->log, UINT64_MAX, &rest)) {
        last_end(s, j, ERR_LIMIT);
        return;
    }
    if (rest > STORE_MOVE_REST) { /* a write that was under way: the next round takes it */
        m->job = false;
        store_job_end(s, j);
        m->held = m->log->held = false;
        m->phase = MOVE_COPY;
        store_move_go(s);
        return;
    }
    part_next(s, j);
}
