/* index.c: the sparse index of one segment, in memory: offset, time and position of some batches.
 * I1 rel and pos grow strictly, max_ts never falls.  I2 chunks but the last are full. */
#include "core/store/plog_in.h"

#include <stdlib.h>

struct index_entry *
index_get(const struct index *x, uint32_t i)
{
    return &x->chunks[i / INDEX_CHUNK][i % INDEX_CHUNK];
}

void
index_free(struct index *x)
{
    for (uint32_t i = 0; i * INDEX_CHUNK < x->count; i++)
        free(x->chunks[i]);
    free(x->chunks);
    *x = (struct index){0};
}

void
index_add(struct index *x, struct index_entry e)
{
    uint32_t chunk = x->count / INDEX_CHUNK;
    if (x->count % INDEX_CHUNK == 0) {
        if (chunk == x->chunk_room) {
            uint32_t room = x->chunk_room ? x->chunk_room * 2 : 4;
            struct index_entry **more = realloc(x->chunks, room * sizeof *more);
            if (!more)
                return;
            x->chunks = more;
            x->chunk_room = room;
        }
        x->chunks[chunk] = malloc(INDEX_CHUNK * sizeof **x->chunks);
        if (!x->chunks[chunk])
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
    struct index thin = {0};
    for (uint32_t i = 0; i < x->count; i++) {
        const struct index_entry *e = index_get(x, i);
        if (thin.count == 0 || e->pos - index_get(&thin, thin.count - 1)->pos >= bytes)
            index_add(&thin, *e);
    }
    index_free(x);
    *x = thin;
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
    *front = (struct index){0};
}
