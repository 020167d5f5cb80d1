/* group_parts.c: sets of partitions, sorted by topic id and partition.  One array each, so that a
 * member's whole assignment is one allocation and two sets are compared in one walk. */
#include "control/group/group_consumer.h"

#include <stdlib.h>

int
group_part_order(const struct group_part *a, const struct group_part *b)
{
    int order = memcmp(a->topic, b->topic, sizeof a->topic);
    if (order == 0)
        order = (a->partition > b->partition) - (a->partition < b->partition);
    return order;
}

static int
sort_order(const void *a, const void *b)
{
    return group_part_order(a, b);
}

void
group_parts_set(struct group_parts *p, const struct group_part *items, uint32_t count)
{
    struct group_part *copy = NULL;
    if (count) {
        copy = group_alloc(count, sizeof *copy);
        memcpy(copy, items, count * sizeof *copy);
        qsort(copy, count, sizeof *copy, sort_order);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++)
        if (kept == 0 || group_part_order(&copy[kept - 1], &copy[i]) != 0)
            copy[kept++] = copy[i];
    free(p->items);
    *p = (struct group_parts){copy, kept};
}

void
group_parts_free(struct group_parts *p)
{
    free(p->items);
    *p = (struct group_parts){0};
}

const struct group_part *
group_parts_find(const struct group_parts *p, const uint8_t topic[16], int32_t partition)
{
    struct group_part key = {.partition = partition};
    memcpy(key.topic, topic, sizeof key.topic);
    uint32_t low = 0, high = p->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = group_part_order(&p->items[middle], &key);
        if (order == 0)
            return &p->items[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

bool
group_parts_same(const struct group_parts *a, const struct group_parts *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (group_part_order(&a->items[i], &b->items[i]) != 0 ||
            a->items[i].epoch != b->items[i].epoch)
            return false;
    return true;
}

uint32_t
group_parts_topics(const struct group_parts *p)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < p->count; i = group_parts_end(p, i))
        count++;
    return count;
}

uint32_t
group_parts_end(const struct group_parts *p, uint32_t first)
{
    uint32_t i = first + 1;
    while (i < p->count && memcmp(p->items[i].topic, p->items[first].topic, 16) == 0)
        i++;
    return i;
}
