/* rxbuf.c: buddy arena of receive memory.
 *
 * The memory is counted in pages of RXBUF_BLOCK_MIN.  A block of order k is 2^k pages at an index
 * that is a multiple of 2^k; its first page's entry in `pages` describes it, the others are INNER.
 * I1 Two free buddies never coexist: give() joins them.  I2 bytes_used is the sum of the USED
 * blocks. An arena that is no power of two is a row of the largest aligned blocks that fit. */
#include "core/net/rxbuf.h"

enum { ORDERS = 19 }; /* 4 KiB << 18 is 1 GiB */
#define NONE UINT32_MAX
_Static_assert((uint64_t)RXBUF_BLOCK_MIN << (ORDERS - 1) == RXBUF_BLOCK_MAX,
               "orders cover all blocks");

enum page_state { PAGE_INNER, PAGE_FREE, PAGE_USED };

struct page {
    uint32_t prev, next; /* FREE: neighbours in the list of its order */
    uint8_t order;
    uint8_t state;
};

struct rxbuf {
    uint8_t *memory;
    uint64_t bytes, bytes_used;
    uint32_t page_count;
    uint32_t order_max;
    uint32_t free_first[ORDERS];
    struct page pages[];
};

static uint32_t
order_of(uint32_t bytes)
{
    if (bytes <= RXBUF_BLOCK_MIN)
        return 0;
    return 32 - (uint32_t)__builtin_clz((bytes - 1) / RXBUF_BLOCK_MIN);
}

static void
free_push(struct rxbuf *r, uint32_t index, uint32_t order)
{
    struct page *p = &r->pages[index];
    uint32_t next = r->free_first[order];
    *p = (struct page){.prev = NONE, .next = next, .order = (uint8_t)order, .state = PAGE_FREE};
    if (next != NONE)
        r->pages[next].prev = index;
    r->free_first[order] = index;
}

static void
free_remove(struct rxbuf *r, uint32_t index)
{
    struct page *p = &r->pages[index];
    must(p->state == PAGE_FREE);
    if (p->prev == NONE)
        r->free_first[p->order] = p->next;
    else
        r->pages[p->prev].next = p->next;
    if (p->next != NONE)
        r->pages[p->next].prev = p->prev;
    p->state = PAGE_INNER;
}

size_t
rxbuf_footprint(const struct rxbuf_config *config)
{
    return sizeof(struct rxbuf) + config->bytes / RXBUF_BLOCK_MIN * sizeof(struct page);
}

struct rxbuf *
rxbuf_init(void *at, const struct rxbuf_config *config)
{
    uint32_t block = config->block_bytes_max;
    must(block >= RXBUF_BLOCK_MIN);
    must(block <= RXBUF_BLOCK_MAX);
    must((block & (block - 1)) == 0);
    must(config->bytes >= block);
    must(config->bytes % RXBUF_BLOCK_MIN == 0);
    must(config->bytes / RXBUF_BLOCK_MIN < UINT32_MAX / 2);
    struct rxbuf *r = at;
    *r = (struct rxbuf){
        .memory = config->memory,
        .bytes = config->bytes,
        .page_count = (uint32_t)(config->bytes / RXBUF_BLOCK_MIN),
        .order_max = order_of(block),
    };
    for (uint32_t order = 0; order < ORDERS; order++)
        r->free_first[order] = NONE;
    for (uint32_t i = 0; i < r->page_count; i++)
        r->pages[i] = (struct page){.state = PAGE_INNER};
    for (uint32_t i = 0; i < r->page_count;) {
        uint32_t order = r->order_max;
        while ((i & ((1u << order) - 1)) || (1u << order) > r->page_count - i)
            order--;
        free_push(r, i, order);
        i += 1u << order;
    }
    return r;
}

uint32_t
rxbuf_class(uint32_t bytes)
{
    must(bytes <= RXBUF_BLOCK_MAX);
    return (uint32_t)RXBUF_BLOCK_MIN << order_of(bytes);
}

uint8_t *
rxbuf_take(struct rxbuf *r, uint32_t bytes)
{
    if (bytes > rxbuf_block_bytes_max(r))
        return NULL;
    uint32_t wanted = order_of(bytes);
    uint32_t order = wanted;
    while (order <= r->order_max && r->free_first[order] == NONE)
        order++;
    if (order > r->order_max)
        return NULL;
    uint32_t index = r->free_first[order];
    free_remove(r, index);
    while (order > wanted) { /* keep the lower half, free the upper */
        order--;
        free_push(r, index + (1u << order), order);
    }
    r->pages[index] = (struct page){.order = (uint8_t)order, .state = PAGE_USED};
    r->bytes_used += (uint64_t)RXBUF_BLOCK_MIN << order;
    return r->memory + (size_t)index * RXBUF_BLOCK_MIN;
}

/* The index of a block that is in use with that order. */
static uint32_t
index_of(const struct rxbuf *r, const uint8_t *block, uint32_t order)
{
    must(block >= r->memory);
    size_t at = (size_t)(block - r->memory);
    must(at < r->bytes);
    must(at % RXBUF_BLOCK_MIN == 0);
    uint32_t index = (uint32_t)(at / RXBUF_BLOCK_MIN);
    must(r->pages[index].state == PAGE_USED);
    must(r->pages[index].order == order);
    return index;
}

/* Whether the buddy of the block is free as a whole. */
static bool
buddy_free(const struct rxbuf *r, uint32_t index, uint32_t order)
{
    uint32_t buddy = index ^ 1u << order;
    return buddy < r->page_count && r->pages[buddy].state == PAGE_FREE &&
           r->pages[buddy].order == order;
}

void
rxbuf_give(struct rxbuf *r, uint8_t *block, uint32_t bytes)
{
    uint32_t order = order_of(bytes);
    uint32_t index = index_of(r, block, order);
    r->bytes_used -= (uint64_t)RXBUF_BLOCK_MIN << order;
    r->pages[index].state = PAGE_INNER;
    for (; order < r->order_max && buddy_free(r, index, order); order++) {
        free_remove(r, index ^ 1u << order);
        index &= ~(1u << order);
    }
    free_push(r, index, order);
}

uint8_t *
rxbuf_widen(struct rxbuf *r, uint8_t *block, uint32_t bytes)
{
    uint32_t order = order_of(bytes);
    uint32_t index = index_of(r, block, order);
    if (order == r->order_max || !buddy_free(r, index, order))
        return NULL;
    free_remove(r, index ^ 1u << order);
    r->pages[index].state = PAGE_INNER;
    index &= ~(1u << order);
    r->pages[index] = (struct page){.order = (uint8_t)(order + 1), .state = PAGE_USED};
    r->bytes_used += (uint64_t)RXBUF_BLOCK_MIN << order;
    return r->memory + (size_t)index * RXBUF_BLOCK_MIN;
}

uint64_t
rxbuf_bytes_used(const struct rxbuf *r)
{
    return r->bytes_used;
}

uint32_t
rxbuf_block_bytes_max(const struct rxbuf *r)
{
    return (uint32_t)RXBUF_BLOCK_MIN << r->order_max;
}

static uint32_t
smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

uint32_t
rxbuf_plan(const struct rxbuf *r, const struct rxbuf_need *need)
{
    bool tight = r->bytes_used >= r->bytes / 2;
    uint32_t block = need->block_bytes;
    if (need->want > block) {
        uint32_t whole = rxbuf_class(need->want);
        if (!tight)
            return whole;
        if (block == 0)
            return RXBUF_BLOCK_MIN;
        return need->held == block ? smaller(2 * block, whole) : block;
    }
    if (block == 0)
        return RXBUF_BLOCK_MIN;
    if (tight)
        return need->held == 0 ? RXBUF_BLOCK_MIN : block;
    if (need->filled && block < RXBUF_AHEAD)
        return smaller(smaller(4 * block, RXBUF_AHEAD), rxbuf_block_bytes_max(r));
    return block;
}
