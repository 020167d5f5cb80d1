/* answer.c: see answer.h.
 *
 * I1 ranges[i].at <= ranges[i + 1].at <= len.   I2 bytes and ranges are blocks of the shard's buddy
 * arena, or NULL with room 0.  The first ANSWER_PREFIX bytes are the length, written by
 * answer_seal. */
#include "dataplane/broker/answer.h"

enum { ANSWER_PREFIX = 4, ANSWER_RANGES_FIRST = 4 };

/* Moves what is there into a block with room for `need` bytes. */
static bool
block_grow(struct buddy *memory, void **block, size_t used, size_t need, size_t *room)
{
    size_t got;
    void *bigger = buddy_take(memory, need, &got);
    if (!bigger)
        return false;
    if (*block) {
        memcpy(bigger, *block, used);
        buddy_give(memory, *block);
    }
    *block = bigger;
    *room = got;
    return true;
}

bool
answer_reserve(struct answer *a, struct buddy *memory, uint32_t bytes)
{
    if (bytes <= a->room - a->len)
        return true;
    if (bytes > UINT32_MAX / 2 - a->len)
        return false;
    void *block = a->bytes;
    size_t room;
    if (!block_grow(memory, &block, a->len, (size_t)a->len + bytes, &room))
        return false;
    a->bytes = block;
    a->room = (uint32_t)room;
    return true;
}

struct put
answer_writer(const struct answer *a)
{
    return (struct put){a->bytes + a->len, a->bytes + a->len, a->bytes + a->room, false};
}

void
answer_commit(struct answer *a, const struct put *w)
{
    must(!w->bad);
    must(w->start == a->bytes + a->len);
    a->len += put_len(w);
}

bool
answer_add_range(struct answer *a, struct buddy *memory, uint32_t shard,
                 const struct store_range *range)
{
    if (a->range_count == a->range_room) {
        void *block = a->ranges;
        size_t used = (size_t)a->range_count * sizeof *a->ranges, room;
        size_t need = used ? used * 2 : ANSWER_RANGES_FIRST * sizeof *a->ranges;
        if (!block_grow(memory, &block, used, need, &room))
            return false;
        a->ranges = block;
        a->range_room = (uint32_t)(room / sizeof *a->ranges);
    }
    a->ranges[a->range_count++] =
        (struct answer_range){.at = a->len, .shard = shard, .range = *range};
    return true;
}

uint64_t
answer_bytes(const struct answer *a)
{
    uint64_t bytes = a->len;
    for (uint32_t i = 0; i < a->range_count; i++)
        bytes += a->ranges[i].range.len;
    return bytes;
}

void
answer_seal(struct answer *a)
{
    must(a->len >= ANSWER_PREFIX);
    uint64_t bytes = answer_bytes(a) - ANSWER_PREFIX;
    must(bytes <= INT32_MAX);
    set_u32(a->bytes, (uint32_t)bytes);
}

void
answer_free(struct answer *a, struct buddy *memory)
{
    if (a->bytes)
        buddy_give(memory, a->bytes);
    if (a->ranges)
        buddy_give(memory, a->ranges);
    *a = (struct answer){0};
}
