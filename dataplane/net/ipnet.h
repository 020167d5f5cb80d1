/* ipnet.h: Ethernet, ARP, IPv4, IPv6, NDP and ICMP of one loop, as a pure machine.
 *
 * Frames go in (ipnet_input), what they carry for a transport protocol comes out; packets of that
 * protocol go in (ipnet_send), frames come out (ipnet_ready).  Time is an argument, memory is the
 * caller's, nothing is allocated after ipnet_init, and every table, queue and rate has a limit
 * below.  Whatever arrives, the result is an answer that the RFCs ask for, or a drop with a reason.
 * ipnet_port.h is the loop's end that joins it to nic.h and packet.h.
 *
 * Addresses and routes are those of the configuration; the machine adds the link-local address of
 * IPv6.  RFC 826, 894, 5227 (announcement and defence), 791, 1122, 792, 8200, 4291, 4443, 4861,
 * 4862 (detection of duplicates), 3810 (reports only).  What is left out, and why: README.md. */
#ifndef SLUICE_IPNET_IPNET_H
#define SLUICE_IPNET_IPNET_H

#include "core/net/iptext.h"
#include "core/net/nic.h"

#include <stddef.h>

enum {
    IPNET_ADDRESSES_MAX = 16, /* of the configuration */
    IPNET_ROUTES_MAX = 64,
    IPNET_NEIGHBOURS_MAX = 1024,
    IPNET_RESOLVING_MAX = 128, /* neighbours that have not answered yet */
    IPNET_WAITING_MAX = 64,    /* packets that wait for a neighbour */
    IPNET_WAITING_EACH_MAX = 3,
    IPNET_SLOTS = 256,        /* frames that are built and not yet with the device */
    IPNET_SLOTS_OWN = 32,     /* of them, kept for our own answers */
    IPNET_EXTENSIONS_MAX = 8, /* IPv6 extension headers */
    IPNET_EXTENSION_BYTES_MAX = 128,
    IPNET_MTU_LEAST = 1280, /* RFC 8200 section 5 */
    IPNET_MTU_MAX = 9216,
    IPNET_BURST_MAX = 65535 - 40 - 18, /* with all headers a length of 16 bits */
    IPNET_SECRET_BYTES = 16,
    IPNET_NEWS_QUOTE_BYTES = 32, /* ports and sequence number are in the first 8 */
    /* Answers a second, each with a bucket of its own that starts full. */
    IPNET_ECHOES_RATE = 1000,
    IPNET_ERRORS_RATE = 100,
    /* ARP replies and neighbour advertisements: of each group of askers, by link address, so that
     * one who asks without end silences his own group only. */
    IPNET_REPLIES_RATE = 1000,
    IPNET_REPLY_GROUPS = 64,
    IPNET_RESOLVES_RATE = 200, /* requests and solicitations */
    IPNET_NEWS_RATE = 2000,    /* news for other loops */
};

struct ipnet_address {
    uint8_t ip[16];      /* IPv4 as ::ffff:a.b.c.d, network order, as everywhere here */
    uint8_t prefix_bits; /* of 128: a /24 of IPv4 is 120 */
};

struct ipnet_route {
    struct ipnet_address to; /* bits behind the prefix are 0 */
    uint8_t via[16];         /* a neighbour */
};

struct ipnet_config {
    uint8_t mac[6];
    uint16_t mtu;            /* IPNET_MTU_LEAST to IPNET_MTU_MAX */
    uint16_t vlan;           /* 1 to 4094; 0: untagged */
    bool tx_l4_sum;          /* the device fills in TCP checksums */
    uint32_t tx_burst_bytes; /* as nic_facts; IPNET_BURST_MAX at most, 0 without tx_l4_sum */
    /* Other loops have queues of the same device: what this one learns is news for them. */
    bool shared;
    bool secondary; /* another loop looks for duplicates of our addresses, announces and reports */
    struct ipnet_address addresses[IPNET_ADDRESSES_MAX];
    uint32_t address_count;
    struct ipnet_route routes[IPNET_ROUTES_MAX];
    uint32_t route_count;
    uint8_t secret[IPNET_SECRET_BYTES]; /* random: keys of tables and flow labels */
};

enum ipnet_drop {
#define IPNET_DROP(name, text) IPNET_DROP_##name,
#include "dataplane/net/ipnet_drop.def"
#undef IPNET_DROP
    IPNET_DROPS
};

const char *ipnet_drop_name(enum ipnet_drop drop);

struct ipnet;

/* ERR_INVALID: mtu, vlan, counts, an address that no host can have, a gateway that is not on the
 * link. */
must_check int ipnet_check(const struct ipnet_config *config);
size_t ipnet_footprint(const struct ipnet_config *config);
/* `at` is aligned to 64; the config has passed ipnet_check. */
struct ipnet *ipnet_init(void *at, const struct ipnet_config *config, uint64_t now_ns);
/* Ends the holds of everything that has not left. */
void ipnet_end(struct ipnet *n);

/* What one loop learned that the others with queues of the same device should know: an answer comes
 * to the queue that the device chose, not to the one that asked. */
enum ipnet_news_kind {
    IPNET_NEWS_NEIGHBOUR, /* ip has this link address */
    IPNET_NEWS_CLAIMED,   /* another host uses our address ip */
    IPNET_NEWS_ERROR,     /* an ICMP error; the quote is cut to its first bytes */
};
struct ipnet_news {
    enum ipnet_news_kind kind;
    uint8_t how; /* enum ipnet_learn */
    uint8_t quote_bytes;
    uint8_t ip[16], mac[6];
    struct packet_error error; /* its quote is in `quote` */
    uint8_t quote[IPNET_NEWS_QUOTE_BYTES];
};

/* What a burst brought.  Frames of `packets` belong to the receiver of the packets; `errors` borrow
 * from frames of `done`, which the caller releases after it has passed them on. */
struct ipnet_input {
    struct packet_in packets[NIC_BURST_MAX];
    struct packet_error errors[NIC_BURST_MAX];
    struct packet_frame *done[NIC_BURST_MAX];
    struct ipnet_news news[NIC_BURST_MAX]; /* only with `shared` */
    uint32_t packet_count, error_count, done_count, news_count;
};

/* Takes at most NIC_BURST_MAX frames. */
void ipnet_input(struct ipnet *n, uint64_t now_ns, const struct nic_rx *frames, uint32_t count,
                 struct ipnet_input *out);

/* ipnet_hear takes news of another loop.  True: *error is an error for the transport protocol,
 * whose quote is lent from `news`. */
bool ipnet_hear(struct ipnet *n, uint64_t now_ns, const struct ipnet_news *news,
                struct packet_error *error);

/* ipnet_room is how many packets ipnet_send will take now. */
uint32_t ipnet_room(const struct ipnet *n);
/* As packet_ops.send.  Header checksum and addresses are filled in; a neighbour that is not known
 * is asked for, and up to IPNET_WAITING_EACH_MAX packets wait for its answer. */
void ipnet_send(struct ipnet *n, uint64_t now_ns, const struct packet_out *packets, uint32_t count);

/* As packet_ops.burst. */
uint32_t ipnet_burst_bytes(const struct ipnet *n);

/* ipnet_ready lends the oldest frames that are to leave; ipnet_sent ends the loan of the first
 * `count`, which the device took. */
uint32_t ipnet_ready(const struct ipnet *n, const struct nic_tx *frames[NIC_BURST_MAX]);
void ipnet_sent(struct ipnet *n, uint32_t count);

/* Asks again, forgets, announces.  Returns when it wants to be called next. */
uint64_t ipnet_step(struct ipnet *n, uint64_t now_ns);

/* True when packets from `ip` may leave: it is an address of ours, not tentative, not a duplicate.
 */
bool ipnet_is_ours(const struct ipnet *n, const uint8_t ip[16]);
/* The address that packets to `dst` leave from; false: no route. */
bool ipnet_source(const struct ipnet *n, const uint8_t dst[16], uint8_t src[16]);

uint64_t ipnet_dropped(const struct ipnet *n, enum ipnet_drop drop);

struct ipnet_stat {
    uint64_t packets_in, packets_out; /* of the transport protocol */
    uint64_t arp_replies, advertisements, echoes, errors_sent, errors_received;
    uint64_t resolves;   /* requests and solicitations sent */
    uint64_t duplicates; /* times that another host claimed one of our addresses */
    uint32_t neighbours, resolving, waiting, slots;
};
void ipnet_stat(const struct ipnet *n, struct ipnet_stat *out);

/* For `sluice net`: neighbour number `index`, false when there is none in that place
 * (0 to IPNET_NEIGHBOURS_MAX - 1). */
enum ipnet_neigh_state {
    IPNET_NEIGH_FREE,
    IPNET_NEIGH_RESOLVING, /* asked, no answer yet */
    IPNET_NEIGH_KNOWN,     /* confirmed not long ago */
    IPNET_NEIGH_STALE,     /* was right once; asked again when it is used */
    IPNET_NEIGH_PROBING,   /* used and being asked */
};
struct ipnet_neigh_fact {
    uint8_t ip[16], mac[6];
    enum ipnet_neigh_state state;
    uint64_t age_ns; /* since it was confirmed; IPNET_NEIGH_RESOLVING: since a packet went there */
};
bool ipnet_neighbour(const struct ipnet *n, uint32_t index, struct ipnet_neigh_fact *out);

/* The same of our addresses, the link-local one among them, and of the routes of the configuration;
 * false: no more. */
enum ipnet_ours_state {
    IPNET_TENTATIVE, /* looked for among others first */
    IPNET_OURS,
    IPNET_DUPLICATE, /* another host has it: not used */
};
struct ipnet_address_fact {
    struct ipnet_address at;
    enum ipnet_ours_state state;
};
bool ipnet_address(const struct ipnet *n, uint32_t index, struct ipnet_address_fact *out);
bool ipnet_route(const struct ipnet *n, uint32_t index, struct ipnet_route *out);

/* ipnet_text.c: the values of net.address and net.routes into addresses and routes of the config.
 * "10.77.0.2/24,fd00:77::2/64"; "default via 10.77.0.1, fd01::/16 via fd00:77::1".  On failure
 * ERR_INVALID and one line that says what to do. */
enum { IPNET_ERROR_BYTES = 256 };
must_check int ipnet_text_addresses(struct ipnet_config *config, const char *text,
                                    char error[IPNET_ERROR_BYTES]);
must_check int ipnet_text_routes(struct ipnet_config *config, const char *text,
                                 char error[IPNET_ERROR_BYTES]);
#endif
