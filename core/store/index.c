/* index.c: the sparse index of one segment, in memory: offset, time and position of some batches.
 *
 * Chunk k has room for INDEX_FIRST << k entries, so few are enough, none ever moves, and an entry
 * is found by its number.  When there is no room for more, the front of the index gets sparser in
 * place: it always takes another entry, at the price of longer walks in the old part.
 * I1 rel and pos grow strictly, max_ts never falls.  I2 chunks but the last in use are full. */
#include "core/store/plog_in.h"
#include "core/store/slab.h"

enum { INDEX_FIRST = 10 }; /* 240 of 256 bytes */

_Static_assert(INDEX_FIRST * sizeof(struct index_entry) <= 256, "a small block of the slab");

/* The chunk of entry i, and its place there. */
static uint32_t
chunk_of(uint32_t i, uint32_t *place)
{
    uint32_t k = 31 - (uint32_t)__builtin_clz(i / INDEX_FIRST + 1);
    *place = i - INDEX_FIRST * ((UINT32_C(1) << k) - 1);
    return k;
}

struct index_entry *
index_get(const struct index *x, uint32_t i)
{
    uint32_t place, k = chunk_of(i, &place);
    return &x->chunks[k][place];
}

/* Keeps `count` entries and the chunks that they need. */
static void
cut(struct index *x, uint32_t count)
{
    uint32_t place, first = count ? chunk_of(count - 1, &place) + 1 : 0;
    for (uint32_t k = first; k < INDEX_CHUNKS; k++) {
        slab_give(x->memory, x->chunks[k]);
        x->chunks[k] = NULL;
    }
    x->count = count;
}

void
index_free(struct index *x)
{
    cut(x, 0);
    *x = (struct index){.memory = x->memory};
}

/* Leaves out what is nearer than `bytes` to the one before, among the first `limit` entries. */
static void
thin(struct index *x, uint32_t limit, uint32_t bytes)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < x->count; i++) {
        struct index_entry e = *index_get(x, i);
        if (kept == 0 || i >= limit || e.pos - index_get(x, kept - 1)->pos >= bytes)
            *index_get(x, kept++) = e;
    }
    cut(x, kept);
}

/* Makes the front sparser until something is left out. */
static void
make_room(struct index *x)
{
    for (uint32_t before = x->count; x->count == before;) {
        x->step = x->step ? x->step * 2 : 2 * PLOG_INDEX_MIN;
        if (x->step > UINT32_MAX / 4)
            return; /* what is left lies as far apart as segments are long */
        thin(x, before - before / 4, x->step);
    }
}

/* Memory for the entry behind the last one. */
static bool
ready(struct index *x)
{
    uint32_t place, k = chunk_of(x->count, &place);
    if (k == INDEX_CHUNKS)
        return false;
    if (place == 0 && !x->chunks[k])
        x->chunks[k] = slab_take(x->memory, sizeof **x->chunks * (INDEX_FIRST << k));
    return x->chunks[k];
}

void
index_add(struct index *x, struct index_entry e)
{
    if (!ready(x)) {
        make_room(x);
        if (!ready(x))
            return;
    }
    x->count++;
    *index_get(x, x->count - 1) = e;
}

static bool
below(const struct index_entry *e, int column, int64_t want)
{
    if (column == 0)
        return (int64_t)e->rel <= want;
    if (column == 1)
        return (int64_t)e->pos <= want;
    return e->max_ts < want;
}

/* The last entry that is `below`: columns 0 rel, 1 pos, 2 time. */
static int64_t
last_below(const struct index *x, int column, int64_t want)
{
    uint32_t low = 0, high = x->count; /* all before low are below, none from high on */
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (below(index_get(x, mid), column, want))
            low = mid + 1;
        else
            high = mid;
    }
    return (int64_t)low - 1;
}

int64_t
index_by_rel(const struct index *x, uint32_t rel)
{
    return last_below(x, 0, rel);
}

int64_t
index_by_pos(const struct index *x, uint32_t pos)
{
    return last_below(x, 1, pos);
}

int64_t
index_by_time(const struct index *x, int64_t time_ms)
{
    return last_below(x, 2, time_ms);
}

void
index_thin(struct index *x, uint32_t bytes)
{
    thin(x, x->count, bytes);
}

void
index_join(struct index *x, struct index *front)
{
    int64_t max_ts = INT64_MIN;
    if (front->count)
        max_ts = index_get(front, front->count - 1)->max_ts;
    for (uint32_t i = 0; i < x->count; i++) {
        struct index_entry e = *index_get(x, i);
        if (e.max_ts > max_ts)
            max_ts = e.max_ts;
        e.max_ts = max_ts;
        index_add(front, e);
    }
    index_free(x);
    *x = *front;
    *front = (struct index){.memory = front->memory};
}
