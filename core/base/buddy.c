/* buddy.c: binary buddy allocator.
 *
 * The arena is an array of units of 256 bytes.  state[unit] tells, for the first unit of a block,
 * its class and whether it is free; for every other unit it is 0.  Free blocks of a class form a
 * list threaded through the blocks themselves. I1 a free block's buddy of the same class is never
 * free too (they would be one block). I2 used + bytes on the free lists == total. */
#include "core/base/buddy.h"

#include "core/base/list.h"

#include <string.h>

enum { UNIT = 1 << BUDDY_CLASS_MIN, STATE_FREE = 0x80, STATE_CLASS = 0x7f };

struct buddy {
    uint8_t *arena;
    size_t total, used;
    uint32_t class_max;
    struct list free[BUDDY_CLASSES_MAX + BUDDY_CLASS_MIN];
    uint8_t state[];
};

static uint32_t
class_of(size_t bytes)
{
    return bytes <= UNIT ? BUDDY_CLASS_MIN : 64 - (uint32_t)__builtin_clzll(bytes - 1);
}

static size_t
unit_of(const struct buddy *b, const void *block)
{
    return (size_t)((const uint8_t *)block - b->arena) / UNIT;
}

static void
free_push(struct buddy *b, uint8_t *block, uint32_t class)
{
    b->state[unit_of(b, block)] = (uint8_t)(STATE_FREE | class);
    list_push_back(&b->free[class], (struct list *)(void *)block);
}

size_t
buddy_footprint(size_t bytes)
{
    return sizeof(struct buddy) + bytes / UNIT;
}

struct buddy *
buddy_init(void *memory, void *arena, size_t bytes, size_t block_bytes_max)
{
    struct buddy *b = memory;
    b->class_max = class_of(block_bytes_max);
    must((size_t)1 << b->class_max == block_bytes_max);
    must(b->class_max < BUDDY_CLASSES_MAX + BUDDY_CLASS_MIN);
    b->arena = arena;
    b->total = bytes - bytes % UNIT;
    b->used = 0;
    memset(b->state, 0, bytes / UNIT);
    for (uint32_t c = 0; c < BUDDY_CLASSES_MAX + BUDDY_CLASS_MIN; c++)
        list_init(&b->free[c]);
    /* A row of the largest aligned blocks that fit. */
    for (size_t at = 0; at < b->total;) {
        uint32_t c = b->class_max;
        while (at & (((size_t)1 << c) - 1) || (size_t)1 << c > b->total - at)
            c--;
        free_push(b, b->arena + at, c);
        at += (size_t)1 << c;
    }
    return b;
}

void *
buddy_take(struct buddy *b, size_t bytes, size_t *room)
{
    uint32_t want = class_of(bytes), c = want;
    while (c <= b->class_max && list_empty(&b->free[c]))
        c++;
    if (c > b->class_max)
        return NULL;
    struct list *node = list_first(&b->free[c]);
    list_remove(node);
    uint8_t *block = (uint8_t *)node;
    for (; c > want; c--) /* the upper half goes back, one class lower */
        free_push(b, block + ((size_t)1 << (c - 1)), c - 1);
    b->state[unit_of(b, block)] = (uint8_t)want;
    b->used += (size_t)1 << want;
    *room = (size_t)1 << want;
    return block;
}

/* Where a block in use begins, and its class. */
static size_t
place_of(const struct buddy *b, const void *block, uint32_t *class)
{
    size_t at = (size_t)((const uint8_t *)block - b->arena);
    must(at < b->total && at % UNIT == 0);
    *class = b->state[at / UNIT];
    must(*class >= BUDDY_CLASS_MIN && *class <= b->class_max); /* not free, not the middle of one */
    return at;
}

/* Takes the twin of the block at `at` off its free list, if it is free as a whole. */
static bool
twin_take(struct buddy *b, size_t at, uint32_t class)
{
    size_t twin = at ^ (size_t)1 << class;
    if (class == b->class_max || twin >= b->total || b->state[twin / UNIT] != (STATE_FREE | class))
        return false;
    list_remove((struct list *)(void *)(b->arena + twin));
    b->state[twin / UNIT] = 0;
    return true;
}

void
buddy_give(struct buddy *b, void *block)
{
    uint32_t c;
    size_t at = place_of(b, block, &c);
    b->used -= (size_t)1 << c;
    b->state[at / UNIT] = 0;
    for (; twin_take(b, at, c); c++)
        at &= ~((size_t)1 << c);
    free_push(b, b->arena + at, c);
}

void *
buddy_widen(struct buddy *b, void *block)
{
    uint32_t c;
    size_t at = place_of(b, block, &c);
    if (!twin_take(b, at, c))
        return NULL;
    b->used += (size_t)1 << c;
    b->state[at / UNIT] = 0;
    at &= ~((size_t)1 << c);
    b->state[at / UNIT] = (uint8_t)(c + 1);
    return b->arena + at;
}

bool
buddy_has(const struct buddy *b, const void *at)
{
    return (uintptr_t)at - (uintptr_t)b->arena < b->total;
}

size_t
buddy_used(const struct buddy *b)
{
    return b->used;
}

size_t
buddy_total(const struct buddy *b)
{
    return b->total;
}
