/* fake_store.h: store.h for tests of the loop: logs in plain memory, and switches for what a disk
 * does late or wrongly.  Include it in one place of a test program: it takes the place of
 * core/store. */
#ifndef SLUICE_TESTS_FAKE_STORE_H
#define SLUICE_TESTS_FAKE_STORE_H

#include "core/base/crc32c.h"
#include "core/base/err.h"
#include "core/store/store.h"
#include "core/store/task.h"
#include "core/wire/batch_control.h"
#include "core/wire/kerr.h"

#include <stdlib.h>

enum {
    FAKE_STORE_LOGS = 64,
    FAKE_STORE_BATCHES = 4096,
    FAKE_STORE_WAITERS = 64,
    FAKE_STORE_BUFFERS = 8,
    FAKE_STORE_PRODUCERS = 200,
};

struct plog {
    uint8_t id[16];
    int32_t partition;
    bool used, changed;
    uint8_t dir, move_to;
    void *user;
    struct plog_config config;
    enum plog_state state;
    int64_t start, end, durable;
    bool txn_open, txn_verified; /* one transaction at a time */
    int64_t txn_first;
    uint64_t guard, guards;     /* open question, 0: none; questions so far */
    struct store_marker marker; /* the last one */
    struct stable_aborted aborted[FAKE_STORE_PRODUCERS];
    struct plog_producer producers[FAKE_STORE_PRODUCERS];
    uint32_t aborted_count, producer_count, markers;
    struct plog_epoch_end epochs[4]; /* offset: where each begins */
    uint32_t epoch_count;
    uint8_t *bytes;
    uint32_t len;
    struct {
        uint32_t at, len;
        int64_t base, limit;
        uint64_t lsn;
    } batches[FAKE_STORE_BATCHES];
    uint32_t batch_count;
    bool held; /* large batches of it are on their way */
};

struct store {
    uint32_t core, core_count;
    struct plog logs[FAKE_STORE_LOGS];
    uint64_t lsn, written, durable;
    bool disk_late;            /* nothing becomes durable */
    bool extent_late;          /* nor do large batches, and what follows them in logs with `held` */
    int append_error;          /* what every append returns, 0: works */
    bool append_again;         /* no room */
    int create_error;          /* what every create returns, 0: works */
    int marker_error;          /* what every marker is refused with, 0: works */
    int64_t expired_before_ms; /* of the last store_expire_producers */
    bool trim_again;           /* no room for a trim, or for a move */
    int64_t retained_ms;       /* of the last store_retain */
    uint32_t retains;
    bool retain_more; /* store_retain has not come round */
    bool hold_late;   /* a hold must wait */
    bool lent_short;  /* too much is held */
    int hold_error;
    uint32_t hold_bad_at; /* holds from this position of a log on fail; 0: none */
    bool hold_torn;       /* holds end within a batch */
    uint32_t span_bytes;  /* of one span of a hold, 0: all in one */
    int step_error;
    struct plog *staged; /* store_stage; NULL: none */
    uint32_t stage_bytes, stage_done;
    bool stage_limit, staged_limit; /* store_stage, store_append_staged give ERR_LIMIT */
    uint32_t stages, unstages;
    uint64_t writes_ns[2]; /* of store_writes */
    uint64_t extent_ns;    /* of store_extent_writes, 0: there was none */
    uint32_t write_count;
    struct store_stats stats;    /* what store_stats says */
    uint32_t dirs, dirs_offline; /* data directories; a bit for each that does not work */
    uint32_t holds;              /* not released */
    uint64_t pin_next, pin_sum;  /* every hold has a pin of its own; sum of those not released */
    uint64_t waiters[FAKE_STORE_WAITERS];
    uint32_t waiter_count;
    /* Not 0: nothing is in memory, and so many logs can be, the one that was read first goes first.
     */
    uint32_t cold_buffers;
    bool reads_late; /* no read ends */
    uint64_t reads;
    struct {
        const struct plog *log;
        uint64_t began;
        bool busy;
    } buffers[FAKE_STORE_BUFFERS];
};

uint32_t
store_core_of(const uint8_t topic_id[16], int32_t partition, uint32_t core_count)
{
    return (topic_id[15] + (uint32_t)partition) % core_count;
}

static inline struct store *
fake_store_new(uint32_t core, uint32_t core_count)
{
    struct store *s = calloc(1, sizeof *s);
    must(s);
    s->core = core;
    s->core_count = core_count;
    return s;
}

static inline void
fake_store_free(struct store *s)
{
    for (uint32_t i = 0; i < FAKE_STORE_LOGS; i++)
        free(s->logs[i].bytes);
    free(s);
}

struct plog *
store_find(struct store *s, const uint8_t topic_id[16], int32_t partition)
{
    for (uint32_t i = 0; i < FAKE_STORE_LOGS; i++) {
        struct plog *p = &s->logs[i];
        if (p->used && p->partition == partition && memcmp(p->id, topic_id, 16) == 0)
            return p;
    }
    return NULL;
}

int
store_create(struct store *s, const uint8_t topic_id[16], int32_t partition,
             const struct plog_config *config, struct plog **out)
{
    must(store_core_of(topic_id, partition, s->core_count) == s->core);
    *out = NULL;
    if (s->create_error)
        return s->create_error;
    struct plog *p = store_find(s, topic_id, partition);
    for (uint32_t i = 0; !p && i < FAKE_STORE_LOGS; i++) {
        if (s->logs[i].used)
            continue;
        p = &s->logs[i];
        free(p->bytes);
        *p = (struct plog){
            .partition = partition, .used = true, .move_to = 255, .bytes = malloc(8 << 20)};
        must(p->bytes);
        memcpy(p->id, topic_id, 16);
    }
    if (!p)
        return ERR_LIMIT;
    p->config = *config;
    *out = p;
    return ERR_OK;
}

int
store_dir_facts(const struct store *s, uint32_t dir, struct store_dir_facts *out)
{
    if (dir >= s->dirs)
        return ERR_NOT_FOUND;
    *out = (struct store_dir_facts){
        .online = !(s->dirs_offline >> dir & 1), .total_bytes = 1000, .free_bytes = 900};
    return ERR_OK;
}

int
store_move(struct store *s, struct plog *p, uint8_t dir, uint64_t *lsn)
{
    *lsn = 0;
    if (dir >= s->dirs)
        return ERR_NOT_FOUND;
    if (s->dirs_offline >> dir & 1)
        return ERR_IO;
    if (s->trim_again)
        return ERR_AGAIN;
    p->move_to = dir == p->dir ? 255 : dir;
    *lsn = ++s->lsn;
    return ERR_OK;
}

void
store_move_facts(const struct store *s, const struct plog *p, struct store_move_facts *out)
{
    (void)s;
    *out = (struct store_move_facts){.dir = p->move_to, .bytes = p->len / 2, .offset = p->end - 1};
}

void
store_delete(struct store *s, struct plog *p)
{
    (void)s;
    must(p->used);
    p->used = false;
}

void
store_each(struct store *s, void (*each)(void *user, struct plog *p), void *user)
{
    for (uint32_t i = 0; i < FAKE_STORE_LOGS; i++) {
        if (s->logs[i].used)
            each(user, &s->logs[i]);
    }
}

void
plog_user_set(struct plog *p, void *user)
{
    p->user = user;
}

void *
plog_user(const struct plog *p)
{
    return p->user;
}

void
plog_facts(const struct plog *p, struct plog_facts *out)
{
    *out = (struct plog_facts){
        .state = p->state,
        .log_start_offset = p->start,
        .high_watermark = p->durable,
        .last_stable_offset = p->txn_open && p->txn_first < p->durable ? p->txn_first : p->durable,
        .log_end_offset = p->end,
        .leader_epoch = -1,
        .bytes = p->len,
        .dir = p->dir};
}

int64_t
plog_log_start(const struct plog *p)
{
    return p->start;
}

struct plog_epoch_end
plog_epoch_end(const struct plog *p, int32_t asked, int32_t leading)
{
    if (asked < 0 || asked > leading)
        return (struct plog_epoch_end){-1, -1};
    struct plog_epoch_end found = {asked, p->end};
    for (uint32_t i = p->epoch_count; i > 0 && p->epochs[i - 1].epoch > asked; i--)
        found.offset = p->epochs[i - 1].offset;
    for (uint32_t i = 0; i < p->epoch_count && p->epochs[i].epoch <= asked; i++)
        found.epoch = p->epochs[i].epoch;
    return found;
}

int
store_append(struct store *s, struct plog *p, const struct batch_info *info, struct view batch,
             int32_t leader_epoch, int64_t now_ms, struct store_appended *out)
{
    if (s->append_again)
        return ERR_AGAIN;
    if (s->append_error == KERR_DUPLICATE_SEQUENCE_NUMBER) {
        *out = (struct store_appended){.base_offset = 7, .log_append_time_ms = -1, .lsn = 1};
        return s->append_error;
    }
    if (s->append_error)
        return s->append_error;
    if (info->attributes & BATCH_TRANSACTIONAL && !(info->attributes & BATCH_CONTROL)) {
        if (!p->txn_open && !p->txn_verified)
            return KERR_INVALID_TXN_STATE;
        p->txn_first = p->txn_open ? p->txn_first : p->end;
        p->txn_open = true;
        p->txn_verified = false;
        p->guard = 0;
    }
    must(info->bytes == batch.len && p->len + batch.len <= 8 << 20);
    must(p->batch_count < FAKE_STORE_BATCHES);
    must(!s->staged);
    if (batch.at != p->bytes + p->len)
        memcpy(p->bytes + p->len, batch.at, batch.len);
    batch_stamp(p->bytes + p->len, p->end, leader_epoch);
    s->lsn++;
    uint32_t i = p->batch_count++;
    p->batches[i].at = p->len;
    p->batches[i].len = batch.len;
    p->batches[i].base = p->end;
    p->batches[i].limit = p->end + info->record_count;
    p->batches[i].lsn = s->lsn;
    *out =
        (struct store_appended){p->end, p->config.log_append_time ? now_ms : -1, s->lsn, p->held};
    p->end = p->batches[i].limit;
    p->len += batch.len;
    return KERR_NONE;
}

/* The place is behind the log's bytes. */
int
store_stage(struct store *s, struct plog *p, const struct batch_info *info, int64_t now_ms,
            const uint8_t **at)
{
    (void)now_ms;
    must(!s->staged && p->len + info->bytes <= 8 << 20);
    if (s->append_again || s->stage_limit)
        return s->stage_limit ? ERR_LIMIT : ERR_AGAIN;
    s->staged = p;
    s->stage_bytes = info->bytes;
    s->stage_done = 0;
    s->stages++;
    *at = p->bytes + p->len;
    return ERR_OK;
}

void
store_stage_put(struct store *s, const void *from, uint32_t n)
{
    must(s->staged && n <= s->stage_bytes - s->stage_done);
    memcpy(s->staged->bytes + s->staged->len + s->stage_done, from, n);
    s->stage_done += n;
}

uint32_t
store_stage_crc(const struct store *s)
{
    must(s->staged && s->stage_done == s->stage_bytes);
    return crc32c(0, s->staged->bytes + s->staged->len + BATCH_AT_ATTRIBUTES,
                  s->stage_bytes - BATCH_AT_ATTRIBUTES);
}

void
store_unstage(struct store *s)
{
    must(s->staged);
    s->staged = NULL;
    s->unstages++;
}

int
store_append_staged(struct store *s, const struct batch_info *info, int32_t leader_epoch,
                    int64_t now_ms, struct store_appended *out)
{
    struct plog *p = s->staged;
    must(p && info->bytes == s->stage_bytes);
    s->staged = NULL;
    if (s->staged_limit)
        return ERR_LIMIT;
    return store_append(s, p, info, view_of(p->bytes + p->len, info->bytes), leader_epoch, now_ms,
                        out);
}

int
store_txn_verify(struct store *s, struct plog *p, const struct batch_info *info, bool bumps,
                 int64_t now_ms, uint64_t *guard)
{
    (void)s;
    (void)info;
    (void)bumps;
    (void)now_ms;
    if (!p->txn_open && !p->guard)
        p->guard = ++p->guards;
    *guard = p->guard;
    return KERR_NONE;
}

bool
store_txn_verified(struct store *s, struct plog *p, int64_t producer_id, uint64_t guard)
{
    (void)s;
    (void)producer_id;
    p->txn_verified = guard && guard == p->guard;
    return p->txn_verified;
}

int
store_append_marker(struct store *s, struct plog *p, const struct store_marker *m,
                    int32_t leader_epoch, int64_t now_ms, struct store_appended *out)
{
    if (s->marker_error)
        return s->marker_error;
    uint8_t batch[BATCH_CONTROL_BYTES];
    struct batch_info info;
    struct batch_control c = {.type = m->commit ? BATCH_CONTROL_COMMIT : BATCH_CONTROL_ABORT,
                              .producer_id = m->producer_id};
    batch_control_build(batch, &c, &info);
    int error = store_append(s, p, &info, view_of(batch, sizeof batch), leader_epoch, now_ms, out);
    if (error != KERR_NONE)
        return error;
    p->marker = *m;
    p->markers++;
    if (p->txn_open && !m->commit)
        p->aborted[p->aborted_count++] = (struct stable_aborted){
            m->producer_id, p->txn_first, out->base_offset, out->base_offset + 1};
    p->txn_open = p->txn_verified = false;
    p->guard = 0;
    return KERR_NONE;
}

uint32_t
plog_aborted(const struct plog *p, int64_t first, int64_t limit, struct stable_aborted *out,
             uint32_t room)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->aborted_count; i++) {
        if (p->aborted[i].last < first || p->aborted[i].first >= limit)
            continue;
        if (count++ < room)
            out[count - 1] = p->aborted[i];
    }
    return count;
}

uint32_t
plog_producers(const struct plog *p, struct plog_producer *out, uint32_t room)
{
    for (uint32_t i = 0; i < p->producer_count && i < room; i++)
        out[i] = p->producers[i];
    return p->producer_count;
}

uint64_t
store_durable_lsn(const struct store *s)
{
    return s->durable;
}

uint64_t
store_written_lsn(const struct store *s)
{
    return s->written;
}

static inline void
fake_store_durable(struct plog *p, uint64_t lsn)
{
    for (uint32_t i = 0; i < p->batch_count && p->batches[i].lsn <= lsn; i++) {
        if (p->batches[i].limit > p->durable) {
            p->durable = p->batches[i].limit;
            p->changed = true;
        }
    }
}

uint32_t
store_writes(const struct store *s, const uint64_t **ns)
{
    *ns = s->writes_ns;
    return s->write_count;
}

uint32_t
store_extent_writes(const struct store *s, const uint64_t **ns)
{
    *ns = &s->extent_ns;
    return s->extent_ns > 0;
}

int
store_step(struct store *s, uint64_t now_ns, uint64_t *deadline_ns)
{
    (void)now_ns;
    *deadline_ns = UINT64_MAX;
    if (!s->disk_late) {
        s->written = s->lsn;
        s->durable = s->extent_late ? s->durable : s->lsn;
        for (uint32_t i = 0; i < FAKE_STORE_LOGS; i++) {
            if (s->logs[i].used)
                fake_store_durable(&s->logs[i], s->logs[i].held ? s->durable : s->written);
        }
    }
    for (uint32_t i = 0; i < s->cold_buffers && !s->reads_late; i++)
        s->buffers[i].busy = false;
    return s->step_error;
}

struct plog *
store_take_changed(struct store *s)
{
    for (uint32_t i = 0; i < FAKE_STORE_LOGS; i++) {
        if (s->logs[i].used && s->logs[i].changed) {
            s->logs[i].changed = false;
            return &s->logs[i];
        }
    }
    return NULL;
}

int
store_find_time(struct store *s, struct plog *p, int64_t time_ms, uint64_t waiter, int64_t *offset,
                int64_t *timestamp_ms)
{
    (void)s;
    (void)p;
    (void)time_ms;
    (void)waiter;
    *offset = *timestamp_ms = -1;
    return ERR_OK;
}

int
store_trim(struct store *s, struct plog *p, int64_t offset, struct store_trimmed *out)
{
    int64_t start = offset == -1 ? p->durable : offset;
    if (s->trim_again)
        return ERR_AGAIN;
    if (start < 0 || start > p->durable)
        return KERR_OFFSET_OUT_OF_RANGE;
    bool moves = start > p->start;
    if (moves) {
        p->start = start;
        s->lsn++;
    }
    *out = (struct store_trimmed){.log_start_offset = p->start, .lsn = moves ? s->lsn : 0};
    return KERR_NONE;
}

bool
store_retain(struct store *s, int64_t now_ms)
{
    s->retained_ms = now_ms;
    s->retains++;
    return !s->retain_more;
}

void
store_expire_producers(struct store *s, int64_t now_ms, int64_t keep_ms)
{
    s->expired_before_ms = now_ms - keep_ms;
}

bool
store_clean(struct store *s, int64_t now_ms)
{
    (void)s;
    (void)now_ms;
    return true;
}

struct store_task *
store_task_take(struct store *s)
{
    (void)s;
    return NULL;
}

void
store_task_done(struct store *s, struct store_task *t)
{
    (void)s;
    (void)t;
    must(false);
}

void
store_stats(const struct store *s, struct store_stats *out)
{
    *out = s->stats;
}

#include "tests/unit/dataplane/broker/fake_store_read.h"

#endif
