/* fixture_produce.h: what the tests of produce_*.c have in common: a topic, a client, its answer.
 */
#ifndef SLUICE_TESTS_FIXTURE_PRODUCE_H
#define SLUICE_TESTS_FIXTURE_PRODUCE_H

#include "tests/unit/dataplane/broker/harness.h"

/* PRODUCE_LARGE: bytes of a batch that is lent to the shard of its partition. */
enum { V = 12, PRODUCE_LARGE = 40 << 10, PRODUCE_VALUE = 1000 };

static inline struct harness *
produce_one_shard(void)
{
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0rders", 2);
    fake_stream_open(&h->streams[0], 0);
    harness_turn(h);
    return h;
}

/* Shard 0 has the client; partition 0 is its own, partition 1 is shard 1's. */
static inline struct harness *
produce_two_shards(void)
{
    struct harness *h = harness_new(2, NULL);
    harness_topic(h, 0, "0rders", 2);
    fake_stream_open(&h->streams[0], 0);
    harness_turn(h);
    return h;
}

static inline struct wire_produce_response_partition_produce_response
produce_answer(struct harness *h, int16_t version)
{
    struct wire_produce_response_partition_produce_response p;
    size_t at = 0;
    harness_turns(h, 6);
    struct view v = harness_response(h, 0, 0, &at);
    assert_true(v.len > 0);
    assert_int_equal(get_i32(v.at), 77);
    harness_produced(v, version, &p);
    return p;
}

/* One topic with that configuration, its partitions 0 and 1 on the shards there are. */
static inline struct harness *
produce_with_config(uint32_t shards, const struct table_topic_config *config)
{
    struct harness *h = harness_new(shards, NULL);
    harness_topic_write(h, 0, "0rders", 2, config);
    harness_ring_row(h, MSG_TOPIC, 0);
    harness_ring_row(h, MSG_WANT, 0);
    harness_ring_row(h, MSG_WANT, 1);
    fake_stream_open(&h->streams[0], 0);
    harness_turn(h);
    return h;
}

/* A batch of about `bytes` that do not compress; every `keyless`th record has no key (0: all have
 * one).  Lent until the next call. */
static inline struct view
produce_batch(uint32_t bytes, enum make_codec codec, uint32_t keyless)
{
    static struct make_batch m;
    static unsigned chance = 1;
    uint8_t value[PRODUCE_VALUE];
    make_begin(&m);
    for (uint32_t i = 0; i < bytes / PRODUCE_VALUE; i++) {
        for (uint32_t k = 0; k < PRODUCE_VALUE; k++)
            value[k] = (uint8_t)rand_r(&chance);
        struct view key = view_of_text("key");
        make_add(&m, (struct make_record){.offset_delta = (int32_t)i,
                                          .key = keyless && i % keyless == 0 ? view_of(0, 0) : key,
                                          .value = view_of(value, PRODUCE_VALUE)});
    }
    return make_end(&m, codec);
}

static inline void
produce_spoil(struct view batch)
{
    ((uint8_t *)(uintptr_t)batch.at)[batch.len - 1] ^= 1;
}

/* One request with `count` partitions of topic 0. */
static inline void
produce_parts(struct harness *h, int16_t version,
              const struct wire_produce_request_partition_produce_data *parts, int32_t count)
{
    struct wire_produce_request_topic_produce_data t = {.name = view_of_text("0rders")};
    t.partition_data.items = (struct wire_produce_request_partition_produce_data *)(uintptr_t)parts;
    t.partition_data.count = count;
    if (version >= 13)
        harness_topic_id(t.topic_id, 0);
    struct wire_produce_request body = {.acks = -1, .timeout_ms = 1000, .topic_data = {&t, 1}};
    harness_request(h, 0, 0, WIRE_API_PRODUCE, version, 77, &body);
}

/* Everything that was lent or taken is back. */
static inline void
produce_all_back(struct harness *h)
{
    harness_turns(h, 2);
    for (uint32_t i = 0; i < h->shard_count; i++) {
        assert_int_equal(mesh_jobs_out(h->shards[i].mesh), 0);
        assert_int_equal(h->streams[i].kept_out, 0);
        assert_int_equal(buddy_used(h->shards[i].memory), 0);
        assert_null(h->stores[i]->staged);
    }
}

#endif
