/* ipnet_icmp6.c: ICMP for IPv6 (RFC 4443): answers echoes and queries for groups; errors go up, as
 * for IPv4; neighbour discovery to ipnet_ndp.c.  Router advertisements and redirects are counted
 * and dropped: addresses and routes are those of the configuration. */
#include "dataplane/net/ipnet_in.h"

enum {
    TYPE_UNREACHABLE = 1,
    TYPE_TOO_BIG = 2,
    TYPE_TIME = 3,
    TYPE_PARAMETER = 4,
    TYPE_ECHO = 128,
    TYPE_ECHO_REPLY = 129,
    TYPE_GROUP_QUERY = 130,
    TYPE_SOLICIT = 135,
    TYPE_ADVERT = 136,
    CODE_PROHIBITED = 1,
    CODE_PORT = 4,
};

static enum packet_error_kind
kind_of(uint8_t type, uint8_t code)
{
    if (type == TYPE_TOO_BIG)
        return PACKET_TOO_BIG;
    bool refused = type == TYPE_UNREACHABLE && (code == CODE_PROHIBITED || code == CODE_PORT);
    return refused ? PACKET_REFUSED : PACKET_UNREACHABLE;
}

static int
error_input(struct ipnet *n, const struct ipnet_packet *p)
{
    struct view quote = view_of(p->l4.at + IPNET_ICMP_BYTES, p->l4.len - IPNET_ICMP_BYTES);
    const uint8_t *ip = quote.at;
    struct packet_error e = {.kind = kind_of(p->l4.at[0], p->l4.at[1])};
    /* We send no extension headers. */
    if (p->cast || quote.len < IPNET_IP6_BYTES + PACKET_QUOTE_MIN || ip[0] >> 4 != 6 ||
        ip[6] != IPNET_PROTO_TCP || iptext_is_v4(ip + 8) || !ipnet_is_ours(n, ip + 8))
        return ipnet_drop(n, IPNET_DROP_ICMP_QUOTE);
    memcpy(e.src, ip + 8, 16);
    memcpy(e.dst, ip + 24, 16);
    if (e.kind == PACKET_TOO_BIG)
        e.mtu = get_u32(p->l4.at + 4);
    e.quote = view_of(ip + IPNET_IP6_BYTES, quote.len - IPNET_IP6_BYTES);
    n->stat.errors_received++;
    ipnet_news_error(n, &e);
    return ERR_OK;
}

/* Who asks which groups are listened to gets the report, at most one in IPNET_REPORT_NS. */
static int
group_query(struct ipnet *n, const struct ipnet_packet *p)
{
    if (p->hops != 1 || !ipnet_ip_is_link_local(p->src))
        return ipnet_drop(n, IPNET_DROP_NDP_FORMAT);
    if (n->reports_left == 0)
        n->reports_left = 1;
    return ERR_OK;
}

int
ipnet_icmp6_input(struct ipnet *n, const struct ipnet_packet *p)
{
    if (p->l4.len < IPNET_ICMP_BYTES)
        return ipnet_drop(n, IPNET_DROP_ICMP_FORMAT);
    if (!ipnet_icmp_sum_good(p))
        return ipnet_drop(n, IPNET_DROP_ICMP_SUM);
    uint8_t type = p->l4.at[0];
    if (type == TYPE_SOLICIT)
        return ipnet_ndp_solicit(n, p);
    if (ipnet_ip_is_zero(p->src))
        return ipnet_drop(n, IPNET_DROP_IP_SOURCE);
    switch (type) {
    case TYPE_ADVERT:
        return ipnet_ndp_advert(n, p);
    case TYPE_GROUP_QUERY:
        return group_query(n, p);
    case TYPE_ECHO:
        /* Not to a group: one packet would make every host on the link answer. */
        return p->cast ? ipnet_drop(n, IPNET_DROP_IP_CAST) : ipnet_icmp_echo(n, p, TYPE_ECHO_REPLY);
    case TYPE_UNREACHABLE:
    case TYPE_TOO_BIG:
    case TYPE_TIME:
    case TYPE_PARAMETER:
        return error_input(n, p);
    default:
        return ipnet_drop(n, IPNET_DROP_ICMP_TYPE);
    }
}
