#include "tests/unit/core/store/store_fixture.h"

static uint8_t bytes[1 << 20];

static void
segment_files_hold_exactly_the_batches(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 1);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    for (int i = 0; i < 200; i++) {
        fixture_append(&f, p, 1 + i % 2, (uint32_t)(i * 13) % 2000, (uint64_t)i, i);
        fixture_turns(&f, (uint32_t)i % 3);
        if (i % 11 == 0)
            f.now_ns += 2 * CLOCK_NS_PER_S; /* aged: partial blocks are written and written again */
    }
    assert_int_equal(fixture_settle(&f), ERR_OK);
    assert_true(p->segment_count > 3);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_int_equal(fixture_start(&f), ERR_OK);
    p = fixture_log(&f, 1, 0);
    int64_t offset = 0;
    for (uint32_t i = 0; i < p->segment_count; i++) {
        char path[PLOG_PATH_BYTES];
        uint64_t size;
        plog_path_segment(p, p->segments[i]->base, ".log", path);
        uint8_t *file = disk_mem_bytes(f.disk, path, &size);
        assert_non_null(file);
        assert_int_equal(size, p->segments[i]->bytes);
        for (uint64_t at = 0; at < size;) {
            struct batch_info info;
            assert_int_equal(batch_header(view_of(file + at, (uint32_t)(size - at)), &info),
                             ERR_OK);
            assert_int_equal(info.base_offset, offset);
            assert_true(info.bytes <= size - at);
            assert_true(batch_crc_ok(view_of(file + at, info.bytes), &info));
            offset += info.last_offset_delta + 1;
            at += info.bytes;
        }
    }
    assert_int_equal(offset, p->end);
    fixture_end(&f);
}

static void
appending_goes_on_behind_a_partial_block_after_a_restart(void **state)
{
    (void)state;
    struct fixture f;
    struct store_range range;
    fixture_init(&f, 2);
    for (int round = 0; round < 6; round++) {
        assert_int_equal(fixture_start(&f), ERR_OK);
        assert_int_equal(fixture_append(&f, fixture_log(&f, 1, 0), 1, 333, 5, 5), round);
        assert_int_equal(fixture_stop(&f), ERR_OK);
    }
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    int64_t got = fixture_read(&f, p, 0, 10000, bytes, &range);
    assert_int_equal(got, p->bytes);
    assert_int_equal(range.offset_limit, 6);
    fixture_end(&f);
}

/* Two writes of a log: the second one writes the block again in which the first one ended. */
static void
what_is_written_beside_the_bytes_of_a_log_is_counted(void **state)
{
    (void)state;
    struct fixture f;
    struct store_stats before, after;
    fixture_init(&f, 11);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    store_stats(f.store[0], &before);
    fixture_append(&f, p, 1, 5000, 1, 1);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    uint64_t first = p->bytes;
    fixture_append(&f, p, 1, 5000, 2, 2);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    store_stats(f.store[0], &after);
    assert_int_equal(after.writeback_bytes - before.writeback_bytes, p->bytes);
    assert_true(first % STORE_BLOCK && p->bytes % STORE_BLOCK);
    uint64_t blocks =
        plog_round_block(first) + plog_round_block(p->bytes) - first / STORE_BLOCK * STORE_BLOCK;
    assert_int_equal(after.writeback_again_bytes - before.writeback_again_bytes, blocks - p->bytes);
    /* Frames are headers, records and padding. */
    uint64_t frames = after.frames - before.frames;
    uint64_t padding = after.journal_padding_bytes - before.journal_padding_bytes;
    assert_true(padding > 0 && padding < frames * STORE_BLOCK);
    assert_true(after.frame_bytes - before.frame_bytes - padding >= 64 * frames + p->bytes);
    assert_true(after.checkpoint_bytes >= before.checkpoint_bytes + 2 * STORE_BLOCK);
    fixture_end(&f);
}

static void
pass(struct fixture *f, uint64_t ns)
{
    f->now_ns += ns;
    assert_int_equal(fixture_turns(f, 50), ERR_OK);
}

static void
assert_all_there(struct fixture *f, struct plog *p)
{
    struct store_range range;
    static uint8_t want[FIXTURE_BATCH_MAX];
    for (int64_t offset = 0; offset < p->end; offset++) {
        struct batch_info info;
        uint32_t len = fixture_batch(want, 1, 5000, (uint64_t)offset, offset, &info);
        assert_int_equal(fixture_read(f, p, offset, 6000, bytes, &range), len);
        assert_memory_equal(bytes + 21, want + 21, len - 21); /* nothing is stamped there */
    }
}

static void
each_block_of_a_log_that_grows_is_written_once(void **state)
{
    (void)state;
    struct fixture f;
    struct store_stats before, after;
    fixture_init(&f, 12);
    f.config.segment_bytes = 1 << 20;
    f.journal_bytes = 8 << 20; /* no checkpoint in between */
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    store_stats(f.store[0], &before);
    for (int i = 0; i < 20; i++) {
        fixture_append(&f, p, 1, 5000, (uint64_t)i, i);
        assert_int_equal(fixture_settle(&f), ERR_OK);
        pass(&f, CLOCK_NS_PER_S);
        assert_all_there(&f, p);
    }
    store_stats(f.store[0], &after);
    assert_int_equal(p->segment_count, 1);
    assert_int_equal(p->segments[0]->written, p->bytes / STORE_BLOCK * STORE_BLOCK);
    assert_int_equal(after.writeback_bytes - before.writeback_bytes, p->segments[0]->written);
    assert_int_equal(after.writeback_again_bytes, before.writeback_again_bytes);
    fixture_end(&f);
}

static void
the_block_that_was_left_is_written_soon_though_nothing_comes(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 13);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    fixture_append(&f, p, 1, 5000, 0, 0);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    pass(&f, CLOCK_NS_PER_S);
    assert_int_equal(p->segments[0]->written, STORE_BLOCK);
    assert_true(f.store[0]->tail.clean < f.store[0]->tail.next);
    pass(&f, CLOCK_NS_PER_S);
    assert_int_equal(p->segments[0]->written, p->bytes);
    assert_int_equal(f.store[0]->tail.clean, f.store[0]->tail.next);
    fixture_end(&f);
}

static void
a_checkpoint_writes_what_was_left_and_a_crash_before_it_loses_nothing(void **state)
{
    (void)state;
    for (uint64_t seed = 14; seed < 20; seed++) {
        struct fixture f;
        fixture_init(&f, seed);
        assert_int_equal(fixture_start(&f), ERR_OK);
        struct plog *p = fixture_log(&f, 1, 0);
        fixture_append(&f, p, 1, 5000, 0, 0);
        assert_int_equal(fixture_settle(&f), ERR_OK);
        pass(&f, CLOCK_NS_PER_S);
        assert_int_equal(p->segments[0]->written, STORE_BLOCK);
        if (seed % 2) {
            assert_int_equal(fixture_checkpoint(&f), ERR_OK);
            assert_int_equal(p->segments[0]->written, p->bytes);
        }
        disk_mem_cut_after(f.disk, 0);
        fixture_kill(&f);
        disk_mem_restart(f.disk);
        assert_int_equal(fixture_start(&f), ERR_OK);
        p = fixture_log(&f, 1, 0);
        assert_int_equal(p->end, 1);
        assert_all_there(&f, p);
        fixture_end(&f);
    }
}

/* The block of a log's last bytes goes to another log meanwhile. */
static void
more_logs_than_blocks_keep_what_is_in_their_partial_blocks(void **state)
{
    (void)state;
    enum { LOGS = STORE_BLOCKS_MAX + 50, ROUNDS = 3 };
    struct fixture f;
    struct store_range range;
    fixture_init(&f, 4);
    f.logs_max = LOGS;
    assert_int_equal(fixture_start(&f), ERR_OK);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (int32_t i = 0; i < LOGS; i++)
            fixture_append(&f, fixture_log(&f, 1, i), 1, 100, round * LOGS + (uint64_t)i, i);
        assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    }
    uint32_t owned = 0;
    for (int32_t i = 0; i < LOGS; i++)
        owned += fixture_log(&f, 1, i)->block != PLOG_BLOCK_NONE;
    assert_int_equal(owned, STORE_BLOCKS_MAX);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_int_equal(fixture_start(&f), ERR_OK);
    static uint8_t want[FIXTURE_BATCH_MAX];
    for (int32_t i = 0; i < LOGS; i++) {
        int64_t got = fixture_read(&f, fixture_log(&f, 1, i), 0, 10000, bytes, &range);
        assert_int_equal(range.offset_limit, ROUNDS);
        struct batch_info info;
        uint32_t len = fixture_batch(want, 1, 100, (ROUNDS - 1) * LOGS + (uint64_t)i, i, &info);
        assert_int_equal(got, ROUNDS * len);
        /* Behind the crc, where nothing is stamped. */
        assert_memory_equal(bytes + (ROUNDS - 1) * len + 21, want + 21, len - 21);
    }
    fixture_end(&f);
}

static void
a_failed_write_takes_one_partition_offline_and_loses_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct batch_info info;
    struct store_appended out;
    fixture_init(&f, 3);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *bad = fixture_log(&f, 1, 7), *good = fixture_log(&f, 1, 0);
    disk_mem_fail(f.disk, "/7/", DISK_WRITE, ERR_IO);
    fixture_append(&f, bad, 1, 900, 1, 1);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    f.store[0]->flushing = true;
    assert_int_equal(fixture_turns(&f, 200), ERR_OK);
    fixture_batch(f.batch, 1, 10, 1, 1, &info);
    assert_int_equal(store_append(f.store[0], bad, &info, view_of(f.batch, info.bytes), 3, 1, &out),
                     KERR_KAFKA_STORAGE_ERROR);
    assert_int_equal(fixture_append(&f, good, 1, 900, 1, 1), 0);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    assert_int_equal(fixture_stop(&f), ERR_IO);
    disk_mem_fail(f.disk, NULL, DISK_WRITE, 0);
    disk_mem_reopen(f.disk);
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_int_equal(fixture_log(&f, 1, 7)->hw, 1);
    assert_int_equal(fixture_log(&f, 1, 0)->hw, 1);
    fixture_end(&f);
}

static void
small_logs_take_little_space(void **state)
{
    (void)state;
    struct fixture f;
    char path[PLOG_PATH_BYTES];
    uint64_t size;
    fixture_init(&f, 4);
    f.config.segment_bytes = 1 << 30;
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    fixture_append(&f, p, 1, 900, 1, 1);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    plog_path_segment(p, 0, ".log", path);
    assert_non_null(disk_mem_bytes(f.disk, path, &size));
    assert_int_equal(size, 1 << 20);
    fixture_end(&f);
}

static void
a_clean_stop_cuts_files_that_are_not_open_and_the_next_start_allocates_again(void **state)
{
    (void)state;
    struct fixture f;
    char path[PLOG_PATH_BYTES];
    uint64_t size;
    fixture_init(&f, 5);
    f.config.segment_bytes = 1 << 30;
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    fixture_append(&f, p, 1, 900, 1, 1);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    assert_true(p->segments[0]->file >= 0);
    store_file_close(f.store[0], p->segments[0]);
    uint64_t bytes_before = p->bytes;
    plog_path_segment(p, 0, ".log", path);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_non_null(disk_mem_bytes(f.disk, path, &size));
    assert_int_equal(size, bytes_before);
    assert_int_equal(fixture_start(&f), ERR_OK);
    assert_true(f.boot.clean);
    p = fixture_log(&f, 1, 0);
    fixture_append(&f, p, 1, 900, 1, 1);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    assert_non_null(disk_mem_bytes(f.disk, path, &size));
    assert_true(size >= 1 << 20);
    fixture_end(&f);
}

static void
a_log_that_goes_offline_while_its_file_is_opened_is_not_written(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 12);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    fixture_append(&f, p, 1, 900, 1, 1);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    f.store[0]->flushing = true;
    for (int n = 0; !p->writing; n++) {
        assert_true(n < 100);
        assert_int_equal(fixture_turns(&f, 1), ERR_OK);
    }
    store_offline(f.store[0], p, ERR_IO, "the sync of another file");
    assert_int_equal(fixture_turns(&f, 50), ERR_OK);
    assert_false(p->writing);
    assert_int_equal(p->segments[0]->written, 0);
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segment_files_hold_exactly_the_batches),
        cmocka_unit_test(appending_goes_on_behind_a_partial_block_after_a_restart),
        cmocka_unit_test(what_is_written_beside_the_bytes_of_a_log_is_counted),
        cmocka_unit_test(each_block_of_a_log_that_grows_is_written_once),
        cmocka_unit_test(the_block_that_was_left_is_written_soon_though_nothing_comes),
        cmocka_unit_test(a_checkpoint_writes_what_was_left_and_a_crash_before_it_loses_nothing),
        cmocka_unit_test(more_logs_than_blocks_keep_what_is_in_their_partial_blocks),
        cmocka_unit_test(a_failed_write_takes_one_partition_offline_and_loses_nothing),
        cmocka_unit_test(small_logs_take_little_space),
        cmocka_unit_test(a_log_that_goes_offline_while_its_file_is_opened_is_not_written),
        cmocka_unit_test(
            a_clean_stop_cuts_files_that_are_not_open_and_the_next_start_allocates_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
