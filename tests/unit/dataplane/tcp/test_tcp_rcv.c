#include "dataplane/tcp/tcp_rcv.h"

#include "dataplane/tcp/tcp.h"
#include "dataplane/tcp/tcp_table.h"
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

enum { NODES = 64, STREAM = 4096 };

/* What a test holds: frames are numbers, out counts those that were not given back. */
struct bench {
    struct tcp_node at[NODES];
    struct tcp_nodes nodes;
    struct tcp_frames frames;
    struct tcp_rcv rcv;
    uint8_t stream[STREAM];
    uint32_t start, frames_out;
};

static void
release(void *self, struct packet_frame **frames, uint32_t count)
{
    struct bench *b = self;
    assert_true(b->frames_out >= count);
    b->frames_out -= count;
}

static const struct packet_ops ops = {.release = release};

static struct bench *
bench_of(uint32_t start)
{
    struct bench *b = calloc(1, sizeof *b);
    tcp_nodes_init(&b->nodes, b->at, NODES);
    b->frames.port = (struct packet_port){&ops, b};
    b->start = start;
    tcp_rcv_init(&b->rcv, start);
    for (uint32_t i = 0; i < STREAM; i++)
        b->stream[i] = (uint8_t)(i * 7 + i / 251);
    return b;
}

static enum tcp_rcv_result
add_pinned(struct bench *b, uint32_t from, uint32_t len, uint32_t pinned, uint32_t pinned_max)
{
    static char frame;
    b->frames_out++;
    struct tcp_arrival a = {.seq = b->start + from,
                            .bytes = view_of(b->stream + from, len),
                            .frame = (struct packet_frame *)(void *)&frame,
                            .pinned_bytes = pinned,
                            .pinned_max = pinned_max};
    enum tcp_rcv_result r = tcp_rcv_add(&b->rcv, &b->nodes, &b->frames, &a);
    tcp_frames_flush(&b->frames);
    tcp_rcv_check(&b->rcv, &b->nodes);
    return r;
}

static enum tcp_rcv_result
add(struct bench *b, uint32_t from, uint32_t len)
{
    return add_pinned(b, from, len, 1, 1000);
}

/* Reads what is ready and compares it; returns how many bytes. */
static uint32_t
drain(struct bench *b, uint32_t most)
{
    struct view views[RCV_VIEWS];
    uint32_t from = b->rcv.next - b->rcv.ready_bytes - b->start, total = 0;
    uint32_t count = tcp_rcv_peek(&b->rcv, &b->nodes, views, RCV_VIEWS);
    for (uint32_t i = 0; i < count; i++) {
        assert_memory_equal(views[i].at, b->stream + from + total, views[i].len);
        total += views[i].len;
    }
    if (total > most)
        total = most;
    tcp_rcv_consume(&b->rcv, &b->nodes, &b->frames, total);
    tcp_frames_flush(&b->frames);
    tcp_rcv_check(&b->rcv, &b->nodes);
    return total;
}

static void
finish(struct bench *b)
{
    tcp_rcv_drop(&b->rcv, &b->nodes, &b->frames);
    tcp_frames_flush(&b->frames);
    assert_int_equal(b->frames_out, 0);
    assert_int_equal(b->nodes.used, 0);
    free(b);
}

static void
bytes_in_order_are_lent_in_their_frames(void **state)
{
    struct bench *b = bench_of(0xffffffc0);
    assert_int_equal(add(b, 0, 100), TCP_RCV_IN_ORDER);
    assert_int_equal(add(b, 100, 50), TCP_RCV_IN_ORDER);
    assert_int_equal(b->rcv.next, 0xffffffc0 + 150);
    assert_int_equal(drain(b, 120), 120);
    assert_int_equal(b->frames_out, 1);
    assert_int_equal(drain(b, 1000), 30);
    assert_int_equal(b->frames_out, 0);
    finish(b);
}

static void
a_gap_that_is_filled_makes_the_early_bytes_ready(void **state)
{
    struct bench *b = bench_of(1000);
    assert_int_equal(add(b, 200, 100), TCP_RCV_EARLY);
    assert_int_equal(add(b, 100, 100), TCP_RCV_EARLY);
    assert_int_equal(b->rcv.run_count, 1);
    assert_int_equal(b->rcv.ready_bytes, 0);
    assert_int_equal(add(b, 0, 100), TCP_RCV_FILLED);
    assert_int_equal(drain(b, 1000), 300);
    finish(b);
}

static void
of_overlapping_bytes_the_first_stay(void **state)
{
    struct bench *b = bench_of(1000);
    uint8_t other[100];
    memset(other, 0xee, sizeof other);
    assert_int_equal(add(b, 150, 50), TCP_RCV_EARLY);
    b->frames_out++;
    static char frame;
    struct tcp_arrival a = {.seq = 1000 + 120,
                            .bytes = view_of(other, 100),
                            .frame = (struct packet_frame *)(void *)&frame,
                            .pinned_bytes = 1,
                            .pinned_max = 1000};
    memcpy(other, b->stream + 120, 30); /* only the part before is wanted */
    assert_int_equal(tcp_rcv_add(&b->rcv, &b->nodes, &b->frames, &a), TCP_RCV_EARLY);
    tcp_rcv_check(&b->rcv, &b->nodes);
    assert_int_equal(add(b, 0, 120), TCP_RCV_FILLED);
    assert_int_equal(drain(b, 1000), 200);
    finish(b);
}

static void
bytes_that_come_twice_are_reported_once(void **state)
{
    struct bench *b = bench_of(1000);
    struct tcp_range sacks[4];
    add(b, 0, 100);
    assert_int_equal(add(b, 20, 50), TCP_RCV_DUPLICATE);
    assert_int_equal(tcp_rcv_sacks(&b->rcv, &b->nodes, sacks, 4), 1);
    assert_int_equal(sacks[0].first, 1020);
    assert_int_equal(sacks[0].limit, 1070);
    assert_int_equal(tcp_rcv_sacks(&b->rcv, &b->nodes, sacks, 4), 0);
    finish(b);
}

static void
the_run_that_changed_last_is_reported_first(void **state)
{
    struct bench *b = bench_of(1000);
    struct tcp_range sacks[4];
    add(b, 100, 10);
    add(b, 300, 10);
    add(b, 500, 10);
    add(b, 310, 10);
    assert_int_equal(tcp_rcv_sacks(&b->rcv, &b->nodes, sacks, 4), 3);
    assert_int_equal(sacks[0].first, 1300);
    assert_int_equal(sacks[0].limit, 1320);
    assert_int_equal(sacks[1].first, 1500);
    assert_int_equal(sacks[2].first, 1100);
    finish(b);
}

static void
runs_are_bounded_and_the_rest_is_dropped(void **state)
{
    struct bench *b = bench_of(0);
    for (uint32_t i = 0; i < RCV_RUNS; i++)
        assert_int_equal(add(b, 10 + 20 * i, 10), TCP_RCV_EARLY);
    assert_int_equal(add(b, 2000, 10), TCP_RCV_DROPPED);
    assert_int_equal(b->rcv.run_count, RCV_RUNS);
    assert_int_equal(add(b, 20, 10), TCP_RCV_EARLY); /* joins two */
    assert_int_equal(b->rcv.run_count, RCV_RUNS - 1);
    finish(b);
}

static void
early_bytes_give_way_to_those_in_order(void **state)
{
    struct bench *b = bench_of(0);
    assert_int_equal(add_pinned(b, 100, 10, 400, 1000), TCP_RCV_EARLY);
    assert_int_equal(add_pinned(b, 200, 10, 400, 1000), TCP_RCV_EARLY);
    assert_int_equal(add_pinned(b, 300, 10, 400, 1000), TCP_RCV_DROPPED);
    assert_int_equal(add_pinned(b, 0, 10, 400, 1000), TCP_RCV_FILLED);
    assert_int_equal(b->rcv.run_count, 1);
    assert_int_equal(drain(b, 1000), 10);
    finish(b);
}

static void
early_bytes_leave_nodes_for_those_in_order(void **state)
{
    struct bench *b = bench_of(0);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < NODES; i++) /* one run, from its end */
        kept += add(b, 2000 - 10 * i, 10) == TCP_RCV_EARLY;
    assert_int_equal(kept, NODES - NODES / 4);
    assert_int_equal(add(b, 0, 10), TCP_RCV_FILLED);
    finish(b);
}

/* Pieces of a stream in any order and size; the model is one bit for each byte kept. */
static void
random_pieces_agree_with_a_map_of_bytes(void **state)
{
    for (uint32_t seed = 1; seed <= 200; seed++) {
        uint32_t x = seed * 2654435761u, delivered = 0;
        struct bench *b = bench_of(0xfffff800u + seed);
        for (int step = 0; step < 100000 && delivered < STREAM; step++) {
            x = x * 1664525u + 1013904223u;
            uint32_t window = STREAM - delivered < 600 ? STREAM - delivered : 600;
            uint32_t from = delivered + (x >> 16) % window;
            uint32_t len = 1 + (x >> 8) % 90;
            if ((x & 7) == 0)
                from = delivered + b->rcv.ready_bytes;
            if (from > delivered + 20 && (x & 24) == 0)
                from -= 20;
            if (from + len > delivered + window)
                len = delivered + window - from;
            if (len == 0)
                continue;
            uint32_t before = b->rcv.next, keep = b->rcv.run_count;
            enum tcp_rcv_result r = add_pinned(b, from, len, 1, 48);
            if (r == TCP_RCV_IN_ORDER || r == TCP_RCV_FILLED)
                assert_true(b->rcv.next != before);
            else
                assert_true(b->rcv.next == before && b->rcv.run_count <= keep + 1);
            if ((x >> 5) % 3 == 0)
                delivered += drain(b, (x >> 20) % 500);
        }
        if (delivered != STREAM)
            print_message("seed %u\n", seed);
        assert_int_equal(delivered, STREAM);
        finish(b);
    }
}

static void
frames_that_are_kept_outlive_their_bytes_and_their_connection(void **state)
{
    (void)state;
    struct bench *b = bench_of(500);
    struct tcp_kept first, second;
    for (uint32_t i = 0; i < 4; i++)
        add(b, i * 100, 100);
    assert_true(tcp_rcv_keep(&b->rcv, &b->nodes, 150, &first)); /* two frames */
    assert_int_equal(drain(b, 150), 150);
    assert_int_equal(b->frames_out, 4);
    assert_true(tcp_rcv_keep(&b->rcv, &b->nodes, 60, &second)); /* the second, and the third */
    assert_int_equal(b->nodes.kept, 3);
    tcp_rcv_drop(&b->rcv, &b->nodes, &b->frames);
    tcp_frames_flush(&b->frames);
    assert_int_equal(b->frames_out, 3);
    assert_int_equal(b->rcv.pinned_bytes, 0);
    tcp_nodes_release(&b->nodes, &b->frames, &first);
    tcp_frames_flush(&b->frames);
    assert_int_equal(b->frames_out, 2);
    tcp_nodes_release(&b->nodes, &b->frames, &second);
    tcp_frames_flush(&b->frames);
    assert_int_equal(b->nodes.kept, 0);
    finish(b);
}

static void
a_frame_that_is_released_first_stays_until_it_is_consumed(void **state)
{
    (void)state;
    struct bench *b = bench_of(500);
    struct tcp_kept kept;
    add(b, 0, 100);
    assert_true(tcp_rcv_keep(&b->rcv, &b->nodes, 100, &kept));
    tcp_nodes_release(&b->nodes, &b->frames, &kept);
    assert_int_equal(b->nodes.kept, 0);
    assert_int_equal(b->frames_out, 1);
    assert_int_equal(drain(b, 100), 100);
    assert_int_equal(b->frames_out, 0);
    finish(b);
}

static void
no_more_than_a_quarter_of_all_nodes_is_kept(void **state)
{
    (void)state;
    struct bench *b = bench_of(500);
    struct tcp_kept all, again, more;
    for (uint32_t i = 0; i < NODES / 2; i++)
        add(b, i * 10, 10);
    enum { MOST = NODES / TCP_KEEP_SHARE * 10 };
    assert_false(tcp_rcv_keep(&b->rcv, &b->nodes, MOST + 1, &more));
    assert_int_equal(b->nodes.kept, 0);
    assert_true(tcp_rcv_keep(&b->rcv, &b->nodes, MOST, &all));
    assert_true(tcp_rcv_keep(&b->rcv, &b->nodes, 10, &again)); /* which is kept already */
    assert_int_equal(drain(b, MOST), MOST);
    assert_false(tcp_rcv_keep(&b->rcv, &b->nodes, 10, &more));
    tcp_nodes_release(&b->nodes, &b->frames, &all);
    assert_true(tcp_rcv_keep(&b->rcv, &b->nodes, 10, &more));
    tcp_nodes_release(&b->nodes, &b->frames, &again);
    tcp_nodes_release(&b->nodes, &b->frames, &more);
    finish(b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_in_order_are_lent_in_their_frames),
        cmocka_unit_test(a_gap_that_is_filled_makes_the_early_bytes_ready),
        cmocka_unit_test(of_overlapping_bytes_the_first_stay),
        cmocka_unit_test(bytes_that_come_twice_are_reported_once),
        cmocka_unit_test(the_run_that_changed_last_is_reported_first),
        cmocka_unit_test(runs_are_bounded_and_the_rest_is_dropped),
        cmocka_unit_test(early_bytes_give_way_to_those_in_order),
        cmocka_unit_test(early_bytes_leave_nodes_for_those_in_order),
        cmocka_unit_test(random_pieces_agree_with_a_map_of_bytes),
        cmocka_unit_test(frames_that_are_kept_outlive_their_bytes_and_their_connection),
        cmocka_unit_test(a_frame_that_is_released_first_stays_until_it_is_consumed),
        cmocka_unit_test(no_more_than_a_quarter_of_all_nodes_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
