/* sim_io.c: what a life does to its stores, but for reading (sim_read.c). */
#include "core/base/crc32c.h"
#include "core/base/err.h"
#include "core/wire/kerr.h"
#include "tests/sim/sim.h"

#include <string.h>

struct store *
sim_store(struct sim *s, const struct sim_log *l)
{
    uint8_t id[16];
    sim_topic(l, id);
    return s->stores[store_core_of(id, l->partition, s->cores)];
}

struct plog *
sim_plog(struct sim *s, const struct sim_log *l)
{
    uint8_t id[16];
    sim_topic(l, id);
    return store_find(sim_store(s, l), id, l->partition);
}

bool
sim_over(const struct sim *s)
{
    return s->dead || disk_mem_is_cut(s->disk);
}

/* What ListOffsets would tell somebody now. */
static void
start_see(struct sim *s, struct sim_log *l)
{
    const struct plog *p = l->state == SIM_THERE ? sim_plog(s, l) : NULL;
    if (!p)
        return;
    /* Rotten: the record of the start may be what is lost. */
    if ((p->start < l->start && !s->rotten) || p->start > l->start_asked)
        sim_fail(s, "log %d: starts at %lld, told %lld, asked for %lld", l->partition,
                 (long long)p->start, (long long)l->start, (long long)l->start_asked);
    l->start = p->start;
}

/* Who was answered finds his records. */
static void
acks_seen(struct sim *s, const struct sim_log *l)
{
    bool whole = l->state == SIM_THERE && l->acked && !l->damaged && !l->offline && !s->rotten;
    const struct plog *p = whole ? sim_plog(s, l) : NULL;
    const struct sim_batch *b = p ? &l->batches[l->acked - 1] : NULL;
    if (p && b->base + b->records > p->hw)
        sim_fail(s, "log %d: acknowledged to %lld, high watermark %lld", l->partition,
                 (long long)(b->base + b->records), (long long)p->hw);
}

void
sim_note_acks(struct sim *s)
{
    for (uint32_t i = 0; i < s->log_count; i++) {
        struct sim_log *l = &s->logs[i];
        if (l->state == SIM_NONE)
            continue;
        uint64_t durable = store_durable_lsn(sim_store(s, l));
        uint64_t written = store_written_lsn(sim_store(s, l));
        while (l->acked < l->count && !l->held &&
               l->batches[l->acked].lsn <= (l->batches[l->acked].held ? durable : written))
            l->batches[l->acked++].acked = true;
        acks_seen(s, l);
        if (l->change_lsn <= durable)
            l->change_lsn = 0;
        if (l->config_lsn <= durable)
            l->config_lsn = 0;
        if (l->start_lsn && l->start_lsn <= durable && !l->held) {
            l->start_lsn = 0;
            l->start = l->start_asked;
        }
        if (l->held)
            continue;
        start_see(s, l);
        if (s->txns)
            sim_stable_check(s, l);
    }
}

/* As the thread beside the loops does, but at once. */
static void
run_tasks(struct sim *s, struct store *store)
{
    struct store_worker w = {.disk = disk_mem_port(s->disk, DISK_MEM_PORTS - 1),
                             .map = s->compacts ? &s->map : NULL};
    struct store_task *t;
    bool round = false; /* of a move one a turn: much may come between two */
    while (!round && !disk_mem_is_cut(s->disk) && (t = store_task_take(store))) {
        round = store->move.run && t == &store->move.run->task;
        store_task_run(&w, t);
        store_task_done(store, t);
    }
}

void
sim_turns(struct sim *s, uint32_t count)
{
    for (uint32_t n = 0; n < count && !sim_over(s); n++) {
        s->now_ns += 50000 + sim_below(s, 500000);
        for (uint32_t i = 0; i < s->cores; i++) {
            uint64_t deadline;
            int rc = store_step(s->stores[i], s->now_ns, &deadline);
            run_tasks(s, s->stores[i]);
            sim_readers_told(s, s->stores[i]);
            if (rc == ERR_OK)
                continue;
            if (!s->excused && !disk_mem_is_cut(s->disk))
                sim_fail(s, "store_step failed: %s", err_name(rc));
            s->dead = true;
        }
        if (!s->dead)
            sim_note_acks(s);
        sim_readers_step(s);
    }
}

struct plog *
sim_open(struct sim *s, struct sim_log *l)
{
    uint8_t id[16];
    sim_topic(l, id);
    struct store *store = sim_store(s, l);
    if (l->state == SIM_THERE) {
        struct plog *p = store_find(store, id, l->partition);
        if (!p)
            sim_fail(s, "log %d is not found", l->partition);
        return p;
    }
    struct plog *p;
    int rc = store_create(store, id, l->partition, &l->config, &p);
    if (rc == ERR_AGAIN)
        return NULL;
    if (rc != ERR_OK)
        sim_fail(s, "create of log %d: %s", l->partition, err_name(rc));
    sim_forget(l); /* a deleted one is gone for good now */
    l->state = SIM_THERE;
    l->change_lsn = journal_last_lsn(store->journal);
    sim_say(s, "log %d created", l->partition);
    return p;
}

/* ---- append ------------------------------------------------------------------------------------
 */

/* Makes b of an idempotent producer: mostly its next batch, sometimes one that was sent before, one
 * too far, or of an old or new epoch. */
static void
producer_choose(struct sim *s, const struct sim_log *l, struct sim_batch *b)
{
    b->producer = SIM_PRODUCER_FIRST_ID + sim_below(s, SIM_PRODUCERS);
    if (!sim_producer_next(l, b->producer, &b->epoch, &b->sequence)) {
        b->sequence = sim_chance(s, 3) ? INT32_MAX - (int32_t)sim_below(s, 6) : 0;
        b->epoch = 1;
        return;
    }
    switch (sim_below(s, 10)) {
    case 0:
        b->sequence = (int32_t)(((int64_t)b->sequence + 1) % ((int64_t)INT32_MAX + 1));
        return;
    case 1:
        b->epoch++;
        b->sequence = sim_chance(s, 4) ? 7 : 0;
        return;
    case 2:
        b->epoch--;
        return;
    case 3:
    case 4:
        for (uint32_t i = l->count, skip = sim_below(s, 7); i-- > 0;)
            if (l->batches[i].producer == b->producer && skip-- == 0) {
                b->sequence = l->batches[i].sequence;
                b->epoch = l->batches[i].epoch;
                b->records = l->batches[i].records;
                return;
            }
        return;
    default:
        return;
    }
}

void
sim_appended(struct sim *s, struct sim_log *l, const struct sim_batch *b, uint32_t bytes,
             const struct store_appended *out)
{
    if (out->base_offset != sim_end(l))
        sim_fail(s, "log %d: appended at %lld, not at %lld", l->partition,
                 (long long)out->base_offset, (long long)sim_end(l));
    struct sim_batch *n = sim_add(l);
    *n = *b;
    n->base = out->base_offset;
    n->lsn = out->lsn;
    n->held = out->held;
    struct store *store = sim_store(s, l);
    n->extent = store_entry(store, sim_plog(s, l)->tail_last)->extent;
    n->len = bytes;
    batch_stamp(s->batch, n->base, SIM_LEADER_EPOCH);
    if (out->log_append_time_ms >= 0) {
        batch_stamp_time(s->batch, bytes, out->log_append_time_ms);
        n->stamped = true;
        n->first_ms = out->log_append_time_ms;
    }
    n->crc = crc32c(0, s->batch, bytes);
    l->core = (uint32_t)sim_store(s, l)->config.core;
    s->appends++;
}

/* In one step or in two halves, which may be given up on the way. */
static int
batch_append(struct sim *s, struct sim_log *l, struct plog *p, const struct batch_info *info,
             struct store_appended *out)
{
    struct store *store = sim_store(s, l);
    const uint8_t *at;
    if (sim_chance(s, 2) && store_stage(store, p, info, s->now_ms, &at) == ERR_OK) {
        uint32_t half = info->bytes / 2;
        store_stage_put(store, s->batch, half);
        store_stage_put(store, s->batch + half, info->bytes - half);
        if (sim_chance(s, 2)) {
            int rc = store_append_staged(store, info, SIM_LEADER_EPOCH, s->now_ms, out);
            if (rc != ERR_LIMIT)
                return rc;
        } else {
            store_unstage(store);
        }
    }
    return store_append(store, p, info, view_of(s->batch, info->bytes), SIM_LEADER_EPOCH, s->now_ms,
                        out);
}

/* A value with which the next batch begins a little before a piece of its segment ends; 0: no. */
static uint32_t
value_to_edge(const struct sim_log *l, const struct plog *p, int32_t records)
{
    enum { EDGE_BEFORE = BATCH_HEADER_BYTES / 2, EDGE_RECORD = 10, EDGE_LEAST = 200 };
    uint32_t left = SUMS_PIECE - (p->segment_count ? plog_last(p)->bytes % SUMS_PIECE : 0);
    uint32_t rest = BATCH_HEADER_BYTES + EDGE_BEFORE;
    if (left < EDGE_LEAST || l->count % 4 == 0)
        return 0;
    return (left - rest) / (uint32_t)records - EDGE_RECORD;
}

static uint32_t
value_choose(struct sim *s, const struct sim_log *l, const struct plog *p, int32_t records)
{
    static const uint32_t sizes[] = {1, 10, 40, 100, 200, 400, 1000, 3000, 9000, 20000};
    enum { SIZES = sizeof sizes / sizeof *sizes, LARGE = 2 };
    uint32_t value = sizes[sim_below(s, SIZES)];
    if (s->heavy && sim_chance(s, 2))
        value = sizes[SIZES - 1 - sim_below(s, LARGE)];
    uint32_t most = s->batch_bytes_max - BATCH_HEADER_BYTES;
    uint32_t edge = s->edges ? value_to_edge(l, p, records) : 0;
    value = edge ? edge : value;
    if ((value + 40) * (uint32_t)records > most)
        value = most / (uint32_t)records - 40;
    return value;
}

void
sim_append(struct sim *s, struct sim_log *l)
{
    struct plog *p = sim_open(s, l);
    if (!p)
        return;
    s->now_ms += sim_below(s, 20);
    struct sim_batch b = {.records = 1 + (int32_t)sim_below(s, 4),
                          .producer = -1,
                          .first_ms = s->now_ms - sim_below(s, 30)};
    b.key = l->config.cleanup_compact ? (int32_t)sim_below(s, SIM_KEYS) : -1;
    if (sim_chance(s, 2))
        producer_choose(s, l, &b);
    const struct sim_batch *duplicate = NULL;
    int want = b.producer < 0
                   ? KERR_NONE
                   : sim_producer(l, b.producer, b.epoch, b.sequence, b.records, &duplicate);
    struct batch_info info;
    struct store_appended out;
    uint32_t bytes = sim_build(s, &b, value_choose(s, l, p, b.records), &info);
    int rc = batch_append(s, l, p, &info, &out);
    if (rc == ERR_AGAIN)
        return;
    if (rc == KERR_KAFKA_STORAGE_ERROR && sim_storage_excused(s, l))
        return;
    if (rc != want)
        sim_fail(s, "log %d: append gives %d, not %d (producer %lld epoch %d sequence %d)",
                 l->partition, rc, want, (long long)b.producer, b.epoch, b.sequence);
    if (rc == KERR_NONE)
        sim_appended(s, l, &b, bytes, &out);
    else if (rc == KERR_DUPLICATE_SEQUENCE_NUMBER &&
             (out.base_offset != duplicate->base || out.lsn < duplicate->lsn) && !duplicate->acked)
        sim_fail(s, "log %d: a duplicate of %lld is answered with %lld", l->partition,
                 (long long)duplicate->base, (long long)out.base_offset);
}

bool
sim_storage_excused(struct sim *s, const struct sim_log *l)
{
    return s->excused || sim_dirs_is_bad(s, l, sim_plog(s, l));
}

/* ---- by time -----------------------------------------------------------------------------------
 */

/* The first record at or after a time; with `largest` the first of the largest time. */
static int64_t
time_brute(const struct sim_log *l, int64_t time_ms, bool largest, int64_t *found_ms)
{
    /* Records below the start do not count. */
    int64_t best = -1, most = INT64_MIN;
    for (uint32_t i = 0; i < l->count; i++) {
        const struct sim_batch *b = &l->batches[i];
        for (int32_t k = 0; k < b->records; k++) {
            int64_t t = b->stamped ? b->first_ms : b->first_ms + k;
            if ((largest ? t <= most : t < time_ms) || b->base + k < l->start)
                continue;
            best = b->base + k;
            most = *found_ms = t;
            if (!largest)
                return best;
        }
    }
    return best;
}

void
sim_find_time(struct sim *s, struct sim_log *l)
{
    struct store *store = sim_store(s, l);
    struct plog *p = sim_plog(s, l);
    struct plog_facts facts;
    plog_facts(p, &facts);
    if (l->count == 0 || facts.high_watermark != sim_end(l) || l->config.cleanup_compact)
        return;
    bool largest = sim_chance(s, 6) && l->start_asked == 0;
    int64_t start = l->start;
    int64_t time_ms = l->batches[sim_below(s, l->count)].first_ms + sim_below(s, 9) - 4;
    int64_t want_ms = -1, want = time_brute(l, time_ms, largest, &want_ms), offset, found_ms;
    int rc;
    while ((rc = store_find_time(store, p, largest ? STORE_TIME_MAX : time_ms, SIM_WAITER, &offset,
                                 &found_ms)) == ERR_AGAIN)
        if (!sim_wait_read(s, store, "a search by time"))
            return;
    if (l->start != start || (rc != ERR_OK && sim_read_excused(s, l, rc, -1)))
        return;
    if (offset != want || found_ms != want_ms)
        sim_fail(s, "log %d: time %lld%s gives %lld at %lld, not %lld at %lld", l->partition,
                 (long long)time_ms, largest ? " (largest)" : "", (long long)offset,
                 (long long)found_ms, (long long)want, (long long)want_ms);
}

void
sim_trim(struct sim *s, struct sim_log *l)
{
    struct plog *p = sim_plog(s, l);
    struct plog_facts facts;
    plog_facts(p, &facts);
    int64_t offset = sim_below(s, (uint32_t)facts.high_watermark + 3);
    if (sim_chance(s, 6))
        offset = -1;
    int64_t to = offset == -1 ? facts.high_watermark : offset;
    struct store_trimmed out;
    int rc = store_trim(sim_store(s, l), p, offset, &out);
    if (rc == ERR_AGAIN || (rc == KERR_KAFKA_STORAGE_ERROR && sim_storage_excused(s, l)))
        return;
    int want = to > facts.high_watermark ? KERR_OFFSET_OUT_OF_RANGE : KERR_NONE;
    if (rc != want)
        sim_fail(s, "log %d: trim to %lld gives %d, not %d", l->partition, (long long)offset, rc,
                 want);
    if (rc != KERR_NONE || to <= l->start_asked)
        return;
    if (out.log_start_offset != to || out.lsn == 0)
        sim_fail(s, "log %d: trim to %lld answers %lld", l->partition, (long long)to,
                 (long long)out.log_start_offset);
    l->start_asked = to;
    l->start_lsn = out.lsn;
    sim_say(s, "log %d trimmed to %lld", l->partition, (long long)to);
}
