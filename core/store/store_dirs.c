/* store_dirs.c: which data directory a log is in.
 *
 * Directory 0 has the journals, the checkpoints and control's log; logs are in all of them.  The
 * order may be another at the next start: checkpoints and CREATE records name a directory by its id
 * (disk.h).  A log whose directory is not there is offline and is kept; nothing is done to it.
 *
 * A new log goes where it has the most room: free bytes, shared with the logs that are there. */
#include "core/base/err.h"
#include "core/store/store_in.h"

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
