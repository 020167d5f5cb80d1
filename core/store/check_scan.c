#include "core/base/err.h"
#include "core/store/check.h"
#include "core/store/store_in.h"

#include <stdlib.h>

enum { SCAN_BYTES = 4 << 20 };

/* Bytes [at, at + len) of the file, in memory that grows to what a batch needs. */
struct window {
    struct disk *disk;
    int32_t file;
    uint8_t dir;
    uint8_t *mem;
    uint64_t at, len, room;
};

/* Makes `want` bytes at a place present; fewer at the end of the file.  Bytes there, or an error.
 */
static int64_t
window_move(struct window *w, uint64_t at, uint64_t want)
{
    if (at >= w->at && at + want <= w->at + w->len)
        return (int64_t)(w->at + w->len - at);
    if (want > w->room) {
        uint8_t *more = aligned_alloc(STORE_BLOCK, plog_round_block(want));
        if (!more)
            return ERR_LIMIT;
        free(w->mem);
        w->mem = more;
        w->room = plog_round_block(want);
    }
    w->at = at;
    w->len = 0;
    while (w->len < w->room) {
        int64_t got = store_run(w->disk, (struct disk_op){.kind = DISK_READ,
                                                          .dir = w->dir,
                                                          .file = w->file,
                                                          .at = w->mem + w->len,
                                                          .len = (uint32_t)(w->room - w->len),
                                                          .offset = at + w->len});
        if (got < 0)
            return got;
        if (got == 0)
            break;
        w->len += (uint64_t)got;
    }
    return (int64_t)w->len;
}

static const char *
batch_wrong(const struct check_scan *s, struct view batch, const struct batch_info *info)
{
    if (!batch_crc_ok(batch, info))
        return "the batch does not have the checksum that it claims";
    if (info->last_offset_delta < 0)
        return "the batch claims to end before it begins";
    if (s->end >= 0 && info->base_offset < s->end)
        return "the batch goes back to offsets that were there already";
    if (s->end >= 0 && info->base_offset > s->end && !s->holes)
        return "offsets are missing before the batch";
    if (info->leader_epoch < s->epoch)
        return "the leader epoch falls";
    return NULL;
}

static int
scan(struct window *w, struct check_scan *s)
{
    uint64_t limit = s->limit < s->size ? s->limit : s->size;
    while (s->good_bytes < limit) {
        struct batch_info info;
        uint64_t left = limit - s->good_bytes;
        int64_t got = window_move(w, s->good_bytes, BATCH_HEADER_BYTES);
        if (got < 0)
            return (int)got;
        if (left < BATCH_HEADER_BYTES || got < BATCH_HEADER_BYTES) {
            if (s->partial && s->size >= s->limit)
                return ERR_OK;
            s->what = "the file ends in the middle of a batch";
            return ERR_OK;
        }
        const uint8_t *at = w->mem + (s->good_bytes - w->at);
        if (batch_header(view_of(at, BATCH_HEADER_BYTES), &info) != ERR_OK) {
            s->what = "these bytes are no record batch";
            return ERR_OK;
        }
        if (info.bytes > left) {
            if (s->partial && s->size >= s->limit)
                return ERR_OK;
            s->what = "the file ends in the middle of a batch";
            return ERR_OK;
        }
        got = window_move(w, s->good_bytes, info.bytes);
        if (got < 0)
            return (int)got;
        struct view batch = view_of(w->mem + (s->good_bytes - w->at), info.bytes);
        s->what = batch_wrong(s, batch, &info);
        if (s->what)
            return ERR_OK;
        if (s->each)
            s->each(s->user, s->good_bytes, batch, &info);
        s->end = info.base_offset + info.last_offset_delta + 1;
        s->epoch = info.leader_epoch;
        s->good_bytes += info.bytes;
        s->batches++;
    }
    if (s->limit != UINT64_MAX && s->size < s->limit)
        s->what = "the file is shorter than what was written to it";
    return ERR_OK;
}

int
check_scan(struct disk *disk, struct check_scan *s)
{
    struct window w = {.disk = disk, .dir = s->dir, .room = SCAN_BYTES};
    s->good_bytes = s->size = s->batches = 0;
    s->end = s->base;
    s->what = NULL;
    int64_t got =
        store_run(disk, (struct disk_op){.kind = DISK_OPEN, .dir = s->dir, .path = s->path});
    if (got < 0)
        return (int)got;
    w.file = (int32_t)got;
    w.mem = aligned_alloc(STORE_BLOCK, w.room);
    got = w.mem ? store_run(disk, (struct disk_op){.kind = DISK_SIZE, .file = w.file}) : ERR_LIMIT;
    s->size = got < 0 ? 0 : (uint64_t)got;
    int rc = got < 0 ? (int)got : scan(&w, s);
    store_run(disk, (struct disk_op){.kind = DISK_CLOSE, .file = w.file});
    free(w.mem);
    return rc;
}
