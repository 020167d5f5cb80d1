/* tcp_table.c: see tcp_table.h.
 * I1 an index is in the table at most once.   I2 slots of a chain are filled from the front: a
 * removal moves the last one of the chain into the hole, so a find stops at the first empty slot.
 * I3 a spare bucket in a chain is not empty. */
#include "dataplane/tcp/tcp_table.h"

#include <string.h>

enum { WAYS = 8, SPARE_SHIFT = 3 };

struct bucket {
    uint16_t tags[WAYS];
    uint32_t items[WAYS];
    uint32_t next;
    uint32_t used;
    uint64_t unused;
};

_Static_assert(sizeof(struct bucket) == 64, "a cache line");

struct tcp_table {
    struct tcp_key key;
    uint32_t items, mask, spare_free, count;
    struct bucket *buckets; /* mask + 1, then the spares */
    struct tcp_flow *flows;
};

static uint32_t
buckets_for(uint32_t items)
{
    uint32_t count = 1;
    while (count < items / (WAYS / 2) + 1)
        count *= 2;
    return count;
}

static uint32_t
spares_for(uint32_t buckets)
{
    return (buckets >> SPARE_SHIFT) + 4;
}

static size_t
line_up(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

size_t
tcp_table_footprint(uint32_t items)
{
    size_t buckets = buckets_for(items);
    return line_up(sizeof(struct tcp_table)) +
           (buckets + spares_for((uint32_t)buckets)) * sizeof(struct bucket) +
           line_up((size_t)items * sizeof(struct tcp_flow));
}

struct tcp_table *
tcp_table_init(void *at, uint32_t items, const struct tcp_key *key)
{
    must((uintptr_t)at % 64 == 0);
    must(items > 0);
    memset(at, 0, tcp_table_footprint(items));
    struct tcp_table *t = at;
    uint32_t buckets = buckets_for(items), spares = spares_for(buckets);
    *t = (struct tcp_table){.key = *key, .items = items, .mask = buckets - 1};
    t->buckets = (void *)((char *)at + line_up(sizeof *t));
    t->flows = (void *)(t->buckets + buckets + spares);
    for (uint32_t i = 0; i < buckets + spares; i++)
        t->buckets[i].next = TCP_NONE;
    for (uint32_t i = buckets; i + 1 < buckets + spares; i++)
        t->buckets[i].next = i + 1;
    t->spare_free = buckets;
    return t;
}

static uint16_t
tag_of(uint64_t hash)
{
    return (uint16_t)(hash >> 48);
}

/* Where the flow, or the index if it is given, stands: bucket and slot. */
static bool
find(const struct tcp_table *t, const struct tcp_flow *f, uint64_t hash, struct bucket **in,
     uint32_t *slot)
{
    uint16_t tag = tag_of(hash);
    struct bucket *b = &t->buckets[(uint32_t)hash & t->mask];
    for (;;) {
        for (uint32_t i = 0; i < b->used; i++) {
            if (b->tags[i] != tag || !tcp_flow_equal(&t->flows[b->items[i]], f))
                continue;
            *in = b;
            *slot = i;
            return true;
        }
        if (b->next == TCP_NONE)
            return false;
        b = &t->buckets[b->next];
    }
}

uint64_t
tcp_table_hash(const struct tcp_table *t, const struct tcp_flow *f)
{
    uint64_t hash = tcp_key_bucket(&t->key, f);
    __builtin_prefetch(&t->buckets[(uint32_t)hash & t->mask]);
    return hash;
}

uint32_t
tcp_table_near(const struct tcp_table *t, uint64_t hash)
{
    const struct bucket *b = &t->buckets[(uint32_t)hash & t->mask];
    uint16_t tag = tag_of(hash);
    for (uint32_t i = 0; i < b->used; i++)
        if (b->tags[i] == tag) {
            __builtin_prefetch(&t->flows[b->items[i]]);
            __builtin_prefetch(&t->flows[b->items[i]].remote_port);
            return b->items[i];
        }
    return TCP_NONE;
}

uint32_t
tcp_table_at(const struct tcp_table *t, const struct tcp_flow *f, uint64_t hash)
{
    struct bucket *b;
    uint32_t slot;
    return find(t, f, hash, &b, &slot) ? b->items[slot] : TCP_NONE;
}

uint32_t
tcp_table_find(const struct tcp_table *t, const struct tcp_flow *f)
{
    return tcp_table_at(t, f, tcp_key_bucket(&t->key, f));
}

bool
tcp_table_put(struct tcp_table *t, const struct tcp_flow *f, uint32_t index)
{
    must(index < t->items);
    uint64_t hash = tcp_key_bucket(&t->key, f);
    struct bucket *b = &t->buckets[(uint32_t)hash & t->mask];
    while (b->used == WAYS && b->next != TCP_NONE)
        b = &t->buckets[b->next];
    if (b->used == WAYS) {
        uint32_t spare = t->spare_free;
        if (spare == TCP_NONE)
            return false;
        t->spare_free = t->buckets[spare].next;
        t->buckets[spare] = (struct bucket){.next = TCP_NONE};
        b->next = spare;
        b = &t->buckets[spare];
    }
    b->tags[b->used] = tag_of(hash);
    b->items[b->used] = index;
    b->used++;
    t->flows[index] = *f;
    t->count++;
    return true;
}

void
tcp_table_move(struct tcp_table *t, uint32_t from, uint32_t to)
{
    must(from < t->items && to < t->items);
    struct bucket *b;
    uint32_t slot;
    must(find(t, &t->flows[from], tcp_key_bucket(&t->key, &t->flows[from]), &b, &slot));
    must(b->items[slot] == from);
    b->items[slot] = to;
    t->flows[to] = t->flows[from];
}

void
tcp_table_remove(struct tcp_table *t, uint32_t index)
{
    must(index < t->items);
    struct bucket *b, *before = NULL;
    uint32_t slot;
    uint64_t hash = tcp_key_bucket(&t->key, &t->flows[index]);
    must(find(t, &t->flows[index], hash, &b, &slot));
    must(b->items[slot] == index);
    struct bucket *last = b;
    if (b->next == TCP_NONE && b >= t->buckets + t->mask + 1)
        for (before = &t->buckets[(uint32_t)hash & t->mask]; &t->buckets[before->next] != b;)
            before = &t->buckets[before->next];
    while (last->next != TCP_NONE) {
        before = last;
        last = &t->buckets[last->next];
    }
    last->used--;
    b->tags[slot] = last->tags[last->used];
    b->items[slot] = last->items[last->used];
    if (last->used == 0 && before) {
        uint32_t spare = before->next;
        before->next = TCP_NONE;
        t->buckets[spare].next = t->spare_free;
        t->spare_free = spare;
    }
    t->count--;
}

const struct tcp_flow *
tcp_table_flow(const struct tcp_table *t, uint32_t index)
{
    must(index < t->items);
    return &t->flows[index];
}

uint32_t
tcp_table_count(const struct tcp_table *t)
{
    return t->count;
}
