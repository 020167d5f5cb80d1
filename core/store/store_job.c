/* store_job.c: jobs: small programs of disk operations, one operation at a time each.
 *
 * A job works on a log, and mostly on one segment of it, and holds both: a log is freed only
 * without jobs, a file is closed only when no job uses it.  At most STORE_FILES_MAX segment files
 * are open; the one unused longest makes room. */
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/store/store_in.h"

bool
store_job_room(const struct store *s)
{
    return s->jobs_used < STORE_JOBS_MAX - STORE_WRITES_MAX - STORE_EXTENTS_MAX;
}

struct job *
store_job(struct store *s, enum job_kind kind, struct plog *p, struct segment *seg)
{
    if (s->jobs_used == STORE_JOBS_MAX)
        return NULL;
    uint32_t i = 0;
    while (s->jobs[i].used)
        i++;
    struct job *j = &s->jobs[i];
    *j = (struct job){
        .kind = kind, .dir = p ? p->dir : 0, .used = true, .log = p, .seg = seg, .file = -1};
    s->jobs_used++;
    if (p)
        p->jobs++;
    return j;
}

void
store_job_end(struct store *s, struct job *j)
{
    must(j->used);
    if (j->log)
        j->log->jobs--;
    if (j->holds_file)
        j->seg->busy--;
    j->used = false;
    bool none = !store_job_room(s);
    s->jobs_used--;
    if (none && store_job_room(s)) { /* a read was refused for it, maybe with none under way */
        store_unread_call(s);
        store_wake(s, NULL);
    }
}

void
store_job_run(struct store *s, struct job *j, const struct disk_op *op)
{
    j->op = *op;
    j->op.user = j;
    j->op.dir = j->dir;
    s->disk->ops->submit(s->disk->self, &j->op);
}

/* ---- open files --------------------------------------------------------------------------------
 */

static void
file_opened(struct store *s, struct segment *seg, int32_t file)
{
    seg->file = file;
    s->files_open++;
    list_push_back(&s->open_files, &seg->open_node);
}

/* Closes what was unused longest when too many are open. */
static void
files_trim(struct store *s)
{
    if (s->files_open < STORE_FILES_MAX || !store_job_room(s))
        return;
    for (struct list *n = s->open_files.next; n != &s->open_files; n = n->next) {
        struct segment *seg = list_item(n, struct segment, open_node);
        if (seg->busy)
            continue;
        store_file_close(s, seg);
        return;
    }
}

int32_t
store_file_give(struct store *s, struct segment *seg)
{
    int32_t file = seg->file;
    list_remove(&seg->open_node);
    s->files_open--;
    seg->file = -1;
    return file;
}

void
store_file_close(struct store *s, struct segment *seg)
{
    struct job *j = store_job(s, JOB_CLOSE, NULL, NULL);
    if (j)
        store_job_run(s, j, &(struct disk_op){.kind = DISK_CLOSE, .file = store_file_give(s, seg)});
}

enum { OPEN_TOPIC_DIR = 50, OPEN_LOG_DIR, OPEN_FILE, OPEN_EXTRA };

static void
open_file(struct store *s, struct job *j)
{
    j->step = OPEN_FILE;
    plog_path_segment(j->log, j->seg->base, ".log", j->path);
    uint32_t flags = DISK_WRITABLE | DISK_DIRECT;
    if (!j->seg->created)
        flags |= DISK_CREATE;
    store_job_run(s, j, &(struct disk_op){.kind = DISK_OPEN, .path = j->path, .flags = flags});
}

static void
opened(struct store *s, struct job *j)
{
    list_remove(&j->seg->open_node);
    list_push_back(&s->open_files, &j->seg->open_node);
    j->step = JOB_OPENED;
    j->result = ERR_OK;
}

static void next(struct store *s, struct job *j);

void
store_job_open(struct store *s, struct job *j)
{
    j->holds_file = true;
    j->seg->busy++;
    if (j->seg->file >= 0) {
        opened(s, j);
        next(s, j);
        return;
    }
    files_trim(s);
    if (j->seg->created || j->log->dirs_made) {
        open_file(s, j);
        return;
    }
    j->step = OPEN_TOPIC_DIR;
    plog_path_topic(j->log, j->path);
    store_job_run(s, j, &(struct disk_op){.kind = DISK_MKDIR, .path = j->path});
}

void
store_dirs_note(struct store *s, struct plog *p)
{
    if (p->dirs_unsynced == 0)
        p->dirs_unsynced = 1;
    if (!p->dead && list_empty(&p->dir_node))
        list_push_back(&s->dirs_unsynced, &p->dir_node);
}

static void
file_created(struct store *s, struct job *j)
{
    j->seg->created = true;
    store_dirs_note(s, j->log);
}

/* True when the file is open, or opening failed (j->result says): the job's own steps go on. */
static bool
open_next(struct store *s, struct job *j)
{
    bool made = j->result >= 0 || j->result == ERR_EXISTS;
    switch (j->step) {
    case OPEN_TOPIC_DIR:
        if (!made)
            break;
        j->step = OPEN_LOG_DIR;
        plog_path_dir(j->log, j->path);
        store_job_run(s, j, &(struct disk_op){.kind = DISK_MKDIR, .path = j->path});
        return false;
    case OPEN_LOG_DIR:
        if (j->result == ERR_NOT_FOUND &&
            j->at++ == 0) { /* removed with another partition just now */
            j->step = OPEN_TOPIC_DIR;
            plog_path_topic(j->log, j->path);
            store_job_run(s, j, &(struct disk_op){.kind = DISK_MKDIR, .path = j->path});
            return false;
        }
        if (!made)
            break;
        j->log->dirs_made = true;
        j->log->dirs_unsynced = 2;
        open_file(s, j);
        return false;
    case OPEN_FILE:
        if (j->result < 0)
            break;
        if (!j->seg->created)
            file_created(s, j);
        if (j->seg->file >= 0) { /* another job was faster */
            j->step = OPEN_EXTRA;
            store_job_run(s, j, &(struct disk_op){.kind = DISK_CLOSE, .file = (int32_t)j->result});
            return false;
        }
        file_opened(s, j->seg, (int32_t)j->result);
        opened(s, j);
        return true;
    case OPEN_EXTRA:
        opened(s, j);
        return true;
    default:
        return true;
    }
    j->step = JOB_OPENED;
    return true;
}

static void
next(struct store *s, struct job *j)
{
    switch (j->kind) {
    case JOB_WRITE:
        store_write_next(s, j);
        return;
    case JOB_SEAL:
        store_seal_next(s, j);
        return;
    case JOB_SYNC:
        store_sync_next(s, j);
        return;
    case JOB_DIRS:
        store_dirs_next(s, j);
        return;
    case JOB_READ:
        store_read_next(s, j);
        return;
    case JOB_INDEX:
        store_index_next(s, j);
        return;
    case JOB_LARGE:
        store_large_next(s, j);
        return;
    case JOB_DELETE:
        store_delete_next(s, j);
        return;
    case JOB_SIDECAR:
        store_sidecar_next(s, j);
        return;
    case JOB_DROP:
        store_drop_next(s, j);
        return;
    case JOB_SWAP:
        store_swap_next(s, j);
        return;
    case JOB_CKPT:
        store_ckpt_next(s, j);
        return;
    case JOB_READY:
        store_ready_next(s, j);
        return;
    case JOB_EXTENT:
        store_extent_next(s, j);
        return;
    case JOB_PROBE:
        store_probe_next(s, j);
        return;
    case JOB_MOVE:
        store_move_next(s, j);
        return;
    case JOB_SHRINK:
        store_shrink_next(s, j);
        return;
    case JOB_CLOSE:
        store_job_end(s, j);
        return;
    default:
        must(false);
    }
}

void
store_job_done(struct store *s, struct job *j)
{
    j->result = j->op.result;
    if (j->op.kind == DISK_WRITE && j->result >= 0 && j->result != (int64_t)j->op.len)
        j->result = ERR_IO;
    if (j->step >= OPEN_TOPIC_DIR && j->step <= OPEN_EXTRA && !open_next(s, j))
        return;
    next(s, j);
}
