#include "dataplane/bypass/bypass_tap.h"

#include "core/base/err.h"
#include "core/shm/msg.h"
#include "tests/sim/nic_pair.h"
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

/* A tap in front of side 0 of two pairs; control's end of the ring. */
struct rig {
    struct nic_pair *wire, *second;
    struct capring_core *core;
    struct bypass_tap tap;
    struct chan ring;
    struct nic nic; /* as the loop has it */
};

static void
turn(struct rig *r, uint64_t now_ns)
{
    bypass_tap_turn(&r->tap, now_ns);
    r->nic = bypass_tap_nic(&r->tap, 0);
}

static struct rig *
rig_new(void)
{
    struct rig *r = calloc(1, sizeof *r);
    r->wire = nic_pair_create(1500, 1);
    r->core = aligned_alloc(128, sizeof *r->core);
    memset(r->core, 0, sizeof *r->core);
    chan_format(r->core->ring, CAPRING_BYTES);
    chan_join(&r->ring, r->core->ring, CAPRING_BYTES);
    r->second = nic_pair_create(1500, 2);
    const struct nic nics[] = {nic_pair_port(r->wire, 0), nic_pair_port(r->second, 0)};
    bypass_tap_init(&r->tap, nics, 2, r->core);
    turn(r, 5);
    return r;
}

static void
rig_free(struct rig *r)
{
    nic_pair_settle(r->wire);
    nic_pair_free(r->wire);
    nic_pair_settle(r->second);
    nic_pair_free(r->second);
    free(r->core);
    free(r);
}

/* An Ethernet frame with an IPv4 TCP segment between 10.77.0.LAST and 10.77.0.2:9092. */
static struct nic_tx
frame(uint8_t last, uint16_t port, bool from_there)
{
    struct nic_tx f = {.header_bytes = 60, .l2_bytes = 14, .l3_bytes = 20};
    const uint8_t head[14] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0};
    const uint8_t there[4] = {10, 77, 0, last}, here[4] = {10, 77, 0, 2};
    memcpy(f.header, head, sizeof head);
    f.header[14] = 0x45;
    f.header[23] = 6;
    memcpy(f.header + 26, from_there ? there : here, 4);
    memcpy(f.header + 30, from_there ? here : there, 4);
    set_u16(f.header + 34, from_there ? port : 9092);
    set_u16(f.header + 36, from_there ? 9092 : port);
    return f;
}

static void
begin(struct rig *r, uint32_t number, uint32_t snap, const struct capring_filter *f)
{
    capring_begin(r->core, number, snap, f);
    turn(r, 7000);
}

static uint32_t
receive(struct rig *r)
{
    struct nic_rx in[NIC_BURST_MAX];
    uint32_t n = r->nic.ops->rx(r->nic.self, in, NIC_BURST_MAX);
    for (uint32_t i = 0; i < n; i++)
        r->nic.ops->release(r->nic.self, &in[i].frame, 1);
    return n;
}

static void
send(struct nic nic, const struct nic_tx *f)
{
    assert_int_equal(nic.ops->tx(nic.self, &f, 1), 1);
}

/* The oldest captured frame; false: none. */
static bool
captured(struct rig *r, struct msg_frame *m, uint8_t *bytes, uint32_t *len)
{
    struct chan_message message;
    if (chan_peek(&r->ring, &message) != ERR_OK)
        return false;
    assert_int_equal(message.kind, MSG_FRAME);
    assert_int_equal(message.generation, r->tap.task.number);
    memcpy(m, message.body.at, sizeof *m);
    *len = message.body.len - (uint32_t)sizeof *m;
    memcpy(bytes, message.body.at + sizeof *m, *len);
    chan_done(&r->ring);
    return true;
}

static void
while_nothing_is_captured_the_device_itself_is_used(void **state)
{
    struct rig *r = rig_new();
    struct nic device = nic_pair_port(r->wire, 0);
    assert_ptr_equal(r->nic.self, device.self);
    assert_ptr_equal(r->nic.ops, device.ops);
    struct capring_filter all = {0};
    begin(r, 1, 128, &all);
    assert_ptr_not_equal(r->nic.ops, device.ops);
    capring_end(r->core);
    turn(r, 8000);
    assert_ptr_equal(r->nic.ops, device.ops);
    rig_free(r);
}

static void
what_comes_and_goes_is_in_the_ring_with_its_time_and_direction(void **state)
{
    struct rig *r = rig_new();
    struct capring_filter all = {0};
    struct nic_tx in = frame(1, 40000, true), out = frame(1, 40000, false);
    struct msg_frame m;
    uint8_t bytes[CAPRING_SNAP_MAX];
    uint32_t len;
    begin(r, 1, 128, &all);
    send(nic_pair_port(r->wire, 1), &in);
    assert_int_equal(receive(r), 1);
    send(r->nic, &out);
    assert_true(captured(r, &m, bytes, &len));
    assert_int_equal(m.out, 0);
    assert_int_equal(m.at_ns, 7000);
    assert_int_equal(m.wire_bytes, 60);
    assert_int_equal(len, 60);
    assert_memory_equal(bytes, in.header, 60);
    assert_true(captured(r, &m, bytes, &len));
    assert_int_equal(m.out, 1);
    assert_memory_equal(bytes, out.header, 60);
    assert_false(captured(r, &m, bytes, &len));
    rig_free(r);
}

static void
spans_are_gathered_up_to_the_snapshot_length(void **state)
{
    struct rig *r = rig_new();
    struct capring_filter all = {0};
    struct nic_tx out = frame(1, 40000, false);
    struct msg_frame m;
    uint8_t bytes[CAPRING_SNAP_MAX];
    uint32_t len;
    out.span_count = 2;
    out.spans[0].bytes = view_of("0123456789", 10);
    out.spans[1].bytes = view_of("abcdefghij", 10);
    out.payload_bytes = 20;
    begin(r, 1, 75, &all);
    send(r->nic, &out);
    assert_true(captured(r, &m, bytes, &len));
    assert_int_equal(m.wire_bytes, 80);
    assert_int_equal(len, 75);
    assert_memory_equal(bytes + 60, "0123456789abcde", 15);
    rig_free(r);
}

static void
a_full_ring_loses_frames_of_the_capture_and_none_of_the_device(void **state)
{
    struct rig *r = rig_new();
    struct capring_filter all = {0};
    struct nic_tx in = frame(1, 40000, true);
    enum { FRAMES = CAPRING_BYTES / 64 };
    begin(r, 1, 128, &all);
    for (int i = 0; i < FRAMES; i++) {
        send(nic_pair_port(r->wire, 1), &in);
        assert_int_equal(receive(r), 1);
    }
    uint64_t lost = r->core->lost;
    assert_true(lost > 0 && lost < FRAMES);
    struct msg_frame m;
    uint8_t bytes[CAPRING_SNAP_MAX];
    uint32_t len;
    uint64_t got = 0;
    while (captured(r, &m, bytes, &len))
        got++;
    assert_int_equal(got + lost, FRAMES);
    rig_free(r);
}

static void
a_filter_takes_both_directions_of_one_peer(void **state)
{
    static const struct {
        uint8_t last;
        uint16_t port;
        bool wanted, by_host;
    } rows[] = {{1, 40000, true, true}, {1, 40001, false, true}, {3, 40000, false, false}};
    struct capring_filter one = {.ip = {[10] = 0xff, 0xff, 10, 77, 0, 1}, .port = 40000, .some = 1};
    struct capring_filter host = one, all = {0};
    host.port = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int there = 0; there < 2; there++) {
            struct nic_tx f = frame(rows[i].last, rows[i].port, there);
            assert_int_equal(bypass_tap_wants(&one, f.header, 60), rows[i].wanted);
            assert_int_equal(bypass_tap_wants(&host, f.header, 60), rows[i].by_host);
            assert_true(bypass_tap_wants(&all, f.header, 60));
            for (uint32_t n = 0; n < 38; n++)
                assert_false(bypass_tap_wants(&one, f.header, n));
        }
}

static void
a_filter_sees_through_a_tag_and_knows_ipv6(void **state)
{
    struct capring_filter f = {.ip = {0xfd, [15] = 1}, .port = 40000, .some = 1};
    uint8_t frame_[14 + 4 + 40 + 20] = {
        [12] = 0x81, [16] = 0x86, [17] = 0xdd, [18] = 0x60, [24] = 6};
    memcpy(frame_ + 26, f.ip, 16);
    set_u16(frame_ + 58, 40000);
    assert_true(bypass_tap_wants(&f, frame_, sizeof frame_));
    set_u16(frame_ + 58, 40001);
    assert_false(bypass_tap_wants(&f, frame_, sizeof frame_));
    const uint8_t arp[42] = {[12] = 8, [13] = 6};
    assert_false(bypass_tap_wants(&f, arp, sizeof arp));
}

static void
a_capture_of_one_device_leaves_the_others_alone(void **state)
{
    static const struct {
        uint32_t device;
        bool tapped[2];
    } rows[] = {{0, {true, true}}, {1, {true, false}}, {2, {false, true}}, {3, {false, false}}};
    struct rig *r = rig_new();
    const struct nic nics[] = {nic_pair_port(r->wire, 0), nic_pair_port(r->second, 0)};
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct capring_filter f = {.device = rows[i].device};
        begin(r, 2 * i + 1, 128, &f);
        for (uint32_t link = 0; link < 2; link++)
            assert_int_equal(bypass_tap_nic(&r->tap, link).ops != nics[link].ops,
                             rows[i].tapped[link]);
        capring_end(r->core);
        turn(r, 8000);
    }
    rig_free(r);
}

static void
without_a_ring_nothing_is_ever_captured(void **state)
{
    struct nic_pair *wire = nic_pair_create(1500, 1);
    struct nic device = nic_pair_port(wire, 0);
    struct bypass_tap t;
    bypass_tap_init(&t, &device, 1, NULL);
    bypass_tap_turn(&t, 1);
    assert_ptr_equal(bypass_tap_nic(&t, 0).self, device.self);
    nic_pair_free(wire);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(while_nothing_is_captured_the_device_itself_is_used),
        cmocka_unit_test(what_comes_and_goes_is_in_the_ring_with_its_time_and_direction),
        cmocka_unit_test(spans_are_gathered_up_to_the_snapshot_length),
        cmocka_unit_test(a_full_ring_loses_frames_of_the_capture_and_none_of_the_device),
        cmocka_unit_test(a_filter_takes_both_directions_of_one_peer),
        cmocka_unit_test(a_filter_sees_through_a_tag_and_knows_ipv6),
        cmocka_unit_test(a_capture_of_one_device_leaves_the_others_alone),
        cmocka_unit_test(without_a_ring_nothing_is_ever_captured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
