/* batch.c: the header of a record batch, what the broker checks of it and what it stamps on it.
 * Order and outcome of the checks: Kafka ProduceRequest.validateRecords, then
 * UnifiedLog.analyzeAndValidateRecords, then LogValidator. */
#include "core/wire/batch.h"

#include "core/base/crc32c.h"
#include "core/base/err.h"
#include "core/wire/batch_records.h"
#include "core/wire/kerr.h"

enum {
    LENGTH_MIN = BATCH_HEADER_BYTES - BATCH_OVERHEAD,
    PREFIX_BYTES = BATCH_AT_MAGIC + 1, /* what every format before has in common */
    MAGIC = 2,
};

static const int64_t no_timestamp = -1;

int
batch_header(struct view bytes, struct batch_info *out)
{
    const uint8_t *p = bytes.at;
    if (bytes.len < BATCH_HEADER_BYTES)
        return ERR_AGAIN;
    int32_t length = get_i32(p + BATCH_AT_LENGTH);
    if (length < LENGTH_MIN || length > INT32_MAX - BATCH_OVERHEAD || p[BATCH_AT_MAGIC] != MAGIC)
        return ERR_CORRUPT;
    *out = (struct batch_info){
        .bytes = (uint32_t)length + BATCH_OVERHEAD,
        .base_offset = get_i64(p),
        .leader_epoch = get_i32(p + BATCH_AT_EPOCH),
        .crc = get_u32(p + BATCH_AT_CRC),
        .attributes = get_u16(p + BATCH_AT_ATTRIBUTES),
        .last_offset_delta = get_i32(p + BATCH_AT_LAST_DELTA),
        .base_timestamp_ms = get_i64(p + BATCH_AT_BASE_TIMESTAMP),
        .max_timestamp_ms = get_i64(p + BATCH_AT_MAX_TIMESTAMP),
        .producer_id = get_i64(p + BATCH_AT_PRODUCER_ID),
        .producer_epoch = (int16_t)get_u16(p + BATCH_AT_PRODUCER_EPOCH),
        .base_sequence = get_i32(p + BATCH_AT_BASE_SEQUENCE),
        .record_count = get_i32(p + BATCH_AT_COUNT),
    };
    out->found_timestamp_ms = out->max_timestamp_ms; /* what batch_check may know better */
    return ERR_OK;
}

bool
batch_crc_ok(struct view batch, const struct batch_info *info)
{
    must(batch.len >= info->bytes);
    return crc32c(0, batch.at + BATCH_AT_ATTRIBUTES, info->bytes - BATCH_AT_ATTRIBUTES) ==
           info->crc;
}

static int
refuse(int kerr, const char **why, const char *text)
{
    *why = text;
    return kerr;
}

/* Exactly one whole batch of this format. */
static int
check_frame(struct view records, struct batch_info *out, const char **why)
{
    if (!records.at || records.len < PREFIX_BYTES)
        return refuse(KERR_INVALID_RECORD, why,
                      "Produce requests must have at least one record batch per partition");
    int32_t length = get_i32(records.at + BATCH_AT_LENGTH);
    uint8_t magic = records.at[BATCH_AT_MAGIC];
    if (length < PREFIX_BYTES - BATCH_OVERHEAD || magic > MAGIC)
        return refuse(KERR_CORRUPT_MESSAGE, why, "Record batch with an invalid size or magic");
    if ((uint64_t)length + BATCH_OVERHEAD > records.len)
        return refuse(KERR_INVALID_RECORD, why,
                      "Produce requests must have at least one record batch per partition");
    if (magic < MAGIC)
        return refuse(KERR_INVALID_RECORD, why,
                      "Produce requests are only allowed to contain record batches with magic "
                      "version 2");
    if (batch_header(records, out) != ERR_OK)
        return refuse(KERR_CORRUPT_MESSAGE, why, "Record batch smaller than its header");
    if (out->bytes != records.len)
        return refuse(KERR_INVALID_RECORD, why,
                      "Produce requests are only allowed to contain exactly one record batch per "
                      "partition");
    return KERR_NONE;
}

static int
check_header(struct view records, const struct batch_rules *rules, const struct batch_info *b,
             const char **why)
{
    if (b->base_offset != 0)
        return refuse(KERR_INVALID_RECORD, why, "The base offset of a produced batch must be 0");
    if (b->bytes > rules->bytes_max)
        return refuse(KERR_MESSAGE_TOO_LARGE, why,
                      "The record batch exceeds the maximum configured size (max.message.bytes)");
    if (rules->crc_known ? rules->crc != b->crc : !batch_crc_ok(records, b))
        return refuse(KERR_CORRUPT_MESSAGE, why, "Record is corrupt (stored crc differs)");
    if ((b->attributes & BATCH_CODEC_MASK) >= BATCH_CODECS)
        return refuse(KERR_UNSUPPORTED_COMPRESSION_TYPE, why, "Unknown compression type");
    if (b->record_count <= 0)
        return refuse(KERR_INVALID_RECORD, why, "Invalid reported count for record batch");
    if ((int64_t)b->last_offset_delta + 1 != b->record_count)
        return refuse(KERR_INVALID_RECORD, why,
                      "Inconsistent batch offset range and count of records");
    if (b->attributes & BATCH_CONTROL)
        return refuse(KERR_INVALID_RECORD, why, "Clients are not allowed to write control records");
    bool unsequenced = rules->coordinator && b->attributes & BATCH_TRANSACTIONAL;
    if (b->producer_id >= 0 && b->base_sequence < 0 && !unsequenced)
        return refuse(KERR_INVALID_RECORD, why,
                      "Invalid sequence number in record batch with producer id");
    if (b->attributes & BATCH_LOG_APPEND_TIME)
        return refuse(KERR_INVALID_TIMESTAMP, why,
                      "Producer should not set timestamp type to LogAppendTime");
    return KERR_NONE;
}

static int
refuse_form(int err, const char **why)
{
    if (err == ERR_LIMIT)
        return refuse(KERR_MESSAGE_TOO_LARGE, why,
                      "The batch inflates to more than the broker allows");
    return refuse(KERR_INVALID_RECORD, why,
                  "Invalid record in the batch, or a damaged compressed stream");
}

static int64_t
minus_to_min(int64_t a, int64_t b)
{
    int64_t v;
    return __builtin_sub_overflow(a, b, &v) ? INT64_MIN : v;
}

static int64_t
plus_to_max(int64_t a, int64_t b)
{
    int64_t v;
    return __builtin_add_overflow(a, b, &v) ? INT64_MAX : v;
}

static int64_t
time_of(const struct batch_info *b, const struct batch_fact *f)
{
    return (int64_t)((uint64_t)b->base_timestamp_ms + (uint64_t)f->timestamp_delta_ms);
}

void
batch_time_range(const struct batch_rules *rules, int64_t *first_ms, int64_t *last_ms)
{
    *first_ms = minus_to_min(rules->now_ms, rules->before_max_ms);
    *last_ms = plus_to_max(rules->now_ms, rules->after_max_ms);
}

/* What the rules say of one record. */
enum judgement { FINE, KEYLESS, BAD_TIME };

struct judge {
    bool keys_required, times_free;
    int64_t first_ms, last_ms;
};

static struct judge
judge_of(const struct batch_rules *rules)
{
    struct judge j = {.keys_required = rules->keys_required, .times_free = rules->log_append_time};
    batch_time_range(rules, &j.first_ms, &j.last_ms);
    return j;
}

static inline enum judgement
judge(const struct judge *j, const struct batch_fact *f, int64_t ms)
{
    if (j->keys_required && !f->has_key)
        return KEYLESS;
    bool out = !j->times_free && ms != no_timestamp && (ms < j->first_ms || ms > j->last_ms);
    return out ? BAD_TIME : FINE;
}

/* As Kafka, a broken form ends the walk, while bad keys and times are told after it and times win.
 */
static int
check_records(struct view records, const struct batch_rules *rules, struct batch_info *b,
              const char **why)
{
    struct batch_records r;
    int e = batch_records_open(&r, records, b);
    if (e != ERR_OK)
        return refuse(KERR_UNKNOWN_SERVER_ERROR, why, "No memory to inflate the batch");
    struct judge rule = judge_of(rules);
    uint32_t bad[BAD_TIME + 1] = {0};
    int64_t max_ms = no_timestamp;
    for (int32_t i = 0; i < b->record_count; i++) {
        struct batch_fact f;
        e = batch_records_next(&r, &f);
        if (e != ERR_OK)
            return refuse_form(e, why);
        if (f.offset_delta != i)
            return refuse(KERR_INVALID_RECORD, why,
                          "Offset deltas of the records are not 0, 1, ...");
        int64_t ms = time_of(b, &f);
        max_ms = ms > max_ms ? ms : max_ms;
        bad[judge(&rule, &f, ms)]++;
    }
    if (!batch_records_done(&r))
        return r.err != ERR_OK ? refuse_form(r.err, why)
                               : refuse(KERR_INVALID_RECORD, why,
                                        "Incorrect declared batch size, records still remaining");
    b->found_timestamp_ms = max_ms;
    b->bad_records = bad[BAD_TIME] + bad[KEYLESS];
    if (bad[BAD_TIME])
        return refuse(KERR_INVALID_TIMESTAMP, why,
                      "One or more records have been rejected due to invalid timestamp");
    if (bad[KEYLESS])
        return refuse(KERR_INVALID_RECORD, why,
                      "Compacted topic cannot accept message without key");
    return KERR_NONE;
}

uint32_t
batch_faults(struct view records, const struct batch_rules *rules, const struct batch_info *info,
             struct batch_fault *out, uint32_t max)
{
    struct batch_records r;
    if (batch_records_open(&r, records, info) != ERR_OK)
        return 0;
    struct judge rule = judge_of(rules);
    uint32_t n = 0;
    for (int32_t i = 0; i < info->record_count && n < max; i++) {
        struct batch_fact f;
        if (batch_records_next(&r, &f) != ERR_OK)
            return n;
        int64_t ms = time_of(info, &f);
        enum judgement verdict = judge(&rule, &f, ms);
        if (verdict != FINE)
            out[n++] = (struct batch_fault){i, verdict == KEYLESS, ms};
    }
    return n;
}

int
batch_check(struct view records, const struct batch_rules *rules, struct batch_info *out,
            const char **why)
{
    const char *unasked;
    if (!why)
        why = &unasked;
    *why = NULL;
    *out = (struct batch_info){0};
    int kerr = check_frame(records, out, why);
    if (kerr == KERR_NONE)
        kerr = check_header(records, rules, out, why);
    if (kerr != KERR_NONE)
        return kerr;
    bool packed = out->attributes & BATCH_CODEC_MASK;
    return packed && !rules->walk_compressed ? KERR_NONE : check_records(records, rules, out, why);
}

void
batch_stamp(uint8_t *batch, int64_t base_offset, int32_t leader_epoch)
{
    set_u64(batch, (uint64_t)base_offset);
    set_u32(batch + BATCH_AT_EPOCH, (uint32_t)leader_epoch);
}

void
batch_stamp_time(uint8_t *batch, uint32_t bytes, int64_t now_ms)
{
    uint16_t attributes = get_u16(batch + BATCH_AT_ATTRIBUTES) | BATCH_LOG_APPEND_TIME;
    set_u16(batch + BATCH_AT_ATTRIBUTES, attributes);
    batch_stamp_max(batch, bytes, now_ms);
}

void
batch_stamp_max(uint8_t *batch, uint32_t bytes, int64_t max_timestamp_ms)
{
    must(bytes >= BATCH_HEADER_BYTES);
    set_u64(batch + BATCH_AT_MAX_TIMESTAMP, (uint64_t)max_timestamp_ms);
    set_u32(batch + BATCH_AT_CRC,
            crc32c(0, batch + BATCH_AT_ATTRIBUTES, bytes - BATCH_AT_ATTRIBUTES));
}

int
batch_find_time(struct view batch, int64_t time_ms, int64_t offset_min, int64_t *offset,
                int64_t *timestamp_ms)
{
    struct batch_info b;
    if (batch_header(batch, &b) != ERR_OK || b.bytes > batch.len)
        return ERR_CORRUPT;
    bool at_append = b.attributes & BATCH_LOG_APPEND_TIME; /* then all have the batch's max */
    bool largest = time_ms == INT64_MAX;
    struct batch_records r;
    int e = batch_records_open(&r, batch, &b);
    if (e != ERR_OK)
        return e == ERR_UNSUPPORTED ? ERR_CORRUPT : e;
    for (int32_t i = 0; i < b.record_count; i++) {
        struct batch_fact f;
        if (batch_records_next(&r, &f) != ERR_OK)
            return ERR_CORRUPT;
        int64_t ms = at_append ? b.max_timestamp_ms : time_of(&b, &f);
        int64_t at = (int64_t)((uint64_t)b.base_offset + (uint64_t)f.offset_delta);
        bool hit = largest ? ms == b.max_timestamp_ms : ms >= time_ms;
        if (hit && at >= offset_min) {
            *offset = at;
            *timestamp_ms = ms;
            return ERR_OK;
        }
    }
    return ERR_NOT_FOUND;
}
