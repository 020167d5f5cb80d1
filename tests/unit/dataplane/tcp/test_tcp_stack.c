#include "tests/unit/dataplane/tcp/tcp_rig.h"

static void
a_stale_id_names_nobody(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    tcp_abort(r->t, id);
    rig_turn(r);
    assert_non_null(rig_event(r, TCP_CLOSED));
    assert_int_equal(rig_write(r, id, 10), ERR_NOT_FOUND);
    tcp_close(r->t, id);
    struct tcp_info i;
    assert_false(tcp_inspect(r->t, id, &i));
    rig_forget(r);
    r->peer_isn += 1000;
    assert_true(rig_plain(r) != id);
    rig_free(r);
}

static void
closed_comes_once_and_last(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    rig_write(r, id, 100);
    tcp_abort(r->t, id);
    rig_turn(r);
    assert_int_equal(r->event_count, 2);
    assert_int_equal(r->events[0].kind, TCP_SENT);
    assert_int_equal(r->events[0].bytes, 100);
    assert_int_equal(r->events[1].kind, TCP_CLOSED);
    assert_int_equal(r->events[1].reason, TCP_ABORTED);
    rig_free(r);
}

static void
events_come_in_order_whatever_the_room_for_them(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    struct tcp_event e;
    uint8_t wire[60];
    struct tcp_header h = {.src_port = PEER_PORT,
                           .dst_port = OWN_PORT,
                           .seq = PEER_ISN + 1,
                           .ack = r->isn + 1,
                           .flags = TCP_ACK | TCP_FIN,
                           .window = 1000,
                           .payload = view_of(wire, 5)};
    memset(wire, 0, sizeof wire);
    rig_put(r, &h, PACKET_SUM_GOOD);
    assert_int_equal(tcp_poll(r->t, &e, 1), 1);
    assert_int_equal(e.kind, TCP_READABLE);
    assert_int_equal(tcp_poll(r->t, &e, 1), 1);
    assert_int_equal(e.kind, TCP_EOF);
    assert_int_equal(tcp_poll(r->t, &e, 1), 0);
    tcp_abort(r->t, id);
    rig_turn(r);
    rig_free(r);
}

static void
nothing_is_kept_after_all_have_ended(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    rig_write(r, id, 3000);
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 500, .ack = 1, .len = 100});
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 1, .len = 100});
    struct tcp_usage u;
    tcp_usage(r->t, &u);
    assert_int_equal(u.conns, 1);
    assert_int_equal(u.nodes, 2);
    assert_true(u.segs > 0 && u.extents > 0);
    rig_in(r, (struct rig_seg){.flags = TCP_RST, .seq = 101});
    assert_non_null(rig_event(r, TCP_CLOSED));
    tcp_usage(r->t, &u);
    assert_int_equal(u.conns | u.nodes | u.segs | u.extents | u.half_open | u.waiting, 0);
    assert_int_equal(r->frames_out, 0);
    rig_free(r);
}

static void
a_full_device_delays_and_loses_nothing(void **state)
{
    struct rig *r = rig_new();
    uint64_t id = rig_plain(r);
    r->room = 0;
    rig_write(r, id, 2500);
    assert_true(rig_quiet(r));
    assert_true(tcp_next(r->t) <= r->now_us);
    r->room = 1;
    rig_turn(r);
    rig_expect(r, TCP_ACK, 1, 1, 1000);
    rig_expect(r, TCP_ACK, 1001, 1, 1000);
    rig_expect(r, TCP_ACK, 2001, 1, 500);
    rig_free(r);
}

static void
who_waits_for_a_segment_does_not_keep_the_loop_busy(void **state)
{
    struct tcp_config c = rig_config();
    c.segs = 2; /* one and the reserve */
    struct rig *r = rig_of(&c);
    uint64_t first = rig_plain(r);
    uint32_t isn = r->isn;
    r->peer_port++;
    uint64_t second = rig_plain(r);
    uint32_t second_isn = r->isn;
    rig_write(r, first, 10);
    rig_out(r);
    rig_write(r, second, 20);
    assert_true(rig_quiet(r));
    assert_int_equal(tcp_count(r->t, TCP_N_SEGS_FULL), 1);
    assert_true(tcp_next(r->t) > r->now_us);
    r->peer_port--;
    r->isn = isn;
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 1, .ack = 11});
    r->isn = second_isn;
    rig_expect(r, TCP_ACK, 1, 1, 20);
    rig_free(r);
}

static void
a_full_device_is_asked_once_however_many_wait(void **state)
{
    struct rig *r = rig_new();
    uint64_t ids[4];
    for (uint32_t i = 0; i < 4; i++, r->peer_port++)
        ids[i] = rig_plain(r);
    r->room = 0;
    for (uint32_t i = 0; i < 4; i++)
        rig_write(r, ids[i], 100);
    r->asked = 0;
    tcp_flush(r->t, r->now_us);
    assert_int_equal(r->asked, 1);
    assert_true(rig_quiet(r));
    r->room = PACKET_BURST;
    rig_turn(r);
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(rig_out(r)->h.payload.len, 100);
        tcp_abort(r->t, ids[i]);
    }
    rig_turn(r);
    rig_free(r);
}

/* ---- a port of two links: what ends in 1 is of link 0, what ends in 3 of link 1 ---- */

static uint32_t rooms[2];

static uint32_t
link_of(void *self, const uint8_t src[16])
{
    return src[15] == 3;
}

static uint32_t
room_of(void *self, uint32_t link)
{
    ((struct rig *)self)->asked++;
    return link < 2 ? rooms[link] : 0;
}

/* All of one call are for one link, and not more than that has room for. */
static void
send_to(void *self, const struct packet_out *packets, uint32_t count)
{
    uint32_t link = count ? link_of(self, packets[0].src) : 0;
    assert_true(count <= rooms[link]);
    rooms[link] -= count;
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(link_of(self, packets[i].src), link);
    rig_send(self, packets, count);
}

static struct rig *
rig_of_two(void)
{
    static const struct packet_ops ops = {
        .room = room_of, .send = send_to, .release = rig_release, .link = link_of};
    struct rig *r = rig_new();
    r->t->port.ops = &ops;
    rooms[0] = rooms[1] = PACKET_BURST;
    return r;
}

/* Of all that left since rig_forget: segments from an address of ours. */
static uint32_t
segments_from(const struct rig *r, uint8_t last)
{
    uint32_t count = 0;
    for (uint32_t i = r->sent_first; i < r->sent_limit; i++)
        count += r->sent[i].src[15] == last && r->sent[i].h.payload.len > 0;
    return count;
}

/* Two connections of link 0, then two of link 1. */
static void
accept_four(struct rig *r, uint64_t ids[4])
{
    for (uint32_t i = 0; i < 4; i++, r->peer_port++) {
        r->own[15] = i < 2 ? 1 : 3;
        ids[i] = rig_plain(r);
    }
    rig_forget(r);
}

static void
a_link_without_room_holds_up_only_what_leaves_over_it(void **state)
{
    struct rig *r = rig_of_two();
    uint64_t ids[4];
    accept_four(r, ids);
    rooms[0] = 0;
    for (uint32_t i = 0; i < 4; i++)
        rig_write(r, ids[i], 3000);
    assert_int_equal(segments_from(r, 1), 0);
    assert_int_equal(segments_from(r, 3), 6);
    assert_true(tcp_next(r->t) <= r->now_us); /* the loop comes back for the others */
    rig_forget(r);
    rooms[0] = PACKET_BURST;
    rig_turn(r);
    assert_int_equal(segments_from(r, 1), 6);
    assert_int_equal(segments_from(r, 3), 0);
    assert_true(tcp_next(r->t) > r->now_us);
    for (uint32_t i = 0; i < 4; i++)
        tcp_abort(r->t, ids[i]);
    rig_turn(r);
    rig_free(r);
}

static void
a_link_with_little_room_is_shared_by_its_connections(void **state)
{
    struct rig *r = rig_of_two();
    uint64_t ids[4];
    uint32_t of[2] = {0, 0};
    accept_four(r, ids);
    rooms[0] = 0;
    rig_write(r, ids[0], 4000);
    rig_write(r, ids[1], 4000);
    for (uint32_t turn = 0; turn < 8; turn++) {
        rooms[0] = 1;
        r->asked = 0;
        tcp_flush(r->t, r->now_us);
        assert_true(r->asked <= 4);
        tcp_check(r->t);
    }
    for (uint32_t i = r->sent_first; i < r->sent_limit; i++)
        of[r->sent[i].h.dst_port & 1] += r->sent[i].h.payload.len;
    assert_int_equal(of[0], 4000); /* ports of the peers: one even, one odd */
    assert_int_equal(of[1], 4000);
    for (uint32_t i = 0; i < 4; i++)
        tcp_abort(r->t, ids[i]);
    rooms[0] = PACKET_BURST;
    rig_turn(r);
    rig_free(r);
}

static void
a_connection_that_ends_while_its_link_has_no_room_is_freed(void **state)
{
    struct rig *r = rig_of_two();
    uint64_t ids[4];
    accept_four(r, ids);
    rooms[0] = 0;
    for (uint32_t i = 0; i < 4; i++)
        rig_write(r, ids[i], 1000);
    for (uint32_t i = 0; i < 4; i++)
        tcp_abort(r->t, ids[i]);
    rig_turn(r);
    rooms[0] = PACKET_BURST;
    rig_turn(r);
    struct tcp_usage usage;
    tcp_usage(r->t, &usage);
    assert_int_equal(usage.conns, 0);
    r->event_count = 0;
    rig_forget(r);
    r->own[15] = 1;
    uint64_t again = rig_plain(r); /* its place is free */
    tcp_abort(r->t, again);
    rig_turn(r);
    rig_free(r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stale_id_names_nobody),
        cmocka_unit_test(closed_comes_once_and_last),
        cmocka_unit_test(events_come_in_order_whatever_the_room_for_them),
        cmocka_unit_test(nothing_is_kept_after_all_have_ended),
        cmocka_unit_test(a_full_device_delays_and_loses_nothing),
        cmocka_unit_test(a_full_device_is_asked_once_however_many_wait),
        cmocka_unit_test(a_link_without_room_holds_up_only_what_leaves_over_it),
        cmocka_unit_test(a_link_with_little_room_is_shared_by_its_connections),
        cmocka_unit_test(a_connection_that_ends_while_its_link_has_no_room_is_freed),
        cmocka_unit_test(who_waits_for_a_segment_does_not_keep_the_loop_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
