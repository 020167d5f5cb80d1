#include "dataplane/broker/scatter.h"
#include "tests/unit/dataplane/broker/harness.h"

enum { MANY = 3000 };

static struct harness *
two_shards(void)
{
    struct harness *h = harness_new(2, NULL);
    harness_topic(h, 0, "0", 2);
    fake_stream_open(&h->streams[0], 0);
    harness_turn(h);
    return h;
}

/* DescribeProducers of partition 1, which is the other shard's, so many times. */
static void
send(struct harness *h, int32_t count)
{
    static int32_t parts[SCATTER_PARTS_MAX + 1];
    for (int32_t i = 0; i < count; i++)
        parts[i] = 1;
    struct wire_describe_producers_request_topic_request t = {view_of_text("0"), {parts, count}};
    struct wire_describe_producers_request q = {.topics = {&t, 1}};
    harness_request(h, 0, 0, WIRE_API_DESCRIBE_PRODUCERS, 0, 77, &q);
}

static void
more_partitions_than_jobs_are_all_answered(void **state)
{
    (void)state;
    struct harness *h = two_shards();
    static uint8_t memory[1 << 20];
    struct wire_describe_producers_response a;
    struct wire_arena arena;
    size_t at = 0;
    send(h, MANY);
    for (int i = 0; i < 20; i++) {
        harness_turn(h);
        assert_true(mesh_jobs_out(h->shards[0].mesh) <= SCATTER_JOBS_MAX);
    }
    struct view v = harness_response(h, 0, 0, &at);
    assert_true(v.len > 0);
    wire_arena_init(&arena, memory, sizeof memory);
    assert_int_equal(wire_decode(&wire_describe_producers_response_message, 0,
                                 view_of(v.at + 5, v.len - 5), &a, &arena),
                     ERR_OK);
    assert_int_equal(a.topics.items[0].partitions.count, MANY);
    for (int32_t i = 0; i < MANY; i++)
        assert_int_equal(a.topics.items[0].partitions.items[i].error_code, KERR_NONE);
    harness_free(h);
}

static void
too_many_partitions_are_a_malformed_request(void **state)
{
    (void)state;
    struct harness *h = two_shards();
    send(h, SCATTER_PARTS_MAX + 1);
    harness_turns(h, 10);
    assert_int_equal(harness_counter(h, 0, DROP_REQUEST_BODY), 1);
    harness_free(h);
}

static void
an_abandoned_request_gives_its_memory_back_when_its_jobs_are_home(void **state)
{
    (void)state;
    struct harness *h = two_shards();
    size_t used = buddy_used(h->shards[0].memory);
    uint64_t deadline_ns;
    send(h, MANY);
    fake_stream_settle(&h->streams[0]);
    assert_int_equal(shard_turn(&h->shards[0], &deadline_ns), ERR_OK);
    assert_true(mesh_jobs_out(h->shards[0].mesh) > 0);
    fake_stream_end(&h->streams[0], 0, 0);
    assert_int_equal(shard_turn(&h->shards[0], &deadline_ns), ERR_OK);
    harness_turns(h, 10);
    assert_int_equal(mesh_jobs_out(h->shards[0].mesh), 0);
    assert_true(buddy_used(h->shards[0].memory) <= used);
    harness_free(h);
}

static void
an_answer_without_memory_closes_the_connection_and_is_counted(void **state)
{
    (void)state;
    enum { BLOCK = 64 << 10, SMALLEST = 64 };
    static void *blocks[2 * (SHARD_ANSWER_BYTES / BLOCK)];
    struct harness *h = two_shards();
    struct shard *s = &h->shards[0];
    uint32_t count = 0;
    uint64_t deadline_ns;
    send(h, MANY);
    fake_stream_settle(&h->streams[0]);
    assert_int_equal(shard_turn(s, &deadline_ns), ERR_OK);
    size_t room;
    for (size_t size = BLOCK; size >= SMALLEST; size /= 2)
        while ((blocks[count] = buddy_take(s->memory, size, &room)))
            count++;
    harness_turns(h, 20);
    assert_int_equal(s->conn_count, 0);
    assert_int_equal(harness_counter(h, 0, DROP_REQUEST_MEMORY), 1);
    while (count > 0)
        buddy_give(s->memory, blocks[--count]);
    harness_free(h);
}

static void
an_empty_request_has_an_empty_answer(void **state)
{
    (void)state;
    struct harness *h = two_shards();
    struct wire_write_txn_markers_request q = {.markers = {NULL, 0}};
    size_t at = 0;
    harness_request(h, 0, 0, WIRE_API_WRITE_TXN_MARKERS, 1, 77, &q);
    harness_turns(h, 3);
    struct view v = harness_response(h, 0, 0, &at);
    assert_int_equal(v.len, 7);
    assert_int_equal(v.at[5], 1); /* compact: no element */
    harness_free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_partitions_than_jobs_are_all_answered),
        cmocka_unit_test(too_many_partitions_are_a_malformed_request),
        cmocka_unit_test(an_abandoned_request_gives_its_memory_back_when_its_jobs_are_home),
        cmocka_unit_test(an_answer_without_memory_closes_the_connection_and_is_counted),
        cmocka_unit_test(an_empty_request_has_an_empty_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
