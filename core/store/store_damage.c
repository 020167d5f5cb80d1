/* store_damage.c: starting from a data directory that lost something.
 *
 * The rule: a log is served only when it is sure that nothing acknowledged is missing from it.  All
 * others come up offline (plog.h) with what is left of them, and nothing is removed: their files
 * are not cut, and a journal that is damaged, or holds records that no file took, is copied to
 * damaged/GENERATION-core-N/ before its ring is used again.
 *
 * A gap in the journal puts logs in doubt: those that the damaged frame names, when that is sure
 * enough, otherwise all of the core.  A log is whole again when a later record of it continues
 * exactly at its known end: offsets have no holes, so none of its records was in the gap.  A later
 * record that does not continue shows that some were.  With neither the doubt stays.  A log that a
 * record makes behind a gap is in doubt, too: its first record may be in the gap, and this one a
 * new configuration.
 *
 * Which logs the damaged frame names is sure when its header fits its neighbours, its records fill
 * it exactly, all are well formed, and exactly one batch fails its own crc: then the damage lies
 * within that batch.
 *
 * Residual: when the record that made a log is lost, and its directory is not there yet, nothing
 * names that log.  The gap is told and the journal kept, but control makes the log anew, empty.
 * When a record of a log start is lost, records that were trimmed with it are there again; when one
 * of a configuration is, the log has the one before until control gives it its own again, as it
 * does at every start. */
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/store/journal_in.h"
#include "core/store/store_replay_in.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    DAMAGE_LINES_MAX = LOG_BURST - 1,
    DAMAGE_CHUNK = 1 << 20,
    DAMAGE_CREATED_MAX = 64,
};

/* ---- segment files -----------------------------------------------------------------------------
 */

static int
segment_look(struct replay *r, const struct segment *seg, int64_t file)
{
    int64_t size = file;
    if (file >= 0) {
        size = store_run(r->disk, (struct disk_op){.kind = DISK_SIZE, .file = (int32_t)file});
        store_run(r->disk, (struct disk_op){.kind = DISK_CLOSE, .file = (int32_t)file});
    }
    if (size >= (int64_t)seg->synced)
        return ERR_OK;
    if (size < 0 && size != ERR_NOT_FOUND && size != ERR_IO)
        return (int)size; /* says nothing of the file */
    if (r->suspect_count == r->suspect_room) {
        uint32_t room = r->suspect_room ? r->suspect_room * 2 : 16;
        struct suspect *more = realloc(r->suspects, room * sizeof *more);
        if (!more)
            return ERR_LIMIT;
        r->suspects = more;
        r->suspect_room = room;
    }
    r->suspects[r->suspect_count++] =
        (struct suspect){seg->log, seg->serial, seg->base, size, seg->synced};
    return ERR_OK;
}

static enum plog_damage
damage_of(int64_t size)
{
    return size >= 0               ? PLOG_DAMAGE_SHORT
           : size == ERR_NOT_FOUND ? PLOG_DAMAGE_MISSING
                                   : PLOG_DAMAGE_UNREADABLE;
}

void
store_damage_confirm(struct replay *r)
{
    for (uint32_t i = 0; i < r->suspect_count; i++) {
        const struct suspect *x = &r->suspects[i];
        const struct segment *seg = plog_segment_at(x->log, x->base);
        if (x->log->dead || !seg || seg->serial != x->serial ||
            plog_segment_limit(x->log, seg) <= x->log->start)
            continue;
        char path[PLOG_PATH_BYTES];
        plog_path_segment(x->log, x->base, ".log", path);
        log_error("store", "damaged: %s path=%s bytes=%lld wanted=%u error=%s",
                  plog_damage_text(damage_of(x->size)), path,
                  (long long)(x->size < 0 ? 0 : x->size), x->wanted,
                  err_name(x->size < 0 ? (int)x->size : ERR_OK));
        plog_damage_mark(x->log, damage_of(x->size), x->base);
    }
    r->suspect_count = 0;
}

void
store_damage_unknown(struct replay *r)
{
    for (uint32_t i = r->core_first; i < r->count; i++)
        if (!r->logs[i]->log.dead)
            plog_damage_mark(&r->logs[i]->log, PLOG_DAMAGE_UNKNOWN, 0);
}

static bool
to_look_at(const struct plog *p)
{
    return !p->dead && !p->damage && p->dir != PLOG_DIR_NONE;
}

int
store_damage_files(struct replay *r)
{
    int rc = ERR_OK;
    for (uint32_t i = r->core_first; i < r->count; i++) {
        const struct plog *p = &r->logs[i]->log;
        for (uint32_t n = 0; n < p->segment_count && to_look_at(p) && rc == ERR_OK; n++) {
            char path[PLOG_PATH_BYTES];
            if (p->segments[n]->synced == 0)
                continue;
            plog_path_segment(p, p->segments[n]->base, ".log", path);
            struct disk_op op = {.kind = DISK_OPEN, .dir = p->dir, .path = path};
            rc = segment_look(r, p->segments[n], store_run(r->disk, op));
        }
    }
    return rc;
}

int
store_damage_extent(struct replay *r, uint64_t id, int64_t base)
{
    if (r->bad_count == r->bad_room) {
        uint32_t room = r->bad_room ? r->bad_room * 2 : 16;
        struct bad_extent *more = realloc(r->bad, room * sizeof *more);
        if (!more)
            return ERR_LIMIT;
        r->bad = more;
        r->bad_room = room;
    }
    r->bad[r->bad_count++] = (struct bad_extent){id, base};
    return ERR_OK;
}

void
store_damage_extents(struct replay *r, const struct bad_extent *bad, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct replay_log *l = store_replay_log(r, bad[i].id);
        if (l && !l->log.dead)
            plog_damage_mark(&l->log, PLOG_DAMAGE_EXTENT, bad[i].base);
    }
}

/* ---- gaps in a journal -------------------------------------------------------------------------
 */

struct frame_look {
    uint32_t batches_bad, created_count;
    uint64_t created[DAMAGE_CREATED_MAX]; /* ids of logs that the frame itself makes */
    bool well_formed;
};

static bool
log_known(const struct frame_look *look, const struct replay *r, uint64_t id)
{
    for (uint32_t i = 0; i < look->created_count; i++)
        if (look->created[i] == id)
            return true;
    return store_replay_log(r, id) != NULL;
}

static void
record_look(struct frame_look *look, const struct replay *r, uint32_t kind, struct view body)
{
    uint64_t id;
    bool named = store_record_log(kind, body, &id);
    if (kind == STORE_REC_CREATE) {
        look->well_formed = look->well_formed && body.len == STORE_CREATE_BYTES;
        if (named && look->created_count < DAMAGE_CREATED_MAX)
            look->created[look->created_count++] = id;
        return;
    }
    /* The bytes of an extent are elsewhere. */
    if (!named || !log_known(look, r, id) || kind == STORE_REC_EXTENT || kind == STORE_REC_AGAIN) {
        look->well_formed = false;
        return;
    }
    if (kind != STORE_REC_BATCH)
        return;
    struct batch_info info;
    struct batch_place x;
    if (store_record_read(kind, body, &x) != ERR_OK || batch_header(x.rest, &info) != ERR_OK ||
        info.bytes != x.len)
        look->well_formed = false;
    else if (!batch_crc_ok(x.rest, &info))
        look->batches_bad++;
}

/* The next record of a frame; false at the end, or when it is not whole (c->bad). */
static bool
record_next(struct cur *c, uint32_t *kind, struct view *body)
{
    return cur_left(c) != 0 && journal_record_read(c, kind, body);
}

/* Logs that the records of a damaged frame make, as far as they can be followed: better a log too
 * many, which is offline, than one that nobody knows of. */
static int
creations_apply(struct replay *r, const struct journal_gap *gap)
{
    uint32_t skip = gap->raw.len < FRAME_HEADER_BYTES ? gap->raw.len : FRAME_HEADER_BYTES;
    struct cur c = cur_of(view_of(gap->raw.at + skip, gap->raw.len - skip));
    uint32_t kind;
    struct view body;
    int rc = ERR_OK;
    while (rc == ERR_OK && record_next(&c, &kind, &body)) {
        if (kind == STORE_REC_CREATE && body.len == STORE_CREATE_BYTES &&
            !store_replay_log(r, get_u64(body.at)))
            rc = store_replay_record(r, 0, kind, body);
        if (kind == 0)
            break;
    }
    return rc;
}

/* Is it sure which logs a damaged frame names?  *records: its records then. */
static bool
frame_names(const struct replay *r, const struct journal_gap *gap, struct view *records)
{
    struct frame_header h;
    if (gap->raw.len < FRAME_HEADER_BYTES)
        return false;
    journal_frame_read(gap->raw.at, &h);
    if (h.magic != JOURNAL_FRAME_MAGIC || h.seq != gap->seq_first ||
        h.lsn_first + h.record_count != gap->lsn_limit || h.lsn_first > gap->lsn_first ||
        frame_bytes(&h) > gap->raw.len)
        return false;
    *records = view_of(gap->raw.at + FRAME_HEADER_BYTES, h.payload_bytes);
    struct cur c = cur_of(*records);
    struct frame_look look = {.well_formed = true};
    uint32_t kind, count = 0;
    struct view body;
    for (; record_next(&c, &kind, &body); count++)
        record_look(&look, r, kind, body);
    return !c.bad && count == h.record_count && look.well_formed && look.batches_bad == 1;
}

/* Puts the logs that the records name in doubt; how many. */
static uint32_t
named_doubt(struct replay *r, struct view records, int *rc)
{
    struct cur c = cur_of(records);
    uint32_t kind, doubted = 0;
    struct view body;
    while (*rc == ERR_OK && record_next(&c, &kind, &body)) {
        if (kind == STORE_REC_CREATE) /* the damage is in another record */
            *rc = store_replay_record(r, 0, kind, body);
        uint64_t id;
        struct replay_log *l = store_record_log(kind, body, &id) ? store_replay_log(r, id) : NULL;
        if (*rc != ERR_OK || !l || l->log.dead || l->doubt)
            continue;
        l->doubt = true;
        doubted++;
    }
    return doubted;
}

static uint32_t
all_doubt(struct replay *r)
{
    uint32_t doubted = 0;
    for (uint32_t i = r->core_first; i < r->count; i++) {
        r->logs[i]->doubt = !r->logs[i]->log.dead;
        doubted += r->logs[i]->doubt;
    }
    return doubted;
}

static int
gap_found(void *user, const struct journal_gap *gap)
{
    struct replay *r = user;
    struct view records;
    int rc = ERR_OK;
    r->gaps = r->keep = true;
    bool named = frame_names(r, gap, &records);
    if (!named && gap->raw.len)
        rc = creations_apply(r, gap);
    uint32_t doubted = named ? named_doubt(r, records, &rc) : all_doubt(r);
    if (r->dry)
        return rc;
    log_error("store",
              "damaged: acknowledged journal records are unreadable path=%s offset=%llu "
              "first_lsn=%llu records=%lld partitions=%u (%s)",
              *gap->path ? gap->path : "gone", (unsigned long long)gap->offset,
              (unsigned long long)gap->lsn_first,
              gap->lsn_limit ? (long long)(gap->lsn_limit - gap->lsn_first) : -1LL, doubted,
              named ? "the frame names them" : "all of the core");
    return rc;
}

int
store_damage_walk(struct disk *disk, struct replay *r, const struct journal_config *config,
                  uint64_t generation, uint64_t lsn_after)
{
    return journal_salvage(disk, config, generation, lsn_after, store_replay_record, gap_found, r);
}

int
store_damage_adopt(struct replay *r, uint8_t dir, const char *topic, const char *partition)
{
    uint8_t id[16];
    int32_t number;
    if (!plog_path_read(topic, partition, id, &number))
        return ERR_NOT_FOUND;
    struct replay_log *l = calloc(1, sizeof *l);
    if (!l)
        return ERR_LIMIT;
    plog_init(&l->log);
    l->log.id = UINT64_MAX; /* the boot checkpoint gives a real one */
    memcpy(l->log.topic, id, sizeof id);
    l->log.partition = number;
    l->log.dir = dir;
    memcpy(l->log.dir_id, r->dirs.dirs[dir].id, sizeof l->log.dir_id);
    plog_damage_mark(&l->log, PLOG_DAMAGE_UNKNOWN, 0);
    return store_replay_take(r, l);
}

/* ---- journals kept aside -----------------------------------------------------------------------
 */

static bool
all_zero(const uint8_t *at, uint32_t len)
{
    return len == 0 || (at[0] == 0 && memcmp(at, at + 1, len - 1) == 0);
}

/* Zeros stay holes. */
static int64_t
bytes_copy(struct disk *disk, int32_t from, int32_t to, uint64_t bytes_max, uint8_t *mem)
{
    uint64_t at = 0;
    int64_t got;
    do {
        struct disk_op op = {
            .kind = DISK_READ, .file = from, .at = mem, .len = DAMAGE_CHUNK, .offset = at};
        got = store_run(disk, op);
        bool unreadable = got == ERR_IO;
        if (got < 0 && !unreadable)
            return got;
        uint32_t len = unreadable ? DAMAGE_CHUNK : (uint32_t)got;
        if (!unreadable && !all_zero(mem, len)) {
            op = (struct disk_op){
                .kind = DISK_WRITE, .file = to, .at = mem, .len = len, .offset = at};
            got = store_run(disk, op);
            if (got < 0)
                return got;
        }
        at += len;
        got = len;
    } while (got == DAMAGE_CHUNK && at < bytes_max);
    got = store_run(disk, (struct disk_op){.kind = DISK_TRUNCATE, .file = to, .offset = at});
    return got < 0 ? got : store_run(disk, (struct disk_op){.kind = DISK_SYNC, .file = to});
}

/* A file that is not there is no error. */
static int64_t
file_copy(struct disk *disk, const char *path, const char *path_to, uint64_t bytes_max,
          uint8_t *mem)
{
    int64_t from = store_run(disk, (struct disk_op){.kind = DISK_OPEN, .path = path});
    if (from < 0)
        return from == ERR_NOT_FOUND ? ERR_OK : from;
    int64_t to = store_run(
        disk,
        (struct disk_op){.kind = DISK_OPEN, .path = path_to, .flags = DISK_CREATE | DISK_WRITABLE});
    int64_t got = to < 0 ? to : bytes_copy(disk, (int32_t)from, (int32_t)to, bytes_max, mem);
    store_run(disk, (struct disk_op){.kind = DISK_CLOSE, .file = (int32_t)from});
    if (to >= 0)
        store_run(disk, (struct disk_op){.kind = DISK_CLOSE, .file = (int32_t)to});
    return got;
}

static int64_t
directory_make(struct disk *disk, const char *path, const char *above)
{
    int64_t got = store_run(disk, (struct disk_op){.kind = DISK_MKDIR, .path = path});
    if (got < 0 && got != ERR_EXISTS)
        return got;
    return store_run(disk, (struct disk_op){.kind = DISK_SYNC_DIR, .path = above});
}

int
store_damage_keep(struct disk *disk, uint32_t core, uint64_t journal_bytes, uint64_t generation)
{
    char dir[32], to[64];
    struct journal_config config;
    snprintf(dir, sizeof dir, "core-%u", core);
    snprintf(to, sizeof to, "damaged/%llu-core-%u", (unsigned long long)generation, core);
    store_journal_config(journal_bytes, STORE_FILE_BYTES, 1, dir, &config);
    uint8_t *mem = aligned_alloc(STORE_BLOCK, DAMAGE_CHUNK);
    if (!mem)
        return ERR_LIMIT;
    int64_t got = directory_make(disk, "damaged", ".");
    if (got >= 0)
        got = directory_make(disk, to, "damaged");
    for (uint32_t i = 0; i < config.file_count && got >= 0; i++) {
        char path[JOURNAL_PATH_BYTES], path_to[JOURNAL_PATH_BYTES];
        journal_path(&config, i, path);
        snprintf(path_to, sizeof path_to, "%s/journal-%04u", to, i);
        got = file_copy(disk, path, path_to, config.file_bytes, mem);
    }
    if (got >= 0)
        got = store_run(disk, (struct disk_op){.kind = DISK_SYNC_DIR, .path = to});
    free(mem);
    if (got < 0)
        log_error("store", "the damaged journal cannot be kept path=%s error=%s: make room", to,
                  err_name((int)got));
    else
        log_warn("store", "the damaged journal is kept path=%s", to);
    return got < 0 ? (int)got : ERR_OK;
}

/* ---- telling -----------------------------------------------------------------------------------
 */

uint64_t
store_damage_report(const struct replay *r)
{
    uint64_t count = 0;
    for (uint32_t i = 0; i < r->count; i++) {
        const struct plog *p = &r->logs[i]->log;
        if (p->dead || !p->damage || ++count > DAMAGE_LINES_MAX)
            continue;
        char path[PLOG_PATH_BYTES];
        plog_path_dir(p, path);
        log_error("store", "partition offline: %s path=%s good_to_offset=%lld known_to_offset=%lld",
                  plog_damage_text(p->damage), path, (long long)p->good_end - 1,
                  (long long)p->end - 1);
    }
    if (count)
        log_error("store",
                  "partitions offline because of damage: %llu; the others serve; stop the broker "
                  "and run 'sluice log verify' and 'sluice log repair'",
                  (unsigned long long)count);
    return count;
}
