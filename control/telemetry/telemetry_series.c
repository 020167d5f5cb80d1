/* telemetry_series.c: see telemetry_series.h.  Items lie in an array without gaps; buckets chain
 * their places.  I1 each item is in exactly one chain.  I2 bytes counts the items and both arrays.
 */
#include "control/telemetry/telemetry_series.h"
#include "control/telemetry/telemetry.h"
#include "core/base/crc32c.h"
#include "core/base/err.h"

#include <stdlib.h>

enum { BUCKETS_FIRST = 64 };

struct key {
    uint32_t hash;
    struct view name, labels;
};

static bool
is_key(const struct telemetry_one *o, const struct key *k)
{
    return o->hash == k->hash && view_equal(view_of(o->text, o->name_bytes), k->name) &&
           view_equal(view_of(o->text + o->name_bytes, o->label_bytes), k->labels);
}

static uint32_t *
bucket_of(const struct telemetry_series *s, uint32_t hash)
{
    return &s->buckets[hash & (s->bucket_count - 1)];
}

static struct telemetry_one *
find(const struct telemetry_series *s, const struct key *k)
{
    if (s->bucket_count == 0)
        return NULL;
    for (uint32_t at = *bucket_of(s, k->hash); at; at = s->items[at - 1]->next)
        if (is_key(s->items[at - 1], k))
            return s->items[at - 1];
    return NULL;
}

static void
chain(struct telemetry_series *s, uint32_t place)
{
    uint32_t *first = bucket_of(s, s->items[place]->hash);
    s->items[place]->next = *first;
    *first = place + 1;
}

/* Takes the item at `from` out of its chain. */
static void
unchain(struct telemetry_series *s, uint32_t place)
{
    uint32_t *at = bucket_of(s, s->items[place]->hash);
    while (*at != place + 1) {
        must(*at != 0);
        at = &s->items[*at - 1]->next;
    }
    *at = s->items[place]->next;
}

static void
grow(struct telemetry_series *s)
{
    if (s->count < s->room)
        return;
    uint32_t room = s->room ? s->room * 2 : BUCKETS_FIRST;
    s->items = realloc(s->items, room * sizeof *s->items);
    free(s->buckets);
    s->buckets = calloc(room, sizeof *s->buckets);
    must(s->items != NULL && s->buckets != NULL);
    s->bytes += (room - s->room) * (sizeof *s->items + sizeof *s->buckets);
    s->room = s->bucket_count = room;
    for (uint32_t i = 0; i < s->count; i++)
        chain(s, i);
}

static uint64_t
size_of(const struct telemetry_one *o)
{
    return sizeof *o + o->name_bytes + o->label_bytes;
}

static void
drop(struct telemetry_series *s, uint32_t place)
{
    uint32_t last = s->count - 1;
    unchain(s, place);
    s->bytes -= size_of(s->items[place]);
    free(s->items[place]);
    s->count--;
    if (place == last)
        return;
    unchain(s, last);
    s->items[place] = s->items[last];
    chain(s, place);
}

/* False: everything there is in use. */
static bool
room_make(struct telemetry_series *s, uint32_t push)
{
    if (s->count < TELEMETRY_SERIES_MAX)
        return true;
    for (uint32_t i = 0; i < s->count; i++) {
        if (s->items[i]->push == push || s->items[i]->push + 1 == push)
            continue;
        drop(s, i);
        return true;
    }
    return false;
}

static struct telemetry_one *
add(struct telemetry_series *s, const struct key *k)
{
    grow(s);
    struct telemetry_one *o = malloc(sizeof *o + k->name.len + k->labels.len);
    must(o != NULL);
    *o = (struct telemetry_one){
        .hash = k->hash, .name_bytes = k->name.len, .label_bytes = k->labels.len};
    memcpy(o->text, k->name.at, k->name.len);
    if (k->labels.len)
        memcpy(o->text + k->name.len, k->labels.at, k->labels.len);
    s->items[s->count] = o;
    chain(s, s->count++);
    s->bytes += size_of(o);
    return o;
}

int
telemetry_series_take(struct telemetry_series *s, const struct telemetry_point *p, uint32_t push)
{
    uint8_t text[TELEMETRY_SERIES_BYTES_MAX];
    struct put w = put_of(text, sizeof text);
    int rc = telemetry_otlp_labels(p->point, TELEMETRY_OTLP_POINT, &w);
    if (rc == ERR_CORRUPT)
        return rc;
    if (rc != ERR_OK || p->name.len == 0 || p->name.len > sizeof text - put_len(&w))
        return ERR_LIMIT;
    struct key k = {.name = p->name, .labels = view_of(text, put_len(&w))};
    k.hash = crc32c(crc32c(0, k.name.at, k.name.len), k.labels.at, k.labels.len);
    struct telemetry_one *o = find(s, &k);
    if (!o && !room_make(s, push))
        return ERR_LIMIT;
    if (!o)
        o = add(s, &k);
    o->value = p->delta ? o->value + p->value : p->value;
    o->sum = p->sum;
    o->monotonic = p->monotonic;
    o->push = push;
    return ERR_OK;
}

void
telemetry_series_free(struct telemetry_series *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        free(s->items[i]);
    free(s->items);
    free(s->buckets);
    *s = (struct telemetry_series){0};
}
