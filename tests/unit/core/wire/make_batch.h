/* make_batch.h: builds record batches for tests, in every codec and both framings of snappy. */
#ifndef SLUICE_TESTS_WIRE_MAKE_BATCH_H
#define SLUICE_TESTS_WIRE_MAKE_BATCH_H

#include "core/base/crc32c.h"
#include "core/base/varint.h"
#include "core/wire/batch.h"

#include <lz4frame.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

enum { MAKE_BASE_MS = 1000000, MAKE_ROOM = 4 << 20, MAKE_XERIAL_BLOCK = 32 << 10 };

enum make_codec {
    MAKE_NONE,
    MAKE_GZIP,
    MAKE_XERIAL,
    MAKE_LZ4,
    MAKE_ZSTD,
    MAKE_RAW_SNAPPY,
    MAKE_CODECS
};

struct make_record {
    int64_t time_delta_ms;
    int32_t offset_delta;
    struct view key, value; /* at NULL: null */
    uint32_t header_count;  /* each "h": null */
};

struct make_batch {
    struct put records; /* append with make_add, or bytes of your own */
    int32_t count;
    int64_t max_delta_ms;
    uint8_t bytes[MAKE_ROOM]; /* the finished batch */
    uint8_t inside[MAKE_ROOM];
};

static inline void
make_begin(struct make_batch *m)
{
    m->records = put_of(m->inside, sizeof m->inside);
    m->count = 0;
    m->max_delta_ms = 0;
}

static inline void
make_field(struct put *w, struct view v)
{
    varint_write_i32(w, v.at ? (int32_t)v.len : -1);
    put_bytes(w, v.at, v.len);
}

static inline void
make_add(struct make_batch *m, struct make_record r)
{
    uint8_t small[64];
    struct put head = put_of(small, sizeof small);
    put_u8(&head, 0);
    varint_write_i64(&head, r.time_delta_ms);
    varint_write_i32(&head, r.offset_delta);
    struct put tail = put_of(small + 32, 32);
    varint_write_i32(&tail, (int32_t)r.header_count);
    uint32_t key = varint_size_u32(r.key.at ? r.key.len * 2 : 1) + r.key.len;
    uint32_t value = varint_size_u32(r.value.at ? r.value.len * 2 : 1) + r.value.len;
    uint32_t headers = put_len(&tail) + r.header_count * 3;
    varint_write_i32(&m->records, (int32_t)(put_len(&head) + key + value + headers));
    put_bytes(&m->records, small, put_len(&head));
    make_field(&m->records, r.key);
    make_field(&m->records, r.value);
    put_bytes(&m->records, small + 32, put_len(&tail));
    for (uint32_t i = 0; i < r.header_count; i++) {
        make_field(&m->records, view_of_text("h"));
        varint_write_i32(&m->records, -1);
    }
    m->count++;
    if (r.time_delta_ms > m->max_delta_ms)
        m->max_delta_ms = r.time_delta_ms;
}

static inline void
make_gzip(struct put *w, struct view v)
{
    z_stream s = {0};
    must(deflateInit2(&s, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    s.next_in = (Bytef *)v.at;
    s.avail_in = v.len;
    s.next_out = w->at;
    s.avail_out = (uInt)(w->end - w->at);
    must(deflate(&s, Z_FINISH) == Z_STREAM_END);
    w->at = s.next_out;
    deflateEnd(&s);
}

static inline void
make_snappy(struct put *w, struct view v)
{
    size_t n = (size_t)(w->end - w->at);
    must(snappy_compress((const char *)v.at, v.len, (char *)w->at, &n) == SNAPPY_OK);
    w->at += n;
}

static inline void
make_xerial(struct put *w, struct view v)
{
    put_bytes(w, "\x82SNAPPY\0\0\0\0\1\0\0\0\1", 16);
    for (uint32_t at = 0; at < v.len; at += MAKE_XERIAL_BLOCK) {
        uint32_t left = v.len - at;
        uint8_t *length = put_take(w, 4);
        make_snappy(w, view_of(v.at + at, left < MAKE_XERIAL_BLOCK ? left : MAKE_XERIAL_BLOCK));
        set_u32(length, (uint32_t)(w->at - length - 4));
    }
}

static inline void
make_pack(struct put *w, enum make_codec codec, struct view v)
{
    size_t n = (size_t)(w->end - w->at);
    switch (codec) {
    case MAKE_NONE:
        put_bytes(w, v.at, v.len);
        return;
    case MAKE_GZIP:
        make_gzip(w, v);
        return;
    case MAKE_XERIAL:
        make_xerial(w, v);
        return;
    case MAKE_RAW_SNAPPY:
        make_snappy(w, v);
        return;
    case MAKE_LZ4:
        n = LZ4F_compressFrame(w->at, n, v.at, v.len, NULL);
        must(!LZ4F_isError(n));
        break;
    case MAKE_ZSTD:
        n = ZSTD_compress(w->at, n, v.at, v.len, 3);
        must(!ZSTD_isError(n));
        break;
    case MAKE_CODECS:
        must(false); /* no codec */
    }
    w->at += n;
}

/* Sets the crc after a test changed the batch. */
static inline void
make_seal(uint8_t *batch, uint32_t bytes)
{
    set_u32(batch + BATCH_AT_CRC,
            crc32c(0, batch + BATCH_AT_ATTRIBUTES, bytes - BATCH_AT_ATTRIBUTES));
}

/* The finished batch, lent until the next make_ call. */
static inline struct view
make_end(struct make_batch *m, enum make_codec codec)
{
    struct put w = put_of(m->bytes, sizeof m->bytes);
    put_u64(&w, 0);
    put_u32(&w, 0);
    put_u32(&w, UINT32_MAX);
    put_u8(&w, 2);
    put_u32(&w, 0);
    put_u16(&w, codec == MAKE_RAW_SNAPPY ? BATCH_SNAPPY : (uint16_t)codec);
    put_u32(&w, (uint32_t)m->count - 1);
    put_u64(&w, MAKE_BASE_MS);
    put_u64(&w, (uint64_t)(MAKE_BASE_MS + m->max_delta_ms));
    put_u64(&w, UINT64_MAX);
    put_u16(&w, UINT16_MAX);
    put_u32(&w, UINT32_MAX);
    put_u32(&w, (uint32_t)m->count);
    must(!m->records.bad);
    make_pack(&w, codec, view_of(m->inside, put_len(&m->records)));
    must(!w.bad);
    set_u32(m->bytes + BATCH_AT_LENGTH, put_len(&w) - BATCH_OVERHEAD);
    make_seal(m->bytes, put_len(&w));
    return view_of(m->bytes, put_len(&w));
}

/* xorshift64: enough to make bytes that do not compress. */
static inline void
make_noise(uint64_t *state, uint8_t *at, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        at[i] = (uint8_t)(*state >> 32);
    }
}

#endif
