/* rxbuf.h: receive memory of all connections of one loop: blocks of a bounded arena (base/buddy.h),
 * and the policy that says how large a block a connection deserves.
 *
 * Blocks are powers of two from RXBUF_BLOCK_MIN to block_bytes_max.  The memory is the caller's
 * (mmap it: it is touched only where blocks are used) and the arena never grows.  A pure machine:
 * no call blocks, allocates or enters the kernel; take and give cost at most one step a power of
 * two. */
#ifndef SLUICE_NET_RXBUF_H
#define SLUICE_NET_RXBUF_H

#include "core/base/must.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RXBUF_BLOCK_MIN = 4096,    /* what an idle connection holds */
    RXBUF_AHEAD = 64 << 10,    /* read ahead of what the request at hand needs, at most */
    RXBUF_BLOCK_MAX = 1 << 30, /* limit of block_bytes_max */
    RXBUF_KEEP_SHARE = 2,      /* while so large a part of the arena is used no block is kept */
};

struct rxbuf_config {
    void *memory;             /* lent for the life of the arena */
    size_t bytes;             /* multiple of RXBUF_BLOCK_MIN, at least block_bytes_max */
    uint32_t block_bytes_max; /* power of two, RXBUF_BLOCK_MIN to RXBUF_BLOCK_MAX */
};

struct rxbuf;

/* What a connection holds and waits for, for rxbuf_plan. */
struct rxbuf_need {
    uint32_t block_bytes; /* of its block; 0: it has none */
    uint32_t held;        /* bytes received and not consumed */
    uint32_t want;        /* contiguous bytes the consumer waits for; 0 or 1: any */
    bool filled;          /* the last receive used all the room it was given */
};

/* rxbuf_footprint is the size of the book-keeping that rxbuf_init wants as `at` (aligned to 8). */
size_t rxbuf_footprint(const struct rxbuf_config *config);
struct rxbuf *rxbuf_init(void *at, const struct rxbuf_config *config);

/* rxbuf_class rounds up to the block size that holds `bytes`. */
uint32_t rxbuf_class(uint32_t bytes);

/* rxbuf_take gives a block of rxbuf_class(bytes) to the caller; NULL when no such block is free or
 * `bytes` is over block_bytes_max. */
must_check uint8_t *rxbuf_take(struct rxbuf *r, uint32_t bytes);

void rxbuf_give(struct rxbuf *r, uint8_t *block);

/* rxbuf_keep makes the caller one more who holds the block: it is free once each of them has given
 * it back.  Nothing that was received into it may be overwritten before.  False: too much of the
 * arena is in use.  rxbuf_kept: somebody beside the first holder has it. */
must_check bool rxbuf_keep(struct rxbuf *r, const uint8_t *block);
bool rxbuf_kept(const struct rxbuf *r, const uint8_t *block);

/* rxbuf_widen doubles a block in place, as buddy_widen; NULL also for one that is kept. */
must_check uint8_t *rxbuf_widen(struct rxbuf *r, uint8_t *block);

uint64_t rxbuf_bytes_used(const struct rxbuf *r);
uint32_t rxbuf_block_bytes_max(const struct rxbuf *r);

/* rxbuf_plan says which block size a connection should receive into next; the caller takes it if it
 * differs from what the connection holds.  While less than half of the arena is used, a connection
 * gets the whole of `want` at once and keeps it for the next request; a busy one gets RXBUF_AHEAD.
 * Beyond that, blocks double only when they are full of bytes really received, so that a claim
 * alone takes no memory, and a block without bytes in it shrinks. */
uint32_t rxbuf_plan(const struct rxbuf *r, const struct rxbuf_need *need);

#endif
