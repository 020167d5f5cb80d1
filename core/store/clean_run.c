/* clean_run.c: see clean_run.h.
 *
 * Groups (Kafka Cleaner.groupSegmentsBySize): neighbours whose bytes together do not exceed
 * segment.bytes and whose offsets fit into 31 bits.  Every new file keeps at least the header of
 * its last batch, so that no segment is empty and every offset below the end of the log has a
 * batch at or behind it. */
#include "core/store/clean_run.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/store/store_in.h"

#include <stdio.h>
#include <stdlib.h>

/* A chunk is what an append may have to wait for at the device: 0.1 ms of its time. */
enum { RUN_CHUNK = 128 << 10, RUN_BATCH_MAX = 512 << 20 };

struct reader {
    struct store_worker *worker;
    struct clean_run *run;
    const struct clean_source *source;
    int32_t file;
    uint8_t *mem;
    uint64_t room;
    uint64_t start; /* position in the file of mem[0], whole blocks */
    uint64_t len;   /* bytes in mem */
    uint64_t at;    /* position of the next batch */
    int64_t next;   /* least offset that it may have */
};

struct writer {
    struct store_worker *worker;
    struct clean_run *run;
    struct clean_group *group;
    int32_t file;
    uint8_t *mem;
    uint64_t start, fill; /* mem[0] is written to `start` */
};

static void
path_of(const struct clean_run *r, int64_t base, const char *suffix, char *out, size_t room)
{
    int n = snprintf(out, room, "%s/%020lld%s", r->dir, (long long)base, suffix);
    must(n > 0 && n < (int)room);
}

void
clean_run_suffix(uint64_t tag, char out[static CLEAN_SUFFIX_BYTES])
{
    snprintf(out, CLEAN_SUFFIX_BYTES, ".log.%016llx" CLEAN_SUFFIX_END, (unsigned long long)tag);
}

static bool
cancelled(const struct clean_run *r)
{
    return atomic_load_explicit(&r->task.cancel, memory_order_relaxed);
}

/* Waits for its turn to read or write so much. */
static int
pace(struct store_worker *w, const struct clean_run *r, uint64_t bytes)
{
    if (cancelled(r))
        return ERR_CLOSED;
    return w->pace ? pace_wait(w->pace, bytes) : ERR_OK;
}

static int64_t
run_op(struct store_worker *w, const struct clean_run *r, struct disk_op op)
{
    op.dir = r->disk_dir;
    return store_run(w->disk, op);
}

/* ---- reading -----------------------------------------------------------------------------------
 */

static int
reader_open(struct reader *d, const struct clean_source *source)
{
    char path[2 * PLOG_PATH_BYTES];
    path_of(d->run, source->base, ".log", path, sizeof path);
    int64_t got = run_op(d->worker, d->run,
                         (struct disk_op){.kind = DISK_OPEN, .path = path, .flags = DISK_DIRECT});
    if (got < 0)
        return (int)got;
    d->file = (int32_t)got;
    d->source = source;
    d->start = d->len = d->at = 0;
    d->next = source->base;
    return ERR_OK;
}

static void
reader_close(struct reader *d)
{
    if (d->file >= 0)
        run_op(d->worker, d->run, (struct disk_op){.kind = DISK_CLOSE, .file = d->file});
    d->file = -1;
}

/* Makes at least `want` bytes from d->at on present. */
static int
reader_fill(struct reader *d, uint64_t want)
{
    if (d->start + d->len >= d->at + want)
        return ERR_OK;
    uint64_t keep = d->at / STORE_BLOCK * STORE_BLOCK, skip = keep - d->start;
    uint64_t kept = d->len > skip ? d->len - skip : 0;
    uint64_t room = plog_round_block(d->at - keep + want) + RUN_CHUNK;
    if (room > d->room) {
        uint8_t *more = aligned_alloc(STORE_BLOCK, room);
        if (!more)
            return ERR_LIMIT;
        if (kept)
            memcpy(more, d->mem + skip, kept);
        free(d->mem);
        d->mem = more;
        d->room = room;
    } else if (kept) {
        memmove(d->mem, d->mem + skip, kept);
    }
    d->start = keep;
    d->len = kept;
    while (d->start + d->len < d->at + want) {
        uint64_t n = d->room - d->len < RUN_CHUNK ? d->room - d->len : RUN_CHUNK;
        int rc = pace(d->worker, d->run, n);
        if (rc != ERR_OK)
            return rc;
        int64_t got = run_op(d->worker, d->run,
                             (struct disk_op){.kind = DISK_READ,
                                              .file = d->file,
                                              .at = d->mem + d->len,
                                              .len = (uint32_t)n,
                                              .offset = d->start + d->len});
        if (got < 0)
            return (int)got;
        d->run->bytes_read += (uint64_t)got;
        d->len += (uint64_t)got;
        if (d->start + d->len < d->at + want && (uint64_t)got < n)
            return ERR_CORRUPT; /* shorter than its log says */
    }
    return ERR_OK;
}

/* The next batch of the segment; ERR_NOT_FOUND at its end. */
static int
reader_next(struct reader *d, struct view *batch, struct batch_info *info)
{
    uint64_t left = d->source->bytes - d->at;
    if (left == 0)
        return ERR_NOT_FOUND;
    int rc = left < BATCH_HEADER_BYTES ? ERR_CORRUPT : reader_fill(d, BATCH_HEADER_BYTES);
    if (rc == ERR_OK)
        rc = batch_header(view_of(d->mem + (d->at - d->start), BATCH_HEADER_BYTES), info);
    if (rc == ERR_OK && (info->bytes > left || info->bytes > RUN_BATCH_MAX ||
                         info->base_offset < d->next || info->last_offset_delta < 0 ||
                         info->base_offset + info->last_offset_delta >= d->source->limit))
        rc = ERR_CORRUPT;
    if (rc == ERR_OK)
        rc = reader_fill(d, info->bytes);
    if (rc != ERR_OK)
        return rc;
    *batch = view_of(d->mem + (d->at - d->start), info->bytes);
    if (!batch_crc_ok(*batch, info))
        return ERR_CORRUPT;
    d->at += info->bytes;
    d->next = info->base_offset + info->last_offset_delta + 1;
    return ERR_OK;
}

/* ---- the map -----------------------------------------------------------------------------------
 */

static int
map_segment(struct reader *d, struct clean_filter *f, const struct clean_source *source)
{
    struct view batch;
    struct batch_info info;
    int rc = reader_open(d, source);
    while (rc == ERR_OK && (rc = reader_next(d, &batch, &info)) == ERR_OK)
        if (d->next > d->run->dirty_from)
            rc = clean_filter_note(f, batch);
    reader_close(d);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static int
map_fill(struct reader *d, struct clean_filter *f)
{
    struct clean_run *r = d->run;
    int rc = ERR_OK;
    for (uint32_t i = 0; i < r->source_count && rc == ERR_OK; i++)
        if (r->sources[i].limit > r->dirty_from)
            rc = map_segment(d, f, &r->sources[i]);
    int64_t latest = r->rules.map->latest;
    if (rc == ERR_FULL && latest >= r->dirty_from)
        rc = ERR_OK; /* the rest is for the next round */
    r->clean_to = latest + 1;
    return rc;
}

/* ---- writing -----------------------------------------------------------------------------------
 */

static int
writer_open(struct writer *o, struct clean_group *g)
{
    char path[2 * PLOG_PATH_BYTES];
    path_of(o->run, o->run->sources[g->first].base, o->run->suffix, path, sizeof path);
    int64_t got = run_op(
        o->worker, o->run,
        (struct disk_op){.kind = DISK_OPEN,
                         .path = path,
                         .flags = DISK_CREATE | DISK_EXCLUSIVE | DISK_WRITABLE | DISK_DIRECT});
    if (got < 0)
        return (int)got;
    o->file = (int32_t)got;
    o->group = g;
    o->start = o->fill = 0;
    return ERR_OK;
}

/* Writes what is gathered, whole blocks. */
static int
writer_flush(struct writer *o, uint64_t bytes)
{
    int rc = pace(o->worker, o->run, bytes);
    if (rc != ERR_OK)
        return rc;
    int64_t got = run_op(o->worker, o->run,
                         (struct disk_op){.kind = DISK_WRITE,
                                          .file = o->file,
                                          .at = o->mem,
                                          .len = (uint32_t)bytes,
                                          .offset = o->start});
    if (got < 0)
        return (int)got;
    o->run->bytes_written += bytes;
    o->start += bytes;
    o->fill = 0;
    return ERR_OK;
}

static void
writer_note(struct clean_group *g, int64_t base, struct view batch, const struct batch_info *info)
{
    uint32_t count = g->idx.count;
    if (count == 0 || g->bytes - index_get(&g->idx, count - 1)->pos >= PLOG_INDEX_SEALED)
        index_add(&g->idx, (struct index_entry){.rel = (uint32_t)(info->base_offset - base),
                                                .pos = g->bytes,
                                                .max_ts = g->max_ts});
    if (g->bytes == 0)
        g->first_ts = info->max_timestamp_ms;
    if (info->record_count && info->max_timestamp_ms > g->max_ts)
        g->max_ts = info->max_timestamp_ms;
    g->bytes += batch.len;
}

static int
writer_add(struct writer *o, struct view batch)
{
    struct batch_info info;
    struct clean_group *g = o->group;
    int rc = batch_header(batch, &info);
    must(rc == ERR_OK);
    if (batch.len > INT32_MAX - g->bytes)
        return ERR_LIMIT;
    writer_note(g, o->run->sources[g->first].base, batch, &info);
    for (uint32_t done = 0; done < batch.len;) {
        uint64_t n = RUN_CHUNK - o->fill;
        if (n > batch.len - done)
            n = batch.len - done;
        memcpy(o->mem + o->fill, batch.at + done, n);
        o->fill += n;
        done += (uint32_t)n;
        rc = o->fill == RUN_CHUNK ? writer_flush(o, RUN_CHUNK) : ERR_OK;
        if (rc != ERR_OK)
            return rc;
    }
    return ERR_OK;
}

static int
writer_end(struct writer *o)
{
    uint64_t rest = plog_round_block(o->fill);
    memset(o->mem + o->fill, 0, rest - o->fill);
    int rc = rest ? writer_flush(o, rest) : ERR_OK;
    int64_t got = rc;
    if (got >= 0)
        got = run_op(
            o->worker, o->run,
            (struct disk_op){.kind = DISK_TRUNCATE, .file = o->file, .offset = o->group->bytes});
    if (got >= 0)
        got = run_op(o->worker, o->run, (struct disk_op){.kind = DISK_SYNC, .file = o->file});
    return got < 0 ? (int)got : ERR_OK;
}

static void
writer_close(struct writer *o)
{
    if (o->file >= 0)
        run_op(o->worker, o->run, (struct disk_op){.kind = DISK_CLOSE, .file = o->file});
    o->file = -1;
}

/* Removes the new file of a group. */
static void
group_remove(struct store_worker *w, const struct clean_run *r, const struct clean_group *g)
{
    char path[2 * PLOG_PATH_BYTES];
    path_of(r, r->sources[g->first].base, r->suffix, path, sizeof path);
    run_op(w, r, (struct disk_op){.kind = DISK_UNLINK, .path = path});
}

/* ---- groups ------------------------------------------------------------------------------------
 */

static void
groups_make(struct clean_run *r)
{
    for (uint32_t i = 0; i < r->source_count && r->sources[i].base < r->clean_to; i++) {
        const struct clean_source *source = &r->sources[i];
        struct clean_group *g = r->group_count ? &r->groups[r->group_count - 1] : NULL;
        if (g && g->count < CLEAN_GROUP_MAX && g->bytes + source->bytes <= r->segment_bytes &&
            source->limit - r->sources[g->first].base <= INT32_MAX) {
            g->count++;
        } else {
            g = &r->groups[r->group_count++];
            *g = (struct clean_group){.first = i, .count = 1};
        }
        g->bytes += source->bytes; /* of the old ones, for now */
    }
    for (uint32_t i = 0; i < r->group_count; i++) {
        r->groups[i].bytes = 0;
        r->groups[i].max_ts = r->groups[i].first_ts = INT64_MIN;
    }
}

static int
source_clean(struct reader *d, struct writer *o, struct clean_filter *f, bool last)
{
    struct view batch, out;
    struct batch_info info;
    int rc = ERR_OK;
    while (rc == ERR_OK && (rc = reader_next(d, &batch, &info)) == ERR_OK) {
        bool keep = last && d->at == d->source->bytes && o->group->bytes == 0;
        rc = clean_filter_apply(f, batch, keep, &out);
        if (rc == ERR_OK && out.len)
            rc = writer_add(o, out);
    }
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static int
group_clean(struct reader *d, struct writer *o, struct clean_filter *f, struct clean_group *g)
{
    struct clean_run *r = d->run;
    uint64_t changed = f->counts.batches_changed;
    int rc = writer_open(o, g);
    for (uint32_t i = 0; i < g->count && rc == ERR_OK; i++) {
        rc = reader_open(d, &r->sources[g->first + i]);
        if (rc == ERR_OK)
            rc = source_clean(d, o, f, i + 1 == g->count);
        reader_close(d);
    }
    if (rc == ERR_OK)
        rc = writer_end(o);
    writer_close(o);
    g->changed = g->count > 1 || f->counts.batches_changed != changed;
    if (rc == ERR_OK && !g->changed)
        group_remove(d->worker, r, g);
    return rc;
}

static int
groups_clean(struct reader *d, struct clean_filter *f)
{
    struct clean_run *r = d->run;
    struct writer o = {.worker = d->worker, .run = r, .file = -1};
    o.mem = aligned_alloc(STORE_BLOCK, RUN_CHUNK);
    if (!o.mem)
        return ERR_LIMIT;
    int rc = ERR_OK;
    bool changed = false;
    for (uint32_t i = 0; i < r->group_count && rc == ERR_OK; i++) {
        rc = group_clean(d, &o, f, &r->groups[i]);
        changed = changed || r->groups[i].changed;
    }
    free(o.mem);
    if (rc == ERR_OK && changed) {
        int64_t got = run_op(d->worker, r, (struct disk_op){.kind = DISK_SYNC_DIR, .path = r->dir});
        rc = got < 0 ? (int)got : ERR_OK;
    }
    return rc;
}

int
clean_run(struct store_worker *w, struct store_task *t)
{
    struct clean_run *r = (struct clean_run *)t;
    struct clean_filter f;
    struct reader d = {.worker = w, .run = r, .file = -1};
    must(w->map);
    clean_map_clear(w->map);
    r->rules.map = w->map;
    clean_filter_init(&f, &r->rules);
    int rc = map_fill(&d, &f);
    clean_filter_rewind(&f);
    if (rc == ERR_OK) {
        groups_make(r);
        rc = groups_clean(&d, &f);
    }
    if (rc != ERR_OK)
        for (uint32_t i = 0; i < r->group_count; i++)
            group_remove(w, r, &r->groups[i]);
    r->counts = f.counts;
    clean_filter_free(&f);
    free(d.mem);
    return rc;
}

void
clean_run_free(struct store_task *t)
{
    struct clean_run *r = (struct clean_run *)t;
    for (uint32_t i = 0; r->groups && i < r->group_count; i++)
        index_free(&r->groups[i].idx);
    free(r->groups);
    free(r->sources);
    free((void *)(uintptr_t)r->rules.aborted);
    free((void *)(uintptr_t)r->rules.producers);
    free(r);
}
