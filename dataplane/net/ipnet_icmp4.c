/* ipnet_icmp4.c: ICMP for IPv4: answers echoes; errors about our packets go up to their protocol,
 * which knows whether they can be true (RFC 5927).  Redirects, source quenches (RFC 6633) and
 * timestamps are counted and dropped. */
#include "dataplane/net/ipnet_in.h"

enum {
    TYPE_ECHO_REPLY = 0,
    TYPE_UNREACHABLE = 3,
    TYPE_ECHO = 8,
    TYPE_TIME = 11,
    TYPE_PARAMETER = 12,
    CODE_PROTOCOL = 2,
    CODE_PORT = 3,
    CODE_TOO_BIG = 4,
    CODE_NET_PROHIBITED = 9,
    CODE_HOST_PROHIBITED = 10,
    CODE_PROHIBITED = 13,
};

static enum packet_error_kind
kind_of(uint8_t type, uint8_t code)
{
    if (type != TYPE_UNREACHABLE)
        return PACKET_UNREACHABLE;
    switch (code) {
    case CODE_TOO_BIG:
        return PACKET_TOO_BIG;
    case CODE_PROTOCOL:
    case CODE_PORT:
    case CODE_NET_PROHIBITED:
    case CODE_HOST_PROHIBITED:
    case CODE_PROHIBITED:
        return PACKET_REFUSED;
    default:
        return PACKET_UNREACHABLE;
    }
}

static int
error_input(struct ipnet *n, const struct ipnet_packet *p)
{
    struct view quote = view_of(p->l4.at + IPNET_ICMP_BYTES, p->l4.len - IPNET_ICMP_BYTES);
    const uint8_t *ip = quote.at;
    if (quote.len < IPNET_IP4_BYTES || ip[0] >> 4 != 4)
        return ipnet_drop(n, IPNET_DROP_ICMP_QUOTE);
    uint32_t header = (ip[0] & 15u) * 4;
    struct packet_error e = {.kind = kind_of(p->l4.at[0], p->l4.at[1])};
    iptext_of_v4(ip + 12, e.src);
    iptext_of_v4(ip + 16, e.dst);
    /* We send neither fragments nor options. */
    if (header != IPNET_IP4_BYTES || quote.len - header < PACKET_QUOTE_MIN ||
        ip[9] != IPNET_PROTO_TCP || get_u16(ip + 6) & 0x3fff || !ipnet_is_ours(n, e.src))
        return ipnet_drop(n, IPNET_DROP_ICMP_QUOTE);
    if (e.kind == PACKET_TOO_BIG)
        e.mtu = get_u16(p->l4.at + 6); /* RFC 1191 section 4 */
    e.quote = view_of(ip + header, quote.len - header);
    n->stat.errors_received++;
    ipnet_news_error(n, &e);
    return ERR_OK;
}

int
ipnet_icmp4_input(struct ipnet *n, const struct ipnet_packet *p)
{
    if (p->l4.len < IPNET_ICMP_BYTES)
        return ipnet_drop(n, IPNET_DROP_ICMP_FORMAT);
    if (!ipnet_icmp_sum_good(p))
        return ipnet_drop(n, IPNET_DROP_ICMP_SUM);
    switch (p->l4.at[0]) {
    case TYPE_ECHO:
        return ipnet_icmp_echo(n, p, TYPE_ECHO_REPLY);
    case TYPE_UNREACHABLE:
    case TYPE_TIME:
    case TYPE_PARAMETER:
        return error_input(n, p);
    default:
        return ipnet_drop(n, IPNET_DROP_ICMP_TYPE);
    }
}
