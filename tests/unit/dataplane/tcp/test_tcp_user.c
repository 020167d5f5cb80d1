#include "tests/unit/dataplane/tcp/tcp_rig.h"

static void
bytes_are_lent_until_they_are_consumed(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    struct view v[4];
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .bytes = "hello "});
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 7, .ack = 1, .bytes = "world"});
    assert_non_null(rig_event(r, TCP_READABLE));
    assert_int_equal(tcp_peek(r->t, id, v, 4), 2);
    assert_memory_equal(v[0].at, "hello ", 6);
    assert_memory_equal(v[1].at, "world", 5);
    tcp_consume(r->t, id, 8);
    tcp_flush(r->t, r->now_us);
    assert_int_equal(r->frames_out, 1);
    assert_int_equal(tcp_peek(r->t, id, v, 4), 1);
    assert_memory_equal(v[0].at, "rld", 3);
    tcp_abort(r->t, id);
    rig_free(r);
}

static void
send_takes_no_more_than_the_send_buffer(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    assert_int_equal(rig_write(r, id, 60000), 60000);
    assert_int_equal(rig_write(r, id, 60000), 5536);
    assert_int_equal(rig_write(r, id, 1), 0);
    tcp_abort(r->t, id);
    rig_free(r);
}

static void
after_shutdown_nothing_is_taken_but_reading_goes_on(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    struct view v[1];
    tcp_shutdown(r->t, id);
    rig_turn(r);
    rig_expect(r, TCP_FIN | TCP_ACK, 1, 1, 0);
    assert_int_equal(rig_write(r, id, 1), ERR_CLOSED);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 2, .bytes = "late"});
    assert_int_equal(tcp_peek(r->t, id, v, 1), 1);
    rig_in(r, (struct rig_seg){.flags = TCP_FIN | TCP_ACK, .seq = 5, .ack = 2});
    assert_non_null(rig_event(r, TCP_EOF));
    assert_null(rig_event(r, TCP_CLOSED)); /* four bytes are still to be read */
    assert_int_equal(tcp_peek(r->t, id, v, 1), 1);
    tcp_consume(r->t, id, 4);
    tcp_close(r->t, id);
    rig_turn(r);
    const struct tcp_event *e = rig_event(r, TCP_CLOSED);
    assert_non_null(e);
    assert_int_equal(e->reason, TCP_DONE);
    rig_free(r);
}

static void
closing_with_bytes_unread_resets(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .bytes = "x"});
    rig_forget(r);
    tcp_close(r->t, id);
    rig_turn(r);
    rig_expect(r, TCP_RST | TCP_ACK, 1, 2, 0);
    assert_int_equal(rig_event(r, TCP_CLOSED)->reason, TCP_ABORTED);
    rig_free(r);
}

static void
bytes_that_come_after_the_close_reset(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    tcp_close(r->t, id);
    rig_turn(r);
    rig_expect(r, TCP_FIN | TCP_ACK, 1, 1, 0);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 2, .bytes = "more"});
    assert_int_equal(rig_out(r)->h.flags, TCP_RST | TCP_ACK);
    assert_non_null(rig_event(r, TCP_CLOSED));
    rig_free(r);
}

static void
bytes_held_by_the_user_close_the_window_until_they_are_let_go(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    for (uint32_t at = 0; at < 60000; at += 1000) {
        rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1 + at, .ack = 1, .len = 1000});
        assert_int_equal(tcp_unread(r->t, id), 1000);
        tcp_consume(r->t, id, 1000);
        tcp_hold(r->t, id, at + 1000);
        rig_turn(r);
    }
    struct tcp_info i;
    assert_true(tcp_inspect(r->t, id, &i));
    assert_int_equal(i.rcv_wnd, 65535 - 60000);
    rig_forget(r);
    tcp_hold(r->t, id, 0);
    rig_turn(r);
    assert_true(tcp_inspect(r->t, id, &i));
    assert_true(i.rcv_wnd > 60000);
    rig_expect(r, TCP_ACK, 1, 60001, 0); /* and the peer is told */
    rig_free(r);
}

static uint32_t owners_ended;

static void
owner_ended(struct packet_ref *ref)
{
    owners_ended++;
}

static void
the_owner_of_a_loan_hears_when_it_is_acknowledged_and_out_of_the_device(void **state)
{
    static const uint8_t bytes[2000];
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    struct packet_ref owner = {.holds = 1, .ended = owner_ended};
    struct view v[2] = {view_of(bytes, 500), view_of(bytes + 500, 500)};
    owners_ended = 0;
    r->hold = true;
    assert_int_equal(tcp_lend(r->t, id, v, 2, &owner), 1000);
    assert_int_equal(owner.holds, 3);
    packet_drop(&owner);
    rig_turn(r);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1001});
    assert_int_equal(owners_ended, 0);
    for (uint32_t i = 0; i < r->hold_count; i++)
        packet_drop(r->holds[i]);
    assert_int_equal(owners_ended, 1);
    rig_turn(r);
    assert_int_equal(rig_event(r, TCP_SENT)->bytes, 1000);
    rig_free(r);
}

static void
there_is_room_for_what_two_round_trips_acknowledge_and_never_none(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    struct tcp_info i;
    assert_true(tcp_inspect(r->t, id, &i));
    assert_int_equal(tcp_room(r->t, id), 2 * i.cwnd);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .window = 5000});
    assert_int_equal(tcp_room(r->t, id), 5000);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .window = UINT16_MAX});
    assert_int_equal(tcp_room(r->t, id), 2 * i.mss);
    assert_int_equal(rig_write(r, id, 2000), 2000);
    assert_int_equal(tcp_room(r->t, id), 0);
    tcp_close(r->t, id);
    assert_int_equal(tcp_room(r->t, id), 0);
    rig_free(r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_lent_until_they_are_consumed),
        cmocka_unit_test(send_takes_no_more_than_the_send_buffer),
        cmocka_unit_test(after_shutdown_nothing_is_taken_but_reading_goes_on),
        cmocka_unit_test(closing_with_bytes_unread_resets),
        cmocka_unit_test(bytes_that_come_after_the_close_reset),
        cmocka_unit_test(bytes_held_by_the_user_close_the_window_until_they_are_let_go),
        cmocka_unit_test(the_owner_of_a_loan_hears_when_it_is_acknowledged_and_out_of_the_device),
        cmocka_unit_test(there_is_room_for_what_two_round_trips_acknowledge_and_never_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
