/* store_leftover.c: files that a crash left in the directory of a log.
 *
 * A segment leaves its log by a durable record (store_retain.c), its file some time later: under
 * its own name or already under PLOG_DELETED.  What lies wholly below the first segment of a log is
 * such a file.  So is what a round of compaction wrote that did not come into its place
 * (clean_run.h), and a segment's file that was made ready for a large batch (store_extent.c) when
 * no record of it was durable yet: it begins at or behind the end of the log, and no segment has
 * its name.  Nothing else is touched. */
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/store/store_in.h"

#include <stdio.h>
#include <stdlib.h>

enum { LEFTOVER_DIGITS = 20 };

struct leftover {
    struct disk *disk;
    const struct plog *log;
    bool all;
    bool (*keeps)(const void *user, int64_t base); /* with all; NULL: none stays */
    const void *user;
    char dir[PLOG_PATH_BYTES];
    char (*names)[PLOG_PATH_BYTES];
    uint32_t count, room;
    bool failed;
};

/* The offset in the name of a segment's file, and what follows it; -1: it is none. */
static int64_t
name_offset(const char *name, const char **suffix)
{
    int64_t offset = 0;
    for (int i = 0; i < LEFTOVER_DIGITS; i++) {
        int digit = name[i] - '0';
        if (digit < 0 || digit > 9 || offset > (INT64_MAX - digit) / 10)
            return -1;
        offset = offset * 10 + digit;
    }
    *suffix = name + LEFTOVER_DIGITS;
    return offset;
}

static bool
is_leftover(const struct leftover *l, const char *name)
{
    const char *suffix = "";
    int64_t offset = name_offset(name, &suffix);
    if (l->all)
        return !l->keeps || offset < 0 || strcmp(suffix, ".log") != 0 || !l->keeps(l->user, offset);
    size_t n = strlen(name), end = sizeof CLEAN_SUFFIX_END - 1;
    if (offset >= 0 && n > end && strcmp(name + n - end, CLEAN_SUFFIX_END) == 0)
        return true;
    if (offset >= l->log->end && !plog_segment_at(l->log, offset))
        return strcmp(suffix, ".log") == 0;
    if (offset < 0 || l->log->segment_count == 0 || offset >= l->log->segments[0]->base)
        return false;
    return strcmp(suffix, ".log") == 0 || strcmp(suffix, ".idx") == 0 ||
           strcmp(suffix, PLOG_DELETED) == 0;
}

static void
name_look(void *user, const char *name)
{
    struct leftover *l = user;
    if (strlen(name) + 1 > sizeof *l->names || !is_leftover(l, name))
        return;
    if (l->count == l->room) {
        uint32_t room = l->room ? l->room * 2 : 16;
        void *more = realloc(l->names, room * sizeof *l->names);
        if (!more) {
            l->failed = true;
            return;
        }
        l->names = more;
        l->room = room;
    }
    snprintf(l->names[l->count++], sizeof *l->names, "%s", name);
}

static int
clean(struct leftover l, struct pace *pace)
{
    struct disk *disk = l.disk;
    const struct plog *p = l.log;
    bool all = l.all;
    plog_path_dir(p, l.dir);
    int rc = disk->ops->list(disk->self, p->dir, l.dir, name_look, &l);
    if (rc == ERR_NOT_FOUND)
        rc = ERR_OK;
    if (l.failed)
        rc = ERR_LIMIT;
    for (uint32_t i = 0; i < l.count && rc == ERR_OK; i++) {
        char path[2 * PLOG_PATH_BYTES];
        snprintf(path, sizeof path, "%s/%s", l.dir, l.names[i]);
        int64_t got = store_shrink_unlink(disk, p->dir, path, pace);
        if (got < 0 && got != ERR_NOT_FOUND)
            rc = (int)got;
        else if (!all)
            log_info("store", "removed a file that is not of its log any more path=%s start=%lld",
                     path, (long long)p->start);
    }
    /* Back after a power cut it might lie below an end that has moved on. */
    if (l.count && !all && rc == ERR_OK) {
        int64_t got =
            store_run(disk, (struct disk_op){.kind = DISK_SYNC_DIR, .dir = p->dir, .path = l.dir});
        rc = got < 0 ? (int)got : ERR_OK;
    }
    free(l.names);
    return rc;
}

int
store_leftover_clean(struct disk *disk, const struct plog *p)
{
    return clean((struct leftover){.disk = disk, .log = p}, NULL);
}

int
store_leftover_all(struct disk *disk, const struct plog *p, struct pace *pace)
{
    return clean((struct leftover){.disk = disk, .log = p, .all = true}, pace);
}

int
store_leftover_but(struct disk *disk, const struct plog *p, struct pace *pace,
                   bool (*keeps)(const void *user, int64_t base), const void *user)
{
    struct leftover l = {.disk = disk, .log = p, .all = true, .keeps = keeps, .user = user};
    return clean(l, pace);
}
