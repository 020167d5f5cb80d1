/* forward.c: see forward.h.
 *
 * `forwards` holds every request that waits for control, oldest first; all have the same time to
 * live, so the first is the first to expire.  `forwards_endless` holds those that control answers
 * when others do their part (JoinGroup, SyncGroup): its own timers end them.  A request is unsent
 * (control_generation 0) or was sent to one life of control; the unsent ones are at the end of the
 * list.
 *
 * I1 A token names one request for ever: 16 bits of the data process' generation, 24 of the uses of
 *    the place in the pool, 24 of the place.  An answer whose token names nothing is dropped: it is
 * of a connection that is gone, or of a former life of this process. I2 A request that may have
 * been carried out goes out again only with `again` set. */
#include "dataplane/broker/forward.h"

#include "core/base/err.h"
#include "core/base/log.h"
#include "core/shm/msg.h"
#include "core/wire/kerr.h"
#include "core/wire/wire_gen.h"
#include "dataplane/broker/shard.h"

enum { TOKEN_INDEX_BITS = 24, TOKEN_USE_BITS = 24, FORWARD_BURST = 256, LENGTH_BYTES = 4 };

static uint64_t
token_of(const struct shard *s, const struct req *r)
{
    uint64_t use = r->generation & ((1u << TOKEN_USE_BITS) - 1);
    return (uint64_t)(s->generation & UINT16_MAX) << (TOKEN_INDEX_BITS + TOKEN_USE_BITS) |
           use << TOKEN_INDEX_BITS | r->index;
}

/* The request that waits under this token, NULL: none any more. */
static struct req *
token_find(const struct shard *s, uint64_t token)
{
    uint64_t index = token & ((1u << TOKEN_INDEX_BITS) - 1);
    if (index >= s->req_count)
        return NULL;
    struct req *r = &s->reqs[index];
    if (token_of(s, r) != token || !r->conn || r->done || !r->u.forward.copy)
        return NULL;
    const struct req_handler *h = req_handler(r->api->key);
    return r->forwarded || h->abandon == forward_abandon ? r : NULL;
}

static void
copy_free(struct shard *s, struct req *r)
{
    if (!r->u.forward.copy)
        return;
    buddy_give(s->memory, r->u.forward.copy);
    r->u.forward.copy = NULL;
    list_remove(&r->u.forward.waiting);
}

/* What control is told of the client's software with a request: telemetry is matched by it. */
static struct view
software_of(const struct req *r)
{
    const struct conn *c = r->conn;
    bool told = r->api->key == WIRE_API_GET_TELEMETRY_SUBSCRIPTIONS ||
                r->api->key == WIRE_API_PUSH_TELEMETRY;
    return view_of(c->software, told ? (uint32_t)c->name_bytes + c->version_bytes : 0);
}

/* False: no room in the ring now. */
static bool
request_send(struct shard *s, struct req *r)
{
    struct view software = software_of(r);
    uint32_t bytes = (uint32_t)sizeof(struct msg_request) + r->u.forward.len + software.len;
    uint8_t *at = chan_reserve(&s->to_control, bytes);
    if (!at)
        return false;
    struct msg_request m = {
        .token = token_of(s, r),
        .again = r->u.forward.control_generation != 0,
        .name_bytes = software.len ? r->conn->name_bytes : 0,
        .version_bytes = software.len ? r->conn->version_bytes : 0,
        .listener = r->conn->listener,
        .peer_port = r->conn->peer.port,
    };
    memcpy(m.peer_ip, r->conn->peer.ip, sizeof m.peer_ip);
    memcpy(at, &m, sizeof m);
    memcpy(at + sizeof m, r->u.forward.copy, r->u.forward.len);
    memcpy(at + sizeof m + r->u.forward.len, software.at, software.len);
    chan_publish(&s->to_control, MSG_REQUEST, s->generation, bytes);
    r->u.forward.control_generation = s->control_generation;
    s->to_control_sent = true;
    counters_add(&s->counters, COUNTER_REQUESTS_FORWARDED, 1);
    return true;
}

/* What no ring takes.  Only clients that push metrics are told, in Kafka's words; others would not
 * understand why, and an administrator sees the counter. */
static enum req_verdict
too_large(struct shard *s, struct req *r)
{
    struct wire_push_telemetry_response a = {.error_code = KERR_TELEMETRY_TOO_LARGE};
    counters_add(&s->counters, DROP_REQUEST_SIZE, 1);
    return r->api->key == WIRE_API_PUSH_TELEMETRY ? req_answer_struct(s, r, &a) : REQ_FAILED;
}

static enum req_verdict
start(struct shard *s, struct req *r, struct view body, struct list *waiting)
{
    struct view whole = view_of(body.at - r->header_bytes, body.len + r->header_bytes);
    if (whole.len > SHARD_ANSWER_BLOCK_MAX ||
        whole.len + sizeof(struct msg_request) + software_of(r).len > chan_body_max(&s->to_control))
        return too_large(s, r);
    size_t room;
    uint8_t *copy = buddy_take(s->memory, whole.len, &room);
    if (!copy)
        return REQ_AGAIN;
    memcpy(copy, whole.at, whole.len);
    r->u.forward.copy = copy;
    r->u.forward.len = whole.len;
    r->u.forward.control_generation = 0;
    bool endless = waiting == &s->forwards_endless;
    r->u.forward.deadline_ns = endless ? CLOCK_NEVER : s->now_ns + s->forward_ns;
    if (!endless && list_empty(waiting))
        s->forward_next_ns = r->u.forward.deadline_ns;
    list_push_back(waiting, &r->u.forward.waiting);
    if (!s->control_generation || s->control_bad || s->forwards_unsent || !request_send(s, r))
        s->forwards_unsent = true;
    return REQ_PENDING;
}

enum req_verdict
forward_start(struct shard *s, struct req *r, struct view body)
{
    return start(s, r, body, &s->forwards);
}

enum req_verdict
forward_wait_start(struct shard *s, struct req *r, struct view body)
{
    return start(s, r, body, &s->forwards_endless);
}

void
forward_abandon(struct shard *s, struct req *r)
{
    copy_free(s, r);
}

/* ---- from control ---- */

/* The answer's bytes begin at the correlation id.  False: no memory for them now. */
static bool
answer_take(struct shard *s, struct view body)
{
    struct msg_answer m;
    memcpy(&m, body.at, sizeof m);
    struct view bytes = view_of(body.at + sizeof m, body.len - (uint32_t)sizeof m);
    if (vouch_answered(s, m.token, bytes, false))
        return true;
    struct req *r = token_find(s, m.token);
    if (!r)
        return true;
    if (bytes.len < sizeof r->correlation_id || get_i32(bytes.at) != r->correlation_id) {
        log_error("forward", "control answered another request api=%s", r->api->name);
        req_fail(s, r, DROP_CONTROL_CLOSE);
        return true;
    }
    if (bytes.len > SHARD_ANSWER_BLOCK_MAX - LENGTH_BYTES) {
        log_error("forward", "an answer of control's is too large api=%s bytes=%u", r->api->name,
                  bytes.len);
        req_fail(s, r, DROP_CONTROL_CLOSE);
        return true;
    }
    if (!shard_answer_room(s, bytes.len) ||
        !answer_reserve(&r->answer, s->memory, LENGTH_BYTES + bytes.len))
        return false;
    struct put w = answer_writer(&r->answer);
    put_u32(&w, bytes.len);
    put_bytes(&w, bytes.at, bytes.len);
    answer_commit(&r->answer, &w);
    copy_free(s, r);
    if (m.throttle_ms > r->throttle_ms)
        r->throttle_ms = m.throttle_ms;
    conn_mute(s, r->conn, m.throttle_ms);
    req_finish(s, r);
    return true;
}

static void
close_take(struct shard *s, struct view body)
{
    struct msg_answer m;
    memcpy(&m, body.at, sizeof m);
    if (vouch_answered(s, m.token, view_of(NULL, 0), true))
        return;
    struct req *r = token_find(s, m.token);
    if (r)
        req_fail(s, r, DROP_CONTROL_CLOSE);
}

static void
row_take(struct shard *s, uint32_t kind, struct view body)
{
    struct msg_row m;
    memcpy(&m, body.at, sizeof m);
    int err = kind == MSG_TOPIC ? route_refresh_topic(s->route, s->store, m.row)
                                : route_refresh_want(s->route, s->store, m.row);
    if (err)
        s->route_retry_ns = s->now_ns + SHARD_RETRY_MS * CLOCK_NS_PER_MS;
}

/* False: the message must stay where it is for now. */
static bool
message_take(struct shard *s, const struct chan_message *m)
{
    switch (m->kind) {
    case MSG_ANSWER:
        return answer_take(s, m->body);
    case MSG_CLOSE:
        close_take(s, m->body);
        return true;
    case MSG_CALL:
        inner_take(&s->inner, m->generation, m->body);
        return true;
    case MSG_TOPIC:
    case MSG_WANT:
        row_take(s, m->kind, m->body);
        return true;
    default: /* of the other direction: control is broken, but its ring is not */
        log_error("forward", "unexpected message kind=%s", msg_name(m->kind));
        return true;
    }
}

static void
channel_fail(struct shard *s)
{
    s->control_bad = true;
    log_error("forward", "a ring of control's is corrupt: serving without control shard=%u",
              s->config.shard);
}

/* Control serves again after a restart: everything that it has not answered goes out once more. */
static void
control_changed(struct shard *s, uint32_t generation)
{
    if (s->control_bad) {
        uint32_t bytes = s->region->header->ring_bytes;
        chan_join(&s->to_control, region_ring_to_control(s->region, s->config.shard), bytes);
        chan_join(&s->from_control, region_ring_to_data(s->region, s->config.shard), bytes);
        s->control_bad = false;
    }
    s->control_generation = generation;
    inner_open(&s->inner, generation);
    if (!list_empty(&s->forwards) || !list_empty(&s->forwards_endless))
        s->forwards_unsent = true;
}

/* The words that control publishes about itself. */
static void
control_look(struct shard *s)
{
    struct region_header *h = s->region->header;
    struct region_peer *p = &h->peers[REGION_CONTROL];
    /* Pairs with the release in region_set_ready: control has joined the rings. */
    uint32_t ready = atomic_load_explicit(&p->ready, memory_order_acquire);
    if (ready != s->control_generation && ready &&
        ready == atomic_load_explicit(&p->generation, memory_order_relaxed))
        control_changed(s, ready);
    /* Pairs with control's release: the tables are complete. */
    uint32_t published = atomic_load_explicit(&h->published, memory_order_acquire);
    if (published == s->published)
        return;
    if (route_refresh_all(s->route, s->store)) {
        s->route_retry_ns = s->now_ns + SHARD_RETRY_MS * CLOCK_NS_PER_MS;
        return;
    }
    s->published = published;
    uint32_t unnamed = route_unnamed(s->route, s->store);
    if (unnamed)
        log_warn("route", "logs that control does not name are left alone shard=%u logs=%u",
                 s->config.shard, unnamed);
}

uint32_t
forward_take(struct shard *s)
{
    control_look(s);
    if (s->control_bad)
        return 0;
    for (uint32_t n = 0; n < FORWARD_BURST; n++) {
        struct chan_message m;
        int err = chan_peek(&s->from_control, &m);
        if (err == ERR_CORRUPT)
            channel_fail(s);
        if (err || !message_take(s, &m))
            return n;
        chan_done(&s->from_control);
    }
    return FORWARD_BURST;
}

/* ---- to control ---- */

static void
unsent_send(struct shard *s)
{
    if (!s->control_generation || s->control_bad)
        return;
    struct list *lists[] = {&s->forwards, &s->forwards_endless};
    for (uint32_t i = 0; i < 2; i++) {
        for (struct list *at = lists[i]->next; at != lists[i]; at = at->next) {
            struct req *r = list_item(at, struct req, u.forward.waiting);
            if (r->u.forward.control_generation != s->control_generation && r->conn &&
                !request_send(s, r))
                return;
        }
    }
    s->forwards_unsent = false;
}

uint64_t
forward_run(struct shard *s, uint64_t now_ns)
{
    if (s->forwards_unsent)
        unsent_send(s);
    struct list *at = list_first(&s->forwards);
    while (at != NULL && at != &s->forwards) {
        struct req *r = list_item(at, struct req, u.forward.waiting);
        if (r->u.forward.deadline_ns > now_ns)
            return r->u.forward.deadline_ns;
        at = at->next;
        /* Off the list at once: the connection may take a while to close. */
        copy_free(s, r);
        req_fail(s, r, DROP_CONTROL_LATE);
    }
    return CLOCK_NEVER;
}

bool
forward_have(struct shard *s, uint32_t slot, uint32_t version)
{
    if (s->control_bad)
        return true; /* it reads all rows when it comes back */
    struct msg_row m = {slot, version};
    uint8_t *at = chan_reserve(&s->to_control, sizeof m);
    if (!at)
        return false;
    memcpy(at, &m, sizeof m);
    chan_publish(&s->to_control, MSG_HAVE, s->generation, sizeof m);
    s->to_control_sent = true;
    return true;
}

void
forward_flush(struct shard *s)
{
    if (!s->to_control_sent)
        return;
    s->to_control_sent = false;
    if (chan_must_wake(&s->to_control))
        region_wake(s->region, s->config.shard_count);
}

bool
forward_sleep(struct shard *s)
{
    return !s->control_bad && chan_sleep(&s->from_control);
}

void
forward_awake(struct shard *s)
{
    if (!s->control_bad)
        chan_awake(&s->from_control);
}
