/* ipnet_rx.c: a burst of frames: the link header, then by EtherType and protocol.
 *
 * Order: length, VLAN tag, link addresses, EtherType; then the IP header (ipnet_ip4.c,
 * ipnet_ip6.c), then the protocol.  I1: every frame of the burst is either that of one packet in
 * `packets` or in `done`.  Nothing is changed by a frame before the checks that it must pass. */
#include "dataplane/net/ipnet_in.h"

enum { RX_AHEAD = 4 }; /* frames whose headers are asked for: a card wrote them to memory */

/* Is a frame for this link address ours?  Groups of IPv6 are looked at again by address. */
static bool
link_takes(const struct ipnet *n, const uint8_t *dst, bool *cast)
{
    static const uint8_t everybody[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    *cast = dst[0] & 1;
    if (!*cast)
        return memcmp(dst, n->config.mac, IPNET_MAC_BYTES) == 0;
    return memcmp(dst, everybody, sizeof everybody) == 0 || (dst[0] == 0x33 && dst[1] == 0x33);
}

/* The EtherType, with what follows in *rest; 0: dropped. */
static uint16_t
link_parse(struct ipnet *n, struct view frame, struct view *rest, bool *cast)
{
    struct cur c = cur_of(frame);
    const uint8_t *eth = cur_take(&c, IPNET_ETH_BYTES);
    if (!eth) {
        (void)ipnet_drop(n, IPNET_DROP_SHORT);
        return 0;
    }
    uint16_t type = get_u16(eth + 12), vlan = 0;
    if (type == IPNET_TYPE_VLAN) {
        vlan = cur_u16(&c) & 0xfff;
        type = cur_u16(&c);
        if (c.bad) {
            (void)ipnet_drop(n, IPNET_DROP_SHORT);
            return 0;
        }
    }
    enum ipnet_drop why = IPNET_DROPS;
    if (vlan != n->config.vlan || type == IPNET_TYPE_VLAN)
        why = IPNET_DROP_VLAN; /* a tag of VLAN 0 has a priority only */
    else if (!link_takes(n, eth, cast))
        why = IPNET_DROP_NOT_OURS;
    else if (eth[6] & 1 || memcmp(eth + 6, n->config.mac, IPNET_MAC_BYTES) == 0)
        why = IPNET_DROP_LINK_SOURCE;
    else if (type != IPNET_TYPE_ARP && type != IPNET_TYPE_IP4 && type != IPNET_TYPE_IP6)
        why = IPNET_DROP_ETHERTYPE;
    if (why != IPNET_DROPS) {
        (void)ipnet_drop(n, why);
        return 0;
    }
    *rest = view_of(c.at, cur_left(&c));
    return type;
}

static void
tcp_deliver(struct ipnet *n, const struct ipnet_packet *p, const struct nic_rx *frame,
            struct ipnet_input *out)
{
    struct packet_in *to = &out->packets[out->packet_count++];
    memcpy(to->src, p->src, 16);
    memcpy(to->dst, p->dst, 16);
    to->l4 = p->l4;
    to->frame = frame->frame;
    to->pinned_bytes = frame->pinned_bytes;
    to->sum = p->l4_sum;
    to->traffic_class = p->traffic_class;
    n->stat.packets_in++;
}

/* True: the frame has gone over with a packet. */
static bool
take(struct ipnet *n, const struct nic_rx *frame, struct ipnet_input *out)
{
    struct view rest;
    struct ipnet_packet p = {.l4_sum = frame->l4_sum};
    uint16_t type = link_parse(n, frame->bytes, &rest, &p.cast);
    if (type == 0)
        return false;
    if (type == IPNET_TYPE_ARP) {
        (void)ipnet_arp_input(n, frame->bytes.at, rest);
        return false;
    }
    if (type == IPNET_TYPE_IP4 ? ipnet_ip4_parse(n, rest, frame, &p)
                               : ipnet_ip6_parse(n, rest, frame, &p))
        return false;
    if (p.protocol == IPNET_PROTO_TCP && !p.cast) {
        tcp_deliver(n, &p, frame, out);
        return true;
    }
    if (p.protocol == IPNET_PROTO_ICMP4 && type == IPNET_TYPE_IP4)
        (void)ipnet_icmp4_input(n, &p);
    else if (p.protocol == IPNET_PROTO_ICMP6 && type == IPNET_TYPE_IP6)
        (void)ipnet_icmp6_input(n, &p);
    else
        ipnet_icmp_refuse(n, &p);
    return false;
}

void
ipnet_input(struct ipnet *n, uint64_t now_ns, const struct nic_rx *frames, uint32_t count,
            struct ipnet_input *out)
{
    must(count <= NIC_BURST_MAX);
    n->now_ns = now_ns;
    n->out = out;
    out->packet_count = out->error_count = out->done_count = out->news_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (i + RX_AHEAD < count)
            __builtin_prefetch(frames[i + RX_AHEAD].bytes.at);
        if (!take(n, &frames[i], out))
            out->done[out->done_count++] = frames[i].frame;
    }
    n->out = NULL;
}
