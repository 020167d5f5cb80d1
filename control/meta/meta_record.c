/* meta_record.c: writes the records of entries.
 *
 *   byte 0 u8 kind   1 u8 version (1)   2 u32 bytes of the body   6 body, big endian:
 *
 *   TOPIC           u32 row, id[16], u8 internal, u8 n, name[n]
 *   PARTITIONS      u32 row, u32 first, i32 leader, i32 leader epoch, u32 n, u32 slot[n]
 *   CONFIG          u32 row, u8 n, key[n], u8 present, u16 v, value[v]
 *   TOPIC_DELETING  u32 row
 *   TOPIC_GONE      u32 row
 *   PRODUCER_IDS    i64 next
 *   CLUSTER         i32 node, u8 n, id[n]
 *   SETTING         u8 type, u16 n, name[n], u8 k, key[k], u8 present, u16 v, value[v]
 *
 * Keys of configuration travel by name, so that topic_config.def may be reordered. */
#include "control/meta/meta_resource.h"

enum { RECORD_VERSION = 1 };

/* Returns where the length goes; record_end fills it in. */
static uint8_t *
record_begin(struct put *out, enum meta_kind kind)
{
    put_u8(out, (uint8_t)kind);
    put_u8(out, RECORD_VERSION);
    return put_take(out, 4);
}

static void
record_end(struct put *out, uint8_t *length)
{
    if (!out->bad)
        set_u32(length, (uint32_t)(out->at - length) - 4);
}

void
meta_put_topic(struct put *out, uint32_t row, const uint8_t *id, bool internal, struct view name)
{
    must(name.len <= META_NAME_BYTES_MAX);
    uint8_t *length = record_begin(out, META_TOPIC);
    put_u32(out, row);
    put_bytes(out, id, META_ID_BYTES);
    put_u8(out, internal);
    put_u8(out, (uint8_t)name.len);
    put_bytes(out, name.at, name.len);
    record_end(out, length);
}

void
meta_put_partitions(struct put *out, uint32_t row, uint32_t first, int32_t leader,
                    const uint32_t *slots, uint32_t count)
{
    uint8_t *length = record_begin(out, META_PARTITIONS);
    put_u32(out, row);
    put_u32(out, first);
    put_u32(out, (uint32_t)leader);
    put_u32(out, 0); /* leader epoch of a new partition */
    put_u32(out, count);
    for (uint32_t i = 0; i < count; i++)
        put_u32(out, slots[i]);
    record_end(out, length);
}

void
meta_put_config(struct put *out, uint32_t row, enum meta_config key, const char *value)
{
    struct view name = view_of_text(meta_config_row(key)->name);
    struct view text = value ? view_of_text(value) : (struct view){0};
    must(name.len <= UINT8_MAX && text.len <= UINT16_MAX);
    uint8_t *length = record_begin(out, META_CONFIG);
    put_u32(out, row);
    put_u8(out, (uint8_t)name.len);
    put_bytes(out, name.at, name.len);
    put_u8(out, value != NULL);
    put_u16(out, (uint16_t)text.len);
    put_bytes(out, text.at, text.len);
    record_end(out, length);
}

static void
put_row(struct put *out, enum meta_kind kind, uint32_t row)
{
    uint8_t *length = record_begin(out, kind);
    put_u32(out, row);
    record_end(out, length);
}

void
meta_put_deleting(struct put *out, uint32_t row)
{
    put_row(out, META_TOPIC_DELETING, row);
}

void
meta_put_gone(struct put *out, uint32_t row)
{
    put_row(out, META_TOPIC_GONE, row);
}

void
meta_put_producer_ids(struct put *out, int64_t next)
{
    uint8_t *length = record_begin(out, META_PRODUCER_IDS);
    put_u64(out, (uint64_t)next);
    record_end(out, length);
}

void
meta_put_cluster(struct put *out, const char *cluster_id, int32_t node_id)
{
    struct view id = view_of_text(cluster_id);
    must(id.len <= META_CLUSTER_BYTES_MAX);
    uint8_t *length = record_begin(out, META_CLUSTER);
    put_u32(out, (uint32_t)node_id);
    put_u8(out, (uint8_t)id.len);
    put_bytes(out, id.at, id.len);
    record_end(out, length);
}

void
meta_put_setting(struct put *out, enum meta_resource_type type, struct view name, struct view key,
                 const char *value)
{
    struct view text = value ? view_of_text(value) : (struct view){0};
    must(name.len <= UINT16_MAX && key.len <= UINT8_MAX && text.len <= UINT16_MAX);
    uint8_t *length = record_begin(out, META_SETTING);
    put_u8(out, (uint8_t)type);
    put_u16(out, (uint16_t)name.len);
    put_bytes(out, name.at, name.len);
    put_u8(out, (uint8_t)key.len);
    put_bytes(out, key.at, key.len);
    put_u8(out, value != NULL);
    put_u16(out, (uint16_t)text.len);
    put_bytes(out, text.at, text.len);
    record_end(out, length);
}
