/* coords_fixture.h: the coordinators over an image, a region and shards that the test plays: logs
 * are empty when they are loaded, and appends are answered when the test says so. */
#ifndef SLUICE_TESTS_COORDS_FIXTURE_H
#define SLUICE_TESTS_COORDS_FIXTURE_H

#include "control/group/group.h"
#include "control/server/server_coords.h"
#include "control/server/server_internal.h"
#include "tests/unit/control/server/core_fixture.h"
#include "tests/unit/control/server/region_fixture.h"

enum { COORDS_GENERATION = 5, COORDS_PARTITIONS = 4, COORDS_ANSWERS = 32, COORDS_HELD = 64 };

struct coords_answer {
    uint32_t shard;
    uint64_t token;
    uint8_t *bytes; /* NULL: its connection is to be closed */
    uint32_t len;
};

struct coords_held {
    uint32_t shard;
    uint8_t bytes[256];
    uint32_t len;
};

struct coords_marker {
    char topic[32];
    int32_t partition, coordinator_epoch;
    int64_t producer_id;
    int16_t producer_epoch;
    int8_t version;
    bool commit;
};

struct coords_fixture {
    struct core_fixture *f;
    struct region_fixture r;
    struct server_publish publish;
    struct server_inner inner;
    struct server_coords *coords;
    int64_t now_ms;
    uint32_t connection;
    bool hold; /* appends are not answered yet */
    struct coords_held held[COORDS_HELD];
    uint32_t held_count, appends;
    int16_t append_error;                      /* what the shards answer to appends */
    struct coords_marker markers[COORDS_HELD]; /* that the shards were sent */
    uint32_t marker_count;
    int16_t marker_error; /* what they answer */
    struct coords_answer answers[COORDS_ANSWERS];
    uint32_t answer_count;
    uint8_t request[4096];
};

static inline void
coords_answered(void *user, uint32_t shard, uint64_t token, struct view bytes)
{
    struct coords_fixture *c = user;
    assert_true(c->answer_count < COORDS_ANSWERS);
    struct coords_answer *a = &c->answers[c->answer_count++];
    *a = (struct coords_answer){.shard = shard, .token = token, .len = bytes.len};
    if (!bytes.at)
        return;
    a->bytes = malloc(bytes.len);
    memcpy(a->bytes, bytes.at, bytes.len);
}

static inline void
coords_ended(void *user, uint64_t token, int err, struct view body)
{
    struct coords_fixture *c = user;
    server_coords_done(c->coords, token, err, body, c->now_ms);
}

static inline void
coords_reply(struct coords_fixture *c, uint32_t shard, const void *bytes, uint32_t len)
{
    uint8_t body[512];
    struct msg_call head = {.generation = COORDS_GENERATION, .connection = c->connection};
    memcpy(body, &head, sizeof head);
    memcpy(body + sizeof head, bytes, len);
    struct chan_message m = {.kind = MSG_REPLY,
                             .generation = c->r.data_generation,
                             .body = view_of(body, (uint32_t)sizeof head + len)};
    assert_int_equal(server_inner_take(&c->inner, shard, &m), ERR_OK);
}

/* Every shard opens its connection to this control. */
static inline void
coords_connect(struct coords_fixture *c)
{
    c->connection++;
    for (uint32_t i = 0; i < FIXTURE_SHARDS; i++)
        coords_reply(c, i, "", 0);
}

static inline struct coords_fixture *
coords_new(void)
{
    struct coords_fixture *c = calloc(1, sizeof *c);
    char error[CONF_ERROR_BYTES];
    assert_non_null(c);
    c->now_ms = 1000000;
    c->f = core_fixture_new();
    assert_int_equal(conf_parse(&c->f->conf,
                                "offsets.topic.num.partitions=4\n"
                                "transaction.state.log.num.partitions=4\n"
                                "group.initial.rebalance.delay.ms=0\n",
                                CONF_OPTION, error),
                     ERR_OK);
    region_fixture_open(&c->r, 1 << 20);
    server_publish_init(&c->publish, &c->r.region, &c->f->core.image, &c->f->core.rules,
                        COORDS_GENERATION);
    server_inner_init(&c->inner, c->publish.shards, FIXTURE_SHARDS, COORDS_GENERATION,
                      c->r.data_generation);
    c->inner.done = coords_ended;
    c->inner.user = c;
    struct server_coords_config config = {.core = &c->f->core,
                                          .publish = &c->publish,
                                          .inner = &c->inner,
                                          .answer = coords_answered,
                                          .user = c};
    c->coords = server_coords_new(&config);
    assert_non_null(c->coords);
    return c;
}

static inline void
coords_free(struct coords_fixture *c)
{
    server_coords_free(c->coords);
    server_inner_free(&c->inner);
    server_publish_free(&c->publish);
    region_fixture_close(&c->r);
    core_fixture_free(c->f);
    for (uint32_t i = 0; i < c->answer_count; i++)
        free(c->answers[i].bytes);
    free(c);
}

/* The shards open what is wanted of them; even slots are shard 0's. */
static inline void
coords_open(struct coords_fixture *c)
{
    server_publish_rows(&c->publish, UINT64_MAX);
    for (uint32_t slot = 0; slot < FIXTURE_PARTITIONS; slot++) {
        struct table_want_fact want;
        assert_int_equal(table_want_read(&region_want(&c->r.region)[slot], &want), ERR_OK);
        struct table_have_fact have = {
            .state = TABLE_OPEN, .version = want.version, .shard = slot % FIXTURE_SHARDS};
        table_have_write(&region_have(&c->r.region)[slot], &have);
    }
}

static inline void
coords_hold(struct coords_fixture *c, uint32_t shard, const struct wire_api *api,
            const struct wire_header *h, const void *response)
{
    assert_true(c->held_count < COORDS_HELD);
    struct coords_held *to = &c->held[c->held_count++];
    struct put w = put_of(to->bytes, sizeof to->bytes);
    put_u32(&w, 0);
    wire_header_answer(&w, api, h->api_version, h->correlation_id);
    assert_int_equal(wire_encode(api->response, h->api_version, response, &w), ERR_OK);
    to->len = put_len(&w);
    to->shard = shard;
    set_u32(to->bytes, to->len - 4);
}

static inline void
coords_mark(struct coords_fixture *c, uint32_t shard, const struct wire_header *h, struct view body)
{
    const struct wire_api *api = wire_api_find(WIRE_API_WRITE_TXN_MARKERS);
    struct wire_write_txn_markers_request q;
    uint8_t at[2048];
    struct wire_arena arena;
    wire_arena_init(&arena, at, sizeof at);
    assert_int_equal(wire_decode(api->request, h->api_version, body, &q, &arena), ERR_OK);
    const struct wire_write_txn_markers_request_writable_txn_marker *one = q.markers.items;
    const struct wire_write_txn_markers_request_writable_txn_marker_topic *topic =
        one->topics.items;
    assert_true(c->marker_count < COORDS_HELD && topic->name.len < sizeof c->markers[0].topic);
    struct coords_marker *m = &c->markers[c->marker_count++];
    *m = (struct coords_marker){.partition = topic->partition_indexes.items[0],
                                .coordinator_epoch = one->coordinator_epoch,
                                .producer_id = one->producer_id,
                                .producer_epoch = one->producer_epoch,
                                .version = one->transaction_version,
                                .commit = one->transaction_result};
    memcpy(m->topic, topic->name.at, topic->name.len);
    struct wire_write_txn_markers_response_writable_txn_marker_partition_result part = {
        m->partition, c->marker_error};
    struct wire_write_txn_markers_response_writable_txn_marker_topic_result t = {
        .name = topic->name, .partitions = {&part, 1}};
    struct wire_write_txn_markers_response_writable_txn_marker_result result = {
        .producer_id = m->producer_id, .topics = {&t, 1}};
    struct wire_write_txn_markers_response r = {.markers = {&result, 1}};
    coords_hold(c, shard, api, h, &r);
}

static inline void
coords_serve(struct coords_fixture *c, uint32_t shard, struct view frame)
{
    struct wire_header h;
    assert_int_equal(wire_header_read(frame, &h), ERR_OK);
    const struct wire_api *api = wire_api_find(h.api_key);
    struct view text = view_of_text(server_internal_name(SERVER_GROUPS));
    if (h.api_key == WIRE_API_PRODUCE) {
        struct wire_produce_response_partition_produce_response part = {.error_code =
                                                                            c->append_error};
        struct wire_produce_response_topic_produce_response topic = {
            .name = text, .partition_responses = {&part, 1}};
        struct wire_produce_response r = {.responses = {&topic, 1}};
        c->appends++;
        coords_hold(c, shard, api, &h, &r);
        return;
    }
    if (h.api_key == WIRE_API_WRITE_TXN_MARKERS) {
        coords_mark(c, shard, &h, view_of(frame.at + h.bytes, frame.len - h.bytes));
        return;
    }
    assert_int_equal(h.api_key, WIRE_API_OFFSET_FOR_LEADER_EPOCH); /* the logs are empty */
    struct wire_offset_for_leader_epoch_response_epoch_end_offset part = {.leader_epoch = -1,
                                                                          .end_offset = -1};
    struct wire_offset_for_leader_epoch_response_offset_for_leader_topic_result topic = {
        .topic = text, .partitions = {&part, 1}};
    struct wire_offset_for_leader_epoch_response r = {.topics = {&topic, 1}};
    coords_hold(c, shard, api, &h, &r);
}

/* Time goes on by 1 ms each; the shards answer all but what is held. */
static inline void
coords_turns(struct coords_fixture *c, uint32_t n)
{
    while (n--) {
        c->now_ms++;
        (void)server_coords_step(c->coords, c->now_ms);
        for (uint32_t i = 0; i < FIXTURE_SHARDS; i++) {
            struct chan_message m;
            while (chan_peek(&c->r.to_data[i], &m) == ERR_OK) {
                uint32_t skip = (uint32_t)sizeof(struct msg_call) + 4;
                if (m.kind == MSG_CALL)
                    coords_serve(c, i, view_of(m.body.at + skip, m.body.len - skip));
                chan_done(&c->r.to_data[i]);
            }
        }
        for (uint32_t i = 0; i < c->held_count && !c->hold; i++)
            coords_reply(c, c->held[i].shard, c->held[i].bytes, c->held[i].len);
        c->held_count = c->hold ? c->held_count : 0;
    }
}

/* __consumer_offsets as FindCoordinator makes it. */
static inline void
coords_topic(struct coords_fixture *c)
{
    struct wire_find_coordinator_request request = {.key = view_of_text("g")};
    struct wire_find_coordinator_response response;
    core_fixture_ask(c->f, WIRE_API_FIND_COORDINATOR, 0, &request, &response);
    assert_int_equal(response.error_code, KERR_NONE);
}

/* All partitions are served; there are topics "t" and "gone". */
static inline struct coords_fixture *
coords_active(void)
{
    struct coords_fixture *c = coords_new();
    assert_int_equal(core_fixture_create(c->f, "t", 1), KERR_NONE);
    assert_int_equal(core_fixture_create(c->f, "gone", 1), KERR_NONE);
    coords_topic(c);
    coords_open(c);
    coords_connect(c);
    coords_turns(c, 120);
    return c;
}

static inline int
coords_send(struct coords_fixture *c, uint64_t token, int16_t key, int16_t version,
            const void *request)
{
    struct msg_request head = {.token = token,
                               .peer_ip = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1}};
    uint32_t len = core_fixture_encode(c->f, key, version, request);
    wire_arena_init(&c->f->arena, c->f->arena_at, FIXTURE_ARENA_BYTES);
    return server_coords_request(c->coords, 1, &head, view_of(c->f->request, len), &c->f->arena,
                                 c->now_ms);
}

/* Decodes answer number `index`, whose token is given. */
static inline void
coords_expect(struct coords_fixture *c, uint32_t index, uint64_t token, int16_t key,
              int16_t version, void *response)
{
    assert_true(index < c->answer_count);
    const struct coords_answer *a = &c->answers[index];
    const struct wire_api *api = wire_api_find(key);
    assert_int_equal(a->token, token);
    assert_int_equal(a->shard, 1);
    assert_non_null(a->bytes);
    struct cur in = cur_of(view_of(a->bytes, a->len));
    assert_int_equal(cur_u32(&in), 4711);
    if (version >= api->flexible_min)
        assert_int_equal(cur_u8(&in), 0);
    wire_arena_init(&c->f->arena, c->f->arena_at, FIXTURE_ARENA_BYTES);
    assert_int_equal(
        wire_decode(api->response, version, view_of(in.at, cur_left(&in)), response, &c->f->arena),
        ERR_OK);
}

/* Commits an offset of partition 0 of a topic, from outside a group's generation. */
static inline void
coords_commit(struct coords_fixture *c, uint64_t token, const char *group, const char *topic,
              int64_t offset)
{
    struct wire_offset_commit_request_partition part = {.committed_offset = offset,
                                                        .committed_leader_epoch = -1,
                                                        .committed_metadata = view_of_text("")};
    struct wire_offset_commit_request_topic t = {.name = view_of_text(topic),
                                                 .partitions = {&part, 1}};
    struct wire_offset_commit_request request = {.group_id = view_of_text(group),
                                                 .generation_id_or_member_epoch = -1,
                                                 .member_id = view_of_text(""),
                                                 .retention_time_ms = -1,
                                                 .topics = {&t, 1}};
    assert_int_equal(coords_send(c, token, WIRE_API_OFFSET_COMMIT, 8, &request), ERR_OK);
}

/* Asks for the committed offset of partition 0 of a topic; it is answer number `index`. */
static inline int64_t
coords_offset(struct coords_fixture *c, uint32_t index, uint64_t token, const char *group,
              const char *topic, int16_t *error)
{
    int32_t zero = 0;
    struct wire_offset_fetch_request_topic t = {.name = view_of_text(topic),
                                                .partition_indexes = {&zero, 1}};
    struct wire_offset_fetch_request request = {.group_id = view_of_text(group), .topics = {&t, 1}};
    struct wire_offset_fetch_response response;
    assert_int_equal(coords_send(c, token, WIRE_API_OFFSET_FETCH, 7, &request), ERR_OK);
    coords_expect(c, index, token, WIRE_API_OFFSET_FETCH, 7, &response);
    *error = response.error_code;
    return response.topics.count == 1
               ? response.topics.items[0].partitions.items[0].committed_offset
               : -99;
}

#endif
