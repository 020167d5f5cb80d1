/* coord_fixture.h: the coordinator runtime with a toy machine; the test plays the shard: a log of
 * one partition.
 *
 * The toy keeps a count per key.  FindCoordinator requests drive it: key "+x" counts x up and
 * answers with the count as node id; "?x" only answers; "~x" answers at the next tick; "*x" counts
 * up twice in one step; "#x" counts up MANY times, with boundaries. */
#ifndef SLUICE_TESTS_COORD_FIXTURE_H
#define SLUICE_TESTS_COORD_FIXTURE_H

#include "control/server/server_coord.h"
#include "core/wire/batch.h"
#include "core/wire/kerr.h"
#include "core/wire/wire_gen.h"
#include "tests/unit/control/server/region_fixture.h"

#include <stdlib.h>

enum { GENERATION = 5, KIND = 3, PARTITION = 1, LOG_BYTES = 1 << 20, HELD = 64, MANY = 20000 };

/* ---- the toy -----------------------------------------------------------------------------------
 */

struct toy {
    uint8_t counts[256];
    uint32_t markers;
    uint64_t waiting;
    int64_t deadline_ms;
    int64_t last_offset;
};

static uint32_t toys;
static struct toy *last_toy;

static inline void *
toy_create(void *config, int32_t partition)
{
    (void)config;
    assert_int_equal(partition, PARTITION);
    toys++;
    struct toy *t = calloc(1, sizeof *t);
    t->deadline_ms = INT64_MAX;
    t->last_offset = -1;
    last_toy = t;
    return t;
}

static inline void
toy_free(void *m)
{
    toys--;
    free(m);
}

static inline int
toy_replay(void *m, struct view key, struct view value, const struct coord_place *place)
{
    struct toy *t = m;
    if (key.len != 1 || !value.at || value.len != 1)
        return ERR_CORRUPT;
    assert_true(place->offset > t->last_offset);
    t->last_offset = place->offset;
    t->counts[key.at[0]] = value.at[0];
    return ERR_OK;
}

static inline void
toy_marker(void *m, const struct coord_place *place, bool commit)
{
    struct toy *t = m;
    (void)commit;
    t->last_offset = place->offset;
    t->markers++;
}

static inline void
toy_loaded(void *m, struct coord_step *step)
{
    (void)m, (void)step;
}

static inline void
toy_put(struct toy *t, struct coord_step *step, uint8_t key)
{
    struct coord_place place = {.producer_id = -1, .producer_epoch = -1};
    uint8_t value = (uint8_t)(t->counts[key] + 1);
    step->ops->record(step->user, view_of(&key, 1), view_of(&value, 1), &place);
    assert_int_equal(toy_replay(t, view_of(&key, 1), view_of(&value, 1), &place), ERR_OK);
}

static inline void
toy_answer(struct coord_step *step, uint64_t token, int16_t error, int32_t node)
{
    struct wire_find_coordinator_response r = {
        .error_code = error, .node_id = node, .host = view_of_text("")};
    step->ops->reply(step->user, token, &r);
}

static inline void
toy_request(void *m, struct coord_step *step, const struct coord_request *r)
{
    struct toy *t = m;
    const struct wire_find_coordinator_request *q = r->body;
    uint8_t key = q->key.at[1];
    for (int n = q->key.at[0] == '*' ? 2 : q->key.at[0] == '+' ? 1 : 0; n; n--)
        toy_put(t, step, key);
    for (int n = q->key.at[0] == '#' ? MANY : 0; n; n--) {
        step->ops->boundary(step->user);
        toy_put(t, step, key);
    }
    if (q->key.at[0] == '~') {
        t->waiting = r->token;
        t->deadline_ms = step->now_ms + 10;
    } else {
        toy_answer(step, r->token, 0, t->counts[key]);
    }
}

static inline void
toy_tick(void *m, struct coord_step *step)
{
    struct toy *t = m;
    t->deadline_ms = INT64_MAX;
    toy_put(t, step, 't');
    toy_answer(step, t->waiting, 0, 77);
}

static inline int64_t
toy_deadline(const void *m)
{
    return ((const struct toy *)m)->deadline_ms;
}

static inline void
toy_refuse(struct coord_step *step, const struct coord_request *r, int16_t error)
{
    toy_answer(step, r->token, error, -1);
}

static const struct coord_machine toy_machine = {.create = toy_create,
                                                 .free = toy_free,
                                                 .replay = toy_replay,
                                                 .replay_marker = toy_marker,
                                                 .loaded = toy_loaded,
                                                 .request = toy_request,
                                                 .tick = toy_tick,
                                                 .deadline_ms = toy_deadline,
                                                 .refuse = toy_refuse};

/* ---- the shard ---------------------------------------------------------------------------------
 */

struct answered {
    uint64_t token;
    int16_t error;
    int32_t node;
};

struct fixture {
    struct region_fixture r;
    struct server_shard shards[FIXTURE_SHARDS];
    struct server_inner inner;
    struct server_coord *coord;
    int64_t now_ms;
    int home;
    uint8_t log[LOG_BYTES];
    uint32_t log_len;
    int64_t log_end;
    int16_t produce_error;
    uint32_t connection;
    uint8_t codec;
    bool hold; /* produce answers stay */
    uint8_t held[HELD][256];
    uint32_t held_len[HELD], held_count;
    uint32_t produces;
    struct answered answers[HELD];
    uint32_t answer_count;
    uint8_t arena_at[1 << 20];
    struct wire_arena arena;
};

static inline int
home(void *user, const char *topic, int32_t partition, struct server_coord_home *out)
{
    struct fixture *f = user;
    assert_string_equal(topic, "__toys");
    *out = (struct server_coord_home){.shard = 0, .leader_epoch = 4};
    return partition == PARTITION ? f->home : ERR_AGAIN;
}

static inline void
answer(void *user, uint32_t shard, uint64_t token, struct view bytes)
{
    struct fixture *f = user;
    struct wire_find_coordinator_response r;
    struct wire_arena arena;
    static uint8_t at[4096];
    wire_arena_init(&arena, at, sizeof at);
    assert_int_equal(shard, 1);
    assert_int_equal(get_i32(bytes.at), (int32_t)token); /* correlation id, as the tests give it */
    assert_int_equal(wire_decode(wire_api_find(WIRE_API_FIND_COORDINATOR)->response, 0,
                                 view_of(bytes.at + 4, bytes.len - 4), &r, &arena),
                     ERR_OK);
    assert_true(f->answer_count < HELD);
    f->answers[f->answer_count++] = (struct answered){token, r.error_code, r.node_id};
}

static inline void
random_fill(void *user, void *at, size_t bytes)
{
    (void)user;
    memset(at, 7, bytes);
}

static inline void
done(void *user, uint64_t token, int err, struct view body)
{
    struct fixture *f = user;
    assert_int_equal(token >> 56, KIND);
    server_coord_done(f->coord, token, err, body, f->now_ms);
}

static inline void
reply(struct fixture *f, const void *bytes, uint32_t len)
{
    static uint8_t body[LOG_BYTES + 4096];
    struct msg_call head = {.generation = GENERATION, .connection = f->connection};
    memcpy(body, &head, sizeof head);
    memcpy(body + sizeof head, bytes, len);
    struct chan_message m = {.kind = MSG_REPLY,
                             .generation = f->r.data_generation,
                             .body = view_of(body, (uint32_t)sizeof head + len)};
    assert_int_equal(server_inner_take(&f->inner, 0, &m), ERR_OK);
}

/* Frames a response. */
static inline uint32_t
response(uint8_t *out, uint32_t room, const struct wire_api *api, int16_t version,
         int32_t correlation, const void *body)
{
    struct put w = put_of(out, room);
    put_u32(&w, 0);
    wire_header_answer(&w, api, version, correlation);
    assert_int_equal(wire_encode(api->response, version, body, &w), ERR_OK);
    set_u32(out, put_len(&w) - 4);
    return put_len(&w);
}

static inline void
produce_do(struct fixture *f, const struct wire_header *h, struct view body)
{
    const struct wire_api *api = wire_api_find(WIRE_API_PRODUCE);
    struct wire_produce_request q;
    assert_int_equal(wire_decode(api->request, h->api_version, body, &q, &f->arena), ERR_OK);
    struct view batch = q.topic_data.items[0].partition_data.items[0].records;
    struct wire_produce_response_partition_produce_response part = {
        .index = PARTITION, .error_code = f->produce_error, .base_offset = f->log_end};
    if (!f->produce_error) {
        struct batch_info info;
        assert_int_equal(batch_header(batch, &info), ERR_OK);
        assert_true(batch_crc_ok(batch, &info));
        memcpy(f->log + f->log_len, batch.at, batch.len);
        batch_stamp(f->log + f->log_len, f->log_end, 4);
        f->log_len += batch.len;
        f->log_end += info.last_offset_delta + 1;
    }
    struct wire_produce_response_topic_produce_response topic = {.name = view_of_text("__toys"),
                                                                 .partition_responses = {&part, 1}};
    struct wire_produce_response r = {.responses = {&topic, 1}};
    assert_true(f->held_count < HELD);
    f->held_len[f->held_count] =
        response(f->held[f->held_count], 256, api, h->api_version, h->correlation_id, &r);
    f->held_count++;
    f->produces++;
}

static inline void
fetch_do(struct fixture *f, const struct wire_header *h, struct view body)
{
    const struct wire_api *api = wire_api_find(WIRE_API_FETCH);
    struct wire_fetch_request q;
    static uint8_t out[LOG_BYTES + 4096];
    assert_int_equal(wire_decode(api->request, h->api_version, body, &q, &f->arena), ERR_OK);
    int64_t from = q.topics.items[0].partitions.items[0].fetch_offset;
    uint32_t at = 0, to;
    struct batch_info info;
    while (at < f->log_len) {
        assert_int_equal(batch_header(view_of(f->log + at, f->log_len - at), &info), ERR_OK);
        if (info.base_offset + info.last_offset_delta >= from)
            break;
        at += info.bytes;
    }
    /* Three batches at a time, the last of them cut off. */
    to = at;
    for (int n = 0; n < 3 && to < f->log_len; n++) {
        assert_int_equal(batch_header(view_of(f->log + to, f->log_len - to), &info), ERR_OK);
        to += n == 2 ? info.bytes / 2 : info.bytes;
    }
    struct wire_fetch_response_partition_data part = {.partition_index = PARTITION,
                                                      .high_watermark = f->log_end,
                                                      .aborted_transactions = {NULL, -1},
                                                      .diverging_epoch = {-1, -1},
                                                      .current_leader = {-1, -1},
                                                      .snapshot_id = {-1, -1},
                                                      .preferred_read_replica = -1,
                                                      .records = view_of(f->log + at, to - at)};
    struct wire_fetch_response_fetchable_topic_response topic = {.topic = view_of_text("__toys"),
                                                                 .partitions = {&part, 1}};
    struct wire_fetch_response r = {.responses = {&topic, 1}};
    reply(f, out, response(out, sizeof out, api, h->api_version, h->correlation_id, &r));
}

static inline void
end_do(struct fixture *f, const struct wire_header *h)
{
    const struct wire_api *api = wire_api_find(WIRE_API_OFFSET_FOR_LEADER_EPOCH);
    uint8_t out[256];
    struct wire_offset_for_leader_epoch_response_epoch_end_offset part = {
        .partition = PARTITION, .leader_epoch = 4, .end_offset = f->log_end};
    struct wire_offset_for_leader_epoch_response_offset_for_leader_topic_result topic = {
        .topic = view_of_text("__toys"), .partitions = {&part, 1}};
    struct wire_offset_for_leader_epoch_response r = {.topics = {&topic, 1}};
    reply(f, out, response(out, sizeof out, api, h->api_version, h->correlation_id, &r));
}

static inline void
shard_run(struct fixture *f)
{
    struct chan_message m;
    while (chan_peek(&f->r.to_data[0], &m) == ERR_OK) {
        struct view frame = view_of(m.body.at + sizeof(struct msg_call) + 4,
                                    m.body.len - (uint32_t)sizeof(struct msg_call) - 4);
        struct wire_header h;
        assert_int_equal(wire_header_read(frame, &h), ERR_OK);
        wire_arena_init(&f->arena, f->arena_at, sizeof f->arena_at);
        struct view body = view_of(frame.at + h.bytes, frame.len - h.bytes);
        if (h.api_key == WIRE_API_PRODUCE)
            produce_do(f, &h, body);
        else if (h.api_key == WIRE_API_FETCH)
            fetch_do(f, &h, body);
        else
            end_do(f, &h);
        chan_done(&f->r.to_data[0]);
    }
    if (f->hold)
        return;
    for (uint32_t i = 0; i < f->held_count; i++)
        reply(f, f->held[i], f->held_len[i]);
    f->held_count = 0;
}

static inline void
turns(struct fixture *f, uint32_t n)
{
    while (n--) {
        f->now_ms++;
        server_coord_step(f->coord, f->now_ms);
        shard_run(f);
    }
}

static inline void
coord_start(struct fixture *f)
{
    struct server_coord_config config = {.topic = "__toys",
                                         .machine = &toy_machine,
                                         .inner = &f->inner,
                                         .codec = f->codec,
                                         .kind = KIND,
                                         .home = home,
                                         .answer = answer,
                                         .random = random_fill,
                                         .user = f};
    f->coord = server_coord_new(&config);
    assert_non_null(f->coord);
    server_coord_partitions(f->coord, 2);
}

static inline void
connect(struct fixture *f)
{
    f->connection++;
    for (uint32_t i = 0; i < FIXTURE_SHARDS; i++) {
        struct msg_call head = {.generation = GENERATION, .connection = f->connection};
        struct chan_message m = {.kind = MSG_REPLY,
                                 .generation = f->r.data_generation,
                                 .body = view_of((const uint8_t *)&head, sizeof head)};
        assert_int_equal(server_inner_take(&f->inner, i, &m), ERR_OK);
    }
}

static inline struct fixture *
setup(void)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    region_fixture_open(&f->r, 1 << 20);
    for (uint32_t i = 0; i < FIXTURE_SHARDS; i++) {
        uint32_t bytes = f->r.region.header->ring_bytes;
        chan_join(&f->shards[i].to_data, region_ring_to_data(&f->r.region, i), bytes);
        chan_join(&f->shards[i].to_control, region_ring_to_control(&f->r.region, i), bytes);
    }
    server_inner_init(&f->inner, f->shards, FIXTURE_SHARDS, GENERATION, f->r.data_generation);
    f->inner.done = done;
    f->inner.user = f;
    f->now_ms = 1000;
    toys = 0;
    coord_start(f);
    return f;
}

static inline struct fixture *
setup_active(void)
{
    struct fixture *f = setup();
    connect(f);
    turns(f, 5);
    assert_true(server_coord_active(f->coord, PARTITION));
    return f;
}

static inline void
teardown(struct fixture *f)
{
    server_coord_free(f->coord);
    assert_int_equal(toys, 0);
    server_inner_free(&f->inner);
    region_fixture_close(&f->r);
    free(f);
}

static inline void
ask(struct fixture *f, uint64_t token, const char *key)
{
    uint8_t bytes[64];
    struct put w = put_of(bytes, sizeof bytes);
    put_u16(&w, WIRE_API_FIND_COORDINATOR);
    put_u16(&w, 0);
    put_u32(&w, (uint32_t)token);
    put_u16(&w, UINT16_MAX);
    put_u16(&w, (uint16_t)strlen(key));
    put_bytes(&w, key, (uint32_t)strlen(key));
    struct wire_find_coordinator_request body = {.key = view_of_text(key)};
    struct coord_request r = {.api = wire_api_find(WIRE_API_FIND_COORDINATOR), .body = &body};
    struct server_coord_origin from = {.shard = 1,
                                       .token = token,
                                       .correlation_id = (int32_t)token,
                                       .bytes = view_of(bytes, put_len(&w))};
    server_coord_request(f->coord, PARTITION, &from, &r, f->now_ms);
}

static inline void
expect(struct fixture *f, uint32_t i, uint64_t token, int16_t error, int32_t node)
{
    assert_true(i < f->answer_count);
    assert_int_equal(f->answers[i].token, token);
    assert_int_equal(f->answers[i].error, error);
    assert_int_equal(f->answers[i].node, node);
}

#endif
