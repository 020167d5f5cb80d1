/* ipnet_mesh.c: N x N rings; ring [from][to] at index from * loops + to, those to oneself unused.
 *
 * I1: head - tail <= IPNET_MESH_NEWS.  `head` has one writer, the loop `from`, and publishes the
 * slot before it; `tail` has one writer, the loop `to`, and gives the slot back.  `lost` is the
 * writer's. */
#include "dataplane/net/ipnet_mesh.h"

#include "core/base/must.h"

#include <stdatomic.h>

enum { MESH_LINE = 64 };

_Static_assert((IPNET_MESH_NEWS & (IPNET_MESH_NEWS - 1)) == 0, "indexes wrap by themselves");

struct ring {
    _Alignas(MESH_LINE) _Atomic uint32_t head;
    _Atomic uint64_t lost;
    _Alignas(MESH_LINE) _Atomic uint32_t tail;
    _Alignas(MESH_LINE) struct ipnet_news slots[IPNET_MESH_NEWS];
};

struct ipnet_mesh {
    uint32_t loops;
    _Alignas(MESH_LINE) struct {
        _Alignas(MESH_LINE) uint32_t next; /* whose news is heard next, the reader's own */
    } readers[IPNET_MESH_LOOPS_MAX];
    struct ring rings[];
};

size_t
ipnet_mesh_footprint(uint32_t loops)
{
    return sizeof(struct ipnet_mesh) + (size_t)loops * loops * sizeof(struct ring);
}

struct ipnet_mesh *
ipnet_mesh_init(void *at, uint32_t loops)
{
    must(loops > 0 && loops <= IPNET_MESH_LOOPS_MAX);
    must((uintptr_t)at % MESH_LINE == 0);
    struct ipnet_mesh *m = at;
    memset(m, 0, ipnet_mesh_footprint(loops));
    m->loops = loops;
    return m;
}

static void
ring_put(struct ring *r, const struct ipnet_news *news)
{
    uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    /* Pairs with the release in ring_get(): the slot has been read. */
    uint32_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
    if (head - tail == IPNET_MESH_NEWS) {
        uint64_t lost = atomic_load_explicit(&r->lost, memory_order_relaxed);
        atomic_store_explicit(&r->lost, lost + 1, memory_order_relaxed);
        return;
    }
    r->slots[head % IPNET_MESH_NEWS] = *news;
    /* Pairs with the acquire in ring_get(): publishes the slot. */
    atomic_store_explicit(&r->head, head + 1, memory_order_release);
}

static bool
ring_get(struct ring *r, struct ipnet_news *out)
{
    uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    if (tail == atomic_load_explicit(&r->head, memory_order_acquire))
        return false;
    *out = r->slots[tail % IPNET_MESH_NEWS];
    atomic_store_explicit(&r->tail, tail + 1, memory_order_release);
    return true;
}

void
ipnet_mesh_tell(struct ipnet_mesh *m, uint32_t from, const struct ipnet_news *news)
{
    must(from < m->loops);
    for (uint32_t to = 0; to < m->loops; to++)
        if (to != from)
            ring_put(&m->rings[from * m->loops + to], news);
}

bool
ipnet_mesh_hear(struct ipnet_mesh *m, uint32_t to, struct ipnet_news *out)
{
    must(to < m->loops);
    uint32_t *next = &m->readers[to].next;
    for (uint32_t i = 0; i < m->loops; i++) {
        uint32_t from = *next;
        *next = from + 1 < m->loops ? from + 1 : 0;
        if (from != to && ring_get(&m->rings[from * m->loops + to], out))
            return true;
    }
    return false;
}

uint64_t
ipnet_mesh_lost(const struct ipnet_mesh *m, uint32_t from)
{
    uint64_t lost = 0;
    for (uint32_t to = 0; to < m->loops; to++)
        lost += atomic_load_explicit(&m->rings[from * m->loops + to].lost, memory_order_relaxed);
    return lost;
}
