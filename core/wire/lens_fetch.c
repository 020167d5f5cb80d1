/* lens_fetch.c: Fetch, versions 4 to 18 (KIP-227, 320, 392, 482, 516, 595, 903, 951, 1166).
 *
 * request:  i32 replica id (to 14), i32 max wait, i32 min bytes, i32 max bytes, i8 isolation;
 *           7: i32 session id, i32 session epoch; topics [name, or uuid from 13; partitions [i32
 *           index; 9: i32 leader epoch; i64 offset; 12: i32 last fetched epoch; 5: i64 log start
 *           offset; i32 max bytes; 17: tag 0 directory uuid; 18: tag 1 i64 high watermark]];
 *           7: forgotten topics [name or uuid, partitions [i32]]; 11: rack; 12: tag 0 cluster id
 *           (nullable); 15: tag 1 replica {i32 id, i64 epoch}
 * response: i32 throttle; 7: i16 error, i32 session id; topics [name or uuid; partitions [i32
 * index, i16 error, i64 high watermark, i64 last stable offset; 5: i64 log start offset; aborted
 *           [i64 producer id, i64 first offset] (nullable); 11: i32 preferred replica; records;
 *           12: tag 0 diverging epoch {i32 epoch, i64 end offset}, tag 1 current leader, tag 2 not
 *           used]]; 16: tag 0 node endpoints
 * Flexible from 12: compact lengths, a tag section ends each struct. */
#include "core/base/err.h"
#include "core/wire/lens_read.h"

enum {
    VERSION_MIN = 4,
    LOG_START = 5,
    SESSIONS = 7,
    EPOCHS = 9,
    RACK = 11,
    FLEXIBLE = 12,
    LAST_EPOCH = 12,
    IDS = 13,
    REPLICA_STATE = 15,
    LEADER = 16,
    DIRECTORY = 17,
    HIGH_WATERMARK = 18,
    VERSION_MAX = 18,
};

enum { TAG_CLUSTER_ID = 0, TAG_REPLICA_STATE = 1 };    /* of the request */
enum { TAG_DIRECTORY_ID = 0, TAG_HIGH_WATERMARK = 1 }; /* of its partitions */
/* Of partitions of the response. */
enum { TAG_DIVERGING_EPOCH = 0, TAG_CURRENT_LEADER = 1, NO_PREFERRED_REPLICA = -1 };

static int
result_of(const struct cur *c)
{
    return c->bad ? ERR_CORRUPT : ERR_OK;
}

int
lens_fetch_begin(struct view body, int16_t version, struct lens_fetch *out)
{
    must(version >= VERSION_MIN && version <= VERSION_MAX);
    struct cur c = cur_of(body.at ? body : view_of("", 0));
    *out = (struct lens_fetch){.version = version, .session_epoch = -1, .replica_epoch = -1};
    out->replica_id = version < REPLICA_STATE ? cur_i32(&c) : -1;
    out->max_wait_ms = cur_i32(&c);
    out->min_bytes = cur_i32(&c);
    out->max_bytes = cur_i32(&c);
    out->isolation_level = (int8_t)cur_u8(&c);
    if (version >= SESSIONS) {
        out->session_id = cur_i32(&c);
        out->session_epoch = cur_i32(&c);
    }
    out->topic_count = lens_count(&c, version >= FLEXIBLE, 1);
    out->topics = c;
    return result_of(&c);
}

int
lens_fetch_next_topic(struct lens_fetch *l, struct lens_fetch_topic *out)
{
    struct cur *c = &l->topics;
    bool flexible = l->version >= FLEXIBLE;
    lens_topic(c, l->version >= IDS, flexible, &out->topic_id, &out->name);
    out->partition_count = lens_count(c, flexible, 1);
    return result_of(c);
}

/* Neither field is for us, but their sizes must be right. */
static void
read_partition_tags(struct cur *c, int16_t version)
{
    uint32_t left = lens_varint(c), tag;
    struct cur content;
    while (lens_tag(c, &left, &tag, &content)) {
        if (tag == TAG_DIRECTORY_ID && version >= DIRECTORY)
            cur_take(&content, UUID_BYTES);
        else if (tag == TAG_HIGH_WATERMARK && version >= HIGH_WATERMARK)
            cur_u64(&content);
        else
            continue;
        lens_close(c, &content);
    }
}

int
lens_fetch_next_partition(struct lens_fetch *l, struct lens_fetch_partition *out)
{
    struct cur *c = &l->topics;
    int16_t version = l->version;
    out->index = cur_i32(c);
    out->leader_epoch = version >= EPOCHS ? cur_i32(c) : -1;
    out->fetch_offset = cur_i64(c);
    out->last_fetched_epoch = version >= LAST_EPOCH ? cur_i32(c) : -1;
    out->log_start_offset = version >= LOG_START ? cur_i64(c) : -1;
    out->max_bytes = cur_i32(c);
    if (version >= FLEXIBLE)
        read_partition_tags(c, version);
    return result_of(c);
}

int
lens_fetch_end_topic(struct lens_fetch *l)
{
    lens_skip_tags(&l->topics, l->version >= FLEXIBLE);
    return result_of(&l->topics);
}

int
lens_fetch_forgotten(struct lens_fetch *l)
{
    l->forgotten_count =
        l->version >= SESSIONS ? lens_count(&l->topics, l->version >= FLEXIBLE, 1) : 0;
    return result_of(&l->topics);
}

int
lens_fetch_next_forgotten(struct lens_fetch *l, struct lens_fetch_forgotten *out)
{
    struct cur *c = &l->topics;
    bool flexible = l->version >= FLEXIBLE;
    *out = (struct lens_fetch_forgotten){0};
    lens_topic(c, l->version >= IDS, flexible, &out->topic_id, &out->name);
    out->partition_count = lens_count(c, flexible, sizeof(int32_t));
    struct view partitions = cur_view(c, out->partition_count * (uint32_t)sizeof(int32_t));
    out->partitions = c->bad ? (struct cur){.bad = true} : cur_of(partitions);
    lens_skip_tags(c, flexible);
    return result_of(c);
}

static void
read_end_tags(struct lens_fetch *l)
{
    struct cur *c = &l->topics, content;
    uint32_t left = lens_varint(c), tag;
    while (lens_tag(c, &left, &tag, &content)) {
        if (tag == TAG_CLUSTER_ID) {
            lens_string(&content, true, true);
        } else if (tag == TAG_REPLICA_STATE && l->version >= REPLICA_STATE) {
            l->replica_id = cur_i32(&content);
            l->replica_epoch = cur_i64(&content);
            lens_skip_tags(&content, true);
        } else {
            continue;
        }
        lens_close(c, &content);
    }
}

int
lens_fetch_end(struct lens_fetch *l)
{
    struct cur *c = &l->topics;
    bool flexible = l->version >= FLEXIBLE;
    if (l->version >= RACK)
        l->rack_id = lens_string(c, flexible, false);
    if (flexible)
        read_end_tags(l);
    return result_of(c);
}

void
lens_fetch_answer_begin(struct put *w, int16_t version, int32_t throttle_ms, int16_t error,
                        int32_t session_id, uint32_t topic_count)
{
    put_u32(w, (uint32_t)throttle_ms);
    if (version >= SESSIONS) {
        put_u16(w, (uint16_t)error);
        put_u32(w, (uint32_t)session_id);
    }
    lens_write_length(w, version >= FLEXIBLE, topic_count);
}

void
lens_fetch_answer_topic(struct put *w, int16_t version, const struct lens_fetch_topic *t)
{
    if (version >= IDS)
        put_bytes(w, t->topic_id, UUID_BYTES);
    else
        lens_write_string(w, version >= FLEXIBLE, t->name);
    lens_write_length(w, version >= FLEXIBLE, t->partition_count);
}

static void
write_aborted(struct put *w, bool flexible, const struct lens_fetch_result *r)
{
    if (!r->aborted) {
        if (flexible)
            put_u8(w, 0);
        else
            put_u32(w, UINT32_MAX);
        return;
    }
    lens_write_length(w, flexible, r->aborted_count);
    for (uint32_t i = 0; i < r->aborted_count; i++) {
        put_u64(w, (uint64_t)r->aborted[i].producer_id);
        put_u64(w, (uint64_t)r->aborted[i].first_offset);
        lens_write_no_tags(w, flexible);
    }
}

void
lens_fetch_answer_partition(struct put *w, int16_t version, const struct lens_fetch_result *r)
{
    bool flexible = version >= FLEXIBLE;
    put_u32(w, (uint32_t)r->index);
    put_u16(w, (uint16_t)r->error);
    put_u64(w, (uint64_t)r->high_watermark);
    put_u64(w, (uint64_t)r->last_stable_offset);
    if (version >= LOG_START)
        put_u64(w, (uint64_t)r->log_start_offset);
    write_aborted(w, flexible, r);
    if (version >= RACK)
        put_u32(w, (uint32_t)NO_PREFERRED_REPLICA);
    lens_write_length(w, flexible, r->records_bytes);
}

void
lens_fetch_answer_end_partition(struct put *w, int16_t version)
{
    lens_write_no_tags(w, version >= FLEXIBLE);
}

void
lens_fetch_answer_end_partition_tags(struct put *w, int16_t version,
                                     const struct lens_fetch_result *r)
{
    enum { DIVERGING_BYTES = 4 + 8 + 1 };
    if (version < FLEXIBLE)
        return;
    bool leader = version >= LEADER && r->leader_id >= 0;
    put_u8(w, (uint8_t)((r->diverging != NULL) + leader));
    if (r->diverging) {
        put_u8(w, TAG_DIVERGING_EPOCH);
        put_u8(w, DIVERGING_BYTES);
        put_u32(w, (uint32_t)r->diverging->epoch);
        put_u64(w, (uint64_t)r->diverging->end_offset);
        put_u8(w, 0);
    }
    if (leader)
        lens_write_leader_field(w, TAG_CURRENT_LEADER, r->leader_id, r->leader_epoch);
}

void
lens_fetch_answer_end_topic(struct put *w, int16_t version)
{
    lens_write_no_tags(w, version >= FLEXIBLE);
}

void
lens_fetch_answer_end(struct put *w, int16_t version)
{
    lens_write_no_tags(w, version >= FLEXIBLE);
}
