#include "core/shm/quotas.h"

#include "core/base/err.h"

#include <stddef.h>
#include <string.h>

_Static_assert(sizeof(struct quotas_row) % sizeof(double) == 0, "no padding between rows");

/* What of a fact is in use. */
static size_t
used_bytes(uint32_t count)
{
    return offsetof(struct quotas_fact, rows) + (size_t)count * sizeof(struct quotas_row);
}

void
quotas_write(struct quotas_table *t, const struct quotas_fact *fact)
{
    must(fact->count <= QUOTAS_ROWS_MAX && fact->address_count <= QUOTAS_ADDRESSES_MAX);
    uint32_t seq = atomic_load_explicit(&t->seq, memory_order_relaxed);
    if (seq % 2 == 0 && t->fact.count == fact->count &&
        memcmp(&t->fact, fact, used_bytes(fact->count)) == 0)
        return;
    seq |= 1; /* odd already: a writer died inside */
    atomic_store_explicit(&t->seq, seq, memory_order_relaxed);
    /* Keeps the bytes below behind the odd number; pairs with the fence in quotas_read. */
    atomic_thread_fence(memory_order_release);
    memcpy(&t->fact, fact, used_bytes(fact->count));
    /* Pairs with the acquire in quotas_read. */
    atomic_store_explicit(&t->seq, seq + 1, memory_order_release);
}

uint32_t
quotas_version(const struct quotas_table *t)
{
    return atomic_load_explicit(&t->seq, memory_order_relaxed);
}

int
quotas_read(const struct quotas_table *t, struct quotas_fact *out, uint32_t *version)
{
    uint32_t before = atomic_load_explicit(&t->seq, memory_order_acquire);
    uint32_t count = t->fact.count;
    if (before % 2 || count > QUOTAS_ROWS_MAX)
        return ERR_AGAIN;
    memcpy(out, &t->fact, used_bytes(count));
    /* The copy ends before the second look; pairs with the fence in quotas_write. */
    atomic_thread_fence(memory_order_acquire);
    if (atomic_load_explicit(&t->seq, memory_order_relaxed) != before ||
        out->address_count > QUOTAS_ADDRESSES_MAX)
        return ERR_AGAIN;
    out->count = count;
    *version = before;
    return ERR_OK;
}
