#include "tests/unit/dataplane/broker/harness.h"

/* A client of shard 0 of `shards`, with topic "0rders" of two partitions. */
static struct harness *
client(uint32_t shards, const char *const *settings)
{
    struct harness *h = harness_new(shards, settings);
    harness_topic(h, 0, "0rders", 2);
    fake_stream_open(&h->streams[0], 0);
    harness_turn(h);
    return h;
}

static void
versions_ask(struct harness *h, int32_t correlation)
{
    struct wire_api_versions_request body = {0};
    harness_request(h, 0, 0, WIRE_API_API_VERSIONS, 0, correlation, &body);
}

static void
expect_correlations(struct harness *h, size_t *at, const int32_t *ids, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct view v = harness_response(h, 0, 0, at);
        assert_true(v.len >= 4);
        assert_int_equal(get_i32(v.at), ids[i]);
    }
    assert_int_equal(harness_response(h, 0, 0, at).len, 0);
}

/* A Fetch of one partition that waits for nothing. */
static void
fetch_ask(struct harness *h, int32_t correlation, int32_t partition, int32_t bytes_max)
{
    struct wire_fetch_request_fetch_partition p = {
        .partition = partition,
        .current_leader_epoch = -1,
        .last_fetched_epoch = -1,
        .log_start_offset = -1,
        .partition_max_bytes = bytes_max,
        .high_watermark = INT64_MAX,
    };
    struct wire_fetch_request_fetch_topic t = {.topic = view_of_text("0rders"),
                                               .partitions = {&p, 1}};
    struct wire_fetch_request body = {
        .replica_id = -1,
        .max_wait_ms = 0,
        .min_bytes = 0,
        .max_bytes = bytes_max,
        .session_epoch = -1,
        .rack_id = view_of_text(""),
        .topics = {&t, 1},
    };
    body.replica_state.replica_id = -1;
    body.replica_state.replica_epoch = -1;
    harness_request(h, 0, 0, WIRE_API_FETCH, 11, correlation, &body);
}

/* Appends `batches` of ten records to a partition by way of the client; returns their bytes. */
static uint32_t
fill(struct harness *h, int32_t partition, uint32_t batches)
{
    struct view b = harness_batch(10);
    for (uint32_t i = 0; i < batches; i++) {
        harness_produce(h, 0, 12, 1, 1, "0rders", partition, b);
        harness_turns(h, 4);
    }
    harness_turns(h, 4);
    h->streams[0].conns[0].out_len = 0;
    h->streams[0].conns[0].sends = 0;
    return b.len * batches;
}

static const uint8_t *
log_bytes(struct harness *h, int32_t partition)
{
    uint32_t shard = (uint32_t)partition % h->shard_count;
    return route_part(route_by_row(h->shards[shard].route, 0), partition)->log->bytes;
}

/* The records of the response to fetch_ask (version 11): the last thing in it. */
static void
expect_records(struct harness *h, size_t *at, int32_t correlation, const uint8_t *records,
               uint32_t len)
{
    struct view v = harness_response(h, 0, 0, at);
    assert_true(v.len > len);
    assert_int_equal(get_i32(v.at), correlation);
    assert_int_equal(get_u32(v.at + v.len - len - 4), len);
    assert_memory_equal(v.at + v.len - len, records, len);
}

static void
a_peer_that_takes_little_gets_everything_in_the_end(void **state)
{
    (void)state;
    struct harness *h = client(1, NULL);
    uint32_t len = fill(h, 0, 20);
    size_t at = 0;
    h->streams[0].conns[0].take = 7;
    h->stores[0]->span_bytes = 100;
    versions_ask(h, 1);
    fetch_ask(h, 2, 0, 1 << 20);
    versions_ask(h, 3);
    harness_turns(h, len / 7 + 200);
    assert_int_equal(get_i32(harness_response(h, 0, 0, &at).at), 1);
    expect_records(h, &at, 2, log_bytes(h, 0), len);
    expect_correlations(h, &at, (const int32_t[]){3}, 1);
    assert_int_equal(h->stores[0]->holds, 0);
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    harness_free(h);
}

static void
nothing_is_held_for_a_peer_that_does_not_read(void **state)
{
    (void)state;
    struct harness *h = client(1, NULL);
    uint32_t len = fill(h, 0, 5);
    size_t at = 0;
    h->streams[0].conns[0].deaf = true;
    fetch_ask(h, 2, 0, 1 << 20);
    harness_turns(h, 5);
    assert_int_equal(h->stores[0]->holds, 0);
    assert_true(h->shards[0].conns[0].blocked);
    uint32_t sends = h->streams[0].conns[0].sends;
    harness_turns(h, 5);
    assert_int_equal(h->streams[0].conns[0].sends, sends); /* not before STREAM_WRITABLE */
    h->streams[0].conns[0].deaf = false;
    fake_stream_event(&h->streams[0], (struct stream_event){.id = h->streams[0].conns[0].id,
                                                            .kind = STREAM_WRITABLE});
    harness_turns(h, 4);
    expect_records(h, &at, 2, log_bytes(h, 0), len);
    harness_free(h);
}

static void
a_send_that_is_refused_is_tried_again_when_writable(void **state)
{
    (void)state;
    struct harness *h = client(1, NULL);
    size_t at = 0;
    h->streams[0].conns[0].refuse = true;
    versions_ask(h, 5);
    harness_turns(h, 3);
    h->streams[0].conns[0].refuse = false;
    fake_stream_event(&h->streams[0], (struct stream_event){.id = h->streams[0].conns[0].id,
                                                            .kind = STREAM_WRITABLE});
    harness_turns(h, 3);
    expect_correlations(h, &at, (const int32_t[]){5}, 1);
    harness_free(h);
}

static void
records_that_must_be_read_from_disk_come_when_they_are_read(void **state)
{
    (void)state;
    struct harness *h = client(1, NULL);
    uint32_t len = fill(h, 0, 3);
    size_t at = 0;
    h->stores[0]->hold_late = true;
    fetch_ask(h, 2, 0, 1 << 20);
    harness_turns(h, 5);
    assert_true(h->streams[0].conns[0].out_len < len);
    h->stores[0]->hold_late = false;
    harness_turns(h, 5);
    expect_records(h, &at, 2, log_bytes(h, 0), len);
    harness_free(h);
}

static void
records_of_another_shard_are_sent_from_its_memory(void **state)
{
    (void)state;
    struct harness *h = client(2, NULL);
    uint32_t len = fill(h, 1, 4);
    size_t at = 0;
    fetch_ask(h, 2, 1, 1 << 20);
    harness_turns(h, 10);
    expect_records(h, &at, 2, log_bytes(h, 1), len);
    harness_turns(h, 3);
    assert_int_equal(h->stores[1]->holds, 0);
    assert_int_equal(mesh_jobs_out(h->shards[0].mesh), 0);
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    harness_free(h);
}

static void
a_connection_that_ends_while_a_hold_is_on_its_way_gives_it_back(void **state)
{
    (void)state;
    struct harness *h = client(2, NULL);
    fill(h, 1, 4);
    h->stores[1]->hold_late = true;
    fetch_ask(h, 2, 1, 1 << 20);
    harness_turns(h, 8);
    assert_int_equal(mesh_jobs_out(h->shards[0].mesh), 1);
    fake_stream_end(&h->streams[0], 0, ERR_IO);
    harness_turns(h, 2);
    fake_stream_open(&h->streams[0], 0); /* the slot is used again meanwhile */
    h->stores[1]->hold_late = false;
    harness_turns(h, 5);
    assert_int_equal(mesh_jobs_out(h->shards[0].mesh), 0);
    assert_int_equal(h->stores[1]->holds, 0);
    assert_int_equal(h->shards[0].conn_count, 1);
    harness_free(h);
}

static void
a_log_that_vanishes_under_a_response_closes_the_connection(void **state)
{
    (void)state;
    struct harness *h = client(1, NULL);
    fill(h, 0, 1);
    h->stores[0]->hold_error = ERR_NOT_FOUND;
    fetch_ask(h, 2, 0, 1 << 20);
    harness_turns(h, 4);
    assert_int_equal(h->shards[0].conn_count, 0);
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    harness_free(h);
}

static void
a_connection_that_ends_with_a_loan_out_leaves_nothing_behind(void **state)
{
    (void)state;
    struct harness *h = client(1, NULL);
    fill(h, 0, 3);
    h->streams[0].conns[0].keep_loan = true;
    fetch_ask(h, 2, 0, 1 << 20);
    versions_ask(h, 3);
    harness_turns(h, 3);
    assert_int_equal(h->stores[0]->holds, 1);
    fake_stream_end(&h->streams[0], 0, ERR_IO);
    harness_turns(h, 2);
    assert_int_equal(h->stores[0]->holds, 0);
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    assert_int_equal(h->shards[0].conn_count, 0);
    harness_free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_that_takes_little_gets_everything_in_the_end),
        cmocka_unit_test(nothing_is_held_for_a_peer_that_does_not_read),
        cmocka_unit_test(a_send_that_is_refused_is_tried_again_when_writable),
        cmocka_unit_test(records_that_must_be_read_from_disk_come_when_they_are_read),
        cmocka_unit_test(records_of_another_shard_are_sent_from_its_memory),
        cmocka_unit_test(a_connection_that_ends_while_a_hold_is_on_its_way_gives_it_back),
        cmocka_unit_test(a_log_that_vanishes_under_a_response_closes_the_connection),
        cmocka_unit_test(a_connection_that_ends_with_a_loan_out_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
