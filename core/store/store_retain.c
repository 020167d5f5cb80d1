/* store_retain.c: log starts that move up (DeleteRecords, retention), the segments that leave a log
 * with that, and the end of their files.
 *
 *   START record appended -> durable: the start moves -> segments wholly below it leave the log
 *   -> file renamed to PLOG_DELETED -> file.delete.delay.ms later: unlinked, and its blocks go
 *   (store_shrink.c)
 *
 * I1 A start moves, and a file is touched, only when the record that says so is durable; so a
 *    reader never sees a start that a crash takes back, and recovery never misses a file that it
 *    needs.
 * I2 A segment leaves its log when all of it is in its file and no job or task uses it.  From then
 * on it is in `dropping` or `dropped`, or in the hands of the one JOB_DROP; ranges of it are not
 * found. I3 One file at a time: a file system may take long for the blocks of a large file, and
 * others want its journal too. Directory entries are made durable by the next checkpoint; what a
 * crash brings back lies below the log start, and recovery removes it (store_leftover.c). */
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/store/store_in.h"
#include "core/wire/kerr.h"

#include <stdlib.h>

enum { RETAIN_TRIMMED = 32 /* logs whose segments are looked at per turn */ };
enum { DROP_CLOSE, DROP_NAME, DROP_OPEN, DROP_LOG, DROP_IDX };

/* ---- starts ------------------------------------------------------------------------------------
 */

static int
start_write(struct store *s, struct plog *p, int64_t start)
{
    if (s->trim_count == STORE_TRIMS_MAX)
        return ERR_AGAIN;
    struct journal_slot slot;
    int rc = journal_append(s->journal, STORE_REC_START, STORE_START_BYTES, &slot);
    store_tail_evict(s);
    if (rc != ERR_OK)
        return rc;
    set_u64(slot.body, p->id);
    set_u64(slot.body + 8, (uint64_t)start);
    s->trims[(s->trim_first + s->trim_count++) % STORE_TRIMS_MAX] =
        (struct trim){.lsn = slot.lsn, .serial = p->serial, .start = start, .slot = p->slot};
    p->start_next = start;
    p->start_lsn = slot.lsn;
    if (mutant(MUTANT_START_BEFORE_DURABLE))
        plog_start_set(p, start);
    return ERR_OK;
}

int
store_trim(struct store *s, struct plog *p, int64_t offset, struct store_trimmed *out)
{
    must(!p->dead);
    int64_t start = offset == -1 ? p->hw : offset;
    if (p->state == PLOG_OFFLINE)
        return KERR_KAFKA_STORAGE_ERROR;
    if (start < 0 || start > p->hw)
        return KERR_OFFSET_OUT_OF_RANGE;
    int rc = start > p->start_next ? start_write(s, p, start) : ERR_OK;
    if (rc != ERR_OK)
        return rc;
    bool waits = start > p->start;
    *out = (struct store_trimmed){.log_start_offset = waits ? start : p->start,
                                  .lsn = waits ? p->start_lsn : 0};
    return KERR_NONE;
}

static void
retain(struct store *s, struct plog *p, int64_t now_ms)
{
    if (!p->used || p->dead || p->state == PLOG_OFFLINE || p->start_next != p->start)
        return;
    bool roll;
    int64_t start = plog_retained(p, now_ms, &roll);
    if (start <= p->start)
        return;
    struct segment *last = plog_last(p);
    /* An empty segment that is not needed after all does no harm: the next append finds it. */
    if (roll && !plog_roll(p, p->end))
        return;
    if (roll && last->written == last->bytes)
        store_seal_begin(s, p, last);
    if (start_write(s, p, start) != ERR_OK)
        return; /* the next round tries again */
    char path[PLOG_PATH_BYTES];
    plog_path_dir(p, path);
    log_info("store", "retention path=%s start=%lld from=%lld", path, (long long)start,
             (long long)p->start);
}

bool
store_retain(struct store *s, int64_t now_ms)
{
    for (uint32_t n = 0; n < STORE_RETAIN_LOGS && s->retain_slot < s->log_limit; n++)
        retain(s, &s->logs[s->retain_slot++], now_ms);
    if (s->retain_slot < s->log_limit)
        return false;
    s->retain_slot = 0;
    return true;
}

void
store_retain_admit(struct store *s, struct plog *p)
{
    if (!p->dead && list_empty(&p->trim_node) && plog_droppable(p))
        list_push_back(&s->trimmed, &p->trim_node);
}

static void
starts_durable(struct store *s)
{
    uint64_t durable = journal_durable_lsn(s->journal);
    for (; s->trim_count; s->trim_count--) {
        const struct trim *t = &s->trims[s->trim_first];
        struct plog *p = &s->logs[t->slot];
        if (t->lsn > durable)
            return;
        s->trim_first = (s->trim_first + 1) % STORE_TRIMS_MAX;
        if (!p->used || p->dead || p->serial != t->serial)
            continue;
        plog_start_set(p, t->start);
        store_log_changed(s, p);
        store_retain_admit(s, p);
    }
}

/* ---- segments ----------------------------------------------------------------------------------
 */

static bool
idle(const struct segment *seg)
{
    return seg->written == seg->bytes && seg->busy == 0 && !seg->index_busy;
}

static void
segments_leave(struct store *s, struct plog *p)
{
    for (uint32_t n = plog_droppable(p); n > 0; n--) {
        if (!idle(p->segments[0]))
            return;
        struct segment *seg = plog_detach_first(p);
        list_remove(&seg->sync_node);
        index_free(&seg->idx);
        sums_free(&seg->sums);
        s->stats.segments_dropped++;
        if (seg->created)
            list_push_back(&s->dropping, &seg->drop_node);
        else
            plog_segment_free(seg);
    }
    list_remove(&p->trim_node);
}

static void
logs_trim(struct store *s)
{
    struct list *n = s->trimmed.next;
    for (int i = 0; i < RETAIN_TRIMMED && n != &s->trimmed; i++) {
        struct plog *p = list_item(n, struct plog, trim_node);
        n = n->next;
        if (p->state == PLOG_OFFLINE)
            list_remove(&p->trim_node); /* the next start finds them again */
        else if (!p->task)
            segments_leave(s, p);
        if (!list_empty(&p->trim_node)) { /* others may be ready */
            list_remove(&p->trim_node);
            list_push_back(&s->trimmed, &p->trim_node);
        }
    }
}

/* ---- files -------------------------------------------------------------------------------------
 */

/* Mostly all logs have the same delay, so the place is at the end. */
static void
dropped_add(struct store *s, struct segment *seg)
{
    uint64_t delay_ms = (uint64_t)seg->log->config.file_delete_delay_ms;
    uint64_t most_ms = (CLOCK_NEVER - s->now_ns) / CLOCK_NS_PER_MS;
    seg->drop_ns = delay_ms < most_ms ? s->now_ns + delay_ms * CLOCK_NS_PER_MS : CLOCK_NEVER;
    struct list *after = s->dropped.prev;
    while (after != &s->dropped &&
           list_item(after, struct segment, drop_node)->drop_ns > seg->drop_ns)
        after = after->prev;
    list_push_back(after->next, &seg->drop_node);
}

static struct segment *
segment_due(const struct store *s)
{
    struct list *n = list_first(&s->dropping);
    if (n)
        return list_item(n, struct segment, drop_node);
    n = list_first(&s->dropped);
    if (!n)
        return NULL;
    struct segment *seg = list_item(n, struct segment, drop_node);
    return s->flushing || seg->drop_ns <= s->now_ns ? seg : NULL;
}

void
store_retain_step(struct store *s)
{
    if (s->ending)
        return;
    if (s->trim_count)
        starts_durable(s);
    if (!list_empty(&s->trimmed))
        logs_trim(s);
    struct segment *seg = s->drop_busy ? NULL : segment_due(s);
    bool room = store_job_room(s) && store_shrink_room(s);
    struct job *j = seg && room ? store_job(s, JOB_DROP, seg->log, seg) : NULL;
    if (!j)
        return;
    list_remove(&seg->drop_node);
    s->drop_busy = true;
    j->step = DROP_CLOSE;
    j->result = ERR_OK;
    if (seg->file < 0) {
        store_drop_next(s, j);
        return;
    }
    list_remove(&seg->open_node);
    s->files_open--;
    store_job_run(s, j, &(struct disk_op){.kind = DISK_CLOSE, .file = seg->file});
    seg->file = -1;
}

/* The file, or what is left of it, has its new name; or it is gone for good. */
static void
drop_end(struct store *s, struct job *j, bool gone)
{
    struct segment *seg = j->seg;
    struct plog *p = j->log;
    s->drop_busy = false;
    if (!p->dead && p->state == PLOG_ONLINE)
        store_dirs_note(s, p);
    if (!gone)
        dropped_add(s, seg);
    else
        plog_segment_free(seg);
    store_job_end(s, j);
}

void
store_drop_next(struct store *s, struct job *j)
{
    struct segment *seg = j->seg;
    if (j->result < 0 && j->result != ERR_NOT_FOUND && j->step != DROP_OPEN)
        log_warn("store", "a file of a dropped segment stays path=%s error=%s", j->path,
                 err_name((int)j->result));
    switch (j->step) {
    case DROP_CLOSE:
        if (!seg->renamed && seg->log->config.file_delete_delay_ms > 0) {
            j->step = DROP_NAME;
            plog_path_segment(j->log, seg->base, ".log", j->path);
            plog_path_segment(j->log, seg->base, PLOG_DELETED, j->path_to);
            store_job_run(
                s, j,
                &(struct disk_op){.kind = DISK_RENAME, .path = j->path, .path_to = j->path_to});
            return;
        }
        plog_path_segment(j->log, seg->base, seg->renamed ? PLOG_DELETED : ".log", j->path);
        j->step = store_shrink_take(s, seg) ? DROP_OPEN : DROP_LOG;
        if (j->step == DROP_OPEN)
            store_job_run(
                s, j,
                &(struct disk_op){.kind = DISK_OPEN, .path = j->path, .flags = DISK_WRITABLE});
        else
            store_job_run(s, j, &(struct disk_op){.kind = DISK_UNLINK, .path = j->path});
        return;
    case DROP_OPEN:
        j->file = (int32_t)(j->result < 0 ? -1 : j->result);
        if (j->file < 0)
            store_shrink_add(s, -1, 0);
        j->step = DROP_LOG;
        store_job_run(s, j, &(struct disk_op){.kind = DISK_UNLINK, .path = j->path});
        return;
    case DROP_NAME:
        seg->renamed = true;
        drop_end(s, j, j->result < 0);
        return;
    case DROP_LOG:
        if (j->file >= 0)
            store_shrink_add(s, j->file, j->result < 0 ? 0 : seg->allocated);
        j->step = DROP_IDX;
        plog_path_segment(j->log, seg->base, ".idx", j->path);
        store_job_run(s, j, &(struct disk_op){.kind = DISK_UNLINK, .path = j->path});
        return;
    default:
        drop_end(s, j, true);
    }
}

/* ---- deadline and end --------------------------------------------------------------------------
 */

uint64_t
store_retain_deadline(const struct store *s)
{
    struct list *n = list_first(&s->dropped);
    if (!n || s->drop_busy || s->ending)
        return CLOCK_NEVER;
    return list_item(n, struct segment, drop_node)->drop_ns;
}

bool
store_retain_quiet(const struct store *s)
{
    return s->trim_count == 0 && list_empty(&s->trimmed) && list_empty(&s->dropping) &&
           list_empty(&s->dropped);
}

static void
gather(struct plog *p, struct list *from)
{
    for (struct list *n = from->next; n != from;) {
        struct segment *seg = list_item(n, struct segment, drop_node);
        n = n->next;
        if (seg->log == p && plog_attach(p, seg))
            list_remove(&seg->drop_node);
    }
}

void
store_retain_gather(struct store *s, struct plog *p)
{
    gather(p, &s->dropping);
    gather(p, &s->dropped);
}

void
store_retain_free(struct store *s)
{
    for (uint32_t i = 0; i < STORE_JOBS_MAX; i++)
        if (s->jobs[i].used && s->jobs[i].kind == JOB_DROP)
            plog_segment_free(s->jobs[i].seg);
        else if (s->jobs[i].used &&
                 (s->jobs[i].kind == JOB_INDEX || s->jobs[i].kind == JOB_SIDECAR))
            store_index_free(&s->jobs[i]);
    struct list *lists[] = {&s->dropping, &s->dropped};
    for (int i = 0; i < 2; i++)
        for (struct list *n; (n = lists[i]->next) && n != lists[i];) {
            struct segment *seg = list_item(n, struct segment, drop_node);
            list_remove(n);
            plog_segment_free(seg);
        }
}
