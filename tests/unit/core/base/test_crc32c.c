#include "core/base/crc32c.h"
#include "tests/unit/unit.h"

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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_check_value_of_the_standard_is_met),
        cmocka_unit_test(fast_and_reference_agree_at_every_length_and_alignment),
        cmocka_unit_test(a_sum_continues_over_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
