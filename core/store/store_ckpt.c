/* store_ckpt.c: core checkpoints, which let the journal go on in a circle.
 *
 * Files core-N/ckpt-a and ckpt-b, written in turn; the valid one with the greater seq counts:
 *    0 u32 magic "SLCK"    4 u32 version     8 u64 generation   16 u64 seq
 *   24 u64 lsn: journal records up to here are not needed any more
 *   32 u64 next log id    40 u32 core count  44 u32 flags (1 clean stop,
 *       2 a boot checkpoint that was made without knowing the logs: check_boot.c)
 *   48 u64 content bytes  56 u32 log count   60 u32 crc-32c of bytes 0..59 and the content
 *   64 content: the logs, plog.c
 * The boot checkpoint has the same form (core count: of the process that wrote it).
 *
 * A checkpoint is made beside the running loop:
 *   FLUSH    note lsn = durable lsn; write back every batch up to it
 *   SYNC     sync the files and directories written since the last checkpoint
 *   SAVE     put the logs into memory, some per turn; each as of its own moment, at or after lsn
 *   DURABLE  wait until everything saved is durable in the journal
 *   WRITE    write the file, then release the journal up to lsn
 * Replay of records behind lsn onto the saved logs is idempotent (a batch says its offset and
 * place). DURABLE matters: else a producer's sequence could outlive the batch it belongs to.
 *
 * A log that went offline has records in the journal only.  All of them are behind what was
 * released then (lsn_pin): later checkpoints say that lsn, go on saving the other logs, and release
 * nothing more, until these records have been copied elsewhere (store_rescue.c).  Nothing of an
 * offline log is synced again: a second sync would lie.  When the copy fails the ring fills to its
 * end, and there the process stops: the disk needs a repair, and the next start replays.
 *
 * A checkpoint that finds the disk full is given up; the next one writes the same file, for the
 * other one is the last that is valid. */
#include "core/base/crc32c.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/store/store_in.h"

#include <stdio.h>
#include <stdlib.h>

#define CKPT_MAGIC    UINT32_C(0x534c434b)
#define CKPT_EVERY_NS (60 * CLOCK_NS_PER_S)
/* While compaction waits for one: Kafka's cleaner takes a segment at the next look after it was
 * rolled, 15 s at most, and clients' tests expect that. */
#define CKPT_CLEAN_NS (5 * CLOCK_NS_PER_S)

enum {
    CKPT_VERSION = 3,
    CKPT_LOGS_PER_TURN = 64,
    CKPT_BYTES_PER_TURN = 256 << 10,
    CKPT_CHUNK = 1 << 20
};
enum { CKPT_OPEN, CKPT_DATA, CKPT_FILE_SYNC, CKPT_CLOSE, CKPT_NAME };
enum { DIRS_OWN, DIRS_TOPIC, DIRS_LOG };

/* ---- format ------------------------------------------------------------------------------------
 */

const char *const store_boot_paths[] = {"boot-checkpoint", "boot-checkpoint.copy"};

void
store_ckpt_path(uint32_t core, uint32_t which, char out[static CKPT_PATH_BYTES])
{
    snprintf(out, CKPT_PATH_BYTES, "core-%u/ckpt-%c", core, 'a' + (int)which);
}

void
store_ckpt_header_write(const struct ckpt_header *h, uint8_t *at, struct view content)
{
    set_u32(at, CKPT_MAGIC);
    set_u32(at + 4, CKPT_VERSION);
    set_u64(at + 8, h->generation);
    set_u64(at + 16, h->seq);
    set_u64(at + 24, h->lsn);
    set_u64(at + 32, h->next_id);
    set_u32(at + 40, h->core_count);
    set_u32(at + 44, h->flags);
    set_u64(at + 48, content.len);
    set_u32(at + 56, h->log_count);
    set_u32(at + 60, crc32c(crc32c(0, at, CKPT_HEADER_BYTES - 4), content.at, content.len));
}

int
store_ckpt_header_read(const uint8_t *at, uint64_t bytes, struct ckpt_header *h)
{
    if (bytes < CKPT_HEADER_BYTES)
        return ERR_CORRUPT;
    struct cur c = cur_of(view_of(at, CKPT_HEADER_BYTES));
    uint32_t magic = cur_u32(&c), version = cur_u32(&c);
    h->generation = cur_u64(&c);
    h->seq = cur_u64(&c);
    h->lsn = cur_u64(&c);
    h->next_id = cur_u64(&c);
    h->core_count = cur_u32(&c);
    h->flags = cur_u32(&c);
    h->bytes = cur_u64(&c);
    h->log_count = cur_u32(&c);
    uint32_t crc = cur_u32(&c);
    if (magic != CKPT_MAGIC || h->bytes > bytes - CKPT_HEADER_BYTES)
        return ERR_CORRUPT;
    uint32_t sum = crc32c(0, at, CKPT_HEADER_BYTES - 4);
    if (crc32c(sum, at + CKPT_HEADER_BYTES, h->bytes) != crc)
        return ERR_CORRUPT;
    return version == CKPT_VERSION ? ERR_OK : ERR_VERSION;
}

/* ---- syncing -----------------------------------------------------------------------------------
 */

void
store_sync_next(struct store *s, struct job *j)
{
    struct segment *seg = j->seg;
    if (j->result < 0 && mutant(MUTANT_SYNC_RETRIED)) {
        store_job_run(s, j, &(struct disk_op){.kind = DISK_SYNC, .file = seg->file});
        return;
    }
    if (j->result < 0) {
        if (!j->log->dead)
            store_offline(s, j->log, (int)j->result, "sync");
    } else if (j->log->state == PLOG_OFFLINE) {
        /* another sync failed meanwhile: what this one saved is not known */
    } else if (j->step == JOB_OPENED) {
        j->step++;
        j->from = seg->written; /* what this sync covers */
        if (mutant(MUTANT_CKPT_BEFORE_SYNC))
            seg->synced = j->from;
        s->stats.syncs++;
        store_job_run(s, j, &(struct disk_op){.kind = DISK_SYNC, .file = seg->file});
        return;
    } else if (j->from > seg->synced) {
        seg->synced = j->from;
    }
    s->ckpt.flight--;
    store_job_end(s, j);
}

/* A file is found again after a crash only when the names on its path are durable. */
void
store_dirs_next(struct store *s, struct job *j)
{
    struct plog *p = j->log;
    if (j->result < 0 || p->dead || p->state == PLOG_OFFLINE) {
        if (!p->dead && j->result < 0)
            store_offline(s, p, (int)j->result, "sync of a directory");
        s->ckpt.flight--;
        store_job_end(s, j);
        return;
    }
    if (j->step == DIRS_OWN && j->from == 2) {
        j->step = DIRS_TOPIC;
        plog_path_topic(p, j->path);
        store_job_run(s, j, &(struct disk_op){.kind = DISK_SYNC_DIR, .path = j->path});
        return;
    }
    if (j->step == DIRS_TOPIC) {
        j->step = DIRS_LOG;
        store_job_run(s, j, &(struct disk_op){.kind = DISK_SYNC_DIR, .path = "log"});
        return;
    }
    for (uint32_t i = 0; i < p->segment_count; i++)
        if (p->segments[i]->naming)
            p->segments[i]->named = true;
    s->ckpt.flight--;
    store_job_end(s, j);
}

static void
dirs_begin(struct store *s, struct plog *p)
{
    struct job *j = store_job(s, JOB_DIRS, p, NULL);
    for (uint32_t i = 0; i < p->segment_count; i++)
        p->segments[i]->naming = p->segments[i]->created;
    j->from = p->dirs_unsynced;
    p->dirs_unsynced = 0;
    j->step = DIRS_OWN;
    plog_path_dir(p, j->path);
    store_job_run(s, j, &(struct disk_op){.kind = DISK_SYNC_DIR, .path = j->path});
}

static void
list_move(struct list *from, struct list *to)
{
    while (!list_empty(from)) {
        struct list *n = from->next;
        list_remove(n);
        list_push_back(to, n);
    }
}

/* True when all of them are synced. */
static bool
sync_some(struct store *s)
{
    struct ckpt *k = &s->ckpt;
    while (k->flight < STORE_SYNCS_MAX && store_job_room(s)) {
        if (!list_empty(&k->sync)) {
            struct segment *seg = list_item(k->sync.next, struct segment, sync_node);
            list_remove(&seg->sync_node);
            if (seg->log->state == PLOG_OFFLINE)
                continue;
            k->flight++;
            store_job_open(s, store_job(s, JOB_SYNC, seg->log, seg));
        } else if (!list_empty(&k->dirs)) {
            struct plog *p = list_item(k->dirs.next, struct plog, dir_node);
            list_remove(&p->dir_node);
            if (p->state == PLOG_OFFLINE)
                continue;
            k->flight++;
            dirs_begin(s, p);
        } else {
            break;
        }
    }
    return k->flight == 0 && list_empty(&k->sync) && list_empty(&k->dirs);
}

/* ---- saving and writing ------------------------------------------------------------------------
 */

static bool
ckpt_room(struct ckpt *k, uint64_t bytes)
{
    if (k->len + bytes <= k->room)
        return true;
    uint64_t room = k->room ? k->room : CKPT_CHUNK;
    while (room < k->len + bytes)
        room *= 2;
    uint8_t *mem = aligned_alloc(STORE_BLOCK, room);
    if (!mem)
        return false;
    if (k->mem)
        memcpy(mem, k->mem, k->len);
    free(k->mem);
    k->mem = mem;
    k->room = room;
    return true;
}

/* True when all logs are saved.  Without memory the checkpoint is given up for now. */
static bool
save_some(struct store *s)
{
    struct ckpt *k = &s->ckpt;
    uint64_t start = k->len;
    for (uint32_t i = 0; i < CKPT_LOGS_PER_TURN && k->slot < s->log_limit; i++, k->slot++) {
        const struct plog *p = &s->logs[k->slot];
        if (!p->used)
            continue;
        if (p->state == PLOG_OFFLINE && !p->dead && !p->rescued && !p->damage)
            k->pinned = true;
        uint64_t bytes = plog_save_bytes(p);
        if (!ckpt_room(k, bytes + STORE_BLOCK)) {
            log_error("store", "no memory for a checkpoint core=%u bytes=%llu", s->config.core,
                      (unsigned long long)k->len);
            k->phase = CKPT_IDLE;
            return false;
        }
        struct put w = put_of(k->mem + k->len, (uint32_t)bytes);
        plog_save(p, &w);
        must(!w.bad && put_len(&w) == bytes);
        k->len += bytes;
        k->count++;
        if (k->len - start > CKPT_BYTES_PER_TURN && !k->clean) {
            k->slot++;
            return false;
        }
    }
    return k->slot >= s->log_limit;
}

static void
ckpt_write(struct store *s)
{
    struct ckpt *k = &s->ckpt;
    struct job *j = store_job(s, JOB_CKPT, NULL, NULL);
    if (!j)
        return;
    k->phase = CKPT_WRITE;
    bool pinned = s->frozen || k->pinned; /* the latter: deleted since it was saved */
    if (mutant(MUTANT_RELEASE_BEFORE_CKPT) && !pinned)
        journal_release(s->journal, k->lsn);
    k->failed = false;
    k->lsn_header = pinned && k->lsn_pin < k->lsn ? k->lsn_pin : k->lsn;
    struct ckpt_header h = {.generation = s->generation,
                            .seq = ++k->seq,
                            .lsn = k->lsn_header,
                            .next_id = k->next_id,
                            .core_count = s->config.core_count,
                            .flags = k->clean && !pinned ? CKPT_FLAG_CLEAN : 0,
                            .log_count = k->count};
    must(k->len - CKPT_HEADER_BYTES <= UINT32_MAX);
    store_ckpt_header_write(
        &h, k->mem, view_of(k->mem + CKPT_HEADER_BYTES, (uint32_t)(k->len - CKPT_HEADER_BYTES)));
    uint64_t total = plog_round_block(k->len);
    memset(k->mem + k->len, 0, total - k->len);
    k->len = total;
    s->stats.checkpoint_bytes += total;
    j->step = CKPT_OPEN;
    store_ckpt_path(s->config.core, k->seq % 2 ? 0 : 1, j->path);
    store_job_run(s, j,
                  &(struct disk_op){.kind = DISK_OPEN,
                                    .path = j->path,
                                    .flags = DISK_CREATE | DISK_WRITABLE | DISK_DIRECT});
}

static void
ckpt_give_up(struct store *s, struct job *j)
{
    s->ckpt.seq--; /* the same file again */
    s->ckpt.phase = CKPT_IDLE;
    store_job_end(s, j);
}

/* Every byte of the file is written anew, and then synced, by the next one. */
static void
ckpt_full(struct store *s, struct job *j)
{
    store_room_hit(s, 0);
    s->ckpt.failed = true;
    if (j->step == CKPT_OPEN) {
        ckpt_give_up(s, j);
        return;
    }
    j->step = CKPT_CLOSE;
    store_job_run(s, j, &(struct disk_op){.kind = DISK_CLOSE, .file = j->file});
}

void
store_ckpt_next(struct store *s, struct job *j)
{
    struct ckpt *k = &s->ckpt;
    if (j->result == ERR_NO_SPACE && j->step <= CKPT_FILE_SYNC) {
        ckpt_full(s, j);
        return;
    }
    if (j->result < 0) {
        log_error("store", "checkpoint failed core=%u error=%s", s->config.core,
                  err_name((int)j->result));
        s->error = (int)j->result;
        store_job_end(s, j);
        return;
    }
    switch (j->step) {
    case CKPT_OPEN:
        j->file = (int32_t)j->result;
        j->step = CKPT_DATA;
        j->op.offset = 0;
        j->op.len = 0;
        /* fall through */
    case CKPT_DATA: {
        uint64_t at = j->op.offset + j->op.len, left = k->len - at;
        if (left) {
            store_job_run(s, j,
                          &(struct disk_op){.kind = DISK_WRITE,
                                            .file = j->file,
                                            .at = k->mem + at,
                                            .len = left > CKPT_CHUNK ? CKPT_CHUNK : (uint32_t)left,
                                            .offset = at});
            return;
        }
        j->step = CKPT_FILE_SYNC;
        s->stats.syncs++;
        store_job_run(s, j, &(struct disk_op){.kind = DISK_SYNC, .file = j->file});
        return;
    }
    case CKPT_FILE_SYNC:
        j->step = CKPT_CLOSE;
        store_job_run(s, j, &(struct disk_op){.kind = DISK_CLOSE, .file = j->file});
        return;
    case CKPT_CLOSE:
        if (k->failed) {
            ckpt_give_up(s, j);
            return;
        }
        j->step = CKPT_NAME;
        store_job_run(s, j, &(struct disk_op){.kind = DISK_SYNC_DIR, .path = s->dir});
        return;
    default:
        journal_release(s->journal, k->lsn_header);
        k->lsn_done = k->lsn;
        k->lsn_released = k->lsn_header;
        if (k->lsn_pin < k->lsn_released) /* went offline behind the sync of this one */
            k->lsn_pin = k->lsn_released;
        k->phase = CKPT_IDLE;
        s->stats.checkpoints++;
        store_job_end(s, j);
    }
}

void
store_ckpt_begin(struct store *s, bool clean)
{
    struct ckpt *k = &s->ckpt;
    must(k->phase == CKPT_IDLE);
    k->phase = CKPT_FLUSH;
    k->clean = clean;
    k->lsn = journal_durable_lsn(s->journal);
    k->goal = s->tail.durable;
    k->began_ns = s->now_ns;
    s->clean.unnamed = false;
    k->extent_bytes = s->stats.extent_bytes;
}

static bool
ckpt_due(const struct store *s)
{
    uint64_t used, total;
    journal_room(s->journal, &used, &total);
    if (store_room_waits(s, 0) || s->swap.under_way || s->move.held ||
        journal_durable_lsn(s->journal) <= s->ckpt.lsn_done)
        return false; /* nothing to gain */
    if (s->now_ns - s->ckpt.began_ns > (s->clean.unnamed ? CKPT_CLEAN_NS : CKPT_EVERY_NS))
        return true;
    /* Recovery reads frames, and the extents that they tell of. */
    used += s->stats.extent_bytes - s->ckpt.extent_bytes;
    return used > total / 2 && !s->frozen; /* frozen: it would free nothing */
}

/* Logs are offline, and the ring has come round to their records. */
static bool
ring_ends(const struct store *s)
{
    uint64_t used, total;
    journal_room(s->journal, &used, &total);
    return used + s->journal_config.record_bytes_max + STORE_BLOCK > total;
}

void
store_ckpt_step(struct store *s)
{
    struct ckpt *k = &s->ckpt;
    if (s->ending)
        return;
    if (s->frozen && s->rescue_failed && ring_ends(s)) {
        log_error(
            "store",
            "stopped: the journal is full and holds the only copy of records of partitions "
            "that are offline (see above): repair the disk and start again core=%u offline=%u",
            s->config.core, s->frozen);
        s->error = ERR_IO;
        return;
    }
    if (k->phase == CKPT_IDLE && ckpt_due(s))
        store_ckpt_begin(s, false);
    if (k->phase == CKPT_FLUSH && (s->tail.clean >= k->goal || mutant(MUTANT_CKPT_BEFORE_FLUSH))) {
        k->phase = CKPT_SYNC;
        list_move(&s->unsynced, &k->sync);
        list_move(&s->dirs_unsynced, &k->dirs);
    }
    if (k->phase == CKPT_SYNC && sync_some(s)) {
        k->phase = CKPT_SAVE;
        k->slot = k->count = 0;
        k->next_id = s->next_id; /* which older logs are not saved now are gone */
        k->pinned = false;
        k->len = CKPT_HEADER_BYTES;
        if (!ckpt_room(k, STORE_BLOCK))
            k->phase = CKPT_IDLE;
    }
    if (k->phase == CKPT_SAVE && save_some(s)) {
        k->phase = CKPT_DURABLE;
        k->lsn_saved = journal_last_lsn(s->journal);
    }
    if (k->phase == CKPT_DURABLE &&
        (journal_durable_lsn(s->journal) >= k->lsn_saved || mutant(MUTANT_PRODUCER_AHEAD)))
        ckpt_write(s);
}
