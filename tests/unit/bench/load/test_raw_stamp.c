/* Unit tests of bench/load/raw_stamp.c. */
#include "bench/load/raw.h"
#include "tests/unit/unit.h"

uint32_t
raw_get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void
raw_put_u32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (24 - 8 * i));
}

static void
the_checksum_is_castagnolis(void **state)
{
    (void)state;
    assert_int_equal(raw_crc32c((const uint8_t *)"123456789", 9), 0xe3069283);
}

static void
a_mended_checksum_equals_one_counted_anew(void **state)
{
    static struct raw_stamp stamp;
    uint8_t message[300], crc[4];
    uint64_t x = 0x9e3779b97f4a7c15u;
    (void)state;
    for (size_t n = BENCH_STAMP_BYTES; n < sizeof message; n += 7)
        for (size_t at = 0; at + BENCH_STAMP_BYTES <= n; at += 23) {
            for (size_t i = 0; i < n; i++) {
                x ^= x << 13, x ^= x >> 7, x ^= x << 17;
                message[i] = i - at < BENCH_STAMP_BYTES ? 0 : (uint8_t)x;
            }
            raw_put_u32(crc, raw_crc32c(message, n));
            raw_stamp_init(&stamp, n, at);
            raw_stamp_put(&stamp, message + at, crc, x);
            assert_int_equal(raw_get_u32(message + at), x >> 32);
            assert_int_equal(raw_get_u32(crc), raw_crc32c(message, n));
        }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_checksum_is_castagnolis),
        cmocka_unit_test(a_mended_checksum_equals_one_counted_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
