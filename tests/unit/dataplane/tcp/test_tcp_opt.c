#include "dataplane/tcp/tcp_opt.h"
#include "dataplane/tcp/tcp_seq.h"

#include "core/base/err.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

static int
read_options(struct tcp_header *h, const uint8_t *options, uint32_t len)
{
    /* On the heap with its exact size, so that a sanitizer sees a read too far. */
    uint8_t *bytes = calloc(1, TCP_HEADER_MIN + len);
    bytes[12] = (uint8_t)((TCP_HEADER_MIN + len) / 4 << 4);
    memcpy(bytes + TCP_HEADER_MIN, options, len);
    int err = tcp_header_read(view_of(bytes, TCP_HEADER_MIN + len), h);
    free(bytes);
    return err;
}

static void
a_syn_reads_back_as_it_was_written(void **state)
{
    struct tcp_header h = {.src_port = 40000,
                           .dst_port = 9092,
                           .seq = 0xfffffff0,
                           .ack = 17,
                           .window = 65535,
                           .flags = TCP_SYN | TCP_ACK,
                           .options = {.mss = 8960,
                                       .scale = 8,
                                       .has_scale = true,
                                       .has_ts = true,
                                       .ts_value = 5,
                                       .ts_echo = 6,
                                       .sack_permitted = true}};
    uint8_t bytes[60];
    uint32_t len = tcp_header_write(bytes, &h);
    assert_int_equal(len, 20 + 4 + 2 + 10 + 3 + 1);
    assert_int_equal(bytes[len - 1], 0); /* what fills the last word */
    struct tcp_header r;
    assert_int_equal(tcp_header_read(view_of(bytes, len), &r), ERR_OK);
    assert_int_equal(r.src_port, 40000);
    assert_int_equal(r.dst_port, 9092);
    assert_int_equal(r.seq, 0xfffffff0);
    assert_int_equal(r.ack, 17);
    assert_int_equal(r.window, 65535);
    assert_int_equal(r.flags, TCP_SYN | TCP_ACK);
    assert_int_equal(r.options.mss, 8960);
    assert_true(r.options.has_scale && r.options.has_ts && r.options.sack_permitted);
    assert_int_equal(r.options.scale, 8);
    assert_int_equal(r.options.ts_value, 5);
    assert_int_equal(r.options.ts_echo, 6);
    assert_int_equal(r.payload.len, 0);
}

static void
beside_timestamps_three_sack_blocks_fit(void **state)
{
    struct tcp_header h = {.flags = TCP_ACK, .options = {.has_ts = true, .sack_count = 4}};
    for (uint32_t i = 0; i < 4; i++)
        h.options.sacks[i] = (struct tcp_range){100 * i, 100 * i + 50};
    uint8_t bytes[60];
    uint32_t len = tcp_header_write(bytes, &h);
    assert_int_equal(len, 60);
    struct tcp_header r;
    assert_int_equal(tcp_header_read(view_of(bytes, len), &r), ERR_OK);
    assert_int_equal(r.options.sack_count, 3);
    assert_int_equal(r.options.sacks[2].first, 200);
    assert_int_equal(r.options.sacks[2].limit, 250);
    h.options.has_ts = false;
    len = tcp_header_write(bytes, &h);
    assert_int_equal(tcp_header_read(view_of(bytes, len), &r), ERR_OK);
    assert_int_equal(r.options.sack_count, 4);
}

static void
a_data_offset_that_leads_outside_is_corrupt(void **state)
{
    struct tcp_header r;
    uint8_t bytes[20] = {0};
    assert_int_equal(tcp_header_read(view_of(bytes, 20), &r), ERR_CORRUPT);
    bytes[12] = 15 << 4;
    assert_int_equal(tcp_header_read(view_of(bytes, 20), &r), ERR_CORRUPT);
    bytes[12] = 5 << 4;
    assert_int_equal(tcp_header_read(view_of(bytes, 19), &r), ERR_CORRUPT);
    assert_int_equal(tcp_header_read(view_of(bytes, 20), &r), ERR_OK);
}

static void
illegal_lengths_end_the_list_and_keep_what_came_before(void **state)
{
    struct tcp_header r;
    const uint8_t zero[] = {2, 4, 5, 180, 8, 0, 3, 3, 7, 0, 0, 0};
    assert_int_equal(read_options(&r, zero, sizeof zero), ERR_OK);
    assert_int_equal(r.options.mss, 1460);
    assert_false(r.options.has_scale);
    const uint8_t far[] = {2, 4, 5, 180, 1, 1, 8, 11};
    assert_int_equal(read_options(&r, far, sizeof far), ERR_OK);
    assert_int_equal(r.options.mss, 1460);
    assert_false(r.options.has_ts);
    const uint8_t lone[] = {1, 1, 1, 2};
    assert_int_equal(read_options(&r, lone, sizeof lone), ERR_OK);
}

static void
unknown_options_are_skipped_and_wrong_sizes_ignored(void **state)
{
    struct tcp_header r;
    const uint8_t bytes[] = {253, 3, 9, 2, 3, 5, 3, 3, 4, 4, 2, 0};
    assert_int_equal(read_options(&r, bytes, sizeof bytes), ERR_OK);
    assert_int_equal(r.options.mss, 0);
    assert_true(r.options.has_scale);
    assert_int_equal(r.options.scale, 4);
    assert_true(r.options.sack_permitted);
}

static void
a_window_scale_over_fourteen_counts_as_fourteen(void **state)
{
    struct tcp_header r;
    const uint8_t bytes[] = {3, 3, 200, 0};
    assert_int_equal(read_options(&r, bytes, sizeof bytes), ERR_OK);
    assert_int_equal(r.options.scale, 14);
}

static void
of_two_options_of_a_kind_the_first_counts(void **state)
{
    struct tcp_header r;
    const uint8_t bytes[] = {2, 4, 5, 180, 2, 4, 0, 1};
    assert_int_equal(read_options(&r, bytes, sizeof bytes), ERR_OK);
    assert_int_equal(r.options.mss, 1460);
}

static void
nothing_follows_the_end_of_the_list(void **state)
{
    struct tcp_header r;
    const uint8_t bytes[] = {0, 2, 4, 5, 180, 0, 0, 0};
    assert_int_equal(read_options(&r, bytes, sizeof bytes), ERR_OK);
    assert_int_equal(r.options.mss, 0);
}

static void
random_bytes_never_lead_outside(void **state)
{
    uint32_t seed = 20261123;
    printf("seed %u\n", seed);
    for (int round = 0; round < 20000; round++) {
        uint8_t options[40];
        for (uint32_t i = 0; i < sizeof options; i++) {
            seed = seed * 1664525u + 1013904223u;
            options[i] = (uint8_t)((seed >> 24) % (round % 2 ? 12 : 256));
        }
        struct tcp_header r;
        assert_int_equal(read_options(&r, options, 4 * (uint32_t)(round % 11)), ERR_OK);
        assert_true(r.options.sack_count <= TCP_SACKS_MAX);
    }
}

static void
numbers_compare_across_the_wrap(void **state)
{
    assert_true(seq_before(0xfffffff0, 0x10));
    assert_false(seq_before(0x10, 0xfffffff0));
    assert_true(seq_upto(7, 7));
    assert_false(seq_before(7, 7));
    assert_true(seq_before(0, 0x7fffffff));
    assert_false(seq_before(0, 0x80000001));
    assert_int_equal(seq_max(0xfffffff0, 0x10), 0x10);
    assert_int_equal(seq_min(0xfffffff0, 0x10), 0xfffffff0);
    assert_true(seq_in(0x5, 0xfffffff0, 0x10));
    assert_false(seq_in(0x10, 0xfffffff0, 0x10));
    assert_false(seq_in(3, 3, 3));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_syn_reads_back_as_it_was_written),
        cmocka_unit_test(beside_timestamps_three_sack_blocks_fit),
        cmocka_unit_test(a_data_offset_that_leads_outside_is_corrupt),
        cmocka_unit_test(illegal_lengths_end_the_list_and_keep_what_came_before),
        cmocka_unit_test(unknown_options_are_skipped_and_wrong_sizes_ignored),
        cmocka_unit_test(a_window_scale_over_fourteen_counts_as_fourteen),
        cmocka_unit_test(of_two_options_of_a_kind_the_first_counts),
        cmocka_unit_test(nothing_follows_the_end_of_the_list),
        cmocka_unit_test(random_bytes_never_lead_outside),
        cmocka_unit_test(numbers_compare_across_the_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
