#include "dataplane/tcp/tcp_segs.h"

#include "dataplane/tcp/tcp_seq.h"
#include "dataplane/tcp/tcp_table.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POOL = 256, MSS = 100 };

struct bench {
    struct tcp_seg at[POOL];
    struct tcp_seg_pool pool;
    struct tcp_segs segs;
    uint32_t una, next;
    uint64_t now_us;
};

static struct bench *
bench_of(uint32_t start)
{
    struct bench *b = calloc(1, sizeof *b);
    tcp_seg_pool_init(&b->pool, b->at, POOL);
    tcp_segs_init(&b->segs, start);
    b->una = b->next = start;
    b->now_us = 1000000;
    return b;
}

static void
finish(struct bench *b)
{
    tcp_segs_drop(&b->segs, &b->pool);
    assert_int_equal(b->pool.used, 0);
    assert_int_equal(b->segs.out_bytes, 0);
    free(b);
}

static void
send(struct bench *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct tcp_seg g = {.seq = b->next, .len = MSS, .sent_us = b->now_us};
        assert_true(tcp_segs_room(&b->segs, &b->pool));
        tcp_segs_sent(&b->segs, &b->pool, &g);
        b->next += MSS;
    }
}

/* An acknowledgement with at most one block, in segments from the first ever sent. */
static struct tcp_ack_out
ack(struct bench *b, uint32_t una, uint32_t first, uint32_t limit)
{
    struct tcp_ack_in in = {.now_us = b->now_us, .min_rtt_us = 1000};
    struct tcp_ack_out out = {0};
    struct tcp_header h = {.ack = una};
    if (first != limit) {
        h.options.sack_count = 1;
        h.options.sacks[0] = (struct tcp_range){first, limit};
    }
    tcp_segs_acked(&b->segs, &b->pool, una, &in, &out);
    tcp_segs_sacked(&b->segs, &b->pool, &h, &in, &out);
    b->una = una;
    tcp_segs_check(&b->segs, &b->pool);
    return out;
}

static uint64_t
detect(struct bench *b, bool eager)
{
    struct tcp_ack_in in = {.now_us = b->now_us, .min_rtt_us = 1000};
    uint64_t wait = tcp_segs_detect(&b->segs, &b->pool, &in, 1000, eager);
    tcp_segs_check(&b->segs, &b->pool);
    return wait;
}

static void
an_ack_frees_whole_segments_and_trims_the_next(void **state)
{
    struct bench *b = bench_of(0xffffff00);
    send(b, 5);
    b->now_us += 700;
    struct tcp_ack_out out = ack(b, 0xffffff00 + 250, 0, 0);
    assert_int_equal(out.acked, 250);
    assert_int_equal(out.rtt_us, 700);
    assert_int_equal(b->segs.count, 3);
    assert_int_equal(tcp_segs_flight(&b->segs), 250);
    finish(b);
}

static void
a_sacked_byte_counts_once(void **state)
{
    struct bench *b = bench_of(0);
    send(b, 5);
    assert_int_equal(ack(b, 0, 200, 400).sacked, 200);
    assert_int_equal(ack(b, 0, 200, 500).sacked, 100);
    assert_int_equal(tcp_segs_flight(&b->segs), 200);
    struct tcp_ack_out out = ack(b, 500, 0, 0);
    assert_int_equal(out.acked, 200);
    assert_int_equal(b->segs.count, 0);
    finish(b);
}

static void
a_segment_that_a_block_covers_in_part_is_not_sacked(void **state)
{
    struct bench *b = bench_of(0);
    send(b, 3);
    assert_int_equal(ack(b, 0, 150, 300).sacked, 100);
    finish(b);
}

static void
blocks_outside_of_what_was_sent_are_no_news(void **state)
{
    struct bench *b = bench_of(1000);
    send(b, 3);
    assert_int_equal(ack(b, 1000, 1200, 1400).sacked, 0); /* beyond */
    assert_int_equal(ack(b, 1000, 900, 1300).sacked, 0);  /* begins before una */
    assert_int_equal(ack(b, 1000, 1300, 1100).sacked, 0); /* upside down */
    finish(b);
}

static void
a_block_below_the_ack_reports_duplicates(void **state)
{
    struct bench *b = bench_of(0);
    send(b, 3);
    assert_int_equal(ack(b, 200, 0, 100).dup_bytes, 100);
    assert_int_equal(ack(b, 200, 0, 0).dup_bytes, 0);
    finish(b);
}

static void
what_was_sent_before_an_arrival_is_lost_after_a_round_trip_and_a_quarter(void **state)
{
    struct bench *b = bench_of(0);
    send(b, 1);
    b->now_us += 10;
    send(b, 1);
    b->now_us += 1000;
    ack(b, 0, 100, 200);
    b->segs.reordered = true;
    uint64_t wait = detect(b, false);
    assert_int_equal(b->segs.lost_bytes, 0);
    assert_int_equal(wait, 240); /* the second one's 1000 and 250, of which 1010 have passed */
    b->now_us += wait;
    detect(b, false);
    assert_int_equal(b->segs.lost_bytes, 100);
    assert_int_equal(b->at[tcp_segs_lost(&b->segs, &b->pool)].seq, 0);
    finish(b);
}

static void
a_lost_retransmission_is_lost_again(void **state)
{
    struct bench *b = bench_of(0);
    send(b, 3);
    b->now_us += 1000;
    ack(b, 0, 100, 200);
    detect(b, true);
    uint32_t i = tcp_segs_lost(&b->segs, &b->pool);
    assert_int_equal(b->at[i].seq, 0);
    tcp_segs_resent(&b->segs, &b->pool, i, b->now_us);
    assert_int_equal(tcp_segs_lost(&b->segs, &b->pool), TCP_NONE);
    b->now_us += 10;
    send(b, 1);
    b->now_us += 1500;
    ack(b, 0, 300, 400);
    detect(b, true);
    assert_int_equal(b->at[tcp_segs_lost(&b->segs, &b->pool)].seq, 0);
    finish(b);
}

static void
what_was_sent_again_behind_new_bytes_of_the_same_moment_is_lost_again(void **state)
{
    struct bench *b = bench_of(0);
    send(b, 2);
    b->now_us += 1000;
    ack(b, 0, 100, 200);
    detect(b, true);
    send(b, 3);
    tcp_segs_resent(&b->segs, &b->pool, tcp_segs_lost(&b->segs, &b->pool), b->now_us);
    tcp_segs_check(&b->segs, &b->pool);
    b->now_us += 1000;
    ack(b, 0, 200, 300); /* behind it stand two that left with it and say nothing */
    detect(b, true);
    assert_int_equal(b->segs.lost_bytes, 100);
    assert_int_equal(b->at[tcp_segs_lost(&b->segs, &b->pool)].seq, 0);
    finish(b);
}

static void
after_a_timeout_everything_is_lost_and_comes_back_when_it_was_spurious(void **state)
{
    struct bench *b = bench_of(0);
    send(b, 4);
    ack(b, 0, 200, 300);
    tcp_segs_lose_all(&b->segs, &b->pool);
    tcp_segs_check(&b->segs, &b->pool);
    assert_int_equal(b->segs.lost_bytes, 400);
    b->now_us += 5000;
    tcp_segs_resent(&b->segs, &b->pool, tcp_segs_lost(&b->segs, &b->pool), b->now_us);
    tcp_segs_unlose(&b->segs, &b->pool);
    tcp_segs_check(&b->segs, &b->pool);
    assert_int_equal(b->segs.lost_bytes, 0);
    assert_int_equal(tcp_segs_flight(&b->segs), 400);
    finish(b);
}

static void
a_segment_splits_for_a_smaller_path(void **state)
{
    struct bench *b = bench_of(0);
    send(b, 2);
    assert_true(tcp_segs_split(&b->segs, &b->pool, b->segs.first, 30));
    tcp_segs_check(&b->segs, &b->pool);
    assert_int_equal(b->segs.count, 3);
    tcp_segs_lose_all(&b->segs, &b->pool);
    assert_true(tcp_segs_split(&b->segs, &b->pool, b->segs.last, 60));
    tcp_segs_check(&b->segs, &b->pool);
    assert_int_equal(b->segs.lost_bytes, 200);
    finish(b);
}

static void
a_full_pool_sends_nothing_new_but_splits_what_is_out(void **state)
{
    struct bench *b = bench_of(0);
    uint32_t splits = 0;
    while (tcp_segs_room(&b->segs, &b->pool))
        send(b, 1);
    assert_true(b->pool.used < POOL);
    while (splits < POOL && tcp_segs_split(&b->segs, &b->pool, b->segs.last, 1))
        splits++;
    assert_true(splits > 0);
    assert_int_equal(b->pool.used, POOL);
    tcp_segs_check(&b->segs, &b->pool);
    finish(b);
}

/* Random sends, blocks, losses and retransmissions.  The model: one state for each byte. */
static void
the_scoreboard_agrees_with_one_state_a_byte(void **state)
{
    enum { SPACE = 1 << 16, OUT = 'o', SACK = 's', GONE = 'g' };
    uint8_t *model = malloc(SPACE);
    for (uint32_t seed = 1; seed <= 100; seed++) {
        struct bench *b = bench_of(0);
        memset(model, 0, SPACE);
        uint32_t x = seed * 2654435761u;
        for (int step = 0; step < 400 && b->next < SPACE - 20 * MSS; step++) {
            x = x * 1664525u + 1013904223u;
            b->now_us += x >> 28;
            uint32_t out = b->next - b->una, kind = (x >> 8) % 8;
            if (kind < 3 && b->segs.count < 100) {
                memset(model + b->next, OUT, MSS);
                send(b, 1);
            } else if (kind < 5 && out > 0) {
                uint32_t first = b->una + (x >> 12) % out;
                uint32_t limit = first + 1 + (x >> 4) % (b->next - first);
                uint32_t fresh = 0;
                for (uint32_t s = b->una - b->una % MSS; s < b->next; s += MSS) {
                    uint32_t from = s < b->una ? b->una : s;
                    if (first <= from && s + MSS <= limit && model[from] == OUT) {
                        memset(model + from, SACK, s + MSS - from);
                        fresh += s + MSS - from;
                    }
                }
                assert_int_equal(ack(b, b->una, first, limit).sacked, fresh);
            } else if (kind == 5 && out > 0) {
                uint32_t to = b->una + (x >> 12) % (out + 1), fresh = 0;
                for (uint32_t i = b->una; i < to; i++)
                    fresh += model[i] == OUT;
                assert_int_equal(ack(b, to, 0, 0).acked, fresh);
            } else if (kind == 6) {
                detect(b, x >> 31);
            } else if (b->segs.lost_bytes) {
                uint32_t i = tcp_segs_lost(&b->segs, &b->pool);
                tcp_segs_resent(&b->segs, &b->pool, i, b->now_us);
            } else if ((x >> 12) % 16 == 0) {
                tcp_segs_lose_all(&b->segs, &b->pool);
                for (uint32_t i = b->una; i < b->next; i++)
                    model[i] = OUT;
                if (x >> 31)
                    tcp_segs_unlose(&b->segs, &b->pool);
            }
            tcp_segs_check(&b->segs, &b->pool);
        }
        finish(b);
    }
    free(model);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ack_frees_whole_segments_and_trims_the_next),
        cmocka_unit_test(a_sacked_byte_counts_once),
        cmocka_unit_test(a_segment_that_a_block_covers_in_part_is_not_sacked),
        cmocka_unit_test(blocks_outside_of_what_was_sent_are_no_news),
        cmocka_unit_test(a_block_below_the_ack_reports_duplicates),
        cmocka_unit_test(what_was_sent_before_an_arrival_is_lost_after_a_round_trip_and_a_quarter),
        cmocka_unit_test(a_lost_retransmission_is_lost_again),
        cmocka_unit_test(what_was_sent_again_behind_new_bytes_of_the_same_moment_is_lost_again),
        cmocka_unit_test(after_a_timeout_everything_is_lost_and_comes_back_when_it_was_spurious),
        cmocka_unit_test(a_segment_splits_for_a_smaller_path),
        cmocka_unit_test(a_full_pool_sends_nothing_new_but_splits_what_is_out),
        cmocka_unit_test(the_scoreboard_agrees_with_one_state_a_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
