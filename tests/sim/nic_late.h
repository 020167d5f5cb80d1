/* nic_late.h: a device whose frames arrive later: nic.h over another one, in virtual time.
 *
 * Every frame waits for `delay_ns` and up to `jitter_ns` more, and none passes the one before it.
 * What arrives while `NIC_LATE_FRAMES` wait stays with the device below.  Sending goes straight
 * through: it is the other side's device that is late. */
#ifndef SLUICE_TESTS_NIC_LATE_H
#define SLUICE_TESTS_NIC_LATE_H

#include "core/net/nic.h"

enum { NIC_LATE_FRAMES = 256 };

struct nic_late {
    struct nic below;
    const uint64_t *now_ns;
    uint64_t delay_ns, jitter_ns, random, due_ns; /* due_ns: of the last one */
    uint32_t first, count;
    struct nic_rx frames[NIC_LATE_FRAMES];
    uint64_t due[NIC_LATE_FRAMES];
};

/* The clock is lent. */
void nic_late_init(struct nic_late *l, struct nic below, const uint64_t *now_ns, uint64_t seed);
void nic_late_set(struct nic_late *l, uint64_t delay_ns, uint64_t jitter_ns);
struct nic nic_late_port(struct nic_late *l);

#endif
