/* slab.c: see slab.h. */
#include "core/store/slab.h"

#include <stdlib.h>
#include <string.h>

void *
slab_take(struct buddy *b, size_t bytes)
{
    if (!b)
        return calloc(1, bytes);
    size_t room;
    void *at = buddy_take(b, bytes, &room);
    if (at)
        memset(at, 0, bytes);
    return at;
}

void
slab_give(struct buddy *b, void *at)
{
    if (b && at && buddy_has(b, at))
        buddy_give(b, at);
    else
        free(at);
}

void *
slab_grow(struct buddy *b, void *at, size_t from, size_t to)
{
    must(to >= from);
    void *more = slab_take(b, to);
    if (!more)
        return NULL;
    if (from)
        memcpy(more, at, from);
    slab_give(b, at);
    return more;
}
