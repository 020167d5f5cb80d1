#include "tests/unit/core/store/store_fixture.h"

#include <stdlib.h>

enum { COUNT = 8 };

/* A log of COUNT batches of so many bytes, all in one file with a sidecar, after a restart: nothing
 * is cached. */
static struct plog *
large_log(struct fixture *f, uint32_t bytes)
{
    fixture_init(f, 31);
    f->config.segment_bytes = 8 << 20;
    f->sidecar_bytes = 1;
    f->cache_bytes = 4 << 20;
    f->journal_bytes = 16 << 20;
    assert_int_equal(fixture_start(f), ERR_OK);
    struct plog *p = fixture_log(f, 1, 0);
    for (int i = 0; i < COUNT; i++)
        fixture_append(f, p, 1, bytes - 100, (uint64_t)i, i);
    assert_int_equal(fixture_stop(f), ERR_OK);
    assert_int_equal(fixture_start(f), ERR_OK);
    return fixture_log(f, 1, 0);
}

static uint8_t *
file_of(struct fixture *f, const struct plog *p)
{
    char path[PLOG_PATH_BYTES];
    uint64_t size;
    plog_path_segment(p, 0, ".log", path);
    uint8_t *file = disk_mem_bytes(f->disk, path, &size);
    assert_non_null(file);
    return file;
}

/* All have the same length. */
static uint32_t
batch_bytes(const uint8_t *file)
{
    return get_u32(file + BATCH_AT_LENGTH) + BATCH_OVERHEAD;
}

static int
located(struct fixture *f, struct plog *p, int64_t offset, uint32_t bytes,
        struct store_range *range)
{
    int rc;
    for (int n = 0;
         (rc = store_locate(f->store[0], p, offset, INT64_MAX, bytes, true, range)) == ERR_AGAIN;
         n++)
        assert_true(n < 1000 && fixture_turns(f, 1) == ERR_OK);
    return rc;
}

static void
damage_behind_the_first_buffer_of_a_batch_is_told_when_it_is_located(void **state)
{
    (void)state;
    struct fixture f;
    struct store_range range;
    for (uint32_t piece = 0; piece < 6; piece++) {
        struct plog *p = large_log(&f, 400000);
        uint8_t *file = file_of(&f, p);
        file[3 * batch_bytes(file) + 100 + piece * 65000] ^= 1;
        assert_int_equal(located(&f, p, 3, 1, &range), ERR_CORRUPT);
        assert_int_equal(f.store[0]->stats.damaged, 1);
        assert_int_equal(located(&f, p, 3, 1, &range), ERR_CORRUPT);
        assert_int_equal(f.store[0]->stats.damaged, 1);
        assert_int_equal(f.store[0]->stats.cold_reads, 0); /* nothing was lent */
        fixture_end(&f);
    }
}

static void
within_a_range_nothing_of_a_damaged_batch_is_lent(void **state)
{
    (void)state;
    struct fixture f;
    struct plog *p = large_log(&f, 400000);
    uint8_t *file = file_of(&f, p);
    uint32_t bytes = batch_bytes(file);
    struct store_range range;
    struct store_hold hold = {0};
    file[4 * bytes - 7] ^= 1; /* the end of the batch at offset 3 */
    assert_int_equal(located(&f, p, 0, 4 << 20, &range), ERR_OK);
    assert_true(range.len >= 4 * bytes);
    int rc = ERR_OK;
    bool whole = false;
    for (int n = 0; rc == ERR_OK || rc == ERR_AGAIN; n++) {
        rc = store_hold(f.store[0], &range, 7, &hold);
        range.at += hold.bytes;
        range.len -= hold.bytes;
        whole = rc == ERR_OK ? hold.whole : whole;
        if (rc == ERR_OK)
            store_release(f.store[0], &hold);
        assert_true(n < 1000 && fixture_turns(&f, 1) == ERR_OK);
    }
    assert_int_equal(rc, ERR_CORRUPT);
    assert_int_equal(range.at, 3 * bytes);
    assert_true(whole);
    fixture_end(&f);
}

/* Reads every batch by itself, and all that can be had from each on; `bad` alone is refused. */
static void
read_all_but(struct fixture *f, struct plog *p, const uint8_t *want, uint32_t bytes, int64_t bad)
{
    uint8_t *out = malloc((size_t)COUNT * bytes);
    assert_non_null(out);
    for (int64_t i = COUNT - 1; i >= 0; i--) {
        struct store_range range;
        int64_t n = fixture_read(f, p, i, 1, out, &range);
        assert_int_equal(n, i == bad ? ERR_CORRUPT : (int64_t)bytes);
        if (i != bad)
            assert_memory_equal(out, want + (size_t)i * bytes, bytes);
    }
    for (int64_t i = bad + 1; i < COUNT; i++) {
        struct store_range range;
        int64_t count = COUNT - i;
        assert_int_equal(fixture_read(f, p, i, COUNT * bytes, out, &range), count * bytes);
        assert_memory_equal(out, want + (size_t)i * bytes, (size_t)count * bytes);
    }
    free(out);
}

static void
batches_that_share_a_piece_with_damage_are_read(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {100000, 180000, 300000, 400000};
    for (uint32_t k = 0; k < 4 * sizeof sizes / sizeof sizes[0]; k++) {
        struct fixture f;
        struct plog *p = large_log(&f, sizes[k / 4]);
        uint8_t *file = file_of(&f, p);
        uint32_t bytes = batch_bytes(file);
        uint8_t *want = malloc((size_t)COUNT * bytes);
        assert_non_null(want);
        memcpy(want, file, (size_t)COUNT * bytes);
        /* Of the batch at 4: its end, the front of its records, its length, its crc. */
        const uint32_t places[] = {5 * bytes - 5, 4 * bytes + 200, 4 * bytes + BATCH_AT_LENGTH + 1,
                                   4 * bytes + BATCH_AT_CRC};
        print_message("batches of %u, byte %u\n", bytes, places[k % 4]);
        file[places[k % 4]] ^= 3;
        read_all_but(&f, p, want, bytes, 4);
        read_all_but(&f, p, want, bytes, 4);
        free(want);
        fixture_end(&f);
    }
}

static void
a_batch_larger_than_all_buffers_is_proven_piece_by_piece(void **state)
{
    (void)state;
    for (uint32_t bad = 0; bad < 2; bad++) {
        struct fixture f;
        struct plog *p = large_log(&f, 520000);
        assert_int_equal(fixture_stop(&f), ERR_OK);
        f.read_buffers = 2;
        assert_int_equal(fixture_start(&f), ERR_OK);
        p = fixture_log(&f, 1, 0);
        uint8_t *file = file_of(&f, p), *out = malloc(520000);
        uint32_t bytes = batch_bytes(file);
        struct store_range range;
        assert_non_null(out);
        file[bad ? 3 * bytes - 5 : 2 * bytes - 5] ^= 1; /* of this batch, or of its neighbour */
        assert_int_equal(fixture_read(&f, p, 2, 1, out, &range), bad ? ERR_CORRUPT : (int)bytes);
        if (!bad)
            assert_memory_equal(out, file + (size_t)2 * bytes, bytes);
        free(out);
        fixture_end(&f);
    }
}

/* Its neighbour is damaged, so that its own crc is what proved it. */
static void
what_rots_after_it_was_found_good_is_not_lent_and_told_next_time(void **state)
{
    (void)state;
    for (uint32_t k = 0; k < 3; k++) {
        struct fixture f;
        struct plog *p = large_log(&f, 400000);
        uint8_t *file = file_of(&f, p), *out = malloc(400000);
        uint32_t bytes = batch_bytes(file);
        const uint32_t places[] = {3 * bytes + 70, 3 * bytes + 200000, 4 * bytes - 5};
        struct store_range range;
        assert_non_null(out);
        file[3 * bytes - 5] ^= 1;
        assert_int_equal(fixture_read(&f, p, 3, 1, out, &range), bytes);
        file[places[k]] ^= 1;
        for (uint32_t i = 0; i < f.read_buffers; i++)
            f.store[0]->buffers[i].state = READ_FREE;
        assert_int_equal(located(&f, p, 3, 1, &range), ERR_OK);
        assert_int_equal(fixture_read(&f, p, 3, 1, out, &range), ERR_CORRUPT);
        assert_int_equal(located(&f, p, 3, 1, &range), ERR_CORRUPT);
        free(out);
        fixture_end(&f);
    }
}

/* The cleaner gives an index with what it wrote, and no sums. */
static void
batches_across_buffers_are_read_from_a_segment_that_compaction_made(void **state)
{
    (void)state;
    enum { MANY = 60, EACH = 13000 };
    struct fixture f;
    struct store_range range;
    fixture_init(&f, 37);
    f.config.segment_bytes = 8 << 20;
    f.sidecar_bytes = 1;
    f.cache_bytes = 4 << 20;
    f.journal_bytes = 16 << 20;
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    for (int i = 0; i < MANY; i++)
        fixture_append(&f, p, 1, EACH, (uint64_t)i, i);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_int_equal(fixture_start(&f), ERR_OK);
    p = fixture_log(&f, 1, 0);
    assert_int_equal(located(&f, p, 0, 1, &range), ERR_OK); /* its index is known */
    struct segment *seg = p->segments[0];
    sums_free(&seg->sums);
    seg->gaps = true;
    uint32_t bytes = batch_bytes(file_of(&f, p)), across = 0;
    for (int64_t i = 0; i < MANY; i++) {
        assert_int_equal(located(&f, p, i, 1, &range), ERR_OK);
        const struct read_buffer *b = store_buffer_find(f.store[0], p, seg, range.at);
        across += b && range.at + bytes > b->pos + b->len;
    }
    assert_true(across > 0);
    fixture_end(&f);
}

/* More damaged batches than a segment remembers; with sums from a sidecar, and with sums of a walk,
 * which agree with the damage. */
static void
many_damaged_batches_take_none_of_the_good_ones_with_them(void **state)
{
    (void)state;
    enum { BATCHES = 60, BYTES = 30000 };
    for (uint32_t sidecar = 0; sidecar < 2; sidecar++) {
        struct fixture f;
        struct store_range range;
        static uint8_t out[2 * BYTES];
        fixture_init(&f, 37);
        f.config.segment_bytes = 8 << 20;
        f.sidecar_bytes = sidecar;
        assert_int_equal(fixture_start(&f), ERR_OK);
        for (int i = 0; i < BATCHES; i++)
            fixture_append(&f, fixture_log(&f, 1, 0), 1, BYTES, (uint64_t)i, i);
        assert_int_equal(fixture_stop(&f), ERR_OK);
        assert_int_equal(fixture_start(&f), ERR_OK);
        struct plog *p = fixture_log(&f, 1, 0);
        uint8_t *file = file_of(&f, p);
        uint32_t bytes = batch_bytes(file);
        for (uint32_t i = 1; i < BATCHES; i += 3)
            file[i * bytes + 200] ^= 1;
        for (int round = 0; round < 3; round++)
            for (uint32_t i = 0; i < BATCHES; i++) {
                int64_t got = fixture_read(&f, p, i, 1, out, &range);
                assert_int_equal(got, i % 3 == 1 ? ERR_CORRUPT : (int64_t)bytes);
                if (got > 0)
                    assert_memory_equal(out, file + i * bytes, bytes);
            }
        fixture_end(&f);
    }
}

/* Where the sums are lost a reader gets every good batch, also those that no index entry names, and
 * nothing that is bad, in one range. */
static void
without_sums_each_batch_of_a_range_is_proven(void **state)
{
    (void)state;
    enum { BATCHES = 90, BYTES = 20000 };
    struct fixture f;
    struct store_range range;
    fixture_init(&f, 38);
    f.config.segment_bytes = 8 << 20;
    f.sidecar_bytes = 1;
    uint8_t *out = malloc(BATCHES * (BYTES + 200));
    assert_non_null(out);
    assert_int_equal(fixture_start(&f), ERR_OK);
    for (int i = 0; i < BATCHES; i++)
        fixture_append(&f, fixture_log(&f, 1, 0), 1, BYTES, (uint64_t)i, i);
    assert_int_equal(fixture_stop(&f), ERR_OK);
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    uint8_t *file = file_of(&f, p);
    uint32_t bytes = batch_bytes(file);
    assert_true(fixture_read(&f, p, 0, 1, out, &range) > 0);
    assert_true(p->segments[0]->idx.count < BATCHES / 2);
    for (uint32_t i = 0; i <= SUMS_BAD_MAX; i++) /* far behind all that is read below */
        assert_true(
            sums_note_bad(&p->segments[0]->sums, (4 << 20) + i * 10, (4 << 20) + i * 10 + 5));
    store_cold_forget(f.store[0], p);
    int64_t all = (int64_t)BATCHES * bytes;
    assert_int_equal(fixture_read(&f, p, 0, 4 << 20, out, &range), all);
    assert_memory_equal(out, file, (size_t)all);
    for (uint32_t bad = 1; bad < BATCHES; bad += 7) {
        file[bad * bytes + 300] ^= 1;
        store_cold_forget(f.store[0], p);
        memset(f.store[0]->proofs, 0, sizeof f.store[0]->proofs);
        uint32_t good = 0;
        for (uint32_t at = 0; at < BATCHES;) {
            struct store_hold hold;
            int rc = located(&f, p, at, 4 << 20, &range);
            uint32_t from = range.at;
            for (int n = 0; rc == ERR_OK && range.len; n++) {
                assert_true(n < 10000);
                rc = store_hold(f.store[0], &range, 7, &hold);
                if (rc == ERR_AGAIN) {
                    rc = fixture_turns(&f, 1);
                    continue;
                }
                for (uint32_t k = 0; rc == ERR_OK && k < hold.bytes; k++)
                    assert_false(range.at + k == bad * bytes + 300);
                if (rc != ERR_OK)
                    break;
                range.at += hold.bytes;
                range.len -= hold.bytes;
                store_release(f.store[0], &hold);
            }
            uint32_t got = rc == ERR_OK || range.at > from ? (range.at - from) / bytes : 0;
            assert_true(got > 0 || at == bad);
            good += got;
            at += got + (at + got == bad);
        }
        assert_int_equal(good, BATCHES - 1);
        file[bad * bytes + 300] ^= 1;
        p->segments[0]->sums.bad_count = SUMS_BAD_MAX - 1;
    }
    free(out);
    fixture_end(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(damage_behind_the_first_buffer_of_a_batch_is_told_when_it_is_located),
        cmocka_unit_test(within_a_range_nothing_of_a_damaged_batch_is_lent),
        cmocka_unit_test(batches_that_share_a_piece_with_damage_are_read),
        cmocka_unit_test(a_batch_larger_than_all_buffers_is_proven_piece_by_piece),
        cmocka_unit_test(many_damaged_batches_take_none_of_the_good_ones_with_them),
        cmocka_unit_test(without_sums_each_batch_of_a_range_is_proven),
        cmocka_unit_test(what_rots_after_it_was_found_good_is_not_lent_and_told_next_time),
        cmocka_unit_test(batches_across_buffers_are_read_from_a_segment_that_compaction_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
