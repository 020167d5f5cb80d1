/* ipnet_ip4.c: the header of IPv4 (RFC 791, 1122), checked in this order: version and lengths,
 * checksum, addresses, fragments, options.
 *
 *   byte 0  u8 version 4, header words     byte 8   u8 hops, u8 protocol
 *   byte 1  u8 traffic class               byte 10  u16 checksum
 *   byte 2  u16 total bytes                byte 12  u8[4] source
 *   byte 4  u16 identification             byte 16  u8[4] destination
 *   byte 6  u16 flags, offset of fragment  byte 20  options */
#include "dataplane/net/ipnet_in.h"

enum { OPTION_END = 0, OPTION_NOP = 1, OPTION_LOOSE = 131, OPTION_STRICT = 137 };

static bool
options_good(struct view options)
{
    struct cur c = cur_of(options);
    while (cur_left(&c)) {
        uint8_t kind = cur_u8(&c);
        if (kind == OPTION_END)
            return true;
        if (kind == OPTION_NOP)
            continue;
        if (kind == OPTION_LOOSE || kind == OPTION_STRICT)
            return false;
        uint8_t bytes = cur_u8(&c);
        if (bytes < 2)
            return false;
        (void)cur_take(&c, bytes - 2u);
        if (c.bad)
            return false;
    }
    return true;
}

/* To everybody on one of our links: all bits of the host are ones, or, as it was once, zeros. */
static bool
is_broadcast(const struct ipnet *n, const uint8_t ip[16])
{
    uint32_t v4 = get_u32(ip + 12);
    if (v4 == UINT32_MAX)
        return true;
    for (uint32_t i = 0; i < n->ours_count; i++) {
        const struct ipnet_ours *o = &n->ours[i];
        uint32_t host = v4 & o->host4;
        if ((host == o->host4 || host == 0) && o->host4 &&
            ((v4 ^ get_u32(o->ip + 12)) & ~o->host4) == 0)
            return true;
    }
    return false;
}

static int
addresses_check(struct ipnet *n, struct ipnet_packet *p)
{
    if (!ipnet_ip_is_host(p->src) || is_broadcast(n, p->src) || ipnet_ours_find(n, p->src))
        return ipnet_drop(n, IPNET_DROP_IP_SOURCE);
    /* Nothing that is spoken here is meant for more than one. */
    bool group = (p->dst[12] & 0xf0) == 0xe0;
    if (p->cast || group || is_broadcast(n, p->dst))
        return ipnet_drop(n, IPNET_DROP_IP_CAST);
    if (!ipnet_is_ours(n, p->dst))
        return ipnet_drop(n, IPNET_DROP_IP_DESTINATION);
    return ERR_OK;
}

int
ipnet_ip4_parse(struct ipnet *n, struct view bytes, const struct nic_rx *frame,
                struct ipnet_packet *out)
{
    const uint8_t *p = bytes.at;
    if (bytes.len < IPNET_IP4_BYTES || p[0] >> 4 != 4)
        return ipnet_drop(n, IPNET_DROP_IP_FORMAT);
    uint32_t header = (p[0] & 15u) * 4, total = get_u16(p + 2);
    if (header < IPNET_IP4_BYTES || total < header || total > bytes.len)
        return ipnet_drop(n, IPNET_DROP_IP_FORMAT);
    if (frame->ip_sum == PACKET_SUM_BAD ||
        (frame->ip_sum == PACKET_SUM_UNKNOWN && checksum_of(p, header) != 0))
        return ipnet_drop(n, IPNET_DROP_IP_SUM);
    iptext_of_v4(p + 12, out->src);
    iptext_of_v4(p + 16, out->dst);
    int err = addresses_check(n, out);
    if (err)
        return err;
    if (get_u16(p + 6) & 0x3fff) /* more follow, or not the first */
        return ipnet_drop(n, IPNET_DROP_IP_FRAGMENT);
    if (!options_good(view_of(p + IPNET_IP4_BYTES, header - IPNET_IP4_BYTES)))
        return ipnet_drop(n, IPNET_DROP_IP_OPTIONS);
    out->traffic_class = p[1];
    out->hops = p[8];
    out->protocol = p[9];
    out->protocol_at = 9;
    out->ip = view_of(p, total);
    out->l4 = view_of(p + header, total - header);
    return ERR_OK;
}
