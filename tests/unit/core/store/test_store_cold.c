#include "tests/unit/core/store/cold_fixture.h"

static void
an_index_is_rebuilt_when_it_is_needed(void **state)
{
    (void)state;
    static uint8_t bytes[64 << 10];
    struct fixture f;
    struct plog *p = cold_log(&f, 1);
    assert_true(p->segments[0]->indexed_from > 0);
    for (int64_t offset = 0; offset < 100; offset += 7) {
        struct store_range range;
        assert_true(fixture_read(&f, p, offset, 1, bytes, &range) > 0);
        assert_int_equal(get_i64(bytes), offset);
    }
    assert_int_equal(p->segments[0]->indexed_from, 0);
    fixture_end(&f);
}

static void
a_damaged_batch_is_reported_and_never_lent(void **state)
{
    (void)state;
    static uint8_t bytes[64 << 10];
    struct fixture f;
    struct plog *p = cold_log(&f, 2);
    char path[PLOG_PATH_BYTES];
    uint64_t size;
    struct store_range range;
    plog_path_segment(p, 0, ".log", path);
    uint8_t *file = disk_mem_bytes(f.disk, path, &size);
    uint32_t batch = (uint32_t)get_u32(file + BATCH_AT_LENGTH) + BATCH_OVERHEAD;
    file[batch * 10 + 300] ^= 1;
    assert_int_equal(fixture_read(&f, p, 0, 30000, bytes, &range), batch * 10);
    assert_int_equal(fixture_read(&f, p, 10, 30000, bytes, &range), ERR_CORRUPT);
    assert_true(fixture_read(&f, p, 0, batch * 5, bytes, &range) > 0);
    fixture_end(&f);
}

static void
damage_that_was_found_is_told_when_it_is_located_and_the_rest_is_served(void **state)
{
    (void)state;
    static uint8_t bytes[64 << 10];
    struct fixture f;
    struct plog *p = cold_log(&f, 7);
    char path[PLOG_PATH_BYTES];
    uint64_t size;
    struct store_range range;
    plog_path_segment(p, 0, ".log", path);
    uint8_t *file = disk_mem_bytes(f.disk, path, &size);
    uint32_t batch = (uint32_t)get_u32(file + BATCH_AT_LENGTH) + BATCH_OVERHEAD;
    file[batch * 10 + 300] ^= 1;
    while (store_locate(f.store[0], p, 10, INT64_MAX, 1, true, &range) == ERR_AGAIN)
        fixture_turns(&f, 1);
    fixture_read(&f, p, 9, 1, bytes, &range); /* brings the damage into memory */
    assert_int_equal(fixture_read(&f, p, 0, 30000, bytes, &range), batch * 10);
    assert_int_equal(range.offset_limit, 10);
    assert_int_equal(fixture_read(&f, p, 9, 30000, bytes, &range), batch);
    assert_int_equal(fixture_read(&f, p, 10, 30000, bytes, &range), ERR_CORRUPT);
    assert_true(fixture_read(&f, p, 11, 3 * batch, bytes, &range) > 0);
    assert_int_equal(get_i64(bytes), 11);
    assert_int_equal(f.store[0]->stats.damaged, 1);
    fixture_end(&f);
}

static void
a_device_error_reaches_the_reader(void **state)
{
    (void)state;
    static uint8_t bytes[64 << 10];
    struct fixture f;
    struct plog *p = cold_log(&f, 3);
    struct store_range range;
    assert_true(fixture_read(&f, p, 0, 4000, bytes, &range) > 0);
    disk_mem_fail(f.disk, ".log", DISK_READ, ERR_IO);
    for (int i = 0; i < 4; i++)
        f.store[0]->buffers[i].state = READ_FREE;
    assert_int_equal(fixture_read(&f, p, 0, 4000, bytes, &range), ERR_IO);
    disk_mem_fail(f.disk, NULL, DISK_READ, 0);
    assert_true(fixture_read(&f, p, 0, 4000, bytes, &range) > 0);
    fixture_end(&f);
}

static void
a_long_range_is_read_ahead_and_half_of_the_buffers_are_left_to_others(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 5);
    f.config.segment_bytes = 4 << 20;
    f.read_buffers = 8;
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    for (int i = 0; i < 140; i++)
        fixture_append(&f, p, 1, 12000, (uint64_t)i, i);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_int_equal(fixture_start(&f), ERR_OK);
    p = fixture_log(&f, 1, 0);
    struct store_range range;
    while (store_locate(f.store[0], p, 0, INT64_MAX, 1600000, true, &range) == ERR_AGAIN)
        fixture_turns(&f, 1);
    for (int i = 0; i < 8; i++)
        f.store[0]->buffers[i].state = READ_FREE;
    struct store_hold hold;
    assert_true(range.len > 4 * STORE_READ_BYTES);
    assert_int_equal(store_hold(f.store[0], &range, 1, &hold), ERR_AGAIN);
    assert_int_equal(store_buffers_busy(f.store[0]), 4); /* the one needed, and three behind it */
    fixture_turns(&f, 20);
    uint32_t read = 0;
    while (store_hold(f.store[0], &range, 1, &hold) == ERR_OK) {
        read += hold.bytes;
        range.at += hold.bytes;
        range.len -= hold.bytes;
        store_release(f.store[0], &hold);
        assert_true(store_buffers_busy(f.store[0]) <= 4);
    }
    assert_true(read >= 3 * STORE_READ_BYTES); /* no wait between the pieces that were ahead */
    fixture_end(&f);
}

static void
old_data_is_read_piece_by_piece_while_records_are_appended(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p[3];
    cold_two(&f, 10, p);
    struct store_range range = {0};
    struct store_hold hold;
    while (store_locate(f.store[0], p[0], 0, INT64_MAX, 1600000, true, &range) == ERR_AGAIN)
        fixture_turns(&f, 1);
    cold_forget(&f);
    fixture_append(&f, p[2], 1, 100, 1, 1);
    assert_int_equal(store_hold(f.store[0], &range, 1, &hold), ERR_AGAIN);
    assert_int_equal(store_buffers_busy(f.store[0]), 1); /* nothing ahead */
    fixture_turns(&f, 100);                              /* appends rest */
    assert_int_equal(store_hold(f.store[0], &range, 1, &hold), ERR_OK);
    assert_int_equal(store_buffers_busy(f.store[0]), 3);
    store_release(f.store[0], &hold);
    fixture_end(&f);
}

static void
a_read_beside_appends_goes_to_the_device_in_slices(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p[3];
    cold_two(&f, 10, p);
    struct store_range range = {0};
    struct store_hold hold;
    while (store_locate(f.store[0], p[0], 0, INT64_MAX, 1600000, true, &range) == ERR_AGAIN)
        fixture_turns(&f, 1);
    for (uint64_t appends = 0; appends < 2; appends++) {
        cold_forget(&f);
        fixture_turns(&f, 100);
        uint64_t before = disk_mem_count(f.disk, DISK_READ), bytes;
        if (appends)
            fixture_append(&f, p[2], 1, 100, 1, 1);
        assert_int_equal(store_hold(f.store[0], &range, 1, &hold), ERR_AGAIN);
        do {
            if (appends) /* they go on */
                f.store[0]->append_ns = f.store[0]->now_ns + CLOCK_NS_PER_S;
            fixture_turns(&f, 1);
        } while (store_buffers_busy(f.store[0]));
        f.store[0]->append_ns = 0;
        assert_int_equal(store_hold(f.store[0], &range, 1, &hold), ERR_OK);
        uint64_t reads = disk_mem_count(f.disk, DISK_READ) - before;
        bytes = hold.bytes;
        store_release(f.store[0], &hold);
        assert_true(bytes > STORE_SLICE_BESIDE);
        assert_int_equal(reads, appends ? STORE_READ_BYTES / STORE_SLICE_BESIDE : 1 + STORE_AHEAD);
    }
    fixture_end(&f);
}

static void
reading_ahead_ends_where_the_file_ends_and_the_cache_begins(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 6);
    f.config.segment_bytes = 4 << 20;
    f.read_buffers = 8;
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    for (int i = 0; i < 25; i++)
        fixture_append(&f, p, 1, 12000, (uint64_t)i, i);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_int_equal(fixture_start(&f), ERR_OK);
    p = fixture_log(&f, 1, 0);
    for (int i = 25; i < 40; i++)
        fixture_append(&f, p, 1, 12000, (uint64_t)i, i);
    const struct segment *seg = p->segments[0];
    struct store_range range;
    while (store_locate(f.store[0], p, 0, INT64_MAX, 4 << 20, true, &range) == ERR_AGAIN)
        fixture_turns(&f, 1);
    assert_true(seg->written < seg->bytes); /* some of the range is only in the cache */
    range.len = seg->bytes;
    struct store_hold hold;
    while (range.len > 0) {
        int rc = store_hold(f.store[0], &range, 1, &hold);
        assert_true(rc == ERR_OK || rc == ERR_AGAIN);
        fixture_turns(&f, 1);
        range.at += hold.bytes;
        range.len -= hold.bytes;
        if (rc == ERR_OK)
            store_release(f.store[0], &hold);
    }
    fixture_end(&f);
}

static void
a_damaged_base_offset_is_reported_and_not_taken_for_the_end(void **state)
{
    (void)state;
    static uint8_t bytes[64 << 10];
    struct fixture f;
    struct plog *p = cold_log(&f, 9);
    char path[PLOG_PATH_BYTES];
    uint64_t size;
    struct store_range range;
    plog_path_segment(p, 0, ".log", path);
    disk_mem_bytes(f.disk, path, &size)[2] ^= 1;
    assert_int_equal(fixture_read(&f, p, 0, 1, bytes, &range), ERR_CORRUPT);
    fixture_end(&f);
}

/* Also where an index entry leads straight to the batch, so that no header need be read. */
static void
damage_at_the_front_is_told_before_anything_is_lent(void **state)
{
    (void)state;
    static uint8_t bytes[64 << 10];
    for (int64_t offset = 0; offset < 17; offset += 16) {
        struct fixture f;
        struct plog *p = cold_log(&f, 9);
        char path[PLOG_PATH_BYTES];
        uint64_t size;
        struct store_range range;
        assert_true(fixture_read(&f, p, 50, 1, bytes, &range) > 0); /* the index is known */
        plog_path_segment(p, 0, ".log", path);
        uint8_t *file = disk_mem_bytes(f.disk, path, &size);
        uint32_t batch = (uint32_t)get_u32(file + BATCH_AT_LENGTH) + BATCH_OVERHEAD;
        file[batch * offset + 300] ^= 1;
        for (uint32_t i = 0; i < f.read_buffers; i++)
            f.store[0]->buffers[i].state = READ_FREE;
        int rc, turns = 0;
        while ((rc = store_locate(f.store[0], p, offset, INT64_MAX, 40000, true, &range)) ==
               ERR_AGAIN)
            assert_true(fixture_turns(&f, 1) == ERR_OK && ++turns < 1000);
        assert_int_equal(rc, ERR_CORRUPT);
        fixture_end(&f);
    }
}

/* Does a batch begin there?  All have an index entry. */
static bool
boundary(const struct segment *seg, uint32_t pos)
{
    int64_t i = index_by_pos(&seg->idx, pos);
    return i >= 0 && index_get(&seg->idx, (uint32_t)i)->pos == pos;
}

/* The whole of a range, piece by piece; how many pieces end within a batch. */
static uint32_t
torn_pieces(struct fixture *f, struct store_range range)
{
    uint32_t torn = 0;
    struct store_hold hold;
    while (range.len) {
        cold_hold(f, &range, &hold);
        torn += !hold.whole;
        assert_true(hold.whole ? range.len == 0 || boundary(range.log->segments[0], range.at)
                               : range.len > 0);
        store_release(f->store[0], &hold);
    }
    return torn;
}

static void
a_hold_says_whether_it_ends_where_a_batch_ends(void **state)
{
    (void)state;
    for (uint32_t large = 0; large < 2; large++) {
        struct fixture f;
        fixture_init(&f, 9);
        f.cache_bytes = 4 << 20;
        f.journal_bytes = 16 << 20;
        f.config.segment_bytes = 2 << 20;
        for (int cold = 0; cold < 2; cold++) {
            assert_int_equal(fixture_start(&f), ERR_OK);
            struct plog *p = fixture_log(&f, 1, 0);
            for (int i = 0; i < 40 && !cold; i++)
                fixture_append(&f, p, 1, large && i == 20 ? 400000 : 20000, (uint64_t)i, i);
            struct store_range range;
            int rc;
            assert_int_equal(fixture_settle(&f), ERR_OK);
            while ((rc = store_locate(f.store[0], p, 0, 40, 4 << 20, true, &range)) == ERR_AGAIN)
                assert_int_equal(fixture_turns(&f, 1), ERR_OK);
            assert_int_equal(rc, ERR_OK);
            assert_true(range.len > 800000);
            uint32_t torn = torn_pieces(&f, range);
            assert_true(cold ? torn > 0 || !large : torn == 0);
            assert_int_equal(fixture_stop(&f), ERR_OK);
        }
        fixture_end(&f);
    }
}

/* Batches are larger than what fits behind others into one buffer: most lie across two. */
static void
nothing_is_read_twice_where_batches_lie_across_buffers(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {12000, 100000, 150000, 270000};
    for (uint32_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
        struct fixture f;
        fixture_init(&f, 20 + k);
        f.config.segment_bytes = 4 << 20;
        f.cache_bytes = 4 << 20;
        f.journal_bytes = 16 << 20;
        f.read_buffers = 32;
        assert_int_equal(fixture_start(&f), ERR_OK);
        struct plog *p = fixture_log(&f, 1, 0);
        for (uint32_t i = 0; i < 2800000 / sizes[k]; i++)
            fixture_append(&f, p, 1, sizes[k], i, i);
        assert_int_equal(fixture_stop(&f), ERR_OK);
        assert_int_equal(fixture_start(&f), ERR_OK);
        p = fixture_log(&f, 1, 0);
        struct store_range range;
        while (store_locate(f.store[0], p, 0, INT64_MAX, 4 << 20, true, &range) == ERR_AGAIN)
            fixture_turns(&f, 1);
        assert_true(range.len > 2500000);
        cold_forget(&f);
        uint32_t bytes = range.len, read = 0;
        while (range.len) {
            struct store_hold hold;
            cold_hold(&f, &range, &hold);
            store_release(f.store[0], &hold);
        }
        for (uint32_t i = 0; i < f.read_buffers; i++)
            read += f.store[0]->buffers[i].state == READ_READY ? f.store[0]->buffers[i].len : 0;
        assert_int_equal(read, bytes);
        fixture_end(&f);
    }
}

static void
who_goes_on_is_read_ahead_of_behind_its_range(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p[3];
    cold_two(&f, 12, p);
    struct store *s = f.store[0];
    struct store_range range;
    struct store_hold hold;
    while (store_locate(s, p[0], 0, INT64_MAX, 50000, true, &range) == ERR_AGAIN)
        fixture_turns(&f, 1);
    cold_forget(&f);
    cold_hold(&f, &range, &hold);
    assert_int_equal(range.len, 0);
    assert_int_equal(store_buffers_ahead(s), 0); /* it may have wanted no more than that */
    store_release(s, &hold);
    while (store_locate(s, p[0], range.offset_limit, INT64_MAX, 50000, true, &range) == ERR_AGAIN)
        fixture_turns(&f, 1);
    cold_hold(&f, &range, &hold);
    assert_true(store_buffers_ahead(s) >= 3);
    assert_true(store_buffers_ahead(s) <= f.read_buffers / 2);
    store_release(s, &hold);
    fixture_end(&f);
}

static void
what_is_read_ahead_is_shared_among_readers(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p[3];
    cold_two(&f, 13, p);
    struct store *s = f.store[0];
    struct store_range range[2];
    struct store_hold hold;
    for (int n = 0; n < 2; n++)
        while (store_locate(s, p[n], 0, INT64_MAX, 1600000, true, &range[n]) == ERR_AGAIN)
            fixture_turns(&f, 1);
    cold_forget(&f);
    for (int n = 0; n < 2; n++)
        assert_int_equal(store_hold(s, &range[n], 1, &hold), ERR_AGAIN);
    uint32_t of[2] = {0};
    for (uint32_t i = 0; i < f.read_buffers; i++)
        for (int n = 0; n < 2; n++)
            of[n] += s->buffers[i].state == READ_BUSY && s->buffers[i].log == p[n];
    assert_true(of[0] <= 4 && of[1] >= 1);
    fixture_turns(&f, 20);
    for (int i = 0; i < 3; i++)
        for (int n = 0; n < 2; n++) {
            cold_hold(&f, &range[n], &hold); /* neither takes what was read for the other */
            store_release(s, &hold);
        }
    fixture_end(&f);
}

static void
large_reads_are_for_when_nothing_is_appended(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 14);
    f.config.segment_bytes = 4 << 20;
    f.read_bytes = 4 * STORE_READ_BYTES;
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    for (int i = 0; i < 140; i++)
        fixture_append(&f, p, 1, 12000, (uint64_t)i, i);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_int_equal(fixture_start(&f), ERR_OK);
    p = fixture_log(&f, 1, 0);
    for (int quiet_ms = 0; quiet_ms <= 2000; quiet_ms += 500) { /* ms since the last append */
        struct store_range range;
        struct store_hold hold;
        while (store_locate(f.store[0], p, 0, INT64_MAX, 1600000, true, &range) == ERR_AGAIN)
            fixture_turns(&f, 1);
        cold_forget(&f);
        fixture_append(&f, fixture_log(&f, 1, 1), 1, 100, 1, 1);
        fixture_turns(&f, 1);
        f.now_ns += (uint64_t)quiet_ms * CLOCK_NS_PER_MS;
        fixture_turns(&f, 1);
        assert_int_equal(store_hold(f.store[0], &range, 1, &hold), ERR_AGAIN);
        const struct read_buffer *b = store_buffer_find(f.store[0], p, p->segments[0], range.at);
        assert_int_equal(b->len, quiet_ms >= 1000 ? f.read_bytes : STORE_READ_BYTES);
        fixture_turns(&f, 100);
    }
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_index_is_rebuilt_when_it_is_needed),
        cmocka_unit_test(a_damaged_batch_is_reported_and_never_lent),
        cmocka_unit_test(damage_that_was_found_is_told_when_it_is_located_and_the_rest_is_served),
        cmocka_unit_test(a_device_error_reaches_the_reader),
        cmocka_unit_test(old_data_is_read_piece_by_piece_while_records_are_appended),
        cmocka_unit_test(a_read_beside_appends_goes_to_the_device_in_slices),
        cmocka_unit_test(reading_ahead_ends_where_the_file_ends_and_the_cache_begins),
        cmocka_unit_test(a_damaged_base_offset_is_reported_and_not_taken_for_the_end),
        cmocka_unit_test(damage_at_the_front_is_told_before_anything_is_lent),
        cmocka_unit_test(a_long_range_is_read_ahead_and_half_of_the_buffers_are_left_to_others),
        cmocka_unit_test(a_hold_says_whether_it_ends_where_a_batch_ends),
        cmocka_unit_test(nothing_is_read_twice_where_batches_lie_across_buffers),
        cmocka_unit_test(who_goes_on_is_read_ahead_of_behind_its_range),
        cmocka_unit_test(what_is_read_ahead_is_shared_among_readers),
        cmocka_unit_test(large_reads_are_for_when_nothing_is_appended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
