#include "tests/unit/dataplane/tcp/tcp_rig.h"

static void
a_reset_counts_only_at_the_exact_number(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    rig_in(r, (struct rig_seg){.flags = TCP_RST, .seq = 2});
    rig_expect(r, TCP_ACK, 1, 1, 0); /* in the window: a challenge */
    rig_in(r, (struct rig_seg){.flags = TCP_RST, .seq = 0});
    rig_in(r, (struct rig_seg){.flags = TCP_RST, .seq = 1000000});
    assert_true(rig_quiet(r)); /* outside: nothing */
    assert_string_equal(rig_state(r, id), "ESTABLISHED");
    rig_in(r, (struct rig_seg){.flags = TCP_RST, .seq = 1});
    const struct tcp_event *e = rig_event(r, TCP_CLOSED);
    assert_non_null(e);
    assert_int_equal(e->reason, TCP_RESET);
    assert_true(rig_quiet(r)); /* no answer to a reset */
    rig_free(r);
}

static void
a_syn_inside_a_connection_is_challenged_wherever_it_points(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    rig_in(r, (struct rig_seg){.flags = TCP_SYN, .seq = 1});
    rig_expect(r, TCP_ACK, 1, 1, 0);
    rig_in(r, (struct rig_seg){.flags = TCP_SYN, .seq = 1000000});
    assert_string_equal(rig_state(r, id), "ESTABLISHED");
    rig_free(r);
}

static void
bytes_beyond_the_window_are_cut(void **state)
{
    struct tcp_config c = rig_config();
    c.rcv_bytes = 4096;
    struct rig *r = rig_of(&c);
    uint64_t id = rig_plain(r);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .len = 6000});
    struct tcp_info i;
    assert_true(tcp_inspect(r->t, id, &i));
    assert_int_equal(i.unread, 4096);
    rig_expect(r, TCP_ACK, 1, 4097, 0);
    rig_free(r);
}

static void
a_closed_window_takes_acknowledgements_but_no_bytes_and_no_fin(void **state)
{
    struct tcp_config c = rig_config();
    c.rcv_bytes = 2048;
    struct rig *r = rig_of(&c);
    uint64_t id = rig_plain(r);
    rig_write(r, id, 100);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .len = 2048});
    rig_forget(r);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK | TCP_FIN, .seq = 2049, .ack = 101});
    assert_non_null(rig_event(r, TCP_SENT));
    assert_null(rig_event(r, TCP_EOF));
    rig_expect(r, TCP_ACK, 101, 2049, 0);
    assert_string_equal(rig_state(r, id), "ESTABLISHED");
    rig_free(r);
}

static void
an_early_fin_counts_when_the_bytes_before_it_are_there(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK | TCP_FIN, .seq = 4, .ack = 1, .bytes = "def"});
    assert_null(rig_event(r, TCP_EOF));
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .bytes = "abc"});
    assert_non_null(rig_event(r, TCP_EOF));
    assert_string_equal(rig_state(r, id), "CLOSE_WAIT");
    while (r->sent_first + 1 < r->sent_limit)
        rig_out(r);
    rig_expect(r, TCP_ACK, 1, 8, 0);
    rig_free(r);
}

static void
bytes_after_the_fin_are_not_part_of_the_stream(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK | TCP_FIN, .seq = 2, .ack = 1});
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .bytes = "abcd"});
    struct view v[2];
    assert_int_equal(tcp_peek(r->t, id, v, 2), 1);
    assert_int_equal(v[0].len, 1);
    assert_non_null(rig_event(r, TCP_EOF));
    rig_free(r);
}

static void
an_old_timestamp_drops_the_segment(void **state)
{
    struct rig *r = rig_new();
    uint64_t id =
        rig_accept(r, (struct tcp_options){.mss = 1000, .has_ts = true, .ts_value = 1000});
    struct tcp_options o = {.has_ts = true, .ts_value = 999, .ts_echo = 1};
    struct view v[1];
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .bytes = "x", .options = o});
    assert_int_equal(tcp_peek(r->t, id, v, 1), 0);
    assert_int_equal(tcp_count(r->t, TCP_N_DROP_PAWS), 1);
    rig_expect(r, TCP_ACK, 1, 1, 0);
    rig_free(r);
}

static void
a_segment_without_a_timestamp_is_taken(void **state)
{
    struct rig *r = rig_new();
    uint64_t id =
        rig_accept(r, (struct tcp_options){.mss = 1000, .has_ts = true, .ts_value = 1000});
    struct view v[1];
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .bytes = "x"});
    assert_int_equal(tcp_peek(r->t, id, v, 1), 1);
    rig_free(r);
}

static void
both_closing_at_once_ends_in_time_wait(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    tcp_close(r->t, id);
    rig_turn(r);
    rig_expect(r, TCP_FIN | TCP_ACK, 1, 1, 0);
    rig_in(r, (struct rig_seg){.flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 1});
    assert_string_equal(rig_state(r, id), "CLOSING");
    rig_expect(r, TCP_ACK, 2, 2, 0);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 2, .ack = 2});
    struct tcp_usage u;
    tcp_usage(r->t, &u);
    assert_int_equal(u.waiting, 1);
    assert_int_equal(rig_event(r, TCP_CLOSED)->reason, TCP_DONE);
    rig_free(r);
}

static void
two_stacks_that_disagree_do_not_answer_for_ever(void **state)
{
    struct rig *r = rig_new();
    rig_plain(r);
    uint32_t answers = 0;
    for (int i = 0; i < 50; i++) {
        rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 900000, .ack = 1});
        answers += !rig_quiet(r);
        rig_forget(r);
    }
    assert_int_equal(answers, 1);
    rig_free(r);
}

static void
urgent_bytes_are_bytes(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    struct view v[1];
    rig_in(r, (struct rig_seg){.flags = TCP_ACK | TCP_URG, .seq = 1, .ack = 1, .bytes = "now"});
    assert_int_equal(tcp_peek(r->t, id, v, 1), 1);
    assert_memory_equal(v[0].at, "now", 3);
    rig_free(r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reset_counts_only_at_the_exact_number),
        cmocka_unit_test(a_syn_inside_a_connection_is_challenged_wherever_it_points),
        cmocka_unit_test(bytes_beyond_the_window_are_cut),
        cmocka_unit_test(a_closed_window_takes_acknowledgements_but_no_bytes_and_no_fin),
        cmocka_unit_test(an_early_fin_counts_when_the_bytes_before_it_are_there),
        cmocka_unit_test(bytes_after_the_fin_are_not_part_of_the_stream),
        cmocka_unit_test(an_old_timestamp_drops_the_segment),
        cmocka_unit_test(a_segment_without_a_timestamp_is_taken),
        cmocka_unit_test(both_closing_at_once_ends_in_time_wait),
        cmocka_unit_test(two_stacks_that_disagree_do_not_answer_for_ever),
        cmocka_unit_test(urgent_bytes_are_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
