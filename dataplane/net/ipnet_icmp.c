/* ipnet_icmp.c: what ICMP has in common for IPv4 (RFC 792) and IPv6 (RFC 4443).
 *
 *   byte 0  u8 type, u8 code, u16 checksum
 *   byte 4  u32 by type: identifier and number of an echo, pointer, MTU
 *   byte 8  the rest; of an error: the packet that it is about, from its IP header on */
#include "dataplane/net/ipnet_in.h"

bool
ipnet_icmp_sum_good(const struct ipnet_packet *p)
{
    struct checksum sum = checksum_start();
    if (!iptext_is_v4(p->dst))
        checksum_pseudo(&sum, p->src, p->dst, IPNET_PROTO_ICMP6, p->l4.len);
    checksum_add(&sum, p->l4.at, p->l4.len);
    return checksum_end(&sum) == 0;
}

int
ipnet_icmp_echo(struct ipnet *n, const struct ipnet_packet *p, uint8_t reply_type)
{
    if (!ipnet_rate_take(&n->echoes, n->now_ns))
        return ipnet_drop(n, IPNET_DROP_RATE);
    struct ipnet_icmp m = {
        .src = p->dst,
        .dst = p->src,
        .header = {[0] = reply_type},
        .body = view_of(p->l4.at + IPNET_ICMP_BYTES, p->l4.len - IPNET_ICMP_BYTES),
        .hops = IPNET_HOPS,
    };
    memcpy(m.header + 4, p->l4.at + 4, 4); /* identifier and number */
    if (ipnet_icmp_send(n, &m))
        n->stat.echoes++;
    return ERR_OK;
}

/* Type, code and pointer of the refusal, as the RFC of each version has them. */
static void
refusal(const struct ipnet_packet *p, uint8_t header[IPNET_ICMP_BYTES])
{
    enum { V4_UNREACHABLE = 3, V4_PROTOCOL = 2, V4_PORT = 3 };
    enum { V6_UNREACHABLE = 1, V6_PORT = 4, V6_PARAMETER = 4, V6_NEXT_HEADER = 1 };
    bool udp = p->protocol == IPNET_PROTO_UDP;
    if (iptext_is_v4(p->dst)) {
        header[0] = V4_UNREACHABLE;
        header[1] = udp ? V4_PORT : V4_PROTOCOL;
        return;
    }
    header[0] = udp ? V6_UNREACHABLE : V6_PARAMETER;
    header[1] = udp ? V6_PORT : V6_NEXT_HEADER;
    if (!udp)
        set_u32(header + 4, p->protocol_at);
}

void
ipnet_icmp_refuse(struct ipnet *n, const struct ipnet_packet *p)
{
    (void)ipnet_drop(n, IPNET_DROP_IP_PROTOCOL);
    /* Never about what was for many, came from nobody, or may itself be an error (RFC 1122 3.2.2,
     * RFC 4443 2.4 e). */
    if (p->cast || ipnet_ip_is_zero(p->src) || p->protocol == IPNET_PROTO_ICMP4 ||
        p->protocol == IPNET_PROTO_ICMP6)
        return;
    if (!ipnet_rate_take(&n->errors, n->now_ns)) {
        (void)ipnet_drop(n, IPNET_DROP_RATE);
        return;
    }
    /* As much of it as fits a packet that needs no fragments anywhere. */
    bool v4 = iptext_is_v4(p->dst);
    enum { V4_ALL = 576 };
    uint32_t most = v4 ? V4_ALL - IPNET_IP4_BYTES - IPNET_ICMP_BYTES
                       : IPNET_MTU_LEAST - IPNET_IP6_BYTES - IPNET_ICMP_BYTES;
    struct ipnet_icmp m = {
        .src = p->dst,
        .dst = p->src,
        .body = view_of(p->ip.at, p->ip.len < most ? p->ip.len : most),
        .hops = IPNET_HOPS,
    };
    refusal(p, m.header);
    if (ipnet_icmp_send(n, &m))
        n->stat.errors_sent++;
}
