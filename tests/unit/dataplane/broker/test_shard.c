#include "tests/unit/dataplane/broker/harness.h"

static struct harness *
client(uint32_t shards)
{
    struct harness *h = harness_new(shards, NULL);
    harness_topic(h, 0, "0rders", 2);
    fake_stream_open(&h->streams[0], 0);
    harness_turn(h);
    return h;
}

static void
an_idle_shard_sleeps_until_its_next_timer(void **state)
{
    (void)state;
    struct harness *h = harness_new(2, NULL);
    uint64_t deadline_ns;
    harness_turns(h, 3);
    assert_int_equal(shard_turn(&h->shards[1], &deadline_ns), ERR_OK);
    assert_int_equal(deadline_ns, h->shards[1].retain_ns);
    assert_int_equal(shard_turn(&h->shards[0], &deadline_ns), ERR_OK);
    assert_true(deadline_ns > h->now_ns); /* the heartbeat */
    assert_true(deadline_ns <= h->now_ns + SHARD_TICK_MS * CLOCK_NS_PER_MS);
    harness_free(h);
}

static void
the_heartbeat_of_the_process_moves(void **state)
{
    (void)state;
    struct harness *h = harness_new(1, NULL);
    struct region_peer *p = &h->region.header->peers[REGION_DATA];
    harness_turn(h);
    uint64_t before = atomic_load(&p->heartbeat_ns);
    h->now_ns += SHARD_TICK_MS * CLOCK_NS_PER_MS;
    harness_turn(h);
    assert_int_equal(atomic_load(&p->heartbeat_ns) - before, SHARD_TICK_MS * CLOCK_NS_PER_MS);
    harness_free(h);
}

static void
a_failed_journal_ends_the_loop(void **state)
{
    (void)state;
    struct harness *h = client(1);
    atomic_bool stop = false;
    h->stores[0]->step_error = ERR_IO;
    assert_int_equal(shard_run(&h->shards[0], &stop), ERR_IO);
    harness_free(h);
}

static void
a_stalled_request_does_not_make_the_loop_spin(void **state)
{
    (void)state;
    struct harness *h = client(1);
    uint64_t deadline_ns;
    h->stores[0]->append_again = true;
    harness_produce(h, 0, 12, 1, 1, "0rders", 0, harness_batch(1));
    harness_turns(h, 3);
    assert_int_equal(shard_turn(&h->shards[0], &deadline_ns), ERR_OK);
    assert_true(deadline_ns > h->now_ns);
    assert_true(deadline_ns <= h->now_ns + SHARD_RETRY_MS * CLOCK_NS_PER_MS);
    harness_free(h);
}

static void
a_durable_prefix_answers_just_what_it_covers(void **state)
{
    (void)state;
    struct harness *h = client(1);
    h->stores[0]->disk_late = true;
    for (int32_t i = 0; i < 4; i++)
        harness_produce(h, 0, 12, i, 1, "0rders", 0, harness_batch(1));
    harness_turns(h, 3);
    h->stores[0]->durable = h->stores[0]->written = 2;
    harness_turns(h, 3);
    size_t at = 0;
    assert_int_equal(get_i32(harness_response(h, 0, 0, &at).at), 0);
    assert_int_equal(get_i32(harness_response(h, 0, 0, &at).at), 1);
    assert_int_equal(harness_response(h, 0, 0, &at).len, 0);
    harness_free(h);
}

/* The durable point of the clock's wait: the disk is done with one append each time. */
static void
disk_goes_on(void *self, uint64_t deadline_ns)
{
    struct harness *h = self;
    (void)deadline_ns;
    h->now_ns += CLOCK_NS_PER_MS;
    for (uint32_t i = 0; i < h->shard_count; i++) {
        fake_stream_settle(&h->streams[i]);
        if (h->stores[i]->durable < h->stores[i]->lsn)
            h->stores[i]->written = ++h->stores[i]->durable;
    }
}

static void
a_stop_answers_what_was_taken_and_takes_nothing_new(void **state)
{
    (void)state;
    struct harness *h = client(1);
    atomic_bool stop = true;
    static struct clock_ops ops;
    ops = harness_clock;
    ops.wait = disk_goes_on;
    h->shards[0].clock.ops = &ops;
    h->stores[0]->disk_late = true;
    for (int32_t i = 0; i < 3; i++)
        harness_produce(h, 0, 12, i, 1, "0rders", 0, harness_batch(1));
    harness_turn(h);
    h->streams[0].listens = 1;
    assert_int_equal(shard_run(&h->shards[0], &stop), ERR_OK);
    assert_int_equal(h->streams[0].listens, 0); /* nobody new while the old are answered */
    assert_int_equal(h->stores[0]->durable, 3);
    for (int i = 0; i < 2; i++)
        assert_int_equal(h->shards[0].waits[i].head, h->shards[0].waits[i].tail);
    harness_produce(h, 0, 12, 9, 1, "0rders", 0, harness_batch(1));
    harness_turns(h, 3);
    assert_int_equal(h->stores[0]->lsn, 3);
    harness_free(h);
}

static void
a_stop_gives_up_on_a_disk_that_does_not_answer(void **state)
{
    (void)state;
    struct harness *h = client(1);
    atomic_bool stop = true;
    static struct clock_ops ops;
    ops = harness_clock;
    ops.wait = disk_goes_on;
    h->stores[0]->disk_late = true;
    harness_produce(h, 0, 12, 1, 1, "0rders", 0, harness_batch(1));
    harness_turn(h);
    h->stores[0]->lsn = 0; /* disk_goes_on finds nothing to finish */
    h->shards[0].clock.ops = &ops;
    assert_int_equal(shard_run(&h->shards[0], &stop), ERR_OK);
    assert_true(h->now_ns >= 1000 * CLOCK_NS_PER_S + SHARD_STOP_MS * CLOCK_NS_PER_MS);
    harness_free(h);
}

static void
control_is_awaited_before_the_shard_listens(void **state)
{
    (void)state;
    struct harness *h = harness_new(1, NULL);
    atomic_bool stop = false;
    static struct clock_ops ops;
    ops = harness_clock;
    ops.wait = disk_goes_on;
    h->shards[0].clock.ops = &ops;
    uint32_t published = atomic_load(&h->region.header->published);
    atomic_store(&h->region.header->published, 0);
    assert_int_equal(shard_await_control(&h->shards[0], CLOCK_NS_PER_S, &stop), ERR_AGAIN);
    atomic_store(&h->region.header->published, published);
    assert_int_equal(shard_await_control(&h->shards[0], CLOCK_NS_PER_S, &stop), ERR_OK);
    harness_free(h);
}

static void
torn_tables_are_read_again_after_a_while(void **state)
{
    (void)state;
    struct harness *h = harness_new(1, NULL);
    harness_turn(h);
    harness_topic_write(h, 0, "0rders", 1, &harness_topic_config);
    atomic_fetch_add(&region_topics(&h->region)[0].seq, 1);
    harness_ring_row(h, MSG_TOPIC, 0);
    harness_turn(h);
    assert_null(route_by_row(h->shards[0].route, 0));
    h->slots = 0;
    harness_topic_write(h, 0, "0rders", 1, &harness_topic_config); /* mended; no doorbell */
    h->now_ns += SHARD_RETRY_MS * CLOCK_NS_PER_MS;
    harness_turn(h);
    assert_non_null(route_by_row(h->shards[0].route, 0));
    harness_free(h);
}

static void
an_offline_log_is_reported_to_control(void **state)
{
    (void)state;
    struct harness *h = client(1);
    struct plog *log = route_part(route_by_row(h->shards[0].route, 0), 0)->log;
    log->state = PLOG_OFFLINE;
    log->changed = true;
    harness_turn(h);
    struct table_have_fact have;
    assert_int_equal(table_have_read(&region_have(&h->region)[0], &have), ERR_OK);
    assert_int_equal(have.state, TABLE_FAILED);
    harness_free(h);
}

static void
silent_producers_are_forgotten_once_a_second(void **state)
{
    (void)state;
    const char *const settings[] = {"producer.id.expiration.ms", "5000", NULL};
    struct harness *h = harness_new(1, settings);
    harness_turn(h);
    assert_true(h->stores[0]->expired_before_ms == h->shards[0].now_ms - 5000);
    h->stores[0]->expired_before_ms = 0;
    h->now_ns += (SHARD_PRODUCERS_MS - 1) * CLOCK_NS_PER_MS;
    harness_turn(h);
    assert_true(h->stores[0]->expired_before_ms == 0);
    h->now_ns += (SHARD_TICK_MS + 1) * CLOCK_NS_PER_MS;
    harness_turn(h);
    assert_true(h->stores[0]->expired_before_ms == h->shards[0].now_ms - 5000);
    harness_free(h);
}

static void
what_the_store_counts_is_told_with_each_tick(void **state)
{
    (void)state;
#define ROW(counter, member)                                                                       \
    {                                                                                              \
        COUNTER_##counter, offsetof(struct store_stats, member)                                    \
    }
    static const struct {
        enum counter counter;
        size_t at;
    } rows[] = {
        ROW(JOURNAL_FRAMES, frames),
        ROW(JOURNAL_BYTES, frame_bytes),
        ROW(JOURNAL_PADDING, journal_padding_bytes),
        ROW(JOURNAL_USED, journal_used_bytes),
        ROW(WRITEBACK_BYTES, writeback_bytes),
        ROW(WRITEBACK_AGAIN, writeback_again_bytes),
        ROW(EXTENT_BYTES, extent_bytes),
        ROW(CHECKPOINTS, checkpoints),
        ROW(CHECKPOINT_BYTES, checkpoint_bytes),
        ROW(SEGMENTS_DROPPED, segments_dropped),
        ROW(SIDECARS, sidecars),
        ROW(SIDECAR_BYTES, sidecar_bytes),
        ROW(SIDECARS_BAD, sidecars_bad),
        ROW(INDEXES_DROPPED, indexes_dropped),
        ROW(DAMAGED, damaged),
        ROW(READS_CACHE, cache_reads),
        ROW(READS_DISK, cold_reads),
        ROW(COMPACTIONS, clean_rounds),
        ROW(COMPACTION_READ, clean_bytes_read),
        ROW(COMPACTION_WRITTEN, clean_bytes_written),
        ROW(COMPACTION_RECORDS, clean_records),
        ROW(COMPACTION_DROPPED, clean_records_dropped),
        ROW(COMPACTION_KEYLESS, clean_keyless),
    };
#undef ROW
    struct harness *h = harness_new(1, NULL);
    uint64_t all[sizeof(struct store_stats) / sizeof(uint64_t)];
    for (uint32_t i = 0; i < sizeof all / sizeof *all; i++)
        all[i] = 1000 + i;
    memcpy(&h->stores[0]->stats, all, sizeof all);
    h->now_ns += (SHARD_TICK_MS + 1) * CLOCK_NS_PER_MS;
    harness_turn(h);
    for (uint32_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(harness_counter(h, 0, rows[i].counter), 1000 + rows[i].at / 8);
    harness_free(h);
}

static void
memory_of_answers_is_counted_with_each_tick_while_they_have_it(void **state)
{
    (void)state;
    struct harness *h = harness_new(1, NULL);
    struct shard *s = &h->shards[0];
    size_t room;
    harness_turn(h);
    for (uint32_t taken = 0; taken < 2; taken++) {
        void *block = taken ? buddy_take(s->memory, 100000, &room) : NULL;
        h->now_ns += (SHARD_TICK_MS + 1) * CLOCK_NS_PER_MS;
        harness_turn(h);
        assert_int_equal(harness_counter(h, 0, COUNTER_ANSWER_MEMORY), taken ? room : 0);
        if (block)
            buddy_give(s->memory, block);
    }
    harness_free(h);
}

static void
retention_runs_in_rounds_also_on_an_idle_shard(void **state)
{
    (void)state;
    struct harness *h = harness_new(2, NULL);
    struct shard *s = &h->shards[1];
    uint64_t deadline;
    h->stores[1]->retain_more = true;
    assert_int_equal(shard_turn(s, &deadline), ERR_OK);
    assert_int_equal(h->stores[1]->retains, 0);
    assert_true(deadline <= s->retain_ns);
    h->now_ns = s->retain_ns;
    assert_int_equal(shard_turn(s, &deadline), ERR_OK);
    assert_int_equal(h->stores[1]->retains, 1);
    assert_true(h->stores[1]->retained_ms == s->now_ms);
    assert_int_equal(s->retain_ns, h->now_ns + SHARD_TICK_MS * CLOCK_NS_PER_MS);
    h->stores[1]->retain_more = false;
    h->now_ns = s->retain_ns;
    assert_int_equal(shard_turn(s, &deadline), ERR_OK);
    assert_int_equal(h->stores[1]->retains, 2);
    assert_int_equal(s->retain_ns, h->now_ns + s->retain_every_ns);
    harness_free(h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_shard_sleeps_until_its_next_timer),
        cmocka_unit_test(the_heartbeat_of_the_process_moves),
        cmocka_unit_test(a_failed_journal_ends_the_loop),
        cmocka_unit_test(a_stalled_request_does_not_make_the_loop_spin),
        cmocka_unit_test(a_durable_prefix_answers_just_what_it_covers),
        cmocka_unit_test(a_stop_answers_what_was_taken_and_takes_nothing_new),
        cmocka_unit_test(a_stop_gives_up_on_a_disk_that_does_not_answer),
        cmocka_unit_test(control_is_awaited_before_the_shard_listens),
        cmocka_unit_test(torn_tables_are_read_again_after_a_while),
        cmocka_unit_test(an_offline_log_is_reported_to_control),
        cmocka_unit_test(what_the_store_counts_is_told_with_each_tick),
        cmocka_unit_test(memory_of_answers_is_counted_with_each_tick_while_they_have_it),
        cmocka_unit_test(retention_runs_in_rounds_also_on_an_idle_shard),
        cmocka_unit_test(silent_producers_are_forgotten_once_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
