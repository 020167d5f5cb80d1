/* sim_view.c: what may be gone of a compacted log, and what a consumer of committed data makes of
 * the rest.  Kafka's rules, written anew from the batches of the model:
 *   - nothing at or behind the last stable offset
 *   - a record only when a later one has its key, of a transaction that is committed, if of any; or
 *     when it was aborted
 *   - a marker only when no record of its transaction is there, and has not been for
 *     delete.retention.ms
 *   - never the header of the last batch of a producer
 * and a consumer gets what was committed, and nothing that was aborted.
 * Source: Kafka Cleaner.java (CleanedTransactionMetadata, checkBatchRetention), CompletedFetch. */
#include "core/base/err.h"
#include "core/wire/batch_control.h"
#include "tests/sim/sim.h"

#include <string.h>

/* ---- a consumer --------------------------------------------------------------------------------
 */

void
sim_consumer_begin(struct sim *s, const struct plog *p, const struct store_range *range,
                   int64_t offset, struct sim_consumer *c)
{
    memset(c->skips, 0, sizeof c->skips);
    c->count = plog_aborted(p, offset, range->offset_limit, c->aborted, SIM_ABORTED_MAX);
    if (c->count > SIM_ABORTED_MAX)
        sim_fail(s, "%u aborted transactions", c->count);
}

bool
sim_consumer_takes(struct sim_consumer *c, const struct batch_info *info, struct view batch)
{
    uint32_t left = 0;
    for (uint32_t i = 0; i < c->count; i++)
        if (c->aborted[i].first <= info->base_offset + info->last_offset_delta)
            c->skips[c->aborted[i].producer_id - SIM_TXN_FIRST_ID] = true;
        else
            c->aborted[left++] = c->aborted[i];
    c->count = left;
    if (!(info->attributes & BATCH_TRANSACTIONAL))
        return true;
    bool *skips = &c->skips[info->producer_id - SIM_TXN_FIRST_ID];
    struct batch_control end;
    if (info->attributes & BATCH_CONTROL && batch_control_read(batch, info, &end) == ERR_OK &&
        end.type == BATCH_CONTROL_ABORT)
        *skips = false;
    return info->attributes & BATCH_CONTROL || !*skips;
}

/* ---- what may be gone --------------------------------------------------------------------------
 */

static int32_t
key_of(const struct sim_batch *b, int64_t offset)
{
    return (b->key + (int32_t)(offset - b->base)) % SIM_KEYS;
}

/* The last valid record of each key below `limit`, -1: none. */
static void
last_find(const struct sim_log *l, int64_t limit, int64_t last[static SIM_KEYS])
{
    for (uint32_t i = 0; i < SIM_KEYS; i++)
        last[i] = -1;
    for (uint32_t i = 0; i < l->count && l->batches[i].base < limit; i++) {
        const struct sim_batch *b = &l->batches[i];
        for (int32_t k = 0; k < b->records && !b->marker && b->fate == SIM_VALID; k++)
            last[key_of(b, b->base + k)] = b->base + k;
    }
}

/* o: within a batch of data, below the last stable offset. */
static void
record_check(struct sim *s, const struct sim_log *l, const struct sim_found *f,
             const struct sim_batch *b, int64_t o, const int64_t last[static SIM_KEYS])
{
    uint8_t found = f->at[o];
    if (found & SIM_FOUND_DELIVERED && f->committed && b->fate == SIM_ABORTED)
        sim_fail(s, "log %d: a consumer gets an aborted record, offset %lld", l->partition,
                 (long long)o);
    if (found & SIM_FOUND_RECORD && !(found & SIM_FOUND_DELIVERED) && b->fate == SIM_VALID)
        sim_fail(s, "log %d: a consumer takes a valid record for aborted, offset %lld",
                 l->partition, (long long)o);
    if (!(found & SIM_FOUND_RECORD) && b->fate == SIM_VALID && last[key_of(b, o)] == o)
        sim_fail(s, "log %d: the last record of a key is lost, offset %lld", l->partition,
                 (long long)o);
}

static bool
data_found(const struct sim_found *f, const struct sim_batch *b)
{
    for (int64_t o = b->base; o < b->base + b->records; o++)
        if (o >= f->from && o < f->limit && f->at[o] & SIM_FOUND_RECORD)
            return true;
    return false;
}

/* A marker that is not there. */
static void
marker_check(struct sim *s, const struct sim_log *l, const struct sim_found *f,
             const struct sim_batch *m)
{
    if (s->now_ms < m->needed_ms + l->config.delete_retention_ms)
        sim_fail(s, "log %d: the marker at %lld went within delete.retention.ms", l->partition,
                 (long long)m->base);
    for (uint32_t i = 0; &l->batches[i] < m; i++) {
        const struct sim_batch *b = &l->batches[i];
        if (b->txn && b->end == (uint32_t)(m - l->batches) && data_found(f, b))
            sim_fail(s, "log %d: the marker at %lld went before its data at %lld", l->partition,
                     (long long)m->base, (long long)b->base);
    }
}

static void
gone_count(struct sim *s, struct sim_batch *b)
{
    if (b->gone || !s->mixed)
        return;
    b->gone = true;
    s->gone_markers += b->marker;
    s->gone_aborted += b->fate == SIM_ABORTED;
    s->gone_valid += !b->marker && b->fate == SIM_VALID;
}

/* Of each producer the header of the last batch with data stays. */
static void
producers_check(struct sim *s, const struct sim_log *l, const struct sim_found *f)
{
    enum { IDS = SIM_PRODUCERS + SIM_TXN_IDS };
    bool seen[IDS] = {false};
    for (uint32_t i = l->count; i-- > 0;) {
        const struct sim_batch *b = &l->batches[i];
        if (b->producer < 0 || b->marker)
            continue;
        int64_t id = b->producer - SIM_PRODUCER_FIRST_ID;
        if (id >= SIM_PRODUCERS)
            id = b->producer - SIM_TXN_FIRST_ID + SIM_PRODUCERS;
        bool within = b->base >= f->from && b->base >= l->start && b->base < f->limit;
        if (!seen[id] && within && !(f->at[b->base] & SIM_FOUND_HEADER))
            sim_fail(s, "log %d: the last batch of producer %lld is gone, offset %lld",
                     l->partition, (long long)b->producer, (long long)b->base);
        seen[id] = true;
    }
}

void
sim_found_check(struct sim *s, struct sim_log *l, const struct sim_found *f)
{
    int64_t last[SIM_KEYS], stable = plog_last_stable(sim_plog(s, l));
    sim_txn_fates(l);
    last_find(l, stable, last);
    for (int64_t o = f->from < l->start ? l->start : f->from; o < f->limit; o++) {
        struct sim_batch *b = sim_at(l, o);
        if (!b)
            continue;
        bool there = f->at[o] & SIM_FOUND_RECORD;
        if (!there && o >= stable)
            sim_fail(s, "log %d: %lld is gone, behind the last stable offset %lld", l->partition,
                     (long long)o, (long long)stable);
        if (!there)
            gone_count(s, b);
        if (!b->marker && o < stable)
            record_check(s, l, f, b, o, last);
        if (b->marker && !there)
            marker_check(s, l, f, b);
        if (there && b->txn && b->end < l->count)
            l->batches[b->end].needed_ms = s->now_ms;
    }
    producers_check(s, l, f);
}
