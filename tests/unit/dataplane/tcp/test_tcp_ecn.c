#include "tests/unit/dataplane/tcp/tcp_rig.h"

enum { ECT0 = 2, CE = 3, ASKS = TCP_SYN | TCP_ECE | TCP_CWR };

/* A passive open by a peer that asks for ECN. */
static uint64_t
agreed(struct rig *r)
{
    rig_in(r, (struct rig_seg){.flags = ASKS, .options = {.mss = 1000, .sack_permitted = true}});
    assert_int_equal(rig_out(r)->h.flags, TCP_SYN | TCP_ACK | TCP_ECE);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1});
    const struct tcp_event *e = rig_event(r, TCP_ACCEPTED);
    assert_non_null(e);
    rig_forget(r);
    return e->id;
}

static void
who_does_not_ask_gets_none(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_sack(r);
    assert_int_equal(r->sent[0].h.flags, TCP_SYN | TCP_ACK);
    rig_write(r, id, 100);
    assert_int_equal(rig_out(r)->traffic_class, 0);
    r->traffic_class = CE;
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 101, .len = 2000});
    assert_false(rig_out(r)->h.flags & TCP_ECE);
    assert_int_equal(tcp_count(r->t, TCP_N_CE_IN), 0);
    rig_free(r);
}

static void
a_syn_that_is_sent_again_without_asking_ends_it(void **state)
{
    struct rig *r = rig_new();
    rig_in(r, (struct rig_seg){.flags = ASKS});
    rig_in(r, (struct rig_seg){.flags = TCP_SYN});
    assert_int_equal(r->sent[0].h.flags, TCP_SYN | TCP_ACK | TCP_ECE);
    assert_int_equal(r->sent[1].h.flags, TCP_SYN | TCP_ACK);
    rig_free(r);
}

static void
a_cookie_remembers_that_it_was_agreed(void **state)
{
    struct rig *r = rig_new();
    for (uint16_t i = 0; i < 4; i++) {
        r->peer_port = (uint16_t)(50000 + i);
        rig_in(r, (struct rig_seg){.flags = TCP_SYN});
    }
    rig_forget(r);
    r->peer_port = PEER_PORT;
    struct tcp_options o = {.mss = 1000, .has_ts = true, .ts_value = 5};
    rig_in(r, (struct rig_seg){.flags = ASKS, .options = o});
    const struct rig_sent *s = rig_out(r);
    assert_int_equal(s->h.flags, TCP_SYN | TCP_ACK | TCP_ECE);
    assert_int_equal(tcp_count(r->t, TCP_N_COOKIES_OUT), 1);
    o.ts_echo = s->h.options.ts_value;
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .options = o});
    const struct tcp_event *e = rig_event(r, TCP_ACCEPTED);
    assert_non_null(e);
    rig_forget(r);
    rig_write(r, e->id, 100);
    assert_int_equal(rig_out(r)->traffic_class, ECT0);
    rig_free(r);
}

static void
congestion_is_echoed_until_the_peer_has_heard(void **state)
{
    struct rig *r = rig_new();
    agreed(r);
    r->traffic_class = CE;
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .len = 100});
    assert_int_equal(rig_out(r)->h.flags, TCP_ACK | TCP_ECE); /* at once */
    r->traffic_class = ECT0;
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 101, .ack = 1, .len = 2000});
    assert_int_equal(rig_out(r)->h.flags, TCP_ACK | TCP_ECE);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK | TCP_CWR, .seq = 2101, .ack = 1, .len = 2000});
    assert_int_equal(rig_out(r)->h.flags, TCP_ACK);
    rig_free(r);
}

static void
an_echo_reduces_the_window_once_and_is_confirmed(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = agreed(r);
    struct tcp_info before, after;
    rig_write(r, id, 20000);
    assert_true(tcp_inspect(r->t, id, &before));
    rig_forget(r);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK | TCP_ECE, .seq = 1, .ack = 1001});
    rig_in(r, (struct rig_seg){.flags = TCP_ACK | TCP_ECE, .seq = 1, .ack = 2001});
    assert_true(tcp_inspect(r->t, id, &after));
    assert_in_range(after.cwnd, before.cwnd * 6 / 10, before.cwnd * 8 / 10);
    assert_int_equal(tcp_count(r->t, TCP_N_ECN_REDUCED), 1);
    assert_int_equal(after.resent_segs, 0);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK | TCP_ECE, .seq = 1, .ack = 9001});
    const struct rig_sent *first = rig_out(r);
    assert_int_equal(first->h.flags & ~TCP_PSH, TCP_ACK | TCP_CWR);
    assert_int_equal(first->traffic_class, ECT0);
    assert_int_equal(rig_out(r)->h.flags & TCP_CWR, 0);
    tcp_abort(r->t, id);
    rig_turn(r);
    rig_free(r);
}

static void
what_is_sent_again_is_not_marked(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = agreed(r);
    rig_write(r, id, 100);
    assert_int_equal(rig_out(r)->traffic_class, ECT0);
    rig_wait(r, 3000000);
    const struct rig_sent *again = rig_out(r);
    assert_int_equal(again->h.seq, 1);
    assert_int_equal(again->traffic_class, 0);
    tcp_abort(r->t, id);
    rig_turn(r);
    rig_free(r);
}

static void
an_active_open_asks_once(void **state)
{
    struct tcp_config c = rig_config();
    c.ecn = TCP_ECN_ASK;
    struct rig *r = rig_of(&c);
    struct tcp_addr local = {.port = OWN_PORT}, remote = {.port = PEER_PORT};
    memcpy(local.ip, r->own, 16);
    memcpy(remote.ip, r->peer, 16);
    uint64_t id;
    assert_int_equal(tcp_connect(r->t, &local, &remote, &id), ERR_OK);
    rig_turn(r);
    assert_int_equal(rig_out(r)->h.flags, ASKS);
    rig_wait(r, 1500000);
    assert_int_equal(rig_out(r)->h.flags, TCP_SYN);
    tcp_abort(r->t, id);
    rig_turn(r);
    rig_free(r);
}

static void
everything_has_the_configured_class(void **state)
{
    struct tcp_config c = rig_config();
    c.dscp = 10;
    struct rig *r = rig_of(&c);
    uint64_t id = rig_plain(r);
    assert_int_equal(r->sent[0].traffic_class, 10 << 2);
    rig_write(r, id, 100);
    assert_int_equal(rig_out(r)->traffic_class, 10 << 2);
    tcp_abort(r->t, id);
    rig_turn(r);
    rig_free(r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_does_not_ask_gets_none),
        cmocka_unit_test(a_syn_that_is_sent_again_without_asking_ends_it),
        cmocka_unit_test(a_cookie_remembers_that_it_was_agreed),
        cmocka_unit_test(congestion_is_echoed_until_the_peer_has_heard),
        cmocka_unit_test(an_echo_reduces_the_window_once_and_is_confirmed),
        cmocka_unit_test(what_is_sent_again_is_not_marked),
        cmocka_unit_test(an_active_open_asks_once),
        cmocka_unit_test(everything_has_the_configured_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
