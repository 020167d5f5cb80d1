/* store_delete.c: the end of a log.  Its files go (long ones step by step: store_shrink.c) after
 * the DELETE record is durable and no job or task uses them any more; a crash in between leaves the
 * log in checkpoints, marked deleted, so recovery can go on with it. */
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/store/store_in.h"

#include <stdio.h>

enum { DELETE_CLOSE, DELETE_OPEN, DELETE_LOG, DELETE_IDX, DELETE_DIR, DELETE_TOPIC, DELETE_SYNC };

static bool
record_durable(struct store *s, struct plog *p)
{
    if (!p->delete_lsn) {
        struct journal_slot slot;
        int rc = journal_append(s->journal, STORE_REC_DELETE, 8, &slot);
        store_tail_evict(s);
        if (rc != ERR_OK)
            return false; /* no room now: the next turn tries again */
        set_u64(slot.body, p->id);
        p->delete_lsn = slot.lsn;
    }
    return journal_durable_lsn(s->journal) >= p->delete_lsn;
}

void
store_delete_step(struct store *s)
{
    for (struct list *n = s->dying.next; n != &s->dying;) {
        struct plog *p = list_item(n, struct plog, dying_node);
        n = n->next;
        bool room = store_job_room(s) && store_shrink_room(s);
        if (!record_durable(s, p) || p->jobs || p->task || p->retired || !room ||
            !store_copied_tidy(s, p))
            continue;
        struct job *j = store_job(s, JOB_DELETE, p, NULL);
        if (!j)
            return;
        list_remove(&p->dying_node);
        list_push_back(&s->dying, &p->dying_node);
        store_retain_gather(s, p);
        j->result = ERR_OK;
        store_delete_next(s, j);
        return;
    }
}

static void
remove_path(struct store *s, struct job *j, uint32_t step, uint32_t flags)
{
    j->step = step;
    store_job_run(s, j, &(struct disk_op){.kind = DISK_UNLINK, .path = j->path, .flags = flags});
}

/* The next operation on the two files of a segment. */
static void
segment_next(struct store *s, struct job *j, struct segment *seg)
{
    bool log_gone = j->step == DELETE_LOG, opened = j->step == DELETE_OPEN;
    if (opened) {
        j->file = (int32_t)(j->result < 0 ? -1 : j->result);
        if (j->file < 0)
            store_shrink_add(s, -1, 0);
    }
    if (log_gone && j->file >= 0) {
        store_shrink_add(s, j->file, j->result < 0 ? 0 : seg->allocated);
        j->file = -1;
    }
    seg->created = seg->created && !log_gone;
    if (!log_gone && !opened && store_shrink_long(s, seg) && !store_shrink_room(s)) {
        store_job_end(s, j); /* another one goes on when there is */
        return;
    }
    plog_path_segment(j->log, seg->base,
                      log_gone       ? ".idx"
                      : seg->renamed ? PLOG_DELETED
                                     : ".log",
                      j->path);
    if (log_gone || opened || !store_shrink_take(s, seg)) {
        remove_path(s, j, log_gone ? DELETE_IDX : DELETE_LOG, 0);
        return;
    }
    j->step = DELETE_OPEN;
    store_job_run(s, j,
                  &(struct disk_op){.kind = DISK_OPEN, .path = j->path, .flags = DISK_WRITABLE});
}

/* Removes one file after the other, then the directories, as far as they are empty. */
void
store_delete_next(struct store *s, struct job *j)
{
    struct plog *p = j->log;
    if (j->step == DELETE_IDX)
        j->at++;
    bool asks = j->step == DELETE_OPEN || j->step == DELETE_TOPIC || j->step == DELETE_SYNC;
    if (j->result < 0 && j->result != ERR_NOT_FOUND && !asks)
        log_warn("store", "a file of a deleted log stays path=%s error=%s", j->path,
                 err_name((int)j->result));
    if (j->step <= DELETE_IDX && j->at < p->segment_count) {
        struct segment *seg = p->segments[j->at];
        if (seg->file >= 0) {
            int32_t file = seg->file;
            seg->file = -1;
            list_remove(&seg->open_node);
            s->files_open--;
            j->step = DELETE_CLOSE;
            store_job_run(s, j, &(struct disk_op){.kind = DISK_CLOSE, .file = file});
            return;
        }
        segment_next(s, j, seg);
        return;
    }
    switch (j->step) {
    case DELETE_DIR:
        if (j->result < 0 && j->result != ERR_NOT_FOUND) { /* a file that is not ours is in it */
            j->step = DELETE_SYNC;
            store_job_run(s, j, &(struct disk_op){.kind = DISK_SYNC_DIR, .path = j->path});
            return;
        }
        plog_path_topic(p, j->path);
        remove_path(s, j, DELETE_TOPIC, DISK_DIRECTORY);
        return;
    case DELETE_TOPIC: /* it stays while other partitions are in it */
        j->step = DELETE_SYNC;
        if (j->result >= 0)
            snprintf(j->path, sizeof j->path, "log");
        store_job_run(s, j, &(struct disk_op){.kind = DISK_SYNC_DIR, .path = j->path});
        return;
    case DELETE_SYNC:
        store_job_end(s, j);
        store_log_forget(s, p);
        return;
    default:
        plog_path_dir(p, j->path);
        remove_path(s, j, DELETE_DIR, DISK_DIRECTORY);
    }
}
