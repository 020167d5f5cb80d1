/* journal_in.h: format and files of the journal, shared by journal*.c. */
#ifndef SLUICE_STORE_JOURNAL_IN_H
#define SLUICE_STORE_JOURNAL_IN_H

#include "core/store/journal.h"

#define JOURNAL_FRAME_MAGIC UINT32_C(0x534c4a46) /* "SLJF" */
#define JOURNAL_FILE_MAGIC  UINT32_C(0x534c4a48) /* "SLJH" */

enum {
    JOURNAL_BLOCK = 4096, /* frames start and end at multiples of it */
    JOURNAL_VERSION = 1,
    JOURNAL_PATH_BYTES = 128,
    JOURNAL_FRAME_FILL = 1 << 20, /* a frame with more than one record is not larger */
    FRAME_HEADER_BYTES = 64,
    RECORD_HEADER_BYTES = 8,
    RECORD_ALIGN = 8,
    FRAME_FLAG_MARK = 1, /* no records: notes durable_upto only */
    FRAME_AT_CRC = 60,
};

struct frame_header {
    uint32_t magic;
    uint16_t header_bytes, flags;
    uint64_t generation, seq, lsn_first, durable_upto;
    uint32_t prev_crc, record_count, payload_bytes, window, crc;
};

static inline uint64_t
journal_round(uint64_t n, uint64_t to)
{
    return (n + to - 1) / to * to;
}

static inline uint64_t
frame_bytes(const struct frame_header *h)
{
    return journal_round((uint64_t)FRAME_HEADER_BYTES + h->payload_bytes, JOURNAL_BLOCK);
}

void journal_path(const struct journal_config *config, uint32_t index,
                  char out[static JOURNAL_PATH_BYTES]);

/* The block at the front of each file. */
void journal_file_header(const struct journal_config *config, uint32_t index,
                         uint8_t block[JOURNAL_BLOCK]);
bool journal_file_header_ok(const struct journal_config *config, uint32_t index,
                            const uint8_t block[JOURNAL_BLOCK]);

void journal_frame_write(const struct frame_header *h, uint8_t *at);
void journal_frame_read(const uint8_t *at, struct frame_header *h);

/* The crc of a whole frame, its own field counted as zero. */
uint32_t journal_frame_crc(const uint8_t *at, uint64_t bytes);

/* Runs operations side by side; blocks until all are done.  The first error, in their order. */
must_check int journal_run_all(struct disk *disk, struct disk_op *ops, uint32_t count);

/* ---- journal_files.c ---------------------------------------------------------------------------
 */

enum { JOURNAL_ZERO_FLIGHT = 4 };

struct journal_files {
    struct disk *disk;
    const struct journal_config *config;
    int32_t *file; /* -1: not made yet */
    /* the file that is being made */
    uint32_t index, flight;
    int step;
    int32_t making;
    uint64_t at, wanted;
    struct disk_op ops[JOURNAL_ZERO_FLIGHT];
    char path[JOURNAL_PATH_BYTES];
    uint8_t *zeros;
    bool full; /* the disk is, and the file goes back to nothing */
};

/* Opens what is whole and makes the first file when it is missing; blocks.  journal_files_close
 * also after an error.  `file` has room for file_count numbers; lent. */
must_check int journal_files_open(struct journal_files *f, struct disk *disk,
                                  const struct journal_config *config, int32_t *file);
void journal_files_close(struct journal_files *f);
/* Goes on making files, that of ring ordinal `ordinal` first. */
void journal_files_make(struct journal_files *f, uint64_t ordinal);
uint64_t journal_files_missing(const struct journal_files *f); /* bytes still to be written */
/* True when the operation was of the making; *error: why that failed.  ERR_NO_SPACE: it begins anew
 * with the next journal_files_make, or a later one. */
bool journal_files_take(struct journal_files *f, struct disk_op *op, int *error);

#endif
