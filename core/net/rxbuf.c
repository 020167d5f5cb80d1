/* rxbuf.c: how much receive memory a connection deserves; the blocks are core/base/buddy.c's. */
#include "core/net/rxbuf.h"

#include "core/base/buddy.h"

#include <string.h>

struct rxbuf {
    struct buddy *buddy;
    const uint8_t *memory;
    uint32_t *keepers; /* of the block that begins with that RXBUF_BLOCK_MIN of the arena */
    uint32_t block_bytes_max;
};

static size_t
buddy_bytes(const struct rxbuf_config *config)
{
    size_t word = sizeof(uint64_t);
    return (buddy_footprint(config->bytes) + word - 1) / word * word;
}

static size_t
keepers_bytes(const struct rxbuf_config *config)
{
    return config->bytes / RXBUF_BLOCK_MIN * sizeof(uint32_t);
}

size_t
rxbuf_footprint(const struct rxbuf_config *config)
{
    return sizeof(struct rxbuf) + buddy_bytes(config) + keepers_bytes(config);
}

struct rxbuf *
rxbuf_init(void *at, const struct rxbuf_config *config)
{
    must(config->block_bytes_max >= RXBUF_BLOCK_MIN);
    must(config->block_bytes_max <= RXBUF_BLOCK_MAX);
    must(config->bytes >= config->block_bytes_max);
    must(config->bytes % RXBUF_BLOCK_MIN == 0);
    struct rxbuf *r = at;
    r->block_bytes_max = config->block_bytes_max;
    r->memory = config->memory;
    r->keepers = (uint32_t *)(void *)((uint8_t *)(r + 1) + buddy_bytes(config));
    memset(r->keepers, 0, keepers_bytes(config));
    r->buddy = buddy_init(r + 1, config->memory, config->bytes, config->block_bytes_max);
    return r;
}

uint32_t
rxbuf_class(uint32_t bytes)
{
    must(bytes <= RXBUF_BLOCK_MAX);
    uint32_t class = RXBUF_BLOCK_MIN;
    while (class < bytes)
        class *= 2;
    return class;
}

uint8_t *
rxbuf_take(struct rxbuf *r, uint32_t bytes)
{
    size_t room;
    return bytes > r->block_bytes_max ? NULL : buddy_take(r->buddy, rxbuf_class(bytes), &room);
}

static uint32_t *
keepers_of(const struct rxbuf *r, const uint8_t *block)
{
    return &r->keepers[(size_t)(block - r->memory) / RXBUF_BLOCK_MIN];
}

bool
rxbuf_keep(struct rxbuf *r, const uint8_t *block)
{
    if (buddy_used(r->buddy) >= buddy_total(r->buddy) / RXBUF_KEEP_SHARE)
        return false;
    ++*keepers_of(r, block);
    return true;
}

bool
rxbuf_kept(const struct rxbuf *r, const uint8_t *block)
{
    return *keepers_of(r, block) > 0;
}

void
rxbuf_give(struct rxbuf *r, uint8_t *block)
{
    uint32_t *keepers = keepers_of(r, block);
    if (*keepers)
        --*keepers;
    else
        buddy_give(r->buddy, block);
}

uint8_t *
rxbuf_widen(struct rxbuf *r, uint8_t *block)
{
    return rxbuf_kept(r, block) ? NULL : buddy_widen(r->buddy, block);
}

uint64_t
rxbuf_bytes_used(const struct rxbuf *r)
{
    return buddy_used(r->buddy);
}

uint32_t
rxbuf_block_bytes_max(const struct rxbuf *r)
{
    return r->block_bytes_max;
}

static uint32_t
smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

uint32_t
rxbuf_plan(const struct rxbuf *r, const struct rxbuf_need *need)
{
    bool tight = buddy_used(r->buddy) >= buddy_total(r->buddy) / 2;
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
