/* card.h: what a card does for the kernel whose interface it is: cuts what the kernel's TCP left
 * whole into frames as they are on a wire, with their checksums, and joins segments that arrived in
 * a row.  For cable.c; IPv4 without options only, all else passes as it is.
 *
 * The kernel says what is left to do, and is told what was done, in the header in front of each
 * packet (struct virtio_net_hdr; packet(7), PACKET_VNET_HDR). */
#ifndef SLUICE_BENCH_CARD_H
#define SLUICE_BENCH_CARD_H

#include "core/net/nic.h"

#include <linux/virtio_net.h>
#include <sys/uio.h>

/* ---- from the kernel ---- */

struct card_cut {
    uint8_t *frame;
    uint32_t bytes, header_bytes, at; /* at: of the payload, what has been cut off */
    uint16_t segment_bytes;           /* 0: the frame is one */
    bool sums, done;
};

/* sums: fills checksums in; else the receiver takes their place on trust.  False: not ours to cut.
 * The frame stays until the last card_cut_next. */
must_check bool card_cut_begin(struct card_cut *c, const struct virtio_net_hdr *head,
                               struct view frame, bool sums);
/* The next frame, whose span lies in the whole one; false: that was all. */
must_check bool card_cut_next(struct card_cut *c, struct nic_tx *out);

/* ---- to the kernel ---- */

enum { CARD_JOIN_PARTS = 45, CARD_JOIN_BYTES = 65535 };

struct card_join {
    struct virtio_net_hdr head;
    uint8_t header[NIC_HEADER_MAX];
    uint32_t header_bytes, payload_bytes, first_bytes; /* payload: of all, of the first */
    bool open, joined;                                 /* more may follow; more has followed */
    uint32_t part_count;
    struct iovec parts[2 + CARD_JOIN_PARTS]; /* ready for the kernel after card_join_end */
};

/* The frame must stay until the parts are written. */
void card_join_begin(struct card_join *j, const struct view *frame);
/* False: it does not belong behind what is there. */
must_check bool card_join_add(struct card_join *j, const struct view *frame);
void card_join_end(struct card_join *j);

#endif
