#include "tests/unit/dataplane/tcp/tcp_rig.h"

static struct tcp_addr
address(const uint8_t ip[16], uint16_t port)
{
    struct tcp_addr a = {.port = port};
    memcpy(a.ip, ip, 16);
    return a;
}

/* An active open from OWN_PORT to the peer; the SYN has left. */
static uint64_t
connecting(struct rig *r)
{
    struct tcp_addr from = address(r->own, OWN_PORT), to = address(r->peer, PEER_PORT);
    uint64_t id = 0;
    assert_int_equal(tcp_connect(r->t, &from, &to, &id), ERR_OK);
    rig_turn(r);
    assert_int_equal(rig_out(r)->h.flags, TCP_SYN);
    return id;
}

static void
an_active_open_offers_its_options_and_answers_the_syn_ack(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = connecting(r);
    const struct tcp_options *o = &r->sent[0].h.options;
    assert_int_equal(o->mss, 1460);
    assert_true(o->has_ts && o->has_scale && o->sack_permitted);
    rig_in(r, (struct rig_seg){.flags = TCP_SYN | TCP_ACK, .ack = 1, .options = {.mss = 1200}});
    rig_expect(r, TCP_ACK, 1, 1, 0);
    const struct tcp_event *e = rig_event(r, TCP_CONNECTED);
    assert_non_null(e);
    assert_true(e->id == id);
    struct tcp_info i;
    assert_true(tcp_inspect(r->t, id, &i));
    assert_int_equal(i.mss, 1200);
    assert_string_equal(i.state, "ESTABLISHED");
    rig_free(r);
}

static void
a_reset_refuses_only_if_it_acknowledges_the_syn(void **state)
{
    struct rig *r = rig_new();
    connecting(r);
    rig_in(r, (struct rig_seg){.flags = TCP_RST, .seq = 0});
    rig_in(r, (struct rig_seg){.flags = TCP_RST | TCP_ACK, .ack = 7});
    assert_null(rig_event(r, TCP_CLOSED));
    assert_int_equal(tcp_count(r->t, TCP_N_DROP_RST), 2);
    rig_in(r, (struct rig_seg){.flags = TCP_RST | TCP_ACK, .ack = 1});
    const struct tcp_event *e = rig_event(r, TCP_CLOSED);
    assert_non_null(e);
    assert_int_equal(e->reason, TCP_REFUSED);
    rig_free(r);
}

static void
an_ack_of_another_syn_is_reset(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = connecting(r);
    rig_in(r, (struct rig_seg){.flags = TCP_SYN | TCP_ACK, .ack = 77});
    const struct rig_sent *s = rig_out(r);
    assert_int_equal(s->h.flags, TCP_RST);
    assert_int_equal(s->h.seq, 77);
    assert_string_equal(rig_state(r, id), "SYN_SENT");
    assert_int_equal(tcp_count(r->t, TCP_N_RESETS_OUT), 1);
    rig_free(r);
}

static void
both_may_open_at_once(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = connecting(r);
    rig_in(r, (struct rig_seg){.flags = TCP_SYN, .options = {.mss = 1000}});
    const struct rig_sent *s = rig_out(r);
    assert_int_equal(s->h.flags, TCP_SYN | TCP_ACK);
    assert_int_equal(s->h.ack, 1);
    assert_string_equal(rig_state(r, id), "SYN_RECEIVED");
    rig_in(r, (struct rig_seg){.flags = TCP_SYN | TCP_ACK, .ack = 1, .options = {.mss = 1000}});
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1});
    assert_string_equal(rig_state(r, id), "ESTABLISHED");
    assert_non_null(rig_event(r, TCP_CONNECTED));
    rig_free(r);
}

static void
a_syn_is_sent_again_and_then_given_up(void **state)
{
    struct rig *r = rig_new();
    connecting(r);
    rig_wait(r, 180 * 1000000);
    assert_null(rig_event(r, TCP_CLOSED)); /* three minutes at least */
    rig_wait(r, 100 * 1000000);
    uint32_t syns = 0;
    while (!rig_quiet(r))
        syns += rig_out(r)->h.flags == TCP_SYN;
    assert_int_equal(syns, r->config.open_tries);
    const struct tcp_event *e = rig_event(r, TCP_CLOSED);
    assert_non_null(e);
    assert_int_equal(e->reason, TCP_TIMEOUT);
    rig_free(r);
}

static void
addresses_that_nobody_has_are_refused(void **state)
{
    struct rig *r = rig_new();
    struct tcp_addr from = address(r->own, 0), to = address(r->peer, 9);
    uint64_t id;
    to.ip[12] = 224;
    assert_int_equal(tcp_connect(r->t, &from, &to, &id), ERR_INVALID);
    to = address(r->peer, 0);
    assert_int_equal(tcp_connect(r->t, &from, &to, &id), ERR_INVALID);
    rig_free(r);
}

static void
each_open_gets_a_port_of_its_own(void **state)
{
    struct rig *r = rig_new();
    struct tcp_addr from = address(r->own, 0), to = address(r->peer, 9);
    uint64_t id;
    for (int i = 0; i < 4; i++)
        assert_int_equal(tcp_connect(r->t, &from, &to, &id), ERR_OK);
    assert_int_equal(tcp_connect(r->t, &from, &to, &id), ERR_LIMIT);
    rig_turn(r);
    for (int i = 0; i < 4; i++) {
        assert_true(r->sent[i].h.src_port >= TCP_PORT_FIRST);
        for (int k = 0; k < i; k++)
            assert_int_not_equal(r->sent[i].h.src_port, r->sent[k].h.src_port);
    }
    rig_free(r);
}

static void
initial_numbers_move_with_time_and_differ_by_flow(void **state)
{
    struct rig *r = rig_new();
    struct tcp_flow f = {.local_port = 1, .remote_port = 2}, g = f;
    g.remote_port = 3;
    uint32_t first = tcp_isn(r->t, &f);
    assert_int_not_equal(first, tcp_isn(r->t, &g));
    r->t->now_us += 4000;
    assert_int_equal(tcp_isn(r->t, &f) - first, 1000);
    rig_free(r);
}

static void
one_address_has_one_listener(void **state)
{
    struct rig *r = rig_new();
    struct tcp_addr any = {.port = OWN_PORT}, other = {.port = 1}, none = {.port = 0};
    assert_int_equal(tcp_listen(r->t, &any), ERR_EXISTS);
    assert_int_equal(tcp_listen(r->t, &none), ERR_INVALID);
    for (uint16_t i = 1; i < TCP_LISTENERS_MAX; i++) {
        other.port = i;
        assert_int_equal(tcp_listen(r->t, &other), ERR_OK);
    }
    other.port = 1000;
    assert_int_equal(tcp_listen(r->t, &other), ERR_LIMIT);
    rig_free(r);
}

static void
after_a_syn_was_lost_the_timeout_begins_with_three_seconds(void **state)
{
    struct rig *r = rig_new();
    struct tcp_info i;
    uint64_t id = connecting(r);
    rig_wait(r, r->config.rto_us + 100000);
    assert_int_equal(rig_out(r)->h.flags, TCP_SYN);
    rig_in(r, (struct rig_seg){.flags = TCP_SYN | TCP_ACK, .ack = 1, .options = {.mss = 1000}});
    assert_true(tcp_inspect(r->t, id, &i));
    assert_int_equal(i.srtt_us, 0); /* which of the two it answers nobody knows */
    assert_int_equal(i.rto_us, 3000000);
    rig_free(r);
}

/* The payload of the first segment of a connection whose peer has sent these options. */
static uint32_t
segment_after(bool v6, struct tcp_options o)
{
    struct rig *r = rig_family(v6);
    rig_write(r, rig_accept(r, o), 5000);
    const struct rig_sent *s = rig_out(r);
    uint32_t bytes = s->h.payload.len;
    assert_int_equal(s->h.options.mss, 0); /* of SYNs only */
    rig_free(r);
    return bytes;
}

static void
segments_are_as_long_as_both_ends_take_and_options_leave(void **state)
{
    assert_int_equal(segment_after(false, (struct tcp_options){.mss = 0}), 536);
    assert_int_equal(segment_after(true, (struct tcp_options){.mss = 0}), 1220);
    assert_int_equal(segment_after(false, (struct tcp_options){.mss = 1000}), 1000);
    assert_int_equal(segment_after(false, (struct tcp_options){.mss = 9000}), 1460);
    assert_int_equal(segment_after(true, (struct tcp_options){.mss = 9000}), 1440);
    assert_int_equal(segment_after(false, (struct tcp_options){.mss = 1000, .has_ts = true}), 988);
}

static void
no_peer_gets_segments_of_less_than_216_bytes(void **state)
{
    assert_int_equal(segment_after(false, (struct tcp_options){.mss = 64}), 216);
    assert_int_equal(segment_after(true, (struct tcp_options){.mss = 1}), 216);
    assert_int_equal(segment_after(false, (struct tcp_options){.mss = 217}), 217);
}

static void
the_window_of_a_syn_is_not_scaled(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = connecting(r);
    rig_in(r, (struct rig_seg){.flags = TCP_SYN | TCP_ACK,
                               .ack = 1,
                               .window = 1000,
                               .options = {.mss = 500, .has_scale = true, .scale = 7}});
    rig_expect(r, TCP_ACK, 1, 1, 0);
    rig_write(r, id, 5000);
    rig_expect(r, TCP_ACK, 1, 1, 500);
    rig_expect(r, TCP_ACK, 501, 1, 500);
    assert_true(rig_quiet(r)); /* RFC 7323 2.2 */
    rig_free(r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_active_open_offers_its_options_and_answers_the_syn_ack),
        cmocka_unit_test(a_reset_refuses_only_if_it_acknowledges_the_syn),
        cmocka_unit_test(an_ack_of_another_syn_is_reset),
        cmocka_unit_test(both_may_open_at_once),
        cmocka_unit_test(a_syn_is_sent_again_and_then_given_up),
        cmocka_unit_test(addresses_that_nobody_has_are_refused),
        cmocka_unit_test(each_open_gets_a_port_of_its_own),
        cmocka_unit_test(initial_numbers_move_with_time_and_differ_by_flow),
        cmocka_unit_test(one_address_has_one_listener),
        cmocka_unit_test(after_a_syn_was_lost_the_timeout_begins_with_three_seconds),
        cmocka_unit_test(segments_are_as_long_as_both_ends_take_and_options_leave),
        cmocka_unit_test(no_peer_gets_segments_of_less_than_216_bytes),
        cmocka_unit_test(the_window_of_a_syn_is_not_scaled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
