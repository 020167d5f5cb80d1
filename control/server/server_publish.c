#include "control/server/server_publish.h"
#include "core/base/err.h"
#include "core/shm/msg.h"
#include "core/wire/batch.h"

#include <stdlib.h>

static uint64_t *
bits_new(uint32_t count)
{
    uint64_t *bits = calloc((count + 63) / 64, sizeof *bits);
    must(bits != NULL);
    return bits;
}

void
server_publish_init(struct server_publish *p, const struct region *region, struct meta_image *image,
                    const struct meta_rules *rules, uint32_t generation)
{
    const struct region_header *h = region->header;
    *p = (struct server_publish){.region = region,
                                 .image = image,
                                 .rules = rules,
                                 .generation = generation,
                                 .shard_count = h->shard_count};
    p->quotas = calloc(1, sizeof *p->quotas);
    must(p->quotas != NULL);
    for (uint32_t i = 0; i < p->shard_count; i++) {
        struct server_shard *s = &p->shards[i];
        chan_join(&s->to_data, region_ring_to_data(region, i), h->ring_bytes);
        chan_join(&s->to_control, region_ring_to_control(region, i), h->ring_bytes);
        s->topic_bells = bits_new(image->topics_max);
        s->want_bells = bits_new(image->partitions_max);
    }
}

void
server_publish_free(struct server_publish *p)
{
    free(p->quotas);
    for (uint32_t i = 0; i < p->shard_count; i++) {
        free(p->shards[i].topic_bells);
        free(p->shards[i].want_bells);
    }
}

void
server_publish_all(struct server_publish *p)
{
    for (uint32_t i = 0; i < p->image->topics_max; i++)
        meta_dirty_set(p->image->topic_dirty, i);
    for (uint32_t i = 0; i < p->image->partitions_max; i++)
        meta_dirty_set(p->image->slot_dirty, i);
}

static void
ring_topic(struct server_publish *p, uint32_t row)
{
    for (uint32_t i = 0; i < p->shard_count; i++) {
        meta_dirty_set(p->shards[i].topic_bells, row);
        p->shards[i].bells = true;
    }
}

static void
ring_want(struct server_publish *p, uint32_t row)
{
    for (uint32_t i = 0; i < p->shard_count; i++) {
        meta_dirty_set(p->shards[i].want_bells, row);
        p->shards[i].bells = true;
    }
}

static uint32_t
row_state(const struct meta_topic *t)
{
    return t->state == META_LIVE ? TABLE_LIVE : TABLE_DELETING;
}

/* compression.type's value, which meta_config_check has let in. */
static uint8_t
codec_of(const char *name)
{
    static const char *const names[] = {[BATCH_NONE] = "uncompressed",
                                        [BATCH_GZIP] = "gzip",
                                        [BATCH_SNAPPY] = "snappy",
                                        [BATCH_LZ4] = "lz4",
                                        [BATCH_ZSTD] = "zstd"};
    for (uint8_t c = 0; c < BATCH_CODECS; c++)
        if (strcmp(name, names[c]) == 0)
            return c;
    return TABLE_COMPRESSION_PRODUCER;
}

static struct table_topic_config
topic_config(const struct meta_topic *t, const struct meta_rules *rules)
{
#define NUMBER(key) meta_config_number(t, rules, META_CONFIG_##key)
    struct table_topic_config c = {
        .max_message_bytes = (uint32_t)NUMBER(MAX_MESSAGE_BYTES),
        .segment_bytes = (uint32_t)NUMBER(SEGMENT_BYTES),
        .index_interval_bytes = (uint32_t)NUMBER(INDEX_INTERVAL),
        .min_insync_replicas = (uint32_t)NUMBER(MIN_INSYNC),
        .segment_index_bytes = (uint32_t)NUMBER(SEGMENT_INDEX_BYTES),
        .min_dirty_millionths = meta_config_millionths(t, rules, META_CONFIG_MIN_DIRTY_RATIO),
        .segment_ms = NUMBER(SEGMENT_MS),
        .segment_jitter_ms = NUMBER(SEGMENT_JITTER_MS),
        .file_delete_delay_ms = NUMBER(FILE_DELETE_DELAY_MS),
        .min_compaction_lag_ms = NUMBER(MIN_COMPACTION_LAG_MS),
        .max_compaction_lag_ms = NUMBER(MAX_COMPACTION_LAG_MS),
        .delete_retention_ms = NUMBER(DELETE_RETENTION_MS),
        .gzip_level = (int32_t)NUMBER(GZIP_LEVEL),
        .lz4_level = (int32_t)NUMBER(LZ4_LEVEL),
        .zstd_level = (int32_t)NUMBER(ZSTD_LEVEL),
        .preallocate = NUMBER(PREALLOCATE) != 0,
        .retention_ms = NUMBER(RETENTION_MS),
        .retention_bytes = NUMBER(RETENTION_BYTES),
        .timestamp_before_max_ms = NUMBER(TIMESTAMP_BEFORE),
        .timestamp_after_max_ms = NUMBER(TIMESTAMP_AFTER),
        .write_caching = NUMBER(WRITE_CACHING) != 0,
        .compression = codec_of(meta_config_value(t, rules, META_CONFIG_COMPRESSION)),
    };
#undef NUMBER
    const char *policy = meta_config_value(t, rules, META_CONFIG_CLEANUP_POLICY);
    c.cleanup_compact = strstr(policy, "compact") != NULL;
    c.cleanup_delete = strstr(policy, "delete") != NULL;
    const char *stamp = meta_config_value(t, rules, META_CONFIG_TIMESTAMP_TYPE);
    c.log_append_time = strcmp(stamp, "LogAppendTime") == 0;
    return c;
}

static void
topic_publish(struct server_publish *p, uint32_t row)
{
    struct table_topic *at = &region_topics(p->region)[row];
    const struct meta_topic *t = p->image->topics[row];
    struct table_topic_fact is, fact;
    memset(&fact, 0, sizeof fact); /* padding too: rows are compared as bytes */
    if (t) {
        fact.state = row_state(t);
        memcpy(fact.id, t->id, META_ID_BYTES);
        fact.partition_count = t->partition_count;
        fact.name_bytes = t->name_bytes;
        fact.internal = t->internal;
        memcpy(fact.name, t->name, t->name_bytes);
        fact.config = topic_config(t, p->rules);
    }
    int rc = table_topic_read(at, &is);
    if (rc != ERR_OK) /* torn by a control that died: its version is one that nobody has read */
        is.version = at->fact.version;
    fact.version = is.version;
    if (rc == ERR_OK && memcmp(&is, &fact, sizeof fact) == 0)
        return;
    fact.version = is.version + 1;
    table_topic_write(at, &fact);
    ring_topic(p, row);
}

static void
want_publish(struct server_publish *p, uint32_t slot)
{
    struct table_want *at = &region_want(p->region)[slot];
    const struct meta_slot *s = &p->image->slots[slot];
    struct table_want_fact is, fact;
    memset(&fact, 0, sizeof fact);
    if (s->topic != META_NONE) {
        const struct meta_topic *t = p->image->topics[s->topic];
        const struct meta_partition *part = &t->partitions[s->partition];
        fact.state = row_state(t);
        fact.topic = t->row;
        fact.partition = s->partition;
        memcpy(fact.topic_id, t->id, META_ID_BYTES);
        fact.leader_id = part->leader;
        fact.leader_epoch = part->leader_epoch;
    }
    int rc = table_want_read(at, &is);
    if (rc != ERR_OK)
        is.version = at->fact.version;
    fact.version = is.version;
    if (rc == ERR_OK && memcmp(&is, &fact, sizeof fact) == 0)
        return;
    fact.version = is.version + 1;
    table_want_write(at, &fact);
    ring_want(p, slot);
}

void
server_publish_rows(struct server_publish *p, uint64_t committed)
{
    struct meta_image *m = p->image;
    server_publish_quotas(p, committed);
    server_publish_settings(p, committed);
    uint32_t i = meta_dirty_next(m->topic_dirty, 0, m->topics_max);
    for (; i != META_NONE; i = meta_dirty_next(m->topic_dirty, i + 1, m->topics_max)) {
        if (m->topic_index[i] > committed)
            continue;
        topic_publish(p, i);
        meta_dirty_clear(m->topic_dirty, i);
    }
    i = meta_dirty_next(m->slot_dirty, 0, m->partitions_max);
    for (; i != META_NONE; i = meta_dirty_next(m->slot_dirty, i + 1, m->partitions_max)) {
        if (m->slot_index[i] > committed)
            continue;
        want_publish(p, i);
        meta_dirty_clear(m->slot_dirty, i);
    }
}

void
server_publish_ring_all(struct server_publish *p)
{
    for (uint32_t i = 0; i < p->image->topics_max; i++)
        if (p->image->topics[i])
            ring_topic(p, i);
    for (uint32_t i = 0; i < p->image->partitions_max; i++)
        if (p->image->slots[i].topic != META_NONE)
            ring_want(p, i);
}

/* True when every bell of the set went out. */
static bool
bells_send(struct server_publish *p, struct server_shard *s, uint64_t *set, uint32_t limit,
           enum msg_kind kind)
{
    for (uint32_t i = meta_dirty_next(set, 0, limit); i != META_NONE;
         i = meta_dirty_next(set, i + 1, limit)) {
        uint8_t *at = chan_reserve(&s->to_data, sizeof(struct msg_row));
        if (!at)
            return false;
        uint32_t version = kind == MSG_TOPIC ? region_topics(p->region)[i].fact.version
                                             : region_want(p->region)[i].fact.version;
        struct msg_row m = {.row = i, .version = version};
        memcpy(at, &m, sizeof m);
        chan_publish(&s->to_data, kind, p->generation, sizeof m);
        s->sent = true;
        meta_dirty_clear(set, i);
    }
    return true;
}

bool
server_publish_bells(struct server_publish *p)
{
    bool left = false;
    for (uint32_t i = 0; i < p->shard_count; i++) {
        struct server_shard *s = &p->shards[i];
        if (s->bells)
            s->bells = !bells_send(p, s, s->topic_bells, p->image->topics_max, MSG_TOPIC) ||
                       !bells_send(p, s, s->want_bells, p->image->partitions_max, MSG_WANT);
        left = left || s->bells;
    }
    return left;
}

void
server_publish_wake(struct server_publish *p)
{
    for (uint32_t i = 0; i < p->shard_count; i++) {
        struct server_shard *s = &p->shards[i];
        if (s->sent && chan_must_wake(&s->to_data))
            region_wake(p->region, i);
        s->sent = false;
    }
}

/* What the owning shard made of the slot as it is wanted now; UINT32_MAX: not known yet. */
static uint32_t
slot_state(const struct server_publish *p, uint32_t slot, uint32_t *shard)
{
    struct table_have_fact have;
    if (meta_dirty_has(p->image->slot_dirty, slot) ||
        table_have_read(&region_have(p->region)[slot], &have) != ERR_OK ||
        have.version != region_want(p->region)[slot].fact.version)
        return UINT32_MAX;
    *shard = have.shard;
    return have.state;
}

int
server_publish_shard(const struct server_publish *p, uint32_t slot, uint32_t *shard)
{
    bool open = slot_state(p, slot, shard) == TABLE_OPEN;
    return open && *shard < p->shard_count ? ERR_OK : ERR_AGAIN;
}

enum server_progress
server_publish_opened(const struct server_publish *p, uint32_t row)
{
    const struct meta_topic *t = p->image->topics[row];
    if (!t || t->state != META_LIVE)
        return SERVER_DONE;
    for (uint32_t i = 0; i < t->partition_count; i++) {
        uint32_t shard, state = slot_state(p, t->partitions[i].slot, &shard);
        if (state != TABLE_OPEN && state != TABLE_FAILED)
            return SERVER_WAITING;
    }
    return SERVER_DONE;
}

enum server_progress
server_publish_gone(const struct server_publish *p, uint32_t row)
{
    const struct meta_topic *t = p->image->topics[row];
    must(t && t->state == META_DELETING);
    for (uint32_t i = 0; i < t->partition_count; i++) {
        uint32_t shard, state = slot_state(p, t->partitions[i].slot, &shard);
        if (state != TABLE_GONE && state != TABLE_ABSENT)
            return SERVER_WAITING;
    }
    return SERVER_DONE;
}
