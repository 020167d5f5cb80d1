#include "core/base/err.h"
#include "core/store/clean_map.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

static const uint8_t secret[CLEAN_MAP_SECRET_BYTES] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                       8, 9, 10, 11, 12, 13, 14, 15};

/* From the authors' own vectors (vectors.h of the reference, 128 bits): key 00..0f, bytes 00, 01,
 * 02, ... */
static void
the_hash_is_siphash_with_128_bits(void **state)
{
    (void)state;
    static const struct {
        uint32_t len;
        uint8_t want[16];
    } vectors[] = {
        {0,
         {0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6, 0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02,
          0x93}},
        {1,
         {0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44, 0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc,
          0x45}},
        {15,
         {0x54, 0x93, 0xe9, 0x99, 0x33, 0xb0, 0xa8, 0x11, 0x7e, 0x08, 0xec, 0x0f, 0x97, 0xcf, 0xc3,
          0xd9}},
    };
    uint64_t words[2], hash[2];
    uint8_t bytes[16], got[16];
    memcpy(words, secret, sizeof words); /* this test runs on little-endian machines */
    for (int i = 0; i < 16; i++)
        bytes[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        clean_map_hash(words, view_of(bytes, vectors[i].len), hash);
        memcpy(got, hash, sizeof got);
        assert_memory_equal(got, vectors[i].want, sizeof got);
    }
}

static struct view
key_of(uint8_t *at, uint32_t n)
{
    return view_of(at, (uint32_t)snprintf((char *)at, 32, "key-%u", n));
}

static void
the_last_offset_of_each_key_is_found(void **state)
{
    (void)state;
    enum { KEYS = 3000 };
    static struct clean_slot slots[KEYS * 10 / 9 + 10];
    static int64_t model[KEYS];
    struct clean_map m;
    unsigned seed = getenv("SEED") ? (unsigned)strtoul(getenv("SEED"), NULL, 10) : 7;
    print_message("SEED=%u\n", seed);
    srandom(seed);
    assert_int_equal(clean_map_init(&m, slots, sizeof slots, secret), ERR_OK);
    clean_map_clear(&m);
    for (int round = 0; round < 2; round++) {
        uint8_t at[32];
        memset(model, 0xff, sizeof model);
        for (int64_t offset = 0; offset < 10000; offset++) {
            uint32_t k = (uint32_t)random() % KEYS;
            assert_int_equal(clean_map_put(&m, key_of(at, k), offset), ERR_OK);
            model[k] = offset;
        }
        for (uint32_t k = 0; k < KEYS; k++)
            assert_int_equal(clean_map_get(&m, key_of(at, k)), model[k]);
        assert_int_equal(clean_map_get(&m, view_of_text("none")), -1);
        clean_map_clear(&m);
        assert_int_equal(clean_map_get(&m, key_of(at, 1)), -1);
    }
}

static void
a_full_map_takes_known_keys_only(void **state)
{
    (void)state;
    struct clean_slot slots[100];
    struct clean_map m;
    uint8_t at[32];
    assert_int_equal(clean_map_init(&m, slots, sizeof slots, secret), ERR_OK);
    clean_map_clear(&m);
    for (uint32_t k = 0; k < 90; k++)
        assert_int_equal(clean_map_put(&m, key_of(at, k), k), ERR_OK);
    assert_int_equal(clean_map_put(&m, key_of(at, 90), 90), ERR_FULL);
    assert_int_equal(clean_map_get(&m, key_of(at, 90)), -1);
    assert_int_equal(clean_map_put(&m, key_of(at, 3), 91), ERR_OK);
    assert_int_equal(clean_map_get(&m, key_of(at, 3)), 91);
}

static void
an_empty_key_is_a_key(void **state)
{
    (void)state;
    struct clean_slot slots[32];
    struct clean_map m;
    assert_int_equal(clean_map_init(&m, slots, sizeof slots, secret), ERR_OK);
    clean_map_clear(&m);
    assert_int_equal(clean_map_put(&m, view_of_text(""), 5), ERR_OK);
    assert_int_equal(clean_map_get(&m, view_of_text("")), 5);
}

static void
a_map_needs_some_memory(void **state)
{
    (void)state;
    struct clean_slot slots[15];
    struct clean_map m;
    assert_int_equal(clean_map_init(&m, slots, sizeof slots, secret), ERR_INVALID);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_is_siphash_with_128_bits),
        cmocka_unit_test(the_last_offset_of_each_key_is_found),
        cmocka_unit_test(a_full_map_takes_known_keys_only),
        cmocka_unit_test(an_empty_key_is_a_key),
        cmocka_unit_test(a_map_needs_some_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
