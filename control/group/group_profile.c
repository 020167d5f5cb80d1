/* group_profile.c: what a member of the consumer protocol tells of itself, and sets of names. */
#include "control/group/group_consumer.h"

#include <stdlib.h>

static int
name_order(const void *a, const void *b)
{
    const struct view *x = a, *y = b;
    uint32_t len = x->len < y->len ? x->len : y->len;
    int order = len ? memcmp(x->at, y->at, len) : 0;
    return order ? order : (x->len > y->len) - (x->len < y->len);
}

/* One piece of memory: the array, then all the bytes. */
static void
names_make(struct group_names *n, const struct view *from, uint32_t count)
{
    *n = (struct group_names){0};
    if (count == 0)
        return;
    struct view *sorted = group_alloc(count, sizeof *sorted);
    memcpy(sorted, from, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, name_order);
    uint32_t kept = 0;
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++)
        if (kept == 0 || !view_equal(sorted[kept - 1], sorted[i])) {
            bytes += sorted[i].len;
            sorted[kept++] = sorted[i];
        }
    must(bytes <= UINT32_MAX); /* they came in one frame */
    n->items = group_alloc(1, kept * sizeof *n->items + bytes);
    n->count = kept;
    n->bytes = (uint32_t)bytes;
    uint8_t *at = (uint8_t *)&n->items[kept];
    for (uint32_t i = 0; i < kept; i++) {
        n->items[i] = view_of(at, sorted[i].len);
        if (sorted[i].len)
            memcpy(at, sorted[i].at, sorted[i].len);
        at += sorted[i].len;
    }
    free(sorted);
}

void
group_names_make(struct group_names *n, const struct wire_string_array *from)
{
    names_make(n, from->items, from->count > 0 ? (uint32_t)from->count : 0);
}

void
group_names_copy(struct group_names *n, const struct group_names *from)
{
    names_make(n, from->items, from->count);
}

void
group_names_free(struct group_names *n)
{
    free(n->items);
    *n = (struct group_names){0};
}

bool
group_names_same(const struct group_names *a, const struct group_names *b)
{
    if (a->count != b->count || a->bytes != b->bytes)
        return false;
    for (uint32_t i = 0; i < a->count; i++)
        if (!view_equal(a->items[i], b->items[i]))
            return false;
    return true;
}

bool
group_names_has(const struct group_names *n, struct view name)
{
    return n->count && bsearch(&name, n->items, n->count, sizeof *n->items, name_order);
}

/* One piece of memory: the array, then all the bytes. */
struct group_protocol *
group_profile_protocols(const struct group_protocol *from, int32_t count, uint32_t *bytes_out)
{
    size_t bytes = 0;
    for (int32_t i = 0; i < count; i++)
        bytes += (size_t)from[i].name.len + from[i].metadata.len;
    must(bytes <= UINT32_MAX);
    struct group_protocol *to = group_alloc(1, (size_t)count * sizeof *to + bytes + 1);
    uint8_t *at = (uint8_t *)&to[count];
    for (int32_t i = 0; i < count; i++) {
        const struct view parts[] = {from[i].name, from[i].metadata};
        struct view *copies[] = {&to[i].name, &to[i].metadata};
        for (uint32_t j = 0; j < 2; j++) {
            *copies[j] = view_of(at, parts[j].len);
            if (parts[j].len)
                memcpy(at, parts[j].at, parts[j].len);
            at += parts[j].len;
        }
    }
    *bytes_out = (uint32_t)bytes;
    return to;
}

void
group_profile_free(struct group_profile *p)
{
    struct view *texts[] = {&p->instance,    &p->rack,  &p->client_id,
                            &p->client_host, &p->regex, &p->assignor};
    for (uint32_t i = 0; i < sizeof texts / sizeof *texts; i++)
        group_drop(texts[i]);
    group_names_free(&p->names);
    free(p->protocols);
    *p = (struct group_profile){0};
}

struct group_profile
group_profile_copy(const struct group_profile *p)
{
    struct group_profile q = *p;
    struct view *texts[] = {&q.instance,    &q.rack,  &q.client_id,
                            &q.client_host, &q.regex, &q.assignor};
    for (uint32_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = group_copy(*texts[i]);
    names_make(&q.names, p->names.items, p->names.count);
    uint32_t bytes = 0;
    q.protocols =
        p->classic ? group_profile_protocols(p->protocols, p->protocol_count, &bytes) : NULL;
    return q;
}

static bool
texts_same(struct view a, struct view b)
{
    return (a.at != NULL) == (b.at != NULL) && view_equal(a, b);
}

bool
group_profile_same(const struct group_profile *a, const struct group_profile *b)
{
    bool same = texts_same(a->instance, b->instance) && texts_same(a->rack, b->rack) &&
                texts_same(a->client_id, b->client_id) &&
                texts_same(a->client_host, b->client_host) && texts_same(a->regex, b->regex) &&
                texts_same(a->assignor, b->assignor) && group_names_same(&a->names, &b->names) &&
                a->rebalance_ms == b->rebalance_ms && a->classic == b->classic &&
                a->session_ms == b->session_ms && a->protocol_count == b->protocol_count;
    for (int32_t i = 0; same && i < a->protocol_count; i++)
        same = view_equal(a->protocols[i].name, b->protocols[i].name) &&
               view_equal(a->protocols[i].metadata, b->protocols[i].metadata);
    return same;
}
