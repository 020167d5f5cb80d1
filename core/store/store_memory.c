/* store_memory.c: all memory that a store takes at its start; its loop makes no allocation later.
 * Pages are touched as they are used. */
#include "core/base/buddy.h"
#include "core/base/err.h"
#include "core/store/store_in.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    STORE_TAIL_MIN = 1024,
    STORE_TAIL_BYTES = 160 /* arena bytes per entry */
};

static void *
map(uint64_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

static void
unmap(void *at, uint64_t bytes)
{
    if (at)
        munmap(at, bytes);
}

static uint64_t
slab_bytes(const struct store *s)
{
    uint64_t bytes = s->config.index_bytes ? s->config.index_bytes : STORE_INDEX_BYTES;
    bytes += (uint64_t)s->config.logs_max * STORE_SLAB_LOG_BYTES;
    return (bytes + STORE_SLAB_BLOCK_MAX - 1) / STORE_SLAB_BLOCK_MAX * STORE_SLAB_BLOCK_MAX;
}

static int
slabs_map(struct store *s)
{
    s->slab_arena = map(slab_bytes(s));
    s->slab_books = map(buddy_footprint(slab_bytes(s)));
    if (!s->slab_arena || !s->slab_books)
        return ERR_LIMIT;
    s->slab = buddy_init(s->slab_books, s->slab_arena, slab_bytes(s), STORE_SLAB_BLOCK_MAX);
    return ERR_OK;
}

int
store_memory_take(struct store *s)
{
    const struct store_config *c = &s->config;
    if (c->read_bytes == 0)
        s->config.read_bytes = STORE_READ_BYTES;
    s->tail.room = s->journal_config.arena_bytes / STORE_TAIL_BYTES + STORE_TAIL_MIN;
    s->tail.first = s->tail.clean = s->tail.durable = s->tail.written = s->tail.next = 1;
    s->bucket_count = c->logs_max * 2;
    s->logs = map(c->logs_max * sizeof *s->logs);
    s->free_slots = map(c->logs_max * sizeof *s->free_slots);
    s->buckets = map(s->bucket_count * sizeof *s->buckets);
    s->tail.ring = map(s->tail.room * sizeof *s->tail.ring);
    s->fills.room = fill_ring_room(s->journal_config.arena_bytes);
    s->fills.at = map(s->fills.room * sizeof *s->fills.at);
    s->blocks = map((uint64_t)STORE_BLOCKS_MAX * STORE_BLOCK);
    s->bounce = map(STORE_BOUNCE_ALL);
    s->buffers = map(c->read_buffers * sizeof *s->buffers);
    s->buffer_mem = map((uint64_t)c->read_buffers * c->read_bytes);
    if (!s->logs || !s->free_slots || !s->buckets || !s->tail.ring || !s->fills.at || !s->blocks ||
        !s->bounce || !s->buffers || !s->buffer_mem)
        return ERR_LIMIT;
    memset(s->buckets, 0xff, s->bucket_count * sizeof *s->buckets);
    for (uint32_t i = 0; i < c->read_buffers; i++)
        s->buffers[i].mem = s->buffer_mem + (uint64_t)i * c->read_bytes;
    return slabs_map(s);
}

void
store_memory(const struct store *s, struct store_memory out[STORE_MEMORY_ROWS])
{
    const struct store_config *c = &s->config;
    out[0] = (struct store_memory){journal_at(s->journal, 0), s->journal_config.arena_bytes};
    out[1] = (struct store_memory){s->buffer_mem, (uint64_t)c->read_buffers * c->read_bytes};
}

void
store_memory_register(struct store *s)
{
    uint64_t bytes = (uint64_t)s->config.read_buffers * s->config.read_bytes;
    s->disk->ops->arena(s->disk->self, s->buffer_mem, bytes);
    s->disk->ops->arena(s->disk->self, s->bounce, STORE_BOUNCE_ALL);
}

void
store_memory_give(struct store *s)
{
    const struct store_config *c = &s->config;
    unmap(s->logs, c->logs_max * sizeof *s->logs);
    unmap(s->free_slots, c->logs_max * sizeof *s->free_slots);
    unmap(s->buckets, s->bucket_count * sizeof *s->buckets);
    unmap(s->tail.ring, s->tail.room * sizeof *s->tail.ring);
    unmap(s->fills.at, s->fills.room * sizeof *s->fills.at);
    unmap(s->blocks, (uint64_t)STORE_BLOCKS_MAX * STORE_BLOCK);
    unmap(s->bounce, STORE_BOUNCE_ALL);
    unmap(s->buffers, c->read_buffers * sizeof *s->buffers);
    unmap(s->buffer_mem, (uint64_t)c->read_buffers * c->read_bytes);
    for (uint32_t i = 0; i < STORE_LARGE_MAX; i++)
        free(s->large[i].mem);
    free(s->ckpt.mem);
    free(s->waiters);
    free(s->ready);
    unmap(s->slab_arena, slab_bytes(s));
    unmap(s->slab_books, buddy_footprint(slab_bytes(s)));
}
