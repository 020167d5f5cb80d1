/* sim_clean.c: compacted logs of a life: what is left of them is what was produced, in order; what
 * may be gone is for sim_view.c to say. */
#include "core/base/crc32c.h"
#include "core/base/err.h"
#include "core/wire/batch_control.h"
#include "core/wire/batch_read.h"
#include "tests/sim/sim.h"

#include <string.h>

enum {
    CLEAN_OFFSETS_MAX = 1 << 16,
    CLEAN_TURNS_MAX = 20000,
    CLEAN_PIECE = 8192,
    CLEAN_PIECE_MAX = 64 << 10,
};

void
sim_clean(struct sim *s)
{
    struct store *store = s->stores[sim_below(s, s->cores)];
    if (store->ending)
        return;
    while (!store_clean(store, s->now_ms))
        ;
}

/* ---- what is there -----------------------------------------------------------------------------
 */

static void
marker_compare(struct sim *s, const struct sim_log *l, const struct sim_batch *b,
               const struct batch_info *info, struct view batch)
{
    struct batch_control c;
    int rc = batch_control_read(batch, info, &c);
    if (rc == ERR_NOT_FOUND && info->record_count == 0)
        return;
    if (rc != ERR_OK || c.type != (b->commit ? BATCH_CONTROL_COMMIT : BATCH_CONTROL_ABORT) ||
        c.coordinator_epoch != b->sequence || c.time_ms != b->first_ms)
        sim_fail(s, "log %d: a wrong marker at %lld", l->partition, (long long)b->base);
}

static void
header_compare(struct sim *s, const struct sim_log *l, const struct batch_info *info)
{
    const struct sim_batch *b = sim_at(l, info->base_offset);
    if (!b || b->base != info->base_offset || info->last_offset_delta != b->records - 1)
        sim_fail(s, "log %d: no batch was produced at %lld", l->partition,
                 (long long)info->base_offset);
    bool txn = info->attributes & BATCH_TRANSACTIONAL, control = info->attributes & BATCH_CONTROL;
    bool sequence = b->producer < 0 || b->marker || info->base_sequence == b->sequence;
    bool epoch = b->producer < 0 || info->producer_epoch == b->epoch;
    if (info->producer_id != b->producer || !epoch || !sequence || control != b->marker ||
        txn != (b->txn || b->marker))
        sim_fail(s, "log %d: a batch at %lld with another producer, or kind", l->partition,
                 (long long)b->base);
}

/* Compares one batch and marks its records. */
static void
batch_compare(struct sim *s, const struct sim_log *l, struct view batch, struct sim_consumer *c,
              const struct sim_found *found)
{
    struct batch_read r;
    struct batch_record one;
    if (batch_read_open(&r, batch, NULL, 0) != ERR_OK ||
        !batch_crc_ok(view_of(batch.at, r.info.bytes), &r.info))
        sim_fail(s, "log %d: not a batch", l->partition);
    header_compare(s, l, &r.info);
    bool takes = !c || sim_consumer_takes(c, &r.info, batch);
    uint8_t mark = SIM_FOUND_RECORD | (takes ? SIM_FOUND_DELIVERED : 0);
    found->at[r.info.base_offset] |= SIM_FOUND_HEADER;
    for (int32_t i = 0; i < r.info.record_count; i++) {
        if (batch_read_next(&r, &one) != ERR_OK)
            sim_fail(s, "log %d: a batch at %lld has too few records", l->partition,
                     (long long)r.info.base_offset);
        const struct sim_batch *b = sim_at(l, one.offset);
        if (!b || one.offset < b->base || b->base != r.info.base_offset)
            sim_fail(s, "log %d: nothing was produced at %lld", l->partition,
                     (long long)one.offset);
        int64_t k = one.offset - b->base;
        uint32_t sum = crc32c(crc32c(0, one.key.at, one.key.len), one.value.at, one.value.len);
        if (b->marker)
            marker_compare(s, l, b, &r.info, batch);
        else if (sum != b->sums[k] ||
                 one.timestamp_ms != (b->stamped ? b->first_ms : b->first_ms + k))
            sim_fail(s, "log %d: wrong record at %lld", l->partition, (long long)one.offset);
        found->at[one.offset] |= mark;
    }
}

/* ---- reading -----------------------------------------------------------------------------------
 */

static int
locate(struct sim *s, const struct sim_log *l, struct plog *p, int64_t offset, uint32_t piece,
       struct sim_consumer *c, struct store_range *range)
{
    struct store *store = sim_store(s, l);
    int64_t limit = c ? plog_last_stable(p) : INT64_MAX;
    int rc = store_locate(store, p, offset, limit, piece, true, range);
    if (rc == ERR_OK && range->len == 0)
        return sim_nothing_excused(s, l, p, offset) ? ERR_IO : ERR_OK;
    if (rc == ERR_OK && c)
        sim_consumer_begin(s, p, range, offset, c);
    return rc == ERR_OK ? sim_range_bytes(s, store, range) : rc;
}

/* False when it ended early, for a reason that is excused. */
static bool
read_all(struct sim *s, struct sim_log *l, uint32_t piece, struct sim_consumer *c,
         const struct sim_found *found)
{
    struct store *store = sim_store(s, l);
    struct plog *p = sim_plog(s, l);
    uint32_t turns = 0;
    for (int64_t offset = found->from; offset < found->limit;) {
        struct store_range range;
        int rc = locate(s, l, p, offset, piece, c, &range);
        if (rc == ERR_NOT_FOUND && p->start > offset) {
            offset = p->start;
            continue;
        }
        if (rc == ERR_AGAIN && !sim_wait_log(s, store, l, "a search in a compacted log"))
            return false;
        if (rc == ERR_AGAIN)
            continue;
        if (rc == ERR_NOT_FOUND && turns < CLEAN_TURNS_MAX) {
            sim_turns(s, 1); /* its segment was replaced meanwhile */
            if (sim_over(s))
                return false;
            if (++turns > CLEAN_TURNS_MAX)
                sim_fail(s, "a read of log %d never finds %lld", l->partition, (long long)offset);
            continue;
        }
        if (rc != ERR_OK)
            return !sim_read_excused(s, l, rc, offset);
        for (uint32_t at = 0; at < range.len;) {
            struct view rest = view_of(s->bytes + at, range.len - at);
            batch_compare(s, l, rest, c, found);
            at += get_u32(rest.at + BATCH_AT_LENGTH) + BATCH_OVERHEAD;
        }
        if (range.offset_limit <= offset)
            sim_fail(s, "log %d: a read at %lld gets nowhere", l->partition, (long long)offset);
        offset = range.offset_limit;
        if (l->seen < offset)
            l->seen = offset;
        s->reads++;
    }
    return true;
}

static bool
read_and_check(struct sim *s, struct sim_log *l, int64_t from, int64_t limit, uint32_t piece,
               struct sim_consumer *c)
{
    static uint8_t found_at[CLEAN_OFFSETS_MAX];
    struct sim_found found = {.from = from, .limit = limit, .at = found_at, .committed = c != NULL};
    must(limit < CLEAN_OFFSETS_MAX - SIM_RECORDS_MAX);
    memset(found_at, 0, sizeof found_at);
    if (!read_all(s, l, piece, c, &found))
        return false;
    sim_found_check(s, l, &found);
    return true;
}

bool
sim_clean_read(struct sim *s, struct sim_log *l, int64_t from, int64_t limit, uint32_t piece)
{
    return read_and_check(s, l, from, limit, piece, NULL);
}

void
sim_clean_read_committed(struct sim *s, struct sim_log *l, int64_t from)
{
    static struct sim_consumer c;
    struct plog_facts facts;
    plog_facts(sim_plog(s, l), &facts);
    if (facts.state == PLOG_ONLINE && facts.last_stable_offset > from)
        read_and_check(s, l, from, facts.last_stable_offset, 1 + sim_below(s, CLEAN_PIECE_MAX), &c);
}

void
sim_clean_look(struct sim *s)
{
    for (uint32_t core = 0; core < s->cores; core++) {
        const struct store *store = s->stores[core];
        if (sim_over(s) || store->clean.busy || store->stats.clean_rounds == s->rounds_seen[core])
            continue;
        s->clean_rounds += store->stats.clean_rounds - s->rounds_seen[core];
        s->rounds_seen[core] = store->stats.clean_rounds;
        for (uint32_t i = 0; i < s->log_count && !sim_over(s); i++) {
            struct sim_log *l = &s->logs[i];
            struct plog *p = NULL;
            if (l->state == SIM_THERE && l->config.cleanup_compact && sim_store(s, l) == store)
                p = sim_plog(s, l);
            if (!p || p->state == PLOG_OFFLINE || p->hw <= l->start)
                continue;
            if (sim_clean_read(s, l, l->start, p->hw, CLEAN_PIECE) && !sim_over(s))
                sim_clean_read_committed(s, l, l->start);
        }
    }
}
