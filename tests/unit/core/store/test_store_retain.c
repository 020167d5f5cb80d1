#include "tests/unit/core/store/store_fixture.h"

#include <stdio.h>
#include <stdlib.h>

static void
begin(struct fixture *f, uint64_t seed)
{
    fixture_init(f, seed);
    f->config.segment_bytes = 8 << 10;
    f->config.cleanup_delete = true;
    f->config.retention_ms = f->config.retention_bytes = -1;
    f->config.file_delete_delay_ms = 1000;
    assert_int_equal(fixture_start(f), ERR_OK);
}

static struct plog *
filled(struct fixture *f, int batches)
{
    struct plog *p = fixture_log(f, 1, 0);
    for (int i = 0; i < batches; i++)
        fixture_append(f, p, 1, 900, (uint64_t)i, i);
    assert_int_equal(fixture_settle(f), ERR_OK);
    return p;
}

/* store_trim, and turns until it is durable. */
static int64_t
trim(struct fixture *f, struct plog *p, int64_t offset)
{
    struct store_trimmed t;
    assert_int_equal(store_trim(f->store[0], p, offset, &t), KERR_NONE);
    for (int n = 0; t.lsn > store_durable_lsn(f->store[0]); n++) {
        assert_int_equal(fixture_turns(f, 1), ERR_OK);
        assert_true(n < 1000);
    }
    return t.log_start_offset;
}

/* Turns over so much time that everything is in its file. */
static void
write_back(struct fixture *f)
{
    for (int n = 0; n < 100 && f->store[0]->tail.clean < f->store[0]->tail.next; n++) {
        f->now_ns += CLOCK_NS_PER_S;
        assert_int_equal(fixture_turns(f, 20), ERR_OK);
    }
    assert_int_equal(fixture_turns(f, 50), ERR_OK);
}

static bool
there(struct fixture *f, const struct plog *p, int64_t base, const char *suffix)
{
    char path[PLOG_PATH_BYTES];
    uint64_t size;
    plog_path_segment(p, base, suffix, path);
    return disk_mem_bytes(f->disk, path, &size) != NULL;
}

static void
a_start_is_seen_when_it_is_durable(void **state)
{
    (void)state;
    struct fixture f;
    struct store_trimmed t;
    struct store_range range;
    begin(&f, 1);
    struct plog *p = filled(&f, 20);
    assert_int_equal(store_trim(f.store[0], p, 5, &t), KERR_NONE);
    assert_int_equal(p->start, 0);
    assert_int_equal(t.log_start_offset, 5);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    assert_int_equal(p->start, 5);
    assert_int_equal(store_locate(f.store[0], p, 4, INT64_MAX, 100, true, &range), ERR_NOT_FOUND);
    assert_int_equal(store_locate(f.store[0], p, 5, INT64_MAX, 100, true, &range), ERR_OK);
    fixture_end(&f);
}

static void
offsets_outside_of_the_log_are_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct store_trimmed t;
    begin(&f, 1);
    struct plog *p = filled(&f, 20);
    assert_int_equal(store_trim(f.store[0], p, 21, &t), KERR_OFFSET_OUT_OF_RANGE);
    assert_int_equal(store_trim(f.store[0], p, -2, &t), KERR_OFFSET_OUT_OF_RANGE);
    assert_int_equal(trim(&f, p, -1), 20);
    assert_int_equal(trim(&f, p, 7), 20); /* never back */
    assert_int_equal(p->start, 20);
    fixture_end(&f);
}

static void
a_trim_below_one_that_is_under_way_waits_for_it(void **state)
{
    (void)state;
    struct fixture f;
    struct store_trimmed a, b;
    begin(&f, 1);
    struct plog *p = filled(&f, 20);
    assert_int_equal(store_trim(f.store[0], p, 9, &a), KERR_NONE);
    assert_int_equal(store_trim(f.store[0], p, 4, &b), KERR_NONE);
    assert_int_equal(b.lsn, a.lsn);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    assert_int_equal(p->start, 9);
    fixture_end(&f);
}

static void
files_of_dropped_segments_go_after_the_delay(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 1);
    struct plog *p = filled(&f, 40);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    uint32_t segments = p->segment_count;
    int64_t second = p->segments[1]->base;
    trim(&f, p, second);
    assert_int_equal(fixture_turns(&f, 50), ERR_OK);
    assert_int_equal(p->segment_count, segments - 1);
    assert_false(there(&f, p, 0, ".log"));
    assert_true(there(&f, p, 0, PLOG_DELETED));
    uint64_t deadline;
    assert_int_equal(store_step(f.store[0], f.now_ns, &deadline), ERR_OK);
    assert_true(deadline <= f.now_ns + CLOCK_NS_PER_S);
    f.now_ns += CLOCK_NS_PER_S;
    assert_int_equal(fixture_turns(&f, 50), ERR_OK);
    assert_false(there(&f, p, 0, PLOG_DELETED));
    assert_true(there(&f, p, second, ".log"));
    fixture_end(&f);
}

static void
a_clean_stop_leaves_no_dropped_file(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 1);
    f.config.file_delete_delay_ms = INT64_MAX;
    struct plog *p = filled(&f, 40);
    struct plog copy = *p;
    trim(&f, p, 30);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_false(there(&f, &copy, 0, ".log"));
    assert_false(there(&f, &copy, 0, PLOG_DELETED));
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_true(f.boot.clean);
    p = fixture_log(&f, 1, 0);
    assert_int_equal(p->start, 30);
    assert_int_equal(p->end, 40);
    fixture_end(&f);
}

static void
a_range_of_a_dropped_segment_is_not_found(void **state)
{
    (void)state;
    struct fixture f;
    struct store_range range;
    struct store_hold hold;
    begin(&f, 1);
    struct plog *p = filled(&f, 40);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    assert_int_equal(store_locate(f.store[0], p, 0, INT64_MAX, 100, true, &range), ERR_OK);
    trim(&f, p, 20);
    assert_int_equal(fixture_turns(&f, 50), ERR_OK);
    assert_int_equal(store_hold(f.store[0], &range, 1, &hold), ERR_NOT_FOUND);
    fixture_end(&f);
}

static void
a_segment_that_is_not_in_its_file_yet_leaves_later(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 1);
    struct plog *p = filled(&f, 40);
    assert_true(p->dirty_first);
    trim(&f, p, 40);
    assert_int_equal(fixture_turns(&f, 5), ERR_OK);
    write_back(&f);
    assert_int_equal(p->segment_count, 1);
    assert_int_equal(f.store[0]->tail.clean, f.store[0]->tail.next);
    fixture_end(&f);
}

static void
an_expired_log_is_empty_and_goes_on(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 1);
    struct plog *p = filled(&f, 40);
    p->config.retention_ms = 100;
    assert_true(store_retain(f.store[0], 10000));
    assert_int_equal(fixture_settle(&f), ERR_OK);
    write_back(&f);
    assert_int_equal(p->start, 40);
    assert_int_equal(p->segment_count, 1);
    assert_int_equal(p->bytes, 0);
    assert_int_equal(fixture_append(&f, p, 1, 10, 1, 20000), 40);
    fixture_kill(&f);
    disk_mem_reopen(f.disk);
    assert_int_equal(fixture_start(&f), ERR_OK);
    p = fixture_log(&f, 1, 0);
    assert_int_equal(p->start, 40);
    fixture_end(&f);
}

/* A checkpoint knows when its last batch came, not when those behind it did. */
static void
what_came_after_the_checkpoint_keeps_its_age_over_a_crash(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 1);
    struct plog *p = filled(&f, 2);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    fixture_append(&f, p, 1, 10, 1, 5000);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    fixture_kill(&f);
    disk_mem_reopen(f.disk);
    assert_int_equal(fixture_start(&f), ERR_OK);
    p = fixture_log(&f, 1, 0);
    assert_int_equal(p->segment_count, 1);
    p->config.retention_ms = 1000;
    assert_true(store_retain(f.store[0], 5900));
    assert_int_equal(p->start_next, 0);
    assert_true(store_retain(f.store[0], 6001));
    assert_int_equal(p->start_next, 3);
    fixture_end(&f);
}

static void
retention_by_size_takes_whole_segments(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 1);
    struct plog *p = filled(&f, 80);
    p->config.retention_bytes = 20000;
    assert_true(store_retain(f.store[0], 0));
    assert_int_equal(fixture_settle(&f), ERR_OK);
    write_back(&f);
    assert_true(p->bytes >= 20000);
    assert_true(p->bytes < 20000 + (8 << 10));
    assert_int_equal(p->start, p->segments[0]->base);
    assert_true(f.store[0]->stats.segments_dropped > 0);
    fixture_end(&f);
}

static void
a_deleted_log_takes_its_dropped_files_along(void **state)
{
    (void)state;
    struct fixture f;
    begin(&f, 1);
    f.config.file_delete_delay_ms = INT64_MAX;
    struct plog *p = filled(&f, 40);
    struct plog copy = *p;
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    trim(&f, p, 30);
    assert_int_equal(fixture_turns(&f, 50), ERR_OK);
    assert_true(there(&f, &copy, 0, PLOG_DELETED));
    store_delete(f.store[0], p);
    assert_int_equal(fixture_turns(&f, 200), ERR_OK);
    assert_false(there(&f, &copy, 0, PLOG_DELETED));
    assert_int_equal(f.store[0]->log_count, 0);
    fixture_end(&f);
}

/* Reads all from the log start on; the offset behind it. */
static int64_t
read_all(struct fixture *f, struct plog *p)
{
    static uint8_t out[64 << 10];
    struct store_range range;
    int64_t offset = p->start;
    while (offset < p->hw) {
        int64_t got = fixture_read(f, p, offset, 20000, out, &range);
        assert_true(got > 0);
        assert_true(range.offset_first <= offset);
        offset = range.offset_limit;
    }
    return offset;
}

/* Appends, trims and retention until the power goes after `cut` operations.  What was answered
 * holds: no record at or above the start is lost, and the start is not lower than answered. */
static void
one_cut(uint64_t seed, uint64_t cut)
{
    struct fixture f;
    begin(&f, seed);
    struct plog *p = filled(&f, 30);
    if (seed % 2)
        assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    disk_mem_cut_after(f.disk, cut);
    int64_t start = 0, end = 30;
    for (int i = 0; i < 40 && !disk_mem_is_cut(f.disk); i++) {
        struct store_trimmed t = {0};
        struct store_appended a = {0};
        struct batch_info info;
        uint32_t bytes = fixture_batch(f.batch, 1, 900, (uint64_t)i, 100, &info);
        int put = store_append(f.store[0], p, &info, view_of(f.batch, bytes), 3, 100, &a);
        int cutting = i % 5 ? ERR_AGAIN : store_trim(f.store[0], p, p->hw - 8, &t);
        if (i == 20) {
            p->config.retention_ms = 10;
            store_retain(f.store[0], 200);
        }
        f.now_ns += CLOCK_NS_PER_S / 2;
        fixture_turns(&f, 12);
        uint64_t durable = store_durable_lsn(f.store[0]);
        if (put == KERR_NONE && a.lsn <= durable)
            end = a.base_offset + 1;
        if (cutting == KERR_NONE && t.lsn <= durable)
            start = t.log_start_offset;
        if (i % 7 == 0 && f.store[0]->ckpt.phase == CKPT_IDLE)
            store_ckpt_begin(f.store[0], false);
    }
    disk_mem_cut_after(f.disk, 0);
    fixture_kill(&f);
    for (int again = 0; again < 2; again++) {
        disk_mem_restart(f.disk);
        disk_mem_cut_after(f.disk, again ? UINT64_MAX : seed % 40);
        int rc = fixture_start(&f);
        if (rc == ERR_OK && again)
            break;
        fixture_kill(&f);
    }
    p = fixture_log(&f, 1, 0);
    assert_true(p->start >= start);
    assert_true(p->hw >= end);
    assert_int_equal(read_all(&f, p), p->hw);
    assert_true(p->segment_count == 0 || p->segments[0]->base <= p->start);
    for (int64_t base = 0; p->segment_count && base < p->segments[0]->base; base++) {
        assert_false(there(&f, p, base, ".log"));
        assert_false(there(&f, p, base, PLOG_DELETED));
    }
    fixture_append(&f, p, 1, 900, 1, 1);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    fixture_end(&f);
}

static void
starts_and_records_survive_whenever_the_power_goes(void **state)
{
    (void)state;
    const char *env = getenv("STORE_SEED");
    for (uint64_t seed = env ? strtoull(env, NULL, 10) : 0; seed < 200; seed++) {
        if (env)
            printf("seed %llu\n", (unsigned long long)seed);
        one_cut(seed, 1 + seed * 2 % 260);
        if (env)
            return;
    }
}

/* As when its directory failed and its records were rescued: it pins nothing, and is not waited
 * for. */
static void
segments_of_an_offline_log_do_not_hold_up_a_stop(void **state)
{
    (void)state;
    struct fixture f;
    struct store_trimmed t;
    begin(&f, 12);
    struct plog *p = filled(&f, 40);
    write_back(&f);
    assert_int_equal(store_trim(f.store[0], p, 30, &t), KERR_NONE);
    store_offline(f.store[0], p, ERR_IO, "a test");
    assert_int_equal(fixture_settle(&f), ERR_OK);
    assert_int_equal(p->start, 30);
    assert_int_equal(fixture_turns(&f, 100), ERR_OK);
    assert_true(store_retain_quiet(f.store[0])); /* a stop waits for that */
    assert_int_equal(fixture_stop(&f), ERR_IO);
    assert_int_equal(fixture_start(&f), ERR_OK);
    p = fixture_log(&f, 1, 0);
    assert_int_equal(p->start, 30);
    write_back(&f);
    assert_true(p->segments[0]->base > 0);
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_start_is_seen_when_it_is_durable),
        cmocka_unit_test(offsets_outside_of_the_log_are_refused),
        cmocka_unit_test(a_trim_below_one_that_is_under_way_waits_for_it),
        cmocka_unit_test(files_of_dropped_segments_go_after_the_delay),
        cmocka_unit_test(a_clean_stop_leaves_no_dropped_file),
        cmocka_unit_test(a_range_of_a_dropped_segment_is_not_found),
        cmocka_unit_test(a_segment_that_is_not_in_its_file_yet_leaves_later),
        cmocka_unit_test(an_expired_log_is_empty_and_goes_on),
        cmocka_unit_test(what_came_after_the_checkpoint_keeps_its_age_over_a_crash),
        cmocka_unit_test(retention_by_size_takes_whole_segments),
        cmocka_unit_test(a_deleted_log_takes_its_dropped_files_along),
        cmocka_unit_test(segments_of_an_offline_log_do_not_hold_up_a_stop),
        cmocka_unit_test(starts_and_records_survive_whenever_the_power_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
