/* conn_send.c: answers to their peers; see conn.h.
 *
 * From the answers at the front of the list that are complete, bytes and ranges of log memory are
 * gathered into one send.  Log memory is pinned only while a loan is out, and nothing is pinned for
 * a peer that does not read (blocked): after STREAM_WRITABLE the ranges are mapped anew.
 *
 * I1 One loan at a time; pins belong to it.  Where sending stands moves only when STREAM_SENT says
 * so. I2 A JOB_HOLD is asked for only when no loan is out and nothing is pinned, and its hold is
 * used in the turn it comes home. */
#include "core/base/err.h"
#include "dataplane/broker/conn.h"
#include "dataplane/broker/shard.h"

static uint32_t
index_of(const struct shard *s, const struct conn *c)
{
    return (uint32_t)(c - s->conns);
}

/* What one send is made of, and where the next byte of it comes from. */
struct gather {
    struct view spans[STREAM_SPANS_MAX];
    uint32_t count, bytes;
    struct req *r; /* the answer being read, and the place in it: as in struct conn */
    uint32_t sent_bytes, range_index, range_sent;
};

static bool
gather_full(const struct gather *g)
{
    return g->count == STREAM_SPANS_MAX || g->bytes == STREAM_SEND_BYTES_MAX;
}

/* Adds the front of v that there is room for; returns its length. */
static uint32_t
gather_add(struct gather *g, struct view v)
{
    uint32_t room = STREAM_SEND_BYTES_MAX - g->bytes;
    if (v.len > room)
        v.len = room;
    if (v.len == 0 || g->count == STREAM_SPANS_MAX)
        return 0;
    g->spans[g->count++] = v;
    g->bytes += v.len;
    return v.len;
}

static void
pins_release(struct shard *s, struct conn *c)
{
    for (uint32_t i = 0; i < c->pin_count; i++) {
        s->hold.pin = c->pins[i].pin;
        s->hold.span_count = s->hold.bytes = 0;
        if (c->pins[i].owner == s->config.shard)
            store_release(s->store, &s->hold);
        else
            mesh_release(s->mesh, c->pins[i].owner, &s->hold);
    }
    c->pin_count = 0;
}

/* Takes over a mapped range: its pin belongs to the send now. */
static void
gather_hold(struct gather *g, struct conn *c, const struct store_hold *hold, uint32_t owner)
{
    must(hold->bytes > 0 && hold->span_count > 0);
    c->pins[c->pin_count++] = (struct conn_pin){hold->pin, owner};
    for (uint32_t i = 0; i < hold->span_count && !gather_full(g); i++)
        g->range_sent += gather_add(g, hold->spans[i]);
}

/* Gives a finished JOB_HOLD back, with its memory. */
static void
hold_job_free(struct shard *s, struct job *j)
{
    buddy_give(s->memory, j->u.hold.hold);
    mesh_done(s->mesh, j);
}

/* Asks the owner for the range; it comes back by conn_held. */
static void
hold_job_send(struct shard *s, struct conn *c, const struct answer_range *a,
              const struct store_range *range)
{
    struct job *j = mesh_job(s->mesh);
    size_t room;
    struct store_hold *hold = j ? buddy_take(s->memory, sizeof *hold, &room) : NULL;
    if (!hold) {
        if (j)
            mesh_done(s->mesh, j);
        if (list_empty(&c->stalled)) /* memory is short: look again next turn */
            list_push_back(&s->conns_stalled, &c->stalled);
        return;
    }
    j->kind = JOB_HOLD;
    j->owner = (uint16_t)a->shard;
    j->req = NULL;
    j->part = index_of(s, c);
    j->u.hold.range = *range;
    j->u.hold.hold = hold;
    c->hold_job = j;
    c->hold_home = false;
    shard_submit(s, j);
}

/* What mapping a range came to: it is in the send, it comes later, or it never will. */
enum mapped { MAPPED, MAP_LATER, MAP_NEVER };

static enum mapped
result_of(int err)
{
    if (err == ERR_OK)
        return MAPPED;
    return err == ERR_AGAIN ? MAP_LATER : MAP_NEVER;
}

static enum mapped
map_remote(struct shard *s, struct conn *c, struct gather *g, const struct answer_range *a,
           const struct store_range *rest)
{
    struct job *j = c->hold_job;
    if (j && c->hold_home) {
        enum mapped m = result_of(j->u.hold.result);
        if (m == MAPPED)
            gather_hold(g, c, j->u.hold.hold, a->shard);
        c->hold_job = NULL;
        hold_job_free(s, j);
        return m;
    }
    if (!j && c->pin_count == 0) /* I2 */
        hold_job_send(s, c, a, rest);
    return MAP_LATER;
}

/* Maps what is left of the range at the front, as far as it is in memory. */
static enum mapped
map_range(struct shard *s, struct conn *c, struct gather *g)
{
    const struct answer_range *a = &g->r->answer.ranges[g->range_index];
    struct store_range rest = a->range;
    rest.at += g->range_sent;
    rest.len -= g->range_sent;
    if (a->shard != s->config.shard)
        return map_remote(s, c, g, a, &rest);
    enum mapped m =
        result_of(store_hold(s->store, &rest, shard_waiter_conn(index_of(s, c)), &s->hold));
    if (m == MAPPED)
        gather_hold(g, c, &s->hold, a->shard);
    c->reading = m == MAP_LATER;
    return m;
}

/* Adds one piece: bytes up to the next range, or that range.  False: nothing more for now. */
static bool
gather_piece(struct shard *s, struct conn *c, struct gather *g)
{
    const struct answer *a = &g->r->answer;
    bool range_left = g->range_index < a->range_count;
    uint32_t bytes_end = range_left ? a->ranges[g->range_index].at : a->len;
    if (g->sent_bytes < bytes_end) {
        g->sent_bytes +=
            gather_add(g, view_of(a->bytes + g->sent_bytes, bytes_end - g->sent_bytes));
        return true;
    }
    must(range_left);
    if (c->pin_count == CONN_PINS_MAX)
        return false;
    enum mapped m = map_range(s, c, g);
    if (m == MAP_NEVER) {
        /* Its log is gone, or its disk failed, after the length of the response was said. */
        conn_close(s, c, COUNTERS);
        return false;
    }
    if (m == MAPPED && g->range_sent == a->ranges[g->range_index].range.len) {
        g->range_index++;
        g->range_sent = 0;
    }
    return m == MAPPED;
}

static bool
answer_out(const struct req *r, uint32_t sent_bytes, uint32_t range_index)
{
    return r->no_answer || (sent_bytes == r->answer.len && range_index == r->answer.range_count);
}

/* The next request whose answer goes behind that of r; NULL: none, or not complete. */
static struct req *
next_done(const struct conn *c, const struct req *r)
{
    struct list *at = r ? r->link.next : c->requests.next;
    if (at == &c->requests)
        return NULL;
    struct req *next = list_item(at, struct req, link);
    return next->done ? next : NULL;
}

static void
gather_fill(struct shard *s, struct conn *c, struct gather *g)
{
    g->count = g->bytes = 0;
    g->r = next_done(c, NULL);
    g->sent_bytes = c->sent_bytes;
    g->range_index = c->range_index;
    g->range_sent = c->range_sent;
    while (g->r && !gather_full(g)) {
        if (answer_out(g->r, g->sent_bytes, g->range_index)) {
            g->r = next_done(c, g->r);
            g->sent_bytes = g->range_index = g->range_sent = 0;
        } else if (!gather_piece(s, c, g)) {
            return;
        }
    }
}

/* The answer of the oldest request is out: it leaves the connection. */
static void
request_leaves(struct shard *s, struct conn *c, struct req *r)
{
    list_remove(&r->link);
    c->request_count--;
    c->sent_bytes = c->range_index = c->range_sent = 0;
    r->conn = NULL;
    if (r->pending == 0)
        req_give(s, r);
    else
        answer_free(&r->answer, s->memory);
}

/* Requests without an answer leave as soon as they are the oldest. */
static void
silent_leave(struct shard *s, struct conn *c)
{
    struct req *r;
    while ((r = next_done(c, NULL)) && answer_out(r, c->sent_bytes, c->range_index))
        request_leaves(s, c, r);
}

static void
flush_one(struct shard *s, struct conn *c)
{
    struct gather g;
    silent_leave(s, c);
    if (c->loan_out || c->blocked || c->reading || !next_done(c, NULL))
        return;
    gather_fill(s, c, &g);
    /* Waiting for another shard with nothing but our own bytes: they go with what comes. */
    if (c->closing || g.bytes == 0 || (c->hold_job && c->pin_count == 0)) {
        pins_release(s, c);
        return;
    }
    int n = s->stream.ops->send(s->stream.self, c->id, g.spans, g.count);
    s->work++;
    if (!c->send_ns)
        c->send_ns = s->now_ns;
    if (n > 0) {
        c->loan_out = true;
        return;
    }
    pins_release(s, c);
    c->blocked = true; /* until STREAM_WRITABLE, or STREAM_CLOSED */
}

void
conn_flush(struct shard *s)
{
    struct list later;
    struct list *first;
    list_init(&later);
    while ((first = list_first(&s->conns_dirty))) {
        struct conn *c = list_item(first, struct conn, dirty);
        list_remove(first);
        if (!c->id || c->closing)
            continue;
        flush_one(s, c);
        if (!c->closing && c->unread && list_empty(&c->stalled) &&
            c->request_count < s->in_flight_max)
            list_push_back(&later, &c->dirty);
    }
    while ((first = list_first(&later))) {
        list_remove(first);
        list_push_back(&s->conns_dirty, first);
    }
}

/* Moves where sending stands `bytes` on. */
static void
sent_advance(struct shard *s, struct conn *c, uint32_t bytes)
{
    while (bytes) {
        struct req *r = next_done(c, NULL);
        must(r);
        const struct answer *a = &r->answer;
        bool range_left = !r->no_answer && c->range_index < a->range_count;
        uint32_t bytes_end = r->no_answer ? 0 : range_left ? a->ranges[c->range_index].at : a->len;
        if (c->sent_bytes < bytes_end) {
            uint32_t n = bytes_end - c->sent_bytes < bytes ? bytes_end - c->sent_bytes : bytes;
            c->sent_bytes += n;
            bytes -= n;
        } else if (range_left) {
            uint32_t len = a->ranges[c->range_index].range.len;
            uint32_t n = len - c->range_sent < bytes ? len - c->range_sent : bytes;
            c->range_sent += n;
            bytes -= n;
            if (c->range_sent == len) {
                c->range_index++;
                c->range_sent = 0;
            }
        }
        if (answer_out(r, c->sent_bytes, c->range_index))
            request_leaves(s, c, r);
    }
}

void
conn_sent(struct shard *s, const struct stream_event *e)
{
    struct conn *c = conn_of(s, e);
    if (!c)
        return;
    must(c->loan_out);
    c->loan_out = false;
    pins_release(s, c);
    if (e->bytes_sent) {
        c->active_ns = s->now_ns;
        c->send_ns = next_done(c, NULL) ? s->now_ns : 0;
        sent_advance(s, c, e->bytes_sent);
    }
    if (!next_done(c, NULL))
        c->send_ns = 0;
    if (e->bytes_back)
        c->blocked = true;
    conn_mark(s, c);
}

void
conn_writable(struct shard *s, const struct stream_event *e)
{
    struct conn *c = conn_of(s, e);
    if (!c)
        return;
    c->blocked = false;
    conn_mark(s, c);
}

/* ---- holds ---- */

void
conn_hold(struct shard *s, struct job *j)
{
    int err = store_hold(s->store, &j->u.hold.range, shard_waiter_job(j), j->u.hold.hold);
    if (err == ERR_AGAIN)
        return; /* the store gives the job back as a waiter */
    j->u.hold.result = err;
    shard_return(s, j);
}

void
conn_held(struct shard *s, struct job *j)
{
    must(j->part < s->conn_slots);
    struct conn *c = &s->conns[j->part];
    if (c->hold_job != j) { /* that connection is gone */
        if (j->u.hold.result == ERR_OK)
            mesh_release(s->mesh, j->owner, j->u.hold.hold);
        hold_job_free(s, j);
        return;
    }
    c->hold_home = true;
    conn_mark(s, c);
}

void
conn_read_done(struct shard *s, uint32_t index)
{
    must(index < s->conn_slots);
    struct conn *c = &s->conns[index];
    if (!c->id)
        return;
    c->reading = false;
    conn_mark(s, c);
}

void
conn_send_abandon(struct shard *s, struct conn *c)
{
    pins_release(s, c);
    if (c->hold_job && c->hold_home) {
        mesh_release(s->mesh, c->hold_job->owner, c->hold_job->u.hold.hold);
        hold_job_free(s, c->hold_job);
    }
    c->hold_job = NULL; /* one that is out finds nobody when it comes home */
}
