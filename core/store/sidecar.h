/* sidecar.h: what is written beside a segment when it is sealed, as bytes: index, checksums, leader
 * epochs.  It saves reading the segment to find a batch in it; never trusted for data.
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
 *   4 aborted  reserved: aborted transactions
 *   5 producers  reserved: producer snapshot
 * Unknown types are skipped. */
#ifndef SLUICE_STORE_SIDECAR_H
#define SLUICE_STORE_SIDECAR_H

#include "core/store/plog_in.h"
#include "core/store/sums.h"

enum { SIDECAR_BLOCK = 4096, SIDECAR_BYTES_MAX = 16 << 20 };

enum sidecar_section {
    SIDECAR_INDEX = 1,
    SIDECAR_SUMS = 2,
    SIDECAR_EPOCHS = 3,
    SIDECAR_ABORTED = 4,
    SIDECAR_PRODUCERS = 5,
};

/* Bytes of the sidecar of a segment whose index and sums are complete; 0: none is written (larger
 * than SIDECAR_BYTES_MAX). */
uint32_t sidecar_bytes(const struct plog *p, const struct segment *seg);
/* Writes it into `at`, that many bytes. */
void sidecar_write(const struct plog *p, const struct segment *seg, uint8_t *at, uint32_t bytes);
/* Reads index and sums, into blocks of `memory` (slab.h).  ERR_CORRUPT: it is damaged, or of
 * another segment (base, bytes); ERR_LIMIT: no memory.  Both come back empty then. */
must_check int sidecar_read(const uint8_t *at, uint32_t bytes, int64_t base, uint32_t segment_bytes,
                            struct buddy *memory, struct index *idx, struct sums *sums);

#endif
