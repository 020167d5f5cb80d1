/* nic_pair.h: two devices of nic.h joined by a wire in memory, for tests, simulation and figures.
 *
 * Frames are copied at tx() and arrive at the other side in order, with the faults that were asked
 * for.  The holds of their spans end one call of the port later, as a device's ring would end them,
 * so that memory given back too early is found.  Single-threaded; no clock: delay is the business
 * of whoever calls. */
#ifndef SLUICE_TESTS_NIC_PAIR_H
#define SLUICE_TESTS_NIC_PAIR_H

#include "core/net/nic.h"

enum {
    NIC_PAIR_FRAME_BYTES = 9216 + 32,
    NIC_PAIR_FRAMES = 512, /* of each side: in the wire or lent to the receiver */
    NIC_PAIR_RING = 64,    /* frames of each side whose holds have not ended */
};

/* One in so many frames; 0: never. */
struct nic_pair_faults {
    uint32_t lose, repeat, swap, corrupt;
    uint32_t tx_most; /* frames that one call of tx() takes; 0: all */
};

struct nic_pair;

/* Fails the process when there is no memory. */
struct nic_pair *nic_pair_create(uint16_t mtu, uint64_t seed);
/* All frames must have been released and all holds ended (nic_pair_settle). */
void nic_pair_free(struct nic_pair *p);
void nic_pair_faults(struct nic_pair *p, const struct nic_pair_faults *faults);
/* Side 0 has the link address 02:00:00:00:00:01, side 1 02:00:00:00:00:02. */
struct nic nic_pair_port(struct nic_pair *p, uint32_t side);
/* Ends the holds of what was sent. */
void nic_pair_settle(struct nic_pair *p);
/* The machine of that side is gone and another has its device: what it had been lent, what was on
 * its way to it and what it had sent by reference is forgotten, and no hold of its is ended. */
void nic_pair_reset(struct nic_pair *p, uint32_t side);
/* Frames in the wire, both ways. */
uint32_t nic_pair_travelling(const struct nic_pair *p);

#endif
