/* server_coord.c: life of the partitions, and requests; see server_coord.h.  Batches and replies:
 * server_coord_log.c. */
#include "control/server/server_coord_in.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/wire/kerr.h"
#include "core/wire/wire_gen.h"
#include "core/wire/wire_table.h"

#include <stdlib.h>

enum {
    END_VERSION = 4,
    FETCH_VERSION = 12,
    FETCH_WAIT_MS = 100,
    ARENA_BYTES = 256 << 20, /* touched as needed */
    TOKEN_LIFE_BITS = 24,
    EARLY_ARENA_FIRST = 64 << 10,
    EARLY_ARENA_PER_BYTE = 64, /* of a request: no struct is larger beside its least bytes */
};

/* ---- life --------------------------------------------------------------------------------------
 */

static void
part_init(struct server_coord *c, struct coord_part *p, int32_t partition)
{
    *p = (struct coord_part){.c = c, .partition = partition, .life = ++c->lives};
    list_init(&p->gathers);
    list_init(&p->early);
    list_init(&p->waiting);
    list_init(&p->held);
    list_init(&p->node);
}

struct server_coord *
server_coord_new(const struct server_coord_config *config)
{
    struct server_coord *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->config = *config;
    list_init(&c->touched);
    c->arena_at = malloc(ARENA_BYTES);
    if (!c->arena_at) {
        free(c);
        return NULL;
    }
    wire_arena_init(&c->arena, c->arena_at, ARENA_BYTES);
    part_init(c, &c->nowhere, -1);
    return c;
}

/* Ends what the partition has, without answers. */
static void
part_drop(struct coord_part *p)
{
    server_coord_gathers_free(p);
    struct list *lists[] = {&p->early, &p->waiting, &p->held};
    for (uint32_t i = 0; i < 3; i++)
        while (!list_empty(lists[i]))
            server_coord_pending_free(list_item(lists[i]->next, struct coord_pending, link));
    if (p->machine)
        p->c->config.machine->free(p->machine);
    p->machine = NULL;
}

void
server_coord_free(struct server_coord *c)
{
    if (!c)
        return;
    for (int32_t i = 0; i < c->count; i++)
        part_drop(&c->parts[i]);
    free(c->parts);
    free(c->batch);
    free(c->scratch);
    free(c->arena_at);
    free(c);
}

void
server_coord_restart(struct server_coord *c, const char *why)
{
    uint32_t active = c->active;
    for (int32_t i = 0; i < c->count; i++)
        server_coord_fail(&c->parts[i], KERR_NOT_COORDINATOR, NULL);
    if (active)
        log_info("coordinator", "loading all partitions anew topic=%s why=%s", c->config.topic,
                 why);
}

void
server_coord_partitions(struct server_coord *c, int32_t count)
{
    if (count == c->count)
        return;
    server_coord_restart(c, "the topic changed"); /* lists point into the array */
    free(c->parts);
    c->parts = count ? calloc((size_t)count, sizeof *c->parts) : NULL;
    must(count == 0 || c->parts != NULL);
    c->count = count;
    c->loading = c->active = 0;
    for (int32_t i = 0; i < count; i++)
        part_init(c, &c->parts[i], i);
}

bool
server_coord_active(const struct server_coord *c, int32_t partition)
{
    return partition >= 0 && partition < c->count && c->parts[partition].state == COORD_ACTIVE;
}

const void *
server_coord_machine(const struct server_coord *c, int32_t partition, int32_t *count)
{
    *count = c->count;
    return server_coord_active(c, partition) ? c->parts[partition].machine : NULL;
}

/* ---- requests ----------------------------------------------------------------------------------
 */

static void
request_of(const struct coord_pending *q, struct coord_request *r, const void *body,
           struct view client_id)
{
    *r = (struct coord_request){.token = (uint64_t)(uintptr_t)q,
                                .api = q->api,
                                .version = q->version,
                                .body = body,
                                .client_id = client_id};
    memcpy(r->client_host, q->client_host, sizeof r->client_host);
}

static int
decode_anew(const struct coord_pending *q, struct wire_arena *arena, void **body,
            struct view *client_id)
{
    struct view request = view_of(q->request, q->request_bytes);
    struct wire_header header;
    *body = wire_arena_take(arena, q->api->request->top.size);
    int rc = wire_header_read(request, &header);
    must(rc == ERR_OK && *body); /* it was decoded before */
    *client_id = header.client_id;
    return wire_decode(q->api->request, q->version,
                       view_of(request.at + header.bytes, request.len - header.bytes), *body,
                       arena);
}

/* Answers a request with an error: decoded anew, since its machine is gone or not there yet.  What
 * does not fit into our arena has its connection closed. */
static void
refuse(struct coord_pending *q, int16_t error)
{
    const struct server_coord_config *config = &q->part->c->config;
    struct coord_turn turn;
    struct coord_step step;
    struct coord_request r;
    struct view client_id, none = {0};
    void *body;
    server_coord_turn_begin(&turn, q->part, &step);
    free(q->reply);
    q->reply = NULL;
    if (decode_anew(q, step.arena, &body, &client_id) == ERR_OK) {
        request_of(q, &r, body, client_id);
        config->machine->refuse(&step, &r, error);
        must(q->reply != NULL);
    }
    config->answer(config->user, q->shard, q->token,
                   q->reply ? view_of(q->reply, q->reply_bytes) : none);
    server_coord_pending_free(q); /* also from turn.replied */
}

void
server_coord_fail(struct coord_part *p, int16_t error, const char *what)
{
    struct server_coord *c = p->c;
    if (what && p->state != COORD_IDLE)
        log_warn("coordinator", "a partition is loaded anew topic=%s partition=%d why=%s",
                 c->config.topic, p->partition, what);
    if (p->state == COORD_END || p->state == COORD_LOAD)
        c->loading--;
    if (p->state == COORD_ACTIVE)
        c->active--;
    p->state = COORD_IDLE;
    p->life = ++c->lives;
    p->retry_ms = c->now_ms + SERVER_COORD_PAUSE_MS;
    p->built = p->sent = p->durable = 0;
    server_coord_gathers_free(p);
    if (p->machine)
        c->config.machine->free(p->machine);
    p->machine = NULL;
    struct list *lists[] = {&p->held, &p->waiting, &p->early};
    for (uint32_t i = 0; i < 3; i++)
        while (!list_empty(lists[i]))
            refuse(list_item(lists[i]->next, struct coord_pending, link), error);
}

static struct coord_pending *
pending_new(struct coord_part *p, const struct server_coord_origin *from,
            const struct coord_request *r)
{
    struct coord_pending *q = calloc(1, sizeof *q + from->bytes.len);
    must(q != NULL);
    q->part = p;
    q->shard = from->shard;
    q->token = from->token;
    q->correlation_id = from->correlation_id;
    q->api = r->api;
    q->version = r->version;
    memcpy(q->client_host, r->client_host, sizeof q->client_host);
    q->request_bytes = from->bytes.len;
    memcpy(q->request, from->bytes.at, from->bytes.len);
    list_push_back(&p->waiting, &q->link);
    p->c->requests++;
    p->c->request_bytes += q->request_bytes;
    return q;
}

void
server_coord_request(struct server_coord *c, int32_t partition,
                     const struct server_coord_origin *from, struct coord_request *r,
                     int64_t now_ms)
{
    bool there = partition >= 0 && partition < c->count;
    struct coord_part *p = there ? &c->parts[partition] : &c->nowhere;
    c->now_ms = now_ms > c->now_ms ? now_ms : c->now_ms;
    struct coord_pending *q = pending_new(p, from, r);
    if (!there || c->requests > SERVER_COORD_REQUESTS_MAX ||
        c->request_bytes > SERVER_COORD_REQUEST_BYTES_MAX) {
        refuse(q, there ? KERR_COORDINATOR_NOT_AVAILABLE : KERR_NOT_COORDINATOR);
        return;
    }
    if (p->state != COORD_ACTIVE) {
        q->until_ms = c->now_ms + SERVER_COORD_EARLY_MS;
        list_remove(&q->link);
        list_push_back(&p->early, &q->link);
        return;
    }
    struct coord_turn turn;
    struct coord_step step;
    server_coord_turn_begin(&turn, p, &step);
    r->token = (uint64_t)(uintptr_t)q;
    c->config.machine->request(p->machine, &step, r);
    server_coord_turn_end(&turn);
}

static void
early_carry_out(struct coord_pending *q, struct wire_arena *arena)
{
    struct coord_part *p = q->part;
    struct coord_turn turn;
    struct coord_step step;
    struct coord_request r;
    struct view client_id;
    void *body;
    int rc = decode_anew(q, arena, &body, &client_id);
    must(rc == ERR_OK);
    request_of(q, &r, body, client_id);
    list_remove(&q->link);
    list_push_back(&p->waiting, &q->link);
    server_coord_turn_begin(&turn, p, &step);
    p->c->config.machine->request(p->machine, &step, &r);
    server_coord_turn_end(&turn);
}

/* The partition is served: what came before that is carried out. */
static void
early_begin(struct coord_part *p)
{
    while (p->state == COORD_ACTIVE && !list_empty(&p->early)) {
        struct coord_pending *q = list_item(list_first(&p->early), struct coord_pending, link);
        uint64_t room = EARLY_ARENA_FIRST + (uint64_t)q->request_bytes * EARLY_ARENA_PER_BYTE;
        void *at = malloc(room);
        must(at != NULL);
        struct wire_arena arena;
        wire_arena_init(&arena, at, room);
        early_carry_out(q, &arena);
        free(at);
    }
}

/* Refuses what waited long enough.  Returns when the next one has. */
static int64_t
early_expire(struct coord_part *p)
{
    struct list *at;
    while ((at = list_first(&p->early))) {
        struct coord_pending *q = list_item(at, struct coord_pending, link);
        if (q->until_ms > p->c->now_ms)
            return q->until_ms;
        refuse(q, KERR_COORDINATOR_LOAD_IN_PROGRESS);
    }
    return INT64_MAX;
}

/* ---- loading -----------------------------------------------------------------------------------
 */

uint64_t
server_coord_token(const struct coord_part *p, enum coord_call call)
{
    uint64_t life = p->life & ((1u << TOKEN_LIFE_BITS) - 1);
    return (uint64_t)p->c->config.kind << 56 | (uint64_t)call << 48 |
           (uint64_t)(uint32_t)p->partition << TOKEN_LIFE_BITS | life;
}

/* The partition that a call was made for; NULL when it began anew since. */
static struct coord_part *
part_of(struct server_coord *c, uint64_t token)
{
    uint32_t partition = (uint32_t)(token >> TOKEN_LIFE_BITS) & ((1u << 24) - 1);
    if (partition >= (uint32_t)c->count)
        return NULL;
    struct coord_part *p = &c->parts[partition];
    return ((p->life ^ token) & ((1u << TOKEN_LIFE_BITS) - 1)) == 0 ? p : NULL;
}

static int
end_ask(struct coord_part *p)
{
    struct server_coord *c = p->c;
    struct wire_offset_for_leader_epoch_request_offset_for_leader_partition part = {
        .partition = p->partition,
        .current_leader_epoch = -1,
        .leader_epoch = p->home.leader_epoch};
    struct wire_offset_for_leader_epoch_request_offset_for_leader_topic topic = {
        .topic = view_of_text(c->config.topic), .partitions = {&part, 1}};
    struct wire_offset_for_leader_epoch_request request = {.replica_id = -2, .topics = {&topic, 1}};
    return server_inner_call(c->config.inner, p->home.shard,
                             wire_api_find(WIRE_API_OFFSET_FOR_LEADER_EPOCH), END_VERSION, &request,
                             server_coord_token(p, COORD_CALL_END));
}

static int
fetch_ask(struct coord_part *p)
{
    struct server_coord *c = p->c;
    struct wire_fetch_request_fetch_partition part = {.partition = p->partition,
                                                      .current_leader_epoch = -1,
                                                      .fetch_offset = p->next,
                                                      .last_fetched_epoch = -1,
                                                      .log_start_offset = -1,
                                                      .partition_max_bytes =
                                                          SERVER_COORD_FETCH_BYTES,
                                                      .high_watermark = INT64_MAX};
    struct wire_fetch_request_fetch_topic topic = {.topic = view_of_text(c->config.topic),
                                                   .partitions = {&part, 1}};
    struct wire_fetch_request request = {.cluster_id = {0},
                                         .replica_id = -1,
                                         .replica_state = {-1, -1},
                                         .max_wait_ms = FETCH_WAIT_MS,
                                         .min_bytes = 1,
                                         .max_bytes = SERVER_COORD_FETCH_BYTES,
                                         .session_epoch = -1,
                                         .topics = {&topic, 1},
                                         .rack_id = view_of_text("")};
    return server_inner_call(c->config.inner, p->home.shard, wire_api_find(WIRE_API_FETCH),
                             FETCH_VERSION, &request, server_coord_token(p, COORD_CALL_FETCH));
}

static void
active(struct coord_part *p)
{
    struct coord_turn turn;
    struct coord_step step;
    p->state = COORD_ACTIVE;
    p->c->loading--;
    log_debug("coordinator", "serving topic=%s partition=%d records_to=%lld", p->c->config.topic,
              p->partition, (long long)p->next);
    if (++p->c->active == (uint32_t)p->c->count)
        log_info("coordinator", "serving topic=%s partitions=%d", p->c->config.topic, p->c->count);
    server_coord_turn_begin(&turn, p, &step);
    p->c->config.machine->loaded(p->machine, &step);
    server_coord_turn_end(&turn);
    early_begin(p);
}

static void
end_told(struct coord_part *p, struct view body)
{
    struct wire_offset_for_leader_epoch_response r;
    wire_arena_reset(&p->c->arena);
    int rc = wire_decode(wire_api_find(WIRE_API_OFFSET_FOR_LEADER_EPOCH)->response, END_VERSION,
                         body, &r, &p->c->arena);
    if (rc != ERR_OK || r.topics.count != 1 || r.topics.items[0].partitions.count != 1 ||
        r.topics.items[0].partitions.items[0].error_code != KERR_NONE) {
        server_coord_fail(p, KERR_NOT_COORDINATOR, "its end is not known");
        return;
    }
    p->end = r.topics.items[0].partitions.items[0].end_offset;
    p->machine = p->c->config.machine->create(p->c->config.machine_config, p->partition);
    must(p->machine != NULL);
    p->state = COORD_LOAD;
    p->next = 0;
    p->call_due = true;
    if (p->end <= 0) { /* -1: no record of any epoch */
        p->call_due = false;
        active(p);
    }
}

static void
fetch_told(struct coord_part *p, struct view body)
{
    struct wire_fetch_response r;
    wire_arena_reset(&p->c->arena);
    int rc =
        wire_decode(wire_api_find(WIRE_API_FETCH)->response, FETCH_VERSION, body, &r, &p->c->arena);
    if (rc != ERR_OK || r.responses.count != 1 || r.responses.items[0].partitions.count != 1) {
        server_coord_fail(p, KERR_NOT_COORDINATOR, "its records cannot be read");
        return;
    }
    const struct wire_fetch_response_partition_data *d = &r.responses.items[0].partitions.items[0];
    if (d->error_code == KERR_OFFSET_OUT_OF_RANGE && d->log_start_offset > p->next) {
        p->next = d->log_start_offset;
    } else if (d->error_code != KERR_NONE) {
        server_coord_fail(p, KERR_NOT_COORDINATOR, kerr_name(d->error_code));
        return;
    } else if (d->records.at && server_coord_replay(p, d->records) != ERR_OK) {
        server_coord_fail(p, KERR_NOT_COORDINATOR, "a record is damaged");
        return;
    }
    p->call_due = p->next < p->end;
    if (!p->call_due)
        active(p);
}

void
server_coord_done(struct server_coord *c, uint64_t token, int err, struct view body, int64_t now_ms)
{
    struct coord_part *p = part_of(c, token);
    c->now_ms = now_ms > c->now_ms ? now_ms : c->now_ms;
    if (!p)
        return;
    enum coord_call call = (enum coord_call)(token >> 48 & 0xff);
    if (call == COORD_CALL_APPEND)
        server_coord_appended(p, err, body);
    else if (err != ERR_OK)
        server_coord_fail(p, KERR_NOT_COORDINATOR, "the dataplane was restarted");
    else if (call == COORD_CALL_END)
        end_told(p, body);
    else
        fetch_told(p, body);
}

/* ---- the turn ----------------------------------------------------------------------------------
 */

static bool
links_open(const struct server_inner *i)
{
    for (uint32_t k = 0; k < i->shard_count; k++)
        if (!server_inner_open(i, k))
            return false;
    return true;
}

/* Whether a partition that is idle may begin; what ends that wait wakes the loop. */
static bool
may_begin(const struct server_coord *c)
{
    return c->linked && c->loading < SERVER_COORD_LOADS_MAX;
}

static void
part_begin(struct coord_part *p)
{
    struct server_coord *c = p->c;
    if (c->now_ms < p->retry_ms || !may_begin(c))
        return;
    int rc = c->config.home(c->config.user, c->config.topic, p->partition, &p->home);
    p->retry_ms = c->now_ms + SERVER_COORD_PAUSE_MS;
    if (rc != ERR_OK)
        return;
    p->state = COORD_END;
    p->call_due = true;
    c->loading++;
}

static void
part_tick(struct coord_part *p)
{
    struct server_coord *c = p->c;
    if (c->config.machine->deadline_ms(p->machine) > c->now_ms)
        return;
    struct coord_turn turn;
    struct coord_step step;
    server_coord_turn_begin(&turn, p, &step);
    c->config.machine->tick(p->machine, &step);
    server_coord_turn_end(&turn);
}

static void
part_step(struct coord_part *p)
{
    if (p->state == COORD_IDLE)
        part_begin(p);
    if (p->call_due && (p->state == COORD_END || p->state == COORD_LOAD)) {
        int rc = p->state == COORD_END ? end_ask(p) : fetch_ask(p);
        p->call_due = rc == ERR_AGAIN;
        p->c->blocked = p->c->blocked || p->call_due;
        must(rc == ERR_OK || rc == ERR_AGAIN);
    }
    if (p->state == COORD_ACTIVE)
        part_tick(p);
}

int64_t
server_coord_step(struct server_coord *c, int64_t now_ms)
{
    int64_t at = INT64_MAX;
    c->now_ms = now_ms > c->now_ms ? now_ms : c->now_ms;
    c->blocked = false;
    c->linked = links_open(c->config.inner);
    for (int32_t i = 0; i < c->count; i++)
        part_step(&c->parts[i]);
    for (struct list *n = c->touched.next; n != &c->touched;) {
        struct coord_part *p = list_item(n, struct coord_part, node);
        n = n->next;
        server_coord_flush(p);
    }
    for (int32_t i = 0; i < c->count; i++) {
        struct coord_part *p = &c->parts[i];
        int64_t due = early_expire(p);
        if (p->state == COORD_ACTIVE)
            due = c->config.machine->deadline_ms(p->machine);
        else if (p->state == COORD_IDLE && may_begin(c) && p->retry_ms < due)
            due = p->retry_ms;
        at = due < at ? due : at;
    }
    return c->blocked && at > now_ms + 1 ? now_ms + 1 : at;
}

void
server_coord_tell(struct server_coord *c, server_coord_event_fn *event, void *arg, int64_t now_ms)
{
    for (int32_t i = 0; i < c->count; i++)
        server_coord_visit(c, i, event, arg, now_ms);
}

void
server_coord_visit(struct server_coord *c, int32_t partition, server_coord_event_fn *event,
                   void *arg, int64_t now_ms)
{
    c->now_ms = now_ms > c->now_ms ? now_ms : c->now_ms;
    if (!server_coord_active(c, partition))
        return;
    struct coord_part *p = &c->parts[partition];
    struct coord_turn turn;
    struct coord_step step;
    server_coord_turn_begin(&turn, p, &step);
    event(p->machine, &step, arg);
    server_coord_turn_end(&turn);
}

void
server_coord_mark(const struct server_coord *c, int32_t partition, struct server_coord_mark *out)
{
    must(partition >= 0 && partition < c->count);
    *out = (struct server_coord_mark){c->parts[partition].life, c->parts[partition].built};
}

int
server_coord_reached(const struct server_coord *c, int32_t partition,
                     const struct server_coord_mark *mark)
{
    if (partition < 0 || partition >= c->count || c->parts[partition].life != mark->life)
        return ERR_NOT_FOUND;
    return c->parts[partition].durable >= mark->built ? ERR_OK : ERR_AGAIN;
}

bool
server_coord_flushed(const struct server_coord *c, int32_t partition)
{
    return server_coord_active(c, partition) && list_empty(&c->parts[partition].gathers);
}

void
server_coord_marker(struct server_coord *c, int32_t partition, const struct coord_place *place,
                    bool commit)
{
    if (!server_coord_active(c, partition))
        return; /* loading finds it in the log */
    struct coord_part *p = &c->parts[partition];
    struct coord_place at = *place;
    at.offset = at.offset < 0 ? p->next : at.offset;
    must(at.offset >= p->next);
    p->next = at.offset + 1;
    if (c->config.machine->replay_marker)
        c->config.machine->replay_marker(p->machine, &at, commit);
}
