/* txn.c: the transactions of one partition by id; records, markers and timers.
 *
 * I1 Between steps every transaction is what its last record says; only last_epoch, which markers
 * are written, and when to try again are not in records. I2 A decided transaction (PREPARE_*) has
 * markers due; when none is it is completed in that step. */
#include "control/txn/txn_in.h"
#include "core/base/err.h"

#include <stdlib.h>

enum { FIRST_BUCKETS = 64 };

static uint32_t
bucket_of(const struct txn *t, struct view id)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (uint32_t i = 0; i < id.len; i++)
        h = (h ^ id.at[i]) * UINT64_C(0x100000001b3);
    return (uint32_t)(h >> 32) & (t->bucket_count - 1);
}

static struct view
copy_of(struct view v)
{
    uint8_t *at = malloc(v.len + 1); /* never 0 */
    must(at);
    if (v.len)
        memcpy(at, v.at, v.len);
    return view_of(at, v.len);
}

static void
free_view(struct view v)
{
    free((void *)(uintptr_t)v.at);
}

struct txn *
txn_new(const struct txn_config *config)
{
    struct txn *t = calloc(1, sizeof *t);
    must(t);
    t->config = *config;
    t->bucket_count = FIRST_BUCKETS;
    t->deadline_ms = INT64_MAX;
    t->buckets = calloc(t->bucket_count, sizeof *t->buckets);
    must(t->buckets);
    return t;
}

static void
parts_clear(struct txn_meta *m)
{
    for (uint32_t i = 0; i < m->part_count; i++)
        free_view(m->parts[i].topic);
    free(m->parts);
    m->parts = NULL;
    m->part_count = m->part_room = m->unmarked = 0;
    m->retry_ms = INT64_MAX;
}

static void
meta_free(struct txn_meta *m)
{
    parts_clear(m);
    free_view(m->id);
    free(m);
}

void
txn_free(struct txn *t)
{
    for (uint32_t i = 0; i < t->bucket_count; i++)
        for (struct txn_meta *m = t->buckets[i], *next; m; m = next) {
            next = m->next;
            meta_free(m);
        }
    free(t->buckets);
    free(t);
}

struct txn_meta *
txn_find(const struct txn *t, struct view transactional_id)
{
    struct txn_meta *m = t->buckets[bucket_of(t, transactional_id)];
    while (m && !view_equal(m->id, transactional_id))
        m = m->next;
    return m;
}

static void
grow(struct txn *t)
{
    struct txn bigger = {.bucket_count = t->bucket_count * 2};
    bigger.buckets = calloc(bigger.bucket_count, sizeof *bigger.buckets);
    must(bigger.buckets);
    for (uint32_t i = 0; i < t->bucket_count; i++)
        for (struct txn_meta *m = t->buckets[i], *next; m; m = next) {
            next = m->next;
            struct txn_meta **to = &bigger.buckets[bucket_of(&bigger, m->id)];
            m->next = *to;
            *to = m;
        }
    free(t->buckets);
    t->buckets = bigger.buckets;
    t->bucket_count = bigger.bucket_count;
}

struct txn_meta *
txn_find_or_make(struct txn *t, struct view transactional_id)
{
    struct txn_meta *m = txn_find(t, transactional_id);
    if (m)
        return m;
    if (t->count >= t->bucket_count)
        grow(t);
    m = calloc(1, sizeof *m);
    must(m);
    m->id = copy_of(transactional_id);
    m->retry_ms = INT64_MAX;
    struct txn_meta **to = &t->buckets[bucket_of(t, transactional_id)];
    m->next = *to;
    *to = m;
    t->count++;
    return m;
}

static void
forget(struct txn *t, struct txn_meta *m)
{
    struct txn_meta **at = &t->buckets[bucket_of(t, m->id)];
    while (*at != m)
        at = &(*at)->next;
    *at = m->next;
    t->count--;
    meta_free(m);
}

/* ---- partitions ---- */

static int
part_order(const struct txn_part *p, struct view topic, int32_t partition)
{
    uint32_t len = p->topic.len < topic.len ? p->topic.len : topic.len;
    int order = len ? memcmp(p->topic.at, topic.at, len) : 0;
    if (order == 0)
        order = (p->topic.len > topic.len) - (p->topic.len < topic.len);
    return order ? order : (p->partition > partition) - (p->partition < partition);
}

/* The place of a partition, or where it would be. */
static uint32_t
part_place(const struct txn_meta *m, struct view topic, int32_t partition, bool *found)
{
    uint32_t low = 0, high = m->part_count;
    *found = false;
    while (low < high && !*found) {
        uint32_t mid = low + (high - low) / 2;
        int order = part_order(&m->parts[mid], topic, partition);
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
        if (order == 0) {
            *found = true;
            return mid;
        }
    }
    return low;
}

bool
txn_has_part(const struct txn_meta *m, struct view topic, int32_t partition)
{
    bool found;
    (void)part_place(m, topic, partition, &found);
    return found;
}

void
txn_add_part(struct txn_meta *m, struct view topic, int32_t partition)
{
    bool found;
    uint32_t at = part_place(m, topic, partition, &found);
    if (found)
        return;
    if (m->part_count == m->part_room) {
        m->part_room = m->part_room ? m->part_room * 2 : 4;
        m->parts = realloc(m->parts, m->part_room * sizeof *m->parts);
        must(m->parts);
    }
    memmove(m->parts + at + 1, m->parts + at, (m->part_count - at) * sizeof *m->parts);
    m->parts[at] = (struct txn_part){.topic = copy_of(topic), .partition = partition};
    m->part_count++;
}

static void
add_part(void *user, struct view topic, int32_t partition)
{
    txn_add_part(user, topic, partition);
}

/* Tick is wanted by then. */
static void
wake(struct txn *t, int64_t at_ms)
{
    if (at_ms < t->deadline_ms)
        t->deadline_ms = at_ms;
}

int64_t
txn_deadline_ms(const struct txn *t)
{
    return t->deadline_ms;
}

/* ---- records ---- */

int
txn_replay(struct txn *t, struct view key, struct view value)
{
    struct view id;
    int rc = txn_record_read_key(key, &id);
    if (rc != ERR_OK)
        return rc == ERR_NOT_FOUND ? ERR_OK : rc;
    struct txn_meta *m = txn_find(t, id);
    if (!value.at) {
        if (m)
            forget(t, m);
        return ERR_OK;
    }
    struct txn_meta read = {.retry_ms = INT64_MAX};
    rc = txn_record_read_value(value, &read.v, add_part, &read);
    if (rc != ERR_OK) {
        parts_clear(&read);
        return rc;
    }
    if (!m)
        m = txn_find_or_make(t, id);
    parts_clear(m);
    m->v = read.v;
    m->parts = read.parts;
    m->part_count = m->unmarked = read.part_count;
    m->part_room = read.part_room;
    return ERR_OK;
}

void
txn_write(struct txn *t, struct coord_step *step, struct txn_meta *m, const struct txn_values *to)
{
    int16_t last_epoch = to->last_epoch;
    bool has_parts = to->status == TXN_ONGOING || to->status == TXN_PREPARE_COMMIT ||
                     to->status == TXN_PREPARE_ABORT;
    uint32_t count = has_parts ? m->part_count : 0;
    uint32_t key_bytes = txn_record_key_bytes(m->id);
    uint32_t bytes = key_bytes + txn_record_value_bytes(m->parts, count);
    uint8_t *at = malloc(bytes);
    must(at);
    struct put w = put_of(at, bytes);
    txn_record_key(&w, m->id);
    txn_record_value(&w, to, m->parts, count);
    must(!w.bad);
    struct view key = view_of(at, key_bytes),
                value = view_of(at + key_bytes, put_len(&w) - key_bytes);
    struct coord_place place = {.producer_id = -1, .producer_epoch = -1};
    step->ops->record(step->user, key, value, &place);
    must(txn_replay(t, key, value) == ERR_OK);
    m->v.last_epoch = last_epoch;
    free(at);
    wake(t, step->now_ms + t->config.tick_ms);
}

/* ---- markers ---- */

static void
order_markers(struct txn *t, struct txn_meta *m)
{
    struct txn_order order = {.transactional_id = m->id,
                              .producer_id = m->v.producer_id,
                              .producer_epoch = m->v.epoch,
                              .version = m->v.version,
                              .commit = m->v.status == TXN_PREPARE_COMMIT,
                              .parts = m->parts,
                              .count = m->part_count};
    m->retry_ms = INT64_MAX;
    t->config.ops->markers(t->config.user, &order);
}

static bool
is_decided(const struct txn_meta *m)
{
    return m->v.status == TXN_PREPARE_COMMIT || m->v.status == TXN_PREPARE_ABORT;
}

static void
complete(struct txn *t, struct coord_step *step, struct txn_meta *m)
{
    struct txn_values to;
    txn_state_complete(&m->v, step->now_ms, &to);
    txn_write(t, step, m, &to);
}

void
txn_decided(struct txn *t, struct coord_step *step, struct txn_meta *m)
{
    must(is_decided(m));
    if (m->unmarked)
        order_markers(t, m);
    else
        complete(t, step, m);
}

/* Whether a marker with that error may succeed later.  A coordinator or producer that is fenced is
 * not this one any more: who took over goes on.  Source: TransactionMarkerRequestCompletionHandler.
 */
static bool
marker_fenced(int16_t error)
{
    return error == KERR_INVALID_PRODUCER_EPOCH || error == KERR_TRANSACTION_COORDINATOR_FENCED;
}

void
txn_marked(struct txn *t, struct coord_step *step, const struct txn_mark *mark)
{
    struct txn_meta *m = txn_find(t, mark->transactional_id);
    bool found = false;
    if (!m || !is_decided(m) || m->v.producer_id != mark->producer_id ||
        m->v.epoch != mark->producer_epoch)
        return;
    uint32_t i = part_place(m, mark->topic, mark->partition, &found);
    if (!found || m->parts[i].marked)
        return;
    if (mark->error != KERR_NONE) {
        if (!marker_fenced(mark->error))
            wake(t, m->retry_ms = step->now_ms + TXN_MARKER_RETRY_MS);
        return;
    }
    m->parts[i].marked = true;
    if (--m->unmarked == 0)
        complete(t, step, m);
}

/* ---- time ---- */

void
txn_loaded(struct txn *t, struct coord_step *step)
{
    for (uint32_t i = 0; i < t->bucket_count; i++)
        for (struct txn_meta *m = t->buckets[i]; m; m = m->next)
            if (is_decided(m))
                txn_decided(t, step, m);
    if (t->count)
        wake(t, step->now_ms + t->config.tick_ms);
}

static void
expire(struct txn *t, struct coord_step *step, struct txn_meta *m)
{
    uint32_t bytes = txn_record_key_bytes(m->id);
    uint8_t *at = malloc(bytes);
    must(at);
    struct put w = put_of(at, bytes);
    txn_record_key(&w, m->id);
    must(!w.bad);
    struct view key = view_of(at, bytes), gone = {NULL, 0};
    struct coord_place place = {.producer_id = -1, .producer_epoch = -1};
    step->ops->record(step->user, key, gone, &place);
    must(txn_replay(t, key, gone) == ERR_OK);
    free(at);
}

static void
abort_late(struct txn *t, struct coord_step *step, struct txn_meta *m)
{
    struct txn_change c;
    int64_t fresh = txn_state_exhausted(&m->v) ? t->config.ops->producer_id(t->config.user) : -1;
    txn_state_fence(&m->v, fresh, step->now_ms, &c);
    if (!c.write)
        return; /* no producer id just now: at the next tick */
    txn_write(t, step, m, &c.to);
    txn_decided(t, step, m);
}

static void
tick_one(struct txn *t, struct coord_step *step, struct txn_meta *m)
{
    int64_t now = step->now_ms;
    if (is_decided(m)) {
        if (m->retry_ms <= now)
            order_markers(t, m);
        wake(t, m->retry_ms);
    } else if (m->v.status == TXN_ONGOING) {
        if (now - m->v.start_ms > m->v.timeout_ms)
            abort_late(t, step, m);
    } else if (now - m->v.update_ms >= t->config.expiration_ms) {
        expire(t, step, m);
    }
}

void
txn_tick(struct txn *t, struct coord_step *step)
{
    t->deadline_ms = t->count ? step->now_ms + t->config.tick_ms : INT64_MAX;
    for (uint32_t i = 0; i < t->bucket_count; i++)
        for (struct txn_meta *m = t->buckets[i], *next; m; m = next) {
            next = m->next;
            tick_one(t, step, m);
        }
}

bool
txn_facts(const struct txn *t, struct view transactional_id, struct txn_facts *out)
{
    const struct txn_meta *m = txn_find(t, transactional_id);
    if (!m)
        return false;
    *out = (struct txn_facts){.producer_id = m->v.producer_id,
                              .producer_epoch = m->v.epoch,
                              .status = m->v.status,
                              .timeout_ms = m->v.timeout_ms,
                              .start_ms = m->v.start_ms,
                              .parts = m->parts,
                              .part_count = m->part_count};
    return true;
}

uint32_t
txn_count(const struct txn *t)
{
    return t->count;
}

/* ---- for the runtime ---------------------------------------------------------------------------
 */

static void *
machine_create(void *config, int32_t partition)
{
    (void)partition;
    return txn_new(config);
}

static void
machine_free(void *m)
{
    txn_free(m);
}

static int
machine_replay(void *m, struct view key, struct view value, const struct coord_place *place)
{
    (void)place;
    return txn_replay(m, key, value);
}

static void
machine_loaded(void *m, struct coord_step *step)
{
    txn_loaded(m, step);
}

static void
machine_request(void *m, struct coord_step *step, const struct coord_request *r)
{
    txn_request(m, step, r);
}

static void
machine_tick(void *m, struct coord_step *step)
{
    txn_tick(m, step);
}

static int64_t
machine_deadline_ms(const void *m)
{
    return txn_deadline_ms(m);
}

const struct coord_machine txn_machine = {
    .create = machine_create,
    .free = machine_free,
    .replay = machine_replay,
    .loaded = machine_loaded,
    .request = machine_request,
    .tick = machine_tick,
    .deadline_ms = machine_deadline_ms,
    .refuse = txn_refuse,
};
