/* fill.c: see fill.h.
 *
 * I1 The cuts of a batch follow from its position and its length alone. */
#include "core/store/fill.h"

#include "core/base/crc32c.h"
#include "core/store/plog_in.h"
#include "core/wire/batch.h"

static uint32_t
cut_first(uint32_t pos)
{
    return (uint32_t)plog_round_block((uint64_t)pos + BATCH_HEADER_BYTES);
}

static uint32_t
cut_limit(uint32_t pos, uint32_t len)
{
    return (pos + len) / FILL_BLOCK * FILL_BLOCK;
}

/* The cut behind one that is before the limit. */
static uint32_t
cut_next(uint32_t cut, uint32_t limit)
{
    uint32_t next = (cut / SUMS_PIECE + 1) * SUMS_PIECE;
    return next < limit ? next : limit;
}

/* Whether a piece begins there. */
static bool
is_piece(const struct fill *f, uint32_t at)
{
    return f->ring && f->pos + at >= cut_first(f->pos) && f->pos + at < cut_limit(f->pos, f->len);
}

static uint32_t
stretch_end(const struct fill *f, uint32_t at)
{
    uint32_t first = cut_first(f->pos), limit = cut_limit(f->pos, f->len);
    if (is_piece(f, at))
        return cut_next(f->pos + at, limit) - f->pos;
    return f->ring && first < limit && f->pos + at < first ? first - f->pos : f->len;
}

static void
stretch_over(struct fill *f)
{
    if (f->since > 0) /* what comes before the attributes no crc of Kafka's covers */
        f->crc = crc32c_combine(f->crc, f->run, f->next - f->since);
    if (is_piece(f, f->since)) {
        must(f->count < f->ring->room);
        f->ring->at[(f->ring->next + f->count++) % f->ring->room] = f->run;
    }
    f->run = 0;
    f->since = f->next;
    f->next = stretch_end(f, f->since);
}

void
fill_begin(struct fill *f, struct fill_ring *ring, uint8_t *to, uint32_t pos, uint32_t len)
{
    must(len >= BATCH_HEADER_BYTES);
    *f = (struct fill){.to = to, .pos = pos, .len = len, .next = BATCH_AT_ATTRIBUTES, .ring = ring};
}

void
fill_add(struct fill *f, const void *from, uint32_t n)
{
    must(n <= f->len - f->done);
    for (const uint8_t *at = from; n;) {
        uint32_t part = f->next - f->done;
        part = part < n ? part : n;
        f->run = crc32c_copy(f->run, f->to + f->done, at, part);
        f->done += part;
        at += part;
        n -= part;
        if (f->done == f->next)
            stretch_over(f);
    }
}

uint32_t
fill_crc(const struct fill *f)
{
    must(f->done == f->len);
    return f->crc;
}

uint32_t
fill_blocks_crc(const struct fill *f, uint32_t from, uint32_t limit)
{
    must(f->done == f->len && from >= f->pos && limit <= f->pos + f->len);
    if (f->count == 0)
        return crc32c(0, f->to + (from - f->pos), limit - from);
    uint32_t cut = cut_first(f->pos);
    must(from <= cut && limit == cut_limit(f->pos, f->len));
    uint32_t crc = crc32c(0, f->to + (from - f->pos), cut - from);
    for (uint32_t i = 0, next; i < f->count; i++, cut = next) {
        next = cut_next(cut, limit);
        crc = crc32c_combine(crc, f->ring->at[(f->ring->next + i) % f->ring->room], next - cut);
    }
    return crc;
}

uint32_t
fill_keep(struct fill *f)
{
    if (f->count == 0)
        return 0;
    uint32_t number = f->ring->next + 1;
    f->ring->next = (f->ring->next + f->count) % f->ring->room;
    f->count = 0;
    return number;
}

void
fill_sum(const struct fill_ring *ring, const struct fill_batch *b, uint32_t from, uint32_t to,
         struct sums *sums)
{
    must(from >= b->pos && from <= to && to <= b->pos + b->len);
    uint32_t limit = cut_limit(b->pos, b->len), cut = b->pieces ? cut_first(b->pos) : limit;
    if (from < cut) {
        uint32_t n = (cut < to ? cut : to) - from;
        sums_add(sums, b->at + (from - b->pos), n);
        from += n;
    }
    for (uint32_t i = b->pieces - 1, next; from < to && cut < limit; i++, cut = next) {
        next = cut_next(cut, limit);
        if (cut == from && next <= to) {
            sums_add_crc(sums, ring->at[i % ring->room], next - cut);
            from = next;
        }
    }
    sums_add(sums, b->at + (from - b->pos), to - from);
}
