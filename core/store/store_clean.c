/* store_clean.c: which log is compacted next, and what a round of compaction came to.
 *
 * Source: Kafka LogCleanerManager.grabFilthiestCompactedLog, cleanableOffsets, LogToClean.  A log
 * is due when its dirty part is more than min.cleanable.dirty.ratio of all that can be cleaned, or
 * its oldest dirty batch is older than max.compaction.lag.ms.  What can be cleaned ends before the
 * first segment that is active, not wholly on disk under a durable name, not stable, or younger
 * than min.compaction.lag.ms.
 *
 * One log of a store is compacted at a time. */
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/store/store_in.h"

#include <stdio.h>
#include <stdlib.h>

enum { CLEAN_LOGS = 256 /* looked at per call */, CLEAN_MILLION = 1000000 };

/* ---- what is due -------------------------------------------------------------------------------
 */

struct reach {
    uint32_t count; /* of segments that can be cleaned, from the first one on */
    uint64_t clean_bytes, dirty_bytes;
    int64_t dirty_first_ts; /* of the first dirty segment's first batch */
};

static bool
can_clean(struct store *s, struct plog *p, uint32_t i, int64_t now_ms)
{
    struct segment *seg = p->segments[i];
    if (i + 1 >= p->segment_count || seg->bytes == 0)
        return false;
    if (!seg->sealed && seg->written == seg->bytes && seg->busy == 0)
        store_seal_begin(s, p, seg); /* there was no room for the job when it was full */
    if (!seg->sealed || !seg->named || seg->synced < seg->bytes)
        return false;
    int64_t limit = p->segments[i + 1]->base, lag_ms = p->config.min_compaction_lag_ms;
    if (limit <= p->clean_to)
        return true;
    bool stable = limit <= plog_last_stable(p) || mutant(MUTANT_CLEAN_PAST_STABLE);
    return stable && (lag_ms <= 0 || seg->max_ts <= now_ms - lag_ms);
}

static void
reach_find(struct store *s, struct plog *p, int64_t now_ms, struct reach *out)
{
    *out = (struct reach){.dirty_first_ts = INT64_MAX};
    while (out->count < p->segment_count && can_clean(s, p, out->count, now_ms)) {
        const struct segment *seg = p->segments[out->count++];
        if (p->segments[out->count]->base <= p->clean_to) {
            out->clean_bytes += seg->bytes;
            continue;
        }
        if (out->dirty_bytes == 0)
            out->dirty_first_ts = seg->first_ts;
        out->dirty_bytes += seg->bytes;
    }
}

/* Kafka's ratio in millionths, -1: not due. */
static int64_t
ratio_due(const struct plog *p, const struct reach *e, int64_t now_ms)
{
    if (e->dirty_bytes == 0)
        return -1;
    uint64_t all = e->clean_bytes + e->dirty_bytes;
    int64_t ratio = (int64_t)((double)e->dirty_bytes / (double)all * CLEAN_MILLION);
    bool old = e->dirty_first_ts >= 0 && p->config.max_compaction_lag_ms > 0 &&
               p->config.max_compaction_lag_ms < now_ms - e->dirty_first_ts;
    return old || ratio > (int64_t)p->config.min_dirty_millionths ? ratio : -1;
}

static void
look(struct store *s, struct plog *p, int64_t now_ms)
{
    struct reach e;
    if (!p->used || p->dead || p->state == PLOG_OFFLINE || !p->config.cleanup_compact ||
        p->clean_failed || p->task || s->rooms[p->dir].low)
        return;
    reach_find(s, p, now_ms, &e);
    int64_t ratio = ratio_due(p, &e, now_ms);
    if (ratio < 0 || (s->clean.found && (uint64_t)ratio <= s->clean.best_ratio))
        return;
    s->clean.found = true;
    s->clean.best_slot = p->slot;
    s->clean.best_serial = p->serial;
    s->clean.best_ratio = (uint64_t)ratio;
}

/* ---- the task ----------------------------------------------------------------------------------
 */

static int
producer_order(const void *a, const void *b)
{
    const struct clean_producer *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* Copies who is active, so that their last batches are kept. */
static bool
producers_copy(const struct plog *p, struct clean_rules *rules)
{
    const struct producer_table *t = &p->producers;
    if (t->count == 0)
        return true;
    struct clean_producer *out = calloc(t->count, sizeof *out);
    if (!out)
        return false;
    uint32_t n = 0, at = 0;
    for (const struct producer *one; (one = producer_next(t, &at));) {
        int64_t last = one->count ? one->batches[one->count - 1].offset_last : -1;
        must(n < t->count);
        out[n++] = (struct clean_producer){.id = one->id, .last_offset = last, .epoch = one->epoch};
    }
    qsort(out, n, sizeof *out, producer_order);
    rules->producers = out;
    rules->producer_count = n;
    return true;
}

static int
aborted_order(const void *a, const void *b)
{
    const struct clean_aborted *x = a, *y = b;
    return (x->first_offset > y->first_offset) - (x->first_offset < y->first_offset);
}

static bool
aborted_copy(const struct plog *p, struct clean_rules *rules)
{
    uint32_t count = p->stable.aborted_count;
    if (count == 0)
        return true;
    struct clean_aborted *out = calloc(count, sizeof *out);
    if (!out)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        const struct stable_aborted *a = &p->stable.aborted[i];
        out[i] = (struct clean_aborted){
            .producer_id = a->producer_id, .first_offset = a->first, .last_offset = a->last};
    }
    qsort(out, count, sizeof *out, aborted_order);
    rules->aborted = out;
    rules->aborted_count = count;
    return true;
}

static void clean_done(struct store *s, struct store_task *t, struct plog *p);

static const struct store_task_ops clean_ops = {clean_run, clean_done, clean_run_free};

static struct clean_run *
run_make(struct store *s, const struct plog *p, const struct reach *e, int64_t now_ms)
{
    struct clean_run *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->task.ops = &clean_ops;
    r->sources = calloc(e->count, sizeof *r->sources);
    r->groups = calloc(e->count, sizeof *r->groups);
    r->rules = (struct clean_rules){.now_ms = now_ms,
                                    .delete_retention_ms = p->config.delete_retention_ms};
    if (!r->sources || !r->groups || !producers_copy(p, &r->rules) || !aborted_copy(p, &r->rules)) {
        clean_run_free(&r->task);
        return NULL;
    }
    plog_path_dir(p, r->dir);
    r->disk_dir = p->dir;
    r->tag = s->generation << 32 | (uint32_t)s->next_serial++;
    clean_run_suffix(r->tag, r->suffix);
    r->source_count = e->count;
    for (uint32_t i = 0; i < e->count; i++)
        r->sources[i] = (struct clean_source){.base = p->segments[i]->base,
                                              .limit = p->segments[i + 1]->base,
                                              .serial = p->segments[i]->serial,
                                              .bytes = p->segments[i]->bytes};
    r->dirty_from = p->clean_to > r->sources[0].base ? p->clean_to : r->sources[0].base;
    r->segment_bytes = p->config.segment_bytes;
    return r;
}

bool
store_clean(struct store *s, int64_t now_ms)
{
    struct clean *c = &s->clean;
    if (c->busy || s->flushing || s->ending || s->frozen)
        return true;
    for (uint32_t n = 0; n < CLEAN_LOGS && c->slot < s->log_limit; n++)
        look(s, &s->logs[c->slot++], now_ms);
    if (c->slot < s->log_limit)
        return false;
    struct plog *p = c->found ? &s->logs[c->best_slot] : NULL;
    c->slot = 0;
    c->found = false;
    if (!p || !p->used || p->serial != c->best_serial || p->dead || p->task)
        return true;
    struct reach e;
    reach_find(s, p, now_ms, &e);
    struct clean_run *r = e.dirty_bytes ? run_make(s, p, &e, now_ms) : NULL;
    if (!r)
        return true;
    c->busy = true;
    store_task_add(s, p, &r->task);
    return true;
}

/* ---- the result --------------------------------------------------------------------------------
 */

static void
failed(struct store *s, struct plog *p, const struct clean_run *r, int error)
{
    if (error == ERR_NO_SPACE)
        store_room_hit(s, r->disk_dir);
    if (error == ERR_CLOSED || error == ERR_NOT_FOUND || error == ERR_NO_SPACE)
        return; /* given up; retention was faster; later */
    /* As in Kafka: the partition is served on, and not compacted. */
    p->clean_failed = true;
    log_error("store", "compaction of a partition stopped until the next start path=%s error=%s%s",
              r->dir, err_name(error),
              error == ERR_FULL ? ": log.cleaner.dedupe.buffer.size is too small for one batch"
                                : "");
}

static void
clean_done(struct store *s, struct store_task *t, struct plog *p)
{
    struct clean_run *r = (struct clean_run *)t;
    struct store_stats *st = &s->stats;
    st->clean_bytes_read += r->bytes_read;
    st->clean_bytes_written += r->bytes_written;
    st->clean_keyless += r->counts.keyless;
    if (t->result != ERR_OK) {
        if (p)
            failed(s, p, r, t->result);
        store_clean_over(s);
        store_task_end(s, t);
        return;
    }
    st->clean_rounds++;
    st->clean_records += r->counts.records;
    st->clean_records_dropped += r->counts.records_dropped;
    log_info("store",
             "compacted path=%s to=%lld segments=%u files=%u records=%llu dropped=%llu "
             "bytes_read=%llu bytes_written=%llu",
             r->dir, (long long)r->clean_to, r->source_count, r->group_count,
             (unsigned long long)r->counts.records, (unsigned long long)r->counts.records_dropped,
             (unsigned long long)r->bytes_read, (unsigned long long)r->bytes_written);
    store_swap_begin(s, r, &s->logs[t->slot], !p);
}

void
store_clean_over(struct store *s)
{
    s->clean.busy = false;
}
