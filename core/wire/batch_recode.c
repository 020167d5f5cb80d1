/* batch_recode.c: see batch_recode.h. */
#include "core/wire/batch_recode.h"

#include "core/base/crc32c.h"
#include "core/base/err.h"
#include "core/wire/batch_deflate.h"
#include "core/wire/batch_records.h"

/* Everything that `from` inflates to, through `to`. */
static int
stream_through(struct batch_inflate *from, struct batch_deflate *to)
{
    for (;;) {
        uint8_t *at;
        uint32_t n;
        int e = batch_inflate_more(from, &at, &n);
        if (e == ERR_OK && n > 0)
            e = batch_deflate_more(to, view_of(at, n));
        if (e != ERR_OK || n == 0)
            return e;
    }
}

static int
records_through(enum batch_codec codec, struct view inside, struct batch_deflate *to)
{
    if (codec == BATCH_NONE)
        return batch_deflate_more(to, inside);
    struct batch_inflate *from;
    int e = batch_inflate_open(codec, inside, &from);
    return e == ERR_OK ? stream_through(from, to) : e;
}

int
batch_recode(struct view batch, const struct batch_info *info, enum batch_codec codec,
             int32_t level, void *at, uint32_t room, struct view *out)
{
    must(info->bytes <= batch.len && info->bytes >= BATCH_HEADER_BYTES && codec < BATCH_CODECS);
    uint32_t before = info->attributes & BATCH_CODEC_MASK;
    must(before < BATCH_CODECS);
    struct put w = put_of(at, room < INT32_MAX ? room : INT32_MAX);
    put_bytes(&w, batch.at, BATCH_HEADER_BYTES);
    if (w.bad)
        return ERR_FULL;
    struct view inside = {batch.at + BATCH_HEADER_BYTES, info->bytes - BATCH_HEADER_BYTES};
    struct batch_deflate *to;
    int e = batch_deflate_open(codec, level, &w, &to);
    if (e == ERR_OK)
        e = records_through((enum batch_codec)before, inside, to);
    if (e == ERR_OK)
        e = batch_deflate_end(to);
    if (e != ERR_OK)
        return e;
    uint8_t *b = at;
    uint16_t attributes = (uint16_t)((info->attributes & ~BATCH_CODEC_MASK) | codec);
    set_u32(b + BATCH_AT_LENGTH, put_len(&w) - BATCH_OVERHEAD);
    set_u16(b + BATCH_AT_ATTRIBUTES, attributes);
    set_u32(b + BATCH_AT_CRC,
            crc32c(0, b + BATCH_AT_ATTRIBUTES, put_len(&w) - BATCH_AT_ATTRIBUTES));
    *out = view_of(at, put_len(&w));
    return ERR_OK;
}
