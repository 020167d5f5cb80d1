/* census_tables.c: topics and partitions from the region's tables.
 *
 * Rows are read one by one, each whole; the tables change meanwhile, so a partition counts only
 * when its topic, read before, is still the one that its row means (by id). */
#include "control/census/census.h"

#include "core/base/err.h"
#include "core/base/must.h"
#include "core/shm/table.h"

#include <stdlib.h>

static bool
topic_add(struct census *c, uint32_t row, const struct table_topic_fact *f)
{
    struct census_topic *t = &c->topics[c->topic_count++];
    *t = (struct census_topic){.row = row, .internal = f->internal != 0};
    memcpy(t->id, f->id, sizeof t->id);
    t->name = (struct census_text){c->pool_bytes, f->name_bytes};
    memcpy(c->pool + c->pool_bytes, f->name, f->name_bytes);
    c->pool_bytes += f->name_bytes;
    return true;
}

static int
order(const void *a, size_t a_bytes, const void *b, size_t b_bytes)
{
    int d = memcmp(a, b, a_bytes < b_bytes ? a_bytes : b_bytes);
    return d ? d : (a_bytes > b_bytes) - (a_bytes < b_bytes);
}

static int
topic_order(const void *a, const void *b, void *pool)
{
    const struct census_topic *x = a, *y = b;
    return order((char *)pool + x->name.at, x->name.bytes, (char *)pool + y->name.at,
                 y->name.bytes);
}

static int
partition_order(const void *a, const void *b)
{
    const struct census_partition *x = a, *y = b;
    if (x->topic != y->topic)
        return x->topic < y->topic ? -1 : 1;
    return (x->partition > y->partition) - (x->partition < y->partition);
}

/* Arrays for `count` items, freed with the census. */
static void *
array_of(struct census *c, uint32_t count, size_t size)
{
    void *at = calloc(count ? count : 1, size);
    must(at != NULL);
    c->bytes += (uint64_t)count * size;
    return at;
}

static uint32_t
live_count(const struct region *r, bool topics)
{
    uint32_t n = 0, max = topics ? r->header->topics_max : r->header->partitions_max;
    for (uint32_t i = 0; i < max; i++) {
        /* Only a size: who is read is decided by a whole read of the row. */
        uint32_t state = topics ? region_topics(r)[i].fact.state : region_want(r)[i].fact.state;
        n += state == TABLE_LIVE;
    }
    return n;
}

/* Returns the row number of each topic's place in topics, CENSUS_NONE elsewhere; to be freed. */
static uint32_t *
topics_read(struct census *c, const struct region *r)
{
    uint32_t max = r->header->topics_max, room = live_count(r, true);
    c->topics = array_of(c, room, sizeof *c->topics);
    c->topic_room = room;
    c->pool = array_of(c, room, TABLE_NAME_BYTES_MAX);
    c->pool_room = room * TABLE_NAME_BYTES_MAX;
    for (uint32_t row = 0; row < max && c->topic_count < room; row++) {
        struct table_topic_fact f;
        if (region_topics(r)[row].fact.state != TABLE_LIVE)
            continue;
        if (table_topic_read(&region_topics(r)[row], &f) != ERR_OK ||
            f.name_bytes > TABLE_NAME_BYTES_MAX)
            c->torn++;
        else if (f.state == TABLE_LIVE)
            topic_add(c, row, &f);
    }
    qsort_r(c->topics, c->topic_count, sizeof *c->topics, topic_order, c->pool);
    uint32_t *places = malloc(((size_t)max + 1) * sizeof *places);
    must(places != NULL);
    memset(places, 0xff, ((size_t)max + 1) * sizeof *places);
    for (uint32_t i = 0; i < c->topic_count; i++)
        places[c->topics[i].row] = i;
    return places;
}

static void
have_read(struct census_partition *p, const struct table_want_fact *w, const struct region *r,
          uint32_t slot)
{
    struct table_have_fact h;
    p->shard = CENSUS_NONE;
    p->log_start = p->high_watermark = p->log_end = -1;
    if (table_have_read(&region_have(r)[slot], &h) != ERR_OK ||
        memcmp(h.topic_id, w->topic_id, sizeof h.topic_id) != 0 || h.state == TABLE_ABSENT ||
        h.state == TABLE_GONE)
        return;
    p->open = h.state == TABLE_OPEN;
    p->failed = h.state == TABLE_FAILED;
    p->shard = h.shard;
    p->log_start = h.log_start_offset;
    p->high_watermark = h.high_watermark;
    p->log_end = h.log_end_offset;
    p->bytes = h.bytes;
}

static void
partitions_read(struct census *c, const struct region *r, const uint32_t *places)
{
    uint32_t room = live_count(r, false);
    c->partitions = array_of(c, room, sizeof *c->partitions);
    c->partition_room = room;
    for (uint32_t slot = 0; slot < r->header->partitions_max && c->partition_count < room; slot++) {
        struct table_want_fact w;
        if (region_want(r)[slot].fact.state != TABLE_LIVE)
            continue;
        if (table_want_read(&region_want(r)[slot], &w) != ERR_OK) {
            c->torn++;
            continue;
        }
        uint32_t topic = w.topic < r->header->topics_max ? places[w.topic] : CENSUS_NONE;
        if (w.state != TABLE_LIVE || topic == CENSUS_NONE ||
            memcmp(c->topics[topic].id, w.topic_id, sizeof w.topic_id) != 0)
            continue;
        struct census_partition *p = &c->partitions[c->partition_count++];
        *p = (struct census_partition){.topic = topic,
                                       .partition = w.partition,
                                       .leader_id = w.leader_id,
                                       .leader_epoch = w.leader_epoch};
        have_read(p, &w, r, slot);
    }
    qsort(c->partitions, c->partition_count, sizeof *c->partitions, partition_order);
}

void
census_tables(struct census *c, const struct region *r)
{
    must(!c->topics && !c->partitions && !c->pool);
    uint32_t *places = topics_read(c, r);
    partitions_read(c, r, places);
    free(places);
    for (uint32_t i = 0; i < c->partition_count; i++) {
        struct census_topic *t = &c->topics[c->partitions[i].topic];
        if (t->count++ == 0)
            t->first = i;
    }
}

uint32_t
census_topic_find(const struct census *c, struct view name)
{
    uint32_t first = 0, limit = c->topic_count;
    while (first < limit) {
        uint32_t middle = first + (limit - first) / 2;
        struct view v = census_view(c, c->topics[middle].name);
        int d = order(name.at, name.len, v.at, v.len);
        if (d == 0)
            return middle;
        if (d < 0)
            limit = middle;
        else
            first = middle + 1;
    }
    return CENSUS_NONE;
}

uint32_t
census_partition_find(const struct census *c, uint32_t topic, int32_t partition)
{
    if (topic == CENSUS_NONE || partition < 0)
        return CENSUS_NONE;
    const struct census_topic *t = &c->topics[topic];
    /* Nearly always every number is there, in its place. */
    uint32_t guess = t->first + (uint32_t)partition;
    if ((uint32_t)partition < t->count && c->partitions[guess].partition == partition)
        return guess;
    for (uint32_t i = t->first; i < t->first + t->count; i++)
        if (c->partitions[i].partition == partition)
            return i;
    return CENSUS_NONE;
}

void
census_join(const struct census *tables, struct census *of)
{
    struct census_text last = {0};
    uint32_t topic = CENSUS_NONE;
    for (uint32_t i = 0; i < of->offset_count; i++) {
        struct census_offset *o = &of->offsets[i];
        if (i == 0 || o->topic.at != last.at)
            topic = census_topic_find(tables, census_view(of, o->topic));
        last = o->topic;
        o->at = census_partition_find(tables, topic, o->partition);
    }
}

int64_t
census_lag(const struct census *tables, const struct census_offset *o)
{
    if (o->at == CENSUS_NONE)
        return -1;
    const struct census_partition *p = &tables->partitions[o->at];
    if (p->high_watermark < 0)
        return -1;
    return p->high_watermark > o->offset ? p->high_watermark - o->offset : 0;
}
