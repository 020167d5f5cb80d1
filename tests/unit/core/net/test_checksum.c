#include "core/net/checksum.h"

#include "core/base/bytes.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

/* RFC 1071 as it is written: 16-bit words in network order, one at a time. */
static uint16_t
plain(const uint8_t *p, size_t n)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (uint32_t)p[i] << (i & 1 ? 0 : 8);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static uint32_t seed;

static uint32_t
next(void)
{
    seed = seed * 1664525 + 1013904223;
    return seed >> 8;
}

static void
the_example_of_rfc_1071_has_its_sum(void **state)
{
    static const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    assert_int_equal((uint16_t)~checksum_of(bytes, sizeof bytes), 0xddf2);
}

static void
any_length_at_any_alignment_agrees_with_the_plain_sum(void **state)
{
    static uint8_t memory[2100];
    seed = 1;
    for (size_t i = 0; i < sizeof memory; i++)
        memory[i] = (uint8_t)next();
    for (size_t n = 0; n < 300; n++)
        for (size_t at = 0; at < 8; at++)
            assert_int_equal(checksum_of(memory + at, n), plain(memory + at, n));
    assert_int_equal(checksum_of(memory + 3, 2000), plain(memory + 3, 2000));
}

static void
carries_are_not_lost_when_every_bit_is_set(void **state)
{
    static uint8_t memory[70000];
    memset(memory, 0xff, sizeof memory);
    for (size_t n = sizeof memory - 40; n <= sizeof memory; n++)
        assert_int_equal(checksum_of(memory, n), plain(memory, n));
}

static void
pieces_of_odd_lengths_add_up_to_the_whole(void **state)
{
    uint8_t memory[512];
    seed = 2;
    for (int round = 0; round < 2000; round++) {
        for (size_t i = 0; i < sizeof memory; i++)
            memory[i] = (uint8_t)(next() & 1 ? next() : 0xff);
        size_t n = next() % sizeof memory, done = 0;
        struct checksum c = checksum_start();
        while (done < n) {
            size_t piece = 1 + next() % (n - done);
            checksum_add(&c, memory + done, piece);
            done += piece;
        }
        if (checksum_end(&c) != plain(memory, n))
            printf("round %d of seed 2\n", round);
        assert_int_equal(checksum_end(&c), plain(memory, n));
    }
}

static void
a_packet_with_its_checksum_verifies_to_zero_and_a_flipped_bit_does_not(void **state)
{
    uint8_t p[41];
    for (size_t i = 0; i < sizeof p; i++)
        p[i] = (uint8_t)(i * 7);
    set_u16(p + 16, 0);
    set_u16(p + 16, checksum_of(p, sizeof p));
    assert_int_equal(checksum_of(p, sizeof p), 0);
    for (size_t bit = 0; bit < sizeof p * 8; bit++) {
        p[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_not_equal(checksum_of(p, sizeof p), 0);
        p[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void
mapped_ipv4_addresses_count_as_the_four_bytes_that_they_are(void **state)
{
    uint8_t src[16] = {[10] = 0xff, 0xff, 10, 77, 0, 1},
            dst[16] = {[10] = 0xff, 0xff, 10, 77, 0, 2};
    uint8_t pseudo4[12] = {10, 77, 0, 1, 10, 77, 0, 2, 0, 6};
    for (uint32_t length = 0; length < 3000; length++) {
        struct checksum c = checksum_start();
        checksum_pseudo(&c, src, dst, 6, length);
        set_u16(pseudo4 + 10, (uint16_t)length);
        assert_int_equal(checksum_end(&c), plain(pseudo4, sizeof pseudo4));
    }
}

static void
the_pseudo_header_of_ipv6_has_a_length_of_four_bytes(void **state)
{
    uint8_t pseudo[40] = {0};
    for (int i = 0; i < 32; i++)
        pseudo[i] = (uint8_t)(0x20 + i);
    set_u32(pseudo + 32, 0x12345);
    pseudo[39] = 58;
    struct checksum c = checksum_start();
    checksum_pseudo(&c, pseudo, pseudo + 16, 58, 0x12345);
    assert_int_equal(checksum_end(&c), plain(pseudo, sizeof pseudo));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_rfc_1071_has_its_sum),
        cmocka_unit_test(any_length_at_any_alignment_agrees_with_the_plain_sum),
        cmocka_unit_test(carries_are_not_lost_when_every_bit_is_set),
        cmocka_unit_test(pieces_of_odd_lengths_add_up_to_the_whole),
        cmocka_unit_test(a_packet_with_its_checksum_verifies_to_zero_and_a_flipped_bit_does_not),
        cmocka_unit_test(mapped_ipv4_addresses_count_as_the_four_bytes_that_they_are),
        cmocka_unit_test(the_pseudo_header_of_ipv6_has_a_length_of_four_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
