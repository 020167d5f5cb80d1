/* store_append.c: appending (store_stage.c: in two halves), and the tail map: where in the
 * journal's arena each recent batch lies.
 *
 * An entry lives from the append until the journal overwrites the frame, which it may do only when
 * the frame is durable and every batch in it is in its segment file (journal_keep follows `clean`).
 */
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/base/mutant.h"
#include "core/store/store_in.h"
#include "core/wire/kerr.h"

struct tail_entry *
store_entry(const struct store *s, uint64_t seq)
{
    if (seq < s->tail.first || seq >= s->tail.next)
        return NULL;
    return &s->tail.ring[seq % s->tail.room];
}

/* What of it write-back has to write. */
uint32_t
store_entry_dirty(const struct tail_entry *e)
{
    return e->extent ? e->len - (store_extent_limit(e->pos, e->len) - store_extent_from(e))
                     : e->len;
}

/* Links a new entry behind the others of its log. */
static uint64_t
entry_add(struct store *s, struct plog *p, const struct tail_entry *e)
{
    uint64_t seq = s->tail.next++;
    s->tail.ring[seq % s->tail.room] = *e;
    if (p->tail_last)
        store_entry(s, p->tail_last)->next = seq;
    else
        p->tail_first = seq;
    p->tail_last = seq;
    if (!p->dirty_first)
        p->dirty_first = seq;
    uint32_t dirty = store_entry_dirty(e);
    p->dirty_bytes += dirty;
    if (list_empty(&p->dirty_node)) {
        p->dirty_since_ns = s->now_ns;
        list_push_back(&s->dirty, &p->dirty_node);
    }
    if (p->dirty_bytes >= STORE_WRITE_GOOD_BYTES &&
        p->dirty_bytes - dirty < STORE_WRITE_GOOD_BYTES) {
        list_remove(&p->dirty_node);
        list_push_back(s->dirty.next, &p->dirty_node); /* to the front */
    }
    return seq;
}

static bool
tail_has_room(struct store *s)
{
    if (s->tail.next - s->tail.first < s->tail.room)
        return true;
    /* Full of small batches: forget the oldest that is in its file; the arena may keep the bytes.
     */
    if (s->tail.first >= s->tail.clean || s->tail.first >= s->tail.durable)
        return false;
    struct tail_entry *e = store_entry(s, s->tail.first);
    if (e->slot != UINT32_MAX) {
        struct plog *p = &s->logs[e->slot];
        p->tail_first = e->next;
        if (!e->next)
            p->tail_last = 0;
    }
    s->tail.first++;
    return true;
}

void
store_tail_evict(struct store *s)
{
    uint64_t place = journal_place_first(s->journal);
    while (s->tail.first < s->tail.next) {
        const struct tail_entry *e = store_entry(s, s->tail.first);
        if (e->place >= place)
            return;
        must(s->tail.first < s->tail.clean && s->tail.first < s->tail.durable);
        if (e->slot != UINT32_MAX) {
            struct plog *p = &s->logs[e->slot];
            must(p->tail_first == s->tail.first);
            p->tail_first = e->next;
            if (!e->next)
                p->tail_last = 0;
        }
        s->tail.first++;
    }
}

void
store_log_durable(struct store *s, struct plog *p)
{
    int64_t to = p->extents && p->hold < p->written_end ? p->hold : p->written_end;
    if (to <= p->hw)
        return;
    plog_durable(p, to);
    store_log_changed(s, p);
}

/* Other logs' extents hold nobody up: a log's own do (plog_in.h, I4). */
void
store_tail_durable(struct store *s)
{
    uint64_t place = journal_place_written(s->journal);
    if (mutant(MUTANT_SEEN_BEFORE_DURABLE))
        place = journal_place_limit(s->journal);
    for (; s->tail.written < s->tail.next; s->tail.written++) {
        const struct tail_entry *e = store_entry(s, s->tail.written);
        if (e->place >= place)
            break;
        if (e->slot == UINT32_MAX)
            continue;
        struct plog *p = &s->logs[e->slot];
        p->written_end = e->base + e->span;
        store_log_durable(s, p);
    }
    uint64_t durable = journal_place_durable(s->journal);
    if (durable >= place)
        s->tail.durable = s->tail.written;
    while (s->tail.durable < s->tail.written && store_entry(s, s->tail.durable)->place < durable)
        s->tail.durable++;
}

/* The journal has left the newest records to another frame. */
void
store_tail_carried(struct store *s)
{
    struct journal_carry c;
    if (!journal_carried(s->journal, &c))
        return;
    for (uint64_t seq = s->tail.next; seq-- > s->tail.first;) {
        struct tail_entry *e = store_entry(s, seq);
        if (e->place < c.from)
            return;
        e->place += c.by;
    }
}

/* Moves `clean` over what is written and lets the journal reuse that memory. */
void
store_tail_clean(struct store *s)
{
    while (s->tail.clean < s->tail.next && store_entry(s, s->tail.clean)->written)
        s->tail.clean++;
    const struct tail_entry *e = store_entry(s, s->tail.clean);
    journal_keep(s->journal, e ? e->place : journal_place_limit(s->journal));
}

uint64_t
store_tail_dirty_bytes(const struct store *s)
{
    const struct tail_entry *e = store_entry(s, s->tail.clean);
    return e ? journal_place_limit(s->journal) - e->place : 0;
}

void
store_tail_forget(struct store *s, struct plog *p, int64_t limit)
{
    struct tail_entry *e;
    while ((e = store_entry(s, p->tail_first)) && e->base < limit) {
        must(e->written);
        e->slot = UINT32_MAX;
        p->tail_first = e->next;
        if (!e->next)
            p->tail_last = 0;
    }
}

/* Nothing of this log will be written back any more; with `gone` its entries are nobody's. */
void
store_tail_abandon(struct store *s, struct plog *p, bool gone)
{
    for (uint64_t seq = gone ? p->tail_first : p->dirty_first; seq;) {
        struct tail_entry *e = store_entry(s, seq);
        e->written = true;
        if (gone)
            e->slot = UINT32_MAX;
        seq = e->next;
    }
    if (gone)
        p->tail_first = p->tail_last = 0;
    p->dirty_first = 0;
    p->dirty_bytes = 0;
    list_remove(&p->dirty_node);
    store_tail_clean(s);
}

/* ---- records of logs ---------------------------------------------------------------------------
 */

int
store_create_record(struct store *s, const struct plog *p)
{
    struct journal_slot slot;
    int rc = journal_append(s->journal, STORE_REC_CREATE, STORE_CREATE_BYTES, &slot);
    store_tail_evict(s);
    if (rc != ERR_OK)
        return rc;
    uint8_t *at = slot.body;
    set_u64(at, p->id);
    memcpy(at + 8, p->topic, sizeof p->topic);
    set_u32(at + 24, (uint32_t)p->partition);
    memcpy(at + 28, p->dir_id, sizeof p->dir_id);
    struct put w = put_of(at + 44, PLOG_CONFIG_BYTES);
    plog_config_write(&p->config, &w);
    return ERR_OK;
}

/* Reads such a record into id, topic, partition, directory id and config of a log. */
void
store_create_read(struct view body, struct plog *p)
{
    struct cur c = cur_of(body);
    p->id = cur_u64(&c);
    struct view topic = cur_view(&c, sizeof p->topic);
    if (topic.len)
        memcpy(p->topic, topic.at, topic.len);
    p->partition = cur_i32(&c);
    struct view dir = cur_view(&c, sizeof p->dir_id);
    if (dir.len)
        memcpy(p->dir_id, dir.at, dir.len);
    plog_config_read(&p->config, &c);
}

/* ---- append ------------------------------------------------------------------------------------
 */

static void
index_note(struct plog *p, struct segment *seg, const struct tail_entry *e, uint64_t seq)
{
    uint32_t step = p->config.index_interval_bytes;
    if (step < PLOG_INDEX_MIN)
        step = PLOG_INDEX_MIN;
    uint32_t count = seg->idx.count;
    if (count && e->pos - index_get(&seg->idx, count - 1)->pos < step)
        return;
    index_add(&seg->idx, (struct index_entry){.rel = (uint32_t)(e->base - seg->base),
                                              .pos = e->pos,
                                              .max_ts = seg->max_ts,
                                              .tail_seq = seq});
}

int
store_land(struct store *s, struct plog *p, const struct batch_info *info,
           struct store_landing *out)
{
    struct segment *seg = plog_last(p);
    if (!tail_has_room(s))
        return ERR_AGAIN;
    if (store_extent_wanted(s, p, seg, info->bytes)) {
        int rc = store_extent_take(s, seg->bytes, info->bytes, &out->x);
        store_tail_evict(s);
        if (rc == ERR_OK) {
            out->at = out->x.at;
            out->place = out->x.place;
            out->lsn = out->x.slot.lsn;
            out->extent = true;
            fill_begin(&out->fill, &s->fills, out->at, seg->bytes, info->bytes);
        }
        if (rc != ERR_LIMIT)
            return rc;
    }
    uint8_t prefix[STORE_PREFIX_MAX];
    uint32_t prefix_bytes = store_record_prefix(prefix, p->id, seg->bytes, p->end - seg->base);
    struct journal_slot slot;
    int rc = journal_append(s->journal, STORE_REC_BATCH, prefix_bytes + info->bytes, &slot);
    store_tail_evict(s); /* what the new record lies on is not to be read any more */
    if (rc != ERR_OK)
        return rc;
    memcpy(slot.body, prefix, prefix_bytes);
    out->at = slot.body + prefix_bytes;
    out->place = slot.place + prefix_bytes;
    out->lsn = slot.lsn;
    out->extent = false;
    return ERR_OK;
}

void
store_landed(struct store *s, struct plog *p, const struct batch_info *info,
             struct store_landing *land, const struct store_stamp *stamp,
             struct store_appended *out)
{
    bool stamped = p->config.log_append_time;
    int64_t time_ms = store_time_of(p, info, stamp->now_ms);
    struct segment *seg = plog_last(p);
    uint8_t *body = land->at;
    batch_stamp(body, p->end, stamp->leader_epoch);
    if (stamped)
        batch_stamp_time(body, info->bytes, stamp->now_ms);
    else if (time_ms != info->max_timestamp_ms) /* a producer's header that its records belie */
        batch_stamp_max(body, info->bytes, time_ms);
    struct tail_entry e = {.place = land->place,
                           .extent = land->extent,
                           .base = p->end,
                           .pos = seg->bytes,
                           .len = info->bytes,
                           .span = info->last_offset_delta + 1,
                           .slot = p->slot};
    uint64_t before = p->tail_last, seq = entry_add(s, p, &e);
    if (land->extent)
        store_extent_go(s, p, seg, seq, before, land);
    index_note(p, seg, &e, seq);
    if (plog_note(p, seg, e.base, info, stamp->leader_epoch, time_ms) != ERR_OK)
        log_warn("store", "no memory for a leader epoch partition=%d epoch=%d", p->partition,
                 stamp->leader_epoch);
    seg->appended_ms = stamp->now_ms;
    struct plog_when when = {e.base, time_ms, stamp->now_ms, land->lsn};
    must(plog_note_producer(p, info, view_of(body, info->bytes), &when) == ERR_OK); /* reserved */
    s->stats.batch_bytes += info->bytes;
    s->append_ns = s->now_ns;
    *out = (struct store_appended){.base_offset = e.base,
                                   .log_append_time_ms = stamped ? stamp->now_ms : -1,
                                   .lsn = land->lsn,
                                   .held = p->extents > 0};
}

static int
append(struct store *s, struct plog *p, const struct batch_info *info, struct view batch,
       const struct store_stamp *stamp, struct store_appended *out)
{
    struct segment *seg = plog_last(p);
    if (plog_roll_wanted(p, info, store_time_of(p, info, stamp->now_ms))) {
        /* An empty segment that is not used after all does no harm: the next append finds it. */
        struct segment *full = seg;
        seg = plog_roll(p, p->end);
        if (!seg)
            return ERR_AGAIN;
        if (full && full->written == full->bytes && p->state == PLOG_ONLINE)
            store_seal_begin(s, p, full);
    }
    struct store_landing land;
    int rc = store_land(s, p, info, &land);
    if (rc != ERR_OK)
        return rc;
    if (land.extent)
        fill_add(&land.fill, batch.at, info->bytes);
    else
        memcpy(land.at, batch.at, info->bytes);
    store_landed(s, p, info, &land, stamp, out);
    return KERR_NONE;
}

bool
store_append_fits(const struct store *s, const struct batch_info *info)
{
    return info->bytes <= s->journal_config.record_bytes_max - 128 && info->bytes <= INT32_MAX;
}

int
store_append_reserve(struct plog *p, const struct batch_info *info)
{
    if (info->producer_id >= 0 &&
        plog_reserve_producer(p, info->producer_id, info->attributes & BATCH_TRANSACTIONAL))
        return KERR_KAFKA_STORAGE_ERROR;
    return KERR_NONE;
}

int
store_append_batch(struct store *s, struct plog *p, const struct batch_info *info,
                   struct view batch, int32_t leader_epoch, int64_t now_ms,
                   struct store_appended *out)
{
    if (!store_append_fits(s, info))
        return KERR_MESSAGE_TOO_LARGE;
    if (store_append_reserve(p, info) != KERR_NONE)
        return KERR_KAFKA_STORAGE_ERROR;
    int rc = store_room_take(s, p->dir, info->bytes);
    if (rc == ERR_NO_SPACE)
        return KERR_KAFKA_STORAGE_ERROR;
    if (rc == ERR_OK)
        rc = append(s, p, info, batch, &(struct store_stamp){leader_epoch, now_ms}, out);
    if (rc == ERR_AGAIN)
        s->stats.journal_wait_turns++;
    return rc;
}

int
store_append_asked(const struct plog *p, const struct batch_info *info, struct store_appended *out)
{
    if (info->producer_id < 0)
        return KERR_NONE;
    struct producer_batch first;
    struct producer_ask ask = producer_ask_of(info);
    int code = producer_check(&p->producers, &ask, &first);
    if (code == KERR_DUPLICATE_SEQUENCE_NUMBER)
        *out = (struct store_appended){.base_offset = first.offset_first,
                                       .log_append_time_ms =
                                           p->config.log_append_time ? first.timestamp_ms : -1,
                                       .lsn = first.lsn,
                                       .held = p->extents > 0};
    return code;
}

int
store_append(struct store *s, struct plog *p, const struct batch_info *info, struct view batch,
             int32_t leader_epoch, int64_t now_ms, struct store_appended *out)
{
    must(info->bytes == batch.len && !p->dead);
    if (p->state == PLOG_OFFLINE)
        return KERR_KAFKA_STORAGE_ERROR;
    int code = store_append_asked(p, info, out);
    if (code != KERR_NONE)
        return code;
    return store_append_batch(s, p, info, batch, leader_epoch, now_ms, out);
}

uint32_t
store_writes(const struct store *s, const uint64_t **ns)
{
    return journal_writes(s->journal, ns);
}
