#include "tests/unit/core/store/store_fixture.h"

static const struct plog_config config = {
    .segment_bytes = 1000, .cleanup_delete = true, .retention_ms = -1, .retention_bytes = -1};

/* Segments of 10 offsets and 100 bytes each, with times 100, 200, ...; the last may be empty. */
static void
log_make(struct plog *p, uint32_t count, bool last_empty)
{
    plog_init(p);
    p->config = config;
    for (uint32_t i = 0; i < count; i++) {
        struct segment *seg = plog_roll(p, i * 10);
        assert_non_null(seg);
        if (last_empty && i + 1 == count)
            break;
        struct batch_info info = {.bytes = 100, .last_offset_delta = 9};
        assert_int_equal(plog_note(p, seg, i * 10, &info, (int32_t)i / 2, (i + 1) * 100), ERR_OK);
        seg->appended_ms = (i + 1) * 100;
        seg->written = seg->bytes;
    }
    p->hw = p->end;
}

static void
only_whole_segments_below_the_start_can_leave(void **state)
{
    (void)state;
    struct plog p;
    log_make(&p, 4, false);
    plog_start_set(&p, 9);
    assert_int_equal(plog_droppable(&p), 0);
    plog_start_set(&p, 10);
    assert_int_equal(plog_droppable(&p), 1);
    plog_start_set(&p, 40);
    assert_int_equal(plog_droppable(&p), 3); /* the last one stays */
    plog_free(&p);
}

static void
the_start_never_moves_back(void **state)
{
    (void)state;
    struct plog p;
    log_make(&p, 4, false);
    plog_start_set(&p, 25);
    plog_start_set(&p, 5);
    assert_int_equal(p.start, 25);
    plog_free(&p);
}

static void
a_detached_segment_can_be_given_back_in_its_place(void **state)
{
    (void)state;
    struct plog p;
    log_make(&p, 4, false);
    struct segment *a = plog_detach_first(&p), *b = plog_detach_first(&p);
    assert_int_equal(p.bytes, 200);
    assert_true(plog_attach(&p, b));
    assert_true(plog_attach(&p, a));
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(p.segments[i]->base, i * 10);
    assert_int_equal(p.bytes, 400);
    plog_free(&p);
}

static void
epochs_below_the_start_become_one_that_begins_there(void **state)
{
    (void)state;
    struct plog p;
    log_make(&p, 6, false); /* epochs 0 from 0, 1 from 20, 2 from 40 */
    plog_start_set(&p, 25);
    assert_int_equal(p.epoch_count, 2);
    assert_int_equal(p.epochs[0].epoch, 1);
    assert_int_equal(p.epochs[0].start, 25);
    plog_start_set(&p, 60);
    assert_int_equal(p.epoch_count, 1);
    assert_int_equal(p.epochs[0].epoch, 2);
    assert_int_equal(p.epochs[0].start, 60);
    plog_free(&p);
}

static void
retention_by_size_keeps_at_least_that_much(void **state)
{
    (void)state;
    struct plog p;
    bool roll;
    log_make(&p, 4, false);
    p.config.retention_bytes = 201;
    assert_int_equal(plog_retained(&p, 0, &roll), 10);
    p.config.retention_bytes = 200;
    assert_int_equal(plog_retained(&p, 0, &roll), 20);
    assert_false(roll);
    p.config.retention_bytes = 0;
    assert_int_equal(plog_retained(&p, 0, &roll), 40);
    assert_true(roll);
    p.config.retention_bytes = 1000;
    assert_int_equal(plog_retained(&p, 0, &roll), 0);
    plog_free(&p);
}

static void
retention_by_time_looks_at_the_largest_time_of_a_segment(void **state)
{
    (void)state;
    struct plog p;
    bool roll;
    log_make(&p, 4, false);
    p.config.retention_ms = 1000;
    assert_int_equal(plog_retained(&p, 1200, &roll), 10);
    assert_int_equal(plog_retained(&p, 1201, &roll), 20);
    assert_int_equal(plog_retained(&p, 2000, &roll), 40);
    assert_true(roll);
    plog_free(&p);
}

static void
an_empty_last_segment_is_not_rolled(void **state)
{
    (void)state;
    struct plog p;
    bool roll;
    log_make(&p, 3, true);
    p.config.retention_ms = 0;
    assert_int_equal(plog_retained(&p, 5000, &roll), 20);
    assert_false(roll);
    plog_start_set(&p, 20);
    assert_int_equal(plog_retained(&p, 5000, &roll), 20);
    plog_free(&p);
}

static void
nothing_at_or_above_the_high_watermark_goes(void **state)
{
    (void)state;
    struct plog p;
    bool roll;
    log_make(&p, 4, false);
    p.config.retention_ms = 0;
    p.hw = 15;
    assert_int_equal(plog_retained(&p, 5000, &roll), 10);
    assert_false(roll);
    plog_free(&p);
}

static void
a_time_in_the_future_counts_as_the_broker_s_own(void **state)
{
    (void)state;
    struct plog p;
    bool roll;
    log_make(&p, 2, false);
    p.config.retention_ms = 1000;
    p.segments[0]->max_ts = INT64_MAX - 5;
    assert_int_equal(plog_retained(&p, 1100, &roll), 0);
    assert_int_equal(plog_retained(&p, 1101, &roll), 10);
    /* After a restart: the first look counts. */
    p.segments[0]->appended_ms = INT64_MIN;
    assert_int_equal(plog_retained(&p, 5000, &roll), 0);
    assert_int_equal(plog_retained(&p, 6001, &roll), 20);
    plog_free(&p);
}

static void
without_cleanup_delete_nothing_goes(void **state)
{
    (void)state;
    struct plog p;
    bool roll;
    log_make(&p, 4, false);
    p.config.retention_ms = 0;
    p.config.cleanup_delete = false;
    assert_int_equal(plog_retained(&p, 5000, &roll), 0);
    plog_free(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_whole_segments_below_the_start_can_leave),
        cmocka_unit_test(the_start_never_moves_back),
        cmocka_unit_test(a_detached_segment_can_be_given_back_in_its_place),
        cmocka_unit_test(epochs_below_the_start_become_one_that_begins_there),
        cmocka_unit_test(retention_by_size_keeps_at_least_that_much),
        cmocka_unit_test(retention_by_time_looks_at_the_largest_time_of_a_segment),
        cmocka_unit_test(an_empty_last_segment_is_not_rolled),
        cmocka_unit_test(nothing_at_or_above_the_high_watermark_goes),
        cmocka_unit_test(a_time_in_the_future_counts_as_the_broker_s_own),
        cmocka_unit_test(without_cleanup_delete_nothing_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
