/* nic.h: port for frames: one pair of queues, receive and transmit, of one network device.
 *
 * Drivers: drivers/dpdk; two ports joined in memory (tests/sim/nic_pair.h).  One instance a loop,
 * used by its thread only.  Every call is for a burst, is cheap, and none blocks.
 *
 * Receiving is a loan: a frame's bytes are contiguous and read only, and stay until release().  A
 * driver has a bounded number of frames; those that are out with the caller are missing for
 * receiving, so `pinned_bytes` is what to account for, and not the length.
 *
 * Sending: the header is copied in the call, and so is a span without a ref.  The other spans are
 * read later, possibly after the call returned: the driver takes a hold of their ref (packet.h) for
 * every frame that it accepts, and ends it by packet_drop() in a later call of this port. */
#ifndef SLUICE_NET_NIC_H
#define SLUICE_NET_NIC_H

#include "core/net/packet.h"

enum {
    NIC_BURST_MAX = 64,
    NIC_HEADER_MAX = 128, /* Ethernet 14, VLAN tag 4, IPv6 40, TCP 60, and some room */
    NIC_NAME_BYTES = 64,
};

struct nic_rx {
    struct view bytes; /* from the destination address on, without the checksum at the end */
    struct packet_frame *frame; /* for release() */
    uint32_t pinned_bytes;      /* memory that the frame keeps from others, at least bytes.len */
    enum packet_sum ip_sum;     /* of the IPv4 header */
    enum packet_sum l4_sum;
};

struct nic_tx {
    uint8_t header[NIC_HEADER_MAX];
    uint8_t header_bytes; /* what of the frame is copied; the spans follow it */
    uint8_t l2_bytes;     /* link header with its tag: the IP header starts here */
    uint8_t l3_bytes;     /* IP header with extensions; 0: not IP */
    uint8_t span_count;
    /* The device fills the checksum field of TCP, which holds the sum of the pseudo header.  Only
     * where facts.tx_l4_sum says that it can. */
    bool l4_sum;
    /* Over 0: the device cuts the payload, which is longer, into segments of this size (packet.h),
     * and makes headers for them.  l4_sum is set, and the sum of the pseudo header is one without
     * its length.  Only where facts.tx_burst_bytes says that it can. */
    uint16_t segment_bytes;
    uint32_t payload_bytes; /* sum of the spans */
    struct packet_span spans[PACKET_SPANS_MAX];
};

struct nic_facts {
    char name[NIC_NAME_BYTES];
    uint8_t mac[6];
    uint16_t mtu;    /* bytes of an IP packet */
    uint32_t queues; /* of the whole device */
    bool tx_l4_sum;  /* fills TCP checksums in */
    /* TCP header and payload of the longest frame that it cuts into segments, of IPv4 and of IPv6;
     * 0: it cuts nothing.  Not without tx_l4_sum. */
    uint32_t tx_burst_bytes;
    bool rx_l4_sum; /* verifies those of IPv4 and TCP */
    bool chains;    /* takes payload by reference; what it cannot reach is copied */
    bool link_up;
    uint32_t link_mbps; /* 0: unknown */
};

struct nic_stat {
    uint64_t rx_frames, rx_bytes, tx_frames, tx_bytes;
    uint64_t rx_missed;                  /* arrived while there was no free frame or descriptor */
    uint64_t rx_errors;                  /* bad on the wire, or too long */
    uint64_t tx_errors;                  /* accepted, and then not sent */
    uint64_t tx_bursts;                  /* of tx_frames: those that the device cuts; once each */
    uint64_t tx_full;                    /* calls of tx() that took fewer frames than offered */
    uint64_t frames_out;                 /* lent now */
    uint64_t tx_by_reference, tx_copied; /* of tx_bytes: of spans, each where it lay or copied */
    uint64_t spans_held;                 /* by reference, and not given back yet */
};

/* Memory in whole pages, from which spans come. */
struct nic_memory {
    const void *at;
    uint64_t bytes;
};

struct nic_ops {
    /* Lends at most max frames that have arrived; returns how many. */
    uint32_t (*rx)(void *self, struct nic_rx *out, uint32_t max);
    /* Gives frames back, in any order, each once. */
    void (*release)(void *self, struct packet_frame *const *frames, uint32_t count);
    /* Accepts frames from the front and returns how many: fewer when the device's ring is full.
     * Every frame is of mtu + l2_bytes bytes at most, or of tx_burst_bytes behind l2_bytes and
     * l3_bytes when it is to be cut: so are its segments then.  A frame that was accepted may still
     * be lost, as on any wire. */
    uint32_t (*tx)(void *self, const struct nic_tx *const *frames, uint32_t count);
    /* What the device is, and its link now. */
    void (*facts)(void *self, struct nic_facts *out);
    /* Missed frames and errors, which the device counts, may be those of an earlier call. */
    void (*stat)(void *self, struct nic_stat *out);
};

struct nic {
    const struct nic_ops *ops;
    void *self;
};

#endif
