/* heap.c: array-embedded binary heap.
 * I1 nodes[i]->place == i + 1.   I2 no node's key is below its parent's. */
#include "core/base/heap.h"

static void
place(struct heap *h, uint32_t i, struct heap_node *n)
{
    h->nodes[i] = n;
    n->place = i + 1;
}

/* Moves n, whose place `i` is free, towards the root. */
static void
rise(struct heap *h, uint32_t i, struct heap_node *n)
{
    while (i > 0) {
        uint32_t parent = (i - 1) / 2;
        if (h->nodes[parent]->key <= n->key)
            break;
        place(h, i, h->nodes[parent]);
        i = parent;
    }
    place(h, i, n);
}

static void
sink(struct heap *h, uint32_t i, struct heap_node *n)
{
    for (;;) {
        uint32_t child = 2 * i + 1;
        if (child >= h->count)
            break;
        if (child + 1 < h->count && h->nodes[child + 1]->key < h->nodes[child]->key)
            child++;
        if (n->key <= h->nodes[child]->key)
            break;
        place(h, i, h->nodes[child]);
        i = child;
    }
    place(h, i, n);
}

void
heap_init(struct heap *h, struct heap_node **nodes, uint32_t room)
{
    must(room < UINT32_MAX / 2);
    *h = (struct heap){nodes, 0, room};
}

bool
heap_add(struct heap *h, struct heap_node *n, uint64_t key)
{
    must(n->place == 0);
    if (h->count == h->room)
        return false;
    n->key = key;
    rise(h, h->count++, n);
    return true;
}

void
heap_remove(struct heap *h, struct heap_node *n)
{
    if (n->place == 0)
        return;
    uint32_t i = n->place - 1;
    must(i < h->count && h->nodes[i] == n);
    n->place = 0;
    struct heap_node *last = h->nodes[--h->count];
    if (last == n)
        return;
    if (last->key < n->key) /* the hole is in another branch than the last node came from */
        rise(h, i, last);
    else
        sink(h, i, last);
}

struct heap_node *
heap_first(const struct heap *h)
{
    return h->count ? h->nodes[0] : NULL;
}
