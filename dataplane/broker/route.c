/* route.c: see route.h.
 *
 * topics[row] and parts[slot] mirror the tables by row number, so nothing is allocated for a
 * partition but its place in its topic's array.  Names and ids are found through chains of row
 * numbers.
 *
 * I1 A topic is in both chains exactly while indexed[row] is set, under fact.name and fact.id.
 * I2 parts[slot].attached: topics[topic].parts[partition] == &parts[slot], for the same topic id.
 * I3 Only a want row that says TABLE_DELETING deletes a log.  A row that is free, torn or names
 *    another partition only lets go of it: a log that nobody names stays on disk.
 * I4 The state of a log in this shard stands in its have row with the version of the want row that
 * it answers. */
#include "dataplane/broker/route.h"

#include "core/base/err.h"
#include "core/base/log.h"

#include <stdlib.h>

#define ROUTE_NONE UINT32_MAX
enum { ROUTE_PARTS_FIRST = 4 };

struct slot {
    struct route_part part; /* first: route_part * and slot * are the same */
    bool attached;
};

struct route {
    const struct region *region;
    uint32_t shard, shard_count, topics_max, slots_max;
    uint32_t rows; /* one beyond the highest row ever indexed */
    uint64_t seed;
    struct route_topic *topics;
    bool *indexed;
    struct slot *slots;
    uint32_t bucket_mask;
    uint32_t *by_name, *by_id, *next_name, *next_id; /* chains of rows */
    struct list changed, stale;
};

static uint32_t *
rows_take(uint32_t count)
{
    uint32_t *rows = malloc((size_t)count * sizeof *rows);
    if (rows)
        memset(rows, 0xff, (size_t)count * sizeof *rows); /* ROUTE_NONE */
    return rows;
}

int
route_init(const struct region *region, uint32_t shard, uint32_t shard_count, struct route **out)
{
    struct route *r = calloc(1, sizeof *r);
    *out = NULL;
    if (!r)
        return ERR_FULL;
    r->region = region;
    r->shard = shard;
    r->shard_count = shard_count;
    r->topics_max = region->header->topics_max;
    r->slots_max = region->header->partitions_max;
    memcpy(&r->seed, region->header->boot_id, sizeof r->seed);
    uint32_t buckets = 16;
    while (buckets < r->topics_max)
        buckets *= 2;
    r->bucket_mask = buckets - 1;
    list_init(&r->changed);
    list_init(&r->stale);
    /* One more of each, so that a table without rows needs no case of its own. */
    r->topics = calloc((size_t)r->topics_max + 1, sizeof *r->topics);
    r->indexed = calloc((size_t)r->topics_max + 1, sizeof *r->indexed);
    r->slots = calloc((size_t)r->slots_max + 1, sizeof *r->slots);
    r->by_name = rows_take(buckets);
    r->by_id = rows_take(buckets);
    r->next_name = rows_take(r->topics_max + 1);
    r->next_id = rows_take(r->topics_max + 1);
    if (!r->topics || !r->indexed || !r->slots || !r->by_name || !r->by_id || !r->next_name ||
        !r->next_id) {
        route_free(r);
        return ERR_FULL;
    }
    for (uint32_t i = 0; i < r->slots_max; i++) {
        r->slots[i].part.slot = i;
        list_init(&r->slots[i].part.watchers);
        list_init(&r->slots[i].part.changed);
        list_init(&r->slots[i].part.stale);
    }
    *out = r;
    return ERR_OK;
}

void
route_free(struct route *r)
{
    if (!r)
        return;
    for (uint32_t i = 0; r->topics && i < r->topics_max; i++)
        free(r->topics[i].parts);
    free(r->topics);
    free(r->indexed);
    free(r->slots);
    free(r->by_name);
    free(r->by_id);
    free(r->next_name);
    free(r->next_id);
    free(r);
}

/* ---- the two chains ---- */

/* FNV-1a. */
uint32_t
route_hash(const struct route *r, struct view name)
{
    uint64_t hash = r->seed ^ UINT64_C(0xcbf29ce484222325);
    for (uint32_t i = 0; i < name.len; i++)
        hash = (hash ^ name.at[i]) * UINT64_C(0x100000001b3);
    return (uint32_t)(hash ^ hash >> 32);
}

static uint32_t
bucket_of(const struct route *r, const uint8_t *at, uint32_t len)
{
    return route_hash(r, view_of(at, len)) & r->bucket_mask;
}

static uint32_t
bucket_of_id(const struct route *r, const uint8_t id[16])
{
    uint64_t a, b;
    memcpy(&a, id, sizeof a);
    memcpy(&b, id + 8, sizeof b);
    uint64_t hash = (a ^ b ^ r->seed) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(hash >> 32) & r->bucket_mask;
}

static void
chain_remove(uint32_t *head, uint32_t *next, uint32_t row)
{
    while (*head != row) {
        must(*head != ROUTE_NONE);
        head = &next[*head];
    }
    *head = next[row];
    next[row] = ROUTE_NONE;
}

static void
topic_unindex(struct route *r, uint32_t row)
{
    if (!r->indexed[row])
        return;
    const struct table_topic_fact *f = &r->topics[row].fact;
    chain_remove(&r->by_name[bucket_of(r, f->name, f->name_bytes)], r->next_name, row);
    chain_remove(&r->by_id[bucket_of_id(r, f->id)], r->next_id, row);
    r->indexed[row] = false;
}

static void
topic_index(struct route *r, uint32_t row)
{
    const struct table_topic_fact *f = &r->topics[row].fact;
    uint32_t *name = &r->by_name[bucket_of(r, f->name, f->name_bytes)];
    uint32_t *id = &r->by_id[bucket_of_id(r, f->id)];
    r->next_name[row] = *name;
    *name = row;
    r->next_id[row] = *id;
    *id = row;
    r->indexed[row] = true;
    if (row >= r->rows)
        r->rows = row + 1;
}

struct route_topic *
route_by_name(const struct route *r, struct view name)
{
    for (uint32_t row = r->by_name[bucket_of(r, name.at, name.len)]; row != ROUTE_NONE;
         row = r->next_name[row]) {
        struct route_topic *t = &r->topics[row];
        if (view_equal(view_of(t->fact.name, t->fact.name_bytes), name))
            return t;
    }
    return NULL;
}

struct route_topic *
route_by_id(const struct route *r, const uint8_t id[16])
{
    for (uint32_t row = r->by_id[bucket_of_id(r, id)]; row != ROUTE_NONE; row = r->next_id[row]) {
        if (memcmp(r->topics[row].fact.id, id, 16) == 0)
            return &r->topics[row];
    }
    return NULL;
}

struct route_part *
route_part(const struct route_topic *t, int32_t partition)
{
    return partition >= 0 && (uint32_t)partition < t->part_room ? t->parts[partition] : NULL;
}

struct route_topic *
route_by_row(const struct route *r, uint32_t row)
{
    return row < r->topics_max && r->indexed[row] ? &r->topics[row] : NULL;
}

uint32_t
route_rows(const struct route *r)
{
    return r->rows;
}

/* ---- partitions ---- */

void
route_mark_changed(struct route *r, struct route_part *p)
{
    list_remove(&p->changed);
    list_push_back(&r->changed, &p->changed);
}

struct route_part *
route_take_changed(struct route *r)
{
    struct list *first = list_first(&r->changed);
    if (!first)
        return NULL;
    list_remove(first);
    return list_item(first, struct route_part, changed);
}

void
route_report(struct route *r, struct route_part *p, enum table_have_state state)
{
    struct table_have_fact fact = {
        .state = state,
        .version = p->version,
        .shard = r->shard,
        .log_start_offset = -1,
        .high_watermark = -1,
        .log_end_offset = -1,
    };
    memcpy(fact.topic_id, p->topic_id, sizeof fact.topic_id);
    if (p->log) {
        struct plog_facts facts;
        plog_facts(p->log, &facts);
        fact.log_start_offset = facts.log_start_offset;
        fact.high_watermark = facts.high_watermark;
        fact.log_end_offset = facts.log_end_offset;
        fact.bytes = facts.bytes;
    }
    table_have_write(&region_have(r->region)[p->slot], &fact);
}

void
route_mark_stale(struct route *r, struct route_part *p)
{
    if (list_empty(&p->stale))
        list_push_back(&r->stale, &p->stale);
}

bool
route_stale(const struct route *r)
{
    return !list_empty(&r->stale);
}

bool
route_report_stale(struct route *r, uint32_t max)
{
    for (uint32_t n = 0; n < max && route_stale(r); n++) {
        struct list *first = list_first(&r->stale);
        struct route_part *p = list_item(first, struct route_part, stale);
        struct plog_facts facts;
        list_remove(first);
        if (!p->log || p->unopened)
            continue; /* opening it, or letting it go, reports by itself */
        plog_facts(p->log, &facts);
        route_report(r, p, facts.state == PLOG_ONLINE ? TABLE_OPEN : TABLE_FAILED);
    }
    return route_stale(r);
}

/* The slot does not stand for its partition any more; its log stays as it is. */
static void
slot_detach(struct route *r, struct slot *slot)
{
    if (!slot->attached)
        return;
    struct route_part *p = &slot->part;
    r->topics[p->topic].parts[p->partition] = NULL;
    slot->attached = false;
    if (p->log)
        plog_user_set(p->log, NULL);
    p->log = NULL;
    if (p->owner == r->shard)
        route_mark_changed(r, p);
}

/* Gives the topic a place for that partition.  ERR_FULL: no memory. */
static int
topic_grow(struct route_topic *t, int32_t partition)
{
    if ((uint32_t)partition < t->part_room)
        return ERR_OK;
    uint32_t room = t->part_room ? t->part_room : ROUTE_PARTS_FIRST;
    while (room <= (uint32_t)partition)
        room *= 2;
    struct route_part **parts = realloc(t->parts, (size_t)room * sizeof(struct route_part *));
    if (!parts)
        return ERR_FULL;
    memset(parts + t->part_room, 0, (size_t)(room - t->part_room) * sizeof(struct route_part *));
    t->parts = parts;
    t->part_room = room;
    return ERR_OK;
}

/* Opens the log of an own partition, or gives the open one its topic's configuration.  ERR_AGAIN:
 * not now, nothing is said to control yet; any other failure is reported. */
static int
part_open(struct route *r, struct store *store, struct route_part *p)
{
    const struct table_topic_config *c = &r->topics[p->topic].fact.config;
    struct plog_config config = {
        .segment_bytes = c->segment_bytes,
        .index_interval_bytes = c->index_interval_bytes,
        .segment_index_bytes = c->segment_index_bytes,
        .min_dirty_millionths = c->min_dirty_millionths,
        .segment_ms = c->segment_ms,
        .segment_jitter_ms = c->segment_jitter_ms,
        .retention_ms = c->retention_ms,
        .retention_bytes = c->retention_bytes,
        .file_delete_delay_ms = c->file_delete_delay_ms,
        .min_compaction_lag_ms = c->min_compaction_lag_ms,
        .max_compaction_lag_ms = c->max_compaction_lag_ms,
        .delete_retention_ms = c->delete_retention_ms,
        .log_append_time = c->log_append_time,
        .cleanup_delete = c->cleanup_delete,
        .cleanup_compact = c->cleanup_compact,
        .write_caching = c->write_caching,
        .preallocate = c->preallocate,
    };
    struct plog *log;
    int err = store_create(store, p->topic_id, p->partition, &config, &log);
    p->unopened = err == ERR_AGAIN;
    if (p->unopened)
        return err;
    p->log = err ? NULL : log;
    if (err) {
        log_error("route", "cannot open a partition slot=%u partition=%d err=%s", p->slot,
                  p->partition, err_name(err));
        route_report(r, p, TABLE_FAILED);
    } else {
        struct plog_facts facts;
        plog_facts(p->log, &facts);
        plog_user_set(p->log, p);
        route_report(r, p, facts.state == PLOG_ONLINE ? TABLE_OPEN : TABLE_FAILED);
    }
    route_mark_changed(r, p);
    return ERR_OK;
}

static bool
slot_is(const struct slot *slot, const struct table_want_fact *w)
{
    return slot->attached && slot->part.topic == w->topic && slot->part.partition == w->partition &&
           memcmp(slot->part.topic_id, w->topic_id, sizeof w->topic_id) == 0;
}

/* What a deleting row names is deleted, whether or not it was attached. */
static void
slot_delete(struct route *r, struct store *store, struct slot *slot,
            const struct table_want_fact *w)
{
    struct route_part *p = &slot->part;
    if (!slot->attached && p->version == w->version)
        return; /* done before */
    slot_detach(r, slot);
    p->version = w->version;
    p->owner = store_core_of(w->topic_id, w->partition, r->shard_count);
    memcpy(p->topic_id, w->topic_id, sizeof p->topic_id);
    if (p->owner != r->shard)
        return;
    struct plog *log = store_find(store, w->topic_id, w->partition);
    if (log)
        store_delete(store, log);
    route_report(r, p, TABLE_GONE);
    route_mark_changed(r, p);
}

static int
slot_attach(struct route *r, struct store *store, struct slot *slot,
            const struct table_want_fact *w)
{
    struct route_topic *t = &r->topics[w->topic];
    struct route_part *p = &slot->part;
    int err = topic_grow(t, w->partition);
    if (err)
        return err;
    if (t->parts[w->partition]) /* two rows for one partition: the later word counts */
        slot_detach(r, (struct slot *)(void *)t->parts[w->partition]);
    p->topic = w->topic;
    p->partition = w->partition;
    p->owner = store_core_of(w->topic_id, w->partition, r->shard_count);
    p->log = NULL;
    p->unopened = false;
    memcpy(p->topic_id, w->topic_id, sizeof p->topic_id);
    t->parts[w->partition] = p;
    slot->attached = true;
    return ERR_OK;
}

static int topic_refresh(struct route *r, struct store *store, uint32_t row);

/* A live want row: attach it and, when it is ours, open its log. */
static int
slot_live(struct route *r, struct store *store, struct slot *slot, const struct table_want_fact *w)
{
    if (w->topic >= r->topics_max || w->partition < 0 ||
        w->partition >= ROUTE_PARTITIONS_PER_TOPIC_MAX)
        return ERR_INVALID;
    struct route_topic *t = route_by_row(r, w->topic);
    if (!t || memcmp(t->fact.id, w->topic_id, sizeof w->topic_id) != 0) {
        int err = topic_refresh(r, store, w->topic);
        t = route_by_row(r, w->topic);
        if (err)
            return err;
        /* The rows are written one after the other: the topic's may be on its way. */
        if (!t || memcmp(t->fact.id, w->topic_id, sizeof w->topic_id) != 0)
            return ERR_AGAIN;
    }
    struct route_part *p = &slot->part;
    bool same = slot_is(slot, w);
    if (!same) {
        slot_detach(r, slot);
        int err = slot_attach(r, store, slot, w);
        if (err)
            return err;
    }
    if (same && p->version == w->version && !p->unopened)
        return ERR_OK;
    p->version = w->version;
    p->leader_id = w->leader_id;
    p->leader_epoch = w->leader_epoch;
    return p->owner == r->shard ? part_open(r, store, p) : ERR_OK;
}

int
route_refresh_want(struct route *r, struct store *store, uint32_t row)
{
    if (row >= r->slots_max)
        return ERR_INVALID;
    struct table_want_fact w;
    int err = table_want_read(&region_want(r->region)[row], &w);
    if (err)
        return err;
    struct slot *slot = &r->slots[row];
    switch (w.state) {
    case TABLE_LIVE:
        return slot_live(r, store, slot, &w);
    case TABLE_DELETING:
        slot_delete(r, store, slot, &w);
        return ERR_OK;
    default:
        slot_detach(r, slot);
        return ERR_OK;
    }
}

/* ---- topics ---- */

static void
topic_detach_parts(struct route *r, uint32_t row)
{
    struct route_topic *t = &r->topics[row];
    for (uint32_t i = 0; i < t->part_room; i++) {
        if (t->parts[i])
            slot_detach(r, (struct slot *)(void *)t->parts[i]);
    }
}

/* Own open logs follow the topic's configuration.  ERR_AGAIN: not all of them yet. */
static int
topic_configure(struct route *r, struct store *store, uint32_t row)
{
    struct route_topic *t = &r->topics[row];
    int err = ERR_OK;
    for (uint32_t i = 0; i < t->part_room; i++) {
        if (t->parts[i] && t->parts[i]->owner == r->shard && part_open(r, store, t->parts[i]))
            err = ERR_AGAIN;
    }
    return err;
}

static int
topic_refresh(struct route *r, struct store *store, uint32_t row)
{
    struct table_topic_fact f;
    int err = table_topic_read(&region_topics(r->region)[row], &f);
    if (err)
        return err;
    struct route_topic *t = &r->topics[row];
    bool live = f.state == TABLE_LIVE && f.name_bytes > 0 && f.name_bytes <= TABLE_NAME_BYTES_MAX;
    bool same = r->indexed[row] && live && memcmp(t->fact.id, f.id, sizeof f.id) == 0;
    if (same && t->fact.version == f.version)
        return ERR_OK;
    topic_unindex(r, row);
    if (!same)
        topic_detach_parts(r, row);
    if (!live)
        return ERR_OK;
    bool configure = same && memcmp(&t->fact.config, &f.config, sizeof f.config) != 0;
    t->fact = f;
    topic_index(r, row);
    return configure ? topic_configure(r, store, row) : ERR_OK;
}

int
route_refresh_topic(struct route *r, struct store *store, uint32_t row)
{
    return row < r->topics_max ? topic_refresh(r, store, row) : ERR_INVALID;
}

int
route_refresh_all(struct route *r, struct store *store)
{
    int err = ERR_OK;
    for (uint32_t row = 0; row < r->topics_max; row++) {
        if (topic_refresh(r, store, row))
            err = ERR_AGAIN;
    }
    for (uint32_t row = 0; row < r->slots_max; row++) {
        int e = route_refresh_want(r, store, row);
        if (e == ERR_AGAIN || e == ERR_FULL)
            err = ERR_AGAIN;
    }
    return err;
}

struct unnamed {
    uint32_t count;
};

static void
unnamed_count(void *user, struct plog *p)
{
    struct unnamed *u = user;
    if (!plog_user(p))
        u->count++;
}

uint32_t
route_unnamed(const struct route *r, struct store *store)
{
    struct unnamed u = {0};
    store_each(store, unnamed_count, &u);
    return u.count;
}
