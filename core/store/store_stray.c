/* store_stray.c: directories of logs that no checkpoint and no record knows, found at a start. */
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/store/store_replay_in.h"

#include <stdio.h>
#include <stdlib.h>

struct names {
    char (*names)[PLOG_PATH_BYTES];
    uint32_t count, room;
    bool failed;
};

static void
names_add(void *user, const char *name)
{
    struct names *n = user;
    if (n->count == n->room) {
        uint32_t room = n->room ? n->room * 2 : 64;
        void *more = realloc(n->names, room * sizeof *n->names);
        if (!more) {
            n->failed = true;
            return;
        }
        n->names = more;
        n->room = room;
    }
    snprintf(n->names[n->count++], sizeof *n->names, "%s", name);
}

static int
name_order(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int
stray_move(struct replay *r, uint8_t dir, const char *topic, const char *partition)
{
    char from[3 * PLOG_PATH_BYTES], to[3 * PLOG_PATH_BYTES];
    snprintf(from, sizeof from, "log/%s/%s", topic, partition);
    snprintf(to, sizeof to, "stray/%s-%s-%llu", topic, partition,
             (unsigned long long)r->rescue.generation);
    log_warn("store", "a log that no checkpoint knows is moved away path=%s to=%s", from, to);
    int64_t got =
        store_run(r->disk, (struct disk_op){.kind = DISK_MKDIR, .dir = dir, .path = "stray"});
    if (got >= 0 || got == ERR_EXISTS)
        got = store_run(r->disk, (struct disk_op){
                                     .kind = DISK_RENAME, .dir = dir, .path = from, .path_to = to});
    /* For good: a new log may take the name. */
    snprintf(from, sizeof from, "log/%s", topic);
    struct disk_op sync = {.kind = DISK_SYNC_DIR, .dir = dir, .path = "stray"};
    if (got >= 0)
        got = store_run(r->disk, sync);
    sync.path = from;
    if (got >= 0)
        got = store_run(r->disk, sync);
    return got < 0 ? (int)got : ERR_OK;
}

static int
stray_found(struct replay *r, uint8_t dir, const char *topic, const char *partition)
{
    int rc = ERR_NOT_FOUND;
    if (r->gaps)
        rc = store_damage_adopt(r, dir, topic, partition);
    return rc == ERR_NOT_FOUND ? stray_move(r, dir, topic, partition) : rc;
}

static int
strays_in(struct replay *r, uint8_t dir, const char *topic, const struct names *known)
{
    struct names parts = {0};
    char path[2 * PLOG_PATH_BYTES];
    snprintf(path, sizeof path, "log/%s", topic);
    int rc = r->disk->ops->list(r->disk->self, dir, path, names_add, &parts);
    if (parts.failed)
        rc = ERR_LIMIT;
    for (uint32_t i = 0; i < parts.count && rc == ERR_OK; i++) {
        char key[PLOG_PATH_BYTES];
        int n = snprintf(key, sizeof key, "log/%s/%s", topic, parts.names[i]);
        bool fits = n > 0 && n < (int)sizeof key;
        if (!fits || known->count == 0 ||
            !bsearch(key, known->names, known->count, sizeof *known->names, name_order)) {
            /* With records missing a copy may be all there is. */
            if (!fits || r->gaps || !store_replay_move_copy(r, r->disk, dir, key, &rc))
                rc = stray_found(r, dir, topic, parts.names[i]);
        }
    }
    free(parts.names);
    return rc;
}

int
store_strays(struct replay *r, uint8_t dir)
{
    struct names known = {0}, topics = {0};
    for (uint32_t i = 0; i < r->count; i++) {
        char path[PLOG_PATH_BYTES];
        plog_path_dir(&r->logs[i]->log, path);
        if (!r->logs[i]->log.dead && r->logs[i]->log.dir == dir)
            names_add(&known, path);
    }
    if (known.count)
        qsort(known.names, known.count, sizeof *known.names, name_order);
    int rc = r->disk->ops->list(r->disk->self, dir, "log", names_add, &topics);
    if (known.failed || topics.failed)
        rc = ERR_LIMIT;
    for (uint32_t i = 0; i < topics.count && rc == ERR_OK; i++)
        rc = strays_in(r, dir, topics.names[i], &known);
    free(known.names);
    free(topics.names);
    return rc;
}
