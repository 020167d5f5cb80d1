/* batch_records.c: walks records without copying them.
 *
 * A record: varint length of the rest; i8 attributes (unused); varlong timestamp delta; varint
 * offset delta; varint key length, key; varint value length, value; varint count of headers; for
 * each a varint key length, key, varint value length, value.  All varints zig-zag; a negative
 * length of a key or value is null.
 *
 * A record that lies in the window whole (always, when not compressed) takes the short way; one
 * that crosses windows is read piece by piece: numbers through a carry of a few bytes, contents
 * skipped. */
#include "core/wire/batch_records.h"

#include "core/base/err.h"
#include "core/base/varint.h"

/* length, attributes, timestamp delta, offset delta, key length */
enum { HEAD_BYTES_MAX = 5 + 1 + 10 + 5 + 5 };
_Static_assert((int)HEAD_BYTES_MAX <= (int)BATCH_CARRY_BYTES, "the head fits in the carry");

static inline int32_t
read_i32(struct cur *c)
{
    if (c->at < c->end && *c->at < 0x80 && !c->bad) {
        uint32_t v = *c->at++;
        return (int32_t)(v >> 1) ^ -(int32_t)(v & 1);
    }
    if (c->end - c->at >= 2 && c->at[1] < 0x80 && !c->bad) {
        uint32_t v = (c->at[0] & 0x7fu) | (uint32_t)c->at[1] << 7;
        c->at += 2;
        return (int32_t)(v >> 1) ^ -(int32_t)(v & 1);
    }
    return varint_read_i32(c);
}

static inline int64_t
read_i64(struct cur *c)
{
    if (c->at < c->end && *c->at < 0x80 && !c->bad) {
        uint64_t v = *c->at++;
        return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
    }
    return varint_read_i64(c);
}

/* Brings bytes into the window until `need` are there or the stream ends. */
static void
refill(struct batch_records *r, uint32_t need)
{
    while (r->z && r->err == ERR_OK && (uint64_t)(r->end - r->at) < need) {
        uint8_t carry[BATCH_CARRY_BYTES];
        uint32_t kept = (uint32_t)(r->end - r->at);
        must(kept <= sizeof carry);
        memcpy(carry, r->at, kept);
        uint8_t *at;
        uint32_t n;
        r->err = batch_inflate_more(r->z, &at, &n);
        if (r->err != ERR_OK || n == 0) {
            r->z = NULL; /* what is kept is still in the old window or in the carry room */
            n = 0;
        }
        memcpy(at - kept, carry, kept);
        r->at = at - kept;
        r->end = at + n;
    }
}

static inline void
skip_here(struct cur *c, int32_t n)
{
    if (n > 0)
        cur_take(c, (uint32_t)n);
}

/* The part after the head of a record that lies in [c->at, c->end) whole. */
static int
rest_here(struct cur *c, int32_t key_bytes)
{
    skip_here(c, key_bytes);
    skip_here(c, read_i32(c));
    int32_t headers = read_i32(c);
    if (headers < 0)
        return ERR_CORRUPT;
    for (int32_t i = 0; i < headers && !c->bad; i++) {
        int32_t name_bytes = read_i32(c);
        if (name_bytes < 0)
            return ERR_CORRUPT;
        skip_here(c, name_bytes);
        skip_here(c, read_i32(c));
    }
    return c->bad || c->at != c->end ? ERR_CORRUPT : ERR_OK;
}

/* A number of a record of which *left bytes remain. */
static int32_t
number_across(struct batch_records *r, int64_t *left)
{
    refill(r, VARINT_BYTES_MAX);
    struct cur c = {r->at, r->end, false};
    int32_t v = read_i32(&c);
    *left -= c.at - r->at;
    if (c.bad)
        *left = -1;
    r->at = c.at;
    return v;
}

static void
skip_across(struct batch_records *r, int32_t n, int64_t *left)
{
    if (n <= 0)
        return;
    *left -= n;
    uint32_t todo = (uint32_t)n;
    while (*left >= 0 && todo > 0) {
        refill(r, 1);
        uint64_t here = (uint64_t)(r->end - r->at);
        uint32_t step = here < todo ? (uint32_t)here : todo;
        if (step == 0)
            *left = -1;
        r->at += step;
        todo -= step;
    }
}

/* As rest_here, for a record that goes on beyond the window. */
static int
rest_across(struct batch_records *r, int32_t key_bytes, int64_t left)
{
    skip_across(r, key_bytes, &left);
    if (left >= 0)
        skip_across(r, number_across(r, &left), &left);
    int32_t headers = left >= 0 ? number_across(r, &left) : -1;
    for (int32_t i = 0; i < headers && left >= 0; i++) {
        int32_t name_bytes = number_across(r, &left);
        if (name_bytes < 0)
            return ERR_CORRUPT;
        skip_across(r, name_bytes, &left);
        if (left >= 0)
            skip_across(r, number_across(r, &left), &left);
    }
    return left != 0 || headers < 0 ? ERR_CORRUPT : ERR_OK;
}

int
batch_records_open(struct batch_records *r, struct view batch, const struct batch_info *info)
{
    struct view inside = {batch.at + BATCH_HEADER_BYTES, info->bytes - BATCH_HEADER_BYTES};
    uint32_t codec = info->attributes & BATCH_CODEC_MASK;
    *r = (struct batch_records){.at = inside.at, .end = inside.at + inside.len};
    if (codec == BATCH_NONE)
        return ERR_OK;
    if (codec >= BATCH_CODECS)
        return ERR_UNSUPPORTED;
    r->end = r->at;
    return batch_inflate_open((enum batch_codec)codec, inside, &r->z);
}

int
batch_records_next(struct batch_records *r, struct batch_fact *out)
{
    if (r->z && r->end - r->at < HEAD_BYTES_MAX)
        refill(r, HEAD_BYTES_MAX);
    struct cur c = {r->at, r->end, false};
    int32_t bytes = read_i32(&c);
    const uint8_t *body = c.at;
    cur_u8(&c);
    out->timestamp_delta_ms = read_i64(&c);
    out->offset_delta = read_i32(&c);
    int32_t key_bytes = read_i32(&c);
    out->has_key = key_bytes >= 0;
    int64_t left = bytes - (int64_t)(c.at - body);
    if (c.bad || left < 0)
        return r->err != ERR_OK ? r->err : ERR_CORRUPT;
    int e;
    if (left <= c.end - c.at) {
        c.end = c.at + left;
        e = rest_here(&c, key_bytes);
        r->at = c.end;
    } else {
        r->at = c.at;
        e = r->z ? rest_across(r, key_bytes, left) : ERR_CORRUPT;
    }
    return r->err != ERR_OK ? r->err : e;
}

bool
batch_records_done(struct batch_records *r)
{
    refill(r, 1);
    return r->err == ERR_OK && r->at == r->end;
}
