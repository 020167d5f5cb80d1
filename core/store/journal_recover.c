/* journal_recover.c: reading the journal of a process that is gone.
 *
 * The frames of one generation lie in ring order with consecutive seq.  Each file's first frame
 * tells where it belongs, so the walk begins in the file that holds lsn_after + 1 and goes on,
 * file after file, until frame h is not there.  That is the end, or damage.  It is damage when
 * something proves that h was written, and so may have been acknowledged:
 *   D1 a valid frame with durable_upto + written_ahead >= h, or
 *   D2 a valid frame with seq >= h + K: it was submitted only after h was written.
 * Of the extents that frames tell of only durable_upto says that they were (lsn_acked).
 * To see such frames the walk goes on through the rest of the file and the whole next one, where
 * a frame of this generation must turn up if the ring goes on at all.  Otherwise h is torn, and
 * what follows it was never acknowledged: both are dropped.  A journal that ends where a file was
 * cut, or is gone, is damaged too (journal_cut.c).
 *
 * Residual: a torn frame whose payload holds, at a 4 KiB boundary, the bytes of a valid frame of
 * this generation and a later seq is taken for damage: recovery refuses, and loses nothing. */
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/store/journal_in.h"

#include <stdlib.h>
#include <sys/mman.h>

enum {
    WALK_FILES_MAX = 1 << 14,
    WALK_READ_BYTES = 16 << 20,
    WALK_PART_BYTES = 2 << 20, /* of a read, side by side */
    WALK_PARTS_MAX = 64,
    WALK_FIRST_BYTES = 64 << 10, /* read of a file to see where it belongs */
    RUN_DONE_MAX = 32,
};

struct walk_file {
    uint64_t seq, lsn; /* of its first frame; 0: none of this generation */
    uint32_t index;
    int32_t file;
};

struct walk {
    struct disk *disk;
    const struct journal_config *config;
    uint64_t generation, lsn_after;
    struct walk_file *files;
    uint32_t count;
    uint8_t *mem; /* a window of one file */
    uint64_t mem_at, mem_len, mem_bytes;
    uint32_t mem_file;
    uint64_t durable_max, written_max, seq_next; /* as frames say that were seen */
    uint32_t prev_crc;
    bool prev_known, opening;
    uint64_t lsn_next;
    uint64_t *limits; /* of each frame walked: its last lsn */
    uint64_t limit_count, limit_room;
    int (*each)(void *user, uint64_t lsn, uint32_t kind, struct view body);
    void *user;
};

int
journal_run_all(struct disk *disk, struct disk_op *ops, uint32_t count)
{
    if (count == 0)
        return ERR_OK;
    for (uint32_t i = 0; i + 1 < count; i++)
        disk->ops->submit(disk->self, &ops[i]);
    uint32_t left = count - 1;
    int64_t got = disk->ops->run(disk->self, &ops[count - 1]);
    while (left) {
        struct disk_op *done[RUN_DONE_MAX];
        uint32_t n = disk->ops->poll(disk->self, done, RUN_DONE_MAX);
        must(n <= left);
        left -= n;
        struct disk_op wait = {.kind = DISK_WAIT};
        if (n == 0 && left && disk->ops->run(disk->self, &wait) <= 0)
            return ERR_IO;
    }
    for (uint32_t i = 0; i < count; i++)
        if (ops[i].result < 0)
            return (int)ops[i].result;
    return got < 0 ? (int)got : ERR_OK;
}

/* Reads into the window; bytes read, or an error. */
static int64_t
parts_read(struct walk *w, uint32_t slot, uint64_t at, uint64_t want)
{
    struct disk_op ops[WALK_PARTS_MAX];
    uint32_t count = 0;
    uint64_t part = want / WALK_PARTS_MAX > WALK_PART_BYTES ? want : WALK_PART_BYTES;
    for (uint64_t from = 0; from < want; from += part)
        ops[count++] = (struct disk_op){.kind = DISK_READ,
                                        .file = w->files[slot].file,
                                        .at = w->mem + from,
                                        .len = (uint32_t)(want - from < part ? want - from : part),
                                        .offset = at + from};
    int rc = journal_run_all(w->disk, ops, count);
    int64_t total = 0;
    for (uint32_t i = 0; rc == ERR_OK && i < count; i++) {
        total += ops[i].result;
        if (ops[i].result < (int64_t)ops[i].len)
            break; /* the end of the file */
    }
    return rc == ERR_OK ? total : rc;
}

/* Lends bytes [at, at + len) of a file; NULL with *rc set, or past the end of the file (*rc
 * ERR_OK). */
static const uint8_t *
window(struct walk *w, uint32_t slot, uint64_t at, uint64_t len, int *rc)
{
    *rc = ERR_OK;
    if (len > w->mem_bytes || at > w->config->file_bytes || len > w->config->file_bytes - at)
        return NULL;
    if (w->mem_file == slot && at >= w->mem_at && at + len <= w->mem_at + w->mem_len)
        return w->mem + (at - w->mem_at);
    uint64_t want =
        w->mem_bytes < w->config->file_bytes - at ? w->mem_bytes : w->config->file_bytes - at;
    uint64_t most = w->opening ? WALK_FIRST_BYTES : WALK_READ_BYTES;
    if (want > most && len <= most)
        want = most;
    int64_t got = parts_read(w, slot, at, want);
    if (got < 0) {
        *rc = (int)got;
        w->mem_file = UINT32_MAX;
        return NULL;
    }
    w->mem_file = slot;
    w->mem_at = at;
    w->mem_len = (uint64_t)got;
    return (uint64_t)got >= len ? w->mem : NULL;
}

/* Lends the valid frame of our generation at a place; NULL when there is none (or *rc is an error).
 */
static const uint8_t *
frame_at(struct walk *w, uint32_t slot, uint64_t at, struct frame_header *h, int *rc)
{
    const uint8_t *p = window(w, slot, at, JOURNAL_BLOCK, rc);
    if (!p)
        return NULL;
    journal_frame_read(p, h);
    if (h->magic != JOURNAL_FRAME_MAGIC ||
        (h->generation != w->generation && !mutant(MUTANT_OLD_GENERATION)) ||
        h->header_bytes != FRAME_HEADER_BYTES)
        return NULL;
    uint64_t bytes = frame_bytes(h);
    p = window(w, slot, at, bytes, rc);
    if (!p || journal_frame_crc(p, bytes) != h->crc)
        return NULL;
    return p;
}

static int
walk_open(struct walk *w)
{
    int rc = ERR_OK;
    for (uint32_t i = 0; i < w->config->file_count && rc == ERR_OK; i++) {
        char path[JOURNAL_PATH_BYTES];
        journal_path(w->config, i, path);
        /* Through the page cache: recovery reads twice, and the second time is then free. */
        int64_t got = disk_do(
            w->disk, (struct disk_op){.kind = DISK_OPEN, .path = path, .flags = DISK_WRITABLE});
        if (got == ERR_NOT_FOUND)
            continue;
        if (got < 0)
            return (int)got;
        struct walk_file *f = &w->files[w->count++];
        *f = (struct walk_file){.index = i, .file = (int32_t)got};
        /* What we are going to read must not be taken back by the next power cut. */
        got = disk_do(w->disk, (struct disk_op){.kind = DISK_SYNC, .file = f->file});
        if (got < 0)
            return (int)got;
        const uint8_t *front = window(w, w->count - 1, 0, JOURNAL_BLOCK, &rc);
        struct journal_file_header known;
        if (front && journal_file_header_read(front, &known) &&
            !journal_version_known(known.version)) {
            log_error(
                "journal",
                "the records in this journal are in the format of another version: start that "
                "version once more and stop it cleanly path=%s format=%u known=%u",
                path, known.version, JOURNAL_VERSION);
            return ERR_VERSION;
        }
        struct frame_header h;
        if (rc == ERR_OK && frame_at(w, w->count - 1, JOURNAL_BLOCK, &h, &rc)) {
            f->seq = h.seq;
            f->lsn = h.lsn_first;
        }
    }
    return rc;
}

static int
records_walk(struct walk *w, const uint8_t *frame, const struct frame_header *h)
{
    struct cur c = cur_of(view_of(frame + FRAME_HEADER_BYTES, h->payload_bytes));
    for (uint32_t i = 0; i < h->record_count; i++) {
        uint32_t kind;
        struct view body;
        if (!journal_record_read(&c, &kind, &body))
            return ERR_CORRUPT;
        uint64_t lsn = h->lsn_first + i;
        if (lsn <= w->lsn_after)
            continue;
        int rc = w->each(w->user, lsn, kind, body);
        if (rc != ERR_OK)
            return rc;
    }
    w->lsn_next = h->lsn_first + h->record_count;
    return ERR_OK;
}

/* The slot of the file after `slot` in the ring; UINT32_MAX when it is not there. */
static uint32_t
slot_after(const struct walk *w, uint32_t slot)
{
    uint32_t index = (w->files[slot].index + 1) % w->config->file_count;
    for (uint32_t i = 0; i < w->count; i++)
        if (w->files[i].index == index)
            return i;
    return UINT32_MAX;
}

static void
marks_note(struct walk *w, const struct frame_header *h)
{
    if (mutant(MUTANT_MARK_IGNORED))
        return;
    if (h->durable_upto > w->durable_max)
        w->durable_max = h->durable_upto;
    if (frame_written_upto(h) > w->written_max)
        w->written_max = frame_written_upto(h);
}

static bool
frame_follows(const struct walk *w, const struct frame_header *h)
{
    return h->seq == w->seq_next && (!w->prev_known || h->prev_crc == w->prev_crc);
}

/* Looks for proof that frame seq_next was acknowledged, from a place on to the end of the next
 * file. */
static int
damage_check(struct walk *w, uint32_t slot, uint64_t at)
{
    if (mutant(MUTANT_TRUNCATE_AT_BAD))
        return ERR_OK;
    uint32_t bad_file = w->files[slot].index;
    uint64_t bad_at = at;
    for (int pass = 0; pass < 2 && slot != UINT32_MAX;
         pass++, slot = slot_after(w, slot), at = JOURNAL_BLOCK) {
        while (at + JOURNAL_BLOCK <= w->config->file_bytes) {
            struct frame_header h;
            int rc;
            const uint8_t *p = frame_at(w, slot, at, &h, &rc);
            if (rc != ERR_OK)
                return rc;
            if (!p || h.seq < w->seq_next) {
                at += JOURNAL_BLOCK;
                continue;
            }
            marks_note(w, &h);
            if (w->written_max >= w->seq_next || h.seq >= w->seq_next + h.window) {
                log_error(
                    "journal",
                    "damaged: acknowledged frame is unreadable dir=%s generation=%llu seq=%llu "
                    "file=%u offset=%llu proof_seq=%llu written_upto=%llu",
                    w->config->dir, (unsigned long long)w->generation,
                    (unsigned long long)w->seq_next, bad_file, (unsigned long long)bad_at,
                    (unsigned long long)h.seq, (unsigned long long)frame_written_upto(&h));
                return ERR_CORRUPT;
            }
            at += frame_bytes(&h);
        }
    }
    if (w->written_max < w->seq_next)
        return ERR_OK;
    log_error("journal",
              "damaged: acknowledged frame is missing dir=%s generation=%llu seq=%llu file=%u "
              "offset=%llu "
              "written_upto=%llu",
              w->config->dir, (unsigned long long)w->generation, (unsigned long long)w->seq_next,
              bad_file, (unsigned long long)bad_at, (unsigned long long)w->written_max);
    return ERR_CORRUPT;
}

static int
limit_note(struct walk *w, uint64_t lsn)
{
    if (w->limit_count == w->limit_room) {
        uint64_t room = w->limit_room ? w->limit_room * 2 : 1024;
        uint64_t *more = realloc(w->limits, room * sizeof *more);
        if (!more)
            return ERR_LIMIT;
        w->limits = more;
        w->limit_room = room;
    }
    w->limits[w->limit_count++] = lsn;
    return ERR_OK;
}

/* The frame seq_next is not where it would be: is that the end? */
static int
end_check(struct walk *w, uint32_t slot, uint64_t at)
{
    struct journal_place end = {w->seq_next == 1 ? 0 : w->files[slot].index, at, w->seq_next};
    int rc = damage_check(w, slot, at);
    if (rc == ERR_OK && journal_cut(w->disk, w->config, w->generation, &end))
        rc = ERR_CORRUPT;
    return rc;
}

static int
walk_frames(struct walk *w, uint32_t slot)
{
    uint64_t at = JOURNAL_BLOCK;
    w->seq_next = w->files[slot].seq;
    for (;;) {
        struct frame_header h;
        int rc;
        const uint8_t *p = frame_at(w, slot, at, &h, &rc);
        if (rc != ERR_OK)
            return rc;
        if (!p || !frame_follows(w, &h)) {
            /* A frame that did not fit here is the first of the next file. */
            uint32_t next = slot_after(w, slot);
            if (next != UINT32_MAX)
                p = frame_at(w, next, JOURNAL_BLOCK, &h, &rc);
            if (rc != ERR_OK)
                return rc;
            if (next == UINT32_MAX || !p || !frame_follows(w, &h))
                return end_check(w, slot, at);
            slot = next;
            at = JOURNAL_BLOCK;
        }
        marks_note(w, &h);
        w->prev_crc = h.crc;
        w->prev_known = true;
        w->seq_next++;
        at += frame_bytes(&h);
        rc = limit_note(w, h.lsn_first + h.record_count - 1);
        if (rc == ERR_OK)
            rc = records_walk(w, p, &h);
        if (rc != ERR_OK)
            return rc;
    }
}

/* The last record of the frames that are known to have been durable, extents too. */
static uint64_t
acked_lsn(const struct walk *w, uint64_t seq_first)
{
    if (w->durable_max < seq_first || w->limit_count == 0)
        return w->lsn_after;
    uint64_t lsn = w->limits[w->durable_max - seq_first];
    return lsn > w->lsn_after ? lsn : w->lsn_after;
}

/* The file to begin in: the last one whose first frame is not behind lsn_after + 1. */
static int
walk_begin(struct walk *w, struct journal_end *end)
{
    uint32_t best = UINT32_MAX;
    bool any = false;
    for (uint32_t i = 0; i < w->count; i++) {
        const struct walk_file *f = &w->files[i];
        any = any || f->seq;
        if (f->seq && f->lsn <= w->lsn_after + 1 &&
            (best == UINT32_MAX || f->seq > w->files[best].seq))
            best = i;
    }
    *end = (struct journal_end){w->lsn_after, w->lsn_after};
    if (best == UINT32_MAX && (!any || w->lsn_after == 0)) {
        /* The first frame of this generation is not there: a loss only if it can be proven. */
        w->seq_next = 1;
        return w->count ? end_check(w, 0, JOURNAL_BLOCK) : ERR_OK;
    }
    if (best == UINT32_MAX) {
        log_error("journal",
                  "damaged: no frame at or before the checkpoint dir=%s generation=%llu lsn=%llu",
                  w->config->dir, (unsigned long long)w->generation,
                  (unsigned long long)w->lsn_after);
        return ERR_CORRUPT;
    }
    int rc = walk_frames(w, best);
    if (rc == ERR_OK && w->lsn_next > w->lsn_after + 1)
        end->lsn_last = w->lsn_next - 1;
    if (rc == ERR_OK)
        end->lsn_acked = acked_lsn(w, w->files[best].seq);
    return rc;
}

int
journal_recover(struct disk *disk, const struct journal_config *config, uint64_t generation,
                uint64_t lsn_after,
                int (*each)(void *user, uint64_t lsn, uint32_t kind, struct view body), void *user,
                struct journal_end *end)
{
    if (config->file_count > WALK_FILES_MAX)
        return ERR_INVALID;
    struct walk w = {.disk = disk,
                     .config = config,
                     .generation = generation,
                     .lsn_after = lsn_after,
                     .mem_file = UINT32_MAX,
                     .each = each,
                     .user = user};
    w.mem_bytes = config->file_bytes;
    w.files = calloc(config->file_count, sizeof *w.files);
    w.mem = mmap(NULL, w.mem_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int rc = ERR_LIMIT;
    w.opening = true;
    if (w.files && w.mem != MAP_FAILED)
        rc = walk_open(&w);
    w.opening = false;
    if (rc == ERR_OK)
        rc = walk_begin(&w, end);
    for (uint32_t i = 0; w.files && i < w.count; i++)
        disk_do(disk, (struct disk_op){.kind = DISK_CLOSE, .file = w.files[i].file});
    if (w.mem != MAP_FAILED)
        munmap(w.mem, w.mem_bytes);
    free(w.limits);
    free(w.files);
    return rc;
}
