/* store_dirs.c: which data directory a log is in.
 *
 * Directory 0 has the journals, the checkpoints and control's log; logs are in all of them.  The
 * order may be another at the next start: checkpoints and CREATE records name a directory by its id
 * (disk.h).  A log whose directory is not there is offline and is kept; nothing is done to it.
 *
 * A new log goes where it has the most room: free bytes, shared with the logs that are there. */
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/store/store_in.h"

#include <stdio.h>

void
store_dirs_read(struct disk *disk, struct store_dirs *out)
{
    *out = (struct store_dirs){0};
    uint32_t count = 1;
    for (uint32_t i = 0; i < count; i++) {
        struct disk_facts facts;
        disk->ops->facts(disk->self, (uint8_t)i, &facts);
        if (i == 0 && facts.dirs > 1)
            count = facts.dirs < DISK_DIRS_MAX ? facts.dirs : DISK_DIRS_MAX;
        memcpy(out->dirs[i].id, facts.id, sizeof facts.id);
        out->dirs[i].online = i == 0 || facts.online;
    }
    out->count = count;
}

uint8_t
store_dir_find(const struct store_dirs *d, const uint8_t id[16])
{
    static const uint8_t first[16];
    if (memcmp(id, first, sizeof first) == 0)
        return 0; /* written before directories had ids */
    for (uint32_t i = 0; i < d->count; i++)
        if (d->dirs[i].online && memcmp(d->dirs[i].id, id, sizeof first) == 0)
            return (uint8_t)i;
    return PLOG_DIR_NONE;
}

uint8_t
store_dir_choose(const struct store *s)
{
    uint8_t best = PLOG_DIR_NONE;
    uint64_t most = 0;
    for (uint32_t i = 0; i < s->dirs.count && !s->rooms[0].low; i++) {
        const struct room *r = &s->rooms[i];
        if (!s->dirs.dirs[i].online || r->low)
            continue;
        uint64_t share = r->free / (s->dirs.dirs[i].logs + UINT64_C(1));
        if (best != PLOG_DIR_NONE && share <= most)
            continue;
        best = (uint8_t)i;
        most = share;
    }
    return best;
}

int
store_dir_facts(const struct store *s, uint32_t dir, struct store_dir_facts *out)
{
    if (dir >= s->dirs.count)
        return ERR_NOT_FOUND;
    struct disk_facts facts;
    s->disk->ops->facts(s->disk->self, (uint8_t)dir, &facts);
    *out =
        (struct store_dir_facts){.online = s->dirs.dirs[dir].online,
                                 .total_bytes = facts.total_bytes ? facts.total_bytes : UINT64_MAX,
                                 .free_bytes = facts.free_bytes};
    return ERR_OK;
}

/* ---- a directory that fails --------------------------------------------------------------------
 * One file that fails takes its log offline; the directory is offline when a small write to a file
 * of its own fails too.  Kafka gives up the directory at the first error; a bad sector is no reason
 * to stop serving the other partitions of a disk. */

enum { PROBE_OPEN, PROBE_WRITE, PROBE_CLOSE };

static _Alignas(STORE_BLOCK) uint8_t probe_block[STORE_BLOCK]; /* zeros, only read */

static void
dir_fail(struct store *s, uint8_t dir, int error)
{
    s->dirs.dirs[dir].online = false;
    log_error("store", "data directory is offline core=%u directory=%u error=%s", s->config.core,
              dir, err_name(error));
    if (dir == 0) {
        s->error = ERR_IO; /* it has the journals */
        return;
    }
    for (uint32_t i = 0; i < s->log_limit; i++) {
        struct plog *p = &s->logs[i];
        if (p->used && !p->dead && p->dir == dir)
            store_offline(s, p, error, "data directory");
    }
}

void
store_probe_next(struct store *s, struct job *j)
{
    if (j->result < 0) {
        s->dirs.dirs[j->dir].probing = false;
        if (j->result != ERR_NO_SPACE)
            dir_fail(s, j->dir, (int)j->result);
        if (j->step != PROBE_WRITE) {
            store_job_end(s, j);
            return;
        }
        j->step = PROBE_CLOSE;
        store_job_run(s, j, &(struct disk_op){.kind = DISK_CLOSE, .file = j->file});
        return;
    }
    switch (j->step) {
    case PROBE_OPEN:
        j->file = (int32_t)j->result;
        j->step = PROBE_WRITE;
        store_job_run(s, j,
                      &(struct disk_op){.kind = DISK_WRITE,
                                        .flags = DISK_DURABLE,
                                        .file = j->file,
                                        .at = probe_block,
                                        .len = sizeof probe_block});
        return;
    case PROBE_WRITE:
        j->step = PROBE_CLOSE;
        store_job_run(s, j, &(struct disk_op){.kind = DISK_CLOSE, .file = j->file});
        return;
    default:
        s->dirs.dirs[j->dir].probing = false;
        store_job_end(s, j);
    }
}

void
store_dir_suspect(struct store *s, uint8_t dir)
{
    if (dir == PLOG_DIR_NONE || !s->dirs.dirs[dir].online || s->dirs.dirs[dir].probing)
        return;
    struct job *j = store_job(s, JOB_PROBE, NULL, NULL);
    if (!j)
        return; /* the next error asks again */
    s->dirs.dirs[dir].probing = true;
    j->dir = dir;
    j->step = PROBE_OPEN;
    snprintf(j->path, sizeof j->path, "probe-%u", s->config.core);
    store_job_run(s, j,
                  &(struct disk_op){.kind = DISK_OPEN,
                                    .path = j->path,
                                    .flags = DISK_CREATE | DISK_WRITABLE | DISK_DIRECT});
}
