#include "tests/unit/dataplane/tcp/tcp_rig.h"

enum { ECT0 = 2, BURST = 65477 };

static struct rig *
cutting(uint32_t burst_bytes)
{
    struct rig *r = rig_new();
    r->burst_bytes = burst_bytes;
    return r;
}

static uint8_t
byte_of(uint32_t i) /* as rig_write */
{
    return (uint8_t)(i * 13 + i / 256);
}

/* The next segment that left is of [seq, seq + len) of what rig_write wrote first. */
static void
expect(struct rig *r, uint32_t seq, uint32_t len, uint8_t flags)
{
    const struct rig_sent *s = rig_out(r);
    assert_int_equal(s->h.seq, seq);
    assert_int_equal(s->h.payload.len, len);
    assert_int_equal(s->h.flags, flags);
    for (uint32_t i = 0; i < len; i++)
        assert_int_equal(s->payload[i], byte_of(seq - 1 + i));
}

static void
new_bytes_leave_as_one_packet_that_is_pushed_at_its_end(void **state)
{
    struct rig *r = cutting(BURST);
    uint64_t id = rig_plain(r);
    uint64_t before = tcp_count(r->t, TCP_N_SEGS_OUT);
    uint32_t packets = r->packets;
    rig_write(r, id, 4300);
    assert_int_equal(r->packets, packets + 1);
    assert_int_equal(r->bursts, 1);
    assert_int_equal(tcp_count(r->t, TCP_N_SEGS_OUT), before + 5);
    for (uint32_t i = 0; i < 4; i++)
        expect(r, 1 + 1000 * i, 1000, TCP_ACK);
    expect(r, 4001, 300, TCP_ACK | TCP_PSH);
    assert_true(rig_quiet(r));
    rig_free(r);
}

static void
a_device_that_does_not_cut_and_a_single_segment_see_no_burst(void **state)
{
    struct rig *r = cutting(0);
    rig_write(r, rig_plain(r), 5000);
    assert_int_equal(r->sent_limit - r->sent_first, 5);
    assert_int_equal(r->bursts, 0);
    rig_free(r);
    r = cutting(BURST);
    rig_write(r, rig_plain(r), 1000);
    expect(r, 1, 1000, TCP_ACK | TCP_PSH);
    assert_int_equal(r->bursts, 0);
    rig_free(r);
}

static void
a_burst_is_no_longer_than_the_device_takes(void **state)
{
    struct rig *r = cutting(20 + 3000);
    uint64_t id = rig_plain(r);
    uint32_t packets = r->packets;
    rig_write(r, id, 7000);
    assert_int_equal(r->packets, packets + 3);
    assert_int_equal(r->bursts, 2); /* 3, 3 and 1 */
    for (uint32_t i = 0; i < 7; i++)
        expect(r, 1 + 1000 * i, 1000, i == 6 ? TCP_ACK | TCP_PSH : TCP_ACK);
    rig_free(r);
}

static void
a_burst_ends_where_the_window_of_the_peer_or_the_congestion_window_does(void **state)
{
    struct rig *r = cutting(BURST);
    uint64_t id = rig_plain(r);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .window = 3400});
    rig_write(r, id, 30000);
    for (uint32_t i = 0; i < 3; i++)
        expect(r, 1 + 1000 * i, 1000, TCP_ACK);
    assert_true(rig_quiet(r));
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .window = 60000});
    assert_int_equal(r->sent_limit - r->sent_first, 7); /* ten at first, RFC 6928 */
    assert_int_equal(r->bursts, 2);
    rig_free(r);
}

static void
the_fin_goes_with_the_last_segment_of_a_burst(void **state)
{
    struct rig *r = cutting(BURST);
    uint64_t id = rig_plain(r);
    static uint8_t bytes[2500];
    struct view v = view_of(bytes, sizeof bytes);
    assert_int_equal(tcp_send(r->t, id, &v, 1), sizeof bytes);
    tcp_shutdown(r->t, id);
    rig_turn(r);
    assert_int_equal(r->bursts, 1);
    rig_expect(r, TCP_ACK, 1, 1, 1000);
    rig_expect(r, TCP_ACK, 1001, 1, 1000);
    rig_expect(r, TCP_ACK | TCP_FIN, 2001, 1, 500);
    assert_true(rig_quiet(r));
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 2502});
    assert_string_equal(rig_state(r, id), "FIN_WAIT_2");
    rig_free(r);
}

static void
of_a_burst_only_the_segment_that_was_lost_is_sent_again(void **state)
{
    struct rig *r = cutting(BURST);
    uint64_t id = rig_sack(r);
    rig_write(r, id, 8000);
    rig_forget(r);
    r->now_us += RIG_RTT_US;
    struct tcp_options o = {.sack_count = 1};
    o.sacks[0] = (struct tcp_range){r->isn + 3001, r->isn + 8001};
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 2001, .options = o});
    expect(r, 2001, 1000, TCP_ACK);
    assert_true(rig_quiet(r));
    assert_int_equal(tcp_count(r->t, TCP_N_SEGS_RESENT), 1);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 8001});
    const struct tcp_event *e = rig_event(r, TCP_SENT);
    assert_int_equal(e->bytes, 8000);
    rig_free(r);
}

static void
after_a_timeout_one_segment_is_sent_again_and_then_neighbours_in_a_burst(void **state)
{
    struct rig *r = cutting(BURST);
    uint64_t id = rig_plain(r);
    rig_write(r, id, 5000);
    rig_forget(r);
    while (tcp_count(r->t, TCP_N_TIMEOUTS) == 0) {
        rig_forget(r); /* a probe of the tail comes first */
        rig_wait(r, 100000);
    }
    expect(r, 1, 1000, TCP_ACK);
    assert_true(rig_quiet(r));
    uint32_t packets = r->packets;
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1001});
    expect(r, 1001, 1000, TCP_ACK);
    expect(r, 2001, 1000, TCP_ACK);
    assert_true(rig_quiet(r));
    assert_int_equal(r->packets, packets + 1);
    rig_free(r);
}

static void
on_a_narrow_path_the_device_cuts_smaller(void **state)
{
    struct rig *r = cutting(BURST);
    uint64_t id = rig_accept(r, (struct tcp_options){.mss = 1460, .sack_permitted = true});
    rig_write(r, id, 2920);
    rig_forget(r);
    uint8_t quote[PACKET_QUOTE_MIN];
    set_u16(quote, OWN_PORT);
    set_u16(quote + 2, PEER_PORT);
    set_u32(quote + 4, r->isn + 1);
    struct packet_error e = {
        .kind = PACKET_TOO_BIG, .mtu = 1040, .quote = view_of(quote, sizeof quote)};
    memcpy(e.src, r->own, 16);
    memcpy(e.dst, r->peer, 16);
    uint32_t packets = r->packets;
    tcp_error(r->t, &e, r->now_us);
    rig_turn(r);
    expect(r, 1, 1000, TCP_ACK);
    expect(r, 1001, 460, TCP_ACK); /* the rest of what was one segment ends a burst */
    expect(r, 1461, 1000, TCP_ACK);
    expect(r, 2461, 460, TCP_ACK | TCP_PSH);
    assert_int_equal(r->packets, packets + 2);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 2921});
    rig_write(r, id, 3000);
    for (uint32_t i = 0; i < 3; i++)
        rig_expect(r, TCP_ACK, 2921 + 1000 * i, 1, 1000);
    assert_int_equal(r->packets, packets + 3);
    rig_free(r);
}

static void
segments_smaller_than_some_devices_cut_leave_one_by_one(void **state)
{
    struct rig *r = cutting(BURST);
    uint64_t id = rig_accept(r, (struct tcp_options){.mss = PACKET_SEGMENT_LEAST - 1});
    rig_write(r, id, 3000);
    assert_int_equal(r->bursts, 0);
    rig_free(r);
    r = cutting(BURST);
    id = rig_accept(r, (struct tcp_options){.mss = PACKET_SEGMENT_LEAST});
    rig_write(r, id, 3000);
    assert_int_equal(r->bursts, 1);
    rig_free(r);
}

static void
a_segment_that_confirms_a_reduction_is_in_no_burst(void **state)
{
    struct rig *r = cutting(BURST);
    struct tcp_options o = {.mss = 1000, .sack_permitted = true};
    rig_in(r, (struct rig_seg){.flags = TCP_SYN | TCP_ECE | TCP_CWR, .options = o});
    rig_out(r);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1});
    uint64_t id = rig_event(r, TCP_ACCEPTED)->id;
    rig_write(r, id, 20000);
    rig_forget(r);
    uint32_t packets = r->packets;
    rig_in(r, (struct rig_seg){.flags = TCP_ACK | TCP_ECE, .seq = 1, .ack = 9001});
    const struct rig_sent *s = rig_out(r);
    assert_int_equal(s->h.flags, TCP_ACK | TCP_CWR);
    assert_int_equal(s->h.payload.len, 1000);
    while (!rig_quiet(r)) {
        s = rig_out(r);
        assert_int_equal(s->h.flags & TCP_CWR, 0);
        assert_int_equal(s->traffic_class, ECT0);
    }
    assert_int_equal(r->packets, packets + 2);
    tcp_abort(r->t, id);
    rig_turn(r);
    rig_free(r);
}

static void
bytes_in_more_pieces_than_a_packet_has_leave_in_several(void **state)
{
    struct rig *r = cutting(BURST);
    uint64_t id = rig_plain(r);
    static uint8_t bytes[6000];
    struct view views[20];
    for (uint32_t i = 0; i < sizeof bytes; i++)
        bytes[i] = byte_of(i);
    for (uint32_t i = 0; i < 20; i++)
        views[i] = view_of(bytes + 300 * i, 300);
    assert_int_equal(tcp_send(r->t, id, views, 20), 6000);
    uint32_t packets = r->packets;
    rig_turn(r);
    for (uint32_t i = 0; i < 6; i++)
        expect(r, 1 + 1000 * i, 1000, i == 5 ? TCP_ACK | TCP_PSH : TCP_ACK);
    assert_int_equal(r->packets, packets + 3); /* two segments have eight pieces of 300 */
    rig_free(r);
}

static void
bytes_are_held_until_the_device_has_sent_the_burst(void **state)
{
    struct rig *r = cutting(BURST);
    uint64_t id = rig_plain(r);
    r->hold = true;
    rig_write(r, id, 5000);
    assert_int_equal(r->bursts, 1);
    assert_int_equal(r->hold_count, 1); /* one piece of memory, whatever the segments */
    assert_int_equal(r->sent[r->sent_first].spans, 1);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 5001});
    assert_null(rig_event(r, TCP_SENT));
    packet_drop(r->holds[0]);
    rig_turn(r);
    assert_int_equal(rig_event(r, TCP_SENT)->bytes, 5000);
    rig_free(r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(new_bytes_leave_as_one_packet_that_is_pushed_at_its_end),
        cmocka_unit_test(a_device_that_does_not_cut_and_a_single_segment_see_no_burst),
        cmocka_unit_test(a_burst_is_no_longer_than_the_device_takes),
        cmocka_unit_test(a_burst_ends_where_the_window_of_the_peer_or_the_congestion_window_does),
        cmocka_unit_test(the_fin_goes_with_the_last_segment_of_a_burst),
        cmocka_unit_test(of_a_burst_only_the_segment_that_was_lost_is_sent_again),
        cmocka_unit_test(after_a_timeout_one_segment_is_sent_again_and_then_neighbours_in_a_burst),
        cmocka_unit_test(on_a_narrow_path_the_device_cuts_smaller),
        cmocka_unit_test(segments_smaller_than_some_devices_cut_leave_one_by_one),
        cmocka_unit_test(a_segment_that_confirms_a_reduction_is_in_no_burst),
        cmocka_unit_test(bytes_in_more_pieces_than_a_packet_has_leave_in_several),
        cmocka_unit_test(bytes_are_held_until_the_device_has_sent_the_burst),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
