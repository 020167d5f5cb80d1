/* store_move.c: a log moves to another data directory.
 *
 *   WISH record (store_wish.c)
 *   -> rounds of copying outside of the loop (move_run.c), each noted when it is durable
 *      (store_copied.c), until little is left
 *   -> no more extents; those under way come to lie behind `written`
 *   -> write-back of the log stands still: the rest is copied in the loop, and synced
 *      (store_move_last.c)
 *   -> MOVE record appended -> durable -> reads end, files are closed
 *   -> the log is in the new directory; the old files are removed outside of the loop
 *
 * I1 From the standstill to the change no checkpoint is begun, and it begins while none is made: a
 *    checkpoint knows both the record and the new directory, or neither.
 * I2 When the record is appended the copies hold [0, written) of every segment, synced, and no
 *    extent lies beyond; so a replay of what came before writes bytes that are there, or the same.
 * I3 The log has its task (task.h) all the time: it is not compacted, loses no segment, and is not
 *    removed meanwhile.
 * I4 Before the record the old files count alone, from its durability on the new ones.
 * I5 A stop leaves the copies that were noted where they are. */
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/store/store_in.h"

#include <stdlib.h>

enum { MOVE_RESERVE = 16 << 20 };

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
    p->move_to = dir == lives ? PLOG_DIR_NONE : dir;
    if (p->move_to != PLOG_DIR_NONE || p->copies_in != PLOG_DIR_NONE)
        list_push_back(&s->move.queue, &p->move_node);
    return ERR_OK;
}

void
store_move_facts(const struct store *s, const struct plog *p, struct store_move_facts *out)
{
    *out = (struct store_move_facts){.dir = p->move_to, .offset = p->start};
    if (p->move_to != PLOG_DIR_NONE && store_copied_goes_on(p)) {
        out->bytes = store_copied_bytes(p);
        out->offset = p->copied.next > p->start ? p->copied.next : p->start;
    }
    if (p->move_to != PLOG_DIR_NONE || !active(s, p))
        return;
    out->dir = s->move.run->to;
    out->bytes = s->move.bytes;
    if (s->move.offset > p->start)
        out->offset = s->move.offset;
}

/* ---- rounds ------------------------------------------------------------------------------------
 */

static uint64_t
round_bytes(const struct store *s)
{
    return s->config.move_bytes ? s->config.move_bytes : STORE_MOVE_ROUND;
}

/* So much may be left for the loop. */
static uint64_t
rest_bytes(const struct store *s)
{
    return round_bytes(s) < STORE_MOVE_REST ? round_bytes(s) : STORE_MOVE_REST;
}

bool
store_move_list(struct move_run *r, const struct plog *p, uint64_t most, uint64_t *bytes)
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
        uint32_t from = seg->base < last.base ? seg->written : seg->base == last.base ? last.to : 0;
        uint32_t left = seg->written - from;
        bool looked_at = r->goes_on && !r->begun && from;
        uint32_t now = left < most ? left : (uint32_t)most;
        if (now || looked_at)
            r->parts[count++] = (struct move_part){seg->base, from, from + now};
        *bytes += left;
        most -= now;
    }
    r->part_count = count;
    return true;
}

void
store_move_note(struct move *m)
{
    struct move_run *r = m->run;
    if (r->part_count)
        r->copied = r->parts[r->part_count - 1];
    r->part_count = 0;
    m->offset = r->check.next;
    m->bytes = m->kept + r->bytes;
}

void
store_move_go(struct store *s)
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
    p->copied.stale = p->copied.stale || p->copied.to;
    m->phase = MOVE_REMOVE;
    m->run->remove = true;
    m->run->remove_dir = dir;
    if (!s->flushing)
        store_move_go(s); /* else the next step does it */
}

void
store_move_give_up(struct store *s, int error)
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

/* A stop: the copies stay, or go when a start could not go on with them. */
static void
leave(struct store *s)
{
    struct move *m = &s->move;
    struct plog *p = m->log;
    bool wished = p->wished && !m->unwanted && !p->dead && p->state == PLOG_ONLINE;
    if (!s->flushing || !wished || !p->copied.to || p->copied.stale) {
        store_move_give_up(s, ERR_CLOSED);
        return;
    }
    p->draining = p->held = p->shut = m->held = false;
    run_end(s);
}

static void
removed(struct store *s, int error)
{
    const struct move_run *r = s->move.run;
    struct plog *p = s->move.log;
    bool again = r->refused && p->wished && !p->dead && p->move_to == PLOG_DIR_NONE &&
                 store_dir_find(&s->dirs, p->wish_id) == r->to;
    if (error != ERR_OK)
        log_warn("store", "files of a partition that moved stay directory=%u error=%s",
                 r->remove_dir, err_name(error));
    if (again) {
        p->move_to = r->to;
        list_push_back(&s->move.queue, &p->move_node);
    }
    run_end(s);
}

/* What was copied is durable: another round, or the rest in the loop. */
static void
round_over(struct store *s)
{
    struct move *m = &s->move;
    uint64_t rest;
    store_move_note(m);
    store_copied_note(s);
    if (!store_move_list(m->run, m->log, round_bytes(s), &rest))
        store_move_give_up(s, ERR_LIMIT);
    else if (rest > rest_bytes(s))
        store_move_go(s);
    else
        m->phase = MOVE_DRAIN;
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
            store_move_go(s); /* cancelled before anybody had taken it */
        else
            removed(s, t->result);
        return;
    }
    if (t->result == ERR_OK && !m->unwanted) {
        round_over(s);
    } else if (t->result == ERR_CLOSED && !m->unwanted) {
        m->phase = MOVE_STOPPED;
    } else if (m->run->refused) {
        log_warn("store",
                 "copies of a move that was interrupted are not all there, it begins "
                 "anew partition=%d to=%u",
                 p ? p->partition : m->log->partition, m->run->to);
        store_move_give_up(s, ERR_CLOSED);
    } else {
        store_move_give_up(s, m->unwanted ? ERR_CLOSED : t->result);
    }
}

/* The run of a log that is at the head of the queue. */
static struct move_run *
run_make(struct store *s, const struct plog *p)
{
    struct move_run *r = calloc(1, sizeof *r);
    uint64_t bytes;
    if (!r)
        return NULL;
    r->task.ops = &move_ops;
    memcpy(r->topic, p->topic, sizeof r->topic);
    r->partition = p->partition;
    r->from = p->dir;
    r->to = p->move_to;
    r->copied.base = -1;
    r->goes_on = store_copied_goes_on(p);
    if (r->goes_on) {
        r->copied = (struct move_part){p->copied.base, 0, p->copied.to};
        r->check.next = p->copied.next;
    }
    r->mem = aligned_alloc(STORE_BLOCK, MOVE_CHUNK + 2 * STORE_BLOCK);
    if (r->mem && store_move_list(r, p, round_bytes(s), &bytes))
        return r;
    move_run_free(&r->task);
    return NULL;
}

static bool
move_begin(struct store *s, struct plog *p)
{
    struct move *m = &s->move;
    struct move_run *r = run_make(s, p);
    if (!r)
        return false;
    list_remove(&p->move_node);
    p->move_to = p->copies_in = PLOG_DIR_NONE;
    m->run = r;
    m->log = p;
    m->phase = MOVE_COPY;
    m->unwanted = m->job = m->held = false;
    m->drain_seq = 0;
    m->offset = r->goes_on ? p->copied.next : p->start;
    m->bytes = m->kept = r->goes_on ? store_copied_bytes(p) : 0;
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
    uint64_t there = store_copied_goes_on(p) ? store_copied_bytes(p) : 0;
    bool room = s->rooms[to].free + there >= p->bytes + MOVE_RESERVE;
    if (works && room)
        return !p->task && store_copied_settled(s, p);
    p->move_to = PLOG_DIR_NONE;                        /* copies that are there go next */
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
        if (p->copies_in != p->move_to && !store_copied_tidy(s, p))
            continue;
        if (p->move_to == PLOG_DIR_NONE)
            list_remove(&p->move_node);
        else if (can_begin(s, p) && move_begin(s, p))
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

/* I1, and what is left is little. */
static void
drain_step(struct store *s)
{
    struct move *m = &s->move;
    uint64_t rest;
    if (s->ckpt.phase != CKPT_IDLE || (m->log->draining && !drained(m)))
        return;
    if (!store_move_list(m->run, m->log, round_bytes(s), &rest)) {
        store_move_give_up(s, ERR_LIMIT);
        return;
    }
    if (rest > rest_bytes(s)) {
        m->phase = MOVE_COPY;
        store_move_go(s);
        return;
    }
    if (!drained(m))
        return;
    m->held = m->log->held = true;
    m->phase = MOVE_LAST;
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
    p->copied = (struct plog_copied){0};
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
        leave(s);
        return;
    }
    switch (m->phase) {
    case MOVE_STOPPED:
        return;
    case MOVE_DRAIN:
        drain_step(s);
        return;
    case MOVE_LAST:
        store_move_last(s);
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
    for (struct list *n; (n = list_first(&s->move.queue));) {
        struct plog *p = list_item(n, struct plog, move_node);
        if (p->copies_in != p->move_to)
            must(store_copied_tidy(s, p));
        list_remove(n);
    }
    if (!s->move.out)
        return;
    list_remove(&s->move.run->task.node);
    s->move.out = false;
    if (s->move.phase != MOVE_REMOVE)
        s->move.phase = MOVE_STOPPED;
}
