/* meta_image.c: memory and look-up of the image.
 *
 * I1 A topic stands in the id chain while it has a row, in the name chain only while it is live.
 * I2 Names are hashed with '.' read as '_', so that one chain finds a name and its collisions.
 * I3 slots[p.slot] == {t->row, i} for partition i of every topic with a row; every other slot is
 * free. I4 No free row lies below row_free, no free slot below slot_free. */
#include "control/meta/meta_inside.h"
#include "control/meta/meta_resource.h"

#include <stdlib.h>

static uint32_t
hash_bytes(uint32_t h, uint8_t byte)
{
    return (h ^ byte) * UINT32_C(16777619); /* FNV-1a */
}

static uint8_t
unified(uint8_t byte)
{
    return byte == '.' ? '_' : byte;
}

static uint32_t
name_hash(const struct meta_image *m, struct view name)
{
    uint32_t h = UINT32_C(2166136261);
    for (uint32_t i = 0; i < name.len; i++)
        h = hash_bytes(h, unified(name.at[i]));
    return h & m->hash_mask;
}

static uint32_t
id_hash(const struct meta_image *m, const uint8_t *id)
{
    uint32_t h = UINT32_C(2166136261);
    for (uint32_t i = 0; i < META_ID_BYTES; i++)
        h = hash_bytes(h, id[i]);
    return h & m->hash_mask;
}

void *
meta_image_memory(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    must(p != NULL);
    return p;
}

static uint64_t *
bits_of(uint32_t count)
{
    return meta_image_memory((count + 63) / 64, sizeof(uint64_t));
}

void
meta_image_init(struct meta_image *m, uint32_t topics_max, uint32_t partitions_max)
{
    *m = (struct meta_image){.topics_max = topics_max, .partitions_max = partitions_max};
    uint32_t heads = 16;
    while (heads < topics_max)
        heads *= 2;
    m->hash_mask = heads - 1;
    m->topics = meta_image_memory(topics_max, sizeof(struct meta_topic *));
    m->slots = meta_image_memory(partitions_max, sizeof *m->slots);
    m->topic_index = meta_image_memory(topics_max, sizeof(uint64_t));
    m->slot_index = meta_image_memory(partitions_max, sizeof(uint64_t));
    m->topic_dirty = bits_of(topics_max);
    m->slot_dirty = bits_of(partitions_max);
    m->name_heads = meta_image_memory(heads, sizeof(uint32_t));
    m->id_heads = meta_image_memory(heads, sizeof(uint32_t));
    for (uint32_t i = 0; i < heads; i++)
        m->name_heads[i] = m->id_heads[i] = META_NONE;
    for (uint32_t i = 0; i < partitions_max; i++)
        m->slots[i].topic = META_NONE;
}

static void
topic_free(struct meta_topic *t)
{
    for (uint32_t c = 0; c < META_CONFIGS; c++)
        free(t->overrides[c]);
    free(t->partitions);
    free(t);
}

void
meta_image_free(struct meta_image *m)
{
    for (uint32_t i = 0; m->topics && i < m->topics_max; i++)
        if (m->topics[i])
            topic_free(m->topics[i]);
    free(m->topics);
    free(m->slots);
    free(m->topic_index);
    free(m->slot_index);
    free(m->topic_dirty);
    free(m->slot_dirty);
    free(m->name_heads);
    free(m->id_heads);
    meta_resource_free_all(m);
    *m = (struct meta_image){0};
}

static struct view
topic_name(const struct meta_topic *t)
{
    return view_of(t->name, t->name_bytes);
}

const struct meta_topic *
meta_topic_by_name(const struct meta_image *m, struct view name)
{
    uint32_t row = m->name_heads[name_hash(m, name)];
    while (row != META_NONE && !view_equal(topic_name(m->topics[row]), name))
        row = m->topics[row]->name_next;
    return row == META_NONE ? NULL : m->topics[row];
}

static bool
collides(struct view a, struct view b)
{
    if (a.len != b.len || view_equal(a, b))
        return false;
    for (uint32_t i = 0; i < a.len; i++)
        if (unified(a.at[i]) != unified(b.at[i]))
            return false;
    return true;
}

const struct meta_topic *
meta_topic_colliding(const struct meta_image *m, struct view name)
{
    uint32_t row = m->name_heads[name_hash(m, name)];
    while (row != META_NONE && !collides(topic_name(m->topics[row]), name))
        row = m->topics[row]->name_next;
    return row == META_NONE ? NULL : m->topics[row];
}

struct meta_topic *
meta_image_any(const struct meta_image *m, const uint8_t *id)
{
    uint32_t row = m->id_heads[id_hash(m, id)];
    while (row != META_NONE && memcmp(m->topics[row]->id, id, META_ID_BYTES) != 0)
        row = m->topics[row]->id_next;
    return row == META_NONE ? NULL : m->topics[row];
}

const struct meta_topic *
meta_topic_by_id(const struct meta_image *m, const uint8_t *id)
{
    const struct meta_topic *t = meta_image_any(m, id);
    return t && t->state == META_LIVE ? t : NULL;
}

uint32_t
meta_topic_next(const struct meta_image *m, uint32_t row)
{
    for (row = row == META_NONE ? 0 : row + 1; row < m->topics_max; row++)
        if (m->topics[row] && m->topics[row]->state == META_LIVE)
            return row;
    return META_NONE;
}

void
meta_image_link(struct meta_image *m, struct meta_topic *t)
{
    must(!m->topics[t->row]);
    m->topics[t->row] = t;
    m->topic_count++;
    uint32_t *head = &m->id_heads[id_hash(m, t->id)];
    t->id_next = *head;
    *head = t->row;
    t->name_next = META_NONE;
    if (t->state != META_LIVE)
        return;
    head = &m->name_heads[name_hash(m, topic_name(t))];
    t->name_next = *head;
    *head = t->row;
}

void
meta_image_unname(struct meta_image *m, struct meta_topic *t)
{
    uint32_t *at = &m->name_heads[name_hash(m, topic_name(t))];
    while (*at != t->row)
        at = &m->topics[*at]->name_next;
    *at = t->name_next;
    t->name_next = META_NONE;
}

void
meta_image_drop(struct meta_image *m, struct meta_topic *t)
{
    must(t->state == META_DELETING); /* the name chain has let it go */
    uint32_t *at = &m->id_heads[id_hash(m, t->id)];
    while (*at != t->row)
        at = &m->topics[*at]->id_next;
    *at = t->id_next;
    for (uint32_t i = 0; i < t->partition_count; i++) {
        uint32_t slot = t->partitions[i].slot;
        m->slots[slot] = (struct meta_slot){.topic = META_NONE};
        if (slot < m->slot_free)
            m->slot_free = slot;
    }
    m->partition_count -= t->partition_count;
    m->topic_count--;
    m->deleting_count--;
    m->topics[t->row] = NULL;
    if (t->row < m->row_free)
        m->row_free = t->row;
    topic_free(t);
}

static bool
topic_equal(const struct meta_topic *a, const struct meta_topic *b)
{
    if (a->state != b->state || a->internal != b->internal ||
        a->partition_count != b->partition_count || memcmp(a->id, b->id, META_ID_BYTES) != 0 ||
        !view_equal(topic_name(a), topic_name(b)))
        return false;
    for (uint32_t i = 0; i < a->partition_count; i++) {
        const struct meta_partition *p = &a->partitions[i], *q = &b->partitions[i];
        if (p->slot != q->slot || p->leader != q->leader || p->leader_epoch != q->leader_epoch)
            return false;
    }
    for (uint32_t c = 0; c < META_CONFIGS; c++) {
        const char *v = a->overrides[c], *w = b->overrides[c];
        if ((v == NULL) != (w == NULL) || (v && strcmp(v, w) != 0))
            return false;
    }
    return true;
}

bool
meta_image_equal(const struct meta_image *a, const struct meta_image *b)
{
    if (a->topics_max != b->topics_max || a->partitions_max != b->partitions_max ||
        a->topic_count != b->topic_count || a->deleting_count != b->deleting_count ||
        a->partition_count != b->partition_count || a->producer_id_next != b->producer_id_next ||
        a->node_id != b->node_id || a->term != b->term || a->index != b->index ||
        strcmp(a->cluster_id, b->cluster_id) != 0 || !meta_resource_equal(a, b))
        return false;
    for (uint32_t i = 0; i < a->topics_max; i++) {
        if ((a->topics[i] == NULL) != (b->topics[i] == NULL))
            return false;
        if (a->topics[i] && !topic_equal(a->topics[i], b->topics[i]))
            return false;
    }
    for (uint32_t i = 0; i < a->partitions_max; i++)
        if (a->slots[i].topic != b->slots[i].topic ||
            a->slots[i].partition != b->slots[i].partition)
            return false;
    return true;
}

void
meta_dirty_set(uint64_t *set, uint32_t bit)
{
    set[bit / 64] |= UINT64_C(1) << bit % 64;
}

void
meta_dirty_clear(uint64_t *set, uint32_t bit)
{
    set[bit / 64] &= ~(UINT64_C(1) << bit % 64);
}

bool
meta_dirty_has(const uint64_t *set, uint32_t bit)
{
    return set[bit / 64] >> bit % 64 & 1;
}

uint32_t
meta_dirty_next(const uint64_t *set, uint32_t from, uint32_t limit)
{
    while (from < limit) {
        uint64_t word = set[from / 64] >> from % 64;
        if (word) {
            from += (uint32_t)__builtin_ctzll(word);
            return from < limit ? from : META_NONE;
        }
        from = (from / 64 + 1) * 64;
    }
    return META_NONE;
}
