/* plog.c: one partition log in memory: segments, leader epochs, producers; and its checkpoint form.
 *
 *
 * Checkpoint form (big endian): u64 id, 16 bytes topic id, i32 partition, u8 flags (1 deleted,
 * 2 damaged), with flag 2 {u8 enum plog_damage, i64 good end}, 16 bytes directory id, configuration
 * (plog_config.c), i64 start, i64 end, i64 first offset that compaction has still to see, u32
 * epochs {i32 epoch, i64 start}, u32 segments {i64 base, u32 bytes, u32 synced, i64 max time, i64
 * first time, i64 broker's time of the last append, u8 flags (1 gaps between offsets)}, producers
 * (producer.c), aborted transactions (stable.c). */
#include "core/base/err.h"
#include "core/base/mutant.h"
#include "core/store/plog_in.h"
#include "core/store/slab.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    PLOG_FIXED_BYTES = 8 + 16 + 4 + 1 + 16 + 8 + 8 + PLOG_CONFIG_BYTES + 8 + 8 + 8 + 4 + 4,
    PLOG_EPOCH_BYTES = 12,
    PLOG_SWAP_BYTES = 52,
    PLOG_COPIED_BYTES = 20,
    PLOG_SEGMENT_BYTES = 41,
    PLOG_OFFSET_ENTRY = 8,
    PLOG_TIME_ENTRY = 12,
    PLOG_FLAG_DELETED = 1,
    PLOG_FLAG_DAMAGED = 2,
    PLOG_FLAG_UNFINISHED = 4,
    PLOG_FLAG_WISHED = 8,
    PLOG_FLAG_COPIED = 16,
    PLOG_FLAG_GAPS = 1
};

bool
plog_init(struct plog *p)
{
    *p = (struct plog){.used = true,
                       .state = PLOG_ONLINE,
                       .block = PLOG_BLOCK_NONE,
                       .move_to = PLOG_DIR_NONE,
                       .copies_in = PLOG_DIR_NONE};
    list_init(&p->changed_node);
    list_init(&p->dirty_node);
    list_init(&p->dir_node);
    list_init(&p->dying_node);
    list_init(&p->trim_node);
    list_init(&p->move_node);
    list_init(&p->unread_node);
    list_init(&p->walk_node);
    producer_table_init(&p->producers);
    stable_init(&p->stable);
    return true;
}

void
plog_segment_free(struct segment *seg)
{
    struct buddy *memory = seg->sums.memory;
    list_remove(&seg->used_node);
    index_free(&seg->idx);
    sums_free(&seg->sums);
    slab_give(memory, seg);
}

void
plog_free(struct plog *p)
{
    for (uint32_t i = 0; i < p->segment_count; i++) {
        plog_segment_free(p->segments[i]);
    }
    free(p->segments);
    free(p->epochs);
    producer_table_free(&p->producers);
    stable_free(&p->stable);
    p->used = false;
    p->segments = NULL;
    p->epochs = NULL;
    p->segment_count = p->epoch_count = 0;
}

void
plog_facts(const struct plog *p, struct plog_facts *out)
{
    *out = (struct plog_facts){
        .state = p->state,
        .log_start_offset = p->start,
        .high_watermark = p->hw,
        .last_stable_offset = plog_last_stable(p),
        .log_end_offset = p->end,
        .leader_epoch = p->epoch_count ? p->epochs[p->epoch_count - 1].epoch : -1,
        .bytes = p->bytes,
        .dir = p->dir,
        .damage = p->damage,
        .good_end = p->good_end,
    };
}

int64_t
plog_log_start(const struct plog *p)
{
    return p->start;
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

/* ---- segments ----------------------------------------------------------------------------------
 */

struct segment *
plog_last(const struct plog *p)
{
    return p->segment_count ? p->segments[p->segment_count - 1] : NULL;
}

uint32_t
plog_segment_index(const struct plog *p, int64_t offset)
{
    uint32_t low = 0, high = p->segment_count;
    while (high - low > 1) {
        uint32_t mid = low + (high - low) / 2;
        if (p->segments[mid]->base <= offset)
            low = mid;
        else
            high = mid;
    }
    return low;
}

struct segment *
plog_segment_of(const struct plog *p, int64_t offset)
{
    if (p->segment_count == 0 || offset < p->segments[0]->base)
        return NULL;
    return p->segments[plog_segment_index(p, offset)];
}

struct segment *
plog_segment_at(const struct plog *p, int64_t base)
{
    struct segment *seg = plog_segment_of(p, base);
    return seg && seg->base == base ? seg : NULL;
}

int64_t
plog_segment_limit(const struct plog *p, const struct segment *seg)
{
    uint32_t i = plog_segment_index(p, seg->base);
    return i + 1 < p->segment_count ? p->segments[i + 1]->base : p->end;
}

struct segment *
plog_segment_new(struct plog *p, int64_t base)
{
    struct segment *seg = slab_take(p->memory, sizeof *seg);
    if (!seg && p->memory)
        seg = slab_take(NULL, sizeof *seg); /* the arena is full of indexes */
    if (!seg)
        return NULL;
    seg->log = p;
    seg->idx.memory = seg->sums.memory = p->memory;
    seg->serial = ++p->next_segment_serial;
    seg->base = base;
    seg->file = -1;
    seg->max_ts = seg->first_ts = seg->appended_ms = seg->entry_ts = INT64_MIN;
    list_init(&seg->open_node);
    list_init(&seg->sync_node);
    list_init(&seg->used_node);
    list_init(&seg->drop_node);
    list_init(&seg->retired_node);
    return seg;
}

void
plog_use_memory(struct plog *p, struct buddy *memory)
{
    p->memory = memory;
    for (uint32_t i = 0; i < p->segment_count; i++)
        p->segments[i]->idx.memory = p->segments[i]->sums.memory = memory;
}

struct segment *
plog_roll(struct plog *p, int64_t base)
{
    if (p->segment_count == p->segment_room) {
        uint32_t room = p->segment_room ? p->segment_room * 2 : 1;
        struct segment **more =
            room > PLOG_SEGMENTS_MAX ? NULL : realloc(p->segments, room * sizeof *more);
        if (!more)
            return NULL;
        p->segments = more;
        p->segment_room = room;
    }
    struct segment *seg = plog_segment_new(p, base);
    if (seg)
        p->segments[p->segment_count++] = seg;
    return seg;
}

void
plog_replace(struct plog *p, uint32_t first, uint32_t count, struct segment *seg,
             struct segment **old)
{
    must(count > 0 && first + count <= p->segment_count);
    for (uint32_t i = 0; i < count; i++) {
        old[i] = p->segments[first + i];
        p->bytes -= old[i]->bytes;
    }
    p->segments[first] = seg;
    p->bytes += seg->bytes;
    uint32_t rest = p->segment_count - first - count;
    memmove(p->segments + first + 1, p->segments + first + count, rest * sizeof(struct segment *));
    p->segment_count -= count - 1;
}

void
plog_cleaned(struct plog *p, int64_t to)
{
    if (to <= p->clean_to)
        return;
    p->clean_to = to;
    if (!mutant(MUTANT_ABORTED_KEPT))
        stable_trim(&p->stable, to);
}

/* What a segment takes off its largest age: the same whenever it is asked for. */
static int64_t
jitter_ms(const struct plog *p, const struct segment *seg, int64_t most_ms)
{
    int64_t most = p->config.segment_jitter_ms < most_ms ? p->config.segment_jitter_ms : most_ms;
    uint64_t x = p->jitter_seed + (uint64_t)seg->base * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return most > 0 ? (int64_t)((x ^ x >> 31) % (uint64_t)most) : 0;
}

/* Source: Kafka OffsetIndex, TimeIndex.isFull. */
static bool
indexes_full(const struct plog *p, const struct segment *seg)
{
    uint32_t bytes = p->config.segment_index_bytes;
    return bytes && (seg->offset_entries >= bytes / PLOG_OFFSET_ENTRY ||
                     seg->time_entries + 1 >= bytes / PLOG_TIME_ENTRY);
}

bool
plog_roll_wanted(const struct plog *p, const struct batch_info *info, int64_t time_ms)
{
    const struct segment *seg = plog_last(p);
    if (!seg)
        return true;
    if (seg->bytes == 0)
        return false;
    /* Source: Kafka LogSegment.shouldRoll; offsets in an index are relative in 31 bits. */
    if (info->bytes > p->config.segment_bytes || seg->bytes > p->config.segment_bytes - info->bytes)
        return true;
    if (p->end - seg->base > INT32_MAX - (int64_t)info->last_offset_delta)
        return true;
    if (indexes_full(p, seg))
        return true;
    int64_t most_ms = p->config.segment_ms, lag_ms = p->config.max_compaction_lag_ms;
    if (p->config.cleanup_compact && lag_ms > 0 && lag_ms < most_ms)
        most_ms = lag_ms; /* else the active segment would never be compacted in time */
    return most_ms > 0 && seg->first_ts >= 0 && time_ms > seg->first_ts &&
           time_ms - seg->first_ts > most_ms - jitter_ms(p, seg, most_ms);
}

static int
note_epoch(struct plog *p, int32_t epoch, int64_t start)
{
    if (p->epoch_count && p->epochs[p->epoch_count - 1].epoch >= epoch)
        return ERR_OK;
    if (p->epoch_count == p->epoch_room) {
        uint32_t room = p->epoch_room ? p->epoch_room * 2 : 1;
        struct plog_epoch *more =
            room > PLOG_EPOCHS_MAX ? NULL : realloc(p->epochs, room * sizeof *more);
        if (!more)
            return ERR_LIMIT;
        p->epochs = more;
        p->epoch_room = room;
    }
    p->epochs[p->epoch_count++] = (struct plog_epoch){epoch, start};
    return ERR_OK;
}

/* Source: Kafka LogSegment.append. */
static void
note_entries(const struct plog *p, struct segment *seg, uint32_t bytes)
{
    if (seg->since_entry > p->config.index_interval_bytes) {
        seg->offset_entries++;
        if (seg->max_ts > seg->entry_ts)
            seg->time_entries++;
        seg->entry_ts = seg->max_ts;
        seg->since_entry = 0;
    }
    seg->since_entry += bytes;
}

int
plog_note(struct plog *p, struct segment *seg, int64_t base, const struct batch_info *info,
          int32_t leader_epoch, int64_t max_ts)
{
    int rc = note_epoch(p, leader_epoch, base);
    if (seg->bytes == 0)
        seg->first_ts = max_ts;
    if (max_ts > seg->max_ts)
        seg->max_ts = max_ts;
    note_entries(p, seg, info->bytes);
    seg->bytes += info->bytes;
    p->bytes += info->bytes;
    p->end = base + info->last_offset_delta + 1;
    return rc;
}

/* ---- paths -------------------------------------------------------------------------------------
 */

/* A topic id as Kafka prints it: base64url without padding, 22 characters. */
static void
topic_text(const uint8_t id[16], char out[static 23])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for (uint32_t i = 0; i < 22; i++) {
        uint32_t bit = i * 6, at = bit / 8, shift = bit % 8;
        uint32_t pair = (uint32_t)id[at] << 8 | (at + 1 < 16 ? id[at + 1] : 0);
        out[i] = digits[pair >> (10 - shift) & 63];
    }
    out[22] = 0;
}

void
plog_path_topic(const struct plog *p, char out[static PLOG_PATH_BYTES])
{
    char topic[23];
    topic_text(p->topic, topic);
    snprintf(out, PLOG_PATH_BYTES, "log/%s", topic);
}

void
plog_path_dir(const struct plog *p, char out[static PLOG_PATH_BYTES])
{
    char topic[23];
    topic_text(p->topic, topic);
    snprintf(out, PLOG_PATH_BYTES, "log/%s/%d", topic, p->partition);
}

void
plog_path_segment(const struct plog *p, int64_t base, const char *suffix,
                  char out[static PLOG_PATH_BYTES])
{
    char topic[23];
    topic_text(p->topic, topic);
    snprintf(out, PLOG_PATH_BYTES, "log/%s/%d/%020lld%s", topic, p->partition, (long long)base,
             suffix);
}

/* ---- checkpoint form ---------------------------------------------------------------------------
 */

static bool
copied_counts(const struct plog *p)
{
    return p->wished && p->copied.to && !p->copied.stale;
}

uint64_t
plog_save_bytes(const struct plog *p)
{
    return PLOG_FIXED_BYTES + (p->damage ? PLOG_DAMAGE_BYTES : 0) +
           (p->unfinished.limit ? PLOG_SWAP_BYTES : 0) + (p->wished ? sizeof p->wish_id : 0) +
           (copied_counts(p) ? PLOG_COPIED_BYTES : 0) +
           (uint64_t)p->epoch_count * PLOG_EPOCH_BYTES +
           (uint64_t)p->segment_count * PLOG_SEGMENT_BYTES + producer_save_bytes(&p->producers) +
           stable_save_bytes(&p->stable);
}

static void
swap_save(const struct plog_swap *x, struct put *w)
{
    put_u64(w, x->tag);
    put_u64(w, (uint64_t)x->first);
    put_u64(w, (uint64_t)x->limit);
    put_u64(w, (uint64_t)x->clean_to);
    put_u64(w, (uint64_t)x->max_ts);
    put_u64(w, (uint64_t)x->first_ts);
    put_u32(w, x->bytes);
}

static void
swap_load(struct plog_swap *x, struct cur *c)
{
    x->tag = cur_u64(c);
    x->first = cur_i64(c);
    x->limit = cur_i64(c);
    x->clean_to = cur_i64(c);
    x->max_ts = cur_i64(c);
    x->first_ts = cur_i64(c);
    x->bytes = cur_u32(c);
    c->bad = c->bad || x->first >= x->limit;
}

void
plog_save(const struct plog *p, struct put *w)
{
    put_u64(w, p->id);
    put_bytes(w, p->topic, sizeof p->topic);
    put_u32(w, (uint32_t)p->partition);
    put_u8(w, (uint8_t)((p->dead ? PLOG_FLAG_DELETED : 0) | (p->damage ? PLOG_FLAG_DAMAGED : 0) |
                        (p->unfinished.limit ? PLOG_FLAG_UNFINISHED : 0) |
                        (p->wished ? PLOG_FLAG_WISHED : 0) |
                        (copied_counts(p) ? PLOG_FLAG_COPIED : 0)));
    if (p->damage)
        plog_damage_save(p, w);
    put_bytes(w, p->dir_id, sizeof p->dir_id);
    put_u64(w, p->seen_generation);
    put_u64(w, p->seen_id);
    if (p->unfinished.limit)
        swap_save(&p->unfinished, w);
    if (p->wished)
        put_bytes(w, p->wish_id, sizeof p->wish_id);
    if (copied_counts(p)) {
        put_u64(w, (uint64_t)p->copied.base);
        put_u32(w, p->copied.to);
        put_u64(w, (uint64_t)p->copied.next);
    }
    plog_config_write(&p->config, w);
    put_u64(w, (uint64_t)p->start);
    put_u64(w, (uint64_t)p->end);
    put_u64(w, (uint64_t)p->clean_to);
    put_u32(w, p->epoch_count);
    for (uint32_t i = 0; i < p->epoch_count; i++) {
        put_u32(w, (uint32_t)p->epochs[i].epoch);
        put_u64(w, (uint64_t)p->epochs[i].start);
    }
    put_u32(w, p->segment_count);
    for (uint32_t i = 0; i < p->segment_count; i++) {
        const struct segment *seg = p->segments[i];
        put_u64(w, (uint64_t)seg->base);
        put_u32(w, seg->bytes);
        /* A file without a durable name holds nothing. */
        put_u32(w, seg->named || mutant(MUTANT_NAME_NOT_SYNCED) ? seg->synced : 0);
        put_u64(w, (uint64_t)seg->max_ts);
        put_u64(w, (uint64_t)seg->first_ts);
        put_u64(w, (uint64_t)seg->appended_ms);
        put_u8(w, seg->gaps ? PLOG_FLAG_GAPS : 0);
    }
    producer_save(&p->producers, w);
    stable_save(&p->stable, w);
}

static int
load_segments(struct plog *p, struct cur *c)
{
    uint32_t count = cur_u32(c);
    int64_t base_min = 0; /* the first one may reach below the log start */
    for (uint32_t i = 0; i < count; i++) {
        int64_t base = cur_i64(c);
        if (c->bad || base < base_min || base > p->end)
            return ERR_CORRUPT;
        base_min = base + 1;
        struct segment *seg = plog_roll(p, base);
        if (!seg)
            return ERR_LIMIT;
        seg->bytes = cur_u32(c);
        seg->synced = seg->written = cur_u32(c);
        seg->max_ts = cur_i64(c);
        seg->first_ts = cur_i64(c);
        seg->appended_ms = cur_i64(c);
        seg->gaps = cur_u8(c) & PLOG_FLAG_GAPS;
        seg->indexed_from = seg->bytes;
        seg->created = seg->named = seg->synced > 0;
        p->bytes += seg->bytes;
        if (seg->synced > seg->bytes)
            return ERR_CORRUPT;
    }
    return c->bad ? ERR_CORRUPT : ERR_OK;
}

int
plog_load(struct plog *p, struct cur *c)
{
    plog_init(p);
    p->id = cur_u64(c);
    struct view topic = cur_view(c, sizeof p->topic);
    if (topic.len)
        memcpy(p->topic, topic.at, topic.len);
    p->partition = cur_i32(c);
    uint8_t flags = cur_u8(c);
    p->dead = flags & PLOG_FLAG_DELETED;
    if (flags & PLOG_FLAG_DAMAGED)
        plog_damage_load(p, c);
    struct view dir = cur_view(c, sizeof p->dir_id);
    if (dir.len)
        memcpy(p->dir_id, dir.at, dir.len);
    p->seen_generation = cur_u64(c);
    p->seen_id = cur_u64(c);
    if (flags & PLOG_FLAG_UNFINISHED)
        swap_load(&p->unfinished, c);
    p->wished = flags & PLOG_FLAG_WISHED;
    struct view wish = cur_view(c, p->wished ? sizeof p->wish_id : 0);
    if (wish.len)
        memcpy(p->wish_id, wish.at, wish.len);
    if (flags & PLOG_FLAG_COPIED) {
        p->copied.base = cur_i64(c);
        p->copied.to = cur_u32(c);
        p->copied.next = cur_i64(c);
    }
    plog_config_read(&p->config, c);
    p->start = p->start_next = cur_i64(c);
    p->end = p->hw = cur_i64(c);
    p->clean_to = cur_i64(c);
    uint32_t epochs = cur_u32(c);
    int rc = c->bad ? ERR_CORRUPT : ERR_OK;
    for (uint32_t i = 0; i < epochs && rc == ERR_OK; i++) {
        int32_t epoch = cur_i32(c);
        int64_t start = cur_i64(c);
        rc = c->bad ? ERR_CORRUPT : note_epoch(p, epoch, start);
    }
    if (rc == ERR_OK)
        rc = load_segments(p, c);
    if (rc == ERR_OK)
        rc = producer_load(&p->producers, c);
    if (rc == ERR_OK)
        rc = stable_load(&p->stable, c);
    if (rc == ERR_OK)
        rc = plog_load_open(p);
    if (rc != ERR_OK)
        plog_free(p);
    return rc;
}
