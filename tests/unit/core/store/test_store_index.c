#include "tests/unit/core/store/store_fixture.h"

static uint8_t bytes[FIXTURE_BATCH_MAX];

/* Batches of so many bytes in the active segment, after a restart: nothing is cached or known. */
static struct plog *
cold_log(struct fixture *f, uint64_t seed, int batches, uint32_t value_bytes)
{
    fixture_init(f, seed);
    f->config.segment_bytes = 16 << 20;
    f->journal_bytes = f->cache_bytes = 4 << 20;
    assert_int_equal(fixture_start(f), ERR_OK);
    struct plog *p = fixture_log(f, 1, 0);
    for (int i = 0; i < batches; i++)
        fixture_append(f, p, 1, value_bytes, (uint64_t)i, i);
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
    return disk_mem_bytes(f->disk, path, &size);
}

static void
a_walk_knows_the_index_and_the_sums_of_all_that_is_written(void **state)
{
    (void)state;
    struct fixture f;
    struct store_range range;
    struct plog *p = cold_log(&f, 1, 40, 30000);
    struct segment *seg = p->segments[0];
    struct sums all = {0};
    assert_true(fixture_read(&f, p, 20, 1, bytes, &range) > 0);
    assert_int_equal(seg->indexed_from, 0);
    assert_int_equal(sums_covered(&seg->sums), seg->bytes);
    sums_add(&all, file_of(&f, p), seg->bytes);
    for (uint32_t i = 0; i < sums_count(&all); i++)
        assert_int_equal(sums_get(&all, i), sums_get(&seg->sums, i));
    sums_free(&all);
    fixture_end(&f);
}

static void
sums_go_on_with_what_is_appended_after_a_walk(void **state)
{
    (void)state;
    struct fixture f;
    struct store_range range;
    struct plog *p = cold_log(&f, 2, 10, 3000);
    struct segment *seg = p->segments[0];
    assert_true(fixture_read(&f, p, 0, 1, bytes, &range) > 0);
    for (int i = 0; i < 30; i++)
        fixture_append(&f, p, 1, 5000, (uint64_t)i, i);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    struct sums all = {0};
    assert_int_equal(sums_covered(&seg->sums), seg->bytes);
    sums_add(&all, file_of(&f, p), seg->bytes);
    for (uint32_t i = 0; i < sums_count(&all); i++)
        assert_int_equal(sums_get(&all, i), sums_get(&seg->sums, i));
    sums_free(&all);
    fixture_end(&f);
}

static void
sums_cover_what_goes_straight_to_the_segment(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f, 4);
    f.config.segment_bytes = 16 << 20;
    f.journal_bytes = f.cache_bytes = 8 << 20;
    f.extent_bytes = 32 << 10;
    assert_int_equal(fixture_start(&f), ERR_OK);
    struct plog *p = fixture_log(&f, 1, 0);
    fixture_append(&f, p, 1, 700, 1, 1);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK); /* the file is ready for them */
    for (int i = 0; i < 60; i++)
        fixture_append(&f, p, 1, i % 3 ? 50000 : 700, (uint64_t)i, i);
    assert_int_equal(fixture_checkpoint(&f), ERR_OK);
    assert_true(f.store[0]->stats.extents > 0);
    struct segment *seg = p->segments[0];
    struct sums all = {0};
    assert_int_equal(sums_covered(&seg->sums), seg->bytes);
    sums_add(&all, file_of(&f, p), seg->bytes);
    for (uint32_t i = 0; i < sums_count(&all); i++)
        assert_int_equal(sums_get(&all, i), sums_get(&seg->sums, i));
    sums_free(&all);
    fixture_end(&f);
}

/* After a restart, batches are appended behind so that write-back, which leaves the partial block
 * at the end, leaves the last one with `front` bytes of it in the file. */
static struct plog *
log_written_up_to(struct fixture *f, uint32_t front)
{
    struct plog *p = cold_log(f, 5 + front, 3, 3000);
    uint32_t cold = (uint32_t)p->bytes, beside = cold / 3 - 3000;
    uint32_t fit = 3 * STORE_BLOCK - cold - front;
    fixture_append(f, p, 1, fit - 500 - 2 * beside, 3, 3);
    fixture_append(f, p, 1, 500, 4, 4);
    fixture_append(f, p, 1, 3900, 5, 5);
    assert_int_equal(fixture_settle(f), ERR_OK);
    f->now_ns += CLOCK_NS_PER_S;
    assert_int_equal(fixture_turns(f, 100), ERR_OK);
    assert_int_equal(p->segments[0]->written, 3 * STORE_BLOCK);
    assert_int_equal(p->bytes, 3 * STORE_BLOCK - front + 3900 + beside);
    return p;
}

static void
assert_sums_are_of(const struct segment *seg, const uint8_t *file)
{
    struct sums all = {0};
    assert_int_equal(sums_covered(&seg->sums), seg->written);
    sums_add(&all, file, seg->written);
    for (uint32_t i = 0; i < sums_count(&all); i++)
        assert_int_equal(sums_get(&all, i), sums_get(&seg->sums, i));
    sums_free(&all);
}

static void
a_walk_ends_in_a_batch_that_is_not_all_written_yet(void **state)
{
    (void)state;
    static const uint32_t fronts[] = {1, 12, 30, 60, 61, 62, 500, 1500};
    for (uint32_t i = 0; i < sizeof fronts / sizeof fronts[0]; i++) {
        struct fixture f;
        struct store_range range;
        struct plog *p = log_written_up_to(&f, fronts[i]);
        struct segment *seg = p->segments[0];
        assert_true(fixture_read(&f, p, 0, 1, bytes, &range) > 0);
        assert_int_equal(seg->indexed_from, 0);
        assert_sums_are_of(seg, file_of(&f, p));
        assert_int_equal(fixture_read(&f, p, 0, 64 << 10, bytes, &range), p->bytes);
        assert_int_equal(range.offset_limit, 6);
        assert_int_equal(fixture_checkpoint(&f), ERR_OK);
        assert_int_equal(seg->written, p->bytes);
        assert_sums_are_of(seg, file_of(&f, p));
        assert_int_equal(f.store[0]->stats.damaged, 0);
        fixture_end(&f);
    }
}

/* Half of its header may be in the file: nobody waits there for the other half.  The tail map has
 * forgotten the batches before it, as when it is full of small ones. */
static void
a_range_from_the_file_ends_before_a_header_that_is_not_all_written(void **state)
{
    (void)state;
    static const uint32_t fronts[] = {1, 30, 60, 61, 500};
    for (uint32_t i = 0; i < sizeof fronts / sizeof fronts[0]; i++) {
        struct fixture f;
        struct store_range range;
        struct plog *p = log_written_up_to(&f, fronts[i]);
        struct tail_entry *e = store_entry(f.store[0], p->tail_first);
        uint32_t from = e->pos, last = 3 * STORE_BLOCK - fronts[i];
        p->tail_first = f.store[0]->tail.first = store_entry(f.store[0], e->next)->next;
        assert_int_equal(fixture_read(&f, p, 3, (uint32_t)p->bytes - from - 1, bytes, &range),
                         last - from);
        assert_int_equal(range.offset_limit, 5);
        assert_int_equal(fixture_read(&f, p, 5, 1, bytes, &range), p->bytes - last);
        fixture_end(&f);
    }
}

/* Its crc cannot be checked before the rest is there. */
static void
damage_to_the_front_of_such_a_batch_does_not_get_into_the_sums(void **state)
{
    (void)state;
    static const uint32_t fronts[] = {1, 30, 61, 500};
    for (uint32_t i = 0; i < sizeof fronts / sizeof fronts[0]; i++) {
        struct fixture f;
        struct store_range range;
        struct plog *p = log_written_up_to(&f, fronts[i]);
        struct segment *seg = p->segments[0];
        uint8_t *spoiled = file_of(&f, p) + seg->written - 1;
        *spoiled ^= 1;
        assert_true(fixture_read(&f, p, 0, 1, bytes, &range) > 0);
        *spoiled ^= 1;
        assert_sums_are_of(seg, file_of(&f, p));
        fixture_end(&f);
    }
}

/* The header of what is found there may say any length. */
static void
a_walk_does_not_take_damage_for_a_batch_that_is_not_all_written(void **state)
{
    (void)state;
    for (uint32_t last = 0; last < 2; last++) {
        struct fixture f;
        struct store_range range;
        struct plog *p = log_written_up_to(&f, 500);
        uint32_t at = last ? 3 * STORE_BLOCK - 500 : 0;
        while (!last && at + get_u32(file_of(&f, p) + at + BATCH_AT_LENGTH) + BATCH_OVERHEAD <
                            p->segments[0]->indexed_from)
            at += get_u32(file_of(&f, p) + at + BATCH_AT_LENGTH) + BATCH_OVERHEAD;
        file_of(&f, p)[at + BATCH_AT_LENGTH + 2] ^= 4; /* 1 KiB more or less */
        int64_t got = fixture_read(&f, p, 0, 1, bytes, &range);
        assert_true(last ? got > 0 : got == ERR_CORRUPT);
        fixture_end(&f);
    }
}

/* A batch larger than a read buffer cannot be checked by its own crc. */
static void
no_byte_of_a_damaged_large_batch_is_lent(void **state)
{
    (void)state;
    for (int when = 0; when < 2; when++) {
        struct fixture f;
        struct store_range range;
        struct plog *p = cold_log(&f, 3, 3, 400 << 10);
        uint32_t batch = get_u32(file_of(&f, p) + BATCH_AT_LENGTH) + BATCH_OVERHEAD;
        if (when) /* the walk has seen it whole */
            assert_int_equal(fixture_read(&f, p, 1, 1, bytes, &range), batch);
        file_of(&f, p)[batch + (300 << 10)] ^= 1;
        for (uint32_t i = 0; i < f.read_buffers; i++)
            f.store[0]->buffers[i].state = READ_FREE;
        assert_int_equal(fixture_read(&f, p, 1, 1, bytes, &range), ERR_CORRUPT);
        assert_int_equal(fixture_read(&f, p, 2, 1, bytes, &range), batch);
        assert_int_equal(fixture_read(&f, p, 0, 1, bytes, &range), batch);
        if (!when)
            assert_true(f.store[0]->stats.damaged > 0);
        fixture_end(&f);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_walk_knows_the_index_and_the_sums_of_all_that_is_written),
        cmocka_unit_test(sums_go_on_with_what_is_appended_after_a_walk),
        cmocka_unit_test(sums_cover_what_goes_straight_to_the_segment),
        cmocka_unit_test(a_walk_ends_in_a_batch_that_is_not_all_written_yet),
        cmocka_unit_test(a_range_from_the_file_ends_before_a_header_that_is_not_all_written),
        cmocka_unit_test(damage_to_the_front_of_such_a_batch_does_not_get_into_the_sums),
        cmocka_unit_test(a_walk_does_not_take_damage_for_a_batch_that_is_not_all_written),
        cmocka_unit_test(no_byte_of_a_damaged_large_batch_is_lent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
