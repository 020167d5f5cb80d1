/* store_replay_swap.c: what recovery does about compaction (store_swap.c).
 *
 * A durable SWAP record is finished: the new file gets its name, the old ones go.  The files of the
 * segments it names may be gone, or be others, before the replay comes to the records that fill
 * them: those records count (offsets, producers, epochs), but their bytes are not written.  So the
 * first replay, which only looks (replay.dry), notes the swaps.
 *
 * A log whose directory is not there, or which went offline within a swap, has it in its checkpoint
 * (plog_in.h: unfinished) until a start has the directory.
 *
 * Repeating is harmless: names are those of one round of compaction (its tag). */
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/store/store_replay_in.h"

#include <stdlib.h>

static int
record_read(struct view body, uint64_t *log, struct plog_swap *out)
{
    struct cur c = cur_of(body);
    *log = cur_u64(&c);
    out->first = cur_i64(&c);
    out->limit = cur_i64(&c);
    out->tag = cur_u64(&c);
    out->clean_to = cur_i64(&c);
    out->bytes = cur_u32(&c);
    out->max_ts = cur_i64(&c);
    out->first_ts = cur_i64(&c);
    return c.bad || cur_left(&c) || out->first >= out->limit ? ERR_CORRUPT : ERR_OK;
}

static int
swap_note(struct replay *r, const struct replay_swap *x)
{
    if (r->swap_count == r->swap_room) {
        uint32_t room = r->swap_room ? r->swap_room * 2 : 64;
        void *more = realloc(r->swaps, room * sizeof *r->swaps);
        if (!more)
            return ERR_LIMIT;
        r->swaps = more;
        r->swap_room = room;
    }
    r->swaps[r->swap_count++] = *x;
    return ERR_OK;
}

int
store_replay_swaps_take(struct replay *r, const struct replay *dry)
{
    int rc = ERR_OK;
    for (uint32_t i = 0; i < dry->swap_count && rc == ERR_OK; i++)
        if (dry->swaps[i].kept
                ? !store_replay_kept_is_cut(dry, dry->swaps[i].log, dry->swaps[i].kept)
                : !store_replay_log_is_cut(dry, dry->swaps[i].log, dry->swaps[i].lsn))
            rc = swap_note(r, &dry->swaps[i]);
    return rc;
}

bool
store_replay_doomed(struct replay *r, uint64_t log, int64_t segment_base, uint64_t lsn)
{
    if (r->dry) /* nothing is written, and the swaps are yet to be seen */
        return false;
    /* Both are in the order of core and lsn: what lies behind us is of no interest any more. */
    while (r->swap_at < r->swap_count &&
           (r->swaps[r->swap_at].core < r->core ||
            (r->swaps[r->swap_at].core == r->core && r->swaps[r->swap_at].lsn < lsn)))
        r->swap_at++;
    for (uint32_t i = r->swap_at; i < r->swap_count && r->swaps[i].core == r->core; i++)
        if (r->swaps[i].log == log && r->swaps[i].first <= segment_base &&
            segment_base < r->swaps[i].limit)
            return true;
    return false;
}

static int
file_unlink(struct replay *r, const struct plog *p, int64_t base, const char *suffix)
{
    char path[PLOG_PATH_BYTES];
    plog_path_segment(p, base, suffix, path);
    int64_t got =
        store_run(r->disk, (struct disk_op){.kind = DISK_UNLINK, .dir = p->dir, .path = path});
    return got < 0 && got != ERR_NOT_FOUND ? (int)got : ERR_OK;
}

/* Names the new file, unless that was done, and removes the old ones. */
static int
files_swap(struct replay *r, const struct plog *p, uint32_t at, uint32_t count,
           const struct plog_swap *x)
{
    char from[PLOG_PATH_BYTES], to[PLOG_PATH_BYTES], suffix[CLEAN_SUFFIX_BYTES];
    clean_run_suffix(x->tag, suffix);
    plog_path_segment(p, x->first, suffix, from);
    plog_path_segment(p, x->first, ".log", to);
    int rc = file_unlink(r, p, x->first, ".idx");
    for (uint32_t i = 1; i < count && rc == ERR_OK; i++) {
        rc = file_unlink(r, p, p->segments[at + i]->base, ".idx");
        if (rc == ERR_OK)
            rc = file_unlink(r, p, p->segments[at + i]->base, ".log");
    }
    int64_t got = rc;
    if (rc == ERR_OK)
        got = store_run(
            r->disk,
            (struct disk_op){.kind = DISK_RENAME, .dir = p->dir, .path = from, .path_to = to});
    return got < 0 && got != ERR_NOT_FOUND ? (int)got : ERR_OK;
}

/* Puts the new segment into the log, and with `files` the new file into its place. */
static int
swap_do(struct replay *r, struct replay_log *l, const struct plog_swap *x, bool files)
{
    struct plog *p = &l->log;
    struct segment *old[CLEAN_GROUP_MAX];
    plog_cleaned(p, x->clean_to);
    uint32_t at = p->segment_count ? plog_segment_index(p, x->first) : 0, count = 0;
    if (at >= p->segment_count || p->segments[at]->base != x->first)
        return ERR_OK; /* it has left the log since, below its start */
    while (at + count < p->segment_count && p->segments[at + count]->base < x->limit)
        count++;
    /* The last segment is never compacted; it may have been rolled by an append that was refused.
     */
    if (at + count == p->segment_count && p->end == x->limit && !plog_roll(p, p->end))
        return ERR_LIMIT;
    if (count > CLEAN_GROUP_MAX || at + count == p->segment_count) {
        char path[PLOG_PATH_BYTES];
        plog_path_segment(p, x->first, ".log", path);
        log_error("store",
                  "damaged: what a compaction says does not fit its log path=%s segments=%u of %u",
                  path, count, p->segment_count);
        return ERR_CORRUPT;
    }
    struct segment *seg = plog_segment_new(p, x->first);
    if (!seg)
        return ERR_LIMIT;
    int rc = files && !l->ghost ? files_swap(r, p, at, count, x) : ERR_OK;
    if (rc != ERR_OK) {
        free(seg);
        return rc;
    }
    seg->bytes = seg->written = seg->synced = seg->indexed_from = x->bytes;
    seg->max_ts = x->max_ts;
    seg->first_ts = x->first_ts;
    seg->created = seg->named = seg->gaps = true;
    plog_replace(p, at, count, seg, old);
    seg->appended_ms = old[count - 1]->appended_ms;
    for (uint32_t i = 0; i < count; i++) {
        must(l->pending_len == 0 || l->pending_seg != old[i]);
        plog_segment_free(old[i]);
    }
    l->touched = l->touched || files;
    if (l->finish_from > at)
        l->finish_from = at;
    return ERR_OK;
}

int
store_replay_unfinished(struct replay *r, struct replay_log *l)
{
    struct plog_swap x = l->log.unfinished;
    if (x.limit == 0 || l->log.dead || l->log.dir == PLOG_DIR_NONE)
        return ERR_OK;
    l->log.unfinished = (struct plog_swap){0};
    return swap_do(r, l, &x, true);
}

int
store_replay_swap(struct replay *r, uint64_t lsn, struct view body)
{
    struct plog_swap x;
    uint64_t log;
    int rc = record_read(body, &log, &x);
    struct replay_log *l = rc == ERR_OK ? store_replay_log(r, log) : NULL;
    if (!l || l->log.dead)
        return rc;
    l->log.copied = (struct plog_copied){0}; /* of what it replaces */
    l->keeps_files = true;
    if (r->dry) {
        store_replay_extents_forget(r, l, x.first, x.limit);
        rc = swap_note(r, &(struct replay_swap){.core = r->core,
                                                .lsn = lsn,
                                                .log = log,
                                                .kept = r->kept,
                                                .first = x.first,
                                                .limit = x.limit});
        if (rc != ERR_OK)
            return rc;
    }
    if (l->log.dir != PLOG_DIR_NONE)
        return swap_do(r, l, &x, true);
    /* A start that has its directory finishes it.  The files of the one before are in their places,
     * or this one would not have begun. */
    struct plog_swap before = l->log.unfinished;
    l->log.unfinished = x;
    bool same = before.tag == x.tag && before.first == x.first;
    return before.limit && !same ? swap_do(r, l, &before, false) : ERR_OK;
}
