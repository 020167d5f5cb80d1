/* ListOffsets through encoded bytes, on a store that can find times, and late. */
#include "core/store/store.h"

/* The fake store knows neither times nor epochs: these two are the test's own. */
int fake_find_time(struct store *s, struct plog *p, int64_t time_ms, uint64_t waiter,
                   int64_t *offset, int64_t *timestamp_ms);
void fake_facts(const struct plog *p, struct plog_facts *out);
#define store_find_time    fake_find_time
#define plog_facts(p, out) fake_facts(p, out)
#include "tests/unit/dataplane/broker/fixture_fetch.h"
#undef store_find_time
#undef plog_facts

static int32_t last_epoch;
static bool time_late, read_committed;
static int time_error;

void
plog_facts(const struct plog *p, struct plog_facts *out)
{
    fake_facts(p, out);
    out->leader_epoch = p->end ? last_epoch : -1;
}

/* Record n has time 1000 + n; the largest is the last one. */
int
store_find_time(struct store *s, struct plog *p, int64_t time_ms, uint64_t waiter, int64_t *offset,
                int64_t *timestamp_ms)
{
    if (time_late) {
        s->waiters[s->waiter_count++] = waiter;
        s->hold_late = true;
        return ERR_AGAIN;
    }
    if (time_error)
        return time_error;
    *offset = time_ms == STORE_TIME_MAX ? p->end - 1 : time_ms <= 1000 ? 0 : time_ms - 1000;
    *timestamp_ms = 1000 + *offset;
    if (*offset >= p->end)
        *offset = *timestamp_ms = -1;
    return ERR_OK;
}

struct time_ask {
    uint32_t row;
    int32_t partition;
    int64_t timestamp;
    int32_t epoch; /* 0: not told */
};

static void
send_times(struct client *c, int16_t version, const struct time_ask *asks, uint32_t count)
{
    struct wire_list_offsets_request q;
    struct wire_list_offsets_request_list_offsets_topic topics[16];
    struct wire_list_offsets_request_list_offsets_partition parts[16];
    wire_init(&wire_list_offsets_request_message, &q);
    q.replica_id = -1;
    q.isolation_level = read_committed;
    for (uint32_t i = 0; i < count; i++) {
        parts[i] = (struct wire_list_offsets_request_list_offsets_partition){
            asks[i].partition, asks[i].epoch ? asks[i].epoch : -1, asks[i].timestamp};
        topics[i] = (struct wire_list_offsets_request_list_offsets_topic){fixture_name(asks[i].row),
                                                                          {&parts[i], 1}};
    }
    q.topics.items = topics;
    q.topics.count = (int32_t)count;
    harness_request(c->h, c->shard, c->conn, WIRE_API_LIST_OFFSETS, version, 1, &q);
}

static bool
take_times(struct client *c, int16_t version,
           struct wire_list_offsets_response_list_offsets_partition_response *out, uint32_t count)
{
    static uint8_t memory[65536];
    struct wire_arena arena;
    struct wire_list_offsets_response a;
    harness_turns(c->h, 6);
    struct view v = harness_response(c->h, c->shard, c->conn, &c->at);
    if (v.len == 0)
        return false;
    uint32_t header = version >= 6 ? 5 : 4;
    wire_arena_init(&arena, memory, sizeof memory);
    assert_int_equal(wire_decode(&wire_list_offsets_response_message, version,
                                 view_of(v.at + header, v.len - header), &a, &arena),
                     ERR_OK);
    assert_int_equal(a.topics.count, count);
    for (uint32_t i = 0; i < count; i++)
        out[i] = a.topics.items[i].partitions.items[0];
    return true;
}

static struct harness *
three_records(void)
{
    struct harness *h = harness_new(2, NULL);
    last_epoch = 5;
    time_late = false;
    time_error = 0;
    harness_topic(h, 0, "0", 4);
    for (int32_t i = 0; i < 2; i++)
        for (int k = 0; k < 3; k++)
            fixture_append(h, 0, i, 100);
    harness_turn(h);
    return h;
}

struct expected {
    const char *what;
    struct time_ask ask;
    int16_t version, error;
    int64_t offset, timestamp;
    int32_t epoch;
};

static void
each_kind_of_time_gives_what_kafka_gives(void **state)
{
    static const struct expected cases[] = {
        {"latest", {0, 0, -1, 0}, 7, KERR_NONE, 3, -1, 5},
        {"latest of an empty log", {0, 2, -1, 0}, 7, KERR_NONE, 0, -1, 5},
        {"latest elsewhere", {0, 1, -1, 0}, 7, KERR_NONE, 3, -1, 5},
        {"earliest", {0, 0, -2, 0}, 7, KERR_NONE, 0, -1, 5},
        {"earliest of an empty log", {0, 2, -2, 0}, 7, KERR_NONE, 0, -1, 5},
        {"largest time", {0, 0, -3, 0}, 7, KERR_NONE, 2, 1002, 5},
        {"largest time, too old", {0, 0, -3, 0}, 6, KERR_UNSUPPORTED_VERSION, -1, -1, -1},
        {"largest time of an empty log", {0, 2, -3, 0}, 7, KERR_NONE, -1, -1, -1},
        {"earliest local", {0, 0, -4, 0}, 8, KERR_NONE, 0, -1, 5},
        {"earliest local, too old", {0, 0, -4, 0}, 7, KERR_UNSUPPORTED_VERSION, -1, -1, -1},
        {"latest tiered", {0, 0, -5, 0}, 9, KERR_NONE, -1, -1, -1},
        {"pending upload", {0, 0, -6, 0}, 11, KERR_NONE, -1, -1, -1},
        {"pending upload, too old", {0, 0, -6, 0}, 10, KERR_UNSUPPORTED_VERSION, -1, -1, -1},
        {"no such special", {0, 0, -7, 0}, 11, KERR_UNSUPPORTED_VERSION, -1, -1, -1},
        {"time before all", {0, 0, 0, 0}, 7, KERR_NONE, 0, 1000, 5},
        {"time inside", {0, 1, 1001, 0}, 7, KERR_NONE, 1, 1001, 5},
        {"time after all", {0, 0, 1003, 0}, 7, KERR_NONE, -1, -1, -1},
        {"unknown topic", {7, 0, -1, 0}, 7, KERR_UNKNOWN_TOPIC_OR_PARTITION, -1, -1, -1},
        {"unknown partition", {0, 4, -1, 0}, 7, KERR_UNKNOWN_TOPIC_OR_PARTITION, -1, -1, -1},
        {"epoch old", {0, 1, -1, 4}, 7, KERR_FENCED_LEADER_EPOCH, -1, -1, -1},
        {"epoch new", {0, 0, -1, 6}, 7, KERR_UNKNOWN_LEADER_EPOCH, -1, -1, -1},
        {"epoch right", {0, 0, -1, 5}, 7, KERR_NONE, 3, -1, 5},
        {"oldest version", {0, 0, -1, 0}, 1, KERR_NONE, 3, -1, -1},
    };
    struct harness *h = three_records();
    struct client c = client_new(h, 0, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct expected *e = &cases[i];
        struct wire_list_offsets_response_list_offsets_partition_response f;
        send_times(&c, e->version, &e->ask, 1);
        assert_true(take_times(&c, e->version, &f, 1));
        if (f.error_code != e->error || f.offset != e->offset || f.timestamp != e->timestamp ||
            f.leader_epoch != e->epoch)
            fail_msg("%s: error %d offset %lld time %lld epoch %d", e->what, f.error_code,
                     (long long)f.offset, (long long)f.timestamp, f.leader_epoch);
    }
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    assert_int_equal(mesh_jobs_out(h->shards[0].mesh), 0);
    assert_int_equal(h->stores[0]->holds + h->stores[1]->holds, 0);
    harness_free(h);
}

static void
a_partition_that_is_named_twice_is_refused_and_answered_once(void **state)
{
    struct harness *h = three_records();
    struct client c = client_new(h, 0, 0);
    struct time_ask asks[] = {{0, 0, -1, 0}, {0, 1, -1, 0}, {0, 0, -2, 0}};
    struct wire_list_offsets_response_list_offsets_partition_response f[2];
    send_times(&c, 7, asks, 3);
    assert_true(take_times(&c, 7, f, 2));
    assert_int_equal(f[0].error_code, KERR_INVALID_REQUEST);
    assert_int_equal(f[1].error_code, KERR_NONE);
    harness_free(h);
}

static void
a_search_that_must_read_the_disk_goes_on_when_the_read_is_done(void **state)
{
    struct harness *h = three_records();
    struct client c = client_new(h, 0, 0);
    struct time_ask asks[] = {{0, 0, 1001, 0}, {0, 1, 1002, 0}};
    struct wire_list_offsets_response_list_offsets_partition_response f[2];
    time_late = true;
    send_times(&c, 7, asks, 2);
    assert_false(take_times(&c, 7, f, 2));
    time_late = false;
    h->stores[0]->hold_late = h->stores[1]->hold_late = false;
    assert_true(take_times(&c, 7, f, 2));
    assert_int_equal(f[0].offset, 1);
    assert_int_equal(f[1].offset, 2);
    assert_int_equal(mesh_jobs_out(h->shards[0].mesh), 0);
    harness_free(h);
}

static void
a_connection_that_goes_away_during_a_search_leaves_nothing_behind(void **state)
{
    struct harness *h = three_records();
    struct client c = client_new(h, 0, 0);
    struct time_ask asks[] = {{0, 0, 1001, 0}, {0, 1, 1002, 0}};
    time_late = true;
    send_times(&c, 7, asks, 2);
    harness_turns(h, 6);
    fake_stream_end(&h->streams[0], 0, ERR_CLOSED);
    harness_turns(h, 2);
    time_late = false;
    h->stores[0]->hold_late = h->stores[1]->hold_late = false;
    harness_turns(h, 6);
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    assert_int_equal(mesh_jobs_out(h->shards[0].mesh), 0);
    harness_free(h);
}

static void
a_failing_disk_is_a_storage_error(void **state)
{
    struct harness *h = three_records();
    struct client c = client_new(h, 0, 0);
    struct time_ask ask = {0, 0, 1001, 0};
    struct wire_list_offsets_response_list_offsets_partition_response f;
    time_error = ERR_IO;
    send_times(&c, 7, &ask, 1);
    assert_true(take_times(&c, 7, &f, 1));
    assert_int_equal(f.error_code, KERR_KAFKA_STORAGE_ERROR);
    harness_free(h);
}

static void
who_reads_committed_data_is_told_no_offset_that_is_not_decided(void **state)
{
    struct harness *h = three_records();
    struct client c = client_new(h, 0, 0);
    static const struct time_ask asks[] = {
        {0, 1, -1, 0}, {0, 1, 1001, 0}, {0, 1, 1002, 0}, {0, 1, -3, 0}};
    static const int64_t uncommitted[] = {3, 1, 2, 2}, committed[] = {2, 1, -1, -1};
    uint8_t id[16];
    harness_topic_id(id, 0);
    struct plog *log = store_find(h->stores[1], id, 1);
    log->txn_open = true;
    log->txn_first = 2;
    for (uint32_t i = 0; i < sizeof asks / sizeof *asks; i++) {
        struct wire_list_offsets_response_list_offsets_partition_response f;
        for (int k = 0; k < 2; k++) {
            read_committed = k;
            send_times(&c, 7, &asks[i], 1);
            assert_true(take_times(&c, 7, &f, 1));
            assert_int_equal(f.error_code, KERR_NONE);
            assert_int_equal(f.offset, k ? committed[i] : uncommitted[i]);
        }
    }
    read_committed = false;
    harness_free(h);
}

/* Found by reading: the room that was reserved counted for nothing, and the process stopped. */
static void
a_large_answer_whose_room_is_reserved_leaves_also_when_memory_is_short(void **state)
{
    enum { MANY = 1000 };
    struct harness *h = three_records();
    struct client c = client_new(h, 0, 0);
    struct wire_list_offsets_request q;
    struct wire_list_offsets_request_list_offsets_topic t = {.name = view_of_text("0")};
    static struct wire_list_offsets_request_list_offsets_partition parts[MANY];
    for (int32_t i = 0; i < MANY; i++)
        parts[i] =
            (struct wire_list_offsets_request_list_offsets_partition){.partition_index = 10 + i};
    t.partitions.items = parts;
    t.partitions.count = MANY;
    wire_init(&wire_list_offsets_request_message, &q);
    q.topics.items = &t;
    q.topics.count = 1;
    size_t room;
    for (int i = 0; i < 3; i++) /* SHARD_ANSWER_BULK_BYTES are taken */
        assert_non_null(buddy_take(h->shards[0].memory, SHARD_ANSWER_BLOCK_MAX, &room));
    harness_request(h, 0, 0, WIRE_API_LIST_OFFSETS, 7, 1, &q);
    harness_turns(h, 4);
    assert_true(harness_response(h, 0, 0, &c.at).len > SHARD_ANSWER_BULK);
    harness_free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_time_gives_what_kafka_gives),
        cmocka_unit_test(a_partition_that_is_named_twice_is_refused_and_answered_once),
        cmocka_unit_test(a_search_that_must_read_the_disk_goes_on_when_the_read_is_done),
        cmocka_unit_test(a_connection_that_goes_away_during_a_search_leaves_nothing_behind),
        cmocka_unit_test(a_failing_disk_is_a_storage_error),
        cmocka_unit_test(who_reads_committed_data_is_told_no_offset_that_is_not_decided),
        cmocka_unit_test(a_large_answer_whose_room_is_reserved_leaves_also_when_memory_is_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
