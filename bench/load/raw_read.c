/* raw_read.c: reads Fetch 12 responses of one topic and the heads of record batches v2.
 *
 * A batch: offset 8, length 4, leader epoch 4, magic 1, crc 4, attributes 2, last delta 4, times
 * 16, producer 14, count 4 (61 bytes), then records: length, attributes 1, time delta, offset
 * delta, key length, key, value length, value, headers (lengths and deltas are varints).  */
#include "bench/load/raw.h"

enum { BATCH_HEAD_BYTES = 61, CODEC_BITS = 7, CONTROL_BIT = 32 };

static uint64_t
get_n(const uint8_t *p, int bytes)
{
    uint64_t v = 0;
    for (int i = 0; i < bytes; i++)
        v = v << 8 | p[i];
    return v;
}

/* An unsigned varint at *p, before end; 0 and *p past end when it is cut. */
static uint64_t
get_uvarint(const uint8_t **p, const uint8_t *end)
{
    uint64_t v = 0;
    for (unsigned shift = 0; *p < end && shift < 64; shift += 7) {
        uint8_t b = *(*p)++;
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            return v;
    }
    *p = end + 1;
    return 0;
}

static int64_t
get_varint(const uint8_t **p, const uint8_t *end)
{
    uint64_t z = get_uvarint(p, end);
    return (int64_t)(z >> 1) ^ -(int64_t)(z & 1);
}

/* Skips n bytes, to past end when there are fewer. */
static void
skip(const uint8_t **p, const uint8_t *end, uint64_t n)
{
    *p = *p > end || n > (uint64_t)(end - *p) ? end + 1 : *p + n;
}

static uint64_t
first_stamp(const uint8_t *p, const uint8_t *end)
{
    get_varint(&p, end);
    skip(&p, end, 1);
    get_varint(&p, end);
    get_varint(&p, end);
    int64_t key = p > end ? -1 : get_varint(&p, end);
    skip(&p, end, key > 0 ? (uint64_t)key : 0);
    int64_t value = p > end ? -1 : get_varint(&p, end);
    if (p > end || value < BENCH_STAMP_BYTES || value > end - p)
        return 0;
    return get_n(p, BENCH_STAMP_BYTES);
}

size_t
raw_batch_read(const uint8_t *p, const uint8_t *end, struct raw_batch *out)
{
    if (end - p < BATCH_HEAD_BYTES)
        return 0;
    uint64_t n = get_n(p + 8, 4) + 12;
    if (n > (uint64_t)(end - p) || n < BATCH_HEAD_BYTES)
        return 0;
    uint64_t attributes = get_n(p + 21, 2);
    out->next_offset = (int64_t)(get_n(p, 8) + get_n(p + 23, 4) + 1);
    out->records = attributes & CONTROL_BIT ? 0 : (uint32_t)get_n(p + 57, 4);
    out->stamp_ns = attributes & (CODEC_BITS | CONTROL_BIT) || out->records == 0
                        ? 0
                        : first_stamp(p + BATCH_HEAD_BYTES, p + n);
    return (size_t)n;
}

/* One partition at *p; false when it cannot be read. */
static bool
part_read(const uint8_t **p, const uint8_t *end, struct raw_part *out)
{
    enum { FIXED_BYTES = 4 + 2 + 8 + 8 + 8 };
    if (*p > end || end - *p < FIXED_BYTES)
        return false;
    out->partition = (int32_t)get_n(*p, 4);
    out->error = (int)(int16_t)get_n(*p + 4, 2);
    out->high = (int64_t)get_n(*p + 6, 8);
    *p += FIXED_BYTES;
    uint64_t aborted = get_uvarint(p, end);
    for (uint64_t i = 1; i < aborted && *p <= end; i++) {
        skip(p, end, 16);
        get_uvarint(p, end);
    }
    skip(p, end, 4); /* preferred replica */
    uint64_t len = *p > end ? 0 : get_uvarint(p, end);
    out->len = len > 0 ? (size_t)len - 1 : 0;
    out->records = *p;
    skip(p, end, out->len);
    /* Tagged fields: their count, then tag, size and bytes of each. */
    uint64_t tags = *p > end ? 0 : get_uvarint(p, end);
    for (uint64_t i = 0; i < tags && *p <= end; i++) {
        get_uvarint(p, end);
        skip(p, end, *p > end ? 0 : get_uvarint(p, end));
    }
    return *p <= end;
}

int
raw_fetch_read(const uint8_t *p, size_t n, raw_visit *visit, void *context)
{
    const uint8_t *end = p + n;
    enum { FIRST_BYTES = 4 + 1 + 4 + 2 + 4 }; /* correlation, tags, throttle, error, session */
    if (n < FIRST_BYTES + 1)
        return -1;
    int error = (int)(int16_t)get_n(p + 9, 2);
    p += FIRST_BYTES;
    uint64_t topics = get_uvarint(&p, end);
    if (error || topics < 2)
        return error;
    if (topics != 2)
        return -1;
    uint64_t name = get_uvarint(&p, end);
    skip(&p, end, name > 0 ? name - 1 : 0);
    uint64_t parts = p > end ? 0 : get_uvarint(&p, end);
    for (uint64_t i = 1; i < parts; i++) {
        struct raw_part part;
        if (!part_read(&p, end, &part))
            return -1;
        visit(context, &part);
    }
    return p > end ? -1 : 0;
}
