/* group_offsets.c: committed offsets by topic and partition: a table of topics, and in each a
 * sorted array, so that an offset costs its 48 bytes and its metadata. */
#include "control/group/group_in.h"

#include <stdlib.h>

enum { ITEMS_MIN = 4 };

static struct group_topic_offsets *
topic_of(const struct group_offsets *o, struct view topic)
{
    struct group_node *n = group_map_find(&o->topics, topic);
    return n ? group_item(n, struct group_topic_offsets, node) : NULL;
}

/* Where the partition is, or belongs. */
static uint32_t
place_of(const struct group_topic_offsets *t, int32_t partition)
{
    uint32_t low = 0, high = t->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (t->items[middle].partition < partition)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct group_offset *
group_offsets_get(const struct group_offsets *o, struct view topic, int32_t partition)
{
    const struct group_topic_offsets *t = topic_of(o, topic);
    if (!t)
        return NULL;
    uint32_t i = place_of(t, partition);
    return i < t->count && t->items[i].partition == partition ? &t->items[i] : NULL;
}

static struct group_topic_offsets *
topic_need(struct group_offsets *o, struct view topic)
{
    struct group_topic_offsets *t = topic_of(o, topic);
    if (t)
        return t;
    t = group_alloc(1, sizeof *t);
    t->node.key = group_copy(topic);
    group_map_add(&o->topics, &t->node);
    return t;
}

void
group_offsets_put(struct group_offsets *o, struct view topic, const struct group_offset *item)
{
    struct group_topic_offsets *t = topic_need(o, topic);
    struct view metadata = group_copy(item->metadata);
    uint32_t i = place_of(t, item->partition);
    if (i < t->count && t->items[i].partition == item->partition) {
        group_drop(&t->items[i].metadata);
    } else {
        if (t->count == t->room) {
            t->room = t->room ? t->room * 2 : ITEMS_MIN;
            t->items = realloc(t->items, t->room * sizeof *t->items);
            must(t->items);
        }
        memmove(&t->items[i + 1], &t->items[i], (t->count - i) * sizeof *t->items);
        t->count++;
        o->count++;
    }
    t->items[i] = *item;
    t->items[i].metadata = metadata;
}

static void
topic_free(struct group_topic_offsets *t)
{
    for (uint32_t i = 0; i < t->count; i++)
        group_drop(&t->items[i].metadata);
    free(t->items);
    group_drop(&t->node.key);
    free(t);
}

void
group_offsets_remove(struct group_offsets *o, struct view topic, int32_t partition)
{
    struct group_topic_offsets *t = topic_of(o, topic);
    if (!t)
        return;
    uint32_t i = place_of(t, partition);
    if (i == t->count || t->items[i].partition != partition)
        return;
    group_drop(&t->items[i].metadata);
    t->count--;
    o->count--;
    memmove(&t->items[i], &t->items[i + 1], (t->count - i) * sizeof *t->items);
    if (t->count == 0) {
        group_map_remove(&o->topics, &t->node);
        topic_free(t);
    }
}

void
group_offsets_free(struct group_offsets *o)
{
    struct group_node *next, *n = group_map_next(&o->topics, NULL);
    for (; n; n = next) {
        next = group_map_next(&o->topics, n);
        topic_free(group_item(n, struct group_topic_offsets, node));
    }
    group_map_free(&o->topics);
    o->count = 0;
}
