/* group_map.c: chained buckets, a power of two of them, doubled when there are more nodes. */
#include "control/group/group_map.h"

#include "core/base/must.h"

#include <stdlib.h>

enum { BUCKETS_MIN = 8 };

void *
group_alloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    must(p);
    return p;
}

struct view
group_copy(struct view v)
{
    if (!v.at)
        return v;
    uint8_t *at = group_alloc(1, (size_t)v.len + 1);
    memcpy(at, v.at, v.len);
    return view_of(at, v.len);
}

void
group_drop(struct view *v)
{
    free((void *)(uintptr_t)v->at);
    *v = (struct view){0};
}

static uint32_t
hash_of(struct view key)
{
    uint32_t h = 2166136261u;
    for (uint32_t i = 0; i < key.len; i++)
        h = (h ^ key.at[i]) * 16777619u;
    return h ^ h >> 15;
}

struct group_node *
group_map_find(const struct group_map *m, struct view key)
{
    if (m->count == 0)
        return NULL;
    uint32_t hash = hash_of(key);
    struct group_node *n = m->buckets[hash & (m->bucket_count - 1)];
    while (n && !(n->hash == hash && view_equal(n->key, key)))
        n = n->next;
    return n;
}

static void
grow(struct group_map *m)
{
    uint32_t count = m->bucket_count ? m->bucket_count * 2 : BUCKETS_MIN;
    struct group_node **buckets = group_alloc(count, sizeof *buckets);
    for (uint32_t i = 0; i < m->bucket_count; i++) {
        struct group_node *next, *n = m->buckets[i];
        for (; n; n = next) {
            next = n->next;
            n->next = buckets[n->hash & (count - 1)];
            buckets[n->hash & (count - 1)] = n;
        }
    }
    free(m->buckets);
    m->buckets = buckets;
    m->bucket_count = count;
}

void
group_map_add(struct group_map *m, struct group_node *node)
{
    if (m->count >= m->bucket_count)
        grow(m);
    node->hash = hash_of(node->key);
    struct group_node **bucket = &m->buckets[node->hash & (m->bucket_count - 1)];
    node->next = *bucket;
    *bucket = node;
    m->count++;
}

void
group_map_remove(struct group_map *m, struct group_node *node)
{
    must(m->count > 0);
    struct group_node **at = &m->buckets[node->hash & (m->bucket_count - 1)];
    while (*at != node) {
        must(*at);
        at = &(*at)->next;
    }
    *at = node->next;
    m->count--;
}

struct group_node *
group_map_next(const struct group_map *m, const struct group_node *after)
{
    uint32_t i = 0;
    if (after) {
        if (after->next)
            return after->next;
        i = (after->hash & (m->bucket_count - 1)) + 1;
    }
    for (; i < m->bucket_count; i++)
        if (m->buckets[i])
            return m->buckets[i];
    return NULL;
}

void
group_map_free(struct group_map *m)
{
    free(m->buckets);
    *m = (struct group_map){0};
}
