/* asks.c: see asks.h.
 * I1 A working set lives until its answer is written, or, abandoned, until its last job is home. */
#include "dataplane/broker/asks.h"

#include "core/base/err.h"
#include "core/wire/kerr.h"
#include "dataplane/broker/fetch_in.h"
#include "dataplane/broker/shard.h"

enum { HEAD_BYTES = 32 };

enum req_verdict
asks_open(struct shard *s, struct req *r, const struct asks_size *size, struct asks **out)
{
    if (size->parts > ASKS_PARTS_MAX || size->topics > ASKS_PARTS_MAX)
        return REQ_BAD;
    uint64_t answer = 2 * HEAD_BYTES + size->topics * size->topic_bytes + size->text +
                      size->parts * size->part_bytes;
    uint64_t bytes = sizeof(struct asks) + size->topics * sizeof(struct asks_topic) +
                     size->parts * sizeof(struct asks_part) + size->text;
    if (bytes > SHARD_ANSWER_BLOCK_MAX || answer > SHARD_ANSWER_BLOCK_MAX)
        return REQ_BAD;
    size_t room;
    struct asks *o = NULL;
    if (answer_reserve(&r->answer, s->memory, (uint32_t)answer))
        o = buddy_take(s->memory, bytes, &room);
    if (!o)
        return REQ_AGAIN;
    *o = (struct asks){.req = r,
                       .topic_room = (uint32_t)size->topics,
                       .part_room = (uint32_t)size->parts,
                       .text_left = (uint32_t)size->text};
    o->topics = (struct asks_topic *)(void *)(o + 1);
    o->parts = (struct asks_part *)(void *)(o->topics + size->topics);
    o->text = (uint8_t *)(o->parts + size->parts);
    *out = o;
    return REQ_PENDING;
}

struct asks_topic *
asks_topic(struct shard *s, struct asks *o, struct view name)
{
    must(o->topic_count < o->topic_room);
    must(name.len <= o->text_left);
    struct asks_topic *t = &o->topics[o->topic_count++];
    *t = (struct asks_topic){.name = {o->text, name.len}};
    if (name.len)
        memcpy(o->text, name.at, name.len);
    o->text += name.len;
    o->text_left -= name.len;
    const struct route_topic *known = route_by_name(s->route, t->name);
    if (known) {
        t->known = true;
        t->internal = known->fact.internal;
        memcpy(t->id, known->fact.id, sizeof t->id);
    }
    return t;
}

struct asks_part *
asks_part(struct asks *o, int32_t partition)
{
    must(o->part_count < o->part_room);
    struct asks_topic *t = &o->topics[o->topic_count - 1];
    struct asks_part *p = &o->parts[o->part_count++];
    *p = (struct asks_part){.topic = o->topic_count - 1,
                            .partition = partition,
                            .error = t->known ? KERR_NONE : KERR_UNKNOWN_TOPIC_OR_PARTITION,
                            .ask = {.found_epoch = -1, .found = -1}};
    t->part_count++;
    return p;
}

void
asks_answer(struct shard *s, const struct asks *o, const void *body)
{
    must(req_answer_struct(s, o->req, body) == REQ_DONE);
}

/* Sends what may be sent.  False: jobs are short and none is out that would go on here. */
static bool
pump(struct shard *s, struct asks *o)
{
    for (; o->next < o->part_count; o->next++) {
        struct asks_part *p = &o->parts[o->next];
        if (p->error != KERR_NONE)
            continue;
        const struct asks_topic *t = &o->topics[p->topic];
        const struct route_part *route = fetch_partition(s, t->id, p->partition, &p->error);
        if (!route)
            continue;
        struct job *j = o->jobs_out < ASKS_JOBS_MAX ? mesh_job(s->mesh) : NULL;
        if (!j)
            return o->jobs_out > 0;
        j->kind = o->job_kind;
        j->owner = (uint16_t)route->owner;
        j->topic = route->topic;
        j->partition = p->partition;
        memcpy(j->topic_id, t->id, sizeof j->topic_id);
        j->req = o->req;
        j->part = o->next;
        j->u.ask = p->ask;
        o->req->pending++;
        o->jobs_out++;
        shard_submit(s, j);
    }
    return true;
}

enum req_verdict
asks_start(struct shard *s, struct asks *o)
{
    struct req *r = o->req;
    r->u.asks = o;
    o->starting = true;
    bool sent = pump(s, o);
    o->starting = false;
    if (o->jobs_out)
        return REQ_PENDING;
    if (sent)
        o->respond(s, o);
    r->u.asks = NULL;
    buddy_give(s->memory, o);
    return sent ? REQ_DONE : REQ_AGAIN;
}

void
asks_abandon(struct shard *s, struct req *r)
{
    struct asks *o = r->u.asks;
    if (!o)
        return;
    o->req = NULL;
    o->next = o->part_count; /* nothing more is sent */
    if (o->jobs_out == 0)
        buddy_give(s->memory, o);
}

void
asks_back(struct shard *s, struct job *j)
{
    struct req *r = j->req;
    struct asks *o = r->u.asks;
    struct asks_part *p = &o->parts[j->part];
    p->error = j->error;
    if (j->error == KERR_NONE)
        p->ask = j->u.ask;
    o->jobs_out--;
    mesh_done(s->mesh, j);
    bool abandoned = o->req == NULL;
    if (abandoned && o->jobs_out == 0)
        buddy_give(s->memory, o);
    if (!req_piece_back(s, r) || abandoned || o->starting)
        return;
    bool sent = pump(s, o);
    if (o->jobs_out)
        return;
    must(sent); /* jobs cannot be short: one has just been given back */
    o->respond(s, o);
    r->u.asks = NULL;
    buddy_give(s->memory, o);
    req_finish(s, r);
}
