/* store_prove.c: is a batch in a segment file what was written?  Asked before a response says that
 * it is coming.
 *
 * Small batches are checked when their buffer is read (store_cold.c).  One that lies across buffers
 * is looked at piece by piece, as its buffers come: only how far that got is kept, so it may be
 * larger than all of them.  While every buffer vouches for its bytes (sums of pieces) no more is
 * done; once one does not, the batch's own crc decides, from its front on again.  So damage to a
 * batch does not touch its neighbours, with whom it shares pieces: of them the crc of the parts at
 * both ends is kept, for buffers that have to be read again.
 *
 * I1 A proof is of bytes [pos, next); next == end: the batch was good.  A bad one is noted with the
 *    sums of its segment, and has no proof. */
#include "core/base/crc32c.h"
#include "core/base/err.h"
#include "core/store/store_in.h"

static bool
of_segment(const struct proof *x, const struct plog *p, const struct segment *seg)
{
    return x->used && x->serial == p->serial && x->segment_serial == seg->serial;
}

bool
store_buffer_clean(const struct read_buffer *b)
{
    return b && b->state == READ_READY && b->error == ERR_OK && b->summed;
}

/* Do the buffers that hold its front vouch for all of a batch? */
static bool
vouched(struct store *s, const struct plog *p, const struct segment *seg,
        const struct read_buffer *b, uint32_t pos, uint32_t end)
{
    bool hole = b->hole_to > pos && b->hole_from < end;
    if (pos >= b->whole_from && end <= b->whole_to && !hole)
        return true;
    if (!store_buffer_clean(b))
        return false;
    const struct read_buffer *next = b;
    if (end > b->pos + b->len)
        next = store_buffer_find(s, p, seg, b->pos + b->len);
    return store_buffer_clean(next) && end <= next->pos + next->len;
}

/* The same when its header is in memory, too; it is asked first, and mostly the answer. */
static bool
vouched_now(struct store *s, const struct plog *p, const struct segment *seg, uint32_t pos)
{
    struct batch_info info;
    struct read_buffer *b = store_buffer_find(s, p, seg, pos);
    if (!b || b->state != READ_READY || !b->filled || b->pos + b->len - pos < BATCH_HEADER_BYTES ||
        batch_header(view_of(b->mem + (pos - b->pos), BATCH_HEADER_BYTES), &info) != ERR_OK ||
        info.bytes > seg->written - pos || info.last_offset_delta < 0 ||
        !vouched(s, p, seg, b, pos, pos + info.bytes))
        return false;
    b->used = ++s->tick;
    return true;
}

/* The proof of a batch; NULL: none. */
static struct proof *
proof_find(struct store *s, const struct plog *p, const struct segment *seg, uint32_t pos)
{
    for (uint32_t i = 0; i < STORE_PROOFS_MAX; i++)
        if (of_segment(&s->proofs[i], p, seg) && s->proofs[i].pos == pos)
            return &s->proofs[i];
    return NULL;
}

/* What the crc does not cover: is the batch at `pos` the one that belongs there?  Where compaction
 * left gaps, the chain of offsets does not tell, and only those that the index has are known: it
 * must lie between them. */
static bool
known_offset(const struct plog *p, const struct segment *seg, uint32_t pos,
             const struct batch_info *info)
{
    int64_t i = index_by_pos(&seg->idx, pos);
    const struct index_entry *e = i < 0 ? NULL : index_get(&seg->idx, (uint32_t)i);
    int64_t from = e ? seg->base + (int64_t)e->rel : seg->base;
    if (e && e->pos == pos)
        return info->base_offset == from;
    if (!seg->gaps)
        return true;
    bool last = i + 1 >= seg->idx.count;
    int64_t limit = last ? plog_segment_limit(p, seg)
                         : seg->base + (int64_t)index_get(&seg->idx, (uint32_t)(i + 1))->rel;
    return info->base_offset >= from && info->base_offset + info->last_offset_delta < limit;
}

/* Begins one in place of the oldest. */
static struct proof *
proof_begin(struct store *s, const struct plog *p, const struct segment *seg, uint32_t pos,
            const struct batch_info *info)
{
    struct proof *oldest = &s->proofs[0];
    for (uint32_t i = 0; i < STORE_PROOFS_MAX; i++)
        if (s->proofs[i].used < oldest->used)
            oldest = &s->proofs[i];
    *oldest = (struct proof){.serial = p->serial,
                             .segment_serial = seg->serial,
                             .pos = pos,
                             .end = pos + info->bytes,
                             .next = pos,
                             .want = info->crc,
                             .known = known_offset(p, seg, pos, info)};
    return oldest;
}

/* Where its parts of pieces end, and begin: none at the front, or the back, when it has none. */
static uint32_t
head_limit(const struct proof *x)
{
    uint64_t at = ((uint64_t)x->pos + SUMS_PIECE - 1) / SUMS_PIECE * SUMS_PIECE;
    return at < x->end ? (uint32_t)at : x->end;
}

static uint32_t
tail_from(const struct proof *x)
{
    uint32_t at = x->end / SUMS_PIECE * SUMS_PIECE;
    return at > x->pos ? at : x->end;
}

/* Goes on with a crc of bytes [from, limit) through what b has of them from x->next up to `to`. */
static uint32_t
crc_part(const struct proof *x, const struct read_buffer *b, uint32_t to, uint32_t from,
         uint32_t limit, uint32_t crc)
{
    uint32_t first = x->next > from ? x->next : from;
    limit = to < limit ? to : limit;
    return first < limit ? crc32c(crc, b->mem + (first - b->pos), limit - first) : crc;
}

static void
proof_read(struct proof *x, const struct read_buffer *b)
{
    uint32_t to = b->pos + b->len < x->end ? b->pos + b->len : x->end;
    if (!x->by_crc && !store_buffer_clean(b)) {
        x->by_crc = true;
        x->next = x->pos; /* this buffer, or one that has to be read again */
        return;
    }
    if (x->by_crc) {
        x->crc = crc_part(x, b, to, x->pos + BATCH_AT_ATTRIBUTES, x->end, x->crc);
        x->head = crc_part(x, b, to, x->pos, head_limit(x), x->head);
        x->tail = crc_part(x, b, to, tail_from(x), x->end, x->tail);
    }
    x->next = to;
}

/* Looks at the bytes from x->next on as they come into memory. */
static int
proof_go_on(struct store *s, struct plog *p, struct segment *seg, struct proof *x,
            struct read_buffer **awaited)
{
    struct read_buffer *before = NULL;
    while (x->next < x->end) {
        struct read_buffer *b = store_buffer_find(s, p, seg, x->next);
        if (before)
            before->pins++;
        int rc = b ? ERR_OK : store_buffer_read(s, p, seg, x->next, &b);
        if (before)
            before->pins--;
        if (rc != ERR_OK || b->state == READ_BUSY) {
            *awaited = rc == ERR_OK ? b : NULL;
            return ERR_AGAIN;
        }
        b->used = ++s->tick;
        if (!b->filled) {
            rc = store_buffer_error(b, x->next);
            return rc == ERR_NOT_FOUND ? ERR_IO : rc; /* the file is gone */
        }
        proof_read(x, b);
        before = b;
    }
    return ERR_OK;
}

int
store_prove(struct store *s, struct plog *p, struct segment *seg, uint32_t pos,
            struct read_buffer **awaited)
{
    *awaited = NULL;
    if (sums_first_bad(&seg->sums, pos, pos + 1) != UINT32_MAX)
        return ERR_CORRUPT;
    if (vouched_now(s, p, seg, pos))
        return ERR_OK;
    struct proof *x = proof_find(s, p, seg, pos);
    if (!x) {
        struct batch_info info;
        int rc = store_header(s, p, seg, pos, &info);
        struct read_buffer *b = store_buffer_find(s, p, seg, pos);
        if (rc != ERR_OK) {
            *awaited = rc == ERR_AGAIN ? b : NULL;
            return rc;
        }
        must(b);
        if (info.bytes > seg->written - pos) /* of a log offline */
            return ERR_IO;
        if (vouched(s, p, seg, b, pos, pos + info.bytes))
            return ERR_OK;
        x = proof_begin(s, p, seg, pos, &info);
    }
    x->used = ++s->tick;
    int rc = proof_go_on(s, p, seg, x, awaited);
    if (rc == ERR_OK && x->by_crc && (x->crc != x->want || !x->known)) {
        store_damaged(s, p, seg, pos, x->end);
        x->used = 0;
        return ERR_CORRUPT;
    }
    return rc;
}

bool
store_proven_to(const struct store *s, const struct plog *p, const struct segment *seg, uint32_t at)
{
    for (uint32_t i = 0; i < STORE_PROOFS_MAX; i++) {
        const struct proof *x = &s->proofs[i];
        if (x->end == at && x->next == at && of_segment(x, p, seg))
            return true;
    }
    return false;
}

/* Are bytes [from, to) of b, a part of a piece or all of it, those of the batch that was good? */
static bool
part_same(const struct segment *seg, const struct proof *x, const struct read_buffer *b,
          uint32_t from, uint32_t to)
{
    const uint8_t *at = b->mem + (from - b->pos);
    if (to - from == SUMS_PIECE)
        return !b->summed || seg->sums.lost || sums_check(&seg->sums, from, at, SUMS_PIECE, 0);
    if (from == x->pos && to == head_limit(x))
        return crc32c(0, at, to - from) == x->head;
    return from == tail_from(x) && to == x->end && crc32c(0, at, to - from) == x->tail;
}

const struct proof *
store_proven(struct store *s, const struct plog *p, const struct segment *seg,
             const struct read_buffer *b, uint32_t at)
{
    struct proof *x = NULL;
    for (uint32_t i = 0; i < STORE_PROOFS_MAX && !x; i++) {
        struct proof *y = &s->proofs[i];
        if (of_segment(y, p, seg) && y->next == y->end && at >= y->pos && at < y->end)
            x = y;
    }
    if (!x || !b->filled)
        return NULL;
    uint32_t limit = b->pos + b->len < x->end ? b->pos + b->len : x->end;
    uint32_t from = b->pos > x->pos ? b->pos : x->pos;
    bool same = x->by_crc;
    while (same && from < limit) {
        uint64_t next = ((uint64_t)from / SUMS_PIECE + 1) * SUMS_PIECE;
        uint32_t to = next < limit ? (uint32_t)next : limit;
        same = part_same(seg, x, b, from, to);
        from = to;
    }
    if (same)
        return x;
    x->used = 0; /* damage came later: it is looked at anew */
    return NULL;
}
