#include "tests/unit/dataplane/broker/fixture_produce.h"

static void
an_acknowledged_batch_is_in_the_log_with_its_offset(void **state)
{
    (void)state;
    for (int16_t version = 3; version <= 13; version++) {
        struct harness *h = produce_one_shard();
        struct view batch = harness_batch(3);
        harness_produce(h, 0, version, 77, -1, "0rders", 1, batch);
        struct wire_produce_response_partition_produce_response p = produce_answer(h, version);
        assert_int_equal(p.error_code, KERR_NONE);
        assert_int_equal(p.index, 1);
        assert_int_equal(p.base_offset, 0);
        assert_int_equal(p.log_start_offset, version >= 5 ? 0 : -1);
        struct plog *log = route_part(route_by_row(h->shards[0].route, 0), 1)->log;
        assert_int_equal(log->end, 3);
        assert_memory_equal(log->bytes + BATCH_AT_MAGIC, batch.at + BATCH_AT_MAGIC,
                            batch.len - BATCH_AT_MAGIC);
        assert_int_equal(get_i32(log->bytes + BATCH_AT_EPOCH), 5);
        assert_int_equal(harness_counter(h, 0, COUNTER_PRODUCE_REQUESTS), 1);
        assert_int_equal(harness_counter(h, 0, COUNTER_PRODUCE_BATCHES), 1);
        assert_int_equal(harness_counter(h, 0, COUNTER_PRODUCE_RECORDS), 3);
        assert_int_equal(harness_counter(h, 0, COUNTER_PRODUCE_BYTES), batch.len);
        harness_free(h);
    }
}

static void
no_answer_leaves_before_the_batch_is_durable(void **state)
{
    (void)state;
    for (int16_t acks = -1; acks <= 1; acks += 2) {
        struct harness *h = produce_one_shard();
        h->stores[0]->disk_late = true;
        harness_produce(h, 0, V, 77, acks, "0rders", 0, harness_batch(1));
        harness_turns(h, 5);
        assert_int_equal(h->streams[0].conns[0].sends, 0);
        h->stores[0]->disk_late = false;
        assert_int_equal(produce_answer(h, V).error_code, KERR_NONE);
        harness_free(h);
    }
}

static struct plog *
log_at(struct harness *h, uint32_t shard, int32_t partition)
{
    return route_part(route_by_row(h->shards[shard].route, 0), partition)->log;
}

static void
an_answer_waits_for_large_batches_of_its_own_log_alone(void **state)
{
    (void)state;
    for (int32_t partition = 0; partition < 2; partition++) { /* one is of the other shard */
        struct harness *h = produce_two_shards();
        h->stores[partition]->extent_late = true;
        harness_produce(h, 0, V, 77, 1, "0rders", partition, harness_batch(1));
        assert_int_equal(produce_answer(h, V).error_code, KERR_NONE);
        log_at(h, (uint32_t)partition, partition)->held = true;
        harness_produce(h, 0, V, 77, 1, "0rders", partition, harness_batch(2));
        harness_turns(h, 5);
        assert_int_equal(h->streams[0].conns[0].sends, 1);
        h->stores[partition]->extent_late = false;
        assert_int_equal(produce_answer(h, V).error_code, KERR_NONE);
        harness_free(h);
    }
}

static void
acks_0_appends_and_says_nothing(void **state)
{
    (void)state;
    struct harness *h = produce_one_shard();
    harness_produce(h, 0, V, 77, 0, "0rders", 0, harness_batch(2));
    harness_turns(h, 4);
    assert_int_equal(h->streams[0].conns[0].sends, 0);
    assert_int_equal(route_part(route_by_row(h->shards[0].route, 0), 0)->log->end, 2);
    assert_int_equal(h->shards[0].conns[0].request_count, 0);
    assert_true(h->streams[0].conns[0].id != 0);
    harness_free(h);
}

static void
internal_topics_take_records_of_coordinators_only(void **state)
{
    (void)state;
    struct harness *h = produce_one_shard();
    struct table_topic_fact fact;
    assert_int_equal(table_topic_read(&region_topics(&h->region)[0], &fact), ERR_OK);
    fact.internal = 1;
    fact.version++;
    table_topic_write(&region_topics(&h->region)[0], &fact);
    harness_ring_row(h, MSG_TOPIC, 0);
    harness_turn(h);
    harness_produce(h, 0, V, 77, -1, "0rders", 0, harness_batch(1));
    assert_int_equal(produce_answer(h, V).error_code, KERR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(route_part(route_by_row(h->shards[0].route, 0), 0)->log->end, 0);
    h->shards[0].conns[0].listener = INNER_LISTENER;
    harness_produce(h, 0, V, 78, -1, "0rders", 0, harness_batch(1));
    harness_turns(h, 6);
    assert_int_equal(route_part(route_by_row(h->shards[0].route, 0), 0)->log->end, 1);
    harness_free(h);
}

static void
acks_0_with_an_error_closes_the_connection(void **state)
{
    (void)state;
    struct harness *h = produce_one_shard();
    harness_produce(h, 0, V, 77, 0, "no such", 0, harness_batch(2));
    harness_turns(h, 4);
    assert_int_equal(h->streams[0].conns[0].id, 0);
    assert_int_equal(h->shards[0].conn_count, 0);
    harness_free(h);
}

static void
unknown_topics_and_partitions_get_their_codes(void **state)
{
    (void)state;
    struct {
        int16_t version;
        const char *topic;
        int32_t partition;
        int16_t acks, error;
    } cases[] = {
        {12, "no such", 0, 1, KERR_UNKNOWN_TOPIC_OR_PARTITION},
        {13, "5", 0, 1, KERR_UNKNOWN_TOPIC_ID},
        {12, "0rders", 2, 1, KERR_UNKNOWN_TOPIC_OR_PARTITION},
        {13, "0", -1, 1, KERR_UNKNOWN_TOPIC_OR_PARTITION},
        {12, "0rders", 0, 2, KERR_INVALID_REQUIRED_ACKS},
        {12, "0rders", 0, -2, KERR_INVALID_REQUIRED_ACKS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct harness *h = produce_one_shard();
        harness_produce(h, 0, cases[i].version, 77, cases[i].acks, cases[i].topic,
                        cases[i].partition, harness_batch(1));
        struct wire_produce_response_partition_produce_response p =
            produce_answer(h, cases[i].version);
        assert_int_equal(p.error_code, cases[i].error);
        assert_int_equal(p.base_offset, -1);
        assert_int_equal(h->stores[0]->lsn, 0);
        harness_free(h);
    }
}

static struct view
transactional_batch(void)
{
    struct view batch = harness_batch(1);
    uint8_t *at = (uint8_t *)(uintptr_t)batch.at;
    set_u16(at + BATCH_AT_ATTRIBUTES, BATCH_TRANSACTIONAL);
    set_u64(at + 43, 5); /* producer id, epoch, sequence */
    set_u16(at + 51, 0);
    set_u32(at + 53, 0);
    make_seal(at, batch.len);
    return batch;
}

static void
a_transactional_batch_is_appended_only_once_its_coordinator_vouches(void **state)
{
    (void)state;
    for (int32_t partition = 0; partition < 2; partition++) {
        struct harness *h = produce_two_shards();
        struct wire_produce_request_partition_produce_data part = {partition,
                                                                   transactional_batch()};
        struct wire_produce_request_topic_produce_data topic = {.name = view_of_text("0rders"),
                                                                .partition_data = {&part, 1}};
        struct wire_produce_request body = {
            .transactional_id = view_of_text("bank"), .acks = -1, .topic_data = {&topic, 1}};
        harness_request(h, 0, 0, WIRE_API_PRODUCE, V, 77, &body);
        harness_turns(h, 6);
        assert_int_equal(h->stores[partition]->lsn, 0);
        assert_int_equal(h->streams[0].conns[0].sends, 0);
        assert_int_equal(harness_counter(h, (uint32_t)partition, COUNTER_TXN_QUESTIONS), 1);
        harness_free(h);
    }
}

static void
a_topic_with_a_codec_stores_it_on_the_own_and_on_another_shard(void **state)
{
    (void)state;
    struct table_topic_config config = harness_topic_config;
    config.compression = BATCH_LZ4;
    config.lz4_level = 9;
    for (int32_t partition = 0; partition < 2; partition++) {
        struct harness *h = produce_with_config(2, &config);
        harness_produce(h, 0, V, 77, -1, "0rders", partition, harness_batch(50));
        assert_int_equal(produce_answer(h, V).error_code, KERR_NONE);
        const struct plog *log =
            route_part(route_by_row(h->shards[partition].route, 0), partition)->log;
        struct batch_info info;
        struct batch_rules rules = {.bytes_max = 10000,
                                    .before_max_ms = INT64_MAX,
                                    .after_max_ms = INT64_MAX,
                                    .walk_compressed = true};
        assert_int_equal(log->end, 50);
        assert_int_equal(batch_header(view_of(log->bytes, BATCH_HEADER_BYTES), &info), ERR_OK);
        assert_int_equal(info.attributes, BATCH_LZ4);
        assert_int_equal(batch_check(view_of(log->bytes, info.bytes), &rules, &info, NULL),
                         KERR_NONE);
        assert_int_equal(info.record_count, 50);
        assert_int_equal(harness_counter(h, 0, COUNTER_PRODUCE_RECOMPRESSED), 1);
        harness_turns(h, 2);
        assert_int_equal(buddy_used(h->shards[0].memory), 0);
        harness_free(h);
    }
}

static void
write_caching_answers_before_the_batch_is_durable_and_hides_it_from_consumers(void **state)
{
    (void)state;
    struct table_topic_config config = harness_topic_config;
    config.write_caching = 1;
    for (int32_t partition = 0; partition < 2; partition++) {
        struct harness *h = produce_with_config(2, &config);
        h->stores[0]->disk_late = h->stores[1]->disk_late = true;
        harness_produce(h, 0, V, 77, -1, "0rders", partition, harness_batch(3));
        struct wire_produce_response_partition_produce_response p = produce_answer(h, V);
        assert_int_equal(p.error_code, KERR_NONE);
        assert_int_equal(p.base_offset, 0);
        const struct plog *log =
            route_part(route_by_row(h->shards[partition].route, 0), partition)->log;
        assert_int_equal(log->end, 3);
        assert_int_equal(log->durable, 0);
        harness_free(h);
    }
}

static void
records_without_a_key_on_a_compacted_topic_are_named_one_by_one(void **state)
{
    (void)state;
    static struct make_batch m;
    struct table_topic_config config = harness_topic_config;
    config.cleanup_compact = 1;
    for (int16_t version = 3; version <= 13; version++) {
        struct harness *h = produce_with_config(1, &config);
        make_begin(&m);
        for (int32_t i = 0; i < 3; i++)
            make_add(&m, (struct make_record){.offset_delta = i,
                                              .key = i == 1 ? view_of_text("k") : view_of(0, 0)});
        harness_produce(h, 0, version, 77, -1, "0rders", 0, make_end(&m, MAKE_ZSTD));
        struct wire_produce_response_partition_produce_response p = produce_answer(h, version);
        assert_int_equal(p.error_code, KERR_INVALID_RECORD);
        assert_int_equal(p.log_start_offset, version >= 5 ? 0 : -1);
        if (version >= 8) {
            assert_int_equal(p.record_errors.count, 2);
            assert_int_equal(p.record_errors.items[0].batch_index, 0);
            assert_int_equal(p.record_errors.items[1].batch_index, 2);
        }
        assert_int_equal(h->stores[0]->lsn, 0);
        harness_turns(h, 2);
        assert_int_equal(buddy_used(h->shards[0].memory), 0);
        harness_free(h);
    }
}

static void
acks_all_needs_min_insync_replicas(void **state)
{
    (void)state;
    for (int16_t acks = -1; acks <= 1; acks += 2) {
        struct harness *h = harness_new(1, NULL);
        struct table_topic_config config = harness_topic_config;
        config.min_insync_replicas = 2;
        harness_topic_write(h, 0, "0rders", 1, &config);
        harness_ring_row(h, MSG_TOPIC, 0);
        harness_ring_row(h, MSG_WANT, 0);
        fake_stream_open(&h->streams[0], 0);
        harness_turn(h);
        harness_produce(h, 0, V, 77, acks, "0rders", 0, harness_batch(1));
        assert_int_equal(produce_answer(h, V).error_code,
                         acks == 1 ? KERR_NONE : KERR_NOT_ENOUGH_REPLICAS);
        harness_free(h);
    }
}

static void
a_fenced_shard_is_no_leader(void **state)
{
    (void)state;
    struct harness *h = produce_one_shard();
    atomic_store(&h->region.header->lease_until_ns, h->now_ns - 1);
    harness_produce(h, 0, V, 77, 1, "0rders", 0, harness_batch(1));
    assert_int_equal(produce_answer(h, V).error_code, KERR_NOT_LEADER_OR_FOLLOWER);
    assert_int_equal(h->stores[0]->lsn, 0);
    harness_free(h);
}

static void
a_full_journal_stalls_the_request_until_there_is_room(void **state)
{
    (void)state;
    struct harness *h = produce_one_shard();
    h->stores[0]->append_again = true;
    harness_produce(h, 0, V, 77, 1, "0rders", 0, harness_batch(1));
    harness_turns(h, 5);
    assert_int_equal(h->stores[0]->lsn, 0);
    assert_ptr_not_equal(h->shards[0].conns[0].again, NULL);
    h->stores[0]->append_again = false;
    struct wire_produce_response_partition_produce_response p = produce_answer(h, V);
    assert_int_equal(p.error_code, KERR_NONE);
    assert_int_equal(h->stores[0]->lsn, 1);
    harness_free(h);
}

static void
a_connection_that_goes_away_while_stalled_appends_nothing(void **state)
{
    (void)state;
    struct harness *h = produce_one_shard();
    h->stores[0]->append_again = true;
    harness_produce(h, 0, V, 77, 1, "0rders", 0, harness_batch(1));
    harness_turns(h, 2);
    fake_stream_end(&h->streams[0], 0, ERR_IO);
    harness_turn(h);
    h->stores[0]->append_again = false;
    harness_turns(h, 3);
    assert_int_equal(h->stores[0]->lsn, 0);
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    harness_free(h);
}

static void
a_partition_of_another_shard_is_appended_there(void **state)
{
    (void)state;
    for (int16_t version = 3; version <= 13; version++) {
        struct harness *h = produce_two_shards();
        struct view batch = harness_batch(4);
        harness_produce(h, 0, version, 77, -1, "0rders", 1, batch);
        struct wire_produce_response_partition_produce_response p = produce_answer(h, version);
        assert_int_equal(p.error_code, KERR_NONE);
        assert_int_equal(p.base_offset, 0);
        assert_int_equal(p.log_start_offset, version >= 5 ? 0 : -1);
        assert_int_equal(h->stores[0]->lsn, 0);
        struct plog *log = route_part(route_by_row(h->shards[1].route, 0), 1)->log;
        assert_int_equal(log->end, 4);
        assert_memory_equal(log->bytes + BATCH_AT_MAGIC, batch.at + BATCH_AT_MAGIC,
                            batch.len - BATCH_AT_MAGIC);
        assert_int_equal(mesh_jobs_out(h->shards[0].mesh), 0);
        assert_int_equal(harness_counter(h, 0, COUNTER_SCATTERED), 1);
        harness_turns(h, 2);
        assert_int_equal(buddy_used(h->shards[0].memory), 0);
        harness_free(h);
    }
}

/* Several topics and partitions, own and others, one of them unknown, in one request. */
static void
a_scattered_request_is_answered_whole_and_in_its_order(void **state)
{
    (void)state;
    struct harness *h = produce_two_shards();
    harness_topic(h, 1, "1mpty", 1);
    struct view batch = harness_batch(2);
    struct wire_produce_request_partition_produce_data parts[3] = {
        {1, batch}, {9, batch}, {0, batch}};
    struct wire_produce_request_topic_produce_data topics[3] = {
        {.name = view_of_text("0rders"), .partition_data = {parts, 3}},
        {.name = view_of_text("0rders"), .partition_data = {parts, 0}},
        {.name = view_of_text("1mpty"), .partition_data = {parts + 2, 1}}};
    struct wire_produce_request body = {.acks = 1, .topic_data = {topics, 3}};
    harness_request(h, 0, 0, WIRE_API_PRODUCE, V, 77, &body);
    harness_turns(h, 6);
    size_t at = 0;
    struct view v = harness_response(h, 0, 0, &at);
    assert_true(v.len > 5);
    static uint8_t memory[4096];
    struct wire_arena arena;
    wire_arena_init(&arena, memory, sizeof memory);
    struct wire_produce_response r;
    assert_int_equal(
        wire_decode(&wire_produce_response_message, V, view_of(v.at + 5, v.len - 5), &r, &arena),
        ERR_OK);
    assert_int_equal(r.responses.count, 3);
    assert_int_equal(r.responses.items[0].partition_responses.count, 3);
    assert_int_equal(r.responses.items[1].partition_responses.count, 0);
    int16_t errors[] = {KERR_NONE, KERR_UNKNOWN_TOPIC_OR_PARTITION, KERR_NONE};
    int32_t indexes[] = {1, 9, 0};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(r.responses.items[0].partition_responses.items[i].index, indexes[i]);
        assert_int_equal(r.responses.items[0].partition_responses.items[i].error_code, errors[i]);
    }
    assert_int_equal(r.responses.items[2].partition_responses.items[0].error_code, KERR_NONE);
    assert_true(view_equal(r.responses.items[2].name, view_of_text("1mpty")));
    harness_free(h);
}

static void
a_request_that_stalls_half_way_appends_nothing_twice(void **state)
{
    (void)state;
    struct harness *h = produce_two_shards();
    struct view batch = harness_batch(1);
    struct wire_produce_request_partition_produce_data parts[2] = {{1, batch}, {0, batch}};
    struct wire_produce_request_topic_produce_data topic = {.name = view_of_text("0rders"),
                                                            .partition_data = {parts, 2}};
    struct wire_produce_request body = {.acks = 1, .topic_data = {&topic, 1}};
    h->stores[0]->append_again = true;
    harness_request(h, 0, 0, WIRE_API_PRODUCE, V, 77, &body);
    harness_turns(h, 6); /* the other shard's part is done and home before the own one has room */
    assert_int_equal(h->stores[1]->lsn, 1);
    assert_int_equal(h->streams[0].conns[0].sends, 0);
    h->stores[0]->append_again = false;
    harness_turns(h, 6);
    assert_int_equal(h->stores[1]->lsn, 1);
    assert_int_equal(h->stores[0]->lsn, 1);
    size_t at = 0;
    assert_true(harness_response(h, 0, 0, &at).len > 0);
    harness_turn(h);
    assert_int_equal(buddy_used(h->shards[0].memory), 0);
    harness_free(h);
}

static void
a_malformed_request_appends_nothing_and_closes(void **state)
{
    (void)state;
    struct harness *h = produce_one_shard();
    struct view batch = harness_batch(1);
    struct wire_produce_request_partition_produce_data part = {0, batch};
    struct wire_produce_request_topic_produce_data topic = {.name = view_of_text("0rders"),
                                                            .partition_data = {&part, 1}};
    struct wire_produce_request body = {.acks = 1, .topic_data = {&topic, 1}};
    uint8_t bytes[1024];
    struct put w = put_of(bytes, sizeof bytes);
    assert_int_equal(wire_encode(&wire_produce_request_message, V, &body, &w), ERR_OK);
    /* One byte too few, behind a good partition. */
    harness_request_raw(h, 0, 0, WIRE_API_PRODUCE, V, 77, true, view_of(bytes, put_len(&w) - 1));
    harness_turns(h, 3);
    assert_int_equal(h->stores[0]->lsn, 0);
    assert_int_equal(h->shards[0].conn_count, 0);
    assert_int_equal(harness_counter(h, 0, DROP_REQUEST_BODY), 1);
    harness_free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_acknowledged_batch_is_in_the_log_with_its_offset),
        cmocka_unit_test(no_answer_leaves_before_the_batch_is_durable),
        cmocka_unit_test(an_answer_waits_for_large_batches_of_its_own_log_alone),
        cmocka_unit_test(acks_0_appends_and_says_nothing),
        cmocka_unit_test(internal_topics_take_records_of_coordinators_only),
        cmocka_unit_test(acks_0_with_an_error_closes_the_connection),
        cmocka_unit_test(unknown_topics_and_partitions_get_their_codes),
        cmocka_unit_test(a_transactional_batch_is_appended_only_once_its_coordinator_vouches),
        cmocka_unit_test(a_topic_with_a_codec_stores_it_on_the_own_and_on_another_shard),
        cmocka_unit_test(
            write_caching_answers_before_the_batch_is_durable_and_hides_it_from_consumers),
        cmocka_unit_test(records_without_a_key_on_a_compacted_topic_are_named_one_by_one),
        cmocka_unit_test(acks_all_needs_min_insync_replicas),
        cmocka_unit_test(a_fenced_shard_is_no_leader),
        cmocka_unit_test(a_full_journal_stalls_the_request_until_there_is_room),
        cmocka_unit_test(a_connection_that_goes_away_while_stalled_appends_nothing),
        cmocka_unit_test(a_partition_of_another_shard_is_appended_there),
        cmocka_unit_test(a_scattered_request_is_answered_whole_and_in_its_order),
        cmocka_unit_test(a_request_that_stalls_half_way_appends_nothing_twice),
        cmocka_unit_test(a_malformed_request_appends_nothing_and_closes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
