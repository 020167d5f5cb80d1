#include "tests/unit/dataplane/tcp/tcp_rig.h"

static void
a_syn_makes_no_connection_and_its_ack_does(void **state)
{
    struct rig *r = rig_new();
    struct tcp_usage u;
    rig_in(r, (struct rig_seg){.flags = TCP_SYN, .options = {.mss = 1000}});
    const struct rig_sent *s = rig_out(r);
    assert_int_equal(s->h.flags, TCP_SYN | TCP_ACK);
    assert_int_equal(s->h.ack, 1);
    assert_int_equal(s->h.options.mss, 1460);
    assert_false(s->h.options.has_ts || s->h.options.has_scale || s->h.options.sack_permitted);
    tcp_usage(r->t, &u);
    assert_int_equal(u.conns, 0);
    assert_int_equal(u.half_open, 1);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1});
    tcp_usage(r->t, &u);
    assert_int_equal(u.conns, 1);
    assert_int_equal(u.half_open, 0);
    const struct tcp_event *e = rig_event(r, TCP_ACCEPTED);
    assert_int_equal(e->peer.port, PEER_PORT);
    rig_free(r);
}

static void
the_last_ack_may_bring_bytes_and_fin(void **state)
{
    struct rig *r = rig_new();
    rig_in(r, (struct rig_seg){.flags = TCP_SYN});
    rig_out(r);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK | TCP_FIN, .seq = 1, .ack = 1, .bytes = "hi"});
    uint64_t id = rig_event(r, TCP_ACCEPTED)->id;
    assert_non_null(rig_event(r, TCP_READABLE));
    assert_non_null(rig_event(r, TCP_EOF));
    assert_string_equal(rig_state(r, id), "CLOSE_WAIT");
    rig_expect(r, TCP_ACK, 1, 4, 0);
    rig_free(r);
}

static void
a_syn_ack_is_sent_again_and_then_forgotten(void **state)
{
    struct rig *r = rig_new();
    rig_in(r, (struct rig_seg){.flags = TCP_SYN});
    rig_wait(r, 200 * 1000000);
    assert_int_equal(r->sent_limit, 1 + r->config.syn_tries);
    struct tcp_usage u;
    tcp_usage(r->t, &u);
    assert_int_equal(u.half_open, 0);
    assert_int_equal(tcp_count(r->t, TCP_N_DROP_HALF_OPEN), 1);
    rig_free(r);
}

static void
a_repeated_syn_gets_the_same_answer(void **state)
{
    struct rig *r = rig_new();
    rig_in(r, (struct rig_seg){.flags = TCP_SYN});
    r->now_us += 300000;
    rig_in(r, (struct rig_seg){.flags = TCP_SYN});
    uint32_t first = r->sent[0].h.seq;
    assert_int_equal(r->sent_limit, 2);
    assert_int_equal(r->sent[1].h.seq, first);
    rig_free(r);
}

static void
a_stranger_with_the_same_ports_does_not_keep_a_client_out(void **state)
{
    for (int order = 0; order < 2; order++) {
        struct rig *r = rig_new();
        for (int i = 0; i < 2; i++) {
            r->peer_isn = i == order ? PEER_ISN : 77777;
            rig_in(r, (struct rig_seg){.flags = TCP_SYN});
        }
        r->peer_isn = PEER_ISN;
        const struct rig_sent *answer = &r->sent[order];
        assert_int_equal(answer->h.flags, TCP_SYN | TCP_ACK);
        assert_int_equal(answer->h.ack, PEER_ISN + 1);
        r->isn = answer->h.seq;
        rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1});
        assert_non_null(rig_event(r, TCP_ACCEPTED));
        struct tcp_usage u;
        tcp_usage(r->t, &u);
        assert_int_equal(u.half_open, 0);
        rig_free(r);
    }
}

static void
a_reset_frees_the_entry_only_at_the_exact_number(void **state)
{
    struct rig *r = rig_new();
    struct tcp_usage u;
    rig_in(r, (struct rig_seg){.flags = TCP_SYN});
    rig_in(r, (struct rig_seg){.flags = TCP_RST, .seq = 2});
    tcp_usage(r->t, &u);
    assert_int_equal(u.half_open, 1);
    assert_int_equal(tcp_count(r->t, TCP_N_DROP_RST), 1);
    rig_in(r, (struct rig_seg){.flags = TCP_RST, .seq = 1});
    tcp_usage(r->t, &u);
    assert_int_equal(u.half_open, 0);
    assert_int_equal(tcp_count(r->t, TCP_N_DROP_RST), 1);
    rig_free(r);
}

/* Fills the SYN cache with other peers. */
static void
flood(struct rig *r)
{
    for (uint16_t i = 0; i < 4; i++) {
        r->peer_port = (uint16_t)(50000 + i);
        rig_in(r, (struct rig_seg){.flags = TCP_SYN});
    }
    r->peer_port = PEER_PORT;
    rig_forget(r);
}

static void
under_a_flood_a_cookie_keeps_the_options(void **state)
{
    struct rig *r = rig_new();
    flood(r);
    struct tcp_options o = {.mss = 1460,
                            .has_ts = true,
                            .ts_value = 9,
                            .has_scale = true,
                            .scale = 5,
                            .sack_permitted = true};
    rig_in(r, (struct rig_seg){.flags = TCP_SYN, .options = o});
    uint32_t echo = rig_out(r)->h.options.ts_value;
    assert_int_equal(tcp_count(r->t, TCP_N_COOKIES_OUT), 1);
    r->now_us += 3000000;
    struct tcp_options later = {.has_ts = true, .ts_value = 10, .ts_echo = echo};
    rig_in(r, (struct rig_seg){
                  .flags = TCP_ACK, .seq = 1, .ack = 1, .window = 1000, .options = later});
    assert_int_equal(tcp_count(r->t, TCP_N_COOKIES_IN), 1);
    uint64_t id = rig_event(r, TCP_ACCEPTED)->id;
    const struct tcp_conn *c = tcp_conn_of(r->t, id);
    assert_int_equal(c->snd_scale, 5);
    assert_true(c->sack && c->ts);
    assert_int_equal(c->mss, 1448);
    assert_int_equal(c->snd_wnd, 1000 << 5);
    rig_free(r);
}

static void
a_guessed_or_old_cookie_opens_nothing(void **state)
{
    struct rig *r = rig_new();
    flood(r);
    rig_in(r, (struct rig_seg){.flags = TCP_SYN});
    rig_out(r);
    for (uint32_t i = 2; i < 200; i++)
        rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = i});
    assert_null(rig_event(r, TCP_ACCEPTED));
    assert_true(rig_quiet(r));
    assert_int_equal(tcp_count(r->t, TCP_N_DROP_COOKIE), 198);
    r->now_us += UINT64_C(400) * 1000000;
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1});
    assert_null(rig_event(r, TCP_ACCEPTED));
    assert_int_equal(tcp_count(r->t, TCP_N_RESETS_OUT), 1);
    rig_free(r);
}

static void
while_all_connections_are_in_use_the_last_ack_is_dropped_without_a_word(void **state)
{
    struct tcp_config c = rig_config();
    c.conns = 1;
    struct rig *r = rig_of(&c);
    uint64_t id = rig_plain(r);
    r->peer_port++;
    rig_in(r, (struct rig_seg){.flags = TCP_SYN});
    rig_out(r);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1});
    assert_true(rig_quiet(r));
    assert_int_equal(tcp_count(r->t, TCP_N_DROP_CONN_LIMIT), 1);
    tcp_abort(r->t, id);
    rig_turn(r);
    rig_forget(r);
    r->event_count = 0;
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1});
    assert_non_null(rig_event(r, TCP_ACCEPTED));
    rig_free(r);
}

static void
after_unlisten_handshakes_are_forgotten_and_connections_stay(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    r->peer_port++;
    rig_in(r, (struct rig_seg){.flags = TCP_SYN});
    tcp_unlisten(r->t);
    struct tcp_usage u;
    tcp_usage(r->t, &u);
    assert_int_equal(u.half_open, 0);
    assert_string_equal(rig_state(r, id), "ESTABLISHED");
    rig_free(r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_syn_makes_no_connection_and_its_ack_does),
        cmocka_unit_test(the_last_ack_may_bring_bytes_and_fin),
        cmocka_unit_test(a_syn_ack_is_sent_again_and_then_forgotten),
        cmocka_unit_test(a_repeated_syn_gets_the_same_answer),
        cmocka_unit_test(a_stranger_with_the_same_ports_does_not_keep_a_client_out),
        cmocka_unit_test(a_reset_frees_the_entry_only_at_the_exact_number),
        cmocka_unit_test(under_a_flood_a_cookie_keeps_the_options),
        cmocka_unit_test(a_guessed_or_old_cookie_opens_nothing),
        cmocka_unit_test(while_all_connections_are_in_use_the_last_ack_is_dropped_without_a_word),
        cmocka_unit_test(after_unlisten_handshakes_are_forgotten_and_connections_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
