#include "core/base/err.h"
#include "core/store/store_in.h"
#include "core/wire/batch.h"
#include "tests/unit/unit.h"

static void
a_record_of_a_batch_says_where_it_goes(void **state)
{
    (void)state;
    static const struct {
        uint64_t log;
        uint32_t pos;
        int64_t base, first;
        uint32_t prefix;
    } rows[] = {
        {1, 0, 0, 0, 3},
        {300, 2 << 20, 1000, 13000, 8},
        {UINT64_MAX, UINT32_MAX, 0, INT64_MAX, STORE_PREFIX_MAX - 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t at[STORE_PREFIX_MAX + BATCH_HEADER_BYTES];
        memset(at, 0x5a, sizeof at);
        int64_t ahead = rows[i].first - rows[i].base;
        uint32_t n = store_record_prefix(at, rows[i].log, rows[i].pos, ahead);
        assert_int_equal(n, rows[i].prefix);
        set_u64(at + n, (uint64_t)rows[i].first);
        struct batch_place x;
        struct view body = view_of(at, n + BATCH_HEADER_BYTES);
        assert_int_equal(store_record_read(STORE_REC_BATCH, body, &x), ERR_OK);
        assert_true(x.log == rows[i].log);
        assert_int_equal(x.pos, rows[i].pos);
        assert_int_equal(x.base, rows[i].base);
        assert_int_equal(x.len, BATCH_HEADER_BYTES);
        assert_ptr_equal(x.rest.at, at + n);
        uint64_t log;
        assert_true(store_record_log(STORE_REC_BATCH, body, &log));
        assert_true(log == rows[i].log);
    }
}

static void
the_full_forms_begin_alike(void **state)
{
    (void)state;
    static const uint32_t kinds[] = {STORE_REC_FULL, STORE_REC_AGAIN, STORE_REC_EXTENT};
    uint8_t at[STORE_PLACE_BYTES + 10] = {0};
    struct batch_place in = {.log = 7, .base = 100, .pos = 4096, .len = 10}, x;
    store_record_place(at, &in);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        assert_true(store_record_of_batch(kinds[i]));
        assert_int_equal(store_record_read(kinds[i], view_of(at, sizeof at), &x), ERR_OK);
        assert_int_equal(x.log, 7);
        assert_int_equal(x.base, 100);
        assert_int_equal(x.pos, 4096);
        assert_int_equal(x.len, 10);
        assert_int_equal(x.rest.len, 10);
    }
    assert_false(store_record_of_batch(STORE_REC_START));
}

static void
a_record_that_is_cut_is_refused(void **state)
{
    (void)state;
    uint8_t at[STORE_PREFIX_MAX + BATCH_HEADER_BYTES] = {0};
    struct batch_place x;
    uint64_t log;
    uint32_t n = store_record_prefix(at, 300, 1000, 0);
    for (uint32_t cut = 0; cut < n + BATCH_HEADER_BYTES; cut++)
        assert_int_equal(store_record_read(STORE_REC_BATCH, view_of(at, cut), &x), ERR_CORRUPT);
    for (uint32_t cut = 0; cut < STORE_PLACE_BYTES; cut++)
        assert_int_equal(store_record_read(STORE_REC_AGAIN, view_of(at, cut), &x), ERR_CORRUPT);
    assert_false(store_record_log(STORE_REC_BATCH, view_of(at, 1), &log));
    assert_false(store_record_log(STORE_REC_DELETE, view_of(at, 7), &log));
}

static void
a_base_offset_before_its_segment_is_refused(void **state)
{
    (void)state;
    uint8_t at[STORE_PREFIX_MAX + BATCH_HEADER_BYTES] = {0};
    struct batch_place x;
    uint32_t n = store_record_prefix(at, 1, 0, 6);
    set_u64(at + n, 5);
    assert_int_equal(store_record_read(STORE_REC_BATCH, view_of(at, n + BATCH_HEADER_BYTES), &x),
                     ERR_CORRUPT);
    set_u64(at + n, UINT64_MAX);
    assert_int_equal(store_record_read(STORE_REC_BATCH, view_of(at, n + BATCH_HEADER_BYTES), &x),
                     ERR_CORRUPT);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_of_a_batch_says_where_it_goes),
        cmocka_unit_test(the_full_forms_begin_alike),
        cmocka_unit_test(a_record_that_is_cut_is_refused),
        cmocka_unit_test(a_base_offset_before_its_segment_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
