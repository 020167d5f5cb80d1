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
end_task(struct store_task *t)
{
    store_task_done(w.f.store[0], t);
    assert_int_equal(fixture_turns(&w.f, 500), ERR_OK);
    assert_null(w.log->task);
}

static void
a_map_that_is_full_ends_the_round_early_and_the_next_goes_on(void **state)
{
    (void)state;
    begin(1, 200);
    w.map.limit = 10;
    int64_t to = 0;
    uint32_t rounds = 0;
    while (clean_world_clean(&w, 5000)) {
        assert_true(w.log->clean_to > to);
        to = w.log->clean_to;
        rounds++;
        clean_world_check(&w, 20000);
    }
    assert_true(rounds > 3);
    assert_int_equal(to, plog_last(w.log)->base);
    fixture_end(&w.f);
}

static void
a_map_too_small_for_one_batch_stops_the_log_only(void **state)
{
    (void)state;
    begin(2, 200);
    w.map.limit = 0;
    struct store_task *t = clean_world_run(&w, 5000);
    assert_int_equal(t->result, ERR_FULL);
    end_task(t);
    assert_true(w.log->clean_failed);
    assert_false(clean_world_clean(&w, 5000));
    clean_world_check(&w, 20000);
    assert_int_equal(clean_world_names(&w).cleaned, 0);
    fixture_end(&w.f);
}

static void
damage_is_found_and_nothing_is_put_in_place(void **state)
{
    (void)state;
    begin(3, 200);
    char path[PLOG_PATH_BYTES];
    uint64_t size;
    plog_path_segment(w.log, w.log->segments[1]->base, ".log", path);
    uint8_t *bytes = disk_mem_bytes(w.f.disk, path, &size);
    bytes[size / 2] ^= 4;
    struct store_task *t = clean_world_run(&w, 5000);
    assert_int_equal(t->result, ERR_CORRUPT);
    end_task(t);
    assert_int_equal(clean_world_names(&w).cleaned, 0);
    assert_int_equal(w.log->state, PLOG_ONLINE);
    assert_int_equal(w.log->clean_to, 0);
    fixture_end(&w.f);
}

static void
a_full_disk_ends_the_round_and_a_later_one_succeeds(void **state)
{
    (void)state;
    begin(4, 200);
    disk_mem_fail(w.f.disk, CLEAN_SUFFIX_END, DISK_WRITE, ERR_NO_SPACE);
    struct store_task *t = clean_world_run(&w, 5000);
    assert_int_equal(t->result, ERR_NO_SPACE);
    end_task(t);
    assert_int_equal(clean_world_names(&w).cleaned, 0);
    disk_mem_fail(w.f.disk, NULL, DISK_WRITE, ERR_OK);
    w.f.now_ns += CLOCK_NS_PER_S;
    fixture_turns(&w.f, 10);
    assert_true(clean_world_clean(&w, 5000));
    clean_world_check(&w, 20000);
    fixture_end(&w.f);
}

static void
a_cancelled_round_leaves_no_file(void **state)
{
    (void)state;
    begin(5, 200);
    struct store *s = w.f.store[0];
    while (!store_clean(s, 5000))
        ;
    struct store_task *t = store_task_take(s);
    struct store_worker worker = {.disk = disk_mem_port(w.f.disk, CLEAN_PORT), .map = &w.map};
    atomic_store(&t->cancel, true);
    store_task_run(&worker, t);
    assert_int_equal(t->result, ERR_CLOSED);
    end_task(t);
    assert_int_equal(clean_world_names(&w).cleaned, 0);
    assert_false(w.log->clean_failed);
    fixture_end(&w.f);
}

/* A batch larger than what is read at once. */
static void
large_batches_are_read_whole(void **state)
{
    (void)state;
    clean_world_init(&w, 6);
    w.f.cache_bytes = 16 << 20;
    w.f.journal_bytes = 32 << 20;
    w.f.config.segment_bytes = 2 << 20;
    assert_int_equal(clean_world_start(&w), ERR_OK);
    enum { BIG = 1500000 };
    static uint8_t bytes[BIG + 1000], value[BIG];
    static const uint8_t no_headers[1] = {0};
    for (int i = 0; i < 6; i++) {
        struct batch_build b;
        struct view batch;
        struct batch_info info;
        struct store_appended out;
        struct batch_template form = {.producer_id = -1, .last_offset_delta = -1};
        struct batch_record one = {.key = view_of_text(i % 2 ? "odd" : "even"),
                                   .value = view_of(value, BIG),
                                   .headers = view_of(no_headers, 1)};
        memset(value, i, BIG);
        assert_int_equal(batch_build_begin(&b, &form, bytes, sizeof bytes), ERR_OK);
        assert_int_equal(batch_build_add(&b, &one), ERR_OK);
        assert_int_equal(batch_build_end(&b, &batch), ERR_OK);
        assert_int_equal(batch_header(batch, &info), ERR_OK);
        info.found_timestamp_ms = info.max_timestamp_ms;
        assert_int_equal(store_append(w.f.store[0], w.log, &info, batch, 1, 0, &out), KERR_NONE);
        assert_int_equal(fixture_settle(&w.f), ERR_OK);
    }
    assert_int_equal(fixture_checkpoint(&w.f), ERR_OK);
    assert_true(clean_world_clean(&w, 5000));
    struct store_stats st;
    store_stats(w.f.store[0], &st);
    assert_int_equal(st.clean_records, 5); /* the sixth is in the active segment */
    assert_int_equal(st.clean_records_dropped, 3);
    fixture_end(&w.f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_map_that_is_full_ends_the_round_early_and_the_next_goes_on),
        cmocka_unit_test(a_map_too_small_for_one_batch_stops_the_log_only),
        cmocka_unit_test(damage_is_found_and_nothing_is_put_in_place),
        cmocka_unit_test(a_full_disk_ends_the_round_and_a_later_one_succeeds),
        cmocka_unit_test(a_cancelled_round_leaves_no_file),
        cmocka_unit_test(large_batches_are_read_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
