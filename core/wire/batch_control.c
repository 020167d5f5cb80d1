/* batch_control.c: see batch_control.h.  The record, behind the header:
 *   varint length 16, attributes 0, varlong time delta 0, varint offset delta 0,
 *   varint 4, key, varint 6, value, varint headers 0
 * A reader takes any version of key and value that is not negative, as Kafka does: they only grow
 * at their ends. */
#include "core/wire/batch_control.h"

#include "core/base/crc32c.h"
#include "core/base/err.h"
#include "core/base/varint.h"

enum {
    AT_LAST_DELTA = 23,
    AT_BASE_TIMESTAMP = 27,
    AT_PRODUCER_ID = 43,
    AT_PRODUCER_EPOCH = 51,
    AT_BASE_SEQUENCE = 53,
    AT_COUNT = 57,
    MAGIC = 2,
    RECORD_BYTES = 16,
    KEY_BYTES = 4,
    VALUE_BYTES = 6,
};

void
batch_control_build(uint8_t out[static BATCH_CONTROL_BYTES], const struct batch_control *c,
                    struct batch_info *info)
{
    memset(out, 0, BATCH_CONTROL_BYTES);
    set_u32(out + BATCH_AT_LENGTH, BATCH_CONTROL_BYTES - BATCH_OVERHEAD);
    out[BATCH_AT_MAGIC] = MAGIC;
    set_u16(out + BATCH_AT_ATTRIBUTES, BATCH_TRANSACTIONAL | BATCH_CONTROL);
    set_u64(out + AT_BASE_TIMESTAMP, (uint64_t)c->time_ms);
    set_u64(out + BATCH_AT_MAX_TIMESTAMP, (uint64_t)c->time_ms);
    set_u64(out + AT_PRODUCER_ID, (uint64_t)c->producer_id);
    set_u16(out + AT_PRODUCER_EPOCH, (uint16_t)c->producer_epoch);
    set_u32(out + AT_BASE_SEQUENCE, (uint32_t)-1);
    set_u32(out + AT_COUNT, 1);
    uint8_t *r = out + BATCH_HEADER_BYTES;
    r[0] = RECORD_BYTES * 2; /* zigzag */
    r[4] = KEY_BYTES * 2;
    set_u16(r + 7, (uint16_t)c->type);
    r[9] = VALUE_BYTES * 2;
    set_u32(r + 12, (uint32_t)c->coordinator_epoch);
    set_u32(out + BATCH_AT_CRC,
            crc32c(0, out + BATCH_AT_ATTRIBUTES, BATCH_CONTROL_BYTES - BATCH_AT_ATTRIBUTES));
    must(batch_header(view_of(out, BATCH_CONTROL_BYTES), info) == ERR_OK);
}

/* A field with its length before it; bad when it is null. */
static struct cur
field(struct cur *c)
{
    int32_t len = varint_read_i32(c);
    if (len < 0)
        c->bad = true;
    return cur_of(cur_view(c, c->bad ? 0 : (uint32_t)len));
}

int
batch_control_read(struct view batch, const struct batch_info *info, struct batch_control *out)
{
    must(batch.len >= info->bytes);
    if (info->record_count == 0)
        return ERR_NOT_FOUND;
    if (info->attributes & BATCH_CODEC_MASK)
        return ERR_CORRUPT;
    struct cur c = cur_of(view_of(batch.at + BATCH_HEADER_BYTES, info->bytes - BATCH_HEADER_BYTES));
    (void)varint_read_i32(&c); /* length */
    (void)cur_u8(&c);          /* attributes */
    int64_t time_delta = varint_read_i64(&c);
    (void)varint_read_i32(&c); /* offset delta */
    struct cur key = field(&c), value = field(&c);
    int16_t key_version = cur_i16(&key), type = cur_i16(&key);
    if (c.bad || key.bad || key_version < 0)
        return ERR_CORRUPT;
    if (type != BATCH_CONTROL_ABORT && type != BATCH_CONTROL_COMMIT)
        return ERR_NOT_FOUND;
    int16_t value_version = cur_i16(&value);
    *out = (struct batch_control){
        .type = (enum batch_control_type)type,
        .coordinator_epoch = cur_i32(&value),
        .producer_id = info->producer_id,
        .producer_epoch = info->producer_epoch,
        .time_ms = info->attributes & BATCH_LOG_APPEND_TIME
                       ? info->max_timestamp_ms
                       : (int64_t)((uint64_t)info->base_timestamp_ms + (uint64_t)time_delta),
    };
    return value.bad || value_version < 0 ? ERR_CORRUPT : ERR_OK;
}
