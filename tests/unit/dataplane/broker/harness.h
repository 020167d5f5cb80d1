/* harness.h: shards in one thread for tests: region in this process, fake streams, fake stores, a
 * clock that stands until the test moves it.  Control is played by the test through the real rings.
 */
#ifndef SLUICE_TESTS_BROKER_HARNESS_H
#define SLUICE_TESTS_BROKER_HARNESS_H

#include "core/conf/conf.h"
#include "core/shm/msg.h"
#include "core/wire/wire_gen.h"
#include "dataplane/broker/forward.h"
#include "dataplane/broker/seats.h"
#include "dataplane/broker/shard.h"
#include "tests/unit/core/wire/make_batch.h"
#include "tests/unit/dataplane/broker/fake_store.h"
#include "tests/unit/dataplane/broker/fake_stream.h"
#include "tests/unit/unit.h"

#include <stdio.h>

enum { HARNESS_SHARDS = 2, HARNESS_SLOTS = 320 };

struct harness {
    uint32_t shard_count;
    uint64_t now_ns;
    uint32_t wakes;
    struct conf conf;
    struct region region;
    struct mesh *mesh;
    struct quota_usage *quota_usage;
    struct seats *seats;
    struct clock clocks[HARNESS_SHARDS];
    struct fake_stream streams[HARNESS_SHARDS];
    struct store *stores[HARNESS_SHARDS];
    struct shard shards[HARNESS_SHARDS];
    struct chan from_data[HARNESS_SHARDS], to_data[HARNESS_SHARDS]; /* control's ends */
    uint32_t slots;
};

static inline uint64_t
harness_now(void *self)
{
    return ((struct harness *)self)->now_ns;
}

static inline int64_t
harness_wall(void *self)
{
    return 1700000000000 + (int64_t)(((struct harness *)self)->now_ns / CLOCK_NS_PER_MS);
}

static inline void
harness_wait(void *self, uint64_t deadline_ns)
{
    (void)self;
    (void)deadline_ns;
}

static inline void
harness_wake(void *self)
{
    ((struct harness *)self)->wakes++;
}

static const struct clock_ops harness_clock = {harness_now, harness_wall, harness_wait,
                                               harness_wake, NULL};

/* Control (re)starts: a new generation that is ready. */
static inline void
harness_control_starts(struct harness *h)
{
    uint32_t generation = region_join(&h->region, REGION_CONTROL, 1);
    for (uint32_t i = 0; i < h->shard_count; i++) {
        uint32_t bytes = h->region.header->ring_bytes;
        chan_join(&h->from_data[i], region_ring_to_control(&h->region, i), bytes);
        chan_join(&h->to_data[i], region_ring_to_data(&h->region, i), bytes);
    }
    atomic_store(&h->region.header->published, generation);
    region_set_ready(&h->region, REGION_CONTROL);
}

static inline void
harness_set(struct harness *h, const char *key, const char *value)
{
    char error[CONF_ERROR_BYTES];
    assert_int_equal(conf_set(&h->conf, key, value, CONF_OPTION, error), ERR_OK);
}

/* `settings`: pairs of key and value, NULL at the end.  piece_bytes: clients' bytes come in pieces
 * of so many, 0: in one. */
static inline struct harness *
harness_new_pieces(uint32_t shard_count, const char *const *settings, uint32_t piece_bytes)
{
    struct harness *h = calloc(1, sizeof *h);
    assert_non_null(h);
    h->shard_count = shard_count;
    h->now_ns = 1000 * CLOCK_NS_PER_S;
    conf_defaults(&h->conf);
    harness_set(h, "max.connections", "64");
    for (; settings && settings[0]; settings += 2)
        harness_set(h, settings[0], settings[1]);
    struct region_shape shape = {shard_count, 16, HARNESS_SLOTS, 1 << 20};
    assert_int_equal(region_create(&h->region, &shape, ""), ERR_OK);
    atomic_store(&h->region.header->lease_until_ns, UINT64_MAX);
    region_join(&h->region, REGION_DATA, 1);
    assert_int_equal(mesh_create(shard_count, &h->mesh), ERR_OK);
    h->quota_usage = quota_init(calloc(1, quota_footprint(shard_count)), shard_count);
    static const uint8_t secret[SEATS_SECRET_BYTES] = {7, [9] = 3, [18] = 5, [30] = 11};
    uint32_t connections = shard_count * shard_conns(&h->conf, shard_count);
    h->seats = seats_init(calloc(1, seats_footprint(connections)), connections, secret);
    for (uint32_t i = 0; i < shard_count; i++)
        h->clocks[i] = (struct clock){&harness_clock, h};
    for (uint32_t i = 0; i < shard_count; i++) {
        h->stores[i] = fake_store_new(i, shard_count);
        h->streams[i].piece_bytes = piece_bytes;
        struct shard_config config = {
            .shard = i,
            .shard_count = shard_count,
            .conf = &h->conf,
            .region = &h->region,
            .clock = h->clocks[i],
            .stream = {piece_bytes ? &fake_stream_piece_ops : &fake_stream_ops, &h->streams[i]},
            .store = h->stores[i],
            .mesh = mesh_join(h->mesh, i, h->clocks),
            .quota_usage = h->quota_usage,
            .seats = h->seats,
        };
        assert_int_equal(shard_init(&h->shards[i], &config), ERR_OK);
    }
    harness_control_starts(h);
    return h;
}

static inline struct harness *
harness_new(uint32_t shard_count, const char *const *settings)
{
    return harness_new_pieces(shard_count, settings, 0);
}

static inline void
harness_free(struct harness *h)
{
    for (uint32_t i = 0; i < h->shard_count; i++) {
        shard_free(&h->shards[i]);
        fake_store_free(h->stores[i]);
        fake_stream_free(&h->streams[i]);
    }
    mesh_free(h->mesh);
    free(h->quota_usage);
    free(h->seats);
    region_destroy(&h->region);
    free(h);
}

/* One turn of every shard. */
static inline void
harness_turn(struct harness *h)
{
    for (uint32_t i = 0; i < h->shard_count; i++) {
        uint64_t deadline_ns;
        fake_stream_settle(&h->streams[i]);
        assert_int_equal(shard_turn(&h->shards[i], &deadline_ns), ERR_OK);
        fake_stream_gather(&h->streams[i]);
    }
}

static inline void
harness_turns(struct harness *h, uint32_t n)
{
    while (n--)
        harness_turn(h);
}

static inline uint64_t
harness_counter(struct harness *h, uint32_t shard, enum counter which)
{
    return atomic_load(&region_counters(&h->region, shard)[which]);
}

/* ---- control's tables ---- */

static inline void
harness_topic_id(uint8_t id[16], uint32_t row)
{
    memset(id, 0x40, 16);
    id[0] = (uint8_t)(row + 1);
    id[15] = 0; /* partition 0 belongs to shard 0, 1 to shard 1 (fake_store.h) */
}

/* Writes the rows of a topic and its partitions; the shards see them after harness_doorbells. */
static inline void
harness_topic_write(struct harness *h, uint32_t row, const char *name, uint32_t partitions,
                    const struct table_topic_config *config)
{
    struct table_topic_fact t = {
        .state = TABLE_LIVE, .version = 1, .partition_count = partitions, .config = *config};
    harness_topic_id(t.id, row);
    t.name_bytes = (uint16_t)strlen(name);
    memcpy(t.name, name, t.name_bytes);
    table_topic_write(&region_topics(&h->region)[row], &t);
    for (uint32_t i = 0; i < partitions; i++) {
        struct table_want_fact w = {.state = TABLE_LIVE,
                                    .version = 1,
                                    .topic = row,
                                    .partition = (int32_t)i,
                                    .leader_id = 1,
                                    .leader_epoch = 5};
        harness_topic_id(w.topic_id, row);
        table_want_write(&region_want(&h->region)[h->slots++], &w);
    }
}

static const struct table_topic_config harness_topic_config = {
    .max_message_bytes = 1048588,
    .segment_bytes = 1 << 30,
    .index_interval_bytes = 4096,
    .min_insync_replicas = 1,
    .segment_ms = 604800000,
    .timestamp_before_max_ms = INT64_MAX,
    .timestamp_after_max_ms = INT64_MAX,
    .compression = TABLE_COMPRESSION_PRODUCER,
};

static inline void
harness_ring_row(struct harness *h, enum msg_kind kind, uint32_t row)
{
    for (uint32_t i = 0; i < h->shard_count; i++) {
        struct msg_row m = {row, 1};
        uint8_t *at = chan_reserve(&h->to_data[i], sizeof m);
        assert_non_null(at);
        memcpy(at, &m, sizeof m);
        chan_publish(&h->to_data[i], kind, 1, sizeof m);
    }
}

static inline void
harness_topic(struct harness *h, uint32_t row, const char *name, uint32_t partitions)
{
    uint32_t first = h->slots;
    harness_topic_write(h, row, name, partitions, &harness_topic_config);
    harness_ring_row(h, MSG_TOPIC, row);
    for (uint32_t i = first; i < h->slots; i++)
        harness_ring_row(h, MSG_WANT, i);
    harness_turn(h);
}

/* ---- a client ---- */

/* Sends one request: header by api and version, then the body. */
static inline void
harness_request_raw(struct harness *h, uint32_t shard, uint32_t conn, int16_t key, int16_t version,
                    int32_t correlation, bool flexible, struct view body)
{
    uint8_t *at = malloc(body.len + 64);
    must(at);
    struct put w = put_of(at, body.len + 64);
    put_u32(&w, 0);
    put_u16(&w, (uint16_t)key);
    put_u16(&w, (uint16_t)version);
    put_u32(&w, (uint32_t)correlation);
    put_u16(&w, 4);
    put_bytes(&w, "test", 4);
    if (flexible)
        put_u8(&w, 0);
    put_bytes(&w, body.at, body.len);
    assert_false(w.bad);
    set_u32(at, put_len(&w) - 4);
    fake_stream_feed(&h->streams[shard], conn, at, put_len(&w));
    free(at);
}

static inline void
harness_request(struct harness *h, uint32_t shard, uint32_t conn, int16_t key, int16_t version,
                int32_t correlation, const void *body)
{
    const struct wire_api *api = wire_api_find(key);
    int64_t size = wire_size(api->request, version, body);
    assert_true(size >= 0);
    uint8_t *at = malloc((size_t)size + 1);
    must(at);
    struct put w = put_of(at, (uint32_t)size);
    assert_int_equal(wire_encode(api->request, version, body, &w), ERR_OK);
    harness_request_raw(h, shard, conn, key, version, correlation, version >= api->flexible_min,
                        view_of(at, put_len(&w)));
    free(at);
}

/* One record batch of so many records; lent until the next call. */
static inline struct view
harness_batch(uint32_t records)
{
    static struct make_batch m;
    make_begin(&m);
    for (uint32_t i = 0; i < records; i++)
        make_add(&m, (struct make_record){.offset_delta = (int32_t)i,
                                          .key = view_of_text("key"),
                                          .value = view_of_text("0123456789")});
    return make_end(&m, MAKE_NONE);
}

/* A Produce request for one partition of one topic by name (version 12) or by row id (13). */
static inline void
harness_produce(struct harness *h, uint32_t conn, int16_t version, int32_t correlation,
                int16_t acks, const char *topic, int32_t partition, struct view records)
{
    struct wire_produce_request_partition_produce_data p = {partition, records};
    struct wire_produce_request_topic_produce_data t = {.name = view_of_text(topic),
                                                        .partition_data = {&p, 1}};
    if (version >= 13)
        harness_topic_id(t.topic_id, (uint32_t)(topic[0] - '0'));
    struct wire_produce_request body = {.acks = acks, .timeout_ms = 1000, .topic_data = {&t, 1}};
    harness_request(h, 0, conn, WIRE_API_PRODUCE, version, correlation, &body);
}

/* What the peer has received: the next response, from the correlation id on; len 0: none. */
static inline struct view
harness_response(struct harness *h, uint32_t shard, uint32_t conn, size_t *at)
{
    struct fake_conn *c = &h->streams[shard].conns[conn];
    if (!c->out || c->out_len - *at < 4)
        return view_of(NULL, 0);
    uint32_t len = get_u32(c->out + *at);
    if (c->out_len - *at - 4 < len)
        return view_of(NULL, 0);
    struct view v = view_of(c->out + *at + 4, len);
    *at += 4 + (size_t)len;
    return v;
}

/* The one partition of a Produce response. */
static inline void
harness_produced(struct view response, int16_t version,
                 struct wire_produce_response_partition_produce_response *out)
{
    static uint8_t memory[65536];
    struct wire_arena arena;
    wire_arena_init(&arena, memory, sizeof memory);
    uint32_t header = version >= 9 ? 5 : 4;
    assert_true(response.len > header);
    struct wire_produce_response body;
    assert_int_equal(wire_decode(&wire_produce_response_message, version,
                                 view_of(response.at + header, response.len - header), &body,
                                 &arena),
                     ERR_OK);
    assert_int_equal(body.responses.count, 1);
    assert_int_equal(body.responses.items[0].partition_responses.count, 1);
    *out = body.responses.items[0].partition_responses.items[0];
}

#endif
