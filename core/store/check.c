/* check.c: the look over a data directory.
 *
 * Checkpoints first, for they say which logs there are; then the journal of each core, record by
 * record; then the segments, as far as the checkpoint says that a file holds them (what came later
 * is in the journal, and the next start writes it). */
#include "core/store/check.h"
#include "core/base/err.h"
#include "core/store/check_in.h"

#include <stdio.h>
#include <stdlib.h>

enum { CHECK_FILE_BYTES_MAX = 1 << 30 };

void
check_tell(struct check *c, struct check_finding f)
{
    c->bad += f.bad;
    c->tell(c->user, &f);
}

static int
file_read(struct check *c, const char *path, struct check_file *out, bool *there)
{
    *out = (struct check_file){0};
    int64_t got = store_run(c->disk, (struct disk_op){.kind = DISK_OPEN, .path = path});
    *there = got != ERR_NOT_FOUND;
    if (got < 0)
        return got == ERR_NOT_FOUND || got == ERR_IO ? ERR_OK : (int)got;
    int32_t file = (int32_t)got;
    int64_t size = store_run(c->disk, (struct disk_op){.kind = DISK_SIZE, .file = file});
    bool fits = size >= 0 && size <= CHECK_FILE_BYTES_MAX;
    uint8_t *mem = fits ? aligned_alloc(STORE_BLOCK, plog_round_block((uint64_t)size + 1)) : NULL;
    if (mem)
        got = store_run(
            c->disk,
            (struct disk_op){.kind = DISK_READ, .file = file, .at = mem, .len = (uint32_t)size});
    store_run(c->disk, (struct disk_op){.kind = DISK_CLOSE, .file = file});
    int rc = ERR_CORRUPT;
    if (mem && got == size)
        rc = store_ckpt_header_read(mem, (uint64_t)size, &out->header);
    if (rc == ERR_OK)
        out->mem = mem;
    else
        free(mem);
    return fits && !mem ? ERR_LIMIT : rc == ERR_VERSION ? rc : ERR_OK;
}

/* Reads two copies, tells what is wrong with them, and keeps the better one. */
int
check_pair_read(struct check *c, const char *const paths[2], uint64_t generation,
                struct check_file *best)
{
    *best = (struct check_file){0};
    for (int i = 0; i < 2; i++) {
        struct check_file one;
        bool there;
        int rc = file_read(c, paths[i], &one, &there);
        if (rc == ERR_VERSION)
            check_tell(c, (struct check_finding){
                              .bad = true,
                              .what = "the checkpoint is in the format of another version, which "
                                      "this program cannot look at",
                              .path = paths[i],
                              .position = 0,
                              .offset_first = -1,
                              .offset_limit = -1});
        if (rc != ERR_OK) {
            free(best->mem);
            best->mem = NULL;
            return rc;
        }
        if (there && !one.mem)
            check_tell(c, (struct check_finding){
                              .what = "the checkpoint is torn or damaged; the other one is used",
                              .path = paths[i],
                              .position = 0,
                              .offset_first = -1,
                              .offset_limit = -1});
        bool ours = one.mem && (generation == 0 || one.header.generation == generation);
        bool better = ours && (!best->mem || one.header.generation > best->header.generation ||
                               one.header.seq > best->header.seq);
        free(better ? best->mem : one.mem);
        if (better)
            *best = one;
    }
    return ERR_OK;
}

int
check_core_read(struct check *c, uint32_t core, uint64_t generation, struct check_file *best)
{
    char a[CKPT_PATH_BYTES], b[CKPT_PATH_BYTES];
    store_ckpt_path(core, 0, a);
    store_ckpt_path(core, 1, b);
    return check_pair_read(c, (const char *const[]){a, b}, generation, best);
}

/* ---- logs --------------------------------------------------------------------------------------
 */

static void
scan_tell(struct check *c, const struct plog *p, const struct check_scan *s, int rc)
{
    const char *what = rc == ERR_OK          ? s->what
                       : rc == ERR_NOT_FOUND ? "the segment file is missing"
                                             : "the segment file cannot be read";
    if (!what)
        return;
    check_tell(c, (struct check_finding){.bad = true,
                                         .what = what,
                                         .path = s->path,
                                         .position = (int64_t)s->good_bytes,
                                         .topic = p->topic,
                                         .partition = p->partition,
                                         .offset_first = s->end,
                                         .offset_limit = p->end});
}

static void
sums_take(void *user, uint64_t position, struct view batch, const struct batch_info *info)
{
    sums_add(user, batch.at, batch.len);
}

/* What compaction was about to do to a log whose directory was not there, or went bad. */
static void
unfinished_tell(struct check *c, const struct plog *p, const char *path)
{
    if (p->unfinished.limit)
        check_tell(
            c, (struct check_finding){
                   .what = "compaction has replaced segments, and their files have not their new "
                           "names yet; a start that finds the directory ends that",
                   .path = path,
                   .position = -1,
                   .topic = p->topic,
                   .partition = p->partition,
                   .offset_first = p->unfinished.first,
                   .offset_limit = p->unfinished.limit});
}

static void
log_check(struct check *c, const struct plog *p, const struct check_facts *facts)
{
    char path[PLOG_PATH_BYTES];
    int64_t end = -1;
    int32_t epoch = -1;
    c->logs++;
    c->offline += p->damage != PLOG_WHOLE;
    plog_path_dir(p, path);
    if (p->damage)
        check_tell(c, (struct check_finding){.bad = true,
                                             .what = plog_damage_text(p->damage),
                                             .path = path,
                                             .position = -1,
                                             .topic = p->topic,
                                             .partition = p->partition,
                                             .offset_first = p->good_end,
                                             .offset_limit = p->end});
    unfinished_tell(c, p, path);
    for (uint32_t i = 0; i < p->segment_count; i++) {
        const struct segment *seg = p->segments[i];
        if (seg->synced == 0 || plog_segment_limit(p, seg) <= p->start)
            continue;
        if (check_facts_replaced(facts, p, seg->base)) {
            end = epoch = -1;
            continue;
        }
        plog_path_segment(p, seg->base, ".log", path);
        struct sums sums = {0};
        struct check_scan s = {.dir = p->dir,
                               .path = path,
                               .base = end < 0 ? seg->base : end,
                               .limit = seg->synced,
                               .holes = p->config.cleanup_compact || seg->gaps,
                               .partial = seg->synced < seg->bytes,
                               .each = sums_take,
                               .user = &sums,
                               .epoch = epoch};
        int rc = check_scan(c->disk, &s);
        c->segments++;
        c->batches += s.batches;
        c->bytes += s.good_bytes;
        scan_tell(c, p, &s, rc);
        bool whole = rc == ERR_OK && !s.what && seg->synced == seg->bytes;
        if (whole && i + 1 < p->segment_count)
            check_sidecar(c, p, seg, &sums);
        sums_free(&sums);
        end = whole && !s.holes ? s.end : -1;
        epoch = s.epoch;
    }
}

static int
logs_check(struct check *c, const struct check_file *f, uint32_t core, uint32_t core_count,
           const struct check_facts *facts)
{
    struct store_dirs dirs;
    store_dirs_read(c->disk, &dirs);
    struct cur cur = cur_of(view_of(f->mem + CKPT_HEADER_BYTES, (uint32_t)f->header.bytes));
    for (uint32_t i = 0; i < f->header.log_count; i++) {
        struct plog p;
        int rc = plog_load(&p, &cur);
        if (rc != ERR_OK)
            return rc;
        bool ours = !p.dead && store_core_of(p.topic, p.partition, core_count) == core;
        if (ours)
            check_facts_apply(facts, &p);
        p.dir = store_dir_find(&dirs, p.dir_id);
        if (ours && !p.dead && p.dir != PLOG_DIR_NONE)
            log_check(c, &p, facts);
        plog_free(&p);
    }
    return ERR_OK;
}

int
check_shape(struct check *c, uint32_t *core_count, uint64_t *journal_bytes)
{
    struct check_file boot;
    int rc = check_pair_read(c, store_boot_paths, 0, &boot);
    if (rc == ERR_OK && !boot.mem)
        rc = ERR_CORRUPT;
    *core_count = boot.header.core_count;
    *journal_bytes = boot.header.lsn;
    free(boot.mem);
    return rc;
}

int
check_verify(struct check *c)
{
    struct check_file boot;
    int rc = check_pair_read(c, store_boot_paths, 0, &boot);
    if (rc == ERR_OK && !boot.mem)
        check_tell(c, (struct check_finding){
                          .bad = true,
                          .what =
                              "no boot checkpoint can be read, so it is not known which logs there "
                              "are; no broker starts on this directory, and repair makes one from "
                              "the checkpoints of the cores, the journals and the files",
                          .path = store_boot_paths[0],
                          .position = 0,
                          .offset_first = -1,
                          .offset_limit = -1});
    if (rc != ERR_OK || !boot.mem)
        return rc;
    uint32_t cores = boot.header.core_count;
    if (cores > CHECK_CORES_MAX)
        rc = ERR_CORRUPT;
    for (uint32_t core = 0; core < cores && rc == ERR_OK; core++) {
        struct check_file f;
        struct check_facts facts = {0};
        rc = check_core_read(c, core, boot.header.generation, &f);
        if (rc == ERR_OK)
            rc = check_journal(c, core, &boot.header, f.mem ? &f.header : NULL, &facts);
        if (rc == ERR_OK)
            rc = logs_check(c, f.mem ? &f : &boot, core, cores, &facts);
        check_facts_free(&facts);
        free(f.mem);
    }
    free(boot.mem);
    return rc;
}
