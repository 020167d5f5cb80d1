#include "tests/unit/dataplane/tcp/tcp_rig.h"

static void
a_wrong_checksum_changes_nothing(void **state)
{
    struct rig *r = rig_new();
    struct tcp_header h = {.src_port = PEER_PORT, .dst_port = OWN_PORT, .flags = TCP_SYN};
    rig_put(r, &h, PACKET_SUM_BAD);
    rig_put(r, &h, PACKET_SUM_UNKNOWN); /* its field is 0 */
    rig_turn(r);
    assert_true(rig_quiet(r));
    assert_int_equal(tcp_count(r->t, TCP_N_DROP_SUM), 2);
    assert_int_equal(r->frames_out, 0);
    rig_free(r);
}

static void
combinations_that_nobody_sends_are_dropped(void **state)
{
    struct rig *r = rig_new();
    const uint8_t flags[] = {0, TCP_SYN | TCP_FIN, TCP_SYN | TCP_RST, TCP_FIN, 0xff};
    for (uint32_t i = 0; i < sizeof flags; i++)
        rig_in(r, (struct rig_seg){.flags = flags[i]});
    assert_true(rig_quiet(r));
    assert_int_equal(tcp_count(r->t, TCP_N_DROP_FLAGS), sizeof flags);
    rig_free(r);
}

static void
port_zero_is_nobody(void **state)
{
    struct rig *r = rig_new();
    struct tcp_header h = {.src_port = 0, .dst_port = OWN_PORT, .flags = TCP_SYN};
    rig_put(r, &h, PACKET_SUM_GOOD);
    assert_int_equal(tcp_count(r->t, TCP_N_DROP_HEADER), 1);
    rig_free(r);
}

static void
a_stranger_is_reset_with_the_numbers_that_it_expects(void **state)
{
    struct rig *r = rig_new();
    r->isn = 100;
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 7, .ack = 50});
    const struct rig_sent *s = rig_out(r);
    assert_int_equal(s->h.flags, TCP_RST);
    assert_int_equal(s->h.seq, 50);
    tcp_unlisten(r->t);
    rig_in(r, (struct rig_seg){.flags = TCP_SYN, .seq = 7});
    s = rig_out(r);
    assert_int_equal(s->h.flags, TCP_RST | TCP_ACK);
    assert_int_equal(s->h.ack, 8);
    rig_in(r, (struct rig_seg){.flags = TCP_RST, .seq = 7});
    assert_true(rig_quiet(r));
    rig_free(r);
}

static void
resets_to_strangers_are_limited_and_the_limit_starts_full(void **state)
{
    struct rig *r = rig_new();
    uint32_t resets = 0;
    for (int i = 0; i < 300; i++) {
        rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 7, .ack = 50});
        resets += !rig_quiet(r);
        rig_forget(r);
    }
    assert_int_equal(resets, r->config.replies_per_s);
    r->now_us += 500000;
    rig_in(r, (struct rig_seg){.flags = TCP_ACK, .seq = 7, .ack = 50});
    assert_false(rig_quiet(r));
    rig_free(r);
}

static void
every_frame_is_given_back_whatever_it_held(void **state)
{
    struct rig *r = rig_new();
    uint32_t x = 77;
    for (int i = 0; i < 3000; i++) {
        x = x * 1664525u + 1013904223u;
        rig_in(r, (struct rig_seg){.flags = (uint8_t)(x >> 24),
                                   .seq = x >> 20,
                                   .ack = x >> 12 & 3,
                                   .len = x >> 16 & 63});
        rig_forget(r);
        r->event_count = 0;
        r->now_us += x >> 12;
    }
    tcp_unlisten(r->t);
    r->now_us += UINT64_C(200) * 1000000;
    rig_turn(r);
    struct tcp_usage u;
    tcp_usage(r->t, &u);
    assert_true(r->frames_out <= u.nodes);
    rig_free(r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_checksum_changes_nothing),
        cmocka_unit_test(combinations_that_nobody_sends_are_dropped),
        cmocka_unit_test(port_zero_is_nobody),
        cmocka_unit_test(a_stranger_is_reset_with_the_numbers_that_it_expects),
        cmocka_unit_test(resets_to_strangers_are_limited_and_the_limit_starts_full),
        cmocka_unit_test(every_frame_is_given_back_whatever_it_held),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
