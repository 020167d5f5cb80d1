#include "tests/unit/dataplane/broker/fixture_produce.h"

static void
a_large_batch_is_copied_from_where_it_was_received_and_given_back_before_it_is_durable(void **state)
{
    (void)state;
    struct harness *h = produce_two_shards();
    struct view batch = produce_batch(PRODUCE_LARGE, MAKE_NONE, 0);
    h->stores[1]->disk_late = true;
    harness_produce(h, 0, V, 77, -1, "0rders", 1, batch);
    harness_turn(h); /* shard 0 sends it, shard 1 appends it */
    assert_int_equal(h->streams[0].keeps, 1);
    assert_int_equal(h->streams[0].kept_out, 1);
    assert_int_equal(buddy_used(h->shards[1].memory), 0);
    harness_turn(h);
    assert_int_equal(h->streams[0].kept_out, 0);
    assert_int_equal(mesh_jobs_out(h->shards[0].mesh), 1);
    assert_int_equal(h->streams[0].conns[0].sends, 0);
    assert_int_equal(harness_counter(h, 0, COUNTER_PRODUCE_LENT), batch.len);
    h->stores[1]->disk_late = false;
    struct wire_produce_response_partition_produce_response p = produce_answer(h, V);
    assert_int_equal(p.error_code, KERR_NONE);
    assert_int_equal(p.base_offset, 0);
    const struct plog *log = route_part(route_by_row(h->shards[1].route, 0), 1)->log;
    assert_int_equal(h->stores[1]->stages, 1);
    assert_memory_equal(log->bytes + BATCH_AT_MAGIC, batch.at + BATCH_AT_MAGIC,
                        batch.len - BATCH_AT_MAGIC);
    produce_all_back(h);
    harness_free(h);
}

static void
acks_0_and_write_caching_bring_the_bytes_home_with_the_job(void **state)
{
    (void)state;
    struct table_topic_config config = harness_topic_config;
    for (int16_t acks = -1; acks <= 0; acks++) {
        config.write_caching = acks != 0;
        struct harness *h = produce_with_config(2, &config);
        h->stores[1]->disk_late = true;
        harness_produce(h, 0, V, 77, acks, "0rders", 1, produce_batch(PRODUCE_LARGE, MAKE_NONE, 0));
        harness_turns(h, 4);
        assert_int_equal(h->streams[0].keeps, 1);
        assert_int_equal(h->stores[1]->lsn, 1);
        produce_all_back(h);
        harness_free(h);
    }
}

static void
small_batches_and_those_that_the_stream_does_not_keep_are_copied(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct harness *h = produce_two_shards();
        h->streams[0].keeps_none = i == 1;
        struct view batch = produce_batch(i == 1 ? PRODUCE_LARGE : 4000, MAKE_NONE, 0);
        harness_produce(h, 0, V, 77, -1, "0rders", 1, batch);
        assert_int_equal(produce_answer(h, V).error_code, KERR_NONE);
        assert_int_equal(h->streams[0].keeps, 0);
        assert_int_equal(harness_counter(h, 0, COUNTER_PRODUCE_LENT), 0);
        assert_int_equal(route_part(route_by_row(h->shards[1].route, 0), 1)->log->len, batch.len);
        produce_all_back(h);
        harness_free(h);
    }
}

static void
a_compressed_batch_is_checked_before_it_is_lent(void **state)
{
    (void)state;
    struct harness *h = produce_two_shards();
    harness_produce(h, 0, V, 77, -1, "0rders", 1, produce_batch(PRODUCE_LARGE, MAKE_LZ4, 0));
    assert_int_equal(produce_answer(h, V).error_code, KERR_NONE);
    assert_int_equal(h->streams[0].keeps, 1);
    assert_int_equal(h->stores[1]->stages, 0); /* nothing is left to be checked there */
    produce_all_back(h);
    harness_free(h);
    h = produce_two_shards();
    struct view bad = produce_batch(PRODUCE_LARGE, MAKE_LZ4, 0);
    produce_spoil(bad);
    harness_produce(h, 0, V, 77, -1, "0rders", 1, bad);
    assert_int_equal(produce_answer(h, V).error_code, KERR_CORRUPT_MESSAGE);
    assert_int_equal(h->streams[0].keeps, 0);
    assert_int_equal(harness_counter(h, 0, COUNTER_SCATTERED), 0);
    produce_all_back(h);
    harness_free(h);
}

static void
what_changes_or_waits_before_it_is_appended_is_copied(void **state)
{
    (void)state;
    struct table_topic_config config = harness_topic_config;
    config.compression = BATCH_LZ4;
    struct harness *h = produce_with_config(2, &config);
    harness_produce(h, 0, V, 77, -1, "0rders", 1, produce_batch(PRODUCE_LARGE, MAKE_NONE, 0));
    assert_int_equal(produce_answer(h, V).error_code, KERR_NONE);
    assert_int_equal(h->streams[0].keeps, 0);
    harness_free(h);
    config.compression = TABLE_COMPRESSION_PRODUCER;
    config.max_message_bytes = 1000;
    h = produce_with_config(2, &config);
    harness_produce(h, 0, V, 77, -1, "0rders", 1, produce_batch(PRODUCE_LARGE, MAKE_NONE, 0));
    assert_int_equal(produce_answer(h, V).error_code, KERR_MESSAGE_TOO_LARGE);
    assert_int_equal(h->streams[0].keeps, 0);
    harness_free(h);
}

static void
the_parts_of_one_request_are_kept_once(void **state)
{
    (void)state;
    struct harness *h = produce_two_shards();
    struct view batch = produce_batch(PRODUCE_LARGE, MAKE_NONE, 0);
    struct wire_produce_request_partition_produce_data parts[] = {
        {1, batch}, {0, batch}, {1, batch}};
    produce_parts(h, V, parts, 3);
    harness_turn(h);
    assert_int_equal(h->streams[0].keeps, 1);
    assert_int_equal(h->streams[0].kept_out, 1);
    harness_turn(h);
    assert_int_equal(h->streams[0].kept_out, 0);
    harness_turns(h, 5);
    assert_int_equal(h->stores[1]->lsn, 2);
    assert_int_equal(h->stores[0]->lsn, 1);
    produce_all_back(h);
    harness_free(h);
}

static void
a_request_that_goes_on_later_lends_nothing_before_the_first_loan_is_back(void **state)
{
    (void)state;
    struct harness *h = produce_two_shards();
    struct view batch = produce_batch(PRODUCE_LARGE, MAKE_NONE, 0);
    struct wire_produce_request_partition_produce_data parts[] = {
        {1, batch}, {0, batch}, {1, batch}};
    h->stores[0]->append_again = h->stores[1]->append_again = true;
    produce_parts(h, V, parts, 3);
    harness_turns(h, 3);
    assert_non_null(h->shards[0].conns[0].again);
    assert_int_equal(h->streams[0].kept_out, 1);
    h->stores[0]->append_again = false;
    harness_turns(h, 2);
    assert_int_equal(h->streams[0].keeps, 1); /* the third was copied */
    assert_int_equal(h->stores[1]->lsn, 0);
    h->stores[1]->append_again = false;
    harness_turns(h, 6);
    assert_int_equal(h->stores[1]->lsn, 2);
    size_t at = 0;
    assert_true(harness_response(h, 0, 0, &at).len > 0);
    produce_all_back(h);
    harness_free(h);
}

static void
a_connection_that_ends_leaves_what_it_has_lent_until_it_was_read(void **state)
{
    (void)state;
    struct harness *h = produce_two_shards();
    struct view batch = produce_batch(PRODUCE_LARGE, MAKE_NONE, 0);
    h->stores[1]->append_again = true;
    harness_produce(h, 0, V, 77, 1, "0rders", 1, batch);
    harness_turns(h, 3);
    fake_stream_end(&h->streams[0], 0, ERR_IO);
    harness_turns(h, 2);
    assert_int_equal(h->streams[0].kept_out, 1);
    h->stores[1]->append_again = false;
    harness_turns(h, 4);
    const struct plog *log = route_part(route_by_row(h->shards[1].route, 0), 1)->log;
    assert_int_equal(log->len, batch.len);
    assert_memory_equal(log->bytes + BATCH_AT_MAGIC, batch.at + BATCH_AT_MAGIC,
                        batch.len - BATCH_AT_MAGIC);
    produce_all_back(h);
    harness_free(h);
}

static void
without_a_job_nothing_is_kept_and_the_request_waits(void **state)
{
    (void)state;
    struct harness *h = produce_two_shards();
    static struct job *taken[JOB_MAX];
    for (uint32_t i = 0; i < JOB_MAX; i++)
        taken[i] = mesh_job(h->shards[0].mesh);
    harness_produce(h, 0, V, 77, -1, "0rders", 1, produce_batch(PRODUCE_LARGE, MAKE_NONE, 0));
    harness_turns(h, 3);
    assert_non_null(h->shards[0].conns[0].again);
    assert_true(h->streams[0].keeps > 0);
    assert_int_equal(h->streams[0].kept_out, 0);
    for (uint32_t i = 0; i < JOB_MAX; i++)
        mesh_done(h->shards[0].mesh, taken[i]);
    assert_int_equal(produce_answer(h, V).error_code, KERR_NONE);
    produce_all_back(h);
    harness_free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_large_batch_is_copied_from_where_it_was_received_and_given_back_before_it_is_durable),
        cmocka_unit_test(acks_0_and_write_caching_bring_the_bytes_home_with_the_job),
        cmocka_unit_test(small_batches_and_those_that_the_stream_does_not_keep_are_copied),
        cmocka_unit_test(a_compressed_batch_is_checked_before_it_is_lent),
        cmocka_unit_test(what_changes_or_waits_before_it_is_appended_is_copied),
        cmocka_unit_test(the_parts_of_one_request_are_kept_once),
        cmocka_unit_test(a_request_that_goes_on_later_lends_nothing_before_the_first_loan_is_back),
        cmocka_unit_test(a_connection_that_ends_leaves_what_it_has_lent_until_it_was_read),
        cmocka_unit_test(without_a_job_nothing_is_kept_and_the_request_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
