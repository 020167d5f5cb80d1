#include "tests/unit/dataplane/tcp/tcp_rig.h"

static void
a_stream_is_cut_into_full_segments_and_pushed_at_its_end(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    rig_write(r, id, 2300);
    assert_false(r->sent[r->sent_first].h.flags & TCP_PSH);
    rig_expect(r, TCP_ACK, 1, 1, 1000);
    rig_expect(r, TCP_ACK, 1001, 1, 1000);
    assert_true(r->sent[r->sent_first].h.flags & TCP_PSH);
    rig_expect(r, TCP_ACK, 2001, 1, 300);
    assert_true(rig_quiet(r));
    rig_free(r);
}

static void
nothing_leaves_beyond_the_window_of_the_peer(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .window = 1500});
    rig_write(r, id, 5000);
    rig_expect(r, TCP_ACK, 1, 1, 1000);
    assert_true(rig_quiet(r)); /* 500 more would be a silly segment */
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1001, .window = 1500});
    rig_expect(r, TCP_ACK, 1001, 1, 1000);
    assert_true(rig_quiet(r));
    rig_free(r);
}

static void
a_small_write_leaves_at_once_unless_nagle_is_on(void **state)
{
    struct tcp_config c = rig_config();
    for (int nagle = 0; nagle < 2; nagle++) {
        c.nagle = nagle;
        struct rig *r = rig_of(&c);
        uint64_t id = rig_plain(r);
        rig_write(r, id, 10);
        rig_out(r);
        rig_write(r, id, 10);
        assert_int_equal(rig_quiet(r), nagle);
        rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 11});
        if (nagle)
            rig_expect(r, TCP_ACK, 11, 1, 10);
        rig_free(r);
    }
}

static void
an_answer_carries_the_acknowledgement(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .len = 100});
    assert_true(rig_quiet(r));
    rig_write(r, id, 10);
    rig_expect(r, TCP_ACK, 1, 101, 10);
    rig_wait(r, 100000);
    assert_true(rig_quiet(r));
    rig_free(r);
}

static void
every_second_full_segment_is_acknowledged_at_once(void **state)
{
    struct rig *r = rig_new();
    rig_plain(r);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .len = 1000});
    assert_true(rig_quiet(r));
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1001, .ack = 1, .len = 1000});
    rig_expect(r, TCP_ACK, 1, 2001, 0);
    rig_free(r);
}

static void
a_burst_is_acknowledged_once(void **state)
{
    static const uint8_t bytes[1000];
    struct rig *r = rig_new();
    rig_plain(r);
    for (uint32_t i = 0; i < 5; i++) {
        struct tcp_header h = {.src_port = PEER_PORT,
                               .dst_port = OWN_PORT,
                               .seq = PEER_ISN + 1 + 1000 * i,
                               .ack = r->isn + 1,
                               .flags = TCP_ACK,
                               .window = 60000,
                               .payload = view_of(bytes, sizeof bytes)};
        rig_put(r, &h, PACKET_SUM_GOOD);
    }
    rig_turn(r);
    rig_expect(r, TCP_ACK, 1, 5001, 0);
    assert_true(rig_quiet(r));
    rig_free(r);
}

static void
early_bytes_are_answered_at_once_with_a_block(void **state)
{
    struct rig *r = rig_new();
    rig_sack(r);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1001, .ack = 1, .len = 1000});
    const struct rig_sent *s = rig_out(r);
    assert_int_equal(s->h.ack, 1);
    assert_int_equal(s->h.options.sack_count, 1);
    assert_int_equal(s->h.options.sacks[0].first, PEER_ISN + 1001);
    assert_int_equal(s->h.options.sacks[0].limit, PEER_ISN + 2001);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .len = 1000});
    rig_expect(r, TCP_ACK, 1, 2001, 0);
    rig_free(r);
}

static void
without_sack_every_early_segment_gets_its_duplicate(void **state)
{
    struct rig *r = rig_new();
    rig_plain(r);
    for (uint32_t i = 0; i < 3; i++)
        rig_in(r,
               (struct rig_seg){.flags = TCP_ACK, .seq = 1001 + 1000 * i, .ack = 1, .len = 1000});
    for (uint32_t i = 0; i < 3; i++)
        rig_expect(r, TCP_ACK, 1, 1, 0);
    assert_true(rig_quiet(r));
    rig_free(r);
}

static void
the_window_opens_in_steps_worth_telling(void **state)
{
    struct tcp_config c = rig_config();
    c.rcv_bytes = 8000;
    struct rig *r = rig_of(&c);
    uint64_t id = rig_plain(r);
    for (uint32_t i = 0; i < 8; i++)
        rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1 + 1000 * i, .ack = 1, .len = 1000});
    rig_wait(r, 100000);
    while (r->sent_first + 1 < r->sent_limit)
        rig_out(r);
    assert_int_equal(rig_out(r)->h.window, 0);
    tcp_consume(r->t, id, 500);
    rig_turn(r);
    assert_true(rig_quiet(r)); /* half a segment */
    tcp_consume(r->t, id, 600);
    rig_turn(r);
    assert_int_equal(rig_out(r)->h.window, 1100);
    rig_free(r);
}

static void
a_window_filled_with_full_segments_fits_the_frames_it_may_pin(void **state)
{
    struct tcp_config c = rig_config();
    c.rcv_bytes = c.pinned_bytes = 1 << 20;
    c.nodes = 2048;
    struct rig *r = rig_of(&c);
    struct tcp_options o = {.mss = 1000, .has_scale = true, .scale = 7};
    rig_in(r, (struct rig_seg){.flags = TCP_SYN, .options = o});
    uint32_t sent = 0, window = rig_out(r)->h.window;
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1});
    while (sent + 1000 <= window) {
        rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1 + sent, .ack = 1, .len = 1000});
        sent += 1000;
        while (r->sent_first < r->sent_limit) {
            const struct rig_sent *s = rig_out(r);
            window = s->h.ack - 1 + ((uint32_t)s->h.window << tcp_scale_for(r->t));
        }
        rig_forget(r);
    }
    assert_int_equal(tcp_count(r->t, TCP_N_DROP_MEMORY), 0);
    assert_in_range(sent, (c.pinned_bytes / RIG_BYTES - 2) * 1000,
                    c.pinned_bytes / RIG_BYTES * 1000);
    rig_free(r);
}

static void
a_probe_shows_a_number_before_the_window(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .window = UINT16_MAX});
    rig_write(r, id, 100);
    assert_true(rig_quiet(r));
    rig_wait(r, 300000);
    rig_expect(r, TCP_ACK, 0, 1, 1);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .window = 1000});
    rig_expect(r, TCP_ACK, 1, 1, 100);
    rig_free(r);
}

/* All that has left since rig_forget(). */
static uint32_t
bytes_out(struct rig *r)
{
    uint32_t bytes = 0;
    while (!rig_quiet(r))
        bytes += rig_out(r)->h.payload.len;
    rig_forget(r);
    return bytes;
}

static void
after_a_pause_sending_starts_again_with_ten_segments(void **state)
{
    for (int pause = 0; pause < 2; pause++) {
        struct rig *r = rig_new();
        uint64_t id = rig_plain(r);
        rig_write(r, id, 10000);
        assert_int_equal(bytes_out(r), 10000);
        r->now_us += RIG_RTT_US;
        rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 10001});
        rig_wait(r, pause ? r->config.rto_min_us + 100000 : 1000);
        rig_write(r, id, 40000);
        uint32_t bytes = bytes_out(r);
        if (pause)
            assert_int_equal(bytes, 10000); /* RFC 5681 4.1, RFC 6928 */
        else
            assert_true(bytes > 10000);
        rig_free(r);
    }
}

static void
what_fits_half_of_the_largest_window_leaves_and_less_does_not(void **state)
{
    struct rig *r = rig_new();
    rig_in(r, (struct rig_seg){.flags = TCP_SYN, .window = 800, .options = {.mss = 1000}});
    rig_out(r);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .window = 800});
    uint64_t id = rig_event(r, TCP_ACCEPTED)->id;
    rig_write(r, id, 5000);
    rig_expect(r, TCP_ACK, 1, 1, 800); /* a full segment will never fit */
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 801, .window = 400});
    rig_expect(r, TCP_ACK, 801, 1, 400);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1201, .window = 399});
    assert_true(rig_quiet(r));
    rig_free(r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_is_cut_into_full_segments_and_pushed_at_its_end),
        cmocka_unit_test(nothing_leaves_beyond_the_window_of_the_peer),
        cmocka_unit_test(a_small_write_leaves_at_once_unless_nagle_is_on),
        cmocka_unit_test(an_answer_carries_the_acknowledgement),
        cmocka_unit_test(every_second_full_segment_is_acknowledged_at_once),
        cmocka_unit_test(early_bytes_are_answered_at_once_with_a_block),
        cmocka_unit_test(without_sack_every_early_segment_gets_its_duplicate),
        cmocka_unit_test(the_window_opens_in_steps_worth_telling),
        cmocka_unit_test(a_window_filled_with_full_segments_fits_the_frames_it_may_pin),
        cmocka_unit_test(a_probe_shows_a_number_before_the_window),
        cmocka_unit_test(a_burst_is_acknowledged_once),
        cmocka_unit_test(after_a_pause_sending_starts_again_with_ten_segments),
        cmocka_unit_test(what_fits_half_of_the_largest_window_leaves_and_less_does_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
