/* packet.h: port between a transport protocol and IP: what an arrived and a leaving packet are.
 *
 * Above it dataplane/tcp, below it dataplane/net (or a simulator, or a fuzz target).  One instance
 * a loop, used by its thread only.  Nothing here knows of devices.
 *
 * Arriving.  IP has checked and removed its own header, extension headers and the padding of the
 * link; fragments, broadcast, multicast and martian addresses do not come this far.  `l4` is the
 * whole transport packet, contiguous: IP joins what the device scattered, or drops it.  The bytes
 * are read only, also for their owner: a device pair in one process may share them.  `frame` goes
 * over with the call, and the receiver gives each one back exactly once by release(), at once or
 * after it has used the bytes.
 *
 * Leaving.  A packet is a header that is copied in the call and spans of payload that are not.
 * Whoever reads a span after send() has returned (a device's ring, a queue behind an unresolved
 * neighbour) takes a hold of its `ref` first, and ends it by packet_drop() when it reads no more.
 * A span without a ref is copied in the call.  The bytes do not change while they are held.
 *
 * The checksum field of a leaving TCP header is zero: the layer below fills it, in the device or in
 * software, over the pseudo header, `header` and the spans.  It also fills IP's identification, hop
 * limit and the don't-fragment flag (always set).
 *
 * A burst is a leaving packet of several segments that the device cuts (segment_bytes): each has
 * segment_bytes of the payload, the last what is left, and the header with the sequence number of
 * its own.  PSH and FIN go with the last one only, every other flag with all of them: so a burst
 * has neither SYN, RST, URG nor CWR. */
#ifndef SLUICE_NET_PACKET_H
#define SLUICE_NET_PACKET_H

#include "core/base/bytes.h"
#include "core/base/must.h"

enum {
    PACKET_BURST = 64,          /* packets of one call */
    PACKET_LINKS_MAX = 4,       /* of one port */
    PACKET_HEADER_MAX = 60,     /* of TCP with all its options */
    PACKET_SPANS_MAX = 8,       /* of one leaving packet */
    PACKET_SEGMENT_LEAST = 512, /* of a burst; some devices cut nothing under 256 */
    PACKET_QUOTE_MIN = 8,       /* transport bytes quoted by an ICMP error, at least */
};

/* What owns the memory of an arrived packet; whoever gave it knows what it is. */
struct packet_frame;

enum packet_sum {
    PACKET_SUM_UNKNOWN, /* nobody has looked: the receiver verifies in software */
    PACKET_SUM_GOOD,
    PACKET_SUM_BAD,
};

struct packet_in {
    uint8_t src[16], dst[16]; /* IPv4 as ::ffff:a.b.c.d, network order */
    struct view l4;           /* header and payload, lent until the frame is released */
    struct packet_frame *frame;
    uint32_t pinned_bytes; /* memory that the frame keeps from others, at least l4.len */
    enum packet_sum sum;
    uint8_t traffic_class; /* DSCP and ECN */
};

/* A hold on bytes that leave.  Embedded in what owns them, one for each owner and connection. */
struct packet_ref {
    uint32_t holds;
    /* The last hold has ended, on the loop's own thread.  Called out of packet_drop(). */
    void (*ended)(struct packet_ref *ref);
    uint64_t driver[4]; /* the device driver's own, such as its reference block */
};

struct packet_span {
    struct view bytes;
    struct packet_ref *ref; /* NULL: the bytes are copied in the call */
};

struct packet_out {
    uint8_t src[16], dst[16]; /* one family, IPv4 as ::ffff:a.b.c.d */
    uint8_t header[PACKET_HEADER_MAX];
    uint8_t header_bytes; /* multiple of 4 */
    uint8_t traffic_class;
    uint8_t span_count;
    /* Over 0: a burst, whose payload is longer; PACKET_SEGMENT_LEAST at least. */
    uint16_t segment_bytes;
    uint32_t payload_bytes; /* sum of the spans */
    struct packet_span spans[PACKET_SPANS_MAX];
};

enum packet_error_kind {
    PACKET_TOO_BIG,     /* mtu says what fits; 0: the router did not say */
    PACKET_UNREACHABLE, /* host, network, hop limit: a soft error */
    PACKET_REFUSED,     /* port or protocol unreachable, administratively prohibited */
};

/* An ICMP error about a packet that left from src to dst. */
struct packet_error {
    enum packet_error_kind kind;
    uint32_t mtu;             /* of the IP packet */
    uint8_t src[16], dst[16]; /* of the quoted packet: src is ours */
    struct view quote;        /* its transport bytes, PACKET_QUOTE_MIN or more; lent for the call */
};

struct packet_ops {
    /* How many packets send() will take now for that link, up to PACKET_BURST. */
    uint32_t (*room)(void *self, uint32_t link);
    /* Takes all of them, all for one link; count is at most what room() said of it since the last
     * send().  A packet that cannot leave (no route, no neighbour, device down) is dropped and
     * counted below, as the network would. */
    void (*send)(void *self, const struct packet_out *packets, uint32_t count);
    void (*release)(void *self, struct packet_frame **frames, uint32_t count);
    /* Of a port of several links, each with its own room, so that a busy one holds up nobody else:
     * the number of the one, under PACKET_LINKS_MAX, over which packets from our address `src`
     * leave.  NULL: there is one, 0. */
    uint32_t (*link)(void *self, const uint8_t src[16]);
    /* Bytes of the largest IP packet that leaves from our address `src`; NULL: all addresses have
     * the one that the transport protocol was configured with. */
    uint32_t (*mtu)(void *self, const uint8_t src[16]);
    /* Bytes, header and payload, of the largest burst from our address `src`; 0, or NULL: the
     * device cuts nothing. */
    uint32_t (*burst)(void *self, const uint8_t src[16]);
};

struct packet_port {
    const struct packet_ops *ops;
    void *self;
};

static inline void
packet_hold(struct packet_ref *ref)
{
    must(ref->holds < UINT32_MAX);
    ref->holds++;
}

static inline void
packet_drop(struct packet_ref *ref)
{
    must(ref->holds > 0);
    if (--ref->holds == 0)
        ref->ended(ref);
}

#endif
