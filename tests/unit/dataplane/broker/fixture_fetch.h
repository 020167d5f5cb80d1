/* fixture_fetch.h: Fetch by a client of the harness: request in as bytes, response out as bytes,
 * and data that appears in a log without a producer.  Shard 0 has the even partitions, shard 1 the
 * odd. */
#ifndef SLUICE_TESTS_FIXTURE_FETCH_H
#define SLUICE_TESTS_FIXTURE_FETCH_H

#include "core/wire/batch.h"
#include "tests/unit/dataplane/broker/harness.h"

enum { FIXTURE_PARTS_MAX = 320, FIXTURE_TOPICS_MAX = 320, FIXTURE_MEMORY = 1 << 20 };

/* What to ask for; a request lists its partitions one topic entry each. */
struct ask {
    uint32_t row; /* topic; its name is the digit */
    int32_t partition;
    int64_t offset;
    int32_t max_bytes; /* 0: a million */
    int32_t epoch;     /* of the leader; 0: not told */
};

struct fetch_ask {
    int16_t version; /* 0: 12 */
    int32_t session_id, session_epoch;
    bool sessions; /* else sessionless: epoch -1 */
    int32_t max_wait_ms, min_bytes, max_bytes, replica_id;
    bool follower, read_committed;
    int32_t fetched_epoch; /* last fetched, of all partitions, + 1; 0: not told */
    const struct ask *parts;
    uint32_t count;
    const struct ask *forget;
    uint32_t forget_count;
};

/* One partition of a response. */
struct got {
    uint32_t row; /* UINT32_MAX: neither name nor id of a topic of the test */
    int32_t partition, leader_id, leader_epoch;
    int16_t error;
    int64_t high_watermark, last_stable_offset, log_start_offset;
    int32_t diverging_epoch;
    int64_t diverging_end;
    uint32_t bytes;
    const uint8_t *records; /* in the response */
    /* In the response, valid until the next; -1: null. */
    const struct wire_fetch_response_aborted_transaction *aborted;
    int32_t aborted_count;
};

struct fetched {
    bool answered;
    int16_t error;
    int32_t session_id;
    uint32_t count, topics;
    struct got parts[FIXTURE_PARTS_MAX];
};

static inline struct view
fixture_name(uint32_t row)
{
    static const char digits[] = "0123456789";
    return view_of(&digits[row % 10], 1);
}

/* Appends one batch of that many bytes and one record to the owner's log: durable in the next turn.
 */
static inline void
fixture_append(struct harness *h, uint32_t row, int32_t partition, uint32_t bytes)
{
    uint8_t id[16];
    static uint8_t batch[1 << 20];
    harness_topic_id(id, row);
    struct store *s = h->stores[store_core_of(id, partition, h->shard_count)];
    struct plog *p = store_find(s, id, partition);
    assert_non_null(p);
    memset(batch, 'a' + (int)row, bytes);
    set_u32(batch + BATCH_AT_LENGTH, bytes - BATCH_OVERHEAD);
    batch[BATCH_AT_MAGIC] = 2;
    struct batch_info info = {.bytes = bytes, .record_count = 1};
    struct store_appended out;
    assert_int_equal(store_append(s, p, &info, view_of(batch, bytes), 5, 0, &out), 0);
}

static inline void
fixture_fetch_body(const struct fetch_ask *a, struct wire_fetch_request *q,
                   struct wire_fetch_request_fetch_topic *topics,
                   struct wire_fetch_request_fetch_partition *parts,
                   struct wire_fetch_request_forgotten_topic *forgotten, int32_t *forgotten_parts)
{
    wire_init(&wire_fetch_request_message, q);
    q->max_wait_ms = a->max_wait_ms;
    q->min_bytes = a->min_bytes;
    q->max_bytes = a->max_bytes ? a->max_bytes : 50 << 20;
    if (a->follower)
        q->replica_id = a->replica_id;
    q->isolation_level = a->read_committed;
    q->session_id = a->session_id;
    q->session_epoch = a->sessions ? a->session_epoch : -1;
    for (uint32_t i = 0; i < a->count; i++) {
        const struct ask *k = &a->parts[i];
        parts[i] = (struct wire_fetch_request_fetch_partition){
            .partition = k->partition,
            .current_leader_epoch = k->epoch ? k->epoch : -1,
            .fetch_offset = k->offset,
            .last_fetched_epoch = a->fetched_epoch - 1,
            .log_start_offset = -1,
            .partition_max_bytes = k->max_bytes ? k->max_bytes : 1000000,
            .high_watermark = INT64_MAX};
        topics[i] = (struct wire_fetch_request_fetch_topic){.topic = fixture_name(k->row),
                                                            .partitions = {&parts[i], 1}};
        harness_topic_id(topics[i].topic_id, k->row);
    }
    q->topics.items = topics;
    q->topics.count = (int32_t)a->count;
    for (uint32_t i = 0; i < a->forget_count; i++) {
        forgotten_parts[i] = a->forget[i].partition;
        forgotten[i] = (struct wire_fetch_request_forgotten_topic){
            .topic = fixture_name(a->forget[i].row), .partitions = {&forgotten_parts[i], 1}};
        harness_topic_id(forgotten[i].topic_id, a->forget[i].row);
    }
    q->forgotten_topics_data.items = forgotten;
    q->forgotten_topics_data.count = (int32_t)a->forget_count;
}

/* Sends a Fetch to a shard; no turn is made. */
static inline void
fixture_send(struct harness *h, uint32_t shard, uint32_t conn, const struct fetch_ask *a)
{
    static struct wire_fetch_request_fetch_topic topics[FIXTURE_TOPICS_MAX];
    static struct wire_fetch_request_fetch_partition parts[FIXTURE_TOPICS_MAX];
    static struct wire_fetch_request_forgotten_topic forgotten[FIXTURE_TOPICS_MAX];
    static int32_t forgotten_parts[FIXTURE_TOPICS_MAX];
    struct wire_fetch_request q;
    assert_true(a->count <= FIXTURE_TOPICS_MAX && a->forget_count <= FIXTURE_TOPICS_MAX);
    fixture_fetch_body(a, &q, topics, parts, forgotten, forgotten_parts);
    harness_request(h, shard, conn, WIRE_API_FETCH, a->version ? a->version : 12, 1, &q);
}

static inline uint32_t
fixture_row(const struct wire_fetch_response_fetchable_topic_response *t, int16_t version)
{
    for (uint32_t row = 0; row < 10; row++) {
        uint8_t id[16];
        harness_topic_id(id, row);
        if (version >= 13 ? memcmp(id, t->topic_id, 16) == 0
                          : view_equal(t->topic, fixture_name(row)))
            return row;
    }
    return UINT32_MAX;
}

static inline void
fixture_take(const struct wire_fetch_response_fetchable_topic_response *t, int16_t version,
             struct fetched *out)
{
    for (int32_t k = 0; k < t->partitions.count; k++) {
        const struct wire_fetch_response_partition_data *p = &t->partitions.items[k];
        assert_true(out->count < FIXTURE_PARTS_MAX);
        out->parts[out->count++] = (struct got){.row = fixture_row(t, version),
                                                .partition = p->partition_index,
                                                .leader_id = p->current_leader.leader_id,
                                                .leader_epoch = p->current_leader.leader_epoch,
                                                .error = p->error_code,
                                                .high_watermark = p->high_watermark,
                                                .last_stable_offset = p->last_stable_offset,
                                                .log_start_offset = p->log_start_offset,
                                                .diverging_epoch = p->diverging_epoch.epoch,
                                                .diverging_end = p->diverging_epoch.end_offset,
                                                .aborted = p->aborted_transactions.items,
                                                .aborted_count = p->aborted_transactions.count,
                                                .bytes = p->records.len,
                                                .records = p->records.at};
    }
}

/* Takes the next response of a connection, if there is one; *at: where the last one ended. */
static inline struct fetched
fixture_receive(struct harness *h, uint32_t shard, uint32_t conn, int16_t version, size_t *at)
{
    static uint8_t memory[FIXTURE_MEMORY];
    struct wire_arena arena;
    struct fetched out = {0};
    struct view v = harness_response(h, shard, conn, at);
    if (v.len == 0)
        return out;
    version = version ? version : 12;
    uint32_t header = version >= 12 ? 5 : 4;
    struct wire_fetch_response a;
    wire_arena_init(&arena, memory, sizeof memory);
    assert_int_equal(wire_decode(&wire_fetch_response_message, version,
                                 view_of(v.at + header, v.len - header), &a, &arena),
                     ERR_OK);
    out.answered = true;
    out.error = a.error_code;
    out.session_id = a.session_id;
    out.topics = (uint32_t)a.responses.count;
    for (int32_t i = 0; i < a.responses.count; i++)
        fixture_take(&a.responses.items[i], version, &out);
    return out;
}

/* A client with one connection to one shard. */
struct client {
    struct harness *h;
    uint32_t shard, conn;
    size_t at;
};

static inline struct client
client_new(struct harness *h, uint32_t shard, uint32_t conn)
{
    fake_stream_open(&h->streams[shard], conn);
    harness_turn(h);
    return (struct client){h, shard, conn, 0};
}

/* Sends and gives the broker a few turns; not answered: it waits. */
static inline struct fetched
client_fetch(struct client *c, const struct fetch_ask *a)
{
    fixture_send(c->h, c->shard, c->conn, a);
    harness_turns(c->h, 8);
    return fixture_receive(c->h, c->shard, c->conn, a->version, &c->at);
}

/* What has come meanwhile. */
static inline struct fetched
client_poll(struct client *c, int16_t version)
{
    harness_turns(c->h, 8);
    return fixture_receive(c->h, c->shard, c->conn, version, &c->at);
}

#endif
