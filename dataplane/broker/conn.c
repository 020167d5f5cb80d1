/* conn.c: see conn.h.  Life, receiving and time-outs of connections; conn_send.c sends.
 *
 * What the stream lends is cut into requests (4 bytes of length, then the request) and each is
 * started at once, as long as fewer than in_flight_max are out; the rest waits in the stream, which
 * closes the peer's window; so it does while more than CONN_UNSENT_MAX of answers are not out.  A
 * request that gets REQ_AGAIN stays in the stream too.
 *
 * A Produce request that the stream can lend in pieces is read there: its handler gets all but the
 * records in one piece (lens_skeleton) and copies those from where they lie (r->pieces).  Whatever
 * cannot be read so is asked for in one piece.
 *
 * I1 conn->again is the last of conn->requests and its bytes are the front of the stream. */
#include "dataplane/broker/conn.h"

#include "core/base/err.h"
#include "core/wire/lens.h"
#include "core/wire/wire_gen.h"
#include "dataplane/broker/shard.h"

enum { LENGTH_BYTES = 4, REQUEST_BYTES_MIN = 8, SWEEPS_PER_TIMEOUT = 16 };

struct conn *
conn_of(struct shard *s, const struct stream_event *e)
{
    uint32_t index = (uint32_t)e->id;
    if (index >= s->conn_slots || s->conns[index].id != e->id)
        return NULL;
    return &s->conns[index];
}

bool
conn_may_parse(const struct shard *s, const struct conn *c)
{
    if (c->request_count >= s->in_flight_max || c->muted_ns || c->door != CONN_IN)
        return false;
    uint64_t unsent = 0;
    for (const struct list *at = c->requests.next; at != &c->requests; at = at->next) {
        const struct req *r = list_item(at, struct req, link);
        unsent += r->done ? r->answer.len : 0;
    }
    return unsent <= CONN_UNSENT_MAX;
}

void
conn_mark(struct shard *s, struct conn *c)
{
    if (list_empty(&c->dirty))
        list_push_back(&s->conns_dirty, &c->dirty);
}

void
conn_opened(struct shard *s, const struct stream_event *e)
{
    uint32_t index = (uint32_t)e->id;
    bool own = e->listener == INNER_LISTENER;
    if (index >= s->conn_slots) {
        counters_add(&s->counters, DROP_CONNECTION_LIMIT, 1);
        s->stream.ops->close(s->stream.self, e->id);
        return;
    }
    struct conn *c = &s->conns[index];
    must(c->id == 0);
    /* All but the pins, which are written before they are read. */
    memset(c, 0, offsetof(struct conn, pins));
    c->id = e->id;
    list_init(&c->dirty);
    list_init(&c->muted);
    list_init(&c->stalled);
    list_init(&c->line);
    list_init(&c->requests);
    c->listener = e->listener;
    c->peer = e->peer;
    c->active_ns = s->now_ns;
    c->unread = true;
    conn_mark(s, c);
    if (own)
        return;
    s->conn_count++;
    if (index >= s->conn_high)
        s->conn_high = index + 1;
    if (s->expire_ns == CLOCK_NEVER)
        s->expire_ns = s->now_ns;
    counters_add(&s->counters, COUNTER_CONNECTIONS_OPENED, 1);
    conn_arrive(s, c);
}

void
conn_close(struct shard *s, struct conn *c, uint32_t drop)
{
    if (c->closing)
        return;
    c->closing = true;
    if (drop < COUNTERS)
        counters_add(&s->counters, (enum counter)drop, 1);
    s->stream.ops->close(s->stream.self, c->id);
}

/* ---- receiving ---- */

enum parse { PARSE_NEXT, PARSE_STOP };

static void
stall(struct shard *s, struct conn *c, struct req *r)
{
    r->begun = true;
    if (!c->again) {
        c->again = r;
        list_push_back(&c->requests, &r->link);
        c->request_count++;
    }
    if (list_empty(&c->stalled))
        list_push_back(&s->conns_stalled, &c->stalled);
}

/* A request that cannot be answered (counted where that was found) ends its connection. */
static void
request_refused(struct shard *s, struct conn *c, struct req *r)
{
    if (c->again) {
        list_remove(&r->link);
        c->request_count--;
        c->again = NULL;
    }
    r->conn = NULL;
    r->done = true;
    if (r->pending == 0)
        req_give(s, r);
    conn_close(s, c, COUNTERS);
}

/* The work on requests is measured only while somebody has a bound for it, and of a sample. */
static uint64_t
work_begins(struct shard *s)
{
    bool measured = timing_sampled(&s->timing) || s->quota.kinds[QUOTAS_REQUEST];
    return measured ? s->clock.ops->now_ns(s->clock.self) : 0;
}

static void
work_ends(struct shard *s, const struct req *r, uint64_t begun_ns)
{
    if (!begun_ns)
        return;
    uint64_t ns = s->clock.ops->now_ns(s->clock.self) - begun_ns;
    timing_handler(s, r, ns);
    if (r->metered)
        (void)quota_charge(&s->quota, QUOTAS_REQUEST, &r->cost, ns, s->now_ns);
}

/* Starts (or goes on with) one whole request, which ends at byte `front` of what the stream has
 * lent; one in pieces: its skeleton, and where it lies. */
static enum parse
request_run(struct shard *s, struct conn *c, struct view request, uint32_t front,
            struct rope *pieces)
{
    struct req *r = c->again ? c->again : req_take(s);
    if (!r) {
        if (list_empty(&c->stalled))
            list_push_back(&s->conns_stalled, &c->stalled);
        return PARSE_STOP;
    }
    r->conn = c;
    r->pieces = pieces;
    r->front_bytes = front;
    uint64_t begun_ns = work_begins(s);
    enum req_verdict verdict = req_start(s, r, request);
    work_ends(s, r, begun_ns);
    r->pieces = NULL;
    if (verdict == REQ_AGAIN) {
        stall(s, c, r);
        return PARSE_STOP;
    }
    r->begun_ns = s->now_ns;
    counters_add(&s->counters, COUNTER_REQUESTS, 1);
    if (verdict == REQ_FAILED || verdict == REQ_BAD) {
        request_refused(s, c, r);
        return PARSE_STOP;
    }
    if (!c->again) {
        list_push_back(&c->requests, &r->link);
        c->request_count++;
    }
    c->again = NULL;
    counters_api(&s->counters, r->api->key);
    if (verdict == REQ_DONE) {
        r->done = true;
        r->done_ns = s->now_ns;
        req_seal(r);
    }
    conn_mute(s, c, r->throttle_ms);
    return c->closing ? PARSE_STOP : PARSE_NEXT;
}

/* Cuts requests off the front of `in`.  Returns the bytes done with; *want: how many must be there
 * before there is something to do. */
static uint32_t
requests_cut(struct shard *s, struct conn *c, struct view in, uint32_t *want)
{
    uint32_t at = 0;
    *want = LENGTH_BYTES;
    c->unread = false;
    while (in.len - at >= LENGTH_BYTES) {
        uint32_t len = get_u32(in.at + at);
        if (len < REQUEST_BYTES_MIN || len > s->request_bytes_max) {
            conn_close(s, c, DROP_REQUEST_SIZE);
            return at;
        }
        if (len > in.len - at - LENGTH_BYTES) {
            *want = LENGTH_BYTES + len;
            return at;
        }
        if (!c->again && !conn_may_parse(s, c)) {
            c->unread = true;
            return at;
        }
        uint32_t end = at + LENGTH_BYTES + len;
        struct view request = view_of(in.at + at + LENGTH_BYTES, len);
        if (request_run(s, c, request, end, NULL) == PARSE_STOP) {
            c->unread = true;
            return at;
        }
        at = end;
    }
    return at;
}

/* ---- requests in pieces ---- */

/* Whether the request at the front of `in`, which is not whole there, may be read in pieces. */
static bool
in_pieces(const struct shard *s, struct view in, uint32_t want)
{
    return s->stream.ops->scatter && want >= CONN_PIECES_MIN && want <= CONN_PIECES_MAX &&
           in.len >= LENGTH_BYTES + sizeof(uint16_t) &&
           get_u16(in.at + LENGTH_BYTES) == WIRE_API_PRODUCE;
}

/* Copies what of the request in s->pieces is not records; false: it is to be read whole. */
static bool
skeleton_make(struct conn_pieces *p, struct view *out)
{
    struct wire_header h;
    struct lens_skeleton k = {.out = p->skeleton, .room = sizeof p->skeleton};
    k.len = p->rope.bytes < LENS_FRONT_BYTES ? p->rope.bytes : LENS_FRONT_BYTES;
    rope_read(&p->rope, 0, p->skeleton, k.len);
    if (wire_header_read(view_of(p->skeleton, k.len), &h) || h.api_key != WIRE_API_PRODUCE ||
        !lens_skeleton(&k, &p->rope, h.bytes, h.api_version))
        return false;
    *out = view_of(p->skeleton, k.len);
    return true;
}

/* Runs the request of `want` bytes, its length included, if it is there.  False: nothing more can
 * be done now. */
static bool
pieces_run(struct shard *s, struct conn *c, uint32_t want)
{
    struct conn_pieces *p = s->pieces;
    struct view skeleton;
    uint32_t count = s->stream.ops->pieces(s->stream.self, c->id, p->at, STREAM_PIECES_MAX);
    uint64_t there = 0;
    for (uint32_t i = 0; i < count; i++)
        there += p->at[i].len;
    if (there < want && count < STREAM_PIECES_MAX)
        return false;
    c->partial_ns = 0;
    if (!c->again && !conn_may_parse(s, c)) {
        c->unread = true;
        return false;
    }
    if (there >= want) { /* in_pieces() has seen the length in the first of them */
        p->at[0] = view_of(p->at[0].at + LENGTH_BYTES, p->at[0].len - LENGTH_BYTES);
        must(rope_init(&p->rope, p->at, count, want - LENGTH_BYTES));
    }
    if (there < want || !skeleton_make(p, &skeleton)) {
        s->stream.ops->consume(s->stream.self, c->id, 0, want);
        return false;
    }
    if (request_run(s, c, skeleton, want, &p->rope) == PARSE_STOP) {
        c->unread = true;
        return false;
    }
    s->stream.ops->consume(s->stream.self, c->id, want, LENGTH_BYTES);
    c->active_ns = s->now_ns;
    s->work += want;
    return true;
}

static void
parse(struct shard *s, struct conn *c)
{
    bool more = true;
    while (more) {
        uint32_t want;
        struct view in = s->stream.ops->peek(s->stream.self, c->id);
        uint32_t used = requests_cut(s, c, in, &want);
        if (c->closing)
            return;
        if (used)
            c->active_ns = s->now_ns;
        struct view left = used < in.len ? view_of(in.at + used, in.len - used) : (struct view){0};
        more = !c->unread && in_pieces(s, left, want);
        s->stream.ops->consume(s->stream.self, c->id, used, c->unread ? 0 : want);
        s->work += used;
        if (c->unread || used == in.len)
            c->partial_ns = 0;
        else if (used || !c->partial_ns)
            c->partial_ns = s->now_ns;
        if (more) {
            s->stream.ops->scatter(s->stream.self, c->id);
            more = pieces_run(s, c, want);
        }
    }
}

void
conn_readable(struct shard *s, const struct stream_event *e)
{
    struct conn *c = conn_of(s, e);
    if (!c)
        return;
    c->unread = true;
    conn_mark(s, c);
}

/* What a stalled connection waits for: appends for the journal, all others for memory. */
static bool
waits_for_journal(const struct conn *c)
{
    return c->again && c->again->api->key == WIRE_API_PRODUCE;
}

/* Tries the stalled ones again, oldest first, until one of its kind still is: the oldest of a kind
 * is served first, and a large answer that finds no memory holds up no append. */
static void
stalled_run(struct shard *s)
{
    bool full[2] = {false, false};
    struct list *at = s->conns_stalled.next;
    for (uint32_t n = 0; n < CONN_STALLED_LOOKS && at != &s->conns_stalled; n++) {
        struct conn *c = list_item(at, struct conn, stalled);
        at = at->next;
        bool kind = waits_for_journal(c);
        if (full[kind])
            continue;
        struct list *next = at;
        list_remove(&c->stalled);
        if (c->closing)
            continue;
        parse(s, c);
        conn_mark(s, c);
        if (list_empty(&c->stalled))
            continue;
        list_remove(&c->stalled); /* back to its place */
        list_push_back(next, &c->stalled);
        full[kind] = true;
    }
}

void
conn_run(struct shard *s)
{
    if (s->stopping)
        return;
    stalled_run(s);
    for (struct list *at = s->conns_dirty.next; at != &s->conns_dirty; at = at->next) {
        struct conn *c = list_item(at, struct conn, dirty);
        if (c->unread && !c->closing && list_empty(&c->stalled) && conn_may_parse(s, c))
            parse(s, c);
    }
}

/* ---- the end ---- */

void
conn_closed(struct shard *s, const struct stream_event *e)
{
    struct conn *c = conn_of(s, e);
    if (!c)
        return;
    if (!c->closing && e->err == ERR_LIMIT)
        counters_add(&s->counters, DROP_REQUEST_MEMORY, 1);
    c->closing = true;
    conn_send_abandon(s, c);
    list_remove(&c->dirty);
    list_remove(&c->muted);
    list_remove(&c->stalled);
    struct list *first;
    while ((first = list_first(&c->requests)))
        req_orphan(s, list_item(first, struct req, link));
    c->again = NULL;
    c->id = 0;
    if (c->listener == INNER_LISTENER)
        return;
    conn_depart(s, c);
    s->conn_count--;
    counters_add(&s->counters, COUNTER_CONNECTIONS_CLOSED, 1);
}

static void
expire_one(struct shard *s, struct conn *c, uint64_t now_ns, uint64_t send_stall_ns)
{
    if (!c->id || c->closing)
        return;
    if (c->partial_ns && now_ns - c->partial_ns >= s->stall_ns)
        conn_close(s, c, DROP_REQUEST_SLOW);
    else if (c->send_ns && now_ns - c->send_ns >= send_stall_ns)
        conn_close(s, c, DROP_SEND_STALLED);
    else if (!c->request_count && now_ns - c->active_ns >= s->idle_ns)
        conn_close(s, c, DROP_IDLE);
}

uint64_t
conn_expire(struct shard *s, uint64_t now_ns)
{
    if (s->conn_count == 0)
        return CLOCK_NEVER;
    uint32_t slots = s->conn_high < CONN_SWEEP_SLOTS ? s->conn_high : CONN_SWEEP_SLOTS;
    bool shortage = shard_memory_short(s);
    uint64_t send_stall_ns = s->stall_ns;
    if (shortage && send_stall_ns > CONN_SHORT_STALL_MS * CLOCK_NS_PER_MS)
        send_stall_ns = CONN_SHORT_STALL_MS * CLOCK_NS_PER_MS;
    for (uint32_t i = 0; i < slots; i++) {
        if (s->conn_sweep >= s->conn_high)
            s->conn_sweep = 0;
        expire_one(s, &s->conns[s->conn_sweep++], now_ns, send_stall_ns);
    }
    if (shortage)
        return now_ns + CONN_SHORT_SWEEP_MS * CLOCK_NS_PER_MS;
    /* One pass over all slots takes a SWEEPS_PER_TIMEOUT-th of the shortest time-out. */
    uint64_t shortest = s->stall_ns < s->idle_ns ? s->stall_ns : s->idle_ns;
    uint32_t calls = (s->conn_high + CONN_SWEEP_SLOTS - 1) / CONN_SWEEP_SLOTS;
    return now_ns + shortest / SWEEPS_PER_TIMEOUT / calls;
}
