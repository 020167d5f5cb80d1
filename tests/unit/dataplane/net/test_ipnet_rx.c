#include "tests/unit/dataplane/net/host.h"

static uint8_t tcp[20];

static struct put
tcp_frame(void)
{
    return ip_frame("10.77.0.9", "10.77.0.2", 6, tcp, sizeof tcp, 64);
}

/* Puts tags between the link addresses and the EtherType. */
static uint32_t
tagged(uint8_t out[256], const uint16_t *tags, uint32_t count)
{
    struct put w = tcp_frame(), to = put_of(out, 256);
    put_bytes(&to, w.start, 12);
    for (uint32_t i = 0; i < count; i++) {
        put_u16(&to, IPNET_TYPE_VLAN);
        put_u16(&to, tags[i]);
    }
    put_bytes(&to, w.start + 12, put_len(&w) - 12);
    return put_len(&to);
}

static void
feed_tagged(struct host *h, const uint16_t *tags, uint32_t count)
{
    uint8_t bytes[256];
    uint32_t n = tagged(bytes, tags, count);
    host_feed_sums(h, bytes, n, PACKET_SUM_UNKNOWN, PACKET_SUM_UNKNOWN);
}

static void
without_a_vlan_only_untagged_and_priority_tagged_frames_are_taken(void **state)
{
    static struct host h;
    host_ready(&h);
    feed_tagged(&h, NULL, 0);
    assert_int_equal(h.in.packet_count, 1);
    feed_tagged(&h, (uint16_t[]){0x6000}, 1);
    assert_int_equal(h.in.packet_count, 1);
    feed_tagged(&h, (uint16_t[]){100}, 1);
    assert_int_equal(host_dropped(&h, IPNET_DROP_VLAN), 1);
    feed_tagged(&h, (uint16_t[]){0, 100}, 2);
    assert_int_equal(host_dropped(&h, IPNET_DROP_VLAN), 2);
    host_stop(&h);
}

static void
with_a_vlan_only_its_frames_are_taken(void **state)
{
    static struct host h;
    struct ipnet_config c = host_config();
    c.vlan = 100;
    host_start(&h, &c);
    feed_tagged(&h, (uint16_t[]){0x6064}, 1);
    assert_int_equal(h.in.packet_count, 1);
    assert_int_equal(h.in.packets[0].l4.len, sizeof tcp);
    feed_tagged(&h, NULL, 0);
    feed_tagged(&h, (uint16_t[]){101}, 1);
    feed_tagged(&h, (uint16_t[]){100, 100}, 2);
    assert_int_equal(host_dropped(&h, IPNET_DROP_VLAN), 3);
    host_stop(&h);
}

static void
frames_shorter_than_their_link_header_are_dropped(void **state)
{
    static struct host h;
    uint8_t bytes[256];
    host_ready(&h);
    (void)tagged(bytes, (uint16_t[]){0}, 1);
    for (uint32_t n = 0; n < 18; n++)
        host_feed_sums(&h, bytes, n, PACKET_SUM_UNKNOWN, PACKET_SUM_UNKNOWN);
    assert_int_equal(host_dropped(&h, IPNET_DROP_SHORT), 18);
    host_stop(&h);
}

static void
link_addresses_that_are_not_for_us_or_cannot_be_are_dropped(void **state)
{
    static struct host h;
    host_ready(&h);
    struct put w = tcp_frame();
    memcpy(w.start, other_mac, 6);
    host_feed(&h, &w);
    w = tcp_frame();
    memcpy(w.start, (uint8_t[]){1, 0x80, 0xc2, 0, 0, 0}, 6); /* spanning tree */
    host_feed(&h, &w);
    assert_int_equal(host_dropped(&h, IPNET_DROP_NOT_OURS), 2);
    w = tcp_frame();
    memcpy(w.start + 6, host_mac, 6);
    host_feed(&h, &w);
    w = tcp_frame();
    w.start[6] |= 1;
    host_feed(&h, &w);
    assert_int_equal(host_dropped(&h, IPNET_DROP_LINK_SOURCE), 2);
    host_stop(&h);
}

static void
other_ethertypes_are_dropped(void **state)
{
    static const uint16_t types[] = {0, 0x05dc, 0x8863, 0x88cc, 0x86dc, 0xffff};
    static struct host h;
    host_ready(&h);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct put w = tcp_frame();
        set_u16(w.start + 12, types[i]);
        host_feed(&h, &w);
        assert_int_equal(host_dropped(&h, IPNET_DROP_ETHERTYPE), i + 1);
    }
    host_stop(&h);
}

static void
a_burst_divides_into_packets_and_frames_that_are_done(void **state)
{
    static struct host h;
    static uint8_t bytes[NIC_BURST_MAX][64];
    struct nic_rx frames[NIC_BURST_MAX];
    host_ready(&h);
    for (uint32_t i = 0; i < NIC_BURST_MAX; i++) {
        struct put w = tcp_frame();
        if (i % 3 == 0)
            w.start[12] = 0;
        memcpy(bytes[i], w.start, put_len(&w));
        frames[i] = (struct nic_rx){.bytes = view_of(bytes[i], put_len(&w)),
                                    .frame = (struct packet_frame *)(void *)bytes[i]};
    }
    ipnet_input(h.n, h.now_ns, frames, NIC_BURST_MAX, &h.in);
    assert_int_equal(h.in.done_count, 22);
    assert_int_equal(h.in.packet_count, 42);
    assert_ptr_equal(h.in.done[1], bytes[3]);
    assert_ptr_equal(h.in.packets[2].frame, bytes[4]);
    host_stop(&h);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_vlan_only_untagged_and_priority_tagged_frames_are_taken),
        cmocka_unit_test(with_a_vlan_only_its_frames_are_taken),
        cmocka_unit_test(frames_shorter_than_their_link_header_are_dropped),
        cmocka_unit_test(link_addresses_that_are_not_for_us_or_cannot_be_are_dropped),
        cmocka_unit_test(other_ethertypes_are_dropped),
        cmocka_unit_test(a_burst_divides_into_packets_and_frames_that_are_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
