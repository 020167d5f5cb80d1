/* journal_found.c: what the files of a journal say of themselves, when nobody knows any more. */
#include "core/base/err.h"
#include "core/store/journal_in.h"

#include <stdlib.h>

enum { FOUND_TRIES = 16 }; /* files that may be missing in front of the first */

static int64_t
read_at(struct disk *disk, int32_t file, uint8_t *mem, uint64_t bytes, uint64_t offset)
{
    return disk_do(
        disk,
        (struct disk_op){
            .kind = DISK_READ, .file = file, .at = mem, .len = (uint32_t)bytes, .offset = offset});
}

/* The generation of the frame at the front of a file, when it is whole; else 0. */
static uint64_t
front_generation(struct disk *disk, int32_t file, uint64_t file_bytes, const uint8_t *block)
{
    struct frame_header h;
    journal_frame_read(block, &h);
    uint64_t bytes = frame_bytes(&h);
    if (h.magic != JOURNAL_FRAME_MAGIC || h.header_bytes != FRAME_HEADER_BYTES ||
        bytes > file_bytes - JOURNAL_BLOCK || bytes > UINT32_MAX)
        return 0;
    uint8_t *mem = aligned_alloc(JOURNAL_BLOCK, bytes);
    bool whole = mem && read_at(disk, file, mem, bytes, JOURNAL_BLOCK) == (int64_t)bytes &&
                 journal_frame_crc(mem, bytes) == h.crc;
    free(mem);
    return whole ? h.generation : 0;
}

static int
file_look(struct disk *disk, uint32_t index, struct journal_config *config, uint64_t *generation)
{
    char path[JOURNAL_PATH_BYTES];
    journal_path(config, index, path);
    struct disk_op op = {.kind = DISK_OPEN, .path = path};
    int64_t got = disk_do(disk, op);
    if (got < 0)
        return got == ERR_NOT_FOUND ? ERR_OK : (int)got;
    int32_t file = (int32_t)got;
    int rc = ERR_OK;
    struct journal_file_header h;
    uint8_t *mem = aligned_alloc(JOURNAL_BLOCK, 2 * JOURNAL_BLOCK);
    if (!mem)
        rc = ERR_LIMIT;
    else if (read_at(disk, file, mem, 2 * JOURNAL_BLOCK, 0) != 2 * JOURNAL_BLOCK)
        rc = ERR_OK; /* it cannot be read, or is not made yet: the others tell */
    else if (journal_file_header_read(mem, &h) && !journal_version_known(h.version))
        rc = ERR_VERSION;
    else if (journal_file_header_read(mem, &h)) {
        config->file_bytes = h.file_bytes;
        config->file_count = h.file_count;
        uint64_t g = front_generation(disk, file, h.file_bytes, mem + JOURNAL_BLOCK);
        *generation = g > *generation ? g : *generation;
    }
    free(mem);
    op = (struct disk_op){.kind = DISK_CLOSE, .file = file};
    disk_do(disk, op);
    return rc;
}

int
journal_found(struct disk *disk, const char *dir, struct journal_config *out, uint64_t *generation)
{
    *out = (struct journal_config){.dir = dir};
    *generation = 0;
    int rc = ERR_OK;
    for (uint32_t i = 0; i < (out->file_count ? out->file_count : FOUND_TRIES) && rc == ERR_OK; i++)
        rc = file_look(disk, i, out, generation);
    return rc == ERR_OK && !out->file_count ? ERR_NOT_FOUND : rc;
}
