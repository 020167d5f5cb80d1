/* sim_txn.c: transactions of a life.  What is open, aborted and stable is found again from the
 * batches of the model alone, each time, and compared with what the store says. */
#include "core/base/err.h"
#include "core/wire/batch_control.h"
#include "core/wire/kerr.h"
#include "tests/sim/sim.h"

/* A transactional producer, from the batches. */
struct txn_view {
    int64_t open; /* first offset of its transaction, -1: none */
    int16_t epoch;
    int32_t next, coordinator;
    bool known;
};

static bool
is_txn(int64_t producer)
{
    return producer >= SIM_TXN_FIRST_ID;
}

static struct txn_view
view(const struct sim_log *l, int64_t id)
{
    struct txn_view v = {.open = -1, .coordinator = -1};
    for (uint32_t i = 0; i < l->count; i++) {
        const struct sim_batch *b = &l->batches[i];
        if (b->producer != id)
            continue;
        v.known = true;
        v.epoch = b->epoch;
        if (b->marker) {
            v.open = -1;
            v.coordinator = b->sequence;
            continue;
        }
        v.next = b->sequence + b->records;
        if (v.open < 0)
            v.open = b->base;
    }
    return v;
}

/* ---- work --------------------------------------------------------------------------------------
 */

static void
write_marker(struct sim *s, struct sim_log *l, struct plog *p, int64_t id, const struct txn_view *v)
{
    struct store_marker m = {.producer_id = id,
                             .producer_epoch = v->epoch,
                             .coordinator_epoch = v->coordinator < 0 ? 0 : v->coordinator,
                             .commit = sim_chance(s, 2)};
    int want = KERR_NONE;
    if (sim_chance(s, 12) && v->known && v->epoch > 0) {
        m.producer_epoch--;
        want = KERR_INVALID_PRODUCER_EPOCH;
    } else if (sim_chance(s, 12) && v->coordinator > 0) {
        m.coordinator_epoch--;
        want = KERR_TRANSACTION_COORDINATOR_FENCED;
    } else if (sim_chance(s, 6)) {
        m.coordinator_epoch++;
    }
    struct store_appended out;
    int rc = store_append_marker(sim_store(s, l), p, &m, SIM_LEADER_EPOCH, s->now_ms, &out);
    if (rc == ERR_AGAIN || (rc == KERR_KAFKA_STORAGE_ERROR && sim_storage_excused(s, l)))
        return;
    if (rc != want)
        sim_fail(s, "log %d: a marker gives %d, not %d (producer %lld epoch %d)", l->partition, rc,
                 want, (long long)id, m.producer_epoch);
    if (rc != KERR_NONE)
        return;
    struct batch_control c = {.type = m.commit ? BATCH_CONTROL_COMMIT : BATCH_CONTROL_ABORT,
                              .coordinator_epoch = m.coordinator_epoch,
                              .producer_id = id,
                              .producer_epoch = m.producer_epoch,
                              .time_ms = s->now_ms};
    struct batch_info info;
    batch_control_build(s->batch, &c, &info);
    struct sim_batch b = {.records = 1,
                          .key = -1,
                          .first_ms = s->now_ms,
                          .needed_ms = s->now_ms,
                          .producer = id,
                          .epoch = m.producer_epoch,
                          .sequence = m.coordinator_epoch,
                          .marker = true,
                          .commit = m.commit};
    sim_appended(s, l, &b, BATCH_CONTROL_BYTES, &out);
}

static void
write_data(struct sim *s, struct sim_log *l, struct plog *p, int64_t id, const struct txn_view *v)
{
    struct sim_batch b = {.records = 1 + (int32_t)sim_below(s, 3),
                          .producer = id,
                          .epoch = v->epoch,
                          .sequence = v->next,
                          .key = -1,
                          .first_ms = s->now_ms,
                          .txn = true};
    if (l->config.cleanup_compact)
        b.key = (int32_t)sim_below(s, SIM_KEYS);
    /* No draw: a batch that a question was asked about has to come first. */
    if (v->known && v->open < 0 && (v->next + v->epoch) % 5 == 1) {
        b.epoch++;
        b.sequence = 0;
    }
    struct batch_info info;
    uint32_t bytes = sim_build(s, &b, 1 + sim_below(s, 300), &info);
    struct store *store = sim_store(s, l);
    struct store_appended out;
    uint64_t guard;
    int rc = store_txn_verify(store, p, &info, false, s->now_ms, &guard);
    if (rc == KERR_NONE && (guard == 0) != (v->open >= 0))
        sim_fail(s, "log %d: the transaction of %lld is %s", l->partition, (long long)id,
                 guard ? "not open" : "open");
    bool asked = rc == KERR_NONE && guard && !sim_chance(s, 10);
    if (asked && !store_txn_verified(store, p, id, guard))
        sim_fail(s, "log %d: a question is forgotten", l->partition);
    if (rc == KERR_NONE)
        rc = store_append(store, p, &info, view_of(s->batch, bytes), SIM_LEADER_EPOCH, s->now_ms,
                          &out);
    if (rc == ERR_AGAIN || (rc == KERR_KAFKA_STORAGE_ERROR && sim_storage_excused(s, l)))
        return;
    if (rc == KERR_INVALID_TXN_STATE && v->open < 0 && !asked)
        return; /* nobody vouched for it; or it was asked before, and there was no room */
    if (rc != KERR_NONE)
        sim_fail(s, "log %d: a batch of a transaction gives %d (producer %lld epoch %d)",
                 l->partition, rc, (long long)id, b.epoch);
    sim_appended(s, l, &b, bytes, &out);
}

void
sim_txn(struct sim *s, struct sim_log *l)
{
    struct plog *p = sim_open(s, l);
    if (!p)
        return;
    s->now_ms += sim_below(s, 20);
    int64_t id = SIM_TXN_FIRST_ID + sim_below(s, SIM_TXN_IDS);
    struct txn_view v = view(l, id);
    if (sim_chance(s, v.open >= 0 ? 3 : 15))
        write_marker(s, l, p, id, &v);
    else
        write_data(s, l, p, id, &v);
}

/* ---- comparing ---------------------------------------------------------------------------------
 */

void
sim_txn_fates(struct sim_log *l)
{
    const struct sim_batch *end[SIM_TXN_IDS] = {NULL};
    for (uint32_t i = l->count; i-- > 0;) {
        struct sim_batch *b = &l->batches[i];
        b->fate = SIM_VALID;
        if (!is_txn(b->producer))
            continue;
        const struct sim_batch **e = &end[b->producer - SIM_TXN_FIRST_ID];
        if (b->marker) {
            *e = b;
            continue;
        }
        b->fate = !*e ? SIM_OPEN : (*e)->commit ? SIM_VALID : SIM_ABORTED;
        b->end = *e ? (uint32_t)(*e - l->batches) : UINT32_MAX;
    }
}

/* First offset of the oldest transaction that has no durable end. */
static int64_t
first_unstable(const struct sim_log *l, int64_t hw)
{
    int64_t open[SIM_TXN_IDS] = {-1, -1, -1}, least = INT64_MAX;
    for (uint32_t i = 0; i < l->count; i++) {
        const struct sim_batch *b = &l->batches[i];
        if (!is_txn(b->producer))
            continue;
        int64_t *first = &open[b->producer - SIM_TXN_FIRST_ID];
        if (!b->marker && *first < 0)
            *first = b->base;
        if (b->marker && *first >= 0) {
            if (b->base >= hw && *first < least)
                least = *first;
            *first = -1;
        }
    }
    for (uint32_t i = 0; i < SIM_TXN_IDS; i++)
        if (open[i] >= 0 && open[i] < least)
            least = open[i];
    return least;
}

static uint32_t
aborted_brute(const struct sim_log *l, int64_t from, int64_t limit, struct stable_aborted *out)
{
    int64_t open[SIM_TXN_IDS] = {-1, -1, -1};
    uint32_t count = 0;
    for (uint32_t i = 0; i < l->count; i++) {
        const struct sim_batch *b = &l->batches[i];
        if (!is_txn(b->producer))
            continue;
        int64_t *first = &open[b->producer - SIM_TXN_FIRST_ID];
        if (!b->marker && *first < 0)
            *first = b->base;
        if (!b->marker)
            continue;
        if (*first >= 0 && !b->commit && b->base >= from && *first < limit &&
            count < SIM_ABORTED_MAX)
            out[count++] = (struct stable_aborted){
                .producer_id = b->producer, .first = *first, .last = b->base};
        *first = -1;
    }
    return count;
}

void
sim_stable_check(struct sim *s, const struct sim_log *l)
{
    static struct stable_aborted want[SIM_ABORTED_MAX], got[SIM_ABORTED_MAX];
    const struct plog *p = l->state == SIM_THERE ? sim_plog(s, l) : NULL;
    if (!p)
        return;
    struct plog_facts facts;
    plog_facts(p, &facts);
    if (facts.damage)
        return; /* it serves nothing */
    int64_t stable = first_unstable(l, facts.high_watermark);
    if (stable < facts.log_start_offset)
        stable = facts.log_start_offset;
    if (stable > facts.high_watermark)
        stable = facts.high_watermark;
    if (facts.last_stable_offset != stable)
        sim_fail(s, "log %d: last stable offset %lld, not %lld", l->partition,
                 (long long)facts.last_stable_offset, (long long)stable);
    int64_t span = stable - facts.log_start_offset;
    int64_t from = facts.log_start_offset + (span > 0 ? sim_below(s, (uint32_t)span) : 0);
    /* Compaction has left no data of those that ended below. */
    int64_t known = from < p->clean_to ? p->clean_to : from;
    uint32_t n = aborted_brute(l, known, stable, want);
    uint32_t m = plog_aborted(p, from, stable, got, SIM_ABORTED_MAX);
    for (uint32_t i = 0; i < n && i < m; i++)
        if (want[i].producer_id != got[i].producer_id || want[i].first != got[i].first ||
            want[i].last != got[i].last)
            sim_fail(s, "log %d: aborted transaction %u is %lld..%lld, not %lld..%lld",
                     l->partition, i, (long long)got[i].first, (long long)got[i].last,
                     (long long)want[i].first, (long long)want[i].last);
    if (n != m)
        sim_fail(s, "log %d: %u aborted transactions in [%lld, %lld), not %u", l->partition, m,
                 (long long)from, (long long)stable, n);
}

void
sim_txns_check(struct sim *s, const struct sim_log *l, const struct plog *p)
{
    struct plog_producer got[SIM_PRODUCERS + SIM_TXN_IDS + 1];
    uint32_t room = sizeof got / sizeof *got, count = plog_producers(p, got, room);
    if (count > room)
        sim_fail(s, "log %d: %u producers", l->partition, count);
    for (int64_t id = SIM_TXN_FIRST_ID; id < SIM_TXN_FIRST_ID + SIM_TXN_IDS; id++) {
        struct txn_view v = view(l, id);
        uint32_t i = 0;
        while (i < count && got[i].id != id)
            i++;
        if (v.known != (i < count))
            sim_fail(s, "log %d: producer %lld is %s", l->partition, (long long)id,
                     v.known ? "lost" : "invented");
        if (v.known && (got[i].epoch != v.epoch || got[i].txn_first != v.open ||
                        got[i].coordinator_epoch != v.coordinator))
            sim_fail(s,
                     "log %d: producer %lld: epoch %d coordinator %d transaction %lld, not %d %d "
                     "%lld",
                     l->partition, (long long)id, got[i].epoch, got[i].coordinator_epoch,
                     (long long)got[i].txn_first, v.epoch, v.coordinator, (long long)v.open);
    }
    sim_stable_check(s, l);
}
