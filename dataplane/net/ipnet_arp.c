/* ipnet_arp.c: address resolution for IPv4 (RFC 826), announcement and defence (RFC 5227).
 *
 *   byte 0  u16 hardware type 1      byte 8   u8[6] sender's link address
 *   byte 2  u16 protocol 0x0800      byte 14  u8[4] sender's IPv4 address (0: a probe)
 *   byte 4  u8 6, u8 4               byte 18  u8[6] target's link address
 *   byte 6  u16 operation            byte 24  u8[4] target's IPv4 address
 *
 * Who asks for us is learned, since he will want an answer; who merely speaks changes what is known
 * of him already. */
#include "dataplane/net/ipnet_in.h"

enum { ARP_BYTES = 28, ARP_REQUEST = 1, ARP_REPLY = 2 };

static void
arp_send(struct ipnet *n, uint16_t operation, const uint8_t *link, const uint8_t sender[4],
         const uint8_t *target_mac, const uint8_t target[4])
{
    static const uint8_t everybody[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t unknown[IPNET_MAC_BYTES];
    uint16_t slot = ipnet_slot_take(n);
    if (slot == IPNET_NO_SLOT)
        return;
    struct put w = ipnet_link_header(n, slot, link ? link : everybody, IPNET_TYPE_ARP);
    put_u16(&w, 1);
    put_u16(&w, IPNET_TYPE_IP4);
    put_u8(&w, IPNET_MAC_BYTES);
    put_u8(&w, 4);
    put_u16(&w, operation);
    put_bytes(&w, n->config.mac, IPNET_MAC_BYTES);
    put_bytes(&w, sender, 4);
    put_bytes(&w, target_mac ? target_mac : unknown, IPNET_MAC_BYTES);
    put_bytes(&w, target, 4);
    must(!w.bad);
    n->slots[slot].tx.header_bytes = (uint8_t)put_len(&w);
    ipnet_slot_ready(n, slot);
}

void
ipnet_arp_ask(struct ipnet *n, const uint8_t ip[16], const uint8_t *mac)
{
    const struct ipnet_ours *o = ipnet_ours_near(n, ip);
    if (o)
        arp_send(n, ARP_REQUEST, mac, o->ip + 12, NULL, ip + 12);
}

void
ipnet_arp_announce(struct ipnet *n, const uint8_t ip[16])
{
    arp_send(n, ARP_REQUEST, NULL, ip + 12, NULL, ip + 12);
}

static bool
header_good(struct view arp)
{
    static const uint8_t start[6] = {0, 1, 8, 0, 6, 4};
    if (arp.len < ARP_BYTES || memcmp(arp.at, start, sizeof start) != 0)
        return false;
    uint16_t operation = get_u16(arp.at + 6);
    return operation == ARP_REQUEST || operation == ARP_REPLY;
}

static bool
mac_good(const uint8_t *mac)
{
    static const uint8_t zero[IPNET_MAC_BYTES];
    return !(mac[0] & 1) && memcmp(mac, zero, IPNET_MAC_BYTES) != 0;
}

static int
answer(struct ipnet *n, const uint8_t *mac, const uint8_t sender[4], const uint8_t target[4])
{
    if (!ipnet_reply_take(n, mac))
        return ipnet_drop(n, IPNET_DROP_RATE);
    n->stat.arp_replies++;
    arp_send(n, ARP_REPLY, mac, target, mac, sender);
    return ERR_OK;
}

int
ipnet_arp_input(struct ipnet *n, const uint8_t *eth, struct view arp)
{
    if (!header_good(arp))
        return ipnet_drop(n, IPNET_DROP_ARP_FORMAT);
    bool request = get_u16(arp.at + 6) == ARP_REQUEST;
    const uint8_t *mac = arp.at + 8, *target_ip = arp.at + 24;
    uint8_t sender[16], target[16];
    iptext_of_v4(arp.at + 14, sender);
    iptext_of_v4(target_ip, target);
    if (!mac_good(mac))
        return ipnet_drop(n, IPNET_DROP_ARP_SENDER);
    struct ipnet_ours *claimed = ipnet_ours_find(n, sender);
    if (claimed) {
        if (memcmp(mac, n->config.mac, IPNET_MAC_BYTES) == 0)
            return ipnet_drop(n, IPNET_DROP_LINK_SOURCE);
        ipnet_ours_claimed(n, claimed);
        return ERR_OK;
    }
    bool for_us = ipnet_is_ours(n, target);
    static const uint8_t nobody[4];
    if (memcmp(arp.at + 14, nobody, sizeof nobody) == 0) /* a probe: tell him that it is taken */
        return for_us && request ? answer(n, mac, arp.at + 14, target_ip) : ERR_OK;
    if (!ipnet_ip_is_host(sender) || !ipnet_ours_near(n, sender))
        return ipnet_drop(n, IPNET_DROP_ARP_SENDER);
    if (request) {
        enum ipnet_learn how = for_us ? IPNET_LEARN_ASKED : IPNET_LEARN_SEEN;
        ipnet_neigh_learn(n, sender, mac, how);
        ipnet_news_neighbour(n, sender, mac, how);
        return for_us ? answer(n, mac, arp.at + 14, target_ip) : ERR_OK;
    }
    /* A reply to everybody is a gratuitous one: no proof that he hears us. */
    bool to_us = memcmp(eth, n->config.mac, IPNET_MAC_BYTES) == 0;
    enum ipnet_learn how = to_us ? IPNET_LEARN_ANSWER : IPNET_LEARN_SEEN;
    ipnet_news_neighbour(n, sender, mac, how);
    if (!ipnet_neigh_find(n, sender)) /* another loop may have asked */
        return n->config.shared ? ERR_OK : ipnet_drop(n, IPNET_DROP_ARP_UNASKED);
    ipnet_neigh_learn(n, sender, mac, how);
    return ERR_OK;
}
