/* move_run.c: see move_run.h.  A file is copied in whole blocks and cut to its bytes; where the
 * next round goes on, the last block is copied again with the same bytes in front.  Write-back may
 * write that block of the original meanwhile: what a part covers is the same in both versions. */
#include "core/store/move_run.h"
#include "core/base/crc32c.h"
#include "core/base/err.h"
#include "core/base/mutant.h"
#include "core/store/store_in.h"

#include <stdlib.h>

/* ---- the check ---------------------------------------------------------------------------------
 */

static int
head_whole(struct move_check *c)
{
    struct batch_info info;
    if (batch_header(view_of(c->head, sizeof c->head), &info) != ERR_OK ||
        info.bytes < BATCH_HEADER_BYTES || info.base_offset < c->next || info.last_offset_delta < 0)
        return ERR_CORRUPT;
    c->all = info.bytes;
    c->left = info.bytes - BATCH_HEADER_BYTES;
    c->crc_end = info.crc;
    c->crc = crc32c(0, c->head + BATCH_AT_ATTRIBUTES, BATCH_HEADER_BYTES - BATCH_AT_ATTRIBUTES);
    c->next_end = info.base_offset + info.last_offset_delta + 1;
    return ERR_OK;
}

int
move_check_feed(struct move_check *c, struct view bytes)
{
    const uint8_t *at = bytes.at;
    uint32_t len = bytes.len;
    while (len) {
        bool head = c->have < BATCH_HEADER_BYTES;
        uint32_t want = head ? BATCH_HEADER_BYTES - c->have : c->left;
        uint32_t n = want < len ? want : len;
        if (head) {
            memcpy(c->head + c->have, at, n);
            c->have += n;
            if (c->have == BATCH_HEADER_BYTES && head_whole(c) != ERR_OK)
                return ERR_CORRUPT;
        } else {
            c->crc = crc32c(c->crc, at, n);
            c->left -= n;
        }
        at += n;
        len -= n;
        if (c->have < BATCH_HEADER_BYTES || c->left)
            continue;
        if (c->crc != c->crc_end)
            return ERR_CORRUPT;
        c->have = 0;
        c->next = c->next_end;
    }
    return ERR_OK;
}

/* ---- pieces ------------------------------------------------------------------------------------
 */

void
move_run_log(const struct move_run *r, uint8_t dir, struct plog *out)
{
    *out = (struct plog){.partition = r->partition, .dir = dir};
    memcpy(out->topic, r->topic, sizeof out->topic);
}

uint32_t
move_run_start(const struct move_part *part)
{
    return part->from / STORE_BLOCK * STORE_BLOCK;
}

int
move_run_take(struct move_run *r, const struct move_part *part, uint32_t at, int64_t got)
{
    if (got < 0)
        return (int)got;
    uint32_t first = at > part->from ? at : part->from;
    uint32_t limit = part->to - at < MOVE_CHUNK ? part->to : at + MOVE_CHUNK;
    if (got < (int64_t)(limit - at))
        return ERR_CORRUPT; /* shorter than its log says */
    if (part->from == 0 && first == 0) {
        if (!move_check_whole(&r->check))
            return ERR_CORRUPT;
        r->check = (struct move_check){.next = part->base};
    }
    memset(r->mem + (limit - at), 0, plog_round_block(limit - at) - (limit - at));
    r->bytes += limit - first;
    return move_check_feed(&r->check, view_of(r->mem + (first - at), limit - first));
}

int
move_run_remove(struct disk *disk, const struct plog *p, struct pace *pace)
{
    char path[PLOG_PATH_BYTES];
    struct disk_op op = {.kind = DISK_UNLINK, .dir = p->dir, .path = path, .flags = DISK_DIRECTORY};
    int rc = store_leftover_all(disk, p, pace);
    if (rc != ERR_OK)
        return rc;
    plog_path_dir(p, path);
    int64_t got = store_run(disk, op);
    if (got == ERR_NOT_FOUND)
        return ERR_OK;
    if (got < 0)
        return (int)got;
    plog_path_topic(p, path);
    if (store_run(disk, op) >= 0) /* it stays while other partitions are in it */
        return (int)store_run(
            disk, (struct disk_op){.kind = DISK_SYNC_DIR, .dir = p->dir, .path = "log"});
    return (int)store_run(disk,
                          (struct disk_op){.kind = DISK_SYNC_DIR, .dir = p->dir, .path = path});
}

/* ---- a round -----------------------------------------------------------------------------------
 */

static int
wait_turn(struct store_worker *w, const struct move_run *r, uint64_t bytes)
{
    if (atomic_load_explicit(&r->task.cancel, memory_order_relaxed))
        return ERR_CLOSED;
    return w->pace ? pace_wait(w->pace, bytes) : ERR_OK;
}

static int
bytes_copy(struct store_worker *w, struct move_run *r, const struct move_part *part, int32_t from,
           int32_t to)
{
    int rc = ERR_OK;
    for (uint32_t at = move_run_start(part); at < part->to && rc == ERR_OK; at += MOVE_CHUNK) {
        uint32_t n = part->to - at < MOVE_CHUNK ? part->to - at : MOVE_CHUNK;
        n = (uint32_t)plog_round_block(n);
        rc = wait_turn(w, r, 2 * (uint64_t)n);
        if (rc != ERR_OK)
            return rc;
        struct disk_op op = {
            .kind = DISK_READ, .dir = r->from, .file = from, .at = r->mem, .len = n, .offset = at};
        rc = move_run_take(r, part, at, store_run(w->disk, op));
        if (rc != ERR_OK)
            return rc;
        op.kind = DISK_WRITE;
        op.dir = r->to;
        op.file = to;
        int64_t got = store_run(w->disk, op);
        rc = got < 0 ? (int)got : ERR_OK;
    }
    return rc;
}

static int
part_copy(struct store_worker *w, struct move_run *r, const struct plog *p,
          const struct move_part *part)
{
    char path[PLOG_PATH_BYTES];
    plog_path_segment(p, part->base, ".log", path);
    int64_t from = store_run(
        w->disk,
        (struct disk_op){.kind = DISK_OPEN, .dir = r->from, .path = path, .flags = DISK_DIRECT});
    if (from < 0)
        return (int)from;
    int64_t to =
        store_run(w->disk, (struct disk_op){.kind = DISK_OPEN,
                                            .dir = r->to,
                                            .path = path,
                                            .flags = DISK_CREATE | DISK_WRITABLE | DISK_DIRECT});
    int64_t got = to;
    if (got >= 0)
        got = bytes_copy(w, r, part, (int32_t)from, (int32_t)to);
    if (got >= 0)
        got = store_run(w->disk, (struct disk_op){.kind = DISK_TRUNCATE,
                                                  .dir = r->to,
                                                  .file = (int32_t)to,
                                                  .offset = part->to});
    if (got >= 0 && !mutant(MUTANT_MOVE_NOT_SYNCED))
        got = store_run(w->disk,
                        (struct disk_op){.kind = DISK_SYNC, .dir = r->to, .file = (int32_t)to});
    if (to >= 0)
        store_run(w->disk, (struct disk_op){.kind = DISK_CLOSE, .dir = r->to, .file = (int32_t)to});
    store_run(w->disk, (struct disk_op){.kind = DISK_CLOSE, .dir = r->from, .file = (int32_t)from});
    return got < 0 ? (int)got : ERR_OK;
}

/* What is in the place of the copies: a move that was given up and could not be tidied. */
static int
place_make(struct store_worker *w, struct move_run *r, const struct plog *p)
{
    char path[PLOG_PATH_BYTES];
    struct disk_op op = {.kind = DISK_MKDIR, .dir = r->to, .path = path};
    int rc = move_run_remove(w->disk, p, w->pace);
    if (rc != ERR_OK)
        return rc;
    plog_path_topic(p, path);
    int64_t got = store_run(w->disk, op);
    plog_path_dir(p, path);
    if (got >= 0 || got == ERR_EXISTS)
        got = store_run(w->disk, op);
    return got < 0 && got != ERR_EXISTS ? (int)got : ERR_OK;
}

static bool
is_kept(const void *user, int64_t base)
{
    const struct move_run *r = user;
    for (uint32_t i = 0; i < r->part_count && r->parts[i].base <= base; i++)
        if (r->parts[i].base == base)
            return r->parts[i].from > 0;
    return false;
}

/* A copy that is there already: as long as was noted, or longer. */
static int64_t
kept_check(struct store_worker *w, struct move_run *r, const struct plog *p,
           const struct move_part *part)
{
    char path[PLOG_PATH_BYTES];
    struct disk_op op = {
        .kind = DISK_OPEN, .dir = p->dir, .path = path, .flags = DISK_WRITABLE | DISK_DIRECT};
    plog_path_segment(p, part->base, ".log", path);
    int64_t file = store_run(w->disk, op);
    if (file == ERR_NOT_FOUND)
        r->refused = true;
    if (file < 0)
        return file;
    op = (struct disk_op){.kind = DISK_SIZE, .dir = p->dir, .file = (int32_t)file};
    int64_t got = store_run(w->disk, op);
    r->refused = got >= 0 && got < (int64_t)part->from;
    if (got > (int64_t)part->to && part->from == part->to) {
        op.kind = DISK_TRUNCATE;
        op.offset = part->to;
        got = store_run(w->disk, op);
        op.kind = DISK_SYNC;
        if (got >= 0)
            got = store_run(w->disk, op);
    }
    op.kind = DISK_CLOSE;
    store_run(w->disk, op);
    return r->refused ? ERR_NOT_FOUND : got;
}

/* The copies are there that the parts go on with, and nothing else is. */
static int
place_look(struct store_worker *w, struct move_run *r, const struct plog *p)
{
    int64_t got = ERR_OK;
    for (uint32_t i = 0; i < r->part_count && got >= 0; i++)
        if (r->parts[i].from > 0)
            got = kept_check(w, r, p, &r->parts[i]);
    return got < 0 ? (int)got : store_leftover_but(w->disk, p, w->pace, is_kept, r);
}

static int
names_sync(struct store_worker *w, const struct plog *p)
{
    char path[PLOG_PATH_BYTES];
    struct disk_op op = {.kind = DISK_SYNC_DIR, .dir = p->dir, .path = path};
    plog_path_dir(p, path);
    int64_t got = store_run(w->disk, op);
    plog_path_topic(p, path);
    if (got >= 0)
        got = store_run(w->disk, op);
    op.path = "log";
    if (got >= 0)
        got = store_run(w->disk, op);
    return got < 0 ? (int)got : ERR_OK;
}

int
move_run(struct store_worker *w, struct store_task *t)
{
    struct move_run *r = (struct move_run *)(void *)t;
    struct plog at;
    move_run_log(r, r->remove ? r->remove_dir : r->to, &at);
    if (r->remove)
        return move_run_remove(w->disk, &at, w->pace);
    int rc = ERR_OK;
    if (!r->begun)
        rc = r->goes_on ? place_look(w, r, &at) : place_make(w, r, &at);
    r->begun = true;
    for (uint32_t i = 0; i < r->part_count && rc == ERR_OK; i++)
        if (r->parts[i].from < r->parts[i].to)
            rc = part_copy(w, r, &at, &r->parts[i]);
    return rc == ERR_OK ? names_sync(w, &at) : rc;
}

void
move_run_free(struct store_task *t)
{
    struct move_run *r = (struct move_run *)(void *)t;
    free(r->parts);
    free(r->mem);
    free(r);
}
