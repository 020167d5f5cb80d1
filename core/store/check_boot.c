/* check_boot.c: a boot checkpoint for a directory that has lost both copies.
 *
 * A start has from it: how many cores there were and how large their journals are, the generation
 * that counts, and the logs of those cores that have made no checkpoint of their own since.
 *   cores       what a core checkpoint of that generation says; else the directories there are
 *   journals    what the headers of their files say
 *   generation  the newest that a core checkpoint, or the frame at the front of a journal file, has
 *   logs        of a core with a checkpoint of that generation: all are in it, nothing is lost.  Of
 *               another one: not known.  With CKPT_FLAG_LOST a start keeps its journal, replays
 *               what that names, and takes every directory of a log for a damaged log, which
 *               repair then builds from its files (check_repair.c).
 *
 * Nothing is deleted: what is left of the old files goes to damaged/. */
#include "core/base/err.h"
#include "core/store/check_in.h"

#include <stdio.h>
#include <stdlib.h>

struct found {
    uint64_t generation, journal_bytes;
    uint32_t cores;                        /* that count */
    uint32_t count;                        /* directories */
    uint64_t checkpoints[CHECK_CORES_MAX]; /* generation of the newest of each; 0 none */
    uint32_t core_counts[CHECK_CORES_MAX]; /* what it says */
};

static void
name_ignore(void *user, const char *name)
{
    (void)user;
    (void)name;
}

static int
core_look(struct check *c, uint32_t core, struct found *f)
{
    char dir[32];
    snprintf(dir, sizeof dir, "core-%u", core);
    struct check_file ckpt;
    int rc = check_core_read(c, core, 0, &ckpt);
    if (rc != ERR_OK)
        return rc;
    if (ckpt.mem) {
        f->checkpoints[core] = ckpt.header.generation;
        f->core_counts[core] = ckpt.header.core_count;
        if (f->checkpoints[core] > f->generation)
            f->generation = f->checkpoints[core];
    }
    free(ckpt.mem);
    struct journal_config config, same;
    uint64_t generation;
    rc = journal_found(c->disk, dir, &config, &generation);
    if (rc != ERR_OK)
        return rc == ERR_NOT_FOUND ? ERR_OK : rc;
    store_journal_config(config.file_bytes * config.file_count, STORE_FILE_BYTES, 1, dir, &same);
    if (same.file_bytes == config.file_bytes && same.file_count == config.file_count)
        f->journal_bytes = config.file_bytes * config.file_count;
    if (generation > f->generation)
        f->generation = generation;
    return ERR_OK;
}

/* How many cores there were, and whether one of them has no checkpoint. */
static bool
logs_lost(struct found *f)
{
    bool lost = false;
    f->cores = f->count;
    for (uint32_t i = 0; i < f->count; i++)
        if (f->checkpoints[i] == f->generation && f->core_counts[i] <= f->count)
            f->cores = f->core_counts[i];
    for (uint32_t i = 0; i < f->cores; i++)
        lost = lost || f->checkpoints[i] != f->generation;
    return lost;
}

static int64_t
old_keep(struct disk *disk, const char *path, uint64_t generation)
{
    char to[96];
    snprintf(to, sizeof to, "damaged/%llu-%s", (unsigned long long)generation, path);
    int64_t got = store_run(disk, (struct disk_op){.kind = DISK_MKDIR, .path = "damaged"});
    if (got >= 0 || got == ERR_EXISTS)
        got = store_run(disk, (struct disk_op){.kind = DISK_RENAME, .path = path, .path_to = to});
    if (got == ERR_NOT_FOUND)
        return ERR_OK;
    if (got >= 0)
        got = store_run(disk, (struct disk_op){.kind = DISK_SYNC_DIR, .path = "damaged"});
    return got;
}

static int
boot_make(struct check *c, const struct found *f, bool lost)
{
    struct ckpt_header h = {.generation = f->generation,
                            .seq = 1,
                            .lsn = f->journal_bytes,
                            .core_count = f->cores,
                            .flags = lost ? CKPT_FLAG_LOST : 0};
    uint8_t *mem = aligned_alloc(STORE_BLOCK, STORE_BLOCK);
    if (!mem)
        return ERR_LIMIT;
    store_ckpt_header_write(&h, mem, view_of(mem + CKPT_HEADER_BYTES, 0));
    struct store_boot boot = {.mem = mem, .len = CKPT_HEADER_BYTES};
    int64_t got = ERR_OK;
    for (int i = 0; i < 2 && got >= 0; i++)
        got = old_keep(c->disk, store_boot_paths[i], f->generation);
    if (got >= 0)
        got = store_boot_write(c->disk, &boot);
    free(mem);
    return got < 0 ? (int)got : ERR_OK;
}

int
check_boot_rebuild(struct check *c)
{
    struct found *f = calloc(1, sizeof *f);
    if (!f)
        return ERR_LIMIT;
    int rc = ERR_OK;
    for (; rc == ERR_OK && f->count < CHECK_CORES_MAX; f->count++) {
        char dir[32];
        snprintf(dir, sizeof dir, "core-%u", f->count);
        if (c->disk->ops->list(c->disk->self, 0, dir, name_ignore, NULL) != ERR_OK)
            break;
        rc = core_look(c, f->count, f);
    }
    if (rc == ERR_OK && (f->generation == 0 || f->journal_bytes == 0))
        rc = ERR_CORRUPT;
    bool lost = rc == ERR_OK && logs_lost(f);
    if (rc == ERR_OK)
        rc = boot_make(c, f, lost);
    if (rc == ERR_OK)
        check_tell(
            c, (struct check_finding){
                   .what = lost ? "made anew; a core had written no checkpoint since the last "
                                  "start, so its logs are built from their files: records that "
                                  "only its journal had, of logs that it does not name, are "
                                  "lost to them; the journal is kept under damaged/"
                                : "made anew from the checkpoints of the cores: nothing is lost",
                   .path = store_boot_paths[0],
                   .position = -1,
                   .offset_first = -1,
                   .offset_limit = -1});
    free(f);
    return rc;
}
