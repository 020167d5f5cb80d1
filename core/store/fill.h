/* fill.h: a batch on its way to its place in the arena: copied once, and every checksum of it made
 * in that pass.
 *
 *   |.....21|......| piece | piece |..........| piece |....|
 *   pos     crc    cut     cut (SUMS_PIECE of the segment) limit  pos + len
 *
 * Of a batch that is an extent the crc of each piece between `cut` and `limit` is kept: the first
 * and the last whole block behind the header.  From these come the crc of the whole batch, that of
 * the extent's interior, and, once the bytes are in the file, the segment's sums; none of them
 * reads the batch again.  What lies in front of `cut` is read anew when it is asked for, as the
 * broker stamps the header.  Pure memory; never allocates. */
#ifndef SLUICE_STORE_FILL_H
#define SLUICE_STORE_FILL_H

#include "core/store/sums.h"

enum { FILL_BLOCK = 4096 };

/* The kept crcs of the batches in the arena, in a circle: each has at least a block, so there are
 * never more of them than the arena has blocks. */
struct fill_ring {
    uint32_t *at;
    uint32_t room, next;
};
static inline uint32_t
fill_ring_room(uint64_t arena_bytes)
{
    return (uint32_t)(arena_bytes / FILL_BLOCK);
}

struct fill {
    uint8_t *to;
    uint32_t pos, len;    /* in the segment */
    uint32_t done;        /* bytes copied */
    uint32_t since, next; /* the stretch between two cuts that the next byte is in */
    uint32_t run;         /* crc of what is copied of it */
    uint32_t crc;         /* of the stretches before it, from BATCH_AT_ATTRIBUTES on */
    struct fill_ring *ring;
    uint32_t count; /* pieces in the ring, not kept yet */
};

/* Begins to copy a batch of `len` bytes to `to`, which is position `pos` of its segment.  With a
 * ring the crcs of its pieces are put there; without fill_keep the next batch's replace them. */
void fill_begin(struct fill *f, struct fill_ring *ring, uint8_t *to, uint32_t pos, uint32_t len);
/* Copies the next n bytes. */
void fill_add(struct fill *f, const void *from, uint32_t n);
/* crc-32c from BATCH_AT_ATTRIBUTES on, as copied, once all is. */
uint32_t fill_crc(const struct fill *f);
/* crc-32c of the whole blocks [from, limit) as they lie there now; only the header has changed. */
uint32_t fill_blocks_crc(const struct fill *f, uint32_t from, uint32_t limit);
/* Keeps the pieces: a number to find them by, never 0; 0: there are none. */
uint32_t fill_keep(struct fill *f);

/* A batch in the arena, and what fill_keep gave for it. */
struct fill_batch {
    const uint8_t *at;
    uint32_t pos, len, pieces;
};
/* Continues the sums with bytes [from, to) of the segment, which are of that batch. */
void fill_sum(const struct fill_ring *ring, const struct fill_batch *b, uint32_t from, uint32_t to,
              struct sums *sums);

#endif
