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
    assert_int_equal(tcp_count(r->t, TCP_N_DROP_RST), 1);
    assert_int_equal(tcp_count(r->t, TCP_N_CHALLENGES), 1);
    assert_int_equal(tcp_count(r->t, TCP_N_DROP_SEQ), 2);
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
    assert_int_equal(tcp_count(r->t, TCP_N_DROP_SYN), 1);
    assert_int_equal(tcp_count(r->t, TCP_N_CHALLENGES), 1);
    assert_int_equal(tcp_count(r->t, TCP_N_DROP_SEQ), 1);
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
a_closed_window_heeds_a_reset(void **state)
{
    struct tcp_config c = rig_config();
    c.rcv_bytes = 2048;
    struct rig *r = rig_of(&c);
    rig_plain(r);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .len = 2048});
    assert_int_equal(rig_out(r)->h.window, 0);
    rig_in(r, (struct rig_seg){.flags = TCP_RST, .seq = 2049});
    const struct tcp_event *e = rig_event(r, TCP_CLOSED);
    assert_non_null(e);
    assert_int_equal(e->reason, TCP_RESET);
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
bytes_of_the_past_are_told_as_duplicates(void **state)
{
    struct rig *r = rig_new();
    rig_sack(r);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .len = 2000});
    rig_expect(r, TCP_ACK, 1, 2001, 0);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 501, .ack = 1, .len = 1000});
    const struct rig_sent *s = rig_out(r);
    assert_int_equal(s->h.ack, 2001);
    assert_int_equal(s->h.options.sack_count, 1); /* RFC 2883: below what is acknowledged */
    assert_int_equal(s->h.options.sacks[0].first, PEER_ISN + 501);
    assert_int_equal(s->h.options.sacks[0].limit, PEER_ISN + 1501);
    rig_free(r);
}

static void
an_early_segment_does_not_change_the_timestamp_that_is_echoed(void **state)
{
    struct rig *r = rig_new();
    rig_accept(r, (struct tcp_options){.mss = 1000, .has_ts = true, .ts_value = 1000});
    struct tcp_options early = {.has_ts = true, .ts_value = 1010},
                       first = {.has_ts = true, .ts_value = 1005};
    rig_in(r, (struct rig_seg){
                  .flags = TCP_ACK, .seq = 4, .ack = 1, .bytes = "def", .options = early});
    assert_int_equal(rig_out(r)->h.options.ts_echo, 1000);
    rig_in(r, (struct rig_seg){
                  .flags = TCP_ACK, .seq = 1, .ack = 1, .bytes = "abc", .options = first});
    const struct rig_sent *s = rig_out(r);
    assert_int_equal(s->h.ack, 7);
    assert_int_equal(s->h.options.ts_echo, 1005);
    assert_int_equal(tcp_count(r->t, TCP_N_DROP_PAWS), 0);
    rig_free(r);
}

/* The answer to a byte with an older timestamp than the last, after so many days without one. */
static struct rig_sent *
old_timestamp_after(struct rig *r, uint64_t days)
{
    struct tcp_options o = {.mss = 1000, .has_ts = true, .ts_value = 1000};
    rig_accept(r, o);
    r->now_us += days * 86400 * 1000000;
    o = (struct tcp_options){.has_ts = true, .ts_value = 999};
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .bytes = "x", .options = o});
    rig_wait(r, r->config.delack_us + 1000);
    return rig_out(r);
}

static void
after_24_days_without_a_segment_an_old_timestamp_is_a_new_one(void **state)
{
    for (uint32_t days = 23; days <= 25; days += 2) {
        struct tcp_config c = rig_config();
        c.keep_us = 0;
        struct rig *r = rig_of(&c);
        const struct rig_sent *s = old_timestamp_after(r, days);
        bool taken = days > 24;
        assert_int_equal(tcp_count(r->t, TCP_N_DROP_PAWS), !taken);
        assert_int_equal(s->h.ack, taken ? 2 : 1);
        assert_int_equal(s->h.options.ts_echo, taken ? 999 : 1000);
        rig_free(r);
    }
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

/* ---- header prediction ---- */

static void
same(const struct rig *a, const struct rig *b, uint64_t id)
{
    const struct tcp_conn *x = tcp_conn_of(a->t, id), *y = tcp_conn_of(b->t, id);
#define SAME(field) assert_true(x->field == y->field)
    SAME(state);
    SAME(rtx_kind);
    SAME(congestion);
    SAME(ack_now);
    SAME(queued);
    SAME(una);
    SAME(nxt);
    SAME(snd_wnd);
    SAME(wl1);
    SAME(wl2);
    SAME(wnd_max);
    SAME(edge);
    SAME(wire_edge);
    SAME(acked_to);
    SAME(unacked_in);
    SAME(ts_recent);
    SAME(ts_recent_us);
    SAME(rtx_due);
    SAME(ack_due);
    SAME(keep_due);
    SAME(rto_base_us);
    SAME(tlp_base_us);
    SAME(reorder_due);
    SAME(heard_us);
    SAME(keep_count);
    SAME(probe_count);
    SAME(rcv.next);
    SAME(rcv.ready_bytes);
    SAME(rcv.run_count);
    SAME(segs.out_bytes);
    SAME(cc.cwnd);
    SAME(rtt.srtt_us);
#undef SAME
    assert_int_equal(a->sent_limit, b->sent_limit);
    for (uint32_t i = 0; i < a->sent_limit; i++) {
        const struct tcp_header *m = &a->sent[i].h, *n = &b->sent[i].h;
        assert_int_equal(m->seq, n->seq);
        assert_int_equal(m->ack, n->ack);
        assert_int_equal(m->flags, n->flags);
        assert_int_equal(m->window, n->window);
        assert_int_equal(m->options.ts_echo, n->options.ts_echo);
    }
}

static void
consume_all(struct rig *r, uint64_t id)
{
    struct tcp_info i;
    assert_true(tcp_inspect(r->t, id, &i));
    tcp_consume(r->t, id, i.unread);
    rig_turn(r);
}

/* Segments as the first stack gets them, and with a flag that means nothing to the other one. */
static void
a_predicted_segment_changes_what_another_would(void **state)
{
    enum { URG = 0x20, STEPS = 5000 };
    struct rig *r[2] = {rig_new(), rig_new()};
    struct tcp_options o = {.mss = 1000, .sack_permitted = true, .has_ts = true, .ts_value = 77};
    uint64_t id = rig_accept(r[0], o), random = 20261123;
    print_message("# seed %llu\n", (unsigned long long)random);
    assert_true(rig_accept(r[1], o) == id);
    uint32_t next = 1, acked = 1, written = 1;
    for (uint32_t step = 0; step < STEPS; step++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint32_t dice = (uint32_t)(random >> 33), len = 1 + dice / 64 % 2000;
        uint32_t seq = next + (dice % 64 == 1 ? 700 : 0) - (dice % 64 == 2 && next > 500 ? 300 : 0);
        if (dice % 16 == 3)
            acked = written;
        struct rig_seg s = {.flags = TCP_ACK | (dice % 8 == 4 ? TCP_PSH : 0),
                            .seq = seq,
                            .ack = acked,
                            .len = len,
                            .window = dice % 32 == 5 ? 50000 : 60000,
                            .options = {.has_ts = true, .ts_value = 77 + step / 3}};
        if (dice % 64 == 6)
            s.options.ts_value -= 20;
        bool write = dice % 32 == 7, consume = dice % 4 == 1;
        uint64_t us = dice % 128 == 9 ? 60000 : dice % 2000;
        for (uint32_t k = 0; k < 2; k++) {
            rig_forget(r[k]);
            r[k]->event_count = 0;
            if (write)
                assert_int_equal(rig_write(r[k], id, 300), 300);
            s.flags |= k ? URG : 0;
            rig_in(r[k], s);
            if (consume)
                consume_all(r[k], id);
            rig_wait(r[k], us);
        }
        written += write ? 300 : 0;
        same(r[0], r[1], id);
        next = tcp_conn_of(r[0]->t, id)->rcv.next - PEER_ISN;
    }
    assert_true(next > 100000);
    for (uint32_t k = 0; k < 2; k++)
        rig_free(r[k]);
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
        cmocka_unit_test(a_predicted_segment_changes_what_another_would),
        cmocka_unit_test(a_closed_window_heeds_a_reset),
        cmocka_unit_test(bytes_of_the_past_are_told_as_duplicates),
        cmocka_unit_test(an_early_segment_does_not_change_the_timestamp_that_is_echoed),
        cmocka_unit_test(after_24_days_without_a_segment_an_old_timestamp_is_a_new_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
