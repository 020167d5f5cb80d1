/* store_swap.c: cleaned segments take the place of others.
 *
 *   new file written and synced, its name too (clean_run.c)
 *   SWAP record appended -> durable
 *   old files opened and held -> their .idx go -> the new file gets its name, over the old one of
 *   the same base -> the other old files go -> directory synced
 *   the segment is put into the log; from here on reads find it
 *
 * I1 Between the record and the synced names no checkpoint is begun, and the record is appended
 *    while none is being made: a checkpoint knows both or nothing, and recovery finishes what a
 *    durable record began (store_replay.c).
 * I2 From the record on the old segments are pinned (busy), so none of them leaves the log.
 * I3 A replaced segment stays readable through its open file, which has no name any more: the
 *    length of a response may have been said.  It ends after file.delete.delay.ms, as a file that
 *    is dropped, or when there are STORE_RETIRED_MAX; a reader that is slower loses its connection.
 *
 * An error after the record takes the log offline.  Checkpoints then say what is unfinished, so
 * that the journal need not keep the record; the next start that has the directory finishes it. */
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/store/store_replay_in.h"

enum {
    SWAP_OPEN = JOB_OPENED,
    SWAP_IDX = 0,
    SWAP_NAME,
    SWAP_UNLINK,
    SWAP_SYNC,
    SWAP_REMOVE,
    SWAP_REMOVED
};

/* ---- replaced segments -------------------------------------------------------------------------
 */

struct segment *
store_swap_retired(const struct store *s, const struct plog *p, uint64_t serial)
{
    for (const struct list *n = s->swap.retired.next; n != &s->swap.retired; n = n->next) {
        struct segment *seg = list_item(n, struct segment, retired_node);
        if (seg->log == p && seg->serial == serial)
            return seg;
    }
    return NULL;
}

static void
retire(struct store *s, struct plog *p, struct segment *seg)
{
    uint64_t delay_ms = (uint64_t)p->config.file_delete_delay_ms;
    uint64_t most_ms = (CLOCK_NEVER - s->now_ns) / CLOCK_NS_PER_MS;
    seg->retired_ns = delay_ms < most_ms ? s->now_ns + delay_ms * CLOCK_NS_PER_MS : CLOCK_NEVER;
    list_remove(&seg->sync_node);
    struct list *after = s->swap.retired.prev;
    while (after != &s->swap.retired &&
           list_item(after, struct segment, retired_node)->retired_ns > seg->retired_ns)
        after = after->prev;
    list_push_back(after->next, &seg->retired_node);
    s->swap.retired_count++;
    p->retired++;
}

/* Ends a replaced segment that nobody reads just now (the one `busy` is ours). */
static bool
retired_end(struct store *s, struct segment *seg)
{
    bool room = store_job_room(s) && store_shrink_room(s);
    if (seg->busy > 1 || seg->index_busy || !room)
        return false;
    seg->busy--;
    if (store_shrink_take(s, seg))
        store_shrink_add(s, store_file_give(s, seg), seg->allocated);
    else
        store_file_close(s, seg);
    list_remove(&seg->retired_node);
    s->swap.retired_count--;
    seg->log->retired--;
    plog_segment_free(seg);
    return true;
}

static uint64_t
retired_step(struct store *s)
{
    for (struct list *n = s->swap.retired.next; n != &s->swap.retired;) {
        struct segment *seg = list_item(n, struct segment, retired_node);
        n = n->next;
        bool due = seg->retired_ns <= s->now_ns || s->flushing || seg->log->dead ||
                   s->swap.retired_count > STORE_RETIRED_MAX;
        if (!due)
            return seg->retired_ns;
        if (!retired_end(s, seg))
            return s->now_ns + CLOCK_NS_PER_S;
    }
    return CLOCK_NEVER;
}

void
store_swap_forget(struct store *s)
{
    for (struct list *n; (n = list_first(&s->swap.retired));) {
        struct segment *seg = list_item(n, struct segment, retired_node);
        list_remove(n);
        plog_segment_free(seg);
    }
    if (s->swap.seg)
        plog_segment_free(s->swap.seg);
}

/* ---- one group ---------------------------------------------------------------------------------
 */

static const struct clean_group *
group_of(const struct store *s)
{
    return &s->swap.run->groups[s->swap.run->group];
}

static const struct clean_source *
source_of(const struct store *s, uint32_t i)
{
    return &s->swap.run->sources[group_of(s)->first + i];
}

/* Are the segments that were cleaned still those of the log? */
static bool
group_fits(const struct store *s)
{
    const struct plog *p = s->swap.log;
    const struct clean_group *g = group_of(s);
    if (s->swap.unwanted || p->dead || p->state == PLOG_OFFLINE || s->flushing)
        return false;
    uint32_t at = p->segment_count ? plog_segment_index(p, source_of(s, 0)->base) : 0;
    if (at + g->count >= p->segment_count) /* the last one is never cleaned */
        return false;
    for (uint32_t i = 0; i < g->count; i++) {
        const struct clean_source *source = source_of(s, i);
        const struct segment *seg = p->segments[at + i];
        if (seg->serial != source->serial || seg->base != source->base)
            return false;
    }
    return true;
}

static bool
last_changed(const struct clean_run *r)
{
    for (uint32_t i = r->group + 1; i < r->group_count; i++)
        if (r->groups[i].changed)
            return false;
    return true;
}

/* Only with its last group the whole round is in place.  Until then the record says how far earlier
 * rounds came: one that changed nothing had no record, and a transaction that it forgot must not
 * come back when the marker is gone. */
static int64_t
clean_to(const struct store *s)
{
    return last_changed(s->swap.run) ? s->swap.run->clean_to : s->swap.log->clean_to;
}

static bool
record_append(struct store *s, const struct segment *seg)
{
    const struct clean_group *g = group_of(s);
    struct journal_slot slot;
    int rc = journal_append(s->journal, STORE_REC_SWAP, STORE_SWAP_BYTES, &slot);
    store_tail_evict(s);
    if (rc != ERR_OK)
        return false; /* no room now: the next turn tries again */
    struct put w = put_of(slot.body, STORE_SWAP_BYTES);
    put_u64(&w, s->swap.log->id);
    put_u64(&w, (uint64_t)seg->base);
    put_u64(&w, (uint64_t)source_of(s, g->count - 1)->limit);
    put_u64(&w, s->swap.run->tag);
    put_u64(&w, (uint64_t)clean_to(s));
    put_u32(&w, g->bytes);
    put_u64(&w, (uint64_t)g->max_ts);
    put_u64(&w, (uint64_t)g->first_ts);
    must(!w.bad && put_len(&w) == STORE_SWAP_BYTES);
    s->swap.run->lsn = slot.lsn;
    if (s->swap.log->copied.to) { /* of what it replaces */
        s->swap.log->copied = (struct plog_copied){0};
        s->swap.log->wish_lsn = slot.lsn;
    }
    return true;
}

/* A sidecar of an old segment that is being written could get its name after ours are gone. */
static bool
sidecar_written(const struct store *s)
{
    const struct plog *p = s->swap.log;
    uint32_t at = plog_segment_index(p, source_of(s, 0)->base);
    for (uint32_t i = 0; i < group_of(s)->count; i++)
        if (p->segments[at + i]->sidecar_busy)
            return true;
    return false;
}

/* Appends the record, once no checkpoint is being made (I1). */
static void
group_begin(struct store *s)
{
    struct plog *p = s->swap.log;
    struct clean_group *g = &s->swap.run->groups[s->swap.run->group];
    if (s->ckpt.phase != CKPT_IDLE || s->ending || sidecar_written(s))
        return;
    struct segment *seg = s->swap.seg;
    if (!seg)
        seg = s->swap.seg = plog_segment_new(p, source_of(s, 0)->base);
    if (!seg || !record_append(s, seg))
        return;
    seg->bytes = seg->written = seg->synced = g->bytes;
    seg->allocated = g->bytes;
    seg->max_ts = g->max_ts;
    seg->first_ts = g->first_ts;
    seg->sealed = seg->created = seg->named = seg->gaps = true;
    seg->idx = g->idx;
    seg->idx.memory = p->memory;
    g->idx = (struct index){0};
    s->swap.under_way = true;
    s->swap.count = g->count;
    uint32_t at = plog_segment_index(p, seg->base);
    for (uint32_t i = 0; i < g->count; i++) {
        s->swap.old[i] = p->segments[at + i];
        s->swap.old[i]->busy++;
    }
    seg->appended_ms = s->swap.old[g->count - 1]->appended_ms;
}

/* The names are durable: the log has the new segment from now on. */
static void
group_end(struct store *s)
{
    struct swap *w = &s->swap;
    struct plog *p = w->log;
    struct segment *old[CLEAN_GROUP_MAX];
    uint32_t at = plog_segment_index(p, w->seg->base);
    store_tail_forget(s, p, plog_segment_limit(p, w->old[w->count - 1]));
    plog_replace(p, at, w->count, w->seg, old);
    for (uint32_t i = 0; i < w->count; i++) {
        must(old[i] == w->old[i]);
        retire(s, p, old[i]);
    }
    w->seg = NULL;
    w->under_way = false;
    w->run->group++;
}

static void
group_failed(struct store *s, int error)
{
    struct swap *w = &s->swap;
    for (uint32_t i = 0; i < w->count; i++)
        w->old[i]->busy--;
    plog_segment_free(w->seg);
    w->seg = NULL;
    w->under_way = false;
    w->unwanted = true;
    const struct clean_group *g = group_of(s);
    w->log->unfinished = (struct plog_swap){.tag = w->run->tag,
                                            .first = source_of(s, 0)->base,
                                            .limit = source_of(s, g->count - 1)->limit,
                                            .clean_to = clean_to(s),
                                            .max_ts = g->max_ts,
                                            .first_ts = g->first_ts,
                                            .bytes = g->bytes};
    w->run->group++;
    if (!w->log->dead)
        store_offline(s, w->log, error, "swap of cleaned segments");
}

/* ---- the job -----------------------------------------------------------------------------------
 */

/* Opens the next old file that is not open; false: all are. */
static bool
old_open(struct store *s, struct job *j)
{
    while (j->at < s->swap.count) {
        struct segment *seg = s->swap.old[j->at++];
        if (seg->file >= 0)
            continue;
        j->seg = seg;
        store_job_open(s, j);
        return true;
    }
    return false;
}

static void
job_run(struct store *s, struct job *j, uint32_t step, enum disk_kind kind)
{
    j->step = step;
    store_job_run(s, j, &(struct disk_op){.kind = kind, .path = j->path, .path_to = j->path_to});
}

static void
job_end(struct store *s, struct job *j)
{
    s->swap.job = false;
    store_job_end(s, j);
}

static void
name_new(struct store *s, struct job *j)
{
    plog_path_segment(j->log, s->swap.seg->base, s->swap.run->suffix, j->path);
    plog_path_segment(j->log, s->swap.seg->base, ".log", j->path_to);
    job_run(s, j, SWAP_NAME, DISK_RENAME);
}

/* Files that are to go, one after the other; false: none is left. */
static bool
unlink_next(struct store *s, struct job *j, uint32_t step, const char *suffix)
{
    if (j->at == s->swap.count)
        return false;
    plog_path_segment(j->log, s->swap.old[j->at++]->base, suffix, j->path);
    job_run(s, j, step, DISK_UNLINK);
    return true;
}

void
store_swap_next(struct store *s, struct job *j)
{
    bool gone = j->result == ERR_NOT_FOUND && (j->step == SWAP_IDX || j->step == SWAP_UNLINK);
    if (j->step == SWAP_REMOVE) {
        if (j->result < 0 && j->result != ERR_NOT_FOUND)
            log_warn("store", "a file that compaction wrote in vain stays path=%s error=%s",
                     j->path, err_name((int)j->result));
        plog_path_dir(j->log, j->path); /* its name was synced, too */
        job_run(s, j, SWAP_REMOVED, DISK_SYNC_DIR);
        return;
    }
    if (j->step == SWAP_REMOVED) {
        s->swap.run->group++;
        job_end(s, j);
        return;
    }
    if (j->holds_file) { /* it stays open: I2, I3 */
        j->seg->busy--;
        j->holds_file = false;
    }
    if (j->result < 0 && !gone) {
        group_failed(s, (int)j->result);
        job_end(s, j);
        return;
    }
    switch (j->step) {
    case SWAP_OPEN:
        if (old_open(s, j))
            return;
        j->at = 0;
        j->step = SWAP_IDX;
        /* fall through */
    case SWAP_IDX:
        if (!unlink_next(s, j, SWAP_IDX, ".idx"))
            name_new(s, j);
        return;
    case SWAP_NAME:
        j->at = 1; /* the first one was replaced by the name */
        /* fall through */
    case SWAP_UNLINK:
        if (unlink_next(s, j, SWAP_UNLINK, ".log"))
            return;
        plog_path_dir(j->log, j->path);
        job_run(s, j, SWAP_SYNC, DISK_SYNC_DIR);
        return;
    default:
        group_end(s);
        job_end(s, j);
    }
}

static void
job_begin(struct store *s, bool remove)
{
    struct job *j = store_job_room(s) ? store_job(s, JOB_SWAP, s->swap.log, NULL) : NULL;
    if (!j)
        return;
    s->swap.job = true;
    j->result = ERR_OK;
    if (remove) {
        plog_path_segment(j->log, source_of(s, 0)->base, s->swap.run->suffix, j->path);
        job_run(s, j, SWAP_REMOVE, DISK_UNLINK);
        return;
    }
    j->step = SWAP_OPEN;
    store_swap_next(s, j);
}

/* ---- the run -----------------------------------------------------------------------------------
 */

void
store_swap_begin(struct store *s, struct clean_run *r, struct plog *p, bool unwanted)
{
    must(!s->swap.run);
    s->swap.run = r;
    s->swap.log = p;
    s->swap.unwanted = unwanted;
    r->group = 0;
}

static void
run_step(struct store *s)
{
    struct swap *w = &s->swap;
    struct clean_run *r = w->run;
    while (r->group < r->group_count && !r->groups[r->group].changed)
        r->group++;
    if (r->group < r->group_count) {
        if (w->under_way) {
            if (journal_durable_lsn(s->journal) >= r->lsn || mutant(MUTANT_SWAP_BEFORE_DURABLE))
                job_begin(s, false);
        } else if (group_fits(s)) {
            group_begin(s);
        } else {
            w->unwanted = true;
            job_begin(s, true);
        }
        return;
    }
    if (!w->unwanted || mutant(MUTANT_ABORTED_FORGOTTEN))
        plog_cleaned(w->log, r->clean_to);
    w->run = NULL;
    if (w->seg)
        plog_segment_free(w->seg);
    w->seg = NULL;
    store_clean_over(s);
    store_task_end(s, &r->task);
}

uint64_t
store_swap_step(struct store *s)
{
    if (s->swap.run && !s->swap.job)
        run_step(s);
    return retired_step(s);
}
