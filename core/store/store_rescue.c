/* store_rescue.c: records of logs whose data directory does not work, so that they do not hold the
 * journal.
 *
 * Files rescue/GENERATION-CORE-NUMBER in the first directory, records one behind the other (big
 * endian):
 *    0 u32 magic "SLRS"   4 u32 crc-32c of what follows, with the bytes
 *    8 16 bytes topic id   24 i32 partition   28 u32 kind   32 u32 bytes
 *   36 a record of that kind: FULL, EXTENT or AGAIN (store_record.c); or one that waits for its
 *      directory (store_replay_kept.c)
 * A file ends where a record is not whole: what it was to hold is then still in the journal.
 *
 * A log goes offline: nothing of it is appended or synced again.  When its last record is durable
 * in the journal, a task (task.h) reads the ring back from where the last checkpoint lets a replay
 * begin, and copies every batch of the logs that are offline.  All that such a log misses in its
 * files lies there, whatever checkpoint comes to count.  When the file is synced the logs do not
 * pin the journal any more.
 *
 * At the start a log whose directory is there takes from these files, before its journal, what its
 * segments miss.  One whose directory is not: its batches in the journal go to one more file.  A
 * file goes when no log that is offline is named in it, behind the boot checkpoint.
 *
 * A record is of the log that had the id in its body in the generation of its file: another one may
 * have been made under the same topic and partition since (plog_in.h: seen_generation).
 *
 * I1 A batch of a log that is offline is in its segment file and synced, in the journal behind what
 * was released, or in a rescue file.  I2 Bytes of a rescue file count only where the log knows
 * bytes that its file does not have. */
#include "core/base/crc32c.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/store/store_replay_in.h"

#include <stdio.h>
#include <stdlib.h>

#define RESCUE_MAGIC UINT32_C(0x534c5253)
#define RESCUE_DIR   "rescue"
#define RESCUE_KEPT  UINT32_C(0x80000000) /* with a kind: not applied yet, store_replay_kept.c */

enum {
    RESCUE_HEADER_BYTES = 36,
    RESCUE_BUFFER_BYTES = 1 << 20,
    RESCUE_NAME_BYTES = 64,
    RESCUE_TRIES_MAX = 10000
};

/* ---- writing -----------------------------------------------------------------------------------
 */

static int
buffer_write(struct rescue_out *o)
{
    if (o->fill == 0)
        return ERR_OK;
    int64_t got = store_run(
        o->disk,
        (struct disk_op){
            .kind = DISK_WRITE, .file = o->file, .at = o->mem, .len = o->fill, .offset = o->at});
    o->at += o->fill;
    o->fill = 0;
    return got < 0 ? (int)got : ERR_OK;
}

static int
bytes_put(struct rescue_out *o, const uint8_t *at, uint32_t len)
{
    int rc = ERR_OK;
    while (len && rc == ERR_OK) {
        uint32_t n = RESCUE_BUFFER_BYTES - o->fill < len ? RESCUE_BUFFER_BYTES - o->fill : len;
        memcpy(o->mem + o->fill, at, n);
        o->fill += n;
        at += n;
        len -= n;
        if (o->fill == RESCUE_BUFFER_BYTES)
            rc = buffer_write(o);
    }
    return rc;
}

/* The file is made with its first record.  A start that did not get through may have left one. */
static int
out_open(struct rescue_out *o)
{
    if (o->mem)
        return ERR_OK;
    char path[RESCUE_NAME_BYTES];
    int64_t got = store_run(o->disk, (struct disk_op){.kind = DISK_MKDIR, .path = RESCUE_DIR});
    if (got == ERR_EXISTS)
        got = ERR_OK;
    for (uint32_t tries = 0; got >= 0 && tries < RESCUE_TRIES_MAX; tries++) {
        snprintf(path, sizeof path, RESCUE_DIR "/%020llu-%u-%u", (unsigned long long)o->generation,
                 o->core, o->number++);
        got = store_run(o->disk,
                        (struct disk_op){.kind = DISK_OPEN,
                                         .path = path,
                                         .flags = DISK_CREATE | DISK_EXCLUSIVE | DISK_WRITABLE});
        if (got != ERR_EXISTS)
            break;
        got = tries + 1 < RESCUE_TRIES_MAX ? ERR_OK : ERR_EXISTS;
    }
    if (got < 0)
        return (int)got;
    o->file = (int32_t)got;
    o->mem = malloc(RESCUE_BUFFER_BYTES);
    if (!o->mem)
        store_run(o->disk, (struct disk_op){.kind = DISK_CLOSE, .file = o->file});
    return o->mem ? ERR_OK : ERR_LIMIT;
}

/* Behind what says whose it is: `front`, STORE_PLACE_BYTES at most, and `rest`. */
static int
record_put(struct rescue_out *o, const struct plog *p, uint32_t kind, struct view front,
           struct view rest)
{
    uint8_t head[RESCUE_HEADER_BYTES + STORE_PLACE_BYTES];
    uint32_t bytes = front.len + rest.len, len = RESCUE_HEADER_BYTES + front.len;
    must(front.len <= STORE_PLACE_BYTES);
    set_u32(head, RESCUE_MAGIC);
    memcpy(head + 8, p->topic, 16);
    set_u32(head + 24, (uint32_t)p->partition);
    set_u32(head + 28, kind);
    set_u32(head + 32, bytes);
    memcpy(head + RESCUE_HEADER_BYTES, front.at, front.len);
    set_u32(head + 4, crc32c(crc32c(0, head + 8, len - 8), rest.at, rest.len));
    int rc = out_open(o);
    if (rc == ERR_OK)
        rc = bytes_put(o, head, len);
    if (rc == ERR_OK)
        rc = bytes_put(o, rest.at, rest.len);
    o->bytes += bytes;
    return rc;
}

/* flags: RESCUE_KEPT or 0. */
static int
batch_put(struct rescue_out *o, const struct plog *p, uint32_t kind, uint32_t flags,
          const struct batch_place *x)
{
    uint8_t place[STORE_PLACE_BYTES];
    store_record_place(place, x);
    return record_put(o, p, (kind == STORE_REC_BATCH ? STORE_REC_FULL : kind) | flags,
                      view_of(place, sizeof place), x->rest);
}

int
store_rescue_add(struct rescue_out *o, const uint8_t topic[16], int32_t partition, uint32_t kind,
                 const struct batch_place *x)
{
    struct plog p = {.partition = partition};
    memcpy(p.topic, topic, sizeof p.topic);
    return batch_put(o, &p, kind, 0, x);
}

int
store_rescue_end(struct rescue_out *o, int rc)
{
    if (!o->mem)
        return rc;
    if (rc == ERR_OK)
        rc = buffer_write(o);
    int64_t got = rc;
    if (got >= 0 && !mutant(MUTANT_RESCUE_NOT_SYNCED))
        got = store_run(o->disk, (struct disk_op){.kind = DISK_SYNC, .file = o->file});
    store_run(o->disk, (struct disk_op){.kind = DISK_CLOSE, .file = o->file});
    if (got >= 0)
        got = store_run(o->disk, (struct disk_op){.kind = DISK_SYNC_DIR, .path = RESCUE_DIR});
    if (got >= 0)
        got = store_run(o->disk, (struct disk_op){.kind = DISK_SYNC_DIR, .path = "."});
    free(o->mem);
    o->mem = NULL;
    return got < 0 ? (int)got : ERR_OK;
}

/* ---- at the start ------------------------------------------------------------------------------
 */

static void
file_seen(void *user, const char *name)
{
    struct rescue_set *set = user;
    struct rescue_file *more =
        realloc(set->files, (set->count + 1) * sizeof *more); /* a handful, at the start */
    if (!more) {
        set->failed = true;
        return;
    }
    set->files = more;
    set->files[set->count] = (struct rescue_file){0};
    snprintf(set->files[set->count++].name, sizeof more->name, "%s", name);
}

static int
by_name(const void *a, const void *b)
{
    return strcmp(((const struct rescue_file *)a)->name, ((const struct rescue_file *)b)->name);
}

int
store_rescue_find(struct disk *disk, struct rescue_set *set)
{
    int rc = disk->ops->list(disk->self, 0, RESCUE_DIR, file_seen, set);
    if (rc == ERR_NOT_FOUND)
        return ERR_OK;
    if (set->count)
        qsort(set->files, set->count, sizeof *set->files, by_name);
    return set->failed ? ERR_LIMIT : rc;
}

/* A record of a rescue file, as far as it says whose it is. */
struct rescue_owner {
    uint64_t generation, id;
    int32_t partition;
    const uint8_t *topic;
};

static bool
is_owner(const struct plog *p, const struct rescue_owner *o)
{
    if (!store_same_log(p, o->topic, o->partition))
        return false;
    return p->seen_generation == 0 || mutant(MUTANT_RESCUE_BY_NAME) ||
           (p->seen_generation == o->generation && p->seen_id == o->id);
}

static struct replay_log *
log_of(const struct replay *r, const struct rescue_owner *o, struct replay_log *last)
{
    if (last && is_owner(&last->log, o))
        return last;
    for (uint32_t i = r->core_first; i < r->count; i++)
        if (is_owner(&r->logs[i]->log, o))
            return r->logs[i];
    return NULL;
}

/* I2. */
static int
record_take(struct replay *r, struct replay_log *l, uint32_t kind, struct view body)
{
    struct batch_place x;
    if (!store_record_of_batch(kind))
        return ERR_OK;
    if (store_record_read(kind, body, &x) != ERR_OK)
        return ERR_CORRUPT;
    struct segment *seg = plog_segment_at(&l->log, x.base);
    if (!seg || x.len > seg->bytes || x.pos > seg->bytes - x.len || x.pos > seg->written ||
        x.pos + x.len <= seg->synced)
        return ERR_OK;
    if (store_replay_doomed(r, l->log.id, x.base, 0)) /* its file may be the compacted one */
        return ERR_OK;
    r->records++;
    if (kind == STORE_REC_EXTENT)
        return store_replay_extent_parts(r, l, seg, body);
    if (kind == STORE_REC_AGAIN && x.pos + x.len <= seg->written)
        return store_replay_write(r, l, seg, x.pos, x.rest);
    if (x.pos + x.len <= seg->written)
        return ERR_OK;
    uint32_t skip = seg->written - x.pos;
    return store_replay_add(r, l, seg, view_of(x.rest.at + skip, x.len - skip));
}

int
store_rescue_keep(struct replay *r, uint32_t kind, struct view body)
{
    struct batch_place x;
    if (r->dry || !store_record_of_batch(kind) || store_record_read(kind, body, &x) != ERR_OK)
        return ERR_OK; /* who replays it says that it is not whole */
    const struct replay_log *l = store_replay_log(r, x.log);
    if (!l || l->log.dead || l->log.dir != PLOG_DIR_NONE)
        return ERR_OK;
    return store_rescue_add(&r->rescue, l->log.topic, l->log.partition, kind, &x);
}

int
store_rescue_hold(struct replay *r, uint32_t kind, struct view body)
{
    struct batch_place x;
    uint64_t log;
    if (!store_record_log(kind, body, &log))
        return ERR_CORRUPT;
    const struct replay_log *l = store_replay_log(r, log);
    if (!l || l->log.dead)
        return ERR_OK;
    if (!store_record_of_batch(kind)) {
        uint32_t n = body.len < STORE_PLACE_BYTES ? body.len : STORE_PLACE_BYTES;
        return record_put(&r->rescue, &l->log, kind | RESCUE_KEPT, view_of(body.at, n),
                          view_of(body.at + n, body.len - n));
    }
    int rc = store_record_read(kind, body, &x);
    return rc == ERR_OK ? batch_put(&r->rescue, &l->log, kind, RESCUE_KEPT, &x) : rc;
}

void
store_rescue_assume(struct replay *r)
{
    for (uint32_t i = r->core_first; i < r->count; i++)
        for (uint32_t k = 0; k < r->logs[i]->log.segment_count; k++) {
            struct segment *seg = r->logs[i]->log.segments[k];
            seg->written = seg->bytes;
        }
}

/* Of one whose log is there. */
static int
record_replay(struct replay *r, struct replay_log *l, uint32_t kind, uint8_t *body, uint32_t len,
              bool kept)
{
    if (kept != ((kind & RESCUE_KEPT) != 0))
        return ERR_OK;
    if (kept)
        return store_replay_kept(r, l, kind & ~RESCUE_KEPT, body, len);
    return record_take(r, l, kind, view_of(body, len));
}

/* All records of a file in memory, of those that waited or of the others; stops where one is not
 * whole. */
static int
file_take(struct replay *r, struct rescue_file *f, uint8_t *at, uint64_t left, bool kept)
{
    struct replay_log *last = NULL;
    int rc = ERR_OK;
    while (rc == ERR_OK && left >= RESCUE_HEADER_BYTES) {
        uint32_t len = get_u32(at + 32);
        uint64_t all = RESCUE_HEADER_BYTES + (uint64_t)len;
        if (get_u32(at) != RESCUE_MAGIC || all > left ||
            crc32c(0, at + 8, (size_t)(all - 8)) != get_u32(at + 4))
            break;
        struct rescue_owner o = {.generation = strtoull(f->name, NULL, 10),
                                 .id = len >= 8 ? get_u64(at + RESCUE_HEADER_BYTES) : 0,
                                 .partition = (int32_t)get_u32(at + 24),
                                 .topic = at + 8};
        struct replay_log *l = log_of(r, &o, last);
        if (l && !l->log.dead && l->log.dir == PLOG_DIR_NONE)
            f->needed = f->needed || !r->dry;
        else if (l && !l->log.dead)
            rc = record_replay(r, l, get_u32(at + 28), at + RESCUE_HEADER_BYTES, len, kept);
        last = l ? l : last;
        at += all;
        left -= all;
    }
    if (left && rc == ERR_OK && !kept)
        log_warn("store", "a rescue file ends in a torn record path=" RESCUE_DIR "/%s bytes=%llu",
                 f->name, (unsigned long long)left);
    return rc;
}

static int
file_replay(struct replay *r, struct disk *disk, struct rescue_file *f, bool kept)
{
    char path[RESCUE_NAME_BYTES * 2];
    snprintf(path, sizeof path, RESCUE_DIR "/%s", f->name);
    int64_t got = store_run(disk, (struct disk_op){.kind = DISK_OPEN, .path = path});
    if (got < 0)
        return (int)got;
    int32_t file = (int32_t)got;
    got = store_run(disk, (struct disk_op){.kind = DISK_SIZE, .file = file});
    uint64_t size = got < 0 ? 0 : (uint64_t)got;
    uint8_t *mem = got < 0 ? NULL : malloc(size + 1);
    if (got >= 0 && !mem)
        got = ERR_LIMIT;
    for (uint64_t at = 0; got >= 0 && at < size; at += (uint64_t)got) {
        uint64_t n = size - at < RESCUE_BUFFER_BYTES ? size - at : RESCUE_BUFFER_BYTES;
        got = store_run(
            disk,
            (struct disk_op){
                .kind = DISK_READ, .file = file, .at = mem + at, .len = (uint32_t)n, .offset = at});
        if (got == 0)
            got = ERR_IO;
    }
    store_run(disk, (struct disk_op){.kind = DISK_CLOSE, .file = file});
    int rc = got < 0 ? (int)got : file_take(r, f, mem, size, kept);
    free(mem);
    return rc;
}

int
store_rescue_replay(struct replay *r, struct disk *disk, struct rescue_set *set)
{
    int rc = ERR_OK;
    for (int kept = r->dry; kept <= 1; kept++) /* what waited comes behind all that is counted */
        for (uint32_t i = 0; i < set->count && rc == ERR_OK; i++)
            rc = file_replay(r, disk, &set->files[i], kept);
    return rc;
}

void
store_rescue_tidy(struct disk *disk, const struct rescue_set *set)
{
    bool gone = false;
    for (uint32_t i = 0; i < set->count; i++) {
        char path[RESCUE_NAME_BYTES * 2];
        snprintf(path, sizeof path, RESCUE_DIR "/%s", set->files[i].name);
        if (set->files[i].needed)
            log_warn("store", "records wait for a data directory that is not there path=%s", path);
        else if (store_run(disk, (struct disk_op){.kind = DISK_UNLINK, .path = path}) >= 0)
            gone = true;
    }
    if (gone) /* what they say must not come back to logs of a later time */
        store_run(disk, (struct disk_op){.kind = DISK_SYNC_DIR, .path = RESCUE_DIR});
}

/* ---- while the store runs ----------------------------------------------------------------------
 */

struct rescue_log {
    uint64_t id, serial;
    uint32_t slot;
    int32_t partition;
    uint8_t topic[16];
};

struct rescue_task {
    struct store_task task;
    struct journal_config config;
    char dir[32];
    uint64_t generation, lsn_after, lsn_limit, lsn_seen;
    struct rescue_out out;
    uint32_t count;
    struct rescue_log logs[]; /* in the order of id */
};

static const struct rescue_log *
rescue_log_of(const struct rescue_task *t, uint64_t id)
{
    uint32_t low = 0, high = t->count;
    while (high > low) {
        uint32_t mid = low + (high - low) / 2;
        if (t->logs[mid].id == id)
            return &t->logs[mid];
        if (t->logs[mid].id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

static int
rescue_record(void *user, uint64_t lsn, uint32_t kind, struct view body)
{
    struct rescue_task *t = user;
    if (lsn > t->lsn_limit)
        return ERR_CLOSED; /* enough */
    t->lsn_seen = lsn;
    struct batch_place x;
    if (!store_record_of_batch(kind) || store_record_read(kind, body, &x) != ERR_OK)
        return ERR_OK;
    const struct rescue_log *l = rescue_log_of(t, x.log);
    if (!l)
        return ERR_OK;
    return store_rescue_add(&t->out, l->topic, l->partition, kind, &x);
}

static int
rescue_run(struct store_worker *w, struct store_task *task)
{
    struct rescue_task *t = (struct rescue_task *)(void *)task;
    struct journal_end last;
    t->out.disk = w->disk;
    int rc =
        journal_recover(w->disk, &t->config, t->generation, t->lsn_after, rescue_record, t, &last);
    /* The loop goes on writing: what looks damaged behind the limit is not our business. */
    if ((rc == ERR_CLOSED || rc == ERR_CORRUPT) && t->lsn_seen >= t->lsn_limit)
        rc = ERR_OK;
    if (rc == ERR_OK && t->lsn_seen < t->lsn_limit)
        rc = ERR_CORRUPT;
    return store_rescue_end(&t->out, rc);
}

static void
rescue_done(struct store *s, struct store_task *task, struct plog *unused)
{
    (void)unused; /* the task is about many logs */
    struct rescue_task *t = (struct rescue_task *)(void *)task;
    s->rescuing = false;
    s->rescue_failed = task->result != ERR_OK && task->result != ERR_CLOSED;
    for (uint32_t i = 0; i < t->count && task->result == ERR_OK; i++) {
        struct plog *p = &s->logs[t->logs[i].slot];
        if (!p->used || p->dead || p->serial != t->logs[i].serial || p->rescued)
            continue;
        p->rescued = true;
        s->frozen--;
    }
    if (task->result == ERR_OK)
        log_info("store",
                 "records of offline partitions are safe outside of the journal core=%u "
                 "partitions=%u bytes=%llu",
                 s->config.core, t->count, (unsigned long long)t->out.bytes);
    else if (s->rescue_failed)
        log_error("store", "records of offline partitions stay in the journal core=%u error=%s",
                  s->config.core, err_name(task->result));
    store_task_end(s, task);
}

static void
rescue_free(struct store_task *task)
{
    free(task);
}

static const struct store_task_ops rescue_ops = {rescue_run, rescue_done, rescue_free};

static int
by_id(const void *a, const void *b)
{
    uint64_t x = ((const struct rescue_log *)a)->id, y = ((const struct rescue_log *)b)->id;
    return x < y ? -1 : x > y;
}

/* Not within a swap of its segments: that ends soon, if with an error. */
static bool
wants_rescue(const struct store *s, const struct plog *p)
{
    bool swap = s->swap.under_way && s->swap.log == p;
    return p->used && !p->dead && p->state == PLOG_OFFLINE && !p->rescued && !swap;
}

/* An extent of theirs is being written: if that fails, its batch gets a record behind all others
 * (store_extent.c). */
static bool
extent_under_way(const struct store *s)
{
    for (uint32_t i = 0; s->extents && i < STORE_JOBS_MAX; i++)
        if (s->jobs[i].used && s->jobs[i].kind == JOB_EXTENT && wants_rescue(s, s->jobs[i].log))
            return true;
    return false;
}

/* The log whose task it is; NULL: not now. */
static struct plog *
rescue_host(struct store *s)
{
    bool any = s->swap.under_way;
    for (uint32_t i = 0; i < s->log_limit; i++) {
        if (!wants_rescue(s, &s->logs[i]))
            continue;
        if (!s->logs[i].task)
            return &s->logs[i];
        any = true;
        store_task_cancel(s, &s->logs[i]);
    }
    s->rescue_failed = !any; /* nothing to do before another one goes offline */
    return NULL;
}

void
store_rescue_step(struct store *s)
{
    if (!s->frozen || s->rescuing || s->rescue_failed || s->ending || s->flushing)
        return;
    if (s->rescue_lsn == 0) { /* what was appended to them must be in the journal first */
        if (!extent_under_way(s))
            s->rescue_lsn = journal_last_lsn(s->journal) + 1;
        return;
    }
    if (journal_durable_lsn(s->journal) + 1 < s->rescue_lsn)
        return;
    struct plog *host = rescue_host(s);
    struct rescue_task *t = host ? calloc(1, sizeof *t + s->frozen * sizeof *t->logs) : NULL;
    if (!t)
        return;
    t->task.ops = &rescue_ops;
    t->config = s->journal_config;
    memcpy(t->dir, s->dir, sizeof t->dir);
    t->config.dir = t->dir;
    t->generation = s->generation;
    t->lsn_after = s->ckpt.lsn_released;
    t->lsn_limit = s->rescue_lsn - 1;
    t->lsn_seen = t->lsn_after;
    t->out = (struct rescue_out){
        .generation = s->generation, .core = s->config.core, .number = ++s->rescue_number};
    for (uint32_t i = 0; i < s->log_limit && t->count < s->frozen; i++) {
        const struct plog *p = &s->logs[i];
        if (!wants_rescue(s, p))
            continue;
        struct rescue_log *l = &t->logs[t->count++];
        *l = (struct rescue_log){
            .id = p->id, .serial = p->serial, .slot = p->slot, .partition = p->partition};
        memcpy(l->topic, p->topic, sizeof l->topic);
    }
    qsort(t->logs, t->count, sizeof *t->logs, by_id);
    s->rescue_lsn = 0;
    s->rescuing = true;
    store_task_add(s, host, &t->task);
}
