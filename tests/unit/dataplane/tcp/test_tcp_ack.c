#include "tests/unit/dataplane/tcp/tcp_rig.h"

static struct tcp_info
info(struct rig *r, uint64_t id)
{
    struct tcp_info i;
    assert_true(tcp_inspect(r->t, id, &i));
    return i;
}

static void
an_ack_of_bytes_never_sent_is_challenged_and_not_believed(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    rig_write(r, id, 100);
    rig_out(r);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 102});
    rig_expect(r, TCP_ACK, 101, 1, 0);
    assert_null(rig_event(r, TCP_SENT));
    assert_int_equal(tcp_count(r->t, TCP_N_DROP_ACK), 1);
    /* The number before our SYN was never sent either. */
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = UINT32_MAX, .len = 10});
    assert_int_equal(tcp_count(r->t, TCP_N_DROP_ACK), 2);
    assert_int_equal(info(r, id).unread, 0);
    rig_free(r);
}

static void
three_duplicates_send_the_first_segment_again(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    rig_write(r, id, 5000);
    rig_forget(r);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1});
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1});
    assert_true(rig_quiet(r));
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1});
    rig_expect(r, TCP_ACK, 1, 1, 1000);
    assert_int_equal(tcp_count(r->t, TCP_N_RECOVERIES), 1);
    assert_int_equal(tcp_count(r->t, TCP_N_SEGS_RESENT), 1);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 5001});
    assert_int_equal(info(r, id).flight, 0);
    rig_free(r);
}

static void
a_partial_ack_sends_the_next_hole(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    rig_write(r, id, 6000);
    rig_forget(r);
    for (int i = 0; i < 3; i++)
        rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1});
    rig_expect(r, TCP_ACK, 1, 1, 1000);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 2001});
    rig_expect(r, TCP_ACK, 2001, 1, 1000);
    assert_int_equal(tcp_count(r->t, TCP_N_RECOVERIES), 1);
    rig_free(r);
}

static void
window_updates_and_bytes_are_no_duplicates(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    rig_write(r, id, 5000);
    rig_forget(r);
    for (uint16_t i = 0; i < 6; i++)
        rig_in(r, (struct rig_seg){
                      .flags = TCP_ACK, .seq = 1, .ack = 1, .window = (uint16_t)(50000 + i)});
    for (uint32_t i = 0; i < 6; i++)
        rig_in(r, (struct rig_seg){
                      .flags = TCP_ACK, .seq = 1 + i, .ack = 1, .bytes = "x", .window = 50005});
    assert_int_equal(tcp_count(r->t, TCP_N_RECOVERIES), 0);
    rig_free(r);
}

static void
blocks_show_a_hole_that_is_sent_again_once(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_sack(r);
    rig_write(r, id, 6000);
    rig_forget(r);
    for (uint32_t i = 1; i < 6; i++) {
        r->now_us += 1000;
        struct tcp_options o = {.sack_count = 1};
        o.sacks[0] = (struct tcp_range){r->isn + 1001, r->isn + 1001 + 1000 * i};
        rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .options = o});
    }
    rig_expect(r, TCP_ACK, 1, 1, 1000);
    assert_true(rig_quiet(r));
    assert_int_equal(tcp_count(r->t, TCP_N_RECOVERIES), 1);
    rig_free(r);
}

/* The first of six segments comes late and is sent again; the ACK of all of them says, or not, that
 * it came twice. */
static void
late_and_sent_again(struct rig *r, uint64_t id, bool twice)
{
    rig_write(r, id, 6000);
    for (uint32_t i = 1; i < 6; i++) {
        r->now_us += 1000;
        struct tcp_options o = {.sack_count = 1};
        o.sacks[0] = (struct tcp_range){r->isn + 1001, r->isn + 1001 + 1000 * i};
        rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .options = o});
    }
    assert_int_equal(tcp_count(r->t, TCP_N_RECOVERIES), 1);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 6001});
    r->now_us += RIG_RTT_US;
    struct tcp_options o = {.sack_count = twice};
    o.sacks[0] = (struct tcp_range){r->isn + 1, r->isn + 1001};
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 6001, .options = o});
}

static void
a_reduction_for_what_came_twice_is_taken_back(void **state)
{
    for (int twice = 0; twice < 2; twice++) {
        struct rig *r = rig_new();
        uint64_t id = rig_sack(r);
        struct tcp_info before, after;
        assert_true(tcp_inspect(r->t, id, &before));
        late_and_sent_again(r, id, twice);
        assert_true(tcp_inspect(r->t, id, &after));
        assert_int_equal(tcp_count(r->t, TCP_N_UNDONE), twice);
        assert_int_equal(after.cwnd >= before.cwnd, twice);
        rig_free(r);
    }
}

static void
an_older_number_with_a_newer_ack_brings_its_own_window(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .len = 500, .window = 4000});
    rig_forget(r);
    rig_write(r, id, 8000);
    rig_forget(r);
    rig_in(r,
           (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 2001, .len = 600, .window = 2000});
    assert_int_equal(info(r, id).snd_wnd, 2000);
    assert_true(rig_quiet(r)); /* what is out fills it */
    rig_free(r);
}

static void
a_spurious_timeout_is_taken_back(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_accept(
        r,
        (struct tcp_options){.mss = 1012, .has_ts = true, .ts_value = 1, .sack_permitted = true});
    rig_write(r, id, 5000);
    uint32_t echo = r->sent[r->sent_first].h.options.ts_value;
    uint32_t before = info(r, id).cwnd;
    rig_forget(r);
    rig_wait(r, 300000);
    assert_int_equal(info(r, id).timeouts, 1);
    assert_true(info(r, id).cwnd < before);
    rig_forget(r);
    struct tcp_options o = {.has_ts = true, .ts_value = 2, .ts_echo = echo};
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1001, .options = o});
    assert_int_equal(info(r, id).undone, 1);
    assert_true(info(r, id).cwnd >= before);
    assert_true(rig_quiet(r)); /* nothing else is sent again */
    rig_free(r);
}

static void
repeated_timeouts_reduce_the_threshold_once(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    rig_write(r, id, 10000);
    rig_wait(r, 1500000);
    uint32_t threshold = info(r, id).ssthresh;
    rig_wait(r, 10000000);
    assert_true(info(r, id).timeouts >= 3);
    assert_int_equal(info(r, id).ssthresh, threshold);
    rig_free(r);
}

static void
challenges_are_limited_in_rate(void **state)
{
    struct rig *r = rig_new();
    rig_plain(r);
    for (int i = 0; i < 20; i++)
        rig_in(r, (struct rig_seg){.flags = TCP_SYN, .seq = 1});
    rig_expect(r, TCP_ACK, 1, 1, 0);
    assert_true(rig_quiet(r));
    r->now_us += 600000;
    rig_in(r, (struct rig_seg){.flags = TCP_SYN, .seq = 1});
    rig_expect(r, TCP_ACK, 1, 1, 0);
    assert_int_equal(tcp_count(r->t, TCP_N_CHALLENGES), 2);
    assert_int_equal(tcp_count(r->t, TCP_N_DROP_SYN), 21);
    rig_free(r);
}

static void
a_segment_that_was_sent_twice_measures_nothing(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    uint32_t before = info(r, id).srtt_us;
    assert_true(before > 0);
    rig_write(r, id, 100);
    rig_forget(r);
    while (rig_quiet(r))
        rig_wait(r, 10000);
    rig_expect(r, TCP_ACK, 1, 1, 100);
    r->now_us += 10 * before;
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 101});
    assert_int_equal(info(r, id).srtt_us, before);
    rig_write(r, id, 100); /* and one that was sent once measures again */
    r->now_us += 10 * before;
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 201});
    assert_true(info(r, id).srtt_us > before);
    rig_free(r);
}

static void
a_window_that_limits_nothing_does_not_grow(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    uint32_t before = info(r, id).cwnd;
    for (uint32_t i = 0; i < 20; i++) {
        rig_write(r, id, 1000);
        r->now_us += RIG_RTT_US;
        rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1001 + 1000 * i});
    }
    assert_int_equal(info(r, id).flight, 0);
    assert_int_equal(info(r, id).cwnd, before);
    rig_free(r);
}

static void
a_late_segment_is_taken_though_the_window_has_become_small(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    rig_write(r, id, 3000);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 101, .ack = 3001, .window = 100});
    assert_int_equal(info(r, id).snd_wnd, 100);
    /* It has overtaken this one, whose ACK is older than the window is wide: RFC 5961 5.2 goes by
     * the largest window. */
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .len = 100});
    assert_int_equal(info(r, id).unread, 100);
    assert_int_equal(tcp_count(r->t, TCP_N_DROP_ACK), 0);
    rig_free(r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ack_of_bytes_never_sent_is_challenged_and_not_believed),
        cmocka_unit_test(three_duplicates_send_the_first_segment_again),
        cmocka_unit_test(a_partial_ack_sends_the_next_hole),
        cmocka_unit_test(window_updates_and_bytes_are_no_duplicates),
        cmocka_unit_test(blocks_show_a_hole_that_is_sent_again_once),
        cmocka_unit_test(a_reduction_for_what_came_twice_is_taken_back),
        cmocka_unit_test(an_older_number_with_a_newer_ack_brings_its_own_window),
        cmocka_unit_test(a_spurious_timeout_is_taken_back),
        cmocka_unit_test(repeated_timeouts_reduce_the_threshold_once),
        cmocka_unit_test(challenges_are_limited_in_rate),
        cmocka_unit_test(a_segment_that_was_sent_twice_measures_nothing),
        cmocka_unit_test(a_window_that_limits_nothing_does_not_grow),
        cmocka_unit_test(a_late_segment_is_taken_though_the_window_has_become_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
