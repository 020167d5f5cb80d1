/* store_cold.c: reading segment files: read buffers.
 *
 * A read buffer holds up to config.read_bytes of one file, from a SUMS_PIECE boundary on, and stays
 * as a small cache until the least recently used one is needed again.  When its bytes arrive, every
 * batch that lies in it whole, from the first index entry on, is checked: offset chain, length,
 * crc.  Parts of batches, at both ends, are checked by the sums of their pieces, which are known
 * whenever the index is; where that finds damage, each batch is judged by itself (store_prove.c).
 * Damaged bytes are never lent: a hold there gives ERR_CORRUPT. */
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/store/store_in.h"

enum { READ_DATA = JOB_OPENED + 1 };
#define READ_CALM_NS  (10 * CLOCK_NS_PER_MS)
#define READ_STILL_NS CLOCK_NS_PER_S

/* ---- buffers -----------------------------------------------------------------------------------
 */

struct read_buffer *
store_buffer_find(struct store *s, const struct plog *p, const struct segment *seg, uint32_t pos)
{
    struct read_buffer *best = NULL;
    for (uint32_t i = 0; i < s->config.read_buffers; i++) {
        struct read_buffer *b = &s->buffers[i];
        if (b->state == READ_FREE || b->log != p || b->serial != p->serial ||
            b->segment_serial != seg->serial || pos < b->pos || pos - b->pos >= b->len)
            continue;
        if (!best || b->pos + b->len > best->pos + best->len)
            best = b; /* the one that reaches farthest */
    }
    return best;
}

uint32_t
store_buffers_ahead(const struct store *s)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < s->config.read_buffers; i++) {
        const struct read_buffer *b = &s->buffers[i];
        count += b->state == READ_BUSY || (b->state == READ_READY && b->ahead);
    }
    return count;
}

uint32_t
store_buffers_busy(const struct store *s)
{
    uint32_t busy = 0;
    for (uint32_t i = 0; i < s->config.read_buffers; i++)
        busy += s->buffers[i].state == READ_BUSY;
    return busy;
}

int
store_buffer_error(struct read_buffer *b, uint32_t pos)
{
    bool hole = pos >= b->hole_from && pos < b->hole_to;
    if (b->error == ERR_OK || (pos >= b->good_from && pos < b->good_to && !hole))
        return ERR_OK;
    if (b->pins == 0)
        b->state = READ_FREE;
    return b->error;
}

/* While records are being appended, a consumer of old data must not fill the device's queue: a
 * journal write would wait behind its reads.  They are few then. */
bool
store_calm(const struct store *s)
{
    return s->now_ns - s->append_ns > READ_CALM_NS;
}

uint32_t
store_read_least(const struct store *s)
{
    return s->config.read_bytes < STORE_READ_BYTES ? s->config.read_bytes : STORE_READ_BYTES;
}

/* Where records come now and then, one would meet large reads that began in a pause. */
static uint32_t
piece_bytes(const struct store *s)
{
    return s->now_ns - s->append_ns > READ_STILL_NS ? s->config.read_bytes : store_read_least(s);
}

bool
store_read_allowed(const struct store *s)
{
    return store_calm(s) || store_buffers_busy(s) < STORE_READS_BESIDE;
}

struct read_buffer *
store_buffer_pick(struct store *s)
{
    struct read_buffer *pick = NULL;
    uint32_t count = store_read_allowed(s) && store_job_room(s) ? s->config.read_buffers : 0;
    for (uint32_t i = 0; i < count; i++) {
        struct read_buffer *b = &s->buffers[i];
        if (b->state == READ_BUSY || (b->pins && !mutant(MUTANT_LENT_BUFFER_TAKEN)))
            continue;
        if (!pick || b->state == READ_FREE || (pick->state == READ_READY && b->used < pick->used))
            pick = b;
    }
    return pick;
}

int
store_buffer_read(struct store *s, struct plog *p, struct segment *seg, uint32_t pos,
                  struct read_buffer **out)
{
    struct read_buffer *pick = store_buffer_pick(s);
    struct job *j = pick && !p->shut ? store_job(s, JOB_READ, p, seg) : NULL;
    if (!j) {
        if (!p->shut)
            store_unread_add(s, p);
        return ERR_AGAIN;
    }
    store_unread_forget(s, p);
    uint32_t at = pos / SUMS_PIECE * SUMS_PIECE;
    uint32_t len = piece_bytes(s);
    if (len > seg->written - at)
        len = seg->written - at;
    must(seg->written > pos);
    *pick = (struct read_buffer){.mem = pick->mem,
                                 .state = READ_BUSY,
                                 .log = p,
                                 .serial = p->serial,
                                 .used = ++s->tick,
                                 .segment_serial = seg->serial,
                                 .pos = at,
                                 .len = len,
                                 .run = seg->sums.run,
                                 .summed = sums_covered(&seg->sums) == seg->written};
    j->buffer = pick;
    *out = pick;
    store_job_open(s, j);
    return ERR_OK;
}

/* Is the batch at the front of `bytes` what the chain promises?  `whole`: all of it is there. */
static bool
batch_good(const struct segment *seg, uint32_t pos, int64_t base, struct view bytes,
           struct batch_info *info, bool *whole)
{
    if (batch_header(bytes, info) != ERR_OK || info->base_offset < base ||
        (info->base_offset > base && !seg->gaps) || info->last_offset_delta < 0 ||
        info->bytes > seg->bytes - pos)
        return false;
    *whole = info->bytes <= bytes.len;
    if (mutant(MUTANT_READ_UNCHECKED))
        return true;
    return !*whole || batch_crc_ok(view_of(bytes.at, info->bytes), info);
}

uint32_t
store_damaged(struct store *s, const struct plog *p, struct segment *seg, uint32_t from,
              uint32_t to)
{
    int64_t next = index_by_pos(&seg->idx, from) + 1;
    if (next < seg->idx.count && index_get(&seg->idx, (uint32_t)next)->pos < to)
        to = index_get(&seg->idx, (uint32_t)next)->pos;
    if (!sums_note_bad(&seg->sums, from, to))
        return to;
    char path[PLOG_PATH_BYTES];
    plog_path_segment(p, seg->base, ".log", path);
    log_error("store", "damaged: a segment is not what was written path=%s position=%u to=%u", path,
              from, to);
    s->stats.damaged++;
    return to;
}

/* Checks the batches that lie whole in the buffer, from the first index entry on: [whole_from,
 * whole_to).  What follows good_to is bad, or is part of a batch: whole_to. */
static void
batches_check(struct store *s, struct read_buffer *b, struct segment *seg)
{
    int64_t i = b->pos ? index_by_pos(&seg->idx, b->pos - 1) + 1 : 0;
    uint32_t limit = b->pos + b->len;
    b->whole_from = limit;
    if (i >= seg->idx.count || index_get(&seg->idx, (uint32_t)i)->pos >= limit)
        return;
    const struct index_entry *x = index_get(&seg->idx, (uint32_t)i);
    uint32_t pos = x->pos;
    int64_t base = seg->base + (int64_t)x->rel;
    bool whole = true;
    b->whole_from = b->whole_to = pos;
    while (whole && pos < limit && limit - pos >= BATCH_HEADER_BYTES) {
        struct batch_info info = {0};
        if (!batch_good(seg, pos, base, view_of(b->mem + (pos - b->pos), limit - pos), &info,
                        &whole)) {
            bool sized = info.bytes >= BATCH_HEADER_BYTES && info.bytes <= limit - pos;
            uint32_t to = store_damaged(s, b->log, seg, pos, sized ? pos + info.bytes : limit);
            b->error = ERR_CORRUPT;
            if (to != pos + info.bytes || !whole || b->hole_to) {
                b->good_to = pos;
                break;
            }
            b->hole_from = pos; /* what follows is checked by its own headers */
            b->hole_to = to;
        }
        if (!whole)
            break;
        base = info.base_offset + info.last_offset_delta + 1;
        pos += info.bytes;
        b->whole_to = pos;
    }
}

/* What is outside of [first, last), where batches were checked, is not good in [from, to). */
static void
stretch_bad(struct read_buffer *b, uint32_t from, uint32_t to, uint32_t first, uint32_t last)
{
    if (from < first && b->good_from < to)
        b->good_from = to < first ? to : first;
    if (to > last) {
        uint32_t good = from > last ? from : last;
        b->good_to = b->good_to < good ? b->good_to : good;
    }
}

/* Parts of batches, in front of `first` and behind whole_to, are checked by pieces. */
static void
buffer_check(struct store *s, struct read_buffer *b, struct segment *seg)
{
    uint32_t limit = b->pos + b->len;
    b->good_from = b->whole_to = b->pos;
    b->good_to = limit;
    b->filled = true;
    batches_check(s, b, seg);
    b->summed = b->summed && !seg->sums.lost; /* meanwhile */
    uint32_t first = b->whole_from, last = b->whole_to > first ? b->whole_to : first;
    for (uint32_t pos = b->pos; b->summed && pos < limit; pos += SUMS_PIECE) {
        uint32_t n = limit - pos < SUMS_PIECE ? limit - pos : SUMS_PIECE;
        bool by_batches = pos >= first && pos + n <= last;
        if (by_batches || sums_check(&seg->sums, pos, b->mem + (pos - b->pos), n, b->run))
            continue;
        b->error = ERR_CORRUPT;
        stretch_bad(b, pos, pos + n, first, last);
    }
    for (uint32_t i = 0; i < seg->sums.bad_count; i++) {
        uint32_t from = seg->sums.bad[i].from, to = seg->sums.bad[i].to;
        if (b->summed && from < limit && to > b->pos && (from < first || to > last)) {
            b->error = ERR_CORRUPT; /* said when it was found */
            stretch_bad(b, from, to, first, last);
        }
    }
    if (!b->summed && (b->pos < first || last < limit)) {
        b->error = ERR_CORRUPT; /* of the parts nothing is known: each batch by its own crc */
        stretch_bad(b, b->pos, limit, first, last);
    }
}

/* Reads on behind the first j->len bytes.  A device answers in order: a journal write that comes
 * meanwhile waits for one slice, not for the whole buffer. */
static void
slice_read(struct store *s, struct job *j)
{
    const struct read_buffer *b = j->buffer;
    uint32_t left = (uint32_t)plog_round_block(b->len) - j->len;
    j->step = READ_DATA;
    store_job_run(s, j,
                  &(struct disk_op){.kind = DISK_READ,
                                    .file = j->seg->file,
                                    .at = b->mem + j->len,
                                    .len = !store_calm(s) && left > STORE_SLICE_BESIDE
                                               ? STORE_SLICE_BESIDE
                                               : left,
                                    .offset = (uint64_t)b->pos + j->len});
}

void
store_read_next(struct store *s, struct job *j)
{
    struct read_buffer *b = j->buffer;
    bool on = j->result >= 0 && j->step == JOB_OPENED;
    if (j->result > 0 && j->step == READ_DATA) {
        j->len += (uint32_t)j->result;
        on = j->result == (int64_t)j->op.len && j->len < b->len;
    }
    if (on) {
        slice_read(s, j);
        return;
    }
    b->state = READ_READY;
    b->good_from = b->good_to = b->pos;
    if (j->result < 0)
        b->error = (int)j->result;
    else if (j->len < b->len)
        b->error = ERR_CORRUPT; /* the file is shorter than what was written to it */
    else
        buffer_check(s, b, j->seg);
    if (b->error == ERR_IO || (b->error == ERR_CORRUPT && (b->summed || !b->filled)))
        log_error("store", "read failed partition=%d segment=%lld position=%u error=%s",
                  j->log->partition, (long long)j->seg->base, b->good_to, err_name(b->error));
    if (b->error == ERR_IO)
        store_dir_suspect(s, j->dir);
    store_unread_call(s);
    store_wake(s, b);
    if (!j->log->dead)
        store_log_changed(s, j->log);
    store_job_end(s, j);
}

void
store_cold_forget(struct store *s, const struct plog *p)
{
    for (uint32_t i = 0; i < s->config.read_buffers; i++)
        if (s->buffers[i].log == p && s->buffers[i].state == READ_READY && s->buffers[i].pins == 0)
            s->buffers[i].state = READ_FREE;
}
