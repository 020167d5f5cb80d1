/* sim_batch.c: valid uncompressed batches, the bytes a function of s->next_value. */
#include "core/base/crc32c.h"
#include "core/base/err.h"
#include "core/base/varint.h"
#include "tests/sim/sim.h"

#include <string.h>

static void
record_write(struct sim *s, struct put *w, struct sim_batch *b, int32_t i, uint32_t value_bytes)
{
    uint8_t head[32], key[1] = {(uint8_t)((b->key + i) % SIM_KEYS)};
    uint32_t key_bytes = b->key >= 0;
    struct put h = put_of(head, sizeof head);
    put_u8(&h, 0);
    varint_write_i64(&h, i);
    varint_write_i32(&h, i);
    varint_write_i32(&h, b->key >= 0 ? 1 : -1);
    put_bytes(&h, key, key_bytes);
    varint_write_i32(&h, (int32_t)value_bytes);
    varint_write_i32(w, (int32_t)(put_len(&h) + value_bytes + 1));
    put_bytes(w, head, put_len(&h));
    uint8_t *at = put_take(w, value_bytes);
    must(at);
    for (uint32_t k = 0; k < value_bytes; k += 8) {
        s->next_value = s->next_value * UINT64_C(6364136223846793005) + 1442695040888963407u;
        memcpy(at + k, &s->next_value, value_bytes - k < 8 ? value_bytes - k : 8);
    }
    b->sums[i] = crc32c(crc32c(0, key, key_bytes), at, value_bytes);
    put_u8(w, 0);
}

uint32_t
sim_build(struct sim *s, struct sim_batch *b, uint32_t value_bytes, struct batch_info *info)
{
    uint8_t *out = s->batch;
    struct put w = put_of(out, SIM_BATCH_BYTES_MAX);
    memset(put_take(&w, BATCH_HEADER_BYTES), 0, BATCH_HEADER_BYTES);
    for (int32_t i = 0; i < b->records; i++)
        record_write(s, &w, b, i, value_bytes);
    must(!w.bad);
    uint32_t bytes = put_len(&w);
    out[BATCH_AT_MAGIC] = 2;
    set_u32(out + BATCH_AT_LENGTH, bytes - BATCH_OVERHEAD);
    set_u32(out + BATCH_AT_LAST_DELTA, (uint32_t)b->records - 1);
    set_u64(out + BATCH_AT_BASE_TIMESTAMP, (uint64_t)b->first_ms);
    set_u64(out + BATCH_AT_MAX_TIMESTAMP, (uint64_t)(b->first_ms + b->records - 1));
    set_u64(out + BATCH_AT_PRODUCER_ID, (uint64_t)b->producer);
    set_u16(out + BATCH_AT_PRODUCER_EPOCH, (uint16_t)(b->producer < 0 ? -1 : b->epoch));
    set_u32(out + BATCH_AT_BASE_SEQUENCE, (uint32_t)(b->producer < 0 ? -1 : b->sequence));
    set_u32(out + BATCH_AT_COUNT, (uint32_t)b->records);
    set_u16(out + BATCH_AT_ATTRIBUTES, b->txn ? BATCH_TRANSACTIONAL : 0);
    set_u32(out + BATCH_AT_CRC, crc32c(0, out + BATCH_AT_ATTRIBUTES, bytes - BATCH_AT_ATTRIBUTES));
    must(batch_header(view_of(out, bytes), info) == ERR_OK);
    info->found_timestamp_ms = info->max_timestamp_ms;
    return bytes;
}
