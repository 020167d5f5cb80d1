/* ipnet_links.h: the devices of one loop, each with a machine (ipnet.h) of its own, as one port of
 * a transport protocol (packet.h).
 *
 * A link is a device with its addresses, routes, neighbours, MTU and VLAN: nothing is shared by two
 * of them.  The model is that of the strong host (RFC 1122 3.3.4.2): a packet leaves over the link
 * that its source address belongs to, by the routes of that link, and a link takes only packets for
 * its own addresses.  So answers leave where the question came in, whatever other links could reach
 * the peer, and two links may lie in one network.
 *
 * Each link has a room of its own (packet.h): what is to leave over a device that is busy waits,
 * and holds up nothing of the others.  When a device takes nothing for IPNET_STALL_NS, what is to
 * leave over it is dropped and counted, as the network would, until it takes frames again.
 *
 * With one link, ipnet_links_packets() is the port of that link: nothing is added to its way.  With
 * more, the frames that are handed up carry the number of their link in their lowest bits, so those
 * of devices are aligned to IPNET_LINKS_MAX bytes at least. */
#ifndef SLUICE_IPNET_IPNET_LINKS_H
#define SLUICE_IPNET_IPNET_LINKS_H

#include "dataplane/net/ipnet_port.h"

enum {
    IPNET_LINKS_MAX = PACKET_LINKS_MAX, /* a power of two */
    IPNET_STALL_NS = 10000000,
};

struct ipnet_links {
    struct ipnet_port ports[IPNET_LINKS_MAX];
    uint64_t full_ns[IPNET_LINKS_MAX]; /* since when the device takes nothing; 0: it does */
    uint32_t count;
};

/* ipnet_links_init says how many there will be, before ipnet_links_packets; then ipnet_port_init
 * for each of `ports`.  1 to IPNET_LINKS_MAX. */
void ipnet_links_init(struct ipnet_links *l, uint32_t count);
struct packet_port ipnet_links_packets(struct ipnet_links *l);

/* Private to ipnet_links.c: of several. */
uint64_t ipnet_links_turn_all(struct ipnet_links *l, uint64_t now_ns);
uint32_t ipnet_links_receive_of(struct ipnet_links *l, uint32_t link, struct ipnet_input *in);
uint32_t ipnet_links_flush_all(struct ipnet_links *l);

/* As the functions of ipnet_port.h, for all links, or for number `link`.  Inline: a loop calls them
 * each turn, and most have one link. */
static inline uint64_t
ipnet_links_turn(struct ipnet_links *l, uint64_t now_ns)
{
    return l->count == 1 ? ipnet_port_turn(&l->ports[0], now_ns) : ipnet_links_turn_all(l, now_ns);
}

static inline uint32_t
ipnet_links_receive(struct ipnet_links *l, uint32_t link, struct ipnet_input *in)
{
    return l->count == 1 ? ipnet_port_receive(&l->ports[0], in)
                         : ipnet_links_receive_of(l, link, in);
}

static inline uint32_t
ipnet_links_flush(struct ipnet_links *l)
{
    return l->count == 1 ? ipnet_port_flush(&l->ports[0]) : ipnet_links_flush_all(l);
}

#endif
