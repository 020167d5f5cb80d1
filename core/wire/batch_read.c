/* batch_read.c: see batch_read.h.  A record that lies whole in what there is (always, when the
 * batch is not compressed) is lent from there; one that goes on in the next window of the codec is
 * copied together in the caller's scratch. */
#include "core/wire/batch_read.h"

#include "core/base/err.h"
#include "core/base/varint.h"

int
batch_read_open(struct batch_read *r, struct view batch, void *scratch, uint32_t scratch_bytes)
{
    *r = (struct batch_read){.scratch = scratch, .scratch_bytes = scratch ? scratch_bytes : 0};
    if (batch_header(batch, &r->info) != ERR_OK || r->info.bytes > batch.len)
        return ERR_CORRUPT;
    struct view inside = {batch.at + BATCH_HEADER_BYTES, r->info.bytes - BATCH_HEADER_BYTES};
    uint32_t codec = r->info.attributes & BATCH_CODEC_MASK;
    r->left = r->info.record_count;
    if (codec >= BATCH_CODECS || r->left < 0)
        return ERR_CORRUPT;
    if (codec != BATCH_NONE)
        return batch_inflate_open((enum batch_codec)codec, inside, &r->z);
    r->plain = inside;
    return ERR_OK;
}

/* Bytes that the record at the front of v has with its length field; 0: not yet known. */
static uint64_t
record_bytes(struct view v, bool *bad)
{
    struct cur c = cur_of(v);
    int32_t body = varint_read_i32(&c);
    if (c.bad) {
        *bad = v.len >= VARINT_BYTES_MAX; /* too long, not cut off */
        return 0;
    }
    *bad = body < 0;
    return (uint64_t)(c.at - v.at) + (uint32_t)body;
}

/* The next window of the codec.  ERR_NOT_FOUND: the stream ended before. */
static int
window_next(struct batch_read *r)
{
    uint8_t *at;
    uint32_t n;
    int e = batch_inflate_more(r->z, &at, &n);
    if (e != ERR_OK)
        return e;
    r->plain = view_of(at, n);
    return n > 0 ? ERR_OK : ERR_NOT_FOUND;
}

/* Copies the record together whose first bytes, maybe none, are all that is left here. */
static int
gather(struct batch_read *r, struct view *record)
{
    struct put w = put_of(r->scratch, r->scratch_bytes);
    for (;;) {
        bool bad;
        struct view here = {r->scratch, put_len(&w)};
        uint64_t bytes = record_bytes(here, &bad);
        if (bad)
            return ERR_CORRUPT;
        if (bytes > BATCH_INFLATED_BYTES_MAX)
            return ERR_LIMIT;
        *record = here;
        if (bytes > 0 && bytes == here.len)
            return ERR_OK;
        uint64_t wanted = bytes > 0 ? bytes : here.len + 1; /* the length field, byte by byte */
        r->record_bytes = (uint32_t)wanted;
        if (wanted > r->scratch_bytes)
            return ERR_FULL;
        int e = r->plain.len == 0 ? window_next(r) : ERR_OK;
        if (e != ERR_OK)
            return e == ERR_NOT_FOUND ? ERR_CORRUPT : e;
        uint64_t missing = wanted - here.len;
        uint32_t n = missing < r->plain.len ? (uint32_t)missing : r->plain.len;
        put_bytes(&w, r->plain.at, n);
        r->plain = view_of(r->plain.at + n, r->plain.len - n);
    }
}

static int
record_next(struct batch_read *r, struct view *record)
{
    bool bad;
    uint64_t bytes = record_bytes(r->plain, &bad);
    if (bytes == 0 || bytes > r->plain.len)
        return bad || !r->z ? ERR_CORRUPT : gather(r, record);
    *record = view_of(r->plain.at, (uint32_t)bytes);
    r->plain = view_of(r->plain.at + bytes, r->plain.len - (uint32_t)bytes);
    return bad ? ERR_CORRUPT : ERR_OK;
}

/* Whether nothing follows the last record. */
static int
batch_ended(struct batch_read *r)
{
    if (r->plain.len > 0)
        return ERR_CORRUPT;
    int e = r->z ? window_next(r) : ERR_NOT_FOUND;
    return e == ERR_OK ? ERR_CORRUPT : e;
}

/* A length, -1 or less for null, and as many bytes; a null view has no address. */
static struct view
field_read(struct cur *c)
{
    int32_t bytes = varint_read_i32(c);
    if (bytes < 0 || c->bad)
        return (struct view){0};
    return cur_view(c, (uint32_t)bytes);
}

int
batch_read_next(struct batch_read *r, struct batch_record *out)
{
    if (r->left == 0)
        return batch_ended(r);
    struct view record;
    int e = record_next(r, &record);
    if (e != ERR_OK)
        return e;
    r->left--;
    const struct batch_info *b = &r->info;
    struct cur c = cur_of(record);
    (void)varint_read_i32(&c); /* the length, which record_next has seen */
    (void)cur_u8(&c);
    uint64_t delta_ms = (uint64_t)varint_read_i64(&c);
    bool at_append = b->attributes & BATCH_LOG_APPEND_TIME;
    out->timestamp_ms =
        at_append ? b->max_timestamp_ms : (int64_t)((uint64_t)b->base_timestamp_ms + delta_ms);
    out->offset = (int64_t)((uint64_t)b->base_offset + (uint64_t)varint_read_i32(&c));
    out->key = field_read(&c);
    out->value = field_read(&c);
    out->headers = view_of(c.at, cur_left(&c));
    return c.bad || out->headers.len == 0 ? ERR_CORRUPT : ERR_OK;
}
