/* rxbuf.c: how much receive memory a connection deserves; the blocks are core/base/buddy.c's. */
#include "core/net/rxbuf.h"

#include "core/base/buddy.h"

struct rxbuf {
    struct buddy *buddy;
    uint32_t block_bytes_max;
};

size_t
rxbuf_footprint(const struct rxbuf_config *config)
{
    return sizeof(struct rxbuf) + buddy_footprint(config->bytes);
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

void
rxbuf_give(struct rxbuf *r, uint8_t *block)
{
    buddy_give(r->buddy, block);
}

uint8_t *
rxbuf_widen(struct rxbuf *r, uint8_t *block)
{
    return buddy_widen(r->buddy, block);
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
