/* heap.h: binary heap of intrusive nodes, least key first: deadlines, candidates for eviction.
 *
 * Owned by one loop.  The array belongs to the caller and bounds the heap; nothing is allocated.
 * add, remove and change are O(log n), first is O(1). */
#ifndef SLUICE_BASE_HEAP_H
#define SLUICE_BASE_HEAP_H

#include "core/base/must.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    uint64_t key;
    uint32_t place; /* 1-based place in the array; 0: in no heap */
};

struct heap {
    struct heap_node **nodes; /* [room], nodes[i] has place i + 1 */
    uint32_t count, room;
};

#define heap_item(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

/* nodes: room pointers of the caller's, for as long as the heap is used. */
void heap_init(struct heap *h, struct heap_node **nodes, uint32_t room);
/* Puts a node in (place 0 before) under `key`.  False: the heap is full, nothing has changed. */
must_check bool heap_add(struct heap *h, struct heap_node *n, uint64_t key);
/* Takes a node out; harmless for one that is in no heap. */
void heap_remove(struct heap *h, struct heap_node *n);
/* The node with the least key, NULL when the heap is empty. */
struct heap_node *heap_first(const struct heap *h);

#endif
