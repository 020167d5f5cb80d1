/* conn_send.c: answers to their peers; see conn.h.
 *
 * From the answers at the front of the list that are complete, bytes and ranges of log memory are
 * gathered into one send.  Log memory is pinned only while a loan is out, and nothing is pinned for
 * a peer that does not read (blocked): after STREAM_WRITABLE the ranges are mapped anew.
 *
 * I1 One loan at a time; pins belong to it.  Where sending stands moves only when STREAM_SENT says
 * so.
 * I2 A JOB_HOLD is asked for only when no loan is out and nothing is pinned, and its hold is
 * used in the turn it comes home.  So is a hold that came with the answer (holds.h), unless that
 * turn has sent its share; what of those is not sent then is asked for later.
 *
 * The kernel copies what is sent while the loop waits, so in a turn in which appends wait for their
 * answers not more than SHARD_SEND_CALM_BYTES of log memory are begun (share_left): connections
 * take turns, in the order in which they became ready, and answers without log memory always go,
 * first. What other shards have mapped goes when it comes home (I2), so it counts when it is asked
 * for.
 *
 * Log bytes that cannot be had any more (damage that a read has found, a disk that failed, a log
 * that was deleted) after the length of the response was said: behind a whole batch the rest of the
 * range is filled with the front of one that is longer than what follows, and zeros.  Clients know
 * that the last batch of a range may be cut, and ask again from there; then there is an error code.
 * Within a batch, or before the first, the connection is closed. */
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
    uint32_t count, bytes, limit;
    struct req *r; /* the answer being read, and the place in it: as in struct conn */
    uint32_t sent_bytes, range_index, range_sent;
};

static bool
gather_full(const struct gather *g)
{
    return g->count == STREAM_SPANS_MAX || g->bytes == g->limit;
}

/* Adds the front of v that there is room for; returns its length. */
static uint32_t
gather_add(struct gather *g, struct view v)
{
    uint32_t room = g->limit - g->bytes;
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
        shard_hold_of(s, &c->pins[i].pin);
        if (c->pins[i].owner == s->config.shard)
            store_release(s->store, &s->hold);
        else
            holds_release(s, c->pins[i].owner, &s->hold);
    }
    c->pin_count = 0;
}

/* The front of a batch that never ends: length at 8, magic at 16. */
static const uint8_t cut_batch[BATCH_HEADER_BYTES] = {
    [8] = 0x7f, [9] = 0xff, [10] = 0xff, [11] = 0xff - BATCH_OVERHEAD, [16] = 2};
static const uint8_t cut_zeros[16 << 10];

/* Goes on with the filling of a range. */
static void
gather_cut(struct gather *g, const struct answer_range *a)
{
    uint32_t at = g->range_sent - (a->cut_from - 1), left = a->range.len - g->range_sent;
    struct view v = view_of(cut_zeros, sizeof cut_zeros);
    if (at < sizeof cut_batch)
        v = view_of(cut_batch + at, (uint32_t)sizeof cut_batch - at);
    v.len = v.len < left ? v.len : left;
    g->range_sent += gather_add(g, v);
}

/* Takes over a mapped range: its pin belongs to the send now. */
static void
gather_hold(struct gather *g, struct conn *c, const struct store_hold *hold, uint32_t owner)
{
    must(hold->bytes > 0 && hold->span_count > 0);
    c->pins[c->pin_count++] = (struct conn_pin){{hold->pin, hold->pin_slabs}, owner};
    if (hold->whole)
        g->r->answer.ranges[g->range_index].whole = g->range_sent + hold->bytes;
    for (uint32_t i = 0; i < hold->span_count && !gather_full(g); i++)
        g->range_sent += gather_add(g, hold->spans[i]);
}

/* Gives a finished JOB_HOLD back, with its memory; what it mapped is somebody else's now. */
static void
hold_job_free(struct shard *s, struct job *j)
{
    holds_give(s, j->u.hold.hold, j->u.hold.result == ERR_OK);
    mesh_done(s->mesh, j);
}

/* Asks the owner for a range; it comes back by conn_held.  False: no job or no memory. */
static bool
hold_ask(struct shard *s, struct conn *c, uint32_t owner, const struct store_range *range)
{
    struct job *j = mesh_job(s->mesh);
    if (!j)
        return false;
    struct store_hold *hold = holds_take(s);
    if (!hold) {
        mesh_done(s->mesh, j);
        return false;
    }
    j->kind = JOB_HOLD;
    j->owner = (uint16_t)owner;
    j->req = NULL;
    j->part = index_of(s, c);
    j->u.hold.range = *range;
    j->u.hold.hold = hold;
    c->holds[c->hold_count++] = j;
    c->holds_out++;
    shard_submit(s, j);
    return true;
}

/* Where the ranges that one send may take end, and whether one of them, of another shard, is not
 * held. */
static uint32_t
window_end(const struct shard *s, const struct gather *g, uint32_t front_len, bool *lacking)
{
    const struct answer *a = &g->r->answer;
    uint64_t bytes = 0;
    uint32_t i = g->range_index;
    *lacking = false;
    for (; i < a->range_count && bytes < g->limit && i - g->range_index < CONN_HOLDS_MAX; i++) {
        bytes += i == g->range_index ? front_len : a->ranges[i].range.len;
        *lacking |= a->ranges[i].shard != s->config.shard && !a->ranges[i].hold;
    }
    return i;
}

/* Asks for the ranges of other shards from the front on, as many as one send may take, unless they
 * are held.  (When some are not, what others hold goes back before those come.) */
static void
holds_ask(struct shard *s, struct conn *c, const struct gather *g, struct store_range front)
{
    const struct answer *a = &g->r->answer;
    bool lacking;
    uint32_t end = window_end(s, g, front.len, &lacking);
    for (uint32_t i = g->range_index; lacking && i < end; i++) {
        const struct store_range *range = i == g->range_index ? &front : &a->ranges[i].range;
        if (a->ranges[i].shard == s->config.shard || hold_ask(s, c, a->ranges[i].shard, range))
            continue;
        if (list_empty(&c->stalled)) /* memory is short: look again next turn */
            list_push_back(&s->conns_stalled, &c->stalled);
        return;
    }
}

/* Gives back what came home and was not used. */
static void
holds_return(struct shard *s, struct conn *c)
{
    for (uint32_t i = c->hold_next; i < c->hold_count; i++) {
        struct job *j = c->holds[i];
        if (j->u.hold.result == ERR_OK)
            holds_release(s, j->owner, j->u.hold.hold);
        hold_job_free(s, j);
    }
    c->hold_count = c->hold_next = 0;
    c->holds_home = 0;
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

static bool
same_range(const struct store_range *a, const struct store_range *b)
{
    return a->log == b->log && a->segment_base == b->segment_base && a->at == b->at &&
           a->len == b->len;
}

static enum mapped
map_remote(struct shard *s, struct conn *c, struct gather *g, const struct answer_range *a,
           const struct store_range *rest)
{
    if (c->hold_next == c->hold_count)
        return MAP_LATER;
    struct job *j = c->holds[c->hold_next];
    if (!same_range(&j->u.hold.range, rest)) /* the one before it came only in part */
        return MAP_LATER;
    enum mapped m = result_of(j->u.hold.result);
    if (m == MAPPED)
        gather_hold(g, c, j->u.hold.hold, a->shard);
    c->hold_next++;
    hold_job_free(s, j);
    return m;
}

/* Maps what is left of the range at the front, as far as it is in memory. */
static enum mapped
map_range(struct shard *s, struct conn *c, struct gather *g)
{
    struct answer_range *a = &g->r->answer.ranges[g->range_index];
    struct store_range rest = a->range;
    if (a->hold && g->range_sent == 0) { /* it came with the answer */
        gather_hold(g, c, a->hold, a->shard);
        holds_give(s, a->hold, true);
        a->hold = NULL;
        return MAPPED;
    }
    rest.at += g->range_sent;
    rest.len = (a->cut_from ? a->cut_from - 1 : rest.len) - g->range_sent;
    bool own = a->shard == s->config.shard;
    if (c->pin_count == 0 && c->hold_count == 0 && !(own && c->was_read)) { /* I2 */
        holds_ask(s, c, g, rest);
        if (c->hold_count)
            return MAP_LATER;
    }
    if (!own)
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
    struct answer_range *range = &a->ranges[g->range_index];
    bool cut = range->cut_from && g->range_sent >= range->cut_from - 1;
    if (!cut && c->pin_count == CONN_PINS_MAX)
        return false;
    enum mapped m = cut ? MAPPED : map_range(s, c, g);
    if (m == MAP_NEVER && g->range_sent > 0 && g->range_sent == range->whole) {
        range->cut_from = g->range_sent + 1;
        m = MAPPED;
        cut = true;
    }
    if (m == MAP_NEVER) {
        conn_close(s, c, COUNTERS);
        return false;
    }
    if (cut)
        gather_cut(g, range);
    if (m == MAPPED && g->range_sent == range->range.len) {
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
    if (c->listener != INNER_LISTENER)
        timing_left(s, r);
    list_remove(&r->link);
    c->request_count--;
    c->sent_bytes = c->range_index = c->range_sent = 0;
    r->conn = NULL;
    holds_end(s, r);
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

/* Appends are being answered: who sends much gives way to them. */
static bool
calm(const struct shard *s)
{
    return s->now_ns - s->append_ns > SHARD_CALM_MS * CLOCK_NS_PER_MS;
}

/* The answer at the front goes on with log memory. */
static bool
heavy(const struct conn *c)
{
    const struct req *r = next_done(c, NULL);
    return r && !r->no_answer && c->range_index < r->answer.range_count;
}

/* False: the answer at the front has log memory, and this turn has sent its share of that. */
static bool
share_left(const struct shard *s, const struct conn *c)
{
    return !heavy(c) || calm(s) || s->turn_bytes < SHARD_SEND_CALM_BYTES;
}

/* False: there is more to send at once, in the next turn. */
static bool
flush_one(struct shard *s, struct conn *c)
{
    struct gather g;
    silent_leave(s, c);
    if (c->loan_out || c->blocked || c->reading || c->holds_out || !next_done(c, NULL))
        return true;
    bool mapped = c->hold_count > 0;
    if (!mapped && !share_left(s, c)) {
        holds_stay(s, next_done(c, NULL));
        return false;
    }
    g.limit = calm(s) ? STREAM_SEND_BYTES_MAX : SHARD_SEND_CALM_BYTES;
    gather_fill(s, c, &g);
    if (c->holds_out) { /* our own bytes before those ranges go together with them */
        s->turn_bytes += g.limit;
        return true;
    }
    holds_return(s, c);
    if (c->closing || g.bytes == 0) {
        pins_release(s, c);
        return true;
    }
    int n = s->stream.ops->send(s->stream.self, c->id, g.spans, g.count);
    s->work++;
    s->turn_bytes += c->pin_count && !mapped ? g.bytes : 0;
    if (!c->send_ns)
        c->send_ns = s->now_ns;
    if (n > 0) {
        c->loan_out = true;
        c->was_read = false;
        return true;
    }
    pins_release(s, c);
    c->blocked = true; /* until STREAM_WRITABLE, or STREAM_CLOSED */
    return true;
}

/* Adds those that have more to do to `later`; those that are heavy to `behind`, unless NULL. */
static void
flush_list(struct shard *s, struct list *conns, struct list *behind, struct list *later)
{
    struct list *first;
    while ((first = list_first(conns))) {
        struct conn *c = list_item(first, struct conn, dirty);
        list_remove(first);
        if (!c->id || c->closing)
            continue;
        if (behind && heavy(c)) {
            list_push_back(behind, &c->dirty);
            continue;
        }
        bool whole = flush_one(s, c);
        bool parse = c->unread && list_empty(&c->stalled) && conn_may_parse(s, c);
        if (!c->closing && (!whole || parse))
            list_push_back(later, &c->dirty);
    }
}

void
conn_flush(struct shard *s)
{
    struct list behind, later;
    struct list *first;
    list_init(&behind);
    list_init(&later);
    flush_list(s, &s->conns_dirty, &behind, &later);
    flush_list(s, &behind, NULL, &later);
    while ((first = list_first(&later))) {
        list_remove(first);
        list_push_back(&s->conns_dirty, first);
    }
    holds_end_all(s);
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
        c->send_ns = 0;
        sent_advance(s, c, e->bytes_sent);
    }
    if (e->bytes_back) {
        c->blocked = true;
        c->send_ns = c->send_ns ? c->send_ns : s->now_ns;
    }
    conn_mark(s, c);
}

void
conn_writable(struct shard *s, const struct stream_event *e)
{
    struct conn *c = conn_of(s, e);
    if (!c)
        return;
    c->blocked = false;
    c->send_ns = 0;
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
    uint32_t i = 0;
    while (i < c->hold_count && c->holds[i] != j)
        i++;
    if (i < c->hold_count) {
        must(c->holds_out > 0);
        c->holds_out--;
        c->holds_home |= (uint16_t)(1u << i);
        conn_mark(s, c);
        return;
    }
    /* That connection is gone. */
    if (j->u.hold.result == ERR_OK)
        holds_release(s, j->owner, j->u.hold.hold);
    hold_job_free(s, j);
}

void
conn_read_done(struct shard *s, uint32_t index)
{
    must(index < s->conn_slots);
    struct conn *c = &s->conns[index];
    if (!c->id)
        return;
    c->reading = false;
    c->was_read = true;
    conn_mark(s, c);
}

void
conn_send_abandon(struct shard *s, struct conn *c)
{
    pins_release(s, c);
    /* Those that are out find nobody when they come home. */
    for (uint32_t i = c->hold_next; i < c->hold_count; i++) {
        struct job *j = c->holds[i];
        if (!(c->holds_home & 1u << i))
            continue;
        if (j->u.hold.result == ERR_OK)
            holds_release(s, j->owner, j->u.hold.hold);
        hold_job_free(s, j);
    }
    c->hold_count = c->hold_next = c->holds_out = 0;
    c->holds_home = 0;
}
