#include "tests/unit/dataplane/tcp/tcp_rig.h"

/* Closes in order, we first; the peer's FIN is its number 1. */
static void
to_wait(struct rig *r, struct tcp_options o)
{
    uint64_t id = rig_accept(r, o);
    tcp_close(r->t, id);
    rig_turn(r);
    o.mss = 0;
    rig_in(r, (struct rig_seg){.flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 2, .options = o});
    struct tcp_usage u;
    tcp_usage(r->t, &u);
    assert_int_equal(u.waiting, 1);
    assert_int_equal(u.conns, 0);
    rig_out(r);
    rig_expect(r, TCP_ACK, 2, 2, 0);
    rig_forget(r);
    r->event_count = 0;
}

static uint32_t
waiting(const struct rig *r)
{
    struct tcp_usage u;
    tcp_usage(r->t, &u);
    return u.waiting;
}

static void
a_repeated_fin_is_acknowledged_and_starts_the_time_again(void **state)
{
    struct rig *r = rig_new();
    to_wait(r, (struct tcp_options){.mss = 1000});
    rig_wait(r, r->config.wait_us - 1000000);
    rig_in(r, (struct rig_seg){.flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 2});
    rig_expect(r, TCP_ACK, 2, 2, 0);
    rig_wait(r, r->config.wait_us - 1000000);
    assert_int_equal(waiting(r), 1);
    rig_wait(r, 2000000);
    assert_int_equal(waiting(r), 0);
    rig_free(r);
}

static void
a_reset_does_not_end_it(void **state)
{
    struct rig *r = rig_new();
    to_wait(r, (struct tcp_options){.mss = 1000});
    rig_in(r, (struct rig_seg){.flags = TCP_RST, .seq = 2});
    assert_int_equal(waiting(r), 1);
    assert_true(rig_quiet(r));
    assert_int_equal(tcp_count(r->t, TCP_N_DROP_RST), 1);
    rig_free(r);
}

static void
a_syn_with_a_newer_timestamp_opens_a_new_connection(void **state)
{
    struct rig *r = rig_new();
    struct tcp_options o = {.mss = 1000, .has_ts = true, .ts_value = 500};
    to_wait(r, o);
    rig_in(r, (struct rig_seg){.flags = TCP_SYN, .seq = 100, .options = o});
    assert_int_equal(waiting(r), 1); /* not newer */
    rig_forget(r);
    o.ts_value = 501;
    rig_in(r, (struct rig_seg){.flags = TCP_SYN, .seq = 100, .options = o});
    assert_int_equal(waiting(r), 0);
    assert_int_equal(rig_out(r)->h.flags, TCP_SYN | TCP_ACK);
    rig_free(r);
}

static void
without_timestamps_a_syn_must_be_beyond_the_old_numbers(void **state)
{
    struct rig *r = rig_new();
    to_wait(r, (struct tcp_options){.mss = 1000});
    rig_in(r, (struct rig_seg){.flags = TCP_SYN, .seq = 2});
    assert_int_equal(waiting(r), 1);
    rig_in(r, (struct rig_seg){.flags = TCP_SYN, .seq = 3});
    assert_int_equal(waiting(r), 0);
    rig_free(r);
}

static void
where_nobody_listens_a_syn_changes_nothing(void **state)
{
    struct rig *r = rig_new();
    to_wait(r, (struct tcp_options){.mss = 1000});
    tcp_unlisten(r->t);
    rig_in(r, (struct rig_seg){.flags = TCP_SYN, .seq = 1000});
    assert_int_equal(waiting(r), 1);
    rig_free(r);
}

static void
with_all_entries_in_use_the_oldest_goes(void **state)
{
    struct tcp_config c = rig_config();
    c.waiting = 2;
    struct rig *r = rig_of(&c);
    for (int i = 0; i < 3; i++) {
        r->peer_port = (uint16_t)(PEER_PORT + i);
        uint64_t id = rig_plain(r);
        tcp_close(r->t, id);
        rig_turn(r);
        rig_in(r, (struct rig_seg){.flags = TCP_FIN | TCP_ACK, .seq = 1, .ack = 2});
        rig_forget(r);
        r->event_count = 0;
    }
    assert_int_equal(waiting(r), 2);
    assert_int_equal(tcp_count(r->t, TCP_N_WAIT_RECYCLED), 1);
    rig_free(r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_repeated_fin_is_acknowledged_and_starts_the_time_again),
        cmocka_unit_test(a_reset_does_not_end_it),
        cmocka_unit_test(a_syn_with_a_newer_timestamp_opens_a_new_connection),
        cmocka_unit_test(without_timestamps_a_syn_must_be_beyond_the_old_numbers),
        cmocka_unit_test(where_nobody_listens_a_syn_changes_nothing),
        cmocka_unit_test(with_all_entries_in_use_the_oldest_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
