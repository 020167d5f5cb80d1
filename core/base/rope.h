/* rope.h: bytes that lie in several pieces, read by their place in the whole.
 *
 * A rope borrows its pieces.  It remembers where it was read last: reading on from there costs what
 * is read, going back costs a walk from the front. */
#ifndef SLUICE_BASE_ROPE_H
#define SLUICE_BASE_ROPE_H

#include "core/base/bytes.h"
#include "core/base/must.h"

struct rope {
    const struct view *pieces;
    uint32_t count, bytes;
    uint32_t piece, before; /* where it was read last: that piece, the bytes of those in front */
};

/* The first `bytes` of the pieces; false when there are fewer. */
must_check bool rope_init(struct rope *r, const struct view *pieces, uint32_t count,
                          uint32_t bytes);

/* Copies [at, at + n), which must be in the rope. */
void rope_read(struct rope *r, uint32_t at, void *out, uint32_t n);
/* Lends what of [at, at + n), which must be in the rope, lies in one piece from `at` on: a byte at
 * least, for n > 0. */
struct view rope_view(struct rope *r, uint32_t at, uint32_t n);

#endif
