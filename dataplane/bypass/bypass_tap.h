/* bypass_tap.h: devices (core/net/nic.h) that hand everything on to others and copy what comes and
 * goes into the core's ring of captured frames (core/shm/capring.h).  One stands in front of its
 * device only while a capture wants its frames; a full ring loses frames of the capture, never of
 * the device.
 */
#ifndef SLUICE_BYPASS_TAP_H
#define SLUICE_BYPASS_TAP_H

#include "core/net/nic.h"
#include "core/shm/capring.h"
#include "core/shm/chan.h"
#include "dataplane/net/ipnet_links.h"

struct bypass_tap;

struct bypass_tap_link {
    struct nic nic; /* the device */
    struct bypass_tap *tap;
};

struct bypass_tap {
    struct bypass_tap_link links[IPNET_LINKS_MAX];
    struct capring_core *core;
    struct chan ring;
    struct capring_task task;
    uint64_t now_ns, lost;
};

/* core NULL: nothing is ever captured.  It and the devices are lent. */
void bypass_tap_init(struct bypass_tap *t, const struct nic *nics, uint32_t count,
                     struct capring_core *core);
/* Once a turn. */
void bypass_tap_turn(struct bypass_tap *t, uint64_t now_ns);
/* The device of a link to use until the next turn: the one itself, or what stands before it. */
struct nic bypass_tap_nic(struct bypass_tap *t, uint32_t link);
/* Whether a filter wants a frame whose first bytes are these. */
bool bypass_tap_wants(const struct capring_filter *f, const uint8_t *frame, uint32_t bytes);

#endif
