/* lens_produce.c: Produce, versions 3 to 13 (KIP-98, 467, 482, 516, 951).
 *
 * request:  transactional id (nullable), i16 acks, i32 timeout, topics [name, or uuid from 13;
 *           partitions [i32 index, records (nullable)]]
 * response: topics [name or uuid; partitions [i32 index, i16 error, i64 base offset, i64 log append
 *           time; 5: i64 log start offset; 8: record errors [], error message (nullable); 10: tag 0
 *           current leader]], i32 throttle; 10: tag 0 node endpoints
 * Flexible from 9: compact lengths, a tag section ends each struct. */
#include "core/base/err.h"
#include "core/wire/lens_read.h"

enum {
    VERSION_MIN = 3,
    LOG_START = 5,
    ERRORS = 8,
    FLEXIBLE = 9,
    LEADER = 10,
    IDS = 13,
    VERSION_MAX = 13,
    TAG_CURRENT_LEADER = 0,
};

static int
result_of(const struct cur *c)
{
    return c->bad ? ERR_CORRUPT : ERR_OK;
}

int
lens_produce_begin(struct view body, int16_t version, struct lens_produce *out)
{
    must(version >= VERSION_MIN && version <= VERSION_MAX);
    bool flexible = version >= FLEXIBLE;
    struct cur c = cur_of(body.at ? body : view_of("", 0));
    *out = (struct lens_produce){.version = version, .body = c.at};
    out->transactional_id = lens_string(&c, flexible, true);
    out->acks = cur_i16(&c);
    out->timeout_ms = cur_i32(&c);
    out->topic_count = lens_count(&c, flexible, 1);
    out->topics = c;
    return result_of(&c);
}

int
lens_produce_next_topic(struct lens_produce *l, struct lens_produce_topic *out)
{
    struct cur *c = &l->topics;
    bool flexible = l->version >= FLEXIBLE;
    lens_topic(c, l->version >= IDS, flexible, &out->topic_id, &out->name);
    out->partition_count = lens_count(c, flexible, 1);
    return result_of(c);
}

/* Records that are not among the bytes: only their length is read. */
static void
leave_out(struct lens_produce *l, struct lens_produce_partition *out)
{
    struct cur *c = &l->topics;
    int64_t n = lens_length(c, l->version >= FLEXIBLE);
    if (n > INT32_MAX)
        c->bad = true;
    out->records = (struct view){0};
    out->elided_at = (uint64_t)(c->at - l->body) + l->left_out;
    out->elided_bytes = c->bad || n < 0 ? 0 : (uint32_t)n;
    l->left_out += out->elided_bytes;
}

int
lens_produce_records(struct lens_produce *l, struct lens_produce_partition *out)
{
    struct cur *c = &l->topics;
    out->index = cur_i32(c);
    if (l->elided) {
        leave_out(l, out);
        return result_of(c);
    }
    out->records = lens_bytes(c, l->version >= FLEXIBLE);
    out->elided_at = out->elided_bytes = 0;
    return result_of(c);
}

int
lens_produce_end_partition(struct lens_produce *l)
{
    lens_skip_tags(&l->topics, l->version >= FLEXIBLE);
    return result_of(&l->topics);
}

int
lens_produce_next_partition(struct lens_produce *l, struct lens_produce_partition *out)
{
    int err = lens_produce_records(l, out);
    return err ? err : lens_produce_end_partition(l);
}

int
lens_produce_end_topic(struct lens_produce *l)
{
    lens_skip_tags(&l->topics, l->version >= FLEXIBLE);
    return result_of(&l->topics);
}

int
lens_produce_end(struct lens_produce *l)
{
    struct cur *c = &l->topics;
    lens_skip_tags(c, l->version >= FLEXIBLE);
    return result_of(c);
}

void
lens_produce_answer_begin(struct put *w, int16_t version, uint32_t topic_count)
{
    lens_write_length(w, version >= FLEXIBLE, topic_count);
}

void
lens_produce_answer_topic(struct put *w, int16_t version, const struct lens_produce_topic *t)
{
    if (version >= IDS)
        put_bytes(w, t->topic_id, UUID_BYTES);
    else
        lens_write_string(w, version >= FLEXIBLE, t->name);
    lens_write_length(w, version >= FLEXIBLE, t->partition_count);
}

static void
write_error_message(struct put *w, bool flexible, const char *text)
{
    if (text)
        lens_write_string(w, flexible, view_of_text(text));
    else if (flexible)
        put_u8(w, 0);
    else
        put_u16(w, UINT16_MAX);
}

static void
write_record_errors(struct put *w, bool flexible, const struct lens_produce_result *r)
{
    lens_write_length(w, flexible, r->record_error_count);
    for (uint32_t i = 0; i < r->record_error_count; i++) {
        put_u32(w, (uint32_t)r->record_errors[i].index);
        lens_write_string(w, flexible, r->record_errors[i].text);
        lens_write_no_tags(w, flexible);
    }
}

void
lens_produce_answer_partition(struct put *w, int16_t version, const struct lens_produce_result *r)
{
    bool flexible = version >= FLEXIBLE;
    put_u32(w, (uint32_t)r->index);
    put_u16(w, (uint16_t)r->error);
    put_u64(w, (uint64_t)r->base_offset);
    put_u64(w, (uint64_t)r->log_append_time_ms);
    if (version >= LOG_START)
        put_u64(w, (uint64_t)r->log_start_offset);
    if (version >= ERRORS) {
        write_record_errors(w, flexible, r);
        write_error_message(w, flexible, r->error_message);
    }
    if (version >= LEADER && r->leader_id >= 0)
        lens_write_leader(w, TAG_CURRENT_LEADER, r->leader_id, r->leader_epoch);
    else
        lens_write_no_tags(w, flexible);
}

void
lens_produce_answer_end_topic(struct put *w, int16_t version)
{
    lens_write_no_tags(w, version >= FLEXIBLE);
}

void
lens_produce_answer_end(struct put *w, int16_t version, int32_t throttle_ms)
{
    put_u32(w, (uint32_t)throttle_ms);
    lens_write_no_tags(w, version >= FLEXIBLE);
}
