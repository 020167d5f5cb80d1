/* fixture_vouch.h: questions to the coordinator of a transaction, and its answers; the test plays
 * control. */
#ifndef SLUICE_TESTS_FIXTURE_VOUCH_H
#define SLUICE_TESTS_FIXTURE_VOUCH_H

#include "tests/unit/dataplane/broker/harness.h"

enum { OLD = 10, GENERIC = 11, BUMPS = 12, PRODUCER = 5 };

/* A question as control gets it. */
struct asked {
    uint64_t token;
    int32_t correlation;
    int64_t producer_id;
    int16_t epoch;
    bool verify_only;
    char transactional_id[32], topic[32];
    int32_t partition;
};

/* Shard 0 has the client; partition 0 is its own, partition 1 is shard 1's. */
static inline struct harness *
setup(const char *const *settings)
{
    struct harness *h = harness_new(2, settings);
    harness_topic(h, 0, "0rders", 2);
    fake_stream_open(&h->streams[0], 0);
    harness_turn(h);
    return h;
}

static inline struct view
batch_of(int16_t epoch, int32_t sequence, uint32_t records)
{
    struct view batch = harness_batch(records);
    uint8_t *at = (uint8_t *)(uintptr_t)batch.at;
    set_u16(at + BATCH_AT_ATTRIBUTES, BATCH_TRANSACTIONAL);
    set_u64(at + BATCH_AT_PRODUCER_ID, PRODUCER);
    set_u16(at + BATCH_AT_PRODUCER_EPOCH, (uint16_t)epoch);
    set_u32(at + BATCH_AT_BASE_SEQUENCE, (uint32_t)sequence);
    make_seal(at, batch.len);
    return batch;
}

/* id: of the transaction; NULL: none. */
static inline void
produce(struct harness *h, int16_t version, int32_t correlation, int32_t partition, const char *id,
        struct view batch)
{
    struct wire_produce_request_partition_produce_data p = {partition, batch};
    struct wire_produce_request_topic_produce_data t = {.name = view_of_text("0rders"),
                                                        .partition_data = {&p, 1}};
    struct wire_produce_request body = {.transactional_id =
                                            id ? view_of_text(id) : view_of(NULL, 0),
                                        .acks = -1,
                                        .timeout_ms = 1000,
                                        .topic_data = {&t, 1}};
    harness_request(h, 0, 0, WIRE_API_PRODUCE, version, correlation, &body);
    harness_turns(h, 3);
}

static inline void
text_of(char out[32], struct view v)
{
    assert_true(v.len < 32);
    memcpy(out, v.at, v.len);
    out[v.len] = '\0';
}

/* The next question of a shard; false: there is none. */
static inline bool
asked(struct harness *h, uint32_t shard, struct asked *out)
{
    static uint8_t memory[65536];
    struct wire_arena arena;
    struct chan_message m;
    struct wire_header header;
    struct wire_add_partitions_to_txn_request q;
    bool found = false;
    while (!found && chan_peek(&h->from_data[shard], &m) == ERR_OK) {
        found = m.kind == MSG_REQUEST;
        if (found) {
            struct msg_request head;
            memcpy(&head, m.body.at, sizeof head);
            struct view v = view_of(m.body.at + sizeof head, m.body.len - (uint32_t)sizeof head);
            wire_arena_init(&arena, memory, sizeof memory);
            assert_int_equal(head.listener, INNER_LISTENER);
            assert_int_equal(wire_header_read(v, &header), ERR_OK);
            assert_int_equal(header.api_key, WIRE_API_ADD_PARTITIONS_TO_TXN);
            assert_int_equal(
                wire_decode(&wire_add_partitions_to_txn_request_message, header.api_version,
                            view_of(v.at + header.bytes, v.len - header.bytes), &q, &arena),
                ERR_OK);
            assert_int_equal(q.transactions.count, 1);
            assert_int_equal(q.transactions.items[0].topics.count, 1);
            assert_int_equal(q.transactions.items[0].topics.items[0].partitions.count, 1);
            *out = (struct asked){.token = head.token,
                                  .correlation = header.correlation_id,
                                  .producer_id = q.transactions.items[0].producer_id,
                                  .epoch = q.transactions.items[0].producer_epoch,
                                  .verify_only = q.transactions.items[0].verify_only,
                                  .partition =
                                      q.transactions.items[0].topics.items[0].partitions.items[0]};
            text_of(out->transactional_id, q.transactions.items[0].transactional_id);
            text_of(out->topic, q.transactions.items[0].topics.items[0].name);
        }
        chan_done(&h->from_data[shard]);
    }
    return found;
}

static inline void
send(struct harness *h, uint32_t shard, enum msg_kind kind, uint64_t token, const void *bytes,
     uint32_t len)
{
    struct msg_answer m = {.token = token};
    uint32_t generation = atomic_load(&h->region.header->peers[REGION_CONTROL].generation);
    uint8_t *at = chan_reserve(&h->to_data[shard], (uint32_t)sizeof m + len);
    assert_non_null(at);
    memcpy(at, &m, sizeof m);
    if (len)
        memcpy(at + sizeof m, bytes, len);
    chan_publish(&h->to_data[shard], kind, generation, (uint32_t)sizeof m + len);
}

/* What the coordinator says: of the partition, or of the whole request. */
static inline void
answer(struct harness *h, uint32_t shard, const struct asked *q, int16_t error, bool whole)
{
    uint8_t bytes[256];
    struct wire_add_partitions_to_txn_response_add_partitions_to_txn_partition_result part = {
        .partition_index = q->partition, .partition_error_code = error};
    struct wire_add_partitions_to_txn_response_add_partitions_to_txn_topic_result topic = {
        .name = view_of_text(q->topic), .results_by_partition = {&part, 1}};
    struct wire_add_partitions_to_txn_response_add_partitions_to_txn_result one = {
        .transactional_id = view_of_text(q->transactional_id), .topic_results = {&topic, 1}};
    struct wire_add_partitions_to_txn_response a;
    wire_init(&wire_add_partitions_to_txn_response_message, &a);
    if (whole)
        a.error_code = error;
    else
        a.results_by_transaction.items = &one;
    a.results_by_transaction.count = whole ? 0 : 1;
    struct put w = put_of(bytes, sizeof bytes);
    wire_header_answer(&w, wire_api_find(WIRE_API_ADD_PARTITIONS_TO_TXN), 5, q->correlation);
    assert_int_equal(wire_encode(&wire_add_partitions_to_txn_response_message, 5, &a, &w), ERR_OK);
    send(h, shard, MSG_ANSWER, q->token, bytes, put_len(&w));
    harness_turns(h, 4);
}

static inline bool
answered(struct harness *h, int16_t version, size_t *at,
         struct wire_produce_response_partition_produce_response *out)
{
    struct view v = harness_response(h, 0, 0, at);
    if (v.len)
        harness_produced(v, version, out);
    return v.len > 0;
}

static inline int16_t
error_of(struct harness *h, int16_t version)
{
    struct wire_produce_response_partition_produce_response p = {0};
    size_t at = 0;
    assert_true(answered(h, version, &at, &p));
    return p.error_code;
}

static inline struct plog *
log_of(struct harness *h, int32_t partition)
{
    return route_part(route_by_row(h->shards[partition].route, 0), partition)->log;
}

static inline void
teardown(struct harness *h)
{
    harness_turns(h, 2);
    assert_int_equal(mesh_jobs_out(h->shards[0].mesh), 0);
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    harness_free(h);
}

#endif
