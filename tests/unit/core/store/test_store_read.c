#include "tests/unit/core/store/store_fixture.h"

static uint8_t hot[512 << 10], cold[512 << 10];

static struct plog *
filled(struct fixture *f, uint64_t seed, int count)
{
    fixture_init(f, seed);
    f->cache_bytes = 1 << 20;
    assert_int_equal(fixture_start(f), ERR_OK);
    struct plog *p = fixture_log(f, 1, 0);
    for (int i = 0; i < count; i++)
        fixture_append(f, p, 1 + i % 3, 100 + (uint32_t)i * 7, (uint64_t)i, i);
    assert_int_equal(fixture_settle(f), ERR_OK);
    return p;
}

static uint32_t
read_all(struct fixture *f, struct plog *p, uint8_t *out, uint32_t bytes_max)
{
    uint32_t fill = 0;
    for (int64_t offset = 0; offset < p->hw;) {
        struct store_range range;
        int64_t got = fixture_read(f, p, offset, bytes_max, out + fill, &range);
        assert_true(got > 0);
        assert_true(range.offset_limit > offset);
        fill += (uint32_t)got;
        offset = range.offset_limit;
    }
    return fill;
}

static void
cold_reads_equal_reads_of_the_tail(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 3000, 10000, 1 << 20};
    for (int i = 0; i < 4; i++) {
        struct fixture f;
        struct plog *p = filled(&f, 1, 150);
        uint32_t n = read_all(&f, p, hot, sizes[i]);
        struct store_stats stats;
        store_stats(f.store[0], &stats);
        assert_int_equal(stats.cold_reads, 0);
        assert_int_equal(fixture_stop(&f), ERR_OK);
        assert_int_equal(fixture_start(&f), ERR_OK);
        p = fixture_log(&f, 1, 0);
        assert_int_equal(read_all(&f, p, cold, sizes[i]), n);
        assert_memory_equal(hot, cold, n);
        store_stats(f.store[0], &stats);
        assert_int_equal(stats.cache_reads, 0);
        fixture_end(&f);
    }
}

static void
every_offset_gives_the_batch_that_holds_it(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) {
        struct fixture f;
        struct plog *p = filled(&f, 2, 60);
        if (round == 1) {
            assert_int_equal(fixture_stop(&f), ERR_OK);
            assert_int_equal(fixture_start(&f), ERR_OK);
            p = fixture_log(&f, 1, 0);
        }
        for (int64_t offset = 0; offset < p->hw; offset++) {
            struct store_range range;
            struct batch_info info;
            int64_t got = fixture_read(&f, p, offset, 1, hot, &range);
            assert_int_equal(batch_header(view_of(hot, (uint32_t)got), &info), ERR_OK);
            assert_int_equal(info.bytes, got); /* one whole batch, though larger than bytes_max */
            assert_in_range(offset, info.base_offset, info.base_offset + info.last_offset_delta);
            assert_int_equal(range.offset_first, info.base_offset);
        }
        fixture_end(&f);
    }
}

static void
bytes_max_and_the_offset_limit_are_kept(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = filled(&f, 3, 60);
    struct store_range range;
    assert_int_equal(store_locate(f.store[0], p, 0, INT64_MAX, 10, false, &range), ERR_OK);
    assert_int_equal(range.len, 0);
    assert_int_equal(store_locate(f.store[0], p, 0, INT64_MAX, 5000, false, &range), ERR_OK);
    assert_in_range(range.len, 1, 5000);
    for (int64_t limit = 0; limit < p->hw; limit++) {
        assert_int_equal(store_locate(f.store[0], p, 0, limit, 1 << 20, true, &range), ERR_OK);
        assert_true(range.offset_limit <= limit);
        assert_true(limit < 3 || range.len > 0);
    }
    fixture_end(&f);
}

static void
offsets_outside_the_log_are_not_found(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = filled(&f, 4, 10);
    struct store_range range;
    assert_int_equal(store_locate(f.store[0], p, -1, INT64_MAX, 10, true, &range), ERR_NOT_FOUND);
    assert_int_equal(store_locate(f.store[0], p, p->end + 1, INT64_MAX, 10, true, &range),
                     ERR_NOT_FOUND);
    assert_int_equal(store_locate(f.store[0], p, p->end, INT64_MAX, 10, true, &range), ERR_OK);
    assert_int_equal(range.len, 0);
    fixture_end(&f);
}

static void
what_is_not_durable_is_not_shown(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = filled(&f, 5, 10);
    struct store_range range;
    int64_t end = p->end;
    fixture_append(&f, p, 1, 100, 1, 1);
    assert_int_equal(store_locate(f.store[0], p, end, INT64_MAX, 1000, true, &range), ERR_OK);
    assert_int_equal(range.len, 0);
    fixture_end(&f);
}

static void
a_held_range_keeps_its_bytes_while_the_cache_goes_round(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 6);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    struct store_range range;
    struct store_hold hold;
    fixture_append(&f, p, 1, 1000, 1, 1);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    assert_int_equal(store_locate(f.store[0], p, 0, INT64_MAX, 10000, true, &range), ERR_OK);
    assert_int_equal(store_hold(f.store[0], &range, 1, &hold), ERR_OK);
    memcpy(hot, hold.spans[0].at, hold.spans[0].len);
    struct batch_info info;
    fixture_batch(f.batch, 1, 3000, 2, 2, &info);
    uint64_t taken = 0;
    for (int i = 0; i < 300; i++) {
        struct store_appended out;
        if (store_append(f.store[0], p, &info, view_of(f.batch, info.bytes), 3, 1, &out) == ERR_OK)
            taken += info.bytes;
        fixture_turns(&f, 2);
        if (i % 20 == 0)
            f.now_ns += 2 * CLOCK_NS_PER_S;
        assert_memory_equal(hot, hold.spans[0].at, hold.spans[0].len);
    }
    assert_true(taken > 3 * f.cache_bytes);
    store_release(f.store[0], &hold);
    fixture_append(&f, p, 1, 3000, 3, 3);
    fixture_end(&f);
}

static void
who_does_not_wait_is_lent_what_is_in_memory_and_nothing_is_read_for_him(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 9);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0), *other = fixture_log(&f, 2, 0);
    struct store_range range;
    struct store_hold hold;
    uint64_t waiter;
    fixture_append(&f, p, 1, 1000, 1, 1);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    assert_int_equal(store_locate(f.store[0], p, 0, INT64_MAX, 10000, true, &range), ERR_OK);
    assert_int_equal(store_hold_ready(f.store[0], &range, true, &hold), ERR_OK);
    assert_int_equal(hold.bytes, range.len);
    store_release(f.store[0], &hold);
    for (int i = 0; store_entry(f.store[0], p->tail_first); i++) { /* until the cache forgets it */
        assert_true(i < 1000);
        fixture_append(&f, other, 1, 900, 1, 1);
        f.now_ns += 20 * CLOCK_NS_PER_MS;
        assert_int_equal(fixture_turns(&f, 3), ERR_OK);
    }
    assert_int_equal(store_hold_ready(f.store[0], &range, true, &hold), ERR_AGAIN);
    assert_int_equal(fixture_turns(&f, 50), ERR_OK);
    assert_false(store_take_read(f.store[0], &waiter)); /* nobody waits, */
    struct store_stats stats;
    store_stats(f.store[0], &stats);
    assert_int_equal(stats.cold_reads, 0); /* and nothing was lent */
    assert_int_equal(store_hold_ready(f.store[0], &range, true, &hold), ERR_AGAIN);
    assert_int_equal(store_hold(f.store[0], &range, 1, &hold), ERR_AGAIN);
    assert_true(store_reads_wait(f.store[0]));
    assert_int_equal(store_hold_ready(f.store[0], &range, true, &hold), ERR_AGAIN); /* on its way */
    assert_int_equal(fixture_turns(&f, 50), ERR_OK);
    assert_false(store_reads_wait(f.store[0]));
    assert_int_equal(store_hold_ready(f.store[0], &range, false, &hold), ERR_AGAIN);
    assert_int_equal(store_hold_ready(f.store[0], &range, true, &hold), ERR_OK);
    assert_int_equal(hold.bytes, range.len);
    store_release(f.store[0], &hold);
    store_stats(f.store[0], &stats);
    assert_int_equal(stats.cold_reads, 1);
    fixture_end(&f);
}

/* Ranges of two logs in four read buffers: what was read is lent from two of them at most. */
static void
who_does_not_wait_gets_no_more_than_half_of_the_read_buffers(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 17);
    f.read_buffers = 4;
    assert_int_equal(fixture_start(&f), ERR_OK);
    for (int32_t i = 0; i < 4; i++)
        fixture_append(&f, fixture_log(&f, 1, i), 1, 1000, 1, 1);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct store_range range[4];
    struct store_hold hold[5];
    for (int32_t i = 0; i < 4; i++) {
        struct plog *p = fixture_log(&f, 1, i);
        while (store_locate(f.store[0], p, 0, INT64_MAX, 10000, true, &range[i]) == ERR_AGAIN)
            assert_int_equal(fixture_turns(&f, 1), ERR_OK);
        int rc = store_hold_ready(f.store[0], &range[i], true, &hold[i]);
        assert_int_equal(rc, i < 2 ? ERR_OK : ERR_AGAIN);
    }
    assert_int_equal(store_hold_ready(f.store[0], &range[0], true, &hold[4]),
                     ERR_OK); /* lent already */
    assert_int_equal(store_hold(f.store[0], &range[2], 1, &hold[2]), ERR_OK);
    assert_int_equal(store_hold(f.store[0], &range[3], 1, &hold[3]), ERR_OK);
    for (int32_t i = 0; i < 5; i++)
        store_release(f.store[0], &hold[i]);
    assert_int_equal(store_hold_ready(f.store[0], &range[3], true, &hold[3]), ERR_OK);
    store_release(f.store[0], &hold[3]);
    fixture_end(&f);
}

static void
what_lies_between_two_batches_that_are_held_is_free(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 16);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0), *other = fixture_log(&f, 1, 1);
    struct store_range range;
    struct store_hold hold;
    fixture_append(&f, p, 1, 1000, 1, 1);
    for (int i = 0; i < 22; i++)
        fixture_append(&f, other, 1, 10000, 2, 2);
    fixture_append(&f, p, 1, 1000, 3, 3);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    assert_int_equal(store_locate(f.store[0], p, 0, INT64_MAX, 10000, true, &range), ERR_OK);
    assert_int_equal(store_hold(f.store[0], &range, 1, &hold), ERR_OK);
    assert_int_equal(hold.span_count, 2);
    assert_true((uint64_t)(hold.spans[1].at - hold.spans[0].at) > f.cache_bytes / 4 * 3);
    assert_false(store_lent_short(f.store[0]));
    store_release(f.store[0], &hold);
    fixture_end(&f);
}

/* Four buffers: two were read for one reader, then two for another.  When the first comes back its
 * buffer is the one unused longest, and what comes behind is to be read ahead. */
static void
reading_ahead_never_takes_the_buffer_that_is_lent(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 7);
    f.read_buffers = 4;
    f.config.segment_bytes = 2 << 20;
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    for (int i = 0; i < 60; i++)
        fixture_append(&f, p, 1, 30000, (uint64_t)i, i);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    struct store_range near = {.log = p,
                               .log_serial = p->serial,
                               .segment_serial = p->segments[0]->serial,
                               .len = 1000000};
    struct store_range far = near;
    far.at = 1000000;
    far.len = 500000;
    struct store_hold hold;
    assert_int_equal(store_hold(f.store[0], &near, 1, &hold), ERR_AGAIN);
    assert_int_equal(fixture_turns(&f, 50), ERR_OK);
    assert_int_equal(store_hold(f.store[0], &far, 2, &hold), ERR_AGAIN);
    assert_int_equal(fixture_turns(&f, 50), ERR_OK);
    assert_int_equal(store_hold(f.store[0], &near, 1, &hold), ERR_OK);
    assert_int_equal(((const struct read_buffer *)hold.pin)->state, READ_READY);
    store_release(f.store[0], &hold);
    fixture_end(&f);
}

static void
what_an_offline_log_has_only_in_the_journal_is_an_error(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 8);
    f.journal_bytes = 4 << 20;
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0), *other = fixture_log(&f, 2, 0);
    fixture_append(&f, p, 1, 900, 1, 1);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    struct store_range range;
    struct store_hold hold;
    int64_t offset, ms;
    assert_int_equal(store_locate(f.store[0], p, 0, INT64_MAX, 900, true, &range), ERR_OK);
    store_offline(f.store[0], p, ERR_IO, "a write");
    for (int i = 0; store_entry(f.store[0], p->tail_first); i++) { /* until the cache forgets it */
        assert_true(i < 1000);
        fixture_append(&f, other, 1, 900, 1, 1);
        assert_int_equal(fixture_turns(&f, 3), ERR_OK);
    }
    assert_int_equal(store_hold(f.store[0], &range, 1, &hold), ERR_IO);
    assert_int_equal(store_find_time(f.store[0], p, 0, 1, &offset, &ms), ERR_IO);
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cold_reads_equal_reads_of_the_tail),
        cmocka_unit_test(every_offset_gives_the_batch_that_holds_it),
        cmocka_unit_test(bytes_max_and_the_offset_limit_are_kept),
        cmocka_unit_test(offsets_outside_the_log_are_not_found),
        cmocka_unit_test(what_is_not_durable_is_not_shown),
        cmocka_unit_test(what_lies_between_two_batches_that_are_held_is_free),
        cmocka_unit_test(a_held_range_keeps_its_bytes_while_the_cache_goes_round),
        cmocka_unit_test(who_does_not_wait_is_lent_what_is_in_memory_and_nothing_is_read_for_him),
        cmocka_unit_test(who_does_not_wait_gets_no_more_than_half_of_the_read_buffers),
        cmocka_unit_test(what_an_offline_log_has_only_in_the_journal_is_an_error),
        cmocka_unit_test(reading_ahead_never_takes_the_buffer_that_is_lent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
