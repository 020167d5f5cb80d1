/* slab.h: memory of one store for what its logs keep in mind of their segments.
 *
 * Blocks come from one bounded arena (buddy.h), so that the loop makes no allocation; without an
 * arena (NULL: boot, tools, the thread of tasks) they come from the heap.  A block finds its way
 * back by its address, so an owner may get an arena after its first blocks. */
#ifndef SLUICE_STORE_SLAB_H
#define SLUICE_STORE_SLAB_H

#include "core/base/buddy.h"
#include "core/base/must.h"

/* Zeroed; NULL: there is none. */
must_check void *slab_take(struct buddy *b, size_t bytes);
void slab_give(struct buddy *b, void *at);
/* A block of `to` bytes with the first `from` bytes of `at`, which is given back; the rest is
 * zeroed.  NULL: there is none, and `at` stays. */
must_check void *slab_grow(struct buddy *b, void *at, size_t from, size_t to);

#endif
