/* store_copied.c: how far a move (store_move.c) has got, over restarts.
 *
 *   COPY    u64 log, i64 base, u32 to, i64 next: in the directory of its wish the log's segments
 * below `base` are whole, and `to` bytes of that one, up to offset `next`.  to 0: nothing is
 *
 * Behind each round of copying, when files and names are synced, such a record is appended; nobody
 * waits for it.  Log and checkpoints have what it says as plog.copied.  A start keeps the copies of
 * a log that has that and fits it; its move looks whether they are all there, and goes on.
 *
 * C1 plog.copied ends with a WISH, a MOVE and a SWAP record of the log, and where it is `stale`
 * with a COPY record; a move begins to write only when that record is durable.  So what a COPY
 * record counts was not written by a later move. C2 Copies go as whole files, and a file whose name
 * is there has its bytes (store_shrink_unlink).  So a removal that a crash met is found by a name
 * that is missing, and the move begins anew. */
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/store/store_in.h"

#include <stdlib.h>

static void tidy_done(struct store *s, struct store_task *t, struct plog *p);

static const struct store_task_ops tidy_ops = {move_run, tidy_done, move_run_free};

void
store_copied_replay(struct plog *p, struct cur *c)
{
    p->copied = (struct plog_copied){.base = cur_i64(c)};
    p->copied.to = cur_u32(c);
    p->copied.next = cur_i64(c);
}

bool
store_copied_fits(const struct plog *p)
{
    const struct plog_copied *x = &p->copied;
    const struct segment *seg = x->to ? plog_segment_at(p, x->base) : NULL;
    return seg && x->to <= seg->written && x->next > x->base && x->next <= p->end;
}

uint64_t
store_copied_bytes(const struct plog *p)
{
    uint64_t bytes = p->copied.to;
    for (uint32_t i = 0; i < p->segment_count && p->segments[i]->base < p->copied.base; i++)
        bytes += p->segments[i]->written;
    return bytes;
}

bool
store_copied_goes_on(const struct plog *p)
{
    return p->copied.to && !p->copied.stale && p->copies_in == p->move_to;
}

/* False: no room in the journal now. */
static bool
record_append(struct store *s, struct plog *p, const struct plog_copied *x)
{
    struct journal_slot slot;
    int rc = journal_append(s->journal, STORE_REC_COPY, STORE_COPY_BYTES, &slot);
    store_tail_evict(s);
    if (rc != ERR_OK)
        return false;
    set_u64(slot.body, p->id);
    set_u64(slot.body + 8, (uint64_t)x->base);
    set_u32(slot.body + 16, x->to);
    set_u64(slot.body + 20, (uint64_t)x->next);
    p->copied = *x;
    p->wish_lsn = slot.lsn;
    return true;
}

void
store_copied_note(struct store *s)
{
    struct move_run *r = s->move.run;
    struct plog *p = s->move.log;
    uint32_t open = move_check_open(&r->check);
    if (r->copied.base < 0 || r->copied.to <= open)
        return; /* not a batch of this segment is whole */
    struct plog_copied x = {
        .base = r->copied.base, .to = r->copied.to - open, .next = r->check.next};
    if (mutant(MUTANT_COPIED_AHEAD))
        x.to = plog_segment_at(p, x.base)->written;
    if (x.base != p->copied.base || x.to != p->copied.to)
        (void)record_append(s, p, &x); /* else the next round's says it */
}

bool
store_copied_settled(struct store *s, struct plog *p)
{
    if (p->copied.to && !(store_copied_goes_on(p) && store_copied_fits(p)))
        p->copied.stale = true;
    if (p->copied.stale && !record_append(s, p, &(struct plog_copied){0}))
        return false;
    return journal_durable_lsn(s->journal) >= p->wish_lsn;
}

static void
tidy_done(struct store *s, struct store_task *t, struct plog *p)
{
    struct plog *log = &s->logs[t->slot];
    (void)p;
    if (t->result != ERR_OK && t->result != ERR_CLOSED)
        log_warn("store", "files of a move that was given up stay directory=%u error=%s",
                 log->copies_in, err_name(t->result));
    if (t->result != ERR_CLOSED) /* else nobody had taken it */
        log->copies_in = PLOG_DIR_NONE;
    store_task_end(s, t);
}

bool
store_copied_tidy(struct store *s, struct plog *p)
{
    uint8_t dir = p->copies_in;
    if (dir == PLOG_DIR_NONE)
        return true;
    if (s->flushing || !s->dirs.dirs[dir].online) { /* a stop: the loop may block */
        struct plog at = {.partition = p->partition, .dir = dir};
        memcpy(at.topic, p->topic, sizeof at.topic);
        if (s->dirs.dirs[dir].online && move_run_remove(s->disk, &at, NULL) != ERR_OK)
            log_warn("store", "files of a move that was given up stay directory=%u", dir);
        p->copies_in = PLOG_DIR_NONE;
        return true;
    }
    struct move_run *r = p->task ? NULL : calloc(1, sizeof *r);
    if (!r)
        return false;
    r->task.ops = &tidy_ops;
    memcpy(r->topic, p->topic, sizeof r->topic);
    r->partition = p->partition;
    r->remove = true;
    r->remove_dir = dir;
    store_task_add(s, p, &r->task);
    return false;
}
