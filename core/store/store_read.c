/* store_read.c: finding batches and mapping them into memory.
 *
 * What the tail map knows is served from the arena; everything else lies in a segment file
 * (store_tail entries go only when their batch is written), is found by the sparse index and read
 * through read buffers (store_cold.c). */
#include "core/base/err.h"
#include "core/store/store_in.h"

/* ---- the tail map ------------------------------------------------------------------------------
 */

/* Where to begin a walk along the entries of a log: at an index entry's batch when it is cached,
 * else at the oldest cached batch, which then lies behind it. */
static uint64_t
walk_start(const struct store *s, const struct plog *p, const struct segment *seg, int64_t i)
{
    if (i >= 0) {
        const struct index_entry *x = index_get(&seg->idx, (uint32_t)i);
        const struct tail_entry *e = store_entry(s, x->tail_seq);
        if (e && e->slot == p->slot && e->base == seg->base + (int64_t)x->rel)
            return x->tail_seq;
    }
    return p->tail_first;
}

uint64_t
store_tail_by_offset(const struct store *s, const struct plog *p, const struct segment *seg,
                     int64_t offset)
{
    const struct tail_entry *e = store_entry(s, p->tail_first);
    if (!e || offset < e->base)
        return 0;
    uint64_t seq = walk_start(s, p, seg, index_by_rel(&seg->idx, (uint32_t)(offset - seg->base)));
    while ((e = store_entry(s, seq)) && e->base <= offset) {
        if (offset < e->base + e->span)
            return seq;
        seq = e->next;
    }
    return 0;
}

uint64_t
store_tail_by_pos(const struct store *s, const struct plog *p, const struct segment *seg,
                  uint32_t pos)
{
    uint64_t seq = walk_start(s, p, seg, index_by_pos(&seg->idx, pos));
    int64_t limit = plog_segment_limit(p, seg);
    const struct tail_entry *e;
    while ((e = store_entry(s, seq)) && e->base < limit) {
        if (e->base >= seg->base) {
            if (e->pos > pos)
                return 0;
            if (pos - e->pos < e->len)
                return seq;
        }
        seq = e->next;
    }
    return 0;
}

/* ---- locate ------------------------------------------------------------------------------------
 */

struct want {
    int64_t limit;
    uint32_t bytes_max;
    bool at_least_one;
};

/* The last index entry at or before position `most` whose offset is not beyond the limit. */
static const struct index_entry *
index_end(const struct segment *seg, uint64_t most, int64_t limit)
{
    uint64_t rel = (uint64_t)(limit - seg->base);
    int64_t i = index_by_pos(&seg->idx, most > UINT32_MAX ? UINT32_MAX : (uint32_t)most);
    int64_t k = index_by_rel(&seg->idx, rel > UINT32_MAX ? UINT32_MAX : (uint32_t)rel);
    i = i < k ? i : k;
    return i < 0 ? NULL : index_get(&seg->idx, (uint32_t)i);
}

static void
locate_cached(const struct store *s, const struct plog *p, const struct segment *seg, uint64_t seq,
              const struct want *want, struct store_range *out)
{
    const struct tail_entry *e = store_entry(s, seq);
    int64_t segment_limit = plog_segment_limit(p, seg);
    out->at = e->pos;
    out->offset_first = out->offset_limit = e->base;
    const struct index_entry *far = index_end(seg, (uint64_t)e->pos + want->bytes_max, want->limit);
    const struct tail_entry *jump = far && far->pos > e->pos ? store_entry(s, far->tail_seq) : NULL;
    if (jump && jump->slot == p->slot && jump->base == seg->base + (int64_t)far->rel) {
        out->len = jump->pos - out->at;
        out->offset_limit = jump->base;
        seq = far->tail_seq;
    }
    while ((e = store_entry(s, seq)) && e->base < segment_limit &&
           e->base + e->span <= want->limit) {
        uint64_t len = (uint64_t)out->len + e->len;
        if (len > want->bytes_max && !(out->len == 0 && want->at_least_one))
            break;
        out->len = (uint32_t)len;
        out->offset_limit = e->base + e->span;
        seq = e->next;
    }
}

int
store_header(struct store *s, struct plog *p, struct segment *seg, uint32_t pos,
             struct batch_info *info)
{
    if (pos >= seg->written || seg->written - pos < BATCH_HEADER_BYTES)
        return ERR_IO; /* of a log offline: in the journal only */
    struct read_buffer *b = store_buffer_find(s, p, seg, pos);
    /* Also a bad one may lead on to good ones: whether they are is asked before they are lent. */
    if (b && b->state == READ_READY && !b->filled && store_buffer_error(b, pos) != ERR_OK)
        return b->error == ERR_NOT_FOUND ? ERR_IO : b->error; /* the file is gone */
    if (b && b->state == READ_BUSY)
        return ERR_AGAIN;
    if (!b || b->pos + b->len - pos < BATCH_HEADER_BYTES) {
        int rc = store_buffer_read(s, p, seg, pos, &b);
        (void)rc; /* none free: when one is, the log is called */
        return ERR_AGAIN;
    }
    b->used = ++s->tick;
    if (batch_header(view_of(b->mem + (pos - b->pos), BATCH_HEADER_BYTES), info) != ERR_OK ||
        info->bytes > seg->bytes - pos || info->last_offset_delta < 0)
        return ERR_CORRUPT;
    return ERR_OK;
}

/* Walks batch headers on from a boundary to the batch that holds `offset`, or to the first behind
 * it where compaction left none; ERR_NOT_FOUND: no such one in this segment. */
static int
find_cold(struct store *s, struct plog *p, struct segment *seg, int64_t offset,
          struct store_range *out)
{
    int64_t i = index_by_rel(&seg->idx, (uint32_t)(offset - seg->base));
    if (seg->indexed_from) /* without the sums of the whole file nothing of it is lent */
        return ERR_AGAIN;
    store_index_used(s, seg);
    struct index_entry none = {0};
    const struct index_entry *x = i < 0 ? &none : index_get(&seg->idx, (uint32_t)i);
    int64_t base = seg->base + (int64_t)x->rel;
    uint32_t pos = x->pos;
    while (base != offset) {
        struct batch_info info;
        int rc = store_header(s, p, seg, pos, &info);
        if (rc != ERR_OK)
            return rc;
        if (info.base_offset < base || (info.base_offset > offset && !seg->gaps))
            return ERR_CORRUPT;
        base = info.base_offset;
        if (offset <= base + info.last_offset_delta)
            break; /* in it, or in a gap before it */
        base += info.last_offset_delta + 1;
        pos += info.bytes;
        if (pos >= seg->bytes)
            return seg->gaps ? ERR_NOT_FOUND : ERR_CORRUPT;
    }
    out->at = pos;
    out->offset_first = out->offset_limit = base;
    return ERR_OK;
}

/* Extends a range by index entries as far as they reach; by headers when that is not one batch. */
static int
extend_cold(struct store *s, struct plog *p, struct segment *seg, const struct want *want,
            struct store_range *out)
{
    const struct index_entry *far =
        index_end(seg, (uint64_t)out->at + want->bytes_max, want->limit);
    int64_t segment_limit = plog_segment_limit(p, seg);
    if (segment_limit <= want->limit && seg->bytes - out->at <= want->bytes_max) {
        out->len = seg->bytes - out->at;
        out->offset_limit = segment_limit;
        return ERR_OK;
    }
    if (far && far->pos > out->at) {
        out->len = far->pos - out->at;
        out->offset_limit = seg->base + (int64_t)far->rel;
        return ERR_OK;
    }
    while (out->at + out->len + BATCH_HEADER_BYTES <= seg->written &&
           (out->len == 0 || out->len < want->bytes_max)) {
        struct batch_info info;
        int rc = store_header(s, p, seg, out->at + out->len, &info);
        if (rc != ERR_OK)
            return rc == ERR_AGAIN && out->len ? ERR_OK : rc;
        int64_t limit = info.base_offset + info.last_offset_delta + 1;
        if (info.base_offset < out->offset_limit || limit > segment_limit)
            return out->len ? ERR_OK : ERR_CORRUPT;
        uint64_t len = (uint64_t)out->len + info.bytes;
        if (limit > want->limit ||
            (len > want->bytes_max && !(out->len == 0 && want->at_least_one)))
            break;
        out->len = (uint32_t)len;
        out->offset_limit = limit;
    }
    return ERR_OK;
}

/* Ends a range with the last batch in front of damage that is known; ERR_CORRUPT: there is none. */
static int
cut_damage(struct store *s, struct plog *p, struct segment *seg, struct store_range *out)
{
    uint32_t bad = sums_first_bad(&seg->sums, out->at, out->at + out->len);
    if (bad == UINT32_MAX)
        return ERR_OK;
    int64_t i = index_by_pos(&seg->idx, bad), limit = out->offset_first;
    uint32_t pos = out->at;
    if (i >= 0 && index_get(&seg->idx, (uint32_t)i)->pos > pos) {
        pos = index_get(&seg->idx, (uint32_t)i)->pos;
        limit = seg->base + (int64_t)index_get(&seg->idx, (uint32_t)i)->rel;
    }
    int rc = ERR_OK;
    while (rc == ERR_OK && pos < bad) {
        struct batch_info info;
        rc = store_header(s, p, seg, pos, &info);
        if (rc != ERR_OK || info.bytes > bad - pos)
            break;
        pos += info.bytes;
        limit = info.base_offset + info.last_offset_delta + 1;
    }
    out->len = pos - out->at;
    out->offset_limit = limit;
    return out->len ? ERR_OK : rc == ERR_AGAIN ? ERR_AGAIN : ERR_CORRUPT;
}

/* Where to begin a read for a position: at an index entry, from which on batches can be checked,
 * unless that is far in front of it. */
static uint32_t
cold_start(const struct store *s, const struct segment *seg, uint32_t pos)
{
    int64_t i = index_by_pos(&seg->idx, pos);
    uint32_t at = i < 0 ? pos : index_get(&seg->idx, (uint32_t)i)->pos;
    uint32_t least = store_read_least(s), from = at / SUMS_PIECE * SUMS_PIECE;
    return pos - at > least / 2 || pos - from >= least ? pos : at;
}

/* The buffer that goes on where b ends; NULL: none. */
static struct read_buffer *
following(struct store *s, const struct plog *p, const struct segment *seg,
          const struct read_buffer *b)
{
    return store_buffer_find(s, p, seg, b->pos + b->len);
}

/* May a read begin that nobody waits for yet, the n-th of one reader?  Half of the buffers are left
 * to what is needed now; of the rest each reader gets the less the more of them there are.  A log
 * that was refused one goes first. */
static bool
ahead_allowed(const struct store *s, const struct plog *p, uint32_t n)
{
    uint32_t count = store_buffers_ahead(s), all = s->config.read_buffers;
    return count < all / 2 && count + 2 * n < all && store_read_allowed(s) &&
           list_empty(&s->unread) && (s->unread_turn == NULL || s->unread_turn == p);
}

/* Up to where a reader of the range will want the file: one that goes on where another hold ended
 * is taken to go on behind the range too, so that its next request finds bytes in memory. */
static uint32_t
ahead_limit(struct store *s, const struct store_range *range, const struct segment *seg)
{
    const struct read_buffer *before =
        range->at ? store_buffer_find(s, range->log, seg, range->at - 1) : NULL;
    bool goes_on = before && before->lent_to == range->at;
    uint32_t limit = range->at + range->len;
    return goes_on || limit > seg->written ? seg->written : limit;
}

/* Begins to read what comes behind buffer b: one that catches up does not wait for the disk piece
 * by piece. */
static void
read_ahead(struct store *s, const struct store_range *range, struct segment *seg,
           struct read_buffer *b)
{
    struct plog *p = range->log;
    uint32_t limit = ahead_limit(s, range, seg);
    for (uint32_t n = 0; n < STORE_AHEAD && b->pos + b->len < limit; n++) {
        uint32_t pos = b->pos + b->len;
        struct read_buffer *next = following(s, p, seg, b);
        if (!next) {
            if (!ahead_allowed(s, p, n) || store_tail_by_pos(s, p, seg, pos) ||
                store_buffer_read(s, p, seg, pos, &next))
                return;
            next->ahead = true;
        }
        b = next;
    }
}

/* The same, with b kept from being taken for it. */
static void
read_on(struct store *s, const struct store_range *range, struct segment *seg,
        struct read_buffer *b)
{
    b->pins++;
    read_ahead(s, range, seg, b);
    b->pins--;
}

/* Where the front of a range is damaged, or cannot be read, that is the answer: once a response has
 * begun, its records can only end early.  ERR_AGAIN: it is being read, and as much behind it as
 * will be wanted. */
static int
front_check(struct store *s, struct plog *p, struct segment *seg, const struct store_range *out)
{
    struct read_buffer *awaited = NULL;
    int rc = out->len ? store_prove(s, p, seg, out->at, &awaited) : ERR_OK;
    if (awaited)
        read_on(s, out, seg, awaited);
    return rc;
}

static int
locate_in(struct store *s, struct plog *p, struct segment *seg, int64_t offset,
          const struct want *want, struct store_range *out)
{
    out->segment_base = seg->base;
    out->segment_serial = seg->serial;
    uint64_t seq = store_tail_by_offset(s, p, seg, offset);
    if (seq) {
        locate_cached(s, p, seg, seq, want, out);
        return ERR_OK;
    }
    if (seg->index_error != ERR_OK)
        return seg->index_error;
    int rc = find_cold(s, p, seg, offset, out);
    if (rc == ERR_OK)
        rc = extend_cold(s, p, seg, want, out);
    if (rc == ERR_OK)
        rc = front_check(s, p, seg, out);
    if (rc == ERR_OK && seg->sums.bad_count)
        rc = cut_damage(s, p, seg, out);
    if (rc == ERR_AGAIN)
        store_index_begin(s, p, seg);
    return rc;
}

int
store_locate(struct store *s, struct plog *p, int64_t offset, int64_t offset_limit,
             uint32_t bytes_max, bool at_least_one, struct store_range *out)
{
    *out = (struct store_range){
        .log = p, .log_serial = p->serial, .offset_first = offset, .offset_limit = offset};
    if (offset < p->start || offset > p->end)
        return ERR_NOT_FOUND;
    struct want want = {offset_limit < p->hw ? offset_limit : p->hw, bytes_max, at_least_one};
    struct segment *seg = offset < want.limit ? plog_segment_of(p, offset) : NULL;
    int rc = seg ? locate_in(s, p, seg, offset, &want, out) : ERR_OK;
    while (rc == ERR_NOT_FOUND && seg) { /* in the gap at the end of a cleaned segment */
        offset = plog_segment_limit(p, seg);
        seg = offset < want.limit ? plog_segment_of(p, offset) : NULL;
        rc = seg ? locate_in(s, p, seg, offset, &want, out) : ERR_OK;
    }
    return rc;
}

/* ---- hold --------------------------------------------------------------------------------------
 */

static void
hold_cached(struct store *s, const struct store_range *range, int64_t segment_limit, uint64_t seq,
            struct store_hold *out)
{
    uint32_t pos = range->at;
    uint64_t slabs = 0;
    const struct tail_entry *e;
    while (out->span_count < STORE_SPANS_MAX && out->bytes < range->len &&
           (e = store_entry(s, seq)) && e->base < segment_limit) {
        uint32_t skip = pos - e->pos, n = e->len - skip;
        if (n > range->len - out->bytes)
            n = range->len - out->bytes;
        out->spans[out->span_count++] = view_of(journal_at(s->journal, e->place) + skip, n);
        slabs |= journal_slabs(s->journal, e->place + skip, n);
        out->bytes += n;
        pos += n;
        seq = e->next;
    }
    journal_pin(s->journal, slabs);
    out->whole = true; /* entries, and the range, are of whole batches */
    out->pin = NULL;
    out->pin_slabs = slabs;
    s->stats.cache_reads++;
}

/* May more be lent than the whole batches of a buffer: is the rest of the one that it ends within
 * in memory too, and good?  Then no error will be found within it. */
static bool
goes_on_well(struct store *s, const struct plog *p, const struct segment *seg,
             const struct read_buffer *b)
{
    struct batch_info info;
    const struct read_buffer *next = following(s, p, seg, b);
    uint32_t left = b->pos + b->len - b->whole_to;
    return store_buffer_clean(b) && store_buffer_clean(next) && left >= BATCH_HEADER_BYTES &&
           batch_header(view_of(b->mem + (b->whole_to - b->pos), left), &info) == ERR_OK &&
           info.bytes <= left + next->len;
}

/* Lends from buffer b, which is ready; up to a batch's end, unless the rest of the batch that b
 * ends within is there too. */
static int
lend(struct store *s, const struct store_range *range, const struct segment *seg,
     struct read_buffer *b, struct store_hold *out)
{
    uint32_t limit = b->pos + b->len, end = b->whole_to;
    bool bad = b->error != ERR_OK && (range->at < b->good_from || range->at >= b->good_to ||
                                      (range->at >= b->hole_from && range->at < b->hole_to));
    b->used = ++s->tick;
    if (bad) {
        const struct proof *x = store_proven(s, range->log, seg, b, range->at);
        if (!x)
            return store_buffer_error(b, range->at);
        end = x->end;
        limit = end < limit ? end : limit;
    } else {
        limit = b->error == ERR_OK ? limit : b->good_to;
        if (end > range->at && end < limit && !goes_on_well(s, range->log, seg, b))
            limit = end; /* the next piece then begins with a whole batch */
        if (range->at < b->hole_from && b->hole_from < limit)
            limit = end = b->hole_from;
    }
    uint32_t n = limit - range->at < range->len ? limit - range->at : range->len;
    out->spans[0] = view_of(b->mem + (range->at - b->pos), n);
    out->span_count = 1;
    out->bytes = n;
    out->whole = n == range->len || range->at + n == end;
    out->pin = b;
    s->buffers_lent += b->pins++ == 0;
    b->lent_to = range->at + n;
    b->ahead = false;
    s->stats.cold_reads++;
    return ERR_OK;
}

/* Is `at` known to be where a batch begins? */
static bool
begins(const struct store *s, const struct plog *p, const struct segment *seg,
       const struct read_buffer *b, uint32_t at)
{
    int64_t i = index_by_pos(&seg->idx, at);
    return (at == b->whole_to && at > b->pos) ||
           (i >= 0 && index_get(&seg->idx, (uint32_t)i)->pos == at) ||
           (!store_buffer_clean(b) && store_proven_to(s, p, seg, at));
}

/* ERR_AGAIN: *awaited is the buffer to wait for, or NULL: any. */
static int
hold_cold(struct store *s, const struct store_range *range, struct segment *seg,
          struct read_buffer **awaited, struct store_hold *out)
{
    struct plog *p = range->log;
    *awaited = NULL;
    if (range->at >= seg->written) /* of a log offline: in the journal only */
        return ERR_IO;
    if (seg->index_error != ERR_OK)
        return seg->index_error;
    if (seg->indexed_from) { /* it was found in the cache, and has left it */
        store_index_begin(s, p, seg);
        return ERR_AGAIN;
    }
    struct read_buffer *b = store_buffer_find(s, p, seg, range->at);
    if (!b && store_buffer_read(s, p, seg, cold_start(s, seg, range->at), &b) != ERR_OK)
        b = NULL;
    if (b)
        read_on(s, range, seg, b);
    int rc = ERR_AGAIN;
    if (b && b->state == READ_READY) {
        b->pins++;
        rc = begins(s, p, seg, b, range->at) ? store_prove(s, p, seg, range->at, awaited) : ERR_OK;
        b->pins--;
    } else {
        *awaited = b;
    }
    return rc == ERR_OK ? lend(s, range, seg, b, out) : rc;
}

/* Holds what is in the tail cache.  ERR_AGAIN: the range begins elsewhere; *cold is its segment. */
static int
hold_tail(struct store *s, const struct store_range *range, struct store_hold *out,
          struct segment **cold)
{
    out->span_count = out->bytes = 0;
    out->whole = false;
    out->pin = NULL;
    out->pin_slabs = 0;
    struct plog *p = range->log;
    if (!p->used || p->dead || p->serial != range->log_serial)
        return ERR_NOT_FOUND;
    struct segment *seg = plog_segment_at(p, range->segment_base);
    bool retired = !seg || seg->serial != range->segment_serial;
    if (retired)
        seg = store_swap_retired(s, p, range->segment_serial);
    if (!seg)
        return ERR_NOT_FOUND;
    if (range->len == 0)
        return ERR_OK;
    must(range->at < seg->bytes && range->len <= seg->bytes - range->at);
    uint64_t seq = retired ? 0 : store_tail_by_pos(s, p, seg, range->at);
    *cold = seg;
    if (!seq)
        return ERR_AGAIN;
    hold_cached(s, range, plog_segment_limit(p, seg), seq, out);
    return ERR_OK;
}

int
store_hold(struct store *s, const struct store_range *range, uint64_t waiter,
           struct store_hold *out)
{
    struct segment *cold;
    struct read_buffer *awaited;
    int rc = hold_tail(s, range, out, &cold);
    if (rc != ERR_AGAIN)
        return rc;
    rc = hold_cold(s, range, cold, &awaited, out);
    if (rc == ERR_AGAIN)
        store_wait(s, waiter, awaited);
    return rc;
}

/* Is the front of a range in a read buffer that may be lent before anybody sends it?  Half of the
 * buffers are left to those who do. */
static bool
may_lend_now(struct store *s, const struct store_range *range, const struct segment *seg)
{
    const struct read_buffer *b = store_buffer_find(s, range->log, seg, range->at);
    return b && b->state == READ_READY && seg->index_error == ERR_OK && !seg->indexed_from &&
           (b->pins || s->buffers_lent < s->config.read_buffers / 2);
}

int
store_hold_ready(struct store *s, const struct store_range *range, bool files,
                 struct store_hold *out)
{
    struct segment *cold;
    struct read_buffer *awaited;
    int rc = hold_tail(s, range, out, &cold);
    if (rc == ERR_AGAIN && files && may_lend_now(s, range, cold))
        rc = hold_cold(s, range, cold, &awaited, out);
    return rc;
}

void
store_release(struct store *s, struct store_hold *hold)
{
    if (hold->pin) {
        struct read_buffer *b = hold->pin;
        must(b->pins > 0);
        if (--b->pins == 0) {
            s->buffers_lent--;
            store_unread_call(s);
            store_wake(s, NULL); /* who waits for any buffer */
        }
    } else if (hold->pin_slabs) {
        journal_unpin(s->journal, hold->pin_slabs);
    }
    hold->pin = NULL;
    hold->pin_slabs = 0;
    hold->span_count = hold->bytes = 0;
}

bool
store_lent_short(const struct store *s)
{
    return s->buffers_lent > s->config.read_buffers / 4 * 3 || journal_pins_short(s->journal);
}
