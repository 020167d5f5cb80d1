/* store_record.c: journal records that tell of a batch.
 *
 *   BATCH         varints: log, position in the segment, base offset - base of the segment; then
 *                 the batch itself, which says its base offset and its length
 *   FULL, AGAIN   u64 log, i64 base of the segment, u32 position, u32 bytes; then the batch
 *   EXTENT        begins alike; what follows: store_extent.c
 *
 * A BATCH record is as short as it can be: small batches pay for each byte of it.  FULL is the same
 * in a rescue file, where ids and journals of more than one generation meet. */
#include "core/base/err.h"
#include "core/base/varint.h"
#include "core/store/store_in.h"
#include "core/wire/batch.h"

uint32_t
store_record_prefix(uint8_t at[STORE_PREFIX_MAX], uint64_t log, uint32_t pos, int64_t ahead)
{
    must(ahead >= 0);
    struct put w = put_of(at, STORE_PREFIX_MAX);
    varint_write_u64(&w, log);
    varint_write_u32(&w, pos);
    varint_write_u64(&w, (uint64_t)ahead);
    return put_len(&w);
}

void
store_record_place(uint8_t at[STORE_PLACE_BYTES], const struct batch_place *x)
{
    set_u64(at, x->log);
    set_u64(at + 8, (uint64_t)x->base);
    set_u32(at + 16, x->pos);
    set_u32(at + 20, x->len);
}

bool
store_record_of_batch(uint32_t kind)
{
    return kind == STORE_REC_BATCH || kind == STORE_REC_FULL || kind == STORE_REC_EXTENT ||
           kind == STORE_REC_AGAIN;
}

static int
batch_read(struct cur *c, struct batch_place *out)
{
    out->log = varint_read_u64(c);
    out->pos = varint_read_u32(c);
    uint64_t ahead = varint_read_u64(c);
    out->len = cur_left(c);
    out->rest = cur_view(c, out->len);
    if (c->bad || out->len < BATCH_HEADER_BYTES || ahead > INT64_MAX)
        return ERR_CORRUPT;
    int64_t first = (int64_t)get_u64(out->rest.at);
    if (first < 0 || (int64_t)ahead > first)
        return ERR_CORRUPT;
    out->base = first - (int64_t)ahead;
    return ERR_OK;
}

int
store_record_read(uint32_t kind, struct view body, struct batch_place *out)
{
    must(store_record_of_batch(kind));
    struct cur c = cur_of(body);
    if (kind == STORE_REC_BATCH)
        return batch_read(&c, out);
    out->log = cur_u64(&c);
    out->base = cur_i64(&c);
    out->pos = cur_u32(&c);
    out->len = cur_u32(&c);
    out->rest = cur_view(&c, kind == STORE_REC_EXTENT ? cur_left(&c) : out->len);
    return c.bad ? ERR_CORRUPT : ERR_OK;
}

bool
store_record_log(uint32_t kind, struct view body, uint64_t *log)
{
    struct cur c = cur_of(body);
    *log = kind == STORE_REC_BATCH ? varint_read_u64(&c) : cur_u64(&c);
    return !c.bad;
}
