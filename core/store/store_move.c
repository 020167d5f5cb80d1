/* store_move.c: a log moves to another data directory.
 *
 *   WISH record (store_wish.c)
 *   -> rounds of copying outside of the loop (move_run.c), until little is left
 *   -> no more extents; those under way come to lie behind `written`
 *   -> write-back of the log stands still: the rest is copied here, and synced
 *   -> MOVE record appended -> durable -> reads end, files are closed
 *   -> the log is in the new directory; the old files are removed outside of the loop
 *
 * I1 From the standstill to the change no checkpoint is begun, and it begins while none is made: a
 *    checkpoint knows both the record and the new directory, or neither.
 * I2 When the record is appended the copies hold [0, written) of every segment, synced, and no
 *    extent lies beyond; so a replay of what came before writes bytes that are there, or the same.
 * I3 The log has its task (task.h) all the time: it is not compacted, loses no segment, and is not
 *    removed meanwhile.
 * I4 Before the record the old files count alone, from its durability on the new ones. */
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/store/store_in.h"

#include <stdlib.h>

enum { MOVE_REST = 1 << 20 /* bytes copied in the loop, at most */, MOVE_RESERVE = 16 << 20 };
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

static void move_done(struct store *s, struct store_task *t, struct plog *p);

static const struct store_task_ops move_ops = {move_run, move_done, move_run_free};

/* ---- what is asked for -------------------------------------------------------------------------
 */

static bool
active(const struct store *s, const struct plog *p)
{
    return s->move.run && s->move.log == p && !s->move.unwanted && s->move.phase != MOVE_REMOVE;
}

int
store_move(struct store *s, struct plog *p, uint8_t dir, uint64_t *lsn)
{
    *lsn = 0;
    if (dir >= s->dirs.count)
        return ERR_NOT_FOUND;
    if (!s->dirs.dirs[dir].online || p->state == PLOG_OFFLINE || p->dead)
        return ERR_IO;
    bool late = active(s, p) && s->move.phase >= MOVE_RECORD;
    uint8_t lives = late ? s->move.run->to : p->dir; /* too late to change that */
    int rc = store_wish_append(s, p, dir, lives, lsn);
    if (rc != ERR_OK)
        return rc;
    if (active(s, p) && !late) {
        if (dir == s->move.run->to)
            return ERR_OK;
        s->move.unwanted = true;
        store_task_cancel(s, p);
    }
    list_remove(&p->move_node);
    p->move_to = PLOG_DIR_NONE;
    if (dir == lives)
        return ERR_OK;
    p->move_to = dir;
    list_push_back(&s->move.queue, &p->move_node);
    return ERR_OK;
}

void
store_move_facts(const struct store *s, const struct plog *p, struct store_move_facts *out)
{
    *out = (struct store_move_facts){.dir = p->move_to, .offset = p->start};
    if (p->move_to != PLOG_DIR_NONE || !active(s, p))
        return;
    out->dir = s->move.run->to;
    out->bytes = s->move.bytes;
    if (s->move.offset > p->start)
        out->offset = s->move.offset;
}

/* ---- rounds ------------------------------------------------------------------------------------
 */

/* Lists what the copies miss of what is in the files; false without memory. */
static bool
parts_list(struct move_run *r, const struct plog *p, uint64_t *bytes)
{
    struct move_part last = r->copied;
    if (p->segment_count + 1 > r->part_room) {
        void *more = realloc(r->parts, ((size_t)p->segment_count + 16) * sizeof *r->parts);
        if (!more)
            return false;
        r->parts = more;
        r->part_room = p->segment_count + 16;
    }
    uint32_t count = 0;
    *bytes = 0;
    for (uint32_t i = 0; i < p->segment_count; i++) {
        const struct segment *seg = p->segments[i];
        uint32_t from = seg->base == last.base ? last.to : 0;
        if (seg->base < last.base || seg->written == from)
            continue;
        r->parts[count++] = (struct move_part){seg->base, from, seg->written};
        *bytes += seg->written - from;
    }
    r->part_count = count;
    return true;
}

/* The parts are copied. */
static void
parts_note(struct move *m)
{
    struct move_run *r = m->run;
    if (r->part_count)
        r->copied = r->parts[r->part_count - 1];
    r->part_count = 0;
    m->offset = r->check.next;
    m->bytes = r->bytes;
}

static void
task_go(struct store *s)
{
    s->move.out = true;
    list_push_back(&s->tasks, &s->move.run->task.node);
}

static void
run_end(struct store *s)
{
    struct move_run *r = s->move.run;
    s->move.run = NULL;
    s->move.log = NULL;
    store_task_end(s, &r->task);
}

/* Files of the log in a directory where it is not are to go. */
static void
remove_begin(struct store *s, uint8_t dir)
{
    struct move *m = &s->move;
    struct plog *p = m->log;
    p->draining = p->held = p->shut = m->held = false;
    m->phase = MOVE_REMOVE;
    m->run->remove = true;
    m->run->remove_dir = dir;
    if (!s->flushing)
        task_go(s); /* else the next step does it */
}

static void
give_up(struct store *s, int error)
{
    struct move_run *r = s->move.run;
    if (error != ERR_CLOSED) {
        s->move.log->wished = false;
        char path[PLOG_PATH_BYTES];
        plog_path_dir(s->move.log, path);
        log_error("store", "move of a partition given up path=%s from=%u to=%u error=%s", path,
                  r->from, r->to, err_name(error));
        if (error == ERR_NO_SPACE)
            store_room_hit(s, r->to);
        else if (error == ERR_IO)
            store_dir_suspect(s, r->to);
    }
    remove_begin(s, r->to);
}

static void
removed(struct store *s, int error)
{
    if (error != ERR_OK)
        log_warn("store", "files of a partition that moved stay directory=%u error=%s",
                 s->move.run->remove_dir, err_name(error));
    run_end(s);
}

static void
move_done(struct store *s, struct store_task *t, struct plog *p)
{
    struct move *m = &s->move;
    must(m->run == (struct move_run *)(void *)t);
    m->out = false;
    m->unwanted = m->unwanted || !p;
    if (m->phase == MOVE_REMOVE) {
        if (t->result == ERR_CLOSED)
            task_go(s); /* cancelled before anybody had taken it */
        else
            removed(s, t->result);
        return;
    }
    if (t->result != ERR_OK || m->unwanted) {
        give_up(s, t->result != ERR_OK && !m->unwanted ? t->result : ERR_CLOSED);
        return;
    }
    parts_note(m);
    m->phase = MOVE_DRAIN;
}

static bool
move_begin(struct store *s, struct plog *p)
{
    struct move *m = &s->move;
    struct move_run *r = calloc(1, sizeof *r);
    uint64_t bytes;
    if (!r)
        return false;
    r->task.ops = &move_ops;
    memcpy(r->topic, p->topic, sizeof r->topic);
    r->partition = p->partition;
    r->copied.base = -1;
    r->from = p->dir;
    r->to = p->move_to;
    r->mem = aligned_alloc(STORE_BLOCK, MOVE_CHUNK + 2 * STORE_BLOCK);
    if (!r->mem || !parts_list(r, p, &bytes)) {
        move_run_free(&r->task);
        return false;
    }
    list_remove(&p->move_node);
    p->move_to = PLOG_DIR_NONE;
    m->run = r;
    m->log = p;
    m->phase = MOVE_COPY;
    m->unwanted = m->job = m->held = false;
    m->drain_seq = 0;
    m->offset = p->start;
    m->bytes = 0;
    m->out = true;
    store_task_add(s, p, &r->task);
    return true;
}

/* False: not now; the log stays in the queue. */
static bool
can_begin(struct store *s, struct plog *p)
{
    uint8_t to = p->move_to;
    bool works = p->state == PLOG_ONLINE && s->dirs.dirs[to].online && to != p->dir;
    bool room = s->rooms[to].free >= p->bytes + MOVE_RESERVE;
    if (works && room)
        return !p->task;
    list_remove(&p->move_node);
    p->move_to = PLOG_DIR_NONE;
    p->wished = p->wished && p->state == PLOG_OFFLINE; /* another start may see it online */
    log_error("store", "a partition cannot move partition=%d from=%u to=%u bytes=%llu%s",
              p->partition, p->dir, to, (unsigned long long)p->bytes,
              works ? ": no room there" : "");
    return false;
}

static void
next_begin(struct store *s)
{
    for (struct list *n = s->move.queue.next; n != &s->move.queue;) {
        struct plog *p = list_item(n, struct plog, move_node);
        n = n->next;
        if (can_begin(s, p) && move_begin(s, p))
            return;
    }
}

/* ---- the rest ----------------------------------------------------------------------------------
 */

static bool
drained(struct move *m)
{
    struct plog *p = m->log;
    if (!p->draining) {
        p->draining = true;
        m->drain_seq = p->tail_last;
    }
    return p->dirty_first == 0 || p->dirty_first > m->drain_seq;
}

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

/* I1, and what is left is little. */
static void
drain_step(struct store *s)
{
    struct move *m = &s->move;
    uint64_t rest;
    if (s->ckpt.phase != CKPT_IDLE || (m->log->draining && !drained(m)))
        return;
    if (!parts_list(m->run, m->log, &rest)) {
        give_up(s, ERR_LIMIT);
        return;
    }
    if (rest > MOVE_REST) {
        m->phase = MOVE_COPY;
        task_go(s);
        return;
    }
    if (!drained(m))
        return;
    m->held = m->log->held = true;
    m->phase = MOVE_LAST;
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
        give_up(s, error);
        return;
    }
    parts_note(m);
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

static void
last_begin(struct store *s)
{
    struct move *m = &s->move;
    uint64_t rest;
    if (writes_under_way(s, m->log))
        return;
    struct job *j = store_job_room(s) ? store_job(s, JOB_MOVE, m->log, NULL) : NULL;
    if (!j)
        return;
    m->job = true;
    if (!parts_list(m->run, m->log, &rest)) {
        last_end(s, j, ERR_LIMIT);
        return;
    }
    if (rest > MOVE_REST) { /* a write that was under way: the next round takes it */
        m->job = false;
        store_job_end(s, j);
        m->held = m->log->held = false;
        m->phase = MOVE_COPY;
        task_go(s);
        return;
    }
    part_next(s, j);
}

/* ---- the change --------------------------------------------------------------------------------
 */

static void
record_append(struct store *s)
{
    struct move *m = &s->move;
    struct journal_slot slot;
    int rc = journal_append(s->journal, STORE_REC_MOVE, STORE_MOVE_BYTES, &slot);
    store_tail_evict(s);
    if (rc != ERR_OK) { /* no room now: a checkpoint may be what it waits for */
        m->held = m->log->held = false;
        m->phase = MOVE_DRAIN;
        return;
    }
    set_u64(slot.body, m->log->id);
    memcpy(slot.body + 8, s->dirs.dirs[m->run->to].id, 16);
    m->lsn = slot.lsn;
    m->phase = MOVE_RECORD;
}

/* True when no file of the log is open or used. */
static bool
files_shut(struct store *s, struct plog *p)
{
    p->shut = true;
    if (p->jobs)
        return false;
    for (uint32_t i = 0; i < p->segment_count; i++)
        if (p->segments[i]->file >= 0) {
            if (!store_job_room(s))
                return false;
            store_file_close(s, p->segments[i]);
        }
    return true;
}

static void
segment_settle(const struct plog *p, uint32_t i)
{
    struct segment *seg = p->segments[i];
    list_remove(&seg->sync_node);
    seg->created = seg->named = seg->written > 0;
    seg->naming = false;
    seg->sidecar = seg->bare = false;
    seg->sidecar_to = 0;
    seg->synced = seg->written;
    seg->allocated = seg->written;
    if (i + 1 < p->segment_count && seg->written && seg->written == seg->bytes && !seg->sealed) {
        seg->sealed = true;
        index_thin(&seg->idx, PLOG_INDEX_SEALED);
    }
}

static void
log_change(struct store *s)
{
    struct plog *p = s->move.log;
    uint8_t from = p->dir;
    p->dir = s->move.run->to;
    memcpy(p->dir_id, s->dirs.dirs[p->dir].id, sizeof p->dir_id);
    store_wish_met(p);
    s->dirs.dirs[from].logs--;
    s->dirs.dirs[p->dir].logs++;
    for (uint32_t i = 0; i < p->segment_count; i++)
        segment_settle(p, i);
    p->dirs_made = true;
    p->dirs_unsynced = 0;
    list_remove(&p->dir_node);
    char path[PLOG_PATH_BYTES];
    plog_path_dir(p, path);
    log_info("store", "moved path=%s from=%u to=%u bytes=%llu", path, from, p->dir,
             (unsigned long long)s->move.run->bytes);
    remove_begin(s, from);
    /* As far as there is room for jobs; one that is missing is written after the next walk. */
    for (uint32_t i = 0; i < p->segment_count; i++)
        store_sidecar_begin(s, p, p->segments[i]);
    store_wake(s, NULL);
    if (!p->dead)
        store_log_changed(s, p);
}

/* ---- a turn ------------------------------------------------------------------------------------
 */

static bool
wanted(const struct store *s)
{
    const struct move *m = &s->move;
    return !m->unwanted && !m->log->dead && m->log->state == PLOG_ONLINE && !s->flushing &&
           !atomic_load_explicit(&m->run->task.cancel, memory_order_relaxed);
}

void
store_move_step(struct store *s)
{
    struct move *m = &s->move;
    if (s->ending || m->out || m->job)
        return;
    if (!m->run) {
        if (!list_empty(&m->queue) && !s->flushing)
            next_begin(s);
        return;
    }
    if (m->phase < MOVE_RECORD && !wanted(s)) {
        give_up(s, ERR_CLOSED);
        return;
    }
    switch (m->phase) {
    case MOVE_DRAIN:
        drain_step(s);
        return;
    case MOVE_LAST:
        last_begin(s);
        return;
    case MOVE_READY:
        record_append(s);
        return;
    case MOVE_RECORD:
        if (journal_durable_lsn(s->journal) >= m->lsn || mutant(MUTANT_MOVE_BEFORE_DURABLE))
            m->phase = MOVE_SHUT;
        return;
    case MOVE_SHUT:
        if (files_shut(s, m->log))
            log_change(s);
        return;
    default: { /* a clean stop: nobody carries out tasks any more, and the loop may block */
        struct store_worker w = {.disk = s->disk};
        removed(s, move_run(&w, &m->run->task));
    }
    }
}

void
store_move_drop(struct store *s)
{
    for (struct list *n; (n = list_first(&s->move.queue));)
        list_remove(n);
    if (!s->move.out)
        return;
    list_remove(&s->move.run->task.node);
    s->move.out = false;
    s->move.unwanted = true;
}
