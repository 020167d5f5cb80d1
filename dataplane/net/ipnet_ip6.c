/* ipnet_ip6.c: the header of IPv6 (RFC 8200) and the extension headers behind it, checked in this
 * order: version and length, addresses, extensions.
 *
 *   byte 0  u32 version 6, traffic class, flow label
 *   byte 4  u16 bytes behind this header, u8 next header, u8 hops
 *   byte 8  u8[16] source        byte 24  u8[16] destination
 *
 * An extension begins with u8 next header, u8 length in units of 8 bytes without the first 8. At
 * most IPNET_EXTENSIONS_MAX of them, of IPNET_EXTENSION_BYTES_MAX bytes together, are walked. */
#include "dataplane/net/ipnet_in.h"

static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1};

bool
ipnet_ip6_is_group(const struct ipnet *n, const uint8_t group[16])
{
    uint8_t ours[16];
    if (ipnet_ip_equal(group, all_nodes))
        return true;
    for (uint32_t i = 0; i < n->ours_count; i++) {
        if (iptext_is_v4(n->ours[i].ip))
            continue;
        ipnet_ip_group(n->ours[i].ip, ours);
        if (ipnet_ip_equal(group, ours))
            return true;
    }
    return false;
}

static int
addresses_check(struct ipnet *n, struct ipnet_packet *p)
{
    bool nobody = ipnet_ip_is_zero(p->src); /* who looks for a duplicate has no address yet */
    /* An IPv4 address in a header of IPv6 would be taken for the IPv4 connection. */
    if (iptext_is_v4(p->src) || (!nobody && !ipnet_ip_is_host(p->src)) ||
        (!nobody && ipnet_is_ours(n, p->src)))
        return ipnet_drop(n, IPNET_DROP_IP_SOURCE);
    if (p->dst[0] == 0xff) {
        if (!ipnet_ip6_is_group(n, p->dst))
            return ipnet_drop(n, IPNET_DROP_IP_CAST);
        p->cast = true;
        return ERR_OK;
    }
    if (p->cast)
        return ipnet_drop(n, IPNET_DROP_IP_CAST);
    if (nobody)
        return ipnet_drop(n, IPNET_DROP_IP_SOURCE);
    if (iptext_is_v4(p->dst) || !ipnet_is_ours(n, p->dst))
        return ipnet_drop(n, IPNET_DROP_IP_DESTINATION);
    return ERR_OK;
}

/* Hop-by-hop and destination options: unknown ones are skipped unless they forbid it. */
static bool
options_good(struct view options)
{
    struct cur c = cur_of(options);
    while (cur_left(&c)) {
        uint8_t kind = cur_u8(&c);
        if (kind == 0) /* one byte of padding */
            continue;
        uint8_t bytes = cur_u8(&c);
        if (kind >> 6 != 0)
            return false;
        (void)cur_take(&c, bytes);
        if (c.bad)
            return false;
    }
    return true;
}

/* One extension header; c stands behind it then. */
static int
extension_take(struct ipnet *n, struct cur *c, struct ipnet_packet *p, uint32_t *bytes_left)
{
    const uint8_t *start = c->at;
    uint8_t next = cur_u8(c);
    uint32_t bytes = (cur_u8(c) + 1u) * 8;
    if (c->bad || bytes > *bytes_left || !cur_take(c, bytes - 2))
        return ipnet_drop(n, IPNET_DROP_IP_EXTENSIONS);
    *bytes_left -= bytes;
    /* A routing header with nowhere left to go is to be passed over (RFC 8200 4.4). */
    if (p->protocol == IPNET_PROTO_ROUTING ? start[3] != 0
                                           : !options_good(view_of(start + 2, bytes - 2)))
        return ipnet_drop(n, IPNET_DROP_IP_EXTENSIONS);
    p->protocol = next;
    p->protocol_at = (uint16_t)(start - p->ip.at);
    return ERR_OK;
}

static int
extensions_take(struct ipnet *n, struct ipnet_packet *p)
{
    struct cur c = cur_of(view_of(p->ip.at + IPNET_IP6_BYTES, p->ip.len - IPNET_IP6_BYTES));
    uint32_t count = 0, bytes_left = IPNET_EXTENSION_BYTES_MAX;
    for (;;) {
        bool first_only = p->protocol == IPNET_PROTO_HOP;
        if (p->protocol == IPNET_PROTO_FRAGMENT)
            return ipnet_drop(n, IPNET_DROP_IP_FRAGMENT);
        if (p->protocol != IPNET_PROTO_ROUTING && p->protocol != IPNET_PROTO_OPTIONS && !first_only)
            break;
        if ((first_only && count > 0) || count == IPNET_EXTENSIONS_MAX)
            return ipnet_drop(n, IPNET_DROP_IP_EXTENSIONS);
        count++;
        int err = extension_take(n, &c, p, &bytes_left);
        if (err)
            return err;
    }
    p->l4 = view_of(c.at, cur_left(&c));
    return ERR_OK;
}

int
ipnet_ip6_parse(struct ipnet *n, struct view bytes, const struct nic_rx *frame,
                struct ipnet_packet *out)
{
    const uint8_t *p = bytes.at;
    if (bytes.len < IPNET_IP6_BYTES || p[0] >> 4 != 6)
        return ipnet_drop(n, IPNET_DROP_IP_FORMAT);
    uint32_t behind = get_u16(p + 4);
    if (behind > bytes.len - IPNET_IP6_BYTES)
        return ipnet_drop(n, IPNET_DROP_IP_FORMAT);
    memcpy(out->src, p + 8, 16);
    memcpy(out->dst, p + 24, 16);
    int err = addresses_check(n, out);
    if (err)
        return err;
    out->traffic_class = (uint8_t)(get_u16(p) >> 4);
    out->protocol = p[6];
    out->protocol_at = 6;
    out->hops = p[7];
    out->ip = view_of(p, IPNET_IP6_BYTES + behind);
    return extensions_take(n, out);
}
