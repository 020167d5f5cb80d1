/* batch_build.c: see batch_build.h.  The header is written last, over the room that is left for it;
 * records go through the codec (or a copy) at once, so that nothing is kept beside the batch. */
#include "core/wire/batch_build.h"

#include "core/base/crc32c.h"
#include "core/base/err.h"
#include "core/base/varint.h"

enum {
    /* attributes, timestamp delta, offset delta, length of the key */
    HEAD_BYTES_MAX = 1 + VARLONG_BYTES_MAX + VARINT_BYTES_MAX + VARINT_BYTES_MAX,
    MAGIC = 2,
    NO_LAST_DELTA = -1,
    ZSTD_LEVEL_DEFAULT = 3,
    LZ4_LEVEL_DEFAULT = 9,
    GZIP_LEVEL_DEFAULT = -1,
};

static const int64_t no_timestamp = -1;

struct batch_template
batch_template_of(const struct batch_info *info)
{
    return (struct batch_template){
        .base_offset = info->base_offset,
        .leader_epoch = info->leader_epoch,
        .attributes = info->attributes,
        .base_timestamp_ms = info->base_timestamp_ms,
        .producer_id = info->producer_id,
        .producer_epoch = info->producer_epoch,
        .base_sequence = info->base_sequence,
        .last_offset_delta = info->last_offset_delta,
        .level = batch_level_default((enum batch_codec)(info->attributes & BATCH_CODEC_MASK)),
    };
}

int32_t
batch_level_default(enum batch_codec codec)
{
    static const int32_t levels[BATCH_CODECS] = {[BATCH_GZIP] = GZIP_LEVEL_DEFAULT,
                                                 [BATCH_LZ4] = LZ4_LEVEL_DEFAULT,
                                                 [BATCH_ZSTD] = ZSTD_LEVEL_DEFAULT};
    return codec < BATCH_CODECS ? levels[codec] : 0;
}

int
batch_build_begin(struct batch_build *b, const struct batch_template *form, void *at, uint32_t room)
{
    uint32_t codec = form->attributes & BATCH_CODEC_MASK;
    must(codec < BATCH_CODECS);
    *b = (struct batch_build){
        .form = *form,
        .out = put_of(at, room < INT32_MAX ? room : INT32_MAX),
        .last_offset = form->base_offset - 1,
        .max_timestamp_ms = no_timestamp,
    };
    if (!put_take(&b->out, BATCH_HEADER_BYTES))
        return ERR_FULL;
    return batch_deflate_open((enum batch_codec)codec, form->level, &b->out, &b->z);
}

static uint32_t
field_length(struct put *w, struct view v)
{
    varint_write_i32(w, v.at ? (int32_t)v.len : -1);
    return v.at ? v.len : 0;
}

int
batch_build_add(struct batch_build *b, const struct batch_record *record)
{
    int64_t delta = record->offset - b->form.base_offset;
    if (record->offset <= b->last_offset || delta > INT32_MAX || b->count == INT32_MAX)
        return ERR_INVALID;
    must(record->headers.len > 0); /* at least their count */
    uint8_t front[HEAD_BYTES_MAX], middle[VARINT_BYTES_MAX], length[VARINT_BYTES_MAX];
    struct put head = put_of(front, sizeof front), mid = put_of(middle, sizeof middle);
    struct put len = put_of(length, sizeof length);
    put_u8(&head, 0);
    varint_write_i64(
        &head, (int64_t)((uint64_t)record->timestamp_ms - (uint64_t)b->form.base_timestamp_ms));
    varint_write_i32(&head, (int32_t)delta);
    uint64_t bytes = (uint64_t)field_length(&head, record->key) +
                     field_length(&mid, record->value) + record->headers.len + put_len(&head) +
                     put_len(&mid);
    if (bytes > INT32_MAX)
        return ERR_INVALID;
    varint_write_i32(&len, (int32_t)bytes);
    must(!head.bad && !mid.bad && !len.bad);
    const struct view parts[] = {view_of(length, put_len(&len)),
                                 view_of(front, put_len(&head)),
                                 record->key,
                                 view_of(middle, put_len(&mid)),
                                 record->value,
                                 record->headers};
    for (uint32_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        int e = batch_deflate_more(b->z, view_of(parts[i].at, parts[i].at ? parts[i].len : 0));
        if (e != ERR_OK)
            return e;
    }
    b->count++;
    b->last_offset = record->offset;
    if (record->timestamp_ms > b->max_timestamp_ms)
        b->max_timestamp_ms = record->timestamp_ms;
    return ERR_OK;
}

static void
header_write(uint8_t *at, const struct batch_template *form, uint32_t bytes, int32_t count,
             int64_t max_timestamp_ms)
{
    set_u64(at, (uint64_t)form->base_offset);
    set_u32(at + BATCH_AT_LENGTH, bytes - BATCH_OVERHEAD);
    set_u32(at + BATCH_AT_EPOCH, (uint32_t)form->leader_epoch);
    at[BATCH_AT_MAGIC] = MAGIC;
    set_u16(at + BATCH_AT_ATTRIBUTES, form->attributes);
    set_u32(at + BATCH_AT_LAST_DELTA, (uint32_t)form->last_offset_delta);
    set_u64(at + BATCH_AT_BASE_TIMESTAMP, (uint64_t)form->base_timestamp_ms);
    set_u64(at + BATCH_AT_MAX_TIMESTAMP, (uint64_t)max_timestamp_ms);
    set_u64(at + BATCH_AT_PRODUCER_ID, (uint64_t)form->producer_id);
    set_u16(at + BATCH_AT_PRODUCER_EPOCH, (uint16_t)form->producer_epoch);
    set_u32(at + BATCH_AT_BASE_SEQUENCE, (uint32_t)form->base_sequence);
    set_u32(at + BATCH_AT_COUNT, (uint32_t)count);
    set_u32(at + BATCH_AT_CRC, crc32c(0, at + BATCH_AT_ATTRIBUTES, bytes - BATCH_AT_ATTRIBUTES));
}

int
batch_build_end(struct batch_build *b, struct view *batch)
{
    must(b->count > 0);
    int e = batch_deflate_end(b->z);
    if (e != ERR_OK)
        return e;
    int32_t last_delta = (int32_t)(b->last_offset - b->form.base_offset);
    if (b->form.last_offset_delta == NO_LAST_DELTA)
        b->form.last_offset_delta = last_delta;
    must(b->form.last_offset_delta >= last_delta);
    *batch = view_of(b->out.start, put_len(&b->out));
    header_write(b->out.start, &b->form, batch->len, b->count, b->max_timestamp_ms);
    return ERR_OK;
}

void
batch_build_empty(uint8_t *at, const struct batch_template *form, int64_t max_timestamp_ms)
{
    must(form->last_offset_delta >= 0);
    struct batch_template empty = *form;
    empty.attributes &= (uint16_t) ~(BATCH_CODEC_MASK | BATCH_DELETE_HORIZON);
    empty.base_timestamp_ms = no_timestamp;
    header_write(at, &empty, BATCH_HEADER_BYTES, 0, max_timestamp_ms);
}
