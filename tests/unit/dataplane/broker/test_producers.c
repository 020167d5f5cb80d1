#include "tests/unit/dataplane/broker/harness.h"

static struct harness *
two_shards(void)
{
    struct harness *h = harness_new(2, NULL);
    harness_topic(h, 0, "0", 2);
    fake_stream_open(&h->streams[0], 0);
    harness_turn(h);
    return h;
}

static struct plog *
log_of(struct harness *h, int32_t partition)
{
    uint8_t id[16];
    harness_topic_id(id, 0);
    return store_find(h->stores[partition], id, partition);
}

/* Asks for partitions 0 to 2 of topic "0". */
static void
send(struct harness *h)
{
    static int32_t parts[] = {0, 1, 2};
    struct wire_describe_producers_request_topic_request t = {view_of_text("0"), {parts, 3}};
    struct wire_describe_producers_request q = {.topics = {&t, 1}};
    harness_request(h, 0, 0, WIRE_API_DESCRIBE_PRODUCERS, 0, 77, &q);
}

static const struct wire_describe_producers_response_partition_response *
receive(struct harness *h)
{
    static uint8_t memory[1 << 20];
    static struct wire_describe_producers_response a;
    struct wire_arena arena;
    size_t at = 0;
    harness_turns(h, 10);
    struct view v = harness_response(h, 0, 0, &at);
    assert_true(v.len > 0);
    wire_arena_init(&arena, memory, sizeof memory);
    assert_int_equal(wire_decode(&wire_describe_producers_response_message, 0,
                                 view_of(v.at + 5, v.len - 5), &a, &arena),
                     ERR_OK);
    assert_int_equal(a.topics.count, 1);
    assert_int_equal(a.topics.items[0].partitions.count, 3);
    return a.topics.items[0].partitions.items;
}

static void
producers_of_any_shard_are_told_whatever_their_number(void **state)
{
    (void)state;
    struct harness *h = two_shards();
    for (int32_t p = 0; p < 2; p++) {
        struct plog *log = log_of(h, p);
        log->producer_count = p ? FAKE_STORE_PRODUCERS : 1;
        for (uint32_t i = 0; i < log->producer_count; i++)
            log->producers[i] = (struct plog_producer){.id = 100 + i,
                                                       .epoch = 7,
                                                       .last_sequence = 11,
                                                       .coordinator_epoch = 12,
                                                       .last_ms = 13,
                                                       .txn_first = 14};
    }
    size_t used = buddy_used(h->shards[0].memory);
    send(h);
    const struct wire_describe_producers_response_partition_response *got = receive(h);
    for (int32_t p = 0; p < 2; p++) {
        assert_int_equal(got[p].error_code, KERR_NONE);
        assert_null(got[p].error_message.at);
        assert_int_equal(got[p].active_producers.count, log_of(h, p)->producer_count);
        const struct wire_describe_producers_response_producer_state *last =
            &got[p].active_producers.items[got[p].active_producers.count - 1];
        assert_int_equal(last->producer_id, 99 + log_of(h, p)->producer_count);
        assert_int_equal(last->producer_epoch, 7);
        assert_int_equal(last->last_sequence, 11);
        assert_int_equal(last->coordinator_epoch, 12);
        assert_int_equal(last->last_timestamp, 13);
        assert_int_equal(last->current_txn_start_offset, 14);
    }
    assert_int_equal(got[2].error_code, KERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_true(got[2].error_message.len > 0);
    harness_turns(h, 2);
    assert_int_equal(buddy_used(h->shards[0].memory), used);
    harness_free(h);
}

static void
no_memory_for_a_list_is_told_with_its_partition(void **state)
{
    (void)state;
    struct harness *h = two_shards();
    log_of(h, 0)->producer_count = FAKE_STORE_PRODUCERS; /* 8000 bytes */
    log_of(h, 1)->producer_count = 1;
    size_t room;
    void *spare = buddy_take(h->shards[0].memory, 4096, &room);
    for (size_t size = SHARD_ANSWER_BLOCK_MAX; size >= 4096; size /= 2)
        while (buddy_take(h->shards[0].memory, size, &room))
            ;
    buddy_give(h->shards[0].memory, spare);
    send(h);
    const struct wire_describe_producers_response_partition_response *got = receive(h);
    assert_int_equal(got[0].error_code, KERR_REQUEST_TIMED_OUT);
    assert_int_equal(got[0].active_producers.count, 0);
    assert_int_equal(got[1].error_code, KERR_NONE);
    assert_int_equal(got[1].active_producers.count, 1);
    harness_free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(producers_of_any_shard_are_told_whatever_their_number),
        cmocka_unit_test(no_memory_for_a_list_is_told_with_its_partition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
