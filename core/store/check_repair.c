/* check_repair.c: logs built anew from what their files hold.
 *
 * A start comes first (store_recover): what the journal has goes to the files, damaged journals are
 * kept.  Then each log that is damaged, or has a bad batch, is walked from its first file on while
 * batches are good and offsets go on: that is the log from now on.  In this order, so that a crash
 * loses nothing: bytes that are to go are copied and synced; the boot checkpoint, which names the
 * new logs, takes the place of the old one; the bytes go.  Between the last two a crash leaves
 * bytes behind the end of a log, which nobody reads.  When both boot checkpoints are gone one is
 * made before all this (check_boot.c). */
#include "core/base/err.h"
#include "core/store/check_in.h"

#include <stdio.h>
#include <stdlib.h>

enum { REPAIR_CHUNK = 1 << 20, REPAIR_PATH_BYTES = 2 * PLOG_PATH_BYTES };

/* Bytes of a file from a position on that leave it. */
struct cut {
    uint8_t dir;
    char path[PLOG_PATH_BYTES], kept[REPAIR_PATH_BYTES];
    uint64_t from;
};

struct repair {
    struct check *c;
    struct store_boot *boot;
    struct ckpt_header header;
    struct plog *logs;
    uint32_t count;
    struct cut *cuts;
    uint32_t cut_count, cut_room;
    /* the log that is being built */
    struct plog *now;
    struct segment *seg;
    bool holes; /* compaction may have been at it */
    int rc;
};

struct bases {
    int64_t *bases;
    uint32_t count, room;
    bool failed;
};

static void
base_add(void *user, const char *name)
{
    struct bases *b = user;
    char *end;
    if (name[0] < '0' || name[0] > '9')
        return;
    long long base = strtoll(name, &end, 10);
    if (strcmp(end, ".log") != 0)
        return;
    if (b->count == b->room) {
        uint32_t room = b->room ? b->room * 2 : 16;
        int64_t *more = realloc(b->bases, room * sizeof *more);
        b->failed = b->failed || !more;
        if (!more)
            return;
        b->bases = more;
        b->room = room;
    }
    b->bases[b->count++] = base;
}

static int
base_order(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void
batch_note(void *user, uint64_t position, struct view batch, const struct batch_info *info)
{
    struct repair *r = user;
    struct plog_when when = {info->base_offset, info->max_timestamp_ms, INT64_MIN, 0};
    (void)position;
    r->seg->gaps = r->seg->gaps || info->base_offset > r->now->end;
    int rc = plog_note_producer(r->now, info, batch, &when);
    if (rc == ERR_OK)
        rc = plog_note(r->now, r->seg, info->base_offset, info, info->leader_epoch,
                       info->max_timestamp_ms);
    if (rc == ERR_OK)
        plog_durable(r->now, r->now->end);
    if (r->rc == ERR_OK)
        r->rc = rc;
}

static int
cut_add(struct repair *r, const struct plog *p, int64_t base, uint64_t from)
{
    if (r->cut_count == r->cut_room) {
        uint32_t room = r->cut_room ? r->cut_room * 2 : 16;
        struct cut *more = realloc(r->cuts, room * sizeof *more);
        if (!more)
            return ERR_LIMIT;
        r->cuts = more;
        r->cut_room = room;
    }
    struct cut *x = &r->cuts[r->cut_count++];
    *x = (struct cut){.dir = p->dir, .from = from};
    plog_path_segment(p, base, ".log", x->path);
    const char *topic = x->path + sizeof "log/" - 1;
    snprintf(x->kept, sizeof x->kept, "removed/%llu-%.22s-%d-%020lld.log-from-%llu",
             (unsigned long long)r->header.generation, topic, p->partition, (long long)base,
             (unsigned long long)from);
    return ERR_OK;
}

static void
tell(struct repair *r, const struct plog *p, const char *what, const char *path, int64_t position)
{
    r->c->tell(r->c->user, &(struct check_finding){.what = what,
                                                   .path = path,
                                                   .position = position,
                                                   .topic = p->topic,
                                                   .partition = p->partition,
                                                   .offset_first = p->start,
                                                   .offset_limit = p->end});
}

/* Builds `p` from the files that it has. */
static int
log_build(struct repair *r, struct plog *p, const struct bases *b)
{
    bool ended = false;
    int32_t epoch = -1;
    int rc = ERR_OK;
    r->now = p;
    for (uint32_t i = 0; i < b->count && rc == ERR_OK; i++) {
        char path[PLOG_PATH_BYTES];
        plog_path_segment(p, b->bases[i], ".log", path);
        bool goes_on =
            p->segment_count == 0 || b->bases[i] == p->end || (r->holes && b->bases[i] > p->end);
        ended = ended || !goes_on;
        struct check_scan s = {.dir = p->dir,
                               .path = path,
                               .base = b->bases[i],
                               .limit = UINT64_MAX,
                               .holes = r->holes,
                               .epoch = epoch,
                               .each = batch_note,
                               .user = r};
        if (!ended) {
            r->seg = plog_roll(p, b->bases[i]);
            if (!r->seg)
                return ERR_LIMIT;
            if (p->segment_count == 1 && b->bases[i] > p->start)
                plog_start_set(p, b->bases[i]);
            p->end = b->bases[i];
            rc = check_scan(r->c->disk, &s);
            epoch = s.epoch;
            r->seg->written = r->seg->synced = r->seg->bytes;
            r->seg->created = r->seg->named = true;
        }
        if (rc == ERR_OK && !ended && !s.what)
            rc = check_sidecar_producers(r->c->disk, p, r->seg);
        if (rc == ERR_OK && (ended || s.what))
            rc = cut_add(r, p, b->bases[i], s.good_bytes);
        ended = ended || s.what;
    }
    return rc == ERR_OK ? r->rc : rc;
}

static int
log_repair(struct repair *r, struct plog *p)
{
    char dir[PLOG_PATH_BYTES];
    struct bases b = {0};
    struct plog anew;
    plog_init(&anew);
    memcpy(anew.topic, p->topic, sizeof p->topic);
    memcpy(anew.dir_id, p->dir_id, sizeof p->dir_id);
    anew.seen_generation = p->seen_generation;
    anew.seen_id = p->seen_id;
    anew.partition = p->partition;
    anew.dir = p->dir;
    anew.config = p->config;
    anew.id = p->id;
    anew.end = p->start;
    plog_start_set(&anew, p->start);
    /* Of a log that no checkpoint names it is not known whether it was compacted. */
    r->holes = p->config.cleanup_compact || p->damage == PLOG_DAMAGE_UNKNOWN;
    for (uint32_t i = 0; i < p->segment_count; i++)
        r->holes = r->holes || p->segments[i]->gaps;
    plog_path_dir(p, dir);
    int rc = r->c->disk->ops->list(r->c->disk->self, p->dir, dir, base_add, &b);
    if (rc == ERR_NOT_FOUND)
        rc = ERR_OK;
    if (b.failed)
        rc = ERR_LIMIT;
    if (b.count)
        qsort(b.bases, b.count, sizeof *b.bases, base_order);
    if (rc == ERR_OK)
        rc = log_build(r, &anew, &b);
    free(b.bases);
    if (anew.end < anew.start)
        anew.end = anew.start;
    if (rc == ERR_OK)
        tell(r, &anew,
             anew.end < p->end ? "brought back online; records behind its end are lost"
             : p->damage == PLOG_DAMAGE_UNKNOWN
                 ? "brought back online with what its files hold; what else it had is not known"
                 : "brought back online with all that it is known to have had",
             dir, -1);
    if (rc != ERR_OK) {
        plog_free(&anew);
        return rc;
    }
    plog_free(p);
    *p = anew;
    for (uint32_t i = 0; i < p->segment_count; i++)
        p->segments[i]->log = p;
    return ERR_OK;
}

/* Has a log that nobody doubts a batch that is not good? */
static bool
log_bad(struct repair *r, const struct plog *p)
{
    int64_t end = -1;
    int32_t epoch = -1;
    for (uint32_t i = 0; i < p->segment_count; i++) {
        char path[PLOG_PATH_BYTES];
        const struct segment *seg = p->segments[i];
        if (seg->bytes == 0 || plog_segment_limit(p, seg) <= p->start)
            continue;
        plog_path_segment(p, seg->base, ".log", path);
        struct check_scan s = {.dir = p->dir,
                               .path = path,
                               .base = end < 0 || p->config.cleanup_compact || seg->gaps ? seg->base
                                                                                         : end,
                               .limit = seg->bytes,
                               .holes = p->config.cleanup_compact || seg->gaps,
                               .epoch = epoch};
        int rc = check_scan(r->c->disk, &s);
        if (rc != ERR_OK || s.what)
            return true;
        end = s.end;
        epoch = s.epoch;
    }
    return false;
}

/* ---- files -------------------------------------------------------------------------------------
 */

static int64_t
bytes_keep(struct disk *disk, const struct cut *x, int32_t from, int32_t to, uint8_t *mem)
{
    int64_t got = 1;
    for (uint64_t at = x->from; got > 0; at += (uint64_t)got) {
        got = store_run(disk, (struct disk_op){.kind = DISK_READ,
                                               .dir = x->dir,
                                               .file = from,
                                               .at = mem,
                                               .len = REPAIR_CHUNK,
                                               .offset = at});
        if (got > 0)
            got = store_run(disk, (struct disk_op){.kind = DISK_WRITE,
                                                   .dir = x->dir,
                                                   .file = to,
                                                   .at = mem,
                                                   .len = (uint32_t)got,
                                                   .offset = at - x->from});
    }
    if (got < 0)
        return got;
    return store_run(disk, (struct disk_op){.kind = DISK_SYNC, .dir = x->dir, .file = to});
}

static int64_t
cut_keep(struct repair *r, const struct cut *x, uint8_t *mem)
{
    struct disk *disk = r->c->disk;
    int64_t got =
        store_run(disk, (struct disk_op){.kind = DISK_MKDIR, .dir = x->dir, .path = "removed"});
    if (got < 0 && got != ERR_EXISTS)
        return got;
    int64_t from =
        store_run(disk, (struct disk_op){.kind = DISK_OPEN, .dir = x->dir, .path = x->path});
    if (from < 0)
        return from;
    int64_t to = store_run(disk, (struct disk_op){.kind = DISK_OPEN,
                                                  .dir = x->dir,
                                                  .path = x->kept,
                                                  .flags = DISK_CREATE | DISK_WRITABLE});
    got = to < 0 ? to : bytes_keep(disk, x, (int32_t)from, (int32_t)to, mem);
    store_run(disk, (struct disk_op){.kind = DISK_CLOSE, .dir = x->dir, .file = (int32_t)from});
    if (to >= 0)
        store_run(disk, (struct disk_op){.kind = DISK_CLOSE, .dir = x->dir, .file = (int32_t)to});
    if (got >= 0)
        got = store_run(disk,
                        (struct disk_op){.kind = DISK_SYNC_DIR, .dir = x->dir, .path = "removed"});
    return got < 0 ? got
                   : store_run(disk,
                               (struct disk_op){.kind = DISK_SYNC_DIR, .dir = x->dir, .path = "."});
}

/* What stands beside a file that is cut would be of other bytes, once it has grown again. */
static int64_t
cut_bare(struct repair *r, const struct cut *x)
{
    char path[PLOG_PATH_BYTES];
    snprintf(path, sizeof path, "%.*s.idx", (int)(strlen(x->path) - strlen(".log")), x->path);
    int64_t got =
        store_run(r->c->disk, (struct disk_op){.kind = DISK_UNLINK, .dir = x->dir, .path = path});
    if (got == ERR_NOT_FOUND)
        return ERR_OK;
    *strrchr(path, '/') = '\0';
    return got < 0
               ? got
               : store_run(r->c->disk,
                           (struct disk_op){.kind = DISK_SYNC_DIR, .dir = x->dir, .path = path});
}

static int64_t
cut_do(struct repair *r, const struct cut *x)
{
    struct disk *disk = r->c->disk;
    if (x->from == 0)
        return store_run(disk,
                         (struct disk_op){.kind = DISK_UNLINK, .dir = x->dir, .path = x->path});
    int64_t file = store_run(
        disk, (struct disk_op){
                  .kind = DISK_OPEN, .dir = x->dir, .path = x->path, .flags = DISK_WRITABLE});
    if (file < 0)
        return file;
    int64_t got = store_run(
        disk, (struct disk_op){
                  .kind = DISK_TRUNCATE, .dir = x->dir, .file = (int32_t)file, .offset = x->from});
    if (got >= 0)
        got = store_run(disk,
                        (struct disk_op){.kind = DISK_SYNC, .dir = x->dir, .file = (int32_t)file});
    store_run(disk, (struct disk_op){.kind = DISK_CLOSE, .dir = x->dir, .file = (int32_t)file});
    return got;
}

/* ---- all together ------------------------------------------------------------------------------
 */

static int
boot_load(struct repair *r)
{
    int rc = store_ckpt_header_read(r->boot->mem, r->boot->len, &r->header);
    struct cur c = cur_of(view_of(r->boot->mem + CKPT_HEADER_BYTES, (uint32_t)r->header.bytes));
    r->logs = calloc(r->header.log_count + 1, sizeof *r->logs);
    if (!r->logs)
        return ERR_LIMIT;
    for (; r->count < r->header.log_count && rc == ERR_OK; r->count++) {
        rc = plog_load(&r->logs[r->count], &c);
        if (rc != ERR_OK)
            return rc;
        r->logs[r->count].dir = store_dir_find(&r->boot->dirs, r->logs[r->count].dir_id);
    }
    return rc;
}

static int
boot_save(struct repair *r)
{
    uint64_t bytes = CKPT_HEADER_BYTES;
    for (uint32_t i = 0; i < r->count; i++)
        bytes += plog_save_bytes(&r->logs[i]);
    uint8_t *mem = bytes > UINT32_MAX ? NULL : aligned_alloc(STORE_BLOCK, plog_round_block(bytes));
    if (!mem)
        return ERR_LIMIT;
    struct put w = put_of(mem + CKPT_HEADER_BYTES, (uint32_t)(bytes - CKPT_HEADER_BYTES));
    for (uint32_t i = 0; i < r->count; i++)
        plog_save(&r->logs[i], &w);
    must(!w.bad);
    store_ckpt_header_write(&r->header, mem, view_of(mem + CKPT_HEADER_BYTES, put_len(&w)));
    free(r->boot->mem);
    r->boot->mem = mem;
    r->boot->len = CKPT_HEADER_BYTES + put_len(&w);
    return store_boot_write(r->c->disk, r->boot);
}

static int
cuts_do(struct repair *r)
{
    int64_t rc = ERR_OK;
    uint8_t *mem = aligned_alloc(STORE_BLOCK, REPAIR_CHUNK);
    if (!mem)
        return ERR_LIMIT;
    for (uint32_t i = 0; i < r->cut_count && rc >= 0; i++)
        rc = cut_keep(r, &r->cuts[i], mem);
    free(mem);
    for (uint32_t i = 0; i < r->cut_count && rc >= 0; i++)
        rc = cut_bare(r, &r->cuts[i]);
    if (rc >= 0)
        rc = boot_save(r);
    for (uint32_t i = 0; i < r->cut_count && rc >= 0; i++) {
        rc = cut_do(r, &r->cuts[i]);
        if (rc >= 0)
            r->c->tell(r->c->user, &(struct check_finding){
                                       .what = "its bytes from here on left the log and are "
                                               "kept under removed/",
                                       .path = r->cuts[i].path,
                                       .position = (int64_t)r->cuts[i].from,
                                       .offset_first = -1,
                                       .offset_limit = -1});
    }
    return rc < 0 ? (int)rc : ERR_OK;
}

int
check_repair(struct check *c)
{
    struct repair r = {.c = c};
    uint32_t cores = 0;
    uint64_t journal_bytes;
    int rc = check_shape(c, &cores, &journal_bytes);
    if (rc == ERR_CORRUPT)
        rc = check_boot_rebuild(c);
    if (rc == ERR_OK && cores == 0)
        rc = check_shape(c, &cores, &journal_bytes);
    if (rc == ERR_OK)
        rc = store_recover(c->disk, cores, journal_bytes, &r.boot);
    if (rc != ERR_OK)
        return rc;
    rc = boot_load(&r);
    for (uint32_t i = 0; i < r.count && rc == ERR_OK; i++) {
        struct plog *p = &r.logs[i];
        if (p->dead || p->dir == PLOG_DIR_NONE || (!p->damage && !log_bad(&r, p)))
            continue;
        c->offline++;
        rc = log_repair(&r, p);
    }
    if (rc == ERR_OK && c->offline)
        rc = cuts_do(&r);
    for (uint32_t i = 0; i < r.count; i++)
        plog_free(&r.logs[i]);
    free(r.logs);
    free(r.cuts);
    store_boot_free(r.boot);
    return rc;
}
