/* journal_format.c: the bytes of frames and file headers; the format is described in journal.c. */
#include "core/base/crc32c.h"
#include "core/store/journal_in.h"

#include <stdio.h>

void
journal_path(const struct journal_config *config, uint32_t index,
             char out[static JOURNAL_PATH_BYTES])
{
    int n = snprintf(out, JOURNAL_PATH_BYTES, "%s/journal-%04u", config->dir, index);
    must(n > 0 && n < JOURNAL_PATH_BYTES);
}

void
journal_file_header(const struct journal_config *config, uint32_t index,
                    uint8_t block[JOURNAL_BLOCK])
{
    memset(block, 0, JOURNAL_BLOCK);
    struct put w = put_of(block, JOURNAL_BLOCK);
    put_u32(&w, JOURNAL_FILE_MAGIC);
    put_u32(&w, JOURNAL_VERSION);
    put_u32(&w, index);
    put_u32(&w, config->file_count);
    put_u64(&w, config->file_bytes);
    put_u32(&w, crc32c(0, block, put_len(&w)));
}

bool
journal_file_header_ok(const struct journal_config *config, uint32_t index,
                       const uint8_t block[JOURNAL_BLOCK])
{
    uint8_t want[JOURNAL_BLOCK];
    journal_file_header(config, index, want);
    return memcmp(want, block, JOURNAL_BLOCK) == 0;
}

bool
journal_file_header_read(const uint8_t block[JOURNAL_BLOCK], struct journal_file_header *out)
{
    struct cur c = cur_of(view_of(block, JOURNAL_BLOCK));
    uint32_t magic = cur_u32(&c);
    out->version = cur_u32(&c);
    out->index = cur_u32(&c);
    out->file_count = cur_u32(&c);
    out->file_bytes = cur_u64(&c);
    uint32_t bytes = JOURNAL_BLOCK - cur_left(&c);
    return magic == JOURNAL_FILE_MAGIC && cur_u32(&c) == crc32c(0, block, bytes);
}

void
journal_frame_write(const struct frame_header *h, uint8_t *at)
{
    set_u32(at, h->magic);
    set_u16(at + 4, h->header_bytes);
    set_u16(at + 6, h->flags);
    set_u64(at + 8, h->generation);
    set_u64(at + 16, h->seq);
    set_u64(at + 24, h->lsn_first);
    set_u64(at + 32, h->durable_upto);
    set_u32(at + 40, h->prev_crc);
    set_u32(at + 44, h->record_count);
    set_u32(at + 48, h->payload_bytes);
    set_u32(at + 52, h->window);
    set_u32(at + 56, h->written_ahead);
    set_u32(at + FRAME_AT_CRC, h->crc);
}

void
journal_frame_read(const uint8_t *at, struct frame_header *h)
{
    struct cur c = cur_of(view_of(at, FRAME_HEADER_BYTES));
    h->magic = cur_u32(&c);
    h->header_bytes = cur_u16(&c);
    h->flags = cur_u16(&c);
    h->generation = cur_u64(&c);
    h->seq = cur_u64(&c);
    h->lsn_first = cur_u64(&c);
    h->durable_upto = cur_u64(&c);
    h->prev_crc = cur_u32(&c);
    h->record_count = cur_u32(&c);
    h->payload_bytes = cur_u32(&c);
    h->window = cur_u32(&c);
    h->written_ahead = cur_u32(&c);
    h->crc = cur_u32(&c);
}

uint32_t
journal_frame_crc(const uint8_t *at, uint64_t bytes)
{
    static const uint8_t none[4];
    uint32_t crc = crc32c(0, at, FRAME_AT_CRC);
    crc = crc32c(crc, none, sizeof none);
    return crc32c(crc, at + FRAME_HEADER_BYTES, bytes - FRAME_HEADER_BYTES);
}
