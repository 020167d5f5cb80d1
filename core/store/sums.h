/* sums.h: crc-32c of a segment in pieces of SUMS_PIECE bytes, so that any part of it can be checked
 * without its batches: pure memory.
 *
 * The sums of large batches come from crcs that were made when they were copied (fill.h).
 * I1 The pieces cover bytes [0, bytes); the last one may be partial, its crc so far is `run`. */
#ifndef SLUICE_STORE_SUMS_H
#define SLUICE_STORE_SUMS_H

#include "core/base/must.h"

#include <stdbool.h>
#include <stdint.h>

enum { SUMS_PIECE = 64 << 10, SUMS_BAD_MAX = 8 };

struct buddy;

struct sums {
    struct buddy *memory; /* slab.h; NULL: the heap */
    uint32_t *at;         /* of whole pieces */
    uint32_t room, bytes, run;
    /* Stretches that are known to be bad.  One that finds no place takes the last one's, and then
     * the sums are lost: each batch is judged by its own crc. */
    struct {
        uint32_t from, to;
    } bad[SUMS_BAD_MAX];
    uint32_t bad_count;
    bool lost; /* no memory, or too much damage: covers nothing any more */
};

/* Covers nothing any more; its memory stays where it gets blocks from. */
void sums_free(struct sums *x);
/* Continues with the bytes that follow.  Without memory it is lost, which costs only the check. */
void sums_add(struct sums *x, const uint8_t *at, uint32_t len);
/* The same for n bytes that end no later than the piece which they continue, known by their crc. */
void sums_add_crc(struct sums *x, uint32_t crc, uint32_t n);
/* Whole pieces, and the partial one behind them. */
uint32_t sums_count(const struct sums *x);
uint32_t sums_get(const struct sums *x, uint32_t i);
/* Makes it cover `bytes`, by crcs that sums_count() and sums_get() gave; false without memory. */
must_check bool sums_load(struct sums *x, uint32_t bytes, const uint32_t *crcs);

/* Notes that bytes [from, to) are bad, whatever the sums say; false: that was known. */
bool sums_note_bad(struct sums *x, uint32_t from, uint32_t to);
/* The first of these stretches that overlaps [from, to): where it begins; UINT32_MAX: none. */
uint32_t sums_first_bad(const struct sums *x, uint32_t from, uint32_t to);

/* Checks `len` bytes from `pos` on, a piece or less: true when they are what was added.  A piece
 * that is not whole must have ended there at some time: `run` is its crc then. */
bool sums_check(const struct sums *x, uint32_t pos, const uint8_t *at, uint32_t len, uint32_t run);
/* Bytes that can be checked. */
static inline uint32_t
sums_covered(const struct sums *x)
{
    return x->lost ? 0 : x->bytes;
}

#endif
