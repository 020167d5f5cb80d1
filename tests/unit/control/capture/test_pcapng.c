#include "control/capture/pcapng.h"

#include "tests/unit/unit.h"

static uint8_t bytes[1024];

/* Its type; that its two lengths and its padding are right. */
static uint32_t
block_check(const struct put *w)
{
    uint32_t n = put_len(w);
    assert_false(w->bad);
    assert_int_equal(n % 4, 0);
    assert_int_equal(get_u32(bytes + 4), n);
    assert_int_equal(get_u32(bytes + n - 4), n);
    return get_u32(bytes);
}

static void
a_section_says_the_byte_order_and_who_wrote_it(void **state)
{
    struct put w = put_of(bytes, sizeof bytes);
    pcapng_section(&w, "sluice 1");
    assert_int_equal(block_check(&w), 0x0a0d0d0a);
    assert_int_equal(get_u32(bytes + 8), 0x1a2b3c4d);
    assert_int_equal(get_u16(bytes + 12), 1);
    assert_memory_equal(bytes + 28, "sluice 1", 8);
    assert_true(put_len(&w) <= PCAPNG_HEAD_BYTES_MAX);
}

static void
an_interface_has_a_name_and_counts_nanoseconds(void **state)
{
    struct put w = put_of(bytes, sizeof bytes);
    pcapng_interface(&w, "core0", 128);
    assert_int_equal(block_check(&w), 1);
    assert_int_equal(get_u16(bytes + 8), 1);
    assert_int_equal(get_u32(bytes + 12), 128);
    assert_memory_equal(bytes + 20, "core0", 5);
    assert_int_equal(get_u16(bytes + 28), 9);
    assert_int_equal(bytes[32], 9);
}

static void
a_packet_has_its_time_lengths_bytes_and_direction(void **state)
{
    struct put w = put_of(bytes, sizeof bytes);
    pcapng_packet(&w, &(struct pcapng_packet){.interface = 1,
                                              .at_ns = UINT64_C(0x1122334455667788),
                                              .bytes = view_of("hello", 5),
                                              .wire_bytes = 1500,
                                              .out = true});
    assert_int_equal(block_check(&w), 6);
    assert_int_equal(put_len(&w), pcapng_packet_bytes(5));
    assert_int_equal(get_u32(bytes + 8), 1);
    assert_true(get_u64(bytes + 12) == UINT64_C(0x1122334455667788));
    assert_int_equal(get_u32(bytes + 20), 5);
    assert_int_equal(get_u32(bytes + 24), 1500);
    assert_memory_equal(bytes + 28, "hello\0\0\0", 8);
    assert_int_equal(get_u32(bytes + 40), 2);
}

static void
statistics_say_what_is_not_in_the_file(void **state)
{
    struct put w = put_of(bytes, sizeof bytes);
    pcapng_statistics(&w, 0, 5, 100, 7);
    assert_int_equal(block_check(&w), 5);
    assert_int_equal(put_len(&w), PCAPNG_STATISTICS_BYTES);
    assert_true(get_u64(bytes + 24) == 100);
    assert_true(get_u64(bytes + 36) == 7);
}

static void
what_does_not_fit_is_seen(void **state)
{
    struct put w = put_of(bytes, 40);
    pcapng_packet(&w, &(struct pcapng_packet){.bytes = view_of("hello", 5), .wire_bytes = 5});
    assert_true(w.bad);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_section_says_the_byte_order_and_who_wrote_it),
        cmocka_unit_test(an_interface_has_a_name_and_counts_nanoseconds),
        cmocka_unit_test(a_packet_has_its_time_lengths_bytes_and_direction),
        cmocka_unit_test(statistics_say_what_is_not_in_the_file),
        cmocka_unit_test(what_does_not_fit_is_seen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
