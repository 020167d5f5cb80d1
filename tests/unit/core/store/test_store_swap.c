#include "tests/unit/core/store/clean_store.h"

static struct clean_world w;

static void
begin(uint64_t seed, uint32_t batches)
{
    srandom((unsigned)seed);
    clean_world_init(&w, seed);
    assert_int_equal(clean_world_start(&w), ERR_OK);
    clean_world_append(&w, batches);
    assert_int_equal(fixture_checkpoint(&w.f), ERR_OK);
}

static void
a_cleaned_log_has_the_last_record_of_each_key_and_is_read_without_gaps(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 3000, 20000, 200000};
    begin(1, 300);
    uint32_t before = clean_world_check(&w, 20000), segments = w.log->segment_count;
    assert_true(segments > 4);
    assert_true(clean_world_clean(&w, 5000));
    clean_world_append(&w, 60);
    assert_int_equal(fixture_checkpoint(&w.f), ERR_OK);
    assert_true(clean_world_clean(&w, 5000)); /* small neighbours become one */
    assert_true(w.log->segment_count < segments);
    for (int i = 0; i < 4; i++)
        assert_true(clean_world_check(&w, sizes[i]) < before / 2);
    for (int64_t offset = 0; offset < w.end; offset++) {
        struct store_range range;
        static uint8_t bytes[64 << 10];
        struct batch_info info;
        int64_t got = fixture_read(&w.f, w.log, offset, 1, bytes, &range);
        assert_int_equal(batch_header(view_of(bytes, (uint32_t)got), &info), ERR_OK);
        assert_true(info.base_offset + info.last_offset_delta >= offset);
    }
    clean_world_append(&w, 100);
    clean_world_check(&w, 20000);
    fixture_end(&w.f);
}

static void
times_are_found_in_a_cleaned_log(void **state)
{
    (void)state;
    begin(2, 200);
    assert_true(clean_world_clean(&w, 5000));
    int64_t offset, time_ms;
    for (int64_t want = 0; want < w.end; want += 7) {
        int rc;
        while ((rc = store_find_time(w.f.store[0], w.log, want, 1, &offset, &time_ms)) ==
               ERR_AGAIN) {
            uint64_t waiter;
            fixture_turns(&w.f, 1);
            while (store_take_read(w.f.store[0], &waiter))
                ;
        }
        assert_int_equal(rc, ERR_OK);
        assert_true(time_ms >= want);
        assert_int_equal(w.records[offset].time_ms, time_ms);
    }
    fixture_end(&w.f);
}

/* Wherever the power goes, the log is whole afterwards: the old files or the new ones. */
static void
the_power_may_go_at_every_operation(void **state)
{
    (void)state;
    uint32_t cuts = 0;
    bool ended = false;
    for (uint64_t k = 0; !ended; k += 1) {
        begin(100 + k % 5, 120);
        clean_world_append(&w, 30); /* behind the checkpoint */
        disk_mem_cut_after(w.f.disk, k);
        ended = clean_world_clean(&w, 5000);
        cuts += !ended;
        if (ended)
            disk_mem_cut_after(w.f.disk, 0);
        fixture_turns(&w.f, 3);
        fixture_kill(&w.f);
        disk_mem_restart(w.f.disk);
        disk_mem_cut_after(w.f.disk, UINT64_MAX);
        assert_int_equal(clean_world_start(&w), ERR_OK);
        clean_world_check(&w, 20000);
        assert_int_equal(clean_world_names(&w).cleaned, 0);
        clean_world_append(&w, 20);
        assert_int_equal(fixture_checkpoint(&w.f), ERR_OK);
        while (clean_world_clean(&w, 5000))
            ;
        clean_world_check(&w, 3000);
        assert_int_equal(fixture_stop(&w.f), ERR_OK);
        assert_int_equal(clean_world_start(&w), ERR_OK);
        clean_world_check(&w, 200000);
        fixture_end(&w.f);
    }
    print_message("%u cuts\n", cuts);
    assert_true(cuts > 25);
}

/* Journal records of segments that were replaced come before the swap in every replay. */
static void
a_crash_after_several_swaps_without_a_checkpoint_loses_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        begin(seed, 100);
        w.f.store[0]->ckpt.began_ns = UINT64_MAX / 2; /* no checkpoint by time */
        for (int round = 0; round < 3; round++) {
            clean_world_append(&w, 30);
            w.f.store[0]->flushing = true; /* written and sealed, and no more */
            fixture_turns(&w.f, 200);
            w.f.store[0]->flushing = false;
            for (uint32_t i = 0; i < w.log->segment_count; i++)
                w.log->segments[i]->named |= w.log->segments[i]->sealed;
            clean_world_clean(&w, 5000);
        }
        fixture_kill(&w.f);
        disk_mem_reopen(w.f.disk);
        assert_int_equal(clean_world_start(&w), ERR_OK);
        clean_world_check(&w, 20000);
        fixture_end(&w.f);
    }
}

/* Batches large enough to be written straight to their segment, one record each. */
static void
append_large(uint32_t batches)
{
    enum { LARGE = 90000 };
    static uint8_t bytes[LARGE + 1000], value[LARGE];
    static const uint8_t no_headers[1] = {0};
    for (uint32_t n = 0; n < batches; n++) {
        struct batch_build b;
        struct view batch;
        struct batch_info info;
        struct store_appended out;
        char key[24];
        struct clean_record *r = &w.records[w.end];
        *r = (struct clean_record){.key = (int)random() % 4, .time_ms = w.end};
        int k = snprintf(key, sizeof key, "key-%d", r->key);
        memset(value, (int)w.end, sizeof value);
        struct batch_template form = {
            .base_timestamp_ms = w.end, .producer_id = -1, .last_offset_delta = -1};
        struct batch_record one = {.timestamp_ms = w.end,
                                   .key = view_of(key, (uint32_t)k),
                                   .value = view_of(value, LARGE - (uint32_t)n % 7 * 1000),
                                   .headers = view_of(no_headers, 1)};
        assert_int_equal(batch_build_begin(&b, &form, bytes, sizeof bytes), ERR_OK);
        assert_int_equal(batch_build_add(&b, &one), ERR_OK);
        assert_int_equal(batch_build_end(&b, &batch), ERR_OK);
        assert_int_equal(batch_header(batch, &info), ERR_OK);
        info.found_timestamp_ms = info.max_timestamp_ms;
        int rc;
        while ((rc = store_append(w.f.store[0], w.log, &info, batch, 1, w.end, &out)) == ERR_AGAIN)
            assert_int_equal(fixture_turns(&w.f, 1), ERR_OK);
        assert_int_equal(rc, KERR_NONE);
        w.end++;
        assert_int_equal(fixture_settle(&w.f), ERR_OK);
        assert_int_equal(fixture_turns(&w.f, 5), ERR_OK);
    }
}

/* Extents of replaced segments are behind no checkpoint: recovery must not look for their bytes. */
static void
a_crash_after_large_batches_were_compacted_loses_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        srandom((unsigned)seed);
        clean_world_init(&w, seed);
        w.f.cache_bytes = 8 << 20;
        w.f.journal_bytes = 16 << 20;
        w.f.config.segment_bytes = 1500 << 10;
        w.f.extent_bytes = 64 << 10;
        assert_int_equal(clean_world_start(&w), ERR_OK);
        append_large(20);
        assert_int_equal(fixture_checkpoint(&w.f), ERR_OK);
        w.f.store[0]->ckpt.began_ns = UINT64_MAX / 2; /* no checkpoint by time */
        append_large(40);
        w.f.store[0]->flushing = true;
        fixture_turns(&w.f, 300);
        w.f.store[0]->flushing = false;
        struct store_stats st;
        store_stats(w.f.store[0], &st);
        assert_true(st.extents > 5);
        for (uint32_t i = 0; i < w.log->segment_count; i++)
            w.log->segments[i]->named |= w.log->segments[i]->sealed;
        assert_true(clean_world_clean(&w, 5000));
        fixture_kill(&w.f);
        if (seed % 2)
            disk_mem_restart(w.f.disk);
        else
            disk_mem_reopen(w.f.disk);
        assert_int_equal(clean_world_start(&w), ERR_OK);
        clean_world_check(&w, 20000);
        fixture_end(&w.f);
    }
}

/* Batches behind the checkpoint, all in their files. */
static void
written(uint64_t seed)
{
    begin(seed, 100);
    clean_world_append(&w, 30);
    w.f.store[0]->ckpt.began_ns = UINT64_MAX / 2; /* no checkpoint by time */
    w.f.store[0]->flushing = true;
    fixture_turns(&w.f, 200);
    w.f.store[0]->flushing = false;
}

static void
cleaned(void)
{
    fixture_turns(&w.f, 200);
    for (uint32_t i = 0; i < w.log->segment_count; i++)
        w.log->segments[i]->named |= w.log->segments[i]->sealed;
    assert_true(clean_world_clean(&w, 5000));
}

/* An append that finds no room in the journal leaves an empty segment that no record knows. */
static void
a_crash_after_the_last_batches_were_compacted_loses_nothing(void **state)
{
    (void)state;
    written(7);
    struct segment *full = plog_last(w.log);
    assert_non_null(plog_roll(w.log, w.log->end));
    store_seal_begin(w.f.store[0], w.log, full);
    cleaned();
    assert_int_equal(w.log->clean_to, w.log->end);
    fixture_kill(&w.f);
    disk_mem_reopen(w.f.disk);
    assert_int_equal(clean_world_start(&w), ERR_OK);
    clean_world_check(&w, 20000);
    clean_world_append(&w, 20);
    clean_world_check(&w, 20000);
    fixture_end(&w.f);
}

/* Its files and directories are gone, and the replay begins before that. */
static void
a_crash_after_a_compacted_log_was_deleted_does_not_stop_the_start(void **state)
{
    (void)state;
    written(8);
    cleaned();
    clean_world_append(&w, 30);
    store_delete(w.f.store[0], w.log);
    assert_int_equal(fixture_turns(&w.f, 300), ERR_OK);
    assert_int_equal(w.f.store[0]->log_count, 0);
    fixture_kill(&w.f);
    disk_mem_reopen(w.f.disk);
    assert_int_equal(fixture_start(&w.f), ERR_OK);
    assert_int_equal(w.f.boot.logs, 0);
    assert_true(w.f.boot.frames_replayed >= 30);
    fixture_end(&w.f);
}

/* Its files have the names of those before, whose deletion is replayed; and the journal does not
 * have what compaction wrote. */
static void
a_crash_after_a_log_made_anew_was_compacted_loses_nothing(void **state)
{
    (void)state;
    written(8);
    store_delete(w.f.store[0], w.log);
    assert_int_equal(fixture_turns(&w.f, 300), ERR_OK);
    assert_int_equal(w.f.store[0]->log_count, 0);
    w.end = 0;
    w.log = fixture_log(&w.f, 1, 0);
    clean_world_append(&w, 100);
    w.f.store[0]->flushing = true;
    fixture_turns(&w.f, 200);
    w.f.store[0]->flushing = false;
    cleaned();
    fixture_kill(&w.f);
    disk_mem_reopen(w.f.disk);
    assert_int_equal(clean_world_start(&w), ERR_OK);
    assert_int_equal(w.log->damage, PLOG_WHOLE);
    clean_world_check(&w, 20000);
    fixture_end(&w.f);
}

/* How far the log is compacted after a start that follows the first swap of a second round. */
static int64_t
known_after_a_crash(int64_t forgotten)
{
    written(9);
    w.log->clean_to = forgotten;
    fixture_turns(&w.f, 200);
    for (uint32_t i = 0; i < w.log->segment_count; i++)
        w.log->segments[i]->named |= w.log->segments[i]->sealed;
    struct store_task *t = clean_world_run(&w, 5000);
    assert_non_null(t);
    store_task_done(w.f.store[0], t);
    for (int n = 0; w.f.store[0]->swap.run && w.f.store[0]->swap.run->group == 0; n++) {
        assert_int_equal(fixture_turns(&w.f, 1), ERR_OK);
        assert_true(n < 10000);
    }
    assert_non_null(w.f.store[0]->swap.run); /* there is more to come */
    fixture_kill(&w.f);
    disk_mem_reopen(w.f.disk);
    assert_int_equal(clean_world_start(&w), ERR_OK);
    int64_t known = w.log->clean_to;
    clean_world_check(&w, 20000);
    fixture_end(&w.f);
    return known;
}

/* A round that changed nothing has no record: the next one says what it came to. */
static void
a_crash_within_a_round_keeps_what_the_one_before_it_came_to(void **state)
{
    (void)state;
    assert_int_equal(known_after_a_crash(0), 0);
    assert_int_equal(known_after_a_crash(9), 9);
}

static void
who_reads_a_replaced_segment_reads_on(void **state)
{
    (void)state;
    begin(3, 200);
    struct store *s = w.f.store[0];
    assert_int_equal(fixture_stop(&w.f), ERR_OK); /* nothing is in the cache */
    assert_int_equal(clean_world_start(&w), ERR_OK);
    s = w.f.store[0];
    static uint8_t before[64 << 10], after[64 << 10];
    struct store_range range;
    int64_t got = fixture_read(&w.f, w.log, 0, 6000, before, &range);
    assert_true(clean_world_clean(&w, 5000));
    assert_int_not_equal(range.segment_serial, w.log->segments[0]->serial);
    uint32_t fill = 0;
    struct store_range left = range;
    while (left.len) {
        struct store_hold hold;
        uint64_t waiter;
        int rc = store_hold(s, &left, 5, &hold);
        if (rc == ERR_AGAIN) {
            fixture_turns(&w.f, 1);
            while (store_take_read(s, &waiter))
                ;
            continue;
        }
        assert_int_equal(rc, ERR_OK);
        for (uint32_t i = 0; i < hold.span_count; i++) {
            memcpy(after + fill, hold.spans[i].at, hold.spans[i].len);
            fill += hold.spans[i].len;
        }
        left.at += hold.bytes;
        left.len -= hold.bytes;
        store_release(s, &hold);
    }
    assert_int_equal(fill, got);
    assert_memory_equal(before, after, fill);
    /* After file.delete.delay.ms it is over. */
    w.f.now_ns += 61 * CLOCK_NS_PER_S;
    fixture_turns(&w.f, 100);
    assert_int_equal(w.log->retired, 0);
    struct store_hold hold;
    assert_int_equal(store_hold(s, &range, 5, &hold), ERR_NOT_FOUND);
    fixture_end(&w.f);
}

static void
a_log_deleted_meanwhile_does_not_take_the_result(void **state)
{
    (void)state;
    begin(4, 200);
    struct store *s = w.f.store[0];
    struct store_task *t = clean_world_run(&w, 5000);
    assert_non_null(t);
    assert_int_equal(t->result, ERR_OK);
    store_delete(s, w.log);
    store_task_done(s, t);
    assert_int_equal(fixture_turns(&w.f, 1000), ERR_OK);
    assert_int_equal(s->log_count, 0);
    fixture_end(&w.f);
}

static void
a_log_trimmed_meanwhile_loses_its_front_afterwards(void **state)
{
    (void)state;
    begin(4, 200);
    struct store *s = w.f.store[0];
    struct store_task *t = clean_world_run(&w, 5000);
    int64_t third = w.log->segments[2]->base;
    struct store_trimmed trimmed;
    assert_int_equal(store_trim(s, w.log, third + 1, &trimmed), KERR_NONE);
    assert_int_equal(fixture_settle(&w.f), ERR_OK);
    assert_int_equal(fixture_turns(&w.f, 50), ERR_OK);
    clean_world_check(&w, 20000);
    store_task_done(s, t);
    assert_int_equal(fixture_turns(&w.f, 1000), ERR_OK);
    assert_null(w.log->task);
    assert_int_equal(w.log->segments[0]->base, third);
    assert_int_equal(clean_world_names(&w).cleaned, 0);
    clean_world_check(&w, 20000);
    fixture_end(&w.f);
}

/* The loop changes its mind: a clean stop while a result waits. */
static void
a_result_that_is_not_wanted_leaves_no_file(void **state)
{
    (void)state;
    begin(5, 200);
    struct store_task *t = clean_world_run(&w, 5000);
    assert_true(clean_world_names(&w).cleaned > 0);
    atomic_store(&t->cancel, true);
    store_task_done(w.f.store[0], t);
    assert_int_equal(fixture_turns(&w.f, 1000), ERR_OK);
    assert_null(w.log->task);
    assert_int_equal(clean_world_names(&w).cleaned, 0);
    clean_world_check(&w, 20000);
    fixture_end(&w.f);
}

static void
an_error_after_the_record_takes_the_log_offline_and_the_next_start_mends_it(void **state)
{
    (void)state;
    begin(6, 200);
    struct store_task *t = clean_world_run(&w, 5000);
    disk_mem_fail(w.f.disk, CLEAN_SUFFIX_END, DISK_RENAME, ERR_IO);
    store_task_done(w.f.store[0], t);
    assert_int_equal(fixture_turns(&w.f, 1000), ERR_OK);
    assert_null(w.f.store[0]->swap.run);
    assert_int_equal(w.log->state, PLOG_OFFLINE);
    disk_mem_fail(w.f.disk, NULL, DISK_RENAME, ERR_OK);
    fixture_kill(&w.f);
    disk_mem_restart(w.f.disk);
    assert_int_equal(clean_world_start(&w), ERR_OK);
    clean_world_check(&w, 20000);
    assert_int_equal(clean_world_names(&w).cleaned, 0);
    fixture_end(&w.f);
}

static void
tasks_run(void)
{
    struct store_task *t;
    struct store_worker worker = {.disk = disk_mem_port(w.f.disk, CLEAN_PORT), .map = &w.map};
    while ((t = store_task_take(w.f.store[0]))) {
        store_task_run(&worker, t);
        store_task_done(w.f.store[0], t);
    }
}

/* Checkpoints know what is unfinished. */
static void
an_error_within_a_swap_does_not_hold_the_journal(void **state)
{
    (void)state;
    begin(6, 200);
    struct store_task *t = clean_world_run(&w, 5000);
    disk_mem_fail(w.f.disk, CLEAN_SUFFIX_END, DISK_RENAME, ERR_IO);
    store_task_done(w.f.store[0], t);
    assert_int_equal(fixture_turns(&w.f, 1000), ERR_OK);
    assert_int_equal(w.log->state, PLOG_OFFLINE);
    tasks_run();
    assert_int_equal(w.f.store[0]->frozen, 0);
    disk_mem_fail(w.f.disk, NULL, DISK_RENAME, ERR_OK);
    struct plog *other = fixture_log(&w.f, 2, 0);
    for (int i = 0; i < 12; i++) { /* more than the ring holds */
        for (uint64_t n = 0; n < 10; n++)
            fixture_append(&w.f, other, 1, 3000, n, 1000);
        assert_int_equal(fixture_checkpoint(&w.f), ERR_OK);
    }
    fixture_kill(&w.f);
    disk_mem_restart(w.f.disk);
    assert_int_equal(clean_world_start(&w), ERR_OK);
    assert_int_equal(w.log->unfinished.limit, 0);
    clean_world_check(&w, 20000);
    assert_int_equal(clean_world_names(&w).cleaned, 0);
    fixture_end(&w.f);
}

/* Wherever the power goes, a start without the directory leaves it for one that has it. */
static void
a_swap_is_finished_when_its_directory_is_back(void **state)
{
    (void)state;
    static const uint8_t two[] = {0, 1}, without[] = {0, UINT8_MAX};
    uint32_t unfinished = 0;
    bool ended = false;
    for (uint64_t k = 0; !ended; k++) {
        srandom((unsigned)k);
        clean_world_init(&w, 200 + k % 7);
        disk_mem_dirs(w.f.disk, two, 2);
        assert_int_equal(fixture_start(&w.f), ERR_OK);
        assert_int_equal(fixture_log(&w.f, 2, 0)->dir, 0);
        w.log = fixture_log(&w.f, 1, 0);
        assert_int_equal(w.log->dir, 1);
        clean_world_append(&w, 150);
        assert_int_equal(fixture_checkpoint(&w.f), ERR_OK);
        disk_mem_cut_after(w.f.disk, k);
        ended = clean_world_clean(&w, 5000);
        disk_mem_cut_after(w.f.disk, 0);
        fixture_turns(&w.f, 3);
        for (int start = 0; start < 3; start++) {
            fixture_kill(&w.f);
            disk_mem_restart(w.f.disk);
            disk_mem_cut_after(w.f.disk, UINT64_MAX);
            disk_mem_dirs(w.f.disk, start < 2 ? without : two, 2);
            assert_int_equal(clean_world_start(&w), ERR_OK);
            unfinished += w.log->unfinished.limit > 0;
        }
        assert_int_equal(w.log->unfinished.limit, 0);
        clean_world_check(&w, 20000);
        fixture_end(&w.f);
    }
    assert_true(unfinished > 10);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cleaned_log_has_the_last_record_of_each_key_and_is_read_without_gaps),
        cmocka_unit_test(times_are_found_in_a_cleaned_log),
        cmocka_unit_test(the_power_may_go_at_every_operation),
        cmocka_unit_test(a_crash_after_several_swaps_without_a_checkpoint_loses_nothing),
        cmocka_unit_test(a_crash_after_large_batches_were_compacted_loses_nothing),
        cmocka_unit_test(a_crash_after_the_last_batches_were_compacted_loses_nothing),
        cmocka_unit_test(a_crash_after_a_compacted_log_was_deleted_does_not_stop_the_start),
        cmocka_unit_test(a_crash_after_a_log_made_anew_was_compacted_loses_nothing),
        cmocka_unit_test(a_crash_within_a_round_keeps_what_the_one_before_it_came_to),
        cmocka_unit_test(who_reads_a_replaced_segment_reads_on),
        cmocka_unit_test(a_log_deleted_meanwhile_does_not_take_the_result),
        cmocka_unit_test(a_log_trimmed_meanwhile_loses_its_front_afterwards),
        cmocka_unit_test(a_result_that_is_not_wanted_leaves_no_file),
        cmocka_unit_test(
            an_error_after_the_record_takes_the_log_offline_and_the_next_start_mends_it),
        cmocka_unit_test(an_error_within_a_swap_does_not_hold_the_journal),
        cmocka_unit_test(a_swap_is_finished_when_its_directory_is_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
