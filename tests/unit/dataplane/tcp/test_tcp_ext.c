#include "tests/unit/dataplane/tcp/tcp_rig.h"

static void
a_loan_ends_when_it_is_acknowledged_and_out_of_the_device(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    r->hold = true;
    rig_write(r, id, 800);
    rig_out(r);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 801});
    assert_null(rig_event(r, TCP_SENT));
    assert_int_equal(r->hold_count, 1);
    packet_drop(r->holds[0]);
    rig_turn(r);
    const struct tcp_event *e = rig_event(r, TCP_SENT);
    assert_non_null(e);
    assert_int_equal(e->bytes, 800);
    tcp_abort(r->t, id);
    rig_free(r);
}

static void
a_connection_is_not_reused_while_a_device_reads_its_bytes(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    r->hold = true;
    rig_write(r, id, 800);
    rig_in(r, (struct rig_seg){.flags = TCP_RST, .seq = 1});
    assert_null(rig_event(r, TCP_CLOSED));
    struct tcp_usage u;
    tcp_usage(r->t, &u);
    assert_int_equal(u.conns, 1);
    packet_drop(r->holds[0]);
    rig_turn(r);
    assert_non_null(rig_event(r, TCP_CLOSED));
    tcp_usage(r->t, &u);
    assert_int_equal(u.conns, 0);
    rig_free(r);
}

static void
one_segment_gathers_several_loans(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    struct view v[3] = {view_of_text("produce "), view_of_text("and "), view_of_text("fetch")};
    assert_int_equal(tcp_send(r->t, id, v, 3), 17);
    rig_turn(r);
    const struct rig_sent *s = rig_out(r);
    assert_int_equal(s->spans, 3);
    assert_memory_equal(s->payload, "produce and fetch", 17);
    assert_true(s->h.flags & TCP_PSH);
    tcp_abort(r->t, id);
    rig_free(r);
}

static void
a_segment_of_many_small_loans_is_cut_at_the_spans_of_a_packet(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    struct view v[12];
    for (int i = 0; i < 12; i++)
        v[i] = view_of_text("x");
    assert_int_equal(tcp_send(r->t, id, v, 12), 12);
    rig_turn(r);
    rig_expect(r, TCP_ACK, 1, 1, PACKET_SPANS_MAX);
    rig_expect(r, TCP_ACK, 1 + PACKET_SPANS_MAX, 1, 12 - PACKET_SPANS_MAX);
    tcp_abort(r->t, id);
    rig_free(r);
}

static void
without_free_extents_send_takes_less(void **state)
{
    struct tcp_config c = rig_config();
    c.extents = 2;
    struct rig *r = rig_of(&c);
    uint64_t id = rig_plain(r);
    struct view v[3] = {view_of_text("a"), view_of_text("b"), view_of_text("c")};
    assert_int_equal(tcp_send(r->t, id, v, 3), 2);
    assert_int_equal(tcp_send(r->t, id, v, 1), 0);
    tcp_abort(r->t, id);
    rig_free(r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loan_ends_when_it_is_acknowledged_and_out_of_the_device),
        cmocka_unit_test(a_connection_is_not_reused_while_a_device_reads_its_bytes),
        cmocka_unit_test(one_segment_gathers_several_loans),
        cmocka_unit_test(a_segment_of_many_small_loans_is_cut_at_the_spans_of_a_packet),
        cmocka_unit_test(without_free_extents_send_takes_less),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
