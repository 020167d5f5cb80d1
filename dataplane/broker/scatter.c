/* scatter.c: see scatter.h.
 *
 * One block holds struct scatter, the parts, a copy of the request's bytes and the decoded request,
 * whose views point into the copy.
 * I1 jobs_out counts the jobs that point here and equals req->pending; the block lives until it is
 * 0.
 */
#include "dataplane/broker/scatter.h"

#include "core/base/err.h"
#include "core/wire/kerr.h"
#include "dataplane/broker/fetch_in.h"
#include "dataplane/broker/shard.h"

enum { ALIGN = 16 };

static uint64_t
aligned(uint64_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

static void
release(struct shard *s, struct scatter *c)
{
    for (uint32_t i = 0; i < c->count; i++)
        if (c->parts[i].list)
            buddy_give(s->memory, c->parts[i].list);
    buddy_give(s->memory, c);
}

/* Decodes the request twice: to learn how much it takes, and then to stay. */
static enum req_verdict
open_request(struct shard *s, struct req *r, struct view body, const struct scatter_kind *kind,
             struct scatter **out)
{
    void *request = wire_arena_take(&s->scratch, kind->request_bytes);
    must(request);
    if (wire_decode(r->api->request, r->version, body, request, &s->scratch))
        return REQ_BAD;
    uint64_t parts = kind->count(request), arena = s->scratch.used + ALIGN;
    uint64_t fixed = aligned(sizeof(struct scatter)) + aligned(parts * sizeof(struct scatter_part));
    uint64_t bytes = fixed + aligned(body.len) + arena;
    if (parts > SCATTER_PARTS_MAX || bytes > SHARD_ANSWER_BLOCK_MAX)
        return REQ_BAD;
    size_t room;
    uint8_t *block = buddy_take(s->memory, bytes, &room);
    if (!block)
        return REQ_AGAIN;
    struct scatter *c = (struct scatter *)(void *)block;
    *c = (struct scatter){.req = r, .kind = kind, .starting = true, .count = (uint32_t)parts};
    c->parts = (struct scatter_part *)(void *)(block + aligned(sizeof *c));
    memset(c->parts, 0, parts * sizeof *c->parts);
    uint8_t *copy = block + fixed;
    if (body.len)
        memcpy(copy, body.at, body.len);
    struct wire_arena memory;
    wire_arena_init(&memory, copy + aligned(body.len), arena);
    c->request = wire_arena_take(&memory, kind->request_bytes);
    must(c->request && wire_decode(r->api->request, r->version, view_of(copy, body.len), c->request,
                                   &memory) == ERR_OK);
    kind->fill(c);
    *out = c;
    return REQ_PENDING;
}

/* Finds the live partition of a part; NULL and its error. */
static const struct route_part *
route_of(struct shard *s, struct scatter_part *p, uint8_t id[16])
{
    const struct route_topic *t = route_by_name(s->route, p->topic);
    if (!t) {
        p->error = KERR_UNKNOWN_TOPIC_OR_PARTITION;
        return NULL;
    }
    memcpy(id, t->fact.id, sizeof t->fact.id);
    return fetch_partition(s, id, p->partition, &p->error);
}

/* Sends what may be sent.  False: jobs are short and none is out that would go on here. */
static bool
pump(struct shard *s, struct scatter *c)
{
    for (; c->next < c->count; c->next++) {
        struct scatter_part *p = &c->parts[c->next];
        uint8_t id[16];
        const struct route_part *route = route_of(s, p, id);
        if (!route)
            continue;
        struct job *j = c->jobs_out < SCATTER_JOBS_MAX ? mesh_job(s->mesh) : NULL;
        if (!j)
            return c->jobs_out > 0;
        j->kind = (uint8_t)c->kind->job;
        j->owner = (uint16_t)route->owner;
        j->topic = route->topic;
        j->partition = p->partition;
        memcpy(j->topic_id, id, sizeof j->topic_id);
        j->req = c->req;
        j->part = c->next;
        c->kind->ask(s, c, c->next, j);
        c->req->pending++;
        c->jobs_out++;
        shard_submit(s, j);
    }
    return true;
}

enum req_verdict
scatter_start(struct shard *s, struct req *r, struct view body, const struct scatter_kind *kind)
{
    struct scatter *c;
    r->u.scatter = NULL;
    enum req_verdict verdict = open_request(s, r, body, kind, &c);
    if (verdict != REQ_PENDING)
        return verdict;
    r->u.scatter = c;
    bool sent = pump(s, c);
    c->starting = false;
    if (c->jobs_out)
        return REQ_PENDING;
    verdict = sent ? kind->respond(s, c) : REQ_AGAIN;
    r->u.scatter = NULL;
    release(s, c);
    return verdict;
}

void
scatter_abandon(struct shard *s, struct req *r)
{
    struct scatter *c = r->u.scatter;
    if (!c)
        return;
    c->req = NULL;
    c->next = c->count; /* nothing more is sent */
    if (c->jobs_out == 0)
        release(s, c);
}

static void
finish(struct shard *s, struct scatter *c)
{
    struct req *r = c->req;
    enum req_verdict verdict = c->kind->respond(s, c);
    r->u.scatter = NULL;
    release(s, c);
    if (verdict == REQ_DONE)
        req_finish(s, r);
    else
        req_fail(s, r, DROP_REQUEST_MEMORY);
}

void
scatter_back(struct shard *s, struct job *j)
{
    struct req *r = j->req;
    struct scatter *c = r->u.scatter;
    if (c->req && c->kind->take(s, c, j->part, j)) {
        shard_submit(s, j);
        return;
    }
    c->jobs_out--;
    mesh_done(s->mesh, j);
    bool abandoned = c->req == NULL;
    if (abandoned && c->jobs_out == 0)
        release(s, c);
    if (!req_piece_back(s, r) || abandoned || c->starting)
        return;
    bool sent = pump(s, c);
    if (c->jobs_out)
        return;
    must(sent); /* jobs cannot be short: one has just been given back */
    finish(s, c);
}

struct route_part *
scatter_part_of(struct shard *s, struct job *j)
{
    struct plog_facts facts;
    struct route_part *p = fetch_partition(s, j->topic_id, j->partition, &j->error);
    if (!p)
        return NULL;
    j->error = KERR_NOT_LEADER_OR_FOLLOWER;
    if (!p->log || s->fenced || p->leader_id != s->node_id)
        return NULL;
    plog_facts(p->log, &facts);
    j->error = facts.state == PLOG_ONLINE ? KERR_NONE : KERR_KAFKA_STORAGE_ERROR;
    return j->error == KERR_NONE ? p : NULL;
}
