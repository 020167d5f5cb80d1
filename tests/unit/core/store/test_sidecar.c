#include "core/store/sidecar.h"
#include "tests/unit/core/store/store_fixture.h"

#include <stdlib.h>

static struct segment *
segment_make(struct plog *p)
{
    static uint8_t zeros[1 << 10];
    plog_init(p);
    struct segment *seg = plog_roll(p, 100);
    assert_non_null(seg);
    seg->sealed = true;
    struct batch_info info = {.bytes = 300 << 10, .last_offset_delta = 999};
    assert_int_equal(plog_note(p, seg, 100, &info, 7, 5000), ERR_OK);
    for (uint32_t i = 0; i < 5; i++)
        index_add(&seg->idx, (struct index_entry){i * 50, i * 60000, i ? i * 10 : INT64_MIN, 0});
    for (uint32_t i = 0; i < 300; i++)
        sums_add(&seg->sums, zeros, sizeof zeros);
    return seg;
}

static void
what_was_written_is_read_back(void **state)
{
    (void)state;
    struct plog p;
    struct segment *seg = segment_make(&p);
    struct index idx;
    struct sums sums;
    uint32_t bytes = sidecar_bytes(&p, seg, seg->bytes);
    uint8_t *at = malloc(bytes);
    assert_non_null(at);
    assert_int_equal(bytes % SIDECAR_BLOCK, 0);
    sidecar_write(&p, seg, seg->bytes, at, bytes);
    assert_int_equal(sidecar_read(at, bytes, 100, 300 << 10, NULL, &idx, &sums), ERR_OK);
    assert_int_equal(idx.count, 5);
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(index_get(&idx, i)->rel, i * 50);
        assert_int_equal(index_get(&idx, i)->pos, i * 60000);
        assert_true(index_get(&idx, i)->max_ts == (i ? i * 10 : INT64_MIN));
    }
    assert_int_equal(sums_covered(&sums), 300 << 10);
    for (uint32_t i = 0; i < sums_count(&sums); i++)
        assert_int_equal(sums_get(&sums, i), sums_get(&seg->sums, i));
    index_free(&idx);
    sums_free(&sums);
    free(at);
    plog_free(&p);
}

static void
a_segment_that_goes_on_has_one_of_its_front(void **state)
{
    (void)state;
    struct plog p;
    struct segment *seg = segment_make(&p);
    static uint8_t zeros[1 << 10];
    struct index idx;
    struct sums sums;
    struct view v;
    uint32_t covers;
    int64_t max_ts;
    seg->sealed = false;
    sums_free(&seg->sums);
    for (uint32_t i = 0; i < 200; i++)
        sums_add(&seg->sums, zeros, sizeof zeros);
    uint32_t bytes = sidecar_bytes(&p, seg, 200 << 10);
    uint8_t *at = malloc(bytes);
    assert_non_null(at);
    sidecar_write(&p, seg, 200 << 10, at, bytes);
    assert_int_equal(sidecar_covers(at, bytes, 100, &covers, &max_ts), ERR_OK);
    assert_int_equal(covers, 200 << 10);
    assert_int_equal(max_ts, 5000);
    assert_int_equal(sidecar_covers(at, bytes, 101, &covers, &max_ts), ERR_CORRUPT);
    assert_int_equal(sidecar_read(at, bytes, 100, 300 << 10, NULL, &idx, &sums), ERR_CORRUPT);
    assert_int_equal(sidecar_read(at, bytes, 100, covers, NULL, &idx, &sums), ERR_OK);
    assert_int_equal(idx.count, 2); /* as sparse as that of a sealed one; none beyond it */
    assert_int_equal(index_get(&idx, 1)->pos, 120000);
    assert_int_equal(sums_covered(&sums), 200 << 10);
    assert_int_equal(sidecar_section(at, bytes, 100, covers, SIDECAR_PRODUCERS, &v), ERR_NOT_FOUND);
    assert_int_equal(sidecar_section(at, bytes, 100, covers, SIDECAR_EPOCHS, &v), ERR_NOT_FOUND);
    index_free(&idx);
    sums_free(&sums);
    free(at);
    plog_free(&p);
}

static void
a_sidecar_of_another_segment_is_refused(void **state)
{
    (void)state;
    struct plog p;
    struct segment *seg = segment_make(&p);
    struct index idx;
    struct sums sums;
    uint32_t bytes = sidecar_bytes(&p, seg, seg->bytes);
    uint8_t *at = malloc(bytes);
    assert_non_null(at);
    sidecar_write(&p, seg, seg->bytes, at, bytes);
    assert_int_equal(sidecar_read(at, bytes, 101, 300 << 10, NULL, &idx, &sums), ERR_CORRUPT);
    assert_int_equal(sidecar_read(at, bytes, 100, 299 << 10, NULL, &idx, &sums), ERR_CORRUPT);
    free(at);
    plog_free(&p);
}

/* Zeros between the sections and the footer carry nothing; every other byte counts. */
static void
any_changed_byte_that_says_something_is_found(void **state)
{
    (void)state;
    struct plog p;
    struct segment *seg = segment_make(&p);
    struct index idx;
    struct sums sums;
    uint32_t bytes = sidecar_bytes(&p, seg, seg->bytes), found = 0;
    uint8_t *at = malloc(bytes);
    assert_non_null(at);
    sidecar_write(&p, seg, seg->bytes, at, bytes);
    for (uint32_t i = 0; i < bytes; i++) {
        bool zero = at[i] == 0;
        at[i] ^= 0x55;
        int rc = sidecar_read(at, bytes, 100, 300 << 10, NULL, &idx, &sums);
        assert_true(rc == ERR_CORRUPT || (rc == ERR_OK && zero));
        found += rc == ERR_CORRUPT;
        if (rc == ERR_OK) {
            index_free(&idx);
            sums_free(&sums);
        }
        at[i] ^= 0x55;
    }
    assert_true(found > 5 * 16 + 5 * 4 + 12 + 48);
    free(at);
    plog_free(&p);
}

static void
cut_and_random_bytes_are_refused(void **state)
{
    (void)state;
    struct plog p;
    struct segment *seg = segment_make(&p);
    struct index idx;
    struct sums sums;
    uint32_t bytes = sidecar_bytes(&p, seg, seg->bytes);
    uint8_t *at = malloc(bytes);
    assert_non_null(at);
    sidecar_write(&p, seg, seg->bytes, at, bytes);
    for (uint32_t cut = 0; cut < bytes; cut += 7)
        assert_int_equal(sidecar_read(at, cut, 100, 300 << 10, NULL, &idx, &sums), ERR_CORRUPT);
    for (uint32_t i = 0; i < bytes; i++)
        at[i] = (uint8_t)(i * 197);
    assert_int_equal(sidecar_read(at, bytes, 100, 300 << 10, NULL, &idx, &sums), ERR_CORRUPT);
    free(at);
    plog_free(&p);
}

/* Producer `id` with one batch of one record at an offset. */
static void
wrote(struct plog *p, int64_t id, int64_t offset)
{
    struct producer_ask ask = {.id = id, .record_count = 1};
    struct producer_batch b = {.offset_first = offset, .offset_last = offset};
    assert_int_equal(producer_reserve(&p->producers, id), ERR_OK);
    producer_add(&p->producers, &ask, &b, 1);
}

static bool
agrees(const struct plog *p, const struct segment *seg, enum sidecar_section type, struct view v)
{
    static uint8_t scratch[SIDECAR_ROWS_BYTES];
    return sidecar_agrees(p, seg, type, v, scratch, sizeof scratch);
}

/* A transaction that was aborted. */
static void
aborted(struct plog *p, int64_t id, int64_t first, int64_t last)
{
    assert_int_equal(stable_reserve(&p->stable), ERR_OK);
    stable_begin(&p->stable, id, first);
    stable_end(&p->stable, first, last, true);
    stable_durable(&p->stable, last + 1);
}

static void
it_has_the_transactions_that_end_in_it_and_the_producers_that_are_silent_since(void **state)
{
    (void)state;
    struct plog p;
    struct segment *seg = segment_make(&p);
    aborted(&p, 1, 50, 90);
    aborted(&p, 2, 60, 100);
    aborted(&p, 3, 500, 1099);
    assert_non_null(plog_roll(&p, 1100));
    aborted(&p, 4, 600, 1100);
    wrote(&p, 10, 40);
    wrote(&p, 11, 1099);
    wrote(&p, 12, 1100);
    uint32_t bytes = sidecar_bytes(&p, seg, seg->bytes);
    uint8_t *at = malloc(bytes);
    assert_non_null(at);
    sidecar_write(&p, seg, seg->bytes, at, bytes);
    struct view v;
    assert_int_equal(sidecar_section(at, bytes, 100, 300 << 10, SIDECAR_ABORTED, &v), ERR_OK);
    assert_int_equal(v.len, 2 * 32);
    assert_int_equal(get_i64(v.at), 2);
    assert_int_equal(get_i64(v.at + 8), 60);
    assert_int_equal(get_i64(v.at + 16), 100);
    assert_int_equal(get_i64(v.at + 32), 3);
    assert_int_equal(get_i64(v.at + 48), 1099);
    assert_true(agrees(&p, seg, SIDECAR_ABORTED, v));
    assert_false(agrees(&p, seg, SIDECAR_ABORTED, view_of(v.at, 32)));
    stable_forget(&p.stable, 100); /* compaction: the sidecar may have more */
    assert_true(agrees(&p, seg, SIDECAR_ABORTED, v));
    assert_int_equal(sidecar_section(at, bytes, 100, 300 << 10, SIDECAR_PRODUCERS, &v), ERR_OK);
    assert_true(agrees(&p, seg, SIDECAR_PRODUCERS, v));
    struct producer_table t;
    struct cur c = cur_of(v);
    producer_table_init(&t);
    assert_int_equal(producer_load(&t, &c), ERR_OK);
    assert_int_equal(t.count, 2);
    assert_non_null(producer_find(&t, 10));
    assert_non_null(producer_find(&t, 11));
    producer_table_free(&t);
    assert_int_equal(sidecar_section(at, bytes, 101, 300 << 10, SIDECAR_ABORTED, &v), ERR_CORRUPT);
    free(at);
    plog_free(&p);
}

static void
more_producers_than_the_limit_leave_their_section_out(void **state)
{
    (void)state;
    struct plog p;
    struct segment *seg = segment_make(&p);
    struct index idx;
    struct sums sums;
    struct view v;
    for (int64_t id = 0; id <= SIDECAR_PRODUCERS_MAX; id++)
        wrote(&p, id, 100);
    uint32_t bytes = sidecar_bytes(&p, seg, seg->bytes);
    uint8_t *at = malloc(bytes);
    assert_non_null(at);
    sidecar_write(&p, seg, seg->bytes, at, bytes);
    assert_int_equal(sidecar_section(at, bytes, 100, 300 << 10, SIDECAR_PRODUCERS, &v),
                     ERR_NOT_FOUND);
    assert_int_equal(sidecar_section(at, bytes, 100, 300 << 10, SIDECAR_EPOCHS, &v), ERR_OK);
    assert_int_equal(sidecar_read(at, bytes, 100, 300 << 10, NULL, &idx, &sums), ERR_OK);
    index_free(&idx);
    sums_free(&sums);
    free(at);
    plog_free(&p);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read_back),
        cmocka_unit_test(a_segment_that_goes_on_has_one_of_its_front),
        cmocka_unit_test(a_sidecar_of_another_segment_is_refused),
        cmocka_unit_test(any_changed_byte_that_says_something_is_found),
        cmocka_unit_test(cut_and_random_bytes_are_refused),
        cmocka_unit_test(
            it_has_the_transactions_that_end_in_it_and_the_producers_that_are_silent_since),
        cmocka_unit_test(more_producers_than_the_limit_leave_their_section_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
