/* store_time.c: finding a record by time.
 *
 * The first segment whose largest time is late enough; in it the last index entry before which all
 * times are earlier; from there batch headers; and in the first batch that can hold the record, the
 * record. Source: Kafka UnifiedLog.fetchOffsetByTimestamp, LogSegment.findOffsetByTimestamp.
 *
 * Late records that lie before the log's start can make that a walk over most of a segment, which
 * is longer than all read buffers.  A search that waits therefore leaves a mark of how far it got,
 * and goes on from there: whatever it passed does not hold the record, then as before. */
#include "core/base/err.h"
#include "core/store/store_in.h"

#include <stdlib.h>

enum { LARGE_DATA = JOB_OPENED + 1 };

struct seek {
    struct store *s;
    struct plog *p;
    struct segment *seg;
    uint64_t waiter;
    int64_t time_ms;
    uint32_t pos;
};

void
store_large_next(struct store *s, struct job *j)
{
    struct large *g = &s->large[j->at];
    uint32_t start = g->pos / STORE_BLOCK * STORE_BLOCK;
    if (j->result >= 0 && j->step == JOB_OPENED) {
        j->step = LARGE_DATA;
        store_job_run(s, j,
                      &(struct disk_op){.kind = DISK_READ,
                                        .file = j->seg->file,
                                        .at = g->mem,
                                        .len = (uint32_t)plog_round_block(g->pos - start + g->len),
                                        .offset = start});
        return;
    }
    struct view batch = view_of(g->mem + (g->pos - start), g->len);
    struct batch_info info;
    g->state = READ_READY;
    g->error = j->result < 0                                    ? (int)j->result
               : j->result < (int64_t)(g->pos - start + g->len) ? ERR_CORRUPT
               : batch_header(batch, &info) != ERR_OK || info.bytes != g->len ||
                       !batch_crc_ok(batch, &info)
                   ? ERR_CORRUPT
                   : ERR_OK;
    store_wake(s, NULL);
    store_job_end(s, j);
}

static bool
large_is(const struct large *g, const struct seek *k)
{
    return g->state != READ_FREE && g->log == k->p && g->serial == k->p->serial &&
           g->segment_serial == k->seg->serial && g->pos == k->pos;
}

/* Lends a batch that is larger than a read buffer, from memory of its own. */
static int
large_view(struct seek *k, uint32_t bytes, struct view *out)
{
    struct store *s = k->s;
    struct large *pick = NULL;
    for (uint32_t i = 0; i < STORE_LARGE_MAX; i++) {
        struct large *g = &s->large[i];
        if (large_is(g, k)) {
            if (g->state == READ_BUSY) {
                store_wait(s, k->waiter, NULL);
                return ERR_AGAIN;
            }
            g->used = ++s->tick;
            *out = view_of(g->mem + k->pos % STORE_BLOCK, bytes);
            return g->error;
        }
        if (g->state != READ_BUSY && (!pick || g->used < pick->used))
            pick = g;
    }
    struct job *j =
        pick && !k->p->shut && store_job_room(s) ? store_job(s, JOB_LARGE, k->p, k->seg) : NULL;
    store_wait(s, k->waiter, NULL);
    if (!j)
        return ERR_AGAIN;
    free(pick->mem);
    uint64_t room = plog_round_block((uint64_t)bytes + STORE_BLOCK);
    *pick = (struct large){.log = k->p,
                           .serial = k->p->serial,
                           .used = ++s->tick,
                           .state = READ_BUSY,
                           .segment_serial = k->seg->serial,
                           .pos = k->pos,
                           .len = bytes};
    pick->mem = aligned_alloc(STORE_BLOCK, room);
    if (!pick->mem) {
        pick->state = READ_FREE;
        store_job_end(s, j);
        return ERR_LIMIT;
    }
    j->at = (uint32_t)(pick - s->large);
    store_job_open(s, j);
    return ERR_AGAIN;
}

/* Lends at least the header of the batch at k->pos, and the whole batch when `bytes` says its
 * length. */
static int
batch_view(struct seek *k, uint32_t bytes, struct view *out)
{
    struct store *s = k->s;
    uint64_t seq = store_tail_by_pos(s, k->p, k->seg, k->pos);
    if (seq) {
        const struct tail_entry *e = store_entry(s, seq);
        *out = view_of(journal_at(s->journal, e->place), e->len);
        return ERR_OK;
    }
    uint32_t want = bytes ? bytes : BATCH_HEADER_BYTES;
    if (k->pos + want > k->seg->written) /* of a log offline: the rest is in the journal only */
        return ERR_IO;
    if (want > store_read_least(s) - SUMS_PIECE)
        return large_view(k, want, out);
    struct read_buffer *b = store_buffer_find(s, k->p, k->seg, k->pos);
    if (b && b->state == READ_READY && store_buffer_error(b, k->pos) != ERR_OK)
        return b->error;
    if (b && b->state == READ_READY && b->pos + b->len - k->pos >= want) {
        *out = view_of(b->mem + (k->pos - b->pos), b->pos + b->len - k->pos);
        return ERR_OK;
    }
    if (!b || b->state == READ_READY)
        if (store_buffer_read(s, k->p, k->seg, k->pos, &b) != ERR_OK)
            b = NULL;
    store_wait(s, k->waiter, b);
    return ERR_AGAIN;
}

static bool
mark_is(const struct seek_mark *m, const struct seek *k)
{
    return m->used && m->serial == k->p->serial && m->segment_serial == k->seg->serial &&
           m->time_ms == k->time_ms;
}

/* The mark of this search; NULL: it left none. */
static struct seek_mark *
mark_find(const struct seek *k)
{
    for (uint32_t i = 0; i < STORE_MARKS_MAX; i++)
        if (mark_is(&k->s->marks[i], k))
            return &k->s->marks[i];
    return NULL;
}

/* Marks how far it got, in place of the oldest mark. */
static void
mark_leave(const struct seek *k)
{
    struct seek_mark *m = mark_find(k), *oldest = &k->s->marks[0];
    for (uint32_t i = 1; i < STORE_MARKS_MAX; i++)
        if (k->s->marks[i].used < oldest->used)
            oldest = &k->s->marks[i];
    *(m ? m : oldest) = (struct seek_mark){.serial = k->p->serial,
                                           .segment_serial = k->seg->serial,
                                           .used = ++k->s->tick,
                                           .time_ms = k->time_ms,
                                           .pos = k->pos};
}

/* Looks for the record from k->pos to the end of the segment. */
static int
seek_on(struct seek *k, bool largest, int64_t *offset, int64_t *timestamp_ms)
{
    while (k->pos < k->seg->bytes) {
        struct view v;
        struct batch_info info;
        int rc = batch_view(k, 0, &v);
        if (rc == ERR_OK)
            rc = batch_header(v, &info);
        if (rc != ERR_OK)
            return rc;
        if (info.bytes > k->seg->bytes - k->pos)
            return ERR_CORRUPT;
        if (info.base_offset >= k->p->hw)
            return ERR_NOT_FOUND;
        if (info.max_timestamp_ms >= k->time_ms &&
            info.base_offset + info.last_offset_delta >= k->p->start) {
            rc = batch_view(k, info.bytes, &v);
            if (rc != ERR_OK)
                return rc;
            v.len = info.bytes;
            rc = batch_find_time(v, largest ? INT64_MAX : k->time_ms, k->p->start, offset,
                                 timestamp_ms);
            if (rc != ERR_NOT_FOUND)
                return rc;
        }
        k->pos += info.bytes;
    }
    return ERR_NOT_FOUND;
}

/* Goes on where the same search had to wait. */
static int
seek_segment(struct seek *k, bool largest, int64_t *offset, int64_t *timestamp_ms)
{
    struct seek_mark *m = mark_find(k);
    if (m && m->pos > k->pos)
        k->pos = m->pos;
    int rc = seek_on(k, largest, offset, timestamp_ms);
    if (rc == ERR_AGAIN)
        mark_leave(k);
    else if (m)
        m->used = 0;
    return rc;
}

static int64_t
largest_time(const struct plog *p)
{
    int64_t most = INT64_MIN;
    for (uint32_t i = 0; i < p->segment_count; i++)
        if (p->segments[i]->bytes && p->segments[i]->max_ts > most)
            most = p->segments[i]->max_ts;
    return most;
}

int
store_find_time(struct store *s, struct plog *p, int64_t time_ms, uint64_t waiter, int64_t *offset,
                int64_t *timestamp_ms)
{
    bool largest = time_ms == STORE_TIME_MAX;
    struct seek k = {
        .s = s, .p = p, .waiter = waiter, .time_ms = largest ? largest_time(p) : time_ms};
    *offset = *timestamp_ms = -1;
    for (uint32_t i = 0; i < p->segment_count; i++) {
        k.seg = p->segments[i];
        if (k.seg->bytes == 0 || k.seg->max_ts < k.time_ms ||
            plog_segment_limit(p, k.seg) <= p->start)
            continue;
        if (k.seg->index_error != ERR_OK)
            return k.seg->index_error;
        if (k.seg->indexed_from) {
            store_index_begin(s, p, k.seg);
            store_wait(s, waiter, NULL);
            return ERR_AGAIN;
        }
        store_index_used(s, k.seg);
        int64_t x = index_by_time(&k.seg->idx, k.time_ms);
        k.pos = x < 0 ? 0 : index_get(&k.seg->idx, (uint32_t)x)->pos;
        int rc = seek_segment(&k, largest, offset, timestamp_ms);
        if (rc == ERR_OK && *offset >= p->hw)
            *offset = *timestamp_ms = -1;
        if (rc != ERR_NOT_FOUND)
            return rc;
    }
    *offset = *timestamp_ms = -1;
    return ERR_OK;
}
