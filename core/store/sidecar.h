/* sidecar.h: what is written beside a segment when it is sealed, when it has grown by much, or at a
 * stop, as bytes: index, checksums, leader epochs.  It saves reading the segment to find a batch in
 * it; never trusted for data.
 *
 * File BASE.idx, big endian, a multiple of SIDECAR_BLOCK:
 *    0  sections, each from an 8-byte boundary on
 *    -  zeros up to the footer, which ends with the file:
 *       table, one row a section: u32 type, u32 at, u32 bytes, u32 crc-32c of them
 *       i64 base, u32 segment bytes, i64 largest time, i64 time of the first batch,
 *       u32 version, u32 rows,
 *       u32 crc-32c of table and footer up to here, u32 magic "SLIX"
 * Sections:
 *   1 index    per entry u32 relative offset, u32 position, i64 largest time before it
 *   2 sums     u32 crc-32c per SUMS_PIECE bytes of the segment
 *   3 epochs   per epoch i32 epoch, i64 first offset
 *   4 aborted  per aborted transaction whose marker is in the segment, in that order: i64 producer,
 *              i64 first offset, i64 offset of the marker, i64 last stable offset behind it
 *   5 producers  of which nothing lies behind the segment, in the form that checkpoints have
 * One that covers less than its segment holds, which goes on, has 1 and 2 alone; its largest time
 * may be that of a batch behind them.  Unknown types are skipped.  3, 4 and 5 are what checkpoints
 * know too; `sluice log` compares them, and a log that is built anew from its files takes over from
 * 5 the producers whose batches retention has removed.  4 or 5 is not written when there are more
 * than the limits below. */
#ifndef SLUICE_STORE_SIDECAR_H
#define SLUICE_STORE_SIDECAR_H

#include "core/store/plog_in.h"
#include "core/store/sums.h"

enum {
    SIDECAR_BLOCK = 4096,
    SIDECAR_BYTES_MAX = 16 << 20,
    SIDECAR_ABORTED_MAX = 16 << 10,
    SIDECAR_PRODUCERS_MAX = 1024,
    SIDECAR_ROWS_BYTES = 1 << 20,
};

enum sidecar_section {
    SIDECAR_INDEX = 1,
    SIDECAR_SUMS = 2,
    SIDECAR_EPOCHS = 3,
    SIDECAR_ABORTED = 4,
    SIDECAR_PRODUCERS = 5,
};

/* Bytes of the sidecar of the first `covers` bytes of a segment, batches whose index is complete
 * and which are all that its sums cover; 0: none is written (larger than SIDECAR_BYTES_MAX). */
uint32_t sidecar_bytes(const struct plog *p, const struct segment *seg, uint32_t covers);
/* Writes it into `at`, that many bytes. */
void sidecar_write(const struct plog *p, const struct segment *seg, uint32_t covers, uint8_t *at,
                   uint32_t bytes);
/* How many bytes of its segment a sidecar covers, and the largest time that it knows; ERR_CORRUPT:
 * it is damaged, or of another segment. */
must_check int sidecar_covers(const uint8_t *at, uint32_t bytes, int64_t base, uint32_t *covers,
                              int64_t *max_ts);
/* Reads index and sums, into blocks of `memory` (slab.h).  ERR_CORRUPT: it is damaged, or of
 * another segment (base, bytes); ERR_LIMIT: no memory.  Both come back empty then. */
must_check int sidecar_read(const uint8_t *at, uint32_t bytes, int64_t base, uint32_t segment_bytes,
                            struct buddy *memory, struct index *idx, struct sums *sums);
/* One section of a sidecar that is whole (else ERR_CORRUPT); ERR_NOT_FOUND: it has none of the
 * type.
 */
must_check int sidecar_section(const uint8_t *at, uint32_t bytes, int64_t base,
                               uint32_t segment_bytes, enum sidecar_section type, struct view *out);
/* Does a section say what the log knows?  Of aborted transactions and epochs it may say more: what
 * compaction and retention have taken away since.  True without room to tell (SIDECAR_ROWS_BYTES
 * are enough). */
must_check bool sidecar_agrees(const struct plog *p, const struct segment *seg,
                               enum sidecar_section type, struct view section, uint8_t *scratch,
                               uint32_t room);

#endif
