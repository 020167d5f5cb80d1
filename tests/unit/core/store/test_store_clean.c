#include "tests/unit/core/store/clean_store.h"

static struct clean_world w;

static void
begin(uint64_t seed, uint32_t batches)
{
    srandom((unsigned)seed);
    assert_int_equal(clean_world_start(&w), ERR_OK);
    clean_world_append(&w, batches);
    assert_int_equal(fixture_checkpoint(&w.f), ERR_OK);
}

static bool
due(int64_t now_ms)
{
    struct store *s = w.f.store[0];
    while (!store_clean(s, now_ms))
        ;
    bool found = !list_empty(&s->tasks);
    store_task_drop(s);
    store_clean_over(s);
    return found;
}

static void
only_logs_with_the_policy_are_compacted(void **state)
{
    (void)state;
    clean_world_init(&w, 1);
    w.f.config.cleanup_compact = false;
    begin(1, 100);
    assert_false(due(5000));
    w.log->config.cleanup_compact = true;
    assert_true(due(5000));
    fixture_end(&w.f);
}

static void
the_dirty_part_must_be_more_than_the_ratio(void **state)
{
    (void)state;
    clean_world_init(&w, 2);
    w.f.config.min_dirty_millionths = 500000;
    w.f.config.max_compaction_lag_ms = INT64_MAX;
    begin(2, 200);
    assert_true(due(5000));
    uint64_t all = 0, dirty = 0;
    uint32_t last = w.log->segment_count - 1;
    for (uint32_t i = 0; i < last; i++)
        all += w.log->segments[i]->bytes;
    for (uint32_t i = 0; i < last; i++) {
        w.log->clean_to = w.log->segments[i]->base;
        dirty = 0;
        for (uint32_t k = i; k < last; k++)
            dirty += w.log->segments[k]->bytes;
        assert_int_equal(due(5000), dirty * 2 > all);
    }
    w.log->clean_to = w.log->segments[last]->base;
    w.log->config.min_dirty_millionths = 0;
    assert_false(due(5000)); /* nothing is dirty */
    fixture_end(&w.f);
}

static void
an_old_dirty_batch_makes_it_due(void **state)
{
    (void)state;
    clean_world_init(&w, 3);
    w.f.config.min_dirty_millionths = 1000000;
    w.f.config.max_compaction_lag_ms = 7000;
    begin(3, 100);
    int64_t first = w.log->segments[0]->first_ts;
    assert_false(due(first + 7000));
    assert_true(due(first + 7001));
    fixture_end(&w.f);
}

static void
young_segments_and_all_behind_them_wait(void **state)
{
    (void)state;
    clean_world_init(&w, 4);
    w.f.config.min_compaction_lag_ms = 100;
    begin(4, 200);
    int64_t young = w.log->segments[1]->max_ts, limit = w.log->segments[1]->base;
    assert_false(due(w.log->segments[0]->max_ts + 99));
    assert_true(clean_world_clean(&w, young + 99));
    assert_int_equal(w.log->clean_to, limit);
    clean_world_check(&w, 20000);
    fixture_end(&w.f);
}

/* One record of a transaction of producer 9, which stays open. */
static void
append_open(void)
{
    static uint8_t bytes[4096];
    struct batch_template form = {.producer_id = 9,
                                  .attributes = BATCH_TRANSACTIONAL,
                                  .base_timestamp_ms = w.end,
                                  .last_offset_delta = -1};
    struct clean_record *r = &w.records[w.end];
    *r = (struct clean_record){.key = 1, .time_ms = w.end};
    struct batch_info info;
    struct store_appended out;
    struct store *s = w.f.store[0];
    uint64_t guard;
    uint32_t len = clean_fixture_batch(bytes, sizeof bytes, &form, r, 1);
    assert_int_equal(batch_header(view_of(bytes, len), &info), ERR_OK);
    info.found_timestamp_ms = info.max_timestamp_ms;
    assert_int_equal(store_txn_verify(s, w.log, &info, false, w.end, &guard), KERR_NONE);
    assert_true(store_txn_verified(s, w.log, 9, guard));
    assert_int_equal(store_append(s, w.log, &info, view_of(bytes, len), 1, w.end, &out), KERR_NONE);
    w.end++;
}

/* Its records may take the place of nothing: it may be aborted. */
static void
an_open_transaction_and_all_behind_it_wait(void **state)
{
    (void)state;
    clean_world_init(&w, 7);
    begin(7, 100);
    int64_t open = w.end;
    append_open();
    clean_world_append(&w, 200);
    assert_int_equal(fixture_checkpoint(&w.f), ERR_OK);
    assert_true(clean_world_clean(&w, 5000));
    assert_in_range(w.log->clean_to, 1, open);
    assert_false(due(5000));
    clean_world_check(&w, 20000);
    struct store_marker m = {.producer_id = 9, .commit = true};
    struct store_appended out;
    assert_int_equal(store_append_marker(w.f.store[0], w.log, &m, 1, w.end, &out), KERR_NONE);
    assert_int_equal(fixture_settle(&w.f), ERR_OK);
    assert_true(clean_world_clean(&w, 5000));
    assert_true(w.log->clean_to > open);
    fixture_end(&w.f);
}

static void
segments_without_a_durable_name_wait(void **state)
{
    (void)state;
    clean_world_init(&w, 5);
    begin(5, 200);
    w.log->segments[0]->named = false;
    assert_false(due(5000));
    w.log->segments[0]->named = true;
    w.log->segments[1]->named = false;
    assert_true(clean_world_clean(&w, 5000));
    assert_int_equal(w.log->clean_to, w.log->segments[1]->base);
    fixture_end(&w.f);
}

static void
how_far_it_got_outlives_a_restart(void **state)
{
    (void)state;
    clean_world_init(&w, 6);
    begin(6, 200);
    assert_true(clean_world_clean(&w, 5000));
    int64_t to = w.log->clean_to;
    assert_true(to > 0);
    assert_int_equal(fixture_stop(&w.f), ERR_OK);
    assert_int_equal(clean_world_start(&w), ERR_OK);
    assert_int_equal(w.log->clean_to, to);
    assert_true(w.log->segments[0]->gaps);
    assert_false(due(5000));
    fixture_kill(&w.f);
    disk_mem_reopen(w.f.disk);
    assert_int_equal(clean_world_start(&w), ERR_OK);
    assert_int_equal(w.log->clean_to, to);
    clean_world_check(&w, 20000);
    fixture_end(&w.f);
}

static void
tombstones_go_after_delete_retention(void **state)
{
    (void)state;
    clean_world_init(&w, 7);
    begin(7, 200);
    assert_true(clean_world_clean(&w, 10000));
    uint32_t first = clean_world_check(&w, 20000);
    w.log->clean_to = 0; /* all again */
    assert_true(clean_world_clean(&w, 10999));
    assert_int_equal(clean_world_check(&w, 20000), first);
    w.log->clean_to = 0;
    assert_true(clean_world_clean(&w, 11000));
    assert_true(clean_world_check(&w, 20000) < first);
    fixture_end(&w.f);
}

/* Records in the log, and those of them that a round looks at. */
static uint32_t
records_of(const struct clean_world *world, uint32_t *sealed)
{
    static uint8_t bytes[512 << 10];
    struct plog *p = world->log;
    int64_t active = p->segments[p->segment_count - 1]->base;
    uint32_t count = 0;
    *sealed = 0;
    for (int64_t at = p->start; at < p->hw;) {
        struct store_range range;
        struct batch_info info;
        int64_t got = fixture_read(&w.f, p, at, 1, bytes, &range); /* one batch */
        assert_int_equal(batch_header(view_of(bytes, (uint32_t)got), &info), ERR_OK);
        count += (uint32_t)info.record_count;
        *sealed += range.offset_first < active ? (uint32_t)info.record_count : 0;
        at = range.offset_limit;
    }
    return count;
}

static void
what_a_round_did_is_counted(void **state)
{
    (void)state;
    struct clean_record none[3] = {{.key = -1}, {.key = -1, .offset = 1}, {.key = -1, .offset = 2}};
    struct batch_template form = {.producer_id = -1, .last_offset_delta = -1};
    uint8_t bytes[1024];
    struct batch_info info;
    struct store_appended out;
    struct store_stats st;
    clean_world_init(&w, 8);
    begin(8, 100);
    uint32_t len = clean_fixture_batch(bytes, sizeof bytes, &form, none, 3);
    assert_int_equal(batch_header(view_of(bytes, len), &info), ERR_OK);
    info.found_timestamp_ms = info.max_timestamp_ms;
    assert_int_equal(store_append(w.f.store[0], w.log, &info, view_of(bytes, len), 1, w.end, &out),
                     KERR_NONE);
    w.end += 3;
    clean_world_append(&w, 100);
    assert_int_equal(fixture_checkpoint(&w.f), ERR_OK);
    store_stats(w.f.store[0], &st);
    assert_int_equal(st.clean_rounds + st.clean_records + st.clean_bytes_read, 0);
    uint32_t sealed, rest, before = records_of(&w, &sealed);
    assert_true(clean_world_clean(&w, 10000));
    uint32_t after = records_of(&w, &rest);
    store_stats(w.f.store[0], &st);
    assert_int_equal(st.clean_rounds, 1);
    assert_int_equal(st.clean_records, sealed);
    assert_int_equal(st.clean_records_dropped, before - after);
    assert_int_equal(st.clean_keyless, 3);
    assert_true(after > 0 && before - after > 3);
    uint64_t files = 0;
    for (uint32_t i = 0; i + 1 < w.log->segment_count; i++)
        files += w.log->segments[i]->bytes;
    assert_in_range(st.clean_bytes_written, files, st.clean_bytes_read - 1); /* whole blocks */
    assert_true(files > 0);
    fixture_end(&w.f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_logs_with_the_policy_are_compacted),
        cmocka_unit_test(the_dirty_part_must_be_more_than_the_ratio),
        cmocka_unit_test(an_old_dirty_batch_makes_it_due),
        cmocka_unit_test(young_segments_and_all_behind_them_wait),
        cmocka_unit_test(an_open_transaction_and_all_behind_it_wait),
        cmocka_unit_test(segments_without_a_durable_name_wait),
        cmocka_unit_test(how_far_it_got_outlives_a_restart),
        cmocka_unit_test(tombstones_go_after_delete_retention),
        cmocka_unit_test(what_a_round_did_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
