/* meta_snapshot.c: a whole image as bytes.
 *
 *   0 "SLUICEMS"   8 u32 version (1)   12 u32 crc-32c of bytes 16..end   16 u64 generation
 *   24 u64 lsn   32 u64 term   40 u64 index   48 u64 bytes of records   56 records (meta_record.c)
 *
 * The records are those that build the image from an empty one, so meta_apply reads them: CLUSTER,
 * PRODUCER_IDS, then per topic TOPIC, CONFIG..., PARTITIONS, and TOPIC_DELETING where it applies,
 * and the SETTINGs. A generation is the journal's: the entries behind this snapshot stand there. */
#include "control/meta/meta_resource.h"
#include "core/base/crc32c.h"
#include "core/base/err.h"

#include <stdlib.h>

enum { SNAPSHOT_HEADER = 56, SNAPSHOT_VERSION = 1, SNAPSHOT_SUM_FROM = 16, RECORD_BYTES_MAX = 512 };

static const char snapshot_magic[8] = {'S', 'L', 'U', 'I', 'C', 'E', 'M', 'S'};

uint64_t
meta_snapshot_bytes(const struct meta_image *m)
{
    uint64_t bytes = SNAPSHOT_HEADER + RECORD_BYTES_MAX + meta_resource_bytes(m);
    for (uint32_t i = 0; i < m->topics_max; i++) {
        const struct meta_topic *t = m->topics[i];
        if (!t)
            continue;
        bytes += RECORD_BYTES_MAX + (uint64_t)t->partition_count * 32;
        for (uint32_t c = 0; c < META_CONFIGS; c++)
            if (t->overrides[c])
                bytes += RECORD_BYTES_MAX + strlen(t->overrides[c]);
    }
    return bytes;
}

/* Partitions of a topic are created in a few runs that share a leader; today's leaders are all the
 * same, so one record holds them. */
static void
put_topic_partitions(struct put *out, const struct meta_topic *t)
{
    if (t->partition_count == 0)
        return;
    uint32_t *slots = malloc((size_t)t->partition_count * sizeof *slots);
    must(slots != NULL);
    for (uint32_t i = 0; i < t->partition_count; i++) {
        must(t->partitions[i].leader == t->partitions[0].leader);
        must(t->partitions[i].leader_epoch == 0);
        slots[i] = t->partitions[i].slot;
    }
    meta_put_partitions(out, t->row, 0, t->partitions[0].leader, slots, t->partition_count);
    free(slots);
}

/* Writes the topics in that state. */
static void
put_topics(struct put *out, const struct meta_image *m, enum meta_state state)
{
    for (uint32_t i = 0; i < m->topics_max; i++) {
        const struct meta_topic *t = m->topics[i];
        if (!t || t->state != state)
            continue;
        meta_put_topic(out, t->row, t->id, t->internal, view_of(t->name, t->name_bytes));
        for (uint32_t c = 0; c < META_CONFIGS; c++)
            if (t->overrides[c])
                meta_put_config(out, t->row, (enum meta_config)c, t->overrides[c]);
        put_topic_partitions(out, t);
        if (t->state == META_DELETING)
            meta_put_deleting(out, t->row);
    }
}

void
meta_snapshot_encode(const struct meta_image *m, struct meta_place place, struct put *out)
{
    uint8_t *head = put_take(out, SNAPSHOT_HEADER);
    meta_put_cluster(out, m->cluster_id, m->node_id);
    meta_put_producer_ids(out, m->producer_id_next);
    put_topics(out, m, META_DELETING); /* first: a live topic may have the name of one of them */
    put_topics(out, m, META_LIVE);
    meta_resource_put_all(m, out);
    if (out->bad)
        return;
    memcpy(head, snapshot_magic, sizeof snapshot_magic);
    set_u32(head + 8, SNAPSHOT_VERSION);
    set_u64(head + 16, place.generation);
    set_u64(head + 24, place.lsn);
    set_u64(head + 32, m->term);
    set_u64(head + 40, m->index);
    set_u64(head + 48, (uint64_t)(out->at - head) - SNAPSHOT_HEADER);
    const uint8_t *from = head + SNAPSHOT_SUM_FROM;
    set_u32(head + 12, crc32c(0, from, (size_t)(out->at - from)));
}

int
meta_snapshot_decode(struct meta_image *m, struct view bytes, struct meta_place *place)
{
    if (bytes.len < SNAPSHOT_HEADER || memcmp(bytes.at, snapshot_magic, sizeof snapshot_magic) != 0)
        return ERR_CORRUPT;
    if (get_u32(bytes.at + 8) != SNAPSHOT_VERSION)
        return ERR_UNSUPPORTED;
    if (get_u64(bytes.at + 48) != bytes.len - SNAPSHOT_HEADER ||
        get_u32(bytes.at + 12) !=
            crc32c(0, bytes.at + SNAPSHOT_SUM_FROM, bytes.len - SNAPSHOT_SUM_FROM))
        return ERR_CORRUPT;
    struct view records = view_of(bytes.at + SNAPSHOT_HEADER, bytes.len - SNAPSHOT_HEADER);
    int rc = meta_apply(m, 0, 1, records);
    if (rc != ERR_OK)
        return rc;
    place->generation = get_u64(bytes.at + 16);
    place->lsn = get_u64(bytes.at + 24);
    m->term = get_u64(bytes.at + 32);
    m->index = get_u64(bytes.at + 40);
    return ERR_OK;
}
