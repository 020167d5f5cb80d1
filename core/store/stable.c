/* stable.c: transactions of one log by offset, in two sorted arrays.
 *
 * A transaction begins behind all others, so txns grows at its end.  It leaves when its marker is
 * durable; in front at once, elsewhere when room is short.  So the array holds no more than twice
 * what is open or not durable, and each step costs a constant on average.
 *
 * Checkpoint form: u32 count, then per aborted transaction i64 producer id, first offset, offset of
 * the marker, last stable offset; u32 crc-32c of all that. */
#include "core/store/stable.h"

#include "core/base/crc32c.h"
#include "core/base/err.h"

#include <stdlib.h>

enum { STABLE_FIRST_ROOM = 4, STABLE_SAVED_BYTES = 32 };

void
stable_init(struct stable *b)
{
    *b = (struct stable){0};
}

void
stable_free(struct stable *b)
{
    free(b->txns);
    free(b->aborted);
    *b = (struct stable){0};
}

/* Drops what is ended and below `durable`, wherever it stands. */
static void
squeeze(struct stable *b, int64_t durable)
{
    uint32_t to = 0;
    for (uint32_t i = b->from; i < b->limit; i++) {
        const struct stable_txn *t = &b->txns[i];
        if (t->last < 0 || t->last >= durable)
            b->txns[to++] = *t;
    }
    b->from = 0;
    b->limit = to;
}

static int
reserve_txn(struct stable *b)
{
    if (b->limit < b->txn_room)
        return ERR_OK;
    squeeze(b, b->durable);
    if (b->limit <= b->txn_room / 2 && b->limit < b->txn_room)
        return ERR_OK;
    uint32_t room = b->txn_room ? b->txn_room * 2 : STABLE_FIRST_ROOM;
    struct stable_txn *more = room > STABLE_TXNS_MAX ? NULL : realloc(b->txns, room * sizeof *more);
    if (!more)
        return b->limit < b->txn_room ? ERR_OK : ERR_LIMIT;
    b->txns = more;
    b->txn_room = room;
    return ERR_OK;
}

static int
reserve_aborted(struct stable *b, uint32_t count)
{
    if (count <= b->aborted_room)
        return ERR_OK;
    uint32_t room = b->aborted_room ? b->aborted_room : STABLE_FIRST_ROOM;
    while (room < count && room < STABLE_ABORTED_MAX)
        room *= 2; /* ends at a power of two, and so at the limit */
    struct stable_aborted *more = count > room ? NULL : realloc(b->aborted, room * sizeof *more);
    if (!more)
        return ERR_LIMIT;
    b->aborted = more;
    b->aborted_room = room;
    return ERR_OK;
}

int
stable_reserve(struct stable *b)
{
    int rc = reserve_txn(b);
    return rc == ERR_OK ? reserve_aborted(b, b->aborted_count + (b->limit - b->from) + 1) : rc;
}

void
stable_begin(struct stable *b, int64_t producer_id, int64_t first)
{
    must(b->limit < b->txn_room);
    must(b->from == b->limit || b->txns[b->limit - 1].first < first);
    b->txns[b->limit++] = (struct stable_txn){producer_id, first, -1};
}

static struct stable_txn *
find(struct stable *b, int64_t first)
{
    uint32_t low = b->from, high = b->limit;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (b->txns[mid].first < first)
            low = mid + 1;
        else
            high = mid;
    }
    return low < b->limit && b->txns[low].first == first ? &b->txns[low] : NULL;
}

void
stable_end(struct stable *b, int64_t first, int64_t last, bool aborted)
{
    struct stable_txn *t = find(b, first);
    if (!t || t->last >= 0)
        return;
    t->last = last;
    if (!aborted)
        return;
    must(b->aborted_count < b->aborted_room);
    must(!b->aborted_count || b->aborted[b->aborted_count - 1].last < last);
    int64_t open = stable_first_open(b);
    b->aborted[b->aborted_count++] =
        (struct stable_aborted){t->producer_id, first, last, open == STABLE_NONE ? last + 1 : open};
}

void
stable_durable(struct stable *b, int64_t high_watermark)
{
    b->durable = high_watermark;
    while (b->from < b->limit && b->txns[b->from].last >= 0 &&
           b->txns[b->from].last < high_watermark)
        b->from++;
    if (b->from == b->limit)
        b->from = b->limit = 0;
}

/* The first aborted transaction whose marker is at or behind `offset`. */
static uint32_t
aborted_at(const struct stable *b, int64_t offset)
{
    uint32_t low = 0, high = b->aborted_count;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (b->aborted[mid].last < offset)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

void
stable_trim(struct stable *b, int64_t start)
{
    uint32_t gone = aborted_at(b, start);
    if (gone == 0)
        return;
    b->aborted_count -= gone;
    memmove(b->aborted, b->aborted + gone, b->aborted_count * sizeof *b->aborted);
}

void
stable_forget(struct stable *b, int64_t last)
{
    uint32_t i = aborted_at(b, last);
    if (i == b->aborted_count || b->aborted[i].last != last)
        return;
    b->aborted_count--;
    memmove(b->aborted + i, b->aborted + i + 1, (b->aborted_count - i) * sizeof *b->aborted);
}

int64_t
stable_first_unstable(const struct stable *b)
{
    return b->from < b->limit ? b->txns[b->from].first : STABLE_NONE;
}

int64_t
stable_first_open(const struct stable *b)
{
    for (uint32_t i = b->from; i < b->limit; i++)
        if (b->txns[i].last < 0)
            return b->txns[i].first;
    return STABLE_NONE;
}

uint32_t
stable_open_count(const struct stable *b)
{
    uint32_t count = 0;
    for (uint32_t i = b->from; i < b->limit; i++)
        count += b->txns[i].last < 0;
    return count;
}

uint32_t
stable_aborted(const struct stable *b, int64_t first, int64_t limit, struct stable_aborted *out,
               uint32_t room)
{
    uint32_t count = 0;
    for (uint32_t i = aborted_at(b, first); i < b->aborted_count; i++) {
        const struct stable_aborted *a = &b->aborted[i];
        if (a->first < limit && count++ < room)
            out[count - 1] = *a;
        if (a->stable >= limit) /* I2: those behind it began at or behind its stable offset */
            break;
    }
    return count;
}

uint64_t
stable_save_bytes(const struct stable *b)
{
    return 8 + (uint64_t)b->aborted_count * STABLE_SAVED_BYTES;
}

void
stable_save(const struct stable *b, struct put *w)
{
    const uint8_t *start = w->at;
    put_u32(w, b->aborted_count);
    for (uint32_t i = 0; i < b->aborted_count; i++) {
        const struct stable_aborted *a = &b->aborted[i];
        put_u64(w, (uint64_t)a->producer_id);
        put_u64(w, (uint64_t)a->first);
        put_u64(w, (uint64_t)a->last);
        put_u64(w, (uint64_t)a->stable);
    }
    if (!w->bad)
        put_u32(w, crc32c(0, start, (size_t)(w->at - start)));
}

int
stable_load(struct stable *b, struct cur *c)
{
    stable_free(b);
    const uint8_t *start = c->at;
    uint32_t count = cur_u32(c);
    if (c->bad || count > STABLE_ABORTED_MAX || (uint64_t)count * STABLE_SAVED_BYTES > cur_left(c))
        return ERR_CORRUPT;
    int rc = reserve_aborted(b, count);
    int64_t last = -1;
    for (uint32_t i = 0; i < count && rc == ERR_OK; i++) {
        struct stable_aborted *a = &b->aborted[i];
        a->producer_id = cur_i64(c);
        a->first = cur_i64(c);
        a->last = cur_i64(c);
        a->stable = cur_i64(c);
        if (a->last <= last || a->first >= a->last)
            rc = ERR_CORRUPT;
        last = a->last;
    }
    uint32_t crc = rc == ERR_OK ? crc32c(0, start, (size_t)(c->at - start)) : 0;
    if (rc == ERR_OK && (cur_u32(c) != crc || c->bad))
        rc = ERR_CORRUPT;
    if (rc != ERR_OK)
        stable_free(b);
    else
        b->aborted_count = count;
    return rc;
}
