#include "core/base/crc32c.h"
#include "tests/unit/unit.h"

#include <string.h>

static void
the_check_value_of_the_standard_is_met(void **state)
{
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283u);
    assert_int_equal(crc32c_ref(0, "123456789", 9), 0xe3069283u);
}

static void
fast_and_reference_agree_at_every_length_and_alignment(void **state)
{
    static uint8_t bytes[600];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 131 + (i >> 3));
    for (size_t at = 0; at < 9; at++)
        for (size_t n = 0; n + at <= sizeof bytes; n++)
            assert_int_equal(crc32c(7, bytes + at, n), crc32c_ref(7, bytes + at, n));
}

static void
a_sum_continues_over_pieces(void **state)
{
    assert_int_equal(crc32c(crc32c(0, "1234", 4), "56789", 5), crc32c(0, "123456789", 9));
}

static void
a_copy_has_the_bytes_and_their_sum(void **state)
{
    static uint8_t from[10000], to[10000];
    for (size_t i = 0; i < sizeof from; i++)
        from[i] = (uint8_t)(i * 131 + (i >> 3));
    for (size_t n = 0; n <= 10000; n += n < 300 ? 1 : 97) {
        memset(to, 0, sizeof to);
        assert_int_equal(crc32c_copy(7, to, from, n), crc32c_ref(7, from, n));
        assert_memory_equal(to, from, n);
        assert_true(n == sizeof to || to[n] == 0);
    }
}

static void
a_sum_is_made_of_the_sums_of_its_parts(void **state)
{
    static uint8_t bytes[1 << 17];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 131 + (i >> 3));
    for (uint32_t n = 0; n <= sizeof bytes; n += n < 300 ? 1 : n % 97 + 300)
        for (uint32_t at = 0; at <= n; at += at < 3 ? 1 : n / 3 + 1)
            assert_int_equal(
                crc32c_combine(crc32c(0, bytes, at), crc32c(0, bytes + at, n - at), n - at),
                crc32c(0, bytes, n));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_check_value_of_the_standard_is_met),
        cmocka_unit_test(fast_and_reference_agree_at_every_length_and_alignment),
        cmocka_unit_test(a_sum_continues_over_pieces),
        cmocka_unit_test(a_copy_has_the_bytes_and_their_sum),
        cmocka_unit_test(a_sum_is_made_of_the_sums_of_its_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
