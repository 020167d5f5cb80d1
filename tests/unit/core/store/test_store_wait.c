#include "tests/unit/core/store/cold_fixture.h"

static void
a_waiter_comes_back_when_its_read_ended(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = cold_log(&f, 4);
    struct store_range range;
    struct store_hold hold;
    uint64_t waiter;
    while (store_locate(f.store[0], p, 50, INT64_MAX, 4000, true, &range) == ERR_AGAIN)
        fixture_turns(&f, 1);
    for (int i = 0; i < 4; i++)
        f.store[0]->buffers[i].state = READ_FREE;
    while (store_take_read(f.store[0], &waiter))
        ;
    assert_int_equal(store_hold(f.store[0], &range, 1234, &hold), ERR_AGAIN);
    assert_false(store_take_read(f.store[0], &waiter));
    fixture_turns(&f, 20);
    assert_true(store_take_read(f.store[0], &waiter));
    assert_int_equal(waiter, 1234);
    assert_int_equal(store_hold(f.store[0], &range, 1234, &hold), ERR_OK);
    store_release(f.store[0], &hold);
    fixture_end(&f);
}

static void
a_log_that_was_refused_a_read_is_called_and_none_reads_ahead_of_it(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p[3], *called;
    cold_two(&f, 11, p);
    struct store *s = f.store[0];
    struct store_range range;
    struct store_hold hold;
    while (store_locate(s, p[0], 0, INT64_MAX, 1600000, true, &range) == ERR_AGAIN)
        fixture_turns(&f, 1);
    cold_forget(&f);
    fixture_append(&f, p[2], 1, 100, 1, 1);
    assert_int_equal(store_hold(s, &range, 1, &hold), ERR_AGAIN);
    struct store_range other;
    assert_int_equal(store_locate(s, p[1], 0, INT64_MAX, 1600000, true, &other), ERR_AGAIN);
    assert_int_equal(store_buffers_busy(s), 1);
    bool told = false;
    for (int n = 0; n < 20 && store_buffers_busy(s); n++)
        fixture_turns(&f, 1);
    while ((called = store_take_changed(s)))
        told |= called == p[1];
    assert_true(told);
    assert_int_equal(store_hold(s, &range, 1, &hold), ERR_OK);
    assert_int_equal(store_buffers_busy(s), 0); /* it is the other's turn */
    assert_int_equal(store_locate(s, p[1], 0, INT64_MAX, 1600000, true, &other), ERR_AGAIN);
    assert_int_equal(store_buffers_busy(s), 1);
    store_release(s, &hold);
    fixture_end(&f);
}

static void
who_has_half_of_a_header_is_told_when_another_read_ends(void **state)
{
    (void)state;
    enum {
        VALUE_BYTES = 12409 /* the header of the 22nd lies across two buffers */,
        WAITER = 1234
    };
    struct fixture f;
    fixture_init(&f, 30);
    f.config.segment_bytes = 4 << 20;
    f.read_buffers = 8;
    assert_int_equal(fixture_start(&f), ERR_OK);
    for (int i = 0; i < 60; i++)
        for (int n = 0; n < 2; n++)
            fixture_append(&f, fixture_log(&f, 1, n), 1, VALUE_BYTES, (uint64_t)i, i);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct store *s = f.store[0];
    struct store_range range[2];
    struct store_hold hold;
    for (int n = 0; n < 2; n++)
        while (store_locate(s, fixture_log(&f, 1, n), 0, INT64_MAX, 600000, true, &range[n]) ==
               ERR_AGAIN)
            fixture_turns(&f, 1);
    cold_forget(&f);
    cold_hold(&f, &range[0], &hold);
    store_release(s, &hold);
    assert_in_range(STORE_READ_BYTES - range[0].at, 1, BATCH_HEADER_BYTES - 1);
    while (store_buffers_busy(s))
        fixture_turns(&f, 1);
    for (uint32_t i = 0; i < s->config.read_buffers; i++)
        if (s->buffers[i].pos > 0)
            s->buffers[i].state = READ_FREE;
    fixture_append(&f, fixture_log(&f, 1, 2), 1, 100, 1, 1);
    assert_int_equal(store_hold(s, &range[1], 1, &hold), ERR_AGAIN);
    assert_int_equal(store_buffers_busy(s), STORE_READS_BESIDE); /* no more now */
    assert_int_equal(store_hold(s, &range[0], WAITER, &hold), ERR_AGAIN);
    bool told = false;
    uint64_t waiter;
    for (int n = 0; n < 100 && !told; n++) {
        fixture_turns(&f, 1);
        while (store_take_read(s, &waiter))
            told = told || waiter == WAITER;
    }
    assert_true(told);
    fixture_end(&f);
}

static void
a_log_that_is_called_and_does_not_come_keeps_no_other_waiting(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p[3];
    cold_two(&f, 12, p);
    struct store *s = f.store[0];
    struct store_range range, other;
    struct store_hold hold;
    while (store_locate(s, p[0], 0, INT64_MAX, 1600000, true, &range) == ERR_AGAIN)
        fixture_turns(&f, 1);
    fixture_turns(&f, 20);
    cold_forget(&f);
    fixture_append(&f, p[2], 1, 100, 1, 1);
    assert_int_equal(store_hold(s, &range, 1, &hold), ERR_AGAIN);
    assert_int_equal(store_buffers_busy(s), STORE_READS_BESIDE);
    assert_int_equal(store_locate(s, p[0], 139, INT64_MAX, 1, true, &other), ERR_AGAIN);
    assert_int_equal(store_locate(s, p[1], 0, INT64_MAX, 1, true, &other), ERR_AGAIN);
    bool told = false;
    for (int n = 0; n < 20 && !told; n++) { /* whoever asked for p[0] has gone */
        fixture_turns(&f, 1);
        for (const struct plog *called; (called = store_take_changed(s));)
            told = told || called == p[1];
    }
    assert_true(told);
    fixture_end(&f);
}

/* Takes all jobs that a read may take, for nothing; one of them. */
static struct job *
jobs_take(struct store *s)
{
    struct job *j = NULL;
    while (store_job_room(s))
        j = store_job(s, JOB_CLOSE, NULL, NULL);
    assert_non_null(j);
    return j;
}

static void
a_reader_that_was_refused_for_want_of_jobs_is_told_when_one_ends(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = cold_log(&f, 13);
    struct store *s = f.store[0];
    struct store_range range;
    struct store_hold hold;
    uint64_t waiter;
    while (store_locate(s, p, 50, INT64_MAX, 4000, true, &range) == ERR_AGAIN)
        fixture_turns(&f, 1);
    cold_forget(&f);
    while (store_take_read(s, &waiter))
        ;
    struct job *j = jobs_take(s);
    assert_int_equal(store_hold(s, &range, 1234, &hold), ERR_AGAIN);
    assert_int_equal(store_buffers_busy(s), 0); /* no read will end */
    assert_false(store_take_read(s, &waiter));
    store_job_end(s, j);
    assert_true(store_take_read(s, &waiter));
    assert_int_equal(waiter, 1234);
    fixture_kill(&f);
    fixture_end(&f);
}

static void
a_log_whose_index_was_refused_for_want_of_jobs_is_called_when_one_ends(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = cold_log(&f, 14);
    struct store *s = f.store[0];
    struct store_range range;
    while (store_take_changed(s))
        ;
    struct job *j = jobs_take(s);
    assert_int_equal(store_locate(s, p, 50, INT64_MAX, 4000, true, &range), ERR_AGAIN);
    assert_null(store_take_changed(s));
    store_job_end(s, j);
    assert_ptr_equal(store_take_changed(s), p);
    assert_int_equal(store_locate(s, p, 50, INT64_MAX, 4000, true, &range), ERR_AGAIN);
    assert_true(p->jobs > 0);
    fixture_kill(&f);
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_waiter_comes_back_when_its_read_ended),
        cmocka_unit_test(a_log_that_was_refused_a_read_is_called_and_none_reads_ahead_of_it),
        cmocka_unit_test(who_has_half_of_a_header_is_told_when_another_read_ends),
        cmocka_unit_test(a_log_that_is_called_and_does_not_come_keeps_no_other_waiting),
        cmocka_unit_test(a_reader_that_was_refused_for_want_of_jobs_is_told_when_one_ends),
        cmocka_unit_test(a_log_whose_index_was_refused_for_want_of_jobs_is_called_when_one_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
