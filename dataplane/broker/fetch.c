/* fetch.c: the way of a Fetch request through its home shard.
 *
 *   open -> ask (fetch_ask.c, for partitions of other shards) -> settle (own partitions, in order
 * and within the budget; what the others found is taken or left) -> answer, or wait. A wait has a
 * watch on every partition and one deadline; the first that fires leads to ask again. A partition
 * whose watch is still parked at its owner has not changed, so it is not asked again.
 *
 * I1 A part is in its partition's list of watchers only while its fetch waits.
 * I2 jobs_out counts the jobs that point here and equals req->pending; the block lives until the
 *    request has ended and jobs_out is 0.
 * I3 No wake-up is lost: own partitions are read and watched in one go, and an owner takes a watch
 *    only if the high watermark still is what it told in JOB_LOCATE.
 * I4 A request that cannot go on is in the retry list (memory, jobs) or in the cold list (a file to
 *    be read before the next own partition can be settled).
 * I5 What is settled stays settled until the request waits: each read that ends brings one of the
 *    oldest cold requests on, however many partitions there are for each read buffer.
 * Source: Kafka ReplicaManager.fetchMessages, DelayedFetch. */
#include "dataplane/broker/fetch_in.h"

#include "core/base/err.h"
#include "core/wire/kerr.h"
#include "dataplane/broker/offsets.h"
#include "dataplane/broker/shard.h"

/* ---- waiting ---- */

static void
look_at(struct shard *s, uint64_t when_ns)
{
    if (when_ns < s->fetch_ns)
        s->fetch_ns = when_ns;
}

/* Nothing is known of any partition but of those that are watched at their owners. */
static void
round_begin(struct fetch *f)
{
    f->ask_next = f->settled = 0;
    f->any = f->enough = f->failed = f->more = false;
    f->budget = f->max_bytes;
    f->bytes = 0;
    f->cold_at = f->cold_looks = f->cold_ahead = 0;
    f->cold_ns = 0;
}

/* Ends the wait for a file, if there is one. */
static void
cold_end(struct shard *s, struct fetch *f)
{
    if (!f->cold)
        return;
    f->cold = false;
    list_remove(&f->retry);
    heap_remove(&s->fetch->waits, &f->wait);
}

static void
retry_later(struct shard *s, struct fetch *f)
{
    cold_end(s, f);
    list_remove(&f->retry);
    list_push_back(&s->fetch->retry, &f->retry);
    look_at(s, s->now_ns + FETCH_RETRY_MS * CLOCK_NS_PER_MS);
}

/* Waits until a file is read or time is up; keeps its place among those that do. */
static void
cold_wait(struct shard *s, struct fetch *f)
{
    uint64_t until = f->expired || f->failed ? f->cold_ns : f->deadline_ns;
    heap_remove(&s->fetch->waits, &f->wait);
    if (!heap_add(&s->fetch->waits, &f->wait, until)) {
        retry_later(s, f);
        return;
    }
    if (!f->cold) {
        f->cold = true;
        list_remove(&f->retry);
        list_push_back(&s->fetch->cold, &f->retry);
    }
    look_at(s, s->now_ns + FETCH_RETRY_MS * CLOCK_NS_PER_MS);
}

/* Leaves the own partitions' lists and the heap; watches at other shards stay. */
static void
wait_end(struct shard *s, struct fetch *f)
{
    if (!f->waiting)
        return;
    f->waiting = false;
    heap_remove(&s->fetch->waits, &f->wait);
    for (uint32_t i = 0; i < f->part_count; i++)
        list_remove(&f->parts[i].link);
}

static void
release(struct shard *s, struct fetch *f)
{
    must(f->ended && !f->waiting && list_empty(&f->retry));
    if (f->jobs_out)
        return;
    for (uint32_t i = 0; f->read_committed && i < f->part_count; i++)
        fetch_drop_aborted(s, &f->parts[i]);
    must(list_empty(&f->holding));
    buddy_give(s->memory, f);
}

/* Nothing is wanted any more: asks the parked jobs back, and frees the block if none is out. */
static void
end(struct shard *s, struct fetch *f)
{
    wait_end(s, f);
    cold_end(s, f);
    if (f->parked)
        heap_remove(&s->fetch->waits, &f->wait);
    f->parked = false;
    list_remove(&f->retry);
    fetch_drop_holds(s, f);
    f->ended = true;
    fetch_ask_back(s, f);
    release(s, f);
}

/* Whether the own partitions still are as they were settled, which may be some time ago. */
static bool
still_so(struct shard *s, const struct fetch *f)
{
    for (uint32_t i = 0; i < f->part_count; i++) {
        const struct fetch_part *p = &f->parts[i];
        if (p->stranger || !p->local)
            continue;
        int16_t error;
        struct plog_facts facts;
        const struct route_part *r =
            fetch_partition(s, f->topics[p->topic].id, p->partition, &error);
        if (!r || !r->log)
            return false;
        plog_facts(r->log, &facts);
        if (facts.state != PLOG_ONLINE || facts.high_watermark != p->high_watermark)
            return false;
    }
    return true;
}

/* False: too many wait, the request is answered with what there is. */
static bool
wait_begin(struct shard *s, struct fetch *f)
{
    fetch_drop_holds(s, f);
    for (uint32_t i = 0; i < f->part_count; i++)
        f->parts[i].fresh = false;
    if (f->cold_ns && !still_so(s, f)) { /* I3 */
        round_begin(f);
        retry_later(s, f);
        return true;
    }
    if (!heap_add(&s->fetch->waits, &f->wait, f->deadline_ns))
        return false;
    f->waiting = true;
    bool poll = false;
    for (uint32_t i = 0; i < f->part_count; i++) {
        struct fetch_part *p = &f->parts[i];
        if (p->stranger)
            continue;
        if (!p->local) {
            poll = !fetch_ask_watch(s, f, i) || poll;
            continue;
        }
        int16_t error; /* settle has just found it in order */
        struct route_part *r = fetch_partition(s, f->topics[p->topic].id, p->partition, &error);
        must(r);
        list_push_back(&r->watchers, &p->link);
    }
    uint64_t at = s->now_ns + FETCH_POLL_MS * CLOCK_NS_PER_MS;
    if (poll && at < f->deadline_ns) {
        heap_remove(&s->fetch->waits, &f->wait);
        must(heap_add(&s->fetch->waits, &f->wait, at));
    }
    look_at(s, f->wait.key);
    counters_add(&s->counters, COUNTER_FETCH_WAITS, 1);
    return true;
}

/* ---- locating ---- */

/* Reads an own partition with the budget that is left.  ERR_AGAIN: a file must be read first; only
 * the facts are known. */
static int
read_local(struct shard *s, struct fetch *f, struct fetch_part *p, int32_t limit, bool one)
{
    struct job j = {.partition = p->partition,
                    .u.locate = {.offset = p->params.fetch_offset,
                                 .leader_epoch = p->params.leader_epoch,
                                 .fetched_epoch = p->params.fetched_epoch,
                                 .max_bytes = limit,
                                 .at_least_one = one,
                                 .read_committed = f->read_committed,
                                 .aborted = p->aborted,
                                 .aborted_room = p->aborted_room}};
    memcpy(j.topic_id, f->topics[p->topic].id, sizeof j.topic_id);
    int err;
    do
        err = fetch_read(s, &j);
    while (fetch_more_aborted(s, p, &j));
    fetch_take_facts(p, &j);
    return err;
}

/* Begins to read what the partitions behind the one at `settled` will need. */
static void
read_ahead(struct shard *s, struct fetch *f)
{
    uint32_t limit = f->settled + 1 + FETCH_COLD_AHEAD;
    for (uint32_t i = f->settled + 1; i < f->part_count && i < limit; i++) {
        struct fetch_part *p = &f->parts[i];
        if (!p->stranger && p->local)
            (void)read_local(s, f, p, f->budget, true); /* it is read again in its turn */
    }
}

/* Whether to answer without the cold partitions that are left.  What counts as enough is more than
 * min_bytes while cold ones are read: else a consumer of many would get them one by one. */
static bool
cold_enough(struct shard *s, struct fetch *f)
{
    if (f->bytes > 0 && (f->expired || f->failed ||
                         (f->bytes >= f->min_bytes && f->cold_looks >= FETCH_COLD_LOOKS)))
        return true;
    if (f->cold_ns == 0)
        f->cold_ns = s->now_ns + FETCH_COLD_MS * CLOCK_NS_PER_MS;
    return (f->expired || f->failed) && s->now_ns >= f->cold_ns;
}

/* Reads the own partition at `settled`.  ERR_AGAIN: later. */
static int
settle_local(struct shard *s, struct fetch *f, int32_t limit)
{
    struct fetch_part *p = &f->parts[f->settled];
    /* Behind what is enough no more reads are begun than a next request can use. */
    bool facts_only = f->cold_ahead >= FETCH_COLD_AHEAD;
    if (read_local(s, f, p, facts_only ? 0 : limit, !facts_only && !f->any) == ERR_OK)
        return ERR_OK;
    if (cold_enough(s, f)) {
        f->cold_ahead++;
        return ERR_OK;
    }
    if (f->cold_at != f->settled + 1) { /* not again with each look */
        f->cold_at = f->settled + 1;
        f->cold_looks++;
        read_ahead(s, f);
    }
    return ERR_AGAIN;
}

/* Adds what one partition gives to the answer. */
static void
settle_part(struct fetch *f, struct fetch_part *p, int32_t limit)
{
    int64_t end = fetch_limit(f, p);
    bool diverging = p->diverging.epoch >= 0; /* told at once, as an error is */
    bool readable = p->error == KERR_NONE && !diverging && p->params.fetch_offset < end;
    p->records_bytes = readable ? p->range.len : 0;
    if (f->any && (int64_t)p->records_bytes > limit)
        p->records_bytes = 0;
    /* The first partition that has data may exceed all limits by its first batch. */
    f->any = f->any || p->records_bytes;
    f->bytes += p->records_bytes;
    f->budget = f->budget > (int64_t)p->records_bytes ? f->budget - (int32_t)p->records_bytes : 0;
    f->failed |= p->error != KERR_NONE || diverging;
    /* There is more, but it does not fit or lies in the next segment: waiting is no use. */
    f->more |= readable && p->params.max_bytes > 0 &&
               (p->records_bytes == 0 || p->range.offset_limit < end);
}

/* Decides what every partition gives to the answer, from `settled` on.  ERR_AGAIN: a file has to be
 * read, call again then. */
static int
settle(struct shard *s, struct fetch *f)
{
    for (; f->settled < f->part_count; f->settled++) {
        struct fetch_part *p = &f->parts[f->settled];
        if (p->stranger)
            continue;
        int32_t limit = p->params.max_bytes < f->budget ? p->params.max_bytes : f->budget;
        if (p->local && f->replica_id < 0 && settle_local(s, f, limit) == ERR_AGAIN)
            return ERR_AGAIN;
        settle_part(f, p, limit);
        if (p->records_bytes == 0)
            fetch_drop_hold(s, p);
    }
    f->enough = f->bytes >= f->min_bytes;
    return ERR_OK;
}

/* The next step.  True: the request is answered and f is not to be touched any more. */
static bool
go_on(struct shard *s, struct fetch *f)
{
    if (!fetch_ask(s, f)) {
        if (f->locating == 0)
            retry_later(s, f);
        return false;
    }
    if (f->locating)
        return false;
    if (settle(s, f) == ERR_AGAIN) {
        cold_wait(s, f);
        return false;
    }
    cold_end(s, f);
    bool all =
        f->expired || f->enough || f->failed || f->more || f->part_count == f->stranger_count;
    if (!all && wait_begin(s, f))
        return false;
    if (!fetch_respond(s, f)) {
        retry_later(s, f);
        return false;
    }
    end(s, f);
    return true;
}

/* After a wait: everything anew, but for what is still watched at its owner. */
static void
resume(struct shard *s, struct fetch *f)
{
    struct req *r = f->req;
    wait_end(s, f);
    round_begin(f);
    if (go_on(s, f))
        req_finish(s, r);
}

/* ---- what the loop calls ---- */

enum req_verdict
fetch_start(struct shard *s, struct req *r, struct view body)
{
    if (!r->begun)
        counters_add(&s->counters, COUNTER_FETCH_REQUESTS, 1);
    struct fetch *f;
    r->u.fetch = NULL;
    enum req_verdict verdict = fetch_open(s, r, body, &f);
    if (verdict != REQ_PENDING)
        return verdict;
    r->u.fetch = f;
    round_begin(f);
    for (uint32_t i = 0; i < f->part_count; i++) {
        if (!f->parts[i].local) {
            counters_add(&s->counters, COUNTER_SCATTERED, 1);
            break;
        }
    }
    return go_on(s, f) ? REQ_DONE : REQ_PENDING;
}

void
fetch_abandon(struct shard *s, struct req *r)
{
    struct fetch *f = r->u.fetch;
    if (f)
        end(s, f);
}

void
fetch_back(struct shard *s, struct job *j)
{
    struct req *r = j->req;
    struct fetch *f = r->u.fetch;
    must(f->req == r && f->jobs_out > 0);
    bool watch = j->kind == JOB_WATCH;
    if (fetch_take(s, f, j))
        return;
    bool go = watch ? f->waiting : !f->ended && (f->locating == 0 || f->ask_next < f->part_count);
    if (f->ended)
        release(s, f);
    if (!req_piece_back(s, r) || !go)
        return;
    if (f->waiting)
        resume(s, f);
    else if (go_on(s, f))
        req_finish(s, r);
}

void
fetch_changed(struct shard *s, struct route_part *p)
{
    /* Who still waits afterwards is in the list again: go through those of now only. */
    struct list now;
    list_init(&now);
    if (list_empty(&p->watchers))
        return;
    now.next = p->watchers.next;
    now.prev = p->watchers.prev;
    now.next->prev = now.prev->next = &now;
    list_init(&p->watchers);
    while (!list_empty(&now)) {
        struct list *node = list_first(&now);
        list_remove(node);
        struct fetch_part *own = list_item(node, struct fetch_part, link);
        if (own->kind == FETCH_LOCAL_WATCH)
            resume(s, own->fetch);
        else
            fetch_tell(s, list_item(node, struct job, link));
    }
}

/* Moves up to `limit` nodes of a list to an empty one. */
static void
take_some(struct list *from, struct list *to, uint32_t limit)
{
    list_init(to);
    for (struct list *n; limit && (n = list_first(from)) != NULL; limit--) {
        list_remove(n);
        list_push_back(to, n);
    }
}

/* Carries the oldest jobs that wait for a file out again; those that still do keep their places. */
static void
asks_run(struct shard *s)
{
    struct list now, rest;
    take_some(&s->fetch->asks, &now, FETCH_COLD_ASKS);
    take_some(&s->fetch->asks, &rest, UINT32_MAX);
    for (struct list *n; (n = list_first(&now)) != NULL;) {
        list_remove(n);
        struct job *j = list_item(n, struct job, link);
        if (j->kind == JOB_TIME)
            offsets_read_done(s, j);
        else
            fetch_locate(s, j);
    }
    for (struct list *n; (n = list_first(&rest)) != NULL;) {
        list_remove(n);
        list_push_back(&s->fetch->asks, n);
    }
}

static void
go_on_now(struct shard *s, struct fetch *f)
{
    struct req *r = f->req;
    f->expired = f->expired || s->now_ns >= f->deadline_ns;
    if (go_on(s, f))
        req_finish(s, r);
}

/* Goes on with what could not before. */
static void
retries_run(struct shard *s)
{
    struct list again;
    take_some(&s->fetch->retry, &again, UINT32_MAX);
    for (struct list *n; (n = list_first(&again)) != NULL;) {
        list_remove(n);
        go_on_now(s, list_item(n, struct fetch, retry));
    }
    struct list *at = s->fetch->cold.next;
    for (uint32_t i = 0; i < FETCH_COLD_FETCHES && at != &s->fetch->cold; i++) {
        struct fetch *f = list_item(at, struct fetch, retry);
        at = at->next;
        go_on_now(s, f);
    }
}

/* Gives the holds back that wait for other partitions of their requests for too long. */
static void
holds_expire(struct shard *s)
{
    for (struct list *n; (n = list_first(&s->fetch->holding)) != NULL;) {
        struct fetch *f = list_item(n, struct fetch, holding);
        uint64_t until = f->held_ns + FETCH_HOLD_MS * CLOCK_NS_PER_MS;
        if (s->now_ns < until) {
            look_at(s, until);
            return;
        }
        fetch_drop_holds(s, f);
    }
}

static void
wait_expires(struct shard *s, struct fetch *f)
{
    if (f->cold) {
        go_on_now(s, f);
        return;
    }
    f->expired = s->now_ns >= f->deadline_ns;
    if (!f->parked) {
        resume(s, f);
        return;
    }
    f->parked = false; /* its job comes home with what there is now */
    heap_remove(&s->fetch->waits, &f->wait);
    fetch_ask_back(s, f);
}

uint64_t
fetch_expire(struct shard *s, uint64_t now_ns)
{
    struct fetch_state *state = s->fetch;
    s->fetch_ns = CLOCK_NEVER;
    asks_run(s);
    retries_run(s);
    for (struct heap_node *n; (n = heap_first(&state->waits)) && n->key <= now_ns;)
        wait_expires(s, heap_item(n, struct fetch, wait));
    holds_expire(s);
    struct heap_node *next = heap_first(&state->waits);
    if (next)
        look_at(s, next->key);
    if (!list_empty(&state->cold) || !list_empty(&state->asks))
        look_at(s, s->now_ns + FETCH_RETRY_MS * CLOCK_NS_PER_MS);
    return s->fetch_ns;
}
