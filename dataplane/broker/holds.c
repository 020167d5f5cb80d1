/* holds.c: see holds.h.
 *
 * I1 holds_out counts rooms whose job is out, those that are mapped and not given back, and nothing
 *    else: never more than JOB_MAX, for which the rings have places (mesh.h). */
#include "dataplane/broker/holds.h"

#include "dataplane/broker/shard.h"

struct store_hold *
holds_take(struct shard *s)
{
    size_t room;
    if (s->holds_out == JOB_MAX)
        return NULL;
    struct store_hold *hold = buddy_take(s->memory, sizeof *hold, &room);
    s->holds_out += hold != NULL;
    return hold;
}

void
holds_give(struct shard *s, struct store_hold *room, bool mapped)
{
    must(mapped || s->holds_out > 0);
    s->holds_out -= !mapped; /* nothing will be released */
    buddy_give(s->memory, room);
}

void
holds_release(struct shard *s, uint32_t owner, struct store_hold *hold)
{
    mesh_release(s->mesh, owner, hold);
    must(s->holds_out > 0);
    s->holds_out--;
}

void
holds_drop(struct shard *s, uint32_t owner, struct store_hold *hold)
{
    holds_release(s, owner, hold);
    buddy_give(s->memory, hold);
}

void
holds_keep(struct shard *s, struct req *r)
{
    list_remove(&r->held);
    list_push_back(&s->reqs_held, &r->held);
}

void
holds_stay(struct shard *s, struct req *r)
{
    if (list_empty(&r->held) || s->now_ns - r->done_ns >= HOLDS_WAIT_MS * CLOCK_NS_PER_MS)
        return;
    list_remove(&r->held);
    list_push_back(&s->reqs_stay, &r->held);
}

void
holds_end(struct shard *s, struct req *r)
{
    if (list_empty(&r->held))
        return;
    list_remove(&r->held);
    for (uint32_t i = 0; i < r->answer.range_count; i++) {
        struct answer_range *a = &r->answer.ranges[i];
        if (a->hold)
            holds_drop(s, a->shard, a->hold);
        a->hold = NULL;
    }
}

void
holds_end_all(struct shard *s)
{
    struct list *first;
    while ((first = list_first(&s->reqs_held)))
        holds_end(s, list_item(first, struct req, held));
    while ((first = list_first(&s->reqs_stay))) {
        list_remove(first);
        list_push_back(&s->reqs_held, first);
    }
}
