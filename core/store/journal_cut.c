/* journal_cut.c: a journal that ends because a file of it is gone, or is shorter than it was.
 *
 * A frame that is not there is a torn tail unless another one proves it (journal_recover.c); what
 * came last in a file that was cut has nothing behind it that could.  But files tell themselves:
 *   C1 a file gets its header when all of it is zeroed and durable (journal_files.c), and is never
 *      made shorter: one that ends before its header says was cut, and
 *   C2 the first file is whole before another one is made: when it is missing, or has no header and
 *      not its length, beside a whole one of the same geometry, it was removed. */
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/store/journal_in.h"

#include <stdlib.h>

struct look {
    struct disk *disk;
    const struct journal_config *config;
    uint8_t *block;
    int32_t file; /* -1: not there */
    uint64_t bytes;
    bool header; /* it has one of this geometry */
};

static bool
block_read(struct look *l, uint64_t at)
{
    return disk_do(l->disk, (struct disk_op){.kind = DISK_READ,
                                             .file = l->file,
                                             .at = l->block,
                                             .len = JOURNAL_BLOCK,
                                             .offset = at}) == JOURNAL_BLOCK;
}

static void
look_open(struct look *l, uint32_t index)
{
    char path[JOURNAL_PATH_BYTES];
    struct journal_file_header h;
    journal_path(l->config, index, path);
    int64_t file = disk_do(l->disk, (struct disk_op){.kind = DISK_OPEN, .path = path});
    l->file = file < 0 ? -1 : (int32_t)file;
    l->bytes = 0;
    l->header = false;
    if (file < 0)
        return;
    int64_t size = disk_do(l->disk, (struct disk_op){.kind = DISK_SIZE, .file = l->file});
    l->bytes = size < 0 ? 0 : (uint64_t)size;
    l->header = block_read(l, 0) && journal_file_header_read(l->block, &h) && h.index == index &&
                h.file_bytes == l->config->file_bytes && h.file_count == l->config->file_count;
}

static void
look_close(struct look *l)
{
    if (l->file >= 0)
        disk_do(l->disk, (struct disk_op){.kind = DISK_CLOSE, .file = l->file});
}

/* The frame at a place, of which the bytes may be missing, is seq or a later one. */
static bool
frame_begins(struct look *l, uint64_t generation, uint64_t seq, uint64_t at)
{
    struct frame_header h;
    if (!block_read(l, at))
        return false;
    journal_frame_read(l->block, &h);
    return h.magic == JOURNAL_FRAME_MAGIC && h.generation == generation && h.seq >= seq;
}

/* C1 */
static bool
cut_at(struct look *l, uint32_t index, uint64_t generation, uint64_t seq, uint64_t at)
{
    if (at + JOURNAL_BLOCK > l->config->file_bytes)
        return false; /* no frame fits there */
    look_open(l, index);
    bool cut = l->header && l->bytes < l->config->file_bytes &&
               (at + JOURNAL_BLOCK > l->bytes || frame_begins(l, generation, seq, at));
    look_close(l);
    return cut;
}

/* C2 */
static bool
first_removed(struct look *l)
{
    look_open(l, 0);
    bool gone = !l->header && l->bytes < l->config->file_bytes;
    look_close(l);
    for (uint32_t i = 1; gone && i < l->config->file_count; i++) {
        look_open(l, i);
        bool whole = l->header && l->bytes == l->config->file_bytes;
        look_close(l);
        if (whole)
            return true;
    }
    return false;
}

bool
journal_cut(struct disk *disk, const struct journal_config *config, uint64_t generation,
            const struct journal_place *end)
{
    struct look l = {.disk = disk, .config = config};
    l.block = aligned_alloc(JOURNAL_BLOCK, JOURNAL_BLOCK);
    if (!l.block)
        return false;
    uint32_t next = (end->index + 1) % config->file_count, index = end->index;
    uint64_t at = end->at;
    bool removed = end->seq == 1 && first_removed(&l);
    bool cut = !removed && cut_at(&l, index, generation, end->seq, at);
    if (!removed && !cut && end->seq > 1) {
        index = next;
        at = JOURNAL_BLOCK;
        cut = cut_at(&l, index, generation, end->seq, at);
    }
    free(l.block);
    if (!removed && !cut)
        return false;
    char path[JOURNAL_PATH_BYTES];
    journal_path(config, index, path);
    log_error("journal",
              "damaged: a file is %s, and what it held from here on is lost path=%s offset=%llu "
              "generation=%llu seq=%llu",
              removed ? "gone" : "shorter than it was", path, (unsigned long long)at,
              (unsigned long long)generation, (unsigned long long)end->seq);
    return true;
}
