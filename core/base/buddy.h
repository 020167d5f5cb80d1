/* buddy.h: blocks of power-of-two sizes from one bounded arena; no system call, no lock.
 *
 * For memory that lives as long as a request: receive buffers, answers.  Owned by one loop.  Split
 * and merge are O(classes).  The arena's pages are touched only as they are used. */
#ifndef SLUICE_BASE_BUDDY_H
#define SLUICE_BASE_BUDDY_H

#include "core/base/must.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { BUDDY_CLASS_MIN = 8, BUDDY_CLASSES_MAX = 24 }; /* blocks of 256 bytes to 1 GiB */

struct buddy;

/* Bytes of bookkeeping for an arena of `bytes`. */
size_t buddy_footprint(size_t bytes);

/* Builds the allocator in `memory` (footprint bytes, aligned to 8) over
 * `arena` (aligned to 4096).  bytes is rounded down to a multiple of block_bytes_max, a power of
 * two. */
struct buddy *buddy_init(void *memory, void *arena, size_t bytes, size_t block_bytes_max);

/* A block of at least `bytes`, NULL when there is none (or bytes > block_bytes_max).  *room: its
 * size. */
void *buddy_take(struct buddy *b, size_t bytes, size_t *room);
void buddy_give(struct buddy *b, void *block);

/* Doubles a block without a second one, if its neighbour is free: returns where the doubled block
 * starts, which is `block` or its old size before it (the caller moves what it holds), or NULL. */
must_check void *buddy_widen(struct buddy *b, void *block);

/* Whether the address lies in the arena. */
bool buddy_has(const struct buddy *b, const void *at);
size_t buddy_used(const struct buddy *b);
size_t buddy_total(const struct buddy *b);

#endif
