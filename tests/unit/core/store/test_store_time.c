#include "tests/unit/core/store/store_fixture.h"

enum { BATCHES = 120, RECORDS = 3 };

static int64_t times[BATCHES * RECORDS];

/* Batches with times that mostly grow; some fall back. */
static struct plog *
timed(struct fixture *f, uint32_t value_bytes)
{
    fixture_init(f, 1);
    f->cache_bytes = 2 << 20;
    f->journal_bytes = 2 << 20;
    f->config.segment_bytes = value_bytes * RECORDS * 40;
    assert_int_equal(fixture_start(f), ERR_OK);
    struct plog *p = fixture_log(f, 1, 0);
    for (int i = 0; i < BATCHES; i++) {
        int64_t time = 1000 + i * 10 - (i % 7 == 3 ? 95 : 0);
        for (int k = 0; k < RECORDS; k++)
            times[i * RECORDS + k] = time + k;
        fixture_append(f, p, RECORDS, value_bytes, (uint64_t)i, time);
    }
    assert_int_equal(fixture_settle(f), ERR_OK);
    return p;
}

static int
find(struct fixture *f, struct plog *p, int64_t time, int64_t *offset, int64_t *at)
{
    int rc;
    for (int n = 0; (rc = store_find_time(f->store[0], p, time, 5, offset, at)) == ERR_AGAIN; n++) {
        uint64_t waiter;
        assert_int_equal(fixture_turns(f, 1), ERR_OK);
        while (store_take_read(f->store[0], &waiter))
            assert_int_equal(waiter, 5);
        assert_true(n < 10000);
    }
    return rc;
}

static void
compare(struct fixture *f, struct plog *p)
{
    int64_t offset, at;
    for (int64_t time = 880; time < 1000 + BATCHES * 10 + 20; time += 3) {
        int64_t want = -1;
        for (int i = BATCHES * RECORDS; i-- > 0;)
            want = times[i] >= time ? i : want;
        assert_int_equal(find(f, p, time, &offset, &at), ERR_OK);
        assert_int_equal(offset, want);
        assert_int_equal(at, want < 0 ? -1 : times[want]);
    }
    int64_t most = 0;
    for (int i = 0; i < BATCHES * RECORDS; i++)
        most = times[i] > times[most] ? i : most;
    assert_int_equal(find(f, p, STORE_TIME_MAX, &offset, &at), ERR_OK);
    assert_int_equal(offset, most);
    assert_int_equal(at, times[most]);
}

static void
times_in_the_tail_equal_a_search_of_all_records(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = timed(&f, 300);
    assert_true(p->segment_count > 2);
    compare(&f, p);
    fixture_end(&f);
}

static void
times_in_files_equal_a_search_of_all_records(void **state)
{
    (void)state;
    struct fixture f;
    timed(&f, 300);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_int_equal(fixture_start(&f), ERR_OK);
    compare(&f, fixture_log(&f, 1, 0));
    fixture_end(&f);
}

static void
a_batch_larger_than_a_read_buffer_is_searched_too(void **state)
{
    (void)state;
    struct fixture f;
    int64_t offset, at;
    fixture_init(&f, 2);
    f.cache_bytes = f.journal_bytes = 4 << 20;
    f.config.segment_bytes = 16 << 20;
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    fixture_append(&f, p, 2, 100, 1, 10);
    fixture_append(&f, p, 4, 100000, 1, 100);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_int_equal(fixture_start(&f), ERR_OK);
    p = fixture_log(&f, 1, 0);
    assert_int_equal(find(&f, p, 102, &offset, &at), ERR_OK);
    assert_int_equal(offset, 4);
    assert_int_equal(at, 102);
    fixture_end(&f);
}

static void
a_search_past_deleted_records_ends_though_buffers_are_few(void **state)
{
    (void)state;
    enum { COUNT = 40, BYTES = 60000 };
    struct fixture f;
    struct store_trimmed trimmed;
    int64_t offset, at;
    fixture_init(&f, 3);
    f.cache_bytes = f.journal_bytes = 4 << 20;
    f.read_buffers = 2;
    f.config.segment_bytes = 16 << 20;
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    fixture_append(&f, p, 1, 100, 1, 1000000);
    for (int i = 1; i < COUNT; i++)
        fixture_append(&f, p, 1, BYTES, (uint64_t)i, 100 + i);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    assert_int_equal(store_trim(f.store[0], p, 1, &trimmed), KERR_NONE);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_int_equal(fixture_start(&f), ERR_OK);
    p = fixture_log(&f, 1, 0);
    assert_int_equal(find(&f, p, 5000, &offset, &at), ERR_OK);
    assert_int_equal(offset, -1);
    assert_int_equal(find(&f, p, 100 + COUNT - 1, &offset, &at), ERR_OK);
    assert_int_equal(offset, COUNT - 1);
    assert_int_equal(find(&f, p, 102, &offset, &at), ERR_OK); /* no mark of others misleads it */
    assert_int_equal(offset, 2);
    fixture_end(&f);
}

static void
an_empty_log_has_no_time(void **state)
{
    (void)state;
    struct fixture f;
    int64_t offset, at;
    fixture_init(&f, 3);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    assert_int_equal(find(&f, p, 0, &offset, &at), ERR_OK);
    assert_int_equal(offset, -1);
    assert_int_equal(find(&f, p, STORE_TIME_MAX, &offset, &at), ERR_OK);
    assert_int_equal(offset, -1);
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_in_the_tail_equal_a_search_of_all_records),
        cmocka_unit_test(times_in_files_equal_a_search_of_all_records),
        cmocka_unit_test(a_batch_larger_than_a_read_buffer_is_searched_too),
        cmocka_unit_test(a_search_past_deleted_records_ends_though_buffers_are_few),
        cmocka_unit_test(an_empty_log_has_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
