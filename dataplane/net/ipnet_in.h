/* ipnet_in.h: what the files of the machine share.  Not for others. */
#ifndef SLUICE_IPNET_IPNET_IN_H
#define SLUICE_IPNET_IPNET_IN_H

#include "core/base/clock.h"
#include "core/base/err.h"
#include "core/base/list.h"
#include "core/net/checksum.h"
#include "dataplane/net/ipnet.h"

enum {
    IPNET_MAC_BYTES = 6,
    IPNET_ETH_BYTES = 14,
    IPNET_TAG_BYTES = 4,
    IPNET_IP4_BYTES = 20,
    IPNET_IP6_BYTES = 40,
    IPNET_ICMP_BYTES = 8,

    IPNET_TYPE_IP4 = 0x0800,
    IPNET_TYPE_ARP = 0x0806,
    IPNET_TYPE_VLAN = 0x8100,
    IPNET_TYPE_IP6 = 0x86dd,

    IPNET_PROTO_HOP = 0, /* IPv6 hop-by-hop options */
    IPNET_PROTO_ICMP4 = 1,
    IPNET_PROTO_TCP = 6,
    IPNET_PROTO_UDP = 17,
    IPNET_PROTO_ROUTING = 43,
    IPNET_PROTO_FRAGMENT = 44,
    IPNET_PROTO_ICMP6 = 58,
    IPNET_PROTO_OPTIONS = 60,

    IPNET_HOPS = 64,      /* of what we send */
    IPNET_HOPS_NDP = 255, /* proves that a router has not forwarded it */

    IPNET_BUCKETS = IPNET_NEIGHBOURS_MAX / 8,
    IPNET_WAYS = IPNET_NEIGHBOURS_MAX / IPNET_BUCKETS,
    IPNET_ASK_TRIES = 3,
    IPNET_OURS_MAX = IPNET_ADDRESSES_MAX + 1, /* with the link-local one */
    IPNET_NO_SLOT = 0xffff,
};

#define IPNET_ASK_NS     CLOCK_NS_PER_S        /* between two tries */
#define IPNET_KNOWN_NS   (30 * CLOCK_NS_PER_S) /* a confirmation is good for so long */
#define IPNET_LOCK_NS    CLOCK_NS_PER_S        /* a link address changes at most so often */
#define IPNET_DAD_NS     CLOCK_NS_PER_S        /* RFC 4862: RetransTimer */
#define IPNET_DEFEND_NS  (10 * CLOCK_NS_PER_S) /* RFC 5227: DEFEND_INTERVAL */
#define IPNET_REPORT_NS  CLOCK_NS_PER_S        /* between reports of our groups */
#define IPNET_ANNOUNCE_N 2

struct ipnet_ours {
    uint8_t ip[16];
    uint8_t prefix_bits;
    uint8_t state;     /* enum ipnet_ours_state */
    uint8_t announces; /* left */
    uint32_t host4;    /* the host's bits of an IPv4 network that has broadcasts; 0: none */
    uint64_t deadline_ns;
    uint64_t defended_ns;
};

/* A frame that is built.  Owned by the free list, by a neighbour (waiting) or by the ready ring. */
struct ipnet_slot {
    struct nic_tx tx;
    uint8_t *copy; /* room for mtu bytes: payload that came without a ref */
};

struct ipnet_neigh {
    uint8_t ip[16], mac[IPNET_MAC_BYTES];
    uint8_t state; /* enum ipnet_neigh_state; STALE is KNOWN that is old: see ipnet_neigh.c */
    uint8_t tries;
    uint8_t waiting_count;
    bool proven; /* we have sent to it: it goes last when room is needed */
    uint16_t waiting[IPNET_WAITING_EACH_MAX];
    uint64_t confirmed_ns, changed_ns, used_ns, deadline_ns;
    struct list asking; /* member of ipnet.asking while RESOLVING or PROBING */
};

/* A rate with a burst of a tenth of a second, at least ten (GCRA). */
struct ipnet_rate {
    uint64_t interval_ns, burst_ns, due_ns;
};

struct ipnet {
    struct ipnet_config config;
    uint64_t now_ns;
    struct ipnet_ours ours[IPNET_OURS_MAX];
    uint32_t ours_count;
    uint32_t reports_left; /* of our multicast groups */
    uint64_t report_ns;

    struct ipnet_slot *slots;
    uint16_t slot_free[IPNET_SLOTS], slot_ready[IPNET_SLOTS];
    uint32_t slot_free_count, ready_first, ready_count;

    struct ipnet_neigh neigh[IPNET_NEIGHBOURS_MAX];
    struct list asking;
    uint32_t neigh_count, resolving, waiting;

    struct ipnet_rate echoes, errors, resolves, news_rate, replies[IPNET_REPLY_GROUPS];
    struct ipnet_input *out; /* of the burst at hand, NULL outside of one */
    struct ipnet_stat stat;
    uint64_t drops[IPNET_DROPS];
};

/* Whether an answer to who asked from `mac` is within the rate of his group. */
bool ipnet_reply_take(struct ipnet *n, const uint8_t mac[IPNET_MAC_BYTES]);

/* One IP packet that passed the checks of its header. */
struct ipnet_packet {
    uint8_t src[16], dst[16];
    uint8_t protocol, hops, traffic_class;
    uint16_t protocol_at; /* where in `ip` the number of the protocol stands */
    bool cast;            /* to a group or to everybody, by link or by IP */
    enum packet_sum l4_sum;
    struct view ip, l4; /* from the IP header on; behind the last extension */
};

/* Counts, and returns the code that says "dropped". */
static inline int
ipnet_drop(struct ipnet *n, enum ipnet_drop why)
{
    n->drops[why]++;
    return ERR_INVALID;
}

static inline bool
ipnet_rate_take(struct ipnet_rate *r, uint64_t now_ns)
{
    uint64_t due = r->due_ns > now_ns ? r->due_ns : now_ns;
    if (due - now_ns > r->burst_ns)
        return false;
    r->due_ns = due + r->interval_ns;
    return true;
}

static inline bool
ipnet_ip_equal(const uint8_t a[16], const uint8_t b[16])
{
    return get_u64(a) == get_u64(b) && get_u64(a + 8) == get_u64(b + 8);
}

static inline bool
ipnet_ip_is_zero(const uint8_t ip[16])
{
    static const uint8_t zero[16];
    return memcmp(ip, zero, 16) == 0;
}

static inline bool
ipnet_ip_is_link_local(const uint8_t ip[16])
{
    return ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80;
}

/* ff02::1:ffXX:XXXX of an address (RFC 4291 2.7.1). */
static inline void
ipnet_ip_group(const uint8_t ip[16], uint8_t group[16])
{
    static const uint8_t start[13] = {0xff, 0x02, [11] = 0x01, [12] = 0xff};
    memcpy(group, start, sizeof start);
    memcpy(group + 13, ip + 13, 3);
}

/* The Ethernet group of an IPv6 group (RFC 2464 section 7). */
static inline void
ipnet_mac_group(const uint8_t group[16], uint8_t mac[IPNET_MAC_BYTES])
{
    mac[0] = mac[1] = 0x33;
    memcpy(mac + 2, group + 12, 4);
}

/* ---- ipnet.c: addresses and routes ---- */

bool ipnet_ip_in(const uint8_t ip[16], const uint8_t net[16], uint8_t prefix_bits);
/* False: an address that no single host has (0/8, 127/8, 224/3, ::, ::1, ff00::/8, ...). */
bool ipnet_ip_is_host(const uint8_t ip[16]);
/* The entry of an address of ours in any state; NULL: not ours. */
struct ipnet_ours *ipnet_ours_find(struct ipnet *n, const uint8_t ip[16]);
/* The address of ours on whose link `ip` is; NULL: not on the link. */
const struct ipnet_ours *ipnet_ours_near(const struct ipnet *n, const uint8_t ip[16]);
/* The neighbour that packets to dst go to.  ERR_NOT_FOUND. */
must_check int ipnet_hop(const struct ipnet *n, const uint8_t dst[16], uint8_t hop[16]);
/* Somebody else uses this address of ours. */
void ipnet_ours_claimed(struct ipnet *n, struct ipnet_ours *o);

/* ---- ipnet_out.c: frames that leave ---- */

/* A slot for an answer of our own, or IPNET_NO_SLOT with the drop counted. */
uint16_t ipnet_slot_take(struct ipnet *n);
void ipnet_slot_drop(struct ipnet *n, uint16_t slot);
/* To the ready ring. */
void ipnet_slot_ready(struct ipnet *n, uint16_t slot);
/* Begins a frame of one of our own answers; dst NULL: filled in when the neighbour is known. */
struct put ipnet_link_header(struct ipnet *n, uint16_t slot, const uint8_t *dst, uint16_t type);
/* Writes the IP header for l4_bytes behind it. */
struct ipnet_ip_fields {
    const uint8_t *src, *dst;
    uint8_t protocol, hops, traffic_class;
    uint32_t l4_bytes;
};
void ipnet_ip_header(struct ipnet *n, struct put *w, const struct ipnet_ip_fields *f);
/* Sends a finished IP packet to the neighbour for `dst`. */
void ipnet_slot_route(struct ipnet *n, uint16_t slot, const uint8_t dst[16]);
/* An ICMP message of ours: `at` is its 8 header bytes with a checksum of 0, body what follows. */
struct ipnet_icmp {
    const uint8_t *src, *dst;
    uint8_t header[IPNET_ICMP_BYTES];
    struct view body; /* copied */
    uint8_t hops;
    const uint8_t *mac; /* NULL: by route */
};
/* False: no slot, or too long. */
bool ipnet_icmp_send(struct ipnet *n, const struct ipnet_icmp *m);

/* ---- ipnet_neigh.c ---- */

enum ipnet_learn {
    IPNET_LEARN_SEEN,   /* changes what is there, makes nothing */
    IPNET_LEARN_ASKED,  /* it asked for us: it will want an answer */
    IPNET_LEARN_ANSWER, /* it answered us: confirmed */
    IPNET_LEARN_WEAK,   /* the same, but it does not change a link address that is known */
    IPNET_LEARN_HINT,   /* only for who has none yet */
};
void ipnet_neigh_init(struct ipnet *n);
struct ipnet_neigh *ipnet_neigh_find(struct ipnet *n, const uint8_t ip[16]);
void ipnet_neigh_learn(struct ipnet *n, const uint8_t ip[16], const uint8_t mac[IPNET_MAC_BYTES],
                       enum ipnet_learn how);
/* Takes the slot: sends it to `hop`, lets it wait, or drops it. */
void ipnet_neigh_send(struct ipnet *n, const uint8_t hop[16], uint16_t slot);
uint64_t ipnet_neigh_step(struct ipnet *n);
/* Drops what waits. */
void ipnet_neigh_end(struct ipnet *n);

/* ---- ipnet_news.c: nothing without `shared` ---- */

void ipnet_news_neighbour(struct ipnet *n, const uint8_t ip[16], const uint8_t mac[IPNET_MAC_BYTES],
                          enum ipnet_learn how);
void ipnet_news_claimed(struct ipnet *n, const uint8_t ip[16]);
/* Into out->errors, and news of it. */
void ipnet_news_error(struct ipnet *n, const struct packet_error *e);

/* ---- ipnet_arp.c ---- */

int ipnet_arp_input(struct ipnet *n, const uint8_t *eth, struct view arp);
/* A request for `ip`; mac NULL: to everybody. */
void ipnet_arp_ask(struct ipnet *n, const uint8_t ip[16], const uint8_t *mac);
void ipnet_arp_announce(struct ipnet *n, const uint8_t ip[16]);

/* ---- ipnet_ip4.c, ipnet_ip6.c ---- */

must_check int ipnet_ip4_parse(struct ipnet *n, struct view bytes, const struct nic_rx *frame,
                               struct ipnet_packet *out);
must_check int ipnet_ip6_parse(struct ipnet *n, struct view bytes, const struct nic_rx *frame,
                               struct ipnet_packet *out);
/* Ours, and a group of ours; only for IPv6. */
bool ipnet_ip6_is_group(const struct ipnet *n, const uint8_t group[16]);

/* ---- ipnet_icmp.c: what both versions share; ipnet_icmp4.c, ipnet_icmp6.c ---- */

/* A sum of 0 is right. */
bool ipnet_icmp_sum_good(const struct ipnet_packet *p);
int ipnet_icmp_echo(struct ipnet *n, const struct ipnet_packet *p, uint8_t reply_type);
/* Something came that we do not take: an error back, where the RFCs allow one. */
void ipnet_icmp_refuse(struct ipnet *n, const struct ipnet_packet *p);
int ipnet_icmp4_input(struct ipnet *n, const struct ipnet_packet *p);
int ipnet_icmp6_input(struct ipnet *n, const struct ipnet_packet *p);

/* ---- ipnet_ndp.c ---- */

int ipnet_ndp_solicit(struct ipnet *n, const struct ipnet_packet *p);
int ipnet_ndp_advert(struct ipnet *n, const struct ipnet_packet *p);
/* A solicitation for `ip`; mac NULL: to its group. */
void ipnet_ndp_ask(struct ipnet *n, const uint8_t ip[16], const uint8_t *mac);
void ipnet_ndp_announce(struct ipnet *n, const uint8_t ip[16]);
/* The solicitation from :: that asks whether somebody has our tentative address. */
void ipnet_ndp_probe(struct ipnet *n, const uint8_t ip[16]);
/* Tells switches which groups we listen to (MLDv2, RFC 3810). */
void ipnet_ndp_report(struct ipnet *n);

#endif
