/* What a request may look like, and that a bad one changes nothing. */
#include "dataplane/broker/fetch_in.h"
#include "tests/unit/dataplane/broker/fixture_fetch.h"

static const struct ask both[] = {{0, 0, 0, 0, 0}, {0, 1, 0, 0, 0}};

/* A request of the pool with its connection, as the loop would make it. */
static struct req *
request(struct harness *h, int16_t version)
{
    struct req *r = req_take(&h->shards[0]);
    r->conn = &h->shards[0].conns[0];
    r->api = wire_api_find(WIRE_API_FETCH);
    r->version = version;
    return r;
}

static struct view
encode(const struct fetch_ask *a)
{
    static uint8_t bytes[65536];
    static struct wire_fetch_request_fetch_topic topics[FIXTURE_TOPICS_MAX];
    static struct wire_fetch_request_fetch_partition parts[FIXTURE_TOPICS_MAX];
    static struct wire_fetch_request_forgotten_topic forgotten[FIXTURE_TOPICS_MAX];
    static int32_t forgotten_parts[FIXTURE_TOPICS_MAX];
    struct wire_fetch_request q;
    fixture_fetch_body(a, &q, topics, parts, forgotten, forgotten_parts);
    struct put w = put_of(bytes, sizeof bytes);
    assert_int_equal(wire_encode(&wire_fetch_request_message, a->version, &q, &w), ERR_OK);
    return view_of(bytes, put_len(&w));
}

static struct fetch_ask
incremental(int32_t id, int32_t epoch)
{
    return (struct fetch_ask){.version = 13,
                              .sessions = true,
                              .session_id = id,
                              .session_epoch = epoch,
                              .parts = both,
                              .count = 2,
                              .forget = both,
                              .forget_count = 1};
}

static void
a_cut_request_is_refused_and_leaves_its_session_alone(void **state)
{
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0", 2);
    struct client c = client_new(h, 0, 0);
    struct fetch_ask ask = {.version = 13, .sessions = true, .parts = both, .count = 2};
    int32_t id = client_fetch(&c, &ask).session_id;
    struct session *session = session_find(h->shards[0].fetch->sessions, id);
    assert_non_null(session);
    ask = incremental(id, 1);
    struct view body = encode(&ask);
    struct fetch *f;
    for (uint32_t len = 0; len < body.len; len++) {
        struct req *r = request(h, 13);
        assert_int_equal(fetch_open(&h->shards[0], r, view_of(body.at, len), &f), REQ_BAD);
        req_give(&h->shards[0], r);
    }
    assert_int_equal(session->epoch, 1);
    assert_int_equal(session->part_count, 2);
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    struct req *r = request(h, 13);
    assert_int_equal(fetch_open(&h->shards[0], r, body, &f), REQ_PENDING); /* whole, it is taken */
    assert_int_equal(session->epoch, 2);
    assert_int_equal(session->part_count, 1); /* forgotten after it was put: as Kafka */
    buddy_give(h->shards[0].memory, f);
    req_give(&h->shards[0], r);
    harness_free(h);
}

static void
sizes_are_capped_by_the_configuration(void **state)
{
    static const char *const settings[] = {"fetch.max.bytes", "5000", NULL};
    struct harness *h = harness_new(1, settings);
    harness_topic(h, 0, "0", 2);
    struct fetch_ask ask = {.version = 12, .min_bytes = 9000, .max_bytes = 7000, .parts = both};
    struct req *r = request(h, 12);
    struct fetch *f;
    assert_int_equal(fetch_open(&h->shards[0], r, encode(&ask), &f), REQ_PENDING);
    assert_int_equal(f->max_bytes, 5000);
    assert_int_equal(f->min_bytes, 5000);
    assert_true(f->expired); /* no time to wait */
    buddy_give(h->shards[0].memory, f);
    req_give(&h->shards[0], r);
    harness_free(h);
}

static void
more_partitions_than_the_limit_are_refused(void **state)
{
    struct harness *h = harness_new(1, NULL);
    static struct wire_fetch_request_fetch_partition parts[FETCH_PARTS_MAX + 1];
    for (uint32_t i = 0; i <= FETCH_PARTS_MAX; i++)
        parts[i] = (struct wire_fetch_request_fetch_partition){.last_fetched_epoch = -1};
    struct wire_fetch_request_fetch_topic topic = {.topic = view_of_text("0")};
    topic.partitions.items = parts;
    topic.partitions.count = FETCH_PARTS_MAX + 1;
    struct wire_fetch_request q;
    wire_init(&wire_fetch_request_message, &q);
    q.topics.items = &topic;
    q.topics.count = 1;
    uint32_t room = 4 << 20;
    uint8_t *bytes = malloc(room);
    struct fetch *f;
    for (int extra = 1; extra >= 0; extra--) {
        topic.partitions.count = FETCH_PARTS_MAX + extra;
        struct put w = put_of(bytes, room);
        assert_int_equal(wire_encode(&wire_fetch_request_message, 4, &q, &w), ERR_OK);
        struct req *r = request(h, 4);
        assert_int_equal(fetch_open(&h->shards[0], r, view_of(bytes, put_len(&w)), &f),
                         extra ? REQ_BAD : REQ_PENDING);
        req_give(&h->shards[0], r);
    }
    assert_int_equal(f->part_count, FETCH_PARTS_MAX);
    buddy_give(h->shards[0].memory, f);
    free(bytes);
    harness_free(h);
}

static void
without_memory_nothing_has_happened(void **state)
{
    struct harness *h = harness_new(1, NULL);
    harness_topic(h, 0, "0", 2);
    struct client c = client_new(h, 0, 0);
    struct fetch_ask ask = {.version = 13, .sessions = true, .parts = both, .count = 2};
    int32_t id = client_fetch(&c, &ask).session_id;
    struct session *session = session_find(h->shards[0].fetch->sessions, id);
    ask = incremental(id, 1);
    static void *held[1 << 18];
    uint32_t count = 0;
    size_t room;
    for (size_t bytes = SHARD_ANSWER_BLOCK_MAX; bytes >= 256; bytes /= 2)
        for (void *b; (b = buddy_take(h->shards[0].memory, bytes, &room)) != NULL;)
            held[count++] = b;
    struct req *r = request(h, 13);
    struct fetch *f;
    assert_int_equal(fetch_open(&h->shards[0], r, encode(&ask), &f), REQ_AGAIN);
    assert_int_equal(session->epoch, 1);
    assert_int_equal(session->part_count, 2);
    while (count)
        buddy_give(h->shards[0].memory, held[--count]);
    req_give(&h->shards[0], r);
    harness_free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cut_request_is_refused_and_leaves_its_session_alone),
        cmocka_unit_test(sizes_are_capped_by_the_configuration),
        cmocka_unit_test(more_partitions_than_the_limit_are_refused),
        cmocka_unit_test(without_memory_nothing_has_happened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
