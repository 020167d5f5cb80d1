/* server_coord_log.c: what a machine's steps put out: records gathered into batches, batches
 * appended, replies held back until then; and the same the other way round, when a log is read.
 *
 * The records of one step are in one batch, unless it says where they may be parted; steps of one
 * turn share a batch as long as it has room and their records are of the same transaction, or of
 * none.  Batches of a partition are numbered;
 * replies wait for the number that was current when their step ended.
 *
 * I1 durable <= sent <= built; p->gathers has built - sent batches. */
#include "control/server/server_coord_in.h"
#include "core/base/err.h"
#include "core/base/log.h"
#include "core/wire/batch_build.h"
#include "core/wire/batch_control.h"
#include "core/wire/kerr.h"
#include "core/wire/wire_gen.h"

#include <stdlib.h>

enum { PRODUCE_VERSION = 12, GATHER_FIRST = 4096, HEADER_ROOM = 16, RECORD_MORE = 64 };

/* ---- a step ------------------------------------------------------------------------------------
 */

static void
gather_add(struct coord_gather *g, struct view v)
{
    memcpy(g->mem + g->len, v.at, v.len);
    g->len += v.len;
}

static void
gather_record(struct coord_gather *g, struct view key, struct view value)
{
    uint64_t need = (uint64_t)g->len + 8 + key.len + value.len;
    must(need <= INT32_MAX);
    if (need > g->room) {
        uint32_t room = g->room ? g->room : GATHER_FIRST;
        while (room < need)
            room *= 2;
        g->mem = realloc(g->mem, room);
        must(g->mem != NULL);
        g->room = room;
    }
    set_u32(g->mem + g->len, key.len);
    set_u32(g->mem + g->len + 4, value.at ? value.len : UINT32_MAX);
    g->len += 8;
    gather_add(g, key);
    if (value.len)
        gather_add(g, value);
    g->count++;
}

/* The batch that the first record of a step goes to. */
static struct coord_gather *
gather_for(struct coord_part *p, const struct coord_place *place)
{
    if (!list_empty(&p->gathers)) {
        struct coord_gather *last = list_item(p->gathers.prev, struct coord_gather, link);
        if (last->len < SERVER_COORD_BATCH_BYTES && last->producer_id == place->producer_id &&
            last->producer_epoch == place->producer_epoch)
            return last;
    }
    struct coord_gather *g = calloc(1, sizeof *g);
    must(g != NULL);
    g->producer_id = place->producer_id;
    g->producer_epoch = place->producer_epoch;
    list_push_back(&p->gathers, &g->link);
    p->built++;
    if (list_empty(&p->node))
        list_push_back(&p->c->touched, &p->node);
    return g;
}

static void
gather_free(struct coord_gather *g)
{
    list_remove(&g->link);
    free(g->mem);
    free(g);
}

void
server_coord_gathers_free(struct coord_part *p)
{
    while (!list_empty(&p->gathers))
        gather_free(list_item(p->gathers.next, struct coord_gather, link));
    list_remove(&p->node);
}

static void
turn_record(void *user, struct view key, struct view value, struct coord_place *place)
{
    struct coord_turn *t = user;
    struct coord_part *p = t->part;
    if (!t->gather)
        t->gather = gather_for(p, place);
    must(t->gather->producer_id == place->producer_id); /* one step, one transaction */
    gather_record(t->gather, key, value);
    place->offset = p->next++;
    place->timestamp_ms = p->c->now_ms;
}

static void
turn_reply(void *user, uint64_t token, const void *response)
{
    struct coord_turn *t = user;
    struct coord_pending *q = (struct coord_pending *)(uintptr_t)token;
    must(!q->reply);
    int64_t size = wire_size(q->api->response, q->version, response);
    must(size >= 0 && size <= INT32_MAX - HEADER_ROOM);
    q->reply = malloc((size_t)size + HEADER_ROOM);
    must(q->reply != NULL);
    struct put w = put_of(q->reply, (uint32_t)size + HEADER_ROOM);
    wire_header_answer(&w, q->api, q->version, q->correlation_id);
    int rc = wire_encode(q->api->response, q->version, response, &w);
    must(rc == ERR_OK && !w.bad);
    q->reply_bytes = put_len(&w);
    server_errors_count(t->part->c->config.counters, q->api, q->version, response);
    list_remove(&q->link);
    list_push_back(&t->replied, &q->link);
}

static void
turn_random(void *user, void *at, size_t bytes)
{
    struct coord_turn *t = user;
    const struct server_coord_config *config = &t->part->c->config;
    config->random(config->user, at, bytes);
}

static void
turn_boundary(void *user)
{
    struct coord_turn *t = user;
    if (t->gather && t->gather->len >= SERVER_COORD_BATCH_BYTES)
        t->gather = NULL; /* the next record begins another */
}

const struct coord_ops server_coord_ops = {
    .record = turn_record, .reply = turn_reply, .random = turn_random, .boundary = turn_boundary};

void
server_coord_turn_begin(struct coord_turn *t, struct coord_part *p, struct coord_step *step)
{
    *t = (struct coord_turn){.part = p};
    list_init(&t->replied);
    wire_arena_reset(&p->c->arena);
    *step = (struct coord_step){
        .now_ms = p->c->now_ms, .arena = &p->c->arena, .ops = &server_coord_ops, .user = t};
}

void
server_coord_turn_end(struct coord_turn *t)
{
    struct coord_part *p = t->part;
    struct list *at;
    while ((at = list_first(&t->replied))) {
        struct coord_pending *q = list_item(at, struct coord_pending, link);
        list_remove(&q->link);
        q->barrier = p->built;
        list_push_back(&p->held, &q->link);
    }
    server_coord_release(p);
}

/* ---- appends -----------------------------------------------------------------------------------
 */

/* ERR_FULL: the codec made more of it; ERR_LIMIT: it has no memory. */
static int
batch_make_as(struct server_coord *c, const struct coord_gather *g, enum batch_codec codec,
              struct view *out)
{
    uint16_t transactional = g->producer_id >= 0 ? BATCH_TRANSACTIONAL : 0;
    struct batch_template form = {
        .attributes = (uint16_t)(transactional | codec),
        .base_timestamp_ms = c->now_ms,
        .producer_id = g->producer_id,
        .producer_epoch = g->producer_epoch,
        .base_sequence = -1,
        .last_offset_delta = -1,
        .level = batch_level_default(codec),
    };
    struct batch_build b;
    int rc = batch_build_begin(&b, &form, c->batch, c->batch_room);
    uint32_t at = 0;
    for (uint32_t i = 0; i < g->count && rc == ERR_OK; i++) {
        uint32_t key = get_u32(g->mem + at), value = get_u32(g->mem + at + 4);
        bool none = value == UINT32_MAX;
        static const uint8_t no_headers[1] = {0};
        struct batch_record r = {.offset = i,
                                 .timestamp_ms = c->now_ms,
                                 .key = view_of(g->mem + at + 8, key),
                                 .value = none ? (struct view){0}
                                               : view_of(g->mem + at + 8 + key, value),
                                 .headers = view_of(no_headers, 1)};
        rc = batch_build_add(&b, &r);
        at += 8 + key + (none ? 0 : value);
    }
    return rc == ERR_OK ? batch_build_end(&b, out) : rc;
}

static void
batch_make(struct server_coord *c, const struct coord_gather *g, struct view *out)
{
    uint64_t room = (uint64_t)g->len + (uint64_t)g->count * RECORD_MORE + BATCH_HEADER_BYTES;
    if (room > c->batch_room) {
        free(c->batch);
        c->batch = malloc(room);
        must(c->batch != NULL);
        c->batch_room = (uint32_t)room;
    }
    if (c->config.codec != BATCH_NONE &&
        batch_make_as(c, g, (enum batch_codec)c->config.codec, out) == ERR_OK)
        return;
    int rc = batch_make_as(c, g, BATCH_NONE, out);
    must(rc == ERR_OK); /* there is room */
}

/* ERR_AGAIN: no room now. */
static int
gather_send(struct coord_part *p, const struct coord_gather *g)
{
    struct server_coord *c = p->c;
    struct view batch;
    batch_make(c, g, &batch);
    struct wire_produce_request_partition_produce_data part = {p->partition, batch};
    struct wire_produce_request_topic_produce_data topic = {.name = view_of_text(c->config.topic),
                                                            .partition_data = {&part, 1}};
    struct wire_produce_request request = {
        .acks = -1, .timeout_ms = INT32_MAX, .topic_data = {&topic, 1}};
    return server_inner_call(c->config.inner, p->home.shard, wire_api_find(WIRE_API_PRODUCE),
                             PRODUCE_VERSION, &request, server_coord_token(p, COORD_CALL_APPEND));
}

void
server_coord_flush(struct coord_part *p)
{
    while (!list_empty(&p->gathers) && p->sent - p->durable < SERVER_COORD_FLIGHT_MAX) {
        struct coord_gather *g = list_item(p->gathers.next, struct coord_gather, link);
        int rc = gather_send(p, g);
        if (rc == ERR_AGAIN) {
            p->c->blocked = true;
            return;
        }
        if (rc != ERR_OK) {
            server_coord_fail(p, KERR_UNKNOWN_SERVER_ERROR, "records of one step are too large");
            return;
        }
        gather_free(g);
        p->sent++;
    }
    if (list_empty(&p->gathers))
        list_remove(&p->node);
}

/* What Kafka's coordinators make of an append's error. */
static int16_t
error_told(int16_t code)
{
    switch (code) {
    case KERR_NOT_ENOUGH_REPLICAS:
    case KERR_NOT_ENOUGH_REPLICAS_AFTER_APPEND:
    case KERR_REQUEST_TIMED_OUT:
    case KERR_UNKNOWN_TOPIC_OR_PARTITION:
        return KERR_COORDINATOR_NOT_AVAILABLE;
    case KERR_NOT_LEADER_OR_FOLLOWER:
    case KERR_KAFKA_STORAGE_ERROR:
        return KERR_NOT_COORDINATOR;
    default:
        return KERR_UNKNOWN_SERVER_ERROR;
    }
}

void
server_coord_appended(struct coord_part *p, int err, struct view body)
{
    struct server_coord *c = p->c;
    struct wire_produce_response response;
    wire_arena_reset(&c->arena);
    if (err != ERR_OK) {
        server_coord_fail(p, KERR_NOT_COORDINATOR, "the dataplane was restarted");
        return;
    }
    err = wire_decode(wire_api_find(WIRE_API_PRODUCE)->response, PRODUCE_VERSION, body, &response,
                      &c->arena);
    if (err != ERR_OK || response.responses.count != 1 ||
        response.responses.items[0].partition_responses.count != 1) {
        server_coord_fail(p, KERR_UNKNOWN_SERVER_ERROR, "an append's answer cannot be read");
        return;
    }
    int16_t code = response.responses.items[0].partition_responses.items[0].error_code;
    if (code != KERR_NONE) {
        server_coord_fail(p, error_told(code), kerr_name(code));
        return;
    }
    p->durable++;
    server_coord_release(p);
    server_coord_flush(p);
}

void
server_coord_pending_free(struct coord_pending *q)
{
    list_remove(&q->link);
    q->part->c->requests--;
    q->part->c->request_bytes -= q->request_bytes;
    free(q->reply);
    free(q);
}

void
server_coord_release(struct coord_part *p)
{
    const struct server_coord_config *config = &p->c->config;
    struct list *at;
    while ((at = list_first(&p->held))) {
        struct coord_pending *q = list_item(at, struct coord_pending, link);
        if (q->barrier > p->durable)
            return;
        config->answer(config->user, q->shard, q->token, view_of(q->reply, q->reply_bytes));
        server_coord_pending_free(q);
    }
}

/* ---- reading the log ---------------------------------------------------------------------------
 */

static int
scratch_grow(struct server_coord *c, uint32_t bytes)
{
    if (bytes <= c->scratch_bytes)
        return ERR_CORRUPT;
    free(c->scratch);
    c->scratch = malloc(bytes);
    must(c->scratch != NULL);
    c->scratch_bytes = bytes;
    return ERR_OK;
}

/* Replays the records of one batch from p->next on. */
static int
batch_replay(struct coord_part *p, struct view batch, const struct batch_info *info)
{
    const struct coord_machine *m = p->c->config.machine;
    bool transactional = info->attributes & BATCH_TRANSACTIONAL;
    struct batch_read r;
    struct batch_record record;
    int rc = batch_read_open(&r, batch, p->c->scratch, p->c->scratch_bytes);
    while (rc == ERR_OK && (rc = batch_read_next(&r, &record)) == ERR_OK) {
        struct coord_place place = {.offset = record.offset,
                                    .timestamp_ms = record.timestamp_ms,
                                    .producer_id = transactional ? info->producer_id : -1,
                                    .producer_epoch = transactional ? info->producer_epoch : -1};
        if (record.offset < p->next)
            continue;
        p->next = record.offset + 1;
        if (record.key.at)
            rc = m->replay(p->machine, record.key, record.value, &place);
    }
    if (rc == ERR_FULL) {
        rc = scratch_grow(p->c, r.record_bytes);
        return rc == ERR_OK ? batch_replay(p, batch, info) : rc;
    }
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

static int
control_replay(struct coord_part *p, struct view batch, const struct batch_info *info)
{
    struct batch_control control;
    int rc = batch_control_read(batch, info, &control);
    if (rc == ERR_NOT_FOUND)
        return ERR_OK;
    if (rc != ERR_OK || !p->c->config.machine->replay_marker)
        return rc;
    struct coord_place place = {.offset = info->base_offset,
                                .timestamp_ms = control.time_ms,
                                .producer_id = control.producer_id,
                                .producer_epoch = control.producer_epoch};
    p->c->config.machine->replay_marker(p->machine, &place, control.type == BATCH_CONTROL_COMMIT);
    return ERR_OK;
}

int
server_coord_replay(struct coord_part *p, struct view records)
{
    for (uint32_t at = 0; at < records.len;) {
        struct batch_info info;
        struct view rest = view_of(records.at + at, records.len - at);
        if (batch_header(rest, &info) != ERR_OK || info.bytes > rest.len)
            return ERR_OK; /* cut off by the limit of the fetch */
        struct view batch = view_of(rest.at, info.bytes);
        int64_t limit = info.base_offset + info.last_offset_delta + 1;
        at += info.bytes;
        if (limit <= p->next)
            continue;
        int rc = info.attributes & BATCH_CONTROL ? control_replay(p, batch, &info)
                                                 : batch_replay(p, batch, &info);
        if (rc != ERR_OK)
            return rc;
        p->next = limit; /* compaction may have taken the last records */
    }
    return ERR_OK;
}
