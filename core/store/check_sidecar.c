/* check_sidecar.c: what stands beside a segment, looked at by tools. */
#include "core/base/err.h"
#include "core/store/check_in.h"
#include "core/store/sidecar.h"

#include <stdlib.h>

/* Of one that was written before the segment was full no more than its whole pieces is compared. */
static bool
sums_equal(const struct sums *its, const struct sums *right)
{
    uint32_t count = its->bytes == right->bytes ? sums_count(its) : its->bytes / SUMS_PIECE;
    for (uint32_t i = 0; i < count; i++)
        if (sums_get(its, i) != sums_get(right, i))
            return false;
    return true;
}

/* What is wrong with the sidecar in `mem`, of a segment whose bytes were found good and have these
 * sums. */
static const char *
sidecar_wrong(const struct plog *p, const struct segment *seg, const uint8_t *mem, uint32_t bytes,
              const struct sums *right)
{
    static const struct {
        enum sidecar_section type;
        const char *what;
    } sections[] = {
        {SIDECAR_EPOCHS, "the leader epochs beside the segment are not those of the checkpoint"},
        {SIDECAR_ABORTED,
         "the aborted transactions beside the segment are not those of the checkpoint"},
        {SIDECAR_PRODUCERS, "the producers beside the segment cannot be read"},
    };
    struct index idx = {0};
    struct sums sums = {0};
    const char *what = NULL;
    uint32_t covers = 0;
    int64_t max_ts;
    int rc = sidecar_covers(mem, bytes, seg->base, &covers, &max_ts);
    if (rc == ERR_OK && (covers > seg->bytes || (seg->gaps && covers < seg->bytes)))
        rc = ERR_CORRUPT;
    if (rc == ERR_OK)
        rc = sidecar_read(mem, bytes, seg->base, covers, NULL, &idx, &sums);
    if (rc != ERR_OK)
        what = "the index beside the segment is damaged; a start makes it anew";
    else if (!sums_equal(&sums, right))
        what = "the checksums beside the segment are not those of its bytes; remove this file, and "
               "a start makes it anew";
    uint8_t *scratch = malloc(SIDECAR_ROWS_BYTES);
    for (uint32_t i = 0; i < sizeof sections / sizeof *sections && !what; i++) {
        struct view v;
        rc = sidecar_section(mem, bytes, seg->base, covers, sections[i].type, &v);
        if (rc == ERR_CORRUPT ||
            (rc == ERR_OK && !sidecar_agrees(p, seg, sections[i].type, v, scratch,
                                             scratch ? SIDECAR_ROWS_BYTES : 0)))
            what = sections[i].what;
    }
    free(scratch);
    index_free(&idx);
    sums_free(&sums);
    return what;
}

/* The whole file, which the caller frees.  NULL with *there: it cannot be read. */
static uint8_t *
load(struct disk *disk, const struct plog *p, const char *path, uint32_t *bytes, bool *there)
{
    int64_t file =
        store_run(disk, (struct disk_op){.kind = DISK_OPEN, .dir = p->dir, .path = path});
    *there = file >= 0;
    if (file < 0)
        return NULL;
    int64_t size = store_run(disk, (struct disk_op){.kind = DISK_SIZE, .file = (int32_t)file});
    uint8_t *mem = NULL;
    if (size > 0 && size <= SIDECAR_BYTES_MAX)
        mem = aligned_alloc(STORE_BLOCK, plog_round_block((uint64_t)size));
    int64_t got = mem ? store_run(disk, (struct disk_op){.kind = DISK_READ,
                                                         .file = (int32_t)file,
                                                         .at = mem,
                                                         .len = (uint32_t)size})
                      : ERR_CORRUPT;
    store_run(disk, (struct disk_op){.kind = DISK_CLOSE, .file = (int32_t)file});
    if (got == size) {
        *bytes = (uint32_t)size;
        return mem;
    }
    free(mem);
    return NULL;
}

void
check_sidecar(struct check *c, const struct plog *p, const struct segment *seg,
              const struct sums *right)
{
    char path[PLOG_PATH_BYTES];
    uint32_t bytes;
    bool there;
    plog_path_segment(p, seg->base, ".idx", path);
    uint8_t *mem = load(c->disk, p, path, &bytes, &there);
    const char *what = mem ? sidecar_wrong(p, seg, mem, bytes, right)
                       : there
                           ? "the index beside the segment cannot be read; a start makes it anew"
                           : NULL;
    free(mem);
    if (what)
        c->tell(c->user, &(struct check_finding){.what = what,
                                                 .path = path,
                                                 .position = -1,
                                                 .topic = p->topic,
                                                 .partition = p->partition,
                                                 .offset_first = -1,
                                                 .offset_limit = -1});
}

int
check_sidecar_producers(struct disk *disk, struct plog *p, const struct segment *seg)
{
    char path[PLOG_PATH_BYTES];
    uint32_t bytes;
    bool there;
    struct view v;
    struct producer_table t;
    plog_path_segment(p, seg->base, ".idx", path);
    uint8_t *mem = load(disk, p, path, &bytes, &there);
    if (!mem)
        return ERR_OK;
    producer_table_init(&t);
    int rc = sidecar_section(mem, bytes, seg->base, seg->bytes, SIDECAR_PRODUCERS, &v);
    if (rc == ERR_OK) {
        struct cur c = cur_of(v);
        rc = producer_load(&t, &c);
    }
    if (rc == ERR_OK)
        rc = producer_adopt(&p->producers, &t);
    producer_table_free(&t);
    free(mem);
    return rc == ERR_LIMIT ? rc : ERR_OK; /* one that is damaged only helps nobody */
}
