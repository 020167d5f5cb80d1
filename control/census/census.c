#include "control/census/census.h"

#include "core/base/must.h"

#include <stdlib.h>

enum { ROOM_FIRST = 64 };

void
census_init(struct census *c)
{
    *c = (struct census){0};
}

void
census_free(struct census *c)
{
    free(c->pool);
    free(c->topics);
    free(c->partitions);
    free(c->groups);
    free(c->offsets);
    free(c->txns);
    free(c->clients);
    free(c->values);
    census_init(c);
}

/* The array with room for one more item of that size; NULL: it may not grow any more. */
static void *
grown(struct census *c, void *at, uint32_t count, uint32_t *room, size_t size)
{
    if (count < *room)
        return at;
    uint32_t more = *room ? *room * 2 : ROOM_FIRST;
    uint64_t extra = (uint64_t)(more - *room) * size;
    if (c->bytes + extra > CENSUS_BYTES_MAX)
        return NULL;
    at = realloc(at, (size_t)more * size);
    must(at != NULL);
    *room = more;
    c->bytes += extra;
    return at;
}

static bool
text_add(struct census *c, struct view v, struct census_text *out)
{
    while (c->pool_room - c->pool_bytes < v.len) {
        void *at = grown(c, c->pool, c->pool_room, &c->pool_room, 1);
        if (!at)
            return false;
        c->pool = at;
    }
    *out = (struct census_text){c->pool_bytes, v.len};
    if (v.len)
        memcpy(c->pool + c->pool_bytes, v.at, v.len);
    c->pool_bytes += v.len;
    return true;
}

static bool
left_out(struct census *c)
{
    c->short_of++;
    return false;
}

bool
census_add_group(struct census *c, const struct census_group *g, struct view id,
                 struct view protocol_type, struct view protocol)
{
    struct census_group copy = *g;
    void *at = grown(c, c->groups, c->group_count, &c->group_room, sizeof *c->groups);
    if (!at)
        return left_out(c);
    c->groups = at;
    if (!text_add(c, id, &copy.id) || !text_add(c, protocol_type, &copy.protocol_type) ||
        !text_add(c, protocol, &copy.protocol))
        return left_out(c);
    copy.first = c->offset_count;
    copy.count = 0;
    c->groups[c->group_count++] = copy;
    return true;
}

bool
census_add_offset(struct census *c, struct view topic, int32_t partition, int64_t offset,
                  int64_t commit_ms)
{
    must(c->group_count > 0);
    struct census_group *g = &c->groups[c->group_count - 1];
    struct census_offset o = {.partition = partition, .offset = offset, .commit_ms = commit_ms};
    void *at = grown(c, c->offsets, c->offset_count, &c->offset_room, sizeof *c->offsets);
    if (!at)
        return left_out(c);
    c->offsets = at;
    const struct census_offset *last = g->count ? &c->offsets[c->offset_count - 1] : NULL;
    if (last && view_equal(census_view(c, last->topic), topic))
        o.topic = last->topic; /* offsets come topic by topic */
    else if (!text_add(c, topic, &o.topic))
        return left_out(c);
    o.at = CENSUS_NONE;
    c->offsets[c->offset_count++] = o;
    g->count++;
    return true;
}

bool
census_add_txn(struct census *c, const struct census_txn *t, struct view id)
{
    struct census_txn copy = *t;
    void *at = grown(c, c->txns, c->txn_count, &c->txn_room, sizeof *c->txns);
    if (!at)
        return left_out(c);
    c->txns = at;
    if (!text_add(c, id, &copy.id))
        return left_out(c);
    c->txns[c->txn_count++] = copy;
    return true;
}

bool
census_add_client(struct census *c, const uint8_t instance[16], int64_t pushed_ms,
                  const struct census_client_texts *texts)
{
    struct census_client one = {.pushed_ms = pushed_ms, .first = c->value_count};
    void *at = grown(c, c->clients, c->client_count, &c->client_room, sizeof *c->clients);
    if (!at)
        return left_out(c);
    c->clients = at;
    memcpy(one.instance, instance, sizeof one.instance);
    if (!text_add(c, texts->client_id, &one.client_id) ||
        !text_add(c, texts->software_name, &one.software_name) ||
        !text_add(c, texts->software_version, &one.software_version) ||
        !text_add(c, texts->address, &one.address))
        return left_out(c);
    c->clients[c->client_count++] = one;
    return true;
}

bool
census_add_value(struct census *c, struct view name, struct view labels, bool counter, double value)
{
    must(c->client_count > 0);
    struct census_value v = {.counter = counter, .value = value};
    void *at = grown(c, c->values, c->value_count, &c->value_room, sizeof *c->values);
    if (!at)
        return left_out(c);
    c->values = at;
    if (!text_add(c, name, &v.name) || !text_add(c, labels, &v.labels))
        return left_out(c);
    c->values[c->value_count++] = v;
    c->clients[c->client_count - 1].count++;
    return true;
}

struct census_mark
census_mark_of(const struct census *c)
{
    return (struct census_mark){c->pool_bytes, c->group_count, c->offset_count, c->txn_count,
                                c->short_of};
}

void
census_rewind(struct census *c, const struct census_mark *mark)
{
    c->pool_bytes = mark->pool_bytes;
    c->group_count = mark->group_count;
    c->offset_count = mark->offset_count;
    c->txn_count = mark->txn_count;
    c->short_of = mark->short_of;
}
