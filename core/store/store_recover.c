/* store_recover.c: from what a process left on disk to a boot checkpoint of a new generation.
 *
 *   boot-checkpoint        generation G, core count, journal bytes (in the lsn field), all logs;
 *                          replaced by rename, so it is always whole
 *   boot-checkpoint.copy   the same once more, replaced after it; either is enough
 *   core-N/ckpt-a, -b      newer states of core N's logs, of generation G
 *   core-N/journal-NNNN    what came after, in frames of generation G
 *   log/TOPIC/PARTITION/   segments: OFFSET.log          (these two in each data directory, all
 *   stray/                 logs that nobody knows          others in the first)
 *   rescue/                records of logs whose directory was not there
 *   damaged/               journals as they were before a start that found damage (store_damage.c)
 *
 * Everything is read and checked before anything is changed.  Then the journals are replayed into
 * the segments, all is synced, and the rename of the boot checkpoint with G + 1 makes it true at
 * once: until then a crash leaves G as it was, after it nothing of G counts. */
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/store/store_replay_in.h"

#include <stdio.h>
#include <stdlib.h>

enum { RECOVER_CORES_MAX = 1024, RECOVER_CHUNK = 4 << 20, RECOVER_FLIGHT = 4 };

static const char boot_tmp[] = "boot-checkpoint.tmp";
enum { BOOT_COPIES = 2 };

struct file_bytes {
    uint8_t *mem;
    uint64_t len;
    struct ckpt_header header;
    bool damaged; /* the journal behind it */
    struct bad_extent *bad;
    uint32_t bad_count;
};

/* Reads a whole checkpoint file after syncing it.  mem NULL: not there, or not valid (a line says
 * so). */
static int
ckpt_read(struct disk *disk, const char *path, struct file_bytes *out, bool *there)
{
    *out = (struct file_bytes){0};
    *there = false;
    int64_t got =
        store_run(disk, (struct disk_op){.kind = DISK_OPEN, .path = path, .flags = DISK_WRITABLE});
    if (got == ERR_NOT_FOUND)
        return ERR_OK;
    if (got < 0)
        return (int)got;
    *there = true;
    int32_t file = (int32_t)got;
    got = store_run(disk, (struct disk_op){.kind = DISK_SYNC, .file = file});
    if (got >= 0)
        got = store_run(disk, (struct disk_op){.kind = DISK_SIZE, .file = file});
    uint64_t size = got < 0 ? 0 : (uint64_t)got;
    uint8_t *mem = got < 0 ? NULL : aligned_alloc(STORE_BLOCK, plog_round_block(size + 1));
    if (got >= 0 && !mem)
        got = ERR_LIMIT;
    for (uint64_t at = 0; got >= 0 && at < size; at += (uint64_t)got) {
        uint64_t n = size - at < RECOVER_CHUNK ? size - at : RECOVER_CHUNK;
        got = store_run(
            disk,
            (struct disk_op){
                .kind = DISK_READ, .file = file, .at = mem + at, .len = (uint32_t)n, .offset = at});
        if (got == 0)
            got = ERR_IO;
    }
    store_run(disk, (struct disk_op){.kind = DISK_CLOSE, .file = file});
    int rc = got < 0 ? (int)got : store_ckpt_header_read(mem, size, &out->header);
    if (rc == ERR_OK) {
        out->mem = mem;
        out->len = size;
        return ERR_OK;
    }
    free(mem);
    if (rc == ERR_VERSION)
        log_error("store",
                  "this checkpoint is in the format of another version: start that version, or one "
                  "that knows both path=%s",
                  path);
    if (rc != ERR_CORRUPT || got < 0)
        return rc;
    log_warn("store", "a checkpoint is torn or damaged, and not used path=%s bytes=%llu", path,
             (unsigned long long)size);
    return ERR_OK;
}

/* The newest valid checkpoint of a core in this generation; mem NULL when it made none. */
static int
core_ckpt_read(struct disk *disk, uint32_t core, uint64_t generation, struct file_bytes *out)
{
    *out = (struct file_bytes){0};
    char path[CKPT_PATH_BYTES];
    snprintf(path, sizeof path, "core-%u", core);
    /* Files go by what a checkpoint says: its name must not vanish with the next power cut. */
    int64_t got = store_run(disk, (struct disk_op){.kind = DISK_SYNC_DIR, .path = path});
    if (got < 0 && got != ERR_NOT_FOUND)
        return (int)got;
    for (uint32_t i = 0; i < 2; i++) {
        store_ckpt_path(core, i, path);
        struct file_bytes one;
        bool there;
        int rc = ckpt_read(disk, path, &one, &there);
        if (rc != ERR_OK)
            return rc;
        if (!one.mem)
            continue;
        if (one.header.generation == generation &&
            (!out->mem || one.header.seq > out->header.seq)) {
            free(out->mem);
            *out = one;
        } else {
            free(one.mem);
        }
    }
    return ERR_OK;
}

static int
logs_load(struct replay *r, const struct file_bytes *f, uint32_t core, uint32_t core_count)
{
    struct cur c = cur_of(view_of(f->mem + CKPT_HEADER_BYTES, (uint32_t)f->header.bytes));
    for (uint32_t i = 0; i < f->header.log_count; i++) {
        /* Whose is it?  Topic and partition stand at fixed places. */
        struct cur peek = c;
        cur_u64(&peek);
        struct view topic = cur_view(&peek, 16);
        int32_t partition = cur_i32(&peek);
        if (peek.bad)
            return ERR_CORRUPT;
        if (store_core_of(topic.at, partition, core_count) == core) {
            int rc = store_replay_load(r, &c);
            if (rc != ERR_OK)
                return rc;
            continue;
        }
        struct plog other;
        int rc = plog_load(&other, &c);
        if (rc != ERR_OK)
            return rc;
        plog_free(&other);
    }
    return ERR_OK;
}

/* A disk where nothing happens, for a replay that only looks. */
static void
null_submit(void *self, struct disk_op *op)
{
    (void)self;
    (void)op;
    must(false); /* only run() is used */
}

static uint32_t
null_poll(void *self, struct disk_op **done, uint32_t max)
{
    (void)self;
    (void)done;
    (void)max;
    return 0;
}

static int64_t
null_run(void *self, struct disk_op *op)
{
    (void)self;
    op->result = op->kind == DISK_WRITE ? (int64_t)op->len : 0;
    return op->result;
}

static int
null_list(void *self, uint8_t dir, const char *path, void (*each)(void *user, const char *name),
          void *user)
{
    (void)self;
    (void)dir;
    (void)path;
    (void)each;
    (void)user;
    return ERR_OK;
}

static const struct disk_ops null_ops = {
    .submit = null_submit, .poll = null_poll, .run = null_run, .list = null_list};

struct recover {
    struct disk *disk;
    struct file_bytes boot, *cores;
    struct replay *seen; /* of each core: what the dry replay ended with */
    struct replay replay;
    bool clean;
};

static int
core_record(void *user, uint64_t lsn, uint32_t kind, struct view body)
{
    struct replay *r = user;
    if (store_replay_is_held(r->seen, lsn, kind, body))
        return store_rescue_hold(r, kind, body);
    if (!store_replay_is_cut(r->seen, lsn, kind, body))
        return store_replay_record(r, lsn, kind, body);
    r->cut_records++;
    return ERR_OK;
}

static int
core_journal(struct recover *v, uint32_t core, struct replay *r, struct journal_end *end)
{
    struct file_bytes *f = &v->cores[core];
    if (f->mem && f->header.flags & CKPT_FLAG_CLEAN)
        return ERR_OK;
    v->clean = false;
    char dir[32];
    snprintf(dir, sizeof dir, "core-%u", core);
    struct journal_config config;
    store_journal_config(v->boot.header.lsn, STORE_FILE_BYTES, 1, dir, &config);
    uint64_t after = f->mem ? f->header.lsn : 0;
    if (f->damaged) {
        end->lsn_acked = UINT64_MAX; /* it is not known better */
        return store_damage_walk(v->disk, r, &config, v->boot.header.generation, after);
    }
    return journal_recover(v->disk, &config, v->boot.header.generation, after, core_record, r, end);
}

/* No checkpoint says which logs it had (check_boot.c). */
static bool
logs_lost(const struct recover *v, uint32_t core)
{
    return v->boot.header.flags & CKPT_FLAG_LOST && !v->cores[core].mem;
}

static int
core_walk(struct recover *v, uint32_t core, struct replay *r, struct journal_end *end)
{
    struct file_bytes *f = &v->cores[core];
    const struct file_bytes *base = f->mem ? f : &v->boot;
    store_replay_core(r, core);
    r->new_from = base->header.next_id;
    int rc = logs_load(r, base, core, v->boot.header.core_count);
    if (rc == ERR_OK && r->dry && v->replay.rescued.count)
        store_rescue_assume(r);
    if (rc == ERR_OK)
        rc = store_rescue_replay(r, v->disk, &v->replay.rescued);
    if (rc == ERR_OK && !r->dry)
        rc = store_damage_files(r);
    if (rc == ERR_OK)
        rc = core_journal(v, core, r, end);
    if (rc != ERR_OK || r->dry)
        return rc;
    store_damage_confirm(r);
    if (logs_lost(v, core))
        store_damage_unknown(r);
    store_damage_extents(r, f->bad, f->bad_count);
    f->damaged = f->damaged || r->keep;
    r->keep = false;
    return ERR_OK;
}

/* Replays a core into memory only, and finds where its logs end. */
static int
core_check(struct recover *v, uint32_t core)
{
    static struct disk none = {&null_ops, NULL};
    struct file_bytes *f = &v->cores[core];
    struct replay *r = &v->seen[core];
    *r = (struct replay){.disk = &none, .dirs = v->replay.dirs, .dry = true};
    struct journal_end end = {0};
    int rc = core_walk(v, core, r, &end);
    if (rc == ERR_CORRUPT) { /* ERR_IO may pass: nothing is decided on it */
        f->damaged = true;
        store_replay_free(r);
        r->dry = true;
        rc = core_walk(v, core, r, &end);
    }
    if (rc == ERR_OK)
        rc = store_replay_extents_check(r, v->disk, end.lsn_acked);
    if (rc == ERR_OK)
        rc = store_replay_swaps_take(&v->replay, r);
    f->bad = r->bad;
    f->bad_count = r->bad_count;
    r->bad = NULL;
    if (rc == ERR_OK)
        rc = store_replay_moves_take(&v->replay, r);
    return rc;
}

static int
cores_replay(struct recover *v)
{
    uint32_t count = v->boot.header.core_count;
    int rc = ERR_OK;
    for (uint32_t core = 0; core < count && rc == ERR_OK; core++)
        rc = core_ckpt_read(v->disk, core, v->boot.header.generation, &v->cores[core]);
    for (uint32_t core = 0; core < count; core++)
        v->cores[core].damaged = logs_lost(v, core);
    for (uint32_t core = 0; core < count && rc == ERR_OK; core++)
        rc = core_check(v, core);
    struct journal_end end;
    for (uint32_t core = 0; core < count && rc == ERR_OK; core++) {
        v->replay.seen = &v->seen[core];
        rc = core_walk(v, core, &v->replay, &end);
    }
    if (rc == ERR_OK && !v->clean)
        rc = store_finish(&v->replay);
    for (uint32_t core = 0; core < count && rc == ERR_OK; core++)
        if (v->cores[core].damaged || v->replay.keep)
            rc = store_damage_keep(v->disk, core, v->boot.header.lsn, v->boot.header.generation);
    return rc;
}

/* ---- the boot checkpoint -----------------------------------------------------------------------
 */

static int
boot_build(struct recover *v, uint32_t core_count, uint64_t journal_bytes, struct store_boot *boot)
{
    uint64_t bytes = CKPT_HEADER_BYTES;
    for (uint32_t i = 0; i < v->replay.count; i++)
        bytes += plog_save_bytes(&v->replay.logs[i]->log);
    if (bytes > UINT32_MAX)
        return ERR_LIMIT;
    boot->mem = aligned_alloc(STORE_BLOCK, plog_round_block(bytes));
    if (!boot->mem)
        return ERR_LIMIT;
    struct put w = put_of(boot->mem + CKPT_HEADER_BYTES, (uint32_t)(bytes - CKPT_HEADER_BYTES));
    uint32_t count = 0;
    for (uint32_t i = 0; i < v->replay.count; i++) {
        struct plog *p = &v->replay.logs[i]->log;
        if (p->dead)
            continue;
        p->id = ++count; /* ids are the journal's, and that begins anew */
        if (p->dir != PLOG_DIR_NONE) {
            p->seen_generation = v->boot.header.generation + 1;
            p->seen_id = p->id;
        }
        plog_save(p, &w);
    }
    must(!w.bad);
    boot->len = CKPT_HEADER_BYTES + put_len(&w);
    boot->generation = v->boot.header.generation + 1;
    boot->next_id = (uint64_t)count + 1;
    boot->core_count = core_count;
    struct ckpt_header h = {.generation = boot->generation,
                            .seq = 1,
                            .lsn = journal_bytes,
                            .next_id = boot->next_id,
                            .core_count = core_count,
                            .log_count = count};
    store_ckpt_header_write(&h, boot->mem, view_of(boot->mem + CKPT_HEADER_BYTES, put_len(&w)));
    boot->facts = (struct store_boot_facts){.logs = count,
                                            .frames_replayed = v->replay.records,
                                            .bytes_replayed = v->replay.bytes,
                                            .clean = v->clean,
                                            .offline = store_damage_report(&v->replay),
                                            .cut_records = v->replay.cut_records};
    for (uint32_t core = 0; core < v->boot.header.core_count; core++)
        boot->facts.cut += v->seen[core].cut_count;
    return ERR_OK;
}

/* A file takes the place of another at once. */
static int
boot_replace(struct disk *disk, const struct store_boot *boot, const char *path)
{
    int64_t got = store_run(disk, (struct disk_op){.kind = DISK_UNLINK, .path = boot_tmp});
    if (got < 0 && got != ERR_NOT_FOUND)
        return (int)got;
    got = store_run(disk, (struct disk_op){.kind = DISK_OPEN,
                                           .path = boot_tmp,
                                           .flags = DISK_CREATE | DISK_WRITABLE});
    if (got < 0)
        return (int)got;
    int32_t file = (int32_t)got;
    for (uint64_t at = 0; got >= 0 && at < boot->len; at += (uint64_t)got) {
        uint64_t n = boot->len - at < RECOVER_CHUNK ? boot->len - at : RECOVER_CHUNK;
        got = store_run(disk, (struct disk_op){.kind = DISK_WRITE,
                                               .file = file,
                                               .at = boot->mem + at,
                                               .len = (uint32_t)n,
                                               .offset = at});
    }
    if (got >= 0)
        got = store_run(disk, (struct disk_op){.kind = DISK_SYNC, .file = file});
    store_run(disk, (struct disk_op){.kind = DISK_CLOSE, .file = file});
    if (got >= 0)
        got = store_run(disk,
                        (struct disk_op){.kind = DISK_RENAME, .path = boot_tmp, .path_to = path});
    if (got >= 0 && !mutant(MUTANT_BOOT_NOT_NAMED))
        got = store_run(disk, (struct disk_op){.kind = DISK_SYNC_DIR, .path = "."});
    return got < 0 ? (int)got : ERR_OK;
}

/* Nothing of the new generation is written before both are there: until then the copy may be of
 * the old one, which is as true. */
int
store_boot_write(struct disk *disk, const struct store_boot *boot)
{
    int rc = ERR_OK;
    for (int i = 0; i < BOOT_COPIES && rc == ERR_OK; i++)
        rc = boot_replace(disk, boot, store_boot_paths[i]);
    return rc;
}

static void
name_count(void *user, const char *name)
{
    (void)name;
    ++*(uint32_t *)user;
}

/* The valid copy of the newer generation.  *there false: a directory that was never used. */
static int
boot_read(struct disk *disk, struct file_bytes *out, bool *there)
{
    *out = (struct file_bytes){0};
    *there = false;
    bool failed = false;
    for (int i = 0; i < BOOT_COPIES; i++) {
        struct file_bytes one;
        bool exists;
        int rc = ckpt_read(disk, store_boot_paths[i], &one, &exists);
        if (rc == ERR_IO)
            log_warn("store", "a boot checkpoint cannot be read path=%s", store_boot_paths[i]);
        else if (rc != ERR_OK)
            return rc;
        failed = failed || rc != ERR_OK;
        *there = *there || exists;
        bool newer = one.mem && (!out->mem || one.header.generation > out->header.generation);
        free(newer ? out->mem : one.mem);
        if (newer)
            *out = one;
    }
    if (failed && !out->mem)
        return ERR_IO;
    uint32_t names = 0;
    if (!*there && disk->ops->list(disk->self, 0, "core-0", name_count, &names) == ERR_OK)
        *there = true; /* a broker was at work here */
    if (!*there || out->mem)
        return ERR_OK;
    log_error("store",
              "damaged: neither %s nor %s is there and valid, so it is not known which "
              "logs there are: run 'sluice log verify' and 'sluice log repair'",
              store_boot_paths[0], store_boot_paths[1]);
    return ERR_CORRUPT;
}

/* ---- all together ------------------------------------------------------------------------------
 */

/* A fresh directory is not begun on a disk that has no place for its journals. */
static bool
journals_fit(struct disk *disk, uint32_t core_count, uint64_t journal_bytes)
{
    struct disk_facts facts;
    disk->ops->facts(disk->self, 0, &facts);
    uint64_t need = core_count * journal_bytes;
    if (facts.free_bytes >= need)
        return true;
    log_error("store",
              "the disk is too small for the journals: %u of %llu bytes, free=%llu: make room, or "
              "set a smaller journal.bytes",
              core_count, (unsigned long long)journal_bytes, (unsigned long long)facts.free_bytes);
    return false;
}

/* The first directory must work; another that does not is as if it were not there. */
static int
dirs_make(struct recover *v)
{
    struct store_dirs *d = &v->replay.dirs;
    for (uint32_t i = 0; i < d->count; i++) {
        if (!d->dirs[i].online)
            continue;
        struct disk_op op = {.kind = DISK_MKDIR, .dir = (uint8_t)i, .path = "log"};
        int64_t got = store_run(v->disk, op);
        if (got == ERR_EXISTS)
            got = ERR_OK;
        op = (struct disk_op){.kind = DISK_SYNC_DIR, .dir = (uint8_t)i, .path = "."};
        if (got >= 0)
            got = store_run(v->disk, op);
        if (got >= 0)
            continue;
        if (i == 0)
            return (int)got;
        log_error("store",
                  "data directory does not work, its logs are offline directory=%u error=%s", i,
                  err_name((int)got));
        d->dirs[i].online = false;
    }
    return ERR_OK;
}

static int
recover(struct recover *v, uint32_t core_count, uint64_t journal_bytes, struct store_boot *boot)
{
    /* Names we are about to see must not vanish with the next power cut. */
    int64_t got = store_run(v->disk, (struct disk_op){.kind = DISK_SYNC_DIR, .path = "."});
    bool there = false;
    int rc = got < 0 ? (int)got : boot_read(v->disk, &v->boot, &there);
    if (rc != ERR_OK)
        return rc;
    if (v->boot.header.core_count > RECOVER_CORES_MAX)
        return ERR_CORRUPT;
    if (!there && !journals_fit(v->disk, core_count, journal_bytes))
        return ERR_NO_SPACE;
    rc = dirs_make(v);
    if (rc != ERR_OK)
        return rc;
    rc = store_rescue_find(v->disk, &v->replay.rescued);
    if (rc != ERR_OK)
        return rc;
    v->replay.rescue =
        (struct rescue_out){.disk = v->disk, .generation = v->boot.header.generation};
    v->replay.gaps = v->boot.header.flags & CKPT_FLAG_LOST;
    v->clean = there && v->replay.rescued.count == 0 && !v->replay.gaps;
    v->cores = calloc(v->boot.header.core_count + 1, sizeof *v->cores);
    v->seen = calloc(v->boot.header.core_count + 1, sizeof *v->seen);
    rc = v->cores && v->seen ? cores_replay(v) : ERR_LIMIT;
    if (rc == ERR_OK)
        store_replay_copies(&v->replay);
    for (uint32_t i = 0; i < v->replay.dirs.count && rc == ERR_OK && !v->clean; i++)
        if (v->replay.dirs.dirs[i].online)
            rc = store_strays(&v->replay, (uint8_t)i);
    for (uint32_t i = 0; i < v->replay.count && rc == ERR_OK && !v->clean; i++)
        if (!v->replay.logs[i]->log.dead && v->replay.logs[i]->log.dir != PLOG_DIR_NONE &&
            !v->replay.logs[i]->log.damage)
            rc = store_leftover_clean(v->disk, &v->replay.logs[i]->log);
    if (rc == ERR_OK)
        rc = boot_build(v, core_count, journal_bytes, boot);
    if (rc == ERR_OK)
        rc = store_boot_write(v->disk, boot);
    if (rc == ERR_OK)
        store_rescue_tidy(v->disk, &v->replay.rescued);
    return rc;
}

static void
free_core(struct file_bytes *f)
{
    free(f->mem);
    free(f->bad);
}

int
store_recover(struct disk *disk, uint32_t core_count, uint64_t journal_bytes,
              struct store_boot **out)
{
    if (core_count == 0 || core_count > RECOVER_CORES_MAX)
        return ERR_INVALID;
    struct recover v = {.disk = disk, .replay.disk = disk};
    struct store_boot *boot = calloc(1, sizeof *boot);
    if (!boot)
        return ERR_LIMIT;
    store_dirs_read(disk, &v.replay.dirs);
    int rc = recover(&v, core_count, journal_bytes, boot);
    for (uint32_t i = 0; v.cores && i < v.boot.header.core_count; i++)
        free_core(&v.cores[i]);
    for (uint32_t i = 0; v.seen && i < v.boot.header.core_count; i++)
        store_replay_free(&v.seen[i]);
    free(v.seen);
    free(v.cores);
    free(v.boot.mem);
    store_replay_free(&v.replay);
    if (rc == ERR_NO_SPACE)
        log_error("store",
                  "the disk is full, so the journal cannot be replayed: nothing is lost, make "
                  "room on the file system of the data directory and start again");
    if (rc != ERR_OK) {
        store_boot_free(boot);
        return rc;
    }
    log_info("store", "recovered generation=%llu logs=%llu records=%llu bytes=%llu clean=%d",
             (unsigned long long)boot->generation, (unsigned long long)boot->facts.logs,
             (unsigned long long)boot->facts.frames_replayed,
             (unsigned long long)boot->facts.bytes_replayed, boot->facts.clean);
    boot->dirs = v.replay.dirs;
    *out = boot;
    return ERR_OK;
}

void
store_boot_free(struct store_boot *boot)
{
    if (!boot)
        return;
    free(boot->mem);
    free(boot);
}

void
store_boot_facts(const struct store_boot *boot, struct store_boot_facts *out)
{
    *out = boot->facts;
}
