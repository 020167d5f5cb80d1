/* session.c: cache of incremental fetch sessions.
 *
 * Sessions are slots of one array; a session id holds its slot's index in the low bits and random
 * bits above, so finding is one comparison.  A session has two blocks of the arena:
 *   parts    struct session_part[room], then room heads of hash chains
 *   topics   struct topic and its key, `stride` bytes each, [room], then room heads
 * Rooms are powers of two and only grow; indexes survive growth.
 *
 * I1 Every partition of a session is once in its order list and once in its hash chain; topics
 * count the partitions that use them and go with the last one. I2 `evictable` is in the heap only
 * for sessions that were used more than SESSION_EVICT_MS after they were made: a young session
 * cannot be pushed out by a larger one. I3 The used list is in order of used_ms. */
#include "dataplane/broker/session.h"

#include "core/base/err.h"
#include "core/wire/kerr.h"

#include <stddef.h>

enum { ROOM_MIN = 4, ID_KEY_BYTES = 16, NAME_KEY_BYTES = 252 };

struct topic {
    uint32_t hash, refs;
    int32_t chain;
    uint32_t len;
    uint8_t key[];
};

struct session_cache {
    uint32_t slots, count, index_bits;
    uint64_t seed, random;
    struct buddy *blocks;
    struct list used, free; /* struct session by used */
    struct heap evictable;
    struct session sessions[];
};

size_t
session_footprint(uint32_t slots)
{
    return sizeof(struct session_cache) +
           (size_t)slots * (sizeof(struct session) + sizeof(struct heap_node *));
}

struct session_cache *
session_init(void *memory, uint32_t slots, struct buddy *blocks, uint64_t seed)
{
    must(slots <= SESSION_SLOTS_MAX);
    struct session_cache *c = memory;
    c->slots = slots;
    c->count = 0;
    c->blocks = blocks;
    c->seed = seed;
    c->random = seed;
    c->index_bits = 1;
    while ((UINT32_C(1) << c->index_bits) < slots)
        c->index_bits++;
    list_init(&c->used);
    list_init(&c->free);
    for (uint32_t i = 0; i < slots; i++)
        list_push_back(&c->free, &c->sessions[i].used);
    heap_init(&c->evictable, (struct heap_node **)(void *)&c->sessions[slots], slots);
    return c;
}

uint32_t
session_count(const struct session_cache *c)
{
    return c->count;
}

static uint64_t
mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint32_t
topic_hash(const struct session_cache *c, struct view key)
{
    uint64_t h = c->seed;
    uint32_t i = 0;
    for (; i + 8 <= key.len; i += 8)
        h = mix(h ^ get_u64(key.at + i));
    uint64_t rest = key.len;
    for (; i < key.len; i++)
        rest = rest << 8 | key.at[i];
    return (uint32_t)mix(h ^ rest);
}

static uint32_t
part_slot(const struct session_cache *c, const struct session *s, uint32_t topic, int32_t partition)
{
    uint64_t key = (uint64_t)topic << 32 | (uint32_t)partition;
    return (uint32_t)mix(key ^ c->seed) & (s->part_room - 1);
}

static struct topic *
topic_at(const struct session *s, uint32_t i)
{
    return (struct topic *)(void *)(s->topics + (size_t)i * s->topic_stride);
}

struct view
session_topic(const struct session *s, const struct session_part *p)
{
    const struct topic *t = topic_at(s, p->topic);
    return view_of(t->key, t->len);
}

/* ---- growth ---- */

static int
parts_grow(struct session_cache *c, struct session *s)
{
    uint32_t room = s->part_room ? s->part_room * 2 : ROOM_MIN;
    if (room > SESSION_PARTS_MAX)
        return ERR_LIMIT;
    size_t bytes = 0;
    struct session_part *parts =
        buddy_take(c->blocks, room * (sizeof *parts + sizeof(int32_t)), &bytes);
    if (!parts)
        return ERR_LIMIT;
    struct session_part *old = s->parts;
    uint32_t had = s->part_room;
    if (old)
        memcpy(parts, old, had * sizeof *parts);
    s->parts = parts;
    s->part_heads = (int32_t *)(void *)&parts[room];
    s->part_room = room;
    for (uint32_t i = 0; i < room; i++)
        s->part_heads[i] = SESSION_NO_PART;
    for (int32_t i = s->part_first; i != SESSION_NO_PART; i = parts[i].next) {
        int32_t *head = &s->part_heads[part_slot(c, s, parts[i].topic, parts[i].partition)];
        parts[i].chain = *head;
        *head = i;
    }
    for (uint32_t i = room; i-- > had;) { /* the lowest index is used first */
        parts[i].chain = s->part_free;
        s->part_free = (int32_t)i;
    }
    if (old)
        buddy_give(c->blocks, old);
    return ERR_OK;
}

static int
topics_grow(struct session_cache *c, struct session *s)
{
    uint32_t room = s->topic_room ? s->topic_room * 2 : ROOM_MIN;
    size_t bytes = room * ((size_t)s->topic_stride + sizeof(int32_t)), got = 0;
    uint8_t *topics = room <= SESSION_PARTS_MAX ? buddy_take(c->blocks, bytes, &got) : NULL;
    if (!topics)
        return ERR_LIMIT;
    uint8_t *old = s->topics;
    uint32_t had = s->topic_room;
    if (old)
        memcpy(topics, old, (size_t)had * s->topic_stride);
    s->topics = topics;
    s->topic_heads = (int32_t *)(void *)(topics + (size_t)room * s->topic_stride);
    s->topic_room = room;
    for (uint32_t i = 0; i < room; i++)
        s->topic_heads[i] = SESSION_NO_PART;
    for (uint32_t i = 0; i < had; i++) { /* none is free: else nobody grows */
        int32_t *head = &s->topic_heads[topic_at(s, i)->hash & (room - 1)];
        topic_at(s, i)->chain = *head;
        *head = (int32_t)i;
    }
    for (uint32_t i = room; i-- > had;) {
        topic_at(s, i)->refs = 0;
        topic_at(s, i)->chain = s->topic_free;
        s->topic_free = (int32_t)i;
    }
    if (old)
        buddy_give(c->blocks, old);
    return ERR_OK;
}

/* ---- topics and partitions ---- */

static int32_t
topic_find(const struct session *s, uint32_t hash, struct view key)
{
    if (s->topic_room == 0)
        return SESSION_NO_PART;
    int32_t i = s->topic_heads[hash & (s->topic_room - 1)];
    while (i != SESSION_NO_PART) {
        const struct topic *t = topic_at(s, (uint32_t)i);
        if (t->hash == hash && view_equal(view_of(t->key, t->len), key))
            break;
        i = t->chain;
    }
    return i;
}

static int
topic_add(struct session_cache *c, struct session *s, uint32_t hash, struct view key, int32_t *out)
{
    if (key.len > s->topic_stride - sizeof(struct topic))
        return ERR_LIMIT;
    if (s->topic_free == SESSION_NO_PART) {
        int err = topics_grow(c, s);
        if (err)
            return err;
    }
    *out = s->topic_free;
    struct topic *t = topic_at(s, (uint32_t)*out);
    s->topic_free = t->chain;
    t->hash = hash;
    t->refs = 0;
    t->len = key.len;
    if (key.len)
        memcpy(t->key, key.at, key.len);
    int32_t *head = &s->topic_heads[hash & (s->topic_room - 1)];
    t->chain = *head;
    *head = *out;
    s->topic_count++;
    return ERR_OK;
}

static void
topic_drop(struct session *s, uint32_t i)
{
    struct topic *t = topic_at(s, i);
    int32_t *at = &s->topic_heads[t->hash & (s->topic_room - 1)];
    while (*at != (int32_t)i)
        at = &topic_at(s, (uint32_t)*at)->chain;
    *at = t->chain;
    t->chain = s->topic_free;
    s->topic_free = (int32_t)i;
    s->topic_count--;
}

static int32_t
part_find(const struct session_cache *c, const struct session *s, int32_t topic, int32_t partition)
{
    if (topic == SESSION_NO_PART || s->part_room == 0)
        return SESSION_NO_PART;
    int32_t i = s->part_heads[part_slot(c, s, (uint32_t)topic, partition)];
    while (i != SESSION_NO_PART &&
           (s->parts[i].topic != (uint32_t)topic || s->parts[i].partition != partition))
        i = s->parts[i].chain;
    return i;
}

static void
order_push(struct session *s, int32_t i)
{
    struct session_part *p = &s->parts[i];
    p->prev = s->part_last;
    p->next = SESSION_NO_PART;
    if (s->part_last == SESSION_NO_PART)
        s->part_first = i;
    else
        s->parts[s->part_last].next = i;
    s->part_last = i;
}

static void
order_remove(struct session *s, int32_t i)
{
    const struct session_part *p = &s->parts[i];
    if (p->prev == SESSION_NO_PART)
        s->part_first = p->next;
    else
        s->parts[p->prev].next = p->next;
    if (p->next == SESSION_NO_PART)
        s->part_last = p->prev;
    else
        s->parts[p->next].prev = p->prev;
}

int
session_put(struct session_cache *c, struct session *s, struct view topic, int32_t partition,
            const struct session_params *params, int32_t *part)
{
    uint32_t hash = topic_hash(c, topic);
    int32_t t = topic_find(s, hash, topic);
    int32_t i = part_find(c, s, t, partition);
    if (i != SESSION_NO_PART) {
        s->parts[i].params = *params;
        *part = i;
        return ERR_OK;
    }
    if (s->part_free == SESSION_NO_PART && parts_grow(c, s))
        return ERR_LIMIT;
    if (t == SESSION_NO_PART && topic_add(c, s, hash, topic, &t))
        return ERR_LIMIT;
    i = s->part_free;
    struct session_part *p = &s->parts[i];
    s->part_free = p->chain;
    *p = (struct session_part){.params = *params,
                               .high_watermark = -1,
                               .log_start_offset = -1,
                               .partition = partition,
                               .topic = (uint32_t)t};
    int32_t *head = &s->part_heads[part_slot(c, s, p->topic, partition)];
    p->chain = *head;
    *head = i;
    order_push(s, i);
    topic_at(s, p->topic)->refs++;
    s->part_count++;
    *part = i;
    return ERR_OK;
}

void
session_forget(struct session_cache *c, struct session *s, struct view topic, int32_t partition)
{
    int32_t i = part_find(c, s, topic_find(s, topic_hash(c, topic), topic), partition);
    if (i == SESSION_NO_PART)
        return;
    struct session_part *p = &s->parts[i];
    int32_t *at = &s->part_heads[part_slot(c, s, p->topic, partition)];
    while (*at != i)
        at = &s->parts[*at].chain;
    *at = p->chain;
    order_remove(s, i);
    if (--topic_at(s, p->topic)->refs == 0)
        topic_drop(s, p->topic);
    p->chain = s->part_free;
    s->part_free = i;
    s->part_count--;
}

/* ---- the cache ---- */

struct session *
session_find(const struct session_cache *c, int32_t id)
{
    uint32_t i = (uint32_t)id & ((UINT32_C(1) << c->index_bits) - 1);
    if (id <= 0 || i >= c->slots || c->sessions[i].id != id)
        return NULL;
    return (struct session *)(uintptr_t)&c->sessions[i];
}

static void
touch(struct session_cache *c, struct session *s, uint64_t now_ms)
{
    s->used_ms = now_ms;
    list_remove(&s->used);
    list_push_back(&c->used, &s->used);
    heap_remove(&c->evictable, &s->evictable);
    if (now_ms - s->created_ms > SESSION_EVICT_MS)
        must(heap_add(&c->evictable, &s->evictable,
                      (uint64_t)s->part_count << 32 | (uint32_t)s->id));
}

void
session_remove(struct session_cache *c, struct session *s)
{
    must(s->id != 0);
    heap_remove(&c->evictable, &s->evictable);
    if (s->parts)
        buddy_give(c->blocks, s->parts);
    if (s->topics)
        buddy_give(c->blocks, s->topics);
    s->parts = NULL;
    s->topics = NULL;
    s->id = 0;
    list_remove(&s->used);
    list_push_back(&c->free, &s->used);
    c->count--;
}

enum session_kind
session_open(struct session_cache *c, bool uses_ids, int32_t id, int32_t epoch, int16_t *error,
             struct session **out)
{
    struct session *s = session_find(c, id);
    *error = KERR_NONE;
    *out = NULL;
    if (epoch == SESSION_EPOCH_INITIAL || epoch == SESSION_EPOCH_FINAL) {
        if (s)
            session_remove(c, s);
        return epoch == SESSION_EPOCH_FINAL ? SESSION_LESS : SESSION_FULL;
    }
    if (!s)
        *error = KERR_FETCH_SESSION_ID_NOT_FOUND;
    else if (s->epoch != epoch)
        *error = KERR_INVALID_FETCH_SESSION_EPOCH;
    else if (s->uses_ids != uses_ids)
        *error = KERR_FETCH_SESSION_TOPIC_ID_ERROR;
    if (*error != KERR_NONE)
        return SESSION_ERROR;
    *out = s;
    return SESSION_INCREMENTAL;
}

bool
session_commit(struct session_cache *c, struct session *s, uint64_t now_ms)
{
    if (s->part_count == 0) {
        session_remove(c, s);
        return false;
    }
    touch(c, s, now_ms);
    s->epoch = s->epoch == INT32_MAX ? 1 : s->epoch + 1;
    return true;
}

/* Makes room by Kafka's rule; false when every session is worth more than the new one. */
static bool
evict(struct session_cache *c, uint32_t part_count, uint64_t now_ms)
{
    struct list *oldest = list_first(&c->used);
    if (!oldest)
        return false;
    struct session *s = list_item(oldest, struct session, used);
    if (now_ms - s->used_ms <= SESSION_EVICT_MS) {
        struct heap_node *least = heap_first(&c->evictable);
        if (!least || (uint64_t)part_count << 32 < least->key)
            return false;
        s = heap_item(least, struct session, evictable);
    }
    session_remove(c, s);
    return true;
}

struct session *
session_create(struct session_cache *c, bool uses_ids, uint32_t part_count, uint64_t now_ms)
{
    if (list_empty(&c->free) && !evict(c, part_count, now_ms))
        return NULL;
    struct session *s = list_item(list_first(&c->free), struct session, used);
    uint32_t index = (uint32_t)(s - c->sessions);
    uint32_t id;
    do {
        id = ((uint32_t)mix(++c->random) << c->index_bits | index) & INT32_MAX;
    } while (id >> c->index_bits == 0); /* 0 is no session */
    *s = (struct session){.id = (int32_t)id,
                          .epoch = 1,
                          .uses_ids = uses_ids,
                          .created_ms = now_ms,
                          .used = s->used,
                          .part_first = SESSION_NO_PART,
                          .part_last = SESSION_NO_PART,
                          .part_free = SESSION_NO_PART,
                          .topic_free = SESSION_NO_PART};
    s->topic_stride =
        (uint32_t)sizeof(struct topic) + (uses_ids ? (uint32_t)ID_KEY_BYTES : NAME_KEY_BYTES);
    c->count++;
    touch(c, s, now_ms);
    return s;
}

bool
session_current(const struct session_cache *c, int32_t id, int32_t epoch)
{
    const struct session *s = session_find(c, id);
    return s && s->epoch == epoch;
}

bool
session_news(const struct session_part *p, const struct session_result *r)
{
    return r->records_bytes > 0 || r->error != KERR_NONE || r->diverging ||
           p->high_watermark != r->high_watermark || p->log_start_offset != r->log_start_offset;
}

void
session_answered(struct session *s, int32_t part, const struct session_result *r)
{
    struct session_part *p = &s->parts[part];
    p->high_watermark = r->error == KERR_NONE ? r->high_watermark : -1; /* news when it ends */
    p->log_start_offset = r->log_start_offset;
    if (r->records_bytes > 0) {
        order_remove(s, part);
        order_push(s, part);
    }
}
