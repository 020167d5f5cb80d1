/* store_finish.c: the end of a replay: every log is cut to its length, what left it goes, and files
 * and names are made durable, some side by side.  The boot checkpoint that counts on it comes
 * after.
 */
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/store/journal_in.h"
#include "core/store/store_replay_in.h"

#include <stdio.h>

enum { FINISH_SIDE_BY_SIDE = 64 };

/* Files and directories on their way to stable storage, some side by side. */
struct finish {
    struct disk *disk;
    struct disk_op ops[FINISH_SIDE_BY_SIDE];
    struct segment *segments[FINISH_SIDE_BY_SIDE]; /* NULL: a directory */
    char paths[FINISH_SIDE_BY_SIDE][PLOG_PATH_BYTES];
    uint32_t count;
};

static int
finish_flush(struct finish *f)
{
    int rc = journal_run_all(f->disk, f->ops, f->count);
    for (uint32_t i = 0; i < f->count; i++) {
        struct segment *seg = f->segments[i];
        if (!seg)
            continue;
        store_run(f->disk, (struct disk_op){.kind = DISK_CLOSE, .file = f->ops[i].file});
        if (rc != ERR_OK)
            continue;
        seg->synced = seg->bytes;
        seg->created = seg->named = true;
    }
    f->count = 0;
    return rc;
}

static int
finish_add(struct finish *f, const struct disk_op *op, struct segment *seg)
{
    f->ops[f->count] = *op;
    f->segments[f->count++] = seg;
    return f->count == FINISH_SIDE_BY_SIDE ? finish_flush(f) : ERR_OK;
}

static int
finish_directory(struct finish *f, uint8_t dir, const char *path)
{
    char *own = f->paths[f->count];
    snprintf(own, PLOG_PATH_BYTES, "%s", path);
    return finish_add(f, &(struct disk_op){.kind = DISK_SYNC_DIR, .dir = dir, .path = own}, NULL);
}

/* Cuts a file to its valid length, unless the log is damaged: what lies behind it may be good.
 * finish_flush makes it durable. */
static int
segment_finish(struct finish *f, struct plog *p, struct segment *seg)
{
    char path[PLOG_PATH_BYTES];
    plog_path_segment(p, seg->base, ".log", path);
    int64_t got = store_run(
        f->disk,
        (struct disk_op){.kind = DISK_OPEN, .dir = p->dir, .path = path, .flags = DISK_WRITABLE});
    if (got == ERR_NOT_FOUND && (seg->bytes == 0 || p->damage))
        return ERR_OK;
    int32_t file = (int32_t)got;
    int64_t size =
        got < 0 ? got : store_run(f->disk, (struct disk_op){.kind = DISK_SIZE, .file = file});
    int64_t rc = size < 0 && size != ERR_NOT_FOUND ? size : ERR_OK;
    bool other = seg->gaps && size != (int64_t)seg->bytes; /* compaction cuts its files itself */
    if (rc == ERR_OK && (size < (int64_t)seg->bytes || seg->written != seg->bytes || other)) {
        log_error(
            "store",
            "damaged: a segment has not the length of its log path=%s bytes=%u file=%lld known=%u",
            path, seg->bytes, (long long)size, seg->written);
        plog_damage_mark(p, seg->written != seg->bytes ? PLOG_DAMAGE_JOURNAL : PLOG_DAMAGE_SHORT,
                         seg->base);
    }
    if (rc == ERR_OK && size > (int64_t)seg->bytes && !p->damage)
        rc = store_run(f->disk,
                       (struct disk_op){.kind = DISK_TRUNCATE, .file = file, .offset = seg->bytes});
    if (rc >= 0 && got >= 0)
        return finish_add(f, &(struct disk_op){.kind = DISK_SYNC, .file = file}, seg);
    if (got >= 0)
        store_run(f->disk, (struct disk_op){.kind = DISK_CLOSE, .file = file});
    return (int)rc;
}

/* A durable record moved the start, so their files may be gone already. */
static int
segments_drop(struct replay *r, struct replay_log *l)
{
    struct plog *p = &l->log;
    if (p->segment_count && p->start == p->end && plog_last(p)->bytes && !plog_roll(p, p->end))
        return ERR_LIMIT;
    for (uint32_t n = plog_droppable(p); n > 0; n--) {
        struct segment *seg = plog_detach_first(p);
        char path[PLOG_PATH_BYTES];
        plog_path_segment(p, seg->base, ".log", path);
        int64_t got =
            store_run(r->disk, (struct disk_op){.kind = DISK_UNLINK, .dir = p->dir, .path = path});
        if (got >= 0)
            l->touched = true;
        else if (got != ERR_NOT_FOUND)
            log_warn("store", "a file of a dropped segment stays path=%s error=%s", path,
                     err_name((int)got));
        plog_segment_free(seg);
        l->finish_from -= l->finish_from > 0;
    }
    return ERR_OK;
}

static int
log_finish(struct finish *f, struct replay_log *l)
{
    int rc = ERR_OK;
    if (l->doubt)
        plog_damage_mark(&l->log, PLOG_DAMAGE_UNPROVEN, l->log.end);
    if (l->log.damage == PLOG_DAMAGE_UNREADABLE && !l->touched)
        return rc;
    for (uint32_t i = l->finish_from; i < l->log.segment_count && rc == ERR_OK; i++)
        rc = segment_finish(f, &l->log, l->log.segments[i]);
    return rc;
}

/* The next boot checkpoint forgets a deleted log: its files must not come back after that.  Mostly
 * its directories are gone too, and "log" is synced anyway. */
static int
removal_finish(const struct replay *r, const struct plog *p)
{
    char path[PLOG_PATH_BYTES];
    struct disk_op op = {.kind = DISK_SYNC_DIR, .dir = p->dir, .path = path};
    if (p->dir == PLOG_DIR_NONE)
        return ERR_OK;
    plog_path_dir(p, path);
    int64_t got = store_run(r->disk, op);
    if (got >= 0 || got == ERR_NOT_FOUND) {
        plog_path_topic(p, path);
        got = store_run(r->disk, op);
    }
    return got < 0 && got != ERR_NOT_FOUND ? (int)got : ERR_OK;
}

/* The names of what was written.  Logs of one topic mostly stand side by side. */
static int
directories_finish(struct finish *f, const struct replay *r)
{
    char path[PLOG_PATH_BYTES], topic[PLOG_PATH_BYTES], last[PLOG_PATH_BYTES] = "";
    uint8_t last_dir = 0;
    int rc = ERR_OK;
    for (uint32_t i = 0; i < r->count && rc == ERR_OK; i++) {
        const struct replay_log *l = r->logs[i];
        if (l->log.dead)
            rc = removal_finish(r, &l->log);
        if (l->log.dead || !l->touched)
            continue;
        plog_path_dir(&l->log, path);
        rc = finish_directory(f, l->log.dir, path);
        plog_path_topic(&l->log, topic);
        if (rc != ERR_OK || (l->log.dir == last_dir && strcmp(topic, last) == 0))
            continue;
        memcpy(last, topic, sizeof last);
        last_dir = l->log.dir;
        rc = finish_directory(f, l->log.dir, topic);
    }
    for (uint32_t i = 0; i < r->dirs.count && rc == ERR_OK; i++)
        if (r->dirs.dirs[i].online)
            rc = finish_directory(f, (uint8_t)i, "log");
    return rc;
}

int
store_finish(struct replay *r)
{
    struct finish f = {.disk = r->disk};
    int rc = store_replay_flush_all(r);
    for (uint32_t i = 0; i < r->count && rc == ERR_OK; i++)
        if (!r->logs[i]->log.dead && r->logs[i]->log.dir != PLOG_DIR_NONE &&
            (rc = segments_drop(r, r->logs[i])) == ERR_OK)
            rc = log_finish(&f, r->logs[i]);
    if (rc == ERR_OK)
        rc = directories_finish(&f, r);
    int flushed = finish_flush(&f); /* closes files, also after an error */
    rc = store_rescue_end(&r->rescue, rc);
    return rc != ERR_OK ? rc : flushed;
}
