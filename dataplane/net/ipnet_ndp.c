/* ipnet_ndp.c: neighbour discovery (RFC 4861), detection of duplicate addresses (RFC 4862) and
 * reports of our groups (RFC 3810).
 *
 *   solicitation 135, advertisement 136
 *   byte 0   u8 type, u8 code 0, u16 checksum
 *   byte 4   u32 flags of an advertisement: router, solicited, override
 *   byte 8   u8[16] target
 *   byte 24  options: u8 kind, u8 length in units of 8 bytes, value;
 *            1 the source's and 2 the target's link address
 *
 * Everything here travels with 255 hops, so that nothing from beyond a router is believed. */
#include "dataplane/net/ipnet_in.h"

enum {
    NDP_BYTES = 24,
    NDP_SOLICIT = 135,
    NDP_ADVERT = 136,
    NDP_SOURCE_LINK = 1,
    NDP_TARGET_LINK = 2,
    NDP_SOLICITED = 0x40, /* flags, in byte 4 */
    NDP_OVERRIDE = 0x20,
    NDP_MLD_REPORT = 143,
};

static const uint8_t unspecified[16];
static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 0x01};
static const uint8_t mld_routers[16] = {0xff, 0x02, [15] = 0x16};

/* ---- what we send ---- */

struct message {
    uint8_t type, flags, option; /* option 0: none */
    const uint8_t *src, *dst, *target;
    const uint8_t *mac; /* NULL: by the group or by route */
};

static void
message_send(struct ipnet *n, const struct message *m)
{
    uint8_t body[16 + 8], group_mac[IPNET_MAC_BYTES];
    struct put w = put_of(body, sizeof body);
    put_bytes(&w, m->target, 16);
    if (m->option) {
        put_u8(&w, m->option);
        put_u8(&w, 1);
        put_bytes(&w, n->config.mac, IPNET_MAC_BYTES);
    }
    const uint8_t *mac = m->mac;
    if (!mac && m->dst[0] == 0xff) {
        ipnet_mac_group(m->dst, group_mac);
        mac = group_mac;
    }
    struct ipnet_icmp icmp = {
        .src = m->src,
        .dst = m->dst,
        .header = {m->type, 0, 0, 0, m->flags},
        .body = view_of(body, put_len(&w)),
        .hops = IPNET_HOPS_NDP,
        .mac = mac,
    };
    (void)ipnet_icmp_send(n, &icmp);
}

void
ipnet_ndp_ask(struct ipnet *n, const uint8_t ip[16], const uint8_t *mac)
{
    const struct ipnet_ours *o = ipnet_ours_near(n, ip);
    uint8_t group[16];
    if (!o)
        return;
    ipnet_ip_group(ip, group);
    struct message m = {
        .type = NDP_SOLICIT,
        .option = NDP_SOURCE_LINK,
        .src = o->ip,
        .dst = mac ? ip : group,
        .target = ip,
        .mac = mac,
    };
    message_send(n, &m);
}

void
ipnet_ndp_probe(struct ipnet *n, const uint8_t ip[16])
{
    uint8_t group[16];
    ipnet_ip_group(ip, group);
    struct message m = {.type = NDP_SOLICIT, .src = unspecified, .dst = group, .target = ip};
    message_send(n, &m);
}

void
ipnet_ndp_announce(struct ipnet *n, const uint8_t ip[16])
{
    struct message m = {
        .type = NDP_ADVERT,
        .flags = NDP_OVERRIDE,
        .option = NDP_TARGET_LINK,
        .src = ip,
        .dst = all_nodes,
        .target = ip,
    };
    message_send(n, &m);
}

/* ---- what comes ---- */

/* The link address of option `kind`, NULL without one; *good false when options are malformed. */
static const uint8_t *
link_option(const struct ipnet_packet *p, uint8_t kind, bool *good)
{
    struct cur c = cur_of(view_of(p->l4.at + NDP_BYTES, p->l4.len - NDP_BYTES));
    const uint8_t *mac = NULL;
    *good = true;
    while (cur_left(&c)) {
        const uint8_t *option = c.at;
        (void)cur_u8(&c);
        uint32_t bytes = cur_u8(&c) * 8u;
        if (c.bad || bytes == 0 || !cur_take(&c, bytes - 2)) {
            *good = false;
            return NULL;
        }
        if (option[0] == kind && !mac)
            mac = option + 2;
    }
    if (mac && mac[0] & 1)
        *good = false;
    return *good ? mac : NULL;
}

static bool
ndp_good(const struct ipnet_packet *p)
{
    return p->hops == IPNET_HOPS_NDP && p->l4.len >= NDP_BYTES && p->l4.at[1] == 0 &&
           p->l4.at[8] != 0xff && !iptext_is_v4(p->l4.at + 8);
}

static int
advert_answer(struct ipnet *n, const struct ipnet_packet *p, const uint8_t *mac)
{
    if (!ipnet_reply_take(n, mac ? mac : p->src + 16 - IPNET_MAC_BYTES))
        return ipnet_drop(n, IPNET_DROP_RATE);
    bool nobody = ipnet_ip_is_zero(p->src);
    struct message m = {
        .type = NDP_ADVERT,
        .flags = (uint8_t)(NDP_OVERRIDE | (nobody ? 0 : NDP_SOLICITED)),
        .option = NDP_TARGET_LINK,
        .src = p->l4.at + 8,
        .dst = nobody ? all_nodes : p->src,
        .target = p->l4.at + 8,
        .mac = nobody ? NULL : mac,
    };
    n->stat.advertisements++;
    message_send(n, &m);
    return ERR_OK;
}

int
ipnet_ndp_solicit(struct ipnet *n, const struct ipnet_packet *p)
{
    bool good, nobody = ipnet_ip_is_zero(p->src);
    if (!ndp_good(p))
        return ipnet_drop(n, IPNET_DROP_NDP_FORMAT);
    const uint8_t *mac = link_option(p, NDP_SOURCE_LINK, &good);
    if (!good || (nobody && (mac || !p->cast)))
        return ipnet_drop(n, IPNET_DROP_NDP_FORMAT);
    struct ipnet_ours *o = ipnet_ours_find(n, p->l4.at + 8);
    if (!o || o->state == IPNET_DUPLICATE)
        return ERR_OK; /* for another host of the same group */
    if (o->state == IPNET_TENTATIVE) {
        if (nobody) /* two look for the same address at once: neither may have it */
            ipnet_ours_claimed(n, o);
        return ERR_OK;
    }
    if (!nobody && mac) {
        ipnet_neigh_learn(n, p->src, mac, IPNET_LEARN_ASKED);
        ipnet_news_neighbour(n, p->src, mac, IPNET_LEARN_ASKED);
    }
    return advert_answer(n, p, mac);
}

/* RFC 4861 7.2.5.  Without a link address it speaks of the one that is known. */
static int
advert_learn(struct ipnet *n, const uint8_t target[16], const uint8_t *option, uint8_t flags)
{
    static const enum ipnet_learn hows[2][2] = {{IPNET_LEARN_HINT, IPNET_LEARN_SEEN},
                                                {IPNET_LEARN_WEAK, IPNET_LEARN_ANSWER}};
    enum ipnet_learn how = hows[(flags & NDP_SOLICITED) != 0][(flags & NDP_OVERRIDE) != 0];
    const struct ipnet_neigh *e = ipnet_neigh_find(n, target);
    bool known = e && e->state != IPNET_NEIGH_RESOLVING;
    uint8_t mac[IPNET_MAC_BYTES];
    if (option || known) {
        memcpy(mac, option ? option : e->mac, sizeof mac);
        ipnet_news_neighbour(n, target, mac, how);
        if (e)
            ipnet_neigh_learn(n, target, mac, how);
    }
    /* Another loop may have asked. */
    return e || n->config.shared ? ERR_OK : ipnet_drop(n, IPNET_DROP_NDP_UNASKED);
}

int
ipnet_ndp_advert(struct ipnet *n, const struct ipnet_packet *p)
{
    bool good;
    if (!ndp_good(p) || (p->cast && p->l4.at[4] & NDP_SOLICITED))
        return ipnet_drop(n, IPNET_DROP_NDP_FORMAT);
    const uint8_t *target = p->l4.at + 8, *mac = link_option(p, NDP_TARGET_LINK, &good);
    if (!good)
        return ipnet_drop(n, IPNET_DROP_NDP_FORMAT);
    struct ipnet_ours *o = ipnet_ours_find(n, target);
    if (o) {
        ipnet_ours_claimed(n, o);
        return ERR_OK;
    }
    return advert_learn(n, target, mac, p->l4.at[4]);
}

/* ---- our groups ---- */

/* A report has a hop-by-hop header with the router alert option in front of it (RFC 3810 5). */
void
ipnet_ndp_report(struct ipnet *n)
{
    enum { RECORD_BYTES = 20, CHANGE_TO_EXCLUDE = 4, REPORT_HEAD = 8 };
    static const uint8_t alert[8] = {IPNET_PROTO_ICMP6, 0, 5, 2, 0, 0, 1, 0};
    uint8_t body[REPORT_HEAD + IPNET_OURS_MAX * RECORD_BYTES] = {NDP_MLD_REPORT}, mac[6];
    struct put w = put_of(body + REPORT_HEAD, sizeof body - REPORT_HEAD);
    const uint8_t *src = unspecified;
    uint16_t groups = 0, slot;
    for (uint32_t i = 0; i < n->ours_count; i++) {
        uint8_t group[16];
        if (iptext_is_v4(n->ours[i].ip))
            continue;
        if (n->ours[i].state == IPNET_OURS && ipnet_ip_is_link_local(n->ours[i].ip))
            src = n->ours[i].ip;
        ipnet_ip_group(n->ours[i].ip, group);
        put_u32(&w, (uint32_t)CHANGE_TO_EXCLUDE << 24);
        put_bytes(&w, group, 16);
        groups++;
    }
    set_u16(body + 6, groups);
    if (groups == 0 || (slot = ipnet_slot_take(n)) == IPNET_NO_SLOT)
        return;
    uint32_t icmp_bytes = REPORT_HEAD + put_len(&w);
    struct checksum sum = checksum_start();
    checksum_pseudo(&sum, src, mld_routers, IPNET_PROTO_ICMP6, icmp_bytes);
    checksum_add(&sum, body, icmp_bytes);
    set_u16(body + 2, checksum_end(&sum));
    ipnet_mac_group(mld_routers, mac);
    struct put head = ipnet_link_header(n, slot, mac, IPNET_TYPE_IP6);
    struct ipnet_ip_fields f = {
        .src = src,
        .dst = mld_routers,
        .protocol = IPNET_PROTO_HOP,
        .hops = 1,
        .l4_bytes = (uint32_t)sizeof alert + icmp_bytes,
    };
    ipnet_ip_header(n, &head, &f);
    put_bytes(&head, alert, sizeof alert);
    must(!head.bad);
    struct ipnet_slot *s = &n->slots[slot];
    s->tx.header_bytes = (uint8_t)put_len(&head);
    s->tx.l3_bytes = (uint8_t)(s->tx.header_bytes - s->tx.l2_bytes);
    memcpy(s->copy, body, icmp_bytes);
    s->tx.spans[0] = (struct packet_span){view_of(s->copy, icmp_bytes), NULL};
    s->tx.span_count = 1;
    s->tx.payload_bytes = icmp_bytes;
    ipnet_slot_ready(n, slot);
}
