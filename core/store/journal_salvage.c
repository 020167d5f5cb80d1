/* journal_salvage.c: reading a journal that is known to be damaged.
 *
 * Every file of the ring is searched for whole frames of the generation, at each block that no
 * whole frame covers.  Sorted by seq they say what was acknowledged: up to
 *   D = the largest durable_upto + written_ahead, or seq - window, that a whole frame proves
 *   (journal_recover.c).
 * I1 A record is handed out only from a whole frame, and once, in the order of lsn.
 * I2 Records that are missing at or below D are told as a gap before any record behind them.
 *    So it is with what lay in the part of a file that was cut off (journal_cut.c).
 * I3 Frames above D count only as long as none is missing: the rest is a torn tail.
 *
 * Residual: bytes in a damaged frame that are a whole frame of this generation themselves (a
 * producer would have to guess them) are taken for one; of two with one seq the one that the frame
 * before or behind it vouches for counts. */
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/store/journal_in.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { SALVAGE_CHUNK = 1 << 20, SALVAGE_FRAMES_FIRST = 1024 };

struct found {
    struct frame_header h;
    uint32_t index; /* of the file */
    uint64_t at;
};

struct salvage {
    struct disk *disk;
    const struct journal_config *config;
    uint64_t generation, lsn_after;
    int (*each)(void *user, uint64_t lsn, uint32_t kind, struct view body);
    int (*gap)(void *user, const struct journal_gap *gap);
    void *user;
    struct found *frames;
    uint32_t count, room;
    uint64_t durable; /* D */
    uint8_t *mem;     /* one file */
    uint32_t loaded;  /* its index, UINT32_MAX none */
    uint64_t loaded_bytes;
};

/* Reads a file into memory; what cannot be read is zeros.  A file that is not there is empty. */
static void
file_load(struct salvage *s, uint32_t index)
{
    if (s->loaded == index)
        return;
    s->loaded = index;
    s->loaded_bytes = 0;
    char path[JOURNAL_PATH_BYTES];
    journal_path(s->config, index, path);
    int64_t got = disk_do(s->disk, (struct disk_op){.kind = DISK_OPEN, .path = path});
    if (got < 0) {
        if (got != ERR_NOT_FOUND)
            log_error("journal", "damaged: a file cannot be opened path=%s error=%s", path,
                      err_name((int)got));
        return;
    }
    int32_t file = (int32_t)got;
    for (uint64_t at = 0; at < s->config->file_bytes; at += SALVAGE_CHUNK) {
        uint64_t left = s->config->file_bytes - at;
        uint32_t len = left < SALVAGE_CHUNK ? (uint32_t)left : SALVAGE_CHUNK;
        got = disk_do(
            s->disk,
            (struct disk_op){
                .kind = DISK_READ, .file = file, .at = s->mem + at, .len = len, .offset = at});
        if (got < 0)
            log_error("journal", "damaged: a file cannot be read path=%s offset=%llu error=%s",
                      path, (unsigned long long)at, err_name((int)got));
        uint32_t have = got < 0 ? 0 : (uint32_t)got;
        memset(s->mem + at + have, 0, len - have);
        s->loaded_bytes = at + (got < 0 ? len : have);
        if (got >= 0 && have < len)
            break;
    }
    disk_do(s->disk, (struct disk_op){.kind = DISK_CLOSE, .file = file});
}

static bool
frame_add(struct salvage *s, const struct frame_header *h, uint32_t index, uint64_t at)
{
    if (s->count == s->room) {
        uint32_t room = s->room ? s->room * 2 : SALVAGE_FRAMES_FIRST;
        struct found *more = realloc(s->frames, room * sizeof *more);
        if (!more)
            return false;
        s->frames = more;
        s->room = room;
    }
    s->frames[s->count++] = (struct found){*h, index, at};
    uint64_t proven = h->seq > h->window ? h->seq - h->window : 0;
    if (frame_written_upto(h) > proven)
        proven = frame_written_upto(h);
    if (proven > s->durable)
        s->durable = proven;
    return true;
}

static bool
frame_whole(const struct salvage *s, uint64_t at, struct frame_header *h)
{
    journal_frame_read(s->mem + at, h);
    if (h->magic != JOURNAL_FRAME_MAGIC || h->header_bytes != FRAME_HEADER_BYTES ||
        h->generation != s->generation || h->seq == 0)
        return false;
    uint64_t bytes = frame_bytes(h);
    return bytes <= s->loaded_bytes - at && journal_frame_crc(s->mem + at, bytes) == h->crc;
}

static int
frames_find(struct salvage *s)
{
    for (uint32_t i = 0; i < s->config->file_count; i++) {
        file_load(s, i);
        uint64_t at = JOURNAL_BLOCK;
        while (at + JOURNAL_BLOCK <= s->loaded_bytes) {
            struct frame_header h;
            if (!frame_whole(s, at, &h)) {
                at += JOURNAL_BLOCK;
                continue;
            }
            if (!frame_add(s, &h, i, at))
                return ERR_LIMIT;
            at += frame_bytes(&h);
        }
    }
    return ERR_OK;
}

static int
found_order(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    return x->h.seq < y->h.seq ? -1 : x->h.seq > y->h.seq;
}

/* Leaves one frame of each seq. */
static void
frames_sort(struct salvage *s)
{
    uint32_t kept = 0;
    if (s->count)
        qsort(s->frames, s->count, sizeof *s->frames, found_order);
    for (uint32_t i = 0; i < s->count; i++) {
        const struct found *f = &s->frames[i];
        struct found *last = kept ? &s->frames[kept - 1] : NULL;
        if (!last || last->h.seq != f->h.seq) {
            s->frames[kept++] = *f;
            continue;
        }
        const struct found *before = kept > 1 ? &s->frames[kept - 2] : NULL;
        if (before && before->h.seq + 1 == f->h.seq && before->h.crc == f->h.prev_crc)
            *last = *f;
    }
    s->count = kept;
}

/* Where the frame behind frames[i] began, or the first block of a file. */
static void
gap_place(struct salvage *s, struct journal_gap *g, uint32_t limit)
{
    uint32_t index = limit < s->count ? s->frames[limit].index : 0;
    g->offset = JOURNAL_BLOCK;
    if (g->seq_first == 1)
        index = 0; /* where a generation begins */
    if (limit > 0) {
        const struct found *before = &s->frames[limit - 1];
        index = before->index;
        g->offset = before->at + frame_bytes(&before->h);
        bool next_file = limit < s->count && s->frames[limit].index != index &&
                         s->frames[limit].at > JOURNAL_BLOCK;
        if (next_file || g->offset >= s->config->file_bytes) {
            index = (index + 1) % s->config->file_count;
            g->offset = JOURNAL_BLOCK;
        }
    } else if (limit == s->count) {
        return;
    }
    journal_path(s->config, index, g->path);
    bool one = limit < s->count && g->seq_first + 1 == g->seq_limit;
    if (!one)
        return;
    file_load(s, index);
    uint64_t end = s->frames[limit].index == index && s->frames[limit].at > g->offset
                       ? s->frames[limit].at
                       : s->loaded_bytes;
    if (end > g->offset)
        g->raw = view_of(s->mem + g->offset, (uint32_t)(end - g->offset));
}

static int
gap_tell(struct salvage *s, uint32_t limit, uint64_t lsn_next)
{
    struct journal_gap g = {.lsn_first = lsn_next};
    g.seq_first = limit ? s->frames[limit - 1].h.seq + 1 : lsn_next == 1;
    if (limit < s->count) {
        g.seq_limit = s->frames[limit].h.seq;
        g.lsn_limit = s->frames[limit].h.lsn_first;
    }
    gap_place(s, &g, limit);
    return s->gap(s->user, &g);
}

static int
records_tell(struct salvage *s, const struct found *f, uint64_t lsn_next)
{
    struct frame_header h;
    file_load(s, f->index);
    if (!frame_whole(s, f->at, &h)) /* it was, a moment ago */
        return ERR_IO;
    struct cur c = cur_of(view_of(s->mem + f->at + FRAME_HEADER_BYTES, f->h.payload_bytes));
    int rc = ERR_OK;
    for (uint32_t i = 0; i < f->h.record_count && rc == ERR_OK; i++) {
        uint32_t kind;
        struct view body;
        if (!journal_record_read(&c, &kind, &body))
            return ERR_CORRUPT;
        if (f->h.lsn_first + i >= lsn_next)
            rc = s->each(s->user, f->h.lsn_first + i, kind, body);
    }
    return rc;
}

static int
frames_tell(struct salvage *s)
{
    uint64_t lsn_next = s->lsn_after + 1;
    uint32_t i = 0;
    int rc = ERR_OK;
    for (; i < s->count && rc == ERR_OK; i++) {
        const struct found *f = &s->frames[i];
        bool follows = i > 0 ? s->frames[i - 1].h.seq + 1 == f->h.seq : f->h.lsn_first <= lsn_next;
        if (f->h.seq > s->durable && !follows)
            break; /* I3 */
        if (f->h.lsn_first > lsn_next)
            rc = gap_tell(s, i, lsn_next);
        if (rc == ERR_OK)
            rc = records_tell(s, f, lsn_next < f->h.lsn_first ? f->h.lsn_first : lsn_next);
        if (lsn_next < f->h.lsn_first + f->h.record_count)
            lsn_next = f->h.lsn_first + f->h.record_count;
    }
    uint64_t last = i ? s->frames[i - 1].h.seq : 0;
    /* What lies behind D is torn, but tells where the records before it end. */
    bool lost = last < s->durable && (i == s->count || s->frames[i].h.lsn_first > lsn_next);
    struct journal_place end = {.at = JOURNAL_BLOCK, .seq = last + 1};
    if (i) {
        end.index = s->frames[i - 1].index;
        end.at = s->frames[i - 1].at + frame_bytes(&s->frames[i - 1].h);
    }
    if (rc == ERR_OK && !lost)
        lost = journal_cut(s->disk, s->config, s->generation, &end);
    return rc == ERR_OK && lost ? gap_tell(s, i, lsn_next) : rc;
}

int
journal_salvage(struct disk *disk, const struct journal_config *config, uint64_t generation,
                uint64_t lsn_after,
                int (*each)(void *user, uint64_t lsn, uint32_t kind, struct view body),
                int (*gap)(void *user, const struct journal_gap *gap), void *user)
{
    struct salvage s = {.disk = disk,
                        .config = config,
                        .generation = generation,
                        .lsn_after = lsn_after,
                        .each = each,
                        .gap = gap,
                        .user = user,
                        .loaded = UINT32_MAX};
    s.mem =
        mmap(NULL, config->file_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (s.mem == MAP_FAILED)
        return ERR_LIMIT;
    int rc = frames_find(&s);
    frames_sort(&s);
    if (rc == ERR_OK)
        rc = frames_tell(&s);
    munmap(s.mem, config->file_bytes);
    free(s.frames);
    return rc;
}
