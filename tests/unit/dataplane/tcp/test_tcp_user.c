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

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_lent_until_they_are_consumed),
        cmocka_unit_test(send_takes_no_more_than_the_send_buffer),
        cmocka_unit_test(after_shutdown_nothing_is_taken_but_reading_goes_on),
        cmocka_unit_test(closing_with_bytes_unread_resets),
        cmocka_unit_test(bytes_that_come_after_the_close_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
