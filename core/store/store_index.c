/* store_index.c: the index of a segment that was not written by this process, or not all of it.
 *
 * A sealed segment has a sidecar, which is read (store_sidecar.c), and so has a large one that was
 * active.  Without one, or with a damaged one, the file is walked once from its first byte: headers
 * give the index; the crc of each batch is checked; and the checksums of the pieces (sums.h) come
 * with it, so that from then on every byte that is read can be checked.  What was written behind
 * the sidecar of an active segment is walked alone.
 *
 * Walks take turns, and read in small slices while records are being appended: a log that has to
 * wait is called when one has ended, and asks again.
 *
 * I1 w->sums covers [0, w->pos), or what a sidecar knew.  I2 [w->begin, w->end) is the batch that
 * w->pos is in, or behind.  I3 A walk goes on from the last batch that the index of the sidecar
 * names; when it is not there the sidecar is of something else, and all is walked.
 * The walk ends at seg->written, which may grow meanwhile; write-back goes on from there.  Of what
 * a read brings counts what was written when it was asked for, and of that whole batches: the front
 * of one that is not all written (plog_in.h, I3) is taken from the cache. */
#include "core/base/buddy.h"
#include "core/base/crc32c.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/store/store_in.h"

#include <stdlib.h>

enum { WALK_DATA = JOB_OPENED + 1 };

struct walk {
    struct sums sums;
    uint32_t pos, begin, end, crc, want;
    uint32_t limit; /* what was written when the read under way was asked for */
    uint32_t known; /* I3: where it lies, and its offset; UINT32_MAX: there is none */
    int64_t known_offset;
};

/* ---- turns -------------------------------------------------------------------------------------
 */

/* False: the log is called later. */
static bool
walk_take(struct store *s, struct plog *p)
{
    if (s->walks < (store_calm(s) ? STORE_WALKS_MAX : STORE_WALKS_BESIDE)) {
        list_remove(&p->walk_node);
        s->walks++;
        return true;
    }
    if (list_empty(&p->walk_node))
        list_push_back(&s->unwalked, &p->walk_node);
    return false;
}

/* One that is called and does not come must not keep the others waiting. */
static void
walk_give(struct store *s, struct job *j)
{
    if (!j->walks)
        return;
    s->walks--;
    for (int i = 0; i < STORE_WALKS_CALLED && !list_empty(&s->unwalked); i++) {
        struct list *n = list_first(&s->unwalked);
        list_remove(n);
        store_log_changed(s, list_item(n, struct plog, walk_node));
    }
}

/* A later read tries again. */
static void
give_up(struct store *s, struct job *j)
{
    j->seg->index_busy = false;
    walk_give(s, j);
    store_index_free(j);
    store_job_end(s, j);
}

/* ---- begin and end -----------------------------------------------------------------------------
 */

void
store_index_begin(struct store *s, struct plog *p, struct segment *seg)
{
    if (seg->indexed_from == 0 || seg->index_busy || p->shut)
        return;
    if (!store_job_room(s)) {
        store_unread_add(s, p);
        return;
    }
    bool walks = !seg->sealed || seg->bare; /* mostly at least a part of it */
    if (walks && !walk_take(s, p))
        return;
    struct job *j = store_job(s, JOB_INDEX, p, seg); /* there is room */
    j->walks = walks;
    seg->index_busy = true;
    j->max_ts = INT64_MIN;
    j->idx.memory = s->slab;
    if (!seg->sidecar && store_sidecar_expected(s, seg, seg->indexed_from))
        store_sidecar_load(s, j);
    else
        store_index_walk(s, j, NULL);
}

void
store_index_used(struct store *s, struct segment *seg)
{
    if (!seg->sealed || !seg->sidecar)
        return;
    list_remove(&seg->used_node);
    list_push_back(&s->indexed, &seg->used_node);
    seg->used_ns = s->now_ns;
}

/* What the sidecar has, and nobody is in the middle of using. */
static bool
droppable(const struct store *s, const struct segment *seg)
{
    const struct plog *p = seg->log;
    bool quiet = seg->busy == 0 && !seg->index_busy && !seg->sidecar_busy && !p->held && !p->shut &&
                 !p->dead && p->state == PLOG_ONLINE && !(s->swap.under_way && s->swap.log == p);
    return quiet && seg->sidecar && seg->indexed_from == 0 && seg->written == seg->bytes &&
           seg->bytes > 0 && seg->sums.bad_count == 0 && plog_segment_at(p, seg->base) == seg;
}

void
store_index_evict(struct store *s)
{
    uint64_t most = buddy_total(s->slab) / 4 * 3;
    for (int i = 0; i < STORE_EVICTS && buddy_used(s->slab) > most; i++) {
        struct list *n = list_first(&s->indexed);
        struct segment *seg = n ? list_item(n, struct segment, used_node) : NULL;
        /* Who has it read must get to use it, however short memory is. */
        if (!seg || s->now_ns - seg->used_ns < STORE_INDEX_KEEP_NS)
            return;
        list_remove(n);
        if (!droppable(s, seg)) {
            store_index_used(s, seg);
            continue;
        }
        index_free(&seg->idx);
        sums_free(&seg->sums);
        seg->indexed_from = seg->bytes;
        seg->sidecar = false; /* not known to be good: it is read again */
        s->stats.indexes_dropped++;
    }
}

void
store_index_free(struct job *j)
{
    index_free(&j->idx);
    if (j->walk)
        sums_free(&j->walk->sums);
    free(j->walk);
    free(j->mem);
}

void
store_index_end(struct store *s, struct job *j, int error)
{
    struct segment *seg = j->seg;
    struct plog *p = j->log;
    seg->index_busy = false;
    walk_give(s, j);
    if (error == ERR_OK) {
        index_join(&seg->idx, &j->idx);
        seg->indexed_from = 0;
        store_index_used(s, seg);
    } else {
        seg->index_error = error;
        log_error("store", "no index partition=%d segment=%lld position=%u error=%s", p->partition,
                  (long long)seg->base, j->from, err_name(error));
    }
    store_index_free(j);
    store_wake(s, NULL);
    if (!p->dead)
        store_log_changed(s, p);
    store_job_end(s, j);
    store_sidecar_begin(s, p, seg); /* does nothing when it has one */
}

static void
walk_from(struct store *s, struct job *j, const struct sums *front)
{
    struct walk *w = j->walk;
    *w = (struct walk){.sums.memory = s->slab, .known = UINT32_MAX};
    if (!front)
        return;
    const struct index_entry *e = index_get(&j->idx, j->idx.count - 1);
    w->sums = *front;
    w->pos = w->begin = w->end = w->known = e->pos;
    w->known_offset = j->seg->base + (int64_t)e->rel;
}

/* True when it goes on, from the first byte: what the sidecar knows does not fit (I3). */
static bool
walk_anew(struct store *s, struct job *j)
{
    struct walk *w = j->walk;
    if (w->known == UINT32_MAX || w->pos != w->known)
        return false;
    log_warn("store",
             "a sidecar does not fit its segment, and is not used partition=%d segment=%lld",
             j->log->partition, (long long)j->seg->base);
    s->stats.sidecars_bad++;
    index_free(&j->idx);
    sums_free(&w->sums);
    j->max_ts = INT64_MIN;
    walk_from(s, j, NULL);
    return true;
}

void
store_index_walk(struct store *s, struct job *j, struct sums *front)
{
    bool turn = j->walks || walk_take(s, j->log);
    j->walks = turn;
    j->walk = turn ? calloc(1, sizeof *j->walk) : NULL;
    j->mem = turn ? aligned_alloc(STORE_BLOCK, STORE_READ_BYTES) : NULL;
    if (j->walk) {
        walk_from(s, j, front);
    } else if (front) {
        sums_free(front);
    }
    if (!j->walk || !j->mem) {
        give_up(s, j);
        return;
    }
    store_job_open(s, j);
}

/* Begins the batch at w->pos, whose header is there.  ERR_AGAIN: not all of it was written. */
static int
batch_begin(struct job *j, const uint8_t *at)
{
    const struct segment *seg = j->seg;
    struct walk *w = j->walk;
    struct batch_info info;
    uint32_t most = w->pos < seg->indexed_from ? seg->indexed_from : seg->bytes;
    if (batch_header(view_of(at, BATCH_HEADER_BYTES), &info) != ERR_OK ||
        info.base_offset < seg->base || info.bytes > most - w->pos ||
        (w->pos == w->known && info.base_offset != w->known_offset))
        return ERR_CORRUPT;
    if (info.bytes > w->limit - w->pos)
        return ERR_AGAIN;
    uint32_t count = j->idx.count;
    if (w->pos < seg->indexed_from &&
        (count == 0 || w->pos - index_get(&j->idx, count - 1)->pos >= PLOG_INDEX_SEALED / 4))
        index_add(&j->idx, (struct index_entry){.rel = (uint32_t)(info.base_offset - seg->base),
                                                .pos = w->pos,
                                                .max_ts = j->max_ts});
    if (info.max_timestamp_ms > j->max_ts)
        j->max_ts = info.max_timestamp_ms;
    w->begin = w->pos;
    w->end = w->pos + info.bytes;
    w->want = info.crc;
    w->crc = crc32c(0, at + BATCH_AT_ATTRIBUTES, BATCH_HEADER_BYTES - BATCH_AT_ATTRIBUTES);
    return ERR_OK;
}

/* The batch stays where it is, and is never lent. */
static void
batch_bad(struct store *s, const struct job *j)
{
    struct walk *w = j->walk;
    char path[PLOG_PATH_BYTES];
    plog_path_segment(j->log, j->seg->base, ".log", path);
    log_error("store", "damaged batch in a segment path=%s position=%u bytes=%u", path, w->begin,
              w->end - w->begin);
    s->stats.damaged++;
    sums_note_bad(&w->sums, w->begin, w->end);
}

/* With what of the bytes at pos they do not cover. */
static void
sums_go_on(struct sums *x, uint32_t pos, const uint8_t *at, uint32_t n)
{
    uint32_t skip = x->bytes > pos ? x->bytes - pos : 0;
    if (skip < n)
        sums_add(x, at + skip, n - skip);
}

/* Goes on through the piece in memory, bytes [start, limit) of the segment. */
static int
walk_piece(struct store *s, struct job *j, uint32_t start, uint32_t limit)
{
    struct walk *w = j->walk;
    while (w->pos < limit) {
        const uint8_t *at = j->mem + (w->pos - start);
        uint32_t n = BATCH_HEADER_BYTES;
        if (w->pos == w->end) {
            int rc = limit - w->pos < BATCH_HEADER_BYTES ? ERR_AGAIN : batch_begin(j, at);
            if (rc != ERR_OK)
                return rc == ERR_AGAIN ? ERR_OK : rc;
        } else {
            n = (limit < w->end ? limit : w->end) - w->pos;
            w->crc = crc32c(w->crc, at, n);
        }
        sums_go_on(&w->sums, w->pos, at, n);
        w->pos += n;
        if (w->pos == w->end && w->crc != w->want)
            batch_bad(s, j);
    }
    return ERR_OK;
}

/* The front of a batch that write-back has not written to its end.  True: nothing is left to walk.
 * A log that is offline has lost such a batch from its cache, or will; its sums end before it. */
static bool
rest_take(struct store *s, struct job *j)
{
    const struct segment *seg = j->seg;
    struct walk *w = j->walk;
    if (w->pos == seg->written)
        return true;
    uint64_t seq = w->pos == w->end ? store_tail_by_pos(s, j->log, seg, w->pos) : 0;
    const struct tail_entry *e = store_entry(s, seq);
    if (!e || e->pos != w->pos || e->len <= seg->written - w->pos)
        return w->pos == w->end && w->limit == seg->written && j->log->state == PLOG_OFFLINE &&
               w->pos >= seg->indexed_from;
    sums_go_on(&w->sums, w->pos, journal_at(s->journal, e->place), seg->written - w->pos);
    w->pos = seg->written;
    return true;
}

/* Goes through what a read brought; *through: there is no more. */
static int
walk_read(struct store *s, struct job *j, uint32_t start, bool *through)
{
    struct walk *w = j->walk;
    uint32_t before = w->pos, limit = start + (uint32_t)j->result;
    bool early = limit < w->limit;
    int rc = walk_piece(s, j, start, early ? limit : w->limit);
    j->from = w->pos;
    *through = false;
    if (rc != ERR_OK || j->log->dead)
        return rc;
    if (w->pos == before && early)
        return ERR_CORRUPT; /* the file ends there */
    *through = rest_take(s, j);
    return *through || w->pos != before || w->limit != j->seg->written ? ERR_OK : ERR_CORRUPT;
}

static void
walk_end(struct store *s, struct job *j)
{
    struct segment *seg = j->seg;
    sums_free(&seg->sums);
    seg->sums = j->walk->sums;
    j->walk->sums = (struct sums){.memory = s->slab};
    store_index_end(s, j, ERR_OK);
}

void
store_index_next(struct store *s, struct job *j)
{
    struct walk *w = j->walk;
    if (j->step < JOB_OPENED && !w) {
        store_sidecar_loaded(s, j);
        return;
    }
    if (j->result < 0) {
        store_index_end(s, j, (int)j->result);
        return;
    }
    uint32_t start = w->pos / STORE_BLOCK * STORE_BLOCK;
    if (j->step == WALK_DATA) {
        bool through;
        int rc = walk_read(s, j, start, &through);
        if (rc == ERR_CORRUPT && walk_anew(s, j))
            rc = ERR_OK;
        if (rc != ERR_OK || j->log->dead) {
            store_index_end(s, j, rc);
            return;
        }
        if (through) {
            walk_end(s, j);
            return;
        }
        start = w->pos / STORE_BLOCK * STORE_BLOCK;
    }
    w->limit = j->seg->written;
    j->step = WALK_DATA;
    store_job_run(s, j,
                  &(struct disk_op){.kind = DISK_READ,
                                    .file = j->seg->file,
                                    .at = j->mem,
                                    .len = store_calm(s) ? STORE_READ_BYTES : STORE_SLICE_BESIDE,
                                    .offset = start});
}
