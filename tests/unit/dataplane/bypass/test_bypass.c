#include "tests/unit/dataplane/bypass/bypass_rig.h"

static void
request_and_answer(const char *from, const char *to)
{
    struct rig *r = rig_new(false);
    stream_id id = connect_from(r, from, to);
    static const uint8_t question[] = "question", answer[] = "answer";
    struct view v = view_of(question, sizeof question), got = {0};
    assert_int_equal(tcp_send(r->tcp, r->id, &v, 1), sizeof question);
    for (int i = 0; i < 100 && got.len < sizeof question; i++) {
        rig_turn(r);
        got = r->stream.ops->peek(r->stream.self, id);
    }
    assert_memory_equal(got.at, question, sizeof question);
    r->stream.ops->consume(r->stream.self, id, got.len, 4);
    v = view_of(answer, sizeof answer);
    assert_int_equal(r->stream.ops->send(r->stream.self, id, &v, 1), sizeof answer);
    for (int i = 0; i < 100 && tcp_unread(r->tcp, r->id) < sizeof answer; i++)
        rig_turn(r);
    assert_int_equal(tcp_peek(r->tcp, r->id, &got, 1), 1);
    assert_memory_equal(got.at, answer, sizeof answer);
    rig_free(r);
}

static void
a_request_comes_through_all_layers_and_its_answer_goes_back(void **state)
{
    request_and_answer("10.77.0.1", "10.77.0.2");
}

static void
so_it_does_over_ipv6(void **state)
{
    request_and_answer("fd00:77::1", "fd00:77::2");
}

static void
silence_makes_naps_longer_up_to_a_bound_and_a_frame_ends_them(void **state)
{
    struct rig *r = rig_new(false);
    (void)connect_from(r, "10.77.0.1", "10.77.0.2");
    uint64_t before_ns = 0;
    for (int i = 0; i < 3000; i++) {
        r->clock.ops->wait(r->clock.self, CLOCK_NEVER);
        assert_true(r->slept_ns <= BYPASS_NAP_NS_MAX);
        if (r->slept_ns == 0)
            r->now_ns += 1000;
        before_ns = r->slept_ns > before_ns ? r->slept_ns : before_ns;
    }
    assert_int_equal(before_ns, BYPASS_NAP_NS_MAX);
    struct view v = view_of("x", 1);
    assert_int_equal(tcp_send(r->tcp, r->id, &v, 1), 1);
    client_turn(r);
    r->clock.ops->wait(r->clock.self, CLOCK_NEVER); /* takes it in */
    r->clock.ops->wait(r->clock.self, CLOCK_NEVER);
    assert_int_equal(r->slept_ns, 0);
    rig_free(r);
}

static void
a_nap_ends_at_the_deadline_of_the_loop(void **state)
{
    struct rig *r = rig_new(false);
    r->now_ns += 100 * CLOCK_NS_PER_MS;
    for (int i = 0; i < 100; i++)
        r->clock.ops->wait(r->clock.self, 0); /* what was due */
    r->clock.ops->wait(r->clock.self, r->now_ns + 5000);
    assert_int_equal(r->slept_ns, 5000);
    r->clock.ops->wait(r->clock.self, 0);
    assert_int_equal(r->slept_ns, 0);
    rig_free(r);
}

static void
time_in_calls_for_files_is_counted_and_naps_are_not(void **state)
{
    struct rig *r = rig_new(false);
    (void)connect_from(r, "10.77.0.1", "10.77.0.2");
    r->now_ns += 100 * CLOCK_NS_PER_MS;
    r->clock.ops->wait(r->clock.self, 0);
    assert_int_equal(netview_count(&r->view, NETVIEW_N_FILES_NS), 0);
    r->call_ns = 7000;
    for (int i = 0; i < 10; i++)
        r->clock.ops->wait(r->clock.self, 0);
    for (int i = 0; i < 10; i++) {
        r->clock.ops->wait(r->clock.self, CLOCK_NEVER);
        assert_true(r->slept_ns > 0);
    }
    r->call_ns = 0;
    r->now_ns += 100 * CLOCK_NS_PER_MS;
    r->clock.ops->wait(r->clock.self, 0);
    assert_int_equal(netview_count(&r->view, NETVIEW_N_FILES_NS), 10 * 7000);
    rig_free(r);
}

static void
spinning_never_sleeps(void **state)
{
    struct rig *r = rig_new(true);
    for (int i = 0; i < 2000; i++)
        rig_turn(r);
    assert_int_equal(r->sleeps, 0);
    struct bypass_stat st;
    bypass_stat(r->b, &st);
    assert_int_equal(st.naps, 0);
    assert_true(st.polls >= 2000);
    rig_free(r);
}

static void
leaving_ends_connections_in_order_and_resets_those_that_stay(void **state)
{
    struct rig *r = rig_new(false);
    stream_id id = connect_from(r, "10.77.0.1", "10.77.0.2");
    struct view v = view_of("bye", 3);
    assert_int_equal(r->stream.ops->send(r->stream.self, id, &v, 1), 3);
    bypass_leave(r->b);
    client_turn(r);
    assert_true(r->ended || r->closed);
    client_turn(r);
    assert_true(r->closed); /* it had not closed its side */
    rig_enter(r);
    rig_free(r);
}

static void
a_configuration_that_does_not_fit_together_is_refused(void **state)
{
    struct rig r = {.now_ns = 1, .wire = nic_pair_create(1500, 1)};
    struct bypass_config c = bypass_config_of(&r, false);
    struct bypass *b;
    c.stream.conns++;
    assert_int_equal(bypass_create(&c, &b), ERR_INVALID);
    c = bypass_config_of(&r, false);
    c.link_count = 0;
    assert_int_equal(bypass_create(&c, &b), ERR_INVALID);
    c = bypass_config_of(&r, false);
    c.tcp.mtu = c.links[0].net.mtu - 1;
    assert_int_equal(bypass_create(&c, &b), ERR_INVALID);
    c = bypass_config_of(&r, false);
    c.stream.scatter_bytes = c.tcp.rcv_bytes / 4 * 3 + 1;
    assert_int_equal(bypass_create(&c, &b), ERR_INVALID);
    c.stream.scatter_bytes--;
    assert_int_equal(bypass_create(&c, &b), ERR_OK);
    bypass_destroy(b);
    nic_pair_free(r.wire);
}

static void
turn_and_hear(struct rig *r)
{
    struct stream_event events[4];
    rig_turn(r);
    while (r->stream.ops->poll(r->stream.self, events, 4) > 0)
        continue;
}

/* What the broker says comes to this client. */
static void
says(struct rig *r, struct rig *client, stream_id id, const char *text)
{
    struct view got, v = view_of_text(text);
    for (int i = 0; i < 10000 && r->stream.ops->send(r->stream.self, id, &v, 1) == 0; i++)
        turn_and_hear(r); /* until what it said before is acknowledged */
    for (int i = 0; i < 100 && tcp_unread(client->tcp, client->id) < v.len; i++)
        turn_and_hear(r);
    assert_int_equal(tcp_peek(client->tcp, client->id, &got, 1), 1);
    assert_int_equal(got.len, v.len);
    assert_memory_equal(got.at, text, v.len);
    tcp_consume(client->tcp, client->id, got.len);
}

static void
two_devices_are_one_stream_and_each_peer_is_answered_over_its_own(void **state)
{
    static const char *const rows[][3] = {{"10.77.0.1", "10.77.0.2", "10.77.0.3"},
                                          {"fd00:77::1", "fd00:77::2", "fd00:77::3"}};
    for (size_t i = 0; i < 2; i++) {
        struct rig *r = rig_new_of(false, true);
        stream_id first = connect_by(r, r, rows[i][0], rows[i][1]);
        stream_id second = connect_by(r, r->other, rows[i][0], rows[i][2]);
        assert_true(first != second);
        says(r, r, first, "one");
        says(r, r->other, second, "two");
        rig_free(r);
    }
}

static void
while_one_device_is_dead_the_other_serves(void **state)
{
    struct rig *r = rig_new_of(false, true);
    stream_id first = connect_by(r, r, "10.77.0.1", "10.77.0.2");
    stream_id second = connect_by(r, r->other, "10.77.0.1", "10.77.0.3");
    struct nic_pair_faults dead = {.lose = 1}, none = {0};
    struct view v = view_of("lost", 4);
    nic_pair_faults(r->wire, &dead);
    assert_int_equal(r->stream.ops->send(r->stream.self, first, &v, 1), 4);
    for (int i = 0; i < 200; i++)
        says(r, r->other, second, "still there");
    assert_int_equal(tcp_unread(r->tcp, r->id), 0);
    nic_pair_faults(r->wire, &none);
    for (int i = 0; i < 50000 && tcp_unread(r->tcp, r->id) < 4; i++)
        turn_and_hear(r);
    assert_int_equal(tcp_unread(r->tcp, r->id), 4);
    rig_free(r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_comes_through_all_layers_and_its_answer_goes_back),
        cmocka_unit_test(so_it_does_over_ipv6),
        cmocka_unit_test(silence_makes_naps_longer_up_to_a_bound_and_a_frame_ends_them),
        cmocka_unit_test(a_nap_ends_at_the_deadline_of_the_loop),
        cmocka_unit_test(time_in_calls_for_files_is_counted_and_naps_are_not),
        cmocka_unit_test(spinning_never_sleeps),
        cmocka_unit_test(leaving_ends_connections_in_order_and_resets_those_that_stay),
        cmocka_unit_test(a_configuration_that_does_not_fit_together_is_refused),
        cmocka_unit_test(two_devices_are_one_stream_and_each_peer_is_answered_over_its_own),
        cmocka_unit_test(while_one_device_is_dead_the_other_serves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
