/* plog_txn.c: producers and transactions of one log: every batch that is appended, or found by
 * recovery, comes through plog_note_producer in the order of the log, so that both end with the
 * same state.
 *
 * I1 A transaction is open in `stable` exactly when a producer has its first offset. */
#include "core/base/err.h"
#include "core/base/mutant.h"
#include "core/store/plog_in.h"
#include "core/wire/batch_control.h"

#include <stdlib.h>

int
plog_reserve_producer(struct plog *p, int64_t producer_id, bool transactional)
{
    int rc = producer_reserve(&p->producers, producer_id);
    return rc == ERR_OK && transactional ? stable_reserve(&p->stable) : rc;
}

static int
note_control(struct plog *p, const struct batch_info *info, struct view batch, int64_t base,
             int64_t now_ms)
{
    struct batch_control c;
    int rc = batch_control_read(batch, info, &c);
    if (rc != ERR_OK) /* its transaction was removed by compaction, or it ends none */
        return rc == ERR_NOT_FOUND ? ERR_OK : rc;
    struct producer_marker m = {
        .id = c.producer_id, .epoch = c.producer_epoch, .coordinator_epoch = c.coordinator_epoch};
    int64_t first = producer_end(&p->producers, &m, c.time_ms, now_ms);
    if (first >= 0)
        stable_end(&p->stable, first, base, c.type == BATCH_CONTROL_ABORT);
    return ERR_OK;
}

int
plog_note_producer(struct plog *p, const struct batch_info *info, struct view batch,
                   const struct plog_when *when)
{
    if (info->producer_id < 0)
        return ERR_OK;
    struct producer_ask ask = producer_ask_of(info);
    int rc = plog_reserve_producer(p, ask.id, ask.transactional);
    if (rc != ERR_OK)
        return rc;
    if (info->attributes & BATCH_CONTROL)
        return note_control(p, info, batch, when->base, when->now_ms);
    struct producer_batch b = {
        .sequence_first = ask.sequence_first,
        .sequence_last = producer_sequence_last(&ask),
        .offset_first = when->base,
        .offset_last = when->base + info->last_offset_delta,
        .timestamp_ms = when->time_ms,
        .lsn = when->lsn,
    };
    if (producer_add(&p->producers, &ask, &b, when->now_ms))
        stable_begin(&p->stable, ask.id, when->base);
    return ERR_OK;
}

void
plog_durable(struct plog *p, int64_t high_watermark)
{
    p->hw = high_watermark;
    stable_durable(&p->stable, high_watermark);
}

int64_t
plog_last_stable(const struct plog *p)
{
    int64_t unstable = mutant(MUTANT_STABLE_BEFORE_DURABLE) ? stable_first_open(&p->stable)
                                                            : stable_first_unstable(&p->stable);
    if (unstable < p->start)
        unstable = p->start;
    return unstable < p->hw ? unstable : p->hw;
}

uint32_t
plog_aborted(const struct plog *p, int64_t first, int64_t limit, struct stable_aborted *out,
             uint32_t room)
{
    return stable_aborted(&p->stable, first, limit, out, room);
}

uint32_t
plog_producers(const struct plog *p, struct plog_producer *out, uint32_t room)
{
    uint32_t count = 0, at = 0;
    for (const struct producer *r; (r = producer_next(&p->producers, &at)) != NULL; count++)
        if (count < room)
            out[count] = (struct plog_producer){.id = r->id,
                                                .epoch = r->epoch,
                                                .last_sequence = producer_last_sequence(r),
                                                .coordinator_epoch = r->coordinator_epoch,
                                                .last_ms = r->last_ms,
                                                .txn_first = r->txn_first};
    return count;
}

/* ---- loading -----------------------------------------------------------------------------------
 */

static int
by_first(const void *a, const void *b)
{
    const struct stable_txn *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

int
plog_load_open(struct plog *p)
{
    uint32_t count = 0, at = 0;
    for (const struct producer *r; (r = producer_next(&p->producers, &at)) != NULL;)
        count += r->txn_first >= 0;
    if (count == 0)
        return ERR_OK;
    struct stable_txn *open = malloc(count * sizeof *open);
    if (!open)
        return ERR_LIMIT;
    count = at = 0;
    for (const struct producer *r; (r = producer_next(&p->producers, &at)) != NULL;)
        if (r->txn_first >= 0)
            open[count++] = (struct stable_txn){.producer_id = r->id, .first = r->txn_first};
    qsort(open, count, sizeof *open, by_first);
    int rc = ERR_OK;
    for (uint32_t i = 0; i < count && rc == ERR_OK; i++) {
        if (open[i].first >= p->end || (i && open[i].first == open[i - 1].first))
            rc = ERR_CORRUPT;
        else if ((rc = stable_reserve(&p->stable)) == ERR_OK)
            stable_begin(&p->stable, open[i].producer_id, open[i].first);
    }
    free(open);
    return rc;
}
