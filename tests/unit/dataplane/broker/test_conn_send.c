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
fetch_ask_of(struct harness *h, uint32_t conn, int32_t correlation, int32_t partition,
             int32_t bytes_max)
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
    harness_request(h, 0, conn, WIRE_API_FETCH, 11, correlation, &body);
}

static void
fetch_ask(struct harness *h, int32_t correlation, int32_t partition, int32_t bytes_max)
{
    fetch_ask_of(h, 0, correlation, partition, bytes_max);
}

/* Appends `batches` to a partition by way of the client; returns their bytes. */
static uint32_t
fill_with(struct harness *h, int32_t partition, uint32_t batches, struct view b)
{
    for (uint32_t i = 0; i < batches; i++) {
        harness_produce(h, 0, 12, 1, 1, "0rders", partition, b);
        harness_turns(h, 4);
    }
    harness_turns(h, 4);
    h->streams[0].conns[0].out_len = 0;
    h->streams[0].conns[0].sends = 0;
    return b.len * batches;
}

/* The same with batches of ten records. */
static uint32_t
fill(struct harness *h, int32_t partition, uint32_t batches)
{
    return fill_with(h, partition, batches, harness_batch(10));
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

/* Takes turns until nothing is lent to connections 0 to `conns` any more; the most that was in one
 * turn. */
static uint32_t
most_of_a_turn(struct harness *h, uint32_t conns)
{
    uint32_t most = 0;
    for (uint32_t idle = 0; idle < 8; idle++) {
        harness_turn(h);
        uint32_t bytes = 0;
        for (uint32_t i = 0; i < conns; i++)
            bytes += h->streams[0].conns[i].loan ? h->streams[0].conns[i].bytes : 0;
        most = bytes > most ? bytes : most;
        idle = bytes ? 0 : idle;
    }
    return most;
}

/* Two consumers of much that is in memory, and a third client that asks for little behind them. */
static uint32_t
consumers_begin(struct harness *h)
{
    uint32_t len = 0;
    while (len < 3 * (uint32_t)SHARD_SEND_CALM_BYTES)
        len += fill_with(h, 0, 10, harness_batch(500));
    assert_true(len < STREAM_SEND_BYTES_MAX);
    fake_stream_open(&h->streams[0], 1);
    fake_stream_open(&h->streams[0], 2);
    harness_turn(h);
    fetch_ask_of(h, 0, 2, 0, 1 << 20);
    fetch_ask_of(h, 1, 3, 0, 1 << 20);
    struct wire_api_versions_request body = {0};
    harness_request(h, 0, 2, WIRE_API_API_VERSIONS, 0, 4, &body);
    return len;
}

static void
beside_appends_log_memory_is_sent_in_shares_of_a_turn(void **state)
{
    (void)state;
    struct harness *h = client(1, NULL);
    uint32_t len = consumers_begin(h);
    harness_turn(h);
    harness_turn(h);
    size_t at = 0;
    assert_int_equal(get_i32(harness_response(h, 0, 2, &at).at), 4); /* it did not wait */
    assert_true(h->streams[0].conns[0].out_len < len);
    assert_in_range(most_of_a_turn(h, 2), SHARD_SEND_CALM_BYTES / 2, 2 * SHARD_SEND_CALM_BYTES);
    at = 0;
    expect_records(h, &at, 2, log_bytes(h, 0), len);
    assert_true(h->streams[0].conns[1].out_len > len);
    assert_int_equal(h->stores[0]->holds, 0);
    harness_free(h);
}

static void
what_is_small_is_sent_before_log_memory(void **state)
{
    (void)state;
    struct harness *h = client(1, NULL);
    (void)consumers_begin(h);
    harness_turn(h);
    const struct fake_conn *conns = h->streams[0].conns;
    assert_int_equal(conns[0].sends, 1);
    assert_int_equal(conns[2].sends, 1);
    assert_true(conns[2].send_number < conns[0].send_number); /* though it asked last */
    harness_free(h);
}

static void
memory_of_another_shard_is_sent_in_such_shares_too(void **state)
{
    (void)state;
    struct harness *h = client(2, NULL);
    uint32_t len = 0;
    while (len < 3 * (uint32_t)SHARD_SEND_CALM_BYTES)
        len += fill_with(h, 1, 10, harness_batch(500));
    for (uint32_t i = 1; i < 6; i++)
        fake_stream_open(&h->streams[0], i);
    harness_turn(h);
    for (uint32_t i = 0; i < 6; i++)
        fetch_ask_of(h, i, (int32_t)i, 1, 1 << 20);
    assert_in_range(most_of_a_turn(h, 6), 1, 2 * SHARD_SEND_CALM_BYTES);
    for (uint32_t i = 0; i < 6; i++)
        assert_true(h->streams[0].conns[i].out_len > len);
    harness_free(h);
}

static void
without_appends_a_send_takes_all_there_is(void **state)
{
    (void)state;
    struct harness *h = client(1, NULL);
    uint32_t len = consumers_begin(h);
    h->now_ns += (SHARD_CALM_MS + 1) * CLOCK_NS_PER_MS;
    assert_true(most_of_a_turn(h, 2) >= 2 * len);
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
a_peer_whose_records_are_being_read_has_all_the_time(void **state)
{
    (void)state;
    struct harness *h = client(1, (const char *[]){"socket.request.timeout.ms", "2000", NULL});
    uint32_t len = fill(h, 0, 3);
    size_t at = 0;
    h->stores[0]->hold_late = true;
    fetch_ask(h, 2, 0, 1 << 20);
    for (int second = 0; second < 10; second++) {
        h->now_ns += 1000 * CLOCK_NS_PER_MS;
        harness_turns(h, 2);
    }
    assert_in_range(h->streams[0].conns[0].out_len, 1, len);
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

/* A Fetch of partitions 0 .. count - 1 of "1ide". */
static void
fetch_wide(struct harness *h, int32_t correlation, int32_t count)
{
    struct wire_fetch_request_fetch_partition p[32];
    for (int32_t i = 0; i < count; i++)
        p[i] = (struct wire_fetch_request_fetch_partition){.partition = i,
                                                           .current_leader_epoch = -1,
                                                           .last_fetched_epoch = -1,
                                                           .log_start_offset = -1,
                                                           .high_watermark = INT64_MAX,
                                                           .partition_max_bytes = 1 << 20};
    struct wire_fetch_request_fetch_topic t = {.topic = view_of_text("1ide"),
                                               .partitions = {p, count}};
    struct wire_fetch_request body = {.replica_id = -1,
                                      .max_bytes = 1 << 24,
                                      .session_epoch = -1,
                                      .rack_id = view_of_text(""),
                                      .topics = {&t, 1}};
    body.replica_state.replica_id = -1;
    body.replica_state.replica_epoch = -1;
    harness_request(h, 0, 0, WIRE_API_FETCH, 11, correlation, &body);
}

/* Every partition holds one batch whose value names the partition. */
static void
expect_wide(struct harness *h, size_t *at, int32_t correlation, int32_t count)
{
    static uint8_t memory[65536];
    struct wire_arena arena;
    wire_arena_init(&arena, memory, sizeof memory);
    struct view v = harness_response(h, 0, 0, at);
    assert_true(v.len > 4);
    assert_int_equal(get_i32(v.at), correlation);
    struct wire_fetch_response r;
    assert_int_equal(
        wire_decode(&wire_fetch_response_message, 11, view_of(v.at + 4, v.len - 4), &r, &arena),
        ERR_OK);
    assert_int_equal(r.responses.items[0].partitions.count, count);
    uint32_t seen = 0;
    for (int32_t i = 0; i < count; i++) {
        struct wire_fetch_response_partition_data *p = &r.responses.items[0].partitions.items[i];
        uint32_t shard = (uint32_t)p->partition_index % h->shard_count;
        struct plog *log = route_part(route_by_name(h->shards[shard].route, view_of_text("1ide")),
                                      p->partition_index)
                               ->log;
        assert_int_equal(p->records.len, log->len);
        assert_memory_equal(p->records.at, log->bytes, log->len);
        seen |= 1u << p->partition_index;
    }
    assert_int_equal(seen, (1u << count) - 1);
}

static void
wide_fill(struct harness *h, int32_t partitions)
{
    harness_topic(h, 1, "1ide", (uint32_t)partitions);
    for (int32_t i = 0; i < partitions; i++) {
        harness_produce(h, 0, 12, 1, 1, "1ide", i, harness_batch((uint32_t)i + 1));
        harness_turns(h, 6);
    }
    h->streams[0].conns[0].out_len = 0;
    h->streams[0].conns[0].sends = 0;
}

static void
ranges_of_another_shard_are_asked_for_together(void **state)
{
    (void)state;
    struct harness *h = client(2, NULL);
    size_t at = 0;
    wide_fill(h, 14);
    fetch_wide(h, 9, 14);
    harness_turns(h, 12);
    expect_wide(h, &at, 9, 14);
    assert_int_equal(h->streams[0].conns[0].sends, 1);
    harness_turns(h, 3);
    assert_int_equal(h->stores[0]->holds + h->stores[1]->holds, 0);
    assert_int_equal(mesh_jobs_out(h->shards[0].mesh), 0);
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    harness_free(h);
}

/* However the pieces fall: more ranges than pins, spans in scraps, a peer that takes a bit a time,
 * a disk that is late now and then. */
static void
a_wide_response_arrives_whole_under_every_hindrance(void **state)
{
    (void)state;
    uint64_t seed = 20261122;
    print_message("seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < 40; round++) {
        struct harness *h = client(2, NULL);
        size_t at = 0;
        uint8_t dice[8];
        wide_fill(h, 24);
        make_noise(&seed, dice, sizeof dice);
        h->stores[0]->span_bytes = dice[0] % 3 ? 0 : 1 + dice[0];
        h->stores[1]->span_bytes = dice[1] % 3 ? 0 : 1 + dice[1];
        h->streams[0].conns[0].take = dice[2] % 2 ? 0 : 200 + dice[2] * 8;
        fetch_wide(h, 9, 24);
        for (int turn = 0; turn < 400; turn++) {
            make_noise(&seed, dice, sizeof dice);
            h->stores[0]->hold_late = dice[3] % 4 == 0;
            h->stores[1]->hold_late = dice[4] % 4 == 0;
            harness_turn(h);
        }
        h->stores[0]->hold_late = h->stores[1]->hold_late = false;
        harness_turns(h, 200);
        expect_wide(h, &at, 9, 24);
        assert_int_equal(h->stores[0]->holds + h->stores[1]->holds, 0);
        assert_int_equal(mesh_jobs_out(h->shards[0].mesh), 0);
        assert_int_equal(buddy_used(h->shards[0].memory), 0);
        harness_free(h);
    }
}

static void
a_connection_that_ends_at_any_turn_of_a_wide_response_leaks_nothing(void **state)
{
    (void)state;
    for (uint32_t turns = 0; turns < 14; turns++) {
        struct harness *h = client(2, NULL);
        wide_fill(h, 24);
        h->streams[0].conns[0].take = 1000;
        h->stores[1]->span_bytes = 40;
        fetch_wide(h, 9, 24);
        harness_turns(h, turns);
        fake_stream_end(&h->streams[0], 0, ERR_IO);
        harness_turns(h, 8);
        assert_int_equal(h->stores[0]->holds + h->stores[1]->holds, 0);
        assert_int_equal(mesh_jobs_out(h->shards[0].mesh), 0);
        assert_int_equal(buddy_used(h->shards[0].memory), 0);
        harness_free(h);
    }
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

/* A client takes the rest for a batch that was cut, and asks again from there. */
static void
damage_behind_a_batch_ends_the_range_with_a_cut_batch(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 4; i++) {
        struct harness *h = client(1 + i % 2, NULL);
        int32_t partition = (int32_t)(i % 2); /* of the other shard, when there are two */
        uint32_t shard = (uint32_t)partition % h->shard_count;
        uint32_t len = fill(h, partition, 300), good = len / 300;
        size_t at = 0;
        h->streams[0].conns[0].take = i < 2 ? 0 : 999;
        h->stores[shard]->hold_bad_at = good;
        fetch_ask(h, 2, partition, 1 << 20);
        versions_ask(h, 3);
        harness_turns(h, len / 999 + 200);
        struct view v = harness_response(h, 0, 0, &at);
        assert_true(v.len > len);
        const uint8_t *records = v.at + v.len - len;
        assert_int_equal(get_u32(records - 4), len);
        assert_memory_equal(records, log_bytes(h, partition), good);
        assert_true(get_i32(records + good + BATCH_AT_LENGTH) > (int32_t)len);
        assert_true(get_i32(records + good + BATCH_AT_LENGTH) <= INT32_MAX - BATCH_OVERHEAD);
        assert_int_equal(records[good + 16], 2);
        for (uint32_t k = good + 17; k < len; k++)
            assert_int_equal(records[k], 0);
        expect_correlations(h, &at, (const int32_t[]){3}, 1);
        assert_int_equal(h->shards[0].conn_count, 1);
        assert_int_equal(h->stores[shard]->holds, 0);
        assert_int_equal(buddy_used(h->shards[0].memory), 0);
        harness_free(h);
    }
}

static void
damage_within_a_batch_that_is_on_its_way_closes_the_connection(void **state)
{
    (void)state;
    struct harness *h = client(1, NULL);
    uint32_t len = fill(h, 0, 3);
    h->stores[0]->hold_bad_at = len / 2;
    h->stores[0]->hold_torn = true;
    fetch_ask(h, 2, 0, 1 << 20);
    harness_turns(h, 4);
    assert_int_equal(h->shards[0].conn_count, 0);
    assert_int_equal(h->stores[0]->holds, 0);
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
        cmocka_unit_test(beside_appends_log_memory_is_sent_in_shares_of_a_turn),
        cmocka_unit_test(what_is_small_is_sent_before_log_memory),
        cmocka_unit_test(memory_of_another_shard_is_sent_in_such_shares_too),
        cmocka_unit_test(without_appends_a_send_takes_all_there_is),
        cmocka_unit_test(a_send_that_is_refused_is_tried_again_when_writable),
        cmocka_unit_test(records_that_must_be_read_from_disk_come_when_they_are_read),
        cmocka_unit_test(a_peer_whose_records_are_being_read_has_all_the_time),
        cmocka_unit_test(records_of_another_shard_are_sent_from_its_memory),
        cmocka_unit_test(ranges_of_another_shard_are_asked_for_together),
        cmocka_unit_test(a_wide_response_arrives_whole_under_every_hindrance),
        cmocka_unit_test(a_connection_that_ends_at_any_turn_of_a_wide_response_leaks_nothing),
        cmocka_unit_test(a_connection_that_ends_while_a_hold_is_on_its_way_gives_it_back),
        cmocka_unit_test(a_log_that_vanishes_under_a_response_closes_the_connection),
        cmocka_unit_test(damage_behind_a_batch_ends_the_range_with_a_cut_batch),
        cmocka_unit_test(damage_within_a_batch_that_is_on_its_way_closes_the_connection),
        cmocka_unit_test(a_connection_that_ends_with_a_loan_out_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
