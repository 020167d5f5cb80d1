/* store.c: life of a store, and the turn.
 *
 * One turn (store_step): take completions; submit frames; move the durable point and the high
 * watermarks; let go of what the arena dropped; start write-backs, checkpoint steps and deletions.
 * Nothing here depends on the number of idle logs. */
#include "core/store/store.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/store/store_in.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    STORE_EXPIRE_LOGS = 64,
};

void
store_log_changed(struct store *s, struct plog *p)
{
    if (list_empty(&p->changed_node))
        list_push_back(&s->changed, &p->changed_node);
}

struct plog *
store_take_changed(struct store *s)
{
    struct list *n = list_first(&s->changed);
    if (!n)
        return NULL;
    list_remove(n);
    return list_item(n, struct plog, changed_node);
}

/* The first offset that may be missing in the files, at the earliest. */
static int64_t
unsaved_from(const struct plog *p)
{
    for (uint32_t i = 0; i < p->segment_count; i++) {
        const struct segment *seg = p->segments[i];
        if (seg->synced == seg->bytes)
            continue;
        int64_t x = index_by_pos(&seg->idx, seg->synced);
        return x < 0 ? seg->base : seg->base + index_get(&seg->idx, (uint32_t)x)->rel;
    }
    return p->end;
}

/* A segment failed: this log takes no more appends, and the journal keeps its records for the next
 * start (store_ckpt.c). */
void
store_offline(struct store *s, struct plog *p, int error, const char *what)
{
    if (p->state == PLOG_OFFLINE)
        return;
    char path[PLOG_PATH_BYTES];
    plog_path_dir(p, path);
    log_error("store",
              "partition offline: %s failed path=%s error=%s only_in_journal_from=%lld to=%lld",
              what, path, err_name(error), (long long)unsaved_from(p), (long long)p->end - 1);
    p->state = PLOG_OFFLINE;
    if (s->frozen++ == 0)
        s->ckpt.lsn_pin = s->ckpt.lsn_released;
    s->rescue_lsn = 0;
    s->rescue_failed = false;
    store_dir_suspect(s, p->dir);
    store_tail_abandon(s, p, false);
    store_log_changed(s, p);
}

/* ---- life --------------------------------------------------------------------------------------
 */

void
store_journal_config(uint64_t journal_bytes, uint64_t cache_bytes, uint32_t flight, const char *dir,
                     struct journal_config *out)
{
    uint64_t file = STORE_FILE_BYTES;
    while (journal_bytes / file < 2 && file > 4 * STORE_BLOCK)
        file /= 2;
    uint64_t record = cache_bytes / 4 < file / 2 ? cache_bytes / 4 : file / 2;
    *out = (struct journal_config){
        .dir = dir,
        .file_bytes = file,
        .file_count = journal_bytes / file < 2 ? 2 : (uint32_t)(journal_bytes / file),
        .arena_bytes = cache_bytes / STORE_BLOCK * STORE_BLOCK,
        .record_bytes_max = (uint32_t)record,
        .frames_in_flight = flight,
    };
}

/* Loads the logs of this core, each in its place (segments point to their log). */
static int
logs_adopt(struct store *s, const struct store_boot *boot)
{
    struct ckpt_header h;
    int rc = store_ckpt_header_read(boot->mem, boot->len, &h);
    if (rc != ERR_OK)
        return rc;
    struct cur c = cur_of(view_of(boot->mem + CKPT_HEADER_BYTES, (uint32_t)h.bytes));
    struct plog others;
    for (uint32_t i = 0; i < h.log_count; i++) {
        bool room = s->log_limit < s->config.logs_max;
        struct plog *p = room ? &s->logs[s->log_limit] : &others;
        rc = plog_load(p, &c);
        if (rc != ERR_OK)
            return rc;
        if (store_core_of(p->topic, p->partition, s->config.core_count) != s->config.core) {
            plog_free(p);
            continue;
        }
        if (!room) {
            plog_free(p);
            log_error("store", "more partitions on disk than logs_max core=%u logs_max=%u",
                      s->config.core, s->config.logs_max);
            return ERR_LIMIT;
        }
        p->dir = store_dir_find(&s->dirs, p->dir_id);
        if (p->dir == PLOG_DIR_NONE) {
            p->state = PLOG_OFFLINE;
            p->rescued = true;
        }
        for (uint32_t k = 0; k < p->segment_count; k++) {
            p->segments[k]->sealed = k + 1 < p->segment_count;
            p->segments[k]->allocated = p->segments[k]->written;
            if (boot->facts.clean)
                p->segments[k]->sidecar_to = p->segments[k]->written;
        }
        p->dirs_made = p->bytes > 0;
        store_log_admit(s, p, s->log_limit++);
        store_wish_resume(s, p);
    }
    return ERR_OK;
}

static void
store_forget(struct store *s)
{
    for (uint32_t i = 0; s->logs && i < s->log_limit; i++) {
        if (!s->logs[i].used)
            continue;
        if (s->logs[i].task)
            store_task_end(s, s->logs[i].task);
        plog_free(&s->logs[i]);
    }
    store_retain_free(s);
    store_swap_forget(s);
    journal_free(s->journal);
    store_memory_give(s);
    free(s);
}

static bool
read_bytes_good(uint32_t bytes)
{
    if (bytes > STORE_READ_BYTES)
        return bytes % STORE_READ_BYTES == 0;
    return bytes == 0 || (bytes >= 2 * SUMS_PIECE && bytes % SUMS_PIECE == 0);
}

int
store_init(const struct store_config *config, struct disk *disk, const struct store_boot *boot,
           struct store **out)
{
    if (config->core >= config->core_count || config->logs_max == 0 || config->read_buffers == 0 ||
        config->read_buffers > STORE_READ_BUFFERS_MAX || !read_bytes_good(config->read_bytes))
        return ERR_INVALID;
    struct store *s = calloc(1, sizeof *s);
    if (!s)
        return ERR_LIMIT;
    s->config = *config;
    s->disk = disk;
    s->dirs = boot->dirs;
    s->generation = boot->generation;
    s->next_id = boot->next_id;
    s->next_serial = 1;
    snprintf(s->dir, sizeof s->dir, "core-%u", config->core);
    struct list *lists[] = {&s->changed,      &s->dirty,      &s->unsynced,  &s->dirs_unsynced,
                            &s->dying,        &s->open_files, &s->ckpt.sync, &s->ckpt.dirs,
                            &s->tasks,        &s->trimmed,    &s->dropping,  &s->dropped,
                            &s->swap.retired, &s->move.queue, &s->indexed,   &s->unread,
                            &s->unwalked};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        list_init(lists[i]);
    store_journal_config(config->journal_bytes, config->cache_bytes, config->frames_in_flight,
                         s->dir, &s->journal_config);
    s->journal_config.sync = config->sync;
    s->journal_config.hold_least_ns = config->hold_least_ns;
    s->journal_config.hold_most_ns = config->hold_most_ns;
    s->journal_config.clock = config->clock;
    int rc = store_memory_take(s);
    if (rc == ERR_OK)
        rc = logs_adopt(s, boot);
    if (rc == ERR_OK)
        rc = journal_init(disk, &s->journal_config, s->generation, &s->journal);
    if (rc != ERR_OK) {
        store_forget(s);
        return rc;
    }
    store_memory_register(s);
    store_tail_clean(s);
    store_room_look(s);
    *out = s;
    return ERR_OK;
}

static void
files_close(struct store *s)
{
    for (struct list *n; (n = list_first(&s->open_files));) {
        struct segment *seg = list_item(n, struct segment, open_node);
        list_remove(n);
        struct disk_op op = {.kind = DISK_CLOSE, .file = seg->file};
        disk_do(s->disk, op);
    }
}

void
store_abandon(struct store *s)
{
    files_close(s);
    store_shrink_forget(s);
    store_forget(s);
}

/* One turn of a loop of our own, until an operation ends.  When none is in flight the next thing is
 * to be done later, and then is now. */
static int
turn_blocking(struct store *s)
{
    uint64_t deadline;
    int rc = store_step(s, s->now_ns, &deadline);
    while (store_take_changed(s))
        ;
    if (rc != ERR_OK)
        return rc;
    int64_t got = store_run(s->disk, (struct disk_op){.kind = DISK_WAIT});
    if (got != 0) {
        s->idle_turns = 0;
        return got < 0 ? (int)got : ERR_OK;
    }
    if (deadline > s->now_ns)
        s->now_ns = deadline != CLOCK_NEVER ? deadline : s->now_ns + CLOCK_NS_PER_MS;
    if (++s->idle_turns < STORE_IDLE_TURNS_MAX)
        return ERR_OK;
    log_error("store", "the stop does not come to an end, and is given up core=%u jobs=%u",
              s->config.core, s->jobs_used);
    return ERR_LIMIT; /* all is durable: the next start replays the journal */
}

static int
file_cut(struct store *s, struct segment *seg)
{
    char path[PLOG_PATH_BYTES];
    plog_path_segment(seg->log, seg->base, ".log", path);
    int64_t got = seg->file;
    if (got < 0)
        got = store_run(s->disk, (struct disk_op){.kind = DISK_OPEN,
                                                  .dir = seg->log->dir,
                                                  .path = path,
                                                  .flags = DISK_WRITABLE});
    if (got < 0)
        return (int)got;
    int32_t file = (int32_t)got;
    got = store_run(s->disk,
                    (struct disk_op){.kind = DISK_TRUNCATE, .file = file, .offset = seg->bytes});
    if (seg->file < 0)
        store_run(s->disk, (struct disk_op){.kind = DISK_CLOSE, .file = file});
    if (got >= 0)
        seg->allocated = seg->bytes;
    return got < 0 ? (int)got : ERR_OK;
}

/* Active files lose the space allocated ahead, so that at rest a file is exactly its log.  For the
 * tools' eyes only: nobody reads behind the known length.  So it is not synced, which would take
 * as many commits of the file system as there are logs. */
static int
files_cut(struct store *s)
{
    int rc = ERR_OK;
    for (uint32_t i = 0; i < s->log_limit; i++) {
        const struct plog *p = &s->logs[i];
        for (uint32_t k = 0; rc == ERR_OK && p->used && k < p->segment_count; k++)
            if (p->state == PLOG_ONLINE && p->segments[k]->created &&
                p->segments[k]->allocated > p->segments[k]->bytes)
                rc = file_cut(s, p->segments[k]);
    }
    return rc;
}

static bool
all_quiet(const struct store *s)
{
    return s->jobs_used == 0 && !s->swap.run && !s->move.run && list_empty(&s->swap.retired) &&
           s->tail.clean == s->tail.next && s->ckpt.phase == CKPT_IDLE && list_empty(&s->dying) &&
           store_retain_quiet(s) && s->shrink.count == 0 &&
           journal_durable_lsn(s->journal) == journal_last_lsn(s->journal);
}

/* No room to write back all: the journal and the last checkpoint hold the rest. */
static int
close_full(struct store *s)
{
    int rc = ERR_OK;
    s->ending = true;
    while (rc == ERR_OK &&
           (s->jobs_used || journal_durable_lsn(s->journal) < journal_last_lsn(s->journal)))
        rc = turn_blocking(s);
    if (rc == ERR_OK)
        log_warn("store", "stopped on a full disk: the next start replays the journal core=%u",
                 s->config.core);
    return rc;
}

int
store_close(struct store *s)
{
    int rc = ERR_OK;
    uint64_t hits = s->room_hits;
    s->flushing = true;
    must(s->tasks_out == 0);
    store_move_drop(s);
    store_task_drop(s);
    while (rc == ERR_OK && !s->frozen && s->room_hits == hits && !all_quiet(s))
        rc = turn_blocking(s);
    if (rc == ERR_OK && !s->frozen && s->room_hits == hits) {
        rc = files_cut(s);
        if (rc == ERR_OK)
            store_ckpt_begin(s, true);
        while (rc == ERR_OK && !s->frozen && s->ckpt.phase != CKPT_IDLE)
            rc = turn_blocking(s);
    }
    bool full = rc == ERR_NO_SPACE || (rc == ERR_OK && s->room_hits != hits);
    if (full)
        rc = close_full(s);
    while (rc == ERR_OK && !full && !s->frozen && !store_sidecar_rest(s))
        rc = turn_blocking(s);
    while (rc == ERR_OK && !journal_stop(s->journal))
        rc = turn_blocking(s);
    if (rc == ERR_OK && s->frozen)
        rc = ERR_IO;                                 /* the next start replays the journal */
    while (rc == ERR_OK && journal_busy(s->journal)) /* a mark that nobody waits for */
        rc = turn_blocking(s);
    store_abandon(s);
    return rc;
}

/* ---- the turn ----------------------------------------------------------------------------------
 */

uint64_t
store_durable_lsn(const struct store *s)
{
    if (mutant(MUTANT_ACK_BEFORE_DURABLE))
        return journal_last_lsn(s->journal);
    return journal_durable_lsn(s->journal);
}

uint64_t
store_written_lsn(const struct store *s)
{
    if (mutant(MUTANT_ACK_BEFORE_DURABLE))
        return journal_last_lsn(s->journal);
    return journal_written_lsn(s->journal);
}

static void
completions_take(struct store *s)
{
    struct disk_op *done[STORE_DONE_MAX];
    uint32_t n;
    do {
        n = s->disk->ops->poll(s->disk->self, done, STORE_DONE_MAX);
        for (uint32_t i = 0; i < n; i++) {
            if (journal_take(s->journal, done[i]))
                continue;
            struct job *j = done[i]->user;
            must(j >= s->jobs && j < s->jobs + STORE_JOBS_MAX && j->used);
            store_job_done(s, j);
        }
    } while (n == STORE_DONE_MAX);
}

int
store_step(struct store *s, uint64_t now_ns, uint64_t *deadline_ns)
{
    s->now_ns = now_ns;
    completions_take(s);
    journal_step(s->journal, now_ns);
    store_tail_carried(s);
    if (journal_error(s->journal) != ERR_OK)
        return journal_error(s->journal);
    if (s->error != ERR_OK)
        return s->error;
    store_extent_step(s);
    store_tail_durable(s);
    store_tail_clean(s);
    store_tail_evict(s);
    uint64_t room = store_room_step(s);
    store_retain_step(s);
    uint64_t shrink = store_shrink_step(s);
    uint64_t swap = store_swap_step(s);
    store_move_step(s);
    store_writeback_step(s);
    store_index_evict(s);
    uint64_t unread = store_unread_step(s);
    store_rescue_step(s);
    store_ckpt_step(s);
    if (!list_empty(&s->dying) && !s->ending)
        store_delete_step(s);
    *deadline_ns = journal_deadline(s->journal);
    uint64_t write = store_writeback_deadline(s);
    if (write < *deadline_ns)
        *deadline_ns = write;
    if (room < *deadline_ns)
        *deadline_ns = room;
    uint64_t drop = store_retain_deadline(s);
    if (drop < *deadline_ns)
        *deadline_ns = drop;
    if (swap < *deadline_ns)
        *deadline_ns = swap;
    if (shrink < *deadline_ns)
        *deadline_ns = shrink;
    if (unread < *deadline_ns)
        *deadline_ns = unread;
    if (s->ckpt.phase == CKPT_SAVE)
        *deadline_ns = now_ns; /* more to do at once */
    return ERR_OK;
}

void
store_expire_producers(struct store *s, int64_t now_ms, int64_t keep_ms)
{
    for (uint32_t i = 0; i < STORE_EXPIRE_LOGS && i < s->log_limit; i++) {
        struct plog *p = &s->logs[s->expire_slot++ % s->log_limit];
        if (p->used)
            producer_expire(&p->producers, now_ms, keep_ms);
    }
}

void
store_stats(const struct store *s, struct store_stats *out)
{
    struct journal_stats j;
    journal_stats(s->journal, &j);
    uint64_t total;
    *out = s->stats;
    out->frames = j.frames;
    out->frame_bytes = j.frame_bytes;
    out->journal_padding_bytes = j.padding_bytes;
    journal_room(s->journal, &out->journal_used_bytes, &total);
}
