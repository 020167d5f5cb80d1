#include "core/base/varint.h"
#include "tests/unit/unit.h"

static void
signed_values_survive_a_round_trip(void **state)
{
    static const int64_t values[] = {0,    -1,        1,         63,        -64,      64,
                                     8191, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        uint8_t bytes[VARLONG_BYTES_MAX];
        struct put w = put_of(bytes, sizeof bytes);
        varint_write_i64(&w, values[i]);
        assert_false(w.bad);
        struct cur c = cur_of(view_of(bytes, put_len(&w)));
        assert_int_equal(varint_read_i64(&c), values[i]);
        assert_false(c.bad);
        assert_int_equal(cur_left(&c), 0);
    }
}

static void
unsigned_values_survive_a_round_trip(void **state)
{
    static const uint64_t values[] = {0, 1, 127, 128, UINT32_MAX, INT64_MAX, UINT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        uint8_t bytes[VARLONG_BYTES_MAX];
        struct put w = put_of(bytes, sizeof bytes);
        varint_write_u64(&w, values[i]);
        assert_false(w.bad);
        struct cur c = cur_of(view_of(bytes, put_len(&w)));
        assert_true(varint_read_u64(&c) == values[i]);
        assert_false(c.bad);
        assert_int_equal(cur_left(&c), 0);
    }
}

static void
zig_zag_keeps_small_negatives_short(void **state)
{
    uint8_t bytes[4];
    struct put w = put_of(bytes, sizeof bytes);
    varint_write_i32(&w, -1);
    assert_int_equal(put_len(&w), 1);
    assert_int_equal(bytes[0], 1);
}

static void
an_unsigned_number_over_32_bits_is_bad(void **state)
{
    static const uint8_t bytes[] = {0xff, 0xff, 0xff, 0xff, 0x1f};
    struct cur c = cur_of(view_of(bytes, sizeof bytes));
    varint_read_u32(&c);
    assert_true(c.bad);
}

static void
a_number_that_is_cut_off_is_bad(void **state)
{
    static const uint8_t bytes[] = {0x80, 0x80};
    struct cur c = cur_of(view_of(bytes, sizeof bytes));
    assert_int_equal(varint_read_i32(&c), 0);
    assert_true(c.bad);
}

static void
size_tells_what_write_writes(void **state)
{
    for (uint32_t shift = 0; shift < 32; shift++) {
        uint32_t v = UINT32_C(1) << shift;
        uint8_t bytes[VARINT_BYTES_MAX];
        struct put w = put_of(bytes, sizeof bytes);
        varint_write_u32(&w, v);
        assert_int_equal(put_len(&w), varint_size_u32(v));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signed_values_survive_a_round_trip),
        cmocka_unit_test(unsigned_values_survive_a_round_trip),
        cmocka_unit_test(zig_zag_keeps_small_negatives_short),
        cmocka_unit_test(an_unsigned_number_over_32_bits_is_bad),
        cmocka_unit_test(a_number_that_is_cut_off_is_bad),
        cmocka_unit_test(size_tells_what_write_writes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
