/* producer.c: open addressing with linear probing; capacity is a power of two, at most 3/4 full.
 * Places are emptied by shifting the run behind them back, so there are no tombstones.
 *
 * Snapshot: u32 count, then per producer i64 id, i16 epoch, i32 coordinator epoch, i64 first offset
 * of the open transaction, i64 last timestamp, i64 used, u8 batches, and per batch two i32
 * sequences, two i64 offsets, i64 timestamp; u32 crc-32c of all that. */
#include "core/store/producer.h"
#include "core/base/crc32c.h"
#include "core/base/err.h"
#include "core/wire/kerr.h"

#include <stdlib.h>

enum {
    PRODUCER_FIRST_CAPACITY = 4,
    PRODUCER_SAVED_BYTES = 39,
    PRODUCER_BATCH_BYTES = 32,
    PRODUCER_BUMPING_VERSION = 2, /* of transactions: the coordinator bumps the epoch at the end */
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

int32_t
producer_sequence_last(const struct producer_ask *ask)
{
    return ask->sequence_first < 0
               ? -1
               : producer_sequence_after(ask->sequence_first, ask->record_count - 1);
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

const struct producer *
producer_find(const struct producer_table *t, int64_t id)
{
    if (t->capacity == 0)
        return NULL;
    const struct producer *p = place_of(t, id);
    return p->id == id ? p : NULL;
}

const struct producer *
producer_next(const struct producer_table *t, uint32_t *at)
{
    while (*at < t->capacity) {
        const struct producer *p = &t->places[(*at)++];
        if (p->id != -1 && p->epoch >= 0)
            return p;
    }
    return NULL;
}

int32_t
producer_last_sequence(const struct producer *p)
{
    return p->count ? p->batches[p->count - 1].sequence_last : -1;
}

/* ---- checking ----------------------------------------------------------------------------------
 */

static bool
is_duplicate(const struct producer *p, const struct producer_ask *ask,
             struct producer_batch *duplicate)
{
    int32_t last = producer_sequence_last(ask);
    for (uint8_t i = 0; i < p->count; i++) {
        const struct producer_batch *b = &p->batches[i];
        if (b->sequence_first == ask->sequence_first && b->sequence_last == last) {
            *duplicate = *b;
            return true;
        }
    }
    return false;
}

/* Whether the producer's transaction is open here, under this very epoch. */
static bool
txn_open(const struct producer *p, int16_t epoch)
{
    return p && p->txn_first >= 0 && p->epoch == epoch;
}

/* Source: ProducerAppendInfo.checkSequence. */
static bool
sequence_ok(const struct producer *p, const struct producer_ask *ask)
{
    int32_t first = ask->sequence_first;
    if (p->guard.id) {
        if (p->guard.bumps && first != 0 && p->count == 0)
            return false;
        if (first > p->guard.sequence)
            return false;
    }
    if (p->epoch < 0)
        return true;
    if (ask->epoch != p->epoch)
        return first == 0;
    int32_t last = producer_last_sequence(p);
    return first == (last == INT32_MAX ? 0 : last + 1);
}

int
producer_check(const struct producer_table *t, const struct producer_ask *ask,
               struct producer_batch *duplicate)
{
    if (ask->epoch < 0)
        return KERR_INVALID_PRODUCER_EPOCH;
    const struct producer *p = producer_find(t, ask->id);
    bool sequenced = ask->sequence_first >= 0;
    if (p && sequenced && p->epoch == ask->epoch && is_duplicate(p, ask, duplicate))
        return KERR_DUPLICATE_SEQUENCE_NUMBER;
    if (ask->transactional && !txn_open(p, ask->epoch) && !(p && p->guard.verified))
        return KERR_INVALID_TXN_STATE;
    if (!p)
        return KERR_NONE;
    if (ask->epoch < p->epoch)
        return KERR_INVALID_PRODUCER_EPOCH;
    if (sequenced && !sequence_ok(p, ask))
        return KERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    return p->txn_first >= 0 && !ask->transactional ? KERR_INVALID_TXN_STATE : KERR_NONE;
}

/* Source: ProducerAppendInfo.checkProducerEpoch, checkCoordinatorEpoch. */
int
producer_check_marker(const struct producer_table *t, const struct producer_marker *m)
{
    const struct producer *p = producer_find(t, m->id);
    if (!p)
        return KERR_NONE;
    /* Of version 2 the epoch of its data is one lower: an equal one is late, but for a marker that
     * is written once more, or when there is no higher epoch. */
    bool again = m->epoch == p->epoch && (p->txn_first < 0 || m->epoch == INT16_MAX);
    if (m->version >= PRODUCER_BUMPING_VERSION ? m->epoch <= p->epoch && !again
                                               : m->epoch < p->epoch)
        return KERR_INVALID_PRODUCER_EPOCH;
    return m->coordinator_epoch < p->coordinator_epoch ? KERR_TRANSACTION_COORDINATOR_FENCED
                                                       : KERR_NONE;
}

/* ---- the table ---------------------------------------------------------------------------------
 */

static int
grow(struct producer_table *t)
{
    struct producer_table bigger = {
        .capacity = t->capacity ? t->capacity * 2 : PRODUCER_FIRST_CAPACITY, .guards = t->guards};
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
        if (t->places[i].id != -1 && t->places[i].txn_first < 0 &&
            (oldest == UINT32_MAX || t->places[i].used_ms < t->places[oldest].used_ms))
            oldest = i;
    if (oldest != UINT32_MAX)
        empty_place(t, oldest);
}

int
producer_reserve(struct producer_table *t, int64_t id)
{
    if (producer_find(t, id))
        return ERR_OK;
    if (t->count >= PRODUCER_MAX)
        drop_oldest(t);
    if (t->count >= PRODUCER_MAX)
        return ERR_LIMIT;
    if ((uint64_t)(t->count + 1) * 4 > (uint64_t)t->capacity * 3 && grow(t) != ERR_OK)
        return ERR_LIMIT;
    *place_of(t, id) = (struct producer){
        .id = id, .epoch = -1, .coordinator_epoch = -1, .txn_first = -1, .used_ms = INT64_MIN};
    t->count++;
    return ERR_OK;
}

/* ---- changing ----------------------------------------------------------------------------------
 */

static struct producer *
known(struct producer_table *t, int64_t id)
{
    must(t->capacity);
    struct producer *p = place_of(t, id);
    must(p->id == id); /* producer_reserve */
    return p;
}

static void
epoch_set(struct producer *p, int16_t epoch)
{
    if (p->epoch != epoch)
        p->count = 0;
    p->epoch = epoch;
}

bool
producer_add(struct producer_table *t, const struct producer_ask *ask,
             const struct producer_batch *batch, int64_t used_ms)
{
    struct producer *p = known(t, ask->id);
    epoch_set(p, ask->epoch);
    p->last_ms = batch->timestamp_ms;
    p->used_ms = used_ms;
    if (p->count == PRODUCER_BATCHES) {
        memmove(p->batches, p->batches + 1, sizeof p->batches[0] * (PRODUCER_BATCHES - 1));
        p->count--;
    }
    p->batches[p->count++] = *batch;
    if (!ask->transactional)
        return false;
    p->guard.id = 0;
    p->guard.verified = false;
    bool begins = p->txn_first < 0;
    if (begins)
        p->txn_first = batch->offset_first;
    return begins;
}

int64_t
producer_end(struct producer_table *t, const struct producer_marker *m, int64_t timestamp_ms,
             int64_t used_ms)
{
    struct producer *p = known(t, m->id);
    int64_t first = p->txn_first;
    epoch_set(p, m->epoch);
    p->coordinator_epoch = m->coordinator_epoch;
    p->txn_first = -1;
    p->last_ms = timestamp_ms;
    p->used_ms = used_ms;
    p->guard.id = 0;
    p->guard.verified = false;
    return first;
}

int
producer_verify(struct producer_table *t, const struct producer_ask *ask, bool bumps,
                int64_t now_ms, uint64_t *guard)
{
    *guard = 0;
    if (txn_open(producer_find(t, ask->id), ask->epoch))
        return ERR_OK;
    int rc = producer_reserve(t, ask->id);
    if (rc != ERR_OK)
        return rc;
    struct producer *p = known(t, ask->id);
    struct producer_guard *g = &p->guard;
    if (!g->id)
        *g = (struct producer_guard){.id = ++t->guards,
                                     .since_ms = now_ms,
                                     .sequence = ask->sequence_first,
                                     .epoch = ask->epoch,
                                     .bumps = bumps};
    /* Source: VerificationStateEntry.maybeUpdateLowestSequenceAndEpoch. */
    if (ask->epoch > g->epoch || (ask->epoch == g->epoch && ask->sequence_first < g->sequence)) {
        g->epoch = ask->epoch;
        g->sequence = ask->sequence_first;
    }
    *guard = g->id;
    return ERR_OK;
}

bool
producer_verified(struct producer_table *t, int64_t id, uint64_t guard)
{
    const struct producer *p = producer_find(t, id);
    if (!p || !guard || p->guard.id != guard)
        return false;
    known(t, id)->guard.verified = true;
    return true;
}

/* True when nothing is left to remember. */
static bool
expire_one(struct producer *p, int64_t now_ms, int64_t keep_ms)
{
    if (p->guard.id && now_ms - p->guard.since_ms >= keep_ms) {
        p->guard.id = 0;
        p->guard.verified = false;
    }
    if (p->epoch < 0)
        return p->guard.id == 0;
    if (p->used_ms == INT64_MIN)
        p->used_ms = now_ms;
    return p->txn_first < 0 && now_ms - p->used_ms >= keep_ms;
}

void
producer_expire(struct producer_table *t, int64_t now_ms, int64_t keep_ms)
{
    uint32_t i = 0;
    while (i < t->capacity) {
        if (t->places[i].id != -1 && expire_one(&t->places[i], now_ms, keep_ms))
            empty_place(t, i); /* another may have come here: look again */
        else
            i++;
    }
}

/* ---- snapshot ----------------------------------------------------------------------------------
 */

/* Nothing of it lies at or behind `limit`. */
static bool
ends_before(const struct producer *p, int64_t limit)
{
    return p->count == 0 || p->batches[p->count - 1].offset_last < limit;
}

uint32_t
producer_count_before(const struct producer_table *t, int64_t limit, uint32_t *bytes)
{
    uint32_t count = 0, at = 0;
    *bytes = 8;
    for (const struct producer *p; (p = producer_next(t, &at)) != NULL;) {
        if (!ends_before(p, limit))
            continue;
        *bytes += PRODUCER_SAVED_BYTES + PRODUCER_BATCH_BYTES * p->count;
        count++;
    }
    return count;
}

uint32_t
producer_save_bytes(const struct producer_table *t)
{
    uint32_t bytes;
    producer_count_before(t, INT64_MAX, &bytes);
    return bytes;
}

static void
save_one(const struct producer *p, struct put *w)
{
    put_u64(w, (uint64_t)p->id);
    put_u16(w, (uint16_t)p->epoch);
    put_u32(w, (uint32_t)p->coordinator_epoch);
    put_u64(w, (uint64_t)p->txn_first);
    put_u64(w, (uint64_t)p->last_ms);
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

void
producer_save_before(const struct producer_table *t, int64_t limit, struct put *w)
{
    const uint8_t *start = w->at;
    uint32_t bytes, at = 0;
    put_u32(w, producer_count_before(t, limit, &bytes));
    for (const struct producer *p; (p = producer_next(t, &at)) != NULL;)
        if (ends_before(p, limit))
            save_one(p, w);
    if (!w->bad)
        put_u32(w, crc32c(0, start, (size_t)(w->at - start)));
}

void
producer_save(const struct producer_table *t, struct put *w)
{
    producer_save_before(t, INT64_MAX, w);
}

static int
load_one(struct producer_table *t, struct cur *c)
{
    int64_t id = cur_i64(c);
    struct producer read = {.id = id, .epoch = cur_i16(c)};
    read.coordinator_epoch = cur_i32(c);
    read.txn_first = cur_i64(c);
    read.last_ms = cur_i64(c);
    read.used_ms = cur_i64(c);
    read.count = cur_u8(c);
    if (c->bad || id < 0 || read.epoch < 0 || read.count > PRODUCER_BATCHES || producer_find(t, id))
        return ERR_CORRUPT;
    for (uint8_t k = 0; k < read.count; k++) {
        struct producer_batch *b = &read.batches[k];
        b->sequence_first = cur_i32(c);
        b->sequence_last = cur_i32(c);
        b->offset_first = cur_i64(c);
        b->offset_last = cur_i64(c);
        b->timestamp_ms = cur_i64(c);
    }
    int rc = c->bad ? ERR_CORRUPT : producer_reserve(t, id);
    if (rc == ERR_OK)
        *known(t, id) = read;
    return rc;
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

int
producer_adopt(struct producer_table *t, const struct producer_table *from)
{
    uint32_t at = 0;
    for (const struct producer *p; (p = producer_next(from, &at)) != NULL;) {
        if (producer_find(t, p->id))
            continue;
        int rc = producer_reserve(t, p->id);
        if (rc != ERR_OK)
            return rc;
        struct producer *to = known(t, p->id);
        *to = *p;
        to->txn_first = -1;
    }
    return ERR_OK;
}
