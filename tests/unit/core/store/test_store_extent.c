#include "core/store/journal_in.h"
#include "tests/unit/core/store/store_fixture.h"

#include <stdlib.h>

enum { LARGE = 20000, LATE_POLLS = 5000, FEW_TURNS = 60 };

/* A store whose log has a segment that is ready for extents. */
static struct plog *
start(struct fixture *f, uint64_t seed)
{
    fixture_init(f, seed);
    f->cache_bytes = 1 << 20;
    f->journal_bytes = 1 << 20;
    f->extent_bytes = 2 * STORE_BLOCK;
    f->config.segment_bytes = 512 << 10;
    assert_int_equal(fixture_start(f), ERR_OK);
    struct plog *p = fixture_log(f, 1, 0);
    fixture_append(f, p, 1, LARGE, 1, 1);
    assert_int_equal(f->store[0]->stats.extents, 0); /* nothing was ready */
    for (int i = 0; i < 200 && (!plog_last(p)->named || journal_missing(f->store[0]->journal)); i++)
        assert_int_equal(fixture_turns(f, 1), ERR_OK);
    assert_int_equal(fixture_turns(f, 50), ERR_OK);
    assert_true(plog_last(p)->named);
    return p;
}

static uint64_t
append_large(struct fixture *f, struct plog *p, uint64_t seed)
{
    uint64_t before = f->store[0]->stats.extents;
    fixture_append(f, p, 1, LARGE, seed, (int64_t)seed);
    return f->store[0]->stats.extents - before;
}

static void
check_read(struct fixture *f, struct plog *p, int64_t count)
{
    uint8_t *bytes = malloc(1 << 20);
    for (int64_t offset = 0; offset < count; offset++) {
        struct store_range range;
        struct batch_info info;
        uint32_t n = fixture_batch(f->batch, 1, LARGE, (uint64_t)offset + 1, offset + 1, &info);
        batch_stamp(f->batch, offset, 3);
        assert_int_equal(fixture_read(f, p, offset, n, bytes, &range), n);
        assert_memory_equal(bytes, f->batch, n);
    }
    free(bytes);
}

static void
a_large_batch_is_written_to_its_segment_and_not_to_the_journal(void **state)
{
    (void)state;
    struct fixture f;
    struct store_stats before, after;
    struct plog *p = start(&f, 1);
    store_stats(f.store[0], &before);
    for (uint64_t i = 2; i <= 5; i++)
        assert_int_equal(append_large(&f, p, i), 1);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    store_stats(f.store[0], &after);
    assert_true(after.frame_bytes - before.frame_bytes < 2 * LARGE);
    assert_true(after.extent_bytes > 3 * LARGE);
    check_read(&f, p, 5);
    fixture_end(&f);
}

static void
write_back_writes_only_the_ends_of_an_extent(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = start(&f, 2);
    uint64_t want = plog_last(p)->bytes;
    for (uint64_t i = 2; i <= 5; i++) {
        assert_int_equal(fixture_checkpoint(&f), ERR_OK); /* nothing is left to take along */
        uint32_t pos = plog_last(p)->bytes;
        assert_int_equal(append_large(&f, p, i), 1);
        uint32_t len = plog_last(p)->bytes - pos;
        want += len - (store_extent_limit(pos, len) - store_extent_first(pos));
    }
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    assert_int_equal(f.store[0]->stats.writeback_bytes, want);
    fixture_power_cut(&f);
    assert_int_equal(fixture_start(&f), ERR_OK);
    check_read(&f, fixture_log(&f, 1, 0), 5);
    fixture_end(&f);
}

static void
large_batches_one_behind_the_other_leave_write_back_only_the_last_end(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = start(&f, 3);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    assert_int_equal(append_large(&f, p, 2), 1);
    uint64_t before = f.store[0]->stats.writeback_bytes;
    uint32_t pos = plog_last(p)->bytes, head = STORE_BLOCK - plog_last(p)->written % STORE_BLOCK;
    for (uint64_t i = 3; i <= 6; i++)
        assert_int_equal(append_large(&f, p, i), 1);
    uint32_t end = plog_last(p)->bytes;
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    assert_int_equal(plog_last(p)->written, end);
    assert_int_equal(f.store[0]->stats.writeback_bytes - before, head + end % STORE_BLOCK);
    assert_true(pos % STORE_BLOCK && end % STORE_BLOCK);
    check_read(&f, p, 6);
    fixture_power_cut(&f);
    assert_int_equal(fixture_start(&f), ERR_OK);
    check_read(&f, fixture_log(&f, 1, 0), 6);
    fixture_end(&f);
}

static void
a_stream_shares_its_blocks_while_write_back_is_under_way(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = start(&f, 13);
    struct store *s = f.store[0];
    assert_int_equal(fixture_checkpoint(&f), ERR_OK); /* the next one shares nothing */
    assert_int_equal(append_large(&f, p, 2), 1);
    s->flushing = true;
    for (int i = 0; i < 100 && !p->writing; i++)
        assert_int_equal(fixture_turns(&f, 1), ERR_OK);
    assert_true(p->writing); /* of the bytes in front of its interior */
    for (uint64_t i = 3; i <= 5; i++) {
        assert_int_equal(append_large(&f, p, i), 1);
        assert_true(store_entry(s, p->tail_last)->shared);
    }
    s->flushing = false;
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    assert_int_equal(plog_last(p)->written, plog_last(p)->bytes);
    check_read(&f, p, 5);
    fixture_power_cut(&f);
    assert_int_equal(fixture_start(&f), ERR_OK);
    check_read(&f, fixture_log(&f, 1, 0), 5);
    fixture_end(&f);
}

static void
the_block_that_write_back_writes_is_not_shared(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = start(&f, 14);
    struct store *s = f.store[0];
    assert_int_equal(append_large(&f, p, 2), 1);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    s->flushing = true; /* its end is durable, and goes to its block with zeros behind it */
    uint32_t block = plog_last(p)->bytes / STORE_BLOCK * STORE_BLOCK;
    for (int i = 0; i < 200 && (!p->writing || p->write_limit <= block); i++)
        assert_int_equal(fixture_turns(&f, 1), ERR_OK);
    assert_true(p->writing && p->write_limit == plog_last(p)->bytes);
    assert_int_equal(append_large(&f, p, 3), 1);
    assert_false(store_entry(s, p->tail_last)->shared);
    s->flushing = false;
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    check_read(&f, p, 3);
    fixture_end(&f);
}

static void
a_batch_whose_first_block_was_shared_comes_back_when_its_write_fails(void **state)
{
    (void)state;
    for (uint64_t seed = 80; seed < 100; seed++) {
        struct fixture f;
        struct plog *p = start(&f, seed);
        assert_int_equal(fixture_checkpoint(&f), ERR_OK);
        for (uint64_t i = 2; i <= 5; i++) {
            if (i == 2 + seed % 4)
                disk_mem_fail(f.disk, ".log", DISK_WRITE, ERR_IO);
            assert_int_equal(append_large(&f, p, i), 1);
            disk_mem_fail(f.disk, NULL, DISK_WRITE, 0);
        }
        assert_int_equal(fixture_settle(&f), ERR_OK);
        if (seed % 3)
            assert_int_equal(fixture_checkpoint(&f), ERR_OK);
        check_read(&f, p, 5);
        fixture_power_cut(&f);
        assert_int_equal(fixture_start(&f), ERR_OK);
        check_read(&f, fixture_log(&f, 1, 0), 5);
        fixture_end(&f);
    }
}

static void
small_batches_between_large_ones_keep_their_place(void **state)
{
    (void)state;
    for (uint64_t seed = 3; seed < 13; seed++) {
        struct fixture f;
        struct plog *p = start(&f, seed);
        for (uint64_t i = 0; i < 8; i++) {
            append_large(&f, p, 2);
            fixture_append(&f, p, 1, 50 + (uint32_t)seed * 7, 3, 3);
            if (i % 3 == 0)
                assert_int_equal(fixture_checkpoint(&f), ERR_OK);
        }
        assert_int_equal(fixture_settle(&f), ERR_OK);
        int64_t end = p->hw;
        uint32_t bytes = plog_last(p)->bytes;
        fixture_power_cut(&f);
        assert_int_equal(fixture_start(&f), ERR_OK);
        p = fixture_log(&f, 1, 0);
        assert_int_equal(p->hw, end);
        uint8_t *mem = malloc(bytes);
        uint32_t got = 0;
        for (int64_t offset = 0; offset < end;) {
            struct store_range range;
            int64_t n = fixture_read(&f, p, offset, bytes, mem, &range);
            assert_true(n > 0);
            for (uint32_t at = 0; at < (uint32_t)n;) {
                struct batch_info info;
                struct view rest = view_of(mem + at, (uint32_t)n - at);
                assert_int_equal(batch_header(rest, &info), ERR_OK);
                assert_true(batch_crc_ok(view_of(mem + at, info.bytes), &info));
                at += info.bytes;
            }
            got += (uint32_t)n;
            offset = range.offset_limit;
        }
        assert_int_equal(got, bytes);
        free(mem);
        fixture_end(&f);
    }
}

static void
check_sums(struct fixture *f, struct plog *p)
{
    const struct segment *seg = plog_last(p);
    struct sums right = {0};
    uint8_t *mem = malloc(seg->bytes);
    assert_int_equal(seg->written, seg->bytes);
    assert_int_equal(sums_covered(&seg->sums), seg->bytes);
    for (int64_t offset = seg->base; offset < p->hw;) {
        struct store_range range;
        int64_t n = fixture_read(f, p, offset, seg->bytes, mem, &range);
        assert_true(n > 0);
        sums_add(&right, mem, (uint32_t)n);
        offset = range.offset_limit;
    }
    assert_int_equal(right.bytes, seg->bytes);
    for (uint32_t i = 0; i < sums_count(&right); i++)
        assert_int_equal(sums_get(&seg->sums, i), sums_get(&right, i));
    sums_free(&right);
    free(mem);
}

/* Whichever way each part of them came into the file. */
static void
the_sums_of_large_batches_are_those_of_their_bytes(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 20; seed++) {
        print_message("# seed %u\n", seed);
        unsigned rnd = seed;
        struct fixture f;
        struct plog *p = start(&f, seed);
        for (uint64_t i = 2; i <= 14; i++) {
            uint32_t draw = (uint32_t)rand_r(&rnd) % 10;
            if (draw == 0)
                disk_mem_fail(f.disk, ".log", DISK_WRITE, ERR_IO);
            append_large(&f, p, i);
            disk_mem_fail(f.disk, NULL, DISK_WRITE, 0);
            if (draw < 3)
                fixture_append(&f, p, 1, 10 + (uint32_t)rand_r(&rnd) % 3000, i, (int64_t)i);
            if (draw > 5)
                assert_int_equal(fixture_turns(&f, 20), ERR_OK);
            if (draw > 8)
                assert_int_equal(fixture_checkpoint(&f), ERR_OK);
        }
        assert_int_equal(fixture_settle(&f), ERR_OK);
        assert_int_equal(fixture_checkpoint(&f), ERR_OK);
        check_sums(&f, p);
        fixture_end(&f);
    }
}

static void
a_batch_whose_write_fails_goes_through_the_journal(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = start(&f, 20);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    disk_mem_fail(f.disk, ".log", DISK_WRITE, ERR_IO);
    assert_int_equal(append_large(&f, p, 2), 1);
    uint64_t lsn = journal_last_lsn(f.store[0]->journal);
    for (int i = 0; store_durable_lsn(f.store[0]) <= lsn; i++) {
        assert_int_equal(fixture_turns(&f, 1), ERR_OK);
        assert_true(i < 1000);
    }
    assert_int_equal(f.store[0]->extents, 0);
    disk_mem_fail(f.disk, NULL, DISK_WRITE, 0);
    fixture_power_cut(&f);
    assert_int_equal(fixture_start(&f), ERR_OK);
    p = fixture_log(&f, 1, 0);
    assert_int_equal(p->hw, 2);
    check_read(&f, p, 2);
    fixture_end(&f);
}

static void
a_failing_disk_takes_the_partition_offline_and_nothing_acknowledged_is_lost(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = start(&f, 21);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    disk_mem_fail(f.disk, ".log", DISK_WRITE, ERR_IO);
    for (uint64_t i = 2; i <= 6; i++)
        append_large(&f, p, i);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    f.now_ns += 2 * CLOCK_NS_PER_S;
    for (int i = 0; p->state != PLOG_OFFLINE; i++) {
        assert_int_equal(fixture_turns(&f, 1), ERR_OK);
        assert_true(i < 1000);
    }
    disk_mem_fail(f.disk, NULL, DISK_WRITE, 0);
    fixture_power_cut(&f);
    assert_int_equal(fixture_start(&f), ERR_OK);
    check_read(&f, fixture_log(&f, 1, 0), 6);
    fixture_end(&f);
}

static void
a_log_created_again_keeps_its_extents(void **state)
{
    (void)state;
    for (uint64_t seed = 60; seed < 80; seed++) {
        struct fixture f;
        struct plog *p = start(&f, seed);
        append_large(&f, p, 2);
        store_delete(f.store[0], p);
        p = fixture_log(&f, 1, 0); /* waits until the old files are gone */
        fixture_append(&f, p, 1, LARGE, 1, 1);
        assert_int_equal(fixture_turns(&f, 200), ERR_OK);
        assert_int_equal(append_large(&f, p, 2), 1);
        assert_int_equal(append_large(&f, p, 3), 1);
        assert_int_equal(fixture_settle(&f), ERR_OK);
        fixture_power_cut(&f);
        assert_int_equal(fixture_start(&f), ERR_OK);
        p = fixture_log(&f, 1, 0);
        assert_int_equal(p->hw, 3);
        check_read(&f, p, 3);
        fixture_end(&f);
    }
}

static void
without_a_free_job_a_large_batch_takes_the_journal(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = start(&f, 22);
    uint32_t used = f.store[0]->jobs_used;
    f.store[0]->jobs_used = STORE_JOBS_MAX;
    assert_int_equal(append_large(&f, p, 2), 0);
    f.store[0]->jobs_used = used;
    assert_int_equal(append_large(&f, p, 3), 1);
    assert_int_equal(fixture_settle(&f), ERR_OK);
    check_read(&f, p, 3);
    fixture_end(&f);
}

static void
without_a_spare_file_in_the_ring_a_large_batch_takes_the_journal(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = start(&f, 23);
    struct journal *j = f.store[0]->journal;
    f.store[0]->frozen = 1;       /* a log is offline: no checkpoint frees the ring */
    while (j->file_newest == 0) { /* into the second and last file */
        fixture_append(&f, p, 1, 5000, 9, 9);
        assert_int_equal(fixture_settle(&f), ERR_OK);
    }
    assert_int_equal(j->file_newest + 1 - j->file_oldest, j->config.file_count);
    assert_int_equal(append_large(&f, p, 2), 0);
    f.store[0]->frozen = 0;
    fixture_end(&f);
}

static void
a_log_deleted_while_an_extent_is_in_flight_goes_away(void **state)
{
    (void)state;
    for (uint64_t seed = 30; seed < 50; seed++) {
        struct fixture f;
        struct plog *p = start(&f, seed);
        if (seed % 2)
            disk_mem_fail(f.disk, ".log", DISK_WRITE, ERR_IO);
        append_large(&f, p, 2);
        store_delete(f.store[0], p);
        for (int i = 0; !list_empty(&f.store[0]->dying) || f.store[0]->jobs_used; i++) {
            assert_int_equal(fixture_turns(&f, 1), ERR_OK);
            assert_true(i < 1000);
        }
        assert_int_equal(fixture_settle(&f), ERR_OK);
        disk_mem_fail(f.disk, NULL, DISK_WRITE, 0);
        fixture_power_cut(&f);
        assert_int_equal(fixture_start(&f), ERR_OK);
        fixture_end(&f);
    }
}

/* Writes to segments that are submitted now take a long while. */
static void
slow(struct fixture *f, bool on)
{
    disk_mem_late(f->disk, "log/", on ? LATE_POLLS : 0);
}

static uint64_t
last_lsn(const struct fixture *f)
{
    return journal_last_lsn(f->store[0]->journal);
}

static void
other_logs_do_not_wait_for_an_extent(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = start(&f, 40), *other = fixture_log(&f, 1, 1);
    slow(&f, true);
    assert_int_equal(append_large(&f, p, 2), 1);
    fixture_append(&f, other, 1, 100, 3, 3);
    assert_int_equal(fixture_turns(&f, FEW_TURNS), ERR_OK);
    assert_int_equal(f.store[0]->extents, 1);
    assert_true(store_written_lsn(f.store[0]) == last_lsn(&f));
    assert_true(store_durable_lsn(f.store[0]) < last_lsn(&f));
    assert_int_equal(other->hw, 1);
    assert_int_equal(p->hw, 1);
    for (int i = 0; f.store[0]->extents; i++) {
        assert_int_equal(fixture_turns(&f, 1), ERR_OK);
        assert_true(i < 2 * LATE_POLLS);
    }
    assert_int_equal(p->hw, 2);
    assert_true(store_durable_lsn(f.store[0]) == last_lsn(&f));
    fixture_end(&f);
}

static int
append_told(struct fixture *f, struct plog *p, uint32_t value_bytes, struct store_appended *out)
{
    struct batch_info info;
    uint32_t n = fixture_batch(f->batch, 1, value_bytes, 5, 5, &info);
    return store_append(f->store[0], p, &info, view_of(f->batch, n), 3, 5, out);
}

static void
a_log_waits_for_its_oldest_extent_and_those_behind_it_are_told_so(void **state)
{
    (void)state;
    struct fixture f;
    struct store_appended out;
    struct plog *p = start(&f, 41);
    assert_int_equal(append_told(&f, p, 100, &out), KERR_NONE);
    assert_false(out.held);
    slow(&f, true);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(append_told(&f, p, LARGE, &out), KERR_NONE);
        assert_true(out.held);
    }
    slow(&f, false);
    assert_int_equal(append_told(&f, p, LARGE, &out), KERR_NONE);
    assert_true(out.held);
    assert_int_equal(append_told(&f, p, 100, &out), KERR_NONE);
    assert_true(out.held);
    assert_int_equal(fixture_turns(&f, FEW_TURNS), ERR_OK);
    assert_int_equal(f.store[0]->extents, 2); /* the last has ended before those in front */
    assert_int_equal(p->hw, 2);
    for (int64_t hw = p->hw; p->hw < p->end; hw = p->hw) {
        assert_true(p->hw >= hw && p->hw <= p->hold);
        assert_int_equal(fixture_turns(&f, 1), ERR_OK);
    }
    assert_int_equal(append_told(&f, p, 100, &out), KERR_NONE);
    assert_false(out.held);
    fixture_end(&f);
}

static void
an_extent_that_is_journaled_holds_its_log_until_that_is_written(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = start(&f, 42);
    disk_mem_fail(f.disk, ".log", DISK_WRITE, ERR_IO);
    assert_int_equal(append_large(&f, p, 2), 1);
    uint64_t lsn = last_lsn(&f);
    for (int i = 0; p->hw < 2; i++) {
        assert_true(p->extents == 1);
        assert_int_equal(fixture_turns(&f, 1), ERR_OK);
        assert_true(i < 1000);
    }
    disk_mem_fail(f.disk, NULL, DISK_WRITE, 0);
    assert_int_equal(p->extents, 0);
    assert_true(last_lsn(&f) > lsn && store_written_lsn(f.store[0]) >= last_lsn(&f));
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_large_batch_is_written_to_its_segment_and_not_to_the_journal),
        cmocka_unit_test(write_back_writes_only_the_ends_of_an_extent),
        cmocka_unit_test(large_batches_one_behind_the_other_leave_write_back_only_the_last_end),
        cmocka_unit_test(a_stream_shares_its_blocks_while_write_back_is_under_way),
        cmocka_unit_test(the_block_that_write_back_writes_is_not_shared),
        cmocka_unit_test(a_batch_whose_first_block_was_shared_comes_back_when_its_write_fails),
        cmocka_unit_test(small_batches_between_large_ones_keep_their_place),
        cmocka_unit_test(the_sums_of_large_batches_are_those_of_their_bytes),
        cmocka_unit_test(a_batch_whose_write_fails_goes_through_the_journal),
        cmocka_unit_test(
            a_failing_disk_takes_the_partition_offline_and_nothing_acknowledged_is_lost),
        cmocka_unit_test(a_log_created_again_keeps_its_extents),
        cmocka_unit_test(without_a_free_job_a_large_batch_takes_the_journal),
        cmocka_unit_test(without_a_spare_file_in_the_ring_a_large_batch_takes_the_journal),
        cmocka_unit_test(a_log_deleted_while_an_extent_is_in_flight_goes_away),
        cmocka_unit_test(other_logs_do_not_wait_for_an_extent),
        cmocka_unit_test(a_log_waits_for_its_oldest_extent_and_those_behind_it_are_told_so),
        cmocka_unit_test(an_extent_that_is_journaled_holds_its_log_until_that_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
