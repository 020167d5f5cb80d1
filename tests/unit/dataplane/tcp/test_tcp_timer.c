#include "tests/unit/dataplane/tcp/tcp_rig.h"

static void
bytes_without_an_answer_are_sent_again_with_backoff(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    rig_write(r, id, 100);
    rig_expect(r, TCP_ACK, 1, 1, 100);
    uint64_t at = r->now_us, gap = 0;
    for (int i = 0; i < 4; i++) {
        while (rig_quiet(r))
            rig_wait(r, 10000);
        rig_expect(r, TCP_ACK, 1, 1, 100);
        assert_true(r->now_us - at >= gap * 15 / 10);
        gap = r->now_us - at;
        at = r->now_us;
    }
    assert_int_equal(tcp_count(r->t, TCP_N_SEGS_RESENT), 4);
    rig_free(r);
}

static void
a_peer_that_never_answers_is_given_up(void **state)
{
    struct tcp_config c = rig_config();
    c.data_tries = 3;
    struct rig *r = rig_of(&c);
    uint64_t id = rig_plain(r);
    rig_write(r, id, 100);
    rig_wait(r, 60 * 1000000);
    const struct tcp_event *e = rig_event(r, TCP_CLOSED);
    assert_non_null(e);
    assert_int_equal(e->reason, TCP_TIMEOUT);
    assert_int_equal(r->sent[r->sent_limit - 1].h.flags, TCP_RST | TCP_ACK);
    rig_free(r);
}

static void
a_lone_segment_is_acknowledged_after_the_delay(void **state)
{
    struct rig *r = rig_new();
    rig_plain(r);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .bytes = "x"});
    rig_wait(r, r->config.delack_us - 1000);
    assert_true(rig_quiet(r));
    rig_wait(r, 2000);
    rig_expect(r, TCP_ACK, 1, 2, 0);
    rig_free(r);
}

static void
a_lost_tail_is_probed_before_the_timeout(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_sack(r);
    rig_write(r, id, 2000);
    rig_forget(r);
    r->now_us += 50000;
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 2001});
    rig_write(r, id, 3000);
    rig_forget(r);
    rig_wait(r, 150000);
    rig_expect(r, TCP_ACK, 4001, 1, 1000);
    assert_int_equal(tcp_count(r->t, TCP_N_PROBES), 1);
    assert_int_equal(tcp_count(r->t, TCP_N_TIMEOUTS), 0);
    rig_free(r);
}

static void
a_closed_window_is_probed_for_as_long_as_the_probes_are_answered(void **state)
{
    struct tcp_config c = rig_config();
    c.data_tries = 3;
    struct rig *r = rig_of(&c);
    uint64_t id = rig_plain(r);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .window = UINT16_MAX});
    rig_write(r, id, 100);
    for (int i = 0; i < 12; i++) {
        while (rig_quiet(r))
            rig_wait(r, 1000000);
        rig_expect(r, TCP_ACK, 0, 1, 1);
        rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .window = UINT16_MAX});
    }
    assert_string_equal(rig_state(r, id), "ESTABLISHED");
    rig_wait(r, 400 * UINT64_C(1000000));
    assert_int_equal(rig_event(r, TCP_CLOSED)->reason, TCP_TIMEOUT);
    rig_free(r);
}

static void
an_idle_connection_is_probed_and_given_up(void **state)
{
    struct tcp_config c = rig_config();
    c.keep_us = 10 * 1000000;
    c.keep_every_us = 1000000;
    c.keep_probes = 2;
    struct rig *r = rig_of(&c);
    rig_plain(r);
    rig_wait(r, 10100000);
    rig_expect(r, TCP_ACK, 0, 1, 1);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1});
    rig_wait(r, 5000000);
    assert_true(rig_quiet(r)); /* it has answered */
    rig_wait(r, 10000000);
    assert_int_equal(rig_event(r, TCP_CLOSED)->reason, TCP_TIMEOUT);
    rig_free(r);
}

static void
one_probe_without_an_answer_ends_nothing(void **state)
{
    struct tcp_config c = rig_config();
    c.keep_us = 10 * 1000000;
    c.keep_every_us = 1000000;
    c.keep_probes = 2;
    struct rig *r = rig_of(&c);
    uint64_t id = rig_plain(r);
    rig_wait(r, 11500000);
    rig_expect(r, TCP_ACK, 0, 1, 1);
    rig_expect(r, TCP_ACK, 0, 1, 1);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1});
    rig_wait(r, 9000000);
    assert_string_equal(rig_state(r, id), "ESTABLISHED");
    assert_true(rig_quiet(r));
    rig_free(r);
}

static void
a_closed_connection_that_stands_still_is_reset(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    tcp_close(r->t, id);
    rig_turn(r);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 2});
    assert_string_equal(rig_state(r, id), "FIN_WAIT_2");
    rig_wait(r, r->config.linger_us + 1000000);
    assert_int_equal(rig_event(r, TCP_CLOSED)->reason, TCP_TIMEOUT);
    rig_free(r);
}

static void
without_anything_to_wait_for_no_timer_runs(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    rig_write(r, id, 100);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 101});
    rig_wait(r, 5000000);
    assert_true(tcp_next(r->t) == TCP_NEVER);
    rig_free(r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_without_an_answer_are_sent_again_with_backoff),
        cmocka_unit_test(a_peer_that_never_answers_is_given_up),
        cmocka_unit_test(a_lone_segment_is_acknowledged_after_the_delay),
        cmocka_unit_test(a_lost_tail_is_probed_before_the_timeout),
        cmocka_unit_test(a_closed_window_is_probed_for_as_long_as_the_probes_are_answered),
        cmocka_unit_test(an_idle_connection_is_probed_and_given_up),
        cmocka_unit_test(a_closed_connection_that_stands_still_is_reset),
        cmocka_unit_test(without_anything_to_wait_for_no_timer_runs),
        cmocka_unit_test(one_probe_without_an_answer_ends_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
