/* producer.c: open addressing with linear probing; capacity is a power of two, at most 3/4 full.
 * Places are emptied by shifting the run behind them back, so there are no tombstones.
 *
 * Snapshot: u32 count, then per producer i64 id, i16 epoch, i64 used, u8 batches, and per batch two
 * i32 sequences, two i64 offsets, i64 timestamp; u32 crc-32c of all that. */
#include "core/store/producer.h"
#include "core/base/crc32c.h"
#include "core/base/err.h"
#include "core/wire/kerr.h"

#include <stdlib.h>

enum {
    PRODUCER_FIRST_CAPACITY = 4,
    PRODUCER_SAVED_BYTES = 19,
    PRODUCER_BATCH_BYTES = 32,
};

void
producer_table_init(struct producer_table *t)
{
    *t = (struct producer_table){0};
}

void
producer_table_free(struct producer_table *t)
{
    free(t->places);
    *t = (struct producer_table){0};
}

int32_t
producer_sequence_after(int32_t sequence, int32_t count)
{
    /* Source: Kafka DefaultRecordBatch.incrementSequence. */
    if (sequence > INT32_MAX - count)
        return count - (INT32_MAX - sequence) - 1;
    return sequence + count;
}

static uint32_t
home_of(const struct producer_table *t, int64_t id)
{
    return (uint32_t)((uint64_t)id * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (t->capacity - 1);
}

/* The place of a producer, or the empty one where it would go. */
static struct producer *
place_of(const struct producer_table *t, int64_t id)
{
    uint32_t i = home_of(t, id);
    while (t->places[i].id != id && t->places[i].id != -1)
        i = (i + 1) & (t->capacity - 1);
    return &t->places[i];
}

static const struct producer *
find(const struct producer_table *t, int64_t id)
{
    if (t->capacity == 0)
        return NULL;
    const struct producer *p = place_of(t, id);
    return p->id == id ? p : NULL;
}

int
producer_check(const struct producer_table *t, int64_t id, int16_t epoch, int32_t sequence_first,
               int32_t record_count, struct producer_batch *duplicate)
{
    const struct producer *p = find(t, id);
    if (!p || p->count == 0)
        return p && epoch < p->epoch ? KERR_INVALID_PRODUCER_EPOCH : KERR_NONE;
    if (epoch < p->epoch)
        return KERR_INVALID_PRODUCER_EPOCH;
    if (epoch > p->epoch)
        return sequence_first == 0 ? KERR_NONE : KERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    int32_t sequence_last = producer_sequence_after(sequence_first, record_count - 1);
    for (uint8_t i = 0; i < p->count; i++) {
        const struct producer_batch *b = &p->batches[i];
        if (b->sequence_first == sequence_first && b->sequence_last == sequence_last) {
            *duplicate = *b;
            return KERR_DUPLICATE_SEQUENCE_NUMBER;
        }
    }
    int32_t want = producer_sequence_after(p->batches[p->count - 1].sequence_last, 1);
    return sequence_first == want ? KERR_NONE : KERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
}

static int
grow(struct producer_table *t)
{
    struct producer_table bigger = {.capacity =
                                        t->capacity ? t->capacity * 2 : PRODUCER_FIRST_CAPACITY};
    bigger.places = malloc(bigger.capacity * sizeof *bigger.places);
    if (!bigger.places)
        return ERR_LIMIT;
    for (uint32_t i = 0; i < bigger.capacity; i++)
        bigger.places[i].id = -1;
    for (uint32_t i = 0; i < t->capacity; i++)
        if (t->places[i].id != -1)
            *place_of(&bigger, t->places[i].id) = t->places[i];
    bigger.count = t->count;
    free(t->places);
    *t = bigger;
    return ERR_OK;
}

/* Empties a place and moves back what linear probing had put behind it. */
static void
empty_place(struct producer_table *t, uint32_t hole)
{
    uint32_t mask = t->capacity - 1;
    for (uint32_t i = (hole + 1) & mask; t->places[i].id != -1; i = (i + 1) & mask) {
        uint32_t home = home_of(t, t->places[i].id);
        /* Movable when its home does not lie in (hole, i]. */
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        t->places[hole] = t->places[i];
        hole = i;
    }
    t->places[hole].id = -1;
    t->count--;
}

static void
drop_oldest(struct producer_table *t)
{
    uint32_t oldest = UINT32_MAX;
    for (uint32_t i = 0; i < t->capacity; i++)
        if (t->places[i].id != -1 &&
            (oldest == UINT32_MAX || t->places[i].used_ms < t->places[oldest].used_ms))
            oldest = i;
    if (oldest != UINT32_MAX)
        empty_place(t, oldest);
}

/* The place for a producer, made when it is new; NULL without memory. */
static struct producer *
admit(struct producer_table *t, int64_t id)
{
    if (find(t, id))
        return place_of(t, id);
    if (t->count >= PRODUCER_MAX)
        drop_oldest(t);
    if ((uint64_t)(t->count + 1) * 4 > (uint64_t)t->capacity * 3 && grow(t) != ERR_OK)
        return NULL;
    struct producer *p = place_of(t, id);
    *p = (struct producer){.id = id};
    t->count++;
    return p;
}

int
producer_add(struct producer_table *t, int64_t id, int16_t epoch,
             const struct producer_batch *batch)
{
    struct producer *p = admit(t, id);
    if (!p)
        return ERR_LIMIT;
    if (p->epoch != epoch)
        p->count = 0;
    p->epoch = epoch;
    p->used_ms = batch->timestamp_ms;
    if (p->count == PRODUCER_BATCHES) {
        memmove(p->batches, p->batches + 1, sizeof p->batches[0] * (PRODUCER_BATCHES - 1));
        p->count--;
    }
    p->batches[p->count++] = *batch;
    return ERR_OK;
}

void
producer_expire(struct producer_table *t, int64_t before_ms)
{
    uint32_t i = 0;
    while (i < t->capacity) {
        if (t->places[i].id != -1 && t->places[i].used_ms < before_ms)
            empty_place(t, i); /* another may have come here: look again */
        else
            i++;
    }
}

uint32_t
producer_save_bytes(const struct producer_table *t)
{
    uint32_t bytes = 8;
    for (uint32_t i = 0; i < t->capacity; i++)
        if (t->places[i].id != -1)
            bytes += PRODUCER_SAVED_BYTES + PRODUCER_BATCH_BYTES * t->places[i].count;
    return bytes;
}

void
producer_save(const struct producer_table *t, struct put *w)
{
    const uint8_t *start = w->at;
    put_u32(w, t->count);
    for (uint32_t i = 0; i < t->capacity; i++) {
        const struct producer *p = &t->places[i];
        if (p->id == -1)
            continue;
        put_u64(w, (uint64_t)p->id);
        put_u16(w, (uint16_t)p->epoch);
        put_u64(w, (uint64_t)p->used_ms);
        put_u8(w, p->count);
        for (uint8_t k = 0; k < p->count; k++) {
            const struct producer_batch *b = &p->batches[k];
            put_u32(w, (uint32_t)b->sequence_first);
            put_u32(w, (uint32_t)b->sequence_last);
            put_u64(w, (uint64_t)b->offset_first);
            put_u64(w, (uint64_t)b->offset_last);
            put_u64(w, (uint64_t)b->timestamp_ms);
        }
    }
    if (!w->bad)
        put_u32(w, crc32c(0, start, (size_t)(w->at - start)));
}

static int
load_one(struct producer_table *t, struct cur *c)
{
    int64_t id = cur_i64(c);
    int16_t epoch = cur_i16(c);
    int64_t used_ms = cur_i64(c);
    uint8_t count = cur_u8(c);
    if (c->bad || id < 0 || count > PRODUCER_BATCHES || find(t, id))
        return ERR_CORRUPT;
    struct producer *p = admit(t, id);
    if (!p)
        return ERR_LIMIT;
    p->epoch = epoch;
    p->used_ms = used_ms;
    p->count = count;
    for (uint8_t k = 0; k < count; k++) {
        struct producer_batch *b = &p->batches[k];
        *b = (struct producer_batch){.sequence_first = cur_i32(c), .lsn = 0};
        b->sequence_last = cur_i32(c);
        b->offset_first = cur_i64(c);
        b->offset_last = cur_i64(c);
        b->timestamp_ms = cur_i64(c);
    }
    return c->bad ? ERR_CORRUPT : ERR_OK;
}

int
producer_load(struct producer_table *t, struct cur *c)
{
    producer_table_free(t);
    const uint8_t *start = c->at;
    uint32_t count = cur_u32(c);
    int rc = c->bad || count > PRODUCER_MAX ? ERR_CORRUPT : ERR_OK;
    for (uint32_t i = 0; i < count && rc == ERR_OK; i++)
        rc = load_one(t, c);
    uint32_t crc = rc == ERR_OK ? crc32c(0, start, (size_t)(c->at - start)) : 0;
    if (rc == ERR_OK && (cur_u32(c) != crc || c->bad))
        rc = ERR_CORRUPT;
    if (rc != ERR_OK)
        producer_table_free(t);
    return rc;
}
