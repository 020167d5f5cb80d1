/* meta_apply.c: the one mutator of an image.  Formats: meta_record.c.
 *
 * Records come from our own log, behind checksums; still every one is checked against the image,
 * since a log of another cluster or of a newer version must end in an error code and not in damage.
 */
#include "control/meta/meta_inside.h"
#include "control/meta/meta_resource.h"
#include "core/base/err.h"

#include <stdlib.h>

enum { APPLY_RECORD_VERSION = 1 };

struct apply {
    struct meta_image *m;
    uint64_t index;
};

static struct meta_topic *
topic_of(const struct meta_image *m, uint32_t row)
{
    return row < m->topics_max ? m->topics[row] : NULL;
}

static void
touch_topic(struct apply *a, uint32_t row)
{
    a->m->topic_index[row] = a->index;
    meta_dirty_set(a->m->topic_dirty, row);
}

static void
touch_slots(struct apply *a, const struct meta_topic *t, uint32_t first)
{
    for (uint32_t i = first; i < t->partition_count; i++) {
        a->m->slot_index[t->partitions[i].slot] = a->index;
        meta_dirty_set(a->m->slot_dirty, t->partitions[i].slot);
    }
}

static int
apply_topic(struct apply *a, struct cur *c)
{
    struct meta_image *m = a->m;
    uint32_t row = cur_u32(c);
    const uint8_t *id = cur_take(c, META_ID_BYTES);
    bool internal = cur_u8(c) != 0;
    struct view name = cur_view(c, cur_u8(c));
    if (c->bad || name.len == 0 || name.len > META_NAME_BYTES_MAX)
        return ERR_CORRUPT;
    if (row >= m->topics_max)
        return ERR_LIMIT;
    if (m->topics[row] || meta_image_any(m, id) || meta_topic_by_name(m, name))
        return ERR_CORRUPT;
    struct meta_topic *t = meta_image_memory(1, sizeof *t);
    t->row = row;
    t->state = META_LIVE;
    t->internal = internal;
    t->name_bytes = (uint8_t)name.len;
    memcpy(t->id, id, META_ID_BYTES);
    memcpy(t->name, name.at, name.len);
    meta_image_link(m, t);
    while (m->row_free < m->topics_max && m->topics[m->row_free])
        m->row_free++;
    touch_topic(a, row);
    return ERR_OK;
}

static int
apply_partitions(struct apply *a, struct cur *c)
{
    struct meta_image *m = a->m;
    struct meta_topic *t = topic_of(m, cur_u32(c));
    uint32_t first = cur_u32(c);
    int32_t leader = cur_i32(c), epoch = cur_i32(c);
    uint32_t count = cur_u32(c);
    struct cur slots = *c;
    if (c->bad || !t || first != t->partition_count || count > cur_left(c) / 4)
        return ERR_CORRUPT;
    (void)cur_take(c, count * 4);
    if (count > m->partitions_max - m->partition_count)
        return ERR_LIMIT;
    t->partitions = realloc(t->partitions, (size_t)(first + count) * sizeof *t->partitions);
    must(t->partitions != NULL || first + count == 0);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t slot = cur_u32(&slots);
        if (slot >= m->partitions_max)
            return ERR_LIMIT;
        if (m->slots[slot].topic != META_NONE)
            return ERR_CORRUPT;
        m->slots[slot] = (struct meta_slot){t->row, (int32_t)(first + i)};
        m->partition_count++;
        t->partitions[first + i] = (struct meta_partition){slot, leader, epoch};
        t->partition_count++;
    }
    while (m->slot_free < m->partitions_max && m->slots[m->slot_free].topic != META_NONE)
        m->slot_free++;
    touch_topic(a, t->row);
    touch_slots(a, t, first);
    return ERR_OK;
}

static int
apply_config(struct apply *a, struct cur *c)
{
    struct meta_topic *t = topic_of(a->m, cur_u32(c));
    struct view name = cur_view(c, cur_u8(c));
    bool present = cur_u8(c) != 0;
    struct view value = cur_view(c, cur_u16(c));
    if (c->bad || !t)
        return ERR_CORRUPT;
    enum meta_config key = meta_config_find(name);
    if (key == META_CONFIGS)
        return ERR_UNSUPPORTED;
    free(t->overrides[key]);
    t->overrides[key] = NULL;
    if (present) {
        t->overrides[key] = meta_image_memory(value.len + 1, 1);
        if (value.len)
            memcpy(t->overrides[key], value.at, value.len);
    }
    touch_topic(a, t->row);
    return ERR_OK;
}

static int
apply_deleting(struct apply *a, struct cur *c)
{
    struct meta_topic *t = topic_of(a->m, cur_u32(c));
    if (c->bad || !t || t->state != META_LIVE)
        return ERR_CORRUPT;
    meta_image_unname(a->m, t);
    t->state = META_DELETING;
    a->m->deleting_count++;
    touch_topic(a, t->row);
    touch_slots(a, t, 0);
    return ERR_OK;
}

static int
apply_gone(struct apply *a, struct cur *c)
{
    struct meta_topic *t = topic_of(a->m, cur_u32(c));
    if (c->bad || !t || t->state != META_DELETING)
        return ERR_CORRUPT;
    touch_topic(a, t->row);
    touch_slots(a, t, 0);
    meta_image_drop(a->m, t);
    return ERR_OK;
}

static int
apply_producer_ids(struct apply *a, struct cur *c)
{
    int64_t next = cur_i64(c);
    if (c->bad || next < a->m->producer_id_next)
        return ERR_CORRUPT;
    a->m->producer_id_next = next;
    return ERR_OK;
}

static int
apply_cluster(struct apply *a, struct cur *c)
{
    int32_t node_id = cur_i32(c);
    struct view id = cur_view(c, cur_u8(c));
    if (c->bad || id.len > META_CLUSTER_BYTES_MAX)
        return ERR_CORRUPT;
    a->m->node_id = node_id;
    memset(a->m->cluster_id, 0, sizeof a->m->cluster_id);
    memcpy(a->m->cluster_id, id.at, id.len);
    return ERR_OK;
}

/* A broker's setting is the default of a topic's key: every topic is to be looked at again. */
static int
apply_setting(struct apply *a, struct cur *c)
{
    uint8_t type = cur_u8(c);
    struct view name = cur_view(c, cur_u16(c));
    struct view key = cur_view(c, cur_u8(c));
    bool present = cur_u8(c) != 0;
    struct view value = cur_view(c, cur_u16(c));
    if (c->bad || key.len == 0 || name.len > META_RESOURCE_NAME_BYTES_MAX)
        return ERR_CORRUPT;
    int rc =
        meta_resource_set(a->m, (enum meta_resource_type)type, name, key, present ? &value : NULL);
    if (type == META_RESOURCE_QUOTA)
        a->m->quota_index = a->index;
    if (type == META_RESOURCE_BROKER)
        a->m->broker_index = a->index;
    for (uint32_t row = 0; type == META_RESOURCE_BROKER && row < a->m->topics_max; row++)
        if (a->m->topics[row])
            touch_topic(a, row);
    return rc;
}

static int
apply_record(struct apply *a, uint8_t kind, struct view body)
{
    static int (*const rows[])(struct apply *, struct cur *) = {
        [META_TOPIC] = apply_topic,     [META_PARTITIONS] = apply_partitions,
        [META_CONFIG] = apply_config,   [META_TOPIC_DELETING] = apply_deleting,
        [META_TOPIC_GONE] = apply_gone, [META_PRODUCER_IDS] = apply_producer_ids,
        [META_CLUSTER] = apply_cluster, [META_SETTING] = apply_setting,
    };
    if (kind >= sizeof rows / sizeof rows[0] || !rows[kind])
        return ERR_UNSUPPORTED;
    struct cur c = cur_of(body);
    int rc = rows[kind](a, &c);
    if (rc == ERR_OK && cur_left(&c) > 0)
        rc = ERR_CORRUPT;
    return rc;
}

int
meta_apply(struct meta_image *m, uint64_t term, uint64_t index, struct view records)
{
    if (index != m->index + 1 || term < m->term)
        return ERR_CORRUPT;
    struct apply a = {m, index};
    struct cur c = cur_of(records);
    while (cur_left(&c) > 0) {
        uint8_t kind = cur_u8(&c), version = cur_u8(&c);
        struct view body = cur_view(&c, cur_u32(&c));
        if (c.bad)
            return ERR_CORRUPT;
        if (version != APPLY_RECORD_VERSION)
            return ERR_UNSUPPORTED;
        int rc = apply_record(&a, kind, body);
        if (rc != ERR_OK)
            return rc;
    }
    m->term = term;
    m->index = index;
    return ERR_OK;
}
